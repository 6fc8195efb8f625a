//! Which encoding bytes are in, whatever their label says.

use super::label::Label;
use super::{iso2022, tables};

/// An encoding that bytes can be found to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Ascii,
    Iso2022Jp,
    Utf8,
    Cp932,
    EucJp,
    Iso8859(u8),
}

impl Encoding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Iso2022Jp => "iso-2022-jp",
            Self::Utf8 => "utf-8",
            Self::Cp932 => "cp932",
            Self::EucJp => "euc-jp",
            Self::Iso8859(_) => "iso-8859",
        }
    }

    /// Whether the label declares it.
    pub(super) fn is_declared(self, label: &Label) -> bool {
        match self {
            Self::Ascii => true,
            Self::Iso2022Jp => label.iso_2022,
            Self::Utf8 => label.utf_8,
            Self::Cp932 => label.cp932,
            Self::EucJp => label.euc_jp,
            Self::Iso8859(part) => label.iso_8859 == Some(part),
        }
    }
}

/// Finds the encoding. The label decides only where the bytes leave it open.
pub(super) fn detect(bytes: &[u8], label: &Label) -> Encoding {
    let escape = |(at, byte): (usize, &u8)| *byte == 0x1B && iso2022::designator(&bytes[at..]).is_some();
    if bytes.iter().enumerate().any(escape) {
        return Encoding::Iso2022Jp;
    }
    if bytes.is_ascii() {
        let shifts = bytes.contains(&0x0E);
        return if shifts { Encoding::Iso2022Jp } else { Encoding::Ascii };
    }
    if std::str::from_utf8(bytes).is_ok() {
        // A pair of half-width kana can read as one Latin or Greek letter: ﾃｽ is C3 BD is ý.
        let unsaid = !label.utf_8 && label.iso_8859.is_none();
        let kana = unsaid && !bytes.iter().any(|byte| *byte >= 0xE0) && Shape::of_cp932(bytes).is_kana();
        return if kana { Encoding::Cp932 } else { Encoding::Utf8 };
    }
    if let Some(part) = label.iso_8859 {
        // Letters with accents stand alone; Japanese text in eight bits comes in runs.
        if !bytes.windows(2).any(|pair| pair[0] >= 0x80 && pair[1] >= 0x80) {
            return Encoding::Iso8859(part);
        }
    }
    let (broken, valid) = utf_8(bytes);
    if valid > 8 * broken || label.utf_8 && valid > broken {
        // Mostly UTF-8 with some of it damaged: two other encodings would take it for rare kanji.
        return Encoding::Utf8;
    }
    let (cp932, euc_jp) = (Shape::of_cp932(bytes), Shape::of_euc_jp(bytes));
    match (cp932.broken, euc_jp.broken) {
        (0, 0) => {
            let declared = label.cp932 || label.kana;
            if label.euc_jp || !declared && euc_jp.score > cp932.score.max(0) {
                Encoding::EucJp
            } else {
                Encoding::Cp932
            }
        }
        // All half-width kana is what damaged EUC-JP looks like.
        (0, _) if label.euc_jp && cp932.two_byte == 0 => Encoding::EucJp,
        (0, _) => Encoding::Cp932,
        (_, 0) => Encoding::EucJp,
        (cp932, euc_jp) => {
            let candidates = [(broken, Encoding::Utf8), (cp932, Encoding::Cp932), (euc_jp, Encoding::EucJp)];
            let fewest = candidates
                .into_iter()
                .min_by_key(|(broken, encoding)| (*broken, !encoding.is_declared(label)));
            fewest.map_or(Encoding::Cp932, |(_, encoding)| encoding)
        }
    }
}

/// Whether the bytes are well-formed EUC-JP, assigned or not.
pub(crate) fn is_euc_jp(bytes: &[u8]) -> bool {
    Shape::of_euc_jp(bytes).broken == 0
}

/// How many bytes break UTF-8, and how many characters of three bytes and more are whole.
fn utf_8(bytes: &[u8]) -> (usize, usize) {
    let (mut broken, mut whole) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        broken += chunk.invalid().len();
        whole += chunk.valid().bytes().filter(|byte| *byte >= 0xE0).count();
    }
    (broken, whole)
}

