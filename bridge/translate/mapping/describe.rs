//! A set as people read it: its maps, their rows as written, its tables.
//!
//! Read again from the files, so that what is shown is what stands there. Nothing here decides anything.

use super::SourceFile;
use super::reader::plain;
use toml::de::{DeTable, DeValue};

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// One row of a map: a rule or a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowText {
    /// The rule's id; a `let`'s name with `$` in front.
    pub id: String,
    /// Where to.
    pub to: String,
    /// Where from.
    pub from: String,
    /// How it is made.
    pub make: String,
    /// When.
    pub when: String,
    /// What else.
    pub otherwise: String,
}

/// A map with its rows, or one of its submaps, or a datatype map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapText {
    /// Its id.
    pub id: String,
    /// The file it stands in.
    pub file: String,
    /// Its title, where it has one.
    pub title: Title,
    /// What it is made for: `PID`.
    pub of: String,
    /// What it makes: `Patient`.
    pub makes: String,
    /// The profile that it claims.
    pub profile: String,
    /// Names and rules, in order.
    pub rows: Vec<RowText>,
    /// Its submaps.
    pub inner: Vec<MapText>,
}

impl MapText {
    /// Rules of it and its submaps.
    pub fn rules(&self) -> usize {
        let own = self.rows.iter().filter(|row| !row.id.starts_with('$')).count();
        own + self.inner.iter().map(Self::rules).sum::<usize>()
    }
}

/// A message file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageText {
    /// Its id: `OML-11`.
    pub id: String,
    /// Its title.
    pub title: Title,
    /// The maps that it uses.
    pub maps: Vec<String>,
    /// What is left out on purpose: position and why.
    pub skip: Vec<(String, Title)>,
}

/// A code table without its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableText {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: usize,
}

/// A page of a code table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePage {
    /// The header.
    pub header: Vec<String>,
    /// Rows as they stand.
    pub rows: Vec<Vec<String>>,
    /// Rows of the whole table.
    pub total: usize,
}

/// A set as people read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetText {
    /// Maps, by id.
    pub maps: Vec<MapText>,
    /// Datatype maps, by id.
    pub types: Vec<MapText>,
    /// Message files, by id.
    pub messages: Vec<MessageText>,
    /// Code tables, by name.
    pub tables: Vec<TableText>,
}

pub(crate) fn describe(files: &[SourceFile]) -> SetText {
    let mut out = SetText::default();
    for file in files {
        if let Some(name) = table_name(&file.path) {
            let rows = records(&file.text).count().saturating_sub(1);
            out.tables.push(TableText { name: name.to_owned(), rows });
            continue;
        }
        let (document, _) = DeTable::parse_recoverable(&file.text);
        let root = document.get_ref();
        if let Some(table) = root.get("message").and_then(|value| value.get_ref().as_table()) {
            out.messages.push(message(table));
        }
        if let Some(table) = root.get("map").and_then(|value| value.get_ref().as_table()) {
            let mut whole = map(table, &file.path);
            whole.inner = tables(root, "submap").map(|inner| map(inner, &file.path)).collect();
            out.maps.push(whole);
        }
        out.types.extend(tables(root, "type").map(|table| map(table, &file.path)));
    }
    out.maps.sort_by(|a, b| a.id.cmp(&b.id));
    out.types.sort_by(|a, b| a.id.cmp(&b.id));
    out.messages.sort_by(|a, b| a.id.cmp(&b.id));
    out.tables.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

pub(crate) fn table_page(files: &[SourceFile], name: &str, from: usize, limit: usize) -> Option<TablePage> {
    let file = files.iter().find(|file| table_name(&file.path) == Some(name))?;
    let mut all = records(&file.text);
    let header = all.next().unwrap_or_default();
    let mut page = TablePage { header, ..TablePage::default() };
    for row in all {
        if (from..from.saturating_add(limit)).contains(&page.total) {
            page.rows.push(row);
        }
        page.total += 1;
    }
    Some(page)
}

fn table_name(path: &str) -> Option<&str> {
    let mut parts = path.rsplit(['/', '\\']);
    let name = parts.next()?.strip_suffix(".csv")?;
    (parts.next() == Some("tables")).then_some(name)
}

fn records(text: &str) -> impl Iterator<Item = Vec<String>> + '_ {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes())
        .into_records()
        .filter_map(Result::ok)
        .map(|record| record.iter().map(|cell| cell.trim().to_owned()).collect())
}

fn tables<'t>(table: &'t DeTable<'t>, key: &str) -> impl Iterator<Item = &'t DeTable<'t>> {
    let list = table.get(key).and_then(|value| value.get_ref().as_array());
    list.into_iter().flat_map(|list| list.iter()).filter_map(|item| item.get_ref().as_table())
}

