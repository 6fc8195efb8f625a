//! Code tables: ranks, size, and what spreadsheets and strangers do to them.

use super::tests::{context, file, message_file, set};
use super::{Layer, MappingSet, Problem, Rank, SourceFile, apply, read};
use crate::hl7v2::Message;
use std::sync::Arc;

const HEAD: &str =
    "source_system,source_code,source_display,target_system,target_code,target_display,equivalence";

fn load(rows: &str) -> Result<MappingSet, Vec<Problem>> {
    MappingSet::load(vec![file("tables/t.csv", &format!("{HEAD}\n{rows}"))])
}

/// `line column` of the problems of a table of these rows, the first of which is line 2.
fn check(rows: &str, expected: &[&str]) {
    let problems = load(rows).err().unwrap_or_default();
    let got: Vec<String> = problems.iter().map(|p| format!("{} {}", p.line, p.column)).collect();
    assert_eq!(got, expected, "{rows}");
    for problem in problems {
        assert_eq!((problem.file.as_str(), problem.rule.as_str()), ("tables/t.csv", "t"), "{rows}");
        assert!(!problem.ja.is_empty() && !problem.en.is_empty());
    }
}

#[test]
fn rows_without_a_letter_are_no_rows() {
    check("HOT9,1,x,http://a,2,y,equal\n,,,,,,\n ,,,,,,\n,,,\n", &[]);
}

#[test]
fn a_row_with_too_few_or_too_many_cells_names_the_cell() {
    check("HOT9,1,x,http://a,2,y,equal\nHOT9,2,x\n", &["3 target_system"]);
    check("HOT9,1,x,http://a,2,y\n", &["2 equivalence"]);
    check("HOT9,1,x,http://a,2,y,equal,\n", &["2 equivalence"]);
}

#[test]
fn lines_are_those_of_an_editor_whatever_ends_them_and_stands_between() {
    for end in ["\n", "\r\n"] {
        let rows =
            ["HOT9,1,,,2,,equal", "# 注", "", "HOT9,2", "HOT9,3,\"a", "b\",,2,,equal", "HOT9,4"].join(end);
        let text = format!("{HEAD}{end}{rows}{end}");
        let problems = MappingSet::load(vec![file("tables/t.csv", &text)]).err().unwrap_or_default();
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [5, 6, 8], "{end:?}");
    }
}

#[test]
fn what_a_spreadsheet_makes_of_a_code_is_refused_and_what_laboratories_write_is_not() {
    check("HOT9,=1+1,,,2,,equal\n", &["2 source_code"]);
    check("HOT9,1,\"=HYPERLINK(\"\"http://x\"\")\",,2,,equal\n", &["2 source_display"]);
    check("HOT9,1,,,+cmd|'/c calc'!A0,,equal\n", &["2 target_code"]);
    check("HOT9,1,@SUM(A1),,2,,equal\n", &["2 source_display"]);
    check("HOT9,6.2E+12,,,#N/A,,equal\n", &["2 source_code", "2 target_code"]);
    check("HOT9,1,\"a\nb\",,2,,equal\n", &["2 source_display"]);
    check("HOT9,1,,,2,,same\n", &["2 equivalence"]);
    check(",+,,,-,,equal\n,2+,,,(2+),,equal\n,1E+5X,,,E+1,,wider\n", &[]);
}

#[test]
fn an_equivalence_is_written_and_a_row_without_a_source_code_is_a_target_alone() {
    check("HOT9,1,,,2,,\n", &["2 equivalence"]);
    let problem = &load("HOT9,1,,,2,,\n").err().unwrap()[0];
    assert!(problem.ja.starts_with("equivalence が空です") && problem.en.contains("is empty"), "{problem}");
    // Told apart by their target, and found for no text that a message could have.
    check(",,,http://a,x,X,equal\n,,,http://a,y,Y,equal\n", &[]);
    check(",,,http://a,x,X,equal\n,,,http://a,x,Y,equal\n", &["3 target_code"]);
    let set = load(",,,http://a,x,X,equal\nHOT9,1,,,2,,equal\n").unwrap();
    assert!(set.knows("t", "HOT9", "1") && !set.knows("t", "", "x"));
    let table = &set.plan.tables[0];
    assert_eq!(table.rows[table.by_target["x"] as usize].target_display, "X");
}

