//! Commands that look into the store, beside a running `serve` or without one.
//!
//! Masked by default: names of patients, their ids, resource ids and file names are shown with `--reveal` and
//! a reason only, and the audit trail has both before a byte is shown.

mod ledger;
mod list;
mod quarantine;
mod show;

use super::open::ConfigFile;
use crate::store::{FacilityStore, MessageId, Store};
use std::process::ExitCode;
use std::sync::Arc;

pub(super) use ledger::{Ledger, run as ledger};
pub(super) use quarantine::{Quarantine, run as quarantine};

/// What to do with messages.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Message {
    /// List messages, newest first.
    List(list::List),
    /// Show one message: how it stands, what was found, its shape.
    Show(show::Show),
    /// Have messages translated and sent again.
    Replay(Replay),
    /// Translate messages again that another version of the mappings translated, registered or not yet sent: the same
    /// resources, as the active version makes them.
    Retranslate(Retranslate),
}

/// Which facility.
#[derive(Debug, clap::Args)]
struct Where {
    #[command(flatten)]
    file: ConfigFile,
    /// One facility in place of all.
    #[arg(long, value_name = "CODE")]
    facility: Option<String>,
    #[command(flatten)]
    author: Author,
}

impl Where {
    fn stores(&self, store: &Store) -> anyhow::Result<Vec<Arc<FacilityStore>>> {
        match &self.facility {
            None => Ok(store.facilities()),
            Some(code) => match store.facility(code) {
                Some(found) => Ok(vec![found]),
                None => anyhow::bail!("there is no facility {code} in {}", self.file.config.display()),
            },
        }
    }
}

/// The arguments of `message replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    which: quarantine::Which,
}

/// The arguments of `message retranslate`.
#[derive(Debug, clap::Args)]
pub(super) struct Retranslate {
    #[command(flatten)]
    at: Where,
    /// Only those of this message file: OML-11.
    #[arg(long, default_value = "")]
    kind: String,
    /// Say how many there are and do nothing.
    #[arg(long)]
    count: bool,
}

/// Lists, shows or replays messages.
pub(super) fn message(command: Message) -> anyhow::Result<ExitCode> {
    match command {
        Message::List(arguments) => list::run(&arguments),
        Message::Show(arguments) => show::run(&arguments),
        Message::Retranslate(arguments) => quarantine::retranslate(&arguments),
        Message::Replay(arguments) => quarantine::replay(&arguments.at, &arguments.which, "replay"),
    }
}

/// What to do with the audit trail.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Audit {
    /// Follow the chain from its first entry and say whether it is whole.
    Verify(ConfigFile),
}

/// Verifies the audit trail.
pub(super) fn audit(command: &Audit) -> anyhow::Result<ExitCode> {
    let Audit::Verify(file) = command;
    let (_, store) = match file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    match store.audit().verify() {
        Ok(entries) => {
            eprintln!("{entries} entries, the chain is whole");
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            eprintln!("{broken}");
            Ok(ExitCode::from(super::EXIT_DATA))
        }
    }
}

/// Who does what a command does: people often share the user of the service.
#[derive(Debug, clap::Args)]
pub(super) struct Author {
    /// Who does this: the audit trail names them beside the user of the system.
    #[arg(long, value_name = "NAME", value_parser = name)]
    author: Option<String>,
}

impl Author {
    /// Who the audit trail names.
    pub(super) fn who(&self) -> String {
        who_of(self.author.as_deref())
    }
}

/// Who the audit trail names, beside the user of the system.
pub(super) fn who_of(author: Option<&str>) -> String {
    match author {
        Some(author) => format!("{} ({author})", who()),
        None => who(),
    }
}

/// Characters of a person's name at most.
const MAX_NAME: usize = 64;

/// The name of a person, as it is written into the audit trail.
fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(format!(
            "the name of a person, of {MAX_NAME} characters at most / 人の名前（{MAX_NAME}字まで）を書いてください"
        ));
    }
    Ok(name.to_owned())
}

/// Who the audit trail names: the person behind sudo, else the user of the process.
pub(super) fn who() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    format!("cli:{}", name.unwrap_or_else(|| "unknown".into()))
}

/// A day as written: `2026-04-01` or `20260401`.
fn day(text: &str) -> Result<u32, String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    chrono::NaiveDate::parse_from_str(&digits, "%Y%m%d")
        .ok()
        .filter(|_| digits.len() == 8)
        .and_then(|_| digits.parse().ok())
        .ok_or_else(|| "a day is written 2026-04-01".into())
}

fn id(text: &str) -> Result<MessageId, String> {
    text.parse().map_err(|_| "the number of a message is expected, as `message list` prints it".into())
}

#[cfg(test)]
mod tests {
    use super::{day, name, who, who_of};

    #[test]
    fn the_audit_trail_names_the_person_beside_the_user() {
        assert_eq!(who_of(Some("山田 花子")), format!("{} (山田 花子)", who()));
        assert_eq!(who_of(None), who());
        assert_eq!(name(" 山田 "), Ok("山田".into()));
        assert!(name(" ").is_err() && name("a\nb").is_err() && name(&"x".repeat(65)).is_err());
    }

    #[test]
    fn days_are_read_both_ways() {
        assert_eq!(day("2026-04-01"), Ok(20_260_401));
        assert_eq!(day("20260401"), Ok(20_260_401));
        assert!(day("2026-02-30").is_err());
        assert!(day("2026-4-1").is_err());
    }
}
