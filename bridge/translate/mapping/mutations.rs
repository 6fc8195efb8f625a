//! The whole walk over messages with a few bytes changed: whatever comes out is whole, and what does not come
//! out is said.
//!
//! Seeds are the golden inputs and, where they are at hand, the samples. The long form is
//! `RENKEI_MUTATIONS=1000000 cargo test -p renkei-translate mutations`.

use super::tests::{context, shipped};
use super::{MappingSet, traced, translate};
use crate::charset::decode;
use crate::hl7v2::Message;
use crate::ssmix2::FileName;
use crate::translation::{Context, Status, Translation};
use crate::trial::{Random, samples, seeds, storage};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// In the short form, and the time after which it is content with fewer.
const SHORT: usize = 6_000;
const LONGEST: Duration = Duration::from_secs(45);
/// Of the 2,523 files of the generated storage.
const EVERY: usize = 12;

/// Segments whose loss would lose a fact, and what each becomes.
const KEPT: [(&str, &str); 4] = [
    ("OBX", "Observation"),
    ("RXE", "MedicationRequest"),
    ("PRB", "Condition"),
    ("IAM", "AllergyIntolerance"),
];

struct Seed {
    file: Option<FileName>,
    bytes: Vec<u8>,
}

fn golden() -> Vec<Seed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let files = walkdir(&root).into_iter().filter(|path| path.ends_with(".hl7"));
    files.map(|path| Seed { file: None, bytes: std::fs::read(path).unwrap() }).collect()
}

fn walkdir(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for case in std::fs::read_dir(root).unwrap().flatten().filter(|case| case.path().is_dir()) {
        let files = std::fs::read_dir(case.path()).unwrap().flatten();
        found.extend(files.map(|file| file.path().to_string_lossy().into_owned()));
    }
    found.sort();
    found
}

fn all_seeds() -> Vec<Seed> {
    let named = storage().iter().step_by(EVERY).cloned().chain(samples("ssmix2-nho"));
    let named = named.map(|(path, bytes)| Seed { file: FileName::parse(&path).ok(), bytes });
    let plain = seeds().into_iter().map(|bytes| Seed { file: None, bytes });
    golden().into_iter().chain(named).chain(plain).collect()
}

/// What is wrong with an outcome, if anything.
fn wrong(set: &MappingSet, bytes: &[u8], context: &Context, out: &Translation) -> Option<String> {
    let said = format!("{:?} {:?} {:?}", out.findings, out.unread, out.patient);
    if said.contains('\u{FFFD}') {
        return Some("U+FFFD beside the resources".into());
    }
    let mut made = Vec::new();
    for resource in &out.resources {
        let text = String::from_utf8_lossy(&resource.json);
        if text.contains('\u{FFFD}') {
            return Some(format!("U+FFFD in {}", resource.map));
        }
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            return Some(format!("{} is no JSON", resource.map));
        };
        if value["resourceType"] != resource.resource_type.as_str() {
            return Some(format!("{} is no {}", resource.map, resource.resource_type));
        }
        made.push(value);
    }
    match out.status {
        Status::Quarantined if !out.has_error() => return Some("held without a reason".into()),
        Status::Excluded if out.excluded.is_none() => return Some("excluded without a reason".into()),
        Status::Translated if out.has_error() => return Some("translated with an error".into()),
        Status::Translated => {}
        _ => return None,
    }
    if out.unit.as_ref().is_some_and(|unit| unit.withdrawn) {
        return None;
    }
    let text = decode(bytes, &context.facility.gaiji).text;
    let (message, _) = Message::parse(text).ok()?;
    let named = |name: &str| message.segments().filter(|segment| segment.name() == name).count();
    // That a code is not known says nothing of a loss.
    let told = |name: &str| {
        let lost = |code: &str, at: &str| {
            !code.starts_with("code-") && (at.starts_with(name) || at.starts_with("segment "))
        };
        out.findings.iter().filter(|finding| lost(&finding.code, &finding.location.position)).count()
    };
    for (name, resource_type) in KEPT {
        let mut kept = made.iter().filter(|value| value["resourceType"] == resource_type).count();
        if name == "OBX" {
            kept += made.iter().map(within).sum::<usize>();
        }
        // Of an endoscopy an OBX becomes a performer, a time or a device, of an electrocardiogram a conclusion.
        if name == "OBX" && kept + told(name) < named(name) {
            kept = kept.max(values(set, bytes, context));
        }
        if kept + told(name) < named(name) {
            return Some(format!("{} {name}, {kept} {resource_type}, nothing said", named(name)));
        }
    }
    let ingredients: usize = made.iter().map(ingredients).sum();
    if ingredients + told("RXC") < named("RXC") {
        return Some(format!("{} RXC, {ingredients} ingredients, nothing said", named("RXC")));
    }
    None
}

