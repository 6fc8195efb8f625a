//! The pipeline on a real store: what is held, what goes on, what a replay does.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod layers;
mod outgrown;

use arc_swap::ArcSwap;
use renkei_bridge::app::mappings;
use renkei_bridge::demo::messages::{AOBA, Message, Person, Writer};
use renkei_bridge::pipeline::{self, Config, Pipeline};
use renkei_bridge::store::{
    self, Arrival, DaySum, FacilityStore, Filter, Origin, Selection, Settlement, Sharing, State, Store,
    StoreError,
};
use renkei_translate::mapping::{Layer, MappingSet, Rank, SourceFile};
use renkei_translate::translation::Facility;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CODE: &str = "1319999999";
/// For a debug build on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store and a pipeline on it.
struct Bench {
    store: Arc<FacilityStore>,
    set: Arc<ArcSwap<MappingSet>>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    _all: Arc<Store>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start(set: MappingSet, destinations: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store::Config { soft_free: 0, hard_free: 0, ..store::Config::default() };
        let all = Store::open(folder.path(), &[CODE.to_owned()], config).unwrap();
        let store = all.facility(CODE).unwrap();
        let set = Arc::new(ArcSwap::from_pointee(set));
        let shutdown = CancellationToken::new();
        let facility = Facility {
            code: CODE.into(),
            local_system_base: "http://hospital.example.jp/fhir".into(),
            ..Facility::default()
        };
        let pipeline = Pipeline {
            store: store.clone(),
            set: set.clone(),
            facility: Arc::new(facility),
            id_key: all.id_key(),
            destinations: destinations.iter().map(|name| (*name).to_owned()).collect(),
            permits: Config::default().permits(),
        };
        let task = pipeline::spawn(pipeline, shutdown.clone());
        Self { store, set, shutdown, task, _all: all, _folder: folder }
    }

    async fn accept(&self, name: &str, message: &Message) -> store::MessageId {
        let arrival = Arrival {
            feed: "test".into(),
            name: name.into(),
            body: message.bytes(),
            origin: Origin { source: "test".into(), ..Origin::default() },
            received_ms: chrono::Utc::now().timestamp_millis(),
            duplicate_window_ms: 60_000,
        };
        self.store.accept(arrival).await.unwrap().id
    }

    /// A message with an origin of its own.
    async fn accept_from(&self, name: &str, body: Vec<u8>, origin: Origin) -> store::MessageId {
        let received_ms = chrono::Utc::now().timestamp_millis();
        let (feed, name) = ("test".into(), name.into());
        let arrival = Arrival { feed, name, body, origin, received_ms, duplicate_window_ms: 60_000 };
        self.store.accept(arrival).await.unwrap().id
    }

    fn sum(&self) -> DaySum {
        let mut sum = DaySum::default();
        for day in self.store.sums(19_000_101, 99_991_231).unwrap() {
            assert!(day.balanced(), "{day:?}");
            sum.add(&day);
        }
        sum
    }

    /// Waits until the sum is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&DaySum) -> bool) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !wanted(&self.sum()) {
            assert!(tokio::time::Instant::now() < end, "{what}: {:?}", self.sum());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn state(&self, id: store::MessageId) -> State {
        self.store.message(id).unwrap().unwrap().summary.state
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
    }
}

