//! `bridge.toml`: what an installation is, composed of each module's own settings.
//!
//! [`load`] reads a file and says everything that is wrong with it at once, with lines and what to do;
//! [`environment`] looks at what the file names: directories, certificates, tables; [`everything`] at clock, disk
//! and bases too.

mod certificate;
mod check;
mod credential;
mod environment;
mod machine;
mod problem;
mod read;
mod schedule;
mod sharing;

pub use environment::{backup_key, certificates, environment, folders, gaiji, layouts};
pub use machine::everything;
pub use problem::{Problem, Weight};
pub use schedule::Schedule;

use crate::{forward, intake, participation, pipeline, store};
use credential::place;
use problem::Problems;
use renkei_translate::charset::{GaijiTable, decode_as};
use renkei_translate::translation::PatientIdRule;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The console's port where none is set, on this machine only.
pub const CONSOLE_PORT: u16 = 8080;

/// An installation.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it was read from; names in it are relative to its directory.
    pub file: PathBuf,
    /// Where the store lies.
    pub data_dir: PathBuf,
    /// Where the mapping set and what the network lays over it come from.
    pub mappings: Mappings,
    /// Status page, API, health, metrics.
    pub console: Console,
    /// Limits of the store.
    pub store: store::Config,
    /// Where backups go.
    pub backup: store::BackupConfig,
    /// What is done by itself, and when.
    pub schedule: Schedule,
    /// How much is translated at once.
    pub pipeline: pipeline::Config,
    /// Denominators and cover of 参加状況.
    pub participation: participation::Config,
    /// Facilities, in the order of the file.
    pub facilities: Vec<Facility>,
    /// Feeds, in the order of the file.
    pub feeds: Vec<intake::Feed>,
    /// Destinations, in the order of the file.
    pub bases: Vec<forward::Base>,
    places: Places,
}

/// Which section of its sort in the file, from 0, each facility, feed and base is: one that could not be read is
/// left out of the lists.
#[derive(Clone, Debug, Default)]
struct Places {
    facilities: Vec<usize>,
    feeds: Vec<usize>,
    bases: Vec<usize>,
}

/// `[mappings]`; `mappings = "DIR"` alone is its `shipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mappings {
    /// A mapping set in place of the one inside the program.
    pub shipped: Option<PathBuf>,
    /// The layer of the network.
    pub network: Option<PathBuf>,
}

/// `[console]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// Address and port. Beyond this machine only with TLS.
    pub listen: SocketAddr,
    /// TLS, or plain on this machine alone.
    pub tls: Option<ConsoleTls>,
}

/// `[console] tls`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleTls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Default for Console {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, CONSOLE_PORT)), tls: None }
    }
}

/// `[[facility]]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facility {
    /// 保険医療機関番号, ten digits.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// How its patient ids are written.
    #[serde(default)]
    pub patient_id: PatientIdRule,
    /// Base of the URIs of its local code systems, without a slash at the end.
    #[serde(default)]
    pub local_system_base: Option<String>,
    /// 外字: a CSV of code and character.
    #[serde(default)]
    pub gaiji: Option<PathBuf>,
    /// Its layer of mappings, over that of the network.
    #[serde(default)]
    pub mappings: Option<PathBuf>,
    /// Whose data leaves, unless a base says otherwise for itself.
    #[serde(default)]
    pub share: store::Share,
    /// What becomes of what a base has when a consent ends.
    #[serde(default)]
    pub withdrawal: store::Withdrawal,
    /// Patients that are nobody and never shared.
    #[serde(default)]
    pub test_patients: store::TestPatients,
    /// Where consent lists are dropped.
    #[serde(default)]
    pub consent_folder: Option<PathBuf>,
    /// What it is, for 参加状況.
    #[serde(default, rename = "type")]
    pub facility_type: Option<participation::FacilityType>,
    /// Its 二次医療圏, as the denominators write it.
    #[serde(default)]
    pub area: Option<String>,
    /// Its 市町村.
    #[serde(default)]
    pub municipality: Option<String>,
    /// Since when it takes part.
    #[serde(default)]
    pub joined: Option<participation::Day>,
    /// From when on it does not any more.
    #[serde(default)]
    pub closed: Option<participation::Day>,
}

