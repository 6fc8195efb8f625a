//! What the pages of messages and mappings work with besides the store: the active mapping set, the settings of
//! the facilities, and what sessions have opened and typed.

use super::reading::Searches;
use super::reveal::Reveals;
use crate::pipeline::Sets;
use crate::store::Origin;
use renkei_translate::identity::IdKey;
use renkei_translate::mapping::{MappingSet, TestResult};
use renkei_translate::translation::{Context, Facility};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Results of a set's tests, with the version of the set.
type Tested = (String, Arc<Vec<TestResult>>);

/// See the module.
pub struct Bench {
    sets: Sets,
    settings: Arc<BTreeMap<String, Arc<Facility>>>,
    /// What is open.
    pub reveals: Reveals,
    /// What was typed.
    pub searches: Searches,
    tested: Mutex<Option<Tested>>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

impl Bench {
    /// With the active sets and the settings of the facilities by code.
    pub fn new(sets: impl Into<Sets>, settings: Arc<BTreeMap<String, Arc<Facility>>>) -> Self {
        let (reveals, searches) = (Reveals::default(), Searches::default());
        Self { sets: sets.into(), settings, reveals, searches, tested: Mutex::default() }
    }

    /// The set that is active now for all facilities without one of their own.
    pub fn set(&self) -> Arc<MappingSet> {
        self.sets.common().load_full()
    }

    /// The set that is active now for a facility.
    pub fn set_of(&self, facility: &str) -> Arc<MappingSet> {
        self.sets.of(facility).load_full()
    }

    /// The versions that are active now, that of all facilities first.
    pub fn versions(&self) -> Vec<String> {
        let own = self.sets.own().into_iter().map(|facility| self.set_of(&facility).version().to_owned());
        std::iter::once(self.set().version().to_owned()).chain(own).collect()
    }

    /// The page that shows a rule (`map/rule`): that of its map, or the row of its message file; empty where there is
    /// none.
    pub fn page_of_rule(&self, rule: &str) -> String {
        let id = rule.split('/').next().unwrap_or_default();
        let set = self.set();
        if set.has_map(id) {
            format!("/mappings/{id}")
        } else if set.messages().iter().any(|message| message == id) {
            format!("/mappings#m-{id}")
        } else {
            String::new()
        }
    }

    /// A patient's id as the facility writes it.
    pub fn normalise(&self, facility: &str, patient: &str) -> String {
        let rule = self.settings.get(facility).map(|settings| &settings.patient_id);
        rule.map_or_else(|| patient.trim().to_owned(), |rule| rule.normalise(patient))
    }

    /// What a message is translated with, as it was when it was received.
    pub fn context(&self, facility: &str, id_key: IdKey, origin: &Origin) -> Context {
        let settings = self.settings.get(facility).cloned();
        Context {
            facility: settings
                .unwrap_or_else(|| Arc::new(Facility { code: facility.to_owned(), ..Facility::default() })),
            id_key,
            file: origin.file.clone(),
            path_patient: origin.path_patient,
            lists: origin.lists,
            feed: origin.feed.clone(),
        }
    }

    /// The results of the tests of the active set: run once a version.
    pub fn tests(&self) -> Arc<Vec<TestResult>> {
        let set = self.set();
        let mut tested = self.tested.lock().unwrap_or_else(PoisonError::into_inner);
        match &*tested {
            Some((version, results)) if version == set.version() => results.clone(),
            _ => {
                let results = Arc::new(set.run_tests());
                *tested = Some((set.version().to_owned(), results.clone()));
                results
            }
        }
    }
}
