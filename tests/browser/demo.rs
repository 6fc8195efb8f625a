//! `renkei-bridge demo` as a child, and its people at its console.

use super::driver::Browser;
use crate::support;
use renkei_bridge::demo::people::PASSWORD;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Two demonstrations that start at once may want the same port.
static STARTS: Mutex<()> = Mutex::new(());
/// Messages of the hospitals and the laboratory until the demonstration has begun.
const FIRST_MESSAGES: u64 = 50;

/// The demonstration; it ends when dropped.
pub struct Demo {
    child: Child,
    _folder: tempfile::TempDir,
    /// Where the console answers.
    pub console: String,
    /// Where the hospital's messages go.
    pub mllp: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Demo {
    /// Starts it and a browser; none where there is no browser.
    pub fn start() -> Option<(Self, Browser)> {
        let browser = Browser::start("http://127.0.0.1")?;
        let demo = Self::alone();
        Some((demo, browser)).map(|(demo, mut browser)| {
            browser.base = demo.console.clone();
            (demo, browser)
        })
    }

    fn alone() -> Self {
        let lock = STARTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(support::binary())
            .arg("demo")
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demonstration starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut after = |start: &str| {
            let line = lines.find_map(|line| line.unwrap().strip_prefix(start).map(str::to_owned));
            line.unwrap_or_else(|| panic!("the demonstration says nothing of {start}"))
        };
        let console = after("コンソール / console  ").trim().trim_end_matches('/').to_owned();
        let mllp = after("架空あおば病院      MLLP ").trim().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        drop(lock);
        Self { child, _folder: folder, console, mllp, cookies: Mutex::default() }
    }

    /// Signs in by the pages; the second time the same session is taken again.
    pub fn sign_in(&self, browser: &Browser, name: &str) {
        let known = self.cookies.lock().unwrap().get(name).cloned();
        if let Some(session) = known {
            browser.devtools(
                "Network.setCookie",
                serde_json::json!({ "name": "session", "value": session, "url": self.console, "httpOnly": true }),
            );
            return;
        }
        browser.devtools("Network.clearBrowserCookies", serde_json::json!({}));
        browser.open("/login");
        browser.fill("#name", name);
        browser.fill("#password", PASSWORD);
        browser.click("main button[type=submit]");
        browser.wait("location.pathname === '/login/totp'");
        let code = browser.text_of("#demo-code");
        assert_eq!(code.len(), 6, "a code has six digits: {code}");
        browser.fill("#code", &code);
        browser.click("main button[type=submit]");
        browser.wait("!location.pathname.startsWith('/login')");
        let cookies = browser.devtools("Network.getCookies", serde_json::json!({ "urls": [self.console] }));
        let session =
            cookies["cookies"].as_array().unwrap().iter().find(|cookie| cookie["name"] == "session");
        let value = session.expect("a session has a cookie")["value"].as_str().unwrap().to_owned();
        self.cookies.lock().unwrap().insert(name.to_owned(), value);
    }

    /// Waits until what was sent at the start is accounted for; for somebody of the staff.
    pub fn settled(&self, browser: &Browser) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let cookies = self.cookies.lock().unwrap();
            let session = cookies.values().next().expect("somebody has signed in");
            let body =
                support::get_as(&format!("{}/api/v1/status", self.console), &format!("session={session}"));
            let status: serde_json::Value =
                body.map_or_else(Default::default, |body| serde_json::from_slice(&body).unwrap());
            let total = &status["total"];
            if total["received"].as_u64() >= Some(FIRST_MESSAGES) && total["pending"].as_u64() <= Some(1) {
                return;
            }
            assert!(Instant::now() < end, "the demonstration does not settle: {total} {}", browser.path());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Sends a message to the hospital's port and waits for the acknowledgment.
    pub fn send(&self, message: &str) {
        let mut stream = TcpStream::connect(&self.mllp).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&[b"\x0b", message.as_bytes(), b"\x1c\r"].concat()).unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0; 1024];
        while !answer.ends_with(b"\x1c\r") {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "no acknowledgment");
            answer.extend_from_slice(&chunk[..read]);
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("MSA|AA|"), "{answer}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
