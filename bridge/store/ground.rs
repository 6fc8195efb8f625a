//! The record on disk: what [`crate::record`] needs of a ground and of a view, in SQL.

use super::merge::Facts;
use super::{StoreError, merge};
use crate::record::merge::{counts, course, linked, moved_id, under};
use crate::record::yields::{Said, stands};
use crate::record::{Content, Entry, Ground, Merged, Merges, Stamp, Standing, UnitState, View};
use renkei_translate::translation::Role;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::rc::Rc;

/// Units are JSON of a few kilobytes that repeat themselves; level 1 is a fifth of their size already.
const ZSTD_LEVEL: i32 = 1;

/// The record in an open transaction.
pub(super) struct Record<'c>(pub &'c Connection);

/// The row of a unit, made where it is missing: a quarantined message's unit may not have come to be yet.
pub(super) fn unit_row(
    connection: &Connection,
    key: &str,
    kind: &str,
    patient: &str,
) -> Result<i64, StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO unit(key, kind, patient, version, live) VALUES(?, ?, ?, 0, 0)",
        )?
        .execute([key, kind, patient])?;
    Ok(connection.prepare_cached("SELECT id FROM unit WHERE key = ?")?.query_row([key], |row| row.get(0))?)
}

pub(super) fn load(
    connection: &Connection,
    column: &str,
    value: &dyn rusqlite::ToSql,
) -> Result<Option<UnitState>, StoreError> {
    let mut select = connection.prepare_cached(&format!("SELECT state FROM unit WHERE {column} = ?"))?;
    let packed: Option<Option<Vec<u8>>> = select.query_row([value], |row| row.get(0)).optional()?;
    let Some(packed) = packed.flatten() else { return Ok(None) };
    let json = zstd::decode_all(packed.as_slice()).map_err(|_| StoreError::Damaged("unit"))?;
    serde_json::from_slice(&json).map(Some).map_err(|_| StoreError::Damaged("unit"))
}

