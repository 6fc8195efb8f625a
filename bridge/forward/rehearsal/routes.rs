//! What each request of a client asks for, answered from the content under its lock.

use super::content::{Change, Content, Done};
use super::rules::{self, Refusal};
use super::transaction;
use serde_json::{Value, json};

/// Resources on a page where a search does not say how many.
const PAGE: usize = 100;

/// Largest page given.
const PAGE_MAX: usize = 1_000;

/// A request as the routes see it.
pub struct Asking<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path below the base, without a slash at its front.
    pub path: &'a str,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The media type of the body.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The base URL as the client wrote it, for links.
    pub base: &'a str,
}

/// The answer in the making, and the changes to commit before it is given.
pub struct Planned {
    /// HTTP status, where it does not follow from the changes.
    pub status: u16,
    /// To be committed, in order.
    pub changes: Vec<Change>,
    /// Makes the body from what the changes came to.
    pub reply: Reply,
}

/// What the body of an answer is.
pub enum Reply {
    /// This resource.
    Body(Value),
    /// This resource as it is stored, with its version.
    Stored { json: String, version: u64 },
    /// A transaction-response.
    Transaction,
    /// What a single PUT or DELETE came to.
    Single,
}

/// Finds out what a request asks for, without committing anything.
///
/// # Errors
/// What is refused.
pub fn plan(asking: &Asking<'_>, content: &Content, loose_references: bool) -> Result<Planned, Refusal> {
    let body = |value| Ok(Planned { status: 200, changes: Vec::new(), reply: Reply::Body(value) });
    match (asking.method, asking.path.split_once('/')) {
        ("POST", None) if asking.path.is_empty() => {
            is_fhir(asking.content_type)?;
            let changes = transaction::read(asking.body, content, loose_references)?;
            Ok(Planned { status: 200, changes, reply: Reply::Transaction })
        }
        ("PUT", Some(_)) => {
            rules::instance(asking.path)?;
            is_fhir(asking.content_type)?;
            let change = transaction::read_put(asking.path, asking.body, content, loose_references)?;
            Ok(Planned { status: 200, changes: vec![change], reply: Reply::Single })
        }
        ("DELETE", Some(_)) => {
            rules::instance(asking.path)?;
            let changes = vec![Change::Delete { url: asking.path.into() }];
            Ok(Planned { status: 204, changes, reply: Reply::Single })
        }
        ("GET", Some(_)) => {
            rules::instance(asking.path)?;
            let stored =
                content.get(asking.path).ok_or_else(|| Refusal::new(404, "not-found", "no such resource"))?;
            let json = stored
                .json
                .clone()
                .ok_or_else(|| Refusal::new(410, "deleted", "the resource was deleted"))?;
            let reply = Reply::Stored { json, version: stored.version };
            Ok(Planned { status: 200, changes: Vec::new(), reply })
        }
        ("GET", None) if asking.path == "metadata" => body(capability_statement()),
        ("GET", None) if rules::is_type(asking.path) => body(search(asking, content)?),
        ("GET", None) => Err(Refusal::new(404, "not-supported", "unknown resource type in the URL")),
        _ => Err(Refusal::new(405, "not-supported", "this base does not take that method here")),
    }
}

fn is_fhir(content_type: &str) -> Result<(), Refusal> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "application/fhir+json" | "application/json" => Ok(()),
        _ => Err(Refusal::new(415, "not-supported", "the body is to be application/fhir+json")),
    }
}

/// The status and body of a plan whose changes came to `done`.
pub fn reply(planned: Planned, done: &[Done]) -> (u16, Option<Value>) {
    match planned.reply {
        Reply::Body(value) => (planned.status, Some(value)),
        Reply::Stored { json, version } => (planned.status, with_version(&json, version)),
        Reply::Transaction => {
            let entries: Vec<_> = planned.changes.iter().zip(done).map(entry).collect();
            (200, Some(json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})))
        }
        Reply::Single => match (planned.changes.first(), done.first()) {
            (Some(Change::Put { json, .. }), Some(Done::Created { version })) => {
                (201, with_version(json, *version))
            }
            (Some(Change::Put { json, .. }), Some(Done::Updated { version })) => {
                (200, with_version(json, *version))
            }
            _ => (204, None),
        },
    }
}

fn entry((change, done): (&Change, &Done)) -> Value {
    let (status, version) = match done {
        Done::Created { version } => ("201 Created", version),
        Done::Updated { version } => ("200 OK", version),
        Done::Deleted => return json!({"response": {"status": "204 No Content"}}),
    };
    let location = format!("{}/_history/{version}", change.url());
    json!({"response": {"status": status, "location": location, "etag": format!("W/\"{version}\"")}})
}

fn with_version(json: &str, version: u64) -> Option<Value> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    value["meta"]["versionId"] = json!(version.to_string());
    Some(value)
}

