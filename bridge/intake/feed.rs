//! `[[feed]]` of bridge.toml: who sends what, and within which limits.

use super::allow::Network;
use super::mllp::MAX_MESSAGE_BYTES;
use crate::units;
use renkei_translate::translation::{Lists, PathPatient};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Connections that one feed holds at most.
pub const MAX_CONNECTIONS: usize = 256;
/// Connections that one address holds at most: half a feed, so that one cannot take all.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 128;
/// A connection without a finished block for so long is closed. Hospital systems keep theirs open all night.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// From the first byte of a block to its last: a byte a second must not hold a connection for ever.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// For writing one acknowledgment to a sender that does not read.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Within which the same id and body are the same message.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(7 * 86_400);

/// The longest window: each message is looked for in the journal of every day of it.
pub const DUPLICATE_WINDOW_MAX: Duration = Duration::from_secs(31 * 86_400);
/// A limit on messages below this would refuse nearly all of them: a header alone has some hundred bytes.
pub const MIN_MESSAGE_BYTES: usize = 1 << 10;
/// A wait below this is a mistake: nothing comes over a network so soon, and a walk would never rest.
pub const MIN_TIME: Duration = Duration::from_millis(100);
/// How often a storage is walked: shares show no events.
pub const SCAN: Duration = Duration::from_secs(30);
/// How long size and time of a file must stand still before it is taken.
pub const SETTLE: Duration = Duration::from_secs(5);

/// What a repeated control id with another body means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlId {
    /// Trouble: both are kept, one alarm a day.
    #[default]
    Unique,
    /// This sender counts from the start every day: no alarm.
    Repeats,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Authorities of the senders' certificates, PEM. Without it senders need none.
    pub client_ca: Option<PathBuf>,
    /// Accept TLS 1.2 too, for a peer that cannot do 1.3.
    #[serde(default)]
    pub allow_tls12: bool,
}

/// A listener for MLLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MllpFeed {
    /// Address and port.
    pub listen: SocketAddr,
    /// Networks that may connect; empty = all.
    pub allow: Vec<Network>,
    /// TLS, or plain.
    pub tls: Option<Tls>,
    /// Largest message in bytes.
    pub max_message: usize,
    /// Connections at most.
    pub max_connections: usize,
    /// Connections at most from one address.
    pub max_connections_per_address: usize,
    /// See [`IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// See [`READ_TIMEOUT`].
    pub read_timeout: Duration,
    /// See [`WRITE_TIMEOUT`].
    pub write_timeout: Duration,
}

impl MllpFeed {
    /// A plain listener with the standard limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            allow: Vec::new(),
            tls: None,
            max_message: MAX_MESSAGE_BYTES,
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            idle_timeout: IDLE_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
        }
    }
}

/// A standardized storage that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFeed {
    /// Its root.
    pub path: PathBuf,
    /// See [`SCAN`].
    pub scan: Duration,
    /// See [`SETTLE`].
    pub settle: Duration,
    /// Largest file in bytes.
    pub max_message: usize,
    /// What a patient in the path that is not PID-3 is.
    pub path_patient: PathPatient,
}

impl StorageFeed {
    /// A storage with the standard times.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            scan: SCAN,
            settle: SETTLE,
            max_message: MAX_MESSAGE_BYTES,
            path_patient: PathPatient::default(),
        }
    }
}

/// How a feed's messages come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `kind = "mllp"`.
    Mllp(MllpFeed),
    /// `kind = "ssmix2"`.
    Ssmix2(StorageFeed),
}

/// One `[[feed]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Feed {
    /// Its name, in logs, metrics and the console.
    pub name: String,
    /// The facility whose messages these are, whatever they say themselves.
    pub facility: String,
    /// See [`DUPLICATE_WINDOW`].
    pub duplicate_window: Duration,
    /// What a repeated control id means.
    pub control_id: ControlId,
    /// Whether lists come whole.
    pub lists: Lists,
    /// How messages come in.
    pub kind: Kind,
}

