//! What must hold for every text: mutated seeds here, cargo-fuzz in `tests/fuzz`, another parser as oracle.

use super::Message;
use crate::charset::{GaijiTable, decode};
use crate::trial::{Random, samples, seeds, storage};

/// Every value with its place, as text: two trees are equal where these are.
pub(super) fn tree(message: &Message) -> Vec<String> {
    let mut out = Vec::new();
    for segment in message.segments() {
        out.push(format!("{} {}", segment.name(), segment.field_count()));
        for field in segment.fields() {
            for (r, repetition) in field.repetitions().enumerate() {
                for (c, component) in repetition.components().enumerate() {
                    for (s, value) in component.subcomponents().enumerate() {
                        out.push(format!("{r} {c} {s} {}", value.raw()));
                    }
                }
            }
        }
    }
    out
}

fn check(text: String) {
    let length = text.len();
    let Ok((message, findings)) = Message::parse(text) else { return };
    assert!(findings.len() <= 1000);
    let mut end = 0;
    for segment in message.segments() {
        for field in segment.fields() {
            let start = field.offset();
            assert!(end <= start && start + field.raw().len() <= length);
            end = start + if segment.name() == "MSH" { 0 } else { field.raw().len() };
            assert_eq!(field.repetitions().count(), field.repetition_count());
            let whole: usize = field.repetitions().map(|r| r.raw().len()).sum();
            assert!(whole <= field.raw().len());
            for (n, repetition) in field.repetitions().enumerate() {
                assert_eq!(field.repetition(n + 1).offset(), repetition.offset());
                for component in repetition.components() {
                    assert!(!component.text().contains('\u{FFFD}'));
                    assert!(!component.position().to_string().is_empty());
                }
            }
        }
    }
    let written = message.to_text();
    let (again, _) = Message::parse(written.clone()).expect("what is written can be read");
    assert_eq!(tree(&again), tree(&message));
    assert_eq!(again.to_text(), written);
}

#[test]
fn mutated_messages_parse_write_and_parse_to_the_same_tree() {
    let seeds = seeds();
    let mut random = Random::new(2);
    for _ in 0..3000 {
        let seed = &seeds[random.below(seeds.len())];
        let bytes = random.mutate(&seed[..seed.len().min(1500)]);
        let decoded = decode(&bytes, &GaijiTable::new());
        check(decoded.text);
        if let Some(header) = super::header(&bytes) {
            let answer = super::ack::Answer {
                code: super::ack::Code::AA,
                reason: None,
                control_id: "1",
                time: "2026",
            };
            assert!(super::ack::build(&header, &answer).ends_with(b"\r"));
        }
    }
}

#[test]
fn another_parser_sees_the_same_values() {
    let files = ["ssmix2-nho", "hl7v2-microsoft"].map(samples).into_iter().flatten();
    let mut compared = 0;
    for (name, bytes) in files.chain(storage().iter().step_by(10).cloned()) {
        let text = decode(&bytes, &GaijiTable::new()).text;
        let Ok((ours, findings)) = Message::parse(text) else { continue };
        if findings.iter().any(|f| f.severity == crate::finding::Severity::Error) {
            continue;
        }
        // The other one wants CR and no blank lines: our own writing.
        let text = ours.to_text();
        let text = text.trim_end_matches('\r');
        let Ok(theirs) = hl7_parser::parse_message(text) else { panic!("{name}") };
        compared += 1;
        assert_eq!(theirs.segments().count(), ours.len(), "{name}");
        for (their, our) in theirs.segments().zip(ours.segments()) {
            assert_eq!(their.name, our.name(), "{name}");
            for field in 1..=our.field_count() {
                if our.name() == "MSH" && field <= 2 {
                    continue;
                }
                let our = our.field(field);
                let Some(their) = their.field(field) else {
                    assert!(our.is_empty(), "{name}");
                    continue;
                };
                assert_eq!(their.raw_value(), our.raw(), "{name}");
                for (their, our) in their.repeats().zip(our.repetitions()) {
                    assert_eq!(their.raw_value(), our.raw(), "{name}");
                    for (their, our) in their.components().zip(our.components()) {
                        assert_eq!(their.raw_value(), our.raw(), "{name}");
                        for (their, our) in their.subcomponents().zip(our.subcomponents()) {
                            assert_eq!(their.raw_value(), our.raw(), "{name}");
                        }
                    }
                }
            }
        }
    }
    eprintln!("compared {compared} messages");
}
