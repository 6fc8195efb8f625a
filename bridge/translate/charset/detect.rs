//! Which encoding bytes are in, whatever their label says.

/// Whether the bytes are well-formed EUC-JP, assigned or not.
pub(crate) fn is_euc_jp(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let length = match first {
            0x00..=0x7F => 1,
            0x8E | 0xA1..=0xFE => 2,
            0x8F => 3,
            _ => return false,
        };
        if rest.len() < length || rest[1..length].iter().any(|b| !(0xA1..=0xFE).contains(b)) {
            return false;
        }
        rest = &rest[length..];
    }
    true
}
