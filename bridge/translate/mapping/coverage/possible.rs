//! Whether conditions can hold together: of a message file, of the maps, names and rules on the way to an element.
//!
//! What is asked stands in the rules alone. Where it cannot be told (several repetitions, a segment that may be
//! another one) the answer is yes: a use is left out only where no message has it.

use super::read::{MAX_DEPTH, Reader, Scope};
use crate::mapping::plan::{Cond, For, Let, LetSource, Make, Name, Part, Path, Pick, Root};
use std::collections::{BTreeSet, HashSet};

/// A place whose value conditions speak of: whose it is, and the parts down to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) root: String,
    pub(super) parts: Vec<String>,
    /// Whether there is at most one value: of several, each condition may hold for another.
    pub(super) one: bool,
}

impl Key {
    /// The place of a part of the value.
    pub(super) fn part(&self, number: u16) -> Self {
        let mut part = self.clone();
        part.parts.push(number.to_string());
        part
    }
}

/// Something that holds, or does not, where a rule writes.
#[derive(Clone)]
pub(super) struct Fact<'s, 'p> {
    pub(super) scope: Scope<'s, 'p>,
    pub(super) what: What<'p>,
    pub(super) holds: bool,
}

#[derive(Clone)]
pub(super) enum What<'p> {
    Cond(&'p Cond),
    Valued(&'p Path),
    Is(Key, String),
}

impl<'s, 'p> Fact<'s, 'p> {
    pub(super) fn cond(scope: &Scope<'s, 'p>, cond: &'p Cond, holds: bool) -> Self {
        Self { scope: *scope, what: What::Cond(cond), holds }
    }

    pub(super) fn valued(scope: &Scope<'s, 'p>, path: &'p Path) -> Self {
        Self { scope: *scope, what: What::Valued(path), holds: true }
    }

    pub(super) fn is(scope: &Scope<'s, 'p>, key: &Key, code: &str) -> Self {
        Self { scope: *scope, what: What::Is(key.clone(), code.to_owned()), holds: true }
    }

    pub(super) fn with(&self, cond: &'p Cond, holds: bool) -> Self {
        Self { what: What::Cond(cond), holds, ..self.clone() }
    }
}

/// What holds where a row of `let` gives a value: its condition, and something to read.
pub(super) fn given<'s, 'p>(scope: &Scope<'s, 'p>, row: &'p Let) -> Vec<Fact<'s, 'p>> {
    let mut out: Vec<Fact<'s, 'p>> = row.when.iter().map(|cond| Fact::cond(scope, cond, true)).collect();
    if let LetSource::From(paths) = &row.source
        && let [path] = paths.as_slice()
        && !matches!(row.make, Some(Make::Ordinal { .. } | Make::Text(_)))
    {
        out.push(Fact::valued(scope, path));
    }
    out
}

/// The path that a condition is about.
pub(super) fn path_of(cond: &Cond) -> Option<&Path> {
    match cond {
        Cond::Valued(path)
        | Cond::In(path, _)
        | Cond::InTable(path, _)
        | Cond::Starts(path, _)
        | Cond::Ends(path, _)
        | Cond::Same(path, _)
        | Cond::Before(path, _)
        | Cond::Number(path)
        | Cond::Date(path) => Some(path),
        _ => None,
    }
}

/// What a condition asks of its value.
pub(super) fn asks(cond: &Cond) -> String {
    match cond {
        Cond::Valued(_) => "valued".to_owned(),
        Cond::In(_, list) => format!("in {list:?}"),
        Cond::InTable(_, table) => format!("in table {table}"),
        Cond::Starts(_, list) => format!("starts {list:?}"),
        Cond::Ends(_, list) => format!("ends {list:?}"),
        Cond::Same(..) => "same".to_owned(),
        Cond::Before(..) => "before".to_owned(),
        Cond::Number(_) => "number".to_owned(),
        Cond::Date(_) => "date".to_owned(),
        _ => String::new(),
    }
}

impl<'p> Reader<'p> {
    /// How many scopes stand around one.
    pub(super) fn depth(&self, scope: &Scope<'_, 'p>) -> usize {
        let mut at = scope.outer;
        let mut depth = 0;
        while let Some(outer) = at {
            (at, depth) = (outer.outer, depth + 1);
        }
        depth
    }

    /// The place that a path means; `None` where it cannot be told whether another path means the same.
    pub(super) fn key(&self, scope: &Scope<'_, 'p>, path: &'p Path, depth: usize) -> Option<Key> {
        if depth > MAX_DEPTH {
            return None;
        }
        let pick = |pick: &Pick| match pick {
            Pick::First => "[1]".to_owned(),
            other => format!("[{other:?}]"),
        };
        let is_first = |pick: &Pick| matches!(pick, Pick::First | Pick::Nth(_) | Pick::Same | Pick::After);
        let mut parts: Vec<String> = Vec::new();
        let mut one = is_first(&path.repetition);
        let root = match &path.root {
            Root::Segment { around, name, pick: which, field } => {
                let segment = self.segment(*name).segment;
                // Of a message as a whole only its header is one and the same for every rule.
                if scope.map.is_none() && segment != "MSH" {
                    return None;
                }
                if *field > 0 {
                    parts.extend([field.to_string(), pick(&path.repetition)]);
                }
                one &= is_first(which);
                match (around, which) {
                    (None, Pick::First) => self.whose(scope, &segment),
                    _ => format!("{around:?} {which:?} {segment} {}", self.depth(scope)),
                }
            }
            Root::Relative => match scope.base {
                Some(base) if base.field == 0 && base.parts.is_empty() => {
                    // The first of its parts is the field.
                    self.whose(scope, &base.segment)
                }
                Some(base) => format!("{base} at {}", self.depth(scope)),
                None => match &scope.map?.instances {
                    For::Segment(name) | For::By(name, _) => self.whose(scope, &self.segment(*name).segment),
                    _ => format!(". at {}", self.depth(scope)),
                },
            },
            Root::Name(name) => {
                let (rows, at) = self.rows_of(scope, *name);
                one &= rows.iter().all(|row| self.is_one(&at, row, depth + 1));
                let slot = rows.first()?.slot;
                format!("${slot} of {} {}", at.map.is_some(), self.depth(&at))
            }
            Root::Of { map, slot, latest } => {
                one = false;
                format!("${slot} of map {map} {latest:?}")
            }
            Root::Column { name, all } => {
                one &= !all;
                format!("col({}) {all}", self.name(*name))
            }
            Root::Setting(setting) => format!("{setting:?}"),
            Root::Literal(_) => return None,
        };
        let relative = matches!(path.root, Root::Relative) && root.starts_with(|c: char| c.is_ascii_digit());
        for (n, part) in path.parts.iter().enumerate() {
            match part {
                Part::Number(number) => parts.push(number.to_string()),
                Part::Name(sym) => parts.push(self.name(*sym)),
            }
            if relative && n == 0 {
                parts.push(pick(&path.repetition));
            }
        }
        Some(Key { root, parts, one })
    }

    /// Whose segment of that name a path means: of the scope that is about one, else that of the message.
    fn whose(&self, scope: &Scope<'_, 'p>, segment: &str) -> String {
        let about = |scope: &Scope<'_, 'p>| match (scope.base, scope.map.map(|map| &map.instances)) {
            // Of a repetition too: beside it stand the fields of its own segment.
            (Some(base), _) => base.segment == segment,
            (None, Some(For::Segment(name) | For::By(name, _) | For::Field(name, _))) => {
                self.segment(*name).segment == segment
            }
            _ => false,
        };
        let mut at = Some(scope);
        while let Some(here) = at {
            if about(here) && !(here.own && here.outer.is_some_and(about)) {
                return format!("{} {segment}", self.depth(here));
            }
            at = here.outer;
        }
        format!("0 {segment} of message")
    }

    /// Whether what a path goes through is in the very segment that the scope is about, and in no further one.
    pub(super) fn is_own(&self, scope: &Scope<'_, 'p>, path: &Path) -> bool {
        let Root::Segment { around: None, name, pick, .. } = &path.root else { return false };
        let segment = self.segment(*name).segment;
        let about = match (scope.base, scope.map.map(|map| &map.instances)) {
            (Some(base), _) => base.segment == segment,
            (None, Some(For::Segment(name) | For::Field(name, _))) => self.segment(*name).segment == segment,
            _ => false,
        };
        match pick {
            Pick::First => true,
            Pick::All => about,
            _ => false,
        }
    }

    /// Whether a row of `let` gives at most one value.
    fn is_one(&self, scope: &Scope<'_, 'p>, row: &'p Let, depth: usize) -> bool {
        match &row.source {
            LetSource::From(paths) => match paths.as_slice() {
                [path] => self.key(scope, path, depth).is_some_and(|key| key.one),
                _ => matches!(row.make, Some(Make::Text(_))),
            },
            LetSource::Fixed(_) | LetSource::Find(_) | LetSource::None => true,
        }
    }

    /// Whether any of the facts speaks of that place.
    pub(super) fn speaks_of(&self, facts: &[Fact<'_, 'p>], key: &Key) -> bool {
        facts.iter().any(|fact| match &fact.what {
            What::Is(known, _) => known == key,
            What::Valued(path) => matches!(path.root, Root::Name(Name::Own(_) | Name::Outer(_))),
            What::Cond(cond) => self.cond_speaks_of(&fact.scope, cond, key),
        })
    }

    /// The codes of a place that the facts ask about, by themselves or through the names that they ask for.
    pub(super) fn codes_at(&self, facts: &[Fact<'_, 'p>], key: &Key) -> BTreeSet<&'p String> {
        let (mut out, mut seen) = (BTreeSet::new(), HashSet::new());
        for fact in facts {
            if let What::Cond(cond) = fact.what {
                self.codes_of(&fact.scope, cond, key, &mut seen, &mut out);
            }
        }
        out
    }

    fn codes_of(
        &self,
        scope: &Scope<'_, 'p>,
        cond: &'p Cond,
        key: &Key,
        seen: &mut HashSet<String>,
        out: &mut BTreeSet<&'p String>,
    ) {
        match cond {
            Cond::All(list) | Cond::Any(list) => {
                list.iter().for_each(|one| self.codes_of(scope, one, key, seen, out));
            }
            Cond::Not(inner) | Cond::Shared(_, inner) | Cond::Around(_, inner) => {
                self.codes_of(scope, inner, key, seen, out)
            }
            atom => match (path_of(atom).map(|path| (path, &path.root)), atom) {
                (Some((_, Root::Name(name))), _) => {
                    let (rows, at) = self.rows_of(scope, *name);
                    // A name is asked for once: names lead to names above them.
                    if seen.insert(format!("{name:?} {}", self.depth(&at))) {
                        let whens = rows.iter().filter_map(|row| row.when.as_ref());
                        whens.for_each(|when| self.codes_of(&at, when, key, seen, out));
                    }
                }
                (Some((path, _)), Cond::In(_, list)) if self.key(scope, path, 0).as_ref() == Some(key) => {
                    out.extend(list);
                }
                _ => {}
            },
        }
    }

    fn cond_speaks_of(&self, scope: &Scope<'_, 'p>, cond: &'p Cond, key: &Key) -> bool {
        match cond {
            Cond::All(list) | Cond::Any(list) => list.iter().any(|one| self.cond_speaks_of(scope, one, key)),
            Cond::Not(inner) | Cond::Shared(_, inner) | Cond::Around(_, inner) => {
                self.cond_speaks_of(scope, inner, key)
            }
            atom => path_of(atom).is_some_and(|path| {
                matches!(path.root, Root::Name(_)) || self.key(scope, path, 0).as_ref() == Some(key)
            }),
        }
    }
}
