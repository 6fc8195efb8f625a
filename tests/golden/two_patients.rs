//! Whose a message is: which of several numbers is the patient's; and a second patient, of whom, whatever the message's
//! type, nothing leaves, for nobody could say whose it is.

use super::{cases, inputs};
use crate::shipped;
use renkei_translate::mapping::{peek, translate};
use renkei_translate::translation::{Lists, PathPatient, Status};
use std::collections::BTreeSet;

/// The bytes with a second PID put in front of the segment of that number.
fn with_second(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).collect();
    segments.retain(|segment| !segment.is_empty());
    segments.insert(at.min(segments.len()), b"PID|||9876543210");
    segments.join(&b'\r')
}

#[test]
fn a_message_with_a_second_pid_is_held_at_whatever_place_it_stands() {
    let mut types = BTreeSet::new();
    for case in cases() {
        for (bytes, context) in inputs(&case) {
            let header = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            let current = context.file.as_ref().is_none_or(|file| file.flag == '1');
            if context.feed.is_some() || !current || !header.starts_with(b"MSH") {
                continue;
            }
            let segments =
                bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|s| !s.is_empty()).count();
            let pid = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|s| !s.is_empty());
            let pid = pid.clone().position(|segment| segment.starts_with(b"PID")).unwrap_or(segments);
            for at in pid + 1..=segments {
                let name = format!("{} before segment {at}", case.display());
                let out = translate(shipped::set(), &with_second(&bytes, at), &context);
                assert_eq!(out.status, Status::Quarantined, "{name}");
                let said = |f: &renkei_translate::finding::Finding| {
                    f.code == "segment-out-of-place" && f.location.position == "PID[2]"
                };
                assert!(out.findings.iter().any(said), "{name}: {:?}", out.findings);
                types.extend(out.kind.clone());
            }
        }
    }
    // All types of messages have a case.
    assert!(types.len() >= 26, "{types:?}");
}

/// facts 83 (mapping-facts.md): PID-3.1 is the patient's number; 42: its type is PI, and it is often bare.
#[test]
fn the_patient_is_the_number_that_is_pi_or_has_no_type_wherever_it_stands() {
    let context = shipped::context(None, PathPatient::Error, Lists::Whole);
    let ppr = |numbers: &str| {
        format!(
            "MSH|^~\\&|H|S|G|R|20240401150000||PPR^ZD1^PPR_ZD1|1|P|2.5||||||UNICODE UTF-8\rPID|||{numbers}||見本^太郎^^^^^L^I\r\
             PRB|AD|20240401|20053047^２型糖尿病^MDCDX2|1|||20240401"
        )
    };
    let plain = translate(shipped::set(), ppr("0000012345").as_bytes(), &context);
    assert_eq!(plain.status, Status::Translated);
    let ids = |out: &renkei_translate::translation::Translation| {
        out.resources.iter().map(|r| (r.id.clone(), r.json.clone())).collect::<Vec<_>>()
    };
    for numbers in ["12-34^^^^SS~0000012345^^^^PI", "1234567^^^^JHN~12-34^^^^SS~0000012345"] {
        let out = translate(shipped::set(), ppr(numbers).as_bytes(), &context);
        assert_eq!(out.patient.as_deref(), Some("0000012345"), "{numbers}");
        assert_eq!(ids(&out), ids(&plain), "{numbers}");
        assert_eq!(out.unit.map(|unit| unit.key), plain.unit.as_ref().map(|unit| unit.key.clone()));
        assert_eq!(peek(ppr(numbers).as_bytes(), &context.facility).patients, ["0000012345"]);
    }
    for numbers in ["12-34^^^^SS", "12-34^^^^SS~1234567^^^^JHN"] {
        let out = translate(shipped::set(), ppr(numbers).as_bytes(), &context);
        assert_eq!(out.status, Status::Quarantined);
        assert!(out.findings.iter().any(|f| f.code == "patient-id-missing"), "{:?}", out.findings);
        assert!(peek(ppr(numbers).as_bytes(), &context.facility).patients.is_empty());
    }
    // Of a merge the prior too: one whose number nobody tells is none.
    let merge = |prior: &str| {
        format!("MSH|^~\\&|H|S|G|R|20240401150000||ADT^A40|1|P|2.5\rPID|||0000012345\rMRG|{prior}")
    };
    let out = translate(shipped::set(), merge("12-34^^^^SS~0000000456^^^^PI").as_bytes(), &context);
    assert_eq!(out.merge.map(|merge| merge.prior).as_deref(), Some("0000000456"));
    let out = translate(shipped::set(), merge("12-34^^^^SS").as_bytes(), &context);
    assert_eq!(out.status, Status::Quarantined);
    assert!(out.findings.iter().any(|f| f.code == "merge-prior-missing"), "{:?}", out.findings);
}
