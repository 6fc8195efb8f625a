//! One stay from plan to discharge, and every event of it taken back, in any order of arrival.
//!
//! Two rules, for every subset of the events and of their cancels: what stands does not depend on the order of
//! arrival, and an event with its cancel leaves what would stand without both.

use crate::shipped;
use proptest::prelude::{any, prop, proptest};
use proptest::prop_assert_eq;
use renkei_bridge::record::Memory;
use renkei_translate::mapping::translate;
use renkei_translate::translation::{Lists, PathPatient, Status, Translation};
use std::sync::OnceLock;

const BED: &str = "3A^301^2^^^N";
const WARD: &str = "5B^512^1^^^N";
const FIRST: &str = "110^見本^一郎^^^^^^^L^^^^^I";
const SECOND: &str = "220^見本^花子^^^^^^^L^^^^^I";

/// A message: its trigger event, when it was told, and EVN-6, PV1 and PV2 as `field=value`.
struct Told(&'static str, &'static str, &'static [(&'static str, usize, &'static str)]);

/// The events of the stay in the order in which they were told, each with its cancel.
const EVENTS: [(Told, Told); 9] = [
    (
        Told("A14", "20240325100000", &[("PV1", 3, BED), ("PV1", 7, FIRST), ("PV2", 8, "202404011400")]),
        Told("A27", "20240326100000", &[("PV2", 8, "20240401")]),
    ),
    (
        Told(
            "A01",
            "20240401145000",
            &[("PV1", 3, BED), ("PV1", 7, FIRST), ("PV1", 17, FIRST), ("PV1", 44, "202404011430")],
        ),
        Told("A11", "20240401160000", &[("PV1", 44, "202404011430")]),
    ),
    (
        Told("A54", "20240403091000", &[("EVN", 6, "202404030900"), ("PV1", 3, BED), ("PV1", 7, SECOND)]),
        Told("A55", "20240403100000", &[("EVN", 6, "202404030900")]),
    ),
    (
        Told("A15", "20240403120000", &[("PV1", 3, BED), ("PV2", 1, WARD), ("PV2", 8, "20240404")]),
        Told("A26", "20240403150000", &[("PV2", 8, "20240404")]),
    ),
    (
        Told(
            "A02",
            "20240404110000",
            &[
                ("EVN", 6, "202404041030"),
                ("PV1", 3, WARD),
                ("PV1", 6, BED),
                ("PV1", 7, FIRST),
                ("PV1", 10, "10"),
            ],
        ),
        Told("A12", "20240404120000", &[("EVN", 6, "202404041030")]),
    ),
    (
        Told("A21", "20240405101000", &[("EVN", 6, "202404051000"), ("PV2", 47, "202404061700")]),
        Told("A52", "20240405120000", &[("EVN", 6, "202404051000")]),
    ),
    (
        Told("A22", "20240406181000", &[("EVN", 6, "202404061800"), ("PV1", 3, WARD)]),
        Told("A53", "20240406190000", &[("EVN", 6, "202404061800"), ("PV2", 47, "20240406")]),
    ),
    (
        Told("A16", "20240408090000", &[("PV1", 3, WARD), ("PV2", 9, "202404101000")]),
        Told("A25", "20240409090000", &[("PV2", 9, "20240410")]),
    ),
    (
        Told("A03", "20240410110000", &[("PV1", 3, WARD), ("PV1", 36, "01"), ("PV1", 45, "202404101030")]),
        Told("A13", "20240410120000", &[("PV1", 45, "202404101030")]),
    ),
];

/// A stay of which every event names its admission as its sender writes PV1-44: by minute, by day, to another minute, of
/// the day before. The discharge is told twice, with its correction.
const OTHERWISE: [Told; 6] = [
    Told("A01", "20240501110000", &[("PV1", 3, BED), ("PV1", 7, FIRST), ("PV1", 44, "202405011000")]),
    Told(
        "A02",
        "20240503110000",
        &[("EVN", 6, "202405031030"), ("PV1", 3, WARD), ("PV1", 6, BED), ("PV1", 44, "20240501")],
    ),
    Told("A21", "20240505101000", &[("EVN", 6, "202405051000"), ("PV1", 44, "202405011005")]),
    Told("A22", "20240506181000", &[("EVN", 6, "202405061800"), ("PV1", 3, WARD), ("PV1", 44, "20240430")]),
    Told(
        "A03",
        "20240510110000",
        &[("PV1", 3, WARD), ("PV1", 44, "202405011005"), ("PV1", 45, "202405101100")],
    ),
    Told("A03", "20240510120000", &[("PV1", 3, WARD), ("PV1", 44, "20240501"), ("PV1", 45, "202405101030")]),
];

fn translated(Told(trigger, told, fields): &Told) -> Translation {
    let segment = |name: &str, first: &[(usize, &str)]| {
        let mut all: Vec<(usize, &str)> = first.to_vec();
        all.extend(fields.iter().filter(|(of, ..)| *of == name).map(|(_, field, value)| (*field, *value)));
        let last = all.iter().map(|(field, _)| *field).max().unwrap_or(0);
        let value = |n| all.iter().find(|(field, _)| *field == n).map_or("", |(_, value)| value);
        std::iter::once(name).chain((1..=last).map(value)).collect::<Vec<_>>().join("|")
    };
    let text = [
        format!("MSH|^~\\&|HIS|S|GW|R|{told}||ADT^{trigger}|1|P|2.5||||||UNICODE UTF-8"),
        segment("EVN", &[(2, told)]),
        "PID|||0000000123||見本^太郎^^^^^L^I".into(),
        segment("PV1", &[(2, "I")]),
        segment("PV2", &[]),
    ]
    .join("\r");
    let out =
        translate(shipped::set(), text.as_bytes(), &shipped::context(None, PathPatient::Error, Lists::Whole));
    assert_eq!(out.status, Status::Translated, "{trigger}: {:?}", out.findings);
    out
}

/// The messages, translated once: each event and its cancel.
pub(super) fn messages() -> &'static [(Translation, Translation)] {
    static ONCE: OnceLock<Vec<(Translation, Translation)>> = OnceLock::new();
    ONCE.get_or_init(|| {
        EVENTS.iter().map(|(event, cancel)| (translated(event), translated(cancel))).collect()
    })
}

