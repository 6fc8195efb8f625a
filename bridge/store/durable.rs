//! Durable points: places around each commit at which a test may have the process killed.
//!
//! `RENKEI_KILL_AT="accept.before-commit:3"` kills the process by SIGKILL at the third passage. Always compiled
//! in, so that what is tested is what runs; without the variable a passage costs one load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every durable point that a message passes, in the order of its life.
pub const DURABLE_POINTS: &[&str] = &[
    "accept.before-commit",
    "accept.after-commit",
    "ack.before-write",
    "ack.after-write",
    "index.after-commit",
    "complete.before-commit",
    "complete.after-commit",
    "begin-send.after-commit",
    "send.after-request",
    "settle.before-commit",
    "settle.after-commit",
];

/// Those around a change of who is shared.
pub const CONSENT_POINTS: &[&str] = &["consent.before-commit", "consent.after-commit", "sweep.before-commit"];

struct Kill {
    name: String,
    passage: u64,
    passed: AtomicU64,
}

static KILL: OnceLock<Option<Kill>> = OnceLock::new();

/// Passes a durable point. Does not return where the test wants the process to end here.
pub fn durable_point(name: &str) {
    let kill = KILL.get_or_init(|| {
        let wanted = std::env::var("RENKEI_KILL_AT").ok()?;
        let (name, passage) = wanted.rsplit_once(':')?;
        Some(Kill { name: name.into(), passage: passage.parse().ok()?, passed: AtomicU64::new(0) })
    });
    if let Some(kill) = kill
        && kill.name == name
        && kill.passed.fetch_add(1, Ordering::SeqCst) + 1 == kill.passage
    {
        // SIGKILL and not an abort: nothing may run any more, no destructor and no signal's code.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}
