//! `mapping save`, `versions`, `activate` and `rollback`: the versions of a layer in the store, beside a `serve` that
//! may be at work and takes over what is activated by itself.

use super::archive::refused;
use super::{effects, trial};
use crate::app::archive::{self, Files};
use crate::app::{mappings, now_ms};
use crate::cli::messages::{Author, who, who_of};
use crate::cli::open::ConfigFile;
use crate::cli::print::{say, time};
use crate::config::Config;
use crate::store::{Layers, NETWORK, Saved, Store, StoreError};
use anyhow::Context as _;
use renkei_translate::mapping::{MappingSet, Problem, Rank};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Which layer.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    #[command(flatten)]
    file: ConfigFile,
    /// `network`, or the code of a facility.
    #[arg(long, value_name = "LAYER")]
    pub(super) layer: String,
}

/// A reason that says something: it is all that others will know of why a version came.
fn said(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("the reason must not be blank / 理由を書いてください".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// The arguments of `mapping save`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Save {
    #[command(flatten)]
    which: Which,
    /// Why: what changes for whom.
    #[arg(long, value_parser = said)]
    reason: String,
    /// Who wrote it, where that is not who types this.
    #[arg(long)]
    author: Option<String>,
    /// The folder of the layer, or its archive.
    #[arg(value_name = "LAYER-DIR")]
    path: PathBuf,
}

/// The arguments of `mapping versions`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Versions {
    #[command(flatten)]
    file: ConfigFile,
    /// `network`, or the code of a facility; without it all.
    #[arg(long, value_name = "LAYER")]
    layer: Option<String>,
}

/// The arguments of `mapping activate`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Activate {
    #[command(flatten)]
    which: Which,
    /// Why.
    #[arg(long, value_parser = said)]
    reason: String,
    /// The number of the version; 0 lets nothing lie there.
    #[arg(value_name = "NUMBER")]
    number: u32,
    #[command(flatten)]
    author: Author,
}

/// The arguments of `mapping rollback`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Rollback {
    #[command(flatten)]
    which: Which,
    /// Why.
    #[arg(long, value_parser = said)]
    reason: String,
    #[command(flatten)]
    author: Author,
}

/// A version in the store, in place of a folder.
#[derive(Debug, clap::Args)]
pub(super) struct Stored {
    /// The configuration, bridge.toml: takes the archive out of its store.
    #[arg(long, value_name = "FILE", requires = "layer")]
    config: Option<PathBuf>,
    /// `network`, or the code of a facility.
    #[arg(long, value_name = "LAYER", requires = "config")]
    layer: Option<String>,
    /// The number of the version; without it the active one.
    #[arg(long, value_name = "NUMBER", requires = "config")]
    number: Option<u32>,
}

impl Stored {
    /// Whether one is asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.config.is_some()
    }

    /// Its archive.
    ///
    /// # Errors
    /// The store; that there is none is said.
    pub(super) fn archive(&self) -> anyhow::Result<Result<Vec<u8>, ExitCode>> {
        let file = ConfigFile { config: self.config.clone().unwrap_or_default() };
        let layer = self.layer.as_deref().unwrap_or(NETWORK);
        let config = match file.load() {
            Ok(config) => config,
            Err(code) => return Ok(Err(code)),
        };
        let Some(layers) = Layers::inspect(&config.data_dir)? else { return Ok(Err(nothing(layer))) };
        let number = match self.number {
            None => layers.active(layer)?,
            number => number,
        };
        let found = number.map(|number| layers.archive(layer, number)).transpose()?.flatten();
        Ok(found.ok_or_else(|| nothing(layer)))
    }
}

pub(super) fn nothing(layer: &str) -> ExitCode {
    eprintln!("{layer}: there is no such version / その版はありません");
    ExitCode::from(super::super::EXIT_DATA)
}

/// Opens the store; a layer that no facility has is said.
pub(super) fn open(which: &Which) -> anyhow::Result<Result<(Config, Arc<Store>), ExitCode>> {
    let (config, store) = match which.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(Err(code)),
    };
    let known = which.layer == NETWORK || config.facilities.iter().any(|written| written.code == which.layer);
    if known {
        return Ok(Ok((config, store)));
    }
    eprintln!(
        "--layer is {NETWORK} or the code of a facility of the configuration / \
         --layer には {NETWORK} か、設定にある施設のコードを書きます"
    );
    Ok(Err(ExitCode::from(super::super::EXIT_USAGE)))
}

