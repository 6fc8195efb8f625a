//! Takes files from a folder: each is cut into messages by its layout, journalled, and moved to `done/`.
//!
//! A file is taken when its size and time have stood still; names of half-copied files are passed over. What was
//! taken is moved and never deleted; where it cannot be moved it is marked as taken, stays, and that is said. A file
//! that cannot be read stays too. After a kill the file is read again, and what the journals have is a repetition.
//! Nothing of a file or of its name is ever logged: both hold patient ids.

use super::feed::{Feed, FolderFeed};
use super::left::{self, ByCause as Trouble};
use super::listener::Seldom;
use super::{Doors, IntakeError, Running};
use crate::store::follow::{Followed, Seen};
use crate::store::{Arrival, FacilityStore, Origin, Receipt};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use renkei_translate::charset::GaijiTable;
use renkei_translate::feed::{Part, Piece, cut};
use renkei_translate::identity::sha256_hex;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Where files go that were taken, inside the folder: `done/YYYYMMDD/NAME`.
pub const DONE: &str = "done";
/// Messages of a file on their way to the journals at once, so that one group commit takes many.
const IN_FLIGHT: usize = 64;
/// Before a message that could not be stored is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// The same trouble is logged once in this time.
const TROUBLE_LOG: Duration = Duration::from_secs(600);
/// Files that are watched for standing still, at once.
const MAX_CANDIDATES: usize = 10_000;
/// Other files of one name that went to `done/` on one day.
const MAX_SAME_NAMES: u32 = 10_000;
/// Endings of names under which senders and file managers write what is not whole yet.
const HALF: [&str; 9] =
    [".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".writing", "~"];

/// Starts to take files. Must be called within a runtime.
///
/// # Errors
/// A layout that the mapping set lacks, a facility without a store, or a memory that cannot be opened. A folder
/// that is not there is no error: it may come back.
pub fn spawn(
    feed: Feed,
    folder: FolderFeed,
    doors: Doors,
    shutdown: CancellationToken,
) -> Result<Running, IntakeError> {
    if doors.set.load().layout(&folder.layout).is_none() {
        return Err(IntakeError::Layout { feed: feed.name, layout: folder.layout });
    }
    let mut stores = HashMap::new();
    for code in folder.allow.iter().flatten().chain([&feed.facility]) {
        let missing = || IntakeError::Facility { feed: feed.name.clone(), facility: code.clone() };
        stores.insert(code.clone(), doors.store.facility(code).ok_or_else(missing)?);
    }
    let own = &stores[&feed.facility];
    let followed = Followed::open(own.dir(), &feed.name)
        .map_err(|error| IntakeError::Seen { feed: feed.name.clone(), reason: error.to_string() })?;
    info!(feed = %feed.name, scan_s = folder.scan.as_secs(), "Taking files from a folder.");
    let taker = Taker { feed, folder, doors, stores, loud: Seldom::default() };
    let task = tokio::spawn(taker.run(followed, shutdown));
    Ok(Running { local_addr: None, task })
}

struct Taker {
    feed: Feed,
    folder: FolderFeed,
    doors: Doors,
    /// Of the feed's facility or sender, and of those that rows may name.
    stores: HashMap<String, Arc<FacilityStore>>,
    loud: Seldom,
}

/// Size and time of a file that is watched, and since when they stand.
type Candidates = HashMap<PathBuf, (u64, i64, Instant)>;

/// Size and time of a file when it was looked at.
type Stood = (u64, i64);

/// A file that was read whole and stood still while it was.
struct Taken {
    path: PathBuf,
    name: String,
    seen: Seen,
    bytes: Vec<u8>,
}

impl Taker {
    async fn run(self, mut followed: Followed, shutdown: CancellationToken) {
        let (mut candidates, mut last) = (Candidates::new(), BTreeMap::new());
        while !shutdown.is_cancelled() {
            let mut trouble = Trouble::new();
            for (path, stood) in self.settled(&mut candidates, &mut trouble).await {
                if shutdown.is_cancelled() {
                    break;
                }
                followed = match self.take(path, stood, followed, &mut trouble, &shutdown).await {
                    Some(followed) => followed,
                    None => {
                        error!(feed = %self.feed.name, "Taking a file failed; the feed has ended.");
                        return;
                    }
                };
            }
            self.report(&trouble, &mut last);
            self.doors.left.set(trouble);
            let pause = if candidates.is_empty() {
                self.folder.scan
            } else {
                self.folder.settle.min(self.folder.scan)
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        info!(feed = %self.feed.name, "Taking files from a folder has ended.");
    }

    /// Files whose size and time have stood still, in order of their names.
    async fn settled(&self, candidates: &mut Candidates, trouble: &mut Trouble) -> Vec<(PathBuf, Stood)> {
        let (path, most) = (self.folder.path.clone(), self.folder.max_file as u64);
        let looked = tokio::task::spawn_blocking(move || look(&path, most)).await;
        let (found, causes) = looked.unwrap_or_else(|_| (Vec::new(), gone(&self.folder.path)));
        trouble.extend(causes);
        let (mut next, mut settled) = (Candidates::new(), Vec::new());
        for (path, size, modified) in found {
            let since = match candidates.get(&path) {
                Some(old) if (old.0, old.1) == (size, modified) => old.2,
                _ => Instant::now(),
            };
            if since.elapsed() >= self.folder.settle {
                settled.push((path, (size, modified)));
            } else if next.len() < MAX_CANDIDATES {
                next.insert(path, (size, modified, since));
            }
        }
        *candidates = next;
        settled
    }

    /// Takes one file to its end; `None` where our own code failed.
    async fn take(
        &self,
        path: PathBuf,
        stood: Stood,
        followed: Followed,
        trouble: &mut Trouble,
        shutdown: &CancellationToken,
    ) -> Option<Followed> {
        let (root, at) = (self.folder.path.clone(), path.clone());
        let read = tokio::task::spawn_blocking(move || {
            let taken = read(path, stood);
            let known = taken.as_ref().ok().is_some_and(|taken| {
                followed.get(&key(&taken.name), MARK).ok().flatten() == Some(taken.seen)
            });
            (followed, taken, known)
        });
        let (mut followed, taken, known) = read.await.ok()?;
        let taken = match taken {
            Ok(taken) => taken,
            Err(cause) => {
                left::note(trouble, cause, &root, Some(&at));
                return Some(followed);
            }
        };
        if !known && !self.journal(&taken, shutdown).await? {
            return Some(followed);
        }
        let path = self.folder.path.clone();
        let moved = tokio::task::spawn_blocking(move || {
            // Marked before it is moved: where it cannot be, it is not taken again.
            let marked = known || followed.put(&[(key(&taken.name), MARK, taken.seen)]).is_ok();
            let moved = move_away(&path, &taken);
            if moved && marked {
                // The next file of that name is another one, even of the same size and time.
                let gone = Seen { size: 0, modified: 0, hash: [0; 16] };
                let _ = followed.put(&[(key(&taken.name), MARK, gone)]);
            }
            (followed, moved)
        });
        let (followed, moved) = moved.await.ok()?;
        if !moved {
            left::note(trouble, "not-moved", &root, Some(&at));
        }
        Some(followed)
    }

    /// Has every message of a file journalled; `Some(false)` where the shutdown came first.
    async fn journal(&self, taken: &Taken, shutdown: &CancellationToken) -> Option<bool> {
        let set = self.doors.set.load_full();
        let (layout, bytes) = (self.folder.layout.clone(), taken.bytes.clone());
        let cut = tokio::task::spawn_blocking(move || {
            // The layout was there at the start; a later set without it cuts nothing, and the file stays.
            set.layout(&layout).map(|layout| cut(layout, &bytes, &GaijiTable::default()))
        });
        let Some(file) = cut.await.ok()? else {
            if self.loud.due(TROUBLE_LOG) {
                error!(feed = %self.feed.name, "The active mapping set has no layout for a folder.");
            }
            return Some(false);
        };
        let (messages, rows) = (file.pieces.len(), file.rows);
        let digest = digest(&taken.seen);
        let mut waiting = file.pieces.into_iter();
        let mut pending = FuturesUnordered::new();
        let mut duplicates = 0_u64;
        loop {
            while pending.len() < IN_FLIGHT
                && let Some(piece) = waiting.next()
            {
                pending.push(self.accept((&taken.name, &digest), piece, shutdown));
            }
            let Some(receipt) = pending.next().await else { break };
            let Some(receipt) = receipt else { return Some(false) };
            duplicates += u64::from(receipt.duplicate_of.is_some());
        }
        let (titles, blank) = (file.titles, file.blank);
        info!(feed = %self.feed.name, messages, rows, titles, blank, duplicates, "A file was taken.");
        Some(true)
    }

    /// Journals one message, as long as it takes; `None` where the shutdown came first.
    async fn accept(
        &self,
        (file, digest): (&str, &str),
        piece: Piece,
        shutdown: &CancellationToken,
    ) -> Option<Receipt> {
        let by_field = self.folder.allow.is_some();
        let allowed = self.folder.allow.iter().flatten().any(|code| *code == piece.facility);
        let code = if allowed { &piece.facility } else { &self.feed.facility };
        let store = self.stores.get(code)?;
        let window = self.feed.duplicate_window.as_millis();
        let mut arrival = Arrival {
            feed: self.feed.name.clone(),
            name: format!("{file}#{}", piece.rows),
            body: piece.body,
            origin: Origin {
                lists: self.feed.lists,
                source: self.feed.name.clone(),
                feed: Some(Part { by_field, ..piece.part }),
                file_digest: digest.to_owned(),
                subject: sha256_hex(&piece.subject),
                ..Origin::default()
            },
            received_ms: 0,
            duplicate_window_ms: i64::try_from(window).unwrap_or(i64::MAX),
        };
        loop {
            arrival.received_ms = chrono::Utc::now().timestamp_millis();
            match store.accept(arrival.clone()).await {
                Ok(receipt) => {
                    let outcome = if receipt.duplicate_of.is_some() { "duplicate" } else { "stored" };
                    let feed = self.feed.name.clone();
                    metrics::counter!("renkei_intake_messages_total", "feed" => feed, "outcome" => outcome)
                        .increment(1);
                    return Some(receipt);
                }
                Err(problem) => {
                    if self.loud.due(TROUBLE_LOG) {
                        error!(feed = %self.feed.name, error = %problem, "A message of a file could not be stored, will retry.");
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    fn report(&self, trouble: &Trouble, last: &mut BTreeMap<&'static str, u64>) {
        for (cause, count) in trouble.iter().map(|(cause, untaken)| (cause, &untaken.files)) {
            let feed = self.feed.name.clone();
            metrics::gauge!("renkei_intake_folder_trouble", "feed" => feed, "cause" => *cause)
                .set(*count as f64);
            if last.get(cause) != Some(count) || self.loud.due(TROUBLE_LOG) {
                warn!(feed = %self.feed.name, cause, files = count, "Files of a folder could not be taken.");
            }
        }
        for cause in last.keys().filter(|cause| !trouble.contains_key(*cause)) {
            let feed = self.feed.name.clone();
            metrics::gauge!("renkei_intake_folder_trouble", "feed" => feed, "cause" => *cause).set(0.0);
            info!(feed = %self.feed.name, cause, "Files of a folder can be taken again.");
        }
        *last = trouble.iter().map(|(cause, untaken)| (*cause, untaken.files)).collect();
    }
}

/// The flag of a file in what was seen: taken, and not moved yet.
const MARK: char = 'd';

/// By which a file is told from others of its name: the same after a kill, and when it is delivered again.
fn digest(seen: &Seen) -> String {
    format!("{:032x}", u128::from_be_bytes(seen.hash))
}

fn key(name: &str) -> [u8; 16] {
    Followed::hash(name.as_bytes())
}

/// Whether a name is one under which files are written before they are whole, or is hidden.
fn is_half(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with(['.', '~']) || HALF.iter().any(|ending| lower.ends_with(ending))
}

fn modified_ns(metadata: &std::fs::Metadata) -> i64 {
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// That the folder itself is not there.
fn gone(folder: &Path) -> Trouble {
    let mut trouble = Trouble::new();
    left::note(&mut trouble, "folder-gone", folder, None);
    trouble
}

/// Path, size and time of each file that may be whole.
fn look(folder: &Path, most: u64) -> (Vec<(PathBuf, u64, i64)>, Trouble) {
    let (mut found, mut trouble) = (Vec::new(), Trouble::new());
    let Ok(entries) = std::fs::read_dir(folder) else {
        return (found, gone(folder));
    };
    let mut say = |cause, path: Option<&Path>| left::note(&mut trouble, cause, folder, path);
    for entry in entries {
        let Ok(entry) = entry else {
            say("unreadable", None);
            continue;
        };
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_file() => {}
            Ok(kind) if kind.is_symlink() => {
                say("link", Some(&path));
                continue;
            }
            _ => continue,
        }
        let name = entry.file_name();
        match (name.to_str(), entry.metadata()) {
            (Some(name), _) if is_half(name) => {}
            (None, _) => say("name", Some(&path)),
            (_, Err(_)) => say("unreadable", Some(&path)),
            (_, Ok(metadata)) if metadata.len() > most => say("too-large", Some(&path)),
            // Made, and not written yet.
            (_, Ok(metadata)) if metadata.len() == 0 => say("empty", Some(&path)),
            (_, Ok(metadata)) => found.push((path, metadata.len(), modified_ns(&metadata))),
        }
    }
    found.sort();
    (found, trouble)
}

/// Reads a file whole; the cause where it cannot be read or changed meanwhile.
fn read(path: PathBuf, stood: Stood) -> Result<Taken, &'static str> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("name")?.to_owned();
    let bytes = std::fs::read(&path).map_err(|_| "unreadable")?;
    let after = std::fs::symlink_metadata(&path).map_err(|_| "unreadable")?;
    // As it stood when it was looked at: the files before it may have taken long, and a writer goes on meanwhile.
    if after.len() != bytes.len() as u64 || (after.len(), modified_ns(&after)) != stood {
        return Err("changing");
    }
    let seen = Seen { size: after.len(), modified: modified_ns(&after), hash: Followed::hash(&bytes) };
    Ok(Taken { path, name, seen, bytes })
}

/// Moves a file to `done/` and the day; whether it could be.
fn move_away(folder: &Path, taken: &Taken) -> bool {
    let now = chrono::Utc::now() + chrono::TimeDelta::hours(9);
    let day = folder.join(DONE).join(now.format("%Y%m%d").to_string());
    if std::fs::create_dir_all(&day).is_err() {
        return false;
    }
    // One that came meanwhile under the same name is not moved with it.
    let same = std::fs::symlink_metadata(&taken.path)
        .is_ok_and(|now| now.len() == taken.seen.size && modified_ns(&now) == taken.seen.modified);
    let free = |n: &u32| {
        let name = if *n == 1 { taken.name.clone() } else { format!("{}.{n}", taken.name) };
        Some(day.join(name)).filter(|target| std::fs::symlink_metadata(target).is_err())
    };
    let Some(target) = (1..MAX_SAME_NAMES).find_map(|n| free(&n)).filter(|_| same) else { return false };
    std::fs::rename(&taken.path, target).is_ok()
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
