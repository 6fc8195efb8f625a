//! A hash map for keys that no sender chooses: names of a set, places in a message, ids.
//!
//! The hash of the standard library withstands keys made to collide and takes its time for it; where keys come from
//! the set or from us, there is nothing to withstand. What is keyed by text of a message keeps the other.

use std::hash::{BuildHasherDefault, Hasher};

/// A map by quick hashes.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Quick>>;

/// Multiplies, eight bytes at a time.
#[derive(Default)]
pub(crate) struct Quick(u64);

/// An odd number without a pattern, near 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

impl Quick {
    fn mix(&mut self, word: u64) {
        // A product is good in its high bits, and a map looks at the low ones too: the halves are laid together.
        let product = u128::from(self.0.rotate_left(5) ^ word) * u128::from(FACTOR);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.mix(rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte)));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }
    fn write_u16(&mut self, value: u16) {
        self.mix(value.into());
    }
    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Eight bytes that are all 1.
const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// Whether one of eight bytes is below `n`, which is 128 at most.
pub(crate) const fn below(word: u64, n: u8) -> bool {
    word.wrapping_sub(ONES * n as u64) & !word & (ONES * 0x80) != 0
}

/// Whether one of eight bytes is no visible character of ASCII: a space, a control character, 128 or more.
pub(crate) const fn is_hidden(word: u64) -> bool {
    (word.wrapping_sub(ONES * b'!' as u64) | word | word.wrapping_add(ONES)) & (ONES * 0x80) != 0
}

/// Whether something is found nowhere in a text that is looked at eight bytes at a time. Where its length is not made
/// of whole words, some bytes are looked at twice; of less than four, `A` fills the word up.
pub(crate) fn nowhere(bytes: &[u8], found: impl Fn(u64) -> bool) -> bool {
    let last = match (bytes.last_chunk::<8>(), bytes) {
        (Some(end), _) => u64::from_ne_bytes(*end),
        (_, [a, b, c, d, ..]) => {
            let end = bytes.last_chunk::<4>().map_or(0, |end| u32::from_ne_bytes(*end));
            u64::from(u32::from_ne_bytes([*a, *b, *c, *d])) | u64::from(end) << 32
        }
        (_, [a, b, c]) => filled([*a, *b, *c]),
        (_, [a, b]) => filled([*a, *b, b'A']),
        (_, [a]) => filled([*a, b'A', b'A']),
        (_, []) => return true,
    };
    !found(last) && !bytes.as_chunks::<8>().0.iter().any(|word| found(u64::from_ne_bytes(*word)))
}

fn filled([a, b, c]: [u8; 3]) -> u64 {
    u64::from_ne_bytes([a, b, c, b'A', b'A', b'A', b'A', b'A'])
}

#[cfg(test)]
mod tests {
    use super::{Quick, below, is_hidden, nowhere};
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn codes_of_a_table_are_spread_over_its_places() {
        let hash = |text: &str| BuildHasherDefault::<Quick>::default().hash_one(text);
        // 2^17 places, as a map of 100,000 rows has: by chance 70,000 of them are taken.
        let places: HashSet<u64> = (0..100_000).map(|n| hash(&format!("3A{n:015}")) & 0x1_FFFF).collect();
        assert!(places.len() > 60_000, "{}", places.len());
        let tags: HashSet<u64> = (0..1_000).map(|n| hash(&format!("{n}")) >> 57).collect();
        assert_eq!(tags.len(), 128);
    }

    #[test]
    fn what_stands_in_a_text_is_found_at_every_place() {
        for length in 0..40 {
            let text = vec![b'z'; length];
            assert!(nowhere(&text, |word| below(word, b' ') || is_hidden(word)));
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = text.clone();
                    text[at] = byte;
                    assert_eq!(
                        !nowhere(&text, |word| below(word, b' ')),
                        byte < b' ',
                        "{at} of {length}: {byte}"
                    );
                    let hidden = !(b'!'..0x7f).contains(&byte);
                    assert_eq!(!nowhere(&text, is_hidden), hidden, "{at} of {length}: {byte}");
                }
            }
        }
    }
}
