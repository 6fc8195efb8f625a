//! What a page may show of a message before somebody with the right has asked to see the patient: its shape.
//!
//! HL7 v2 is masked by [`crate::shape`]. FHIR is masked here, the same way round: what is not known to be a
//! code, a unit, a number or a date of service is a shape, and so is all that was made from a masked field.

use crate::shape;
use serde_json::{Map, Value};

/// Elements of a resource that hold codes, units, numeric results and service dates.
const SHOWN: &[(&str, &[&str])] = &[
    (
        "Observation",
        &[
            "status",
            "category",
            "code",
            "effectiveDateTime",
            "issued",
            "valueQuantity",
            "valueCodeableConcept",
            "valueRange",
            "valueRatio",
            "interpretation",
            "referenceRange",
            "dataAbsentReason",
            "component",
        ],
    ),
    ("DiagnosticReport", &["status", "category", "code", "effectiveDateTime", "issued"]),
    ("Specimen", &["status", "type", "collection"]),
    (
        "MedicationRequest",
        &[
            "status",
            "intent",
            "category",
            "priority",
            "medicationCodeableConcept",
            "authoredOn",
            "dosageInstruction",
            "dispenseRequest",
            "substitution",
            "contained",
        ],
    ),
    ("Medication", &["status", "code", "form", "amount", "ingredient"]),
    (
        "AllergyIntolerance",
        &["clinicalStatus", "verificationStatus", "type", "category", "criticality", "code", "reaction"],
    ),
    // Not its code: a diagnosis beside an id.
    (
        "Condition",
        &["clinicalStatus", "verificationStatus", "category", "onsetDateTime", "abatementDateTime"],
    ),
    ("Encounter", &["status", "class", "type", "serviceType", "period"]),
    ("Coverage", &["status", "type"]),
];

/// Never shown, wherever they stand: they name somebody or hold free text.
const HIDDEN: &[&str] = &[
    "id",
    "identifier",
    "reference",
    "note",
    "patientInstruction",
    "additionalInstruction",
    "valueString",
    "description",
    "performer",
    "collector",
    "recorder",
    "requester",
    "asserter",
    "subject",
    "patient",
];

/// One value of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// `code.coding[0].code`, indices from 0 as FHIRPath has them.
    pub path: String,
    /// The value.
    pub value: String,
}

/// The values of a resource in the order in which they stand.
pub fn leaves(resource: &Value) -> Vec<Leaf> {
    let mut out = Vec::new();
    walk(resource, &mut String::new(), &mut out);
    out
}

fn walk(value: &Value, path: &mut String, out: &mut Vec<Leaf>) {
    let end = path.len();
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if end > 0 {
                    path.push('.');
                }
                path.push_str(key);
                walk(member, path, out);
                path.truncate(end);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                path.push_str(&format!("[{n}]"));
                walk(item, path, out);
                path.truncate(end);
            }
        }
        Value::String(text) => out.push(Leaf { path: path.clone(), value: text.clone() }),
        Value::Null => {}
        other => out.push(Leaf { path: path.clone(), value: other.to_string() }),
    }
}