impl Config {
    /// Who of a facility is shared with which base.
    pub fn sharing(&self, facility: &Facility) -> store::Sharing {
        let bases = self.bases.iter().filter(|base| base.serves(&facility.code));
        store::Sharing {
            destinations: bases
                .map(|base| (base.name.clone(), base.share.unwrap_or(facility.share)))
                .collect(),
            withdrawal: facility.withdrawal,
            tests: facility.test_patients.normalised(&facility.patient_id),
        }
    }
}

impl Config {
    /// The senders whose rows name their facility, once each.
    pub fn senders(&self) -> Vec<String> {
        let mut senders: Vec<String> = Vec::new();
        for feed in &self.feeds {
            if matches!(&feed.kind, intake::Kind::Folder(folder) if folder.allow.is_some())
                && !senders.contains(&feed.facility)
            {
                senders.push(feed.facility.clone());
            }
        }
        senders
    }

    /// Whether a base is sent what a facility has. What a sender's own store holds goes nowhere.
    pub fn sends(&self, base: &forward::Base, facility: &str) -> bool {
        base.serves(facility) && !self.senders().iter().any(|sender| sender == facility)
    }
}

impl Config {
    /// The facilities as 参加状況 knows them.
    pub fn members(&self) -> Vec<participation::Member> {
        let member = |facility: &Facility| participation::Member {
            code: facility.code.clone(),
            name: facility.name.clone(),
            facility_type: facility.facility_type,
            area: facility.area.clone(),
            municipality: facility.municipality.clone(),
            joined: facility.joined,
            closed: facility.closed,
        };
        self.facilities.iter().map(member).collect()
    }
}

/// The base of local code systems where a facility names none. `.invalid` is reserved: nobody else has it.
pub fn default_local_system_base(code: &str) -> String {
    format!("http://renkei-bridge.invalid/{code}")
}

#[derive(serde::Deserialize)]
struct General {
    data_dir: PathBuf,
    #[serde(default)]
    mappings: Option<PathBuf>,
}

/// The keys that stand before the first section.
const GENERAL: [&str; 2] = ["data_dir", "mappings"];

/// Reads a file. Warnings alone do not keep it from being used.
///
/// # Errors
/// Every problem, errors and warnings, in order of the lines.
pub fn load(file: &Path) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    usable(inspect(file))
}

/// Reads a file as far as it can be read, and says everything that is wrong with it.
pub fn inspect(file: &Path) -> (Option<Config>, Vec<Problem>) {
    match std::fs::read(file) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => examine(file, &text),
            Err(error) => (None, encoded(file, error.as_bytes(), error.utf8_error().valid_up_to())),
        },
        Err(error) => {
            let mut problems = Problems::new(file, "");
            problems.error(
                None,
                "",
                format!("設定ファイルを読めません（{error}）。パスと権限を確かめてください。"),
                format!("The configuration cannot be read ({error}). Check its path and permissions."),
            );
            (None, problems.finish())
        }
    }
}

/// That a file is not UTF-8, with the line of the first byte that is not.
fn encoded(file: &Path, bytes: &[u8], upto: usize) -> Vec<Problem> {
    let before = String::from_utf8_lossy(&bytes[..upto]);
    let (ja, en) = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => ("UTF-16（メモ帳の「Unicode」）", "UTF-16"),
        _ if decode_as("cp932", bytes, &GaijiTable::default()).findings.is_empty() => {
            ("CP932（Shift_JIS、メモ帳の「ANSI」）", "CP932 (Shift_JIS)")
        }
        _ => ("別の文字コード", "another encoding"),
    };
    let mut problems = Problems::new(file, &before);
    problems.error(
        Some(upto..upto),
        "",
        format!("設定ファイルが UTF-8 ではなく、{ja} で保存されています。この行から読めません。UTF-8 で保存し直してください。"),
        format!("The configuration is saved as {en}, not as UTF-8, and cannot be read from this line on. Save it as UTF-8."),
    );
    problems.finish()
}

