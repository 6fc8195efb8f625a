//! What the check alone refuses: the set is made all the same, and whatever is translated by it is whole or is held.

use super::tests::{context, file, shipped};
use super::{Layer, MappingSet, Problem, Rank, SourceFile, translate};
use crate::trial::seeds;

/// The shipped set with a layer of one file over it.
fn with(path: &str, text: &str) -> Result<(MappingSet, Vec<Problem>), Vec<Problem>> {
    let files = vec![file(path, text)];
    MappingSet::at_work(vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, files)])
}

const ROWS: &str =
    "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";

fn map(id: &str, rules: &str) -> String {
    format!("[map]\nid = \"{id}\"\nrules = [\n  {rules}\n]\n")
}

/// Files of a layer that only the check refuses, and words of what it says.
fn doubted() -> Vec<(&'static str, String, &'static str)> {
    let skip =
        "[message]\nid = \"ADT-00\"\nskip = [{ from = \"PID-5\", why = { ja = \"x\", en = \"x\" } }]\n";
    let gone = "[message]\nid = \"ADT-00\"\nskip = [{ from = \"ZZZ-9\", off = true }]\n";
    let test = "[map]\nid = \"patient\"\n[[test]]\nname = \"of nothing\"\noff = true\n";
    let rule = |rule: &str| map("patient", rule);
    vec![
        ("messages/a.toml", skip.into(), "still writes PID-5"),
        ("messages/a.toml", gone.into(), "to switch off"),
        ("maps/a.toml", test.into(), "No layer below has a test"),
        ("maps/a.toml", rule(r#"{ id = "x", to = "birthDate", from = "PID-7" },"#), "already writes"),
        ("maps/a.toml", rule(r#"{ id = "gender-2", to = "gender", from = "PID-8" },"#), "codes of its own"),
        (
            "maps/a.toml",
            rule(r#"{ id = "x", to = "multipleBirthInteger", from = "PID-99" },"#),
            "has 40 fields",
        ),
        (
            "maps/a.toml",
            rule(r#"{ id = "x", to = "multipleBirthInteger", from = "PIX-9" },"#),
            "check its spelling",
        ),
        (
            "maps/a.toml",
            rule(r#"{ id = "x", to = "maritalStatus", from = "PID-16", as = "date" },"#),
            "is a CodeableConcept",
        ),
        (
            "maps/a.toml",
            rule(
                r#"{ id = "x", to = "deceasedBoolean", from = "PID-30", as = "table yes-no", else = "warn never-heard" },"#,
            ),
            "no finding 'never-heard'",
        ),
        ("maps/a.toml", rule(r#"{ id = "birth-date", off = true }, { id = "name", off = true },"#), ""),
        ("tables/administrative-gender.csv", format!("{ROWS},X,,,nobody,,equal\n"), "is no code of"),
        ("tables/administrative-gender.csv", format!("{ROWS},X,,,other,,same\n"), "An equivalence is one of"),
        ("tables/administrative-gendr.csv", format!("{ROWS},X,,,other,,equal\n"), "Did you mean"),
    ]
}

#[test]
fn what_only_the_check_refuses_is_a_doubt_and_translates() {
    let (plain, context) = (MappingSet::load(shipped()).unwrap(), context());
    let messages = seeds();
    assert!(!messages.is_empty());
    let mut differs = 0;
    for (path, text, words) in doubted() {
        let (set, doubts) = with(path, &text).unwrap_or_else(|problems| panic!("{text}: {problems:#?}"));
        if words.is_empty() {
            assert_eq!(doubts, [], "{text}");
        } else {
            assert!(doubts.iter().any(|doubt| doubt.en.contains(words)), "{text}: {doubts:#?}");
        }
        assert!(doubts.iter().all(|doubt| doubt.doubt && doubt.layer == Rank::Network), "{doubts:#?}");
        // The strict way, of a version that is to be saved, says the same and gives nothing.
        let layers = set.layers().to_vec();
        assert_eq!(MappingSet::layered(layers).map(|_| Vec::new()).unwrap_or_else(|found| found), doubts);
        for message in &messages {
            let (out, was) = (translate(&set, message, &context), translate(&plain, message, &context));
            assert_eq!(out.findings.iter().filter(|finding| finding.code == "internal-error").count(), 0);
            differs += usize::from(out.resources != was.resources || out.findings != was.findings);
        }
    }
    assert!(differs > 0, "the layers are at work");
}

#[test]
fn what_would_do_less_than_was_meant_gives_no_set() {
    for (path, text, words) in [
        // What was not to be sent would be.
        ("maps/a.toml", map("patient", r#"{ id = "nobody", off = true },"#), "to switch off"),
        ("maps/a.toml", map("nobody", r#"{ id = "x", off = true },"#), "No layer below has a map"),
        ("messages/a.toml", "[message]\nid = \"ADT-99\"\noff = true\n".to_owned(), "to switch off"),
        ("tables/administrative-gender.csv", format!("{ROWS},NOBODY,,,,,off\n"), "to switch off"),
        // A row that is not understood, or stands nobody knows where.
        (
            "maps/a.toml",
            map("patient", r#"{ id = "x", to = "nothing", from = "PID-7" },"#),
            "no element Patient.nothing",
        ),
        (
            "maps/a.toml",
            map("patient", r#"{ id = "x", to = "name[]", from = "PID-9", as = "XPN.jq" },"#),
            "XPN.jq",
        ),
        (
            "maps/a.toml",
            map("patient", r#"{ id = "x", to = "name[]", from = "PID-9", after = "nobody" },"#),
            "to stand after",
        ),
        // The layer's row is written first, and the shipped one would win over it.
        (
            "maps/a.toml",
            map("patient", r#"{ id = "gender", to = "gender", fixed = "other" },"#),
            "already writes",
        ),
        (
            "maps/a.toml",
            map(
                "patient",
                r#"{ id = "x", to = "birthDate", from = "PID-7", as = "date", after = "identifier" },"#,
            ),
            "already writes",
        ),
        // Groups and columns that the shipped set has renamed.
        ("maps/a.toml", "[map]\nid = \"specimen\"\nwithin = \"NOGROUP\"\n".to_owned(), "NOGROUP"),
        (
            "maps/a.toml",
            map("lab-csv-observation", r#"{ id = "x", to = "note[].text", from = "col(無い列)" },"#),
            "",
        ),
        ("maps/a.toml", "[map\n".to_owned(), "no TOML"),
        ("tables/administrative-gender.csv", format!("{ROWS},X\n"), "A row has 7 cells"),
    ] {
        let problems = with(path, &text).map(|(set, doubts)| panic!("{text}: {} {doubts:?}", set.version()));
        let problems = problems.unwrap_err();
        assert!(
            problems.iter().any(|problem| !problem.doubt && problem.en.contains(words)),
            "{text}: {problems:#?}"
        );
    }
}

#[test]
fn a_doubt_below_is_known_again_under_another_layer() {
    let skip =
        "[message]\nid = \"ADT-00\"\nskip = [{ from = \"PID-5\", why = { ja = \"x\", en = \"x\" } }]\n";
    let network = vec![file("messages/a.toml", skip)];
    // One that stands in a lower file too: the network's table makes a shipped rule write what nothing takes.
    let table = vec![file("maps/a.toml", "[map]\nid = \"patient\"\nprofile = \"JP_Nobody\"\n")];
    let facility = |files: Vec<SourceFile>| Layer::new(Rank::Facility, files);
    for files in [network, table] {
        let below = vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, files)];
        let (set, doubts) = MappingSet::at_work(below).unwrap();
        assert_eq!(doubts.len(), 1, "{doubts:#?}");
        let own = facility(vec![file("maps/b.toml", &map("coverage", r#"{ id = "type", off = true },"#))]);
        let (_, again) = set.at_work_over(own).unwrap();
        assert!(!again.is_empty() && again.iter().all(|doubt| doubt.is_again(&doubts[0])), "{again:#?}");
        let own = facility(vec![file("maps/b.toml", &map("coverage", r#"{ id = "nobody", off = true },"#))]);
        let more = set.at_work_over(own).map(|_| ()).unwrap_err();
        let new: Vec<&Problem> = more.iter().filter(|problem| !problem.is_again(&doubts[0])).collect();
        assert!(matches!(new.as_slice(), [one] if one.layer == Rank::Facility && !one.doubt), "{more:#?}");
    }
}

#[test]
fn without_a_set_a_message_is_held_and_says_why() {
    let set = MappingSet::unusable();
    assert!(!set.is_usable() && MappingSet::load(Vec::new()).unwrap().is_usable());
    for message in seeds().iter().take(3) {
        let out = translate(&set, message, &context());
        let codes: Vec<&str> = out.findings.iter().map(|finding| finding.code.as_ref()).collect();
        assert_eq!((codes.as_slice(), out.resources.len()), (["mapping-unusable"].as_slice(), 0));
        assert!(out.has_error());
    }
}

/// Every function at places of every kind, and what is no function: whatever is made of it is whole, or is said.
#[test]
fn a_value_of_another_type_than_its_place_holds_a_message_at_most() {
    const PLACES: [&str; 9] = [
        "birthDate",
        "gender",
        "active",
        "multipleBirthInteger",
        "name[]",
        "identifier[]",
        "maritalStatus",
        "managingOrganization",
        "communication[]",
    ];
    const SOURCES: [&str; 3] = ["PID-5[*]", "PID-3", "PID-7"];
    let made = super::functions::LIST.iter().map(|function| function.name);
    let made: Vec<&str> = made.chain(["XPN.jp", "ref Practitioner", "table yes-no", "ordinal", ""]).collect();
    let mut files = Vec::new();
    let mut maps = Vec::new();
    for (n, place) in PLACES.iter().enumerate() {
        for (at, from) in SOURCES.iter().enumerate() {
            for (number, make) in made.iter().enumerate() {
                let id = format!("x-{n}-{at}-{number}");
                let make = if make.is_empty() { String::new() } else { format!(", as = \"{make}\"") };
                let text = format!(
                    "[map]\nid = \"{id}\"\ntitle = {{ ja = \"x\", en = \"x\" }}\nfor = \"PID\"\nmakes = \"Patient\"\n\
                     profile = \"none\"\nkey = [\"PID-3.1\", \"'{id}'\"]\n\
                     rules = [{{ id = \"x\", to = \"{place}\", from = \"{from}\"{make}, else = \"empty\" }}]\n"
                );
                files.push(file(&format!("maps/{id}.toml"), &text));
                maps.push(format!("\"{id}\""));
            }
        }
    }
    let message = format!("[message]\nid = \"ADT-00\"\nmaps = [{}]\n", maps.join(", "));
    files.push(file("messages/x.toml", &message));
    let layers = vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, files)];
    let (set, doubts) = MappingSet::at_work(layers).unwrap_or_else(|problems| {
        let stops: Vec<&Problem> = problems.iter().filter(|problem| !problem.doubt).collect();
        panic!("{stops:#?}")
    });
    assert!(doubts.len() > 500, "{}", doubts.len());
    let text = "MSH|^~\\&|H|S|G|R|20260401120000||ADT^A08^ADT_A01|1|P|2.5\r\
                PID|||1^^^^PI~2^^^^MR||患者^太郎^^^^^L^I~カンジャ^タロウ^^^^^L^P||19700101|M\r";
    let out = translate(&set, text.as_bytes(), &context());
    for resource in &out.resources {
        let json: serde_json::Value = serde_json::from_slice(&resource.json).unwrap();
        assert_eq!(json["resourceType"], resource.resource_type.as_str());
    }
    assert!(out.has_error(), "what is of the wrong type is found by the check");
    // And the messages that there are.
    for message in seeds() {
        translate(&set, &message, &context());
    }
}
