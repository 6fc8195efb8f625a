//! What the status page and `/api/v1/status` say: gathered from the store, never kept.

use super::ConsoleState;
use crate::forward::{BreakerState, Status};
use crate::store::{Cause, DaySum, FacilityStore, QueueDepth, StoreError};
use renkei_translate::mapping::Problem;
use serde::Serialize;

/// The state of the appliance now.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Unix time in milliseconds at which it was gathered.
    pub now_ms: i64,
    /// The day of the sums, `YYYYMMDD` in Japan.
    pub day: u32,
    /// Version of the program.
    pub version: &'static str,
    /// Version of the active mapping set.
    pub mapping_version: String,
    /// What to do, worst first.
    pub verdict: Verdict,
    /// All facilities together.
    pub total: DaySum,
    /// Whether every facility's sum holds.
    pub balanced: bool,
    /// One row a facility.
    pub facilities: Vec<FacilityRow>,
    /// Why messages are held.
    pub causes: Vec<CauseRow>,
    /// One row a destination and facility.
    pub destinations: Vec<DestinationRow>,
    /// What is wrong with the mappings that are active, at most [`MOST_PROBLEMS`] of it.
    pub mappings: Vec<Problem>,
    /// How many more there are.
    pub more_mappings: u64,
}

/// Problems of the mappings that the page shows one by one; `check` says all.
const MOST_PROBLEMS: usize = 50;

impl Overview {
    /// The messages that a count of the day stands for.
    pub fn messages_of(&self, facility: &str, state: &str) -> String {
        let day = super::day::written(Some(self.day));
        let state = if state.is_empty() { String::new() } else { format!("&state={state}") };
        format!("/messages?facility={facility}{state}&from={day}&to={day}")
    }
}

/// The first line of the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `ok`, `warn` or `bad`.
    pub level: &'static str,
    /// A key of the words: the worst open item.
    pub key: &'static str,
    /// The others.
    pub more: Vec<&'static str>,
}

/// A facility's day.
#[derive(Clone, Debug, Serialize)]
pub struct FacilityRow {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `ok`, `warn`, `bad` or `none`.
    pub level: &'static str,
    /// Kinds of its feeds.
    pub inputs: Vec<&'static str>,
    /// Its sum.
    pub sum: DaySum,
    /// When it last sent anything.
    pub last_received_ms: Option<i64>,
}

impl FacilityRow {
    /// Its inputs as printed.
    pub fn inputs_text(&self) -> String {
        let names: Vec<_> = self
            .inputs
            .iter()
            .map(|kind| super::words::word(input_key(kind), renkei_translate::finding::Language::En))
            .collect();
        names.join(", ")
    }
}

/// The key of a kind of feed.
pub fn input_key(kind: &str) -> &'static str {
    match kind {
        "mllp" => "input.mllp",
        "folder" => "input.folder",
        _ => "input.ssmix2",
    }
}

/// A cause of quarantine at one facility.
#[derive(Clone, Debug, Serialize)]
pub struct CauseRow {
    /// The facility.
    pub facility: String,
    /// Its name.
    pub facility_name: String,
    /// The finding's code.
    pub code: String,
    /// Where.
    pub position: String,
    /// The rule that met it.
    pub rule: String,
    /// Messages.
    pub count: u64,
    /// Receipt of the oldest.
    pub oldest_ms: i64,
}

impl CauseRow {
    /// Its page.
    pub fn address(&self) -> String {
        super::pages::quarantine::address(&self.facility, [&self.code, &self.position, &self.rule])
    }
}

/// How sending stands.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationRow {
    /// The destination.
    pub name: String,
    /// The facility.
    pub facility: String,
    /// Its name.
    pub facility_name: String,
    /// `ok`, `warn` or `bad`.
    pub level: &'static str,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Why it pauses: a code.
    pub reason: Option<&'static str>,
    /// Units waiting.
    pub pending: u64,
    /// Units held by its check.
    pub held: u64,
    /// Units refused.
    pub rejected: u64,
    /// When the base last took something.
    pub last_success_ms: Option<i64>,
}

/// Days in Japan: no daylight saving time since 1951, so an offset is enough.
const JST_MS: i64 = 9 * 3_600_000;

/// The day in Japan at a moment, as `YYYYMMDD`.
pub fn day_of(now_ms: i64) -> u32 {
    chrono::DateTime::from_timestamp_millis(now_ms + JST_MS)
        .and_then(|time| time.format("%Y%m%d").to_string().parse().ok())
        .unwrap_or(0)
}

