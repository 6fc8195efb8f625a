//! A network's layer written by following `mappings/README.md` only, and its way to another machine.

use super::{renkei, text};
use serde_json::Value;
use std::path::Path;

/// The files of the README's example: each block whose first line names one.
fn written_by_the_readme(root: &Path) -> usize {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/README.md")).unwrap();
    let mut files = 0;
    for block in readme.split("```").skip(1).step_by(2) {
        let (_, body) = block.split_once('\n').unwrap();
        if let Some(name) = body.lines().next().and_then(|line| line.strip_prefix("# network/")) {
            let path = root.join("network").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, body).unwrap();
            files += 1;
        }
    }
    files
}

/// Exit code, standard output and standard error of a command in a folder.
fn run(root: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = renkei().current_dir(root).args(arguments).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

const MESSAGE: &str = "MSH|^~\\&|H|S|G|R|20260401120000||ADT^A08^ADT_A01|1|P|2.5\r\
    PID|||1||患者^太郎^^^^^L^I||19700101|M|旧姓^太郎^^^^^L^I|||||^WPN^PH^^^^^^^^^03-0000-0002\r\
    NK1|1|患者^花子^^^^^L^I|SPO^配偶者^HL70063\r";

/// The patient that `translate` makes.
fn patient(root: &Path, options: &[&str]) -> Value {
    let mut arguments = vec!["translate"];
    arguments.extend(options);
    arguments.push("message.hl7");
    let (code, out, err) = run(root, &arguments);
    assert_eq!(code, 0, "{out}{err}");
    let line: Value = serde_json::from_str(out.trim()).unwrap();
    let entries = line["bundle"]["entry"].as_array().unwrap();
    let found = entries.iter().map(|entry| &entry["resource"]).find(|r| r["resourceType"] == "Patient");
    found.unwrap().clone()
}

#[test]
fn a_network_layer_written_by_the_readme_renames_adds_and_switches_off() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert_eq!(written_by_the_readme(root), 3);
    std::fs::write(root.join("message.hl7"), MESSAGE).unwrap();
    for command in ["check", "test"] {
        let (code, _, err) = run(root, &["mapping", command, "--layer", "network"]);
        assert_eq!(code, 0, "{command}: {err}");
    }

    let system = "/contact/0/relationship/0/coding/0/system";
    let shipped = patient(root, &[]);
    assert_eq!(shipped.pointer(system).unwrap(), "http://terminology.hl7.org/CodeSystem/v2-0063");
    assert_eq!(shipped["telecom"][0]["value"], "03-0000-0002");
    let laid = patient(root, &["--layer", "network"]);
    assert_eq!(laid.pointer(system).unwrap(), "http://chiiki.example.jp/CodeSystem/tsuzukigara");
    assert_eq!(laid.get("telecom"), None);
    let names: Vec<&Value> = laid["name"].as_array().unwrap().iter().map(|name| &name["family"]).collect();
    assert_eq!(names, ["患者", "旧姓"]);
    assert_eq!(laid["id"], shipped["id"], "a layer changes no id");

    let (code, out, _) = run(root, &["mapping", "show", "--effective", "--layer", "network"]);
    assert_eq!(code, 0);
    for said in [
        "chiiki-alias: to name[] | from PID-9[*] | as XPN.jp\n      network  maps/patient.toml:6",
        "work: off\n      network  maps/patient.toml:5",
        "http://chiiki.example.jp/CodeSystem/tsuzukigara,,,equal\n      network over shipped  tables/code-systems.csv:3",
        "skip PID-14: 勤務先の電話は地域では共有しない",
    ] {
        assert!(out.contains(said), "{said}\n{out}");
    }
    assert!(!out.contains("birth-date"), "what the layer leaves alone is not its change\n{out}");
    let (_, out, _) = run(root, &["mapping", "show", "--effective", "--layer", "network", "patient"]);
    assert!(
        out.contains("birth-date: to birthDate | from PID-7 | as date\n      shipped  maps/patient.toml:"),
        "{out}"
    );
    let (code, _, err) = run(root, &["mapping", "show", "--effective", "nobody"]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn a_layer_goes_elsewhere_and_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    written_by_the_readme(root);
    for arguments in [
        ["mapping", "export", "network", "a.zip"],
        ["mapping", "import", "a.zip", "elsewhere"],
        ["mapping", "export", "elsewhere", "b.zip"],
    ] {
        let (code, _, err) = run(root, &arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
    }
    let read = |name: &str| std::fs::read(root.join(name)).unwrap();
    assert_eq!(read("a.zip"), read("b.zip"));
    assert_eq!(read("network/maps/patient.toml"), read("elsewhere/maps/patient.toml"));
    assert!(text(&read("elsewhere/maps/patient.toml")).contains("# 勤務先の電話は地域では共有しない"));
    // What is there is not written over.
    assert_ne!(run(root, &["mapping", "export", "network", "a.zip"]).0, 0);
    assert_eq!(run(root, &["mapping", "import", "a.zip", "elsewhere"]).0, 2);
}

#[test]
fn a_layer_with_a_mistake_is_not_taken_in_and_is_told_with_its_cell() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    written_by_the_readme(root);
    let map = root.join("network/maps/patient.toml");
    let wrong = std::fs::read_to_string(&map).unwrap().replace("PID-9[*]", "PDI-9[*]");
    std::fs::write(&map, wrong).unwrap();
    let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode("# network\nsource_system,続柄\n");
    std::fs::write(root.join("network/tables/mine.csv"), sjis).unwrap();
    let (code, _, err) = run(root, &["mapping", "check", "--layer", "network"]);
    assert_eq!(code, 1);
    assert!(
        err.contains(
            "network: maps/patient.toml:6: patient/chiiki-alias [from]: There is no segment or group 'PDI'"
        ),
        "{err}"
    );
    assert!(err.contains("PDI というセグメントやグループはありません"), "{err}");
    assert!(err.contains("network: tables/mine.csv:2: [2]: The file is saved as CP932"), "{err}");
    assert_eq!(run(root, &["mapping", "export", "network", "a.zip"]).0, 0);
    assert_eq!(run(root, &["mapping", "import", "a.zip", "elsewhere"]).0, 1);
    assert!(!root.join("elsewhere").exists());
}

#[test]
fn more_layers_than_there_are_ranks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let three = ["mapping", "check", "--layer", "a", "--layer", "b", "--layer", "c"];
    assert_eq!(run(folder.path(), &three).0, 2);
}

