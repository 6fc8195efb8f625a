//! What decoders write to: text, findings, and how well it went.

use super::{GaijiTable, tables};
use crate::finding::{Finding, Location, Severity};

/// Stands for what has no character: U+3013 GETA MARK, as Japanese printing uses it.
pub(super) const GETA: char = '〓';

/// Most findings of one severity in one message: more of the same tell nobody anything.
const MAX_FINDINGS: usize = 100;

/// Collects what a decoder finds.
pub(super) struct Sink<'a> {
    pub(super) text: String,
    pub(super) findings: Vec<Finding>,
    /// Bytes that break the encoding.
    pub(super) broken: usize,
    gaiji: &'a GaijiTable,
    counts: [usize; 2],
    broken_until: Option<usize>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(gaiji: &'a GaijiTable, capacity: usize) -> Self {
        let text = String::with_capacity(capacity);
        Self { text, findings: Vec::new(), broken: 0, gaiji, counts: [0; 2], broken_until: None }
    }

    fn note(&mut self, finding: impl FnOnce() -> Finding, severity: Severity) {
        let count = &mut self.counts[usize::from(severity == Severity::Error)];
        *count += 1;
        if *count <= MAX_FINDINGS {
            self.findings.push(finding());
        }
    }

    pub(super) fn warning(&mut self, code: &'static str, at: usize) {
        self.note(|| Finding::warning(code, Location::byte(at)), Severity::Warning);
    }

    /// Bytes that break the encoding: one finding and one mark for each unbroken stretch of them.
    pub(super) fn broken(&mut self, at: usize, length: usize) {
        self.broken += length;
        if self.broken_until != Some(at) {
            self.text.push(GETA);
            self.note(|| Finding::error("charset-broken", Location::byte(at)), Severity::Error);
        }
        self.broken_until = Some(at + length);
    }

    /// A well-formed code without a character. `codes` are its names in the facility's table, the code as
    /// it stands in the bytes first.
    pub(super) fn without_character(&mut self, at: usize, codes: &[String]) {
        match codes.iter().find_map(|code| self.gaiji.get(code)) {
            Some(text) => self.text.push_str(text),
            None => {
                self.text.push(GETA);
                let detail = codes.first().cloned().unwrap_or_default();
                let finding = || Finding::warning("gaiji-unknown", Location::byte(at)).detail(detail);
                self.note(finding, Severity::Warning);
            }
        }
    }

    /// A single-byte character: control characters other than TAB, LF and CR are left out with a warning.
    pub(super) fn ascii(&mut self, at: usize, byte: u8) {
        match byte {
            b'\t' | b'\n' | b'\r' | 0x20..=0x7E => self.text.push(char::from(byte)),
            _ => self.control(at, u32::from(byte)),
        }
    }

    pub(super) fn control(&mut self, at: usize, code: u32) {
        let finding = || Finding::warning("control-character", Location::byte(at));
        self.note(|| finding().detail(format!("0x{code:02X}")), Severity::Warning);
    }

    /// A code of JIS X 0208 with both bytes 21-7E.
    pub(super) fn jis_x_0208(&mut self, at: usize, row: u8, cell: u8) {
        match tables::jis_x_0208(row, cell) {
            Some(c) => self.text.push(c),
            None => {
                let codes = [hex(&[row, cell]), hex(&tables::cp932_of_jis(row, cell))];
                self.without_character(at, &codes);
            }
        }
    }

    /// A code of JIS X 0212 with both bytes 21-7E; its name in the facility's table is that of EUC-JP.
    pub(super) fn jis_x_0212(&mut self, at: usize, row: u8, cell: u8) {
        match tables::jis_x_0212(row, cell) {
            Some(c) => self.text.push(c),
            None => self.without_character(at, &[hex(&[0x8F, row | 0x80, cell | 0x80])]),
        }
    }

    /// A well-formed two-byte code of CP932.
    pub(super) fn cp932(&mut self, at: usize, lead: u8, trail: u8) {
        match tables::cp932(lead, trail) {
            Some(c) => self.text.push(c),
            None => self.without_character(at, &[hex(&[lead, trail])]),
        }
    }
}

/// Bytes as upper-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
