//! A console in the test's own process, on a store in a temporary folder, with a clock that the test sets.

use arc_swap::ArcSwap;
use renkei_bridge::app::mappings;
use renkei_bridge::console::bench::Bench;
use renkei_bridge::console::rights::Role;
use renkei_bridge::console::{self, ConsoleState, FacilityInfo, password};
use renkei_bridge::store::{NewUser, Store};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The facilities of the console: invented.
pub const AOBA: &str = "1319999991";
/// The other one.
pub const MIDORI: &str = "1319999992";
/// Where the test's clock starts: 2026-11-20T10:24:00 in Japan, a Friday.
pub const START_MS: i64 = 1_795_137_840_000;
/// The longest a wait before a sign-in is asked to be; the waits themselves are cut to a millisecond.
pub static LONGEST_WAIT_MS: AtomicU32 = AtomicU32::new(0);

/// The console under test.
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shows.
    pub state: ConsoleState,
    clock: Arc<AtomicI64>,
    shutdown: CancellationToken,
    /// Where the store lies, in `data`.
    pub folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header as sent.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The header without its moment, which may be the next second's.
    pub fn undated(&self) -> Vec<&str> {
        self.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect()
    }
    /// A header's value.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }
    /// All values of a header.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.lines().filter_map(move |line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
    /// Where it leads.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }
    /// The value of a cookie that it sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.headers("set-cookie").find_map(|cookie| {
            Some(cookie.strip_prefix(name)?.strip_prefix('=')?.split(';').next()?.to_owned())
        })
    }
    /// The value of the first field of that name in the page.
    pub fn field(&self, name: &str) -> String {
        let text = self.text();
        let start = format!("name=\"{name}\" value=\"");
        let rest = text.split(&start).nth(1).unwrap_or_else(|| panic!("no field {name} in {text}"));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

fn wait(attempts: u32) -> Duration {
    let wanted = console::delay(attempts);
    LONGEST_WAIT_MS.fetch_max(u32::try_from(wanted.as_millis()).unwrap(), Ordering::Relaxed);
    wanted.min(Duration::from_millis(1))
}

/// The shipped set, read anew for each console.
pub fn set() -> Arc<ArcSwap<renkei_translate::mapping::MappingSet>> {
    Arc::new(ArcSwap::from_pointee(mappings::load(None).unwrap()))
}

impl Site {
    /// Runs something that needs the runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Starts one.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts one with something changed before.
    pub fn start_with(change: impl FnOnce(&mut ConsoleState)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let codes = [AOBA.to_owned(), MIDORI.to_owned()];
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        renkei_bridge::telemetry::start("off");
        // A test that fails says why.
        drop(std::panic::take_hook());
        let limits = renkei_bridge::store::Config { soft_free: 0, hard_free: 0, ..Default::default() };
        let clock = Arc::new(AtomicI64::new(START_MS));
        let now = clock.clone();
        let facility = |code: &str, name: &str, feed: &str, kind| FacilityInfo {
            code: code.into(),
            name: name.into(),
            feeds: vec![(feed.into(), kind)],
        };
        let guard = runtime.enter();
        let mut state = ConsoleState {
            network: "架空県 見本医療情報ネットワーク".into(),
            demo: false,
            refresh_s: 60,
            facilities: vec![
                facility(AOBA, "架空あおば病院", "aoba", "mllp"),
                facility(MIDORI, "架空みどり病院", "midori", "ssmix2"),
            ],
            region: renkei_bridge::participation::Config::default(),
            members: Vec::new(),
            store: Store::open(&folder.path().join("data"), &codes, limits.clone()).unwrap(),
            forwards: Vec::new(),
            trouble: Arc::new(|_| Vec::new()),
            mapping_version: Arc::new(|| "test".into()),
            bench: Arc::new(Bench::new(set(), Arc::default())),
            metrics: renkei_bridge::telemetry::metrics_text,
            consent: Arc::default(),
            now_ms: Arc::new(move || now.load(Ordering::Relaxed)),
            clock_offset_ms: Arc::new(|| None),
            machine: console::Machine {
                data_dir: folder.path().join("data"),
                limits: limits.clone(),
                started_ms: START_MS,
                certificates: Arc::new(|| {
                    vec![
                        ("base a tls.ca".into(), Ok(START_MS / 1_000 + 9 * 86_400)),
                        ("feed b tls.cert".into(), Err("x".into())),
                    ]
                }),
                alarm: Arc::new(|_| false),
                left: Arc::new(|_| Vec::new()),
                mappings: Arc::new(Vec::new),
            },
            delay: wait,
        };
        change(&mut state);
        let shutdown = CancellationToken::new();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let running = runtime.block_on(console::spawn(any, state.clone(), shutdown.clone())).unwrap();
        drop(guard);
        Self { address: running.local_addr, state, clock, shutdown, folder, runtime }
    }

    /// Moves the clock.
    pub fn later(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    /// Now, by its clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Adds a person who cannot sign in by password; the number.
    pub fn person(&self, name: &str, roles: &[Role], facilities: Option<&[&str]>) -> i64 {
        let new = NewUser {
            name: name.into(),
            display: format!("見本 {name}"),
            roles: roles.iter().map(|role| role.word().to_owned()).collect(),
            facilities: facilities.map(|codes| codes.iter().map(|code| (*code).to_owned()).collect()),
            ..NewUser::default()
        };
        let users = self.state.store.users();
        users.add(&new, START_MS).unwrap();
        users.credentials(name).unwrap().unwrap().user.id
    }

    /// Adds a person with a password and a second factor; the secret.
    pub fn enrolled(&self, name: &str, secret_word: &str, roles: &[Role]) -> Vec<u8> {
        let id = self.person(name, roles, None);
        let users = self.state.store.users();
        users.set_password(id, &password::hash(secret_word), None).unwrap();
        let secret = password::random::<20>().to_vec();
        users.set_totp(id, Some(&secret)).unwrap();
        secret
    }

    /// The session of a person with these roles; made where there is none.
    pub fn session(&self, roles: &[Role]) -> String {
        let words: Vec<&str> = roles.iter().map(|role| role.word()).collect();
        self.session_of(&format!("test-{}", words.join("-")), roles, None)
    }

    /// The session of a person.
    pub fn session_of(&self, name: &str, roles: &[Role], facilities: Option<&[&str]>) -> String {
        let id = self.person(name, roles, facilities);
        self.state.store.users().open_session(id, self.now_ms()).unwrap()
    }

    /// Sends a request as it stands and reads the answer to its end.
    pub fn ask(&self, request: &[u8]) -> Reply {
        ask(self.address, request)
    }

    /// GET with cookies as they are sent: `session=…; lang=en`.
    pub fn get_with(&self, path: &str, cookies: &str) -> Reply {
        get(self.address, path, cookies)
    }

    /// GET with a session.
    pub fn get(&self, path: &str, session: &str) -> Reply {
        self.get_with(path, &format!("session={session}"))
    }

    /// POST of a form with cookies as they are sent.
    pub fn post_with(&self, path: &str, cookies: &str, form: &[(&str, &str)]) -> Reply {
        post(self.address, path, cookies, form)
    }

    /// POST of a form with a session and its csrf value.
    pub fn post(&self, path: &str, session: &str, form: &[(&str, &str)]) -> Reply {
        let csrf = console::csrf(session);
        let mut whole = vec![("csrf", csrf.as_str())];
        whole.extend_from_slice(form);
        self.post_with(path, &format!("session={session}"), &whole)
    }

    /// What the audit trail says from its start: who, action, target, detail.
    pub fn audited(&self) -> Vec<(String, String, String, String)> {
        let mut entries = self.state.store.audit().entries(None, 1_000).unwrap();
        entries.reverse();
        entries.into_iter().map(|entry| (entry.who, entry.action, entry.target, entry.detail)).collect()
    }
}

/// Sends a request as it stands and reads the answer to its end.
pub fn ask(address: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a header");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    Reply { status, head, body: answer[end + 4..].to_vec() }
}

/// GET with cookies as they are sent.
pub fn get(address: SocketAddr, path: &str, cookies: &str) -> Reply {
    ask(address, format!("GET {path} HTTP/1.0\r\nHost: test\r\nCookie: {cookies}\r\n\r\n").as_bytes())
}

/// POST of a form with cookies as they are sent.
pub fn post(address: SocketAddr, path: &str, cookies: &str, form: &[(&str, &str)]) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: test\r\nCookie: {cookies}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ask(address, format!("{head}{body}").as_bytes())
}

/// A sign-in by hand: name and password, then the code. What the last page answers.
pub fn sign_in(address: SocketAddr, name: &str, password: &str, code: &str) -> Reply {
    let (door, second) = first_page(address, name, password, "/");
    assert_eq!((second.status, second.location()), (303, "/login/totp"));
    second_page(address, &door, code)
}

/// The first page of it: the cookie of the door, and the answer.
pub fn first_page(address: SocketAddr, name: &str, password: &str, next: &str) -> (String, Reply) {
    let page = get(address, "/login", "");
    let door = format!("door={}", page.cookie("door").expect("the door has a cookie"));
    let csrf = page.field("csrf");
    let form = [("csrf", csrf.as_str()), ("name", name), ("password", password), ("next", next)];
    let answer = post(address, "/login", &door, &form);
    (door, answer)
}

/// The second page.
pub fn second_page(address: SocketAddr, door: &str, code: &str) -> Reply {
    let csrf = get(address, "/login/totp", door).field("csrf");
    post(address, "/login/totp", door, &[("csrf", &csrf), ("code", code)])
}
