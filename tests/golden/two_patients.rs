//! A second patient in a message: whatever its type, nothing of it leaves, for nobody could say whose it is.

use super::{cases, inputs};
use crate::shipped;
use renkei_translate::mapping::translate;
use renkei_translate::translation::Status;
use std::collections::BTreeSet;

/// The bytes with a second PID put in front of the segment of that number.
fn with_second(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).collect();
    segments.retain(|segment| !segment.is_empty());
    segments.insert(at.min(segments.len()), b"PID|||9876543210");
    segments.join(&b'\r')
}

#[test]
fn a_message_with_a_second_pid_is_held_at_whatever_place_it_stands() {
    let mut types = BTreeSet::new();
    for case in cases() {
        for (bytes, context) in inputs(&case) {
            let header = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            let current = context.file.as_ref().is_none_or(|file| file.flag == '1');
            if context.feed.is_some() || !current || !header.starts_with(b"MSH") {
                continue;
            }
            let segments =
                bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|s| !s.is_empty()).count();
            let pid = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|s| !s.is_empty());
            let pid = pid.clone().position(|segment| segment.starts_with(b"PID")).unwrap_or(segments);
            for at in pid + 1..=segments {
                let name = format!("{} before segment {at}", case.display());
                let out = translate(shipped::set(), &with_second(&bytes, at), &context);
                assert_eq!(out.status, Status::Quarantined, "{name}");
                let said = |f: &renkei_translate::finding::Finding| {
                    f.code == "segment-out-of-place" && f.location.position == "PID[2]"
                };
                assert!(out.findings.iter().any(said), "{name}: {:?}", out.findings);
                types.extend(out.kind.clone());
            }
        }
    }
    // All types of messages have a case.
    assert!(types.len() >= 26, "{types:?}");
}
