//! What the console shows of sending: one row per destination and facility.

use std::sync::{Arc, PoisonError, RwLock};

/// Whether sending goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Sending goes on.
    Closed,
    /// Sending pauses.
    Open,
    /// One delivery is tried.
    HalfOpen,
}

/// How sending from one facility to one destination stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The destination's name.
    pub destination: String,
    /// The facility's code.
    pub facility: String,
    /// Whether sending goes on.
    pub breaker: BreakerState,
    /// Why it does not: an error code, or `credentials`, which a person must mend.
    pub reason: Option<&'static str>,
    /// Since when the breaker stands so, in milliseconds of Unix time.
    pub since_ms: i64,
    /// When the base last took something.
    pub last_success_ms: Option<i64>,
    /// The code of the last failure.
    pub last_error: Option<&'static str>,
    /// When that was.
    pub last_error_ms: Option<i64>,
}

impl Status {
    /// Whether a person must act: the base refuses the facility's certificate or login.
    pub fn alarm(&self) -> bool {
        self.reason == Some(super::CREDENTIALS)
    }
}

/// A readable handle on the statuses of a destination; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Statuses(Arc<RwLock<Vec<Status>>>);

impl Statuses {
    /// How sending stands now, in order of facilities.
    pub fn all(&self) -> Vec<Status> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of one facility.
    pub fn of(&self, facility: &str) -> Option<Status> {
        self.all().into_iter().find(|status| status.facility == facility)
    }

    pub(super) fn set(&self, status: Status) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|known| known.facility == status.facility) {
            Some(known) => *known = status,
            None => all.push(status),
        }
    }
}