impl Feed {
    /// A feed with the standard settings.
    pub fn new(name: &str, facility: &str, kind: Kind) -> Self {
        Self {
            name: name.into(),
            facility: facility.into(),
            duplicate_window: DUPLICATE_WINDOW,
            control_id: ControlId::default(),
            lists: Lists::default(),
            kind,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Mllp,
    Ssmix2,
}

/// A feed as it is written: the keys of all kinds, told apart in [`Feed`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    facility: String,
    kind: KindName,
    #[serde(default, deserialize_with = "units::duration_option")]
    duplicate_window: Option<Duration>,
    #[serde(default)]
    control_id: ControlId,
    #[serde(default)]
    lists: Lists,
    #[serde(default, deserialize_with = "size_option")]
    max_message: Option<usize>,
    listen: Option<SocketAddr>,
    allow: Option<Vec<Network>>,
    tls: Option<Tls>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<usize>,
    #[serde(default, deserialize_with = "units::duration_option")]
    idle_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "units::duration_option")]
    read_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "units::duration_option")]
    write_timeout: Option<Duration>,
    path: Option<PathBuf>,
    #[serde(default, deserialize_with = "units::duration_option")]
    scan: Option<Duration>,
    #[serde(default, deserialize_with = "units::duration_option")]
    settle: Option<Duration>,
    path_patient: Option<PathPatient>,
}

fn size_option<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    units::size_usize(deserializer).map(Some)
}

/// Everything that is wrong with a feed, each with its key: `key TAB sentence` a line, so that a reader that knows
/// where the keys stand can say it there.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn says(&mut self, key: &str, sentence: &str) {
        self.0.push(format!("{key}\t{sentence}"));
    }

    /// Keys that do not belong to the kind.
    fn only_for(&mut self, kind: &str, keys: &[(&str, bool)]) {
        for (key, _) in keys.iter().filter(|(_, given)| *given) {
            self.says(key, &format!("{key} is only for a feed of kind \"{kind}\""));
        }
    }

    fn of(w: &Written) -> Self {
        let mut wrong = Self::default();
        if w.name.is_empty() || !w.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            wrong.says("name", "the name of a feed has letters, digits, '-', '_' and '.' only");
        }
        if w.duplicate_window.is_some_and(|window| window > DUPLICATE_WINDOW_MAX) {
            wrong.says("duplicate_window", "duplicate_window is at most 31d");
        }
        if w.max_message.is_some_and(|bytes| bytes < MIN_MESSAGE_BYTES) {
            wrong.says("max_message", "max_message is at least 1KiB");
        }
        for (key, count) in [
            ("max_connections", w.max_connections),
            ("max_connections_per_address", w.max_connections_per_address),
        ] {
            if count == Some(0) {
                wrong.says(key, &format!("{key} is at least 1"));
            }
        }
        for (key, time) in [
            ("idle_timeout", w.idle_timeout),
            ("read_timeout", w.read_timeout),
            ("write_timeout", w.write_timeout),
            ("scan", w.scan),
        ] {
            if time.is_some_and(|time| time < MIN_TIME) {
                wrong.says(key, &format!("{key} is at least 100ms"));
            }
        }
        match w.kind {
            KindName::Mllp => {
                wrong.only_for(
                    "ssmix2",
                    &[
                        ("path", w.path.is_some()),
                        ("scan", w.scan.is_some()),
                        ("settle", w.settle.is_some()),
                        ("path_patient", w.path_patient.is_some()),
                    ],
                );
                if w.listen.is_none() {
                    wrong.says("listen", "a feed of kind \"mllp\" needs listen = \"ADDRESS:PORT\"");
                }
            }
            KindName::Ssmix2 => {
                wrong.only_for(
                    "mllp",
                    &[
                        ("listen", w.listen.is_some()),
                        ("allow", w.allow.is_some()),
                        ("tls", w.tls.is_some()),
                        ("max_connections", w.max_connections.is_some()),
                        ("max_connections_per_address", w.max_connections_per_address.is_some()),
                        ("idle_timeout", w.idle_timeout.is_some()),
                        ("read_timeout", w.read_timeout.is_some()),
                        ("write_timeout", w.write_timeout.is_some()),
                    ],
                );
                if w.path.is_none() {
                    wrong.says("path", "a feed of kind \"ssmix2\" needs path = \"ROOT OF THE STORAGE\"");
                }
            }
        }
        wrong
    }
}

