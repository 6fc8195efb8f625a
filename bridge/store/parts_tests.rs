//! Messages with several units, against files: what each unit gets, and what state the message is in.

use super::consent_tests::{list, listed};
use super::tests::{
    NOW, accept, complete_next, deliver, done, fresh, index, lab, next_delivery, open, quarantined, state,
    sum,
};
use super::{ConsentRow, FacilityStore, MessageId, Selection, Settlement, State, Withdrawal};
use crate::record::tests::withdrawn;
use renkei_translate::translation::{Role, Share, Translation};

/// One message of several units, each with its key and its resources; one without is taken back.
fn several(time: u64, units: &[(&str, &[&str])]) -> Translation {
    let mut whole: Option<Translation> = None;
    for (key, ids) in units {
        let mut one = lab(key, time, ids);
        if ids.is_empty() {
            one = withdrawn(one);
        }
        let whole = whole.get_or_insert_with(|| Translation { resources: Vec::new(), ..one.clone() });
        let at = whole.resources.len();
        whole.resources.extend(one.resources.into_iter().filter(|made| made.role == Role::Unit));
        let made = (at..whole.resources.len()).collect();
        whole.shares.push(Share { unit: one.unit.expect("a unit"), made });
    }
    let mut whole = whole.expect("units");
    whole.resources.extend(lab("", time, &[]).resources);
    whole
}

async fn receive(store: &FacilityStore, count: usize) {
    for n in 0..count {
        accept(store, &n.to_string(), &format!("0001:{n}")).await;
    }
    index(store);
}

/// What the record has, without the Patient.
fn ids(store: &FacilityStore) -> Vec<String> {
    let ids = store.record_ids().unwrap().into_iter();
    ids.filter(|(kind, _)| kind != "Patient").map(|(_, id)| id).collect()
}

fn replay(store: &FacilityStore, id: MessageId, translation: Translation) {
    store.replay(&Selection::Messages(vec![id])).unwrap();
    let claim = store.claim(1).unwrap().pop().unwrap();
    assert_eq!(claim.id, id);
    store.complete(vec![(claim, done(translation))]).unwrap();
}

#[tokio::test]
async fn a_cancel_of_one_order_leaves_the_other_and_a_correction_replaces_its_own() {
    let (dir, root, store) = fresh();
    receive(&store, 4).await;
    let both = complete_next(&store, several(1, &[("A", &["a"]), ("B", &["b", "b2"])]));
    assert_eq!(state(&store, both).0, State::Pending);
    assert_eq!(deliver(&store), (["p", "a", "b", "b2"].map(str::to_owned).into(), vec![]));
    assert_eq!(state(&store, both).0, State::Registered);
    complete_next(&store, withdrawn(lab("A", 2, &[])));
    assert_eq!(deliver(&store), (vec![], vec!["a".to_owned()]));
    complete_next(&store, lab("B", 3, &["b3"]));
    let (puts, mut deletes) = deliver(&store);
    deletes.sort();
    assert_eq!((puts, deletes), (vec!["b3".to_owned()], ["b", "b2"].map(str::to_owned).into()));
    // The same in one message: one taken back, one corrected.
    complete_next(&store, several(4, &[("A", &["a4"]), ("B", &[])]));
    assert_eq!(deliver(&store), (vec!["a4".to_owned()], vec!["b3".to_owned()]));
    assert_eq!((ids(&store), sum(&store).registered), (vec!["a4".to_owned()], 4));
    let detail = store.message(both).unwrap().unwrap();
    assert_eq!(detail.deliveries.len(), 2, "one for each unit");
    // A store that is opened again knows it too.
    drop((store, root));
    let store = super::tests::facility(&open(dir.path()));
    assert_eq!(state(&store, both).0, State::Registered);
}

#[tokio::test]
async fn orders_end_the_same_in_either_order_of_arrival() {
    let all = [
        several(1, &[("A", &["a"]), ("B", &["b"]), ("C", &["c"])]),
        withdrawn(lab("A", 2, &[])),
        several(3, &[("B", &["b3"]), ("C", &[])]),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (_dir, _root, store) = fresh();
        receive(&store, 3).await;
        for n in order {
            complete_next(&store, all[n].clone());
            if n == 1 {
                deliver(&store);
            }
        }
        deliver(&store);
        assert_eq!(ids(&store), ["b3"], "{order:?}");
        assert_eq!(sum(&store).registered, 3, "{order:?}");
    }
}

