//! Problems of a mapping set: all of them at once, each with layer, file, line, rule, cell and a sentence.
//!
//! There are two weights. With most of them something that is written is not understood, or names what is not there: no
//! plan is made, for it would do less than what was meant. A *doubt* judges what is understood whole: the check refuses
//! it, and who saves or activates a version mends it first; but where a later program doubts a version that is active
//! already, that goes on as it did ([`super::MappingSet::at_work`]).

use super::layer::{Layer, Rank};

/// One thing wrong with a mapping set. A set with a problem is not loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The layer that the file belongs to.
    pub layer: Rank,
    /// The file, as it was given to the loader.
    pub file: String,
    /// The line, one-based; 0 where the file as a whole is meant.
    pub line: usize,
    /// `map/rule`, or the map or message alone, or empty.
    pub rule: String,
    /// The cell: the key of the row, `from`, or the column of a table; empty where the row as a whole is meant.
    pub column: String,
    /// What is wrong, in Japanese.
    pub ja: String,
    /// What is wrong, in English.
    pub en: String,
    /// The code of the facility whose layer brings it about, where several are looked at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub facility: String,
    /// Whether only the check refuses it: all of it is understood, and a plan is made with it.
    pub doubt: bool,
}

impl Problem {
    /// Whether it is a problem that other layers over the same file have too: what [`of_layers`] adds is not looked at.
    pub fn is_again(&self, other: &Self) -> bool {
        fn told(problem: &Problem) -> (Rank, usize, [&str; 3], Option<&str>) {
            let names = [problem.file.as_str(), problem.rule.as_str(), problem.column.as_str()];
            (problem.layer, problem.line, names, problem.ja.split(FROM_ABOVE).next())
        }
        told(self) == told(other)
    }
}

/// How the words begin by which a problem of a lower layer is said to come from a higher one.
const FROM_ABOVE: &str = "下の層のファイルですが、";

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.layer, self.facility.as_str()) {
            (Rank::Shipped, "") => {}
            (layer, "") => write!(f, "{}: ", layer.word())?,
            (Rank::Facility, facility) => write!(f, "facility {facility}: ")?,
            (layer, facility) => write!(f, "{} (with the layer of facility {facility}): ", layer.word())?,
        }
        write!(f, "{}:{}: ", self.file, self.line)?;
        match (self.rule.as_str(), self.column.as_str()) {
            ("", "") => {}
            (rule, "") => write!(f, "{rule}: ")?,
            ("", column) => write!(f, "[{column}]: ")?,
            (rule, column) => write!(f, "{rule} [{column}]: ")?,
        }
        f.write_str(&self.en)
    }
}

/// A sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) ja: String,
    pub(crate) en: String,
}

/// A sentence in both languages.
pub(crate) fn words(ja: impl Into<String>, en: impl Into<String>) -> Words {
    Words { ja: ja.into(), en: en.into() }
}

/// Collects the problems of a set while it is read.
#[derive(Default, Debug)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    /// The texts of files that could not be read: what they have is missing for no other reason.
    pub(crate) unread: Vec<std::sync::Arc<str>>,
    /// Whether what is said now are doubts.
    doubting: bool,
}

impl Problems {
    /// What is said from now on are doubts, or are none; what it was before.
    pub(crate) fn doubting(&mut self, doubting: bool) -> bool {
        std::mem::replace(&mut self.doubting, doubting)
    }

    /// Looks at something that is understood: what is said of it are doubts.
    pub(crate) fn doubts<R>(&mut self, look: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.doubting(true);
        let seen = look(self);
        self.doubting(before);
        seen
    }

    pub(crate) fn add(
        &mut self,
        place: &Place,
        rule: impl Into<String>,
        ja: impl Into<String>,
        en: impl Into<String>,
    ) {
        self.cell(place, rule, "", words(ja, en));
    }

    /// Something that a cell names is not there. Nothing is said where an unreadable file has that name.
    pub(crate) fn absent(
        &mut self,
        place: &Place,
        rule: impl Into<String>,
        column: &str,
        name: &str,
        said: Words,
    ) {
        if !self.is_unread(name) {
            self.cell(place, rule, column, said);
        }
    }

    /// Whether a file that could not be read has a word.
    pub(crate) fn is_unread(&self, name: &str) -> bool {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let whole =
            |text: &str, at: usize| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part);
        !name.is_empty()
            && self.unread.iter().any(|text| text.match_indices(name).any(|(at, _)| whole(text, at)))
    }

    /// A problem of one cell.
    pub(crate) fn cell(&mut self, place: &Place, rule: impl Into<String>, column: &str, said: Words) {
        self.list.push(Problem {
            layer: place.layer,
            file: place.file.to_string(),
            line: place.line,
            rule: rule.into(),
            column: column.to_owned(),
            ja: said.ja,
            en: said.en,
            facility: String::new(),
            doubt: self.doubting,
        });
    }
}

/// Says of a problem in a lower layer that a higher one brings it about: who writes a layer has no other file at hand.
pub(crate) fn of_layers(layers: &[Layer], mut problems: Vec<Problem>) -> Vec<Problem> {
    let highest = layers.iter().filter(|layer| !layer.files.is_empty()).map(|layer| layer.rank).max();
    for problem in &mut problems {
        let Some(highest) = highest.filter(|highest| *highest > problem.layer) else { continue };
        problem.ja.push_str(&format!(
            "{FROM_ABOVE}重ねた層({}まで)が何かを変えたか止めたために起きています。",
            highest.ja()
        ));
        if !problem.en.ends_with(['.', '!', '?']) {
            problem.en.push('.');
        }
        problem.en.push_str(&format!(
            " It stands in a lower layer, and comes of what a layer above it (up to '{}') changes or switches off.",
            highest.word()
        ));
    }
    problems
}

/// A file and a line of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) layer: Rank,
    pub(crate) file: std::sync::Arc<str>,
    pub(crate) line: usize,
}
