//! Consent comes and ends: what a destination gets, loses and never sees.

use super::tests::{
    NOW, accept, complete_next, deliver, done, facility, fresh, index, lab, next_delivery, open, state, sum,
};
use super::{
    ConsentRow, FacilityStore, MessageId, Settlement, Share, Sharing, State, TestPatients, Withdrawal,
};
use crate::record::tests::{resource, withdrawn};
use renkei_translate::translation::{Role, Translation};
use std::sync::Arc;

const DAY: i64 = 86_400_000;
/// The day of `NOW`.
const TODAY: u32 = 20_260_105;

pub(super) fn listed(withdrawal: Withdrawal) -> Sharing {
    Sharing {
        destinations: vec![("base".into(), Share::Listed), ("other".into(), Share::Listed)],
        withdrawal,
        tests: TestPatients::default(),
    }
}

fn site(withdrawal: Withdrawal) -> (tempfile::TempDir, Arc<super::Store>, Arc<FacilityStore>) {
    let (dir, root, store) = fresh();
    store.share(&listed(withdrawal), NOW).unwrap();
    (dir, root, store)
}

/// Replaces the list and sweeps.
pub(super) fn list(store: &FacilityStore, rows: &[ConsentRow]) {
    store.consent_replace(rows.to_vec(), NOW, "command", "0").unwrap();
    store.sweep(NOW).unwrap();
}

fn days(patient: &str, from_day: u32, until_day: u32) -> ConsentRow {
    ConsentRow { patient: patient.into(), from_day, until_day }
}

/// A result of patient `p` with an Observation that refers to the provisional Patient `p`, and a doctor.
fn result(key: &str, time: u64, id: &str) -> Translation {
    let mut message = lab(key, time, &[id]);
    message.patient = Some("p".into());
    message.resources[0].references.push("Practitioner/d".into());
    message.resources.push(resource("Practitioner", "d", Role::Shared, "doctor", &[]));
    message
}

async fn one(store: &FacilityStore, name: &str, translation: Translation) -> MessageId {
    accept(store, name, "p:").await;
    index(store);
    complete_next(store, translation)
}

pub(super) fn why(store: &FacilityStore, id: MessageId) -> (State, Option<String>) {
    sum(store);
    state(store, id)
}

pub(super) fn excluded(reason: &str) -> (State, Option<String>) {
    (State::Excluded, Some(reason.into()))
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test]
async fn who_is_not_listed_is_recorded_and_left_out_and_sent_when_listed() {
    let (_dir, _root, store) = site(Withdrawal::Stop);
    let first = one(&store, "1", result("u", 1, "o1")).await;
    let second = one(&store, "2", result("u", 2, "o2")).await;
    let third = one(&store, "3", result("v", 3, "o3")).await;
    for id in [first, second, third] {
        assert_eq!(why(&store, id), excluded("not-shared"));
    }
    assert!(next_delivery(&store).is_none());
    assert_eq!((sum(&store).excluded, sum(&store).by_reason["not-shared"]), (3, 3));
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(why(&store, first), (State::Pending, None));
    // In the order of the record, and of each unit its newest state.
    let units: Vec<String> = {
        let mut units = Vec::new();
        let mut puts = Vec::new();
        while let Some(claim) = next_delivery(&store) {
            units.push(claim.unit.clone());
            let projection = store.projection(&claim).unwrap();
            assert!(store.begin_send(&claim, &projection).unwrap());
            puts.extend(projection.puts.iter().map(|put| put.id.clone()));
            store.settle(claim, Settlement::Registered { projection }).unwrap();
        }
        assert_eq!(sorted(puts), ["d", "o2", "o3", "p"]);
        units
    };
    assert_eq!(units, ["u", "v"]);
    for id in [first, second, third] {
        assert_eq!(why(&store, id), (State::Registered, None));
    }
}

