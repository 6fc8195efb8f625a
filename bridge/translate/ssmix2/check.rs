//! Path against content: patient, data type and 診療日.

use super::FileName;
use crate::finding::{Finding, Location};
use crate::hl7v2::Message;
use crate::translation::{Facility, PathPatient};

/// What path and content say against each other, [`FileName::check_path`] included: all reasons at once.
/// A message that cannot be parsed has only the latter.
pub fn check(
    name: &FileName,
    message: &Message,
    facility: &Facility,
    path_patient: PathPatient,
) -> Vec<Finding> {
    let mut findings = name.check_path();
    findings.extend(check_patient(name, message, facility, path_patient));
    findings.extend(check_trigger(name, message));
    findings.extend(check_date(name, message));
    findings
}

/// Any repetition of PID-3 may be the patient of the path; an empty PID-3 contradicts nothing.
fn check_patient(
    name: &FileName,
    message: &Message,
    facility: &Facility,
    path_patient: PathPatient,
) -> Option<Finding> {
    let rule = &facility.patient_id;
    let path = rule.normalise(&name.patient);
    let field = message.first("PID")?.field(3);
    let mut ids =
        field.repetitions().map(|cx| cx.component(1).text()).filter(|id| !id.trim().is_empty()).peekable();
    ids.peek()?;
    if ids.any(|id| rule.normalise(&id) == path) {
        return None;
    }
    let at = Location::field("PID", 3);
    Some(match path_patient {
        PathPatient::Error => Finding::error("path-patient-differs", at),
        PathPatient::Warn => Finding::warning("path-patient-differs", at),
    })
}

/// Data type → message code and triggers, the cancelling ones included.
const TRIGGERS: &[(&str, &str, &[&str])] = &[
    ("ADT-00", "ADT", &["A08", "A23"]),
    ("ADT-01", "ADT", &["A54", "A55"]),
    ("ADT-12", "ADT", &["A04", "A11"]),
    ("ADT-21", "ADT", &["A14", "A27"]),
    ("ADT-22", "ADT", &["A01", "A11"]),
    ("ADT-31", "ADT", &["A21", "A52"]),
    ("ADT-32", "ADT", &["A22", "A53"]),
    ("ADT-41", "ADT", &["A15", "A26"]),
    ("ADT-42", "ADT", &["A02", "A12"]),
    ("ADT-51", "ADT", &["A16", "A25"]),
    ("ADT-52", "ADT", &["A03", "A13"]),
    ("ADT-61", "ADT", &["A60"]),
    ("PPR-01", "PPR", &["ZD1"]),
    ("OMD", "OMD", &["O03"]),
    ("OMP-01", "RDE", &["O11"]),
    ("OMP-02", "RDE", &["O11"]),
    ("OMP-11", "RAS", &["O17"]),
    ("OMP-12", "RAS", &["O17"]),
    ("OML-01", "OML", &["O33"]),
    ("OML-11", "OUL", &["R22"]),
    ("OMG-01", "OMG", &["O19"]),
    ("OMG-02", "OMG", &["O19"]),
    ("OMG-03", "OMG", &["O19"]),
    ("OMG-11", "OMI", &["Z23"]),
    ("OMG-12", "OMI", &["Z23"]),
    ("OMG-13", "ORU", &["R01"]),
];

fn check_trigger(name: &FileName, message: &Message) -> Option<Finding> {
    // An unknown data type is not judged here: nothing maps it, and that is said there.
    let (_, code, triggers) = TRIGGERS.iter().find(|(data_type, ..)| *data_type == name.data_type)?;
    let message_type = message.first("MSH")?.field(9).repetition(1);
    let (sent, trigger) = (message_type.component(1), message_type.component(2));
    if sent.is_empty() || sent.raw() == *code && triggers.contains(&trigger.raw()) {
        return None;
    }
    let outpatient = message.first("PV1").is_some_and(|pv1| pv1.field(2).raw() == "O");
    let admission = name.data_type == "ADT-12" && sent.raw() == "ADT" && trigger.raw() == "A01";
    let at = Location::field("MSH", 9);
    // Some writers send an outpatient reception as an admission of class O.
    Some(if admission && outpatient {
        Finding::warning("path-type-trigger", at)
    } else {
        Finding::error("path-type-trigger", at)
    })
}

/// Where 診療日 comes from, by message code and trigger: segment, field.
fn date_source(code: &str, trigger: &str) -> Option<(&'static str, usize)> {
    Some(match (code, trigger) {
        ("ADT", "A04" | "A01" | "A11") => ("PV1", 44),
        ("ADT", "A03" | "A13") => ("PV1", 45),
        ("ADT", "A14" | "A27" | "A15" | "A26") => ("PV2", 8),
        ("ADT", "A16" | "A25") => ("PV2", 9),
        ("ADT", "A21" | "A52" | "A22" | "A02" | "A12") => ("EVN", 6),
        ("ADT", "A53") => ("PV2", 47),
        ("RDE" | "OML" | "OMG" | "OMD", _) => ("ORC", 9),
        ("RAS", _) => ("RXA", 3),
        ("OUL", _) => ("SPM", 17),
        ("OMI" | "ORU", _) => ("OBR", 7),
        _ => return None,
    })
}

