//! Any bytes decode, without a panic and without U+FFFD.
#![no_main]

use renkei_translate::charset::{GaijiTable, decode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let decoded = decode(bytes, &GaijiTable::new());
    assert!(!decoded.text.contains('\u{FFFD}'));
    for finding in &decoded.findings {
        if let Some(byte) = finding.location.position.strip_prefix("byte ") {
            assert!(byte.parse::<usize>().is_ok_and(|byte| byte <= bytes.len()));
        }
    }
});
