//! One facility's trouble is its own: a damaged store and a taken port stop nobody else. A share that vanishes is told,
//! and two processes never serve one data directory.

use super::{renkei, text};
use crate::support::free_port;
use renkei_bridge::demo::messages::{AOBA, Writer};
use renkei_bridge::store::{Config, Store};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const CODES: [&str; 3] = ["1319999997", "1319999998", "1319999999"];

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

/// Status line and body.
fn page(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_damaged_store_and_a_taken_port_stop_no_other_facility() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("bridge.toml"), folder.path().join("data"));
    let (console, ports) = (free_port(), [free_port(), free_port(), free_port()]);
    let mut written = format!(
        "data_dir = 'data'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n[console]\nlisten = '127.0.0.1:{console}'\n"
    );
    for (code, port) in CODES.iter().zip(ports) {
        written += &format!(
            "[[facility]]\ncode = '{code}'\nname = '{code}'\n[[feed]]\nname = 'f{code}'\nfacility = '{code}'\n\
             kind = 'mllp'\nlisten = '127.0.0.1:{port}'\n"
        );
    }
    std::fs::write(&file, written).unwrap();
    let codes: Vec<String> = CODES.iter().map(ToString::to_string).collect();
    drop(Store::open(&data, &codes, Config { soft_free: 0, hard_free: 0, ..Config::default() }).unwrap());
    std::fs::write(data.join(CODES[0]).join("state.sqlite"), vec![b'X'; 8_192]).unwrap();
    let taken = TcpListener::bind(("127.0.0.1", ports[1])).unwrap();

    let check = renkei().args(["check", "--config"]).arg(&file).output().unwrap();
    assert_eq!(check.status.code(), Some(78));
    assert!(text(&check.stderr).contains("facility[1].code"), "{}", text(&check.stderr));

    let log = folder.path().join("log");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    serve.arg("serve").arg("--config").arg(&file).stderr(std::fs::File::create(&log).unwrap());
    let serving = Serving(serve.spawn().unwrap());
    until("the console answers", || page(console, "/healthz").contains("200"));
    let message = folder.path().join("message.hl7");
    std::fs::write(&message, Writer::new("S", "20260401".into()).demographics(&AOBA[0]).bytes()).unwrap();
    renkei().args(["send", "--to", &format!("127.0.0.1:{}", ports[2])]).arg(&message).assert().code(0);
    assert!(TcpStream::connect(("127.0.0.1", ports[0])).is_err(), "what cannot be kept is not taken");

    assert!(page(console, "/readyz").contains("facility-damaged"), "{}", page(console, "/readyz"));
    let cookie = crate::support::signed_in(&data, &["operator"]);
    let asked = |path: &str| {
        let body = crate::support::get_as(&format!("http://127.0.0.1:{console}{path}"), &cookie);
        text(&body.unwrap_or_default())
    };
    let status: serde_json::Value = serde_json::from_str(&asked("/api/v1/status")).unwrap();
    let levels: Vec<&str> =
        status["facilities"].as_array().unwrap().iter().map(|row| row["level"].as_str().unwrap()).collect();
    assert_eq!(levels[..2], ["bad", "bad"]);
    assert_ne!(levels[2], "bad");
    assert!(asked("/?lang=en").contains("The store of a facility is damaged"));
    let metrics = page(console, "/metrics");
    let says = |name: &str, facility: &str, value: &str| {
        let of = |line: &&str| line.starts_with(name) && line.contains(facility) && line.ends_with(value);
        metrics.lines().any(|line| of(&line))
    };
    assert!(
        says("renkei_facility_damaged", CODES[0], " 1") && says("renkei_facility_damaged", CODES[2], " 0"),
        "{metrics}"
    );
    assert!(
        says("renkei_feed_working", CODES[1], " 0") && says("renkei_feed_working", CODES[2], " 1"),
        "{metrics}"
    );

    drop(taken);
    until("a port that is free again is listened on", || {
        !page(console, "/metrics").lines().any(|line| {
            line.starts_with("renkei_feed_working") && line.contains(CODES[1]) && line.ends_with(" 0")
        })
    });
    renkei().args(["send", "--to", &format!("127.0.0.1:{}", ports[1])]).arg(&message).assert().code(0);
    let log = std::fs::read_to_string(&log).unwrap();
    for code in &CODES[..2] {
        assert!(log.lines().any(|line| line.contains("ERROR") && line.contains(code)), "{log}");
    }
    drop(serving);
}

#[test]
fn a_share_that_vanishes_is_an_alarm_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (file, console) = (folder.path().join("bridge.toml"), free_port());
    let written = format!(
        "data_dir = 'data'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n[console]\nlisten = '127.0.0.1:{console}'\n\
         [[facility]]\ncode = '1319999999'\nconsent_folder = 'consent'\n\
         [[feed]]\nname = 's'\nfacility = '1319999999'\nkind = 'ssmix2'\npath = 'storage'\nscan = '1s'\n\
         [[feed]]\nname = 'l'\nfacility = '1319999999'\nkind = 'folder'\npath = 'lab'\nlayout = 'lab-csv44'\n"
    );
    std::fs::write(&file, written).unwrap();
    for name in ["consent", "storage", "lab"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("storage/no message.txt"), "x").unwrap();
    let log = folder.path().join("log");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    serve.arg("serve").arg("--config").arg(&file).stderr(std::fs::File::create(&log).unwrap());
    let serving = Serving(serve.spawn().unwrap());
    until("the console answers", || page(console, "/healthz").contains("200"));

    // A second process takes nothing of the first.
    let second = renkei().arg("serve").arg("--config").arg(&file).output().unwrap();
    let said = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("another renkei-bridge is at work") && said.contains("別の renkei-bridge"),
        "{said}"
    );
    assert!(!said.contains("has started"), "{said}");

    let cookie = crate::support::signed_in(&folder.path().join("data"), &["operator"]);
    let asked = |path: &str| {
        let body = crate::support::get_as(&format!("http://127.0.0.1:{console}{path}"), &cookie);
        text(&body.unwrap_or_default())
    };
    let metric = |start: &str, value: &str| {
        let metrics = page(console, "/metrics");
        metrics.lines().any(|line| line.starts_with(start) && line.ends_with(value))
    };
    until("a file that cannot be taken is something to do", || {
        asked("/?lang=en").contains("that cannot be taken")
            && asked("/facilities/1319999999").contains("AA AAAAAAA.AAA")
    });
    let ready = || page(console, "/readyz").contains(" 200 ");
    until("it is ready", ready);
    for (name, words) in [
        ("storage", "The folder of an input is gone"),
        ("lab", "The folder of an input is gone"),
        ("consent", "The folder of consent lists is gone"),
    ] {
        let (here, there) = (folder.path().join(name), folder.path().join("elsewhere"));
        std::fs::rename(&here, &there).unwrap();
        until(name, || asked("/?lang=en").contains(words));
        if name == "consent" {
            assert!(ready() && metric("renkei_consent_folder_gone", " 1"));
        } else {
            assert!(page(console, "/readyz").contains("folder-gone"), "{}", page(console, "/readyz"));
            assert!(metric("renkei_feed_working", " 0"));
        }
        std::fs::rename(&there, &here).unwrap();
        until(name, || !asked("/?lang=en").contains(words));
        assert!(ready() && !metric("renkei_feed_working", " 0"));
    }
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("folder-gone s") && log.contains("An alarm has ended."), "{log}");
    assert!(!log.contains("no message"), "the name of a file is never logged: {log}");
    drop(serving);
}
