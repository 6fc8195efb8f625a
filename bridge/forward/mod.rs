//! Sending what the record holds to the bases, and keeping at it until they have it.
//!
//! A lane goes from one facility to one base: it claims deliveries from the store, sends each outside any
//! transaction and settles it by the answer. Lanes share nothing, so that one facility's refused
//! certificate or slow relay is its own. Nothing of a request or an answer is ever logged.
//!
//! [`config`] is what an operator sets, [`client`] speaks HTTP, [`answer`] says what an answer means,
//! [`breaker`] and [`retry`] say when to try again, [`lane`] is the loop, [`status`] is what the console
//! shows, [`rehearsal`] is the stand-in base.

pub mod answer;
pub mod breaker;
pub mod client;
pub mod config;
mod lane;
pub mod rehearsal;
pub mod retry;
pub mod status;
#[cfg(test)]
mod tests;

pub use answer::Outcome;
pub use breaker::CREDENTIALS;
pub use client::{Client, OpenError};
pub use config::{Base, BreakerSettings, Kind, Tls};
pub use status::{BreakerState, Status, Statuses};

use crate::store::FacilityStore;
use lane::Lane;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A destination at work.
pub struct Forwarder {
    /// How its lanes stand, for the console.
    pub statuses: Statuses,
    lanes: JoinSet<()>,
}

impl Forwarder {
    /// Waits until every lane has ended, which each does some seconds after the shutdown token at most.
    pub async fn stopped(mut self) {
        while let Some(ended) = self.lanes.join_next().await {
            if ended.is_err() {
                tracing::error!("A lane ended by a fault in its own code.");
            }
        }
    }
}

/// Starts a lane for each of the facilities that send to this base.
///
/// # Errors
/// Where its certificates cannot be used.
pub fn spawn(
    base: Base,
    stores: Vec<Arc<FacilityStore>>,
    shutdown: CancellationToken,
) -> Result<Forwarder, OpenError> {
    let client = Client::open(&base)?;
    let (base, statuses) = (Arc::new(base), Statuses::default());
    let mut lanes = JoinSet::new();
    for store in stores.into_iter().filter(|store| base.serves(store.code())) {
        let lane = Lane::new(Arc::clone(&base), client.clone(), store, statuses.clone(), shutdown.clone());
        lanes.spawn(lane.run());
    }
    Ok(Forwarder { statuses, lanes })
}

/// Now, in milliseconds of Unix time.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Makes ring the process's cryptography, which reqwest looks up. A second call changes nothing.
pub fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // An error means that one is installed already; ours is the only one that is built in.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
