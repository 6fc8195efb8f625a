//! The rehearsal base: a FHIR R4 server for demos, tests and 接続テスト, with faults on request.
//!
//! It holds what it was given in memory, writes down everything it was asked, and refuses what FHIR R4
//! forbids. It is no product to keep patient data in: [`journal`] is its only file, and holds all of it.
//!
//! [`content`] holds resources and commits changes, [`transaction`] reads a Bundle into changes, [`rules`]
//! says what is refused, [`fault`] decides what goes wrong, [`http`] speaks with clients.

pub mod content;
pub mod fault;
mod http;
pub mod journal;
mod routes;
mod rules;
pub mod transaction;

use content::Content;
use fault::{Dice, Fault, Faults};
use journal::{Asked, Journal};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a rehearsal base is started with.
#[derive(Clone, Default)]
pub struct RehearsalConfig {
    /// The append-only file of what it was asked; its content is read back at start. `None`: memory only.
    pub journal: Option<PathBuf>,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// The same seed and the same order of requests give the same faults.
    pub seed: u64,
    /// Take references to what is neither in the Bundle nor stored, which a real base refuses.
    pub loose_references: bool,
    /// Serve HTTPS with this configuration (client certificates included) in place of HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Why a rehearsal base could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its journal cannot be opened or read.
    #[error("cannot use the journal of the rehearsal base")]
    Journal(#[from] std::io::Error),
    /// A line of its journal that is not the last one is damaged.
    #[error("line {line} of the journal of the rehearsal base is damaged")]
    Damaged {
        /// Counted from 1.
        line: u64,
    },
}

/// What the tasks of one rehearsal base share.
pub(crate) struct Shared {
    kept: Mutex<Kept>,
    faults: watch::Sender<Faults>,
    asked: watch::Sender<u64>,
    loose_references: bool,
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// What changes with a request, under one lock, so that the journal has the order of the commits.
struct Kept {
    content: Content,
    journal: Journal,
    dice: Dice,
    script: std::collections::VecDeque<Fault>,
}

impl Shared {
    fn open(config: RehearsalConfig) -> Result<Self, RehearsalError> {
        let (journal, content) = Journal::open(config.journal.as_deref())?;
        let kept = Kept {
            content,
            journal,
            dice: Dice::new(config.seed),
            script: std::collections::VecDeque::new(),
        };
        Ok(Self {
            kept: Mutex::new(kept),
            faults: watch::Sender::new(config.faults),
            asked: watch::Sender::new(0),
            loose_references: config.loose_references,
            tls: config.tls,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong with the request that has just come in.
    fn draw(&self) -> Option<Fault> {
        let faults = self.faults.borrow().clone();
        let mut kept = self.kept();
        let drawn = faults.draw(&mut kept.dice);
        kept.script.pop_front().or(drawn)
    }
}

/// A running rehearsal base. It stops when its shutdown token is cancelled.
#[derive(Clone)]
pub struct Rehearsal {
    /// Where it listens; the port is a real one even where 0 was asked for.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Rehearsal {
    /// Its base URL: `http://127.0.0.1:49152/fhir`.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/fhir", self.addr)
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        self.shared.faults.borrow().clone()
    }

    /// Changes what goes wrong from the next request on; `away` closes the port and all connections.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.faults.send_replace(faults);
    }

    /// These faults, one each, meet the next writing requests, before anything is drawn.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.kept().script.extend(faults);
    }

    /// What it was asked since it was started, oldest first, at most [`journal::KEPT_IN_MEMORY`].
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.kept().journal.asked()
    }

    /// `Type/id` and SHA-256 of every resource that stands, as received.
    pub fn resources(&self) -> BTreeMap<String, String> {
        self.shared.kept().content.hashes()
    }

    /// Waits until it was asked `count` times since it was started.
    pub async fn asked_times(&self, count: u64) {
        let mut asked = self.shared.asked.subscribe();
        // The sender lives in `shared`, so this cannot fail.
        let _ = asked.wait_for(|seen| *seen >= count).await;
    }
}

/// Starts a rehearsal base on `listen` (port 0 for any).
///
/// # Errors
/// Where the address or the journal cannot be used.
pub async fn spawn(
    listen: SocketAddr,
    config: RehearsalConfig,
    shutdown: CancellationToken,
) -> Result<(Rehearsal, JoinHandle<()>), RehearsalError> {
    let shared = Arc::new(Shared::open(config)?);
    let listening = |source| RehearsalError::Listen { addr: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(listening)?;
    let addr = listener.local_addr().map_err(listening)?;
    let task = tokio::spawn(http::accept_loop(listener, addr, Arc::clone(&shared), shutdown));
    Ok((Rehearsal { addr, shared }, task))
}

/// Runs a rehearsal base until `shutdown`, for a process of its own.
///
/// # Errors
/// Where the address or the journal cannot be used.
pub async fn serve(
    listen: SocketAddr,
    config: RehearsalConfig,
    shutdown: CancellationToken,
) -> Result<(), RehearsalError> {
    let (rehearsal, task) = spawn(listen, config, shutdown).await?;
    tracing::info!(addr = %rehearsal.addr, "Rehearsal base listens.");
    if task.await.is_err() {
        tracing::error!("Rehearsal base ended by itself.");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
