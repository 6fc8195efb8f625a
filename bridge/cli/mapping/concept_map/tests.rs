//! Tables and ConceptMaps: there and back, and what is refused.

use super::super::rows::{self, Row};
use super::{How, read, write};

fn row(cells: [&str; 7], rank: u32) -> Row {
    let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
    Row { rank, ..Row::of(&cells) }
}

/// Rows with everything that is hard to keep: order across systems, names that are no URI, empty cells, quotes, ranks.
fn hard() -> Vec<Row> {
    vec![
        row(
            [
                "HOT9",
                "620007329",
                "",
                "urn:oid:1.2.392.100495.20.1.73",
                "3319534A1037",
                "ソリタ, \"T3\"",
                "wider",
            ],
            0,
        ),
        row(["", "PLAC", "", "http://terminology.hl7.org/CodeSystem/v2-0203", "PLAC", "Placer", "equal"], 0),
        row(
            [
                "HOT9",
                "620002559",
                "アドナ",
                "urn:oid:1.2.392.100495.20.1.73",
                "3321401A2070",
                "",
                "equivalent",
            ],
            1,
        ),
        row(
            ["HOT9", "620002559", "アドナ", "urn:oid:1.2.392.100495.20.1.73", "3321401A2089", "", "inexact"],
            2,
        ),
        row(["CWE 独自%", "1", "x", "", "内服", "", "relatedto"], 0),
        row(["urn:x-renkei:code-system:A", "#2", "", "", "", "", "unmatched"], 0),
        row(["", "", "なし", "", "x", "", "narrower"], 0),
    ]
}

#[test]
fn a_table_comes_back_from_its_concept_map_byte_for_byte_and_the_map_from_its_table() {
    let rows = hard();
    let csv = rows::csv(&rows).unwrap();
    let map = write("hot-yj", &rows).unwrap();
    let back = read("x.json", &map, &How::default()).unwrap();
    assert_eq!(back.rows, rows);
    assert_eq!(rows::csv(&back.rows).unwrap(), csv);
    assert_eq!(write("hot-yj", &back.rows).unwrap(), map);
    assert_eq!((back.table.as_deref(), back.lost.len()), (Some("hot-yj"), 0));
}

#[test]
fn a_concept_map_says_what_r4_wants() {
    let map: serde_json::Value = serde_json::from_slice(&write("hot-yj", &hard()).unwrap()).unwrap();
    assert_eq!(map["resourceType"], "ConceptMap");
    assert_eq!(map["group"][0]["source"], "urn:x-renkei:code-system:HOT9");
    // A name that is no URI is written with what R4 lets stand in one.
    assert_eq!(map["group"][3]["source"], "urn:x-renkei:code-system:CWE%20%E7%8B%AC%E8%87%AA%25");
    assert!(map["group"][1].get("source").is_none());
    let targets = &map["group"][2]["element"][0]["target"];
    assert_eq!((&targets[0]["code"], &targets[1]["code"]), (&"3321401A2070".into(), &"3321401A2089".into()));
    assert_eq!(targets[1]["extension"][0]["valuePositiveInt"], 2);
    // cmd-1: narrower and inexact have a comment.
    assert!(targets[1]["comment"].is_string() && targets[0].get("comment").is_none());
    // A row that is no source of anything has a target alone.
    let last = map["group"].as_array().and_then(|groups| groups.last()).expect("a group");
    let bare = &last["element"][0];
    assert_eq!((bare.get("code"), &bare["target"][0]["code"]), (None, &"x".into()));
}

/// A ConceptMap of one group with these elements from line 4 on.
fn map(elements: &str) -> String {
    format!(
        "{{ \"resourceType\": \"ConceptMap\", \"status\": \"active\",\n  \"group\": [{{\n\"source\": \"http://a\", \"target\": \"http://b\", \"element\": [\n{elements}\n] }}] }}\n"
    )
}

/// `line column` of the problems.
fn refused(text: &str, how: &How) -> Vec<String> {
    let problems = read("x.json", text.as_bytes(), how).unwrap_err();
    problems.iter().for_each(|problem| assert!(!problem.ja.is_empty() && problem.file == "x.json"));
    problems.iter().map(|problem| format!("{} {}", problem.line, problem.column)).collect()
}

const ONE: &str = r#"{ "code": "1", "target": [{ "code": "x", "equivalence": "equal" }] }"#;

