//! `complete`: what became of a claim, recorded whole in one transaction.
//!
//! A quarantined message blocks only its unit. For a unit that is replaced whole, the next good message takes
//! its place and the quarantined one, if older, is left out as `superseded`. For a unit that grows by events
//! or increments, the messages after it wait (`behind-quarantined`, shown as pending) until it is translated
//! again, discarded or superseded; then they are put back into the queue, in their order. Messages that only
//! add (`nothing`) never wait.

use super::consent::{self, Gate};
use super::counts::Counts;
use super::ground::{Record, unit_row};
use super::index::state;
use super::{
    Claim, Completion, FacilityStore, State, StoreError, claim, delivery, durable_point, ground, merge,
    parts, rebuild,
};
use crate::record;
use renkei_translate::finding::{Finding, Location, Severity};
use renkei_translate::translation::{Replaces, Status, Translation};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;

/// Why a message waits for another of its unit.
const BEHIND: &str = "behind-quarantined";

impl FacilityStore {
    /// Records what became of claims, in one transaction. The claims are given back in any case: after an
    /// error the messages are still queued, and will be claimed again.
    ///
    /// # Errors
    /// The database; then nothing of it is recorded.
    pub fn complete(&self, done: Vec<(Claim, Completion)>) -> Result<(), StoreError> {
        // The bodies are not needed any more, and the claims' keys are, whatever comes.
        let claims: Vec<Claim> =
            done.iter().map(|(claim, _)| Claim { body: Vec::new(), ..claim_keys(claim) }).collect();
        let of = |(claim, done): &(Claim, Completion)| {
            let keys = record::unit_keys(&done.translation, claim.id.0);
            keys.into_iter().map(|key| (key, done.destinations.clone())).collect::<Vec<_>>()
        };
        let units: Vec<(String, Vec<String>)> = done.iter().flat_map(of).collect();
        if let Err(error) = self.room().and_then(|()| self.touch(&units)) {
            self.unclaim(claims.iter());
            return Err(error);
        }
        let result = self.run(move |connection| {
            let mut counts = Counts::default();
            for (claim, completion) in &done {
                fenced(connection, claim, completion, &mut counts)?;
            }
            counts.write(connection)?;
            durable_point("complete.before-commit");
            Ok(())
        });
        self.came(&units);
        if result.is_ok() {
            durable_point("complete.after-commit");
            self.outbox().notify_waiters();
        }
        self.unclaim(claims.iter());
        result
    }
}

fn claim_keys(claim: &Claim) -> Claim {
    Claim {
        id: claim.id,
        body: Vec::new(),
        origin: super::Origin::default(),
        feed: String::new(),
        name: String::new(),
        patients: claim.patients.clone(),
        received_ms: claim.received_ms,
    }
}

struct Outcome {
    state: i64,
    reason: Option<&'static str>,
    /// Its units, with the versions at which it was taken there.
    units: Vec<parts::Taken>,
    /// How many units it had before.
    before: usize,
    findings: Vec<Finding>,
    /// Whether the record says from now on how its patient is called.
    named: bool,
}

/// Records one message. A fault of our own that only it meets holds it, in place of stopping all the facility.
fn fenced(
    connection: &Connection,
    claim: &Claim,
    done: &Completion,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    connection.execute_batch("SAVEPOINT message")?;
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(connection, claim, done, counts)));
    match caught.unwrap_or(Err(StoreError::Order("a panic while a message was recorded"))) {
        Err(error @ (StoreError::Damaged(_) | StoreError::Order(_))) => {
            tracing::error!(message.id = claim.id.0, %error, "A message could not be recorded, it is held.");
            connection.execute_batch("ROLLBACK TO message")?;
            let translation = Translation::held(vec![Finding::error("internal-error", Location::default())]);
            one(connection, claim, &Completion { translation, ..done.clone() }, counts)?;
        }
        result => result?,
    }
    Ok(connection.execute_batch("RELEASE message")?)
}