/// Whether a value at that path of a resource of that type is one of those that everybody may see, as far as
/// its place tells.
pub fn is_shown(resource_type: &str, path: &str) -> bool {
    let mut parts = path.split('.').map(|part| part.split('[').next().unwrap_or_default());
    let Some(first) = parts.next() else { return false };
    match first {
        "resourceType" => return true,
        "meta" => return path.starts_with("meta.profile"),
        _ => {}
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    if path.contains("extension") {
        return last == "url";
    }
    let listed = SHOWN.iter().any(|(kind, elements)| *kind == resource_type && elements.contains(&first));
    listed && !parts.any(|part| HIDDEN.contains(&part))
}

/// A resource with everything that `shown` does not name as its shape. `shown` is asked with the path.
pub fn json(resource: &Value, shown: &dyn Fn(&str) -> bool) -> Value {
    masked(resource, &mut String::new(), shown)
}

fn masked(value: &Value, path: &mut String, shown: &dyn Fn(&str) -> bool) -> Value {
    let end = path.len();
    match value {
        Value::Object(members) => {
            let mut out = Map::new();
            for (key, member) in members {
                if end > 0 {
                    path.push('.');
                }
                path.push_str(key);
                out.insert(key.clone(), masked(member, path, shown));
                path.truncate(end);
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (n, item) in items.iter().enumerate() {
                path.push_str(&format!("[{n}]"));
                out.push(masked(item, path, shown));
                path.truncate(end);
            }
            Value::Array(out)
        }
        Value::String(text) if !shown(path) => Value::String(shape::of(text)),
        Value::Number(number) if !shown(path) => Value::String(shape::of(&number.to_string())),
        Value::Bool(_) if !shown(path) => Value::String("A".to_owned()),
        other => other.clone(),
    }
}

/// One issue of a base's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// `error`.
    pub severity: String,
    /// `invalid`.
    pub code: String,
    /// What it says, or its shape: a base may quote what it was sent.
    pub text: String,
    /// Where, or its shape.
    pub place: String,
}

const SEVERITIES: [&str; 4] = ["fatal", "error", "warning", "information"];
/// <http://hl7.org/fhir/R4/valueset-issue-type.html>
const ISSUE_TYPES: [&str; 31] = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];

/// The issues of an OperationOutcome; of another answer one issue with its text.
pub fn issues(answer: &[u8], revealed: bool) -> Vec<Issue> {
    let text = |text: &str| if revealed { visible(text) } else { shape::of(text) };
    let whole = String::from_utf8_lossy(answer);
    let parsed: Option<Value> = serde_json::from_slice(answer).ok();
    let list = parsed.as_ref().and_then(|value| value.get("issue")).and_then(Value::as_array);
    let Some(list) = list else {
        if whole.trim().is_empty() {
            return Vec::new();
        }
        return vec![Issue { text: text(whole.trim()), ..Issue::default() }];
    };
    list.iter()
        .map(|issue| {
            let of = |key: &str| issue.get(key).and_then(Value::as_str).unwrap_or_default();
            let coded = |value: &str, known: &[&str]| {
                if known.contains(&value) { value.to_owned() } else { text(value) }
            };
            let places = ["expression", "location"].iter().filter_map(|key| issue.get(*key)?.as_array());
            let place: Vec<&str> = places.flatten().filter_map(Value::as_str).collect();
            let details = issue.pointer("/details/text").and_then(Value::as_str).unwrap_or_default();
            let said: Vec<&str> =
                [details, of("diagnostics")].into_iter().filter(|s| !s.is_empty()).collect();
            Issue {
                severity: coded(of("severity"), &SEVERITIES),
                code: coded(of("code"), &ISSUE_TYPES),
                text: text(&said.join(" — ")),
                place: text(&place.join(", ")),
            }
        })
        .collect()
}

