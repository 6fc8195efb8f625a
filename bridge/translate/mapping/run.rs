//! One message under a plan: scopes, paths, conditions and names.

use super::direct::Seat;
use super::groups::{Cut, listed};
use super::item::{Item, NOWHERE, Pos};
use super::plan::{Map, MessagePlan, Name, Part, Path, Pick, Plan, Root, Sym};
use super::refer::Whereabouts;
use super::siblings::Common;
use super::single::Found;
use crate::feed::record::Sources;
use crate::fhir::{Arena, Id};
use crate::finding::{Finding, Location, Severity};
use crate::hl7v2::{Delimiters, Message};
use crate::quick;
use crate::translation::{Context, Unmapped};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a map runs on.
#[derive(Clone)]
pub(crate) enum Inst<'m> {
    Message,
    Segment(u32),
    Group(u32),
    /// Segments that share a field, and the group around them.
    Made(Rc<[u32]>, Option<u32>),
    /// A repetition of a field, which a map is for.
    Field(Item<'m>),
    Value(Item<'m>),
}

/// What a path gives: one thing nearly always, so that one needs no allocation.
pub(crate) type Items<'m> = SmallVec<[Item<'m>; 1]>;

/// Segments or groups that a path looks at.
pub(crate) type Places = SmallVec<[u32; 4]>;

/// The value of a name.
#[derive(Clone, Default)]
pub(crate) struct Named<'m> {
    pub(crate) items: Items<'m>,
    pub(crate) positions: Vec<Pos>,
}

/// What paths of a rule see.
pub(crate) struct Scope<'s, 'm> {
    pub(crate) inst: Inst<'m>,
    pub(crate) lets: Cow<'s, [Named<'m>]>,
    pub(crate) outer: Option<&'s Scope<'s, 'm>>,
    /// 1-based among siblings.
    pub(crate) ordinal: usize,
    pub(super) seat: Seat,
}

/// An instance of a map that the message has.
pub(crate) struct Instance<'m> {
    pub(crate) map: usize,
    pub(crate) inst: Inst<'m>,
    pub(crate) lets: Vec<Named<'m>>,
    pub(crate) ordinal: usize,
    pub(crate) id: String,
    /// Whether its map may have more of them.
    pub(crate) siblings: bool,
}

/// A resource before it is merged and written.
pub(crate) struct Built {
    pub(crate) map: usize,
    pub(crate) id: String,
    pub(crate) node: Id,
    pub(crate) named: Vec<(Id, Sym, Id)>,
    /// Where what it was made from begins.
    pub(crate) pos: Pos,
}

/// A row of the trace, before positions are printed.
pub(crate) struct Row {
    pub(crate) map: usize,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) rule: String,
    pub(crate) positions: Vec<Pos>,
}

/// Findings of one message beyond this are not kept: a hostile message must not fill memory. Graver ones have room
/// of their own behind it, so that no flood of remarks hides why a message must be held.
const MAX_FINDINGS: usize = 2_000;

