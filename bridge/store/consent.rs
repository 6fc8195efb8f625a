//! Who is shared, applied: what a destination may not get waits for nothing, and what it has of a patient whose
//! consent ended stays or is deleted.
//!
//! Whether a unit is shared is decided anew at every claim of a delivery and once more right before its request,
//! from the list, the settings and the day as they stand in `state.sqlite`; so a withdrawal stops what is queued
//! with the commit that takes it in. Every change of the three moves `epoch`; what was claimed before a change is
//! given back unsent, or sent once more. The same commit notes in `resweep` whom the change touches; the sweep
//! brings their deliveries and messages in line, some patients a transaction, and goes on there after a kill.
//! A unit is of every patient that its messages name, and shared only where all of them are.
//!
//! After a restore a base has what it got since the backup was made, and nobody here knows of it. So what the record
//! has counts as "may be there", and so does what is read again ([`Gate::is_doubtful`]): of a patient who is not shared
//! it is deleted, though nothing says that it was sent.

use super::index::state;
use super::journal::DAY_MS;
use super::sharing::{FOREVER, Share, Sharing, Withdrawal, day_in_japan};
use super::{FacilityStore, StoreError, delivery, durable_point, parts};
use crate::record::Projection;
use rusqlite::{Connection, OptionalExtension, params};

/// Why a delivery or a message is left out.
pub(super) const NOT_SHARED: &str = "not-shared";
/// The same, for a patient that is nobody.
pub(super) const TEST_PATIENT: &str = "test-patient";

/// Patients of one transaction of the sweep: it must not hold up those who complete and settle for long.
const SWEEP_PATIENTS: i64 = 64;

/// Deletions of one Bundle at a withdrawal. What is more follows in the next.
const DELETES_AT_ONCE: usize = 1_000;

/// A message that tells no time of its own, as a laboratory's file does, is taken for one of before a restore for so
/// long after it: within a month of a restore the feeds have been read again.
const READ_AGAIN_MS: i64 = 31 * DAY_MS;

/// How far a sender's clock may be ahead.
const CLOCKS_MS: i64 = DAY_MS;

/// Types that others refer to, in the order in which they may be deleted after all the others.
const REFERENTS: [&str; 9] = [
    "Specimen",
    "MedicationRequest",
    "ServiceRequest",
    "Procedure",
    "Condition",
    "AllergyIntolerance",
    "Coverage",
    "Encounter",
    "Patient",
];

/// Settings, day and epoch as they stand in one transaction.
pub(super) struct Gate {
    pub policy: Sharing,
    pub epoch: i64,
    pub day: u32,
    /// Messages of this day and before may have been sent before a restore; 0 where there was none, [`FOREVER`] from a
    /// restore to the next start.
    doubtful_until: u32,
}

impl Gate {
    pub fn read(connection: &Connection) -> Result<Self, StoreError> {
        let mut select =
            connection.prepare_cached("SELECT epoch, day, policy, doubtful_until FROM consent_state")?;
        let (epoch, day, policy, doubtful_until): (i64, u32, String, u32) =
            select.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let policy = serde_json::from_str(&policy).map_err(|_| StoreError::Damaged("sharing"))?;
        Ok(Self { policy, epoch, day, doubtful_until })
    }

    /// Whether a message may have been sent before a restore that has taken the memory of it, by its own time (17
    /// digits, or none).
    pub fn is_doubtful(&self, time: &str, received_ms: i64) -> bool {
        let own = time.get(..8).and_then(|day| day.parse().ok());
        let day = own.unwrap_or_else(|| day_in_japan(received_ms.saturating_sub(READ_AGAIN_MS)));
        self.doubtful_until > 0 && day <= self.doubtful_until
    }

    /// Whose data a destination gets; none where it is not configured.
    pub fn share(&self, destination: &str) -> Option<Share> {
        self.policy.destinations.iter().find(|(name, _)| name == destination).map(|(_, share)| *share)
    }

