//! The tables, and how a database is opened.
//!
//! A database of an earlier version is brought up step by step when its writer opens it, in one transaction. Steps add
//! columns and tables and nothing else: a look at a database that is not brought up yet finds every table.

use super::OpenError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// The tables of a database.
pub(super) struct Schema {
    /// What makes them in their newest version.
    pub tables: &'static str,
    /// What brings each version to the next, from 1 on.
    steps: &'static [&'static str],
}

impl Schema {
    /// The newest version, in `user_version`.
    fn version(&self) -> i64 {
        1 + i64::try_from(self.steps.len()).unwrap_or_default()
    }
}

/// Another process of ours (a command line beside the service) holds a write lock for one commit at most.
const BUSY: Duration = Duration::from_secs(20);

pub(super) const JOURNAL: Schema = Schema { tables: JOURNAL_TABLES, steps: &[] };

pub(super) const STATE: Schema = Schema {
    tables: STATE_TABLES,
    steps: &[
        "ALTER TABLE consent_state ADD COLUMN doubtful_until INTEGER NOT NULL DEFAULT 0;",
        "ALTER TABLE message ADD COLUMN file_digest TEXT NOT NULL DEFAULT '';",
        "ALTER TABLE message ADD COLUMN names TEXT;",
        "CREATE TABLE unmapped(
  number INTEGER PRIMARY KEY, mapping_version TEXT NOT NULL, name TEXT NOT NULL, system TEXT NOT NULL,
  code TEXT NOT NULL, position TEXT NOT NULL, count INTEGER NOT NULL, example INTEGER NOT NULL,
  UNIQUE(mapping_version, name, system, code));",
        "CREATE TABLE merge(
  prior TEXT NOT NULL, unit INTEGER NOT NULL, survivor TEXT NOT NULL, prior_id TEXT NOT NULL, survivor_id TEXT NOT NULL,
  time TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY(prior, unit)) WITHOUT ROWID;
CREATE INDEX merge_unit ON merge(unit);
CREATE INDEX merge_survivor ON merge(survivor);
CREATE INDEX merge_prior_id ON merge(prior_id);
CREATE INDEX merge_survivor_id ON merge(survivor_id);",
        "CREATE TABLE part(
  message INTEGER NOT NULL, unit INTEGER NOT NULL, version INTEGER, place INTEGER NOT NULL,
  PRIMARY KEY(message, unit)) WITHOUT ROWID;
CREATE INDEX part_unit ON part(unit);",
        "CREATE TABLE message_order_more(
  number TEXT NOT NULL, message INTEGER NOT NULL, PRIMARY KEY(number, message)) WITHOUT ROWID;",
    ],
};

const JOURNAL_TABLES: &str = "
CREATE TABLE message(
  row INTEGER PRIMARY KEY, feed TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL, received_ms INTEGER NOT NULL,
  duplicate_of INTEGER, id_reused INTEGER NOT NULL, origin TEXT NOT NULL, body BLOB, subject TEXT,
  refused INTEGER NOT NULL);
