//! Quarantine: why messages are held, and the two ways out of it, replay and discard.
//!
//! Both are a person's act; the caller writes it to the audit trail.

use super::index::state;
use super::{FacilityStore, MessageId, State, StoreError, claim, complete, consent, parts, rebuild};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// One cause of quarantine and the messages that wait for it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cause {
    /// The finding's code.
    pub code: String,
    /// Its position, without repetition and occurrence.
    pub position: String,
    /// The rule.
    pub rule: String,
    /// Messages.
    pub count: u64,
    /// Receipt of the oldest.
    pub oldest_ms: i64,
    /// One of them, the newest.
    pub example: MessageId,
}

/// Which messages to replay or discard; only quarantined, held and rejected ones are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Messages(Vec<MessageId>),
    /// Those of these that are still held, whatever became of the others since they were looked at.
    StillHeld(Vec<MessageId>),
    /// All registered ones, those that wait to be sent, and those that will be when their patient is shared, that
    /// another set of mappings than this one translated.
    Outdated {
        /// The version of the set.
        version: String,
        /// The message file, OML-11; any where it is empty.
        kind: String,
    },
    /// All with that cause.
    Cause {
        /// The finding's code.
        code: String,
        /// Its position, without repetition and occurrence; any where it is empty.
        position: String,
        /// The rule; any where it is empty.
        rule: String,
    },
    /// All of that row of [`FacilityStore::causes`] and no other: an empty part is
    /// an empty one.
    Exactly {
        /// The finding's code.
        code: String,
        /// Its position, without repetition and occurrence.
        position: String,
        /// The rule.
        rule: String,
    },
    /// Every message in that state.
    State(State),
}