#[tokio::test]
async fn a_withdrawal_with_stop_leaves_what_is_there_and_sends_nothing_more() {
    let (_dir, _root, store) = site(Withdrawal::Stop);
    list(&store, &[ConsentRow::always("p"), ConsentRow::always("q")]);
    let sent = one(&store, "1", result("u", 1, "o1")).await;
    assert_eq!(deliver(&store).0.len(), 3);
    let queued = one(&store, "2", result("u", 2, "o2")).await;
    list(&store, &[ConsentRow::always("q")]);
    assert_eq!(why(&store, sent), (State::Registered, None));
    assert_eq!(why(&store, queued), excluded("not-shared"));
    assert!(next_delivery(&store).is_none());
    let later = one(&store, "3", result("w", 3, "o3")).await;
    assert_eq!(why(&store, later), excluded("not-shared"));
    assert_eq!(deliver(&store), (Vec::new(), Vec::new()));
    // Back again: the newest state, and the difference only.
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(why(&store, sent), (State::Registered, None));
    let (puts, deletes) = deliver(&store);
    assert_eq!((sorted(puts), deletes), (vec!["o2".to_owned(), "o3".into()], vec!["o1".to_owned()]));
    assert_eq!(sum(&store).registered, 3);
}

#[tokio::test]
async fn a_withdrawal_with_delete_takes_everything_back_but_what_is_shared() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    let first = one(&store, "1", result("u", 1, "o1")).await;
    let second = one(&store, "2", result("v", 2, "o2")).await;
    deliver(&store);
    list(&store, &[ConsentRow::always("q")]);
    assert_eq!(why(&store, first), (State::Pending, None), "the base has it still");
    let claim = next_delivery(&store).unwrap();
    assert!(!claim.shared);
    let projection = store.projection(&claim).unwrap();
    let gone: Vec<&str> = projection.deletes.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(projection.puts.len(), 0);
    assert_eq!(gone.last(), Some(&"p"), "everything refers to the Patient");
    assert_eq!(sorted(gone.iter().map(|id| (*id).to_owned()).collect()), ["o1", "o2", "p"]);
    // The base is away for a while.
    store.settle(claim, Settlement::Retry { at_ms: NOW, error: "timeout" }).unwrap();
    assert_eq!(why(&store, second), (State::Pending, None));
    assert_eq!(deliver(&store).1.len(), 3);
    assert_eq!(why(&store, first), excluded("not-shared"));
    assert_eq!(why(&store, second), excluded("not-shared"));
    assert_eq!(store.queue("base").unwrap().pending, 0);
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(sorted(deliver(&store).0), ["o1", "o2", "p"]);
    assert_eq!(sum(&store).registered, 2);
}

#[tokio::test]
async fn a_patient_whose_units_are_all_gone_is_deleted_too() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    one(&store, "1", result("u", 1, "o1")).await;
    deliver(&store);
    one(&store, "2", withdrawn(result("u", 2, "o1"))).await;
    assert_eq!(deliver(&store).1, ["o1"]);
    list(&store, &[ConsentRow::always("q")]);
    assert_eq!(deliver(&store), (Vec::new(), vec!["p".to_owned()]));
}

#[tokio::test]
async fn what_is_claimed_when_the_consent_ends_is_not_sent() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert_eq!(projection.puts.len(), 3);
    // No sweep has run yet.
    store.consent_replace(vec![ConsentRow::always("q")], NOW, "command", "0").unwrap();
    assert!(!store.begin_send(&claim, &projection).unwrap());
    store.settle(claim, Settlement::Retry { at_ms: NOW, error: "sharing-changed" }).unwrap();
    assert_eq!(why(&store, id), excluded("not-shared"));
    assert_eq!(deliver(&store), (Vec::new(), Vec::new()));
    store.sweep(NOW).unwrap();
    assert_eq!(why(&store, id), excluded("not-shared"));
}

#[tokio::test]
async fn what_is_under_way_when_the_consent_ends_is_deleted_after_it() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(store.begin_send(&claim, &projection).unwrap());
    list(&store, &[ConsentRow::always("q")]);
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!(sorted(deliver(&store).1), ["o1", "p"]);
    assert_eq!(why(&store, id), excluded("not-shared"));
}

#[tokio::test]
async fn a_consent_that_comes_back_during_the_deletion_is_sent_after_it() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    deliver(&store);
    list(&store, &[ConsentRow::always("q")]);
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(store.begin_send(&claim, &projection).unwrap());
    list(&store, &[ConsentRow::always("p")]);
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!(why(&store, id), (State::Pending, None));
    assert_eq!(sorted(deliver(&store).0), ["o1", "p"]);
    assert_eq!(why(&store, id), (State::Registered, None));
}

