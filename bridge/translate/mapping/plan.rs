//! The compiled form of a mapping set: what `apply` runs on.

use super::direct::{Direct, Slots};
use super::problem::{Place, Problem};
use super::siblings::Around;
use crate::fhir::{Key, Keys};
use crate::quick;
use crate::translation::{Does, Replaces};
use std::sync::Arc;

/// An interned name: a segment, a group, a part of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sym(pub(crate) u32);

/// What stands in place of a group where all of the message is meant: `MESSAGE/ORC[…]`. No name has this number.
pub(crate) const EVERYWHERE: Sym = Sym(u32::MAX);

/// The names of a set. Segment names are looked up for each segment of a message.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    names: Vec<String>,
    index: quick::Map<String, Sym>,
}

impl Symbols {
    pub(crate) fn intern(&mut self, name: &str) -> Sym {
        if let Some(sym) = self.index.get(name) {
            return *sym;
        }
        let sym = Sym(self.names.len() as u32);
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), sym);
        sym
    }
    pub(crate) fn find(&self, name: &str) -> Option<Sym> {
        self.index.get(name).copied()
    }
    pub(crate) fn name(&self, sym: Sym) -> &str {
        &self.names[sym.0 as usize]
    }
}

pub(crate) fn segment_name(symbols: &mut Symbols, name: &str) -> Sym {
    symbols.intern(name)
}

/// How a `$name` is found: in the map's own names, in those of the map around a submap, or of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Own(usize),
    Outer(usize),
    Message(Sym),
}

#[derive(Clone, Debug)]
pub(crate) enum Setting {
    FacilityCode,
    FacilityName,
    LocalBase,
    Flag,
    Folder,
    FolderDate,
    Lists,
}

#[derive(Clone, Debug)]
pub(crate) enum Pick {
    First,
    Nth(u16),
    All,
    /// The repetition of the value that a submap is about: `ZPR-4[same]` beside `each = "ZPR-1[*]"`.
    Same,
    /// The first segment of that name behind the instance: of `{RXA} RXR`, the RXR that an RXA is given by.
    After,
    Where(Box<Cond>),
}

#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// A segment or a group; field 0 = the segment itself. `around`: all inside the enclosing group of that name.
    Segment {
        around: Option<Sym>,
        name: Sym,
        pick: Pick,
        field: u16,
    },
    Name(Name),
    /// A name of another map, of each that it makes of the message; `latest`: of the one alone that has the greatest
    /// of that name. No map has the last number: it is switched off, and gives nothing.
    Of {
        map: usize,
        slot: usize,
        latest: Option<usize>,
    },
    /// A column of a feed: of the instance's own record, else of the first that there is; all of them by `[*]`.
    Column {
        name: Sym,
        all: bool,
    },
    Relative,
    Setting(Setting),
    Literal(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Number(u16),
    Name(Sym),
}

#[derive(Clone)]
pub(crate) struct Path {
    pub(crate) root: Root,
    /// Of the field; for a relative path of its first part.
    pub(crate) repetition: Pick,
    pub(crate) parts: Vec<Part>,
    pub(crate) direct: Option<Direct>,
}

#[derive(Clone, Debug)]
pub(crate) enum Cond {
    Valued(Path),
    In(Path, Vec<String>),
    InTable(Path, usize),
    Starts(Path, Vec<String>),
    Ends(Path, Vec<String>),
    Same(Path, Path),
    /// The first is a date before the second, as far as both are told.
    Before(Path, Path),
    Number(Path),
    Date(Path),
    All(Vec<Cond>),
    Any(Vec<Cond>),
    Not(Box<Cond>),
    /// A condition that several maps ask of one instance: its number, and the condition.
    Shared(u32, Box<Cond>),
    /// A condition that looks past the instance that it is asked of: its number, and the condition.
    Around(u32, Box<Cond>),
}

