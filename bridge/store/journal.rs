//! The journal: bytes as received, one segment a day.

use super::{Journalled, MessageId, Origin, StoreError, schema};
use renkei_translate::feed::Part;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// [`Origin`] as written in the journal. Short keys: it is written once a message.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct OriginRow {
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    file: Option<FileName>,
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    path_warns: bool,
    #[serde(rename = "i", default, skip_serializing_if = "std::ops::Not::not")]
    incremental: bool,
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    feed: Option<Part>,
    #[serde(rename = "d", default, skip_serializing_if = "String::is_empty")]
    file_digest: String,
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    subject: String,
}

impl From<Origin> for OriginRow {
    fn from(origin: Origin) -> Self {
        Self {
            file: origin.file,
            path_warns: origin.path_patient == PathPatient::Warn,
            incremental: origin.lists == Lists::Incremental,
            source: origin.source,
            feed: origin.feed,
            file_digest: origin.file_digest,
            subject: origin.subject,
        }
    }
}

impl From<OriginRow> for Origin {
    fn from(row: OriginRow) -> Self {
        Self {
            file: row.file,
            path_patient: if row.path_warns { PathPatient::Warn } else { PathPatient::Error },
            lists: if row.incremental { Lists::Incremental } else { Lists::Whole },
            source: row.source,
            feed: row.feed,
            file_digest: row.file_digest,
            subject: row.subject,
        }
    }
}

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Japan has one time and no summer time.
pub(super) const OFFSET_MS: i64 = 9 * 3_600_000;

/// Bytes that one `unindexed` reads at most, so that memory stays bounded whatever the messages' size.
const READ_BYTES: usize = 16 << 20;

/// Segments held open for reading.
const OPEN: usize = 8;

/// The day of a time, `YYYYMMDD`, in Japan.
pub(super) fn day(ms: i64) -> u32 {
    use chrono::Datelike;
    let at = chrono::DateTime::from_timestamp_millis(ms.saturating_add(OFFSET_MS)).unwrap_or_default();
    u32::try_from(at.year()).unwrap_or_default() * 10_000 + at.month() * 100 + at.day()
}

pub(super) fn file_name(day: u32) -> String {
    format!("journal-{day:08}.sqlite")
}

pub(super) fn path(dir: &Path, day: u32) -> PathBuf {
    dir.join(file_name(day))
}

/// The day, `YYYYMMDD`, of a segment's file name.
pub fn day_of_file(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".sqlite")?;
    (digits.len() == 8).then(|| digits.parse().ok())?
}

/// A message of the journal without its bytes.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub feed: String,
    pub name: String,
    pub received_ms: i64,
    pub duplicate_of: Option<i64>,
    pub id_reused: bool,
    pub refused: bool,
    pub file_digest: String,
}

/// Reads segments.
#[derive(Debug)]
pub(super) struct Reader {
    dir: PathBuf,
    days: Arc<Mutex<BTreeSet<u32>>>,
    open: Mutex<BTreeMap<u32, Connection>>,
}

impl Reader {
    pub fn new(dir: PathBuf, days: Arc<Mutex<BTreeSet<u32>>>) -> Self {
        Self { dir, days, open: Mutex::default() }
    }

    /// Days that have a segment, oldest first.
    pub fn days(&self) -> Result<Vec<u32>, StoreError> {
        Ok(self.days.lock().map_err(|_| StoreError::Closed)?.iter().copied().collect())
    }

    fn with<T>(
        &self,
        day: u32,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut open = self.open.lock().map_err(|_| StoreError::Closed)?;
        if !open.contains_key(&day) {
            if open.len() >= OPEN {
                open.pop_first();
            }
            open.insert(day, schema::open_reader(&path(&self.dir, day))?);
        }
        read(open.get(&day).ok_or(StoreError::Closed)?)
    }

    /// Forgets a day whose segment goes.
    pub fn forget(&self, day: u32) -> Result<(), StoreError> {
        self.days.lock().map_err(|_| StoreError::Closed)?.remove(&day);
        self.open.lock().map_err(|_| StoreError::Closed)?.remove(&day);
        Ok(())
    }

    /// Rows of a day.
    pub fn rows(&self, day: u32) -> Result<i64, StoreError> {
        self.with(day, |c| Ok(c.query_row("SELECT coalesce(max(row), 0) FROM message", [], |r| r.get(0))?))
    }

    /// Refusals of a day that are counted and not kept.
    pub fn refused(&self, day: u32) -> Result<i64, StoreError> {
        self.with(day, |c| Ok(c.query_row("SELECT coalesce(sum(more), 0) FROM refused", [], |r| r.get(0))?))
    }

    /// Messages of a day behind a row.
    pub fn after(&self, day: u32, mark: i64, limit: usize) -> Result<Vec<(Journalled, Head)>, StoreError> {
        self.with(day, |connection| {
            let mut select = connection.prepare_cached(
                "SELECT row, feed, name, received_ms, duplicate_of, id_reused, origin, body, refused FROM message
                 WHERE row > ? ORDER BY row LIMIT ?",
            )?;
            let mut rows = select.query(params![mark, i64::try_from(limit).unwrap_or(i64::MAX)])?;
            let (mut messages, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let message = journalled(day, row)?;
                bytes += message.0.body.len();
                messages.push(message);
                if bytes >= READ_BYTES {
                    break;
                }
            }
            Ok(messages)
        })
    }

    /// One message.
    pub fn message(&self, id: MessageId) -> Result<Option<(Journalled, Head)>, StoreError> {
        if !self.days()?.contains(&id.day()) {
            return Ok(None);
        }
        self.with(id.day(), |connection| {
            let mut select = connection.prepare_cached(
                "SELECT row, feed, name, received_ms, duplicate_of, id_reused, origin, body, refused FROM message WHERE row = ?",
            )?;
            let mut rows = select.query([id.row()])?;
            rows.next()?.map(|row| journalled(id.day(), row)).transpose()
        })
    }
}

fn journalled(day: u32, row: &rusqlite::Row<'_>) -> Result<(Journalled, Head), StoreError> {
    let origin = row.get_ref(6)?.as_str().map_err(|_| StoreError::Damaged("origin"))?;
    let origin: Origin = serde_json::from_str(origin).map_err(|_| StoreError::Damaged("origin"))?;
    let head = Head {
        feed: row.get(1)?,
        name: row.get(2)?,
        received_ms: row.get(3)?,
        duplicate_of: row.get(4)?,
        id_reused: row.get(5)?,
        refused: row.get(8)?,
        file_digest: origin.file_digest.clone(),
    };
    let message = Journalled {
        id: MessageId::new(day, row.get(0)?),
        feed: head.feed.clone(),
        name: head.name.clone(),
        origin,
        body: row.get::<_, Option<Vec<u8>>>(7)?.unwrap_or_default(),
        received_ms: head.received_ms,
        duplicate_of: head.duplicate_of.map(MessageId),
    };
    Ok((message, head))
}
