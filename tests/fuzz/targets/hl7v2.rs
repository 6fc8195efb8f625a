//! Any text parses or is refused; what parses is written and parses to the same text again, and every
//! header can be answered.
#![no_main]

use renkei_translate::hl7v2::{Message, ack, header};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = header(bytes) {
        let answer = ack::Answer { code: ack::Code::AA, reason: None, control_id: "1", time: "20260101" };
        assert!(ack::build(&header, &answer).ends_with(b"\r"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok((message, _)) = Message::parse(text.to_owned()) else { return };
    for segment in message.segments() {
        for field in segment.fields() {
            for repetition in field.repetitions() {
                for component in repetition.components() {
                    for value in component.subcomponents() {
                        let _ = (value.text(), value.position().to_string());
                    }
                }
            }
        }
    }
    let written = message.to_text();
    let (again, _) = Message::parse(written.clone()).expect("what is written can be read");
    assert_eq!(again.len(), message.len());
    assert_eq!(again.to_text(), written);
});