pub(crate) struct Run<'m> {
    pub(crate) set: &'m Plan,
    pub(crate) plan: &'m MessagePlan,
    pub(crate) message: &'m Message,
    pub(crate) context: &'m Context,
    /// Where the segments of a feed's message come from.
    pub(crate) sources: Option<&'m Sources<'m>>,
    pub(crate) delimiters: Delimiters,
    pub(crate) cut: Cut,
    /// Where the message is divided: all its segments, by name, whatever part of it is looked at.
    pub(crate) everywhere: Option<Vec<(Sym, Vec<u32>)>>,
    pub(crate) arena: Arena,
    pub(crate) findings: Vec<Finding>,
    /// Codes that no table knows.
    pub(crate) unmapped: Vec<Unmapped>,
    /// Fields read, 128 a segment.
    pub(crate) read: Vec<u128>,
    /// Whether what is read now is looked at only to say something, and not read by that.
    pub(crate) looking: bool,
    /// Repetitions read, of fields that have more than one: a bit each, the last for all beyond.
    pub(crate) repeated: quick::Map<(u32, u16), u64>,
    pub(crate) patient: String,
    /// Where a path without a repetition means another than the first.
    pub(crate) own: Vec<super::patient::Own>,
    pub(crate) message_lets: Vec<(Sym, Named<'m>)>,
    pub(crate) instances: Rc<Vec<Instance<'m>>>,
    /// Where instances are found: map and segment, map and group, map at the message itself, map anywhere.
    pub(crate) at_segment: Whereabouts<(usize, u32)>,
    pub(crate) at_group: Whereabouts<(usize, u32)>,
    pub(crate) at_message: Whereabouts<usize>,
    pub(crate) anywhere: Whereabouts<usize>,
    pub(crate) built: Vec<Built>,
    /// What `ref` made from a value: map and raw value → id.
    pub(crate) referred: BTreeMap<(usize, &'m str), Option<String>>,
    pub(crate) depth: usize,
    /// `map/rule` of the row at work.
    pub(crate) owner: &'m str,
    pub(crate) row: &'m str,
    pub(crate) tracing: bool,
    pub(crate) touched: Vec<Pos>,
    pub(crate) rows: Vec<Row>,
    /// What `GROUP/SEG[cond]` picked: the path and the group → segments.
    pub(crate) fitted: quick::Map<(usize, u32), Rc<[u32]>>,
    /// What shared conditions were found to be, by their numbers.
    pub(crate) shared: Vec<super::shared::Answered>,
    /// What conditions were found to be that look past an instance: condition, group around it.
    pub(crate) around: quick::Map<(u32, u32), bool>,
    /// What siblings have in common: map, group around them.
    pub(crate) common: quick::Map<(usize, u32), Common<'m>>,
    /// Room for a composed text.
    pub(crate) composed: String,
    /// Counters of `ordinal by`.
    pub(crate) counters: BTreeMap<(usize, usize, Option<u32>, String), usize>,
}

/// The bit of a repetition among those read.
pub(super) fn repetition_bit(n: usize) -> u64 {
    1 << n.saturating_sub(1).min(63)
}

/// Writes a number; positions are printed for every finding, and hardly any has more than two digits.
pub(super) fn number_text(number: usize, out: &mut String) {
    if number > 9 {
        number_text(number / 10, out);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

impl<'m> Run<'m> {
    /// What an instance sees, without names.
    pub(crate) fn scope<'s>(&self, inst: Inst<'m>, ordinal: usize) -> Scope<'s, 'm> {
        let seat = Seat::new(&self.cut, &inst);
        Scope { inst, lets: Cow::Borrowed(&[]), outer: None, ordinal, seat }
    }

    /// What an instance sees, with its names.
    pub(super) fn scope_of<'s>(&self, instance: &'s Instance<'m>) -> Scope<'s, 'm> {
        let lets = Cow::Borrowed(instance.lets.as_slice());
        Scope { lets, ..self.scope(instance.inst.clone(), instance.ordinal) }
    }

    pub(crate) fn finding(&mut self, severity: Severity, code: impl Into<Cow<'static, str>>, pos: Pos) {
        let room = match severity {
            Severity::Information => MAX_FINDINGS,
            Severity::Warning => 2 * MAX_FINDINGS,
            Severity::Error => 3 * MAX_FINDINGS,
        };
        if self.findings.len() >= room {
            return;
        }
        let mut location = Location::at(self.print(pos));
        if !self.owner.is_empty() {
            location.rule = [self.owner, "/", self.row].concat();
        }
        let code = code.into();
        let finding = match severity {
            Severity::Error => Finding::error(code, location),
            Severity::Warning => Finding::warning(code, location),
            Severity::Information => Finding::information(code, location),
        };
        // What a value itself lacks is one fact, however many rules read it.
        let of_value = finding.code.starts_with("code-system-") && !finding.location.position.is_empty();
        let said = |known: &Finding| {
            *known == finding
                || (of_value
                    && known.code == finding.code
                    && known.location.position == finding.location.position)
        };
        if self.findings.len() > 200 || !self.findings.iter().any(said) {
            self.findings.push(finding);
        }
    }

    /// A position as printed: `OBX[12]-5`, `PID-3[2].4`.
    pub(crate) fn print(&self, pos: Pos) -> String {
        if pos.segment == u32::MAX {
            return String::new();
        }
        if let Some(sources) = self.sources {
            return sources.print(pos.segment as usize, pos.field, pos.repetition);
        }
        let segment = self.message.segment(pos.segment as usize);
        let mut out = String::with_capacity(16);
        out.push_str(segment.name());
        let many = segment.occurrence() > 1
            || self.message.segments().skip(pos.segment as usize + 1).any(|s| s.name() == segment.name());
        let mut put = |before: &str, number: usize, after: &str| {
            out.push_str(before);
            number_text(number, &mut out);
            out.push_str(after);
        };
        if many {
            put("[", segment.occurrence(), "]");
        }
        if pos.field > 0 {
            put("-", pos.field.into(), "");
            if pos.repetition > 1 {
                put("[", pos.repetition.into(), "]");
            }
            if pos.component > 0 {
                put(".", pos.component.into(), "");
            }
            if pos.subcomponent > 0 {
                put(".", pos.subcomponent.into(), "");
            }
        }
        out
    }

    pub(super) fn mark(&mut self, segment: u32, field: u16) {
        if !self.looking
            && (1..=128).contains(&field)
            && let Some(bits) = self.read.get_mut(segment as usize)
        {
            *bits |= 1 << (field - 1);
        }
    }

    /// Marks the repetition that a map is for as read.
    pub(crate) fn take(&mut self, scope: &Scope<'_, 'm>) {
        let Inst::Field(item) = &scope.inst else { return };
        let pos = item.pos();
        self.mark(pos.segment, pos.field);
        let bits = self.repeated.entry((pos.segment, pos.field)).or_default();
        *bits |= repetition_bit(pos.repetition.into());
    }

    /// The segments of a name that a scope sees.
    pub(super) fn segments<'a>(&'a self, scope: &'a Scope<'_, 'm>, name: Sym) -> &'a [u32] {
        let is = |s: &u32| self.cut.names[*s as usize] == Some(name);
        let group = match &scope.inst {
            Inst::Segment(s) if is(s) => return std::slice::from_ref(s),
            Inst::Segment(s) => self.cut.owner[*s as usize],
            Inst::Field(item) => {
                let s = item.pos().segment;
                if is(&s) {
                    let all = listed(&self.cut.all, name);
                    return all.iter().position(|one| *one == s).map_or(&[], |at| &all[at..=at]);
                }
                self.cut.owner[s as usize]
            }
            // All of them have one name.
            Inst::Made(list, _) if list.first().is_some_and(is) => return list,
            Inst::Made(_, group) => *group,
            Inst::Group(g) => Some(*g),
            Inst::Value(_) | Inst::Message => None,
        };
        if let Some(outer) = scope.outer {
            // A submap of a group sees its segments first, then what the map around it sees.
            if let Inst::Group(g) = &scope.inst {
                let own = listed(&self.cut.instances[*g as usize].by_name, name);
                if !own.is_empty() {
                    return own;
                }
            }
            return self.segments(outer, name);
        }
        let mut group = group.map(|g| g as usize);
        while let Some(g) = group {
            let instance = &self.cut.instances[g];
            let found = listed(&instance.by_name, name);
            if !found.is_empty() {
                return found;
            }
            group = instance.parent;
        }
        let found = listed(&self.cut.loose, name);
        if found.is_empty() && matches!(scope.inst, Inst::Message) {
            // A message-wide name or condition sees every segment. A map never sees what lies in a group that
            // is not around it: the only RXR of a message is not that of the order beside it.
            return listed(&self.cut.all, name);
        }
        found
    }

    /// The instances of a group that a scope sees: itself and those around it, or, for all, those inside.
    pub(super) fn groups(&self, scope: &Scope<'_, 'm>, name: Sym, all: bool, out: &mut Places) {
        let own = match &scope.inst {
            Inst::Segment(s) => self.cut.owner[*s as usize],
            Inst::Field(item) => self.cut.owner[item.pos().segment as usize],
            Inst::Made(_, group) => *group,
            Inst::Group(g) => Some(*g),
            Inst::Value(_) | Inst::Message => None,
        };
        if own.is_none()
            && let Some(outer) = scope.outer
        {
            return self.groups(outer, name, all, out);
        }
        let named = |g: &u32| self.cut.instances[*g as usize].name == name;
        let every = 0..self.cut.instances.len() as u32;
        if all {
            out.extend(every.filter(named).filter(|g| own.is_none_or(|o| self.cut.inside(*g, o))));
            return;
        }
        let mut at = own;
        while let Some(g) = at {
            if named(&g) {
                out.push(g);
                return;
            }
            at = self.cut.instances[g as usize].parent.map(|p| p as u32);
        }
        let mut found = every.filter(named);
        if let (Some(only), None) = (found.next(), found.next()) {
            out.push(only);
        }
    }

    /// What a path gives. `relative` is the segment that a condition in brackets is about.
    pub(crate) fn resolve(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
        out: &mut Items<'m>,
    ) {
        match self.single(scope, relative, path) {
            Found::One(item) => out.push(item),
            Found::Nothing => {}
            Found::Several => self.several(scope, relative, path, out),
        }
    }

    /// What a path gives that may give several things.
    pub(super) fn several(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
        out: &mut Items<'m>,
    ) {
        match &path.root {
            Root::Segment { around, name, pick, field } => {
                let repetition = match (&path.repetition, &scope.inst) {
                    (Pick::Same, Inst::Value(item) | Inst::Field(item)) => {
                        &Pick::Nth(item.pos().repetition.max(1))
                    }
                    (other, _) => other,
                };
                // What a submap makes of a repetition, it makes beside the fields of that very segment.
                if let (Inst::Value(item) | Inst::Field(item), Pick::First, None) =
                    (&scope.inst, pick, around)
                    && self.cut.names.get(item.pos().segment as usize) == Some(&Some(*name))
                    && *field > 0
                {
                    self.field(item.pos().segment, *field, repetition, &path.parts, out);
                    return;
                }
                let mut list = Places::new();
                match (around, pick) {
                    (Some(group), Pick::Where(cond)) if cond.is_relative() => {
                        list.extend_from_slice(&self.fitting(scope, *group, *name, path, cond));
                    }
                    _ => {
                        let inside = around.map(|group| self.inside(scope, group, *name));
                        let seen = inside.as_deref().unwrap_or_else(|| self.segments(scope, *name));
                        if seen.is_empty() && *field == 0 && around.is_none() {
                            let all = !matches!(pick, Pick::First);
                            self.groups(scope, *name, all, &mut list);
                            out.extend(list.into_iter().map(Item::Group));
                            return;
                        }
                        match pick {
                            Pick::First | Pick::Same => list.extend(seen.first().copied()),
                            Pick::Nth(n) => list.extend(seen.get(usize::from(*n) - 1).copied()),
                            Pick::All => list.extend_from_slice(seen),
                            Pick::After => {
                                let own = self.stand(scope).segment;
                                list.extend(seen.iter().copied().find(|s| own != u32::MAX && *s > own));
                            }
                            Pick::Where(cond) => {
                                for s in Places::from_slice(seen) {
                                    let item = Item::Segment(self.message.segment(s as usize));
                                    if self.holds(scope, Some(&item), cond) {
                                        list.push(s);
                                    }
                                }
                            }
                        }
                    }
                }
                for s in list {
                    let segment = self.message.segment(s as usize);
                    if *field == 0 {
                        self.parts(Item::Segment(segment), &path.repetition, &path.parts, out);
                    } else {
                        self.field(s, *field, repetition, &path.parts, out);
                    }
                }
            }
            Root::Column { name, all } => {
                let Some((record, field)) = self.column(*name) else { return };
                let own = match (relative, &scope.inst) {
                    (Some(Item::Segment(segment)), _) => Some(segment.index() as u32),
                    (_, Inst::Segment(s)) => Some(*s),
                    _ => None,
                };
                let own = own.filter(|s| self.cut.names[*s as usize] == Some(record));
                let list = match own {
                    Some(own) if !all => Places::from_slice(&[own]),
                    _ => {
                        // Of a row: all rows of its message; of anything else, what it sees.
                        let whole = self.scope(Inst::Message, 1);
                        let seen = if own.is_some() {
                            self.segments(&whole, record)
                        } else {
                            self.segments(scope, record)
                        };
                        let seen = if seen.is_empty() { listed(&self.cut.all, record) } else { seen };
                        Places::from_slice(if *all { seen } else { &seen[..seen.len().min(1)] })
                    }
                };
                for s in list {
                    self.field(s, field, &Pick::First, &[], out);
                }
            }
            Root::Name(name) => {
                let named = self.known(scope, *name).cloned().unwrap_or_default();
                if self.tracing {
                    self.touched.extend_from_slice(&named.positions);
                }
                for item in named.items {
                    self.parts(item, &path.repetition, &path.parts, out);
                }
            }
            Root::Of { map, slot, latest } => self.of_map(*map, *slot, *latest, path, out),
            Root::Relative => {
                let item = match (relative, &scope.inst) {
                    (Some(item), _) => item.clone(),
                    (None, Inst::Value(item) | Inst::Field(item)) => item.clone(),
                    (None, Inst::Segment(s)) => Item::Segment(self.message.segment(*s as usize)),
                    _ => return,
                };
                self.parts(item, &path.repetition, &path.parts, out);
            }
            // Never several.
            Root::Setting(_) | Root::Literal(_) => {}
        }
    }

    /// The record and the field that a column of the message's layout is.
    fn column(&self, name: Sym) -> Option<(Sym, u16)> {
        let layout = &self.set.layouts[self.plan.feed?];
        Some((layout.record, *layout.columns.get(&name)?))
    }

    /// What a name stands for here.
    pub(super) fn known<'a>(&'a self, scope: &'a Scope<'_, 'm>, name: Name) -> Option<&'a Named<'m>> {
        match name {
            Name::Own(slot) => scope.lets.get(slot),
            Name::Outer(slot) => {
                let mut at = scope;
                while let Some(outer) = at.outer {
                    at = outer;
                }
                at.lets.get(slot)
            }
            Name::Message(sym) => self.message_lets.iter().find(|(s, _)| *s == sym).map(|(_, v)| v),
        }
    }

    /// The repetitions of a field, then parts of each.
    fn field(&mut self, s: u32, field: u16, pick: &Pick, parts: &[Part], out: &mut Items<'m>) {
        self.mark(s, field);
        let read = self.message.segment(s as usize).field(usize::from(field));
        let range = match pick {
            Pick::First => self.meant(s, field).into()..=self.meant(s, field).into(),
            Pick::Same | Pick::After => 1..=1,
            Pick::Nth(n) => usize::from(*n)..=usize::from(*n),
            Pick::All | Pick::Where(_) => 1..=read.repetition_count(),
        };
        if read.repeats() && !self.looking {
            let bits = self.repeated.entry((s, field)).or_default();
            range.clone().for_each(|n| *bits |= repetition_bit(n));
        }
        for n in range {
            let pos = Pos { segment: s, field, repetition: n as u16, component: 0, subcomponent: 0 };
            self.parts(Item::Repetition(read.repetition(n), pos), &Pick::First, parts, out);
        }
    }

    pub(super) fn parts(&mut self, item: Item<'m>, pick: &Pick, parts: &[Part], out: &mut Items<'m>) {
        match (&item, parts) {
            (Item::Segment(segment), [Part::Number(field), rest @ ..]) => {
                return self.field(segment.index() as u32, *field, pick, rest, out);
            }
            (Item::Parts(list, pos), [Part::Name(name), rest @ ..]) => {
                if let Some((_, text)) = list.iter().find(|(n, _)| n == name)
                    && rest.is_empty()
                {
                    out.push(Item::Text(Cow::Owned(text.clone()), *pos));
                }
                return;
            }
            _ => {}
        }
        out.extend(self.part(Cow::Owned(item), parts));
    }

    /// The position that a path means, whether or not there is a value.
    pub(crate) fn place(&mut self, scope: &Scope<'_, 'm>, path: &'m Path) -> Pos {
        let mut out = Items::new();
        self.resolve(scope, None, path, &mut out);
        if let Some(item) = out.first() {
            return item.pos();
        }
        self.stand(scope)
    }

    /// Where a scope itself stands.
    pub(crate) fn stand(&self, scope: &Scope<'_, 'm>) -> Pos {
        let first = |all: &[u32]| all.first().map_or(NOWHERE, |s| Pos { segment: *s, ..NOWHERE });
        match &scope.inst {
            Inst::Segment(s) => Pos { segment: *s, ..NOWHERE },
            Inst::Group(g) => first(&self.cut.instances[*g as usize].segments),
            Inst::Made(list, _) => first(list),
            Inst::Value(item) | Inst::Field(item) => item.pos(),
            Inst::Message => NOWHERE,
        }
    }

    pub(crate) fn map(&self, n: usize) -> &'m Map {
        &self.set.maps[n]
    }
}
