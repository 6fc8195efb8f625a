//! システム: whether this machine is well.

use crate::console::CERTIFICATE_WARNING_DAYS;
use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::console::view;
use crate::forward::BreakerState;
use crate::store::{AuditEntry, AuditFilter};
use askama::Template;

/// A certificate that ends within so many days is told of, and within so many is urgent.
const SOON_DAYS: i64 = 60;
const URGENT_DAYS: i64 = 7;
const DAY_S: i64 = 86_400;

struct Certificate {
    setting: String,
    /// Days left; `None` = it cannot be read.
    days: Option<i64>,
    level: &'static str,
}

struct Reach {
    base: String,
    facility: String,
    level: &'static str,
    breaker: &'static str,
    last_success_ms: Option<i64>,
    last_error: Option<&'static str>,
    last_error_ms: Option<i64>,
}

struct FeedRow {
    feed: String,
    kind: &'static str,
    facility: String,
    last_ms: Option<i64>,
    silent: bool,
    gone: bool,
}

#[derive(Template)]
#[template(path = "system.html", config = "web/askama.toml")]
struct SystemPage {
    frame: Frame,
    version: &'static str,
    mapping_version: String,
    started_ms: i64,
    disk_level: &'static str,
    free: String,
    soft: String,
    hard: String,
    clock_off_s: Option<i64>,
    clock_level: &'static str,
    backup: Option<AuditEntry>,
    backup_failed: bool,
    certificates: Vec<Certificate>,
    reach: Vec<Reach>,
    feeds: Vec<FeedRow>,
}

/// Bytes for people: `12.3 GiB`.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes / MIB {
        mib @ 0..1_024 => format!("{mib} MiB"),
        mib => format!("{}.{} GiB", mib / 1_024, mib % 1_024 * 10 / 1_024),
    }
}

fn certificate((setting, end): (String, Result<i64, String>), now_s: i64) -> Certificate {
    let days = end.ok().map(|end| (end - now_s).div_euclid(DAY_S));
    let level = match days {
        Some(days) if days >= SOON_DAYS => "ok",
        Some(days) if days >= URGENT_DAYS => "warn",
        _ => "bad",
    };
    Certificate { setting, days, level }
}

/// The worst level of the certificates that are unreadable or end so soon that `check` warns; none = all is well.
pub fn ending(certificates: Vec<(String, Result<i64, String>)>, now_s: i64) -> Option<&'static str> {
    let all = certificates.into_iter().map(|one| certificate(one, now_s));
    let ending = all.filter(|one| one.days.is_none_or(|days| days < CERTIFICATE_WARNING_DAYS));
    ending.map(|one| one.level).min_by_key(|level| *level != "bad")
}

/// The page.
///
/// # Errors
/// The store.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let state = &request.state;
    let machine = &state.machine;
    let disk = machine.limits.look(&machine.data_dir);
    let (mut reach, mut feeds) = (Vec::new(), Vec::new());
    for info in request.facilities() {
        let store = request.facility(&info.code)?;
        for (feed, kind) in &info.feeds {
            let last_ms = store.last_received_ms(feed)?;
            feeds.push(FeedRow {
                feed: feed.clone(),
                kind: view::input_key(kind),
                facility: info.name.clone(),
                last_ms,
                silent: (machine.alarm)(&format!("silence {feed}")),
                gone: (machine.alarm)(&format!("folder-gone {feed}")),
            });
        }
        for (base, statuses) in &state.forwards {
            let Some(status) = statuses.of(&info.code) else { continue };
            let (breaker, calm) = match status.breaker {
                BreakerState::Closed => ("closed", true),
                BreakerState::Open => ("open", false),
                BreakerState::HalfOpen => ("half-open", false),
            };
            let level = if status.alarm() { "bad" } else { ["warn", "ok"][usize::from(calm)] };
            reach.push(Reach {
                base: base.clone(),
                facility: info.name.clone(),
                level,
                breaker,
                last_success_ms: status.last_success_ms,
                last_error: status.last_error,
                last_error_ms: status.last_error_ms,
            });
        }
    }
    let last = AuditFilter { action: Some("backup".into()), limit: 1, ..AuditFilter::default() };
    let clock_off_s = (state.clock_offset_ms)().map(|off| off / 1_000);
    let page = SystemPage {
        frame: request.frame("/system", "system"),
        version: env!("CARGO_PKG_VERSION"),
        mapping_version: (state.mapping_version)(),
        started_ms: machine.started_ms,
        disk_level: if disk.full {
            "bad"
        } else if disk.low {
            "warn"
        } else {
            "ok"
        },
        free: size(disk.free_bytes),
        soft: size(machine.limits.soft_free),
        hard: size(machine.limits.hard_free),
        clock_level: if clock_off_s.is_some_and(|off| off.abs() > 30) { "bad" } else { "ok" },
        clock_off_s,
        backup: state.store.audit().search(&last)?.into_iter().next(),
        backup_failed: (machine.alarm)("failed backup"),
        certificates: (machine.certificates)()
            .into_iter()
            .map(|one| certificate(one, request.now_ms / 1_000))
            .collect(),
        reach,
        feeds,
    };
    Answer::page(&page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(0), "0 MiB");
        assert_eq!(size(512 << 20), "512 MiB");
        assert_eq!(size(2 << 30), "2.0 GiB");
        assert_eq!(size((12 << 30) + (307 << 20)), "12.2 GiB");
    }

    #[test]
    fn a_certificate_is_told_of_before_it_ends() {
        let check = |end: Result<i64, String>, days, level| {
            let made = certificate(("x".into(), end), 0);
            assert_eq!((made.days, made.level), (days, level));
        };
        check(Ok(60 * DAY_S), Some(60), "ok");
        check(Ok(60 * DAY_S - 1), Some(59), "warn");
        check(Ok(7 * DAY_S - 1), Some(6), "bad");
        check(Ok(-1), Some(-1), "bad");
        check(Err("gone".into()), None, "bad");
        // What the status page says: thirty days, as `check` and the manual have it.
        let said =
            |ends: &[Result<i64, String>]| ending(ends.iter().map(|e| ("x".into(), e.clone())).collect(), 0);
        assert_eq!(said(&[Ok(30 * DAY_S)]), None);
        assert_eq!(said(&[Ok(60 * DAY_S), Ok(30 * DAY_S - 1)]), Some("warn"));
        assert_eq!(said(&[Ok(9 * DAY_S), Ok(6 * DAY_S)]), Some("bad"));
        assert_eq!(said(&[Err("gone".into())]), Some("bad"));
    }
}
