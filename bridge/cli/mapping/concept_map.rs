//! A code table as a FHIR ConceptMap (R4), and back, without losing a cell.
//!
//! Rows of one pair of systems that stand together are a group, so that the order of the rows is that of the groups
//! and their elements. A system that is no URI (`HOT9`, as messages name it) is written as one of ours. The rank of
//! one of several targets is an extension; what R4 has no place for is refused, not dropped.

use super::rows::{HEADER, Row};
use renkei_translate::mapping::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeSet, HashMap};

/// In front of the name of a code system that is no URI.
const SYSTEM: &str = "urn:x-renkei:code-system:";
/// The system of the identifier that holds the table's name; in front of it, the ConceptMap's URL.
const TABLE: &str = "urn:x-renkei:code-table";
/// The extension of a target's rank.
const RANK: &str = "urn:x-renkei:rank";
/// ConceptMap, constraint cmd-1: a target that is narrower or inexact has a comment. Tables have none.
const COMMENT: &str = "The code table gives no further comment.";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Map<'r> {
    resource_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'r str>,
    url: String,
    identifier: Identifier<'r>,
    title: &'r str,
    status: &'static str,
    group: Vec<Group<'r>>,
}

#[derive(Serialize)]
struct Identifier<'r> {
    system: &'static str,
    value: &'r str,
}

#[derive(Serialize)]
struct Group<'r> {
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    target: String,
    element: Vec<Element<'r>>,
}

#[derive(Serialize)]
struct Element<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    display: &'r str,
    target: Vec<Target<'r>>,
}

#[derive(Serialize)]
struct Target<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<[Extension; 1]>,
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    display: &'r str,
    equivalence: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'static str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extension {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_positive_int: Option<u32>,
}

/// The ConceptMap of a table, as JSON with an end of line behind it.
///
/// # Errors
/// None that rows can bring about.
pub(super) fn write(table: &str, rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut last: Option<&Row> = None;
    for row in rows {
        let together =
            |last: &Row| last.source_system == row.source_system && last.target_system == row.target_system;
        if !last.is_some_and(together) {
            let (source, target) = (uri(&row.source_system), uri(&row.target_system));
            groups.push(Group { source, target, element: Vec::new() });
        }
        let Some(group) = groups.last_mut() else { continue };
        let target = target(row);
        let another = |last: &Row| {
            together(last) && last.source_code == row.source_code && last.source_display == row.source_display
        };
        match group.element.last_mut().filter(|_| row.rank > 0 && last.is_some_and(another)) {
            Some(element) => element.target.push(target),
            None => group.element.push(Element {
                code: &row.source_code,
                display: &row.source_display,
                target: vec![target],
            }),
        }
        last = Some(row);
    }
    let is_id = table.len() <= 64
        && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let map = Map {
        resource_type: "ConceptMap",
        id: is_id.then_some(table),
        url: format!("{TABLE}:{}", escaped(table)),
        identifier: Identifier { system: TABLE, value: table },
        title: table,
        status: "active",
        group: groups,
    };
    let mut out = serde_json::to_vec_pretty(&map)?;
    out.push(b'\n');
    Ok(out)
}

