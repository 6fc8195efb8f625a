//! The appliance's own part: the facilities' stores, the key of ids, the audit trail.

use super::reserve::Reserve;
use super::{Config, FacilityStore, OpenError, StoreError, backup, schema};
use renkei_translate::identity::IdKey;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The directory of the appliance's own database, beside those of the facilities.
const APPLIANCE: &str = "appliance";

/// The file of the secret of ids.
const KEY_FILE: &str = "identity.key";

/// Bytes of the secret.
const KEY_BYTES: usize = 32;

/// All that the appliance keeps.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    facilities: Vec<Arc<FacilityStore>>,
    damaged: Vec<(String, OpenError)>,
    audit: Audit,
    id_key: IdKey,
}

impl Store {
    /// Opens, and makes where it is missing, the store of these facilities. One that cannot be used is left out
    /// and stands in [`Self::damaged`]: one facility's damage is its own.
    ///
    /// # Errors
    /// The data directory or the appliance's own database, or a facility code that cannot name a directory.
    pub fn open(dir: &Path, facilities: &[String], config: Config) -> Result<Arc<Self>, OpenError> {
        private_dir(dir)?;
        let reserve = Reserve::new(dir, config.hard_free);
        reserve.for_start(config.look(dir).free_bytes);
        let id_key = IdKey::new(&key(dir)?);
        private_dir(&dir.join(APPLIANCE))?;
        let audit = Audit::open(&dir.join(APPLIANCE).join("appliance.sqlite"))?;
        let (mut stores, mut damaged) = (Vec::with_capacity(facilities.len()), Vec::new());
        for code in facilities {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if code.is_empty() || code == APPLIANCE || !code.chars().all(plain) {
                return Err(OpenError::Code);
            }
            let dir = dir.join(code);
            let opened = private_dir(&dir).map_err(OpenError::Io);
            match opened.and_then(|()| FacilityStore::open(dir, code, config.clone(), reserve.clone())) {
                Ok(store) => stores.push(Arc::new(store)),
                Err(error) => damaged.push((code.clone(), error)),
            }
        }
        reserve.make(config.look(dir).free_bytes, config.hard_free);
        Ok(Arc::new(Self { dir: dir.to_owned(), facilities: stores, damaged, audit, id_key }))
    }

    /// Facilities whose store cannot be used, and why.
    pub fn damaged(&self) -> &[(String, OpenError)] {
        &self.damaged
    }

    /// The store of a facility.
    pub fn facility(&self, code: &str) -> Option<Arc<FacilityStore>> {
        self.facilities.iter().find(|f| f.code() == code).cloned()
    }

    /// All of them, in the order of the configuration.
    pub fn facilities(&self) -> Vec<Arc<FacilityStore>> {
        self.facilities.clone()
    }

    /// The audit trail.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The secret of ids, made once.
    pub fn id_key(&self) -> IdKey {
        self.id_key.clone()
    }

    /// Copies every file of the store, online, into a directory that is made for it. Put back in place of the
    /// data directory, it makes the same ids again.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        private_dir(to)?;
        private_dir(&to.join(APPLIANCE))?;
        backup::copy(&self.dir.join(APPLIANCE).join("appliance.sqlite"), &to.join(APPLIANCE))?;
        for facility in &self.facilities {
            let dir = to.join(facility.code());
            private_dir(&dir)?;
            facility.backup(&dir)?;
        }
        let mut file = private_file(&to.join(KEY_FILE))?;
        file.write_all(&std::fs::read(self.dir.join(KEY_FILE))?)?;
        file.sync_all()?;
        Ok(())
    }
}

