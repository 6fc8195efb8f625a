//! The appliance put together: opens the store, starts feeds, pipelines, forwarders and the console, and
//! stops them again.
//!
//! Everything that the console, the API and the tests want to know stands in [`AppState`]. No work is done
//! here: workers meet in the store.

pub mod alarm;
pub mod archive;
mod feeds;
pub mod layers;
pub mod mappings;
pub mod schedule;
pub mod service;
mod shares;

use crate::config::{self, Config};
use crate::store::{OpenError, Store, StoreError};
use crate::{consent, console, forward, intake, pipeline, telemetry};
use renkei_translate::translation;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// What is not done so long after the shutdown is left: the store can be cut off at any moment anyway.
pub const STOP: Duration = Duration::from_millis(4_500);
/// How often metrics are swept.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the appliance does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Another process has this data directory.
    #[error(
        "another renkei-bridge is at work on {}: this one does not start and takes nothing. Stop the other first\n    \
         別の renkei-bridge が {} を使って動いています。こちらは起動せず、何も受け取りません。先に、動いている方を止めてください。",
        .0.display(), .0.display()
    )]
    Busy(PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A destination.
    #[error("base {base}: {reason}")]
    Forward {
        /// Its name.
        base: String,
        /// Why.
        reason: String,
    },
    /// What the sets are made of could not be noted.
    #[error("the versions of the mappings: {0}")]
    Layers(StoreError),
    /// A table of 外字.
    #[error("{path}: {reason}")]
    Gaiji {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Who is shared could not be set: nothing may be sent by yesterday's settings.
    #[error("who is shared cannot be set: {0}")]
    Sharing(StoreError),
    /// The console.
    #[error(transparent)]
    Console(#[from] console::ConsoleError),
}

/// A feed at work.
#[derive(Clone, Debug)]
pub struct FeedStatus {
    /// Its name.
    pub name: String,
    /// Whose messages it brings.
    pub facility: String,
    /// `mllp`, `ssmix2` or `folder`.
    pub kind: &'static str,
    /// Where it listens, for a listener.
    pub local_addr: Option<SocketAddr>,
    /// What it follows, for a storage.
    pub path: Option<PathBuf>,
    /// Whether it takes messages. One whose port is taken, or whose facility's store is damaged, does not.
    pub working: Arc<AtomicBool>,
    /// Files that it could not take.
    pub left: intake::Left,
}

/// What is known of the appliance at work; clones share it.
#[derive(Clone, Debug)]
pub struct AppState {
    /// What it was started with.
    pub config: Arc<Config>,
    /// All that it keeps.
    pub store: Arc<Store>,
    /// The active mapping sets, and what is wrong with them.
    pub mappings: layers::AtWork,
    /// Settings of the facilities, by code.
    pub facilities: Arc<BTreeMap<String, Arc<translation::Facility>>>,
    /// Feeds at work, in the order of the configuration.
    pub feeds: Arc<Vec<FeedStatus>>,
    /// How sending stands: destination by name, and its statuses by facility.
    pub forwards: Arc<Vec<(String, forward::Statuses)>>,
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
}

/// The appliance at work.
#[derive(Debug)]
pub struct App {
    /// What is known of it.
    pub state: AppState,
    /// Where the console listens.
    pub console: Option<SocketAddr>,
    /// Held as long as this lives.
    _alone: Option<File>,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// How the console presents the appliance.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Whether this is the demonstration.
    pub demo: bool,
    /// Seconds between refreshes of the page; 0 = none.
    pub refresh_s: u32,
    /// The name of the network, shown in the header.
    pub network: String,
}

/// How often the status page of an installation is fetched again.
const REFRESH_S: u32 = 60;

/// Settings of a facility as a translation knows them.
///
/// # Errors
/// A table of 外字 that cannot be read.
pub fn facility(written: &config::Facility) -> Result<translation::Facility, AppError> {
    let gaiji = match &written.gaiji {
        Some(path) => config::gaiji(path).map_err(|reason| AppError::Gaiji { path: path.clone(), reason })?,
        None => renkei_translate::charset::GaijiTable::default(),
    };
    Ok(translation::Facility {
        code: written.code.clone(),
        name: written.name.clone(),
        patient_id: written.patient_id.clone(),
        local_system_base: written
            .local_system_base
            .clone()
            .unwrap_or_else(|| config::default_local_system_base(&written.code)),
        gaiji,
    })
}

/// Opens the store of a configuration.
///
/// # Errors
/// See [`Store::open`].
pub fn open_store(config: &Config) -> Result<Arc<Store>, AppError> {
    let mut codes: Vec<String> = config.facilities.iter().map(|facility| facility.code.clone()).collect();
    // A sender whose rows name their facility has a store of its own, for what no facility may be given.
    codes.extend(config.senders());
    Ok(Store::open(&config.data_dir, &codes, config.store.clone())?)
}

/// Starts everything, as an installation does.
///
/// # Errors
/// See [`spawn_with`].
pub async fn spawn(config: Config) -> Result<App, AppError> {
    spawn_with(config, Look { demo: false, refresh_s: REFRESH_S, network: String::new() }).await
}

/// Starts everything. Feeds start last but for the console: nothing is taken before what it needs stands.
///
/// # Errors
/// What could not be started; what was started by then is stopped.
pub async fn spawn_with(config: Config, look: Look) -> Result<App, AppError> {
    let shutdown = CancellationToken::new();
    // Stops what was started where a later part fails.
    let guard = shutdown.clone().drop_guard();
    let app = start(config, look, shutdown).await?;
    guard.disarm();
    Ok(app)
}

/// The file of a data directory that the process at work on it holds.
const AT_WORK: &str = "serve.lock";

/// Takes the data directory for this process: two that serve one would each take messages and send them twice. None
/// where the file system knows no locks, which is said.
fn alone(data_dir: &Path) -> Result<Option<File>, AppError> {
    let unusable = |error: std::io::Error| AppError::Store(OpenError::Io(error));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(unusable)?;
    let mut file = File::options();
    let file = file.create(true).append(true).mode(0o600).open(data_dir.join(AT_WORK)).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(AppError::Busy(data_dir.to_owned())),
        Err(TryLockError::Error(error)) => {
            warn!(%error, "The data directory cannot be locked: see that no second process serves it.");
            Ok(None)
        }
    }
}

async fn start(config: Config, look: Look, shutdown: CancellationToken) -> Result<App, AppError> {
    let alone = alone(&config.data_dir)?;
    forward::install_crypto();
    let mut facilities = BTreeMap::new();
    for written in &config.facilities {
        facilities.insert(written.code.clone(), Arc::new(facility(written)?));
    }
    for sender in config.senders() {
        let held = translation::Facility { code: sender.clone(), name: sender.clone(), ..Default::default() };
        facilities.insert(sender, Arc::new(held));
    }
    let store = open_store(&config)?;
    let mappings = layers::AtWork::start(&config, &store).map_err(AppError::Layers)?;
    let mut tasks = vec![tokio::spawn(upkeep(shutdown.clone()))];

    for code in facilities.keys() {
        let damage = store.damaged().iter().find(|(damaged, _)| damaged == code);
        metrics::gauge!("renkei_facility_damaged", "facility" => code.clone()).set(if damage.is_some() {
            1.0
        } else {
            0.0
        });
        if let Some((_, error)) = damage {
            error!(
                facility = %code, %error,
                "The store of a facility cannot be used: restore it from a backup. The others are served."
            );
        }
    }
    for store in store.facilities() {
        let bases = config.bases.iter().filter(|base| config.sends(base, store.code()));
        let names: Vec<String> = bases.map(|base| base.name.clone()).collect();
        let of = store.clone();
        let written = config.facilities.iter().find(|facility| facility.code == store.code());
        let sharing = written.map(|facility| config.sharing(facility)).unwrap_or_default();
        let left_out = tokio::task::spawn_blocking(move || {
            // Before anything is sent: without it nobody is shared.
            of.share(&sharing, now_ms())?;
            of.destinations(&names)
        })
        .await;
        match left_out {
            Ok(Ok(0)) => {}
            Ok(Ok(deliveries)) => warn!(
                facility = store.code(),
                deliveries, "Deliveries are left out: their base is no more configured."
            ),
            Ok(Err(error)) => return Err(AppError::Sharing(error)),
            Err(_) => return Err(AppError::Sharing(StoreError::Closed)),
        }
    }
    let mut forwards = Vec::new();
    for base in &config.bases {
        let stores =
            store.facilities().into_iter().filter(|store| config.sends(base, store.code())).collect();
        let running = forward::spawn(base.clone(), stores, shutdown.clone())
            .map_err(|error| AppError::Forward { base: base.name.clone(), reason: error.to_string() })?;
        forwards.push((base.name.clone(), running.statuses.clone()));
        tasks.push(tokio::spawn(running.stopped()));
    }

    for written in &config.facilities {
        let Some(of) = store.facility(&written.code) else { continue };
        let consent = consent::Consent {
            store: store.clone(),
            facility: of,
            rule: written.patient_id.clone(),
            folder: written.consent_folder.clone(),
        };
        tasks.push(consent::spawn(consent, shutdown.clone()));
    }

    let permits = config.pipeline.permits();
    for (code, facility) in &facilities {
        let Some(store_of) = store.facility(code) else { continue };
        let bases = config.bases.iter().filter(|base| config.sends(base, code));
        let pipeline = pipeline::Pipeline {
            store: store_of,
            set: mappings.sets.of(code),
            facility: facility.clone(),
            id_key: store.id_key(),
            destinations: bases.map(|base| base.name.clone()).collect(),
            permits: permits.clone(),
        };
        tasks.push(pipeline::spawn(pipeline, shutdown.clone()));
    }

    let mut feeds = Vec::new();
    for feed in &config.feeds {
        let doors = intake::Doors {
            store: store.clone(),
            set: mappings.sets.of(&feed.facility),
            left: intake::Left::default(),
        };
        let (status, task) = feeds::spawn(feed, &doors, &shutdown);
        feeds.push(status);
        tasks.extend(task);
    }

    let state = AppState {
        config: Arc::new(config),
        store,
        mappings,
        facilities: Arc::new(facilities),
        feeds: Arc::new(feeds),
        forwards: Arc::new(forwards),
        started_ms: now_ms(),
    };
    info!(
        facilities = state.facilities.len(),
        feeds = state.feeds.len(),
        bases = state.forwards.len(),
        mapping_version = state.mappings.sets.common().load().version(),
        "The appliance has started."
    );
    let upkeep = schedule::Upkeep::new(state.store.clone(), state.config.clone(), state.started_ms);
    let alarms = upkeep.alarms();
    tasks.extend(shares::watch(&state, &alarms, &shutdown));
    tasks.push(tokio::spawn(schedule::run(upkeep, shutdown.clone())));
    let follow = state.mappings.clone().follow(state.config.clone(), state.store.clone(), shutdown.clone());
    tasks.push(tokio::spawn(follow));
    let tls = state.config.console.tls.clone().map(|tls| (tls.cert, tls.key));
    let listen = console::Listen { address: state.config.console.listen, tls };
    let console = console::spawn(listen, console_state(&state, look, alarms), shutdown.clone()).await?;
    tasks.push(console.task);
    Ok(App { state, console: Some(console.local_addr), _alone: alone, shutdown, tasks })
}

/// Whether a feed brings messages of a facility: its own feed, or a sender's whose rows may name it.
fn brings(config: &Config, feed: &FeedStatus, facility: &str) -> bool {
    let named = || {
        let written = config.feeds.iter().filter(|written| written.name == feed.name);
        written.into_iter().any(|written| match &written.kind {
            intake::Kind::Folder(folder) => folder.allow.iter().flatten().any(|code| code == facility),
            _ => false,
        })
    };
    feed.facility == facility || named()
}

fn console_state(state: &AppState, look: Look, alarms: Arc<alarm::Alarms>) -> console::ConsoleState {
    let info = |code: &str, name: &str| console::FacilityInfo {
        code: code.to_owned(),
        name: name.to_owned(),
        feeds: state
            .feeds
            .iter()
            .filter(|feed| brings(&state.config, feed, code))
            .map(|feed| (feed.name.clone(), feed.kind))
            .collect(),
    };
    // Senders are shown among the facilities: what they hold is part of the sums.
    let mut infos: Vec<_> = state.config.facilities.iter().map(|f| info(&f.code, &f.name)).collect();
    infos.extend(state.config.senders().iter().map(|sender| info(sender, sender)));
    let (sets, written) = (state.mappings.sets.clone(), state.config.clone());
    let (of_mappings, at_work) = (state.mappings.clone(), state.mappings.clone());
    let (store, feeds, with_left) = (state.store.clone(), state.feeds.clone(), state.feeds.clone());
    let damaged = move |code: &str| store.damaged().iter().any(|(damaged, _)| damaged == code);
    console::ConsoleState {
        network: look.network,
        demo: look.demo,
        refresh_s: look.refresh_s,
        facilities: infos,
        region: state.config.participation.clone(),
        members: state.config.members(),
        store: state.store.clone(),
        forwards: state.forwards.to_vec(),
        mapping_version: Arc::new(move || sets.common().load().version().to_owned()),
        bench: Arc::new(console::bench::Bench::new(state.mappings.sets.clone(), state.facilities.clone())),
        metrics: telemetry::metrics_text,
        consent: Arc::new(console::pages::consent::Desk::new(places(state))),
        now_ms: Arc::new(now_ms),
        clock_offset_ms: Arc::new(|| None),
        machine: console::Machine {
            data_dir: state.config.data_dir.clone(),
            limits: state.config.store.clone(),
            started_ms: state.started_ms,
            certificates: Arc::new(move || {
                let all = config::certificates(&written).into_iter();
                all.map(|certificate| (certificate.setting, certificate.end)).collect()
            }),
            alarm: Arc::new(move |alarm| alarms.on(alarm)),
            left: Arc::new(move |feed| feeds::left(&with_left, feed)),
            mappings: Arc::new(move || of_mappings.problems()),
        },
        delay: console::delay,
        trouble: Arc::new(move |code| {
            let mut trouble = feeds::trouble(&feeds, damaged(code), code);
            trouble.extend(at_work.trouble(code));
            trouble
        }),
    }
}

/// What the console's pages of facilities know besides the store.
fn places(state: &AppState) -> BTreeMap<String, console::pages::consent::Place> {
    let place = |written: &config::Facility| console::pages::consent::Place {
        patient_id: written.patient_id.clone(),
        inputs: state
            .feeds
            .iter()
            .filter(|feed| brings(&state.config, feed, &written.code))
            .map(|feed| {
                let folder = feed.path.as_ref().map(|path| path.display().to_string());
                let place = folder.or_else(|| feed.local_addr.map(|address| address.to_string()));
                (feed.name.clone(), place.unwrap_or_default())
            })
            .collect(),
        folder: written.consent_folder.as_ref().map(|path| path.display().to_string()),
    };
    state.config.facilities.iter().map(|written| (written.code.clone(), place(written))).collect()
}

impl App {
    /// Where a feed listens.
    pub fn feed_addr(&self, name: &str) -> Option<SocketAddr> {
        self.state.feeds.iter().find(|feed| feed.name == name)?.local_addr
    }

    /// The token that stops everything.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Stops everything: what is in hand is finished, within [`STOP`].
    pub async fn stop(self) {
        self.shutdown.cancel();
        let all = futures_util::future::join_all(self.tasks);
        if tokio::time::timeout(STOP, all).await.is_err() {
            warn!("Some work was not finished in time; it is repeated after the next start.");
        }
        info!("The appliance has stopped.");
    }
}

async fn upkeep(shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(UPKEEP) => telemetry::upkeep(),
        }
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
