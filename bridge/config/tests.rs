//! What is said of configurations, right and wrong.

use super::{Problem, Weight, parse};
use crate::intake::Kind;
use std::path::Path;
use std::time::Duration;

const EXAMPLE: &str = include_str!("../../systemd/bridge.toml.example");

/// The lines and settings of the problems of a text.
fn problems(text: &str) -> Vec<(usize, String)> {
    let found: Vec<Problem> = match parse(Path::new("bridge.toml"), text) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    for problem in &found {
        assert!(!problem.ja.is_empty() && problem.ja != problem.en, "{problem}");
    }
    let mut places: Vec<_> = found.into_iter().map(|problem| (problem.line, problem.key)).collect();
    places.sort();
    places
}

fn check(text: &str, expected: &[(usize, &str)]) {
    let expected: Vec<(usize, String)> =
        expected.iter().map(|(line, key)| (*line, (*key).to_owned())).collect();
    assert_eq!(problems(text), expected);
}

#[test]
fn the_example_is_read_without_a_problem() {
    let (config, warnings) = parse(Path::new("/etc/renkei-bridge/bridge.toml"), EXAMPLE).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.facilities.len(), 2);
    assert_eq!(config.facilities[0].patient_id.width, 10);
    assert_eq!(config.feeds[0].duplicate_window, Duration::from_secs(7 * 86_400));
    assert!(
        matches!(&config.feeds[1].kind, Kind::Ssmix2(storage) if storage.path == Path::new("/srv/ssmix2/central"))
    );
    assert_eq!(config.bases[0].retry_max, Duration::from_secs(900));
    assert_eq!(config.store.soft_free, 2 << 30);
}

#[test]
fn names_of_files_are_relative_to_the_configuration() {
    let text = "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\ngaiji = 'g.csv'\n\
                [[feed]]\nname = 's'\nfacility = '1319999999'\nkind = 'ssmix2'\npath = 'storage'\n";
    let (config, _) = parse(Path::new("/etc/renkei/bridge.toml"), text).unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/renkei/data"));
    assert_eq!(config.facilities[0].gaiji.as_deref(), Some(Path::new("/etc/renkei/g.csv")));
    assert!(
        matches!(&config.feeds[0].kind, Kind::Ssmix2(storage) if storage.path == Path::new("/etc/renkei/storage"))
    );
}

#[test]
fn mappings_are_a_folder_or_a_section_and_a_facility_has_its_layer() {
    let text = |mappings: &str, own: &str| {
        format!("data_dir = 'data'\n{mappings}\n[[facility]]\ncode = '1319999999'\n{own}\n")
    };
    let read = |mappings: &str, own: &str| {
        let (config, problems) = parse(Path::new("/etc/renkei/bridge.toml"), &text(mappings, own)).unwrap();
        assert!(problems.iter().all(|problem| problem.key == "facility[1]"), "{problems:?}");
        (config.mappings, config.facilities[0].mappings.clone())
    };
    let at = |name: &str| Some(Path::new("/etc/renkei").join(name));
    let (set, own) = read("mappings = 'set'", "");
    assert_eq!((set.shipped, set.network, own), (at("set"), None, None));
    let (set, own) = read("[mappings]\nnetwork = 'net'", "mappings = 'own'");
    assert_eq!((set.shipped, set.network, own), (None, at("net"), at("own")));
    check(&text("[mappings]\nnetwrk = 'net'", ""), &[(3, "mappings.netwrk"), (4, "facility[1]")]);
}

#[test]
fn a_sender_whose_rows_name_their_facility_has_a_store_and_no_base() {
    let text = "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\n\
                [[feed]]\nname = 'l'\nkind = 'folder'\npath = 'lab'\nlayout = 'lab-csv44'\nfacility = 'field'\n\
                sender = 'lab-a'\nallow = ['1319999999']\n\
                [[base]]\nname = 'b'\nkind = 'fhir-rest'\nurl = 'http://localhost/'\nfacilities = ['*']\n";
    let (config, problems) = parse(Path::new("/etc/renkei/bridge.toml"), text).unwrap();
    assert_eq!(problems, []);
    assert_eq!(config.senders(), ["lab-a"]);
    assert!(config.sends(&config.bases[0], "1319999999") && !config.sends(&config.bases[0], "lab-a"));
    assert!(
        matches!(&config.feeds[0].kind, Kind::Folder(folder) if folder.path == Path::new("/etc/renkei/lab"))
    );
    check(&text.replace("allow = ['1319999999']", "allow = ['1319999998']"), &[(11, "feed[1].allow")]);
}

