//! The samples decode, and decoding them before splitting matters.

use super::{GaijiTable, decode};
use crate::finding::Severity;
use crate::trial::{Random, samples, seeds, storage};

const DELIMITERS: [u8; 5] = *b"|^~&\\";

/// How many two-byte runs hold each delimiter's byte, and how many of each stand outside runs.
fn count(bytes: &[u8]) -> ([usize; 5], [usize; 5]) {
    let (mut runs, mut outside) = ([0; 5], [0; 5]);
    let mut rest = bytes;
    while let Some(start) = rest.windows(3).position(|w| w == b"\x1b$B" || w == b"\x1b$@") {
        let run = &rest[start + 3..];
        let end = run.windows(2).position(|w| w == b"\x1b(").unwrap_or(run.len());
        for (n, delimiter) in DELIMITERS.iter().enumerate() {
            outside[n] += rest[..start].iter().filter(|b| *b == delimiter).count();
            runs[n] += usize::from(run[..end].contains(delimiter));
        }
        rest = run.get(end + 3..).unwrap_or_default();
    }
    for (n, delimiter) in DELIMITERS.iter().enumerate() {
        outside[n] += rest.iter().filter(|b| *b == delimiter).count();
    }
    (runs, outside)
}

fn check(files: &[(String, Vec<u8>)], expected_runs: [usize; 5]) {
    let mut total = [0; 5];
    for (name, bytes) in files {
        let (runs, outside) = count(bytes);
        (0..5).for_each(|n| total[n] += runs[n]);
        let decoded = decode(bytes, &GaijiTable::new());
        let errors: Vec<_> =
            decoded.findings.iter().filter(|f| f.severity != Severity::Information).collect();
        assert!(errors.is_empty(), "{name} {errors:?}");
        for (n, delimiter) in DELIMITERS.iter().enumerate() {
            let found = decoded.text.bytes().filter(|b| b == delimiter).count();
            assert_eq!(found, outside[n], "{name} {}", char::from(*delimiter));
        }
    }
    assert_eq!(total, expected_runs);
}

#[test]
fn every_file_of_the_generated_storage_decodes() {
    let files = storage();
    if !files.is_empty() {
        assert_eq!(files.len(), 2523);
        check(files, [7293, 4973, 7739, 4088, 18060]);
    }
}

#[test]
fn every_message_of_the_guideline_s_samples_decodes() {
    let mut files = samples("ssmix2-nho");
    // Two bytes that are no text, on purpose; and a licence.
    files.retain(|(name, _)| !name.contains("ADT-31") && !name.ends_with(".txt"));
    if !files.is_empty() {
        assert_eq!(files.len(), 21);
        check(&files, [7, 14, 59, 31, 19]);
    }
}

#[test]
fn mutated_messages_decode_without_replacement_characters() {
    let seeds = seeds();
    let mut random = Random::new(1);
    for _ in 0..3000 {
        let seed = &seeds[random.below(seeds.len())];
        let bytes = random.mutate(&seed[..seed.len().min(1500)]);
        let decoded = decode(&bytes, &GaijiTable::new());
        assert!(!decoded.text.contains('\u{FFFD}'));
        assert!(decoded.text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')));
        for finding in &decoded.findings {
            if let Some(byte) = finding.location.position.strip_prefix("byte ") {
                assert!(byte.parse::<usize>().unwrap() <= bytes.len());
            }
        }
    }
}
