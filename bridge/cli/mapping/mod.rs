//! `mapping`: check, test and show a set with the layers over it; take a layer out as an archive and in again.

mod archive;
mod concept_map;
mod diff;
mod effects;
mod lay;
mod master;
mod rows;
mod show;
mod table;
mod trial;
mod unmapped;
mod versions;

use super::open::ConfigFile;
use crate::app::mappings::{self, Folders};
use crate::config::Config;
use crate::store::{Layers as Versions, SetName};
use renkei_translate::mapping::{MappingSet, Problem, Rank};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do with a mapping set.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Mapping {
    /// Load a set and say everything that is wrong with it.
    Check(Set),
    /// Run the tests that stand in its files.
    Test(Set),
    /// Print what applies and from which layer.
    Show(show::Arguments),
    /// Write a layer's files into one archive.
    Export(archive::Export),
    /// Take the files of an archive into an empty folder, checked first.
    Import(archive::Import),
    /// Save a layer in the store as its next version, checked and tested first.
    Save(versions::Save),
    /// List the saved versions of layers, and which are active.
    Versions(versions::Versions),
    /// What a saved version would change in the messages that are kept, before it is active.
    Trial(trial::Arguments),
    /// Make a saved version the active one; a running `serve` takes it over.
    Activate(versions::Activate),
    /// Make active what was active before.
    Rollback(versions::Rollback),
    /// Write a code table out, or put one into a layer, as CSV or as a FHIR ConceptMap.
    #[command(subcommand)]
    Table(table::Table),
    /// Make a code table of a layer from a published master.
    ImportMaster(master::Arguments),
    /// Count the codes that no table knows, per facility.
    Unmapped(unmapped::Arguments),
    /// What two sets differ in, and what that does to messages.
    Diff(diff::Arguments),
    /// What becomes of every field, what is left out and why.
    Coverage(Box<super::coverage::Arguments>),
}

/// Which set.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// A mapping set in place of the one inside the program.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
    /// The set of a configuration with what is active in its store.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mappings", "layers"])]
    config: Option<PathBuf>,
    /// That of a facility of the configuration, in place of what all share.
    #[arg(long, value_name = "CODE", requires = "config")]
    facility: Option<String>,
}

/// What a set was made of: `shipped 0.1.0, network 3`.
pub(super) fn set_name(name: &SetName) -> String {
    name.said([Rank::Shipped.word(), Rank::Network.word(), Rank::Facility.word(), "folder"])
}

/// The set of a configuration with what is active in its store, for all facilities or for one, as `serve` has it; what
/// is wrong is said.
///
/// # Errors
/// The store cannot be read.
pub(super) fn active(
    config: &Config,
    facility: Option<&str>,
) -> anyhow::Result<Result<MappingSet, ExitCode>> {
    Ok(active_with_doubts(config, facility)?.map(|(set, _)| set))
}

/// The same with the doubts about it, said too.
fn active_with_doubts(
    config: &Config,
    facility: Option<&str>,
) -> anyhow::Result<Result<(MappingSet, Vec<Problem>), ExitCode>> {
    let layers = Versions::inspect(&config.data_dir)?;
    Ok(match mappings::Sources::new(config, layers.as_ref()).set(facility) {
        Ok((named, doubts)) => {
            if !doubts.is_empty() {
                print(&doubts);
            }
            Ok((named.set, doubts))
        }
        Err(problems) => {
            print(&problems);
            Err(ExitCode::from(super::EXIT_CONFIG))
        }
    })
}

/// The layers over it.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Layers {
    /// A layer over the set, a folder or an archive: the network's; given once more, the facility's over that.
    #[arg(long = "layer", value_name = "DIR")]
    layers: Vec<PathBuf>,
}

impl Layers {
    /// The folders of a set with these layers.
    ///
    /// # Errors
    /// There are more than two; it is said.
    pub(super) fn over(&self, shipped: Option<&PathBuf>) -> Result<Folders, ExitCode> {
        if self.layers.len() > 2 {
            eprintln!("--layer is given twice at most: the network's, then the facility's");
            return Err(ExitCode::from(super::EXIT_USAGE));
        }
        let mut layers = self.layers.iter().cloned();
        Ok(Folders { shipped: shipped.cloned(), network: layers.next(), facility: layers.next() })
    }
}

impl Set {
    /// Loads it; its problems are said. Of what is active doubts are no hindrance.
    fn load(&self) -> anyhow::Result<Result<MappingSet, ExitCode>> {
        Ok(self.load_with_doubts()?.map(|(set, _)| set))
    }

    fn load_with_doubts(&self) -> anyhow::Result<Result<(MappingSet, Vec<Problem>), ExitCode>> {
        if let Some(config) = &self.config {
            return match (ConfigFile { config: config.clone() }).load() {
                Ok(config) => active_with_doubts(&config, self.facility.as_deref()),
                Err(code) => Ok(Err(code)),
            };
        }
        Ok(self.of_folders().map(|set| (set, Vec::new())))
    }

