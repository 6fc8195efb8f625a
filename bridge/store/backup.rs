//! Backups: a generation is a directory of sealed copies, made while the appliance works.
//!
//! `GENERATION/{manifest, identity.key, bridge.toml, appliance/…, FACILITY/…}.sealed`: the facilities apart, the secret
//! of ids inside, and a manifest with length and SHA-256 of every file and the sum of every day. A generation
//! appears under its name when all of it is on the disk. A journal segment that stood still since the last
//! generation is linked and not copied again. Making one is here, taking one apart in [`super::restore`].

use super::sealed::{BackupKey, SealError, seal};
use super::{DaySum, OpenError, Store, StoreError, appliance, ledger, schema};
use rusqlite::Connection;
use rusqlite::backup::{Backup as Copying, StepResult};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The ending of every file of a generation.
pub(super) const SEALED: &str = ".sealed";
/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest";
/// The configuration's name.
pub(super) const CONFIGURATION: &str = "bridge.toml";
/// Before a generation is whole its name begins so.
const UNFINISHED: &str = ".unfinished-";
/// How a generation is named: its time in Japan.
const NAME: &str = "%Y%m%d-%H%M%S";
/// Generations kept where nothing is said: two weeks of nights.
const KEEP: usize = 14;
/// Version of the manifest.
pub(super) const FORMAT: u32 = 1;

/// `[backup]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupConfig {
    /// The directory of the generations. A mounted share of another machine is meant.
    pub to: Option<PathBuf>,
    /// Generations kept.
    pub keep: usize,
    /// The file of the key.
    pub key: Option<PathBuf>,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self { to: None, keep: KEEP, key: None }
    }
}

/// Why a backup could not be made, proved or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// `[backup]` does not say where to or with which key.
    #[error("[backup] needs to and key")]
    Nowhere,
    /// One is being made already.
    #[error("another backup is being made")]
    Busy,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A database of the backup.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file.
    #[error("{file}: {reason}")]
    File {
        /// Its name in the backup, or its path.
        file: String,
        /// Why.
        reason: String,
    },
    /// It would be put where something lies already.
    #[error(
        "{0} is not empty: nothing was restored, and the backup is untouched. Name a folder that is empty or not there\n    \
         {0} は空ではありません。何も戻していません。バックアップはそのままです。空の、またはまだ無いフォルダを書いてください。"
    )]
    Occupied(String),
    /// What the backup says of itself is not so.
    #[error("the backup does not hold: {0}")]
    Wrong(String),
}

impl BackupError {
    pub(super) fn file(file: impl Into<String>) -> impl FnOnce(SealError) -> Self {
        |error| Self::File { file: file.into(), reason: error.to_string() }
    }

    pub(super) fn io(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::File { file: file.display().to_string(), reason: error.to_string() }
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a generation says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: i64,
    /// The program that made it.
    pub program: String,
    /// Fingerprint of the secret of ids.
    pub identity: String,
    /// Every file, by its name in the backup.
    pub files: BTreeMap<String, Entry>,
    /// The sums of every day, by facility.
    pub sums: BTreeMap<String, Vec<DaySum>>,
}

/// A file of a generation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Bytes before sealing.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal digits.
    pub sha256: String,
    /// Rows of a journal segment, and how far its names are written: it stands still while both do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<(i64, i64)>,
}

/// A generation that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its directory.
    pub dir: PathBuf,
    /// Its files.
    pub files: usize,
    /// Those of them that were linked to the generation before.
    pub linked: usize,
    /// Bytes before sealing.
    pub bytes: u64,
    /// Generations dropped because newer ones are enough.
    pub dropped: usize,
}

