//! The record in memory: the same rules as on disk, and a destination that takes everything.

use super::yields::Said;
use super::{
    Content, Entry, Ground, Merged, Merges, Projection, Stamp, Standing, UnitState, View, apply, merge,
    project, yields,
};
use renkei_translate::finding::{Finding, Location};
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
    /// By the unit that says so.
    merges: BTreeMap<String, Merged>,
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
        let divided = translation.divided();
        let whole = std::slice::from_ref(translation);
        let mut keys = unit_keys(translation, sequence);
        let mut findings = Vec::new();
        for (share, key) in (if divided.is_empty() { whole } else { &divided }).iter().zip(&keys) {
            let Ok(applied) = apply(self, key, share, sequence);
            findings.extend(applied.findings);
        }
        keys.extend(self.of_merged(translation.patient.as_deref().unwrap_or_default()));
        let mut projection = Projection::default();
        for key in keys {
            let Ok(of_unit) = project(&mut MemoryView { memory: self, key: &key });
            for put in &of_unit.puts {
                self.sent.insert((put.resource_type.clone(), put.id.clone()), put.hash.clone());
            }
            for id in &of_unit.deletes {
                self.sent.remove(id);
            }
            projection.puts.extend(of_unit.puts);
            projection.deletes.extend(of_unit.deletes);
        }
        (projection, findings)
    }

    /// Why a translation must not be recorded: it undoes a merge.
    pub fn refuses(&self, translation: &Translation) -> Option<Finding> {
        let said = translation.merge.as_ref()?;
        let Ok(undoes) = merge::undoes(&mut MemoryView { memory: self, key: "" }, said);
        undoes.then(|| Finding::error("merge-undone", Location::field("MRG", 1)))
    }

    /// The units that a message of a patient may change besides its own: those of everybody merged with that patient.
    fn of_merged(&self, patient: &str) -> Vec<String> {
        let mut view = MemoryView { memory: self, key: "" };
        let Ok(course) = merge::course(&mut view, patient);
        let last = course.last().map_or(patient, |merged| merged.said.survivor.as_str());
        let Ok(priors) = merge::priors(&mut view, last);
        if priors.is_empty() {
            return Vec::new();
        }
        let of_them = |unit: &UnitState| unit.patient == last || priors.contains(&unit.patient);
        let mut keys: Vec<String> =
            self.units.iter().filter(|(_, unit)| of_them(unit)).map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// A unit as it stands.
    pub fn unit(&self, key: &str) -> Option<&UnitState> {
        self.units.get(key)
    }

    /// `(type, id)` and hash of everything that the destination has.
    pub fn sent(&self) -> &BTreeMap<Id, String> {
        &self.sent
    }

    /// The units that say a resource, each with what it says.
    fn sayers(&self, id: &Id) -> Vec<(&UnitState, &Entry)> {
        let owners = self.owners.get(id).into_iter().flatten().filter_map(|key| self.units.get(key));
        let taken_back = owners.clone().flat_map(|unit| &unit.takes_back);
        let since = taken_back.filter(|r| r.resource_type == id.0 && r.id == id.1).map(|r| &r.stamp).max();
        let entries =
            owners.filter_map(|unit| Some((unit, unit.entries.iter().find(|e| e.is(&id.0, &id.1))?)));
        entries
            .filter(|(_, entry)| !entry.standing && since.is_none_or(|since| entry.stamp > *since))
            .collect()
    }
}

/// The keys of the units of a translation, in their order.
pub(crate) fn unit_keys(translation: &Translation, sequence: i64) -> Vec<String> {
    if translation.shares.is_empty() {
        return vec![unit_key(translation, sequence)];
    }
    translation.shares.iter().map(|share| share.unit.key.clone()).collect()
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
        for removed in &state.takes_back {
            let id = (removed.resource_type.clone(), removed.id.clone());
            self.owners.entry(id.clone()).or_default().insert(key.to_owned());
            if !state.entries.iter().any(|entry| entry.is(&id.0, &id.1)) {
                left.insert(id);
            }
        }
        let live = self.live.entry(state.patient.clone()).or_default();
        if state.entries.is_empty() {
            live.remove(key);
        } else {
            live.insert(key.to_owned());
        }
        match &state.merge {
            Some(merged) => self.merges.insert(key.to_owned(), merged.clone()),
            None => self.merges.remove(key),
        };
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
        let priors = merge::priors(&mut MemoryView { memory: self, key: "" }, patient)?;
        let live =
            |patient: &str| self.live.get(patient).is_some_and(|live| live.iter().any(|other| other != key));
        Ok(live(patient) || priors.iter().any(|prior| live(prior)))
    }

    fn is_said_elsewhere(&mut self, resource_type: &str, id: &str, key: &str) -> Result<bool, Infallible> {
        let owners = self.owners.get(&(resource_type.to_owned(), id.to_owned()));
        let others = owners.into_iter().flatten().filter(|other| *other != key);
        let mut units = others.filter_map(|other| self.units.get(other));
        Ok(units.any(|unit| unit.entries.iter().any(|entry| entry.is(resource_type, id))))
    }

    fn merged_before(&mut self, patient: &str, stamp: &Stamp) -> Result<bool, Infallible> {
        Ok(self.merges.values().any(|merged| merged.said.prior == patient && merged.stamp < *stamp))
    }
}

