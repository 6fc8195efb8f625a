//! `quarantine list|release|discard` and `message replay`.

use super::{MessageId, Where, id, who};
use crate::cli::print::{say, sentences, time};
use crate::store::{Selection, State, Store};
use std::process::ExitCode;

/// What to do with what is held.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Quarantine {
    /// Why messages are held, the most frequent reason first.
    List(List),
    /// Translate held messages again, with the mapping set that is active now.
    Release(Release),
    /// Leave held messages out for good. They are kept until their retention ends.
    Discard(Discard),
}

/// The arguments of `quarantine list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    at: Where,
}

/// The arguments of `quarantine release`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Release {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    which: Which,
}

/// The arguments of `quarantine discard`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Discard {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    which: Which,
    /// Why; the audit trail keeps it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Which messages: by number, by cause or by state.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(in crate::cli) struct Which {
    /// Numbers of messages, as `message list` prints them.
    #[arg(value_name = "NUMBER", value_parser = id, required_unless_present_any = ["code", "state"], conflicts_with_all = ["code", "state"])]
    ids: Vec<MessageId>,
    /// All with this finding, as `quarantine list` prints it.
    #[arg(long, conflicts_with = "state")]
    code: Option<String>,
    /// With --code: at this position; at any where none is named.
    #[arg(long, default_value = "", requires = "code")]
    position: String,
    /// With --code: met by this rule; by any where none is named.
    #[arg(long, default_value = "", requires = "code")]
    rule: String,
    /// All in this state: quarantined, held or rejected.
    #[arg(long, value_parser = state)]
    state: Option<State>,
}

fn state(word: &str) -> Result<State, String> {
    match State::of(word) {
        Some(state @ (State::Quarantined | State::Held | State::Rejected)) => Ok(state),
        _ => Err("one of quarantined, held, rejected".into()),
    }
}

impl Which {
    fn selection(&self) -> Selection {
        match (&self.code, self.state) {
            (Some(code), _) => Selection::Cause {
                code: code.clone(),
                position: self.position.clone(),
                rule: self.rule.clone(),
            },
            (None, Some(state)) => Selection::State(state),
            (None, None) => Selection::Messages(self.ids.clone()),
        }
    }

    /// For the audit trail.
    fn words(&self) -> String {
        match (&self.code, self.state) {
            (Some(code), _) => format!("{code} {} {}", self.position, self.rule).trim_end().to_owned(),
            (None, Some(state)) => state.as_str().to_owned(),
            (None, None) => self.ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Lists, releases or discards.
pub(in crate::cli) fn run(command: Quarantine) -> anyhow::Result<ExitCode> {
    match command {
        Quarantine::List(arguments) => list(&arguments),
        Quarantine::Release(arguments) => replay(&arguments.at, &arguments.which, "release"),
        Quarantine::Discard(arguments) => {
            anyhow::ensure!(!arguments.reason.trim().is_empty(), "--reason must say why");
            each(&arguments.at, |store, at| {
                let target = format!("{} {}", at.code(), arguments.which.words());
                store.audit().append(&who(), "discard", &target, &arguments.reason)?;
                Ok(at.discard(&arguments.which.selection(), &arguments.reason)?)
            })
        }
    }
}

/// Has messages translated again; a running `serve` finds them by itself.
pub(super) fn replay(at: &Where, which: &Which, action: &'static str) -> anyhow::Result<ExitCode> {
    each(at, |store, facility| {
        store.audit().append(&who(), action, &format!("{} {}", facility.code(), which.words()), "")?;
        Ok(facility.replay(&which.selection())?)
    })
}

/// Does something with the messages of each facility. Exit 1 where there were none.
fn each(
    at: &Where,
    act: impl Fn(&Store, &crate::store::FacilityStore) -> anyhow::Result<u64>,
) -> anyhow::Result<ExitCode> {
    let (_, store) = match at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let stores = at.stores(&store)?;
    // The number of a message is unique within a facility only.
    let mut sum = 0;
    for facility in &stores {
        let count = act(&store, facility)?;
        eprintln!("{}: {count} messages", facility.code());
        sum += count;
    }
    Ok(if sum > 0 { ExitCode::SUCCESS } else { ExitCode::from(crate::cli::EXIT_DATA) })
}

fn list(arguments: &List) -> anyhow::Result<ExitCode> {
    let (_, store) = match arguments.at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    for facility in arguments.at.stores(&store)? {
        for cause in facility.causes()? {
            let (ja, en) = sentences(&cause.code);
            say!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{}\n\t{ja}\n\t{en}",
                facility.code(),
                cause.count,
                cause.code,
                cause.position,
                cause.rule,
                time(cause.oldest_ms),
                cause.example,
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
