//! Stays: a unit folded from its events in order of their own time.
//!
//! All events are kept, and the stays are computed from all of them each time, so the order of arrival
//! cannot matter. Opening makes a stay, or makes that of a plan begin; what changes it, leave, return and closing
//! are taken into the stay open at that time ([`super::encounter`]); a cancel takes back the event of its sort that
//! it names, else the nearest before it. An event that finds no open stay is kept and takes effect when the
//! admission comes; one after the discharge has none. A discharge that names no stay, told again within
//! [`SAME_DISCHARGE_DAYS`] of the one that closed the stay, corrects it. PV1-44 is written by day or by minute, and not
//! by every event to the same minute: an event whose admission is no stay's exactly is of the open one of that day
//! ([`super::belongs`]).

use super::belongs::{Belongs, belongs, day, named_stay, start};
use super::{Entry, Stamp, StayEvent, UnitState, encounter, hash};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Does, Unit};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// A discharge without an admission time, told again so soon after another, is its correction; later than this
/// it is that of a stay whose admission is missing.
const SAME_DISCHARGE_DAYS: i64 = 7;

/// An admission so near to the day of a plan is the planned one: hospitals admit a little before or after. No source
/// says how far; one that moves an admission further cancels the plan or plans anew.
const PLANNED_DAYS: i64 = 3;

pub(super) struct Stay<'e> {
    /// The event that began it.
    begun: usize,
    /// The id by which events name it: that of its admission, else of its plan.
    pub(super) named: &'e str,
    /// What else events named it by: its admission, written otherwise.
    others: Vec<&'e str>,
    /// The id under which it stands: that of its plan, where it was planned, so that what was planned is what begins.
    id: &'e str,
    /// When it began, as FHIR writes it.
    pub(super) start: Option<String>,
    pub(super) open: bool,
    entries: Vec<Entry>,
    /// Each status with the moment from which it was.
    course: Vec<(String, String)>,
}

/// What the fold makes of all events: what stands, and which of them there is something to say of.
#[derive(Default)]
struct Standing {
    entries: Vec<Entry>,
    /// They found no stay.
    unresolved: Vec<usize>,
    /// Admissions of which one came while the other's stay was open: nothing tells whether a discharge is missing or an
    /// admission was corrected, so both stand.
    beside: Vec<usize>,
    /// They name an admission of another day than that of the stay that they were taken into.
    otherwise: Vec<usize>,
}

pub(super) fn fold(
    state: &mut UnitState,
    unit: &Unit,
    stamp: &Stamp,
    said: Vec<Entry>,
    findings: &mut Vec<Finding>,
) -> bool {
    if *stamp < state.floor {
        return false;
    }
    state.events.retain(|event| event.stamp.sequence != stamp.sequence);
    match &unit.event {
        Some(event) => state.events.push(StayEvent {
            kind: event.kind.clone(),
            time: event.time.clone(),
            day: event.day.clone(),
            stamp: stamp.clone(),
            does: event.does,
            cancels: unit.withdrawn,
            entries: said,
        }),
        None if unit.withdrawn => {
            state.floor = stamp.clone();
            state.events.retain(|event| event.stamp > *stamp);
        }
        None => findings.push(Finding::warning("stay-event-missing", Location::default())),
    }
    state.events.sort_by(|a, b| (&a.time, &a.stamp).cmp(&(&b.time, &b.stamp)));
    let (alive, in_vain) = not_cancelled(&state.events);
    let standing = stays(&state.events, &alive);
    let own = state.events.iter().position(|event| event.stamp.sequence == stamp.sequence);
    if own.is_some_and(|own| (0..state.events.len()).any(|other| closes_again(&state.events, own, other))) {
        findings.push(Finding::information("stay-closed-again", Location::default()));
    }
    let said = [
        ("stay-not-open", &standing.unresolved),
        ("stay-open-beside", &standing.beside),
        ("stay-named-otherwise", &standing.otherwise),
    ];
    for (code, _) in said.into_iter().filter(|(_, of)| own.is_some_and(|own| of.contains(&own))) {
        findings.push(Finding::warning(code, Location::default()));
    }
    if own.is_some_and(|own| told_elsewhere(&state.events, &alive, own)) {
        findings.push(Finding::warning("stay-place-cancelled", Location::default()));
    }
    if own.is_some_and(|own| in_vain.contains(&own)) {
        findings.push(Finding::warning("stay-cancel-in-vain", Location::default()));
    }
    state.entries = standing.entries;
    true
}

