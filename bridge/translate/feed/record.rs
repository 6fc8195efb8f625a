//! One message of a feed as the engine reads it: a PID made of the patient's columns, and a segment a row.
//!
//! The engine knows segments and fields; which row and column each of them is, is kept beside the message, so that
//! findings and traces name what a person finds in the file and never a segment that is not there.

use super::Part;
use super::layout::{Layout, position};
use super::rows::{self, Row};
use crate::charset::GaijiTable;
use crate::finding::{Finding, Location};
use crate::hl7v2::{Delimiters, Message, escape};
use crate::translation::Facility;
use std::borrow::Cow;

/// Where the segments of a message come from.
#[derive(Clone, Debug)]
pub(crate) struct Sources<'l> {
    layout: &'l Layout,
    /// The row of each segment; 0 = none.
    rows: Vec<u32>,
    /// Fields of PID: number, repetition, column.
    patient: Vec<(u16, u16, usize)>,
}

impl Sources<'_> {
    /// A position as printed: `row 5, 検査コード`.
    pub(crate) fn print(&self, segment: usize, field: u16, repetition: u16) -> String {
        let row = self.rows.get(segment).copied().unwrap_or_default();
        if row == 0 {
            return String::new();
        }
        let column = match segment {
            PID => {
                let of_field =
                    |(f, r, _): &&(u16, u16, usize)| *f == field && (*r == repetition || repetition == 0);
                self.patient.iter().find(of_field).map(|(_, _, column)| *column)
            }
            _ => usize::from(field).checked_sub(1),
        };
        match column.and_then(|n| self.layout.columns.get(n)) {
            Some(column) => position(row, &column.name),
            None => format!("row {row}"),
        }
    }

    /// A column that nobody read, as printed.
    pub(crate) fn column(&self, segment: usize, field: usize) -> Option<String> {
        let columns = &self.layout.columns;
        (segment > PID).then(|| columns.get(field.wrapping_sub(1)).map(|c| format!("col({})", c.name)))?
    }
}

/// Place of the PID in the message; MSH stands in front of it, rows behind.
const PID: usize = 1;

/// A message of a feed for people: as the engine reads it, and what its places are called in the file.
pub struct Opened {
    /// The rows as segments, behind a header and a PID that are not in the file.
    pub message: Message,
    /// Name of a cell (`row 5, 検査コード`), and the segment and field that it is.
    pub places: Vec<(String, usize, usize)>,
    /// The rows as received, decoded.
    pub text: String,
}

/// Opens a message for people; none where no row of it can be read.
pub fn open(layout: &Layout, bytes: &[u8], part: &Part, facility: &Facility) -> Option<Opened> {
    let text = crate::charset::decode_as(layout.encoding, bytes, &facility.gaiji).text;
    let (message, sources) = read(layout, bytes, part, facility).message?;
    let mut places = Vec::new();
    for segment in message.segments().skip(PID + 1) {
        for field in 1..=segment.field_count() {
            let number = u16::try_from(field).unwrap_or_default();
            places.push((sources.print(segment.index(), number, 1), segment.index(), field));
        }
    }
    Some(Opened { message, places, text })
}

/// A message of a feed, read.
pub(crate) struct Read<'l> {
    /// The message; none where no row of it can be read.
    pub(crate) message: Option<(Message, Sources<'l>)>,
    /// What was found on the way.
    pub(crate) findings: Vec<Finding>,
    /// The patient as written.
    pub(crate) patient: String,
    /// What the report is called.
    pub(crate) report: String,
}

/// Reads the rows of a message.
pub(crate) fn read<'l>(layout: &'l Layout, bytes: &[u8], part: &Part, facility: &Facility) -> Read<'l> {
    let gaiji = &facility.gaiji;
    if part.rows.is_empty() {
        let detail = format!("{} columns, delimiter {:?}", layout.columns.len(), layout.delimiter);
        let findings = vec![Finding::error("feed-no-rows", Location::at("row 1")).detail(detail)];
        return Read { message: None, findings, patient: String::new(), report: String::new() };
    }
    let Some(rows) = slices(layout, bytes, part, gaiji) else {
        let findings = vec![Finding::error("feed-part-damaged", Location::default())];
        return Read { message: None, findings, patient: String::new(), report: String::new() };
    };
    let mut findings = Vec::new();
    for row in &rows {
        findings.extend(row.trouble.clone());
        findings.extend(row.findings.iter().cloned());
    }
    let good: Vec<&Row> = rows.iter().filter(|row| row.trouble.is_none() && !row.is_blank()).collect();
    if part.by_field {
        let stranger = good.iter().find(|row| row.cell(layout.facility) != facility.code);
        if let Some(row) = stranger {
            let at = position(row.number, &layout.columns[layout.facility].name);
            findings.push(Finding::error("facility-not-allowed", Location::at(at)));
        }
    }
    let first = |columns: &[usize]| {
        let row = good.first()?;
        columns.iter().map(|column| row.cell(*column)).find(|cell| !cell.is_empty()).map(str::to_owned)
    };
    let patient = first(&[layout.patient.id]).unwrap_or_default();
    let report = first(&layout.report).unwrap_or_default();
    let message = if good.is_empty() { None } else { build(layout, &good) };
    if message.is_none() && findings.is_empty() {
        findings.push(Finding::error("feed-part-damaged", Location::default()));
    }
    Read { message, findings, patient, report }
}

