//! Lanes over real connections, with a store in memory and the rehearsal base.

mod absent;
mod certificates;
mod queue;
mod store;

use super::lane::{Call, Lane};
use super::rehearsal::content::sha256;
use super::rehearsal::fault::{Fault, Faults};
use super::rehearsal::{self, Rehearsal, RehearsalConfig};
use super::*;
use crate::record::{Projection, Put};
use crate::store::Settlement;
use queue::Queue;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use wiremock::matchers::{body_string_contains, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn put(value: &Value) -> Put {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    let json = RawValue::from_string(value.to_string()).unwrap();
    Put { resource_type: text("resourceType"), id: text("id"), hash: String::new(), json }
}

fn location(id: &str) -> Value {
    json!({"resourceType": "Location", "id": id, "name": "x"})
}

fn puts(ids: &[&str]) -> Projection {
    Projection { puts: ids.iter().map(|id| put(&location(id))).collect(), deletes: Vec::new() }
}

fn settings(url: &str) -> Base {
    Base {
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(20),
        breaker: BreakerSettings { failures: 3, pause: Duration::from_millis(1) },
        timeout: Duration::from_secs(10),
        ..Base::new("base", url.parse().unwrap())
    }
}

struct Running {
    statuses: Statuses,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn lane(base: Base, queue: &Arc<Queue>) -> (Lane<Queue>, Statuses, CancellationToken) {
    let (statuses, shutdown) = (Statuses::default(), CancellationToken::new());
    let client = Client::open(&base).unwrap();
    let lane = Lane::new(Arc::new(base), client, Arc::clone(queue), statuses.clone(), shutdown.clone());
    (lane, statuses, shutdown)
}

fn run(base: Base, queue: &Arc<Queue>) -> Running {
    let (lane, statuses, shutdown) = lane(base, queue);
    Running { statuses, shutdown, task: tokio::spawn(lane.run()) }
}

#[tokio::test]
async fn a_store_that_refuses_to_be_written_is_logged_once_though_it_can_be_read() {
    let (lane, _, _) = lane(settings("http://127.0.0.1:1/fhir"), &Queue::new(Vec::new()));
    assert!(lane.note_failure(Call::Begin));
    lane.store_works(Call::Claim);
    assert!(!lane.note_failure(Call::Begin), "claims are read, and say nothing of writing");
    lane.store_works(Call::Settle);
    assert!(!lane.note_failure(Call::Settle));
    lane.store_works(Call::Begin);
    assert!(lane.note_failure(Call::Settle), "it worked in between");
}

async fn rehearse(faults: Faults) -> Rehearsal {
    let config = RehearsalConfig { faults, seed: 1, ..RehearsalConfig::default() };
    rehearsal::spawn("127.0.0.1:0".parse().unwrap(), config, CancellationToken::new()).await.unwrap().0
}

/// One attempt at each unit, and how it ended.
async fn attempt(base: Base, queue: &Arc<Queue>) -> Arc<Lane<Queue>> {
    let (lane, _, _) = lane(base, queue);
    let lane = Arc::new(lane);
    for claim in queue.claim_all() {
        Arc::clone(&lane).deliver(claim).await;
    }
    lane
}

#[tokio::test]
async fn a_lost_answer_ends_with_one_resource_each_and_the_same_content() {
    for transactions in [true, false] {
        let rehearsal = rehearse(Faults::default()).await;
        rehearsal.script([
            Fault::DropAfterCommit,
            Fault::DropBeforeCommit,
            Fault::Garbled,
            Fault::Status(503),
        ]);
        let queue = Queue::new(vec![("p/1", puts(&["a", "b"]))]);
        let running = run(Base { transactions, ..settings(&rehearsal.url()) }, &queue);
        queue.all_registered().await;
        let expected: BTreeMap<_, _> = ["a", "b"]
            .map(|id| (format!("Location/{id}"), sha256(location(id).to_string().as_bytes())))
            .into();
        assert_eq!(rehearsal.resources(), expected);
        let ends = std::mem::take(&mut queue.units.lock().unwrap().get_mut("p/1").unwrap().ends);
        let errors: Vec<_> = ends
            .iter()
            .filter_map(|end| if let Settlement::Retry { error, .. } = end { Some(*error) } else { None })
            .collect();
        assert_eq!(errors, ["connection-lost", "connection-lost", "answer-garbled", "answer-503"]);
        let status = running.statuses.of("1319999999").unwrap();
        assert_eq!((status.breaker, status.last_error), (BreakerState::Closed, Some("answer-503")));
        assert!(status.last_success_ms.is_some());
    }
}

#[tokio::test]
async fn under_every_fault_at_once_all_units_arrive() {
    let faults = Faults {
        server_error: 0.1,
        too_many: 0.1,
        drop_before_commit: 0.1,
        drop_after_commit: 0.1,
        garbled: 0.1,
        ..Faults::default()
    };
    let rehearsal = rehearse(faults).await;
    let names: Vec<_> =
        (0..12).flat_map(|patient| (0..4).map(move |n| format!("{patient:02}/{n}"))).collect();
    let ids: Vec<_> = names.iter().map(|name| name.replace('/', "-")).collect();
    let queue = Queue::new(names.iter().zip(&ids).map(|(name, id)| (name.as_str(), puts(&[id]))).collect());
    let running = run(settings(&rehearsal.url()), &queue);
    queue.all_registered().await;
    assert_eq!(rehearsal.resources().len(), names.len());
    running.shutdown.cancel();
    running.task.await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_deleted() {
    let rehearsal = rehearse(Faults::default()).await;
    let mut projection = puts(&["a"]);
    projection.deletes.push(("Location".into(), "never".into()));
    let queue = Queue::new(vec![("p/1", projection.clone())]);
    attempt(settings(&rehearsal.url()), &queue).await;
    assert_eq!(queue.last("p/1"), "registered");

    for (status, expected) in [(404, "registered"), (410, "registered"), (409, "409"), (500, "answer-500")] {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(201)).mount(&server).await;
        Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let queue = Queue::new(vec![("p/1", projection.clone())]);
        attempt(Base { transactions: false, ..settings(&server.uri()) }, &queue).await;
        assert_eq!(queue.last("p/1"), expected);
    }
}

#[tokio::test]
async fn single_requests_go_in_order_of_reference() {
    let rehearsal = rehearse(Faults::default()).await;
    let mut about = location("b");
    about["managingOrganization"] = json!({"reference": "Organization/p"});
    let organization = json!({"resourceType": "Organization", "id": "p", "name": "y"});
    let projection = Projection {
        puts: vec![put(&organization), put(&about)],
        deletes: vec![("Location".into(), "old".into())],
    };
    let queue = Queue::new(vec![("p/1", projection)]);
    attempt(Base { transactions: false, ..settings(&rehearsal.url()) }, &queue).await;
    assert_eq!(queue.last("p/1"), "registered");
    let asked: Vec<_> = rehearsal.asked().into_iter().map(|asked| (asked.method, asked.path)).collect();
    let expected = [("PUT", "/Organization/p"), ("PUT", "/Location/b"), ("DELETE", "/Location/old")];
    assert_eq!(asked, expected.map(|(method, path)| (method.to_owned(), path.to_owned())));
}

#[tokio::test]
async fn what_the_base_would_refuse_is_held_and_not_sent() {
    let rehearsal = rehearse(Faults::default()).await;
    let mut wrong = location("a");
    wrong["nonsense"] = json!("x");
    let projection = Projection { puts: vec![put(&wrong)], deletes: Vec::new() };
    let queue = Queue::new(vec![("p/1", projection), ("p/2", puts(&["b"]))]);
    let _running = run(settings(&rehearsal.url()), &queue);
    queue.wait_until(|queue| queue.last("p/2") == "registered").await;
    assert_eq!(queue.last("p/1"), "held");
    assert!(queue.units.lock().unwrap()["p/1"].begun.is_empty());
    assert_eq!(rehearsal.asked().len(), 1);
}

#[tokio::test]
async fn nothing_to_send_is_no_request() {
    let queue = Queue::new(vec![("p/1", Projection::default())]);
    attempt(settings("http://127.0.0.1:9"), &queue).await;
    assert_eq!(queue.last("p/1"), "registered");
}

#[tokio::test]
async fn retry_after_is_honoured_by_the_unit_and_by_the_whole_lane() {
    let in_two_minutes = (chrono::Utc::now() + Duration::from_secs(120)).format("%a, %d %b %Y %H:%M:%S GMT");
    for (fault, header, at_least_s) in [
        (Fault::Status(429), "120".to_owned(), 120),
        // An HTTP date has whole seconds.
        (Fault::Status(503), in_two_minutes.to_string(), 118),
    ] {
        let rehearsal = rehearse(Faults { retry_after: Some(header), ..Faults::default() }).await;
        rehearsal.script([fault]);
        let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
        let before = now_ms();
        let lane = attempt(settings(&rehearsal.url()), &queue).await;
        let due_ms = queue.units.lock().unwrap()["p/1"].due_ms;
        assert!((at_least_s * 1_000..125_000).contains(&(due_ms - before)), "{}", due_ms - before);
        assert_eq!(lane.room(0).0, 0, "nothing else is claimed before");
    }
}

#[tokio::test]
async fn a_refusal_is_kept_and_blocks_nothing() {
    let rehearsal = rehearse(Faults::default()).await;
    let mut orphan = location("b");
    orphan["managingOrganization"] = json!({"reference": "Organization/nobody"});
    let bad = Projection { puts: vec![put(&orphan)], deletes: Vec::new() };
    let queue = Queue::new(vec![("p/1", bad), ("p/2", puts(&["a"])), ("q/1", puts(&["c"]))]);
    let running = run(settings(&rehearsal.url()), &queue);
    queue.wait_until(|queue| ["p/1", "p/2", "q/1"].iter().all(|unit| queue.last(unit) != "waiting")).await;
    assert_eq!(["p/1", "p/2", "q/1"].map(|unit| queue.last(unit)), ["422", "registered", "registered"]);
    let units = queue.units.lock().unwrap();
    let Some(Settlement::Rejected { answer, .. }) = units["p/1"].ends.first() else { panic!("rejected") };
    let outcome: Value = serde_json::from_slice(answer).unwrap();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(units["p/1"].ends.len(), 1, "no second try");
    assert_eq!(running.statuses.of("1319999999").unwrap().breaker, BreakerState::Closed);
}

/// Counts events of level ERROR.
struct Alarms(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Alarms {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::ERROR {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn refused_credentials_pause_the_lane_with_one_alarm() {
    use tracing_subscriber::layer::SubscriberExt;
    let alarms = Arc::new(AtomicUsize::new(0));
    let subscriber = tracing_subscriber::registry().with(Alarms(Arc::clone(&alarms)));
    let _guard = tracing::subscriber::set_default(subscriber);

    let rehearsal = rehearse(Faults { unauthorized: true, ..Faults::default() }).await;
    let queue = Queue::new(vec![("p/1", puts(&["a"])), ("q/1", puts(&["b"])), ("r/1", puts(&["c"]))]);
    let base = Base { retry_max: Duration::from_millis(300), concurrency: 1, ..settings(&rehearsal.url()) };
    let running = run(base, &queue);
    queue.wait_until(|queue| *queue.settled.borrow() == 1).await;
    let status = running.statuses.of("1319999999").unwrap();
    assert!(status.alarm());
    assert_eq!((status.breaker, status.reason), (BreakerState::Open, Some(CREDENTIALS)));
    rehearsal.asked_times(3).await;
    rehearsal.set_faults(Faults::default());
    queue.all_registered().await;
    let refused = rehearsal.asked().iter().filter(|asked| asked.status == 401).count();
    assert!(refused <= 4, "three waits of 300 ms, no burning through the queue: {refused}");
    assert_eq!(alarms.load(Ordering::SeqCst), 1);
    assert!(!running.statuses.of("1319999999").unwrap().alarm());
}

#[tokio::test]
async fn a_base_that_is_away_is_probed_and_found_again() {
    let rehearsal = rehearse(Faults { away: true, ..Faults::default() }).await;
    let queue = Queue::new(vec![("p/1", puts(&["a"])), ("q/1", puts(&["b"]))]);
    let running = run(settings(&rehearsal.url()), &queue);
    queue.wait_until(|_| running.statuses.of("1319999999").unwrap().reason.is_some()).await;
    assert_eq!(running.statuses.of("1319999999").unwrap().reason, Some("connect"));
    rehearsal.set_faults(Faults::default());
    queue.all_registered().await;
    assert_eq!(running.statuses.of("1319999999").unwrap().breaker, BreakerState::Closed);
}

#[tokio::test]
async fn no_answer_is_a_timeout_and_a_shutdown_cuts_it_off() {
    let rehearsal = rehearse(Faults::default()).await;
    rehearsal.script([Fault::Hang]);
    let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
    attempt(Base { timeout: Duration::from_millis(50), ..settings(&rehearsal.url()) }, &queue).await;
    assert_eq!(queue.last("p/1"), "timeout");

    rehearsal.script([Fault::Hang]);
    let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
    let (mut lane, _, shutdown) = lane(settings(&rehearsal.url()), &queue);
    lane.grace = Duration::from_millis(10);
    let task = tokio::spawn(lane.run());
    rehearsal.asked_times(2).await;
    shutdown.cancel();
    task.await.unwrap();
    assert_eq!(queue.last("p/1"), "stopped");
    assert!(!queue.units.lock().unwrap()["p/1"].in_flight);
}

#[tokio::test]
async fn an_answer_is_taken_within_the_grace_of_a_shutdown() {
    let rehearsal = rehearse(Faults { delay: Duration::from_millis(50), ..Faults::default() }).await;
    let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
    let (lane, _, shutdown) = lane(settings(&rehearsal.url()), &queue);
    let task = tokio::spawn(lane.run());
    while !queue.units.lock().unwrap()["p/1"].begun.contains("Location/a") {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    task.await.unwrap();
    assert_eq!(queue.last("p/1"), "registered");
}

#[tokio::test]
async fn a_store_that_fails_once_loses_no_delivery() {
    let rehearsal = rehearse(Faults::default()).await;
    let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
    queue.fails.store(1, Ordering::SeqCst);
    let _running = run(settings(&rehearsal.url()), &queue);
    queue.all_registered().await;
    assert_eq!(rehearsal.asked().len(), 2, "sent again after a pause, not in a loop");
    assert_eq!(rehearsal.resources().len(), 1);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // An answer before the request would be another fault.
        stream.read_u8().await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: 900\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
    attempt(Base { timeout: Duration::from_millis(100), ..settings(&url) }, &queue).await;
    assert_eq!(queue.last("p/1"), "timeout");
    server.abort();
}

#[tokio::test]
async fn a_facility_that_is_refused_stops_no_other() {
    let server = MockServer::start().await;
    let done = json!({
        "resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "201"}}]
    });
    Mock::given(body_string_contains("refused"))
        .respond_with(ResponseTemplate::new(403))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(done))
        .mount(&server)
        .await;
    let refused = Queue::new(vec![("p/1", puts(&["refused"]))]);
    let other = Queue::new(vec![("q/1", puts(&["a"])), ("q/2", puts(&["b"]))]);
    let paused = run(settings(&server.uri()), &refused);
    refused.wait_until(|_| paused.statuses.all()[0].alarm()).await;
    let _running = run(settings(&server.uri()), &other);
    other.all_registered().await;
    assert_eq!(refused.last("p/1"), CREDENTIALS);
}

#[tokio::test]
async fn metrics_name_destination_facility_and_outcome_and_nothing_else() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let rehearsal = rehearse(Faults::default()).await;
    rehearsal.script([Fault::Status(422)]);
    let queue = Queue::new(vec![("p/1", puts(&["a"])), ("p/2", puts(&["b"]))]);
    let running = run(Base { concurrency: 1, ..settings(&rehearsal.url()) }, &queue);
    queue.wait_until(|queue| queue.last("p/2") == "registered").await;
    running.shutdown.cancel();
    running.task.await.unwrap();
    let text = handle.render();
    for line in [
        r#"renkei_deliveries_total{destination="base",facility="1319999999",outcome="registered"} 1"#,
        r#"renkei_deliveries_total{destination="base",facility="1319999999",outcome="rejected"} 1"#,
        r#"renkei_breaker_state{destination="base",facility="1319999999"} 0"#,
        r#"renkei_queue_depth{destination="base",facility="1319999999"} 0"#,
    ] {
        assert!(text.lines().any(|seen| seen == line), "{line} in {text}");
    }
}

#[tokio::test]
async fn garbage_with_a_good_status_is_no_success() {
    for body in ["", "<html>", "{}", r#"{"resourceType":"Bundle","type":"transaction-response"}"#] {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&server)
            .await;
        let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
        attempt(settings(&server.uri()), &queue).await;
        assert_eq!(queue.last("p/1"), "answer-garbled", "{body}");
    }
}
