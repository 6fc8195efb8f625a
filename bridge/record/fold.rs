//! Folding a message into its unit: pure, and the same whatever the order of arrival.
//!
//! One algebra for all kinds. A whole message (`unit`, a whole list) clears what was said at its stamp or
//! before and adds what it says; the stamp of the newest one is the unit's floor. An incremental message
//! adds its entries, each with its own stamp, above the floor. A withdrawal is a whole message that says
//! nothing, so its floor is the tombstone. What is below the floor is superseded. A message of
//! some lines of an order is a whole message of each of them ([`super::lines`]).

use super::{Entry, Folded, Merged, Removed, Stamp, UnitState, lines, stays};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Replaces, Role, Translation};
use std::collections::{HashMap, HashSet};

/// A cancel that finds nothing.
pub(super) const NOTHING: &str = "withdrawn-nothing";

/// The next state of a unit. `sequence` is the journal number of the message; the same number again is the
/// same message translated again. A translation without a unit changes nothing.
pub fn fold(old: Option<&UnitState>, incoming: &Translation, sequence: i64) -> Folded {
    let before = old.cloned().unwrap_or_default();
    let Some(unit) = &incoming.unit else {
        return Folded { state: before, changed: false, superseded: false, findings: Vec::new() };
    };
    let stamp = Stamp { time: unit.time.clone(), sequence };
    let mut findings = Vec::new();
    let mut said: Vec<Entry> = Vec::with_capacity(incoming.resources.len());
    for resource in incoming.resources.iter().filter(|resource| resource.role == Role::Unit) {
        match Entry::of(resource, &stamp) {
            Some(entry) => said.push(entry),
            None => findings.push(Finding::error("resource-unreadable", Location::default())),
        }
    }
    let mut state = before.clone();
    state.kind.clone_from(&unit.kind);
    if let Some(patient) = &incoming.patient {
        state.patient.clone_from(patient);
    }
    state.list |=
        unit.replaces == Replaces::List || said.iter().any(|entry| entry.resource_type == "Patient");
    let taken = match unit.replaces {
        Replaces::Event => stays::fold(&mut state, unit, &stamp, said, &mut findings),
        Replaces::List if unit.incremental => incremental(&mut state, &stamp, unit.withdrawn, said),
        Replaces::Nothing => incremental(&mut state, &stamp, unit.withdrawn, said),
        Replaces::Unit | Replaces::List => match &unit.lines {
            Some(told) => lines::fold(&mut state, &stamp, told, said),
            None => whole(&mut state, &stamp, unit.withdrawn, said),
        },
    };
    if !taken {
        return Folded { state: before, changed: false, superseded: true, findings };
    }
    // The record never had what is taken back: it came under another key (of a dose told together with an earlier one,
    // say), before this machine, or comes later. Whoever trusts the cancel must know.
    let nothing = match &unit.lines {
        Some(told) => lines::found_nothing(&before, told, sequence),
        None => before.entries.is_empty() && before.version <= 1,
    };
    if unit.withdrawn && unit.replaces == Replaces::Unit && nothing {
        findings.push(Finding::warning(NOTHING, Location::default()));
    }
    findings.extend(lines::others(&state));
    state.takes_back.retain(|removed| removed.stamp > state.floor && removed.stamp != stamp);
    state.takes_back.extend(unit.takes_back.iter().map(|(resource_type, id)| Removed {
        resource_type: resource_type.clone(),
        id: id.clone(),
        stamp: stamp.clone(),
    }));
    let said_of_two = incoming.merge.clone().filter(|_| !unit.withdrawn);
    if stamp >= state.stamp {
        state.merge = said_of_two.map(|said| Merged { said, stamp: stamp.clone() });
        state.stamp = stamp;
        state.withdraws = unit.withdrawn;
    }
    state.withdrawn = state.withdraws && state.entries.is_empty();
    state.entries = referents_first(std::mem::take(&mut state.entries));
    for entry in state.entries.iter_mut().filter(|entry| entry.resource_type == "Patient") {
        entry.standing = true;
    }
    let changed = state.entries != before.entries
        || state.withdrawn != before.withdrawn
        || state.takes_back != before.takes_back
        || state.merge.as_ref().map(|merged| &merged.said)
            != before.merge.as_ref().map(|merged| &merged.said);
    if changed {
        state.version += 1;
    }
    Folded { state, changed, superseded: false, findings }
}

