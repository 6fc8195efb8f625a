//! A first light look at a message, for partitioning: never fails.

use super::{MappingSet, Peek, patient};
use crate::charset;
use crate::feed::{self, Part};
use crate::hl7v2::Message;
use crate::translation::Facility;

/// Names of a patient that are read at a first look: kanji, kana and Latin letters make three.
const NAMES: usize = 8;
/// Bytes of one of them: XPN has 250 characters. What is longer is no name, and is not kept.
const NAME_BYTES: usize = 1_024;

/// Orders of a message that it can be found by: as many as a message is divided into.
const ORDERS: usize = 100;
/// Bytes of an order's number: EI has 427 characters. What is longer is none, and is not kept.
const ORDER_BYTES: usize = 512;

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
    let numbers = [patient::number(&message, "PID", 3), patient::number(&message, "MRG", 1)];
    for id in numbers.into_iter().flatten() {
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
    let order_number = text("ORC", 2, 1).or_else(|| text("OBR", 2, 1));
    Peek {
        control_id: text("MSH", 10, 1),
        patients,
        names: names(&message),
        more_orders: more_orders(&message, order_number.as_deref()),
        order_number,
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
        more_orders: Vec::new(),
        message_type: Some(layout.id.clone()),
        time: None,
    }
}

/// The orders of a message beside the first.
fn more_orders(message: &Message, first: Option<&str>) -> Vec<String> {
    let numbers = |field: usize| {
        let mut found: Vec<String> = Vec::new();
        for line in message.segments().filter(|line| matches!(line.name(), "ORC" | "OBR")) {
            let text = line.field(field).repetition(1).component(1).text();
            let number = text.trim();
            let known = first == Some(number) || found.iter().any(|known| known == number);
            if !matches!(number, "" | "\"\"") && number.len() <= ORDER_BYTES && !known {
                found.push(number.to_owned());
            }
            if found.len() == ORDERS {
                break;
            }
        }
        found
    };
    let placers = numbers(2);
    if placers.is_empty() && first.is_none() { numbers(3) } else { placers }
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

#[cfg(test)]
mod tests {
    use super::{ORDERS, peek};
    use crate::translation::Facility;

    fn orders(lines: &str) -> (Option<String>, Vec<String>) {
        let text = format!("MSH|^~\\&|H|S|G|R|20260401120000||OML^O21|1|P|2.5\rPID|||1\r{lines}");
        let peek = peek(text.as_bytes(), &Facility::default());
        (peek.order_number, peek.more_orders)
    }

    #[test]
    fn a_message_is_known_by_each_of_its_orders_once() {
        for (lines, first, more) in [
            ("ORC|NW|A^H\rOBR|1|A^H\rORC|NW|B^H\rOBR|2|B^H\rORC|NW|A^H", Some("A"), vec!["B"]),
            ("OBR|1|A\rORC|SC|A\rOBR|2|B|F2\rOBR|3||F3", Some("A"), vec!["B"]),
            ("ORC|NW| A \rORC|NW|\"\"\rORC|NW|", Some("A"), vec![]),
            // The laboratory's own numbers, where no line has the orderer's.
            ("OBR|1||F1\rORC|SC||F1\rOBR|2||F2", None, vec!["F1", "F2"]),
            ("OBX|1|ST|x", None, vec![]),
        ] {
            assert_eq!(
                orders(lines),
                (first.map(str::to_owned), more.into_iter().map(str::to_owned).collect()),
                "{lines}"
            );
        }
        let many: String = (0..3 * ORDERS).map(|n| format!("ORC|NW|{n}\r")).collect();
        assert_eq!(orders(&many).1.len(), ORDERS);
        let (first, more) = orders(&format!("ORC|NW|A\rORC|NW|{}", "9".repeat(600)));
        assert_eq!((first.as_deref(), more.len()), (Some("A"), 0));
    }
}