/// Reads the text of a file.
///
/// # Errors
/// Every problem, in order of the lines.
pub fn parse(file: &Path, text: &str) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    usable(examine(file, text))
}

fn usable((config, found): (Option<Config>, Vec<Problem>)) -> Result<(Config, Vec<Problem>), Vec<Problem>> {
    match config {
        Some(config) if found.iter().all(|problem| problem.weight == Weight::Warning) => Ok((config, found)),
        _ => Err(found),
    }
}

fn examine(file: &Path, text: &str) -> (Option<Config>, Vec<Problem>) {
    let mut problems = Problems::new(file, text);
    let (document, errors) = toml::de::DeTable::parse_recoverable(text);
    for error in &errors {
        problems.error(
            error.span(),
            "",
            "TOML として読めません。この行の括弧、引用符、= を確かめてください。",
            format!("This is not TOML: {}.", error.message().trim_end_matches('.')),
        );
    }
    let whole = document.span();
    let mut table = document.into_inner();
    let written = Written::read(&mut table, whole, &mut problems);
    check::unknown(&table, &mut problems);
    check::contents(&written, &mut problems);
    (Some(written.compose(file)), problems.finish())
}

/// A section and what it reads as, where it does.
type Read<'t, T> = (read::Section<'t>, Option<T>);

/// Everything that the file says, readable or not.
struct Written<'t> {
    general: Option<General>,
    mappings: Option<Mappings>,
    console: Option<Console>,
    /// Where it stands in the file, if it does.
    console_at: Option<std::ops::Range<usize>>,
    store: Option<store::Config>,
    backup: Option<store::BackupConfig>,
    schedule: Option<Schedule>,
    pipeline: Option<pipeline::Config>,
    participation: Option<participation::Config>,
    facilities: Vec<Read<'t, Facility>>,
    feeds: Vec<Read<'t, intake::Feed>>,
    bases: Vec<Read<'t, forward::Base>>,
}

impl<'t> Written<'t> {
    fn read(
        table: &mut toml::de::DeTable<'t>,
        whole: std::ops::Range<usize>,
        problems: &mut Problems<'_>,
    ) -> Self {
        let mut general = toml::de::DeTable::new();
        let section = table.get("mappings").is_some_and(|value| value.get_ref().is_table());
        let mappings = if section { one(table, "mappings", problems) } else { None };
        for key in GENERAL {
            if let Some((key, value)) = table.remove_entry(key) {
                general.insert(key, value);
            }
        }
        let general = toml::Spanned::new(whole.start..whole.start, toml::de::DeValue::Table(general));
        let general = read::Section::new("bridge.toml", general).read(&["data_dir"], problems);
        let console_at = table.get("console").map(toml::Spanned::span);
        let console = one(table, "console", problems);
        let store = one(table, "store", problems);
        let backup = one(table, "backup", problems);
        let schedule = one(table, "schedule", problems);
        let pipeline = one(table, "pipeline", problems);
        let participation = one(table, "participation", problems);
        let facilities = many(table, "facility", &["code"], problems);
        let feeds = many(table, "feed", &["name", "facility", "kind"], problems);
        let bases = many(table, "base", &["name", "kind", "url"], problems);
        Self {
            general,
            mappings,
            console,
            console_at,
            store,
            backup,
            schedule,
            pipeline,
            participation,
            facilities,
            feeds,
            bases,
        }
    }

