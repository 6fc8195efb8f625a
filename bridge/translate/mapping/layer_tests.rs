//! Layers over one another: what applies, what is said where one is wrong, and that the shipped set alone is what it
//! was.

use super::tests::{context, file, message_file, set, shipped};
use super::{Layer, MappingSet, Problem, Rank, SourceFile, apply};
use crate::hl7v2::Message;
use serde_json::Value;

const HEAD: &str =
    "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";

/// The small set of the other tests with layers over it.
fn stack(network: &[SourceFile], facility: &[SourceFile]) -> Result<MappingSet, Vec<Problem>> {
    let below = set(vec![message_file(
        "ADT",
        "unit = [\"'demographics'\"]\nreplaces = \"unit\"\nmaps = [\"patient\"]\nskip = [{ from = \"PID-1\", why = { ja = \"番号\", en = \"set id\" } }]\n",
    )])
    .unwrap();
    MappingSet::layered(vec![
        below.layers()[0].clone(),
        Layer::new(Rank::Network, network.to_vec()),
        Layer::new(Rank::Facility, facility.to_vec()),
    ])
}

fn patient(set: &MappingSet) -> Value {
    let text = "MSH|^~\\&|H|S|G|R|20240401120000||ADT^ADT|C1|P|2.5\rPID|1||0012||患者^太郎||19700101|M|||||0300000001";
    let (message, _) = Message::parse(text.replace("ADT^ADT", "ADT")).unwrap();
    let out = apply(set, &message, &context());
    serde_json::from_slice(&out.resources.first().unwrap_or_else(|| panic!("{:?}", out.findings)).json)
        .unwrap()
}

fn layer(rules: &str) -> Vec<SourceFile> {
    vec![file("maps/patient.toml", &format!("[map]\nid = \"patient\"\nrules = [\n{rules}\n]\n"))]
}

#[test]
fn a_row_of_a_higher_layer_replaces_moves_adds_and_takes_away() {
    let plain = stack(&[], &[]).unwrap();
    assert_eq!(patient(&plain)["gender"], "male");
    assert!(patient(&plain).get("telecom").is_none());
    let network = layer(
        "  { id = \"gender\", to = \"gender\", from = \"PID-8\", as = \"table gender\", when = \"PID-8 = 'F'\", else = \"next\" },\n\
         {{ id = \"phone\", to = \"telecom[]\", from = \"PID-13[*]\", as = \"XTN\", after = \"birth\" }},\n\
         {{ id = \"birth\", off = true }},"
            .replace("{{", "{")
            .replace("}}", "}")
            .as_str(),
    );
    // `phone` stands after a row that the same layer takes away only later: rows are laid in their order.
    let of_network = stack(&network, &[]).unwrap();
    let made = patient(&of_network);
    assert_eq!((&made["gender"], made.get("birthDate")), (&Value::from("unknown"), None));
    assert_eq!(made["telecom"][0]["value"], "0300000001");
    let rows = &of_network.describe().maps[0].rows;
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["identifier", "name", "phone", "gender", "gender-2"]);
    let gender = &rows[3].source;
    assert_eq!((gender.layer, gender.line, gender.over), (Rank::Network, 4, Some(Rank::Shipped)));
    let off = &of_network.describe().maps[0].off;
    assert_eq!((off[0].id.as_str(), off[0].source.layer, off[0].source.line), ("birth", Rank::Network, 6));

    // The facility lies over both: it takes back what the network said.
    let facility = layer(
        "  { id = \"phone\", off = true },\n  { id = \"gender-2\", to = \"gender\", fixed = \"other\" },",
    );
    let of_facility = stack(&network, &facility).unwrap();
    let made = patient(&of_facility);
    assert_eq!((&made["gender"], made.get("telecom")), (&Value::from("other"), None));
    let versions = [plain.version(), of_network.version(), of_facility.version()];
    assert!(versions[0] != versions[1] && versions[1] != versions[2], "{versions:?}");
}

#[test]
fn an_empty_layer_changes_nothing_and_the_version_neither() {
    let alone = MappingSet::load(shipped()).unwrap();
    let with = MappingSet::layered(vec![
        Layer::new(Rank::Shipped, shipped()),
        Layer::new(Rank::Network, Vec::new()),
    ]);
    assert_eq!(alone.version(), with.unwrap().version());
}

