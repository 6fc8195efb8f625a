//! Orders of several lines that are told whole and in part.

use crate::record::Memory;
use crate::record::tests::{resource, translation, withdrawn};
use proptest::prelude::{any, prop, proptest};
use proptest::prop_assert_eq;
use renkei_translate::finding::{Finding, Language, sentence};
use renkei_translate::translation::{Replaces, Role, Translation};
use std::collections::BTreeMap;

/// An order with the drugs of some lines: `2/1`.
fn order(time: u64, drugs: &[&str]) -> Translation {
    let drug = |line: &&str| {
        let mut one =
            resource("MedicationRequest", &line.replace('/', "-"), Role::Unit, &format!("{time}"), &[]);
        one.line = (*line).to_owned();
        one
    };
    translation("order", Replaces::Unit, time, drugs.iter().map(drug).collect())
}

/// A message about some lines alone.
fn part(time: u64, lines: &[&str], drugs: &[&str]) -> Translation {
    let mut message = order(time, drugs);
    if let Some(unit) = &mut message.unit {
        unit.lines = Some(lines.iter().map(|line| (*line).to_owned()).collect());
        unit.withdrawn = drugs.is_empty();
    }
    message
}

fn sent(memory: &Memory) -> Vec<String> {
    memory.sent().keys().map(|(_, id)| id.clone()).collect()
}

fn said(findings: &[Finding]) -> Vec<(&str, Option<&str>)> {
    findings.iter().map(|finding| (finding.code.as_ref(), finding.detail.as_deref())).collect()
}

/// What stands after a history, in the order of telling and in the other.
fn check(history: &[Translation], expected: &[&str]) {
    let told: Vec<usize> = (0..history.len()).collect();
    let back: Vec<usize> = (0..history.len()).rev().collect();
    for arrival in [told, back] {
        let mut memory = Memory::default();
        for (n, sequence) in arrival.iter().zip(1..) {
            memory.apply(&history[*n], sequence);
        }
        assert_eq!(sent(&memory), expected, "{arrival:?}");
    }
}

#[test]
fn a_change_or_a_stop_of_some_lines_leaves_the_others() {
    let whole = || order(1, &["1/1", "2/1", "2/2", "3/1"]);
    check(&[whole(), part(2, &["2"], &[])], &["1-1", "3-1"]);
    check(&[whole(), part(2, &["2/1"], &[])], &["1-1", "2-2", "3-1"]);
    // Of an RP that is told again all is told.
    check(&[whole(), part(2, &["2"], &["2/1"])], &["1-1", "2-1", "3-1"]);
    check(&[whole(), part(2, &["2"], &["2/1", "2/2", "2/3"])], &["1-1", "2-1", "2-2", "2-3", "3-1"]);
    check(&[whole(), part(2, &["1", "2", "3"], &[])], &[]);
    check(&[whole(), part(2, &["2"], &[]), part(3, &["2"], &["2/1"])], &["1-1", "2-1", "3-1"]);
    // A line that the order did not have.
    check(&[whole(), part(2, &["4"], &["4/1"])], &["1-1", "2-1", "2-2", "3-1", "4-1"]);
    // RP 20 is not of RP 2.
    check(&[order(1, &["2/1", "20/1"]), part(2, &["2"], &[])], &["20-1"]);
    // What is told whole afterwards is all of it again, and a cancel of the order takes all.
    check(&[whole(), part(2, &["2"], &[]), order(3, &["2/1"])], &["2-1"]);
    check(&[whole(), part(2, &["2"], &["2/1"]), withdrawn(order(3, &[]))], &[]);
    // Only a part is known.
    check(&[part(2, &["2"], &["2/1"])], &["2-1"]);
}

#[test]
fn what_is_left_and_what_is_not_found_is_said() {
    let mut memory = Memory::default();
    assert!(memory.apply(&order(1, &["1/1", "2/1", "2/2"]), 1).1.is_empty());
    assert_eq!(said(&memory.apply(&part(2, &["1"], &["1/1"]), 2).1), [("order-in-part", Some("2"))]);
    // The same told again has found it before.
    assert_eq!(said(&memory.apply(&part(3, &["2"], &[]), 3).1), []);
    assert_eq!(said(&memory.apply(&part(3, &["2"], &[]), 3).1), []);
    assert_eq!(said(&memory.apply(&part(4, &["7"], &[]), 4).1), [("withdrawn-nothing", None)]);
    assert!(memory.apply(&order(5, &["1/1", "2/1"]), 5).1.is_empty(), "whole again");
    // The order that comes late says it too.
    let mut memory = Memory::default();
    assert_eq!(said(&memory.apply(&part(2, &["2"], &[]), 1).1), [("withdrawn-nothing", None)]);
    assert_eq!(said(&memory.apply(&order(1, &["1/1", "2/1"]), 2).1), [("order-in-part", Some("1"))]);
    assert_eq!(sent(&memory), ["1-1"]);
    for language in [Language::Ja, Language::En] {
        assert!(sentence("order-in-part", language).is_some());
    }
}

/// A dose under its id; `lines` and what it takes back for a cancel of it.
fn given(key: &str, time: u64, doses: &[&str]) -> Translation {
    let dose = |id: &&str| {
        let mut one = resource("MedicationAdministration", id, Role::Unit, &format!("{id} at {time}"), &[]);
        one.line = (*id).to_owned();
        one
    };
    translation(key, Replaces::Unit, time, doses.iter().map(dose).collect())
}

