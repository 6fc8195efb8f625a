//! The store of one facility: its files, its threads, and what it holds in memory of work under way.
//!
//! One thread writes `state.sqlite`. Work comes to it as closures; it runs what is waiting in one transaction,
//! each piece in a savepoint of its own, and answers after the commit.

use super::accept::{self, Request, Shared};
use super::reserve::{RESERVE_BYTES, Reserve};
use super::{Config, DeliveryClaim, Disk, MessageId, OpenError, StoreError, journal, ledger, schema};
use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use tokio::sync::{Notify, mpsc};

/// Pieces of work waiting for the writer of the state, and the most that share one commit.
const WAITING: usize = 64;

/// The store of one facility.
pub struct FacilityStore {
    pub(super) code: String,
    pub(super) shared: Shared,
    pub(super) journal: Option<mpsc::Sender<Request>>,
    pub(super) bodies: journal::Reader,
    jobs: Option<SyncSender<Job>>,
    reader: Mutex<Connection>,
    console: Mutex<Connection>,
    pub(super) busy: Mutex<Busy>,
    pub(super) flying: Mutex<Flying>,
    /// What `unindexed` read of messages, for `index`.
    pub(super) read: Mutex<HashMap<MessageId, journal::Head>>,
    outbox: Arc<Notify>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for FacilityStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FacilityStore").field("code", &self.code).finish_non_exhaustive()
    }
}

/// Messages and patients under translation.
#[derive(Debug, Default)]
pub(super) struct Busy {
    pub messages: HashSet<i64>,
    pub patients: HashSet<String>,
}

/// Deliveries under way.
#[derive(Debug, Default)]
pub(super) struct Flying {
    /// Destination and patient (or unit, where it has none).
    pub partitions: HashSet<(String, String)>,
    /// Destination, type and id → how many requests carry it, its hash, and whether two carry different ones.
    pub resources: HashMap<(String, String, String), Carried>,
    /// Destination and unit under way → whether a message came to the unit meanwhile. Its version may stay the
    /// same and a shared resource change.
    pub units: HashMap<(String, String), bool>,
    /// Destination and unit → how many commits under way bring messages to it.
    pub coming: HashMap<(String, String), usize>,
    /// Destination and unit → what its request carries.
    pub carries: HashMap<(String, String), Vec<(String, String)>>,
}

/// A resource in flight.
#[derive(Debug)]
pub(super) struct Carried {
    pub requests: usize,
    pub hash: Option<String>,
    pub contested: bool,
}

/// What it does to the state. An error takes it back; where SQLite gave one, it is told.
type Work = Box<dyn FnOnce(&Connection) -> Result<(), Option<rusqlite::Error>> + Send>;

struct Job {
    work: Work,
    done: SyncSender<Result<(), StoreError>>,
}

impl FacilityStore {
    pub(super) fn open(
        dir: PathBuf,
        code: &str,
        config: Config,
        reserve: Reserve,
    ) -> Result<Self, OpenError> {
        super::inspect(&dir)?;
        let state = schema::open(&dir.join("state.sqlite"), schema::STATE)?;
        let reader = |file: &str| {
            schema::open_reader(&dir.join(file))
                .map_err(|error| OpenError::Database { file: file.into(), error })
        };
        let (console, reader) = (Mutex::new(reader("state.sqlite")?), Mutex::new(reader("state.sqlite")?));
        let failed = |error| match error {
            StoreError::Database(error) => OpenError::Database { file: "state.sqlite".into(), error },
            _ => OpenError::Io(std::io::ErrorKind::InvalidData.into()),
        };
        let dropped: BTreeSet<u32> = ledger::dropped(&state).map_err(failed)?.into_keys().collect();
        let mut days = accept::days(&dir)?;
        // A kill may have come between the decision and the files' end.
        days.retain(|day| !dropped.contains(day));
        let shared = Shared {
            config,
            days: Arc::new(Mutex::new(days)),
            dropped: Arc::new(Mutex::new(dropped)),
            commits: Arc::default(),
            caught_up: Arc::default(),
            arrivals: Arc::new(Notify::new()),
            low: Arc::default(),
            reserve,
            dir,
        };
        let (journal, requests) = mpsc::channel(accept::WAITING);
        let (jobs, work) = sync_channel(WAITING);
        let for_writer = shared.clone();
        let threads = vec![
            std::thread::Builder::new()
                .name("journal".into())
                .spawn(move || accept::write(for_writer, requests))?,
            std::thread::Builder::new().name("state".into()).spawn(move || write(&state, &work))?,
        ];
        Ok(Self {
            code: code.to_owned(),
            bodies: journal::Reader::new(shared.dir.clone(), shared.days.clone()),
            shared,
            journal: Some(journal),
            jobs: Some(jobs),
            reader,
            console,
            busy: Mutex::default(),
            flying: Mutex::default(),
            read: Mutex::default(),
            outbox: Arc::new(Notify::new()),
            threads,
        })
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Its directory. For what a module remembers beside the store's own files, such as [`super::follow`].
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Rings when something was accepted or is to be claimed again.
    pub fn arrivals(&self) -> Arc<Notify> {
        self.shared.arrivals.clone()
    }

    /// Rings when something is to be delivered: all who listen at that moment, none later. Listen, then look.
    pub fn outbox(&self) -> Arc<Notify> {
        self.outbox.clone()
    }

    /// How full its disk is.
    pub fn disk(&self) -> Disk {
        self.shared.config.look(&self.shared.dir)
    }

    /// Whether both writers work: the state's commits, and the journal's is not stuck in a commit for so long.
    /// Waits as long as the state's writer takes, which is for ever where it is stuck.
    pub fn answers(&self, patience: std::time::Duration) -> bool {
        let begun = self.shared.commits.load(Ordering::SeqCst);
        if self.run(|_| Ok(())).is_err() || self.journal.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return false;
        }
        let until = std::time::Instant::now() + patience;
        // Odd while a group is written; another number means that one was finished meanwhile.
        while begun % 2 == 1 && self.shared.commits.load(Ordering::SeqCst) == begun {
            if std::time::Instant::now() >= until {
                return false;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        true
    }

    /// Runs work on the state, in a commit that other work may share; the answer is on the disk.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = sync_channel(1);
        let (done, committed) = sync_channel(1);
        let work = Box::new(move |connection: &Connection| {
            // A panic of one piece must not end the thread that everything depends on.
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(connection)));
            let result = caught.unwrap_or(Err(StoreError::Order("a panic while the state was written")));
            let good = match &result {
                Ok(_) => Ok(()),
                Err(StoreError::Database(error)) => Err(Some(copy(error))),
                Err(_) => Err(None),
            };
            // The channel holds one and gets one.
            let _ = answer.send(result);
            good
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(Job { work, done }).map_err(|_| StoreError::Closed)?;
        let committed = committed.recv().map_err(|_| StoreError::Closed)?;
        let result = answered.recv().map_err(|_| StoreError::Closed)?;
        committed.and(result)
    }

    /// The same for what must be written though the disk is full: in the room set aside, where there is no other.
    pub(super) fn run_on_reserve<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let work = Arc::new(work);
        let first = work.clone();
        match self.run(move |connection| first(connection)) {
            Err(error) if self.out_of_room(&error) && self.shared.reserve.give_up() => {
                self.run(move |connection| work(connection))
            }
            result => result,
        }
    }

