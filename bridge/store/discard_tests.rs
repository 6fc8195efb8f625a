//! A discarded message leaves no trace in what goes out, and no other message's end is taken from it.

use super::tests::{
    accept, complete_next, deliver, done, facility, fresh, index, lab, next_delivery, open, state, sum,
};
use super::{FacilityStore, MessageId, Selection, Settlement, State, rebuild};
use crate::record::tests::{resource, withdrawn};
use renkei_translate::translation::{Does, Event, Replaces, Role, Translation};

/// Accepts messages of one patient by their names.
async fn receive(store: &FacilityStore, names: &[&str]) {
    for name in names {
        accept(store, name, "p:").await;
    }
    index(store);
}

fn refuse_next(store: &FacilityStore) {
    let claim = next_delivery(store).unwrap();
    let projection = store.projection(&claim).unwrap();
    store.begin_send(&claim, &projection).unwrap();
    store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
}

fn discard(store: &FacilityStore, id: MessageId) {
    assert_eq!(store.discard(&Selection::Messages(vec![id]), "wrong").unwrap(), 1);
    assert_eq!(state(store, id), (State::Excluded, Some("discarded".into())));
}

/// Translates what waits, each message as before.
fn again(store: &FacilityStore, said: &[(MessageId, Translation)]) {
    while let Some(claim) = store.claim(1).unwrap().pop() {
        let (_, translation) =
            said.iter().find(|(id, _)| *id == claim.id).expect("a message that was said before");
        store.complete(vec![(claim, done(translation.clone()))]).unwrap();
    }
}

fn ids(store: &FacilityStore) -> Vec<String> {
    store.record_ids().unwrap().into_iter().map(|(_, id)| id).collect()
}

fn list(time: u64, id: &str, text: &str) -> Translation {
    let mut message = lab("list", time, &[]);
    message.resources.insert(0, resource("Condition", id, Role::Unit, text, &["Patient/p"]));
    if let Some(unit) = &mut message.unit {
        (unit.replaces, unit.incremental) = (Replaces::List, true);
    }
    message
}

#[tokio::test]
async fn an_entry_of_a_discarded_increment_does_not_go_out_with_the_next() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let first = complete_next(&store, list(1, "c1", "one"));
    refuse_next(&store);
    discard(&store, first);
    let (puts, _) = deliver(&store);
    assert!(puts.is_empty(), "{puts:?}");
    complete_next(&store, list(2, "c2", "two"));
    assert_eq!(deliver(&store).0, ["p", "c2"]);
    assert_eq!(ids(&store), ["c2", "p"]);
    assert_eq!((sum(&store).registered, sum(&store).excluded), (1, 1));
}

#[tokio::test]
async fn what_a_discarded_increment_had_overwritten_stands_again() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let good = list(1, "c", "good");
    let first = complete_next(&store, good.clone());
    deliver(&store);
    let second = complete_next(&store, list(2, "c", "wrong"));
    refuse_next(&store);
    discard(&store, second);
    assert!(next_delivery(&store).is_none(), "nothing goes out before the unit is whole again");
    again(&store, &[(first, good)]);
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(projection.deletes.is_empty());
    assert!(projection.puts.iter().any(|put| put.id == "c" && put.json.get().contains("good")));
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!(state(&store, first).0, State::Registered);
}

#[tokio::test]
async fn an_older_good_message_is_not_superseded_by_a_discarded_one() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let wrong = complete_next(&store, lab("u", 5, &["o"]));
    refuse_next(&store);
    discard(&store, wrong);
    let good = complete_next(&store, lab("u", 3, &["o"]));
    let (puts, _) = deliver(&store);
    assert!(puts.contains(&"o".to_owned()), "{puts:?}");
    assert_eq!(state(&store, good), (State::Registered, None));
}

#[tokio::test]
async fn a_refused_message_before_the_discarded_one_is_sent_again_by_itself() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let older = lab("u", 1, &["o"]);
    let first = complete_next(&store, older.clone());
    refuse_next(&store);
    let second = complete_next(&store, lab("u", 5, &["o", "o2"]));
    refuse_next(&store);
    discard(&store, second);
    again(&store, &[(first, older)]);
    let (puts, deletes) = deliver(&store);
    assert!(puts.contains(&"o".to_owned()) && !puts.contains(&"o2".to_owned()), "{puts:?}");
    // The base refused it; whether it kept it nobody knows.
    assert_eq!(deletes, ["o2"]);
    assert_eq!(state(&store, first), (State::Registered, None));
    assert_eq!(state(&store, second).0, State::Excluded);
}

