//! One journal segment as its writer sees it: the next row, and which names and bodies it has seen.
//!
//! The names are found by a 64-bit key. New keys gather in memory and go to the table `seen` in sorted runs,
//! inside a commit that is made anyway: a key a message would dirty a page a message. After a kill the run
//! not yet written is read back from the messages.

use super::{AcceptError, Arrival, OpenError, schema};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::Path;

/// Keys gathered before they are written: two a message, so about a megabyte at most.
const RUN: usize = 16_384;

/// Pages in the write-ahead log before they are copied into the file: 16 MiB, so that copying is rare.
const CHECKPOINT_PAGES: i64 = 4_096;

pub(super) struct Segment {
    pub connection: Connection,
    pub day: u32,
    next_row: i64,
    run: HashMap<i64, i64>,
    /// Keys of the open transaction and what they were before, taken back if it fails.
    fresh: Vec<(i64, Option<i64>)>,
    flushing: bool,
}

/// Refusals of one feed and day that are kept with their first bytes, 64 MiB at most; further ones are counted. A
/// sender that is set up wrongly sends the same again and again, and must not fill the disk.
pub const REFUSALS_KEPT: i64 = 1_024;

/// A message that was there before.
pub(super) struct Earlier {
    pub row: i64,
    pub received_ms: i64,
    pub same_name: bool,
    pub same_body: bool,
}

/// An arrival with its keys, computed by the sender's own task.
pub(super) struct Keyed {
    pub arrival: Arrival,
    pub origin: String,
    pub hash: [u8; 32],
    pub name_key: i64,
    pub body_key: i64,
    /// Refused at the door: kept for people to look at, and never translated.
    pub refused: bool,
}

impl Keyed {
    fn is_file(&self) -> bool {
        self.arrival.origin.file.is_some()
    }
}

/// What a message is looked for by: its name, for a file of a storage without its flag, which is the last
/// character and changes by renaming.
pub(super) fn stem(name: &str, is_file: bool) -> &str {
    let end = name.char_indices().next_back().map_or(0, |(at, _)| at);
    if is_file { &name[..end] } else { name }
}

impl Segment {
    pub fn open(dir: &Path, day: u32) -> Result<Self, OpenError> {
        let connection = schema::open(&super::journal::path(dir, day), schema::JOURNAL)?;
        let fail = |error| OpenError::Database { file: super::journal::file_name(day), error };
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(fail)?;
        let mut segment =
            Self { connection, day, next_row: 1, run: HashMap::new(), fresh: Vec::new(), flushing: false };
        segment.catch_up().map_err(fail)?;
        Ok(segment)
    }

