//! The ledger: every day of receipt balances.

use super::index::state::EXCLUDED;
use super::{DaySum, FacilityStore, State, StoreError, complete, index};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

impl FacilityStore {
    /// The balance by day of receipt, days without messages left out. `received` is counted in the journal and
    /// the rest in the state, so that a message lost between them shows.
    ///
    /// # Errors
    /// The database.
    pub fn sums(&self, from_day: u32, to_day: u32) -> Result<Vec<DaySum>, StoreError> {
        let within = |day: &u32| (from_day..=to_day).contains(day);
        let mut days: BTreeSet<u32> = self.bodies.days()?.into_iter().filter(within).collect();
        let console = self.console()?;
        let snapshot = console.unchecked_transaction()?;
        let dropped = dropped(&snapshot)?;
        days.extend(dropped.keys().copied().filter(within));
        let mut sums = Vec::new();
        for day in days {
            // The journal is asked after the snapshot, so it is never behind it.
            let rows = match dropped.get(&day) {
                Some(rows) => *rows,
                None => self.bodies.rows(day)?,
            };
            let mut sum = day_sum(&snapshot, day, rows)?;
            // Beyond those that are kept, refusals are counted only: there is nothing of them to translate.
            let refused = match dropped.contains_key(&day) {
                true => 0,
                false => u64::try_from(self.bodies.refused(day)?).unwrap_or_default(),
            };
            if refused > 0 {
                sum.received += refused;
                sum.excluded += refused;
                *sum.by_reason.entry(index::REFUSED.to_owned()).or_default() += refused;
            }
            sums.push(sum);
        }
        sums.retain(|sum| sum.received > 0);
        Ok(sums)
    }

    /// The first day that is not closed for good by its retention; none where nothing was received.
    ///
    /// # Errors
    /// The store is closing.
    pub fn first_open_day(&self) -> Result<Option<u32>, StoreError> {
        Ok(self.bodies.days()?.first().copied())
    }

    /// When the last message of a feed came.
    ///
    /// # Errors
    /// The database.
    pub fn last_received_ms(&self, feed: &str) -> Result<Option<i64>, StoreError> {
        use rusqlite::OptionalExtension;
        let console = self.console()?;
        let mut select = console.prepare_cached("SELECT received_ms FROM feed WHERE name = ?")?;
        Ok(select.query_row([feed], |row| row.get(0)).optional()?)
    }
}

/// Days whose segment was dropped after its retention, with the rows that it had: all of them were read.
pub(super) fn dropped(state: &Connection) -> Result<BTreeMap<u32, i64>, StoreError> {
    let mut select =
        state.prepare_cached("SELECT day, read_row FROM segment WHERE dropped_ms IS NOT NULL")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The sums of a state beside journal segments with so many rows, as a backup has them.
pub(super) fn sums_of(state: &Connection, rows: &BTreeMap<u32, i64>) -> Result<Vec<DaySum>, StoreError> {
    let mut sums =
        rows.iter().map(|(day, rows)| day_sum(state, *day, *rows)).collect::<Result<Vec<_>, _>>()?;
    sums.retain(|sum| sum.received > 0);
    Ok(sums)
}

/// The balance of a day whose journal has so many rows.
fn day_sum(state: &Connection, day: u32, rows: i64) -> Result<DaySum, StoreError> {
    let mut select = state
        .prepare_cached("SELECT state, reason, count(*) FROM message WHERE day = ? GROUP BY state, reason")?;
    let mut sum = DaySum { day, ..DaySum::default() };
    let mut counts = select.query([day])?;
    while let Some(row) = counts.next()? {
        let count: u64 = row.get(2)?;
        let code: i64 = row.get(0)?;
        match complete::public(code) {
            State::Registered => sum.registered += count,
            State::Pending => sum.pending += count,
            State::Quarantined | State::Held => sum.quarantined += count,
            State::Rejected => sum.rejected += count,
            State::Excluded => {
                sum.excluded += count;
                debug_assert_eq!(code, EXCLUDED);
                *sum.by_reason.entry(row.get::<_, Option<String>>(1)?.unwrap_or_default()).or_default() +=
                    count;
            }
        }
    }
    let read = index::mark(state, day)?;
    sum.received = u64::try_from(rows).unwrap_or_default();
    sum.pending += u64::try_from(rows - read).unwrap_or_default();
    Ok(sum)
}