#[tokio::test]
async fn the_event_of_a_discarded_admission_is_not_merged_into_the_stay() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let event = |opens: bool, json: &str, time: u64| {
        let mut message = lab("stay", time, &[]);
        message.resources.insert(0, resource("Encounter", "e", Role::Unit, json, &["Patient/p"]));
        if let Some(unit) = &mut message.unit {
            unit.replaces = Replaces::Event;
            let does = if opens { Does::Opens } else { Does::Closes };
            unit.event =
                Some(Event { kind: "k".into(), does, time: format!("{time:017}"), day: String::new() });
        }
        message
    };
    let admission = complete_next(&store, event(true, "admitted", 1));
    refuse_next(&store);
    discard(&store, admission);
    complete_next(&store, event(false, "discharged", 2));
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    let stay = projection.puts.iter().find(|put| put.id == "e").unwrap();
    assert!(stay.json.get().contains("discharged") && !stay.json.get().contains("admitted"), "{}", stay.json);
}

#[tokio::test]
async fn a_discarded_message_that_only_adds_is_gone_whole() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1"]).await;
    let mut message = lab("add", 1, &["o"]);
    message.unit.as_mut().unwrap().replaces = Replaces::Nothing;
    let id = complete_next(&store, message);
    refuse_next(&store);
    discard(&store, id);
    deliver(&store);
    assert!(ids(&store).is_empty(), "its Patient was its alone: {:?}", ids(&store));
    assert_eq!(sum(&store).excluded, 1);
}

#[tokio::test]
async fn a_patient_that_a_discarded_message_made_is_made_by_the_next_one() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let named = |key: &str, time: u64, id: &str, name: &str| {
        let mut message = lab(key, time, &[id]);
        message.resources.pop();
        message.resources.push(resource("Patient", "p", Role::Provisional, name, &[]));
        message
    };
    let first = complete_next(&store, named("u1", 1, "o1", "wrong name"));
    refuse_next(&store);
    let other = named("u2", 2, "o2", "right name");
    let second = complete_next(&store, other.clone());
    deliver(&store);
    discard(&store, first);
    again(&store, &[(second, other)]);
    let claims = store.claim_deliveries("base", super::tests::NOW, 10).unwrap();
    let puts: Vec<_> = claims.iter().flat_map(|claim| store.projection(claim).unwrap().puts).collect();
    assert!(puts.iter().any(|put| put.id == "p" && put.json.get().contains("right name")));
    assert_eq!(ids(&store), ["o2", "p"]);
}

#[tokio::test]
async fn a_doctor_whom_a_discarded_message_renamed_has_his_name_again() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let doctor = |key: &str, time: u64, name: &str| {
        let mut message = lab(key, time, &[]);
        message.resources.insert(0, resource("Observation", key, Role::Unit, key, &["Practitioner/d"]));
        message.resources.push(resource("Practitioner", "d", Role::Shared, name, &[]));
        message
    };
    complete_next(&store, doctor("u1", 1, "right"));
    deliver(&store);
    let wrong = complete_next(&store, doctor("u2", 2, "wrong"));
    refuse_next(&store);
    discard(&store, wrong);
    deliver(&store);
    accept(&store, "3", "p:").await;
    index(&store);
    let mut same = lab("u1", 3, &[]);
    same.resources[0] = resource("Observation", "u1", Role::Unit, "changed", &["Practitioner/d"]);
    complete_next(&store, same);
    let claim = next_delivery(&store).unwrap();
    let puts = store.projection(&claim).unwrap().puts;
    assert!(puts.iter().any(|put| put.id == "d" && put.json.get().contains("right")), "{puts:?}");
}

#[tokio::test]
async fn a_withdrawal_that_is_discarded_withdraws_nothing() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1", "2"]).await;
    let result = lab("u", 1, &["o"]);
    let first = complete_next(&store, result.clone());
    deliver(&store);
    let second = complete_next(&store, withdrawn(lab("u", 2, &[])));
    refuse_next(&store);
    discard(&store, second);
    again(&store, &[(first, result)]);
    let (_, deletes) = deliver(&store);
    assert!(deletes.is_empty(), "{deletes:?}");
    assert_eq!(ids(&store), ["o", "p"]);
    assert_eq!(state(&store, first).0, State::Registered);
}

