//! The record: what the facilities' messages add up to, and what a destination lacks of it.
//!
//! A [`UnitState`] is the current state of what one message is the whole of. [`fold`] is pure: a unit and a
//! translation in, the next state of the unit out, the same whatever the order of arrival. [`apply`] does the
//! same for the resources that units share. [`project`] compares the record with what a destination has and
//! gives a [`Projection`]: what to put, what to delete. Both work over a trait, so that [`crate::store`] (on
//! disk) and [`Memory`] (for `translate`) keep one set of rules. Never any I/O, never a clock.

mod apply;
mod belongs;
mod bundle;
mod encounter;
mod fold;
mod lines;
mod memory;
pub mod merge;
#[cfg(test)]
pub(crate) mod merge_tests;
mod project;
mod results;
mod stays;
#[cfg(test)]
mod stays_tests;
#[cfg(test)]
pub(crate) mod tests;
pub mod yields;

pub use apply::{Applied, Ground, Standing, apply};
pub use bundle::bundle;
pub use fold::fold;
pub use memory::Memory;
pub(crate) use memory::{unit_key, unit_keys};
pub use merge::{Merged, Merges};
pub use project::{Content, View, project};
pub use results::GONE as RESULTS_GONE;

use renkei_translate::finding::Finding;
use renkei_translate::identity::sha256_hex;
use renkei_translate::translation::{Does, Resource};
use serde_json::value::RawValue;

/// When something was said: order time, then journal number. The later one stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// 17 digits.
    pub time: String,
    /// The journal number of the message.
    pub sequence: i64,
}

/// One resource that a unit has.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// `Observation`.
    pub resource_type: String,
    /// Its id; empty only inside a [`StayEvent`] that does not name its admission.
    pub id: String,
    /// The hash of `json`.
    pub hash: String,
    /// The resource, serialised once.
    pub json: Box<RawValue>,
    /// `Type/id` of what it refers to.
    pub references: Vec<String>,
    /// Who said so, and when.
    pub stamp: Stamp,
    /// A Patient that the record's source (ADT-00) made: its content is kept apart, in [`Standing`].
    #[serde(default)]
    pub standing: bool,
    /// Another unit's message is the whole of it: see [`yields`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yields: bool,
    /// Which line of its order it is of: see [`lines`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub line: String,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        let of = (self.yields, &self.line) == (other.yields, &other.line);
        of && self.is(&other.resource_type, &other.id) && self.hash == other.hash
    }
}

impl Entry {
    /// An entry of a translated resource. A resource that is no JSON, which a translation never makes, is
    /// `None`.
    pub fn of(resource: &Resource, stamp: &Stamp) -> Option<Self> {
        let json = RawValue::from_string(String::from_utf8(resource.json.clone()).ok()?).ok()?;
        Some(Self {
            resource_type: resource.resource_type.clone(),
            id: resource.id.clone(),
            hash: hash(json.get().as_bytes()),
            json,
            references: resource.references.clone(),
            stamp: stamp.clone(),
            standing: false,
            yields: resource.yields,
            line: resource.line.clone(),
        })
    }

    fn is(&self, resource_type: &str, id: &str) -> bool {
        self.resource_type == resource_type && self.id == id
    }
}

/// The hash by which two contents are told apart: 32 hexadecimal characters of SHA-256.
pub fn hash(json: &[u8]) -> String {
    let mut hex = sha256_hex(json);
    hex.truncate(32);
    hex
}

/// An entry that was taken out, and when: a late older message cannot raise it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Removed {
    /// `Condition`.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// When.
    pub stamp: Stamp,
}

/// A line of an order that a message told by itself, and when: nothing older stands of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Told {
    /// `2`, or `2/1` of it.
    pub line: String,
    /// When.
    pub stamp: Stamp,
}

/// One event of a unit that is folded from events.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StayEvent {
    /// `ADT-22`.
    pub kind: String,
    /// Its own time.
    pub time: String,
    /// The day that it and its cancel both name; empty where none is told.
    pub day: String,
    /// Order time and journal number of its message.
    pub stamp: Stamp,
    /// What it does to the stay.
    pub does: Does,
    /// Takes such an event back.
    pub cancels: bool,
    /// What its message made.
    pub entries: Vec<Entry>,
}

/// The current state of one unit.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct UnitState {
    /// The kind: `lab`.
    pub kind: String,
    /// The patient whose it is; empty where a unit has none.
    pub patient: String,
    /// Counts the changes; 0 before the first.
    pub version: i64,
    /// The newest stamp folded in.
    pub stamp: Stamp,
    /// Taken back, and nothing newer has come: a tombstone.
    pub withdrawn: bool,
    /// The newest message took it back.
    #[serde(default)]
    pub withdraws: bool,
    /// What the unit has, referents first.
    pub entries: Vec<Entry>,
    /// Nothing said at this stamp or before stands any more, but for what was said with it.
    #[serde(default)]
    pub floor: Stamp,
    /// Entries taken out one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// Lines told one by one since its floor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// What it takes back of whichever unit: what another said before is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes_back: Vec<Removed>,
    /// For a unit folded from events: all of them, in order of their own time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<StayEvent>,
    /// What it says of two patients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merged>,
    /// A list of the patient's, or the demographics: what moves to the survivor of a merge.
    #[serde(default)]
    pub list: bool,
}

/// What [`fold`] gives.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The unit as it stands now.
    pub state: UnitState,
    /// Whether its content differs from before.
    pub changed: bool,
    /// The message is older than what stands: kept, not sent.
    pub superseded: bool,
    /// What the fold met.
    pub findings: Vec<Finding>,
}

/// A resource to put at a destination.
#[derive(Clone, Debug)]
pub struct Put {
    /// `Observation`.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// The hash of `json`.
    pub hash: String,
    /// The resource.
    pub json: Box<RawValue>,
}

/// What a destination lacks of a unit. Empty: nothing to send.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    /// Resources to create or update, referents first.
    pub puts: Vec<Put>,
    /// `(type, id)` to delete, referrers first.
    pub deletes: Vec<(String, String)>,
}

impl Projection {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }
}
