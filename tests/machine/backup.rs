//! `backup` and `restore` on the command line.

use std::path::{Path, PathBuf};
use std::process::Command;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

fn renkei(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_renkei-bridge")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn configuration(dir: &Path) -> PathBuf {
    let file = dir.join("bridge.toml");
    std::fs::create_dir_all(dir.join("credentials")).unwrap();
    std::fs::write(dir.join("credentials/backup.key"), KEY).unwrap();
    std::fs::write(dir.join("credentials/identity.key"), [5; 32]).unwrap();
    let text = "data_dir = 'data'\n[store]\nidentity_key = 'credential:identity.key'\n\
                [backup]\nto = 'to'\nkey = 'credential:backup.key'\n\
                [[facility]]\ncode = '1319999999'\n[[facility]]\ncode = '1319999998'\n";
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_backup_is_made_proved_and_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = configuration(dir.path()).display().to_string();
    let (code, said) = renkei(&["check", "--config", &file]);
    assert!(code == Some(0) && said.contains("identity key: "), "{said}");
    let (code, said) = renkei(&["backup", "--config", &file]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = renkei(&["restore", "--verify", "--config", &file]);
    assert!(code == Some(0) && said.contains("can be restored"), "{said}");
    assert!(said.contains("the one of this appliance"), "{said}");
    // Elsewhere, with the key alone; then in parts.
    let (to, from) = (dir.path().join("restored"), dir.path().join("to"));
    let key = dir.path().join("credentials/backup.key");
    let restore = |to: &Path, more: &[&str]| {
        let (from, key, to) = (from.to_str().unwrap(), key.to_str().unwrap(), to.to_str().unwrap());
        renkei(&[&["restore", "--from", from, "--key", key, "--to", to], more].concat())
    };
    let (code, said) = restore(&to, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(std::fs::read(to.join("identity.key")).unwrap(), [5; 32]);
    for name in
        ["appliance/appliance.sqlite", "1319999999/state.sqlite", "1319999998/state.sqlite", "bridge.toml"]
    {
        assert!(to.join(name).is_file(), "{name}");
    }
    assert_eq!(restore(&to, &[]).0, Some(1), "never over a store");
    let part = dir.path().join("part");
    assert_eq!(restore(&part, &["--facility", "1319999998"]).0, Some(0));
    assert!(part.join("1319999998/state.sqlite").is_file() && !part.join("1319999999").exists());
    assert_eq!(restore(&dir.path().join("none"), &["--facility", "1310000000"]).0, Some(1));
    assert!(!dir.path().join("none").exists());
    // With the configuration, whose identity key is the right one, no second copy of it stays.
    let again = dir.path().join("again");
    let (code, said) = renkei(&["restore", "--config", &file, "--to", again.to_str().unwrap()]);
    assert!(code == Some(0) && !again.join("identity.key").exists(), "{said}");
    // Another appliance is not taken for this one.
    std::fs::write(dir.path().join("credentials/identity.key"), [6; 32]).unwrap();
    let (code, said) = renkei(&["restore", "--verify", "--config", &file]);
    assert!(code == Some(1) && said.contains("identity key is not the one"), "{said}");
    let (code, said) = renkei(&["backup", "--config", &file]);
    assert!(code == Some(1) && said.contains("a second time"), "{said}");
    let elsewhere = dir.path().join("elsewhere");
    let (code, said) = renkei(&["restore", "--config", &file, "--to", elsewhere.to_str().unwrap()]);
    assert!(code == Some(0) && said.contains("    mv ") && elsewhere.join("identity.key").exists(), "{said}");
}

#[test]
fn a_backup_without_a_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = configuration(dir.path());
    let text = std::fs::read_to_string(&file).unwrap().replace("key = 'credential:backup.key'\n", "");
    std::fs::write(&file, text).unwrap();
    let (code, said) = renkei(&["check", "--config", file.to_str().unwrap()]);
    assert!(code == Some(78) && said.contains("both to and key"), "{said}");
}
