//! The laboratory's sample file: every row ends in a resource or in a finding that names it.

use super::{cp932, result, row};
use crate::shipped;
use crate::support::{binary, lacking, shared};
use renkei_translate::charset::GaijiTable;
use renkei_translate::feed::{FileCut, Part, Piece, cut};
use renkei_translate::mapping::{traced, translate};
use renkei_translate::translation::{Context, Lists, PathPatient, Status, Translation};
use serde_json::{Value, json};

const FACILITY: &str = "1319999999";

fn sample() -> Option<Vec<u8>> {
    let Some(path) = shared("samples/feeds-made-up/lab_csv44/result.csv") else {
        lacking("../shared/samples/feeds-made-up");
        return None;
    };
    Some(std::fs::read(path).expect("the sample can be read"))
}

fn file(bytes: &[u8]) -> FileCut {
    cut(shipped::set().layout("lab-csv44").expect("the layout is shipped"), bytes, &GaijiTable::default())
}

fn context(piece: &Piece) -> Context {
    let part = Part { by_field: true, ..piece.part.clone() };
    Context { feed: Some(part), ..shipped::context(None, PathPatient::Error, Lists::Incremental) }
}

fn translated(piece: &Piece) -> Translation {
    translate(shipped::set(), &piece.body, &context(piece))
}

fn of_type(translation: &Translation, kind: &str) -> Vec<Value> {
    let of_kind = translation.resources.iter().filter(|resource| resource.resource_type == kind);
    of_kind.map(|resource| serde_json::from_slice(&resource.json).expect("JSON")).collect()
}

/// Rows that a piece of trace or findings names: `row 5, 検査コード` is 5.
fn row_of(position: &str) -> Option<u32> {
    position.strip_prefix("row ")?.split(',').next()?.parse().ok()
}

/// The rows of all messages that neither a value nor a finding came from.
fn lost(file: &FileCut) -> Vec<u32> {
    let mut lost = Vec::new();
    for piece in &file.pieces {
        let (translation, traces) = traced(shipped::set(), &piece.body, &context(piece));
        let values = traces.iter().filter(|trace| trace.resource.starts_with("Observation/"));
        let mut seen: Vec<u32> = values.flat_map(|t| t.positions.iter().filter_map(|p| row_of(p))).collect();
        seen.extend(translation.findings.iter().filter_map(|finding| row_of(&finding.location.position)));
        let rows = piece.part.rows.split(',').filter_map(|row| row.split(':').next()?.parse::<u32>().ok());
        lost.extend(rows.filter(|row| !seen.contains(row)));
    }
    lost
}

/// Read by hand: two title rows; rows 3 and 4 are of one facility, patient and order, and row 4 has a comment over
/// two lines with a comma in it.
#[test]
fn every_row_of_the_sample_ends_in_a_resource() {
    let Some(bytes) = sample() else { return };
    let file = file(&bytes);
    assert_eq!((file.titles, file.blank, file.rows, file.pieces.len()), (2, 0, 2, 1));
    let piece = &file.pieces[0];
    assert_eq!(
        (piece.rows.as_str(), piece.facility.as_str(), piece.patient.as_str()),
        ("3-4", FACILITY, "12345")
    );
    // Byte for byte what stands behind the second title row.
    assert!(bytes.ends_with(&piece.body) && piece.body.starts_with(b"L01,"));
    assert_eq!(lost(&file), Vec::<u32>::new());
    let translation = translated(piece);
    assert_eq!(translation.status, Status::Translated, "{:?}", translation.findings);
    let results = of_type(&translation, "Observation");
    assert_eq!(results.len(), 2);
    let (protein, crp) = (&results[0], &results[1]);
    let codes = |resource: &Value| -> Vec<Value> {
        let codings = resource["code"]["coding"].as_array().expect("codings");
        codings.iter().map(|coding| json!([coding["system"], coding["code"]])).collect()
    };
    const JLAC10: &str = "http://medis.or.jp/CodeSystem/master-JLAC10-17digits";
    const LOCAL: &str = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_ObsLabResult_LocalCode_CS";
    assert_eq!(codes(protein), [json!([JLAC10, "3A015000002327101"]), json!([LOCAL, "00051"])]);
    assert_eq!(codes(crp), [json!([JLAC10, "5C070000002306201"]), json!([LOCAL, "00638"])]);
    let quantity = |resource: &Value| {
        let quantity = &resource["valueQuantity"];
        json!([quantity["comparator"], quantity["value"], quantity["unit"]])
    };
    assert_eq!(quantity(protein), json!([null, 7.2, "g/dL"]));
    assert_eq!(quantity(crp), json!(["<", 0.05, "mg/dL"]));
    let range = |resource: &Value| {
        let range = &resource["referenceRange"][0];
        json!([range["low"]["value"], range["high"]["value"]])
    };
    assert_eq!((range(protein), range(crp)), (json!([6.6, 8.1]), json!([null, 0.14])));
    assert_eq!(crp["note"], json!([{"text": "再検済\n溶血の影響あり, 参考値"}]));
    for result in &results {
        assert_eq!(
            (&result["status"], &result["effectiveDateTime"]),
            (&json!("final"), &json!("2026-11-02T09:30:00+09:00"))
        );
        assert_eq!(result["interpretation"][0]["coding"][0]["code"], "N");
    }
    let patient = &of_type(&translation, "Patient")[0];
    assert_eq!(patient["identifier"][0]["value"], "12345");
    assert_eq!((&patient["birthDate"], &patient["gender"]), (&json!("1968-04-05"), &json!("male")));
    assert_eq!(of_type(&translation, "Organization")[0]["name"], "例示検査センター");
    // Nothing valued is passed over without a reason.
    assert_eq!(translation.unread, Vec::<String>::new());
}

