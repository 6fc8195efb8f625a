//! Some RPs of a prescription that are changed or stopped, and doses that are taken back, by messages about them alone.
//!
//! The facts say which RP a line is of (mapping-facts.md sections 5 and 6, ORC-4) and that a file is the whole of its
//! order (ssmix2.md section 1, correction: the new file takes the place of the old); that a message whose every line is a
//! change or a stop is about those lines is a judgement (mappings/README.md, 処方の一部の変更と中止).

use super::pairs::{Message, message};
use crate::shipped;
use renkei_bridge::record::Memory;
use renkei_translate::mapping::{Layer, MappingSet, Rank, SourceFile, translate};
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient, Status};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands: the drug of each request or dose and its amount; and what the last message made the record say.
fn stands(set: &MappingSet, history: &[Message]) -> (Vec<String>, Vec<String>) {
    let (mut memory, mut base, mut said) = (Memory::default(), BTreeMap::new(), Vec::new());
    for (one, sequence) in history.iter().zip(1..) {
        let context = shipped::context(one.file.clone(), PathPatient::Error, Lists::Whole);
        let translation = translate(set, one.text.as_bytes(), &context);
        assert_eq!(translation.status, Status::Translated, "{:?}", translation.findings);
        let (projection, findings) = memory.apply(&translation, sequence);
        for put in projection.puts {
            let resource: Value = serde_json::from_str(put.json.get()).expect("a resource is JSON");
            let at = |paths: &[&str]| {
                paths
                    .iter()
                    .find_map(|path| resource.pointer(path))
                    .map(|value| value.to_string().replace('"', ""))
            };
            let drug = at(&[
                "/medicationCodeableConcept/coding/0/code",
                "/contained/0/ingredient/0/itemCodeableConcept/coding/0/code",
                "/contained/1/ingredient/0/itemCodeableConcept/coding/0/code",
                "/code/coding/0/code",
            ]);
            let Some(drug) = drug else { continue };
            let amount = at(&[
                "/dosageInstruction/0/doseAndRate/0/doseQuantity/value",
                "/dosage/dose/value",
                "/valueQuantity/value",
            ]);
            let time =
                at(&["/effectiveDateTime"]).filter(|_| put.resource_type == "MedicationAdministration");
            let time = time.map(|time| format!(" {}", &time[11..16])).unwrap_or_default();
            base.insert(put.id, format!("{drug}{time} {}", amount.unwrap_or_default()));
        }
        for (_, id) in projection.deletes {
            base.remove(&id).expect("what is deleted was there");
        }
        let findings = findings.iter();
        said = findings.map(|f| format!("{} {}", f.code, f.detail.as_deref().unwrap_or_default())).collect();
    }
    let mut stands: Vec<String> = base.into_values().collect();
    stands.sort();
    (stands, said)
}

/// The same in every order of arrival of up to three messages.
fn check(history: &[Message], expected: &[&str]) {
    let again = |n: &usize| Message { text: history[*n].text.clone(), file: history[*n].file.clone() };
    let arrivals: &[&[usize]] = match history.len() {
        1 => &[&[0]],
        2 => &[&[0, 1], &[1, 0]],
        _ => &[&[0, 1, 2], &[0, 2, 1], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]],
    };
    for arrival in arrivals {
        let arrived: Vec<Message> = arrival.iter().map(again).collect();
        let (stands, _) = stands(shipped::set(), &arrived);
        assert_eq!(stands, expected, "{arrival:?}");
    }
}

/// A line of a prescription: order control, ORC-4, drug and amount.
type Line = (&'static str, &'static str, &'static str, &'static str);

