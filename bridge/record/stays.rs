//! Stays: a unit folded from its events in order of their own time.
//!
//! All events are kept, and the stays are computed from all of them each time, so the order of arrival
//! cannot matter. Opening makes a stay; closing, and any event between, is merged into the stay open at that
//! time; a cancel takes back the nearest event of its sort before it. An event that finds no open stay is
//! kept and takes effect when the admission comes. A discharge that names no stay, told again within
//! [`SAME_DISCHARGE_DAYS`] of the one that closed the stay, corrects it.

use super::{Entry, Stamp, StayEvent, UnitState, hash};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::Unit;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A discharge without an admission time, told again so soon after another, is its correction; later than this
/// it is that of a stay whose admission is missing.
const SAME_DISCHARGE_DAYS: i64 = 7;

struct Stay {
    encounter: String,
    open: bool,
    entries: Vec<Entry>,
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
            stamp: stamp.clone(),
            opens: event.opens,
            closes: event.closes,
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
    let (entries, unresolved) = stays(&state.events);
    let own = state.events.iter().position(|event| event.stamp.sequence == stamp.sequence);
    if own.is_some_and(|own| (0..state.events.len()).any(|other| closes_again(&state.events, own, other))) {
        findings.push(Finding::information("stay-closed-again", Location::default()));
    }
    if unresolved.iter().any(|event| state.events[*event].stamp.sequence == stamp.sequence) {
        findings.push(Finding::warning("stay-not-open", Location::default()));
    }
    state.entries = entries;
    true
}

/// The entries of all stays, and the events that found no stay.
fn stays(events: &[StayEvent]) -> (Vec<Entry>, Vec<usize>) {
    let alive = not_cancelled(events);
    let mut stays: Vec<Stay> = Vec::new();
    let mut unresolved = Vec::new();
    for (index, event) in events.iter().enumerate().filter(|(index, _)| alive[*index]) {
        let named = named_stay(event);
        let found = if named.is_empty() && !event.opens {
            stays.iter().rposition(|stay| stay.open)
        } else {
            stays.iter().position(|stay| stay.encounter == named)
        };
        let at = match found {
            Some(at) => at,
            None if event.opens || (!named.is_empty() && !taken_back(events, &alive, named)) => {
                stays.push(Stay { encounter: named.into(), open: true, entries: Vec::new() });
                stays.len() - 1
            }
            None => {
                unresolved.push(index);
                continue;
            }
        };
        let stay = &mut stays[at];
        for entry in &event.entries {
            take(stay, entry, event.opens);
        }
        stay.open = if event.opens { true } else { stay.open && !event.closes };
    }
    let mut entries: Vec<Entry> = Vec::new();
    for entry in stays.into_iter().flat_map(|stay| stay.entries) {
        match entries.iter_mut().find(|known| known.is(&entry.resource_type, &entry.id)) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }
    (entries, unresolved)
}

/// The id of the stay that an event names; empty where it names none.
fn named_stay(event: &StayEvent) -> &str {
    event
        .entries
        .iter()
        .find(|entry| entry.resource_type == "Encounter")
        .map_or("", |entry| entry.id.as_str())
}

/// Whether a stay's every admission was cancelled: what else names it is void with it.
fn taken_back(events: &[StayEvent], alive: &[bool], named: &str) -> bool {
    let opened = |standing: bool| {
        events.iter().zip(alive).any(|(event, alive)| {
            event.opens && !event.cancels && *alive == standing && named_stay(event) == named
        })
    };
    opened(false) && !opened(true)
}

/// Whether two discharges that name no stay, at different times, are one: soon one after the other, and no
/// admission between them.
fn closes_again(events: &[StayEvent], one: usize, other: usize) -> bool {
    let (from, until) = (one.min(other), one.max(other));
    let discharge =
        |event: &StayEvent| event.closes && !event.opens && !event.cancels && named_stay(event).is_empty();
    from != until
        && discharge(&events[from])
        && discharge(&events[until])
        && events[from].kind == events[until].kind
        && !events[from..until].iter().any(|event| event.opens && !event.cancels)
        && days_between(&events[from].time, &events[until].time)
            .is_some_and(|days| days <= SAME_DISCHARGE_DAYS)
}

fn days_between(from: &str, until: &str) -> Option<i64> {
    let day = |text: &str| chrono::NaiveDate::parse_from_str(text.get(..8)?, "%Y%m%d").ok();
    Some((day(until)? - day(from)?).num_days())
}