#[tokio::test]
async fn a_message_is_the_worst_of_its_units_and_registered_when_all_are() {
    let (_dir, _root, store) = fresh();
    receive(&store, 3).await;
    let both = complete_next(&store, several(1, &[("A", &["a"]), ("B", &["b"])]));
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!(state(&store, both).0, State::Pending, "half of it is there");
    assert_eq!(store.message(both).unwrap().unwrap().deliveries.len(), 2);
    let claim = next_delivery(&store).unwrap();
    assert_eq!(claim.unit, "B");
    store.settle(claim, Settlement::Rejected { status: 422, answer: b"no".to_vec() }).unwrap();
    assert_eq!(state(&store, both).0, State::Rejected);
    assert_eq!((sum(&store).rejected, sum(&store).registered), (1, 0));
    // The other order goes on by itself, and does not mend this one.
    complete_next(&store, lab("A", 2, &["a2"]));
    deliver(&store);
    assert_eq!(state(&store, both).0, State::Rejected);
    complete_next(&store, lab("B", 3, &["b3"]));
    deliver(&store);
    assert_eq!(state(&store, both), (State::Registered, None));
    assert_eq!(sum(&store).registered, 3);
}

#[tokio::test]
async fn a_held_message_is_left_out_when_newer_ones_have_taken_all_of_its_orders() {
    let (_dir, _root, store) = fresh();
    receive(&store, 4).await;
    let held = complete_next(&store, quarantined(several(2, &[("A", &["a"]), ("B", &["b"])])));
    complete_next(&store, lab("A", 3, &["a3"]));
    assert_eq!(state(&store, held).0, State::Quarantined, "its other order is nowhere else");
    complete_next(&store, lab("B", 1, &["b1"]));
    assert_eq!(state(&store, held).0, State::Quarantined, "that one was older");
    complete_next(&store, several(4, &[("B", &["b4"]), ("C", &["c"])]));
    assert_eq!(state(&store, held), (State::Excluded, Some("superseded".into())));
    assert!(store.causes().unwrap().is_empty());
    deliver(&store);
    assert_eq!(ids(&store), ["a3", "b4", "c"]);
}

#[tokio::test]
async fn a_held_message_brings_what_nobody_has_replaced_when_it_is_released() {
    let (_dir, _root, store) = fresh();
    receive(&store, 2).await;
    let both = several(2, &[("A", &["a"]), ("B", &["b"])]);
    let held = complete_next(&store, quarantined(both.clone()));
    complete_next(&store, lab("A", 3, &["a3"]));
    replay(&store, held, both);
    deliver(&store);
    assert_eq!(
        (ids(&store), state(&store, held).0),
        (["a3", "b"].map(str::to_owned).into(), State::Registered)
    );
}

#[tokio::test]
async fn a_discarded_message_leaves_none_of_its_orders() {
    let (_dir, _root, store) = fresh();
    receive(&store, 2).await;
    let before = complete_next(&store, lab("B", 1, &["b1"]));
    deliver(&store);
    let wrong = complete_next(&store, several(2, &[("A", &["a"]), ("B", &["b"])]));
    while let Some(claim) = next_delivery(&store) {
        store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    }
    assert_eq!(state(&store, wrong).0, State::Rejected);
    assert_eq!(store.discard(&Selection::Messages(vec![wrong]), "wrong patient").unwrap(), 1);
    let claim = store.claim(1).unwrap().pop().unwrap();
    assert_eq!(claim.id, before);
    store.complete(vec![(claim, done(lab("B", 1, &["b1"])))]).unwrap();
    deliver(&store);
    assert_eq!(ids(&store), ["b1"]);
    assert_eq!((state(&store, before).0, state(&store, wrong).0), (State::Registered, State::Excluded));
}