#[test]
fn rows_of_tables_skips_tests_and_whole_maps_are_laid_over_too() {
    let network = [
        file("tables/gender.csv", &format!("{HEAD},M,男,,other,,equal\n,F,,,,,off\n")),
        file(
            "messages/ADT.toml",
            "[message]\nid = \"ADT\"\nmaps = [\"mood\"]\nskip = [\n{ from = \"PID-1\", why = { ja = \"別の理由\", en = \"another\" } },\n{ from = \"PID-2\", why = { ja = \"旧番号\", en = \"old id\" } },\n]\n",
        ),
        file(
            "maps/mood.toml",
            "[map]\nid = \"mood\"\ntitle = { ja = \"x\", en = \"x\" }\nfor = \"PID\"\nmakes = \"Organization\"\nprofile = \"none\"\nkey = [\"PID-13\"]\nrules = [{ id = \"name\", to = \"name\", from = \"PID-13\" }]\n",
        ),
        file(
            "types/mine.toml",
            "[[type]]\nid = \"Name\"\nrules = [{ id = \"text\", off = true }]\n[[test]]\nname = \"二つに分かれた氏名\"\ntype = \"Name\"\nvalue = \"患者^太郎\"\nexpect = { family = \"患者\" }\n",
        ),
    ];
    let set = stack(&network, &[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let made = patient(&set);
    assert_eq!((&made["gender"], made["name"][0].get("text")), (&Value::from("other"), None));
    let text = set.describe();
    let message = &text.messages[0];
    assert_eq!(message.maps, ["patient", "mood"]);
    assert_eq!(message.skip[0].1.ja, "別の理由");
    assert_eq!((message.skip.len(), message.skip_sources[0].layer), (2, Rank::Network));
    assert_eq!(set.table_page("gender", 0, 9).unwrap().rows.len(), 1);
    // The shipped test expects the text that is off; the layer's test of that name took its place.
    let results = set.run_tests();
    assert_eq!(results.len(), 1);
    assert!(results[0].failures.is_empty(), "{results:?}");

    let off = [file("maps/mood.toml", "[map]\nid = \"mood\"\noff = true\n")];
    let without = stack(&network, &off).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(without.describe().maps.iter().all(|map| map.id != "mood"));
    assert_eq!(without.describe().off[0].1.layer, Rank::Facility);
}

#[test]
fn what_is_wrong_in_a_layer_names_the_layer_file_line_rule_and_cell() {
    let check = |network: Vec<SourceFile>, line: usize, rule: &str, column: &str, en: &str| {
        let problems = stack(&network, &[]).map(|_| ()).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        let got = (problem.layer, problem.line, problem.rule.as_str(), problem.column.as_str());
        assert_eq!(got, (Rank::Network, line, rule, column), "{problem:#?}");
        assert!(problem.en.contains(en), "{problem:#?}");
        assert!(problem.to_string().starts_with("network: "), "{problem}");
    };
    check(
        layer("  { id = \"gone\", off = true },"),
        4,
        "patient/gone",
        "off",
        "No layer below has a row 'gone'",
    );
    check(
        layer("  { id = \"new\", to = \"active\", fixed = true, after = \"nobody\" },"),
        4,
        "patient/new",
        "after",
        "There is no row 'nobody'",
    );
    check(
        layer("  { id = \"birth\", to = \"birthdate\", from = \"PID-7\" },"),
        4,
        "patient/birth",
        "to",
        "birthdate",
    );
    let twice = "  { id = \"a\", to = \"active\", fixed = true },\n  { id = \"b\", to = \"deceasedBoolean\", fixed = true },\n  { id = \"a\", to = \"active\", fixed = false },";
    check(layer(twice), 6, "patient/a", "id", "two rows of the name 'a'");
    check(
        vec![file("tables/gender.csv", &format!("{HEAD},X,,,,,off\n"))],
        2,
        "gender",
        "equivalence",
        "No layer below has a row of this code",
    );
    check(
        vec![file("maps/x.toml", "[map]\nid = \"x\"\noff = true\n")],
        3,
        "x",
        "off",
        "No layer below has 'x'",
    );
    // The words of layers mean nothing in the lowest one.
    let low =
        layer("  { id = \"birth\", to = \"birthDate\", from = \"PID-7\", as = \"date\", after = \"name\" },");
    let problems = MappingSet::load(low).map(|_| ()).unwrap_err();
    let said = |p: &Problem| p.column == "after" && p.line == 4 && p.ja.contains("上に重ねる層");
    assert!(problems.iter().any(said), "{problems:#?}");
}

#[test]
fn the_last_row_of_a_chain_taken_away_leaves_no_next_dangling() {
    let problems = stack(&layer("  { id = \"gender-2\", off = true },"), &[]).map(|_| ()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].rule.as_str(), problems[0].column.as_str()), ("patient/gender", "else"));
}

