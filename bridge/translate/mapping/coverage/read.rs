//! Which positions a path, a name, a find or a condition of the plan looks at.

use super::Position;
use super::possible::{Fact, Key, given};
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
    /// Whether `.` is the very segment that the outer one is about.
    pub(super) own: bool,
}

/// A position that a path reads, with what holds where it does.
#[derive(Clone)]
pub(super) struct Read<'s, 'p> {
    pub(super) position: Position,
    pub(super) facts: Vec<Fact<'s, 'p>>,
    /// It only tells which segment a name finds: the value written stands elsewhere.
    pub(super) finds: bool,
    /// Where the value stands as conditions say it.
    pub(super) key: Option<Key>,
    /// A text is put together of it and of something else.
    pub(super) joined: bool,
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

/// Adds what was read to what was only looked at.
pub(super) fn look(list: &mut Vec<Position>, read: Vec<Read<'_, '_>>) {
    add(list, read.into_iter().map(|read| read.position));
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
    pub(super) fn path<'s>(
        &self,
        scope: &Scope<'s, 'p>,
        path: &'p Path,
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Read<'s, 'p>> {
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        let read = |position| Read {
            position,
            facts: vec![Fact::valued(scope, path)],
            finds: false,
            key: self.key(scope, path, 0),
            joined: false,
        };
        match &path.root {
            Root::Segment { name, pick, field, .. } => {
                let segment = self.segment(*name);
                if let Pick::Where(cond) = pick {
                    let inner = Scope { base: Some(&segment), ..*scope };
                    self.cond(&inner, cond, looked, depth + 1);
                }
                vec![read(append(&Position { field: *field, ..segment }, &path.parts))]
            }
            Root::Name(name) => {
                let (rows, scope) = self.rows_of(scope, *name);
                let mut out = Vec::new();
                for (n, row) in rows.iter().copied().enumerate() {
                    // A fixed row before it gave nothing.
                    let before = rows[..n].iter().filter(|row| matches!(row.source, LetSource::Fixed(_)));
                    let unmet: Vec<Fact<'s, 'p>> = before
                        .filter_map(|row| Some(Fact::cond(&scope, row.when.as_ref()?, false)))
                        .collect();
                    let read = self.let_row(&scope, row, &path.parts, looked, depth + 1);
                    out.extend(read.into_iter().map(|mut read| {
                        read.facts.extend(unmet.iter().cloned());
                        read
                    }));
                }
                out
            }
            Root::Of { map, slot, .. } if self.message.maps.contains(map) => {
                let at = Scope { base: None, map: Some(&self.plan.maps[*map]), outer: None, own: false };
                let rows = self.lets(&at).iter().filter(|row| row.slot == *slot);
                rows.flat_map(|row| self.let_row(&at, row, &path.parts, looked, depth + 1)).collect()
            }
            Root::Column { name, .. } => {
                vec![read(Position::field(&format!("col({})", self.name(*name)), 0))]
            }
            Root::Relative => {
                let base = scope.base.cloned().or_else(|| scope.map.and_then(|map| self.instance(map)));
                base.map(|base| read(append(&base, &path.parts))).into_iter().collect()
            }
            Root::Of { .. } | Root::Setting(_) | Root::Literal(_) => Vec::new(),
        }
    }

    /// The rows of a name, with the scope that they are read in.
    pub(super) fn rows_of<'s>(&self, scope: &Scope<'s, 'p>, name: Name) -> (Vec<&'p Let>, Scope<'s, 'p>) {
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
                let at = Scope { base: None, map: None, outer: None, own: false };
                return (self.message.lets.iter().filter(|row| row.name == sym).collect(), at);
            }
        };
        (self.lets(&at).iter().filter(|row| row.slot == slot).collect(), at)
    }

    /// What a row of `let` reads for a part of its name.
    pub(super) fn let_row<'s>(
        &self,
        scope: &Scope<'s, 'p>,
        row: &'p Let,
        below: &[Part],
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Read<'s, 'p>> {
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
                    // The number of a line is not what stands in it.
                    if matches!(row.make, Some(Make::Ordinal { .. })) {
                        look(looked, read);
                        continue;
                    }
                    out.extend(read.into_iter().map(|read| Read {
                        position: append(&read.position, parts),
                        key: read.key.filter(|_| row.make.is_none() && below.is_empty()),
                        ..read
                    }));
                }
            }
            LetSource::Find(find) => {
                let position = append(&self.segment(find.segment), below);
                out.push(Read { position, facts: Vec::new(), finds: false, key: None, joined: false });
                out.extend(self.found_by(scope, find, looked, depth));
            }
            LetSource::Fixed(_) | LetSource::None => {}
        }
        match &row.make {
            Some(Make::Text(pieces)) => out.extend(self.pieces(scope, pieces, looked, depth)),
            Some(Make::TableOf(_, path)) => {
                let read = self.path(scope, path, looked, depth);
                look(looked, read);
            }
            _ => {}
        }
        for read in &mut out {
            read.facts.extend(given(scope, row));
        }
        out
    }

    /// What tells which segment a `find` finds: the values on the right. The left sides are looked at.
    fn found_by<'s>(
        &self,
        scope: &Scope<'s, 'p>,
        find: &'p Find,
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Read<'s, 'p>> {
        let segment = self.segment(find.segment);
        let mut out = Vec::new();
        for (left, right) in &find.pairs {
            let inner = Scope { base: Some(&segment), ..*scope };
            look(looked, self.path(&inner, left, &mut Vec::new(), depth));
            if let FindBy::Same(path) = right {
                let read = self.path(scope, path, looked, depth).into_iter();
                out.extend(read.map(|read| Read { finds: true, key: None, ..read }));
            }
        }
        out
    }

    pub(super) fn pieces<'s>(
        &self,
        scope: &Scope<'s, 'p>,
        pieces: &'p [Piece],
        looked: &mut Vec<Position>,
        depth: usize,
    ) -> Vec<Read<'s, 'p>> {
        let mut out = Vec::new();
        for piece in pieces {
            if let Piece::Path(path) = piece {
                out.extend(self.path(scope, path, looked, depth));
            }
        }
        for read in &mut out {
            read.joined |= pieces.len() > 1;
        }
        // Nothing is written where one of them is empty.
        let all: Vec<Fact<'s, 'p>> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Path(path) => Some(Fact::valued(scope, path)),
                _ => None,
            })
            .collect();
        for read in &mut out {
            read.facts.extend(all.iter().cloned());
        }
        out
    }

    pub(super) fn cond(&self, scope: &Scope<'_, 'p>, cond: &'p Cond, out: &mut Vec<Position>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let one = |out: &mut Vec<Position>, path: &'p Path| {
            let read = self.path(scope, path, out, depth);
            look(out, read);
        };
        match cond {
            Cond::Valued(path)
            | Cond::In(path, _)
            | Cond::InTable(path, _)
            | Cond::Starts(path, _)
            | Cond::Ends(path, _)
            | Cond::Number(path)
            | Cond::Date(path) => one(out, path),
            Cond::Same(a, b) | Cond::Before(a, b) => {
                one(out, a);
                one(out, b);
            }
            Cond::All(all) | Cond::Any(all) => all.iter().for_each(|c| self.cond(scope, c, out, depth + 1)),
            Cond::Not(inner) | Cond::Shared(_, inner) | Cond::Around(_, inner) => {
                self.cond(scope, inner, out, depth + 1)
            }
        }
    }

    /// The positions whose value a condition asks for, and not only whether there is none.
    pub(super) fn asked(
        &self,
        scope: &Scope<'_, 'p>,
        cond: &'p Cond,
        holds: bool,
        out: &mut Vec<Position>,
        depth: usize,
    ) {
        match cond {
            Cond::Not(inner) => self.asked(scope, inner, !holds, out, depth + 1),
            Cond::Shared(_, inner) | Cond::Around(_, inner) => {
                self.asked(scope, inner, holds, out, depth + 1)
            }
            Cond::All(list) | Cond::Any(list) => {
                list.iter().for_each(|one| self.asked(scope, one, holds, out, depth + 1));
            }
            Cond::Valued(_) if !holds => {}
            atom => self.cond(scope, atom, out, depth),
        }
    }

    /// The values that a condition lets a component of MSH-9 have.
    pub(super) fn codes(&self, cond: &Cond, component: u16, out: &mut Vec<String>) {
        match cond {
            Cond::In(path, list) => {
                let here = path.parts.as_slice() == [Part::Number(component)];
                if let Root::Segment { name, field: 9, .. } = &path.root
                    && here
                    && self.plan.symbols.name(*name) == "MSH"
                {
                    out.extend(list.iter().cloned());
                }
            }
            Cond::All(all) | Cond::Any(all) => all.iter().for_each(|c| self.codes(c, component, out)),
            _ => {}
        }
    }
}
