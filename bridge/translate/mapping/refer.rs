//! References: the key of the map that makes a type, the resource that a map made from an instance.

use super::item::Item;
use super::plan::{For, Make, Map};
use super::run::{Inst, Run, Scope};
use crate::fhir::{Id, key};
use crate::finding::Severity;
use crate::quick;
use smallvec::SmallVec;
use std::borrow::Cow;

/// `ref` from a value may lead to another that refers on, this deep.
const MAX_DEPTH: usize = 8;

/// The parts of a key.
pub(crate) type Keyed<'m> = SmallVec<[Cow<'m, str>; 8]>;

/// Where instances are found: of each key the first, in order of the keys. A message has few, and asks for few.
#[derive(Default)]
pub(crate) struct Whereabouts<K>(Vec<(K, usize)>);

impl<K: Copy + Ord> Whereabouts<K> {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Adds an instance behind the others: of one key the first stays.
    pub(super) fn add(&mut self, key: K, instance: usize) {
        if self.0.last().is_none_or(|(last, _)| *last != key) {
            self.0.push((key, instance));
        }
    }

    /// To be called when all are added.
    pub(super) fn settle(&mut self) {
        self.0.sort_by_key(|(key, _)| *key);
        self.0.dedup_by_key(|(key, _)| *key);
    }

    fn get(&self, key: K) -> Option<usize> {
        let at = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.0[at].1)
    }
}

impl<'m> Run<'m> {
    /// The id of a resource by the parts of its key.
    pub(crate) fn id_of(&self, map: &Map, parts: &[Cow<'m, str>]) -> String {
        let (map, patient, parts) = match (map.like, parts) {
            (Some(like), [patient, parts @ ..]) => (self.map(like), patient.as_ref(), parts),
            _ => (map, self.patient.as_str(), parts),
        };
        let shared = matches!(map.makes.as_str(), "Practitioner" | "Organization" | "Location" | "Device");
        let mut all: SmallVec<[&str; 12]> = SmallVec::new();
        all.push(&self.context.facility.code);
        all.push(&map.makes);
        if !shared {
            all.push(patient);
        }
        all.push(&map.id);
        all.extend(parts.iter().map(AsRef::as_ref));
        self.context.id_key.id(all)
    }

    /// The id of an instance whose key may have come before: the first keeps it, a further one has its turn in it.
    pub(crate) fn apart(
        &self,
        map: &Map,
        id: String,
        mut parts: Keyed<'m>,
        turns: &mut quick::Map<String, usize>,
    ) -> String {
        let turn = turns.entry(id.clone()).or_default();
        *turn += 1;
        if *turn == 1 {
            return id;
        }
        parts.push(Cow::Owned(turn.to_string()));
        self.id_of(map, &parts)
    }

    /// The parts of a map's key for a scope; a patient id among them is normalised.
    pub(crate) fn key_parts(&mut self, map: &'m Map, scope: &Scope<'_, 'm>) -> Keyed<'m> {
        let mut out = Keyed::new();
        for path in &map.key {
            let text = self.first_text(scope, path);
            out.push(if map.makes == "Patient" && !text.is_empty() {
                Cow::Owned(self.context.facility.patient_id.normalise(&text))
            } else {
                text
            });
        }
        out
    }

    /// A Reference, or nothing where there is no such resource.
    pub(crate) fn reference(
        &mut self,
        make: &'m Make,
        inputs: &[&[Item<'m>]],
        scope: &Scope<'_, 'm>,
    ) -> Option<Id> {
        let (n, of_message, by_key) = match make {
            Make::RefType(_, Some(n)) => (*n, true, false),
            Make::RefMade { index: Some(n), of_message, by_key, .. } => (*n, *of_message, *by_key),
            _ => return None,
        };
        let map = self.map(n);
        let item = inputs.iter().copied().flatten().next()?;
        let instances = self.instances.clone();
        let id: Cow<'_, str> = if by_key {
            let parts: Vec<Cow<'m, str>> =
                inputs.iter().map(|list| list.first().map_or(Cow::Borrowed(""), Item::text)).collect();
            if parts.iter().any(|part| part.is_empty()) {
                return None;
            }
            Cow::Owned(self.id_of(map, &parts))
        } else if matches!(map.instances, For::Datatype) {
            Cow::Owned(self.refer_value(n, item)?)
        } else {
            Cow::Borrowed(&instances[self.made_from(n, item, scope, of_message)?].id)
        };
        if id.is_empty() {
            return None;
        }
        let (object, text) = (self.arena.object(), self.arena.joined(&[&map.makes, "/", &id]));
        self.arena.put(object, key::REFERENCE, text);
        Some(object)
    }

    /// The instance that a map made from the segment or group of a value, one around it, or the message.
    fn made_from(&self, n: usize, item: &Item<'m>, scope: &Scope<'_, 'm>, of_message: bool) -> Option<usize> {
        let segment = match item {
            Item::Group(_) => None,
            other => Some(other.pos().segment).filter(|s| *s != u32::MAX),
        };
        if let Some(found) = segment.and_then(|s| self.at_segment.get((n, s))) {
            return Some(found);
        }
        // The innermost group first, then those around it.
        let mut around = match item {
            Item::Group(g) => Some(*g),
            _ => segment.and_then(|s| self.cut.owner[s as usize]),
        }
        .or(match &scope.inst {
            Inst::Segment(s) => self.cut.owner[*s as usize],
            Inst::Group(g) => Some(*g),
            Inst::Field(item) => self.cut.owner[item.pos().segment as usize],
            Inst::Made(_, g) => *g,
            _ => None,
        });
        while let Some(g) = around {
            if let Some(found) = self.at_group.get((n, g)) {
                return Some(found);
            }
            around = self.cut.instances[g as usize].parent.map(|p| p as u32);
        }
        // What belongs to the message itself, such as the Patient of its PID.
        if let Some(found) = self.at_message.get(n) {
            return Some(found);
        }
        if of_message { self.anywhere.get(n) } else { None }
    }

    /// The id of the resource that a value itself makes; it is made on the way.
    fn refer_value(&mut self, n: usize, item: &Item<'m>) -> Option<String> {
        let memo = item.raw().map(|raw| (n, raw));
        if let Some(memo) = memo
            && let Some(known) = self.referred.get(&memo)
        {
            return known.clone();
        }
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let (owner, row) = (self.owner, self.row);
        let touched = std::mem::take(&mut self.touched);
        let id = self.refer_new(n, item);
        (self.owner, self.row, self.touched) = (owner, row, touched);
        self.depth -= 1;
        if let Some(memo) = memo {
            self.referred.insert(memo, id.clone());
        }
        id
    }

    /// Makes the resource of a value, as a rule would.
    pub(crate) fn refer_for_test(&mut self, n: usize, item: &Item<'m>) {
        self.refer_value(n, item);
    }

    fn refer_new(&mut self, n: usize, item: &Item<'m>) -> Option<String> {
        let map = self.map(n);
        self.owner = &map.id;
        let mut scope = self.scope(Inst::Value(item.clone()), 1);
        if let Some(when) = &map.when
            && !self.holds(&scope, None, when)
        {
            return None;
        }
        if !self.lets(&map.lets, map.slots, &mut scope, Some(n)) {
            return None;
        }
        let parts = self.key_parts(map, &scope);
        if parts.iter().all(|part| part.is_empty()) {
            self.row = "key";
            self.finding(Severity::Warning, "key-empty", item.pos());
            return None;
        }
        let id = self.id_of(map, &parts);
        self.resource(n, &id, &scope, false);
        Some(id)
    }
}
