//! Which stay an event is of.
//!
//! Pure, over the events that were taken before it and those that are left. PV1-44 is what an event names its stay by;
//! sites write it by day in one message and by minute in another, to another minute, or not at all.

use super::StayEvent;
use super::stays::Stay;
use renkei_translate::translation::Does;
use serde_json::Value;
use std::collections::VecDeque;

/// The stay that an event is of.
pub(super) enum Belongs {
    To(usize),
    /// The only one that is open; the event names an admission of another day.
    ToOpen(usize),
    /// Its admission comes later: clocks differ by minutes, and some events tell their day alone.
    Waits(usize),
    Begins,
    Nowhere,
}

/// Which stay an event is of, when all before it were taken: the one that it names; the open one that began on the day
/// that it names, or a closed one of that day where one of the two tells no more than the day and the discharge is told
/// again; else, where exactly one is open, that one. An event that names none is of the last that is open.
pub(super) fn belongs(
    (events, alive, starts): (&[StayEvent], &[bool], &[Option<String>]),
    index: usize,
    stays: &[Stay<'_>],
    left: &VecDeque<usize>,
) -> Belongs {
    let event = &events[index];
    let (opens, closes) = (event.does == Does::Opens, event.does == Does::Closes);
    let named = named_stay(event);
    let to_come = |fits: &dyn Fn(usize) -> bool| {
        left.iter().copied().find(|i| events[*i].does == Does::Opens && fits(*i))
    };
    if named.is_empty() && !opens {
        let of_day = || {
            let by_day = event.time.ends_with("000000000");
            to_come(&|i| by_day && events[i].time.get(..8) == event.time.get(..8))
        };
        return match stays.iter().rposition(|stay| stay.open) {
            Some(at) => Belongs::To(at),
            None => of_day().map_or(Belongs::Nowhere, Belongs::Waits),
        };
    }
    if let Some(at) = stays.iter().position(|stay| stay.named == named) {
        // What happens to a stay happens while it is open: a doctor that changes after the discharge does not.
        return if opens || stays[at].open || closes { Belongs::To(at) } else { Belongs::Nowhere };
    }
    if opens || event.does == Does::Plans {
        return Belongs::Begins;
    }
    if let Some(admission) = to_come(&|i| named_stay(&events[i]) == named) {
        return Belongs::Waits(admission);
    }
    let start = &starts[index];
    let of_day = |other: &Option<String>| day(start).is_some() && day(start) == day(other);
    if let Some(at) = stays.iter().rposition(|stay| stay.open && of_day(&stay.start)) {
        return Belongs::To(at);
    }
    let by_day = |other: &Option<String>| [start, other].iter().any(|text| day(text) == text.as_deref());
    let again = |stay: &Stay<'_>| closes && of_day(&stay.start) && by_day(&stay.start);
    if let Some(at) = stays.iter().rposition(again) {
        return Belongs::To(at);
    }
    if let Some(admission) = to_come(&|i| of_day(&starts[i])) {
        return Belongs::Waits(admission);
    }
    // After the discharge nothing happens to the stay of that day.
    if taken_back(events, alive, named) || (!closes && stays.iter().any(|stay| of_day(&stay.start))) {
        return Belongs::Nowhere;
    }
    let mut open = (0..stays.len()).filter(|at| stays[*at].open);
    match (open.next(), open.next()) {
        (Some(at), None) => Belongs::ToOpen(at),
        _ => Belongs::Begins,
    }
}

/// When the stay began, as an event that names it says.
pub(super) fn start(event: &StayEvent) -> Option<String> {
    let entry =
        event.entries.iter().find(|entry| entry.resource_type == "Encounter" && !entry.id.is_empty())?;
    let value: Value = serde_json::from_str(entry.json.get()).ok()?;
    Some(value.get("period")?.get("start")?.as_str()?.to_owned())
}

pub(super) fn day(start: &Option<String>) -> Option<&str> {
    start.as_deref()?.get(.."YYYY-MM-DD".len())
}

/// Whether a stay's every admission was cancelled: what else names it is void with it.
fn taken_back(events: &[StayEvent], alive: &[bool], named: &str) -> bool {
    let opened = |standing: bool| {
        events.iter().zip(alive).any(|(event, alive)| {
            event.does == Does::Opens && !event.cancels && *alive == standing && named_stay(event) == named
        })
    };
    opened(false) && !opened(true)
}

/// The id of the stay that an event names; empty where it names none.
pub(super) fn named_stay(event: &StayEvent) -> &str {
    event
        .entries
        .iter()
        .find(|entry| entry.resource_type == "Encounter")
        .map_or("", |entry| entry.id.as_str())
}
