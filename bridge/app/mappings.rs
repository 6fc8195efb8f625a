//! The mapping sets: the one inside the program, or a folder in its place, and the layers over it.

use super::archive::{self, Files};
use crate::config::Config;
use crate::pipeline::Sets;
use crate::store::{Layers, Lies, NETWORK, SetName, StoreError};
use renkei_translate::mapping::{self, Layer, MappingSet, Problem, Rank, SourceFile};
use rust_embed::RustEmbed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything under `mappings/` when the program was built; only the data files of it are read.
#[derive(RustEmbed)]
#[folder = "mappings/"]
struct Shipped;

/// The folders of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// In place of the set inside the program.
    pub shipped: Option<PathBuf>,
    /// The network's layer.
    pub network: Option<PathBuf>,
    /// The facility's layer.
    pub facility: Option<PathBuf>,
}

/// Names that belong to a set.
pub fn is_data(path: &str) -> bool {
    path.ends_with(".toml") || path.ends_with(".csv")
}

/// The files of the shipped set.
pub fn shipped() -> Vec<SourceFile> {
    let mut names: Vec<_> = Shipped::iter().filter(|name| is_data(name)).collect();
    names.sort();
    names
        .into_iter()
        .filter_map(|name| {
            let text = String::from_utf8(Shipped::get(&name)?.data.into_owned()).ok()?;
            Some(SourceFile { path: name.into_owned(), text })
        })
        .collect()
}

/// The files of a folder, or of a layer's archive in its place, as bytes, by their paths inside it.
///
/// # Errors
/// A file or folder that cannot be read; a file that is no archive of a layer.
pub fn bytes(path: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    if !path.is_file() {
        return folder_bytes(path);
    }
    match archive::read(path)? {
        Ok(files) => Ok(files.into_iter().collect()),
        Err(refusal) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, refusal.to_string())),
    }
}

/// The files of a folder as bytes, by their paths inside it.
///
/// # Errors
/// A file or folder that cannot be read.
pub fn folder_bytes(dir: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry?;
        let path =
            entry.path().strip_prefix(dir).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        if entry.file_type().is_file() && is_data(&path) {
            files.push((path, std::fs::read(entry.path())?));
        }
    }
    Ok(files)
}

/// The files of a layer's folder or archive that are no part of it, by their paths inside it.
pub fn strangers(layer: &Path) -> Vec<String> {
    if layer.is_file() {
        // What cannot be read is said where it is.
        let files = archive::read(layer).ok().and_then(Result::ok).unwrap_or_default();
        return strange(files.into_keys());
    }
    let files = walkdir::WalkDir::new(layer).sort_by_file_name().into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    strange(files.map(|entry| {
        entry.path().strip_prefix(layer).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/")
    }))
}

/// Those names of files that are no part of a layer: what is no `.toml`, which the loader says its word about, and no
/// `.csv` of a table.
pub fn strange(files: impl Iterator<Item = String>) -> Vec<String> {
    let known = |path: &str| {
        // `tables/NAME.csv`, `tables/NAME/PART.csv`.
        let of_table = path.rsplit('/').skip(1).take(2).any(|folder| folder == "tables");
        path.ends_with(".toml") || (path.ends_with(".csv") && of_table)
    };
    let hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    files.filter(|path| !known(path) && !hidden(path)).collect()
}

/// The files of a folder, by their paths inside it.
///
/// # Errors
/// A file or folder that cannot be read; a file that is not UTF-8.
pub fn folder(dir: &Path) -> std::io::Result<Vec<SourceFile>> {
    let text = |(path, bytes): (String, Vec<u8>)| match mapping::read(Rank::Shipped, &path, bytes) {
        (file, None) => Ok(file),
        (_, Some(problem)) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, problem.to_string())),
    };
    bytes(dir)?.into_iter().map(text).collect()
}

/// The manual of the rules, as it lies beside them.
pub fn manual() -> Option<Vec<u8>> {
    Some(Shipped::get("README.md")?.data.into_owned())
}

/// Loads the set of a folder, or the shipped one, without layers.
///
/// # Errors
/// Every problem of the set; a folder that cannot be read is one of them.
pub fn load(dir: Option<&Path>) -> Result<MappingSet, Vec<Problem>> {
    stack(&Folders { shipped: dir.map(Path::to_owned), ..Folders::default() })
}

