//! Which positions a path, a name, a find or a condition of the plan looks at.

use super::Position;
use crate::mapping::plan::{
    Cond, Find, FindBy, For, Let, LetSource, Make, Map, MessagePlan, Name, Part, Path, Pick, Piece, Plan,
    Root, Sym,
};

/// Names lead to names above them and maps to maps of values: both end, and this is far above any set.
pub(super) const MAX_DEPTH: usize = 32;

/// Where paths are read from.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'p> {
    /// What `.` is.
    pub(super) base: Option<&'s Position>,
    /// The map whose names `$x` are; none = the message file's.
    pub(super) map: Option<&'p Map>,
    pub(super) outer: Option<&'s Scope<'s, 'p>>,
}

/// Reads the paths of one message file.
#[derive(Clone, Copy)]
pub(super) struct Reader<'p> {
    pub(super) plan: &'p Plan,
    pub(super) message: &'p MessagePlan,
}

/// A part of a position.
pub(super) fn append(base: &Position, parts: &[Part]) -> Position {
    let mut out = base.clone();
    if out.segment.starts_with("col(") {
        return out;
    }
    let numbers = parts.iter().filter_map(|part| match part {
        Part::Number(n) => Some(*n),
        Part::Name(_) => None,
    });
    for n in numbers {
        if out.field == 0 && out.parts.is_empty() {
            out.field = n;
        } else if out.parts.len() < 2 {
            out.parts.push(n);
        }
    }
    out
}

pub(super) fn add(list: &mut Vec<Position>, more: impl IntoIterator<Item = Position>) {
    for position in more {
        if !list.contains(&position) {
            list.push(position);
        }
    }
}

impl<'p> Reader<'p> {
    pub(super) fn name(&self, sym: Sym) -> String {
        self.plan.symbols.name(sym).to_owned()
    }

    /// A segment, or the one that opens a group.
    pub(super) fn segment(&self, sym: Sym) -> Position {
        let mut name = sym;
        for _ in 0..MAX_DEPTH {
            let group = self.message.groups.iter().find(|group| group.name == name);
            let Some(first) = group.and_then(|group| group.members.first()) else { break };
            name = first.name;
        }
        Position::field(&self.name(name), 0)
    }

    /// What `.` is in a map that is made of it.
    fn instance(&self, map: &Map) -> Option<Position> {
        match &map.instances {
            For::Segment(name) | For::By(name, _) => Some(self.segment(*name)),
            For::Field(name, field) => Some(Position { field: *field, ..self.segment(*name) }),
            _ => None,
        }
    }

