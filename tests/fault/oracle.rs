//! Whether senders' log, ledger and the base's journal agree.

use super::SOON;
use super::appliance::{Appliance, BASE, FEED};
use super::hospital::{CANARY, Log, ORDERS_EACH, PATIENTS, PROBE_PATIENT, VERSIONS, patient};
use renkei_bridge::store::{Filter, MessageId, State};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Ids of each type of resource that are searched for.
const IDS_OF_A_TYPE: usize = 100;

/// What the base's journal says: by order, the versions in the order of commit, and which ids held it.
#[derive(Debug, Default)]
pub struct Journal {
    /// Values of each order, as committed one after the other.
    pub values: BTreeMap<u64, Vec<u64>>,
    /// `Observation/id` of each order.
    pub ids: BTreeMap<u64, BTreeSet<String>>,
    /// Orders by their first commit.
    pub arrived: Vec<u64>,
    /// What stands: every `Type/id`.
    pub standing: BTreeSet<String>,
}

/// Reads the file; a torn last line is not there yet.
pub fn journal(file: &Path) -> Journal {
    let mut journal = Journal::default();
    for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        if line["committed"] != Value::Bool(true) {
            continue;
        }
        for entry in line["entries"].as_array().into_iter().flatten() {
            let url = entry["url"].as_str().unwrap_or_default();
            if entry["method"] == "DELETE" {
                journal.standing.remove(url);
                continue;
            }
            journal.standing.insert(url.into());
            let Some(value) = entry["resource"].pointer("/valueQuantity/value") else { continue };
            let value: u64 = value.to_string().parse().unwrap();
            if !journal.values.contains_key(&(value / VERSIONS)) {
                journal.arrived.push(value / VERSIONS);
            }
            journal.values.entry(value / VERSIONS).or_default().push(value);
            journal.ids.entry(value / VERSIONS).or_default().insert(url.into());
        }
    }
    journal
}

/// Waits until the base has the last acknowledged version of every order.
pub async fn settled(file: &Path, log: &Log) -> Journal {
    let deadline = Instant::now() + SOON;
    loop {
        let found = journal(file);
        let last: BTreeMap<u64, u64> =
            found.values.iter().filter_map(|(order, values)| Some((*order, *values.last()?))).collect();
        let behind = log.last.iter().filter(|(order, value)| last.get(order) != Some(value)).count();
        if behind == 0 {
            return found;
        }
        assert!(Instant::now() < deadline, "{behind} of {} orders never came to the base", log.last.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Stops the appliance and compares the three books.
pub async fn check(appliance: &mut Appliance, file: &Path, log: &Log) {
    settled(file, log).await;
    let pages = appliance.pages();
    stop(appliance);
    let found = journal(file);
    assert_eq!(found.values.keys().collect::<Vec<_>>(), log.last.keys().collect::<Vec<_>>());
    for (order, values) in &found.values {
        assert!(values.is_sorted(), "order {order} went backwards at the base: {values:?}");
        assert_eq!(values.last(), log.last.get(order), "order {order}");
        assert_eq!(found.ids[order].len(), 1, "order {order} has one id");
    }
    in_order_of_patients(&found);
    ledger(appliance, log);
    let text = appliance.log();
    assert!(
        text.contains("The appliance has started.") && pages.contains("renkei_"),
        "searched the wrong places"
    );
    for (place, text) in [("log", &text), ("pages", &pages)] {
        assert!(!text.contains(CANARY), "a patient's name in the {place}");
        for number in (0..PATIENTS).chain([PROBE_PATIENT]) {
            assert!(!text.contains(&patient(number)), "a patient's id in the {place}");
        }
        let mut looked: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, id) in found.standing.iter().filter_map(|url| url.split_once('/')) {
            let of_kind = looked.entry(kind).or_default();
            *of_kind += 1;
            assert!(*of_kind > IDS_OF_A_TYPE || !text.contains(id), "the id of a {kind} in the {place}");
        }
        assert!(looked.len() > 2, "{looked:?}");
    }
}

/// A patient's orders come to the base for the first time in the order in which the hospital gave them. Later
/// versions of one may come with an earlier one of another: what waits is coalesced.
fn in_order_of_patients(found: &Journal) {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for order in &found.arrived {
        let before = last.insert((order - 1) / ORDERS_EACH, *order).unwrap_or_default();
        assert!(before < *order, "order {order} came to the base after the later {before} of its patient");
    }
}

/// Stops the appliance when nothing waits any more: the base has it all, but the appliance may still have to
/// write down that it has.
fn stop(appliance: &mut Appliance) {
    let deadline = Instant::now() + SOON;
    loop {
        let status = appliance.stop();
        assert!(status.success(), "{status:?}");
        let (whole, store) = appliance.store();
        let pending = store.sums(0, u32::MAX).unwrap().iter().map(|sum| sum.pending).sum::<u64>();
        drop((whole, store));
        if pending == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{pending} messages stay pending");
        appliance.start(None);
        appliance.wait_listening();
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Every acknowledged control id is in effect exactly once, and the sums balance.
fn ledger(appliance: &Appliance, log: &Log) {
    let (_whole, store) = appliance.store();
    let mut effective: BTreeMap<String, u32> = BTreeMap::new();
    let mut before: Option<MessageId> = None;
    loop {
        let filter = Filter { feed: Some(FEED.into()), before, limit: 1_000, ..Filter::default() };
        let page = store.messages(&filter).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        for message in &page {
            if message.reason.as_deref() == Some("duplicate") {
                continue;
            }
            assert_eq!(message.state, State::Registered, "{}: {:?}", message.name, message.reason);
            *effective.entry(message.name.clone()).or_default() += 1;
        }
    }
    for id in log.acknowledged.keys() {
        assert_eq!(effective.get(id), Some(&1), "{id} in effect");
    }
    // What was journalled and never acknowledged was sent again by its sender until it was.
    assert_eq!(effective.len(), log.acknowledged.len());
    let sums = store.sums(0, u32::MAX).unwrap();
    assert!(!sums.is_empty() && sums.iter().all(|sum| sum.balanced()), "{sums:?}");
    assert_eq!(sums.iter().map(|sum| sum.registered).sum::<u64>(), log.acknowledged.len() as u64, "{sums:?}");
    let queue = store.queue(BASE).unwrap();
    assert_eq!((queue.pending, queue.held, queue.rejected), (0, 0, 0));
}
