//! Mistakes that people make in whole files of a layer over the shipped set: `mapping check` names file, line and cell.

use super::tests::{file, shipped};
use super::{Layer, MappingSet, Problem, Rank, SourceFile};

/// What is said of a network's files, and of a facility's over them: problems, and notes where there are none.
fn said(network: &[(&str, &str)], facility: &[(&str, &str)]) -> (Vec<Problem>, Vec<Problem>) {
    let files = |list: &[(&str, &str)]| -> Vec<SourceFile> {
        list.iter().map(|(path, text)| file(path, text)).collect()
    };
    let layers = vec![
        Layer::new(Rank::Shipped, shipped()),
        Layer::new(Rank::Network, files(network)),
        Layer::new(Rank::Facility, files(facility)),
    ];
    match MappingSet::layered(layers) {
        Ok(set) => (Vec::new(), set.notes().to_vec()),
        Err(problems) => (problems, Vec::new()),
    }
}

/// File, line, rule and cell.
fn cell(problem: &Problem) -> (&str, usize, &str, &str) {
    (&problem.file, problem.line, &problem.rule, &problem.column)
}

/// All of them, for one assertion.
fn cells(problems: &[Problem]) -> Vec<(&str, usize, &str, &str)> {
    problems.iter().map(cell).collect()
}

#[track_caller]
fn one(problems: &[Problem], wanted: (&str, usize, &str, &str), ja: &[&str], en: &[&str]) {
    let [problem] = problems else { panic!("{problems:#?}") };
    assert_eq!(cell(problem), wanted, "{problem:#?}");
    for part in ja {
        assert!(problem.ja.contains(part), "{part}: {problem:#?}");
    }
    for part in en {
        assert!(problem.en.contains(part), "{part}: {problem:#?}");
    }
}

fn message(id: &str, is: &str) -> String {
    format!(
        "[message]\nid = \"{id}\"\ntitle = {{ ja = \"自前\", en = \"Own\" }}\nis = \"{is}\"\nunit = [\"'own'\", \"MSH-10\"]\n\
         replaces = \"unit\"\nmaps = [\"patient\"]\n"
    )
}

#[test]
fn a_message_file_that_takes_the_messages_of_others_is_told_with_them_and_with_who_wins() {
    let adt = "MSH-9.1 = 'ADT'";
    let path = "messages/own.toml";
    // By its id it comes first, and takes all of them.
    let (problems, _) = said(&[(path, &message("ADT", adt))], &[]);
    let all = "ADT-00、ADT-01、ADT-12、ADT-21、ADT-22、ADT-31、ADT-32、ADT-41、ADT-42、ADT-51、ADT-52、ADT-61、ADT-A40、ADT-A43、ADT-A44";
    one(
        &problems,
        (path, 4, "ADT", "is"),
        &[&format!("({all})"), "その電文は ADT が読み、もとのファイルの規則は使われません", "off = true"],
        &["other files (ADT-00, ADT-01", "'ADT' reads them, and what the other files", "0-9, A-Z"],
    );
    assert!(problems[0].doubt && !problems[0].ja.contains("これまでどおり"), "{problems:#?}");
    // By another the shipped files come first, and it has what is left.
    let (problems, _) = said(&[(path, &message("OWN", adt))], &[]);
    one(
        &problems,
        (path, 4, "OWN", "is"),
        &["(ADT-00、ADT-01", "その電文はこれまでどおりもとのファイルが読み、OWN は読みません"],
        &["(ADT-00, ADT-01", "'OWN' does not read them: the other files do, as before"],
    );
    // Some are before it, some behind.
    let (problems, _) = said(&[(path, &message("ADT-50", adt))], &[]);
    one(
        &problems,
        (path, 4, "ADT-50", "is"),
        &[
            "ADT-51、ADT-52、ADT-61、ADT-A40、ADT-A43、ADT-A44 の電文は ADT-50 が読み",
            "ADT-41、ADT-42 の電文はこれまでどおり",
        ],
        &["'ADT-50' reads those of ADT-51, ADT-52", "'ADT-50' does not read those of ADT-00, ADT-01"],
    );
    // A condition that a layer gives a shipped file.
    let wide = "[message]\nid = \"ADT-61\"\nis = \"MSH-9.1 = 'ADT' and MSH-9.2 in 'A60,A40'\"\n";
    let (problems, _) = said(&[(path, wide)], &[]);
    one(
        &problems,
        (path, 3, "ADT-61", "is"),
        &["(ADT-A40)", "その電文は ADT-61 が読み"],
        &["'ADT-61' reads them"],
    );
    // Conditions of two alternatives, and one about lines.
    for (is, other) in [
        ("MSH-9.1 = 'ORU'", "OMG-13"),
        ("MSH-9.1 = 'OUL' and MSH-9.2 in 'R21,R99'", "ORU-R01"),
        ("MSH-9.1 = 'PPR' and PRB[.3.1 starts 'A'] valued and MSH-9.2 = 'ZD1' and MSH-3 missing", "PPR-01"),
        ("MSH-3 = 'LIS'", "ADT-00"),
    ] {
        let (problems, _) = said(&[(path, &message("ZZZ", is))], &[]);
        one(&problems, (path, 4, "ZZZ", "is"), &[other], &[other]);
    }
}

