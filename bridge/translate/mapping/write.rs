//! Writes nodes at target paths and joins the resources of one id.

use super::build::{Made, Writing};
use super::item::Pos;
use super::plan::{Index, Rule, Same, Target};
use super::run::{Built, Row, Run};
use super::target;
use crate::fhir::{Id, Key, Read, key};
use crate::finding::Severity;
use crate::profile::r4;
use crate::quick;
use std::collections::hash_map::Entry;

/// Elements of an array that several instances of one resource join; beyond this the rest is left out, said by
/// `merge-conflict`.
const MAX_JOINED: usize = 1_000;

impl<'m> Run<'m> {
    /// Writes what was made at the target; whether there was something.
    pub(super) fn write_made(
        &mut self,
        rule: &'m Rule,
        root: Id,
        made: Result<Made, &'static str>,
        pos: Pos,
        writing: &mut Writing,
    ) -> bool {
        let (kind, node) = match made {
            Ok(Some(made)) => made,
            Ok(None) => return false,
            Err(code) => {
                self.finding(Severity::Warning, code, pos);
                return false;
            }
        };
        // A list of nodes stands for several elements: `CWE.codings` into `coding[]`.
        if self.arena.read(node) == Read::Array {
            let list: Vec<Id> = self.arena.children(node).map(|(_, id)| id).collect();
            let touched = self.touched.clone();
            let mut wrote = false;
            for id in list {
                let copy = self.arena.object();
                self.arena.assign(copy, id);
                let wrote_one = self.write(&rule.target, root, kind, copy, writing);
                // Each of them came from the same places.
                self.touched.clone_from(&touched);
                self.trace(rule, root, wrote_one, pos, writing);
                wrote |= wrote_one;
            }
            return wrote;
        }
        let wrote = self.write(&rule.target, root, kind, node, writing);
        self.trace(rule, root, wrote, pos, writing);
        wrote
    }

    /// Notes where what was written came from.
    fn trace(&mut self, rule: &'m Rule, root: Id, wrote: bool, pos: Pos, writing: &Writing) {
        if !wrote || !self.tracing {
            return;
        }
        let mut positions = std::mem::take(&mut self.touched);
        if pos.segment != u32::MAX && !positions.contains(&pos) {
            positions.push(pos);
        }
        let path = self.printed(&rule.target, root, &writing.prefix);
        self.rows.push(Row {
            map: writing.map,
            id: writing.id.clone(),
            path,
            rule: format!("{}/{}", self.owner, rule.id),
            positions,
        });
    }

    /// The path as written: `name[]` becomes the number of the element just appended.
    fn printed(&self, target: &Target, root: Id, prefix: &str) -> String {
        let text = match target.steps.first().map(|step| (step, &step.index)) {
            Some((step, Index::Append)) => {
                let n = self.arena.get(root, step.key).map_or(0, |list| self.arena.len(list));
                target.text.replacen("[]", &format!("[{}]", n.saturating_sub(1)), 1)
            }
            _ => target.text.clone(),
        };
        format!("{prefix}{text}")
    }

    fn write(
        &mut self,
        target: &'m Target,
        root: Id,
        kind: &'static str,
        node: Id,
        writing: &mut Writing,
    ) -> bool {
        let mut at = root;
        for (n, step) in target.steps.iter().enumerate() {
            let last = n + 1 == target.steps.len();
            let mut step_key = step.key;
            if !step.choice.is_empty() {
                let Some((_, found)) = step.choice.iter().find(|(name, _)| *name == kind) else {
                    return false;
                };
                step_key = *found;
            }
            if matches!(step.index, Index::Single) {
                if last {
                    return self.place_node(at, step_key, node);
                }
                at = match self.arena.get(at, step_key) {
                    Some(found) => found,
                    None => {
                        let made = self.arena.object();
                        self.arena.attach(at, step_key, made);
                        made
                    }
                };
                continue;
            }
            let list = match self.arena.get(at, step_key) {
                Some(found) => found,
                None => {
                    let made = self.arena.array();
                    self.arena.attach(at, step_key, made);
                    made
                }
            };
            let existing = match &step.index {
                Index::At(n) => self.arena.nth(list, *n),
                Index::Named(sym, _) => {
                    writing.named.iter().find(|(l, s, _)| *l == list && s == sym).map(|(_, _, id)| *id)
                }
                _ => None,
            };
            let element = match existing {
                Some(found) => found,
                None => {
                    let plain = last && !matches!(step.index, Index::Named(..));
                    let made = if plain { node } else { self.arena.object() };
                    self.arena.append(list, made);
                    if let Index::Named(sym, fixed) = &step.index {
                        for (path, value) in fixed {
                            self.put_fixed(made, path, value);
                        }
                        writing.named.push((list, *sym, made));
                    }
                    if plain {
                        return true;
                    }
                    made
                }
            };
            if last {
                self.join(element, node);
                return true;
            }
            at = element;
        }
        true
    }

