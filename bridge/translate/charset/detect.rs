//! Which encoding bytes are in, whatever their label says.

use super::iso2022;
use super::label::Label;
use super::plausible::{self, Reading};
use std::borrow::Cow;

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

/// Two readings closer than this are about equally plausible: the better one is the right one less than
/// 256 times as often.
const NEAR_BITS: u64 = 8;
/// The declared encoding is taken where it reads so much worse than another, or less.
const LABEL_BITS: u64 = 12;
/// From here on the bytes speak against the label that is followed (16 to 1), and that is said.
const AGAINST_LABEL_BITS: u64 = 4;
/// As [`LABEL_BITS`], where the bytes break the declared encoding: then the message is held, which is safe, and
/// another reading of damaged bytes is a guess.
const LABEL_BROKEN_BITS: u64 = 24;

/// What bytes were found to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detected {
    pub(super) encoding: Encoding,
    /// Another encoding in which the bytes read about as well, or better than in the declared one.
    pub(super) or: Option<Encoding>,
}

/// Finds the encoding: the one in which the whole reads best. The label decides only where that is near.
pub(super) fn detect(bytes: &[u8], label: &Label) -> Detected {
    let sure = |encoding| Detected { encoding, or: None };
    let escape = |(at, byte): (usize, &u8)| *byte == 0x1B && iso2022::designator(&bytes[at..]).is_some();
    if bytes.iter().enumerate().any(escape) {
        return sure(Encoding::Iso2022Jp);
    }
    if bytes.is_ascii() {
        let shifts = bytes.contains(&0x0E);
        return sure(if shifts { Encoding::Iso2022Jp } else { Encoding::Ascii });
    }
    // Whole characters of three bytes happen in no other encoding. Those of two do: half-width kana and
    // kanji of EUC-JP read as Latin or Greek letters.
    if bytes.iter().any(|byte| *byte >= 0xE0) && std::str::from_utf8(bytes).is_ok() {
        return sure(Encoding::Utf8);
    }
    choose(&readings(bytes, label), label)
}

/// The bytes in every encoding that comes into question. Of two as good the first is taken.
fn readings(bytes: &[u8], label: &Label) -> Vec<Reading> {
    let bytes = &near_text(bytes);
    let cues = plausible::cues(bytes, label);
    let latin = label.iso_8859.map(Encoding::Iso8859);
    let candidates = [Encoding::Cp932, Encoding::Utf8, Encoding::EucJp].into_iter().chain(latin);
    let mut readings: Vec<_> = candidates.map(|encoding| plausible::read(bytes, encoding, &cues)).collect();
    readings.sort_by_key(|reading| reading.bits);
    readings
}

/// How much ASCII is kept on either side of what is not ASCII.
const NEAR_BYTES: usize = 512;

/// The bytes without the stretches of ASCII that are far from anything else: they say nothing, and a
/// scanned letter has megabytes of them.
fn near_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.len() < 64 * NEAR_BYTES {
        return Cow::Borrowed(bytes);
    }
    let (mut kept, mut to) = (Vec::new(), 0);
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| !byte.is_ascii()) {
        let end = (at + NEAR_BYTES).min(bytes.len());
        kept.extend_from_slice(&bytes[to.max(at.saturating_sub(NEAR_BYTES))..end]);
        to = end;
    }
    Cow::Owned(kept)
}

