//! Versions of the layers that lie over the shipped mappings: what was saved, and which one is active.
//!
//! A version never changes and is never taken away: triggers of the database refuse both. Which one is active is
//! the newest row of a log, so that who activated what, when and why stands beside it, and the way back too.

use super::{OpenError, StoreError, appliance, schema};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// The layer of the network; that of a facility is named by its code.
pub const NETWORK: &str = "network";

/// Characters of an author, a reason, a layer's name.
pub const MAX_TEXT: usize = 500;
/// Bytes of a layer's archive.
const MAX_ARCHIVE_BYTES: usize = 300 << 20;
const ZSTD_LEVEL: i32 = 3;

/// See the module.
pub struct Layers(Mutex<Connection>);

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Layers")
    }
}

/// A saved version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LayerVersion {
    /// [`NETWORK`], or the code of the facility.
    pub layer: String,
    /// 1, 2, 3 … of its layer.
    pub number: u32,
    /// SHA-256 of the archive, in hexadecimal digits.
    pub digest: String,
    /// Who saved it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it is the one that lies over the shipped mappings now.
    pub active: bool,
}

/// What became of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A new version of that number.
    New(u32),
    /// The same content stands there already.
    Same(u32),
}

/// A change of what is active.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Activation {
    /// In order of time over all layers, from 1.
    pub sequence: u64,
    /// Of which layer.
    pub layer: String,
    /// Which version; none = nothing lies there.
    pub number: Option<u32>,
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What lies at one place of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lies {
    /// Nothing.
    #[default]
    Nothing,
    /// A folder that the configuration names.
    Folder,
    /// A saved version.
    Version(u32),
}

/// What a set of mappings was made of: its digest says which content, this says it as people do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetName {
    /// The version of the program whose set it is; empty = a folder in its place.
    pub program: String,
    /// The network's layer.
    pub network: Lies,
    /// The facility's.
    pub facility: Lies,
}

impl SetName {
    /// `標準 0.1.0, 地域 3, 施設 2`, with the words of a language: shipped, network, facility, and folder.
    pub fn said(&self, [shipped, network, facility, folder]: [&str; 4]) -> String {
        let program = if self.program.is_empty() { folder } else { &self.program };
        let mut said = format!("{shipped} {program}");
        for (word, lies) in [(network, &self.network), (facility, &self.facility)] {
            match lies {
                Lies::Nothing => {}
                Lies::Folder => said += &format!(", {word} {folder}"),
                Lies::Version(number) => said += &format!(", {word} {number}"),
            }
        }
        said
    }
}

impl Lies {
    fn written(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Folder => Some("folder".to_owned()),
            Self::Version(number) => Some(number.to_string()),
        }
    }

    fn read(text: Option<String>) -> Self {
        match text.as_deref() {
            None => Self::Nothing,
            Some(text) => text.parse().map_or(Self::Folder, Self::Version),
        }
    }
}

