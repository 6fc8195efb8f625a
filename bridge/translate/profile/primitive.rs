//! Formats of FHIR primitives, by hand: one pass over the bytes, no regular expressions.

use crate::quick;

/// A primitive type of FHIR R4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number from 1.
    PositiveInt,
    /// A whole number from 0.
    UnsignedInt,
    /// A number with its precision.
    Decimal,
    /// Text, not empty and not only white space.
    String,
    /// Text in Markdown.
    Markdown,
    /// Text without white space at the ends or doubled within.
    Code,
    /// 1 to 64 of `A-Z a-z 0-9 - .`.
    Id,
    /// A URI, without white space.
    Uri,
    /// A URL.
    Url,
    /// The canonical URL of a definition, with `|version` allowed.
    Canonical,
    /// `urn:oid:…`.
    Oid,
    /// `urn:uuid:…`.
    Uuid,
    /// Year, month or day.
    Date,
    /// Year, month, day, or a moment with its zone.
    DateTime,
    /// A moment to the second with its zone.
    Instant,
    /// A time of day to the second.
    Time,
    /// Base 64.
    Base64,
    /// An XHTML `div`.
    Xhtml,
}

/// The JSON token that carries a primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// `true`, `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    Text,
}

/// All primitives and their names in FHIR.
pub const ALL: [(&str, Primitive); 20] = [
    ("boolean", Primitive::Boolean),
    ("integer", Primitive::Integer),
    ("positiveInt", Primitive::PositiveInt),
    ("unsignedInt", Primitive::UnsignedInt),
    ("decimal", Primitive::Decimal),
    ("string", Primitive::String),
    ("markdown", Primitive::Markdown),
    ("code", Primitive::Code),
    ("id", Primitive::Id),
    ("uri", Primitive::Uri),
    ("url", Primitive::Url),
    ("canonical", Primitive::Canonical),
    ("oid", Primitive::Oid),
    ("uuid", Primitive::Uuid),
    ("date", Primitive::Date),
    ("dateTime", Primitive::DateTime),
    ("instant", Primitive::Instant),
    ("time", Primitive::Time),
    ("base64Binary", Primitive::Base64),
    ("xhtml", Primitive::Xhtml),
];

impl Primitive {
    /// The primitive of that name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(known, _)| *known == name).map(|(_, primitive)| *primitive)
    }

    /// The name in FHIR.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(_, primitive)| *primitive == self).map_or("", |(name, _)| name)
    }

    /// The JSON token that carries it.
    pub fn token(self) -> Token {
        match self {
            Self::Boolean => Token::Boolean,
            Self::Integer | Self::PositiveInt | Self::UnsignedInt | Self::Decimal => Token::Number,
            _ => Token::Text,
        }
    }

    /// Whether the text is a value of this type. Emptiness is found apart, so an empty text is not judged here.
    pub fn accepts(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Boolean => text == "true" || text == "false",
            Self::Integer => whole(bytes) && text.parse::<i32>().is_ok(),
            Self::PositiveInt => whole(bytes) && text.parse::<i32>().is_ok_and(|n| n >= 1),
            Self::UnsignedInt => whole(bytes) && text.parse::<i32>().is_ok_and(|n| n >= 0),
            Self::Decimal => decimal(bytes),
            // FHIR R4 datatypes, string: no control characters but tab, line feed and carriage return.
            Self::String | Self::Markdown if bytes.first().is_some_and(|b| *b > b' ') && !controls(bytes) => {
                true
            }
            Self::String | Self::Markdown => {
                let (mut solid, mut clean) = (false, true);
                for byte in bytes {
                    solid |= *byte > b' ';
                    clean &= *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r');
                }
                solid && clean
            }
            Self::Code => code(bytes),
            Self::Id => (1..=64).contains(&bytes.len()) && id(bytes),
            Self::Uri | Self::Url | Self::Canonical if graphic(bytes) => true,
            Self::Uri | Self::Url | Self::Canonical => {
                let (good, plain) = bytes.iter().fold((true, true), |(good, plain), b| {
                    (good & (*b > b' ') & (*b != 0x7f), plain & (*b < 0x80))
                });
                good && !bytes.is_empty() && (plain || !text.chars().any(char::is_whitespace))
            }
            Self::Oid => text.strip_prefix("urn:oid:").is_some_and(oid),
            Self::Uuid => text.strip_prefix("urn:uuid:").is_some_and(uuid),
            Self::Date => date(bytes).is_some_and(<[u8]>::is_empty),
            Self::DateTime => match date(bytes) {
                Some([]) => true,
                Some([b'T', rest @ ..]) if bytes.len() - rest.len() == 11 => clock(rest, true),
                _ => false,
            },
            Self::Instant => match date(bytes) {
                Some([b'T', rest @ ..]) if bytes.len() - rest.len() == 11 => clock(rest, true),
                _ => false,
            },
            Self::Time => clock(bytes, false),
            Self::Base64 => {
                !text.trim().is_empty()
                    && bytes.iter().all(|b| {
                        b.is_ascii_alphanumeric()
                            || b.is_ascii_whitespace()
                            || matches!(b, b'+' | b'/' | b'=')
                    })
            }
            Self::Xhtml => text
                .trim_start()
                .strip_prefix("<div")
                .is_some_and(|rest| rest.starts_with(['>', ' ', '\t', '\n', '\r', '/'])),
        }
    }
}

