//! What an answer of a base means. Pure: status and bytes in, an [`Outcome`] out.
//!
//! Only an answer that says for each entry that it was done is a success; whatever else a base says with
//! a good status is garbled and tried again, because resending is always safe.

use crate::record::Projection;
use std::borrow::Cow;
use std::time::Duration;

/// Largest part of a refusal that is kept for people. An OperationOutcome of a thousand issues fits.
pub const KEPT_ANSWER_BYTES: usize = 64 << 10;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The base has all of it.
    Registered,
    /// The base refuses the content and will go on refusing it.
    Rejected {
        /// HTTP status.
        status: u16,
        /// Its body, up to [`KEPT_ANSWER_BYTES`]. May quote patient data: for the store, never for a log.
        answer: Vec<u8>,
    },
    /// The base refuses the facility: login or certificate.
    Credentials,
    /// Nobody knows whether the base has it: try again.
    Later {
        /// A code for people.
        error: &'static str,
        /// What the base asks for.
        after: Option<Duration>,
    },
}

impl Outcome {
    /// Try again, with our own wait.
    pub fn later(error: &'static str) -> Self {
        Self::Later { error, after: None }
    }
}

/// An answer that is no 2xx, or `None` for one that is.
pub fn refusal(status: u16, after: Option<Duration>, body: &[u8]) -> Option<Outcome> {
    let error = match status {
        200..=299 => return None,
        401 | 403 => return Some(Outcome::Credentials),
        408 => "answer-408",
        425 => "answer-425",
        429 => "answer-429",
        500 => "answer-500",
        502 => "answer-502",
        503 => "answer-503",
        504 => "answer-504",
        501 | 505..=599 => "answer-5xx",
        status if (400..500).contains(&status) => {
            let answer = body[..body.len().min(KEPT_ANSWER_BYTES)].to_vec();
            return Some(Outcome::Rejected { status, answer });
        }
        // A redirect is not followed: it would carry patient data to where nobody configured it to go.
        _ => "answer-garbled",
    };
    Some(Outcome::Later { error, after })
}

#[derive(serde::Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
}

#[derive(serde::Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(serde::Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    location: Option<Cow<'a, str>>,
}

/// Whether the 2xx answer to a transaction says that every entry was done.
pub fn transaction_done(projection: &Projection, body: &[u8]) -> bool {
    let Ok(bundle) = serde_json::from_slice::<Bundle<'_>>(body) else { return false };
    let puts = projection.puts.len();
    bundle.resource_type == "Bundle"
        && bundle.kind == "transaction-response"
        && bundle.entry.len() == puts + projection.deletes.len()
        && bundle.entry.iter().enumerate().all(|(n, entry)| {
            let Some(response) = &entry.response else { return false };
            let status = status_code(&response.status);
            match projection.puts.get(n) {
                Some(put) => matches!(status, Some(200..=299)) && names(response.location.as_deref(), put),
                // What is not there is deleted.
                None => matches!(status, Some(200..=299 | 404 | 410)),
            }
        })
}

/// Whether the 2xx answer to a single PUT is about that resource. An empty one is taken at its word.
pub fn put_done(put: &crate::record::Put, location: Option<&str>, body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "resourceType")]
        resource_type: Cow<'a, str>,
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
    }
    if !names(location, put) {
        return false;
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return true;
    }
    serde_json::from_slice::<Head<'_>>(body).is_ok_and(|head| {
        // A base may answer with what it thinks of the request in place of the resource.
        head.resource_type == "OperationOutcome"
            || (head.resource_type == put.resource_type && head.id.as_deref() == Some(put.id.as_str()))
    })
}

