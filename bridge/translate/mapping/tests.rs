//! The engine as a whole, on small sets and on the shipped one.

use super::{MappingSet, Problem, SourceFile, apply, trace, translate};
use crate::finding::{Language, sentence};
use crate::hl7v2::Message;
use crate::identity::IdKey;
use crate::translation::{Context, Facility, Role, Status, Translation};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

pub(super) fn shipped() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let mut files = Vec::new();
    for folder in ["feeds", "messages", "maps", "types", "tables", "tables/lab-items"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".toml") || name.ends_with(".csv") {
                files
                    .push(file(&format!("{folder}/{name}"), &std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    files
}

pub(super) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), text: text.into() }
}

pub(super) fn context() -> Context {
    Context {
        facility: Arc::new(Facility {
            code: "1319999999".into(),
            local_system_base: "http://example.jp/fhir".into(),
            ..Facility::default()
        }),
        id_key: IdKey::test(),
        file: None,
        path_patient: Default::default(),
        lists: Default::default(),
        feed: None,
    }
}

const PATIENT: &str = r#"
[map]
id = "patient"
title = { ja = "患者", en = "Patient" }
for = "PID"
makes = "Patient"
profile = "JP_Patient"
key = ["PID-3.1"]
same = "merge"
rules = [
  { id = "identifier", to = "identifier[]", from = "PID-3[*]", as = "CX.patient", else = "error" },
  { id = "name", to = "name[]", from = "PID-5[*]", as = "Name", when = ".1 valued or PID-5 valued" },
  { id = "birth", to = "birthDate", from = "PID-7", as = "date" },
  { id = "gender", to = "gender", from = "PID-8", as = "table gender", else = "next" },
  { id = "gender-2", to = "gender", fixed = "unknown" },
]
"#;
const NAME: &str = r#"
[[type]]
id = "Name"
makes = "HumanName"
rules = [
  { id = "family", to = "family", from = ".1.1" },
  { id = "given", to = "given[]", from = ".2" },
  { id = "text", to = "text", as = "text '{.1.1} {.2}'" },
]
[[test]]
name = "二つに分かれた氏名"
type = "Name"
value = "患者^太郎"
expect = { family = "患者", "given[0]" = "太郎", text = "患者 太郎" }
"#;
const GENDER: &str = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n,M,男,,male,,equal\n,F,女,,female,,equal\n";

pub(super) fn message_file(id: &str, rest: &str) -> SourceFile {
    let text = format!(
        "[message]\nid = \"{id}\"\ntitle = {{ ja = \"電文\", en = \"Message\" }}\nis = \"MSH-9.1 = '{id}'\"\n{rest}"
    );
    file(&format!("messages/{id}.toml"), &text)
}

/// The patient map and the given files.
pub(super) fn set(more: Vec<SourceFile>) -> Result<MappingSet, Vec<Problem>> {
    let mut files = vec![
        file("maps/patient.toml", PATIENT),
        file("types/name.toml", NAME),
        file("tables/gender.csv", GENDER),
    ];
    files.extend(more);
    MappingSet::load(files)
}

fn adt() -> SourceFile {
    message_file(
        "ADT",
        "unit = [\"'demographics'\"]\nreplaces = \"unit\"\ncancel = \"MSH-9.2 = 'A23'\"\nmaps = [\"patient\"]\n",
    )
}

fn run(set: &MappingSet, text: &str) -> Translation {
    let (message, _) = Message::parse(text.replace('\n', "\r")).unwrap();
    apply(set, &message, &context())
}

fn json(out: &Translation, n: usize) -> Value {
    serde_json::from_slice(&out.resources[n].json).unwrap()
}

fn codes(out: &Translation) -> Vec<(&str, &str)> {
    out.findings.iter().map(|f| (f.code.as_ref(), f.location.position.as_str())).collect()
}

const HEADER: &str = "MSH|^~\\&|H|S|G|R|20240401120000||ADT^A08|C1|P|2.5";

