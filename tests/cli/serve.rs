//! `serve` and the commands beside it, as processes of their own.

use super::{renkei, text};
use renkei_bridge::demo::messages::{AOBA, Writer};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
/// Issue A: the end of the appliance is clean and within this time.
const END: Duration = Duration::from_secs(5);

/// A port that was free a moment ago.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A `serve` that is killed where the test fails.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Exit code and standard output of a command on the configuration.
fn beside(file: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = renkei().args(arguments).arg("--config").arg(file).output().unwrap();
    (output.status.code(), text(&output.stdout))
}

#[test]
fn commands_look_into_the_store_beside_a_serve_that_ends_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let (file, console, mllp) = (folder.path().join("bridge.toml"), port(), port());
    std::fs::write(
        &file,
        format!(
            "data_dir = 'data'\n[console]\nlisten = '127.0.0.1:{console}'\n\
             [store]\nsoft_free = '0B'\nhard_free = '0B'\n[[facility]]\ncode = '1319999999'\n\
             [[feed]]\nname = 'his'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '127.0.0.1:{mllp}'\n"
        ),
    )
    .unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    serve.arg("serve").arg("--config").arg(&file).stderr(Stdio::null());
    let mut serving = Serving(serve.spawn().unwrap());
    until("the console answers", || TcpStream::connect(("127.0.0.1", console)).is_ok());

    let message = folder.path().join("message.hl7");
    std::fs::write(&message, Writer::new("S", "20260401".into()).appointment(&AOBA[0]).bytes()).unwrap();
    renkei().args(["send", "--to", &format!("127.0.0.1:{mllp}")]).arg(&message).assert().code(0);
    let held = || beside(&file, &["message", "list", "--state", "quarantined"]).1;
    until("the message is held", || !held().is_empty());
    let line = held();
    let number = line.split('\t').next().unwrap();
    assert!(!line.contains(AOBA[0].id), "a list names no patient");

    let (code, shown) = beside(&file, &["message", "show", number]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("漢漢^漢漢") && !shown.contains(AOBA[0].kanji.0), "{shown}");
    assert_eq!(beside(&file, &["message", "show", number, "--reveal"]).0, Some(2), "a reason is needed");
    let (_, shown) = beside(&file, &["message", "show", number, "--reveal", "--reason", "test"]);
    assert!(shown.contains(AOBA[0].kanji.0), "{shown}");

    // Released, it is translated again by the serve that runs, and held again; discarded, it is excluded.
    assert_eq!(beside(&file, &["quarantine", "release", number]).0, Some(0));
    until("the message is held again", || held().contains(number));
    assert_eq!(beside(&file, &["quarantine", "discard", number, "--reason", "test"]).0, Some(0));
    let (code, ledger) = beside(&file, &["ledger", "--json"]);
    assert_eq!(code, Some(0), "{ledger}");
    let day: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(
        (day["received"].as_u64(), day["by_reason"]["discarded"].as_u64()),
        (Some(1), Some(1)),
        "{ledger}"
    );
    let verified = renkei().args(["audit", "verify", "--config"]).arg(&file).output().unwrap();
    assert_eq!(verified.status.code(), Some(0));
    // Reveal, release and discard.
    assert!(text(&verified.stderr).contains("3 entries"), "{}", text(&verified.stderr));

    let started = Instant::now();
    let killed = Command::new("kill").arg("-TERM").arg(serving.0.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(serving.0.wait().unwrap().code(), Some(0));
    assert!(started.elapsed() < END, "{:?}", started.elapsed());
}
