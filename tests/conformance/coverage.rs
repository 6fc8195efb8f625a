//! What becomes of every position: against the table of what each data type must carry, and row by row against
//! the tables of JAMI and HL7, read from `../shared/reference` where they are at hand.

use crate::shipped;
use renkei_translate::mapping::coverage::against::{Standing, Table, judge, read};
use renkei_translate::mapping::coverage::options::{OptionRow, Sum, Verdict, required};
use renkei_translate::mapping::coverage::{MessageCoverage, options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The data types of SS-MIX2 (JAMI 1.2g), and the vital signs of the extended storage.
const DATA_TYPES: [&str; 26] = [
    "ADT-00", "ADT-01", "ADT-12", "ADT-21", "ADT-22", "ADT-31", "ADT-32", "ADT-41", "ADT-42", "ADT-51",
    "ADT-52", "ADT-61", "PPR-01", "OMD", "OMP-01", "OMP-02", "OMP-11", "OMP-12", "OML-01", "OML-11",
    "OMG-01", "OMG-02", "OMG-03", "OMG-11", "OMG-12", "OMG-13",
];

/// A file among the references, or `None` where there is none and `CI` is not set.
fn reference(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "CI needs the reference {name}");
    eprintln!("NOT RUN: the reference {name} is not at hand");
    None
}

fn table_of_options() -> Option<Vec<OptionRow>> {
    let text = std::fs::read_to_string(reference("field-options.tsv")?).expect("the table can be read");
    Some(options::read(&text).expect("the table has its shape"))
}

/// The data types that have no message file.
fn missing(all: &[MessageCoverage]) -> Vec<&'static str> {
    DATA_TYPES.into_iter().filter(|id| !all.iter().any(|message| message.id == *id)).collect()
}

#[test]
fn every_required_position_of_a_message_file_is_written_or_left_out_with_its_reason() {
    let Some(rows) = table_of_options() else { return };
    let all = shipped::set().coverage();
    let mut open = Vec::new();
    for message in all.iter().filter(|message| message.makes_something() && !message.codes.is_empty()) {
        let found = required(&all, message, &rows);
        // The table has every segment of a data type: one that asks for nothing would prove nothing.
        assert!(found.len() >= 10, "{}: {} required positions", message.id, found.len());
        for one in found.iter().filter(|one| one.verdict == Verdict::Unexplained) {
            open.push(format!("{} {} ({})", message.id, one.field.position, one.option));
        }
    }
    assert!(open.is_empty(), "neither written nor left out with a reason:\n{}", open.join("\n"));
}

/// `347 of 725 (47.9 %)`.
fn share(part: usize, whole: usize) -> String {
    format!("{part} of {whole} ({:.1} %)", part as f64 * 100.0 / whole.max(1) as f64)
}

/// Three ways to count, none of which stands for another. A position of a data type counts as *written* where a
/// rule of that data type writes its value, or a fixed value because of it. Of *content* are all but the headers of
/// the transport (MSH, EVN) and numbers of lines (type SI). It *reaches* FHIR where it is written, where it decides
/// what is sent (ORC-1: cancelled lines are not), or where it is a copy of what another data type owns and writes
/// (AL1-3 in an order: ADT-61).
#[test]
fn of_the_required_content_95_in_100_reaches_fhir() {
    let Some(rows) = table_of_options() else { return };
    let all = shipped::set().coverage();
    let mut sum = Sum::default();
    let mut positions: BTreeMap<String, bool> = BTreeMap::new();
    for message in all.iter().filter(|message| DATA_TYPES.contains(&message.id.as_str())) {
        for one in required(&all, message, &rows) {
            sum.add(&one.verdict);
            *positions.entry(one.field.position.to_string()).or_default() |= one.verdict == Verdict::Written;
        }
    }
    let somewhere = positions.values().filter(|written| **written).count();
    eprintln!(
        "R and RE positions of 26 data types, literally written there: {}",
        share(sum.written, sum.all)
    );
    eprintln!(
        "different R and RE positions, written by some data type: {}",
        share(somewhere, positions.len())
    );
    eprintln!("of content, literally written there: {}", share(sum.written, sum.content()));
    eprintln!("of content, reach FHIR: {}", share(sum.reaches(), sum.content()));
    eprintln!("{sum:?}");
    assert!(sum.content() > 400, "{sum:?}");
    assert_eq!(sum.unexplained, 0, "{sum:?}");
    assert!(sum.reaches() * 100 >= sum.content() * 95, "{sum:?}");
    // Most of it in the message itself, and not in one that another data type brings.
    assert!(sum.written * 100 >= sum.content() * 80, "{sum:?}");
}

#[test]
fn every_data_type_has_its_message_file() {
    let missing = missing(&shipped::set().coverage());
    assert!(missing.is_empty(), "no message file for {missing:?}");
}

#[test]
fn every_row_of_the_tables_of_others_is_executed_or_explained() {
    let Some(folder) = reference("v2-to-fhir") else { return };
    let set = shipped::set();
    let all = set.coverage();
    let reasons = set.coverage_reasons().expect("the statements have their shape");
    let mut rows = Vec::new();
    for (table, name, with_target) in [
        (Table::Jami, "ssmix2-jami/rows.csv", 440),
        (Table::Hl7, "rows.csv", 2_074),
        (Table::Hl7Codes, "codes.csv", 4_763),
    ] {
        let text = std::fs::read_to_string(folder.join(name)).expect("the table can be read");
        let found = read(table, &text).expect("the table has its shape");
        assert_eq!(found.len(), with_target, "{name}");
        rows.extend(found);
    }
    let judgement = judge(set, &all, &rows, &reasons);
    let count = |table: Table, standing: Standing| {
        judgement.rows.iter().filter(|row| row.row.table == table && row.standing == standing).count()
    };
    for table in [Table::Jami, Table::Hl7, Table::Hl7Codes] {
        let [executed, deviating, absent] = [Standing::Executed, Standing::Deviating, Standing::Absent]
            .map(|standing| count(table, standing));
        eprintln!("{table:?}: {executed} executed, {deviating} deviating, {absent} absent");
    }
    // All of the tables are judged, and most of the JAMI one is executed.
    assert_eq!(judgement.rows.len(), rows.len());
    assert!(count(Table::Jami, Standing::Executed) > 250, "{}", count(Table::Jami, Standing::Executed));
    let open: Vec<String> = judgement
        .rows
        .iter()
        .filter(|row| row.standing != Standing::Executed && row.why.is_none())
        .map(|row| {
            format!("{} {} | {} | {}", row.row.table.as_str(), row.row.map, row.row.source, row.row.target)
        })
        .collect();
    assert!(open.is_empty(), "neither executed nor explained:\n{}", open.join("\n"));
    assert!(judgement.idle.is_empty(), "reasons that no row needs: {:?}", judgement.idle);
}