#[test]
fn a_message_file_for_a_part_of_the_messages_of_another_is_a_note_where_it_comes_first() {
    let part = "MSH-9.1 = 'ORU' and MSH-9.2 = 'R30' and MSH-3 = 'MONITOR'";
    let path = "messages/own.toml";
    let (problems, notes) = said(&[(path, &message("MONITOR", part))], &[]);
    assert_eq!(problems, []);
    one(
        &notes,
        (path, 4, "MONITOR", "is"),
        &["ORU-R30", "MONITOR だけが読み"],
        &["'MONITOR' alone reads them"],
    );
    // Behind the other it would never be asked.
    let (problems, _) = said(&[(path, &message("ZMONITOR", part))], &[]);
    one(
        &problems,
        (path, 4, "ZMONITOR", "is"),
        &["ZMONITOR は読みません"],
        &["'ZMONITOR' does not read them"],
    );
    // The same of two layers, and of two files of one.
    let network = message("ZZA", "MSH-9.1 = 'ZZA'");
    let narrow = message("ZAA", "MSH-9.1 = 'ZZA' and MSH-9.2 = 'Z01'");
    let (problems, notes) = said(&[("messages/a.toml", &network)], &[(path, &narrow)]);
    assert_eq!(problems, []);
    assert_eq!(cells(&notes), [(path, 4, "ZAA", "is")]);
    let (problems, notes) = said(&[("messages/a.toml", &network), (path, &narrow)], &[]);
    assert_eq!((problems, notes.len()), (vec![], 1));
    let (problems, _) = said(&[("messages/a.toml", &network)], &[(path, &message("ZAA", "MSH-9.1 = 'ZZA'"))]);
    one(&problems, (path, 4, "ZAA", "is"), &["その電文は ZAA が読み"], &["'ZAA' reads them"]);
}

