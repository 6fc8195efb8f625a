//! The `[[test]]` of a set while it is read: a higher layer replaces one by its name, or switches it off.

use super::compile::Known;
use super::compile_map::{Draft, Line, read_off};
use super::near::{meant, nearest};
use super::plan::TestPlan;
use super::problem::{Place, Problems, words};
use super::reader::{File, Tab};
use std::collections::HashMap;

/// A test as written.
pub(crate) struct TestDraft {
    pub(crate) place: Place,
    pub(crate) name: String,
    /// The map that it tests.
    pub(crate) owner: Option<String>,
    /// The datatype map that it tests.
    pub(crate) kind: Option<String>,
    /// Maps and rows without which it shows nothing: `coverage`, `patient/insured-id`.
    about: Vec<String>,
    off: bool,
    of: Option<String>,
    message: String,
    expect: Vec<(String, String)>,
    findings: Vec<String>,
}

/// Reads a test of a map, or of a datatype map.
pub(crate) fn read_test(tab: &mut Tab<'_>, file: &mut File<'_>, owner: Option<&str>) -> TestDraft {
    let place = file.place(tab.offset);
    let name = tab.needed(file, "name");
    tab.rule.clone_from(&name);
    let off = read_off(tab, file);
    let expect = tab.pairs(file, "expect");
    let findings = tab.texts(file, "findings").unwrap_or_default();
    let of = tab.text(file, "of");
    let about = tab.texts(file, "about").unwrap_or_default();
    if expect.is_empty() && findings.is_empty() && !off {
        let offset = tab.offset;
        let ja = "expect がありません。できるはずの値を書かない試験は何も確かめません。";
        tab.wrong_cell(file, offset, "expect", ja, "expect is missing: a test without it shows nothing.");
    }
    let source = if owner.is_some() { "message" } else { "value" };
    let kind = owner.is_none().then(|| tab.needed(file, "type"));
    let message = if off { tab.text(file, source).unwrap_or_default() } else { tab.needed(file, source) };
    tab.finish(file);
    TestDraft {
        place,
        name,
        owner: owner.map(str::to_owned),
        kind,
        about,
        off,
        of,
        message,
        expect,
        findings,
    }
}

/// Lays a test over the one of the same map and name, or adds it.
pub(crate) fn lay_test(all: &mut Vec<TestDraft>, upper: TestDraft, problems: &mut Problems) {
    let below = |lower: &TestDraft| {
        (&lower.owner, &lower.kind, &lower.name) == (&upper.owner, &upper.kind, &upper.name)
            && lower.place.layer < upper.place.layer
    };
    match all.iter().position(below) {
        Some(n) if upper.off => {
            all.remove(n);
        }
        Some(n) => all[n] = upper,
        None if upper.off => {
            let said = words(
                "下の層にこの名の試験がないので、止められません。",
                "No layer below has a test of this name to switch off.",
            );
            let of_map = |lower: &&TestDraft| (&lower.owner, &lower.kind) == (&upper.owner, &upper.kind);
            let below = all.iter().filter(of_map).map(|lower| lower.name.as_str());
            let said = meant(said, nearest(&upper.name, below));
            problems.cell(&upper.place, upper.name, "off", said);
        }
        None => all.push(upper),
    }
}

/// Whether a test shows something: not where a layer has switched off what it is about.
pub(crate) fn shows(test: &TestDraft, maps: &[Draft], problems: &mut Problems) -> bool {
    let mut shows = true;
    for name in &test.about {
        let (map, row) = name.split_once('/').map_or((name.as_str(), None), |(map, row)| (map, Some(row)));
        let Some(draft) = maps.iter().find(|draft| draft.id == map) else {
            let said =
                words(format!("{map} というマップがありません。"), format!("There is no map '{map}'."));
            problems.absent(&test.place, test.name.clone(), "about", map, said);
            continue;
        };
        let named = |lines: &[Line]| row.is_some_and(|row| lines.iter().any(|line| line.name == row));
        shows &= !draft.off && !named(&draft.switched_off);
        if row.is_some() && !named(&draft.rules) && !named(&draft.lets) && !named(&draft.switched_off) {
            let said = words(
                format!("{name} という規則も名前もありません。"),
                format!("There is no rule and no name '{name}'."),
            );
            problems.absent(&test.place, test.name.clone(), "about", name, said);
        }
    }
    shows
}

/// Compiles a test.
pub(crate) fn finish_test(
    draft: TestDraft,
    map_ids: &HashMap<String, usize>,
    known: &Known,
    problems: &mut Problems,
) -> Option<TestPlan> {
    let TestDraft { place, name, owner, kind, of, message, expect, findings, .. } = draft;
    let (map, is_type) = match (&owner, &kind) {
        (Some(owner), _) => match map_ids.get(owner) {
            Some(n) => (*n, false),
            None => {
                let said = words(
                    format!("{owner} というマップがありません。"),
                    format!("There is no map '{owner}'."),
                );
                problems.absent(&place, name, "map", owner, said);
                return None;
            }
        },
        (None, Some(kind)) => match known.types.get(kind) {
            Some(n) => (*n, true),
            None => {
                let said =
                    words(format!("{kind} という型がありません。"), format!("There is no type '{kind}'."));
                problems.absent(&place, name, "type", kind, said);
                return None;
            }
        },
        (None, None) => return None,
    };
    Some(TestPlan { place, name, map, is_type, of, message, expect, findings })
}

#[cfg(test)]
mod tests {
    use crate::mapping::tests::{file, shipped};
    use crate::mapping::{Layer, MappingSet, Rank};

    #[test]
    fn what_a_test_says_that_it_is_about_is_there() {
        let said = |about: &str| {
            let test = format!(
                "[[test]]\nmap = \"patient\"\nname = \"own\"\nabout = [\"{about}\"]\nmessage = \"PID|||1\"\nexpect = {{ gender = \"unknown\" }}\n"
            );
            let layers = vec![
                Layer::new(Rank::Shipped, shipped()),
                Layer::new(Rank::Network, vec![file("maps/own-tests.toml", &test)]),
            ];
            let found = MappingSet::layered(layers).map_or_else(|problems| problems, |_| Vec::new());
            found.into_iter().map(|problem| (problem.column, problem.en)).collect::<Vec<_>>()
        };
        for good in ["coverage", "patient/insured-id", "coverage/since"] {
            assert_eq!(said(good), []);
        }
        for (bad, en) in [
            ("covrage", "There is no map 'covrage'."),
            ("patient/insured", "There is no rule and no name 'patient/insured'."),
        ] {
            let found = said(bad);
            assert!(found.iter().any(|(column, said)| column == "about" && said.contains(en)), "{found:?}");
        }
    }
}