#[test]
fn a_file_of_another_encoding_names_line_and_cell() {
    let text = format!("{HEAD}\r\nHOT9,1,\"a,b\",,2,錠,equal\r\n");
    let bytes = encoding_rs::SHIFT_JIS.encode(&text).0.into_owned();
    let problem = read(Rank::Network, "tables/t.csv", bytes).1.unwrap();
    assert_eq!((problem.line, problem.column.as_str()), (2, "target_display"));
    assert!(problem.ja.contains("CP932") && problem.en.contains("CP932"));
}

#[test]
fn several_rows_of_a_code_are_refused_unless_each_has_its_rank() {
    let ranked = |rows: &str| -> Vec<String> {
        let files = vec![file("tables/t.csv", &format!("{HEAD},rank\n{rows}"))];
        let problems = MappingSet::load(files).err().unwrap_or_default();
        problems.iter().map(|p| format!("{} {}", p.line, p.column)).collect()
    };
    check("A,1,,,x,,equal\nA,1,,,y,,equal\n", &["3 source_code"]);
    assert!(ranked("A,1,,,x,,equal,1\nA,2,,,z,,equal,\nA,1,,,y,,equal,2\nB,1,,,y,,equal,\n").is_empty());
    assert_eq!(ranked("A,1,,,x,,equal,1\nA,1,,,y,,equal,1\n"), ["3 rank"]);
    assert_eq!(ranked("A,1,,,x,,equal,1\nA,1,,,y,,equal,\n"), ["3 rank"]);
    assert_eq!(ranked("A,1,,,x,,equal,\nA,1,,,y,,equal,1\n"), ["3 rank"]);
    assert_eq!(ranked("A,1,,,x,,equal,2\nA,1,,,y,,equal,3\n"), ["2 rank", "3 rank"]);
    assert_eq!(ranked("A,1,,,x,,equal,first\n"), ["2 rank"]);
    assert_eq!(ranked("A,1,,,x,,equal\n"), ["2 rank"]);
}

/// The small set of the other tests with `gender` laid over.
fn over(rows: &str) -> Result<MappingSet, Vec<Problem>> {
    let message = "unit = [\"'demographics'\"]\nreplaces = \"unit\"\nmaps = [\"patient\"]\n";
    let below = set(vec![message_file("ADT", message)]).unwrap();
    let table = file("tables/gender.csv", &format!("{HEAD},rank\n{rows}"));
    MappingSet::layered(vec![below.layers()[0].clone(), Layer::new(Rank::Network, vec![table])])
}

#[test]
fn the_first_choice_is_sent_and_a_layer_replaces_a_code_with_all_its_rows() {
    // The lower layer's one row of M goes, the other codes stay.
    let laid = over(",M,,,other,,inexact,2\n,M,,,unknown,,inexact,1\n").unwrap();
    let page = laid.table_page("gender", 0, 100).unwrap();
    assert_eq!(page.header.last().map(String::as_str), Some("rank"));
    let of_m: Vec<(&str, &str)> =
        page.rows.iter().filter(|r| r[1] == "M").map(|r| (r[4].as_str(), r[7].as_str())).collect();
    assert_eq!(of_m, [("other", "2"), ("unknown", "1")]);
    let found = laid.plan.tables.iter().find(|table| table.name == "gender").unwrap();
    assert_eq!(found.find("", "M").map(|row| row.target_code.as_str()).collect::<Vec<_>>(), ["unknown"]);
    assert!(laid.knows("gender", "", "F") && !laid.knows("gender", "", "Q"));
    // And a layer over that takes both away.
    let off = file("tables/gender.csv", &format!("{HEAD}\n,M,,,,,off\n"));
    let mut layers = laid.layers().to_vec();
    layers.push(Layer::new(Rank::Facility, vec![off]));
    let without = MappingSet::layered(layers).unwrap();
    assert!(!without.knows("gender", "", "M") && without.knows("gender", "", "F"));
}

