//! MSH read leniently from raw bytes, before anything is decoded.
//!
//! Serves whoever must answer: it needs no charset, because everything that an answer repeats is copied
//! byte by byte. It never judges the message.

use super::parse::are_delimiters;

/// Farthest that MSH is looked for and read. Real ones are under 1 KiB.
pub const MAX_HEADER_BYTES: usize = 64 << 10;

/// Fields of MSH that are read; HL7 v2.9 has 25.
const MAX_FIELDS: usize = 32;

/// What an answer needs of MSH. Text outside ASCII shows as `\xHH`; answers copy the bytes themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// MSH-3, whole.
    pub sending_application: String,
    /// MSH-4, whole.
    pub sending_facility: String,
    /// MSH-5, whole.
    pub receiving_application: String,
    /// MSH-6, whole.
    pub receiving_facility: String,
    /// MSH-7.
    pub time: String,
    /// MSH-9, whole: `ADT^A08^ADT_A01` with the message's own delimiters.
    pub message_type: String,
    /// MSH-9.2.
    pub trigger: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-11.
    pub processing_id: String,
    /// MSH-12.
    pub version: String,
    /// MSH-15: when the sender wants an accept acknowledgment: `AL`, `NE`, `ER`, `SU` or empty.
    pub accept_ack: String,
    /// MSH-16: the same for the application acknowledgment.
    pub application_ack: String,
    /// MSH-18, whole.
    pub charset: String,
    /// The fields as bytes, from MSH-1.
    fields: Vec<Vec<u8>>,
}

impl Header {
    /// A field as bytes by its number.
    pub fn field(&self, number: usize) -> &[u8] {
        number.checked_sub(1).and_then(|index| self.fields.get(index)).map_or(b"", Vec::as_slice)
    }

    /// Whether the sender asks for enhanced mode: MSH-15 or MSH-16 is valued.
    pub fn is_enhanced(&self) -> bool {
        is_valued(&self.accept_ack) || is_valued(&self.application_ack)
    }
}

/// Whether a field says something: it is not empty and not the explicit null `""`.
pub fn is_valued(field: &str) -> bool {
    !matches!(field.trim(), "" | "\"\"")
}

/// Reads MSH; `None` where there is none, where its delimiters are none that a message can be parsed by,
/// or where it is so long that MSH-10 is not reached.
pub fn read(bytes: &[u8]) -> Option<Header> {
    let whole = bytes.len() <= MAX_HEADER_BYTES;
    let bytes = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let start = find(bytes)?;
    let line = &bytes[start..];
    let end = line.iter().position(|b| *b == b'\r' || *b == b'\n');
    let line = &line[..end.unwrap_or(line.len())];
    let separator = separator(&line[3..])?;
    let rest = &line[3 + separator.len()..];
    let fields = Fields::read(rest, separator);
    if !declares_delimiters(separator, fields.get(2)) || !whole && end.is_none() && fields.0.len() <= 10 {
        return None;
    }
    let component = leading_char(fields.get(2));
    let shown = |number: usize| show(fields.get(number));
    Some(Header {
        sending_application: shown(3),
        sending_facility: shown(4),
        receiving_application: shown(5),
        receiving_facility: shown(6),
        time: shown(7),
        message_type: shown(9),
        trigger: fields.component(9, component, 1).map_or_else(String::new, show),
        control_id: shown(10),
        processing_id: shown(11),
        version: shown(12),
        accept_ack: shown(15),
        application_ack: shown(16),
        charset: shown(18),
        fields: fields.0.into_iter().map(<[u8]>::to_vec).collect(),
    })
}

/// What bytes may hide a separator. Which of them MSH is in cannot be told from its label alone, which may
/// be wrong and is itself behind separators.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Reading {
    /// Two-byte runs of ISO-2022 are stepped over.
    runs: bool,
    /// Two-byte characters of CP932 are.
    trails: bool,
    /// Here a separator separates for all that: what was cut off before it would have hidden it.
    splits_at: Option<usize>,
}

/// The readings that can differ, the likelier first.
fn readings(bytes: &[u8], separator: &[u8]) -> Vec<Reading> {
    let escapes = bytes.contains(&0x1B);
    // UTF-8 and EUC-JP have no byte below 0x80 inside a character; only CP932 has, as the second one.
    let hidden = |pair: &[u8]| is_cp932_lead(pair[0]) && separator.first() == Some(&pair[1]);
    let trails = bytes.windows(2).any(hidden);
    [(true, false), (true, true), (false, false), (false, true)]
        .into_iter()
        .filter(|reading| (escapes || reading.0) && (trails || !reading.1))
        .map(|(runs, trails)| Reading { runs, trails, splits_at: None })
        .collect()
}

