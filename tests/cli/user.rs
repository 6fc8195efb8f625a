//! `user`: the first administrator.

use super::{renkei, text};

#[test]
fn the_first_administrator_gets_a_code_and_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\n").unwrap();
    let run = |arguments: &[&str]| {
        let out = renkei().arg("user").args(arguments).arg("--config").arg(&file).output().unwrap();
        (out.status.code(), text(&out.stdout), text(&out.stderr))
    };
    let (code, paper, said) = run(&["add", "sato", "--display", "見本 佐藤"]);
    assert_eq!(code, Some(0), "{said}");
    // Four groups of five letters and digits.
    let groups: Vec<&str> = paper.trim_end().split('-').collect();
    assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 5), "{paper}");
    assert!(said.contains("一回限り") && said.contains("one-time code"), "{said}");
    assert_eq!(run(&["add", "sato"]).0, Some(1), "the name is taken");
    assert_eq!(run(&["add", "Sato"]).0, Some(1), "no such name");
    assert_eq!(run(&["add", "ito", "--facility", "1310000000"]).0, Some(1), "no such facility");
    assert_eq!(run(&["add", "ito", "--role", "boss"]).0, Some(2));
    assert_eq!(run(&["add", "ito", "--role", "viewer", "--facility", "1319999999"]).0, Some(0));
    let (_, again, _) = run(&["reset", "sato"]);
    assert!(again != paper && again.trim_end().len() == paper.trim_end().len(), "{again}");
    assert_eq!(run(&["reset", "nobody"]).0, Some(1));
    let (_, list, _) = run(&["list"]);
    assert_eq!(
        list,
        "ito\tito\tviewer\t1319999999\tinvited\t-\nsato\t見本 佐藤\tadministrator\t*\tinvited\t-\n"
    );
    let audit = renkei().args(["audit", "verify", "--config"]).arg(&file).output().unwrap();
    assert!(text(&audit.stderr).contains("3 entries"), "{}", text(&audit.stderr));
}
