//! Facts about the MLLP decoder.

use super::{Block, END, HEAD_BYTES, MllpDecoder, START, encode};
use bytes::{Bytes, BytesMut};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use tokio_util::codec::{Decoder, Encoder};

const MAX: usize = 24;

fn message(text: &str) -> Block {
    Block::Message(Bytes::copy_from_slice(text.as_bytes()))
}

fn broken(bytes: u64) -> Block {
    Block::Broken { bytes }
}

/// Feeds the chunks one after the other and ends the stream.
fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Block>, u64) {
    let (mut decoder, mut src, mut blocks) = (MllpDecoder::new(MAX), BytesMut::new(), Vec::new());
    for chunk in chunks {
        src.extend_from_slice(chunk);
        while let Some(block) = decoder.next(&mut src) {
            blocks.push(block);
        }
        assert!(src.len() <= MAX + 1 + chunk.len(), "only the block in hand is kept");
    }
    while let Some(block) = decoder.decode_eof(&mut src).unwrap() {
        blocks.push(block);
    }
    assert!(src.is_empty() && !decoder.in_block());
    (blocks, decoder.take_garbage())
}

fn check(stream: &str, blocks: &[Block], garbage: u64) {
    let bytes = stream.as_bytes();
    assert_eq!(decode([bytes]), (blocks.to_vec(), garbage), "in one piece: {stream:?}");
    assert_eq!(decode(bytes.chunks(1)), (blocks.to_vec(), garbage), "split at every byte: {stream:?}");
    for at in 0..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(decode([head, tail]), (blocks.to_vec(), garbage), "split at {at}: {stream:?}");
    }
}

#[test]
fn a_block_is_a_message() {
    check("\x0bMSH|a\rPID\r\x1c\r", &[message("MSH|a\rPID\r")], 0);
}

#[test]
fn two_messages_in_a_packet_are_two() {
    check("\x0bA\x1c\r\x0bB\x1c\r", &[message("A"), message("B")], 0);
}

#[test]
fn bytes_between_blocks_are_counted_and_skipped() {
    check("xy\x0bA\x1c\r\r\nz\x1c\x0bB\x1c\r\n", &[message("A"), message("B")], 4);
}

#[test]
fn a_start_inside_a_block_starts_again() {
    check("\x0bABC\x0bD\x1c\r", &[broken(3), message("D")], 0);
    check("\x0b\x0bD\x1c\r", &[broken(0), message("D")], 0);
}

#[test]
fn an_end_without_cr_is_taken_before_a_start_a_line_feed_and_the_end() {
    check("\x0bA\x1c\x0bB\x1c\nrest\x0bC\x1c", &[message("A"), message("B"), message("C")], 4);
}

#[test]
fn a_stray_end_stays_in_the_message() {
    check("\x0bA\x1cB\x1c\x1c\r", &[message("A\x1cB\x1c")], 0);
}

#[test]
fn an_empty_block_is_empty() {
    check("\x0b\x1c\r\x0bA\x1c\r", &[Block::Empty, message("A")], 0);
}

#[test]
fn a_block_cut_off_by_the_end_of_the_stream_is_broken() {
    check("\x0bA\x1c\r\x0bBCD", &[message("A"), broken(3)], 0);
}

#[test]
fn the_cap_is_exact_and_the_next_message_is_read() {
    let (fits, over) = ("a".repeat(MAX), "b".repeat(MAX + 1));
    let oversize = Block::Oversize { head: Bytes::from("b".repeat(MAX)), bytes: MAX as u64 + 1 };
    check(
        &format!("\x0b{fits}\x1c\r\x0b{over}\x1c\r\x0bC\x1c\r"),
        &[message(&fits), oversize, message("C")],
        0,
    );
    check(&format!("\x0b{over}\x0bC\x1c\r"), &[broken(MAX as u64 + 1), message("C")], 0);
    check(&format!("\x0b{over}"), &[broken(MAX as u64 + 1)], 0);
}

