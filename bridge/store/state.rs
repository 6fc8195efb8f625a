//! The store of one facility.

use super::{
    AcceptError, Arrival, Cause, Claim, Completion, DaySum, DeliveryClaim, Disk, Filter, Indexed, Journalled,
    MessageDetail, MessageId, MessageSummary, QueueDepth, Receipt, Selection, Settlement, StoreError,
    UnreadCount,
};
use crate::record::Projection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// The store of one facility.
#[derive(Debug)]
pub struct FacilityStore {
    code: String,
    dir: PathBuf,
    arrivals: Arc<Notify>,
    outbox: Arc<Notify>,
}

impl FacilityStore {
    /// Its code.
    pub fn code(&self) -> &str {
        &self.code
    }
    /// Its directory. For what a module remembers beside the store's own files, such as [`super::follow`].
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// Rings when something was accepted or is to be claimed again.
    pub fn arrivals(&self) -> Arc<Notify> {
        self.arrivals.clone()
    }
    /// Rings when something is to be delivered.
    pub fn outbox(&self) -> Arc<Notify> {
        self.outbox.clone()
    }
    /// Keeps a message and answers when it is on the disk.
    ///
    /// # Errors
    /// The message was not kept: the sender must be told so.
    pub async fn accept(&self, _arrival: Arrival) -> Result<Receipt, AcceptError> {
        Err(AcceptError::Closed)
    }
    /// How full its disk is.
    pub fn disk(&self) -> Disk {
        Disk { free_bytes: 0, low: false, full: false }
    }
    /// Messages that the state has not read, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database.
    pub fn unindexed(&self, _limit: usize) -> Result<Vec<Journalled>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Takes the first pass of the next messages in, in the order of `unindexed`.
    ///
    /// # Errors
    /// The database.
    pub fn index(&self, _indexed: Vec<Indexed>) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    /// Messages to translate, oldest first within a patient, whose patients no other claim holds.
    ///
    /// # Errors
    /// The database.
    pub fn claim(&self, _limit: usize) -> Result<Vec<Claim>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Records what became of claims, in one transaction.
    ///
    /// # Errors
    /// The database.
    pub fn complete(&self, _done: Vec<(Claim, Completion)>) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    /// Gives claims back untouched.
    pub fn release(&self, _claims: Vec<Claim>) {}
    /// Units to bring to a destination, one in flight per patient.
    ///
    /// # Errors
    /// The database.
    pub fn claim_deliveries(
        &self,
        _destination: &str,
        _now_ms: i64,
        _limit: usize,
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        Err(StoreError::Closed)
    }
    /// What the destination lacks of the unit, as it stands now.
    ///
    /// # Errors
    /// The database.
    pub fn projection(&self, _claim: &DeliveryClaim) -> Result<Projection, StoreError> {
        Err(StoreError::Closed)
    }
    /// Notes, before the request, that the destination may have these resources.
    ///
    /// # Errors
    /// The database.
    pub fn begin_send(&self, _claim: &DeliveryClaim, _projection: &Projection) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    /// Records how a delivery ended.
    ///
    /// # Errors
    /// The database.
    pub fn settle(&self, _claim: DeliveryClaim, _settlement: Settlement) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    /// The balance by day of receipt, days without messages left out.
    ///
    /// # Errors
    /// The database.
    pub fn sums(&self, _from_day: u32, _to_day: u32) -> Result<Vec<DaySum>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Everything known of a message.
    ///
    /// # Errors
    /// The database.
    pub fn message(&self, _id: MessageId) -> Result<Option<MessageDetail>, StoreError> {
        Err(StoreError::Closed)
    }
    /// A list of messages, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn messages(&self, _filter: &Filter) -> Result<Vec<MessageSummary>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Why messages are held, the most frequent first.
    ///
    /// # Errors
    /// The database.
    pub fn causes(&self) -> Result<Vec<Cause>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Valued positions that no rule read.
    ///
    /// # Errors
    /// The database.
    pub fn unread(&self) -> Result<Vec<UnreadCount>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Puts messages back to be translated again; how many.
    ///
    /// # Errors
    /// The database.
    pub fn replay(&self, _selection: &Selection) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    /// Leaves messages out for good (`discarded`); how many.
    ///
    /// # Errors
    /// The database.
    pub fn discard(&self, _selection: &Selection, _reason: &str) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    /// What waits for a destination.
    ///
    /// # Errors
    /// The database.
    pub fn queue(&self, _destination: &str) -> Result<QueueDepth, StoreError> {
        Err(StoreError::Closed)
    }
    /// When the last message of a feed came.
    ///
    /// # Errors
    /// The database.
    pub fn last_received_ms(&self, _feed: &str) -> Result<Option<i64>, StoreError> {
        Err(StoreError::Closed)
    }
    /// `(type, id)` of everything that the record holds live, by type.
    ///
    /// # Errors
    /// The database.
    pub fn record_ids(&self) -> Result<Vec<(String, String)>, StoreError> {
        Err(StoreError::Closed)
    }
    /// Copies its files, online, into a directory that exists.
    ///
    /// # Errors
    /// The database.
    pub fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
}
