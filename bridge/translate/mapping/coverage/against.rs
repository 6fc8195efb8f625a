//! The set held against tables of others, row by row: executed by which rule, deviating or absent and why.
//!
//! Two shapes are read: the JAMI SS-MIX2 draft (`ssmix2-jami/rows.csv`: kind, map, src, target with its resource) and
//! the HL7 v2-to-FHIR guide (`rows.csv`: target below the resource or datatype in brackets in the map's name;
//! `codes.csv`: map, code, to_code). A row is executed where the plan writes that element, or what lies in it,
//! from that position. Conditions of the tables are not judged: they are in other words than ours.

use super::row::{Element, below, ours, position, same_part, theirs, writes};
use super::{Kind, MessageCoverage, Position, Reason, State, Use};
use crate::mapping::MappingSet;
use crate::mapping::describe::Title;
use crate::mapping::functions;
use std::collections::HashMap;

/// Which file a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `ssmix2-jami/rows.csv`.
    Jami,
    /// `rows.csv`.
    Hl7,
    /// `codes.csv`.
    Hl7Codes,
}

impl Table {
    /// Its name in the statements and in what is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jami => "jami",
            Self::Hl7 | Self::Hl7Codes => "hl7",
        }
    }
}

/// A row that has a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// Whose.
    pub table: Table,
    /// `message`, `segment`, `datatype`, `table`, `code`.
    pub kind: String,
    /// `Segment PID to Patient`, `PID[Patient]`.
    pub map: String,
    /// Its line in the source, as the table counts.
    pub line: String,
    /// `PID-3`, `CWE.1`, a code.
    pub source: String,
    /// The element, or the target code.
    pub target: String,
    /// The v2 datatype of the source.
    datatype: String,
    /// The code map and the datatype map that the row names.
    codes: String,
    through: String,
    /// What is written whatever the source says.
    assigned: String,
    /// The code systems of a code row: v2's name and the URL of the target.
    systems: (String, String),
}

/// Reads a table: its rows with a target.
///
/// # Errors
/// A text that says what the file is not.
pub fn read(table: Table, text: &str) -> Result<Vec<TargetRow>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| header.iter().position(|title| title == name);
    let need = |name: &str| column(name).ok_or_else(|| format!("there is no column {name}"));
    let (source, target) = match table {
        Table::Hl7Codes => (need("code")?, need("to_code")?),
        _ => (need("src")?, need("target")?),
    };
    let map = need("map")?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |n: Option<usize>| n.and_then(|n| record.get(n)).unwrap_or_default().trim().to_owned();
        let of = |name: &str| cell(column(name));
        if cell(Some(target)).is_empty() {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line).to_string();
        rows.push(TargetRow {
            table,
            kind: if table == Table::Hl7Codes { "code".to_owned() } else { of("kind") },
            map: cell(Some(map)),
            line: Some(of("line")).filter(|line| !line.is_empty()).unwrap_or(line),
            source: cell(Some(source)),
            target: cell(Some(target)),
            datatype: of("v2type"),
            codes: of("vocab_map_or_segment_map"),
            through: of("dt_map"),
            assigned: of("assign_or_references"),
            systems: (of("system"), of("to_system")),
        });
    }
    Ok(rows)
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The plan does what it says.
    Executed,
    /// The position is used, or the element written, in another way.
    Deviating,
    /// Neither.
    Absent,
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Deviating => "deviating",
            Self::Absent => "absent",
        }
    }
}

/// A row with how it stands.
#[derive(Clone, Debug)]
pub struct Judged<'r> {
    /// The row.
    pub row: &'r TargetRow,
    /// How it stands.
    pub standing: Standing,
    /// `OML-11 lab-observation/value`, at most a few.
    pub by: Vec<String>,
    /// Why not; `None` for an executed row and for one that nobody has given a reason for.
    pub why: Option<Title>,
}

/// All rows judged, and the statements that no longer explain one: `file:line`.
#[derive(Clone, Debug)]
pub struct Judgement<'r> {
    /// In order of the rows.
    pub rows: Vec<Judged<'r>>,
    /// Statements that no row needs.
    pub idle: Vec<String>,
}