#[test]
fn the_shipped_set_loads_and_its_tests_pass() {
    let set = match MappingSet::load(shipped()) {
        Ok(set) => set,
        Err(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{} problems\n{}", all.len(), all.join("\n"));
        }
    };
    let unsaid: Vec<&String> =
        set.plan.codes().into_iter().filter(|code| sentence(code, Language::Ja).is_none()).collect();
    assert!(unsaid.is_empty(), "rules name findings that have no sentence in finding.tsv: {unsaid:?}");
    let failed: Vec<String> = set
        .run_tests()
        .into_iter()
        .filter(|test| !test.failures.is_empty())
        .map(|test| {
            let failures: Vec<String> = test.failures.iter().map(ToString::to_string).collect();
            format!("{}:{} {}\n    {}", test.file, test.line, test.name, failures.join("\n    "))
        })
        .collect();
    assert!(failed.is_empty(), "{} failed\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_patient_is_made_with_its_keys_in_the_order_of_fhir() {
    let set = set(vec![adt()]).unwrap();
    assert_eq!(set.messages(), ["ADT"]);
    assert!(set.run_tests().iter().all(|test| test.failures.is_empty()), "{:?}", set.run_tests());
    let out = run(&set, &format!("{HEADER}\nPID|||0012||患者^太郎~カンジャ^タロウ||19700101|M"));
    assert_eq!(out.status, Status::Translated, "{:?}", out.findings);
    let patient = json(&out, 0);
    let id = out.resources[0].id.clone();
    let expected = format!(
        r#"{{"resourceType":"Patient","id":"{id}","meta":{{"profile":["http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient"]}},"identifier":[{{"system":"urn:oid:1.2.392.100495.20.3.51.11319999999","value":"0012"}}],"name":[{{"family":"患者","given":["太郎"],"text":"患者 太郎"}},{{"family":"カンジャ","given":["タロウ"],"text":"カンジャ タロウ"}}],"birthDate":"1970-01-01","gender":"male"}}"#
    );
    assert_eq!(patient.to_string(), expected);
    assert_eq!((out.control_id.as_deref(), out.patient.as_deref()), (Some("C1"), Some("0012")));
    let unit = out.unit.unwrap();
    assert_eq!((unit.kind.as_str(), unit.time.as_str()), ("demographics", "20240401120000000"));
}

#[test]
fn the_next_row_is_tried_and_a_code_no_table_knows_is_said() {
    let set = set(vec![adt()]).unwrap();
    for (gender, expected) in [("F", "female"), ("", "unknown"), ("\"\"", "unknown"), ("Q", "unknown")] {
        let out = run(&set, &format!("{HEADER}\nPID|||1||患者^太郎||1970|{gender}"));
        assert_eq!(json(&out, 0)["gender"], expected, "{gender}");
    }
}

#[test]
fn an_invalid_date_is_left_out_with_a_finding_and_a_missing_id_holds_the_message() {
    let set = set(vec![adt()]).unwrap();
    let out = run(&set, &format!("{HEADER}\nPID|||1||患者^太郎||19701301|M"));
    assert_eq!(codes(&out), [("date-invalid", "PID-7")]);
    assert_eq!(json(&out, 0).get("birthDate"), None);
    let out = run(&set, &format!("{HEADER}\nPID|||||患者^太郎"));
    assert_eq!(out.status, Status::Quarantined);
    assert!(codes(&out).contains(&("patient-id-missing", "PID-3")), "{:?}", codes(&out));
    assert!(out.unit.is_none());
}

#[test]
fn a_message_that_no_file_is_for_is_held() {
    let set = set(vec![adt()]).unwrap();
    let out = run(&set, "MSH|^~\\&|H|S|G|R|20240401||ORM^O01|1|P|2.5\nPID|||1");
    assert_eq!(codes(&out), [("message-type-not-mapped", "MSH-9")]);
    assert_eq!(out.status, Status::Quarantined);
}

#[test]
fn a_cancelled_message_takes_its_unit_back_and_makes_nothing() {
    let set = set(vec![adt()]).unwrap();
    let out = run(&set, &format!("{}\nPID|||1||患者^太郎", HEADER.replace("A08", "A23")));
    assert!(out.unit.unwrap().withdrawn);
    assert!(out.resources.is_empty());
    assert_eq!(out.status, Status::Translated);
}

#[test]
fn what_no_rule_reads_is_listed_by_position() {
    let set = set(vec![adt()]).unwrap();
    let out = run(&set, &format!("{HEADER}\nPID|||1||患者^太郎||1970|M|||住所^^\nZZZ|1\nNK1|1"));
    assert_eq!(out.unread, ["PID-11", "ZZZ-1", "NK1-1"]);
    let split = run(&set, &format!("{HEADER}\nPID|||1||患者^太郎||1970|M\n患者 太郎|1"));
    assert_eq!(split.unread, ["segment-1"]);
    assert_eq!(codes(&out), [("segment-not-read", "NK1[1]")]);
    // The map reads one date of birth, and the second is not left out in silence.
    let out = run(&set, &format!("{HEADER}\nPID|||1||患者^太郎||1970~1971|M~\"\"~F"));
    assert_eq!(out.unread, ["PID-7[2]", "PID-8[3]"]);
}

#[test]
fn the_trace_names_rule_and_positions_of_every_value() {
    let set = set(vec![adt()]).unwrap();
    let (message, _) =
        Message::parse(format!("{HEADER}\rPID|||1||患者^太郎~カンジャ^タロウ||1970|M")).unwrap();
    let (out, rows) = trace(&set, &message, &context());
    let row = |path: &str| rows.iter().find(|row| row.path == path).unwrap();
    assert_eq!(row("name[1]").rule, "patient/name");
    assert_eq!(row("name[0]").positions, ["PID-5"]);
    assert_eq!(row("name[1]").positions, ["PID-5[2]"]);
    assert_eq!(row("gender").positions, ["PID-8"]);
    assert_eq!(row("birthDate").resource, format!("Patient/{}", out.resources[0].id));
}

#[test]
fn each_of_several_elements_of_one_value_is_traced() {
    let map = "[map]\nid = \"patient\"\ntitle = { ja = \"患者\", en = \"Patient\" }\nfor = \"PID\"\nmakes = \"Patient\"\n\
               profile = \"none\"\nkey = [\"PID-3.1\"]\n\
               rules = [{ id = \"married\", to = \"maritalStatus.coding[]\", from = \"PID-16\", as = \"CWE.codings\" }]\n";
    let message = message_file("ADT", "unit = [\"'a'\"]\nreplaces = \"unit\"\nmaps = [\"patient\"]\n");
    let set = MappingSet::load(vec![file("maps/patient.toml", map), message]).unwrap();
    let text = format!("{HEADER}\rPID|||1|||||||||||||M^既婚^L^M1^既婚^99X");
    let (_, rows) = trace(&set, &Message::parse(text).unwrap().0, &context());
    let of: Vec<_> = rows.iter().filter(|row| row.rule == "patient/married").collect();
    assert_eq!(of.len(), 2, "{rows:?}");
    assert!(of.iter().all(|row| row.positions == ["PID-16"]), "{of:?}");
}

/// A set on which the hard parts of the language are tried: groups, `by`, find, submaps, references.
fn micro() -> Vec<SourceFile> {
    let organism = r#"
[map]
id = "organism"
title = { ja = "菌", en = "Organism" }
for = "OBX by .4"
within = "RESULT"
when = "OBX[.3.1 in table items] valued"
makes = "Observation"
profile = "none"
key = ["OBR-2", "$isolate.3.1", "$isolate.4"]
same = "error"
let = [ { name = "isolate", find = "OBX in group where .3.1 in table items", many = "error" } ]
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "code", to = "code", from = "$isolate.3", as = "CWE" },
  { id = "value", to = "value[x]", from = ["$isolate.5", "$isolate.2", "$isolate.6"], as = "OBX.value" },
  { id = "amount", to = "component[]", each = "OBX[.3.1 = 'AMOUNT']", use = "amount" },
  { id = "subject", to = "subject", from = "PID-3.1", as = "ref Patient" },
  { id = "who", to = "performer[]", from = "OBR-16[*]", as = "ref Practitioner" },
]
[[submap]]
id = "amount"
makes = "Observation.component"
rules = [
  { id = "code", to = "code", from = "OBX-3", as = "CWE" },
  { id = "value", to = "value[x]", from = ["OBX-5", "OBX-2"], as = "OBX.value" },
  { id = "number", to = "code.text", as = "ordinal", from = "OBX" },
]
[[test]]
name = "二つの菌"
message = """
OBR|1|O1
OBX|1|CWE|ORG^菌^L|1|1301^S.aureus^JANIS||||||F
OBX|2|ST|AMOUNT^菌量^L|1|2+||||||F
OBX|3|CWE|ORG^菌^L|2|4001^P.aeruginosa^JANIS||||||F
OBR|2|O1||||||||||||||||||||||||ORG^2
OBX|1|ST|MEPM^MEPM^L|1|<=0.5"""
expect = { "organism.count" = 2, "organism[0].component[0].valueString" = "2+", "component.count" = 1 }
"#;
    let susceptibility = r#"
