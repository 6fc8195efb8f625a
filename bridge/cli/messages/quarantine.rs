//! `quarantine list|release|discard` and `message replay`.

use super::{MessageId, Where, id};
use crate::cli::print::{say, sentences, time};
use crate::store::{FacilityStore, Selection, State, Store};
use std::process::ExitCode;
use std::sync::Arc;

/// What to do with what is held.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Quarantine {
    /// Why messages are held, the most frequent reason first.
    List(List),
    /// Translate held messages again, with the mapping set that is active now.
    Release(Release),
    /// Leave held messages out: the record is as if they had never come. They are kept until their retention
    /// ends, and `message replay NUMBER` takes the discarding of one back.
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
            each(&arguments.at, &arguments.which, |store, at| {
                let target = format!("{} {}", at.code(), arguments.which.words());
                store.audit().append(&arguments.at.author.who(), "discard", &target, &arguments.reason)?;
                Ok(at.discard(&arguments.which.selection(), &arguments.reason)?)
            })
        }
    }
}

/// Has messages translated again; a running `serve` finds them by itself.
pub(super) fn replay(at: &Where, which: &Which, action: &'static str) -> anyhow::Result<ExitCode> {
    each(at, which, |store, facility| {
        store.audit().append(
            &at.author.who(),
            action,
            &format!("{} {}", facility.code(), which.words()),
            "",
        )?;
        Ok(facility.replay(&which.selection())?)
    })
}

/// Has messages translated again that another version of the mappings translated, registered or not yet sent.
pub(super) fn retranslate(arguments: &super::Retranslate) -> anyhow::Result<ExitCode> {
    let (config, store) = match arguments.at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    for facility in arguments.at.stores(&store)? {
        let set = match crate::cli::mapping::active(&config, Some(facility.code()))? {
            Ok(set) => set,
            Err(code) => return Ok(code),
        };
        let kind = arguments.kind.as_str();
        if !kind.is_empty() && !set.messages().iter().any(|known| known == kind) {
            eprintln!("--kind is one of / --kind に書けるもの: {}", set.messages().join(", "));
            return Ok(ExitCode::from(crate::cli::EXIT_USAGE));
        }
        let selection =
            Selection::Outdated { version: set.version().to_owned(), kind: arguments.kind.clone() };
        let waiting = facility.waiting_outdated(set.version(), &arguments.kind)?;
        let count = if arguments.count {
            facility.count(&selection)?
        } else {
            let target = format!("{} {}", facility.code(), arguments.kind);
            store.audit().append(
                &arguments.at.author.who(),
                "retranslate",
                target.trim_end(),
                set.version(),
            )?;
            facility.replay(&selection)?
        };
        eprintln!(
            "{}: {count} messages, {waiting} of them not sent yet / {count} 件(うち未送信 {waiting} 件)",
            facility.code()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Does something with the messages of each facility. Exit 1 where there were none. A message named by its number
/// is one message: where several facilities have that number, one must be named.
fn each(
    at: &Where,
    which: &Which,
    act: impl Fn(&Store, &FacilityStore) -> anyhow::Result<u64>,
) -> anyhow::Result<ExitCode> {
    let (_, store) = match at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let stores = at.stores(&store)?;
    one_each(&stores, &which.ids)?;
    let mut sum = 0;
    for facility in &stores {
        let count = act(&store, facility)?;
        eprintln!("{}: {count} messages", facility.code());
        sum += count;
    }
    Ok(if sum > 0 { ExitCode::SUCCESS } else { ExitCode::from(crate::cli::EXIT_DATA) })
}

/// The number of a message is unique within a facility only.
fn one_each(stores: &[Arc<FacilityStore>], ids: &[MessageId]) -> anyhow::Result<()> {
    for id in ids {
        let mut codes = Vec::new();
        for facility in stores {
            if facility.message(*id)?.is_some() {
                codes.push(facility.code());
            }
        }
        anyhow::ensure!(
            codes.len() < 2,
            "several facilities have a message {id}: name one by --facility: {}",
            codes.join(", ")
        );
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::one_each;
    use crate::store::{Arrival, Config, MessageId, Origin, Store};

    #[tokio::test]
    async fn a_number_that_two_facilities_have_is_acted_on_at_none() {
        let dir = tempfile::tempdir().unwrap();
        let codes = ["1319999998".to_owned(), "1319999999".to_owned()];
        let store =
            Store::open(dir.path(), &codes, Config { soft_free: 0, hard_free: 0, ..Config::default() })
                .unwrap();
        let (mut first, mut second) = (MessageId(0), MessageId(0));
        for (number, code) in ["0", "1", "1"].iter().zip([0, 0, 1]) {
            let arrival = Arrival {
                feed: "a".into(),
                name: format!("{number}{code}"),
                body: b"MSH|".to_vec(),
                origin: Origin::default(),
                received_ms: 1_767_571_200_000,
                duplicate_window_ms: 0,
            };
            let id = store.facility(&codes[code]).unwrap().accept(arrival).await.unwrap().id;
            if *number == "0" {
                first = id;
            } else if code == 0 {
                second = id;
            }
        }
        let all = store.facilities();
        let refusal = one_each(&all, &[second, first]).unwrap_err().to_string();
        assert!(refusal.contains("1319999998, 1319999999"), "{refusal}");
        assert!(one_each(&all, &[second]).is_ok(), "only the first facility has two messages");
        assert!(one_each(&all[..1], &[first]).is_ok(), "one was named");
    }
}
