//! Both sides of a message, masked and open.

use super::{covers, read};
use renkei_translate::identity::IdKey;
use renkei_translate::mapping::{MappingSet, SourceFile};
use renkei_translate::translation::{Context, Facility, Lists, PathPatient};
use std::sync::Arc;

fn set() -> MappingSet {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let message = r#"
[message]
id = "T"
title = { ja = "試験", en = "Test" }
is = "MSH-9.1 = 'ORU'"
groups = []
unit = ["'lab'", "OBR-2"]
replaces = "unit"
maps = ["patient", "observation"]
"#;
    let patient = r#"
[map]
id = "patient"
title = { ja = "患者", en = "Patient" }
for = "PID"
makes = "Patient"
profile = "none"
key = ["'patient'"]
same = "merge"
rules = [
  { id = "name", to = "name[].text", from = "PID-5[*].1" },
  { id = "birth", to = "birthDate", from = "PID-7", as = "date" },
]
"#;
    let observation = r#"
[map]
id = "observation"
title = { ja = "検査", en = "Observation" }
for = "OBX"
makes = "Observation"
profile = "none"
key = ["OBX-3.1"]
same = "error"
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "code", to = "code.text", from = "OBX-3.2" },
  { id = "value", to = "valueQuantity.unit", from = "OBX-6" },
  { id = "comment", to = "interpretation[].text", from = "NTE-3" },
]
"#;
    MappingSet::load(vec![
        file("messages/T.toml", message),
        file("maps/patient.toml", patient),
        file("maps/observation.toml", observation),
    ])
    .unwrap()
}

fn context() -> Context {
    Context {
        facility: Arc::new(Facility { code: "1319999999".into(), ..Facility::default() }),
        id_key: IdKey::test(),
        file: None,
        path_patient: PathPatient::default(),
        lists: Lists::default(),
        feed: None,
    }
}

const TEXT: &str = "MSH|^~\\&|H|F|||20260401||ORU^R01|CTL1|P|2.5\rPID|||0012||山田^太郎~ﾔﾏﾀﾞ^ﾀﾛｳ||19700102\r\
                    OBR|1|O1\rOBX|1|NM|GLU^血糖||98|mg/dL|||||F\rNTE|1||所見 山田\rOBX|2|NM|CRE^クレアチニン||1|mg";

#[test]
fn before_a_reveal_every_value_of_the_patient_is_a_shape_on_both_sides() {
    let panes = read(&set(), TEXT.as_bytes(), &context(), &[], false);
    let all = format!("{panes:?}");
    for canary in ["山田", "太郎", "ﾔﾏﾀﾞ", "0012", "1970", "CTL1", "所見"] {
        assert!(!all.contains(canary), "{canary} in {all}");
    }
    let source = |position: &str| panes.source.iter().find(|row| row.position == position).unwrap();
    assert_eq!((source("PID-5").value.as_str(), source("PID-5").masked), ("漢漢^漢漢", true));
    assert_eq!(source("PID-5[2]").value, "ｶｶｶｶ^ｶｶｶ");
    assert_eq!((source("OBX[1]-6").value.as_str(), source("OBX[1]-6").masked), ("mg/dL", false));
    let target = |resource: &str, path: &str| {
        let start = panes
            .target
            .iter()
            .position(|row| row.resource.as_deref().is_some_and(|name| name.starts_with(resource)))
            .unwrap();
        panes.target[start..].iter().find(|row| row.path == path).unwrap()
    };
    assert_eq!(target("Patient 1", "name[0].text").value, "漢漢");
    assert_eq!(target("Patient 1", "birthDate").value, "####-##-##");
    assert_eq!(target("Observation 1", "code.text").value, "血糖");
    assert_eq!(target("Observation 1", "valueQuantity.unit").value, "mg/dL");
    // By its place it would be shown: what it was made of is a free text.
    assert_eq!(target("Observation 1", "interpretation[0].text").value, "漢漢 漢漢");
    assert!(target("Observation 1", "id").masked);
}

#[test]
fn each_value_is_tied_to_its_source_both_ways() {
    let panes = read(&set(), TEXT.as_bytes(), &context(), &[], true);
    assert!(!panes.failed && !panes.cut);
    assert_eq!(panes.resources, 3);
    let name = panes.target.iter().find(|row| row.path == "name[1].text").unwrap();
    assert_eq!(name.value, "ﾔﾏﾀﾞ");
    assert_eq!(name.from, [("PID-5[2].1".to_owned(), "s-PID-1-5-2".to_owned())]);
    let source = panes.source.iter().find(|row| row.anchor == "s-PID-1-5-2").unwrap();
    assert_eq!(source.edges, name.edges);
    assert_eq!(source.to, [("Patient 1".to_owned(), name.anchor.clone())]);
    let edge = &panes.edges[name.edges.parse::<usize>().unwrap() - 1];
    assert_eq!(
        (edge.rule.as_str(), edge.source.as_str(), edge.result.as_str()),
        ("patient/name", "ﾔﾏﾀﾞ", "ﾔﾏﾀﾞ")
    );
    let (before, value, after) = &edge.segment;
    assert_eq!(format!("{before}{value}{after}"), "PID|||0012||山田^太郎~ﾔﾏﾀﾞ^ﾀﾛｳ||19700102");
    assert!(before.ends_with("太郎~") && after.starts_with("^ﾀﾛｳ"));
    let unit = panes.target.iter().filter(|row| row.path == "valueQuantity.unit").nth(1).unwrap();
    assert_eq!(unit.from[0].0, "OBX[2]-6");
    // Nothing reads a set id; the value of a result neither.
    assert!(panes.source.iter().any(|row| row.position == "OBX[1]-5" && row.unread && row.edges.is_empty()));
}

