//! The record's rules, over small histories in every order.

use super::{Memory, UnitState, bundle, fold};
use proptest::prelude::{Just, Strategy, any, prop, proptest};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert_eq, prop_oneof};
use renkei_translate::finding::Finding;
use renkei_translate::translation::{
    Does, Event, Replaces, Resource, Role, Share, Status, Translation, Unit,
};

pub(crate) fn resource(
    resource_type: &str,
    id: &str,
    role: Role,
    text: &str,
    references: &[&str],
) -> Resource {
    let id_member = if id.is_empty() { String::new() } else { format!(r#","id":"{id}""#) };
    Resource {
        resource_type: resource_type.into(),
        id: id.into(),
        role,
        map: "test".into(),
        json: format!(r#"{{"resourceType":"{resource_type}"{id_member},"x":"{text}"}}"#).into_bytes(),
        references: references.iter().map(|r| (*r).to_owned()).collect(),
        yields: false,
        line: String::new(),
    }
}

pub(crate) fn translation(key: &str, replaces: Replaces, time: u64, resources: Vec<Resource>) -> Translation {
    let mut translation = Translation::held(Vec::new());
    translation.status = Status::Translated;
    translation.kind = Some("OML-11".into());
    translation.patient = Some("0001".into());
    translation.unit = Some(Unit {
        key: key.into(),
        kind: "lab".into(),
        replaces,
        incremental: false,
        withdrawn: false,
        event: None,
        lines: None,
        takes_back: Vec::new(),
        time: format!("202601010000{time:05}"),
    });
    translation.resources = resources;
    translation
}

pub(crate) fn withdrawn(mut translation: Translation) -> Translation {
    if let Some(unit) = &mut translation.unit {
        unit.withdrawn = true;
    }
    translation.resources.clear();
    translation
}

fn incremental(mut translation: Translation) -> Translation {
    if let Some(unit) = &mut translation.unit {
        unit.incremental = true;
    }
    translation
}

fn event(time: u64, opens: bool, json: &str) -> Translation {
    let id = json.split(r#""id":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
    let mut encounter = resource("Encounter", id, Role::Unit, "", &[]);
    encounter.json = json.as_bytes().to_vec();
    let mut translation = translation("stays", Replaces::Event, time, vec![encounter]);
    let own = format!("202601010000{time:05}");
    let (kind, does) = if opens { ("ADT-22", Does::Opens) } else { ("ADT-52", Does::Closes) };
    if let Some(unit) = &mut translation.unit {
        unit.event = Some(Event { kind: kind.into(), does, time: own, day: String::new() });
    }
    translation
}

/// The same message, told at another time than that of its event.
fn told_at(mut translation: Translation, time: u64) -> Translation {
    if let Some(unit) = &mut translation.unit {
        unit.time = format!("202601010000{time:05}");
    }
    translation
}

/// Folds a history and gives what stands: ids and contents, and whether it is withdrawn.
fn stands(history: &[(i64, Translation)]) -> (Vec<(String, String)>, bool) {
    let mut state: Option<UnitState> = None;
    for (sequence, message) in history {
        state = Some(fold(state.as_ref(), message, *sequence).state);
    }
    let state = state.unwrap_or_default();
    (state.entries.iter().map(|e| (e.id.clone(), e.json.get().to_owned())).collect(), state.withdrawn)
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_ref()).collect()
}

#[derive(Clone, Debug)]
enum Said {
    Whole(Vec<u8>),
    Some(Vec<u8>),
    Withdrawn,
}

fn said() -> impl Strategy<Value = Said> {
    let ids = prop::collection::btree_set(0..4_u8, 0..4).prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    prop_oneof![ids.clone().prop_map(Said::Whole), ids.prop_map(Said::Some), Just(Said::Withdrawn)]
}

fn list_message(time: u64, said: &Said) -> Translation {
    let entries = |ids: &[u8]| {
        ids.iter()
            .map(|id| resource("Condition", &format!("c{id}"), Role::Unit, &format!("{time}"), &[]))
            .collect()
    };
    match said {
        Said::Whole(ids) => translation("list", Replaces::List, time, entries(ids)),
        Said::Some(ids) => incremental(translation("list", Replaces::List, time, entries(ids))),
        Said::Withdrawn => withdrawn(translation("list", Replaces::List, time, Vec::new())),
    }
}

fn same_in_any_order(in_order: Vec<Translation>, keys: &[u64]) -> Result<(), TestCaseError> {
    let numbered = |history: Vec<Translation>| -> Vec<(i64, Translation)> { (1..).zip(history).collect() };
    let mut shuffled: Vec<(u64, Translation)> = keys.iter().copied().zip(in_order.iter().cloned()).collect();
    shuffled.sort_by_key(|(key, _)| *key);
    let expected = stands(&numbered(in_order));
    let got = stands(&numbered(shuffled.into_iter().map(|(_, message)| message).collect()));
    prop_assert_eq!(got, expected);
    Ok(())
}

proptest! {
    #[test]
    fn a_list_is_the_same_in_any_order(history in prop::collection::vec(said(), 1..7), keys in prop::collection::vec(any::<u64>(), 7)) {
        let in_order = history.iter().zip(1..).map(|(said, time)| list_message(time, said)).collect();
        same_in_any_order(in_order, &keys)?;
    }

    #[test]
    fn a_unit_is_the_same_in_any_order(history in prop::collection::vec(prop::option::of(0..3_u8), 1..7), keys in prop::collection::vec(any::<u64>(), 7)) {
        let in_order = history.iter().zip(1..).map(|(said, time)| match said {
            Some(id) => translation("u", Replaces::Unit, time, vec![resource("Observation", &format!("o{id}"), Role::Unit, &time.to_string(), &[])]),
            None => withdrawn(translation("u", Replaces::Unit, time, Vec::new())),
        }).collect();
        same_in_any_order(in_order, &keys)?;
    }

    #[test]
    fn stays_are_the_same_in_any_order(history in prop::collection::vec(0..4_u8, 1..8), keys in prop::collection::vec(any::<u64>(), 8)) {
        let in_order = history.iter().zip(1_u64..).map(|(what, time)| match what {
            0 | 1 => event(time, true, &format!(r#"{{"resourceType":"Encounter","id":"e{time}","period":{{"start":"{time}"}}}}"#)),
            2 => event(time, false, &format!(r#"{{"resourceType":"Encounter","status":"finished","period":{{"end":"{time}"}}}}"#)),
            _ => withdrawn(event(time, true, r#"{"resourceType":"Encounter"}"#)),
        }).collect();
        same_in_any_order(in_order, &keys)?;
    }

    #[test]
    fn a_destination_has_what_the_record_has(history in prop::collection::vec((0..3_u8, said()), 1..9)) {
        let mut memory = Memory::default();
        for ((list, said), sequence) in history.iter().zip(1..) {
            let mut message = list_message(sequence, said);
            if let Some(unit) = &mut message.unit {
                unit.key = format!("list {list}");
            }
            memory.apply(&message, i64::try_from(sequence).unwrap_or_default());
        }
        let mut live: Vec<String> = (0..3_u8)
            .filter_map(|list| memory.unit(&format!("list {list}")))
            .flat_map(|unit| unit.entries.iter().map(|entry| entry.id.clone()))
            .collect();
        live.sort();
        live.dedup();
        let sent: Vec<String> = memory.sent().keys().map(|(_, id)| id.clone()).collect();
        prop_assert_eq!(sent, live);
    }
}

const ADMISSION: &str = r#"{"resourceType":"Encounter","id":"e1","status":"in-progress","period":{"start":"2026-01-01"},"location":[{"location":{"reference":"Location/a"},"status":"active"}]}"#;
const DISCHARGE: &str = r#"{"resourceType":"Encounter","status":"finished","period":{"end":"2026-01-09"},"location":[{"location":{"reference":"Location/a"},"status":"completed"},{"location":{"reference":"Location/b"}}]}"#;

#[test]
fn a_discharge_closes_the_stay_that_is_open() {
    let closed = r#"{"resourceType":"Encounter","id":"e1","status":"finished","period":{"start":"2026-01-01","end":"2026-01-09"},"location":[{"location":{"reference":"Location/a"},"status":"completed"},{"location":{"reference":"Location/b"}}]}"#;
    let admission = event(1, true, ADMISSION);
    let discharge = event(2, false, DISCHARGE);
    let expected = (vec![("e1".to_owned(), closed.to_owned())], false);
    assert_eq!(stands(&[(1, admission.clone()), (2, discharge.clone())]), expected);

    let early = fold(None, &discharge, 1);
    assert_eq!(codes(&early.findings), ["stay-not-open"]);
    assert!(early.state.entries.is_empty() && !early.superseded);
    let late = fold(Some(&early.state), &admission, 2);
    assert!(late.findings.is_empty());
    assert_eq!(late.state.entries[0].json.get(), closed);
    assert_eq!(late.state.entries[0].references, ["Location/a", "Location/b"]);
}

#[test]
fn a_cancelled_admission_takes_its_stay_away() {
    let history =
        [(1, event(1, true, ADMISSION)), (2, withdrawn(event(2, true, r#"{"resourceType":"Encounter"}"#)))];
    assert_eq!(stands(&history), (Vec::new(), true));
}

#[test]
fn a_cancelled_discharge_opens_the_stay_again() {
    let history = [
        (1, event(1, true, ADMISSION)),
        (2, event(2, false, DISCHARGE)),
        (3, withdrawn(event(3, false, r#"{"resourceType":"Encounter"}"#))),
    ];
    assert_eq!(stands(&history).0, [("e1".to_owned(), ADMISSION.to_owned())]);
}

#[test]
fn an_admission_told_twice_is_one_that_one_cancel_takes_back() {
    let corrected = r#"{"resourceType":"Encounter","id":"e1","status":"in-progress","period":{"start":"2026-01-01"},"location":[{"location":{"reference":"Location/b"},"status":"active"}]}"#;
    let told = |time, text| told_at(event(1, true, text), time);
    let history = [
        (1, told(1, ADMISSION)),
        (2, told(2, corrected)),
        (3, withdrawn(told(3, r#"{"resourceType":"Encounter"}"#))),
    ];
    assert_eq!(stands(&history[..2]).0, [("e1".to_owned(), corrected.to_owned())]);
    assert_eq!(stands(&history), (Vec::new(), true));
}

#[test]
fn a_doctor_who_attends_and_admits_keeps_both_roles_at_the_discharge() {
    let participants = r#""participant":[{"type":[{"text":"ATND"}],"individual":{"reference":"Practitioner/a"}},{"type":[{"text":"ADM"}],"individual":{"reference":"Practitioner/a"}}]"#;
    let stay = format!(r#"{{"resourceType":"Encounter","id":"e1",{participants}}}"#);
    let history = [(1, event(1, true, &stay)), (2, event(2, false, &stay))];
    assert_eq!(stands(&history).0, [("e1".to_owned(), stay)]);
}

#[test]
fn a_discharge_told_again_with_an_earlier_time_ends_then() {
    let discharge = |end| {
        format!(
            r#"{{"resourceType":"Encounter","id":"e1","status":"finished","period":{{"end":"2026-01-0{end}"}}}}"#
        )
    };
    let history = [
        (1, event(1, true, ADMISSION)),
        (2, told_at(event(9, false, &discharge(9)), 2)),
        (3, told_at(event(8, false, &discharge(8)), 3)),
    ];
    let (entries, _) = stands(&history);
    assert!(entries[0].1.contains(r#""end":"2026-01-08""#), "{entries:?}");
}

const UNNAMED: &str = r#"{"resourceType":"Encounter","status":"finished","period":{"end":"END"}}"#;

/// A discharge on a day of January 2026 that names no stay, told as the `sequence`th message.
fn left(day: u64, sequence: u64) -> Translation {
    let mut message =
        told_at(event(1, false, &UNNAMED.replace("END", &format!("2026-01-{day:02}"))), sequence);
    if let Some(event) = message.unit.as_mut().and_then(|unit| unit.event.as_mut()) {
        event.time = format!("202601{day:02}100000000");
    }
    message
}

#[test]
fn a_discharge_told_again_with_a_later_time_ends_then_and_one_cancel_takes_both_back() {
    let ends = |history: &[(i64, Translation)]| {
        let entries = stands(history).0;
        let encounter: serde_json::Value = serde_json::from_str(&entries[0].1).unwrap();
        encounter["period"]["end"].as_str().map(str::to_owned)
    };
    let history =
        [(1, event(1, true, ADMISSION)), (2, left(9, 2)), (3, left(10, 3)), (4, withdrawn(left(10, 4)))];
    assert_eq!(ends(&history[..3]).as_deref(), Some("2026-01-10"));
    assert_eq!(
        ends(&[history[2].clone(), history[1].clone(), history[0].clone()]).as_deref(),
        Some("2026-01-10")
    );
    assert_eq!(ends(&history), None, "the stay is open again");
    let told = fold(
        Some(&fold(Some(&fold(None, &history[0].1, 1).state), &history[1].1, 2).state),
        &history[2].1,
        3,
    );
    assert_eq!(codes(&told.findings), ["stay-closed-again"]);
    // Ten days on it is the end of a stay whose admission is missing.
    let far =
        fold(Some(&fold(Some(&fold(None, &history[0].1, 1).state), &history[1].1, 2).state), &left(19, 3), 3);
    assert_eq!(codes(&far.findings), ["stay-not-open"]);
}

#[test]
fn a_cancelled_admission_takes_the_discharge_that_names_it_away_too() {
    let discharge =
        r#"{"resourceType":"Encounter","id":"e1","status":"finished","period":{"end":"2026-01-09"}}"#;
    let history = [
        (1, event(1, true, ADMISSION)),
        (2, event(2, false, discharge)),
        (3, withdrawn(told_at(event(1, true, r#"{"resourceType":"Encounter"}"#), 3))),
    ];
    assert!(stands(&history).0.is_empty());
    // Without a word of its admission it stands by itself.
    assert_eq!(stands(&history[1..2]).0.len(), 1);
}

#[test]
fn a_discharge_written_down_ahead_of_its_time_can_be_cancelled_before_it() {
    let history = [
        (1, event(1, true, ADMISSION)),
        (2, told_at(event(9, false, DISCHARGE), 2)),
        (3, withdrawn(event(3, false, r#"{"resourceType":"Encounter"}"#))),
    ];
    assert_eq!(stands(&history).0, [("e1".to_owned(), ADMISSION.to_owned())]);
}

#[test]
fn a_message_translated_again_takes_the_place_of_itself() {
    let say = |text| {
        incremental(translation(
            "l",
            Replaces::List,
            1,
            vec![resource("Condition", text, Role::Unit, text, &[])],
        ))
    };
    let first = fold(None, &say("a"), 7);
    let again = fold(Some(&first.state), &say("b"), 7);
    assert!(again.changed && !again.superseded);
    assert_eq!(again.state.entries.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["b"]);
    let same = fold(Some(&again.state), &say("b"), 7);
    assert!(!same.changed);
    assert_eq!(same.state.version, 2);
}

#[test]
fn an_older_message_is_superseded_and_a_tombstone_holds() {
    let unit = |time| {
        translation("u", Replaces::Unit, time, vec![resource("Observation", "o", Role::Unit, "x", &[])])
    };
    let gone = fold(None, &withdrawn(unit(5)), 1);
    assert!(gone.state.withdrawn);
    let late = fold(Some(&gone.state), &unit(4), 2);
    assert!(late.superseded && !late.changed && late.state.entries.is_empty());
    assert_eq!(fold(Some(&gone.state), &unit(6), 3).state.entries.len(), 1);
}

#[test]
fn a_cancel_that_finds_nothing_is_said_and_one_that_finds_something_is_not() {
    let unit = |time| {
        translation("u", Replaces::Unit, time, vec![resource("Observation", "o", Role::Unit, "x", &[])])
    };
    let nothing = fold(None, &withdrawn(unit(5)), 1);
    assert_eq!(codes(&nothing.findings), ["withdrawn-nothing"]);
    // The same cancel translated again has found nothing still.
    let again = fold(Some(&nothing.state), &withdrawn(unit(5)), 1);
    assert_eq!(codes(&again.findings), ["withdrawn-nothing"]);
    let stands = fold(None, &unit(4), 1);
    let gone = fold(Some(&stands.state), &withdrawn(unit(5)), 2);
    assert!(gone.state.withdrawn && gone.findings.is_empty());
    assert!(fold(Some(&gone.state), &withdrawn(unit(5)), 2).findings.is_empty());
}

fn sent(projection: &super::Projection) -> (Vec<String>, Vec<String>) {
    let puts = projection.puts.iter().map(|put| format!("{}/{}", put.resource_type, put.id)).collect();
    (puts, projection.deletes.iter().map(|(t, id)| format!("{t}/{id}")).collect())
}

#[test]
fn an_order_brings_its_patient_along_and_adt_00_outranks_it() {
    let mut memory = Memory::default();
    let order = |time, text| {
        let mut message = translation(
            "u",
            Replaces::Unit,
            time,
            vec![
                resource("Observation", "o", Role::Unit, text, &["Patient/p", "Practitioner/d"]),
                resource("Patient", "p", Role::Provisional, "from the order", &[]),
                resource("Practitioner", "d", Role::Shared, "d", &[]),
            ],
        );
        message.patient = Some("p1".into());
        message
    };
    let source = |time| {
        let mut message = translation(
            "patient",
            Replaces::Unit,
            time,
            vec![resource("Patient", "p", Role::Unit, "from ADT-00", &[])],
        );
        message.patient = Some("p1".into());
        message
    };
    let (first, _) = memory.apply(&order(1, "a"), 1);
    assert_eq!(sent(&first).0, ["Patient/p", "Practitioner/d", "Observation/o"]);
    assert_eq!(sent(&memory.apply(&order(2, "b"), 2).0).0, ["Observation/o"]);
    let (patient, _) = memory.apply(&source(3), 3);
    assert!(patient.puts[0].json.get().contains("ADT-00"));
    assert_eq!(sent(&memory.apply(&order(4, "c"), 4).0).0, ["Observation/o"]);
    // Taken back while the order stands: the Patient stays, and goes with the last unit.
    let (kept, findings) = memory.apply(&withdrawn(source(5)), 5);
    assert!(kept.is_empty());
    assert_eq!(codes(&findings), ["patient-still-referenced"]);
    assert_eq!(sent(&memory.apply(&withdrawn(order(6, "")), 6).0).1, ["Observation/o", "Patient/p"]);
    assert_eq!(memory.sent().len(), 1, "shared resources stay");
}

#[test]
fn a_shared_resource_is_the_newest_by_order_time() {
    let mut memory = Memory::default();
    let say = |key: &str, time, text: &str| {
        translation(
            key,
            Replaces::Unit,
            time,
            vec![
                resource("Observation", key, Role::Unit, text, &["Practitioner/d"]),
                resource("Practitioner", "d", Role::Shared, text, &[]),
            ],
        )
    };
    memory.apply(&say("a", 5, "new"), 1);
    let (older, _) = memory.apply(&say("b", 3, "old"), 2);
    assert_eq!(sent(&older).0, ["Observation/b"]);
    let (newer, _) = memory.apply(&say("b", 6, "newest"), 3);
    assert_eq!(sent(&newer).0, ["Practitioner/d", "Observation/b"]);
}

#[test]
fn what_another_unit_still_has_is_not_deleted() {
    let mut memory = Memory::default();
    let say = |key: &str, time, text: &str| {
        translation(
            key,
            Replaces::Unit,
            time,
            vec![resource("AllergyIntolerance", "x", Role::Unit, text, &[])],
        )
    };
    memory.apply(&say("a", 1, "a"), 1);
    memory.apply(&say("b", 2, "b"), 2);
    let (back, _) = memory.apply(&withdrawn(say("b", 3, "")), 3);
    assert_eq!(sent(&back), (vec!["AllergyIntolerance/x".to_owned()], Vec::new()));
    assert!(back.puts[0].json.get().contains(r#""x":"a""#));
    let (gone, _) = memory.apply(&withdrawn(say("a", 4, "")), 4);
    assert_eq!(sent(&gone), (Vec::new(), vec!["AllergyIntolerance/x".to_owned()]));
}

#[test]
fn a_bundle_is_a_transaction_with_one_entry_an_id() {
    let mut memory = Memory::default();
    let message = translation(
        "u",
        Replaces::Unit,
        1,
        vec![
            resource("Observation", "o", Role::Unit, "1.50", &["Patient/p"]),
            resource("Patient", "p", Role::Provisional, "", &[]),
        ],
    );
    let (projection, _) = memory.apply(&message, 1);
    let json: serde_json::Value = serde_json::from_slice(&bundle(&projection)).unwrap();
    assert_eq!((&json["resourceType"], &json["type"]), (&"Bundle".into(), &"transaction".into()));
    assert_eq!(json["entry"][0]["request"]["url"], "Patient/p");
    assert_eq!(json["entry"][1]["request"]["method"], "PUT");
    assert_eq!(json["entry"][1]["resource"]["id"], "o");
    let url = json["entry"][1]["fullUrl"].as_str().unwrap();
    let uuid = url.strip_prefix("urn:uuid:").unwrap();
    assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert_eq!(&uuid[14..15], "8", "RFC 9562 version 8");
    assert!("89ab".contains(&uuid[19..20]), "RFC 9562 variant");
    let (gone, _) = memory.apply(&withdrawn(message), 2);
    let json: serde_json::Value = serde_json::from_slice(&bundle(&gone)).unwrap();
    assert_eq!(
        json["entry"][0],
        serde_json::json!({"request": {"method": "DELETE", "url": "Observation/o"}})
    );
}

/// A message of several units: of each order what it says, or that it is taken back.
fn several(time: u64, orders: &[(u8, Option<u8>)]) -> Translation {
    let mut whole: Option<Translation> = None;
    for (order, said) in orders {
        let one = order_alone(time, *order, *said);
        let whole = whole.get_or_insert_with(|| Translation { resources: Vec::new(), ..one.clone() });
        let at = whole.resources.len();
        whole.resources.extend(one.resources);
        let made = (at..whole.resources.len()).collect();
        whole.shares.extend(one.unit.map(|unit| Share { unit, made }));
    }
    whole.unwrap()
}

fn order_alone(time: u64, order: u8, said: Option<u8>) -> Translation {
    let id = |n: u8| format!("{order}-{n}");
    let say = |n: u8| resource("Observation", &id(n), Role::Unit, &format!("{n} at {time}"), &[]);
    let one =
        translation(&format!("order {order}"), Replaces::Unit, time, said.map(say).into_iter().collect());
    if said.is_none() { withdrawn(one) } else { one }
}

proptest! {
    /// What orders of one message leave is what they leave each in a message of its own, whatever the order of arrival.
    #[test]
    fn orders_in_one_message_are_as_orders_in_messages_of_their_own(
        told in prop::collection::vec(prop::collection::btree_map(0..3_u8, prop::option::of(0..3_u8), 1..4), 1..6),
        keys in prop::collection::vec(any::<u64>(), 6),
    ) {
        let mut arrived: Vec<usize> = (0..told.len()).collect();
        arrived.sort_by_key(|n| keys[*n]);
        let (mut together, mut apart) = (Memory::default(), Memory::default());
        for n in arrived {
            let orders: Vec<_> = told[n].iter().map(|(order, said)| (*order, *said)).collect();
            together.apply(&several(n as u64, &orders), n as i64);
        }
        for (n, orders) in told.iter().enumerate() {
            for (order, said) in orders {
                apart.apply(&order_alone(n as u64, *order, *said), n as i64);
            }
        }
        prop_assert_eq!(together.sent(), apart.sent());
    }
}
