//! The set held against tables of others, row by row: executed by which rule, deviating or absent and why.
//!
//! Two shapes are read: the JAMI SS-MIX2 draft (`ssmix2-jami/rows.csv`: kind, map, src, target with its resource) and
//! the HL7 v2-to-FHIR guide (`rows.csv`: target below the resource or datatype in brackets in the map's name;
//! `codes.csv`: map, code, to_code). A row is executed where the plan writes that element, or what lies in it,
//! from that position, under conditions that a message of that type can have, and where the row is about what a
//! reference leads to, the reference too. What is put together with other values, or said otherwise, is not what the row
//! says; a code is executed where each field that has the code map turns it so. Conditions of the tables are not judged:
//! they are in other words than ours.

mod computed;

use super::row::{
    Element, Step, below, bracketed, data_type, events, kinds, ours, position, referring, same_part, theirs,
    ties, writes,
};
pub use super::target_row::{Table, TargetRow, read};
use super::{Kind, MessageCoverage, Position, Reason, State, Use};
use crate::mapping::MappingSet;
use crate::mapping::describe::Title;
use crate::mapping::functions;
use std::collections::{BTreeMap, HashMap, HashSet};

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

/// Datatype maps within datatype maps.
const MAX_NESTED: usize = 4;

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
    /// The FHIR types that the path of each leads through.
    kinds: Vec<Vec<(String, usize)>>,
    /// What executes the segment and datatype rows that name a code map or datatype map, by its name.
    named: HashMap<&'c str, Named<'c>>,
    /// Every map that a row names, executed or not.
    spoken_of: HashSet<&'c str>,
    by_segment: HashMap<&'c str, Vec<usize>>,
    /// Those that write something of a resource, by its type.
    by_resource: HashMap<String, Vec<usize>>,
    /// The uses of fields of a datatype.
    by_type: HashMap<String, Vec<usize>>,
}

/// The uses that stand for a map, and their addresses: there are some thousand of them.
#[derive(Default)]
struct Named<'c> {
    uses: Vec<(&'c MessageCoverage, &'c Use)>,
    known: HashSet<usize>,
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
    let kinds = uses.iter().map(|(_, _, element)| kinds(element)).collect();
    let mut by_type = HashMap::<String, Vec<usize>>::new();
    let mut by_segment = HashMap::<&str, Vec<usize>>::new();
    let mut by_resource = HashMap::<String, Vec<usize>>::new();
    for (n, (_, one, element)) in uses.iter().enumerate() {
        let segment = one.position.as_ref().map_or("", |position| position.segment.as_str());
        by_segment.entry(segment).or_default().push(n);
        by_resource.entry(element.resource.clone()).or_default().push(n);
        let field = one.position.as_ref().map(|position| (position.segment.clone(), position.field));
        if let Some(datatype) = field.and_then(|field| datatypes.get(&field)) {
            by_type.entry(datatype.clone()).or_default().push(n);
        }
    }
    let mut judge = Judge {
        set,
        all,
        uses,
        kinds,
        named: HashMap::new(),
        spoken_of: HashSet::new(),
        by_segment,
        by_resource,
        by_type,
    };
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
            let near = found.near && !messages.is_empty();
            let standing = if near { Standing::Deviating } else { Standing::Absent };
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

impl<'c> Judge<'c> {
    /// Follows the maps that other rows name: segments name datatypes and codes, datatypes name further ones.
    fn name(&mut self, rows: &'c [TargetRow]) {
        let every: Vec<&MessageCoverage> = self.all.iter().collect();
        let of_kind =
            |kind: &'static str| rows.iter().filter(move |row| row.table == Table::Hl7 && row.kind == kind);
        let named = rows.iter().flat_map(|row| [&row.codes, &row.through]);
        self.spoken_of = named.filter(|map| !map.is_empty()).map(String::as_str).collect();
        for row in of_kind("segment") {
            let by = self.found(row, &every).by;
            self.add(row, by);
        }
        // As deep as the guide nests them: XCN, its FN, the string of that.
        for _ in 0..MAX_NESTED {
            let before: usize = self.named.values().map(|one| one.uses.len()).sum();
            for row in of_kind("datatype") {
                let by = self.found(row, &every).by;
                self.add(row, by);
            }
            if self.named.values().map(|one| one.uses.len()).sum::<usize>() == before {
                break;
            }
        }
    }

    /// What executes a row executes the maps that it names, for its position.
    fn add(&mut self, row: &'c TargetRow, by: Vec<(&'c MessageCoverage, &'c Use)>) {
        for map in [&row.codes, &row.through].into_iter().filter(|map| !map.is_empty()) {
            if by.is_empty() {
                continue;
            }
            let list = self.named.entry(map).or_default();
            for one in &by {
                if list.known.insert(std::ptr::from_ref(one.1).addr()) {
                    list.uses.push(*one);
                }
            }
        }
    }