/// The messages of the stay whose admission is named otherwise each time, translated once.
pub(super) fn otherwise() -> &'static [Translation] {
    static ONCE: OnceLock<Vec<Translation>> = OnceLock::new();
    ONCE.get_or_init(|| OTHERWISE.iter().map(translated).collect())
}

/// What a base has of the stay after messages in their order of arrival: id and content of each Encounter.
fn stands(history: &[&Translation]) -> Vec<(String, String)> {
    let mut memory = Memory::default();
    for (message, sequence) in history.iter().zip(1..) {
        memory.apply(message, sequence);
    }
    let all = memory.sent().iter().filter(|((kind, _), _)| kind == "Encounter");
    all.map(|((_, id), hash)| (id.clone(), hash.clone())).collect()
}

proptest! {
    #[test]
    fn a_stay_is_the_same_in_any_order_and_a_cancel_takes_back_its_event_alone(
        happened in prop::collection::vec(any::<bool>(), EVENTS.len()),
        cancelled in prop::collection::vec(prop::bool::weighted(0.3), EVENTS.len()),
        keys in prop::collection::vec(any::<u64>(), 2 * EVENTS.len()),
    ) {
        let (mut told, mut left) = (Vec::new(), Vec::new());
        for (n, (event, cancel)) in messages().iter().enumerate().filter(|(n, _)| happened[*n]) {
            told.push(event);
            if cancelled[n] {
                told.push(cancel);
            } else {
                left.push(event);
            }
        }
        let expected = stands(&left);
        prop_assert_eq!(stands(&told), expected.clone(), "told in order");
        let mut arrived: Vec<(u64, &Translation)> = keys.into_iter().zip(told).collect();
        arrived.sort_by_key(|(key, _)| *key);
        let arrived: Vec<&Translation> = arrived.into_iter().map(|(_, message)| message).collect();
        prop_assert_eq!(stands(&arrived), expected, "out of order");
    }

    #[test]
    fn a_stay_whose_admission_is_named_otherwise_each_time_is_one_in_any_order(
        happened in prop::collection::vec(any::<bool>(), OTHERWISE.len()),
        keys in prop::collection::vec(any::<u64>(), OTHERWISE.len()),
    ) {
        let told: Vec<&Translation> =
            otherwise().iter().zip(&happened).filter(|(_, happened)| **happened).map(|(m, _)| m).collect();
        let mut arrived: Vec<(u64, &Translation)> = keys.into_iter().zip(told.iter().copied()).collect();
        arrived.sort_by_key(|(key, _)| *key);
        let arrived: Vec<&Translation> = arrived.into_iter().map(|(_, message)| message).collect();
        prop_assert_eq!(stands(&arrived), stands(&told));
        if happened[0] {
            prop_assert_eq!(stands(&told).len(), 1, "one Encounter, whatever is missing of the rest");
        }
    }
}