fn stays(events: &[StayEvent], alive: &[bool]) -> Standing {
    let begun = begun(events, alive);
    let mut stays: Vec<Stay<'_>> = Vec::new();
    let mut standing = Standing::default();
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let starts: Vec<Option<String>> = events.iter().map(start).collect();
    let mut left: VecDeque<usize> = (0..events.len()).filter(|index| alive[*index]).collect();
    while let Some(index) = left.pop_front() {
        let event = &events[index];
        let opens = event.does == Does::Opens;
        let named = named_stay(event);
        let at = match belongs((events, alive, &starts), index, &stays, &left) {
            Belongs::To(at) => at,
            Belongs::ToOpen(at) => {
                standing.otherwise.push(index);
                at
            }
            Belongs::Waits(admission) => {
                waiting.push((admission, index));
                continue;
            }
            Belongs::Nowhere => {
                standing.unresolved.push(index);
                continue;
            }
            Belongs::Begins => {
                // A plan that has begun says nothing any more: the stay is as its admission tells it.
                if event.does == Does::Plans && begun.iter().any(|(_, plan)| *plan == index) {
                    continue;
                }
                let plan = begun.iter().find(|(admission, _)| named_stay(&events[*admission]) == named);
                let plan = plan.map(|(_, plan)| &events[*plan]);
                let beside = plan.iter().flat_map(|plan| &plan.entries);
                if let Some(open) = stays.iter().rfind(|stay| stay.open && opens) {
                    standing.beside.extend([open.begun, index]);
                }
                stays.push(Stay {
                    begun: index,
                    named,
                    others: Vec::new(),
                    id: plan.map_or(named, named_stay),
                    start: starts[index].clone(),
                    open: true,
                    entries: beside.filter(|entry| entry.resource_type != "Encounter").cloned().collect(),
                    course: Vec::new(),
                });
                stays.len() - 1
            }
        };
        stays[at].take(event);
        while let Some(at) = waiting.iter().rposition(|(admission, _)| *admission == index) {
            left.push_front(waiting.remove(at).1);
        }
    }
    for entry in stays.into_iter().flat_map(Stay::finish) {
        match standing.entries.iter_mut().find(|known| known.is(&entry.resource_type, &entry.id)) {
            Some(known) => *known = entry,
            None => standing.entries.push(entry),
        }
    }
    standing
}

impl<'e> Stay<'e> {
    fn take(&mut self, event: &'e StayEvent) {
        let opens = event.does == Does::Opens;
        let named = named_stay(event);
        if !named.is_empty() && named != self.named && !self.others.contains(&named) {
            self.others.push(named);
        }
        for entry in &event.entries {
            let encounter = entry.resource_type == "Encounter";
            let known = self.entries.iter_mut().find(|known| {
                if encounter {
                    known.resource_type == "Encounter"
                } else {
                    known.is(&entry.resource_type, &entry.id)
                }
            });
            match known {
                Some(known) if encounter && !opens => {
                    rewrite(known, |value| {
                        if let Ok(said) = serde_json::from_str(entry.json.get()) {
                            encounter::take(value, said, event.does);
                        }
                    });
                    known.stamp = known.stamp.clone().max(entry.stamp.clone());
                }
                Some(known) => *known = entry.clone(),
                None if entry.id.is_empty() => {}
                None => self.entries.push(entry.clone()),
            }
        }
        self.open = event.does != Does::Plans && (opens || (self.open && event.does != Does::Closes));
        if opens {
            self.course.clear();
        }
        let status = self.encounter().and_then(|value| Some(value.get("status")?.as_str()?.to_owned()));
        let last = self.course.last().map(|(status, _)| status);
        if let (Some(status), Some(moment)) = (status, moment(&event.time))
            && last != Some(&status)
        {
            self.course.push((status, moment));
        }
    }

    fn encounter(&self) -> Option<Value> {
        let entry = self.entries.iter().find(|entry| entry.resource_type == "Encounter")?;
        serde_json::from_str(entry.json.get()).ok()
    }

