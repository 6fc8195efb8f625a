//! What a version of a layer does to what is recorded already, said before it is too late: ids that change, and what
//! waits to be sent as the version before made it.

use crate::app::mappings::Built;
use crate::config::{Config, Facility};
use crate::store::{NETWORK, Store, StoreError};
use renkei_translate::mapping::describe::RowText;
use renkei_translate::mapping::{MappingSet, Problem};
use std::collections::BTreeSet;

/// What the ids of a map or of a message's unit are made of, where two sets differ in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moved {
    id: String,
    /// `key` of a map, `unit` of a message file.
    cell: &'static str,
    /// The message files whose messages have such ids.
    kinds: Vec<String>,
}

/// A cell of a heading with the names that it reads, and those that they read: what the ids are made of.
fn made_of(heading: &[(&'static str, String)], rows: &[RowText], key: &str) -> String {
    let cell = heading.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
    let mut text = cell.unwrap_or_default();
    let mut told: Vec<&str> = Vec::new();
    loop {
        let read = |row: &&RowText| {
            row.id.starts_with('$') && text.contains(&row.id) && !told.contains(&row.id.as_str())
        };
        let Some(row) = rows.iter().find(read) else { return text };
        told.push(&row.id);
        for row in rows.iter().filter(|other| other.id == row.id) {
            text += &format!("\n{}|{}|{}|{}", row.from, row.make, row.when, row.otherwise);
        }
    }
}

/// Keys of maps and units of messages that are in both sets and differ.
fn moved(before: &MappingSet, after: &MappingSet) -> Vec<Moved> {
    let (before, after) = (before.describe(), after.describe());
    let mut out = Vec::new();
    for map in &after.maps {
        let Some(was) = before.maps.iter().find(|was| was.id == map.id) else { continue };
        if made_of(&was.heading, &was.rows, "key") != made_of(&map.heading, &map.rows, "key") {
            let using = after.messages.iter().filter(|message| message.maps.contains(&map.id));
            let kinds = using.map(|message| message.id.clone()).collect();
            out.push(Moved { id: map.id.clone(), cell: "key", kinds });
        }
    }
    for message in &after.messages {
        let Some(was) = before.messages.iter().find(|was| was.id == message.id) else { continue };
        if made_of(&was.heading, &was.rows, "unit") != made_of(&message.heading, &message.rows, "unit") {
            out.push(Moved { id: message.id.clone(), cell: "unit", kinds: vec![message.id.clone()] });
        }
    }
    out
}

/// The facilities that a layer is laid for.
pub(super) fn facilities<'c>(config: &'c Config, layer: &'c str) -> impl Iterator<Item = &'c Facility> {
    config.facilities.iter().filter(move |written| layer == NETWORK || written.code == layer)
}

/// Warns of ids that change at a facility which has recorded messages with them.
///
/// # Errors
/// The database.
pub(super) fn warn_of_ids<'s>(
    config: &Config,
    store: &Store,
    layer: &str,
    before: impl Fn(&str) -> Option<&'s MappingSet>,
    after: impl Fn(&str) -> Option<&'s MappingSet>,
) -> Result<(), StoreError> {
    for code in facilities(config, layer).map(|written| written.code.as_str()) {
        // Where what is active now gives no set there is nothing to compare with.
        let (Some(at), Some(before), Some(after)) = (store.facility(code), before(code), after(code)) else {
            continue;
        };
        for Moved { id, cell, kinds } in moved(before, after) {
            let mut recorded = Vec::new();
            for kind in kinds {
                if at.has_recorded(&kind)? {
                    recorded.push(kind);
                }
            }
            if recorded.is_empty() {
                continue;
            }
            let (kinds, first) = (recorded.join(", "), &recorded[0]);
            eprintln!(
                "warning: {code}: the {cell} of '{id}' changes, and messages of {kinds} are recorded: what they made gets \
                 other ids. Once the version is active, `message retranslate --facility {code} --kind {first}` makes it \
                 anew and deletes the former ones; until then both stand side by side. Of messages whose bytes are no \
                 longer kept the former ids stay.\n    \
                 注意: 施設 {code}: {id} の {cell} が変わります。{kinds} の電文がもう記録されているので、作ったものの id が変わります。\
                 有効にしたあと `message retranslate --facility {code} --kind {first}` で直し直すと、前の id のものは消えます(それまでは両方が並びます)。\
                 原文の保存期間が過ぎた電文のものは、前の id のまま残ります。"
            );
        }
    }
    Ok(())
}

/// Says how many messages wait to be sent as the version before made them.
///
/// # Errors
/// The database.
pub(super) fn say_waiting(
    config: &Config,
    store: &Store,
    layer: &str,
    active: &Built,
) -> Result<(), StoreError> {
    for code in facilities(config, layer).map(|written| written.code.as_str()) {
        let (Some(at), Some(set)) = (store.facility(code), active.set_of(code)) else { continue };
        let waiting = at.waiting_outdated(set.version(), "")?;
        if waiting > 0 {
            eprintln!(
                "warning: {code}: {waiting} messages wait to be sent as the version before made them, and will be. To have \
                 them made anew first: message retranslate --facility {code}\n    \
                 注意: 施設 {code}: 前の版で直した未送信の電文が {waiting} 件あり、このままでは前の版のまま送られます。\
                 先に直し直すには: message retranslate --facility {code}"
            );
        }
    }
    Ok(())
}

/// Says of problems that a facility's layer brings about what is to be done first.
pub(super) fn say_whose(layer: &str, problems: &[Problem]) {
    let whose: BTreeSet<&str> = problems.iter().map(|problem| problem.facility.as_str()).collect();
    for code in whose.into_iter().filter(|code| !code.is_empty() && *code != layer) {
        eprintln!(
            "the layer of facility {code} does not fit: first save and activate a version of it that fits both (mapping \
             save --layer {code} …), or let nothing lie there (mapping activate --layer {code} --reason … 0)\n    \
             施設 {code} の層が合いません。先に、どちらにも合う版を保存して有効にするか(mapping save --layer {code} …)、\
             その層を外してください(mapping activate --layer {code} --reason … 0)。"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Moved, moved};
    use crate::app::mappings::shipped;
    use renkei_translate::mapping::{Layer, MappingSet, Rank, SourceFile};

    fn with(path: &str, text: &str) -> MappingSet {
        let network = vec![SourceFile { path: path.into(), text: text.into() }];
        MappingSet::layered(vec![Layer::new(Rank::Shipped, shipped()), Layer::new(Rank::Network, network)])
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    #[test]
    fn a_key_or_unit_that_changes_is_told_with_its_messages() {
        let plain = MappingSet::load(shipped()).unwrap();
        assert_eq!(moved(&plain, &plain), []);
        let unit =
            with("messages/a.toml", "[message]\nid = \"OMP-02\"\nunit = [\"'injection'\", \"ORC-3.1\"]\n");
        assert_eq!(
            moved(&plain, &unit),
            [Moved { id: "OMP-02".into(), cell: "unit", kinds: vec!["OMP-02".into()] }]
        );
        let key = with("maps/a.toml", "[map]\nid = \"coverage\"\nkey = [\"PID-3.1\", \"IN1-1\"]\n");
        let told = moved(&plain, &key);
        let [Moved { id, cell: "key", kinds }] = told.as_slice() else { panic!("{told:?}") };
        assert!(id == "coverage" && kinds.contains(&"ADT-00".to_owned()), "{kinds:?}");
    }
}