#[test]
fn conditions_that_exclude_each_other_or_cannot_be_decided_are_no_overlap() {
    for is in [
        "MSH-9.1 = 'ADT' and MSH-9.2 = 'A05'",
        "MSH-9.1 = 'ADT' and not MSH-9.2 in 'A01,A02,A03,A04,A08,A11,A12,A13,A14,A15,A16,A21,A22,A23,A25,A26,A27,A28,A31,A40,A43,A44,A52,A53,A54,A55,A60'",
        "MSH-9.1 = 'ADT' and MSH-9.2 = 'A01' and PV1-2 = 'O' and PV1 missing",
        "MSH-9.1 = 'MFN'",
        "MSH-9.1 = 'OML' and MSH-9.2 = 'O21' and folder valued",
        // Which lines a message has is known when it comes.
        "MSH-9.1 = 'OMI' and MSH-9.2 = 'Z23' and IPC[.5.1 = 'CT'] valued and OBR[.4.3 = 'X'] valued and folder missing",
        // Files of a folder of one's own are of that folder, whatever their type.
        "folder = 'S-01'",
    ] {
        for id in ["AAA", "ZZZ"] {
            let (problems, notes) = said(&[("messages/own.toml", &message(id, is))], &[]);
            assert_eq!((problems, notes), (vec![], vec![]), "{is}");
        }
    }
    // What a layer switches off takes no messages, and gives none.
    let off = "[message]\nid = \"ORU-R30\"\noff = true\n";
    let own = message("VITALS", "MSH-9.1 = 'ORU' and MSH-9.2 = 'R30'");
    assert_eq!(said(&[("messages/a.toml", off), ("messages/b.toml", &own)], &[]), (vec![], vec![]));
    // One message file for each layout of a feed.
    let twice = "[message]\nid = \"CSV\"\ntitle = { ja = \"自前\", en = \"Own\" }\nfeed = \"lab-csv44\"\nunit = [\"'own'\", \"MSH-10\"]\nreplaces = \"unit\"\nmaps = [\"patient\"]\n";
    let (problems, _) = said(&[("messages/own.toml", twice)], &[]);
    one(
        &problems,
        ("messages/own.toml", 4, "CSV", "feed"),
        &["その電文は CSV が読み"],
        &["'CSV' reads them"],
    );
}

#[test]
fn what_is_to_be_switched_off_and_is_not_there_names_the_nearest() {
    let rows = "[map]\nid = \"patient\"\nrules = [\n  { id = \"wrok\", off = true },\n  { id = \"x\", to = \"name[]\", from = \"PID-9\", as = \"XPN.jp\", after = \"nmae\" },\n]\n";
    let (problems, _) = said(&[("maps/own.toml", rows)], &[]);
    let [off, after] = problems.as_slice() else { panic!("{problems:#?}") };
    assert_eq!(cell(off), ("maps/own.toml", 4, "patient/wrok", "off"));
    assert!(off.ja.ends_with("work のことですか。") && off.en.ends_with("Did you mean 'work'?"), "{off:#?}");
    assert_eq!(cell(after), ("maps/own.toml", 5, "patient/x", "after"));
    assert!(
        after.ja.contains("name のことですか") && after.en.contains("Did you mean 'name'?"),
        "{after:#?}"
    );
    for (path, text, line, rule, near) in [
        ("maps/own.toml", "[map]\nid = \"pateint\"\noff = true\n", 3, "pateint", "patient"),
        ("messages/own.toml", "[message]\nid = \"ADT-0\"\noff = true\n", 3, "ADT-0", "ADT-00"),
        ("types/own.toml", "[[type]]\nid = \"XPN.jpp\"\noff = true\n", 3, "XPN.jpp", "XPN.jp"),
        (
            "messages/own.toml",
            "[message]\nid = \"ADT-00\"\nlet = [\n  { name = \"nothing-like-it\", off = true },\n]\n",
            4,
            "ADT-00/nothing-like-it",
            "",
        ),
    ] {
        let (problems, _) = said(&[(path, text)], &[]);
        let (ja, en) = (format!("{near} のことですか"), format!("Did you mean '{near}'?"));
        match near {
            "" => assert!(!problems[0].ja.contains("のことですか"), "{problems:#?}"),
            _ => one(&problems, (path, line, rule, "off"), &[&ja], &[&en]),
        }
    }
}