    /// Its entries under the id under which it stands.
    fn finish(mut self) -> Vec<Entry> {
        let names = std::iter::once(&self.named).chain(&self.others).filter(|name| **name != self.id);
        let from: Vec<String> = names.map(|name| format!("Encounter/{name}")).collect();
        let to = format!("Encounter/{}", self.id);
        let left = self.course.iter().any(|(status, _)| status == "onleave");
        for entry in &mut self.entries {
            if entry.resource_type != "Encounter" {
                for from in
                    from.iter().filter(|from| entry.references.contains(from)).cloned().collect::<Vec<_>>()
                {
                    rewrite(entry, |value| refer(value, &from, &to));
                }
            } else if entry.id != self.id || left {
                rewrite(entry, |value| {
                    if left {
                        encounter::tell_course(value, &self.course);
                    }
                    if let Value::Object(object) = value {
                        object.insert("id".into(), self.id.into());
                    }
                });
                self.id.clone_into(&mut entry.id);
            }
        }
        self.entries
    }
}

/// Which plan each admission begins, as indexes of events: the pairs that are nearest to each other first.
fn begun(events: &[StayEvent], alive: &[bool]) -> Vec<(usize, usize)> {
    let of = |does| {
        let fits = move |index: &usize| alive[*index] && events[*index].does == does;
        (0..events.len()).filter(fits)
    };
    let mut near: Vec<(i64, usize, usize)> = Vec::new();
    for plan in of(Does::Plans) {
        for admission in of(Does::Opens) {
            let (planned, admitted) = (&events[plan], &events[admission]);
            let apart = days_between(&planned.day, &admitted.time).map(i64::abs);
            // What is planned after an admission is another one; one without a time of its own is none to name.
            let fits = days_between(&planned.time, &admitted.time).is_some_and(|days| days >= 0)
                && !named_stay(admitted).is_empty();
            if let Some(apart) = apart.filter(|apart| fits && *apart <= PLANNED_DAYS) {
                near.push((apart, admission, plan));
            }
        }
    }
    near.sort_unstable();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, admission, plan) in near {
        if !pairs.iter().any(|(a, p)| *a == admission || *p == plan) {
            pairs.push((admission, plan));
        }
    }
    pairs
}

/// Whether two discharges that name no stay, at different times, are one: soon one after the other, and no
/// admission between them.
fn closes_again(events: &[StayEvent], one: usize, other: usize) -> bool {
    let (from, until) = (one.min(other), one.max(other));
    let discharge =
        |event: &StayEvent| event.does == Does::Closes && !event.cancels && named_stay(event).is_empty();
    from != until
        && discharge(&events[from])
        && discharge(&events[until])
        && events[from].kind == events[until].kind
        && !events[from..until].iter().any(|event| event.does == Does::Opens && !event.cancels)
        && days_between(&events[from].time, &events[until].time)
            .is_some_and(|days| days <= SAME_DISCHARGE_DAYS)
}

/// Whether a cancel takes back a transfer to a place that a leave or a return after it still names: the stay goes on
/// there, as these tell it.
fn told_elsewhere(events: &[StayEvent], alive: &[bool], own: usize) -> bool {
    let cancel = &events[own];
    if !cancel.cancels || cancel.does != Does::Changes {
        return false;
    }
    let undone = (0..own).rev().find(|i| {
        let event = &events[*i];
        !alive[*i] && !event.cancels && event.kind == cancel.kind && same_sort(event, cancel)
    });
    let Some(left) = undone.and_then(|undone| place(&events[undone])) else { return false };
    (own + 1..events.len())
        .filter(|i| alive[*i])
        .take_while(|i| !matches!(events[*i].does, Does::Opens) && events[*i].kind != cancel.kind)
        .any(|i| {
            matches!(events[i].does, Does::Leaves | Does::Returns)
                && place(&events[i]).as_ref() == Some(&left)
        })
}

/// The place where an event says that the patient is, or was till the leave; it may name the one before, too.
fn place(event: &StayEvent) -> Option<String> {
    let entry = event.entries.iter().find(|entry| entry.resource_type == "Encounter")?;
    let value: Value = serde_json::from_str(entry.json.get()).ok()?;
    let places = value.get("location")?.as_array()?;
    let there = places.iter().find(|item| item.get("status").is_some_and(|status| status == "active"));
    Some(there.or(places.last())?.get("location")?.get("reference")?.as_str()?.to_owned())
}

