//! The program as a child process, started again and again over the same data, without any repair.

use super::SOON;
use renkei_bridge::store::{self, FacilityStore, Store};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Invented.
pub const FACILITY: &str = "1319999999";
pub const BASE: &str = "base";
pub const FEED: &str = "a-mllp";

const SIGKILL: i32 = 9;

pub struct Appliance {
    dir: PathBuf,
    data: PathBuf,
    log: PathBuf,
    mllp: u16,
    console: u16,
    child: Option<Child>,
}

/// A port that nobody has: kept for all starts, so that senders need not be told.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Appliance {
    /// Writes a configuration under `dir`, with the store in `data`.
    pub fn new(dir: &Path, data: &Path, base_url: &str, more: &str) -> Self {
        let (mllp, console) = (free_port(), free_port());
        let config = format!(
            "data_dir = {data:?}\n\
             [console]\nlisten = \"127.0.0.1:{console}\"\n\
             [[facility]]\ncode = \"{FACILITY}\"\nname = \"試験病院\"\nshare = \"all\"\n\
             [[feed]]\nname = \"{FEED}\"\nfacility = \"{FACILITY}\"\nkind = \"mllp\"\nlisten = \"127.0.0.1:{mllp}\"\n\
             [[base]]\nname = \"{BASE}\"\nkind = \"fhir-rest\"\nurl = \"{base_url}\"\n\
             retry_min = \"50ms\"\nretry_max = \"500ms\"\nbreaker = {{ failures = 5, pause = \"200ms\" }}\n{more}\n"
        );
        std::fs::write(dir.join("bridge.toml"), config).unwrap();
        Self { dir: dir.into(), data: data.into(), log: dir.join("log"), mllp, console, child: None }
    }

    /// Where senders connect.
    pub fn mllp(&self) -> String {
        format!("127.0.0.1:{}", self.mllp)
    }

    /// Starts the program; `kill_at` is `POINT:PASSAGE`.
    pub fn start(&mut self, kill_at: Option<&str>) {
        assert!(self.child.is_none(), "started twice");
        let log = std::fs::File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
        command.arg("serve").arg("--config").arg(self.dir.join("bridge.toml"));
        command.env_remove("RENKEI_KILL_AT").stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if let Some(kill_at) = kill_at {
            command.env("RENKEI_KILL_AT", kill_at);
        }
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until it listens.
    pub fn wait_listening(&mut self) {
        let deadline = Instant::now() + SOON;
        while std::net::TcpStream::connect(self.mllp()).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "serve ended by itself: {ended:?}\n{}", self.tail());
            assert!(Instant::now() < deadline, "serve does not listen\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a durable point has killed it.
    pub fn wait_killed(&mut self, point: &str) {
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "{point} was never passed\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.signal(), Some(SIGKILL), "{point}: {status:?}\n{}", self.tail());
        self.child = None;
    }

    /// Kills it now.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "serve ended by itself\n{}", self.tail());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end and waits.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "serve does not end\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens its store in this process. Only while it does not run.
    pub fn store(&self) -> (Arc<Store>, Arc<FacilityStore>) {
        assert!(self.child.is_none(), "one process at a time");
        let whole = Store::open(&self.data, &[FACILITY.to_owned()], store::Config::default()).unwrap();
        let facility = whole.facility(FACILITY).unwrap();
        (whole, facility)
    }

    /// The most memory that it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let pid = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    /// What it shows to machines and people who may see no patient. Only while it runs.
    pub fn pages(&self) -> String {
        let cookie = crate::support::signed_in(&self.data, &["viewer"]);
        let pages = ["metrics", "api/v1/status"].map(|page| {
            let address = format!("http://127.0.0.1:{}/{page}", self.console);
            let body = crate::support::get_as(&address, &cookie);
            String::from_utf8(body.expect("a page that anybody may see")).unwrap()
        });
        pages.concat()
    }

    /// Messages that it has translated since its start.
    pub fn translated(&self) -> u64 {
        let body = crate::support::get(&format!("http://127.0.0.1:{}/metrics", self.console));
        let text = String::from_utf8(body.unwrap_or_default()).unwrap();
        let counters = text.lines().filter(|line| line.starts_with("renkei_messages_translated_total{"));
        counters.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