impl FacilityStore {
    /// Why messages are held, the most frequent first.
    ///
    /// # Errors
    /// The database.
    pub fn causes(&self) -> Result<Vec<Cause>, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT c.code, c.position, c.rule, count(*), min(m.received_ms), max(m.id)
             FROM cause c JOIN message m ON m.id = c.message WHERE m.state IN (1, 4)
             GROUP BY c.code, c.position, c.rule ORDER BY count(*) DESC, c.code, c.position, c.rule",
        )?;
        let causes = select.query_map([], |row| {
            Ok(Cause {
                code: row.get(0)?,
                position: row.get(1)?,
                rule: row.get(2)?,
                count: row.get(3)?,
                oldest_ms: row.get(4)?,
                example: MessageId(row.get(5)?),
            })
        })?;
        Ok(causes.collect::<Result<_, _>>()?)
    }

    /// The messages held for that cause, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// The database.
    pub fn held_by(
        &self,
        cause: &Cause,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<MessageId>, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT c.message FROM cause c JOIN message m ON m.id = c.message
             WHERE c.code = ? AND c.position = ? AND c.rule = ? AND c.message < ? AND m.state IN (1, 4)
             ORDER BY c.message DESC LIMIT ?",
        )?;
        let before = before.map_or(i64::MAX, |id| id.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = select
            .query_map(params![cause.code, cause.position, cause.rule, before, limit], |row| row.get(0))?;
        Ok(ids.map(|id| id.map(MessageId)).collect::<Result<_, _>>()?)
    }

    /// How many patients wait for that cause.
    ///
    /// # Errors
    /// The database.
    pub fn patients_of(&self, cause: &Cause) -> Result<u64, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT count(DISTINCT p.patient) FROM cause c JOIN message m ON m.id = c.message
             JOIN message_patient p ON p.message = m.id
             WHERE c.code = ? AND c.position = ? AND c.rule = ? AND m.state IN (1, 4)",
        )?;
        Ok(select.query_row([&cause.code, &cause.position, &cause.rule], |row| row.get(0))?)
    }

    /// Puts quarantined, held and rejected messages back to be translated again; how many. By their numbers also
    /// registered ones, whose resources then are what the active mappings make of them, those that had no destination, withdrawals by a file's flag, which are excluded whatever the base said, and
    /// discarded ones, whose discarding is taken back.
    ///
    /// # Errors
    /// The database.
    pub fn replay(&self, selection: &Selection) -> Result<u64, StoreError> {
        let selection = selection.clone();
        let count = self.run(move |connection| {
            let mut count = 0;
            for id in selected(connection, &selection, REPLAYED)? {
                // What another set made and nobody has sent stays here until this one has made it anew.
                if matches!(selection, Selection::Outdated { .. }) {
                    connection
                        .prepare_cached(
                            "INSERT OR IGNORE INTO rebuild SELECT m.id, u.patient FROM message m JOIN unit u ON u.id = m.unit
                             WHERE m.id = ?1 AND m.state = ?2",
                        )?
                        .execute([id, state::PENDING])?;
                }
                connection
                    .prepare_cached("UPDATE message SET state = ?, reason = NULL WHERE id = ?")?
                    .execute([state::RECEIVED, id])?;
                connection.prepare_cached("DELETE FROM discarded WHERE message = ?")?.execute([id])?;
                claim::enqueue(connection, id)?;
                count += 1;
            }
            Ok(count)
        })?;
        self.arrivals().notify_one();
        Ok(count)
    }

    /// How many messages a replay would put back.
    ///
    /// # Errors
    /// The database.
    pub fn count(&self, selection: &Selection) -> Result<u64, StoreError> {
        let console = self.console()?;
        Ok(selected(&console, selection, REPLAYED)?.len() as u64)
    }

    /// How many messages wait to be sent as another set of mappings than this one made them.
    ///
    /// # Errors
    /// The database.
    pub fn waiting_outdated(&self, version: &str, kind: &str) -> Result<u64, StoreError> {
        let console = self.console()?;
        let sql = format!(
            "SELECT count(*) FROM message WHERE state = ?1 AND coalesce(mapping_version, '') <> ?2
             AND (?3 = '' OR kind = ?3) AND {KEPT}"
        );
        let mut select = console.prepare_cached(&sql)?;
        Ok(select.query_row(params![state::PENDING, version, kind], |row| row.get(0))?)
    }

    /// Whether the record has anything of a message of that message file.
    ///
    /// # Errors
    /// The database.
    pub fn has_recorded(&self, kind: &str) -> Result<bool, StoreError> {
        let console = self.console()?;
        let mut select = console
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM message WHERE kind = ? AND version IS NOT NULL)")?;
        Ok(select.query_row([kind], |row| row.get(0))?)
    }

    /// Leaves quarantined, held and rejected messages out for good (`discarded`); how many. The record is as if
    /// they had never been taken: units that have something of theirs are made anew from their other messages.
    ///
    /// # Errors
    /// The database.
    pub fn discard(&self, selection: &Selection, reason: &str) -> Result<u64, StoreError> {
        let (selection, reason) = (selection.clone(), reason.to_owned());
        let count = self.run(move |connection| {
            let (mut count, mut ids, mut taken) = (0, BTreeSet::new(), BTreeSet::new());
            let mut units = BTreeSet::new();
            for id in selected(connection, &selection, HELD)? {
                let of = parts::of(connection, id)?;
                connection
                    .prepare_cached("UPDATE message SET state = ?, reason = 'discarded' WHERE id = ?")?
                    .execute([state::EXCLUDED, id])?;
                parts::forget(connection, id, None)?;
                connection.prepare_cached("DELETE FROM cause WHERE message = ?")?.execute([id])?;
                connection
                    .prepare_cached("INSERT OR REPLACE INTO discarded VALUES(?, ?)")?
                    .execute(params![id, reason])?;
                ids.insert(id);
                units.extend(of.iter().map(|(unit, _)| *unit));
                taken.extend(of.iter().filter(|(_, version)| version.is_some()).map(|(unit, _)| *unit));
                count += 1;
            }
            for unit in taken {
                rebuild::rebuild(connection, unit, &ids)?;
            }
            for unit in units {
                complete::wake(connection, unit)?;
            }
            Ok(count)
        })?;
        self.arrivals().notify_one();
        self.outbox().notify_waiters();
        Ok(count)
    }

    /// The words with which a message was discarded.
    ///
    /// # Errors
    /// The database.
    pub fn discarded_because(&self, id: MessageId) -> Result<Option<String>, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached("SELECT reason FROM discarded WHERE message = ?")?;
        Ok(select.query_row([id.0], |row| row.get(0)).optional()?)
    }
}

