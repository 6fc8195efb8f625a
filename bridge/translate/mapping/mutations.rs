//! The whole walk over messages that were changed: whatever comes out is whole, and what does not come out is said.
//!
//! Seeds are the golden inputs and, where they are at hand, the samples. Bytes are changed, and what bytes make up:
//! fields emptied, swapped, repeated; segments taken out, doubled, moved, put in from elsewhere; other delimiters;
//! broken encodings. Of each segment that carries a fact its own place must be in the trace of what was made, or in a
//! finding, unless the whole message is held, left out or a withdrawal. The long form is
//! `RENKEI_MUTATIONS=100000 cargo test -p renkei-translate mutations` (`RENKEI_SEED` for another run).

use super::tests::{context, shipped};
use super::{MappingSet, Trace, traced, translate};
use crate::charset::decode;
use crate::hl7v2::{Message, Segment};
use crate::ssmix2::FileName;
use crate::translation::{Context, Status, Translation};
use crate::trial::{Random, samples, seeds, storage};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// In the short form, and the time after which it is content with fewer.
const SHORT: usize = 6_000;
const LONGEST: Duration = Duration::from_secs(45);
/// Of the 2,523 files of the generated storage.
const EVERY: usize = 12;
/// Different kinds of trouble after which a run stops.
const ENOUGH: usize = 12;

/// Segments whose loss would lose a fact, each with the fields of which one must be read where it is valued. (AL1 and
/// IN1 are left out of most messages with their reasons: `skip`.)
const KEPT: [(&str, &[usize]); 8] = [
    ("OBX", &[3, 5]),
    ("RXE", &[2]),
    ("RXC", &[2]),
    ("RXA", &[5]),
    ("PRB", &[3]),
    ("IAM", &[3]),
    ("ZE1", &[3]),
    ("ODS", &[3]),
];

/// Findings of a whole line: they name its first segment and mean those behind it, up to the next of that name.
const LINES: [&str; 4] =
    ["order-line-cancelled", "administration-line-withdrawn", "administration-missing", "result-not-asked"];

struct Seed {
    file: Option<FileName>,
    bytes: Vec<u8>,
}

fn golden() -> Vec<Seed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let files = walkdir(&root).into_iter().filter(|path| path.ends_with(".hl7"));
    files.map(|path| Seed { file: None, bytes: std::fs::read(path).unwrap() }).collect()
}

fn walkdir(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for case in std::fs::read_dir(root).unwrap().flatten().filter(|case| case.path().is_dir()) {
        let files = std::fs::read_dir(case.path()).unwrap().flatten();
        found.extend(files.map(|file| file.path().to_string_lossy().into_owned()));
    }
    found.sort();
    found
}

fn all_seeds() -> Vec<Seed> {
    let named = storage().iter().step_by(EVERY).cloned().chain(samples("ssmix2-nho"));
    let named = named.map(|(path, bytes)| Seed { file: FileName::parse(&path).ok(), bytes });
    let plain = seeds().into_iter().map(|bytes| Seed { file: None, bytes });
    golden().into_iter().chain(named).chain(plain).collect()
}

/// What is wrong with an outcome, if anything.
fn wrong(bytes: &[u8], context: &Context, out: &Translation, traces: &[Trace]) -> Option<String> {
    let said = format!("{:?} {:?} {:?}", out.findings, out.unread, out.patient);
    if said.contains('\u{FFFD}') {
        return Some("U+FFFD beside the resources".into());
    }
    for resource in &out.resources {
        let text = String::from_utf8_lossy(&resource.json);
        if text.contains('\u{FFFD}') {
            return Some(format!("U+FFFD in {}", resource.map));
        }
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            return Some(format!("{} is no JSON", resource.map));
        };
        if value["resourceType"] != resource.resource_type.as_str() {
            return Some(format!("{} is no {}", resource.map, resource.resource_type));
        }
    }
    match out.status {
        Status::Quarantined if !out.has_error() => return Some("held without a reason".into()),
        Status::Excluded if out.excluded.is_none() => return Some("excluded without a reason".into()),
        Status::Translated if out.has_error() => return Some("translated with an error".into()),
        Status::Translated => {}
        _ => return None,
    }
    let text = decode(bytes, &context.facility.gaiji).text;
    let (message, _) = Message::parse(text).ok()?;
    let read: BTreeSet<&str> = traces.iter().flat_map(|trace| &trace.positions).map(String::as_str).collect();
    let kept = KEPT.iter().map(|(name, fields)| (*name, *fields));
    for (name, fields) in kept {
        for segment in message.segments().filter(|segment| segment.name() == name) {
            // Set id and kind alone, or explicit nulls: nothing that could be lost.
            if !fields.iter().copied().chain(3..=segment.field_count()).any(|field| says(segment, field)) {
                continue;
            }
            if !is_made(segment, fields, &read) && !is_said(&message, segment, out) {
                return Some(format!("{name} neither made nor said"));
            }
        }
    }
    None
}

