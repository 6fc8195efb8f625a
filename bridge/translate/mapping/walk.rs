//! The walk of one message: decode, parse, compare with path and file name, apply, check.

use super::{MappingSet, Trace, apply};
use crate::feed::{self, Part};
use crate::finding::{Finding, Location, Severity};
use crate::hl7v2::Message;
use crate::translation::{Context, Replaces, Role, Status, Translation};
use crate::{charset, ssmix2};

pub(crate) fn translate(set: &MappingSet, bytes: &[u8], context: &Context) -> Translation {
    if !set.is_usable() {
        return unusable();
    }
    if let Some(part) = &context.feed {
        return of_feed(set, bytes, part, context, apply::Mode::Check).0;
    }
    let flag = context.file.as_ref().map(|file| file.flag);
    let decoded = charset::decode(bytes, &context.facility.gaiji);
    let mut findings = decoded.findings;
    let message = match Message::parse(decoded.text) {
        Ok((message, more)) => {
            findings.extend(more);
            message
        }
        Err(more) => {
            findings.extend(more);
            // What path and name say against each other needs no text, and is a reason too.
            findings.extend(context.file.iter().flat_map(ssmix2::FileName::check_path));
            return match flag {
                Some('2') => excluded(Translation::held(findings), "superseded"),
                Some('0') => excluded(Translation::held(findings), "deleted"),
                _ => Translation::held(findings),
            };
        }
    };
    let path = context
        .file
        .as_ref()
        .map_or_else(Vec::new, |file| ssmix2::check(file, &message, &context.facility, context.path_patient));
    let contradicts = path.iter().any(|finding| finding.severity == Severity::Error);
    findings.extend(path);
    let (mut out, _) = apply::apply(set, &message, context, None, apply::Mode::Check);
    // In order of the steps: what was found before the rules ran comes first, the check last.
    findings.append(&mut out.findings);
    out.findings = findings;
    match flag {
        Some('2') => {
            out.unit = None;
            return excluded(out, "superseded");
        }
        Some('0') => {
            // A file that contradicts its path was never recorded, so it takes nothing back: the unit that its
            // content names may be another patient's.
            if contradicts {
                out.unit = None;
                out.resources = Vec::new();
            }
            // The file says that the unit is gone: the record takes it back where its key could be read. One of
            // many files that add up to a unit takes back only what it says itself.
            let mut own = Vec::new();
            if let Some(unit) = &mut out.unit {
                unit.withdrawn = true;
                if unit.incremental || unit.replaces == Replaces::Nothing {
                    own = std::mem::take(&mut out.resources);
                    own.retain(|resource| resource.role == Role::Unit);
                }
            }
            return Translation { resources: own, ..excluded(out, "deleted") };
        }
        _ => {}
    }
    out.status = if out.has_error() { Status::Quarantined } else { Status::Translated };
    out
}

/// The rows of a proprietary file: the same steps with a layout in place of the standard.
fn of_feed(
    set: &MappingSet,
    bytes: &[u8],
    part: &Part,
    context: &Context,
    mode: apply::Mode,
) -> (Translation, Vec<Trace>) {
    let Some(layout) = set.layout(&part.layout) else {
        return (Translation::held(vec![Finding::error("layout-missing", Location::default())]), Vec::new());
    };
    let read = feed::record::read(layout, bytes, part, &context.facility);
    let mut findings = read.findings;
    let Some((message, sources)) = &read.message else {
        return (Translation::held(findings), Vec::new());
    };
    let (mut out, traces) = apply::apply(set, message, context, Some(sources), mode);
    findings.append(&mut out.findings);
    out.findings = findings;
    out.status = if out.has_error() { Status::Quarantined } else { Status::Translated };
    (out, traces)
}

/// The walk with a trace instead of the check.
pub(crate) fn traced(set: &MappingSet, bytes: &[u8], context: &Context) -> (Translation, Vec<Trace>) {
    if !set.is_usable() {
        return (unusable(), Vec::new());
    }
    if let Some(part) = &context.feed {
        return of_feed(set, bytes, part, context, apply::Mode::Trace);
    }
    match Message::parse(charset::decode(bytes, &context.facility.gaiji).text) {
        Ok((message, _)) => apply::apply(set, &message, context, None, apply::Mode::Trace),
        Err(findings) => (Translation::held(findings), Vec::new()),
    }
}

/// Without the rules that were meant to apply nothing is made.
fn unusable() -> Translation {
    Translation::held(vec![Finding::error("mapping-unusable", Location::default())])
}

fn excluded(mut out: Translation, why: &'static str) -> Translation {
    out.status = Status::Excluded;
    out.excluded = Some(why);
    out.resources = Vec::new();
    out.shares = Vec::new();
    out
}