/// A text, or a list of them with commas between.
fn text(table: &DeTable<'_>, key: &str) -> String {
    let Some(value) = table.get(key) else { return String::new() };
    match value.get_ref().as_array() {
        Some(list) => list.iter().map(|item| plain(item.get_ref())).collect::<Vec<_>>().join(", "),
        None => plain(value.get_ref()),
    }
}

fn title(table: &DeTable<'_>, key: &str) -> Title {
    let both = table.get(key).and_then(|value| value.get_ref().as_table());
    both.map_or_else(Title::default, |both| Title { ja: text(both, "ja"), en: text(both, "en") })
}

fn map(table: &DeTable<'_>, file: &str) -> MapText {
    let names =
        tables(table, "let").map(|line| RowText { id: format!("${}", text(line, "name")), ..row(line) });
    let rules = tables(table, "rules").map(row);
    MapText {
        id: text(table, "id"),
        file: file.to_owned(),
        title: title(table, "title"),
        of: text(table, "for"),
        makes: text(table, "makes"),
        profile: text(table, "profile"),
        rows: names.chain(rules).collect(),
        inner: Vec::new(),
    }
}

fn row(line: &DeTable<'_>) -> RowText {
    let fixed = line.get("fixed").map(|value| match value.get_ref() {
        DeValue::String(text) => format!("'{text}'"),
        other => plain(other),
    });
    let each = line.get("each").map(|_| format!("each {}", text(line, "each")));
    let find = line.get("find").map(|_| format!("find {}", text(line, "find")));
    let used = line.get("use").map(|_| format!("use {}", text(line, "use")));
    RowText {
        id: text(line, "id"),
        to: text(line, "to"),
        from: fixed.or(each).or(find).unwrap_or_else(|| text(line, "from")),
        make: used.unwrap_or_else(|| text(line, "as")),
        when: text(line, "when"),
        otherwise: text(line, "else"),
    }
}

fn message(table: &DeTable<'_>) -> MessageText {
    let maps = table.get("maps").and_then(|value| value.get_ref().as_array());
    MessageText {
        id: text(table, "id"),
        title: title(table, "title"),
        maps: maps.into_iter().flat_map(|list| list.iter()).map(|item| plain(item.get_ref())).collect(),
        skip: tables(table, "skip").map(|line| (text(line, "from"), title(line, "why"))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{RowText, SourceFile, describe, table_page};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn rows_are_told_as_they_are_written() {
        let text = r#"
[map]
id = "patient"
title = { ja = "患者", en = "Patient" }
for = "PID"
makes = "Patient"
profile = "JP_Patient"
let = [{ name = "rp", from = ["ORC-4", "ORC-2"], else = "next" }]
rules = [
  { id = "gender", to = "gender", from = "PID-8", as = "table g", when = "PID-8 valued", else = "next" },
  { id = "gender-2", to = "gender", fixed = "unknown" },
  { id = "contact", to = "contact[]", each = "NK1", use = "contact" },
]
[[submap]]
id = "contact"
makes = "Patient.contact"
rules = [{ id = "name", to = "name", from = "NK1-2", as = "XPN.jp" }]
"#;
        let set = describe(&[file("maps/patient.toml", text)]);
        let map = &set.maps[0];
        assert_eq!((map.title.ja.as_str(), map.of.as_str(), map.rules()), ("患者", "PID", 4));
        let row = |id: &str, to: &str, from: &str, make: &str, when: &str, otherwise: &str| RowText {
            id: id.into(),
            to: to.into(),
            from: from.into(),
            make: make.into(),
            when: when.into(),
            otherwise: otherwise.into(),
        };
        assert_eq!(map.rows[0], row("$rp", "", "ORC-4, ORC-2", "", "", "next"));
        assert_eq!(map.rows[1], row("gender", "gender", "PID-8", "table g", "PID-8 valued", "next"));
        assert_eq!(map.rows[2], row("gender-2", "gender", "'unknown'", "", "", ""));
        assert_eq!(map.rows[3], row("contact", "contact[]", "each NK1", "use contact", "", ""));
        assert_eq!(map.inner[0].id, "contact");
    }

    #[test]
    fn a_table_is_read_by_the_page() {
        let files = [file("tables/t.csv", "a,b\n1,x\n2,\"y,z\"\n3,w\n")];
        let page = table_page(&files, "t", 1, 1).unwrap();
        assert_eq!((page.header, page.total), (vec!["a".to_owned(), "b".into()], 3));
        assert_eq!(page.rows, [["2", "y,z"]]);
        assert!(table_page(&files, "u", 0, 1).is_none());
        assert_eq!(describe(&files).tables[0].rows, 3);
    }
}
