//! `mapping check` and `mapping test`.

use crate::app::mappings;
use renkei_translate::mapping::{MappingSet, Problem};
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with a mapping set.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Mapping {
    /// Load a set and say everything that is wrong with it.
    Check(Set),
    /// Run the tests that stand in its files.
    Test(Set),
    /// What becomes of every field, what is left out and why.
    Coverage(Box<super::coverage::Arguments>),
}

/// Which set.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// A mapping set in place of the one inside the program.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
}

impl Set {
    fn load(&self) -> Result<MappingSet, ExitCode> {
        mappings::load(self.mappings.as_deref()).map_err(|problems| {
            print(&problems);
            ExitCode::from(super::EXIT_DATA)
        })
    }
}

/// Does it.
pub(super) fn run(command: &Mapping) -> anyhow::Result<ExitCode> {
    Ok(match command {
        Mapping::Check(set) => set.load().map_or_else(|code| code, |set| check(&set)),
        Mapping::Test(set) => set.load().map_or_else(|code| code, |set| test(&set)),
        Mapping::Coverage(arguments) => super::coverage::run(arguments)?,
    })
}

fn check(set: &MappingSet) -> ExitCode {
    eprintln!("mapping {}: {} message types, no problems", set.version(), set.messages().len());
    ExitCode::SUCCESS
}

fn test(set: &MappingSet) -> ExitCode {
    let results = set.run_tests();
    let failed: Vec<_> = results.iter().filter(|result| !result.failures.is_empty()).collect();
    for result in &failed {
        eprintln!("{}:{}: {}", result.file, result.line, result.name);
        for failure in &result.failures {
            eprintln!("    {failure}");
        }
    }
    eprintln!("{} tests, {} failed", results.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_DATA) }
}

/// Prints the problems of a set on standard error, in both languages.
pub(super) fn print(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{problem}\n    {}", problem.ja);
    }
    eprintln!("the mapping set has {} problems", problems.len());
}
