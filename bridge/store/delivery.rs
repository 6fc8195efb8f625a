//! Deliveries: one row per unit and destination, which names the version wanted and holds no body.
//!
//! What waits is coalesced: a newer message moves the wanted version, and the projection is made from the
//! record as it stands when the delivery is sent. The units of a patient go out in the order in which they began
//! to wait: one that is being tried again keeps the later ones of its patient back, one that is held or was
//! rejected does not. Two requests for one patient are never under way at once.

use super::consent::{self, Gate};
use super::ground::Sight;
use super::index::state;
use super::sharing::day_in_japan;
use super::state::Carried;
use super::{
    DeliveryClaim, FacilityStore, QueueDepth, Settlement, StoreError, complete, durable_point, parts,
};
use crate::record::{Projection, project};
use renkei_translate::finding::Finding;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Deliveries looked at for one claim: beyond that, one patient's many units are waited for.
const WINDOW: i64 = 4_096;

/// No repeat is set so far ahead, in milliseconds: one that is was set by a wrong clock.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// Why a delivery is excluded whose destination is no more in the configuration.
pub(super) const NOT_CONFIGURED: &str = "not-configured";

/// Why a message is excluded that nobody takes.
pub(super) const NO_DESTINATION: &str = "not-for-any-destination";

/// Bytes kept of a refusal.
const ANSWER_BYTES: usize = 64 << 10;

impl FacilityStore {
    /// Units to bring to a destination, oldest first, one in flight per patient.
    ///
    /// # Errors
    /// The database.
    pub fn claim_deliveries(
        &self,
        destination: &str,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        let mut flying = self.flying.lock().map_err(|_| StoreError::Closed)?;
        let reader = self.reader()?;
        let snapshot = reader.unchecked_transaction()?;
        let gate = Gate::read(&snapshot)?;
        // After midnight nothing goes out before the sweep has turned the day: a consent may have ended with it.
        if gate.day < day_in_japan(now_ms) || gate.share(destination).is_none() {
            return Ok(Vec::new());
        }
        let mut select = snapshot.prepare_cached(
            "SELECT u.key, u.kind, u.patient, d.version, d.attempts, d.since_ms, d.unit
             FROM delivery d JOIN unit u ON u.id = d.unit
             WHERE d.destination = ? AND d.state = ? AND d.next_ms > ? AND d.next_ms <= ?
             AND NOT EXISTS(SELECT 1 FROM rebuild r WHERE r.patient = u.patient)
             ORDER BY d.next_ms, d.since_ms, d.unit LIMIT ?",
        )?;
        let tried = tried(&snapshot, destination)?;
        let mut claims = Vec::new();
        // What is due; then what a clock that has been put right since would have waited for too long.
        for (after, until) in [(-1, now_ms), (now_ms.saturating_add(LONGEST_MS), i64::MAX)] {
            let mut rows = select.query(params![destination, state::PENDING, after, until, WINDOW])?;
            while claims.len() < limit {
                let Some(row) = rows.next()? else { break };
                let claim = DeliveryClaim {
                    unit: row.get(0)?,
                    kind: row.get(1)?,
                    patient: row.get(2)?,
                    destination: destination.to_owned(),
                    version: row.get(3)?,
                    attempts: row.get(4)?,
                    since_ms: row.get(5)?,
                    epoch: gate.epoch,
                    shared: true,
                    claimed_ms: now_ms,
                };
                let place: (i64, i64) = (claim.since_ms, row.get(6)?);
                if tried.get(&claim.patient).is_some_and(|earlier| *earlier < place) {
                    continue;
                }
                if flying.partitions.insert(Self::partition(&claim)) {
                    let key = (claim.destination.clone(), claim.unit.clone());
                    // What is being committed now may be read by this delivery or not: then it goes once more.
                    let touched = flying.coming.contains_key(&key);
                    flying.units.insert(key, touched);
                    let shared = gate.barred(&snapshot, row.get(6)?, destination)?.is_none();
                    claims.push(DeliveryClaim { shared, ..claim });
                }
            }
        }
        Ok(claims)
    }

