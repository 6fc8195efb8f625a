//! `accept`: one writer thread per facility drains what is waiting and commits once.
//!
//! No timer: while one commit is under way the next group gathers. A sender is answered after the commit that
//! holds its message, never before.

use super::reserve::Reserve;
use super::segment::{Keyed, Segment, keys, stem};
use super::{
    AcceptError, Arrival, Config, Disk, FacilityStore, MessageId, OpenError, Receipt, durable_point, journal,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, mpsc, oneshot};

/// Messages waiting for the writer: senders beyond that wait in line themselves.
pub(super) const WAITING: usize = 256;

/// Bytes kept of a message that is refused at the door.
pub const REFUSED_BYTES: usize = 64 << 10;

/// Bytes of one commit, from which on the group is closed.
const GROUP_BYTES: usize = 16 << 20;

pub(super) type Request = (Keyed, oneshot::Sender<Result<Receipt, AcceptError>>);

impl FacilityStore {
    /// Keeps a message and answers when it is on the disk.
    ///
    /// # Errors
    /// The message was not kept: the sender must be told so.
    pub async fn accept(&self, arrival: Arrival) -> Result<Receipt, AcceptError> {
        self.offer(arrival).await?.kept().await
    }

    /// The first half of [`Self::accept`]: the message has its place in the line of the journal, and nothing
    /// is promised yet. What must stay in order is offered one after the other.
    ///
    /// # Errors
    /// The message was not kept.
    pub async fn offer(&self, arrival: Arrival) -> Result<Offered, AcceptError> {
        self.queue_up(arrival, false).await
    }

    /// Keeps what is known of a message that is refused at the door: it stands in the ledger, excluded as
    /// `refused`, with its first [`REFUSED_BYTES`]. Beyond a number a day and feed it is counted only.
    ///
    /// # Errors
    /// It could not be kept. The sender is refused all the same.
    pub async fn refuse(&self, mut arrival: Arrival) -> Result<(), AcceptError> {
        arrival.body.truncate(REFUSED_BYTES);
        self.queue_up(arrival, true).await?.kept().await?;
        Ok(())
    }

    async fn queue_up(&self, arrival: Arrival, refused: bool) -> Result<Offered, AcceptError> {
        let hash: [u8; 32] = Sha256::digest(&arrival.body).into();
        let subject = Some(arrival.origin.subject.as_str()).filter(|subject| !subject.is_empty());
        let name = stem(&arrival.name, arrival.origin.file.is_some());
        let (name_key, body_key) = keys(&arrival.feed, name, subject, &hash);
        let keyed = Keyed {
            name_key,
            body_key,
            refused,
            origin: serde_json::to_string(&arrival.origin).map_err(|_| AcceptError::Closed)?,
            hash,
            arrival,
        };
        let (reply, answer) = oneshot::channel();
        let sender = self.journal.clone().ok_or(AcceptError::Closed)?;
        sender.send((keyed, reply)).await.map_err(|_| AcceptError::Closed)?;
        Ok(Offered(answer))
    }
}

/// A message in the line of the journal.
#[derive(Debug)]
pub struct Offered(oneshot::Receiver<Result<Receipt, AcceptError>>);

impl Offered {
    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// The message was not kept: the sender must be told so.
    pub async fn kept(self) -> Result<Receipt, AcceptError> {
        self.0.await.map_err(|_| AcceptError::Closed)?
    }
}

/// What the writer shares with the store.
#[derive(Clone)]
pub(super) struct Shared {
    pub dir: PathBuf,
    pub config: Config,
    /// Days that have a segment.
    pub days: Arc<Mutex<BTreeSet<u32>>>,
    /// Days whose segment was dropped after its retention. Nothing may come to one any more: its numbers are taken.
    pub dropped: Arc<Mutex<BTreeSet<u32>>>,
    /// Grows by one before a group is written and after.
    pub commits: Arc<AtomicU64>,
    /// Days before the newest two whose messages are all read. A clock set back by days may add to one again.
    pub caught_up: Arc<Mutex<HashSet<u32>>>,
    pub arrivals: Arc<Notify>,
    pub low: Arc<AtomicBool>,
    pub reserve: Reserve,
}

struct Writer {
    shared: Shared,
    segments: BTreeMap<u32, Segment>,
    broken: bool,
    full: bool,
}

