//! What becomes of every position of a message, read from the compiled plan: never from a list kept by hand.
//!
//! `walk` follows each map of a message through its names, conditions, datatype maps, submaps and references and
//! notes which position ends in which element by which rule. [`options`] holds the result against a table of
//! what a data type must carry, [`against`] against tables of others. Nothing here reads a message.

pub mod against;
pub mod options;
mod possible;
mod read;
mod reasons;
mod row;
mod solve;
mod target_row;
mod walk;

#[cfg(test)]
mod literal;
#[cfg(test)]
mod tests;

use super::MappingSet;
use super::describe::{SetText, Title};
use super::plan::{MessagePlan, Plan};
use std::collections::BTreeMap;
use std::fmt;

use reasons::reasons;

pub use reasons::Reason;

/// A position of the source: segment, field and part of it, without occurrence.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// `PID`; of a proprietary feed the column, `col(採取日時)`.
    pub segment: String,
    /// From 1; 0 = the segment itself.
    pub field: u16,
    /// Component and subcomponent, where a rule names them.
    pub parts: Vec<u16>,
}

impl Position {
    /// A field as a whole.
    pub fn field(segment: &str, field: u16) -> Self {
        Self { segment: segment.to_owned(), field, parts: Vec::new() }
    }

    /// The field that it is in.
    pub fn whole(&self) -> Self {
        Self { parts: Vec::new(), ..self.clone() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
        }
        self.parts.iter().try_for_each(|part| write!(f, ".{part}"))
    }
}

/// How a position is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Its value is written.
    Written,
    /// A fixed value is written because of it: `fixed = "inactive", when = "IAM-17.1 = 'I'"`.
    Chosen,
    /// It decides whether something is written, or which of several.
    Decides,
    /// It is part of what names a resource or a unit.
    Key,
    /// Nothing is read: the value stands in the rule.
    Fixed,
}

impl Kind {
    /// Whether its meaning stands in the resource.
    pub fn is_content(self) -> bool {
        matches!(self, Self::Written | Self::Chosen)
    }

    /// The word for it in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Chosen => "chosen",
            Self::Decides => "decides",
            Self::Key => "key",
            Self::Fixed => "fixed",
        }
    }
}

/// One use of a position by one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// What is read; `None` where the value stands in the rule.
    pub position: Option<Position>,
    /// How.
    pub kind: Kind,
    /// The resource type; empty where it decides about the message itself.
    pub resource: String,
    /// The element: `name[].family`; empty for the resource as a whole.
    pub target: String,
    /// The map at the start, or the message file.
    pub map: String,
    /// `patient/name > XPN.jp/family`.
    pub rule: String,
    /// What stands behind `as`: `date`, `table administrative-gender`; the text of a fixed value.
    pub how: String,
    /// The code table that it goes through.
    pub(crate) table: Option<usize>,
    /// Codes that never come here, by the conditions on the way: of that table, or of those that the map asks about.
    pub(crate) never: Vec<String>,
    /// The shape of what is written by a table or a function.
    pub(crate) coded: bool,
    /// It is put together with others, or said otherwise: who looks there does not find what the message has.
    pub(crate) joined: bool,
}

impl Use {
    /// `Patient.name[].family`.
    pub fn path(&self) -> String {
        match (self.resource.is_empty(), self.target.is_empty()) {
            (true, _) => String::new(),
            (_, true) => self.resource.clone(),
            _ => format!("{}.{}", self.resource, self.target),
        }
    }
}

/// What becomes of a field in one type of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It stands in a resource.
    Written,
    /// It decides something and stands nowhere itself.
    Decides,
    /// The engine itself reads it.
    Engine,
    /// Left out on purpose.
    Skipped,
    /// No rule reads it and no `skip` names it.
    Unread,
}

impl State {
    /// The word for it in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Decides => "decides",
            Self::Engine => "engine",
            Self::Skipped => "skipped",
            Self::Unread => "unread",
        }
    }
}

/// A field of a type of message.
#[derive(Clone, Debug)]
pub struct Field<'c> {
    /// Segment and field; field 0 = a segment as a whole.
    pub position: Position,
    /// What becomes of it.
    pub state: State,
    /// By which rules.
    pub uses: Vec<&'c Use>,
    /// Why it is left out, where a `skip` names it.
    pub why: Option<&'c Title>,
}

/// A row of `skip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Segment, field (0 = the whole segment).
    pub position: Position,
    /// Why, in both languages.
    pub why: Title,
}

