//! Two patients that are one (ADT^A40): what the record shows of them.
//!
//! Nothing that was folded changes. A merge is a fact of its own, kept by its unit, and what a destination is to have
//! is worked out from the units and the facts each time: so it does not matter whether a message under the prior id
//! came before or after the merge, and a discarded merge leaves no trace.
//!
//! - Both Patients are linked, the prior one inactive.
//! - Results and stays of the prior keep their ids and get the survivor as their patient.
//! - Lists (allergies, problems; with the demographics their insurance, allergies and measures) are empty under the
//!   prior. Their entries stand under the survivor with ids of their own, beside the survivor's, until a whole list of
//!   the survivor comes that is newer than both the merge and the entry.
//!
//! Of several merges of one prior the newest stands. One that would close a circle undoes an earlier one: it is held,
//! see [`undoes`].

use super::{Content, Entry, Stamp, UnitState, hash};
use renkei_translate::identity::digest_id;
use renkei_translate::translation::Merge;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A merge, and when it was said.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Merged {
    /// Who and who.
    pub said: Merge,
    /// When.
    pub stamp: Stamp,
}

/// Where merges, units and standing resources are kept.
pub trait Merges {
    /// Why it may fail.
    type Error;
    /// All merges whose prior, or whose survivor, is a patient.
    ///
    /// # Errors
    /// Those of the ground.
    fn merges(&mut self, patient: &str, as_prior: bool) -> Result<Vec<Merged>, Self::Error>;
    /// The patient id of a Patient, where a merge names it.
    ///
    /// # Errors
    /// Those of the ground.
    fn patient_of(&mut self, patient_id: &str) -> Result<Option<String>, Self::Error>;
    /// The floor of a patient's list of a kind.
    ///
    /// # Errors
    /// Those of the ground.
    fn floor(&mut self, patient: &str, kind: &str) -> Result<Stamp, Self::Error>;
    /// Whether a merge may be told: to a destination that may not have one of the two it may not.
    ///
    /// # Errors
    /// Those of the ground.
    fn told(&mut self, merged: &Merged) -> Result<bool, Self::Error>;
    /// Whether a Patient stands.
    ///
    /// # Errors
    /// Those of the ground.
    fn stands(&mut self, patient_id: &str) -> Result<bool, Self::Error>;
}

fn newest<M: Merges + ?Sized>(merges: &mut M, prior: &str) -> Result<Option<Merged>, M::Error> {
    Ok(merges.merges(prior, true)?.into_iter().max_by(|a, b| a.stamp.cmp(&b.stamp)))
}

/// The merges that lead from a patient to the one that stays, in their order; empty where the patient stays.
///
/// # Errors
/// Those of the ground.
pub fn course<M: Merges + ?Sized>(merges: &mut M, patient: &str) -> Result<Vec<Merged>, M::Error> {
    let mut course: Vec<Merged> = Vec::new();
    let mut at = patient.to_owned();
    while let Some(next) = newest(merges, &at)? {
        // A circle is never recorded; should one stand all the same, it ends here.
        if next.said.survivor == patient || course.iter().any(|one| one.said.prior == next.said.survivor) {
            break;
        }
        at.clone_from(&next.said.survivor);
        course.push(next);
    }
    Ok(course)
}

