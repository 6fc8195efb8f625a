//! Each rule has a resource that breaks it, and the check finds it.
//!
//! `bases.json` holds good resources, invented; what is wrong is made from them: by the table of elements, by
//! each rule of the profiles, and by hand for each invariant.

use super::rule::{Demand, Rule, Step, profiles};
use super::{check, r4};
use crate::finding::Severity;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn bases() -> Vec<Value> {
    serde_json::from_str(include_str!("bases.json")).expect("the file is JSON")
}

fn kind(base: &Value) -> &str {
    base["resourceType"].as_str().expect("a base says its type")
}

/// Codes of what is found in a resource.
fn codes(resource: &Value) -> BTreeSet<String> {
    check(kind(resource), resource).into_iter().map(|finding| finding.code.into_owned()).collect()
}

#[test]
fn good_resources_pass_without_a_word() {
    for base in bases() {
        let found: Vec<_> =
            check(kind(&base), &base).into_iter().filter(|f| f.code != "fhir-con-3").collect();
        assert!(found.is_empty(), "{} {found:#?}", base["id"]);
    }
}

/// Breaks a rule under the first parent that has what it speaks of.
fn break_rule(node: &mut Value, steps: &[Step], rule: &Rule, path: &str) -> bool {
    if let [step, rest @ ..] = steps {
        let path = format!("{path}.{}", step.name);
        return match node.get_mut(step.name) {
            Some(Value::Array(items)) => items.iter_mut().rev().any(|item| {
                step.picks.iter().all(|pick| pick.fits(&*item)) && break_rule(item, rest, rule, &path)
            }),
            Some(member) => break_rule(member, rest, rule, &path),
            None => false,
        };
    }
    let step = &rule.step;
    let path = format!("{path}.{}", step.name);
    let Some(members) = node.as_object_mut() else { return false };
    let stem = |key: &str| {
        key.strip_prefix(step.name).is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    match &rule.demand {
        Demand::Min(_) if step.choice => {
            let before = members.len();
            members.retain(|key, _| !stem(key));
            members.len() < before
        }
        Demand::Min(min) => match members.get_mut(step.name) {
            Some(Value::Array(items)) if *min > 1 => {
                items.truncate(min - 1);
                true
            }
            Some(Value::Array(items)) if items.len() > 1 => {
                let before = items.len();
                items.retain(|item| !step.picks.iter().all(|pick| pick.fits(item)));
                items.len() < before
            }
            _ => members.remove(step.name).is_some(),
        },
        Demand::Max(_) => match members.get_mut(step.name) {
            Some(Value::Array(items)) => {
                let Some(item) =
                    items.iter().find(|item| step.picks.iter().all(|pick| pick.fits(*item))).cloned()
                else {
                    return false;
                };
                items.push(item);
                true
            }
            _ => false,
        },
        Demand::Fixed(_) => members
            .get_mut(step.name)
            .map(|value| *value = if value.is_number() { json!(9) } else { json!("x") })
            .is_some(),
        Demand::Only(allowed) => {
            let Some(key) = members.keys().find(|key| stem(key)).cloned() else { return false };
            let types = r4::element(&format!("{path}[x]")).expect("a choice").types;
            let other = types
                .iter()
                .map(|t| format!("{}{}{}", step.name, t[..1].to_uppercase(), &t[1..]))
                .find(|key| !allowed.contains(key));
            let value = members.remove(&key).expect("was there");
            members.insert(other.expect("the rule forbids something"), value);
            true
        }
    }
}

#[test]
fn each_rule_of_a_profile_finds_what_breaks_it() {
    let bases = bases();
    let (mut missed, mut count) = (Vec::new(), 0);
    for profile in profiles() {
        let own = bases.iter().filter(|base| base["meta"]["profile"][0] == profile.url);
        for (group, rule) in
            profile.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
        {
            count += 1;
            let found = own.clone().any(|base| {
                let mut wrong = base.clone();
                break_rule(&mut wrong, &group.parents, rule, profile.resource_type)
                    && check(profile.resource_type, &wrong).iter().any(|f| {
                        f.detail.as_deref() == Some(rule.name)
                            && f.severity == Severity::Error
                            && super::rule::explain(f, crate::finding::Language::Ja).is_some()
                    })
            });
            if !found {
                missed.push(rule.name);
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(count > 140, "{count}");
}

/// Every node of a resource: its pointer and its path in the definition.
fn nodes(node: &Value, pointer: &str, path: &str, out: &mut Vec<(String, String)>) {
    out.push((pointer.to_string(), path.to_string()));
    match node {
        Value::Object(members) => {
            for (key, member) in
                members.iter().filter(|(key, _)| !key.starts_with('_') && *key != "resourceType")
            {
                let own =
                    node.get("resourceType").and_then(Value::as_str).map_or(path.to_string(), str::to_string);
                nodes(member, &format!("{pointer}/{key}"), &format!("{own}.{key}"), out);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| nodes(item, &format!("{pointer}/{n}"), path, out))
        }
        _ => {}
    }
}

#[test]
fn each_kind_of_fault_is_found_at_every_place() {
    let mut count = 0;
    for base in bases() {
        let mut places = Vec::new();
        nodes(&base, "", kind(&base), &mut places);
        for (pointer, path) in places {
            let node = base.pointer(&pointer).expect("was walked");
            let element = r4::element(&path);
            let item = pointer.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
            let mut wrong: Vec<(Value, &str)> = Vec::new();
            match node {
                Value::Object(members) => {
                    let mut more = members.clone();
                    more.insert("notAnElement".into(), json!(1));
                    wrong.extend([(Value::Object(more), "element-unknown")]);
                    if !pointer.is_empty() {
                        wrong.extend([
                            (
                                json!({}),
                                if path.ends_with("resource") || path.ends_with("contained") {
                                    "element-missing"
                                } else {
                                    "value-empty"
                                },
                            ),
                            (json!("x"), "value-not-object"),
                        ]);
                    }
                }
                Value::Array(items) => {
                    wrong.extend([(json!([]), "value-empty"), (items[0].clone(), "array-expected")])
                }
                Value::String(_) => wrong.extend([
                    (json!(""), "value-empty"),
                    (json!(5), "value-type"),
                    (json!(" "), "value-format"),
                ]),
                Value::Number(_) => wrong.extend([(json!("5"), "value-type"), (json!(-1.5), "value-format")]),
                Value::Bool(_) => wrong.push((json!("true"), "value-type")),
                Value::Null => {}
            }
            if let Some(element) = &element {
                if !element.array && !item && !pointer.is_empty() {
                    wrong.push((json!([node]), "array-not-allowed"));
                }
                if element.codes.is_some() && !node.is_array() {
                    let other = if node.is_string() {
                        json!("no-such-code")
                    } else {
                        json!({"coding": [{"system": "urn:x", "code": "no"}]})
                    };
                    wrong.push((other, "code-not-allowed"));
                }
                if matches!(element.types[0], "date" | "dateTime" | "instant") && node.is_string() {
                    wrong.push((json!("2026/01/05"), "value-format"));
                }
            }
            for (value, code) in wrong {
                // -1.5 is a good decimal.
                if value == json!(-1.5) && element.as_ref().is_some_and(|e| e.types == ["decimal"]) {
                    continue;
                }
                let mut made = base.clone();
                *made.pointer_mut(&pointer).expect("was walked") = value;
                count += 1;
                assert!(codes(&made).contains(code), "{pointer} {code}: {:?}", codes(&made));
            }
            if element.is_some_and(|e| e.min > 0) && !item {
                let (parent, key) = pointer.rsplit_once('/').expect("an element has a parent");
                let mut made = base.clone();
                made.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(key);
                count += 1;
                let found = codes(&made);
                assert!(
                    found.contains("element-missing") || found.contains("value-empty"),
                    "{pointer} left out: {found:?}"
                );
            }
        }
    }
    assert!(count > 2_000, "{count}");
}

/// Puts a value where a pointer says, or takes away what is there.
fn put(root: &mut Value, pointer: &str, text: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = root.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, text) {
        (Value::Object(members), "") => assert!(members.remove(key).is_some(), "{pointer}"),
        (Value::Object(members), text) => {
            members.insert(key.into(), serde_json::from_str(text).expect("JSON"));
        }
        (Value::Array(items), text) => {
            let value = serde_json::from_str(text).expect("JSON");
            match key.parse::<usize>() {
                Ok(n) if n < items.len() => items[n] = value,
                _ => items.push(value),
            }
        }
        _ => panic!("{pointer}"),
    }
}

/// Where a value is put, and its JSON; nothing takes away what is there.
type Change = (&'static str, &'static str);

/// Base, what is done to it, what is found.
const INVARIANTS: &[(&str, &[Change], &str)] = &[
    ("x1", &[("/valueQuantity/system", "")], "fhir-qty-3"),
    ("m1", &[("/dispenseRequest/expectedSupplyDuration/system", r#""urn:x""#)], "fhir-drt-1"),
    ("g1", &[("/onsetAge/code", "")], "fhir-age-1"),
    ("m1", &[("/dosageInstruction/0/maxDosePerPeriod/denominator", "")], "fhir-rat-1"),
    ("n1", &[("/oralDiet/schedule/0/repeat/boundsRange/high/value", "0")], "fhir-rng-2"),
    ("e1", &[("/period/end", r#""2026-01-04T23:00:00+09:00""#)], "fhir-per-1"),
    ("m1", &[("/dispenseRequest/validityPeriod/end", r#""2025""#)], "fhir-per-1"),
    ("p1", &[("/photo/0/contentType", "")], "fhir-att-1"),
    ("p1", &[("/telecom/0/system", "")], "fhir-cpt-2"),
    ("p1", &[("/name/0/extension/0/valueCode", "")], "fhir-ext-1"),
    ("p1", &[("/name/0/extension/0/extension", r#"[{"url":"u","valueString":"x"}]"#)], "fhir-ext-1"),
    ("m2", &[("/medicationReference/reference", r##""#other""##)], "fhir-ref-1"),
    ("m2", &[("/medicationReference", r#"{"display":"x"}"#)], "fhir-dom-3"),
    ("m2", &[("/contained/0/contained", r#"[{"resourceType":"Medication","id":"y"}]"#)], "fhir-dom-2"),
    ("m2", &[("/contained/0/meta/versionId", r#""1""#)], "fhir-dom-4"),
    ("m2", &[("/contained/0/meta/security", r#"[{"code":"R"}]"#)], "fhir-dom-5"),
    ("m2", &[("/contained/0/id", "")], "contained-without-id"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/durationUnit", "")], "fhir-tim-1"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/periodUnit", "")], "fhir-tim-2"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/duration", "-1")], "fhir-tim-4"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/period", "-1")], "fhir-tim-5"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/period", "")], "fhir-tim-6"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/duration", "")], "fhir-tim-7"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/count", "")], "fhir-tim-8"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/when", "")], "fhir-tim-9"),
    ("m1", &[("/dosageInstruction/0/timing/repeat/timeOfDay", r#"["08:00:00"]"#)], "fhir-tim-10"),
    ("p1", &[("/contact/0", r#"{"relationship":[{"text":"母"}]}"#)], "fhir-pat-1"),
    ("x1", &[("/referenceRange/0", r#"{"type":{"text":"x"}}"#)], "fhir-obs-3"),
    ("x4", &[("/valueString", r#""x""#)], "fhir-obs-6"),
    (
        "x2",
        &[(
            "/component/0/code",
            r#"{"coding":[{"system":"urn:oid:1.2.392.100495.10.3.100.5.27.6.1","code":"1301"}]}"#,
        )],
        "fhir-obs-7",
    ),
    ("g1", &[("/clinicalStatus", "")], "fhir-ait-1"),
    ("g1", &[("/verificationStatus/coding/0/code", r#""entered-in-error""#)], "fhir-ait-2"),
    ("c1", &[("/clinicalStatus", ""), ("/abatementDateTime", "")], "fhir-con-3"),
    ("c1", &[("/clinicalStatus/coding/0/code", r#""active""#)], "fhir-con-4"),
    ("c1", &[("/verificationStatus/coding/0/code", r#""entered-in-error""#)], "fhir-con-5"),
    ("o1", &[("/identifier", ""), ("/name", "")], "fhir-org-1"),
    ("o1", &[("/address/0/use", r#""home""#)], "fhir-org-2"),
    ("o1", &[("/telecom/0/use", r#""home""#)], "fhir-org-3"),
    ("q1", &[("/code", "")], "fhir-prr-1"),
    ("b2", &[("/entry/0/resource/section/0", r#"{"title":"x"}"#)], "fhir-cmp-1"),
    ("b2", &[("/entry/0/resource/section/0/emptyReason", r#"{"text":"x"}"#)], "fhir-cmp-2"),
    ("b1", &[("/total", "2")], "fhir-bdl-1"),
    ("b1", &[("/entry/0/search", r#"{"mode":"match"}"#)], "fhir-bdl-2"),
    ("b1", &[("/entry/0/request", "")], "fhir-bdl-3"),
    ("b2", &[("/entry/1/request", r#"{"method":"PUT","url":"Patient/p1"}"#)], "fhir-bdl-3"),
    ("b1", &[("/entry/0/response", r#"{"status":"200"}"#)], "fhir-bdl-4"),
    ("b2", &[("/entry/1", r#"{"fullUrl":"http://e.example/x"}"#)], "fhir-bdl-5"),
    ("b2", &[("/entry/1/fullUrl", r#""http://e.example/Composition/y1""#)], "fhir-bdl-7"),
    ("b2", &[("/entry/1/fullUrl", r#""http://e.example/Patient/p1/_history/1""#)], "fhir-bdl-8"),
    ("b2", &[("/identifier/system", "")], "fhir-bdl-9"),
    ("b2", &[("/timestamp", "")], "fhir-bdl-10"),
    ("b2", &[("/entry/0/resource", r#"{"resourceType":"Patient","id":"p2"}"#)], "fhir-bdl-11"),
    ("b2", &[("/type", r#""message""#)], "fhir-bdl-12"),
    (
        "b1",
        &[("/entry/0/resource/patient/reference", r#""urn:uuid:00000000-0000-4000-8000-000000000009""#)],
        "reference-not-in-bundle",
    ),
    ("x1", &[("/subject/reference", r#""Medication/1""#)], "reference-target"),
    ("x1", &[("/subject/type", r#""Medication""#)], "reference-target"),
    ("x1", &[("/subject/reference", r#""patient 1""#)], "reference-form"),
    ("x1", &[("/subject/reference", r#""x/Patient/1""#)], "reference-form"),
    ("x1", &[("/valueString", r#""x""#)], "choice-many"),
    ("x1", &[("/referenceRange/0/low/comparator", r#""<""#)], "element-not-allowed"),
    (
        "x1",
        &[("/meta/profile/0", r#""http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient""#)],
        "profile-type-differs",
    ),
    ("x1", &[("/meta/profile/0", r#""http://example.com/none""#)], "profile-not-known"),
    ("x1", &[("/resourceType", r#""Observatory""#)], "resource-type-unknown"),
    (
        "v1",
        &[(
            "/extension/0",
            r#"{"url":"http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_Coverage_InsuredPersonSymbol","valueInteger":1}"#,
        )],
        "profile-type",
    ),
    ("v1", &[("/extension/0/url", r#""http://jpfhir.jp/none""#)], "extension-not-known"),
    ("p1", &[("/name/0/given/0", "null")], "value-null"),
];

#[test]
fn each_invariant_finds_what_breaks_it() {
    let bases = bases();
    for (id, changes, code) in INVARIANTS {
        let mut made = bases.iter().find(|base| base["id"] == *id).expect("a base").clone();
        for (pointer, text) in *changes {
            put(&mut made, pointer, text);
        }
        assert!(codes(&made).contains(*code), "{id} {changes:?} {code}: {:?}", codes(&made));
    }
    let tried: BTreeSet<_> = INVARIANTS.iter().map(|(_, _, code)| *code).collect();
    let rows = include_str!("../finding.tsv").lines().filter_map(|line| line.split('\t').next());
    let untried: Vec<_> = rows.filter(|code| code.starts_with("fhir-") && !tried.contains(code)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
fn a_null_beside_an_extension_is_good() {
    let mut made = bases().into_iter().find(|base| base["id"] == "p1").expect("a base");
    put(&mut made, "/name/0/given", r#"[null, "一郎"]"#);
    put(
        &mut made,
        "/name/0/_given",
        r#"[{"extension":[{"url":"http://example.com/x","valueString":"x"}]}, null]"#,
    );
    assert!(codes(&made).is_empty(), "{:?}", check("Patient", &made));
}

#[test]
fn a_type_that_differs_is_said() {
    assert!(
        check("Patient", &json!({"resourceType": "Observation"}))
            .iter()
            .any(|f| f.code == "resource-type-differs")
    );
}
