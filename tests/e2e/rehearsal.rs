//! A storage of 100 patients over MLLP into the appliance and on to the rehearsal base.
//!
//! The sample is nobody's of this project: it is read from `../shared/samples` where it is at hand. Where it is
//! not, the test says so, and fails where `CI` is set.

use renkei_bridge::app::{self, App};
use renkei_bridge::config;
use renkei_bridge::forward::rehearsal::{self, Rehearsal, RehearsalConfig};
use renkei_bridge::intake::send::{self, SendConfig, Sent};
use renkei_bridge::store::{DaySum, Filter, State};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CODE: &str = "1319999999";
const CONNECTIONS: usize = 8;
/// A debug build on a busy machine of two cores.
const PATIENCE: Duration = Duration::from_secs(240);
/// Facts of the sample, from the README beside it.
const MESSAGES: u64 = 2_523;
const PATIENTS: usize = 100;
const CONDITIONS: usize = 402;
const CONDITIONS_OF_WHOLE_LISTS: usize = 114;
const RESULTS: usize = 9_823;

/// The files of the sample by patient, in order within each.
struct Sample {
    patients: BTreeMap<String, Vec<PathBuf>>,
    _folder: tempfile::TempDir,
}

fn sample() -> Option<Sample> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/ssmix2-storage100.tar.gz");
    if !archive.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", archive.display());
        eprintln!("NOT TESTED: {} is missing.", archive.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let unpacked =
        std::process::Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.unwrap().success());
    let (files, unreadable) = send::collect(&[folder.path().to_owned()]);
    assert_eq!((files.len() as u64, unreadable), (MESSAGES, 0));
    let mut patients: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (patient, file) in files {
        patients.entry(patient).or_default().push(file);
    }
    assert_eq!(patients.len(), PATIENTS);
    Some(Sample { patients, _folder: folder })
}

impl Sample {
    /// All files, patients mixed, each patient's in order. The same seed gives the same order.
    fn shuffled(&self, seed: u64, only: impl Fn(&Path) -> bool) -> Vec<(String, PathBuf)> {
        let mut left: Vec<(&String, Vec<&PathBuf>)> = self
            .patients
            .iter()
            .map(|(patient, files)| (patient, files.iter().rev().filter(|file| only(file)).collect()))
            .collect();
        let (mut state, mut mixed) = (seed, Vec::new());
        loop {
            left.retain(|(_, files): &(_, Vec<_>)| !files.is_empty());
            if left.is_empty() {
                return mixed;
            }
            // SplitMix64: the same on every machine.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut drawn = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let at = usize::try_from((drawn ^ (drawn >> 31)) % left.len() as u64).unwrap();
            let (patient, files) = &mut left[at];
            if let Some(file) = files.pop() {
                mixed.push((patient.clone(), file.clone()));
            }
        }
    }
}

/// An appliance with one MLLP feed, and the base that it sends to.
struct Site {
    app: App,
    base: Rehearsal,
    stop_base: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start(lists: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop_base = CancellationToken::new();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (base, _) = rehearsal::spawn(any, RehearsalConfig::default(), stop_base.clone()).await.unwrap();
        let text = format!(
            "data_dir = 'data'\n[console]\nlisten = '127.0.0.1:0'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n\
             [[facility]]\ncode = '{CODE}'\nshare = 'all'\n\
             [[feed]]\nname = 'his'\nfacility = '{CODE}'\nkind = 'mllp'\nlisten = '127.0.0.1:0'\nlists = '{lists}'\n\
             [[base]]\nname = 'base'\nkind = 'fhir-rest'\nurl = '{}'\n",
            base.url()
        );
        let (config, _) = config::parse(&folder.path().join("bridge.toml"), &text).unwrap();
        let app = app::spawn(config).await.unwrap();
        Self { app, base, stop_base, _folder: folder }
    }

    /// Sends everything; the control ids that were acknowledged with AA and themselves.
    async fn send(&self, files: Vec<(String, PathBuf)>) -> BTreeSet<String> {
        let to = self.app.feed_addr("his").unwrap();
        let config = SendConfig { connections: CONNECTIONS, attempts: 1, ..SendConfig::new(to.to_string()) };
        let mut accepted = BTreeSet::new();
        let summary = send::send(&config, files, |progress| {
            assert_eq!(progress.sent, Sent::Accepted, "{}", progress.sent.word());
            accepted.insert(progress.control_id.clone());
        })
        .await;
        assert!(summary.all_accepted() && summary.repeated == 0, "{summary:?}");
        accepted
    }

