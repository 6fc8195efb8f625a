//! A consent list as a file: CSV of patient id, first day, last day and a remark. Bytes in, rows or findings out.
//!
//! One bad row refuses the whole file: half a list would share or withdraw by accident. Findings name rows and never
//! a patient; remarks are read over and kept nowhere.

use crate::store::{ConsentRow, FOREVER, half_width};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::identity::sha256_hex;
use renkei_translate::translation::PatientIdRule;
use std::collections::HashMap;

/// Largest list taken: half a million patients.
pub const MAX_LIST_BYTES: usize = 16 << 20;
/// Findings that are kept of one file; the number of bad rows goes on.
const MAX_FINDINGS: usize = 200;
/// Patient ids longer than this are no ids.
const MAX_ID: usize = 64;
/// Patient id, from, until, remark.
const COLUMNS: usize = 4;
/// First cells of a header, in small half-width letters without spaces.
const HEADERS: [&str; 9] = [
    "患者id",
    "患者番号",
    "患者コード",
    "id",
    "patient",
    "patientid",
    "patient_id",
    "patient-id",
    "patientnumber",
];

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct List {
    /// Its patients, where no row is bad.
    pub rows: Vec<ConsentRow>,
    /// `UTF-8`, `UTF-8 BOM` or `CP932`.
    pub encoding: &'static str,
    /// SHA-256 of its bytes, hexadecimal.
    pub hash: String,
    /// Whether its first row is a header.
    pub header: bool,
    /// What is wrong with it, by row.
    pub findings: Vec<Finding>,
    /// Rows that are wrong.
    pub bad: u64,
}

impl List {
    fn wrong(&mut self, finding: Finding) {
        self.bad += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// Whether it may be taken in.
    pub fn is_good(&self) -> bool {
        self.bad == 0
    }
}

/// Reads a list; ids as the facility's rule writes them.
pub fn parse(bytes: &[u8], rule: &PatientIdRule) -> List {
    let hash = sha256_hex(bytes);
    let mut list = List { rows: Vec::new(), encoding: "", hash, header: false, findings: Vec::new(), bad: 0 };
    if bytes.len() > MAX_LIST_BYTES {
        list.wrong(Finding::error("consent-too-large", Location::default()));
        return list;
    }
    let Some((text, encoding)) = decode(bytes) else {
        list.wrong(Finding::error("consent-encoding", Location::default()));
        return list;
    };
    list.encoding = encoding;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut first = true;
    for record in reader.records() {
        // Text is UTF-8 and rows may differ in length: nothing of a CSV is left that could fail.
        let Ok(record) = record else {
            list.wrong(Finding::error("consent-columns", Location::default()));
            break;
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<String> = record.iter().map(clean).collect();
        if std::mem::take(&mut first) && is_header(&cells) {
            list.header = true;
            continue;
        }
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let at = || Location::at(format!("line {line}"));
        match row(&cells, rule) {
            Err(code) => list.wrong(Finding::error(code, at())),
            Ok(row) => match lines.insert(row.patient.clone(), line) {
                Some(before) => {
                    let finding = Finding::error("consent-twice", at());
                    list.wrong(finding.detail(format!("line {before}")));
                }
                None => list.rows.push(row),
            },
        }
    }
    if list.rows.is_empty() && list.bad == 0 {
        list.wrong(Finding::error("consent-empty", Location::default()));
    }
    if !list.is_good() {
        list.rows.clear();
    }
    list
}

/// UTF-8 with or without a mark, else CP932; nothing else, and nothing that does not decode whole.
fn decode(bytes: &[u8]) -> Option<(String, &'static str)> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return Some((std::str::from_utf8(rest).ok()?.to_owned(), "UTF-8 BOM"));
    }
    // UTF-16 and a binary file have NULs, a CSV has none.
    if bytes.contains(&0) {
        return None;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some((text.to_owned(), "UTF-8"));
    }
    let text = encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some((text.into_owned(), "CP932"))
}

fn clean(cell: &str) -> String {
    cell.chars().map(half_width).collect::<String>().trim().to_owned()
}

fn is_header(cells: &[String]) -> bool {
    let first = cells.first().map(String::as_str).unwrap_or_default();
    let word: String = first.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    HEADERS.contains(&word.as_str())
}

fn row(cells: &[String], rule: &PatientIdRule) -> Result<ConsentRow, &'static str> {
    if cells.iter().skip(COLUMNS).any(|cell| !cell.is_empty()) {
        return Err("consent-columns");
    }
    let id = cells.first().map(String::as_str).unwrap_or_default();
    // Letters and digits of any script, and what hospitals write between them: a list with another separator must not
    // become a list of other patients.
    let plain = |c: char| c.is_alphanumeric() || "-_.#*/".contains(c);
    if id.is_empty() || id.chars().count() > MAX_ID || !id.chars().all(plain) {
        return Err("consent-patient");
    }
    let date = |at: usize, open: u32| match cells.get(at).map(String::as_str).unwrap_or_default() {
        "" => Some(open),
        text => day(text),
    };
    let (Some(from_day), Some(until_day)) = (date(1, 0), date(2, FOREVER)) else {
        return Err("consent-date");
    };
    if from_day > until_day {
        return Err("consent-period");
    }
    Ok(ConsentRow { patient: rule.normalise(id), from_day, until_day })
}