#[test]
fn what_a_layer_brings_about_in_a_lower_file_is_told_as_that() {
    let problems = stack(&layer("  { id = \"gender-2\", off = true },"), &[]).err().unwrap();
    let problem = problems.first().unwrap();
    assert_eq!((problem.layer, problem.file.as_str()), (Rank::Shipped, "maps/patient.toml"));
    assert!(problem.ja.contains("重ねた層(地域まで)"), "{}", problem.ja);
    assert!(problem.en.ends_with("(up to 'network') changes or switches off."), "{}", problem.en);
    // Its own are told without it.
    let problems = stack(&layer("  { id = \"gender-3\", off = true },"), &[]).err().unwrap();
    assert!(problems.iter().all(|p| p.layer == Rank::Network && !p.ja.contains("重ねた層")), "{problems:?}");
}

#[test]
fn an_empty_list_in_a_heading_is_a_slip() {
    for (path, text, rule, column) in [
        ("maps/patient.toml", "[map]\nid = \"patient\"\nkey = []\n", "patient", "key"),
        ("messages/ADT.toml", "[message]\nid = \"ADT\"\nunit = []\n", "ADT", "unit"),
    ] {
        let problems = stack(&[file(path, text)], &[]).err().unwrap();
        let told: Vec<_> = problems.iter().map(|p| (p.line, p.rule.as_str(), p.column.as_str())).collect();
        assert_eq!(told, [(3, rule, column)], "{problems:?}");
    }
}

#[test]
fn what_a_layer_says_in_a_heading_is_told_with_its_place() {
    let network = [file("messages/ADT.toml", "[message]\nid = \"ADT\"\nreplaces = \"list\"\n")];
    let text = stack(&network, &[]).unwrap().describe();
    let message = &text.messages[0];
    let at = message.heading.iter().position(|(key, _)| *key == "replaces").unwrap();
    assert_eq!(message.heading[at].1, "list");
    let source = &message.heading_sources[at];
    assert_eq!((source.layer, source.line), (Rank::Network, 3));
    assert!(message.heading_sources.iter().filter(|source| source.layer == Rank::Network).count() == 1);
}

#[test]
fn a_file_of_utf_16_is_told_as_that() {
    let bytes: Vec<u8> = "\u{feff}id,名称\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (file, problem) = super::read(Rank::Network, "tables/t.csv", bytes);
    assert_eq!(file.text, "id,名称\r\n");
    let problem = problem.unwrap();
    assert!(problem.ja.contains("UTF-16") && problem.en.contains("UTF-16"), "{problem:?}");
}

#[test]
fn a_test_with_a_segment_that_nobody_knows_fails() {
    let test = "[[test]]\nname = \"slip\"\nmessage = \"PDI|||1\"\nexpect = { \"gender\" = \"unknown\" }\n";
    let network = [file("maps/patient.toml", &format!("[map]\nid = \"patient\"\n{test}"))];
    let results = stack(&network, &[]).unwrap().run_tests();
    let slip = results.iter().find(|result| result.name == "slip").unwrap();
    assert!(slip.failures[0].to_string().contains("'PDI'"), "{:?}", slip.failures);
}