    /// Why a unit is not shared with a destination, or `None` where it is. One that is not configured gets nothing.
    pub fn barred(
        &self,
        connection: &Connection,
        unit: i64,
        destination: &str,
    ) -> Result<Option<&'static str>, StoreError> {
        let Some(share) = self.share(destination) else { return Ok(Some(NOT_SHARED)) };
        let mut barred = None;
        for patient in patients_of(connection, unit)? {
            match self.barred_patient(connection, &patient, share)? {
                Some(TEST_PATIENT) => return Ok(Some(TEST_PATIENT)),
                None => {}
                some => barred = some,
            }
        }
        Ok(barred)
    }

    pub fn barred_patient(
        &self,
        connection: &Connection,
        patient: &str,
        share: Share,
    ) -> Result<Option<&'static str>, StoreError> {
        if self.is_test(connection, patient)? {
            return Ok(Some(TEST_PATIENT));
        }
        let shared = share == Share::All || share.takes(self.is_listed(connection, patient)?);
        Ok((!shared).then_some(NOT_SHARED))
    }

    /// Whether a patient is nobody, by id or by what the record knows of the name.
    pub fn is_test(&self, connection: &Connection, patient: &str) -> Result<bool, StoreError> {
        Ok(self.policy.tests.has_id(patient)
            || connection
                .prepare_cached("SELECT 1 FROM person WHERE patient = ? AND test = 1 LIMIT 1")?
                .exists([patient])?)
    }

    /// Whether a patient is on the list today.
    pub fn is_listed(&self, connection: &Connection, patient: &str) -> Result<bool, StoreError> {
        Ok(connection
            .prepare_cached(
                "SELECT 1 FROM consent WHERE patient = ?1 AND from_day <= ?2 AND until_day >= ?2",
            )?
            .exists(params![patient, self.day])?)
    }
}

/// Whose a unit is. One without a patient is nobody's, whom no list names.
fn patients_of(connection: &Connection, unit: i64) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT patient FROM unit_patient WHERE unit = ?")?;
    let mut patients = select.query_map([unit], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    if patients.is_empty() {
        patients.push(String::new());
    }
    Ok(patients)
}

/// Notes whose a unit is, and which Patients are whose. Where a patient turns out to be nobody, or somebody after all,
/// all that is known of that patient is looked at again.
pub(super) fn known(
    connection: &Connection,
    gate: &Gate,
    unit: i64,
    patients: &[&str],
    people: &[&str],
) -> Result<(), StoreError> {
    let had =
        connection.prepare_cached("SELECT 1 FROM unit_patient WHERE unit = ? LIMIT 1")?.exists([unit])?;
    let mut added = 0;
    for patient in patients {
        added += connection
            .prepare_cached("INSERT OR IGNORE INTO unit_patient VALUES(?, ?)")?
            .execute(params![patient, unit])?;
    }
    if had && added > 0 {
        // It may be claimed at this moment as that of the others alone.
        step(connection)?;
    }
    let Some(patient) = patients.first() else { return Ok(()) };
    for id in people {
        let added = connection
            .prepare_cached("INSERT OR IGNORE INTO person VALUES(?, ?, 0)")?
            .execute([patient, id])?;
        if added > 0 || !gate.policy.tests.names.is_empty() {
            name(connection, gate, patient, id)?;
        }
    }
    Ok(())
}

/// Compares a Patient's names with the patterns.
fn name(connection: &Connection, gate: &Gate, patient: &str, id: &str) -> Result<(), StoreError> {
    let json: Option<String> = match gate.policy.tests.names.is_empty() {
        true => None,
        false => connection
            .prepare_cached("SELECT json FROM standing WHERE type = 'Patient' AND id = ?")?
            .query_row([id], |row| row.get(0))
            .optional()?,
    };
    let test = match json {
        Some(json) => {
            let patient = serde_json::from_str(&json).map_err(|_| StoreError::Damaged("standing"))?;
            gate.policy.tests.has_name(&patient)
        }
        None => false,
    };
    let changed = connection
        .prepare_cached("UPDATE person SET test = ?3 WHERE patient = ?1 AND id = ?2 AND test <> ?3")?
        .execute(params![patient, id, test])?;
    if changed > 0 {
        connection.prepare_cached("INSERT OR IGNORE INTO resweep VALUES(?)")?.execute([patient])?;
        step(connection)?;
    }
    Ok(())
}

/// What was claimed until now is decided anew.
pub(super) fn step(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE consent_state SET epoch = epoch + 1")?.execute([])?;
    Ok(())
}

