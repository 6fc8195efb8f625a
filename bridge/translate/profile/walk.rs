//! The walk over one resource: elements, cardinality, types, codes, references and invariants.
//!
//! Nothing is allocated while nothing is found: where a node stands is a chain of frames on the stack, and
//! it becomes a path only when a finding needs one.

use super::invariant;
use super::primitive::{Primitive, Token};
use super::r4::{Element, Table, Type, TypeId, table};
use super::rule;
use super::tree::{Shape, Tree};
use crate::finding::{Finding, Location};
use std::collections::HashSet;

/// Where a node stands.
#[derive(Clone, Copy)]
pub(super) struct At<'f> {
    pub parent: Option<&'f At<'f>>,
    pub name: &'f str,
    pub index: Option<usize>,
}

impl<'f> At<'f> {
    /// The child of that name.
    pub fn child(&'f self, name: &'f str, index: Option<usize>) -> At<'f> {
        At { parent: Some(self), name, index }
    }

    /// `Observation.component[1].valueQuantity`, then the element below it, unless that is empty.
    pub fn path(&self, element: &str) -> String {
        let mut path = self.parent.map(|parent| parent.path("")).unwrap_or_default();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(self.name);
        if let Some(index) = self.index {
            path.push_str(&format!("[{index}]"));
        }
        if !element.is_empty() {
            path.push('.');
            path.push_str(element);
        }
        path
    }
}

/// A contained resource of the resource under the walk.
struct Contained<'t> {
    id: &'t str,
    kind: &'t str,
    used: bool,
}

pub(super) struct Walk<'t> {
    table: &'static Table,
    findings: Vec<Finding>,
    contained: Vec<Contained<'t>>,
    /// The `fullUrl`s of the Bundle under the walk.
    entries: Option<HashSet<&'t str>>,
}

impl<'t> Walk<'t> {
    pub fn new() -> Self {
        Self { table: table(), findings: Vec::new(), contained: Vec::new(), entries: None }
    }