#[test]
fn a_facilitys_layer_shares_the_tables_that_it_says_nothing_of() {
    let below = over(",M,,,other,,inexact,\n").unwrap();
    let of = |set: &MappingSet, name: &str| {
        set.plan.tables.iter().find(|table| table.name == name).unwrap().clone()
    };
    let layer = |files: Vec<SourceFile>| Layer::new(Rank::Facility, files);
    // A table of its own: the lower one is the same in memory.
    let own = layer(vec![file("tables/own.csv", &format!("{HEAD}\n,1,,,x,,equal\n"))]);
    let with = below.over(own.clone()).unwrap();
    assert!(Arc::ptr_eq(&of(&with, "gender"), &of(&below, "gender")));
    assert!(with.knows("own", "", "1") && with.knows("gender", "", "F"));
    // The set is the one that all layers at once give.
    let whole = MappingSet::layered([below.layers(), &[own]].concat()).unwrap();
    assert_eq!((with.version(), with.describe()), (whole.version(), whole.describe()));
    // Rows for the lower table: it is laid anew, the lower set keeps its own.
    let more = below.over(layer(vec![file("tables/gender.csv", &format!("{HEAD}\n,M,,,,,off\n"))])).unwrap();
    assert!(
        !more.knows("gender", "", "M") && more.knows("gender", "", "F") && below.knows("gender", "", "M")
    );
    // And what is wrong with a layer is found over shared tables too.
    let wrong = layer(vec![file("tables/own.csv", &format!("{HEAD}\n,1,,1.2.392,x,,equal\n"))]);
    assert_eq!(below.over(wrong).unwrap_err()[0].column, "target_system");
}

/// A table of 100,000 drugs, which another layer replaces whole.
#[test]
fn a_hundred_thousand_rows_are_loaded_laid_over_and_found() {
    let rows = |to: &str| -> SourceFile {
        let mut text = format!("{HEAD}\n");
        for n in 0..100_000 {
            text += &format!("HOT9,{n:09},架空錠,http://yj,{to}{n:011},架空錠{n},equivalent\n");
        }
        file("tables/hot-yj.csv", &text)
    };
    let start = std::time::Instant::now();
    let set = MappingSet::layered(vec![
        Layer::new(Rank::Shipped, vec![rows("A")]),
        Layer::new(Rank::Network, vec![rows("B")]),
    ])
    .unwrap();
    eprintln!("two layers of 100,000 rows: {:?}", start.elapsed());
    let table = &set.plan.tables[0];
    assert_eq!(table.rows.len(), 100_000);
    let start = std::time::Instant::now();
    for n in 0..100_000 {
        let row = table.first("HOT9", &format!("{n:09}")).unwrap();
        assert!(row.target_code.starts_with('B'));
    }
    eprintln!("100,000 codes looked up: {:?}", start.elapsed());
    assert!(table.first("JC10", "000000001").is_none());
}

#[test]
fn a_table_is_held_against_every_element_that_it_is_written_to() {
    let map = "[map]\nid = \"patient\"\ntitle = { ja = \"患者\", en = \"Patient\" }\nfor = \"PID\"\nmakes = \"Patient\"\n\
               profile = \"none\"\nkey = [\"PID-3.1\"]\nrules = [\n\
               { id = \"gender\", to = \"gender\", from = \"PID-8\", as = \"table t\" },\n\
               { id = \"use\", to = \"name[0].use\", from = \"PID-5.7\", as = \"table t\" },\n]\n";
    let rows = format!("{HEAD}\n,M,,,male,,equal\n,L,,,official,,equal\n");
    let problems =
        MappingSet::load(vec![file("maps/patient.toml", map), file("tables/t.csv", &rows)]).unwrap_err();
    let told: Vec<_> =
        problems.iter().map(|p| (p.line, p.column.as_str(), p.en.contains("gender"))).collect();
    assert_eq!(told, [(2, "target_code", false), (3, "target_code", true)], "{problems:?}");
}