/// Brings one delivery in line with who is shared; whether anything changed. Then the caller refreshes the unit.
pub(super) fn enforce(
    connection: &Connection,
    gate: &Gate,
    unit: i64,
    destination: &str,
    now_ms: Option<i64>,
) -> Result<bool, StoreError> {
    if gate.share(destination).is_none() {
        return Ok(false);
    }
    let row: Option<(i64, Option<String>, Option<String>, i64)> = connection
        .prepare_cached(
            "SELECT state, unshared, error, settled FROM delivery WHERE unit = ? AND destination = ?",
        )?
        .query_row(params![unit, destination], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((was, unshared, error, settled)) = row else { return Ok(false) };
    let barred = gate.barred(connection, unit, destination)?;
    let absent = was == state::EXCLUDED && error.as_deref() == Some(delivery::NOT_CONFIGURED);
    let delete = gate.policy.withdrawal == Withdrawal::Delete;
    let wanted = match barred {
        None if unshared.is_none() => return Ok(false),
        None => state::PENDING,
        // What the base refused to delete is shown so, and a person decides.
        Some(_) if delete && remains(connection, gate, unit, destination)? => {
            let open = matches!(was, state::PENDING | state::HELD | state::REJECTED);
            if open && unshared.is_some() { was } else { state::PENDING }
        }
        Some(_) => state::EXCLUDED,
    };
    let wanted = if absent { was } else { wanted };
    let settled_now = if barred.is_some() && delete { 0 } else { settled };
    if wanted == was && unshared.as_deref() == barred && settled_now == settled {
        return Ok(false);
    }
    connection
        .prepare_cached("UPDATE delivery SET state = ?3, unshared = ?4, settled = ?5 WHERE unit = ?1 AND destination = ?2")?
        .execute(params![unit, destination, wanted, barred, settled_now])?;
    if !absent && (wanted != was || unshared.is_some() != barred.is_some()) {
        connection
            .prepare_cached(
                "UPDATE delivery SET attempts = 0, next_ms = 0, since_ms = coalesce(?3, since_ms), status = NULL,
                 answer = NULL, error = NULL, findings = NULL WHERE unit = ?1 AND destination = ?2",
            )?
            .execute(params![unit, destination, now_ms])?;
    }
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, reason = NULL WHERE unit = ?1 AND version IS NOT NULL
             AND (state = ?3 OR (state = ?4 AND reason IN (?5, ?6)))",
        )?
        .execute(params![
            unit,
            state::PENDING,
            state::REGISTERED,
            state::EXCLUDED,
            NOT_SHARED,
            TEST_PATIENT
        ])?;
    parts::reopen(connection, unit, [NOT_SHARED, TEST_PATIENT])?;
    Ok(true)
}

/// Everything that the record has of all units, or of one, and of the Patients whose they are, may be where they go.
pub(super) fn may_be_there(connection: &Connection, unit: Option<i64>) -> Result<(), StoreError> {
    let which = if unit.is_some() { "d.unit = ?1" } else { "?1 IS NULL" };
    connection
        .prepare_cached(&format!(
            "INSERT OR IGNORE INTO sent
             SELECT e.type, e.id, d.destination, NULL FROM delivery d JOIN entry e ON e.unit = d.unit WHERE {which}
             UNION ALL
             SELECT 'Patient', p.id, d.destination, NULL FROM delivery d JOIN unit_patient u ON u.unit = d.unit
             JOIN person p ON p.patient = u.patient WHERE {which}"
        ))?
        .execute([unit])?;
    Ok(())
}

/// Of a store that was just put back: nobody knows what bases have, and everybody is looked at again.
pub(super) fn restored(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute("UPDATE sent SET hash = NULL", [])?;
    may_be_there(connection, None)?;
    connection.execute("INSERT OR IGNORE INTO resweep SELECT DISTINCT patient FROM unit_patient", [])?;
    connection.execute("UPDATE consent_state SET doubtful_until = ?", [FOREVER])?;
    Ok(connection.execute_batch("COMMIT")?)
}

/// Whether a destination may have anything of a unit, or of the Patients whose it is.
fn remains(connection: &Connection, gate: &Gate, unit: i64, destination: &str) -> Result<bool, StoreError> {
    let own = connection
        .prepare_cached(
            "SELECT 1 FROM entry e JOIN sent s ON s.type = e.type AND s.id = e.id AND s.destination = ?2
             WHERE e.unit = ?1 AND e.type <> 'Patient' LIMIT 1",
        )?
        .exists(params![unit, destination])?;
    Ok(own || !people(connection, gate, unit, destination)?.is_empty())
}

