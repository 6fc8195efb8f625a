//! Applying a translation to the record: its unit, and the resources that units share.
//!
//! Shared resources: the newest order time wins, and no unit deletes them. A Patient made from the record's
//! source (ADT-00) outranks a provisional one for ever; of provisional ones the oldest order time wins, whatever the
//! order of arrival. A superseded message counts here too: had it come in time, it would have said so.

use super::{Entry, Stamp, UnitState, fold, hash, merge, results};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Role, Translation};
use serde_json::Value;
use serde_json::value::RawValue;

/// A resource that is no single unit's: a shared one, or a Patient.
#[derive(Clone, Debug)]
pub struct Standing {
    /// `Practitioner`.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Shared; for a Patient: of the record's source, or provisional.
    pub role: Role,
    /// The hash of `json`.
    pub hash: String,
    /// The resource.
    pub json: Box<RawValue>,
    /// `Type/id` of what it refers to.
    pub references: Vec<String>,
    /// Who said so, and when.
    pub stamp: Stamp,
    /// A Patient whose source was withdrawn while other units of the patient stood.
    pub withdrawn: bool,
}

/// Where a record is kept.
pub trait Ground {
    /// Why it may fail.
    type Error;
    /// A unit by its key.
    ///
    /// # Errors
    /// Those of the ground.
    fn unit(&mut self, key: &str) -> Result<Option<UnitState>, Self::Error>;
    /// Keeps a unit; `gone` are `(type, id)` that it had and has no more.
    ///
    /// # Errors
    /// Those of the ground.
    fn put_unit(
        &mut self,
        key: &str,
        state: &UnitState,
        gone: &[(String, String)],
    ) -> Result<(), Self::Error>;
    /// A standing resource.
    ///
    /// # Errors
    /// Those of the ground.
    fn standing(&mut self, resource_type: &str, id: &str) -> Result<Option<Standing>, Self::Error>;
    /// Keeps a standing resource.
    ///
    /// # Errors
    /// Those of the ground.
    fn put_standing(&mut self, standing: &Standing) -> Result<(), Self::Error>;
    /// Forgets a standing resource.
    ///
    /// # Errors
    /// Those of the ground.
    fn remove_standing(&mut self, resource_type: &str, id: &str) -> Result<(), Self::Error>;
    /// Whether the patient, or one that was merged into this one, has another unit with content.
    ///
    /// # Errors
    /// Those of the ground.
    fn has_other_live_unit(&mut self, patient: &str, key: &str) -> Result<bool, Self::Error>;
    /// Whether another unit says a resource.
    ///
    /// # Errors
    /// Those of the ground.
    fn is_said_elsewhere(&mut self, resource_type: &str, id: &str, key: &str) -> Result<bool, Self::Error>;
    /// Whether a merge that was said before made the patient another one.
    ///
    /// # Errors
    /// Those of the ground.
    fn merged_before(&mut self, patient: &str, stamp: &Stamp) -> Result<bool, Self::Error>;
}

/// What [`apply`] did.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The unit's version now.
    pub version: i64,
    /// The unit's content changed.
    pub changed: bool,
    /// The message is older than what stands: kept, not sent.
    pub superseded: bool,
    /// What the record met.
    pub findings: Vec<Finding>,
}

