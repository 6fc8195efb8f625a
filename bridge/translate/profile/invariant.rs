//! Invariants of FHIR R4 that a table of elements cannot say.
//!
//! A type carries a [`Tag`] and the bits of the elements that its invariants ask about, so that most are
//! answered by the presence of elements alone. Invariants that only advise (dom-6, nor-1) are left out.

use super::primitive::{Primitive, seconds};
use super::tree::Tree;

/// Which invariants a type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    None,
    Quantity,
    Duration,
    Age,
    Ratio,
    Range,
    Period,
    Attachment,
    ContactPoint,
    Extension,
    Repeat,
    PatientContact,
    Observation,
    ReferenceRange,
    Allergy,
    Condition,
    Organization,
    ServiceRequest,
    Section,
    Bundle,
    BundleEntry,
}

/// The tag of a type and the elements whose bits it wants, in order.
pub(super) fn tag(name: &str) -> (Tag, &'static [&'static str]) {
    match name {
        "Quantity" | "SimpleQuantity" | "MoneyQuantity" | "Count" | "Distance" => {
            (Tag::Quantity, &["code", "system"])
        }
        "Duration" => (Tag::Duration, &["code", "system", "value"]),
        "Age" => (Tag::Age, &["code", "system", "value"]),
        "Ratio" => (Tag::Ratio, &["numerator", "denominator", "extension"]),
        "Range" => (Tag::Range, &["low", "high"]),
        "Period" => (Tag::Period, &["start", "end"]),
        "Attachment" => (Tag::Attachment, &["data", "contentType"]),
        "ContactPoint" => (Tag::ContactPoint, &["value", "system"]),
        "Extension" => (Tag::Extension, &["value", "extension"]),
        "Timing.repeat" => (
            Tag::Repeat,
            &[
                "duration",
                "durationUnit",
                "period",
                "periodUnit",
                "periodMax",
                "durationMax",
                "countMax",
                "count",
                "offset",
                "when",
                "timeOfDay",
            ],
        ),
        "Patient.contact" => (Tag::PatientContact, &["name", "telecom", "address", "organization"]),
        "Observation" => (Tag::Observation, &["dataAbsentReason", "value", "component"]),
        "Observation.referenceRange" => (Tag::ReferenceRange, &["low", "high", "text"]),
        "AllergyIntolerance" => (Tag::Allergy, &["clinicalStatus"]),
        "Condition" => (Tag::Condition, &["clinicalStatus", "abatement", "category"]),
        "Organization" => (Tag::Organization, &["identifier", "name", "telecom", "address"]),
        "ServiceRequest" => (Tag::ServiceRequest, &["orderDetail", "code"]),
        "Composition.section" => (Tag::Section, &["text", "entry", "section", "emptyReason"]),
        "Bundle" => (Tag::Bundle, &["total", "entry", "identifier", "timestamp"]),
        "Bundle.entry" => (Tag::BundleEntry, &["resource", "request", "response", "fullUrl"]),
        _ => (Tag::None, &[]),
    }
}

/// Most bits that a tag asks for.
pub(super) const BITS: usize = 11;

/// Codes that invariants compare; each stands in the code below as well.
pub(super) const TEXTS: &[&str] =
    &["entered-in-error", "resolved", "remission", "inactive", "problem-list-item", "home"];

const UCUM: &str = "http://unitsofmeasure.org";
const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";

/// What an invariant found: its code, whether it only warns, and the element below the node.
pub(super) struct Broken {
    pub code: &'static str,
    pub warning: bool,
    pub element: &'static str,
}

const fn broken(code: &'static str, element: &'static str) -> Broken {
    Broken { code, warning: false, element }
}