#[test]
fn everything_that_is_wrong_with_a_row_is_told_at_once() {
    let row = |row: &str| format!("[map]\nid = \"patient\"\nrules = [\n  {row},\n]\n");
    let whole = r#"{ id = "x", to = "nothing", from = "PIX-3", as = "datetime", when = "PID-8 = 'M", else = "wran" }"#;
    let (problems, _) = said(&[("maps/own.toml", &row(whole))], &[]);
    let mut columns: Vec<&str> = problems.iter().map(|problem| problem.column.as_str()).collect();
    columns.sort_unstable();
    assert_eq!(columns, ["as", "else", "from", "to", "when"], "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.rule == "patient/x" && problem.line == 4), "{problems:#?}");
    let each = r#"{ id = "x", to = "contact", each = "NK1[", use = "contcat", when = "PID-8" }"#;
    let (problems, _) = said(&[("maps/own.toml", &row(each))], &[]);
    let mut columns: Vec<&str> = problems.iter().map(|problem| problem.column.as_str()).collect();
    columns.sort_unstable();
    assert_eq!(columns, ["each", "to", "use", "when"], "{problems:#?}");
    // A target that is not written is told once.
    let (problems, _) = said(&[("maps/own.toml", &row(r#"{ id = "x", from = "PID-3", as = "dat" }"#))], &[]);
    assert_eq!(
        cells(&problems),
        [("maps/own.toml", 4, "patient/x", "to"), ("maps/own.toml", 4, "patient/x", "as")],
        "{problems:#?}"
    );
}

#[test]
fn every_line_of_a_file_that_cannot_be_read_is_told() {
    let rows = "[map]\nid = \"patient\"\nrules = [\n  { id = \"work\" off = true },\n  { id = \"home\", off = true },\n  { id = \"name, off = true },\n]\n";
    let (problems, _) = said(&[("maps/own.toml", rows)], &[]);
    assert_eq!(cells(&problems), [("maps/own.toml", 4, "", ""), ("maps/own.toml", 6, "", "")]);
    assert!(problems[1].ja.contains("TOML として読めるようになってから調べます"), "{problems:#?}");
    assert!(problems[1].en.contains("looked at when it can be read"), "{problems:#?}");
    assert!(!problems[0].ja.contains("調べます"), "{problems:#?}");
    let comma = "[map]\nid = \"patient\"\nrules = [\n  { id = \"work\", off = true }\n  { id = \"home\", off = true },\n]\n";
    let (problems, _) = said(&[("maps/own.toml", comma)], &[]);
    one(
        &problems,
        ("maps/own.toml", 5, "", ""),
        &["前の行の終わりにカンマがありません"],
        &["does not end in a comma"],
    );
    let open = "[map]\nid = \"patient\"\nrules = [\n  { id = \"work\", off = true\n  { id = \"home\", off = true },\n  { id = \"name\" off = true },\n]\n";
    let (problems, _) = said(&[("maps/own.toml", open)], &[]);
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert!(
        problem.ja.contains("まだ調べていません") && problem.en.contains("were not looked at"),
        "{problem:#?}"
    );
}

#[test]
fn a_misspelt_type_of_resource_is_one_problem_that_names_the_nearest() {
    let map = "[map]\nid = \"flags\"\ntitle = { ja = \"フラグ\", en = \"Flags\" }\nfor = \"OBX\"\nmakes = \"Observaton\"\n\
               profile = \"JP_Observation_Common\"\nkey = [\"OBX-3.1\"]\nrules = [\n  { id = \"status\", to = \"status\", fixed = \"final\" },\n  { id = \"code\", to = \"code\", from = \"OBX-3\", as = \"CWE\" },\n]\n";
    let (problems, _) = said(&[("maps/own.toml", map)], &[]);
    one(
        &problems,
        ("maps/own.toml", 5, "flags", "makes"),
        &["Observaton という種類のリソースは FHIR R4 にありません。Observation のことですか。"],
        &["FHIR R4 has no resource 'Observaton'. Did you mean 'Observation'?"],
    );
    let submap = "[map]\nid = \"patient\"\nrules = [\n  { id = \"c\", to = \"contact[]\", each = \"NK1\", use = \"c\" },\n]\n[[submap]]\nid = \"c\"\n\
                  makes = \"Patient.contct\"\nrules = [{ id = \"a\", to = \"name\", from = \"NK1-2[1]\", as = \"XPN.jp\" }]\n";
    let (problems, _) = said(&[("maps/own.toml", submap)], &[]);
    one(
        &problems,
        ("maps/own.toml", 8, "c", "makes"),
        &["Patient.contact のことですか"],
        &["'Patient.contact'"],
    );
    let kind = "[[type]]\nid = \"Phone\"\nmakes = \"ContactPiont\"\nrules = [{ id = \"v\", to = \"value\", from = \".1\" }]\n";
    let row = "[map]\nid = \"patient\"\nrules = [\n  { id = \"p\", to = \"telecom[]\", from = \"PID-40[*]\", as = \"Phone\" },\n]\n";
    let (problems, _) = said(&[("types/own.toml", kind), ("maps/own.toml", row)], &[]);
    one(
        &problems,
        ("types/own.toml", 3, "Phone", "makes"),
        &["ContactPoint のことですか"],
        &["'ContactPoint'"],
    );
}

#[test]
fn a_wrong_heading_and_a_wrong_key_name_the_right_one() {
    for (path, text, line, column, ja, en) in [
        (
            "types/own.toml",
            "[type]\nid = \"XTN\"\nmakes = \"ContactPoint\"\n",
            1,
            "type",
            "[[type]] とかっこを二重に",
            "write [[type]]",
        ),
        (
            "types/own.toml",
            "[[types]]\nid = \"X\"\n",
            1,
            "types",
            "type のことですか",
            "Did you mean 'type'?",
        ),
        ("maps/own.toml", "[[map]]\nid = \"patient\"\n", 1, "map", "[map] と書きます", "single brackets"),
        ("maps/own.toml", "[maps]\nid = \"patient\"\n", 1, "maps", "map のことですか", "Did you mean 'map'?"),
        (
            "maps/own.toml",
            "[message]\nid = \"ADT-00\"\n",
            1,
            "message",
            "messages フォルダに置きます",
            "the folder messages",
        ),
        (
            "messages/own.toml",
            "[[type]]\nid = \"X\"\n",
            1,
            "type",
            "types フォルダに置きます",
            "the folder types",
        ),
        (
            "maps/own.toml",
            "[map]\nid = \"patient\"\nruls = []\n",
            3,
            "ruls",
            "rules のことですか",
            "Did you mean 'rules'?",
        ),
        (
            "maps/own.toml",
            "[map]\nid = \"patient\"\n[[submaps]]\nid = \"c\"\n",
            3,
            "submaps",
            "submap のことですか",
            "Did you mean 'submap'?",
        ),
    ] {
        let (problems, _) = said(&[(path, text)], &[]);
        let told = problems.iter().find(|problem| problem.column == column);
        let told = told.unwrap_or_else(|| panic!("{text}: {problems:#?}"));
        assert_eq!((told.file.as_str(), told.line), (path, line), "{told:#?}");
        assert!(told.ja.contains(ja) && told.en.contains(en), "{told:#?}");
        assert!(
            problems.iter().all(|problem| !problem.en.ends_with("is missing.") || !problem.column.is_empty()),
            "{problems:#?}"
        );
    }
    // Keys of a map that a type has not.
    let keys = "[[type]]\nid = \"Phone\"\ntitle = { ja = \"x\", en = \"x\" }\nfor = \"XTN\"\nmake = \"ContactPoint\"\nmakes = \"ContactPoint\"\nprofile = \"none\"\nrules = [{ id = \"v\", to = \"value\", from = \".1\" }]\n";
    let (problems, _) = said(&[("types/own.toml", keys)], &[]);
    let of = |line, column| ("types/own.toml", line, "Phone", column);
    assert_eq!(
        cells(&problems),
        [of(3, "title"), of(4, "for"), of(5, "make"), of(7, "profile")],
        "{problems:#?}"
    );
    assert!(
        problems[2].ja.contains("makes のことですか") && problems[0].ja.contains("[[type]] では使いません")
    );
    // What did nothing before stops nobody now.
    assert!(problems[0].doubt && problems[1].doubt && !problems[2].doubt, "{problems:#?}");
}

#[test]
fn what_the_network_leaves_out_and_a_facility_writes_is_told_where_it_is_written_with_both_files() {
    let off = "[map]\nid = \"patient\"\nrules = [\n  { id = \"work\", off = true },\n]\n";
    let skip = "[message]\nid = \"ADT-00\"\nskip = [\n  { from = \"PID-14\", why = { ja = \"地域では共有しない\", en = \"not shared\" } },\n]\n";
    let back = |id: &str| {
        format!(
            "[map]\nid = \"patient\"\n\nrules = [\n  {{ id = \"{id}\", to = \"telecom[]\", from = \"PID-14[*]\", as = \"XTN\" }},\n]\n"
        )
    };
    let network = [("maps/n.toml", off), ("messages/n.toml", skip)];
    for id in ["work", "hospital-work"] {
        let (problems, _) = said(&network, &[("maps/f.toml", &back(id))]);
        one(
            &problems,
            ("maps/f.toml", 5, &format!("patient/{id}"), "from"),
            &[
                "PID-14 は、地域の層(messages/n.toml の 4 行)が skip で送らない",
                "地域では共有しない",
                "この行があるので送られます",
            ],
            &["The network's layer says in a skip (messages/n.toml:4) that PID-14 is left out: not shared."],
        );
        assert_eq!(problems[0].layer, Rank::Facility);
    }
    // Without a reason in a skip the facility may differ, and that is told.
    let (problems, notes) = said(&network[..1], &[("maps/f.toml", &back("work"))]);
    assert_eq!(problems, []);
    one(
        &notes,
        ("maps/f.toml", 5, "patient/work", ""),
        &["地域の層(maps/n.toml の 4 行)が off = true で止めている", "もう一度書くので、送られます"],
        &["The network's layer has switched this row off (maps/n.toml:4)"],
    );
    // What the network's own rows still write is said of its skip, as ever.
    let (problems, _) = said(&network[1..], &[]);
    one(
        &problems,
        ("messages/n.toml", 4, "ADT-00/PID-14", "from"),
        &["まだ規則 patient/work"],
        &["still writes PID-14"],
    );
}

#[test]
fn a_file_over_what_the_network_has_switched_off_as_a_whole_is_told() {
    let map = "[map]\nid = \"coverage\"\noff = true\n";
    let rows = "[map]\nid = \"coverage\"\nrules = [{ id = \"status\", off = true }]\n";
    let (problems, _) = said(&[("maps/n.toml", map)], &[("maps/f.toml", rows)]);
    one(
        &problems,
        ("maps/f.toml", 1, "coverage", "id"),
        &[
            "coverage は、地域の層(maps/n.toml の 3 行)が off = true で止めているので、このファイルは何も変えません",
        ],
        &["has switched 'coverage' off (maps/n.toml:3), so this file changes nothing"],
    );
    let message = "[message]\nid = \"ORU-R30\"\noff = true\n";
    let change = "[message]\nid = \"ORU-R30\"\nreplaces = \"nothing\"\n";
    let (problems, _) = said(&[("messages/n.toml", message)], &[("messages/f.toml", change)]);
    one(
        &problems,
        ("messages/f.toml", 1, "ORU-R30", "id"),
        &["地域の層(messages/n.toml の 3 行)"],
        &["messages/n.toml:3"],
    );
    assert_eq!(said(&[("messages/n.toml", message)], &[("messages/f.toml", message)]).0, []);
}
