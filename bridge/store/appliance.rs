//! The appliance's own part: the facilities' stores, the key of ids, the audit trail.

use super::backup::{self, BackupConfig, BackupError, Made};
use super::reserve::Reserve;
use super::{Config, FacilityStore, Layers, OpenError, StoreError, Users, schema};
use renkei_translate::identity::IdKey;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The directory of the appliance's own database, beside those of the facilities.
pub(super) const APPLIANCE: &str = "appliance";

/// The file of the secret of ids.
pub(super) const KEY_FILE: &str = "identity.key";

/// Bytes of the secret.
pub(super) const KEY_BYTES: usize = 32;

/// All that the appliance keeps.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    facilities: Vec<Arc<FacilityStore>>,
    damaged: Vec<(String, OpenError)>,
    audit: Audit,
    users: Users,
    layers: Layers,
    id_key: IdKey,
    key_file: PathBuf,
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
        let (key_file, id_key) = identity(dir, config.identity_key.as_deref())?;
        let database = database(dir)?;
        let audit = Audit::open(&database)?;
        let users = Users::new(&database, &id_key)?;
        let layers = Layers::new(&database)?;
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
        Ok(Arc::new(Self {
            dir: dir.to_owned(),
            facilities: stores,
            damaged,
            audit,
            users,
            layers,
            id_key,
            key_file,
        }))
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

    /// People and their sessions.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Versions of the layers over the shipped mappings.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The secret of ids, made once.
    pub fn id_key(&self) -> IdKey {
        self.id_key.clone()
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of the secret of ids.
    pub(super) fn key_file(&self) -> PathBuf {
        self.key_file.clone()
    }

    /// What tells one secret of ids from another and nothing else of it.
    pub fn fingerprint(&self) -> String {
        self.id_key.fingerprint()
    }

    /// Makes a generation of backups, online: every facility, the appliance's own part, the secret of ids and the
    /// configuration, all sealed. See [`super::restore`] for the way back.
    ///
    /// # Errors
    /// What could not be read or written; nothing of it counts as a generation then.
    pub fn backup(
        &self,
        config: &BackupConfig,
        configuration: &Path,
        now_ms: i64,
    ) -> Result<Made, BackupError> {
        backup::make(self, config, configuration, now_ms)
    }
}

/// The secret of ids of a data directory and its file: made where it is missing, at the first start only.
pub(super) fn identity(data_dir: &Path, elsewhere: Option<&Path>) -> Result<(PathBuf, IdKey), OpenError> {
    private_dir(data_dir)?;
    let database = database(data_dir)?;
    // A store that was opened before has its secret somewhere: no other is made for it.
    let first = !database.exists() || Audit::open(&database)?.has_no_identity()?;
    if elsewhere.is_none() && !first && !data_dir.join(KEY_FILE).exists() {
        return Err(OpenError::OtherKey);
    }
    let (file, key) = secret(data_dir, elsewhere)?;
    let key = IdKey::new(&key);
    Audit::open(&database)?.same_identity(&key.fingerprint())?;
    Ok((file, key))
}

/// The appliance's own database in a data directory; its directory is made.
pub(super) fn database(data_dir: &Path) -> Result<PathBuf, OpenError> {
    let dir = data_dir.join(APPLIANCE);
    private_dir(&dir)?;
    Ok(dir.join("appliance.sqlite"))
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
    for (file, schema) in [(state, schema::STATE), (newest, schema::JOURNAL)] {
        let Some(file) = file else { continue };
        let looked = schema::open_reader(&dir.join(&file)).and_then(|connection| {
            // A kill, or a full disk, may have left it without its tables: they are made at the next opening.
            if schema::version(&connection)? == 0 { Ok(()) } else { schema::look(&connection, &schema) }
        });
        looked.map_err(|error| OpenError::Database { file, error })?;
    }
    Ok(())
}

/// The fingerprint of the secret of ids that a start would use, without making anything; none = it will be made.
///
/// # Errors
/// It cannot be read, or is not the one of the store ([`OpenError::OtherKey`]).
pub fn inspect_identity(data_dir: &Path, elsewhere: Option<&Path>) -> Result<Option<String>, OpenError> {
    let database = data_dir.join(APPLIANCE).join("appliance.sqlite");
    // One that cannot be read has noted nothing: its damage is told where it is opened.
    let noted = schema::open_reader(&database).ok().and_then(|connection| noted(&connection).ok().flatten());
    if elsewhere.is_none() && !data_dir.join(KEY_FILE).exists() {
        return if noted.is_some() { Err(OpenError::OtherKey) } else { Ok(None) };
    }
    let (_, key) = secret(data_dir, elsewhere)?;
    let used = IdKey::new(&key).fingerprint();
    if noted.is_some_and(|noted| noted != used) { Err(OpenError::OtherKey) } else { Ok(Some(used)) }
}

