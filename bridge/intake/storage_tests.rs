//! Facts about following a storage, on a real file system.

use super::{Candidates, SURELY_STILL, Walker, spawn};
use crate::intake::feed::{Feed, Kind, StorageFeed};
use crate::store::follow::Followed;
use crate::store::{self, FacilityStore, Store};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio_util::sync::CancellationToken;

const FACILITY: &str = "1319999999";
const SOON: Duration = Duration::from_secs(20);

struct Bench {
    root: tempfile::TempDir,
    _data: tempfile::TempDir,
    whole: Arc<Store>,
}

struct Following {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Following {
    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

impl Bench {
    fn new() -> Self {
        let (root, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole = Store::open(data.path(), &[FACILITY.to_owned()], store::Config::default()).unwrap();
        Self { root, _data: data, whole }
    }

    fn store(&self) -> Arc<FacilityStore> {
        self.whole.facility(FACILITY).unwrap()
    }

    fn start(&self) -> Following {
        let storage = StorageFeed {
            scan: Duration::from_millis(50),
            settle: Duration::from_millis(150),
            max_message: 10_000,
            ..StorageFeed::new(self.root.path().join("storage"))
        };
        let feed = Feed::new("b-storage", FACILITY, Kind::Ssmix2(storage.clone()));
        let shutdown = CancellationToken::new();
        let task = spawn(feed, storage, (self.store(), super::super::Left::default()), shutdown.clone())
            .unwrap()
            .task;
        Following { shutdown, task }
    }

    fn path(&self, time: u64, flag: char) -> PathBuf {
        let name = format!("0000000012_20260101_OML-11_000000000000001_{time:017}_01_{flag}");
        self.root.path().join("storage/000/000/0000000012/20260101/OML-11").join(name)
    }

    /// Writes a file that changed long ago, so that it is taken at once.
    fn write(&self, time: u64, flag: char, body: &str) -> PathBuf {
        let path = self.path(time, flag);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, body).unwrap();
        age(&path);
        path
    }

    /// `(flag, body)` of everything journalled, duplicates marked by an empty body.
    fn journal(&self) -> Vec<(char, String)> {
        let journal = self.store().unindexed(10_000).unwrap();
        journal
            .into_iter()
            .map(|m| {
                assert_eq!(m.feed, "b-storage");
                let file = m.origin.file.expect("a file of a storage has a name");
                assert!(m.name.ends_with(file.flag), "the flag is part of the name");
                (file.flag, String::from_utf8(m.body).unwrap())
            })
            .collect()
    }

