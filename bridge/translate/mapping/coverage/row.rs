//! Positions and elements as the tables of others write them, and whether an element of ours is the same.

use super::{Position, Use};
use crate::mapping::target::{CHOICES, split};
use crate::profile::r4;

/// One name of a path to an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    /// The slice: `identifier:RpNumber`, `identifier[rpNumber]`.
    pub(super) slice: Option<String>,
}

/// A path to an element of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) resource: String,
    pub(super) steps: Vec<Step>,
}

fn step(text: &str) -> Step {
    let (name, bracket) = match text.split_once('[') {
        Some((name, rest)) => (name, rest.strip_suffix(']').unwrap_or(rest)),
        None => (text, ""),
    };
    let (name, slice) = name.split_once(':').map_or((name, None), |(name, slice)| (name, Some(slice)));
    let numbered = bracket.bytes().all(|b| b.is_ascii_digit());
    let plain = numbered || matches!(bracket, "x" | "each" | "first" | "*");
    let slice = slice.or((!plain).then_some(bracket)).map(str::to_owned);
    Step { name: name.trim().to_owned(), slice }
}

/// The path below a resource, as our rules write it. What is contained is a resource of its own.
pub(super) fn ours(resource: &str, target: &str) -> Element {
    let mut steps: Vec<Step> = split(target).into_iter().filter(|t| !t.is_empty()).map(step).collect();
    if let Some(Step { name, slice: Some(slice) }) = steps.first()
        && name == "contained"
        && let Some((_, kind)) = slice.split_once(':')
    {
        let resource = kind.trim().to_owned();
        steps.remove(0);
        return Element { resource, steps };
    }
    Element { resource: resource.to_owned(), steps }
}

/// The path of a row of another's table: `name[1].family`, `participant.actor(Location.identifier)`, `$this`.
pub(super) fn theirs(resource: &str, target: &str) -> Element {
    let target = target.lines().next().unwrap_or_default().trim();
    // Of a reference with an inline resource, what that resource gets.
    if let Some((_, rest)) = target.rsplit_once('(') {
        let inside = rest.split(')').next().unwrap_or_default();
        let (kind, path) = inside.split_once('.').unwrap_or((inside, ""));
        return theirs(step(kind).name.as_str(), path);
    }
    let names = split(target).into_iter().filter(|text| !text.is_empty() && !text.starts_with(['$', '[']));
    // An index says "the same or another", not which; a name behind a colon is a slice.
    let steps =
        names.map(|text| Step { slice: step(text).slice.filter(|_| text.contains(':')), ..step(text) });
    let steps = steps.collect();
    Element { resource: resource.to_owned(), steps }
}

/// Of a row about what a reference leads to, the element that holds the reference: `performer` of
/// `performer[1](Practitioner.name)`.
pub(super) fn referring(resource: &str, target: &str) -> Option<Element> {
    let target = target.lines().next().unwrap_or_default().trim();
    let (before, _) = target.rsplit_once('(')?;
    // Of one inside another the innermost holder counts: `(PractitionerRole.practitioner(Practitioner.name))`.
    Some(theirs(resource, before.trim_end()))
}

/// `value[x]`, `value` and `valueQuantity` are one element.
fn same_name(a: &str, b: &str) -> bool {
    let typed = |base: &str, other: &str| {
        let base = base.strip_suffix("[x]").unwrap_or(base);
        other.strip_prefix(base).is_some_and(|rest| rest.is_empty() || CHOICES.contains(&rest))
    };
    a == b || typed(a, b) || typed(b, a)
}

fn same_step(ours: &Step, theirs: &Step) -> bool {
    same_name(&ours.name, &theirs.name)
        && match (&theirs.slice, &ours.slice) {
            (None, _) => true,
            (Some(wanted), Some(have)) => wanted.eq_ignore_ascii_case(have),
            (Some(_), None) => false,
        }
}

/// Whether what we write is that element or lies inside it.
pub(super) fn writes(ours: &[Step], theirs: &[Step]) -> bool {
    ours.len() >= theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same_step(a, b))
}