fn days_between(from: &str, until: &str) -> Option<i64> {
    let day = |text: &str| NaiveDate::parse_from_str(text.get(..8)?, "%Y%m%d").ok();
    Some((day(until)? - day(from)?).num_days())
}

/// Which events stand, and which cancels took nothing back. A cancel is no event itself, and takes back one of its
/// sort: the one of its own time, else the nearest before it, else (a discharge written down ahead of its time) the
/// last one told before it; never one of another day than the cancel names. An event told again, with its correction,
/// is one event: the newest of it stands, and a cancel takes all back.
fn not_cancelled(events: &[StayEvent]) -> (Vec<bool>, Vec<usize>) {
    let mut alive: Vec<bool> = events.iter().map(|event| !event.cancels).collect();
    let mut in_vain = Vec::new();
    for (index, cancel) in events.iter().enumerate().filter(|(_, event)| event.cancels) {
        let target = {
            let fits =
                |i: &usize| alive[*i] && same_sort(&events[*i], cancel) && same_day(&events[*i], cancel);
            let told = |i: &usize| events[*i].stamp < cancel.stamp;
            // That one, taken back already, is taken back once: a cancel told twice takes no other.
            let exact = (0..events.len()).rev().find(|i| {
                let event = &events[*i];
                !event.cancels && same_sort(event, cancel) && told(i) && event.time == cancel.time
            });
            let nearest = || (0..index).rev().find(fits);
            let last =
                || (index..events.len()).filter(|i| fits(i) && told(i)).max_by_key(|i| &events[*i].stamp);
            exact.or_else(nearest).or_else(last)
        };
        let Some(target) = target else {
            in_vain.push(index);
            continue;
        };
        for other in 0..events.len() {
            let told = events[other].stamp < cancel.stamp;
            // An admission taken back because it was corrected before leaves its correction standing.
            let before = events[other].stamp < events[target].stamp && admitted_again(events, other, target);
            if other == target || (told && (before || same_event(events, other, target))) {
                alive[other] = false;
            }
        }
    }
    for index in 0..events.len() {
        let newer = |i: usize| {
            let again = same_event(events, index, i) || admitted_again(events, index, i);
            alive[i] && events[index].stamp < events[i].stamp && again
        };
        if alive[index] && (0..events.len()).any(newer) {
            alive[index] = false;
        }
    }
    (alive, in_vain)
}

/// Whether one event can take the other back.
fn same_sort(event: &StayEvent, other: &StayEvent) -> bool {
    event.does == other.does && (matches!(event.does, Does::Opens | Does::Closes) || event.kind == other.kind)
}

/// Whether both may be of the day that they name: 診療日 is what a storage finds the cancelled one by.
fn same_day(event: &StayEvent, other: &StayEvent) -> bool {
    event.day.is_empty() || other.day.is_empty() || event.day == other.day
}

/// Whether both tell of one thing that happened: the same sort at the same time, the opening or closing of the same
/// stay, the same planned for the same day, or the same of one day told with another time.
fn same_event(events: &[StayEvent], one: usize, two: usize) -> bool {
    let (event, other) = (&events[one], &events[two]);
    if event.cancels != other.cancels || event.kind != other.kind || !same_sort(event, other) {
        return false;
    }
    let (from, until) = (one.min(two), one.max(two));
    let admitted_between =
        || events[from..until].iter().any(|event| event.does == Does::Opens && !event.cancels);
    let same_stay = || {
        let named = named_stay(event);
        let told = matches!(event.does, Does::Opens | Does::Closes);
        // Two stays of one day have one name, where it is written by day.
        let by_day = || {
            event.does == Does::Closes && start(event).is_some_and(|start| start.len() == "YYYY-MM-DD".len())
        };
        told && !named.is_empty() && named == named_stay(other) && !(by_day() && admitted_between())
    };
    // Its admission written otherwise: the same, unless another began between.
    let same_day_of_stay = || {
        let same = || {
            let (start, began) = (start(event), start(other));
            day(&start).is_some() && day(&start) == day(&began)
        };
        event.does == Does::Closes && same() && !admitted_between()
    };
    let same_plan = || {
        matches!(event.does, Does::Plans | Does::Announces) && !event.day.is_empty() && event.day == other.day
    };
    event.time == other.time
        || same_stay()
        || same_day_of_stay()
        || same_plan()
        || closes_again(events, one, two)
        || told_again(events, one, two)
}