    fn sum(&self) -> DaySum {
        let store = self.app.state.store.facility(CODE).unwrap();
        let mut sum = DaySum::default();
        for day in store.sums(19_000_101, 99_991_231).unwrap() {
            sum.add(&day);
        }
        sum
    }

    /// Waits until nothing is pending any more, and checks that the sum balances.
    async fn settled(&self, received: u64) -> DaySum {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let sum = self.sum();
            if sum.received == received && sum.pending == 0 {
                assert!(sum.balanced(), "{sum:?}");
                return sum;
            }
            assert!(tokio::time::Instant::now() < end, "not settled: {sum:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// `Type/id` of all that the record holds live.
    fn record(&self) -> BTreeSet<String> {
        let store = self.app.state.store.facility(CODE).unwrap();
        store.record_ids().unwrap().into_iter().map(|(kind, id)| format!("{kind}/{id}")).collect()
    }

    /// Why messages are held: codes and counts.
    fn held(&self) -> String {
        let store = self.app.state.store.facility(CODE).unwrap();
        let rejected =
            store.messages(&Filter { state: Some(State::Rejected), limit: 3, ..Filter::default() });
        format!("{:?} rejected: {}", store.causes().unwrap(), rejected.unwrap().len())
    }

    fn at_base(&self) -> BTreeSet<String> {
        self.base.resources().into_keys().collect()
    }

    async fn stop(self) {
        self.app.stop().await;
        self.stop_base.cancel();
    }
}

fn by_type(ids: &BTreeSet<String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id.split('/').next().unwrap()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_storage_goes_through_once_whatever_is_sent_twice() {
    let Some(sample) = sample() else { return };
    let site = Site::start("incremental").await;
    let files = sample.shuffled(20_261_123, |_| true);
    let first = site.send(files).await;
    assert_eq!(first.len() as u64, MESSAGES, "a control id was acknowledged twice");
    let sum = site.settled(MESSAGES).await;
    assert_eq!((sum.quarantined, sum.rejected, sum.excluded), (0, 0, 0), "{sum:?} {}", site.held());
    assert_eq!(sum.registered, MESSAGES);

    let record = site.record();
    assert_eq!(site.at_base(), record);
    let counts = by_type(&record);
    eprintln!("at the base: {counts:?}");
    assert_eq!(counts.get("Patient"), Some(&PATIENTS));
    assert_eq!(counts.get("Condition"), Some(&CONDITIONS));
    assert!(counts.get("Observation").is_some_and(|count| *count >= RESULTS), "{counts:?}");

    // All again: acknowledged, and nothing of it reaches the base.
    let asked = site.base.asked().len();
    assert_eq!(site.send(sample.shuffled(7, |_| true)).await, first);
    let sum = site.settled(2 * MESSAGES).await;
    assert_eq!(sum.by_reason.get("duplicate"), Some(&MESSAGES), "{sum:?}");
    assert_eq!(site.base.asked().len(), asked);
    assert_eq!(site.at_base(), record);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_list_takes_back_what_it_no_longer_has() {
    let Some(sample) = sample() else { return };
    let site = Site::start("whole").await;
    let is_list = |file: &Path| file.to_string_lossy().contains("_PPR-01_");
    let files = sample.shuffled(20_261_123, is_list);
    let sent = files.len() as u64;
    site.send(files).await;
    let sum = site.settled(sent).await;
    assert_eq!((sum.quarantined, sum.rejected), (0, 0), "{sum:?} {}", site.held());
    let count = |ids: &BTreeSet<String>| by_type(ids).get("Condition").copied().unwrap_or_default();
    let (record, base) = (site.record(), site.at_base());
    assert_eq!(count(&record), CONDITIONS_OF_WHOLE_LISTS);
    assert_eq!(count(&base), CONDITIONS_OF_WHOLE_LISTS);
    // A physician of a list that was replaced before it was sent is known and has nobody to go along with.
    assert!(base.is_subset(&record));
    // What was sent and taken back was deleted; what waited for less than a request never left.
    let mut deleted = BTreeSet::new();
    for asked in site.base.asked() {
        deleted.extend(
            asked.entries.iter().filter(|entry| entry.method == "DELETE").map(|entry| entry.url.clone()),
        );
    }
    assert!(deleted.len() <= CONDITIONS - CONDITIONS_OF_WHOLE_LISTS, "{}", deleted.len());
    assert!(deleted.is_disjoint(&site.at_base()));
    site.stop().await;
}
