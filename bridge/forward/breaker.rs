//! The circuit breaker of one facility and destination. Pure: time is given, in milliseconds.
//!
//! Closed, it lets all deliveries go. After some failures in a row it opens; when its pause is over it
//! lets one probe go, and closes with the first success. Refused credentials open it at once.

use super::config::BreakerSettings;
use super::retry::RETRY_AFTER_MAX;
use super::status::BreakerState;
use std::time::Duration;

/// Why a breaker is open that only a person can mend: 401, 403 or a certificate that is refused.
pub const CREDENTIALS: &str = "credentials";

/// How many deliveries may be claimed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// As many as there is room for.
    All,
    /// One, while none is in flight.
    Probe,
    /// None before this time.
    Wait {
        /// Milliseconds of Unix time.
        until_ms: i64,
    },
}

/// What a failure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing that a person would see.
    Same,
    /// It has opened.
    Opened,
    /// It has opened because of credentials, and was not open for that reason before.
    Alarm,
    /// It has closed.
    Closed,
}

/// A breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    longest: Duration,
    state: BreakerState,
    reason: Option<&'static str>,
    since_ms: i64,
    /// Failures in a row while closed.
    failures: u32,
    /// Pauses in a row, for their length.
    pauses: u32,
    until_ms: i64,
    /// The base asked to be left alone until then, whatever the state.
    not_before_ms: i64,
}

impl Breaker {
    /// Closed.
    pub fn new(settings: BreakerSettings, longest: Duration, now_ms: i64) -> Self {
        Self {
            settings,
            longest,
            state: BreakerState::Closed,
            reason: None,
            since_ms: now_ms,
            failures: 0,
            pauses: 0,
            until_ms: 0,
            not_before_ms: 0,
        }
    }

    /// Its state.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Why it is not closed.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// Since when it is in its state.
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// What may be claimed now. Turns from open to half-open when the pause is over.
    pub fn permit(&mut self, now_ms: i64) -> Permit {
        // A clock that was ahead and has been put right must not be waited for.
        let furthest = now_ms.saturating_add(millis(self.longest.max(RETRY_AFTER_MAX)));
        self.not_before_ms = self.not_before_ms.min(furthest);
        self.until_ms = self.until_ms.min(furthest);
        if now_ms < self.not_before_ms {
            return Permit::Wait { until_ms: self.not_before_ms.max(self.until_ms) };
        }
        match self.state {
            BreakerState::Closed => Permit::All,
            BreakerState::HalfOpen => Permit::Probe,
            BreakerState::Open if now_ms < self.until_ms => Permit::Wait { until_ms: self.until_ms },
            BreakerState::Open => {
                self.turn(BreakerState::HalfOpen, now_ms);
                Permit::Probe
            }
        }
    }

    /// The base has answered a delivery, by taking it or by a refusal that is about its content.
    pub fn success(&mut self, now_ms: i64) -> Turn {
        self.failures = 0;
        if self.state == BreakerState::Closed {
            return Turn::Same;
        }
        self.pauses = 0;
        self.reason = None;
        self.turn(BreakerState::Closed, now_ms);
        Turn::Closed
    }

    /// A failure that may mend by itself.
    pub fn failure(&mut self, error: &'static str, now_ms: i64) -> Turn {
        match self.state {
            BreakerState::Closed => {
                self.failures += 1;
                if self.failures < self.settings.failures {
                    return Turn::Same;
                }
                self.open(error, now_ms);
                Turn::Opened
            }
            BreakerState::HalfOpen => {
                self.open(error, now_ms);
                Turn::Same
            }
            // The last of those that were in flight when it opened.
            BreakerState::Open => Turn::Same,
        }
    }

    /// The base refuses the facility.
    pub fn credentials(&mut self, now_ms: i64) -> Turn {
        let known = self.reason == Some(CREDENTIALS);
        if !(known && self.state == BreakerState::Open) {
            self.open(CREDENTIALS, now_ms);
            self.until_ms = now_ms.saturating_add(millis(self.longest));
        }
        if known { Turn::Same } else { Turn::Alarm }
    }

    /// The base asked to be left alone.
    pub fn not_before(&mut self, at_ms: i64) {
        self.not_before_ms = self.not_before_ms.max(at_ms);
    }

