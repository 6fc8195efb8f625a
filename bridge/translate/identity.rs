//! Identity: ids derived from what a message says, the same for the same content wherever it came from.
//!
//! An id is 26 lowercase base-32 characters (130 bits) of HMAC-SHA-256 over length-prefixed parts. It is
//! patient data: it never enters a log, a metric or a support file.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The version of the scheme; a part of every id, so that a later scheme cannot collide with this one.
const SCHEME: &[u8] = b"renkei-1";

/// RFC 4648 alphabet in lower case: every character is allowed in a FHIR id.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of an id: 26 × 5 = 130 bits.
pub const ID_CHARS: usize = 26;

/// The secret of an appliance, made at installation and kept with its credentials.
#[derive(Clone)]
pub struct IdKey(Hmac<Sha256>);

impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey(***)")
    }
}

impl IdKey {
    /// The published key of `translate` and of tests. Never of an installation.
    pub fn test() -> Self {
        Self::new(b"renkei-bridge published test key; not for patients")
    }

    /// A key from its bytes.
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// Eight hexadecimal characters that tell two keys apart and give nothing away.
    pub fn fingerprint(&self) -> String {
        let mut mac = self.0.clone();
        mac.update(b"renkei-bridge fingerprint");
        mac.finalize().into_bytes().iter().take(4).map(|b| format!("{b:02x}")).collect()
    }

    /// A key for another purpose of the appliance: none says anything of this one or of each other.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"renkei-bridge derived key: ");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The id of the given parts. Each part is preceded by its length, so that no two lists of parts share
    /// an input.
    pub fn id<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> String {
        let mut mac = self.0.clone();
        mac.update(SCHEME);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        base32(&mac.finalize().into_bytes())
    }
}

/// An id made of another id, in the same form. It takes no key, for the other id has been made with one.
pub fn digest_id<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    digest.update(SCHEME);
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    base32(&digest.finalize())
}

/// SHA-256 of some bytes, as 64 hexadecimal characters: for hashes of bodies and contents.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn base32(bytes: &[u8]) -> String {
    let chars = (bytes.len() * 8 / 5).min(ID_CHARS);
    let mut input = [0; 20];
    input.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let mut out = [0; 32];
    // Five bytes are eight characters.
    for ([a, b, c, d, e], eight) in input.as_chunks().0.iter().zip(out.as_chunks_mut::<8>().0) {
        let word = u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e]);
        *eight = std::array::from_fn(|n| ALPHABET[(word >> (35 - 5 * n)) as usize & 31]);
    }
    String::from_utf8(out[..chars].to_vec()).expect("base 32 is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let key = IdKey::test();
        assert_ne!(key.id(["ab", "c"]), key.id(["a", "bc"]));
        assert_eq!(key.id(["ab", "c"]), key.id(["ab", "c"]));
        assert_eq!(key.id(["x"]).len(), ID_CHARS);
        assert_ne!(key.id(["x"]), IdKey::new(b"other").id(["x"]));
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_by_key() {
        let key = IdKey::test();
        assert_eq!(key.derive("a"), key.derive("a"));
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_ne!(key.derive("a"), IdKey::new(b"other").derive("a"));
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        // RFC 4648 section 10: "foobar" = MZXW6YTBOI
        assert_eq!(base32(b"foobar"), "mzxw6ytbo");
    }
}
