//! What a test expects and does not get, with the position of the source that the value was, or would be, made of.

use super::MappingSet;
use super::describe::MapText;
use super::run::{Built, Run};

/// One difference of a `[[test]]`, written `PID-5.1 → name[0].family: expected 'A' → got 'B'`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The positions of the test's message that the value was made of; where nothing was written, what the rules of
    /// that target read, as their cells say it; empty where no rule writes there.
    pub source: Vec<String>,
    /// The path as the test writes it; `finding` for what the message is to be told.
    pub path: String,
    /// What the test says.
    pub expected: Option<String>,
    /// What was made.
    pub got: Option<String>,
    /// In Japanese, why the test could not be run at all; in English it stands in `got`.
    pub unable: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted =
            |text: &Option<String>| text.as_ref().map_or("nothing".to_owned(), |text| format!("'{text}'"));
        if !self.source.is_empty() {
            write!(f, "{} → ", self.source.join(", "))?;
        }
        write!(f, "{}: expected {} → got {}", self.path, quoted(&self.expected), quoted(&self.got))
    }
}

impl Difference {
    /// The same in Japanese.
    pub fn ja(&self) -> String {
        let quoted = |text: &Option<String>| {
            text.as_ref().map_or_else(|| "なし".to_owned(), |text| format!("「{text}」"))
        };
        let source = match self.source.as_slice() {
            [] => String::new(),
            source => format!("{} → ", source.join(", ")),
        };
        if let Some(why) = &self.unable {
            return format!("{source}{}: {why}", self.path);
        }
        format!("{source}{}: 期待 {} → 結果 {}", self.path, quoted(&self.expected), quoted(&self.got))
    }
}

/// A part of a path: its name, and what stands in its brackets.
type Part<'p> = (&'p str, Option<&'p str>);

fn parts(path: &str) -> Vec<Part<'_>> {
    super::target::split(path)
        .into_iter()
        .map(|part| match part.split_once('[') {
            Some((name, rest)) => (name, Some(rest.trim_end_matches(']'))),
            None => (part, None),
        })
        .collect()
}

/// How many parts of a written path a path asked for goes along with; 0 where they part, or where it stops short of
/// a sibling. `value[x]` is any `value…`; an element without a number may be any.
fn along(written: &[Part<'_>], asked: &[Part<'_>]) -> usize {
    let same = |written: &Part<'_>, asked: &Part<'_>| {
        if written.1 == Some("x") {
            return asked.0.starts_with(written.0);
        }
        let any = |at: Option<&str>| at.is_none_or(|at| at.is_empty() || at == "first");
        written.0 == asked.0 && (any(written.1) || any(asked.1) || written.1 == asked.1)
    };
    let common = written.iter().zip(asked).take_while(|(written, asked)| same(written, asked)).count();
    if common == written.len().min(asked.len()) { common } else { 0 }
}

/// The positions that the value at a path of a resource was made of, of the rows that wrote nearest to it, and how
/// many parts of the path they wrote.
pub(super) fn sources(run: &Run<'_>, built: Option<&Built>, path: &str) -> (usize, Vec<String>) {
    let asked = parts(path);
    let Some(built) = built else { return (0, Vec::new()) };
    let (mut best, mut out) = (0, Vec::new());
    for row in run.rows.iter().filter(|row| row.map == built.map && row.id == built.id) {
        let common = along(&parts(&row.path), &asked);
        if common == 0 || common < best {
            continue;
        }
        if common > best {
            (best, out) = (common, Vec::new());
        }
        for pos in &row.positions {
            let text = run.print(*pos);
            if !text.is_empty() && !out.contains(&text) {
                out.push(text);
            }
        }
    }
    (best, out)
}

/// The same of what the rules that write there read, as their cells say it.
pub(super) fn cells(set: &MappingSet, map: &str, is_type: bool, path: &str) -> (usize, Vec<String>) {
    let all = if is_type { &set.text.types } else { &set.text.maps };
    let Some(map) = all.iter().find(|known| known.id == map) else { return (0, Vec::new()) };
    let mut found = Cells { inner: &map.inner, asked: parts(path), best: 0, out: Vec::new() };
    found.look(map, &[]);
    (found.best, found.out)
}

/// The cells of the rows that write nearest to a path.
struct Cells<'t> {
    inner: &'t [MapText],
    asked: Vec<Part<'t>>,
    best: usize,
    out: Vec<String>,
}

impl<'t> Cells<'t> {
    fn look(&mut self, map: &'t MapText, prefix: &[Part<'t>]) {
        for row in map.rows.iter().filter(|row| !row.to.is_empty()) {
            let whole: Vec<Part<'t>> = prefix.iter().copied().chain(parts(&row.to)).collect();
            let common = along(&whole, &self.asked);
            if common == 0 || common < self.best {
                continue;
            }
            if common > self.best {
                (self.best, self.out) = (common, Vec::new());
            }
            let from = row.from.strip_prefix("each ").unwrap_or(&row.from);
            if !from.is_empty() && !self.out.iter().any(|known| known == from) {
                self.out.push(from.to_owned());
            }
            // No submap holds itself: such a set is refused.
            let used = row.make.strip_prefix("use ");
            if let Some(inner) = self.inner.iter().find(|inner| Some(inner.id.as_str()) == used) {
                self.look(inner, &whole);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::{MappingSet, SourceFile};

    #[test]
    fn a_difference_is_told_from_the_source_over_what_was_expected_to_what_was_got() {
        let text = r#"
[map]
id = "patient"
title = { ja = "患者", en = "Patient" }
for = "PID"
makes = "Patient"
profile = "none"
key = ["PID-3.1"]
let = [{ name = "birth", from = "PID-7" }]
rules = [
  { id = "family", to = "name[].family", from = "PID-5.1" },
  { id = "birth", to = "birthDate", from = "$birth", as = "date" },
  { id = "contact", to = "contact[]", each = "NK1", use = "contact" },
]
[[submap]]
id = "contact"
makes = "Patient.contact"
rules = [{ id = "name", to = "name.family", from = "NK1-2.1" }, { id = "kana", to = "name.text", from = "NK1-15" }]
[[test]]
name = "all of it is told"
message = '''
PID|||1||山田^太郎||19700102
NK1|1|鈴木
'''
expect = { "name[0].family" = "田中", "birthDate" = "1970-01-03", "contact[0].name.family" = "佐藤", "contact[0].name.text" = "スズキ", "language" = "ja" }
findings = ["field-empty"]
"#;
        let message = "[message]\nid = \"A\"\ntitle = { ja = \"患者\", en = \"Patient\" }\nis = \"MSH-9.1 = 'ADT'\"\nunit = [\"'a'\"]\nreplaces = \"unit\"\nmaps = [\"patient\"]\n";
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let files = vec![file("maps/patient.toml", text), file("messages/a.toml", message)];
        let set = MappingSet::load(files).unwrap_or_else(|problems| panic!("{problems:#?}"));
        let results = set.run_tests();
        let told: Vec<String> = results[0].failures.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "PID-7 → birthDate: expected '1970-01-03' → got '1970-01-02'",
                "NK1-2.1 → contact[0].name.family: expected '佐藤' → got '鈴木'",
                // Nothing was written: what the rule of that place reads.
                "NK1-15 → contact[0].name.text: expected 'スズキ' → got nothing",
                // No rule writes there.
                "language: expected 'ja' → got nothing",
                "PID-5.1 → name[0].family: expected '田中' → got '山田'",
                "finding: expected 'field-empty' → got nothing",
            ]
        );
    }
}
