//! ISO-2022-JP: runs of several character sets between escape sequences.
//!
//! Two-byte runs hold bytes that equal delimiters, so nothing may be split before this is done.

use super::sink::Sink;
use super::tables;

/// The character set of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Ascii,
    /// JIS X 0201 left half: ASCII with ¥ and ‾.
    Roman,
    /// JIS X 0201 right half in seven bits.
    Kana,
    JisX0208,
    JisX0212,
    /// Plane 2 of JIS X 0213, which no table here knows.
    JisX0213Plane2,
}

impl Set {
    fn is_two_byte(self) -> bool {
        matches!(self, Self::JisX0208 | Self::JisX0212 | Self::JisX0213Plane2)
    }
}

/// The set that an escape sequence at the start of `bytes` selects, and its length; `None` where the set
/// stays as it is.
pub(super) fn designator(bytes: &[u8]) -> Option<(Option<Set>, usize)> {
    let (set, length) = match bytes {
        [0x1B, b'(', b'B', ..] => (Set::Ascii, 3),
        // `H` is an old mistake for `J`.
        [0x1B, b'(', b'J' | b'H', ..] => (Set::Roman, 3),
        [0x1B, b'(', b'I', ..] => (Set::Kana, 3),
        [0x1B, b'$', b'@' | b'B', ..] => (Set::JisX0208, 3),
        [0x1B, b'$', b'(', b'@' | b'B', ..] => (Set::JisX0208, 4),
        [0x1B, b'$', b'(', b'D', ..] => (Set::JisX0212, 4),
        // Plane 1 of JIS X 0213 holds JIS X 0208; what it adds goes through the facility's table.
        [0x1B, b'$', b'(', b'O' | b'Q', ..] => (Set::JisX0208, 4),
        [0x1B, b'$', b'(', b'P', ..] => (Set::JisX0213Plane2, 4),
        // Kana as G1, reached by SO; and the announcement of JIS X 0208-1990 before `ESC $ B`.
        [0x1B, b')', b'I', ..] | [0x1B, b'&', b'@', ..] => return Some((None, 3)),
        _ => return None,
    };
    Some((Some(set), length))
}

/// What the header says about bytes that mean two things.
#[derive(Clone, Copy, Default)]
pub(super) struct Hints<'a> {
    /// The bytes that MSH-1 and MSH-2 declare: in a Roman run they are delimiters still.
    pub(super) delimiters: &'a [u8],
    /// MSH-18 names JIS X 0201 kana, which may stand in eight bits.
    pub(super) kana: bool,
}

/// Decodes `bytes`, which begin at byte `base` of the message.
pub(super) fn decode(bytes: &[u8], base: usize, hints: Hints<'_>, sink: &mut Sink<'_>) {
    let (mut set, mut shifted, mut mixed) = (Set::Ascii, false, false);
    let mut at = 0;
    while at < bytes.len() {
        let (byte, place) = (bytes[at], base + at);
        let mut length = 1;
        match byte {
            0x1B => match designator(&bytes[at..]) {
                Some((selected, width)) => {
                    set = selected.unwrap_or(set);
                    length = width;
                }
                None => sink.broken(place, 1),
            },
            0x0E => shifted = true,
            0x0F => shifted = false,
            b'\r' | b'\n' => {
                // ISO-2022-JP ends each line in ASCII. Who forgets it would lose all that follows.
                if set.is_two_byte() || set == Set::Kana || shifted {
                    sink.warning("run-unterminated", place);
                }
                (set, shifted) = (Set::Ascii, false);
                sink.ascii(place, byte);
            }
            0x00..=0x20 | 0x7F => sink.ascii(place, byte),
            0x80.. => {
                length = match (set, bytes.get(at + 1)) {
                    (Set::Ascii | Set::Roman, _) if matches!(byte, 0xA1..=0xDF) => {
                        sink.text.extend(tables::half_width(byte));
                        1
                    }
                    (Set::Ascii | Set::Roman, Some(trail)) if tables::is_cp932_pair(byte, *trail) => {
                        sink.cp932(place, byte, *trail);
                        2
                    }
                    _ => {
                        sink.broken(place, 1);
                        1
                    }
                };
                if !std::mem::replace(&mut mixed, true) && !hints.kana {
                    sink.warning("charset-mixed", place);
                }
            }
            _ if shifted || set == Set::Kana => match tables::half_width(byte | 0x80) {
                Some(c) => sink.text.push(c),
                None => sink.broken(place, 1),
            },
            _ if set.is_two_byte() => match bytes.get(at + 1) {
                Some(cell @ 0x21..=0x7E) => {
                    length = 2;
                    match set {
                        Set::JisX0212 => sink.jis_x_0212(place, byte, *cell),
                        Set::JisX0208 => sink.jis_x_0208(place, byte, *cell),
                        _ => sink.without_character(place, &[format!("2-{:02X}{cell:02X}", byte)]),
                    }
                }
                _ => sink.broken(place, 1),
            },
            b'\\' if set == Set::Roman && !hints.delimiters.contains(&byte) => sink.text.push('¥'),
            b'~' if set == Set::Roman && !hints.delimiters.contains(&byte) => sink.text.push('‾'),
            _ => {
                // The common case in one piece.
                let rest = &bytes[at..];
                let special =
                    |b: &u8| !(0x20..0x7F).contains(b) || set == Set::Roman && matches!(b, b'\\' | b'~');
                length = rest.iter().position(special).unwrap_or(rest.len()).max(1);
                sink.text.push_str(std::str::from_utf8(&rest[..length]).unwrap_or_default());
            }
        }
        at += length;
    }
    if set.is_two_byte() || set == Set::Kana || shifted {
        sink.warning("run-unterminated", base + bytes.len());
    }
}
