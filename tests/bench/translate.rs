//! How far the translation of one message is from the floor of the machine.
//!
//! Floor F: the split of the decoded text at `| ~ ^ &` into slices, and `serde_json::to_vec` of the finished
//! Bundle. One core, findings on, trace off.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(missing_docs, reason = "a program, not a library")]

mod measure;
mod messages;
mod wider;

use measure::{line, ratio};
use renkei_translate::charset;
use renkei_translate::hl7v2::Message;
use renkei_translate::identity::IdKey;
use renkei_translate::mapping::{self, MappingSet, SourceFile};
use renkei_translate::profile;
use renkei_translate::translation::{Context, Facility, Lists, PathPatient, Status, Translation};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Rounds of work and floor in turn.
const ROUNDS: usize = 401;

/// Every file of the shipped set.
fn files(folder: &Path, from: &Path, out: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(folder).expect("the shipped set is in the checkout").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, from, out);
        } else if path.extension().is_some_and(|e| e == "toml" || e == "csv") {
            let text = std::fs::read_to_string(&path).expect("a file of the set is text");
            let path = path.strip_prefix(from).expect("it lies below").to_string_lossy().into_owned();
            out.push(SourceFile { path, text });
        }
    }
}

fn set(files: Vec<SourceFile>) -> MappingSet {
    MappingSet::load(files).unwrap_or_else(|problems| panic!("the set does not load: {problems:#?}"))
}

fn context() -> Context {
    let facility = Facility {
        code: "1319999999".into(),
        name: "例示病院".into(),
        local_system_base: "http://local.example".into(),
        ..Facility::default()
    };
    Context {
        facility: Arc::new(facility),
        id_key: IdKey::test(),
        file: None,
        path_patient: PathPatient::Error,
        lists: Lists::Whole,
        feed: None,
    }
}

/// The finished Bundle of a translation.
fn bundle(translation: &Translation) -> Value {
    let entry = |resource: &renkei_translate::translation::Resource| {
        let json: Value = serde_json::from_slice(&resource.json).expect("a resource is JSON");
        let url = format!("{}/{}", resource.resource_type, resource.id);
        json!({"fullUrl": format!("urn:uuid:{}", resource.id), "resource": json, "request": {"method": "PUT", "url": url}})
    };
    json!({"resourceType": "Bundle", "type": "transaction", "entry": translation.resources.iter().map(entry).collect::<Vec<_>>()})
}

/// The split of a text into slices, into a list that is used again.
fn split<'t>(text: &'t str, slices: &mut Vec<&'t str>) -> usize {
    slices.clear();
    for segment in text.split('\r') {
        slices.extend(segment.split(['|', '~', '^', '&']));
    }
    slices.len()
}

fn report(set: &MappingSet, wide: &MappingSet, name: &str, text: &str) {
    let context = context();
    let translation = mapping::translate(set, text.as_bytes(), &context);
    if translation.status != Status::Translated || translation.resources.is_empty() {
        println!("{name}: not measured, the message was not translated: {:?}", translation.findings);
        return;
    }
    let finished = bundle(&translation);
    let resources: Vec<(String, Value)> = translation
        .resources
        .iter()
        .map(|r| (r.resource_type.clone(), serde_json::from_slice(&r.json).expect("a resource is JSON")))
        .collect();
    let size = serde_json::to_vec(&finished).expect("a value is JSON").len();
    println!("{name}: {} bytes in, {} resources, {size} bytes out", text.len(), resources.len());

    // The floor is the same text and Bundle for each line below.
    let mut slices = Vec::new();
    let mut floor = || (split(text, &mut slices), serde_json::to_vec(&finished).map(|bytes| bytes.len()));
    let whole = ratio(ROUNDS, || mapping::translate(set, text.as_bytes(), &context), &mut floor);
    let decode = ratio(ROUNDS, || charset::decode(text.as_bytes(), &context.facility.gaiji), &mut floor);
    println!("{}", line("  (decode + parse + map + check + serialise) / F", &whole, "-"));
    println!("{}", line("  decode / F", &decode, "-"));
    println!(
        "  {:<50} {:>6.2}   target <= 3",
        "(parse + map + check + serialise) / F",
        whole.median - decode.median
    );

    let same = mapping::translate(wide, text.as_bytes(), &context).resources;
    assert!(same == translation.resources, "the wider set makes the same of the message");
    let wider = ratio(
        ROUNDS,
        || mapping::translate(wide, text.as_bytes(), &context),
        || mapping::translate(set, text.as_bytes(), &context),
    );
    println!("{}", line("  30 more maps and a table of 100,000 rows / plain", &wider, "< 1.10"));

    let mut slices = Vec::new();
    let parsed = ratio(ROUNDS, || Message::parse(text.to_string()).ok(), || split(text, &mut slices));
    println!("{}", line("  parse / split", &parsed, "-"));

    // The forms of these resources are known by now, so that `whole` has no walk in it: it is added where none is.
    let check = || resources.iter().map(|(kind, json)| profile::check(kind, json).len()).sum::<usize>();
    let walked = ratio(ROUNDS, check, &mut floor);
    println!(
        "  {:<50} {:>6.2}   -",
        "the same with a walk of every resource / F",
        whole.median - decode.median + walked.median
    );
    let all = ratio(ROUNDS, check, || mapping::translate(set, text.as_bytes(), &context));
    println!("{}", line("  check / all of translate", &all, "<= 1"));
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let mut shipped = Vec::new();
    files(&folder, &folder, &mut shipped);
    let wide = set(wider::files(&shipped));
    let set = set(shipped);
    report(&set, &wide, "OUL^R22, ten results", &messages::results());
    report(&set, &wide, "ADT^A08", &messages::demographics());
}