/// The rows as they were cut; none where bytes and lengths do not agree.
fn slices(layout: &Layout, bytes: &[u8], part: &Part, gaiji: &GaijiTable) -> Option<Vec<Row>> {
    let (mut rows, mut at) = (Vec::new(), 0usize);
    for (number, length) in part.lengths()? {
        let end = at.checked_add(length).filter(|end| *end <= bytes.len())?;
        rows.push(rows::of_slice(layout, bytes, (number, at, end), gaiji));
        at = end;
    }
    (at == bytes.len()).then_some(rows)
}

/// Reads text instead of bytes: the rows of a `[[test]]`, where a row may also name its cells, `検査コード=00051,…`.
pub(crate) fn of_test<'l>(
    layout: &'l Layout,
    text: &str,
) -> Result<(Message, Sources<'l>, Vec<Finding>), String> {
    let utf_8 = Layout { encoding: "utf-8", ..layout.clone() };
    let mut bytes = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let named = line.split(layout.delimiter).map(|cell| cell.split_once('='));
        match named.collect::<Option<Vec<_>>>() {
            Some(cells) => {
                let mut row = vec![""; layout.columns.len()];
                for (name, value) in cells {
                    let column =
                        layout.column(name.trim()).ok_or_else(|| format!("there is no column '{name}'"))?;
                    row[column] = value;
                }
                bytes.push_str(&row.join(&layout.delimiter.to_string()));
            }
            None => bytes.push_str(line),
        }
        bytes.push('\n');
    }
    let rows = rows::of_file(&utf_8, bytes.as_bytes(), &GaijiTable::default());
    let good: Vec<&Row> = rows.iter().filter(|row| row.trouble.is_none()).collect();
    let findings = rows.iter().flat_map(|row| row.trouble.iter().chain(&row.findings)).cloned().collect();
    let (message, sources) = build(layout, &good).ok_or("no row of the test can be read")?;
    Ok((message, sources, findings))
}

fn build<'l>(layout: &'l Layout, rows: &[&Row]) -> Option<(Message, Sources<'l>)> {
    let first = rows.first()?;
    let cell = |column: Option<usize>| column.map_or("", |column| first.cell(column));
    let mut times: Vec<&str> = Vec::new();
    for row in rows {
        times.extend(layout.time.iter().map(|column| row.cell(*column)).find(|cell| !cell.is_empty()));
    }
    let mut text = format!("MSH|^~\\&|||||{}\rPID|||", escaped(times.iter().max().unwrap_or(&"")));
    let patient = &layout.patient;
    text.push_str(&escaped(cell(Some(patient.id))));
    text.push_str("||");
    let mut from = vec![(3, 1, patient.id)];
    let mut repetition = 0;
    for (column, kind) in [(patient.name, "I"), (patient.kana, "P")] {
        let name = cell(column);
        let Some(column) = column.filter(|_| !name.is_empty()) else { continue };
        if repetition > 0 {
            text.push('~');
        }
        repetition += 1;
        let (family, given) = if patient.split { parted(name) } else { (name, "") };
        text.push_str(&format!("{}^{}^^^^^L^{kind}", escaped(family), escaped(given)));
        from.push((5, repetition, column));
    }
    text.push_str(&format!("||{}|{}\r", escaped(cell(patient.birth)), escaped(cell(patient.gender))));
    from.extend(patient.birth.map(|column| (7, 1, column)));
    from.extend(patient.gender.map(|column| (8, 1, column)));
    let mut numbers = vec![0, first.number];
    for row in rows {
        text.push_str(&layout.record);
        for cell in &row.cells {
            text.push('|');
            text.push_str(&escaped(cell));
        }
        text.push('\r');
        numbers.push(row.number);
    }
    let (message, _) = Message::parse(text).ok()?;
    (message.len() == numbers.len()).then_some((message, Sources { layout, rows: numbers, patient: from }))
}

/// Family and given name where one space stands between them; else the whole as it is.
fn parted(name: &str) -> (&str, &str) {
    let mut parts = name.split(char::is_whitespace).filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(family), Some(given), None) => (family, given),
        _ => (name, ""),
    }
}

/// A cell as a field holds it.
fn escaped(cell: &str) -> Cow<'_, str> {
    escape::write(cell, &Delimiters::default())
}