fn shipped() -> MappingSet {
    mappings::load(None).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The shipped set without the message files of these types, as a network's layer switches them off.
fn without(types: &[&str]) -> MappingSet {
    let off = |kind: &&str| SourceFile {
        path: format!("messages/{kind}.toml"),
        text: format!("[message]\nid = \"{kind}\"\noff = true\n"),
    };
    let layer = Layer::new(Rank::Network, types.iter().map(off).collect());
    shipped().over(layer).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_mapping_reads_is_held_with_its_reason_and_the_next_patient_goes_on() {
    let bench = Bench::start(shipped(), &["base"]);
    let mut writer = Writer::new("P", "20260401".into());
    let held = bench.accept("1", &writer.appointment(&AOBA[0])).await;
    let next = bench.accept("2", &writer.results(&AOBA[1])).await;
    bench.until("one held, one under way", |sum| sum.quarantined == 1 && sum.received == 2).await;
    bench.until("the next waits for the base", |_| bench.state(next) == State::Pending).await;
    let detail = bench.store.message(held).unwrap().unwrap();
    assert_eq!(detail.summary.state, State::Quarantined);
    assert!(detail.findings.iter().any(|finding| finding.code == "message-type-not-mapped"));
    bench.until("the next has its delivery", |_| bench.store.queue("base").unwrap().pending == 1).await;
    let set = bench.set.load().version().to_owned();
    assert_eq!(bench.store.message(next).unwrap().unwrap().mapping_version, Some(set));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_mapping_reads_is_a_test_patients_by_the_name_in_its_pid() {
    let bench = Bench::start(shipped(), &["base"]);
    let mut sharing = Sharing::all(&["base"]);
    sharing.tests.names.push("試験*".into());
    bench.store.share(&sharing, chrono::Utc::now().timestamp_millis()).unwrap();
    let mut writer = Writer::new("P", "20260401".into());
    let nobody = Person { kanji: ("試験", "太郎"), kana: ("シケン", "タロウ"), ..AOBA[1] };
    bench.accept("1", &writer.appointment(&AOBA[0])).await;
    bench.accept("2", &writer.appointment(&nobody)).await;
    bench.until("both held", |sum| sum.quarantined == 2).await;
    let mut unshared = Vec::new();
    let each = |line: store::LedgerLine| {
        unshared.push(line.unshared);
        Ok(())
    };
    bench.store.ledger_lines::<StoreError>(0, 99_991_231, b"key", each).unwrap();
    assert_eq!(unshared, [None, Some("test-patient")]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_translates_with_the_set_that_is_active_then() {
    let bench = Bench::start(without(&["OML-11"]), &["base"]);
    let mut writer = Writer::new("P", "20260401".into());
    let id = bench.accept("1", &writer.results(&AOBA[0])).await;
    bench.until("held", |sum| sum.quarantined == 1).await;
    bench.set.store(Arc::new(shipped()));
    assert_eq!(bench.store.replay(&Selection::Messages(vec![id])).unwrap(), 1);
    bench.until("no longer held", |sum| sum.quarantined == 0 && sum.pending == 1).await;
    bench.until("its delivery waits", |_| bench.store.queue("base").unwrap().pending == 1).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_destination_a_message_is_kept_and_says_so() {
    let bench = Bench::start(shipped(), &[]);
    let mut writer = Writer::new("P", "20260401".into());
    bench.accept("1", &writer.results(&AOBA[0])).await;
    bench.until("excluded", |sum| sum.excluded == 1).await;
    assert_eq!(bench.sum().by_reason.get("not-for-any-destination"), Some(&1));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_messages_of_many_patients_all_end_and_each_patient_in_order() {
    let bench = Bench::start(shipped(), &[]);
    let mut writer = Writer::new("P", "20260401".into());
    let mut count = 0;
    for _ in 0..10 {
        for person in AOBA {
            bench.accept(&count.to_string(), &writer.results(person)).await;
            count += 1;
        }
    }
    bench.until("all translated", |sum| sum.pending == 0 && sum.received == count).await;
    assert_eq!(bench.sum().excluded, count);
    let listed =
        bench.store.messages(&Filter { patient: Some(AOBA[0].id.into()), ..Filter::default() }).unwrap();
    assert_eq!(listed.len(), 10);
    bench.stop().await;
}

/// The shipped set as it was before messages were divided.
fn undivided() -> MappingSet {
    let mut files = mappings::shipped();
    for file in files.iter_mut().filter(|file| file.path.starts_with("messages/")) {
        let divides =
            |line: &&str| ["each ", "parent ", "continues "].iter().any(|key| line.starts_with(key));
        file.text = file.text.split_inclusive('\n').filter(|line| !divides(line)).collect();
    }
    MappingSet::load(files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_one_message_come_apart_when_it_is_translated_again() {
    let bench = Bench::start(undivided(), &["base"]);
    bench.store.share(&Sharing::all(&["base"]), chrono::Utc::now().timestamp_millis()).unwrap();
    let mut writer = Writer::new("P", "20260401".into());
    let blank = writer.results(&AOBA[0]);
    let order = |number: &str, control: &str| {
        format!("ORC|{control}|{number}|||||||20260401080000\rOBR|1|{number}||E00{number}^検査^99O03\r")
    };
    let message = |time: &str, orders: &str| {
        let head = format!("MSH|^~\\&|H|S|G|R|{time}||OML^O21^OML_O21|{time}|P|2.5||||||~ISO IR87\r");
        let text = format!("{head}PID|||0000000123||見本^太郎^^^^^L^I\r{orders}");
        Message { text, ..blank.clone() }
    };
    let requests = || {
        let ids = bench.store.record_ids().unwrap();
        ids.into_iter().filter(|(kind, _)| kind == "ServiceRequest").count()
    };
    let both = bench.accept("1", &message("20260401080001", &(order("1", "NW") + &order("2", "NW")))).await;
    bench.until("one unit waits", |_| bench.store.queue("base").unwrap().pending == 1).await;
    assert_eq!(requests(), 2);
    let deliver = || {
        let now = chrono::Utc::now().timestamp_millis();
        while let Some(claim) = bench.store.claim_deliveries("base", now, 1).unwrap().pop() {
            let projection = bench.store.projection(&claim).unwrap();
            bench.store.settle(claim, Settlement::Registered { projection }).unwrap();
        }
    };
    deliver();
    assert_eq!(bench.state(both), State::Registered);
    bench.set.store(Arc::new(shipped()));
    bench.store.replay(&Selection::Messages(vec![both])).unwrap();
    bench.until("two units wait", |_| bench.store.queue("base").unwrap().pending == 2).await;
    assert_eq!((requests(), bench.store.message(both).unwrap().unwrap().deliveries.len()), (2, 2));
    let cancel = bench.accept("2", &message("20260401090000", &order("1", "CA"))).await;
    bench.until("the cancel is recorded", |_| requests() == 1).await;
    assert_eq!((bench.state(both), bench.state(cancel)), (State::Pending, State::Pending));
    deliver();
    assert_eq!((bench.state(both), bench.state(cancel)), (State::Registered, State::Registered));
    assert_eq!(bench.sum().registered, 2);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_set_what_is_taken_waits_in_its_order_and_goes_on_by_itself() {
    let bench = Bench::start(MappingSet::unusable(), &["base"]);
    let set = shipped();
    let layout = set.layout("lab-csv44").unwrap();
    let csv = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/lab-csv44/input-1.lab-csv44.csv");
    let bytes = encoding_rs::SHIFT_JIS.encode(&std::fs::read_to_string(csv).unwrap()).0.into_owned();
    let piece = renkei_translate::feed::cut(layout, &bytes, &Default::default()).pieces.remove(0);
    let mut writer = Writer::new("P", "20260401".into());
    let first = bench.accept("1", &writer.demographics(&AOBA[0])).await;
    let origin = Origin { source: "test".into(), feed: Some(piece.part), ..Origin::default() };
    let row = bench.accept_from("r.csv#1", piece.body, origin).await;
    let last = bench.accept("3", &writer.demographics(&AOBA[1])).await;
    // The rows say whose they are by the layout alone: they and what came behind them are not parted yet.
    bench.until("the first has its place", |_| bench.store.untranslated().unwrap() == 1).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(bench.store.untranslated().unwrap(), 1);
    assert_eq!((bench.sum().received, bench.sum().pending), (3, 3), "all of them are in the ledger");
    bench.set.store(Arc::new(set));
    let translated = |id| bench.store.message(id).unwrap().unwrap().mapping_version.is_some();
    bench.until("each of them", |_| [first, row, last].into_iter().all(translated)).await;
    bench.stop().await;
}
