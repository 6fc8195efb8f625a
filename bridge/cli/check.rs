//! `check`: everything that is wrong with an installation, at once.

use super::mapping::set_name;
use super::open::{ConfigFile, print};
use crate::app::{self, mappings};
use crate::config::{self, Weight};
use crate::store::{Layers, NETWORK, OpenError, inspect_identity};
use renkei_translate::mapping::Problem;
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
    let mut warnings = problems.len() - errors;
    if let Some(config) = &config {
        let (more_errors, more_warnings) = mapping(config);
        errors += more_errors;
        warnings += more_warnings;
        errors += keys(config);
    } else if let Err(problems) = mappings::load(None) {
        super::mapping::print(&problems);
        errors += problems.len();
    }
    eprintln!("{}: {errors} errors, {warnings} warnings", file.config.display());
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_CONFIG) })
}

/// Says which mappings there are and what they are made of; the numbers of errors and of warnings.
fn mapping(config: &config::Config) -> (usize, usize) {
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
    let (mut errors, mut warnings) = (unread, 0);
    let missing = config::folders(config);
    if !missing.is_empty() {
        // Said with the line that names them; without them there is no set to look at.
        print(&missing);
        return (errors + missing.len(), warnings);
    }
    let built = sources.build();
    if let Some(common) = &built.common {
        line("", common);
    }
    for (facility, named) in &built.own {
        if let Some(named) = named {
            line(&format!(" of {facility}"), named);
        }
    }
    if built.problems.iter().all(|problem| problem.doubt) {
        let known = |facility: &str| {
            let layouts = built.set_of(facility).into_iter().flat_map(|set| set.layouts());
            layouts.map(|layout| layout.id.clone()).collect()
        };
        let wrong = config::layouts(config, known);
        print(&wrong);
        errors += wrong.len();
    }
    let (more_errors, more_warnings) = wrong_with(&built, &sources, layers.as_ref());
    errors += more_errors;
    warnings += more_warnings;
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
    (errors, warnings)
}

/// Says what is wrong with the mappings, and what the appliance does with them; the numbers of errors and of warnings.
/// A doubt about a saved version is a warning: it was checked when it was saved, and goes on. A folder of the
/// configuration has no other check than this one.
fn wrong_with(
    built: &mappings::Built,
    sources: &mappings::Sources<'_>,
    layers: Option<&Layers>,
) -> (usize, usize) {
    if built.problems.is_empty() {
        return (0, 0);
    }
    super::mapping::print(&built.problems);
    let of_folder = |problem: &Problem| {
        let layer = if problem.facility.is_empty() { NETWORK } else { &problem.facility };
        sources.folder(layer).is_some() || sources.config.mappings.shipped.is_some()
    };
    let stops = built.problems.iter().filter(|problem| !problem.doubt).count();
    let doubts = built.problems.len() - stops;
    let of_folders = built.problems.iter().filter(|problem| problem.doubt && of_folder(problem)).count();
    if doubts > 0 {
        eprintln!(
            "{doubts} of them do not stop the appliance: it starts and translates as before, and says so on its status page \
             until a mended version is active\n    \
             このうち {doubts} 件では装置は止まりません。前のとおり変換し、直した版が有効になるまで、画面の状況がそう言います。"
        );
    }
    if stops > 0 {
        eprintln!(
            "With {stops} of them there are no mappings: the appliance starts, takes and keeps the messages of the facilities \
             concerned, and translates none of them\n    \
             このうち {stops} 件のために規則を組み立てられません。装置は起動し、その施設の電文を受信して保存しますが、変換せずに待たせます。"
        );
    }
    if layers.is_some_and(|layers| layers.epoch().is_ok_and(|epoch| epoch > 0)) {
        eprintln!(
            "A version that was activated does not fit any more? renkei-bridge mapping rollback goes back.\n    \
             有効な版が今の標準と合わないときは、renkei-bridge mapping rollback で前の版に戻せます。"
        );
    }
    (stops + of_folders, doubts - of_folders)
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