fn is_cp932_lead(byte: u8) -> bool {
    matches!(byte, 0x81..=0x9F | 0xE0..=0xFC)
}

/// [`Fields::plausibility`] of an MSH without a flaw.
const PLAUSIBLE: u32 = 13;

/// The fields of MSH, from MSH-1.
struct Fields<'a>(Vec<&'a [u8]>);

impl<'a> Fields<'a> {
    /// Splits in the way after which the fields look most like those of an MSH.
    fn read(rest: &'a [u8], separator: &'a [u8]) -> Self {
        let readings = readings(rest, separator);
        let mut best = Self::split(rest, separator, readings[0]);
        let mut judge = |reading: Reading| {
            let other = Self::split(rest, separator, reading);
            if other.plausibility() > best.plausibility() {
                best = other;
            }
            best.plausibility() == PLAUSIBLE
        };
        if readings.iter().any(|reading| judge(*reading)) {
            return best;
        }
        // None is perfect: a run of two-byte characters, or one of them, may have been cut off.
        let separators = (0..rest.len()).filter(|at| rest[*at..].starts_with(separator));
        for splits_at in separators.take(MAX_FIELDS).map(Some) {
            for reading in readings.iter().filter(|_| readings.len() > 1) {
                if judge(Reading { splits_at, ..*reading }) {
                    return best;
                }
            }
        }
        best
    }

    fn split(rest: &'a [u8], separator: &'a [u8], reading: Reading) -> Self {
        Self(std::iter::once(separator).chain(split(rest, separator, reading)).take(MAX_FIELDS).collect())
    }

    fn get(&self, number: usize) -> &'a [u8] {
        number.checked_sub(1).and_then(|index| self.0.get(index)).copied().unwrap_or_default()
    }

    fn component(&self, number: usize, separator: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let plain = Reading { runs: true, ..Reading::default() };
        split(self.get(number), separator, plain).nth(index)
    }

    /// How much the fields look like those of an MSH: a field split in two, or two that were not split,
    /// moves all that follow.
    fn plausibility(&self) -> u32 {
        let component = leading_char(self.get(2));
        let first = |number: usize| self.component(number, component, 0).unwrap_or_default();
        let is_code = |code: &[u8]| {
            code.len() == 3
                && code[0].is_ascii_uppercase()
                && code.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        };
        let time = self.get(7);
        let version = first(12);
        // HL7 table 0155.
        let is_condition =
            |number: usize| matches!(self.get(number), b"" | b"\"\"" | b"AL" | b"NE" | b"ER" | b"SU");
        [
            (1, time.len() >= 8 && time[..8].iter().all(u8::is_ascii_digit)),
            (3, is_code(first(9))),
            (1, self.component(9, component, 1).is_some_and(is_code)),
            (1, !self.get(10).is_empty()),
            // HL7 tables 0103 and 0104.
            (2, matches!(first(11), b"P" | b"T" | b"D")),
            (3, version.starts_with(b"2.") && version.iter().all(|b| b.is_ascii_digit() || *b == b'.')),
            (1, is_condition(15)),
            (1, is_condition(16)),
        ]
        .into_iter()
        .filter(|(_, holds)| *holds)
        .map(|(weight, _)| weight)
        .sum()
    }
}

