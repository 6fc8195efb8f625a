//! Proprietary feeds: a layout declared as data, its files cut into messages, a message read into records.
//!
//! [`layout`] is what `feeds/*.toml` declares; [`rows`] cuts bytes into rows, decoding before it splits; [`cut()`]
//! gathers the rows of a file into messages by facility, patient and report; [`record`] makes of one message's rows
//! the segments that the mapping engine reads, and remembers which row and column each came from. A bad row
//! holds its own message and never the file. No I/O, no rules: what a column becomes is the mapping's business.

mod cut;
pub(crate) mod layout;
pub(crate) mod record;
mod rows;

#[cfg(test)]
mod tests;

pub use cut::{FileCut, Piece, cut};
pub use layout::Layout;
pub use record::{Opened, open};

/// Which rows of a file a message is, and under which layout they were cut: enough to read its bytes again.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// The layout's id.
    #[serde(rename = "l")]
    pub layout: String,
    /// The layout's version when the file was cut.
    #[serde(rename = "v")]
    pub version: String,
    /// Each row's number in the file and its length in bytes: `3:180,4:201`. Empty = the whole of a file that has
    /// titles and blank rows only.
    #[serde(rename = "r")]
    pub rows: String,
    /// Whose rows they are is read from the facility column, and must be the facility that the message lies at.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub by_field: bool,
}

impl Part {
    /// Number and length of each row.
    pub(crate) fn lengths(&self) -> Option<Vec<(u32, usize)>> {
        self.rows
            .split(',')
            .map(|row| {
                let (number, length) = row.split_once(':')?;
                Some((number.parse().ok()?, length.parse().ok()?))
            })
            .collect()
    }
}

/// Rows as people write them: `3-7,9`; after [`MAX_RANGES`] ranges only how many rows more there are.
pub(crate) fn ranges(numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let shown: Vec<String> = ranges
        .iter()
        .take(MAX_RANGES)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    let more: u32 = ranges.iter().skip(MAX_RANGES).map(|(first, last)| last - first + 1).sum();
    if more == 0 { shown.join(",") } else { format!("{}+{more}", shown.join(",")) }
}

/// Ranges in the name of a message. The first row alone tells it from every other of its file.
pub const MAX_RANGES: usize = 8;