impl Cond {
    /// The path of a condition that is about what one path gives.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Valued(path)
            | Self::In(path, _)
            | Self::InTable(path, _)
            | Self::Starts(path, _)
            | Self::Ends(path, _)
            | Self::Number(path)
            | Self::Date(path) => Some(path),
            _ => None,
        }
    }

    /// Whether it is about its own segment alone, so that it holds or not whatever stands around.
    pub(crate) fn is_relative(&self) -> bool {
        let own = |path: &Path| matches!(path.root, Root::Relative | Root::Literal(_) | Root::Setting(_));
        match self {
            Self::Same(a, b) | Self::Before(a, b) => own(a) && own(b),
            Self::All(all) | Self::Any(all) => all.iter().all(Self::is_relative),
            Self::Not(inner) | Self::Shared(_, inner) | Self::Around(_, inner) => inner.is_relative(),
            _ => self.path().is_some_and(own),
        }
    }
}

/// A code table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) by_source: quick::Map<String, Vec<u32>>,
    pub(crate) by_target: quick::Map<String, u32>,
    /// Of sources written `NAME/LENGTH` or, of code systems, `NAME/START`, as `J-FAGY/YCM`: what stands under the name.
    pub(crate) by_name: quick::Map<String, ByName>,
}

/// The rows of a name for some codes alone.
#[derive(Debug, Default)]
pub(crate) struct ByName {
    pub(crate) lengths: Vec<(usize, Vec<u32>)>,
    /// The longest first.
    pub(crate) starts: Vec<(String, Vec<u32>)>,
}

impl ByName {
    pub(crate) fn of_length(&self, characters: usize) -> Option<&Vec<u32>> {
        self.lengths.iter().find(|(length, _)| *length == characters).map(|(_, rows)| rows)
    }

    pub(crate) fn starting(&self, code: &str) -> Option<&Vec<u32>> {
        self.starts.iter().find(|(start, _)| code.starts_with(start.as_str())).map(|(_, rows)| rows)
    }
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    pub(crate) source_system: String,
    pub(crate) source_code: String,
    pub(crate) target_system: String,
    pub(crate) target_code: String,
    pub(crate) target_display: String,
}

/// A literal text or a name of a form.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Literal(String),
    Name(Sym),
    Path(Path),
}

/// What stands behind `as`.
#[derive(Clone, Debug)]
pub(crate) enum Make {
    /// A function of `functions::LIST`, with its argument.
    Function(usize, Option<String>),
    Type(usize),
    Table(usize),
    /// A code among the targets of a table.
    Code(usize),
    /// A table's rows for the source system that a path gives.
    TableOf(usize, Box<Path>),
    Form(Vec<Vec<Piece>>),
    Text(Vec<Piece>),
    Ordinal {
        by: Option<Name>,
        /// Counted over the whole message, not among those of one group.
        of_message: bool,
    },
    RefType(String, Option<usize>),
    RefMade {
        map: String,
        index: Option<usize>,
        of_message: bool,
        by_key: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Fixed {
    Text(String),
    Number(String),
    Boolean(bool),
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    From(Vec<Path>),
    Fixed(Fixed),
    Each(Path, Option<usize>),
    /// `as = "text …"` alone.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Else {
    /// Not given.
    Default,
    Empty,
    /// With a code: said where the row gave nothing and the next is tried.
    Next(Option<String>),
    Warn(Option<String>),
    Error(Option<String>),
}

/// What a target wants: how text becomes a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Number,
    Boolean,
    Coding,
    CodeableConcept,
    Other,
}

#[derive(Clone, Debug)]
pub(crate) enum Index {
    /// No array.
    Single,
    Append,
    At(usize),
    /// An element found by name, with what it holds from the start.
    Named(Sym, Vec<(Vec<Key>, String)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) key: Key,
    pub(crate) index: Index,
    /// `value[x]`: the types, each with its key.
    pub(crate) choice: Vec<(&'static str, Key)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) text: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) shape: Shape,
    /// The FHIR type at its end; the path of a backbone element; empty for `[x]`.
    pub(crate) kind: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) target: Target,
    pub(crate) source: Source,
    pub(crate) make: Option<Make>,
    pub(crate) when: Option<Cond>,
    pub(crate) otherwise: Else,
    /// The rule follows one of the same target that says `next`.
    pub(crate) follows: bool,
}

impl Rule {
    /// Whether its target is a further element of an array.
    pub(crate) fn appends(&self) -> bool {
        self.target.steps.iter().any(|step| matches!(step.index, Index::Append))
    }

