//! What a translation takes and gives: the contract between this crate and the appliance.

use crate::finding::{Finding, Severity};
use crate::identity::IdKey;
use std::sync::Arc;

/// How patient ids of a facility are written, applied wherever one enters, paths included.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PatientIdRule {
    /// Pad with leading zeros to this many characters; 0 = leave as it is.
    pub width: usize,
    /// Characters taken off the front before padding, such as `"0"`.
    pub strip: String,
}

impl PatientIdRule {
    /// The id as the facility writes it everywhere.
    pub fn normalise(&self, id: &str) -> String {
        let id = id.trim();
        let bare = if self.strip.is_empty() { id } else { id.trim_start_matches(|c| self.strip.contains(c)) };
        let bare = if bare.is_empty() { id } else { bare };
        let mut out = String::with_capacity(bare.len().max(self.width));
        out.extend(std::iter::repeat_n('0', self.width.saturating_sub(bare.chars().count())));
        out.push_str(bare);
        out
    }
}

/// Whether a list message (PPR-01, ADT-61) is the whole list or only what is new in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lists {
    /// What the new list has not is deleted.
    #[default]
    Whole,
    /// Entries are added and updated, never deleted by absence.
    Incremental,
}

/// What a patient in the path that is not PID-3 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathPatient {
    /// Held in quarantine.
    #[default]
    Error,
    /// Translated under PID-3, with a warning.
    Warn,
}

/// Settings of the facility that a translation may know.
#[derive(Clone, Debug, Default)]
pub struct Facility {
    /// 保険医療機関番号, ten digits: prefecture 2, 点数表 1, institution 7.
    pub code: String,
    /// Its name, for Organization.
    pub name: String,
    /// How its patient ids are written.
    pub patient_id: PatientIdRule,
    /// Base of the URIs of its local code systems, without a slash at the end.
    pub local_system_base: String,
    /// 外字: code in the encoding seen (`F040`) → character.
    pub gaiji: crate::charset::GaijiTable,
}

/// Everything besides bytes and mapping set that decides a translation. Recorded with the message, so that
/// a translation can be made again.
#[derive(Clone, Debug)]
pub struct Context {
    /// The facility that sent it, known from the listener, certificate or folder.
    pub facility: Arc<Facility>,
    /// The appliance's secret for ids.
    pub id_key: IdKey,
    /// What path and file name say, for a file of a storage.
    pub file: Option<crate::ssmix2::FileName>,
    /// For a file of a storage.
    pub path_patient: PathPatient,
    /// For list messages of this feed.
    pub lists: Lists,
    /// Which rows of a proprietary file the bytes are; `None` for HL7.
    pub feed: Option<crate::feed::Part>,
}

/// Whose a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Part of the unit: goes when the unit no longer has it.
    Unit,
    /// Shared by units (Practitioner, Organization, Location, Device): updated, never deleted by a unit.
    Shared,
    /// A Patient made from a PID that is not the record's source: first one wins, yields to ADT-00 for ever.
    Provisional,
}

/// One FHIR resource, serialised once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `Observation`.
    pub resource_type: String,
    /// The derived id; empty for an Encounter of an event that does not name its admission: the record
    /// finds the stay and fills it in.
    pub id: String,
    /// Whose it is.
    pub role: Role,
    /// The map that made it.
    pub map: String,
    /// The resource as JSON, `resourceType` first, with `id` unless that is empty.
    pub json: Vec<u8>,
    /// `Type/id` of each literal reference in it, once each, without contained ones.
    pub references: Vec<String>,
    /// Another message is the whole of it: beside what that says, this only adds (`yields` of a message file).
    pub yields: bool,
    /// Which line of its order it is of: RP and place, `2/1`; empty where its map tells none.
    pub line: String,
}

/// What a new message does to its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replaces {
    /// The new content takes the place of the old.
    Unit,
    /// The same for a list; see [`Lists`].
    List,
    /// The unit is folded from its events in order of their own time.
    Event,
    /// Adds only.
    Nothing,
}

/// What an event does to a stay: `event` of a message file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// Announces one that has not begun (planned admission).
    Plans,
    /// Opens it (admission).
    Opens,
    /// Tells something of it while it is open (doctor, transfer).
    Changes,
    /// Tells what is planned in it (transfer, discharge).
    Announces,
    /// The patient goes on leave.
    Leaves,
    /// The patient is back.
    Returns,
    /// Closes it (discharge).
    Closes,
}

/// One event of a stay.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// The message id: `ADT-22`.
    pub kind: String,
    /// What it does to the stay.
    pub does: Does,
    /// Its own time, 17 digits `YYYYMMDDHHMMSSmmm`.
    pub time: String,
    /// The day `YYYYMMDD` that it and its cancel both name (the planned day, else that of the event); empty where
    /// the message file declares none or the message says none.
    pub day: String,
}