/// What is told otherwise where no trace is kept: then siblings take over what they have in common, and most values are
/// read past the general way.
fn differs(set: &MappingSet, message: &Message, context: &Context, traced: &Translation) -> Option<String> {
    let plain = super::apply(set, message, context);
    let (one, other) = (&plain, traced);
    let same = [
        (one.resources == other.resources, "resources"),
        (one.findings == other.findings, "findings"),
        (one.unread == other.unread, "unread positions"),
        (one.unmapped == other.unmapped, "unknown codes"),
        (one.unit == other.unit && one.shares == other.shares, "units"),
    ];
    same.into_iter().find(|(same, _)| !same).map(|(_, what)| format!("other {what} without a trace"))
}

/// A position as printed, and whether it is of the segment; the first of several has no number in findings of the parser.
fn field_of(position: &str, segment: Segment<'_>) -> Option<usize> {
    let rest = position.strip_prefix(segment.name())?;
    let rest = match rest.strip_prefix('[') {
        Some(rest) => {
            let (number, rest) = rest.split_once(']')?;
            (number.parse() == Ok(segment.occurrence())).then_some(rest)?
        }
        None => (segment.occurrence() == 1).then_some(rest)?,
    };
    let Some(field) = rest.strip_prefix('-') else { return rest.is_empty().then_some(0) };
    let digits = field.find(|c: char| !c.is_ascii_digit()).unwrap_or(field.len());
    field[..digits].parse().ok()
}

/// Something stands there, and not the explicit null.
fn says(segment: Segment<'_>, field: usize) -> bool {
    !segment.field(field).is_empty() && !segment.field(field).is_null()
}

/// A value was made of one of the fields, or of any where none of them says anything.
fn is_made(segment: Segment<'_>, fields: &[usize], read: &BTreeSet<&str>) -> bool {
    let mut read = read.iter().filter_map(|position| field_of(position, segment));
    let valued = fields.iter().any(|field| says(segment, *field));
    read.any(|field| !valued || fields.contains(&field))
}

/// A finding names the segment or a field of it, or the line that it is in. That a code is not known says nothing of
/// a loss.
fn is_said(message: &Message, segment: Segment<'_>, out: &Translation) -> bool {
    out.findings.iter().any(|finding| {
        let position = finding.location.position.as_str();
        let line = LINES.contains(&&*finding.code)
            && message.segments().take(segment.index()).any(|first| {
                let mut between =
                    message.segments().skip(first.index() + 1).take(segment.index() - first.index() - 1);
                field_of(position, first) == Some(0) && !between.any(|other| other.name() == first.name())
            });
        line || !finding.code.starts_with("code-") && field_of(position, segment).is_some()
    })
}

/// A message with one or a few changes, of bytes or of what they make up.
fn changed(random: &mut Random, seeds: &[Seed], seed: &[u8]) -> Vec<u8> {
    if random.below(3) == 0 {
        return random.mutate(seed);
    }
    let end = if seed.contains(&b'\r') { b'\r' } else { b'\n' };
    let mut segments: Vec<Vec<u8>> = seed.split(|byte| *byte == end).map(<[u8]>::to_vec).collect();
    for _ in 0..1 + random.below(3) {
        let (at, other) = (random.below(segments.len()), random.below(segments.len()));
        match random.below(9) {
            0 if segments.len() > 1 => drop(segments.remove(at)),
            1 => segments.insert(other, segments[at].clone()),
            2 => {
                let moved = segments.remove(at);
                segments.insert(other.min(segments.len()), moved);
            }
            3 => {
                let from = &seeds[random.below(seeds.len())].bytes;
                let from: Vec<&[u8]> = from.split(|byte| *byte == b'\r' || *byte == b'\n').collect();
                segments.insert(at, from[random.below(from.len())].to_vec());
            }
            4 => {
                // Another delimiter throughout.
                let delimiter = b"|^~\\&"[random.below(5)];
                let another = b"!#$%*+:;@"[random.below(9)];
                for byte in segments.iter_mut().flatten().filter(|byte| **byte == delimiter) {
                    *byte = another;
                }
            }
            5 => {
                // Another encoding in MSH-18, or an escape sequence that never ends.
                let label =
                    [&b"Shift_JIS"[..], b"UNICODE UTF-8", b"~ISO IR87", b"EUC-JP", b""][random.below(5)];
                let mut fields: Vec<&[u8]> = segments[0].split(|byte| *byte == b'|').collect();
                if fields.len() > 17 && random.below(2) == 0 {
                    fields[17] = label;
                    segments[0] = fields.join(&b'|');
                } else {
                    let to = random.below(segments[at].len() + 1);
                    segments[at].splice(to..to, *b"\x1b$B");
                }
            }
            _ => {
                let segment = &segments[at];
                let mut fields: Vec<Vec<u8>> =
                    segment.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
                let (one, two) = (random.below(fields.len()), random.below(fields.len()));
                match random.below(5) {
                    0 => fields[one].clear(),
                    1 => fields[one] = b"\"\"".to_vec(),
                    2 => fields.swap(one, two),
                    3 => fields[one] = [&fields[one][..], b"~", &fields[two][..]].concat(),
                    _ => drop(fields.remove(one)),
                }
                segments[at] = fields.join(&b'|');
            }
        }
    }
    segments.join(&end)
}

