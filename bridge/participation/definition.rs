//! What each figure means, as data: `definitions.tsv`, and the words of the files written here, `words.tsv`.

use renkei_translate::finding::Language;

const DEFINITIONS: &str = include_str!("definitions.tsv");
const WORDS: &str = include_str!("words.tsv");

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its id: `participation`.
    pub id: &'static str,
    names: [&'static str; 2],
    texts: [&'static str; 2],
}

fn at(language: Language) -> usize {
    usize::from(language == Language::En)
}

impl Definition {
    /// Its name.
    pub fn name(&self, language: Language) -> &'static str {
        self.names[at(language)]
    }

    /// What it means.
    pub fn text(&self, language: Language) -> &'static str {
        self.texts[at(language)]
    }
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

/// Every figure, in the order of the file.
pub fn definitions() -> impl Iterator<Item = Definition> {
    rows(DEFINITIONS).filter_map(|cells| {
        let [id, name_ja, name_en, text_ja, text_en] = cells.try_into().ok()?;
        Some(Definition { id, names: [name_ja, name_en], texts: [text_ja, text_en] })
    })
}

/// The name of a figure; its id where there is none, which a test forbids.
pub fn name(id: &str, language: Language) -> &str {
    definitions().find(|known| known.id == id).map_or(id, |known| known.name(language))
}

/// The words of a key; the key itself where there are none, which a test forbids.
pub(super) fn word(key: &str, language: Language) -> &str {
    rows(WORDS)
        .find(|cells| cells[0] == key)
        .and_then(|cells| cells.get(at(language) + 1).copied())
        .unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::{DEFINITIONS, WORDS, definitions, rows};
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_both_languages() {
        for (text, cells) in [(DEFINITIONS, 5), (WORDS, 3)] {
            for row in rows(text) {
                assert!(row.len() == cells && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
            }
        }
        let ids: BTreeSet<_> = definitions().map(|known| known.id).collect();
        assert_eq!(ids.len(), rows(DEFINITIONS).count());
    }

    #[test]
    fn every_key_that_is_used_has_words_and_every_word_is_used() {
        let known: BTreeSet<_> = rows(WORDS).map(|cells| cells[0]).collect();
        let mut sources = String::new();
        for file in ["sheets.rs", "csv_file.rs", "xlsx_file.rs"] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bridge/participation/");
            sources.push_str(&std::fs::read_to_string(format!("{path}{file}")).unwrap());
        }
        for call in ["w(\"", "word(\""] {
            for rest in sources.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(known.contains(key), "{key}");
            }
        }
        for key in known {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is used nowhere");
        }
    }

    #[test]
    fn every_figure_has_its_definition() {
        let figures = crate::participation::Counts::default().metrics().map(|(id, _)| id);
        for id in figures.into_iter().chain(["patients", "shared-patients", "never", "denominator"]) {
            assert!(definitions().any(|known| known.id == id), "{id}");
        }
    }
}