[map]
id = "susceptibility"
title = { ja = "感受性", en = "Susceptibility" }
for = "OBX"
within = "RESULT"
when = "OBR-26 valued"
makes = "Observation"
profile = "none"
key = ["OBR-2", "OBR-26.1.1", "OBR-26.2", "OBX-3.1", "OBX-4"]
same = "error"
let = [ { name = "parent", find = "OBX in message where .3.1 = OBR-26.1.1 and .4 = OBR-26.2", many = "error", else = "warn field-empty" } ]
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "code", to = "code", from = "OBX-3", as = "CWE" },
  { id = "value", to = "value[x]", from = ["OBX-5", "OBX-2", "OBX-6"], as = "OBX.value" },
  { id = "organism", to = "derivedFrom[]", from = "$parent", as = "ref made-by organism", else = "next" },
  { id = "organism-2", to = "derivedFrom[]", from = ["OBR-2", "OBR-26.1.1", "OBR-26.2"], as = "ref made-by organism by key" },
]
[[test]]
name = "親の菌につながる"
message = """
OBR|1|O1
OBX|1|CWE|ORG^菌^L|1|1301^S.aureus^JANIS||||||F
OBX|3|CWE|ORG^菌^L|2|4001^P.aeruginosa^JANIS||||||F
OBR|2|O1||||||||||||||||||||||||ORG^2
OBX|1|ST|MEPM^MEPM^L|1|<=0.5"""
expect = { "derivedFrom[0]" = "organism[1]", "valueQuantity.comparator" = "<=", "valueQuantity.value" = "0.5" }
"#;
    let practitioner = r#"
