//! A first light look at a message, for partitioning: never fails.

use super::{MappingSet, Peek};
use crate::charset;
use crate::feed::{self, Part};
use crate::hl7v2::Message;
use crate::translation::Facility;

/// Names of a patient that are read at a first look: kanji, kana and Latin letters make three.
const NAMES: usize = 8;
/// Bytes of one of them: XPN has 250 characters. What is longer is no name, and is not kept.
const NAME_BYTES: usize = 1_024;

pub(crate) fn peek(bytes: &[u8], facility: &Facility) -> Peek {
    let decoded = charset::decode(bytes, &facility.gaiji);
    let Ok((message, _)) = Message::parse(decoded.text) else { return Peek::default() };
    let text = |segment: &str, field: usize, component: usize| {
        message
            .first(segment)
            .map(|s| s.field(field).repetition(1).component(component).text().trim().to_owned())
            .filter(|text| !text.is_empty() && text != "\"\"")
    };
    let mut patients = Vec::new();
    for id in [text("PID", 3, 1), text("MRG", 1, 1)].into_iter().flatten() {
        let id = facility.patient_id.normalise(&id);
        if !patients.contains(&id) {
            patients.push(id);
        }
    }
    // It is listed and shown to everybody: what is no code (a name, where fields are shifted) is left out.
    let code = |component| text("MSH", 9, component).filter(|code| is_code(code));
    let message_type = match (code(1), code(2)) {
        (Some(kind), Some(event)) => Some(format!("{kind}^{event}")),
        (kind, None) => kind,
        (None, _) => None,
    };
    Peek {
        control_id: text("MSH", 10, 1),
        patients,
        names: names(&message),
        order_number: text("ORC", 2, 1).or_else(|| text("OBR", 2, 1)),
        message_type,
        time: text("MSH", 7, 1),
    }
}

pub(crate) fn of_feed(set: &MappingSet, bytes: &[u8], part: &Part, facility: &Facility) -> Peek {
    let Some(layout) = set.layout(&part.layout) else { return Peek::default() };
    let read = feed::record::read(layout, bytes, part, facility);
    let some = |text: String| (!text.is_empty()).then_some(text);
    Peek {
        control_id: None,
        patients: some(read.patient).map(|id| facility.patient_id.normalise(&id)).into_iter().collect(),
        names: read.message.map(|(message, _)| names(&message)).unwrap_or_default(),
        order_number: some(read.report),
        message_type: Some(layout.id.clone()),
        time: None,
    }
}

/// Family and given name of each repetition of PID-5, as the shipped set writes `name.text`; once more with the middle
/// name where there is one.
fn names(message: &Message) -> Vec<String> {
    let Some(pid) = message.first("PID") else { return Vec::new() };
    let mut found = Vec::new();
    for name in pid.field(5).repetitions().take(NAMES) {
        let parts = (1..=3).map(|number| name.component(number).text().trim().to_owned());
        let parts: Vec<String> = parts.filter(|part| !part.is_empty() && part != "\"\"").collect();
        let short: Vec<String> = parts.iter().take(2).cloned().collect();
        found.push(short.join(" "));
        if parts.len() > short.len() {
            found.push(parts.join(" "));
        }
    }
    found.retain(|name| !name.is_empty() && name.len() <= NAME_BYTES);
    found
}

/// As in HL7 tables 0076 and 0003.
fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
