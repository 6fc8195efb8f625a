//! The promises, tried against files.

use super::{
    Arrival, Claim, Completion, Config, DaySum, DeliveryClaim, FacilityStore, Filter, Indexed, MessageId,
    Origin, Selection, Settlement, Sharing, State, Store,
};
use crate::record::tests::{resource, translation, withdrawn};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Replaces, Role, Status, Translation};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// 2026-01-05 09:00 in Japan.
pub(super) const NOW: i64 = 1_767_571_200_000;
const DAY: i64 = 86_400_000;
const WINDOW: i64 = 7 * DAY;
const TODAY: u32 = 20_260_105;

pub(super) fn open(dir: &Path) -> Arc<Store> {
    Store::open(dir, &["1319999999".into()], Config { soft_free: 0, hard_free: 0, ..Config::default() })
        .unwrap()
}

pub(super) fn facility(store: &Store) -> Arc<FacilityStore> {
    let facility = store.facility("1319999999").unwrap();
    facility.share(&Sharing::all(&["base", "other"]), NOW).unwrap();
    facility
}

pub(super) fn fresh() -> (TempDir, Arc<Store>, Arc<FacilityStore>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let facility = facility(&store);
    (dir, store, facility)
}

pub(super) fn arrival(name: &str, body: &str, received_ms: i64) -> Arrival {
    Arrival {
        feed: "a".into(),
        name: name.into(),
        body: body.as_bytes().to_vec(),
        origin: Origin { source: "a".into(), ..Origin::default() },
        received_ms,
        duplicate_window_ms: WINDOW,
    }
}

pub(super) async fn accept(store: &FacilityStore, name: &str, body: &str) -> MessageId {
    store.accept(arrival(name, body, NOW)).await.unwrap().id
}

/// First pass: the patients are the words of the body before `:`.
pub(super) fn index(store: &FacilityStore) {
    loop {
        let messages = store.unindexed(100).unwrap();
        if messages.is_empty() {
            return;
        }
        let first_pass = |m: &super::Journalled| Indexed {
            id: m.id,
            control_id: Some(m.name.clone()),
            patients: String::from_utf8_lossy(&m.body)
                .split(':')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            ..Indexed::default()
        };
        store.index(messages.iter().map(first_pass).collect()).unwrap();
    }
}

fn names(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.name.as_str()).collect()
}

pub(super) fn done(translation: Translation) -> Completion {
    Completion { translation, mapping_version: "v1".into(), destinations: vec!["base".into()] }
}

pub(super) fn lab(key: &str, time: u64, ids: &[&str]) -> Translation {
    let say = |id: &&str| resource("Observation", id, Role::Unit, &format!("{id} at {time}"), &["Patient/p"]);
    let mut resources: Vec<_> = ids.iter().map(say).collect();
    resources.push(resource("Patient", "p", Role::Provisional, "p", &[]));
    translation(key, Replaces::Unit, time, resources)
}

pub(super) fn quarantined(mut translation: Translation) -> Translation {
    translation.status = Status::Quarantined;
    translation.resources.clear();
    translation.findings.push(Finding::error("field-empty", Location::at("OBX[2]-3").rule("m/r")));
    translation
}

pub(super) fn complete_next(store: &FacilityStore, translation: Translation) -> MessageId {
    let claim = store.claim(1).unwrap().pop().unwrap();
    let id = claim.id;
    store.complete(vec![(claim, done(translation))]).unwrap();
    id
}

pub(super) fn next_delivery(store: &FacilityStore) -> Option<DeliveryClaim> {
    store.claim_deliveries("base", NOW, 1).unwrap().pop()
}

/// Sends what waits until nothing does; what was put and deleted.
pub(super) fn deliver(store: &FacilityStore) -> (Vec<String>, Vec<String>) {
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    while let Some(claim) = next_delivery(store) {
        let projection = store.projection(&claim).unwrap();
        if !projection.is_empty() {
            store.begin_send(&claim, &projection).unwrap();
        }
        puts.extend(projection.puts.iter().map(|put| put.id.clone()));
        deletes.extend(projection.deletes.iter().map(|(_, id)| id.clone()));
        store.settle(claim, Settlement::Registered { projection }).unwrap();
    }
    (puts, deletes)
}

pub(super) fn state(store: &FacilityStore, id: MessageId) -> (State, Option<String>) {
    let summary = store.message(id).unwrap().unwrap().summary;
    (summary.state, summary.reason)
}

