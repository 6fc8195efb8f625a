//! Which maps, rules, names, skips and rows of tables differ, and in which cell.

use renkei_translate::mapping::MappingSet;
use renkei_translate::mapping::describe::{MapText, MessageText, RowText};
use std::collections::{BTreeMap, HashMap};

/// Something with a name and cells.
#[derive(Debug, Default)]
struct Item {
    /// `map patient/gender`.
    id: String,
    cells: Vec<(&'static str, String)>,
}

/// The items of a set in their order.
#[derive(Default)]
struct Items {
    list: Vec<Item>,
    by_id: HashMap<String, usize>,
}

impl Items {
    fn add(&mut self, id: String, cells: Vec<(&'static str, String)>) {
        // Rows of `let` may share a name: the second is `$rp (2)`.
        let mut name = id.clone();
        let mut n = 2;
        while self.by_id.contains_key(&name) {
            name = format!("{id} ({n})");
            n += 1;
        }
        self.by_id.insert(name.clone(), self.list.len());
        self.list.push(Item { id: name, cells });
    }

    fn rows(&mut self, owner: &str, rows: &[RowText]) {
        for row in rows {
            let cells = [
                ("to", &row.to),
                ("from", &row.from),
                ("as", &row.make),
                ("when", &row.when),
                ("else", &row.otherwise),
            ];
            let cells = cells.into_iter().map(|(name, cell)| (name, cell.clone())).collect();
            self.add(format!("{owner}/{}", row.id), cells);
        }
    }

    fn map(&mut self, owner: &str, map: &MapText) {
        let mut cells = vec![
            ("title.ja", map.title.ja.clone()),
            ("title.en", map.title.en.clone()),
            ("for", map.of.clone()),
            ("makes", map.makes.clone()),
            ("profile", map.profile.clone()),
        ];
        cells.extend(map.heading.iter().cloned());
        let id = format!("{owner}{}", map.id);
        cells.push(("order", order(&map.rows)));
        self.add(id.clone(), cells);
        self.rows(&id, &map.rows);
        map.inner.iter().for_each(|inner| self.map(&format!("{id}/"), inner));
    }

    fn message(&mut self, message: &MessageText) {
        let id = format!("message {}", message.id);
        let mut cells = vec![
            ("title.ja", message.title.ja.clone()),
            ("title.en", message.title.en.clone()),
            ("maps", message.maps.join(", ")),
        ];
        cells.extend(message.heading.iter().cloned());
        self.add(id.clone(), cells);
        self.rows(&id, &message.rows);
        for (from, why) in &message.skip {
            let cells = vec![("why.ja", why.ja.clone()), ("why.en", why.en.clone())];
            self.add(format!("{id}/skip {from}"), cells);
        }
    }
}

/// The ids of rows in their order: which of two that write one place comes first matters.
fn order(rows: &[RowText]) -> String {
    rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>().join(" ")
}

/// The names of the cells of a table, which outlive the set.
const TABLE_CELLS: [&str; 8] = [
    "source_system",
    "source_code",
    "source_display",
    "target_system",
    "target_code",
    "target_display",
    "equivalence",
    "rank",
];

fn items(set: &MappingSet) -> Items {
    let text = set.describe();
    let mut out = Items::default();
    text.maps.iter().for_each(|map| out.map("map ", map));
    text.types.iter().for_each(|map| out.map("type ", map));
    text.messages.iter().for_each(|message| out.message(message));
    out
}

/// The rows of a table by what tells them apart.
fn table(set: &MappingSet, table: &str) -> Items {
    let mut out = Items::default();
    let Some(page) = set.table_page(table, 0, usize::MAX) else { return out };
    let codes = page.header.first().map(String::as_str) == Some(TABLE_CELLS[0]);
    for cells in page.rows {
        let id = match (codes, cells.get(1).is_some_and(String::is_empty)) {
            (true, false) => format!("{} {}", cells[0], cells[1]),
            (true, true) => format!("{} → {}", cells[0], cells.get(4).map_or("", String::as_str)),
            (false, _) => cells.first().cloned().unwrap_or_default(),
        };
        let name = |n: usize| match codes {
            true => TABLE_CELLS.get(n).copied().unwrap_or("cell"),
            false => ["name", "2", "3"].get(n).copied().unwrap_or("cell"),
        };
        let cells = cells.into_iter().enumerate().map(|(n, cell)| (name(n), cell)).collect();
        out.add(format!("table {table}/{}", id.trim()), cells);
    }
    out
}

/// What differs, a line each: `+` what B has, `-` what A had, `~` a cell that is another.
pub(in crate::cli::mapping) fn changes(a: &MappingSet, b: &MappingSet) -> Vec<String> {
    let mut out = Vec::new();
    compare(&items(a), &items(b), &mut out);
    let tables = |set: &MappingSet| set.describe().tables.into_iter().map(|table| (table.name, ()));
    let names: BTreeMap<String, ()> = tables(a).chain(tables(b)).collect();
    for name in names.keys() {
        compare(&table(a, name), &table(b, name), &mut out);
    }
    out
}

fn compare(a: &Items, b: &Items, out: &mut Vec<String>) {
    let all = |item: &Item| {
        let said = item.cells.iter().filter(|(name, cell)| !cell.is_empty() && *name != "order");
        said.map(|(name, cell)| format!("{name} {cell}")).collect::<Vec<_>>().join(" | ")
    };
    for item in &a.list {
        let Some(other) = b.by_id.get(&item.id).map(|n| &b.list[*n]) else {
            out.push(format!("- {}: {}", item.id, all(item)));
            continue;
        };
        let mut names: Vec<&'static str> = Vec::new();
        for (name, _) in item.cells.iter().chain(&other.cells) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        for name in names {
            let cell = |item: &'_ Item| -> String {
                item.cells.iter().find(|cell| cell.0 == name).map(|cell| cell.1.clone()).unwrap_or_default()
            };
            let (from, to) = (cell(item), cell(other));
            // Rows that came or went are said by themselves: their order is of those that both have.
            let same = if name == "order" { common(&from, &to) == common(&to, &from) } else { from == to };
            if !same {
                out.push(format!("~ {} [{name}]: {} → {}", item.id, shown(&from), shown(&to)));
            }
        }
    }
    for item in b.list.iter().filter(|item| !a.by_id.contains_key(&item.id)) {
        out.push(format!("+ {}: {}", item.id, all(item)));
    }
}

fn shown(cell: &str) -> &str {
    if cell.is_empty() { "(empty)" } else { cell }
}

/// The words of one text that another has too.
fn common<'t>(text: &'t str, other: &str) -> Vec<&'t str> {
    let other: Vec<&str> = other.split(' ').collect();
    text.split(' ').filter(|word| other.contains(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::changes;
    use renkei_translate::mapping::{MappingSet, SourceFile};

    const MAP: &str = r#"
[map]
id = "patient"
title = { ja = "患者", en = "Patient" }
for = "PID"
makes = "Patient"
profile = "none"
key = ["PID-3.1"]
same = "merge"
rules = [
  { id = "gender", to = "gender", from = "PID-8", as = "table sex", else = "next" },
  { id = "gender-2", to = "gender", fixed = "unknown" },
  { id = "birth", to = "birthDate", from = "PID-7", as = "date" },
]
"#;
    const MESSAGE: &str = r#"
[message]
id = "ADT"
title = { ja = "患者", en = "Patient" }
is = "MSH-9.1 = 'ADT'"
unit = ["'demographics'"]
replaces = "unit"
maps = ["patient"]
skip = [{ from = "PID-1", why = { ja = "番号", en = "set id" } }]
"#;
    const TABLE: &str = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n,M,男,,male,,equal\n,F,女,,female,,equal\n";

    fn set(edit: impl Fn(String) -> String) -> MappingSet {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: edit(text.into()) };
        MappingSet::load(vec![
            file("maps/patient.toml", MAP),
            file("messages/ADT.toml", MESSAGE),
            file("tables/sex.csv", TABLE),
        ])
        .unwrap()
    }

    /// The changes that replacing a text by another makes.
    fn check(from: &str, to: &str, expected: &[&str]) {
        assert!([MAP, MESSAGE, TABLE].iter().any(|text| text.contains(from)), "{from}");
        assert_eq!(changes(&set(|text| text), &set(|text| text.replace(from, to))), expected, "{from}");
    }

    #[test]
    fn every_kind_of_change_is_said_with_its_cell() {
        check("PID-7\"", "PID-29\"", &["~ map patient/birth [from]: PID-7 → PID-29"]);
        check(
            "key = [\"PID-3.1\"]",
            "key = [\"PID-3.1\", \"PID-3.4\"]",
            &["~ map patient [key]: PID-3.1 → PID-3.1, PID-3.4"],
        );
        let birth = "  { id = \"birth\", to = \"birthDate\", from = \"PID-7\", as = \"date\" },\n";
        check(birth, "", &["- map patient/birth: to birthDate | from PID-7 | as date"]);
        let moved = format!("rules = [\n{birth}");
        let swap = |text: String| text.replace(birth, "").replace("rules = [\n", &moved);
        let said = changes(&set(|text| text), &set(swap));
        assert_eq!(said, ["~ map patient [order]: gender gender-2 birth → birth gender gender-2"]);
        check("replaces = \"unit\"", "replaces = \"list\"", &["~ message ADT [replaces]: unit → list"]);
        check(
            "from = \"PID-1\"",
            "from = \"PID-2\"",
            &[
                "- message ADT/skip PID-1: why.ja 番号 | why.en set id",
                "+ message ADT/skip PID-2: why.ja 番号 | why.en set id",
            ],
        );
        check("female", "other", &["~ table sex/F [target_code]: female → other"]);
        check(
            ",F,女",
            ",O,女",
            &[
                "- table sex/F: source_code F | source_display 女 | target_code female | equivalence equal",
                "+ table sex/O: source_code O | source_display 女 | target_code female | equivalence equal",
            ],
        );
        assert!(changes(&set(|text| text), &set(|text| text)).is_empty());
    }
}
