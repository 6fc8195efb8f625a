//! The ledger balances after whatever happened, consent that comes and goes included; a base has what it may have in
//! the end and nothing else; and what is shared between requests ends up right.

use super::tests::{
    NOW, accept, complete_next, deliver, done, facility, fresh, index, lab, next_delivery, open, quarantined,
    state, sum,
};
use super::{
    ConsentRow, FacilityStore, Selection, Settlement, Share, Sharing, State, TestPatients, Withdrawal,
};
use crate::record::tests::{resource, withdrawn};
use proptest::prelude::{Strategy, prop, proptest};
use proptest::prop_assert_eq;
use proptest::test_runner::Config;
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Role, Status, Translation};
use std::collections::BTreeSet;

/// What may happen: a kind of step and a number that picks whom it happens to.
fn steps() -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec((0..19_u8, 0..3_u8), 1..60)
}

fn message(step: u8, number: u8, time: u64) -> Translation {
    let mut message = lab(&format!("u{number}"), time, &["o"]);
    message.patient = Some(format!("p{number}"));
    let patient = format!("p{number}");
    let say = format!("o{number}");
    message.resources = vec![
        resource("Observation", &say, Role::Unit, &format!("at {time}"), &[&format!("Patient/{patient}")]),
        resource("Patient", &patient, Role::Provisional, "p", &[]),
    ];
    match step {
        0 => quarantined(message),
        1 => withdrawn(message),
        2 => {
            (message.status, message.excluded) = (Status::Excluded, Some("superseded"));
            message
        }
        _ => message,
    }
}

/// Who is shared, as the test knows it, and what the base has.
struct Model {
    everybody: bool,
    listed: Vec<String>,
    base: BTreeSet<String>,
}

impl Model {
    fn shares(&self, id: &str) -> bool {
        self.everybody || self.listed.iter().any(|patient| patient[1..] == id[1..])
    }

    fn list(&mut self, store: &FacilityStore, numbers: &[u8]) {
        self.listed = numbers.iter().map(|number| format!("p{number}")).collect();
        let rows = self.listed.iter().map(|patient| ConsentRow::always(patient)).collect();
        store.consent_replace(rows, NOW, "command", "").unwrap();
    }

    fn set(&mut self, store: &FacilityStore, share: Share, withdrawal: Withdrawal) {
        self.everybody = share == Share::All;
        let destinations = vec![("base".into(), share)];
        store.share(&Sharing { destinations, withdrawal, tests: TestPatients::default() }, NOW).unwrap();
    }