fn one(
    connection: &Connection,
    claim: &Claim,
    done: &Completion,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    let held = match &done.translation.merge {
        Some(said) if done.translation.status == Status::Translated && merge::undoes(connection, said)? => {
            let mut translation = done.translation.clone();
            translation.findings.push(Finding::error("merge-undone", Location::field("MRG", 1)));
            translation.status = Status::Quarantined;
            Some(Completion { translation, ..done.clone() })
        }
        _ => None,
    };
    let done = held.as_ref().unwrap_or(done);
    let translation = &done.translation;
    let id = claim.id.0;
    let reused: bool = connection
        .prepare_cached("SELECT id_reused FROM message WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    let former = parts::of(connection, id)?;
    let taken_at =
        |unit: i64| former.iter().find(|(other, _)| *other == unit).and_then(|(_, version)| *version);
    let mut findings = translation.findings.clone();
    if reused {
        findings.push(Finding::warning("name-reused", Location::default()));
    }
    claim::dequeue(connection, id)?;
    let gone = said_before(connection, id, &former)?;
    rebuild::rebuilt(connection, id)?;
    connection.prepare_cached("DELETE FROM cause WHERE message = ?")?.execute([id])?;
    let patient = translation.patient.as_deref().unwrap_or_default();
    // A message of several units is taken into each as one of that unit alone would be.
    let divided = translation.divided();
    let whole = std::slice::from_ref(translation);
    let shares = if divided.is_empty() { whole } else { &divided };
    let mut units: Vec<parts::Taken> = Vec::with_capacity(shares.len());
    if translation.unit.is_some() || !translation.resources.is_empty() {
        for share in shares {
            let unit = unit_row(connection, &record::unit_key(share, id), kind_of(share), patient)?;
            units.push((unit, None));
        }
    } else if translation.status == Status::Quarantined {
        // Held without a word of its unit: what an earlier translation brought still stands in the former one.
        units.extend(former.iter().filter(|(_, version)| version.is_some()));
    }
    // Translated again it may be of another unit, or of none: the former one is to have nothing of it.
    let left: Vec<parts::Taken> =
        former.iter().filter(|(former, _)| units.iter().all(|(unit, _)| unit != former)).copied().collect();
    for (former, _) in left.iter().filter(|(_, version)| version.is_some()) {
        rebuild::rebuild(connection, *former, &BTreeSet::from([id]))?;
    }
    let before = former.len();
    let mut outcome = Outcome { state: state::EXCLUDED, reason: None, units, before, findings, named: false };
    match translation.status {
        Status::Quarantined => {
            outcome.state = state::QUARANTINED;
            for (unit, version) in &mut outcome.units {
                *version = taken_at(*unit);
            }
            causes(connection, id, &outcome.findings)?;
        }
        Status::Excluded => {
            outcome.reason = Some(translation.excluded.unwrap_or("excluded"));
            if translation.unit.as_ref().is_some_and(|unit| unit.withdrawn) {
                take_all(connection, shares, claim, done, &mut outcome)?;
            }
        }
        Status::Translated => match outcome.units.first().copied() {
            None => outcome.reason = Some("nothing-to-record"),
            Some((unit, _)) if must_wait(connection, unit, id, translation)? => {
                (outcome.state, outcome.reason) = (state::WAITING, Some(BEHIND));
            }
            Some(_) => {
                take_all(connection, shares, claim, done, &mut outcome)?;
                if done.destinations.is_empty() {
                    outcome.reason = Some(delivery::NO_DESTINATION);
                } else {
                    outcome.state = state::PENDING;
                }
            }
        },
    }
    if outcome.findings.iter().all(|finding| finding.code != record::RESULTS_GONE) {
        outcome.findings.extend(gone.filter(|_| translation.status == Status::Translated));
    }
    save(connection, id, done, &outcome)?;
    counts.note(&claim.feed, id, done);
    for (unit, _) in &outcome.units {
        if outcome.state == state::PENDING {
            delivery::refresh(connection, *unit)?;
        }
        if outcome.state != state::WAITING {
            wake(connection, *unit)?;
        }
    }
    // Who waited behind it in the former one need not.
    for (former, _) in left {
        wake(connection, former)?;
    }
    Ok(())
}

/// That results went by this message, where it is only translated again: it stands in its unit already, and the record
/// has nothing left to tell it by. In a unit that is made anew it is told anew.
fn said_before(
    connection: &Connection,
    id: i64,
    former: &[parts::Taken],
) -> Result<Option<Finding>, StoreError> {
    let mut stands = false;
    for (unit, _) in former.iter().filter(|(_, version)| version.is_some()) {
        stands |= ground::load(connection, "id", unit)?.is_some_and(|state| state.floor.sequence == id);
    }
    if !stands {
        return Ok(None);
    }
    let told: Option<String> = connection
        .prepare_cached("SELECT findings FROM message WHERE id = ?")?
        .query_row([id], |row| row.get(0))?;
    let told: Vec<Finding> = told.and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default();
    Ok(told.into_iter().find(|finding| finding.code == record::RESULTS_GONE))
}

fn kind_of(translation: &Translation) -> &str {
    match &translation.unit {
        Some(unit) => &unit.kind,
        None => translation.kind.as_deref().unwrap_or_default(),
    }
}

/// Whether an older message of the unit is quarantined and this one builds on it.
fn must_wait(
    connection: &Connection,
    unit: i64,
    id: i64,
    translation: &Translation,
) -> Result<bool, StoreError> {
    let builds = translation.unit.as_ref().is_some_and(|unit| match unit.replaces {
        Replaces::Event => true,
        Replaces::List => unit.incremental,
        Replaces::Unit | Replaces::Nothing => false,
    });
    let mut select =
        connection.prepare_cached("SELECT 1 FROM message WHERE unit = ? AND state = ? AND id < ? LIMIT 1")?;
    Ok(builds && select.exists([unit, state::QUARANTINED, id])?)
}

/// Takes a translation into the record, into each of its units.
fn take_all(
    connection: &Connection,
    shares: &[Translation],
    claim: &Claim,
    done: &Completion,
    outcome: &mut Outcome,
) -> Result<(), StoreError> {
    for (n, share) in shares.iter().enumerate() {
        let Some((unit, _)) = outcome.units.get(n).copied() else { continue };
        let version = take(connection, share, unit, claim, done, outcome)?;
        outcome.units[n].1 = Some(version);
    }
    Ok(())
}

/// Takes what is of one unit into the record and orders its deliveries; the version of the unit then.
fn take(
    connection: &Connection,
    share: &Translation,
    unit: i64,
    claim: &Claim,
    done: &Completion,
    outcome: &mut Outcome,
) -> Result<i64, StoreError> {
    let key = record::unit_key(share, claim.id.0);
    let applied = record::apply(&mut Record(connection), &key, share, claim.id.0)?;
    let superseded = applied.superseded.then(|| Finding::information("unit-superseded", Location::default()));
    for found in applied.findings.into_iter().chain(superseded) {
        // Of several units it is said once.
        if outcome.units.len() < 2 || !outcome.findings.contains(&found) {
            outcome.findings.push(found);
        }
    }
    if let Some(replaced) = &share.unit
        && replaced.lines.is_none()
        && (replaced.replaces == Replaces::Unit
            || (replaced.replaces == Replaces::List && !replaced.incremental))
    {
        supersede(connection, unit, claim.id.0, &replaced.time)?;
        parts::supersede(connection, unit)?;
    }
    let gate = Gate::read(connection)?;
    let mut patients: Vec<&str> = vec![share.patient.as_deref().unwrap_or_default()];
    patients.extend(claim.patients.iter().map(String::as_str));
    let made = &share.resources;
    // The prior of a merge is not the message's own patient: whether it is a test patient is asked under its own id.
    let prior = share.merge.as_ref().map(|said| &said.prior_id);
    let people =
        made.iter().filter(|resource| resource.resource_type == "Patient" && Some(&resource.id) != prior);
    let people: Vec<&str> = people.map(|resource| resource.id.as_str()).collect();
    consent::known(connection, &gate, unit, &patients, &people)?;
    outcome.named |= !people.is_empty();
    merge::came(connection, &gate, unit, patients[0], share.merge.as_slice(), Some(claim.received_ms))?;
    for destination in &done.destinations {
        // A superseded message follows what stands, and brings nothing that is not on its way already.
        let again = if applied.superseded {
            "NOTHING"
        } else {
            "UPDATE SET version = ?3, state = ?4, attempts = 0,
             next_ms = CASE WHEN state = ?4 THEN next_ms ELSE 0 END,
             since_ms = CASE WHEN state = ?4 THEN since_ms ELSE ?5 END, status = NULL, answer = NULL, error = NULL,
             findings = NULL"
        };
        let sql = format!(
            "INSERT INTO delivery(unit, destination, version, state, settled, attempts, next_ms, since_ms)
             VALUES(?1, ?2, ?3, ?4, 0, 0, 0, ?5) ON CONFLICT(unit, destination) DO {again}"
        );
        let values = params![unit, destination, applied.version, state::PENDING, claim.received_ms];
        connection.prepare_cached(&sql)?.execute(values)?;
    }
    let time = share.unit.as_ref().map_or("", |unit| unit.time.as_str());
    if gate.is_doubtful(time, claim.received_ms) {
        consent::may_be_there(connection, Some(unit))?;
    }
    let mut changed = false;
    for destination in &done.destinations {
        changed |= consent::enforce(connection, &gate, unit, destination, None)?;
    }
    if changed {
        delivery::refresh(connection, unit)?;
    }
    Ok(applied.version)
}

/// Quarantined messages of the unit that this one takes the place of.
fn supersede(connection: &Connection, unit: i64, id: i64, time: &str) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM message WHERE unit = ?1 AND state = ?2
         AND (coalesce(time, '') < ?3 OR (coalesce(time, '') = ?3 AND id < ?4))
         AND NOT EXISTS(SELECT 1 FROM part WHERE message = message.id)",
    )?;
    let older = select
        .query_map(params![unit, state::QUARANTINED, time, id], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    older.into_iter().try_for_each(|older| superseded(connection, older))
}

