//! Tests of what looks into the enclosing group: `GROUP/SEG`, `find in GROUP`, `for = "GROUP[cond]"`, and of
//! `same = "apart"`.

use super::tests::{context, file, map, message_file, set};
use super::{MappingSet, apply};
use crate::hl7v2::Message;
use crate::translation::Translation;

const STRUCTURE: &str = "groups = [\"RESULT = OBR ITEM*\", \"ITEM = OBX NTE*\"]\nunit = [\"'lab'\", \"OBR-2\"]\nreplaces = \"unit\"\nprovisional = [\"patient\"]\nmaps = [\"patient\", \"m\"]\n";

/// What every Observation must have.
const NEEDED: &str = "rules = [{ id = \"status\", to = \"status\", fixed = \"final\" }, { id = \"code\", to = \"code.text\", fixed = \"x\" }, ";

/// A set of one map for ITEM, whose rows stand behind `for`.
fn of(instances: &str, rest: &str) -> Result<MappingSet, Vec<super::Problem>> {
    let rest = rest.replace("rules = [", NEEDED);
    let text = format!(
        "[map]\nid = \"m\"\ntitle = {{ ja = \"x\", en = \"x\" }}\nfor = \"{instances}\"\nmakes = \"Observation\"\nprofile = \"none\"\n{rest}"
    );
    set(vec![message_file("OUL", STRUCTURE), file("maps/m.toml", &text)])
}

fn run(set: &MappingSet, lines: &str) -> Translation {
    let text = format!("MSH|^~\\&|H|S|G|R|20240401||OUL^R22|1|P|2.5\rPID|||1||A^B\r{lines}");
    let (message, _) = Message::parse(text).unwrap();
    apply(set, &message, &context())
}

fn made(out: &Translation) -> Vec<serde_json::Value> {
    let of_map = out.resources.iter().filter(|r| r.map == "m");
    of_map.map(|r| serde_json::from_slice(&r.json).unwrap()).collect()
}

const LINES: &str = "OBR|1|O1\rOBX|1|ST|A||1\rOBX|2|ST|B|1|2\rOBX|3|ST|C|1|3\rOBR|2|O1\rOBX|1|ST|D|1|4\r";

#[test]
fn a_path_with_a_group_sees_the_lines_beside_and_none_of_another_group() {
    let rows = r#"key = ["OBX-3"]
same = "error"
rules = [{ id = "beside", to = "note[].text", from = "RESULT/OBX[.4 = OBX-4 and not .3 = OBX-3]-3" }]
"#;
    let out = run(&of("ITEM", rows).unwrap(), LINES);
    let beside: Vec<_> =
        made(&out).iter().map(|m| m["note"][0]["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(beside, [None, Some("C".into()), Some("B".into()), None]);
}

#[test]
fn instances_for_which_the_condition_does_not_hold_are_passed_in_silence() {
    let rows = r#"key = ["OBX-3"]
same = "error"
when = "not OBX-3 = 'C'"
else = "warn order-line-cancelled"
rules = [{ id = "value", to = "valueString", from = "OBX-5" }]
"#;
    let out = run(&of("ITEM[RESULT/OBX[.3 = 'A'] valued and OBX-4 valued]", rows).unwrap(), LINES);
    let values: Vec<_> = made(&out).iter().map(|m| m["valueString"].clone()).collect();
    assert_eq!(values, ["2"]);
    // C is for the map and its `when` does not hold; A and D are not for it.
    let said: Vec<_> = out.findings.iter().filter(|f| f.code == "order-line-cancelled").collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].location.position, "OBX[3]");
}

#[test]
fn a_find_in_a_group_stays_in_it_and_finds_none_where_two_fit() {
    let rows = r#"key = ["OBX-3"]
same = "error"
let = [{ name = "other", find = "OBX in RESULT where .4 = OBX-4", many = "MANY", else = "empty" }]
rules = [{ id = "other", to = "valueString", from = "$other.3" }]
"#;
    let found = |many: &str| {
        let out = run(&of("ITEM", &rows.replace("MANY", many)).unwrap(), LINES);
        made(&out).iter().map(|m| m["valueString"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(found("first"), [None, Some("B".into()), Some("B".into()), Some("D".into())]);
    assert_eq!(found("none"), [None, None, None, Some("D".into())]);
}

#[test]
fn a_key_that_comes_again_keeps_the_first_id_and_both_resources() {
    let rows = |same: &str| {
        format!(
            "key = [\"OBR-2\", \"OBX-3\"]\nsame = \"{same}\"\nrules = [{{ id = \"v\", to = \"valueString\", from = \"OBX-5\" }}]\n"
        )
    };
    let ids = |out: &Translation| {
        out.resources.iter().filter(|r| r.map == "m").map(|r| r.id.clone()).collect::<Vec<_>>()
    };
    let (once, twice) = ("OBR|1|O1\rOBX|1|ST|A||1\r", "OBR|1|O1\rOBX|1|ST|A||1\rOBR|2|O1\rOBX|1|ST|A||2\r");
    let error = ids(&run(&of("ITEM", &rows("error")).unwrap(), once));
    let set = of("ITEM", &rows("apart")).unwrap();
    assert_eq!(ids(&run(&set, once)), error);
    let both = ids(&run(&set, twice));
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], error[0]);
    assert_ne!(both[0], both[1]);
}

#[test]
fn a_group_that_no_message_has_is_refused() {
    for row in [
        "rules = [\n{ id = \"r\", to = \"valueString\", from = \"NOBODY/OBX-5\" },\n]\n",
        "let = [\n{ name = \"r\", find = \"OBX in NOBODY where .4 = OBX-4\" },\n]\nrules = []\n",
    ] {
        let problems = set(vec![message_file("OUL", &STRUCTURE.replace("ITEM*\"", "OBX*\"")), map("m", row)])
            .map(|_| ())
            .unwrap_err();
        assert!(
            problems.iter().any(|p| p.rule == "m/r"
                && p.en.contains("has a group 'NOBODY'")
                && p.line > 0
                && !p.ja.is_empty()),
            "{problems:#?}"
        );
    }
}
