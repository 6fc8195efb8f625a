//! The console and the API: one page, health, metrics and `/api/v1/status`, over plain HTTP on loopback.
//!
//! Shows what the store says and changes nothing. No page of this module shows anything of a patient.
//! [`view`] gathers, [`page`] renders for people, [`routes`] answers; [`words`] holds both languages.

pub mod page;
mod routes;
pub mod view;
pub mod words;

use crate::forward::Statuses;
use crate::store::Store;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Connections at once: a page is small and answered at once, so more than this is somebody's mistake.
pub const MAX_CONNECTIONS: usize = 128;
/// A request's header must be there within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is kept open longer than this is closed after its answer.
const CONNECTION_LIFE: Duration = Duration::from_secs(120);
/// Wait after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A facility as shown.
#[derive(Clone, Debug)]
pub struct FacilityInfo {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its feeds: name and kind (`mllp`, `ssmix2`).
    pub feeds: Vec<(String, &'static str)>,
}

/// From a facility's code to keys of the words.
pub type Trouble = dyn Fn(&str) -> Vec<&'static str> + Send + Sync;

/// What the console is given to show.
#[derive(Clone)]
pub struct ConsoleState {
    /// The name of the network, shown in the header.
    pub network: String,
    /// Whether this is the demonstration.
    pub demo: bool,
    /// Seconds between refreshes of the page; 0 = none.
    pub refresh_s: u32,
    /// Facilities in the order of the configuration.
    pub facilities: Vec<FacilityInfo>,
    /// All that is kept.
    pub store: Arc<Store>,
    /// Destinations by name, and how sending to them stands.
    pub forwards: Vec<(String, Statuses)>,
    /// The version of the active mapping set.
    pub mapping_version: Arc<dyn Fn() -> String + Send + Sync>,
    /// What `/metrics` answers.
    pub metrics: fn() -> String,
    /// What keeps a facility's messages from coming in, by its code: keys of the words.
    pub trouble: Arc<Trouble>,
}

/// Why the console does not start.
#[derive(Debug, thiserror::Error)]
#[error("the console cannot listen on {address}")]
pub struct ConsoleError {
    /// The address asked for.
    pub address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// The console at work.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub local_addr: SocketAddr,
    /// Ends after the shutdown.
    pub task: tokio::task::JoinHandle<()>,
}

/// Starts the console.
///
/// # Errors
/// The address is taken or not this machine's.
pub async fn spawn(
    listen: SocketAddr,
    state: ConsoleState,
    shutdown: CancellationToken,
) -> Result<Running, ConsoleError> {
    let listener =
        TcpListener::bind(listen).await.map_err(|source| ConsoleError { address: listen, source })?;
    let local_addr = listener.local_addr().map_err(|source| ConsoleError { address: listen, source })?;
    info!(%local_addr, "The console listens.");
    let task = tokio::spawn(accept(listener, Arc::new(state), shutdown));
    Ok(Running { local_addr, task })
}

/// Our own accept loop: warp has neither timeouts nor a cap of connections.
async fn accept(listener: TcpListener, state: Arc<ConsoleState>, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let service = hyper_util::service::TowerToHyperService::new(warp::service(routes::routes(state)));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "The console could not accept a connection.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Over the cap the connection is closed at once: the browser tries again, nobody waits in a queue.
        let Ok(permit) = permits.clone().try_acquire_owned() else { continue };
        let service = service.clone();
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(hyper_util::rt::TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => if let Err(error) = ended { debug!(%error, "A connection to the console ended early."); },
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(CONNECTION_LIFE) => {}
            }
        });
    }
}
