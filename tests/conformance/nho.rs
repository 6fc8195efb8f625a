//! The tree of the National Hospital Organization's testing tool: 19 good messages, 3 bad on purpose.

use super::{Translated, check_bundle, sample, translate_all, write_bundles};
use renkei_translate::finding::Severity;
use renkei_translate::translation::{PathPatient, Status};
use std::collections::BTreeSet;

/// The types that the shipped set translates.
const MAPPED: [&str; 12] = [
    "ADT-00", "ADT-22", "ADT-42", "ADT-52", "ADT-61", "PPR-01", "OMD", "OMP-01", "OMP-02", "OMP-11",
    "OMP-12", "OML-11",
];

/// The two files of flag 1 under `000/`, bad on purpose.
fn odd(one: &Translated) -> bool {
    one.input.starts_with("000/") && one.input.ends_with("_1")
}

fn has(one: &Translated, code: &str) -> bool {
    one.out.findings.iter().any(|f| f.code == code)
}

#[test]
fn a_patient_that_is_not_that_of_the_path_is_held() {
    let Some(root) = sample("ssmix2-nho") else { return };
    let all = translate_all(&root, PathPatient::Error);
    let held: Vec<&Translated> =
        all.iter().filter(|one| one.input.starts_with("999/") && has(one, "path-patient-differs")).collect();
    assert_eq!(held.len(), 10);
    assert!(held.iter().all(|one| one.out.status == Status::Quarantined));
    let odd: Vec<&Translated> = all.iter().filter(|one| odd(one)).collect();
    assert_eq!(odd.len(), 2);
    for (one, reasons) in odd.iter().zip([
        // The folder of the date, the name of the file and the patient of the path say three different things, and
        // the bytes are no text.
        BTreeSet::from(["msh-unreadable", "not-text", "path-name-contradicts"]),
        // The patient of the path, two headers, and behind the first message the names of segments without content: a
        // patient without an id, a drug given that is none, an observation of nothing.
        BTreeSet::from([
            "no-drug",
            "observation-code-missing",
            "path-patient-differs",
            "patient-id-missing",
            "second-msh",
            "segment-out-of-place",
        ]),
    ]) {
        assert_eq!(one.out.status, Status::Quarantined);
        let errors = one.out.findings.iter().filter(|f| f.severity == Severity::Error);
        assert_eq!(errors.map(|f| f.code.as_ref()).collect::<BTreeSet<_>>(), reasons, "{}", one.input);
    }
    for one in all.iter().filter(|one| one.input.ends_with("_0")) {
        assert_eq!(one.out.status, Status::Excluded, "flag 0 is a deletion");
    }
}

#[test]
fn with_a_warning_the_types_of_the_set_are_translated() {
    let Some(root) = sample("ssmix2-nho") else { return };
    let all = translate_all(&root, PathPatient::Warn);
    write_bundles("nho", &all);
    for one in all.iter().filter(|one| one.input.starts_with("999/")) {
        let kind = one.input.split('/').nth(4).unwrap_or_default();
        let errors: Vec<String> = one
            .out
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .map(|f| format!("{} {:?}", f.code, f.location))
            .collect();
        if MAPPED.contains(&kind) {
            assert_eq!(one.out.status, Status::Translated, "{kind} {errors:?}");
            check_bundle(kind, &one.out);
        } else {
            assert_eq!(one.out.status, Status::Quarantined, "{kind}");
            assert!(has(one, "message-type-not-mapped"), "{kind} {errors:?}");
        }
    }
    assert!(all.iter().filter(|one| odd(one)).all(|one| one.out.status == Status::Quarantined));
}
