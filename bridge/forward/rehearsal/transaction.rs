//! A transaction Bundle, read and checked as a whole before anything of it is committed.
//!
//! FHIR R4, 3.1.0.11 batch/transaction: all or nothing, each identity at most once, references to
//! `fullUrl` resolved. PUT and DELETE by id are understood, which is what the appliance sends.

use super::content::{Change, Content, sha256};
use super::rules::{self, Refusal};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

#[derive(serde::Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
}

#[derive(serde::Deserialize)]
struct Entry<'a> {
    #[serde(borrow, rename = "fullUrl")]
    full_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    request: Option<EntryRequest>,
}

#[derive(serde::Deserialize)]
struct EntryRequest {
    method: String,
    url: String,
}

/// Reads a transaction into its changes, in the order of its entries.
///
/// # Errors
/// The first refusal; nothing of the Bundle may be committed then.
pub fn read(body: &[u8], content: &Content, loose_references: bool) -> Result<Vec<Change>, Refusal> {
    let bundle: Bundle<'_> = serde_json::from_slice(body)
        .map_err(|_| Refusal::new(400, "structure", "the body is no JSON Bundle"))?;
    if bundle.resource_type.as_deref() != Some("Bundle") {
        return Err(Refusal::new(400, "invalid", "the body is no Bundle"));
    }
    if bundle.kind.as_deref() != Some("transaction") {
        return Err(Refusal::new(400, "not-supported", "Bundle.type is not transaction").at("Bundle.type"));
    }
    let full_urls = full_urls(&bundle.entry)?;
    let mut changes = Vec::with_capacity(bundle.entry.len());
    let mut wanted = Vec::new();
    for (n, entry) in bundle.entry.iter().enumerate() {
        let at = format!("Bundle.entry[{n}]");
        let (change, references) = change(entry, &full_urls).map_err(|mut refusal| {
            for issue in &mut refusal.issues {
                let joint = if issue.expression.is_empty() { "" } else { ": " };
                issue.expression = format!("{at}{joint}{}", issue.expression);
            }
            refusal
        })?;
        changes.push(change);
        wanted.extend(references.into_iter().map(|reference| (n, reference)));
    }
    let mut identities = HashSet::new();
    if let Some(n) = changes.iter().position(|change| !identities.insert(change.url())) {
        return Err(Refusal::new(400, "duplicate", "one resource twice in a transaction")
            .at(format!("Bundle.entry[{n}]")));
    }
    if !loose_references {
        let after = After::new(&changes, content);
        if let Some((n, _)) = wanted.iter().find(|(_, reference)| !after.stands(reference)) {
            return Err(Refusal::new(
                422,
                "not-found",
                "a reference to a resource that is neither in the Bundle nor stored",
            )
            .at(format!("Bundle.entry[{n}]")));
        }
    }
    Ok(changes)
}

/// Reads a single PUT.
///
/// # Errors
/// What is refused.
pub fn read_put(
    url: &str,
    body: &[u8],
    content: &Content,
    loose_references: bool,
) -> Result<Change, Refusal> {
    let raw: &RawValue =
        serde_json::from_slice(body).map_err(|_| Refusal::new(400, "structure", "the body is no JSON"))?;
    let entry = Entry {
        full_url: None,
        resource: Some(raw),
        request: Some(EntryRequest { method: "PUT".into(), url: url.into() }),
    };
    let (change, references) = change(&entry, &HashMap::new())?;
    let changes = [change];
    let after = After::new(&changes, content);
    if !loose_references && !references.iter().all(|reference| after.stands(reference)) {
        return Err(Refusal::new(422, "not-found", "a reference to a resource that is not stored"));
    }
    let [change] = changes;
    Ok(change)
}

/// What stands once the changes are committed.
struct After<'a> {
    changed: HashMap<&'a str, bool>,
    content: &'a Content,
}

impl<'a> After<'a> {
    fn new(changes: &'a [Change], content: &'a Content) -> Self {
        let changed =
            changes.iter().map(|change| (change.url(), matches!(change, Change::Put { .. }))).collect();
        Self { changed, content }
    }