/// Gathers everything of the facilities that are `shown`; blocking, for a thread that may wait for the disk.
///
/// # Errors
/// The store cannot be read.
pub fn overview(
    state: &ConsoleState,
    now_ms: i64,
    shown: impl Fn(&str) -> bool,
) -> Result<Overview, StoreError> {
    let day = day_of(now_ms);
    let mut view = Overview {
        now_ms,
        day,
        version: env!("CARGO_PKG_VERSION"),
        mapping_version: (state.mapping_version)(),
        verdict: Verdict { level: "ok", key: "verdict.ok", more: Vec::new() },
        total: DaySum { day, ..DaySum::default() },
        balanced: true,
        facilities: Vec::new(),
        causes: Vec::new(),
        destinations: Vec::new(),
        mappings: (state.machine.mappings)(),
        more_mappings: 0,
    };
    view.mappings.retain(|problem| problem.facility.is_empty() || shown(&problem.facility));
    view.more_mappings = view.mappings.len().saturating_sub(MOST_PROBLEMS) as u64;
    let mut items = of_machine(state, now_ms);
    if view.mappings.iter().any(|problem| problem.doubt) {
        items.push(("warn", "verdict.mapping-doubt"));
    }
    view.mappings.truncate(MOST_PROBLEMS);
    for info in state.facilities.iter().filter(|info| shown(&info.code)) {
        let trouble = (state.trouble)(&info.code);
        items.extend(trouble.iter().map(|key| ("bad", *key)));
        let gathered = match state.store.facility(&info.code) {
            Some(store) => facility(state, info, &store, day, &mut items),
            None => Ok((unknown_row(info, day), Vec::new(), Vec::new())),
        };
        // One facility's damage is its own: the others are shown.
        let (mut row, causes, destinations) = gathered.unwrap_or_else(|failure| {
            tracing::error!(facility = %info.code, error = %failure, "The store of a facility cannot be read.");
            items.push(("bad", "verdict.damaged"));
            (unknown_row(info, day), Vec::new(), Vec::new())
        });
        if !trouble.is_empty() {
            row.level = "bad";
        }
        view.total.add(&row.sum);
        view.balanced &= row.sum.balanced();
        view.facilities.push(row);
        view.causes.extend(causes);
        view.destinations.extend(destinations);
    }
    view.causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    view.verdict = verdict(items, &view);
    Ok(view)
}

/// What is wrong with the appliance and with no facility of its own.
fn of_machine(state: &ConsoleState, now_ms: i64) -> Vec<(&'static str, &'static str)> {
    let failed = [
        ("bad", "failed backup", "verdict.backup"),
        ("bad", "failed reconcile", "verdict.reconcile"),
        ("warn", "failed retention", "verdict.retention"),
    ];
    let failed = failed.into_iter().filter(|(_, alarm, _)| (state.machine.alarm)(alarm));
    let mut items: Vec<_> = failed.map(|(level, _, key)| (level, key)).collect();
    let certificates = (state.machine.certificates)();
    items.extend(
        super::pages::system::ending(certificates, now_ms / 1_000)
            .map(|level| (level, "verdict.certificate")),
    );
    items
}

/// The page that shows an item of the verdict.
pub fn page_of(key: &str) -> &'static str {
    match key {
        "verdict.quarantine" => "/quarantine",
        "verdict.rejected" => "/messages",
        "verdict.imbalance"
        | "verdict.damaged"
        | "verdict.feed"
        | "verdict.folder-gone"
        | "verdict.files-left"
        | "verdict.consent-folder"
        | "verdict.consent-refused" => "/facilities",
        "verdict.mapping-doubt" | "verdict.mapping-unusable" | "verdict.mapping-kept" => "/mappings",
        _ => "/system",
    }
}

/// Why the appliance is not ready, where it is not: a word for `/readyz`.
pub fn unready(view: &Overview) -> Option<&'static str> {
    let keys = || view.verdict.more.iter().chain([&view.verdict.key]);
    let words = [
        ("verdict.damaged", "facility-damaged"),
        ("verdict.disk", "disk-full"),
        ("verdict.feed", "feed-not-working"),
        ("verdict.folder-gone", "folder-gone"),
        ("verdict.mapping-unusable", "mapping-unusable"),
    ];
    words.into_iter().find(|(wanted, _)| keys().any(|key| key == wanted)).map(|(_, word)| word)
}

type Rows = (FacilityRow, Vec<CauseRow>, Vec<DestinationRow>);

fn facility(
    state: &ConsoleState,
    info: &super::FacilityInfo,
    store: &FacilityStore,
    day: u32,
    items: &mut Vec<(&'static str, &'static str)>,
) -> Result<Rows, StoreError> {
    let row = facility_row(state, info, store, day, items)?;
    let causes = store.causes()?.into_iter().map(|cause| cause_row(info, cause)).collect();
    let mut destinations = Vec::new();
    for (name, statuses) in &state.forwards {
        let Some(status) = statuses.of(&info.code) else { continue };
        destinations.push(destination_row(name, info, &status, store.queue(name)?));
    }
    Ok((row, causes, destinations))
}

/// A facility of which nothing can be told.
fn unknown_row(info: &super::FacilityInfo, day: u32) -> FacilityRow {
    let mut inputs: Vec<_> = info.feeds.iter().map(|(_, kind)| *kind).collect();
    inputs.dedup();
    FacilityRow {
        code: info.code.clone(),
        name: info.name.clone(),
        level: "bad",
        inputs,
        sum: DaySum { day, ..DaySum::default() },
        last_received_ms: None,
    }
}

