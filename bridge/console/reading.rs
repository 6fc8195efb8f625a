//! What a person typed into the search box: a patient, a control ID, an order, a file, a receipt number.
//!
//! Told by its form alone; where several are possible they are tried in order and the page says which it was.

use crate::store::MessageId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The number that this appliance gave the message.
    Receipt,
    /// PID-3, however it is padded.
    Patient,
    /// MSH-10.
    Control,
    /// ORC-2 or OBR-2.
    Order,
    /// A file of a storage.
    File,
}

impl Reading {
    /// Every reading, in the order of the menu.
    pub const ALL: [Self; 5] = [Self::Patient, Self::Control, Self::Order, Self::File, Self::Receipt];

    /// Its word in addresses, and the end of its key in the words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Patient => "patient",
            Self::Control => "control",
            Self::Order => "order",
            Self::File => "file",
        }
    }

    /// The reading of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reading| reading.word() == word)
    }

    /// The key of its words.
    pub fn key(self) -> &'static str {
        match self {
            Self::Receipt => "read.receipt",
            Self::Patient => "read.patient",
            Self::Control => "read.control",
            Self::Order => "read.order",
            Self::File => "read.file",
        }
    }
}

/// The text as it is looked for: full-width letters and digits made half-width, spaces taken off and, between
/// digits, out.
pub fn tidy(text: &str) -> String {
    let narrow: String = text
        .chars()
        .map(|c| match c {
            '！'..='～' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            '\u{3000}' | '\u{a0}' | '\t' => ' ',
            '−' | '‐' | '‑' | '–' => '-',
            _ => c,
        })
        .filter(|c| !c.is_control() && !('\u{200b}'..='\u{200f}').contains(c) && *c != '\u{feff}')
        .collect();
    let narrow = narrow.trim();
    if narrow.chars().all(|c| c.is_ascii_digit() || c == ' ') {
        return narrow.replace(' ', "");
    }
    narrow.to_owned()
}

/// Longest number that is first taken for a patient's: SS-MIX2 ids have ten digits at most in practice.
const PATIENT_DIGITS: usize = 12;

/// How a tidy text may be read, the likeliest first.
pub fn readings(tidy: &str) -> Vec<Reading> {
    use Reading::{Control, File, Order, Patient, Receipt};
    let digits = !tidy.is_empty() && tidy.bytes().all(|b| b.is_ascii_digit());
    if receipt(tidy).is_some() {
        return vec![Receipt, Control, Order, Patient];
    }
    if digits && tidy.len() <= PATIENT_DIGITS {
        return vec![Patient, Order, Control];
    }
    if digits {
        return vec![Control, Order, Patient];
    }
    // 患者ID_診療日_データ種別_オーダ番号_発生日時_診療科_フラグ
    if tidy.split('_').count() >= 6 || tidy.contains('/') {
        return vec![File, Control];
    }
    vec![Control, Order, Patient, File]
}

