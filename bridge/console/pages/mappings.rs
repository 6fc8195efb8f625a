//! マッピング: maps, their rules and the code tables, to read.
//!
//! Shows the active set as its files say it, with the outcome of its tests, and what no rule of it reads.

use super::messages::short;
use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::store::{LayerVersion, NETWORK};
use askama::Template;
use renkei_translate::mapping::describe::{MapText, MessageText, RowText, TablePage, TableText, Title};
use renkei_translate::mapping::{Rank, TestResult};
use std::collections::BTreeMap;

/// Rows of a table on one page.
const ROWS: usize = 100;
/// Versions shown of a layer.
const VERSIONS: usize = 20;
/// Positions shown that nothing reads.
const UNREAD: usize = 10;

/// A map in the list.
#[derive(Clone, Debug)]
struct Line {
    id: String,
    title: Title,
    of: String,
    makes: String,
    /// The highest layer that has rows of it, and whether that is another than the shipped one.
    layer: &'static str,
    laid: bool,
    rules: usize,
    passed: usize,
    tests: usize,
    messages: Vec<String>,
}

/// A position that no rule reads.
#[derive(Clone, Debug)]
struct Unread {
    facility: String,
    kind: String,
    position: String,
    count: u64,
    example: String,
}

/// A saved version of a layer, as the list shows it.
#[derive(Clone, Debug)]
struct Version {
    /// 地域, or the name of the facility.
    layer: String,
    version: LayerVersion,
}

#[derive(Template)]
#[template(path = "mappings.html", config = "web/askama.toml")]
struct ListPage {
    frame: Frame,
    version: String,
    lines: Vec<Line>,
    types: Vec<Line>,
    messages: Vec<MessageText>,
    tables: Vec<TableText>,
    passed: usize,
    tests: usize,
    unread: Vec<Unread>,
    /// The facilities of which nothing is known yet, since no message has come under the active version.
    untold: String,
    versions: Vec<Version>,
}

/// A part of a map: the map itself, then its submaps.
#[derive(Clone, Debug)]
struct Part {
    id: String,
    of: String,
    makes: String,
    rows: Vec<Shown>,
}

/// A row of a map.
#[derive(Clone, Debug)]
struct Shown {
    number: usize,
    row: RowText,
    /// The table that its conversion names.
    table: String,
}

#[derive(Template)]
#[template(path = "mapping.html", config = "web/askama.toml")]
struct MapPage {
    frame: Frame,
    version: String,
    title: Title,
    id: String,
    of: String,
    makes: String,
    profile: String,
    file: String,
    parts: Vec<Part>,
    messages: Vec<MessageText>,
    tests: Vec<TestResult>,
    passed: usize,
}

#[derive(Template)]
#[template(path = "mapping-table.html", config = "web/askama.toml")]
struct TableView {
    frame: Frame,
    version: String,
    name: String,
    table: TablePage,
    from: usize,
    to: usize,
    before: Option<usize>,
    next: Option<usize>,
    used: Vec<(String, String)>,
}

/// GET `/mappings`.
///
/// # Errors
/// The store.
pub fn list(request: &Request) -> Result<Answer, Failure> {
    let bench = &request.state.bench;
    let (set, tests) = (bench.set(), bench.tests());
    let text = set.describe();
    let (unread, untold) = unread(request)?;
    let line = |map: &MapText| {
        let own: Vec<&TestResult> = tests.iter().filter(|test| test.file == map.file).collect();
        let used = text.messages.iter().filter(|message| message.maps.contains(&map.id));
        Line {
            id: map.id.clone(),
            title: map.title.clone(),
            of: without_condition(&map.of),
            makes: map.makes.clone(),
            layer: match highest(map) {
                Rank::Shipped => "layer.standard",
                Rank::Network => "layer.network",
                Rank::Facility => "layer.facility",
            },
            laid: highest(map) != Rank::Shipped,
            rules: map.rules(),
            passed: own.iter().filter(|test| test.failures.is_empty()).count(),
            tests: own.len(),
            messages: used.map(|message| message.id.clone()).collect(),
        }
    };
    Answer::page(&ListPage {
        frame: request.frame("/mappings", "mapping"),
        version: short(set.version()).to_owned(),
        lines: text.maps.iter().map(line).collect(),
        types: text.types.iter().map(line).collect(),
        passed: tests.iter().filter(|test| test.failures.is_empty()).count(),
        tests: tests.len(),
        unread,
        untold: untold.join(", "),
        versions: versions(request)?,
        // What all types of message have in common has no type of its own.
        messages: text.messages.into_iter().filter(|message| !message.id.is_empty()).collect(),
        tables: text.tables,
    })
}