/// Rules named for one row at most.
const MAX_BY: usize = 4;

/// The elements that a value set of the JAMI tables is bound to.
const BOUND: &[(&str, &str, &str)] = &[
    ("AdministrativeGender", "Patient", "gender"),
    ("v3-ActCode", "Encounter", "class"),
    ("AllergyIntoleranceCategory", "AllergyIntolerance", "category"),
    ("ReactionEventSeverity", "AllergyIntolerance", "reaction.severity"),
    ("ContactPointUse", "ContactPoint", "use"),
    ("iso-21090", "HumanName", "extension.valueCode"),
    ("EncounterLocationStatus", "Encounter", "location.status"),
    ("EncounterStatus", "Encounter", "status"),
];

struct Judge<'c> {
    set: &'c MappingSet,
    all: &'c [MessageCoverage],
    /// Every use with its element, and the message that has it.
    uses: Vec<(&'c MessageCoverage, &'c Use, Element)>,
    /// The v2 datatype of a field, as the tables say.
    datatypes: HashMap<(String, u16), String>,
    /// What executes the segment and datatype rows that name a code map or datatype map, by its name.
    named: HashMap<&'c str, Vec<(&'c MessageCoverage, &'c Use)>>,
    by_segment: HashMap<&'c str, Vec<usize>>,
}

/// What a row found: the uses that execute it, and whether anything else has to do with it.
#[derive(Default)]
struct Found<'c> {
    by: Vec<(&'c MessageCoverage, &'c Use)>,
    near: bool,
}

/// Judges every row.
pub fn judge<'r>(
    set: &'r MappingSet,
    all: &'r [MessageCoverage],
    rows: &'r [TargetRow],
    reasons: &[Reason],
) -> Judgement<'r> {
    let mut uses = Vec::new();
    for message in all {
        uses.extend(message.uses.iter().map(|one| (message, one, ours(&one.resource, &one.target))));
    }
    let mut datatypes = HashMap::new();
    for row in rows.iter().filter(|row| row.table == Table::Hl7) {
        let at = position(&row.source);
        if row.kind == "segment" && at.parts.is_empty() && !row.datatype.is_empty() {
            datatypes.insert((at.segment, at.field), row.datatype.clone());
        }
    }
    let mut by_segment = HashMap::<&str, Vec<usize>>::new();
    for (n, (_, one, _)) in uses.iter().enumerate() {
        let segment = one.position.as_ref().map_or("", |position| position.segment.as_str());
        by_segment.entry(segment).or_default().push(n);
    }
    let mut judge = Judge { set, all, uses, datatypes, named: HashMap::new(), by_segment };
    judge.name(rows);
    let mut idle: Vec<bool> = vec![true; reasons.len()];
    let judged = rows
        .iter()
        .map(|row| {
            let messages = judge.messages(row);
            let found = judge.found(row, &messages);
            if !found.by.is_empty() {
                return Judged { row, standing: Standing::Executed, by: names(&found.by), why: None };
            }
            let cells = [row.table.as_str(), &row.kind, &row.map, &row.source, &row.target];
            let stated = reasons.iter().position(|reason| reason.fits(&cells));
            if let Some(n) = stated {
                idle[n] = false;
            }
            let why = stated.map(|n| reasons[n].why.clone()).or_else(|| judge.computed(row, &messages));
            let standing = if found.near { Standing::Deviating } else { Standing::Absent };
            Judged { row, standing, by: Vec::new(), why }
        })
        .collect();
    let idle = reasons.iter().zip(idle).filter(|(_, idle)| *idle).map(|(reason, _)| reason.place.clone());
    Judgement { rows: judged, idle: idle.collect() }
}

fn names(by: &[(&MessageCoverage, &Use)]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (message, one) in by {
        let name = format!("{} {}", message.id, one.rule);
        if !out.contains(&name) && out.len() < MAX_BY {
            out.push(name);
        }
    }
    out
}

