//! What can be wrong with the cells of a code table beyond what a row alone says: systems that are no URI, and rows that
//! cannot give what the rules write with their table.

use super::functions::LOCAL;
use super::layer::Layer;
use super::near::nearest;
use super::plan::{Make, Plan, Shape};
use super::problem::{Problems, Words, words};
use super::table::{self, Cells, OFF};
use std::collections::BTreeMap;

/// Target systems that are no URI.
pub(crate) fn target_systems(table: &str, rows: &[Cells], problems: &mut Problems) {
    for row in rows {
        let system = row.cells[3].as_str();
        let off = row.cells[6] == OFF;
        let said = match table {
            "code-systems" if system == LOCAL => None,
            "code-systems" if system.is_empty() && !off => Some(words(
                "target_system が空です。この体系の URL を書くか、公の URL が無ければ local と書きます。",
                "The target_system is empty: write the URL of this system, or 'local' where it has none.",
            )),
            _ if system.is_empty() => None,
            _ => no_uri(system),
        };
        if let Some(said) = said {
            problems.cell(&row.place(), table, "target_system", said);
        }
    }
}

/// Why a text is no URI of a code system.
fn no_uri(system: &str) -> Option<Words> {
    if system.contains('.') && system.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Some(words(
            format!("コード体系は URL か urn:oid:{system} と書きます。"),
            format!("A system is a URL, or urn:oid:{system}."),
        ));
    }
    if system.contains(char::is_whitespace) {
        return Some(words(
            format!("「{system}」の中に空白があります。コード体系の URL に空白は書けません。"),
            format!("There is a blank in '{system}': the URL of a code system has none."),
        ));
    }
    let (scheme, rest) = system.split_once(':').unwrap_or_default();
    let letters = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let known = ["http", "https", "urn"];
    let whole = match scheme {
        "http" | "https" => {
            rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        }
        "urn" => rest.split_once(':').is_some_and(|(name, rest)| !name.is_empty() && !rest.is_empty()),
        other => {
            let slip = nearest(&other.to_lowercase(), known).is_some();
            !slip && letters(other) && other.starts_with(|c: char| c.is_ascii_lowercase()) && !rest.is_empty()
        }
    };
    (!whole).then(|| {
        words(
            format!("「{system}」はコード体系の URL ではありません(http:// などから書きます)。"),
            format!("'{system}' is no URL of a code system: write it from its http:// on."),
        )
    })
}

/// What rules do with a table.
#[derive(Clone, Default)]
struct Uses {
    /// A rule that looks a code up in it.
    looked_up: Option<String>,
    /// A rule that names one of its targets (`code T`).
    named: bool,
    /// A rule that writes its target as a coding.
    coding: Option<String>,
}

/// Rows that cannot give what the rules write with their table: a target without its system where a coding is written,
/// and a row that no rule can find.
pub(crate) fn used(plan: &Plan, layers: &[Layer], problems: &mut Problems) {
    let mut uses: BTreeMap<usize, Uses> = BTreeMap::new();
    for map in plan.maps.iter().chain(&plan.inner) {
        for rule in &map.rules {
            let (n, named) = match &rule.make {
                Some(Make::Table(n)) => (*n, false),
                Some(Make::Code(n)) => (*n, true),
                _ => continue,
            };
            let id = || format!("{}/{}", map.id, rule.id);
            let of = uses.entry(n).or_default();
            of.named |= named;
            if !named && of.looked_up.is_none() {
                of.looked_up = Some(id());
            }
            if matches!(rule.target.shape, Shape::Coding | Shape::CodeableConcept) && of.coding.is_none() {
                of.coding = Some(id());
            }
        }
        let lets = map.lets.iter().filter_map(|row| row.make.as_ref());
        for make in lets {
            match make {
                Make::Code(n) => uses.entry(*n).or_default().named = true,
                Make::Table(n) | Make::TableOf(n, _) => {
                    let of = uses.entry(*n).or_default();
                    of.looked_up.get_or_insert_with(|| map.id.clone());
                }
                _ => {}
            }
        }
    }
    for (n, of) in uses {
        let table = &plan.tables[n];
        let no_system = of.coding.as_ref();
        let lost = of.looked_up.as_ref().filter(|_| !of.named);
        let wrong = table.rows.iter().any(|row| {
            no_system.is_some() && row.target_system.is_empty() && !row.target_code.is_empty()
                || lost.is_some() && row.source_code.is_empty()
        });
        if !wrong {
            continue;
        }
        // Where they stand is looked up only when there is something to say.
        let rows = table::collect(layers, &|name| name == table.name, &mut Problems::default());
        for row in rows.into_values().flatten() {
            let [_, source, _, system, code, ..] = row.cells.as_slice() else { continue };
            if let Some(rule) = no_system.filter(|_| system.is_empty() && !code.is_empty()) {
                let said = words(
                    format!(
                        "target_system が空です。{rule} がこの表でコードを体系と組で書くので、体系の URL が要ります。"
                    ),
                    format!(
                        "The target_system is empty: {rule} writes code and system by this table, so it needs the URL of the system."
                    ),
                );
                problems.cell(&row.place(), table.name.clone(), "target_system", said);
            }
            if let Some(rule) = lost.filter(|_| source.is_empty()) {
                let said = words(
                    format!(
                        "source_code が空です。{rule} はこの表をコードで引くので、この行は使われません。"
                    ),
                    format!(
                        "The source_code is empty: {rule} looks codes up in this table, so this row is never found."
                    ),
                );
                problems.cell(&row.place(), table.name.clone(), "source_code", said);
            }
        }
    }
}
