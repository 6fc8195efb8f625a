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
    /// A feed's, and whether it has brought something.
    Feed { status: FeedStatus, brought: bool },
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
        let store = state.store.facility(&status.facility);
        let last = store.and_then(|store| store.last_received_ms(&status.name).ok().flatten());
        let whose = Whose::Feed { status: status.clone(), brought: last.is_some() };
        Some(Share { whose, path: status.path.clone()? })
    });
    let consents = state.config.facilities.iter().filter_map(|written| {
        let path = written.consent_folder.clone()?;
        Some(Share { whose: Whose::Consent(written.code.clone()), path })
    });
    feeds.chain(consents).map(|share| tokio::spawn(share.follow(alarms.clone(), shutdown.clone()))).collect()
}

/// Whether a folder that is there and can be read is empty; none where it is not there.
fn is_empty(path: &Path) -> Option<bool> {
    match std::fs::read_dir(path).ok()?.next() {
        None => Some(true),
        Some(entry) => entry.ok().map(|_| false),
    }
}

/// A storage that has held something is never empty again: what is empty is the place where it was mounted.
fn is_gone(empty: Option<bool>, held_something: bool) -> bool {
    empty.is_none_or(|empty| empty && held_something)
}

impl Share {
    async fn follow(self, alarms: Arc<Alarms>, shutdown: CancellationToken) {
        let mut gone = false;
        let storage = matches!(&self.whose, Whose::Feed { status, .. } if status.kind == "ssmix2");
        let mut held_something = matches!(self.whose, Whose::Feed { brought: true, .. });
        loop {
            let path = self.path.clone();
            let mut look = tokio::task::spawn_blocking(move || is_empty(&path));
            let answered = tokio::select! {
                () = shutdown.cancelled() => return,
                answered = tokio::time::timeout(ANSWER, &mut look) => answered,
            };
            let empty = match &answered {
                Ok(Ok(empty)) => *empty,
                Ok(Err(_)) | Err(_) => None,
            };
            held_something |= empty == Some(false);
            let before = std::mem::replace(&mut gone, is_gone(empty, storage && held_something));
            self.tell(&alarms, before, gone);
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
        assert_eq!(is_empty(&share), None);
        std::fs::create_dir(&share).unwrap();
        assert_eq!(is_empty(&share), Some(true));
        std::fs::write(share.join("000"), "").unwrap();
        assert_eq!(is_empty(&share), Some(false));
        // A new storage, or a folder from which all was taken, is empty and there.
        assert!(!is_gone(Some(true), false) && is_gone(Some(true), true));
        assert!(is_gone(None, false) && !is_gone(Some(false), true));
    }
}
