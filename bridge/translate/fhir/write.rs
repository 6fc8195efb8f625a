//! Nodes as JSON: the same bytes as `serde_json` writes, without a serializer between node and text.

use super::{Arena, Id, Key, Keys, Kind, NONE, Watch, key};

/// Writes nodes of one arena.
#[derive(Debug)]
pub struct Writer<'a> {
    arena: &'a Arena,
    keys: &'a Keys,
    /// Where in the text of the arena a character stands that JSON escapes: hardly anywhere.
    escapes: Vec<usize>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(arena: &'a Arena, keys: &'a Keys) -> Self {
        Self { arena, keys, escapes: escapes(arena.text.as_bytes()) }
    }

    /// Writes the resource or element at a node behind `out` and shows it to `watch`. Hands back `Type/id` of each
    /// literal reference in it, once each, without contained ones.
    pub fn write(&self, id: Id, out: &mut Vec<u8>, watch: &mut impl Watch<'a>) -> Vec<String> {
        let mut references = Vec::new();
        // Nothing is above a resource: the key says nothing.
        self.value(key::ID, &self.arena.nodes[id.0 as usize].kind, out, watch, &mut references);
        references
    }

    /// Writes a value that stands under a key, and all below it.
    fn value(
        &self,
        key: Key,
        kind: &Kind,
        out: &mut Vec<u8>,
        watch: &mut impl Watch<'a>,
        references: &mut Vec<String>,
    ) {
        match *kind {
            Kind::Object { first, .. } => {
                watch.open(key, true);
                let (start, mut at) = (out.len(), first);
                while at != NONE {
                    let node = &self.arena.nodes[at as usize];
                    let member = &self.keys.written[node.key.number()];
                    if let Kind::Text { at, len } = node.kind {
                        member.write(out, true);
                        self.text(node.key, at, len, out, watch);
                        if node.key == key::REFERENCE {
                            refer(self.arena.slice(at, len), references);
                        }
                    } else {
                        member.write(out, false);
                        self.value(node.key, &node.kind, out, watch, references);
                    }
                    at = node.next;
                }
                enclose(out, start, b'{', b'}');
                watch.close();
            }
            Kind::Array { first, .. } => {
                watch.open(key, false);
                let (start, mut at) = (out.len(), first);
                while at != NONE {
                    let node = &self.arena.nodes[at as usize];
                    out.push(b',');
                    self.value(key, &node.kind, out, watch, references);
                    at = node.next;
                }
                enclose(out, start, b'[', b']');
                watch.close();
            }
            Kind::Text { at, len } => {
                out.push(b'"');
                self.text(key, at, len, out, watch);
            }
            Kind::Number { at, len } => {
                let value = self.arena.slice(at, len);
                out.extend_from_slice(value.as_bytes());
                watch.number(key, value);
            }
            Kind::Boolean(value) => {
                out.extend_from_slice(if value { b"true" } else { b"false" });
                watch.boolean(key);
            }
        }
    }

    /// Writes a text behind its first quotation mark. Most values are texts: it is a part of the loop above.
    #[inline(always)]
    fn text(&self, key: Key, at: u32, len: u32, out: &mut Vec<u8>, watch: &mut impl Watch<'a>) {
        let rest = &self.arena.text[at as usize..];
        let value = &rest[..len as usize];
        let plain = self.is_plain(at as usize, len as usize);
        if !plain {
            escaped(value, out);
        } else if value.len() <= BLOCK
            && let Some(block) = rest.as_bytes().first_chunk()
        {
            begin(out, block, value.len());
        } else {
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'"');
        watch.text(key, value, plain);
    }

    /// Whether nothing is escaped in this part of the text.
    fn is_plain(&self, at: usize, len: usize) -> bool {
        self.escapes.is_empty() || {
            let next = self.escapes.partition_point(|place| *place < at);
            self.escapes.get(next).is_none_or(|place| *place >= at + len)
        }
    }
}

/// Puts brackets around what is written from `start` on, each part with a comma in front: the first comma makes room
/// for the bracket.
fn enclose(out: &mut Vec<u8>, start: usize, open: u8, close: u8) {
    match out.get_mut(start) {
        Some(comma) => *comma = open,
        None => out.push(open),
    }
    out.push(close);
}

fn refer(text: &str, references: &mut Vec<String>) {
    if !text.starts_with('#') && !references.iter().any(|known| known == text) {
        references.push(text.to_owned());
    }
}

/// As much as is copied at once: most keys and texts are shorter.
const BLOCK: usize = 32;

/// Writes the first bytes of a block. To copy all of it and to cut is less work than to copy by length.
#[inline(always)]
fn begin(out: &mut Vec<u8>, block: &[u8; BLOCK], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(block);
    out.truncate(end);
}

/// A name of a member as JSON, with a comma in front; behind it a colon and the quotation mark of a text.
#[derive(Debug, Clone)]
pub(super) struct Member {
    text: Vec<u8>,
    /// The same where it is short enough.
    block: Option<[u8; BLOCK]>,
}

impl Member {
    pub(super) fn new(name: &str) -> Self {
        let mut text = b",\"".to_vec();
        escaped(name, &mut text);
        text.extend_from_slice(b"\":\"");
        let mut block = text.clone();
        block.resize(text.len().max(BLOCK), 0);
        Self { text, block: block.try_into().ok() }
    }

    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>, quoted: bool) {
        let len = self.text.len() - usize::from(!quoted);
        match &self.block {
            Some(block) => begin(out, block, len),
            None => out.extend_from_slice(&self.text[..len]),
        }
    }
}

/// Whether JSON escapes a byte of a text.
fn is_escaped(byte: u8) -> bool {
    // No early end: the machine compares many bytes at a time.
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// The places of the bytes that JSON escapes.
fn escapes(text: &[u8]) -> Vec<usize> {
    let (blocks, rest) = text.as_chunks::<64>();
    let mut places = Vec::new();
    let mut list = |from: usize, bytes: &[u8]| {
        places.extend((from..).zip(bytes).filter(|(_, byte)| is_escaped(**byte)).map(|(at, _)| at));
    };
    for (n, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |any, byte| any | is_escaped(*byte)) {
            list(n * 64, block);
        }
    }
    list(blocks.len() * 64, rest);
    places
}

/// Writes the characters of a text as JSON has them.
fn escaped(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            0xc => out.extend_from_slice(b"\\f"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fhir::{Arena, Keys};

    #[test]
    fn every_character_is_written_as_serde_json_writes_it() {
        let all: String = ('\0'..='\u{ff}').chain("漢字\u{2028}😀".chars()).collect();
        let values: Vec<String> =
            all.chars().map(String::from).chain([all.clone(), String::new(), "x".repeat(100)]).collect();
        let mut keys = Keys::new();
        let mut arena = Arena::default();
        let object = arena.object();
        for (n, value) in values.iter().enumerate() {
            let (name, text) = (keys.intern(&format!("{value}{n}")), arena.text(value));
            arena.put(object, name, text);
        }
        let members = values.iter().enumerate().map(|(n, value)| {
            let json = |text: &str| serde_json::to_string(text).expect("a text is JSON");
            format!("{}:{}", json(&format!("{value}{n}")), json(value))
        });
        let wanted = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        assert_eq!(String::from_utf8(arena.to_json(&keys, object)).expect("it is UTF-8"), wanted);
    }
}
