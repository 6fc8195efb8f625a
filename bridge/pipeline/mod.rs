//! The pipeline: reads what was journalled, translates it, has the outcome recorded.
//!
//! One task per facility. It indexes new messages (a light first look gives control id, patients, order
//! number), claims them in order per patient, and has batches translated on blocking threads, as many at once
//! over all facilities as [`Config::workers`] says. Trouble in a message holds that message; a fault in our own
//! code holds it too, as `internal-error`, and the process lives. It holds nothing that the store has not.

mod fenced;
mod sets;

pub use fenced::translate;
pub use sets::Sets;

use crate::store::{Claim, Completion, FacilityStore, Indexed, Journalled, StoreError};
use arc_swap::ArcSwap;
use renkei_translate::identity::IdKey;
use renkei_translate::mapping::MappingSet;
use renkei_translate::translation::{Context, Facility, Status};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Messages of one claim: one transaction records them together, and a crash repeats no more than these.
const BATCH: usize = 32;
/// Messages read at once to be indexed. They lie in memory with their bodies.
const INDEX_BATCH: usize = 64;
/// How often a facility is looked at without being rung: a replay asked for by another process rings nobody.
const POLL: Duration = Duration::from_millis(500);
/// After a failure of the store, doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Failures of the store are logged once in this time: a disk that is full stays so for a while.
const FAILURE_LOG: Duration = Duration::from_secs(60);
/// The longest pause after failures of the store.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// `[pipeline]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Batches translated at once over all facilities; 0 = one per core.
    pub workers: usize,
}

impl Config {
    /// The bound that all facilities share.
    pub fn permits(&self) -> Arc<Semaphore> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Semaphore::new(if self.workers == 0 { cores } else { self.workers }))
    }
}

/// What the pipeline of one facility works with.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The facility's store.
    pub store: Arc<FacilityStore>,
    /// The active mapping set; each batch takes the one that is active when it begins.
    pub set: Arc<ArcSwap<MappingSet>>,
    /// The facility's settings.
    pub facility: Arc<Facility>,
    /// The secret of ids.
    pub id_key: IdKey,
    /// Destinations of this facility, by name.
    pub destinations: Vec<String>,
    /// Shared by all facilities, see [`Config::permits`].
    pub permits: Arc<Semaphore>,
}

/// Starts the pipeline of a facility. Its task ends after the shutdown, when the batches in hand are recorded.
pub fn spawn(pipeline: Pipeline, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(pipeline.run(shutdown))
}