/// The generations of a directory, oldest first.
///
/// # Errors
/// A directory that cannot be read.
pub fn generations(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let named = |name: &str| chrono::NaiveDateTime::parse_from_str(name, NAME).is_ok();
        if name.to_str().is_some_and(named) && entry.path().join(format!("{MANIFEST}{SEALED}")).exists() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a generation and drops those beyond the number kept.
pub(super) fn make(
    store: &Store,
    config: &BackupConfig,
    configuration: &Path,
    now_ms: i64,
) -> Result<Made, BackupError> {
    let (Some(to), Some(key)) = (&config.to, &config.key) else { return Err(BackupError::Nowhere) };
    let key = BackupKey::read(key).map_err(BackupError::file(key.display().to_string()))?;
    let lock_path = store.dir().join(".backup.lock");
    let lock = File::create(&lock_path).map_err(BackupError::io(&lock_path))?;
    lock.try_lock().map_err(|_| BackupError::Busy)?;
    std::fs::create_dir_all(to).map_err(BackupError::io(to))?;
    let scratch = store.dir().join(".backup");
    fresh(&scratch)?;
    let before = generations(to).map_err(BackupError::io(to))?;
    let name = free_name(to, now_ms);
    let unfinished = to.join(format!("{UNFINISHED}{name}"));
    fresh(&unfinished)?;
    let mut run = Run {
        key,
        scratch: scratch.clone(),
        to: unfinished.clone(),
        last: before.last().cloned(),
        known: BTreeMap::new(),
        files: BTreeMap::new(),
        linked: 0,
    };
    let made = run.all(store, configuration, now_ms);
    let _ = std::fs::remove_dir_all(&scratch);
    made?;
    let dir = to.join(name);
    std::fs::rename(&unfinished, &dir).map_err(BackupError::io(&dir))?;
    File::open(to).and_then(|to| to.sync_all()).map_err(BackupError::io(to))?;
    let dropped = prune(to, config.keep)?;
    let bytes = run.files.values().map(|entry| entry.bytes).sum();
    Ok(Made { dir, files: run.files.len(), linked: run.linked, bytes, dropped })
}

/// The name of the moment, or of the first second after it that no generation has: one may be made by the
/// schedule and one by hand within the same second.
fn free_name(to: &Path, now_ms: i64) -> String {
    let mut at = chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
    loop {
        let name = at.with_timezone(&chrono_tz::Asia::Tokyo).format(NAME).to_string();
        if !to.join(&name).exists() {
            return name;
        }
        at += chrono::Duration::seconds(1);
    }
}

/// A directory of that name with nothing in it.
fn fresh(dir: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BackupError::io(dir)(error));
        }
        _ => {}
    }
    appliance::private_dir(dir).map_err(BackupError::io(dir))
}

/// Drops the oldest generations beyond the number kept, and what was never finished.
fn prune(to: &Path, keep: usize) -> Result<usize, BackupError> {
    let all = generations(to).map_err(BackupError::io(to))?;
    let surplus = all.len().saturating_sub(keep.max(1));
    for old in &all[..surplus] {
        std::fs::remove_dir_all(old).map_err(BackupError::io(old))?;
    }
    for entry in std::fs::read_dir(to).map_err(BackupError::io(to))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            std::fs::remove_dir_all(entry.path()).map_err(BackupError::io(&entry.path()))?;
        }
    }
    Ok(surplus)
}

/// A generation in the making.
struct Run {
    key: BackupKey,
    /// For plain copies, one at a time.
    scratch: PathBuf,
    to: PathBuf,
    /// The generation before.
    last: Option<PathBuf>,
    /// Its files.
    known: BTreeMap<String, Entry>,
    files: BTreeMap<String, Entry>,
    linked: usize,
}

impl Run {
    fn all(&mut self, store: &Store, configuration: &Path, now_ms: i64) -> Result<(), BackupError> {
        // A generation before that cannot be read, for want of its key perhaps, is not linked to.
        self.known = self
            .last
            .as_ref()
            .and_then(|last| super::restore::manifest(last, &self.key).ok())
            .map(|manifest| manifest.files)
            .unwrap_or_default();
        let mut sums = BTreeMap::new();
        for facility in store.facilities() {
            sums.insert(facility.code().to_owned(), self.facility(facility.dir(), facility.code())?);
        }
        let own = store.dir().join(appliance::APPLIANCE);
        for file in databases(&own)? {
            self.database(&own.join(&file), &format!("{}/{file}", appliance::APPLIANCE))?;
        }
        self.plain(&store.key_file(), appliance::KEY_FILE)?;
        if configuration.exists() {
            self.plain(configuration, CONFIGURATION)?;
        }
        let manifest = Manifest {
            format: FORMAT,
            made_ms: now_ms,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            identity: store.fingerprint(),
            files: self.files.clone(),
            sums,
        };
        let json = serde_json::to_vec_pretty(&manifest).map_err(|_| StoreError::Damaged("manifest"))?;
        let path = self.to.join(format!("{MANIFEST}{SEALED}"));
        seal(json.as_slice(), &path, &self.key, MANIFEST).map_err(BackupError::file(MANIFEST))
    }

