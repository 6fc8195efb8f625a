//! Bytes to rows of cells: physical lines, quotes that may hold line ends, and what to do where they do not close.
//!
//! Lines are cut on bytes (no byte of a two-byte character equals a line end in the encodings that a layout may
//! name), decoded, and only then split into cells. A quote that never closes costs its own line: the rows after
//! it are read as if it were not there.

use super::layout::Layout;
use crate::charset::{self, GaijiTable};
use crate::finding::{Finding, Location};

/// Physical lines of one row. A comment of a laboratory has a few.
const MAX_LINES: usize = 64;

/// One row of a file.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its number in the file, from 1, title rows counted, as a spreadsheet shows it.
    pub(super) number: u32,
    /// Where its bytes stand.
    pub(super) start: usize,
    /// Behind its line end.
    pub(super) end: usize,
    /// Its cells, trimmed and normalised by their columns; as many as there are where it is bad.
    pub(super) cells: Vec<String>,
    /// Why the row cannot be read.
    pub(super) trouble: Option<Finding>,
    /// What decoding and normalising found.
    pub(super) findings: Vec<Finding>,
}

impl Row {
    /// The cell of a column, or nothing.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// Whether nothing stands in it.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.is_empty())
    }
}

/// Why cells could not be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// A quote is not closed.
    Open,
    /// Something stands behind a closing quote.
    Behind,
}

/// The rows of a file.
pub(super) fn of_file(layout: &Layout, bytes: &[u8], gaiji: &GaijiTable) -> Vec<Row> {
    let end = bytes.len() - usize::from(bytes.last() == Some(&0x1A));
    let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let lines = lines(bytes, mark, end);
    let decoded: Vec<charset::Decoded> = lines
        .iter()
        .map(|(start, end)| charset::decode_as(layout.encoding, &bytes[*start..*end], gaiji))
        .collect();
    let (mut rows, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let number = u32::try_from(rows.len() + 1).unwrap_or(u32::MAX);
        let take = extent(layout, &decoded[at..]);
        let text: String = decoded[at..at + take].iter().map(|line| line.text.as_str()).collect();
        let mut found = cells(layout, &text);
        let mut taken = take;
        let fits = matches!(&found, Ok(cells) if cells.len() == layout.columns.len());
        if take > 1 && !fits {
            // More likely a stray quote than a row of many lines: only its own line is lost.
            taken = 1;
            found = Err(Broken::Open);
        }
        let findings = decoded[at..at + taken].iter().flat_map(|line| line.findings.clone()).collect();
        let place = (number, lines[at].0, lines[at + taken - 1].1);
        let text: String = decoded[at..at + taken].iter().map(|line| line.text.as_str()).collect();
        rows.push(row(layout, place, &text, found, findings));
        at += taken;
    }
    rows
}

/// One row whose bytes are known, as [`of_file`] cut it.
pub(super) fn of_slice(
    layout: &Layout,
    bytes: &[u8],
    (number, start, end): (u32, usize, usize),
    gaiji: &GaijiTable,
) -> Row {
    let slice = &bytes[start..end];
    let slice = slice.strip_suffix(b"\x1A").unwrap_or(slice);
    let decoded = charset::decode_as(layout.encoding, slice, gaiji);
    let found = cells(layout, &decoded.text);
    row(layout, (number, start, end), &decoded.text, found, decoded.findings)
}

fn row(
    layout: &Layout,
    (number, start, end): (u32, usize, usize),
    text: &str,
    found: Result<Vec<String>, Broken>,
    decoding: Vec<Finding>,
) -> Row {
    let here = || Location::at(format!("row {number}"));
    let mut findings: Vec<Finding> =
        decoding.into_iter().map(|finding| Finding { location: here(), ..finding }).collect();
    findings.dedup();
    let (mut cells, mut trouble) = match found {
        Ok(cells) => (cells, None),
        Err(_) => {
            // For people and for finding its message; nothing of it is mapped.
            let bare = text.trim_end_matches(['\r', '\n']);
            let cells = bare.split(layout.delimiter).map(str::to_owned).collect();
            (cells, Some(Finding::error("row-quote-open", here())))
        }
    };
    let blank = cells.iter().all(|cell| cell.trim().is_empty());
    if trouble.is_none() && !blank && cells.len() != layout.columns.len() {
        let detail = format!("{} columns, {} expected", cells.len(), layout.columns.len());
        trouble = Some(Finding::error("row-columns-differ", here()).detail(detail));
    }
    for (cell, column) in cells.iter_mut().zip(&layout.columns) {
        *cell = column.normal(cell);
        if trouble.is_none() && !blank {
            findings.extend(column.check(cell, number));
        }
    }
    Row { number, start, end, cells, trouble, findings }
}

/// Start and end of each physical line, its line end included.
fn lines(bytes: &[u8], start: usize, end: usize) -> Vec<(usize, usize)> {
    let (mut out, mut from, mut at) = (Vec::new(), start.min(end), start.min(end));
    while at < end {
        at += match (bytes[at], bytes.get(at + 1).filter(|_| at + 1 < end)) {
            (b'\r', Some(b'\n')) => 2,
            (b'\r' | b'\n', _) => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        out.push((from, at));
        from = at;
    }
    if from < end {
        out.push((from, end));
    }
    out
}

/// How many lines the row at the front has: those that its quotes hold together.
fn extent(layout: &Layout, lines: &[charset::Decoded]) -> usize {
    let Some(quote) = layout.quote else { return 1 };
    let (mut inside, mut fresh) = (false, true);
    for (n, line) in lines.iter().take(MAX_LINES).enumerate() {
        let mut chars = line.text.chars().peekable();
        while let Some(c) = chars.next() {
            if inside {
                if c == quote {
                    if chars.peek() == Some(&quote) {
                        chars.next();
                    } else {
                        inside = false;
                    }
                }
            } else if c == quote && fresh {
                inside = true;
            }
            fresh = !inside && c == layout.delimiter;
        }
        if !inside || !layout.quoted_line_ends {
            return n + 1;
        }
    }
    lines.len().min(MAX_LINES)
}

/// Splits the text of one row.
fn cells(layout: &Layout, text: &str) -> Result<Vec<String>, Broken> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let mut out = Vec::with_capacity(layout.columns.len());
    let mut cell = String::new();
    let mut chars = text.chars().peekable();
    loop {
        match chars.next() {
            Some(c) if layout.quote == Some(c) && cell.is_empty() => {
                loop {
                    match chars.next() {
                        Some(c) if layout.quote == Some(c) => {
                            if chars.next_if(|next| layout.quote == Some(*next)).is_none() {
                                break;
                            }
                            cell.push(c);
                        }
                        Some(c) => cell.push(c),
                        None => return Err(Broken::Open),
                    }
                }
                match chars.next() {
                    None => {
                        out.push(cell);
                        return Ok(out);
                    }
                    Some(c) if c == layout.delimiter => out.push(std::mem::take(&mut cell)),
                    Some(_) => return Err(Broken::Behind),
                }
            }
            Some(c) if c == layout.delimiter => out.push(std::mem::take(&mut cell)),
            Some(c) => cell.push(c),
            None => {
                out.push(cell);
                return Ok(out);
            }
        }
    }
}
