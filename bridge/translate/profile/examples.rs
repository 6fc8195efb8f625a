//! The published JP-CLINS examples, read from beside the checkout where they are: what is good R4 must pass.

use super::check;
use crate::finding::Severity;
use std::path::Path;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples/jp-clins-examples");

/// Examples that break FHIR R4 itself, and how: each is looked for, so that the list cannot outlive its reasons.
const BROKEN: &[(&str, &str)] = &[];

#[test]
fn published_examples_pass_but_for_those_meant_to_fail() {
    let Ok(folder) = std::fs::read_dir(Path::new(EXAMPLES)) else {
        assert!(std::env::var_os("CI").is_none(), "the published examples are not beside the checkout");
        eprintln!("SKIPPED: no ../shared/samples/jp-clins-examples");
        return;
    };
    let (mut read, mut wrong) = (0, Vec::new());
    for file in folder.flatten().filter(|file| file.path().extension().is_some_and(|e| e == "json")) {
        let name = file.file_name().to_string_lossy().into_owned();
        let bytes = std::fs::read(file.path()).expect("an example can be read");
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("an example is JSON");
        let kind = json["resourceType"].as_str().expect("an example says its type").to_string();
        read += 1;
        let errors: Vec<_> =
            check(&kind, &json).into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        match BROKEN.iter().find(|(known, _)| *known == name) {
            Some((_, code)) => {
                assert!(errors.iter().any(|finding| finding.code == *code), "{name}: {errors:#?}")
            }
            None => wrong.extend(
                errors.into_iter().map(|e| format!("{name} {} {} {:?}", e.code, e.location.path, e.detail)),
            ),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(read, 61);
}