impl Pipeline {
    async fn run(self, shutdown: CancellationToken) {
        let arrivals = self.store.arrivals();
        let mut batches: JoinSet<Result<(), StoreError>> = JoinSet::new();
        let (mut pause, mut told) = (PAUSE_MIN, None);
        loop {
            // Registered before the store is asked, so that nothing arrives unheard in between.
            let rung = arrivals.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let starved = match self.round(&mut batches).await {
                Ok(starved) => {
                    pause = PAUSE_MIN;
                    starved
                }
                Err(failure) => {
                    self.failed(
                        "The store did not answer the pipeline, will try again.",
                        &failure,
                        &mut told,
                    );
                    if wait(pause, &shutdown).await {
                        break;
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                    continue;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = &mut rung, if !starved => {}
                Some(ended) = batches.join_next(), if !batches.is_empty() => {
                    if let Ok(Err(failure)) = ended {
                        self.failed("A batch could not be recorded, will try again.", &failure, &mut told);
                        if wait(pause, &shutdown).await {
                            break;
                        }
                    }
                }
                // All threads are at work for others: the first that is free is asked for and given back.
                _ = self.permits.acquire(), if starved => {}
                () = tokio::time::sleep(POLL), if !starved => {}
            }
        }
        while batches.join_next().await.is_some() {}
        info!(facility = self.store.code(), "The pipeline has stopped.");
    }

    fn failed(&self, message: &'static str, failure: &StoreError, told: &mut Option<Instant>) {
        if told.is_none_or(|told| told.elapsed() >= FAILURE_LOG) {
            error!(facility = self.store.code(), error = %failure, message);
            *told = Some(Instant::now());
        }
    }

    /// Indexes what is new and starts batches while there are messages and threads; whether threads lacked.
    async fn round(&self, batches: &mut JoinSet<Result<(), StoreError>>) -> Result<bool, StoreError> {
        loop {
            let this = self.clone();
            let more = blocking(move || this.index()).await?;
            // Nothing is translated without the layer that was meant to apply: what is indexed waits.
            while self.set.load().is_usable() {
                let Ok(permit) = self.permits.clone().try_acquire_owned() else { return Ok(true) };
                let store = self.store.clone();
                let claims = blocking(move || store.claim(BATCH)).await?;
                if claims.is_empty() {
                    break;
                }
                let this = self.clone();
                batches.spawn_blocking(move || this.batch(claims, permit));
            }
            if !more {
                return Ok(false);
            }
        }
    }

    /// Indexes one batch; whether there may be more.
    fn index(&self) -> Result<bool, StoreError> {
        let mut journalled = self.store.unindexed(INDEX_BATCH)?;
        let mut more = journalled.len() == INDEX_BATCH;
        if !self.set.load().is_usable() {
            // Whose rows they are, only the layout says: from the first of them on all wait, in their order.
            let readable = journalled.iter().take_while(|message| message.origin.feed.is_none()).count();
            more &= readable == journalled.len();
            journalled.truncate(readable);
        }
        if !journalled.is_empty() {
            metrics::counter!("renkei_messages_received_total", "facility" => self.store.code().to_owned())
                .increment(journalled.len() as u64);
            self.store.index(journalled.iter().map(|message| self.indexed(message)).collect())?;
        }
        Ok(more)
    }

    fn indexed(&self, message: &Journalled) -> Indexed {
        let peek = match &message.origin.feed {
            Some(part) => fenced::peek_feed(&self.set.load(), &message.body, part, &self.facility),
            None => fenced::peek(&message.body, &self.facility),
        };
        let file = message.origin.file.as_ref();
        let mut patients = peek.patients;
        // A file that cannot be read still stands in its patient's line.
        if let Some(file) = file
            && patients.is_empty()
        {
            patients.push(self.facility.patient_id.normalise(&file.patient));
        }
        Indexed {
            id: message.id,
            control_id: peek.control_id,
            patients,
            names: peek.names,
            more_orders: peek.more_orders,
            order_number: peek.order_number.or_else(|| file.map(|file| file.order_number.clone())),
            message_type: peek.message_type,
            time: file.map(|file| file.time.clone()).or(peek.time),
        }
    }

    /// Translates the claims and records the outcome in one transaction.
    fn batch(&self, claims: Vec<Claim>, permit: OwnedSemaphorePermit) -> Result<(), StoreError> {
        let set = self.set.load_full();
        let done: Vec<(Claim, Completion)> =
            claims.into_iter().map(|claim| self.completed(&set, claim)).collect();
        count(self.store.code(), &done);
        // Gives the claims back itself, whatever comes: once more would take them from whoever has them next.
        let result = self.store.complete(done);
        drop(permit);
        result
    }
}

impl Pipeline {
    fn completed(&self, set: &MappingSet, mut claim: Claim) -> (Claim, Completion) {
        let context = Context {
            facility: self.facility.clone(),
            id_key: self.id_key.clone(),
            file: claim.origin.file.clone(),
            path_patient: claim.origin.path_patient,
            lists: claim.origin.lists,
            feed: claim.origin.feed.clone(),
        };
        let translation = fenced::translate(set, &std::mem::take(&mut claim.body), &context);
        let mapping_version = set.version().to_owned();
        (claim, Completion { translation, mapping_version, destinations: self.destinations.clone() })
    }
}

fn count(facility: &str, done: &[(Claim, Completion)]) {
    for (_, completion) in done {
        let kind = completion.translation.kind.clone().unwrap_or_else(|| "unknown".into());
        let status = match completion.translation.status {
            Status::Translated => "translated",
            Status::Quarantined => "quarantined",
            Status::Excluded => "excluded",
        };
        metrics::counter!(
            "renkei_messages_translated_total",
            "facility" => facility.to_owned(), "kind" => kind, "status" => status
        )
        .increment(1);
    }
}

/// Waits; whether the shutdown came.
async fn wait(pause: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // The task ends by a panic only: it is a fault of the store, and the next round tries again.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Damaged("a task of the pipeline")))
}