#[test]
fn a_code_system_that_is_known_to_have_no_uri_is_the_facilitys_own_and_not_called_unknown() {
    let map = "[map]\nid = \"result\"\ntitle = { ja = \"x\", en = \"x\" }\nfor = \"OBX\"\nmakes = \"Observation\"\nprofile = \"none\"\nkey = [\"OBX-1\"]\nsame = \"error\"\nrules = [{ id = \"status\", to = \"status\", fixed = \"final\" }, { id = \"code\", to = \"code\", from = \"OBX-3\", as = \"CWE\" }]\n";
    let systems = format!("{HEAD}\n,ISO+,,local,,,equal\n");
    let set = set(vec![
        message_file("OMI", "unit = [\"'x'\"]\nreplaces = \"unit\"\nmaps = [\"result\"]\n"),
        file("maps/result.toml", map),
        file("tables/code-systems.csv", &systems),
    ])
    .unwrap();
    let text = "MSH|^~\\&|H|S|G|R|20240401||OMI^Z23|1|P|2.5\rPID|||1\rOBX|1|ST|a^a^ISO+\rOBX|2|ST|b^b^ISO";
    let out = apply(&set, &Message::parse(text.to_owned()).unwrap().0, &context());
    let said: Vec<(&str, &str)> = out
        .findings
        .iter()
        .filter(|f| f.code.starts_with("code-system"))
        .map(|f| (f.code.as_ref(), f.location.position.as_str()))
        .collect();
    assert_eq!(said, [("code-system-unknown", "OBX[2]-3")]);
    assert_eq!(out.unmapped.len(), 1);
    let json = String::from_utf8(out.resources[0].json.clone()).unwrap();
    assert!(json.contains("/ISO%2B\""), "{json}");
    // Anywhere else it is a mistake.
    check("HOT9,1,x,local,2,y,equal\n", &["2 target_system"]);
}

#[test]
fn a_code_without_a_target_is_unmatched_and_nothing_else() {
    for equivalence in ["equal", "equivalent", "wider"] {
        check(&format!("HOT9,1,x,http://a,,,{equivalence}\n"), &["2 target_code"]);
    }
    check("HOT9,1,x,,,,unmatched\n", &[]);
    // The tables of code systems have no codes.
    let systems =
        file("tables/code-systems.csv", &format!("{HEAD}\n,JC10,,http://a,,,equal\n,ISO,,,,,equal\n"));
    let problems = MappingSet::load(vec![systems]).err().unwrap();
    let told: Vec<_> = problems.iter().map(|p| (p.line, p.column.as_str())).collect();
    assert_eq!(told, [(3, "target_system")], "{problems:?}");
}

#[test]
fn a_target_system_is_a_uri() {
    for system in [
        "htp:/x y",
        "htp://example.jp/x",
        "http:/example.jp/x",
        "http://example.jp/x y",
        "http://example.jp/x\u{3000}y",
        "http:///x",
        "urn:oid",
        "example.jp/x",
        "1.2.392.100",
    ] {
        check(&format!("HOT9,1,x,{system},2,y,equal\n"), &["2 target_system"]);
    }
    for system in
        ["http://example.jp/x", "https://example.jp", "urn:oid:1.2.3", "urn:x-jahis:JSHR", "info:a/b"]
    {
        check(&format!("HOT9,1,x,{system},2,y,equal\n"), &[]);
    }
}

/// The problems of a map with these rules over a table of these rows, as `file line rule column`.
fn of_rules(rules: &str, rows: &str) -> Vec<String> {
    let map = format!(
        "[map]\nid = \"result\"\ntitle = {{ ja = \"x\", en = \"x\" }}\nfor = \"OBX\"\nmakes = \"Observation\"\nprofile = \"none\"\nkey = [\"OBX-1\"]\nrules = [\n{{ id = \"status\", to = \"status\", fixed = \"final\" }},\n{rules}\n]\n"
    );
    let files = vec![file("maps/result.toml", &map), file("tables/t.csv", &format!("{HEAD}\n{rows}"))];
    let problems = MappingSet::load(files).err().unwrap_or_default();
    problems.iter().map(|p| format!("{} {} {} {}", p.file, p.line, p.rule, p.column)).collect()
}

#[test]
fn a_table_that_is_written_as_a_coding_has_systems() {
    let code = "{ id = \"code\", to = \"code\", from = \"OBX-3.1\", as = \"table t\" },";
    let rows = ",1,,,2,,equal\n,3,,http://a,4,,equal\n,5,,,,,unmatched\n";
    assert_eq!(of_rules(code, rows), ["tables/t.csv 2 t target_system"]);
    let text = "{ id = \"code\", to = \"code.text\", from = \"OBX-3.1\", as = \"table t\" },";
    assert!(of_rules(text, rows).is_empty(), "text alone has no system");
}

#[test]
fn a_row_without_a_source_code_is_for_a_fixed_code_alone() {
    let rows = ",,,http://a,2,,equal\n,1,,http://a,4,,equal\n";
    let looked_up = "{ id = \"code\", to = \"code\", from = \"OBX-3.1\", as = \"table t\" },";
    assert_eq!(of_rules(looked_up, rows), ["tables/t.csv 2 t source_code"]);
    let fixed = "{ id = \"code\", to = \"code\", fixed = \"2\", as = \"code t\" },";
    assert!(of_rules(fixed, rows).is_empty());
}

