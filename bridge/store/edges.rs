//! Edges of the promises: clocks that jump, faults of our own, mappings that are mended, listeners in numbers.

use super::tests::{
    NOW, accept, arrival, complete_next, deliver, done, facility, fresh, index, lab, next_delivery, open,
    quarantined, state, sum,
};
use super::{Selection, Settlement, State};
use crate::record::tests::resource;
use renkei_translate::translation::{Replaces, Role, Status, Translation};

const DAY: i64 = 86_400_000;

fn list(time: u64, id: &str) -> Translation {
    let mut message = lab("list", time, &[id]);
    if let Some(unit) = &mut message.unit {
        (unit.replaces, unit.incremental) = (Replaces::List, true);
    }
    message
}

#[tokio::test]
async fn what_comes_after_a_clock_was_put_back_by_days_is_read() {
    let (_dir, _root, store) = fresh();
    for (name, at) in [("1", NOW), ("2", NOW + 2 * DAY), ("3", NOW + 3 * DAY)] {
        store.accept(arrival(name, "p:", at)).await.unwrap();
    }
    index(&store);
    let late = store.accept(arrival("4", "q:", NOW)).await.unwrap();
    index(&store);
    assert!(store.claim(10).unwrap().iter().any(|claim| claim.id == late.id));
    let again = store.accept(arrival("3", "p:", NOW)).await.unwrap();
    assert!(again.duplicate_of.is_some(), "what was written ahead is known");
}

#[tokio::test]
async fn a_clock_put_back_over_midnight_keeps_the_order_across_a_restart() {
    let (dir, root, store) = fresh();
    let first = store.accept(arrival("1", "p:", NOW + DAY)).await.unwrap();
    drop((root, store));
    let root = open(dir.path());
    let second = facility(&root).accept(arrival("2", "p:", NOW)).await.unwrap();
    assert!(second.id > first.id);
}

#[tokio::test]
async fn a_repeat_set_by_a_wrong_clock_is_not_waited_for() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    complete_next(&store, lab("u", 1, &["o"]));
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Retry { at_ms: NOW + 3_650 * DAY, error: "timeout" }).unwrap();
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Retry { at_ms: NOW + DAY, error: "timeout" }).unwrap();
    assert!(next_delivery(&store).is_none());
}

#[tokio::test]
async fn a_provisional_patient_that_was_refused_is_mended_by_translating_again() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    let id = complete_next(&store, lab("u", 1, &["o"]));
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    store.replay(&Selection::Messages(vec![id])).unwrap();
    let mut mended = lab("u", 1, &["o"]);
    mended.resources.pop();
    mended.resources.push(resource("Patient", "p", Role::Provisional, "mended", &[]));
    complete_next(&store, mended);
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(projection.puts.iter().any(|put| put.id == "p" && put.json.get().contains("mended")));
}

#[tokio::test]
async fn a_delivery_claimed_while_a_message_of_its_unit_is_committed_goes_once_more() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    complete_next(&store, lab("u", 1, &["o"]));
    let units = [("u".to_owned(), vec!["base".to_owned()])];
    store.touch(&units).unwrap();
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    store.begin_send(&claim, &projection).unwrap();
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    store.came(&units);
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(projection.is_empty());
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert!(next_delivery(&store).is_none());
}

#[tokio::test]
async fn everybody_who_listens_is_told_of_what_is_to_be_sent() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    let outbox = store.outbox();
    let (one, two) = (outbox.notified(), outbox.notified());
    complete_next(&store, lab("u", 1, &["o"]));
    tokio::join!(one, two);
}

#[tokio::test]
async fn a_message_that_cannot_be_recorded_is_held_and_stops_no_other() {
    let (dir, _root, store) = fresh();
    for (name, body) in [("1", "p:"), ("2", "p:"), ("3", "q:")] {
        accept(&store, name, body).await;
    }
    index(&store);
    complete_next(&store, lab("u", 1, &["o"]));
    let file = dir.path().join("1319999999").join("state.sqlite");
    rusqlite::Connection::open(file).unwrap().execute("UPDATE unit SET state = x'00'", []).unwrap();
    let claims = store.claim(2).unwrap();
    let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
    let units = ["u", "v"].map(|unit| done(lab(unit, 2, &[unit])));
    store.complete(claims.into_iter().zip(units).collect()).unwrap();
    assert_eq!(state(&store, ids[0]).0, State::Quarantined);
    assert_eq!(store.causes().unwrap()[0].code, "internal-error");
    assert_eq!(state(&store, ids[1]).0, State::Pending);
    sum(&store);
}

#[tokio::test]
async fn who_waits_behind_a_message_is_freed_when_it_turns_out_to_be_of_another_unit() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    accept(&store, "2", "p:").await;
    index(&store);
    let first = complete_next(&store, quarantined(list(1, "c1")));
    let behind = complete_next(&store, list(2, "c2"));
    assert_eq!(state(&store, behind).1.as_deref(), Some("behind-quarantined"));
    store.replay(&Selection::Messages(vec![first])).unwrap();
    assert_eq!(complete_next(&store, lab("u", 1, &["o"])), first);
    assert_eq!(complete_next(&store, list(2, "c2")), behind);
    deliver(&store);
    assert_eq!(sum(&store).registered, 2);
}