pub(super) fn private_dir(dir: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

pub(super) fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The secret of ids and its file. One that lies outside the data directory is read and never made: a second one
/// would register everything a second time.
fn secret(dir: &Path, elsewhere: Option<&Path>) -> Result<(PathBuf, Vec<u8>), OpenError> {
    let Some(path) = elsewhere else { return Ok((dir.join(KEY_FILE), key(dir)?)) };
    let key = std::fs::read(path)
        .map_err(|error| OpenError::Key { path: path.to_owned(), reason: error.to_string() })?;
    if key.len() != KEY_BYTES {
        let reason = "it is not 32 bytes long".into();
        return Err(OpenError::Key { path: path.to_owned(), reason });
    }
    match std::fs::read(dir.join(KEY_FILE)) {
        Ok(other) if other != key => Err(OpenError::OtherKey),
        _ => Ok((path.to_owned(), key)),
    }
}

/// The fingerprint with which a store was first opened.
pub(super) fn noted(appliance: &Connection) -> Result<Option<String>, StoreError> {
    let mut select = appliance.prepare("SELECT value FROM setting WHERE key = ?")?;
    Ok(select.query_row([IDENTITY], |row| row.get(0)).optional()?)
}

fn unopened(error: StoreError) -> OpenError {
    match error {
        StoreError::Database(error) => OpenError::Database { file: "appliance.sqlite".into(), error },
        _ => OpenError::OtherKey,
    }
}

/// The setting that holds it.
const IDENTITY: &str = "identity.fingerprint";

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
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Mutex::new(schema::open(path, schema::APPLIANCE)?)))
    }

    /// Notes the secret's fingerprint at the first start, and refuses another from then on.
    fn same_identity(&self, fingerprint: &str) -> Result<(), OpenError> {
        let connection = self.connection().map_err(unopened)?;
        match noted(&connection).map_err(unopened)? {
            Some(noted) if noted != fingerprint => Err(OpenError::OtherKey),
            Some(_) => Ok(()),
            None => {
                let insert = connection
                    .execute("INSERT OR IGNORE INTO setting VALUES(?, ?)", params![IDENTITY, fingerprint]);
                insert.map(|_| ()).map_err(|error| unopened(error.into()))
            }
        }
    }

    fn has_no_identity(&self) -> Result<bool, OpenError> {
        let connection = self.connection().map_err(unopened)?;
        Ok(noted(&connection).map_err(unopened)?.is_none())
    }

    /// The connection of the appliance's own database.
    pub(super) fn connection(&self) -> Result<std::sync::MutexGuard<'_, Connection>, StoreError> {
        self.0.lock().map_err(|_| StoreError::Closed)
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

    /// Reads the whole chain; the number of its last entry. Entries cut off the end leave a whole chain: that takes
    /// an anchor elsewhere to see.
    ///
    /// # Errors
    /// The first entry that does not fit.
    pub fn verify(&self) -> Result<u64, Broken> {
        let connection = self.0.lock().map_err(|_| StoreError::Closed)?;
        // What is past its retention is gone from the start of the chain.
        let (mut expected, mut before) = super::retention::anchor(&connection)?;
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

    /// What was done last to each target, of these actions only.
    ///
    /// # Errors
    /// The database.
    pub fn last_of(&self, actions: [&str; 2]) -> Result<Vec<(String, String)>, StoreError> {
        let connection = self.0.lock().map_err(|_| StoreError::Closed)?;
        let mut select = connection.prepare_cached(
            "SELECT target, action, max(sequence) FROM audit WHERE action IN (?, ?) GROUP BY target",
        )?;
        let last = select.query_map(actions, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(last.collect::<Result<_, _>>()?)
    }

    /// The newest entries that a filter lets through, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let connection = self.0.lock().map_err(|_| StoreError::Closed)?;
        let mut select = connection.prepare_cached(
            "SELECT sequence, at_ms, who, action, target, detail FROM audit
             WHERE sequence < ?1 AND at_ms >= ?2 AND at_ms < ?3 AND (?4 IS NULL OR who = ?4)
             AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR target = ?6)
             ORDER BY sequence DESC LIMIT ?7",
        )?;
        let before = filter.before.map_or(i64::MAX, |number| i64::try_from(number).unwrap_or(i64::MAX));
        let entries = select.query_map(
            params![
                before,
                filter.from_ms.unwrap_or(i64::MIN),
                filter.to_ms.unwrap_or(i64::MAX),
                filter.who,
                filter.action,
                filter.target,
                i64::try_from(filter.limit).unwrap_or(i64::MAX),
            ],
            entry,
        )?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

/// Which entries of the audit trail are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only older ones than this number: the next page.
    pub before: Option<u64>,
    /// From this moment on.
    pub from_ms: Option<i64>,
    /// Before this moment.
    pub to_ms: Option<i64>,
    /// Who did it.
    pub who: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// To what.
    pub target: Option<String>,
    /// So many at most.
    pub limit: usize,
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
#[path = "appliance_tests.rs"]
mod tests;
