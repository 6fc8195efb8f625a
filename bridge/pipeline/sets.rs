//! The mapping sets at work: what all facilities share, and one for each facility that lays something over it.
//!
//! Each can be exchanged while the appliance is at work; a batch of messages keeps the one that it began with. A set that
//! cannot be made stands as an unusable one: its messages wait.

use arc_swap::ArcSwap;
use renkei_translate::mapping::MappingSet;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module. Clones share the sets.
#[derive(Clone, Debug)]
pub struct Sets {
    common: Arc<ArcSwap<MappingSet>>,
    /// The place of each facility that was asked for; `None` = everybody has the common one.
    places: Option<Arc<Mutex<BTreeMap<String, Place>>>>,
}

/// A facility's place: what holds it keeps it, and finds what is put there later.
#[derive(Debug)]
struct Place {
    set: Arc<ArcSwap<MappingSet>>,
    /// Whether the set in it is the facility's own, and not that of all.
    own: bool,
}

impl Sets {
    /// With the set of all facilities and, by code, those of facilities with a layer of their own.
    pub fn new(common: MappingSet, own: BTreeMap<String, MappingSet>) -> Self {
        let sets = Self { common: Arc::new(ArcSwap::from_pointee(common)), places: Some(Arc::default()) };
        sets.place(own.into_iter().map(|(facility, set)| (facility, Some(set))).collect(), false);
        sets
    }

    /// The set of all facilities that have none of their own.
    pub fn common(&self) -> &Arc<ArcSwap<MappingSet>> {
        &self.common
    }

    /// The set that translates what a facility sends.
    pub fn of(&self, facility: &str) -> Arc<ArcSwap<MappingSet>> {
        let Some(places) = &self.places else { return self.common.clone() };
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = || Place { set: Arc::new(ArcSwap::new(self.common.load_full())), own: false };
        places.entry(facility.to_owned()).or_insert_with(shared).set.clone()
    }

    /// The facilities that have a set of their own.
    pub fn own(&self) -> Vec<String> {
        let Some(places) = &self.places else { return Vec::new() };
        let places = places.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().filter(|(_, place)| place.own).map(|(facility, _)| facility.clone()).collect()
    }

    /// Puts other sets in the place of these; a batch of messages keeps the one that it began with. Where none could be
    /// made, the one that stands there stays.
    pub fn exchange(&self, common: Option<MappingSet>, own: BTreeMap<String, Option<MappingSet>>) {
        let kept = common.is_none();
        if let Some(common) = common {
            self.common.store(Arc::new(common));
        }
        self.place(own, kept);
    }

    fn place(&self, mut own: BTreeMap<String, Option<MappingSet>>, kept: bool) {
        let Some(places) = &self.places else { return };
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        for (facility, place) in places.iter_mut() {
            let (set, is_own) = match own.remove(facility) {
                Some(None) => continue,
                Some(Some(set)) => (Arc::new(set), true),
                None if kept => continue,
                None => (self.common.load_full(), false),
            };
            place.own = is_own;
            place.set.store(set);
        }
        for (facility, set) in own {
            // Nothing stands there yet.
            let set = set.unwrap_or_else(MappingSet::unusable);
            places.insert(facility, Place { set: Arc::new(ArcSwap::from_pointee(set)), own: true });
        }
    }
}

impl From<Arc<ArcSwap<MappingSet>>> for Sets {
    /// One set for everybody.
    fn from(common: Arc<ArcSwap<MappingSet>>) -> Self {
        Self { common, places: None }
    }
}

#[cfg(test)]
mod tests {
    use super::Sets;
    use renkei_translate::mapping::{Layer, MappingSet, Rank, SourceFile};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// A set without rules; sets of two names are told apart by their versions.
    fn set(name: &str) -> MappingSet {
        let path = format!("tables/{name}.csv");
        let text =
            "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";
        MappingSet::layered(vec![Layer::new(Rank::Shipped, vec![SourceFile { path, text: text.into() }])])
            .unwrap()
    }

    #[test]
    fn a_facility_without_a_set_of_its_own_has_that_of_all() {
        let sets = Sets::new(set("all"), BTreeMap::from([("1310000001".to_owned(), set("one"))]));
        let version = |facility: &str| sets.of(facility).load().version().to_owned();
        assert_eq!(version("1310000002"), set("all").version());
        assert_eq!(version("1310000001"), set("one").version());
        assert_eq!(sets.own(), ["1310000001"]);
    }

    #[test]
    fn who_holds_a_place_finds_what_is_put_there_later() {
        let sets = Sets::new(set("all"), BTreeMap::from([("1310000001".to_owned(), set("one"))]));
        let held = [sets.of("1310000001"), sets.of("1310000002"), sets.of("1310000003")];
        let versions = || held.each_ref().map(|place| place.load().version().to_owned());
        let of = |names: [&str; 3]| names.map(|name| set(name).version().to_owned());
        let before = held[1].load_full();
        assert_eq!(versions(), of(["one", "all", "all"]));
        // The first loses its own, the second gains one, the third follows that of all.
        sets.exchange(Some(set("new")), BTreeMap::from([("1310000002".to_owned(), Some(set("two")))]));
        assert_eq!(versions(), of(["new", "two", "new"]));
        assert_eq!(sets.own(), ["1310000002"]);
        assert_eq!(sets.common().load().version(), set("new").version());
        // What was begun with is still what it was.
        assert_eq!(before.version(), set("all").version());
        assert!(!Arc::ptr_eq(&before, &held[1].load_full()));
        // What cannot be made takes nobody's set away; who has none at all waits.
        sets.exchange(
            None,
            BTreeMap::from([("1310000002".to_owned(), None), ("1310000004".to_owned(), None)]),
        );
        assert_eq!(versions(), of(["new", "two", "new"]));
        assert!(!sets.of("1310000004").load().is_usable());
        sets.exchange(Some(set("last")), BTreeMap::from([("1310000002".to_owned(), None)]));
        assert_eq!(versions(), of(["last", "two", "last"]));
        assert_eq!(sets.of("1310000004").load().version(), set("last").version());
    }
}