[map]
id = "practitioner"
title = { ja = "医療者", en = "Practitioner" }
for = "XCN"
makes = "Practitioner"
profile = "none"
key = [".1"]
same = "merge"
rules = [ { id = "family", to = "name[].family", from = ".2" } ]
"#;
    let items = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n,ORG,菌,,,,unmatched\n";
    vec![
        message_file(
            "OUL",
            "groups = [\"RESULT = ORC? OBR NTE* OBX*\"]\nunit = [\"'lab'\", \"OBR-2\"]\nreplaces = \"unit\"\nprovisional = [\"patient\"]\nmaps = [\"patient\", \"organism\", \"susceptibility\"]\n",
        ),
        file("maps/organism.toml", organism),
        file("maps/susceptibility.toml", susceptibility),
        file("maps/practitioner.toml", practitioner),
        file("tables/items.csv", items),
    ]
}

#[test]
fn groups_finds_submaps_and_references_work_together() {
    let set = set(micro()).unwrap_or_else(|p| panic!("{p:#?}"));
    for test in set.run_tests() {
        assert!(test.failures.is_empty(), "{} {:?}", test.name, test.failures);
    }
}

/// `{RXA} RXR` behind an order that has an RXR of its own, and two orders of one group number.
#[test]
fn what_follows_is_found_what_is_counted_is_counted_over_the_message_and_a_group_sees_its_own() {
    const GIVEN: &str = r#"
[map]
id = "given"
title = { ja = "実施", en = "Given" }
for = "RXA"
within = "ORDER"
makes = "Observation"
profile = "none"
key = ["ORC-4", "$n"]
let = [{ name = "group", from = "ORC-4" }, { name = "n", from = "RXA", as = "ordinal by $group of message" }]
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "route", to = "code.text", from = "RXR[after]-1" },
  { id = "n", to = "valueString", from = "$n" },
  { id = "order", to = "note[]", each = "ENC", use = "order" },
]
[[submap]]
id = "order"
for = "ENC"
makes = "Annotation"
rules = [{ id = "text", to = "text", as = "text '{ORC-4} {RXE-2} {RXR-1}'" }]
"#;
    let kind = message_file(
        "RAS",
        "groups = [\"ORDER = ORC ENC? RXR* RXA+ RXR*\", \"ENC = RXE RXR*\"]\nunit = [\"'given'\"]\nreplaces = \"unit\"\nmaps = [\"patient\", \"given\"]\n",
    );
    let set = set(vec![kind, file("maps/given.toml", GIVEN)]).unwrap();
    let header = HEADER.replace("ADT^A08", "RAS^O17");
    let out = run(
        &set,
        &format!(
            "{header}\nPID|||1\nORC||||A\nRXE||D\nRXR|NG\nRXA|1\nRXA|2\nRXR|PO\nRXA|3\nRXR|SL\nORC||||A\nRXR|IV\nRXA|4"
        ),
    );
    assert_eq!(out.status, Status::Translated, "{:?}", out.findings);
    let given: Vec<[Value; 3]> = (1..5)
        .map(|n| json(&out, n))
        .map(|one| [one["valueString"].clone(), one["code"]["text"].clone(), one["note"][0]["text"].clone()])
        .collect();
    let expected = [
        serde_json::json!(["1", "PO", "A D NG"]),
        serde_json::json!(["2", "PO", "A D NG"]),
        serde_json::json!(["3", "SL", "A D NG"]),
        serde_json::json!(["4", null, null]),
    ];
    assert_eq!(serde_json::json!(given), serde_json::json!(expected));
}

