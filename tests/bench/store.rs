//! Acknowledgments against bare SQLite group commits of the same bytes, and memory under a backlog.
//!
//! Both sides have 64 senders that each wait for the answer before they send again. The bare side is one
//! thread, one table, one transaction for what waits in the channel; WAL and `synchronous = FULL`, as the
//! journal has.
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(missing_docs, reason = "a program, not a library")]

mod messages;

use arc_swap::ArcSwap;
use renkei_bridge::intake::{self, feed};
use renkei_bridge::store::{Arrival, Config, Origin, Store};
use renkei_translate::mapping::MappingSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const FACILITY: &str = "1319999999";
const SENDERS: usize = 64;
/// Messages of one sender in one round.
const EACH: usize = 40;
const ROUNDS: usize = 5;
/// Messages that wait when the memory is read.
const BACKLOG: usize = 20_000;

/// Numbers the messages, so that none repeats another.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn message() -> (String, Vec<u8>) {
    let id = format!("B{:012}", NEXT.fetch_add(1, Ordering::Relaxed));
    let body = messages::results().replace("20260105000001", &id).into_bytes();
    (id, body)
}

fn arrival() -> Arrival {
    let (name, body) = message();
    Arrival {
        feed: "bench".into(),
        name,
        body,
        origin: Origin::default(),
        received_ms: now_ms(),
        duplicate_window_ms: 7 * 86_400_000,
    }
}

fn now_ms() -> i64 {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("milliseconds fit")
}

/// Answers a second with all senders at work.
async fn rate<F: Future<Output = ()> + Send + 'static>(mut sender: impl FnMut() -> F) -> f64 {
    let start = Instant::now();
    let tasks: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(sender())).collect();
    for task in tasks {
        task.await.expect("a sender ends by itself");
    }
    (SENDERS * EACH) as f64 / start.elapsed().as_secs_f64()
}

#[derive(Clone)]
struct Bare(tokio::sync::mpsc::Sender<(Vec<u8>, tokio::sync::oneshot::Sender<()>)>);

impl Bare {
    fn open(dir: &Path) -> Self {
        let sql = rusqlite::Connection::open(dir.join("bare.sqlite")).expect("a new file");
        sql.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE journal (id INTEGER PRIMARY KEY, body BLOB NOT NULL);")
            .expect("a new table");
        let (sender, mut receiver) =
            tokio::sync::mpsc::channel::<(Vec<u8>, tokio::sync::oneshot::Sender<()>)>(1024);
        std::thread::spawn(move || {
            let mut sql = sql;
            while let Some(first) = receiver.blocking_recv() {
                let mut batch = vec![first];
                while let Ok(more) = receiver.try_recv() {
                    batch.push(more);
                }
                let transaction = sql.transaction().expect("a transaction");
                for (body, _) in &batch {
                    transaction
                        .prepare_cached("INSERT INTO journal (body) VALUES (?1)")
                        .and_then(|mut s| s.execute([body]))
                        .expect("a row");
                }
                transaction.commit().expect("a commit");
                for (_, done) in batch {
                    done.send(()).expect("the sender waits for its answer");
                }
            }
        });
        Self(sender)
    }

    async fn rate(&self) -> f64 {
        let channel = self.0.clone();
        rate(move || {
            let channel = channel.clone();
            async move {
                for _ in 0..EACH {
                    let (done, answer) = tokio::sync::oneshot::channel();
                    channel.send((message().1, done)).await.expect("the writer is there");
                    answer.await.expect("the writer answers");
                }
            }
        })
        .await
    }
}

/// The bare side behind sockets: a task for each connection reads to the end of a block, has it committed and answers
/// with the same bytes each time. What the appliance does besides is not in it: no header is read, nothing is named.
async fn bare_listener(channel: Bare) -> SocketAddr {
    const ANSWER: &[u8] = b"\x0bMSH|^~\\&|A|B|C|D|20260105103000||ACK|1|P|2.5\rMSA|AA|1\r\x1c\x0d";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket option");
            let channel = channel.0.clone();
            tokio::spawn(async move {
                let mut block = Vec::with_capacity(8 << 10);
                while stream.read_buf(&mut block).await.is_ok_and(|read| read > 0) {
                    if block.ends_with(&[0x1c, 0x0d]) {
                        let (done, answer) = tokio::sync::oneshot::channel();
                        channel.send((std::mem::take(&mut block), done)).await.expect("the writer is there");
                        answer.await.expect("the writer answers");
                        stream.write_all(ANSWER).await.expect("the sender reads");
                    }
                }
            });
        }
    });
    address
}

