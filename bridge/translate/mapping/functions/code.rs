//! CWE: two codings, standard and local in either order, and the names of their code systems.

use super::super::build::Made;
use super::super::item::{Item, Pos};
use super::super::plan::Shape;
use super::super::run::Run;
use super::narrow;
use crate::fhir::{Id, key};
use crate::finding::Severity;
use smallvec::SmallVec;
use std::borrow::Cow;

/// The components at which the codings of a CWE begin: 1-3, 4-6 and 10-12.
const CWE_SLOTS: [u16; 3] = [1, 4, 10];

/// The codings of one value.
type Codings = SmallVec<[Id; 3]>;

/// What stands for a URI in `tables/code-systems.csv` where a name is known and has none: the facility's own.
pub(crate) const LOCAL: &str = "local";

impl<'m> Run<'m> {
    /// The URI of a code system by its HL7 name; empty where there is none.
    pub(crate) fn system(&mut self, name: &str, code: &str, context: Option<&str>, pos: Pos) -> Cow<'m, str> {
        if name.is_empty() {
            self.finding(Severity::Information, "code-system-missing", pos);
            return Cow::Borrowed("");
        }
        if name.starts_with("http://") || name.starts_with("https://") || name.starts_with("urn:") {
            return Cow::Owned(name.to_owned());
        }
        if let Some(table) = self.set.code_systems.map(|n| &self.set.tables[n]) {
            let named = table.by_name.get(name);
            let sized = named.and_then(|named| named.of_length(code.chars().count()));
            let begun = named.and_then(|named| named.starting(code));
            let whole = table.by_source.get(name);
            let own = sized.into_iter().chain(begun);
            for rows in own.chain(whole) {
                let rows = rows.iter().map(|n| &table.rows[*n as usize]);
                let found = context
                    .and_then(|c| rows.clone().find(|row| row.source_system == c))
                    .or_else(|| rows.clone().find(|row| row.source_system.is_empty()))
                    .or_else(|| if context.is_none() { rows.clone().next() } else { None });
                if let Some(row) = found {
                    let uri =
                        if row.target_system.is_empty() { &row.target_code } else { &row.target_system };
                    if uri == LOCAL {
                        return Cow::Owned(self.local_system(name));
                    }
                    if !uri.is_empty() {
                        return Cow::Borrowed(uri);
                    }
                }
            }
        }
        if !(name == "L" || name.starts_with("99")) {
            self.finding(Severity::Warning, "code-system-unknown", pos);
            if let Some(n) = self.set.code_systems {
                self.unmapped(n, "", name, pos);
            }
        }
        Cow::Owned(self.local_system(name))
    }

    /// The URI of a local code system of the facility.
    pub(super) fn local_system(&self, name: &str) -> String {
        let facility = &self.context.facility;
        let mut out = String::with_capacity(facility.local_system_base.len() + name.len() + 40);
        if facility.local_system_base.is_empty() {
            out.extend(["urn:x-renkei:", &facility.code, ":"]);
        } else {
            out.extend([&facility.local_system_base, "/CodeSystem/", &facility.code, "/"]);
        }
        for b in name.bytes() {
            match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    out.push(char::from(b))
                }
                other => {
                    let digit = |n: u8| char::from(b"0123456789ABCDEF"[usize::from(n)]);
                    out.extend(['%', digit(other >> 4), digit(other & 15)]);
                }
            }
        }
        out
    }

    /// The codings that begin at these components.
    fn slots(&mut self, item: &Item<'m>, context: Option<&str>, slots: &[u16]) -> Codings {
        let text = |n: u16| item.words(n);
        let mut out = Codings::new();
        for slot in slots.iter().copied() {
            let code = text(slot);
            if code.is_empty() {
                continue;
            }
            let (display, name) = (text(slot + 1), text(slot + 2));
            let system = self.system(&name, &code, context, item.pos());
            // No code of a published system has full-width letters; a site's own may.
            let code = match system {
                Cow::Borrowed(uri) if !uri.is_empty() => narrow(&code),
                _ => Cow::Borrowed(code.as_ref()),
            };
            let coding = self.coding(&system, &code, &display);
            if !out.iter().any(|known| self.arena.same(*known, coding)) {
                out.push(coding);
            }
            // A single text or component is a code alone.
            if matches!(item, Item::Text(..) | Item::Value(..)) {
                break;
            }
        }
        out
    }

    /// A CWE as CodeableConcept, or its first coding as Coding or code.
    pub(crate) fn concept(
        &mut self,
        item: &Item<'m>,
        context: Option<&str>,
        shape: Shape,
    ) -> Result<Made, &'static str> {
        let text = |n: u16| item.words(n);
        match shape {
            Shape::Text => {
                let code = [1u16, 4].into_iter().map(text).find(|t| !t.is_empty()).unwrap_or_default();
                return self.shaped(shape, &code);
            }
            Shape::Coding => {
                let codings = self.slots(item, context, &CWE_SLOTS);
                return Ok(codings.first().map(|id| ("Coding", *id)));
            }
            _ => {}
        }
        let codings = self.slots(item, context, &CWE_SLOTS);
        let words = [9u16, 2, 5].into_iter().map(text).find(|t| !t.is_empty()).unwrap_or_default();
        Ok(self.concept_of(codings, &words, item))
    }

    /// The article of a ZRD: its components 4 and 5 are an amount and its unit, no second coding.
    pub(super) fn article(
        &mut self,
        item: &Item<'m>,
        context: Option<&str>,
        shape: Shape,
    ) -> Result<Made, &'static str> {
        let codings = self.slots(item, context, &CWE_SLOTS[..1]);
        if shape == Shape::Coding {
            return Ok(codings.first().map(|id| ("Coding", *id)));
        }
        let words = item.words(2);
        Ok(self.concept_of(codings, &words, item))
    }

    fn concept_of(&mut self, codings: Codings, words: &str, item: &Item<'m>) -> Made {
        if codings.is_empty() && words.is_empty() && item.valued(&self.delimiters) {
            // The name of a code system alone.
            self.finding(Severity::Warning, "concept-empty", item.pos());
        }
        let concept = self.arena.object();
        if !codings.is_empty() {
            let list = self.arena.array();
            for coding in codings {
                self.arena.append(list, coding);
            }
            self.arena.put(concept, key::CODING, list);
        }
        self.arena.put_text(concept, key::TEXT, words);
        (!self.arena.is_empty(concept)).then_some(("CodeableConcept", concept))
    }

    /// The codings one by one.
    pub(super) fn codings(&mut self, item: &Item<'m>, context: Option<&str>) -> Result<Made, &'static str> {
        let codings = self.slots(item, context, &CWE_SLOTS);
        if codings.is_empty() {
            return Ok(None);
        }
        let list = self.arena.array();
        for coding in codings {
            self.arena.append(list, coding);
        }
        Ok(Some(("Coding", list)))
    }

    /// A CWE with a JAMI usage code as Timing.
    pub(super) fn timing(&mut self, item: &Item<'m>) -> Result<Made, &'static str> {
        let Some((_, concept)) = self.concept(item, None, Shape::CodeableConcept)? else { return Ok(None) };
        let timing = self.arena.object();
        self.arena.put(timing, key::CODE, concept);
        Ok(Some(("Timing", timing)))
    }
}
