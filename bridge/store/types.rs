//! What goes into the store and comes out of it.

use crate::record::Projection;
use renkei_translate::feed::Part;
use renkei_translate::finding::Finding;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient, Translation};
use std::collections::BTreeMap;

/// The number of a message: day of receipt × 1,000,000,000 + row in that day's journal. Says nothing of a
/// patient, so it may stand in a log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct MessageId(pub i64);

/// Messages of a facility in one day: far beyond what a facility sends.
const ROWS_A_DAY: i64 = 1_000_000_000;

impl MessageId {
    /// The message of that row in the journal of that day (`YYYYMMDD`).
    pub fn new(day: u32, row: i64) -> Self {
        Self(i64::from(day) * ROWS_A_DAY + row)
    }
    /// Day of receipt, `YYYYMMDD`, in Japan.
    pub fn day(self) -> u32 {
        u32::try_from(self.0 / ROWS_A_DAY).unwrap_or_default()
    }
    /// Row in that day's journal, from 1.
    pub fn row(self) -> i64 {
        self.0 % ROWS_A_DAY
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for MessageId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Where a message came from: everything that its translation may know besides its bytes, so that it can be
/// translated again.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "super::journal::OriginRow", into = "super::journal::OriginRow")]
pub struct Origin {
    /// What path and file name say, for a file of a storage.
    pub file: Option<FileName>,
    /// For a file of a storage.
    pub path_patient: PathPatient,
    /// For list messages of the feed.
    pub lists: Lists,
    /// The listener or the folder, by its name in the configuration.
    pub source: String,
    /// Which rows of a proprietary file the bytes are.
    pub feed: Option<Part>,
    /// Which file that is: a digest of all its bytes, 32 hexadecimal digits. A sender may use one name for several. Empty
    /// for what is no part of a file, and for what came before it was kept.
    pub file_digest: String,
    /// What the message is about, as a digest: one of the same subject and bytes as the last is a repetition,
    /// whatever its name. Empty where the name tells messages apart.
    pub subject: String,
}

/// A message at the door.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The feed, by its name in the configuration.
    pub feed: String,
    /// Control id or file name.
    pub name: String,
    /// The bytes as received.
    pub body: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
    /// When, in milliseconds since 1970.
    pub received_ms: i64,
    /// How far back the same name counts as the same message.
    pub duplicate_window_ms: i64,
}

/// The store has it: what the sender may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its number.
    pub id: MessageId,
    /// The message that this one repeats, name and body.
    pub duplicate_of: Option<MessageId>,
    /// The name was used before in the window, with another body.
    pub id_reused: bool,
}

/// Why a message was not taken. The sender must be told so, and will send again.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Under the hard limit, or the disk is full. Lifts by itself.
    #[error("the journal's disk is full: {free_bytes} bytes left")]
    Full {
        /// Bytes free on the journal's file system.
        free_bytes: u64,
    },
    /// The journal could not be written.
    #[error("cannot write the journal")]
    Journal(#[from] rusqlite::Error),
    /// A write to the disk failed once: what is on it is not known until a start reads it again.
    #[error("the journal's disk failed; the appliance must be started again")]
    Broken,
    /// The store is closing.
    #[error("the store is closing")]
    Closed,
}

