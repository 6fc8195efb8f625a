//! Messages and files that nobody meant: the engine must neither panic nor take long. And what flags of a
//! storage and events without their admission do.

use super::tests::{context, file, map, message_file, set, shipped};
use super::{Layer, MappingSet, Rank, SourceFile, apply, translate};
use crate::hl7v2::Message;
use crate::ssmix2::FileName;
use crate::translation::{Does, Lists, Replaces, Status};
use proptest::prelude::{Strategy, any, prop};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn the_shipped_set() -> &'static MappingSet {
    static SET: OnceLock<MappingSet> = OnceLock::new();
    SET.get_or_init(|| MappingSet::load(shipped()).expect("another test shows its problems"))
}

fn message(kind: &str, body: &str) -> String {
    format!("MSH|^~\\&|H|S|G|R|20240401120000||{kind}|C1|P|2.5\rPID|||1||患者^太郎\r{body}")
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Segments of the types we read, with fields of delimiters, digits and kanji in any order.
    #[test]
    fn no_message_makes_the_engine_panic(
        kind in prop::sample::select(vec!["ADT^A08", "ADT^A01", "ADT^A03", "OUL^R22", "ORU^R01", "RDE^O11", "PPR^ZD1", "ADT^A60"]),
        segments in prop::collection::vec(
            (prop::sample::select(vec!["PID", "PV1", "ORC", "RXE", "RXC", "RXR", "TQ1", "OBR", "OBX", "SPM", "IN1", "AL1", "IAM", "PRB", "NK1", "ZPR", "NTE", "MSH"]),
             prop::collection::vec("[|^~&0-9A-Z\"患者.<-]{0,12}", 0..30)),
            0..12,
        ),
    ) {
        let body: Vec<String> = segments.iter().map(|(name, fields)| format!("{name}|{}", fields.join("|"))).collect();
        if let Ok((message, _)) = Message::parse(message(kind, &body.join("\r"))) {
            let out = apply(the_shipped_set(), &message, &context());
            for resource in &out.resources {
                let value: serde_json::Value = serde_json::from_slice(&resource.json).unwrap();
                proptest::prop_assert!(!has_empty(&value), "{}", resource.map);
            }
        }
    }

    /// Any text as a rule file: problems, never a panic.
    #[test]
    fn no_file_makes_the_loader_panic(
        folder in prop::sample::select(vec!["feeds", "maps", "messages", "types", "tables"]),
        text in any::<String>().prop_map(|t| format!("[map]\nid = \"x\"\n{t}")),
        rule in "[A-Z]{3}[-.0-9\\[\\]'*$ a-z()=]{0,20}",
    ) {
        let file = SourceFile { path: format!("{folder}/x.toml"), text };
        let over = Layer::new(Rank::Network, vec![file.clone()]);
        let _ = MappingSet::layered(vec![Layer::new(Rank::Shipped, vec![map("x", "rules = []\n")]), over]);
        let _ = MappingSet::load(vec![file]);
        let row = rule.replace('\\', "");
        let _ = MappingSet::load(vec![map("m", &format!(
            "when = \"{row}\"\nrules = [{{ id = \"r\", to = \"status\", from = \"{row}\", as = \"{row}\" }}]\n"
        ))]);
    }
}

/// FHIR forbids empty objects, arrays and strings, and null.
fn has_empty(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(map) => map.is_empty() || map.values().any(has_empty),
        serde_json::Value::Array(list) => list.is_empty() || list.iter().any(has_empty),
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Null => true,
        _ => false,
    }
}

#[test]
fn a_long_message_takes_no_square_of_its_length() {
    let lines = |n: usize| {
        let mut text = String::from(
            "SPM|1|L1||023^血清^JC10|||||||||||||202404010830\rOBR|1|O1||3^検査^JC10|||202404010830\r",
        );
        for i in 0..n {
            text += &format!("OBX|{i}|NM|3A015{i:012}^項目^JC10||1.5|mg/dL^mg/dL^99XYZ|1-2|||F\r");
        }
        message("OUL^R22", &text)
    };
    let time = |n: usize| {
        let (message, _) = Message::parse(lines(n)).unwrap();
        let from = Instant::now();
        let out = apply(the_shipped_set(), &message, &context());
        assert!(out.resources.len() >= n, "{} {:?}", out.resources.len(), out.findings.first());
        from.elapsed()
    };
    let (short, long) = (time(500), time(4_000));
    // Eight times the length; a square would be sixty-four times the time.
    assert!(long < short * 30 + Duration::from_millis(500), "{short:?} {long:?}");
}

#[test]
fn an_error_is_kept_behind_any_number_of_remarks() {
    let mut text = String::from(
        "SPM|1|L1||023^血清^JC10|||||||||||||202404010830\rOBR|1|O1||3^検査^JC10|||202404010830\r",
    );
    for i in 0..4_500 {
        text += &format!("OBX|{i}|NM|3A015{i:012}^項目^JC10||1.5|mg/dL^mg/dL|1-2||||F\r");
    }
    text += "SPM|2|L2||023^血清^JC10\rOBR|2|O2||3^検査^JC10\rOBX|1|NM|3A0159^項目^JC10||1||||||F\r";
    let (message, _) = Message::parse(message("OUL^R22", &text)).unwrap();
    let out = apply(the_shipped_set(), &message, &context());
    for code in ["code-system-missing", "collection-time-missing"] {
        assert!(out.findings.iter().any(|f| f.code == code), "{code}");
    }
    // There is no folder here whose date could stand in.
    assert!(out.findings.iter().all(|f| f.code != "collection-time-from-folder"));
}

