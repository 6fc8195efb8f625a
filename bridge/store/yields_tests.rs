//! What several messages say of one resource, on disk: an order and its act, doses and their cancels, RPs told alone.

use super::tests::{accept, complete_next, done, fresh, index, lab, next_delivery};
use super::{FacilityStore, Selection, Settlement};
use crate::record::Memory;
use crate::record::tests::{resource, withdrawn};
use renkei_translate::translation::{Role, Translation};
use std::collections::BTreeMap;

/// A message with one resource of this content, in its unit.
fn telling(key: &str, time: u64, resource_type: &str, id: &str, content: &str) -> Translation {
    let mut message = lab(key, time, &[]);
    let mut one = resource(resource_type, id, Role::Unit, "", &["Patient/p"]);
    one.json = format!(
        r#"{{"resourceType":"{resource_type}","id":"{id}","subject":{{"reference":"Patient/p"}},{content}}}"#
    )
    .into_bytes();
    one.line = id.to_owned();
    message.resources.insert(0, one);
    message
}

fn ordered(time: u64, reason: &str) -> Translation {
    telling(
        "order",
        time,
        "ServiceRequest",
        "s",
        &format!(r#""status":"active","reasonCode":[{{"text":"{reason}"}}]"#),
    )
}

fn performed(time: u64) -> Translation {
    let mut message = telling(
        "act",
        time,
        "ServiceRequest",
        "s",
        r#""status":"completed","specimen":[{"reference":"Specimen/x"}]"#,
    );
    message.resources[0].yields = true;
    message
}

fn doses(key: &str, time: u64, ids: &[&str]) -> Translation {
    let mut all = telling(key, time, "MedicationAdministration", ids[0], r#""status":"completed""#);
    for id in &ids[1..] {
        let one =
            telling(key, time, "MedicationAdministration", id, r#""status":"completed""#).resources.remove(0);
        all.resources.insert(0, one);
    }
    all
}

fn not_given(time: u64, id: &str) -> Translation {
    let mut message = withdrawn(lab(id, time, &[]));
    let unit = message.unit.as_mut().unwrap();
    unit.lines = Some(vec![id.to_owned()]);
    unit.takes_back = vec![("MedicationAdministration".to_owned(), id.to_owned())];
    message
}

type Base = BTreeMap<(String, String), String>;

/// Sends what waits; what the base has then, with its contents.
fn deliver(store: &FacilityStore, base: &mut Base) {
    while let Some(claim) = next_delivery(store) {
        let projection = store.projection(&claim).unwrap();
        if !projection.is_empty() {
            store.begin_send(&claim, &projection).unwrap();
        }
        for put in &projection.puts {
            base.insert((put.resource_type.clone(), put.id.clone()), put.json.get().to_owned());
        }
        for id in &projection.deletes {
            base.remove(id);
        }
        store.settle(claim, Settlement::Registered { projection }).unwrap();
    }
}

async fn receive(store: &FacilityStore, count: usize) {
    for n in 0..count {
        accept(store, &n.to_string(), "p:").await;
    }
    index(store);
}

/// What a base refuses.
fn refuse(store: &FacilityStore) {
    while let Some(claim) = next_delivery(store) {
        let projection = store.projection(&claim).unwrap();
        store.begin_send(&claim, &projection).unwrap();
        store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    }
}

/// Histories of four messages.
fn histories() -> [[Translation; 4]; 2] {
    let orders = [ordered(1, "fall"), performed(2), ordered(3, "fracture"), withdrawn(performed(4))];
    let given =
        [doses("a", 1, &["a", "b", "c"]), not_given(2, "b"), doses("b", 3, &["b"]), not_given(4, "c")];
    [orders, given]
}

const ARRIVALS: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]];

#[tokio::test]
async fn on_disk_and_in_memory_the_same_stands() {
    for (history, arrival) in
        histories().iter().flat_map(|history| ARRIVALS.map(|arrival| (history, arrival)))
    {
        for sends_each in [true, false] {
            let (_dir, _root, store) = fresh();
            receive(&store, 4).await;
            let (mut base, mut memory) = (Base::new(), Memory::default());
            for (n, sequence) in arrival.into_iter().zip(1..) {
                complete_next(&store, history[n].clone());
                memory.apply(&history[n], sequence);
                if sends_each {
                    deliver(&store, &mut base);
                }
            }
            deliver(&store, &mut base);
            let hash = |json: &String| crate::record::hash(json.as_bytes());
            let hashes: BTreeMap<_, _> = base.iter().map(|(id, json)| (id.clone(), hash(json))).collect();
            assert_eq!(&hashes, memory.sent(), "{arrival:?}");
            assert_eq!(store.record_ids().unwrap(), base.into_keys().collect::<Vec<_>>(), "{arrival:?}");
        }
    }
}

#[tokio::test]
async fn a_discarded_message_leaves_no_trace_of_what_it_added_completed_or_took_back() {
    for history in histories() {
        for last in 1..4 {
            let (_dir, _root, store) = fresh();
            receive(&store, last + 1).await;
            let (mut base, mut said) = (Base::new(), Vec::new());
            for message in &history[..last] {
                said.push((complete_next(&store, message.clone()), message.clone()));
            }
            deliver(&store, &mut base);
            let before = base.clone();
            let wrong = complete_next(&store, history[last].clone());
            refuse(&store);
            assert_eq!(store.discard(&Selection::Messages(vec![wrong]), "wrong").unwrap(), 1);
            while let Some(claim) = store.claim(1).unwrap().pop() {
                let (_, again) = said.iter().find(|(id, _)| *id == claim.id).unwrap();
                store.complete(vec![(claim, done(again.clone()))]).unwrap();
            }
            deliver(&store, &mut base);
            assert_eq!(base, before, "{last}");
        }
    }
}

#[tokio::test]
async fn what_is_held_for_a_mistake_is_not_left_out_for_a_change_of_another_line() {
    let (_dir, _root, store) = fresh();
    receive(&store, 2).await;
    let whole = || doses("rx", 1, &["1", "2"]);
    let first = complete_next(&store, super::tests::quarantined(whole()));
    let mut change = doses("rx", 2, &["2"]);
    change.unit.as_mut().unwrap().lines = Some(vec!["2".to_owned()]);
    complete_next(&store, change);
    let mut base = Base::new();
    deliver(&store, &mut base);
    assert_eq!(super::tests::state(&store, first).0, super::State::Quarantined);
    store.replay(&Selection::Messages(vec![first])).unwrap();
    complete_next(&store, whole());
    deliver(&store, &mut base);
    let ids: Vec<&str> = base.keys().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "p"]);
    let state = store.message(first).unwrap().unwrap();
    assert!(state.findings.iter().any(|finding| finding.code == "order-in-part"), "{:?}", state.findings);
}