    fn open(&mut self, reason: &'static str, now_ms: i64) {
        let pause = self.settings.pause.saturating_mul(1 << self.pauses.min(16)).min(self.longest);
        self.pauses = self.pauses.saturating_add(1);
        self.failures = 0;
        self.reason = Some(reason);
        self.until_ms = now_ms.saturating_add(millis(pause));
        self.turn(BreakerState::Open, now_ms);
    }

    fn turn(&mut self, state: BreakerState, now_ms: i64) {
        // A probe that fails does not begin a new outage: `since` stays at its beginning.
        if (self.state == BreakerState::Closed) != (state == BreakerState::Closed) {
            self.since_ms = now_ms;
        }
        self.state = state;
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        let settings = BreakerSettings { failures: 3, pause: Duration::from_secs(1) };
        Breaker::new(settings, Duration::from_secs(4), 0)
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut breaker = breaker();
        for _ in 0..5 {
            assert_eq!(breaker.failure("answer-5xx", 1), Turn::Same);
            assert_eq!(breaker.failure("answer-5xx", 1), Turn::Same);
            assert_eq!(breaker.success(1), Turn::Same);
        }
        assert_eq!(breaker.permit(2), Permit::All);
        let turns = [3, 4, 5].map(|now| breaker.failure("timeout", now));
        assert_eq!(turns, [Turn::Same, Turn::Same, Turn::Opened]);
        assert_eq!(breaker.permit(6), Permit::Wait { until_ms: 1_005 });
        assert_eq!((breaker.reason(), breaker.since_ms()), (Some("timeout"), 5));
    }

    #[test]
    fn probes_come_at_growing_distance_until_one_succeeds() {
        let mut breaker = breaker();
        let mut now = 0;
        for _ in 0..3 {
            breaker.failure("connect", now);
        }
        for pause in [1_000, 2_000, 4_000, 4_000] {
            assert_eq!(breaker.permit(now), Permit::Wait { until_ms: now + pause });
            now += pause;
            assert_eq!(breaker.permit(now), Permit::Probe);
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            assert_eq!(breaker.failure("connect", now), Turn::Same);
        }
        assert_eq!(breaker.since_ms(), 0, "one outage");
        now += 4_000;
        assert_eq!(breaker.permit(now), Permit::Probe);
        assert_eq!(breaker.success(now), Turn::Closed);
        assert_eq!((breaker.permit(now), breaker.since_ms()), (Permit::All, now));
        for _ in 0..3 {
            breaker.failure("connect", now);
        }
        assert_eq!(breaker.permit(now), Permit::Wait { until_ms: now + 1_000 }, "pauses begin anew");
    }

    #[test]
    fn a_clock_put_back_is_not_waited_for() {
        let (mut breaker, ahead) = (breaker(), 10 * 365 * 86_400_000);
        breaker.credentials(ahead);
        breaker.not_before(ahead);
        let Permit::Wait { until_ms } = breaker.permit(0) else { panic!("it waits") };
        assert!(until_ms <= 6 * 3_600_000, "{until_ms}");
        assert_eq!(breaker.permit(until_ms), Permit::Probe);
    }

    #[test]
    fn credentials_open_at_once_with_one_alarm() {
        let mut breaker = breaker();
        assert_eq!(breaker.credentials(10), Turn::Alarm);
        assert_eq!(breaker.credentials(11), Turn::Same, "the others that were in flight");
        assert_eq!(breaker.permit(12), Permit::Wait { until_ms: 4_010 });
        assert_eq!(breaker.permit(4_010), Permit::Probe);
        assert_eq!(breaker.credentials(4_011), Turn::Same);
        assert_eq!(breaker.permit(4_012), Permit::Wait { until_ms: 8_011 });
        assert_eq!(breaker.permit(8_011), Permit::Probe);
        assert_eq!(breaker.success(8_012), Turn::Closed);
        assert_eq!(breaker.credentials(8_013), Turn::Alarm);
    }

    #[test]
    fn what_the_base_asks_for_is_waited_for_in_every_state() {
        let mut breaker = breaker();
        breaker.not_before(500);
        breaker.not_before(400);
        assert_eq!(breaker.permit(499), Permit::Wait { until_ms: 500 });
        assert_eq!(breaker.permit(500), Permit::All);
        for _ in 0..3 {
            breaker.failure("answer-429", 600);
        }
        breaker.not_before(9_000);
        assert_eq!(breaker.permit(700), Permit::Wait { until_ms: 9_000 });
        assert_eq!(breaker.permit(9_000), Permit::Probe);
    }
}