/// Looks whether a facility's store can be used, without making anything: the schema, and the first and last rows of
/// every table of its state and of its newest journal segment. Nothing to look at is nothing wrong.
///
/// # Errors
/// Why it cannot.
pub fn inspect(dir: &Path) -> Result<(), OpenError> {
    let newest = match super::accept::days(dir) {
        Ok(days) => days.last().map(|day| super::journal::file_name(*day)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let state = Some("state.sqlite".to_owned()).filter(|file| dir.join(file).exists());
    for (file, tables) in [(state, schema::STATE), (newest, schema::JOURNAL)] {
        let Some(file) = file else { continue };
        let looked = schema::open_reader(&dir.join(&file)).and_then(|connection| {
            // A kill, or a full disk, may have left it without its tables: they are made at the next opening.
            if schema::version(&connection)? == 0 { Ok(()) } else { schema::look(&connection, tables) }
        });
        looked.map_err(|error| OpenError::Database { file, error })?;
    }
    Ok(())
}

fn private_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Reads the secret of ids, or makes it. It appears under its name whole or not at all: a kill half-way must
/// not leave a short one.
fn key(dir: &Path) -> std::io::Result<Vec<u8>> {
    let path = dir.join(KEY_FILE);
    match std::fs::read(&path) {
        Ok(key) if key.len() == KEY_BYTES => return Ok(key),
        Ok(_) => {
            return Err(std::io::Error::new(ErrorKind::InvalidData, "identity.key is not 32 bytes long"));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let mut key = vec![0; KEY_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let unfinished = dir.join("identity.key.new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private_file(&unfinished)?;
    file.write_all(&key)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    std::fs::File::open(dir)?.sync_all()?;
    Ok(key)
}

/// The audit trail: each entry's hash is over the one before it, so that an edit or a deletion shows.
pub struct Audit(Mutex<Connection>);

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditEntry {
    /// Number in the chain, from 1.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// Did what.
    pub action: String,
    /// To what.
    pub target: String,
    /// With what words.
    pub detail: String,
}

/// Where the chain is broken.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The entry was changed, or the one before it is gone.
    #[error("the audit trail is broken at entry {sequence}")]
    At {
        /// The first entry that does not fit.
        sequence: u64,
    },
    /// The trail could not be read.
    #[error("the audit trail cannot be read")]
    Store(#[from] StoreError),
}

impl Audit {
    fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Mutex::new(schema::open(path, schema::APPLIANCE)?)))
    }

    /// Appends an entry and returns its number.
    ///
    /// # Errors
    /// The database.
    pub fn append(&self, who: &str, action: &str, target: &str, detail: &str) -> Result<u64, StoreError> {
        let mut connection = self.0.lock().map_err(|_| StoreError::Closed)?;
        let entries = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let last: Option<(u64, Vec<u8>)> = entries
            .prepare_cached("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (last, before) = last.unwrap_or_default();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let entry = AuditEntry {
            sequence: last + 1,
            at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            who: who.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: detail.to_owned(),
        };
        entries.prepare_cached("INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?)")?.execute(params![
            entry.sequence,
            entry.at_ms,
            entry.who,
            entry.action,
            entry.target,
            entry.detail,
            link(&before, &entry),
        ])?;
        entries.commit()?;
        Ok(entry.sequence)
    }

    /// Reads the whole chain; the number of entries. Entries cut off the end leave a whole chain: that takes
    /// an anchor elsewhere to see.
    ///
    /// # Errors
    /// The first entry that does not fit.
    pub fn verify(&self) -> Result<u64, Broken> {
        let connection = self.0.lock().map_err(|_| StoreError::Closed)?;
        let mut before = Vec::new();
        let mut expected = 0;
        let mut check = || -> Result<Option<u64>, StoreError> {
            let mut select = connection.prepare(
                "SELECT sequence, at_ms, who, action, target, detail, hash FROM audit ORDER BY sequence",
            )?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                expected += 1;
                let entry = entry(row)?;
                let hash: Vec<u8> = row.get(6)?;
                if entry.sequence != expected || link(&before, &entry) != hash {
                    return Ok(Some(expected));
                }
                before = hash;
            }
            Ok(None)
        };
        match check()? {
            Some(sequence) => Err(Broken::At { sequence }),
            None => Ok(expected),
        }
    }

    /// The newest entries before that number, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn entries(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let connection = self.0.lock().map_err(|_| StoreError::Closed)?;
        let mut select = connection.prepare_cached(
            "SELECT sequence, at_ms, who, action, target, detail FROM audit WHERE sequence < ?
             ORDER BY sequence DESC LIMIT ?",
        )?;
        let before = before.map_or(i64::MAX, |number| i64::try_from(number).unwrap_or(i64::MAX));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let entries = select.query_map([before, limit], entry)?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        sequence: row.get(0)?,
        at_ms: row.get(1)?,
        who: row.get(2)?,
        action: row.get(3)?,
        target: row.get(4)?,
        detail: row.get(5)?,
    })
}

/// The hash of an entry over the one before it, each part preceded by its length.
fn link(before: &[u8], entry: &AuditEntry) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update((before.len() as u64).to_be_bytes());
    hash.update(before);
    hash.update(entry.sequence.to_be_bytes());
    hash.update(entry.at_ms.to_be_bytes());
    for part in [&entry.who, &entry.action, &entry.target, &entry.detail] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail() -> Audit {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema::APPLIANCE).unwrap();
        let audit = Audit(Mutex::new(connection));
        for number in 1..=5_u64 {
            assert_eq!(audit.append("operator", "replay", &format!("message {number}"), "").unwrap(), number);
        }
        audit
    }

    fn check(tamper: &str, broken_at: Option<u64>) {
        let audit = trail();
        audit.0.lock().unwrap().execute_batch(tamper).unwrap();
        match (audit.verify(), broken_at) {
            (Ok(_), None) => {}
            (Err(Broken::At { sequence }), Some(expected)) => assert_eq!(sequence, expected, "{tamper}"),
            (result, _) => panic!("{tamper}: {result:?}"),
        }
    }

    #[test]
    fn an_edit_a_deletion_and_a_shift_break_the_chain() {
        check("", None);
        check("UPDATE audit SET who = 'nobody' WHERE sequence = 3", Some(3));
        check("UPDATE audit SET at_ms = at_ms + 1 WHERE sequence = 2", Some(2));
        check("DELETE FROM audit WHERE sequence = 3", Some(3));
        check("DELETE FROM audit WHERE sequence = 1", Some(1));
        check(
            "DELETE FROM audit WHERE sequence = 3; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3",
            Some(3),
        );
    }

    #[test]
    fn entries_are_listed_newest_first() {
        let audit = trail();
        let page: Vec<u64> = audit.entries(Some(4), 2).unwrap().iter().map(|e| e.sequence).collect();
        assert_eq!(page, [3, 2]);
    }

    #[test]
    fn the_key_is_made_once_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let first = key(dir.path()).unwrap();
        assert_eq!(first.len(), KEY_BYTES);
        assert_eq!(key(dir.path()).unwrap(), first);
        let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(dir.path().join(KEY_FILE), b"short").unwrap();
        assert!(key(dir.path()).is_err());
    }
}
