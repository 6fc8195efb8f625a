//! Which message is next: oldest first within a patient, in parallel across patients.
//!
//! `queue` counts for each message the patients of whom an older message is queued (`blockers`). One with none
//! is ready; a message of two patients is ready when it is the oldest of both. Messages without a patient are
//! a partition of their own. What is claimed is known in memory only: after a kill it is ready again.

use super::{Claim, FacilityStore, MessageId, StoreError};
use rusqlite::{Connection, params};

/// Bytes that one `claim` hands out at most, beyond its first message.
const CLAIM_BYTES: usize = 16 << 20;

impl FacilityStore {
    /// Messages to translate, oldest first within a patient, whose patients no other claim holds.
    ///
    /// # Errors
    /// The database.
    pub fn claim(&self, limit: usize) -> Result<Vec<Claim>, StoreError> {
        let mut busy = self.busy.lock().map_err(|_| StoreError::Closed)?;
        let ready: Vec<(i64, Vec<String>)> = {
            let reader = self.reader()?;
            let mut select =
                reader.prepare_cached("SELECT id FROM queue WHERE blockers = 0 ORDER BY id LIMIT ?")?;
            let window = i64::try_from(limit + busy.messages.len()).unwrap_or(i64::MAX);
            let ids = select.query_map([window], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            let fresh = ids.into_iter().filter(|id| !busy.messages.contains(id)).take(limit);
            fresh.map(|id| Ok((id, partitions(&reader, id)?))).collect::<Result<_, StoreError>>()?
        };
        let (mut claims, mut bytes) = (Vec::new(), 0);
        for (id, patients) in ready {
            // A message put back for replay may be older than the one of its patient under way.
            if patients.iter().any(|patient| busy.patients.contains(patient)) {
                continue;
            }
            let (message, _) = self
                .bodies
                .message(MessageId(id))?
                .ok_or(StoreError::Damaged("journal without a queued message"))?;
            bytes += message.body.len();
            busy.messages.insert(id);
            busy.patients.extend(patients.iter().cloned());
            claims.push(Claim {
                id: message.id,
                body: message.body,
                origin: message.origin,
                feed: message.feed,
                name: message.name,
                patients: patients.into_iter().filter(|patient| !patient.is_empty()).collect(),
                received_ms: message.received_ms,
            });
            if bytes >= CLAIM_BYTES {
                break;
            }
        }
        Ok(claims)
    }

    /// Gives claims back untouched.
    pub fn release(&self, claims: Vec<Claim>) {
        self.unclaim(claims.iter());
    }

    pub(super) fn unclaim<'c>(&self, claims: impl Iterator<Item = &'c Claim>) {
        if let Ok(mut busy) = self.busy.lock() {
            for claim in claims {
                busy.messages.remove(&claim.id.0);
                if claim.patients.is_empty() {
                    busy.patients.remove("");
                }
                for patient in &claim.patients {
                    busy.patients.remove(patient);
                }
            }
        }
        self.arrivals().notify_one();
    }
}

/// The patients of a message; the one without a name where it has none.
fn partitions(connection: &Connection, id: i64) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT patient FROM message_patient WHERE message = ?")?;
    let mut patients = select.query_map([id], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    if patients.is_empty() {
        patients.push(String::new());
    }
    Ok(patients)
}

fn oldest(connection: &Connection, patient: &str) -> Result<Option<i64>, StoreError> {
    let mut select = connection.prepare_cached("SELECT min(id) FROM queue_patient WHERE patient = ?")?;
    Ok(select.query_row([patient], |row| row.get(0))?)
}

fn block(connection: &Connection, id: i64, by: i64) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE queue SET blockers = blockers + ? WHERE id = ?")?.execute([by, id])?;
    Ok(())
}

/// Puts a message into the queue; one that is there already stays as it is.
pub(super) fn enqueue(connection: &Connection, id: i64) -> Result<(), StoreError> {
    let added = connection.prepare_cached("INSERT OR IGNORE INTO queue VALUES(?, 0)")?.execute([id])?;
    if added == 0 {
        return Ok(());
    }
    for patient in partitions(connection, id)? {
        match oldest(connection, &patient)? {
            Some(oldest) if oldest < id => block(connection, id, 1)?,
            Some(oldest) => block(connection, oldest, 1)?,
            None => {}
        }
        connection.prepare_cached("INSERT INTO queue_patient VALUES(?, ?)")?.execute(params![patient, id])?;
    }
    Ok(())
}

/// Takes a message out of the queue.
pub(super) fn dequeue(connection: &Connection, id: i64) -> Result<(), StoreError> {
    if connection.prepare_cached("DELETE FROM queue WHERE id = ?")?.execute([id])? == 0 {
        return Ok(());
    }
    for patient in partitions(connection, id)? {
        let was_oldest = oldest(connection, &patient)? == Some(id);
        connection
            .prepare_cached("DELETE FROM queue_patient WHERE patient = ? AND id = ?")?
            .execute(params![patient, id])?;
        if was_oldest && let Some(next) = oldest(connection, &patient)? {
            block(connection, next, -1)?;
        }
    }
    Ok(())
}