    /// What the destination lacks of the unit, as it stands now; of a unit that is not shared, what is to be deleted
    /// there. Empty: settle it as registered.
    ///
    /// # Errors
    /// The database.
    pub fn projection(&self, claim: &DeliveryClaim) -> Result<Projection, StoreError> {
        let reader = self.reader()?;
        let snapshot = reader.unchecked_transaction()?;
        let Some((unit, _)) = unit(&snapshot, &claim.unit)? else { return Ok(Projection::default()) };
        if !claim.shared {
            return consent::withdrawal(&snapshot, unit, &claim.destination);
        }
        project(&mut Sight {
            connection: &snapshot,
            unit,
            destination: &claim.destination,
            units: HashMap::new(),
        })
    }

    /// Notes, before the request, that the destination may have these resources, so that a lost answer
    /// cannot orphan one. False where who is shared has changed since the claim: then the request must not be made,
    /// and the delivery is to be settled for another try.
    ///
    /// # Errors
    /// The database; then the request must not be made.
    pub fn begin_send(&self, claim: &DeliveryClaim, projection: &Projection) -> Result<bool, StoreError> {
        let puts =
            projection.puts.iter().map(|p| (p.resource_type.clone(), p.id.clone(), Some(p.hash.clone())));
        let deletes = projection.deletes.iter().map(|(t, id)| (t.clone(), id.clone(), None));
        let touched: Vec<(String, String, Option<String>)> = puts.chain(deletes).collect();
        // A second beginning of the same delivery takes the place of the first.
        self.contested(claim)?;
        {
            let mut flying = self.flying.lock().map_err(|_| StoreError::Closed)?;
            for (resource_type, id, hash) in &touched {
                let key = (claim.destination.clone(), resource_type.clone(), id.clone());
                let carried = flying.resources.entry(key).or_insert_with(|| Carried {
                    requests: 0,
                    hash: hash.clone(),
                    contested: false,
                });
                carried.requests += 1;
                carried.contested |= carried.hash != *hash;
            }
            let ids = touched.iter().map(|(t, id, _)| (t.clone(), id.clone())).collect();
            flying.carries.insert((claim.destination.clone(), claim.unit.clone()), ids);
        }
        let (destination, epoch) = (claim.destination.clone(), claim.epoch);
        let go = self.run_on_reserve(move |connection| {
            if Gate::read(connection)?.epoch != epoch {
                return Ok(false);
            }
            for (resource_type, id, _) in &touched {
                connection
                    .prepare_cached(
                        "INSERT INTO sent VALUES(?, ?, ?, NULL) ON CONFLICT(type, id, destination)
                         DO UPDATE SET hash = NULL WHERE hash IS NOT NULL",
                    )?
                    .execute(params![resource_type, id, destination])?;
            }
            Ok(true)
        })?;
        durable_point("begin-send.after-commit");
        Ok(go)
    }