impl Ground for Record<'_> {
    type Error = StoreError;

    fn unit(&mut self, key: &str) -> Result<Option<UnitState>, StoreError> {
        load(self.0, "key", &key)
    }

    fn put_unit(
        &mut self,
        key: &str,
        state: &UnitState,
        gone: &[(String, String)],
    ) -> Result<(), StoreError> {
        let row = unit_row(self.0, key, &state.kind, &state.patient)?;
        let json = serde_json::to_vec(state).map_err(|_| StoreError::Damaged("unit"))?;
        let packed = zstd::encode_all(json.as_slice(), ZSTD_LEVEL)?;
        self.0
            .prepare_cached(
                "UPDATE unit SET kind = ?, patient = ?, version = ?, live = ?, state = ? WHERE id = ?",
            )?
            .execute(params![
                state.kind,
                state.patient,
                state.version,
                !state.entries.is_empty(),
                packed,
                row
            ])?;
        merge::keep(self.0, row, state.merge.as_ref())?;
        for (resource_type, id) in gone {
            self.0
                .prepare_cached(
                    "INSERT INTO entry VALUES(?1, ?2, ?3, NULL, 1000000, '', 0)
                     ON CONFLICT(type, id, unit) DO UPDATE SET hash = NULL",
                )?
                .execute(params![resource_type, id, row])?;
        }
        // What it took back of others before it took back then.
        self.0
            .prepare_cached(
                "UPDATE entry SET rank = 1000000, time = '', sequence = 0 WHERE unit = ? AND rank = -1",
            )?
            .execute([row])?;
        for removed in &state.takes_back {
            self.0
                .prepare_cached(
                    "INSERT INTO entry VALUES(?1, ?2, ?3, NULL, -1, ?4, ?5) ON CONFLICT(type, id, unit)
                     DO UPDATE SET hash = NULL, rank = -1, time = ?4, sequence = ?5",
                )?
                .execute(params![
                    removed.resource_type,
                    removed.id,
                    row,
                    removed.stamp.time,
                    removed.stamp.sequence
                ])?;
        }
        for (rank, entry) in state.entries.iter().enumerate() {
            self.0
                .prepare_cached(
                    "INSERT INTO entry VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(type, id, unit)
                     DO UPDATE SET hash = ?4, rank = ?5, time = ?6, sequence = ?7",
                )?
                .execute(params![
                    entry.resource_type,
                    entry.id,
                    row,
                    entry.hash,
                    i64::try_from(rank).unwrap_or(i64::MAX),
                    entry.stamp.time,
                    entry.stamp.sequence,
                ])?;
        }
        Ok(())
    }

    fn standing(&mut self, resource_type: &str, id: &str) -> Result<Option<Standing>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT role, hash, time, sequence, withdrawn, refs, json FROM standing WHERE type = ? AND id = ?",
        )?;
        let mut rows = select.query([resource_type, id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        self::standing(resource_type, id, row, 0).map(Some)
    }

    fn put_standing(&mut self, standing: &Standing) -> Result<(), StoreError> {
        let role = match standing.role {
            Role::Unit => "unit",
            Role::Shared => "shared",
            Role::Provisional => "provisional",
        };
        if standing.role == Role::Shared {
            // What it says before, and who changed it: that message may be discarded.
            self.0
                .prepare_cached(
                    "INSERT OR REPLACE INTO replaced
                     SELECT type, id, ?3, role, hash, time, sequence, withdrawn, refs, json FROM standing
                     WHERE type = ?1 AND id = ?2 AND hash <> ?4 AND sequence <> ?3",
                )?
                .execute(params![
                    standing.resource_type,
                    standing.id,
                    standing.stamp.sequence,
                    standing.hash
                ])?;
        }
        self.0.prepare_cached("INSERT OR REPLACE INTO standing VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
            params![
                standing.resource_type,
                standing.id,
                role,
                standing.hash,
                standing.stamp.time,
                standing.stamp.sequence,
                standing.withdrawn,
                serde_json::to_string(&standing.references).map_err(|_| StoreError::Damaged("references"))?,
                standing.json.get(),
            ],
        )?;
        Ok(())
    }

    fn remove_standing(&mut self, resource_type: &str, id: &str) -> Result<(), StoreError> {
        self.0
            .prepare_cached("DELETE FROM standing WHERE type = ? AND id = ?")?
            .execute([resource_type, id])?;
        Ok(())
    }

    fn has_other_live_unit(&mut self, patient: &str, key: &str) -> Result<bool, StoreError> {
        let mut select = self.0.prepare_cached(
            "WITH RECURSIVE one(patient) AS (SELECT ?1 UNION SELECT m.prior FROM merge m JOIN one ON m.survivor = one.patient)
             SELECT 1 FROM unit WHERE patient IN (SELECT patient FROM one) AND live = 1 AND key <> ?2 LIMIT 1",
        )?;
        Ok(select.exists([patient, key])?)
    }

    fn is_said_elsewhere(&mut self, resource_type: &str, id: &str, key: &str) -> Result<bool, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT 1 FROM entry e JOIN unit u ON u.id = e.unit
             WHERE e.type = ? AND e.id = ? AND e.hash IS NOT NULL AND u.key <> ? LIMIT 1",
        )?;
        Ok(select.exists([resource_type, id, key])?)
    }

    fn merged_before(&mut self, patient: &str, stamp: &Stamp) -> Result<bool, StoreError> {
        let mut select = self
            .0
            .prepare_cached("SELECT 1 FROM merge WHERE prior = ? AND (time, sequence) < (?, ?) LIMIT 1")?;
        Ok(select.exists(params![patient, stamp.time, stamp.sequence])?)
    }
}

/// A standing resource whose columns begin, from its role on, at that place of the row.
pub(super) fn standing(
    resource_type: &str,
    id: &str,
    row: &rusqlite::Row<'_>,
    at: usize,
) -> Result<Standing, StoreError> {
    let content = content(row.get(at + 1)?, row.get(at + 5)?, row.get(at + 6)?)?;
    Ok(Standing {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        role: match row.get_ref(at)?.as_str().unwrap_or_default() {
            "unit" => Role::Unit,
            "shared" => Role::Shared,
            _ => Role::Provisional,
        },
        hash: content.hash,
        json: content.json,
        references: content.references,
        stamp: Stamp { time: row.get(at + 2)?, sequence: row.get(at + 3)? },
        withdrawn: row.get(at + 4)?,
    })
}

fn content(hash: String, references: String, json: String) -> Result<Content, StoreError> {
    Ok(Content {
        hash,
        json: RawValue::from_string(json).map_err(|_| StoreError::Damaged("standing"))?,
        references: serde_json::from_str(&references).map_err(|_| StoreError::Damaged("references"))?,
    })
}

/// A unit and a destination, read in one snapshot.
pub(super) struct Sight<'c> {
    pub connection: &'c Connection,
    pub unit: i64,
    pub destination: &'c str,
    /// Units read for this projection, by row.
    pub units: HashMap<i64, Rc<UnitState>>,
}

