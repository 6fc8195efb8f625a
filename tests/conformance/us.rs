//! Messages of another country: no panic, and no observation of a translated message disappears.

use super::{check_bundle, sample, translate_all, values, write_bundles};
use renkei_translate::translation::{PathPatient, Status};

#[test]
fn every_observation_of_a_translated_message_is_accounted_for() {
    let Some(root) = sample("hl7v2-microsoft") else { return };
    let all = translate_all(&root, PathPatient::Error);
    write_bundles("us", &all);
    assert_eq!(all.len(), 59);
    for one in &all {
        if one.out.status != Status::Translated {
            assert!(!one.out.findings.is_empty(), "{}: held without a reason", one.input);
            continue;
        }
        check_bundle(&one.input, &one.out);
        if one.out.unit.as_ref().is_some_and(|unit| unit.withdrawn) {
            continue; // A cancel takes back, and makes nothing.
        }
        // A resource of its own, or a finding or a skipped position that names it.
        let written = values(&one.bytes, "OBX", 3, 1).len();
        let made = one.out.resources.iter().filter(|r| r.resource_type == "Observation").count();
        let said = one.out.findings.iter().filter(|f| f.location.position.starts_with("OBX")).count();
        assert!(made + said >= written, "{}: {made} of {written} OBX", one.input);
    }
}
