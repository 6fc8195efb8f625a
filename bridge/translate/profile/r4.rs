//! The elements of FHIR R4 for the resource types that the shipped set makes, with everything they use.
//!
//! The table stands in `r4.tsv`, derived from the published definitions (CC0) and kept in a shape of our
//! own; it is parsed once and interned. Nothing here judges a resource: that is `super::walk`.

use super::invariant::{self, Tag};
use super::primitive::Primitive;
use crate::quick;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Most elements that a type may have: presence is kept in the bits of one word.
const MAX_ELEMENTS: usize = 64;

/// A code list of a required binding.
#[derive(Debug)]
pub struct CodeList {
    /// The value set's short name: `observation-status`.
    pub name: &'static str,
    /// System and code, in order of the definition.
    pub codes: Vec<(&'static str, &'static str)>,
}

impl CodeList {
    /// Whether it has that code, of whatever system.
    pub fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|(_, known)| *known == code)
    }
    /// Whether it has that code of that system.
    pub fn has_coding(&self, system: &str, code: &str) -> bool {
        self.codes.iter().any(|(known_system, known)| *known == code && *known_system == system)
    }
}

/// One element of a type.
#[derive(Clone, Debug)]
pub struct Element {
    /// As the definition prints it: `Observation.value[x]`.
    pub path: &'static str,
    /// The last part, without `[x]`: `value`.
    pub name: &'static str,
    /// `[x]`: the JSON name ends in the type.
    pub choice: bool,
    /// The types it may have. A backbone element is a type of its own path; a Reference is `Reference`.
    pub types: Vec<&'static str>,
    /// The resource types that a Reference may point to; empty where any may.
    pub targets: Vec<&'static str>,
    /// How often it must be there.
    pub min: u32,
    /// How often it may be there, `None` without a limit.
    pub max: Option<u32>,
    /// The codes of a required binding.
    pub codes: Option<&'static CodeList>,
    /// Whether JSON carries it as an array.
    pub array: bool,
}

/// A type by its place in the table.
pub(super) type TypeId = u16;

/// A JSON name of a type: an element, or one type of a choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub key: &'static str,
    pub element: u8,
    pub value: TypeId,
}

/// A type and how its JSON names are found.
#[derive(Debug)]
pub(super) struct Type {
    pub name: &'static str,
    pub primitive: Option<Primitive>,
    pub resource: bool,
    pub elements: Vec<Element>,
    /// Bits of the elements with a minimum of one or more.
    pub required: u64,
    /// Which invariants it has, and the bits of the elements that they ask about.
    pub tag: Tag,
    pub bits: [u64; invariant::BITS],
    slots: Vec<Option<Slot>>,
    seed: u32,
}

impl Type {
    /// The slot of a JSON name, without its leading `_`.
    #[inline]
    pub fn slot(&self, key: &str) -> Option<Slot> {
        let slot = self
            .slots
            .get(hash(key.as_bytes(), self.seed) as usize & self.slots.len().wrapping_sub(1))
            .copied()
            .flatten()?;
        (slot.key == key).then_some(slot)
    }

    /// Its JSON names, each with its element.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &Element)> {
        self.slots.iter().flatten().map(|slot| (*slot, &self.elements[usize::from(slot.element)]))
    }

    /// The bit of an element.
    pub fn bit(&self, name: &str) -> u64 {
        self.elements.iter().position(|element| element.name == name).map_or(0, |n| 1 << n)
    }
}

/// A hash of a short name that differs by seed; the seed of a type is the first that keeps its names apart.
#[inline]
fn hash(key: &[u8], seed: u32) -> u32 {
    let n = key.len();
    if n == 0 {
        return seed;
    }
    let mix = u32::from(key[0]) | u32::from(key[n / 2]) << 8 | u32::from(key[n - 1]) << 16 | (n as u32) << 24;
    let mix = mix ^ (u32::from(key[n / 3]) << 12) ^ (u32::from(key[n * 3 / 4]) << 3);
    let mixed = mix.wrapping_mul(seed | 1);
    mixed ^ (mixed >> 15)
}

/// The whole table.
pub(super) struct Table {
    pub types: Vec<Type>,
    by_name: quick::Map<&'static str, TypeId>,
}

impl Table {
    pub fn id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }
    #[inline]
    pub fn of(&self, id: TypeId) -> &Type {
        &self.types[usize::from(id)]
    }
}

