//! The record in memory: the same rules as on disk, and a destination that takes everything.

use super::{Applied, Content, Ground, Projection, Standing, UnitState, View, apply, project};
use renkei_translate::finding::Finding;
use renkei_translate::translation::{Status, Translation};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

type Id = (String, String);

/// The record in memory, for `translate`.
#[derive(Debug, Default)]
pub struct Memory {
    units: HashMap<String, UnitState>,
    gone: HashMap<String, BTreeSet<Id>>,
    owners: HashMap<Id, BTreeSet<String>>,
    live: HashMap<String, BTreeSet<String>>,
    standing: HashMap<Id, Standing>,
    sent: BTreeMap<Id, String>,
}

impl Memory {
    /// Takes a translation in and gives what the destination lacks after it, as sent and taken at once, with
    /// the record's own findings. A translation without a unit is a unit of its own, by its number. One that is
    /// held, or left out without taking anything back, changes nothing and sends nothing.
    pub fn apply(&mut self, translation: &Translation, sequence: i64) -> (Projection, Vec<Finding>) {
        let recorded = match translation.status {
            Status::Translated => true,
            Status::Excluded => translation.unit.as_ref().is_some_and(|unit| unit.withdrawn),
            Status::Quarantined => false,
        };
        if !recorded {
            return (Projection::default(), Vec::new());
        }
        let key = unit_key(translation, sequence);
        let Ok(Applied { findings, .. }) = apply(self, &key, translation, sequence);
        let Ok(projection) = project(&mut MemoryView { memory: self, key: &key });
        for put in &projection.puts {
            self.sent.insert((put.resource_type.clone(), put.id.clone()), put.hash.clone());
        }
        for id in &projection.deletes {
            self.sent.remove(id);
        }
        (projection, findings)
    }

    /// A unit as it stands.
    pub fn unit(&self, key: &str) -> Option<&UnitState> {
        self.units.get(key)
    }

    /// `(type, id)` and hash of everything that the destination has.
    pub fn sent(&self) -> &BTreeMap<Id, String> {
        &self.sent
    }

    fn winner(&self, id: &Id) -> Option<&super::Entry> {
        let owners = self.owners.get(id)?.iter();
        let entries =
            owners.filter_map(|key| self.units.get(key)?.entries.iter().find(|e| e.is(&id.0, &id.1)));
        entries.max_by_key(|entry| entry.stamp.clone())
    }
}

/// The key of the unit of a translation; one without a unit adds a unit of its own.
pub(crate) fn unit_key(translation: &Translation, sequence: i64) -> String {
    translation.unit.as_ref().map_or_else(|| format!("message {sequence}"), |unit| unit.key.clone())
}

impl Ground for Memory {
    type Error = Infallible;

    fn unit(&mut self, key: &str) -> Result<Option<UnitState>, Infallible> {
        Ok(self.units.get(key).cloned())
    }

    fn put_unit(&mut self, key: &str, state: &UnitState, gone: &[Id]) -> Result<(), Infallible> {
        let left = self.gone.entry(key.to_owned()).or_default();
        for id in gone {
            if let Some(owners) = self.owners.get_mut(id) {
                owners.remove(key);
            }
            left.insert(id.clone());
        }
        for entry in &state.entries {
            let id = (entry.resource_type.clone(), entry.id.clone());
            left.remove(&id);
            self.owners.entry(id).or_default().insert(key.to_owned());
        }
        let live = self.live.entry(state.patient.clone()).or_default();
        if state.entries.is_empty() {
            live.remove(key);
        } else {
            live.insert(key.to_owned());
        }
        self.units.insert(key.to_owned(), state.clone());
        Ok(())
    }

    fn standing(&mut self, resource_type: &str, id: &str) -> Result<Option<Standing>, Infallible> {
        Ok(self.standing.get(&(resource_type.to_owned(), id.to_owned())).cloned())
    }

    fn put_standing(&mut self, standing: &Standing) -> Result<(), Infallible> {
        self.standing.insert((standing.resource_type.clone(), standing.id.clone()), standing.clone());
        Ok(())
    }

    fn remove_standing(&mut self, resource_type: &str, id: &str) -> Result<(), Infallible> {
        self.standing.remove(&(resource_type.to_owned(), id.to_owned()));
        Ok(())
    }

    fn has_other_live_unit(&mut self, patient: &str, key: &str) -> Result<bool, Infallible> {
        Ok(self.live.get(patient).is_some_and(|live| live.iter().any(|other| other != key)))
    }
}

struct MemoryView<'m> {
    memory: &'m Memory,
    key: &'m str,
}

impl View for MemoryView<'_> {
    type Error = Infallible;

    fn ids(&mut self) -> Result<Vec<Id>, Infallible> {
        let live = self.memory.units.get(self.key).into_iter().flat_map(|unit| &unit.entries);
        let mut ids: Vec<Id> = live.map(|entry| (entry.resource_type.clone(), entry.id.clone())).collect();
        ids.extend(self.memory.gone.get(self.key).into_iter().flatten().cloned());
        Ok(ids)
    }

    fn hash(&mut self, resource_type: &str, id: &str) -> Result<Option<String>, Infallible> {
        let id = (resource_type.to_owned(), id.to_owned());
        let standing = self.memory.standing.get(&id).map(|standing| standing.hash.clone());
        let owned = || self.memory.winner(&id).filter(|e| !e.standing).map(|e| e.hash.clone());
        Ok(standing.or_else(owned))
    }

    fn content(&mut self, resource_type: &str, id: &str) -> Result<Option<Content>, Infallible> {
        let id = (resource_type.to_owned(), id.to_owned());
        if let Some(s) = self.memory.standing.get(&id) {
            let (hash, json, references) = (s.hash.clone(), s.json.clone(), s.references.clone());
            return Ok(Some(Content { hash, json, references }));
        }
        Ok(self.memory.winner(&id).filter(|e| !e.standing).map(|e| Content {
            hash: e.hash.clone(),
            json: e.json.clone(),
            references: e.references.clone(),
        }))
    }

    fn sent(&mut self, resource_type: &str, id: &str) -> Result<Option<Option<String>>, Infallible> {
        Ok(self.memory.sent.get(&(resource_type.to_owned(), id.to_owned())).cloned().map(Some))
    }
}
