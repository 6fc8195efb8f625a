//! A resource that several units say, where some of them are only told what another one orders.
//!
//! What performs an order (OMI) tells the order again, as far as the one who performs it knows it. Such a telling
//! *yields* (`yields` of a message file): it is all there is while nobody else says the resource; beside what the order's
//! own message says it adds
//!
//! - the elements that the order does not have,
//! - numbers and references in lists, and remarks and reasons while the order was not told anew since,
//! - and that it is completed, which no open state of the order takes back.
//!
//! Nothing that was folded changes: what stands is worked out of the units each time. So it does not matter what came
//! first, and what a withdrawn telling had added is gone with it. Of those that do not yield the newest stands.

use super::merge::rewritten;
use super::stays::references;
use super::{Content, Entry, Stamp};
use renkei_translate::profile::r4;
use serde_json::{Map, Value};

/// A resource as one unit says it.
#[derive(Clone, Debug)]
pub struct Said {
    /// What it says.
    pub content: Content,
    /// When.
    pub stamp: Stamp,
    /// It is another's.
    pub yields: bool,
}

impl Said {
    /// An entry of a unit, with its content as it stands under the patient that stays.
    pub fn of(entry: &Entry, content: Content) -> Self {
        Self { content, stamp: entry.stamp.clone(), yields: entry.yields }
    }
}

/// Lists that people write into: what was told before the order was told anew, the order has left out.
const REMARKS: [&str; 2] = ["note", "reasonCode"];

/// States of an order that nobody has performed yet. An order that says itself that it was revoked or made in error
/// keeps that: what was performed stands by itself.
const OPEN: [&str; 4] = ["draft", "active", "on-hold", "unknown"];

/// What stands of all that units say of a resource; `None` where none says it.
pub fn stands(resource_type: &str, mut said: Vec<Said>) -> Option<Content> {
    said.sort_by(|a, b| (a.yields, &b.stamp).cmp(&(b.yields, &a.stamp)));
    let mut said = said.into_iter();
    let first = said.next()?;
    let beside: Vec<(Map<String, Value>, bool)> = said
        .filter(|one| one.yields)
        .filter_map(|one| {
            let object = serde_json::from_str(one.content.json.get()).ok()?;
            Some((object, one.stamp.time >= first.stamp.time))
        })
        .collect();
    if beside.is_empty() {
        return Some(first.content);
    }
    Some(rewritten(first.content, |value, refers| {
        if let Value::Object(own) = value {
            for (other, since) in beside {
                add(resource_type, own, other, since);
            }
        }
        refers.clear();
        references(value, refers);
    }))
}

/// Adds to a resource what another telling of it has; `since`: the resource was not told anew after that.
fn add(resource_type: &str, own: &mut Map<String, Value>, other: Map<String, Value>, since: bool) {
    let had: Vec<String> = own.keys().map(|key| element(resource_type, key)).collect();
    let mut added = Vec::new();
    let mut contained = Vec::new();
    for (key, said) in other {
        match (key.as_str(), own.get_mut(&key), said) {
            ("id" | "meta" | "implicitRules" | "language" | "text", ..) => {}
            ("contained", _, Value::Array(items)) => contained = items,
            ("status", Some(status), said)
                if said == "completed" && status.as_str().is_some_and(|status| OPEN.contains(&status)) =>
            {
                *status = said;
            }
            ("extension", Some(Value::Array(known)), Value::Array(items)) => {
                for item in items {
                    if !known.iter().any(|one| one.get("url") == item.get("url")) {
                        added.push(item.clone());
                        known.push(item);
                    }
                }
            }
            (name, Some(Value::Array(known)), Value::Array(items)) => {
                for item in items.into_iter().filter(|item| (since && REMARKS.contains(&name)) || names(item))
                {
                    if !known.contains(&item) {
                        added.push(item.clone());
                        known.push(item);
                    }
                }
            }
            (_, None, said) if !had.contains(&element(resource_type, &key)) => {
                added.push(said.clone());
                own.insert(key, said);
            }
            _ => {}
        }
    }
    // What is added may point into the resource it comes from.
    contained.retain(|item| id(item).is_some_and(|id| added.iter().any(|value| points(value, id))));
    if !contained.is_empty()
        && let Value::Array(known) = own.entry("contained").or_insert_with(|| Value::Array(Vec::new()))
    {
        contained.retain(|item| !known.iter().any(|one| id(one) == id(item)));
        known.extend(contained);
    }
}

/// The element that a member is of: `occurrence` of `occurrencePeriod`, `status` of `_status`.
fn element(resource_type: &str, key: &str) -> String {
    let bare = key.trim_start_matches('_');
    let found = r4::element(&format!("{resource_type}.{bare}"));
    found.map_or_else(|| bare.to_owned(), |element| element.name.to_owned())
}

/// Whether an item of a list names something: a reference or an identifier.
fn names(item: &Value) -> bool {
    let text = |member: &str| item.get(member).is_some_and(Value::is_string);
    text("reference") || (text("value") && (text("system") || item.get("type").is_some()))
}

fn id(contained: &Value) -> Option<&str> {
    contained.get("id")?.as_str()
}

/// Whether a value refers to a contained resource.
fn points(value: &Value, id: &str) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| match value {
            Value::String(to) => key == "reference" && to.strip_prefix('#') == Some(id),
            value => points(value, id),
        }),
        Value::Array(items) => items.iter().any(|item| points(item, id)),
        _ => false,
    }
}

#[cfg(test)]
#[path = "yields_tests.rs"]
mod tests;