    /// Names the destinations that there are, at a start. What waits for another is left out, so that nothing
    /// waits for ever, and waits again when that one is back. The number of deliveries left out now.
    ///
    /// # Errors
    /// The database.
    pub fn destinations(&self, names: &[String]) -> Result<u64, StoreError> {
        let names = names.to_vec();
        self.run(move |connection| {
            let mut select = connection.prepare(
                "SELECT unit, destination, state FROM delivery WHERE state IN (3, 4, 5) OR (state = 2 AND error = ?)",
            )?;
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let open: Vec<(i64, String, i64)> =
                select.query_map([NOT_CONFIGURED], read)?.collect::<Result<_, _>>()?;
            let mut update = connection.prepare(
                "UPDATE delivery SET state = ?3, error = ?4, next_ms = 0, attempts = 0 WHERE unit = ?1 AND destination = ?2",
            )?;
            let mut left_out = 0;
            let gate = Gate::read(connection)?;
            for (unit, destination, was) in open {
                match (names.contains(&destination), was == state::EXCLUDED) {
                    (false, false) => {
                        update.execute(params![unit, destination, state::EXCLUDED, NOT_CONFIGURED])?;
                        left_out += 1;
                    }
                    (true, true) => {
                        update.execute(params![unit, destination, state::PENDING, None::<&str>])?;
                        connection
                            .prepare_cached(
                                "UPDATE message SET state = ?2, reason = NULL WHERE unit = ?1 AND
                                 ((state = ?3 AND reason = ?4) OR (state = ?5 AND version > (SELECT settled FROM delivery
                                   WHERE unit = ?1 AND destination = ?6)))",
                            )?
                            .execute(params![
                                unit,
                                state::PENDING,
                                state::EXCLUDED,
                                NO_DESTINATION,
                                state::REGISTERED,
                                destination
                            ])?;
                        parts::reopen(connection, unit, [NO_DESTINATION; 2])?;
                    }
                    _ => continue,
                }
                consent::enforce(connection, &gate, unit, &destination, None)?;
                refresh(connection, unit)?;
            }
            Ok(left_out)
        })
    }

    /// Records how a delivery ended. The claim is given back in any case: after an error the delivery is
    /// still pending, and sending it again is safe.
    ///
    /// # Errors
    /// The database.
    pub fn settle(&self, claim: DeliveryClaim, settlement: Settlement) -> Result<(), StoreError> {
        let contested = self.contested(&claim)?;
        let touched = self.landed(&claim)?;
        let partition = Self::partition(&claim);
        let result = self.run_on_reserve(move |connection| {
            end(connection, &claim, &settlement, contested, touched)?;
            durable_point("settle.before-commit");
            Ok(())
        });
        if result.is_ok() {
            durable_point("settle.after-commit");
        }
        self.flying.lock().map_err(|_| StoreError::Closed)?.partitions.remove(&partition);
        self.outbox().notify_waiters();
        result
    }

    /// Whether another request carried one of the same resources with other content meanwhile: then nobody
    /// knows which came last, and it is sent again.
    fn contested(&self, claim: &DeliveryClaim) -> Result<bool, StoreError> {
        let mut flying = self.flying.lock().map_err(|_| StoreError::Closed)?;
        let key = (claim.destination.clone(), claim.unit.clone());
        let mut contested = false;
        for (resource_type, id) in flying.carries.remove(&key).unwrap_or_default() {
            let key = (claim.destination.clone(), resource_type, id);
            if let Some(carried) = flying.resources.get_mut(&key) {
                contested |= carried.contested;
                carried.requests -= 1;
                if carried.requests == 0 {
                    flying.resources.remove(&key);
                }
            }
        }
        Ok(contested)
    }