#[test]
fn rows_of_a_map_that_no_layer_below_has_are_one_problem_that_names_the_nearest() {
    let check = |id: &str, ja: &str, en: &str| {
        let text = format!(
            "[map]\nid = \"{id}\"\nrules = [\n  {{ id = \"birth\", off = true }},\n  {{ id = \"x\", to = \"nowhere\", from = \"PID-7\", as = \"Nothing\" }},\n]\n\
             [[test]]\nname = \"a\"\nmessage = \"PID|1\"\nexpect = {{ gender = \"male\" }}\n"
        );
        let problems = stack(&[file("maps/own.toml", &text)], &[]).map(|_| ()).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert_eq!((problem.line, problem.rule.as_str(), problem.column.as_str()), (2, id, "id"));
        assert_eq!((problem.ja.as_str(), problem.en.as_str()), (ja, en));
    };
    check(
        "pateint",
        "下の層に pateint というマップはありません。patient のことですか。",
        "No layer below has a map 'pateint': did you mean 'patient'?",
    );
    check("mood", "下の層に mood というマップはありません。", "No layer below has a map 'mood'.");
    // Of a map of one's own what is missing is said.
    let own = file("maps/own.toml", "[map]\nid = \"mood\"\nfor = \"PID\"\nmakes = \"Patient\"\nrules = []\n");
    let problems = stack(&[own], &[]).map(|_| ()).unwrap_err();
    let missing: Vec<&str> = problems.iter().map(|problem| problem.column.as_str()).collect();
    assert_eq!(missing, ["title", "profile", "key"], "{problems:#?}");
}

#[test]
fn a_message_file_for_a_message_that_no_layer_below_has_is_one_problem_that_names_the_nearest() {
    let check = |text: &str, ja: &str, en: &str| {
        let layers = vec![
            Layer::new(Rank::Shipped, shipped()),
            Layer::new(Rank::Facility, vec![file("messages/own.toml", text)]),
        ];
        let problems = MappingSet::layered(layers).map(|_| ()).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{text}: {problems:#?}") };
        let cell = (problem.file.as_str(), problem.line, problem.column.as_str());
        assert_eq!(cell, ("messages/own.toml", 2, "id"), "{problem:#?}");
        assert_eq!((problem.ja.as_str(), problem.en.as_str()), (ja, en));
    };
    let skip = "skip = [{ from = \"NTE\", why = { ja = \"覚え書き\", en = \"a note\" } }]";
    let (ja, en) = (
        "下の層に OMP-1 という電文はありません。OMP-01 のことですか。",
        "No layer below has a message 'OMP-1': did you mean 'OMP-01'?",
    );
    for change in [skip, "is = \"MSH-9.1 = 'RDE'\"", "maps = [\"insurers\"]", "groups = [\"A = ORC RXE*\"]"] {
        check(&format!("[message]\nid = \"OMP-1\"\n{change}\n"), ja, en);
    }
    let lost = "No layer below has a message 'LAB-RESULTS'.";
    check(
        &format!("[message]\nid = \"LAB-RESULTS\"\n{skip}\n"),
        "下の層に LAB-RESULTS という電文はありません。",
        lost,
    );
    // Of a message of one's own what is missing is said, and one that says all of it may be called nearly as another.
    let own = |id: &str, title: &str| {
        let text = format!(
            "[message]\nid = \"{id}\"\n{title}\nis = \"MSH-9.1 = 'ZZZ'\"\nunit = [\"'own'\", \"MSH-10\"]\nreplaces = \"unit\"\nmaps = [\"patient\"]\n"
        );
        let files = vec![file("messages/own.toml", &text)];
        let layers = vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Facility, files)];
        let problems = MappingSet::layered(layers).map(|_| ()).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.column).collect::<Vec<_>>()
    };
    assert_eq!(own("OWN", ""), ["title"]);
    assert!(own("OMP-03", "title = { ja = \"処方\", en = \"Prescription\" }").is_empty());
}

/// What the shipped set says where one file is broken.
fn broken(path: &str, layer: &[SourceFile]) -> Vec<Problem> {
    let mut files = shipped();
    let hit = files.iter_mut().find(|one| one.path == path).unwrap_or_else(|| panic!("{path}"));
    hit.text.push_str("\n[[broken = \n also this ]\n");
    let layers = vec![Layer::new(Rank::Shipped, files), Layer::new(Rank::Network, layer.to_vec())];
    MappingSet::layered(layers).map(|_| ()).unwrap_err()
}

