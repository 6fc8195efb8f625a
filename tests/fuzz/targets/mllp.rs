//! A stream gives the same blocks however it is cut, and never one above the cap.
#![no_main]

use bytes::BytesMut;

// The decoder alone, so that fuzzing does not build the whole appliance.
#[allow(dead_code)]
#[path = "../../../bridge/intake/mllp.rs"]
mod mllp;

const MAX: usize = 64;

fn blocks<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<mllp::Block> {
    let (mut decoder, mut buffer, mut blocks) = (mllp::MllpDecoder::new(MAX), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(block) = decoder.next(&mut buffer) {
            blocks.push(block);
        }
        assert!(buffer.len() <= MAX + piece.len() + 2, "what waits is bounded");
    }
    while let Some(block) = decoder.close(&mut buffer) {
        blocks.push(block);
    }
    blocks
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = blocks(std::iter::once(bytes));
    let size = 1 + usize::from(bytes.first().copied().unwrap_or(0)) % 7;
    assert_eq!(blocks(bytes.chunks(size)), whole);
    for block in &whole {
        if let mllp::Block::Message(message) = block {
            assert!(!message.is_empty() && message.len() <= MAX);
        }
    }
});
