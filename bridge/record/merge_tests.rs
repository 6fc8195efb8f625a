//! Two patients become one, in every order of arrival.

use super::Memory;
use super::tests::{translation, withdrawn};
use proptest::prelude::{any, prop, proptest};
use proptest::prop_assert_eq;
use renkei_translate::translation::{Merge, Replaces, Resource, Role, Translation};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A resource of a patient, whose Patient has the patient's own id.
fn of(patient: &str, resource_type: &str, id: &str, role: Role) -> Resource {
    let mut json = json!({"resourceType": resource_type, "id": id});
    let mut references = Vec::new();
    if resource_type != "Patient" {
        json["subject"] = json!({"reference": format!("Patient/{patient}")});
        references.push(format!("Patient/{patient}"));
    }
    Resource {
        resource_type: resource_type.into(),
        id: id.into(),
        role,
        map: "test".into(),
        json: json.to_string().into_bytes(),
        references,
        yields: false,
        line: String::new(),
    }
}

fn message(patient: &str, kind: &str, replaces: Replaces, time: u64, made: &[(&str, &str)]) -> Translation {
    let mut resources: Vec<Resource> =
        made.iter().map(|(kind, id)| of(patient, kind, id, Role::Unit)).collect();
    resources.push(of(patient, "Patient", patient, Role::Provisional));
    let mut message = translation(&format!("{kind} of {patient}"), replaces, time, resources);
    message.patient = Some(patient.into());
    message.unit.as_mut().unwrap().kind = kind.into();
    message
}

pub(crate) fn result(patient: &str, time: u64, id: &str) -> Translation {
    message(patient, &format!("lab {id}"), Replaces::Unit, time, &[("Observation", id)])
}

pub(crate) fn allergies(patient: &str, time: u64, ids: &[&str]) -> Translation {
    let made: Vec<(&str, &str)> = ids.iter().map(|id| ("AllergyIntolerance", *id)).collect();
    message(patient, "allergies", Replaces::List, time, &made)
}

pub(crate) fn merge(prior: &str, survivor: &str, time: u64) -> Translation {
    let mut message = message(survivor, &format!("merge of {prior}"), Replaces::Unit, time, &[]);
    message.resources.push(of(prior, "Patient", prior, Role::Provisional));
    message.merge = Some(Merge {
        prior: prior.into(),
        prior_id: prior.into(),
        survivor: survivor.into(),
        survivor_id: survivor.into(),
    });
    message
}

/// What a base has, kept by its own account of every Bundle.
#[derive(Default)]
struct Base {
    memory: Memory,
    has: BTreeMap<String, Value>,
}

impl Base {
    fn take(&mut self, message: &Translation, sequence: i64) {
        let (projection, _) = self.memory.apply(message, sequence);
        for put in &projection.puts {
            self.has.insert(
                format!("{}/{}", put.resource_type, put.id),
                serde_json::from_str(put.json.get()).unwrap(),
            );
        }
        for (resource_type, id) in &projection.deletes {
            self.has.remove(&format!("{resource_type}/{id}")).expect("deleted is what it had");
        }
    }

    fn after(history: &[Translation]) -> Self {
        let mut base = Self::default();
        history.iter().zip(1..).for_each(|(message, sequence)| base.take(message, sequence));
        base
    }

    fn subjects(&self, resource_type: &str) -> Vec<&str> {
        let all = self.has.values().filter(|value| value["resourceType"] == resource_type);
        all.map(|value| value["subject"]["reference"].as_str().unwrap()).collect()
    }
}

#[test]
fn both_patients_are_linked_and_the_prior_is_inactive() {
    let base = Base::after(&[merge("a", "b", 1)]);
    let link =
        |to: &str, kind: &str| json!([{"other": {"reference": format!("Patient/{to}")}, "type": kind}]);
    assert_eq!(base.has["Patient/a"]["active"], false);
    assert_eq!(base.has["Patient/a"]["link"], link("b", "replaced-by"));
    assert_eq!(base.has["Patient/b"].get("active"), None);
    assert_eq!(base.has["Patient/b"]["link"], link("a", "replaces"));
}

#[test]
fn results_keep_their_ids_and_get_the_survivor_whenever_they_come() {
    for history in [
        [result("a", 1, "o"), merge("a", "b", 2), result("a", 3, "late")],
        [merge("a", "b", 2), result("a", 3, "late"), result("a", 1, "o")],
    ] {
        let base = Base::after(&history);
        assert_eq!(base.has["Observation/o"]["subject"]["reference"], "Patient/b");
        assert_eq!(base.has["Observation/late"]["subject"]["reference"], "Patient/b");
        assert_eq!(base.subjects("Observation").len(), 2);
    }
}

#[test]
fn a_list_is_emptied_under_the_prior_and_stands_under_the_survivor() {
    let mut base = Base::after(&[allergies("a", 1, &["x"]), allergies("b", 1, &["y"])]);
    assert!(base.has.contains_key("AllergyIntolerance/x"));
    base.take(&merge("a", "b", 2), 3);
    assert!(!base.has.contains_key("AllergyIntolerance/x"), "emptied under the prior");
    assert!(base.has.contains_key("AllergyIntolerance/y"));
    assert_eq!(base.subjects("AllergyIntolerance"), ["Patient/b", "Patient/b"], "none is lost");
    // The next whole list of the survivor is the whole.
    base.take(&allergies("b", 3, &["y", "z"]), 4);
    let left: Vec<&String> = base.has.keys().filter(|key| key.starts_with("Allergy")).collect();
    assert_eq!(left, ["AllergyIntolerance/y", "AllergyIntolerance/z"]);
    // A list under the old id that is newer still is not lost.
    base.take(&allergies("a", 4, &["x"]), 5);
    assert_eq!(base.subjects("AllergyIntolerance"), ["Patient/b"; 3]);
}