#[test]
fn a_file_that_is_no_toml_is_one_problem_and_what_it_has_is_missed_by_nobody() {
    for path in [
        "maps/practitioner.toml",
        "maps/insurer.toml",
        "types/identifiers.toml",
        "messages/OMP-12.toml",
        "feeds/lab-csv44.toml",
    ] {
        let problems = broken(path, &[]);
        let [problem] = problems.as_slice() else { panic!("{path}: {problems:#?}") };
        assert!(problem.file == path && problem.en.starts_with("The file is no TOML"), "{problem:#?}");
    }
    // Rows of a layer over it wait; what is wrong for another reason is said.
    let over = [
        file("maps/a.toml", "[map]\nid = \"insurer\"\nrules = [{ id = \"name-2\", off = true }]\n"),
        file("messages/a.toml", "[message]\nid = \"ADT-00\"\nmaps = [\"insurers\"]\n"),
        file(
            "maps/b.toml",
            "[map]\nid = \"coverage\"\nrules = [{ id = \"payor\", to = \"payor[]\", from = \"IN1\", as = \"ref made-by insurer\" },\n{ id = \"y\", to = \"stat\", fixed = \"a\" }]\n",
        ),
    ];
    let problems = broken("maps/insurer.toml", &over);
    let said: Vec<String> =
        problems.iter().map(|one| format!("{} {} {}", one.file, one.rule, one.column)).collect();
    assert_eq!(
        said,
        ["maps/insurer.toml  ", "maps/b.toml coverage/y to", "messages/a.toml ADT-00 maps"],
        "{problems:#?}"
    );
}

#[test]
fn tests_may_stand_in_a_file_of_their_own_that_says_of_which_map_they_are() {
    let tests = |map: &str, gender: &str| {
        let text = format!(
            "[[test]]\nmap = \"{map}\"\nname = \"女\"\nmessage = \"PID|||1||患者^花子|||F\"\nexpect = {{ gender = \"{gender}\" }}\n"
        );
        vec![file("maps/patient-tests.toml", &text)]
    };
    let failed = |set: &MappingSet| set.run_tests().iter().filter(|test| !test.failures.is_empty()).count();
    assert_eq!(failed(&stack(&tests("patient", "female"), &[]).unwrap()), 0);
    assert_eq!(failed(&stack(&tests("patient", "male"), &[]).unwrap()), 1);
    // The same name in a higher layer takes its place.
    assert_eq!(failed(&stack(&tests("patient", "male"), &tests("patient", "female")).unwrap()), 0);
    let problems = stack(&tests("patients", "female"), &[]).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!((problem.file.as_str(), problem.column.as_str()), ("maps/patient-tests.toml", "map"));
    assert!(problem.en.contains("no map 'patients'"), "{problem:#?}");
}

/// The one problem of a layer over the shipped set.
fn only(path: &str, text: &str) -> Problem {
    let layers =
        vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, vec![file(path, text)])];
    let problems = MappingSet::layered(layers).map(|_| ()).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    problem.clone()
}

#[test]
fn a_row_put_into_a_chain_is_blamed_itself() {
    let row = "{ id = \"chiiki\", to = \"active\", fixed = true, after = \"gender\" },";
    let problems = stack(&layer(row), &[]).map(|_| ()).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let cell = (problem.layer, problem.line, problem.rule.as_str(), problem.column.as_str());
    assert_eq!(cell, (Rank::Network, 4, "patient/chiiki", "after"));
    assert!(problem.ja.contains("after = \"gender-2\"") && problem.en.contains("'gender'"), "{problem:?}");
    // Behind the chain it may stand.
    assert!(stack(&layer(&row.replace("\"gender\"", "\"gender-2\"")), &[]).is_ok());
}

#[test]
fn sentences_about_a_lower_file_are_parted() {
    let network = layer("{ id = \"gender-3\", to = \"gender\", fixed = \"other\", after = \"name\" },");
    let problems = stack(&network, &[]).map(|_| ()).unwrap_err();
    let lower: Vec<&Problem> = problems.iter().filter(|problem| problem.layer == Rank::Shipped).collect();
    assert!(!lower.is_empty(), "{problems:#?}");
    assert!(lower.iter().all(|problem| problem.en.contains(". It stands in a lower layer")), "{lower:#?}");
}