fn choose(readings: &[Reading], label: &Label) -> Detected {
    let (best, second) = (readings[0], readings[1]);
    if best.encoding.is_declared(label) {
        return Detected { encoding: best.encoding, or: None };
    }
    if let Some(declared) = readings.iter().find(|reading| reading.encoding.is_declared(label)) {
        let limit = if declared.broken > 0 { LABEL_BROKEN_BITS } else { LABEL_BITS };
        let worse = declared.bits - best.bits;
        if worse > limit {
            return Detected { encoding: best.encoding, or: None };
        }
        // Where the declared one is broken, that is said already.
        let or = (worse >= AGAINST_LABEL_BITS && declared.broken == 0).then_some(best.encoding);
        return Detected { encoding: declared.encoding, or };
    }
    // JIS X 0201 kana in eight bits, which this label means, are half-width kana of CP932.
    let kana = label.kana && best.encoding == Encoding::Cp932 && best.wide == 0;
    let or = (second.bits - best.bits < NEAR_BITS && !kana).then_some(second.encoding);
    Detected { encoding: best.encoding, or }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, Label, Reading, detect, near_text, readings};

    fn check(bytes: &[u8], label: Label, expected: Encoding) {
        assert_eq!(detect(bytes, &label).encoding, expected, "{bytes:02X?} {}", label.name());
    }

    /// A PID with the name in PID-5, as the whole message: the label is given apart.
    fn named(name: &str, encoding: &'static encoding_rs::Encoding) -> Vec<u8> {
        encoding.encode(&format!("PID|1||0000000001||{name}||19700101|M\r")).0.into_owned()
    }

    fn hl7(label: Label) -> Label {
        Label { present: true, separators: Some(*b"|^~"), ..label }
    }

    /// Under every label but its own: the encoding and whether another is named as possible.
    #[track_caller]
    fn check_name(name: &str, encoding: &'static encoding_rs::Encoding, expected: Encoding) {
        let none = Label::default();
        let labels = [
            none,
            Label { valued: true, iso_2022: true, ..none },
            Label { valued: true, iso_2022: true, kana: true, ..none },
            Label { valued: true, utf_8: true, ..none },
            Label { valued: true, cp932: true, ..none },
            Label { valued: true, euc_jp: true, ..none },
            Label { valued: true, iso_8859: Some(1), ..none },
        ];
        for label in labels {
            let found = detect(&named(name, encoding), &hl7(label));
            assert_eq!(found.encoding, expected, "{name} {}", label.name());
            assert_eq!(found.or, None, "{name} {}", label.name());
        }
    }

    #[test]
    fn a_name_is_read_rightly_under_any_label() {
        use encoding_rs::{EUC_JP, SHIFT_JIS};
        for (kanji, kana) in [
            ("山田^太郎", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
            ("佐藤^花子", "ｻﾄｳ^ﾊﾅｺ"),
            ("鈴木^一郎", "ｽｽﾞｷ^ｲﾁﾛｳ"),
            ("高橋^健", "ﾀｶﾊｼ^ｹﾝ"),
            ("田中^実", "ﾀﾅｶ^ﾐﾉﾙ"),
            ("伊藤^さくら", "ｲﾄｳ^ｻｸﾗ"),
            ("小林^誠", "ｺﾊﾞﾔｼ^ﾏｺﾄ"),
            ("井上^愛", "ｲﾉｳｴ^ｱｲ"),
            ("安藤^直", "ｱﾝﾄﾞｳ^ﾅｵ"),
        ] {
            let both = format!("{kanji}^^^^^L^I~{kana}^^^^^L^P");
            for (encoding, expected) in [(EUC_JP, Encoding::EucJp), (SHIFT_JIS, Encoding::Cp932)] {
                check_name(&both, encoding, expected);
                check_name(&format!("{kanji}^^^^^L^I"), encoding, expected);
            }
            check_name(&format!("{kana}^^^^^L^P"), SHIFT_JIS, Encoding::Cp932);
        }
    }

    #[test]
    fn two_equal_readings_are_said_unless_the_label_settles_it() {
        // ﾀｶﾊｼ in half-width kana is 清兵 in EUC-JP.
        let bytes = b"NTE|1||\xC0\xB6\xCA\xBC\r";
        let none = Label::default();
        let found = detect(bytes, &hl7(none));
        assert_eq!(
            found.or,
            Some(if found.encoding == Encoding::Cp932 { Encoding::EucJp } else { Encoding::Cp932 })
        );
        for (label, expected) in [
            (Label { valued: true, cp932: true, ..none }, Encoding::Cp932),
            (Label { valued: true, euc_jp: true, ..none }, Encoding::EucJp),
        ] {
            assert_eq!(detect(bytes, &hl7(label)).encoding, expected);
        }
    }

    #[test]
    fn ascii_far_from_text_changes_nothing() {
        let name = named("山田^太郎^^^^^L^I", encoding_rs::EUC_JP);
        let filler = |length: usize| format!("OBX|1|ED|X||{}\r", "QUJD".repeat(length)).into_bytes();
        let long = [filler(10), name.clone(), filler(20_000), name.clone(), filler(20_000)].concat();
        let short = [filler(10), name.clone(), filler(300), name].concat();
        let found = |bytes: &[u8]| readings(bytes, &hl7(Label::default()));
        assert_eq!(found(&long)[0].encoding, Encoding::EucJp);
        let margin = |readings: &[Reading]| readings[1].bits - readings[0].bits;
        assert_eq!(margin(&found(&long)), margin(&found(&short)));
        assert!(near_text(&long).len() < 3_000);
        assert_eq!(near_text(&long[..1_000]), &long[..1_000]);
    }

    #[test]
    fn a_declared_utf_8_that_is_cut_stays_utf_8() {
        let utf_8 = hl7(Label { valued: true, utf_8: true, ..Label::default() });
        for name in ["山田", "病院", "佐々木", "髙橋", "ﾔﾏ", "é"] {
            for cut in 1..name.len() {
                if !name.is_char_boundary(cut) {
                    let bytes =
                        [b"PID|1||1||", &name.as_bytes()[..cut], b"^X^^^^^L^I||19700101|M\r"].concat();
                    check(&bytes, utf_8, Encoding::Utf8);
                }
            }
        }
        // Most of it whole: UTF-8 whatever the label says.
        let long = "東京都千代田区霞が関一丁目二番三号".as_bytes();
        check(
            &long[..long.len() - 1],
            hl7(Label { valued: true, cp932: true, ..Label::default() }),
            Encoding::Utf8,
        );
    }

    #[test]
    fn signs_of_units_in_utf_8_are_no_kana() {
        let none = Label::default();
        for unit in ["µg/dL^µg/dL^99L", "°C", "10 mm²", "5.0±0.3", "×10³/µL", "Ω", "37 °C", "José", "Zürich"]
        {
            let bytes = format!("OBX|1|NM|X^VITB^99L||5|{unit}|||||F\r");
            for label in
                [none, Label { valued: true, iso_2022: true, ..none }, Label { valued: true, ..none }]
            {
                check(bytes.as_bytes(), hl7(label), Encoding::Utf8);
            }
        }
        // And kana that are valid UTF-8 are none of them.
        for kana in ["ﾃｽﾄ", "ﾃｽ", "ﾄｻﾞﾜ"] {
            check(&encoding_rs::SHIFT_JIS.encode(kana).0, hl7(none), Encoding::Cp932);
        }
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
