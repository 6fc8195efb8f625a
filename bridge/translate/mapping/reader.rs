//! Reads TOML tables key by key, with lines, and reports what is left over: unknown keys are refused.

use super::describe::Title;
use super::layer::Rank;
use super::near::{meant, nearest};
use super::problem::{Place, Problems, words};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// A file while it is read.
pub(crate) struct File<'p> {
    pub(crate) layer: Rank,
    pub(crate) name: Arc<str>,
    pub(crate) lines: Vec<usize>,
    pub(crate) problems: &'p mut Problems,
}

impl File<'_> {
    pub(crate) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        Place { layer: self.layer, file: self.name.clone(), line }
    }
}

/// The byte offsets at which lines start.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// One table of a file.
pub(crate) struct Tab<'t> {
    entries: Vec<(&'t str, usize, &'t DeValue<'t>, bool)>,
    /// The keys that were asked for: what can be written here.
    asked: Vec<&'static str>,
    pub(crate) offset: usize,
    /// What problems of this table are filed under.
    pub(crate) rule: String,
}

impl<'t> Tab<'t> {
    pub(crate) fn new(table: &'t DeTable<'t>, offset: usize, rule: impl Into<String>) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value.get_ref(), false))
            .collect();
        Self { entries, asked: Vec::new(), offset, rule: rule.into() }
    }

    /// Offset and value of a key, which is then known.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<(usize, &'t DeValue<'t>)> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter_mut().find(|entry| entry.0 == key)?;
        entry.3 = true;
        Some((entry.1, entry.2))
    }

    pub(crate) fn wrong(&self, file: &mut File<'_>, offset: usize, ja: &str, en: &str) {
        let place = file.place(offset);
        file.problems.add(&place, self.rule.clone(), ja, en);
    }

    /// The same of the cell of a key.
    pub(crate) fn wrong_cell(&self, file: &mut File<'_>, offset: usize, key: &str, ja: &str, en: &str) {
        let place = file.place(offset);
        file.problems.cell(&place, self.rule.clone(), key, words(ja, en));
    }

    /// The text of a key, which is not taken by that.
    pub(crate) fn peek(&self, key: &str) -> Option<&'t str> {
        self.entries.iter().find(|entry| entry.0 == key)?.2.as_str()
    }

    /// Whether a key is written.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.0 == key)
    }

    /// Whether a heading is written that could be meant for this one, or is of another kind of file.
    pub(crate) fn has_heading(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| {
            nearest(entry.0, [key]).is_some() || heading_of(entry.0).is_some_and(|_| entry.0 != key)
        })
    }

    /// Where a key stands; where the table begins for one that is not written.
    pub(crate) fn place_of(&self, file: &File<'_>, key: &str) -> Place {
        let entry = self.entries.iter().find(|entry| entry.0 == key);
        file.place(entry.map_or(self.offset, |entry| entry.1))
    }

    pub(crate) fn text(&mut self, file: &mut File<'_>, key: &'static str) -> Option<String> {
        let (offset, value) = self.take(key)?;
        match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong_cell(
                    file,
                    offset,
                    key,
                    &format!("{key} は文字列でなければなりません。"),
                    &format!("{key} must be a text."),
                );
                None
            }
        }
    }

    /// A text that must be there.
    pub(crate) fn needed(&mut self, file: &mut File<'_>, key: &'static str) -> String {
        if !self.has(key) {
            let offset = self.offset;
            self.wrong_cell(
                file,
                offset,
                key,
                &format!("{key} がありません。"),
                &format!("{key} is missing."),
            );
        }
        self.text(file, key).unwrap_or_default()
    }

    /// A text or a list of texts.
    pub(crate) fn texts(&mut self, file: &mut File<'_>, key: &'static str) -> Option<Vec<String>> {
        let (offset, value) = self.take(key)?;
        if let Some(text) = value.as_str() {
            return Some(vec![text.to_owned()]);
        }
        let all: Option<Vec<String>> = value
            .as_array()
            .and_then(|a| a.iter().map(|v| v.get_ref().as_str().map(str::to_owned)).collect());
        if all.is_none() {
            self.wrong_cell(
                file,
                offset,
                key,
                &format!("{key} は文字列かその並びでなければなりません。"),
                &format!("{key} must be a text or a list of texts."),
            );
        }
        all
    }

    /// The same where an empty list says nothing.
    pub(crate) fn some_texts(&mut self, file: &mut File<'_>, key: &'static str) -> Option<Vec<String>> {
        let entry = self.entries.iter().find(|entry| entry.0 == key);
        let offset = entry.map_or(self.offset, |entry| entry.1);
        let all = self.texts(file, key)?;
        if all.is_empty() {
            let ja = format!("{key} が空の並びです。下の層のままにするなら、この行を消します。");
            let en = format!("{key} is an empty list: leave it out to keep what a lower layer says.");
            let before = file.problems.doubting(true);
            self.wrong_cell(file, offset, key, &ja, &en);
            file.problems.doubting(before);
        }
        Some(all)
    }

    pub(crate) fn boolean(&mut self, file: &mut File<'_>, key: &'static str) -> bool {
        let Some((offset, value)) = self.take(key) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.wrong_cell(
                file,
                offset,
                key,
                &format!("{key} は true か false です。"),
                &format!("{key} must be true or false."),
            );
            false
        })
    }

    /// A list of tables: `[[x]]` or `x = [{…}]`.
    pub(crate) fn tables(&mut self, file: &mut File<'_>, key: &'static str) -> Vec<Tab<'t>> {
        let Some((offset, value)) = self.take(key) else { return Vec::new() };
        let array = value.as_array();
        let mut out = Vec::new();
        if array.is_none() {
            self.wrong_cell(
                file,
                offset,
                key,
                &format!(
                    "{key} は行の並びです。見出しなら [[{key}]] とかっこを二重にして、行なら {key} = [ {{ … }}, ] と書きます。"
                ),
                &format!(
                    "{key} is a list: write [[{key}]], with two brackets, as a heading, or rows as {key} = [ {{ … }}, ]."
                ),
            );
            // What it holds is looked at all the same.
            out.extend(value.as_table().map(|table| Tab::new(table, offset, self.rule.clone())));
        }
        for item in array.into_iter().flat_map(|a| a.iter()) {
            match item.get_ref().as_table() {
                Some(table) => out.push(Tab::new(table, item.span().start, self.rule.clone())),
                None => self.wrong_cell(
                    file,
                    item.span().start,
                    key,
                    &format!("{key} の行は {{ }} でなければなりません。"),
                    &format!("each row of {key} must be a table in {{ }}."),
                ),
            }
        }
        out
    }

    /// `{ ja = "…", en = "…" }`.
    pub(crate) fn both_languages(&mut self, file: &mut File<'_>, key: &'static str, needed: bool) -> Title {
        let mut title = Title::default();
        // Words for people: nothing is translated by them.
        let before = file.problems.doubting(true);
        match self.take(key) {
            Some((offset, value)) => {
                if let Some(table) = value.as_table().filter(|table| table.len() == 2) {
                    let text = |l: &str| table.get(l).and_then(|v| v.get_ref().as_str()).unwrap_or_default();
                    title = Title { ja: text("ja").to_owned(), en: text("en").to_owned() };
                }
                if title.ja.is_empty() || title.en.is_empty() {
                    self.wrong_cell(
                        file,
                        offset,
                        key,
                        &format!("{key} は {{ ja = \"…\", en = \"…\" }} と書きます。"),
                        &format!("{key} must be {{ ja = \"…\", en = \"…\" }}."),
                    );
                }
            }
            None if needed => {
                let offset = self.offset;
                self.wrong_cell(
                    file,
                    offset,
                    key,
                    &format!("{key} がありません。"),
                    &format!("{key} is missing."),
                );
            }
            None => {}
        }
        file.problems.doubting(before);
        title
    }

    /// The keys and values of a table whose keys are free: `expect`.
    pub(crate) fn pairs(&mut self, file: &mut File<'_>, key: &'static str) -> Vec<(String, String)> {
        let Some((offset, value)) = self.take(key) else { return Vec::new() };
        let Some(table) = value.as_table() else {
            self.wrong_cell(
                file,
                offset,
                key,
                &format!("{key} は表です。"),
                &format!("{key} must be a table."),
            );
            return Vec::new();
        };
        table.iter().map(|(k, v)| (k.get_ref().to_string(), plain(v.get_ref()))).collect()
    }

    /// Reports the keys that nobody took.
    pub(crate) fn finish(&self, file: &mut File<'_>) {
        for (key, offset, value, taken) in &self.entries {
            if *taken {
                continue;
            }
            let said =
                words(format!("{key} という項目はありません。"), format!("'{key}' is not a known key here."));
            let mut said = meant(said, nearest(key, self.asked.iter().copied()));
            if let Some(folder) =
                heading_of(key).filter(|_| value.as_table().is_some() || value.as_array().is_some())
                && !self.asked.contains(key)
            {
                said.ja += &format!("[{key}] のファイルは、{folder} フォルダに置きます。");
                said.en += &format!(" Files with [{key}] belong into the folder {folder}.");
            }
            let place = file.place(*offset);
            file.problems.cell(&place, self.rule.clone(), key, said);
        }
    }
}

/// The folder of the files that begin with a heading.
pub(crate) fn heading_of(key: &str) -> Option<&'static str> {
    match key {
        "map" | "submap" => Some("maps"),
        "message" => Some("messages"),
        "type" => Some("types"),
        "layout" => Some("feeds"),
        _ => None,
    }
}

/// A scalar as text.
pub(crate) fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        _ => String::new(),
    }
}
