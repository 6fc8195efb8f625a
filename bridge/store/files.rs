//! Files of many messages: what became of a file, over all facilities that it brought something for.
//!
//! A file is known by feed, name, day and what was in it: another content under the same name is another file, the same
//! content delivered again, or read again after a kill, is the same.

use super::complete::public;
use super::{FacilityStore, MessageId, MessageSummary, State, Store, StoreError};
use rusqlite::params;
use std::collections::BTreeMap;

/// Messages of a file that are listed; the sums count all of them.
pub const FILE_LINES: usize = 1_000;

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileSum {
    /// Messages that came of it, each time that it came.
    pub received: u64,
    /// How many of them are in each state.
    pub states: BTreeMap<State, u64>,
    /// Those that are left out, by reason: `duplicate` is what a second delivery brought.
    pub excluded: BTreeMap<String, u64>,
    /// The messages with the facility or sender that each lies at, in order of their arrival there.
    pub messages: Vec<(String, MessageSummary)>,
    /// Other files that came under its name, by their digests: the first message of each at every facility or sender.
    pub others: BTreeMap<String, Vec<OtherFile>>,
}

/// A message of another file of the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherFile {
    /// The facility or sender that it lies at.
    pub facility: String,
    /// Its number there.
    pub message: MessageId,
    /// When it came, in milliseconds since 1970.
    pub received_ms: i64,
}

/// Which file is asked for.
#[derive(Clone, Copy, Debug)]
pub struct FileOf<'a> {
    /// The feed that it came by.
    pub feed: &'a str,
    /// Its name. A laboratory may use one name every day.
    pub name: &'a str,
    /// The day on which it came (`YYYYMMDD`, in Japan), or none for whenever it came.
    pub day: Option<u32>,
    /// [`super::Origin::file_digest`], or none for all files of that name.
    pub digest: Option<&'a str>,
}

impl Store {
    /// What became of a file. Its messages are named `FILE#ROWS`.
    ///
    /// # Errors
    /// The database of a facility.
    pub fn file_sum(&self, file: FileOf<'_>) -> Result<FileSum, StoreError> {
        let mut sum = FileSum::default();
        for facility in self.facilities() {
            facility.add_file(file, &mut sum)?;
        }
        Ok(sum)
    }
}

/// Messages of the files of a name: all names that begin with `FILE#`, by the index of names.
const NAMED: &str = "name >= ?1 AND name < ?2 AND feed = ?3 AND (?4 IS NULL OR day = ?4)";

impl FacilityStore {
    fn add_file(&self, file: FileOf<'_>, sum: &mut FileSum) -> Result<(), StoreError> {
        let FileOf { feed, name, day, digest } = file;
        // `$` is the character behind `#`.
        let (from, to) = (format!("{name}#"), format!("{name}$"));
        let ids = {
            let console = self.console()?;
            let mut select = console.prepare_cached(&format!(
                "SELECT state, coalesce(reason, ''), count(*) FROM message
                 WHERE {NAMED} AND (?5 IS NULL OR file_digest = ?5) GROUP BY state, reason"
            ))?;
            let mut rows = select.query(params![from, to, feed, day, digest])?;
            while let Some(row) = rows.next()? {
                let (state, reason, count): (State, String, u64) =
                    (public(row.get(0)?), row.get(1)?, row.get(2)?);
                sum.received += count;
                *sum.states.entry(state).or_default() += count;
                if state == State::Excluded {
                    *sum.excluded.entry(reason).or_default() += count;
                }
            }
            // None is other than all of them: a comparison with NULL is never true.
            let mut select = console.prepare_cached(&format!(
                "SELECT file_digest, min(id), received_ms FROM message WHERE {NAMED} AND file_digest <> ?5
                 GROUP BY file_digest"
            ))?;
            let mut rows = select.query(params![from, to, feed, day, digest])?;
            while let Some(row) = rows.next()? {
                sum.others.entry(row.get(0)?).or_default().push(OtherFile {
                    facility: self.code().to_owned(),
                    message: MessageId(row.get(1)?),
                    received_ms: row.get(2)?,
                });
            }
            let mut select = console.prepare_cached(&format!(
                "SELECT id FROM message WHERE {NAMED} AND (?5 IS NULL OR file_digest = ?5) ORDER BY id LIMIT ?6"
            ))?;
            let room = i64::try_from(FILE_LINES.saturating_sub(sum.messages.len())).unwrap_or_default();
            let ids = select
                .query_map(params![from, to, feed, day, digest, room], |row| row.get(0).map(MessageId))?;
            ids.collect::<Result<Vec<_>, _>>()?
        };
        for id in ids {
            if let Some(detail) = self.message(id)? {
                sum.messages.push((self.code().to_owned(), detail.summary));
            }
        }
        Ok(())
    }
}