fn facility_row(
    state: &ConsoleState,
    info: &super::FacilityInfo,
    store: &FacilityStore,
    day: u32,
    items: &mut Vec<(&'static str, &'static str)>,
) -> Result<FacilityRow, StoreError> {
    let mut sum = DaySum { day, ..DaySum::default() };
    for one in store.sums(day, day)? {
        sum.add(&one);
    }
    let mut last_received_ms = None;
    for (feed, _) in &info.feeds {
        last_received_ms = last_received_ms.max(store.last_received_ms(feed)?);
    }
    let disk = store.disk();
    let paused: Vec<Status> =
        state.forwards.iter().filter_map(|(_, statuses)| statuses.of(&info.code)).collect();
    let mut level = if sum.received == 0 { "none" } else { "ok" };
    let on = |alarm: String| (state.machine.alarm)(&alarm);
    let mut raise = |to: &'static str, key: &'static str| {
        if level != "bad" {
            level = to;
        }
        items.push((to, key));
    };
    if sum.quarantined > 0 {
        raise("warn", "verdict.quarantine");
    }
    if sum.rejected > 0 {
        raise("warn", "verdict.rejected");
    }
    let of_feed = |alarm: &str| info.feeds.iter().any(|(feed, _)| on(format!("{alarm} {feed}")));
    if of_feed("silence") {
        raise("warn", "verdict.silence");
    }
    if of_feed("files-left") {
        raise("warn", "verdict.files-left");
    }
    if of_feed("folder-gone") {
        raise("bad", "verdict.folder-gone");
    }
    if on(format!("consent-folder-gone {}", info.code)) {
        raise("warn", "verdict.consent-folder");
    }
    if on(format!("consent-refused {}", info.code)) {
        raise("warn", "verdict.consent-refused");
    }
    if disk.low && !disk.full {
        raise("warn", "verdict.disk-low");
    }
    if paused.iter().any(|status| status.breaker == BreakerState::Open && !status.alarm()) {
        raise("warn", "verdict.paused");
    }
    if paused.iter().any(Status::alarm) {
        raise("bad", "verdict.credentials");
    }
    if disk.full {
        raise("bad", "verdict.disk");
    }
    // Of today, or of another open day when they were last reconciled.
    if !sum.balanced() || on(format!("imbalance {}", info.code)) {
        raise("bad", "verdict.imbalance");
    }
    let mut inputs: Vec<_> = info.feeds.iter().map(|(_, kind)| *kind).collect();
    inputs.dedup();
    Ok(FacilityRow { code: info.code.clone(), name: info.name.clone(), level, inputs, sum, last_received_ms })
}

fn cause_row(info: &super::FacilityInfo, cause: Cause) -> CauseRow {
    CauseRow {
        facility: info.code.clone(),
        facility_name: info.name.clone(),
        code: cause.code,
        position: cause.position,
        rule: cause.rule,
        count: cause.count,
        oldest_ms: cause.oldest_ms,
    }
}

fn destination_row(
    name: &str,
    info: &super::FacilityInfo,
    status: &Status,
    depth: QueueDepth,
) -> DestinationRow {
    let (breaker, calm) = match status.breaker {
        BreakerState::Closed => ("closed", true),
        BreakerState::Open => ("open", false),
        BreakerState::HalfOpen => ("half-open", false),
    };
    DestinationRow {
        name: name.to_owned(),
        facility: info.code.clone(),
        facility_name: info.name.clone(),
        level: if status.alarm() {
            "bad"
        } else if calm {
            "ok"
        } else {
            "warn"
        },
        breaker,
        reason: status.reason,
        pending: depth.pending,
        held: depth.held,
        rejected: depth.rejected,
        last_success_ms: status.last_success_ms,
    }
}

/// The worst item first; the others behind it, each once.
fn verdict(mut items: Vec<(&'static str, &'static str)>, view: &Overview) -> Verdict {
    // Of earlier days too: they are open until somebody mends them.
    if view.destinations.iter().any(|row| row.held > 0) || !view.causes.is_empty() {
        items.push(("warn", "verdict.quarantine"));
    }
    if view.destinations.iter().any(|row| row.rejected > 0) {
        items.push(("warn", "verdict.rejected"));
    }
    items.sort_by_key(|(level, _)| *level != "bad");
    let mut keys: Vec<&'static str> = Vec::new();
    for (_, key) in &items {
        if !keys.contains(key) {
            keys.push(key);
        }
    }
    match items.first() {
        None => Verdict { level: "ok", key: "verdict.ok", more: Vec::new() },
        Some((level, key)) => Verdict { level, key, more: keys.split_off(1) },
    }
}

#[cfg(test)]
mod tests {
    use super::day_of;

    #[test]
    fn a_day_begins_at_midnight_in_japan() {
        // 2026-11-22T14:59:59Z is 23:59:59 in Japan, a second later is the 23rd.
        assert_eq!(day_of(1_795_359_599_000), 20_261_122);
        assert_eq!(day_of(1_795_359_600_000), 20_261_123);
    }
}