/// `200`, `201 Created`.
fn status_code(status: &str) -> Option<u16> {
    status.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether a location, if there is one, is that of the resource: `[base/]Type/id[/_history/version]`.
fn names(location: Option<&str>, put: &crate::record::Put) -> bool {
    let Some(location) = location else { return true };
    let location = location.split("/_history/").next().unwrap_or_default();
    let mut parts = location.rsplit('/');
    parts.next() == Some(put.id.as_str()) && parts.next() == Some(put.resource_type.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Put;
    use serde_json::{Value, json, value::RawValue};

    fn put(resource_type: &str, id: &str) -> Put {
        let json =
            RawValue::from_string(json!({"resourceType": resource_type, "id": id}).to_string()).unwrap();
        Put { resource_type: resource_type.into(), id: id.into(), hash: String::new(), json }
    }

    fn projection() -> Projection {
        Projection { puts: vec![put("Basic", "a")], deletes: vec![("Basic".into(), "b".into())] }
    }

    #[test]
    fn only_an_answer_for_every_entry_is_a_success() {
        let check = |kind: &str, entries: Value, expected: bool| {
            let body = json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string();
            assert_eq!(transaction_done(&projection(), body.as_bytes()), expected, "{body}");
        };
        let done = |status: &str| json!({"response": {"status": status}});
        let kind = "transaction-response";
        check(kind, json!([done("201 Created"), done("204")]), true);
        check(kind, json!([done("200"), done("404 Not Found")]), true);
        check(kind, json!([done("200"), done("410")]), true);
        check(kind, json!([done("404"), done("204")]), false);
        check(kind, json!([done("200"), done("409")]), false);
        check(kind, json!([done("200")]), false);
        check(kind, json!([done("200"), done("200"), done("200")]), false);
        check(kind, json!([done("200"), {}]), false);
        check(kind, json!([done("OK"), done("204")]), false);
        check("batch-response", json!([done("200"), done("204")]), false);
        for garbage in [&b""[..], b"<html>", b"[]", b"{}", b"{\"resourceType\":\"Bundle\"", b"\xff"] {
            assert!(!transaction_done(&projection(), garbage));
        }
    }

    #[test]
    fn an_answer_about_another_resource_is_no_success() {
        for (location, expected) in [
            ("Basic/a", true),
            ("http://h/fhir/Basic/a/_history/3", true),
            ("Basic/b/_history/1", false),
            ("Flag/a", false),
        ] {
            let body = json!({
                "resourceType": "Bundle",
                "type": "transaction-response",
                "entry": [{"response": {"status": "200", "location": location}}, {"response": {"status": "204"}}]
            });
            assert_eq!(transaction_done(&projection(), body.to_string().as_bytes()), expected, "{location}");
            assert_eq!(put_done(&put("Basic", "a"), Some(location), b""), expected, "{location}");
        }
        for (body, expected) in [
            (json!({"resourceType": "Basic", "id": "a"}), true),
            (json!({"resourceType": "OperationOutcome"}), true),
            (json!({"resourceType": "Basic", "id": "b"}), false),
            (json!({"resourceType": "Basic"}), false),
        ] {
            assert_eq!(put_done(&put("Basic", "a"), None, body.to_string().as_bytes()), expected, "{body}");
        }
        assert!(!put_done(&put("Basic", "a"), None, b"<html>OK</html>"));
    }

    #[test]
    fn statuses_part_into_again_and_never() {
        let class = |status| match refusal(status, None, b"body") {
            None => "done",
            Some(Outcome::Later { .. }) => "later",
            Some(Outcome::Credentials) => "credentials",
            Some(Outcome::Rejected { status: kept, answer }) => {
                assert_eq!((kept, answer.as_slice()), (status, &b"body"[..]));
                "rejected"
            }
            Some(Outcome::Registered) => "registered",
        };
        for (statuses, expected) in [
            (&[200, 201, 204][..], "done"),
            (&[400, 404, 405, 409, 410, 412, 413, 415, 422], "rejected"),
            (&[408, 425, 429, 500, 501, 502, 503, 504, 599, 301, 307], "later"),
            (&[401, 403], "credentials"),
        ] {
            for status in statuses {
                assert_eq!(class(*status), expected, "{status}");
            }
        }
        let long = vec![b'x'; KEPT_ANSWER_BYTES + 1];
        let Some(Outcome::Rejected { answer, .. }) = refusal(400, None, &long) else { panic!("rejected") };
        assert_eq!(answer.len(), KEPT_ANSWER_BYTES);
    }
}
