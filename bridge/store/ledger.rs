//! The ledger: every day of receipt balances.

use super::index::state;
use super::{DaySum, FacilityStore, State, StoreError, complete, index};
use std::collections::BTreeMap;

impl FacilityStore {
    /// The balance by day of receipt, days without messages left out. `received` is counted in the journal and
    /// the rest in the state, so that a message lost between them shows.
    ///
    /// # Errors
    /// The database.
    pub fn sums(&self, from_day: u32, to_day: u32) -> Result<Vec<DaySum>, StoreError> {
        let mut sums: BTreeMap<u32, DaySum> = BTreeMap::new();
        let days: Vec<u32> =
            self.bodies.days()?.into_iter().filter(|day| (from_day..=to_day).contains(day)).collect();
        let console = self.console()?;
        let snapshot = console.unchecked_transaction()?;
        let mut select = snapshot.prepare_cached(
            "SELECT state, reason, count(*) FROM message WHERE day = ? GROUP BY state, reason",
        )?;
        for day in days {
            let mut sum = DaySum { day, ..DaySum::default() };
            let mut rows = select.query([day])?;
            while let Some(row) = rows.next()? {
                let count: u64 = row.get(2)?;
                let code: i64 = row.get(0)?;
                match complete::public(code) {
                    State::Registered => sum.registered += count,
                    State::Pending => sum.pending += count,
                    State::Quarantined | State::Held => sum.quarantined += count,
                    State::Rejected => sum.rejected += count,
                    State::Excluded => {
                        sum.excluded += count;
                        debug_assert_eq!(code, state::EXCLUDED);
                        *sum.by_reason
                            .entry(row.get::<_, Option<String>>(1)?.unwrap_or_default())
                            .or_default() += count;
                    }
                }
            }
            let read = index::mark(&snapshot, day)?;
            // The journal is asked after the snapshot, so it is never behind it.
            let rows = self.bodies.rows(day)?;
            sum.received = u64::try_from(rows).unwrap_or_default();
            sum.pending += u64::try_from(rows - read).unwrap_or_default();
            // Beyond those that are kept, refusals are counted only: there is nothing of them to translate.
            let refused = u64::try_from(self.bodies.refused(day)?).unwrap_or_default();
            if refused > 0 {
                sum.received += refused;
                sum.excluded += refused;
                *sum.by_reason.entry(index::REFUSED.to_owned()).or_default() += refused;
            }
            if sum.received > 0 {
                sums.insert(day, sum);
            }
        }
        Ok(sums.into_values().collect())
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
