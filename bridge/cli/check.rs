//! `check`: everything that is wrong with an installation, at once.

use super::open::{ConfigFile, print};
use crate::app::{self, mappings};
use crate::config::{self, Weight};
use crate::pipeline::Sets;
use crate::store::{BackupKey, OpenError, inspect_identity};
use std::collections::BTreeMap;
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
    let sets = match &config {
        Some(config) => mappings::of(config),
        None => mappings::load(None).map(|set| Sets::new(set, BTreeMap::new())),
    };
    match sets {
        Ok(sets) => {
            let set = sets.common().load();
            eprintln!("mapping {}: {} message types", set.version(), set.messages().len());
            for facility in sets.own() {
                let set = sets.of(facility).load();
                eprintln!("mapping {} of {facility}: {} message types", set.version(), set.messages().len());
            }
        }
        Err(problems) => {
            super::mapping::print(&problems);
            errors += problems.len();
        }
    }
    if let Some(config) = &config {
        errors += keys(config);
    }
    eprintln!("{}: {errors} errors, {warnings} warnings", file.config.display());
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_CONFIG) })
}

/// Says which secret of ids there is and whether backups are made; the number of errors.
fn keys(config: &config::Config) -> usize {
    let mut errors = 0;
    let elsewhere = config.store.identity_key.clone();
    let path = elsewhere.clone().unwrap_or_else(|| config.data_dir.join("identity.key"));
    match inspect_identity(&config.data_dir, elsewhere.as_deref()) {
        Ok(Some(fingerprint)) => eprintln!("identity key: {fingerprint}"),
        Ok(None) => eprintln!("identity key: is made at the first start"),
        Err(error @ OpenError::OtherKey) => {
            eprintln!(
                "{}: error: {error}\n    \
                 識別鍵が、この保存領域を作ったときのものではありません。別の鍵では全部が二重に登録されます。\
                 正しい鍵を、なければバックアップか紙の控えから戻してください。",
                path.display()
            );
            errors += 1;
        }
        Err(_) => {
            eprintln!(
                "{}: error: the identity key cannot be read, or is not 32 bytes long\n    \
                 識別鍵を読めないか、32バイトではありません。",
                path.display()
            );
            errors += 1;
        }
    }
    match &config.backup.key {
        None => {
            eprintln!("backup: none is made by itself; write [backup] / バックアップは設定されていません")
        }
        Some(key) => match BackupKey::read(key) {
            Ok(_) => eprintln!("backup: at \"{}\"", config.schedule.backup),
            Err(error) => {
                eprintln!(
                    "{}: error: the backup key cannot be used ({error})\n    \
                     バックアップの鍵を使えません。",
                    key.display()
                );
                errors += 1;
            }
        },
    }
    errors
}
