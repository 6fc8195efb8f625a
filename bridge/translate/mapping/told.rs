//! Where findings stand and how often one thing is said, on the shipped set.

use super::tests::{context, file, shipped};
use super::{Layer, MappingSet, Rank, translate};
use crate::translation::{Context, Lists};
use std::sync::OnceLock;

fn set() -> &'static MappingSet {
    static SET: OnceLock<MappingSet> = OnceLock::new();
    SET.get_or_init(|| MappingSet::load(shipped()).unwrap_or_else(|problems| panic!("{problems:#?}")))
}

/// Position and rule of each finding of a code.
fn told_by(set: &MappingSet, kind: &str, segments: &str, code: &str) -> Vec<(String, String)> {
    let text = format!(
        "MSH|^~\\&|H|S|G|R|20240401120000||{kind}|C1|P|2.5\rPID|||1||患者^太郎^^^^^L^I||19700101|M\r{segments}"
    );
    let out = translate(set, text.as_bytes(), &context());
    let of_code = out.findings.into_iter().filter(|finding| finding.code == code);
    of_code.map(|finding| (finding.location.position, finding.location.rule)).collect()
}

fn check(kind: &str, segments: &str, code: &str, expected: &[(&str, &str)]) {
    let found = told_by(set(), kind, segments, code);
    let found: Vec<_> = found.iter().map(|(position, rule)| (position.as_str(), rule.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_unit_without_a_system_is_said_once_for_value_and_range() {
    check(
        "OUL^R22",
        "SPM|1|L1||023^血清^JC10|||||||||||||202404010830\r\
         OBR|1|O1||3^生化学^JC10\r\
         OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL|0.65-1.07||||F\r\
         OBX|2|NM|3C016000002327101^尿酸^JC10||5.0|mg/dL|3-7||||F",
        "code-system-missing",
        &[("OBX[1]-6", "lab-observation/value"), ("OBX[2]-6", "lab-observation/value")],
    );
    // Words as a value have no unit of their own: that of the range is said.
    check(
        "OUL^R22",
        "SPM|1|L1||023^血清^JC10|||||||||||||202404010830\r\
         OBR|1|O1||3^生化学^JC10\r\
         OBX|1|ST|3C015000002327101^クレアチニン^JC10||溶血|mg/dL|0.65-1.07||||F",
        "code-system-missing",
        &[("OBX-6", "lab-observation/range")],
    );
}

#[test]
fn a_key_that_comes_twice_is_said_where_it_comes_again() {
    check(
        "PPR^ZD1",
        "PRB|AD|20240401|X1^胃炎^99X|1|||20240401\rPRB|AD|20240401|X2^胃癌^99X|1|||20240401",
        "key-twice",
        &[("PRB[2]", "condition/same")],
    );
}

#[test]
fn what_is_told_differently_of_one_thing_is_said_once_where_it_first_differs() {
    let insurance =
        |relation: &str| format!("IN1|1|C0^国保^JHSD0001|01234567|||||||記号|番号||||||{relation}");
    let segments = [insurance("SEL"), insurance("SEL"), insurance("CHD"), insurance("CHD")].join("\r");
    check("ADT^A08", &segments, "merge-conflict", &[("IN1[3]", "coverage/same")]);
}

#[test]
fn what_the_profile_misses_is_said_where_its_source_begins() {
    let rules = r#"
[map]
id    = "body-measurement"
rules = [
  { id = "kind", to = "category[]", from = "OBX-3.1", as = "table body-measurement-category", when = "OBX-11 = 'C'" },
  { id = "kind-2", off = true },
  { id = "kind-3", off = true },
]
"#;
    let layer = Layer::new(Rank::Network, vec![file("maps/kind.toml", rules)]);
    let set = set().over(layer).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let height = "OBX|1|NM|9N001000000000001^身長^JC10||176.7|cm^cm^ISO+|||||";
    let weight = "OBX|2|NM|9N006000000000001^体重^JC10||65.0|kg^kg^ISO+|||||";
    let found = told_by(&set, "ADT^A08", &format!("{height}C\r{weight}F"), "profile-slice-missing");
    let expected = [("OBX[2]".to_owned(), "body-measurement".to_owned())];
    assert_eq!(found, expected);
}

#[test]
fn what_is_there_is_not_said_to_be_missing() {
    let insurances = "IN1|1|54^難病^JHSD0001|54136015|東京都|||||||1234567|20230401\rIN1|2|OE^自費^JHSD0001\rIN1|3|LI^労災^JHSD0001\r\
         IN1|4|C0^国保^JHSD0001|138057";
    check("ADT^A08", insurances, "insured-number-missing", &[("IN1[4]-10.1", "coverage/number")]);
    check(
        "OUL^R22",
        "SPM|1|L1||061^喀痰^JC10|||||||||||||202404010830\r\
         OBR|1|O1||M01^培養同定^99O03\r\
         OBX|1|ST|6B010000006174011^分離菌^JC10|1|Staphylococcus aureus (MRSA)||||||F\r\
         OBX|2|ST|1411^MEPM^JANIS|1|8|||R|||F\r\
         OBR|2|O1||M02^感受性^99O03||||||||||||||||||||||6B010000006174011&分離菌&JC10\r\
         OBX|1|ST|1411^MEPM^JANIS||8|||R|||F",
        "parent-result-missing",
        &[],
    );
    let order = |time: &str| {
        format!(
            "ORC|NW|O1|||||||20240401\rTQ1|1||||||202404020900|202404021000|R\rOBR||O1||1000000000000000^撮影^JJ1017\r\
             ORC|PA|O1|||||||20240401\rTQ1|1||||||{time}||R\rOBR||O1||1000000000000000^撮影^JJ1017"
        )
    };
    check("OMG^O19", &order("202404020900"), "merge-conflict", &[]);
    check("OMG^O19", &order("202404030900"), "merge-conflict", &[("ORC[2]", "service-request/same")]);
}

#[test]
fn an_isolate_whose_item_no_table_knows_is_said_once_for_the_set_of_its_drugs() {
    let report = |isolate: &str, parent: &str| {
        format!(
            "SPM|1|L1||061^喀痰^JC10|||||||||||||202404010830\r\
             OBR|1|O1||M01^培養同定^99O03\r\
             OBX|1|CWE|{isolate}||||||F\r\
             OBR|2|O1||M02^感受性^99O03||||||||||||||||||||||{parent}^1\r\
             OBX|1|ST|D1^MEPM^99O05||8|||R|||F\r\
             OBX|2|ST|D2^CAZ^99O05||8|||R|||F"
        )
    };
    let local = "KIN&分離菌&99O03";
    for (isolate, parent, expected) in [
        (
            "KIN^分離菌^99O03|1|101^黄色ブドウ球菌^99O04",
            local,
            &[("OBR[2]-26", "micro-susceptibility/item-unknown")][..],
        ),
        ("KIN^分離菌^99O03|1|1301^S.aureus^JANIS", local, &[]),
        ("KIN^分離菌^99O03^6B010000006174011^分離菌^JC10|1|101^黄色ブドウ球菌^99O04", local, &[]),
        ("6B010000006174011^分離菌^JC10|1|101^黄色ブドウ球菌^99O04", "6B010000006174011&分離菌&JC10", &[]),
    ] {
        check("OUL^R22", &report(isolate, parent), "isolate-item-unknown", expected);
    }
}

#[test]
fn an_allergy_that_is_deleted_in_a_list_of_changes_is_taken_back_under_its_own_id() {
    let run = |lists: Lists, action: &str| {
        let text = format!(
            "MSH|^~\\&|H|S|G|R|20240401120000||ADT^A60|C1|P|2.5\rPID|||1||患者^太郎^^^^^L^I||19700101|M\r\
             IAM|1|FA^食物アレルギー^HL70127|X1^ソバ^99XYZ|||{action}|A7"
        );
        let out = translate(set(), text.as_bytes(), &Context { lists, ..context() });
        let found =
            out.findings.iter().map(|finding| finding.code.to_string()).find(|c| c.starts_with("allergy-"));
        let made = out.resources.iter().find(|resource| resource.resource_type == "AllergyIntolerance");
        let json = made.map(|made| serde_json::from_slice::<serde_json::Value>(&made.json).unwrap());
        (made.map(|made| made.id.clone()), json.unwrap_or_default(), found)
    };
    let status = |json: &serde_json::Value| json["verificationStatus"]["coding"][0]["code"].clone();
    let (added, json, _) = run(Lists::Incremental, "A^追加^HL70323");
    assert_eq!(
        (json["clinicalStatus"]["coding"][0]["code"].as_str(), added.is_some()),
        (Some("active"), true)
    );
    let (deleted, json, found) = run(Lists::Incremental, "D^削除^HL70323");
    assert_eq!((deleted, status(&json)), (added, "entered-in-error".into()));
    assert_eq!((json.get("clinicalStatus"), found.as_deref()), (None, Some("allergy-taken-back")));
    // A whole list says it by what it has no more.
    let (none, _, found) = run(Lists::Whole, "D^削除^HL70323");
    assert_eq!((none, found.as_deref()), (None, Some("allergy-deletion")));
}
