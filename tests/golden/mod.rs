//! Golden cases: a few messages in, what the record sends for the last of them out, and why.
//!
//! A case is a folder: `input-1.hl7` … `input-n.hl7` (invented; UTF-8 but where the encoding is the point),
//! `expected.json` and `why.tsv`. `row-NAME` is a row of the facts' table of what trips translators. The case of a
//! proprietary feed has `input-1.LAYOUT.csv` …, in UTF-8 too and encoded as the layout wants by the test.
//! `expected.json` holds what the last message makes the record send: `put`, by `Type/n`, and `delete`. `n`
//! counts the ids of a type in the order in which the messages make them: an id is a keyed digest that
//! nobody can derive by hand. Every value in `expected.json` has a row in `why.tsv` (path, value, source
//! position, the sentence of the mapping facts), and every row a value: nothing is pasted from the output.

mod arrival;
mod merges;
mod order_control;
mod pair_messages;
mod pairs;
mod stays;

use crate::shipped;
use renkei_bridge::record::Memory;
use renkei_translate::charset::GaijiTable;
use renkei_translate::feed::cut;
use renkei_translate::mapping::translate;
use renkei_translate::translation::{Context, Lists, PathPatient, Status};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Ids of the inputs so far, each with its `Type/n`.
#[derive(Default)]
struct Names {
    by_id: HashMap<String, String>,
    last: HashMap<String, usize>,
}

impl Names {
    fn add(&mut self, resource_type: &str, id: &str) -> String {
        let key = format!("{resource_type}/{id}");
        if let Some(name) = self.by_id.get(&key) {
            return name.clone();
        }
        let n = self.last.entry(resource_type.to_owned()).or_default();
        *n += 1;
        let name = format!("{resource_type}/{n}");
        self.by_id.insert(key, name.clone());
        name
    }

    /// The same value with `Type/n` for each reference.
    fn rename(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, v)| match (key.as_str(), v) {
                    ("reference", Value::String(to)) => {
                        (key.clone(), self.by_id.get(to).map_or_else(|| v.clone(), |name| json!(name)))
                    }
                    _ => (key.clone(), self.rename(v)),
                })
                .collect::<Map<_, _>>()
                .into(),
            Value::Array(list) => list.iter().map(|v| self.rename(v)).collect(),
            other => other.clone(),
        }
    }
}

/// The messages of a case in order, each with its context.
fn inputs(case: &Path) -> Vec<(Vec<u8>, Context)> {
    let mut out = Vec::new();
    for n in 1.. {
        let context = shipped::context(None, PathPatient::Error, Lists::Whole);
        if let Ok(bytes) = std::fs::read(case.join(format!("input-{n}.hl7"))) {
            out.push((bytes, context));
        } else if let Ok(text) = std::fs::read_to_string(case.join(format!("input-{n}.lab-csv44.csv"))) {
            let layout = shipped::set().layout("lab-csv44").expect("the layout is shipped");
            let bytes = encoding_rs::SHIFT_JIS.encode(&text).0.into_owned();
            for piece in cut(layout, &bytes, &GaijiTable::default()).pieces {
                let context =
                    Context { feed: Some(piece.part), lists: Lists::Incremental, ..context.clone() };
                out.push((piece.body, context));
            }
        } else {
            break;
        }
    }
    out
}

/// What the record sends for the last input of a case.
fn sent(case: &Path) -> Value {
    let (mut names, mut memory, mut last) = (Names::default(), Memory::default(), None);
    for (n, (bytes, context)) in (1..).zip(inputs(case)) {
        let translation = translate(shipped::set(), &bytes, &context);
        assert_eq!(translation.status, Status::Translated, "{}: {:?}", case.display(), translation.findings);
        for resource in translation.resources.iter().filter(|r| !r.id.is_empty()) {
            names.add(&resource.resource_type, &resource.id);
        }
        last = Some(memory.apply(&translation, n).0);
    }
    let projection = last.expect("a case has an input");
    let mut put = Map::new();
    for one in &projection.puts {
        let mut resource: Value = serde_json::from_str(one.json.get()).expect("a resource is JSON");
        resource.as_object_mut().expect("an object").remove("id");
        put.insert(names.add(&one.resource_type, &one.id), resource);
    }
    let put = names.rename(&Value::Object(put));
    let mut delete: Vec<String> = projection.deletes.iter().map(|(kind, id)| names.add(kind, id)).collect();
    delete.sort();
    json!({"put": put, "delete": delete})
}

/// Every leaf with its path.
fn leaves(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, v) in map {
                leaves(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, v, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(n, v)| leaves(&format!("{path}[{n}]"), v, out));
        }
        Value::Object(_) | Value::Array(_) => {}
        leaf => {
            out.insert(path.to_owned(), leaf.to_string());
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("the cases can be listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn expected(case: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(case.join("expected.json")).expect("expected.json is there");
    let value: Value = serde_json::from_str(&text).expect("expected.json is JSON");
    let mut out = BTreeMap::new();
    leaves("", &value, &mut out);
    out
}

/// What differs, a line each.
fn differences(want: &BTreeMap<String, String>, have: &BTreeMap<String, String>) -> Vec<String> {
    let mut out = Vec::new();
    for (path, value) in want {
        match have.get(path) {
            None => out.push(format!("- {path} = {value}")),
            Some(other) if other != value => out.push(format!("! {path}: wanted {value}, is {other}")),
            Some(_) => {}
        }
    }
    out.extend(
        have.iter().filter(|(path, _)| !want.contains_key(*path)).map(|(p, v)| format!("+ {p} = {v}")),
    );
    out
}

#[test]
fn every_case_sends_what_the_facts_say() {
    let mut failed = Vec::new();
    for case in cases() {
        let mut have = BTreeMap::new();
        leaves("", &sent(&case), &mut have);
        let found = differences(&expected(&case), &have);
        if !found.is_empty() {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            failed.push(format!("{name}\n  {}", found.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_value_has_its_reason() {
    let mut failed = Vec::new();
    for case in cases() {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(case.join("why.tsv")).expect("why.tsv is there");
        let mut why = BTreeMap::new();
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [path, value, source, sentence] = cells[..] else { panic!("{name}: not four cells: {line}") };
            assert!(!source.is_empty() && !sentence.is_empty(), "{name}: {path} without source or sentence");
            assert!(why.insert(path.to_owned(), value.to_owned()).is_none(), "{name}: {path} twice");
        }
        let found = differences(&why, &expected(&case));
        if !found.is_empty() {
            failed.push(format!("{name}\n  {}", found.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