    /// Whether it makes references.
    pub(crate) fn refers(&self) -> bool {
        matches!(self.make, Some(Make::RefType(..) | Make::RefMade { .. }))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) segment: Sym,
    pub(crate) message: bool,
    /// The enclosing group to look in.
    pub(crate) around: Option<Sym>,
    pub(crate) pairs: Vec<(Path, FindBy)>,
    pub(crate) many: Many,
}

/// What is found where several segments fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Many {
    First,
    /// None of them: which one is meant cannot be told.
    None,
    Error,
}

#[derive(Clone, Debug)]
pub(crate) enum FindBy {
    Same(Path),
    Text(String),
    Table(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum LetSource {
    From(Vec<Path>),
    Fixed(String),
    Find(Find),
    None,
}

#[derive(Clone, Debug)]
pub(crate) struct Let {
    pub(crate) name: Sym,
    pub(crate) slot: usize,
    pub(crate) source: LetSource,
    pub(crate) make: Option<Make>,
    pub(crate) when: Option<Cond>,
    pub(crate) otherwise: Else,
}

#[derive(Clone, Debug)]
pub(crate) enum For {
    Message,
    Segment(Sym),
    Group(Sym),
    /// Segments of one instance around that share these fields.
    By(Sym, Vec<Path>),
    /// The repetitions of a field, each one instance.
    Field(Sym, u16),
    /// A datatype: made by `ref` only.
    Datatype,
    /// Only a submap or type.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Same {
    Merge,
    Widen,
    /// The second and further resources of a key are told apart by their turn.
    Apart,
    Error,
}

/// A map, a submap or a datatype map.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) makes: String,
    pub(crate) profile: Option<String>,
    pub(crate) instances: For,
    pub(crate) within: Option<Sym>,
    /// `for = "ITEM[cond]"`: of the others nothing is said.
    pub(crate) only: Option<Cond>,
    pub(crate) when: Option<Cond>,
    /// What is said of an instance for which `when` does not hold.
    pub(crate) otherwise: Else,
    pub(crate) key: Vec<Path>,
    /// Which line of its order a resource is of; empty = none.
    pub(crate) line: Vec<Path>,
    /// The map whose ids it makes, of the patient that the first part of the key names.
    pub(crate) like: Option<usize>,
    pub(crate) same: Same,
    pub(crate) shared: bool,
    pub(crate) lets: Vec<Let>,
    pub(crate) slots: usize,
    pub(crate) rules: Vec<Rule>,
    /// Which of its rows look past its instances.
    pub(crate) around: Around,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Sym,
    /// Index of the group, where the member is one.
    pub(crate) group: Option<usize>,
    pub(crate) optional: bool,
    /// Whether it may come more than once.
    pub(crate) many: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: Sym,
    pub(crate) members: Vec<Member>,
    /// Whether another group holds it.
    pub(crate) inner: bool,
}

/// How the groups of a message are divided among several units: `each`, `parent` and `continues` of a message file.
#[derive(Debug)]
pub(crate) struct Each {
    /// The group that is of one order.
    pub(crate) group: Sym,
    /// Where its number stands, the first that is valued; a further row is for messages in which no group has one by
    /// the rows before it.
    pub(crate) numbers: Vec<Vec<Path>>,
    /// The number of the order that a group is a child of.
    pub(crate) parent: Vec<Path>,
    /// Which groups go on with the order before them, whatever number they have.
    pub(crate) continues: Option<Cond>,
}

/// A message file.
#[derive(Debug)]
pub(crate) struct MessagePlan {
    pub(crate) id: String,
    pub(crate) is: Cond,
    /// The layout whose messages it is for; none = HL7.
    pub(crate) feed: Option<usize>,
    pub(crate) groups: Vec<Group>,
    pub(crate) unit: Vec<Path>,
    /// What divides the message among several units.
    pub(crate) each: Option<Each>,
    pub(crate) replaces: Replaces,
    pub(crate) event: Option<Does>,
    pub(crate) event_time: Vec<Path>,
    pub(crate) event_day: Vec<Path>,
    pub(crate) cancel: Option<Cond>,
    /// When it tells some lines of its unit alone.
    pub(crate) partial: Option<Cond>,
    /// Maps, in order.
    pub(crate) maps: Vec<usize>,
    pub(crate) provisional: Vec<usize>,
    /// Maps of what another message is the whole of: what they make yields to that.
    pub(crate) yields: Vec<usize>,
    /// Maps whose cancelled lines take back what they would have made, whichever unit has it.
    pub(crate) takes_back: Vec<usize>,
    pub(crate) lets: Vec<Let>,
    /// Segment and field (0 = whole segment).
    pub(crate) skip: Vec<(Sym, u16)>,
}

#[derive(Debug, Clone)]
pub(crate) struct TestPlan {
    pub(crate) place: Place,
    pub(crate) name: String,
    /// The map or type it is for.
    pub(crate) map: usize,
    pub(crate) is_type: bool,
    pub(crate) of: Option<String>,
    pub(crate) message: String,
    pub(crate) expect: Vec<(String, String)>,
    pub(crate) findings: Vec<String>,
}

/// A layout of a proprietary feed.
#[derive(Debug)]
pub(crate) struct LayoutPlan {
    pub(crate) layout: crate::feed::Layout,
    /// The segment that a row is.
    pub(crate) record: Sym,
    /// The field that each column is.
    pub(crate) columns: quick::Map<Sym, u16>,
}

/// What a cell names that other files must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// A column of a layout.
    Column,
    /// A field of a segment; 0 = the segment itself, or a group.
    Field(u16),
    /// A segment that some group holds.
    InGroup,
    /// A group around the instance.
    Group,
    /// A map whose names are asked for.
    Made,
    /// A segment that this group or one inside it holds.
    Inside(Sym),
}