/// Whether two events of one day differ in their times alone, and nothing of their sort came between. A storage has
/// one file of a sort and day; over a connection two real transfers of a day go to two places.
fn told_again(events: &[StayEvent], one: usize, two: usize) -> bool {
    let (from, until) = (one.min(two), one.max(two));
    let (event, other) = (&events[one], &events[two]);
    let moves = matches!(event.does, Does::Changes | Does::Leaves | Does::Returns);
    if from == until || !moves || event.day.is_empty() || event.day != other.day {
        return false;
    }
    let told = what(event);
    let between = |third: &StayEvent| {
        let sort = matches!(third.does, Does::Leaves | Does::Returns) || third.kind == event.kind;
        sort && !third.cancels && what(third) != told
    };
    told == what(other) && !events[from..until].iter().any(between)
}

/// Whether two admissions of one day are one, told again with another time: a storage has one file of a patient, day
/// and sort, so the later one takes its place. Where there is a discharge on that day they may be two stays.
fn admitted_again(events: &[StayEvent], one: usize, two: usize) -> bool {
    let (event, other) = (&events[one], &events[two]);
    let closes = |event: &StayEvent| event.does == Does::Closes && !event.cancels;
    one != two
        && [event, other].iter().all(|event| event.does == Does::Opens && !event.cancels)
        && event.kind == other.kind
        && !event.day.is_empty()
        && event.day == other.day
        && !events.iter().any(|third| closes(third) && third.time.starts_with(&event.day))
}

/// What an event says, without its times.
fn what(event: &StayEvent) -> Option<Value> {
    let entry = event.entries.iter().find(|entry| entry.resource_type == "Encounter")?;
    let mut value: Value = serde_json::from_str(entry.json.get()).ok()?;
    without_periods(&mut value);
    Some(value)
}

fn without_periods(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.shift_remove("period");
            object.values_mut().for_each(without_periods);
        }
        Value::Array(items) => items.iter_mut().for_each(without_periods),
        _ => {}
    }
}

/// A time of 17 digits as FHIR writes it, in Japan's time; a time of nothing but zeros is a date. `None` where it is
/// no time.
pub(super) fn moment(time: &str) -> Option<String> {
    let day = NaiveDate::parse_from_str(time.get(..8)?, "%Y%m%d").ok()?;
    let number = |from, to| time.get(from..to)?.parse::<i64>().ok();
    let (hour, minute, second, fraction) =
        (number(8, 10)?, number(10, 12)?, number(12, 14)?, number(14, 17)?);
    if (hour, minute, second, fraction) == (0, 0, 0, 0) {
        return Some(day.format("%Y-%m-%d").to_string());
    }
    // Hours 24 to 47 are of the next day.
    let of_day = TimeDelta::seconds(hour * 3600 + minute * 60 + second) + TimeDelta::milliseconds(fraction);
    let at: NaiveDateTime = day.and_hms_opt(0, 0, 0)?.checked_add_signed(of_day)?;
    let fraction = if fraction == 0 { "" } else { "%.3f" };
    Some(at.format(&format!("%Y-%m-%dT%H:%M:%S{fraction}+09:00")).to_string())
}

/// Changes the resource of an entry, and all that follows from it.
fn rewrite(entry: &mut Entry, change: impl FnOnce(&mut Value)) {
    let Ok(mut value) = serde_json::from_str(entry.json.get()) else { return };
    change(&mut value);
    let Ok(json) = serde_json::to_string(&value) else { return };
    entry.hash = hash(json.as_bytes());
    if let Ok(json) = RawValue::from_string(json) {
        entry.json = json;
    }
    entry.references.clear();
    references(&value, &mut entry.references);
}

/// Makes references to one resource point to another.
fn refer(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == "reference" && value == from {
                    *value = Value::String(to.to_owned());
                } else {
                    refer(value, from, to);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, from, to)),
        _ => {}
    }
}

pub(super) fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(object) => references_of(object, into),
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        _ => {}
    }
}

fn references_of(object: &Map<String, Value>, into: &mut Vec<String>) {
    for (key, value) in object {
        match value {
            Value::String(text) if key == "reference" && !text.starts_with('#') => {
                if !into.contains(text) {
                    into.push(text.clone());
                }
            }
            other => references(other, into),
        }
    }
}