pub(super) fn write(shared: Shared, mut requests: mpsc::Receiver<Request>) {
    let mut writer = Writer { shared, segments: BTreeMap::new(), broken: false, full: false };
    let mut next = None;
    while let Some(first) = next.take().or_else(|| requests.blocking_recv()) {
        let day = writer.day(first.0.arrival.received_ms);
        let mut bytes = first.0.arrival.body.len();
        let mut group = vec![first];
        while group.len() < WAITING && bytes < GROUP_BYTES {
            let Ok(request) = requests.try_recv() else { break };
            if writer.day(request.0.arrival.received_ms) != day {
                next = Some(request);
                break;
            }
            bytes += request.0.arrival.body.len();
            group.push(request);
        }
        writer.shared.commits.fetch_add(1, Ordering::SeqCst);
        writer.group(day, group);
        writer.shared.commits.fetch_add(1, Ordering::SeqCst);
    }
}

impl Writer {
    /// The segment of a time of receipt. A clock set back over midnight does not reopen the day before, which
    /// would put a later message before an earlier one.
    fn day(&self, received_ms: i64) -> u32 {
        let day = journal::day(received_ms);
        let tomorrow = journal::day(received_ms.saturating_add(journal::DAY_MS));
        // A clock set back by months.
        if self.shared.dropped.lock().is_ok_and(|dropped| dropped.contains(&day)) {
            return self.newest();
        }
        match self.shared.days.lock() {
            Ok(days) if days.contains(&tomorrow) => tomorrow,
            _ => day,
        }
    }

    /// The newest day that has a segment, or had one.
    fn newest(&self) -> u32 {
        let newest =
            |days: &Arc<Mutex<BTreeSet<u32>>>| days.lock().ok().and_then(|days| days.last().copied());
        match (newest(&self.shared.days), newest(&self.shared.dropped)) {
            (Some(day), _) => day,
            // Days are numbers that grow: the next one is free, whether a calendar has it or not.
            (None, dropped) => dropped.unwrap_or_default() + 1,
        }
    }

    fn group(&mut self, day: u32, group: Vec<Request>) {
        let answer = self.room().and_then(|()| self.commit(day, &group));
        match answer {
            Ok(receipts) => {
                durable_point("accept.after-commit");
                self.reopen(day);
                for ((_, reply), receipt) in group.into_iter().zip(receipts) {
                    // The sender may have gone; its message is kept all the same.
                    let _ = reply.send(Ok(receipt));
                }
                self.shared.arrivals.notify_one();
            }
            Err(error) => {
                let error = self.grade(error);
                for (_, reply) in group {
                    let _ = reply.send(Err(copy(&error)));
                }
            }
        }
    }

    /// A day behind the newest one, which only a clock set back writes to, is to be read again.
    fn reopen(&self, day: u32) {
        let newest = self.shared.days.lock().is_ok_and(|days| days.last() == Some(&day));
        if !newest && let Ok(mut caught_up) = self.shared.caught_up.lock() {
            caught_up.remove(&day);
        }
    }

    /// Whether there is room and the disk is trusted.
    fn room(&mut self) -> Result<(), AcceptError> {
        if self.broken {
            return Err(AcceptError::Broken);
        }
        let Disk { free_bytes, low, mut full } = self.shared.config.look(&self.shared.dir);
        // What sending used of the room set aside is to be made good before input is taken again.
        full |= !self.shared.reserve.make(free_bytes, self.shared.config.hard_free);
        if self.shared.low.swap(low, Ordering::Relaxed) != low && low {
            tracing::warn!(free_bytes, "The disk is getting full.");
        }
        if std::mem::replace(&mut self.full, full) != full {
            if full {
                tracing::error!(free_bytes, "The disk is full: input is refused until there is room.");
            } else {
                tracing::info!(free_bytes, "There is room again: input is taken.");
            }
        }
        if full { Err(AcceptError::Full { free_bytes }) } else { Ok(()) }
    }

    fn commit(&mut self, day: u32, group: &[Request]) -> Result<Vec<Receipt>, AcceptError> {
        self.open(day)?;
        let first_row = self.segments.get(&day).map_or(1, Segment::next_row);
        let written = self.insert(day, group);
        let written = written.and_then(|receipts| {
            self.segments.get_mut(&day).ok_or(AcceptError::Closed)?.commit()?;
            Ok(receipts)
        });
        if written.is_err()
            && let Some(segment) = self.segments.get_mut(&day)
        {
            segment.rollback(first_row);
        }
        written
    }