#[test]
fn kanji_and_kana_of_one_doctor_are_one_practitioner_and_the_patient_is_provisional() {
    let set = set(micro()).unwrap();
    let text = "MSH|^~\\&|H|S|G|R|20240401||OUL^R22|1|P|2.5\nPID|||1||患者^太郎\nOBR|1|O1||||||||||||||D1^医師^一郎~D1^イシ^イチロウ\nOBX|1|CWE|ORG^菌^L|1|1301^S.aureus^JANIS";
    let out = run(&set, text);
    let doctors: Vec<usize> =
        (0..out.resources.len()).filter(|n| out.resources[*n].resource_type == "Practitioner").collect();
    let [doctor] = doctors.as_slice() else { panic!("{doctors:?}") };
    assert_eq!(json(&out, *doctor)["name"].as_array().unwrap().len(), 2);
    assert_eq!(out.resources[*doctor].role, Role::Shared);
    let organism = out.resources.iter().find(|r| r.map == "organism").unwrap();
    assert_eq!(organism.references.len(), 2, "the patient and, once, the doctor");
    for reference in &organism.references {
        assert!(out.resources.iter().any(|r| *reference == format!("{}/{}", r.resource_type, r.id)));
    }
    let patient = out.resources.iter().find(|r| r.resource_type == "Patient").unwrap();
    assert_eq!(patient.role, Role::Provisional);
}

#[test]
fn a_segment_that_fits_nowhere_holds_the_message() {
    let set = set(micro()).unwrap();
    let out = run(&set, "MSH|^~\\&|H|S|G|R|20240401||OUL^R22|1|P|2.5\nPID|||1\nOBX|1|ST|X\nOBR|1|O1");
    assert!(codes(&out).contains(&("segment-out-of-place", "OBX[1]")), "{:?}", codes(&out));
    assert_eq!(out.status, Status::Quarantined);
}

#[test]
fn the_same_content_gives_the_same_ids_and_another_patient_others() {
    let set = set(micro()).unwrap();
    let text = |patient: &str| {
        format!(
            "MSH|^~\\&|H|S|G|R|20240401||OUL^R22|1|P|2.5\nPID|||{patient}\nOBR|1|O1\nOBX|1|CWE|ORG^菌^L|1|1301^S^JANIS"
        )
    };
    let ids = |out: &Translation| out.resources.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    let (a, b, c) = (run(&set, &text("1")), run(&set, &text("1")), run(&set, &text("2")));
    assert_eq!(ids(&a), ids(&b));
    assert!(ids(&a).iter().all(|id| !ids(&c).contains(id)));
    assert_ne!(a.unit.unwrap().key, c.unit.unwrap().key);
}

