//! `ledger`: the daily sum of each facility. `ledger export`: every message without its patient.

use super::{ConfigFile, Where, day};
use crate::cli::print::say;
use crate::store::DaySum;
use std::process::ExitCode;

/// The arguments of `ledger`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Ledger {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    at: Where,
    /// First day of receipt; the first of all where none is named.
    #[arg(long, value_name = "DAY", value_parser = day, default_value = "1900-01-01")]
    from: u32,
    /// Last day of receipt.
    #[arg(long, value_name = "DAY", value_parser = day, default_value = "9999-12-31")]
    to: u32,
    /// A line of JSON per day and facility.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write every message as a line of CSV: kind, state and days, and a key in place of the patient.
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    author: super::Author,
    /// First day of receipt; the first of all where none is named.
    #[arg(long, value_name = "DAY", value_parser = day, default_value = "1900-01-01")]
    from: u32,
    /// Last day of receipt.
    #[arg(long, value_name = "DAY", value_parser = day, default_value = "9999-12-31")]
    to: u32,
}

fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let (config, store) = match arguments.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    store.audit().append(&arguments.author.who(), "ledger-export", "", "")?;
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let messages =
        crate::participation::write_ledger(&store, &config.members(), arguments.from, arguments.to, out)?;
    eprintln!("{messages} messages");
    Ok(ExitCode::SUCCESS)
}

#[derive(serde::Serialize)]
struct Line<'a> {
    facility: &'a str,
    #[serde(flatten)]
    sum: &'a DaySum,
    balanced: bool,
}

/// Prints. Exit 1 where a day does not balance: that is an alarm.
pub(in crate::cli) fn run(arguments: &Ledger) -> anyhow::Result<ExitCode> {
    if let Some(Command::Export(arguments)) = &arguments.command {
        return export(arguments);
    }
    let (_, store) = match arguments.at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let mut balanced = true;
    if !arguments.json {
        say!(
            "facility\tday\treceived\t= registered\t+ pending\t+ quarantined\t+ rejected\t+ excluded\tbalanced"
        );
    }
    for facility in arguments.at.stores(&store)? {
        for sum in facility.sums(arguments.from, arguments.to)? {
            balanced &= sum.balanced();
            if arguments.json {
                let line = Line { facility: facility.code(), sum: &sum, balanced: sum.balanced() };
                say!("{}", serde_json::to_string(&line)?);
                continue;
            }
            say!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                facility.code(),
                sum.day,
                sum.received,
                sum.registered,
                sum.pending,
                sum.quarantined,
                sum.rejected,
                sum.excluded,
                if sum.balanced() { "yes" } else { "NO" },
            );
        }
    }
    Ok(if balanced { ExitCode::SUCCESS } else { ExitCode::from(crate::cli::EXIT_DATA) })
}
