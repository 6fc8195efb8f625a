//! Code tables: CSV in, hash maps out.

use super::plan::{Row, Table};
use super::problem::{Place, Problems};

/// The header of a code table.
const HEADER: [&str; 7] = [
    "source_system",
    "source_code",
    "source_display",
    "target_system",
    "target_code",
    "target_display",
    "equivalence",
];

/// Rows of a table beyond this are refused: a set is read into memory whole.
pub(crate) const MAX_ROWS: usize = 500_000;

/// Reads a file of rows with the given header, telling the line of each.
pub(crate) fn rows(
    name: &std::sync::Arc<str>,
    text: &str,
    header: &[&str],
    problems: &mut Problems,
) -> Vec<(usize, Vec<String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut out = Vec::new();
    for (n, record) in reader.records().enumerate() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, |p| p.line() as usize);
                let place = Place { file: name.clone(), line };
                problems.add(&place, "", "CSV として読めません。", "The file is no readable CSV.");
                return out;
            }
        };
        let line = record.position().map_or(0, |p| p.line() as usize);
        let place = Place { file: name.clone(), line };
        if n == 0 {
            if record.iter().map(str::trim).ne(header.iter().copied()) {
                let ja = format!("見出しの行は {} です。", header.join(","));
                let en = format!("The first row must be {}.", header.join(","));
                problems.add(&place, "", ja, en);
                return out;
            }
            continue;
        }
        if record.len() != header.len() {
            let ja = format!("列は {} 個です。", header.len());
            let en = format!("A row has {} cells.", header.len());
            problems.add(&place, "", ja, en);
            continue;
        }
        if out.len() >= MAX_ROWS {
            let (ja, en) = ("表が大きすぎます。", "The table has too many rows.");
            problems.add(&place, "", format!("{ja} {MAX_ROWS}"), format!("{en} {MAX_ROWS}"));
            return out;
        }
        out.push((line, record.iter().map(|cell| cell.trim().to_owned()).collect()));
    }
    out
}

/// Reads a code table.
pub(crate) fn read(file: &std::sync::Arc<str>, text: &str, problems: &mut Problems) -> Table {
    let mut table = Table::default();
    for (_, cells) in rows(file, text, &HEADER, problems) {
        // The source display is for people; the equivalence for the ConceptMap.
        let [source_system, source_code, _, target_system, target_code, target_display, _] =
            cells.try_into().unwrap_or_default();
        let row = Row { source_system, source_code, target_system, target_code, target_display };
        let n = table.rows.len() as u32;
        table.by_source.entry(row.source_code.clone()).or_default().push(n);
        if !row.target_code.is_empty() {
            table.by_target.entry(row.target_code.clone()).or_insert(n);
        }
        table.rows.push(row);
    }
    for (source, rows) in &table.by_source {
        if let Some((name, length)) = source.rsplit_once('/')
            && let Ok(number) = length.parse::<usize>()
            && number.to_string() == length
        {
            table.by_length.entry(name.to_owned()).or_default().push((number, rows.clone()));
        }
    }
    table
}

impl Table {
    /// Takes in the rows of another part of the same table.
    pub(crate) fn join(&mut self, other: Table) {
        let base = self.rows.len() as u32;
        for (code, rows) in other.by_source {
            self.by_source.entry(code).or_default().extend(rows.into_iter().map(|row| base + row));
        }
        for (code, row) in other.by_target {
            self.by_target.entry(code).or_insert(base + row);
        }
        for (name, sizes) in other.by_length {
            let sizes =
                sizes.into_iter().map(|(n, rows)| (n, rows.into_iter().map(|row| base + row).collect()));
            self.by_length.entry(name).or_default().extend(sizes);
        }
        self.rows.extend(other.rows);
    }

    /// The rows for a code; those of its system, else those that name none.
    pub(crate) fn find<'t>(&'t self, system: &str, code: &str) -> impl Iterator<Item = &'t Row> {
        let rows = self.by_source.get(code).map_or(&[][..], Vec::as_slice);
        let exact = !system.is_empty() && rows.iter().any(|r| self.rows[*r as usize].source_system == system);
        let system = system.to_owned();
        rows.iter().map(|r| &self.rows[*r as usize]).filter(move |row| {
            if exact {
                row.source_system == system
            } else {
                row.source_system.is_empty() || system.is_empty()
            }
        })
    }

    /// The first row for a code.
    pub(crate) fn first(&self, system: &str, code: &str) -> Option<&Row> {
        self.find(system, code).next()
    }
}