fn refuses(files: Vec<SourceFile>, rule: &str, words: &str) {
    let problems = set(files).map(|_| ()).unwrap_err();
    assert!(
        problems.iter().any(|p| p.rule == rule && p.en.contains(words) && p.line > 0 && !p.ja.is_empty()),
        "{rule}: {words}\n{problems:#?}"
    );
}

pub(super) fn map(id: &str, rest: &str) -> SourceFile {
    let text = format!(
        "[map]\nid = \"{id}\"\ntitle = {{ ja = \"x\", en = \"x\" }}\nfor = \"OBX\"\nmakes = \"Observation\"\nprofile = \"none\"\nkey = [\"OBX-1\"]\n{rest}"
    );
    file(&format!("maps/{id}.toml"), &text)
}

#[test]
fn a_wrong_set_is_refused_with_the_line_of_each_problem() {
    let rule = |text: &str| map("m", &format!("rules = [\n  {{ id = \"r\", {text} }},\n]\n"));
    for (row, words) in [
        ("to = \"status\", from = \"OBX-11\", colour = 1", "'colour' is not a known key"),
        ("to = \"statu\", from = \"OBX-11\"", "FHIR R4 has no element Observation.statu"),
        ("to = \"category\", from = \"OBX-11\"", "repeats"),
        ("to = \"status[]\", from = \"OBX-11\"", "does not repeat"),
        ("to = \"status\", from = \"OBX-0\"", "counted from 1"),
        ("to = \"status\", from = \"obx-1\"", "is not a path"),
        ("to = \"status\", from = \"OBX-11[after]\"", "choose segments"),
        ("to = \"status\", from = \"$nobody\"", "is not a name above this row"),
        ("to = \"status\", from = \"OBX-11\", as = \"table nowhere\"", "there is no table"),
        ("to = \"status\", from = \"OBX-11\", as = \"exec\"", "is no datatype map"),
        ("to = \"status\", from = \"OBX-11\", when = \"OBX-1 matches 'x'\"", "is not known"),
        ("to = \"status\", from = \"OBX-11\", when = \"(OBX-1 valued\"", "bracket is not closed"),
        ("to = \"status\", from = \"OBX-11\", else = \"stop\"", "is not error, warn, empty or next"),
        ("to = \"status\"", "from, fixed or each is missing"),
        ("to = \"identifier[nobody]\", from = \"OBX-1\"", "slices.csv has no"),
        ("to = \"extension[Nobody]\", from = \"OBX-1\"", "extensions.csv has no"),
        ("to = \"component[]\", each = \"OBX\", use = \"nobody\"", "there is no submap"),
        ("to = \"subject\", from = \"PID-3\", as = \"ref Substance\"", "No map makes Substance"),
        ("to = \"subject\", from = \"PID-3\", as = \"ref made-by nobody\"", "There is no map 'nobody'"),
    ] {
        refuses(vec![rule(row)], "m/r", words);
    }
    let problems = set(vec![
        rule("to = \"statu\", from = \"obx\""),
        adt(),
        file("maps/x.toml", "[map]\nid = 3\nthis is no toml"),
    ])
    .map(|_| ())
    .unwrap_err();
    assert!(problems.iter().any(|p| p.file == "maps/m.toml" && p.line == 9), "{problems:#?}");
    assert!(problems.iter().any(|p| p.file == "maps/x.toml" && p.line == 3), "{problems:#?}");
}