#[test]
fn a_row_that_is_switched_off_and_written_too_is_refused() {
    for rows in [
        "  { id = \"birth\", off = true },\n  { id = \"birth\", to = \"birthDate\", from = \"PID-7\", as = \"date\" },",
        "  { id = \"birth\", to = \"birthDate\", from = \"PID-7\", as = \"date\" },\n  { id = \"birth\", off = true },",
    ] {
        let problems = stack(&layer(rows), &[]).map(|_| ()).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert_eq!(
            (problem.line, problem.rule.as_str(), problem.column.as_str()),
            (5, "patient/birth", "off")
        );
    }
}

#[test]
fn a_misspelt_submap_or_type_names_the_nearest() {
    let rules = "rules = [{ id = \"x\", off = true }]\n";
    let problem =
        only("maps/a.toml", &format!("[map]\nid = \"patient\"\n[[submap]]\nid = \"contct\"\n{rules}"));
    assert_eq!((problem.line, problem.rule.as_str(), problem.column.as_str()), (4, "contct", "id"));
    assert!(
        problem.ja.contains("contact のことですか") && problem.en.contains("did you mean 'contact'"),
        "{problem:?}"
    );
    let problem = only("types/a.toml", &format!("[[type]]\nid = \"XPN.jpp\"\n{rules}"));
    assert_eq!((problem.line, problem.column.as_str()), (2, "id"));
    assert!(problem.en.contains("did you mean 'XPN.jp'"), "{problem:?}");
}

#[test]
fn a_list_parted_by_a_comma_of_japanese_text_is_refused() {
    for list in ["PID-8 in 'M、F'", "PID-8 in 'M，F'", "PID-8 starts 'M､F'", "not PID-8 ends 'M、F'"] {
        let row = format!(
            "  {{ id = \"birth\", to = \"birthDate\", from = \"PID-7\", as = \"date\", when = \"{list}\" }},"
        );
        let problems = stack(&layer(&row), &[]).map(|_| ()).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert_eq!((problem.rule.as_str(), problem.column.as_str()), ("patient/birth", "when"), "{list}");
        assert!(problem.ja.contains("半角のカンマ") && problem.en.contains("'M,F'"), "{problem:?}");
    }
    let one = "  { id = \"birth\", to = \"birthDate\", from = \"PID-7\", as = \"date\", when = \"PID-8 = 'M、F'\" },";
    assert!(stack(&layer(one), &[]).is_ok(), "one text may have it");
}

#[test]
fn a_copy_put_away_in_a_folder_of_the_layer_is_told_and_does_not_pass() {
    for path in ["old/maps/patient.toml", "old/tables/gender.csv", "tables/a/b/gender.csv", "a/b/maps/x.toml"]
    {
        let text = if path.ends_with("csv") {
            "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n,M,,,other,,equal\n"
        } else {
            "[map]\nid = \"patient\"\n"
        };
        let problems = stack(&[file(path, text)], &[]).map(|_| ()).unwrap_err();
        assert!(problems.iter().any(|p| p.file == path && p.ja.contains("層の直下")), "{path}: {problems:?}");
    }
}

#[test]
fn a_full_width_sign_is_named() {
    let text = "[map]\nid = \"patient\"\nkey ＝ [\"PID-3.1\"]   # 「＝」\n";
    let problems = stack(&[file("maps/a.toml", text)], &[]).map(|_| ()).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(
        problem.line == 3 && problem.ja.contains("全角の「＝」") && problem.en.contains("full-width '＝'")
    );
    // In a text it is a letter like any other.
    let text = "[map]\nid = \"patient\"\ntitle = { ja = \"患者＝人\" en = \"Patient\" }\n";
    let problems = stack(&[file("maps/a.toml", text)], &[]).map(|_| ()).unwrap_err();
    assert!(!problems[0].ja.contains("全角"), "{problems:?}");
}

#[test]
fn a_literal_that_is_no_date_is_compared_with_nothing() {
    let row = |literal: &str| {
        layer(&format!(
            "  {{ id = \"old\", to = \"active\", fixed = true, when = \"PID-7 before '{literal}'\" }},"
        ))
    };
    assert!(stack(&row("20260401"), &[]).is_ok());
    for literal in ["2020/1/1", "令和2年", "20201301", "２０２６0401", ""] {
        let problems = stack(&row(literal), &[]).map(|_| ()).unwrap_err();
        assert!(
            problems.iter().any(|p| p.column == "when" && p.rule.ends_with("old")),
            "{literal}: {problems:?}"
        );
    }
}