impl AcceptError {
    /// Whether the same message may be taken later without anybody doing anything here.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A directory or file could not be made, read or protected.
    #[error("cannot use the data directory: {0}")]
    Io(#[from] std::io::Error),
    /// A database could not be opened.
    #[error("cannot open {file}: {error}")]
    Database {
        /// The file's name, without its directory.
        file: String,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// Written by a newer version.
    #[error("{file} was written by a newer version ({found} > {known})")]
    Newer {
        /// The file's name.
        file: String,
        /// Its version.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// The secret of ids cannot be read.
    #[error("the identity key {path} cannot be used: {reason}")]
    Key {
        /// Its file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The secret of ids is not the one that this store was made with.
    #[error(
        "the identity key is not the one that this store was made with: with another everything would be registered \
         a second time. Put the right key back, from the backup if need be"
    )]
    OtherKey,
    /// A facility code that cannot name a directory.
    #[error("a facility code must be letters, digits, - or _")]
    Code,
}

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    /// A file could not be read or written.
    #[error("a file of the store failed")]
    Io(#[from] std::io::Error),
    /// The disk is full. Lifts by itself.
    #[error("the disk is full")]
    Full,
    /// What is stored cannot be read back.
    #[error("a stored value cannot be read: {0}")]
    Damaged(&'static str),
    /// A caller broke the order of a promise.
    #[error("out of order: {0}")]
    Order(&'static str),
    /// The store is closing.
    #[error("the store is closing")]
    Closed,
}

impl StoreError {
    /// Whether the same call may succeed later: the disk was full or the database busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::DatabaseBusy)
            ),
            _ => false,
        }
    }
}

/// A message of the journal that the state has not read yet.
#[derive(Clone, Debug)]
pub struct Journalled {
    /// Its number.
    pub id: MessageId,
    /// The feed.
    pub feed: String,
    /// Control id or file name.
    pub name: String,
    /// The bytes; none for a duplicate.
    pub body: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
    /// When.
    pub received_ms: i64,
    /// The message that it repeats.
    pub duplicate_of: Option<MessageId>,
}

/// What a light first pass found in a message.
#[derive(Clone, Debug, Default)]
pub struct Indexed {
    /// Its number.
    pub id: MessageId,
    /// MSH-10.
    pub control_id: Option<String>,
    /// Patients that it is about, normalised: PID-3.1, MRG-1.1.
    pub patients: Vec<String>,
    /// Names of the patient as PID-5 has them, each as one text.
    pub names: Vec<String>,
    /// Order number.
    pub order_number: Option<String>,
    /// The numbers of its other orders.
    pub more_orders: Vec<String>,
    /// `ADT^A08`.
    pub message_type: Option<String>,
    /// Order time.
    pub time: Option<String>,
}

/// A message to be translated. Give it back by `complete` or `release`.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its number.
    pub id: MessageId,
    /// The bytes as received.
    pub body: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
    /// The feed.
    pub feed: String,
    /// Control id or file name.
    pub name: String,
    /// The patients held by this claim.
    pub patients: Vec<String>,
    /// When it was received.
    pub received_ms: i64,
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The translation.
    pub translation: Translation,
    /// The mapping set's version.
    pub mapping_version: String,
    /// The destinations of this facility, by name.
    pub destinations: Vec<String>,
}

/// One state, one word: the same in code, API, command line and console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Received, and not yet answered by the base.
    Pending,
    /// Held with an error in its translation.
    Quarantined,
    /// Held by a destination's check.
    Held,
    /// Refused by the base.
    Rejected,
    /// Left out on purpose.
    Excluded,
    /// The base has it.
    Registered,
}

impl State {
    /// Every state, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Quarantined, Self::Held, Self::Rejected, Self::Excluded, Self::Registered];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Quarantined => "quarantined",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Excluded => "excluded",
            Self::Registered => "registered",
        }
    }

    /// The state of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A unit to bring to a destination. Give it back by `settle`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// The unit's key.
    pub unit: String,
    /// Its kind: `lab`.
    pub kind: String,
    /// Its patient; empty where it has none.
    pub patient: String,
    /// The destination's name.
    pub destination: String,
    /// The version to bring.
    pub version: i64,
    /// Attempts before this one since the unit last changed.
    pub attempts: u32,
    /// Since when the unit has been waiting.
    pub since_ms: i64,
    /// Who is shared, as it stood at the claim: moves with every change.
    pub epoch: i64,
    /// Whether the unit is shared with the destination; if not, what it has is to be deleted.
    pub shared: bool,
    /// When it was claimed: the day on which it counts as registered, if it is.
    pub claimed_ms: i64,
}

/// How a delivery ended.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// The destination has taken it (or there was nothing to send).
    Registered {
        /// What was sent.
        projection: Projection,
    },
    /// The destination refuses it and will go on refusing.
    Rejected {
        /// HTTP status.
        status: u16,
        /// The answer's body (an OperationOutcome), kept up to 64 KiB.
        answer: Vec<u8>,
    },
    /// Try again.
    Retry {
        /// Not before.
        at_ms: i64,
        /// A code for people: `timeout`, `unavailable`.
        error: &'static str,
    },
    /// The destination's own check holds it back.
    Held {
        /// Why.
        findings: Vec<Finding>,
    },
}

/// The balance of one day of receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DaySum {
    /// `YYYYMMDD`, in Japan.
    pub day: u32,
    /// Messages in the journal of that day, counted there.
    pub received: u64,
    /// The base has them.
    pub registered: u64,
    /// Not yet translated, or not yet answered by the base.
    pub pending: u64,
    /// Held with a reason, by their translation or by a destination's check.
    pub quarantined: u64,
    /// Refused by the base.
    pub rejected: u64,
    /// Left out on purpose.
    pub excluded: u64,
    /// The excluded ones by reason.
    pub by_reason: BTreeMap<String, u64>,
}

impl DaySum {
    /// received = registered + pending + quarantined + rejected + excluded. A difference is an alarm.
    pub fn balanced(&self) -> bool {
        self.received == self.registered + self.pending + self.quarantined + self.rejected + self.excluded
    }