#[test]
fn a_table_that_no_rule_looks_into_is_told_and_is_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let tables = root.join("network/tables");
    std::fs::create_dir_all(&tables).unwrap();
    let rows = "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n\
                ,W1,,,w1,,equal\n";
    std::fs::write(tables.join("wards.csv"), rows).unwrap();
    let (code, _, err) = run(root, &["mapping", "check", "--layer", "network"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("network: tables/wards.csv: no rule looks into this table"), "{err}");
    std::fs::rename(tables.join("wards.csv"), tables.join("lab-itmes.csv")).unwrap();
    let (code, _, err) = run(root, &["mapping", "check", "--layer", "network"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("Did you mean 'lab-items'?") && err.contains("lab-items のことですか"), "{err}");
}

#[test]
fn the_shipped_set_and_its_manual_are_written_out_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (code, _, err) = run(root, &["mapping", "export", "shipped", "rules"]);
    assert_eq!(code, 0, "{err}");
    for name in ["README.md", "maps/patient.toml", "messages/ADT-00.toml", "tables/lab-items/EXAMPLE.csv"] {
        let written = std::fs::read(root.join("rules").join(name)).unwrap();
        assert_eq!(written, std::fs::read(format!("mappings/{name}")).unwrap(), "{name}");
    }
    let (code, _, err) = run(root, &["mapping", "check", "--mappings", "rules"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(run(root, &["mapping", "export", "shipped", "rules"]).0, 2, "nothing is written over");
    assert_eq!(run(root, &["mapping", "export", "shipped", "rules.zip"]).0, 0);
    let (_, out, err) = run(root, &["mapping", "diff", "shipped", "rules.zip"]);
    assert!(out.is_empty() && err.contains("0 changes"), "{out}{err}");
}

#[test]
fn a_layer_that_is_given_as_a_set_is_told_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    written_by_the_readme(root);
    let (code, out, err) = run(root, &["mapping", "diff", "shipped", "network"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("shipped --layer-b network") && err.contains("これは層で"), "{err}");
    assert_eq!(err.lines().count(), 2, "{err}");
}

#[test]
fn a_test_that_fails_is_told_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    written_by_the_readme(root);
    let map = root.join("network/maps/patient.toml");
    let text = std::fs::read_to_string(&map).unwrap().replace("\"name.count\" = 2", "\"name.count\" = 3");
    std::fs::write(&map, text).unwrap();
    let (code, _, err) = run(root, &["mapping", "test", "--layer", "network"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("name.count: expected '3' → got '2'"), "{err}");
    assert!(err.contains("name.count: 期待 「3」 → 結果 「2」") && err.contains("不合格 1 件"), "{err}");
}

#[test]
fn a_set_whose_skip_contradicts_a_rule_is_refused_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (code, _, err) = run(root, &["mapping", "export", "shipped", "set"]);
    assert_eq!(code, 0, "{err}");
    let file = root.join("set/messages/OMP-01.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    let row = "skip     = [\n  { from = \"ORC-15\", why = { ja = \"理由\", en = \"why\" } },";
    assert!(shipped.contains("skip     = ["));
    std::fs::write(&file, shipped.replacen("skip     = [", row, 1)).unwrap();
    let (code, _, err) = run(root, &["mapping", "check", "--mappings", "set"]);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("OMP-01/ORC-15 [from]: rule prescription-request/authored-3 writes ORC-15"),
        "{err}"
    );
    assert!(err.contains("規則 prescription-request/authored-3 が書いています"), "{err}");
    assert!(err.contains("規則に問題が 1 件あります"), "{err}");
}
