//! `send`: message files to a listener, by MLLP.

use super::print::say;
use crate::intake::send::{self, SendConfig};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments of `send`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The listener.
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Connections at once; the messages of a patient stay on one.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Message files, SS-MIX2 storages, folders of either.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Sends. Exit 1 where a message was not accepted.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = SendConfig { connections: arguments.connections, ..SendConfig::new(&arguments.to) };
    let (files, unreadable) = send::collect(&arguments.paths);
    let summary = super::runtime()?.block_on(send::send(&config, files, |progress| {
        if progress.sent != send::Sent::Accepted {
            // A result: on standard output, because the path of a storage's file names its patient.
            // Nobody reading it is no reason to stop sending.
            let _ = print(&progress.path, progress.sent.word());
        }
    }));
    for (answer, count) in &summary.by_answer {
        eprintln!("{count:>9} {answer}");
    }
    if summary.by_answer.contains_key(send::Sent::NoConnection.word()) {
        eprintln!(
            "Nobody answers at {0}: nothing was sent of those with no-connection. Check address, port and that it runs.\n    \
             {0} につながりません。no-connection の電文は送っていません。アドレスとポート、受け口が動いているかを確かめてください。",
            arguments.to
        );
    }
    eprintln!(
        "{:>9} messages, {} sent more than once, {unreadable} paths unreadable",
        summary.total(),
        summary.repeated
    );
    let done = summary.all_accepted() && unreadable == 0;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_DATA) })
}

fn print(path: &Path, word: &str) -> std::io::Result<()> {
    say!("{}: {word}", path.display());
    Ok(())
}