#[test]
fn rules_that_lead_back_to_themselves_are_refused() {
    let circle = "[[type]]\nid = \"A\"\nmakes = \"HumanName\"\nrules = [{ id = \"r\", to = \"period\", from = \".1\", as = \"B\" }]\n[[type]]\nid = \"B\"\nmakes = \"Period\"\nrules = [{ id = \"r\", to = \"start\", from = \".1\", as = \"A\" }]\n";
    refuses(vec![file("types/circle.toml", circle)], "A/r", "reaches itself");
    let own = map(
        "m",
        "rules = [{ id = \"r\", to = \"component[]\", each = \"OBX\", use = \"s\" }]\n[[submap]]\nid = \"s\"\nmakes = \"Observation.component\"\nrules = [{ id = \"r\", to = \"extension[]\", each = \"OBX\", use = \"s\" }]\n",
    );
    refuses(vec![own], "s/r", "reaches itself");
    refuses(
        vec![map(
            "m",
            "let = [\n{ name = \"a\", from = \"$b\" },\n{ name = \"b\", from = \"$a\" },\n]\nrules = []\n",
        )],
        "m/a",
        "is not a name above this row",
    );
    refuses(
        vec![message_file(
            "X",
            "unit = [\"'x'\"]\nreplaces = \"unit\"\nmaps = []\ngroups = [\"A = OBR B*\", \"B = OBX A*\"]\n",
        )],
        "X",
        "holds itself",
    );
    let deep = format!("{}OBX-1 valued{}", "(".repeat(1000), ")".repeat(1000));
    refuses(
        vec![map(
            "m",
            &format!(
                "rules = [\n{{ id = \"r\", to = \"status\", from = \"OBX-11\", when = \"{deep}\" }},\n]\n"
            ),
        )],
        "m/r",
        "nested too deep",
    );
    let wide: String = (0..40)
        .map(|n| {
            let rows: Vec<String> = (0..40)
                .map(|r| {
                    format!("{{ id = \"r{r}\", to = \"extension[]\", from = \".1\", as = \"T{}\" }}", n + 1)
                })
                .collect();
            format!("[[type]]\nid = \"T{n}\"\nmakes = \"Extension\"\nrules = [{}]\n", rows.join(","))
        })
        .collect();
    let last = "[[type]]\nid = \"T40\"\nmakes = \"Extension\"\nrules = [{ id = \"r\", to = \"url\", from = \".1\" }]\n";
    refuses(vec![file("types/wide.toml", &(wide + last))], "T0", "calls too deep");
}

#[test]
fn the_version_is_that_of_the_content() {
    let a = set(vec![adt()]).unwrap();
    let b = set(vec![adt()]).unwrap();
    let c = set(vec![]).unwrap();
    assert_eq!(a.version(), b.version());
    assert_ne!(a.version(), c.version());
}

#[test]
fn bytes_that_are_no_message_are_held_and_never_panic() {
    let set = set(vec![adt()]).unwrap();
    for bytes in [
        &b""[..],
        b"\x00\x01\x02",
        b"PID|||1",
        b"MSH",
        b"MSH|",
        b"MSH|^~\\&",
        b"MSH|^~\\&|||||||ADT",
        b"\xff\xfe|",
    ] {
        let out = translate(&set, bytes, &context());
        assert_eq!(out.status, Status::Quarantined, "{bytes:?}");
        assert!(out.has_error());
    }
}

#[test]
fn a_first_look_gives_what_work_is_parted_by() {
    let facility = Facility {
        patient_id: crate::translation::PatientIdRule { width: 5, strip: String::new() },
        ..Facility::default()
    };
    let peek = super::peek(
        b"MSH|^~\\&|H|S|G|R|20240401120000||ADT^A40|C9|P|2.5\rPID|||12\rMRG|34\rORC|NW|O7",
        &facility,
    );
    assert_eq!(peek.patients, ["00012", "00034"]);
    assert_eq!(peek.control_id.as_deref(), Some("C9"));
    assert_eq!(peek.message_type.as_deref(), Some("ADT^A40"));
    assert_eq!(peek.order_number.as_deref(), Some("O7"));
    assert_eq!(peek.time.as_deref(), Some("20240401120000"));
    assert_eq!(super::peek(b"\x00", &facility), super::Peek::default());
    let names = |field: &str| {
        let text = format!("MSH|^~\\&|H|S|G|R|20240401120000||ADT^A08|C9|P|2.5\rPID|||12||{field}");
        super::peek(text.as_bytes(), &facility).names
    };
    assert_eq!(names("試験^太郎^^^^^L^I~シケン^タロウ^^^^^L^P"), ["試験 太郎", "シケン タロウ"]);
    assert_eq!(names("試験太郎~Test&X^Taro^M~\"\"^\"\""), ["試験太郎", "Test Taro", "Test Taro M"]);
    assert_eq!(names(""), [""; 0]);
    assert_eq!(names(&"a^b~".repeat(1_000)).len(), 8);
    assert_eq!(names(&"a".repeat(1_025)), [""; 0]);
}
