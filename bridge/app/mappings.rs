//! The mapping set: the one inside the program, or a folder in its place.

use renkei_translate::mapping::{MappingSet, Problem, SourceFile};
use rust_embed::RustEmbed;
use std::path::Path;

/// Everything under `mappings/` when the program was built; only the data files of it are read.
#[derive(RustEmbed)]
#[folder = "mappings/"]
struct Shipped;

/// Names that belong to a set.
fn is_data(path: &str) -> bool {
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

/// The files of a folder, by their paths inside it.
///
/// # Errors
/// A file or folder that cannot be read.
pub fn folder(dir: &Path) -> std::io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry?;
        let path =
            entry.path().strip_prefix(dir).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        if entry.file_type().is_file() && is_data(&path) {
            files.push(SourceFile { path, text: std::fs::read_to_string(entry.path())? });
        }
    }
    Ok(files)
}

/// Loads the set of a folder, or the shipped one.
///
/// # Errors
/// Every problem of the set; a folder that cannot be read is one of them.
pub fn load(dir: Option<&Path>) -> Result<MappingSet, Vec<Problem>> {
    let files = match dir {
        None => shipped(),
        Some(dir) => folder(dir).map_err(|error| {
            vec![Problem {
                file: dir.display().to_string(),
                line: 0,
                rule: String::new(),
                ja: format!("マッピングのフォルダを読めません（{error}）。"),
                en: format!("The folder of mappings cannot be read ({error})."),
            }]
        })?,
    };
    MappingSet::load(files)
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
