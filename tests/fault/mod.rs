//! Faults: the real program under load is killed, cut off and starved, and nothing that it acknowledged is lost.
//!
//! The senders' own logs, the ledger and the base's journal must agree. `cargo test --test suite fault` is
//! the short form; `RENKEI_FAULT_KILLS=50` asks for so many kills at random moments and
//! `RENKEI_FAULT_SEED` replays a run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod appliance;
mod backup;
mod base;
mod disk;
mod hospital;
mod hostile;
mod kill;
mod oracle;

use std::time::Duration;

/// For anything that must come; far above what it takes on a slow machine.
const SOON: Duration = Duration::from_secs(90);

/// Reads a number from the environment.
fn setting(name: &str, standard: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(standard)
}

/// The seed of this run, told so that it can be replayed.
fn seed() -> u64 {
    let seed = setting("RENKEI_FAULT_SEED", u64::from(std::process::id()));
    eprintln!("RENKEI_FAULT_SEED={seed}");
    seed
}

/// One test at a time: each brings 64 senders and a program of its own.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ONE.lock().await
}
