//! Who is shared: what an operator sets, and what it means for one patient.
//!
//! Pure: the settings and their comparisons, no database and no clock. [`super::consent`] applies them.

use renkei_translate::translation::PatientIdRule;

/// The last day that an open end stands for.
pub const FOREVER: u32 = 99_991_231;

/// Milliseconds from UTC to Japan's time.
const JAPAN_MS: i64 = 9 * 3_600_000;

/// Whose data a destination gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Patients of the list, from and until their days.
    #[default]
    Listed,
    /// Every patient but those of the list.
    AllButListed,
    /// Every patient.
    All,
}

impl Share {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::AllButListed => "all-but-listed",
            Self::All => "all",
        }
    }

    /// Whether a destination gets a patient who is on the list today, or is not.
    pub fn takes(self, listed: bool) -> bool {
        match self {
            Self::Listed => listed,
            Self::AllButListed => !listed,
            Self::All => true,
        }
    }
}

/// What becomes of what a destination has when a patient is no more shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Withdrawal {
    /// It stays, and nothing more is sent.
    #[default]
    Stop,
    /// It is deleted.
    Delete,
}

impl Withdrawal {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Delete => "delete",
        }
    }
}

/// Patients that are nobody: never shared, whatever the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TestPatients {
    /// By id.
    pub ids: Vec<String>,
    /// By id, first and last.
    pub ranges: Vec<[String; 2]>,
    /// By name: `*` stands for any letters, nothing else is special. Spaces, width and case of Latin letters
    /// do not matter.
    pub names: Vec<String>,
}

impl TestPatients {
    /// With ids as the facility writes them everywhere.
    pub fn normalised(&self, rule: &PatientIdRule) -> Self {
        Self {
            ids: self.ids.iter().map(|id| rule.normalise(id)).collect(),
            ranges: self.ranges.iter().map(|ends| ends.each_ref().map(|id| rule.normalise(id))).collect(),
            names: self.names.clone(),
        }
    }

    /// Whether an id is one of them.
    pub fn has_id(&self, id: &str) -> bool {
        self.ids.iter().any(|test| test == id)
            || self.ranges.iter().any(|[first, last]| in_order(first, id) && in_order(id, last))
    }

    /// Whether one of the names of a Patient is one of them.
    pub fn has_name(&self, patient: &serde_json::Value) -> bool {
        !self.names.is_empty() && self.has_one_of(&names(patient))
    }

    /// Whether one of these names, family and given as one text, is one of them.
    pub fn has_one_of(&self, names: &[String]) -> bool {
        if self.names.is_empty() {
            return false;
        }
        let names: Vec<String> = names.iter().map(|name| fold(name)).collect();
        self.names.iter().map(|pattern| fold(pattern)).any(|p| names.iter().any(|name| like(&p, name)))
    }

    /// A range whose ends cannot be compared, or are the wrong way round.
    pub fn wrong_range(&self) -> Option<&[String; 2]> {
        self.ranges.iter().find(|[first, last]| first.is_empty() || !in_order(first, last))
    }

    /// A name pattern that is everybody's.
    pub fn wrong_name(&self) -> Option<&String> {
        self.names.iter().find(|pattern| fold(pattern).chars().all(|c| c == '*'))
    }
}

/// Numbers are compared as numbers, other ids of one length letter by letter; any others are not in order.
fn in_order(a: &str, b: &str) -> bool {
    let number = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    if number(a) && number(b) {
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        return (a.len(), a) <= (b.len(), b);
    }
    a.chars().count() == b.chars().count() && a <= b
}

fn names(patient: &serde_json::Value) -> Vec<String> {
    let mut found = Vec::new();
    for name in patient["name"].as_array().into_iter().flatten() {
        found.extend(name["text"].as_str().map(str::to_owned));
        let mut whole = name["family"].as_str().unwrap_or_default().to_owned();
        whole.extend(name["given"].as_array().into_iter().flatten().filter_map(|given| given.as_str()));
        found.push(whole);
    }
    found
}

/// Without spaces, full-width Latin letters and digits made half-width, small.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let plain = text.chars().filter(|c| !c.is_whitespace()).map(half_width).flat_map(char::to_lowercase);
    for c in plain.map(katakana) {
        // Half-width kana write the mark of a voiced sound by itself: ﾃﾞ.
        let voiced = match (c, out.chars().last()) {
            ('゛', Some(before)) => voiced(before),
            ('゜', Some(before @ 'ハ' | before @ 'ヒ' | before @ 'フ' | before @ 'ヘ' | before @ 'ホ')) => {
                char::from_u32(u32::from(before) + 2)
            }
            _ => None,
        };
        match voiced {
            Some(voiced) => {
                out.pop();
                out.push(voiced);
            }
            None => out.push(c),
        }
    }
    out
}

/// Kana of every sort as full-width katakana: a name is the same whichever a hospital writes.
fn katakana(c: char) -> char {
    const HALF: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゛゜";
    match c {
        'ぁ'..='ゖ' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        '\u{ff61}'..='\u{ff9f}' => HALF.chars().nth((u32::from(c) - 0xff61) as usize).unwrap_or(c),
        _ => c,
    }
}

