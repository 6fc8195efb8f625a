//! Paths that give one thing at most: nearly all of them, so they are followed without a list.

use super::direct::{Direct, Led};
use super::item::{Item, NOWHERE, Pos, trimmed};
use super::plan::{Part, Path, Pick, Root, Setting};
use super::run::{Inst, Items, Run, Scope, repetition_bit};
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
        let Root::Segment { around: None, name, pick, field: field @ 1.. } = &path.root else {
            return Spot::Unknown;
        };
        let n = match (&path.repetition, &scope.inst) {
            (Pick::First, _) => None,
            (Pick::Nth(n), _) => Some(*n),
            (Pick::Same, Inst::Value(item) | Inst::Field(item)) => Some(item.pos().repetition.max(1)),
            _ => return Spot::Unknown,
        };
        let s = match pick {
            Pick::First => {
                let direct =
                    Direct { name: Some(*name), field: *field, component: 0, subcomponent: 0, all: false };
                match self.led(scope, relative, direct) {
                    Led::To(s) => Some(s),
                    Led::Nowhere => None,
                    Led::Unknown => self.segments(scope, *name).first().copied(),
                }
            }
            Pick::Nth(n) => self.segments(scope, *name).get(usize::from(*n) - 1).copied(),
            _ => return Spot::Unknown,
        };
        s.map_or(Spot::Nowhere, |s| {
            Spot::At(s, *field, n.unwrap_or_else(|| self.meant(s, *field)), &path.parts)
        })
    }

    /// The text of the one thing that a path gives, if any, which need not be valued; `Err` where it may give
    /// several.
    pub(super) fn text(
        &mut self,
        scope: &Scope<'_, 'm>,
        relative: Option<&Item<'m>>,
        path: &'m Path,
    ) -> Result<Option<Cow<'m, str>>, Several> {
        if let Some(direct) = path.direct
            && !direct.all
            && !self.tracing
        {
            match self.led(scope, relative, direct) {
                Led::To(s) => {
                    let read = self.read(s, direct.field, self.meant(s, direct.field));
                    return Ok(Some(trimmed(read.value(direct.component, direct.subcomponent).text())));
                }
                Led::Nowhere => return Ok(None),
                Led::Unknown => {}
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
        if let Some(direct) = path.direct {
            match self.led(scope, relative, direct) {
                // No repetition of an empty field is none.
                Led::To(s) if direct.all && self.message.repeats(s, direct.field) != Some(false) => {
                    return Found::Several;
                }
                Led::To(s) => return Found::One(self.item_at(s, direct)),
                Led::Nowhere => return Found::Nothing,
                Led::Unknown => {}
            }
        }
        if let (Root::Relative, None, Inst::Value(item), [Part::Number(n)]) =
            (&path.root, relative, &scope.inst, path.parts.as_slice())
            && !self.tracing
            && !matches!(item, Item::Segment(_) | Item::Parts(..))
        {
            return Found::of(item.part(*n));
        }
        if let Some(s) = self.whole_segment(scope, path) {
            return s.map_or(Found::Nothing, |s| Found::One(Item::Segment(self.message.segment(s as usize))));
        }
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

    /// The segment, if any, that a path means which is its name and no more; `None` where it has to be looked for.
    pub(super) fn whole_segment(&self, scope: &Scope<'_, 'm>, path: &'m Path) -> Option<Option<u32>> {
        let Root::Segment { around: None, name, pick: Pick::First, field: 0 } = &path.root else {
            return None;
        };
        if self.tracing || !path.parts.is_empty() || matches!(scope.inst, Inst::Value(_) | Inst::Field(_)) {
            return None;
        }
        let direct = Direct { name: Some(*name), field: 0, component: 0, subcomponent: 0, all: false };
        match self.led(scope, None, direct) {
            Led::To(s) => Some(Some(s)),
            // A group may have that name.
            Led::Nowhere if self.plan.groups.iter().all(|group| group.name != *name) => Some(None),
            _ => None,
        }
    }

    /// Marks what a path reads, whatever stands there.
    pub(super) fn glance(&mut self, scope: &Scope<'_, 'm>, path: &'m Path) {
        if let Some(direct) = path.direct {
            match self.led(scope, None, direct) {
                Led::To(s) if !direct.all => {
                    self.mark(s, direct.field);
                    if !self.looking && self.message.repeats(s, direct.field) == Some(true) {
                        let n = self.meant(s, direct.field);
                        *self.repeated.entry((s, direct.field)).or_default() |= repetition_bit(n.into());
                    }
                    return;
                }
                Led::To(_) => {}
                Led::Nowhere => return,
                Led::Unknown => {}
            }
        }
        self.resolve(scope, None, path, &mut Items::new());
    }

    /// What a direct path leads to in a segment.
    fn item_at(&mut self, s: u32, direct: Direct) -> Item<'m> {
        let Direct { field, component, subcomponent, .. } = direct;
        let n = if direct.all { 1 } else { self.meant(s, field) };
        let read = self.read(s, field, n);
        let pos = Pos { segment: s, field, repetition: n, component, subcomponent };
        let item = match (component, subcomponent) {
            (0, _) => Item::Repetition(read, pos),
            (_, 0) => Item::Component(read.component(component.into()), pos),
            _ => Item::Value(read.value(component, subcomponent), pos),
        };
        if self.tracing && item.valued(&self.delimiters) {
            self.touched.push(pos);
        }
        item
    }

    /// A repetition of a field, which is marked as read.
    fn read(&mut self, s: u32, field: u16, n: u16) -> Repetition<'m> {
        self.mark(s, field);
        let (read, more) = self.message.repetition(s, field, n);
        if more && !self.looking {
            *self.repeated.entry((s, field)).or_default() |= repetition_bit(n.into());
        }
        read
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