/// What the engine reads of every HL7 message before any rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineRead {
    /// Segment and field.
    pub position: Position,
    /// What for.
    pub why: Title,
}

/// What becomes of the positions of one type of message.
#[derive(Clone, Debug)]
pub struct MessageCoverage {
    /// The message file: `OML-11`.
    pub id: String,
    /// Its title.
    pub title: Title,
    /// The values that MSH-9.1 may have by the file's `is`.
    pub codes: Vec<String>,
    /// The values that MSH-9.2 may have by it, without those that only take something back.
    pub events: Vec<String>,
    /// The maps that make its resources, each with the profile that it claims.
    pub profiles: Vec<(String, String)>,
    /// Those of them that only stand in for another message's: a patient who is not known yet.
    pub provisional: Vec<String>,
    /// The segments of its groups.
    pub segments: Vec<String>,
    /// Every use, sorted.
    pub uses: Vec<Use>,
    /// What is left out on purpose.
    pub skips: Vec<Skip>,
    /// What the engine reads.
    pub engine: Vec<EngineRead>,
}

impl MessageCoverage {
    /// Every field that a rule reads or a `skip` names, in order.
    pub fn fields(&self) -> Vec<Field<'_>> {
        let mut positions: BTreeMap<Position, ()> = BTreeMap::new();
        let read = self.uses.iter().filter_map(|one| one.position.as_ref()).map(Position::whole);
        let named = self.skips.iter().map(|skip| skip.position.clone());
        let engine = self.engine.iter().map(|read| read.position.clone());
        positions.extend(read.chain(named).chain(engine).map(|position| (position, ())));
        positions.into_keys().map(|position| self.field(&position.segment, position.field)).collect()
    }

    /// What becomes of one field. Field 0 asks for the segment itself.
    pub fn field(&self, segment: &str, field: u16) -> Field<'_> {
        let position = Position::field(segment, field);
        let here = |p: &Position| p.segment == position.segment && p.field == field;
        let uses: Vec<&Use> =
            self.uses.iter().filter(|one| one.position.as_ref().is_some_and(here)).collect();
        let skip =
            self.skips.iter().find(|skip| here(&skip.position)).or_else(|| {
                self.skips.iter().find(|s| s.position.segment == segment && s.position.field == 0)
            });
        let engine = self.engine.iter().find(|read| here(&read.position));
        let state = if uses.iter().any(|one| one.kind.is_content()) {
            State::Written
        } else if !uses.is_empty() {
            State::Decides
        } else if engine.is_some() {
            State::Engine
        } else if skip.is_some() {
            State::Skipped
        } else {
            State::Unread
        };
        let why = skip.map(|skip| &skip.why).or(engine.map(|read| &read.why));
        Field { position, state, uses, why }
    }

    /// Whether it has maps at all: some files only say that their messages are held.
    pub fn makes_something(&self) -> bool {
        !self.profiles.is_empty()
    }

    /// Whether the message file itself has to do with a segment: what only a provisional map reads does not count.
    pub fn knows(&self, segment: &str) -> bool {
        let own = |one: &&Use| !self.provisional.contains(&one.map);
        let read = |one: &Use| one.position.as_ref().is_some_and(|p| p.segment == segment);
        self.segments.iter().any(|known| known == segment)
            || self.uses.iter().filter(own).any(read)
            || self.skips.iter().any(|skip| skip.position.segment == segment)
    }
}

/// What becomes of the positions of one message of a plan.
pub(super) fn of_message(plan: &Plan, message: &MessagePlan, texts: &SetText) -> MessageCoverage {
    walk::message(plan, message, texts)
}

impl MappingSet {
    /// What becomes of every position, for each message file of the set, by id.
    pub fn coverage(&self) -> Vec<MessageCoverage> {
        let texts = self.describe();
        self.plan.messages.iter().map(|message| walk::message(&self.plan, message, &texts)).collect()
    }

    /// Why rows of other tables are not executed: `coverage/*.csv` of the set, the highest layer first.
    ///
    /// # Errors
    /// `file:line` of a row that is none.
    pub fn coverage_reasons(&self) -> Result<Vec<Reason>, String> {
        let of_layers = self.layers.iter().rev().map(|layer| reasons(&layer.files));
        Ok(of_layers.collect::<Result<Vec<_>, _>>()?.concat())
    }
}