#[test]
fn a_mutated_message_is_translated_whole_or_says_what_is_missing() {
    let set = MappingSet::load(shipped()).expect("another test shows its problems");
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (asked, run) = (number("RENKEI_MUTATIONS"), number("RENKEI_SEED").unwrap_or(11));
    let (seeds, mut random) = (all_seeds(), Random::new(run as u64));
    let (begun, mut done, mut translated) = (Instant::now(), 0, 0);
    let (mut troubles, mut carried) = (BTreeMap::new(), BTreeMap::new());
    for n in 0..seeds.len() + asked.unwrap_or(SHORT) {
        if asked.is_none() && begun.elapsed() > LONGEST || troubles.len() >= ENOUGH {
            break;
        }
        // Each seed as it is, then changed.
        let seed = seeds.get(n).unwrap_or_else(|| &seeds[random.below(seeds.len())]);
        let bytes =
            if n < seeds.len() { seed.bytes.clone() } else { changed(&mut random, &seeds, &seed.bytes) };
        let mut context = context();
        context.file = seed.file.clone().filter(|_| n < seeds.len() || random.below(2) == 0);
        let (out, traces) = traced(&set, &bytes, &context);
        translated += usize::from(out.status == Status::Translated);
        done += 1;
        let text = decode(&bytes, &context.facility.gaiji).text;
        let mut wrong = wrong(&bytes, &context, &out, &traces);
        if let Ok((message, _)) = Message::parse(text.clone()) {
            wrong = wrong.or_else(|| differs(&set, &message, &context, &out));
            for (name, _) in KEPT.iter().filter(|_| out.status == Status::Translated) {
                *carried.entry(*name).or_insert(0) +=
                    message.segments().filter(|s| s.name() == *name).count();
            }
        }
        if let Some(wrong) = wrong {
            let findings: Vec<_> = out.findings.iter().map(|f| (&f.code, &f.location.position)).collect();
            let kind = format!("{:?} {wrong}", out.kind);
            troubles.entry(kind).or_insert_with(|| {
                let text = text.replace('\r', "\n");
                format!("number {n} of run {run}: {wrong}\n{text}\n{findings:?}\n{:?}", out.unread)
            });
        }
    }
    eprintln!(
        "run {run}: {done} messages from {} seeds, {translated} translated, {:?}",
        seeds.len(),
        begun.elapsed()
    );
    eprintln!("in those: {carried:?}");
    assert!(troubles.is_empty(), "{}", troubles.into_values().collect::<Vec<_>>().join("\n\n"));
    assert!(
        done > 200 && translated * 10 > done && KEPT.iter().all(|(name, _)| carried.get(name) > Some(&0)),
        "{translated} of {done} translated, {carried:?}: too few to tell anything"
    );
}

#[test]
fn a_second_drug_of_one_order_is_held_and_not_lost() {
    let set = MappingSet::load(shipped()).expect("another test shows its problems");
    let text = "MSH|^~\\&|H|S|G|R|20240401120000||RDE^O11^RDE_O11|1|P|2.5\rPID|||123||見本^太郎^^^^^L^I\r\
        ORC|NW|1||1_01_001|||||20240401110300\r\
        RXE||100000001^架空錠^HOT9|1||TAB^錠^MR9P\rRXE||100000002^架空軟膏^HOT9|1||TAB^錠^MR9P\rTQ1|1\r";
    let out = translate(&set, text.as_bytes(), &context());
    assert_eq!(out.status, Status::Quarantined);
    let said = |f: &crate::finding::Finding| (f.code.to_string(), f.location.position.clone());
    assert!(out.findings.iter().map(said).any(|f| f == ("segment-out-of-place".into(), "RXE[2]".into())));
}
