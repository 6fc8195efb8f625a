//! `check`: everything that is wrong with an installation, at once.

use super::open::{ConfigFile, print};
use crate::app::{self, mappings};
use crate::config::{self, Weight};
use std::process::ExitCode;

/// Does it. Exit 78 where anything keeps the appliance from working; warnings alone do not.
pub(super) fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let (config, mut problems) = config::inspect(&file.config);
    if let Some(config) = &config {
        problems.extend(config::everything(config, app::now_ms() / 1_000));
        problems.sort_by_key(|problem| problem.line);
    }
    print(&problems);
    let mut errors = problems.iter().filter(|problem| problem.weight == Weight::Error).count();
    let warnings = problems.len() - errors;
    match mappings::load(config.as_ref().and_then(|config| config.mappings.as_deref())) {
        Ok(set) => eprintln!("mapping {}: {} message types", set.version(), set.messages().len()),
        Err(problems) => {
            super::mapping::print(&problems);
            errors += problems.len();
        }
    }
    eprintln!("{}: {errors} errors, {warnings} warnings", file.config.display());
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_CONFIG) })
}
