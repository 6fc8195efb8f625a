//! Every row of the facts' table of what trips translators has a case that is named after it.

use super::cases;
use crate::support;

/// Rows whose cases are not decided yet.
const TO_COME: [&str; 2] = ["obx-3", "obx-11"];

/// The topics of section 3 of `ssmix2.md`, in their order.
fn topics(text: &str) -> Vec<&str> {
    let table = text.lines().skip_while(|line| !line.starts_with("## 3.")).skip(1);
    table
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|topic| *topic != "topic")
        .collect()
}

/// The name of the case of a topic, behind `row-`: its ASCII letters and digits in small letters. The topic that is
/// two quotes only is `explicit-null`.
fn name(topic: &str) -> String {
    let lower = topic.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "explicit-null".to_owned() } else { words.join("-") }
}

#[test]
fn every_row_has_its_case() {
    let Some(path) = support::shared("reference/ssmix2.md") else {
        support::lacking("../shared/reference");
        return;
    };
    let text = std::fs::read_to_string(path).expect("the facts can be read");
    let folders: Vec<String> = cases()
        .iter()
        .filter_map(|case| Some(case.file_name()?.to_str()?.strip_prefix("row-")?.to_owned()))
        .collect();
    let of = |name: &str, folder: &str| {
        folder.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let names: Vec<String> = topics(&text).into_iter().map(name).collect();
    assert!(names.len() >= 25, "the table is not where it was: {names:?}");
    let lacking: Vec<&String> = names
        .iter()
        .filter(|name| !TO_COME.contains(&name.as_str()) && !folders.iter().any(|folder| of(name, folder)))
        .collect();
    assert!(lacking.is_empty(), "rows without a case: {lacking:?}");
    let of_none: Vec<&String> =
        folders.iter().filter(|folder| !names.iter().any(|name| of(name, folder))).collect();
    assert!(of_none.is_empty(), "cases of no row: {of_none:?}");
}

#[test]
fn a_topic_names_its_case() {
    for (topic, expected) in [
        ("charset", "charset"),
        ("**split after decoding**", "split-after-decoding"),
        ("TQ1-6 / RXE-19", "tq1-6-rxe-19"),
        ("診断 unknown ICD", "unknown-icd"),
        ("`\"\"`", "explicit-null"),
    ] {
        assert_eq!(name(topic), expected);
    }
    assert_eq!(topics("## 3. A\n\n| topic | fact |\n|---|---|\n| a | b |\n## 4. C\n| d | e |"), ["a"]);
}