struct MemoryView<'m> {
    memory: &'m Memory,
    key: &'m str,
}

impl Merges for MemoryView<'_> {
    type Error = Infallible;

    fn merges(&mut self, patient: &str, as_prior: bool) -> Result<Vec<Merged>, Infallible> {
        let merges = self.memory.merges.values();
        let names = |merged: &&Merged| match as_prior {
            true => merged.said.prior == patient,
            false => merged.said.survivor == patient,
        };
        Ok(merges.filter(names).cloned().collect())
    }

    fn patient_of(&mut self, patient_id: &str) -> Result<Option<String>, Infallible> {
        Ok(self.memory.merges.values().find_map(|Merged { said, .. }| match patient_id {
            id if id == said.prior_id => Some(said.prior.clone()),
            id if id == said.survivor_id => Some(said.survivor.clone()),
            _ => None,
        }))
    }

    fn floor(&mut self, patient: &str, kind: &str) -> Result<Stamp, Infallible> {
        // A list that was taken back before it was ever told does not know that it is one; its kind does.
        let lists = self.memory.units.values().filter(|unit| unit.kind == kind);
        Ok(lists
            .filter(|unit| unit.patient == patient)
            .map(|unit| unit.floor.clone())
            .max()
            .unwrap_or_default())
    }

    fn told(&mut self, _: &Merged) -> Result<bool, Infallible> {
        Ok(true)
    }

    fn stands(&mut self, patient_id: &str) -> Result<bool, Infallible> {
        Ok(self.memory.standing.contains_key(&("Patient".to_owned(), patient_id.to_owned())))
    }
}

impl View for MemoryView<'_> {
    type Error = Infallible;

    fn ids(&mut self) -> Result<Vec<Id>, Infallible> {
        let unit = self.memory.units.get(self.key);
        let entries = || unit.into_iter().flat_map(|unit| &unit.entries);
        let mut ids: Vec<Id> =
            entries().map(|entry| (entry.resource_type.clone(), entry.id.clone())).collect();
        ids.extend(self.memory.gone.get(self.key).into_iter().flatten().cloned());
        if unit.is_some_and(|unit| unit.list) {
            // Whatever it ever had may be there under any survivor that it ever had.
            let own: Vec<Id> = ids.iter().filter(|(kind, _)| kind != "Patient").cloned().collect();
            for merged in self.memory.merges.values() {
                let moved = |(kind, id): &Id| {
                    Some((kind.clone(), merge::moved_id(kind, id, std::slice::from_ref(merged))?))
                };
                ids.extend(own.iter().filter_map(moved));
            }
        }
        Ok(ids)
    }

    fn hash(&mut self, resource_type: &str, id: &str) -> Result<Option<String>, Infallible> {
        Ok(self.content(resource_type, id)?.map(|content| content.hash))
    }

    fn content(&mut self, resource_type: &str, id: &str) -> Result<Option<Content>, Infallible> {
        let key = (resource_type.to_owned(), id.to_owned());
        if let Some(s) = self.memory.standing.get(&key) {
            let (hash, json, references) = (s.hash.clone(), s.json.clone(), s.references.clone());
            let content = Content { hash, json, references };
            return Ok(Some(if resource_type == "Patient" {
                merge::linked(self, id, content)?
            } else {
                content
            }));
        }
        let memory = self.memory;
        let sayers = memory.sayers(&key);
        if !sayers.is_empty() {
            let mut said = Vec::with_capacity(sayers.len());
            for (unit, entry) in sayers {
                let course = merge::course(self, &unit.patient)?;
                if !unit.list || course.is_empty() {
                    said.push(Said::of(entry, merge::under(unit, entry, &course)));
                }
            }
            return Ok(yields::stands(resource_type, said));
        }
        // It may be what an entry of a list is under the survivor.
        for unit in memory.units.values().filter(|unit| unit.list && !memory.merges.is_empty()) {
            let course = merge::course(self, &unit.patient)?;
            let moved = |e: &&Entry| {
                !e.standing
                    && e.resource_type == resource_type
                    && merge::moved_id(&e.resource_type, &e.id, &course).as_deref() == Some(id)
            };
            if let Some(entry) = unit.entries.iter().find(moved)
                && merge::counts(self, unit, entry, &course)?
            {
                return Ok(Some(merge::under(unit, entry, &course)));
            }
        }
        Ok(None)
    }

    fn sent(&mut self, resource_type: &str, id: &str) -> Result<Option<Option<String>>, Infallible> {
        Ok(self.memory.sent.get(&(resource_type.to_owned(), id.to_owned())).cloned().map(Some))
    }
}