/// What a map is for, its condition only hinted at: `ITEM […]`. The page of the map has it whole.
fn without_condition(of: &str) -> String {
    of.split_once('[').map_or_else(|| of.to_owned(), |(of, _)| format!("{of} […]"))
}

/// The highest layer that has written, or switched off, a row of a map or of its submaps.
fn highest(map: &MapText) -> Rank {
    let own = map.rows.iter().chain(&map.off).map(|row| row.source.layer);
    own.chain(map.inner.iter().map(highest)).max().unwrap_or(Rank::Shipped)
}

/// The saved versions of the layers whose facilities this person sees, the newest of each layer first.
fn versions(request: &Request) -> Result<Vec<Version>, Failure> {
    let layers = request.state.store.layers();
    let network = request.frame("", "mapping").t("layer.network").to_owned();
    let own = request.facilities().map(|info| (info.code.clone(), info.name.clone()));
    let mut all = Vec::new();
    for (layer, name) in std::iter::once((NETWORK.to_owned(), network)).chain(own) {
        let of_layer = layers.versions(&layer)?.into_iter().take(VERSIONS);
        all.extend(of_layer.map(|version| Version { layer: name.clone(), version }));
    }
    Ok(all)
}

/// What the active set does not read, the most frequent first, and the facilities of which that is not known yet.
fn unread(request: &Request) -> Result<(Vec<Unread>, Vec<String>), Failure> {
    let mut counts: BTreeMap<(String, String, String), (u64, String)> = BTreeMap::new();
    let mut untold = Vec::new();
    for info in request.facilities() {
        let set = request.state.bench.set_of(&info.code);
        if !request.facility(&info.code)?.has_translated(set.version())? {
            untold.push(info.name.clone());
        }
        for unread in request.facility(&info.code)?.unread()? {
            if unread.mapping_version != set.version() {
                continue;
            }
            let entry = counts
                .entry((info.name.clone(), unread.kind, unread.position))
                .or_insert((0, format!("/messages/{}-{}", info.code, unread.example)));
            entry.0 += unread.count;
        }
    }
    let mut all: Vec<Unread> = counts
        .into_iter()
        .map(|((facility, kind, position), (count, example))| Unread {
            facility,
            kind,
            position,
            count,
            example,
        })
        .collect();
    all.sort_by_key(|unread| std::cmp::Reverse(unread.count));
    all.truncate(UNREAD);
    Ok((all, untold))
}

/// GET `/mappings/{map}`: a map, or a datatype map.
///
/// # Errors
/// There is none of that id.
pub fn map(request: &Request) -> Result<Answer, Failure> {
    let bench = &request.state.bench;
    let set = bench.set();
    let text = set.describe();
    let wanted = request.param(0);
    let found = text.maps.iter().chain(&text.types).find(|map| map.id == wanted).ok_or(Failure::NotFound)?;
    let mut parts = vec![part(found)];
    parts.extend(found.inner.iter().map(part));
    let tests: Vec<TestResult> =
        bench.tests().iter().filter(|test| test.file == found.file).cloned().collect();
    let messages = text.messages.iter().filter(|message| message.maps.contains(&found.id)).cloned().collect();
    Answer::page(&MapPage {
        frame: request.frame("/mappings", "mapping"),
        version: short(set.version()).to_owned(),
        title: found.title.clone(),
        id: found.id.clone(),
        of: found.of.clone(),
        makes: found.makes.clone(),
        profile: found.profile.clone(),
        file: found.file.clone(),
        parts,
        messages,
        passed: tests.iter().filter(|test| test.failures.is_empty()).count(),
        tests,
    })
}

