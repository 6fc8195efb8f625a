//! `GROUP/SEG` and `GROUP/SEG[cond]`: the segments anywhere inside the enclosing instance of a group.

use super::groups::listed;
use super::item::Item;
use super::plan::{Cond, EVERYWHERE, Path, Sym};
use super::run::{Places, Run, Scope};
use std::rc::Rc;

impl<'m> Run<'m> {
    /// The segments of a name anywhere inside the enclosing instance of a group, or in all of the message.
    pub(super) fn inside(&self, scope: &Scope<'_, 'm>, group: Sym, name: Sym) -> Vec<u32> {
        if group == EVERYWHERE {
            return listed(self.everywhere.as_ref().unwrap_or(&self.cut.all), name).to_vec();
        }
        let mut around = Places::new();
        self.groups(scope, group, false, &mut around);
        let Some(around) = around.first() else { return Vec::new() };
        let list = listed(&self.cut.all, name);
        // A group that another one followed never opens again: what is inside stands together.
        let first = self.cut.instances[*around as usize].segments.first();
        let from = list.partition_point(|s| first.is_some_and(|first| s < first));
        let owner = |s: &u32| self.cut.owner[*s as usize];
        let inside = |s: &u32| owner(s).is_some_and(|own| self.cut.inside(own, *around));
        list[from..]
            .iter()
            .take_while(|s| owner(s).is_none() || inside(s))
            .filter(|s| inside(s))
            .copied()
            .collect()
    }

    /// Those of [`Self::inside`] that fit a condition which is about the segment alone. It picks the same for every
    /// instance in the group, so it is looked at once: a long group takes no square of its length.
    pub(super) fn fitting(
        &mut self,
        scope: &Scope<'_, 'm>,
        group: Sym,
        name: Sym,
        path: &'m Path,
        cond: &'m Cond,
    ) -> Rc<[u32]> {
        let mut around = Places::new();
        if group == EVERYWHERE {
            around.push(u32::MAX);
        } else {
            self.groups(scope, group, false, &mut around);
        }
        let Some(around) = around.first().copied() else { return Rc::new([]) };
        // The plan does not move while a message runs, so a path is told by where it stands.
        let slot = (std::ptr::from_ref(path) as usize, around);
        if let Some(known) = self.fitted.get(&slot) {
            return known.clone();
        }
        let mut found = Vec::new();
        for s in self.inside(scope, group, name) {
            let item = Item::Segment(self.message.segment(s as usize));
            if self.holds(scope, Some(&item), cond) {
                found.push(s);
            }
        }
        let found: Rc<[u32]> = found.into();
        self.fitted.insert(slot, found.clone());
        found
    }
}
