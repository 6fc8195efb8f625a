//! Pairs of each data type: a message and its correction with one entry less, a message and its withdrawal, each
//! in the order in which they were written and the other way round.
//!
//! What must stand at the base and what must be deleted is written out by hand beside the messages; what stands
//! in the end is the same in both orders. The rule: the new whole takes the place of the old, what it no longer
//! has is deleted, a withdrawal deletes all of it, and a tombstone keeps an older message that arrives late from
//! raising it (mapping facts 0.4: condition flag 1 → PUT, 0 → DELETE; `replaces` and `cancel` of the message file).

use super::pair_messages::{PAIRS, Pair, Withdrawal};
use crate::shipped;
use renkei_bridge::record::{Memory, Projection};
use renkei_translate::mapping::translate;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient, Status};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A message as it comes: its text, and the name of its file where it has one.
pub(super) struct Message {
    pub(super) text: String,
    pub(super) file: Option<FileName>,
}

pub(super) const PATIENT: &str = "0000000123";

pub(super) fn message(trigger: &str, hour: u32, segments: &[&str]) -> Message {
    told(trigger, PATIENT, &format!("20240402{hour:02}0000"), segments)
}

/// A message of a patient, told at a time (`YYYYMMDDHHMMSS`).
pub(super) fn told(trigger: &str, patient: &str, time: &str, segments: &[&str]) -> Message {
    let mut lines = vec![
        format!("MSH|^~\\&|HIS|S|GW|R|{time}||{trigger}|{time}|P|2.5||||||UNICODE UTF-8"),
        format!("PID|||{patient}||見本^太郎^^^^^L^I~ミホン^タロウ^^^^^L^P||19700203|M"),
    ];
    if trigger.starts_with("ADT") {
        lines.insert(1, format!("EVN||{time}"));
    }
    lines.extend(segments.iter().map(|line| (*line).to_owned()));
    Message { text: lines.join("\r"), file: None }
}

impl Pair {
    fn whole(&self) -> Message {
        message(self.trigger, 9, self.whole)
    }

    fn less(&self) -> Message {
        message(self.trigger, 10, self.less)
    }

    fn withdrawn(&self) -> Message {
        self.withdrawn_at(PATIENT, "20240402110000")
    }

    /// How it is withdrawn, told at a time (`YYYYMMDDHHMMSS`).
    pub(super) fn withdrawn_at(&self, patient: &str, time: &str) -> Message {
        match self.withdrawal {
            Withdrawal::Trigger(trigger, segments) => told(trigger, patient, time, segments),
            Withdrawal::Content(segments) => told(self.trigger, patient, time, segments),
            Withdrawal::Flag => {
                let name = format!(
                    "{}/{}/{patient}/-/{kind}/{patient}_-_{kind}_999999999999999_{time}000_-_0",
                    &patient[..3],
                    &patient[3..6],
                    kind = self.data_type
                );
                let file = FileName::parse(&name).expect("the name is that of a storage");
                Message { file: Some(file), ..told(self.trigger, patient, time, self.whole) }
            }
        }
    }
}

/// What a resource is, in words: its type and its code.
fn label(resource: &Value) -> String {
    let kind = resource["resourceType"].as_str().expect("a resource has a type");
    let code = [
        "/class/code",
        "/code/coding/0/code",
        "/medicationCodeableConcept/coding/0/code",
        "/contained/0/ingredient/0/itemCodeableConcept/coding/0/code",
        "/type/coding/0/code",
        "/oralDiet/type/0/coding/0/code",
    ];
    match code.iter().find_map(|at| resource.pointer(at)?.as_str()) {
        Some(code) => format!("{kind} {code}"),
        None => kind.to_owned(),
    }
}

/// A base that takes what the record sends.
#[derive(Default)]
struct Base {
    memory: Memory,
    labels: BTreeMap<String, String>,
    contents: BTreeMap<String, Value>,
    at_base: BTreeSet<String>,
}

impl Base {
    /// Takes a message in; what was deleted, in words.
    fn take(&mut self, message: &Message, sequence: i64) -> BTreeSet<String> {
        let context = shipped::context(message.file.clone(), PathPatient::Error, Lists::Whole);
        let out = translate(shipped::set(), message.text.as_bytes(), &context);
        assert_ne!(out.status, Status::Quarantined, "{:?}", out.findings);
        let Projection { puts, deletes, .. } = self.memory.apply(&out, sequence).0;
        for put in puts {
            let resource: Value = serde_json::from_str(put.json.get()).expect("a resource is JSON");
            let id = format!("{}/{}", put.resource_type, put.id);
            self.labels.insert(id.clone(), label(&resource));
            self.contents.insert(id.clone(), resource);
            self.at_base.insert(id);
        }
        deletes
            .into_iter()
            .map(|(kind, id)| {
                let id = format!("{kind}/{id}");
                assert!(self.at_base.remove(&id), "{} is deleted and was never there", self.labels[&id]);
                self.labels[&id].clone()
            })
            .collect()
    }

