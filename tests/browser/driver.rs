//! A Chromium of a test's own: a new profile, no window, its console listened to.

use crate::support;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a page may take until it shows what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The browser; it ends when dropped.
pub struct Browser {
    runtime: tokio::runtime::Runtime,
    client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
    /// Where the console answers, without a slash at the end.
    pub base: String,
}

/// A program of the environment, of the path, or none.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A command that the client has no name for.
#[derive(Debug)]
struct Raw(&'static str, Value);

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }
    fn method_and_body(&self, _: &url::Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Starts one for the console at `base`; none where the programs are absent.
    pub fn start(base: &str) -> Option<Self> {
        Self::start_with(base, &[])
    }

    /// The same, with more arguments for Chromium.
    pub fn start_with(base: &str, more: &[&str]) -> Option<Self> {
        let programs = program("CHROMEDRIVER_BIN", "chromedriver")
            .zip(program("CHROMIUM_BIN", "chromium"))
            .filter(|(driver, chromium)| driver.exists() && chromium.exists());
        let Some((driver, chromium)) = programs else {
            support::lacking("chromedriver and chromium (CHROMEDRIVER_BIN, CHROMIUM_BIN)");
            return None;
        };
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                Some(line.unwrap().split_once("successfully on port ")?.1.trim_matches('.').to_owned())
            })
            .expect("chromedriver says its port");
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1440,900",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        let capabilities = json!({
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            // A dialog that nobody expects is a fault: it stays, and every command fails.
            "unhandledPromptBehavior": "ignore",
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.as_object().unwrap().clone())
                .connect(&format!("http://127.0.0.1:{port}")),
        );
        let client = match client {
            Ok(client) => client,
            Err(error) => {
                let _ = driver.kill();
                panic!("Chromium does not start: {error}");
            }
        };
        Some(Self { runtime, client, driver, _profile: profile, base: base.trim_end_matches('/').to_owned() })
    }

    /// Asks the driver for something that the client has no name for.
    fn raw(&self, path: &'static str, body: Value) -> Value {
        self.runtime
            .block_on(self.client.issue_cmd(Raw(path, body)))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A command of the DevTools.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.raw("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Opens a page.
    pub fn open(&self, path: &str) {
        self.runtime.block_on(self.client.goto(&format!("{}{path}", self.base))).unwrap();
    }

    /// What a function's body gives back.
    pub fn script(&self, body: &str) -> Value {
        self.script_with(body, Vec::new())
    }

    /// The same, with `arguments`.
    pub fn script_with(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.runtime
            .block_on(self.client.execute(body, arguments))
            .unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    /// What a function's body gives back as text.
    pub fn text(&self, body: &str) -> String {
        self.script(body).as_str().unwrap_or_default().to_owned()
    }

    /// The text of the first element of a selector; empty where there is none.
    pub fn text_of(&self, css: &str) -> String {
        let found = self
            .script_with("return document.querySelector(arguments[0])?.innerText ?? ''", vec![css.into()]);
        found.as_str().unwrap_or_default().trim().to_owned()
    }

    /// How many elements there are.
    pub fn count(&self, css: &str) -> u64 {
        self.script_with("return document.querySelectorAll(arguments[0]).length", vec![css.into()])
            .as_u64()
            .unwrap()
    }

    /// Waits until an expression is true.
    pub fn wait(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.script(&format!("return Boolean({expression})")) != Value::Bool(true) {
            assert!(
                Instant::now() < end,
                "never true: {expression}\nat {}\n{}",
                self.path(),
                self.text_of("main")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Path and query of the page.
    pub fn path(&self) -> String {
        self.text("return location.pathname + location.search")
    }

    fn element(&self, css: &str) -> fantoccini::elements::Element {
        self.runtime
            .block_on(self.client.find(Locator::Css(css)))
            .unwrap_or_else(|error| panic!("{css} at {}: {error}", self.path()))
    }

    /// Types into a field, in place of what stands there.
    pub fn fill(&self, css: &str, text: &str) {
        let field = self.element(css);
        self.runtime.block_on(field.clear()).unwrap();
        self.runtime.block_on(field.send_keys(text)).unwrap();
    }

    /// Clicks the first element of a selector and waits for the page that it leads to, if any.
    pub fn click(&self, css: &str) {
        let element = self.element(css);
        self.runtime
            .block_on(element.click())
            .unwrap_or_else(|error| panic!("{css} at {}: {error}", self.path()));
        self.wait("document.readyState === 'complete'");
    }

    /// Presses keys, wherever the focus is.
    pub fn press(&self, keys: &str) {
        self.keys(keys.chars().flat_map(|key| [("keyDown", key), ("keyUp", key)]).collect());
    }

    /// Presses keys while another is held.
    pub fn press_with(&self, held: char, keys: &str) {
        let pressed = keys.chars().flat_map(|key| [("keyDown", key), ("keyUp", key)]);
        self.keys([("keyDown", held)].into_iter().chain(pressed).chain([("keyUp", held)]).collect());
    }

    fn keys(&self, moves: Vec<(&str, char)>) {
        let actions: Vec<Value> =
            moves.into_iter().map(|(kind, key)| json!({ "type": kind, "value": key.to_string() })).collect();
        self.raw("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// The Back button.
    pub fn back(&self) {
        self.runtime.block_on(self.client.back()).unwrap();
    }

    /// A screen of so many CSS pixels, each `scale` pixels wide.
    pub fn screen(&self, (width, height): (u32, u32), scale: f64) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false }),
        );
    }

    /// What the browser's console has said since the last time, from a warning on.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.raw("se/log", json!({ "type": "browser" }));
        let all = entries.as_array().expect("a log is a list").iter();
        let loud = all.filter(|entry| matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE")));
        loud.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Fails where the console has said anything from a warning on, but for the status of a page that is meant
    /// to have it.
    pub fn quiet_but(&self, status: u16) {
        let complaints = self.complaints();
        let status = format!("the server responded with a status of {status}");
        let wrong: Vec<&String> = complaints.iter().filter(|said| !said.contains(&status)).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", self.path());
    }

    /// Fails where the console has said anything from a warning on.
    pub fn quiet(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{}: {complaints:?}", self.path());
    }

    /// How far the page is wider than the screen.
    pub fn overhang(&self) -> i64 {
        self.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .as_i64()
            .unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session, chromedriver by itself does not.
        let client = self.client.clone();
        let close = async { tokio::time::timeout(Duration::from_secs(10), client.close()).await };
        let _ = self.runtime.block_on(close);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
