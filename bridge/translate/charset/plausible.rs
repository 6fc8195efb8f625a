//! How plausible bytes are as text of a Japanese hospital in one encoding.
//!
//! The measure is a length in bits: what a code that knows such text (frequent kanji, which kana follow
//! which, how a run keeps to one script) would need to write it. All encodings are read in the same terms,
//! so lengths over the same bytes compare, and a difference of n bits says 2^n to 1. Nothing is decoded
//! for use here.

use super::detect::Encoding;
use super::label::Label;
use super::tables;
use std::sync::OnceLock;

/// A byte that cannot stand where it stands.
const BROKEN: u64 = 30;
/// More such bytes right behind it: damage comes in stretches.
const BROKEN_ON: u64 = 8;
/// A character of which the end is missing: cutting at a length in bytes does this.
const CUT: u64 = 22;
/// The same with more than its first byte there.
const CUT_LATE: u64 = 16;
/// A well-formed code without a character (外字).
const UNASSIGNED: u64 = 20;
/// Half-width kana beside a script that is written two bytes wide, in one word.
const SCRIPTS_MIX: u64 = 6;
/// EUC-JP is rare; and who writes it seldom writes half-width kana.
const RARE_EUC: u64 = 2;
const RARE_EUC_KANA: u64 = 3;
/// Kanji of a repetition that says that it holds the phonetic name (XPN.8 = `P`).
const NOT_PHONETIC: u64 = 7;
/// Half-width kana of one that says that it holds the ideographic name (XPN.8 = `I`).
const NOT_IDEOGRAPHIC: u64 = 3;
/// Farthest that a repetition is followed back from its XPN.8.
const MAX_NAME_BYTES: usize = 256;

/// The kanji that make up most of names and addresses of Japan.
const MOST_FREQUENT: &str = "田中山佐藤鈴木高橋伊渡辺村本小林加吉松井上野口島原岡石川清水阿部森池内前長谷近青西福太後\
斎竹宮金和三大安今関平武杉菊千葉市東南北一二郎子美恵智由紀真理香奈春花結優陽翔介也樹明正義信男夫雄秀幸弘浩博文彦直健人\
日年月病院医科県都区町";

/// The kanji that are common in names, addresses and the words of a hospital.
const FREQUENT: &str = "佐坂遠齋齊丸浦久保河桜工横新増片古服樋江荒富土屋堀永星岩黒栗熊尾早白荻萩馬場須赤成沢澤秋若柳瀬\
酒飯塚笠倉柴矢海老名児玉望津城光仁忠孝勝利昭四五六七八九十愛代夏冬咲桃梅菜莉衣悠斗蓮颯湊律朝陸空宏浩士史治修進功実誠\
哲康拓哉裕祐貴司隆竜龍良晴亮涼凛彩綾沙織絵里乃歩未来洋純淳静節照貞敏俊英郁恭敬啓圭慶憲賢謙研剛豪晃章彰昇翼剣典徳寿喜\
嘉善克勇力豊茂繁栄盛勲薫馨芳蘭澄泉滝湖潮渚沖崎﨑嶋濱浜髙笹篠京道府丁目番地号字下左右外後海手形茨栃群埼神潟梨岐阜静知\
重滋賀阪兵庫良歌取根広徳媛崎分鹿沖縄仙台札幌古堺戸州総房相模蔵霞宿渋品港黒世練足立墨並板砂駅郷診療所室薬局患者皮膚眼\
耳鼻咽喉産婦整脳経精放射線麻酔泌尿器循環呼吸消化腎透析救急集治検査結果血液便培養細菌感染症炎腫瘍癌腺胃腸肝胆膵肺心臓膀\
胱宮卵巣乳骨折節筋肉頭頸胸腹腰背指膝肩肘歯腔舌唾痛熱咳痰痢秘嘔吐貧低糖圧脂質異常不全慢性疑期末両側位注射点滴錠散剤軟\
膏貼付服用頓昼夕食間毎回時週曜午約量単数値基準範囲陰定球色素酸塩解鉄銅亜鉛窒型抗体免疫補蛋肪酵反応法術入退転棟受予紹担\
当看護師技先生様険記資格負割合公費家族別女住電話携帯郵続柄父母妻兄弟姉妹祖孫氏漢仮検幡情報推的般物漿他含比添活無特種刺\
等第秒機会社事業務員学校使方可能有多少最終開始継止変更意見書依頼指示施設登録済確認処箋混濁調明沈渣皮円柱晶胞車";

