//! The appliance's own part: the facilities' stores, the key of ids, the audit trail.

use super::{Config, FacilityStore, OpenError, StoreError};
use renkei_translate::identity::IdKey;
use std::path::Path;
use std::sync::Arc;

/// All that the appliance keeps.
#[derive(Debug)]
pub struct Store {
    facilities: Vec<Arc<FacilityStore>>,
    audit: Audit,
    id_key: IdKey,
}

impl Store {
    /// Opens, and makes where it is missing, the store of these facilities.
    ///
    /// # Errors
    /// A directory or database that cannot be used, or one of a newer version.
    pub fn open(_dir: &Path, _facilities: &[String], _config: Config) -> Result<Arc<Self>, OpenError> {
        Err(OpenError::Code)
    }
    /// The store of a facility.
    pub fn facility(&self, code: &str) -> Option<Arc<FacilityStore>> {
        self.facilities.iter().find(|f| f.code() == code).cloned()
    }
    /// All of them, in the order of the configuration.
    pub fn facilities(&self) -> Vec<Arc<FacilityStore>> {
        self.facilities.clone()
    }
    /// The audit trail.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }
    /// The secret of ids, made once.
    pub fn id_key(&self) -> IdKey {
        self.id_key.clone()
    }
    /// Copies every file of the store, online, into a directory that is made for it.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
}

/// The audit trail: a chain of hashes.
#[derive(Debug)]
pub struct Audit {}

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AuditEntry {
    /// Number in the chain, from 1.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// Did what.
    pub action: String,
    /// To what.
    pub target: String,
    /// With what words.
    pub detail: String,
}

/// Where the chain is broken.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The entry was changed, or the one before it is gone.
    #[error("the audit trail is broken at entry {sequence}")]
    At {
        /// The first entry that does not fit.
        sequence: u64,
    },
    /// The trail could not be read.
    #[error("the audit trail cannot be read")]
    Store(#[from] StoreError),
}

impl Audit {
    /// Appends an entry and returns its number.
    ///
    /// # Errors
    /// The database.
    pub fn append(&self, _who: &str, _action: &str, _target: &str, _detail: &str) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    /// Reads the whole chain; the number of entries.
    ///
    /// # Errors
    /// The first entry that does not fit.
    pub fn verify(&self) -> Result<u64, Broken> {
        Err(StoreError::Closed.into())
    }
    /// The newest entries before that number, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn entries(&self, _before: Option<u64>, _limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        Err(StoreError::Closed)
    }
}