fn prescription(hour: u32, lines: &[Line]) -> Message {
    let line = |(control, place, drug, amount): &Line| {
        [
            format!("ORC|{control}|000000000000001||{place}|||||20240401110300"),
            format!("RXE||{drug}^架空錠{drug}^HOT9|{amount}||TAB^錠^MR9P"),
        ]
    };
    let lines: Vec<String> = lines.iter().flat_map(line).collect();
    message("RDE^O11^RDE_O11", hour, &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// RP 1 has one drug, RP 2 two, RP 3 one.
fn whole() -> Message {
    prescription(
        9,
        &[
            ("NW", "1", "100000001", "1"),
            ("NW", "2", "100000002", "1"),
            ("NW", "2", "100000003", "1"),
            ("NW", "3", "100000004", "1"),
        ],
    )
}

#[test]
fn a_change_or_a_stop_of_one_rp_leaves_the_others_in_any_order_of_arrival() {
    let all = ["100000001 1", "100000002 1", "100000003 1", "100000004 1"];
    check(&[whole()], &all);
    for stop in ["CA", "OC", "CR", "DC", "OD", "DR"] {
        let one = || prescription(10, &[(stop, "1", "100000001", "1")]);
        check(&[whole(), one()], &all[1..]);
        // Of an RP with two drugs one line names both: ORC-4 tells no place in it.
        check(&[whole(), prescription(10, &[(stop, "2", "100000003", "1")])], &[all[0], all[3]]);
        check(&[whole(), one(), prescription(11, &[(stop, "3", "100000004", "1")])], &all[1..3]);
    }
    let changed = || prescription(10, &[("XO", "1", "100000001", "3")]);
    check(&[whole(), changed()], &["100000001 3", "100000002 1", "100000003 1", "100000004 1"]);
    // The RP has another drug in place of two.
    let other = || prescription(10, &[("XO", "2", "100000009", "2")]);
    check(&[whole(), other()], &["100000001 1", "100000004 1", "100000009 2"]);
    // One RP is changed, one is stopped, one stays.
    let both = prescription(10, &[("XO", "1", "100000001", "3"), ("DC", "3", "100000004", "1")]);
    check(&[whole(), both], &["100000001 3", "100000002 1", "100000003 1"]);
    // Replaced within the order.
    let replaced = prescription(10, &[("RP", "1", "100000001", "1"), ("RO", "1", "100000007", "1")]);
    check(&[whole(), replaced], &["100000002 1", "100000003 1", "100000004 1", "100000007 1"]);
    // Told whole again, and taken back whole, it is the whole.
    let again = || prescription(11, &[("NW", "1", "100000001", "2")]);
    check(&[whole(), changed(), again()], &["100000001 2"]);
    let no_rp = message("RDE^O11^RDE_O11", 11, &["ORC|CA|000000000000001"]);
    check(&[whole(), changed(), no_rp], &[]);
    let every = [
        ("CA", "1", "100000001", "1"),
        ("CA", "2", "100000002", "1"),
        ("CA", "2", "100000003", "1"),
        ("CA", "3", "100000004", "1"),
    ];
    check(&[whole(), prescription(10, &every)], &[]);
}

#[test]
fn where_orc_4_tells_the_place_in_the_rp_the_rest_of_the_rp_stays() {
    let of = |hour, control, places: &[(&'static str, &'static str)]| {
        let lines: Vec<Line> = places.iter().map(|(place, drug)| (control, *place, *drug, "1")).collect();
        prescription(hour, &lines)
    };
    let whole = || {
        of(
            9,
            "NW",
            &[
                ("000000000000001_01_001", "100000001"),
                ("000000000000001_01_002", "100000002"),
                ("000000000000001_02_001", "100000003"),
            ],
        )
    };
    check(
        &[whole(), of(10, "DC", &[("000000000000001_01_002", "100000002")])],
        &["100000001 1", "100000003 1"],
    );
    check(&[whole(), of(10, "DC", &[("000000000000001_01", "100000002")])], &["100000003 1"]);
    check(
        &[whole(), of(10, "XO", &[("000000000000001_01_002", "100000008")])],
        &["100000001 1", "100000003 1", "100000008 1"],
    );
}

#[test]
fn an_injection_that_is_stopped_leaves_the_next_one_and_its_observation_goes() {
    let line = |control: &str, place: &str, drug: &str| {
        [
            format!("ORC|{control}|000000000000002||000000000000002_01_{place}|||||20240401110300"),
            "RXE||00^一般^99I02|100||ML^ミリリットル^MR9P".to_owned(),
            format!("RXC|B|{drug}^架空輸液^HOT9|1|HON^本^MR9P"),
            format!("OBX|1|NM|9N006000000000001^体重^JC10||{}|kg^kg^ISO+|||||F", 60 + place.len()),
        ]
    };
    let told = |hour, lines: &[[String; 4]]| {
        let lines: Vec<&str> = lines.iter().flatten().map(String::as_str).collect();
        message("RDE^O11^RDE_O11", hour, &lines)
    };
    let whole = || told(9, &[line("NW", "001", "600000001"), line("NW", "002", "600000003")]);
    let stopped = || told(10, &[line("DC", "001", "600000001")]);
    let before = stands(shipped::set(), &[whole()]).0.len();
    let (after, said) = stands(shipped::set(), &[whole(), stopped()]);
    assert_eq!((before, after.len()), (4, 2), "{after:?}");
    assert!(after[0].starts_with("600000003") && after[1].starts_with("9N006"), "{after:?}");
    assert_eq!(said, ["order-in-part 1"]);
}

#[test]
fn a_file_is_the_whole_of_its_order_whatever_it_says() {
    let file = |time: &str| {
        let name = format!("0000000123_20240401_OMP-01_000000000000001_{time}_01_1");
        FileName::parse(&format!("000/000/0000000123/20240401/OMP-01/{name}")).expect("the name of a file")
    };
    let mut first = whole();
    first.file = Some(file("20240402090000000"));
    let mut second = prescription(10, &[("XO", "1", "100000001", "3")]);
    second.file = Some(file("20240402100000000"));
    check(&[first, second], &["100000001 3"]);
}

#[test]
fn what_stays_is_said_and_a_layer_may_take_every_message_for_the_whole() {
    let history = [whole(), prescription(10, &[("XO", "1", "100000001", "3")])];
    assert_eq!(stands(shipped::set(), &history).1, ["order-in-part 2"]);
    let layer = |path: &str, text: &str| {
        let files = vec![SourceFile { path: path.into(), text: text.to_owned() }];
        let set = shipped::set().over(Layer::new(Rank::Facility, files));
        set.unwrap_or_else(|problems| panic!("{problems:#?}"))
    };
    let off = layer("messages/OMP-01.toml", "[message]\nid = \"OMP-01\"\npartial = \"off\"\n");
    let title =
        "source_system,source_code,source_display,target_system,target_code,target_display,equivalence";
    let no_xo = layer("tables/order-control-part.csv", &format!("{title}\n,XO,,,,,off\n"));
    for set in [off, no_xo] {
        let (stands, said) = stands(&set, &history);
        assert_eq!((stands, said.len()), (vec!["100000001 3".to_owned()], 0));
    }
}

/// A message of administrations: order control, time and drug of each.
fn given(hour: u32, doses: &[(&str, &str, &str)]) -> Message {
    let mut lines = Vec::new();
    for (n, (control, time, drug)) in doses.iter().enumerate() {
        let (control, action) = if *control == "D" { ("NW", "D") } else { (*control, "") };
        if n == 0 {
            lines.push(format!("ORC|{control}|000000000000005||1|||||20240401110300"));
        }
        let end = format!("|||||||||||||CP|{action}");
        lines.push(format!("RXA|0|1|20240402{time}|20240402{time}|{drug}^架空錠^HOT9|1|TAB^錠^MR9P{end}"));
    }
    lines.push("RXR|PO^口^HL70162".into());
    message("RAS^O17^RAS_O17", hour, &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_cancel_of_one_dose_of_a_message_with_several_takes_back_that_dose() {
    let day = || {
        given(19, &[("NW", "0800", "100000001"), ("NW", "1200", "100000001"), ("NW", "1800", "100000001")])
    };
    let all = ["100000001 08:00 1", "100000001 12:00 1", "100000001 18:00 1"];
    check(&[day()], &all);
    for code in ["CA", "DC", "D"] {
        check(&[day(), given(20, &[(code, "1200", "100000001")])], &[all[0], all[2]]);
        check(&[day(), given(20, &[(code, "0800", "100000001")])], &all[1..]);
        check(
            &[day(), given(20, &[(code, "1200", "100000001")]), given(21, &[(code, "1800", "100000001")])],
            &all[..1],
        );
        let every = [(code, "0800", "100000001"), (code, "1200", "100000001"), (code, "1800", "100000001")];
        check(&[day(), given(20, &every)], &[]);
        // Given after all.
        check(
            &[day(), given(20, &[(code, "1200", "100000001")]), given(21, &[("NW", "1200", "100000001")])],
            &all,
        );
        assert_eq!(
            stands(shipped::set(), &[day(), given(20, &[(code, "1200", "100000001")])]).1,
            Vec::<String>::new()
        );
        assert_eq!(
            stands(shipped::set(), &[day(), given(20, &[(code, "0800", "100000001")])]).1,
            ["order-in-part 2"]
        );
        assert_eq!(
            stands(shipped::set(), &[day(), given(20, &[(code, "2200", "100000001")])]).1,
            ["withdrawn-nothing "]
        );
    }
    // Another drug of the same time.
    let two = || given(19, &[("NW", "0800", "100000001"), ("NW", "0800", "100000002")]);
    check(&[two(), given(20, &[("CA", "0800", "100000002")])], &all[..1]);
    check(&[two(), given(20, &[("CA", "0800", "100000001")])], &["100000002 08:00 1"]);
    // A correction with a row less is the whole of its message still.
    check(
        &[day(), given(20, &[("NW", "0800", "100000001"), ("NW", "1800", "100000001")])],
        &[all[0], all[2]],
    );
}

#[test]
fn a_cancel_of_one_injection_given_takes_back_that_one() {
    let dose = |control: &str, place: &str, time: &str| {
        [
            format!("ORC|{control}|000000000000006||000000000000006_01_{place}|||||20240401110300"),
            format!("RXA|0|1|20240402{time}||600000001^架空輸液^HOT9|1|HON^本^MR9P"),
            "RXR|IV^静脈内^HL70162".to_owned(),
        ]
    };
    let told = |hour, doses: &[[String; 3]]| {
        let lines: Vec<&str> = doses.iter().flatten().map(String::as_str).collect();
        message("RAS^O17^RAS_O17", hour, &lines)
    };
    let day = || told(19, &[dose("NW", "001", "0800"), dose("NW", "002", "1400")]);
    let times = |history: &[Message]| -> Vec<String> {
        stands(shipped::set(), history).0.iter().map(|label| label[10..15].to_owned()).collect()
    };
    assert_eq!(times(&[day()]), ["08:00", "14:00"]);
    assert_eq!(times(&[day(), told(20, &[dose("CA", "002", "1400")])]), ["08:00"]);
    assert_eq!(times(&[told(20, &[dose("CA", "002", "1400")]), day()]), ["08:00"]);
    assert_eq!(times(&[day(), told(20, &[dose("CA", "001", "0800")])]), ["14:00"]);
}
