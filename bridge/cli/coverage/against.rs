//! `--against`: row by row against the tables of others.

use super::{both, headline, share, why};
use crate::cli::EXIT_DATA;
use crate::cli::print::say;
use anyhow::Context as _;
use renkei_translate::mapping::MappingSet;
use renkei_translate::mapping::coverage::MessageCoverage;
use renkei_translate::mapping::coverage::against::{
    Judged, Judgement, Standing, Table, TargetRow, judge, read,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// The files of a folder of tables.
const FILES: [(Table, &str); 3] =
    [(Table::Jami, "ssmix2-jami/rows.csv"), (Table::Hl7, "rows.csv"), (Table::Hl7Codes, "codes.csv")];

/// Prints it; exit 1 where a row is neither executed nor explained.
pub(super) fn run(
    set: &MappingSet,
    all: &[MessageCoverage],
    folder: &Path,
    csv: bool,
) -> anyhow::Result<ExitCode> {
    let mut rows: Vec<TargetRow> = Vec::new();
    let mut found = false;
    for (table, name) in FILES {
        let path = folder.join(name);
        if !path.exists() {
            eprintln!("{} is not there", path.display());
            continue;
        }
        found = true;
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        rows.extend(read(table, &text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?);
    }
    anyhow::ensure!(found, "{} holds none of the tables", folder.display());
    let reasons = set.coverage_reasons().map_err(|place| {
        anyhow::anyhow!("{place}: not table,kind,map,source,target,ja,en with both languages")
    })?;
    let judgement = judge(set, all, &rows, &reasons);
    if csv {
        print_csv(&judgement)?
    } else {
        print(set, &judgement)?
    }
    for place in &judgement.idle {
        eprintln!("{place}: no row needs this reason");
    }
    let open = judgement.rows.iter().filter(|row| is_open(row)).count();
    if open > 0 {
        eprintln!("{open} rows are neither executed nor explained");
    }
    Ok(if open == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DATA) })
}

fn is_open(row: &Judged<'_>) -> bool {
    row.standing != Standing::Executed && row.why.is_none()
}

fn words(rows: &[&Judged<'_>]) -> String {
    let count = |standing: Standing| rows.iter().filter(|row| row.standing == standing).count();
    let open = rows.iter().filter(|row| is_open(row)).count();
    format!(
        "{} rows: {} executed ({}), {} deviating, {} absent, {open} of them without a reason",
        rows.len(),
        count(Standing::Executed),
        share(count(Standing::Executed), rows.len()),
        count(Standing::Deviating),
        count(Standing::Absent),
    )
}

fn print(set: &MappingSet, judgement: &Judgement<'_>) -> anyhow::Result<()> {
    headline(set)?;
    for (table, title) in [
        (Table::Jami, "JAMI SS-MIX2 to FHIR"),
        (Table::Hl7, "HL7 v2-to-FHIR"),
        (Table::Hl7Codes, "HL7 v2-to-FHIR: codes"),
    ] {
        let of_table: Vec<&Judged<'_>> = judgement.rows.iter().filter(|row| row.row.table == table).collect();
        if of_table.is_empty() {
            continue;
        }
        say!();
        say!("{title}: {}", words(&of_table));
        let mut by_map: BTreeMap<(&str, &str), Vec<&Judged<'_>>> = BTreeMap::new();
        for row in of_table {
            by_map.entry((&row.row.kind, &row.row.map)).or_default().push(row);
        }
        for ((kind, map), rows) in by_map {
            say!();
            say!("{kind} {map}: {}", words(&rows));
            for row in rows {
                let (source, target) = (one_line(&row.row.source), one_line(&row.row.target));
                say!("  {source:14}  {target:56}  {:9}  {}", row.standing.as_str(), rest(row));
            }
        }
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rest(row: &Judged<'_>) -> String {
    match (&row.why, row.standing) {
        (_, Standing::Executed) => row.by.join("; "),
        (Some(why), _) => both(why),
        (None, _) => "no reason given".to_owned(),
    }
}

fn print_csv(judgement: &Judgement<'_>) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record([
        "table", "kind", "map", "line", "source", "target", "standing", "by", "why_ja", "why_en",
    ])?;
    for row in &judgement.rows {
        let (ja, en) = why(row.why.as_ref());
        let (of, by) = (row.row, row.by.join("; "));
        out.write_record([
            of.table.as_str(),
            &of.kind,
            &of.map,
            &of.line,
            &of.source,
            &of.target,
            row.standing.as_str(),
            &by,
            ja,
            en,
        ])?;
    }
    Ok(out.flush()?)
}
