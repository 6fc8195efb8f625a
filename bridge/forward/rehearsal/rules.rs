//! What the rehearsal base refuses, with the OperationOutcome that says why.

use renkei_translate::finding::Severity;
use serde_json::{Value, json};

/// FHIR R4, 2.20 datatype `id`.
const ID_MAX_CHARS: usize = 64;

/// An OperationOutcome in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// At least one.
    pub issues: Vec<Issue>,
}

/// One issue of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// A code of issue-type: `invalid`, `not-found`.
    pub code: &'static str,
    /// What is wrong, for the sender's log.
    pub diagnostics: String,
    /// Where: a FHIRPath, or empty.
    pub expression: String,
}

impl Refusal {
    /// A refusal with one issue.
    pub fn new(status: u16, code: &'static str, diagnostics: impl Into<String>) -> Self {
        let issue = Issue { code, diagnostics: diagnostics.into(), expression: String::new() };
        Self { status, issues: vec![issue] }
    }

    /// Says where.
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        if let Some(issue) = self.issues.last_mut() {
            issue.expression = expression.into();
        }
        self
    }

    /// The body of the answer.
    pub fn outcome(&self) -> Value {
        let issues: Vec<_> = self.issues.iter().map(Issue::json).collect();
        json!({ "resourceType": "OperationOutcome", "issue": issues })
    }
}

impl Issue {
    fn json(&self) -> Value {
        let mut issue = json!({ "severity": "error", "code": self.code, "diagnostics": self.diagnostics });
        if !self.expression.is_empty() {
            issue["expression"] = json!([self.expression]);
        }
        issue
    }
}

/// Reads `Type/id`, with a known type and a well-formed id.
///
/// # Errors
/// 404 for an unknown type, 400 for what is no such URL.
pub fn instance(url: &str) -> Result<(&str, &str), Refusal> {
    let (resource_type, id) = url
        .split_once('/')
        .ok_or_else(|| Refusal::new(400, "invalid", "request.url of PUT and DELETE is Type/id"))?;
    if !is_type(resource_type) {
        return Err(Refusal::new(404, "not-supported", "unknown resource type in the URL"));
    }
    let well_formed = (1..=ID_MAX_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if !well_formed {
        return Err(Refusal::new(400, "value", "an id is 1 to 64 of A-Z a-z 0-9 - ."));
    }
    Ok((resource_type, id))
}

/// Refuses a resource that FHIR R4 forbids under this URL.
///
/// # Errors
/// 400 where URL and resource contradict, 422 where its content is wrong.
pub fn resource(resource_type: &str, id: &str, resource: &Value) -> Result<(), Refusal> {
    let Some(object) = resource.as_object() else {
        return Err(Refusal::new(400, "structure", "a resource is a JSON object"));
    };
    if object.get("resourceType").and_then(Value::as_str) != Some(resource_type) {
        return Err(Refusal::new(400, "invalid", "resourceType is not the type of the URL"));
    }
    if object.get("id").and_then(Value::as_str) != Some(id) {
        return Err(Refusal::new(400, "invalid", "the id of the resource is not the id of the URL"));
    }
    let mut issues = Vec::new();
    empty_values(resource, resource_type, &mut issues);
    for finding in renkei_translate::profile::check(resource_type, resource) {
        // A base holds more types than the appliance makes; those are not looked into.
        if finding.severity == Severity::Error && finding.code != "resource-type-unknown" {
            issues.push(Issue {
                code: "invalid",
                diagnostics: finding.code.into_owned(),
                expression: finding.location.path,
            });
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(Refusal { status: 422, issues }) }
}

/// FHIR R4, 2.6.2 JSON: strings, arrays and objects are never empty; null only pads an array of
/// primitives whose extensions stand beside it.
fn empty_values(value: &Value, path: &str, issues: &mut Vec<Issue>) {
    let mut empty = |what: &str| {
        let diagnostics = format!("{what} is empty");
        issues.push(Issue { code: "structure", diagnostics, expression: path.into() });
    };
    match value {
        Value::String(text) if text.trim().is_empty() => empty("string"),
        Value::Array(items) if items.is_empty() => empty("array"),
        Value::Object(members) if members.is_empty() => empty("object"),
        Value::Null => empty("value"),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                empty_values(item, &format!("{path}[{n}]"), issues);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                empty_values(member, &format!("{path}.{name}"), issues);
            }
        }
        _ => {}
    }
}

/// Calls `each` for every literal reference of a resource.
pub fn references<'a>(value: &'a Value, each: &mut impl FnMut(&'a str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, each)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => each(text),
                    _ => references(member, each),
                }
            }
        }
        _ => {}
    }
}

/// Whether R4 has this resource type.
pub fn is_type(name: &str) -> bool {
    TYPES.binary_search(&name).is_ok()
}

/// The resource types of FHIR R4 (4.0.1), sorted.
const TYPES: [&str; 146] = [
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_sorted_and_exact() {
        assert!(TYPES.windows(2).all(|pair| pair[0] < pair[1]));
        for (name, known) in [("Patient", true), ("patient", false), ("Patients", false), ("", false)] {
            assert_eq!(is_type(name), known, "{name}");
        }
    }

    #[test]
    fn url_and_resource_must_agree() {
        let status = |url: &str, json: Value| {
            let checked = instance(url).and_then(|(resource_type, id)| resource(resource_type, id, &json));
            checked.err().map_or(200, |refusal| refusal.status)
        };
        let basic = |id: &str| json!({"resourceType": "Basic", "id": id, "code": {"text": "x"}});
        assert_eq!(status("Basic/a", basic("a")), 200);
        assert_eq!(status("Basic/a", basic("b")), 400);
        assert_eq!(status("Basic/a", json!({"resourceType": "Basic", "code": {"text": "x"}})), 400);
        assert_eq!(status("Flag/a", basic("a")), 400);
        assert_eq!(status("Nothing/a", basic("a")), 404);
        assert_eq!(status("Basic/a b", basic("a b")), 400);
        assert_eq!(status("Basic", basic("a")), 400);
        assert_eq!(status(&format!("Basic/{}", "a".repeat(65)), basic(&"a".repeat(65))), 400);
    }

    #[test]
    fn empty_values_are_refused_where_they_stand() {
        let check = |value: Value, expected: &[&str]| {
            let mut issues = Vec::new();
            empty_values(&value, "X", &mut issues);
            assert_eq!(issues.iter().map(|issue| issue.expression.as_str()).collect::<Vec<_>>(), expected);
        };
        check(
            json!({"a": "", "b": [], "c": {}, "d": null, "e": 0, "f": false}),
            &["X.a", "X.b", "X.c", "X.d"],
        );
        check(json!({"given": [null, "x"], "_given": [{"id": "1"}, null]}), &[]);
        check(json!({"a": [{"b": " "}]}), &["X.a[0].b"]);
    }
}