#[test]
fn hostile_names_are_text_when_open_and_shapes_before() {
    let hostile = "<script>alert(1)</script>\u{202e}\0{{7*7}}👨‍👩‍👧𠮷ﾀﾛｳ".to_owned() + &"漢".repeat(400);
    let text = TEXT.replace("山田^太郎", &hostile);
    let open = read(&set(), text.as_bytes(), &context(), &[], true);
    let name = open.target.iter().find(|row| row.path == "name[0].text").unwrap();
    assert!(name.value.starts_with("<script>alert(1)</script>⟦U+202E⟧{{7*7}}👨‍👩‍👧𠮷ﾀﾛｳ漢"), "{}", name.value);
    let source = open.source.iter().find(|row| row.position == "PID-5").unwrap();
    assert!(source.value.contains("⟦U+202E⟧{{"), "{}", source.value);
    let masked = read(&set(), text.as_bytes(), &context(), &[], false);
    let name = masked.target.iter().find(|row| row.path == "name[0].text").unwrap();
    assert!(name.value.starts_with("<AAAAAA>AAAAA(#)</AAAAAA>□{{#*#}}□□□□□漢ｶｶｶ漢"), "{}", name.value);
}

#[test]
fn what_is_no_hl7_is_a_shape_as_a_whole() {
    let panes = read(&set(), "行1,山田,98\r\n".as_bytes(), &context(), &[], false);
    assert_eq!(panes.raw, "漢#,漢漢,##\n");
    assert!(panes.source.is_empty() && panes.target.is_empty());
}

#[test]
fn a_long_field_shows_its_beginning_and_its_size() {
    let text = TEXT.replace("||98|", &format!("||{}|", "9".repeat(5_000)));
    let panes = read(&set(), text.as_bytes(), &context(), &[], true);
    let row = panes.source.iter().find(|row| row.position == "OBX[1]-5").unwrap();
    assert_eq!(row.value, format!("{}… (5000 bytes)", "9".repeat(200)));
}

#[test]
fn paths_as_written_cover_what_stands_below_them() {
    let check = |written: &str, path: &str, expected: bool| {
        assert_eq!(covers(written, path), expected, "{written} {path}");
    };
    check("code", "code.coding[0].code", true);
    check("code", "codes", false);
    check("name[1]", "name[1].family", true);
    check("name[1]", "name[0].family", false);
    check("identifier[rpNumber].value", "identifier[2].value", true);
    check("contact[].name", "contact[3].name.text", true);
    check("value[x]", "valueQuantity.value", true);
    check("value[x]", "value", false);
    check("value[x]", "valued.x", false);
    check("birthDate", "birth", false);
    check("a.b", "a", false);
}

#[test]
fn a_row_of_a_file_is_shown_by_row_and_column_and_its_patient_is_a_shape() {
    let set = MappingSet::load(crate::app::mappings::shipped()).unwrap();
    let layout = set.layout("lab-csv44").unwrap();
    let mut cells = vec![""; 45];
    for (column, cell) in
        [(1, "EXAMPLE"), (3, "1319999999"), (8, "12345"), (9, "Yamada"), (20, "OD1"), (24, "20261102")]
    {
        cells[column - 1] = cell;
    }
    (cells[27], cells[34]) = ("00051", "7.2");
    let bytes = format!("{}\r\n", cells.join(","));
    let piece = &renkei_translate::feed::cut(layout, bytes.as_bytes(), &Default::default()).pieces[0];
    let context = Context { feed: Some(piece.part.clone()), ..context() };
    let panes = read(&set, &piece.body, &context, &[], false);
    let all = format!("{panes:?}");
    for canary in ["12345", "Yamada", "MSH", "PID"] {
        assert!(!all.contains(canary), "{canary} in {all}");
    }
    let code = panes.source.iter().find(|row| row.position == "row 1, 検査コード").unwrap();
    assert!(!code.edges.is_empty(), "{code:?}");
    let target = panes.target.iter().find(|row| row.path == "code.coding[1].code").unwrap();
    assert!(target.from.contains(&("row 1, 検査コード".to_owned(), code.anchor.clone())), "{target:?}");
    // Revealed, the original stands as it came.
    assert!(read(&set, &piece.body, &context, &[], true).raw.contains("OD1"));
}
