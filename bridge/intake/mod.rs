//! Intake: takes bytes from senders, has them journalled, and only then says yes.
//!
//! [`feed`] is the configuration; [`listener`] accepts connections, [`connection`] serves one, [`mllp`] cuts
//! its stream into messages, [`answer`] says what to answer; [`storage`] follows an SS-MIX2 standardized
//! storage, [`folder`] takes proprietary files and cuts them into messages, [`left`] is what neither could take; [`send`] is the other side of MLLP. Intake reads nothing of a message but its header, and knows
//! the facility from the feed, never from the message: of a row that names its own, only where the feed allows it. It never holds a message that the journal has not.

pub mod allow;
pub mod answer;
mod connection;
pub mod feed;
pub mod folder;
pub mod left;
pub mod listener;
pub mod mllp;
pub mod send;
pub mod storage;
mod tls;

pub use feed::{Feed, FolderFeed, Kind, MllpFeed, StorageFeed};
pub use left::Left;

use crate::store::Store;
use arc_swap::ArcSwap;
use renkei_translate::mapping::MappingSet;
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
    /// The layout of a folder is not in the mapping set.
    #[error("feed {feed}: the mapping set has no layout {layout}")]
    Layout {
        /// The feed.
        feed: String,
        /// The name in its configuration.
        layout: String,
    },
    /// A facility that the feed may bring has no store: a fault of ours.
    #[error("feed {feed}: there is no store of {facility}")]
    Facility {
        /// The feed.
        feed: String,
        /// The facility.
        facility: String,
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

/// What every feed is given.
#[derive(Clone, Debug)]
pub struct Doors {
    /// The stores of the facilities.
    pub store: Arc<Store>,
    /// The active mapping set: its layouts cut files.
    pub set: Arc<ArcSwap<MappingSet>>,
    /// Where the feed tells which files it could not take.
    pub left: Left,
}

/// Starts a feed. It ends within [`listener::DRAIN`] of the shutdown, with what is in hand answered.
///
/// # Errors
/// Where the feed cannot start as it is configured.
pub fn spawn(feed: Feed, doors: &Doors, shutdown: CancellationToken) -> Result<Running, IntakeError> {
    let missing =
        |facility: &str| IntakeError::Facility { feed: feed.name.clone(), facility: facility.into() };
    let store = doors.store.facility(&feed.facility).ok_or_else(|| missing(&feed.facility))?;
    match feed.kind.clone() {
        Kind::Folder(folder) => folder::spawn(feed, folder, doors.clone(), shutdown),
        Kind::Mllp(mllp) => listener::spawn(feed, mllp, store, shutdown),
        Kind::Ssmix2(storage) => storage::spawn(feed, storage, (store, doors.left.clone()), shutdown),
    }
}