/// `2026-04-01`, `2026/4/1` or `20260401`.
fn day(text: &str) -> Option<u32> {
    let (year, month, day): (i32, u32, u32) = match text.split(['-', '/']).collect::<Vec<_>>()[..] {
        [whole] if whole.len() == 8 && whole.bytes().all(|byte| byte.is_ascii_digit()) => {
            (whole[..4].parse().ok()?, whole[4..6].parse().ok()?, whole[6..].parse().ok()?)
        }
        [year, month, day] if year.len() == 4 => (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?),
        _ => return None,
    };
    chrono::NaiveDate::from_ymd_opt(year, month, day)?.format("%Y%m%d").to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> PatientIdRule {
        PatientIdRule { width: 5, strip: String::new() }
    }

    fn rows(list: &List) -> Vec<(&str, u32, u32)> {
        list.rows.iter().map(|row| (row.patient.as_str(), row.from_day, row.until_day)).collect()
    }

    fn wrong(text: &str, expected: &[(&str, &str)]) {
        let list = parse(text.as_bytes(), &rule());
        let found: Vec<_> =
            list.findings.iter().map(|f| (f.location.position.as_str(), f.code.as_ref())).collect();
        assert_eq!(found, expected, "{text:?}");
        assert!(list.rows.is_empty() && !list.is_good());
    }

    #[test]
    fn a_list_is_read_with_or_without_a_header_and_days() {
        let text = "患者ID,開始日,終了日,備考\r\n1,2026-04-01,2027-03-31,\"a\nb\"\r\n２２,2026/4/1,,\r\n\r\n333\r\n,,,\r\n4,,20261231\r\n";
        let expected = [
            ("00001", 20_260_401, 20_270_331),
            ("00022", 20_260_401, FOREVER),
            ("00333", 0, FOREVER),
            ("00004", 0, 20_261_231),
        ];
        let list = parse(text.as_bytes(), &rule());
        assert_eq!((rows(&list), list.encoding, list.header), (expected.to_vec(), "UTF-8", true));
        let marked = parse(format!("\u{feff}{text}").as_bytes(), &rule());
        assert_eq!((rows(&marked), marked.encoding), (expected.to_vec(), "UTF-8 BOM"));
        let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(text);
        let list = parse(&cp932, &rule());
        assert_eq!((rows(&list), list.encoding), (expected.to_vec(), "CP932"));
        let bare = parse(b"7,,\n8,,\n", &rule());
        assert_eq!((rows(&bare).len(), bare.header), (2, false));
    }

    #[test]
    fn every_bad_row_is_named_and_none_is_taken() {
        wrong(
            "id,from,until\n1,2026-02-30,\n,2026-01-01,\n2,2026-02-01,2026-01-01\n3,,\n0003,,\n4,,,x,y\n5,soon,\n",
            &[
                ("line 2", "consent-date"),
                ("line 3", "consent-patient"),
                ("line 4", "consent-period"),
                ("line 6", "consent-twice"),
                ("line 7", "consent-columns"),
                ("line 8", "consent-date"),
            ],
        );
        // Another separator is not a list of other patients.
        wrong("1;2026-04-01\n", &[("line 1", "consent-patient")]);
        wrong(
            "患者ID;開始日\n1;2026-04-01\n",
            &[("line 1", "consent-patient"), ("line 2", "consent-patient")],
        );
        // A row that is no header and no patient's is not taken for one.
        wrong("氏名 ,開始\n1,,\n", &[("line 1", "consent-date")]);
    }

    #[test]
    fn an_empty_file_withdraws_nobody() {
        wrong("", &[("", "consent-empty")]);
        wrong("患者番号,開始日\n", &[("", "consent-empty")]);
    }

    #[test]
    fn what_is_no_text_of_ours_is_refused_whole() {
        let utf16: Vec<u8> = "1,,\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [&utf16[..], b"1,\xff\xff\n", b"\xef\xbb\xbf1,\xff\n"] {
            let list = parse(bytes, &rule());
            assert_eq!(list.findings[0].code, "consent-encoding");
        }
        let huge = vec![b'1'; MAX_LIST_BYTES + 1];
        assert_eq!(parse(&huge, &rule()).findings[0].code, "consent-too-large");
    }

    #[test]
    fn a_file_that_is_all_wrong_is_told_of_in_part() {
        let text = "x,y\n".repeat(1_000);
        let list = parse(text.as_bytes(), &rule());
        assert_eq!((list.findings.len(), list.bad), (MAX_FINDINGS, 1_000));
    }
}
