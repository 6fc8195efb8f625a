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
            {
                let at = self.span();
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
    let quoted = message.split('`').nth(1).unwrap_or_default();
    let ja = if message.starts_with("unknown field") {
        format!("{quoted} という設定はありません。綴りを確かめるか、消してください。")
    } else if message.starts_with("missing field") {
        format!("必要な設定 {quoted} がありません。書き足してください。")
    } else if message.starts_with("unknown variant") {
        format!("{quoted} は選べません。使える値は英文のとおりです。")
    } else if message.starts_with("invalid type") {
        "値の型が違います。英文のとおりに書き直してください。".to_owned()
    } else if message.contains(" is only for a feed of kind ") {
        "この設定は、別の kind の feed のものです。消すか、kind を直してください。".to_owned()
    } else if message.starts_with("a feed of kind ") {
        "この kind の feed に必要な設定がありません。英文のとおりに書き足してください。".to_owned()
    } else if message.contains(" is at least ") || message.contains(" is at most ") {
        "値が範囲の外です。英文の値までにしてください。".to_owned()
    } else if message.starts_with("the name of a feed ") {
        "feed の名前は、英数字、-、_、. だけで書いてください。".to_owned()
    } else if message.starts_with("a size ") {
        "大きさは整数と単位で書きます（例 \"16MiB\"）。".to_owned()
    } else if message.starts_with("a time ") {
        "時間は整数と単位 ms、s、m、h、d で書きます（例 \"15m\"）。".to_owned()
    } else if message.starts_with("weekdays ") {
        "曜日は MON、TUE、WED、THU、FRI、SAT、SUN の名前で書きます。数字は使えません。".to_owned()
    } else if message.starts_with("a schedule ") {
        "予定は 分 時 日 月 曜日 の五つを空白で区切って書きます（例 \"30 1 * * *\"、\"0 3 * * SUN\"）。"
            .to_owned()
    } else {
        "この値は使えません。英文のとおりに書き直してください。".to_owned()
    };
    let mut en = message.trim_end_matches('.').to_owned();
    if let Some(first) = en.get(..1).map(str::to_uppercase) {
        en.replace_range(..1, &first);
    }
    (ja, format!("{en}."))
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
