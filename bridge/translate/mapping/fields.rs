//! Tests of what a map can be made for besides segments and groups, and of the functions for articles and lines.

use super::tests::{context, file, message_file, set};
use super::{MappingSet, SourceFile, apply};
use crate::hl7v2::Message;
use crate::translation::Translation;
use serde_json::Value;

const ARTICLE: &str = r#"
for = "ZE1-9"
within = "STEP"
makes = "MedicationAdministration"
when = "ZE1-8[same] = 'DE-02'"
key = ["ZE1-1", ".1", "$turn"]
same = "error"
let = [ { name = "turn", from = "ZE1", as = "ordinal" } ]
rules = [
  { id = "status", to = "status", fixed = "completed" },
  { id = "subject", to = "subject", from = "PID-3.1", as = "ref Patient" },
  { id = "time", to = "effectiveDateTime", fixed = "2024-04-01" },
  { id = "drug", to = "medicationCodeableConcept", from = ".", as = "ZRD.code" },
  { id = "amount", to = "dosage.dose", from = [".4", ".5"], as = "Quantity" },
  { id = "act", to = "dosage.text", from = "ZE1-3.2" },
  { id = "kind", to = "dosage.method.text", from = "ZE1-8[same]" },
]
"#;

fn map(id: &str, rest: &str) -> SourceFile {
    let head = format!("[map]\nid = \"{id}\"\ntitle = {{ ja = \"x\", en = \"x\" }}\nprofile = \"none\"\n");
    file(&format!("maps/{id}.toml"), &(head + rest))
}

