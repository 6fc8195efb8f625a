//! Unread positions of real traffic: counted by the appliance in its store, or here from files.

use crate::store::Store;
use renkei_translate::mapping::coverage::Position;
use renkei_translate::translation::Translation;
use std::collections::BTreeMap;

/// A position that was valued and that nothing read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its field.
    pub(super) position: Position,
    /// As the appliance prints it: `PV1-7[2]`.
    pub(super) printed: String,
    /// The messages that had it.
    pub(super) messages: u64,
}

/// Unread positions by message file.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    messages: BTreeMap<String, u64>,
    /// Counts of other versions of the mapping set, which say nothing of this one.
    pub(super) of_other_versions: u64,
}

impl Traffic {
    /// Adds what a store has counted under a version of the mapping set.
    ///
    /// # Errors
    /// The database.
    pub(super) fn of_store(&mut self, store: &Store, version: &str) -> anyhow::Result<()> {
        for facility in store.facilities() {
            for one in facility.unread()? {
                if one.mapping_version == version {
                    *self.counts.entry(one.kind).or_default().entry(one.position).or_default() += one.count;
                } else {
                    self.of_other_versions += one.count;
                }
            }
        }
        Ok(())
    }

    /// Adds a message.
    pub(super) fn add(&mut self, translation: &Translation) {
        let kind = translation.kind.clone().unwrap_or_default();
        *self.messages.entry(kind.clone()).or_default() += 1;
        let counts = self.counts.entry(kind).or_default();
        for position in &translation.unread {
            *counts.entry(position.clone()).or_default() += 1;
        }
    }

    /// How many messages of a file were translated here.
    pub(super) fn translated(&self, id: &str) -> Option<u64> {
        self.messages.get(id).copied()
    }

    /// How many messages no file of the set is for.
    pub(super) fn unmapped(&self) -> u64 {
        self.messages.get("").copied().unwrap_or(0)
    }

    /// The unread positions of a message file.
    pub(super) fn of(&self, id: &str) -> Vec<Unread> {
        let counts = self.counts.get(id).into_iter().flatten();
        counts
            .map(|(printed, messages)| Unread {
                position: field_of(printed),
                printed: printed.clone(),
                messages: *messages,
            })
            .collect()
    }
}

/// `PV1-7[2]` is of PV1-7; a column of a feed is of itself.
fn field_of(printed: &str) -> Position {
    let (segment, rest) = match printed.split_once('-') {
        Some(parts) if !printed.starts_with("col(") => parts,
        _ => return Position::field(printed, 0),
    };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Position::field(segment, digits.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Traffic, field_of};
    use renkei_translate::translation::Translation;

    #[test]
    fn unread_positions_are_counted_by_message_and_shown_at_their_field() {
        let mut traffic = Traffic::default();
        for unread in [vec!["PV1-7[2]".to_owned(), "OBX-17".to_owned()], vec!["OBX-17".to_owned()]] {
            traffic.add(&Translation {
                kind: Some("OML-11".into()),
                unread,
                ..Translation::held(Vec::new())
            });
        }
        let found: Vec<(String, String, u64)> = traffic
            .of("OML-11")
            .into_iter()
            .map(|one| (one.position.to_string(), one.printed, one.messages))
            .collect();
        let wanted = [("OBX-17", "OBX-17", 2), ("PV1-7", "PV1-7[2]", 1)];
        assert_eq!(found, wanted.map(|(at, printed, n)| (at.to_owned(), printed.to_owned(), n)));
        assert!(traffic.of("ADT-00").is_empty());
        assert_eq!(field_of("col(身長-x)").to_string(), "col(身長-x)");
    }
}