/// カ → ガ.
fn voiced(c: char) -> Option<char> {
    match c {
        'ウ' => Some('ヴ'),
        'カ' | 'キ' | 'ク' | 'ケ' | 'コ' | 'サ' | 'シ' | 'ス' | 'セ' | 'ソ' | 'タ' | 'チ' | 'ツ' | 'テ'
        | 'ト' | 'ハ' | 'ヒ' | 'フ' | 'ヘ' | 'ホ' => char::from_u32(u32::from(c) + 1),
        _ => None,
    }
}

/// A full-width Latin letter, digit or sign as the half-width one.
pub fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// Whether a text fits a pattern in which `*` stands for any letters.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What is set for a facility.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Sharing {
    /// Destinations by name. One that is not named gets nothing.
    pub destinations: Vec<(String, Share)>,
    /// At the end of a consent.
    pub withdrawal: Withdrawal,
    /// Patients that are nobody, with ids as they are written everywhere.
    pub tests: TestPatients,
}

impl Sharing {
    /// Everybody to these destinations: for tests and benches.
    pub fn all(destinations: &[&str]) -> Self {
        let destinations = destinations.iter().map(|name| ((*name).to_owned(), Share::All)).collect();
        Self { destinations, ..Self::default() }
    }
}

/// The day in Japan of a moment in milliseconds since 1970, `YYYYMMDD`.
pub fn day_in_japan(now_ms: i64) -> u32 {
    let at = chrono::DateTime::from_timestamp_millis(now_ms.saturating_add(JAPAN_MS)).unwrap_or_default();
    at.format("%Y%m%d").to_string().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{PatientIdRule, TestPatients, day_in_japan, like};

    fn tests(ids: &[&str], ranges: &[[&str; 2]], names: &[&str]) -> TestPatients {
        TestPatients {
            ids: ids.iter().map(|id| (*id).into()).collect(),
            ranges: ranges.iter().map(|ends| ends.map(str::to_owned)).collect(),
            names: names.iter().map(|name| (*name).into()).collect(),
        }
    }

    #[test]
    fn ids_and_ranges_are_written_as_the_facility_writes_them() {
        let rule = PatientIdRule { width: 5, strip: String::new() };
        let tests = tests(&["77"], &[["900", "999"]], &[]).normalised(&rule);
        for id in ["00077", "00900", "00950", "00999"] {
            assert!(tests.has_id(id), "{id}");
        }
        for id in ["00078", "00899", "01000", "09000", "77", ""] {
            assert!(!tests.has_id(id), "{id}");
        }
    }

    #[test]
    fn ranges_of_letters_are_of_one_length() {
        let tests = tests(&[], &[["T001", "T099"]], &[]);
        assert!(tests.has_id("T050") && !tests.has_id("T0500") && !tests.has_id("S050"));
        assert!(tests.wrong_range().is_none());
        assert!(self::tests(&[], &[["9", "1"]], &[]).wrong_range().is_some());
        assert!(self::tests(&[], &[["T9", "T10"]], &[]).wrong_range().is_some());
    }

    #[test]
    fn a_name_in_kana_is_matched_however_kana_are_written() {
        let tests = tests(&[], &[], &["テスト*", "ダミー*", "*ポンタ"]);
        for name in ["ﾃｽﾄ ﾀﾛｳ", "てすと　たろう", "テスト", "ﾀﾞﾐｰ", "だみー", "架空ﾎﾟﾝﾀ", "架空ぽんた"]
        {
            assert!(tests.has_one_of(&[name.to_owned()]), "{name}");
        }
        for name in ["ﾃｽﾗ", "タミー", "架空ホンタ", "゛テスト"] {
            assert!(!tests.has_one_of(&[name.to_owned()]), "{name}");
        }
    }

    #[test]
    fn names_are_matched_whatever_their_spaces_and_width() {
        let patient = serde_json::json!({"name": [
            {"text": "テスト　太郎", "family": "テスト", "given": ["太郎"]}, {"family": "ＴＥＳＴ", "given": ["Taro"]}]});
        let check = |pattern: &str, expected| {
            assert_eq!(tests(&[], &[], &[pattern]).has_name(&patient), expected, "{pattern}");
        };
        check("テスト*", true);
        check("テスト太郎", true);
        check("*太郎", true);
        check("test*", true);
        check("*スト*郎", true);
        check("テスト", false);
        check("太郎*", false);
        check("t.*", false);
        assert!(tests(&[], &[], &["＊"]).wrong_name().is_some());
        assert!(tests(&[], &[], &[" * "]).wrong_name().is_some());
        assert!(tests(&[], &[], &["テ*"]).wrong_name().is_none());
    }

    #[test]
    fn a_star_is_any_letters_and_parts_do_not_overlap() {
        assert!(like("a*a", "aa") && !like("a*a", "a"));
        assert!(like("a*b*c", "a-b-b-c") && !like("a*b*c", "a-c-b"));
        assert!(like("*", "") && like("abc", "abc") && !like("abc", "abcd"));
    }

    #[test]
    fn the_day_turns_at_midnight_in_japan() {
        // 2026-01-05 23:59:59.999 and a millisecond later, in Japan.
        assert_eq!(day_in_japan(1_767_625_199_999), 20_260_105);
        assert_eq!(day_in_japan(1_767_625_200_000), 20_260_106);
    }
}
