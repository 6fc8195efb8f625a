//! `mapping trial`: what a saved version would change in the messages that the stores hold, before it is active.
//!
//! Each message is translated twice, by the set at work and by the one that an activation would give; nothing is
//! recorded. Of a message only its number is told.

use super::diff::{Effect, changes};
use super::effects::facilities;
use super::versions::{self, Which};
use crate::app;
use crate::app::mappings::{Built, Sources};
use crate::cli::print::say;
use crate::config::{Config, Facility};
use crate::store::{Filter, MessageId, NETWORK, Store};
use renkei_translate::mapping::{self, MappingSet};
use renkei_translate::translation::Context;
use std::process::ExitCode;
use std::sync::Arc;

/// The arguments of `mapping trial`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The number of the version; 0 for nothing in its place.
    #[arg(value_name = "NUMBER")]
    number: u32,
    /// Messages of each facility that are tried, the newest.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    messages: usize,
    /// Only messages of this message file: OML-11.
    #[arg(long, default_value = "")]
    kind: String,
}

/// Messages of each facility that an activation tries by itself.
const BY_ITSELF: usize = 200;
/// Lines that it says of them.
const LINES: usize = 10;

/// What a version does to the messages of one facility.
struct Tried<'c> {
    facility: &'c str,
    effect: Effect,
    messages: usize,
}

/// The newest messages of a facility, by number.
fn newest(store: &Store, facility: &str, most: usize, kind: &str) -> anyhow::Result<Vec<MessageId>> {
    let Some(at) = store.facility(facility) else { return Ok(Vec::new()) };
    let mut found: Vec<MessageId> = Vec::new();
    while found.len() < most {
        let filter = Filter {
            kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
            before: found.last().copied(),
            limit: (most - found.len()).min(1_000),
            ..Filter::default()
        };
        let lines = at.messages(&filter)?;
        if lines.is_empty() {
            break;
        }
        found.extend(lines.iter().map(|line| line.id));
    }
    Ok(found)
}

/// Tries the newest messages of a facility. Those whose bytes are no longer kept do not count.
fn tried<'c>(
    written: &'c Facility,
    store: &Store,
    sets: (Option<&MappingSet>, Option<&MappingSet>),
    most: usize,
    kind: &str,
) -> anyhow::Result<Tried<'c>> {
    let mut out = Tried { facility: &written.code, effect: Effect::default(), messages: 0 };
    let (Some(at), (Some(before), Some(after))) = (store.facility(&written.code), sets) else {
        return Ok(out);
    };
    // The same rules: whatever there is stays as it is.
    if before.version() == after.version() {
        return Ok(out);
    }
    let settings = Arc::new(app::facility(written)?);
    for id in newest(store, &written.code, most, kind)? {
        let Some(detail) = at.message(id)?.filter(|detail| !detail.body.is_empty()) else { continue };
        let context = Context {
            facility: settings.clone(),
            id_key: store.id_key(),
            file: detail.origin.file.clone(),
            path_patient: detail.origin.path_patient,
            lists: detail.origin.lists,
            feed: detail.origin.feed.clone(),
        };
        let [before, after] = [before, after].map(|set| mapping::translate(set, &detail.body, &context));
        let kind = before.kind.clone().or(after.kind.clone()).unwrap_or_else(|| "?".to_owned());
        out.effect.add(&before, &after, || format!("{kind} {id}"));
        out.messages += 1;
    }
    Ok(out)
}

/// The set whose rules are compared: that of a facility, or what all share.
fn compared<'b>(built: &'b Built, layer: &str) -> Option<&'b MappingSet> {
    match layer {
        NETWORK => built.common.as_ref().map(|named| &named.set),
        code => built.set_of(code),
    }
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (config, store) = match versions::open(&arguments.which)? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let (layer, number) = (arguments.which.layer.as_str(), Some(arguments.number).filter(|n| *n > 0));
    if let Some(number) = number
        && !store.layers().versions(layer)?.iter().any(|version| version.number == number)
    {
        return Ok(versions::nothing(layer));
    }
    let at_work = Sources::new(&config, Some(store.layers()));
    let (before, after) = (at_work.build(), Sources { instead: Some((layer, number)), ..at_work }.build());
    if !after.problems.is_empty() {
        super::print(&after.problems);
    }
    versions::say_folder(&at_work, layer);
    let (Some(from), Some(to)) = (compared(&before, layer), compared(&after, layer)) else {
        eprintln!(
            "one of the two makes no set: there is nothing to compare / 片方の規則がまとまらないので、比べられません"
        );
        return Ok(ExitCode::from(super::super::EXIT_DATA));
    };
    let kind = arguments.kind.as_str();
    let known = |set: &MappingSet| set.messages().iter().any(|known| known == kind);
    if !kind.is_empty() && !known(from) && !known(to) {
        eprintln!("--kind is one of / --kind に書けるもの: {}", to.messages().join(", "));
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    }
    let rules = changes(from, to);
    for change in &rules {
        say!("{change}");
    }
    eprintln!("{} changes of rules / 規則の変更", rules.len());
    let mut whole = true;
    for written in facilities(&config, layer) {
        let sets = (before.set_of(&written.code), after.set_of(&written.code));
        if sets.0.is_none() || sets.1.is_none() {
            // No count of nothing: it would read as if nothing changed.
            eprintln!(
                "{}: its layers make no set, nothing was tried / 規則がまとまらないので、試していません",
                written.code
            );
            whole = false;
            continue;
        }
        let tried = tried(written, &store, sets, arguments.messages, kind)?;
        let Tried { facility, effect, messages } = &tried;
        for line in effect.lines(false) {
            say!("{facility}{line}");
        }
        eprintln!("{facility}: {} of {messages} messages change / 変わる電文", effect.changed);
    }
    eprintln!(
        "nothing was recorded; to make it active: mapping activate --layer {layer} {} / 何も記録していません",
        arguments.number
    );
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(super::super::EXIT_DATA) })
}

/// Says in short what an activation will do to messages like those of late. It is a help: what goes wrong with it is
/// said and stops nothing.
pub(super) fn say_effects(config: &Config, store: &Store, layer: &str, before: &Built, after: &Built) {
    for written in facilities(config, layer) {
        let sets = (before.set_of(&written.code), after.set_of(&written.code));
        let tried = match tried(written, store, sets, BY_ITSELF, "") {
            Ok(tried) => tried,
            Err(error) => {
                eprintln!("{}: the messages of late cannot be tried: {error}", written.code);
                continue;
            }
        };
        let Tried { facility, effect, messages } = &tried;
        if effect.changed == 0 {
            continue;
        }
        let lines = effect.lines(false);
        lines.iter().take(LINES).for_each(|line| eprintln!("{facility}{line}"));
        if lines.len() > LINES {
            eprintln!("{facility}: … {} more / ほか {0} 種類: mapping trial", lines.len() - LINES);
        }
        eprintln!(
            "{facility}: of the {messages} newest messages {} would change / 直近 {messages} 件のうち {1} 件が変わります",
            effect.changed, effect.changed
        );
    }
}
