//! Whose a message is decides what counts, whatever has become of it.

use super::consent_tests::list;
use super::tests::{NOW, accept, arrival, complete_next, deliver, fresh, index, lab, quarantined, state};
use super::{
    Activity, ConsentRow, FacilityStore, Indexed, LedgerLine, MessageId, Selection, Share, Sharing, State,
    StoreError, TestPatients,
};
use crate::record::tests::resource;
use renkei_translate::translation::Role;

const DAY: i64 = 86_400_000;
/// The day of `NOW`.
const TODAY: u32 = 20_260_105;

fn lines(store: &FacilityStore) -> Vec<LedgerLine> {
    let mut lines = Vec::new();
    let each = |line| {
        lines.push(line);
        Ok(())
    };
    store.ledger_lines::<StoreError>(0, 99_991_231, b"key", each).unwrap();
    lines
}

/// A message of a day from 0 on that is held, with no patient where the body names none.
async fn hold(store: &FacilityStore, day: i64, body: &str, names: &[&str]) -> MessageId {
    let arrival = arrival(&format!("{day}{body}"), body, NOW + day * DAY);
    let id = store.accept(arrival).await.unwrap().id;
    let patients = body.split(':').next().unwrap_or_default().split_whitespace();
    let first_pass = Indexed {
        id,
        patients: patients.clone().map(str::to_owned).collect(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Indexed::default()
    };
    store.index(vec![first_pass]).unwrap();
    let mut message = quarantined(lab(&format!("u{day}"), 1, &[]));
    message.patient = patients.clone().next().map(str::to_owned);
    message.unit = message.unit.filter(|_| message.patient.is_some());
    assert_eq!(complete_next(store, message), id);
    assert_eq!(state(store, id).0, State::Quarantined);
    id
}

fn input_days(store: &FacilityStore) -> Vec<u32> {
    store.activity(TODAY, TODAY + 20).unwrap().input_days
}

fn unshared(store: &FacilityStore) -> Vec<Option<&'static str>> {
    lines(store).into_iter().map(|line| line.unshared).collect()
}

/// The base gets listed patients.
fn listed_only() -> Sharing {
    Sharing { destinations: vec![("base".into(), Share::Listed)], ..Sharing::default() }
}

fn tests(ids: &[&str], ranges: &[[&str; 2]], names: &[&str]) -> TestPatients {
    TestPatients {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ranges: ranges.iter().map(|ends| ends.map(str::to_owned)).collect(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_held_message_of_a_test_patient_by_id_or_name_counts_nowhere() {
    let (_dir, _root, store) = fresh();
    let mut sharing = Sharing::all(&["base"]);
    sharing.tests = tests(&["t"], &[["900", "999"]], &["試験*"]);
    store.share(&sharing, NOW).unwrap();
    let by_id = hold(&store, 0, "t:", &[]).await;
    hold(&store, 1, "950:", &[]).await;
    hold(&store, 2, "p:", &["患者 花子", "ｼｹﾝ ﾊﾅｺ"]).await;
    hold(&store, 3, "q:", &["試験　太郎", "シケン タロウ"]).await;
    // A merge of a patient into a test patient, or the other way round.
    hold(&store, 4, "p t:", &[]).await;
    assert_eq!(input_days(&store), [TODAY + 2]);
    let test = Some("test-patient");
    assert_eq!(unshared(&store), [test, test, None, test, test]);
    // Left out by a person, it has another reason and is as much a test patient's.
    store.discard(&Selection::Messages(vec![by_id]), "x").unwrap();
    assert_eq!(state(&store, by_id), (State::Excluded, Some("discarded".into())));
    assert_eq!(store.activity(TODAY, TODAY).unwrap(), Activity::default());
}

#[tokio::test]
async fn a_held_message_of_a_patient_whom_the_record_knows_as_nobody_counts_nowhere() {
    let (_dir, _root, store) = fresh();
    let mut sharing = Sharing::all(&["base"]);
    sharing.tests = tests(&[], &[], &["試験*"]);
    store.share(&sharing, NOW).unwrap();
    accept(&store, "adt", "p:").await;
    index(&store);
    let mut source = lab("adt", 1, &[]);
    source.patient = Some("p".into());
    source.resources = vec![resource("Patient", "p", Role::Unit, "named", &[])];
    source.resources[0].json =
        r#"{"resourceType":"Patient","id":"p","name":[{"text":"試験 太郎"}]}"#.as_bytes().to_vec();
    let known = complete_next(&store, source);
    assert_eq!(state(&store, known), (State::Excluded, Some("test-patient".into())));
    // Its own PID says no name.
    hold(&store, 1, "p:", &[]).await;
    assert_eq!(unshared(&store), [Some("test-patient"); 2]);
    assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), Activity::default());
}

#[tokio::test]
async fn a_held_message_of_a_patient_who_is_not_shared_counts_nowhere() {
    let (_dir, _root, store) = fresh();
    let mut sharing = listed_only();
    store.share(&sharing, NOW).unwrap();
    list(&store, &[ConsentRow::always("p")]);
    hold(&store, 0, "p:", &[]).await;
    let not_shared = hold(&store, 1, "q:", &[]).await;
    hold(&store, 2, "p q:", &[]).await;
    assert_eq!(input_days(&store), [TODAY]);
    assert_eq!(unshared(&store), [None, Some("not-shared"), Some("not-shared")]);
    // Released it is left out, with its reason now, and the figures are as they were.
    let before = store.activity(TODAY, TODAY + 20).unwrap();
    store.replay(&Selection::Messages(vec![not_shared])).unwrap();
    assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), before, "in the queue");
    complete_next(&store, lab("u1", 1, &["o"]));
    assert_eq!(state(&store, not_shared), (State::Excluded, Some("not-shared".into())));
    assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), before);
    // One destination that may have it is enough.
    sharing.destinations.push(("other".into(), Share::All));
    store.share(&sharing, NOW).unwrap();
    store.sweep(NOW).unwrap();
    assert_eq!(input_days(&store), [TODAY, TODAY + 2], "u1 goes to no destination but the first");
}