/// Members that a type takes from its parent.
const ELEMENT: &[&str] = &["id\tstring\t0\t1", "extension\tExtension\t0\t*"];
const BACKBONE: &[&str] =
    &["id\tstring\t0\t1", "extension\tExtension\t0\t*", "modifierExtension\tExtension\t0\t*"];
const RESOURCE: &[&str] =
    &["id\tid\t0\t1", "meta\tMeta\t0\t1", "implicitRules\turi\t0\t1", "language\tcode\t0\t1"];
const DOMAIN: &[&str] = &[
    "text\tNarrative\t0\t1",
    "contained\tResource\t0\t*",
    "extension\tExtension\t0\t*",
    "modifierExtension\tExtension\t0\t*",
];

/// The table, parsed at first use.
pub(super) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| build(include_str!("r4.tsv")))
}

fn lists(text: &'static str) -> HashMap<&'static str, &'static CodeList> {
    let mut lists: Vec<CodeList> = Vec::new();
    for row in text.lines().filter_map(|line| line.strip_prefix('=')) {
        let mut cells = row.split('\t');
        let (Some(name), Some(system), Some(codes)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let codes = codes.split(' ').map(|code| (system, code));
        match lists.iter_mut().find(|list| list.name == name) {
            Some(list) => list.codes.extend(codes),
            None => lists.push(CodeList { name, codes: codes.collect() }),
        }
    }
    // The table lives as long as the program: leaking it once spares a lifetime everywhere.
    Vec::leak(lists).iter().map(|list| (list.name, list)).collect()
}

/// The element of a row whose path is `parent.name`.
fn element_of_row(path: &'static str, row: &str, lists: &HashMap<&str, &'static CodeList>) -> Element {
    let mut cells = row.split('\t');
    let types = cells.next().unwrap_or_default();
    let min = cells.next().and_then(|cell| cell.parse().ok()).unwrap_or(0);
    let max = cells.next().filter(|cell| *cell != "*").and_then(|cell| cell.parse().ok());
    let codes = cells.next().and_then(|name| lists.get(name).copied());
    let last = path.rsplit('.').next().unwrap_or(path);
    let (mut names, mut targets) = (Vec::new(), Vec::new());
    for name in types.split(' ') {
        let name: &'static str = String::leak(name.to_string());
        match name {
            "BackboneElement" | "Element" => names.push(path),
            _ => match (name.strip_prefix('#'), name.strip_prefix("Reference(")) {
                (Some(same), _) => names.push(same),
                (_, Some(list)) => {
                    names.push("Reference");
                    targets.extend(list.trim_end_matches(')').split(','));
                }
                _ => names.push(name),
            },
        }
    }
    Element {
        path,
        name: last.trim_end_matches("[x]"),
        choice: last.ends_with("[x]"),
        types: names,
        targets,
        min,
        max,
        codes,
        array: max.is_none_or(|max| max > 1),
    }
}

fn build(text: &'static str) -> Table {
    let lists = lists(text);
    // Path of a type, what it inherits from, its elements.
    let mut drafts: Vec<(&'static str, &'static str, Vec<Element>)> = Vec::new();
    let mut index: HashMap<&'static str, usize> = HashMap::new();
    let open = |drafts: &mut Vec<(&'static str, &'static str, Vec<Element>)>,
                index: &mut HashMap<&'static str, usize>,
                name,
                parent: &'static str| {
        index.insert(name, drafts.len());
        let inherited: Vec<&str> = match parent {
            "DomainResource" => [RESOURCE, DOMAIN].concat(),
            "Resource" => RESOURCE.to_vec(),
            "BackboneElement" => BACKBONE.to_vec(),
            _ => ELEMENT.to_vec(),
        };
        let elements = inherited
            .iter()
            .filter_map(|row| row.split_once('\t'))
            .map(|(member, row)| element_of_row(String::leak(format!("{name}.{member}")), row, &lists))
            .collect();
        drafts.push((name, parent, elements));
    };
    for line in text.lines().filter(|line| !line.starts_with(['#', '='])) {
        let Some((path, row)) = line.split_once('\t') else { continue };
        if let Some(parent) = row.strip_prefix('@') {
            open(&mut drafts, &mut index, path, parent);
            continue;
        }
        let types = row.split('\t').next().unwrap_or_default();
        let made = element_of_row(path, row, &lists);
        if let Some(owner) = path.rsplit_once('.').and_then(|(owner, _)| index.get(owner).copied()) {
            drafts[owner].2.push(made);
        }
        match types {
            "BackboneElement" => open(&mut drafts, &mut index, path, "BackboneElement"),
            "Element" => open(&mut drafts, &mut index, path, "Element"),
            _ => {}
        }
    }
    let mut by_name: quick::Map<&'static str, TypeId> = quick::Map::default();
    let mut types = Vec::new();
    for (name, primitive) in super::primitive::ALL {
        by_name.insert(name, types.len() as TypeId);
        types.push(bare_type(name, Some(primitive), false));
    }
    by_name.insert("Resource", types.len() as TypeId);
    types.push(bare_type("Resource", None, true));
    for (name, ..) in &drafts {
        by_name.insert(name, (by_name.len()) as TypeId);
    }
    for (name, parent, elements) in drafts {
        let resource = matches!(parent, "DomainResource" | "Resource");
        let required =
            elements.iter().enumerate().filter(|(_, e)| e.min > 0).fold(0, |bits, (n, _)| bits | 1 << n);
        let keys = keys(&elements, &by_name);
        let (slots, seed) = place(&keys);
        debug_assert!(elements.len() <= MAX_ELEMENTS, "{name}");
        let (tag, wanted) = invariant::tag(name);
        let mut made = Type { elements, required, tag, slots, seed, ..bare_type(name, None, resource) };
        for (n, element) in wanted.iter().enumerate() {
            made.bits[n] = made.bit(element);
        }
        types.push(made);
    }
    Table { types, by_name }
}

