//! The loop from one facility to one base: claim, check, send, settle.
//!
//! What it needs of the store is [`Outbox`], so that a test can have one in memory that fails when told to.

use super::answer::Outcome;
use super::breaker::{Breaker, Permit, Turn};
use super::client::Client;
use super::config::Base;
use super::now_ms;
use super::retry::backoff;
use super::status::{BreakerState, Status, Statuses};
use crate::record::Projection;
use crate::store::{DeliveryClaim, FacilityStore, QueueDepth, Settlement, StoreError, durable_point};
use renkei_translate::finding::{Finding, Severity};
use renkei_translate::profile;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// The store wakes us when there is work; this finds what waited for its time, and what a wake missed.
const POLL: Duration = Duration::from_secs(1);

/// Requests in flight get this long after the shutdown; the whole appliance has five seconds.
const GRACE: Duration = Duration::from_secs(3);

/// Between two counts of what waits, for the gauge.
const QUEUE_EVERY: Duration = Duration::from_secs(5);

/// After the store refused: a full disk, most likely, that somebody is emptying.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// What a lane needs of a facility's store. See [`FacilityStore`] for the promises.
pub trait Outbox: Send + Sync + 'static {
    /// The facility.
    fn code(&self) -> &str;
    /// Told when there is something to send.
    fn outbox(&self) -> Arc<Notify>;
    /// Deliveries that are due, one in flight per patient.
    fn claim_deliveries(
        &self,
        destination: &str,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<DeliveryClaim>, StoreError>;
    /// What the destination lacks.
    fn projection(&self, claim: &DeliveryClaim) -> Result<Projection, StoreError>;
    /// Notes what may be there from now on; false where who is shared has changed and nothing may be sent.
    fn begin_send(&self, claim: &DeliveryClaim, projection: &Projection) -> Result<bool, StoreError>;
    /// Records how it ended.
    fn settle(&self, claim: DeliveryClaim, settlement: Settlement) -> Result<(), StoreError>;
    /// What waits.
    fn queue(&self, destination: &str) -> Result<QueueDepth, StoreError>;
}

impl Outbox for FacilityStore {
    fn code(&self) -> &str {
        FacilityStore::code(self)
    }
    fn outbox(&self) -> Arc<Notify> {
        FacilityStore::outbox(self)
    }
    fn claim_deliveries(
        &self,
        destination: &str,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        FacilityStore::claim_deliveries(self, destination, now_ms, limit)
    }
    fn projection(&self, claim: &DeliveryClaim) -> Result<Projection, StoreError> {
        FacilityStore::projection(self, claim)
    }
    fn begin_send(&self, claim: &DeliveryClaim, projection: &Projection) -> Result<bool, StoreError> {
        FacilityStore::begin_send(self, claim, projection)
    }
    fn settle(&self, claim: DeliveryClaim, settlement: Settlement) -> Result<(), StoreError> {
        FacilityStore::settle(self, claim, settlement)
    }
    fn queue(&self, destination: &str) -> Result<QueueDepth, StoreError> {
        FacilityStore::queue(self, destination)
    }
}

/// One facility to one base.
pub struct Lane<S> {
    base: Arc<Base>,
    client: Client,
    store: Arc<S>,
    statuses: Statuses,
    shutdown: CancellationToken,
    /// Requests in flight get this long after the shutdown.
    pub(super) grace: Duration,
    /// Cuts requests off when the grace is over.
    cut: CancellationToken,
    state: Mutex<State>,
}

/// What a lane asks of the store, as far as it may fail by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Claim,
    Begin,
    Settle,
}

