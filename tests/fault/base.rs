//! The rehearsal base in the test's own process: it survives what is done to the appliance.

use renkei_bridge::forward::rehearsal::fault::Faults;
use renkei_bridge::forward::rehearsal::{Rehearsal, RehearsalConfig, spawn};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// A base with a journal under `dir`. Ends with the test.
pub async fn open(dir: &Path) -> (Rehearsal, PathBuf) {
    let file = dir.join("base.jsonl");
    let config = RehearsalConfig { journal: Some(file.clone()), ..RehearsalConfig::default() };
    let (rehearsal, _task) =
        spawn(([127, 0, 0, 1], 0).into(), config, CancellationToken::new()).await.unwrap();
    (rehearsal, file)
}

pub fn away() -> Faults {
    Faults { away: true, ..Faults::default() }
}

/// Answers get lost before and after the commit, and some are errors.
pub fn troubled() -> Faults {
    Faults { server_error: 0.1, drop_before_commit: 0.1, drop_after_commit: 0.1, ..Faults::default() }
}

pub fn well() -> Faults {
    Faults::default()
}