CREATE TABLE refused(feed TEXT PRIMARY KEY, kept INTEGER NOT NULL, more INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen(key INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY(key, row)) WITHOUT ROWID;
CREATE TABLE mark(only_row INTEGER PRIMARY KEY CHECK(only_row = 1), seen_row INTEGER NOT NULL);
INSERT INTO mark VALUES(1, 0);
";

const STATE_TABLES: &str = "
CREATE TABLE segment(day INTEGER PRIMARY KEY, read_row INTEGER NOT NULL, dropped_ms INTEGER);
CREATE TABLE message(
  id INTEGER PRIMARY KEY, feed TEXT NOT NULL, name TEXT NOT NULL, received_ms INTEGER NOT NULL, day INTEGER NOT NULL,
  control_id TEXT, message_type TEXT, order_number TEXT, time TEXT, state INTEGER NOT NULL, reason TEXT, kind TEXT,
  mapping_version TEXT, unit INTEGER, version INTEGER, duplicate_of INTEGER, id_reused INTEGER NOT NULL,
  findings TEXT, history INTEGER NOT NULL DEFAULT 0, registered_ms INTEGER,
  file_digest TEXT NOT NULL DEFAULT '', names TEXT);
CREATE INDEX message_sum ON message(day, state, reason, history);
CREATE INDEX message_registered ON message(registered_ms, unit, reason, history) WHERE registered_ms IS NOT NULL;
CREATE INDEX message_state ON message(state, id);
CREATE INDEX message_name ON message(name);
CREATE INDEX message_control ON message(control_id);
CREATE INDEX message_order ON message(order_number) WHERE order_number IS NOT NULL;
CREATE INDEX message_unit ON message(unit, state, version) WHERE unit IS NOT NULL;
CREATE TABLE part(
  message INTEGER NOT NULL, unit INTEGER NOT NULL, version INTEGER, place INTEGER NOT NULL,
  PRIMARY KEY(message, unit)) WITHOUT ROWID;
CREATE INDEX part_unit ON part(unit);
CREATE TABLE message_order_more(
  number TEXT NOT NULL, message INTEGER NOT NULL, PRIMARY KEY(number, message)) WITHOUT ROWID;
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
CREATE TABLE unmapped(
  number INTEGER PRIMARY KEY, mapping_version TEXT NOT NULL, name TEXT NOT NULL, system TEXT NOT NULL,
  code TEXT NOT NULL, position TEXT NOT NULL, count INTEGER NOT NULL, example INTEGER NOT NULL,
  UNIQUE(mapping_version, name, system, code));
CREATE TABLE replaced(
  type TEXT NOT NULL, id TEXT NOT NULL, replaced_by INTEGER NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL,
  time TEXT NOT NULL, sequence INTEGER NOT NULL, withdrawn INTEGER NOT NULL, refs TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY(type, id)) WITHOUT ROWID;
CREATE TABLE rebuild(message INTEGER PRIMARY KEY, patient TEXT NOT NULL);
CREATE INDEX rebuild_patient ON rebuild(patient);
CREATE TABLE discarded(message INTEGER PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE feed(name TEXT PRIMARY KEY, received_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE consent_state(
  only_row INTEGER PRIMARY KEY CHECK(only_row = 1), epoch INTEGER NOT NULL, day INTEGER NOT NULL, policy TEXT NOT NULL,
  doubtful_until INTEGER NOT NULL DEFAULT 0);
INSERT INTO consent_state VALUES(1, 0, 0, '{}', 0);
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

/// Versions of layers; see [`super::layers`].
macro_rules! layers {
    () => {
        "
CREATE TABLE layer_version(
  layer TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL, archive BLOB NOT NULL, PRIMARY KEY(layer, number), UNIQUE(layer, digest));
CREATE TABLE layer_active(
  sequence INTEGER PRIMARY KEY, layer TEXT NOT NULL, number INTEGER, stands INTEGER NOT NULL, who TEXT NOT NULL,
  reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE set_name(
  digest TEXT NOT NULL, facility TEXT NOT NULL, program TEXT NOT NULL, network TEXT, own TEXT,
  PRIMARY KEY(digest, facility)) WITHOUT ROWID;
CREATE TRIGGER layer_version_stays BEFORE UPDATE ON layer_version BEGIN SELECT RAISE(ABORT, 'a version never changes'); END;
CREATE TRIGGER layer_version_is_kept BEFORE DELETE ON layer_version BEGIN SELECT RAISE(ABORT, 'a version is kept'); END;
CREATE TRIGGER layer_active_stays BEFORE UPDATE ON layer_active BEGIN SELECT RAISE(ABORT, 'the log never changes'); END;
CREATE TRIGGER layer_active_is_kept BEFORE DELETE ON layer_active BEGIN SELECT RAISE(ABORT, 'the log is kept'); END;
"
    };
}

const APPLIANCE_TABLES: &str = concat!(
    "
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
",
    layers!()
);

pub(super) const APPLIANCE: Schema = Schema { tables: APPLIANCE_TABLES, steps: &[layers!()] };

/// Opens a database for its writer, makes it where it is missing, and brings an earlier version up.
pub(super) fn open(path: &Path, schema: Schema) -> Result<Connection, OpenError> {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fail = |error| OpenError::Database { file: file.clone(), error };
    let connection = Connection::open(path).map_err(fail)?;
    let found = prepare(&connection, &schema).map_err(fail)?;
    if found > schema.version() {
        return Err(OpenError::Newer { file, found, known: schema.version() });
    }
    look(&connection, &schema).map_err(fail)?;
    Ok(connection)
}

/// The version that it has now.
fn prepare(connection: &Connection, schema: &Schema) -> rusqlite::Result<i64> {
    settings(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Before a positive answer the bytes are on the disk: NORMAL would lose the last commits at a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found = version(connection)?;
    if found >= schema.version() {
        return Ok(found);
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have done so while this one waited.
    let found = version(connection)?;
    if found == 0 {
        connection.execute_batch(schema.tables)?;
    } else {
        let done = usize::try_from(found - 1).unwrap_or_default();
        for step in schema.steps.iter().skip(done) {
            connection.execute_batch(step)?;
        }
    }
    let now = found.max(schema.version());
    connection.pragma_update(None, "user_version", now)?;
    connection.execute_batch("COMMIT")?;
    Ok(now)
}

/// The version of the tables; 0 before they are made.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Reads the schema and the first and last rows of every table: what a damaged file cannot give. The whole file is
/// not read, which would take minutes for a large one.
pub(super) fn look(connection: &Connection, schema: &Schema) -> rusqlite::Result<()> {
    // A database of an earlier version has not yet what a later step makes.
    let done = usize::try_from(version(connection)? - 1).unwrap_or_default();
    let to_come: Vec<&str> = schema.steps.iter().skip(done).copied().collect();
    for table in schema.tables.split("CREATE TABLE ").skip(1) {
        let name = table.split('(').next().unwrap_or_default();
        if to_come.iter().any(|step| step.contains(&format!("CREATE TABLE {name}("))) {
            continue;
        }
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
    // A plan does not depend on what is bound. Without this, SQLite built with statistics plans many a statement anew
    // for each value, which costs more than to run it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and declaration of every column, by table.
    fn columns(connection: &Connection) -> Vec<String> {
        let mut select = connection
            .prepare(
                "SELECT m.name || '.' || c.name || ' ' || c.type || c.\"notnull\" || coalesce(c.dflt_value, '')
                 FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1",
            )
            .unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_statement_is_not_planned_anew_for_each_value() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(&dir.path().join("journal.sqlite"), JOURNAL).unwrap();
        let mut select =
            connection.prepare("SELECT row FROM seen WHERE key = ? ORDER BY row DESC LIMIT 1").unwrap();
        for key in 1..=3 {
            assert!(!select.exists([key]).unwrap());
            select.clear_bindings();
        }
        assert_eq!(select.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_state_of_the_first_version_is_brought_up_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.sqlite"), dir.path().join("new.sqlite"));
        let first = STATE_TABLES
            .replace(",\n  doubtful_until INTEGER NOT NULL DEFAULT 0", "")
            .replace("'{}', 0)", "'{}')")
            .replace(",\n  file_digest TEXT NOT NULL DEFAULT '', names TEXT", "");
        let (before, unmapped) = first.split_once("CREATE TABLE unmapped(").unwrap();
        let first = format!("{before}{}", unmapped.split_once(";\n").unwrap().1);
        let (before, merge) = first.split_once("CREATE TABLE merge(").unwrap();
        let first = format!("{before}{}", merge.split_once("ON merge(survivor_id);\n").unwrap().1);
        let (before, part) = first.split_once("CREATE TABLE part(").unwrap();
        let first = format!("{before}{}", part.split_once("ON part(unit);\n").unwrap().1);
        let (before, orders) = first.split_once("CREATE TABLE message_order_more(").unwrap();
        let first = format!("{before}{}", orders.split_once(";\n").unwrap().1);
        {
            let connection = Connection::open(&old).unwrap();
            connection.execute_batch(&first).unwrap();
            connection.pragma_update(None, "user_version", 1).unwrap();
            connection.execute("UPDATE consent_state SET epoch = 7", []).unwrap();
            let later = |column: &String| {
                ["doubtful_until", "file_digest", "names", "unmapped", "merge", "part.", "message_order_more"]
                    .iter()
                    .any(|new| column.contains(new))
            };
            assert!(!columns(&connection).iter().any(later));
        }
        // A look before its writer opens it finds nothing wrong.
        look(&open_reader(&old).unwrap(), &STATE).unwrap();
        let brought_up = open(&old, STATE).unwrap();
        assert_eq!(columns(&brought_up), columns(&open(&new, STATE).unwrap()));
        assert_eq!(version(&brought_up).unwrap(), STATE.version());
        let kept = "SELECT epoch, doubtful_until FROM consent_state";
        let read = |c: &Connection| c.query_row(kept, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(read(&brought_up).unwrap(), (7, 0));
        drop(brought_up);
        assert_eq!(read(&open(&old, STATE).unwrap()).unwrap(), (7, 0), "once");
    }

    #[test]
    fn an_appliance_of_the_first_version_gains_the_versions_of_layers() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.sqlite"), dir.path().join("new.sqlite"));
        {
            let connection = Connection::open(&old).unwrap();
            connection.execute_batch(APPLIANCE_TABLES.strip_suffix(layers!()).unwrap()).unwrap();
            connection.pragma_update(None, "user_version", 1).unwrap();
            connection.execute("INSERT INTO setting VALUES('k', 'kept')", []).unwrap();
        }
        look(&open_reader(&old).unwrap(), &APPLIANCE).unwrap();
        let brought_up = open(&old, APPLIANCE).unwrap();
        assert_eq!(columns(&brought_up), columns(&open(&new, APPLIANCE).unwrap()));
        let kept: String = brought_up.query_row("SELECT value FROM setting", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn what_a_newer_version_wrote_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.sqlite");
        open(&file, STATE).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let refused = open(&file, STATE);
        assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })), "{refused:?}");
    }
}
