//! Parse, write and parse again: the same tree, for generated messages with any declared delimiters and for every
//! file of the samples.

use super::hostile::tree;
use super::{Delimiters, Message, escape};
use crate::charset::{GaijiTable, decode};
use crate::trial::{samples, storage};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq};

/// What delimiters are made of: what a message may declare, `¥` and `Å` of two bytes and `・` of three among it.
const DELIMITERS: [char; 18] =
    ['|', '^', '~', '\\', '&', '#', '!', '$', '%', '*', '+', '-', '.', '/', ':', '¥', '§', '・'];

/// Three to six of them, all different, as MSH-1 and MSH-2: a message need not declare the last ones.
fn delimiters() -> impl Strategy<Value = Delimiters> {
    (Just(DELIMITERS.to_vec()).prop_shuffle(), 2..=6_usize).prop_map(|(shuffled, declared)| {
        let nth = |n: usize| if n < declared { shuffled[n] } else { '\0' };
        Delimiters {
            field: nth(0),
            component: nth(1),
            repetition: nth(2),
            escape: nth(3),
            subcomponent: nth(4),
            truncation: nth(5),
        }
    })
}

/// A subcomponent's text: any, with what delimits, escapes, ends lines and means null more often than by chance.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9]{1,4}",
        2 => prop::sample::select(&DELIMITERS[..]).prop_map(String::from),
        1 => prop::sample::select(&["\n", "\r", "\r\n", "\"\"", " ", "\\F\\", "\\.br\\", "山田", "ﾔﾏ", "\u{1}"][..])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_filter("no NUL", |c| *c != '\0').prop_map(String::from),
    ];
    prop_oneof![3 => Just(String::new()), 7 => prop::collection::vec(piece, 1..4).prop_map(|all| all.concat())]
}

/// Fields, repetitions, components and subcomponents of a segment.
type Field = Vec<Vec<Vec<String>>>;

fn segments() -> impl Strategy<Value = Vec<(String, Vec<Field>)>> {
    let component = prop::collection::vec(text(), 1..4);
    let repetition = prop::collection::vec(component, 1..4);
    let field = prop::collection::vec(repetition, 1..3);
    prop::collection::vec(("[A-Z][A-Z0-9]{2}", prop::collection::vec(field, 0..5)), 0..6)
}

/// The message as text. What a delimiter that is not declared would part is left out.
fn written(delimiters: &Delimiters, segments: &[(String, Vec<Field>)]) -> String {
    let declared = [
        delimiters.component,
        delimiters.repetition,
        delimiters.escape,
        delimiters.subcomponent,
        delimiters.truncation,
    ];
    let mut out = format!("MSH{}", delimiters.field);
    out.extend(declared.iter().filter(|c| **c != '\0'));
    out.push('\r');
    for (name, fields) in segments {
        out.push_str(name);
        for field in fields {
            out.push(delimiters.field);
            let repetitions = field.iter().map(|repetition| {
                let components = repetition.iter().map(|component| {
                    let values = component.iter().map(|text| escape::write(text, delimiters).into_owned());
                    joined(values, delimiters.subcomponent)
                });
                joined(components, delimiters.component)
            });
            out.push_str(&joined(repetitions, delimiters.repetition));
        }
        out.push('\r');
    }
    out
}

fn joined(parts: impl Iterator<Item = String>, delimiter: char) -> String {
    let parts: Vec<String> = parts.take(if delimiter == '\0' { 1 } else { usize::MAX }).collect();
    parts.join(delimiter.encode_utf8(&mut [0; 4]))
}

/// A text as it comes back: line ends are LF.
fn back(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// `parse(write(parse(text)))` is `parse(text)`, the findings about content included.
fn same_again(text: String) -> Result<Message, String> {
    let (message, findings) = Message::parse(text).map_err(|_| "is no message")?;
    let (again, found) = Message::parse(message.to_text()).map_err(|_| "what is written is no message")?;
    if again.delimiters() != message.delimiters() || tree(&again) != tree(&message) {
        return Err("another tree".into());
    }
    // Blank lines and junk before MSH are not written, and said the first time.
    let said = |findings: &[crate::finding::Finding]| {
        let content = findings.iter().filter(|f| f.code != "blank-segment" && f.code != "leading-junk");
        content.map(|f| format!("{} {}", f.code, f.location.position)).collect::<Vec<_>>()
    };
    if said(&found) != said(&findings) {
        return Err(format!("other findings: {:?} and then {:?}", said(&findings), said(&found)));
    }
    Ok(message)
}

proptest! {
    #[test]
    fn a_generated_message_is_read_as_it_was_written(delimiters in delimiters(), segments in segments()) {
        // Without an escape character a delimiter in a text cannot be said: such texts are another property's.
        let segments: Vec<_> = segments.into_iter().filter(|(name, _)| name != "MSH" && name != "FHS" && name != "BHS").collect();
        let text = written(&delimiters, &segments);
        let message = same_again(text).map_err(proptest::test_runner::TestCaseError::fail)?;
        prop_assert_eq!(message.delimiters(), delimiters);
        if delimiters.escape == '\0' {
            return Ok(());
        }
        prop_assert_eq!(message.len(), segments.len() + 1);
        for (read, (name, fields)) in message.segments().skip(1).zip(&segments) {
            prop_assert_eq!(read.name(), name.as_str());
            prop_assert_eq!(read.field_count(), fields.len());
            for (f, field) in fields.iter().enumerate() {
                let empty = field.len() == 1 && field[0].len() == 1 && field[0][0].iter().all(String::is_empty) && field[0][0].len() == 1;
                let field_read = read.field(f + 1);
                if delimiters.subcomponent != '\0' {
                    prop_assert_eq!(field_read.repetition_count(), if empty { 0 } else { field.len() });
                }
                for (r, repetition) in field.iter().enumerate() {
                    for (c, component) in repetition.iter().enumerate() {
                        for (s, text) in component.iter().enumerate() {
                            if s > 0 && delimiters.subcomponent == '\0' {
                                continue;
                            }
                            let value = field_read.repetition(r + 1).component(c + 1).subcomponent(s + 1);
                            prop_assert_eq!(value.text(), back(text));
                            prop_assert_eq!(value.is_null(), text == "\"\"");
                        }
                    }
                }
                prop_assert!(field_read.repetition(field.len() + 1).is_empty());
            }
        }
    }

    #[test]
    fn any_text_with_a_header_is_the_same_when_it_is_written_and_read_again(delimiters in delimiters(), rest in ".{0,200}") {
        let text = format!("{}\r{rest}", written(&delimiters, &[]).trim_end());
        same_again(text).map_err(proptest::test_runner::TestCaseError::fail)?;
    }
}

#[test]
fn every_file_of_the_samples_is_the_same_when_it_is_written_and_read_again() {
    let files = ["ssmix2-nho", "hl7v2-microsoft"].map(samples).into_iter().flatten();
    let (mut same, mut none) = (0, 0);
    for (name, bytes) in files.chain(storage().iter().cloned()) {
        let text = decode(&bytes, &GaijiTable::new()).text;
        match same_again(text) {
            Ok(_) => same += 1,
            Err(why) if why == "is no message" => none += 1,
            Err(why) => panic!("{name}: {why}"),
        }
    }
    eprintln!("{same} files are the same again, {none} are no messages");
    assert!(storage().is_empty() || same > 2_523, "{same}");
}
