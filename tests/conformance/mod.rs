//! Translation of samples that nobody on this project wrote, read from `../shared/samples` where they are at hand.
//!
//! Where they are not, each test says so loudly; where `CI` is set, it fails.

mod coverage;
mod nho;
mod storage100;
mod us;

use crate::shipped;
use renkei_translate::mapping::translate;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient, Resource, Status, Translation};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A folder or file among the samples, or `None` where there is none and `CI` is not set.
fn sample(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "CI needs the sample {name}");
    eprintln!("NOT RUN: the sample {name} is not at hand");
    None
}

/// One input with its translation.
struct Translated {
    input: String,
    bytes: Vec<u8>,
    out: Translation,
}

/// Translates every file below a folder, in order of path. Files that are none of a storage have no file name.
fn translate_all(root: &Path, path_patient: PathPatient) -> Vec<Translated> {
    let mut paths: Vec<PathBuf> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| entry.expect("the folder can be walked"))
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).expect("the file can be read");
            let input = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            let file = FileName::parse(&path.to_string_lossy()).ok();
            let out = translate(shipped::set(), &bytes, &shipped::context(file, path_patient, Lists::Whole));
            Translated { input, bytes, out }
        })
        .collect()
}

fn json(resource: &Resource) -> Value {
    serde_json::from_slice(&resource.json).expect("a resource is JSON")
}

/// The codes in `coding` anywhere in a resource.
fn codes(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(codings)) = map.get("coding") {
                out.extend(codings.iter().filter_map(|c| c["code"].as_str()).map(str::to_owned));
            }
            map.values().for_each(|v| codes(v, out));
        }
        Value::Array(list) => list.iter().for_each(|v| codes(v, out)),
        _ => {}
    }
}

/// A component of a field of every segment of that name, in the decoded text of a message.
fn values(bytes: &[u8], segment: &str, field: usize, component: usize) -> Vec<String> {
    let text = renkei_translate::charset::decode(bytes, &shipped::facility().gaiji).text;
    let Ok((message, _)) = renkei_translate::hl7v2::Message::parse(text) else { return Vec::new() };
    message
        .segments()
        .filter(|s| s.name() == segment)
        .map(|s| s.field(field).repetition(1).component(component).text().into_owned())
        .collect()
}

/// What holds for the Bundle of any message: an entry once, references that lead somewhere.
fn check_bundle(name: &str, out: &Translation) {
    let mut own: Vec<String> = Vec::new();
    for resource in &out.resources {
        let id = format!("{}/{}", resource.resource_type, resource.id);
        assert!(resource.id.is_empty() || !own.contains(&id), "{name}: an id is there twice");
        own.push(id);
    }
    for resource in &out.resources {
        for reference in &resource.references {
            assert!(own.contains(reference), "{name}: {} refers to nothing", resource.map);
        }
    }
}

/// With `RENKEI_BUNDLES_TO` the Bundles are written there, one a line, for `fhir-check`.
fn write_bundles(name: &str, all: &[Translated]) {
    let Some(folder) = std::env::var_os("RENKEI_BUNDLES_TO") else { return };
    let mut lines = String::new();
    for one in all {
        let entries: Vec<Value> = one
            .out
            .resources
            .iter()
            .map(|resource| {
                // The stay of a discharge is named by the record; here it stands alone.
                let id = if resource.id.is_empty() { "stay-of-the-record" } else { &resource.id };
                let mut json = json(resource);
                json["id"] = id.into();
                let url = format!("{}/{id}", resource.resource_type);
                serde_json::json!({"resource": json, "request": {"method": "PUT", "url": url}})
            })
            .collect();
        if one.out.status == Status::Translated && !entries.is_empty() {
            let bundle =
                serde_json::json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
            lines.push_str(&serde_json::json!({"input": one.input, "bundle": bundle}).to_string());
            lines.push('\n');
        }
    }
    std::fs::write(Path::new(&folder).join(format!("{name}.ndjson")), lines)
        .expect("the folder can be written");
}
