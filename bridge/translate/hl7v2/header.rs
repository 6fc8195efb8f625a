//! MSH read leniently from raw bytes, before anything is decoded.
//!
//! Serves whoever must answer: it needs no charset, because everything that an answer repeats is copied
//! byte by byte. It never judges the message.

/// Farthest that MSH is looked for and read. Real ones are under 1 KiB.
pub const MAX_HEADER_BYTES: usize = 16 << 10;

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
        !(self.accept_ack.is_empty() && self.application_ack.is_empty())
    }
}

/// Reads MSH; `None` where there is none, or where it declares no delimiters.
pub fn read(bytes: &[u8]) -> Option<Header> {
    let bytes = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let start = find(bytes)?;
    let line = &bytes[start..];
    let line = &line[..line.iter().position(|b| *b == b'\r' || *b == b'\n').unwrap_or(line.len())];
    let separator = separator(&line[3..])?;
    let mut fields = vec![separator.to_vec()];
    fields.extend(split(&line[3 + separator.len()..], separator).map(<[u8]>::to_vec));
    if fields[1].is_empty() || fields[1].len() > 12 {
        return None;
    }
    let component = leading_char(&fields[1]).to_vec();
    let shown = |number: usize| fields.get(number - 1).map_or_else(String::new, |field| show(field));
    let trigger = fields.get(8).and_then(|f| split(f, &component).nth(1)).map_or_else(String::new, show);
    Some(Header {
        sending_application: shown(3),
        sending_facility: shown(4),
        receiving_application: shown(5),
        receiving_facility: shown(6),
        time: shown(7),
        message_type: shown(9),
        trigger,
        control_id: shown(10),
        processing_id: shown(11),
        version: shown(12),
        accept_ack: shown(15),
        application_ack: shown(16),
        charset: shown(18),
        fields,
    })
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

/// Splits at a separator outside two-byte runs of ISO-2022 and two-byte characters of CP932.
fn split<'a>(bytes: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    // UTF-8 and EUC-JP have no byte below 0x80 inside a character.
    let trails = std::str::from_utf8(bytes).is_err() && !crate::charset::detect::is_euc_jp(bytes);
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (mut at, mut two_byte) = (0, false);
        while at < bytes.len() {
            let here = &bytes[at..];
            if here.starts_with(b"\x1b$") {
                two_byte = true;
                at += if matches!(here.get(2), Some(b'(')) { 4 } else { 3 };
            } else if here[0] == 0x1B {
                two_byte = false;
                at += 3;
            } else if two_byte {
                at += 2;
            } else if here.starts_with(separator) {
                rest = Some(&bytes[at + separator.len()..]);
                return Some(&bytes[..at]);
            } else if trails && matches!(here[0], 0x81..=0x9F | 0xE0..=0xFC) {
                at += 2;
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

    #[test]
    fn what_declares_no_delimiters_is_no_header() {
        for bytes in [&b""[..], b"MSH", b"MSH|", b"MSH||", b"PID|1", b"MSHA^", b"\xFB\xFC"] {
            assert!(read(bytes).is_none(), "{bytes:?}");
        }
    }
}
