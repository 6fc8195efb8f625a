//! Who is not shared when a backup is put back is deleted at the base, though nothing says that it was sent.

use super::consent_tests::{excluded, list, listed, why};
use super::tests::{
    NOW, accept, arrival, complete_next, deliver, fresh, index, lab, next_delivery, open, sum,
};
use super::upkeep::Shelf;
use super::{ConsentRow, FacilityStore, MessageId, Settlement, State, Store, Withdrawal};
use crate::record::tests::resource;
use renkei_translate::translation::{Role, Translation};
use std::collections::BTreeSet;
use std::sync::Arc;

const DAY: i64 = 86_400_000;

/// A result of a patient, who is made from it.
fn result(patient: &str, key: &str, time: u64, id: &str) -> Translation {
    let mut message = lab(key, time, &[id]);
    message.patient = Some(patient.into());
    message.resources[0].references = vec![format!("Patient/{patient}")];
    message.resources[1] = resource("Patient", patient, Role::Provisional, patient, &[]);
    message
}

async fn one(store: &FacilityStore, patient: &str, name: &str, translation: Translation) -> MessageId {
    accept(store, name, &format!("{patient}: {name}")).await;
    index(store);
    complete_next(store, translation)
}

/// Sends what waits, as a base takes it in; what was asked to be deleted, in that order.
fn send(store: &FacilityStore, base: &mut BTreeSet<String>) -> Vec<String> {
    let (puts, deletes) = deliver(store);
    base.extend(puts);
    base.retain(|id| !deletes.contains(id));
    deletes
}