    /// What could be read; what could not is said among the problems.
    fn compose(self, file: &Path) -> Config {
        let dir = file.parent().unwrap_or(Path::new(""));
        let (at_facility, mut facilities): (Vec<usize>, Vec<Facility>) = readable(self.facilities);
        let (at_feed, mut feeds): (Vec<usize>, Vec<intake::Feed>) = readable(self.feeds);
        let (at_base, mut bases): (Vec<usize>, Vec<forward::Base>) = readable(self.bases);
        for facility in &mut facilities {
            for path in [&mut facility.gaiji, &mut facility.consent_folder, &mut facility.mappings] {
                *path = path.take().map(|path| dir.join(path));
            }
        }
        for feed in &mut feeds {
            match &mut feed.kind {
                intake::Kind::Mllp(mllp) => {
                    if let Some(tls) = &mut mllp.tls {
                        tls.cert = place(dir, &tls.cert);
                        tls.key = place(dir, &tls.key);
                        tls.client_ca = tls.client_ca.take().map(|path| place(dir, &path));
                    }
                }
                intake::Kind::Ssmix2(storage) => storage.path = dir.join(&storage.path),
                intake::Kind::Folder(folder) => folder.path = dir.join(&folder.path),
            }
        }
        for tls in bases.iter_mut().filter_map(|base| base.tls.as_mut()) {
            for path in [&mut tls.client_cert, &mut tls.client_key, &mut tls.ca] {
                *path = path.take().map(|path| place(dir, &path));
            }
        }
        let mut participation = self.participation.unwrap_or_default();
        participation.denominators = participation.denominators.map(|path| dir.join(path));
        let mut store = self.store.unwrap_or_default();
        store.identity_key = store.identity_key.take().map(|path| place(dir, &path));
        let mut backup = self.backup.unwrap_or_default();
        backup.to = backup.to.take().map(|path| dir.join(path));
        backup.key = backup.key.take().map(|path| place(dir, &path));
        let mut console = self.console.unwrap_or_default();
        if let Some(tls) = &mut console.tls {
            tls.cert = place(dir, &tls.cert);
            tls.key = place(dir, &tls.key);
        }
        let (data_dir, whole) = self
            .general
            .map_or_else(Default::default, |general| (dir.join(general.data_dir), general.mappings));
        let mut mappings = self.mappings.unwrap_or_default();
        mappings.shipped = mappings.shipped.take().or(whole);
        for path in [&mut mappings.shipped, &mut mappings.network] {
            *path = path.take().map(|path| dir.join(path));
        }
        Config {
            file: file.to_owned(),
            data_dir,
            mappings,
            console,
            store,
            backup,
            schedule: self.schedule.unwrap_or_default(),
            pipeline: self.pipeline.unwrap_or_default(),
            participation,
            facilities,
            feeds,
            bases,
            places: Places { facilities: at_facility, feeds: at_feed, bases: at_base },
        }
    }
}

/// A section that stands at most once; its defaults where it is not written.
fn one<T: serde::de::DeserializeOwned + Default>(
    table: &mut toml::de::DeTable<'_>,
    name: &str,
    problems: &mut Problems<'_>,
) -> Option<T> {
    match table.remove_entry(name) {
        Some((_, value)) => read::Section::new(name, value).read(&[], problems),
        None => Some(T::default()),
    }
}

fn many<'t, T: serde::de::DeserializeOwned>(
    table: &mut toml::de::DeTable<'t>,
    name: &str,
    required: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<Read<'t, T>> {
    read::sections(table, name, problems)
        .into_iter()
        .map(|section| {
            let read = section.read(required, problems);
            (section, read)
        })
        .collect()
}

/// The sections that could be read, each with its index in the file.
fn readable<T>(read: Vec<Read<'_, T>>) -> (Vec<usize>, Vec<T>) {
    read.into_iter().enumerate().filter_map(|(index, (_, read))| Some((index, read?))).unzip()
}

#[cfg(test)]
mod tests;
