//! Merges of patients on disk: the facts in SQL, and what a new or a lost fact sets going.
//!
//! What a destination is to have is worked out by [`crate::record::merge`] at each projection. Here is noted whose the
//! units of a prior are besides (the survivor's: they are shared only where both patients are), which ids its lists
//! have under the survivor, and what is to be sent again.

use super::consent::{self, Gate};
use super::{StoreError, delivery, ground};
use crate::record::merge::{course, moved_id, priors};
use crate::record::{Merged, Merges, Stamp};
use renkei_translate::translation::Merge;
use rusqlite::{Connection, OptionalExtension, params};

/// The facts, as a destination may know them; all of them where none is named.
pub(super) struct Facts<'c> {
    pub connection: &'c Connection,
    pub destination: Option<&'c str>,
}

impl Merges for Facts<'_> {
    type Error = StoreError;

    fn merges(&mut self, patient: &str, as_prior: bool) -> Result<Vec<Merged>, StoreError> {
        let column = if as_prior { "prior" } else { "survivor" };
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT prior, prior_id, survivor, survivor_id, time, sequence FROM merge WHERE {column} = ?"
        ))?;
        let merged = select.query_map([patient], |row| {
            Ok(Merged {
                said: Merge {
                    prior: row.get(0)?,
                    prior_id: row.get(1)?,
                    survivor: row.get(2)?,
                    survivor_id: row.get(3)?,
                },
                stamp: Stamp { time: row.get(4)?, sequence: row.get(5)? },
            })
        })?;
        Ok(merged.collect::<Result<_, _>>()?)
    }

    fn patient_of(&mut self, patient_id: &str) -> Result<Option<String>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT prior FROM merge WHERE prior_id = ?1 UNION ALL SELECT survivor FROM merge WHERE survivor_id = ?1 LIMIT 1",
        )?;
        Ok(select.query_row([patient_id], |row| row.get(0)).optional()?)
    }

    fn floor(&mut self, patient: &str, kind: &str) -> Result<Stamp, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT id FROM unit WHERE patient = ? AND kind = ?")?;
        let units = select.query_map([patient, kind], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        let mut newest = Stamp::default();
        for unit in units {
            // A list that was taken back before it was ever told does not know that it is one; its kind does.
            if let Some(state) = ground::load(self.connection, "id", &unit)? {
                newest = newest.max(state.floor);
            }
        }
        Ok(newest)
    }

    fn told(&mut self, merged: &Merged) -> Result<bool, StoreError> {
        let Some(destination) = self.destination else { return Ok(true) };
        let gate = Gate::read(self.connection)?;
        let Some(share) = gate.share(destination) else { return Ok(false) };
        for patient in [&merged.said.prior, &merged.said.survivor] {
            if gate.barred_patient(self.connection, patient, share)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stands(&mut self, patient_id: &str) -> Result<bool, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT 1 FROM standing WHERE type = 'Patient' AND id = ?")?;
        Ok(select.exists([patient_id])?)
    }
}

fn facts(connection: &Connection) -> Facts<'_> {
    Facts { connection, destination: None }
}

/// Keeps what a unit says of two patients; what it said before and says no more is forgotten.
pub(super) fn keep(connection: &Connection, unit: i64, merged: Option<&Merged>) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM merge WHERE unit = ?")?.execute([unit])?;
    let Some(Merged { said, stamp }) = merged else { return Ok(()) };
    connection.prepare_cached("INSERT INTO merge VALUES(?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        said.prior,
        unit,
        said.survivor,
        said.prior_id,
        said.survivor_id,
        stamp.time,
        stamp.sequence
    ])?;
    Ok(())
}

/// Whether a merge is the reverse of one that stands.
pub(super) fn undoes(connection: &Connection, said: &Merge) -> Result<bool, StoreError> {
    crate::record::merge::undoes(&mut facts(connection), said)
}

/// A message came to a unit of a patient: what the merges of that patient make of it. `told` are the merges that the
/// message brought or took away, `since_ms` is since when what is to be sent again waits.
pub(super) fn came(
    connection: &Connection,
    gate: &Gate,
    own: i64,
    patient: &str,
    told: &[Merge],
    since_ms: Option<i64>,
) -> Result<(), StoreError> {
    for said in told {
        for (whose, id) in [(&said.prior, &said.prior_id), (&said.survivor, &said.survivor_id)] {
            consent::known(connection, gate, own, &[whose], &[id])?;
        }
    }
    let of_list = || Ok::<_, StoreError>(ground::load(connection, "id", &own)?.is_some_and(|unit| unit.list));
    let mut changed: Vec<String> = Vec::new();
    for said in told {
        // What was claimed until now was worked out without it, or with it.
        consent::step(connection)?;
        changed.push(said.prior.clone());
        changed.extend(priors(&mut facts(connection), &said.prior)?);
    }
    // A new list of the survivor takes the place of the priors'.
    let before = priors(&mut facts(connection), patient)?;
    if !before.is_empty() && of_list()? {
        consent::step(connection)?;
        changed.extend(before);
    }
    changed.sort();
    changed.dedup();
    for patient in &changed {
        let mut select = connection.prepare_cached("SELECT id FROM unit WHERE patient = ?")?;
        let units = select.query_map([patient], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        for unit in units {
            if unit != own {
                nobody_elses(connection, unit)?;
            }
            note(connection, gate, unit, patient)?;
            delivery::again(connection, unit, since_ms)?;
            delivery::refresh(connection, unit)?;
        }
        consent::look_again(connection, gate, patient, None)?;
    }
    if changed.iter().all(|other| other != patient) {
        note(connection, gate, own, patient)?;
    }
    Ok(())
}

/// A unit is its own patient's and of those whom its messages name; the survivors of merges are named anew.
fn nobody_elses(connection: &Connection, unit: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM unit_patient WHERE unit = ?1 AND patient <> (SELECT patient FROM unit WHERE id = ?1)
             AND patient NOT IN (SELECT p.patient FROM message_patient p JOIN message m ON m.id = p.message WHERE m.unit = ?1
               OR m.id IN (SELECT message FROM part WHERE unit = ?1))",
        )?
        .execute([unit])?;
    Ok(())
}

/// Whose a unit of a prior is besides, and which ids its list has under the survivor.
fn note(connection: &Connection, gate: &Gate, unit: i64, patient: &str) -> Result<(), StoreError> {
    let course = course(&mut facts(connection), patient)?;
    if course.is_empty() {
        return Ok(());
    }
    let survivors: Vec<&str> = course.iter().map(|merged| merged.said.survivor.as_str()).collect();
    consent::known(connection, gate, unit, &survivors, &[])?;
    let Some(state) = ground::load(connection, "id", &unit)?.filter(|state| state.list) else {
        return Ok(());
    };
    for entry in state.entries.iter().filter(|entry| !entry.standing) {
        let Some(id) = moved_id(&entry.resource_type, &entry.id, &course) else { continue };
        connection
            .prepare_cached("INSERT OR IGNORE INTO entry VALUES(?, ?, ?, NULL, 1000000, '', 0)")?
            .execute(params![entry.resource_type, id, unit])?;
    }
    Ok(())
}
