//! Intake: takes bytes from senders, has them journalled, and only then says yes.
//!
//! [`feed`] is the configuration; [`listener`] accepts connections, [`connection`] serves one, [`mllp`] cuts
//! its stream into messages, [`answer`] says what to answer; [`storage`] follows an SS-MIX2 standardized
//! storage; [`send`] is the other side of MLLP. Intake reads nothing of a message but its header, and knows
//! the facility from the feed, never from the message. It never holds a message that the journal has not.

pub mod allow;
pub mod answer;
mod connection;
pub mod feed;
pub mod listener;
pub mod mllp;
pub mod send;
pub mod storage;
mod tls;

pub use feed::{Feed, Kind, MllpFeed, StorageFeed};

use crate::store::FacilityStore;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Why a feed cannot start.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The address cannot be had.
    #[error("feed {feed}: cannot listen on {address}: {source}")]
    Listen {
        /// The feed.
        feed: String,
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("TLS file {path} cannot be used: {reason}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What the feed remembers cannot be opened.
    #[error("feed {feed}: cannot open what it has seen: {reason}")]
    Seen {
        /// The feed.
        feed: String,
        /// Why.
        reason: String,
    },
}

/// A feed at work.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, for a listener.
    pub local_addr: Option<SocketAddr>,
    /// Ends after the shutdown, when nothing is in hand any more.
    pub task: JoinHandle<()>,
}

/// Starts a feed. It ends within [`listener::DRAIN`] of the shutdown, with what is in hand answered.
///
/// # Errors
/// Where the feed cannot start as it is configured.
pub fn spawn(
    feed: Feed,
    store: Arc<FacilityStore>,
    shutdown: CancellationToken,
) -> Result<Running, IntakeError> {
    match feed.kind.clone() {
        Kind::Mllp(mllp) => listener::spawn(feed, mllp, store, shutdown),
        Kind::Ssmix2(storage) => storage::spawn(feed, storage, store, shutdown),
    }
}
