//! Every data type of SS-MIX2 and every way to take it back has a case.
//!
//! The table is section 2 of `ssmix2.md`, row by row, with what hospitals send for it by MLLP; where it is at hand
//! it is read and compared, so that a row or a cancel that is new there is missing here.

use super::cases;
use crate::support;
use std::collections::BTreeSet;

/// A data type, the line of `ssmix2.md` that has it, its cancel trigger where the table names one, and the cases:
/// the message itself, its correction, and each way to take it back.
struct Row {
    data_type: &'static str,
    line: usize,
    cancel: Option<&'static str>,
    /// The message, then what takes the place of it.
    told: &'static [&'static str],
    /// By trigger event, by order control (ORC-1), by condition flag 0 of the file.
    taken_back: &'static [&'static str],
}

const fn row(
    data_type: &'static str,
    line: usize,
    cancel: Option<&'static str>,
    told: &'static [&'static str],
    taken_back: &'static [&'static str],
) -> Row {
    Row { data_type, line, cancel, told, taken_back }
}

const ROWS: [Row; 26] = [
    row("ADT-00", 42, Some("A23"), &["adt-00", "adt-00-correction"], &["adt-00-a23", "adt-00-flag-0"]),
    row("ADT-01", 43, Some("A55"), &["adt-01", "adt-01-correction"], &["adt-01-a55", "adt-01-flag-0"]),
    row("ADT-12", 44, None, &["adt-12", "adt-12-correction"], &["adt-12-a11", "adt-12-flag-0"]),
    row("ADT-21", 45, Some("A27"), &["adt-21", "adt-21-correction"], &["adt-21-a27", "adt-21-flag-0"]),
    row("ADT-22", 46, Some("A11"), &["adt-22", "adt-22-correction"], &["adt-22-a11", "adt-22-flag-0"]),
    row("ADT-31", 47, Some("A52"), &["adt-31", "adt-31-correction"], &["adt-31-a52", "adt-31-flag-0"]),
    row("ADT-32", 47, Some("A53"), &["adt-32", "adt-32-correction"], &["adt-32-a53", "adt-32-flag-0"]),
    row("ADT-41", 48, Some("A26"), &["adt-41", "adt-41-correction"], &["adt-41-a26", "adt-41-flag-0"]),
    row("ADT-42", 48, Some("A12"), &["adt-42", "adt-42-correction"], &["adt-42-a12", "adt-42-flag-0"]),
    row("ADT-51", 49, Some("A25"), &["adt-51", "adt-51-correction"], &["adt-51-a25", "adt-51-flag-0"]),
    row("ADT-52", 49, Some("A13"), &["adt-22-52", "adt-52-correction"], &["adt-52-a13", "adt-52-flag-0"]),
    row("ADT-61", 50, None, &["adt-61", "adt-61-correction"], &["adt-61-flag-0"]),
    row("PPR-01", 51, None, &["ppr-01", "ppr-01-correction"], &["ppr-01-flag-0"]),
    row("OMD", 52, None, &["omd", "omd-correction"], &["omd-withdrawal", "omd-flag-0"]),
    row("OMP-01", 53, None, &["omp-01", "omp-01-correction"], &["omp-01-withdrawal", "omp-01-flag-0"]),
    row("OMP-02", 53, None, &["omp-02", "omp-02-correction"], &["omp-02-withdrawal", "omp-02-flag-0"]),
    row("OMP-11", 54, None, &["omp-11", "omp-11-correction"], &["omp-11-withdrawal", "omp-11-flag-0"]),
    row("OMP-12", 54, None, &["omp-12", "omp-12-correction"], &["omp-12-withdrawal", "omp-12-flag-0"]),
    row(
        "OML-01",
        55,
        None,
        &["oml-01", "oml-01-correction", "oml-o21"],
        &["oml-01-withdrawal", "oml-01-flag-0", "oml-o21-withdrawal"],
    ),
    row(
        "OML-11",
        56,
        None,
        &["oml-11", "oml-11-correction", "oru-r01"],
        &["oml-11-withdrawal", "oml-11-flag-0", "oru-r01-withdrawal"],
    ),
    row(
        "OMG-01",
        57,
        None,
        &["omg-01", "omg-01-correction", "orm-o01"],
        &["omg-01-withdrawal", "omg-01-flag-0", "orm-o01-withdrawal"],
    ),
    row("OMG-02", 57, None, &["omg-02", "omg-02-correction"], &["omg-02-withdrawal", "omg-02-flag-0"]),
    row("OMG-03", 57, None, &["omg-03", "omg-03-correction"], &["omg-03-withdrawal", "omg-03-flag-0"]),
    row("OMG-11", 58, None, &["omg-11", "omg-11-correction"], &["omg-11-withdrawal", "omg-11-flag-0"]),
    row("OMG-12", 58, None, &["omg-12", "omg-12-correction"], &["omg-12-withdrawal", "omg-12-flag-0"]),
    row("OMG-13", 59, None, &["omg-13", "omg-13-correction"], &["omg-13-withdrawal", "omg-13-flag-0"]),
];