/// Loads a set with the layers over it.
///
/// # Errors
/// Every problem of all layers; a folder that cannot be read is one of them.
pub fn stack(folders: &Folders) -> Result<MappingSet, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut layers = Vec::new();
    if folders.shipped.is_none() {
        layers.push(Layer::new(Rank::Shipped, shipped()));
    }
    let dirs = [
        (Rank::Shipped, &folders.shipped),
        (Rank::Network, &folders.network),
        (Rank::Facility, &folders.facility),
    ];
    for (rank, dir) in dirs.into_iter().filter_map(|(rank, dir)| Some((rank, dir.as_ref()?))) {
        layers.push(folder_layer(rank, dir, &mut problems));
    }
    joined(MappingSet::layered(layers), problems)
}

/// The layer of a folder; that it cannot be read is among the problems.
fn folder_layer(rank: Rank, dir: &Path, problems: &mut Vec<Problem>) -> Layer {
    match bytes(dir) {
        Ok(files) => layer(rank, files, problems),
        Err(error) => {
            problems.push(Problem {
                layer: rank,
                file: dir.display().to_string(),
                ja: format!("マッピングのフォルダを読めません（{error}）。"),
                en: format!("The folder of mappings cannot be read ({error})."),
                ..Problem::default()
            });
            Layer::new(rank, Vec::new())
        }
    }
}

/// A layer of files as bytes; those that are not UTF-8 are among the problems.
pub fn layer(rank: Rank, files: Vec<(String, Vec<u8>)>, problems: &mut Vec<Problem>) -> Layer {
    let mut texts = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        let (file, problem) = mapping::read(rank, &path, bytes);
        texts.push(file);
        problems.extend(problem);
    }
    Layer::new(rank, texts)
}

/// What was compiled of layers whose reading found those problems already.
///
/// # Errors
/// All problems.
pub fn joined(
    compiled: Result<MappingSet, Vec<Problem>>,
    mut problems: Vec<Problem>,
) -> Result<MappingSet, Vec<Problem>> {
    match compiled {
        Ok(set) if problems.is_empty() => Ok(set),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            problems.sort_by(|a, b| (a.layer, &a.file, a.line).cmp(&(b.layer, &b.file, b.line)));
            Err(problems)
        }
    }
}

/// What a facility's messages are translated with, and what it was made of.
#[derive(Debug)]
pub struct Named {
    /// The set.
    pub set: MappingSet,
    /// Of what.
    pub name: SetName,
}

/// The sets of a configuration, as they are at work: where no set can be made of the layers that are active, there is
/// none, and nobody translates without them.
#[derive(Debug)]
pub struct Built {
    /// What all facilities share.
    pub common: Option<Named>,
    /// Those of facilities with a layer of their own, by code.
    pub own: BTreeMap<String, Option<Named>>,
    /// All that is wrong, once each, with the facility whose layer brings it about: doubts, and what made no set.
    pub problems: Vec<Problem>,
}

/// Where layers come from: folders that the configuration names, else the active versions of the store.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'s> {
    /// The configuration.
    pub config: &'s Config,
    /// The versions of the store, where there is one.
    pub layers: Option<&'s Layers>,
    /// A layer, and the version that is taken as its active one: what an activation would give.
    pub instead: Option<(&'s str, Option<u32>)>,
}

impl<'s> Sources<'s> {
    /// As they are active now.
    pub fn new(config: &'s Config, layers: Option<&'s Layers>) -> Self {
        Self { config, layers, instead: None }
    }

