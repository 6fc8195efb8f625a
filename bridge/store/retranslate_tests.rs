//! Messages that another set of mappings made, registered or not yet sent, are made anew by the active one.

use super::consent_tests::{excluded, list, listed, why};
use super::tests::{
    NOW, accept, complete_next, deliver, done, fresh, index, lab, next_delivery, quarantined, state,
};
use super::{ConsentRow, FacilityStore, MessageId, Selection, State, Withdrawal};
use crate::record::tests::resource;
use renkei_translate::translation::{Role, Translation};

fn outdated() -> Selection {
    Selection::Outdated { version: "v2".into(), kind: String::new() }
}

fn again(store: &FacilityStore, translation: Translation) -> MessageId {
    let claim = store.claim(1).unwrap().pop().unwrap();
    let id = claim.id;
    let mut completion = done(translation);
    completion.mapping_version = "v2".into();
    store.complete(vec![(claim, completion)]).unwrap();
    id
}

#[tokio::test]
async fn what_waits_is_made_anew_and_does_not_go_out_before() {
    let (_dir, _root, store) = fresh();
    for name in ["1", "2"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    let sent = complete_next(&store, lab("u1", 1, &["a"]));
    deliver(&store);
    let waits = complete_next(&store, lab("u2", 2, &["b", "private"]));
    assert_eq!((state(&store, sent).0, state(&store, waits).0), (State::Registered, State::Pending));
    assert_eq!(store.waiting_outdated("v2", "").unwrap(), 1);
    assert_eq!((store.waiting_outdated("v1", "").unwrap(), store.count(&outdated()).unwrap()), (0, 2));
    assert_eq!(store.replay(&outdated()).unwrap(), 2);
    assert!(next_delivery(&store).is_none(), "what the version before made is kept back");
    assert_eq!(again(&store, lab("u1", 1, &["a"])), sent);
    assert!(next_delivery(&store).is_none(), "until the last of it is made anew");
    assert_eq!(again(&store, lab("u2", 2, &["b"])), waits);
    let (puts, deletes) = deliver(&store);
    assert!(puts.contains(&"b".to_owned()) && !puts.contains(&"private".to_owned()), "{puts:?}");
    assert!(deletes.is_empty(), "it never was there: {deletes:?}");
    assert_eq!((state(&store, sent).0, state(&store, waits).0), (State::Registered, State::Registered));
    assert_eq!((store.waiting_outdated("v2", "").unwrap(), store.count(&outdated()).unwrap()), (0, 0));
}

#[tokio::test]
async fn what_is_not_shared_yet_is_made_anew_too_and_stays_here() {
    let (_dir, _root, store) = fresh();
    store.share(&listed(Withdrawal::Stop), NOW).unwrap();
    accept(&store, "1", "p:").await;
    index(&store);
    let mut translation = lab("u1", 1, &["a", "private"]);
    translation.patient = Some("p".into());
    let id = complete_next(&store, translation.clone());
    assert_eq!(why(&store, id), excluded("not-shared"));
    assert_eq!((store.waiting_outdated("v2", "").unwrap(), store.replay(&outdated()).unwrap()), (0, 1));
    translation.resources.retain(|resource| resource.id != "private");
    assert_eq!(again(&store, translation), id);
    assert_eq!(why(&store, id), excluded("not-shared"));
    assert!(next_delivery(&store).is_none());
    list(&store, &[ConsentRow { patient: "p".into(), from_day: 0, until_day: 99_991_231 }]);
    let (puts, _) = deliver(&store);
    assert!(puts.contains(&"a".to_owned()) && !puts.contains(&"private".to_owned()), "{puts:?}");
}

#[tokio::test]
async fn it_is_known_of_which_kind_and_by_which_version_messages_are() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    assert!(!store.has_translated("v1").unwrap() && !store.has_recorded("OML-11").unwrap());
    let mut translation = lab("u1", 1, &["a"]);
    translation.kind = Some("OML-11".into());
    complete_next(&store, translation);
    assert!(store.has_translated("v1").unwrap() && !store.has_translated("v2").unwrap());
    assert!(store.has_recorded("OML-11").unwrap() && !store.has_recorded("OMP-02").unwrap());
}

#[tokio::test]
async fn a_cause_without_a_position_names_the_element() {
    use renkei_translate::finding::{Finding, Location};
    use renkei_translate::translation::Status;
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "p:").await;
    index(&store);
    let mut translation = lab("u1", 1, &["a"]);
    translation.status = Status::Quarantined;
    let at = Location::default().path("Observation.category[0].coding");
    translation.findings.push(Finding::error("profile-missing", at));
    complete_next(&store, translation);
    let causes = store.causes().unwrap();
    assert_eq!(
        (causes[0].code.as_str(), causes[0].position.as_str()),
        ("profile-missing", "Observation.category.coding")
    );
}

#[tokio::test]
async fn results_that_went_are_told_as_long_as_they_are_gone_by_that_message() {
    let (_dir, _root, store) = fresh();
    for name in ["1", "2"] {
        accept(&store, name, "p:").await;
    }
    index(&store);
    let report = |time: u64, result: &str| {
        let mut report = lab("u", time, &[result]);
        report.resources.push(resource("DiagnosticReport", "r", Role::Unit, result, &[]));
        report
    };
    let gone = |id: MessageId| -> Vec<String> {
        let all = store.message(id).unwrap().unwrap().findings.into_iter();
        all.filter(|found| found.code == "results-gone")
            .map(|found| found.detail.unwrap_or_default().into_owned())
            .collect()
    };
    let (first, second) = (complete_next(&store, report(1, "a")), complete_next(&store, report(2, "b")));
    assert_eq!((gone(first), gone(second)), (vec![], vec!["1".to_owned()]));
    deliver(&store);
    // Other rules say the same once more, and bring nothing back.
    store.replay(&Selection::Messages(vec![second])).unwrap();
    assert_eq!(again(&store, report(2, "b")), second);
    assert_eq!(gone(second), ["1"]);
    // The one whose result went is held by other rules and discarded: the other is the whole, and takes nothing away.
    store.replay(&Selection::Messages(vec![first])).unwrap();
    assert_eq!(again(&store, quarantined(report(1, "a"))), first);
    assert_eq!(store.discard(&Selection::Messages(vec![first]), "test").unwrap(), 1);
    assert_eq!(again(&store, report(2, "b")), second);
    assert!(gone(second).is_empty());
}
