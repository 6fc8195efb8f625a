//! The walk of one message: decode, parse, compare with path and file name, apply, check.

use super::{MappingSet, apply};
use crate::finding::Severity;
use crate::hl7v2::Message;
use crate::translation::{Context, Replaces, Role, Status, Translation};
use crate::{charset, ssmix2};

pub(crate) fn translate(set: &MappingSet, bytes: &[u8], context: &Context) -> Translation {
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
    let (mut out, _) = apply::apply(set, &message, context, apply::Mode::Check);
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

fn excluded(mut out: Translation, why: &'static str) -> Translation {
    out.status = Status::Excluded;
    out.excluded = Some(why);
    out.resources = Vec::new();
    out
}