/// Patients that a destination may have, of the patients of a unit that are not shared with it.
fn people(
    connection: &Connection,
    gate: &Gate,
    unit: i64,
    destination: &str,
) -> Result<Vec<String>, StoreError> {
    let Some(share) = gate.share(destination) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for patient in patients_of(connection, unit)? {
        if gate.barred_patient(connection, &patient, share)?.is_some() {
            let mut select = connection.prepare_cached(
                "SELECT p.id FROM person p JOIN sent s ON s.type = 'Patient' AND s.id = p.id AND s.destination = ?2
                 WHERE p.patient = ?1",
            )?;
            let ids = select.query_map([&patient, destination], |row| row.get(0))?;
            found.extend(ids.collect::<Result<Vec<String>, _>>()?);
        }
    }
    Ok(found)
}

/// What a destination still has of a patient that is no more shared: all units of that patient at once, so that the
/// patient is gone or there and never in halves. Shared resources stay: they are no patient's.
pub(super) fn withdrawal(
    connection: &Connection,
    unit: i64,
    destination: &str,
) -> Result<Projection, StoreError> {
    let gate = Gate::read(connection)?;
    let Some(share) = gate.share(destination) else { return Ok(Projection::default()) };
    if gate.policy.withdrawal == Withdrawal::Stop {
        return Ok(Projection::default());
    }
    let mut units = vec![unit];
    for patient in patients_of(connection, unit)? {
        if !patient.is_empty() && gate.barred_patient(connection, &patient, share)?.is_some() {
            let mut select = connection.prepare_cached("SELECT unit FROM unit_patient WHERE patient = ?")?;
            units.extend(select.query_map([patient], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?);
        }
    }
    units.sort_unstable();
    units.dedup();
    let mut deletes: Vec<(String, String)> = Vec::new();
    for unit in units {
        let mut select = connection.prepare_cached(
            "SELECT e.type, e.id FROM entry e JOIN sent s ON s.type = e.type AND s.id = e.id AND s.destination = ?2
             WHERE e.unit = ?1 AND e.type <> 'Patient' ORDER BY e.rank DESC, e.type, e.id",
        )?;
        let sent = select.query_map(params![unit, destination], |row| Ok((row.get(0)?, row.get(1)?)))?;
        deletes.extend(sent.collect::<Result<Vec<_>, _>>()?);
    }
    deletes.extend(
        people(connection, &gate, unit, destination)?.into_iter().map(|id| ("Patient".to_owned(), id)),
    );
    let rank = |resource_type: &str| REFERENTS.iter().position(|referent| *referent == resource_type);
    deletes.sort_by_key(|(resource_type, _)| rank(resource_type));
    let mut seen = std::collections::HashSet::new();
    deletes.retain(|delete| seen.insert(delete.clone()));
    if gate.doubtful_until > 0 {
        // What came since the backup and is known to the base alone may refer to these. A base that keeps what is
        // referred to would refuse all of one Bundle; so goes what can go, and what others refer to in the next ones.
        let first = deletes.first().map(|(resource_type, _)| rank(resource_type));
        deletes.retain(|(resource_type, _)| Some(rank(resource_type)) == first);
    }
    deletes.truncate(DELETES_AT_ONCE);
    Ok(Projection { puts: Vec::new(), deletes })
}

/// A deletion was done. One of the same patient that the base had refused before may have nothing left to delete.
pub(super) fn withdrawn(connection: &Connection, unit: i64, destination: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO resweep SELECT o.patient FROM unit_patient u
             JOIN unit_patient o ON o.patient = u.patient
             JOIN delivery d ON d.unit = o.unit AND d.destination = ?2 AND d.state = ?3 AND d.unshared IS NOT NULL
             WHERE u.unit = ?1 AND u.patient <> ''",
        )?
        .execute(params![unit, destination, state::REJECTED])?;
    Ok(())
}