    /// Sends all that waits; nothing of whom is not shared may be in it.
    fn deliver(&mut self, store: &FacilityStore) {
        while let Some(claim) = next_delivery(store) {
            let projection = store.projection(&claim).unwrap();
            assert!(projection.puts.iter().all(|put| self.shares(&put.id)), "{:?}", projection.puts);
            if !projection.is_empty() {
                assert!(store.begin_send(&claim, &projection).unwrap());
            }
            self.base.extend(projection.puts.iter().map(|put| put.id.clone()));
            for (_, id) in &projection.deletes {
                self.base.remove(id);
            }
            store.settle(claim, Settlement::Registered { projection }).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn the_sums_balance_after_whatever_happened(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (dir, mut root, mut store) = fresh();
        let mut received = 0;
        let mut model = Model { everybody: true, listed: Vec::new(), base: BTreeSet::new() };
        for ((step, number), time) in steps.into_iter().zip(1..) {
            match step {
                0..=4 => {
                    runtime.block_on(accept(&store, &format!("{time}"), &format!("p{number}:")));
                    received += 1;
                    index(&store);
                    let Some(claim) = store.claim(1).unwrap().pop() else { continue };
                    store.complete(vec![(claim, done(message(step, number, time)))]).unwrap();
                }
                5 => {
                    runtime.block_on(accept(&store, &format!("{time}"), &format!("p{number}:")));
                    received += 1;
                }
                6 => {
                    // The same name and body again.
                    runtime.block_on(accept(&store, "same", "p0:"));
                    received += 1;
                    index(&store);
                }
                7 => {
                    store.replay(&Selection::State(State::Quarantined)).unwrap();
                }
                8 => {
                    store.discard(&Selection::State(State::Rejected), "x").unwrap();
                }
                9 => model.deliver(&store),
                10 | 11 => {
                    let Some(claim) = next_delivery(&store) else { continue };
                    let settlement = match number {
                        0 => Settlement::Rejected { status: 422, answer: Vec::new() },
                        1 => Settlement::Held { findings: vec![Finding::error("field-empty", Location::at("PID-3"))] },
                        _ => Settlement::Retry { at_ms: NOW, error: "timeout" },
                    };
                    store.settle(claim, settlement).unwrap();
                }
                12 => {
                    drop((root, store));
                    root = open(dir.path());
                    store = facility(&root);
                    model.everybody = true;
                }
                14 => model.list(&store, [&[][..], &[0], &[0, 1, 2]][usize::from(number)]),
                15 => model.list(&store, [&[2][..], &[1], &[1, 2]][usize::from(number)]),
                16 => {
                    let withdrawal = if number == 0 { Withdrawal::Stop } else { Withdrawal::Delete };
                    model.set(&store, Share::Listed, withdrawal);
                }
                17 => {
                    store.sweep(NOW).unwrap();
                }
                18 => {
                    // The list changes between the claim and the request.
                    let Some(claim) = next_delivery(&store) else { continue };
                    let projection = store.projection(&claim).unwrap();
                    model.list(&store, &[number]);
                    let go = store.begin_send(&claim, &projection).unwrap();
                    let settlement = match go {
                        true => {
                            model.base.extend(projection.puts.iter().map(|put| put.id.clone()));
                            for (_, id) in &projection.deletes {
                                model.base.remove(id);
                            }
                            Settlement::Registered { projection }
                        }
                        false => Settlement::Retry { at_ms: NOW, error: "sharing-changed" },
                    };
                    store.settle(claim, settlement).unwrap();
                }
                _ => {
                    store.replay(&Selection::State(State::Held)).unwrap();
                }
            }
            prop_assert_eq!(sum(&store).received, received);
        }
        // Everything is brought to its end: nothing may be left waiting for nothing.
        index(&store);
        while let Some(claim) = store.claim(1).unwrap().pop() {
            let (number, time) = (0, 1_000 + u64::try_from(claim.id.row()).unwrap_or_default());
            store.complete(vec![(claim, done(message(4, number, time)))]).unwrap();
        }
        store.sweep(NOW).unwrap();
        model.deliver(&store);
        let end = sum(&store);
        prop_assert_eq!((end.received, end.pending), (received, 0));
        prop_assert_eq!(store.queue("base").unwrap().pending, 0);
        // Nobody is shared any more, and everybody again.
        model.set(&store, Share::Listed, Withdrawal::Delete);
        model.list(&store, &[]);
        store.sweep(NOW).unwrap();
        model.deliver(&store);
        prop_assert_eq!(&model.base, &BTreeSet::new());
        let end = sum(&store);
        prop_assert_eq!((end.received, end.pending, end.registered), (received, 0, 0));
        model.set(&store, Share::All, Withdrawal::Delete);
        store.sweep(NOW).unwrap();
        model.deliver(&store);
        let end = sum(&store);
        prop_assert_eq!((end.received, end.pending), (received, 0));
        let held = store.record_ids().unwrap();
        let results: BTreeSet<String> =
            held.iter().filter(|(kind, _)| kind == "Observation").map(|(_, id)| id.clone()).collect();
        let sent: BTreeSet<String> = model.base.iter().filter(|id| id.starts_with('o')).cloned().collect();
        prop_assert_eq!(sent, results);
        drop(root);
    }
}

fn with_doctor(key: &str, patient: &str, time: u64, text: &str) -> Translation {
    let mut message = lab(key, time, &[]);
    message.patient = Some(patient.into());
    message.resources = vec![
        resource("Observation", key, Role::Unit, key, &["Practitioner/d"]),
        resource("Practitioner", "d", Role::Shared, text, &[]),
    ];
    message
}

#[tokio::test]
async fn two_requests_with_different_content_of_one_id_end_with_the_newest() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "a:").await;
    accept(&store, "2", "b:").await;
    index(&store);
    complete_next(&store, with_doctor("u1", "a", 1, "old"));
    let first = next_delivery(&store).unwrap();
    let old = store.projection(&first).unwrap();
    store.begin_send(&first, &old).unwrap();
    complete_next(&store, with_doctor("u2", "b", 2, "new"));
    let second = next_delivery(&store).unwrap();
    let new = store.projection(&second).unwrap();
    store.begin_send(&second, &new).unwrap();
    // The answers come in the order that hides who came last.
    store.settle(first, Settlement::Registered { projection: old }).unwrap();
    store.settle(second, Settlement::Registered { projection: new }).unwrap();
    let puts = deliver(&store).0;
    assert!(puts.contains(&"d".to_owned()), "{puts:?}");
    assert!(next_delivery(&store).is_none());
}

#[tokio::test]
async fn a_shared_resource_that_changes_in_flight_is_sent_though_its_unit_did_not_change() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "a:").await;
    accept(&store, "2", "a:").await;
    index(&store);
    let first = complete_next(&store, with_doctor("u1", "a", 1, "old"));
    let claim = next_delivery(&store).unwrap();
    let projection = store.projection(&claim).unwrap();
    store.begin_send(&claim, &projection).unwrap();
    complete_next(&store, with_doctor("u1", "a", 2, "new"));
    store.settle(claim, Settlement::Registered { projection }).unwrap();
    assert_eq!(deliver(&store).0, ["d"]);
    assert_eq!(state(&store, first).0, State::Registered);
}

#[tokio::test]
async fn a_discarded_rejection_leaves_no_delivery_behind() {
    let (_dir, _root, store) = fresh();
    accept(&store, "1", "a:").await;
    accept(&store, "2", "a:").await;
    index(&store);
    let first = complete_next(&store, lab("u", 1, &["o"]));
    let claim = next_delivery(&store).unwrap();
    store.settle(claim, Settlement::Rejected { status: 400, answer: Vec::new() }).unwrap();
    assert_eq!(store.queue("base").unwrap().rejected, 1);
    assert_eq!(store.discard(&Selection::Messages(vec![first]), "x").unwrap(), 1);
    assert_eq!(store.queue("base").unwrap().rejected, 0);
    let second = complete_next(&store, lab("u", 2, &["o"]));
    deliver(&store);
    assert_eq!((state(&store, first).0, state(&store, second).0), (State::Excluded, State::Registered));
}
