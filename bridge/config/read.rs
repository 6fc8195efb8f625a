//! Reads TOML section by section, so that one mistake does not hide the next.
//!
//! serde stops at the first error. Here the setting that it names is taken out and the section is read
//! again, until it reads or nothing more can be taken out.

use super::problem::Problems;
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A table of the file with its place.
#[derive(Clone, Debug)]
pub(super) struct Section<'t> {
    /// As shown to people: `feed[2]`.
    pub(super) name: String,
    value: Spanned<DeValue<'t>>,
}

impl<'t> Section<'t> {
    pub(super) fn new(name: impl Into<String>, value: Spanned<DeValue<'t>>) -> Self {
        Self { name: name.into(), value }
    }

    /// The place of the whole section.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// The place of a setting, `tls.cert` for a nested one; of the section where it is not written.
    pub(super) fn span_of(&self, path: &str) -> Range<usize> {
        let mut at = &self.value;
        for key in path.split('.') {
            match at.get_ref().get(key) {
                Some(inner) => at = inner,
                None => break,
            }
        }
        at.span()
    }

    /// The text of a setting, as written.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value.get_ref().get(key)?.get_ref().as_str()
    }

    /// Reads the section, noting every problem. Where there was one, what could be read is given without it, so
    /// that the rest can be looked at too; `None` where nothing can.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        required: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let mut whole = true;
        let Some(table) = self.value.get_ref().as_table() else {
            problems.error(
                Some(self.span()),
                &self.name,
                "ここには表を書いてください。",
                "A table is expected here.",
            );
            return None;
        };
        for key in required.iter().filter(|key| !table.contains_key(**key)) {
            whole = false;
            problems.error(
                Some(self.span()),
                format!("{}.{key}", self.name),
                format!("必要な設定 {key} がありません。書き足してください。"),
                format!("The setting {key} is required. Add it."),
            );
        }
        let mut value = self.value.clone();
        let mut said: Vec<String> = Vec::new();
        // Once: what stands in has no place in the file, and could be taken out again and again.
        let mut stood_in = false;
        loop {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let told = told(error.message());
            if !told.is_empty() {
                let mut left = false;
                for (key, sentence) in told {
                    if let DeValue::Table(table) = value.get_mut() {
                        left |= table.remove(key).is_some();
                    }
                    if !said.iter().any(|earlier| earlier == key) {
                        let (ja, en) = sentences(sentence);
                        problems.error(Some(self.span_of(key)), format!("{}.{key}", self.name), ja, en);
                        said.push(key.to_owned());
                    }
                }
                whole = false;
                if !left {
                    return None;
                }
                continue;
            }
            let taken = error.span().and_then(|span| take(&mut value, &span));
            let missing = error.message().starts_with("missing field");
            // Said already: something stands in for it, so that the rest of the section can be looked at too.
            let stand_in = STAND_INS.iter().find(|(section, key, _)| {
                self.name.starts_with(section) && error.message().contains(&format!("`{key}`"))
            });
            if let (true, None, false, Some((_, key, stand_in))) = (missing, &taken, whole, stand_in)
                && let DeValue::Table(table) = value.get_mut()
                && !table.contains_key(*key)
                && !std::mem::replace(&mut stood_in, true)
            {
                // A place that nothing in the file has, so that no other error takes it out.
                let at = usize::MAX..usize::MAX;
                let value = DeValue::String((*stand_in).into());
                table.insert(Spanned::new(at.clone(), (*key).into()), Spanned::new(at, value));
                continue;
            }
            // A required setting that is missing was said above, or was taken out because it could not be read.
            if !(missing && taken.is_none() && !whole) {
                let key =
                    taken.as_deref().map_or_else(|| self.name.clone(), |key| format!("{}.{key}", self.name));
                let (ja, en) = sentences(error.message());
                problems.error(error.span().or_else(|| Some(self.span())), key, ja, en);
            }
            whole = false;
            said.push(taken?);
        }
    }
}

/// What stands in for a required setting that is missing or wrong, while the others of its section are looked at.
const STAND_INS: [(&str, &str, &str); 1] = [("base[", "kind", "fhir-rest")];

/// What a section says of its own settings: `key TAB sentence` a line.
fn told(message: &str) -> Vec<(&str, &str)> {
    message.lines().map_while(|line| line.split_once('\t')).collect()
}

/// Takes the innermost setting out whose key or value lies at that place. Its path.
fn take(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    let DeValue::Table(table) = value.get_mut() else { return None };
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let found = table
        .iter()
        .find(|(key, inner)| covers(key.span()) || covers(inner.span()))
        .map(|(key, inner)| (key.clone(), covers(key.span()) || inner.span() == *span))?;
    let (key, whole) = found;
    let name = key.get_ref().to_string();
    if !whole
        && let Some(inner) = table.get_mut(&key)
        && let Some(path) = take(inner, span)
    {
        return Some(format!("{name}.{path}"));
    }
    table.remove(&key);
    Some(name)
}