/// Signs that units, ranges and findings are written with.
const SIGNS: &str = "µμ°²³±×÷·αβγδΩ℃Å℉½¼¾→←↑↓≧≦≠※";

/// How well bytes read in an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) encoding: Encoding,
    /// Length in bits: the smaller, the more plausible.
    pub(super) bits: u64,
    /// Places where the bytes break it.
    pub(super) broken: usize,
    /// Characters outside ASCII other than half-width kana.
    pub(super) wide: usize,
}

/// Reads bytes in an encoding.
pub(super) fn read(bytes: &[u8], encoding: Encoding, cues: &[Cue]) -> Reading {
    let mut length = Length::new(cues, encoding);
    match encoding {
        Encoding::Utf8 => utf_8(bytes, &mut length),
        Encoding::EucJp => euc_jp(bytes, &mut length),
        Encoding::Iso8859(part) => iso_8859(bytes, part, &mut length),
        Encoding::Cp932 | Encoding::Ascii | Encoding::Iso2022Jp => cp932(bytes, &mut length),
    }
    Reading { encoding, bits: length.bits, broken: length.broken, wide: length.wide }
}

/// Bytes of a repetition that says how its name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    from: usize,
    to: usize,
    phonetic: bool,
}

/// Finds the repetitions that end in XPN.8, or XCN.15, = `I` or `P` and hold bytes outside ASCII. The
/// second byte of a character of CP932 can look like a separator, so this is evidence and no more.
pub(super) fn cues(bytes: &[u8], label: &Label) -> Vec<Cue> {
    let Some([field, component, repetition]) = label.separators else { return Vec::new() };
    let ends = |byte: Option<&u8>| {
        byte.is_none_or(|b| *b == field || *b == repetition || matches!(b, b'\r' | b'\n'))
    };
    let mut found = Vec::new();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == component) {
        let Some(code @ (b'I' | b'P')) = bytes.get(at + 1) else { continue };
        if !ends(bytes.get(at + 2)) {
            continue;
        }
        let nearest = at.saturating_sub(MAX_NAME_BYTES);
        let from = (nearest..at).rev().find(|n| ends(bytes.get(*n))).map_or(nearest, |n| n + 1);
        if bytes[from..at].iter().any(|byte| !byte.is_ascii()) {
            found.push(Cue { from, to: at, phonetic: *code == b'P' });
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Letter,
    HalfWidth,
    Wide,
    Accent,
    /// An accented letter without a letter before it.
    AccentAlone,
    Other,
    Broken,
}

struct Length<'a> {
    bits: u64,
    broken: usize,
    wide: usize,
    previous: Kind,
    /// The character before, and the kana before that is no voicing mark.
    last: char,
    kana: char,
    cues: &'a [Cue],
    foreign: u64,
    first_kana: u64,
}

impl<'a> Length<'a> {
    fn new(cues: &'a [Cue], encoding: Encoding) -> Self {
        let euc = encoding == Encoding::EucJp;
        Self {
            bits: if euc { RARE_EUC } else { 0 },
            broken: 0,
            wide: 0,
            previous: Kind::Blank,
            last: '\0',
            kana: '\0',
            cues,
            // Letters outside Latin are the rule where a part of ISO 8859 is meant, else a rarity.
            foreign: if matches!(encoding, Encoding::Iso8859(_)) { 9 } else { 15 },
            first_kana: if euc { 2 + RARE_EUC_KANA } else { 2 },
        }
    }

    fn set(&mut self, kind: Kind, c: char) {
        (self.previous, self.last) = (kind, c);
    }

    fn broken(&mut self) {
        self.bits += if self.previous == Kind::Broken { BROKEN_ON } else { BROKEN };
        self.broken += 1;
        self.set(Kind::Broken, '\0');
    }

    fn cut(&mut self, bytes: usize) {
        self.bits += if bytes > 1 { CUT_LATE } else { CUT };
        self.broken += 1;
        self.set(Kind::Broken, '\0');
    }

    fn phonetic(&mut self, at: usize) -> Option<bool> {
        while self.cues.first().is_some_and(|cue| cue.to <= at) {
            self.cues = &self.cues[1..];
        }
        self.cues.first().filter(|cue| cue.from <= at).map(|cue| cue.phonetic)
    }

