//! Layouts, rows and messages of a small feed, and of bytes that nobody would send.

use super::{FileCut, Layout, Part, cut};
use crate::charset::GaijiTable;
use crate::mapping::{MappingSet, SourceFile, peek_feed, traced, translate};
use crate::translation::{Context, Facility, Status};
use crate::trial::{self, Random};
use std::sync::Arc;

const LAYOUT: &str = r#"
[layout]
id = "small"
version = "1"
title = { ja = "小", en = "small" }
encoding = "cp932"
[framing]
kind = "delimited"
delimiter = ","
quote = "\""
quoted_line_ends = true
titles = 2
[message]
facility = "施設"
report = ["依頼"]
[patient]
id = "患者"
[[record]]
id = "ROW"
columns = [
  { pos = 1, name = "施設", needed = true },
  { pos = 2, name = "患者", needed = true },
  { pos = 3, name = "依頼" },
  { pos = 4, name = "値", is = "number", as = ["narrow", "minus"] },
  { pos = 5, name = "備考" },
]
"#;
const MESSAGE: &str = r#"
[message]
id = "small"
title = { ja = "小", en = "small" }
feed = "small"
unit = ["'lab'", "col(依頼)"]
replaces = "list"
provisional = ["patient"]
maps = ["patient", "row"]
"#;
const PATIENT: &str = r#"
[map]
id = "patient"
title = { ja = "患者", en = "patient" }
for = "PID"
makes = "Patient"
profile = "none"
key = ["'patient'"]
same = "merge"
rules = [{ id = "id", to = "identifier[].value", from = "PID-3.1", as = "patient-id" }]
"#;
const ROW: &str = r#"
[map]
id = "row"
title = { ja = "行", en = "row" }
for = "ROW"
makes = "Observation"
profile = "none"
key = ["col(依頼)", "$n"]
same = "error"
let = [{ name = "n", from = "ROW", as = "ordinal" }]
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "code", to = "code.text", from = "col(備考)", when = "col(備考) valued and not (col(値) = '9')", else = "next" },
  { id = "code-2", to = "code.text", fixed = "none" },
  { id = "subject", to = "subject", from = "PID-3.1", as = "ref Patient" },
]
"#;

fn set_with(layout: &str, message: &str, row: &str) -> Result<MappingSet, Vec<String>> {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let files = vec![
        file("feeds/small.toml", layout),
        file("messages/small.toml", message),
        file("maps/patient.toml", PATIENT),
        file("maps/row.toml", row),
    ];
    MappingSet::load(files).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn set() -> MappingSet {
    set_with(LAYOUT, MESSAGE, ROW).unwrap()
}

fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.into_owned()
}

fn cut_small(set: &MappingSet, bytes: &[u8]) -> FileCut {
    cut(set.layout("small").unwrap(), bytes, &GaijiTable::default())
}

fn context(part: Part) -> Context {
    Context {
        facility: Arc::new(Facility { code: "1310000001".into(), ..Facility::default() }),
        id_key: crate::identity::IdKey::test(),
        file: None,
        path_patient: Default::default(),
        lists: Default::default(),
        feed: Some(part),
    }
}

/// Rows, facility and what the translation says, a line a message.
fn said(set: &MappingSet, bytes: &[u8]) -> Vec<String> {
    let file = cut_small(set, bytes);
    let mut out = Vec::new();
    for piece in &file.pieces {
        let context = context(Part { by_field: true, ..piece.part.clone() });
        let translation = translate(set, &piece.body, &context);
        let findings: Vec<String> = translation
            .findings
            .iter()
            .map(|finding| format!("{} at {}", finding.code, finding.location.position))
            .collect();
        out.push(
            format!("{} {:?} {}", piece.rows, translation.status, findings.join("; ")).trim_end().to_owned(),
        );
    }
    out
}