    pub(super) fn lets(&self, scope: &Scope<'_, 'p>) -> &'p [Let] {
        scope.map.map_or(&self.message.lets, |map| &map.lets)
    }

    /// What a path reads; what it looks at on the way goes into `looked`.
    pub(super) fn path(
        &self,
        scope: &Scope<'_, 'p>,
        path: &'p Path,
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Position> {
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        match &path.root {
            Root::Segment { name, pick, field, .. } => {
                let segment = self.segment(*name);
                if let Pick::Where(cond) = pick {
                    let inner = Scope { base: Some(&segment), ..*scope };
                    self.cond(&inner, cond, looked, depth + 1);
                }
                vec![append(&Position { field: *field, ..segment }, &path.parts)]
            }
            Root::Name(name) => {
                let (rows, scope) = self.rows_of(scope, *name);
                let mut out = Vec::new();
                for row in rows {
                    add(&mut out, self.let_row(&scope, row, &path.parts, looked, depth + 1));
                }
                out
            }
            Root::Column { name, .. } => vec![Position::field(&format!("col({})", self.name(*name)), 0)],
            Root::Relative => {
                let base = scope.base.cloned().or_else(|| scope.map.and_then(|map| self.instance(map)));
                base.map(|base| append(&base, &path.parts)).into_iter().collect()
            }
            Root::Setting(_) | Root::Literal(_) => Vec::new(),
        }
    }

    /// The rows of a name, with the scope that they are read in.
    fn rows_of<'s>(&self, scope: &Scope<'s, 'p>, name: Name) -> (Vec<&'p Let>, Scope<'s, 'p>) {
        let mut at = *scope;
        let slot = match name {
            Name::Own(slot) => slot,
            Name::Outer(slot) => {
                while let Some(outer) = at.outer {
                    at = *outer;
                }
                slot
            }
            Name::Message(sym) => {
                let at = Scope { base: None, map: None, outer: None };
                return (self.message.lets.iter().filter(|row| row.name == sym).collect(), at);
            }
        };
        (self.lets(&at).iter().filter(|row| row.slot == slot).collect(), at)
    }

    /// What a row of `let` reads for a part of its name.
    pub(super) fn let_row(
        &self,
        scope: &Scope<'_, 'p>,
        row: &'p Let,
        below: &[Part],
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Position> {
        let mut out = Vec::new();
        if let Some(cond) = &row.when {
            self.cond(scope, cond, looked, depth);
        }
        match &row.source {
            LetSource::From(paths) => {
                // What a function makes is text: it has no parts.
                let parts = if row.make.is_some() { &[] } else { below };
                for path in paths {
                    let read = self.path(scope, path, looked, depth);
                    add(&mut out, read.iter().map(|position| append(position, parts)));
                }
            }
            LetSource::Find(find) => {
                add(&mut out, [append(&self.segment(find.segment), below)]);
                add(&mut out, self.found_by(scope, find, looked, depth));
            }
            LetSource::Fixed(_) | LetSource::None => {}
        }
        match &row.make {
            Some(Make::Text(pieces)) => add(&mut out, self.pieces(scope, pieces, looked, depth)),
            Some(Make::TableOf(_, path)) => {
                let read = self.path(scope, path, looked, depth);
                add(looked, read);
            }
            _ => {}
        }
        out
    }

    /// What tells which segment a `find` finds: the values on the right. The left sides are looked at.
    fn found_by(
        &self,
        scope: &Scope<'_, 'p>,
        find: &'p Find,
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Position> {
        let segment = self.segment(find.segment);
        let mut out = Vec::new();
        for (left, right) in &find.pairs {
            let inner = Scope { base: Some(&segment), ..*scope };
            let read = self.path(&inner, left, looked, depth);
            add(looked, read);
            if let FindBy::Same(path) = right {
                add(&mut out, self.path(scope, path, looked, depth));
            }
        }
        out
    }

    pub(super) fn pieces(
        &self,
        scope: &Scope<'_, 'p>,
        pieces: &'p [Piece],
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Position> {
        let mut out = Vec::new();
        for piece in pieces {
            if let Piece::Path(path) = piece {
                add(&mut out, self.path(scope, path, looked, depth));
            }
        }
        out
    }

    pub(super) fn cond(&self, scope: &Scope<'_, 'p>, cond: &'p Cond, out: &mut Vec<Position>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let one = |out: &mut Vec<Position>, path: &'p Path| {
            let read = self.path(scope, path, out, depth);
            add(out, read);
        };
        match cond {
            Cond::Valued(path)
            | Cond::In(path, _)
            | Cond::InTable(path, _)
            | Cond::Starts(path, _)
            | Cond::Ends(path, _)
            | Cond::Number(path)
            | Cond::Date(path) => one(out, path),
            Cond::Same(a, b) => {
                one(out, a);
                one(out, b);
            }
            Cond::All(all) | Cond::Any(all) => all.iter().for_each(|c| self.cond(scope, c, out, depth + 1)),
            Cond::Not(inner) | Cond::Shared(_, inner) => self.cond(scope, inner, out, depth + 1),
        }
    }

    /// The values that a condition lets MSH-9.1 have.
    pub(super) fn codes(&self, cond: &Cond, out: &mut Vec<String>) {
        match cond {
            Cond::In(path, list) => {
                let first = matches!(path.parts.as_slice(), [Part::Number(1)]);
                if let Root::Segment { name, field: 9, .. } = &path.root
                    && first
                    && self.plan.symbols.name(*name) == "MSH"
                {
                    out.extend(list.iter().cloned());
                }
            }
            Cond::All(all) | Cond::Any(all) => all.iter().for_each(|c| self.codes(c, out)),
            _ => {}
        }
    }
}
