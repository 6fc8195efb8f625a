//! Opens what a command works on: the configuration, and the store beside a running `serve`.

use crate::config::{self, Config, Problem};
use crate::store::Store;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// `--config FILE`.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration, bridge.toml.
    #[arg(long, value_name = "FILE", default_value = "/etc/renkei-bridge/bridge.toml")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// Reads it; on errors prints them all and gives the exit code for a bad configuration.
    pub(super) fn load(&self) -> Result<Config, ExitCode> {
        match config::load(&self.config) {
            Ok((config, warnings)) => {
                print(&warnings);
                Ok(config)
            }
            Err(problems) => {
                print(&problems);
                Err(ExitCode::from(super::EXIT_CONFIG))
            }
        }
    }

    /// Reads it and opens its store. Short transactions of this process and of a running `serve` wait for
    /// each other.
    pub(super) fn store(&self) -> anyhow::Result<Result<(Config, Arc<Store>), ExitCode>> {
        match self.load() {
            Ok(config) => {
                let store = crate::app::open_store(&config)?;
                for (code, error) in store.damaged() {
                    eprintln!("the store of facility {code} cannot be used, it is left out: {error}");
                }
                Ok(Ok((config, store)))
            }
            Err(code) => Ok(Err(code)),
        }
    }
}

/// Prints problems on standard error.
pub(super) fn print(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{problem}");
    }
}
