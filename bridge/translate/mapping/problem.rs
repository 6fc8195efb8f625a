//! Problems of a mapping set: all of them at once, each with layer, file, line, rule, cell and a sentence.

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
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.layer != Rank::Shipped {
            write!(f, "{}: ", self.layer.word())?;
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
}

impl Problems {
    pub(crate) fn add(
        &mut self,
        place: &Place,
        rule: impl Into<String>,
        ja: impl Into<String>,
        en: impl Into<String>,
    ) {
        self.cell(place, rule, "", words(ja, en));
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
        });
    }
}

/// Says of a problem in a lower layer that a higher one brings it about: who writes a layer has no other file at hand.
pub(crate) fn of_layers(layers: &[Layer], mut problems: Vec<Problem>) -> Vec<Problem> {
    let highest = layers.iter().filter(|layer| !layer.files.is_empty()).map(|layer| layer.rank).max();
    for problem in &mut problems {
        let Some(highest) = highest.filter(|highest| *highest > problem.layer) else { continue };
        problem.ja.push_str(&format!(
            "下の層のファイルですが、重ねた層({}まで)が何かを変えたか止めたために起きています。",
            highest.ja()
        ));
        problem.en.push_str(&format!(
            " It stands in a lower layer, and comes of what a layer above it (up to '{}') changes or switches off.",
            highest.word()
        ));
    }
    problems
}

/// The word of a list that one is likely to be a slip of: a letter or two more, less or other. The shorter the word,
/// the nearer it must be.
pub(crate) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let most = (word.chars().count() / 4).clamp(1, 3);
    words
        .map(|known| (distance(word, known), known))
        .filter(|(far, _)| *far <= most)
        .min()
        .map(|(_, known)| known)
}

/// How many letters two words differ by (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (n, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], n + 1);
        for (m, y) in b.iter().enumerate() {
            let other = corner + usize::from(x != *y);
            corner = row[m + 1];
            row[m + 1] = other.min(row[m] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

/// A file and a line of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) layer: Rank,
    pub(crate) file: std::sync::Arc<str>,
    pub(crate) line: usize,
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let known = ["patient", "patient-prior", "practitioner", "condition"];
        for (word, near) in [
            ("pateint", None),
            ("patiant", Some("patient")),
            ("patients", Some("patient")),
            ("conditon", Some("condition")),
            ("practitoiner", Some("practitioner")),
            ("specimen", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), near, "{word}");
        }
    }
}
