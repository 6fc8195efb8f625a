//! One MLLP listener: who may connect, how many at once, and an orderly end.
//!
//! A feed's listener shares nothing with another's, so that one facility's flood is its own.

use super::allow::allows;
use super::connection::{self, Served};
use super::feed::{Feed, MllpFeed};
use super::{IntakeError, Running, tls};
use crate::store::FacilityStore;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};

/// How long a connection may take, after the shutdown, to finish the block in hand and answer it.
pub const DRAIN: Duration = Duration::from_secs(4);
/// After [`DRAIN`], for closing what is left: together within five seconds.
const CLOSE: Duration = Duration::from_millis(500);
/// For the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept, which is nearly always too many open files: the listener must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A sender that is refused tries again all day: its log line comes once in this time.
const REFUSAL_LOG: Duration = Duration::from_secs(60);

/// Lets something through once in a while, so that a loud peer does not flood the log.
#[derive(Debug, Default)]
pub(super) struct Seldom(AtomicI64);

impl Seldom {
    pub(super) fn due(&self, every: Duration) -> bool {
        let now = chrono::Utc::now().timestamp_millis();
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        let last = self.0.load(Ordering::Relaxed);
        // A clock that was set back counts as due.
        (now - last >= every || now < last)
            && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// How many connections each address has.
type Addresses = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection's place among its feed's and its address's.
struct Place {
    addresses: Addresses,
    address: IpAddr,
    feed: String,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("renkei_intake_connections", "feed" => self.feed.clone()).decrement(1.0);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

struct Door {
    limits: MllpFeed,
    places: Arc<Semaphore>,
    addresses: Addresses,
    refused: Seldom,
}

impl Door {
    /// A place for the address, or why there is none.
    fn admit(&self, address: IpAddr, feed: &str) -> Result<Place, &'static str> {
        if !allows(&self.limits.allow, address) {
            return Err("not-allowed");
        }
        let permit = self.places.clone().try_acquire_owned().map_err(|_| "feed-full")?;
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_default();
        if *count >= self.limits.max_connections_per_address {
            return Err("address-full");
        }
        *count += 1;
        metrics::gauge!("renkei_intake_connections", "feed" => feed.to_owned()).increment(1.0);
        Ok(Place { addresses: self.addresses.clone(), address, feed: feed.into(), _permit: permit })
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Starts the listener. Must be called within a runtime.
///
/// # Errors
/// Where the address or a TLS file cannot be used.
pub fn spawn(
    feed: Feed,
    limits: MllpFeed,
    store: Arc<FacilityStore>,
    shutdown: CancellationToken,
) -> Result<Running, IntakeError> {
    let acceptor = limits.tls.as_ref().map(tls::acceptor).transpose()?;
    let listen = |source| IntakeError::Listen { feed: feed.name.clone(), address: limits.listen, source };
    let listener = bind(limits.listen).map_err(listen)?;
    let local_addr = listener.local_addr().map_err(listen)?;
    info!(feed = %feed.name, address = %local_addr, tls = acceptor.is_some(), "Listening for MLLP.");
    let door = Door {
        places: Arc::new(Semaphore::new(limits.max_connections)),
        addresses: Addresses::default(),
        refused: Seldom::default(),
        limits,
    };
    let task = tokio::spawn(run(listener, acceptor, door, feed, store, shutdown));
    Ok(Running { local_addr: Some(local_addr), task })
}

async fn run(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    door: Door,
    feed: Feed,
    store: Arc<FacilityStore>,
    shutdown: CancellationToken,
) {
    let served = Arc::new(Served::new(feed, door.limits.clone(), store));
    let (connections, abandon) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(problem) => {
                if door.refused.due(REFUSAL_LOG) {
                    error!(feed = %served.feed.name, error = %problem, "A connection could not be accepted.");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match door.admit(address, &served.feed.name) {
            Ok(place) => place,
            Err(cause) => {
                served.refused(cause);
                if door.refused.due(REFUSAL_LOG) {
                    warn!(feed = %served.feed.name, peer = %address, cause, "A connection was refused.");
                }
                continue;
            }
        };
        let (served, acceptor, shutdown, abandon) =
            (served.clone(), acceptor.clone(), shutdown.clone(), abandon.clone());
        connections.spawn(async move {
            tokio::select! {
                () = abandon.cancelled() => {}
                () = greet(stream, acceptor, &served, &shutdown) => {}
            }
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        abandon.cancel();
        let _ = tokio::time::timeout(CLOSE, connections.wait()).await;
    }
    info!(feed = %served.feed.name, "The listener has ended.");
}

/// Does the handshake where the feed wants one, then serves the connection.
async fn greet(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    served: &Served,
    shutdown: &CancellationToken,
) {
    // An acknowledgment is one small packet: waiting for more to send would double its time.
    if let Err(problem) = stream.set_nodelay(true) {
        debug!(feed = %served.feed.name, error = %problem, "A connection went away.");
        return;
    }
    let Some(acceptor) = acceptor else {
        return connection::serve(stream, served, shutdown).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
    let handshake = tokio::select! {
        () = shutdown.cancelled() => return,
        handshake = handshake => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => connection::serve(stream, served, shutdown).await,
        Ok(Err(problem)) => {
            served.refused("tls");
            if served.loud.due(REFUSAL_LOG) {
                warn!(feed = %served.feed.name, error = %problem, "A TLS handshake failed.");
            }
        }
        Err(_) => served.refused("tls-timeout"),
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