    /// A facility's databases, and the sums of its days as the copies have them.
    fn facility(&mut self, dir: &Path, code: &str) -> Result<Vec<DaySum>, BackupError> {
        let mut files = databases(dir)?;
        // The state first: one that has read further than its journal could not be caught up on restore.
        files.sort_by_key(|file| file.starts_with("journal-"));
        let mut days = BTreeMap::new();
        let mut state = None;
        for file in files {
            let (from, name) = (dir.join(&file), format!("{code}/{file}"));
            if file == "state.sqlite" {
                // Stays until the journals are counted.
                let copy = self.scratch.join("state");
                copy_database(&from, &copy)?;
                self.seal_file(&copy, &name, None)?;
                state = Some(copy);
            } else if let Some(day) = super::journal_day(&file) {
                days.insert(day, self.segment(&from, &name)?);
            } else {
                self.database(&from, &name)?;
            }
        }
        let Some(state) = state else { return Ok(Vec::new()) };
        let sums = ledger::sums_of(&Connection::open(&state)?, &days)?;
        std::fs::remove_file(&state).map_err(BackupError::io(&state))?;
        Ok(sums)
    }

    /// A journal segment: linked where nothing came to it since the last generation. Its rows.
    fn segment(&mut self, from: &Path, name: &str) -> Result<i64, BackupError> {
        let rows = rows(&schema::open_reader(from)?)?;
        let known = self.known.get(name).filter(|entry| entry.rows == Some(rows)).cloned();
        if let (Some(entry), Some(last)) = (known, &self.last) {
            let sealed = format!("{name}{SEALED}");
            self.parent(name)?;
            // A share that knows no links gets a copy.
            if std::fs::hard_link(last.join(&sealed), self.to.join(&sealed)).is_ok() {
                self.files.insert(name.to_owned(), entry);
                self.linked += 1;
                return Ok(rows.0);
            }
        }
        let copy = self.scratch.join("journal");
        copy_database(from, &copy)?;
        let rows = self::rows(&Connection::open(&copy)?)?;
        self.seal_file(&copy, name, Some(rows))?;
        std::fs::remove_file(&copy).map_err(BackupError::io(&copy))?;
        Ok(rows.0)
    }

    fn database(&mut self, from: &Path, name: &str) -> Result<(), BackupError> {
        let copy = self.scratch.join("database");
        copy_database(from, &copy)?;
        self.seal_file(&copy, name, None)?;
        std::fs::remove_file(&copy).map_err(BackupError::io(&copy))
    }

    fn plain(&mut self, from: &Path, name: &str) -> Result<(), BackupError> {
        self.seal_file(from, name, None)
    }

    fn parent(&self, name: &str) -> Result<(), BackupError> {
        let path = self.to.join(name);
        let parent = path.parent().unwrap_or(&self.to);
        appliance::private_dir(parent).map_err(BackupError::io(parent))
    }

    fn seal_file(&mut self, from: &Path, name: &str, rows: Option<(i64, i64)>) -> Result<(), BackupError> {
        self.parent(name)?;
        let file = File::open(from).map_err(BackupError::io(from))?;
        let mut hashing = Hashing { file, hash: Sha256::new(), bytes: 0 };
        let to = self.to.join(format!("{name}{SEALED}"));
        seal(&mut hashing, &to, &self.key, name).map_err(BackupError::file(name))?;
        let entry = Entry { bytes: hashing.bytes, sha256: hex(&hashing.hash.finalize()), rows };
        self.files.insert(name.to_owned(), entry);
        Ok(())
    }
}

/// Hashes what is read through it.
struct Hashing {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The databases of a directory that belong into a backup. What a feed has seen does not: see [`super::follow`].
fn databases(dir: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(BackupError::io(dir))? {
        let name = entry.map_err(BackupError::io(dir))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".sqlite") && !name.starts_with("follow-") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Rows of a segment, and how far its names are written.
pub(super) fn rows(segment: &Connection) -> Result<(i64, i64), StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(segment.query_row(
        "SELECT (SELECT coalesce(max(row), 0) FROM message), (SELECT seen_row FROM mark)",
        [],
        read,
    )?)
}

/// Copies a database while it is written to. One step, and so one snapshot: with several, every commit of the
/// writer would start the copy anew.
fn copy_database(from: &Path, to: &Path) -> Result<(), BackupError> {
    let source = schema::open_reader(from)?;
    let mut copy = Connection::open(to)?;
    loop {
        match Copying::new(&source, &mut copy)?.step(-1)? {
            StepResult::Done => break,
            // A lock held for a moment, as at a checkpoint.
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
    // One file without a log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(())
}
