//! The tree of the National Hospital Organization's testing tool: 19 good messages, 3 bad on purpose.

use super::{Translated, check_bundle, json, sample, translate_all, write_bundles};
use crate::shipped;
use renkei_translate::finding::Severity;
use renkei_translate::mapping::traced;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient, Status};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The types that the shipped set translates.
const MAPPED: &[&str] = &[
    "ADT-00", "ADT-22", "ADT-42", "ADT-52", "ADT-61", "PPR-01", "OMD", "OMP-01", "OMP-02", "OMP-11",
    "OMP-12", "OML-01", "OML-11", "OMG-01", "OMG-02", "OMG-03", "OMG-11", "OMG-12", "OMG-13",
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

/// The one good file of a data type.
fn of(kind: &str) -> Option<Translated> {
    let root = sample("ssmix2-nho")?;
    let all = translate_all(&root, PathPatient::Warn);
    let name = format!("/{kind}/");
    all.into_iter().find(|one| one.input.starts_with("999/") && one.input.contains(&name))
}

/// How many resources of each type there are.
fn counts(one: &Translated) -> BTreeMap<&str, usize> {
    let mut out = BTreeMap::new();
    for resource in &one.out.resources {
        *out.entry(resource.resource_type.as_str()).or_default() += 1;
    }
    out
}

fn resources(one: &Translated, kind: &str) -> Vec<Value> {
    one.out.resources.iter().filter(|resource| resource.resource_type == kind).map(json).collect()
}

/// The segments of a name whose field some written value came from.
fn written(one: &Translated, segment: &str, field: &str) -> BTreeSet<String> {
    let file = FileName::parse(&format!("/{}", one.input)).ok();
    let context = shipped::context(file, PathPatient::Warn, Lists::Whole);
    let positions = traced(shipped::set(), &one.bytes, &context).1.into_iter().flat_map(|row| row.positions);
    let of_field = |position: String| {
        let (name, rest) = position.split_once('-')?;
        let number = rest.split(['.', '[']).next();
        (name.split('[').next() == Some(segment) && number == Some(field)).then(|| name.to_owned())
    };
    positions.filter_map(of_field).collect()
}

#[test]
fn an_endoscopy_is_one_order_three_acts_three_drugs_a_scope_and_a_study() {
    let Some(one) = of("OMG-12") else { return };
    let made = counts(&one);
    for (kind, count) in [
        ("ServiceRequest", 1),
        ("Procedure", 3),
        ("MedicationAdministration", 3),
        ("Device", 1),
        ("ImagingStudy", 1),
        ("Observation", 1),
    ] {
        assert_eq!(made.get(kind), Some(&count), "{kind} {made:?}");
    }
    // NW and PA are one order though PA has another number, and that is said where it stands.
    let differs = one.out.findings.iter().find(|finding| finding.code == "order-number-differs");
    assert_eq!(differs.map(|finding| finding.location.position.as_str()), Some("ORC[2]-2.1"));
    let order = &resources(&one, "ServiceRequest")[0];
    assert_eq!(order["identifier"][0]["value"], "201112191656100");
    assert_eq!(order["identifier"].as_array().map(Vec::len), Some(1));
    let reasons: Vec<_> =
        order["reasonCode"].as_array().expect("PA has reasons").iter().map(|r| &r["text"]).collect();
    assert_eq!(reasons, ["胃潰瘍の疑い", "臨床病名に対する精査"]);
    // Child 2: its order says the stomach and its first act the gullet; ZE1-1 begins again in each child.
    let acts = resources(&one, "Procedure");
    let codes: Vec<_> = acts.iter().map(|act| &act["code"]["coding"][0]["code"]).collect();
    assert_eq!(codes, ["11000001000", "11010001401", "11020001401"]);
    let people: Vec<_> = acts.iter().map(|act| act["performer"].as_array().map(Vec::len)).collect();
    assert_eq!(people, [Some(4), Some(4), Some(4)]);
    let forceps: Vec<_> = acts.iter().map(|act| &act["usedCode"][0]["coding"][0]["code"]).collect();
    assert_eq!(forceps, ["11000000327", "4953170029578", "4953170029578"]);
    assert_eq!(acts[0]["performedPeriod"]["end"], "2011-11-20T15:10:56+09:00");
    assert_eq!(acts[2]["performedDateTime"], "2011-12-20T14:59:08+09:00");
    let study = &resources(&one, "ImagingStudy")[0];
    let numbers = study["identifier"].as_array().expect("a study has numbers").iter();
    let accessions: Vec<_> = numbers
        .filter(|number| number["type"]["coding"][0]["code"] == "ACSN")
        .map(|number| &number["value"])
        .collect();
    assert_eq!(accessions, ["A200801200010000", "A201112200010000"]);
    // Every OBX gave its value, and no field of any segment is left unread or unexplained.
    assert_eq!(super::values(&one.bytes, "OBX", 3, 1).len(), 27);
    assert_eq!(written(&one, "OBX", "5").len(), 27);
    assert_eq!(written(&one, "ZE1", "3").len(), 3);
    assert_eq!(written(&one, "IPC", "3").len(), 4);
    assert!(one.out.unread.is_empty(), "{:?}", one.out.unread);
}

#[test]
fn an_electrocardiogram_is_a_report_with_its_conclusion_and_its_measurements() {
    let Some(one) = of("OMG-13") else { return };
    let report = &resources(&one, "DiagnosticReport")[0];
    assert_eq!(report["conclusion"], "心筋虚血疑い");
    assert_eq!(report["result"].as_array().map(Vec::len), Some(11));
    assert_eq!(report["issued"], "2011-12-20T15:20:00+09:00");
    let measured = resources(&one, "Observation");
    assert_eq!(measured.len(), 11);
    let leads: Vec<_> = measured.iter().filter_map(|one| one["bodySite"]["text"].as_str()).collect();
    assert_eq!(leads, ["V5", "V1"]);
    assert_eq!(super::values(&one.bytes, "OBX", 3, 1).len(), 12);
    assert_eq!(written(&one, "OBX", "5").len(), 12);
    assert!(one.out.unread.is_empty(), "{:?}", one.out.unread);
}

#[test]
fn an_ultrasound_is_an_order_an_act_by_a_midwife_and_a_study() {
    let Some(one) = of("OMG-11") else { return };
    let made = counts(&one);
    for kind in ["ServiceRequest", "Procedure", "ImagingStudy"] {
        assert_eq!(made.get(kind), Some(&1), "{kind} {made:?}");
    }
    let act = &resources(&one, "Procedure")[0];
    assert_eq!(act["code"]["coding"][0]["code"], "99A00005550000000000000000000000");
    assert_eq!(act["performer"][0]["function"]["coding"][0]["code"], "NS-03.EM-01");
    assert_eq!(act["status"], "completed");
    let study = &resources(&one, "ImagingStudy")[0];
    assert_eq!(study["identifier"][0]["value"], "urn:oid:1.2.392.1114.20045.43233.5.300001");
    assert_eq!(study["modality"][0]["code"], "US");
    assert!(one.out.unread.is_empty(), "{:?}", one.out.unread);
}