/// A text as it can be shown: what is invisible or turns the line round is named instead.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('□')),
            '\u{7f}' => out.push('␡'),
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => out.push_str(&format!("⟦U+{:04X}⟧", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{is_shown, issues, json, leaves, visible};
    use serde_json::json as value;

    #[test]
    fn every_place_of_a_patient_becomes_a_shape() {
        let patient = value!({
            "resourceType": "Patient", "id": "abc2", "meta": { "profile": ["http://p"], "source": "x" },
            "identifier": [{ "system": "urn:oid:1.2", "value": "0012" }],
            "name": [{ "text": "山田 太郎", "family": "山田", "given": ["太郎"] }],
            "gender": "male", "birthDate": "1970-01-02", "deceasedBoolean": true, "multipleBirthInteger": 2,
            "address": [{ "text": "東京都", "postalCode": "100-0001" }],
            "telecom": [{ "system": "phone", "value": "03-1" }],
            "extension": [{ "url": "http://e", "valueString": "x" }]
        });
        let masked = json(&patient, &|path| is_shown("Patient", path));
        let expected = value!({
            "resourceType": "Patient", "id": "AAA#", "meta": { "profile": ["http://p"], "source": "A" },
            "identifier": [{ "system": "AAA:AAA:#.#", "value": "####" }],
            "name": [{ "text": "漢漢 漢漢", "family": "漢漢", "given": ["漢漢"] }],
            "gender": "AAAA", "birthDate": "####-##-##", "deceasedBoolean": "A", "multipleBirthInteger": "#",
            "address": [{ "text": "漢漢漢", "postalCode": "###-####" }],
            "telecom": [{ "system": "AAAAA", "value": "##-#" }],
            "extension": [{ "url": "http://e", "valueString": "A" }]
        });
        assert_eq!(masked, expected);
    }

    #[test]
    fn codes_units_numbers_and_service_dates_are_seen() {
        let check = |kind: &str, path: &str, seen: bool| {
            assert_eq!(is_shown(kind, path), seen, "{kind}.{path}");
        };
        check("Observation", "code.coding[0].display", true);
        check("Observation", "valueQuantity.value", true);
        check("Observation", "effectiveDateTime", true);
        check("Observation", "valueString", false);
        check("Observation", "note[0].text", false);
        check("Observation", "subject.reference", false);
        check("Observation", "id", false);
        check("Observation", "identifier[0].value", false);
        check("Observation", "component[0].valueString", false);
        check("Observation", "component[0].valueQuantity.unit", true);
        check("Observation", "performer[0].display", false);
        check("Observation", "extension[0].valueCodeableConcept.text", false);
        check("Condition", "code.text", false);
        check("Condition", "clinicalStatus.coding[0].code", true);
        check("Encounter", "participant[0].individual.reference", false);
        check("MedicationRequest", "contained[0].id", false);
        check("MedicationRequest", "contained[0].ingredient[0].itemCodeableConcept.coding[0].code", true);
        check("MedicationRequest", "dosageInstruction[0].patientInstruction", false);
        check("Practitioner", "name[0].text", false);
        check("Basic", "status", false);
    }

    #[test]
    fn a_base_that_quotes_the_patient_is_masked_and_its_codes_are_not() {
        let answer = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid",
            "diagnostics":"name \u5c71\u7530 is wrong","expression":["Patient.name"]},
            {"severity":"yamada","code":"0012"}]}"#;
        let said = issues(answer, false);
        assert_eq!((said[0].severity.as_str(), said[0].code.as_str()), ("error", "invalid"));
        assert_eq!((said[0].text.as_str(), said[0].place.as_str()), ("AAAA 漢漢 AA AAAAA", "AAAAAAA.AAAA"));
        assert_eq!((said[1].severity.as_str(), said[1].code.as_str()), ("AAAAAA", "####"));
        assert_eq!(issues(answer, true)[0].text, "name 山田 is wrong");
        assert_eq!(issues("山田 <html>".as_bytes(), false)[0].text, "漢漢 <AAAA>");
        assert!(issues(b"", false).is_empty());
    }

    #[test]
    fn what_cannot_be_seen_is_named() {
        assert_eq!(visible("a\0b\u{202e}c\u{1b}"), "a␀b⟦U+202E⟧c␛");
        assert_eq!(visible("👨‍👩‍👧 ﾀﾛｳ 𠮷"), "👨‍👩‍👧 ﾀﾛｳ 𠮷");
    }

    #[test]
    fn leaves_tell_their_paths() {
        let text = r#"{ "a": [{ "b": 1.50 }, { "b": true }], "c": null }"#;
        let found = leaves(&serde_json::from_str(text).unwrap());
        let found: Vec<(&str, &str)> = found.iter().map(|l| (l.path.as_str(), l.value.as_str())).collect();
        assert_eq!(found, [("a[0].b", "1.50"), ("a[1].b", "true")]);
    }
}