/// Everybody who became this patient, directly or through others.
///
/// # Errors
/// Those of the ground.
pub fn priors<M: Merges + ?Sized>(merges: &mut M, patient: &str) -> Result<Vec<String>, M::Error> {
    let mut found: Vec<String> = Vec::new();
    let mut to_look = vec![patient.to_owned()];
    while let Some(survivor) = to_look.pop() {
        for merged in merges.merges(&survivor, false)? {
            let prior = merged.said.prior;
            if prior != patient && !found.contains(&prior) {
                found.push(prior.clone());
                to_look.push(prior);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a merge is the reverse of what stands: its survivor has become its prior before.
///
/// # Errors
/// Those of the ground.
pub fn undoes<M: Merges + ?Sized>(merges: &mut M, said: &Merge) -> Result<bool, M::Error> {
    Ok(course(merges, &said.survivor)?.iter().any(|one| one.said.survivor == said.prior))
}

/// Whether two Patients may be two people: another date of birth, or another sex where both are known.
pub(super) fn two_people(one: &Value, other: &Value) -> bool {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let both = |name| text(one, name).zip(text(other, name));
    let born = both("birthDate").is_some_and(|(a, b)| !a.starts_with(&b) && !b.starts_with(&a));
    born || both("gender").is_some_and(|(a, b)| a != b && a != "unknown" && b != "unknown")
}

/// Whether two Patients have names and share none.
pub(super) fn other_name(one: &Value, other: &Value) -> bool {
    let names = |value: &Value| -> Vec<(String, String)> {
        let all = value.get("name").and_then(Value::as_array).into_iter().flatten();
        let part = |name: &Value, of: &str| name.get(of).map(Value::to_string).unwrap_or_default();
        all.map(|name| (part(name, "family"), part(name, "given"))).collect()
    };
    let (one, other) = (names(one), names(other));
    !one.is_empty() && !other.is_empty() && !one.iter().any(|name| other.contains(name))
}

/// A Patient with its links.
///
/// # Errors
/// Those of the ground.
pub fn linked<M: Merges + ?Sized>(merges: &mut M, id: &str, content: Content) -> Result<Content, M::Error> {
    let Some(patient) = merges.patient_of(id)? else { return Ok(content) };
    let mut links: Vec<(&'static str, String)> = Vec::new();
    let by = newest(merges, &patient)?;
    if let Some(by) = by
        && merges.told(&by)?
        && merges.stands(&by.said.survivor_id)?
    {
        links.push(("replaced-by", by.said.survivor_id));
    }
    let inactive = !links.is_empty();
    let mut replaced = merges.merges(&patient, false)?;
    replaced.sort_by(|a, b| a.said.prior.cmp(&b.said.prior));
    for one in replaced {
        let stands = newest(merges, &one.said.prior)?.as_ref() == Some(&one);
        if stands && merges.told(&one)? && merges.stands(&one.said.prior_id)? {
            links.push(("replaces", one.said.prior_id));
        }
    }
    if links.is_empty() {
        return Ok(content);
    }
    Ok(rewritten(content, |value, references| {
        let Value::Object(patient) = value else { return };
        if inactive {
            patient.insert("active".into(), false.into());
        }
        let link = |(kind, id): &(&str, String)| json!({"other": {"reference": format!("Patient/{id}")}, "type": kind});
        patient.insert("link".into(), links.iter().map(link).collect());
        references.extend(links.iter().map(|(_, id)| format!("Patient/{id}")));
    }))
}

/// The id of a list's entry under the survivor; none without a merge.
pub fn moved_id(resource_type: &str, id: &str, course: &[Merged]) -> Option<String> {
    let survivor = &course.last()?.said.survivor_id;
    Some(digest_id(["merged", resource_type, survivor, id]))
}

/// Whether an entry of a list of a prior still counts under the survivor.
///
/// # Errors
/// Those of the ground.
pub fn counts<M: Merges + ?Sized>(
    merges: &mut M,
    unit: &UnitState,
    entry: &Entry,
    course: &[Merged],
) -> Result<bool, M::Error> {
    let mut since = entry.stamp.clone();
    for merged in course {
        since = since.max(merged.stamp.clone());
        if merges.floor(&merged.said.survivor, &unit.kind)? > since {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An entry of a unit of a prior as it stands under the survivor.
pub fn under(unit: &UnitState, entry: &Entry, course: &[Merged]) -> Content {
    let content =
        Content { hash: entry.hash.clone(), json: entry.json.clone(), references: entry.references.clone() };
    let Some(last) = course.last() else { return content };
    let to = format!("Patient/{}", last.said.survivor_id);
    let mut renamed: Vec<(String, String)> =
        course.iter().map(|one| (format!("Patient/{}", one.said.prior_id), to.clone())).collect();
    let moves = |entry: &&Entry| unit.list && !entry.standing;
    for other in unit.entries.iter().filter(moves) {
        let kind = &other.resource_type;
        renamed.extend(
            moved_id(kind, &other.id, course)
                .map(|id| (format!("{kind}/{}", other.id), format!("{kind}/{id}"))),
        );
    }
    let id = Some(entry).filter(moves).and_then(|entry| moved_id(&entry.resource_type, &entry.id, course));
    rewritten(content, |value, references| {
        refer(value, &renamed);
        for reference in references.iter_mut() {
            if let Some((_, to)) = renamed.iter().find(|(from, _)| from == reference) {
                reference.clone_from(to);
            }
        }
        if let (Value::Object(resource), Some(id)) = (value, id) {
            resource.insert("id".into(), id.into());
        }
    })
}

fn refer(value: &mut Value, renamed: &[(String, String)]) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match value {
                    Value::String(text) if key == "reference" => {
                        if let Some((_, to)) = renamed.iter().find(|(from, _)| from == text) {
                            text.clone_from(to);
                        }
                    }
                    value => refer(value, renamed),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| refer(value, renamed)),
        _ => {}
    }
}

pub(super) fn rewritten(content: Content, change: impl FnOnce(&mut Value, &mut Vec<String>)) -> Content {
    // What was recorded is JSON; should it be none, it stays as it is.
    let Ok(mut value) = serde_json::from_str::<Value>(content.json.get()) else { return content };
    let mut references = content.references.clone();
    change(&mut value, &mut references);
    let Ok(json) = RawValue::from_string(value.to_string()) else { return content };
    Content { hash: hash(json.get().as_bytes()), json, references }
}