/// Whether there are letters, digits, hyphens and points alone.
fn id(bytes: &[u8]) -> bool {
    let good = |b: u8| ((b | 0x20).wrapping_sub(b'a') < 26) | (b.wrapping_sub(b'-') < 13) & (b != b'/');
    // No early end: the machine takes sixteen bytes at a time. Some at the end are looked at twice.
    let all = |bytes: &[u8]| bytes.iter().fold(true, |all, b| all & good(*b));
    match bytes.last_chunk::<16>() {
        Some(last) => all(last) && bytes.as_chunks::<16>().0.iter().all(|block| all(block)),
        None => all(bytes),
    }
}

/// Whether there are control characters of ASCII other than DEL.
fn controls(bytes: &[u8]) -> bool {
    !quick::nowhere(bytes, |word| quick::below(word, b' '))
}

/// Whether it is of ASCII alone, without space and control characters, and not empty.
fn graphic(bytes: &[u8]) -> bool {
    !bytes.is_empty() && quick::nowhere(bytes, quick::is_hidden)
}

fn whole(bytes: &[u8]) -> bool {
    match bytes.strip_prefix(b"-").unwrap_or(bytes) {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn decimal(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let digits = |b: &[u8]| b.iter().take_while(|d| d.is_ascii_digit()).count();
    let before = digits(bytes);
    if before == 0 || (before > 1 && bytes[0] == b'0') {
        return false;
    }
    let mut rest = &bytes[before..];
    if let [b'.', after @ ..] = rest {
        let n = digits(after);
        if n == 0 {
            return false;
        }
        rest = &after[n..];
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn code(bytes: &[u8]) -> bool {
    if graphic(bytes) {
        return true;
    }
    let mut space = true;
    for byte in bytes {
        if *byte <= b' ' {
            if space || *byte != b' ' {
                return false;
            }
            space = true;
        } else {
            space = false;
        }
    }
    !space
}

fn oid(text: &str) -> bool {
    let mut parts = text.split('.');
    parts.next().is_some_and(|first| matches!(first, "0" | "1" | "2"))
        && text.contains('.')
        && parts.all(|part| {
            part == "0"
                || (!part.starts_with('0') && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        })
}

fn uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(n, b)| match n {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// Reads year, month and day as far as they go; what follows is handed back.
fn date(bytes: &[u8]) -> Option<&[u8]> {
    let year = number(bytes.get(..4)?)?;
    if year == 0 {
        return None;
    }
    let [b'-', rest @ ..] = &bytes[4..] else { return Some(&bytes[4..]) };
    let month = number(rest.get(..2)?)?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let [b'-', rest @ ..] = &rest[2..] else { return Some(&rest[2..]) };
    let day = number(rest.get(..2)?)?;
    (1..=days_in(year, month)).contains(&day).then(|| &rest[2..])
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn clock(bytes: &[u8], zone: bool) -> bool {
    let Some([h1, h2, b':', m1, m2, b':', s1, s2]) = bytes.get(..8) else { return false };
    let two = |a: &u8, b: &u8| number(&[*a, *b]);
    // FHIR allows second 60 for a leap second.
    if !(two(h1, h2).is_some_and(|h| h < 24)
        && two(m1, m2).is_some_and(|m| m < 60)
        && two(s1, s2).is_some_and(|s| s <= 60))
    {
        return false;
    }
    let mut rest = &bytes[8..];
    if let [b'.', after @ ..] = rest {
        let n = after.iter().take_while(|d| d.is_ascii_digit()).count();
        if n == 0 {
            return false;
        }
        rest = &after[n..];
    }
    match rest {
        [] => !zone,
        [b'Z'] => zone,
        [b'+' | b'-', h1, h2, b':', m1, m2] if zone => {
            let (hours, minutes) = (two(h1, h2), two(m1, m2));
            hours.zip(minutes).is_some_and(|(h, m)| (h < 14 && m < 60) || (h == 14 && m == 0))
        }
        _ => false,
    }
}

/// Seconds since the epoch of a dateTime that has a time and a zone; `None` for all else.
pub fn seconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !Primitive::Instant.accepts(text) {
        return None;
    }
    let part = |from: usize, to: usize| number(&bytes[from..to]).map(i64::from);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    // Days from civil, after Howard Hinnant: years begin in March.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    let offset = if text.ends_with('Z') {
        0
    } else {
        let n = bytes.len();
        let minutes = part(n - 5, n - 3)? * 60 + part(n - 2, n)?;
        if bytes[n - 6] == b'-' { -minutes } else { minutes }
    };
    Some(days * 86_400 + part(11, 13)? * 3600 + part(14, 16)? * 60 + part(17, 19)? - offset * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, good: &[&str], bad: &[&str]) {
        let primitive = Primitive::named(name).expect("a primitive of FHIR");
        for text in good {
            assert!(primitive.accepts(text), "{name} refuses {text:?}");
        }
        for text in bad {
            assert!(!primitive.accepts(text), "{name} accepts {text:?}");
        }
    }

    #[test]
    fn dates_and_times_are_those_of_the_specification() {
        check(
            "date",
            &["2011", "2011-07", "2011-07-01", "2024-02-29"],
            &[
                "",
                "11",
                "2011-13",
                "2011-02-30",
                "2023-02-29",
                "2011-7-1",
                "20110701",
                "2011-07-01T00:00:00Z",
                "2011-",
            ],
        );
        check(
            "dateTime",
            &["2011", "2011-07-01T10:24:10+09:00", "2011-07-01T00:00:00.5Z"],
            &[
                "2011-07-01T10:24+09:00",
                "2011-07-01T10:24:10",
                "2011-07T10:00:00Z",
                "2011-07-01T24:00:00Z",
                "2011-07-01 10:00:00Z",
                "2011-07-01T10:00:00+15:00",
            ],
        );
        check("instant", &["2011-07-01T10:24:10+09:00"], &["2011-07-01", "2011"]);
        check("time", &["10:24:10", "23:59:60", "10:24:10.25"], &["10:24", "24:00:00", "10:24:10Z"]);
    }

    #[test]
    fn numbers_keep_to_the_lexical_rules() {
        check(
            "decimal",
            &["0", "1.50", "-0.5", "12e3", "1.0E-2"],
            &["", "+1", "01", ".5", "1.", "1e", "NaN"],
        );
        check("integer", &["0", "-12", "2147483647"], &["1.0", "01", "2147483648", "--1"]);
        check("positiveInt", &["1"], &["0", "-1"]);
        check("unsignedInt", &["0"], &["-1"]);
    }

    #[test]
    fn texts_keep_to_the_lexical_rules() {
        check("string", &["あ", " a", "a\nb"], &["", " ", "\n", "a\u{0}"]);
        check("code", &["a b", "final"], &["", " a", "a ", "a  b", "a\tb"]);
        check("id", &["A-1.b"], &["", "a_b", "患者", &"a".repeat(65)]);
        check("uri", &["urn:oid:1.2", "http://e.jp/a|1"], &["", "a b", "a\u{3000}b"]);
        check("oid", &["urn:oid:1.2.0.392"], &["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1"]);
        check(
            "uuid",
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &["urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:uuid:1"],
        );
        check("xhtml", &["<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"], &["x", "<divx>"]);
        check("base64Binary", &["aGVsbG8="], &["a_b"]);
    }

    #[test]
    fn moments_of_two_zones_compare() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2011-07-01T09:00:00+09:00"), seconds("2011-07-01T00:00:00Z"));
        assert_eq!(seconds("2000-03-01T00:00:00Z"), Some(951_868_800));
        assert_eq!(seconds("2011-07-01"), None);
    }
}
