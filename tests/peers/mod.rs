//! The appliance between programs that this project did not write: PyPI `hl7` and npm `node-hl7-client` send
//! the sample storage, the FHIR server `hfs` receives.
//!
//! Needs `HFS_BIN`, `MLLP_SEND_BIN`, `NODE_HL7_DIR` and the samples; says so and stops where one is absent, and
//! fails where `CI` is set. `.ci/run` installs them.

mod counted;
mod lanes;

use crate::support::{self, Appliance};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Connections that send at once.
const LANES: usize = 8;
/// 2,523 transactions in an unoptimised build on a busy machine of two cores.
const DRAIN: Duration = Duration::from_secs(600);

struct Peers {
    hfs: PathBuf,
    mllp_send: PathBuf,
    node_dir: PathBuf,
    storage: PathBuf,
}

fn peers(scratch: &Path) -> Option<Peers> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
    let archive = support::shared("samples/ssmix2-storage100.tar.gz");
    match (named("HFS_BIN"), named("MLLP_SEND_BIN"), named("NODE_HL7_DIR"), archive) {
        (Some(hfs), Some(mllp_send), Some(node_dir), Some(archive)) => {
            let storage = support::unpack(&archive, scratch);
            Some(Peers { hfs, mllp_send, node_dir, storage })
        }
        _ => {
            support::lacking("HFS_BIN, MLLP_SEND_BIN, NODE_HL7_DIR and ../shared/samples");
            None
        }
    }
}