/// A sender over MLLP: a block, and the answer before the next.
async fn send(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.expect("the listener is there");
    stream.set_nodelay(true).expect("a socket option");
    let mut answer = Vec::with_capacity(1024);
    for _ in 0..EACH {
        let (_, body) = message();
        let block = [&[0x0b][..], &body, &[0x1c, 0x0d]].concat();
        stream.write_all(&block).await.expect("the listener reads");
        answer.clear();
        while !answer.ends_with(&[0x1c, 0x0d]) {
            assert!(stream.read_buf(&mut answer).await.expect("an answer") > 0, "the listener hung up");
        }
        assert!(answer.windows(7).any(|w| w == b"MSA|AA|"), "not a positive acknowledgment");
    }
}

fn median(mut found: Vec<f64>) -> f64 {
    found.sort_by(f64::total_cmp);
    found[found.len() / 2]
}

/// VmRSS and VmHWM in MiB.
fn memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        status.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
    };
    Some((field("VmRSS:")? / 1024, field("VmHWM:")? / 1024))
}

async fn run() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let bare = Bare::open(dir.path());
    let whole = Store::open(dir.path(), &[FACILITY.to_string()], Config::default()).expect("a new store");
    let store = whole.facility(FACILITY).expect("the facility was named");
    let mut limits = feed::MllpFeed::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    limits.max_connections_per_address = SENDERS * 4;
    let shutdown = CancellationToken::new();
    let feed = feed::Feed::new("bench", FACILITY, feed::Kind::Mllp(limits));
    let running = {
        let set = MappingSet::load(Vec::new()).expect("an empty set has no problems");
        let doors = intake::Doors {
            store: whole.clone(),
            set: Arc::new(ArcSwap::from_pointee(set)),
            left: intake::Left::default(),
        };
        intake::spawn(feed, &doors, shutdown.clone()).expect("a listener")
    };
    let address = running.local_addr.expect("it listens");

    let bare_address = bare_listener(bare.clone()).await;
    let (mut accepted, mut acknowledged, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare_acknowledged, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bare = bare.rate().await;
        let by_call = rate(|| {
            let store = Arc::clone(&store);
            async move {
                for _ in 0..EACH {
                    store.accept(arrival()).await.expect("the store takes it");
                }
            }
        })
        .await;
        let by_socket = rate(|| send(address)).await;
        let bare_by_socket = rate(|| send(bare_address)).await;
        bare_acknowledged.push(bare_by_socket / bare);
        beside.push(by_socket / bare_by_socket);
        floor.push(bare);
        accepted.push(by_call / bare);
        acknowledged.push(by_socket / bare);
    }
    println!(
        "{SENDERS} senders, {} bytes a message, bare group commits {:.0}/s",
        message().1.len(),
        median(floor)
    );
    println!("  accept / bare                    {:>6.2}", median(accepted));
    println!("  acknowledgments over MLLP / bare {:>6.2}   target >= 0.80", median(acknowledged));
    println!(
        "  bare group commits behind sockets / bare {:>6.2}   target - (what sockets and senders cost here)",
        median(bare_acknowledged)
    );
    println!("  acknowledgments over MLLP / bare behind sockets {:>6.2}   target -", median(beside));

    let before = memory();
    let tasks: Vec<_> = (0..SENDERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..BACKLOG / SENDERS {
                    store.accept(arrival()).await.expect("the store takes it");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a sender ends by itself");
    }
    if let (Some((before, _)), Some((rss, highest))) = (before, memory()) {
        println!(
            "  memory with {BACKLOG} messages waiting: {rss} MiB (before: {before} MiB, highest: {highest} MiB)   target < 200"
        );
    }
    println!(
        "  migration / (read + decode + commit): not measured yet, there is no migrate   target >= 0.50"
    );
    shutdown.cancel();
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run());
}