#[test]
fn an_endless_block_costs_no_memory() {
    let chunk = vec![b'x'; 1 << 20];
    let (mut decoder, mut src) = (MllpDecoder::new(1 << 20), BytesMut::new());
    src.extend_from_slice(&[START]);
    for _ in 0..1024 {
        src.extend_from_slice(&chunk);
        assert_eq!(decoder.next(&mut src), None);
        assert!(src.capacity() <= 8 << 20, "{}", src.capacity());
    }
    src.extend_from_slice(&[END, b'\r']);
    match decoder.next(&mut src) {
        Some(Block::Oversize { head, bytes }) => assert_eq!((head.len(), bytes), (HEAD_BYTES, 1 << 30)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_head_of_an_oversize_block_reaches_a_late_control_id() {
    let body = format!(
        "MSH|^~\\&|{}|H|GW|R|20260101||ADT^A08|C7|P|2.5\rNTE|{}",
        "A".repeat(60_000),
        "x".repeat(10_000)
    );
    let mut src = BytesMut::new();
    encode(body.as_bytes(), &mut src);
    match MllpDecoder::new(66_000).next(&mut src) {
        Some(Block::Oversize { head, .. }) => {
            assert_eq!(renkei_translate::hl7v2::header(&head).unwrap().control_id, "C7");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_cr_can_be_waited_for() {
    let (mut decoder, mut src) = (MllpDecoder::new(MAX), BytesMut::from(&b"\x0bA"[..]));
    assert_eq!(decoder.next(&mut src), None);
    assert!(!decoder.lacks_only_cr(&src));
    src.extend_from_slice(&[END]);
    assert_eq!(decoder.next(&mut src), None);
    assert!(decoder.lacks_only_cr(&src));
    assert_eq!(decoder.close(&mut src), Some(message("A")));
    src.extend_from_slice(b"\r\x0bB\x1c\r");
    assert_eq!(decoder.next(&mut src), Some(message("B")));
    assert_eq!(decoder.take_garbage(), 0);
}

#[test]
fn what_we_encode_is_what_the_third_party_codec_encodes() {
    let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
    encode(b"MSH|^~\\&|", &mut ours);
    hl7_mllp_codec::MllpCodec::new().encode(BytesMut::from(&b"MSH|^~\\&|"[..]), &mut theirs).unwrap();
    assert_eq!(ours, theirs);
}

/// The same rules over the whole stream at once, written for clearness.
fn reference(stream: &[u8]) -> (Vec<Block>, u64) {
    let (mut blocks, mut garbage, mut at) = (Vec::new(), 0, 0);
    let mut start: Option<usize> = None;
    while at < stream.len() {
        let (byte, next) = (stream[at], stream.get(at + 1));
        match (start, byte) {
            (None, START) => start = Some(at + 1),
            (None, b'\r' | b'\n') => {}
            (None, _) => garbage += 1,
            (Some(from), START) => {
                blocks.push(broken((at - from) as u64));
                start = Some(at + 1);
            }
            (Some(from), END) if matches!(next, None | Some(b'\r' | b'\n' | &START)) => {
                let bytes = &stream[from..at];
                blocks.push(match bytes.len() {
                    0 => Block::Empty,
                    1..=MAX => Block::Message(Bytes::copy_from_slice(bytes)),
                    more => {
                        Block::Oversize { head: Bytes::copy_from_slice(&bytes[..MAX]), bytes: more as u64 }
                    }
                });
                start = None;
                if matches!(next, Some(b'\r' | b'\n')) {
                    at += 1;
                }
            }
            (Some(_), _) => {}
        }
        at += 1;
    }
    if let Some(from) = start {
        blocks.push(broken((stream.len() - from) as u64));
    }
    (blocks, garbage)
}

fn chunked<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn every_chunking_gives_the_same_blocks(
        stream in prop::collection::vec(
            prop_oneof![2 => Just(START), 2 => Just(END), 2 => Just(b'\r'), 1 => Just(b'\n'), 8 => any::<u8>()],
            0..200,
        ),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let expected = reference(&stream);
        assert_eq!(decode(chunked(&stream, &cuts)), expected);
        assert_eq!(decode(stream.chunks(1)), expected);
    }

    #[test]
    fn well_formed_messages_come_out_as_they_went_in(
        messages in prop::collection::vec("[ -~\r\n]{1,24}".prop_map(String::from), 1..12),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut stream = BytesMut::new();
        for message in &messages {
            encode(message.as_bytes(), &mut stream);
        }
        let expected: Vec<_> = messages.iter().map(|text| message(text)).collect();
        assert_eq!(decode(chunked(&stream, &cuts)), (expected, 0));
    }
}

#[test]
fn seeded_mutations_never_change_the_rules() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let base: Vec<u8> = (0..6).flat_map(|n| format!("\x0bMSH|{n}\rPID|{n}\r\x1c\r").into_bytes()).collect();
    for seed in 0..3_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream = base.clone();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..stream.len());
            match rng.random_range(0..4) {
                0 => stream[at] = [START, END, b'\r', b'\n', 0, 0xFF][rng.random_range(0..6)],
                1 => stream.insert(at, [START, END, b'\r', b'x'][rng.random_range(0..4)]),
                2 => drop(stream.remove(at)),
                _ => {
                    let to = rng.random_range(at..stream.len());
                    let copy = stream[at..to].to_vec();
                    stream.splice(at..at, copy);
                }
            }
        }
        let cuts: Vec<usize> =
            (0..rng.random_range(0..30)).map(|_| rng.random_range(0..=stream.len())).collect();
        assert_eq!(decode(chunked(&stream, &cuts)), reference(&stream), "seed {seed}");
    }
}