/// Which events stand. A cancel is none itself, and takes back one of its sort: the one of its own time, else
/// the nearest before it, else (a discharge written down ahead of its time) the last one told before it. An
/// event told again, with its correction, is one event: the newest of it stands, and a cancel takes all back.
fn not_cancelled(events: &[StayEvent]) -> Vec<bool> {
    let mut alive: Vec<bool> = events.iter().map(|event| !event.cancels).collect();
    for (index, cancel) in events.iter().enumerate().filter(|(_, event)| event.cancels) {
        let target = {
            let fits = |i: &usize| alive[*i] && same_sort(&events[*i], cancel);
            let told = |i: &usize| events[*i].stamp < cancel.stamp;
            let exact =
                (0..events.len()).rev().find(|i| fits(i) && told(i) && events[*i].time == cancel.time);
            let nearest = || (0..index).rev().find(fits);
            let last =
                || (index..events.len()).filter(|i| fits(i) && told(i)).max_by_key(|i| &events[*i].stamp);
            exact.or_else(nearest).or_else(last)
        };
        let Some(target) = target else { continue };
        for other in 0..events.len() {
            if other == target || (events[other].stamp < cancel.stamp && same_event(events, other, target)) {
                alive[other] = false;
            }
        }
    }
    for index in 0..events.len() {
        let newer =
            |i: usize| alive[i] && events[index].stamp < events[i].stamp && same_event(events, index, i);
        if alive[index] && (0..events.len()).any(newer) {
            alive[index] = false;
        }
    }
    alive
}

/// Whether one event can take the other back.
fn same_sort(event: &StayEvent, other: &StayEvent) -> bool {
    event.opens == other.opens
        && event.closes == other.closes
        && (event.opens || event.closes || event.kind == other.kind)
}

/// Whether both tell of one thing that happened: the same sort at the same time, or the opening or closing of
/// the same stay.
fn same_event(events: &[StayEvent], one: usize, two: usize) -> bool {
    let (event, other) = (&events[one], &events[two]);
    let same_stay = || {
        let named = named_stay(event);
        (event.opens || event.closes) && !named.is_empty() && named == named_stay(other)
    };
    event.cancels == other.cancels
        && event.kind == other.kind
        && same_sort(event, other)
        && (event.time == other.time || same_stay() || closes_again(events, one, two))
}

fn take(stay: &mut Stay, entry: &Entry, replaces: bool) {
    let known = if entry.resource_type == "Encounter" {
        stay.entries.iter_mut().find(|known| known.resource_type == "Encounter")
    } else {
        stay.entries.iter_mut().find(|known| known.is(&entry.resource_type, &entry.id))
    };
    match known {
        Some(known) if entry.resource_type == "Encounter" && !replaces => merge_entry(known, entry),
        Some(known) => *known = entry.clone(),
        None if entry.id.is_empty() => {}
        None => stay.entries.push(entry.clone()),
    }
}

fn merge_entry(base: &mut Entry, fragment: &Entry) {
    let parsed = (serde_json::from_str(base.json.get()), serde_json::from_str(fragment.json.get()));
    let (Ok(mut value), Ok(mut more)) = parsed else { return };
    if let Value::Object(object) = &mut more {
        object.shift_remove("id");
    }
    merge(&mut value, more);
    let Ok(json) = serde_json::to_string(&value) else { return };
    base.hash = hash(json.as_bytes());
    if let Ok(json) = RawValue::from_string(json) {
        base.json = json;
    }
    base.references.clear();
    references(&value, &mut base.references);
    base.stamp = base.stamp.clone().max(fragment.stamp.clone());
}

/// Merges a fragment into a resource: objects merge, scalars and arrays replace; `location` and `participant`
/// are lists of which an event tells only its own, so their items merge by what they refer to.
fn merge(base: &mut Value, fragment: Value) {
    match (base, fragment) {
        (Value::Object(base), Value::Object(fragment)) => {
            for (key, value) in fragment {
                match base.get_mut(&key) {
                    Some(Value::Array(items)) if key == "location" || key == "participant" => {
                        merge_items(items, value);
                    }
                    Some(known) => merge(known, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, fragment) => *base = fragment,
    }
}

fn merge_items(items: &mut Vec<Value>, more: Value) {
    let Value::Array(more) = more else { return };
    for item in more {
        let wanted = referent(&item);
        let known = items.iter().position(|known| match wanted {
            // One doctor may attend and admit: a participant is a person in a role.
            Some(_) => referent(known) == wanted && known.get("type") == item.get("type"),
            None => *known == item,
        });
        match known {
            Some(known) => merge(&mut items[known], item),
            None => items.push(item),
        }
    }
}

/// What an item of `Encounter.location` or `Encounter.participant` refers to.
fn referent(item: &Value) -> Option<&str> {
    let part = item.get("location").or_else(|| item.get("individual"))?;
    part.get("reference")?.as_str()
}

fn references(value: &Value, into: &mut Vec<String>) {
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