#[test]
fn a_chain_ends_at_the_last_survivor_and_a_circle_is_refused() {
    let mut base = Base::after(&[result("a", 1, "o"), merge("b", "c", 3), merge("a", "b", 2)]);
    assert_eq!(base.has["Observation/o"]["subject"]["reference"], "Patient/c");
    assert_eq!(base.has["Patient/b"]["link"][0]["type"], "replaced-by");
    assert_eq!(base.has["Patient/b"]["link"][1]["type"], "replaces");
    for undone in [merge("b", "a", 4), merge("c", "a", 4), merge("c", "b", 4)] {
        assert_eq!(base.memory.refuses(&undone).unwrap().code, "merge-undone");
    }
    assert!(base.memory.refuses(&merge("a", "b", 2)).is_none(), "the same once more");
    assert!(base.memory.refuses(&merge("c", "d", 4)).is_none());
    base.take(&merge("c", "d", 4), 4);
    assert_eq!(base.subjects("Observation"), ["Patient/d"]);
}

#[test]
fn a_result_taken_back_under_the_old_id_is_gone() {
    let base = Base::after(&[result("a", 1, "o"), merge("a", "b", 2), withdrawn(result("a", 3, "o"))]);
    assert_eq!(base.subjects("Observation"), Vec::<&str>::new());
}

proptest! {
    #[test]
    fn a_merge_is_the_same_in_any_order(keys in prop::collection::vec(any::<u64>(), 9)) {
        let messages = [
            result("a", 1, "o"), allergies("a", 2, &["x"]), allergies("b", 3, &["y"]), merge("a", "b", 4),
            result("a", 5, "o"), merge("b", "c", 6), allergies("b", 7, &["y", "z"]), allergies("a", 8, &["w"]),
            result("b", 9, "p"),
        ];
        let numbered = |(message, sequence): (Translation, i64)| (message, sequence);
        let told: Vec<(Translation, i64)> = messages.into_iter().zip(1..).map(numbered).collect();
        let stands = |history: Vec<&(Translation, i64)>| {
            let mut base = Base::default();
            history.iter().for_each(|(message, sequence)| base.take(message, *sequence));
            base.has
        };
        let expected = stands(told.iter().collect());
        let mut arrived: Vec<(u64, &(Translation, i64))> = keys.into_iter().zip(&told).collect();
        arrived.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(stands(arrived.into_iter().map(|(_, one)| one).collect()), expected);
    }
}

/// Demographics of a patient (ADT-00).
pub(crate) fn demographics(patient: &str, time: u64, family: &str, born: &str, gender: &str) -> Translation {
    let mut told = of(patient, "Patient", patient, Role::Unit);
    let json = json!({"resourceType": "Patient", "id": patient, "name": [{"family": family}],
        "birthDate": born, "gender": gender});
    told.json = json.to_string().into_bytes();
    let mut message = translation(&format!("demographics of {patient}"), Replaces::Unit, time, vec![told]);
    message.patient = Some(patient.into());
    message
}

/// The codes that each message of a history met.
fn met(history: &[Translation]) -> Vec<Vec<String>> {
    let mut memory = Memory::default();
    let codes = |(message, sequence)| {
        let (_, findings) = memory.apply(message, sequence);
        findings.iter().map(|finding| finding.code.to_string()).collect()
    };
    history.iter().zip(1..).map(codes).collect()
}

#[test]
fn a_merge_of_two_who_were_born_apart_or_differ_in_sex_is_said() {
    let of_two = |born: &str, gender: &str| {
        let (a, b) =
            (demographics("a", 1, "x", "1970-01-01", "male"), demographics("b", 2, "y", born, gender));
        met(&[a, b, merge("a", "b", 3)]).pop().unwrap()
    };
    assert_eq!(of_two("1970-01-01", "male"), Vec::<String>::new());
    assert_eq!(of_two("1970", "unknown"), Vec::<String>::new());
    assert_eq!(of_two("1985-01-01", "male"), ["merge-patients-differ"]);
    assert_eq!(of_two("1970-01-01", "female"), ["merge-patients-differ"]);
    assert_eq!(met(&[merge("a", "b", 3)]), [Vec::<String>::new()]);
}

#[test]
fn an_id_used_again_after_its_merge_is_said() {
    let first = demographics("a", 1, "x", "1970-01-01", "male");
    let joined = merge("a", "b", 3);
    let last = |later: Translation| met(&[first.clone(), joined.clone(), later]).pop().unwrap();
    assert_eq!(last(demographics("a", 4, "x", "1970-01-01", "male")), Vec::<String>::new());
    assert_eq!(last(demographics("a", 4, "other", "1970-01-01", "male")), ["patient-id-reused"]);
    assert_eq!(last(demographics("a", 4, "x", "1990-01-01", "male")), ["patient-id-reused"]);
    // A correction that was told before the merge, and that of an id in use, are none.
    assert_eq!(last(demographics("a", 2, "x", "1990-01-01", "male")), Vec::<String>::new());
    let corrected = demographics("a", 2, "other", "1990-01-01", "female");
    assert_eq!(met(&[first, corrected]).pop().unwrap(), Vec::<String>::new());
}