    fn stands(&self, url: &str) -> bool {
        self.changed.get(url).copied().unwrap_or_else(|| self.content.stands(url))
    }
}

/// `fullUrl` → `Type/id`, for the entries that are resources.
fn full_urls(entries: &[Entry<'_>]) -> Result<HashMap<String, String>, Refusal> {
    let mut urls = HashMap::new();
    for (n, entry) in entries.iter().enumerate() {
        let (Some(full_url), Some(request)) = (&entry.full_url, &entry.request) else { continue };
        if urls.insert(full_url.to_string(), request.url.clone()).is_some() {
            return Err(Refusal::new(400, "duplicate", "one fullUrl twice in a Bundle")
                .at(format!("Bundle.entry[{n}].fullUrl")));
        }
    }
    Ok(urls)
}

/// One entry as a change, with the `Type/id` that it refers to.
fn change(entry: &Entry<'_>, full_urls: &HashMap<String, String>) -> Result<(Change, Vec<String>), Refusal> {
    let request = entry
        .request
        .as_ref()
        .ok_or_else(|| Refusal::new(400, "required", "an entry of a transaction has a request"))?;
    let (resource_type, id) = rules::instance(&request.url)?;
    match (request.method.as_str(), entry.resource) {
        ("DELETE", None) => Ok((Change::Delete { url: request.url.clone() }, Vec::new())),
        ("DELETE", Some(_)) => Err(Refusal::new(400, "invalid", "DELETE has no resource")),
        ("PUT", None) => Err(Refusal::new(400, "required", "PUT has a resource")),
        ("PUT", Some(raw)) => put(&request.url, resource_type, id, raw, full_urls),
        _ => Err(Refusal::new(422, "not-supported", "PUT and DELETE by id are what this base takes")),
    }
}

fn put(
    url: &str,
    resource_type: &str,
    id: &str,
    raw: &RawValue,
    full_urls: &HashMap<String, String>,
) -> Result<(Change, Vec<String>), Refusal> {
    let mut value: Value = serde_json::from_str(raw.get())
        .map_err(|_| Refusal::new(400, "structure", "the resource is no JSON"))?;
    rules::resource(resource_type, id, &value)?;
    let mut wanted = Vec::new();
    let mut unresolved = false;
    let mut resolved = false;
    rules::references(&value, &mut |reference| match full_urls.get(reference) {
        Some(target) => {
            resolved = true;
            wanted.push(target.clone());
        }
        // Contained, or of another server: not ours to know.
        None if reference.starts_with('#') || reference.contains("://") => {}
        None if reference.starts_with("urn:") => unresolved = true,
        // `Type/id/_history/version` names the same resource.
        None => wanted.push(reference.split("/_history/").next().unwrap_or_default().into()),
    });
    if unresolved {
        return Err(Refusal::new(400, "not-found", "a urn reference that is no fullUrl of the Bundle"));
    }
    let json = if resolved {
        resolve(&mut value, full_urls);
        value.to_string()
    } else {
        raw.get().into()
    };
    Ok((Change::Put { url: url.into(), json, sha256: sha256(raw.get().as_bytes()) }, wanted))
}

fn resolve(value: &mut Value, full_urls: &HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, full_urls)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => {
                        if let Some(target) = full_urls.get(text) {
                            text.clone_from(target);
                        }
                    }
                    _ => resolve(member, full_urls),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn basic(id: &str, subject: Option<&str>) -> Value {
        let mut value = json!({"resourceType": "Basic", "id": id, "code": {"text": "x"}});
        if let Some(reference) = subject {
            value["subject"] = json!({ "reference": reference });
        }
        value
    }

    fn entry(method: &str, url: &str, resource: Option<Value>) -> Value {
        let mut value = json!({"request": {"method": method, "url": url}});
        if let Some(resource) = resource {
            value["fullUrl"] = json!(format!("urn:uuid:{url}"));
            value["resource"] = resource;
        }
        value
    }

    fn stored(urls: &[&str]) -> Content {
        let mut content = Content::default();
        for url in urls {
            content.commit(&Change::Put { url: (*url).into(), json: "{}".into(), sha256: String::new() });
        }
        content
    }

    fn check(entries: &[Value], held: &[&str], expected: Result<&[&str], u16>) {
        let body = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string();
        let read = read(body.as_bytes(), &stored(held), false);
        let seen = read.map_err(|refusal| refusal.status);
        let seen = seen.map(|changes| changes.iter().map(|c| c.url().to_owned()).collect::<Vec<_>>());
        assert_eq!(seen, expected.map(|urls| urls.iter().map(ToString::to_string).collect()), "{body}");
    }

    #[test]
    fn references_must_be_in_the_bundle_or_stored() {
        let a = entry("PUT", "Basic/a", Some(basic("a", Some("Patient/p"))));
        let bundled = json!({"resourceType": "Patient", "id": "p"});
        check(std::slice::from_ref(&a), &[], Err(422));
        check(std::slice::from_ref(&a), &["Patient/p"], Ok(&["Basic/a"]));
        check(&[a.clone(), entry("PUT", "Patient/p", Some(bundled))], &[], Ok(&["Basic/a", "Patient/p"]));
        // What the same transaction deletes does not stand afterwards.
        check(&[a, entry("DELETE", "Patient/p", None)], &["Patient/p"], Err(422));
    }

    #[test]
    fn one_identity_once() {
        let a = entry("PUT", "Basic/a", Some(basic("a", None)));
        let mut again = a.clone();
        again["fullUrl"] = json!("urn:uuid:other");
        check(&[a.clone(), again], &[], Err(400));
        check(&[a.clone(), entry("DELETE", "Basic/a", None)], &[], Err(400));
        check(&[a.clone(), a], &[], Err(400));
    }

    #[test]
    fn what_a_transaction_may_not_hold() {
        check(&[json!({"resource": basic("a", None)})], &[], Err(400));
        check(&[entry("POST", "Basic/a", Some(basic("a", None)))], &[], Err(422));
        check(&[entry("PUT", "Basic/a", None)], &[], Err(400));
        check(&[entry("DELETE", "Basic/a", Some(basic("a", None)))], &[], Err(400));
        check(&[entry("PUT", "Basic/b", Some(basic("a", None)))], &[], Err(400));
        for body in [&b"<xml/>"[..], b"[]", br#"{"resourceType":"Patient"}"#] {
            assert_eq!(read(body, &Content::default(), false).unwrap_err().status, 400);
        }
        let batch = br#"{"resourceType":"Bundle","type":"batch","entry":[]}"#;
        assert_eq!(read(batch, &Content::default(), false).unwrap_err().status, 400);
    }

    #[test]
    fn full_url_references_are_resolved_and_the_hash_is_of_what_was_received() {
        let patient = entry("PUT", "Patient/p", Some(json!({"resourceType": "Patient", "id": "p"})));
        let sent = basic("a", Some("urn:uuid:Patient/p"));
        let a = entry("PUT", "Basic/a", Some(sent.clone()));
        let body = json!({"resourceType": "Bundle", "type": "transaction", "entry": [a.clone(), patient]});
        let changes = read(body.to_string().as_bytes(), &Content::default(), false).unwrap();
        let Change::Put { json, sha256: hash, .. } = &changes[0] else { panic!("a PUT") };
        assert!(json.contains(r#""reference":"Patient/p""#));
        assert_eq!(*hash, sha256(sent.to_string().as_bytes()));
        check(&[a], &["Patient/p"], Err(400));
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let body = br#"{"resourceType":"Basic","id":"a","code":{"text":"x"},"x":1.50}"#;
        let change = read_put("Basic/a", body, &Content::default(), false).unwrap();
        let Change::Put { json, .. } = change else { panic!("a PUT") };
        assert!(json.contains("1.50"));
    }
}
