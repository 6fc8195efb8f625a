//! What of a message no rule has read.

use super::item::{NOWHERE, Pos};
use super::plan::{MessagePlan, Sym};
use super::run::{Run, number_text, repetition_bit};
use crate::finding::Severity;
use crate::hl7v2::parse::is_segment_id;
use smallvec::SmallVec;
use std::collections::HashSet;

/// Valued fields that nothing read and no `skip` names, without occurrence. A segment that other messages are read
/// for, and of which nothing at all was read here, is said by its place: a diagnosis in an order is no diagnosis. So is
/// one more of a segment that was read in its group: a rule that reads the first RXR leaves out what stands in the next.
/// Segments in `left` are of orders that are taken back: nobody was to read them.
pub(super) fn unread(run: &mut Run<'_>, told_by: &[u128], left: &[bool]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut lost = Vec::new();
    let touched = |run: &Run<'_>, n: usize| run.read[n] != told_by[n];
    let mut siblings = None;
    let mut skipped = Skipped::default();
    // The fields of each segment that were read by repetition.
    let mut repeated = vec![0_u128; if run.repeated.is_empty() { 0 } else { run.read.len() }];
    for (segment, field) in run.repeated.keys() {
        if let (Some(bits), 1..=128) = (repeated.get_mut(*segment as usize), *field) {
            *bits |= 1 << (field - 1);
        }
    }
    for segment in run.message.segments() {
        let n = segment.index();
        if left.get(n) == Some(&true) {
            continue;
        }
        let name = run.cut.names[n];
        let Some(skipped) = skipped.of(run.plan, name).filter(|_| segment.name() != "MSH") else { continue };
        if run.sources.is_none() && name.is_some() && !touched(run, n) {
            let pos = Pos { segment: n as u32, ..NOWHERE };
            if run.cut.owner[n].is_none() {
                lost.push((Severity::Information, "segment-not-read", pos));
            } else {
                // Names of the segments that were read in each group.
                let siblings = siblings.get_or_insert_with(|| -> HashSet<_> {
                    let read = (0..run.cut.names.len()).filter(|n| touched(run, *n));
                    read.map(|n| (run.cut.owner[n], run.cut.names[n])).collect()
                });
                if siblings.contains(&(run.cut.owner[n], name)) {
                    lost.push((Severity::Warning, "segment-repeat-not-read", pos));
                }
            }
        }
        let written = u128::MAX.checked_shr(128 - segment.field_count().min(128) as u32).unwrap_or(0);
        let repeated = repeated.get(n).copied().unwrap_or(0);
        let mut looked_at = written & !skipped & (!run.read[n] | repeated);
        while looked_at != 0 {
            let field = looked_at.trailing_zeros() as usize + 1;
            looked_at &= looked_at - 1;
            let value = segment.field(field);
            if value.is_empty() {
                continue;
            }
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
                None => {
                    let mut position = String::with_capacity(8);
                    position.push_str(name);
                    position.push('-');
                    number_text(field, &mut position);
                    position
                }
            };
            if !out.contains(&position) {
                out.push(position);
            }
        }
    }
    for (severity, code, pos) in lost {
        run.finding(severity, code, pos);
    }
    out
}

/// The fields that a message file skips, of each name that was asked for.
#[derive(Default)]
struct Skipped(SmallVec<[(Option<Sym>, Option<u128>); 16]>);

impl Skipped {
    /// A bit for each field that is skipped; `None` where all of the segment is.
    fn of(&mut self, plan: &MessagePlan, name: Option<Sym>) -> Option<u128> {
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == name) {
            return *known;
        }
        let mut rows = plan.skip.iter().filter(|(segment, _)| Some(*segment) == name);
        let fields = rows.try_fold(0, |bits, (_, field)| match field {
            0 => None,
            1..=128 => Some(bits | 1_u128 << (field - 1)),
            _ => Some(bits),
        });
        self.0.push((name, fields));
        fields
    }
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

#[cfg(test)]
mod tests {
    use crate::mapping::tests::{context, shipped};
    use crate::mapping::{MappingSet, translate};

    #[test]
    fn one_more_of_a_segment_that_its_group_is_read_by_is_said() {
        let set = MappingSet::load(shipped()).expect("the shipped set loads");
        let rxa = "ORC|NW|O1||1|||||20240401\rRXA|0|1|202404010805||1^薬^HOT9|1|TAB^錠^MR9P\r";
        for (trigger, segments, expected) in [
            ("RAS^O17", format!("{rxa}RXR|PO\rRXR|NG"), vec!["RXR[2]"]),
            ("RAS^O17", format!("{rxa}RXR|PO"), vec![]),
            ("RAS^O17", format!("{rxa}RXR|PO\r{rxa}RXR|SL"), vec![]),
            // Of a line that is taken back nothing is read: that is said of the line.
            ("RAS^O17", format!("{rxa}RXR|PO\r{}RXR|SL\rRXR|NG", rxa.replace("NW", "CA")), vec![]),
            (
                "RDE^O11",
                format!("ORC|NW|O1||1|||||20240401\rRXE||1^薬^HOT9|1\rRXR|PO{}", "\rRXR|NG".repeat(6)),
                vec!["RXR[7]"],
            ),
        ] {
            let head = format!("MSH|^~\\&|H|S|G|R|20240401120000||{trigger}|C1|P|2.5\rPID|||1||見本^太郎\r");
            let out = translate(&set, (head + &segments).as_bytes(), &context());
            let said = out.findings.iter().filter(|finding| finding.code == "segment-repeat-not-read");
            let said: Vec<String> = said.map(|finding| finding.location.position.clone()).collect();
            assert_eq!(said, expected, "{segments:?} {:?}", out.findings);
        }
    }
}
