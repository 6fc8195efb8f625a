//! Two patients become one: what the base gets, and who may see it.

use super::consent_tests::{list, listed};
use super::tests::{NOW, accept, complete_next, deliver, fresh, index, next_delivery, state, sum};
use super::{
    ConsentRow, FacilityStore, MessageId, Selection, Settlement, Sharing, State, TestPatients, Withdrawal,
};
use crate::record::Projection;
use crate::record::merge_tests::{allergies, demographics, merge, result};
use renkei_translate::translation::Translation;
use serde_json::Value;
use std::collections::BTreeMap;

async fn take(store: &FacilityStore, name: &str, patients: &str, message: Translation) -> MessageId {
    accept(store, name, &format!("{patients}:{name}")).await;
    index(store);
    complete_next(store, message)
}

/// Sends what waits to a base that keeps it.
fn send(store: &FacilityStore, base: &mut BTreeMap<String, Value>) {
    while let Some(claim) = next_delivery(store) {
        let projection = store.projection(&claim).unwrap();
        if !projection.is_empty() {
            assert!(store.begin_send(&claim, &projection).unwrap());
        }
        keep(base, &projection);
        store.settle(claim, Settlement::Registered { projection }).unwrap();
    }
}

fn keep(base: &mut BTreeMap<String, Value>, projection: &Projection) {
    for put in &projection.puts {
        let json = serde_json::from_str(put.json.get()).unwrap();
        base.insert(format!("{}/{}", put.resource_type, put.id), json);
    }
    for (resource_type, id) in &projection.deletes {
        // What may be there is deleted to be sure.
        base.remove(&format!("{resource_type}/{id}"));
    }
}