#[test]
fn every_problem_is_said_at_once_with_its_line() {
    let text = "\
data_dir = '/tmp/x'
colour = 'blue'
[store]
soft_free = 5
[[facility]]
code = '131999999'
[[facility]]
code = '1319999999'
[[facility]]
code = '1319999999'
[[feed]]
name = 'a'
facility = '1319999998'
kind = 'mllp'
listen = '0.0.0.0:8080'
idle_timeout = '10'
[[feed]]
name = 'a'
facility = '1319999999'
kind = 'mllp'
listen = '127.0.0.1:8080'
[[base]]
name = 'b'
kind = 'fhir-rest'
url = 'ftp://base/fhir'
facilities = ['1319999999', '1310000000']
timeout = '0s'
";
    // facility[1] is asked where it is sent to, whatever its code; so is the address of a feed with a wrong time.
    check(
        text,
        &[
            (2, "colour"),
            (4, "store.soft_free"),
            (5, "facility[1]"),
            (6, "facility[1].code"),
            (10, "facility[3].code"),
            (13, "feed[1].facility"),
            (15, "feed[1].listen"),
            (16, "feed[1].idle_timeout"),
            (18, "feed[2].name"),
            (21, "feed[2].listen"),
            (25, "base[1].url"),
            (26, "base[1].facilities"),
            (27, "base[1].timeout"),
        ],
    );
}

#[test]
fn a_console_beyond_this_machine_needs_tls() {
    let with = |console: &str| {
        format!(
            "data_dir = 'd'\n[[facility]]\ncode = '1319999999'\n[console]\n{console}\n\
             [[base]]\nname = 'b'\nkind = 'fhir-rest'\nurl = 'http://h/fhir'\nfacilities = ['*']\n"
        )
    };
    check(&with("listen = '0.0.0.0:8443'"), &[(4, "console.listen")]);
    check(&with("listen = '[::]:8443'"), &[(4, "console.listen")]);
    check(&with("listen = '[::1]:8443'"), &[]);
    let tls = with("listen = '0.0.0.0:8443'\ntls = { cert = 'c.pem', key = 'k.pem' }");
    check(&tls, &[]);
    let (config, _) = parse(Path::new("/etc/x/bridge.toml"), &tls).unwrap();
    assert_eq!(config.console.tls.unwrap().cert, Path::new("/etc/x/c.pem"));
    let text = "data_dir = 'd'\n[console]\nlisten = '10.0.0.1:1'\n[[facility]]\ncode = '1319999999'\n";
    let said = parse(Path::new("bridge.toml"), text).unwrap_err();
    let problem = said.iter().find(|problem| problem.key == "console.listen").unwrap();
    assert!(problem.ja.contains("TLS がありません") && problem.en.contains("has no TLS"), "{problem}");
}

#[test]
fn two_mistakes_of_one_section_are_both_said() {
    check(
        "data_dir = '/tmp/x'\n[[facility]]\ncode = '1319999999'\nnmae = 'x'\n\
         patient_id = { widht = 3, strip = 4 }\n",
        &[
            (2, "facility[1]"),
            (4, "facility[1].nmae"),
            (5, "facility[1].patient_id.strip"),
            (5, "facility[1].patient_id.widht"),
        ],
    );
}

#[test]
fn every_wrong_setting_of_a_feed_is_said_at_its_own_line() {
    check(
        "data_dir = '/tmp/x'\n[[facility]]\ncode = '1319999999'\n[[feed]]\nname = 'a b'\nfacility = '1319999999'\n\
         kind = 'mllp'\nlisten = '127.0.0.1:1'\nmax_message = '100B'\nduplicate_window = '40d'\npath = '/x'\nscan = '1s'\n\
         max_connections = 0\nread_timeout = '0s'\nidle_timeout = 5\n\
         [[feed]]\nname = 'b'\nfacility = '1319999999'\nkind = 'ssmix2'\nlisten = '127.0.0.1:1'\nscan = '0s'\n",
        &[
            (2, "facility[1]"),
            (5, "feed[1].name"),
            (9, "feed[1].max_message"),
            (10, "feed[1].duplicate_window"),
            (11, "feed[1].path"),
            (12, "feed[1].scan"),
            (13, "feed[1].max_connections"),
            (14, "feed[1].read_timeout"),
            (15, "feed[1].idle_timeout"),
            (16, "feed[2].path"),
            (20, "feed[2].listen"),
            (21, "feed[2].scan"),
        ],
    );
}

