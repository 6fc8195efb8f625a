//! A file to messages: the rows of one facility, patient and report are one message, wherever they stand in the file.
//!
//! Every row that is neither a title nor blank is in exactly one message; a file without any is one message, held,
//! unless its titles are those of the layout. A row that cannot be read joins the message whose facility, patient and
//! report it names at their places; one that names none is a message of its own.

use super::layout::Layout;
use super::rows::{self, Row};
use super::{Part, ranges};
use crate::charset::GaijiTable;
use std::collections::HashMap;

/// Rows of one message. A report of a patient has some hundred items at most; what a sender puts under one key
/// beyond this comes as further messages of the same unit.
pub const MAX_ROWS: usize = 5_000;

/// A file, cut.
#[derive(Clone, Debug, Default)]
pub struct FileCut {
    /// Its messages, in order of their first rows.
    pub pieces: Vec<Piece>,
    /// Title rows.
    pub titles: usize,
    /// Rows with nothing in them.
    pub blank: usize,
    /// Rows that are in a message.
    pub rows: usize,
}

/// One message of a file.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What the facility column says; empty where it cannot be read.
    pub facility: String,
    /// The patient as written; empty where it cannot be read.
    pub patient: String,
    /// Its rows as people write them, behind `#` in the message's name: `3-7,9`.
    pub rows: String,
    /// What it is about (facility, patient, report), or its bytes where it says none of them: two messages of one
    /// subject follow each other, and the same bytes at the end of them are a repetition.
    pub subject: Vec<u8>,
    /// Enough to read its bytes again.
    pub part: Part,
    /// Its rows as received, one behind the other.
    pub body: Vec<u8>,
}

struct Group<'r> {
    facility: String,
    patient: String,
    subject: Option<Vec<u8>>,
    rows: Vec<&'r Row>,
}

/// Cuts a file. Never fails: what cannot be read is a message too, and its translation says why it is held.
pub fn cut(layout: &Layout, bytes: &[u8], gaiji: &GaijiTable) -> FileCut {
    let rows = rows::of_file(layout, bytes, gaiji);
    let mut out = FileCut::default();
    let mut data: Vec<&Row> = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.is_blank() {
            out.blank += 1;
        } else if out.titles < layout.titles
            && out.titles + out.blank + 1 == row.number as usize
            && layout.may_be_title(row)
        {
            out.titles += 1;
        } else {
            data.push(row);
        }
    }
    out.rows = data.len();
    if !data.is_empty() && data.iter().all(|row| row.trouble.is_some()) {
        // Not one row fits: this is no file of that layout, and one message says so instead of thousands.
        let numbers: Vec<u32> = data.iter().map(|row| row.number).collect();
        let part = part(layout, &format!("{}:{}", numbers[0], bytes.len()));
        let subject = [b"bytes\0", bytes].concat();
        let rows = ranges(&numbers);
        let (facility, patient) = (String::new(), String::new());
        out.pieces.push(Piece { facility, patient, rows, subject, part, body: bytes.to_vec() });
        return out;
    }
    // The titles of the layout alone: a day without results. What else has no result would be seen by nobody, so it
    // is held as it is. No row of it is named.
    if data.is_empty() && !bytes.is_empty() && !rows.iter().any(|row| layout.names(row)) {
        let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
        let subject = [b"bytes\0", bytes].concat();
        let (facility, patient, part) = (String::new(), String::new(), part(layout, ""));
        let rows = ranges(&numbers);
        out.pieces.push(Piece { facility, patient, rows, subject, part, body: bytes.to_vec() });
    }
    for group in groups(layout, &data) {
        for (n, rows) in group.rows.chunks(MAX_ROWS).enumerate() {
            out.pieces.push(piece(layout, bytes, &group, (n, rows)));
        }
    }
    out
}

fn part(layout: &Layout, rows: &str) -> Part {
    Part {
        layout: layout.id.clone(),
        version: layout.version.clone(),
        rows: rows.to_owned(),
        by_field: false,
    }
}

fn piece(layout: &Layout, bytes: &[u8], group: &Group<'_>, (n, rows): (usize, &[&Row])) -> Piece {
    let body: Vec<u8> = rows.iter().flat_map(|row| &bytes[row.start..row.end]).copied().collect();
    let lengths: Vec<String> =
        rows.iter().map(|row| format!("{}:{}", row.number, row.end - row.start)).collect();
    let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
    Piece {
        facility: group.facility.clone(),
        patient: group.patient.clone(),
        rows: ranges(&numbers),
        subject: match &group.subject {
            Some(subject) => [subject.as_slice(), &n.to_be_bytes()].concat(),
            None => [b"bytes\0", body.as_slice()].concat(),
        },
        part: part(layout, &lengths.join(",")),
        body,
    }
}

fn groups<'r>(layout: &Layout, data: &[&'r Row]) -> Vec<Group<'r>> {
    let mut out: Vec<Group<'_>> = Vec::new();
    let mut at: HashMap<Vec<u8>, usize> = HashMap::new();
    let whole = |row: &Row| key(layout, row).map(|key| (row.trouble.is_none(), key));
    // Good rows say which messages there are; a bad row may only join one of them.
    for row in data {
        if let Some((true, key)) = whole(row) {
            at.entry(key).or_insert(usize::MAX);
        }
    }
    for row in data {
        let subject = whole(row).map(|(_, key)| key).filter(|key| at.contains_key(key));
        if let Some(subject) = &subject
            && let Some(n) = at.get(subject).copied().filter(|n| *n != usize::MAX)
        {
            out[n].rows.push(row);
            continue;
        }
        if let Some(subject) = &subject {
            at.insert(subject.clone(), out.len());
        }
        let good = row.trouble.is_none();
        let facility = row.cell(layout.facility);
        out.push(Group {
            // A shifted row's facility is believed only where it can be one.
            facility: if good || super::layout::is_facility(facility) {
                facility.to_owned()
            } else {
                String::new()
            },
            patient: if good || subject.is_some() {
                row.cell(layout.patient.id).to_owned()
            } else {
                String::new()
            },
            subject,
            rows: vec![row],
        });
    }
    out
}

/// Facility, patient and report of a row, where it names all three.
fn key(layout: &Layout, row: &Row) -> Option<Vec<u8>> {
    let report = layout.report.iter().find(|column| !row.cell(**column).is_empty())?;
    let mut parts = vec![row.cell(layout.facility), row.cell(layout.patient.id)];
    if parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    parts.extend(layout.source.iter().map(|column| row.cell(*column)));
    let place = report.to_string();
    parts.extend([place.as_str(), row.cell(*report)]);
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    Some(out)
}