/// The data type in the name of a JAMI map: `Segment ADT_00_IN1 to Coverage` is of ADT-00.
fn data_type(map: &str) -> Option<String> {
    let word = map.split_whitespace().nth(1)?;
    let mut parts = word.split('_');
    let (name, number) = (parts.next()?, parts.next()?);
    let is_number = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("{name}-{number}"))
}

impl<'c> Judge<'c> {
    /// Follows the maps that other rows name.
    fn name(&mut self, rows: &'c [TargetRow]) {
        let every: Vec<&MessageCoverage> = self.all.iter().collect();
        let mut named = HashMap::<&str, Vec<(&MessageCoverage, &Use)>>::new();
        for row in rows.iter().filter(|row| row.table == Table::Hl7 && row.kind != "message") {
            let by = self.found(row, &every).by;
            for map in [&row.codes, &row.through] {
                for one in by.iter().filter(|_| !map.is_empty()) {
                    let list = named.entry(map).or_default();
                    if !list.iter().any(|known| std::ptr::eq(known.1, one.1)) {
                        list.push(*one);
                    }
                }
            }
        }
        self.named = named;
    }

    /// The messages that a row is about.
    fn messages(&self, row: &TargetRow) -> Vec<&'c MessageCoverage> {
        match (row.table, row.kind.as_str()) {
            (Table::Jami, _) => match data_type(&row.map) {
                Some(id) => self.all.iter().filter(|message| message.id == id).collect(),
                None => self.all.iter().collect(),
            },
            (Table::Hl7, "message") => {
                let code = row.map.split('_').next().unwrap_or_default();
                self.all.iter().filter(|message| message.codes.iter().any(|known| known == code)).collect()
            }
            _ => self.all.iter().collect(),
        }
    }

    fn found(&self, row: &TargetRow, messages: &[&'c MessageCoverage]) -> Found<'c> {
        match (row.table, row.kind.as_str()) {
            (_, "message") => self.of_message(row, messages),
            (Table::Jami, "segment") => {
                let (resource, path) = row.target.split_once('.').unwrap_or((&row.target, ""));
                self.of_segment(row, &theirs(resource, path), messages)
            }
            (Table::Hl7, "segment") => {
                self.of_segment(row, &theirs(&bracketed(&row.map), &row.target), messages)
            }
            (_, "datatype") => self.of_datatype(row),
            (_, "table") => self.of_table(row),
            (_, "code") => self.of_code(row),
            _ => Found::default(),
        }
    }

    fn reading(&self, segment: &str) -> impl Iterator<Item = &(&'c MessageCoverage, &'c Use, Element)> {
        self.by_segment.get(segment).into_iter().flatten().map(|n| &self.uses[*n])
    }

    /// A segment becomes (part of) a resource.
    fn of_message(&self, row: &TargetRow, messages: &[&'c MessageCoverage]) -> Found<'c> {
        let segment = position(&row.source).segment;
        let (head, path) = row.target.split_once('.').unwrap_or((&row.target, ""));
        let head = head.split('[').next().unwrap_or(head).trim();
        let profile = head.strip_prefix("JP_");
        let resource = profile.map_or(head, |name| name.split('_').next().unwrap_or(name));
        let wanted = theirs(resource, path);
        let mut found = Found::default();
        for (message, one, element) in self.reading(&segment) {
            let here = messages.iter().any(|m| m.id == message.id);
            if !here || !one.kind.is_content() || element.resource != resource {
                continue;
            }
            let claims = profile.is_none()
                || message
                    .profiles
                    .iter()
                    .any(|(map, claimed)| *map == one.map && claimed.rsplit('/').next() == Some(head));
            if claims && writes(&element.steps, &wanted.steps) {
                found.by.push((message, one));
            } else {
                found.near = true;
            }
        }
        found
    }

    /// A field becomes an element.
    fn of_segment(&self, row: &TargetRow, wanted: &Element, messages: &[&'c MessageCoverage]) -> Found<'c> {
        let at = position(&row.source);
        let mut found = Found::default();
        for (message, one, element) in self.reading(&at.segment) {
            let Some(position) = &one.position else { continue };
            let same = at.field == 0 || position.field == at.field && same_part(&position.parts, &at.parts);
            if !same || !one.kind.is_content() || !messages.iter().any(|m| m.id == message.id) {
                continue;
            }
            if element.resource == wanted.resource && writes(&element.steps, &wanted.steps) {
                found.by.push((message, one));
            } else {
                found.near = true;
            }
        }
        // A value that the table assigns whatever the field says: a rule that writes the same.
        let literal = row.assigned.trim().trim_matches('"');
        if found.by.is_empty() && row.assigned.trim().starts_with('"') {
            for (message, one, element) in &self.uses {
                let says = one.kind == Kind::Fixed && one.how.split('\'').nth(1) == Some(literal);
                // Of a resource that is made of that segment.
                let of_it = |other: &&Use| other.map == one.map && other.kind.is_content();
                let made_of = says
                    && message
                        .uses
                        .iter()
                        .filter(of_it)
                        .any(|other| other.position.as_ref().is_some_and(|p| p.segment == at.segment));
                if made_of && element.resource == wanted.resource && writes(&element.steps, &wanted.steps) {
                    found.by.push((message, one));
                }
            }
        }
        found.near |= self.writes_at_all(wanted);
        found
    }

    fn writes_at_all(&self, wanted: &Element) -> bool {
        let here = |element: &Element| {
            element.resource == wanted.resource
                && !wanted.steps.is_empty()
                && writes(&element.steps, &wanted.steps)
        };
        self.uses.iter().any(|(_, one, element)| one.kind.is_content() && here(element))
    }

    /// A component of a datatype becomes an element of a FHIR type, wherever a field of it does.
    fn of_datatype(&self, row: &TargetRow) -> Found<'c> {
        let at = position(&row.source);
        let kind = bracketed(&row.map);
        let kind = kind.split('.').next().unwrap_or_default();
        let mut wanted = theirs(kind, &row.target);
        // Some rows name the type once more: `Quantity.code`.
        if wanted.steps.first().is_some_and(|step| step.name == kind) {
            wanted.steps.remove(0);
        }
        let mut found = Found::default();
        for (message, one, element) in &self.uses {
            let Some(position) = one.position.as_ref().filter(|_| one.kind.is_content()) else { continue };
            let field = (position.segment.clone(), position.field);
            if self.datatypes.get(&field).is_none_or(|datatype| *datatype != at.segment) {
                continue;
            }
            for rest in below(element, kind) {
                if same_part(&position.parts, &at.parts) && writes(rest, &wanted.steps) {
                    found.by.push((message, one));
                } else {
                    found.near |= position.parts == at.parts || writes(rest, &wanted.steps);
                }
            }
        }
        found
    }

    /// A code becomes a code of a value set: in a table that is used for the element that the set is bound to.
    fn of_table(&self, row: &TargetRow) -> Found<'c> {
        let name = row.map.rsplit(' ').next().unwrap_or_default();
        let Some((_, kind, path)) = BOUND.iter().find(|(bound, _, _)| *bound == name) else {
            return Found::default();
        };
        let wanted = theirs(kind, path);
        let mut found = Found::default();
        for (message, one, element) in &self.uses {
            for rest in below(element, kind).into_iter().filter(|rest| writes(rest, &wanted.steps)) {
                debug_assert!(!rest.is_empty());
                self.code(message, one, row, &mut found);
                // The same value whatever the code says.
                found.near |= one.kind == Kind::Fixed && one.how.split('\'').nth(1) == Some(&row.target);
            }
        }
        found
    }

    /// A code of a map that segment and datatype rows name: in a table used by the rules that execute them.
    fn of_code(&self, row: &TargetRow) -> Found<'c> {
        let mut found = Found::default();
        for (message, one) in self.named.get(row.map.as_str()).into_iter().flatten() {
            self.code(message, one, row, &mut found);
        }
        found
    }

    /// Whether a use turns a code into another as a row says.
    fn code(&self, message: &'c MessageCoverage, one: &'c Use, row: &TargetRow, found: &mut Found<'c>) {
        let same = |rows: Vec<String>, found: &mut Found<'c>| {
            if rows.contains(&row.target) {
                found.by.push((message, one));
            } else if !rows.is_empty() {
                found.near = true;
            }
        };
        let plan = &self.set.plan;
        if let Some(table) = one.table.and_then(|n| plan.tables.get(n)) {
            let rows = table.by_source.get(&row.source).into_iter().flatten();
            same(rows.map(|n| table.rows[*n as usize].target_code.clone()).collect(), found);
        }
        let built_in = functions::codes(&one.how, one.target.rsplit('.').next().unwrap_or_default());
        same(
            built_in.iter().filter(|(from, _)| *from == row.source).map(|(_, to)| (*to).to_owned()).collect(),
            found,
        );
        // A coding keeps its code and gets the URL of its system.
        let (name, url) = &row.systems;
        if one.coded && row.source == row.target && !url.is_empty() {
            let table = plan.code_systems.map(|n| &plan.tables[n]);
            let rows = table.and_then(|table| table.by_source.get(name).map(|rows| (table, rows)));
            let known = rows.is_some_and(|(table, rows)| {
                rows.iter()
                    .map(|n| &table.rows[*n as usize])
                    .any(|r| r.target_system == *url || r.target_code == *url)
            });
            if known {
                found.by.push((message, one));
            }
        }
    }

    /// A reason that the set itself gives.
    fn computed(&self, row: &TargetRow, messages: &[&MessageCoverage]) -> Option<Title> {
        if messages.is_empty() {
            let name = data_type(&row.map).unwrap_or_else(|| row.map.clone());
            return Some(Title {
                ja: format!("この組に {name} の電文ファイルがない"),
                en: format!("the set has no message file for {name}"),
            });
        }
        if matches!(row.kind.as_str(), "code" | "datatype") {
            return (!self.named.contains_key(row.map.as_str())).then(|| Title {
                ja: "この表を名指しする行が、どれも実行されない(その行の理由を参照)".to_owned(),
                en: "none of the rows that name this map is executed (see their reasons)".to_owned(),
            });
        }
        if !matches!(row.kind.as_str(), "segment" | "message") {
            return None;
        }
        let at: Position = position(&row.source);
        let knowing: Vec<_> = messages.iter().filter(|message| message.knows(&at.segment)).collect();
        if knowing.is_empty()
            && !messages.iter().any(|m| m.engine.iter().any(|e| e.position.segment == at.segment))
        {
            return Some(Title {
                ja: format!("この組の電文は {} を読まない(届けば未読として数える)", at.segment),
                en: format!(
                    "no message of the set reads {}: it is counted as unread where it comes",
                    at.segment
                ),
            });
        }
        let left_out = |message: &&&MessageCoverage| {
            let field = message.field(&at.segment, at.field);
            matches!(field.state, State::Skipped | State::Engine).then(|| field.why.cloned()).flatten()
        };
        if knowing.iter().all(|message| left_out(message).is_some()) {
            return knowing.first().and_then(left_out);
        }
        // The guide is for all of HL7 v2; what SS-MIX2 and JAHIS do not use is not read, and counted where it comes.
        let unread = |message: &&&MessageCoverage| {
            matches!(
                message.field(&at.segment, at.field).state,
                State::Unread | State::Skipped | State::Engine
            )
        };
        (row.table == Table::Hl7 && at.field > 0 && knowing.iter().all(unread)).then(|| Title {
            ja: "この組のどの規則も読まない位置。届けば未読として数える".to_owned(),
            en: "no rule of the set reads the position: it is counted as unread where it comes".to_owned(),
        })
    }
}

/// `Patient` of `PID[Patient]`, `Observation` of `OBX[Observation-Component]`.
fn bracketed(map: &str) -> String {
    let inside = map.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
    inside.split('-').next().unwrap_or_default().split('.').next().unwrap_or_default().to_owned()
}
