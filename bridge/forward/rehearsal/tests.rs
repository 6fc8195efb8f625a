//! The rehearsal base over real connections.

use super::content::sha256;
use super::*;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::time::Duration;

struct Visit {
    base: Rehearsal,
    client: Client,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

const ANY: &str = "127.0.0.1:0";

async fn visit(config: RehearsalConfig) -> Visit {
    crate::forward::install_crypto();
    let shutdown = CancellationToken::new();
    let (base, task) = spawn(ANY.parse().unwrap(), config, shutdown.clone()).await.unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    Visit { base, client, shutdown, task }
}

fn basic(id: &str) -> Value {
    json!({"resourceType": "Basic", "id": id, "identifier": [{"system": "s", "value": id}], "code": {"text": "x"}})
}

fn transaction(puts: &[Value], deletes: &[&str]) -> Value {
    let url =
        |put: &Value| format!("{}/{}", put["resourceType"].as_str().unwrap(), put["id"].as_str().unwrap());
    let puts = puts.iter().map(|put| json!({"resource": put, "request": {"method": "PUT", "url": url(put)}}));
    let deletes = deletes.iter().map(|url| json!({"request": {"method": "DELETE", "url": url}}));
    let entries: Vec<_> = puts.chain(deletes).collect();
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

impl Visit {
    async fn post(&self, body: &Value) -> reqwest::Result<Response> {
        let request = self.client.post(self.base.url()).header("content-type", "application/fhir+json");
        request.body(body.to_string()).send().await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}/{path}", self.base.url())).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }
}

#[tokio::test]
async fn a_transaction_is_taken_read_searched_and_taken_back() {
    let visit = visit(RehearsalConfig::default()).await;
    let answer = visit.post(&transaction(&[basic("a"), basic("b")], &["Basic/c"])).await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let statuses: Vec<_> =
        answer["entry"].as_array().unwrap().iter().map(|e| &e["response"]["status"]).collect();
    assert_eq!(statuses, ["201 Created", "201 Created", "204 No Content"]);

    let (status, read) = visit.get("Basic/a").await;
    assert_eq!((status, &read["meta"]["versionId"]), (200, &json!("1")));
    let (_, found) = visit.get("Basic?identifier=s%7Cb").await;
    assert_eq!((&found["total"], &found["entry"][0]["resource"]["id"]), (&json!(1), &json!("b")));
    let (_, count) = visit.get("Basic?_summary=count").await;
    assert_eq!(count, json!({"resourceType": "Bundle", "type": "searchset", "total": 2}));
    assert_eq!(visit.get("metadata").await.1["fhirVersion"], "4.0.1");

    let answer = visit.post(&transaction(&[basic("a")], &["Basic/b"])).await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["entry"][0]["response"]["status"], "200 OK");
    assert_eq!(visit.get("Basic/b").await.0, 410);
    assert_eq!(visit.get("Basic/never").await.0, 404);
    assert_eq!(visit.base.resources().into_keys().collect::<Vec<_>>(), ["Basic/a"]);
}

#[tokio::test]
async fn single_requests_and_refusals() {
    let visit = visit(RehearsalConfig::default()).await;
    let put = async |path: &str, media: &str, body: String| {
        let url = format!("{}/{path}", visit.base.url());
        let answer = visit.client.put(url).header("content-type", media).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["resourceType"].as_str().unwrap().to_owned())
    };
    let (fhir, a) = ("application/fhir+json; charset=utf-8", basic("a").to_string());
    assert_eq!(put("Basic/a", fhir, a.clone()).await, (201, "Basic".into()));
    assert_eq!(put("Basic/a", "application/json", a.clone()).await, (200, "Basic".into()));
    for (path, media, body, status) in [
        ("Basic/a", "text/plain", a.as_str(), 415),
        ("Basic/b", fhir, a.as_str(), 400),
        ("Nothing/a", fhir, a.as_str(), 404),
        ("Basic/a", fhir, "{", 400),
        ("Basic/a", fhir, r#"{"resourceType":"Basic","id":"a","code":{"text":""}}"#, 422),
    ] {
        assert_eq!(put(path, media, body.into()).await, (status, "OperationOutcome".into()), "{path} {body}");
    }
    let delete = visit.client.delete(format!("{}/Basic/a", visit.base.url())).send().await.unwrap();
    assert_eq!(delete.status(), 204);
    assert!(visit.base.resources().is_empty());
    assert_eq!(visit.client.patch(visit.base.url()).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let visit = visit(RehearsalConfig::default()).await;
    let mut orphan = basic("b");
    orphan["subject"] = json!({"reference": "Patient/nobody"});
    let answer = visit.post(&transaction(&[basic("a"), orphan.clone()], &[])).await.unwrap();
    assert_eq!(answer.status(), 422);
    let outcome: Value = answer.json().await.unwrap();
    assert_eq!(outcome["issue"][0]["expression"][0], "Bundle.entry[1]");
    assert!(visit.base.resources().is_empty());
    assert!(!visit.base.asked()[0].committed);

    let loose = self::visit(RehearsalConfig { loose_references: true, ..RehearsalConfig::default() }).await;
    assert_eq!(loose.post(&transaction(&[orphan], &[])).await.unwrap().status(), 200);
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let faults = Faults { retry_after: Some("7".into()), ..Faults::default() };
    let visit = visit(RehearsalConfig { faults, ..RehearsalConfig::default() }).await;
    let script = [
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(401),
        Fault::DropBeforeCommit,
        Fault::DropAfterCommit,
        Fault::Garbled,
        Fault::None,
    ];
    visit.base.script(script);
    let mut seen = Vec::new();
    for n in 0..script.len() {
        let answer = visit.post(&transaction(&[basic(&n.to_string())], &[])).await;
        let retry_after = answer
            .as_ref()
            .ok()
            .and_then(|answer| Some(answer.headers().get("retry-after")?.to_str().ok()?.to_owned()));
        let stands = visit.base.resources().contains_key(&format!("Basic/{n}"));
        seen.push((answer.ok().map(|answer| answer.status().as_u16()), retry_after, stands));
    }
    let seven = || Some("7".to_owned());
    let expected = [
        (Some(503), seven(), false),
        (Some(429), seven(), false),
        (Some(401), None, false),
        (None, None, false),
        (None, None, true),
        (Some(200), None, true),
        (Some(200), None, true),
    ];
    assert_eq!(seen, expected);
    let asked = visit.base.asked();
    let states: Vec<_> = asked.iter().map(|asked| (asked.committed, asked.answered)).collect();
    let (yes, no) = (true, false);
    assert_eq!(states, [(no, yes), (no, yes), (no, yes), (no, no), (yes, no), (yes, yes), (yes, yes)]);
}

#[tokio::test]
async fn away_refuses_connections_and_comes_back_at_the_same_port() {
    let visit = visit(RehearsalConfig::default()).await;
    assert_eq!(visit.post(&transaction(&[basic("a")], &[])).await.unwrap().status(), 200);
    visit.base.set_faults(Faults { away: true, ..Faults::default() });
    // The connection that was kept open is closed as well; the port follows when the loop has seen it.
    while visit.post(&transaction(&[basic("b")], &[])).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(visit.post(&transaction(&[basic("c")], &[])).await.is_err());
    assert!(!visit.base.resources().contains_key("Basic/c"));
    visit.base.set_faults(Faults::default());
    while visit.post(&transaction(&[basic("d")], &[])).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(visit.base.resources().contains_key("Basic/d"));
}

#[tokio::test]
async fn a_restart_from_the_journal_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        RehearsalConfig { journal: Some(dir.path().join("asked.jsonl")), ..RehearsalConfig::default() };
    let first = visit(config.clone()).await;
    let mut subject = basic("b");
    subject["subject"] = json!({"reference": "Basic/a"});
    first.base.script([Fault::None, Fault::DropAfterCommit, Fault::DropBeforeCommit]);
    assert!(first.post(&transaction(&[basic("a"), subject], &[])).await.is_ok());
    assert!(first.post(&transaction(&[basic("c")], &["Basic/b"])).await.is_err());
    assert!(first.post(&transaction(&[basic("d")], &[])).await.is_err());
    let before = first.base.resources();
    first.shutdown.cancel();
    first.task.await.unwrap();

    let second = visit(config).await;
    assert_eq!(second.base.resources(), before);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["Basic/a", "Basic/c"]);
    assert_eq!(before["Basic/c"], sha256(basic("c").to_string().as_bytes()));
    assert_eq!(second.get("Basic/b").await.0, 410);
    assert!(second.post(&transaction(&[basic("a")], &[])).await.is_ok());
    assert_eq!(second.base.asked()[0].sequence, 4);
}

#[tokio::test]
async fn a_hanging_request_is_the_clients_to_give_up() {
    let visit = visit(RehearsalConfig::default()).await;
    visit.base.script([Fault::Hang]);
    let body = transaction(&[basic("a")], &[]);
    let posting = visit.post(&body);
    tokio::select! {
        _ = posting => panic!("it was answered"),
        () = visit.base.asked_times(1) => {}
    }
    assert!(visit.base.resources().is_empty());
    // The shutdown does not wait for it.
    visit.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), visit.task).await.unwrap().unwrap();
}