    /// The folder that stands for a layer in the configuration.
    pub fn folder(&self, layer: &str) -> Option<&'s Path> {
        if layer == NETWORK {
            return self.config.mappings.network.as_deref();
        }
        self.config.facilities.iter().find(|written| written.code == layer)?.mappings.as_deref()
    }

    /// The files of a layer; none = nothing lies there.
    fn layer(&self, name: &str, problems: &mut Vec<Problem>) -> (Option<Layer>, Lies) {
        let rank = if name == NETWORK { Rank::Network } else { Rank::Facility };
        if let Some(dir) = self.folder(name) {
            return (Some(folder_layer(rank, dir, problems)), Lies::Folder);
        }
        let Some(layers) = self.layers else { return (None, Lies::Nothing) };
        let number = match self.instead {
            Some((instead, number)) if instead == name => Ok(number),
            _ => layers.active(name),
        };
        let read = |number: u32| -> Result<Files, String> {
            let bytes = layers.archive(name, number).map_err(|error| error.to_string())?;
            // Without it the messages would be translated as if nothing lay there.
            let bytes = bytes.ok_or_else(|| format!("version {number} is missing"))?;
            archive::unpack(bytes).map_err(|refusal| refusal.to_string())
        };
        let read = match number {
            Ok(None) => return (None, Lies::Nothing),
            Ok(Some(number)) => read(number).map(|files| (files, number)),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok((files, number)) => {
                let layer = layer(rank, files.into_iter().collect(), problems);
                (Some(layer), Lies::Version(number))
            }
            Err(reason) => {
                problems.push(Problem {
                    layer: rank,
                    file: name.to_owned(),
                    ja: format!("保存された版を読めません（{reason}）。"),
                    en: format!("A saved version cannot be read ({reason})."),
                    ..Problem::default()
                });
                (None, Lies::Nothing)
            }
        }
    }

    /// The layers below a facility's.
    fn common(&self) -> Made {
        self.common_of(Some(NETWORK))
    }

    /// The shipped set, and a layer over it.
    fn common_of(&self, over: Option<&str>) -> Made {
        let (shipped, mut problems) = match &self.config.mappings.shipped {
            None => (Layer::new(Rank::Shipped, shipped()), Vec::new()),
            Some(dir) => {
                let mut problems = Vec::new();
                (folder_layer(Rank::Shipped, dir, &mut problems), problems)
            }
        };
        let (network, lies) = over.map(|over| self.layer(over, &mut problems)).unwrap_or_default();
        let layers = std::iter::once(shipped).chain(network).collect();
        let program = match &self.config.mappings.shipped {
            None => env!("CARGO_PKG_VERSION"),
            Some(_) => "",
        };
        let name = SetName { program: program.to_owned(), network: lies, facility: Lies::Nothing };
        Made::of(MappingSet::at_work(layers), problems, name)
    }

    /// A facility's layer over those below; none = it has none. What is wrong below is said there.
    fn own(&self, common: &Named, below: &[Problem], facility: &str) -> Option<Made> {
        let mut problems = Vec::new();
        let (layer, lies) = self.layer(facility, &mut problems);
        let name = SetName { facility: lies, ..common.name.clone() };
        let mut made = match layer {
            None if problems.is_empty() => return None,
            None => Made { set: None, problems },
            Some(layer) => Made::of(common.set.at_work_over(layer), problems, name),
        };
        made.problems.retain(|problem| !below.iter().any(|below| problem.is_again(below)));
        Some(made)
    }

    /// The set that translates what a facility sends, or that of all without one of their own, with the doubts about it.
    ///
    /// # Errors
    /// Every problem, where there is none.
    pub fn set(&self, facility: Option<&str>) -> Result<(Named, Vec<Problem>), Vec<Problem>> {
        let Made { set, mut problems } = self.common();
        let Some(common) = set else { return Err(problems) };
        match facility.and_then(|facility| self.own(&common, &problems, facility)) {
            None => Ok((common, problems)),
            Some(own) => {
                problems.extend(own.problems);
                own.set.map(|set| (set, problems.clone())).ok_or(problems)
            }
        }
    }

    /// The set with these files as a layer over those below it, and nothing over them: a version to be saved. Doubts
    /// about what is active below are no fault of it.
    ///
    /// # Errors
    /// Every problem.
    pub fn with(&self, name: &str, files: Files) -> Result<MappingSet, Vec<Problem>> {
        let below = if name == NETWORK { self.common_of(None) } else { self.common() };
        let Some(under) = below.set else { return Err(below.problems) };
        let rank = if name == NETWORK { Rank::Network } else { Rank::Facility };
        let mut problems = Vec::new();
        let layer = layer(rank, files.into_iter().collect(), &mut problems);
        let made = Made::of(under.set.at_work_over(layer), problems, under.name);
        let of_below = |problem: &Problem| below.problems.iter().any(|below| problem.is_again(below));
        let own: Vec<Problem> = made.problems.into_iter().filter(|problem| !of_below(problem)).collect();
        made.set.filter(|_| own.is_empty()).map(|named| named.set).ok_or(own)
    }

    /// All of them.
    pub fn build(&self) -> Built {
        let Made { set: common, mut problems } = self.common();
        // What is wrong with the facilities' layers is said all the same, over what is whole of those below.
        let shipped = if common.is_none() { self.common_of(None).set } else { None };
        let below = problems.clone();
        let mut own = BTreeMap::new();
        for facility in &self.config.facilities {
            let Some(under) = common.as_ref().or(shipped.as_ref()) else { break };
            let Some(made) = self.own(under, &below, &facility.code) else { continue };
            problems.extend(
                made.problems.into_iter().map(|found| Problem { facility: facility.code.clone(), ..found }),
            );
            // Not what it would be: the layer between is missing.
            own.insert(facility.code.clone(), made.set.filter(|_| common.is_some()));
        }
        let mut once: Vec<Problem> = Vec::new();
        for problem in problems {
            if !once.contains(&problem) {
                once.push(problem);
            }
        }
        Built { common, own, problems: once }
    }
}

