//! The Encounter of a stay, made of what its events say of it.
//!
//! JSON in, JSON out: which event belongs to which stay is decided in [`super::stays`]. Objects merge, scalars and
//! arrays replace. `location` and `participant` are a course in time of which an event tells only its own part:
//! who or what comes from a moment on ends what was there before, and what was planned goes when it has happened
//! or the patient has left.

use renkei_translate::translation::Does;
use serde_json::{Map, Value, json};

/// Takes what an event says into the Encounter of its stay.
pub(super) fn take(encounter: &mut Value, said: Value, does: Does) {
    let Value::Object(mut said) = said else { return };
    said.shift_remove("id");
    // Only leave, return and discharge say whether the patient is in: the others tell it as a matter of form.
    if matches!(does, Does::Changes | Does::Announces) && encounter.get("status").is_some() {
        said.shift_remove("status");
    }
    // When the stay began is its admission's to say: others write the same by day, or to another minute.
    if does != Does::Opens
        && bound(encounter, "start").is_some()
        && let Some(Value::Object(period)) = said.get_mut("period")
    {
        period.shift_remove("start");
    }
    let mut list = |name: &str| match said.shift_remove(name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let (people, places) = (list("participant"), list("location"));
    let end = said.get("period").and_then(|period| period.get("end")).cloned();
    merge(encounter, Value::Object(said));
    within(encounter, "participant", |known| attend(known, people));
    within(encounter, "location", |known| {
        for item in places {
            stand(known, item, does);
        }
        if does == Does::Closes {
            known.retain(|item| !planned(item));
            known.iter_mut().filter(|item| active(item)).for_each(|item| complete(item, end.as_ref()));
        }
    });
}

/// R4 `Encounter.statusHistory`: what was before the status that is now. `course` is each status with the moment from
/// which it was.
pub(super) fn tell_course(encounter: &mut Value, course: &[(String, String)]) {
    let past = course.windows(2).filter_map(|pair| match pair {
        [(status, start), (_, end)] => {
            Some(json!({"status": status, "period": {"start": start, "end": end}}))
        }
        _ => None,
    });
    within(encounter, "statusHistory", |known| *known = past.collect());
}

/// Works on a list of the Encounter; an empty one is none.
fn within(encounter: &mut Value, name: &str, work: impl FnOnce(&mut Vec<Value>)) {
    let Value::Object(encounter) = encounter else { return };
    let mut list = match encounter.get_mut(name) {
        Some(Value::Array(items)) => std::mem::take(items),
        _ => Vec::new(),
    };
    work(&mut list);
    if list.is_empty() {
        encounter.shift_remove(name);
    } else {
        encounter.insert(name.to_owned(), Value::Array(list));
    }
}

/// Whoever comes into a role from a moment on takes it over from those who had it.
fn attend(known: &mut Vec<Value>, said: Vec<Value>) {
    // One doctor may attend and admit: a participant is a person in a role.
    let same = |a: &Value, b: &Value| person(a) == person(b) && a.get("type") == b.get("type");
    for new in said.iter().filter(|new| bound(new, "start").is_some()) {
        let others = known.iter_mut().filter(|old| {
            old.get("type") == new.get("type")
                && bound(old, "end").is_none()
                && !said.iter().any(|kept| same(kept, old))
        });
        others.for_each(|old| set_end(old, bound(new, "start")));
    }
    for mut item in said {
        let from = bound(&item, "start").is_some();
        let fits = |old: &&mut Value| match person(&item) {
            Some(_) => same(old, &item) && !(from && bound(old, "end").is_some()),
            None => **old == item,
        };
        let at = known.iter_mut().rev().find(fits);
        match at {
            Some(old) => {
                // Who is there already has been there since then.
                item.as_object_mut().map(|item| item.shift_remove("period"));
                merge(old, item);
            }
            None => known.push(item),
        }
    }
}

/// Takes a place into the course of places.
fn stand(known: &mut Vec<Value>, item: Value, does: Does) {
    if planned(&item) {
        // The end of the stay is planned once: the last word counts. A transfer may be planned beside another.
        if bound(&item, "start").is_none() {
            known.retain(|old| !(planned(old) && bound(old, "start").is_none()));
        }
        known.push(item);
        return;
    }
    if does != Does::Closes && active(&item) && bound(&item, "start").is_some() {
        let from = bound(&item, "start").cloned();
        known.iter_mut().filter(|old| active(old)).for_each(|old| complete(old, from.as_ref()));
        if does == Does::Changes {
            known.retain(|old| !fulfilled(old, &item));
        }
        known.push(item);
        return;
    }
    let here = |old: &&mut Value| !planned(old) && place(old) == place(&item);
    match known.iter_mut().rev().find(here) {
        // A place that the patient has left stays as it was told then.
        Some(old) if old.get("status").is_some() && !active(old) => {}
        Some(old) => {
            let mut item = item;
            if bound(old, "start").is_some()
                && let Some(Value::Object(period)) = item.get_mut("period")
            {
                period.shift_remove("start");
            }
            merge(old, item);
        }
        None => known.push(item),
    }
}

/// Whether a planned transfer has happened with an arrival: it was to that place, or was due on that day or before.
fn fulfilled(plan: &Value, arrival: &Value) -> bool {
    let day = |item| bound(item, "start").and_then(Value::as_str).and_then(|text| text.get(..10));
    planned(plan)
        && bound(plan, "start").is_some()
        && (place(plan) == place(arrival) || day(plan).is_some_and(|due| Some(due) <= day(arrival)))
}

fn active(item: &Value) -> bool {
    item.get("status").is_some_and(|status| status == "active")
}

fn planned(item: &Value) -> bool {
    item.get("status").is_some_and(|status| status == "planned")
}

fn complete(item: &mut Value, end: Option<&Value>) {
    if let Value::Object(members) = item {
        members.insert("status".into(), "completed".into());
    }
    set_end(item, end);
}

fn set_end(item: &mut Value, end: Option<&Value>) {
    let (Value::Object(item), Some(end)) = (item, end) else { return };
    let period = item.entry("period").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(period) = period {
        period.insert("end".into(), end.clone());
    }
}

/// `start` or `end` of an item's period.
fn bound<'v>(item: &'v Value, which: &str) -> Option<&'v Value> {
    item.get("period")?.get(which)
}

fn place(item: &Value) -> Option<&str> {
    item.get("location")?.get("reference")?.as_str()
}

fn person(item: &Value) -> Option<&str> {
    item.get("individual")?.get("reference")?.as_str()
}

fn merge(base: &mut Value, said: Value) {
    match (base, said) {
        (Value::Object(base), Value::Object(said)) => {
            for (key, value) in said {
                match base.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, said) => *base = said,
    }
}
