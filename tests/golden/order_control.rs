//! ORC-1 of every data type that carries orders: one rule for all of them (mappings/README.md, オーダ制御).
//!
//! Taken back: CA, OC, CR (cancel), DC, OD, DR (discontinue), and RP, RQ, RU where an RO line follows (replace). Held:
//! what is no order but an answer or a question about one. All else stands (HL7 v2.5 table 0119; mapping facts 5).

use super::pair_messages::PAIRS;
use super::pairs::message;
use crate::shipped;
use renkei_translate::mapping::translate;
use renkei_translate::translation::{Lists, PathPatient, Status, Translation};

/// The data type's whole message with other codes in ORC-1, by the number of the line from 0. CH stays.
fn with(trigger: &str, whole: &[&str], code: impl Fn(usize) -> Option<&'static str>) -> Translation {
    let mut line = 0;
    let mut lines = Vec::new();
    for segment in whole {
        let mut fields: Vec<&str> = segment.split('|').collect();
        if fields[0] == "ORC" {
            if let Some(code) = code(line) {
                fields[1] = code;
            }
            line += 1;
        }
        lines.push(fields.join("|"));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let context = shipped::context(None, PathPatient::Error, Lists::Whole);
    translate(shipped::set(), message(trigger, 9, &lines).text.as_bytes(), &context)
}

/// Data types with orders: their name, trigger and segments, and which lines are children.
fn orders() -> impl Iterator<Item = (&'static str, &'static str, &'static [&'static str], Vec<bool>)> {
    PAIRS
        .iter()
        .map(|pair| {
            let orders = pair.whole.iter().filter(|segment| segment.starts_with("ORC|"));
            let children = orders.map(|segment| segment.starts_with("ORC|CH|")).collect();
            (pair.data_type, pair.trigger, pair.whole, children)
        })
        .filter(|(.., children): &(_, _, _, Vec<bool>)| !children.is_empty())
}

fn withdrawn(out: &Translation) -> bool {
    assert_eq!(out.status, Status::Translated, "{:?}", out.findings);
    out.unit.as_ref().is_some_and(|unit| unit.withdrawn)
}

fn says(out: &Translation, code: &str) -> bool {
    out.findings.iter().any(|finding| finding.code == code)
}

#[test]
fn every_line_but_children_taken_back_takes_the_order_back() {
    for (name, trigger, whole, children) in orders() {
        for code in ["CA", "OC", "CR", "DC", "OD", "DR"] {
            let out = with(trigger, whole, |line| (!children[line]).then_some(code));
            assert!(withdrawn(&out), "{name} {code}");
        }
    }
    assert_eq!(orders().count(), 13, "the data types with ORC among the pairs");
}

#[test]
fn one_line_taken_back_leaves_the_others() {
    for (name, trigger, whole, children) in orders().filter(|(.., children)| children.len() > 1) {
        for code in ["CA", "OC", "CR", "DC", "OD", "DR"] {
            for taken_back in [0, 1] {
                // The first line of an order with children is all of it.
                if taken_back == 0 && children[1] {
                    continue;
                }
                let out = with(trigger, whole, |line| (line == taken_back).then_some(code));
                assert!(!withdrawn(&out), "{name} {code} {taken_back}");
                let said = ["order-line-cancelled", "administration-line-withdrawn"];
                assert!(said.iter().any(|said| says(&out, said)), "{name} {code} {taken_back}");
            }
        }
        if !children[1] {
            let out = with(trigger, whole, |line| Some(if line == 0 { "RP" } else { "RO" }));
            assert!(!withdrawn(&out), "{name} RP RO");
        }
    }
}

#[test]
fn answers_and_questions_are_held_and_everything_else_stands() {
    for (name, trigger, whole, children) in orders() {
        let all = |code: &'static str| with(trigger, whole, |line| (!children[line]).then_some(code));
        for code in ["UA", "UC", "UD", "UF", "UH", "UM", "UR", "UX", "DE", "DF", "RR", "NA", "SR", "SN", "SS"]
            .into_iter()
            .chain(["RF", "CP", "LI", "UN", "MC", "RP", "RQ", "RU"])
        {
            let out = all(code);
            assert_eq!(out.status, Status::Quarantined, "{name} {code}");
            assert!(says(&out, "order-control-held"), "{name} {code}: {:?}", out.findings);
        }
        for code in ["NW", "OK", "XO", "XR", "XX", "RO", "SC", "RE", "HD", "OH", "HR", "RL", "AF", "PR", "??"]
        {
            assert!(!withdrawn(&all(code)), "{name} {code}");
        }
    }
}

#[test]
fn an_order_on_hold_is_sent_as_on_hold() {
    let requests = ["MedicationRequest", "NutritionOrder", "ServiceRequest"];
    let mut seen = 0;
    // What was performed (OMI) is completed whatever became of its order.
    for (name, trigger, whole, children) in orders().filter(|(_, trigger, ..)| !trigger.starts_with("OMI")) {
        for code in ["HD", "OH", "HR"] {
            let out = with(trigger, whole, |line| (!children[line]).then_some(code));
            for one in out.resources.iter().filter(|r| requests.contains(&&*r.resource_type)) {
                let resource: serde_json::Value = serde_json::from_slice(&one.json).expect("JSON");
                if one.map != "service-request-item" {
                    assert_eq!(resource["status"], "on-hold", "{name} {code}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
