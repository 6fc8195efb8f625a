//! The list of patients of a facility: replaced whole, in one transaction, and compared before that.
//!
//! Whom a replacement touches is noted in the same commit; see [`super::consent`] for what follows.

use super::sharing::{FOREVER, Share, Sharing};
use super::{FacilityStore, StoreError, durable_point};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap};

/// Imports that are remembered: the history of a facility that replaces its list daily for three years.
const IMPORTS: i64 = 1_000;

/// One patient of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRow {
    /// The id, normalised.
    pub patient: String,
    /// First day, `YYYYMMDD`; 0 = always.
    pub from_day: u32,
    /// Last day; [`FOREVER`] = no end.
    pub until_day: u32,
}

/// What a list changes against the one that stands. Numbers alone: for audit trail and pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ConsentChange {
    /// Rows of the new list.
    pub rows: u64,
    /// Patients that the old list does not have.
    pub added: u64,
    /// Patients that the new list does not have.
    pub removed: u64,
    /// Patients with other days.
    pub changed: u64,
    /// Patients with the same days.
    pub unchanged: u64,
}

impl std::fmt::Display for ConsentChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "rows={} added={} removed={} changed={} unchanged={}",
            self.rows, self.added, self.removed, self.changed, self.unchanged
        )
    }
}

/// One replacement of the list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ConsentImport {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The way in: `folder`, `command`, `console`.
    pub source: String,
    /// SHA-256 of the file, hexadecimal.
    pub hash: String,
    /// What it changed.
    pub change: ConsentChange,
}

/// How the list stands. Nothing of a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentStatus {
    /// What is set, as it was at the last start.
    pub sharing: Sharing,
    /// Rows of the list.
    pub rows: u64,
    /// Rows whose days include today.
    pub active: u64,
    /// Rows that begin later.
    pub future: u64,
    /// The last replacement.
    pub last: Option<ConsentImport>,
    /// Patients that the sweep has still to look at.
    pub unswept: u64,
    /// Patients known as nobody by their names.
    pub test_names: u64,
}

impl ConsentStatus {
    /// Whether a destination gets listed patients and there are none.
    pub fn nobody(&self) -> bool {
        self.rows == 0 && self.sharing.destinations.iter().any(|(_, share)| *share == Share::Listed)
    }
}

impl FacilityStore {
    /// What a list would change.
    ///
    /// # Errors
    /// The database.
    pub fn consent_preview(&self, rows: &[ConsentRow]) -> Result<ConsentChange, StoreError> {
        Ok(difference(&*self.console()?, rows)?.0)
    }

    /// Replaces the list whole. From its commit on nothing more goes out of whom the new list does not share.
    ///
    /// # Errors
    /// The database; then the old list stands.
    pub fn consent_replace(
        &self,
        rows: Vec<ConsentRow>,
        at_ms: i64,
        source: &str,
        hash: &str,
    ) -> Result<ConsentChange, StoreError> {
        let (source, hash) = (source.to_owned(), hash.to_owned());
        let change = self.run(move |connection| {
            let (change, removed, set) = difference(connection, &rows)?;
            for patient in &removed {
                connection.prepare_cached("DELETE FROM consent WHERE patient = ?")?.execute([patient])?;
            }
            for row in &set {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO consent VALUES(?, ?, ?)")?
                    .execute(params![row.patient, row.from_day, row.until_day])?;
            }
            for patient in removed.iter().chain(set.iter().map(|row| &row.patient)) {
                connection.prepare_cached("INSERT OR IGNORE INTO resweep VALUES(?)")?.execute([patient])?;
            }
            if !(removed.is_empty() && set.is_empty()) {
                connection.execute("UPDATE consent_state SET epoch = epoch + 1", [])?;
            }
            let ConsentChange { rows, added, removed, changed, unchanged } = change;
            connection
                .prepare_cached(
                    "INSERT INTO consent_import(at_ms, source, hash, rows, added, removed, changed, unchanged)
                     VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![at_ms, source, hash, rows, added, removed, changed, unchanged])?;
            connection.execute(
                "DELETE FROM consent_import WHERE id <= (SELECT max(id) FROM consent_import) - ?",
                [IMPORTS],
            )?;
            durable_point("consent.before-commit");
            Ok(change)
        })?;
        durable_point("consent.after-commit");
        self.outbox().notify_waiters();
        Ok(change)
    }

