//! Problems of a mapping set: all of them at once, each with file, line, rule and a sentence.

/// One thing wrong with a mapping set. A set with a problem is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file, as it was given to the loader.
    pub file: String,
    /// The line, one-based; 0 where the file as a whole is meant.
    pub line: usize,
    /// `map/rule`, or the map or message alone, or empty.
    pub rule: String,
    /// What is wrong, in Japanese.
    pub ja: String,
    /// What is wrong, in English.
    pub en: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.rule.is_empty() {
            write!(f, "{}: ", self.rule)?;
        }
        f.write_str(&self.en)
    }
}

/// Collects the problems of a set while it is read.
#[derive(Default, Debug)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn add(
        &mut self,
        place: &Place,
        rule: impl Into<String>,
        ja: impl Into<String>,
        en: impl Into<String>,
    ) {
        self.list.push(Problem {
            file: place.file.to_string(),
            line: place.line,
            rule: rule.into(),
            ja: ja.into(),
            en: en.into(),
        });
    }
}

/// A file and a line of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: std::sync::Arc<str>,
    pub(crate) line: usize,
}
