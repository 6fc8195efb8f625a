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
mod delivery;
#[cfg(test)]
mod discard_tests;
mod disk;
mod durable;
#[cfg(test)]
mod edges;
pub mod follow;
mod ground;
mod index;
mod journal;
mod ledger;
mod quarantine;
mod query;
mod rebuild;
mod reserve;
mod schema;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod types;

pub use accept::Offered;
pub use appliance::{Audit, AuditEntry, Broken, Store, inspect};
pub use disk::{Config, Disk};
pub use durable::{DURABLE_POINTS, durable_point};
pub use journal::day_of_file as journal_day;
pub use state::FacilityStore;
pub use types::{
    AcceptError, Arrival, Cause, Claim, Completion, DaySum, DeliveryClaim, DeliveryView, Filter, Indexed,
    Journalled, MessageDetail, MessageId, MessageSummary, OpenError, Origin, QueueDepth, Receipt, Selection,
    Settlement, State, StoreError, UnreadCount,
};
