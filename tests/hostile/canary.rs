//! A canary run: patients with names, ids and numbers that stand nowhere else go through the real program, in
//! good messages and bad, to bases that take them, refuse them with a quotation, answer nothing or are away;
//! then everything that a person without the right to see patients can read is searched for them.

use super::messages::{self, CANARIES, MISPLACED, PATIENTS};
use crate::support::{self, Appliance, FACILITY};
use renkei_bridge::forward::rehearsal::fault::{Fault, Faults};
use renkei_bridge::forward::rehearsal::{Rehearsal, RehearsalConfig, spawn};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

const SOON: Duration = Duration::from_secs(120);
/// Largest message of the feed under test.
const MAX_MESSAGE: usize = 64 << 10;

/// What was read where no patient may be seen: a name of the place and its text.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn page(&mut self, appliance: &Appliance, path: &str) -> String {
        let host = appliance.console().replace("http://", "");
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let cookie = &appliance.cookie;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1."), "{path}");
        let text = String::from_utf8_lossy(&answer).into_owned();
        self.add(format!("GET {path}"), text.clone());
        text
    }

    fn pages(&mut self, appliance: &Appliance) {
        for path in ["/", "/?lang=en", "/api/v1/status", "/metrics", "/healthz", "/readyz", "/assets/none"] {
            self.page(appliance, path);
        }
        // Whatever the console leads to, as an operator sees it who has not given a reason.
        for list in
            ["/messages?from=2000-01-01", "/messages?state=rejected&lang=en", "/quarantine", "/mappings"]
        {
            let text = self.page(appliance, list);
            let links: BTreeSet<String> = text
                .split("href=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .filter(|link| link.starts_with("/messages/") || link.starts_with("/quarantine/"))
                .map(|link| link.replace("&#38;", "&"))
                .collect();
            assert!(list == "/mappings" || !links.is_empty(), "{list} leads nowhere: {text}");
            for link in links {
                self.page(appliance, &link);
            }
        }
    }

    /// Places that show one of the words, each with the line.
    fn leaks(&self, words: &[String]) -> Vec<String> {
        let mut leaks = BTreeSet::new();
        for (place, text) in &self.0 {
            for line in text.lines() {
                // As it stands, and as Debug or JSON would have written it.
                let plain = line.replace("\\u{", "\\u");
                for word in words {
                    let escaped: String = word.chars().flat_map(char::escape_unicode).collect();
                    if line.contains(word.as_str()) || plain.contains(&escaped.replace("\\u{", "\\u")) {
                        let shown: String = line.chars().take(200).collect();
                        leaks.insert(format!("{place}: {word}: {shown}"));
                    }
                }
            }
        }
        leaks.into_iter().collect()
    }
}

/// A base that refuses everything and quotes what it was sent, in the body, in a header and in a location.
async fn quoting_base() -> MockServer {
    let server = MockServer::start().await;
    let refuse = |request: &Request| {
        let said = String::from_utf8_lossy(&request.body).into_owned();
        let outcome = serde_json::json!({
            "resourceType": "OperationOutcome",
            "issue": [{ "severity": "error", "code": "invalid", "diagnostics": format!("金糸雀 KANARIYAZA 7766550011 {said}") }],
        });
        let status = if said.len().is_multiple_of(2) { 400 } else { 422 };
        ResponseTemplate::new(status)
            .insert_header("location", "http://base/Patient/KANARIYAZA-7766550011")
            .insert_header("x-diagnostics", "KANARIYAZA 7766550011")
            .set_body_json(outcome)
    };
    Mock::given(any()).respond_with(refuse).mount(&server).await;
    server
}

struct Run {
    folder: tempfile::TempDir,
    base: Rehearsal,
    refusing: MockServer,
    seen: Seen,
    words: Vec<String>,
}

impl Run {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (base, _) =
            spawn(([127, 0, 0, 1], 0).into(), RehearsalConfig::default(), CancellationToken::new())
                .await
                .unwrap();
        let storage = folder.path().join("storage");
        for (path, bytes) in messages::files() {
            let path = storage.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        // A link is refused, and its name is a file's name.
        std::os::unix::fs::symlink("/nowhere/7766550044", storage.join("7766550044_金糸雀")).unwrap();
        let words = CANARIES.iter().map(ToString::to_string).collect();
        Self { folder, base, refusing: quoting_base().await, seen: Seen::default(), words }
    }