    fn put_fixed(&mut self, object: Id, path: &[Key], value: &str) {
        let Some((last, steps)) = path.split_last() else { return };
        let mut at = object;
        for step in steps {
            at = match self.arena.get(at, *step) {
                Some(found) => found,
                None => {
                    let made = self.arena.object();
                    self.arena.attach(at, *step, made);
                    made
                }
            };
        }
        self.arena.put_text(at, *last, value);
    }

    /// Puts a node; an object joins an object that stands there, anything else takes its place.
    fn place_node(&mut self, object: Id, at: Key, node: Id) -> bool {
        match self.arena.get(object, at) {
            Some(old) => self.join(old, node),
            None => self.arena.attach(object, at, node),
        }
        true
    }

    fn join(&mut self, old: Id, new: Id) {
        if self.arena.read(old) == Read::Object && self.arena.read(new) == Read::Object {
            let children: Vec<_> = self.arena.children(new).collect();
            for (k, child) in children {
                let copy = self.arena.object();
                self.arena.assign(copy, child);
                self.arena.put(old, k, copy);
            }
        } else {
            self.arena.assign(old, new);
        }
    }

    /// One resource for each id: what came later joins what came first.
    pub(crate) fn merge_built(&mut self) {
        let built = std::mem::take(&mut self.built);
        let mut first: quick::Map<(usize, &str), Id> = quick::Map::default();
        let mut earlier = vec![None; built.len()];
        for (one, earlier) in built.iter().zip(&mut earlier).filter(|(one, _)| !one.id.is_empty()) {
            match first.entry((one.map, one.id.as_str())) {
                Entry::Occupied(node) => *earlier = Some(*node.get()),
                Entry::Vacant(free) => {
                    free.insert(one.node);
                }
            }
        }
        let mut kept: Vec<Built> = Vec::with_capacity(built.len());
        // One resource that many lines tell differently is one finding, at the first that differs.
        let mut told: Vec<Id> = Vec::new();
        for (one, earlier) in built.into_iter().zip(earlier) {
            match earlier {
                None => kept.push(one),
                Some(node) => {
                    let map = self.map(one.map);
                    (self.owner, self.row) = (&map.id, "same");
                    if map.same == Same::Error {
                        // Of what stands around the orders of a message that is divided, each makes the same.
                        if self.everywhere.is_none() || !self.arena.same(node, one.node) {
                            self.finding(Severity::Error, "key-twice", one.pos);
                        }
                        continue;
                    }
                    if !self.merge(node, one.node, map.same, Some(&map.makes)) && !told.contains(&node) {
                        told.push(node);
                        self.finding(Severity::Warning, "merge-conflict", one.pos);
                    }
                }
            }
        }
        self.built = kept;
    }

    /// Joins arrays as sets and objects key by key; `false` where scalars differ (the first stays). `makes` is the type
    /// of a whole resource, of whose `[x]` elements there is one type: the first stays there too.
    fn merge(&mut self, old: Id, new: Id, same: Same, makes: Option<&str>) -> bool {
        let mut agree = true;
        let children: Vec<_> = self.arena.children(new).collect();
        for (k, child) in children {
            let Some(here) = self.arena.get(old, k) else {
                if let Some(other) = makes.and_then(|makes| self.chosen(old, k, makes)) {
                    // The time at which a period begins says nothing else.
                    let begins =
                        self.arena.get(other, key::START).is_some_and(|at| self.arena.same(at, child));
                    agree &= begins;
                    continue;
                }
                let copy = self.arena.object();
                self.arena.assign(copy, child);
                self.arena.put(old, k, copy);
                continue;
            };
            match (self.arena.read(here), self.arena.read(child)) {
                (Read::Object, Read::Object) => agree &= self.merge(here, child, same, None),
                (Read::Array, Read::Array) => {
                    let items: Vec<_> = self.arena.children(child).map(|(_, id)| id).collect();
                    for item in items {
                        if self.arena.len(here) >= MAX_JOINED {
                            return false;
                        }
                        if !self.arena.children(here).any(|(_, x)| self.arena.same(x, item)) {
                            let copy = self.arena.object();
                            self.arena.assign(copy, item);
                            self.arena.append(here, copy);
                        }
                    }
                }
                (Read::Text(a), Read::Text(b))
                    if same == Same::Widen && (k == key::START || k == key::END) =>
                {
                    // The earliest start and the latest end.
                    if (k == key::START && b < a) || (k == key::END && b > a) {
                        self.arena.assign(here, child);
                    }
                }
                (a, b) => agree &= a == b,
            }
        }
        agree
    }

    /// What a resource has of the `[x]` that an element is a type of: its `occurrencePeriod` for `occurrenceDateTime`.
    fn chosen(&self, resource: Id, at: Key, makes: &str) -> Option<Id> {
        let keys = &self.set.keys;
        let base = target::base(keys.name(at))?;
        let (_, found) =
            self.arena.children(resource).find(|(k, _)| target::base(keys.name(*k)) == Some(base))?;
        r4::element(&format!("{makes}.{base}[x]")).map(|_| found)
    }
}