/// What a message is the whole of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unit {
    /// Derived like an id from facility, patient and the parts that the message file declares.
    pub key: String,
    /// The kind: `lab`, `injection`, `problems`: the first part of the declaration.
    pub kind: String,
    /// What a new message does to it.
    pub replaces: Replaces,
    /// For [`Replaces::List`].
    pub incremental: bool,
    /// The message takes the unit back (cancel trigger, ORC-1, flag 0).
    pub withdrawn: bool,
    /// For [`Replaces::Event`].
    pub event: Option<Event>,
    /// Order time, 17 digits: 発生日時 of the file name, else MSH-7 padded with zeros.
    pub time: String,
    /// The message tells these lines of the unit alone: what it says takes their place, and the others stay.
    pub lines: Option<Vec<String>>,
    /// `(type, id)` of what its cancelled lines take back, whichever unit has it.
    pub takes_back: Vec<(String, String)>,
}

/// One of the units of a message that is the whole of several: an order of a message with several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The unit.
    pub unit: Unit,
    /// Which of [`Translation::resources`] are its, in rising order; of a withdrawn one there are none.
    pub made: Vec<usize>,
}

/// That two patients are one (ADT^A40): what is said of `prior` is `survivor`'s from now on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Merge {
    /// The patient id that is no more used, normalised (MRG-1).
    pub prior: String,
    /// The id of its Patient.
    pub prior_id: String,
    /// The patient id that stays, normalised (PID-3).
    pub survivor: String,
    /// The id of its Patient.
    pub survivor_id: String,
}

/// How a translation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Resources (or a withdrawal) to record.
    Translated,
    /// Held, with at least one error among the findings.
    Quarantined,
    /// Left out on purpose, with its reason in [`Translation::excluded`].
    Excluded,
}

/// The result of translating one message.
#[derive(Clone, Debug)]
pub struct Translation {
    /// How it ended.
    pub status: Status,
    /// Why it was left out: `superseded`, `deleted`, `not-a-message`.
    pub excluded: Option<&'static str>,
    /// The message file that was for it: `OML-11`.
    pub kind: Option<String>,
    /// MSH-10.
    pub control_id: Option<String>,
    /// PID-3.1, normalised.
    pub patient: Option<String>,
    /// What the message is the whole of; of several units the first.
    pub unit: Option<Unit>,
    /// All units of a message that is the whole of several, in order of the message; empty where it is of one or none.
    pub shares: Vec<Share>,
    /// What it says of two patients.
    pub merge: Option<Merge>,
    /// What was made, one entry per `Type/id`.
    pub resources: Vec<Resource>,
    /// What was found, in order of the steps.
    pub findings: Vec<Finding>,
    /// Valued positions that no rule read and no `skip` named, without occurrence: `OBX-17`.
    pub unread: Vec<String>,
    /// Codes that no table knew, each once.
    pub unmapped: Vec<Unmapped>,
}

/// A code that a table was asked for and does not have. It holds nothing else of the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unmapped {
    /// The table: `hot-yj`; `code-systems` where the name of a code system is not known.
    pub table: String,
    /// The code system as the message names it; empty where it names none.
    pub system: String,
    /// The code; empty where it cannot be shown, because it may be something else than a code.
    pub code: String,
    /// Where it stands, as printed.
    pub position: String,
}

impl Translation {
    /// A translation that only holds findings; quarantined where one is an error.
    pub fn held(findings: Vec<Finding>) -> Self {
        Self {
            status: Status::Quarantined,
            excluded: None,
            kind: None,
            control_id: None,
            patient: None,
            unit: None,
            shares: Vec::new(),
            merge: None,
            resources: Vec::new(),
            findings,
            unread: Vec::new(),
            unmapped: Vec::new(),
        }
    }

    /// What each unit of a message with several is to have of it, as if each had come in a message of its own: its
    /// resources, and all that no unit owns. Findings stay with the whole. Empty for a message of one unit or none.
    pub fn divided(&self) -> Vec<Self> {
        let part = |share: &Share| {
            let its =
                |(n, one): &(usize, &Resource)| one.role != Role::Unit || share.made.binary_search(n).is_ok();
            Self {
                unit: Some(share.unit.clone()),
                resources: self
                    .resources
                    .iter()
                    .enumerate()
                    .filter(its)
                    .map(|(_, one)| one.clone())
                    .collect(),
                kind: self.kind.clone(),
                control_id: self.control_id.clone(),
                patient: self.patient.clone(),
                status: self.status,
                excluded: self.excluded,
                ..Self::held(Vec::new())
            }
        };
        self.shares.iter().map(part).collect()
    }

    /// Whether any finding is an error.
    pub fn has_error(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::PatientIdRule;

    #[test]
    fn patient_ids_are_stripped_and_padded() {
        let rule = |width, strip: &str| PatientIdRule { width, strip: strip.into() };
        assert_eq!(rule(0, "").normalise(" 0012 "), "0012");
        assert_eq!(rule(10, "").normalise("12"), "0000000012");
        assert_eq!(rule(0, "0").normalise("0012"), "12");
        assert_eq!(rule(5, "0").normalise("000000012"), "00012");
        assert_eq!(rule(0, "0").normalise("000"), "000");
    }
}