#[tokio::test]
async fn a_rebuild_goes_on_after_a_kill() {
    let (dir, root, store) = fresh();
    receive(&store, &["1", "2", "3"]).await;
    let said = [list(1, "c1", "one"), list(2, "c2", "two")];
    let first = complete_next(&store, said[0].clone());
    let second = complete_next(&store, said[1].clone());
    deliver(&store);
    let third = complete_next(&store, list(3, "c3", "three"));
    refuse_next(&store);
    discard(&store, third);
    let claim = store.claim(1).unwrap().pop().unwrap();
    store.complete(vec![(claim, done(said[0].clone()))]).unwrap();
    drop((root, store));
    let root = open(dir.path());
    let store = facility(&root);
    assert_eq!(rebuild::under_way(&store.reader().unwrap()).unwrap(), 1);
    assert!(next_delivery(&store).is_none(), "half a unit is not sent");
    again(&store, &[(first, said[0].clone()), (second, said[1].clone())]);
    assert_eq!(deliver(&store).1, ["c3"]);
    assert_eq!(ids(&store), ["c1", "c2", "p"]);
    assert_eq!(sum(&store).registered, 2);
}

#[tokio::test]
async fn what_was_discarded_can_be_taken_back_by_its_number() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1"]).await;
    let id = complete_next(&store, lab("u", 1, &["o"]));
    refuse_next(&store);
    discard(&store, id);
    deliver(&store);
    assert_eq!(store.replay(&Selection::Messages(vec![id])).unwrap(), 1);
    assert_eq!(store.discarded_because(id).unwrap(), None);
    again(&store, &[(id, lab("u", 1, &["o"]))]);
    assert!(deliver(&store).0.contains(&"o".to_owned()));
    assert_eq!(state(&store, id), (State::Registered, None));
}

#[tokio::test]
async fn a_message_that_moves_to_another_unit_leaves_nothing_in_the_former() {
    let (_dir, _root, store) = fresh();
    receive(&store, &["1"]).await;
    let id = complete_next(&store, lab("u1", 1, &["o1"]));
    refuse_next(&store);
    store.replay(&Selection::Messages(vec![id])).unwrap();
    complete_next(&store, lab("u2", 1, &["o2"]));
    deliver(&store);
    assert_eq!(ids(&store), ["o2", "p"]);
    assert_eq!(state(&store, id).0, State::Registered);
}

#[tokio::test]
async fn an_earlier_unit_that_is_tried_again_goes_before_the_later_ones_of_its_patient() {
    let (_dir, _root, store) = fresh();
    for (at, name) in ["1", "2", "3"].iter().enumerate() {
        let body = if at == 2 { "q:" } else { "p:" };
        let arrival = super::tests::arrival(name, body, super::tests::NOW + i64::try_from(at).unwrap());
        store.accept(arrival).await.unwrap();
    }
    index(&store);
    complete_next(&store, lab("u1", 1, &["o1"]));
    complete_next(&store, lab("u2", 1, &["o2"]));
    let mut other = lab("u3", 1, &["o3"]);
    other.patient = Some("other".into());
    complete_next(&store, other);
    let first = next_delivery(&store).unwrap();
    assert_eq!(first.unit, "u1");
    let now = super::tests::NOW;
    store.settle(first, Settlement::Retry { at_ms: now + 5_000, error: "timeout" }).unwrap();
    let units = |at: i64| -> Vec<String> {
        let claims = store.claim_deliveries("base", at, 10).unwrap();
        let units = claims.iter().map(|claim| claim.unit.clone()).collect();
        for claim in claims {
            store.settle(claim, Settlement::Retry { at_ms: now + 5_000, error: "timeout" }).unwrap();
        }
        units
    };
    assert_eq!(units(now + 1), ["u3"], "another patient does not wait");
    assert_eq!(units(now + 5_000), ["u1", "u3"]);
    let first = store.claim_deliveries("base", now + 5_000, 10).unwrap().remove(0);
    store.settle(first, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    assert!(units(now + 1).contains(&"u2".to_owned()), "one that was refused keeps nobody back");
}