/// How bytes look as an encoding.
#[derive(Default)]
struct Shape {
    /// Bytes that break it.
    broken: usize,
    /// Characters of two bytes or more.
    two_byte: usize,
    /// How much it looks like Japanese: kana and frequent kanji for it, rare kanji and codes without a
    /// character against it.
    score: i64,
}

impl Shape {
    /// Half-width kana beside ASCII and nothing else.
    fn is_kana(&self) -> bool {
        self.broken == 0 && self.two_byte == 0
    }

    /// Counts a character. `frequent` is a kanji of level 1, the frequent half of JIS X 0208: rows 16-47.
    fn judge(&mut self, c: Option<char>, frequent: bool) {
        self.two_byte += 1;
        self.score += match c {
            Some('ぁ'..='ヿ') => 3,
            Some('\u{3000}'..='〿' | '\u{FF01}'..='\u{FF5E}') => 2,
            Some('\u{4E00}'..='\u{9FFF}') if frequent => 2,
            Some('\u{4E00}'..='\u{9FFF}') => -3,
            Some(_) => 0,
            None => -3,
        };
    }

    fn of_cp932(bytes: &[u8]) -> Self {
        let mut shape = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            at += match (bytes[at], bytes.get(at + 1)) {
                (0x00..=0x7F | 0xA1..=0xDF, _) => 1,
                (lead, Some(trail)) if tables::is_cp932_pair(lead, *trail) => {
                    // Where CP932 keeps rows 16-47.
                    let frequent = matches!((lead, *trail), (0x88..=0x97, _) | (0x98, 0x40..=0x72));
                    shape.judge(tables::cp932(lead, *trail), frequent);
                    2
                }
                _ => {
                    shape.broken += 1;
                    1
                }
            };
        }
        shape
    }

    fn of_euc_jp(bytes: &[u8]) -> Self {
        let mut shape = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let high = |ahead: usize| bytes.get(at + ahead).copied().filter(|b| (0xA1..=0xFE).contains(b));
            at += match (bytes[at], high(1), high(2)) {
                (0x00..=0x7F, _, _) => 1,
                (0x8E, Some(0xA1..=0xDF), _) => 2,
                (0x8F, Some(row), Some(cell)) => {
                    shape.judge(tables::jis_x_0212(row & 0x7F, cell & 0x7F), false);
                    3
                }
                (row @ 0xA1..=0xFE, Some(cell), _) => {
                    shape.judge(tables::jis_x_0208(row & 0x7F, cell & 0x7F), (0xB0..=0xCF).contains(&row));
                    2
                }
                _ => {
                    shape.broken += 1;
                    1
                }
            };
        }
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, Label, detect};

    fn check(bytes: &[u8], label: Label, expected: Encoding) {
        assert_eq!(detect(bytes, &label), expected, "{bytes:02X?} {}", label.name());
    }

    #[test]
    fn bytes_decide_and_the_label_only_breaks_ties() {
        let none = Label::default();
        let sjis = |text: &str| encoding_rs::SHIFT_JIS.encode(text).0.into_owned();
        let euc = |text: &str| encoding_rs::EUC_JP.encode(text).0.into_owned();
        let cp932 = Label { cp932: true, ..none };
        let utf_8 = Label { utf_8: true, ..none };
        let latin = Label { iso_8859: Some(1), ..none };
        check(b"ABC", utf_8, Encoding::Ascii);
        check(b"\x1b$B0!\x1b(B", utf_8, Encoding::Iso2022Jp);
        check(b"\x0e1\x0f", none, Encoding::Iso2022Jp);
        check("山田".as_bytes(), cp932, Encoding::Utf8);
        check(&sjis("山田^太郎"), utf_8, Encoding::Cp932);
        check(&euc("山田^太郎"), utf_8, Encoding::EucJp);
        check(&euc("やまだ"), none, Encoding::EucJp);
        check(&sjis("ﾔﾏﾀﾞ"), none, Encoding::Cp932);
        check(&sjis("ﾃｽ"), none, Encoding::Cp932);
        check("ý".as_bytes(), utf_8, Encoding::Utf8);
        check(b"Ren\xE9e|", latin, Encoding::Iso8859(1));
        check(&sjis("表示|"), latin, Encoding::Cp932);
        // One letter cut off at the end: still UTF-8.
        check(&"ここまでは読める".as_bytes()[..23], utf_8, Encoding::Utf8);
    }
}