    /// Notes that a message comes to units: before its commit, so that no delivery under way can end between
    /// the two as if it had carried what the message brings. Once too often costs an empty projection.
    pub(super) fn touch(&self, units: &[(String, Vec<String>)]) -> Result<(), StoreError> {
        let mut flying = self.flying.lock().map_err(|_| StoreError::Closed)?;
        for (unit, destinations) in units {
            for destination in destinations {
                let key = (destination.clone(), unit.clone());
                if let Some(touched) = flying.units.get_mut(&key) {
                    *touched = true;
                }
                *flying.coming.entry(key).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The commit that [`Self::touch`] announced has ended, one way or the other.
    pub(super) fn came(&self, units: &[(String, Vec<String>)]) {
        let Ok(mut flying) = self.flying.lock() else { return };
        for (unit, destinations) in units {
            for destination in destinations {
                let key = (destination.clone(), unit.clone());
                if let Some(commits) = flying.coming.get_mut(&key) {
                    *commits -= 1;
                    if *commits == 0 {
                        flying.coming.remove(&key);
                    }
                }
            }
        }
    }

    /// Takes the unit out of those under way; whether a message came to it meanwhile.
    fn landed(&self, claim: &DeliveryClaim) -> Result<bool, StoreError> {
        let mut flying = self.flying.lock().map_err(|_| StoreError::Closed)?;
        Ok(flying.units.remove(&(claim.destination.clone(), claim.unit.clone())).unwrap_or_default())
    }

    /// What waits for a destination.
    ///
    /// # Errors
    /// The database.
    pub fn queue(&self, destination: &str) -> Result<QueueDepth, StoreError> {
        let console = self.console()?;
        let mut depth = QueueDepth::default();
        let mut select = console.prepare_cached(
            "SELECT state, count(*), min(since_ms) FROM delivery WHERE destination = ? GROUP BY state",
        )?;
        let mut rows = select.query([destination])?;
        while let Some(row) = rows.next()? {
            let count: u64 = row.get(1)?;
            match row.get::<_, i64>(0)? {
                state::PENDING => (depth.pending, depth.oldest_ms) = (count, row.get(2)?),
                state::HELD => depth.held = count,
                state::REJECTED => depth.rejected = count,
                _ => {}
            }
        }
        Ok(depth)
    }
}

/// By patient, the earliest unit that was tried and is to be tried again: since when it waits, and its row.
fn tried(connection: &Connection, destination: &str) -> Result<HashMap<String, (i64, i64)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT u.patient, d.since_ms, d.unit FROM delivery d JOIN unit u ON u.id = d.unit
         WHERE d.destination = ? AND d.state = ? AND d.next_ms > 0 AND u.patient <> '' ORDER BY d.next_ms LIMIT ?",
    )?;
    let mut rows = select.query(params![destination, state::PENDING, WINDOW])?;
    let mut tried: HashMap<String, (i64, i64)> = HashMap::new();
    while let Some(row) = rows.next()? {
        let place = (row.get(1)?, row.get(2)?);
        tried.entry(row.get(0)?).and_modify(|first| *first = place.min(*first)).or_insert(place);
    }
    Ok(tried)
}

fn unit(connection: &Connection, key: &str) -> Result<Option<(i64, i64)>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id, version FROM unit WHERE key = ?")?;
    Ok(select.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn end(
    connection: &Connection,
    claim: &DeliveryClaim,
    settlement: &Settlement,
    contested: bool,
    touched: bool,
) -> Result<(), StoreError> {
    let Some((unit, _)) = unit(connection, &claim.unit)? else {
        return Err(StoreError::Order("settle of no unit"));
    };
    let wanted: i64 = connection
        .prepare_cached("SELECT version FROM delivery WHERE unit = ? AND destination = ?")?
        .query_row(params![unit, claim.destination], |row| row.get(0))?;
    // What came meanwhile decides: the newest version is sent whatever became of this one, and who is shared now is
    // asked again.
    let gate = Gate::read(connection)?;
    let moved = wanted > claim.version || contested || touched || gate.epoch != claim.epoch;
    let mut update = connection.prepare_cached(
        "UPDATE delivery SET state = ?3, settled = max(settled, ?4), attempts = ?5, next_ms = ?6, status = ?7,
         answer = ?8, error = ?9, findings = ?10 WHERE unit = ?1 AND destination = ?2",
    )?;
    let state_or = |ended: i64| if moved { state::PENDING } else { ended };
    let to = &claim.destination;
    match settlement {
        Settlement::Registered { projection } => {
            note(connection, unit, claim, projection, contested)?;
            let (state, settled) =
                (state_or(state::REGISTERED), if contested || !claim.shared { 0 } else { claim.version });
            update.execute(params![
                unit,
                to,
                state,
                settled,
                0,
                0,
                None::<u16>,
                None::<&[u8]>,
                None::<&str>,
                None::<&str>
            ])?;
        }
        Settlement::Rejected { status, answer } => {
            let kept = &answer[..answer.len().min(ANSWER_BYTES)];
            let state = state_or(state::REJECTED);
            update.execute(params![
                unit,
                to,
                state,
                0,
                claim.attempts + 1,
                0,
                status,
                kept,
                None::<&str>,
                None::<&str>
            ])?;
        }
        Settlement::Retry { at_ms, error } => {
            let attempts = if moved { 0 } else { claim.attempts + 1 };
            update.execute(params![
                unit,
                to,
                state::PENDING,
                0,
                attempts,
                at_ms,
                None::<u16>,
                None::<&[u8]>,
                error,
                None::<&str>
            ])?;
        }
        Settlement::Held { findings } => {
            let json = serde_json::to_string(findings).map_err(|_| StoreError::Damaged("findings"))?;
            let state = state_or(state::HELD);
            update.execute(params![
                unit,
                to,
                state,
                0,
                0,
                0,
                None::<u16>,
                None::<&[u8]>,
                None::<&str>,
                json
            ])?;
            if !moved {
                hold(connection, unit, findings)?;
            }
        }
    }
    if !claim.shared && matches!(settlement, Settlement::Registered { projection } if !projection.is_empty())
    {
        // It was deleted there; should it be shared again meanwhile, it lacks all.
        connection
            .prepare_cached("UPDATE delivery SET settled = 0 WHERE unit = ? AND destination = ?")?
            .execute(params![unit, claim.destination])?;
        consent::withdrawn(connection, unit, &claim.destination)?;
    }
    consent::enforce(connection, &gate, unit, &claim.destination, None)?;
    refresh_at(connection, unit, claim.claimed_ms)
}

/// Writes what the destination has now.
fn note(
    connection: &Connection,
    unit: i64,
    claim: &DeliveryClaim,
    projection: &Projection,
    contested: bool,
) -> Result<(), StoreError> {
    for put in &projection.puts {
        connection.prepare_cached("INSERT OR REPLACE INTO sent VALUES(?, ?, ?, ?)")?.execute(params![
            put.resource_type,
            put.id,
            claim.destination,
            (!contested).then_some(&put.hash)
        ])?;
    }
    for (resource_type, id) in projection.deletes.iter().filter(|_| !contested) {
        connection
            .prepare_cached("DELETE FROM sent WHERE type = ? AND id = ? AND destination = ?")?
            .execute(params![resource_type, id, claim.destination])?;
        // Gone everywhere: the unit need not remember that it once had it.
        connection
            .prepare_cached(
                "DELETE FROM entry WHERE type = ?1 AND id = ?2 AND unit = ?3 AND hash IS NULL AND rank <> -1
                 AND NOT EXISTS(SELECT 1 FROM sent WHERE type = ?1 AND id = ?2)",
            )?
            .execute(params![resource_type, id, unit])?;
    }
    Ok(())
}

/// The unit was made anew, or is another patient's: every destination is to be looked at again, and waits since then
/// where it did not wait before.
pub(super) fn again(connection: &Connection, unit: i64, since_ms: Option<i64>) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE delivery SET version = (SELECT version FROM unit WHERE id = ?1), state = ?2, attempts = 0, next_ms = 0,
             since_ms = CASE WHEN state = ?2 THEN since_ms ELSE coalesce(?4, since_ms) END, status = NULL, answer = NULL,
             error = NULL, findings = NULL WHERE unit = ?1 AND state <> ?3",
        )?
        .execute(params![unit, state::PENDING, state::EXCLUDED, since_ms])?;
    Ok(())
}