const HELD: &str = "state IN (1, 4, 5)";
/// Whose bytes are there.
const KEPT: &str = "day NOT IN (SELECT day FROM segment WHERE dropped_ms IS NOT NULL)";
const REPLAYED: &str =
    "(state IN (1, 4, 5, 6) OR (state = 2 AND reason IN ('not-for-any-destination', 'deleted', 'discarded')))
     AND day NOT IN (SELECT day FROM segment WHERE dropped_ms IS NOT NULL)";

/// What is selected and held; of messages named by number, those of `by_number`.
fn selected(connection: &Connection, selection: &Selection, by_number: &str) -> Result<Vec<i64>, StoreError> {
    let held = HELD;
    let read = |row: &rusqlite::Row<'_>| row.get(0);
    let rows = match selection {
        Selection::Messages(ids) | Selection::StillHeld(ids) => {
            let which = if matches!(selection, Selection::StillHeld(_)) { held } else { by_number };
            let sql = format!("SELECT id FROM message WHERE id = ? AND {which}");
            let mut select = connection.prepare_cached(&sql)?;
            let mut rows = Vec::new();
            for id in ids {
                rows.extend(select.query_row([id.0], read).optional()?);
            }
            rows
        }
        // Nobody holds them: there is nothing to discard.
        Selection::Outdated { .. } if by_number != REPLAYED => Vec::new(),
        Selection::Outdated { version, kind } => {
            let sql = format!(
                "SELECT id FROM message WHERE (state IN (?1, ?2) OR (state = ?5 AND reason = ?6
                 AND (version IS NOT NULL OR id IN (SELECT message FROM part WHERE version IS NOT NULL))))
                 AND coalesce(mapping_version, '') <> ?3
                 AND (?4 = '' OR kind = ?4) AND {KEPT} ORDER BY id"
            );
            let mut select = connection.prepare_cached(&sql)?;
            let values = params![
                state::REGISTERED,
                state::PENDING,
                version,
                kind,
                state::EXCLUDED,
                consent::NOT_SHARED
            ];
            select.query_map(values, read)?.collect::<Result<_, _>>()?
        }
        Selection::Cause { code, position, rule } => {
            let sql = format!(
                "SELECT id FROM message WHERE {held} AND id IN
                 (SELECT message FROM cause
                  WHERE code = ?1 AND (?2 = '' OR position = ?2) AND (?3 = '' OR rule = ?3))"
            );
            let mut select = connection.prepare_cached(&sql)?;
            select.query_map([code, position, rule], read)?.collect::<Result<_, _>>()?
        }
        Selection::Exactly { code, position, rule } => {
            let sql = format!(
                "SELECT id FROM message WHERE {held} AND id IN
                 (SELECT message FROM cause WHERE code = ? AND position = ? AND rule = ?)"
            );
            let mut select = connection.prepare_cached(&sql)?;
            select.query_map([code, position, rule], read)?.collect::<Result<_, _>>()?
        }
        Selection::State(wanted) => {
            let code = match wanted {
                State::Quarantined => state::QUARANTINED,
                State::Held => state::HELD,
                State::Rejected => state::REJECTED,
                State::Pending | State::Excluded | State::Registered => return Ok(Vec::new()),
            };
            let mut select = connection.prepare_cached("SELECT id FROM message WHERE state = ?")?;
            select.query_map([code], read)?.collect::<Result<_, _>>()?
        }
    };
    Ok(rows)
}