    fn catch_up(&mut self) -> rusqlite::Result<()> {
        let last: i64 =
            self.connection.query_row("SELECT coalesce(max(row), 0) FROM message", [], |r| r.get(0))?;
        self.next_row = last + 1;
        let mark: i64 = self.connection.query_row("SELECT seen_row FROM mark", [], |r| r.get(0))?;
        let mut unseen = self.connection.prepare(
            "SELECT row, feed, name, hash, subject, json_type(origin, '$.f') IS NOT NULL FROM message
             WHERE row > ? AND duplicate_of IS NULL AND refused = 0 ORDER BY row",
        )?;
        let mut rows = unseen.query([mark])?;
        while let Some(row) = rows.next()? {
            let (number, feed, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let hash: [u8; 32] = row.get(3)?;
            let subject: Option<String> = row.get(4)?;
            let (name_key, body_key) = keys(&feed, stem(&name, row.get(5)?), subject.as_deref(), &hash);
            self.run.insert(name_key, number);
            self.run.insert(body_key, number);
        }
        Ok(())
    }

    pub fn begin(&mut self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    pub fn commit(&mut self) -> rusqlite::Result<()> {
        if self.run.len() >= RUN {
            let mut keys: Vec<(i64, i64)> = self.run.iter().map(|(key, row)| (*key, *row)).collect();
            keys.sort_unstable();
            let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO seen VALUES(?, ?)")?;
            for (key, row) in keys {
                insert.execute([key, row])?;
            }
            self.connection.execute("UPDATE mark SET seen_row = ?", [self.next_row - 1])?;
            self.flushing = true;
        }
        super::durable_point("accept.before-commit");
        self.connection.execute_batch("COMMIT")?;
        if std::mem::take(&mut self.flushing) {
            self.run.clear();
        }
        self.fresh.clear();
        Ok(())
    }

    /// Takes the open transaction back, whether or not SQLite has done so itself.
    pub fn rollback(&mut self, first_row: i64) {
        if !self.connection.is_autocommit() {
            // A failure here leaves the transaction to the next BEGIN, which then fails as well.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        while let Some((key, before)) = self.fresh.pop() {
            match before {
                Some(row) => self.run.insert(key, row),
                None => self.run.remove(&key),
            };
        }
        self.flushing = false;
        self.next_row = first_row;
    }

    pub fn next_row(&self) -> i64 {
        self.next_row
    }

    /// The earlier message of that key, checked against the message itself.
    pub fn earlier(&self, key: i64, keyed: &Keyed) -> rusqlite::Result<Option<Earlier>> {
        let row = match self.run.get(&key) {
            Some(row) => Some(*row),
            None => self
                .connection
                .prepare_cached("SELECT row FROM seen WHERE key = ? ORDER BY row DESC LIMIT 1")?
                .query_row([key], |row| row.get(0))
                .optional()?,
        };
        let Some(row) = row else { return Ok(None) };
        let mut find = self.connection.prepare_cached(
            "SELECT hash, received_ms, name, subject FROM message WHERE row = ? AND feed = ?",
        )?;
        let found = find
            .query_row(params![row, keyed.arrival.feed], |found| {
                let (name, subject): (String, Option<String>) = (found.get(2)?, found.get(3)?);
                let found = Earlier {
                    row,
                    same_name: name == keyed.arrival.name,
                    same_body: found.get::<_, [u8; 32]>(0)? == keyed.hash,
                    received_ms: found.get(1)?,
                };
                Ok((found, name, subject))
            })
            .optional()?;
        let (is_file, name) = (keyed.is_file(), &keyed.arrival.name);
        let same = |found: &str, of: Option<&str>| match keyed.subject() {
            Some(subject) => of == Some(subject),
            None => of.is_none() && stem(found, is_file) == stem(name, is_file),
        };
        Ok(found.filter(|(_, found, of)| same(found, of.as_deref())).map(|(found, ..)| found))
    }

    /// Writes a refusal: kept as far as there is a place for it, else counted. Its row, where it has one.
    pub fn refuse(&mut self, keyed: &Keyed) -> Result<Option<i64>, AcceptError> {
        let feed = &keyed.arrival.feed;
        let kept: Option<i64> = self
            .connection
            .prepare_cached("SELECT kept FROM refused WHERE feed = ?")?
            .query_row([feed], |row| row.get(0))
            .optional()?;
        let keeps = kept.unwrap_or_default() < REFUSALS_KEPT;
        self.connection
            .prepare_cached(
                "INSERT INTO refused VALUES(?1, ?2, 1 - ?2) ON CONFLICT(feed)
                 DO UPDATE SET kept = kept + ?2, more = more + 1 - ?2",
            )?
            .execute(params![feed, keeps])?;
        if keeps { self.insert(keyed, None, false).map(Some) } else { Ok(None) }
    }

    /// Writes a message and returns its row.
    pub fn insert(
        &mut self,
        keyed: &Keyed,
        duplicate_of: Option<i64>,
        reused: bool,
    ) -> Result<i64, AcceptError> {
        let row = self.next_row;
        let Keyed { arrival, origin, hash, name_key, body_key, refused } = keyed;
        self.connection
            .prepare_cached("INSERT INTO message VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                row,
                arrival.feed,
                arrival.name,
                hash,
                arrival.received_ms,
                duplicate_of,
                reused,
                origin,
                duplicate_of.is_none().then_some(&arrival.body),
                keyed.subject(),
                refused,
            ])?;
        if duplicate_of.is_none() && !refused {
            for key in [*name_key, *body_key] {
                // The newest takes the key: the window is counted from the last message of that name.
                let before = self.run.insert(key, row);
                self.fresh.push((key, before));
            }
        }
        self.next_row += 1;
        Ok(row)
    }
}

impl Keyed {
    /// What the message is about, for one that has no name of its own.
    pub fn subject(&self) -> Option<&str> {
        Some(self.arrival.origin.subject.as_str()).filter(|subject| !subject.is_empty())
    }
}

/// The keys of a message: of its name or, where it has one, its subject; and of that and its body.
pub(super) fn keys(feed: &str, name: &str, subject: Option<&str>, hash: &[u8; 32]) -> (i64, i64) {
    match subject {
        None => (name_key(feed, name), body_key(feed, name, hash)),
        Some(subject) => (
            key(&[feed.as_bytes(), b"", subject.as_bytes()]),
            key(&[feed.as_bytes(), b"", subject.as_bytes(), hash]),
        ),
    }
}

/// The key of a name within its feed.
pub(super) fn name_key(feed: &str, name: &str) -> i64 {
    key(&[feed.as_bytes(), name.as_bytes()])
}

/// The key of a name and its body.
pub(super) fn body_key(feed: &str, name: &str, hash: &[u8; 32]) -> i64 {
    key(&[feed.as_bytes(), name.as_bytes(), hash])
}

/// FNV-1a over length-prefixed parts. A collision costs a look at one row and decides nothing.
fn key(parts: &[&[u8]]) -> i64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(*part) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    i64::from_le_bytes(state.to_le_bytes())
}