    fn start(&self, filter: Option<&str>) -> Appliance {
        let more = format!(
            "retry_min = \"50ms\"\nretry_max = \"500ms\"\nbreaker = {{ failures = 3, pause = \"200ms\" }}\n\
             [[base]]\nname = \"quoting\"\nkind = \"fhir-rest\"\nurl = \"{quoting}\"\ntransactions = false\n\
             [[feed]]\nname = \"small\"\nfacility = \"{FACILITY}\"\nkind = \"mllp\"\nlisten = \"127.0.0.1:{port}\"\n\
             max_message = \"64KiB\"\nlists = \"whole\"\n\
             [[feed]]\nname = \"storage\"\nfacility = \"{FACILITY}\"\nkind = \"ssmix2\"\npath = \"{storage}\"\n\
             scan = \"1s\"\nsettle = \"1s\"\nlists = \"whole\"\n",
            quoting = self.refusing.uri(),
            port = self.port_of_small(),
            storage = self.folder.path().join("storage").display(),
        );
        let variables: Vec<(&str, &str)> = filter.map(|filter| ("RENKEI_LOG", filter)).into_iter().collect();
        Appliance::start_with(
            &self.folder.path().join("appliance"),
            &self.base.url(),
            "whole",
            &more,
            &variables,
        )
    }

