//! Paths that give one thing at most: nearly all of them, so they are followed without a list.

use super::item::{Item, NOWHERE, Pos, trimmed};
use super::plan::{Part, Path, Pick, Root, Setting};
use super::run::{Inst, Run, Scope, repetition_bit};
use crate::hl7v2::Repetition;
use crate::translation::Lists;
use std::borrow::Cow;

/// What following a path led to.
pub(super) enum Found<'m> {
    One(Item<'m>),
    Nothing,
    /// The path may give several things: it has to be resolved.
    Several,
}

impl<'m> Found<'m> {
    fn of(item: Option<Item<'m>>) -> Self {
        item.map_or(Self::Nothing, Self::One)
    }
}

/// The path may give several things.
pub(super) struct Several;

/// Where the value of a path stands.
enum Spot<'m> {
    /// A segment, a field, a repetition and the parts of it.
    At(u32, u16, u16, &'m [Part]),
    Nowhere,
    /// In no field, or in several.
    Unknown,
}

impl<'m> Run<'m> {
    /// Where the value of a path stands that means one field of one segment.
    fn spot(&self, scope: &Scope<'_, 'm>, relative: Option<&Item<'m>>, path: &'m Path) -> Spot<'m> {
        match &path.root {
            Root::Segment { around: None, name, pick, field: field @ 1.. } => {
                let n = match (&path.repetition, &scope.inst) {
                    (Pick::First, _) => None,
                    (Pick::Nth(n), _) => Some(*n),
                    (Pick::Same, Inst::Value(item) | Inst::Field(item)) => Some(item.pos().repetition.max(1)),
                    _ => return Spot::Unknown,
                };
                let s = match (&scope.inst, pick) {
                    // What a submap makes of a repetition, it makes beside the fields of that very segment.
                    (Inst::Value(item) | Inst::Field(item), Pick::First)
                        if self.cut.names.get(item.pos().segment as usize) == Some(&Some(*name)) =>
                    {
                        Some(item.pos().segment)
                    }
                    (_, Pick::First) => self.segments(scope, *name).first().copied(),
                    (_, Pick::Nth(n)) => self.segments(scope, *name).get(usize::from(*n) - 1).copied(),
                    _ => return Spot::Unknown,
                };
                s.map_or(Spot::Nowhere, |s| {
                    Spot::At(s, *field, n.unwrap_or_else(|| self.meant(s, *field)), &path.parts)
                })
            }
            Root::Relative => {
                let s = match (relative, &scope.inst) {
                    (Some(Item::Segment(segment)), _) => segment.index() as u32,
                    (None, Inst::Segment(s)) => *s,
                    _ => return Spot::Unknown,
                };
                match (path.parts.as_slice(), &path.repetition) {
                    ([Part::Number(field), rest @ ..], Pick::First) => {
                        Spot::At(s, *field, self.meant(s, *field), rest)
                    }
                    _ => Spot::Unknown,
                }
            }
            _ => Spot::Unknown,
        }
    }

    /// The text of the one thing that a path gives, if any, which need not be valued; `Err` where it may give
    /// several.
    pub(super) fn text(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
    ) -> Result<Option<Cow<'m, str>>, Several> {
        if !self.tracing {
            match self.spot(scope, relative, path) {
                Spot::At(s, field, n, parts) => {
                    let (component, subcomponent) = match parts {
                        [] => (1, 1),
                        [Part::Number(c)] => (*c, 1),
                        [Part::Number(c), Part::Number(s), rest @ ..]
                            if rest.iter().all(|part| *part == Part::Number(1)) =>
                        {
                            (*c, *s)
                        }
                        _ => return Ok(None),
                    };
                    let component = self.read(s, field, n).component(component.into());
                    return Ok(Some(trimmed(component.subcomponent(subcomponent.into()).text())));
                }
                Spot::Nowhere => return Ok(None),
                Spot::Unknown => {}
            }
        }
        match self.single(scope, relative, path) {
            Found::One(item) => Ok(Some(item.text())),
            Found::Nothing => Ok(None),
            Found::Several => Err(Several),
        }
    }

    /// Follows a path as far as it can give one thing at most.
    pub(super) fn single(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
    ) -> Found<'m> {
        match self.spot(scope, relative, path) {
            Spot::At(s, field, n, parts) => return Found::of(self.repetition(s, field, n, parts)),
            Spot::Nowhere => return Found::Nothing,
            Spot::Unknown => {}
        }
        match &path.root {
            Root::Relative => {
                let own;
                let item = match (relative, &scope.inst) {
                    (Some(item), _) => item,
                    (None, Inst::Value(item) | Inst::Field(item)) => item,
                    (None, Inst::Segment(s)) => {
                        own = Item::Segment(self.message.segment(*s as usize));
                        &own
                    }
                    _ => return Found::Nothing,
                };
                self.below(item, path)
            }
            Root::Name(name) => {
                let Some(named) = self.known(scope, *name) else { return Found::Nothing };
                let item = match named.items.as_slice() {
                    [] => None,
                    [item] => Some(item.clone()),
                    _ => return Found::Several,
                };
                if self.tracing {
                    let positions = named.positions.clone();
                    self.touched.extend(positions);
                }
                item.map_or(Found::Nothing, |item| self.below(&item, path))
            }
            Root::Setting(setting) => {
                let text = self.setting(setting).filter(|text| !text.is_empty());
                Found::of(text.map(|text| Item::Text(text, NOWHERE)))
            }
            Root::Literal(text) => Found::One(Item::Text(Cow::Borrowed(text), NOWHERE)),
            _ => Found::Several,
        }
    }

    /// What the parts of a path mean in a thing.
    fn below(&mut self, item: &Item<'m>, path: &'m Path) -> Found<'m> {
        match (item, path.parts.as_slice(), &path.repetition) {
            (Item::Segment(segment), [Part::Number(field), rest @ ..], Pick::First) => {
                Found::of(self.repetition(segment.index() as u32, *field, 1, rest))
            }
            (Item::Segment(_), [Part::Number(_), ..], _) => Found::Several,
            (Item::Parts(list, pos), [Part::Name(name), rest @ ..], _) => {
                let part = list.iter().find(|(known, _)| known == name).filter(|_| rest.is_empty());
                Found::of(part.map(|(_, text)| Item::Text(Cow::Owned(text.clone()), *pos)))
            }
            (item, parts, _) => Found::of(self.part(Cow::Borrowed(item), parts)),
        }
    }

    /// A repetition of a field, or a part of it; what is read is marked.
    fn repetition(&mut self, s: u32, field: u16, n: u16, parts: &[Part]) -> Option<Item<'m>> {
        let read = self.read(s, field, n);
        let pos = Pos { segment: s, field, repetition: n, component: 0, subcomponent: 0 };
        self.part(Cow::Owned(Item::Repetition(read, pos)), parts)
    }

    /// A repetition of a field, which is marked as read.
    fn read(&mut self, s: u32, field: u16, n: u16) -> Repetition<'m> {
        self.mark(s, field);
        let read = self.message.segment(s as usize).field(usize::from(field));
        let (first, more) = read.first();
        if more && !self.looking {
            *self.repeated.entry((s, field)).or_default() |= repetition_bit(n.into());
        }
        if n == 1 { first } else { read.repetition(n.into()) }
    }

    /// A part of a thing; of the whole of it, itself.
    pub(super) fn part(&mut self, item: Cow<'_, Item<'m>>, parts: &[Part]) -> Option<Item<'m>> {
        let mut item = item;
        for part in parts {
            let Part::Number(n) = part else { return None };
            item = Cow::Owned(item.part(*n)?);
        }
        if self.tracing && item.pos().segment != u32::MAX && item.valued(&self.delimiters) {
            self.touched.push(item.pos());
        }
        Some(item.into_owned())
    }

    fn setting(&self, setting: &Setting) -> Option<Cow<'m, str>> {
        let (facility, file) = (&self.context.facility, self.context.file.as_ref());
        Some(match setting {
            Setting::FacilityCode => Cow::Borrowed(&facility.code),
            Setting::FacilityName => Cow::Borrowed(&facility.name),
            Setting::LocalBase => Cow::Borrowed(&facility.local_system_base),
            Setting::Flag => Cow::Owned(file?.flag.to_string()),
            Setting::Folder => Cow::Borrowed(&file?.data_type),
            // 診療日; `-` where the data type has none.
            Setting::Lists => Cow::Borrowed(match self.context.lists {
                Lists::Whole => "whole",
                Lists::Incremental => "incremental",
            }),
            Setting::FolderDate => Cow::Borrowed(file.map(|file| file.date.as_str()).filter(|d| *d != "-")?),
        })
    }
}