    /// A disk that is full to its last byte says so, or fails in the shared memory of the database.
    fn out_of_room(&self, error: &StoreError) -> bool {
        let StoreError::Database(error) = error else { return false };
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => true,
            Some(rusqlite::ErrorCode::SystemIoFailure) => self.disk().free_bytes < RESERVE_BYTES,
            _ => false,
        }
    }

    /// Whether there is room for what can wait. The room set aside is for sending.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn room(&self) -> Result<(), StoreError> {
        let (free, hard) = (self.disk().free_bytes, self.shared.config.hard_free);
        match self.shared.reserve.make(free, hard) || free >= 2 * RESERVE_BYTES {
            true => Ok(()),
            false => Err(StoreError::Full),
        }
    }

    /// The connection of the workers, for reading.
    pub(super) fn reader(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.reader.lock().map_err(|_| StoreError::Closed)
    }

    /// The connection of people, for reading: a long list does not hold the workers up.
    pub(super) fn console(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.console.lock().map_err(|_| StoreError::Closed)
    }

    /// The partition of a delivery: one in flight per patient.
    pub(super) fn partition(claim: &DeliveryClaim) -> (String, String) {
        let of = if claim.patient.is_empty() { &claim.unit } else { &claim.patient };
        (claim.destination.clone(), of.clone())
    }
}

impl Drop for FacilityStore {
    fn drop(&mut self) {
        self.journal = None;
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so itself; closing goes on.
            let _ = thread.join();
        }
    }
}

fn write(connection: &Connection, work: &Receiver<Job>) {
    while let Ok(first) = work.recv() {
        let mut dones = Vec::new();
        let mut result = connection.execute_batch("BEGIN IMMEDIATE");
        if result.is_ok() {
            let mut next = Some(first);
            while let Some(job) = next.take() {
                if let Err(error) = piece(connection, job.work) {
                    result = Err(error);
                }
                dones.push(job.done);
                if result.is_err() || dones.len() >= WAITING {
                    break;
                }
                next = work.try_recv().ok();
            }
        } else {
            dones.push(first.done);
        }
        result = result.and_then(|()| connection.execute_batch("COMMIT"));
        if result.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        for done in dones {
            let answer = result.as_ref().map_err(|error| StoreError::Database(copy(error))).copied();
            // Whoever asked may have gone; the commit stands.
            let _ = done.send(answer);
        }
    }
}

/// Runs one piece in its savepoint. An error means that the whole transaction is lost.
fn piece(connection: &Connection, work: Work) -> rusqlite::Result<()> {
    connection.execute_batch("SAVEPOINT piece")?;
    match work(connection) {
        Ok(()) => connection.execute_batch("RELEASE piece"),
        // A full disk takes the whole transaction back at once: that, and not the missing savepoint, is the reason.
        Err(Some(error)) if connection.is_autocommit() => Err(error),
        Err(_) => connection.execute_batch("ROLLBACK TO piece; RELEASE piece"),
    }
}

/// The same error once more, for each of those who shared the commit.
pub(super) fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => rusqlite::Error::SqliteFailure(*code, text.clone()),
        _ => rusqlite::Error::InvalidQuery,
    }
}