#[test]
fn what_is_missing_is_named() {
    check("", &[(0, "facility"), (1, "bridge.toml.data_dir")]);
    check(
        "data_dir = 'x'\n[[facility]]\nname = 'n'\n[[feed]]\n[[base]]\nname = 'b'\n",
        &[
            (2, "facility[1].code"),
            (4, "feed[1].facility"),
            (4, "feed[1].kind"),
            (4, "feed[1].name"),
            (5, "base[1].kind"),
            (5, "base[1].url"),
        ],
    );
}

#[test]
fn text_that_is_no_toml_is_said_with_its_line() {
    let found = problems("data_dir = '/tmp/x'\n[[facility]\ncode = '1319999999'\nname == 'x'\n");
    assert!(found.iter().any(|(line, _)| *line == 2), "{found:?}");
    assert!(found.iter().any(|(line, _)| *line == 4), "{found:?}");
}

#[test]
fn a_facility_that_nobody_takes_is_a_warning() {
    let text = "data_dir = '/tmp/x'\n[[facility]]\ncode = '1319999999'\n";
    let (_, warnings) = parse(Path::new("bridge.toml"), text).unwrap();
    assert_eq!(warnings.iter().map(|problem| problem.weight).collect::<Vec<_>>(), [Weight::Warning]);
}

#[test]
fn what_a_broken_file_names_is_looked_at_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bridge.toml");
    let text = "colour = 'blue'\ndata_dir = 'data'\n[[facility]]\ncode = '1319999999'\ngaiji = 'none.csv'\n\
                [[feed]]\nname = 'a'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = 'nowhere'\n\
                [[feed]]\nname = 'b'\nfacility = '1319999999'\nkind = 'ssmix2'\npath = 'none'\nlists = 'partly'\n";
    std::fs::write(&file, text).unwrap();
    let (config, _) = super::inspect(&file);
    let found = super::environment(&config.unwrap(), 0);
    let places: Vec<_> = found.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(places, [(5, "facility[1].gaiji"), (15, "feed[2].path")]);
}

#[test]
fn a_table_of_gaiji_takes_every_form_of_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("g.csv");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        super::gaiji(&path)
    };
    let table = read("# code, character\nf040,𠮷\n7521,﨑\n8FF5A1,髙\n2-7521,鷗\nu+e001,葛\n").unwrap();
    for (code, text) in [("F040", "𠮷"), ("7521", "﨑"), ("8FF5A1", "髙"), ("2-7521", "鷗"), ("U+E001", "葛")]
    {
        assert_eq!(table.get(code).map(String::as_str), Some(text), "{code}");
    }
    for wrong in ["F040,\n", "U+3042,あ\n", "F04,x\n", "8FF5A,x\n"] {
        assert!(read(wrong).unwrap_err().starts_with("line 1: "), "{wrong}");
    }
}

#[test]
fn the_japanese_names_the_values_itself() {
    let text = "data_dir = 'd'\n[store]\nretention = '10d'\n[schedule]\nbackup = '30 25 * * *'\n\
                [[facility]]\ncode = '1319999999'\nshare = 'some'\ntype = 'clinik'\njoined = '2026-13-01'\n\
                patient_id = { width = 'x' }\n\
                [[feed]]\nname = 'a'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = 'here'\n\
                allow = ['10.0.0.0/99']\nmax_message = '1B'\n\
                [[feed]]\nname = 'b'\nfacility = '1319999999'\nkind = 'ssmix2'\nscan_at = '0 2 * * MON-SA'\n\
                [[feed]]\nname = 'c'\nfacility = '1319999999'\nkind = 'mlp'\n";
    let said = parse(Path::new("bridge.toml"), text).unwrap_err();
    for (key, words) in [
        ("store.retention", "40 日（\"40d\"）以上"),
        ("schedule.backup", "25 は使えません。時は 0～23"),
        ("facility[1].share", "listed、all-but-listed、all"),
        ("facility[1].type", "hospital、clinic、dental、pharmacy"),
        ("facility[1].joined", "\"2026-04-01\" の形"),
        ("facility[1].patient_id.width", "0 以上の整数"),
        ("feed[1].listen", "IP アドレスとポート"),
        ("feed[1].allow", "10.1.2.0/24"),
        ("feed[1].max_message", "1KiB 以上"),
        ("feed[2].scan_at", "MON-SA は使えません。曜日は MON"),
        ("feed[2].path", "path = \"ROOT OF THE STORAGE\" が必要"),
        ("feed[3].kind", "mllp、ssmix2、folder"),
    ] {
        let problem = said.iter().find(|problem| problem.key == key);
        assert!(problem.is_some_and(|problem| problem.ja.contains(words)), "{key} {problem:?}");
    }
    assert!(said.iter().all(|problem| !problem.ja.contains("英文")), "{said:?}");
}