/// `mapping save`.
pub(super) fn save(arguments: &Save) -> anyhow::Result<ExitCode> {
    let reading = || format!("cannot read {}", arguments.path.display());
    let files: Files = match archive::read(&arguments.path).with_context(reading)? {
        Ok(files) => files,
        Err(refusal) => return Ok(refused(&arguments.path, &refusal)),
    };
    let (config, store) = match open(&arguments.which)? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let (layers, layer) = (store.layers(), arguments.which.layer.as_str());
    let bytes = match archive::pack(&files) {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(refused(&arguments.path, &refusal)),
    };
    let sources = mappings::Sources::new(&config, Some(layers));
    // As `mapping check` has it: rules that were written would not be in the version.
    let meant = super::say_strangers(&arguments.path);
    let set = match sources.with(layer, files) {
        Ok(set) if pass(&[&set]) && !meant => set,
        Ok(_) => return Ok(unchanged()),
        Err(problems) => {
            super::print(&problems);
            return Ok(unchanged());
        }
    };
    super::say_notes(&set);
    // Where what is active now is broken there is nothing to compare with.
    if let Ok((now, _)) = sources.set(Some(layer).filter(|layer| *layer != NETWORK)) {
        effects::warn_of_ids(&config, &store, layer, |_| Some(&now.set), |_| Some(&set))?;
    }
    let author = arguments.author.clone().unwrap_or_else(who);
    match layers.save(layer, &bytes, &author, &arguments.reason, now_ms())? {
        Saved::New(number) => {
            store.audit().append(
                &who_of(arguments.author.as_deref()),
                "mapping-saved",
                layer,
                &number.to_string(),
            )?;
            eprintln!(
                "{layer}: version {number} is saved, not active yet: mapping activate --layer {layer} {number}\n    \
                 版 {number} として保存しました。有効にするには mapping activate"
            );
        }
        Saved::Same(number) => eprintln!(
            "{layer}: version {number} has the same content; nothing was saved / 版 {number} と同じ内容です。保存していません"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the tests of all sets pass; those that fail are said.
fn pass(sets: &[&MappingSet]) -> bool {
    // A test that stands in several sets is said once for each: its outcome may differ.
    sets.iter().map(|set| super::test(set)).all(|code| code == ExitCode::SUCCESS)
}

fn unchanged() -> ExitCode {
    eprintln!("nothing was changed / 何も変えていません");
    ExitCode::from(super::super::EXIT_DATA)
}

/// `mapping versions`.
pub(super) fn versions(arguments: &Versions) -> anyhow::Result<ExitCode> {
    let config = match arguments.file.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let Some(layers) = Layers::inspect(&config.data_dir)? else { return Ok(ExitCode::SUCCESS) };
    let asked = arguments.layer.as_ref();
    for layer in layers.layers()?.iter().filter(|layer| asked.is_none_or(|asked| asked == *layer)) {
        for version in layers.versions(layer)? {
            let mark = if version.active { "* active 有効" } else { "" };
            let (number, digest) = (version.number, version.digest.get(..12).unwrap_or_default());
            let (at, author, reason) = (time(version.at_ms), &version.author, &version.reason);
            say!("{layer}  {number:>4}  {at}  {digest}  {author}  {reason}  {mark}");
        }
        if let Some(last) = layers.activations(layer, 1)?.first() {
            eprintln!("{layer}: {} {} {}", time(last.at_ms), last.who, last.reason);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `mapping activate`.
pub(super) fn activate(arguments: &Activate) -> anyhow::Result<ExitCode> {
    let (config, store) = match open(&arguments.which)? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let (layer, number) = (arguments.which.layer.as_str(), Some(arguments.number).filter(|n| *n > 0));
    if let Some(number) = number
        && !store.layers().versions(layer)?.iter().any(|version| version.number == number)
    {
        return Ok(nothing(layer));
    }
    // To let nothing lie there is a way back too.
    let demand = if number.is_some() { Demand::Tested } else { Demand::NoWorse };
    if !fits(&config, &store, layer, number, demand)? {
        return Ok(unchanged());
    }
    store.layers().activate(layer, number, &arguments.author.who(), &arguments.reason, now_ms())?;
    done(&config, &store, layer, number, ("mapping-activated", &arguments.author.who()))
}

/// `mapping rollback`.
pub(super) fn rollback(arguments: &Rollback) -> anyhow::Result<ExitCode> {
    let (config, store) = match open(&arguments.which)? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let layer = arguments.which.layer.as_str();
    let Some(number) = store.layers().before(layer)? else {
        eprintln!("{layer}: nothing was activated before / 戻る前の版がありません");
        return Ok(ExitCode::from(super::super::EXIT_DATA));
    };
    if !fits(&config, &store, layer, number, Demand::NoWorse)? {
        return Ok(unchanged());
    }
    store.layers().roll_back(layer, &arguments.author.who(), &arguments.reason, now_ms())?;
    done(&config, &store, layer, number, ("mapping-rolled-back", &arguments.author.who()))
}

/// What an activation is held to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// The check has nothing to say of it, its tests pass, and nothing else is made worse.
    Tested,
    /// It was active before: it gives a set, or at least breaks nothing that is whole now. The way back is never shut by
    /// what another layer, or a new version of the program, has broken, nor by what only the check of this program
    /// refuses.
    NoWorse,
}

/// Whether that version can be the active one; what is wrong with it, and which ids it changes, is said.
fn fits(
    config: &Config,
    store: &Store,
    layer: &str,
    number: Option<u32>,
    demand: Demand,
) -> Result<bool, StoreError> {
    let now = mappings::Sources::new(config, Some(store.layers()));
    let known = now.build();
    let next = mappings::Sources { instead: Some((layer, number)), ..now }.build();
    let is_known = |problem: &Problem| {
        known.problems.iter().any(|known| {
            known.facility == problem.facility && known.doubt == problem.doubt && problem.is_again(known)
        })
    };
    // Of what stands in this layer itself nothing is excused.
    let own = |problem: &Problem| match layer {
        NETWORK => problem.layer == Rank::Network && problem.facility.is_empty(),
        code => problem.layer == Rank::Facility && problem.facility == code,
    };
    let new: Vec<Problem> =
        next.problems.iter().filter(|problem| own(problem) || !is_known(problem)).cloned().collect();
    if !next.problems.is_empty() {
        super::print(&next.problems);
        effects::say_whose(layer, &new);
    }
    let meant = left_out(store, layer, number)?;
    let fits = match demand {
        Demand::Tested => new.is_empty() && !meant,
        Demand::NoWorse => next.problems.iter().all(|problem| problem.doubt || is_known(problem)),
    };
    if !fits {
        return Ok(false);
    }
    let sets: Vec<&MappingSet> = next.all().map(|named| &named.set).collect();
    if !pass(&sets) && demand == Demand::Tested {
        return Ok(false);
    }
    if new.iter().any(|problem| problem.doubt) {
        eprintln!(
            "warning: the check of this program refuses places of this version. It was active before and is made active \
             again; it translates as it did, and the status page says so until a mended version is active. To be saved as \
             a new version these must be mended\n    \
             注意: この版には、今の装置の検査に合わない所があります(上の一覧)。前に有効だった版なので戻します。変換は前のとおりで、\
             直した版が有効になるまで、画面の状況がそう言います。新しい版として保存するには、直す必要があります。"
        );
    }
    effects::warn_of_ids(config, store, layer, |code| known.set_of(code), |code| next.set_of(code))?;
    trial::say_effects(config, store, layer, &known, &next);
    Ok(true)
}

/// Says which files of a version apply to nothing, whether one was meant to.
fn left_out(store: &Store, layer: &str, number: Option<u32>) -> Result<bool, StoreError> {
    let bytes = number.map(|number| store.layers().archive(layer, number)).transpose()?.flatten();
    // One that cannot be read is among the problems.
    let files = bytes.and_then(|bytes| archive::unpack(bytes).ok()).unwrap_or_default();
    Ok(super::say_strange(&mappings::strange(files.into_keys())))
}

fn done(
    config: &Config,
    store: &Store,
    layer: &str,
    number: Option<u32>,
    (action, who): (&str, &str),
) -> anyhow::Result<ExitCode> {
    let said = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    store.audit().append(who, action, layer, &said)?;
    match number {
        Some(number) => eprintln!("{layer}: version {number} is active / 版 {number} が有効です"),
        None => eprintln!("{layer}: nothing lies there now / 何も重なっていません"),
    }
    eprintln!(
        "serve takes it over within seconds; what is registered stays as it is until its message is translated again \
         (message retranslate)\n    \
         serve は数秒で切り替わります。登録済みのものは、その電文を直し直すまで変わりません(message retranslate)。"
    );
    let active = mappings::Sources::new(config, Some(store.layers())).build();
    effects::say_waiting(config, store, layer, &active)?;
    say_folder(&mappings::Sources::new(config, Some(store.layers())), layer);
    Ok(ExitCode::SUCCESS)
}

/// Says where a folder of the configuration stands in the place of versions.
pub(super) fn say_folder(sources: &mappings::Sources<'_>, layer: &str) {
    if let Some(dir) = sources.folder(layer) {
        eprintln!(
            "the configuration names the folder {}, which stands in its place until that line is gone\n    \
             設定にフォルダ {0} が書いてあるので、その行を消すまではそちらを使います。",
            dir.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_blank_reason_is_none() {
        assert!(said("").is_err() && said(" \u{3000} ").is_err());
        assert_eq!(said(" 旧姓を足す ").as_deref(), Ok("旧姓を足す"));
    }
}
