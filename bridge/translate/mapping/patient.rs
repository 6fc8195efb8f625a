//! Which repetition of PID-3 and MRG-1 is the patient's number in the facility.
//!
//! A CX has a type (CX.5). PI is what the hospital knows the patient by, and so is a number without a type; one of another
//! kind (SS, JHN, PPN, DL) under the hospital's system would make a patient of its own, or two patients one. What is no
//! type of the table (a site's word, a shifted field) says nothing, and is taken as it stands.

use super::item::trimmed;
use super::run::Run;
use crate::hl7v2::{Message, Segment};
use std::borrow::Cow;

/// The fields in which a message names a patient.
const FIELDS: [(&str, usize); 2] = [("PID", 3), ("MRG", 1)];

/// The type of the patient's number, HL7 table 0203.
const OWN_TYPE: &str = "PI";

/// Types of the same table that are no number of a hospital's patient: who else knows the person by it, what else it
/// counts. MR, a medical record, is the hospital's.
const OTHER_TYPES: [&str; 50] = [
    "AM", "AN", "ANC", "AND", "ANT", "BA", "BC", "BR", "BRN", "CY", "DI", "DL", "DN", "DR", "DS", "EI", "EN",
    "GI", "GN", "HC", "JHN", "IND", "LI", "LN", "LR", "MA", "MB", "MC", "MI", "MS", "NE", "NH", "NI", "NII",
    "NIIP", "PC", "PE", "PEN", "PN", "PPN", "PRC", "PT", "RR", "SN", "SR", "SS", "TAX", "VN", "VS", "WC",
];

/// A repetition that no field has: where no number is the patient's, none is read.
const NONE: u16 = u16::MAX;

/// A field and the repetition that a path without one means there, where that is not the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) segment: u32,
    pub(crate) field: u16,
    pub(crate) repetition: u16,
}

/// Where a path to a patient's number means another repetition than the first.
pub(crate) fn own(message: &Message) -> Vec<Own> {
    let found = FIELDS.iter().filter_map(|(name, field)| {
        let segment = message.first(name)?;
        let repetition = repetition(segment, *field);
        (repetition != 1).then_some(Own { segment: segment.index() as u32, field: *field as u16, repetition })
    });
    found.collect()
}

/// The patient's number in a field of a segment; `None` where there is none.
pub(crate) fn number(message: &Message, name: &str, field: usize) -> Option<String> {
    let segment = message.first(name)?;
    let at = repetition(segment, field);
    let text = segment.field(field).repetition(at.into()).component(1).text().trim().to_owned();
    is_valued(&text).then_some(text)
}

/// The first where its type does not contradict it; else the first that is PI or has no type; else the first that may be
/// the patient's; else [`NONE`].
fn repetition(segment: Segment<'_>, field: usize) -> u16 {
    let read = segment.field(field);
    let part = |n: usize, component: usize| {
        let text = trimmed(read.repetition(n).component(component).text());
        if is_valued(&text) { text } else { Cow::Borrowed("") }
    };
    // NNxxx is the national number of a country.
    let other = |n: usize| {
        let kind = part(n, 5);
        OTHER_TYPES.contains(&kind.as_ref()) || (kind.len() == "NNJPN".len() && kind.starts_with("NN"))
    };
    if part(1, 1).is_empty() || !other(1) {
        return 1;
    }
    let valued = || (2..=read.repetition_count()).filter(|n| !part(*n, 1).is_empty());
    let own = valued().find(|n| part(*n, 5).is_empty() || part(*n, 5) == OWN_TYPE);
    own.or_else(|| valued().find(|n| !other(*n))).and_then(|n| u16::try_from(n).ok()).unwrap_or(NONE)
}

impl Run<'_> {
    /// The repetition that a path without one means: the first, but of a patient's number that of the facility.
    pub(super) fn meant(&self, s: u32, field: u16) -> u16 {
        let own = self.own.iter().find(|own| own.segment == s && own.field == field);
        own.map_or(1, |own| own.repetition)
    }
}

fn is_valued(text: &str) -> bool {
    !text.is_empty() && text != "\"\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_may_be_the_patients_is_taken() {
        for (field, expected) in [
            ("0000012345", Some("0000012345")),
            ("0000012345^^^^PI", Some("0000012345")),
            ("0000012345~0000067890^^^^PI", Some("0000012345")),
            ("12-34^^^^SS~0000012345^^^^PI", Some("0000012345")),
            ("12-34^^^^SS~ABC^^^^PPN~0000012345", Some("0000012345")),
            ("12-34^^^^SS~^^^^PI~0000012345^^^^PI", Some("0000012345")),
            ("12-34^^^^\"\"", Some("12-34")),
            ("0000012345^^^^MR~12-34^^^^SS", Some("0000012345")),
            ("12-34^^^^SS~77^^^^XY1~0000012345^^^^PI", Some("0000012345")),
            ("12-34^^^^NNJPN~77^^^^MR", Some("77")),
            ("0000012345^^^^HOSPITAL~12-34", Some("0000012345")),
            ("12-34^^^^SS", None),
            ("12-34^^^^SS~1234567^^^^JHN", None),
            ("\"\"~0000012345", None),
            ("", None),
        ] {
            for (name, at, text) in [("PID", 3, format!("PID|||{field}")), ("MRG", 1, format!("MRG|{field}"))]
            {
                let text = format!("MSH|^~\\&|H|S|G|R|20240401150000||ADT^A40|1|P|2.5\r{text}");
                let (message, _) = Message::parse(text).unwrap();
                assert_eq!(number(&message, name, at).as_deref(), expected, "{field}");
            }
        }
    }
}