/// Whether MSH-1 and MSH-2 are delimiters by which a message can be parsed. Bytes that are not UTF-8 are
/// judged one by one: `¥` is one byte in ISO 8859-1.
fn declares_delimiters(separator: &[u8], declared: &[u8]) -> bool {
    let chars = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().collect::<Vec<_>>(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    let separator = chars(separator);
    separator.len() == 1 && are_delimiters(separator[0], &chars(declared)).is_ok()
}

fn find(bytes: &[u8]) -> Option<usize> {
    let header = |at: &usize| bytes[*at..].starts_with(b"MSH") && separator(&bytes[at + 3..]).is_some();
    let line_start = |at: &usize| *at == 0 || matches!(bytes[at - 1], b'\r' | b'\n' | 0x0B | 0x1C | 0xBF);
    let candidates = || (0..bytes.len().saturating_sub(3)).filter(header);
    candidates().find(line_start).or_else(|| candidates().next())
}

fn separator(rest: &[u8]) -> Option<&[u8]> {
    let c = leading_char(rest);
    let first = *c.first()?;
    (c.len() > 1 || first.is_ascii_graphic() && !first.is_ascii_alphanumeric()).then_some(c)
}

/// The bytes of the first character, for a delimiter outside ASCII in UTF-8.
fn leading_char(bytes: &[u8]) -> &[u8] {
    let length = match bytes.first() {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(_) => 1,
        None => 0,
    };
    &bytes[..length.min(bytes.len())]
}

/// Splits at a separator, but not inside what the reading steps over.
fn split<'a>(bytes: &'a [u8], separator: &'a [u8], reading: Reading) -> impl Iterator<Item = &'a [u8]> {
    let (mut rest, mut from) = (Some(bytes), 0);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (mut at, mut two_byte) = (0, false);
        let is_forced = |at: usize| reading.splits_at == Some(from + at);
        // Most bytes are ASCII, separate nothing and begin nothing.
        let is_plain = |byte: &u8| byte.is_ascii() && *byte != 0x1B && separator.first() != Some(byte);
        while at < bytes.len() {
            if !two_byte && reading.splits_at.is_none() && is_plain(&bytes[at]) {
                at += 1;
                continue;
            }
            let here = &bytes[at..];
            let pair = if is_forced(at + 1) { 1 } else { 2 };
            if is_forced(at) {
                two_byte = false;
            }
            if reading.runs && here.starts_with(b"\x1b$") {
                two_byte = true;
                at += if matches!(here.get(2), Some(b'(')) { 4 } else { 3 };
            } else if reading.runs && here[0] == 0x1B {
                two_byte = false;
                at += 3;
            } else if two_byte {
                at += pair;
            } else if here.starts_with(separator) {
                rest = Some(&bytes[at + separator.len()..]);
                from += at + separator.len();
                return Some(&bytes[..at]);
            } else if reading.trails && is_cp932_lead(here[0]) {
                at += pair;
            } else {
                at += 1;
            }
        }
        rest = None;
        Some(bytes)
    })
}

fn show(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if (0x20..0x7F).contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("\\x{byte:02X}"));
        }
    }
    out
}

