//! What a feed that follows a folder has seen: one row a file, so that a restart does not journal all again.
//!
//! A file of its own per feed, `follow-FEED.sqlite`, and not part of `state.sqlite`: it is written at the pace
//! of a walk over millions of files, may be lost without losing a message (what is read again is found to
//! be a duplicate), and needs no place in a backup. Names are kept as hashes: they hold patient ids.

use super::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;

/// What was seen of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its size.
    pub size: u64,
    /// Its time of change, in nanoseconds since 1970.
    pub modified: i64,
    /// Its content; [`Followed::hash`].
    pub hash: [u8; 16],
}

/// The memory of one feed.
#[derive(Debug)]
pub struct Followed {
    db: Connection,
}

impl Followed {
    /// Opens or makes the memory of a feed in a facility's directory.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn open(dir: &Path, feed: &str) -> Result<Self, StoreError> {
        let db = Connection::open(dir.join(format!("follow-{feed}.sqlite")))?;
        db.busy_timeout(Duration::from_secs(10))?;
        // NORMAL: the last rows may be lost with the power; then their files are read again.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS seen (
                 name BLOB NOT NULL, flag TEXT NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL,
                 hash BLOB NOT NULL, PRIMARY KEY (name, flag)) WITHOUT ROWID;",
        )?;
        Ok(Self { db })
    }

    /// Half of SHA-256: enough to tell contents and names apart.
    pub fn hash(bytes: &[u8]) -> [u8; 16] {
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(bytes)[..16]);
        hash
    }

    /// What was seen under that name (without its flag) with that flag.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn get(&self, name: &[u8; 16], flag: char) -> Result<Option<Seen>, StoreError> {
        let mut statement =
            self.db.prepare_cached("SELECT size, modified, hash FROM seen WHERE name = ? AND flag = ?")?;
        let row = statement.query_row(params![name, flag.to_string()], |row| {
            Ok(Seen { size: row.get::<_, i64>(0)?.cast_unsigned(), modified: row.get(1)?, hash: row.get(2)? })
        });
        Ok(row.optional()?)
    }

    /// Whether that content was seen under that name with any flag.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn knows(&self, name: &[u8; 16], hash: &[u8; 16]) -> Result<bool, StoreError> {
        let mut statement = self.db.prepare_cached("SELECT 1 FROM seen WHERE name = ? AND hash = ?")?;
        Ok(statement.exists(params![name, hash])?)
    }

    /// Forgets files under these flags: they are there no more, and are new when they come back.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn forget(&mut self, files: &[([u8; 16], char)]) -> Result<(), StoreError> {
        let transaction = self.db.transaction()?;
        for (name, flag) in files {
            transaction
                .prepare_cached("DELETE FROM seen WHERE name = ? AND flag = ?")?
                .execute(params![name, flag.to_string()])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Remembers files, in one transaction. Call it only when the journal has them.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn put(&mut self, files: &[([u8; 16], char, Seen)]) -> Result<(), StoreError> {
        let transaction = self.db.transaction()?;
        {
            let mut statement =
                transaction.prepare_cached("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)")?;
            for (name, flag, seen) in files {
                let size = seen.size.cast_signed();
                statement.execute(params![name, flag.to_string(), size, seen.modified, seen.hash])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Followed, Seen};

    #[test]
    fn what_was_seen_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (name, hash) = (Followed::hash(b"name"), Followed::hash(b"content"));
        let seen = Seen { size: 7, modified: 1_700_000_000_000_000_001, hash };
        Followed::open(dir.path(), "a").unwrap().put(&[(name, '1', seen)]).unwrap();
        let again = Followed::open(dir.path(), "a").unwrap();
        assert_eq!(again.get(&name, '1').unwrap(), Some(seen));
        assert_eq!(again.get(&name, '2').unwrap(), None);
        assert!(again.knows(&name, &hash).unwrap());
        assert!(!again.knows(&name, &Followed::hash(b"other")).unwrap());
        assert_eq!(Followed::open(dir.path(), "b").unwrap().get(&name, '1').unwrap(), None);
    }
}