fn target(row: &Row) -> Target<'_> {
    let rank = (row.rank > 0).then(|| [Extension { url: RANK.into(), value_positive_int: Some(row.rank) }]);
    Target {
        extension: rank,
        code: &row.target_code,
        display: &row.target_display,
        equivalence: &row.equivalence,
        comment: matches!(row.equivalence.as_str(), "narrower" | "inexact").then_some(COMMENT),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match is_plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A system as a URI; empty stays empty.
fn uri(system: &str) -> String {
    let is_uri = system.contains(':') && !system.contains(char::is_whitespace) && !system.starts_with(SYSTEM);
    if system.is_empty() || is_uri { system.to_owned() } else { format!("{SYSTEM}{}", escaped(system)) }
}

/// The system that `uri` wrote.
fn system(uri: &str) -> Option<String> {
    let Some(name) = uri.strip_prefix(SYSTEM) else { return Some(uri.to_owned()) };
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

/// What is not said in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct How {
    /// The code system in place of those of the groups.
    pub(super) source_system: Option<String>,
    /// Several targets without a rank stand in its order.
    pub(super) rank_by_order: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The table's name, where the file has it.
    pub(super) table: Option<String>,
    pub(super) rows: Vec<Row>,
    /// The line of each row.
    pub(super) lines: Vec<usize>,
    /// Keys that are not kept.
    pub(super) lost: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MapIn<'t> {
    resource_type: String,
    #[serde(default)]
    identifier: Option<serde_json::Value>,
    #[serde(borrow, default)]
    group: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct GroupIn<'t> {
    #[serde(default)]
    source: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    unmapped: Option<serde_json::Value>,
    #[serde(borrow, default)]
    element: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct ElementIn {
    #[serde(default)]
    code: String,
    #[serde(default)]
    display: String,
    #[serde(default)]
    target: Vec<TargetIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetIn {
    #[serde(default)]
    extension: Vec<Extension>,
    #[serde(default)]
    code: String,
    #[serde(default)]
    display: String,
    #[serde(default)]
    equivalence: String,
    comment: Option<String>,
    depends_on: Option<serde_json::Value>,
    product: Option<serde_json::Value>,
}

/// Reads a ConceptMap.
///
/// # Errors
/// Every problem, with the line of its element and the place in it.
pub(super) fn read(file: &str, bytes: &[u8], how: &How) -> Result<Read, Vec<Problem>> {
    let mut reader = Reader { file, text: "", at: (0, 1), out: Read::default(), problems: Vec::new() };
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            reader.text = text;
            reader.map(how);
        }
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            let ja = "ファイルが UTF-8 ではありません。";
            reader.problem(line, String::new(), ja, "The file is not UTF-8.");
        }
    }
    if reader.problems.is_empty() { Ok(reader.out) } else { Err(reader.problems) }
}

struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    /// A place in the text and its line, behind which nothing is looked for any more.
    at: (usize, usize),
    out: Read,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    fn problem(&mut self, line: usize, column: String, ja: &str, en: &str) {
        let (file, ja, en) = (self.file.to_owned(), ja.to_owned(), en.to_owned());
        self.problems.push(Problem { file, line, column, ja, en, ..Problem::default() });
    }

    /// The line of a part of the text; parts are asked for in their order.
    fn line(&mut self, part: &RawValue) -> usize {
        let start = (part.get().as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if let Some(between) = self.text.get(self.at.0..start) {
            self.at = (start, self.at.1 + between.bytes().filter(|byte| *byte == b'\n').count());
        }
        self.at.1
    }

    fn no_json(&mut self, line: usize, column: String, error: &serde_json::Error) {
        let line = line + error.line().saturating_sub(1);
        let en = "The file is no ConceptMap of FHIR R4 at this place.";
        self.problem(line, column, "ここが FHIR R4 の ConceptMap として読めません。", en);
    }

    fn map(&mut self, how: &How) {
        let map: MapIn<'t> = match serde_json::from_str(self.text) {
            Ok(map) => map,
            Err(error) => return self.no_json(1, String::new(), &error),
        };
        if map.resource_type != "ConceptMap" {
            let en = "The resource is no ConceptMap.";
            return self.problem(1, "resourceType".into(), "ConceptMap ではないリソースです。", en);
        }
        let identifier = map.identifier.as_ref();
        let part = |key: &str| identifier.and_then(|value| value.get(key)).and_then(|value| value.as_str());
        self.out.table = part("value").filter(|_| part("system") == Some(TABLE)).map(str::to_owned);
        for (n, raw) in map.group.into_iter().enumerate() {
            let line = self.line(raw);
            match serde_json::from_str::<GroupIn<'t>>(raw.get()) {
                Ok(group) => self.group(n, line, group, how),
                Err(error) => self.no_json(line, format!("group[{n}]"), &error),
            }
        }
        self.one_to_many(how);
    }

    fn group(&mut self, n: usize, line: usize, group: GroupIn<'t>, how: &How) {
        if group.unmapped.is_some() {
            let ja = "unmapped は表に書けません。規則の else で書いてください。";
            let en = "'unmapped' has no place in a table: say it as the 'else' of the rule.";
            self.problem(line, format!("group[{n}].unmapped"), ja, en);
        }
        let systems = (system(&group.source), system(&group.target));
        let (Some(source), Some(target)) = systems else {
            let en = "The code system is written as ours, and is not.";
            return self.problem(line, format!("group[{n}]"), "コード体系の書き方が違います。", en);
        };
        let source = how.source_system.clone().unwrap_or(source);
        for (e, raw) in group.element.into_iter().enumerate() {
            let (line, place) = (self.line(raw), format!("group[{n}].element[{e}]"));
            let element: ElementIn = match serde_json::from_str(raw.get()) {
                Ok(element) => element,
                Err(error) => {
                    self.no_json(line, place, &error);
                    continue;
                }
            };
            if element.target.is_empty() {
                let en = "There is no target: 'unmatched' is said in one.";
                self.problem(line, place, "target がありません。対応がないことは unmatched で書きます。", en);
                continue;
            }
            for (t, to) in element.target.into_iter().enumerate() {
                let place = format!("{place}.target[{t}]");
                let rank = self.target(line, &place, &to);
                self.out.lines.push(line);
                self.out.rows.push(Row {
                    source_system: source.clone(),
                    source_code: element.code.clone(),
                    source_display: element.display.clone(),
                    target_system: target.clone(),
                    target_code: to.code,
                    target_display: to.display,
                    equivalence: to.equivalence,
                    rank,
                });
            }
        }
    }

    /// Looks at what of a target has no cell; its rank.
    fn target(&mut self, line: usize, place: &str, to: &TargetIn) -> u32 {
        for (key, there) in [("dependsOn", to.depends_on.is_some()), ("product", to.product.is_some())] {
            if there {
                let en = "A table cannot say this: a target that depends on other codes.";
                self.problem(
                    line,
                    format!("{place}.{key}"),
                    "ほかのコードによる対応は、表に書けません。",
                    en,
                );
            }
        }
        // A table's row says one too; which of the others is none of R4's is said when the table is read.
        if to.equivalence.is_empty() {
            let en = "The equivalence is missing (R4 is read; 'relationship' is R5).";
            let ja = "equivalence がありません(読めるのは R4 です。relationship は R5)。";
            self.problem(line, format!("{place}.equivalence"), ja, en);
        }
        if to.equivalence == "off" {
            let en = "'off' is a word of layers and no equivalence of R4.";
            let ja = "off は層の言葉で、R4 の equivalence ではありません。";
            self.problem(line, format!("{place}.equivalence"), ja, en);
        }
        if to.comment.as_ref().is_some_and(|comment| comment != COMMENT) {
            self.out.lost.insert("target.comment".into());
        }
        to.extension.iter().find(|e| e.url == RANK).and_then(|e| e.value_positive_int).unwrap_or(0)
    }

    /// A code with several targets: ranked, in the order of the file where that was said, else refused.
    fn one_to_many(&mut self, how: &How) {
        let mut by_code: HashMap<(&str, &str), Vec<usize>> = HashMap::with_capacity(self.out.rows.len());
        for (n, row) in self.out.rows.iter().enumerate().filter(|(_, row)| !row.source_code.is_empty()) {
            by_code.entry((&row.source_system, &row.source_code)).or_default().push(n);
        }
        let mut many: Vec<Vec<usize>> = by_code.into_values().filter(|rows| rows.len() > 1).collect();
        many.sort();
        for rows in many {
            if rows.iter().all(|n| self.out.rows[*n].rank > 0) {
                continue;
            }
            if how.rank_by_order {
                for (rank, n) in (1..).zip(rows) {
                    self.out.rows[n].rank = rank;
                }
                continue;
            }
            let line = rows.get(1).and_then(|n| self.out.lines.get(*n)).copied().unwrap_or_default();
            let ja = "一つのコードに対応先がいくつもあり、順位がありません。ファイルの順を順位とするなら --rank-by-order を付けてください。";
            let en = "A code has several targets without a rank. --rank-by-order takes the order of the file for it.";
            self.problem(line, HEADER[7].into(), ja, en);
        }
    }
}

#[cfg(test)]
mod tests;
