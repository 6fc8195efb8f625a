//! The command line: reads arguments, calls the part that does the work, prints, says how it went.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the data has
//! problems, 2 usage, 78 bad configuration.

mod backup;
mod check;
mod consent;
mod coverage;
mod mapping;
mod messages;
mod open;
mod participation;
mod print;
mod send;
mod serve;
mod translate;
mod user;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The data has problems.
pub const EXIT_DATA: u8 = 1;
/// The command was called wrongly.
pub const EXIT_USAGE: u8 = 2;
/// The configuration is wrong: `EX_CONFIG` of sysexits.
pub const EXIT_CONFIG: u8 = 78;

/// HL7 v2 and SS-MIX2 in, standardized FHIR out, nothing lost in between.
#[derive(Debug, Parser)]
#[command(name = "renkei-bridge", version, about, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Translate files without a store or a network; a line of JSON per message on standard output.
    Translate(translate::Arguments),
    /// All of it on one machine in a temporary folder: three invented facilities, a stand-in base, the console.
    Demo,
    /// Run the appliance.
    Serve(open::ConfigFile),
    /// Say everything that is wrong with a configuration, its mappings and its certificates.
    Check(open::ConfigFile),
    /// Send message files by MLLP and wait for each acknowledgment.
    Send(send::Arguments),
    /// List, show or replay messages.
    #[command(subcommand)]
    Message(messages::Message),
    /// List what is held and why, release it, discard it.
    #[command(subcommand)]
    Quarantine(messages::Quarantine),
    /// The daily sum: received = registered + pending + quarantined + rejected + excluded.
    Ledger(messages::Ledger),
    /// Check, take in or show the list of patients who are shared.
    #[command(subcommand)]
    Consent(consent::Consent),
    /// The month's 参加状況, as a workbook, CSV or JSON.
    Participation(participation::Arguments),
    /// Check, test or show a mapping set and its layers, or say what becomes of every field; export or import a layer.
    #[command(subcommand)]
    Mapping(mapping::Mapping),
    /// The audit trail.
    #[command(subcommand)]
    Audit(messages::Audit),
    /// Make a sealed backup while the appliance is at work.
    Backup(backup::Backup),
    /// Put a backup into an empty directory, or prove that it can be.
    Restore(backup::Restore),
    /// Run the stand-in base.
    Rehearsal(serve::Rehearsal),
    /// Add, reset or list the people who may sign in to the console.
    #[command(subcommand)]
    User(user::Command),
}

/// Reads the arguments of the process and does what they say.
pub fn run() -> ExitCode {
    let command = Arguments::parse().command;
    // A short command logs what went wrong only; the appliance says what it does.
    crate::telemetry::start(match command {
        Command::Serve(_) | Command::Rehearsal(_) => "info",
        _ => "warn",
    });
    let result = match command {
        Command::Translate(arguments) => translate::run(&arguments),
        Command::Demo => serve::demo(),
        Command::Serve(file) => serve::run(&file),
        Command::Check(file) => check::run(&file),
        Command::Send(arguments) => send::run(&arguments),
        Command::Message(command) => messages::message(command),
        Command::Quarantine(command) => messages::quarantine(command),
        Command::Ledger(arguments) => messages::ledger(&arguments),
        Command::Consent(command) => consent::run(&command),
        Command::Participation(arguments) => participation::run(&arguments),
        Command::Mapping(command) => mapping::run(&command),
        Command::Audit(command) => messages::audit(&command),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Rehearsal(arguments) => serve::rehearsal(&arguments),
        Command::User(command) => user::run(command),
    };
    match result {
        Ok(code) => code,
        // The reader of our output has gone, as `head` does: nothing to say and nobody to say it to.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("renkei-bridge: {error:#}");
            ExitCode::from(EXIT_DATA)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A runtime for the commands that talk to a network.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Arguments::command().debug_assert();
    }
}