/// How many OBX made an Observation, or gave their value to anything.
fn values(set: &MappingSet, bytes: &[u8], context: &Context) -> usize {
    let mut found = BTreeSet::new();
    for trace in traced(set, bytes, context).1 {
        let observation = trace.resource.starts_with("Observation/");
        for position in trace.positions.iter().filter(|position| position.starts_with("OBX")) {
            let (segment, field) = position.split_once('-').unwrap_or((position, ""));
            if observation || field.split('.').next() == Some("5") {
                found.insert(segment.to_owned());
            }
        }
    }
    found.len()
}

/// OBX that are part of a resource: components of an Observation, items, reasons and notes of an order.
fn within(value: &Value) -> usize {
    let parts: &[&str] = match value["resourceType"].as_str() {
        Some("Observation") => &["component"],
        Some("ServiceRequest") => &["orderDetail", "reasonCode", "note"],
        _ => &[],
    };
    parts.iter().filter_map(|part| value[*part].as_array()).map(Vec::len).sum()
}

/// Of a medication, contained ones included.
fn ingredients(value: &Value) -> usize {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match (key.as_str(), value) {
                ("ingredient", Value::Array(list)) => list.len(),
                _ => ingredients(value),
            })
            .sum(),
        Value::Array(list) => list.iter().map(ingredients).sum(),
        _ => 0,
    }
}

#[test]
fn a_mutated_message_is_translated_whole_or_says_what_is_missing() {
    let set = MappingSet::load(shipped()).expect("another test shows its problems");
    let (seeds, mut random) = (all_seeds(), Random::new(11));
    let asked = std::env::var("RENKEI_MUTATIONS").ok().and_then(|text| text.parse().ok());
    let (begun, mut done, mut translated) = (Instant::now(), 0, 0);
    for n in 0..seeds.len() + asked.unwrap_or(SHORT) {
        if asked.is_none() && begun.elapsed() > LONGEST {
            break;
        }
        // Each seed as it is, then changed.
        let seed = seeds.get(n).unwrap_or_else(|| &seeds[random.below(seeds.len())]);
        let bytes = if n < seeds.len() { seed.bytes.clone() } else { random.mutate(&seed.bytes) };
        let mut context = context();
        context.file = seed.file.clone().filter(|_| n < seeds.len() || random.below(2) == 0);
        let out = translate(&set, &bytes, &context);
        translated += usize::from(out.status == Status::Translated);
        done += 1;
        if let Some(wrong) = wrong(&set, &bytes, &context, &out) {
            let text = decode(&bytes, &context.facility.gaiji).text.replace('\r', "\n");
            let findings: Vec<_> = out.findings.iter().map(|f| (&f.code, &f.location.position)).collect();
            panic!("number {n}: {wrong}\n{text}\n{findings:?}\n{:?}", out.unread);
        }
    }
    eprintln!("{done} messages from {} seeds, {translated} translated, {:?}", seeds.len(), begun.elapsed());
    assert!(
        done > 200 && translated * 10 > done,
        "{translated} of {done} translated: too few to tell anything"
    );
}

#[test]
fn a_second_drug_of_one_order_is_held_and_not_lost() {
    let set = MappingSet::load(shipped()).expect("another test shows its problems");
    let text = "MSH|^~\\&|H|S|G|R|20240401120000||RDE^O11^RDE_O11|1|P|2.5\rPID|||123||見本^太郎^^^^^L^I\r\
        ORC|NW|1||1_01_001|||||20240401110300\r\
        RXE||100000001^架空錠^HOT9|1||TAB^錠^MR9P\rRXE||100000002^架空軟膏^HOT9|1||TAB^錠^MR9P\rTQ1|1\r";
    let out = translate(&set, text.as_bytes(), &context());
    assert_eq!(out.status, Status::Quarantined);
    let said = |f: &crate::finding::Finding| (f.code.to_string(), f.location.position.clone());
    assert!(out.findings.iter().map(said).any(|f| f == ("segment-out-of-place".into(), "RXE[2]".into())));
}
