//! What is past its retention goes, whole: journal segments by day, and entries of the audit trail.
//!
//! A segment goes only where every message of its day is settled for good, registered or left out. What may still be
//! translated again, quarantined, held, rejected or on its way, keeps its whole day. The lines of the ledger stay;
//! the bytes are gone. The decision is on the disk before a file goes, so that a kill between the two leaves nothing
//! but files to be removed later.

use super::index::state::{EXCLUDED, REGISTERED};
use super::journal::{self, Head};
use super::{Audit, FacilityStore, Journalled, MessageId, Origin, Store, StoreError, index, whose};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Entries of the audit trail are kept for five years: the 安全管理ガイドライン of medical information systems asks for
/// as long as the medical record itself.
pub const AUDIT_RETENTION: Duration = Duration::from_secs((5 * 365 + 2) * 86_400);

/// The setting that holds the last entry of the audit trail that is gone, and its hash.
const ANCHOR: &str = "audit.anchor";

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Journal segments.
    pub segments: u64,
    /// Days past their retention that stay because something in them is not settled.
    pub kept: u64,
}

impl FacilityStore {
    /// Drops the journal of every day that is past its retention and settled whole.
    ///
    /// # Errors
    /// The database; a file that cannot be removed.
    pub fn drop_segments(&self, now_ms: i64) -> Result<Dropped, StoreError> {
        let retention = i64::try_from(self.shared.config.retention.as_millis()).unwrap_or(i64::MAX);
        let first_kept = journal::day(now_ms.saturating_sub(retention));
        let mut result = Dropped::default();
        for day in self.bodies.days()?.into_iter().filter(|day| *day < first_kept) {
            let rows = self.bodies.rows(day)?;
            let dropped = self.run(move |connection| decide(connection, day, rows, now_ms))?;
            if dropped {
                self.shared.dropped.lock().map_err(|_| StoreError::Closed)?.insert(day);
                self.bodies.forget(day)?;
                result.segments += 1;
            } else {
                result.kept += 1;
            }
        }
        let gone: Vec<u32> =
            self.shared.dropped.lock().map_err(|_| StoreError::Closed)?.iter().copied().collect();
        for day in gone {
            remove(&journal::path(&self.shared.dir, day))?;
        }
        Ok(result)
    }

    /// What the state still knows of a message whose segment was dropped: all but its bytes.
    pub(super) fn dropped_message(&self, id: MessageId) -> Result<Option<(Journalled, Head)>, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT feed, name, received_ms, duplicate_of, id_reused, coalesce(reason, '') = 'refused', file_digest
             FROM message WHERE id = ?1 AND day IN (SELECT day FROM segment WHERE dropped_ms IS NOT NULL)",
        )?;
        let found = select.query_row([id.0], |row| {
            let head = Head {
                feed: row.get(0)?,
                name: row.get(1)?,
                received_ms: row.get(2)?,
                duplicate_of: row.get(3)?,
                id_reused: row.get(4)?,
                refused: row.get(5)?,
                file_digest: row.get(6)?,
            };
            let message = Journalled {
                id,
                feed: head.feed.clone(),
                name: head.name.clone(),
                body: Vec::new(),
                origin: Origin { file_digest: head.file_digest.clone(), ..Origin::default() },
                received_ms: head.received_ms,
                duplicate_of: head.duplicate_of.map(MessageId),
            };
            Ok((message, head))
        });
        Ok(found.optional()?)
    }
}

/// Decides whether a day with so many rows goes, and notes it.
fn decide(connection: &Connection, day: u32, rows: i64, now_ms: i64) -> Result<bool, StoreError> {
    let open: i64 = connection
        .prepare_cached("SELECT count(*) FROM message WHERE day = ? AND state NOT IN (?, ?)")?
        .query_row(params![day, EXCLUDED, REGISTERED], |row| row.get(0))?;
    if open > 0 || index::mark(connection, day)? != rows {
        return Ok(false);
    }
    // A day without a message has no row yet.
    connection.execute(
        "INSERT INTO segment VALUES(?1, ?2, ?3) ON CONFLICT(day) DO UPDATE SET dropped_ms = ?3",
        params![day, rows, now_ms],
    )?;
    whose::forget_names(connection, day)?;
    Ok(true)
}

fn remove(segment: &std::path::Path) -> Result<(), StoreError> {
    for ending in ["-wal", "-shm", ""] {
        let mut name = segment.as_os_str().to_owned();
        name.push(ending);
        match std::fs::remove_file(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The last entry of the audit trail that is gone, and its hash; nothing where all are there.
pub(super) fn anchor(appliance: &Connection) -> Result<(u64, Vec<u8>), StoreError> {
    let mut select = appliance.prepare("SELECT value FROM setting WHERE key = ?")?;
    let text: Option<String> = select.query_row([ANCHOR], |row| row.get(0)).optional()?;
    let Some(text) = text else { return Ok((0, Vec::new())) };
    let damaged = || StoreError::Damaged(ANCHOR);
    let (number, hash) = text.split_once(' ').ok_or_else(damaged)?;
    let bytes = (0..hash.len() / 2).map(|at| u8::from_str_radix(&hash[at * 2..at * 2 + 2], 16));
    let bytes = bytes.collect::<Result<Vec<_>, _>>().map_err(|_| damaged())?;
    Ok((number.parse().map_err(|_| damaged())?, bytes))
}

impl Audit {
    /// Drops entries from before a time, from the start of the chain on; how many. What is left is still a chain:
    /// its beginning is noted.
    ///
    /// # Errors
    /// The database.
    pub fn drop_before(&self, before_ms: i64) -> Result<u64, StoreError> {
        let mut connection = self.connection()?;
        let entries = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Up to the first that is kept: a clock that once was wrong makes no hole.
        let last: Option<(u64, Vec<u8>)> = entries
            .query_row(
                "SELECT sequence, hash FROM audit WHERE sequence <
                 coalesce((SELECT min(sequence) FROM audit WHERE at_ms >= ?), 0) ORDER BY sequence DESC LIMIT 1",
                [before_ms],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((last, hash)) = last else { return Ok(0) };
        let dropped = entries.execute("DELETE FROM audit WHERE sequence <= ?", [last])?;
        let value = format!("{last} {}", super::backup::hex(&hash));
        entries.execute("INSERT OR REPLACE INTO setting VALUES(?, ?)", params![ANCHOR, value])?;
        entries.commit()?;
        Ok(dropped as u64)
    }
}

impl Store {
    /// When something of the schedule was last done, in milliseconds since 1970.
    ///
    /// # Errors
    /// The database.
    pub fn last_done(&self, what: &str) -> Result<Option<i64>, StoreError> {
        let connection = self.audit().connection()?;
        let mut select = connection.prepare_cached("SELECT value FROM setting WHERE key = ?")?;
        let text: Option<String> =
            select.query_row([format!("schedule.{what}")], |row| row.get(0)).optional()?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Notes that something of the schedule was done.
    ///
    /// # Errors
    /// The database.
    pub fn done(&self, what: &str, at_ms: i64) -> Result<(), StoreError> {
        let connection = self.audit().connection()?;
        connection.execute(
            "INSERT OR REPLACE INTO setting VALUES(?, ?)",
            params![format!("schedule.{what}"), at_ms.to_string()],
        )?;
        Ok(())
    }
}
