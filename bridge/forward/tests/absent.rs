//! A server that refuses a transaction because of a DELETE of what is not there, as `hfs` does.

use super::{attempt, puts, settings};
use crate::forward::tests::queue::Queue;
use crate::record::Projection;
use serde_json::json;
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Answers 400 to a transaction that deletes `Condition/gone`, and 200 to one without it.
async fn strict_server() -> MockServer {
    let server = MockServer::start().await;
    let outcome =
        json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]});
    Mock::given(method("POST"))
        .and(body_string_contains("Condition/gone"))
        .respond_with(ResponseTemplate::new(400).set_body_json(outcome))
        .with_priority(1)
        .mount(&server)
        .await;
    let done = |count: usize| {
        let entry = json!({"response": {"status": "200 OK"}});
        json!({"resourceType": "Bundle", "type": "transaction-response", "entry": vec![entry; count]})
    };
    Mock::given(method("POST"))
        .and(body_string_contains("Condition/there"))
        .respond_with(ResponseTemplate::new(200).set_body_json(done(2)))
        .with_priority(2)
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/Condition/there"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"resourceType": "Condition", "id": "there"})),
        )
        .mount(&server)
        .await;
    // Whatever else is asked for is not there.
    server
}

fn deletes(ids: &[&str]) -> Vec<(String, String)> {
    ids.iter().map(|id| ("Condition".to_owned(), (*id).to_owned())).collect()
}

#[tokio::test]
async fn what_is_not_there_is_left_out_and_the_rest_is_sent() {
    let server = strict_server().await;
    let projection = Projection { deletes: deletes(&["gone", "there"]), ..puts(&["l"]) };
    let queue = Queue::new(vec![("p/1", projection)]);
    attempt(settings(&server.uri()), &queue).await;
    assert_eq!(queue.last("p/1"), "registered");
}

#[tokio::test]
async fn where_nothing_is_left_nothing_more_is_sent() {
    let server = strict_server().await;
    let queue = Queue::new(vec![("p/1", Projection { deletes: deletes(&["gone"]), puts: Vec::new() })]);
    attempt(settings(&server.uri()), &queue).await;
    assert_eq!(queue.last("p/1"), "registered");
    assert_eq!(server.received_requests().await.unwrap().iter().filter(|r| r.method == "POST").count(), 1);
    server.reset().await;
}

#[tokio::test]
async fn a_refusal_for_another_reason_stays_one() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(422)).mount(&server).await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let queue = Queue::new(vec![("p/1", Projection { deletes: deletes(&["there"]), ..puts(&["l"]) })]);
    attempt(settings(&server.uri()), &queue).await;
    assert_eq!(queue.last("p/1"), "422");
}