fn whole(state: &mut UnitState, stamp: &Stamp, withdrawn: bool, said: Vec<Entry>) -> bool {
    if *stamp < state.floor {
        return false;
    }
    state.entries.retain(|entry| entry.stamp > *stamp);
    state.removed.retain(|removed| removed.stamp > *stamp);
    state.told.retain(|told| told.stamp > *stamp);
    state.floor = stamp.clone();
    if !withdrawn {
        add(state, said);
    }
    true
}

fn incremental(state: &mut UnitState, stamp: &Stamp, withdrawn: bool, said: Vec<Entry>) -> bool {
    if *stamp < state.floor {
        return false;
    }
    if withdrawn && said.is_empty() {
        return whole(state, stamp, true, said);
    }
    // The same message translated again: what it said before it no longer says.
    state.entries.retain(|entry| entry.stamp != *stamp);
    state.removed.retain(|removed| removed.stamp != *stamp);
    if !withdrawn {
        let some = !said.is_empty();
        return add(state, said) > 0 || !some;
    }
    let mut taken = false;
    for entry in said {
        let newer = |other: &Stamp| *other > *stamp;
        let known =
            state.removed.iter_mut().find(|r| r.resource_type == entry.resource_type && r.id == entry.id);
        match known {
            Some(removed) if newer(&removed.stamp) => continue,
            Some(removed) => removed.stamp = stamp.clone(),
            None => state.removed.push(Removed {
                resource_type: entry.resource_type.clone(),
                id: entry.id.clone(),
                stamp: stamp.clone(),
            }),
        }
        taken = true;
        state.entries.retain(|e| !e.is(&entry.resource_type, &entry.id) || newer(&e.stamp));
    }
    taken
}

/// Adds entries that nothing newer contradicts; how many were taken.
pub(super) fn add(state: &mut UnitState, said: Vec<Entry>) -> usize {
    let mut taken = 0;
    let mut at: HashMap<(String, String), usize> = HashMap::with_capacity(state.entries.len() + said.len());
    for (index, entry) in state.entries.iter().enumerate() {
        at.insert((entry.resource_type.clone(), entry.id.clone()), index);
    }
    for entry in said {
        let removed_later =
            |r: &Removed| r.resource_type == entry.resource_type && r.id == entry.id && r.stamp > entry.stamp;
        if state.removed.iter().any(removed_later) || lines::told_since(state, &entry) {
            continue;
        }
        let key = (entry.resource_type.clone(), entry.id.clone());
        match at.get(&key) {
            Some(index) if state.entries[*index].stamp > entry.stamp => continue,
            Some(index) => state.entries[*index] = entry,
            None => {
                at.insert(key, state.entries.len());
                state.entries.push(entry);
            }
        }
        taken += 1;
    }
    taken
}

/// Orders entries so that what is referred to comes first; by type and id where nothing decides, so that
/// the order of arrival leaves no trace.
pub(super) fn referents_first(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| (&a.resource_type, &a.id).cmp(&(&b.resource_type, &b.id)));
    let at: HashMap<String, usize> =
        entries.iter().enumerate().map(|(i, e)| (format!("{}/{}", e.resource_type, e.id), i)).collect();
    let mut order = Vec::with_capacity(entries.len());
    let mut entered = HashSet::with_capacity(entries.len());
    for start in 0..entries.len() {
        // Depth first without recursion: a unit may hold a long chain.
        let mut stack = vec![(start, false)];
        while let Some((index, leave)) = stack.pop() {
            if leave {
                order.push(index);
            } else if entered.insert(index) {
                stack.push((index, true));
                for reference in entries[index].references.iter().rev() {
                    if let Some(next) = at.get(reference)
                        && !entered.contains(next)
                    {
                        stack.push((*next, false));
                    }
                }
            }
        }
    }
    let mut slots: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots[index].take()).collect()
}
