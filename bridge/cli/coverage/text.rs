//! The coverage as text: a block per message file, a line per field and rule.

use super::traffic::Traffic;
use super::{Line, both, common, headline, lines};
use crate::cli::print::say;
use renkei_translate::mapping::MappingSet;
use renkei_translate::mapping::coverage::{MessageCoverage, State, Use};
use std::collections::BTreeMap;

/// Prints the message files.
pub(super) fn print(set: &MappingSet, chosen: &[&MessageCoverage], traffic: &Traffic) -> anyhow::Result<()> {
    headline(set)?;
    for message in chosen {
        let lines = lines(message, traffic);
        let count = |state: State| lines.iter().filter(|line| line.field.state == state).count();
        say!();
        say!("{}  {}", message.id, both(&message.title));
        say!(
            "  {} written, {} decide, {} read by the engine, {} skipped, {} unread{}",
            count(State::Written),
            count(State::Decides),
            count(State::Engine),
            count(State::Skipped),
            count(State::Unread),
            traffic.translated(&message.id).map(|n| format!(" in {n} messages")).unwrap_or_default(),
        );
        let rows: Vec<[String; 5]> = lines.iter().flat_map(rows).collect();
        // A reason stands where the element would, and makes its column no wider.
        let ruled = |n: usize| {
            rows.iter().filter(move |row| n < 2 || !row[3].is_empty()).map(move |row| row[n].chars().count())
        };
        let widths = [0, 1, 2, 3].map(|n| ruled(n).max().unwrap_or(0).min(90));
        for [position, state, target, rule, how] in &rows {
            let [a, b, c, d] = widths;
            let line = format!("  {position:a$}  {state:b$}  {target:c$}  {rule:d$}  {how}");
            say!("{}", line.trim_end());
        }
    }
    if traffic.unmapped() > 0 {
        say!();
        say!("{} messages that no message file is for", traffic.unmapped());
    }
    if traffic.of_other_versions > 0 {
        say!();
        say!(
            "{} counts of the store are of other versions of the mapping set, and left out",
            traffic.of_other_versions
        );
    }
    Ok(())
}

/// The lines of a field: position, state, element, rule, and how or why.
fn rows(line: &Line<'_>) -> Vec<[String; 5]> {
    let position = line.field.position.to_string();
    let state = line.field.state.as_str().to_owned();
    if let Some(unread) = &line.unread {
        let rest = format!("{} messages", unread.messages);
        return vec![[unread.printed.clone(), state, rest, String::new(), String::new()]];
    }
    let why = line.field.why.map(both).unwrap_or_default();
    if matches!(line.field.state, State::Engine | State::Skipped | State::Unread) {
        return vec![[position, state, why, String::new(), String::new()]];
    }
    // One line for a rule, whatever number of components its function reads.
    let content = line.field.state == State::Written;
    let mut by_rule: BTreeMap<(&str, &str, &str), Vec<&Use>> = BTreeMap::new();
    for one in line.field.uses.iter().filter(|one| one.kind.is_content() == content) {
        by_rule.entry((&one.rule, &one.resource, one.kind.as_str())).or_default().push(one);
    }
    let mut out: Vec<[String; 5]> = by_rule
        .into_iter()
        .map(|((rule, _, word), uses)| {
            let positions: Vec<_> = uses.iter().filter_map(|one| one.position.as_ref()).collect();
            let word = if word == "written" { state.clone() } else { word.to_owned() };
            let how = uses.first().map(|one| one.how.clone()).unwrap_or_default();
            [common(&positions).to_string(), word, shared(&uses), rule.to_owned(), how]
        })
        .collect();
    if let (State::Decides, false) = (line.field.state, why.is_empty()) {
        out.push([position, state, why, String::new(), String::new()]);
    }
    out
}

/// The element that holds all that a rule writes.
fn shared(uses: &[&Use]) -> String {
    let paths: Vec<String> = uses.iter().map(|one| one.path()).collect();
    let Some(first) = paths.first() else { return String::new() };
    let mut length = first.len();
    for path in &paths {
        let same = first.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        // Whole names only.
        let ends = same == first.len() && same == path.len();
        let at_point = first.as_bytes().get(same) == Some(&b'.') || path.as_bytes().get(same) == Some(&b'.');
        let whole = if ends || same == first.len().min(path.len()) && at_point {
            same
        } else {
            first.get(..same).and_then(|text| text.rfind('.')).unwrap_or(0)
        };
        length = length.min(whole);
    }
    first.get(..length).unwrap_or(first).to_owned()
}