/// The component separator that MSH-2 declares.
pub(super) fn component(header: &Header) -> &[u8] {
    leading_char(header.field(2))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_header_is_read_from_bytes_of_any_charset() {
        let sjis =
            b"\x0bMSH|^~\\&|\x95\x5C\x94\x7C|B|C|D|20|s|ADT^A40^X|id\x8e\x7c|P|2.5|||AL|NE||Shift_JIS\r";
        let header = read(sjis).unwrap();
        assert_eq!(header.field(3), b"\x95\x5C\x94\x7C");
        assert_eq!(header.sending_facility, "B");
        assert_eq!((header.message_type.as_str(), header.trigger.as_str()), ("ADT^A40^X", "A40"));
        assert_eq!(header.control_id, "id\\x8E|");
        assert_eq!(header.field(10), b"id\x8e\x7c");
        assert_eq!((header.accept_ack.as_str(), header.application_ack.as_str()), ("AL", "NE"));
        assert_eq!(header.charset, "Shift_JIS");
        assert!(header.is_enhanced());
        let euc = read(b"MSH|^~\\&|\xA4\xA2|x").unwrap();
        assert_eq!(euc.field(4), b"x");
        assert!(!euc.is_enhanced());
        // 番号 in MSH-13 holds the byte of a delimiter's neighbour; 0x7C inside a run separates nothing.
        let jis = read(b"junk\rMSH|^~\\&|\x1b$B%|%|\x1b(B|x|\rPID").unwrap();
        assert_eq!(
            (jis.field(3), jis.field(4), jis.field(6)),
            (&b"\x1b$B%|%|\x1b(B"[..], &b"x"[..], &b""[..])
        );
    }

    /// MSH with something in MSH-3 and MSH-18: everything else must stand in its field.
    #[track_caller]
    fn check_damaged(application: &[u8], label: &str) {
        let rest = format!("|H|GW|R|20260101120000||ADT^A08^ADT_A01|UTFT|P|2.5|||AL|NE||{label}\rPID|1\r");
        let header = read(&[b"MSH|^~\\&|", application, rest.as_bytes()].concat()).unwrap();
        assert_eq!(header.field(3), application);
        assert_eq!(header.sending_facility, "H");
        assert_eq!((header.message_type.as_str(), header.trigger.as_str()), ("ADT^A08^ADT_A01", "A08"));
        assert_eq!((header.control_id.as_str(), header.version.as_str()), ("UTFT", "2.5"));
        assert_eq!((header.accept_ack.as_str(), header.charset.as_str()), ("AL", label));
    }

    #[test]
    fn the_control_id_is_msh_10_whatever_is_broken_before_it() {
        for cut in 1..6 {
            check_damaged(&"病院".as_bytes()[..cut], "UNICODE UTF-8");
        }
        for latin in [&b"Jos\xE9"[..], b"Z\xFCrich\xE0"] {
            check_damaged(latin, "8859/1");
        }
        // EUC-JP that ends in SS2, and in the first byte of a kanji.
        check_damaged(b"\xA5\xBD\x8E", "EUC-JP");
        check_damaged(b"\xC3\xE6\xB1\xFB\xC9\xC2\xB1", "EUC-JP");
        // A run of ISO-2022-JP that nothing closes.
        check_damaged(b"\x1b$B;3ED", "~ISO IR87");
        // Characters of CP932 whose second byte is the separator's: ポ is 83 7C, 培 is 94 7C.
        check_damaged(b"\x83\x7C\x94\x7C", "Shift_JIS");
        check_damaged(b"\x83\x7C\x94\x7C", "");
        check_damaged(b"\x1b$B%|%^\x1b(B", "~ISO IR87");
    }

    /// Any text of JIS X 0208 before it, in any encoding, whole or cut at a byte.
    #[test]
    fn the_control_id_is_msh_10_behind_any_text() {
        use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS, UTF_8};
        let mut random = crate::trial::Random::new(7);
        for round in 0..4000 {
            let text: String = (0..1 + random.below(8))
                .filter_map(|_| {
                    let code = [0xA4 + random.below(80) as u8, 0xA1 + random.below(94) as u8];
                    EUC_JP.decode_without_bom_handling_and_without_replacement(&code)?.chars().next()
                })
                .collect();
            let (encoding, labels) = [
                (UTF_8, ["UNICODE UTF-8", "", "~ISO IR87"]),
                (EUC_JP, ["EUC-JP", "", "~ISO IR87"]),
                (SHIFT_JIS, ["Shift_JIS", "", "~ISO IR87"]),
                (ISO_2022_JP, ["~ISO IR87", "", "UNICODE UTF-8"]),
            ][round % 4];
            let bytes = encoding.encode(&text).0;
            let cut = if round % 8 < 4 { bytes.len() } else { random.below(bytes.len() + 1) };
            let label = labels[random.below(3)];
            let rest = format!("|H|GW|R|20260101120000||ADT^A08|ID-7|P|2.5||||||{label}\r");
            let header = read(&[b"MSH|^~\\&|", &bytes[..cut], rest.as_bytes()].concat()).unwrap();
            assert_eq!(header.control_id, "ID-7", "{:02X?} {}", &bytes[..cut], encoding.name());
        }
    }

    #[test]
    fn a_header_that_does_not_reach_its_control_id_is_none() {
        let long = |length: usize| {
            [b"MSH|^~\\&|".to_vec(), vec![b'A'; length], b"|H|GW|R|20260101||ADT^A08|C1|P|2.5".to_vec()]
                .concat()
        };
        assert_eq!(read(&long(60 << 10)).unwrap().control_id, "C1");
        assert!(read(&long(64 << 10)).is_none());
    }

    #[test]
    fn null_asks_for_no_answer_mode() {
        for (accept, application, enhanced) in
            [("", "", false), ("\"\"", "\"\"", false), ("AL", "", true), ("\"\"", "NE", true)]
        {
            let message = format!("MSH|^~\\&|||||||ADT^A08|1|P|2.5|||{accept}|{application}");
            assert_eq!(read(message.as_bytes()).unwrap().is_enhanced(), enhanced, "{message}");
        }
    }

    #[test]
    fn a_header_is_readable_where_its_delimiters_are() {
        let tail = "A|B|C|D|20260101||ADT^A08|DUP1|P|2.5\r";
        for (declared, readable) in [
            ("^~\\&", true),
            ("^~\\&#", true),
            ("^~¥&", true),
            ("^", true),
            ("^^~&", false),
            ("abcd", false),
            ("^ \\&", false),
            ("^~\\&#!", false),
            ("^~\"&", false),
            ("", false),
        ] {
            let message = format!("MSH|{declared}|{tail}");
            assert_eq!(read(message.as_bytes()).is_some(), readable, "{declared}");
            // The parser says the same.
            assert_eq!(crate::hl7v2::Message::parse(message).is_ok(), readable, "{declared}");
        }
    }

    #[test]
    fn what_declares_no_delimiters_is_no_header() {
        for bytes in [&b""[..], b"MSH", b"MSH|", b"MSH||", b"PID|1", b"MSHA^", b"\xFB\xFC"] {
            assert!(read(bytes).is_none(), "{bytes:?}");
        }
    }
}