impl Layers {
    pub(super) fn new(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Mutex::new(schema::open(path, schema::APPLIANCE)?)))
    }

    /// Those of a data directory, to read, without making anything; none where there is no store yet, or where an
    /// earlier version of the program wrote it last.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn inspect(data_dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = data_dir.join(appliance::APPLIANCE).join("appliance.sqlite");
        if !path.exists() {
            return Ok(None);
        }
        let connection = schema::open_reader(&path)?;
        let there: bool = connection.query_row(
            "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE name = 'layer_version')",
            [],
            |row| row.get(0),
        )?;
        Ok(there.then(|| Self(Mutex::new(connection))))
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.0.lock().map_err(|_| StoreError::Closed)
    }

    /// Saves an archive of a layer as its next version. Content that a version has already is not saved twice.
    /// Author and reason are cut to [`MAX_TEXT`] characters.
    ///
    /// # Errors
    /// The database.
    pub fn save(
        &self,
        layer: &str,
        archive: &[u8],
        author: &str,
        reason: &str,
        now_ms: i64,
    ) -> Result<Saved, StoreError> {
        if archive.len() > MAX_ARCHIVE_BYTES {
            return Err(StoreError::Order("an archive of a layer is larger than any"));
        }
        let digest = digest(archive);
        let packed = zstd::encode_all(archive, ZSTD_LEVEL)?;
        let mut connection = self.lock()?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let same: Option<u32> = change
            .prepare_cached("SELECT number FROM layer_version WHERE layer = ? AND digest = ?")?
            .query_row([layer, &digest], |row| row.get(0))
            .optional()?;
        if let Some(number) = same {
            return Ok(Saved::Same(number));
        }
        let last: u32 = change.query_row(
            "SELECT coalesce(max(number), 0) FROM layer_version WHERE layer = ?",
            [layer],
            |row| row.get(0),
        )?;
        change.execute(
            "INSERT INTO layer_version VALUES(?, ?, ?, ?, ?, ?, ?)",
            params![layer, last + 1, digest, cut(author), cut(reason), now_ms, packed],
        )?;
        change.commit()?;
        Ok(Saved::New(last + 1))
    }

    /// The versions of a layer, the newest first.
    ///
    /// # Errors
    /// The database.
    pub fn versions(&self, layer: &str) -> Result<Vec<LayerVersion>, StoreError> {
        let connection = self.lock()?;
        let active = newest(&connection, layer, None)?.and_then(|(_, number, _)| number);
        let mut select = connection.prepare_cached(
            "SELECT number, digest, author, reason, at_ms FROM layer_version WHERE layer = ? ORDER BY number DESC",
        )?;
        let all = select.query_map([layer], |row| {
            let number = row.get(0)?;
            Ok(LayerVersion {
                layer: layer.to_owned(),
                number,
                digest: row.get(1)?,
                author: row.get(2)?,
                reason: row.get(3)?,
                at_ms: row.get(4)?,
                active: active == Some(number),
            })
        })?;
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// The layers that have versions, by name.
    ///
    /// # Errors
    /// The database.
    pub fn layers(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.lock()?;
        let mut select =
            connection.prepare_cached("SELECT DISTINCT layer FROM layer_version ORDER BY layer")?;
        let all = select.query_map([], |row| row.get(0))?;
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// The archive of a version, byte for byte.
    ///
    /// # Errors
    /// The database; an archive that is no more what was saved.
    pub fn archive(&self, layer: &str, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let connection = self.lock()?;
        let found: Option<(Vec<u8>, String)> = connection
            .prepare_cached("SELECT archive, digest FROM layer_version WHERE layer = ? AND number = ?")?
            .query_row(params![layer, number], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((packed, noted)) = found else { return Ok(None) };
        let damaged = || StoreError::Damaged("a version of a layer");
        let archive = zstd::decode_all(packed.as_slice()).map_err(|_| damaged())?;
        if digest(&archive) == noted { Ok(Some(archive)) } else { Err(damaged()) }
    }

    /// The version of a layer that is active.
    ///
    /// # Errors
    /// The database.
    pub fn active(&self, layer: &str) -> Result<Option<u32>, StoreError> {
        Ok(newest(&*self.lock()?, layer, None)?.and_then(|(_, number, _)| number))
    }

    /// What a rollback would make active; `None` = there is nothing to go back from, `Some(None)` = nothing would lie
    /// there.
    ///
    /// # Errors
    /// The database.
    pub fn before(&self, layer: &str) -> Result<Option<Option<u32>>, StoreError> {
        Ok(back(&*self.lock()?, layer)?.map(|(number, _)| number))
    }

    /// Makes a version the active one, or with `None` lets nothing lie there; whether there is such a version.
    ///
    /// # Errors
    /// The database.
    pub fn activate(
        &self,
        layer: &str,
        number: Option<u32>,
        who: &str,
        reason: &str,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let mut connection = self.lock()?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(number) = number {
            let there = "SELECT EXISTS(SELECT 1 FROM layer_version WHERE layer = ? AND number = ?)";
            if !change.query_row(there, params![layer, number], |row| row.get(0))? {
                return Ok(false);
            }
        }
        note(&change, layer, number, None, (who, reason), now_ms)?;
        change.commit()?;
        Ok(true)
    }

    /// Makes active what was active before, one step back each time; what is active then. `None` = there is
    /// nothing to go back from.
    ///
    /// # Errors
    /// The database.
    pub fn roll_back(
        &self,
        layer: &str,
        who: &str,
        reason: &str,
        now_ms: i64,
    ) -> Result<Option<Option<u32>>, StoreError> {
        let mut connection = self.lock()?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some((number, stands)) = back(&change, layer)? else { return Ok(None) };
        note(&change, layer, number, Some(stands), (who, reason), now_ms)?;
        change.commit()?;
        Ok(Some(number))
    }

    /// The newest changes of what is active, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn activations(&self, layer: &str, limit: usize) -> Result<Vec<Activation>, StoreError> {
        let connection = self.lock()?;
        let mut select = connection.prepare_cached(
            "SELECT sequence, number, who, reason, at_ms FROM layer_active WHERE layer = ?
             ORDER BY sequence DESC LIMIT ?",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let all = select.query_map(params![layer, limit], |row| {
            Ok(Activation {
                sequence: row.get(0)?,
                layer: layer.to_owned(),
                number: row.get(1)?,
                who: row.get(2)?,
                reason: row.get(3)?,
                at_ms: row.get(4)?,
            })
        })?;
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// Changes with every activation, of whatever layer.
    ///
    /// # Errors
    /// The database.
    pub fn epoch(&self) -> Result<u64, StoreError> {
        let connection = self.lock()?;
        let mut select = connection.prepare_cached("SELECT coalesce(max(sequence), 0) FROM layer_active")?;
        Ok(select.query_row([], |row| row.get(0))?)
    }

    /// Notes what a set of this digest is made of, for messages of a facility (empty = of all).
    ///
    /// # Errors
    /// The database.
    pub fn name_set(&self, digest: &str, facility: &str, name: &SetName) -> Result<(), StoreError> {
        self.lock()?.prepare_cached("INSERT OR REPLACE INTO set_name VALUES(?, ?, ?, ?, ?)")?.execute(
            params![digest, facility, name.program, name.network.written(), name.facility.written()],
        )?;
        Ok(())
    }

    /// What the set of this digest was made of that translated a facility's message.
    ///
    /// # Errors
    /// The database.
    pub fn set_name(&self, digest: &str, facility: &str) -> Result<Option<SetName>, StoreError> {
        let connection = self.lock()?;
        let mut select = connection.prepare_cached(
            "SELECT program, network, own FROM set_name WHERE digest = ?1 AND facility IN (?2, '')
             ORDER BY facility DESC LIMIT 1",
        )?;
        let found = select.query_row([digest, facility], |row| {
            Ok(SetName {
                program: row.get(0)?,
                network: Lies::read(row.get(1)?),
                facility: Lies::read(row.get(2)?),
            })
        });
        Ok(found.optional()?)
    }
}

fn digest(archive: &[u8]) -> String {
    renkei_translate::identity::sha256_hex(archive)
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

/// The newest row of the log, or the newest before a sequence: its number, the version, and whose state it stands for.
fn newest(
    connection: &Connection,
    layer: &str,
    before: Option<i64>,
) -> rusqlite::Result<Option<(i64, Option<u32>, i64)>> {
    let mut select = connection.prepare_cached(
        "SELECT sequence, number, stands FROM layer_active WHERE layer = ? AND sequence < ?
         ORDER BY sequence DESC LIMIT 1",
    )?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    select.query_row(params![layer, before.unwrap_or(i64::MAX)], row).optional()
}

/// What stood before what stands now, and the sequence of the row that it stood by; 0 = before the first.
fn back(connection: &Connection, layer: &str) -> rusqlite::Result<Option<(Option<u32>, i64)>> {
    let Some((_, _, stands)) = newest(connection, layer, None)? else { return Ok(None) };
    if stands == 0 {
        return Ok(None);
    }
    let earlier = newest(connection, layer, Some(stands))?;
    Ok(Some(earlier.map_or((None, 0), |(_, number, stands)| (number, stands))))
}

fn note(
    change: &Transaction<'_>,
    layer: &str,
    number: Option<u32>,
    stands: Option<i64>,
    (who, reason): (&str, &str),
    now_ms: i64,
) -> rusqlite::Result<()> {
    let last: i64 =
        change.query_row("SELECT coalesce(max(sequence), 0) FROM layer_active", [], |row| row.get(0))?;
    change.execute(
        "INSERT INTO layer_active VALUES(?, ?, ?, ?, ?, ?, ?)",
        params![last + 1, layer, number, stands.unwrap_or(last + 1), cut(who), cut(reason), now_ms],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Layers, Lies, NETWORK, Saved, SetName};
    use std::path::Path;

    fn open(dir: &Path) -> Layers {
        Layers::new(&dir.join("appliance.sqlite")).unwrap()
    }

    fn numbers(layers: &Layers) -> Vec<(u32, bool)> {
        layers.versions(NETWORK).unwrap().iter().map(|v| (v.number, v.active)).collect()
    }

    #[test]
    fn a_version_has_the_next_number_of_its_layer_and_the_bytes_that_were_saved() {
        let dir = tempfile::tempdir().unwrap();
        let layers = open(dir.path());
        assert_eq!(layers.save(NETWORK, b"one", "kato", "first", 7).unwrap(), Saved::New(1));
        assert_eq!(layers.save(NETWORK, b"two", "kato\n", "sec\u{7}ond", 8).unwrap(), Saved::New(2));
        assert_eq!(layers.save("1319999999", b"one", "ito", "own", 9).unwrap(), Saved::New(1));
        // Whoever saves what stands there already is told where.
        assert_eq!(layers.save(NETWORK, b"one", "ito", "again", 10).unwrap(), Saved::Same(1));
        assert_eq!(layers.layers().unwrap(), ["1319999999", NETWORK]);
        assert_eq!(layers.archive(NETWORK, 1).unwrap().unwrap(), b"one");
        assert_eq!(layers.archive(NETWORK, 3).unwrap(), None);
        let newest = &layers.versions(NETWORK).unwrap()[0];
        assert_eq!((newest.author.as_str(), newest.reason.as_str(), newest.at_ms), ("kato", "second", 8));
        assert_eq!(numbers(&layers), [(2, false), (1, false)], "saved is not active");
        // And it is there after the next start.
        drop(layers);
        assert_eq!(open(dir.path()).archive(NETWORK, 2).unwrap().unwrap(), b"two");
    }

    #[test]
    fn a_version_and_the_log_never_change() {
        let dir = tempfile::tempdir().unwrap();
        let layers = open(dir.path());
        layers.save(NETWORK, b"one", "kato", "", 1).unwrap();
        assert!(layers.activate(NETWORK, Some(1), "kato", "", 2).unwrap());
        for tamper in [
            "UPDATE layer_version SET author = 'nobody'",
            "UPDATE layer_version SET archive = x'00'",
            "DELETE FROM layer_version",
            "UPDATE layer_active SET number = 2",
            "DELETE FROM layer_active",
        ] {
            assert!(layers.lock().unwrap().execute_batch(tamper).is_err(), "{tamper}");
        }
        assert_eq!(layers.archive(NETWORK, 1).unwrap().unwrap(), b"one");
    }

    #[test]
    fn one_is_active_and_the_way_back_goes_step_by_step() {
        let dir = tempfile::tempdir().unwrap();
        let layers = open(dir.path());
        for body in [&b"one"[..], b"two", b"three"] {
            layers.save(NETWORK, body, "kato", "", 1).unwrap();
        }
        let activate = |number| layers.activate(NETWORK, number, "kato", "why", 2).unwrap();
        let back = || layers.roll_back(NETWORK, "ito", "wrong unit", 3).unwrap();
        assert_eq!((layers.active(NETWORK).unwrap(), back()), (None, None), "nothing to go back from");
        assert!(!activate(Some(4)), "there is no such version");
        assert_eq!(layers.epoch().unwrap(), 0);
        assert!(activate(Some(1)) && activate(Some(2)) && activate(Some(3)));
        assert_eq!(numbers(&layers), [(3, true), (2, false), (1, false)]);
        assert_eq!((layers.before(NETWORK).unwrap(), back()), (Some(Some(2)), Some(Some(2))));
        assert_eq!((back(), layers.active(NETWORK).unwrap()), (Some(Some(1)), Some(1)));
        // What is activated after a way back has that before it.
        assert!(activate(Some(3)));
        assert_eq!((back(), back(), back()), (Some(Some(1)), Some(None), None));
        assert_eq!(layers.active(NETWORK).unwrap(), None);
        // Another layer has nothing to do with it.
        assert_eq!(layers.roll_back("1319999999", "ito", "", 3).unwrap(), None);
        let log = layers.activations(NETWORK, 2).unwrap();
        assert_eq!((log[0].number, log[1].number), (None, Some(1)));
        assert_eq!((log[0].who.as_str(), log[0].reason.as_str()), ("ito", "wrong unit"));
        assert_eq!(layers.epoch().unwrap(), log[0].sequence);
    }

    fn own_said(layers: &Layers, words: [&str; 4]) -> String {
        layers.set_name("d1", "1319999999").unwrap().unwrap().said(words)
    }

    #[test]
    fn a_set_is_known_by_what_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let layers = open(dir.path());
        let name = |network, facility| SetName { program: "0.1.0".into(), network, facility };
        let (common, own) = (name(Lies::Version(3), Lies::Nothing), name(Lies::Folder, Lies::Version(2)));
        layers.name_set("d1", "", &common).unwrap();
        layers.name_set("d1", "1319999999", &own).unwrap();
        assert_eq!(layers.set_name("d1", "1319999998").unwrap(), Some(common));
        assert_eq!(layers.set_name("d1", "1319999999").unwrap(), Some(own));
        assert_eq!(layers.set_name("d2", "1319999999").unwrap(), None);
        let words = ["標準", "地域", "施設", "フォルダ"];
        assert_eq!(own_said(&layers, words), "標準 0.1.0, 地域 フォルダ, 施設 2");
        assert_eq!(SetName::default().said(words), "標準 フォルダ");
    }
}