#[test]
fn a_wrong_row_beside_the_sample_holds_its_own_message_and_says_which_row_it_is() {
    let Some(mut bytes) = sample() else { return };
    let wrong = [
        // 5: a comma too many, of a patient who has no other row.
        result(FACILITY, "20001", "OD5", "00051", "1").replace("g/dL", "g,dL"),
        // 6: no time of collection. 7: a code that nobody knows. 8: a facility that is not this one.
        row(&[(1, "L01"), (3, FACILITY), (8, "20002"), (20, "OD6"), (28, "00051"), (35, "1")]),
        result(FACILITY, "20003", "OD7", "77777", "1"),
        result("1319999998", "20004", "OD8", "00051", "1"),
        // 9: no patient. 10: a quote that is never closed. 11: good.
        result(FACILITY, "", "OD9", "00051", "1"),
        result(FACILITY, "20006", "OD10", "00051", "1").replace("g/dL", "\"g/dL"),
        result(FACILITY, "20007", "OD11", "00051", "1"),
    ];
    for text in &wrong {
        bytes.extend(cp932(text));
    }
    let file = file(&bytes);
    assert_eq!((file.rows, file.pieces.len()), (9, 8));
    let expected = [
        ("3-4", Status::Translated, None),
        ("5", Status::Quarantined, Some(("row-columns-differ", "row 5"))),
        ("6", Status::Quarantined, Some(("collection-time-missing", "row 6, 採取日時"))),
        ("7", Status::Translated, Some(("lab-item-not-in-table", "row 7"))),
        ("8", Status::Quarantined, Some(("facility-not-allowed", "row 8, 施設コード"))),
        ("9", Status::Quarantined, Some(("column-empty", "row 9, 患者ID"))),
        ("10", Status::Quarantined, Some(("row-quote-open", "row 10"))),
        ("11", Status::Translated, None),
    ];
    for (piece, (rows, status, finding)) in file.pieces.iter().zip(expected) {
        let translation = translated(piece);
        assert_eq!((piece.rows.as_str(), translation.status), (rows, status), "{:?}", translation.findings);
        if let Some((code, position)) = finding {
            let said =
                |f: &&renkei_translate::finding::Finding| f.code == code && f.location.position == position;
            assert!(translation.findings.iter().any(|f| said(&f)), "{rows}: {:?}", translation.findings);
        }
    }
    assert_eq!(lost(&file), Vec::<u32>::new());
    // The code that nobody knows is sent as the laboratory's own.
    let unknown = &of_type(&translated(&file.pieces[3]), "Observation")[0];
    assert_eq!(unknown["code"]["coding"][0]["code"], "99999999999999999");
    assert_eq!(unknown["code"]["coding"][1]["code"], "77777");
}

#[test]
fn translate_prints_a_line_for_each_message_and_the_sum_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.csv");
    let text = result(FACILITY, "1", "A", "00051", "7.2")
        + &result(FACILITY, "2", "A", "00051", "7.3")
        + &result(FACILITY, "1", "A", "00638", "0.1")
        + &result("1319999998", "3", "A", "00051", "7.4");
    std::fs::write(&path, cp932(&text)).expect("a file");
    let run = |layout: &str| {
        let mut command = std::process::Command::new(binary());
        command
            .args(["translate", "--facility", FACILITY, "--feed", layout])
            .arg(&path)
            .output()
            .expect("it runs")
    };
    let output = run("lab-csv44");
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let said: Vec<(String, &str)> = lines
        .iter()
        .map(|line| {
            let input = line["input"].as_str().expect("a name").rsplit('/').next().expect("a name");
            (input.to_owned(), line["status"].as_str().expect("a status"))
        })
        .collect();
    let expected = [("r.csv#1,3", "translated"), ("r.csv#2", "translated"), ("r.csv#4", "quarantined")];
    assert_eq!(said, expected.map(|(name, status)| (name.to_owned(), status)));
    assert_eq!(output.status.code(), Some(1));
    let sum = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(sum.contains("3 messages of 4 rows, 0 title rows, 0 blank rows"), "{sum}");
    assert!(sum.contains("        2 translated") && sum.contains("        1 quarantined"), "{sum}");
    let unknown = run("no-such");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("lab-csv44"));
}