/// A receipt number: alone, or with the facility in front as in the address of a message.
pub fn receipt(text: &str) -> Option<(Option<String>, MessageId)> {
    let (facility, number) = match text.rsplit_once(['-', '/']) {
        Some((facility, number)) => (Some(facility.to_owned()), number),
        None => (None, text),
    };
    if number.len() != 17 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let id: MessageId = number.parse().ok()?;
    let (month, day) = (id.day() / 100 % 100, id.day() % 100);
    let year = id.day() / 10_000;
    let is_day = (2000..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    // No facility has a hundred million messages a day: a longer number is somebody else's.
    (is_day && id.row() > 0 && id.row() < 100_000_000).then_some((facility, id))
}

/// Widths to which ids are padded.
const WIDTHS: std::ops::RangeInclusive<usize> = 2..=20;

/// The ways in which a patient's id may be kept: as the facility writes it, as typed, and with other zeros in
/// front.
pub fn patient_ids(tidy: &str, normalise: impl Fn(&str) -> String) -> Vec<String> {
    let mut ids = vec![normalise(tidy), tidy.to_owned()];
    if tidy.bytes().all(|b| b.is_ascii_digit()) {
        let bare = tidy.trim_start_matches('0');
        if !bare.is_empty() {
            ids.push(bare.to_owned());
            ids.extend(WIDTHS.filter(|width| *width > bare.len()).map(|width| format!("{bare:0>width$}")));
        }
    }
    let mut once: Vec<String> = Vec::new();
    for id in ids {
        if !once.contains(&id) {
            once.push(id);
        }
    }
    once
}

/// What sessions have typed. It may name a patient, so an address holds a keyed hash in its place.
#[derive(Debug, Default)]
pub struct Searches(Mutex<HashMap<(String, String), (u64, String)>>);

/// Searches kept; the oldest is forgotten first, and its page asks for the text again.
const KEPT: usize = 10_000;

impl Searches {
    /// Keeps a text of a session under its hash.
    pub fn keep(&self, session: &str, hash: &str, text: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = kept.values().map(|(turn, _)| *turn).max().unwrap_or_default() + 1;
        if kept.len() >= KEPT
            && let Some(first) = kept.iter().min_by_key(|(_, (turn, _))| *turn).map(|(key, _)| key.clone())
        {
            kept.remove(&first);
        }
        kept.insert((session.to_owned(), hash.to_owned()), (turn, text.to_owned()));
    }

    /// The text of a hash, for the session that typed it.
    pub fn text(&self, session: &str, hash: &str) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&(session.to_owned(), hash.to_owned())).map(|(_, text)| text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, Searches, patient_ids, readings, receipt, tidy};
    use crate::store::MessageId;

    #[test]
    fn the_form_tells_what_was_typed() {
        let check = |typed: &str, tidied: &str, first: Reading| {
            assert_eq!(tidy(typed), tidied, "{typed:?}");
            assert_eq!(readings(tidied)[0], first, "{typed:?}");
        };
        check("12345", "12345", Reading::Patient);
        check("  0000012345 ", "0000012345", Reading::Patient);
        check("００１２３４５", "0012345", Reading::Patient);
        check("0000 0123 45", "0000012345", Reading::Patient);
        check("　１２　３４５\t", "12345", Reading::Patient);
        check("12345\u{200b}\r\n", "12345", Reading::Patient);
        check("20261120000482", "20261120000482", Reading::Control);
        check("20261120000000482", "20261120000000482", Reading::Receipt);
        check("1319999999-20261120000000482", "1319999999-20261120000000482", Reading::Receipt);
        check("20261399000000482", "20261399000000482", Reading::Control);
        check("MSG-0001", "MSG-0001", Reading::Control);
        check("ＭＳＧ０００１", "MSG0001", Reading::Control);
        check(
            "0001_20240401_OML-11_O1_20240401083000000_01_1",
            "0001_20240401_OML-11_O1_20240401083000000_01_1",
            Reading::File,
        );
    }

    #[test]
    fn a_receipt_number_may_carry_its_facility() {
        let id = MessageId(20_261_120_000_000_482);
        assert_eq!(receipt("20261120000000482"), Some((None, id)));
        assert_eq!(receipt("13-9-20261120000000482"), Some((Some("13-9".into()), id)));
        assert_eq!(receipt("20261120000000000"), None);
        assert_eq!(receipt("20261120999999999"), None);
    }

    #[test]
    fn zeros_in_front_do_not_matter() {
        let ids = patient_ids("00123", |id| id.to_owned());
        for form in ["00123", "123", "0123", "0000000123", "00000000000000000123"] {
            assert!(ids.iter().any(|id| id == form), "{form}");
        }
        assert_eq!(patient_ids("A-1", |id| id.to_lowercase()), ["a-1", "A-1"]);
        assert_eq!(patient_ids("000", |id| id.to_owned()), ["000"]);
    }

    #[test]
    fn a_search_belongs_to_its_session() {
        let searches = Searches::default();
        searches.keep("s", "h", "12345");
        assert_eq!(searches.text("s", "h").as_deref(), Some("12345"));
        assert_eq!(searches.text("t", "h"), None);
    }
}