#[tokio::test]
async fn a_late_older_message_of_a_discarded_one_comes_to_its_own_end() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    accept(&store, "2", "p:").await;
    index(&store);
    let newer = complete_next(&store, lab("u", 2, &["o"]));
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
    store.discard(&Selection::Messages(vec![newer]), "test data").unwrap();
    let older = complete_next(&store, lab("u", 1, &["o"]));
    assert_eq!(state(&store, older), (State::Pending, None));
    assert!(deliver(&store).0.contains(&"o".to_owned()));
    assert_eq!(state(&store, older), (State::Registered, None));
    assert_eq!((sum(&store).registered, sum(&store).excluded), (1, 1));
}

#[tokio::test]
async fn what_waits_for_a_base_that_was_removed_is_left_out_until_it_is_back() {
    let (_dir, _root, store) = fresh();
    for name in ["1", "2", "3"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    let only = complete_next(&store, lab("u", 1, &["o"]));
    let both = store.claim(1).unwrap().pop().unwrap();
    let id = both.id;
    let mut completion = done(lab("v", 1, &["x"]));
    completion.destinations.push("other".into());
    store.complete(vec![(both, completion)]).unwrap();
    let other = store.claim_deliveries("other", NOW, 1).unwrap().pop().unwrap();
    let projection = store.projection(&other).unwrap();
    store.settle(other, Settlement::Registered { projection }).unwrap();
    assert_eq!((state(&store, only).0, state(&store, id).0), (State::Pending, State::Pending));
    assert_eq!(store.destinations(&["other".into()]).unwrap(), 2);
    assert_eq!(state(&store, only), (State::Excluded, Some("not-for-any-destination".into())));
    assert_eq!(state(&store, id).0, State::Registered);
    assert_eq!(sum(&store).pending, 1, "the one not translated yet");
    assert_eq!(store.destinations(&["other".into(), "base".into()]).unwrap(), 0);
    assert_eq!((state(&store, only).0, state(&store, id).0), (State::Pending, State::Pending));
    deliver(&store);
    assert_eq!((state(&store, only).0, state(&store, id).0), (State::Registered, State::Registered));
}

#[tokio::test]
async fn a_message_that_had_no_destination_is_sent_when_it_is_replayed() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    let claim = store.claim(1).unwrap().pop().unwrap();
    let (id, mut completion) = (claim.id, done(lab("u", 1, &["o"])));
    completion.destinations.clear();
    store.complete(vec![(claim, completion)]).unwrap();
    assert_eq!(state(&store, id), (State::Excluded, Some("not-for-any-destination".into())));
    assert_eq!(store.discard(&Selection::Messages(vec![id]), "x").unwrap(), 0);
    assert_eq!(store.replay(&Selection::Messages(vec![id])).unwrap(), 1);
    complete_next(&store, lab("u", 1, &["o"]));
    assert_eq!(deliver(&store).0, ["p", "o"]);
    assert_eq!(state(&store, id), (State::Registered, None));
}

#[tokio::test]
async fn a_deleted_file_of_an_incremental_list_takes_back_its_own_entries_only() {
    let (_dir, _root, store) = fresh();
    for name in ["1", "2", "3"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    complete_next(&store, list(1, "c1"));
    complete_next(&store, list(2, "c2"));
    deliver(&store);
    let mut gone = list(2, "c2");
    gone.resources.retain(|resource| resource.role == Role::Unit);
    (gone.status, gone.excluded) = (Status::Excluded, Some("deleted"));
    if let Some(unit) = &mut gone.unit {
        unit.withdrawn = true;
    }
    complete_next(&store, gone);
    assert_eq!(deliver(&store), (Vec::new(), vec!["c2".to_owned()]));
}

#[tokio::test]
async fn refusals_beyond_what_is_kept_are_counted_and_the_sums_hold() {
    let (dir, root, store) = fresh();
    let kept = u64::try_from(super::segment::REFUSALS_KEPT).unwrap();
    let refuse = |number: u64| store.refuse(arrival(&format!("{number}"), &"x".repeat(70_000), NOW));
    futures_util::future::join_all((0..kept + 5).map(refuse))
        .await
        .into_iter()
        .for_each(|kept| kept.unwrap());
    accept(&store, "1", "p:").await;
    let longest = store.unindexed(10).unwrap().iter().map(|message| message.body.len()).max();
    assert_eq!(longest, Some(super::accept::REFUSED_BYTES));
    let before = sum(&store);
    assert_eq!((before.received, before.pending, before.by_reason["refused"]), (kept + 6, kept + 1, 5));
    index(&store);
    drop((root, store));
    let root = open(dir.path());
    let after = sum(&facility(&root));
    assert_eq!((after.received, after.pending, after.by_reason["refused"]), (kept + 6, 1, kept + 5));
}
