//! Paths that mean one value of one segment, and where that segment is found.

use super::groups::Cut;
use super::item::Item;
use super::plan::{Part, Path, Pick, Root, Sym};
use super::run::{Inst, Run, Scope};
use std::ops::Deref;

/// What a path means that leads to one value of one segment, as nearly all do: `OBX-3.1`, and `.3.1` where a segment is
/// meant by the point. Component and subcomponent are 0 where the whole is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    /// None = the segment that a condition or an instance is about.
    pub(crate) name: Option<Sym>,
    pub(crate) field: u16,
    pub(crate) component: u16,
    pub(crate) subcomponent: u16,
    /// All repetitions are meant: it is one value where the field has one.
    pub(crate) all: bool,
}

// What follows from the rest is not printed: two paths are the same where they print the same.
impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { root, repetition, parts, direct: _ } = self;
        f.debug_struct("Path")
            .field("root", root)
            .field("repetition", repetition)
            .field("parts", parts)
            .finish()
    }
}

impl Path {
    pub(crate) fn new(root: Root, repetition: Pick, parts: Vec<Part>) -> Self {
        let mut path = Self { root, repetition, parts, direct: None };
        path.settle();
        path
    }

    /// To be called after each change of the other parts.
    pub(crate) fn settle(&mut self) {
        self.direct = self.is_direct();
    }

    fn is_direct(&self) -> Option<Direct> {
        let (name, field, parts) = match (&self.root, self.parts.as_slice()) {
            (Root::Segment { around: None, name, pick: Pick::First, field: field @ 1.. }, parts) => {
                (Some(*name), *field, parts)
            }
            (Root::Relative, [Part::Number(field), parts @ ..]) => (None, *field, parts),
            _ => return None,
        };
        let (component, subcomponent) = match parts {
            [] => (0, 0),
            [Part::Number(component)] => (*component, 0),
            [Part::Number(component), Part::Number(subcomponent)] => (*component, *subcomponent),
            _ => return None,
        };
        let all = match self.repetition {
            Pick::First => false,
            Pick::All => true,
            _ => return None,
        };
        Some(Direct { name, field, component, subcomponent, all })
    }
}

/// Where a symbol stands among the segments of a set.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    of: Vec<u16>,
    pub(crate) count: usize,
}

impl Slots {
    pub(crate) fn new(known: &[Sym]) -> Self {
        let mut of = vec![u16::MAX; known.iter().map(|sym| sym.0 as usize + 1).max().unwrap_or(0)];
        for (slot, sym) in known.iter().enumerate().take(usize::from(u16::MAX)) {
            of[sym.0 as usize] = slot as u16;
        }
        Self { of, count: known.len().min(usize::from(u16::MAX)) }
    }

    pub(crate) fn of(&self, name: Sym) -> Option<usize> {
        self.of.get(name.0 as usize).filter(|slot| **slot != u16::MAX).map(|slot| usize::from(*slot))
    }
}

/// No segment.
pub(super) const NONE: u32 = u32::MAX;

/// Numbers in a table of [`Firsts`] beyond which it is not made: a hostile message must not fill memory.
const MOST: usize = 1 << 20;

/// The first segment of each name, as seen from the message itself and from each instance of a group.
#[derive(Debug, Default)]
pub(crate) struct Firsts {
    width: usize,
    /// A row of [`Slots::count`] for what lies in no group, one for the message as a whole, and one for each instance.
    rows: Vec<u32>,
}

const LOOSE: u32 = 0;
const WHOLE: u32 = 1;
const GROUPS: u32 = 2;

impl Firsts {
    pub(super) fn new(cut: &Cut, slots: &Slots) -> Self {
        let (width, count) = (slots.count, cut.instances.len() + GROUPS as usize);
        if width.saturating_mul(count) > MOST {
            return Self::default();
        }
        let mut rows = Vec::with_capacity(width * count);
        rows.resize(width * GROUPS as usize, NONE);
        lay(&mut rows[width..2 * width], &cut.all, slots);
        lay(&mut rows[width..2 * width], &cut.loose, slots);
        lay(&mut rows[..width], &cut.loose, slots);
        for instance in &cut.instances {
            let row = instance.parent.map_or(LOOSE as usize, |parent| parent + GROUPS as usize) * width;
            let own = rows.len();
            rows.extend_from_within(row..row + width);
            lay(&mut rows[own..], &instance.by_name, slots);
        }
        Self { width, rows }
    }
}

/// Lays the first of each list at the place of its name.
fn lay<L: Deref<Target = [u32]>>(row: &mut [u32], lists: &[(Sym, L)], slots: &Slots) {
    for (name, list) in lists {
        if let (Some(slot), Some(first)) = (slots.of(*name), list.first()) {
            row[slot] = *first;
        }
    }
}

/// Where a scope stands: its own segment, and its row in [`Firsts`].
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    segment: u32,
    row: u32,
}

impl Seat {
    pub(super) fn new(cut: &Cut, inst: &Inst<'_>) -> Self {
        let row = |group: Option<u32>| group.map_or(LOOSE, |g| g + GROUPS);
        let of = |s: u32| row(cut.owner.get(s as usize).copied().flatten());
        match inst {
            Inst::Segment(s) => Self { segment: *s, row: of(*s) },
            Inst::Field(item) => Self { segment: item.pos().segment, row: of(item.pos().segment) },
            Inst::Value(item) => Self { segment: item.pos().segment, row: LOOSE },
            Inst::Made(list, group) => {
                Self { segment: list.first().copied().unwrap_or(NONE), row: row(*group) }
            }
            Inst::Group(g) => Self { segment: NONE, row: *g + GROUPS },
            Inst::Message => Self { segment: NONE, row: WHOLE },
        }
    }
}

/// The segment of a direct path.
pub(super) enum Led {
    To(u32),
    Nowhere,
    /// It must be looked for.
    Unknown,
}

impl<'m> Run<'m> {
    /// The segment that a direct path means.
    #[inline]
    pub(super) fn led(&self, scope: &Scope<'_, 'm>, relative: Option<&Item<'m>>, direct: Direct) -> Led {
        let Some(name) = direct.name else {
            return match (relative, &scope.inst) {
                (Some(Item::Segment(segment)), _) => Led::To(segment.index() as u32),
                (None, Inst::Segment(s)) => Led::To(*s),
                _ => Led::Unknown,
            };
        };
        let is = |s: u32| self.cut.names.get(s as usize) == Some(&Some(name));
        // What a submap makes of a repetition, it makes beside the fields of that very segment.
        if is(scope.seat.segment) {
            return Led::To(scope.seat.segment);
        }
        let mut at = scope;
        while let Some(outer) = at.outer {
            // A submap of a group sees its own segments first.
            if matches!(at.inst, Inst::Group(_)) {
                return Led::Unknown;
            }
            at = outer;
            if is(at.seat.segment) && !matches!(at.inst, Inst::Value(_)) {
                return Led::To(at.seat.segment);
            }
        }
        let firsts = &self.cut.firsts;
        let Some(slot) = self.set.slots.of(name) else { return Led::Unknown };
        match firsts.rows.get(at.seat.row as usize * firsts.width + slot) {
            Some(&NONE) => Led::Nowhere,
            Some(s) => Led::To(*s),
            None => Led::Unknown,
        }
    }
}
