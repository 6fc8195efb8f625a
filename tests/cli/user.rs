//! `user`: the first administrator.

use super::{renkei, text};
use renkei_bridge::store::{AuditFilter, Config, Store};

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

#[test]
fn the_audit_trail_names_who_added_a_user_or_made_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    let written =
        "data_dir = 'data'\n[backup]\nto = 'saved'\nkey = 'backup.key'\n[[facility]]\ncode = '1319999999'\n";
    std::fs::write(&file, written).unwrap();
    std::fs::write(folder.path().join("backup.key"), "5a".repeat(32)).unwrap();
    for arguments in [
        ["user", "add", "ito"].as_slice(),
        &["user", "add", "sato", "--author", "見本 花子"],
        &["user", "reset", "sato", "--author", "見本 花子"],
        &["backup", "--author", "見本 次郎"],
        &["restore", "--verify", "--author", "見本 次郎"],
    ] {
        let mut command = renkei();
        let out = command.env("USER", "bridge").env_remove("SUDO_USER").args(arguments);
        let out = out.arg("--config").arg(&file).output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{arguments:?}: {}", text(&out.stderr));
    }
    let store =
        Store::open(&folder.path().join("data"), &["1319999999".to_owned()], Config::default()).unwrap();
    let all = store.audit().search(&AuditFilter { limit: 10, ..AuditFilter::default() }).unwrap();
    let told: Vec<(&str, &str)> =
        all.iter().rev().map(|entry| (entry.action.as_str(), entry.who.as_str())).collect();
    assert_eq!(
        told,
        [
            ("user-invited", "cli:bridge"),
            ("user-invited", "cli:bridge (見本 花子)"),
            ("user-reset", "cli:bridge (見本 花子)"),
            ("backup", "cli:bridge (見本 次郎)"),
            ("backup-verified", "cli:bridge (見本 次郎)"),
        ]
    );
}
