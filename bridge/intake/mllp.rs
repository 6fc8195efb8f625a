//! MLLP blocks: `<VT> message <FS><CR>`.
//!
//! Cuts a byte stream into messages and nothing more: no sockets, no charset, no acknowledgment. VT and FS
//! cannot be part of a character in ISO-2022-JP, CP932, EUC-JP or UTF-8, so cutting bytes is safe.
//!
//! What senders do wrong, and what becomes of it: bytes between blocks are counted and skipped; a VT inside
//! a block starts again, and what stood before it is reported as broken, never merged; an FS that LF, VT or
//! the end follows instead of CR ends its block; an FS before anything else is a stray byte of the message
//! and stays in it; a block above the cap is skipped to its end without being kept.

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// Starts a block.
pub const START: u8 = 0x0B;
/// Ends a block, with [`CR`] behind it.
pub const END: u8 = 0x1C;
/// Follows [`END`].
pub const CR: u8 = b'\r';

/// Largest message accepted where the feed says nothing else. The largest regular ones hold a scanned
/// letter as PDF in OBX-5: a few MiB in base64.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How much of an oversize block is kept, for its MSH: the refusal must name the control id.
pub const HEAD_BYTES: usize = 64 << 10;

/// What the decoder cuts out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A whole message.
    Message(Bytes),
    /// A block longer than the cap: its first bytes, and how many it had.
    Oversize {
        /// At most [`HEAD_BYTES`].
        head: Bytes,
        /// Length of the message.
        bytes: u64,
    },
    /// A block that never ended: another started inside it, or the stream ended.
    Broken {
        /// How many bytes it had.
        bytes: u64,
    },
    /// A block with nothing in it.
    Empty,
}

#[derive(Debug)]
enum State {
    Outside,
    /// The buffer begins with the message; so many bytes of it hold no end.
    Inside(usize),
    Skipping {
        head: Bytes,
        bytes: u64,
    },
}

/// The decoder of one stream. Memory: at most the cap and one read.
#[derive(Debug)]
pub struct MllpDecoder {
    max: usize,
    state: State,
    garbage: u64,
}

impl MllpDecoder {
    /// A decoder that accepts messages of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { max, state: State::Outside, garbage: 0 }
    }

    /// Whether a block has begun and not ended.
    pub fn in_block(&self) -> bool {
        !matches!(self.state, State::Outside)
    }

    /// Bytes met between blocks since the last call, line ends not counted.
    pub fn take_garbage(&mut self) -> u64 {
        std::mem::take(&mut self.garbage)
    }

    /// Whether only the CR after an FS is missing. Some senders never send it and wait for the
    /// acknowledgment; the reader decides how long to wait and then calls [`MllpDecoder::close`].
    pub fn lacks_only_cr(&self, src: &BytesMut) -> bool {
        self.in_block() && src.last() == Some(&END) && self.scanned(src) + 1 == src.len()
    }

    fn scanned(&self, _src: &BytesMut) -> usize {
        match self.state {
            State::Inside(scanned) => scanned,
            State::Outside | State::Skipping { .. } => 0,
        }
    }

    /// Ends the stream here: a block that lacks only its CR is whole, any other is broken.
    pub fn close(&mut self, src: &mut BytesMut) -> Option<Block> {
        if let Some(block) = self.next(src) {
            return Some(block);
        }
        if self.lacks_only_cr(src) {
            let length = src.len() - 1;
            return Some(self.end(src, length, 1));
        }
        let block = match std::mem::replace(&mut self.state, State::Outside) {
            State::Outside => None,
            State::Inside(_) => Some(Block::Broken { bytes: src.len() as u64 }),
            State::Skipping { bytes, .. } => Some(Block::Broken { bytes: bytes + src.len() as u64 }),
        };
        src.clear();
        block
    }

    /// The next block, or `None` where more bytes are needed.
    pub fn next(&mut self, src: &mut BytesMut) -> Option<Block> {
        loop {
            match &mut self.state {
                State::Outside => {
                    let start = memchr::memchr(START, src);
                    let skipped = &src[..start.unwrap_or(src.len())];
                    self.garbage += skipped.iter().filter(|b| !matches!(b, b'\r' | b'\n')).count() as u64;
                    let Some(start) = start else {
                        src.clear();
                        return None;
                    };
                    src.advance(start + 1);
                    self.state = State::Inside(0);
                }
                State::Inside(scanned) => {
                    let at = memchr::memchr2(START, END, &src[*scanned..]).map(|at| at + *scanned);
                    if at.unwrap_or(src.len()) > self.max {
                        let head = Bytes::copy_from_slice(&src[..self.max.min(HEAD_BYTES)]);
                        let bytes = at.unwrap_or(src.len());
                        src.advance(bytes);
                        self.state = State::Skipping { head, bytes: bytes as u64 };
                        continue;
                    }
                    let Some(at) = at else {
                        *scanned = src.len();
                        return None;
                    };
                    if src[at] == START {
                        src.advance(at + 1);
                        *scanned = 0;
                        return Some(Block::Broken { bytes: at as u64 });
                    }
                    match src.get(at + 1) {
                        None => {
                            *scanned = at;
                            return None;
                        }
                        Some(b'\r' | b'\n') => return Some(self.end(src, at, 2)),
                        Some(&START) => return Some(self.end(src, at, 1)),
                        Some(_) => *scanned = at + 1,
                    }
                }
                State::Skipping { bytes, .. } => {
                    let Some(at) = memchr::memchr2(START, END, src) else {
                        *bytes += src.len() as u64;
                        src.clear();
                        return None;
                    };
                    *bytes += at as u64;
                    src.advance(at);
                    if src[0] == START {
                        let bytes = *bytes;
                        src.advance(1);
                        self.state = State::Inside(0);
                        return Some(Block::Broken { bytes });
                    }
                    match src.get(1) {
                        None => return None,
                        Some(b'\r' | b'\n') => return Some(self.end(src, 0, 2)),
                        Some(&START) => return Some(self.end(src, 0, 1)),
                        Some(_) => {
                            *bytes += 1;
                            src.advance(1);
                        }
                    }
                }
            }
        }
    }

    /// Takes a block whose message has `length` bytes in the buffer and whose terminator has `terminator`.
    fn end(&mut self, src: &mut BytesMut, length: usize, terminator: usize) -> Block {
        let block = match std::mem::replace(&mut self.state, State::Outside) {
            State::Skipping { head, bytes } => Block::Oversize { head, bytes: bytes + length as u64 },
            State::Outside | State::Inside(_) if length == 0 => Block::Empty,
            State::Outside | State::Inside(_) => {
                let message = src.split_to(length).freeze();
                src.advance(terminator);
                return Block::Message(message);
            }
        };
        src.advance(length + terminator);
        block
    }
}

impl Decoder for MllpDecoder {
    type Item = Block;
    type Error = std::io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Block>, Self::Error> {
        Ok(self.next(src))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Block>, Self::Error> {
        Ok(self.close(src))
    }
}

/// Appends a message as a block. Our own, because the encoder of hl7-mllp-codec logs whole messages.
pub fn encode(message: &[u8], into: &mut BytesMut) {
    into.reserve(message.len() + 3);
    into.extend_from_slice(&[START]);
    into.extend_from_slice(message);
    into.extend_from_slice(&[END, CR]);
}

#[cfg(test)]
#[path = "mllp_tests.rs"]
mod tests;
