//! Consent: the lists of patients who are shared, their ways in, and the round that applies them.
//!
//! [`list`] reads a file, [`folder`] is the drop folder, [`import`] is the one way into the store for folder, command
//! and console alike: audited with counts and the file's hash, and never a word of a patient. The task of a
//! facility sweeps: at its start, after a change by whichever process, and when the day turns in Japan.

mod folder;
mod list;

pub use folder::SETTLE;
pub use list::{List, MAX_LIST_BYTES, parse};

use crate::store::{ConsentChange, FacilityStore, Store, StoreError, day_in_japan};
use folder::Folder;
use renkei_translate::finding::{Finding, Language, sentence};
use renkei_translate::translation::PatientIdRule;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How often the sweep and the drop folder are looked at. A change by another process rings nobody.
const ROUND: Duration = Duration::from_secs(1);

/// Why a list was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// Rows of it are wrong; the old list stands.
    #[error("the list has {} bad rows; the old list stands", .0.bad)]
    Refused(Box<List>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a list in, whole, and writes it to the audit trail; also that one was refused.
///
/// # Errors
/// A list with a bad row; the store. Then the old list stands.
pub fn import(
    store: &Store,
    facility: &FacilityStore,
    list: List,
    (who, source): (&str, &str),
    now_ms: i64,
) -> Result<ConsentChange, ConsentError> {
    if !list.is_good() {
        let detail = format!("source={source} sha256={} bad-rows={}", list.hash, list.bad);
        store.audit().append(who, "consent-refused", facility.code(), &detail)?;
        return Err(ConsentError::Refused(Box::new(list)));
    }
    let change = facility.consent_preview(&list.rows)?;
    let detail = format!("source={source} sha256={} charset={} {change}", list.hash, list.encoding);
    store.audit().append(who, "consent-import", facility.code(), &detail)?;
    Ok(facility.consent_replace(list.rows, now_ms, source, &list.hash)?)
}

/// A finding as a line for people: position, code and both sentences.
pub fn line(finding: &Finding) -> String {
    let said = |language| sentence(&finding.code, language).unwrap_or_default();
    format!(
        "{}\t{}\t{}\t{} {}",
        finding.location.position,
        finding.code,
        finding.detail.as_deref().unwrap_or_default(),
        said(Language::Ja),
        said(Language::En)
    )
}

/// What the task of one facility works with.
#[derive(Clone, Debug)]
pub struct Consent {
    /// All that is kept, for the audit trail.
    pub store: Arc<Store>,
    /// The facility's store.
    pub facility: Arc<FacilityStore>,
    /// How its patient ids are written.
    pub rule: PatientIdRule,
    /// Its drop folder.
    pub folder: Option<PathBuf>,
}

/// Starts the task of a facility. It ends after the shutdown.
pub fn spawn(consent: Consent, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(consent.run(shutdown))
}

impl Consent {
    /// Says so once where nothing can leave for want of a list: the default is safe, and must not look like a fault.
    async fn say_nobody(&self) {
        let facility = self.facility.clone();
        let today = day_in_japan(chrono::Utc::now().timestamp_millis());
        let status = tokio::task::spawn_blocking(move || facility.consent_status(today)).await;
        if let Ok(Ok(status)) = status
            && status.nobody()
        {
            warn!(
                facility = self.facility.code(),
                "The consent list is empty: nobody is shared, nothing is sent."
            );
        }
    }

    async fn run(self, shutdown: CancellationToken) {
        let mut folder = self.folder.clone().map(|dir| Folder::new(dir, SETTLE));
        let mut failing = false;
        self.say_nobody().await;
        loop {
            let this = self.clone();
            let round = tokio::task::spawn_blocking(move || {
                let now_ms = chrono::Utc::now().timestamp_millis();
                if let Some(folder) = &mut folder {
                    folder.round(&this, now_ms);
                }
                (this.facility.sweep(now_ms), folder)
            });
            let result = match round.await {
                Ok((result, back)) => {
                    folder = back;
                    result
                }
                // A fault of our own: the folder is looked at anew, the sweep goes on where its marks are.
                Err(_) => {
                    folder = self.folder.clone().map(|dir| Folder::new(dir, SETTLE));
                    Err(StoreError::Closed)
                }
            };
            match result {
                Ok(patients @ 1..) => {
                    info!(facility = self.facility.code(), patients, "Who is shared was applied.");
                    failing = false;
                }
                Ok(0) => failing = false,
                Err(problem) if !std::mem::replace(&mut failing, true) => {
                    error!(facility = self.facility.code(), error = %problem, "Who is shared could not be applied, will try again.");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }
}