/// Leaves a quarantined message out, for newer ones have taken its place.
pub(super) fn superseded(connection: &Connection, message: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE message SET state = ?, reason = 'superseded' WHERE id = ?")?
        .execute([state::EXCLUDED, message])?;
    connection.prepare_cached("DELETE FROM cause WHERE message = ?")?.execute([message])?;
    Ok(())
}

fn save(connection: &Connection, id: i64, done: &Completion, outcome: &Outcome) -> Result<(), StoreError> {
    let translation = &done.translation;
    let of = parts::keep(connection, id, outcome.before, &outcome.units)?;
    let findings = match outcome.findings.is_empty() {
        true => None,
        false => Some(serde_json::to_string(&outcome.findings).map_err(|_| StoreError::Damaged("findings"))?),
    };
    connection
        .prepare_cached(
            "UPDATE message SET state = ?2, reason = ?3, unit = ?4, version = ?5, findings = ?6, kind = ?7,
             mapping_version = ?8, control_id = coalesce(?9, control_id), time = coalesce(?10, time),
             names = CASE WHEN ?11 THEN NULL ELSE names END WHERE id = ?1",
        )?
        .execute(params![
            id,
            outcome.state,
            outcome.reason,
            of.map(|(unit, _)| unit),
            of.and_then(|(_, version)| version),
            findings,
            translation.kind,
            done.mapping_version,
            translation.control_id,
            translation.unit.as_ref().map(|unit| &unit.time),
            outcome.named,
        ])?;
    Ok(())
}

