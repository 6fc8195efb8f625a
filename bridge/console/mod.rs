//! The console and the API: pages for people of six roles, health, metrics and `/api/v1`.
//!
//! [`rights`] holds the one table of addresses and who may use them; [`dispatch`] asks it, after the session and
//! before the handler. [`pages`] answer, [`view`] gathers, [`page`] renders, [`words`] holds both languages. No
//! page shows a patient before a person asked for it with a reason.

pub mod answer;
mod at;
pub mod bench;
mod body;
mod chart;
mod day;
mod dispatch;
mod door;
mod login;
pub(crate) mod mask;
pub mod page;
pub mod pages;
pub mod password;
pub mod people;
pub mod qr;
mod reading;
pub mod request;
mod reveal;
pub mod rights;
pub mod table;
mod traced;
pub mod view;
pub mod words;

use answer::{Answer, Failure};
use request::Request;

use crate::forward::Statuses;
use crate::participation;
use crate::store::Store;
use renkei_translate::mapping::Problem;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// A certificate that ends within so many days is told of: renewing one takes a hospital weeks.
pub const CERTIFICATE_WARNING_DAYS: i64 = 30;
/// Connections at once: a page is small and answered at once, so more than this is somebody's mistake.
pub const MAX_CONNECTIONS: usize = 128;
/// A request's header must be there within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// So must a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// Its feeds: name and kind (`mllp`, `ssmix2`, `folder`).
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
    /// The denominators and whose report it is.
    pub region: participation::Config,
    /// The facilities as 参加状況 knows them.
    pub members: Vec<participation::Member>,
    /// All that is kept.
    pub store: Arc<Store>,
    /// Destinations by name, and how sending to them stands.
    pub forwards: Vec<(String, Statuses)>,
    /// The version of the active mapping set.
    pub mapping_version: Arc<dyn Fn() -> String + Send + Sync>,
    /// What the pages of messages and mappings work with.
    pub bench: Arc<bench::Bench>,
    /// What `/metrics` answers.
    pub metrics: fn() -> String,
    /// What the pages of facilities know, and lists that wait to be confirmed.
    pub consent: Arc<pages::consent::Desk>,
    /// Now, in milliseconds since 1970.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// By how many milliseconds this machine's clock is ahead of the right time, where that is known.
    pub clock_offset_ms: Arc<dyn Fn() -> Option<i64> + Send + Sync>,
    /// The machine, for the page システム.
    pub machine: Machine,
    /// How long a sign-in waits after so many attempts that did not end in one.
    pub delay: fn(u32) -> Duration,
    /// What keeps a facility's messages from coming in, by its code: keys of the words.
    pub trouble: Arc<Trouble>,
}

/// What the page システム says of the machine.
#[derive(Clone)]
pub struct Machine {
    /// Where the store lies.
    pub data_dir: PathBuf,
    /// The lines of free disk.
    pub limits: crate::store::Config,
    /// When the appliance started, in milliseconds since 1970.
    pub started_ms: i64,
    /// Certificates of the configuration: the setting, and its end in seconds since 1970 or why it cannot be read.
    pub certificates: Certificates,
    /// Whether an alarm stands, by its name as [`crate::app::alarm::Alarms::on`] has it: `silence FEED`, `failed JOB`.
    pub alarm: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// What a feed, by its name, could not take when it last looked.
    pub left: Arc<Left>,
    /// What is wrong with the mappings that are active.
    pub mappings: Arc<dyn Fn() -> Vec<Problem> + Send + Sync>,
}

/// From a feed's name to what it could not take.
pub type Left = dyn Fn(&str) -> Vec<LeftFiles> + Send + Sync;

/// Files of one cause that a feed could not take.
#[derive(Clone, Debug)]
pub struct LeftFiles {
    /// The key of the cause's words: `left.name`.
    pub key: String,
    /// How many.
    pub files: u64,
    /// Where one of them lies, as a shape.
    pub example: String,
}

/// Reads what certificates the configuration names.
pub type Certificates = Arc<dyn Fn() -> Vec<(String, Result<i64, String>)> + Send + Sync>;

impl std::fmt::Debug for ConsoleState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConsoleState")
    }
}

pub use dispatch::{IDLE_MS, WARN_MS, csrf};
pub use door::delay;

/// Signs out.
fn sign_out(request: &Request) -> Result<Answer, Failure> {
    request.audit("sign-out", &request.user.name, "")?;
    request.state.store.users().end_session(&request.user.token)?;
    Ok(Answer::see_other("/login").without_cookie(dispatch::SESSION))
}

/// Where the console listens, and with what.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Certificate chain and private key, PEM; plain on this machine alone.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// Why the console does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is taken or not this machine's.
    #[error("the console cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Passwords and patients would cross the network in the clear.
    #[error("the console listens beyond this machine ({0}) only with TLS")]
    Plain(SocketAddr),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
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
/// The address cannot be used, a certificate cannot, or it would be plain beyond this machine.
pub async fn spawn(
    listen: impl Into<Listen>,
    state: ConsoleState,
    shutdown: CancellationToken,
) -> Result<Running, ConsoleError> {
    let Listen { address, tls } = listen.into();
    if tls.is_none() && !address.ip().is_loopback() {
        return Err(ConsoleError::Plain(address));
    }
    let acceptor = tls
        .map(|(cert, key)| {
            let listener =
                crate::tls::Listener { cert: &cert, key: &key, client_ca: None, allow_tls12: false };
            crate::tls::acceptor(listener)
        })
        .transpose()?;
    let failed = |source| ConsoleError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    info!(%local_addr, tls = acceptor.is_some(), "The console listens.");
    let task = tokio::spawn(accept(listener, acceptor, Arc::new(state), shutdown));
    Ok(Running { local_addr, task })
}

/// Our own accept loop: warp has neither timeouts nor a cap of connections.
async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    state: Arc<ConsoleState>,
    shutdown: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let console = Arc::new(dispatch::Console::new(state));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(error) => {
                warn!(%error, "The console could not accept a connection.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Over the cap the connection is closed at once: the browser tries again, nobody waits in a queue.
        let Ok(permit) = permits.clone().try_acquire_owned() else { continue };
        let filter = dispatch::filter(console.clone(), peer);
        let service = hyper_util::service::TowerToHyperService::new(warp::service(filter));
        let (shutdown, acceptor) = (shutdown.clone(), acceptor.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let serving = async {
                match acceptor {
                    None => serve(stream, service).await,
                    Some(acceptor) => {
                        match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                            Ok(Ok(stream)) => serve(stream, service).await,
                            _ => debug!("A TLS handshake with the console failed."),
                        }
                    }
                }
            };
            tokio::select! {
                () = serving => {}
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(CONNECTION_LIFE) => {}
            }
        });
    }
}

/// Answers the requests of one connection until it ends.
async fn serve<S, H, B>(stream: S, service: H)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    H: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    H::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        debug!(%error, "A connection to the console ended early.");
    }
}
