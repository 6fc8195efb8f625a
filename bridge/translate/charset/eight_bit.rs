//! CP932, EUC-JP, UTF-8 and the ISO 8859 family.

use super::sink::{Sink, hex};
use super::tables;

/// Decodes UTF-8.
pub(super) fn utf_8(bytes: &[u8], base: usize, sink: &mut Sink<'_>) {
    let (mut rest, mut base) = (bytes, base);
    loop {
        let (valid, broken) = match std::str::from_utf8(rest) {
            Ok(text) => (text, 0),
            Err(error) => {
                let length = error.error_len().unwrap_or(rest.len() - error.valid_up_to());
                (std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(), length)
            }
        };
        unicode(valid, base, sink);
        if broken == 0 {
            return;
        }
        sink.broken(base + valid.len(), broken);
        base += valid.len() + broken;
        rest = &rest[valid.len() + broken..];
    }
}

fn unicode(text: &str, base: usize, sink: &mut Sink<'_>) {
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        let plain = match c {
            '\t' | '\n' | '\r' | ' '..='~' => true,
            '\u{FFFD}' | '\u{FEFF}' => false,
            _ => !c.is_control() && !tables::is_private(c),
        };
        if plain {
            continue;
        }
        sink.text.push_str(&text[copied..at]);
        copied = at + c.len_utf8();
        match c {
            // A byte order mark inside is what joining files leaves behind.
            '\u{FEFF}' => {}
            // Somebody before us has lost the character.
            '\u{FFFD}' => {
                sink.text.push(super::sink::GETA);
                sink.warning("character-lost", base + at);
            }
            _ if c.is_control() => sink.control(base + at, u32::from(c)),
            _ => {
                let unicode = format!("U+{:04X}", u32::from(c));
                match tables::cp932_of_private(c) {
                    Some(code) => sink.without_character(base + at, &[unicode, hex(&code)]),
                    None => sink.without_character(base + at, &[unicode]),
                }
            }
        }
    }
    sink.text.push_str(&text[copied..]);
}

/// Decodes CP932 (Shift_JIS as Windows writes it).
pub(super) fn cp932(bytes: &[u8], base: usize, sink: &mut Sink<'_>) {
    let mut at = 0;
    while at < bytes.len() {
        let (byte, place) = (bytes[at], base + at);
        at += match (byte, bytes.get(at + 1)) {
            (0x00..=0x7F, _) => {
                sink.ascii(place, byte);
                1
            }
            (0xA1..=0xDF, _) => {
                sink.text.extend(tables::half_width(byte));
                1
            }
            (_, Some(trail)) if tables::is_cp932_pair(byte, *trail) => {
                sink.cp932(place, byte, *trail);
                2
            }
            _ => {
                sink.broken(place, 1);
                1
            }
        };
    }
}

/// Decodes EUC-JP with JIS X 0212 behind SS3.
pub(super) fn euc_jp(bytes: &[u8], base: usize, sink: &mut Sink<'_>) {
    let high = |byte: &u8| (0xA1..=0xFE).contains(byte);
    let mut at = 0;
    while at < bytes.len() {
        let (byte, place) = (bytes[at], base + at);
        at += match (byte, bytes.get(at + 1), bytes.get(at + 2)) {
            (0x00..=0x7F, _, _) => {
                sink.ascii(place, byte);
                1
            }
            (0x8E, Some(kana @ 0xA1..=0xDF), _) => {
                sink.text.extend(tables::half_width(*kana));
                2
            }
            (0x8F, Some(row), Some(cell)) if high(row) && high(cell) => {
                sink.jis_x_0212(place, row & 0x7F, cell & 0x7F);
                3
            }
            (0xA1..=0xFE, Some(cell), _) if high(cell) => {
                sink.jis_x_0208(place, byte & 0x7F, cell & 0x7F);
                2
            }
            _ => {
                sink.broken(place, 1);
                1
            }
        };
    }
}

/// Decodes a part of ISO 8859.
pub(super) fn iso_8859(bytes: &[u8], base: usize, part: u8, sink: &mut Sink<'_>) {
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            0x00..=0x7F => sink.ascii(base + at, *byte),
            _ => match iso_8859_character(part, *byte) {
                Some(c) => sink.text.push(c),
                None => sink.broken(base + at, 1),
            },
        }
    }
}

/// The character of a byte outside ASCII in a part of ISO 8859.
pub(super) fn iso_8859_character(part: u8, byte: u8) -> Option<char> {
    // WHATWG reads part 1 as windows-1252, which has characters where ISO 8859-1 has controls.
    if part == 1 && byte >= 0xA0 {
        return Some(char::from(byte));
    }
    let encoding = encoding_rs::Encoding::for_label(format!("iso-8859-{part}").as_bytes())?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(std::slice::from_ref(&byte))?;
    text.chars().next().filter(|c| !c.is_control())
}