/// Checks the invariants of a node whose elements are `present`.
pub(super) fn check<'t, T: Tree<'t>>(
    tag: Tag,
    bits: &[u64; BITS],
    present: u64,
    node: T,
    report: &mut impl FnMut(Broken),
) {
    let has = |n: usize| present & bits[n] != 0;
    match tag {
        Tag::None => {}
        Tag::Quantity => {
            if has(0) && !has(1) {
                report(broken("fhir-qty-3", "system"));
            }
        }
        Tag::Duration => {
            if has(0) && !(has(2) && node.text_of("system") == Some(UCUM)) {
                report(broken("fhir-drt-1", "system"));
            }
        }
        Tag::Age => {
            if (has(2) && !has(0)) || (has(1) && node.text_of("system") != Some(UCUM)) {
                report(broken("fhir-age-1", "code"));
            }
        }
        Tag::Ratio => {
            if has(0) != has(1) || !(has(0) || has(2)) {
                report(broken("fhir-rat-1", ""));
            }
        }
        Tag::Range => {
            if has(0) && has(1) && low_above_high(node) {
                report(broken("fhir-rng-2", ""));
            }
        }
        Tag::Period => {
            if has(0) && has(1) && backwards(node.text_of("start"), node.text_of("end")) {
                report(broken("fhir-per-1", "end"));
            }
        }
        Tag::Attachment => {
            if has(0) && !has(1) {
                report(broken("fhir-att-1", "contentType"));
            }
        }
        Tag::ContactPoint => {
            if has(0) && !has(1) {
                report(broken("fhir-cpt-2", "system"));
            }
        }
        Tag::Extension => {
            if has(0) == has(1) {
                report(broken("fhir-ext-1", ""));
            }
        }
        Tag::Repeat => repeat(has, node, report),
        Tag::PatientContact => {
            if !(0..4).any(has) {
                report(broken("fhir-pat-1", ""));
            }
        }
        Tag::Observation => {
            if has(0) && has(1) {
                report(broken("fhir-obs-6", "dataAbsentReason"));
            }
            if has(1) && has(2) && component_repeats_code(node) {
                report(broken("fhir-obs-7", "component"));
            }
        }
        Tag::ReferenceRange => {
            if !(0..3).any(has) {
                report(broken("fhir-obs-3", ""));
            }
        }
        Tag::Allergy => {
            let wrong = coded(node, "verificationStatus", None, &["entered-in-error"]);
            match (has(0), wrong) {
                (false, false) => report(broken("fhir-ait-1", "clinicalStatus")),
                (true, true) => report(broken("fhir-ait-2", "clinicalStatus")),
                _ => {}
            }
        }
        Tag::Condition => condition(has, node, report),
        Tag::Organization => {
            if !has(0) && !has(1) {
                report(broken("fhir-org-1", ""));
            }
            let home = |name| {
                node.get(name)
                    .is_some_and(|list| list.items().any(|item| item.text_of("use") == Some("home")))
            };
            if has(3) && home("address") {
                report(broken("fhir-org-2", "address"));
            }
            if has(2) && home("telecom") {
                report(broken("fhir-org-3", "telecom"));
            }
        }
        Tag::ServiceRequest => {
            if has(0) && !has(1) {
                report(broken("fhir-prr-1", "code"));
            }
        }
        Tag::Section => {
            if !(0..3).any(has) {
                report(broken("fhir-cmp-1", ""));
            }
            if has(3) && has(1) {
                report(broken("fhir-cmp-2", "emptyReason"));
            }
        }
        Tag::Bundle => bundle(has, node, report),
        Tag::BundleEntry => {
            if !(0..3).any(has) {
                report(broken("fhir-bdl-5", ""));
            }
            if has(3) && node.text_of("fullUrl").is_some_and(|url| url.contains("/_history/")) {
                report(broken("fhir-bdl-8", "fullUrl"));
            }
        }
    }
}

fn repeat<'t, T: Tree<'t>>(has: impl Fn(usize) -> bool, node: T, report: &mut impl FnMut(Broken)) {
    for (given, needed, code, element) in [
        (0, 1, "fhir-tim-1", "durationUnit"),
        (2, 3, "fhir-tim-2", "periodUnit"),
        (4, 2, "fhir-tim-6", "period"),
        (5, 0, "fhir-tim-7", "duration"),
        (6, 7, "fhir-tim-8", "count"),
        (8, 9, "fhir-tim-9", "when"),
    ] {
        if has(given) && !has(needed) {
            report(broken(code, element));
        }
    }
    if has(10) && has(9) {
        report(broken("fhir-tim-10", "timeOfDay"));
    }
    for (n, name, code) in [(0, "duration", "fhir-tim-4"), (2, "period", "fhir-tim-5")] {
        let negative =
            |number: T| matches!(number.shape(), super::tree::Shape::Number(text) if text.starts_with('-'));
        if has(n) && node.get(name).is_some_and(negative) {
            report(broken(code, name));
        }
    }
}