#[tokio::test]
async fn a_held_message_of_which_nobody_can_tell_the_patient_counts_and_names_none() {
    let (_dir, _root, store) = fresh();
    let sharing = Sharing { tests: tests(&["t"], &[], &[]), ..listed_only() };
    store.share(&sharing, NOW).unwrap();
    hold(&store, 0, "t:", &[]).await;
    hold(&store, 1, "", &[]).await;
    hold(&store, 2, "q:", &[]).await;
    assert_eq!(input_days(&store), [TODAY + 1]);
    assert_eq!(unshared(&store), [Some("test-patient"), None, Some("not-shared")]);
    let keys: Vec<bool> = lines(&store).iter().map(|line| line.patient.is_some()).collect();
    assert_eq!(keys, [true, false, true]);
}

#[tokio::test]
async fn what_a_base_keeps_counts_after_the_consent_and_a_test_patient_never() {
    let (_dir, _root, store) = fresh();
    let mut sharing = listed_only();
    store.share(&sharing, NOW).unwrap();
    list(&store, &[ConsentRow::always("p")]);
    accept(&store, "1", "p:").await;
    index(&store);
    let mut message = lab("u", 1, &["o"]);
    message.patient = Some("p".into());
    complete_next(&store, message);
    deliver(&store);
    let sent = store.activity(TODAY, TODAY).unwrap();
    assert_eq!((sent.registered_days.as_slice(), sent.patients), ([TODAY].as_slice(), 1));
    list(&store, &[]);
    assert_eq!((store.activity(TODAY, TODAY).unwrap(), unshared(&store)), (sent, vec![Some("not-shared")]));
    sharing.tests = tests(&["p"], &[], &[]);
    store.share(&sharing, NOW).unwrap();
    store.sweep(NOW).unwrap();
    assert_eq!(lines(&store)[0].state, State::Registered);
    assert_eq!(store.activity(TODAY, TODAY).unwrap(), Activity::default());
    assert_eq!(unshared(&store), [Some("test-patient")]);
}

#[tokio::test]
async fn a_change_of_settings_or_list_is_in_the_figures_at_once_and_taken_back_with_it() {
    let (_dir, _root, store) = fresh();
    hold(&store, 0, "p:", &["試験 太郎"]).await;
    hold(&store, 1, "q:", &["患者 花子"]).await;
    let both = store.activity(TODAY, TODAY + 20).unwrap();
    assert_eq!(both.input_days, [TODAY, TODAY + 1]);
    let everybody = Sharing::all(&["base", "other"]);
    let set = |tests: TestPatients| {
        store.share(&Sharing { tests, ..everybody.clone() }, NOW).unwrap();
        input_days(&store)
    };
    assert_eq!(set(tests(&[], &[], &["試験*"])), [TODAY + 1]);
    assert_eq!(set(tests(&["q"], &[], &["試験*"])), [0_u32; 0]);
    assert_eq!(set(tests(&["q"], &[], &[])), [TODAY]);
    set(TestPatients::default());
    assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), both);
    assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), both, "asked twice");
}

#[tokio::test]
async fn names_go_with_the_bytes_and_a_test_patient_stays_one() {
    let (_dir, _root, store) = fresh();
    let mut sharing = Sharing::all(&["base"]);
    sharing.tests = tests(&[], &[], &["試験*"]);
    store.share(&sharing, NOW).unwrap();
    let (test, real) =
        (hold(&store, 0, "p:", &["試験 太郎"]).await, hold(&store, 0, "q:", &["患者 花子"]).await);
    store.discard(&Selection::Messages(vec![test, real]), "x").unwrap();
    let names = || {
        let console = store.console().unwrap();
        let mut select = console.prepare("SELECT names FROM message ORDER BY id").unwrap();
        let names = select.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<Vec<Option<String>>, _>>().unwrap()
    };
    assert_eq!(names(), [Some(r#"["試験 太郎"]"#.into()), Some(r#"["患者 花子"]"#.into())]);
    assert_eq!(store.drop_segments(NOW + 91 * DAY).unwrap().segments, 1);
    assert_eq!(names(), [Some(r#"["試験 太郎"]"#.into()), None]);
    assert_eq!(unshared(&store), [Some("test-patient"), None]);
    // What is recorded needs none of its own.
    accept(&store, "3", "r:").await;
    let later = store.unindexed(1).unwrap().remove(0).id;
    store.index(vec![Indexed { id: later, names: vec!["患者 三郎".into()], ..Indexed::default() }]).unwrap();
    assert_eq!(names().last().unwrap().as_deref(), Some(r#"["患者 三郎"]"#));
    complete_next(&store, lab("u", 1, &["o"]));
    assert_eq!(names().last().unwrap(), &None);
}
