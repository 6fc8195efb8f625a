//! Which character a two-byte code is, from encoding_rs, looked up once per code and process.
//!
//! The mapping is that of the WHATWG encoding standard, as Windows writes it: 0x215D is U+FF0D, 0x2141 is
//! U+FF5E, and NEC row 13 and the NEC-selected IBM rows 89-92 are characters. A code without a character
//! of its own (rows 9-12 and 14-15, the user-defined rows F040-F9FC) is `None`, never a private-use one.

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS};
use std::sync::OnceLock;

type Table = Box<[u16]>;

const CELLS: usize = 94;
const TRAILS: usize = 189;

fn lookup(encoding: &'static Encoding, code: &[u8]) -> u16 {
    let text = encoding.decode_without_bom_handling_and_without_replacement(code);
    let mut chars = text.as_deref().unwrap_or_default().chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if !is_private(c) && c != '\u{FFFD}' => u16::try_from(u32::from(c)).unwrap_or(0),
        _ => 0,
    }
}

fn character(table: &Table, index: usize) -> Option<char> {
    table.get(index).and_then(|code| char::from_u32(u32::from(*code))).filter(|c| *c != '\0')
}

fn square(prefix: &[u8]) -> Table {
    let mut table = Vec::with_capacity(CELLS * CELLS);
    for row in 0xA1..=0xFE {
        for cell in 0xA1..=0xFE {
            table.push(lookup(EUC_JP, &[prefix, &[row, cell]].concat()));
        }
    }
    table.into()
}

fn cell(row: u8, cell: u8) -> Option<usize> {
    let range = 0x21..=0x7E;
    (range.contains(&row) && range.contains(&cell))
        .then(|| usize::from(row - 0x21) * CELLS + usize::from(cell - 0x21))
}

/// JIS X 0208 with NEC row 13 and the NEC-selected IBM rows; both bytes 21-7E.
pub(super) fn jis_x_0208(row: u8, column: u8) -> Option<char> {
    static TABLE: OnceLock<Table> = OnceLock::new();
    character(TABLE.get_or_init(|| square(&[])), cell(row, column)?)
}

/// JIS X 0212; both bytes 21-7E.
pub(super) fn jis_x_0212(row: u8, column: u8) -> Option<char> {
    static TABLE: OnceLock<Table> = OnceLock::new();
    character(TABLE.get_or_init(|| square(&[0x8F])), cell(row, column)?)
}

/// A two-byte code of CP932 that is well-formed: see [`is_cp932_pair`].
pub(super) fn cp932(lead: u8, trail: u8) -> Option<char> {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let leads = (0x81..=0x9F).chain(0xE0..=0xFC);
        leads.flat_map(|lead| (0x40..=0xFC).map(move |trail| lookup(SHIFT_JIS, &[lead, trail]))).collect()
    });
    let row = if lead >= 0xE0 { lead - 0xE0 + 31 } else { lead.checked_sub(0x81)? };
    character(table, usize::from(row) * TRAILS + usize::from(trail.checked_sub(0x40)?))
}

/// Whether two bytes have the form of a two-byte code of CP932.
pub(super) fn is_cp932_pair(lead: u8, trail: u8) -> bool {
    matches!(lead, 0x81..=0x9F | 0xE0..=0xFC) && matches!(trail, 0x40..=0x7E | 0x80..=0xFC)
}

/// The code in CP932 of a code of JIS X 0208, both bytes 21-7E.
pub(super) fn cp932_of_jis(row: u8, cell: u8) -> [u8; 2] {
    let lead = ((row - 1) >> 1) + if row < 0x5F { 0x71 } else { 0xB1 };
    let trail = if row & 1 == 0 { cell + 0x7E } else { cell + if cell < 0x60 { 0x1F } else { 0x20 } };
    [lead, trail]
}

/// The code in CP932 that Windows gives to a private-use character: U+E000 is F040.
pub(super) fn cp932_of_private(c: char) -> Option<[u8; 2]> {
    let index = u32::from(c).checked_sub(0xE000).filter(|index| *index < 10 * 188)?;
    let (row, cell) = ((index / 188) as u8, (index % 188) as u8);
    Some([0xF0 + row, cell + if cell < 0x3F { 0x40 } else { 0x41 }])
}

/// Half-width katakana of a byte of JIS X 0201, A1-DF.
pub(super) fn half_width(byte: u8) -> Option<char> {
    let index = byte.checked_sub(0xA1).filter(|index| *index <= 0xDF - 0xA1)?;
    char::from_u32(0xFF61 + u32::from(index))
}

pub(super) fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::{cp932, cp932_of_jis, cp932_of_private, jis_x_0208, jis_x_0212};

    #[test]
    fn codes_are_the_characters_of_their_standards() {
        // JIS X 0208 1-1 is the ideographic space, 4-2 is あ, 16-1 is 亜, 84-6 is 熙.
        for (row, cell, c) in [
            (0x21, 0x21, '\u{3000}'),
            (0x24, 0x22, 'あ'),
            (0x30, 0x21, '亜'),
            (0x74, 0x26, '熙'),
            (0x21, 0x5D, '\u{FF0D}'),
            (0x21, 0x41, '\u{FF5E}'),
            (0x2D, 0x21, '①'),
            (0x2D, 0x6A, '㈱'),
        ] {
            assert_eq!(jis_x_0208(row, cell), Some(c), "{row:02X}{cell:02X}");
            let [lead, trail] = cp932_of_jis(row, cell);
            assert_eq!(cp932(lead, trail), Some(c), "{lead:02X}{trail:02X}");
        }
        // JIS X 0212 16-2 is 丄.
        assert_eq!(jis_x_0212(0x30, 0x22), Some('丄'));
        // 髙 of the IBM extension.
        assert_eq!(cp932(0xFB, 0xFC), Some('髙'));
        assert_eq!(cp932(0xF0, 0x40), None);
        assert_eq!(cp932(0xF9, 0xFC), None);
        assert_eq!(jis_x_0208(0x29, 0x21), None);
        assert_eq!(jis_x_0208(0x20, 0x21), None);
    }

    #[test]
    fn private_use_is_counted_from_f040() {
        assert_eq!(cp932_of_private('\u{E000}'), Some([0xF0, 0x40]));
        assert_eq!(cp932_of_private('\u{E03F}'), Some([0xF0, 0x80]));
        assert_eq!(cp932_of_private('\u{E757}'), Some([0xF9, 0xFC]));
        assert_eq!(cp932_of_private('\u{E758}'), None);
    }
}
