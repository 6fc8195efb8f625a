//! From the journal into the state: `unindexed` reads behind the mark, `index` moves it.
//!
//! The mark moves in the transaction that adds the messages, so a kill at any instant leaves either both or
//! none of it, and the next start goes on where the mark stands.

use super::{
    FacilityStore, Indexed, Journalled, MessageId, StoreError, claim, durable_point, journal, participation,
    whose,
};
use rusqlite::{Connection, OptionalExtension, params};

/// Why a message is excluded that was refused at the door.
pub(super) const REFUSED: &str = "refused";

/// Codes of states in the tables. Public words are those of [`super::State`].
pub(super) mod state {
    /// Waits for its translation.
    pub const RECEIVED: i64 = 0;
    pub const QUARANTINED: i64 = 1;
    pub const EXCLUDED: i64 = 2;
    /// Recorded, and under way to a destination.
    pub const PENDING: i64 = 3;
    pub const HELD: i64 = 4;
    pub const REJECTED: i64 = 5;
    pub const REGISTERED: i64 = 6;
    /// Waits behind a quarantined message of its unit.
    pub const WAITING: i64 = 7;
}

impl FacilityStore {
    /// Messages that the state has not read, oldest first, at most `limit` and 16 MiB.
    ///
    /// # Errors
    /// The database.
    pub fn unindexed(&self, limit: usize) -> Result<Vec<Journalled>, StoreError> {
        let mut messages = Vec::new();
        let days = self.bodies.days()?;
        for (at, day) in days.iter().copied().enumerate() {
            let mut caught_up = self.shared.caught_up.lock().map_err(|_| StoreError::Closed)?;
            if caught_up.contains(&day) {
                continue;
            }
            let mark = mark(&*self.reader()?, day)?;
            for (message, head) in self.bodies.after(day, mark, limit - messages.len())? {
                self.read.lock().map_err(|_| StoreError::Closed)?.insert(message.id, head);
                messages.push(message);
            }
            if !messages.is_empty() {
                break;
            }
            // Messages still come to the newest two; one that comes to another takes it out again.
            if at + 2 < days.len() {
                caught_up.insert(day);
            }
        }
        Ok(messages)
    }

    /// Takes the first pass of the next messages in, in the order of `unindexed`.
    ///
    /// # Errors
    /// The database; a gap between the mark and the messages given.
    pub fn index(&self, mut indexed: Vec<Indexed>) -> Result<(), StoreError> {
        self.room()?;
        indexed.sort_by_key(|message| message.id);
        let mut heads = Vec::with_capacity(indexed.len());
        for message in indexed {
            let known = self.read.lock().map_err(|_| StoreError::Closed)?.remove(&message.id);
            let head = match known {
                Some(head) => head,
                None => self.bodies.message(message.id)?.ok_or(StoreError::Order("index of no message"))?.1,
            };
            heads.push((message, head));
        }
        self.run(move |connection| {
            for (message, head) in &heads {
                let at = mark(connection, message.id.day())?;
                if message.id.row() <= at {
                    continue;
                }
                if message.id.row() != at + 1 {
                    return Err(StoreError::Order("index with a gap"));
                }
                add(connection, message, head)?;
            }
            Ok(())
        })?;
        durable_point("index.after-commit");
        self.arrivals().notify_one();
        Ok(())
    }
}

/// How far a segment has been read.
pub(super) fn mark(connection: &Connection, day: u32) -> Result<i64, StoreError> {
    let mut select = connection.prepare_cached("SELECT read_row FROM segment WHERE day = ?")?;
    Ok(select.query_row([day], |row| row.get(0)).optional()?.unwrap_or_default())
}

fn add(connection: &Connection, message: &Indexed, head: &journal::Head) -> Result<(), StoreError> {
    let MessageId(id) = message.id;
    let left_out = match (head.refused, head.duplicate_of) {
        (true, _) => Some(REFUSED),
        (false, Some(_)) => Some("duplicate"),
        (false, None) => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO message(id, feed, name, received_ms, day, control_id, message_type, order_number, time, state,
             reason, duplicate_of, id_reused, history, file_digest, names)
             VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            id,
            head.feed,
            head.name,
            head.received_ms,
            message.id.day(),
            message.control_id,
            message.message_type,
            message.order_number,
            message.time,
            if left_out.is_some() { state::EXCLUDED } else { state::RECEIVED },
            left_out,
            head.duplicate_of,
            head.id_reused,
            participation::is_history(message.time.as_deref(), head.received_ms),
            head.file_digest,
            whose::written(&message.names)?,
        ])?;
    for patient in message.patients.iter().filter(|patient| !patient.is_empty()) {
        connection
            .prepare_cached("INSERT OR IGNORE INTO message_patient VALUES(?, ?)")?
            .execute(params![patient, id])?;
    }
    for order in message.more_orders.iter().filter(|order| !order.is_empty()) {
        connection
            .prepare_cached("INSERT OR IGNORE INTO message_order_more VALUES(?, ?)")?
            .execute(params![order, id])?;
    }
    if left_out.is_none() {
        claim::enqueue(connection, id)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO segment VALUES(?1, ?2, NULL) ON CONFLICT(day) DO UPDATE SET read_row = ?2",
        )?
        .execute(params![message.id.day(), message.id.row()])?;
    connection
        .prepare_cached(
            "INSERT INTO feed VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET received_ms = max(received_ms, ?2)",
        )?
        .execute(params![head.feed, head.received_ms])?;
    Ok(())
}
