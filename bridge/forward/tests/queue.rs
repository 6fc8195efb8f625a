//! A store in memory, that fails when told to.

use crate::forward::lane::Outbox;
use crate::record::Projection;
use crate::store::{DeliveryClaim, QueueDepth, Settlement, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// A store in memory: each unit once, with what it lacks.
pub struct Queue {
    pub units: Mutex<BTreeMap<String, Unit>>,
    pub settled: watch::Sender<usize>,
    pub outbox: Arc<Notify>,
    /// So many calls of settle fail.
    pub fails: AtomicU32,
}

pub struct Unit {
    pub patient: String,
    pub projection: Projection,
    pub attempts: u32,
    pub due_ms: i64,
    pub in_flight: bool,
    pub begun: BTreeSet<String>,
    pub ends: Vec<Settlement>,
}

impl Queue {
    pub fn new(units: Vec<(&str, Projection)>) -> Arc<Self> {
        let unit = |(name, projection): (&str, Projection)| {
            let patient = name.split('/').next().unwrap().to_owned();
            let unit = Unit {
                patient,
                projection,
                attempts: 0,
                due_ms: 0,
                in_flight: false,
                begun: BTreeSet::new(),
                ends: Vec::new(),
            };
            (name.to_owned(), unit)
        };
        Arc::new(Self {
            units: Mutex::new(units.into_iter().map(unit).collect()),
            settled: watch::Sender::new(0),
            outbox: Arc::default(),
            fails: AtomicU32::new(0),
        })
    }

    pub fn claim_all(&self) -> Vec<DeliveryClaim> {
        self.claim_deliveries("base", i64::MAX - 1, usize::MAX).unwrap()
    }

    /// The end of the last attempt: `registered`, the status of a rejection, or the code of a retry.
    pub fn last(&self, unit: &str) -> String {
        match self.units.lock().unwrap()[unit].ends.last() {
            None => "waiting".into(),
            Some(Settlement::Registered { .. }) => "registered".into(),
            Some(Settlement::Rejected { status, .. }) => status.to_string(),
            Some(Settlement::Retry { error, .. }) => (*error).into(),
            Some(Settlement::Held { .. }) => "held".into(),
        }
    }

    pub async fn wait_until(&self, mut fits: impl FnMut(&Self) -> bool) {
        let mut settled = self.settled.subscribe();
        let wait = settled.wait_for(|_| fits(self));
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it came to that").unwrap();
    }

    pub async fn all_registered(&self) {
        self.wait_until(|queue| {
            let units = queue.units.lock().unwrap();
            units.values().all(|unit| matches!(unit.ends.last(), Some(Settlement::Registered { .. })))
        })
        .await;
    }
}

impl Outbox for Queue {
    fn code(&self) -> &str {
        "1319999999"
    }
    fn outbox(&self) -> Arc<Notify> {
        Arc::clone(&self.outbox)
    }
    fn claim_deliveries(&self, _: &str, now_ms: i64, limit: usize) -> Result<Vec<DeliveryClaim>, StoreError> {
        let mut units = self.units.lock().unwrap();
        let mut busy: BTreeSet<_> =
            units.values().filter(|unit| unit.in_flight).map(|unit| unit.patient.clone()).collect();
        let mut claims = Vec::new();
        for (name, unit) in units.iter_mut() {
            let open = matches!(unit.ends.last(), None | Some(Settlement::Retry { .. }));
            if open && unit.due_ms <= now_ms && claims.len() < limit && busy.insert(unit.patient.clone()) {
                unit.in_flight = true;
                claims.push(DeliveryClaim {
                    unit: name.clone(),
                    kind: "lab".into(),
                    patient: unit.patient.clone(),
                    destination: "base".into(),
                    version: 1,
                    attempts: unit.attempts,
                    since_ms: 0,
                    epoch: 0,
                    shared: true,
                    claimed_ms: now_ms,
                });
            }
        }
        Ok(claims)
    }
    fn projection(&self, claim: &DeliveryClaim) -> Result<Projection, StoreError> {
        Ok(self.units.lock().unwrap()[&claim.unit].projection.clone())
    }
    fn begin_send(&self, claim: &DeliveryClaim, projection: &Projection) -> Result<bool, StoreError> {
        let mut units = self.units.lock().unwrap();
        let unit = units.get_mut(&claim.unit).unwrap();
        unit.begun.extend(projection.puts.iter().map(|put| format!("{}/{}", put.resource_type, put.id)));
        Ok(true)
    }
    fn settle(&self, claim: DeliveryClaim, settlement: Settlement) -> Result<(), StoreError> {
        if self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            // The store takes the claim back whatever happens.
            self.units.lock().unwrap().get_mut(&claim.unit).unwrap().in_flight = false;
            return Err(StoreError::Damaged("on purpose"));
        }
        {
            let mut units = self.units.lock().unwrap();
            let unit = units.get_mut(&claim.unit).unwrap();
            assert!(unit.in_flight, "settled without a claim");
            unit.in_flight = false;
            unit.attempts += 1;
            if let Settlement::Retry { at_ms, .. } = settlement {
                unit.due_ms = at_ms;
            }
            unit.ends.push(settlement);
        }
        self.settled.send_modify(|count| *count += 1);
        Ok(())
    }
    fn queue(&self, _: &str) -> Result<QueueDepth, StoreError> {
        Ok(QueueDepth::default())
    }
}
