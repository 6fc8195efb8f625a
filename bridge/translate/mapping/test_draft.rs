//! The `[[test]]` of a set while it is read: a higher layer replaces one by its name, or switches it off.

use super::compile::Known;
use super::compile_map::read_off;
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
    if expect.is_empty() && findings.is_empty() && !off {
        let offset = tab.offset;
        let ja = "expect がありません。できるはずの値を書かない試験は何も確かめません。";
        tab.wrong_cell(file, offset, "expect", ja, "expect is missing: a test without it shows nothing.");
    }
    let source = if owner.is_some() { "message" } else { "value" };
    let kind = owner.is_none().then(|| tab.needed(file, "type"));
    let message = if off { tab.text(file, source).unwrap_or_default() } else { tab.needed(file, source) };
    tab.finish(file);
    TestDraft { place, name, owner: owner.map(str::to_owned), kind, off, of, message, expect, findings }
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
            problems.cell(&upper.place, upper.name, "off", said);
        }
        None => all.push(upper),
    }
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