    fn of_folders(&self) -> Result<MappingSet, ExitCode> {
        mappings::stack(&self.layers.over(self.mappings.as_ref())?).map_err(|problems| {
            print(&problems);
            ExitCode::from(super::EXIT_DATA)
        })
    }
}

/// Does it.
pub(super) fn run(command: &Mapping) -> anyhow::Result<ExitCode> {
    Ok(match command {
        Mapping::Check(set) => {
            let meant = set.layers.layers.iter().fold(false, |meant, layer| say_strangers(layer) | meant);
            let code = set.load_with_doubts()?.map_or_else(|code| code, |(set, doubts)| check(&set, &doubts));
            // Rules that were written and do not apply: the layer is not what its author thinks.
            if meant && code == ExitCode::SUCCESS { ExitCode::from(super::EXIT_DATA) } else { code }
        }
        Mapping::Test(set) => set.load()?.map_or_else(|code| code, |set| test(&set)),
        Mapping::Show(arguments) => show::run(arguments)?,
        Mapping::Export(arguments) => archive::export(arguments)?,
        Mapping::Import(arguments) => archive::import(arguments)?,
        Mapping::Save(arguments) => versions::save(arguments)?,
        Mapping::Versions(arguments) => versions::versions(arguments)?,
        Mapping::Trial(arguments) => trial::run(arguments)?,
        Mapping::Activate(arguments) => versions::activate(arguments)?,
        Mapping::Rollback(arguments) => versions::rollback(arguments)?,
        Mapping::Table(command) => table::run(command)?,
        Mapping::ImportMaster(arguments) => master::run(arguments)?,
        Mapping::Unmapped(arguments) => unmapped::run(arguments)?,
        Mapping::Diff(arguments) => diff::run(arguments)?,
        Mapping::Coverage(arguments) => super::coverage::run(arguments)?,
    })
}

/// Says which files of a layer's folder are no part of it: a table saved as `.xlsx` or `.CSV` changes nothing. Whether
/// one of them was meant to be, by its name: `patient.toml.txt`.
pub(super) fn say_strangers(layer: &Path) -> bool {
    say_strange(&mappings::strangers(layer))
}

/// The same of names of files.
fn say_strange(all: &[String]) -> bool {
    const MOST: usize = 20;
    for path in all.iter().take(MOST) {
        eprintln!(
            "{path}: no part of the layer, which is its .toml files and the .csv files in tables / 層に入りません。層になるのは .toml のファイルと tables の中の .csv だけです"
        );
    }
    if all.len() > MOST {
        eprintln!("… {} more / ほか {} 件", all.len() - MOST, all.len() - MOST);
    }
    let meant = |path: &&String| {
        let name = path.to_lowercase();
        [".toml", ".csv", ".xlsx", ".xls"].iter().any(|end| name.contains(end))
    };
    all.iter().any(|path| meant(&path))
}

/// Says what a layer means to do, and who looks at its file alone may not know.
fn say_notes(set: &MappingSet) {
    for note in set.notes() {
        eprintln!("note: {note}\n    注: {}", note.ja);
    }
}

fn check(set: &MappingSet, doubts: &[Problem]) -> ExitCode {
    say_notes(set);
    for (rank, file) in set.idle_tables() {
        eprintln!(
            "{}: {file}: no rule looks into this table, so it changes nothing yet / この表を引く規則がないので、まだ何も変わりません",
            rank.word()
        );
    }
    for (rank, file) in set.idle_maps() {
        eprintln!(
            "{}: {file}: no message file uses this map, so it makes nothing yet / このマップを使う電文のファイルがないので、まだ何も作りません",
            rank.word()
        );
    }
    let contradicted = set.skips_of_what_is_written();
    if !contradicted.is_empty() {
        print(&contradicted);
        return ExitCode::from(super::EXIT_DATA);
    }
    let (version, types) = (set.version(), set.messages().len());
    if doubts.is_empty() {
        eprintln!("mapping {version}: {types} message types, no problems");
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "mapping {version}: {types} message types; it is active and goes on as before, a new version needs these mended\n    \
         有効な版なので変換は続きますが、新しい版はここを直さないと保存できません。"
    );
    ExitCode::from(super::EXIT_DATA)
}

fn test(set: &MappingSet) -> ExitCode {
    let results = set.run_tests();
    let failed: Vec<_> = results.iter().filter(|result| !result.failures.is_empty()).collect();
    for result in &failed {
        eprintln!("{}:{}: {}", result.file, result.line, result.name);
        for failure in &result.failures {
            eprintln!("    {failure}\n    {}", failure.ja());
        }
    }
    eprintln!("{} tests, {} failed / 試験 {0} 件、不合格 {1} 件", results.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_DATA) }
}

/// Prints the problems of a set on standard error, in both languages.
pub(super) fn print(problems: &[Problem]) {
    for problem in problems {
        let whose = match problem.facility.as_str() {
            "" => String::new(),
            facility => format!("施設 {facility} の層: "),
        };
        eprintln!("{problem}\n    {whose}{}", problem.ja);
    }
    eprintln!("the mapping set has {} problems / 規則に問題が {0} 件あります", problems.len());
}