    fn ascii(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            self.bits += 5;
            match self.previous {
                Kind::HalfWidth => self.bits += 4,
                // It was no lone letter after all.
                Kind::AccentAlone => self.bits -= 7,
                _ => {}
            }
            self.set(Kind::Letter, char::from(byte));
        } else {
            self.bits += 4;
            self.set(Kind::Blank, char::from(byte));
        }
    }

    fn character(&mut self, at: usize, c: Option<char>) {
        let Some(c) = c else {
            self.bits += UNASSIGNED;
            self.wide += 1;
            return self.set(Kind::Other, '\0');
        };
        if matches!(c, '\u{FF61}'..='\u{FF9F}') {
            return self.half_width(at, c);
        }
        self.wide += 1;
        let mixes = if self.previous == Kind::HalfWidth { SCRIPTS_MIX } else { 0 };
        let kanji = kanji(c);
        if kanji > 0 || matches!(c, 'ぁ'..='ヿ' | '\u{3000}'..='〿' | '\u{FF01}'..='\u{FF5E}') {
            let phonetic = kanji > 0 && self.phonetic(at) == Some(true);
            self.bits += match c {
                _ if kanji > 0 => u64::from(kanji),
                'ぁ'..='ヿ' => 8,
                _ => 9,
            };
            self.bits += mixes + if phonetic { NOT_PHONETIC } else { 0 };
            self.bits += if matches!(self.previous, Kind::Wide | Kind::HalfWidth) { 0 } else { 2 };
            self.set(Kind::Wide, c);
        } else if SIGNS.contains(c) {
            self.bits += 9 + mixes;
            self.set(Kind::Other, c);
        } else if c.is_alphabetic() && c < '\u{250}' {
            let alone = self.previous != Kind::Letter;
            self.bits += if alone { 16 } else { 9 };
            self.set(if alone { Kind::AccentAlone } else { Kind::Accent }, c);
        } else {
            self.bits += if c.is_alphabetic() { self.foreign } else { 15 };
            self.set(Kind::Other, c);
        }
    }

    fn half_width(&mut self, at: usize, c: char) {
        let first = self.previous != Kind::HalfWidth;
        let last = if first { '\0' } else { self.last };
        let voiced = matches!(last, 'ﾞ' | 'ﾟ');
        self.bits += match c {
            'ﾞ' if matches!(last, 'ｶ'..='ﾄ' | 'ﾊ'..='ﾎ' | 'ｳ') => 2,
            'ﾟ' if matches!(last, 'ﾊ'..='ﾎ') => 3,
            'ﾞ' | 'ﾟ' => 18,
            'ｬ'..='ｮ'
                if matches!(
                    if voiced { self.kana } else { last },
                    'ｷ' | 'ｼ' | 'ﾁ' | 'ﾆ' | 'ﾋ' | 'ﾐ' | 'ﾘ'
                ) =>
            {
                3
            }
            'ｧ'..='ｫ' if matches!(last, 'ﾌ' | 'ﾃ' | 'ﾄ' | 'ｼ' | 'ｽ' | 'ﾂ' | 'ﾞ' | 'ｳ') => {
                7
            }
            'ｧ'..='ｮ' => 14,
            'ｯ' | 'ｰ' => {
                if first {
                    16
                } else {
                    6
                }
            }
            'ﾝ' => {
                if first {
                    14
                } else {
                    4
                }
            }
            'ｦ' | '｡'..='､' => 11,
            '･' => 9,
            'ｱ'..='ｳ'
            | 'ｵ'..='ｸ'
            | 'ｺ'..='ｽ'
            | 'ﾀ'
            | 'ﾁ'
            | 'ﾄ'
            | 'ﾅ'
            | 'ﾉ'
            | 'ﾊ'
            | 'ﾏ'
            | 'ﾐ'
            | 'ﾔ'
            | 'ﾖ'..='ﾘ' => 5,
            _ => 7,
        };
        if last == 'ｯ' && !matches!(c, 'ｶ'..='ﾄ' | 'ﾊ'..='ﾎ') {
            self.bits += 9;
        }
        self.bits += if first { self.first_kana } else { 0 };
        self.bits += match self.previous {
            Kind::Wide | Kind::Other => SCRIPTS_MIX,
            Kind::Letter => 4,
            _ => 0,
        };
        if self.phonetic(at) == Some(false) {
            self.bits += NOT_IDEOGRAPHIC;
        }
        if !matches!(c, 'ﾞ' | 'ﾟ') {
            self.kana = c;
        }
        self.set(Kind::HalfWidth, c);
    }
}