impl FacilityStore {
    /// Sets who is shared, at a start, and the day. Where it differs from what was set before, all patients are
    /// looked at again by the sweep.
    ///
    /// # Errors
    /// The database.
    pub fn share(&self, sharing: &Sharing, now_ms: i64) -> Result<(), StoreError> {
        let sharing = sharing.clone();
        self.run(move |connection| {
            let gate = Gate::read(connection)?;
            if gate.policy != sharing {
                let json = serde_json::to_string(&sharing).map_err(|_| StoreError::Damaged("sharing"))?;
                connection.execute("UPDATE consent_state SET policy = ?, epoch = epoch + 1", [json])?;
                let now = Gate::read(connection)?;
                if gate.policy.tests.names != sharing.tests.names {
                    let mut select = connection.prepare("SELECT patient, id FROM person")?;
                    let people: Vec<(String, String)> = select
                        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                        .collect::<Result<_, _>>()?;
                    for (patient, id) in people {
                        name(connection, &now, &patient, &id)?;
                    }
                }
                connection
                    .execute("INSERT OR IGNORE INTO resweep SELECT DISTINCT patient FROM unit_patient", [])?;
            }
            // The first start after a restore: up to now another one may have been sending.
            connection.execute(
                "UPDATE consent_state SET doubtful_until = ?1 WHERE doubtful_until = ?2",
                [day_in_japan(now_ms.saturating_add(CLOCKS_MS)), FOREVER],
            )?;
            turn(connection, day_in_japan(now_ms))
        })
    }

    /// Brings deliveries and messages in line with who is shared now: after a change of the list or the settings, and
    /// when the day has turned. Costs two looks where there is nothing to do. The number of patients looked at.
    ///
    /// # Errors
    /// The database; what was not looked at is noted still.
    pub fn sweep(&self, now_ms: i64) -> Result<u64, StoreError> {
        let today = day_in_japan(now_ms);
        let mut swept = 0;
        loop {
            {
                let reader = self.reader()?;
                let waiting = reader.prepare_cached("SELECT 1 FROM resweep LIMIT 1")?.exists([])?;
                let day: u32 = reader
                    .prepare_cached("SELECT day FROM consent_state")?
                    .query_row([], |row| row.get(0))?;
                if day == today && !waiting {
                    return Ok(swept);
                }
            }
            swept += self.run(move |connection| {
                turn(connection, today)?;
                let gate = Gate::read(connection)?;
                let mut select = connection.prepare_cached("SELECT patient FROM resweep LIMIT ?")?;
                let patients: Vec<String> =
                    select.query_map([SWEEP_PATIENTS], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for patient in &patients {
                    look_again(connection, &gate, patient, Some(now_ms))?;
                    connection.prepare_cached("DELETE FROM resweep WHERE patient = ?")?.execute([patient])?;
                }
                durable_point("sweep.before-commit");
                Ok(patients.len() as u64)
            })?;
            self.outbox().notify_waiters();
        }
    }
}

pub(super) fn look_again(
    connection: &Connection,
    gate: &Gate,
    patient: &str,
    now_ms: Option<i64>,
) -> Result<(), StoreError> {
    let mut select =
        connection.prepare_cached("SELECT unit FROM unit_patient WHERE patient = ? ORDER BY unit")?;
    let units: Vec<i64> = select.query_map([patient], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for unit in units {
        let mut select = connection.prepare_cached("SELECT destination FROM delivery WHERE unit = ?")?;
        let destinations: Vec<String> =
            select.query_map([unit], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut changed = false;
        for destination in destinations {
            changed |= enforce(connection, gate, unit, &destination, now_ms)?;
        }
        if changed {
            delivery::refresh(connection, unit)?;
        }
    }
    Ok(())
}

/// Turns the day. Whoever's consent begins or ends between the two days is looked at again.
fn turn(connection: &Connection, today: u32) -> Result<(), StoreError> {
    let gate = Gate::read(connection)?;
    if gate.day == today {
        return Ok(());
    }
    let (from, to) = (gate.day.min(today), gate.day.max(today));
    connection.execute("UPDATE consent_state SET day = ?, epoch = epoch + 1", [today])?;
    connection.execute(
        "INSERT OR IGNORE INTO resweep SELECT patient FROM consent WHERE from_day > ?1 AND from_day <= ?2
         UNION SELECT patient FROM consent WHERE until_day >= ?1 AND until_day < ?2",
        [from, to],
    )?;
    Ok(())
}
