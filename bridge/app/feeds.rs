//! Feeds at work, each on its own: one that cannot start is tried again and keeps nobody else from starting.

use super::FeedStatus;
use crate::console::LeftFiles;
use crate::intake::{self, Doors, Feed, Kind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Between two tries to start a feed: its port is taken by a program that somebody will end.
const RETRY: Duration = Duration::from_secs(5);

/// Starts a feed, now or as soon as it can. Without a store, which is one that is damaged, it is not started:
/// what could not be kept must not be taken.
pub(super) fn spawn(
    feed: &Feed,
    doors: &Doors,
    shutdown: &CancellationToken,
) -> (FeedStatus, Option<JoinHandle<()>>) {
    let (kind, listen, path) = match &feed.kind {
        Kind::Mllp(mllp) => ("mllp", Some(mllp.listen), None),
        Kind::Ssmix2(storage) => ("ssmix2", None, Some(storage.path.clone())),
        Kind::Folder(folder) => ("folder", None, Some(folder.path.clone())),
    };
    let mut status = FeedStatus {
        name: feed.name.clone(),
        facility: feed.facility.clone(),
        kind,
        local_addr: listen,
        path,
        working: Arc::default(),
        left: doors.left.clone(),
    };
    show(&status, false);
    if doors.store.facility(&feed.facility).is_none() {
        return (status, None);
    }
    match intake::spawn(feed.clone(), doors, shutdown.clone()) {
        Ok(running) => {
            status.local_addr = running.local_addr;
            status.working.store(true, Ordering::Relaxed);
            show(&status, false);
            (status, Some(running.task))
        }
        Err(problem) => {
            error!(
                facility = %feed.facility, feed = %feed.name, error = %problem, retry_s = RETRY.as_secs(),
                "A feed cannot start, will try again. The others are served."
            );
            let task = tokio::spawn(again(feed.clone(), doors.clone(), status.clone(), shutdown.clone()));
            (status, Some(task))
        }
    }
}

async fn again(feed: Feed, doors: Doors, status: FeedStatus, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
        // Why not, was said once.
        if let Ok(running) = intake::spawn(feed.clone(), &doors, shutdown.clone()) {
            info!(facility = %feed.facility, feed = %feed.name, "A feed that could not start works now.");
            status.working.store(true, Ordering::Relaxed);
            show(&status, false);
            // A panic in it has been told by the hook.
            let _ = running.task.await;
            return;
        }
    }
}

/// Writes whether a feed takes messages; one whose folder is gone takes none.
pub(super) fn show(status: &FeedStatus, gone: bool) {
    let working = !gone && status.working.load(Ordering::Relaxed);
    metrics::gauge!("renkei_feed_working", "feed" => status.name.clone(), "facility" => status.facility.clone())
        .set(f64::from(u8::from(working)));
}

/// What keeps a facility's messages from coming in, as keys of the console's words.
pub(super) fn trouble(feeds: &[FeedStatus], damaged: bool, facility: &str) -> Vec<&'static str> {
    let idle = |feed: &FeedStatus| feed.facility == facility && !feed.working.load(Ordering::Relaxed);
    match (damaged, feeds.iter().any(idle)) {
        (true, _) => vec!["verdict.damaged"],
        (false, true) => vec!["verdict.feed"],
        (false, false) => Vec::new(),
    }
}

/// What a feed could not take, for the console.
pub(super) fn left(feeds: &[FeedStatus], name: &str) -> Vec<LeftFiles> {
    let of = feeds.iter().filter(|feed| feed.name == name).flat_map(|feed| feed.left.get());
    // That the folder itself is gone is an alarm of its own.
    of.filter(|(cause, _)| !cause.ends_with("-gone"))
        .map(|(cause, untaken)| LeftFiles {
            key: format!("left.{cause}"),
            files: untaken.files,
            example: untaken.example,
        })
        .collect()
}
