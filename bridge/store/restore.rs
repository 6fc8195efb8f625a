//! Backups taken apart: [`verify`] proves that one can be restored, [`restore`] does it.
//!
//! After a restore nobody knows what bases got since the backup was made. So every resource of the record counts as "may
//! be there", and is sent whole when its unit is next touched: what a base has too much is mended, and ids are the same
//! because the secret of ids is. What is read again after a restore counts likewise, and of whom is not shared it is
//! deleted: see [`super::consent`]. Never writes into a directory with anything in it.

use super::appliance::{APPLIANCE, KEY_BYTES, KEY_FILE, private_dir, private_file};
use super::backup::{BackupError, CONFIGURATION, FORMAT, MANIFEST, Manifest, SEALED, generations, hex, rows};
use super::sealed::{BackupKey, open};
use super::{Audit, StoreError, consent, ledger, schema};
use renkei_translate::identity::IdKey;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What was proved of a generation.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Its directory.
    pub dir: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Entries of the audit trail, whose chain is whole.
    pub audit: u64,
    /// Messages received, over all facilities and days.
    pub received: u64,
}

/// The generation meant by a path: itself, or the newest in it.
///
/// # Errors
/// A directory without one.
pub fn generation(from: &Path) -> Result<PathBuf, BackupError> {
    if from.join(format!("{MANIFEST}{SEALED}")).exists() {
        return Ok(from.to_owned());
    }
    let newest = generations(from).map_err(BackupError::io(from))?.pop();
    newest.ok_or_else(|| BackupError::Wrong(format!("there is no backup in {}", from.display())))
}

pub(super) fn manifest(generation: &Path, key: &BackupKey) -> Result<Manifest, BackupError> {
    let mut json = Vec::new();
    let file = generation.join(format!("{MANIFEST}{SEALED}"));
    open(&file, &mut json, key, MANIFEST).map_err(BackupError::file(file.display().to_string()))?;
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|_| BackupError::Wrong("the manifest cannot be read".into()))?;
    if manifest.format > FORMAT {
        return Err(BackupError::Wrong("it was made by a newer version".into()));
    }
    Ok(manifest)
}

/// Puts a generation into a directory that is made for it, or one facility of it with the appliance's own part.
///
/// # Errors
/// A directory that holds something; anything that [`verify`] would refuse.
pub fn restore(
    from: &Path,
    to: &Path,
    key: &BackupKey,
    facility: Option<&str>,
) -> Result<Proof, BackupError> {
    if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::Occupied(to.display().to_string()));
    }
    let unpacked = unpack(from, to, key, facility);
    let restored = unpacked.and_then(|proof| begin_anew(to, &proof, facility).map(|()| proof));
    if restored.is_err() {
        // Half a store is none, and is patient data in the open.
        let _ = std::fs::remove_dir_all(to);
    }
    restored
}

/// What a store that was put back does not go on with: who was signed in, and what bases have.
fn begin_anew(to: &Path, proof: &Proof, facility: Option<&str>) -> Result<(), BackupError> {
    let audit = Audit::open(&to.join(APPLIANCE).join("appliance.sqlite"))?;
    audit.connection()?.execute("DELETE FROM session", [])?;
    audit.append("cli", "restore", &proof.dir.file_name().unwrap_or_default().to_string_lossy(), "")?;
    for code in proof.manifest.sums.keys().filter(|code| facility.is_none_or(|wanted| wanted == *code)) {
        let state = to.join(code).join("state.sqlite");
        if state.exists() {
            // A backup may be of an earlier version: it is brought up.
            consent::restored(&schema::open(&state, schema::STATE)?)?;
        }
    }
    Ok(())
}

/// Takes a generation apart in a scratch directory and removes it again.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(from: &Path, scratch: &Path, key: &BackupKey) -> Result<Proof, BackupError> {
    let proof = unpack(from, scratch, key, None);
    std::fs::remove_dir_all(scratch).map_err(BackupError::io(scratch))?;
    proof
}

