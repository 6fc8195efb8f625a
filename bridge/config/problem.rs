//! Problems of a configuration: all of them at once, each with file, line and what to do.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The appliance does not start.
    Error,
    /// It starts; a person should act soon.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file, or the file that it names.
    pub file: PathBuf,
    /// One-based line; 0 where the file as a whole is meant.
    pub line: usize,
    /// The setting: `feed[2].listen`.
    pub key: String,
    /// How much it matters.
    pub weight: Weight,
    /// What is wrong and what to do, in Japanese.
    pub ja: String,
    /// The same in English.
    pub en: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        let weight = if self.weight == Weight::Error { "error" } else { "warning" };
        write!(f, ": {weight}: {}", self.key)?;
        if !self.key.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{}\n    {}", self.en, self.ja)
    }
}

/// Collects problems of one file.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    file: &'t Path,
    text: &'t str,
    list: Vec<Problem>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text, list: Vec::new() }
    }

    /// Notes an error at a place of the text.
    pub(super) fn error(
        &mut self,
        at: Option<Range<usize>>,
        key: impl Into<String>,
        ja: impl Into<String>,
        en: impl Into<String>,
    ) {
        self.add(Weight::Error, at, key.into(), ja.into(), en.into());
    }

    /// Notes a warning at a place of the text.
    pub(super) fn warning(
        &mut self,
        at: Option<Range<usize>>,
        key: impl Into<String>,
        ja: impl Into<String>,
        en: impl Into<String>,
    ) {
        self.add(Weight::Warning, at, key.into(), ja.into(), en.into());
    }

    fn add(&mut self, weight: Weight, at: Option<Range<usize>>, key: String, ja: String, en: String) {
        let line = at.map_or(0, |range| line_of(self.text, range.start));
        self.list.push(Problem { file: self.file.to_owned(), line, key, weight, ja, en });
    }

    /// All of them, in order of the lines.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| (problem.line, problem.weight));
        self.list.dedup();
        self.list
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
