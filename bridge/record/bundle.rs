//! A projection written as a transaction Bundle.

use super::Projection;
use renkei_translate::identity::sha256_hex;
use serde_json::value::RawValue;

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    resource_type: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    entry: Vec<BundleEntry<'a>>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    full_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a RawValue>,
    request: Request,
}

#[derive(serde::Serialize)]
struct Request {
    method: &'static str,
    url: String,
}

/// A transaction Bundle: one entry an id, referents first, deletions last.
pub fn bundle(projection: &Projection) -> Vec<u8> {
    let puts = projection.puts.iter().map(|put| BundleEntry {
        full_url: Some(full_url(&put.resource_type, &put.id)),
        resource: Some(&put.json),
        request: Request { method: "PUT", url: format!("{}/{}", put.resource_type, put.id) },
    });
    let deletes = projection.deletes.iter().map(|(resource_type, id)| BundleEntry {
        full_url: None,
        resource: None,
        request: Request { method: "DELETE", url: format!("{resource_type}/{id}") },
    });
    let bundle =
        Bundle { resource_type: "Bundle", kind: "transaction", entry: puts.chain(deletes).collect() };
    serde_json::to_vec(&bundle).expect("strings and JSON already written serialise")
}

/// `urn:uuid:` of a resource: RFC 9562 version 8 over SHA-256 of its type and id, so that the same resource
/// has the same one in every Bundle.
fn full_url(resource_type: &str, id: &str) -> String {
    let mut hex = sha256_hex(format!("{resource_type}/{id}").as_bytes()).into_bytes();
    hex[12] = b'8';
    hex[16] = b"89ab"[usize::from(hex[16]) % 4];
    let hex: String = hex.into_iter().map(char::from).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}