/// The newest message of a held unit stands among the causes.
fn hold(connection: &Connection, unit: i64, findings: &[Finding]) -> Result<(), StoreError> {
    let newest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(id) FROM (SELECT id FROM message WHERE unit = ?1 AND state IN (3, 4, 5)
             UNION ALL SELECT m.id FROM part p JOIN message m ON m.id = p.message
             WHERE p.unit = ?1 AND m.state IN (3, 4, 5))",
        )?
        .query_row([unit], |row| row.get(0))?;
    newest.map_or(Ok(()), |id| complete::causes(connection, id, findings))
}

/// Brings the states of a unit's messages in line with its deliveries: registered up to the version that
/// every destination has, beyond it the worst of the deliveries, since a coalesced message follows what stands.
/// A destination with which the unit is not shared counts only where there is no other, or while it still has to
/// delete.
pub(super) fn refresh(connection: &Connection, unit: i64) -> Result<(), StoreError> {
    refresh_at(connection, unit, 0)
}

/// The same, with the time from which on messages count as registered that were not before. It is written
/// once: what is sent again was registered when it first was.
fn refresh_at(connection: &Connection, unit: i64, at_ms: i64) -> Result<(), StoreError> {
    let Stands { settled, beyond, reason } = stands(connection, unit)?;
    move_messages(connection, unit, settled, beyond, &reason, at_ms)?;
    parts::refresh(connection, unit, at_ms)
}