fn at_base(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn started(root: &Store, withdrawal: Withdrawal) -> Arc<FacilityStore> {
    let store = root.facility("1319999999").unwrap();
    store.share(&listed(withdrawal), NOW).unwrap();
    store.sweep(NOW).unwrap();
    store
}

/// A backup knows of one result of `p`, who is not listed, and one of `q`, who is. After it `p` is listed and the
/// base gets both results of `p`; then the consent ends, and the machine is lost.
async fn lost(shelf: &Shelf) -> BTreeSet<String> {
    let (_dir, root, _) = fresh();
    let store = started(&root, Withdrawal::Delete);
    list(&store, &[ConsentRow::always("q")]);
    one(&store, "p", "1", result("p", "u", 1, "o1")).await;
    one(&store, "q", "2", result("q", "v", 2, "oq")).await;
    let mut base = BTreeSet::new();
    send(&store, &mut base);
    assert_eq!(base, at_base(&["oq", "q"]));
    shelf.make(&root, NOW);
    list(&store, &[ConsentRow::always("p"), ConsentRow::always("q")]);
    one(&store, "p", "3", result("p", "w", 3, "o3")).await;
    send(&store, &mut base);
    assert_eq!(base, at_base(&["o1", "o3", "oq", "p", "q"]));
    base
}

#[tokio::test]
async fn what_the_base_got_after_the_backup_goes_when_the_patient_is_not_shared() {
    let shelf = Shelf::new(1);
    let mut base = lost(&shelf).await;
    let restored = shelf.restored("restored");
    let root = open(&restored);
    let store = started(&root, Withdrawal::Delete);
    let known = MessageId::new(20_260_105, 1);
    assert_eq!(why(&store, known), (State::Pending, None));
    // What others refer to comes last and by itself: the base may know of more that does.
    assert_eq!(send(&store, &mut base), ["o1", "p"]);
    assert_eq!(why(&store, known), excluded("not-shared"));
    // The feed is read again.
    let again = one(&store, "p", "3", result("p", "w", 3, "o3")).await;
    assert_eq!(why(&store, again), (State::Pending, None));
    assert_eq!(send(&store, &mut base), ["o3", "p"]);
    assert_eq!(base, at_base(&["oq", "q"]), "nobody else is touched");
    assert_eq!(why(&store, again), excluded("not-shared"));
    assert_eq!(why(&store, MessageId::new(20_260_105, 2)), (State::Registered, None));
    assert_eq!((sum(&store).excluded, sum(&store).registered, sum(&store).pending), (2, 1, 0));
    // Once: another start finds nothing to do, and listed again all of it is sent.
    drop((root, store));
    let root = open(&restored);
    let store = started(&root, Withdrawal::Delete);
    assert!(next_delivery(&store).is_none());
    list(&store, &[ConsentRow::always("p"), ConsentRow::always("q")]);
    assert_eq!(send(&store, &mut base), [""; 0]);
    assert_eq!(base, at_base(&["o1", "o3", "oq", "p", "q"]));
}

#[tokio::test]
async fn what_is_to_stay_stays_after_a_restore_too() {
    let shelf = Shelf::new(1);
    let mut base = lost(&shelf).await;
    let before = base.clone();
    let root = open(&shelf.restored("restored"));
    let store = started(&root, Withdrawal::Stop);
    one(&store, "p", "3", result("p", "w", 3, "o3")).await;
    assert_eq!(send(&store, &mut base), [""; 0]);
    assert_eq!(base, before);
}

#[tokio::test]
async fn of_whom_is_shared_goes_what_the_base_has_too_much() {
    let shelf = Shelf::new(1);
    let mut base = lost(&shelf).await;
    let root = open(&shelf.restored("restored"));
    let store = started(&root, Withdrawal::Delete);
    list(&store, &[ConsentRow::always("p"), ConsentRow::always("q")]);
    // The result that the base has, and one that takes its place before either goes out.
    one(&store, "p", "3", result("p", "w", 3, "o3")).await;
    one(&store, "p", "4", result("p", "w", 4, "o4")).await;
    assert_eq!(send(&store, &mut base), ["o3"]);
    assert_eq!(base, at_base(&["o1", "o4", "oq", "p", "q"]));
}

#[tokio::test]
async fn a_deletion_that_the_base_refused_is_done_with_what_is_read_again() {
    let shelf = Shelf::new(1);
    let mut base = lost(&shelf).await;
    let root = open(&shelf.restored("restored"));
    let store = started(&root, Withdrawal::Delete);
    let known = MessageId::new(20_260_105, 1);
    let next = || {
        let claim = next_delivery(&store).unwrap();
        let projection = store.projection(&claim).unwrap();
        assert!(store.begin_send(&claim, &projection).unwrap());
        (claim, projection)
    };
    let (claim, projection) = next();
    assert_eq!(projection.deletes, [("Observation".to_owned(), "o1".to_owned())]);
    base.remove("o1");
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    // A result that nobody here knows of refers to the Patient.
    let (claim, projection) = next();
    assert_eq!(projection.deletes, [("Patient".to_owned(), "p".to_owned())]);
    store.settle(claim, Settlement::Rejected { status: 409, answer: Vec::new() }).unwrap();
    assert_eq!(why(&store, known), (State::Rejected, None));
    one(&store, "p", "3", result("p", "w", 3, "o3")).await;
    assert_eq!(send(&store, &mut base), ["o3", "p"]);
    assert_eq!(base, at_base(&["oq", "q"]));
    store.sweep(NOW).unwrap();
    assert_eq!(why(&store, known), excluded("not-shared"));
}

#[tokio::test]
async fn what_is_told_after_a_restore_asks_nothing_of_the_base() {
    let shelf = Shelf::new(1);
    lost(&shelf).await;
    let root = open(&shelf.restored("restored"));
    let store = started(&root, Withdrawal::Delete);
    deliver(&store);
    // The start was on the 5th; a clock may be a day ahead. Without a time the day of receipt counts, for 31 days.
    let cases = [
        ("20260105235959999", NOW, true),
        ("20260106000000000", NOW, true),
        ("20260107000000000", NOW, false),
        ("", NOW + 32 * DAY, true),
        ("", NOW + 33 * DAY, false),
        ("患者患者", NOW + 33 * DAY, false),
    ];
    for (n, (time, received_ms, deleted)) in cases.into_iter().enumerate() {
        let name = format!("x{n}");
        let mut message = result("p", &name, 1, &name);
        message.unit.as_mut().unwrap().time = time.into();
        store.accept(arrival(&name, &format!("p: {name}"), received_ms)).await.unwrap();
        index(&store);
        let id = complete_next(&store, message);
        assert_eq!(deliver(&store).1.contains(&name), deleted, "{time} {received_ms}");
        assert_eq!(why(&store, id), excluded("not-shared"));
    }
}

#[tokio::test]
async fn a_store_that_was_never_restored_asks_nothing_of_whom_is_not_shared() {
    let (_dir, root, _) = fresh();
    let store = started(&root, Withdrawal::Delete);
    list(&store, &[ConsentRow::always("q")]);
    for (n, time) in ["20260101000000000", "00000000000000000", ""].into_iter().enumerate() {
        let name = format!("x{n}");
        let mut message = result("p", &name, 1, &name);
        message.unit.as_mut().unwrap().time = time.into();
        let id = one(&store, "p", &name, message).await;
        assert_eq!(why(&store, id), excluded("not-shared"));
    }
    assert!(next_delivery(&store).is_none());
}

#[tokio::test]
async fn a_backup_of_the_first_version_is_brought_up() {
    let shelf = Shelf::new(1);
    let (dir, root, _) = fresh();
    let store = started(&root, Withdrawal::Delete);
    one(&store, "p", "1", result("p", "u", 1, "o1")).await;
    let state = rusqlite::Connection::open(dir.path().join("1319999999/state.sqlite")).unwrap();
    let first = "ALTER TABLE consent_state DROP COLUMN doubtful_until; ALTER TABLE message DROP COLUMN file_digest; \
         ALTER TABLE message DROP COLUMN names; DROP TABLE unmapped; \
         DROP TABLE merge; DROP TABLE part; DROP TABLE message_order_more";
    state.execute_batch(first).unwrap();
    state.pragma_update(None, "user_version", 1).unwrap();
    shelf.make(&root, NOW);
    let root = open(&shelf.restored("restored"));
    let store = started(&root, Withdrawal::Delete);
    assert_eq!(deliver(&store).1, ["o1", "p"]);
}