fn bare_type(name: &'static str, primitive: Option<Primitive>, resource: bool) -> Type {
    Type {
        name,
        primitive,
        resource,
        elements: Vec::new(),
        required: 0,
        tag: Tag::None,
        bits: [0; invariant::BITS],
        slots: Vec::new(),
        seed: 1,
    }
}

/// Every JSON name of a type. A type that the table does not have leaves its name out.
fn keys(elements: &[Element], by_name: &quick::Map<&'static str, TypeId>) -> Vec<Slot> {
    let mut keys = Vec::new();
    for (n, element) in elements.iter().enumerate() {
        for name in &element.types {
            let Some(value) = by_name.get(name).copied() else { continue };
            let key =
                if element.choice { String::leak(choice_key(element.name, name)) } else { element.name };
            keys.push(Slot { key, element: n as u8, value });
        }
    }
    keys
}

/// `value` and `Quantity` → `valueQuantity`; profiles of Quantity are written as Quantity.
fn choice_key(name: &str, type_name: &str) -> String {
    let type_name = if type_name.ends_with("Quantity") { "Quantity" } else { type_name };
    let (first, rest) = type_name.split_at(1);
    format!("{name}{}{rest}", first.to_ascii_uppercase())
}

/// A hash table without collisions: sizes and seeds are tried until every name has a place of its own.
fn place(keys: &[Slot]) -> (Vec<Option<Slot>>, u32) {
    let mut size = (keys.len() * 2).next_power_of_two().max(4);
    loop {
        for seed in (1..4_000u32).map(|n| n.wrapping_mul(0x9E37_79B1)) {
            let mut slots: Vec<Option<Slot>> = vec![None; size];
            let fits = keys.iter().all(|slot| {
                let place = &mut slots[hash(slot.key.as_bytes(), seed) as usize & (size - 1)];
                place.is_none_or(|there| there.key == slot.key) && {
                    place.get_or_insert(*slot);
                    true
                }
            });
            if fits {
                return (slots, seed);
            }
        }
        size *= 2;
    }
}

/// The resource types of the table.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    table().types.iter().filter(|t| t.resource && t.name != "Resource").map(|t| t.name)
}

/// The names of all types and of the elements that have elements: `Observation`, `Quantity`, `Observation.component`.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    table().types.iter().map(|t| t.name)
}

/// The elements of a type: `Observation`, `Quantity`, `Observation.component`.
pub fn children(type_name: &str) -> Option<&'static [Element]> {
    table().id(type_name).map(|id| table().of(id).elements.as_slice())
}