    /// The messages that a row is about.
    fn messages(&self, row: &TargetRow) -> Vec<&'c MessageCoverage> {
        match (row.table, row.kind.as_str()) {
            (Table::Jami, _) => match data_type(&row.map) {
                Some(id) => self.all.iter().filter(|message| message.id == id).collect(),
                None => self.all.iter().collect(),
            },
            (Table::Hl7, "message") => {
                let (code, event) = row.map.split_once('_').unwrap_or((&row.map, ""));
                let listed = events(&row.map);
                let of_it =
                    |known: &String| listed.contains(&known.as_str()) || listed.is_empty() && known == event;
                let here = |message: &&MessageCoverage| {
                    message.codes.iter().any(|known| known == code) && message.events.iter().any(of_it)
                };
                self.all.iter().filter(here).collect()
            }
            _ => self.all.iter().collect(),
        }
    }

    fn found(&self, row: &TargetRow, messages: &[&'c MessageCoverage]) -> Found<'c> {
        match (row.table, row.kind.as_str()) {
            (_, "message") => self.of_message(row, messages),
            (Table::Jami, "segment") => {
                let (resource, path) = row.target.split_once('.').unwrap_or((&row.target, ""));
                self.of_segment(row, (resource, path), messages)
            }
            (Table::Hl7, "segment") => self.of_segment(row, (&bracketed(&row.map), &row.target), messages),
            (_, "datatype") => self.of_datatype(row),
            (_, "table") => self.of_table(row),
            (_, "code") => self.of_code(row),
            _ => Found::default(),
        }
    }

    fn reading(&self, segment: &str) -> impl Iterator<Item = &(&'c MessageCoverage, &'c Use, Element)> {
        self.by_segment.get(segment).into_iter().flatten().map(|n| &self.uses[*n])
    }

    /// What a use writes below an element of a type, for each such element on its way.
    fn below(&self, n: usize, kind: &str) -> Vec<&[Step]> {
        below(&self.uses[n].2, &self.kinds[n], kind)
    }

    /// A segment becomes (part of) a resource.
    fn of_message(&self, row: &TargetRow, messages: &[&'c MessageCoverage]) -> Found<'c> {
        let segment = position(&row.source).segment;
        let (head, path) = row.target.split_once('.').unwrap_or((&row.target, ""));
        let head = head.split('[').next().unwrap_or(head).trim();
        let profile = head.strip_prefix("JP_");
        let resource = profile.map_or(head, |name| name.split('_').next().unwrap_or(name));
        let wanted = theirs(resource, path);
        let holder = referring(resource, path);
        let at = Position::field(&segment, 0);
        let mut found = Found::default();
        for (message, one, element) in self.reading(&segment) {
            let here = messages.iter().any(|m| m.id == message.id);
            if !here || !one.kind.is_content() {
                continue;
            }
            let held = || holder.as_ref().is_none_or(|holder| self.refers(message, &at, holder));
            if element.resource != wanted.resource || !held() {
                found.near |= element.resource == resource;
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
    fn of_segment(
        &self,
        row: &TargetRow,
        (resource, path): (&str, &str),
        messages: &[&'c MessageCoverage],
    ) -> Found<'c> {
        let at = position(&row.source);
        let wanted = &theirs(resource, path);
        let holder = referring(resource, path);
        let mut found = Found::default();
        for (message, one, element) in self.reading(&at.segment) {
            let Some(position) = &one.position else { continue };
            let same = at.field == 0 || position.field == at.field && same_part(&position.parts, &at.parts);
            if !same || !one.kind.is_content() || !messages.iter().any(|m| m.id == message.id) {
                continue;
            }
            let held = || holder.as_ref().is_none_or(|holder| self.refers(message, &at, holder));
            let there = element.resource == wanted.resource && writes(&element.steps, &wanted.steps);
            if there && !one.joined && held() {
                found.by.push((message, one));
            } else {
                found.near = true;
            }
        }
        // A value that the table assigns whatever the field says: a rule that writes the same.
        let literal = row.assigned.trim().trim_matches('"');
        if found.by.is_empty() && row.assigned.trim().starts_with('"') {
            for n in self.by_resource.get(&wanted.resource).into_iter().flatten() {
                let (message, one, element) = &self.uses[*n];
                let says = one.kind == Kind::Fixed && one.how.split('\'').nth(1) == Some(literal);
                let of_it = says
                    && element.resource == wanted.resource
                    && writes(&element.steps, &wanted.steps)
                    && message.uses.iter().any(|other| ties(one, other, &at))
                    && messages.iter().any(|m| m.id == message.id);
                if of_it && holder.as_ref().is_none_or(|holder| self.refers(message, &at, holder)) {
                    found.by.push((message, one));
                }
            }
        }
        found.near |= self.writes_at_all(wanted) && holder.as_ref().is_none_or(|one| self.writes_at_all(one));
        found
    }

    /// Whether a message writes that reference because of the position: a row about what a reference leads to is
    /// not executed where the resource that refers is never made, or refers from elsewhere.
    fn refers(&self, message: &MessageCoverage, at: &Position, holder: &Element) -> bool {
        self.reading(&at.segment).any(|(of, one, element)| {
            of.id == message.id
                && one.kind.is_content()
                && one.position.as_ref().is_some_and(|p| at.field == 0 || p.field == at.field || p.field == 0)
                && element.resource == holder.resource
                && writes(&element.steps, &holder.steps)
        })
    }

    fn writes_at_all(&self, wanted: &Element) -> bool {
        let mut of_it = self.by_resource.get(&wanted.resource).into_iter().flatten().map(|n| &self.uses[*n]);
        !wanted.steps.is_empty()
            && of_it.any(|(_, one, element)| one.kind.is_content() && writes(&element.steps, &wanted.steps))
    }

    /// A component of a datatype becomes an element of a FHIR type, in a field whose row names that map.
    fn of_datatype(&self, row: &TargetRow) -> Found<'c> {
        let at = position(&row.source);
        let kind = bracketed(&row.map);
        let kind = kind.split('.').next().unwrap_or_default();
        let mut wanted = theirs(kind, &row.target);
        // Some rows name the type once more: `Quantity.code`.
        if wanted.steps.first().is_some_and(|step| step.name == kind) {
            wanted.steps.remove(0);
        }
        let holder = referring(kind, &row.target);
        let mut found = Found::default();
        for n in self.by_type.get(&at.segment).into_iter().flatten() {
            let (message, one, _) = &self.uses[*n];
            let Some(position) = one.position.as_ref().filter(|_| one.kind.is_content()) else { continue };
            // A resource within the type: only where the type refers to one.
            let holds = |holder: &Element| {
                let here = |p: &Position| p.field == position.field;
                self.by_segment.get(position.segment.as_str()).into_iter().flatten().any(|n| {
                    let (of, other, _) = &self.uses[*n];
                    of.id == message.id
                        && other.position.as_ref().is_some_and(here)
                        && self.below(*n, kind).into_iter().any(|rest| writes(rest, &holder.steps))
                })
            };
            if holder.as_ref().is_some_and(|holder| !holds(holder)) {
                found.near |= position.parts == at.parts;
                continue;
            }
            let named = self.named.get(row.map.as_str());
            // Maps to primitives that no row names (DTM to dateTime) are those of every field of the type.
            let every = !self.spoken_of.contains(row.map.as_str())
                && kind.starts_with(|c: char| c.is_ascii_lowercase());
            let named =
                every || named.is_some_and(|named| named.known.contains(&std::ptr::from_ref(*one).addr()));
            for rest in self.below(*n, kind) {
                let there = same_part(&position.parts, &at.parts) && writes(rest, &wanted.steps);
                if named && there && !one.joined {
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
        for (n, (message, one, _)) in self.uses.iter().enumerate() {
            for rest in self.below(n, kind).into_iter().filter(|rest| writes(rest, &wanted.steps)) {
                debug_assert!(!rest.is_empty());
                self.code(message, one, row, &mut found);
                // The same value whatever the code says.
                found.near |= one.kind == Kind::Fixed && one.how.split('\'').nth(1) == Some(&row.target);
            }
        }
        found
    }

    /// A code of a map that segment and datatype rows name: in a table used by the rules that execute them, for each
    /// of the fields.
    fn of_code(&self, row: &TargetRow) -> Found<'c> {
        let mut fields = BTreeMap::<Option<(&str, u16)>, Found<'c>>::new();
        for (message, one) in self.named.get(row.map.as_str()).into_iter().flat_map(|named| &named.uses) {
            let field = one.position.as_ref().map(|position| (position.segment.as_str(), position.field));
            self.code(message, one, row, fields.entry(field).or_default());
        }
        let every = fields.values().all(|found| !found.by.is_empty());
        let mut all = Found::default();
        for found in fields.into_values() {
            all.near |= found.near || !found.by.is_empty();
            all.by.extend(found.by.into_iter().filter(|_| every));
        }
        all
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
            let comes = !one.never.contains(&row.source);
            let rows = table.by_source.get(&row.source).filter(|_| comes).into_iter().flatten();
            same(rows.map(|n| table.rows[*n as usize].target_code.clone()).collect(), found);
        }
        let built_in = functions::codes(&one.how, one.target.rsplit('.').next().unwrap_or_default());
        same(
            built_in.iter().filter(|(from, _)| *from == row.source).map(|(_, to)| (*to).to_owned()).collect(),
            found,
        );
        // A coding keeps its code and gets the URL of its system.
        let (name, url) = &row.systems;
        let comes = !one.never.contains(&row.source);
        // A row before it makes something else of the code.
        found.near |= one.coded && !comes;
        if one.coded && comes && row.source == row.target && !url.is_empty() {
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
}