/// A cell with what it names.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) place: Place,
    pub(crate) rule: String,
    pub(crate) column: String,
    /// The map that it belongs to; empty for types and message files.
    pub(crate) owner: String,
    pub(crate) used: Used,
    pub(crate) name: Sym,
}

/// A compiled set.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) keys: Keys,
    pub(crate) symbols: Symbols,
    pub(crate) tables: Vec<Arc<Table>>,
    /// The name of each.
    pub(crate) table_names: Vec<String>,
    pub(crate) code_systems: Option<usize>,
    pub(crate) maps: Vec<Map>,
    /// Submaps and datatype maps share a list.
    pub(crate) inner: Vec<Map>,
    pub(crate) messages: Vec<MessagePlan>,
    pub(crate) layouts: Vec<LayoutPlan>,
    /// Of the time of compiling; empty afterwards.
    pub(crate) uses: Vec<Use>,
    pub(crate) tests: Vec<TestPlan>,
    /// What is understood and meant, and is told all the same.
    pub(crate) notes: Vec<Problem>,
    /// Segments that any path, group or skip of the set names.
    pub(crate) known: Vec<Sym>,
    /// The place of each symbol among [`known`](Self::known); beyond its end for what is no segment.
    pub(crate) slots: Slots,
}

#[cfg(test)]
impl Plan {
    /// The finding codes that rows of the set name.
    pub(crate) fn codes(&self) -> Vec<&String> {
        let maps = self.maps.iter().chain(&self.inner);
        let rows = maps.flat_map(|map| {
            map.rules.iter().map(|rule| &rule.otherwise).chain(map.lets.iter().map(|row| &row.otherwise))
        });
        let mut out: Vec<&String> = rows
            .chain(self.messages.iter().flat_map(|message| message.lets.iter().map(|row| &row.otherwise)))
            .filter_map(|otherwise| match otherwise {
                Else::Next(code) | Else::Warn(code) | Else::Error(code) => code.as_ref(),
                _ => None,
            })
            .collect();
        out.sort();
        out.dedup();
        out
    }
}
