//! The tables, and how a database is opened.

use super::OpenError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Version of both schemas, in `user_version`.
const VERSION: i64 = 1;

/// Another process of ours (a command line beside the service) holds a write lock for one commit at most.
const BUSY: Duration = Duration::from_secs(20);

pub(super) const JOURNAL: &str = "
CREATE TABLE message(
  row INTEGER PRIMARY KEY, feed TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL, received_ms INTEGER NOT NULL,
  duplicate_of INTEGER, id_reused INTEGER NOT NULL, origin TEXT NOT NULL, body BLOB, subject TEXT,
  refused INTEGER NOT NULL);
CREATE TABLE refused(feed TEXT PRIMARY KEY, kept INTEGER NOT NULL, more INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen(key INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY(key, row)) WITHOUT ROWID;
CREATE TABLE mark(only_row INTEGER PRIMARY KEY CHECK(only_row = 1), seen_row INTEGER NOT NULL);
INSERT INTO mark VALUES(1, 0);
";

pub(super) const STATE: &str = "
CREATE TABLE segment(day INTEGER PRIMARY KEY, read_row INTEGER NOT NULL, dropped_ms INTEGER);
CREATE TABLE message(
  id INTEGER PRIMARY KEY, feed TEXT NOT NULL, name TEXT NOT NULL, received_ms INTEGER NOT NULL, day INTEGER NOT NULL,
  control_id TEXT, message_type TEXT, order_number TEXT, time TEXT, state INTEGER NOT NULL, reason TEXT, kind TEXT,
  mapping_version TEXT, unit INTEGER, version INTEGER, duplicate_of INTEGER, id_reused INTEGER NOT NULL,
  findings TEXT, history INTEGER NOT NULL DEFAULT 0, registered_ms INTEGER);
CREATE INDEX message_sum ON message(day, state, reason, history);
CREATE INDEX message_registered ON message(registered_ms, unit, reason, history) WHERE registered_ms IS NOT NULL;
CREATE INDEX message_state ON message(state, id);
CREATE INDEX message_name ON message(name);
CREATE INDEX message_control ON message(control_id);
CREATE INDEX message_order ON message(order_number) WHERE order_number IS NOT NULL;
CREATE INDEX message_unit ON message(unit, state, version) WHERE unit IS NOT NULL;
CREATE TABLE message_patient(patient TEXT NOT NULL, message INTEGER NOT NULL, PRIMARY KEY(patient, message)) WITHOUT ROWID;
CREATE INDEX message_patient_of ON message_patient(message);
CREATE TABLE queue(id INTEGER PRIMARY KEY, blockers INTEGER NOT NULL);
CREATE INDEX queue_ready ON queue(id) WHERE blockers = 0;
CREATE TABLE queue_patient(patient TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(patient, id)) WITHOUT ROWID;
CREATE TABLE unit(
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, patient TEXT NOT NULL, version INTEGER NOT NULL,
  live INTEGER NOT NULL, state BLOB);
CREATE INDEX unit_live ON unit(patient) WHERE live = 1;
CREATE INDEX unit_by_patient ON unit(patient);
CREATE TABLE entry(
  type TEXT NOT NULL, id TEXT NOT NULL, unit INTEGER NOT NULL, hash TEXT, rank INTEGER NOT NULL, time TEXT NOT NULL,
  sequence INTEGER NOT NULL, PRIMARY KEY(type, id, unit)) WITHOUT ROWID;
CREATE INDEX entry_unit ON entry(unit, rank);
CREATE TABLE standing(
  type TEXT NOT NULL, id TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL, time TEXT NOT NULL,
  sequence INTEGER NOT NULL, withdrawn INTEGER NOT NULL, refs TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY(type, id)) WITHOUT ROWID;
CREATE TABLE merge(
  prior TEXT NOT NULL, unit INTEGER NOT NULL, survivor TEXT NOT NULL, prior_id TEXT NOT NULL, survivor_id TEXT NOT NULL,
  time TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY(prior, unit)) WITHOUT ROWID;
CREATE INDEX merge_unit ON merge(unit);
CREATE INDEX merge_survivor ON merge(survivor);
CREATE INDEX merge_prior_id ON merge(prior_id);
CREATE INDEX merge_survivor_id ON merge(survivor_id);
CREATE TABLE delivery(
  unit INTEGER NOT NULL, destination TEXT NOT NULL, state INTEGER NOT NULL, version INTEGER NOT NULL,
  settled INTEGER NOT NULL, attempts INTEGER NOT NULL, next_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL,
  status INTEGER, answer BLOB, error TEXT, findings TEXT, unshared TEXT, PRIMARY KEY(unit, destination)) WITHOUT ROWID;
CREATE INDEX delivery_next ON delivery(destination, state, next_ms, since_ms);
CREATE TABLE sent(
  type TEXT NOT NULL, id TEXT NOT NULL, destination TEXT NOT NULL, hash TEXT,
  PRIMARY KEY(type, id, destination)) WITHOUT ROWID;
CREATE TABLE cause(
  code TEXT NOT NULL, position TEXT NOT NULL, rule TEXT NOT NULL, message INTEGER NOT NULL,
  PRIMARY KEY(code, position, rule, message)) WITHOUT ROWID;
CREATE INDEX cause_message ON cause(message);
CREATE TABLE unread(
  feed TEXT NOT NULL, kind TEXT NOT NULL, mapping_version TEXT NOT NULL, position TEXT NOT NULL, count INTEGER NOT NULL,
  example INTEGER NOT NULL, PRIMARY KEY(feed, kind, mapping_version, position)) WITHOUT ROWID;
CREATE TABLE replaced(
  type TEXT NOT NULL, id TEXT NOT NULL, replaced_by INTEGER NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL,
  time TEXT NOT NULL, sequence INTEGER NOT NULL, withdrawn INTEGER NOT NULL, refs TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY(type, id)) WITHOUT ROWID;
CREATE TABLE rebuild(message INTEGER PRIMARY KEY, patient TEXT NOT NULL);
CREATE INDEX rebuild_patient ON rebuild(patient);
CREATE TABLE discarded(message INTEGER PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE feed(name TEXT PRIMARY KEY, received_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE consent_state(
  only_row INTEGER PRIMARY KEY CHECK(only_row = 1), epoch INTEGER NOT NULL, day INTEGER NOT NULL, policy TEXT NOT NULL);
INSERT INTO consent_state VALUES(1, 0, 0, '{}');
CREATE TABLE consent(
  patient TEXT PRIMARY KEY, from_day INTEGER NOT NULL, until_day INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX consent_from ON consent(from_day);
CREATE INDEX consent_until ON consent(until_day);
CREATE TABLE consent_import(
  id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, rows INTEGER NOT NULL,
  added INTEGER NOT NULL, removed INTEGER NOT NULL, changed INTEGER NOT NULL, unchanged INTEGER NOT NULL);
CREATE TABLE resweep(patient TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unit_patient(patient TEXT NOT NULL, unit INTEGER NOT NULL, PRIMARY KEY(patient, unit)) WITHOUT ROWID;
CREATE INDEX unit_patient_of ON unit_patient(unit);
CREATE TABLE person(
  patient TEXT NOT NULL, id TEXT NOT NULL, test INTEGER NOT NULL, PRIMARY KEY(patient, id)) WITHOUT ROWID;
";

pub(super) const APPLIANCE: &str = "
CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
  detail TEXT NOT NULL, hash BLOB NOT NULL);
CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE user(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, display TEXT NOT NULL, roles TEXT NOT NULL,
  facilities TEXT, password TEXT NOT NULL, temporary_until_ms INTEGER, totp BLOB, totp_step INTEGER NOT NULL,
  recovery TEXT NOT NULL, stopped INTEGER NOT NULL, created_ms INTEGER NOT NULL, last_ms INTEGER,
  settings TEXT NOT NULL);
CREATE TABLE session(
  token BLOB PRIMARY KEY, user INTEGER NOT NULL, since_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX session_user ON session(user);
";

/// Opens a database for its writer, and makes it where it is missing.
pub(super) fn open(path: &Path, tables: &str) -> Result<Connection, OpenError> {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fail = |error| OpenError::Database { file: file.clone(), error };
    let connection = Connection::open(path).map_err(fail)?;
    let found = prepare(&connection, tables).map_err(fail)?;
    if found > VERSION {
        return Err(OpenError::Newer { file, found, known: VERSION });
    }
    look(&connection, tables).map_err(fail)?;
    Ok(connection)
}

fn prepare(connection: &Connection, tables: &str) -> rusqlite::Result<i64> {
    settings(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Before a positive answer the bytes are on the disk: NORMAL would lose the last commits at a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found = version(connection)?;
    if found != 0 {
        return Ok(found);
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have made the tables while this one waited.
    if version(connection)? == 0 {
        connection.execute_batch(tables)?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(VERSION)
}

/// The version of the tables; 0 before they are made.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Reads the schema and the first and last rows of every table: what a damaged file cannot give. The whole file is
/// not read, which would take minutes for a large one.
pub(super) fn look(connection: &Connection, tables: &str) -> rusqlite::Result<()> {
    for table in tables.split("CREATE TABLE ").skip(1) {
        let name = table.split('(').next().unwrap_or_default();
        let has_rows_by_number = !table.split(';').next().unwrap_or_default().contains("WITHOUT ROWID");
        let last = if has_rows_by_number { "ORDER BY rowid DESC" } else { "" };
        for order in ["", last] {
            let mut select = connection.prepare(&format!("SELECT * FROM {name} {order} LIMIT 1"))?;
            select.query([])?.next()?;
        }
    }
    Ok(())
}

/// Opens a database that a writer has made, for reading.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    // Not read-only at the level of the file: a reader of a WAL database may have to make its shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    settings(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "temp_store", "MEMORY")
}
