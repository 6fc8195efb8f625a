//! The mapping sets at work: what all facilities share, and one for each facility that lays something over it.
//!
//! Each can be exchanged while the appliance is at work; a batch of messages keeps the one that it began with.

use arc_swap::ArcSwap;
use renkei_translate::mapping::MappingSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module. Clones share the sets.
#[derive(Clone, Debug)]
pub struct Sets {
    common: Arc<ArcSwap<MappingSet>>,
    own: Arc<BTreeMap<String, Arc<ArcSwap<MappingSet>>>>,
}

impl Sets {
    /// With the set of all facilities and, by code, those of facilities with a layer of their own.
    pub fn new(common: MappingSet, own: BTreeMap<String, MappingSet>) -> Self {
        let own = own.into_iter().map(|(code, set)| (code, Arc::new(ArcSwap::from_pointee(set)))).collect();
        Self { common: Arc::new(ArcSwap::from_pointee(common)), own: Arc::new(own) }
    }

    /// The set of all facilities that have none of their own.
    pub fn common(&self) -> &Arc<ArcSwap<MappingSet>> {
        &self.common
    }

    /// The set that translates what a facility sends.
    pub fn of(&self, facility: &str) -> &Arc<ArcSwap<MappingSet>> {
        self.own.get(facility).unwrap_or(&self.common)
    }

    /// The facilities that have a set of their own.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(String::as_str)
    }
}

impl From<Arc<ArcSwap<MappingSet>>> for Sets {
    /// One set for everybody.
    fn from(common: Arc<ArcSwap<MappingSet>>) -> Self {
        Self { common, own: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::Sets;
    use renkei_translate::mapping::MappingSet;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn a_facility_without_a_set_of_its_own_has_that_of_all() {
        let empty = || MappingSet::load(Vec::new()).unwrap();
        let sets = Sets::new(empty(), BTreeMap::from([("1310000001".to_owned(), empty())]));
        assert!(Arc::ptr_eq(sets.of("1310000002"), sets.common()));
        assert!(!Arc::ptr_eq(sets.of("1310000001"), sets.common()));
        assert_eq!(sets.own().collect::<Vec<_>>(), ["1310000001"]);
    }
}
