//! Whose a message is, whatever has become of it.
//!
//! A message that is held, waits, or was left out for another reason is a test patient's all the same. So the patients
//! of its first pass and of its unit are asked, against settings, list and day as they stand in `state.sqlite`: the
//! same store gives the same answer, and a change of settings or list changes it at once. How a patient is called the
//! record says, once a message is recorded; until then the names of its PID stay with it.

use super::StoreError;
use super::consent::{Gate, NOT_SHARED, TEST_PATIENT};
use super::sharing::TestPatients;
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// What is asked of messages in one snapshot.
pub(super) struct Whose<'c> {
    connection: &'c Connection,
    gate: Gate,
    known: HashMap<String, Standing>,
}

/// How a patient stands.
#[derive(Clone, Copy)]
struct Standing {
    test: bool,
    listed: bool,
}

impl<'c> Whose<'c> {
    /// As settings, list and day stand.
    pub fn read(connection: &'c Connection) -> Result<Self, StoreError> {
        Ok(Self { connection, gate: Gate::read(connection)?, known: HashMap::new() })
    }

    /// Why no destination may have a message: `test-patient`, or `not-shared` where each of them may not have one of
    /// its patients. None where its patient is not known, or where there is no destination.
    pub fn unshared(
        &mut self,
        message: i64,
        unit: Option<i64>,
        names: Option<&str>,
    ) -> Result<Option<&'static str>, StoreError> {
        if let Some(names) = names
            && is_test(&self.gate.policy.tests, names)?
        {
            return Ok(Some(TEST_PATIENT));
        }
        let connection = self.connection;
        let mut select = connection.prepare_cached(
            "SELECT patient FROM message_patient WHERE message = ?1
             UNION SELECT patient FROM unit_patient WHERE unit = ?2 UNION SELECT patient FROM unit WHERE id = ?2",
        )?;
        let mut rows = select.query(params![message, unit])?;
        let mut standings = Vec::new();
        while let Some(row) = rows.next()? {
            let patient = row.get_ref(0)?.as_str().unwrap_or_default();
            if !patient.is_empty() {
                standings.push(self.standing(patient)?);
            }
        }
        if standings.iter().any(|standing| standing.test) {
            return Ok(Some(TEST_PATIENT));
        }
        let destinations = &self.gate.policy.destinations;
        let barred = destinations.iter().all(|(_, share)| standings.iter().any(|s| !share.takes(s.listed)));
        Ok((barred && !destinations.is_empty()).then_some(NOT_SHARED))
    }

    fn standing(&mut self, patient: &str) -> Result<Standing, StoreError> {
        if let Some(standing) = self.known.get(patient) {
            return Ok(*standing);
        }
        let standing = Standing {
            test: self.gate.is_test(self.connection, patient)?,
            listed: self.gate.is_listed(self.connection, patient)?,
        };
        self.known.insert(patient.to_owned(), standing);
        Ok(standing)
    }
}

/// Names as they are kept; none where there are none.
pub(super) fn written(names: &[String]) -> Result<Option<String>, StoreError> {
    let json = || serde_json::to_string(names).map_err(|_| StoreError::Damaged("names"));
    (!names.is_empty()).then(json).transpose()
}

fn is_test(tests: &TestPatients, names: &str) -> Result<bool, StoreError> {
    let names: Vec<String> = serde_json::from_str(names).map_err(|_| StoreError::Damaged("names"))?;
    Ok(tests.has_one_of(&names))
}

/// The bytes of a day go, and the names in the ledger with them. Those of test patients, who are nobody, stay: else
/// what was left out of a month would come back into it.
pub(super) fn forget_names(connection: &Connection, day: u32) -> Result<(), StoreError> {
    let tests = Gate::read(connection)?.policy.tests;
    let mut select =
        connection.prepare_cached("SELECT id, names FROM message WHERE day = ? AND names IS NOT NULL")?;
    let kept = select.query_map([day], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kept = kept.collect::<Result<Vec<(i64, String)>, _>>()?;
    let mut update = connection.prepare_cached("UPDATE message SET names = NULL WHERE id = ?")?;
    for (message, names) in kept {
        if !is_test(&tests, &names)? {
            update.execute([message])?;
        }
    }
    Ok(())
}