/// A child that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_hfs(bin: &Path, scratch: &Path) -> (Process, String) {
    let port = support::free_port();
    let child = Command::new(bin)
        .current_dir(scratch)
        .env("HFS_DATABASE_URL", scratch.join("hfs.sqlite"))
        .args(["--port", &port.to_string(), "--log-level", "error", "--max-page-size", "20000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("hfs starts");
    let url = format!("http://127.0.0.1:{port}");
    let end = Instant::now() + Duration::from_secs(60);
    while support::get(&format!("{url}/metadata")).is_none() {
        assert!(Instant::now() < end, "hfs does not answer");
        std::thread::sleep(Duration::from_millis(200));
    }
    (Process(child), url)
}

/// Every `Type/id` of the types that the server holds.
fn at_server(url: &str, types: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for kind in types {
        let mut next = Some(format!("{url}/{kind}?_count=1000&_elements=id"));
        while let Some(page) = next.take() {
            let body = support::get(&page).expect("the server answers a search");
            let bundle: serde_json::Value = serde_json::from_slice(&body).expect("a searchset is JSON");
            for entry in bundle["entry"].as_array().into_iter().flatten() {
                let id = entry["resource"]["id"].as_str().expect("a resource has an id");
                assert!(found.insert(format!("{kind}/{id}")), "{kind} is listed twice");
            }
            next = bundle["link"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|link| link["relation"] == "next")
                .and_then(|link| link["url"].as_str())
                // The server names itself by its configuration; the port is the test's.
                .and_then(|link| link.find(&format!("/{kind}?")).map(|at| format!("{url}{}", &link[at..])));
        }
    }
    found
}

/// `(code, control id)` of each MSA segment that a client printed.
fn acknowledgments(printed: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(printed)
        .split(['\r', '\n'])
        .filter_map(|line| line.trim_start_matches('\u{b}').strip_prefix("MSA|"))
        .map(|rest| {
            let mut fields = rest.split('|');
            (fields.next().unwrap_or_default().to_owned(), fields.next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// Sends every lane with one client process each; every message must be answered AA with its control id.
fn send_all(lanes: &[lanes::Lane], command: impl Fn(&Path) -> Command) -> usize {
    let children: Vec<_> = lanes
        .iter()
        .map(|lane| command(&lane.file).stdout(Stdio::piped()).spawn().expect("the client starts"))
        .collect();
    let readers: Vec<_> = children
        .into_iter()
        .map(|child| std::thread::spawn(move || child.wait_with_output().expect("the client ends")))
        .collect();
    let mut answered = 0;
    for (lane, reader) in lanes.iter().zip(readers) {
        let output = reader.join().expect("the reader does not panic");
        let acks = acknowledgments(&output.stdout);
        let wanted: Vec<_> = lane.control_ids.iter().map(|id| ("AA".to_owned(), id.clone())).collect();
        assert_eq!(acks.len(), wanted.len(), "a client was left without an answer");
        assert!(acks == wanted, "an acknowledgment is not AA with its control id");
        answered += acks.len();
    }
    answered
}

fn by_type(ids: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id.split('/').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

/// What `translate` makes of the storage: distinct `Type/id` by type, after all messages. In incremental mode
/// nothing is deleted, so the union of what was PUT is what stands.
fn translated_counts(storage: &Path) -> BTreeMap<String, usize> {
    let output = Command::new(support::binary())
        .args(["translate", "--lists", "incremental"])
        .arg(storage)
        .output()
        .expect("translate runs");
    assert!(output.status.success(), "translate ends with {:?}", output.status.code());
    let mut ids = BTreeSet::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: serde_json::Value = serde_json::from_slice(line).expect("a line is JSON");
        assert_eq!(line["status"], "translated");
        for entry in line["bundle"]["entry"].as_array().into_iter().flatten() {
            ids.insert(entry["request"]["url"].as_str().expect("an entry has a URL").to_owned());
        }
    }
    by_type(&ids)
}

#[test]
fn the_sample_storage_reaches_another_fhir_server_by_other_mllp_clients() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let Some(peers) = peers(scratch.path()) else { return };
    let (_hfs, hfs_url) = start_hfs(&peers.hfs, scratch.path());
    let counted = counted::Counted::spawn(hfs_url.trim_start_matches("http://"));
    let appliance = Appliance::start(&scratch.path().join("appliance"), &counted.url(), "incremental");
    let lanes = lanes::write(&peers.storage, LANES, 20_261_123, scratch.path());
    assert_eq!(lanes.iter().map(|lane| lane.control_ids.len()).sum::<usize>(), 2_523);

    let port = appliance.mllp_port.to_string();
    let python = |file: &Path| {
        let mut command = Command::new(&peers.mllp_send);
        command.args(["--loose", "--port", &port, "--file"]).arg(file).arg("127.0.0.1");
        command
    };
    assert_eq!(send_all(&lanes, python), 2_523);
    let total = appliance.drained(DRAIN);
    assert_eq!((total.received, total.registered), (2_523, 2_523), "{total:?}");

    let record = appliance.record_ids();
    let types: BTreeSet<String> =
        record.iter().filter_map(|id| id.split('/').next()).map(str::to_owned).collect();
    let server = at_server(&hfs_url, &types);
    assert_eq!(record.difference(&server).count(), 0, "in the record and not at the server");
    assert_eq!(server.difference(&record).count(), 0, "at the server and not in the record");
    assert_eq!(by_type(&server), translated_counts(&peers.storage));

    let before = counted.requests_bytes();
    let node = |file: &Path| {
        let mut command = Command::new("node");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/send.mjs")).arg(&port).arg(file);
        command.env("NODE_HL7_DIR", &peers.node_dir);
        command
    };
    assert_eq!(send_all(&lanes, node), 2_523);
    let total = appliance.drained(DRAIN);
    assert_eq!(total.received, 2 * 2_523, "{total:?}");
    assert_eq!(total.quarantined + total.rejected + total.pending, 0, "{total:?}");
    assert_eq!(counted.requests_bytes(), before, "a repetition reached the server");
}

#[test]
fn whole_lists_leave_the_last_list_of_each_patient() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let Some(peers) = peers(scratch.path()) else { return };
    let (_hfs, hfs_url) = start_hfs(&peers.hfs, scratch.path());
    let appliance = Appliance::start(&scratch.path().join("appliance"), &hfs_url, "whole");
    let lanes = lanes::write(&peers.storage, LANES, 7, scratch.path());
    let port = appliance.mllp_port.to_string();
    send_all(&lanes, |file| {
        let mut command = Command::new(&peers.mllp_send);
        command.args(["--loose", "--port", &port, "--file"]).arg(file).arg("127.0.0.1");
        command
    });
    let total = appliance.drained(DRAIN);
    assert_eq!(total.registered, 2_523, "{total:?}");
    let conditions = at_server(&hfs_url, &BTreeSet::from(["Condition".to_owned()]));
    // 402 diagnoses in 306 lists; 114 stand in the last list of their patient.
    assert_eq!(conditions.len(), 114);
}