/// What serde says, in both languages.
fn sentences(message: &str) -> (String, String) {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let first = quoted.first().copied().unwrap_or_default();
    let starts = |begin: &str| message.starts_with(begin);
    let ja = if starts("unknown field") {
        format!("{first} という設定はありません。綴りを確かめるか、消してください。")
    } else if starts("missing field") {
        format!("必要な設定 {first} がありません。書き足してください。")
    } else if starts("unknown variant") {
        let values = quoted.iter().skip(1).copied().collect::<Vec<_>>().join("、");
        format!("{first} は選べません。使える値は {values} です。")
    } else if let Some((_, expected)) = message.rsplit_once(", expected ").filter(|_| starts("invalid ")) {
        format!("値の形が違います。{}で書いてください。", wanted(expected))
    } else if starts("invalid socket address") {
        "IP アドレスとポートを : でつないで書いてください（例 \"0.0.0.0:2575\"、\"127.0.0.1:8080\"）。ホスト名は使えません。"
            .to_owned()
    } else if starts("facility = \"field\" needs") {
        "facility = \"field\" には、送り手が書いてよい施設の allow = [\"コード\", …] と、小文字・数字・- で付けた sender = \"lab-…\" が必要です。"
            .to_owned()
    } else if starts("allow and sender belong") {
        "allow と sender は、facility = \"field\" の feed のものです。".to_owned()
    } else if message.contains(" is only for a feed of kind ") {
        let kinds = message.rsplit_once("kind ").map_or("", |(_, kinds)| kinds).replace(" or ", "、");
        format!("この設定は、kind が {kinds} の feed のものです。消すか、kind を直してください。")
    } else if let Some((_, needed)) = message.split_once(" needs ").filter(|_| starts("a feed of kind ")) {
        format!("この kind の feed には {needed} が必要です。書き足してください。")
    } else if let Some((key, least)) = message.split_once(" is at least ") {
        format!("{key} は {least} 以上にしてください。")
    } else if let Some((key, most)) = message.split_once(" is at most ") {
        format!("{key} は {most} までにしてください。")
    } else if starts("the name of a feed ") {
        "feed の名前は、英数字、-、_、. だけで書いてください。".to_owned()
    } else if starts("a size ") {
        "大きさは整数と単位で書きます（例 \"16MiB\"）。".to_owned()
    } else if starts("a time of at least ") {
        let least = message.split('"').nth(1).unwrap_or_default();
        format!("保存期間は 40 日（\"{least}\"）以上にしてください。")
    } else if starts("a time ") {
        "時間は整数と単位 ms、s、m、h、d で書きます（例 \"15m\"）。".to_owned()
    } else if starts("a day ") {
        "日付は、ある日を \"2026-04-01\" の形で書いてください。".to_owned()
    } else if starts("a network ") {
        "IP アドレスか、範囲なら / と長さを付けて書いてください（例 \"10.1.2.3\"、\"10.1.2.0/24\"）。"
            .to_owned()
    } else if starts("an address is ") {
        "url は \"https://base.example/fhir\" の形で書いてください。".to_owned()
    } else if starts("weekdays ") {
        "曜日は MON、TUE、WED、THU、FRI、SAT、SUN の名前で書きます。数字は使えません。".to_owned()
    } else if starts("a schedule cannot be read") {
        schedule(message)
    } else if starts("a schedule ") {
        "予定は 分 時 日 月 曜日 の五つを空白で区切って書きます（例 \"30 1 * * *\"、\"0 3 * * SUN\"）。"
            .to_owned()
    } else {
        format!("この値は使えません（{message}）。書き直してください。")
    };
    let mut en = match message.starts_with("invalid socket address") {
        true => "write an IP address and a port, such as \"0.0.0.0:2575\"; no name of a host".to_owned(),
        false => message.trim_end_matches('.').to_owned(),
    };
    if let Some(first) = en.get(..1).map(str::to_uppercase) {
        en.replace_range(..1, &first);
    }
    (ja, format!("{en}."))
}

/// What serde expected, in Japanese.
fn wanted(expected: &str) -> String {
    match expected {
        "a string" | "path string" => "引用符で囲んだ文字（例 \"abc\"）".to_owned(),
        "a sequence" => "角括弧の並び（例 [\"a\", \"b\"]）".to_owned(),
        "a boolean" => "引用符のない true か false".to_owned(),
        "usize" | "u8" | "u16" | "u32" | "u64" => "引用符のない 0 以上の整数（例 10）".to_owned(),
        _ if expected.starts_with("struct ") || expected == "a map" => {
            "波括弧の表（例 { width = 10 }）".to_owned()
        }
        _ => format!("{expected} の形"),
    }
}

/// Which field of a schedule is wrong, in Japanese.
fn schedule(message: &str) -> String {
    let field = message.split('"').nth(1).unwrap_or_default();
    let named = [
        ("is no minute", "分は 0～59"),
        ("is no hour", "時は 0～23"),
        ("is no day of the month", "日は 1～31"),
        ("is no month", "月は 1～12"),
        ("is no weekday", "曜日は MON、TUE、WED、THU、FRI、SAT、SUN（範囲は MON-FRI、並びは SAT,SUN）"),
    ];
    match named.into_iter().find(|(en, _)| message.contains(en)) {
        Some((_, ja)) => format!("予定の中の {field} は使えません。{ja} で書いてください。"),
        None => format!("予定 {field} を読めません。分 時 日 月 曜日 の順に、ある日時を書いてください。"),
    }
}

/// The tables of a file: `[name]`, or every `[[name]]`.
pub(super) fn sections<'t>(
    table: &mut DeTable<'t>,
    name: &str,
    problems: &mut Problems<'_>,
) -> Vec<Section<'t>> {
    let Some((_, value)) = table.remove_entry(name) else { return Vec::new() };
    let span = value.span();
    match value.into_inner() {
        DeValue::Array(tables) => tables
            .into_iter()
            .enumerate()
            .map(|(index, value)| Section::new(format!("{name}[{}]", index + 1), value))
            .collect(),
        _ => {
            problems.error(
                Some(span),
                name,
                format!("[[{name}]] と二重の括弧で書いてください。"),
                format!("Write [[{name}]] with double brackets: there may be several."),
            );
            Vec::new()
        }
    }
}