    /// Adds another day or facility.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.registered += other.registered;
        self.pending += other.pending;
        self.quarantined += other.quarantined;
        self.rejected += other.rejected;
        self.excluded += other.excluded;
        for (reason, count) in &other.by_reason {
            *self.by_reason.entry(reason.clone()).or_default() += count;
        }
    }
}

/// Which messages to list. Newest first; every part is optional.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A patient, normalised.
    pub patient: Option<String>,
    /// A patient, under any of these ids.
    pub patients: Vec<String>,
    /// Control id or file name.
    pub name: Option<String>,
    /// Order number.
    pub order: Option<String>,
    /// A feed.
    pub feed: Option<String>,
    /// A message file of the mapping set: `OML-11`.
    pub kind: Option<String>,
    /// A state.
    pub state: Option<State>,
    /// Any of these states.
    pub states: Vec<State>,
    /// Why left out.
    pub reason: Option<String>,
    /// First day of receipt, `YYYYMMDD`.
    pub from_day: Option<u32>,
    /// Last day of receipt.
    pub to_day: Option<u32>,
    /// Only messages with a smaller number: the next page.
    pub before: Option<MessageId>,
    /// At most so many; 0 means 100, more than 1,000 is taken as 1,000.
    pub limit: usize,
}

/// One line of a list of messages.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct MessageSummary {
    /// Its number.
    pub id: MessageId,
    /// The feed.
    pub feed: String,
    /// Control id or file name: patient data for a storage.
    pub name: String,
    /// MSH-10.
    pub control_id: Option<String>,
    /// `ADT^A08`.
    pub message_type: Option<String>,
    /// The message file that read it: `OML-11`.
    pub kind: Option<String>,
    /// When received.
    pub received_ms: i64,
    /// Order time.
    pub time: Option<String>,
    /// Its state.
    pub state: State,
    /// Why left out, or why it waits (`behind-quarantined`).
    pub reason: Option<String>,
    /// Its patients.
    pub patients: Vec<String>,
    /// Errors found in it.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// The mapping set that translated it.
    pub mapping_version: Option<String>,
}

/// Everything known of one message.
#[derive(Clone, Debug)]
pub struct MessageDetail {
    /// The line of the list.
    pub summary: MessageSummary,
    /// The bytes as received; a duplicate shows those of the first.
    pub body: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
    /// Order number.
    pub order_number: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The mapping set that translated it.
    pub mapping_version: Option<String>,
    /// The message that it repeats.
    pub duplicate_of: Option<MessageId>,
    /// Its name had been used with another body.
    pub id_reused: bool,
    /// Key of its unit.
    pub unit: Option<String>,
    /// Kind of its unit.
    pub unit_kind: Option<String>,
    /// The unit's version that it made.
    pub version: Option<i64>,
    /// `(type, id)` of what the unit has now.
    pub entries: Vec<(String, String)>,
    /// The unit's deliveries.
    pub deliveries: Vec<DeliveryView>,
}

/// One delivery as shown.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// The destination's name.
    pub destination: String,
    /// Its state.
    pub state: State,
    /// The version wanted.
    pub version: i64,
    /// The version that the destination has; 0 = none.
    pub settled_version: i64,
    /// Attempts since the unit last changed.
    pub attempts: u32,
    /// Not before.
    pub next_ms: i64,
    /// HTTP status of the last answer.
    pub status: Option<u16>,
    /// Its body, for a rejection.
    pub answer: Vec<u8>,
    /// Why it will be tried again.
    pub error: Option<String>,
    /// Why it is held.
    pub findings: Vec<Finding>,
    /// Why the unit is not shared with the destination: `not-shared`, `test-patient`.
    pub unshared: Option<String>,
}

/// What waits for a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct QueueDepth {
    /// Units waiting.
    pub pending: u64,
    /// Units held by its check.
    pub held: u64,
    /// Units refused by it.
    pub rejected: u64,
    /// Since when the oldest waiting one has been waiting.
    pub oldest_ms: Option<i64>,
}

/// A valued position that no rule read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnreadCount {
    /// The feed.
    pub feed: String,
    /// The message file: `OML-11`.
    pub kind: String,
    /// The mapping set's version.
    pub mapping_version: String,
    /// `OBX-17`.
    pub position: String,
    /// Messages in which it was met.
    pub count: u64,
    /// The last of them.
    pub example: MessageId,
}

/// A code that no table knew. It holds nothing of a patient.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnmappedCount {
    /// The table: `hot-yj`.
    pub table: String,
    /// The code system as messages name it.
    pub system: String,
    /// The code; empty where it could not be kept, because it may be something else than a code.
    pub code: String,
    /// Where it was met last, as printed: `RXC[2]-2`.
    pub position: String,
    /// Messages in which it was met.
    pub count: u64,
    /// The last of them.
    pub example: MessageId,
}
