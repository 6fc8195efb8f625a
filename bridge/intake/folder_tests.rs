//! Facts about taking files from a folder, on a real file system and real stores.

use super::*;
use crate::store::{self, FileOf, FileSum, Filter, MessageId, MessageSummary, State, Store};
use arc_swap::ArcSwap;
use renkei_translate::mapping::MappingSet;
use std::fs;

const FACILITY: &str = "1319999999";
const OTHER: &str = "1319999998";
const STRANGER: &str = "1319999997";
const SENDER: &str = "lab-a";
const SOON: Duration = Duration::from_secs(20);

struct Bench {
    root: tempfile::TempDir,
    _data: tempfile::TempDir,
    doors: Doors,
}

struct Taking {
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Taking {
    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

fn row(facility: &str, patient: &str, order: &str, value: &str) -> String {
    let mut cells = vec![""; 45];
    for (n, cell) in [
        (1, "L01"),
        (3, facility),
        (8, patient),
        (20, order),
        (24, "20261102093000"),
        (28, "00051"),
        (35, value),
    ] {
        cells[n - 1] = cell;
    }
    format!("{}\r\n", cells.join(","))
}

impl Bench {
    fn new() -> Self {
        let (root, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let codes = [FACILITY, OTHER, SENDER].map(str::to_owned);
        let store = Store::open(data.path(), &codes, store::Config::default()).unwrap();
        let layout = include_str!("../../mappings/feeds/lab-csv44.toml");
        let file = renkei_translate::mapping::SourceFile {
            path: "feeds/lab-csv44.toml".into(),
            text: layout.into(),
        };
        let set = Arc::new(ArcSwap::from_pointee(MappingSet::load(vec![file]).unwrap()));
        Self { root, _data: data, doors: Doors { store, set, left: left::Left::default() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn start(&self, allow: Option<&[&str]>) -> Taking {
        let folder = FolderFeed {
            scan: Duration::from_millis(30),
            settle: Duration::from_millis(150),
            max_file: 100_000,
            allow: allow.map(|codes| codes.iter().map(|code| (*code).to_owned()).collect()),
            ..FolderFeed::new(self.root.path().to_owned(), "lab-csv44")
        };
        let facility = if allow.is_some() { SENDER } else { FACILITY };
        let feed = Feed::new("lab", facility, super::super::Kind::Folder(folder.clone()));
        let shutdown = CancellationToken::new();
        let task = spawn(feed, folder, self.doors.clone(), shutdown.clone()).unwrap().task;
        Taking { shutdown, task }
    }

    /// Name, state and reason of the messages of a store, oldest first.
    fn messages(&self, code: &str) -> Vec<String> {
        let store = self.doors.store.facility(code).unwrap();
        let journalled = store.unindexed(100).unwrap();
        let index =
            |message: &store::Journalled| store::Indexed { id: message.id, ..store::Indexed::default() };
        store.index(journalled.iter().map(index).collect()).unwrap();
        let line = |m: MessageSummary| match m.reason {
            Some(reason) => format!("{} {} {reason}", m.name, m.state.as_str()),
            None => format!("{} {}", m.name, m.state.as_str()),
        };
        let mut lines: Vec<String> =
            store.messages(&Filter::default()).unwrap().into_iter().map(line).collect();
        lines.reverse();
        lines
    }

    /// What became of a file, or of all files of its name.
    fn sum(&self, name: &str, digest: Option<&str>) -> FileSum {
        self.doors.store.file_sum(FileOf { feed: "lab", name, day: None, digest }).unwrap()
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !what(self) {
            assert!(Instant::now() < end, "{:?}", self.messages(FACILITY));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn done(&self, name: &str) -> bool {
        let Ok(days) = fs::read_dir(self.path(DONE)) else { return false };
        days.flatten().any(|day| day.path().join(name).is_file())
    }
}

#[tokio::test]
async fn a_file_is_cut_journalled_and_moved() {
    let bench = Bench::new();
    let text = row(FACILITY, "1", "A", "1") + &row(FACILITY, "2", "A", "2") + &row(FACILITY, "1", "A", "3");
    fs::write(bench.path("r.csv"), &text).unwrap();
    let taking = bench.start(None);
    bench.until(|bench| bench.done("r.csv")).await;
    assert!(!bench.path("r.csv").exists());
    assert_eq!(bench.messages(FACILITY), ["r.csv#1,3 pending", "r.csv#2 pending"]);
    taking.end().await;
    // The bytes are those of the rows, and enough is kept to read them again.
    let store = bench.doors.store.facility(FACILITY).unwrap();
    let id = store.messages(&Filter { name: Some("r.csv#1,3".into()), ..Filter::default() }).unwrap()[0].id;
    let detail = store.message(id).unwrap().unwrap();
    assert_eq!(detail.body, (row(FACILITY, "1", "A", "1") + &row(FACILITY, "1", "A", "3")).into_bytes());
    let part = detail.origin.feed.unwrap();
    let (first, last) = (row(FACILITY, "1", "A", "1").len(), row(FACILITY, "1", "A", "3").len());
    assert_eq!((part.layout.as_str(), part.version.as_str()), ("lab-csv44", "1"));
    assert_eq!(part.rows, format!("1:{first},3:{last}"));
}

#[tokio::test]
async fn a_file_that_the_layout_cannot_read_is_in_the_ledger_and_not_only_done() {
    let bench = Bench::new();
    let tabs = row(FACILITY, "1", "A", "1").replace(',', "\t");
    for (name, text) in [("a.csv", tabs.as_str()), ("b.csv", "a,b,c\n1,2\n"), ("c.csv", "\n\n")] {
        fs::write(bench.path(name), text).unwrap();
    }
    let taking = bench.start(None);
    bench.until(|bench| ["a.csv", "b.csv", "c.csv"].iter().all(|name| bench.done(name))).await;
    taking.end().await;
    let mut lines = bench.messages(FACILITY);
    lines.sort();
    assert_eq!(lines, ["a.csv#1 pending", "b.csv#1-2 pending", "c.csv#1-2 pending"]);
}

#[tokio::test]
async fn a_growing_file_is_taken_once_and_whole() {
    let bench = Bench::new();
    let taking = bench.start(None);
    let mut text = String::new();
    for n in 0..12 {
        text += &row(FACILITY, "1", "A", &n.to_string());
        fs::write(bench.path("r.csv"), &text).unwrap();
        // Slower than a scan and faster than the file may stand still.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bench.until(|bench| bench.done("r.csv")).await;
    assert_eq!(bench.messages(FACILITY), ["r.csv#1-12 pending"]);
    taking.end().await;
}

#[tokio::test]
async fn a_half_copied_file_waits_for_its_name() {
    let bench = Bench::new();
    let names = ["r.csv.tmp", "r.csv.part", "r.CSV.FILEPART", "~r.csv", ".r.csv", "r.csv~"];
    for name in names {
        fs::write(bench.path(name), row(FACILITY, "1", "A", "1")).unwrap();
    }
    fs::write(bench.path("whole.csv"), row(FACILITY, "2", "B", "1")).unwrap();
    let taking = bench.start(None);
    bench.until(|bench| bench.done("whole.csv")).await;
    assert_eq!(bench.messages(FACILITY), ["whole.csv#1 pending"]);
    assert!(names.iter().all(|name| bench.path(name).exists()));
    fs::rename(bench.path("r.csv.part"), bench.path("r.csv")).unwrap();
    bench.until(|bench| bench.done("r.csv")).await;
    assert_eq!(bench.messages(FACILITY).len(), 2);
    taking.end().await;
}

#[tokio::test]
async fn renamed_or_delivered_twice_is_a_duplicate_and_a_correction_is_not() {
    let bench = Bench::new();
    let taking = bench.start(None);
    let (first, second) = (row(FACILITY, "1", "A", "1"), row(FACILITY, "1", "A", "2"));
    let steps = [
        ("r.csv", &first),
        ("r.csv", &first),
        ("renamed.csv", &first),
        ("c.csv", &second),
        ("d.csv", &first),
    ];
    for (n, (name, text)) in steps.into_iter().enumerate() {
        fs::write(bench.path(name), text).unwrap();
        bench.until(|bench| !bench.path(name).exists() && bench.messages(FACILITY).len() == n + 1).await;
    }
    let expected = [
        "r.csv#1 pending",
        "r.csv#1 excluded duplicate",
        "renamed.csv#1 excluded duplicate",
        "c.csv#1 pending",
        // What was corrected and is corrected back is news.
        "d.csv#1 pending",
    ];
    assert_eq!(bench.messages(FACILITY), expected);
    // The second delivery did not take the first one's place.
    assert!(bench.done("r.csv") && bench.done("r.csv.2"));
    taking.end().await;
    let sum = bench.sum("r.csv", None);
    assert_eq!((sum.received, sum.states[&State::Pending], sum.excluded["duplicate"]), (2, 1, 1));
}

#[tokio::test]
async fn two_files_of_one_name_have_a_sum_each() {
    let bench = Bench::new();
    let taking = bench.start(Some(&[FACILITY, OTHER]));
    let first = row(FACILITY, "1", "A", "1") + &row(FACILITY, "2", "B", "1");
    let second = row(FACILITY, "1", "A", "1") + &row(OTHER, "3", "C", "1") + &row(FACILITY, "4", "D", "1");
    // The second one repeats a result of the first. Then the first one comes again: the same file.
    for (n, text) in [&first, &second, &first].into_iter().enumerate() {
        fs::write(bench.path("r.csv"), text).unwrap();
        let came = [2, 4, 6][n];
        bench.until(|bench| !bench.path("r.csv").exists() && bench.messages(FACILITY).len() == came).await;
    }
    taking.end().await;
    assert_eq!(bench.messages(OTHER), ["r.csv#2 pending"]);
    let of = |text: &str| format!("{:.32}", sha256_hex(text.as_bytes()));
    let (first, second) = (bench.sum("r.csv", Some(&of(&first))), bench.sum("r.csv", Some(&of(&second))));
    assert_eq!((first.received, first.states[&State::Pending], first.excluded["duplicate"]), (4, 2, 2));
    assert_eq!((second.received, second.states[&State::Pending], second.excluded["duplicate"]), (3, 2, 1));
    let at = |sum: &FileSum| -> Vec<(String, MessageId)> {
        sum.messages.iter().map(|(code, message)| (code.clone(), message.id)).collect()
    };
    assert_eq!((at(&first).len(), at(&second).len()), (4, 3));
    // Each knows of the other by its first message at every facility.
    let known = |sum: &FileSum| -> Vec<(String, MessageId)> {
        sum.others.values().flatten().map(|other| (other.facility.clone(), other.message)).collect()
    };
    assert_eq!(known(&first), [at(&second)[0].clone(), at(&second)[2].clone()]);
    assert_eq!(known(&second), [at(&first)[0].clone()]);
    let all = bench.sum("r.csv", None);
    assert_eq!((all.received, all.messages.len(), all.others.len()), (7, 7, 0));
    assert_eq!(bench.sum("r.csv", Some("")).received, 0);
}

#[tokio::test]
async fn rows_go_to_the_facility_that_they_name_and_the_sender_may_name() {
    let bench = Bench::new();
    let text = row(FACILITY, "1", "A", "1")
        + &row(OTHER, "1", "A", "2")
        + &row(STRANGER, "1", "A", "3")
        + "torn,row\r\n";
    fs::write(bench.path("r.csv"), &text).unwrap();
    let taking = bench.start(Some(&[FACILITY, OTHER]));
    bench.until(|bench| bench.done("r.csv")).await;
    taking.end().await;
    assert_eq!(bench.messages(FACILITY), ["r.csv#1 pending"]);
    assert_eq!(bench.messages(OTHER), ["r.csv#2 pending"]);
    let mut held = bench.messages(SENDER);
    held.sort();
    assert_eq!(held, ["r.csv#3 pending", "r.csv#4 pending"]);
    let sum = bench.sum("r.csv", None);
    let at: Vec<&str> = sum.messages.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!((sum.received, at), (4, vec![FACILITY, OTHER, SENDER, SENDER]));
}

#[tokio::test]
async fn a_kill_between_two_stores_loses_and_doubles_nothing() {
    let bench = Bench::new();
    let text = row(FACILITY, "1", "A", "1") + &row(OTHER, "1", "A", "2");
    // As if the kill came when one of the two stores had its message.
    let layout = bench.doors.set.load();
    let file = cut(layout.layout("lab-csv44").unwrap(), text.as_bytes(), &GaijiTable::default());
    let folder = FolderFeed {
        allow: Some(vec![FACILITY.into(), OTHER.into()]),
        ..FolderFeed::new(bench.root.path().to_owned(), "lab-csv44")
    };
    let feed = Feed::new("lab", SENDER, super::super::Kind::Folder(folder.clone()));
    let stores =
        [FACILITY, OTHER, SENDER].map(|code| (code.to_owned(), bench.doors.store.facility(code).unwrap()));
    let taker =
        Taker { feed, folder, doors: bench.doors.clone(), stores: stores.into(), loud: Seldom::default() };
    let piece = file.pieces.into_iter().next().unwrap();
    let whole = Seen { size: 0, modified: 0, hash: Followed::hash(text.as_bytes()) };
    taker.accept(("r.csv", &digest(&whole)), piece, &CancellationToken::new()).await.unwrap();
    fs::write(bench.path("r.csv"), &text).unwrap();
    let taking = bench.start(Some(&[FACILITY, OTHER]));
    bench.until(|bench| bench.done("r.csv")).await;
    taking.end().await;
    assert_eq!(bench.messages(FACILITY), ["r.csv#1 pending", "r.csv#1 excluded duplicate"]);
    assert_eq!(bench.messages(OTHER), ["r.csv#2 pending"]);
}

#[tokio::test]
async fn what_cannot_be_taken_stays() {
    let bench = Bench::new();
    fs::write(bench.path("large.csv"), vec![b'x'; 100_001]).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", bench.path("link.csv")).unwrap();
    fs::create_dir(bench.path("folder.csv")).unwrap();
    // `done` is no folder: the file is taken once, marked, and stays.
    fs::write(bench.path(DONE), "").unwrap();
    fs::write(bench.path("r.csv"), row(FACILITY, "1", "A", "1")).unwrap();
    let (found, trouble) = look(bench.root.path(), 100_000);
    assert_eq!(found.len(), 1, "{found:?}");
    // What was grown or cut since it was looked at is not read.
    let (path, size, modified) = found[0].clone();
    assert_eq!(read(path.clone(), (size + 1, modified)).err(), Some("changing"));
    assert!(read(path, (size, modified)).is_ok());
    let met: Vec<_> =
        trouble.iter().map(|(cause, left)| (*cause, left.files, left.example.as_str())).collect();
    assert_eq!(met, [("empty", 1, "AAAA"), ("link", 1, "AAAA.AAA"), ("too-large", 1, "AAAAA.AAA")]);
    let taking = bench.start(None);
    bench.until(|bench| bench.messages(FACILITY).iter().any(|line| line.starts_with("r.csv#1"))).await;
    // Several more scans find nothing new.
    tokio::time::sleep(Duration::from_millis(600)).await;
    taking.end().await;
    assert!(bench.doors.left.needs_a_person());
    let lines = bench.messages(FACILITY);
    assert_eq!(lines.iter().filter(|line| line.starts_with("r.csv")).count(), 1, "{lines:?}");
    assert!(bench.path("r.csv").exists() && bench.path("large.csv").exists());
    // A start remembers it, and moves it once it can.
    fs::remove_file(bench.path(DONE)).unwrap();
    let taking = bench.start(None);
    bench.until(|bench| bench.done("r.csv")).await;
    taking.end().await;
    assert_eq!(bench.messages(FACILITY).iter().filter(|line| line.starts_with("r.csv")).count(), 1);
}
