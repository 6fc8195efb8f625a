//! What 参加状況 counts, and the lines of the ledger: days and numbers, never a patient's id.
//!
//! A message counts as input by its day of receipt and as registered by the day on which the base first had it,
//! so that translating or sending it again moves no date. Duplicates, test patients, patients who are not shared
//! and bulk history count nowhere, whatever has become of the message: one that is held counts as it would if it
//! were not. What a base has and keeps after a consent has ended counts still. A message of which nobody can tell
//! the patient counts: the facility did send it.

use super::complete::public;
use super::consent::NOT_SHARED;
use super::index::state;
use super::whose::Whose;
use super::{FacilityStore, MessageId, State, StoreError, journal};
use chrono::NaiveDate;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::Sha256;
use std::collections::HashSet;

/// A message whose own time lies so many days before its receipt is history that was loaded in bulk: live
/// traffic is repeated for a long weekend or an outage, not for a month.
pub const HISTORY_DAYS: i64 = 31;

/// Lines of the ledger read at once: the connection is free for others in between.
const PAGE: i64 = 5_000;

/// Bytes of a patient's key in the ledger's export: enough that two of a facility never share one.
const PSEUDONYM_BYTES: usize = 16;

/// What may count, by what became of it: the same words in every query. [`counts`] has the last word.
const MAY_COUNT: &str =
    "m.history = 0 AND coalesce(m.reason, '') NOT IN ('duplicate', 'not-shared', 'test-patient')";

/// Whether a message of [`MAY_COUNT`] counts, by whose it is.
fn counts(state: i64, unshared: Option<&str>) -> bool {
    match unshared {
        // It was shared when it went out, and the base keeps it.
        Some(NOT_SHARED) => state == state::REGISTERED,
        Some(_) => false,
        None => true,
    }
}

/// What a facility did in a span of days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Days of receipt (`YYYYMMDD`) of the span on which something that counts came, oldest first.
    pub input_days: Vec<u32>,
    /// The last such day up to the end of the span, whenever it was.
    pub last_input_day: Option<u32>,
    /// Days of the span on which the base first had something that counts, oldest first.
    pub registered_days: Vec<u32>,
    /// Patients of whom the base had something that counts by the end of the span.
    pub patients: u64,
}

/// A message in the ledger's export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// The feed.
    pub feed: String,
    /// The message file that read it: `OML-11`.
    pub kind: Option<String>,
    /// Its state.
    pub state: State,
    /// Why left out.
    pub reason: Option<String>,
    /// Day of receipt, `YYYYMMDD`.
    pub received_day: u32,
    /// Day on which the base first had it.
    pub registered_day: Option<u32>,
    /// A key that stands for its patient in this export only.
    pub patient: Option<String>,
    /// Whether it is history that was loaded in bulk.
    pub history: bool,
    /// Why no destination may have it, whatever its state: `test-patient`, `not-shared`.
    pub unshared: Option<&'static str>,
}

impl FacilityStore {
    /// What the facility did from one day (`YYYYMMDD`) to another, both included.
    ///
    /// # Errors
    /// The database.
    pub fn activity(&self, from_day: u32, to_day: u32) -> Result<Activity, StoreError> {
        let console = self.console()?;
        let snapshot = console.unchecked_transaction()?;
        let mut whose = Whose::read(&snapshot)?;
        let input_days = input_days(&snapshot, &mut whose, from_day, to_day)?;
        let last_input_day = match input_days.last() {
            Some(day) => Some(*day),
            None => last_before(&snapshot, &mut whose, from_day)?,
        };
        Ok(Activity {
            input_days,
            last_input_day,
            registered_days: registered_days(&snapshot, &mut whose, from_day, to_day)?,
            patients: patients(&snapshot, &mut whose, to_day)?,
        })
    }

    /// Every message received from one day to another, oldest first. `key` makes the patients' keys: without it
    /// nobody can tell whose they are.
    ///
    /// # Errors
    /// The database, or what `each` answers.
    pub fn ledger_lines<E: From<StoreError>>(
        &self,
        from_day: u32,
        to_day: u32,
        key: &[u8],
        mut each: impl FnMut(LedgerLine) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = MessageId::new(from_day, 0);
        loop {
            let page = self.ledger_page(after, to_day, key)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (_, line) in page {
                each(line)?;
            }
        }
    }

