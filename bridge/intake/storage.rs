//! Follows an SS-MIX2 standardized storage by walking it: shares show no events.
//!
//! Reads and never writes. A file is taken when its size and time have stood still; what was taken is
//! remembered, so that a restart journals nothing twice. A rename of flag 1 to 2 is nothing new, flag 0 is a
//! withdrawal and always is, and so is what comes back from it. Links are refused: a storage lies in one tree. Nothing of a path is ever logged,
//! because it holds patient ids.

use super::feed::{Feed, StorageFeed};
use super::left::{self, ByCause, Left};
use super::listener::Seldom;
use super::{IntakeError, Running};
use crate::store::follow::{Followed, Seen};
use crate::store::{Arrival, FacilityStore, Origin, StoreError};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use renkei_translate::ssmix2::{self, FileName};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// A file that changed longer ago than this is not watched for a while first. Wide, because the clock of a
/// share may differ from ours by minutes.
const SURELY_STILL: Duration = Duration::from_secs(15 * 60);
/// Files that are watched for standing still, at once. The others' turn comes with the next walk.
const MAX_CANDIDATES: usize = 50_000;
/// Flags of a file: deleted, current, replaced.
const FLAGS: [char; 3] = ['0', '1', '2'];
/// In the place of a flag where none is meant.
const NO_FLAG: char = '*';
/// Files read and not yet on their way to the journal.
const READ_AHEAD: usize = 2;
/// Files on their way to the journal, so that one group commit takes many.
const IN_FLIGHT: usize = 64;
/// Bytes of them.
const IN_FLIGHT_BYTES: usize = 4 << 20;
/// Files remembered in one transaction.
const REMEMBERED_AT_ONCE: usize = 256;
/// Before a file that could not be stored is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// The same trouble is logged once in this time.
const TROUBLE_LOG: Duration = Duration::from_secs(600);

/// Starts to follow. Must be called within a runtime.
///
/// # Errors
/// Where what was seen cannot be opened. A storage that is not there is no error: it may come back.
pub fn spawn(
    feed: Feed,
    storage: StorageFeed,
    (store, left): (Arc<FacilityStore>, Left),
    shutdown: CancellationToken,
) -> Result<Running, IntakeError> {
    let followed = Followed::open(store.dir(), &feed.name)
        .map_err(|error| IntakeError::Seen { feed: feed.name.clone(), reason: error.to_string() })?;
    info!(feed = %feed.name, scan_s = storage.scan.as_secs(), "Following a storage.");
    let task = tokio::spawn(follow(feed, storage, (store, left), followed, shutdown));
    Ok(Running { local_addr: None, task })
}

/// A file that was read whole and stood still while it was.
struct Taken {
    key: [u8; 16],
    seen: Seen,
    name: String,
    file: FileName,
    body: Vec<u8>,
    known: bool,
    /// Flags under which it was known and is no more.
    gone: Vec<char>,
}

/// What one walk met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Walked {
    taken: u64,
    waiting: u64,
    trouble: ByCause,
}

/// A file waits here until it has stood still: size, time of change, and when that was first seen.
type Candidates = BTreeMap<PathBuf, (u64, i64, Instant)>;

struct Walker {
    storage: StorageFeed,
    followed: Memory,
    candidates: Candidates,
    shutdown: CancellationToken,
}

/// Shared by the walk, which asks, and the journal, which tells.
type Memory = Arc<Mutex<Followed>>;

/// A file that the journal has.
type Row = ([u8; 16], char, Seen, Vec<char>);

