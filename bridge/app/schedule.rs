//! What the appliance does by itself at its times: reconciliation, backup, retention; and alarms all the time.
//!
//! When something was last done is in the store. So what fell into a time at which the appliance was off is done once
//! at the next start, however many times were missed. What fails is tried again after [`RETRY_MS`]. Times are
//! given to [`Upkeep::look`]; nothing here asks a clock but [`run`].

use super::alarm::Alarms;
use crate::calendar::Times;
use crate::config::{self, Config};
use crate::store::{AUDIT_RETENTION, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How often it is asked whether something is due: times are in minutes.
const LOOK: Duration = Duration::from_secs(20);

/// Before what failed is tried again.
const RETRY_MS: i64 = 3_600_000;

/// A last time so far ahead was noted by a wrong clock.
const AHEAD_MS: i64 = 86_400_000;

/// Who the audit trail names.
const WHO: &str = "schedule";

type Work = fn(&Upkeep, i64) -> Outcome;

/// How a piece of work ended: with the sentence of what went wrong, which holds nothing of a message.
type Outcome = Result<(), String>;

/// What is done, in this order where several are due.
const WORK: [(&str, Work); 3] =
    [("reconcile", Upkeep::reconcile), ("backup", Upkeep::backup), ("retention", Upkeep::retention)];

/// The schedule of an appliance.
#[derive(Debug)]
pub struct Upkeep {
    store: Arc<Store>,
    config: Arc<Config>,
    alarms: Arc<Alarms>,
    started_ms: i64,
    /// Not before these times, for what failed.
    later: Mutex<BTreeMap<&'static str, i64>>,
}

/// Looks again and again until the shutdown.
pub async fn run(upkeep: Upkeep, shutdown: CancellationToken) {
    let upkeep = Arc::new(upkeep);
    loop {
        let at_work = upkeep.clone();
        // What is under way at the shutdown is cut off with the process: each is safe against that.
        let look = tokio::task::spawn_blocking(move || at_work.look(super::now_ms()));
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = look => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Upkeep {
    /// The schedule of that configuration over that store.
    pub fn new(store: Arc<Store>, config: Arc<Config>, started_ms: i64) -> Self {
        Self { store, config, alarms: Arc::default(), started_ms, later: Mutex::default() }
    }

    /// The alarms that stand.
    pub fn alarms(&self) -> Arc<Alarms> {
        self.alarms.clone()
    }

    /// Does what is due at that time, in milliseconds since 1970. What was done, or tried.
    pub fn look(&self, now_ms: i64) -> Vec<&'static str> {
        self.alarms.look(&self.store, &self.config, self.started_ms, now_ms);
        let mut tried = Vec::new();
        for (what, work) in WORK {
            if !self.due(what, now_ms) {
                continue;
            }
            tried.push(what);
            let ended = work(self, now_ms)
                .and_then(|()| self.store.done(what, now_ms).map_err(|error| error.to_string()));
            let failed = metrics::gauge!("renkei_schedule_failed", "job" => what);
            self.alarms.set(format!("failed {what}"), ended.is_err());
            match ended {
                Ok(()) => {
                    failed.set(0.0);
                    metrics::gauge!("renkei_schedule_last_success_seconds", "job" => what)
                        .set((now_ms / 1_000) as f64);
                }
                Err(error) => {
                    failed.set(1.0);
                    error!(job = what, error, "Scheduled work failed, will retry.");
                    self.later.lock().unwrap_or_else(PoisonError::into_inner).insert(what, now_ms + RETRY_MS);
                }
            }
        }
        tried
    }

    fn due(&self, what: &str, now_ms: i64) -> bool {
        let wait = self.later.lock().unwrap_or_else(PoisonError::into_inner).get(what).copied();
        if wait.is_some_and(|until| now_ms < until && until <= now_ms + RETRY_MS) {
            return false;
        }
        let times = self.times(what);
        match self.store.last_done(what) {
            Ok(Some(last)) if last <= now_ms + AHEAD_MS => times.after(last).is_some_and(|at| at <= now_ms),
            // The first start of an appliance, or a clock that was wrong: the next time is the first.
            Ok(_) => {
                let _ = self.store.done(what, now_ms);
                false
            }
            Err(error) => {
                error!(job = what, %error, "The schedule cannot be read.");
                false
            }
        }
    }

    fn times(&self, what: &str) -> &Times {
        let schedule = &self.config.schedule;
        match what {
            "reconcile" => &schedule.reconcile,
            "backup" => &schedule.backup,
            _ => &schedule.retention,
        }
    }

    /// Whether every open day of every facility balances, and whether what the configuration names is sound. A sum that
    /// does not hold is an alarm and no failure of this work.
    fn reconcile(&self, now_ms: i64) -> Outcome {
        let (mut days, mut wrong) = (0, 0);
        for facility in self.store.facilities() {
            let Some(first) = facility.first_open_day().map_err(|error| error.to_string())? else { continue };
            let sums = facility.sums(first, u32::MAX).map_err(|error| error.to_string())?;
            let unbalanced: Vec<_> = sums.iter().filter(|sum| !sum.balanced()).collect();
            for sum in &unbalanced {
                let accounted = sum.registered + sum.pending + sum.quarantined + sum.rejected + sum.excluded;
                error!(
                    facility = facility.code(),
                    day = sum.day,
                    received = sum.received,
                    accounted,
                    "The sum of a day does not hold."
                );
            }
            self.alarms.set(format!("imbalance {}", facility.code()), !unbalanced.is_empty());
            metrics::gauge!("renkei_imbalance_days", "facility" => facility.code().to_owned())
                .set(unbalanced.len() as f64);
            days += sums.len();
            wrong += unbalanced.len();
        }
        let problems = config::environment(&self.config, now_ms / 1_000);
        for problem in &problems {
            warn!(setting = problem.key, "{}", problem.en);
        }
        metrics::gauge!("renkei_configuration_problems").set(problems.len() as f64);
        info!(days, wrong, "All open days were reconciled.");
        self.audit("reconcile", "", &format!("{days} days, {wrong} do not balance"))
    }

    fn backup(&self, now_ms: i64) -> Outcome {
        if self.config.backup.to.is_none() {
            return Ok(());
        }
        match self.store.backup(&self.config.backup, &self.config.file, now_ms) {
            Ok(made) => {
                info!(files = made.files, linked = made.linked, bytes = made.bytes, "A backup was made.");
                let name = made.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.audit("backup", &name, &format!("{} files, {} bytes", made.files, made.bytes))
            }
            Err(error) => {
                self.audit("backup-failed", "", &error.to_string())?;
                Err(error.to_string())
            }
        }
    }

    fn retention(&self, now_ms: i64) -> Outcome {
        for facility in self.store.facilities() {
            let dropped = facility.drop_segments(now_ms).map_err(|error| error.to_string())?;
            if dropped.segments > 0 {
                info!(
                    facility = facility.code(),
                    days = dropped.segments,
                    "Journals past their retention were dropped."
                );
                self.audit("retention", facility.code(), &format!("{} days dropped", dropped.segments))?;
            }
            metrics::gauge!("renkei_journals_kept_unsettled", "facility" => facility.code().to_owned())
                .set(dropped.kept as f64);
        }
        let keep = i64::try_from(AUDIT_RETENTION.as_millis()).unwrap_or(i64::MAX);
        let dropped = self.store.audit().drop_before(now_ms - keep).map_err(|error| error.to_string())?;
        if dropped > 0 {
            self.audit("retention", "audit", &format!("{dropped} entries dropped"))?;
        }
        Ok(())
    }

    fn audit(&self, action: &str, target: &str, detail: &str) -> Outcome {
        self.store.audit().append(WHO, action, target, detail).map(|_| ()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::restore;

    /// 2026-04-01 00:00 in Japan.
    const MIDNIGHT: i64 = 1_774_969_200_000;
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 1_440 * MINUTE;

    struct Machine {
        dir: tempfile::TempDir,
        upkeep: Upkeep,
    }

    fn open(dir: &std::path::Path, backup: &str) -> Upkeep {
        let file = dir.join("bridge.toml");
        std::fs::write(dir.join("backup.key"), "ab".repeat(32)).unwrap();
        let text = format!(
            "data_dir = 'data'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n[backup]\nto = '{backup}'\n\
             key = 'backup.key'\nkeep = 2\n[[facility]]\ncode = '1319999999'\n"
        );
        std::fs::write(&file, &text).unwrap();
        let (config, _) = config::parse(&file, &text).unwrap();
        Upkeep::new(super::super::open_store(&config).unwrap(), Arc::new(config), 0)
    }

    fn machine(backup: &str) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let upkeep = open(dir.path(), backup);
        Machine { dir, upkeep }
    }

    #[test]
    fn everything_is_done_at_its_time_and_once() {
        let machine = machine("to");
        let look = |minutes: i64| machine.upkeep.look(MIDNIGHT + minutes * MINUTE);
        // The first look of a new appliance does nothing.
        assert!(look(0).is_empty() && look(9).is_empty());
        assert_eq!(look(10), ["reconcile"]);
        assert!(look(10).is_empty() && look(89).is_empty());
        assert_eq!(look(95), ["backup"]);
        assert_eq!(look(240), ["retention"]);
        assert!(look(1_439).is_empty());
        assert_eq!(look(1_440 + 10), ["reconcile"]);
        let proof = restore::verify(
            &machine.dir.path().join("to"),
            &machine.dir.path().join("scratch"),
            &crate::store::BackupKey::read(&machine.dir.path().join("backup.key")).unwrap(),
        );
        assert_eq!(proof.unwrap().manifest.made_ms, MIDNIGHT + 95 * MINUTE);
        let actions: Vec<_> = machine
            .upkeep
            .store
            .audit()
            .entries(None, 10)
            .unwrap()
            .into_iter()
            .map(|entry| (entry.who, entry.action))
            .collect();
        let expected = ["reconcile", "backup", "reconcile"].map(|action| (WHO.to_owned(), action.to_owned()));
        assert_eq!(actions, expected);
    }

    #[test]
    fn what_was_missed_is_done_once_after_the_start() {
        let Machine { dir, upkeep } = machine("to");
        upkeep.look(MIDNIGHT);
        drop(upkeep);
        // Off for three days.
        let upkeep = open(dir.path(), "to");
        assert_eq!(upkeep.look(MIDNIGHT + 3 * DAY), ["reconcile", "backup", "retention"]);
        assert!(upkeep.look(MIDNIGHT + 3 * DAY).is_empty());
    }

    #[test]
    fn what_failed_is_tried_again_an_hour_later() {
        // A file where the directory should be.
        let machine = machine("blocked");
        let blocked = machine.dir.path().join("blocked");
        std::fs::write(&blocked, "").unwrap();
        let alarms = machine.upkeep.alarms();
        let look = |minutes: i64| machine.upkeep.look(MIDNIGHT + minutes * MINUTE);
        look(30);
        assert_eq!(look(90), ["backup"]);
        assert!(alarms.on("failed backup") && !alarms.on("failed retention"));
        assert!(look(149).is_empty());
        assert_eq!(look(150), ["backup"]);
        let newest = machine.upkeep.store.audit().entries(None, 1).unwrap().remove(0);
        assert_eq!(newest.action, "backup-failed");
        std::fs::remove_file(blocked).unwrap();
        assert_eq!(look(210), ["backup"]);
        assert!(!alarms.on("failed backup"));
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_stop_the_schedule() {
        let machine = machine("to");
        machine.upkeep.look(MIDNIGHT + 400 * DAY);
        assert!(machine.upkeep.look(MIDNIGHT).is_empty());
        assert_eq!(machine.upkeep.look(MIDNIGHT + 10 * MINUTE), ["reconcile"]);
    }
}