fn steps() -> MappingSet {
    set(vec![
        message_file(
            "OMI",
            "groups = [\"STEP = ZE1 OBX*\"]\nunit = [\"'step'\"]\nreplaces = \"unit\"\nmaps = [\"patient\", \"article\"]\n",
        ),
        map("article", ARTICLE),
    ])
    .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn run(set: &MappingSet, segments: &str) -> Translation {
    let text = format!("MSH|^~\\&|H|S|G|R|20240401||OMI^Z23|1|P|2.5\rPID|||1||患者^太郎\r{segments}");
    let (message, _) = Message::parse(text).expect("the message has a header");
    apply(set, &message, &context())
}

fn made(out: &Translation, map: &str) -> Vec<Value> {
    let of_map = out.resources.iter().filter(|resource| resource.map == map);
    of_map.map(|resource| serde_json::from_slice(&resource.json).expect("a resource is JSON")).collect()
}

#[test]
fn a_map_for_a_field_makes_one_of_each_repetition_and_sees_what_stands_beside_it() {
    let out = run(
        &steps(),
        "ZE1|1||X1^一つ目|||||DE-02~DE-03~DE-02|D1^薬^L^50^ML&ミリ&L~F1^フィルム^L^3~~D2^別の薬^L\r\
         ZE1|2||X2^二つ目|||||DE-02|D1^薬^L",
    );
    let made = made(&out, "article");
    let text = |n: usize, at: &str| made[n].pointer(at).map(Value::to_string).unwrap_or_default();
    // The third DE-02 stands beside an empty repetition, the fourth article beside nothing.
    assert_eq!(made.len(), 2, "{made:#?}");
    assert_eq!(text(0, "/medicationCodeableConcept/coding/0/code"), "\"D1\"");
    assert_eq!(text(0, "/dosage/text"), "\"一つ目\"");
    assert_eq!(text(0, "/dosage/method/text"), "\"DE-02\"");
    assert_eq!(text(1, "/dosage/text"), "\"二つ目\"");
    // What no map took is told by its repetition.
    assert!(out.unread.contains(&"ZE1-9[2]".to_owned()), "{:?}", out.unread);
    assert!(out.unread.contains(&"ZE1-9[4]".to_owned()), "{:?}", out.unread);
    assert!(!out.unread.contains(&"ZE1-9[1]".to_owned()) && !out.unread.contains(&"ZE1-9".to_owned()));
}

#[test]
fn the_amount_of_an_article_is_no_second_code() {
    let out = run(&steps(), "ZE1|1||X1^一つ目|||||DE-02|D1^薬^L^1^AMP&管&L");
    let drug = &made(&out, "article")[0];
    assert_eq!(drug["medicationCodeableConcept"]["coding"].as_array().map(Vec::len), Some(1));
    assert_eq!(drug["medicationCodeableConcept"]["text"], "薬");
    assert_eq!(drug["dosage"]["dose"]["value"].to_string(), "1");
    assert_eq!(drug["dosage"]["dose"]["code"], "AMP");
    assert!(out.findings.iter().all(|finding| finding.code != "code-system-missing"), "{:?}", out.findings);
}

#[test]
fn a_code_system_without_a_code_is_said() {
    let out = run(&steps(), "ZE1|1||X1^一つ目|||||DE-02|^^L^1");
    assert!(out.findings.iter().any(|finding| finding.code == "concept-empty"), "{:?}", out.findings);
}

#[test]
fn lines_hold_every_value_and_a_period_says_that_it_took_the_first() {
    let report = r#"
for = "MESSAGE"
makes = "DiagnosticReport"
key = ["'report'"]
same = "error"
rules = [
  { id = "status", to = "status", fixed = "final" },
  { id = "code", to = "code.text", fixed = "x" },
  { id = "all", to = "conclusion", from = ["OBX[.2 = 'TX']-5[*]", "NTE[*]-3"], as = "lines" },
  { id = "time", to = "effectivePeriod", from = ["OBX[.2 = 'TS']-5", "OBX[.2 = 'DT']-5"], as = "Period" },
]
"#;
    let set = set(vec![
        message_file("OMI", "unit = [\"'step'\"]\nreplaces = \"unit\"\nmaps = [\"patient\", \"report\"]\n"),
        map("report", report),
    ])
    .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let out = run(
        &set,
        "OBX|1|TX|||一~二\rOBX|2|TX|||三\rNTE|1||四\rOBX|3|TS|||20240401\rOBX|4|TS|||20240402\rOBX|5|DT|||20240403",
    );
    let report = &made(&out, "report")[0];
    assert_eq!(report["conclusion"], "一\n二\n三\n四");
    assert_eq!(report["effectivePeriod"]["start"], "2024-04-01");
    let first: Vec<_> = out.findings.iter().filter(|finding| finding.code == "value-first-only").collect();
    assert_eq!(first.len(), 1, "{:?}", out.findings);
    assert_eq!(first[0].location.position, "OBX[4]-5");
}

#[test]
fn a_component_that_the_data_type_of_a_map_does_not_have_is_refused() {
    let kana = |id: &str, from: &str| {
        let text = format!(
            "[[type]]\nid = \"{id}\"\nmakes = \"HumanName\"\nrules = [ {{ id = \"text\", to = \"text\", {from} }} ]\n"
        );
        file("types/kana.toml", &text)
    };
    let doctor = |from: &str| {
        let rest = format!(
            "for = \"XCN\"\nmakes = \"Practitioner\"\nkey = [\".1\"]\nsame = \"merge\"\nrules = [ {{ id = \"name\", to = \"name[].text\", {from} }} ]\n"
        );
        map("doctor", &rest)
    };
    for (what, file, said) in [
        ("in a datatype map", kana("XPN.kana", "from = \".16\""), "XPN has 15 components: there is no .16"),
        ("in a text", kana("XPN.kana", "as = \"text '{.2} {.19}'\""), "there is no .19"),
        ("in a condition", kana("XPN.kana", "from = \".2\", when = \".16 = 'P'\""), "there is no .16"),
        ("in a map for a value", doctor("from = \".26\""), "XCN has 25 components: there is no .26"),
    ] {
        let problems = set(vec![file]).expect_err(what);
        assert_eq!(problems.len(), 1, "{what}: {problems:?}");
        assert!(problems[0].en.contains(said), "{what}: {problems:?}");
    }
    for good in [kana("XPN.kana", "from = \".15\""), kana("Kana", "from = \".16\""), doctor("from = \".25\"")]
    {
        assert!(set(vec![good]).is_ok());
    }
}

#[test]
fn a_field_that_there_cannot_be_is_refused() {
    for name in ["ZE1-0", "ZE1-129", "ZE1-x"] {
        let text = ARTICLE.replacen("ZE1-9", name, 1);
        let files = vec![
            message_file(
                "OMI",
                "groups = [\"STEP = ZE1 OBX*\"]\nunit = [\"'step'\"]\nreplaces = \"unit\"\nmaps = [\"patient\", \"article\"]\n",
            ),
            map("article", &text),
        ];
        let problems = set(files).expect_err("the set is refused");
        assert!(problems.iter().any(|problem| problem.en.contains("is no field")), "{name}: {problems:?}");
    }
}