#[test]
fn several_targets_are_refused_unless_they_are_ranked() {
    let two = format!("{ONE},\n{}", ONE.replace("\"x\"", "\"y\""));
    assert_eq!(refused(&map(&two), &How::default()), ["5 rank"]);
    let how = How { rank_by_order: true, source_system: Some("HOT9".into()) };
    let rows = read("x.json", map(&two).as_bytes(), &how).unwrap().rows;
    let got: Vec<_> =
        rows.iter().map(|r| (r.source_system.as_str(), r.target_code.as_str(), r.rank)).collect();
    assert_eq!(got, [("HOT9", "x", 1), ("HOT9", "y", 2)]);
}

#[test]
fn what_a_table_cannot_say_is_refused_with_its_line_and_place() {
    let place = "group[0].element[1].target[0]";
    for (target, expected) in [
        (r#"{ "code": "x" }"#, format!("5 {place}.equivalence")),
        (r#"{ "code": "x", "equivalence": "off" }"#, format!("5 {place}.equivalence")),
        // That it is not known is none that a table could say.
        (
            r#"{ "code": "x", "_equivalence": { "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown" }] } }"#,
            format!("5 {place}.equivalence"),
        ),
        (r#"{ "code": "x", "relationship": "equivalent" }"#, format!("5 {place}.equivalence")),
        (
            r#"{ "code": "x", "equivalence": "equal", "dependsOn": [{ "property": "p", "value": "v" }] }"#,
            format!("5 {place}.dependsOn"),
        ),
        (r#"{ "code": 5, "equivalence": "equal" }"#, "5 group[0].element[1]".to_owned()),
    ] {
        let second = format!(r#"{{ "code": "2", "target": [{target}] }}"#);
        assert_eq!(refused(&map(&format!("{ONE},\n{second}")), &How::default()), [expected]);
    }
    assert_eq!(refused(&map(r#"{ "code": "2" }"#), &How::default()), ["4 group[0].element[0]"]);
    assert_eq!(refused("{}", &How::default()).len(), 1);
    assert_eq!(refused("{ \"resourceType\":\n\"Bundle\" }", &How::default()), ["1 resourceType"]);
    assert_eq!(refused("{ \"resourceType\":\n\"ConceptMap\", ]", &How::default()), ["2 "]);
    let cp932 = encoding_rs::SHIFT_JIS.encode("{\n\"title\": \"表\" }").0.into_owned();
    assert_eq!(read("x.json", &cp932, &How::default()).unwrap_err()[0].line, 2);
    // A comment of another's is dropped, and that is said.
    let said = ONE.replace("\"equal\"", "\"equal\", \"comment\": \"c\"");
    assert!(read("x.json", map(&said).as_bytes(), &How::default()).unwrap().lost.contains("target.comment"));
}

#[test]
fn no_change_of_a_concept_map_brings_the_reader_down() {
    let seed = write("hot-yj", &hard()).unwrap();
    for at in 0..seed.len() {
        let mut cut = seed.clone();
        cut.truncate(at);
        let _ = read("x.json", &cut, &How::default());
        let mut changed = seed.clone();
        changed[at] = changed[at].wrapping_add(1);
        let _ = read("x.json", &changed, &How { rank_by_order: true, source_system: None });
    }
}

#[test]
fn each_equivalence_of_r4_and_rows_without_a_source_code_come_back_as_they_were() {
    let all = [
        "relatedto",
        "equivalent",
        "equal",
        "wider",
        "subsumes",
        "narrower",
        "specializes",
        "inexact",
        "unmatched",
        "disjoint",
    ];
    let mut rows: Vec<Row> = Vec::new();
    for (n, equivalence) in all.into_iter().enumerate() {
        let code = n.to_string();
        rows.push(row(["A", &code, "a", "http://b", &code, "b", equivalence], 0));
        rows.push(row(["", "", "", "http://b", &code, "b", equivalence], 0));
    }
    let map = write("t", &rows).unwrap();
    let back = read("x.json", &map, &How::default()).unwrap();
    assert_eq!(rows::csv(&back.rows).unwrap(), rows::csv(&rows).unwrap());
    assert_eq!(write("t", &back.rows).unwrap(), map);
    // And the loader takes them: what is exported can be imported. Only a target that is called no match at all is
    // refused, with its line.
    let load = |rows: &[Row]| {
        let text = String::from_utf8(rows::csv(rows).unwrap()).unwrap();
        let file = renkei_translate::mapping::SourceFile { path: "tables/t.csv".into(), text };
        renkei_translate::mapping::MappingSet::load(vec![file]).err().unwrap_or_default()
    };
    let lines: Vec<usize> = load(&back.rows).iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [18, 19], "unmatched is the ninth of them");
    rows.drain(16..18);
    assert_eq!(load(&rows), []);
}