#[tokio::test]
async fn days_begin_and_end_at_midnight_in_japan() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[days("p", TODAY + 1, TODAY + 2)]);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    assert_eq!(why(&store, id), excluded("not-shared"));
    // NOW is nine in the morning: fifteen hours are left of the day.
    let midnight = NOW + 15 * 3_600_000;
    assert_eq!(store.sweep(midnight - 1).unwrap(), 0);
    assert!(store.sweep(midnight).unwrap() > 0);
    assert_eq!(why(&store, id), (State::Pending, None));
    let claims = store.claim_deliveries("base", midnight + 2 * DAY, 1).unwrap();
    assert_eq!(claims, [], "nothing goes out before the day is turned");
    deliver(&store);
    assert_eq!(why(&store, id), (State::Registered, None));
    assert_eq!(store.sweep(midnight + DAY).unwrap(), 0, "the last day counts");
    store.sweep(midnight + 2 * DAY).unwrap();
    assert_eq!(sorted(deliver(&store).1), ["o1", "p"]);
    assert_eq!(why(&store, id), excluded("not-shared"));
}

#[tokio::test]
async fn a_kill_between_the_list_and_the_sweep_loses_neither() {
    let (dir, root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    deliver(&store);
    store.consent_replace(vec![ConsentRow::always("q")], NOW, "folder", "0").unwrap();
    drop((root, store));
    let root = open(dir.path());
    let store = root.facility("1319999999").unwrap();
    store.share(&listed(Withdrawal::Delete), NOW).unwrap();
    assert!(store.sweep(NOW).unwrap() > 0);
    assert_eq!(sorted(deliver(&store).1), ["o1", "p"]);
    assert_eq!(why(&store, id), excluded("not-shared"));
}

#[tokio::test]
async fn a_start_with_other_settings_looks_at_everybody_again() {
    let (dir, root, store) = site(Withdrawal::Stop);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    drop((root, store));
    // Everybody is shared now.
    let root = open(dir.path());
    let store = facility(&root);
    store.sweep(NOW).unwrap();
    assert_eq!(sorted(deliver(&store).0), ["d", "o1", "p"]);
    // Nobody of the list is.
    let mut sharing = listed(Withdrawal::Delete);
    sharing.destinations = vec![("base".into(), Share::AllButListed)];
    store.share(&sharing, NOW).unwrap();
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(sorted(deliver(&store).1), ["o1", "p"]);
    assert_eq!(why(&store, id), excluded("not-shared"));
}

#[tokio::test]
async fn a_test_patient_is_never_shared_by_id_or_by_name() {
    let (_dir, _root, store) = fresh();
    let mut sharing = Sharing::all(&["base"]);
    sharing.withdrawal = Withdrawal::Delete;
    sharing.tests.ids.push("p".into());
    store.share(&sharing, NOW).unwrap();
    let id = one(&store, "1", result("u", 1, "o1")).await;
    assert_eq!(why(&store, id), excluded("test-patient"));
    sharing.tests.ids.clear();
    store.share(&sharing, NOW).unwrap();
    store.sweep(NOW).unwrap();
    assert_eq!(deliver(&store).0.len(), 3);
    // The Patient of these tests has its text among its members, no name; a name comes with its source.
    sharing.tests.names.push("テスト*".into());
    store.share(&sharing, NOW).unwrap();
    store.sweep(NOW).unwrap();
    assert_eq!(why(&store, id), (State::Registered, None));
    let mut source = lab("adt", 2, &[]);
    source.patient = Some("p".into());
    source.resources = vec![resource("Patient", "p", Role::Unit, "named", &[])];
    source.resources[0].json =
        "{\"resourceType\":\"Patient\",\"id\":\"p\",\"name\":[{\"text\":\"テスト 太郎\"}]}"
            .as_bytes()
            .to_vec();
    let named = one(&store, "2", source).await;
    store.sweep(NOW).unwrap();
    assert_eq!(sorted(deliver(&store).1), ["o1", "p"]);
    assert_eq!(why(&store, id), excluded("test-patient"));
    assert_eq!(why(&store, named), excluded("test-patient"));
}

#[tokio::test]
async fn a_message_of_two_patients_goes_only_when_both_are_shared() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    accept(&store, "1", "p q:").await;
    index(&store);
    let id = complete_next(&store, result("u", 1, "o1"));
    assert_eq!(why(&store, id), excluded("not-shared"));
    list(&store, &[ConsentRow::always("p"), ConsentRow::always("q")]);
    assert_eq!(deliver(&store).0.len(), 3);
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(deliver(&store).1, ["o1"], "the Patient is that of p, who is shared");
    assert_eq!(why(&store, id), excluded("not-shared"));
}