fn condition<'t, T: Tree<'t>>(has: impl Fn(usize) -> bool, node: T, report: &mut impl FnMut(Broken)) {
    let wrong = coded(node, "verificationStatus", Some(VERIFICATION), &["entered-in-error"]);
    if has(0) && wrong {
        report(broken("fhir-con-5", "clinicalStatus"));
    }
    if has(1) && !coded(node, "clinicalStatus", Some(CLINICAL), &["resolved", "remission", "inactive"]) {
        report(broken("fhir-con-4", "clinicalStatus"));
    }
    // con-3 is a best practice: it warns.
    let listed = |category: T| coded_concept(category, None, &["problem-list-item"]);
    if !has(0) && !wrong && has(2) && node.get("category").is_some_and(|list| list.items().any(listed)) {
        report(Broken { code: "fhir-con-3", warning: true, element: "clinicalStatus" });
    }
}

fn bundle<'t, T: Tree<'t>>(has: impl Fn(usize) -> bool, node: T, report: &mut impl FnMut(Broken)) {
    let kind = node.text_of("type").unwrap_or_default();
    if has(0) && !matches!(kind, "searchset" | "history") {
        report(broken("fhir-bdl-1", "total"));
    }
    if kind == "document" {
        let identifier = node.get("identifier");
        if !identifier.is_some_and(|id| id.get("system").is_some() && id.get("value").is_some()) {
            report(broken("fhir-bdl-9", "identifier"));
        }
        if !has(3) {
            report(broken("fhir-bdl-10", "timestamp"));
        }
    }
    let Some(entries) = node.get("entry") else { return };
    let asks = matches!(kind, "batch" | "transaction" | "history");
    let answers = matches!(kind, "batch-response" | "transaction-response" | "history");
    for (n, entry) in entries.items().enumerate() {
        if n == 0 && matches!(kind, "document" | "message") {
            let (wanted, code) = if kind == "document" {
                ("Composition", "fhir-bdl-11")
            } else {
                ("MessageHeader", "fhir-bdl-12")
            };
            if entry.get("resource").and_then(|resource| resource.text_of("resourceType")) != Some(wanted) {
                report(broken(code, "entry"));
            }
        }
        if entry.get("search").is_some() && kind != "searchset" {
            report(broken("fhir-bdl-2", "entry"));
        }
        if entry.get("request").is_some() != asks {
            report(broken("fhir-bdl-3", "entry"));
        }
        if entry.get("response").is_some() != answers {
            report(broken("fhir-bdl-4", "entry"));
        }
    }
}

/// Whether the CodeableConcept of that name has one of the codes.
fn coded<'t, T: Tree<'t>>(node: T, name: &str, system: Option<&str>, codes: &[&str]) -> bool {
    node.get(name).is_some_and(|concept| coded_concept(concept, system, codes))
}

fn coded_concept<'t, T: Tree<'t>>(concept: T, system: Option<&str>, codes: &[&str]) -> bool {
    concept.get("coding").is_some_and(|list| {
        list.items().any(|coding| {
            system.is_none_or(|system| coding.text_of("system") == Some(system))
                && coding.text_of("code").is_some_and(|code| codes.contains(&code))
        })
    })
}

/// obs-7: a component has a coding of the Observation's own code while both have a value.
fn component_repeats_code<'t, T: Tree<'t>>(node: T) -> bool {
    let codings = |of: T| of.get("code").and_then(|code| code.get("coding"));
    let (Some(own), Some(components)) = (codings(node), node.get("component")) else { return false };
    let same = |a: T, b: T| {
        a.text_of("code").is_some()
            && a.text_of("code") == b.text_of("code")
            && ["system", "version", "display"].iter().all(|name| a.text_of(name) == b.text_of(name))
    };
    components
        .items()
        .filter_map(codings)
        .any(|theirs| theirs.items().any(|a| own.items().any(|b| same(a, b))))
}

/// per-1: the end lies before the start. What cannot be compared is not judged.
pub(super) fn backwards(start: Option<&str>, end: Option<&str>) -> bool {
    let (Some(start), Some(end)) = (start, end) else { return false };
    if let (Some(start), Some(end)) = (seconds(start), seconds(end)) {
        return end < start;
    }
    let day = |text: &'_ str| text.find('T').unwrap_or(text.len());
    let common = day(start).min(day(end));
    match (start.get(..common), end.get(..common)) {
        (Some(a), Some(b)) => Primitive::Date.accepts(a) && Primitive::Date.accepts(b) && b < a,
        _ => false,
    }
}

fn low_above_high<'t, T: Tree<'t>>(node: T) -> bool {
    let number = |name: &str| match node.get(name)?.get("value")?.shape() {
        super::tree::Shape::Number(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    let unit = |name: &str| node.get(name).and_then(|quantity| quantity.text_of("code"));
    unit("low") == unit("high") && number("low").zip(number("high")).is_some_and(|(low, high)| low > high)
}
