//! The store: everything that must survive, behind the promises `accept / claim / complete / settle`.
//!
//! A directory per facility holds `state.sqlite` (queue, units, deliveries, ledger, findings) and one journal
//! segment per day of receipt, `journal-YYYYMMDD.sqlite`; one more directory, `appliance`, holds the audit trail
//! and the key of ids. Every file is in WAL mode with `synchronous = FULL` and has one writer, so that what
//! was answered is on the disk. No commit spans two files: `state.sqlite` keeps per segment how far it has
//! read and catches up by itself. SQL is spoken in this module and nowhere else; no other module's worker is
//! ever called from here.

mod accept;
mod appliance;
mod backup;
#[cfg(test)]
mod balance;
mod claim;
mod complete;
mod consent;
mod consent_list;
#[cfg(test)]
mod consent_tests;
mod counts;
mod delivery;
#[cfg(test)]
mod discard_tests;
mod disk;
mod durable;
#[cfg(test)]
mod edges;
mod files;
pub mod follow;
mod ground;
mod index;
mod journal;
mod layers;
mod ledger;
mod merge;
#[cfg(test)]
mod merge_tests;
mod participation;
mod parts;
#[cfg(test)]
mod parts_tests;
mod quarantine;
mod query;
mod rebuild;
mod reserve;
pub mod restore;
#[cfg(test)]
mod restore_tests;
mod retention;
#[cfg(test)]
mod retranslate_tests;
mod schema;
mod sealed;
#[cfg(test)]
mod search_tests;
mod segment;
mod sharing;
mod state;
#[cfg(test)]
mod tests;
mod types;
#[cfg(test)]
mod upkeep;
mod users;
mod whose;
#[cfg(test)]
mod whose_tests;
#[cfg(test)]
mod yields_tests;

pub use accept::Offered;
pub use appliance::{Audit, AuditEntry, AuditFilter, Broken, Store, inspect, inspect_identity};
pub use backup::{BackupConfig, BackupError, Made, Manifest};
pub use consent_list::{ConsentChange, ConsentImport, ConsentRow, ConsentStatus};
pub use disk::{Config, Disk, RETENTION_MIN};
pub use durable::{CONSENT_POINTS, DURABLE_POINTS, durable_point};
pub use files::{FILE_LINES, FileOf, FileSum, OtherFile};
pub use journal::day_of_file as journal_day;
pub use layers::{Activation, LayerVersion, Layers, Lies, MAX_TEXT, NETWORK, Saved, SetName};
pub use participation::{Activity, HISTORY_DAYS, LedgerLine};
pub use quarantine::{Cause, Selection};
pub use retention::{AUDIT_RETENTION, Dropped};
pub use sealed::{BackupKey, SealError};
pub use sharing::{FOREVER, Share, Sharing, TestPatients, Withdrawal, day_in_japan, half_width};
pub use state::FacilityStore;
pub use types::{
    AcceptError, Arrival, Claim, Completion, DaySum, DeliveryClaim, DeliveryView, Filter, Indexed,
    Journalled, MessageDetail, MessageId, MessageSummary, OpenError, Origin, QueueDepth, Receipt, Settlement,
    State, StoreError, UnmappedCount, UnreadCount,
};
pub use users::{ADMINISTRATOR, Change, Credentials, NewUser, Session, User, Users};
