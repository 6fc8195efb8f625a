//! `[[feed]]` of bridge.toml: who sends what, and within which limits.

use super::allow::Network;
use super::mllp::MAX_MESSAGE_BYTES;
use crate::calendar::Times;
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
/// Largest file of a folder. A laboratory's daily file for a region has some megabytes.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Between two walks where only `scan_at` is set: never by itself.
const ONLY_AT: Duration = Duration::from_secs(366 * 86_400);
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
    /// Times of day at which it is walked besides; without `scan` it is walked at these and at a start only.
    pub scan_at: Option<Times>,
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
            scan_at: None,
            settle: SETTLE,
            max_message: MAX_MESSAGE_BYTES,
            path_patient: PathPatient::default(),
        }
    }

    /// How long to wait at that time, in milliseconds since 1970, before the next walk.
    pub fn next_walk(&self, now_ms: i64) -> Duration {
        let at = self.scan_at.as_ref().and_then(|times| times.after(now_ms));
        let until = at.and_then(|at| u64::try_from(at - now_ms).ok()).map(Duration::from_millis);
        until.map_or(self.scan, |until| until.min(self.scan))
    }
}

/// A folder of proprietary files, each of many messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFeed {
    /// Where the sender puts them.
    pub path: PathBuf,
    /// The layout of the mapping set that cuts them.
    pub layout: String,
    /// See [`SCAN`].
    pub scan: Duration,
    /// See [`SETTLE`].
    pub settle: Duration,
    /// Largest file in bytes.
    pub max_file: usize,
    /// `facility = "field"`: each row says whose it is, and only these may be named. `None`: all rows are the
    /// feed's facility's.
    pub allow: Option<Vec<String>>,
}

impl FolderFeed {
    /// A folder of one facility with the standard times.
    pub fn new(path: PathBuf, layout: &str) -> Self {
        let (scan, settle) = (SCAN, SETTLE);
        Self { path, layout: layout.into(), scan, settle, max_file: MAX_FILE_BYTES, allow: None }
    }
}

/// How a feed's messages come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `kind = "mllp"`.
    Mllp(MllpFeed),
    /// `kind = "ssmix2"`.
    Ssmix2(StorageFeed),
    /// `kind = "folder"`.
    Folder(FolderFeed),
}

/// One `[[feed]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Feed {
    /// Its name, in logs, metrics and the console.
    pub name: String,
    /// The facility whose messages these are, whatever they say themselves. Of a folder whose rows name their
    /// facility: the sender, under whose name its own store keeps what no facility may be given.
    pub facility: String,
    /// See [`DUPLICATE_WINDOW`].
    pub duplicate_window: Duration,
    /// What a repeated control id means.
    pub control_id: ControlId,
    /// Whether lists come whole.
    pub lists: Lists,
    /// Longer without a message is an alarm. None: this feed may be silent.
    pub silence: Option<Duration>,
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
            silence: None,
            kind,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Mllp,
    Ssmix2,
    Folder,
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
    lists: Option<Lists>,
    #[serde(default, deserialize_with = "units::duration_option")]
    silence: Option<Duration>,
    #[serde(default, deserialize_with = "size_option")]
    max_message: Option<usize>,
    listen: Option<SocketAddr>,
    allow: Option<Vec<String>>,
    layout: Option<String>,
    sender: Option<String>,
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
    scan_at: Option<Times>,
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
        let by_field = w.facility == BY_FIELD;
        let folder = [("layout", w.layout.is_some()), ("sender", w.sender.is_some())];
        let storage = [("scan_at", w.scan_at.is_some()), ("path_patient", w.path_patient.is_some())];
        let files = [("path", w.path.is_some()), ("scan", w.scan.is_some()), ("settle", w.settle.is_some())];
        let listener = [
            ("listen", w.listen.is_some()),
            ("tls", w.tls.is_some()),
            ("max_connections", w.max_connections.is_some()),
            ("max_connections_per_address", w.max_connections_per_address.is_some()),
            ("idle_timeout", w.idle_timeout.is_some()),
            ("read_timeout", w.read_timeout.is_some()),
            ("write_timeout", w.write_timeout.is_some()),
        ];
        if by_field && !matches!(w.kind, KindName::Folder) {
            wrong.says("facility", "facility = \"field\" is only for a feed of kind \"folder\"");
        }
        match w.kind {
            KindName::Mllp => {
                wrong.only_for("ssmix2", &storage);
                wrong.only_for("ssmix2 or folder", &files);
                wrong.only_for("folder", &folder);
                if w.listen.is_none() {
                    wrong.says("listen", "a feed of kind \"mllp\" needs listen = \"ADDRESS:PORT\"");
                }
                for text in w.allow.iter().flatten() {
                    if let Err(problem) = text.parse::<Network>() {
                        wrong.says("allow", &problem);
                    }
                }
            }
            KindName::Ssmix2 => {
                wrong.only_for("mllp", &listener);
                wrong.only_for("mllp or folder", &[("allow", w.allow.is_some())]);
                wrong.only_for("folder", &folder);
                if w.path.is_none() {
                    wrong.says("path", "a feed of kind \"ssmix2\" needs path = \"ROOT OF THE STORAGE\"");
                }
            }
            KindName::Folder => {
                wrong.only_for("mllp", &listener);
                wrong.only_for("ssmix2", &storage);
                if w.path.is_none() {
                    wrong.says("path", "a feed of kind \"folder\" needs path = \"FOLDER\"");
                }
                if w.layout.is_none() {
                    wrong.says("layout", "a feed of kind \"folder\" needs layout = \"LAYOUT\"");
                }
                wrong.senders(by_field, w);
            }
        }
        wrong
    }

    /// Who may name whom in a folder's rows.
    fn senders(&mut self, by_field: bool, w: &Written) {
        let name = |sender: &String| {
            sender.starts_with(|c: char| c.is_ascii_lowercase())
                && sender.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !matches!(sender.as_str(), "appliance" | BY_FIELD)
        };
        match (by_field, &w.sender, &w.allow) {
            (true, Some(sender), Some(allow)) if name(sender) && !allow.is_empty() => {}
            (true, ..) => self.says(
                "facility",
                "facility = \"field\" needs allow = [\"CODE\", …], the facilities that the sender may name, and \
                 sender = \"lab-…\" in small letters, digits and '-'",
            ),
            (false, None, None) => {}
            (false, ..) => self.says("facility", "allow and sender belong to facility = \"field\""),
        }
    }
}

