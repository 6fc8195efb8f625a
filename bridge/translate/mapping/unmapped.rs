//! Codes that no table knows: gathered while a message is translated, to be counted and shown to who keeps the tables.
//!
//! What is gathered is the code, never what else the message says: only what can be a code is kept, and nothing
//! that is, or stands where one would expect, a patient's number.

use super::item::Pos;
use super::run::Run;
use crate::translation::Unmapped;

/// Codes of one message that are gathered: a message that brings more has a trouble of another kind.
const MAX_CODES: usize = 500;
/// Characters of a code that is shown. JLAC10 has 17 and JLAC11 17, JAMI usage codes 16, YJ 12.
const MAX_CHARS: usize = 24;
/// Characters of a code in a segment that says who the patient is: sex, kind of insurance, relationship.
const MAX_PERSON_CHARS: usize = 3;
/// Segments whose fields say who the patient is.
const PERSON: [&str; 8] = ["PID", "PD1", "NK1", "MRG", "GT1", "IN1", "IN2", "IN3"];

impl<'m> Run<'m> {
    /// Gathers a code that table `n` does not know.
    pub(crate) fn unmapped(&mut self, n: usize, system: &str, code: &str, pos: Pos) {
        let code = code.trim();
        if code.is_empty() || code == "\"\"" || self.unmapped.len() >= MAX_CODES {
            return;
        }
        let segment = match pos.segment {
            u32::MAX => "",
            at => self.message.segment(at as usize).name(),
        };
        let most = if PERSON.contains(&segment) { MAX_PERSON_CHARS } else { MAX_CHARS };
        let of_patient = !self.patient.is_empty()
            && (self.patient == code
                // However it is padded, a number ends as it is written.
                || !segment.is_empty()
                    && self.patient.chars().next_back() == code.chars().next_back()
                    && self.patient == self.context.facility.patient_id.normalise(code));
        let shown = |text, most| if is_code(text, most) && !of_patient { text } else { "" };
        let table = &self.set.tables[n].name;
        let (system, code) = (shown(system.trim(), MAX_CHARS), shown(code, most));
        let same = |known: &Unmapped| known.code == code && known.system == system && known.table == *table;
        if !self.unmapped.iter().any(same) {
            let (table, position) = (table.clone(), self.print(pos));
            self.unmapped.push(Unmapped {
                table,
                system: system.to_owned(),
                code: code.to_owned(),
                position,
            });
        }
    }
}

/// Whether a text can be a code of so many characters at most.
fn is_code(text: &str, most: usize) -> bool {
    text.len() <= most && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use crate::hl7v2::Message;
    use crate::mapping::tests::{context, file};
    use crate::mapping::{MappingSet, apply};

    const MESSAGE: &str = r#"
[message]
id = "ORU"
title = { ja = "検査", en = "Results" }
is = "MSH-9.1 = 'ORU'"
unit = ["'lab'", "OBR-2"]
replaces = "unit"
maps = ["result"]
"#;
    const MAP: &str = r#"
[map]
id = "result"
title = { ja = "結果", en = "Result" }
for = "OBX"
makes = "Observation"
profile = "none"
key = ["OBX-1"]
same = "error"
let = [{ name = "sex", from = "PID-8", as = "table items", else = "empty" }]
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "code", to = "code", from = "OBX-3", as = "table items", else = "empty" },
  { id = "flag", to = "interpretation[]", from = "OBX-8", as = "table items", else = "next" },
  { id = "flag-2", to = "interpretation[]", fixed = "x", as = "code items" },
]
"#;
    const ITEMS: &str = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\nJC10,KNOWN,,http://a,x,,equal\n";

    /// `table/system/code position` of the codes of a message that no table knows.
    fn check(fields: &str, expected: &[&str]) {
        let files = vec![
            file("messages/ORU.toml", MESSAGE),
            file("maps/result.toml", MAP),
            file("tables/items.csv", ITEMS),
        ];
        let set = MappingSet::load(files).unwrap();
        let text = format!("MSH|^~\\&|H|S|G|R|20240401120000||ORU|C1|P|2.5\r{fields}");
        let (message, _) = Message::parse(text).unwrap();
        let out = apply(&set, &message, &context());
        let got: Vec<String> = out
            .unmapped
            .iter()
            .map(|one| format!("{}/{}/{} {}", one.table, one.system, one.code, one.position))
            .collect();
        assert_eq!(got, expected, "{fields}");
        for one in &out.unmapped {
            assert!(!set.knows(&one.table, &one.system, &one.code));
        }
        assert!(set.knows("items", "JC10", "KNOWN"));
    }

    #[test]
    fn a_code_that_a_table_does_not_have_is_gathered_once_with_its_place() {
        check(
            "PID|||77\rOBR|1|O1\rOBX|1|ST|3A015^x^JC10\rOBX|2|ST|3A015^x^JC10\rOBX|3|ST|KNOWN^x^JC10",
            &["items/JC10/3A015 OBX[1]-3"],
        );
        // Where a later row is tried, the code is not said to be unknown.
        check("PID|||77\rOBR|1|O1\rOBX|1|ST|KNOWN^x^JC10|||||H", &[]);
    }

    #[test]
    fn what_may_be_a_patients_is_counted_but_not_kept() {
        for hidden in ["山田太郎", "YAMADA TARO", "1234567890123456789012345"] {
            check(&format!("PID|||77\rOBR|1|O1\rOBX|1|ST|{hidden}^x^JC10"), &["items/JC10/ OBX-3"]);
        }
        // The patient's own number.
        check("PID|||77\rOBR|1|O1\rOBX|1|ST|77^x^JC10", &["items// OBX-3"]);
        check("PID|||77|||||YAMADA\rOBR|1|O1\rOBX|1|ST|KNOWN^x^JC10", &["items// PID-8"]);
        check("PID|||77|||||Z\rOBR|1|O1\rOBX|1|ST|KNOWN^x^JC10", &["items//Z PID-8"]);
    }
}
