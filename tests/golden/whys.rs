//! Why each value is expected: `why.tsv` has a row for each value, and each row names the line of the facts.
//!
//! The fourth cell of a row is `FILE:LINE sentence`, `FILE` being one of `../shared/reference` (or `DESIGN.md`,
//! `MAPPING-LANGUAGE.md` beside it). Several facts follow each other behind a semicolon, each with its own
//! `FILE:LINE`; what no file says (a rule of R4, a judgement of ours) is said in words behind the line that
//! speaks of the element. Where the facts are at hand, each line must be there and share a word with what is said of
//! it or with the source position: a line that was misread, or has moved since, says something else.

use super::{cases, differences, expected};
use crate::support;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Words that say nothing of what a line is about.
const EMPTY_WORDS: [&str; 37] = [
    "the",
    "of",
    "and",
    "is",
    "an",
    "in",
    "to",
    "it",
    "its",
    "for",
    "as",
    "by",
    "on",
    "at",
    "or",
    "no",
    "not",
    "with",
    "that",
    "what",
    "this",
    "which",
    "us",
    "map",
    "maps",
    "makes",
    "made",
    "one",
    "be",
    "so",
    "was",
    "if",
    "section",
    "our",
    "judgement",
    "facility",
    "whose",
];

/// The lines that a sentence names, file and number (from 1).
fn sources(sentence: &str) -> Vec<(&str, usize)> {
    sentence
        .split_whitespace()
        .filter_map(|word| {
            let (file, rest) = word.trim_start_matches('(').split_once(':')?;
            let known = [".md", ".tsv", ".csv"].iter().any(|end| file.ends_with(end));
            let line = rest.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
            known.then_some((file, line))
        })
        .collect()
}

/// The words that a sentence and a source position (`ORC[1]-2`) may share with the line of the facts.
fn words(sentence: &str, source: &str) -> Vec<String> {
    let mut position = String::new();
    let mut depth = 0;
    for c in source.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 => position.push(c),
            _ => {}
        }
    }
    let named = |word: &&str| sources(word).is_empty();
    let text: Vec<&str> = sentence.split_whitespace().filter(named).chain([position.as_str()]).collect();
    text.join(" ")
        .to_lowercase()
        .split(|c: char| !(c.is_alphanumeric() || c == '-'))
        .filter(|word| word.chars().count() > 1 && !EMPTY_WORDS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// The facts at hand, each file read once.
struct Facts(HashMap<String, Option<Vec<String>>>);

impl Facts {
    /// What is wrong with a line that a row names.
    fn wrong(&mut self, file: &str, line: usize, words: &[String]) -> Option<String> {
        let lines = self.0.entry(file.to_owned()).or_insert_with(|| {
            let folders = ["reference", "reference/feed-layouts", "reference/v2-to-fhir", "."];
            let path = folders.iter().find_map(|folder| support::shared(&format!("{folder}/{file}")))?;
            let text = std::fs::read_to_string(path).expect("the facts can be read");
            Some(text.lines().map(str::to_lowercase).collect())
        });
        let Some(lines) = lines else { return Some(format!("no facts are called {file}")) };
        match line.checked_sub(1).and_then(|n| lines.get(n)) {
            None => Some(format!("{file} has no line {line}")),
            Some(text) if words.iter().any(|word| text.contains(word.as_str())) => None,
            Some(_) => Some(format!("{file}:{line} speaks of something else")),
        }
    }
}

/// The rows of `why.tsv`: path, value, source position, sentence.
fn rows(case: &Path) -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(case.join("why.tsv")).expect("why.tsv is there");
    text.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
            cells.try_into().unwrap_or_else(|_| panic!("{}: not four cells: {line}", case.display()))
        })
        .collect()
}

fn name(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn every_value_has_its_reason() {
    let mut failed = Vec::new();
    for case in cases() {
        let mut why = BTreeMap::new();
        for [path, value, source, sentence] in rows(&case) {
            let name = name(&case);
            assert!(!source.is_empty(), "{name}: {path} without a source position");
            assert!(!sources(&sentence).is_empty(), "{name}: {path} without FILE:LINE: {sentence}");
            assert!(why.insert(path.clone(), value).is_none(), "{name}: {path} twice");
        }
        let found = differences(&why, &expected(&case));
        if !found.is_empty() {
            failed.push(format!("{}\n  {}", name(&case), found.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_reason_is_in_the_line_that_it_names() {
    if support::shared("reference").is_none() {
        support::lacking("../shared/reference");
        return;
    }
    let (mut facts, mut failed) = (Facts(HashMap::new()), Vec::new());
    for case in cases() {
        for [path, _, source, sentence] in rows(&case) {
            for fact in sentence.split(';') {
                let words = words(fact, &source);
                let wrong =
                    sources(fact).into_iter().filter_map(|(file, line)| facts.wrong(file, line, &words));
                failed.extend(wrong.map(|wrong| format!("{} {path}: {wrong}: {sentence}", name(&case))));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_sentence_names_its_lines_in_the_one_form() {
    assert_eq!(sources("a.md:12 as it is; b.tsv:3: so"), [("a.md", 12), ("b.tsv", 3)]);
    assert_eq!(sources("here (feeds.md:57), and a note"), [("feeds.md", 57)]);
    for none in ["0.4: section and sentence", "a.md 12", "a.md:x", "urn:oid:1.2", "PV1-44:3"] {
        assert!(sources(none).is_empty(), "{none}");
    }
    assert_eq!(words("a.md:12 the order", "ORC[1]-2.1"), ["order", "orc-2"]);
}