/// facts 110, 118, 124: one Encounter; it begins at PV1-44 of the admission and ends at PV1-45 of the newest discharge.
#[test]
fn a_stay_whose_admission_is_named_otherwise_each_time_begins_with_it_and_ends() {
    let mut memory = Memory::default();
    let (mut stays, mut gone) = (std::collections::BTreeMap::new(), 0);
    for (message, sequence) in otherwise().iter().zip(1..) {
        let sent = memory.apply(message, sequence).0;
        gone += sent.deletes.iter().filter(|(kind, _)| kind == "Encounter").count();
        for put in sent.puts.iter().filter(|put| put.resource_type == "Encounter") {
            let value: serde_json::Value = serde_json::from_str(put.json.get()).expect("a resource is JSON");
            stays.insert(put.id.clone(), value);
        }
    }
    assert_eq!((stays.len(), gone), (1, 0));
    let stay = stays.values().next().expect("there is one");
    assert_eq!(stay["status"], "finished");
    assert_eq!(stay["period"]["start"], "2024-05-01T10:00:00+09:00");
    assert_eq!(stay["period"]["end"], "2024-05-10T10:30:00+09:00");
}

#[test]
fn every_event_alone_and_every_pair_in_both_orders() {
    let all: Vec<&Translation> = messages().iter().flat_map(|(event, cancel)| [event, cancel]).collect();
    let whole: Vec<&Translation> = messages().iter().map(|(event, _)| event).collect();
    assert_eq!(stands(&whole).len(), 1, "one Encounter from plan to discharge");
    for one in &all {
        for two in &all {
            assert_eq!(stands(&[one, two]), stands(&[two, one]));
        }
    }
}

/// The cancel of an admission that never came (its file came to the storage deleted) takes no other one away.
#[test]
fn a_cancel_of_another_admission_or_discharge_leaves_the_stay_alone() {
    let [(_, _), (admission, _), .., (discharge, _)] = messages() else { panic!("the stay has its events") };
    let others = [
        Told("A11", "20240421100000", &[("PV1", 44, "202404201000")]),
        Told("A13", "20240421110000", &[("PV1", 45, "202404200900")]),
    ];
    for other in &others {
        let other = translated(other);
        assert_eq!(stands(&[admission, discharge, &other]), stands(&[admission, discharge]));
    }
}

/// A43 and A44 move a part of one patient's data to another: each held, with its own reason.
#[test]
fn what_moves_between_patients_is_held_with_its_own_reason() {
    for (trigger, code) in [("A43", "patient-moved"), ("A44", "account-moved")] {
        let text = format!(
            "MSH|^~\\&|HIS|S|GW|R|20240401100000||ADT^{trigger}^ADT_A43|1|P|2.5\rEVN||20240401100000\rPID|||0000000123\rMRG|0000000456"
        );
        let context = shipped::context(None, PathPatient::Error, Lists::Whole);
        let out = translate(shipped::set(), text.as_bytes(), &context);
        assert_eq!(out.status, Status::Quarantined);
        assert!(out.findings.iter().any(|f| f.code == code), "{trigger}: {:?}", out.findings);
        assert!(!out.findings.iter().any(|f| f.code == "message-type-not-mapped"));
    }
}
