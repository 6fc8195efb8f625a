//! Messages that are the whole of several units, an order each.
//!
//! Nearly every message is of one unit: the row of the message names it, and the version there at which it was taken. A
//! message with several names the first, has no version, and a row here for each unit with the version there: so what
//! moves the messages of a unit by their versions leaves it alone, and it is moved here, by all its units. It is
//! registered where all of them are, else as the worst of them, as a message with several destinations is.

use super::index::state;
use super::{StoreError, delivery, ground};
use crate::record::Stamp;
use rusqlite::{Connection, OptionalExtension, params};

/// Where a message was taken: a unit, and the version there, if it was taken.
pub(super) type Taken = (i64, Option<i64>);

/// The units of a message.
pub(super) fn of(connection: &Connection, message: i64) -> Result<Vec<Taken>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT unit, version, EXISTS(SELECT 1 FROM part WHERE message = id) FROM message WHERE id = ?",
    )?;
    let one: Option<(Option<i64>, Option<i64>, bool)> =
        select.query_row([message], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    match one {
        Some((_, _, true)) => several(connection, message),
        Some((Some(unit), version, false)) => Ok(vec![(unit, version)]),
        _ => Ok(Vec::new()),
    }
}

/// The units of a message with several, in their order in it; none for any other.
pub(super) fn several(connection: &Connection, message: i64) -> Result<Vec<Taken>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT unit, version FROM part WHERE message = ? ORDER BY place")?;
    let units = select.query_map([message], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(units.collect::<Result<_, _>>()?)
}

/// Keeps the units of a message, which had so many before: in the rows here where they are several, else there are
/// none. What belongs into the row of the message itself.
pub(super) fn keep(
    connection: &Connection,
    message: i64,
    before: usize,
    units: &[Taken],
) -> Result<Option<Taken>, StoreError> {
    if before > 1 {
        connection.prepare_cached("DELETE FROM part WHERE message = ?")?.execute([message])?;
    }
    let [first, _, ..] = units else { return Ok(units.first().copied()) };
    for (place, (unit, version)) in (0_i64..).zip(units) {
        connection
            .prepare_cached("INSERT INTO part VALUES(?, ?, ?, ?)")?
            .execute(params![message, unit, version, place])?;
    }
    Ok(Some((first.0, None)))
}

/// A message is not taken any more: in one of its units, or in all.
pub(super) fn forget(connection: &Connection, message: i64, unit: Option<i64>) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE part SET version = NULL WHERE message = ?1 AND unit = coalesce(?2, unit)")?
        .execute(params![message, unit])?;
    connection
        .prepare_cached("UPDATE message SET version = NULL WHERE id = ?1 AND unit = coalesce(?2, unit)")?
        .execute(params![message, unit])?;
    Ok(())
}

/// Quarantined messages with several units of which this was the last whose place a newer message has taken.
pub(super) fn supersede(connection: &Connection, unit: i64) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT m.id, coalesce(m.time, '') FROM part p JOIN message m ON m.id = p.message
         WHERE p.unit = ? AND m.state = ?",
    )?;
    let held = select.query_map([unit, state::QUARANTINED], |row| {
        Ok(Stamp { sequence: row.get(0)?, time: row.get(1)? })
    })?;
    for stamp in held.collect::<Result<Vec<Stamp>, _>>()? {
        let mut replaced = true;
        for (unit, _) in several(connection, stamp.sequence)? {
            replaced &= ground::load(connection, "id", &unit)?.is_some_and(|unit| unit.floor > stamp);
        }
        if replaced {
            super::complete::superseded(connection, stamp.sequence)?;
        }
    }
    Ok(())
}

/// Puts registered messages with several units, and those left out for that reason, among the waiting ones: one of
/// their units is to go out, or to be looked at, again.
pub(super) fn reopen(connection: &Connection, unit: i64, reasons: [&str; 2]) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, reason = NULL
             WHERE id IN (SELECT message FROM part WHERE unit = ?1 AND version IS NOT NULL)
             AND (state = ?3 OR (state = ?4 AND reason IN (?5, ?6)))",
        )?
        .execute(params![unit, state::PENDING, state::REGISTERED, state::EXCLUDED, reasons[0], reasons[1]])?;
    Ok(())
}

/// Brings the messages with several units of which this is one in line with the deliveries of all of them.
pub(super) fn refresh(connection: &Connection, unit: i64, at_ms: i64) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT m.id FROM part p JOIN message m ON m.id = p.message WHERE p.unit = ? AND m.state IN (3, 4, 5)",
    )?;
    let messages = select.query_map([unit], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for message in messages {
        let mut worst = (state::REGISTERED, None);
        for (unit, version) in several(connection, message)? {
            let Some(version) = version else { continue };
            let stands = delivery::stands(connection, unit)?;
            if version > stands.settled && grave(stands.beyond) > grave(worst.0) {
                worst = (stands.beyond, Some(stands.reason));
            }
        }
        let (now, reason) = worst;
        connection
            .prepare_cached(
                "UPDATE message SET state = ?2, reason = CASE WHEN ?2 = ?4 THEN ?3 ELSE reason END,
                 registered_ms = CASE WHEN ?2 = ?5 THEN coalesce(registered_ms, max(received_ms, ?6))
                 ELSE registered_ms END WHERE id = ?1",
            )?
            .execute(params![message, now, reason, state::EXCLUDED, state::REGISTERED, at_ms])?;
        if matches!(now, state::PENDING | state::REJECTED | state::REGISTERED) {
            connection.prepare_cached("DELETE FROM cause WHERE message = ?")?.execute([message])?;
        }
    }
    Ok(())
}

/// Which state of two is the message's.
fn grave(state: i64) -> u8 {
    match state {
        state::REJECTED => 4,
        state::HELD => 3,
        state::PENDING => 2,
        state::EXCLUDED => 1,
        _ => 0,
    }
}