/// `facility` of a feed whose rows name their facility.
const BY_FIELD: &str = "field";

impl TryFrom<Written> for Feed {
    type Error = String;

    fn try_from(w: Written) -> Result<Self, String> {
        let Wrong(wrong) = Wrong::of(&w);
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let by_field = w.facility == BY_FIELD;
        let sender = w.sender.filter(|_| by_field);
        let max_message = w.max_message.unwrap_or(MAX_MESSAGE_BYTES);
        let missing = "a feed needs listen or path";
        let lists = w.lists.unwrap_or(match w.kind {
            // A laboratory reports an order in several goes; what a later file lacks is not taken back.
            KindName::Folder => Lists::Incremental,
            _ => Lists::Whole,
        });
        let kind = match w.kind {
            KindName::Mllp => {
                let standard = MllpFeed::new(w.listen.ok_or(missing)?);
                let allow = w.allow.unwrap_or_default();
                Kind::Mllp(MllpFeed {
                    allow: allow.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
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
            KindName::Folder => {
                let layout = w.layout.unwrap_or_default();
                let standard = FolderFeed::new(w.path.ok_or(missing)?, &layout);
                Kind::Folder(FolderFeed {
                    scan: w.scan.unwrap_or(standard.scan),
                    settle: w.settle.unwrap_or(standard.settle),
                    max_file: w.max_message.unwrap_or(standard.max_file),
                    allow: w.allow,
                    ..standard
                })
            }
            KindName::Ssmix2 => {
                let standard = StorageFeed::new(w.path.ok_or(missing)?);
                Kind::Ssmix2(StorageFeed {
                    scan: w.scan.unwrap_or(if w.scan_at.is_some() { ONLY_AT } else { standard.scan }),
                    scan_at: w.scan_at,
                    settle: w.settle.unwrap_or(standard.settle),
                    max_message,
                    path_patient: w.path_patient.unwrap_or_default(),
                    ..standard
                })
            }
        };
        Ok(Self {
            name: w.name,
            facility: sender.unwrap_or(w.facility),
            duplicate_window: w.duplicate_window.unwrap_or(DUPLICATE_WINDOW),
            control_id: w.control_id,
            lists,
            silence: w.silence,
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
    fn a_folder_is_of_one_facility_or_of_those_that_its_rows_may_name() {
        let feed =
            read("name = 'c'\nfacility = '1319999999'\nkind = 'folder'\npath = '/x'\nlayout = 'l'").unwrap();
        let Kind::Folder(folder) = &feed.kind else { panic!("{feed:?}") };
        assert_eq!(
            (feed.facility.as_str(), &folder.allow, feed.lists),
            ("1319999999", &None, Lists::Incremental)
        );
        let field = "name = 'c'\nfacility = 'field'\nkind = 'folder'\npath = '/x'\nlayout = 'l'\n";
        let feed =
            read(&format!("{field}sender = 'lab-a'\nallow = ['1319999999']\nlists = 'whole'")).unwrap();
        let Kind::Folder(folder) = &feed.kind else { panic!("{feed:?}") };
        let allow = Some(vec!["1319999999".to_owned()]);
        assert_eq!((feed.facility.as_str(), &folder.allow, feed.lists), ("lab-a", &allow, Lists::Whole));
        for wrong in ["", "sender = 'lab-a'", "sender = 'lab-a'\nallow = []", "sender = '1'\nallow = ['1']"] {
            assert!(read(&format!("{field}{wrong}")).unwrap_err().contains("sender"), "{wrong}");
        }
    }

    #[test]
    fn a_storage_may_be_walked_at_times_of_day_only() {
        let storage = |more: &str| {
            let text = format!("name = 'b'\nfacility = 'x'\nkind = 'ssmix2'\npath = '/srv/s'\n{more}");
            let Kind::Ssmix2(storage) = read(&text).unwrap().kind else { panic!("{text}") };
            storage
        };
        // 2026-04-01 00:00 in Japan, and half past one.
        let midnight = 1_774_969_200_000;
        let half_past_one = Duration::from_secs(90 * 60);
        assert_eq!(storage("").next_walk(midnight), super::SCAN);
        assert_eq!(storage("scan_at = '30 1 * * *'").next_walk(midnight), half_past_one);
        assert_eq!(
            storage("scan = '1h'\nscan_at = '30 1 * * *'").next_walk(midnight),
            Duration::from_secs(3_600)
        );
        assert_eq!(storage("scan = '2h'\nscan_at = '30 1 * * *'").next_walk(midnight), half_past_one);
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
        check("kind = 'ssmix2'\npath = '/x'\nallow = ['10.0.0.0/8']", "allow");
        check("kind = 'ssmix2'\npath = '/x'\nlayout = 'l'", "layout");
        check("kind = 'folder'\npath = '/x'", "layout");
        check("kind = 'folder'\npath = '/x'\nlayout = 'l'\nlisten = '0.0.0.0:1'", "listen");
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