impl Sight<'_> {
    /// The units that say a resource, since it was last taken back: row, and the hash of what it says. A taking back is
    /// a row of rank -1.
    fn sayers(&self, resource_type: &str, id: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT unit, hash FROM entry e WHERE type = ?1 AND id = ?2 AND hash IS NOT NULL
                 AND NOT EXISTS(SELECT 1 FROM entry r WHERE r.type = ?1 AND r.id = ?2 AND r.rank = -1
                                AND (r.time, r.sequence) >= (e.time, e.sequence))",
        )?;
        let sayers = select.query_map([resource_type, id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(sayers.collect::<Result<_, _>>()?)
    }

    fn standing(&self, resource_type: &str, id: &str) -> Result<Option<Content>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT hash, refs, json FROM standing WHERE type = ? AND id = ?")?;
        let mut rows = select.query([resource_type, id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        content(row.get(0)?, row.get(1)?, row.get(2)?).map(Some)
    }

    fn state(&mut self, unit: i64) -> Result<Rc<UnitState>, StoreError> {
        if let Some(known) = self.units.get(&unit) {
            return Ok(known.clone());
        }
        let state = Rc::new(load(self.connection, "id", &unit)?.ok_or(StoreError::Damaged("unit"))?);
        self.units.insert(unit, state.clone());
        Ok(state)
    }

    /// The merges from the patient of a unit to the one that stays.
    fn course(&self, unit: i64) -> Result<Vec<Merged>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT patient FROM unit WHERE id = ?")?;
        let patient: String = select.query_row([unit], |row| row.get(0))?;
        course(&mut Facts { connection: self.connection, destination: None }, &patient)
    }

    /// What an entry of a list of a prior is under the survivor.
    fn moved(&mut self, resource_type: &str, id: &str) -> Result<Option<Content>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT unit FROM entry WHERE type = ? AND id = ?")?;
        let units = select.query_map([resource_type, id], |row| row.get(0))?;
        for unit in units.collect::<Result<Vec<i64>, _>>()? {
            let course = self.course(unit)?;
            if course.is_empty() {
                continue;
            }
            let state = self.state(unit)?;
            let is_it = |entry: &&Entry| {
                state.list
                    && !entry.standing
                    && entry.resource_type == resource_type
                    && moved_id(&entry.resource_type, &entry.id, &course).as_deref() == Some(id)
            };
            let mut facts = Facts { connection: self.connection, destination: None };
            if let Some(entry) = state.entries.iter().find(is_it)
                && counts(&mut facts, &state, entry, &course)?
            {
                return Ok(Some(under(&state, entry, &course)));
            }
        }
        Ok(None)
    }
}

impl View for Sight<'_> {
    type Error = StoreError;

    fn ids(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT type, id FROM entry WHERE unit = ? ORDER BY rank, type, id")?;
        let ids = select.query_map([self.unit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    fn hash(&mut self, resource_type: &str, id: &str) -> Result<Option<String>, StoreError> {
        let mut facts = Facts { connection: self.connection, destination: None };
        if resource_type == "Patient" && facts.patient_of(id)?.is_some() {
            return Ok(self.content(resource_type, id)?.map(|content| content.hash));
        }
        let mut select =
            self.connection.prepare_cached("SELECT hash FROM standing WHERE type = ? AND id = ?")?;
        if let Some(hash) = select.query_row([resource_type, id], |row| row.get(0)).optional()? {
            return Ok(Some(hash));
        }
        // A Patient is what stands, or nothing: its unit's entry only says whose it is.
        if resource_type == "Patient" {
            return Ok(None);
        }
        match self.sayers(resource_type, id)?.as_slice() {
            [(unit, hash)] if self.course(*unit)?.is_empty() => Ok(Some(hash.clone())),
            _ => Ok(self.content(resource_type, id)?.map(|content| content.hash)),
        }
    }

    fn content(&mut self, resource_type: &str, id: &str) -> Result<Option<Content>, StoreError> {
        if let Some(content) = self.standing(resource_type, id)? {
            if resource_type != "Patient" {
                return Ok(Some(content));
            }
            let mut facts = Facts { connection: self.connection, destination: Some(self.destination) };
            return linked(&mut facts, id, content).map(Some);
        }
        if resource_type == "Patient" {
            return Ok(None);
        }
        let sayers = self.sayers(resource_type, id)?;
        if sayers.is_empty() {
            return self.moved(resource_type, id);
        }
        let mut said = Vec::with_capacity(sayers.len());
        for (unit, _) in sayers {
            let (course, state) = (self.course(unit)?, self.state(unit)?);
            let found = state.entries.iter().find(|e| e.resource_type == resource_type && e.id == id);
            if let Some(entry) = found.filter(|_| !state.list || course.is_empty()) {
                said.push(Said::of(entry, under(&state, entry, &course)));
            }
        }
        Ok(stands(resource_type, said))
    }

    fn sent(&mut self, resource_type: &str, id: &str) -> Result<Option<Option<String>>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT hash FROM sent WHERE type = ? AND id = ? AND destination = ?")?;
        Ok(select.query_row([resource_type, id, self.destination], |row| row.get(0)).optional()?)
    }
}