fn unpack(from: &Path, to: &Path, key: &BackupKey, facility: Option<&str>) -> Result<Proof, BackupError> {
    let dir = generation(from)?;
    let manifest = manifest(&dir, key)?;
    if let Some(code) = facility.filter(|code| !manifest.sums.contains_key(*code)) {
        return Err(BackupError::Wrong(format!("it has no facility {code}")));
    }
    for own in [KEY_FILE, "appliance/appliance.sqlite"] {
        if !manifest.files.contains_key(own) {
            return Err(BackupError::Wrong(format!("it has no {own}")));
        }
    }
    private_dir(to).map_err(BackupError::io(to))?;
    let mut journals: BTreeMap<String, BTreeMap<u32, i64>> = BTreeMap::new();
    for (name, entry) in &manifest.files {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let plain = |part: &str| part != ".." && part != "." && !part.contains(['/', '\\']);
        if !plain(folder) || !plain(file) {
            return Err(BackupError::Wrong("a name that leads elsewhere".into()));
        }
        if facility.is_some_and(|code| !folder.is_empty() && folder != APPLIANCE && folder != code) {
            continue;
        }
        private_dir(&to.join(folder)).map_err(BackupError::io(to))?;
        let target = to.join(name);
        let mut out =
            Hashing { file: private_file(&target).map_err(BackupError::io(&target))?, hash: Sha256::new() };
        open(&dir.join(format!("{name}{SEALED}")), &mut out, key, name).map_err(BackupError::file(name))?;
        out.file.sync_all().map_err(BackupError::io(&target))?;
        let bytes = std::fs::metadata(&target).map_err(BackupError::io(&target))?.len();
        if bytes != entry.bytes || hex(&out.hash.finalize()) != entry.sha256 {
            return Err(BackupError::Wrong(format!("{name} is not the file of the manifest")));
        }
        if file.ends_with(".sqlite") {
            let database = Connection::open(&target)?;
            let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            if sound != "ok" {
                return Err(BackupError::Wrong(format!("{name} is damaged")));
            }
            if let Some(day) = super::journal_day(file) {
                let count = rows(&database)?;
                if entry.rows != Some(count) {
                    return Err(BackupError::Wrong(format!("{name} has other rows than the manifest says")));
                }
                journals.entry(folder.to_owned()).or_default().insert(day, count.0);
            }
        }
    }
    identity(to, &manifest)?;
    let audit = Audit::open(&to.join(APPLIANCE).join("appliance.sqlite"))?
        .verify()
        .map_err(|broken| BackupError::Wrong(broken.to_string()))?;
    let mut received = 0;
    for (code, expected) in &manifest.sums {
        let state = to.join(code).join("state.sqlite");
        if !state.exists() {
            continue;
        }
        let none = BTreeMap::new();
        let sums = ledger::sums_of(&Connection::open(&state)?, journals.get(code).unwrap_or(&none))?;
        if sums != *expected {
            return Err(BackupError::Wrong(format!(
                "the sums of facility {code} are not those of the manifest"
            )));
        }
        if let Some(day) = sums.iter().find(|sum| !sum.balanced()) {
            return Err(BackupError::Wrong(format!("facility {code}: the sum of {} does not hold", day.day)));
        }
        received += sums.iter().map(|sum| sum.received).sum::<u64>();
    }
    Ok(Proof { dir, manifest, audit, received })
}

/// Whether the secret of ids is the one that the manifest and the appliance's own database name.
fn identity(to: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = to.join(KEY_FILE);
    let key = std::fs::read(&path).map_err(BackupError::io(&path))?;
    if key.len() != KEY_BYTES || IdKey::new(&key).fingerprint() != manifest.identity {
        return Err(BackupError::Wrong("the secret of ids is not the one of the manifest".into()));
    }
    let appliance = Connection::open(to.join(APPLIANCE).join("appliance.sqlite"))?;
    let noted = super::appliance::noted(&appliance)?;
    if noted.is_some_and(|noted| noted != manifest.identity) {
        return Err(BackupError::Wrong("the secret of ids is not the one of the store".into()));
    }
    Ok(())
}

/// The configuration inside a restored directory, where there is one.
pub fn configuration(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(CONFIGURATION)).filter(|path| path.exists())
}

/// Hashes what is written through it.
struct Hashing {
    file: std::fs::File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The fingerprint of a secret of ids in a file.
///
/// # Errors
/// A file that cannot be read or is none.
pub fn fingerprint_of(path: &Path) -> Result<String, StoreError> {
    let key = std::fs::read(path)?;
    if key.len() == KEY_BYTES {
        Ok(IdKey::new(&key).fingerprint())
    } else {
        Err(StoreError::Damaged("identity.key"))
    }
}