pub(super) fn sum(store: &FacilityStore) -> DaySum {
    let sums = store.sums(TODAY, TODAY).unwrap();
    assert!(sums.iter().all(DaySum::balanced), "{sums:?}");
    sums.into_iter().next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_senders_get_sixty_four_numbers_and_all_survive() {
    let (dir, store, facility_store) = fresh();
    let mut tasks = Vec::new();
    for sender in 0..64 {
        let store = facility_store.clone();
        tasks.push(tokio::spawn(async move {
            let mut ids = Vec::new();
            for number in 0..5 {
                ids.push(
                    accept(&store, &format!("{sender}-{number}"), &format!("p{sender}: {number}")).await,
                );
            }
            assert!(ids.is_sorted());
            ids
        }));
    }
    let mut ids = Vec::new();
    for task in tasks {
        ids.extend(task.await.unwrap());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 320);
    assert_eq!((ids[0], ids[319]), (MessageId::new(TODAY, 1), MessageId::new(TODAY, 320)));
    drop((store, facility_store));
    let store = open(dir.path());
    let store = facility(&store);
    index(&store);
    assert_eq!(store.messages(&Filter { limit: 1_000, ..Filter::default() }).unwrap().len(), 320);
    assert_eq!((sum(&store).received, sum(&store).pending), (320, 320));
}

#[tokio::test]
async fn a_repeated_message_is_one_in_effect_and_a_reused_name_two() {
    let (dir, store, first) = fresh();
    let one = first.accept(arrival("c1", "p: a", NOW)).await.unwrap();
    assert_eq!((one.duplicate_of, one.id_reused), (None, false));
    let again = first.accept(arrival("c1", "p: a", NOW + 5)).await.unwrap();
    assert_eq!((again.duplicate_of, again.id_reused), (Some(one.id), false));
    let other = first.accept(arrival("c1", "p: b", NOW + 6)).await.unwrap();
    assert_eq!((other.duplicate_of, other.id_reused), (None, true));
    drop((store, first));
    // After a restart, on another day, and in another feed.
    let store = open(dir.path());
    let store = facility(&store);
    let later = store.accept(arrival("c1", "p: a", NOW + 3 * DAY)).await.unwrap();
    assert_eq!(later.duplicate_of, Some(one.id));
    let feed = Arrival { feed: "b".into(), ..arrival("c1", "p: a", NOW) };
    assert_eq!(store.accept(feed).await.unwrap().duplicate_of, None);
    let outside = store.accept(arrival("c1", "p: a", NOW + 8 * DAY)).await.unwrap();
    assert_eq!((outside.duplicate_of, outside.id_reused), (None, false));

    index(&store);
    assert_eq!(state(&store, again.id), (State::Excluded, Some("duplicate".into())));
    assert_eq!(store.message(again.id).unwrap().unwrap().body, b"p: a");
    let sum = sum(&store);
    assert_eq!((sum.received, sum.excluded, sum.pending), (4, 1, 3));
    assert_eq!(sum.by_reason["duplicate"], 1);
}

#[tokio::test]
async fn a_patient_is_in_one_claim_and_in_order() {
    let (_dir, _store, store) = fresh();
    for (name, body) in
        [("1", "a:"), ("2", "b:"), ("3", "a b:"), ("4", "b:"), ("5", "c:"), ("6", ":x"), ("7", ":y")]
    {
        accept(&store, name, body).await;
    }
    index(&store);
    let first = store.claim(10).unwrap();
    assert_eq!(names(&first), ["1", "2", "5", "6"]);
    assert!(store.claim(10).unwrap().is_empty());
    let mut first = first.into_iter();
    let (one, two) = (first.next().unwrap(), first.next().unwrap());
    store.complete(vec![(one, done(lab("u1", 1, &["o1"])))]).unwrap();
    assert!(store.claim(10).unwrap().is_empty(), "a message of two patients waits for both");
    store.complete(vec![(two, done(lab("u2", 1, &["o2"])))]).unwrap();
    let both = store.claim(10).unwrap();
    assert_eq!(names(&both), ["3"], "and holds both");
    store.release(both);
    let both = store.claim(1).unwrap();
    assert_eq!(names(&both), ["3"]);
    store.complete(both.into_iter().map(|c| (c, done(lab("u3", 1, &["o3"])))).collect()).unwrap();
    assert_eq!(names(&store.claim(10).unwrap()), ["4"]);
}

#[tokio::test]
async fn what_waits_is_coalesced_and_only_differences_are_sent() {
    let (_dir, _store, store) = fresh();
    for name in ["1", "2", "3", "4", "5"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    let one = complete_next(&store, lab("u", 1, &["o1", "o2"]));
    let two = complete_next(&store, lab("u", 2, &["o1"]));
    assert_eq!(store.queue("base").unwrap().pending, 1);
    let (puts, deletes) = deliver(&store);
    assert_eq!((puts, deletes), (vec!["p".to_owned(), "o1".to_owned()], Vec::new()));
    assert_eq!(state(&store, one).0, State::Registered);
    assert_eq!(state(&store, two).0, State::Registered);
    // Older: kept, not sent, and in the state of what stands.
    let old = complete_next(&store, lab("u", 1, &["o9"]));
    assert_eq!(deliver(&store), (Vec::new(), Vec::new()));
    assert_eq!(state(&store, old).0, State::Registered);
    complete_next(&store, lab("u", 3, &["o1", "o3"]));
    assert_eq!(deliver(&store).0, ["o1", "o3"]);
    let gone = complete_next(&store, withdrawn(lab("u", 4, &[])));
    let (puts, mut deletes) = deliver(&store);
    deletes.sort();
    assert_eq!((puts, deletes), (Vec::new(), vec!["o1".to_owned(), "o3".to_owned()]));
    assert_eq!(state(&store, gone).0, State::Registered);
    assert_eq!(store.record_ids().unwrap(), [("Patient".to_owned(), "p".to_owned())]);
    assert_eq!(sum(&store).registered, 5);
}

#[tokio::test]
async fn a_lost_answer_orphans_nothing() {
    let (dir, store, first) = fresh();
    accept(&first, "1", "p:").await;
    accept(&first, "2", "p:").await;
    index(&first);
    complete_next(&first, lab("u", 1, &["o1", "o2"]));
    let claim = next_delivery(&first).unwrap();
    let projection = first.projection(&claim).unwrap();
    first.begin_send(&claim, &projection).unwrap();
    // Killed here: the request may have been taken or not.
    drop((store, first));
    let store = open(dir.path());
    let store = facility(&store);
    complete_next(&store, lab("u", 2, &["o1"]));
    let (puts, deletes) = deliver(&store);
    assert_eq!((puts, deletes), (vec!["p".to_owned(), "o1".to_owned()], vec!["o2".to_owned()]));
}

#[tokio::test]
async fn a_unit_that_moves_on_in_flight_is_sent_again() {
    let (_dir, _store, store) = fresh();
    accept(&store, "1", "p:").await;
    accept(&store, "2", "p:").await;
    index(&store);
    let one = complete_next(&store, lab("u", 1, &["o1"]));
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    store.begin_send(&claim, &projection).unwrap();
    let two = complete_next(&store, lab("u", 2, &["o2"]));
    assert!(next_delivery(&store).is_none(), "one in flight per patient");
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!((state(&store, one).0, state(&store, two).0), (State::Registered, State::Pending));
    assert_eq!(deliver(&store), (vec!["o2".to_owned()], vec!["o1".to_owned()]));
    assert_eq!(state(&store, two).0, State::Registered);
}

#[tokio::test]
async fn answers_of_the_base_show_on_the_message() {
    let (_dir, _store, store) = fresh();
    accept(&store, "1", "p:").await;
    accept(&store, "2", "p:").await;
    index(&store);
    let one = complete_next(&store, lab("u", 1, &["o1"]));
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Retry { at_ms: NOW + 1_000, error: "timeout" }).unwrap();
    assert!(next_delivery(&store).is_none());
    let claim = store.claim_deliveries("base", NOW + 1_000, 1).unwrap().pop().unwrap();
    assert_eq!(claim.attempts, 1);
    store.settle(claim, Settlement::Rejected { status: 422, answer: b"{}".to_vec() }).unwrap();
    assert_eq!(state(&store, one).0, State::Rejected);
    assert_eq!(sum(&store).rejected, 1);
    let view = store.message(one).unwrap().unwrap().deliveries.pop().unwrap();
    assert_eq!((view.status, view.answer.as_slice()), (Some(422), &b"{}"[..]));
    let two = complete_next(&store, lab("u", 2, &["o1"]));
    assert_eq!(state(&store, one).0, State::Pending, "a replaced version follows what stands");
    let claim = next_delivery(&store).unwrap();
    let finding = Finding::error("profile", Location::at("OBX[1]-3"));
    store.settle(claim, Settlement::Held { findings: vec![finding] }).unwrap();
    assert_eq!(state(&store, two).0, State::Held);
    assert_eq!(store.causes().unwrap()[0].position, "OBX-3");
    assert_eq!(sum(&store).quarantined, 2);
    assert_eq!(store.replay(&Selection::State(State::Held)).unwrap(), 2);
    complete_next(&store, lab("u", 1, &["o1"]));
    complete_next(&store, lab("u", 2, &["o1"]));
    deliver(&store);
    assert_eq!((sum(&store).registered, store.causes().unwrap().len()), (2, 0));
}

#[tokio::test]
async fn a_quarantined_message_blocks_only_what_builds_on_it() {
    let (_dir, _store, store) = fresh();
    for name in ["1", "2", "3", "4"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    let list = |time, id: &str| {
        let mut message = lab("list", time, &[id]);
        if let Some(unit) = &mut message.unit {
            (unit.replaces, unit.incremental) = (Replaces::List, true);
        }
        message
    };
    let bad = complete_next(&store, quarantined(list(1, "c1")));
    let other = complete_next(&store, lab("u", 2, &["o"]));
    let behind = complete_next(&store, list(3, "c3"));
    assert_eq!(state(&store, bad), (State::Quarantined, None));
    assert_eq!(state(&store, other).0, State::Pending);
    assert_eq!(state(&store, behind), (State::Pending, Some("behind-quarantined".into())));
    let causes = store.causes().unwrap();
    assert_eq!((causes.len(), causes[0].count, causes[0].position.as_str()), (1, 1, "OBX-3"));
    let cause = |position: &str| Selection::Cause {
        code: "field-empty".into(),
        position: position.into(),
        rule: String::new(),
    };
    assert_eq!(store.replay(&cause("OBX-4")).unwrap(), 0);
    assert_eq!(store.replay(&cause("OBX-3")).unwrap(), 1);
    assert_eq!(complete_next(&store, list(1, "c1")), bad);
    let last = store.claim(1).unwrap();
    assert_eq!(last[0].id, behind, "it is next, before what came after it");
    store.complete(last.into_iter().map(|c| (c, done(list(3, "c3")))).collect()).unwrap();
    let mut puts = deliver(&store).0;
    puts.sort();
    assert_eq!(puts, ["c1", "c3", "o", "p"]);
    sum(&store);
}

#[tokio::test]
async fn a_replaced_or_discarded_quarantine_is_left_out_with_its_reason() {
    let (_dir, _store, store) = fresh();
    for name in ["1", "2", "3"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    let replaced = complete_next(&store, quarantined(lab("u", 1, &[])));
    complete_next(&store, lab("u", 2, &["o"]));
    assert_eq!(state(&store, replaced), (State::Excluded, Some("superseded".into())));
    let bad = complete_next(&store, quarantined(lab("v", 3, &[])));
    assert_eq!(store.discard(&Selection::Messages(vec![bad]), "test data").unwrap(), 1);
    assert_eq!(state(&store, bad), (State::Excluded, Some("discarded".into())));
    assert_eq!(store.discarded_because(bad).unwrap().as_deref(), Some("test data"));
    assert!(store.causes().unwrap().is_empty());
    let sum = sum(&store);
    assert_eq!((sum.received, sum.pending, sum.excluded), (3, 1, 2));
}

#[tokio::test]
async fn a_start_catches_up_from_wherever_it_ended() {
    let (dir, mut store, mut facility_store) = fresh();
    for number in 0..6 {
        accept(&facility_store, &format!("{number}"), &format!("p{number}:")).await;
    }
    for step in 0..6 {
        // Each step ends without a shutdown, one step further than the one before.
        match step {
            1 => index(&facility_store),
            2 => drop(facility_store.claim(3).unwrap()),
            3 => drop(complete_next(&facility_store, lab("u", 1, &["o"]))),
            4 => drop(next_delivery(&facility_store)),
            _ => {}
        }
        drop((store, facility_store));
        store = open(dir.path());
        facility_store = facility(&store);
        assert_eq!(sum(&facility_store).received, 6);
    }
    assert_eq!(facility_store.claim(10).unwrap().len(), 5);
    assert_eq!(deliver(&facility_store).0, ["p", "o"]);
    assert_eq!(sum(&facility_store).registered, 1);
}

#[tokio::test]
async fn under_the_hard_limit_input_is_refused_and_sending_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { soft_free: u64::MAX, hard_free: u64::MAX, ..Config::default() };
    let store = Store::open(dir.path(), &["f".into()], config).unwrap();
    let store = store.facility("f").unwrap();
    let refused = store.accept(arrival("1", "p:", NOW)).await;
    assert!(matches!(refused, Err(super::AcceptError::Full { .. })));
    assert!(store.disk().full && store.unindexed(10).unwrap().is_empty());
    assert!(next_delivery(&store).is_none());
}
