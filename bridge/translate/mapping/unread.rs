//! What of a message no rule has read.

use super::item::{NOWHERE, Pos};
use super::run::{Run, repetition_bit};
use crate::finding::Severity;
use crate::hl7v2::parse::is_segment_id;

/// Valued fields that nothing read and no `skip` names, without occurrence. A segment that other messages are read
/// for, and of which nothing at all was read here, is said by its place: a diagnosis in an order is no diagnosis.
pub(super) fn unread(run: &mut Run<'_>, told_by: &[u128]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut lost = Vec::new();
    for segment in run.message.segments() {
        let n = segment.index();
        let name = run.cut.names[n];
        let skipped: Vec<u16> =
            run.plan.skip.iter().filter(|(s, _)| Some(*s) == name).map(|(_, f)| *f).collect();
        if skipped.contains(&0) || segment.name() == "MSH" {
            continue;
        }
        if run.sources.is_none() && name.is_some() && run.cut.owner[n].is_none() && run.read[n] == told_by[n]
        {
            lost.push(Pos { segment: n as u32, ..NOWHERE });
        }
        for field in 1..=segment.field_count().min(128) {
            if skipped.contains(&(field as u16)) {
                continue;
            }
            let value = segment.field(field);
            if run.read[n] >> (field - 1) & 1 == 1 {
                repetitions(run, n as u32, field, &mut out);
                continue;
            }
            if value.is_null() || !says_something(run, value.raw()) {
                continue;
            }
            // A line end within a text makes a segment whose name may be a patient's.
            let name = if is_segment_id(segment.name()) { segment.name() } else { "segment" };
            let position = match run.sources {
                Some(sources) => match sources.column(n, field) {
                    Some(column) => column,
                    None => continue,
                },
                None => format!("{name}-{field}"),
            };
            if !out.contains(&position) {
                out.push(position);
            }
        }
    }
    for pos in lost {
        run.finding(Severity::Information, "segment-not-read", pos);
    }
    out
}

/// Whether there is more than delimiters.
fn says_something(run: &Run<'_>, raw: &str) -> bool {
    let delimiters = &run.delimiters;
    raw.chars()
        .any(|c| c != delimiters.component && c != delimiters.subcomponent && c != delimiters.repetition)
}

/// The repetitions of a field that was read which no rule has asked for: `PV1-7[2]`.
fn repetitions(run: &Run<'_>, segment: u32, field: usize, out: &mut Vec<String>) {
    let Some(read) = run.repeated.get(&(segment, field as u16)) else { return };
    let at = run.message.segment(segment as usize);
    let value = at.field(field);
    for n in 1..=value.repetition_count() {
        let raw = value.repetition(n).raw();
        if read & repetition_bit(n) == 0 && raw != "\"\"" && says_something(run, raw) {
            let position = format!("{}-{field}[{n}]", at.name());
            if !out.contains(&position) {
                out.push(position);
            }
        }
    }
}
