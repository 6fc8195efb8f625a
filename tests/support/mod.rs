//! What tests share: the program as a child, the samples beside the checkout, plain HTTP.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_renkei-bridge")
}

/// Says loudly that a test did nothing for lack of something; fails where `CI` is set.
pub fn lacking(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI is set and this is absent: {what}");
    eprintln!("SKIPPED for lack of {what}");
}

/// A file or folder of the samples and packages beside the checkout, where they are.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    path.exists().then_some(path)
}

/// Unpacks an archive into a folder of `scratch`.
pub fn unpack(archive: &Path, scratch: &Path) -> PathBuf {
    let folder = scratch.join("unpacked");
    std::fs::create_dir_all(&folder).expect("a folder");
    let status =
        Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(&folder).status().expect("tar runs");
    assert!(status.success(), "tar fails");
    folder
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// The cookie of somebody who has just signed in with these roles, made beside a program at work. The person
/// is made where there is none with those roles.
pub fn signed_in(data: &Path, roles: &[&str]) -> String {
    let users = renkei_bridge::store::Users::open(data).expect("the appliance's database opens");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is right");
    let now = i64::try_from(now.as_millis()).expect("the clock is right");
    let name = if roles.is_empty() { "nobody".to_owned() } else { roles.join("-") };
    let new = renkei_bridge::store::NewUser {
        name: name.clone(),
        display: name.clone(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Default::default()
    };
    users.add(&new, now).expect("a person is added");
    let known = users.credentials(&name).expect("the database answers").expect("the person is there");
    format!("session={}", users.open_session(known.user.id, now).expect("a session is opened"))
}

/// The body of a 200 answer, by HTTP/1.0 so that the end of the connection is the end of the body.
pub fn get(url: &str) -> Option<Vec<u8>> {
    get_as(url, "")
}

/// The same, with a cookie.
pub fn get_as(url: &str, cookie: &str) -> Option<Vec<u8>> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    write!(
        stream,
        "GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n{}\r\n",
        header(cookie)
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let status = String::from_utf8_lossy(&answer[..end]);
    status.split(' ').nth(1).is_some_and(|code| code == "200").then(|| answer[end + 4..].to_vec())
}

/// The header of a cookie, where there is one.
fn header(cookie: &str) -> String {
    if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") }
}

/// Figures of the day's sum.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Total {
    /// See `ledger`.
    pub received: u64,
    /// See `ledger`.
    pub registered: u64,
    /// See `ledger`.
    pub pending: u64,
    /// See `ledger`.
    pub quarantined: u64,
    /// See `ledger`.
    pub rejected: u64,
    /// See `ledger`.
    pub excluded: u64,
}

/// `serve` as a child with one facility, one MLLP feed and one base.
pub struct Appliance {
    child: Child,
    folder: PathBuf,
    console: u16,
    /// The cookie of an operator.
    pub cookie: String,
    /// Where the feed listens.
    pub mllp_port: u16,
}

/// The facility of [`Appliance`]: invented.
pub const FACILITY: &str = "1319999999";

impl Appliance {
    /// Starts it in `folder`, with lists that are `whole` or `incremental`.
    pub fn start(folder: &Path, base: &str, lists: &str) -> Self {
        Self::start_with(folder, base, lists, "", &[])
    }

    /// The same, with `more` at the end of the configuration (settings of the base first) and variables of
    /// the environment. Started again in the same folder it goes on with the same data and log.
    pub fn start_with(
        folder: &Path,
        base: &str,
        lists: &str,
        more: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        Self::start_as(folder, base, lists, "share = \"all\"", more, variables)
    }

    /// The same, with settings of the facility in place of `share = "all"`.
    pub fn start_as(
        folder: &Path,
        base: &str,
        lists: &str,
        facility: &str,
        more: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let (console, mllp_port) = (free_port(), free_port());
        let text = format!(
            "data_dir = \"{data}\"\n\n[console]\nlisten = \"127.0.0.1:{console}\"\n\n\
             [[facility]]\ncode = \"{FACILITY}\"\nname = \"架空市民病院\"\n{facility}\n\n\
             [[feed]]\nname = \"mllp\"\nfacility = \"{FACILITY}\"\nkind = \"mllp\"\nlisten = \"127.0.0.1:{mllp_port}\"\n\
             allow = [\"127.0.0.0/8\"]\nlists = \"{lists}\"\n\n\
             [[base]]\nname = \"base\"\nkind = \"fhir-rest\"\nurl = \"{base}\"\nfacilities = [\"*\"]\n{more}\n",
            data = folder.join("data").display(),
        );
        let file = folder.join("bridge.toml");
        std::fs::write(&file, text).expect("the configuration can be written");
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
        let child = Command::new(binary())
            .args(["serve", "--config"])
            .arg(&file)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("serve starts");
        let mut appliance =
            Self { child, folder: folder.to_owned(), console, cookie: String::new(), mllp_port };
        let end = Instant::now() + Duration::from_secs(60);
        while get(&format!("http://127.0.0.1:{console}/readyz")).is_none() {
            assert!(Instant::now() < end, "serve does not get ready:\n{}", appliance.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        appliance.cookie = signed_in(&folder.join("data"), &["operator"]);
        appliance
    }

    /// Where the console answers, without a slash at the end.
    pub fn console(&self) -> String {
        format!("http://127.0.0.1:{}", self.console)
    }

    /// The configuration, for commands beside it.
    pub fn config(&self) -> PathBuf {
        self.folder.join("bridge.toml")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The day's sum now.
    pub fn total(&self) -> Total {
        let body = get_as(&format!("http://127.0.0.1:{}/api/v1/status", self.console), &self.cookie)
            .expect("the status answers");
        let status: serde_json::Value = serde_json::from_slice(&body).expect("the status is JSON");
        assert_eq!(status["balanced"], true, "the sum does not hold: {}", status["total"]);
        serde_json::from_value(status["total"].clone()).expect("the status has a total")
    }

    /// Waits until nothing is pending.
    pub fn drained(&self, patience: Duration) -> Total {
        let end = Instant::now() + patience;
        loop {
            let total = self.total();
            if total.received > 0 && total.pending == 0 {
                return total;
            }
            assert!(Instant::now() < end, "still pending: {total:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// `Type/id` of everything that stands in the record, read beside the running program.
    pub fn record_ids(&self) -> BTreeSet<String> {
        let store = renkei_bridge::store::Store::open(
            &self.folder.join("data"),
            &[FACILITY.to_owned()],
            renkei_bridge::store::Config::default(),
        )
        .expect("the store opens");
        let facility = store.facility(FACILITY).expect("the facility is there");
        let ids = facility.record_ids().expect("the record can be read");
        ids.into_iter().map(|(kind, id)| format!("{kind}/{id}")).collect()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