/// The element at a path, followed through datatypes: `Observation.value[x]`, `Patient.name.given`,
/// `Observation.valueQuantity.value`. An index or slice in brackets (`[0]`, `[]`, `[rpNumber]`) is passed over.
/// For one type of a choice the element that comes back has that type alone.
pub fn element(path: &str) -> Option<Element> {
    let table = table();
    let mut parts = path.split('.');
    let mut owner = table.id(bare(parts.next()?))?;
    let mut found: Option<Element> = None;
    for part in parts {
        if let Some(element) = &found {
            let [only] = element.types.as_slice() else { return None };
            owner = table.id(only)?;
        }
        let (of, name) = (table.of(owner), bare(part));
        let whole = of
            .elements
            .iter()
            .find(|element| element.name == name && (!element.choice || part.ends_with("[x]")));
        found = Some(match whole {
            Some(element) => element.clone(),
            None => {
                let slot = of.slot(name)?;
                let mut element = of.elements[usize::from(slot.element)].clone();
                element.types = vec![table.of(slot.value).name];
                element
            }
        });
    }
    found
}

fn bare(part: &str) -> &str {
    part.split('[').next().unwrap_or(part)
}

/// The type at a path: `Quantity`, or the path of a backbone element; `None` where there is no such element
/// and where a choice leaves it open (`Observation.value[x]`: ask [`element`] for its types).
pub fn type_of(path: &str) -> Option<&'static str> {
    if !path.contains('.') {
        return table().id(path).map(|id| table().of(id).name);
    }
    match element(path)?.types.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether JSON carries the element as an array; `None` where there is no such element.
pub fn is_array(path: &str) -> Option<bool> {
    element(path).map(|found| found.array)
}

/// Whether the text is a value of that primitive type. `false` for a type that is no primitive.
pub fn primitive_ok(type_name: &str, text: &str) -> bool {
    Primitive::named(type_name).is_some_and(|primitive| primitive.accepts(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_datatypes_and_choices() {
        for (path, kind) in [
            ("Patient.name.given", "string"),
            ("Patient.name[0].extension[0].valueCode", "code"),
            ("Observation.valueQuantity.value", "decimal"),
            ("Observation.component[].referenceRange.low", "SimpleQuantity"),
            ("MedicationRequest.identifier[rpNumber].value", "string"),
            ("MedicationRequest.dosageInstruction[0].doseAndRate[0].doseQuantity.code", "code"),
            ("MedicationRequest.dosageInstruction.timing.repeat.boundsPeriod.start", "dateTime"),
            ("Bundle.entry.resource", "Resource"),
            ("Observation.component", "Observation.component"),
        ] {
            assert_eq!(type_of(path), Some(kind), "{path}");
        }
        assert_eq!(type_of("Observation.value[x]"), None);
        assert_eq!(type_of("Observation.valueCount"), None);
        assert_eq!(type_of("Observation.result"), None);
        assert_eq!(element("Observation.value[x]").expect("is there").types.len(), 11);
        assert_eq!(is_array("Patient.name"), Some(true));
        assert_eq!(is_array("Patient.birthDate"), Some(false));
        assert_eq!(element("Observation.code").map(|e| e.min), Some(1));
        assert_eq!(element("Observation.subject").expect("is there").targets.len(), 4);
    }

    #[test]
    fn every_type_that_an_element_names_is_in_the_table() {
        let missing: Vec<_> = table()
            .types
            .iter()
            .flat_map(|t| &t.elements)
            .flat_map(|e| {
                e.types.iter().filter(|name| table().id(name).is_none()).map(move |name| (e.path, *name))
            })
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(table().types.iter().all(|t| t.elements.len() <= MAX_ELEMENTS));
    }

    #[test]
    fn every_name_of_a_type_is_found_and_no_other() {
        for t in &table().types {
            for element in t.elements.iter().filter(|e| !e.choice) {
                assert_eq!(t.slot(element.name).map(|s| s.key), Some(element.name), "{}", element.path);
            }
            assert!(t.slot("noSuchName").is_none() && t.slot("").is_none());
        }
        assert!(resource_types().any(|name| name == "NutritionOrder"));
    }

    #[test]
    fn codes_of_required_bindings_are_known() {
        let codes = element("Observation.status").and_then(|e| e.codes).expect("a required binding");
        assert!(codes.has("entered-in-error") && !codes.has("done"));
        let clinical = element("Condition.clinicalStatus").and_then(|e| e.codes).expect("a required binding");
        assert!(clinical.has_coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "remission"));
    }
}