/// Columns of a code table and how near its codes are, with the key of their words.
const TABLE_WORDS: [(&str, &str); 13] = [
    ("source_system", "table.source-system"),
    ("source_code", "table.source-code"),
    ("source_display", "table.source-display"),
    ("target_system", "table.target-system"),
    ("target_code", "table.target-code"),
    ("target_display", "table.target-display"),
    ("equivalence", "table.equivalence"),
    ("equal", "table.equal"),
    ("equivalent", "table.equivalent"),
    ("wider", "table.wider"),
    ("narrower", "table.narrower"),
    ("inexact", "table.inexact"),
    ("unmatched", "table.unmatched"),
];

impl TableView {
    /// A word of the file's own, as printed; anything else as it stands.
    fn words<'a>(&self, text: &'a str) -> &'a str {
        TABLE_WORDS.iter().find(|(word, _)| *word == text).map_or(text, |(_, key)| self.frame.t(key))
    }
    /// Whether the file's words can be told from its codes in that column, counted from 0.
    fn is_word(&self, column: &usize) -> bool {
        self.table.header.get(*column).is_some_and(|name| name == "equivalence")
    }
}

fn part(map: &MapText) -> Part {
    let rows = map.rows.iter().enumerate().map(|(n, row)| {
        let mut words = row.make.split(' ');
        let named = words.next().is_some_and(|word| word == "table" || word == "code");
        let table = if named { words.next().unwrap_or_default() } else { "" };
        Shown { number: n + 1, row: row.clone(), table: table.to_owned() }
    });
    Part { id: map.id.clone(), of: map.of.clone(), makes: map.makes.clone(), rows: rows.collect() }
}

/// GET `/mappings/tables/{table}`.
///
/// # Errors
/// There is none of that name.
pub fn table(request: &Request) -> Result<Answer, Failure> {
    let set = request.state.bench.set();
    let name = request.param(0);
    let from = request.query.text("from").parse::<usize>().unwrap_or(1).max(1) - 1;
    let table = set.table_page(name, from, ROWS).ok_or(Failure::NotFound)?;
    let text = set.describe();
    let mut used = Vec::new();
    for map in text.maps.iter().chain(&text.types) {
        for part in std::iter::once(map).chain(&map.inner) {
            for row in &part.rows {
                let words = [&row.make, &row.when];
                if words.iter().any(|text| text.split([' ', ',', '(', ')']).any(|word| word == name)) {
                    used.push((map.id.clone(), format!("{}/{}", part.id, row.id)));
                }
            }
        }
    }
    Answer::page(&TableView {
        frame: request.frame("/mappings", "mapping"),
        version: short(set.version()).to_owned(),
        name: name.to_owned(),
        from: if table.rows.is_empty() { 0 } else { from + 1 },
        to: from + table.rows.len(),
        before: (from > 0).then(|| from.saturating_sub(ROWS) + 1),
        next: (from + table.rows.len() < table.total).then(|| from + ROWS + 1),
        table,
        used,
    })
}

#[cfg(test)]
mod tests {
    use super::{highest, without_condition};
    use renkei_translate::mapping::Rank;
    use renkei_translate::mapping::describe::{MapText, RowText, Source};

    #[test]
    fn a_map_is_of_the_highest_layer_that_wrote_or_switched_off_a_row_of_it() {
        let row = |layer| RowText { source: Source { layer, ..Source::default() }, ..RowText::default() };
        let mut map = MapText { rows: vec![row(Rank::Shipped)], ..MapText::default() };
        assert_eq!(highest(&map), Rank::Shipped);
        map.inner = vec![MapText { rows: vec![row(Rank::Network)], ..MapText::default() }];
        assert_eq!(highest(&map), Rank::Network);
        map.off = vec![row(Rank::Facility)];
        assert_eq!(highest(&map), Rank::Facility);
        assert_eq!(highest(&MapText::default()), Rank::Shipped);
    }

    #[test]
    fn the_list_of_maps_hints_at_a_condition() {
        assert_eq!(without_condition("ITEM[not OBX-3.3 = 'JANIS' and OBX-4[1] valued]"), "ITEM […]");
        assert_eq!(without_condition("PID"), "PID");
    }
}
