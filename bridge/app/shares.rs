//! Whether the folders that feeds and consent lists come by are there: a share that vanishes shows no event, and whoever
//! walks over it finds nothing to do.
//!
//! Each is looked at by a task of its own, so that a share that answers nothing keeps nobody else waiting.

use super::alarm::Alarms;
use super::{AppState, FeedStatus, feeds};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// A share that does not answer for so long is gone.
const ANSWER: Duration = Duration::from_secs(30);

/// Whose folder it is.
enum Whose {
    /// A feed's, and whether an empty folder is one that is not mounted.
    Feed { status: FeedStatus, never_empty: bool },
    /// A facility's consent lists.
    Consent(String),
}

struct Share {
    whose: Whose,
    path: PathBuf,
}

/// Looks at every folder of the configuration until the shutdown.
pub(super) fn watch(
    state: &AppState,
    alarms: &Arc<Alarms>,
    shutdown: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let feeds = state.feeds.iter().filter_map(|status| {
        // A storage that has brought something is never empty again: what is empty is where it was mounted.
        let brought = || {
            let store = state.store.facility(&status.facility)?;
            store.last_received_ms(&status.name).ok().flatten()
        };
        let never_empty = status.kind == "ssmix2" && brought().is_some();
        let whose = Whose::Feed { status: status.clone(), never_empty };
        Some(Share { whose, path: status.path.clone()? })
    });
    let consents = state.config.facilities.iter().filter_map(|written| {
        let path = written.consent_folder.clone()?;
        Some(Share { whose: Whose::Consent(written.code.clone()), path })
    });
    feeds.chain(consents).map(|share| tokio::spawn(share.follow(alarms.clone(), shutdown.clone()))).collect()
}

/// Whether a folder is there and can be read.
fn is_there(path: &Path, never_empty: bool) -> bool {
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            Some(first) => first.is_ok(),
            None => !never_empty,
        },
        Err(_) => false,
    }
}

impl Share {
    async fn follow(self, alarms: Arc<Alarms>, shutdown: CancellationToken) {
        let mut gone = false;
        let never_empty = matches!(self.whose, Whose::Feed { never_empty: true, .. });
        loop {
            let path = self.path.clone();
            let mut look = tokio::task::spawn_blocking(move || is_there(&path, never_empty));
            let answered = tokio::select! {
                () = shutdown.cancelled() => return,
                answered = tokio::time::timeout(ANSWER, &mut look) => answered,
            };
            let there = matches!(answered, Ok(Ok(true)));
            self.tell(&alarms, std::mem::replace(&mut gone, !there), gone);
            if answered.is_err() {
                // No second look beside one that hangs.
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    _ = look => {}
                }
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Sets alarms and metrics; the log has a line when it begins and when it ends.
    fn tell(&self, alarms: &Alarms, before: bool, gone: bool) {
        let alarm = match &self.whose {
            Whose::Feed { status, .. } => {
                feeds::show(status, gone);
                let left = !gone && status.left.needs_a_person();
                alarms.set(format!("files-left {}", status.name), left);
                format!("folder-gone {}", status.name)
            }
            Whose::Consent(facility) => {
                metrics::gauge!("renkei_consent_folder_gone", "facility" => facility.clone())
                    .set(f64::from(u8::from(gone)));
                format!("consent-folder-gone {facility}")
            }
        };
        match (before, gone) {
            (false, true) => warn!(alarm, "An alarm has begun."),
            (true, false) => info!(alarm, "An alarm has ended."),
            _ => {}
        }
        alarms.set(alarm, gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_while_it_can_be_read_and_an_empty_place_of_mounting_is_no_storage() {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        assert!(!is_there(&share, false));
        std::fs::create_dir(&share).unwrap();
        assert!(is_there(&share, false) && !is_there(&share, true));
        std::fs::write(share.join("000"), "").unwrap();
        assert!(is_there(&share, true));
        std::fs::rename(&share, dir.path().join("moved")).unwrap();
        assert!(!is_there(&share, true));
    }
}