/// The bits of a kanji; 0 for anything else.
fn kanji(c: char) -> u8 {
    const FIRST: u32 = 0x4E00;
    const COUNT: usize = 0x5200;
    static BITS: OnceLock<Box<[u8]>> = OnceLock::new();
    let bits = BITS.get_or_init(|| {
        let mut bits = vec![18; COUNT];
        let mut set = |c: char, to: u8| {
            if let Some(place) = u32::from(c).checked_sub(FIRST).and_then(|n| bits.get_mut(n as usize)) {
                *place = to;
            }
        };
        // Level 1 of JIS X 0208, the more frequent half: rows 16-47.
        for (row, cell) in (0x30..0x50).flat_map(|row| (0x21..0x7F).map(move |cell| (row, cell))) {
            if let Some(c) = tables::jis_x_0208(row, cell) {
                set(c, 14);
            }
        }
        FREQUENT.chars().for_each(|c| set(c, 10));
        MOST_FREQUENT.chars().for_each(|c| set(c, 7));
        bits.into()
    });
    let index = u32::from(c).checked_sub(FIRST).map_or(usize::MAX, |n| n as usize);
    // Compatibility ideographs hold 﨑 and its like.
    bits.get(index).copied().unwrap_or(if matches!(c, '\u{F900}'..='\u{FAFF}') { 18 } else { 0 })
}

fn utf_8(bytes: &[u8], length: &mut Length<'_>) {
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for (n, c) in chunk.valid().char_indices() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => length.ascii(byte),
                _ => length.character(at + n, Some(c).filter(|c| !tables::is_private(*c))),
            }
        }
        at += chunk.valid().len() + chunk.invalid().len();
        match chunk.invalid() {
            [] => {}
            [0xC2..=0xF4, rest @ ..] => length.cut(1 + rest.len()),
            _ => length.broken(),
        }
    }
}

fn cp932(bytes: &[u8], length: &mut Length<'_>) {
    let mut at = 0;
    while at < bytes.len() {
        at += match (bytes[at], bytes.get(at + 1)) {
            (byte @ 0x00..=0x7F, _) => {
                length.ascii(byte);
                1
            }
            (kana @ 0xA1..=0xDF, _) => {
                length.character(at, tables::half_width(kana));
                1
            }
            (lead, Some(trail)) if tables::is_cp932_pair(lead, *trail) => {
                length.character(at, tables::cp932(lead, *trail));
                2
            }
            (0x81..=0x9F | 0xE0..=0xFC, _) => {
                length.cut(1);
                1
            }
            _ => {
                length.broken();
                1
            }
        };
    }
}

fn euc_jp(bytes: &[u8], length: &mut Length<'_>) {
    let mut at = 0;
    while at < bytes.len() {
        let high = |ahead: usize| bytes.get(at + ahead).copied().filter(|b| (0xA1..=0xFE).contains(b));
        at += match (bytes[at], high(1), high(2)) {
            (byte @ 0x00..=0x7F, _, _) => {
                length.ascii(byte);
                1
            }
            (0x8E, Some(kana @ 0xA1..=0xDF), _) => {
                length.character(at, tables::half_width(kana));
                2
            }
            (0x8F, Some(row), Some(cell)) => {
                length.character(at, tables::jis_x_0212(row & 0x7F, cell & 0x7F));
                3
            }
            (row @ 0xA1..=0xFE, Some(cell), _) => {
                length.character(at, tables::jis_x_0208(row & 0x7F, cell & 0x7F));
                2
            }
            (0x8E | 0xA1..=0xFE, None, _) => {
                length.cut(1);
                1
            }
            _ => {
                length.broken();
                1
            }
        };
    }
}

fn iso_8859(bytes: &[u8], part: u8, length: &mut Length<'_>) {
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            0x00..=0x7F => length.ascii(*byte),
            _ => match super::eight_bit::iso_8859_character(part, *byte) {
                Some(c) => length.character(at, Some(c)),
                None => length.broken(),
            },
        }
    }
}