    /// What stands, in words; shared resources left out.
    fn stands(&self) -> BTreeSet<String> {
        let shared = |id: &str| {
            ["Practitioner/", "Organization/", "Location/", "Device/"].iter().any(|s| id.starts_with(s))
        };
        self.at_base.iter().filter(|id| !shared(id)).map(|id| self.labels[id].clone()).collect()
    }
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_correction_with_one_entry_less_deletes_that_entry() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        assert!(base.take(&pair.whole(), 1).is_empty(), "{name}");
        assert_eq!(base.stands(), set(pair.stands), "{name}");
        assert_eq!(base.take(&pair.less(), 2), set(pair.deleted), "{name}");
        assert_eq!(base.stands(), &set(pair.stands) - &set(pair.deleted), "{name}");
    }
}

#[test]
fn a_correction_that_arrives_first_is_not_undone_by_what_it_corrects() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        assert!(base.take(&pair.less(), 1).is_empty(), "{name}");
        assert!(base.take(&pair.whole(), 2).is_empty(), "{name}");
        assert_eq!(base.stands(), &set(pair.stands) - &set(pair.deleted), "{name}");
    }
}

#[test]
fn a_withdrawal_deletes_all_of_it() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        base.take(&pair.whole(), 1);
        assert_eq!(base.take(&pair.withdrawn(), 2), &set(pair.stands) - &set(pair.left), "{name}");
        assert_eq!(base.stands(), set(pair.left), "{name}");
    }
}

#[test]
fn a_withdrawal_that_arrives_first_is_not_undone_by_what_it_withdraws() {
    for pair in PAIRS {
        let (mut base, name) = (Base::default(), pair.data_type);
        assert!(base.take(&pair.withdrawn(), 1).is_empty(), "{name}");
        assert!(base.take(&pair.whole(), 2).is_empty(), "{name}");
        let unit: BTreeSet<String> = &set(pair.stands) - &set(pair.left);
        assert!(base.stands().is_disjoint(&unit), "{name}: {:?}", base.stands());
    }
}

/// ADT-52 makes no entry of its own: it changes the stay that its admission opened. A correction changes it
/// again, and its withdrawal (A13) opens the stay again, in any order of arrival.
#[test]
fn a_discharge_is_corrected_and_withdrawn_in_any_order() {
    const ADMISSION: &str = "PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||||||||||202404011430";
    const FIRST: &str = "PV1||I|3A^301^2^^^N|||||||||||||||||||||||||||||||||01|||||||||202404101030";
    const CORRECTED: &str = "PV1||I|3A^301^2^^^N||||||||||||||||||||||||||||||||||||||||||202404101130";
    let admission = || message("ADT^A01^ADT_A01", 9, &[ADMISSION]);
    let first = || message("ADT^A03^ADT_A03", 10, &[FIRST]);
    let corrected = || message("ADT^A03^ADT_A03", 11, &[CORRECTED]);
    let withdrawn = || message("ADT^A13^ADT_A01", 12, &[FIRST]);
    let stay = |history: &[Message]| {
        let mut base = Base::default();
        for (message, sequence) in history.iter().zip(1..) {
            assert!(base.take(message, sequence).is_empty());
        }
        let unit =
            base.at_base.iter().find(|id| id.starts_with("Encounter/")).expect("there is a stay").clone();
        (base.contents[&unit].clone(), base.stands())
    };
    for history in [
        [admission(), first(), corrected()],
        [admission(), corrected(), first()],
        [corrected(), first(), admission()],
    ] {
        let (encounter, stands) = stay(&history);
        assert_eq!(encounter["status"], "finished");
        assert_eq!(encounter["period"]["end"], "2024-04-10T11:30:00+09:00");
        // PV1-36 stood in the first telling only.
        assert!(encounter["hospitalization"].is_null());
        assert_eq!(stands, set(&["Patient", "Encounter IMP"]));
    }
    for history in [
        [admission(), first(), withdrawn()],
        [admission(), withdrawn(), first()],
        [withdrawn(), first(), admission()],
    ] {
        let (encounter, _) = stay(&history);
        assert_eq!(encounter["status"], "in-progress");
        assert!(encounter["period"]["end"].is_null());
    }
}
