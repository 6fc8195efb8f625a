//! Findings: trouble in the data, said with a code and a location and never with a value.
//!
//! A finding may be logged, counted and shown to anybody; it must hold nothing of a patient. The
//! sentences in Japanese and English stand in `finding.tsv`, one row a code.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Information,
    /// The message goes on; something was not carried over as it stood.
    Warning,
    /// The message is held in quarantine.
    Error,
}

/// Where a finding was made. All parts are optional and hold positions and names, never values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Location {
    /// A position as printed, one-based: `PID-3[2].4`, `OBX[12]-5`, `byte 118`, `path`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub position: String,
    /// The rule that met the trouble: `map/rule`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The FHIR path: `Observation.value[x]`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

impl Location {
    /// A position in the source, as printed.
    pub fn at(position: impl Into<String>) -> Self {
        Self { position: position.into(), ..Self::default() }
    }
    /// A field of the first segment of that name: `PID-3`.
    pub fn field(segment: &str, field: usize) -> Self {
        Self::at(format!("{segment}-{field}"))
    }
    /// A byte offset in the message as received, counted from 0.
    pub fn byte(offset: usize) -> Self {
        Self::at(format!("byte {offset}"))
    }
    /// Adds the rule.
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = rule.into();
        self
    }
    /// Adds the FHIR path.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// A row of `finding.tsv`, or a code that a mapping rule names.
    pub code: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub location: Location,
    /// A fact that is no patient's: a code point, a table's name, an expected type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

impl Finding {
    fn new(severity: Severity, code: impl Into<Cow<'static, str>>, location: Location) -> Self {
        Self { code: code.into(), severity, location, detail: None }
    }
    /// The message cannot go on.
    pub fn error(code: impl Into<Cow<'static, str>>, location: Location) -> Self {
        Self::new(Severity::Error, code, location)
    }
    /// The message goes on; a person should look.
    pub fn warning(code: impl Into<Cow<'static, str>>, location: Location) -> Self {
        Self::new(Severity::Warning, code, location)
    }
    /// Nothing to do.
    pub fn information(code: impl Into<Cow<'static, str>>, location: Location) -> Self {
        Self::new(Severity::Information, code, location)
    }
    /// Adds a fact that is no patient's.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// A language of the sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

fn catalogue() -> &'static HashMap<&'static str, (&'static str, &'static str)> {
    static CATALOGUE: OnceLock<HashMap<&'static str, (&'static str, &'static str)>> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        include_str!("finding.tsv")
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .filter_map(|line| {
                let mut cells = line.split('\t');
                Some((cells.next()?, (cells.next()?, cells.next()?)))
            })
            .collect()
    })
}

/// The sentence for a code, or `None` where the catalogue has no such row.
pub fn sentence(code: &str, language: Language) -> Option<&'static str> {
    let (ja, en) = catalogue().get(code)?;
    Some(match language {
        Language::Ja => ja,
        Language::En => en,
    })
}

/// The codes of the catalogue.
pub fn codes() -> impl Iterator<Item = &'static str> {
    catalogue().keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_catalogue_has_both_languages() {
        for line in include_str!("finding.tsv").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let cells: Vec<_> = line.split('\t').collect();
            assert_eq!(cells.len(), 3, "{line}");
            assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{line}");
        }
        assert!(sentence("field-empty", Language::En).is_some());
    }
}
