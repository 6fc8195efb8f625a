//! Alarms that no worker raises by itself: a feed that is silent for too long, a disk that fills up.
//!
//! Each is a metric, and a line in the log when it begins and when it ends; never one a minute. What workers meet
//! themselves, such as a base that refuses a certificate, they say themselves.

use crate::config::Config;
use crate::store::Store;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tracing::{info, warn};

/// Alarms that stand.
#[derive(Debug, Default)]
pub struct Alarms {
    looked: Mutex<BTreeSet<String>>,
    /// What the schedule met, until the same work says otherwise.
    met: Mutex<BTreeSet<String>>,
}

impl Alarms {
    /// Whether an alarm stands: `silence FEED` and the others of [`Self::look`], `failed JOB`, `imbalance FACILITY`.
    pub fn on(&self, alarm: &str) -> bool {
        let has = |set: &Mutex<BTreeSet<String>>| {
            set.lock().unwrap_or_else(PoisonError::into_inner).contains(alarm)
        };
        has(&self.looked) || has(&self.met)
    }

    /// Begins or ends an alarm that scheduled work met. The work writes the log and the metric.
    pub fn set(&self, alarm: String, on: bool) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if on {
            met.insert(alarm)
        } else {
            met.remove(&alarm)
        };
    }

    /// Looks at that time, in milliseconds since 1970, of an appliance that runs since `started_ms`. The alarms that
    /// stand: `silence FEED`, `disk-low FACILITY`, `disk-full FACILITY`, `consent-refused FACILITY`: the newest list of
    /// consents was not taken, so that the one before it says who is shared.
    pub fn look(&self, store: &Store, config: &Config, started_ms: i64, now_ms: i64) -> BTreeSet<String> {
        let mut standing = BTreeSet::new();
        for feed in &config.feeds {
            let Some(silence) = feed.silence else { continue };
            let Some(facility) = store.facility(&feed.facility) else { continue };
            // A time of rest is not counted as the feed's silence.
            let last = facility.last_received_ms(&feed.name).ok().flatten();
            let since = last.unwrap_or(started_ms).max(started_ms);
            let silent =
                now_ms.saturating_sub(since) > i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
            metrics::gauge!("renkei_feed_silent", "feed" => feed.name.clone())
                .set(f64::from(u8::from(silent)));
            if silent {
                standing.insert(format!("silence {}", feed.name));
            }
        }
        for facility in store.facilities() {
            let disk = facility.disk();
            let code = || facility.code().to_owned();
            metrics::gauge!("renkei_disk_free_bytes", "facility" => code()).set(disk.free_bytes as f64);
            metrics::gauge!("renkei_disk_full", "facility" => code()).set(f64::from(u8::from(disk.full)));
            if disk.full {
                standing.insert(format!("disk-full {}", facility.code()));
            } else if disk.low {
                standing.insert(format!("disk-low {}", facility.code()));
            }
        }
        let lists = store.audit().last_of(["consent-refused", "consent-import"]);
        if let Err(error) = &lists {
            warn!(%error, "The audit trail cannot be read: alarms of consent lists stay as they are.");
        }
        for facility in store.facilities() {
            let refused = match &lists {
                Ok(lists) => lists
                    .iter()
                    .any(|(target, action)| target == facility.code() && action == "consent-refused"),
                Err(_) => self.on(&format!("consent-refused {}", facility.code())),
            };
            metrics::gauge!("renkei_consent_refused", "facility" => facility.code().to_owned())
                .set(f64::from(u8::from(refused)));
            if refused {
                standing.insert(format!("consent-refused {}", facility.code()));
            }
        }
        let mut before = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        for alarm in standing.difference(&before) {
            warn!(alarm, "An alarm has begun.");
        }
        for alarm in before.difference(&standing) {
            info!(alarm, "An alarm has ended.");
        }
        before.clone_from(&standing);
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::store::{Arrival, Indexed, Origin};

    const HOUR: i64 = 3_600_000;
    /// 2026-04-01 00:00 in Japan.
    const START: i64 = 1_774_969_200_000;

    #[tokio::test]
    async fn a_feed_that_is_silent_too_long_is_told_and_ends_it_by_a_message() {
        let dir = tempfile::tempdir().unwrap();
        let text = "data_dir = 'data'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n\
                    [[facility]]\ncode = '1319999999'\n\
                    [[feed]]\nname = 'a'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '127.0.0.1:1'\nsilence = '6h'\n\
                    [[feed]]\nname = 'b'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '127.0.0.1:2'\n";
        let (config, _) = config::parse(&dir.path().join("bridge.toml"), text).unwrap();
        let store = crate::app::open_store(&config).unwrap();
        let alarms = Alarms::default();
        let look = |hours: i64| alarms.look(&store, &config, START, START + hours * HOUR);
        assert!(look(6).is_empty());
        assert_eq!(look(7).into_iter().collect::<Vec<_>>(), ["silence a"]);
        assert!(alarms.on("silence a") && !alarms.on("silence b"));
        let facility = store.facility("1319999999").unwrap();
        let arrival = Arrival {
            feed: "a".into(),
            name: "1".into(),
            body: b"x".to_vec(),
            origin: Origin::default(),
            received_ms: START + 8 * HOUR,
            duplicate_window_ms: 0,
        };
        facility.accept(arrival).await.unwrap();
        let found = facility.unindexed(1).unwrap();
        facility.index(vec![Indexed { id: found[0].id, ..Indexed::default() }]).unwrap();
        assert!(look(14).is_empty());
        assert!(!alarms.on("silence a"));
        assert_eq!(look(15).len(), 1);
    }

    #[test]
    fn a_refused_consent_list_stands_until_a_good_one_comes_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let text = "data_dir = 'data'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n\
                    [[facility]]\ncode = '1319999998'\n[[facility]]\ncode = '1319999999'\n";
        let (config, _) = config::parse(&dir.path().join("bridge.toml"), text).unwrap();
        let store = crate::app::open_store(&config).unwrap();
        let took = |action: &str| store.audit().append("folder", action, "1319999999", "").unwrap();
        let look = || Alarms::default().look(&store, &config, START, START);
        took("consent-import");
        assert!(look().is_empty());
        took("consent-refused");
        // Nothing is kept between two looks: a new process sees it too.
        assert_eq!(look().into_iter().collect::<Vec<_>>(), ["consent-refused 1319999999"]);
        took("consent-import");
        assert!(look().is_empty());
    }

    #[test]
    fn a_full_disk_is_one_alarm_a_facility() {
        let dir = tempfile::tempdir().unwrap();
        for (soft, hard, expected) in [
            ("0B", "0B", None),
            ("999999TiB", "0B", Some("disk-low 1319999999")),
            ("999999TiB", "999999TiB", Some("disk-full 1319999999")),
        ] {
            let text = format!(
                "data_dir = 'data'\n[store]\nsoft_free = '{soft}'\nhard_free = '{hard}'\n[[facility]]\ncode = '1319999999'\n"
            );
            let (config, _) = config::parse(&dir.path().join("bridge.toml"), &text).unwrap();
            let store = crate::app::open_store(&config).unwrap();
            let found = Alarms::default().look(&store, &config, START, START);
            assert_eq!(found.first().map(String::as_str), expected);
        }
    }
}
