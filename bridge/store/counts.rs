//! What traffic brings that the rules have no use for, counted: positions that no rule reads, codes that no table
//! knows. Counts belong to a version of the mapping set; a message that is translated again counts again.

use super::{Completion, FacilityStore, MessageId, StoreError, UnmappedCount, UnreadCount};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// Different unmapped codes of a facility that are told apart, those of former versions of the set too. A master of
/// drugs or laboratory items has fewer; a field of free text that is read as a code has any number.
const MAX_UNMAPPED: i64 = 100_000;
/// Messages among which a version of the mapping set is looked for.
const NEWEST: i64 = 200;

/// Feed, kind, version, position.
type Unread = HashMap<(String, String, String, String), (i64, i64)>;
/// Version, table, system, code → count, position, message.
type Unmapped = HashMap<(String, String, String, String), (i64, String, i64)>;

/// What the messages of one transaction bring.
#[derive(Default)]
pub(super) struct Counts {
    unread: Unread,
    unmapped: Unmapped,
}

impl Counts {
    /// Counts what one message brought.
    pub(super) fn note(&mut self, feed: &str, id: i64, done: &Completion) {
        let (translation, version) = (&done.translation, &done.mapping_version);
        for position in &translation.unread {
            let kind = translation.kind.clone().unwrap_or_default();
            let key = (feed.to_owned(), kind, version.clone(), position.clone());
            let (count, example) = self.unread.entry(key).or_default();
            (*count, *example) = (*count + 1, id);
        }
        for code in &translation.unmapped {
            let key = (version.clone(), code.table.clone(), code.system.clone(), code.code.clone());
            let (count, position, example) = self.unmapped.entry(key).or_default();
            position.clone_from(&code.position);
            (*count, *example) = (*count + 1, id);
        }
    }

    /// Adds them to what stands.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        for ((feed, kind, version, position), (count, example)) in &self.unread {
            connection
                .prepare_cached(
                    "INSERT INTO unread VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(feed, kind, mapping_version, position)
                     DO UPDATE SET count = count + ?5, example = ?6",
                )?
                .execute(params![feed, kind, version, position, count, example])?;
        }
        for ((version, table, system, code), (count, position, example)) in &self.unmapped {
            // Beyond the limit further codes of a table are counted together, as those that cannot be shown.
            let full: bool = connection
                .prepare_cached("SELECT coalesce(max(number), 0) >= ? FROM unmapped")?
                .query_row([MAX_UNMAPPED], |row| row.get(0))?;
            let known = full
                && connection
                    .prepare_cached(
                        "SELECT 1 FROM unmapped WHERE mapping_version = ? AND name = ? AND system = ? AND code = ?",
                    )?
                    .exists(params![version, table, system, code])?;
            let (system, code) = if full && !known { ("", "") } else { (system.as_str(), code.as_str()) };
            connection
                .prepare_cached(
                    "INSERT INTO unmapped(mapping_version, name, system, code, position, count, example)
                     VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(mapping_version, name, system, code)
                     DO UPDATE SET count = count + ?6, position = ?5, example = ?7",
                )?
                .execute(params![version, table, system, code, position, count, example])?;
        }
        Ok(())
    }
}

impl FacilityStore {
    /// Valued positions that no rule read, the most frequent first.
    ///
    /// # Errors
    /// The database.
    pub fn unread(&self) -> Result<Vec<UnreadCount>, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT feed, kind, mapping_version, position, count, example FROM unread ORDER BY count DESC, kind, position",
        )?;
        let counts = select.query_map([], |row| {
            Ok(UnreadCount {
                feed: row.get(0)?,
                kind: row.get(1)?,
                mapping_version: row.get(2)?,
                position: row.get(3)?,
                count: row.get(4)?,
                example: MessageId(row.get(5)?),
            })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    /// Whether one of the newest messages was translated by this version of the mapping set: before that nobody knows
    /// what it leaves unread.
    ///
    /// # Errors
    /// The database.
    pub fn has_translated(&self, mapping_version: &str) -> Result<bool, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM
               (SELECT mapping_version FROM message WHERE mapping_version IS NOT NULL ORDER BY id DESC LIMIT ?)
             WHERE mapping_version = ?)",
        )?;
        Ok(select.query_row(params![NEWEST, mapping_version], |row| row.get(0))?)
    }

    /// Codes that no table knew, of all versions of the mapping set together, the most frequent first.
    ///
    /// # Errors
    /// The database.
    pub fn unmapped(&self) -> Result<Vec<UnmappedCount>, StoreError> {
        let console = self.console()?;
        // SQLite takes the bare position and example from the row of the maximum.
        let mut select = console.prepare_cached(
            "SELECT name, system, code, position, sum(count), max(example) FROM unmapped
             GROUP BY name, system, code ORDER BY sum(count) DESC, name, system, code",
        )?;
        let counts = select.query_map([], |row| {
            Ok(UnmappedCount {
                table: row.get(0)?,
                system: row.get(1)?,
                code: row.get(2)?,
                position: row.get(3)?,
                count: row.get(4)?,
                example: MessageId(row.get(5)?),
            })
        })?;
        Ok(counts.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::store::tests::{accept, complete_next, done, fresh, index, lab};
    use renkei_translate::translation::Unmapped;

    fn unmapped(code: &str, position: &str) -> Unmapped {
        Unmapped {
            table: "hot-yj".into(),
            system: "HOT9".into(),
            code: code.into(),
            position: position.into(),
        }
    }

    #[tokio::test]
    async fn unmapped_codes_are_counted_over_messages_and_versions_with_the_last_place() {
        let (_dir, _root, store) = fresh();
        for name in ["1", "2", "3"] {
            accept(&store, name, "p:").await;
        }
        index(&store);
        let with = |n: u64, codes: Vec<Unmapped>| {
            let mut translation = lab(&format!("u{n}"), n, &[]);
            translation.unmapped = codes;
            translation
        };
        complete_next(&store, with(1, vec![unmapped("a", "RXE-2"), unmapped("b", "RXE-2")]));
        complete_next(&store, with(2, vec![unmapped("b", "RXC[2]-2")]));
        // Another version of the rules: the same code is still one line.
        let claim = store.claim(1).unwrap().pop().unwrap();
        let last = claim.id;
        let mut completion = done(with(3, vec![unmapped("b", "RXC[3]-2")]));
        completion.mapping_version = "v2".into();
        store.complete(vec![(claim, completion)]).unwrap();
        let counts = store.unmapped().unwrap();
        let got: Vec<_> = counts.iter().map(|c| (c.code.as_str(), c.count, c.position.as_str())).collect();
        assert_eq!(got, [("b", 3, "RXC[3]-2"), ("a", 1, "RXE-2")]);
        assert_eq!(counts[0].example, last);
    }
}
