//! Parsing as a whole: text in, values and findings out.

use super::Message;
use crate::finding::Finding;

fn parse(text: &str) -> (Message, Vec<Finding>) {
    Message::parse(text.to_owned()).unwrap()
}

fn facts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{} {}", f.code, f.location.position)).collect()
}

const MSH: &str = "MSH|^~\\&|A|B^C&D|||||ADT^A08|1|P|2.5";

/// Repetitions of a field, by segment, field.
#[track_caller]
fn check(segment: &str, field: usize, expected: &[&str]) {
    let text = format!("{MSH}\r{segment}\r");
    let (message, findings) = parse(&text);
    let found: Vec<_> = message.segment(1).field(field).repetitions().map(|r| r.raw()).collect();
    assert_eq!(found, expected);
    assert_eq!(message.segment(1).field(field).repetition_count(), expected.len());
    assert!(findings.is_empty());
    assert_eq!(message.to_text(), text);
}

#[test]
fn repetitions_are_kept_as_written() {
    check("PID|||A~", 3, &["A", ""]);
    check("PID|||~", 3, &["", ""]);
    check("PID|||A", 3, &["A"]);
    check("PID|||", 3, &[]);
    check("PID", 3, &[]);
    check("PID|||A^1~B^2&3|x", 3, &["A^1", "B^2&3"]);
    check("PID|||A|x", 99, &[]);
    check("PID|||A|x", 0, &[]);
}

#[test]
fn values_are_reached_by_their_numbers() {
    let (message, _) = parse(&format!("{MSH}\rPID|1||12^^^H&O~34|\"\"|a&b&c^^d\rOBX|1\rOBX|2|ST\r"));
    let pid = message.first("PID").unwrap();
    assert_eq!((pid.index(), pid.occurrence(), pid.field_count()), (1, 1, 5));
    let value = |f: usize, r: usize, c: usize, s: usize| {
        pid.field(f).repetition(r).component(c).subcomponent(s).text().into_owned()
    };
    assert_eq!(value(3, 1, 1, 1), "12");
    assert_eq!(value(3, 1, 4, 2), "O");
    assert_eq!(value(3, 2, 1, 1), "34");
    assert_eq!(value(3, 3, 1, 1), "");
    assert_eq!(value(3, 1, 0, 1), "");
    assert_eq!(value(5, 1, 1, 3), "c");
    assert_eq!(value(5, 1, 3, 1), "d");
    assert!(pid.field(4).is_null() && pid.field(4).repetition(1).component(1).is_null());
    assert!(!pid.field(2).is_null() && pid.field(2).is_empty());
    assert_eq!(pid.field(5).repetition(1).component_count(), 3);
    assert_eq!(pid.field(5).repetition(1).component(1).subcomponent_count(), 3);
    assert_eq!(pid.field(5).repetition(1).component(2).subcomponent_count(), 0);
    assert_eq!(pid.field(5).repetition(1).component(1).text(), "a");
    let last = message.segments().next_back().unwrap();
    assert_eq!((last.name(), last.occurrence()), ("OBX", 2));
    assert!(message.first("ZZZ").is_none());
}

#[test]
fn the_header_counts_as_the_standard_does() {
    let (message, _) = parse(MSH);
    let msh = message.segment(0);
    assert_eq!(msh.field(1).raw(), "|");
    assert_eq!(msh.field(2).raw(), "^~\\&");
    assert_eq!(msh.field(2).repetition_count(), 1);
    assert_eq!(msh.field(4).repetition(1).component(2).subcomponent(2).raw(), "D");
    assert_eq!(msh.field(9).repetition(1).component(2).text(), "A08");
}

#[test]
fn positions_are_printed_as_people_write_them() {
    let text = format!("{MSH}\rPID|1||12^^^H&O~34^5|x\rOBX|1\rOBX|2|ST\r");
    let (message, _) = parse(&text);
    for (found, position) in [
        ("12^", "PID-3.1"),
        ("H&O", "PID-3.4.1"),
        ("O~34", "PID-3.4.2"),
        ("34^5", "PID-3[2].1"),
        ("5|x", "PID-3[2].2"),
        ("x\rOBX", "PID-4"),
        ("PID", "PID"),
        ("ST\r", "OBX[2]-2"),
        ("|^~", "MSH-1"),
        ("^~\\&", "MSH-2"),
        ("A08", "MSH-9.2"),
    ] {
        assert_eq!(message.position(text.find(found).unwrap()).to_string(), position, "{found}");
    }
    let pid = message.first("PID").unwrap();
    let value = pid.field(3).repetition(2).component(2).subcomponent(1);
    assert_eq!(value.position().to_string(), "PID-3[2].2");
    assert_eq!(&text[value.offset()..][..1], "5");
}

