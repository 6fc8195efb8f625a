//! A set as people read it: what applies of its maps, rows and tables, and which layer each comes from.
//!
//! Made from what the loader read and laid over one another, so that what is shown is what runs. Nothing here
//! decides anything.

use super::compile_map::{Draft, Line};
use super::compile_message::MessageDraft;
use super::layer::{Layer, Rank};
use super::plan::Fixed;
use super::problem::{Place, Problems};
use super::table::{self, Cells};
use std::collections::BTreeMap;

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The layer.
    pub layer: Rank,
    /// The file, as it was given to the loader.
    pub file: String,
    /// The line, one-based.
    pub line: usize,
    /// The layer whose row it took the place of.
    pub over: Option<Rank>,
}

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
    /// Where it stands.
    pub source: Source,
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
    /// The keys of its heading besides, as they are written: `key`, `when` and so on.
    pub heading: Vec<(&'static str, String)>,
    /// Where each of these stands, in the same order, and where `for`, `makes` and `profile` do behind them.
    pub heading_sources: Vec<Source>,
    /// Names and rules, in order.
    pub rows: Vec<RowText>,
    /// Rows that a higher layer took away: their ids, and where that is said.
    pub off: Vec<RowText>,
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
    /// The keys of its heading besides, as they are written: `is`, `groups`, `unit` and so on.
    pub heading: Vec<(&'static str, String)>,
    /// Where each of these stands, in the same order.
    pub heading_sources: Vec<Source>,
    /// Its names.
    pub rows: Vec<RowText>,
    /// The maps that it uses.
    pub maps: Vec<String>,
    /// What is left out on purpose: position and why.
    pub skip: Vec<(String, Title)>,
    /// Where each of these stands, in the same order.
    pub skip_sources: Vec<Source>,
    /// Those that are for what rules leave of a field.
    pub rest: Vec<String>,
}

/// A code table without its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableText {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: usize,
    /// Rows of it that stand in a layer over the shipped set.
    pub laid: usize,
}

/// A page of a code table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePage {
    /// The header.
    pub header: Vec<String>,
    /// Rows as they stand.
    pub rows: Vec<Vec<String>>,
    /// Where each of them stands.
    pub sources: Vec<Source>,
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
    /// Maps and message files that a higher layer switched off, by id.
    pub off: Vec<(String, Source)>,
}

fn source(place: &Place, over: Option<Rank>) -> Source {
    Source { layer: place.layer, file: place.file.to_string(), line: place.line, over }
}

/// The drafts as people read them.
pub(crate) fn describe(
    maps: &[Draft],
    inner: &[Draft],
    messages: &[MessageDraft],
    tables: &BTreeMap<String, Vec<Cells>>,
) -> SetText {
    let mut out = SetText::default();
    for draft in maps {
        let mut whole = map(draft);
        whole.inner = inner.iter().filter(|i| i.owner.as_ref() == Some(&draft.id)).map(map).collect();
        out.maps.push(whole);
    }
    out.types = inner.iter().filter(|draft| draft.owner.is_none()).map(map).collect();
    out.messages = messages.iter().map(message).collect();
    for (name, rows) in tables {
        let laid = rows.iter().filter(|row| row.layer != Rank::Shipped).count();
        out.tables.push(TableText { name: name.clone(), rows: rows.len(), laid });
    }
    out.maps.sort_by(|a, b| a.id.cmp(&b.id));
    out.types.sort_by(|a, b| a.id.cmp(&b.id));
    out.messages.sort_by(|a, b| a.id.cmp(&b.id));
    out
}

pub(crate) fn table_page(layers: &[Layer], name: &str, from: usize, limit: usize) -> Option<TablePage> {
    let of_table = |layer: &Layer| {
        let named = layer.files.iter().filter(|file| table::name_of(&file.path) == Some(name));
        Layer::new(layer.rank, named.cloned().collect())
    };
    let layers: Vec<Layer> = layers.iter().map(of_table).collect();
    let rows = table::collect(&layers, &|_| true, &mut Problems::default()).remove(name)?;
    let mut header: Vec<String> = table::header(name).iter().map(|cell| (*cell).to_owned()).collect();
    let ranked = rows.iter().any(|row| row.rank > 0);
    if ranked {
        header.push(table::RANK.to_owned());
    }
    let mut page = TablePage { header, total: rows.len(), ..TablePage::default() };
    for mut row in rows.into_iter().skip(from).take(limit) {
        page.sources.push(source(&row.place(), row.over));
        if ranked {
            row.cells.push(if row.rank > 0 { row.rank.to_string() } else { String::new() });
        }
        page.rows.push(row.cells);
    }
    Some(page)
}

fn map(draft: &Draft) -> MapText {
    let names = draft.lets.iter().map(|line| RowText { id: format!("${}", line.name), ..row(line) });
    MapText {
        id: draft.id.clone(),
        file: draft.place.file.to_string(),
        title: draft.title.clone(),
        of: draft.instances.clone(),
        makes: draft.makes.clone(),
        profile: draft.profile.clone().unwrap_or_default(),
        heading_sources: draft
            .heading()
            .iter()
            .map(|(key, _)| *key)
            .chain(["for", "makes", "profile"])
            .map(|key| source(draft.at(key), None))
            .collect(),
        heading: draft.heading(),
        rows: names.chain(draft.rules.iter().map(row)).collect(),
        off: draft.switched_off.iter().map(row).collect(),
        inner: Vec::new(),
    }
}

