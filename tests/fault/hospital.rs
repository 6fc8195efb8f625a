//! Sixty-four senders over MLLP, with invented messages and a log of their own.
//!
//! Each has its own patients and laboratory orders and sends results and corrections of them for as long as it is
//! told to. A message is sent until it is acknowledged with AA, whatever happens in between, as a hospital
//! system does. The value of a result says which order and version it is, so that the base's content can
//! be read without knowing any id.

use renkei_bridge::intake::send::{SendConfig, Sender, Sent};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

pub const SENDERS: u64 = 64;
const PATIENTS_EACH: u64 = 2;
pub const ORDERS_EACH: u64 = 2;
/// All of them, from 0.
pub const PATIENTS: u64 = SENDERS * PATIENTS_EACH;
/// Beyond them: of a test that sends by itself.
pub const PROBE_PATIENT: u64 = 900;
/// Versions of one order stay below this; value = order × this + version.
pub const VERSIONS: u64 = 10_000;
/// Seconds between two versions of an order.
const STEP: u64 = 1;
/// A name that must be found in no log.
pub const CANARY: &str = "KANARIAZAEMON";

/// What a sender wrote down.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Control ids acknowledged with AA, each with its value.
    pub acknowledged: BTreeMap<String, u64>,
    /// Value of the last acknowledged version of each order.
    pub last: BTreeMap<u64, u64>,
}

impl Log {
    /// Notes an AA.
    pub fn note(&mut self, control_id: String, order: u64, value: u64) {
        self.acknowledged.insert(control_id, value);
        self.last.insert(order, value);
    }
}

pub struct Hospital {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    log: Arc<Mutex<Log>>,
    tasks: JoinSet<()>,
}

/// Digits of a time in 2026 that grows with the version.
fn time(version: u64) -> String {
    let seconds = version * STEP;
    let (day, rest) = (1 + seconds / 86_400, seconds % 86_400);
    format!("202601{day:02}{:02}{:02}{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

pub fn patient(number: u64) -> String {
    format!("99{number:08}")
}

/// A result of one laboratory order in one version.
pub fn message(control_id: &str, patient_number: u64, order: u64, version: u64) -> Vec<u8> {
    let (patient, time, value) = (patient(patient_number), time(version), order * VERSIONS + version);
    [
        format!("MSH|^~\\&|HIS|H|GW|GW|{time}||OUL^R22^OUL_R22|{control_id}|P|2.5"),
        format!("PID|0001||{patient}^^^^PI||{CANARY}^TEST^^^^^L^A||19600101|M"),
        "PV1|0001|O|01".into(),
        format!("SPM|1|{order:015}||019^BLOOD^JC10|||||||||||||20260101"),
        format!("OBR|1|{order:015}|{order:015}|3^LAB^JC10|||20260101|20260101||||||||||||||{time}|||F"),
        format!("ORC|SC|{order:015}|{order:015}||CM||||{time}"),
        format!("OBX|1|NM|3C015000002327101^CRE^JC10||{value}|mg/dL^mg/dL^99XYZ|||||F"),
        String::new(),
    ]
    .join("\r")
    .into_bytes()
}

impl Hospital {
    /// Starts the senders. Pauses between messages keep the load at what a debug build can carry.
    pub fn open(to: &str, run: &str, first_version: u64, pause: Duration) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (log, mut tasks) = (Arc::new(Mutex::new(Log::default())), JoinSet::new());
        for sender in 0..SENDERS {
            let config = SendConfig {
                attempts: u32::MAX,
                timeout: Duration::from_secs(5),
                pause: Duration::from_millis(30),
                ..SendConfig::new(to)
            };
            let (run, stop, sent, log) = (run.to_owned(), stop.clone(), sent.clone(), log.clone());
            tasks.spawn(async move {
                let mut line = Sender::new(config);
                for version in first_version.. {
                    for patient in sender * PATIENTS_EACH..(sender + 1) * PATIENTS_EACH {
                        for order in 1 + patient * ORDERS_EACH..1 + (patient + 1) * ORDERS_EACH {
                            if stop.load(Ordering::Relaxed) {
                                return;
                            }
                            assert!(version < VERSIONS);
                            let id = format!("{run}-{order}-{version}");
                            let (ended, _) = line.send(&message(&id, patient, order, version), &id).await;
                            assert_eq!(ended, Sent::Accepted, "{id}");
                            let value = order * VERSIONS + version;
                            log.lock().unwrap().note(id, order, value);
                            sent.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(pause).await;
                        }
                    }
                }
            });
        }
        Self { stop, sent, log, tasks }
    }

    /// Messages acknowledged until now.
    pub fn acknowledged(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many more are acknowledged.
    pub async fn progress(&self, more: u64) {
        let (until, deadline) = (self.acknowledged() + more, std::time::Instant::now() + super::SOON);
        while self.acknowledged() < until {
            assert!(std::time::Instant::now() < deadline, "the senders get no further");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets each sender have its last message acknowledged, and returns the log.
    pub async fn close(mut self) -> Log {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.log.lock().unwrap().clone()
    }
}