async fn follow(
    feed: Feed,
    storage: StorageFeed,
    (store, left): (Arc<FacilityStore>, Left),
    followed: Followed,
    shutdown: CancellationToken,
) {
    let memory = Arc::new(Mutex::new(followed));
    let settle = storage.settle;
    let times = storage.clone();
    let mut walker = Walker {
        storage,
        followed: memory.clone(),
        candidates: Candidates::new(),
        shutdown: shutdown.clone(),
    };
    let (loud, mut last) = (Seldom::default(), BTreeMap::new());
    let mut next_walk = Instant::now();
    while !shutdown.is_cancelled() {
        let whole = Instant::now() >= next_walk;
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let walk = tokio::task::spawn_blocking(move || {
            let walked = if whole { walker.walk(&sender) } else { walker.look_again(&sender) };
            (walker, walked)
        });
        journal(&feed, &store, receiver, &memory, &shutdown).await;
        let (returned, walked) = match walk.await {
            Ok(walk) => walk,
            // A panic: its words may quote a path, and the hook has logged its place.
            Err(_) => {
                error!(feed = %feed.name, "The walk over a storage failed; it has ended.");
                return;
            }
        };
        walker = returned;
        if whole {
            next_walk = Instant::now() + times.next_walk(chrono::Utc::now().timestamp_millis());
            left.set(walked.trouble.clone());
            report(&feed, &walked, &mut last, &loud);
        }
        let until_walk = next_walk.saturating_duration_since(Instant::now());
        let pause = if walker.candidates.is_empty() { until_walk } else { settle.min(until_walk) };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    info!(feed = %feed.name, "Following a storage has ended.");
}

fn report(feed: &Feed, walked: &Walked, last: &mut BTreeMap<&'static str, u64>, loud: &Seldom) {
    for (cause, count) in walked.trouble.iter().map(|(cause, untaken)| (cause, &untaken.files)) {
        let name = feed.name.clone();
        metrics::gauge!("renkei_intake_storage_trouble", "feed" => name, "cause" => *cause)
            .set(*count as f64);
        if last.get(cause) != Some(count) || loud.due(TROUBLE_LOG) {
            warn!(feed = %feed.name, cause, files = count, "Files of a storage could not be taken.");
        }
    }
    for cause in last.keys().filter(|cause| !walked.trouble.contains_key(*cause)) {
        let name = feed.name.clone();
        metrics::gauge!("renkei_intake_storage_trouble", "feed" => name, "cause" => *cause).set(0.0);
        info!(feed = %feed.name, cause, "Files of a storage can be taken again.");
    }
    *last = walked.trouble.iter().map(|(cause, untaken)| (*cause, untaken.files)).collect();
    if walked.taken > 0 {
        info!(feed = %feed.name, files = walked.taken, waiting = walked.waiting, "A storage was walked.");
    }
}

/// Has the files journalled in order, and remembers those that are safe.
async fn journal(
    feed: &Feed,
    store: &Arc<FacilityStore>,
    mut receiver: mpsc::Receiver<Taken>,
    memory: &Memory,
    shutdown: &CancellationToken,
) {
    let mut stored = Vec::new();
    let mut pending: FuturesOrdered<BoxFuture<'_, (Option<Row>, usize)>> = FuturesOrdered::new();
    let (mut bytes, mut open, loud) = (0, true, Arc::new(Seldom::default()));
    while open || !pending.is_empty() {
        let room = open && pending.len() < IN_FLIGHT && bytes < IN_FLIGHT_BYTES;
        tokio::select! {
            Some((row, size)) = pending.next(), if !pending.is_empty() => {
                bytes -= size;
                stored.extend(row);
            }
            taken = receiver.recv(), if room => match taken {
                None => open = false,
                Some(taken) => {
                    bytes += taken.body.len();
                    pending.push_back(accept(feed, store, taken, shutdown, loud.clone()).boxed());
                }
            },
        }
        if stored.len() >= REMEMBERED_AT_ONCE {
            remember(feed, memory, std::mem::take(&mut stored)).await;
        }
    }
    remember(feed, memory, stored).await;
}

async fn remember(feed: &Feed, memory: &Memory, rows: Vec<Row>) {
    let memory = memory.clone();
    let put = move || {
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = rows.iter().flat_map(|(key, _, _, gone)| gone.iter().map(|flag| (*key, *flag)));
        // Forgotten first: remembered twice costs a duplicate, forgotten too late a message.
        memory.forget(&gone.collect::<Vec<_>>())?;
        let seen = rows.iter().map(|(key, flag, seen, _)| (*key, *flag, *seen));
        memory.put(&seen.collect::<Vec<_>>())
    };
    if let Ok(Err(problem)) = tokio::task::spawn_blocking(put).await {
        // No message is lost by it: the files are read again and found to be duplicates.
        error!(feed = %feed.name, error = %problem, "What was seen of a storage could not be kept.");
    }
}

/// Journals one file, as long as it takes; `None` where the shutdown came first.
async fn accept(
    feed: &Feed,
    store: &FacilityStore,
    taken: Taken,
    shutdown: &CancellationToken,
    loud: Arc<Seldom>,
) -> (Option<Row>, usize) {
    let size = taken.body.len();
    let row = (taken.key, taken.file.flag, taken.seen, taken.gone);
    if taken.known {
        return (Some(row), size);
    }
    let path_patient = match &feed.kind {
        super::Kind::Ssmix2(storage) => storage.path_patient,
        super::Kind::Mllp(_) | super::Kind::Folder(_) => {
            renkei_translate::translation::PathPatient::default()
        }
    };
    loop {
        let arrival = Arrival {
            feed: feed.name.clone(),
            name: taken.name.clone(),
            body: taken.body.clone(),
            origin: Origin {
                file: Some(taken.file.clone()),
                path_patient,
                lists: feed.lists,
                source: feed.name.clone(),
                ..Origin::default()
            },
            received_ms: chrono::Utc::now().timestamp_millis(),
            duplicate_window_ms: i64::try_from(feed.duplicate_window.as_millis()).unwrap_or(i64::MAX),
        };
        match store.accept(arrival).await {
            Ok(receipt) => {
                let outcome = if receipt.duplicate_of.is_some() { "duplicate" } else { "stored" };
                let feed = feed.name.clone();
                metrics::counter!("renkei_intake_messages_total", "feed" => feed, "outcome" => outcome)
                    .increment(1);
                return (Some(row), size);
            }
            Err(problem) => {
                if loud.due(TROUBLE_LOG) {
                    error!(feed = %feed.name, error = %problem, "A file of a storage could not be stored, will retry.");
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return (None, size),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

fn modified_ns(metadata: &Metadata) -> i64 {
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// Key of a file in what was seen: its path in the tree without the flag.
fn key(root: &Path, path: &Path) -> [u8; 16] {
    let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
    let bytes = ssmix2::with_flag(&path, NO_FLAG).into_bytes();
    // A file's own flag stands at the end and is left out; that of a content folder stands inside.
    Followed::hash(bytes.strip_suffix(&[NO_FLAG as u8]).unwrap_or(&bytes))
}

impl Walker {
    fn memory(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks the whole tree in the order of names, one directory in memory at a time.
    fn walk(&mut self, out: &mpsc::Sender<Taken>) -> Walked {
        let mut walked = Walked::default();
        let mut still_there = Candidates::new();
        for entry in walkdir::WalkDir::new(&self.storage.path).sort_by_file_name() {
            if self.shutdown.is_cancelled() {
                break;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(problem) => {
                    let cause = if problem.depth() == 0 { "storage-gone" } else { "unreadable" };
                    self.leave(&mut walked, cause, problem.path());
                    continue;
                }
            };
            let kind = entry.file_type();
            if kind.is_symlink() {
                self.leave(&mut walked, "link", Some(entry.path()));
            } else if kind.is_file() {
                match entry.metadata() {
                    Ok(metadata) => self.look(entry.path(), &metadata, &mut still_there, &mut walked, out),
                    Err(_) => self.leave(&mut walked, "unreadable", Some(entry.path())),
                }
            } else if !kind.is_dir() {
                self.leave(&mut walked, "no-file", Some(entry.path()));
            }
        }
        walked.waiting = still_there.len() as u64;
        self.candidates = still_there;
        walked
    }

    /// Looks only at the files that wait.
    fn look_again(&mut self, out: &mpsc::Sender<Taken>) -> Walked {
        let mut walked = Walked::default();
        let mut still_there = Candidates::new();
        let waiting: Vec<PathBuf> = self.candidates.keys().cloned().collect();
        for path in waiting {
            if self.shutdown.is_cancelled() {
                break;
            }
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    self.look(&path, &metadata, &mut still_there, &mut walked, out);
                }
                // Renamed or gone: the next walk finds what became of it.
                Ok(_) | Err(_) => {}
            }
        }
        self.candidates = still_there;
        walked
    }

    fn leave(&self, walked: &mut Walked, cause: &'static str, path: Option<&Path>) {
        left::note(&mut walked.trouble, cause, &self.storage.path, path);
    }

    fn look(
        &self,
        path: &Path,
        metadata: &Metadata,
        waiting: &mut Candidates,
        walked: &mut Walked,
        out: &mpsc::Sender<Taken>,
    ) {
        let leave = |walked: &mut Walked, cause| self.leave(walked, cause, Some(path));
        let Some(text) = path.to_str() else { return leave(walked, "name") };
        let file = match FileName::parse(text) {
            Ok(file) => file,
            // A document is not read yet: how many there are is told, so that nobody takes them for sent.
            Err(findings) if findings.iter().any(|finding| finding.code == "storage-attachment") => {
                return leave(walked, "document");
            }
            Err(_) => return leave(walked, left::misnamed(path)),
        };
        let (size, modified) = (metadata.len(), modified_ns(metadata));
        let key = key(&self.storage.path, path);
        let seen = match self.memory().get(&key, file.flag) {
            Ok(seen) => seen,
            Err(_) => return leave(walked, "memory"),
        };
        if seen.is_some_and(|seen| (seen.size, seen.modified) == (size, modified)) {
            return;
        }
        if size > self.storage.max_message as u64 {
            return leave(walked, "too-large");
        }
        if !self.stands_still(path, size, modified, metadata) {
            if waiting.len() < MAX_CANDIDATES {
                let since = match self.candidates.get(path) {
                    Some(old) if (old.0, old.1) == (size, modified) => old.2,
                    _ => Instant::now(),
                };
                waiting.insert(path.to_owned(), (size, modified, since));
            }
            return;
        }
        let Ok(body) = std::fs::read(path) else { return leave(walked, "unreadable") };
        // Changed while it was read: looked at again later.
        let after = std::fs::symlink_metadata(path).map(|after| (after.len(), modified_ns(&after)));
        if after.ok() != Some((size, modified)) || body.len() as u64 != size {
            waiting.insert(path.to_owned(), (size, modified, Instant::now()));
            return;
        }
        let hash = Followed::hash(&body);
        // Flag 0 withdraws, even with the bytes of what it withdraws; so only the same flag makes it known.
        let known = match (seen, file.flag) {
            (Some(seen), _) if seen.hash == hash => Ok(true),
            (_, '2') => self.memory().knows(&key, &hash),
            _ => Ok(false),
        };
        let Ok(known) = known else { return leave(walked, "memory") };
        let Ok(gone) = self.gone(&key, path, file.flag) else { return leave(walked, "memory") };
        let name = ssmix2::name(text).to_owned();
        walked.taken += u64::from(!known);
        let taken = Taken { key, seen: Seen { size, modified, hash }, name, file, body, known, gone };
        // The other end goes only with the process.
        let _ = out.blocking_send(taken);
    }

    /// Flags under which the file was known and that a rename has taken from it.
    fn gone(&self, key: &[u8; 16], path: &Path, flag: char) -> Result<Vec<char>, StoreError> {
        let mut gone = Vec::new();
        for other in FLAGS.into_iter().filter(|other| *other != flag) {
            if self.memory().get(key, other)?.is_some() {
                let name = ssmix2::with_flag(&path.to_string_lossy(), other);
                // Both at once is against the standard; then neither is forgotten, or they would take turns for ever.
                if std::fs::symlink_metadata(&name).is_err() {
                    gone.push(other);
                }
            }
        }
        Ok(gone)
    }

    fn stands_still(&self, path: &Path, size: u64, modified: i64, metadata: &Metadata) -> bool {
        let changed = metadata.modified().unwrap_or_else(|_| SystemTime::now());
        if changed.elapsed().is_ok_and(|age| age >= SURELY_STILL.max(self.storage.settle)) {
            return true;
        }
        self.candidates
            .get(path)
            .is_some_and(|old| (old.0, old.1) == (size, modified) && old.2.elapsed() >= self.storage.settle)
    }
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
