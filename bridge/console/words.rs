//! The words of the pages in Japanese and English, one key for both, from `web/locales/words.tsv`.

use renkei_translate::finding::Language;
use std::collections::HashMap;
use std::sync::OnceLock;

const WORDS: &str = include_str!("../../web/locales/words.tsv");

fn table() -> &'static HashMap<&'static str, (&'static str, &'static str)> {
    static TABLE: OnceLock<HashMap<&'static str, (&'static str, &'static str)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        WORDS
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .filter_map(|line| {
                let mut cells = line.split('\t');
                Some((cells.next()?, (cells.next()?, cells.next()?)))
            })
            .collect()
    })
}

/// The words of a key; the key itself where there are none, which a test forbids for keys of templates.
pub fn word(key: &str, language: Language) -> &str {
    match table().get(key) {
        Some((ja, _)) if language == Language::Ja => ja,
        Some((_, en)) => en,
        None => key,
    }
}

/// The keys that begin with `prefix`, sorted.
pub fn keys(prefix: &str) -> Vec<&'static str> {
    let mut found: Vec<_> = table().keys().copied().filter(|key| key.starts_with(prefix)).collect();
    found.sort_unstable();
    found
}

/// The key of a sentence that says what has been done, as an address brings it; anything else is nothing.
pub fn said(key: Option<&str>) -> Option<&'static str> {
    let key = key.filter(|key| key.starts_with("said."))?;
    table().get_key_value(key).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use super::{WORDS, table};

    #[test]
    fn every_row_has_both_languages() {
        for line in WORDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let cells: Vec<_> = line.split('\t').collect();
            assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()), "{line}");
        }
    }

    #[test]
    fn every_key_of_a_template_has_words() {
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/web/templates");
        let mut seen = 0;
        for entry in std::fs::read_dir(templates).expect("the templates are there").flatten() {
            let text = std::fs::read_to_string(entry.path()).expect("a template is UTF-8");
            for rest in text.split("frame.t(\"").skip(1) {
                let key = rest.split('"').next().unwrap_or_default();
                assert!(table().contains_key(key), "{key} in {:?}", entry.file_name());
                seen += 1;
            }
        }
        assert!(seen > 30, "{seen} keys found");
    }
}
