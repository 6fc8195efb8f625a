//! Messages of another country: no panic, and no observation of a translated message disappears.

use super::{check_bundle, sample, translate_all, values, write_bundles};
use crate::shipped;
use renkei_translate::translation::{Lists, PathPatient, Status};

#[test]
fn every_observation_of_a_translated_message_is_accounted_for() {
    let Some(root) = sample("hl7v2-microsoft") else { return };
    let all = translate_all(&root, PathPatient::Error);
    write_bundles("us", &all);
    assert_eq!(all.len(), 59);
    let mut accounted = 0;
    for one in &all {
        if one.out.status != Status::Translated {
            assert!(!one.out.findings.is_empty(), "{}: held without a reason", one.input);
            continue;
        }
        check_bundle(&one.input, &one.out);
        // Each by its own position: a value of a resource that comes from it, or a finding that names it.
        let text = renkei_translate::charset::decode(&one.bytes, &shipped::facility().gaiji).text;
        let (message, _) = renkei_translate::hl7v2::Message::parse(text).expect("it was translated");
        let context = shipped::context(None, PathPatient::Error, Lists::Whole);
        let (_, rows) = renkei_translate::mapping::trace(shipped::set(), &message, &context);
        let written = values(&one.bytes, "OBX", 3, 1).len();
        for n in 1..=written {
            let named = |position: &str| {
                let at = if written == 1 && !position.starts_with("OBX[") {
                    "OBX".to_owned()
                } else {
                    format!("OBX[{n}]")
                };
                position
                    .strip_prefix(at.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            let made = rows.iter().any(|row| {
                row.resource.starts_with("Observation/") && row.positions.iter().any(|p| named(p))
            });
            let said = one.out.findings.iter().any(|finding| named(&finding.location.position));
            assert!(made || said, "{}: OBX[{n}] is in no resource and no finding", one.input);
            accounted += 1;
        }
    }
    // 10 of LAB-ORU-1, one of each of 15 ADT events and of RDE-O11-01, 4 of OML-O21-01, 1 of ORM-O01-01.
    assert_eq!(accounted, 31, "the OBX of the translated messages");
}