/// Data types without 診療日.
fn is_undated(data_type: &str) -> bool {
    matches!(data_type, "ADT-00" | "ADT-01" | "ADT-61" | "PPR-01")
}

/// A warning only: guideline samples themselves break the rule, and undated orders use the day of entry.
fn check_date(name: &FileName, message: &Message) -> Option<Finding> {
    if is_undated(&name.data_type) || name.date == "-" {
        let odd = is_undated(&name.data_type) != (name.date == "-");
        return odd.then(|| Finding::warning("path-date-differs", Location::at("path")));
    }
    let message_type = message.first("MSH")?.field(9).repetition(1);
    let (segment, field) = date_source(message_type.component(1).raw(), message_type.component(2).raw())?;
    let mut dates = message
        .segments()
        .filter(|s| s.name() == segment)
        .map(|s| s.field(field).repetition(1).component(1).raw())
        .filter(|date| date.len() >= 8)
        .peekable();
    dates.peek()?;
    let same = dates.any(|date| date.starts_with(&name.date));
    (!same).then(|| Finding::warning("path-date-differs", Location::field(segment, field)))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::finding::Severity;
    use crate::hl7v2::Message;
    use crate::ssmix2::FileName;
    use crate::translation::{Facility, PathPatient, PatientIdRule};

    #[track_caller]
    fn run(path: &str, text: &str, expected: &[(&str, &str, Severity)]) {
        let name = FileName::parse(path).unwrap();
        let (message, _) = Message::parse(text.into()).unwrap();
        let facility =
            Facility { patient_id: PatientIdRule { width: 10, strip: String::new() }, ..Facility::default() };
        let found = check(&name, &message, &facility, PathPatient::Error);
        let found: Vec<_> = found.iter().map(|f| (&*f.code, &*f.location.position, f.severity)).collect();
        assert_eq!(found, expected);
    }

    const ORDER: &str = "12_20110701_OMP-01_1_20110701000000000_01_1";

    #[test]
    fn a_path_that_agrees_is_silent() {
        let text = "MSH|^~\\&|||||||RDE^O11|1\rPID|||X~0000000012^^^^PI\rORC|NW|||||||||\rORC|NW||||||||201107010900\r";
        run(ORDER, text, &[]);
        run(ORDER, "MSH|^~\\&|||||||RDE^O11|1\rPID|1\r", &[]);
    }

    #[test]
    fn all_contradictions_are_said_at_once() {
        let text = "MSH|^~\\&|||||||RAS^O17|1\rPID|||13\rRXA||1|20110702\r";
        let expected = [
            ("path-patient-differs", "PID-3", Severity::Error),
            ("path-type-trigger", "MSH-9", Severity::Error),
            ("path-date-differs", "RXA-3", Severity::Warning),
        ];
        run(ORDER, text, &expected);
        let tree = format!("000/000/0000000012/20110701/OMP-02/{ORDER}");
        let contradicts = ("path-name-contradicts", "path", Severity::Error);
        run(&tree, text, &[&[contradicts, contradicts][..], &expected[..]].concat());
    }

    #[test]
    fn a_setting_makes_another_patient_a_warning() {
        let name = FileName::parse(ORDER).unwrap();
        let (message, _) = Message::parse("MSH|^~\\&|||||||RDE^O11|1\rPID|||13\r".into()).unwrap();
        let found = check(&name, &message, &Facility::default(), PathPatient::Warn);
        assert_eq!((&*found[0].code, found[0].severity), ("path-patient-differs", Severity::Warning));
    }

    #[test]
    fn an_outpatient_reception_sent_as_admission_is_only_a_warning() {
        let reception = "12_20110701_ADT-12_1_20110701000000000_01_1";
        let warning = [("path-type-trigger", "MSH-9", Severity::Warning)];
        run(reception, "MSH|^~\\&|||||||ADT^A01|1\rPV1||O\r", &warning);
        run(
            reception,
            "MSH|^~\\&|||||||ADT^A01|1\rPV1||I\r",
            &[("path-type-trigger", "MSH-9", Severity::Error)],
        );
        run(reception, "MSH|^~\\&|||||||ADT^A04|1\r", &[]);
    }

    #[test]
    fn data_types_without_a_date_have_none() {
        run(
            "12_20110701_ADT-00_1_20110701_01_1",
            "MSH|^~\\&|||||||ADT^A08|1\r",
            &[("path-date-differs", "path", Severity::Warning)],
        );
        run(
            "12_-_ADT-22_1_20110701_01_1",
            "MSH|^~\\&|||||||ADT^A01|1\r",
            &[("path-date-differs", "path", Severity::Warning)],
        );
        run("12_-_PPR-01_1_20110701_01_1", "MSH|^~\\&|||||||PPR^ZD1|1\r", &[]);
    }
}