/// What section 1 has besides: the vital signs of the extended storage.
const BESIDES: [Row; 1] =
    [row("L-OBSERVATIONS", 34, None, &["oru-r30", "oru-r30-correction"], &["oru-r30-withdrawal"])];

/// The rows of the table of section 2: data types as they are written there, and the cancel triggers of the row.
fn table(text: &str) -> Vec<(usize, BTreeSet<String>, BTreeSet<String>)> {
    let lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("## 2."));
    let rows = lines.take_while(|(n, line)| *n == 0 || !line.starts_with("## 3.")).filter_map(|(n, line)| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", types, triggers, ..] = cells[..] else { return None };
        if types == "type" || types.starts_with('-') {
            return None;
        }
        // `ADT-31 / 32` and `OMG-01/02/03` share the letters.
        let letters = types.split('-').next().unwrap_or_default();
        let types = types.split('/').map(|one| one.trim()).map(|one| {
            if one.starts_with(char::is_numeric) { format!("{letters}-{one}") } else { one.into() }
        });
        let cancels = triggers.split('(').skip(1).filter_map(|rest| rest.split_once(')'));
        Some((n + 1, types.collect(), cancels.map(|(cancel, _)| cancel.to_owned()).collect()))
    });
    rows.collect()
}

#[test]
fn every_data_type_and_every_cancel_has_a_case() {
    let there: BTreeSet<String> = cases()
        .iter()
        .map(|case| case.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    for row in ROWS.iter().chain(&BESIDES) {
        assert!(!row.told.is_empty() && !row.taken_back.is_empty(), "{} has no case", row.data_type);
        for case in row.told.iter().chain(row.taken_back) {
            assert!(there.contains(*case), "{}: no case {case}", row.data_type);
        }
        if let Some(cancel) = row.cancel {
            let named = row.taken_back.iter().any(|case| case.ends_with(&cancel.to_lowercase()));
            assert!(named, "{}: no case of {cancel}", row.data_type);
        }
    }
}

#[test]
fn the_table_of_cases_is_that_of_the_facts() {
    let Some(path) = support::shared("reference/ssmix2.md") else {
        support::lacking("../shared/reference");
        return;
    };
    let text = std::fs::read_to_string(path).expect("the facts can be read");
    let facts = table(&text);
    let mut seen = 0;
    for (line, types, cancels) in &facts {
        let rows: Vec<&Row> = ROWS.iter().filter(|row| row.line == *line).collect();
        let ours: BTreeSet<String> = rows.iter().map(|row| row.data_type.to_owned()).collect();
        assert_eq!(&ours, types, "ssmix2.md:{line}");
        let ours: BTreeSet<String> = rows.iter().filter_map(|row| row.cancel).map(str::to_owned).collect();
        assert_eq!(&ours, cancels, "cancels of ssmix2.md:{line}");
        seen += rows.len();
    }
    assert_eq!(seen, ROWS.len(), "a row names no line of section 2");
    for row in &BESIDES {
        let line = text.lines().nth(row.line - 1).unwrap_or_default();
        assert!(line.contains(row.data_type), "ssmix2.md:{} has no {}", row.line, row.data_type);
    }
}
