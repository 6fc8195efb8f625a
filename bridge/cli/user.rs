//! `user`: the first administrator, and a way in when nobody can sign in any more.

use super::messages::Author;
use super::open::ConfigFile;
use super::print::{say, time};
use crate::app::now_ms;
use crate::config::Config;
use crate::console::people::{self, Wanted};
use crate::console::rights::Role;
use crate::console::words::word;
use crate::store::{Change, Store, User};
use renkei_translate::finding::Language;
use std::process::ExitCode;
use std::sync::Arc;

/// People who may sign in to the console.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a person; a one-time code for the first sign-in is printed.
    Add(Add),
    /// Give a person a new one-time code and have the second factor set up again.
    Reset(Reset),
    /// List people.
    List(ConfigFile),
}

/// The arguments of `user add`.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[command(flatten)]
    file: ConfigFile,
    /// What is typed to sign in: small letters, digits, `.`, `-`, `_`.
    name: String,
    /// 氏名.
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// viewer, operator, editor, approver, administrator or prefecture; several times for several.
    #[arg(long = "role", value_parser = role, default_value = "administrator")]
    roles: Vec<Role>,
    /// A facility that the rights are bounded by; several times for several. Without it: all.
    #[arg(long = "facility", value_name = "CODE")]
    facilities: Vec<String>,
    #[command(flatten)]
    author: Author,
}

/// The arguments of `user reset`.
#[derive(Debug, clap::Args)]
pub(super) struct Reset {
    #[command(flatten)]
    file: ConfigFile,
    /// Who.
    name: String,
    #[command(flatten)]
    author: Author,
}

fn role(word: &str) -> Result<Role, String> {
    Role::of(word).ok_or_else(|| {
        let words: Vec<_> = Role::ALL.iter().map(|role| role.word()).collect();
        format!("one of {}", words.join(", "))
    })
}

/// Does it.
pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let file = match &command {
        Command::Add(add) => &add.file,
        Command::Reset(reset) => &reset.file,
        Command::List(file) => file,
    };
    let (config, store) = match file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    match command {
        Command::Add(arguments) => add(&arguments, &config, &store),
        Command::Reset(arguments) => reset(&arguments, &store),
        Command::List(_) => list(&store),
    }
}

fn add(arguments: &Add, config: &Config, store: &Arc<Store>) -> anyhow::Result<ExitCode> {
    let known = |code: &&String| !config.facilities.iter().any(|facility| facility.code == **code);
    if let Some(code) = arguments.facilities.iter().find(known) {
        eprintln!("施設 {code} は設定にありません。 / The configuration has no facility {code}.");
        return Ok(ExitCode::from(super::EXIT_DATA));
    }
    let wanted = Wanted {
        name: arguments.name.clone(),
        display: arguments.display.clone().unwrap_or_else(|| arguments.name.clone()),
        roles: arguments.roles.clone(),
        facilities: Some(arguments.facilities.clone()).filter(|codes| !codes.is_empty()),
    };
    match people::invite(store.users(), &wanted, now_ms())? {
        Err(problem) => {
            eprintln!("{} / {}", word(problem, Language::Ja), word(problem, Language::En));
            Ok(ExitCode::from(super::EXIT_DATA))
        }
        Ok(code) => {
            let rights = people::words(&wanted.roles).join(" ");
            store.audit().append(&arguments.author.who(), "user-invited", &wanted.name, &rights)?;
            paper(&code)
        }
    }
}

fn reset(arguments: &Reset, store: &Arc<Store>) -> anyhow::Result<ExitCode> {
    let known = store.users().list()?.into_iter().find(|user| user.name == arguments.name);
    let Some(user) = known else {
        eprintln!("利用者 {0} はいません。 / There is no user {0}.", arguments.name);
        return Ok(ExitCode::from(super::EXIT_DATA));
    };
    let users = store.users();
    if users.set_totp(user.id, None)? != Change::Done || users.set_stopped(user.id, false)? != Change::Done {
        anyhow::bail!("the user has gone");
    }
    let code = people::renew(users, user.id, now_ms())?;
    store.audit().append(&arguments.author.who(), "user-reset", &user.name, "")?;
    paper(&code.ok_or_else(|| anyhow::anyhow!("the user has gone"))?)
}

/// The code on standard output, what to do with it on standard error.
fn paper(code: &str) -> anyhow::Result<ExitCode> {
    say!("{code}");
    eprintln!(
        "一回限りのコードです。7日以内に、ログイン画面でパスワードの代わりに入れてください。\n\
         A one-time code: type it in place of a password at the sign-in within 7 days."
    );
    Ok(ExitCode::SUCCESS)
}

fn list(store: &Arc<Store>) -> anyhow::Result<ExitCode> {
    for user in store.users().list()? {
        let facilities = user.facilities.as_ref().map_or_else(|| "*".to_owned(), |codes| codes.join(" "));
        let last = user.last_ms.map_or_else(|| "-".to_owned(), time);
        say!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            user.name,
            user.display,
            user.roles.join(" "),
            facilities,
            state(&user),
            last
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn state(user: &User) -> &'static str {
    match (user.stopped, user.temporary_until_ms.is_some(), user.enrolled) {
        (true, _, _) => "stopped",
        (_, true, _) => "invited",
        (_, _, false) => "no-second-factor",
        _ => "active",
    }
}