/// What layers give: a set where one can be made, and what is wrong.
struct Made {
    set: Option<Named>,
    problems: Vec<Problem>,
}

impl Made {
    /// Of layers whose reading found those problems already.
    fn of(
        compiled: Result<(MappingSet, Vec<Problem>), Vec<Problem>>,
        mut problems: Vec<Problem>,
        name: SetName,
    ) -> Self {
        let unread = !problems.is_empty();
        let (set, more) = match compiled {
            Ok((set, doubts)) => (Some(Named { set, name }).filter(|_| !unread), doubts),
            Err(more) => (None, more),
        };
        problems.extend(more);
        problems.sort_by(|a, b| (a.layer, &a.file, a.line).cmp(&(b.layer, &b.file, b.line)));
        Self { set, problems }
    }
}

impl Built {
    /// The set that translates what a facility sends; none = its messages wait.
    pub fn set_of(&self, facility: &str) -> Option<&MappingSet> {
        self.own.get(facility).unwrap_or(&self.common).as_ref().map(|named| &named.set)
    }

    /// The sets that there are, that of all facilities first.
    pub fn all(&self) -> impl Iterator<Item = &Named> {
        self.common.iter().chain(self.own.values().flatten())
    }

    /// Notes in the store what each set is made of, so that the digest that a message carries can be read.
    ///
    /// # Errors
    /// The database.
    pub fn note(&self, layers: &Layers) -> Result<(), StoreError> {
        if let Some(common) = &self.common {
            layers.name_set(common.set.version(), "", &common.name)?;
        }
        for (facility, named) in &self.own {
            if let Some(named) = named {
                layers.name_set(named.set.version(), facility, &named.name)?;
            }
        }
        Ok(())
    }

    /// The sets at work, with which everything starts. Whose there is none of wait.
    pub fn sets(self) -> Sets {
        let usable = |named: Option<Named>| named.map_or_else(MappingSet::unusable, |named| named.set);
        let own = self.own.into_iter().map(|(facility, named)| (facility, usable(named))).collect();
        Sets::new(usable(self.common), own)
    }

    /// Puts them in the place of those at work. Where there is none, that at work stays.
    pub fn exchange(self, sets: &Sets) {
        let set = |named: Option<Named>| named.map(|named| named.set);
        let own = self.own.into_iter().map(|(facility, named)| (facility, set(named))).collect();
        sets.exchange(set(self.common), own);
    }
}

#[cfg(test)]
mod tests {
    use super::{folder, shipped, strangers};

    #[test]
    fn what_a_layer_does_not_take_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "tables/x.csv",
            "tables/x/one.csv",
            "maps/a.toml",
            "tables/y.xlsx",
            "tables/z.CSV",
            "maps/memo.txt",
            "codes.csv",
            ".git/config",
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        assert_eq!(strangers(dir.path()), ["codes.csv", "maps/memo.txt", "tables/y.xlsx", "tables/z.CSV"]);
        let archive = dir.path().join("codes.csv");
        assert!(strangers(&archive).is_empty());
    }

    #[test]
    fn the_shipped_set_is_the_folder() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let names = |files: Vec<renkei_translate::mapping::SourceFile>| {
            let mut names: Vec<String> = files.into_iter().map(|file| file.path).collect();
            names.sort();
            names
        };
        assert_eq!(names(shipped()), names(folder(&dir).unwrap()));
    }
}