#[tokio::test]
async fn a_unit_that_turns_out_to_be_of_a_second_patient_is_not_sent_by_an_older_claim() {
    let (_dir, _root, store) = site(Withdrawal::Stop);
    list(&store, &[ConsentRow::always("p")]);
    one(&store, "1", result("u", 1, "o1")).await;
    let claim = next_delivery(&store).unwrap();
    accept(&store, "2", "p q:").await;
    index(&store);
    let both = complete_next(&store, result("u", 2, "o2"));
    let projection = store.projection(&claim).unwrap();
    assert!(!store.begin_send(&claim, &projection).unwrap());
    store.settle(claim, Settlement::Retry { at_ms: NOW, error: "sharing-changed" }).unwrap();
    assert_eq!(deliver(&store), (Vec::new(), Vec::new()));
    assert_eq!(why(&store, both), excluded("not-shared"));
}

#[tokio::test]
async fn each_destination_has_its_own_rule() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    let mut sharing = listed(Withdrawal::Delete);
    sharing.destinations[1].1 = Share::All;
    store.share(&sharing, NOW).unwrap();
    accept(&store, "1", "p:").await;
    index(&store);
    let claim = store.claim(1).unwrap().pop().unwrap();
    let (id, mut completion) = (claim.id, done(result("u", 1, "o1")));
    completion.destinations.push("other".into());
    store.complete(vec![(claim, completion)]).unwrap();
    assert_eq!(deliver(&store), (Vec::new(), Vec::new()));
    let claim = store.claim_deliveries("other", NOW, 1).unwrap().pop().unwrap();
    let projection = store.projection(&claim).unwrap();
    assert!(store.begin_send(&claim, &projection).unwrap());
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!(why(&store, id), (State::Registered, None));
    let views = store.message(id).unwrap().unwrap().deliveries;
    let shown: Vec<_> = views.iter().map(|view| (view.state, view.unshared.as_deref())).collect();
    assert_eq!(shown, [(State::Excluded, Some("not-shared")), (State::Registered, None)]);
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(why(&store, id), (State::Pending, None));
    assert_eq!(deliver(&store).0.len(), 3);
    list(&store, &[ConsentRow::always("q")]);
    assert_eq!(sorted(deliver(&store).1), ["o1", "p"]);
    assert_eq!(why(&store, id), (State::Registered, None), "the other base has it");
}

#[tokio::test]
async fn a_refused_deletion_is_shown_and_tried_again_after_the_next_change() {
    let (_dir, _root, store) = site(Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p")]);
    let id = one(&store, "1", result("u", 1, "o1")).await;
    deliver(&store);
    list(&store, &[ConsentRow::always("q")]);
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Rejected { status: 405, answer: Vec::new() }).unwrap();
    assert_eq!(why(&store, id), (State::Rejected, None));
    list(&store, &[ConsentRow::always("p")]);
    assert_eq!(why(&store, id), (State::Pending, None));
    deliver(&store);
    assert_eq!(why(&store, id), (State::Registered, None));
    list(&store, &[ConsentRow::always("q")]);
    assert_eq!(deliver(&store).1.len(), 2);
}

#[test]
fn a_list_is_compared_and_replaced_whole() {
    let (_dir, _root, store) = fresh();
    let first = [ConsentRow::always("a"), days("b", 20_260_101, 20_261_231), days("c", 0, 20_251_231)];
    let change = store.consent_replace(first.to_vec(), NOW, "command", "h1").unwrap();
    assert_eq!(
        (change.rows, change.added, change.removed, change.changed, change.unchanged),
        (3, 3, 0, 0, 0)
    );
    let second = vec![ConsentRow::always("a"), ConsentRow::always("b"), days("d", 20_260_201, 20_260_301)];
    let seen = store.consent_preview(&second).unwrap();
    assert_eq!((seen.rows, seen.added, seen.removed, seen.changed, seen.unchanged), (3, 1, 1, 1, 1));
    assert_eq!(store.consent_rows().unwrap().len(), 3, "a look changes nothing");
    assert_eq!(store.consent_replace(second, NOW, "folder", "h2").unwrap(), seen);
    let status = store.consent_status(TODAY).unwrap();
    assert_eq!((status.rows, status.active, status.future), (3, 2, 1));
    assert_eq!(status.last.unwrap().hash, "h2");
    assert_eq!(store.consent_imports(9).unwrap().len(), 2);
}