/// `identifier`, `_id`, `_summary=count`, `_elements=id`, `_count`, and our own `_after` for the next page.
fn search(asking: &Asking<'_>, content: &Content) -> Result<Value, Refusal> {
    let get = |name: &str| asking.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut found: Vec<(&str, Value)> = Vec::new();
    for (id, json) in content.of_type(asking.path) {
        let value: Value = serde_json::from_str(json)
            .map_err(|_| Refusal::new(500, "exception", "a stored resource cannot be read"))?;
        let id_fits = get("_id").is_none_or(|wanted| wanted == id);
        if id_fits && get("identifier").is_none_or(|token| has_identifier(&value, token)) {
            found.push((id, value));
        }
    }
    let total = found.len();
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": total});
    if get("_summary") == Some("count") {
        return Ok(bundle);
    }
    let size = match get("_count") {
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Refusal::new(400, "value", "_count is a number"))?
            .clamp(1, PAGE_MAX),
        None => PAGE,
    };
    let start = get("_after").map_or(0, |after| found.partition_point(|(id, _)| *id <= after));
    let page = &found[start..total.min(start + size)];
    let only_id = get("_elements") == Some("id");
    let entries: Vec<_> = page
        .iter()
        .map(|(id, value)| {
            let resource =
                if only_id { json!({"resourceType": asking.path, "id": id}) } else { value.clone() };
            let full_url = format!("{}/{}/{id}", asking.base, asking.path);
            json!({"fullUrl": full_url, "resource": resource, "search": {"mode": "match"}})
        })
        .collect();
    if let (Some((last, _)), true) = (page.last(), start + page.len() < total) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(asking.query.iter().filter(|(key, _)| key != "_after"));
        query.append_pair("_after", last);
        let next = format!("{}/{}?{}", asking.base, asking.path, query.finish());
        bundle["link"] = json!([{"relation": "next", "url": next}]);
    }
    if !entries.is_empty() {
        bundle["entry"] = Value::Array(entries);
    }
    Ok(bundle)
}

/// FHIR R4, 3.1.1.4.10 token: `system|value`, `|value` (no system), `system|`, `value`.
fn has_identifier(resource: &Value, token: &str) -> bool {
    let identifiers = match &resource["identifier"] {
        Value::Array(items) => items.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => return false,
    };
    identifiers.iter().any(|identifier| {
        let (system, value) = (identifier["system"].as_str(), identifier["value"].as_str());
        match token.split_once('|') {
            None => value == Some(token),
            Some(("", wanted)) => system.is_none() && value == Some(wanted),
            Some((wanted, "")) => system == Some(wanted),
            Some((wanted_system, wanted)) => system == Some(wanted_system) && value == Some(wanted),
        }
    })
}

fn capability_statement() -> Value {
    let interactions: Vec<_> =
        ["read", "update", "delete", "search-type"].map(|code| json!({"code": code})).into();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-23",
        "kind": "instance",
        "software": {"name": "renkei-bridge rehearsal", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Rehearsal base: holds nothing for ever."},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{
            "mode": "server",
            "resource": [{"type": "Resource", "interaction": interactions, "updateCreate": true}],
            "interaction": [{"code": "transaction"}]
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_tokens() {
        let patient = json!({"identifier": [{"system": "s", "value": "1"}, {"value": "2"}]});
        for (token, found) in [
            ("s|1", true),
            ("s|2", false),
            ("1", true),
            ("|2", true),
            ("|1", false),
            ("s|", true),
            ("t|", false),
        ] {
            assert_eq!(has_identifier(&patient, token), found, "{token}");
        }
        assert!(!has_identifier(&json!({}), "1"));
    }

    #[test]
    fn pages_list_every_id_once() {
        let mut content = Content::default();
        for n in 0..25 {
            let json = format!(r#"{{"resourceType":"Basic","id":"{n:02}"}}"#);
            content.commit(&Change::Put { url: format!("Basic/{n:02}"), json, sha256: String::new() });
        }
        let mut query = vec![("_elements".to_owned(), "id".to_owned()), ("_count".into(), "10".into())];
        let (mut ids, mut pages) = (Vec::new(), 0);
        loop {
            let asking = Asking {
                method: "GET",
                path: "Basic",
                query: query.clone(),
                content_type: "",
                body: b"",
                base: "http://h/fhir",
            };
            let bundle = search(&asking, &content).unwrap();
            assert_eq!(bundle["total"], 25);
            pages += 1;
            let entries = bundle["entry"].as_array().unwrap();
            ids.extend(entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()));
            let Some(next) = bundle["link"][0]["url"].as_str() else { break };
            let next = url::Url::parse(next).unwrap();
            query = next.query_pairs().into_owned().collect();
        }
        assert_eq!(pages, 3);
        assert_eq!(ids, (0..25).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    }
}