    fn port_of_small(&self) -> u16 {
        let file = self.folder.path().join("port");
        let kept = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok());
        kept.unwrap_or_else(|| {
            let port = support::free_port();
            std::fs::write(&file, port.to_string()).unwrap();
            port
        })
    }

    /// Sends and waits for each acknowledgment; how many were accepted.
    fn send(&self, appliance: &Appliance, all: &[Vec<u8>]) -> usize {
        let mut stream = TcpStream::connect(("127.0.0.1", appliance.mllp_port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut accepted = 0;
        for message in all {
            stream.write_all(&[b"\x0b", &message[..], b"\x1c\r"].concat()).unwrap();
            let (mut answer, mut byte) = (Vec::new(), [0]);
            while !answer.ends_with(b"\x1c\r") {
                stream.read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
            accepted += usize::from(String::from_utf8_lossy(&answer).contains("MSA|AA"));
        }
        accepted
    }

    /// Runs a command that shows no patient to anybody; what it says is seen.
    fn command(&mut self, arguments: &[&str]) -> String {
        let out = Command::new(support::binary()).args(arguments).stdin(Stdio::null()).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        self.seen.add(arguments.join(" "), text.clone());
        text
    }
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn status(appliance: &Appliance) -> serde_json::Value {
    let body = support::get_as(&format!("{}/api/v1/status", appliance.console()), &appliance.cookie).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Why sending to the rehearsal base pauses.
fn paused(appliance: &Appliance) -> bool {
    let status = status(appliance);
    let rows = status["destinations"].as_array().unwrap();
    rows.iter().any(|row| row["name"] == "base" && row["breaker"] != "closed")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_patient_is_read_out_of_what_people_without_the_right_can_see() {
    let mut run = Run::new().await;
    let appliance = run.start(Some("trace,hyper=trace,hl7_mllp_codec=trace"));
    good_and_bad(&mut run, &appliance).await;
    base_in_trouble(&mut run, &appliance).await;
    // Killed with work on its way; started again at the default level, then in detail.
    run.base.set_faults(Faults { away: true, ..Faults::default() });
    let more: Vec<_> = (10..20).map(|n| messages::results(PATIENTS[1], n, n)).collect();
    assert_eq!(run.send(&appliance, &more), more.len());
    drop(appliance);
    let appliance = run.start(None);
    run.base.set_faults(Faults::default());
    let balance = appliance.drained(SOON);
    run.seen.pages(&appliance);
    drop(appliance);
    let appliance = run.start(Some("debug"));
    assert_eq!(appliance.drained(SOON), balance);
    commands(&mut run, &appliance.config());
    run.seen.pages(&appliance);
    let log = appliance.log();
    for proof in ["INFO", "Listening for MLLP", "A sender does not keep to MLLP", "Files of a storage"] {
        assert!(log.contains(proof), "the log is not what it should be: {proof} is missing");
    }
    run.seen.add("log", log);
    drop(appliance);
    judge(&mut run);
}

async fn good_and_bad(run: &mut Run, appliance: &Appliance) {
    let mut all = vec![messages::demographics(PATIENTS[0], 1)];
    all.extend((1..4).map(|n| messages::results(PATIENTS[0], n, 10 + n)));
    // Before its patient's own message: provisional.
    all.push(messages::results(PATIENTS[1], 1, 20));
    // The same control id with another body, and the same message again.
    all.push(messages::results(PATIENTS[1], 2, 20));
    all.push(messages::results(PATIENTS[1], 2, 20));
    assert_eq!(run.send(appliance, &all), all.len());
    let broken = messages::broken(PATIENTS[0]);
    let taken = run.send(appliance, &broken);
    assert!(taken + 3 >= broken.len(), "{taken} of {} taken", broken.len());
    let mut door = TcpStream::connect(("127.0.0.1", run.port_of_small())).unwrap();
    door.write_all(&messages::refused(2 * MAX_MESSAGE)).unwrap();
    door.shutdown(std::net::Shutdown::Write).unwrap();
    door.set_read_timeout(Some(SOON)).unwrap();
    let mut answers = Vec::new();
    door.read_to_end(&mut answers).unwrap();
    assert!(String::from_utf8_lossy(&answers).contains("MSA|AR"), "the door refuses nothing");
    until("the storage is read", || {
        status(appliance)["total"]["received"].as_u64().unwrap() as usize >= taken + 14
    })
    .await;
    let total = appliance.drained(SOON);
    assert!(total.quarantined > 5 && total.rejected > 3, "{total:?}");
    run.seen.pages(appliance);
}

/// Each kind of trouble with one message on its way.
async fn base_in_trouble(run: &mut Run, appliance: &Appliance) {
    let mut number = 100;
    let mut next = || {
        number += 1;
        [messages::results(PATIENTS[1], number, number)]
    };
    run.base.script([Fault::Status(400), Fault::DropBeforeCommit, Fault::DropAfterCommit, Fault::Garbled]);
    for _ in 0..3 {
        run.send(appliance, &next());
    }
    appliance.drained(SOON);
    for faults in [
        Faults { unauthorized: true, ..Faults::default() },
        Faults { away: true, ..Faults::default() },
        Faults { server_error: 1.0, ..Faults::default() },
    ] {
        run.base.set_faults(faults);
        run.send(appliance, &next());
        until("sending pauses", || paused(appliance)).await;
        run.seen.pages(appliance);
        run.base.set_faults(Faults::default());
        until("sending goes on", || !paused(appliance)).await;
    }
    appliance.drained(SOON);
}

/// Every command that shows no patient, beside the running program.
fn commands(run: &mut Run, config: &Path) {
    let config = config.display().to_string();
    let list = run.command(&["message", "list", "--config", &config]);
    let ids: Vec<String> =
        list.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect();
    assert!(ids.len() > 40, "{list}");
    for id in &ids {
        let shown = run.command(&["message", "show", id, "--config", &config]);
        assert!(shown.contains("state  "), "{shown}");
    }
    run.command(&["message", "show", &ids[0], "--reveal", "--config", &config]);
    run.command(&["message", "show", "1", "--config", &config]);
    run.command(&["message", "list", "--state", "none", "--config", &config]);
    run.command(&["message", "list", "--facility", "9", "--config", &config]);
    for words in [
        &["quarantine", "list"][..],
        &["quarantine", "release", "5"],
        &["quarantine", "discard", "5", "--reason", "x"],
        &["ledger"],
        &["ledger", "--json"],
        &["audit", "verify"],
        &["check"],
        &["message", "replay", "--state", "quarantined"],
    ] {
        run.command(&[words, &["--config", &config]].concat());
    }
    let backup = run.folder.path().join("backup").display().to_string();
    run.command(&["backup", "--to", &backup, "--config", &config]);
    // Not their results, which are the data themselves, but what they say beside them.
    let storage = run.folder.path().join("storage").display().to_string();
    let gone = format!("{storage}/gone");
    for words in [
        &["translate", storage.as_str()][..],
        &["translate", &gone],
        &["send", "--to", "127.0.0.1:1", &storage],
        &["send", "--to", "127.0.0.1:1", &gone],
    ] {
        let out = Command::new(support::binary()).args(words).env("RENKEI_LOG", "trace").output().unwrap();
        run.seen.add(format!("{} on standard error", words[0]), String::from_utf8_lossy(&out.stderr));
    }
    let revealed = Command::new(support::binary())
        .args(["message", "list", "--patient", PATIENTS[0], "--config", &config])
        .output()
        .unwrap();
    assert!(revealed.stdout.len() > 20);
    run.seen.add("message list --patient", String::from_utf8_lossy(&revealed.stdout));
}

/// Searches, after having made sure that the search can find.
fn judge(run: &mut Run) {
    let resources = run.base.resources();
    let ids: BTreeSet<String> =
        resources.keys().filter_map(|url| url.split_once('/')).map(|(_, id)| id.to_owned()).collect();
    assert!(ids.len() > 10 && resources.keys().any(|url| url.starts_with("Observation/")), "{}", ids.len());
    run.words.extend(ids);
    let mut base = Seen::default();
    for kind in ["Patient", "Observation"] {
        let body = support::get(&format!("{}/{kind}", run.base.url())).unwrap();
        base.add(kind, String::from_utf8_lossy(&body));
    }
    let arrived = base.leaks(&run.words).join("\n");
    for word in ["金糸雀", "カナリヤザ", "7766550", "8844226600"] {
        assert!(arrived.contains(word), "the base never got {word}");
    }
    let size: usize = run.seen.0.iter().map(|(_, text)| text.len()).sum();
    eprintln!("{} places, {size} bytes, {} words", run.seen.0.len(), run.words.len());
    let mut leaks = run.seen.leaks(&run.words);
    let shows = |place: &str| place.starts_with("message show") || place.starts_with("GET /messages/");
    run.seen.0.retain(|(place, _)| !shows(place));
    leaks.extend(run.seen.leaks(&MISPLACED.iter().map(ToString::to_string).collect::<Vec<_>>()));
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}