/// Takes a translation into the record.
///
/// # Errors
/// Those of the ground.
pub fn apply<G: Ground>(
    ground: &mut G,
    key: &str,
    incoming: &Translation,
    sequence: i64,
) -> Result<Applied, G::Error> {
    let old = ground.unit(key)?;
    let folded = fold(old.as_ref(), incoming, sequence);
    let mut findings = folded.findings;
    if findings.iter().any(|finding| finding.code == fold::NOTHING) {
        // What its lines take back another message may have brought.
        let mut found = false;
        for (resource_type, id) in incoming.unit.iter().flat_map(|unit| &unit.takes_back) {
            found |= ground.is_said_elsewhere(resource_type, id, key)?;
        }
        findings.retain(|finding| !found || finding.code != fold::NOTHING);
    }
    findings.extend(results::gone(old.as_ref(), &folded.state, folded.superseded, incoming, sequence));
    let version = folded.state.version;
    let stamp = Stamp { time: incoming.unit.as_ref().map_or_else(String::new, |u| u.time.clone()), sequence };
    for resource in incoming.resources.iter().filter(|resource| resource.role != Role::Unit) {
        let Some(entry) = Entry::of(resource, &stamp) else { continue };
        let known = ground.standing(&resource.resource_type, &resource.id)?;
        let take = match (&known, resource.role) {
            (None, _) => true,
            (Some(known), Role::Shared) => known.role == Role::Shared && known.stamp <= stamp,
            // The same message translated again counts too, by a mapping that was mended: its content may differ.
            (Some(known), Role::Provisional) => {
                known.role == Role::Provisional && !known.withdrawn && known.stamp >= stamp
            }
            (Some(_), Role::Unit) => false,
        };
        if take && known.is_none_or(|known| known.hash != entry.hash || known.stamp != stamp) {
            ground.put_standing(&standing(entry, resource.role))?;
        }
    }
    if folded.superseded {
        return Ok(Applied { version, changed: false, superseded: true, findings });
    }
    let state = &folded.state;
    if let Some(said) = incoming.merge.as_ref().filter(|_| !state.withdraws) {
        let prior = ground.standing("Patient", &said.prior_id)?.and_then(|known| read(&known.json));
        let survivor = ground.standing("Patient", &said.survivor_id)?.and_then(|known| read(&known.json));
        if prior.zip(survivor).is_some_and(|(prior, survivor)| merge::two_people(&prior, &survivor)) {
            findings.push(Finding::warning("merge-patients-differ", Location::field("MRG", 1)));
        }
    }
    for entry in state.entries.iter().filter(|entry| entry.standing) {
        if reuses(ground, entry, &state.patient)? {
            findings.push(Finding::warning("patient-id-reused", Location::field("PID", 3)));
        }
        ground.put_standing(&standing(entry.clone(), Role::Unit))?;
    }
    let mut gone = Vec::new();
    for entry in old.iter().flat_map(|old| &old.entries) {
        if state.entries.iter().any(|now| now.is(&entry.resource_type, &entry.id)) {
            continue;
        }
        gone.push((entry.resource_type.clone(), entry.id.clone()));
        if entry.standing {
            withdraw_patient(ground, key, entry, &state.patient, &mut findings)?;
        }
    }
    if state.entries.is_empty() {
        let patients = old.iter().flat_map(|old| &old.entries).flat_map(|entry| &entry.references);
        for id in patients.filter_map(|reference| reference.strip_prefix("Patient/")) {
            // The source was withdrawn before, and the last unit that kept the Patient goes now.
            let last = ground.standing("Patient", id)?.is_some_and(|patient| patient.withdrawn);
            if last && !ground.has_other_live_unit(&state.patient, key)? {
                ground.remove_standing("Patient", id)?;
                gone.push(("Patient".into(), id.into()));
            }
        }
    }
    // Its Patients go out with it, though their content is another's.
    for merged in old.iter().map(|old| &old.merge).chain([&state.merge]).flatten() {
        gone.extend(
            [&merged.said.prior_id, &merged.said.survivor_id].map(|id| ("Patient".into(), id.clone())),
        );
    }
    ground.put_unit(key, state, &gone)?;
    Ok(Applied { version, changed: folded.changed, superseded: false, findings })
}

fn read(json: &RawValue) -> Option<Value> {
    serde_json::from_str(json.get()).ok()
}

/// Whether demographics are told of somebody else under an id that was merged into another: it may be used again.
fn reuses<G: Ground>(ground: &mut G, entry: &Entry, patient: &str) -> Result<bool, G::Error> {
    let Some(known) = ground.standing("Patient", &entry.id)?.filter(|known| known.hash != entry.hash) else {
        return Ok(false);
    };
    let Some((known, told)) = read(&known.json).zip(read(&entry.json)) else { return Ok(false) };
    let other = merge::two_people(&known, &told) || merge::other_name(&known, &told);
    Ok(other && ground.merged_before(patient, &entry.stamp)?)
}

fn withdraw_patient<G: Ground>(
    ground: &mut G,
    key: &str,
    entry: &Entry,
    patient: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), G::Error> {
    if ground.has_other_live_unit(patient, key)? {
        findings.push(Finding::warning("patient-still-referenced", Location::default()));
        let mut kept = standing(entry.clone(), Role::Provisional);
        kept.withdrawn = true;
        return ground.put_standing(&kept);
    }
    ground.remove_standing(&entry.resource_type, &entry.id)
}

fn standing(entry: Entry, role: Role) -> Standing {
    debug_assert_eq!(entry.hash, hash(entry.json.get().as_bytes()));
    Standing {
        resource_type: entry.resource_type,
        id: entry.id,
        role,
        hash: entry.hash,
        json: entry.json,
        references: entry.references,
        stamp: entry.stamp,
        withdrawn: false,
    }
}