#[test]
fn what_a_spreadsheet_makes_a_date_of_is_refused() {
    check("HOT9,2026/1/5,,,2,,equal\n", &["2 source_code"]);
    check("HOT9,1,,,1月5日,,equal\n", &["2 target_code"]);
    for code in ["2026年1月5日", "2026年1月", "1/5/2026", "5-Jan", "Jan-05"] {
        check(&format!("HOT9,{code},,,2,,equal\n"), &["2 source_code"]);
    }
    // Codes as they are; a name may be what it likes.
    check("HOT9,1/5,1月5日,,2,,equal\n,1-5,,,2,,equal\n,5A-JAN,,,2,,equal\n,月日,,,2,,equal\n", &[]);
}

#[test]
fn empty_columns_behind_the_titles_are_said_as_that() {
    let rows = format!("{HEAD},,\nHOT9,1,,,2,,equal,,\n");
    let problems = MappingSet::load(vec![file("tables/t.csv", &rows)]).err().unwrap();
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!((problem.line, problem.column.as_str()), (1, "equivalence"));
    assert!(
        problem.ja.contains("空の列が 2 個") && problem.en.contains("too many columns: 2 empty"),
        "{problem:?}"
    );
}

/// The gender that these rows, laid over the small set, give for a PID-8, and the codes of what is said.
fn gender(rows: &str, written: &str) -> (Option<String>, Vec<String>) {
    let set = over(rows).unwrap_or_else(|problems| panic!("{problems:?}"));
    let text = format!("MSH|^~\\&|H|S|G|R|20240401150000||ADT^A08|1|P|2.5\rPID|||1||a^b|||{written}");
    let (message, _) = Message::parse(text).unwrap();
    let out = apply(&set, &message, &context());
    let patient = out.resources.iter().find(|made| made.resource_type == "Patient").unwrap();
    let json: serde_json::Value = serde_json::from_slice(&patient.json).unwrap();
    let codes = out.findings.iter().map(|finding| finding.code.to_string()).collect();
    (json["gender"].as_str().map(str::to_owned), codes)
}

#[test]
fn what_a_row_calls_no_match_is_never_sent() {
    assert_eq!(gender(",M,,,female,,equal,\n", "M").0.as_deref(), Some("female"));
    // FHIR R4: disjoint says that the target is explicitly none.
    assert_ne!(gender(",M,,,female,,disjoint,\n", "M").0.as_deref(), Some("female"));
    check("HOT9,1,,,2,,unmatched\n", &["2 target_code"]);
    check("HOT9,1,,,,,unmatched\n", &[]);
}

#[test]
fn a_code_without_a_system_that_means_two_things_is_not_decided_by_the_order_of_rows() {
    let (one, other) = ("99A,9,,,male,,equal,\n", "99B,9,,,female,,equal,\n");
    for rows in [format!("{one}{other}"), format!("{other}{one}")] {
        let (gender, said) = gender(&rows, "9");
        assert!(!matches!(gender.as_deref(), Some("male" | "female")), "{gender:?}");
        assert!(said.contains(&"code-system-undecided".to_owned()), "{said:?}");
    }
    // Where both say the same, or one names no system, it is decided.
    assert_eq!(gender(&format!("{one}{}", other.replace("female", "male")), "9").0.as_deref(), Some("male"));
    assert_eq!(gender(&format!("{one},9,,,other,,equal,\n"), "9").0.as_deref(), Some("other"));
}

#[test]
fn a_character_without_width_is_no_part_of_a_code_and_nothing_is_switched_off_over_nothing() {
    for hidden in ['\u{200b}', '\u{feff}', '\u{2060}', '\u{ad}'] {
        check(&format!("HOT9,1{hidden}2,,,2,,equal\n"), &["2 source_code"]);
    }
    let table = file("tables/own.csv", &format!("{HEAD}\n,1,,,,,off\n"));
    let below = set(vec![]).unwrap();
    let problems = below.over(Layer::new(Rank::Network, vec![table])).map(|_| ()).unwrap_err();
    assert_eq!(
        problems.iter().map(|p| (p.line, p.column.as_str())).collect::<Vec<_>>(),
        [(2, "equivalence")]
    );
}