fn not_given(key: &str, time: u64, doses: &[&str]) -> Translation {
    let mut message = withdrawn(given(key, time, &[]));
    let unit = message.unit.as_mut().unwrap();
    unit.lines = Some(doses.iter().map(|id| (*id).to_owned()).collect());
    unit.takes_back =
        doses.iter().map(|id| ("MedicationAdministration".to_owned(), (*id).to_owned())).collect();
    message
}

#[test]
fn a_dose_is_taken_back_whichever_message_had_brought_it() {
    let three = || given("morning", 1, &["evening", "morning", "noon"]);
    check(&[three(), not_given("noon", 2, &["noon"])], &["evening", "morning"]);
    check(&[three(), not_given("morning", 2, &["morning"])], &["evening", "noon"]);
    check(&[three(), not_given("morning", 2, &["morning", "noon", "evening"])], &[]);
    // Given after all, told alone or with the others.
    check(
        &[three(), not_given("noon", 2, &["noon"]), given("noon", 3, &["noon"])],
        &["evening", "morning", "noon"],
    );
    let all = ["evening", "morning", "noon"];
    check(&[three(), not_given("noon", 2, &["noon"]), given("morning", 3, &all)], &all);
    // A correction of the first ones is not undone by a cancel that was told before.
    check(&[three(), not_given("noon", 2, &["noon"]), given("morning", 3, &["morning"])], &["morning"]);
    let mut memory = Memory::default();
    memory.apply(&three(), 1);
    let (projection, findings) = memory.apply(&not_given("noon", 2, &["noon"]), 2);
    assert_eq!(projection.deletes, [("MedicationAdministration".to_owned(), "noon".to_owned())]);
    assert!(findings.is_empty(), "it found something: {findings:?}");
    assert_eq!(said(&memory.apply(&not_given("night", 3, &["night"]), 3).1), [("withdrawn-nothing", None)]);
}

proptest! {
    /// Orders told whole, in part and taken back, and doses told together and taken back alone, leave in any order of
    /// arrival what the newest word on each line is.
    #[test]
    fn lines_are_the_same_in_any_order(
        history in prop::collection::vec((0..5_u8, prop::collection::btree_set(0..4_usize, 1..4)), 1..8),
        keys in prop::collection::vec(any::<u64>(), 8),
    ) {
        const LINES: [&str; 4] = ["1/1", "1/2", "2/1", "3/1"];
        let mut newest: BTreeMap<String, bool> = BTreeMap::new();
        let mut messages = Vec::new();
        for ((what, chosen), time) in history.iter().zip(1_u64..) {
            let lines: Vec<&str> = chosen.iter().map(|n| LINES[*n]).collect();
            let rps: Vec<&str> = lines.iter().map(|line| &line[..1]).collect();
            let rp = |line: &str| rps.iter().any(|rp| line.starts_with(rp));
            let takes = |line: &&str| match what {
                0 | 1 => true,
                2 | 3 => rp(line),
                _ => lines.contains(line),
            };
            for line in LINES.iter().filter(|line| takes(line)) {
                newest.insert(line.replace('/', "-"), [0, 2].contains(what) && lines.contains(line));
            }
            messages.push(match what {
                0 => order(time, &lines),
                1 => withdrawn(order(time, &[])),
                2 => part(time, &rps, &lines),
                3 => part(time, &rps, &[]),
                _ => part(time, &lines, &[]),
            });
        }
        let expected: Vec<String> = newest.into_iter().filter(|(_, stands)| *stands).map(|(id, _)| id).collect();
        let mut arrived: Vec<(u64, &Translation)> = keys.into_iter().zip(&messages).collect();
        arrived.sort_by_key(|(key, _)| *key);
        let (mut told, mut memory) = (Memory::default(), Memory::default());
        for (message, sequence) in messages.iter().zip(1..) {
            told.apply(message, sequence);
        }
        for ((_, message), sequence) in arrived.into_iter().zip(1..) {
            memory.apply(message, sequence);
        }
        prop_assert_eq!(sent(&told), expected);
        prop_assert_eq!(told.sent(), memory.sent());
    }

    #[test]
    fn doses_are_the_same_in_any_order(
        history in prop::collection::vec((any::<bool>(), prop::collection::vec(0..3_usize, 1..4)), 1..8),
        keys in prop::collection::vec(any::<u64>(), 8),
    ) {
        const DOSES: [&str; 3] = ["a", "b", "c"];
        let messages: Vec<Translation> = history.iter().zip(1_u64..).map(|((given_so, doses), time)| {
            let mut doses: Vec<&str> = doses.iter().map(|n| DOSES[*n]).collect();
            let first = doses[0];
            doses.sort_unstable();
            doses.dedup();
            if *given_so { given(first, time, &doses) } else { not_given(first, time, &doses) }
        }).collect();
        let mut arrived: Vec<(u64, &Translation)> = keys.into_iter().zip(&messages).collect();
        arrived.sort_by_key(|(key, _)| *key);
        let (mut told, mut memory) = (Memory::default(), Memory::default());
        for (message, sequence) in messages.iter().zip(1..) {
            told.apply(message, sequence);
        }
        for ((_, message), sequence) in arrived.into_iter().zip(1..) {
            memory.apply(message, sequence);
        }
        prop_assert_eq!(told.sent(), memory.sent());
        // What was cancelled last is not there.
        if let Some(((false, doses), _)) = history.last().zip(Some(())) {
            for n in doses {
                prop_assert_eq!(memory.sent().keys().any(|(_, id)| id == DOSES[*n]), false);
            }
        }
    }
}