    fn insert(&mut self, day: u32, group: &[Request]) -> Result<Vec<Receipt>, AcceptError> {
        self.segments.get_mut(&day).ok_or(AcceptError::Closed)?.begin()?;
        let mut receipts = Vec::with_capacity(group.len());
        for (keyed, _) in group {
            if keyed.refused {
                let row = self.segments.get_mut(&day).ok_or(AcceptError::Closed)?.refuse(keyed)?;
                let id = MessageId::new(day, row.unwrap_or_default());
                receipts.push(Receipt { id, duplicate_of: None, id_reused: false });
                continue;
            }
            let (duplicate_of, id_reused) = self.earlier(day, keyed)?;
            let segment = self.segments.get_mut(&day).ok_or(AcceptError::Closed)?;
            let row = segment.insert(keyed, duplicate_of.map(|id| id.0), id_reused)?;
            receipts.push(Receipt { id: MessageId::new(day, row), duplicate_of, id_reused });
        }
        Ok(receipts)
    }

    /// The message that this one repeats, and whether its name was used with another body. A file of a storage
    /// repeats only the newest one of its name: its name is used again on purpose, and what it says now may be what
    /// it said before last.
    fn earlier(&mut self, day: u32, keyed: &Keyed) -> Result<(Option<MessageId>, bool), AcceptError> {
        let since = keyed.arrival.received_ms - keyed.arrival.duplicate_window_ms;
        let first = journal::day(since);
        let days: Vec<u32> = {
            let days = self.shared.days.lock().map_err(|_| AcceptError::Closed)?;
            // Days ahead of this one were written before the clock was set back.
            days.range(first.min(day)..).rev().copied().collect()
        };
        let mut reused = false;
        for day in days {
            self.open(day)?;
            let Some(segment) = self.segments.get(&day) else { continue };
            if keyed.subject().is_some() {
                // The last word on the subject decides: what was said before it and comes again is news.
                match segment.earlier(keyed.name_key, keyed)? {
                    Some(last) if last.same_body && last.received_ms >= since => {
                        return Ok((Some(MessageId::new(day, last.row)), false));
                    }
                    Some(_) => return Ok((None, false)),
                    None => continue,
                }
            }
            if keyed.arrival.origin.file.is_some() {
                let Some(newest) = segment.earlier(keyed.name_key, keyed)? else { continue };
                let named = newest.same_name && newest.received_ms >= since;
                let same = MessageId::new(day, newest.row);
                return Ok(((named && newest.same_body).then_some(same), named && !newest.same_body));
            }
            if let Some(same) = segment.earlier(keyed.body_key, keyed)?
                && same.same_body
                && same.received_ms >= since
            {
                return Ok((Some(MessageId::new(day, same.row)), false));
            }
            reused |= segment
                .earlier(keyed.name_key, keyed)?
                .is_some_and(|e| !e.same_body && e.received_ms >= since);
        }
        Ok((None, reused))
    }

    fn open(&mut self, day: u32) -> Result<(), AcceptError> {
        if self.segments.contains_key(&day) {
            return Ok(());
        }
        let segment = Segment::open(&self.shared.dir, day).map_err(|error| match error {
            OpenError::Database { error, .. } => AcceptError::Journal(error),
            _ => AcceptError::Broken,
        })?;
        self.shared.days.lock().map_err(|_| AcceptError::Closed)?.insert(segment.day);
        self.segments.insert(day, segment);
        // Segments behind every window in use are closed: no window is longer than that.
        while self.segments.len() > 40 {
            self.segments.pop_first();
        }
        Ok(())
    }

    /// Tells a full disk, which lifts by itself, from one that failed, after which nothing on it is sure.
    fn grade(&mut self, error: AcceptError) -> AcceptError {
        let AcceptError::Journal(cause) = &error else { return error };
        let free_bytes = self.shared.config.look(&self.shared.dir).free_bytes;
        let code = cause.sqlite_error_code();
        if code == Some(rusqlite::ErrorCode::DiskFull) || free_bytes < GROUP_BYTES as u64 {
            // A segment half made for want of room is opened anew.
            self.segments.clear();
            return AcceptError::Full { free_bytes };
        }
        if code == Some(rusqlite::ErrorCode::SystemIoFailure) {
            tracing::error!(
                "The journal's disk failed: input is refused until the appliance is started again."
            );
            self.broken = true;
            return AcceptError::Broken;
        }
        error
    }
}

fn copy(error: &AcceptError) -> AcceptError {
    match error {
        AcceptError::Full { free_bytes } => AcceptError::Full { free_bytes: *free_bytes },
        AcceptError::Journal(error) => AcceptError::Journal(super::state::copy(error)),
        AcceptError::Broken => AcceptError::Broken,
        AcceptError::Closed => AcceptError::Closed,
    }
}

/// The days that have a segment in a directory.
pub(super) fn days(dir: &Path) -> std::io::Result<BTreeSet<u32>> {
    let mut days = BTreeSet::new();
    for file in std::fs::read_dir(dir)? {
        let name = file?.file_name();
        days.extend(name.to_str().and_then(journal::day_of_file));
    }
    Ok(days)
}