fn row(line: &Line) -> RowText {
    let fixed = line.fixed.as_ref().map(|fixed| match fixed {
        Fixed::Text(text) => format!("'{text}'"),
        Fixed::Number(text) => text.clone(),
        Fixed::Boolean(value) => value.to_string(),
    });
    let each = line.each.as_ref().map(|each| format!("each {each}"));
    let find = line.find.as_ref().map(|find| format!("find {find}"));
    let used = line.used.as_ref().map(|used| format!("use {used}"));
    RowText {
        id: line.name.clone(),
        to: line.to.clone(),
        from: fixed.or(each).or(find).unwrap_or_else(|| line.from.as_deref().unwrap_or_default().join(", ")),
        make: used.or_else(|| line.make.clone()).unwrap_or_default(),
        when: line.when.clone().unwrap_or_default(),
        otherwise: line.otherwise.clone().unwrap_or_default(),
        source: source(&line.place, line.over),
    }
}

fn message(draft: &MessageDraft) -> MessageText {
    MessageText {
        id: draft.id.clone(),
        title: draft.title.clone(),
        heading_sources: draft.heading().iter().map(|(key, _)| source(draft.at(key), None)).collect(),
        heading: draft.heading(),
        rows: draft.lets.iter().map(|line| RowText { id: format!("${}", line.name), ..row(line) }).collect(),
        maps: draft.maps.clone(),
        skip: draft.skip.iter().map(|skip| (skip.from.clone(), skip.why.clone())).collect(),
        rest: draft.skip.iter().filter(|skip| skip.rest).map(|skip| skip.from.clone()).collect(),
        skip_sources: draft.skip.iter().map(|skip| source(&skip.place, skip.over)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{RowText, Source};
    use crate::mapping::{Layer, MappingSet, Rank, SourceFile};

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
profile = "none"
key = ["PID-3.1"]
let = [
  { name = "rp", from = ["ORC-4", "ORC-2"], else = "next" },
  { name = "rp", fixed = "1" },
]
rules = [
  { id = "gender", to = "gender", from = "PID-8", as = "table g", when = "PID-8 valued", else = "next" },
  { id = "gender-2", to = "gender", fixed = "unknown" },
  { id = "contact", to = "contact[]", each = "NK1", use = "contact" },
]
[[submap]]
id = "contact"
makes = "Patient.contact"
rules = [{ id = "gender", to = "gender", fixed = "unknown" }]
"#;
        let head =
            "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";
        let files = vec![
            file("maps/patient.toml", text),
            file("tables/g.csv", &format!("{head},M,男,,male,,equal\n")),
        ];
        let set = MappingSet::load(files).unwrap().describe();
        let map = &set.maps[0];
        assert_eq!((map.title.ja.as_str(), map.of.as_str(), map.rules()), ("患者", "PID", 4));
        let row =
            |line: usize, id: &str, to: &str, from: &str, make: &str, when: &str, otherwise: &str| RowText {
                id: id.into(),
                to: to.into(),
                from: from.into(),
                make: make.into(),
                when: when.into(),
                otherwise: otherwise.into(),
                source: Source { file: "maps/patient.toml".into(), line, ..Source::default() },
            };
        assert_eq!(map.rows[0], row(10, "$rp", "", "ORC-4, ORC-2", "", "", "next"));
        assert_eq!(map.rows[2], row(14, "gender", "gender", "PID-8", "table g", "PID-8 valued", "next"));
        assert_eq!(map.rows[3], row(15, "gender-2", "gender", "'unknown'", "", "", ""));
        assert_eq!(map.rows[4], row(16, "contact", "contact[]", "each NK1", "use contact", "", ""));
        assert_eq!(map.inner[0].id, "contact");
    }

    #[test]
    fn a_table_is_read_by_the_page_with_what_lies_over_it() {
        let head =
            "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";
        let low = format!("{head},1,,,x,,equal\n,2,,,\"y,z\",,equal\n,3,,,w,,equal\n");
        let high = format!("{head},2,,,v,,equal\n,1,,,,,off\n,4,,,u,,equal\n");
        let set = MappingSet::layered(vec![
            Layer::new(Rank::Shipped, vec![file("tables/t.csv", &low)]),
            Layer::new(Rank::Network, vec![file("tables/t.csv", &high)]),
        ])
        .unwrap();
        let page = set.table_page("t", 0, 2).unwrap();
        assert_eq!((page.header[1].as_str(), page.total), ("source_code", 3));
        let codes: Vec<(&str, &str)> =
            page.rows.iter().map(|row| (row[1].as_str(), row[4].as_str())).collect();
        assert_eq!(codes, [("2", "v"), ("3", "w")]);
        assert_eq!((page.sources[0].layer, page.sources[0].over), (Rank::Network, Some(Rank::Shipped)));
        assert_eq!((page.sources[1].layer, page.sources[1].line), (Rank::Shipped, 4));
        assert!(set.table_page("u", 0, 1).is_none());
        let text = set.describe();
        assert_eq!((text.tables[0].rows, text.tables[0].laid), (3, 2));
    }
}
