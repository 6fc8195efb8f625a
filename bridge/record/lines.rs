//! Lines of an order that a message changes or stops one by one.
//!
//! An order of several lines (the RPs of a prescription) is a unit. A message that says by its order control that it is
//! about the lines that it names takes their place there, and theirs alone: of each it is what a whole message is of the
//! unit, with a floor of its own. That others stay is a judgement about what the sender means, so it is said
//! ([`OTHERS`]), whichever came first.

use super::fold::add;
use super::{Entry, Stamp, Told, UnitState};
use renkei_translate::finding::{Finding, Location};
use std::collections::BTreeSet;

/// The code of the finding.
const OTHERS: &str = "order-in-part";

/// Whether a name is that of a line, or of the RP that it is in.
fn covers(name: &str, line: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Takes a message of some lines in; `false` where newer ones told all of them.
pub(super) fn fold(state: &mut UnitState, stamp: &Stamp, told: &[String], said: Vec<Entry>) -> bool {
    let newer = |line: &String| state.told.iter().any(|one| one.stamp > *stamp && covers(&one.line, line));
    if *stamp < state.floor || told.iter().all(newer) {
        return false;
    }
    let named = |line: &str| told.iter().any(|name| covers(name, line));
    // The same message translated again: what it said before it no longer says.
    state.told.retain(|one| one.stamp > *stamp || (one.stamp < *stamp && !named(&one.line)));
    state.entries.retain(|one| one.stamp > *stamp || (one.stamp < *stamp && !named(&one.line)));
    state.told.extend(told.iter().map(|line| Told { line: line.clone(), stamp: stamp.clone() }));
    add(state, said);
    true
}

/// Whether a newer message told the line of an entry.
pub(super) fn told_since(state: &UnitState, entry: &Entry) -> bool {
    state.told.iter().any(|told| told.stamp > entry.stamp && covers(&told.line, &entry.line))
}

/// Whether a message finds nothing of what it stops; `sequence` is its number: translated again it has found it before.
pub(super) fn found_nothing(before: &UnitState, told: &[String], sequence: i64) -> bool {
    let stood = |entry: &Entry| told.iter().any(|name| covers(name, &entry.line));
    !before.entries.iter().any(stood) && !before.told.iter().any(|one| one.stamp.sequence == sequence)
}

/// How many lines stand as they were told before others were changed or stopped, if any.
pub(super) fn others(state: &UnitState) -> Option<Finding> {
    let stands = |entry: &&Entry| {
        !entry.line.is_empty() && !state.told.iter().any(|told| covers(&told.line, &entry.line))
    };
    let lines: BTreeSet<&str> = match state.told.is_empty() {
        true => BTreeSet::new(),
        false => state.entries.iter().filter(stands).map(|entry| entry.line.as_str()).collect(),
    };
    (!lines.is_empty()).then(|| Finding::warning(OTHERS, Location::default()).detail(lines.len().to_string()))
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