    fn ledger_page(
        &self,
        after: MessageId,
        to_day: u32,
        key: &[u8],
    ) -> Result<Vec<(MessageId, LedgerLine)>, StoreError> {
        let console = self.console()?;
        let snapshot = console.unchecked_transaction()?;
        let mut whose = Whose::read(&snapshot)?;
        let mut select = snapshot.prepare_cached(
            "SELECT m.id, m.feed, m.kind, m.state, m.reason, m.day, m.registered_ms, m.history,
             coalesce(nullif(u.patient, ''), (SELECT min(p.patient) FROM message_patient p WHERE p.message = m.id)),
             m.unit, m.names
             FROM message m LEFT JOIN unit u ON u.id = m.unit WHERE m.id > ? AND m.day <= ? ORDER BY m.id LIMIT ?",
        )?;
        let mut rows = select.query(params![after.0, to_day, PAGE])?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, patient): (i64, Option<String>) = (row.get(0)?, row.get(8)?);
            let names: Option<String> = row.get(10)?;
            lines.push((
                MessageId(id),
                LedgerLine {
                    feed: row.get(1)?,
                    kind: row.get(2)?,
                    state: public(row.get(3)?),
                    reason: row.get(4)?,
                    received_day: row.get(5)?,
                    registered_day: row.get::<_, Option<i64>>(6)?.map(journal::day),
                    patient: patient.map(|patient| pseudonym(key, &self.code, &patient)),
                    history: row.get(7)?,
                    unshared: whose.unshared(id, row.get(9)?, names.as_deref())?,
                },
            ));
        }
        Ok(lines)
    }
}

fn pseudonym(key: &[u8], facility: &str, patient: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(facility.as_bytes());
    // No facility code has a zero byte: two pairs never give the same bytes.
    mac.update(&[0]);
    mac.update(patient.as_bytes());
    let digest = mac.finalize().into_bytes();
    digest.iter().take(PSEUDONYM_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a message of [`MAY_COUNT`] counts.
fn message_counts(connection: &Connection, whose: &mut Whose<'_>, id: i64) -> Result<bool, StoreError> {
    let (unit, state, names): (Option<i64>, i64, Option<String>) = connection
        .prepare_cached("SELECT unit, state, names FROM message WHERE id = ?")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(counts(state, whose.unshared(id, unit, names.as_deref())?))
}

/// Whether anything of a day of receipt counts; what is registered is looked at first, which mostly does.
fn day_counts(connection: &Connection, whose: &mut Whose<'_>, day: u32) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT m.id FROM message m INDEXED BY message_sum WHERE m.day = ? AND {MAY_COUNT} ORDER BY m.state DESC"
    ))?;
    let mut rows = select.query([day])?;
    while let Some(row) = rows.next()? {
        if message_counts(connection, whose, row.get(0)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One seek of the index per day that has any.
fn input_days(
    connection: &Connection,
    whose: &mut Whose<'_>,
    from_day: u32,
    to_day: u32,
) -> Result<Vec<u32>, StoreError> {
    let mut next = connection.prepare_cached(&format!(
        "SELECT m.day FROM message m INDEXED BY message_sum WHERE m.day > ? AND m.day <= ? AND {MAY_COUNT}
         ORDER BY m.day LIMIT 1"
    ))?;
    let (mut days, mut after) = (Vec::new(), from_day.saturating_sub(1));
    while let Some(day) = next.query_row([after, to_day], |row| row.get(0)).optional()? {
        if day_counts(connection, whose, day)? {
            days.push(day);
        }
        after = day;
    }
    Ok(days)
}

fn last_before(connection: &Connection, whose: &mut Whose<'_>, day: u32) -> Result<Option<u32>, StoreError> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT m.day FROM message m INDEXED BY message_sum WHERE m.day < ? AND {MAY_COUNT} ORDER BY m.day DESC LIMIT 1"
    ))?;
    let mut before = day;
    while let Some(day) = select.query_row([before], |row| row.get(0)).optional()? {
        if day_counts(connection, whose, day)? {
            return Ok(Some(day));
        }
        before = day;
    }
    Ok(None)
}

fn registered_days(
    connection: &Connection,
    whose: &mut Whose<'_>,
    from_day: u32,
    to_day: u32,
) -> Result<Vec<u32>, StoreError> {
    let mut next = connection.prepare_cached(&format!(
        "SELECT m.registered_ms, m.id FROM message m INDEXED BY message_registered
         WHERE m.registered_ms IS NOT NULL AND m.registered_ms >= ? AND m.registered_ms < ? AND {MAY_COUNT}
         ORDER BY m.registered_ms"
    ))?;
    let (mut days, mut from, end) = (Vec::new(), begins(from_day), begins(to_day) + journal::DAY_MS);
    'seek: loop {
        let mut rows = next.query([from, end])?;
        while let Some(row) = rows.next()? {
            if message_counts(connection, whose, row.get(1)?)? {
                let day = journal::day(row.get(0)?);
                days.push(day);
                from = begins(day) + journal::DAY_MS;
                continue 'seek;
            }
        }
        return Ok(days);
    }
}

