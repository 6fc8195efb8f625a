//! Files of many messages: what became of a file, over all facilities that it brought something for.

use super::complete::public;
use super::{FacilityStore, MessageId, MessageSummary, State, Store, StoreError};
use rusqlite::params;
use std::collections::BTreeMap;

/// Messages of a file that are listed; the sums count all of them.
pub const FILE_LINES: usize = 1_000;

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileSum {
    /// Messages that came under its name, each time that it came.
    pub received: u64,
    /// How many of them are in each state.
    pub states: BTreeMap<State, u64>,
    /// Those that are left out, by reason: `duplicate` is what a second delivery brought.
    pub excluded: BTreeMap<String, u64>,
    /// The messages with the facility or sender that each lies at, in order of their arrival there.
    pub messages: Vec<(String, MessageSummary)>,
}

impl Store {
    /// What became of a file of a feed that came on a day (`YYYYMMDD`, in Japan), or whenever it came. Its messages are
    /// named `FILE#ROWS`; a laboratory may use one name every day.
    ///
    /// # Errors
    /// The database of a facility.
    pub fn file_sum(&self, feed: &str, file: &str, day: Option<u32>) -> Result<FileSum, StoreError> {
        let mut sum = FileSum::default();
        for facility in self.facilities() {
            facility.add_file(feed, file, day, &mut sum)?;
        }
        Ok(sum)
    }
}

impl FacilityStore {
    fn add_file(
        &self,
        feed: &str,
        file: &str,
        day: Option<u32>,
        sum: &mut FileSum,
    ) -> Result<(), StoreError> {
        // `$` is the character behind `#`: all names that begin with `FILE#`, by the index of names.
        let (from, to) = (format!("{file}#"), format!("{file}$"));
        let ids = {
            let console = self.console()?;
            let mut select = console.prepare_cached(
            "SELECT state, coalesce(reason, ''), count(*) FROM message WHERE name >= ?1 AND name < ?2 AND feed = ?3
             AND (?4 IS NULL OR day = ?4) GROUP BY state, reason",
        )?;
            let mut rows = select.query(params![from, to, feed, day])?;
            while let Some(row) = rows.next()? {
                let (state, reason, count): (State, String, u64) =
                    (public(row.get(0)?), row.get(1)?, row.get(2)?);
                sum.received += count;
                *sum.states.entry(state).or_default() += count;
                if state == State::Excluded {
                    *sum.excluded.entry(reason).or_default() += count;
                }
            }
            let mut select = console.prepare_cached(
                "SELECT id FROM message WHERE name >= ?1 AND name < ?2 AND feed = ?3 AND (?4 IS NULL OR day = ?4)
                 ORDER BY id LIMIT ?5",
            )?;
            let room = i64::try_from(FILE_LINES.saturating_sub(sum.messages.len())).unwrap_or_default();
            let ids =
                select.query_map(params![from, to, feed, day, room], |row| row.get(0).map(MessageId))?;
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