    /// Waits until so many are journalled.
    async fn wait(&self, count: usize) -> Vec<(char, String)> {
        let deadline = Instant::now() + SOON;
        loop {
            let journal = self.journal();
            if journal.len() >= count {
                return journal;
            }
            assert!(Instant::now() < deadline, "{count} messages wanted, {} journalled", journal.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the storage was walked at least once more: a file written now has been journalled.
    async fn walked(&self, count: usize, time: u64) -> Vec<(char, String)> {
        self.write(time, '1', "mark");
        self.wait(count + 1).await
    }
}

fn age(path: &Path) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - SURELY_STILL - Duration::from_secs(60)).unwrap();
}

fn entry(flag: char, body: &str) -> (char, String) {
    (flag, body.into())
}

#[tokio::test]
async fn each_file_is_journalled_once_over_restarts() {
    let bench = Bench::new();
    bench.write(1, '1', "one");
    bench.write(2, '2', "two");
    let following = bench.start();
    assert_eq!(bench.wait(2).await, [entry('1', "one"), entry('2', "two")]);
    following.end().await;
    let following = bench.start();
    bench.write(3, '0', "three");
    assert_eq!(bench.wait(3).await[2], entry('0', "three"));
    assert_eq!(bench.walked(3, 90).await.len(), 4);
    following.end().await;
}

/// The extended storage: the flag stands in the name of the folder, and what lies beside the message is left alone.
#[tokio::test]
async fn a_content_folder_is_one_message_and_its_rename_to_flag_0_withdraws_it() {
    let bench = Bench::new();
    let kind = "L-OBSERVATIONS^OBSERVATIONS^99ZL01";
    let day = bench.root.path().join("storage/000/000/0000000012/20260101").join(kind);
    let folder = |flag: char| day.join(format!("0000000012_20260101_{kind}_K1_20260101090000000_01_{flag}"));
    fs::create_dir_all(folder('1')).unwrap();
    for (name, body) in
        [("main_document.hl7", "vitals"), ("wave.jpg", "no message"), ("main_document.xml", "<x/>")]
    {
        fs::write(folder('1').join(name), body).unwrap();
        age(&folder('1').join(name));
    }
    let following = bench.start();
    assert_eq!(bench.wait(1).await, [entry('1', "vitals")]);
    fs::rename(folder('1'), folder('0')).unwrap();
    assert_eq!(bench.wait(2).await, [entry('1', "vitals"), entry('0', "vitals")]);
    assert_eq!(bench.walked(2, 90).await.len(), 3);
    following.end().await;
}

#[test]
fn documents_of_a_content_folder_are_counted_and_not_passed_over_in_silence() {
    let bench = Bench::new();
    let kind = "^退院時サマリー^^18842-5^退院時サマリー^LN";
    let day = bench.root.path().join("storage/000/000/0000000012/20260101").join(kind);
    let folder = day.join(format!("0000000012_20260101_{kind}_K1_20260101090000000_01_1"));
    fs::create_dir_all(&folder).unwrap();
    for name in ["main_document.xml", "figure.png"] {
        fs::write(folder.join(name), "x").unwrap();
    }
    // Neither is what has no name of a storage.
    for name in ["0000000012 copy", "Thumbs.db"] {
        fs::write(bench.root.path().join("storage/000").join(name), "x").unwrap();
    }
    let followed = Followed::open(bench.store().dir(), "b-storage").unwrap();
    let mut walker = Walker {
        storage: StorageFeed::new(bench.root.path().join("storage")),
        followed: Arc::new(Mutex::new(followed)),
        candidates: Candidates::new(),
        shutdown: CancellationToken::new(),
    };
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let walked = walker.walk(&sender);
    let counts = walked.trouble.iter().map(|(cause, untaken)| (*cause, untaken.files));
    assert_eq!(counts.collect::<Vec<_>>(), [("document", 2), ("litter", 1), ("name", 1)]);
    assert_eq!(walked.trouble["name"].example, "###/########## AAAA");
    assert_eq!((walked.taken, walked.waiting), (0, 0));
}

#[tokio::test]
async fn a_rename_to_flag_2_is_nothing_new_and_flag_0_is() {
    let bench = Bench::new();
    let path = bench.write(1, '1', "one");
    let following = bench.start();
    bench.wait(1).await;
    fs::rename(&path, bench.path(1, '2')).unwrap();
    bench.write(2, '1', "corrected");
    assert_eq!(bench.wait(2).await[1], entry('1', "corrected"));
    assert_eq!(bench.walked(2, 90).await.len(), 3);
    fs::rename(bench.path(1, '2'), bench.path(1, '0')).unwrap();
    let journal = bench.wait(4).await;
    assert_eq!(journal[3].0, '0');
    following.end().await;
}

#[tokio::test]
async fn a_file_that_goes_back_to_what_it_said_before_last_is_taken_again() {
    let bench = Bench::new();
    let following = bench.start();
    for (count, body) in ["x", "y", "x"].into_iter().enumerate() {
        bench.write(1, '1', body);
        assert_eq!(bench.wait(count + 1).await[count], entry('1', body));
    }
    following.end().await;
    let journal = bench.store().unindexed(10).unwrap();
    assert!(journal.iter().all(|message| message.duplicate_of.is_none()));
}

#[tokio::test]
async fn a_file_that_was_deleted_by_its_flag_and_comes_back_is_taken_again() {
    let bench = Bench::new();
    let mut path = bench.write(1, '1', "one");
    let mut following = bench.start();
    bench.wait(1).await;
    for (count, flag) in ['0', '1', '0', '1'].into_iter().enumerate() {
        let to = bench.path(1, flag);
        fs::rename(&path, &to).unwrap();
        path = to;
        assert_eq!(bench.wait(count + 2).await[count + 1], entry(flag, "one"), "turn {count}");
        if count == 1 {
            following.end().await;
            following = bench.start();
        }
    }
    following.end().await;
    let journal = bench.store().unindexed(10).unwrap();
    assert!(journal.iter().all(|message| message.duplicate_of.is_none()));
}

#[tokio::test]
async fn two_flags_of_one_file_at_once_do_not_take_turns() {
    let bench = Bench::new();
    bench.write(1, '1', "one");
    bench.write(1, '0', "one");
    let following = bench.start();
    bench.wait(2).await;
    for mark in 90..95 {
        let count = 2 + usize::try_from(mark - 90).unwrap();
        assert_eq!(bench.walked(count, mark).await.len(), count + 1);
    }
    following.end().await;
}

#[tokio::test]
async fn a_growing_file_is_taken_when_it_stands_still() {
    let bench = Bench::new();
    let following = bench.start();
    bench.write(1, '1', "mark");
    bench.wait(1).await;
    let path = bench.path(2, '1');
    for length in 1..=20 {
        fs::write(&path, "x".repeat(length)).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(bench.wait(2).await[1], entry('1', &"x".repeat(20)));
    following.end().await;
}

#[tokio::test]
async fn a_file_that_changes_later_is_taken_again() {
    let bench = Bench::new();
    let following = bench.start();
    let path = bench.write(1, '1', "half");
    bench.wait(1).await;
    fs::write(&path, "half and half").unwrap();
    assert_eq!(bench.wait(2).await[1], entry('1', "half and half"));
    following.end().await;
}

#[tokio::test]
async fn a_storage_may_vanish_and_come_back() {
    let bench = Bench::new();
    let following = bench.start();
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.write(1, '1', "one");
    bench.wait(1).await;
    let (here, away) = (bench.root.path().join("storage"), bench.root.path().join("away"));
    fs::rename(&here, &away).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    fs::rename(&away, &here).unwrap();
    assert_eq!(bench.walked(1, 2).await, [entry('1', "one"), entry('1', "mark")]);
    following.end().await;
}

#[tokio::test]
async fn what_is_no_regular_file_of_a_storage_is_left_alone() {
    let bench = Bench::new();
    let outside = bench.root.path().join("secret");
    fs::write(&outside, "secret").unwrap();
    let path = bench.write(1, '1', "one");
    std::os::unix::fs::symlink(&outside, bench.path(2, '1')).unwrap();
    std::os::unix::fs::symlink(bench.root.path(), path.parent().unwrap().join("loop")).unwrap();
    fs::write(path.with_file_name("Thumbs.db"), "x").unwrap();
    bench.write(3, '1', &"x".repeat(10_001));
    let before = fs::read_dir(path.parent().unwrap()).unwrap().count();
    let following = bench.start();
    assert_eq!(bench.walked(1, 4).await, [entry('1', "one"), entry('1', "mark")]);
    following.end().await;
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        before + 1,
        "nothing was written but the mark"
    );
}
