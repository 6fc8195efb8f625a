//! `check`: everything that is wrong with an installation, at once.

use super::mapping::set_name;
use super::open::{ConfigFile, print};
use crate::app::{self, mappings};
use crate::config::{self, Weight};
use crate::store::{Layers, OpenError, inspect_identity};
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
    if let Some(config) = &config {
        errors += mapping(config);
        errors += keys(config);
    } else if let Err(problems) = mappings::load(None) {
        super::mapping::print(&problems);
        errors += problems.len();
    }
    eprintln!("{}: {errors} errors, {warnings} warnings", file.config.display());
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_CONFIG) })
}

/// Says which mappings there are and what they are made of; the number of errors.
fn mapping(config: &config::Config) -> usize {
    let (layers, unread) = match Layers::inspect(&config.data_dir) {
        Ok(layers) => (layers, 0),
        Err(error) => {
            eprintln!(
                "the saved versions of the mappings cannot be read: {error}\n    マッピングの保存された版を読めません。"
            );
            (None, 1)
        }
    };
    let sources = mappings::Sources::new(config, layers.as_ref());
    let line = |of: &str, named: &mappings::Named| {
        let (set, name) = (&named.set, set_name(&named.name));
        eprintln!("mapping {}{of} ({name}): {} message types", set.version(), set.messages().len());
    };
    let mut errors = unread;
    let missing = config::folders(config);
    if !missing.is_empty() {
        // Said with the line that names them; without them there is no set to look at.
        print(&missing);
        return errors + missing.len();
    }
    match sources.build() {
        Ok(built) => {
            line("", &built.common);
            built.own.iter().for_each(|(facility, named)| line(&format!(" of {facility}"), named));
            let known = |facility: &str| {
                let set = &built.own.get(facility).unwrap_or(&built.common).set;
                set.layouts().map(|layout| layout.id.clone()).collect()
            };
            let wrong = config::layouts(config, known);
            print(&wrong);
            errors += wrong.len();
        }
        Err(problems) => {
            super::mapping::print(&problems);
            if layers.as_ref().is_some_and(|layers| layers.epoch().is_ok_and(|epoch| epoch > 0)) {
                eprintln!(
                    "A version that was activated does not fit any more? renkei-bridge mapping rollback goes back.\n    \
                     有効な版が今の標準と合わないときは、renkei-bridge mapping rollback で前の版に戻せます。"
                );
            }
            errors += problems.len();
        }
    }
    for layer in layers.iter().flat_map(|layers| layers.layers().unwrap_or_default()) {
        let active = layers.as_ref().and_then(|layers| layers.active(&layer).ok().flatten());
        if let (Some(dir), Some(number)) = (sources.folder(&layer), active) {
            eprintln!(
                "warning: {layer}: version {number} is active, but the configuration names the folder {}, which stands in its place\n    \
                 版 {number} が有効ですが、設定にフォルダが書いてあるので、そちらを使います。",
                dir.display()
            );
        }
    }
    errors
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
        Some(_) => {
            let wrong = config::backup_key(config);
            print(&wrong);
            errors += wrong.len();
            if wrong.is_empty() {
                eprintln!("backup: at \"{}\"", config.schedule.backup);
            }
        }
    }
    errors
}