#[tokio::test]
async fn a_message_with_several_orders_comes_back_when_another_is_discarded() {
    let (_dir, _root, store) = fresh();
    receive(&store, 2).await;
    let both = several(1, &[("A", &["a"]), ("B", &["b"])]);
    let first = complete_next(&store, both.clone());
    deliver(&store);
    let wrong = complete_next(&store, lab("B", 2, &["b2"]));
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    store.discard(&Selection::Messages(vec![wrong]), "wrong").unwrap();
    let claim = store.claim(1).unwrap().pop().unwrap();
    assert_eq!(claim.id, first);
    store.complete(vec![(claim, done(both))]).unwrap();
    deliver(&store);
    assert_eq!(
        (ids(&store), state(&store, first).0),
        (["a", "b"].map(str::to_owned).into(), State::Registered)
    );
}

#[tokio::test]
async fn what_is_translated_again_may_have_other_orders() {
    let (_dir, _root, store) = fresh();
    receive(&store, 1).await;
    let id = complete_next(&store, lab("A", 1, &["a", "b"]));
    deliver(&store);
    // As of a version that knew no units of one message but the first.
    replay(&store, id, several(1, &[("A", &["a"]), ("B", &["b"])]));
    deliver(&store);
    assert_eq!((ids(&store), state(&store, id).0), (["a", "b"].map(str::to_owned).into(), State::Registered));
    replay(&store, id, several(1, &[("C", &["c"]), ("B", &["b"])]));
    while let Some(claim) = store.claim(1).unwrap().pop() {
        store.complete(vec![(claim, done(several(1, &[("C", &["c"]), ("B", &["b"])])))]).unwrap();
    }
    assert_eq!(deliver(&store), (vec!["c".to_owned()], vec!["a".to_owned()]));
    replay(&store, id, lab("B", 1, &["b"]));
    assert_eq!(deliver(&store).1, ["c"]);
    assert_eq!((ids(&store), state(&store, id).0), (vec!["b".to_owned()], State::Registered));
    // Held by a newer set, it leaves what it had brought.
    replay(&store, id, several(1, &[("A", &["a"]), ("B", &["b"])]));
    deliver(&store);
    replay(&store, id, quarantined(Translation { unit: None, ..lab("A", 1, &[]) }));
    assert_eq!(state(&store, id).0, State::Quarantined);
    replay(&store, id, several(1, &[("A", &["a5"])]));
    deliver(&store);
    assert_eq!(ids(&store), ["a5"]);
}

#[tokio::test]
async fn consent_moves_a_message_with_several_units_as_it_moves_one_with_one() {
    for withdrawal in [Withdrawal::Stop, Withdrawal::Delete] {
        let (_dir, _root, store) = fresh();
        store.share(&listed(withdrawal), NOW).unwrap();
        receive(&store, 2).await;
        let several = complete_next(&store, several(1, &[("A", &["a"]), ("B", &["b"])]));
        let one = complete_next(&store, lab("C", 1, &["c"]));
        let row = |patient: &str| ConsentRow { patient: patient.into(), from_day: 0, until_day: 99_999_999 };
        let mut states = Vec::new();
        for rows in [vec![], vec![row("0001")], vec![], vec![row("0001")]] {
            list(&store, &rows);
            assert_eq!(state(&store, several), state(&store, one), "{withdrawal:?} {states:?}");
            deliver(&store);
            assert_eq!(state(&store, several), state(&store, one), "{withdrawal:?} {states:?}");
            states.push(state(&store, several).0);
        }
        assert_eq!(
            (states[0], states[1], states[3]),
            (State::Excluded, State::Registered, State::Registered)
        );
    }
}

#[tokio::test]
async fn a_base_that_leaves_and_comes_back_gets_all_units() {
    let (_dir, _root, store) = fresh();
    receive(&store, 1).await;
    let id = complete_next(&store, several(1, &[("A", &["a"]), ("B", &["b"])]));
    store.destinations(&[]).unwrap();
    assert_eq!(state(&store, id).0, State::Excluded);
    store.destinations(&["base".into()]).unwrap();
    assert_eq!(state(&store, id).0, State::Pending);
    deliver(&store);
    assert_eq!(state(&store, id).0, State::Registered);
    store.destinations(&["base".into()]).unwrap();
    assert_eq!(state(&store, id).0, State::Registered);
}