#[test]
fn a_long_examination_takes_no_square_of_its_length() {
    let time = |n: usize| {
        let mut text = String::from(
            "ORC|NW|1\rOBR||1||11^検査^LENDO|||20240401\rORC|CH|2||||||1\rOBR||2||12^検査^LENDO|||20240401\rZE1|1|RS|12^検査^LENDO\r",
        );
        for i in 0..n {
            text += &format!("OBX|{i}|ZRD|DE-02^薬品^JSHR||{i:09}^薬^HOT9^1^AMP&管&MR9P||||||F\r");
        }
        let (message, _) = Message::parse(message("OMI^Z23", &text)).unwrap();
        let from = Instant::now();
        let out = apply(the_shipped_set(), &message, &context());
        assert!(out.resources.len() >= n, "{} {:?}", out.resources.len(), out.findings.first());
        from.elapsed()
    };
    let (short, long) = (time(500), time(4_000));
    assert!(long < short * 30 + Duration::from_millis(500), "{short:?} {long:?}");
}

fn stays() -> MappingSet {
    let encounter = "[map]\nid = \"stay\"\ntitle = { ja = \"x\", en = \"x\" }\nfor = \"PV1\"\nmakes = \"Encounter\"\nprofile = \"none\"\nkey = [\"PV1-44\"]\nsame = \"error\"\nrules = [{ id = \"status\", to = \"status\", fixed = \"finished\" }, { id = \"class\", to = \"class.code\", fixed = \"IMP\" }]\n";
    let event = "unit = [\"'stays'\"]\nreplaces = \"event\"\nevent = \"closes\"\nevent_time = [\"PV1-45\", \"EVN-6\"]\ncancel = \"flag = '0'\"\nmaps = [\"stay\"]\n";
    set(vec![file("maps/stay.toml", encounter), message_file("ADT", event)]).unwrap()
}

#[test]
fn a_discharge_without_its_admission_has_an_encounter_without_id() {
    let text = message("ADT^A03", "EVN||20240410||||202404101100\rPV1|1|I");
    let (parsed, _) = Message::parse(text).unwrap();
    let out = apply(&stays(), &parsed, &context());
    assert_eq!(out.status, Status::Translated, "{:?}", out.findings);
    assert_eq!(out.resources[0].id, "");
    assert_eq!(
        String::from_utf8_lossy(&out.resources[0].json),
        r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"}}"#
    );
    let unit = out.unit.unwrap();
    let event = unit.event.unwrap();
    assert_eq!((unit.replaces, event.does, event.day.as_str()), (Replaces::Event, Does::Closes, ""));
    assert_eq!(event.time, "20240410110000000");
}

#[test]
fn flags_of_a_storage_exclude_and_a_deleted_file_takes_its_unit_back() {
    let text =
        message("ADT^A03", "PV1|1|I||||||||||||||||||||||||||||||||||||||||||202404010900|202404101000");
    for (flag, excluded, withdrawn) in
        [('2', Some("superseded"), None), ('0', Some("deleted"), Some(true)), ('1', None, Some(false))]
    {
        let mut context = context();
        context.file = Some(FileName {
            patient: "1".into(),
            date: "20240410".into(),
            data_type: "ADT-52".into(),
            order_number: "1".into(),
            time: "20240410100000000".into(),
            department: "-".into(),
            flag,
            ..FileName::default()
        });
        let out = translate(&stays(), text.as_bytes(), &context);
        assert_eq!(out.excluded, excluded, "{flag}");
        assert_eq!(out.unit.map(|unit| unit.withdrawn), withdrawn, "{flag}");
        assert_eq!(out.resources.is_empty(), excluded.is_some(), "{flag} {:?}", out.findings);
    }
}

#[test]
fn a_deleted_file_takes_back_what_it_said_itself_and_only_of_its_own_patient() {
    let text =
        message("ADT^A03", "PV1|1|I||||||||||||||||||||||||||||||||||||||||||202404010900|202404101000");
    let stay = "[map]\nid = \"stay\"\ntitle = { ja = \"x\", en = \"x\" }\nfor = \"PV1\"\nmakes = \"Encounter\"\nprofile = \"none\"\nkey = [\"PV1-44\"]\nsame = \"error\"\nrules = [{ id = \"status\", to = \"status\", fixed = \"finished\" }, { id = \"class\", to = \"class.code\", fixed = \"IMP\" }]\n";
    let check = |replaces: &str, lists: Lists, patient: &str, expected: Option<(bool, usize)>| {
        let rules = format!("unit = [\"'list'\"]\nreplaces = \"{replaces}\"\nmaps = [\"stay\"]\n");
        let set = set(vec![file("maps/stay.toml", stay), message_file("ADT", &rules)]).unwrap();
        let mut context = context();
        context.lists = lists;
        context.file = Some(FileName {
            patient: patient.into(),
            date: "20240410".into(),
            data_type: "ADT-52".into(),
            order_number: "1".into(),
            time: "20240410100000000".into(),
            department: "-".into(),
            flag: '0',
            ..FileName::default()
        });
        let out = translate(&set, text.as_bytes(), &context);
        assert_eq!((out.status, out.excluded), (Status::Excluded, Some("deleted")));
        assert_eq!(
            out.unit.map(|unit| (unit.withdrawn, out.resources.len())),
            expected,
            "{replaces} {patient}"
        );
    };
    check("list", Lists::Whole, "1", Some((true, 0)));
    check("list", Lists::Incremental, "1", Some((true, 1)));
    check("nothing", Lists::Whole, "1", Some((true, 1)));
    check("unit", Lists::Whole, "1", Some((true, 0)));
    // PID-3 is another's: the file was held when it came, and nothing of it was recorded.
    check("unit", Lists::Whole, "2", None);
}
