//! Golden cases: a few messages in, what the record sends for the last of them out, and why.
//!
//! A case is a folder: `input-1.hl7` … `input-n.hl7` (invented; UTF-8 but where the encoding is the point),
//! `expected.json` and `why.tsv`. `row-NAME` is a row of the facts' table of what trips translators. A file of an
//! SS-MIX2 storage is `input-n.NAME`, NAME being its name there (ssmix2.md section 1), which tells folders and flag.
//! The case of a proprietary feed has `input-1.LAYOUT.csv` …, in UTF-8 too and encoded as the layout wants by the
//! test.
//! `expected.json` holds what the last message makes the record send: `put`, by `Type/n`, and `delete`. `n`
//! counts the ids of a type in the order in which the messages make them: an id is a keyed digest that
//! nobody can derive by hand. Where a finding is part of what the facts ask for, `findings` holds all that the last
//! message makes, each with its code, severity and position; without the key none is looked at. Every value in
//! `expected.json` has a row in `why.tsv` (path, value, source position, and the sentence of the facts with its file
//! and line: [`whys`]), and every row a value: nothing is pasted from the output.

mod arrival;
mod coverage;
mod lines;
mod merges;
mod order_control;
mod pair_messages;
mod pairs;
mod partial;
mod rows;
mod stays;
mod two_patients;
mod whys;

use crate::shipped;
use renkei_bridge::record::Memory;
use renkei_translate::charset::GaijiTable;
use renkei_translate::feed::cut;
use renkei_translate::finding::Finding;
use renkei_translate::mapping::translate;
use renkei_translate::ssmix2::FileName;
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

/// `input-n` as a file of a storage, where its name is that of one.
fn storage_file(case: &Path, n: usize) -> Option<(FileName, Vec<u8>)> {
    let start = format!("input-{n}.");
    let entries = std::fs::read_dir(case).expect("a case can be listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let name = names.filter_map(|name| Some(name.strip_prefix(&start)?.to_owned())).find(|name| {
        // `.hl7` and `.LAYOUT.csv` have no seven parts.
        name.split('_').count() == 7
    })?;
    let [patient, date, data_type, ..] = name.split('_').collect::<Vec<_>>()[..] else { return None };
    let (first, second) = (patient.get(..3)?, patient.get(3..6)?);
    let path = format!("{first}/{second}/{patient}/{date}/{data_type}/{name}");
    let file = FileName::parse(&path).unwrap_or_else(|found| panic!("{path}: {found:?}"));
    Some((file, std::fs::read(case.join(format!("{start}{name}"))).expect("an input can be read")))
}

/// The messages of a case in order, each with its context.
fn inputs(case: &Path) -> Vec<(Vec<u8>, Context)> {
    let mut out = Vec::new();
    for n in 1.. {
        let context = shipped::context(None, PathPatient::Error, Lists::Whole);
        if let Ok(bytes) = std::fs::read(case.join(format!("input-{n}.hl7"))) {
            out.push((bytes, context));
        } else if let Some((file, bytes)) = storage_file(case, n) {
            out.push((bytes, Context { file: Some(file), ..context }));
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

/// What the record sends for the last input of a case, and what was found in it where the case says so.
fn sent(case: &Path) -> Value {
    let (mut names, mut memory, mut last) = (Names::default(), Memory::default(), None);
    for (n, (bytes, context)) in (1..).zip(inputs(case)) {
        let translation = translate(shipped::set(), &bytes, &context);
        // ssmix2.md section 1: the current set is the files that end in 1.
        let current = context.file.as_ref().is_none_or(|file| file.flag == '1');
        let status = if current { Status::Translated } else { Status::Excluded };
        assert_eq!(translation.status, status, "{}: {:?}", case.display(), translation.findings);
        for resource in translation.resources.iter().filter(|r| !r.id.is_empty()) {
            names.add(&resource.resource_type, &resource.id);
        }
        last = Some((memory.apply(&translation, n).0, translation.findings));
    }
    let (projection, findings) = last.expect("a case has an input");
    let mut put = Map::new();
    for one in &projection.puts {
        let mut resource: Value = serde_json::from_str(one.json.get()).expect("a resource is JSON");
        resource.as_object_mut().expect("an object").remove("id");
        put.insert(names.add(&one.resource_type, &one.id), resource);
    }
    let put = names.rename(&Value::Object(put));
    let mut delete: Vec<String> = projection.deletes.iter().map(|(kind, id)| names.add(kind, id)).collect();
    delete.sort();
    let mut sent = json!({"put": put, "delete": delete});
    if states_findings(case) {
        let found =
            |f: &Finding| json!({"code": f.code, "severity": f.severity, "position": f.location.position});
        sent["findings"] = findings.iter().map(found).collect();
    }
    sent
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

/// Whether a case says which findings its last message makes; an empty list says that it makes none.
fn states_findings(case: &Path) -> bool {
    let text = std::fs::read_to_string(case.join("expected.json")).expect("expected.json is there");
    serde_json::from_str::<Map<_, _>>(&text).expect("expected.json is an object").contains_key("findings")
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