/// Puts messages that waited behind a quarantined one back, unless another still stands in their way.
pub(super) fn wake(connection: &Connection, unit: i64) -> Result<(), StoreError> {
    let mut waiting = connection.prepare_cached(
        "SELECT id FROM message WHERE unit = ?1 AND state = ?2 AND id < coalesce(
           (SELECT min(id) FROM message WHERE unit = ?1 AND state = ?3), 9223372036854775807)",
    )?;
    let waiting = waiting
        .query_map([unit, state::WAITING, state::QUARANTINED], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    for id in waiting {
        connection
            .prepare_cached("UPDATE message SET state = ?, reason = NULL WHERE id = ?")?
            .execute([state::RECEIVED, id])?;
        claim::enqueue(connection, id)?;
    }
    Ok(())
}

/// Why a message is held, as causes by which people find all messages of the same trouble.
pub(super) fn causes(connection: &Connection, id: i64, findings: &[Finding]) -> Result<(), StoreError> {
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        connection.prepare_cached("INSERT OR IGNORE INTO cause VALUES(?, ?, ?, ?)")?.execute(params![
            finding.code,
            // What is missing stands at no position of the message: the element is where to look.
            match finding.location.position.as_str() {
                "" => without_occurrence(&finding.location.path),
                position => without_occurrence(position),
            },
            finding.location.rule,
            id,
        ])?;
    }
    Ok(())
}

/// `OBX[12]-5` → `OBX-5`; an offset is no position of a kind.
fn without_occurrence(position: &str) -> String {
    if position.starts_with("byte ") {
        return "byte".into();
    }
    let mut depth = 0_u32;
    position
        .chars()
        .filter(|c| {
            depth += u32::from(*c == '[');
            let keep = depth == 0;
            depth -= u32::from(*c == ']' && depth > 0);
            keep
        })
        .collect()
}

/// The unit's state as stored, for the detail of a message.
pub(super) fn unit_entries(connection: &Connection, unit: i64) -> Result<Vec<(String, String)>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT type, id FROM entry WHERE unit = ? AND hash IS NOT NULL ORDER BY rank")?;
    let entries = select.query_map([unit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(entries.collect::<Result<_, _>>()?)
}

/// The public state of a code.
pub(super) fn public(code: i64) -> State {
    match code {
        state::QUARANTINED => State::Quarantined,
        state::EXCLUDED => State::Excluded,
        state::HELD => State::Held,
        state::REJECTED => State::Rejected,
        state::REGISTERED => State::Registered,
        _ => State::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::without_occurrence;

    #[test]
    fn causes_are_grouped_by_position_without_occurrence() {
        assert_eq!(without_occurrence("OBX[12]-5[2].1"), "OBX-5.1");
        assert_eq!(without_occurrence("PID-3"), "PID-3");
        assert_eq!(without_occurrence("byte 118"), "byte");
    }
}
