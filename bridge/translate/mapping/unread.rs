//! What of a message no rule has read.

use super::item::{NOWHERE, Pos};
use super::run::{Run, repetition_bit};
use crate::finding::Severity;
use crate::hl7v2::parse::is_segment_id;
use std::collections::HashSet;

/// Valued fields that nothing read and no `skip` names, without occurrence. A segment that other messages are read
/// for, and of which nothing at all was read here, is said by its place: a diagnosis in an order is no diagnosis. So is
/// one more of a segment that was read in its group: a rule that reads the first RXR leaves out what stands in the next.
/// Segments in `left` are of orders that are taken back: nobody was to read them.
pub(super) fn unread(run: &mut Run<'_>, told_by: &[u128], left: &[bool]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut lost = Vec::new();
    let touched = |run: &Run<'_>, n: usize| run.read[n] != told_by[n];
    let siblings: HashSet<_> = (0..run.cut.names.len())
        .filter(|n| run.cut.owner[*n].is_some() && touched(run, *n))
        .map(|n| (run.cut.owner[n], run.cut.names[n]))
        .collect();
    for segment in run.message.segments() {
        let n = segment.index();
        if left.get(n) == Some(&true) {
            continue;
        }
        let name = run.cut.names[n];
        let skipped: Vec<u16> =
            run.plan.skip.iter().filter(|(s, _)| Some(*s) == name).map(|(_, f)| *f).collect();
        if skipped.contains(&0) || segment.name() == "MSH" {
            continue;
        }
        if run.sources.is_none() && name.is_some() && !touched(run, n) {
            let pos = Pos { segment: n as u32, ..NOWHERE };
            if run.cut.owner[n].is_none() {
                lost.push((Severity::Information, "segment-not-read", pos));
            } else if siblings.contains(&(run.cut.owner[n], name)) {
                lost.push((Severity::Warning, "segment-repeat-not-read", pos));
            }
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
    for (severity, code, pos) in lost {
        run.finding(severity, code, pos);
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