impl TryFrom<Written> for Feed {
    type Error = String;

    fn try_from(w: Written) -> Result<Self, String> {
        let Wrong(wrong) = Wrong::of(&w);
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let max_message = w.max_message.unwrap_or(MAX_MESSAGE_BYTES);
        let missing = "a feed needs listen or path";
        let kind = match w.kind {
            KindName::Mllp => {
                let standard = MllpFeed::new(w.listen.ok_or(missing)?);
                Kind::Mllp(MllpFeed {
                    allow: w.allow.unwrap_or_default(),
                    tls: w.tls,
                    max_message,
                    max_connections: w.max_connections.unwrap_or(standard.max_connections),
                    max_connections_per_address: w
                        .max_connections_per_address
                        .unwrap_or(standard.max_connections_per_address),
                    idle_timeout: w.idle_timeout.unwrap_or(standard.idle_timeout),
                    read_timeout: w.read_timeout.unwrap_or(standard.read_timeout),
                    write_timeout: w.write_timeout.unwrap_or(standard.write_timeout),
                    ..standard
                })
            }
            KindName::Ssmix2 => {
                let standard = StorageFeed::new(w.path.ok_or(missing)?);
                Kind::Ssmix2(StorageFeed {
                    scan: w.scan.unwrap_or(standard.scan),
                    settle: w.settle.unwrap_or(standard.settle),
                    max_message,
                    path_patient: w.path_patient.unwrap_or_default(),
                    ..standard
                })
            }
        };
        Ok(Self {
            name: w.name,
            facility: w.facility,
            duplicate_window: w.duplicate_window.unwrap_or(DUPLICATE_WINDOW),
            control_id: w.control_id,
            lists: w.lists,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ControlId, Feed, Kind};
    use renkei_translate::translation::{Lists, PathPatient};
    use std::time::Duration;

    fn read(text: &str) -> Result<Feed, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_mllp_feed_is_read_with_its_limits() {
        let feed = read(
            "name = 'a'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '0.0.0.0:2575'\nallow = ['10.0.0.0/8']\n\
             control_id = 'repeats'\nread_timeout = '5s'\nmax_message = '1MiB'\n\
             tls = { cert = 'c.pem', key = 'k.pem', client_ca = 'ca.pem' }",
        )
        .unwrap();
        let Kind::Mllp(mllp) = &feed.kind else { panic!("{feed:?}") };
        assert_eq!((mllp.max_message, mllp.read_timeout), (1 << 20, Duration::from_secs(5)));
        assert_eq!((mllp.max_connections, feed.control_id), (super::MAX_CONNECTIONS, ControlId::Repeats));
    }

    #[test]
    fn a_storage_is_read_with_its_times() {
        let feed = read(
            "name = 'b'\nfacility = '1319999999'\nkind = 'ssmix2'\npath = '/srv/s'\nscan = '1m'\nsettle = '2s'\n\
             lists = 'incremental'\npath_patient = 'warn'",
        )
        .unwrap();
        let Kind::Ssmix2(storage) = &feed.kind else { panic!("{feed:?}") };
        assert_eq!((storage.scan, storage.settle), (Duration::from_secs(60), Duration::from_secs(2)));
        assert_eq!((storage.path_patient, feed.lists), (PathPatient::Warn, Lists::Incremental));
    }

    #[test]
    fn what_does_not_belong_is_refused_by_name() {
        let check = |text: &str, part: &str| {
            let error = read(&format!("name = 'a'\nfacility = 'x'\n{text}")).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\npath = '/x'", "path");
        check("kind = 'ssmix2'\npath = '/x'\nlisten = '0.0.0.0:1'", "listen");
        check("kind = 'mllp'", "listen");
        check("kind = 'ssmix2'", "path");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\ncolour = 1", "colour");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\nidle_timeout = '10'", "unit");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\nmax_connections = 0", "at least 1");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\nmax_message = '1023B'", "at least 1KiB");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\nread_timeout = '0s'", "at least 100ms");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\nduplicate_window = '32d'", "31d");
        check("kind = 'mllp'\nlisten = '0.0.0.0:1'\nallow = ['10.0.0.1/8']", "prefix");
    }
}
