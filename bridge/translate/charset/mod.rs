//! Bytes to text: ISO-2022-JP, CP932, EUC-JP and UTF-8, whatever the label says.

use crate::finding::Finding;
use std::collections::HashMap;

/// 外字 of a facility: code as upper-case hexadecimal (`F040`, or `929E` style JIS row/cell codes) → text.
pub type GaijiTable = HashMap<String, String>;

/// What decoding gave.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The text; never with U+FFFD.
    pub text: String,
    /// The encoding that the bytes were found to be in: `iso-2022-jp`, `cp932`, `euc-jp`, `utf-8`, `ascii`.
    pub encoding: &'static str,
    /// What was found. An error means that the text is not to be trusted.
    pub findings: Vec<Finding>,
}

/// Decodes a message (MSH-18 is read from the bytes) or, where there is no MSH, by detection alone.
pub fn decode(_bytes: &[u8], _gaiji: &GaijiTable) -> Decoded {
    todo!("charset")
}
