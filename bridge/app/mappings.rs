//! The mapping sets: the one inside the program, or a folder in its place, and the layers over it.

use crate::config::Config;
use crate::pipeline::Sets;
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

/// The files of a folder as bytes, by their paths inside it.
///
/// # Errors
/// A file or folder that cannot be read.
pub fn bytes(dir: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
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

/// The folders that a configuration names for a facility; without one, those of all.
pub fn folders(config: &Config, facility: Option<&str>) -> Folders {
    let own = config.facilities.iter().find(|written| Some(written.code.as_str()) == facility);
    Folders {
        shipped: config.mappings.shipped.clone(),
        network: config.mappings.network.clone(),
        facility: own.and_then(|written| written.mappings.clone()),
    }
}

/// The sets of a configuration: what all facilities share, and that of each facility with a layer of its own.
///
/// # Errors
/// Every problem, once each, whatever facility it is found for.
pub fn of(config: &Config) -> Result<Sets, Vec<Problem>> {
    let (common, mut problems) = match stack(&folders(config, None)) {
        Ok(common) => (Some(common), Vec::new()),
        Err(problems) => (None, problems),
    };
    let mut own = BTreeMap::new();
    for facility in &config.facilities {
        let Some(dir) = &facility.mappings else { continue };
        let compiled = match &common {
            Some(common) => {
                let mut found = Vec::new();
                let layer = folder_layer(Rank::Facility, dir, &mut found);
                joined(common.over(layer), found)
            }
            // Nothing to lie over: what is wrong with the layer is said all the same.
            None => stack(&folders(config, Some(&facility.code))),
        };
        match compiled {
            Ok(set) => {
                own.insert(facility.code.clone(), set);
            }
            Err(found) => problems.extend(found),
        }
    }
    match common {
        Some(common) if problems.is_empty() => Ok(Sets::new(common, own)),
        _ => {
            let mut once: Vec<Problem> = Vec::new();
            for problem in problems {
                if !once.contains(&problem) {
                    once.push(problem);
                }
            }
            Err(once)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{folder, shipped};

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