    /// Checks a resource and hands back what was found.
    pub fn run<T: Tree<'t>>(mut self, resource_type: &str, root: T) -> Vec<Finding> {
        let at = At { parent: None, name: resource_type, index: None };
        if root.text_of("resourceType").is_some_and(|said| said != resource_type) {
            self.error("resource-type-differs", &at, "resourceType");
        }
        self.resource(root, &at, false);
        self.findings
    }

    fn error(&mut self, code: &'static str, at: &At, element: &str) {
        self.findings.push(Finding::error(code, Location::default().path(at.path(element))));
    }

    fn error_with(
        &mut self,
        code: &'static str,
        at: &At,
        element: &str,
        detail: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.findings.push(Finding::error(code, Location::default().path(at.path(element))).detail(detail));
    }

    fn resource<T: Tree<'t>>(&mut self, node: T, at: &At, inside: bool) {
        if !node.is_object() {
            return self.error("value-not-object", at, "");
        }
        let Some(kind) = node.text_of("resourceType") else {
            return self.error("element-missing", at, "resourceType");
        };
        let Some(id) = self.table.id(kind).filter(|id| self.table.of(*id).resource && kind != "Resource")
        else {
            return self.error("resource-type-unknown", at, "resourceType");
        };
        // A contained resource shares the references of the one that holds it.
        let outer = if inside { Vec::new() } else { std::mem::replace(&mut self.contained, contained(node)) };
        let outer_entries = if kind == "Bundle" { self.entries.replace(full_urls(node)) } else { None };
        if inside {
            self.inside(node, at);
        }
        self.object(node, id, at);
        self.profiles(node, kind, at);
        if kind == "Bundle" {
            self.duplicates(node, at);
            self.entries = outer_entries;
        }
        if !inside {
            for n in 0..self.contained.len() {
                if !self.contained[n].used {
                    self.findings.push(Finding::error(
                        "fhir-dom-3",
                        Location::default().path(at.child("contained", Some(n)).path("")),
                    ));
                }
            }
            self.contained = outer;
        }
    }

    /// dom-2, dom-4, dom-5: what a contained resource must not have.
    fn inside<T: Tree<'t>>(&mut self, node: T, at: &At) {
        if node.get("contained").is_some() {
            self.error("fhir-dom-2", at, "contained");
        }
        if node.get("id").is_none() {
            self.error("contained-without-id", at, "id");
        }
        if let Some(meta) = node.get("meta") {
            for (name, code) in
                [("versionId", "fhir-dom-4"), ("lastUpdated", "fhir-dom-4"), ("security", "fhir-dom-5")]
            {
                if meta.get(name).is_some() {
                    self.error(code, &at.child("meta", None), name);
                }
            }
        }
    }

    fn profiles<T: Tree<'t>>(&mut self, node: T, kind: &str, at: &At) {
        let Some(claims) = node.get("meta").and_then(|meta| meta.get("profile")) else { return };
        for (n, claim) in claims.items().enumerate() {
            let Some(url) = claim.text() else { continue };
            let meta = at.child("meta", None);
            match rule::profile(url.split('|').next().unwrap_or(url)) {
                None => {
                    let location = Location::default().path(meta.child("profile", Some(n)).path(""));
                    self.findings.push(Finding::warning("profile-not-known", location));
                }
                Some(profile) if profile.resource_type != kind => {
                    self.error_with("profile-type-differs", &meta.child("profile", Some(n)), "", profile.name)
                }
                Some(profile) => rule::check(profile, node, at, &mut self.findings),
            }
        }
    }

    /// bdl-7: one `fullUrl` once, unless the versions differ.
    fn duplicates<T: Tree<'t>>(&mut self, node: T, at: &At) {
        let Some(list) = node.get("entry") else { return };
        let mut seen = HashSet::new();
        for (n, entry) in list.items().enumerate() {
            let version =
                entry.get("resource").and_then(|r| r.get("meta")).and_then(|meta| meta.text_of("versionId"));
            if entry.text_of("fullUrl").is_some_and(|url| !seen.insert((url, version))) {
                self.error("fhir-bdl-7", &at.child("entry", Some(n)), "fullUrl");
            }
        }
    }

    fn object<T: Tree<'t>>(&mut self, node: T, id: TypeId, at: &At) {
        let table = self.table;
        let kind: &Type = table.of(id);
        let (mut seen, mut shadowed, mut empty) = (0u64, 0u64, true);
        for (key, child) in node.members() {
            empty = false;
            let (bare, shadow) = match key.strip_prefix('_') {
                Some(bare) => (bare, true),
                None => (key, false),
            };
            let Some(slot) = kind.slot(bare) else {
                if !(kind.resource && key == "resourceType") {
                    // The name is said where it looks like one: anything else might be a value.
                    let plain = bare.len() <= 40 && bare.bytes().all(|b| b.is_ascii_alphabetic());
                    self.error_with("element-unknown", at, if plain { bare } else { "" }, kind.name);
                }
                continue;
            };
            let element = &kind.elements[usize::from(slot.element)];
            let bit = 1u64 << slot.element;
            if shadow {
                shadowed |= bit;
                self.shadow(child, slot.value, slot.key, at);
                continue;
            }
            if element.choice && seen & bit != 0 {
                self.error("choice-many", at, &choice(element));
            }
            seen |= bit;
            self.value(node, child, slot.key, slot.value, element, at);
        }
        if empty {
            return self.error("value-empty", at, "");
        }
        let present = seen | shadowed;
        let missing = kind.required & !present;
        if missing != 0 {
            for (n, element) in kind.elements.iter().enumerate() {
                if missing & (1 << n) != 0 {
                    self.error("element-missing", at, &choice(element));
                }
            }
        }
        if kind.tag != invariant::Tag::None {
            let findings = &mut self.findings;
            invariant::check(kind.tag, &kind.bits, present, node, &mut |broken| {
                let location = Location::default().path(at.path(broken.element));
                findings.push(if broken.warning {
                    Finding::warning(broken.code, location)
                } else {
                    Finding::error(broken.code, location)
                });
            });
        }
    }

    fn value<T: Tree<'t>>(
        &mut self,
        parent: T,
        node: T,
        key: &'static str,
        value: TypeId,
        element: &'static Element,
        at: &At,
    ) {
        if element.max == Some(0) {
            self.error("element-not-allowed", at, key);
        }
        if node.is_array() {
            if !element.array {
                self.error("array-not-allowed", at, key);
            }
            let mut count = 0;
            for (n, item) in node.items().enumerate() {
                count += 1;
                if item.shape() == Shape::Null {
                    // A null stands for a primitive that has only extensions: they are at the same place of `_key`.
                    let there = beside(parent, key)
                        .and_then(|list| list.items().nth(n))
                        .is_some_and(|item| item.is_object());
                    if !there {
                        self.error("value-null", &at.child(key, Some(n)), "");
                    }
                    continue;
                }
                self.single(item, value, element, &at.child(key, Some(n)));
            }
            if count == 0 {
                self.error("value-empty", at, key);
            }
            return;
        }
        if element.array {
            self.error("array-expected", at, key);
        }
        self.single(node, value, element, &at.child(key, None));
    }

    fn single<T: Tree<'t>>(&mut self, node: T, value: TypeId, element: &'static Element, at: &At) {
        let kind = self.table.of(value);
        if let Some(primitive) = kind.primitive {
            return self.primitive(node, primitive, kind, element, at);
        }
        if kind.name == "Resource" {
            return self.resource(node, at, element.name == "contained");
        }
        if !node.is_object() {
            return self.error_with("value-not-object", at, "", kind.name);
        }
        self.object(node, value, at);
        if let Some(codes) = element.codes {
            let fits = |coding: T| {
                codes.has_coding(
                    coding.text_of("system").unwrap_or_default(),
                    coding.text_of("code").unwrap_or_default(),
                )
            };
            let found = if kind.name == "Coding" {
                fits(node)
            } else {
                node.get("coding").is_some_and(|list| list.items().any(fits))
            };
            if !found {
                self.error_with("code-not-allowed", at, "", codes.name);
            }
        }
        if kind.name == "Reference" {
            self.reference(node, element, at);
        } else if kind.name == "Extension" {
            rule::extension(node, at, &mut self.findings);
        }
    }

    fn primitive<T: Tree<'t>>(
        &mut self,
        node: T,
        primitive: Primitive,
        kind: &'static Type,
        element: &'static Element,
        at: &At,
    ) {
        let (token, text) = match node.shape() {
            Shape::Boolean(_) => (Token::Boolean, "true"),
            Shape::Number(text) => (Token::Number, text),
            Shape::Text("") => return self.error("value-empty", at, ""),
            Shape::Text(text) => (Token::Text, text),
            _ => return self.error_with("value-type", at, "", kind.name),
        };
        if token != primitive.token() {
            return self.error_with("value-type", at, "", kind.name);
        }
        if !primitive.accepts(text) {
            self.error_with("value-format", at, "", kind.name);
        }
        if let Some(codes) = element.codes
            && !codes.has(text)
        {
            self.error_with("code-not-allowed", at, "", codes.name);
        }
    }

    /// `_key`: id and extensions of a primitive.
    fn shadow<T: Tree<'t>>(&mut self, node: T, value: TypeId, key: &'static str, at: &At) {
        if self.table.of(value).primitive.is_none() {
            return self.error_with("element-unknown", at, "", key);
        }
        let Some(plain) = self.table.id("Element") else { return };
        let many = node.is_array();
        for (n, item) in node.each().enumerate() {
            let here = at.child(key, many.then_some(n));
            match item.shape() {
                Shape::Object => self.object(item, plain, &here),
                Shape::Null if many => {}
                _ => self.error("value-not-object", &here, ""),
            }
        }
    }

    fn reference<T: Tree<'t>>(&mut self, node: T, element: &'static Element, at: &At) {
        let allowed = |kind: &str| element.targets.is_empty() || element.targets.contains(&kind);
        if node.text_of("type").is_some_and(|kind| !allowed(kind)) {
            self.error("reference-target", at, "type");
        }
        let Some(reference) = node.text_of("reference") else { return };
        if let Some(id) = reference.strip_prefix('#') {
            // "#" alone is the resource that holds this one.
            let found = match id {
                "" => {
                    self.contained.iter_mut().for_each(|contained| contained.used = true);
                    None
                }
                _ => match self.contained.iter_mut().find(|contained| contained.id == id) {
                    Some(contained) => {
                        contained.used = true;
                        Some(contained.kind)
                    }
                    None => return self.error("fhir-ref-1", at, "reference"),
                },
            };
            if found.is_some_and(|kind| !allowed(kind)) {
                self.error("reference-target", at, "reference");
            }
        } else if reference.starts_with("urn:") {
            let known = self.entries.as_ref().is_none_or(|entries| entries.contains(reference));
            if !reference.starts_with("urn:uuid:") && !reference.starts_with("urn:oid:") {
                self.error("reference-form", at, "reference");
            } else if !known {
                self.error("reference-not-in-bundle", at, "reference");
            }
        } else {
            match target(reference) {
                None => self.error("reference-form", at, "reference"),
                Some(kind) if !allowed(kind) => self.error("reference-target", at, "reference"),
                Some(_) => {}
            }
        }
    }
}

