//! Code tables: CSV in, layer over layer, hash maps out.

use super::SourceFile;
use super::layer::{Layer, Rank};
use super::plan::{Row, Table};
use super::problem::{Place, Problems, words};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The header of a code table.
pub(crate) const HEADER: [&str; 7] = [
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

/// What stands in the equivalence of a row that takes away the row of a lower layer.
pub(crate) const OFF: &str = "off";

/// Tables that are no code tables, with their headers and how many cells of a row are its name.
const OTHERS: [(&str, [&str; 3], usize); 2] =
    [("extensions", ["name", "url", "value"], 1), ("slices", ["name", "path", "value"], 2)];

/// A row as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) layer: Rank,
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
    /// The layer whose row it took the place of.
    pub(crate) over: Option<Rank>,
}

impl Cells {
    pub(crate) fn place(&self) -> Place {
        Place { layer: self.layer, file: self.file.clone(), line: self.line }
    }
}

/// The header of a table.
pub(crate) fn header(table: &str) -> &'static [&'static str] {
    OTHERS.iter().find(|other| other.0 == table).map_or(&HEADER, |other| &other.1)
}

/// What tells the rows of a table apart: source system and code; of a row without a code, what it is the code for.
fn key(table: &str, cells: &[String]) -> String {
    let parts = match OTHERS.iter().find(|other| other.0 == table) {
        Some(other) => &cells[..other.2],
        None if cells[1].is_empty() => &cells[..5],
        None => &cells[..2],
    };
    parts.join("\u{1f}")
}

/// The table of a file: `tables/NAME.csv`, or of a part of it, `tables/NAME/PART.csv` (one laboratory's rows in a
/// file of their own).
pub(crate) fn name_of(path: &str) -> Option<&str> {
    let mut parts = path.rsplit(['/', '\\']);
    let stem = parts.next()?.strip_suffix(".csv")?;
    match (parts.next()?, parts.next()) {
        ("tables", _) => Some(stem),
        (table, Some("tables")) => Some(table),
        _ => None,
    }
}

/// The rows of every table, layer laid over layer.
pub(crate) fn collect(layers: &[Layer], problems: &mut Problems) -> BTreeMap<String, Vec<Cells>> {
    let mut out: BTreeMap<String, Vec<Cells>> = BTreeMap::new();
    for layer in layers {
        let mut of_layer: BTreeMap<&str, Vec<Cells>> = BTreeMap::new();
        let mut files: Vec<&SourceFile> = layer.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files {
            if let Some(table) = name_of(&file.path) {
                of_layer.entry(table).or_default().extend(rows(layer.rank, file, header(table), problems));
            }
        }
        for (table, upper) in of_layer {
            twice(table, &upper, problems);
            lay(table, out.entry(table.to_owned()).or_default(), upper, problems);
        }
    }
    out
}

/// A code that stands twice in one layer: nobody could say which row counts.
fn twice(table: &str, rows: &[Cells], problems: &mut Problems) {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    for (n, row) in rows.iter().enumerate() {
        let Some(earlier) = seen.insert(key(table, &row.cells), n) else { continue };
        let (line, file) = (rows[earlier].line, &rows[earlier].file);
        let (column, code) = match header(table).get(1) {
            Some(name @ &"source_code") if !row.cells[1].is_empty() => (*name, &row.cells[1]),
            Some(&"source_code") => ("target_code", &row.cells[4]),
            _ => ("name", &row.cells[0]),
        };
        let said = words(
            format!("{code} は {file} の {line} 行目にもあります。一つのコードに書けるのは一行だけです。"),
            format!("'{code}' stands in line {line} of {file} too: a code has one row"),
        );
        problems.cell(&row.place(), table, column, said);
    }
}

/// Lays the rows of a layer over those below.
fn lay(table: &str, lower: &mut Vec<Cells>, upper: Vec<Cells>, problems: &mut Problems) {
    let is_off = |row: &Cells| row.cells.get(6).is_some_and(|cell| cell == OFF);
    let shipped = upper.first().is_some_and(|row| row.layer == Rank::Shipped);
    for row in upper.iter().filter(|row| shipped && is_off(row)) {
        let said = words(
            "off は、上に重ねる層(地域・施設)だけで使えます。",
            "'off' is for a layer over the shipped set.",
        );
        problems.cell(&row.place(), table, "equivalence", said);
    }
    if lower.is_empty() {
        *lower = upper.into_iter().filter(|row| !is_off(row)).collect();
        return;
    }
    let mut at: HashMap<String, usize> = HashMap::with_capacity(lower.len());
    for (n, row) in lower.iter().enumerate() {
        at.insert(key(table, &row.cells), n);
    }
    let mut gone = HashSet::new();
    for mut row in upper {
        match at.get(&key(table, &row.cells)) {
            Some(n) if is_off(&row) => {
                gone.insert(*n);
            }
            Some(n) => {
                row.over = Some(lower[*n].layer);
                lower[*n] = row;
            }
            None if is_off(&row) => {
                let said = words(
                    "下の層にこのコードの行がないので、止められません。",
                    "No layer below has a row of this code to switch off.",
                );
                problems.cell(&row.place(), table, "equivalence", said);
            }
            None => lower.push(row),
        }
    }
    let mut n = 0;
    lower.retain(|_| {
        n += 1;
        !gone.contains(&(n - 1))
    });
}

/// Reads a file of rows with the given header.
fn rows(layer: Rank, file: &SourceFile, header: &[&str], problems: &mut Problems) -> Vec<Cells> {
    let name: Arc<str> = file.path.as_str().into();
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
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
                let place = Place { layer, file: name.clone(), line };
                problems.add(&place, "", "CSV として読めません。", "The file is no readable CSV.");
                return out;
            }
        };
        let line = record.position().map_or(0, |p| p.line() as usize);
        let place = || Place { layer, file: name.clone(), line };
        if n == 0 {
            if record.iter().map(str::trim).ne(header.iter().copied()) {
                let ja = format!("見出しの行は {} です。", header.join(","));
                let en = format!("The first row must be {}.", header.join(","));
                problems.add(&place(), "", ja, en);
                return out;
            }
            continue;
        }
        if record.len() != header.len() {
            let ja = format!("列は {} 個です。", header.len());
            let en = format!("A row has {} cells.", header.len());
            problems.add(&place(), "", ja, en);
            continue;
        }
        if out.len() >= MAX_ROWS {
            let (ja, en) = ("表が大きすぎます。", "The table has too many rows.");
            problems.add(&place(), "", format!("{ja} {MAX_ROWS}"), format!("{en} {MAX_ROWS}"));
            return out;
        }
        let cells = record.iter().map(|cell| cell.trim().to_owned()).collect();
        out.push(Cells { layer, file: name.clone(), line, cells, over: None });
    }
    out
}

/// A code table of these rows.
pub(crate) fn build(rows: Vec<Cells>) -> Table {
    let mut table = Table::default();
    for row in rows {
        // The source display is for people; the equivalence for the ConceptMap.
        let [source_system, source_code, _, target_system, target_code, target_display, _] =
            row.cells.try_into().unwrap_or_default();
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
