//! `translate`: a line of JSON per message, in one order, whatever the input is.

use super::{renkei, text};
use renkei_bridge::demo::messages::{MIDORI, Message, Writer};
use serde_json::Value;
use std::path::Path;

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}

fn put(folder: &Path, message: &Message, flag: char) -> String {
    let path = message.path(flag);
    write(folder, &path, &message.bytes());
    path
}

/// Exit code, lines and standard output of `translate` on a folder.
fn translate(folder: &Path, options: &[&str]) -> (i32, Vec<Value>, String) {
    let output = renkei().arg("translate").args(options).arg(folder).output().unwrap();
    let out = text(&output.stdout);
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines, out)
}

/// The line of an input.
fn line<'l>(lines: &'l [Value], name: &str) -> &'l Value {
    let found = lines.iter().find(|line| line["input"].as_str().unwrap().ends_with(name));
    found.unwrap_or_else(|| panic!("{name} has no line"))
}

fn codes(line: &Value) -> Vec<&str> {
    line["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn every_file_has_one_line_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut writer = Writer::new("T", "20260401".into());
    let person = &MIDORI[0];
    let demographics = put(at, &writer.demographics(person), '1');
    let results = put(at, &writer.results(person), '1');
    let superseded = put(at, &writer.results(person), '2');
    let deleted = put(at, &writer.prescription(person), '0');
    let held = put(at, &writer.appointment(person), '1');
    let garbage = writer.results(person).path('1');
    write(at, &garbage, &[0x1b, 0x24, 0x42, 0xff, 0xfe, 0x00]);
    write(at, "LICENSE.txt", b"Apache License");
    write(at, "loose.hl7", &writer.results(&MIDORI[1]).bytes());

    let (code, lines, out) = translate(at, &[]);
    assert_eq!(lines.len(), 8, "{out}");
    let check = |name: &str, status: &str, excluded: Option<&str>| {
        let line = line(&lines, name);
        assert_eq!((line["status"].as_str(), line["excluded"].as_str()), (Some(status), excluded), "{line}");
        // A bundle where something was made, none where nothing may leave.
        assert_eq!(line["bundle"].is_object(), status == "translated", "{line}");
    };
    check(&demographics, "translated", None);
    check(&results, "translated", None);
    check(&superseded, "excluded", Some("superseded"));
    check(&deleted, "excluded", Some("deleted"));
    check(&held, "quarantined", None);
    check(&garbage, "quarantined", None);
    check("LICENSE.txt", "excluded", Some("not-a-message"));
    check("loose.hl7", "translated", None);
    assert_eq!(code, 1);
    assert!(codes(line(&lines, &held)).contains(&"message-type-not-mapped"));
    for finding in lines.iter().flat_map(|line| line["findings"].as_array().unwrap()) {
        assert!(finding["ja"].is_string() && finding["en"].is_string(), "{finding}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("T", "20260401".into());
    for person in MIDORI {
        put(folder.path(), &writer.demographics(person), '1');
        put(folder.path(), &writer.results(person), '1');
        put(folder.path(), &writer.prescription(person), '1');
    }
    let (code, lines, first) = translate(folder.path(), &[]);
    assert_eq!((code, lines.len()), (0, 12));
    assert_eq!(translate(folder.path(), &[]).2, first);
}

#[test]
fn a_second_message_sends_only_what_is_new_unless_each_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("T", "20260401".into());
    put(folder.path(), &writer.demographics(&MIDORI[0]), '1');
    let results = put(folder.path(), &writer.results(&MIDORI[0]), '1');
    let has_patient = |options: &[&str]| {
        let (_, lines, _) = translate(folder.path(), options);
        let entries = line(&lines, &results)["bundle"]["entry"].as_array().unwrap().clone();
        entries.iter().any(|entry| entry["resource"]["resourceType"] == "Patient")
    };
    assert!(!has_patient(&[]), "the record has the patient already");
    assert!(has_patient(&["--stateless"]), "nothing has come before");
}

#[test]
fn a_held_correction_gives_no_bundle_and_leaves_the_record_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let first = Writer::new("T", "20260401".into()).results(&MIDORI[0]);
    put(folder.path(), &first, '1');
    let correction = |minute: u32, from: &str, to: &str| {
        let mut message = first.clone();
        message.time = format!("2026040110{minute:02}00000");
        message.text = message.text.replace(from, to);
        put(folder.path(), &message, '1')
    };
    // One of three results has no code at all: the other two are made, and still nothing may leave.
    let held = correction(1, "3A015000002327101^アルブミン^JC10", "");
    let later = correction(2, "6.7-8.3", "6.6-8.1");
    let (_, lines, _) = translate(folder.path(), &[]);
    assert_eq!(line(&lines, &held)["status"], "quarantined");
    assert!(line(&lines, &held)["bundle"].is_null());
    // One result differs from what was sent, and its report is unchanged: had the held message been taken in,
    // albumin would be deleted and made again.
    let entries = line(&lines, &later)["bundle"]["entry"].as_array().unwrap();
    let urls: Vec<_> = entries.iter().map(|entry| entry["request"]["method"].as_str().unwrap()).collect();
    assert_eq!(urls, ["PUT"], "{entries:?}");
    assert_eq!(entries[0]["resource"]["referenceRange"][0]["low"]["value"], serde_json::json!(6.6));
}

#[test]
fn what_happened_later_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &Writer::new("T", "20260401".into()).results(&MIDORI[0]), '1');
    put(folder.path(), &Writer::new("U", "20260402".into()).results(&MIDORI[0]), '1');
    let (_, lines, _) = translate(folder.path(), &["--as-of", "20260401"]);
    let statuses: Vec<_> = lines.iter().map(|line| line["excluded"].as_str()).collect();
    assert_eq!(statuses, [None, Some("after-as-of")]);
}

#[test]
fn a_patient_that_is_not_the_one_of_the_path_is_held_or_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut astray = Writer::new("T", "20260401".into()).results(&MIDORI[0]);
    astray.patient = MIDORI[1].id;
    put(folder.path(), &astray, '1');
    let status = |options: &[&str]| translate(folder.path(), options).1[0]["status"].clone();
    assert_eq!(status(&[]), "quarantined");
    assert_eq!(status(&["--path-patient", "warn"]), "translated");
}