/// The type that a literal reference names: `Patient/1`, `http://…/Patient/1`, with `/_history/2` allowed.
fn target(reference: &str) -> Option<&str> {
    let absolute = reference.starts_with("http://") || reference.starts_with("https://");
    // The sign is found faster than the word, and hardly any reference has it.
    let plain = match reference.contains('_') {
        true => reference.split("/_history/").next().unwrap_or(reference),
        false => reference,
    };
    let (before, id) = plain.rsplit_once('/')?;
    let kind = before.rsplit('/').next().unwrap_or(before);
    let relative = absolute || kind.len() == before.len();
    let named =
        kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.bytes().all(|b| b.is_ascii_alphabetic());
    (relative && named && Primitive::Id.accepts(id)).then_some(kind)
}

/// `value[x]` for a choice.
fn choice(element: &Element) -> std::borrow::Cow<'static, str> {
    match element.path.rsplit('.').next() {
        Some(last) if element.choice => last.into(),
        _ => element.name.into(),
    }
}

/// The member `_key` beside `key`.
fn beside<'t, T: Tree<'t>>(parent: T, key: &str) -> Option<T> {
    parent.members().find(|(name, _)| name.strip_prefix('_') == Some(key)).map(|(_, node)| node)
}

fn contained<'t, T: Tree<'t>>(node: T) -> Vec<Contained<'t>> {
    let Some(list) = node.get("contained") else { return Vec::new() };
    let one = |item: T| Contained {
        id: item.text_of("id").unwrap_or_default(),
        kind: item.text_of("resourceType").unwrap_or_default(),
        used: false,
    };
    list.items().map(one).collect()
}

fn full_urls<'t, T: Tree<'t>>(node: T) -> HashSet<&'t str> {
    node.get("entry")
        .map(|list| list.items().filter_map(|entry| entry.text_of("fullUrl")).collect())
        .unwrap_or_default()
}
