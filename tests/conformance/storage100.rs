//! The generated storage of 100 patients: everything is translated and nothing is lost.

use super::{Translated, check_bundle, codes, json, sample, translate_all, values, write_bundles};
use renkei_translate::translation::{PathPatient, Role, Status};
use serde_json::Value;
use std::collections::HashMap;
use std::process::Command;

#[test]
fn a_storage_of_100_patients_is_translated_whole() {
    let Some(archive) = sample("ssmix2-storage100.tar.gz") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let unpacked = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.expect("tar runs").success(), "the archive can be unpacked");
    let all = translate_all(folder.path(), PathPatient::Error);
    write_bundles("storage100", &all);
    let mut problems: HashMap<String, usize> = HashMap::new();
    for one in &all {
        if one.out.status != Status::Translated {
            let kind = one.input.split('_').nth(2).unwrap_or_default();
            for finding in &one.out.findings {
                let key = format!("{kind} {:?} {} {:?}", one.out.status, finding.code, finding.location);
                *problems.entry(key).or_default() += 1;
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(all.len(), 2_523);
    for one in &all {
        check_bundle(&one.input, &one.out);
    }
    patients_keep_apart(&all);
    patients_have_both_names(&all);
    assert_eq!(codes_found(&all, "OML-11", "OBX", 3, "Observation"), 9_823);
    assert_eq!(codes_found(&all, "OMP-01", "RXE", 2, "MedicationRequest"), 996);
    assert_eq!(codes_found(&all, "OMP-02", "RXC", 2, "MedicationRequest"), 1_288);
    assert_eq!(codes_found(&all, "PPR-01", "PRB", 3, "Condition"), 402);
    results_say_something(&all);
}

/// How many codes of a segment are found in the Bundle of their file; each must be.
fn codes_found(all: &[Translated], kind: &str, segment: &str, field: usize, resource_type: &str) -> usize {
    let mut count = 0;
    for one in all.iter().filter(|one| one.out.kind.as_deref() == Some(kind)) {
        let mut found = Vec::new();
        for resource in one.out.resources.iter().filter(|r| r.resource_type == resource_type) {
            codes(&json(resource), &mut found);
        }
        for code in values(&one.bytes, segment, field, 1) {
            // Each occurrence takes one away: two lines need two codings.
            let at = found.iter().position(|f| *f == code);
            let at = at.unwrap_or_else(|| {
                panic!("a code of {segment}-{field} of a {kind} is in no {resource_type}")
            });
            found.swap_remove(at);
            count += 1;
        }
    }
    count
}

fn patients_keep_apart(all: &[Translated]) {
    let mut owner: HashMap<String, &str> = HashMap::new();
    for one in all {
        let patient = one.out.patient.as_deref().expect("each message has a patient");
        for resource in one.out.resources.iter().filter(|r| r.role != Role::Shared && !r.id.is_empty()) {
            let first = owner.entry(format!("{}/{}", resource.resource_type, resource.id)).or_insert(patient);
            assert_eq!(*first, patient, "an id of {} stands for two patients", resource.map);
        }
    }
}

fn patients_have_both_names(all: &[Translated]) {
    let mut count = 0;
    for one in all.iter().filter(|one| one.out.kind.as_deref() == Some("ADT-00")) {
        for resource in one.out.resources.iter().filter(|r| r.resource_type == "Patient") {
            let patient = json(resource);
            let written = values(&one.bytes, "PID", 5, 1);
            for (kind, family) in [("IDE", written.first()), ("SYL", None)] {
                let name = patient["name"].as_array().expect("names").iter().find(|name| {
                    name["extension"].as_array().is_some_and(|e| e.iter().any(|e| e["valueCode"] == kind))
                });
                let name = name.unwrap_or_else(|| panic!("a patient without a name in {kind}"));
                if let Some(family) = family {
                    assert_eq!(name["family"].as_str(), Some(family.as_str()), "the right characters");
                }
            }
            assert_eq!(resource.role, Role::Unit);
            count += 1;
        }
    }
    assert_eq!(count, 100);
}

fn results_say_something(all: &[Translated]) {
    for one in all {
        for resource in one.out.resources.iter().filter(|r| r.resource_type == "Observation") {
            let observation = json(resource);
            let Value::Object(map) = &observation else { panic!("an object") };
            let valued =
                map.keys().any(|key| key.starts_with("value")) || map.contains_key("dataAbsentReason");
            assert!(valued, "an Observation of {} says nothing", resource.map);
        }
    }
}
