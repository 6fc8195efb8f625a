//! `translate` of two patients that become one: their messages are one group, wherever the files lie.

use super::{renkei, text};
use serde_json::Value;

fn message(folder: &std::path::Path, name: &str, time: &str, segments: &[&str]) {
    let header = format!("MSH|^~\\&|HIS|S|GW|R|{time}||{}|{name}|P|2.5||||||UNICODE UTF-8", segments[0]);
    std::fs::write(folder.join(name), [&[header.as_str()], &segments[1..]].concat().join("\r")).unwrap();
}

fn entries<'l>(line: &'l Value, method: &str, kind: &str) -> Vec<&'l Value> {
    let all = line["bundle"]["entry"].as_array().unwrap().iter();
    all.filter(|entry| {
        entry["request"]["method"] == method
            && entry["request"]["url"].as_str().unwrap().starts_with(&format!("{kind}/"))
    })
    .collect()
}

#[test]
fn a_merge_sends_the_results_of_the_prior_again_and_its_reverse_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let visit = "PV1||O|01|||||||||||||||||||||||||||||||||||||||||202404010859";
    message(at, "1", "20240401090000", &["ADT^A04^ADT_A01", "PID|||0000000900||見本^太郎^^^^^L^I", visit]);
    // Another patient between the two, who is a group of their own.
    message(at, "2", "20240401090000", &["ADT^A04^ADT_A01", "PID|||0000000500||見本^次郎^^^^^L^I", visit]);
    let pair = |survivor: &str, prior: &str| (format!("PID|||{survivor}"), format!("MRG|{prior}"));
    let (pid, mrg) = pair("0000000100", "0000000900");
    message(at, "3", "20240402100000", &["ADT^A40^ADT_A39", "EVN||20240402100000", &pid, &mrg]);
    let (pid, mrg) = pair("0000000900", "0000000100");
    message(at, "4", "20240403100000", &["ADT^A40^ADT_A39", "EVN||20240403100000", &pid, &mrg]);

    let output = renkei().arg("translate").arg(at).output().unwrap();
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |name: &str| {
        lines.iter().find(|line| line["input"].as_str().unwrap().ends_with(&format!("/{name}"))).unwrap()
    };
    let merge = line("3");
    let patients = entries(merge, "PUT", "Patient");
    let survivor = patients.iter().find(|entry| entry["resource"]["active"].is_null()).unwrap();
    assert_eq!((patients.len(), &survivor["resource"]["identifier"][0]["value"]), (2, &"0000000100".into()));
    let [visit] = entries(merge, "PUT", "Encounter")[..] else { panic!("{merge}") };
    assert_eq!(visit["resource"]["subject"]["reference"], survivor["request"]["url"]);
    assert_eq!(visit["request"]["url"], entries(line("1"), "PUT", "Encounter")[0]["request"]["url"]);
    let undone = line("4");
    assert_eq!(undone["status"], "quarantined");
    assert!(undone["findings"].to_string().contains("merge-undone"), "{undone}");
    assert!(!line("2").to_string().contains("replaced-by"));
}