#[test]
fn rows_of_one_patient_and_report_are_one_message_wherever_they_stand() {
    let text =
        "施設,患者,依頼,値,備考\r\n1310000001,7,A,1,あ\r\n1310000001,8,A,1,い\r\n1310000001,7,A,2,う\r\n";
    let set = set();
    assert_eq!(said(&set, &cp932(text)), ["2,4 Translated", "3 Translated"]);
    let file = cut_small(&set, &cp932(text));
    assert_eq!((file.titles, file.rows, file.blank), (1, 3, 0));
    // Byte for byte what was received.
    assert_eq!(file.pieces[0].body, cp932("1310000001,7,A,1,あ\r\n1310000001,7,A,2,う\r\n"));
}

#[test]
fn a_quoted_cell_holds_line_ends_delimiters_and_quotes() {
    let text = "1310000001,7,A,1,\"一行目\r\n二\"\"行\"\"目, 参考\"\n1310000001,7,A,2,\n";
    let set = set();
    let file = cut_small(&set, &cp932(text));
    let piece = &file.pieces[0];
    assert_eq!((file.titles, piece.rows.as_str()), (0, "1-2"));
    let translation = translate(&set, &piece.body, &context(piece.part.clone()));
    let json = String::from_utf8(translation.resources[1].json.clone()).unwrap();
    assert!(json.contains(r#""text":"一行目\n二\"行\"目, 参考""#), "{json}");
}

#[test]
fn a_row_that_cannot_be_read_holds_its_message_and_no_other() {
    let set = set();
    // A column too many, in a row whose places name a known report.
    let text = "1310000001,7,A,1,a\n1310000001,7,A,2,b,c\n1310000001,8,B,1,d\n";
    let expected = ["1-2 Quarantined row-columns-differ at row 2", "3 Translated"];
    assert_eq!(said(&set, text.as_bytes()), expected);
    // One too few, and nothing that it could belong to.
    let text = "1310000001,7,A,1,a\n1310000001,9,C\n1310000001,8,B,1,d\n";
    let expected = ["1 Translated", "2 Quarantined row-columns-differ at row 2", "3 Translated"];
    assert_eq!(said(&set, text.as_bytes()), expected);
    // No patient; a date or number that is none is no reason to hold what does not need it.
    let text = "1310000001,,A,1,a\n1310000001,8,B,x,d\n";
    let found = said(&set, text.as_bytes());
    assert!(found[0].starts_with("1 Quarantined column-empty at row 1, 患者"), "{found:?}");
    assert_eq!(found[1], "2 Translated column-invalid at row 2, 値");
}

#[test]
fn a_stray_quote_costs_its_own_line() {
    let set = set();
    let text = "1310000001,7,A,1,\"a\n1310000001,8,B,1,b\n1310000001,9,C,1,\"c\"\n1310000001,9,D,1,d\n";
    let expected = ["1 Quarantined row-quote-open at row 1", "2 Translated", "3 Translated", "4 Translated"];
    assert_eq!(said(&set, text.as_bytes()), expected);
    // Something behind a closing quote.
    let text = "1310000001,7,A,1,\"a\"b\n1310000001,8,B,1,b\n";
    assert_eq!(said(&set, text.as_bytes()), ["1 Quarantined row-quote-open at row 1", "2 Translated"]);
}

#[test]
fn broken_bytes_hold_their_row_and_gaiji_only_warn() {
    let set = set();
    let mut bytes = b"1310000001,7,A,1,\xFFa\n1310000001,8,B,1,".to_vec();
    bytes.extend(b"\xF0\x40\n1310000001,9,C,1,c\n");
    let expected =
        ["1 Quarantined charset-broken at row 1", "2 Translated gaiji-unknown at row 2", "3 Translated"];
    assert_eq!(said(&set, &bytes), expected);
}

#[test]
fn a_file_of_something_else_is_one_held_message() {
    let set = set();
    let file = cut_small(&set, b"<html>\n<body>\nnot, a table\n</body>\n");
    assert_eq!(file.pieces.len(), 1);
    assert_eq!(file.pieces[0].body.len(), 35);
    assert!(file.pieces[0].facility.is_empty());
    assert!(said(&set, b"<html>\n<body>\nnot, a table\n</body>\n")[0].contains("Quarantined"));
    assert!(cut_small(&set, b"").pieces.is_empty());
}

#[test]
fn a_file_without_a_result_is_held_and_never_done_in_silence() {
    let set = set();
    for text in ["a,b,c,d,e\n1,2,3,4,5\n", "result list\n", "\n\n"] {
        let file = cut_small(&set, &cp932(text));
        assert_eq!((file.pieces.len(), file.rows), (1, 0), "{text:?}");
        assert_eq!(file.pieces[0].body, cp932(text));
        assert!(said(&set, &cp932(text))[0].ends_with("Quarantined feed-no-rows at row 1"), "{text:?}");
    }
}

#[test]
fn a_file_of_the_titles_alone_is_a_day_without_results() {
    for text in ["施設,患者,依頼,値,備考\n\n", "\n施設,患者,依頼,値,その他\n"] {
        let file = cut_small(&set(), &cp932(text));
        assert_eq!((file.pieces.len(), file.titles, file.blank), (0, 1, 1), "{text:?}");
    }
}

#[test]
fn a_row_of_another_delimiter_or_number_of_columns_is_no_title() {
    let set = set();
    let held = "Quarantined row-columns-differ at row 1";
    for text in ["110000001\t7\tA\t1\t2026-04-01\n", "110000001;7;A;1;x\n", "1310000001\t7\tA\t1\ta\n"] {
        assert_eq!(said(&set, text.as_bytes()), [format!("1 {held}")], "{text:?}");
        assert_eq!(cut_small(&set, text.as_bytes()).titles, 0);
    }
    assert_eq!(said(&set, b"a,b,c\n1,2\n"), [format!("1-2 {held}")]);
    // The good rows behind it go on.
    assert_eq!(said(&set, b"a,b,c\n1310000001,7,A,1,a\n"), [format!("1 {held}"), "2 Translated".into()]);
}

#[test]
fn a_missing_title_row_costs_no_result() {
    let set = set();
    // Nor does a first row that cannot be read, or one whose facility has lost its zero.
    let layout = LAYOUT.replace("name = \"備考\"", "name = \"備考\", is = \"date\"");
    let dated = set_with(&layout, MESSAGE, ROW).unwrap();
    assert_eq!(cut_small(&dated, b"110000001,7,A,1,20261102\n1310000001,8,B,1,20261102\n").rows, 2);
    assert_eq!(cut_small(&set, b"1310000001,7,A\n1310000001,8,B,1,b\n").rows, 2);
    for titles in ["", "a,b,c,d,e\n", "title\na,b,c,d,e\n"] {
        let text = format!("{titles}1310000001,7,A,1,a\n1310000001,8,B,1,b\n");
        assert_eq!(cut_small(&set, text.as_bytes()).rows, 2, "{titles:?}");
    }
}

#[test]
fn another_facility_than_that_of_the_rows_is_held() {
    let set = set();
    let found = said(&set, b"1310000001,7,A,1,a\n1310000002,7,A,1,a\n");
    assert_eq!(found[0], "1 Translated");
    assert_eq!(found[1], "2 Quarantined facility-not-allowed at row 2, 施設");
}

#[test]
fn the_trace_names_row_and_column() {
    let set = set();
    let file = cut_small(&set, b"1310000001,7,A,1,a\n1310000001,8,B,1,b\n");
    let piece = &file.pieces[1];
    let (_, traces) = traced(&set, &piece.body, &context(piece.part.clone()));
    let of =
        |rule: &str| traces.iter().find(|trace| trace.rule == rule).map(|trace| trace.positions.join("; "));
    // What the condition read is a source too.
    assert_eq!(of("row/code").as_deref(), Some("row 2, 値; row 2, 備考"));
    assert_eq!(of("patient/id").as_deref(), Some("row 2, 患者"));
    let peek = peek_feed(&set, &piece.body, &piece.part, &context(piece.part.clone()).facility);
    assert_eq!((peek.patients, peek.order_number.as_deref()), (vec!["8".to_owned()], Some("B")));
    assert_eq!(peek.names, [""; 0], "the layout has no column for it");
    let set =
        set_with(&LAYOUT.replace("id = \"患者\"", "id = \"患者\"\nname = \"備考\""), MESSAGE, ROW).unwrap();
    let piece = &cut_small(&set, &cp932("1310000001,7,A,1,試験　太郎\n")).pieces[0];
    let peek = peek_feed(&set, &piece.body, &piece.part, &context(piece.part.clone()).facility);
    assert_eq!(peek.names, ["試験　太郎"]);
}

#[test]
fn what_is_wrong_with_a_layout_is_said_with_its_line() {
    let check = |layout: &str, message: &str, row: &str, part: &str| {
        let problems = set_with(layout, message, row).err().unwrap_or_default().join("\n");
        assert!(problems.contains(part), "{part}: {problems}");
    };
    check(&LAYOUT.replace("pos = 3", "pos = 4"), MESSAGE, ROW, "small.toml:23: small/依頼: pos should be 3");
    check(&LAYOUT.replace("facility = \"施設\"", "facility = \"病院\""), MESSAGE, ROW, "no column '病院'");
    check(&LAYOUT.replace("\"delimited\"", "\"fixed\""), MESSAGE, ROW, "not in this version");
    check(&LAYOUT.replace("quote = ", "repeat = 5\nquote = "), MESSAGE, ROW, "repeat is not in this version");
    check(&LAYOUT.replace("cp932", "utf-16"), MESSAGE, ROW, "encoding is cp932");
    check(LAYOUT, &MESSAGE.replace("feed = \"small\"", "feed = \"large\""), ROW, "no layout 'large'");
    check(LAYOUT, MESSAGE, &ROW.replace("col(備考)\", when", "col(注記)\", when"), "no column '注記'");
    check(
        LAYOUT,
        MESSAGE,
        &ROW.replace("from = \"col(備考)\"", "from = \"bytes(9..28)\""),
        "only col(NAME) is in this version",
    );
    check(
        LAYOUT,
        MESSAGE,
        &ROW.replace("from = \"col(備考)\"", "from = \"rec(SY).2\""),
        "only col(NAME) is in this version",
    );
}

/// Whatever the bytes: no panic, every row in exactly one message, and each message read as it was cut.
#[test]
fn no_bytes_panic_the_reader_and_no_row_is_lost() {
    let set = set();
    let layout: &Layout = set.layout("small").unwrap();
    let seeds: Vec<Vec<u8>> = [
        "施設,患者,依頼,値,備考\r\n1310000001,7,A,1,\"あ\r\nい, う\"\r\n1310000002,8,B,－２,か\r\n\x1A",
        "1310000001,7,A,1,a\n1310000001,7,A,2,\"b\n1310000001,8,B,1,d\n,,,,\n",
    ]
    .iter()
    .map(|text| cp932(text))
    .chain(trial::samples("feeds-made-up/lab_csv44").into_iter().map(|(_, bytes)| bytes))
    .collect();
    let mut random = Random::new(20_261_125);
    for n in 0..4_000 {
        let mut bytes = random.mutate(&seeds[n % seeds.len()]);
        for _ in 0..random.below(3) {
            let at = random.below(bytes.len() + 1);
            let token: &[u8] = [&b"\""[..], b",", b"\n", b"\"\"", b"\r", b"\x1A", b"\x83"][random.below(7)];
            bytes.splice(at..at, token.iter().copied());
        }
        let file = cut(layout, &bytes, &GaijiTable::default());
        let rows: usize =
            file.pieces.iter().map(|piece| piece.part.lengths().unwrap_or_default().len()).sum();
        let whole = file.pieces.len() == 1 && file.pieces[0].facility.is_empty();
        assert!(rows == file.rows || whole, "{rows} of {}", file.rows);
        for piece in file.pieces {
            let translation = translate(&set, &piece.body, &context(piece.part.clone()));
            assert_eq!(translation.status == Status::Quarantined, translation.has_error());
            assert!(translation.findings.iter().all(|finding| finding.code != "feed-part-damaged"));
        }
    }
}