fn subjects(base: &BTreeMap<String, Value>, kind: &str) -> Vec<String> {
    let all = base.iter().filter(|(key, _)| key.starts_with(kind));
    all.map(|(_, value)| value["subject"]["reference"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_sent_goes_out_again_with_the_survivor_and_later_messages_find_it() {
    let (_dir, _root, store) = fresh();
    let mut base = BTreeMap::new();
    let first = take(&store, "1", "a", result("a", 1, "o")).await;
    take(&store, "2", "a", allergies("a", 1, &["x"])).await;
    take(&store, "3", "b", allergies("b", 1, &["y"])).await;
    send(&store, &mut base);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/a");
    let merged = take(&store, "4", "b a", merge("a", "b", 2)).await;
    send(&store, &mut base);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
    assert_eq!(base["Patient/a"]["active"], false);
    assert_eq!(base["Patient/a"]["link"][0]["other"]["reference"], "Patient/b");
    assert_eq!(base["Patient/b"]["link"][0]["type"], "replaces");
    assert!(!base.contains_key("AllergyIntolerance/x"));
    assert_eq!(subjects(&base, "Allergy"), ["Patient/b", "Patient/b"]);
    for id in [first, merged] {
        assert_eq!(state(&store, id), (State::Registered, None));
    }
    // A correction under the old id, and the survivor's next list.
    take(&store, "5", "a", result("a", 3, "o")).await;
    take(&store, "6", "b", allergies("b", 3, &["y", "z"])).await;
    send(&store, &mut base);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
    assert_eq!(subjects(&base, "Allergy").len(), 2);
    assert!(base.contains_key("AllergyIntolerance/y") && base.contains_key("AllergyIntolerance/z"));
    assert_eq!(deliver(&store), (Vec::new(), Vec::new()), "nothing is sent for ever");
}

#[tokio::test]
async fn a_merge_that_comes_while_a_result_is_under_way_is_not_lost() {
    let (_dir, _root, store) = fresh();
    let mut base = BTreeMap::new();
    take(&store, "1", "a", result("a", 1, "o")).await;
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(store.begin_send(&claim, &projection).unwrap());
    take(&store, "2", "b a", merge("a", "b", 2)).await;
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    send(&store, &mut base);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
}

#[tokio::test]
async fn a_list_of_the_survivor_that_comes_while_that_of_the_prior_is_under_way_takes_its_place() {
    let (_dir, _root, store) = fresh();
    let mut base = BTreeMap::new();
    take(&store, "1", "a", allergies("a", 1, &["x"])).await;
    send(&store, &mut base);
    take(&store, "2", "b a", merge("a", "b", 2)).await;
    let mut claims = store.claim_deliveries("base", NOW, 2).unwrap();
    claims.sort_by_key(|claim| claim.kind != "allergies");
    let claim = claims.remove(0);
    let projection = store.projection(&claim).unwrap();
    assert!(store.begin_send(&claim, &projection).unwrap());
    take(&store, "3", "b", allergies("b", 3, &["y"])).await;
    keep(&mut base, &projection);
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    for claim in claims {
        store.settle(claim, Settlement::Retry { at_ms: 0, error: "again" }).unwrap();
    }
    send(&store, &mut base);
    let left: Vec<&String> = base.keys().filter(|key| key.starts_with("Allergy")).collect();
    assert_eq!(left, ["AllergyIntolerance/y"]);
}

#[tokio::test]
async fn a_discarded_merge_leaves_no_trace() {
    let (_dir, _root, store) = fresh();
    let mut base = BTreeMap::new();
    take(&store, "1", "a", result("a", 1, "o")).await;
    take(&store, "2", "a", allergies("a", 1, &["x"])).await;
    send(&store, &mut base);
    let before = base.clone();
    let merged = take(&store, "3", "b a", merge("a", "b", 2)).await;
    while let Some(claim) = next_delivery(&store) {
        let projection = store.projection(&claim).unwrap();
        assert!(store.begin_send(&claim, &projection).unwrap());
        let refused = claim.kind.starts_with("merge");
        let settlement = match refused {
            true => Settlement::Rejected { status: 422, answer: Vec::new() },
            false => {
                keep(&mut base, &projection);
                Settlement::Registered { projection }
            }
        };
        store.settle(claim, settlement).unwrap();
    }
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
    assert_eq!(store.discard(&Selection::Messages(vec![merged]), "wrong").unwrap(), 1);
    send(&store, &mut base);
    assert_eq!(base, before);
}

#[tokio::test]
async fn what_the_base_refused_is_tried_again_under_the_survivor() {
    let (_dir, _root, store) = fresh();
    let mut base = BTreeMap::new();
    let refused = take(&store, "1", "a", result("a", 1, "o")).await;
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    assert_eq!(state(&store, refused).0, State::Rejected);
    take(&store, "2", "b a", merge("a", "b", 2)).await;
    assert_eq!(state(&store, refused).0, State::Pending);
    send(&store, &mut base);
    assert_eq!(state(&store, refused).0, State::Registered);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
}

#[tokio::test]
async fn a_merge_of_a_test_patient_takes_nothing_from_the_survivor() {
    let (_dir, _root, store) = fresh();
    let tests = TestPatients { ids: vec!["a".into()], ..TestPatients::default() };
    store.share(&Sharing { tests, ..Sharing::all(&["base", "other"]) }, NOW).unwrap();
    let mut base = BTreeMap::new();
    take(&store, "1", "a", result("a", 1, "o")).await;
    take(&store, "2", "b a", merge("a", "b", 2)).await;
    let own = take(&store, "3", "b", result("b", 3, "p")).await;
    send(&store, &mut base);
    assert_eq!(base.keys().collect::<Vec<_>>(), ["Observation/p", "Patient/b"]);
    assert_eq!(state(&store, own).0, State::Registered);
}

#[tokio::test]
async fn a_merge_that_undoes_another_is_held_with_that_cause() {
    let (_dir, _root, store) = fresh();
    let mut base = BTreeMap::new();
    take(&store, "1", "a", result("a", 1, "o")).await;
    take(&store, "2", "b a", merge("a", "b", 2)).await;
    let undone = take(&store, "3", "a b", merge("b", "a", 3)).await;
    assert_eq!(state(&store, undone).0, State::Quarantined);
    let causes = store.causes().unwrap();
    assert!(format!("{causes:?}").contains("merge-undone"), "{causes:?}");
    send(&store, &mut base);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
}

#[tokio::test]
async fn what_is_of_two_patients_is_shared_only_where_both_are() {
    let (_dir, _root, store) = fresh();
    store.share(&listed(Withdrawal::Stop), NOW).unwrap();
    let mut base = BTreeMap::new();
    list(&store, &[ConsentRow::always("b")]);
    take(&store, "1", "a", result("a", 1, "o")).await;
    take(&store, "2", "b", result("b", 1, "p")).await;
    let merged = take(&store, "3", "b a", merge("a", "b", 2)).await;
    send(&store, &mut base);
    // The survivor's own goes out, and nothing of the other: no result, no Patient, no link that tells of it.
    assert_eq!(base.keys().collect::<Vec<_>>(), ["Observation/p", "Patient/b"]);
    assert_eq!(base["Patient/b"].get("link"), None);
    sum(&store);
    assert_eq!(state(&store, merged), (State::Excluded, Some("not-shared".into())));
    list(&store, &[ConsentRow::always("b"), ConsentRow::always("a")]);
    send(&store, &mut base);
    assert_eq!(base["Observation/o"]["subject"]["reference"], "Patient/b");
    assert_eq!(base["Patient/b"]["link"][0]["other"]["reference"], "Patient/a");
}

#[tokio::test]
async fn the_end_of_a_consent_deletes_what_was_moved_too() {
    let (_dir, _root, store) = fresh();
    store.share(&listed(Withdrawal::Delete), NOW).unwrap();
    let mut base = BTreeMap::new();
    list(&store, &[ConsentRow::always("b"), ConsentRow::always("a")]);
    take(&store, "1", "a", allergies("a", 1, &["x"])).await;
    take(&store, "2", "a", result("a", 1, "o")).await;
    take(&store, "3", "b a", merge("a", "b", 2)).await;
    send(&store, &mut base);
    assert_eq!(subjects(&base, "Allergy"), ["Patient/b"]);
    list(&store, &[]);
    send(&store, &mut base);
    assert_eq!(base.keys().collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn another_persons_demographics_under_a_merged_id_are_said() {
    let (_dir, _root, store) = fresh();
    let met = |id| {
        let findings = store.message(id).unwrap().unwrap().findings;
        findings.into_iter().map(|finding| finding.code.into_owned()).collect::<Vec<String>>()
    };
    take(&store, "1", "a", demographics("a", 1, "x", "1970-01-01", "male")).await;
    take(&store, "2", "b", demographics("b", 1, "x", "1980-01-01", "male")).await;
    let merged = take(&store, "3", "b a", merge("a", "b", 2)).await;
    assert_eq!(met(merged), ["merge-patients-differ"]);
    let again = take(&store, "4", "a", demographics("a", 3, "x", "1970-01-01", "male")).await;
    assert_eq!(met(again), Vec::<String>::new());
    let reused = take(&store, "5", "a", demographics("a", 4, "other", "1990-01-01", "female")).await;
    assert_eq!(met(reused), ["patient-id-reused"]);
}