/// The FHIR types that a path leads through, each with how many of its steps lead there.
pub(super) fn kinds(element: &Element) -> Vec<(String, usize)> {
    let mut out = vec![(element.resource.clone(), 0)];
    for (n, step) in element.steps.iter().enumerate() {
        let at = out.last().map_or("", |(kind, _)| kind.as_str());
        let Some(next) = r4::type_of(&format!("{at}.{}", step.name)) else { break };
        out.push((next.to_owned(), n + 1));
    }
    out
}

/// What is left of a path below the elements of a FHIR type, for each of them: `Patient.name[].family` and
/// `HumanName` give `family`.
pub(super) fn below<'e>(element: &'e Element, kinds: &[(String, usize)], kind: &str) -> Vec<&'e [Step]> {
    kinds.iter().filter(|(of, _)| of == kind).map(|(_, n)| &element.steps[*n..]).collect()
}

/// The position of a row: `PID-3`, `RXA–3`, `CWE.1`, `SPM`, `ADT_A08.OBSERVATION.OBX`. Of a datatype the parts
/// stand without a field.
pub(super) fn position(text: &str) -> Position {
    let text = text.lines().next().unwrap_or_default().trim().replace(['–', '－', '‐'], "-");
    if let Some((segment, rest)) = text.split_once('-') {
        let mut numbers = rest.split('.').map(|n| n.trim().parse().unwrap_or(0));
        let field = numbers.next().unwrap_or(0);
        return Position { segment: segment.trim().to_owned(), field, parts: numbers.collect() };
    }
    let parts: Vec<u16> = text.split('.').skip(1).filter_map(|n| n.parse().ok()).collect();
    let segment = if parts.is_empty() { text.rsplit(['.', ':']).next() } else { text.split('.').next() };
    Position { segment: segment.unwrap_or_default().to_owned(), field: 0, parts }
}

/// Whether a part of ours is what theirs names: a field read as text is its first component.
pub(super) fn same_part(ours: &[u16], theirs: &[u16]) -> bool {
    let first = |part: Option<&u16>| part.copied().unwrap_or(1);
    theirs.iter().enumerate().all(|(n, part)| first(ours.get(n)) == *part)
}

/// Whether a fixed value stands there because of a position: in a resource that is made of its segment or, for a
/// field, in the very element that the field's value fills, or chosen by it.
pub(super) fn ties(fixed: &Use, other: &Use, at: &Position) -> bool {
    let read = |p: &Position| p.segment == at.segment && (at.field == 0 || p.field == at.field);
    if other.map != fixed.map
        || !other.kind.is_content()
        || !other.position.as_ref().is_some_and(read)
        || at.field > 0 && other.resource != fixed.resource
    {
        return false;
    }
    // Of a rule the maps that it stands in; of a target the element that both name by its number or slice.
    let within = |rule: &str| rule.rsplit_once('/').map_or("", |(owner, _)| owner).to_owned();
    let owner = within(&fixed.rule);
    let numbered = |target: &str| {
        let (first, rest) = target.split_once('.')?;
        (first.ends_with(']') && !first.ends_with("[]") && !rest.is_empty()).then(|| first.to_owned())
    };
    at.field == 0
        || other.rule == fixed.rule
        || owner.contains(" > ") && other.rule.starts_with(&format!("{owner}/"))
        || numbered(&fixed.target).is_some_and(|first| numbered(&other.target) == Some(first))
}

/// The trigger events of a message structure (HL7 v2.5, table 0354) that the guide has a map for; of another the
/// event is its name.
pub(super) fn events(structure: &str) -> &[&str] {
    match structure {
        "ADT_A01" => &["A01", "A04", "A08", "A13"],
        "ADT_A05" => &["A05", "A14", "A28", "A31"],
        "ADT_A06" => &["A06", "A07"],
        "ADT_A09" => &["A09", "A10"],
        _ => &[],
    }
}

/// `Patient` of `PID[Patient]`, `Observation` of `OBX[Observation-Component]`.
pub(super) fn bracketed(map: &str) -> String {
    let inside = map.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
    inside.split('-').next().unwrap_or_default().split('.').next().unwrap_or_default().to_owned()
}

