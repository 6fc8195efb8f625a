//! Opens what a command works on: the configuration, and the store beside a running `serve`.

use crate::config::{self, Config, Problem};
use crate::store::Store;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
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
                match owner_in_the_way(&config.data_dir) {
                    None => Ok(config),
                    Some(owner) => {
                        eprintln!(
                            "{} belongs to user {owner}, and what root makes in it that user could not write.\n    \
                             Run it as that user: runuser -u renkei-bridge -- renkei-bridge …\n    \
                             データの置き場所の持ち主（renkei-bridge）で実行してください。",
                            config.data_dir.display()
                        );
                        Err(ExitCode::from(super::EXIT_USAGE))
                    }
                }
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

/// The owner of the data directory where we are root and it is not: files made now would lock the service out.
fn owner_in_the_way(data_dir: &Path) -> Option<u32> {
    let owner = std::fs::metadata(data_dir).ok()?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then_some(owner)
}

/// Prints problems on standard error.
pub(super) fn print(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{problem}");
    }
}