fn patients(connection: &Connection, whose: &mut Whose<'_>, to_day: u32) -> Result<u64, StoreError> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT u.patient, m.id FROM message m INDEXED BY message_registered JOIN unit u ON u.id = m.unit
         WHERE m.registered_ms IS NOT NULL AND m.registered_ms < ? AND {MAY_COUNT} AND u.patient <> ''"
    ))?;
    let mut rows = select.query([begins(to_day) + journal::DAY_MS])?;
    let mut patients = HashSet::new();
    while let Some(row) = rows.next()? {
        let patient = row.get_ref(0)?.as_str().unwrap_or_default();
        if !patients.contains(patient) && message_counts(connection, whose, row.get(1)?)? {
            patients.insert(patient.to_owned());
        }
    }
    Ok(patients.len() as u64)
}

/// When a day begins in Japan, in milliseconds since 1970; 1970 for what is no day.
fn begins(day: u32) -> i64 {
    let (year, month, day) = (day / 10_000, day / 100 % 100, day % 100);
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    date.map_or(0, |date| {
        date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis() - journal::OFFSET_MS
    })
}

/// Whether a message of that own time (`YYYYMMDD…`), received then, is history that was loaded in bulk.
pub(super) fn is_history(time: Option<&str>, received_ms: i64) -> bool {
    let day = time.and_then(|time| time.get(..8)).and_then(|day| day.parse().ok()).unwrap_or_default();
    let own = begins(day);
    own > 0 && received_ms - own > (HISTORY_DAYS + 1) * journal::DAY_MS
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        NOW, accept, arrival, complete_next, deliver, done, fresh, index, lab, next_delivery, quarantined,
        state,
    };
    use super::super::{Indexed, Selection, Settlement, State, StoreError};
    use super::{Activity, LedgerLine, begins, is_history};
    use renkei_translate::translation::Status;

    const DAY: i64 = 86_400_000;
    const TODAY: u32 = 20_260_105;

    #[test]
    fn days_begin_in_japan() {
        assert_eq!(begins(TODAY), NOW - 9 * 3_600_000);
        assert_eq!(begins(20_260_230), 0);
    }

    #[test]
    fn what_is_older_than_a_month_when_it_comes_is_history() {
        // NOW is the 5th of January at 09:00; the 4th of December lies 32 days before its midnight.
        assert!(!is_history(Some("20260105080000"), NOW));
        assert!(!is_history(Some("20251205000000"), NOW));
        assert!(is_history(Some("20251204000000"), NOW));
        for unreadable in [None, Some(""), Some("2025"), Some("20251399")] {
            assert!(!is_history(unreadable, NOW), "{unreadable:?}");
        }
    }

    fn lines(store: &super::FacilityStore, key: &[u8]) -> Vec<LedgerLine> {
        let mut lines = Vec::new();
        store
            .ledger_lines::<StoreError>(0, 99_991_231, key, |line| {
                lines.push(line);
                Ok(())
            })
            .unwrap();
        lines
    }

    #[tokio::test]
    async fn a_replay_moves_no_date_and_a_duplicate_counts_nowhere() {
        let (_dir, _root, store) = fresh();
        let first = accept(&store, "1", "a:").await;
        store.accept(arrival("1", "a:", NOW + 3 * DAY)).await.unwrap();
        index(&store);
        complete_next(&store, lab("u", 1, &["o"]));
        let nothing_sent = Activity {
            input_days: vec![TODAY],
            last_input_day: Some(TODAY),
            registered_days: Vec::new(),
            patients: 0,
        };
        assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), nothing_sent);
        deliver(&store);
        let sent = Activity { registered_days: vec![TODAY], patients: 1, ..nothing_sent };
        assert_eq!(store.activity(TODAY, TODAY + 20).unwrap(), sent);
        // Refused later on and sent again, on another day.
        accept(&store, "2", "a: changed").await;
        index(&store);
        complete_next(&store, lab("u", 2, &["o"]));
        let claim = next_delivery(&store).unwrap();
        store.settle(claim, Settlement::Rejected { status: 422, answer: Vec::new() }).unwrap();
        // The first by its number, for a newer version of the mappings, which makes the same of it.
        assert_eq!(store.replay(&Selection::Messages(vec![first])).unwrap(), 1);
        assert_eq!(store.replay(&Selection::State(State::Rejected)).unwrap(), 1);
        complete_next(&store, lab("u", 1, &["o"]));
        complete_next(&store, lab("u", 3, &["o"]));
        store.sweep(NOW + 9 * DAY).unwrap();
        let claim = store.claim_deliveries("base", NOW + 9 * DAY, 1).unwrap().pop().unwrap();
        let projection = store.projection(&claim).unwrap();
        store.settle(claim, Settlement::Registered { projection }).unwrap();
        assert_eq!(state(&store, first).0, State::Registered);
        let later = store.activity(TODAY, TODAY + 20).unwrap();
        assert_eq!(later.input_days, [TODAY]);
        // The second message is registered when the base first had it, the first one as before.
        assert_eq!(later.registered_days, [TODAY, TODAY + 9]);
        assert_eq!((later.last_input_day, later.patients), (Some(TODAY), 1));
        assert_eq!(store.activity(TODAY + 1, TODAY + 20).unwrap().last_input_day, Some(TODAY));
        assert_eq!(store.activity(TODAY - 3, TODAY - 1).unwrap(), Activity::default());
    }

    #[tokio::test]
    async fn test_patients_those_not_shared_and_history_count_nowhere() {
        let (_dir, _root, store) = fresh();
        for (name, reason) in [("1", "not-shared"), ("2", "test-patient")] {
            accept(&store, name, &format!("p{name}:")).await;
            index(&store);
            let mut message = lab(name, 1, &[]);
            (message.status, message.excluded) = (Status::Excluded, Some(reason));
            complete_next(&store, message);
        }
        let id = accept(&store, "3", "p3:").await;
        let old = Indexed {
            id,
            patients: vec!["p3".into()],
            time: Some("20240105090000000".into()),
            ..Indexed::default()
        };
        store.index(vec![old]).unwrap();
        complete_next(&store, lab("3", 1, &["o"]));
        deliver(&store);
        assert_eq!(store.activity(TODAY, TODAY).unwrap(), Activity::default());
        let lines = lines(&store, b"key");
        let told: Vec<_> = lines.iter().map(|l| (l.state, l.reason.as_deref(), l.history)).collect();
        assert_eq!(
            told,
            [
                (State::Excluded, Some("not-shared"), false),
                (State::Excluded, Some("test-patient"), false),
                (State::Registered, None, true),
            ]
        );
    }

    #[tokio::test]
    async fn the_ledger_tells_patients_apart_by_keys_of_one_export() {
        let (_dir, _root, store) = fresh();
        for (name, body) in [("1", "canary-a:"), ("2", "canary-b:"), ("3", "canary-a: again")] {
            accept(&store, name, body).await;
        }
        index(&store);
        for (number, claim) in store.claim(3).unwrap().into_iter().enumerate() {
            let mut message = quarantined(lab(&format!("u{number}"), 1, &[]));
            message.patient = None;
            message.unit = None;
            store.complete(vec![(claim, done(message))]).unwrap();
        }
        let keys = |secret: &[u8]| -> Vec<String> {
            lines(&store, secret).into_iter().map(|line| line.patient.unwrap()).collect()
        };
        let (one, other) = (keys(b"one"), keys(b"other"));
        // Two patients; the third message is still behind the first of its patient.
        assert_eq!((one.len(), one[0] == one[2], one[0] == one[1]), (3, true, false));
        assert!(one.iter().all(|key| key.len() == 32 && !key.contains("canary") && !other.contains(key)));
    }
}