/// How a unit stands with its destinations.
pub(super) struct Stands {
    /// The version up to which it is registered.
    pub settled: i64,
    /// The state of what is beyond that.
    pub beyond: i64,
    /// Why, where that is excluded.
    pub reason: String,
}

/// How a unit stands with its destinations.
pub(super) fn stands(connection: &Connection, unit: i64) -> Result<Stands, StoreError> {
    let (settled, worst): (Option<i64>, Option<i64>) = connection
        .prepare_cached(
            "SELECT min(settled), max(CASE state WHEN 5 THEN 5 WHEN 4 THEN 4 WHEN 3 THEN 3 WHEN 2 THEN 2 ELSE 1 END)
             FROM delivery WHERE unit = ? AND NOT (state = 2 AND (coalesce(error, '') = ? OR unshared IS NOT NULL))",
        )?
        .query_row(params![unit, NOT_CONFIGURED], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let (Some(settled), Some(worst)) = (settled, worst) {
        // An excluded delivery is one whose refused message a person has discarded.
        let beyond = [state::REGISTERED, state::EXCLUDED, state::PENDING, state::HELD, state::REJECTED]
            .get(usize::try_from(worst - 1).unwrap_or_default())
            .copied()
            .unwrap_or(state::PENDING);
        return Ok(Stands { settled, beyond, reason: "discarded".into() });
    }
    let (settled, reason): (Option<i64>, Option<String>) = connection
        .prepare_cached(
            "SELECT max(settled), max(unshared) FROM delivery WHERE unit = ? AND unshared IS NOT NULL
             AND coalesce(error, '') <> ?",
        )?
        .query_row(params![unit, NOT_CONFIGURED], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // What was sent before the consent ended, and stays there, stays registered.
    Ok(Stands {
        settled: settled.unwrap_or(0),
        beyond: state::EXCLUDED,
        reason: reason.unwrap_or_else(|| NO_DESTINATION.into()),
    })
}

/// Moves messages under way: registered up to a version, beyond it another state, with a reason where that is
/// excluded.
fn move_messages(
    connection: &Connection,
    unit: i64,
    settled: i64,
    beyond: i64,
    reason: &str,
    at_ms: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, registered_ms = coalesce(registered_ms, max(received_ms, ?4))
             WHERE unit = ?1 AND state IN (3, 4, 5) AND version <= ?3",
        )?
        .execute([unit, state::REGISTERED, settled, at_ms])?;
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, reason = CASE WHEN ?2 = ?4 THEN ?5 ELSE reason END,
             registered_ms = CASE WHEN ?2 = ?6 THEN coalesce(registered_ms, max(received_ms, ?7))
             ELSE registered_ms END WHERE unit = ?1 AND state IN (3, 4, 5) AND state <> ?2 AND version > ?3",
        )?
        .execute(params![unit, beyond, settled, state::EXCLUDED, reason, state::REGISTERED, at_ms])?;
    if beyond != state::HELD {
        connection
            .prepare_cached(
                "DELETE FROM cause WHERE message IN (SELECT id FROM message WHERE unit = ? AND state IN (3, 5, 6))",
            )?
            .execute([unit])?;
    }
    Ok(())
}