/// The data type in the name of a JAMI map: `Segment ADT_00_IN1 to Coverage` is of ADT-00.
pub(super) fn data_type(map: &str) -> Option<String> {
    let word = map.split_whitespace().nth(1)?;
    let mut parts = word.split('_');
    let (name, number) = (parts.next()?, parts.next()?);
    let is_number = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("{name}-{number}"))
}

#[cfg(test)]
mod tests {
    use super::{below, kinds, ours, position, referring, same_part, theirs, writes};

    fn check(ours_text: &str, theirs_text: &str, expected: bool) {
        let (a, b) = (ours("X", ours_text), theirs("X", theirs_text));
        assert_eq!(writes(&a.steps, &b.steps), expected, "{ours_text} {theirs_text}");
    }

    #[test]
    fn an_element_is_written_where_it_or_what_is_in_it_is() {
        check("name[].family", "name", true);
        check("name[].family", "name[1].family", true);
        check("name[]", "name.family", false);
        check("valueQuantity.code", "value[x]", true);
        check("effectiveDateTime", "effective", true);
        check("value[x]", "valueQuantity.code", false);
        check("collection.collectedDateTime", "collection.collected", true);
        check("valueString", "valueQuantity", false);
        check("identifier[rpNumber].value", "identifier:RpNumber", true);
        check("identifier[orderInRp].value", "identifier:RpNumber", false);
        check("identifier[].value", "identifier:RpNumber", false);
        check("extension[PeriodOfUse].valuePeriod.start", "extension.valuePeriod.start", true);
        check("deceasedBoolean", "deceasedDateTime", false);
    }

    #[test]
    fn what_a_reference_and_a_contained_resource_get_is_theirs() {
        let inline = theirs("Appointment", "participant.actor(Location.identifier)");
        assert_eq!((inline.resource.as_str(), inline.steps[0].name.as_str()), ("Location", "identifier"));
        let inside = ours("MedicationRequest", "contained[mixture: Medication].ingredient[].strength");
        assert_eq!((inside.resource.as_str(), inside.steps.len()), ("Medication", 2));
        assert!(theirs("X", "$this").steps.is_empty());
        let holder = referring("Appointment", "participant.actor(Location.identifier)").expect("a holder");
        assert_eq!((holder.resource.as_str(), holder.steps.len()), ("Appointment", 2));
        let inner = referring("Provenance", "agent.who(PractitionerRole.practitioner(Practitioner.name))");
        assert_eq!(inner.map(|e| (e.resource, e.steps.len())), Some(("PractitionerRole".to_owned(), 1)));
        assert_eq!(referring("Patient", "name"), None);
    }

    #[test]
    fn types_of_elements_are_followed() {
        let name = ours("Patient", "name[].family");
        assert_eq!(below(&name, &kinds(&name), "HumanName")[0][0].name, "family");
        let unit = ours("Observation", "valueQuantity.unit");
        assert_eq!(below(&unit, &kinds(&unit), "Quantity")[0][0].name, "unit");
        let born = ours("Patient", "birthDate");
        assert_eq!(below(&born, &kinds(&born), "date"), [&[][..]]);
        assert!(below(&born, &kinds(&born), "HumanName").is_empty());
    }

    #[test]
    fn positions_are_read_as_others_write_them() {
        for (text, printed) in [
            ("PID-3", "PID-3"),
            ("RXA–3", "RXA-3"),
            ("CWE.1", "CWE.1"),
            ("XCN.2.1", "XCN.2.1"),
            ("SPM", "SPM"),
            ("ADT_A08.OBSERVATION.OBX", "OBX"),
            ("RXE-18\n日時", "RXE-18"),
            ("OBR-26.1", "OBR-26.1"),
        ] {
            assert_eq!(position(text).to_string(), printed);
        }
        assert!(
            same_part(&[], &[1]) && !same_part(&[], &[2]) && same_part(&[2, 1], &[2]) && same_part(&[3], &[])
        );
    }
}
