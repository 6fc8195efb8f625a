//! A unit as if a message had never been taken: its other messages are translated again, in their order.
//!
//! In one transaction the unit becomes empty (what it had is remembered, so that it can be deleted), its other
//! messages go back into the queue, and a row for each keeps every delivery of the patient back until the last
//! of them is recorded again. A kill at any moment leaves the queue and these rows, and the pipeline goes on.
//! No destination is shown a unit half made.

use super::consent::Gate;
use super::index::state;
use super::{StoreError, claim, delivery, ground, merge};
use crate::record::{Ground, Standing, UnitState};
use renkei_translate::translation::Merge;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;

/// Messages that have a part in a unit: taken into it, or left out because another took their place there.
const PARTS: &str = "SELECT m.id FROM message m LEFT JOIN part p ON p.message = m.id AND p.unit = ?1
     WHERE m.id IN (SELECT id FROM message WHERE unit = ?1 UNION SELECT message FROM part WHERE unit = ?1)
     AND ((coalesce(p.version, m.version) IS NOT NULL AND (m.state IN (3, 4, 5, 6) OR (m.state = 2 AND
     coalesce(m.reason, '') <> 'discarded'))) OR (m.state = 2 AND m.reason = 'superseded')) ORDER BY m.id";

/// Makes the unit anew without some of its messages.
pub(super) fn rebuild(connection: &Connection, unit: i64, without: &BTreeSet<i64>) -> Result<(), StoreError> {
    let mut record = ground::Record(connection);
    let (key, patient): (String, String) = connection
        .prepare_cached("SELECT key, patient FROM unit WHERE id = ?")?
        .query_row([unit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let old = record.unit(&key)?.unwrap_or_default();
    let mut units = BTreeSet::from([unit]);
    for (resource_type, id) in said_with(&old) {
        let Some(standing) = record.standing(&resource_type, &id)? else { continue };
        for message in without {
            connection
                .prepare_cached("DELETE FROM replaced WHERE type = ? AND id = ? AND sequence = ?")?
                .execute(params![resource_type, id, message])?;
        }
        if !without.contains(&standing.stamp.sequence) {
            continue;
        }
        if resource_type == "Patient" {
            // The next message of the patient makes it again; which one that is, only all of them together tell.
            record.remove_standing(&resource_type, &id)?;
            gone(connection, &resource_type, &id, unit)?;
            let whose = old.merge.as_ref().filter(|merged| merged.said.prior_id == id);
            units.extend(of_patient(connection, whose.map_or(&patient, |merged| &merged.said.prior))?);
        } else if let Some(before) = before(connection, &standing, without)? {
            record.put_standing(&before)?;
            connection
                .prepare_cached("DELETE FROM replaced WHERE type = ? AND id = ?")?
                .execute([resource_type, id])?;
        }
    }
    let mut merges = Vec::new();
    for unit in &units {
        let of_unit: String = connection
            .prepare_cached("SELECT patient FROM unit WHERE id = ?")?
            .query_row([unit], |row| row.get(0))?;
        let told = ground::load(connection, "id", unit)?.and_then(|state| state.merge);
        merges.push((*unit, of_unit.clone(), told));
        empty(connection, *unit)?;
        for message in taken(connection, *unit, without)? {
            connection
                .prepare_cached("UPDATE message SET state = ?, reason = NULL WHERE id = ?")?
                .execute([state::RECEIVED, message])?;
            super::parts::forget(connection, message, Some(*unit))?;
            connection.prepare_cached("DELETE FROM cause WHERE message = ?")?.execute([message])?;
            connection
                .prepare_cached("INSERT OR IGNORE INTO rebuild VALUES(?, ?)")?
                .execute(params![message, of_unit])?;
            claim::enqueue(connection, message)?;
        }
        delivery::again(connection, *unit, None)?;
    }
    let gate = Gate::read(connection)?;
    for (unit, of_unit, told) in merges {
        let told: Vec<Merge> = told.into_iter().map(|merged| merged.said).collect();
        merge::came(connection, &gate, unit, &of_unit, &told, None)?;
    }
    Ok(())
}

/// A message of a rebuild has been recorded again, or left out.
pub(super) fn rebuilt(connection: &Connection, message: i64) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM rebuild WHERE message = ?")?.execute([message])?;
    Ok(())
}

/// `(type, id)` that the unit has and refers to, each once: where a shared resource or a Patient may stand.
fn said_with(old: &UnitState) -> BTreeSet<(String, String)> {
    let entries = || old.entries.iter().chain(old.events.iter().flat_map(|event| &event.entries));
    let own = entries().map(|entry| (entry.resource_type.clone(), entry.id.clone()));
    let referred = entries().flat_map(|entry| &entry.references);
    let split = |reference: &String| reference.split_once('/').map(|(t, id)| (t.to_owned(), id.to_owned()));
    let merged = old.merge.iter().flat_map(|merged| [&merged.said.prior_id, &merged.said.survivor_id]);
    let merged = merged.map(|id| ("Patient".to_owned(), id.clone()));
    own.chain(referred.filter_map(split)).chain(merged).collect()
}

fn of_patient(connection: &Connection, patient: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM unit WHERE patient = ?")?;
    let units = select.query_map([patient], |row| row.get(0))?;
    Ok(units.collect::<Result<_, _>>()?)
}

fn taken(connection: &Connection, unit: i64, without: &BTreeSet<i64>) -> Result<Vec<i64>, StoreError> {
    let mut select = connection.prepare_cached(PARTS)?;
    let parts = select.query_map([unit], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    Ok(parts.into_iter().filter(|message| !without.contains(message)).collect())
}

/// The unit has nothing, and remembers what it had: a destination that has it is to delete what does not come back.
fn empty(connection: &Connection, unit: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE entry SET hash = NULL, rank = 1000000, time = '', sequence = 0
             WHERE unit = ? AND (hash IS NOT NULL OR rank = -1)",
        )?
        .execute([unit])?;
    let mut select =
        connection.prepare_cached("SELECT key, kind, patient, version FROM unit WHERE id = ?")?;
    let (key, blank) = select.query_row([unit], |row| {
        let blank = UnitState {
            kind: row.get(1)?,
            patient: row.get(2)?,
            version: row.get::<_, i64>(3)? + 1,
            ..UnitState::default()
        };
        Ok((row.get::<_, String>(0)?, blank))
    })?;
    ground::Record(connection).put_unit(&key, &blank, &[])
}

/// Remembers that a unit had a resource.
fn gone(connection: &Connection, resource_type: &str, id: &str, unit: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO entry VALUES(?1, ?2, ?3, NULL, 1000000, '', 0)
             ON CONFLICT(type, id, unit) DO UPDATE SET hash = NULL",
        )?
        .execute(params![resource_type, id, unit])?;
    Ok(())
}

/// What stood of a shared resource before one of these messages changed it. None where its content is not theirs, or
/// where they were the first to name it: then it stays, and goes out only with what refers to it.
fn before(
    connection: &Connection,
    now: &Standing,
    without: &BTreeSet<i64>,
) -> Result<Option<Standing>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT replaced_by, role, hash, time, sequence, withdrawn, refs, json FROM replaced WHERE type = ? AND id = ?")?;
    let mut rows = select.query([&now.resource_type, &now.id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let replaced_by: i64 = row.get(0)?;
    if !without.contains(&replaced_by) {
        return Ok(None);
    }
    ground::standing(&now.resource_type, &now.id, row, 1).map(Some)
}

/// Messages of a rebuild that are still to be recorded.
#[cfg(test)]
pub(super) fn under_way(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("SELECT count(*) FROM rebuild", [], |row| row.get(0))?)
}
