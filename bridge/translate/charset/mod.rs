//! Bytes to text: ISO-2022-JP, CP932, EUC-JP and UTF-8, whatever the label says.

pub mod detect;

use crate::finding::{Finding, Location};
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
pub fn decode(bytes: &[u8], _gaiji: &GaijiTable) -> Decoded {
    let (text, findings) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), Vec::new()),
        Err(error) => {
            let finding = Finding::error("charset-broken", Location::byte(error.valid_up_to()));
            (bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '〓' }).collect(), vec![finding])
        }
    };
    Decoded { text, encoding: "utf-8", findings }
}
