//! The command line, by the real binary: what it prints and how it exits.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod check;
mod coverage;
mod layer;
mod merge;
mod own;
mod serve;
mod translate;
mod user;

use assert_cmd::Command;

/// The binary under test.
fn renkei() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    command.env_remove("RENKEI_LOG");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn usage_that_is_wrong_exits_with_2() {
    for arguments in
        [vec![], vec!["translate"], vec!["translate", "--facility", "12", "."], vec!["no-such-command"]]
    {
        renkei().args(&arguments).assert().code(2);
    }
}

#[test]
fn the_shipped_set_has_no_problem() {
    renkei().args(["mapping", "check"]).assert().code(0);
}

#[test]
fn a_mapping_folder_that_cannot_be_read_is_said() {
    let output = renkei().args(["mapping", "check", "--mappings", "/no/such/folder"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/folder"));
}