#[test]
fn any_declared_delimiters_are_used() {
    for (text, separators) in [
        ("MSH#*+!%#A*B%C\rZZZ#x+y*z%w!S!\r", "*"),
        ("MSH|^~¥&|A^B&C\rZZZ|x~y^z&w¥S¥\r", "^"),
        ("MSH§☃‽¥‡§A☃B‡C\rZZZ§x‽y☃z‡w¥S¥\r", "☃"),
        ("MSH|^~\\&#|A^B&C\rZZZ|x~y^z&w\\S\\\r", "^"),
    ] {
        let (message, findings) = parse(text);
        assert!(findings.is_empty(), "{findings:?}");
        let second = message.segment(1).field(1).repetition(2);
        assert_eq!(second.component(1).raw(), "y");
        assert_eq!(second.component(2).subcomponent(1).raw(), "z");
        assert_eq!(second.component(2).subcomponent(2).text(), format!("w{separators}"));
        assert_eq!(message.segment(0).field(3).repetition(1).component(2).subcomponent(2).raw(), "C");
        assert_eq!(message.to_text(), text);
    }
    // What is not declared does not separate.
    let (message, _) = parse("MSH|^~|A\rZZZ|x&y\\F\\\r");
    assert_eq!(message.segment(1).field(1).repetition(1).component(1).text(), "x&y\\F\\");
}

#[test]
fn every_kind_of_line_end_ends_a_segment() {
    for end in ["\r", "\n", "\r\n"] {
        for last in ["", end] {
            let (message, findings) = parse(&format!("{MSH}{end}PID|1{end}PV1||O{last}"));
            let names: Vec<_> = message.segments().map(|s| s.name()).collect();
            assert_eq!(names, ["MSH", "PID", "PV1"]);
            assert_eq!(message.segment(2).field(2).raw(), "O");
            assert!(findings.is_empty());
        }
    }
}

#[test]
fn trouble_that_leaves_a_tree_is_a_finding() {
    for (text, expected) in [
        (format!("{MSH}\rPID|||a\\b\r"), vec!["escape-unclosed PID-3"]),
        (format!("{MSH}\rPID|||x^a\\|\\F\r"), vec!["escape-unclosed PID-3.2", "escape-unclosed PID-4"]),
        (format!("{MSH}\rPID|||\\Z1\\\r"), vec!["escape-local PID-3"]),
        (format!("{MSH}\rPID|1\r\r\r \r"), vec!["blank-segment segment 3"]),
        (format!("{MSH}\r{MSH}\r"), vec!["second-msh MSH[2]"]),
        (format!("{MSH}\rMSH\r"), vec!["second-msh MSH[2]"]),
        (format!("{MSH}\rpid|1\rPIDX\rP|1\r1ID\r山\r"), (2..7).map(|_| "").collect()),
        (format!("junk\r{MSH}\r"), vec!["leading-junk MSH"]),
        (format!("junk{MSH}\r"), vec!["leading-junk MSH"]),
        (format!("\u{b}\r\n {MSH}\r"), vec![]),
    ] {
        let (message, findings) = parse(&text);
        if expected.first() == Some(&"") {
            let places: Vec<_> = (2..7).map(|n| format!("segment-id-invalid segment {n}")).collect();
            assert_eq!(facts(&findings), places);
            assert_eq!(message.len(), 6);
        } else {
            assert_eq!(facts(&findings), expected, "{text:?}");
        }
    }
}

#[test]
fn what_has_no_header_is_refused_with_its_reason() {
    for (text, detail) in [
        ("", "no MSH"),
        ("PID|1\r", "no MSH"),
        ("MSH", "no MSH"),
        ("MSHA^~", "no MSH"),
        ("MSH|", "MSH-2"),
        ("MSH||", "MSH-2"),
        ("MSH|ADT|", "MSH-2"),
        ("MSH|^^\\&|", "delimiters are not distinct"),
    ] {
        let findings = Message::parse(text.to_owned()).unwrap_err();
        assert_eq!(findings[0].code, "msh-unreadable", "{text:?}");
        assert_eq!(findings[0].detail.as_deref(), Some(detail), "{text:?}");
    }
    let delimiters = format!("{MSH}\r{}", "|".repeat(super::parse::MAX_PARTS + 1));
    assert_eq!(Message::parse(delimiters).unwrap_err()[0].code, "message-too-many-parts");
}

#[test]
fn debug_shows_no_value() {
    let (message, _) = parse(&format!("{MSH}\rPID|||CANARY\r"));
    let pid = message.segment(1);
    let shown =
        format!("{message:?} {pid:?} {:?} {:?}", pid.field(3), pid.field(3).repetition(1).component(1));
    assert!(!shown.contains("CANARY"), "{shown}");
}