    /// How the list stands on a day, `YYYYMMDD`.
    ///
    /// # Errors
    /// The database.
    pub fn consent_status(&self, today: u32) -> Result<ConsentStatus, StoreError> {
        let console = self.console()?;
        let count = |sql: &str| -> Result<u64, StoreError> {
            Ok(console.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        };
        let (active, future) = console
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE from_day <= ?1 AND until_day >= ?1),
                 count(*) FILTER (WHERE from_day > ?1 AND until_day >= from_day) FROM consent",
            )?
            .query_row([today], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(ConsentStatus {
            sharing: super::consent::Gate::read(&console)?.policy,
            rows: count("SELECT count(*) FROM consent")?,
            active,
            future,
            last: imports(&console, 1)?.pop(),
            unswept: count("SELECT count(*) FROM resweep")?,
            test_names: count("SELECT count(DISTINCT patient) FROM person WHERE test = 1")?,
        })
    }

    /// The last replacements, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn consent_imports(&self, limit: u32) -> Result<Vec<ConsentImport>, StoreError> {
        imports(&*self.console()?, limit)
    }

    /// The list itself, by patient: patient data.
    ///
    /// # Errors
    /// The database.
    pub fn consent_rows(&self) -> Result<Vec<ConsentRow>, StoreError> {
        let console = self.console()?;
        Ok(standing(&console)?
            .into_iter()
            .map(|(patient, (from_day, until_day))| ConsentRow { patient, from_day, until_day })
            .collect())
    }
}

fn imports(connection: &Connection, limit: u32) -> Result<Vec<ConsentImport>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT at_ms, source, hash, rows, added, removed, changed, unchanged FROM consent_import
         ORDER BY id DESC LIMIT ?",
    )?;
    let imports = select.query_map([limit], |row| {
        Ok(ConsentImport {
            at_ms: row.get(0)?,
            source: row.get(1)?,
            hash: row.get(2)?,
            change: ConsentChange {
                rows: row.get(3)?,
                added: row.get(4)?,
                removed: row.get(5)?,
                changed: row.get(6)?,
                unchanged: row.get(7)?,
            },
        })
    })?;
    Ok(imports.collect::<Result<_, _>>()?)
}

fn standing(connection: &Connection) -> Result<BTreeMap<String, (u32, u32)>, StoreError> {
    let mut select = connection.prepare_cached("SELECT patient, from_day, until_day FROM consent")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What changes: counts, whom the new list does not have, rows to set.
fn difference(
    connection: &Connection,
    rows: &[ConsentRow],
) -> Result<(ConsentChange, Vec<String>, Vec<ConsentRow>), StoreError> {
    let old = standing(connection)?;
    let new: HashMap<&str, &ConsentRow> = rows.iter().map(|row| (row.patient.as_str(), row)).collect();
    let mut change = ConsentChange { rows: new.len() as u64, ..ConsentChange::default() };
    let removed: Vec<String> =
        old.keys().filter(|patient| !new.contains_key(patient.as_str())).cloned().collect();
    change.removed = removed.len() as u64;
    let mut set = Vec::new();
    for row in new.into_values() {
        match old.get(&row.patient) {
            Some(days) if *days == (row.from_day, row.until_day) => change.unchanged += 1,
            Some(_) => {
                change.changed += 1;
                set.push(row.clone());
            }
            None => {
                change.added += 1;
                set.push(row.clone());
            }
        }
    }
    Ok((change, removed, set))
}

impl ConsentRow {
    /// A patient for ever.
    pub fn always(patient: &str) -> Self {
        Self { patient: patient.into(), from_day: 0, until_day: FOREVER }
    }
}
