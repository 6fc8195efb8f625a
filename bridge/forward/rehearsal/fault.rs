//! What goes wrong at the rehearsal base: rates drawn from a seed, and a script for single requests.
//!
//! Only requests that write meet faults; reading stays reliable, so that an oracle can look on.

use std::time::Duration;

/// What goes wrong, and how often. Rates are from 0 to 1; at most one fault meets a request.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Every answer comes this much later.
    #[serde(deserialize_with = "crate::units::duration")]
    pub delay: Duration,
    /// Answers 503, nothing committed.
    pub server_error: f64,
    /// Answers 429, nothing committed.
    pub too_many: f64,
    /// `Retry-After` of 429 and 503: seconds or an HTTP date.
    pub retry_after: Option<String>,
    /// Closes the connection without an answer, nothing committed.
    pub drop_before_commit: f64,
    /// Commits, then closes the connection without an answer.
    pub drop_after_commit: f64,
    /// Commits, then answers 200 with something that is no FHIR.
    pub garbled: f64,
    /// Answers 401 to everything.
    pub unauthorized: bool,
    /// Refuses connections and closes those that are open.
    pub away: bool,
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: for a script that lets some requests pass.
    None,
    /// An answer with this status, nothing committed.
    Status(u16),
    /// The connection closes, nothing committed.
    DropBeforeCommit,
    /// Committed, then the connection closes.
    DropAfterCommit,
    /// Committed, then an answer 200 that is no FHIR.
    Garbled,
    /// Never answered, nothing committed.
    Hang,
}

impl Faults {
    /// Draws what meets the next request. Takes one number whatever the rates are, so that a seed replays.
    pub fn draw(&self, dice: &mut Dice) -> Option<Fault> {
        let mut drawn = dice.fraction();
        if self.unauthorized {
            return Some(Fault::Status(401));
        }
        let rates = [
            (self.server_error, Fault::Status(503)),
            (self.too_many, Fault::Status(429)),
            (self.drop_before_commit, Fault::DropBeforeCommit),
            (self.drop_after_commit, Fault::DropAfterCommit),
            (self.garbled, Fault::Garbled),
        ];
        for (rate, fault) in rates {
            if drawn < rate {
                return Some(fault);
            }
            drawn -= rate;
        }
        None
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers from a seed on every version and machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, 0 included, 1 not.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // 53 bits fill a double exactly.
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, faults: &Faults, count: usize) -> Vec<Option<Fault>> {
        let mut dice = Dice::new(seed);
        (0..count).map(|_| faults.draw(&mut dice)).collect()
    }

    #[test]
    fn a_seed_replays_and_another_differs() {
        let faults = Faults { server_error: 0.3, drop_after_commit: 0.3, ..Faults::default() };
        assert_eq!(drawn(7, &faults, 64), drawn(7, &faults, 64));
        assert_ne!(drawn(7, &faults, 64), drawn(8, &faults, 64));
    }

    #[test]
    fn rates_come_out_as_set() {
        let faults = Faults { server_error: 0.25, too_many: 0.25, ..Faults::default() };
        let all = drawn(1, &faults, 10_000);
        for fault in [Some(Fault::Status(503)), Some(Fault::Status(429))] {
            let seen = all.iter().filter(|drawn| **drawn == fault).count();
            assert!((2_300..2_700).contains(&seen), "{fault:?} {seen}");
        }
    }

    #[test]
    fn nothing_goes_wrong_by_default_and_everything_at_rate_one() {
        assert!(drawn(3, &Faults::default(), 100).iter().all(Option::is_none));
        let all = Faults { drop_before_commit: 1.0, ..Faults::default() };
        assert!(drawn(3, &all, 100).iter().all(|fault| *fault == Some(Fault::DropBeforeCommit)));
    }
}
