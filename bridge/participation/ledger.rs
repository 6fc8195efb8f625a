//! The ledger as CSV, without anything of a patient: enough to reckon every figure of 参加状況 again.
//!
//! First a line per facility with what is written of it, then a line per message. Patients stand as keys that
//! are drawn anew for every export, so that they can be counted and not recognised, in two exports either; without
//! a key, the patient is not known.
//!
//! What counts can be told from a line alone: its `history` is 0, its `reason` is none of `duplicate`, `test-patient`
//! and `not-shared`, and its `unshared`, which is said whatever the state, is empty, or is `not-shared` while the
//! `state` is `registered`: then the base had it before the consent ended, and keeps it.

use super::csv_file::{BOM, safe_cell};
use super::{Day, Member, ParticipationError};
use crate::store::{LedgerLine, Store};
use std::io::Write;

/// The columns.
pub const LEDGER_COLUMNS: [&str; 17] = [
    "record",
    "facility",
    "name",
    "type",
    "area",
    "municipality",
    "joined",
    "closed",
    "feed",
    "kind",
    "state",
    "reason",
    "received",
    "registered",
    "patient",
    "history",
    "unshared",
];

/// Bytes of the key of one export.
const KEY_BYTES: usize = 32;

/// Writes the ledger from one day of receipt (`YYYYMMDD`) to another; the number of messages.
///
/// # Errors
/// The store, or whoever reads what is written.
pub fn write_ledger(
    store: &Store,
    members: &[Member],
    from_day: u32,
    to_day: u32,
    mut to: impl Write,
) -> Result<u64, ParticipationError> {
    // Nobody is told this key, and it is gone with this call.
    let key: [u8; KEY_BYTES] = rand::random();
    to.write_all(BOM).map_err(::csv::Error::from)?;
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(to);
    writer.write_record(LEDGER_COLUMNS)?;
    let day = |day: Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
    for member in members {
        let mut cells: [String; LEDGER_COLUMNS.len()] = Default::default();
        cells[0] = "facility".into();
        cells[1].clone_from(&member.code);
        cells[2].clone_from(&member.name);
        cells[3] = member.facility_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        cells[4] = member.area.clone().unwrap_or_default();
        cells[5] = member.municipality.clone().unwrap_or_default();
        (cells[6], cells[7]) = (day(member.joined), day(member.closed));
        writer.write_record(cells.iter().map(|cell| safe_cell(cell)))?;
    }
    let mut messages = 0;
    for member in members {
        let Some(facility) = store.facility(&member.code) else { continue };
        facility.ledger_lines::<ParticipationError>(from_day, to_day, &key, |line| {
            let LedgerLine {
                feed,
                kind,
                state,
                reason,
                received_day,
                registered_day,
                patient,
                history,
                unshared,
            } = line;
            let mut cells: [String; LEDGER_COLUMNS.len()] = Default::default();
            cells[0] = "message".into();
            cells[1].clone_from(&member.code);
            cells[8] = feed;
            cells[9] = kind.unwrap_or_default();
            cells[10] = state.as_str().into();
            cells[11] = reason.unwrap_or_default();
            cells[12] = day(Day::of(received_day));
            cells[13] = day(registered_day.and_then(Day::of));
            cells[14] = patient.unwrap_or_default();
            cells[15] = if history { "1".into() } else { "0".into() };
            cells[16] = unshared.unwrap_or_default().into();
            messages += 1;
            Ok(writer.write_record(cells.iter().map(|cell| safe_cell(cell)))?)
        })?;
    }
    writer.flush().map_err(::csv::Error::from)?;
    Ok(messages)
}