struct State {
    breaker: Breaker,
    last_success_ms: Option<i64>,
    last_error: Option<(&'static str, i64)>,
    /// The soonest repeat, where it is sooner than the next poll.
    soonest_ms: i64,
    /// What the store refused last, until the same succeeds.
    store_fails: Option<Call>,
    /// When the queue was last counted.
    counted_ms: i64,
}

impl<S: Outbox> Lane<S> {
    /// A lane at rest.
    pub fn new(
        base: Arc<Base>,
        client: Client,
        store: Arc<S>,
        statuses: Statuses,
        shutdown: CancellationToken,
    ) -> Self {
        let breaker = Breaker::new(base.breaker.clone(), base.retry_max, now_ms());
        let state = State {
            breaker,
            last_success_ms: None,
            last_error: None,
            soonest_ms: i64::MAX,
            store_fails: None,
            counted_ms: 0,
        };
        let lane = Self {
            base,
            client,
            store,
            statuses,
            shutdown,
            grace: GRACE,
            cut: CancellationToken::new(),
            state: Mutex::new(state),
        };
        lane.show(&lane.state());
        lane
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends until the shutdown.
    pub async fn run(self) {
        let lane = Arc::new(self);
        let outbox = lane.store.outbox();
        let mut flights = Flights::default();
        while !lane.shutdown.is_cancelled() {
            // Listening begins before looking, so that what comes in between wakes us.
            let woken = outbox.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let (room, mut wait) = lane.room(flights.len());
            if room > 0 {
                match lane.claim(room).await {
                    Ok(claims) => {
                        for claim in claims {
                            flights.start(Arc::clone(&lane), claim);
                        }
                    }
                    Err(error) => lane.store_failed(Call::Claim, &error),
                }
                wait = wait.min(lane.until_soonest());
            }
            lane.count_queue().await;
            tokio::select! {
                () = lane.shutdown.cancelled() => {}
                Some(()) = flights.ended(&lane) => {}
                () = &mut woken => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        let ended = async { while flights.ended(&lane).await.is_some() {} };
        if tokio::time::timeout(lane.grace, ended).await.is_err() {
            lane.cut.cancel();
            while flights.ended(&lane).await.is_some() {}
        }
    }

    /// Sets the gauge of what waits, every few seconds.
    async fn count_queue(self: &Arc<Self>) {
        let now = now_ms();
        {
            let mut state = self.state();
            if now >= state.counted_ms && between(state.counted_ms, now) < QUEUE_EVERY {
                return;
            }
            state.counted_ms = now;
        }
        // A failure here is one of claiming as well, and said there.
        if let Ok(depth) = self.blocking(|lane| lane.store.queue(&lane.base.name)).await {
            metrics::gauge!(
                "renkei_queue_depth",
                "destination" => self.base.name.clone(), "facility" => self.store.code().to_owned()
            )
            .set(depth.pending as f64);
        }
    }

    /// How many deliveries may be claimed, and how long to wait where nothing wakes us.
    pub(super) fn room(&self, in_flight: usize) -> (usize, Duration) {
        let now = now_ms();
        let mut state = self.state();
        let was = state.breaker.state();
        let permit = state.breaker.permit(now);
        if was != state.breaker.state() {
            self.show(&state);
        }
        match permit {
            Permit::All => (self.base.concurrency.saturating_sub(in_flight), POLL),
            Permit::Probe => (usize::from(in_flight == 0), POLL),
            Permit::Wait { until_ms } => (0, between(now, until_ms).min(POLL)),
        }
    }

    fn until_soonest(&self) -> Duration {
        let mut state = self.state();
        let now = now_ms();
        let wait = between(now, state.soonest_ms).min(POLL);
        if state.soonest_ms <= now {
            // It was there to be claimed just now; one more look finds what another claim had blocked.
            state.soonest_ms = i64::MAX;
        }
        wait.max(Duration::from_millis(1))
    }

    async fn claim(self: &Arc<Self>, limit: usize) -> Result<Vec<DeliveryClaim>, StoreError> {
        let claims =
            self.blocking(move |lane| lane.store.claim_deliveries(&lane.base.name, now_ms(), limit)).await?;
        self.store_works(Call::Claim);
        Ok(claims)
    }

    /// Runs a call of the store where it may block.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lane = Arc::clone(self);
        match tokio::task::spawn_blocking(move || call(&lane)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Closed),
        }
    }

    /// Brings one delivery to its end.
    pub(super) async fn deliver(self: Arc<Self>, claim: DeliveryClaim) {
        let prepared = {
            let claim = claim.clone();
            self.blocking(move |lane| lane.prepare(&claim)).await
        };
        let settlement = match prepared {
            Ok(Prepared::Send(projection)) => {
                let outcome = tokio::select! {
                    outcome = self.client.send(&projection) => Some(outcome),
                    () = self.cut.cancelled() => None,
                };
                durable_point("send.after-request");
                match outcome {
                    Some(outcome) => self.judge(&claim, projection, outcome),
                    None => Settlement::Retry { at_ms: now_ms(), error: "stopped" },
                }
            }
            Ok(Prepared::Settled(settlement)) => settlement,
            Err(error) => {
                self.store_failed(Call::Begin, &error);
                Settlement::Retry { at_ms: now_ms().saturating_add(millis(STORE_RETRY)), error: "store" }
            }
        };
        self.settle(claim, settlement).await;
    }

    fn prepare(&self, claim: &DeliveryClaim) -> Result<Prepared, StoreError> {
        let projection = self.store.projection(claim)?;
        if projection.is_empty() {
            return Ok(Prepared::Settled(Settlement::Registered { projection }));
        }
        let findings = check(&projection);
        if !findings.is_empty() {
            return Ok(Prepared::Settled(Settlement::Held { findings }));
        }
        let go = self.store.begin_send(claim, &projection)?;
        self.store_works(Call::Begin);
        if !go {
            let settlement = Settlement::Retry { at_ms: now_ms(), error: "sharing-changed" };
            return Ok(Prepared::Settled(settlement));
        }
        Ok(Prepared::Send(projection))
    }

    /// Turns the breaker by an outcome, before the store may give out the delivery again.
    fn judge(&self, claim: &DeliveryClaim, projection: Projection, outcome: Outcome) -> Settlement {
        let now = now_ms();
        let mut state = self.state();
        let (turn, settlement) = match outcome {
            Outcome::Registered => {
                state.last_success_ms = Some(now);
                (state.breaker.success(now), Settlement::Registered { projection })
            }
            // The base works and thinks badly of the content.
            Outcome::Rejected { status, answer } => {
                state.last_error = Some(("rejected", now));
                (state.breaker.success(now), Settlement::Rejected { status, answer })
            }
            Outcome::Credentials => {
                state.last_error = Some((super::CREDENTIALS, now));
                let settlement = Settlement::Retry { at_ms: now, error: super::CREDENTIALS };
                (state.breaker.credentials(now), settlement)
            }
            Outcome::Later { error, after } => {
                state.last_error = Some((error, now));
                let own =
                    backoff(self.base.retry_min, self.base.retry_max, claim.attempts, rand::random::<f64>());
                let at_ms = now.saturating_add(millis(own.max(after.unwrap_or_default())));
                if let Some(after) = after {
                    state.breaker.not_before(now.saturating_add(millis(after)));
                }
                state.soonest_ms = state.soonest_ms.min(at_ms);
                (state.breaker.failure(error, now), Settlement::Retry { at_ms, error })
            }
        };
        self.show(&state);
        let reason = state.breaker.reason().unwrap_or_default();
        drop(state);
        self.tell(turn, reason);
        settlement
    }

    /// Gives a delivery back. A store that fails takes the claim back all the same, and the delivery is
    /// sent again, which is safe; the lane waits a little before it claims anything.
    async fn settle(self: &Arc<Self>, claim: DeliveryClaim, settlement: Settlement) {
        let outcome = match &settlement {
            Settlement::Registered { .. } => "registered",
            Settlement::Rejected { .. } => "rejected",
            Settlement::Retry { .. } => "retry",
            Settlement::Held { .. } => "held",
        };
        match self.blocking(move |lane| lane.store.settle(claim, settlement)).await {
            Ok(()) => {
                self.store_works(Call::Settle);
                metrics::counter!(
                    "renkei_deliveries_total",
                    "destination" => self.base.name.clone(),
                    "facility" => self.store.code().to_owned(),
                    "outcome" => outcome
                )
                .increment(1);
            }
            Err(error) => self.store_failed(Call::Settle, &error),
        }
    }

    fn tell(&self, turn: Turn, reason: &'static str) {
        let (destination, facility) = (self.base.name.as_str(), self.store.code());
        match turn {
            Turn::Same => {}
            Turn::Alarm => tracing::error!(
                destination,
                facility,
                "The base refuses this facility. Sending pauses until its certificate or login is mended."
            ),
            Turn::Opened => tracing::warn!(destination, facility, reason, "Sending pauses, the base fails."),
            Turn::Closed => tracing::info!(destination, facility, "Sending goes on."),
        }
    }

    /// The store has done something that it may have refused before. Reading works on a full disk: only the same
    /// call shows that it is over.
    pub(super) fn store_works(&self, call: Call) {
        let mut state = self.state();
        if state.store_fails == Some(call) {
            state.store_fails = None;
        }
    }

    fn store_failed(&self, call: Call, error: &StoreError) {
        if self.note_failure(call) {
            let (destination, facility) = (self.base.name.as_str(), self.store.code());
            tracing::error!(destination, facility, %error, "The store fails, sending waits for it.");
        }
    }

    /// Waits a little. Whether it is to be logged: once until what failed first works again.
    pub(super) fn note_failure(&self, call: Call) -> bool {
        let mut state = self.state();
        state.breaker.not_before(now_ms().saturating_add(millis(STORE_RETRY)));
        let first = state.store_fails.is_none();
        state.store_fails.get_or_insert(call);
        first
    }

    fn show(&self, state: &State) {
        let breaker = state.breaker.state();
        let level = match breaker {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        };
        metrics::gauge!(
            "renkei_breaker_state",
            "destination" => self.base.name.clone(), "facility" => self.store.code().to_owned()
        )
        .set(level);
        self.statuses.set(Status {
            destination: self.base.name.clone(),
            facility: self.store.code().to_owned(),
            breaker,
            reason: state.breaker.reason(),
            since_ms: state.breaker.since_ms(),
            last_success_ms: state.last_success_ms,
            last_error: state.last_error.map(|(error, _)| error),
            last_error_ms: state.last_error.map(|(_, at_ms)| at_ms),
        });
    }
}

/// What a delivery needs.
enum Prepared {
    Send(Projection),
    Settled(Settlement),
}

/// What the destination would refuse is not sent to it.
fn check(projection: &Projection) -> Vec<Finding> {
    let mut findings = Vec::new();
    for put in &projection.puts {
        match serde_json::from_str(put.json.get()) {
            Ok(json) => findings.extend(profile::check(&put.resource_type, &json)),
            Err(_) => findings.push(Finding::error("resource-not-json", Default::default())),
        }
    }
    findings.retain(|finding| finding.severity == Severity::Error);
    findings
}

/// The deliveries in flight.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<()>,
    claims: HashMap<Id, DeliveryClaim>,
}

impl Flights {
    fn len(&self) -> usize {
        self.tasks.len()
    }

    fn start<S: Outbox>(&mut self, lane: Arc<Lane<S>>, claim: DeliveryClaim) {
        let handle = self.tasks.spawn(lane.deliver(claim.clone()));
        self.claims.insert(handle.id(), claim);
    }

    /// Waits for the end of one; `None` where there is none.
    async fn ended<S: Outbox>(&mut self, lane: &Arc<Lane<S>>) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let claim = self.claims.remove(&id);
        if let (Err(_), Some(claim)) = (ended, claim) {
            // A fault in our own code: the delivery is not lost with its task.
            let at_ms = now_ms().saturating_add(millis(lane.base.retry_max));
            let lane = Arc::clone(lane);
            self.tasks.spawn(async move {
                lane.settle(claim, Settlement::Retry { at_ms, error: "internal" }).await;
            });
        }
        Some(())
    }
}

fn between(now_ms: i64, until_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(until_ms.saturating_sub(now_ms)).unwrap_or(0))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
