//! What a feed of files could not take when it last looked: how many by cause, and where one of them lies.
//!
//! A path below a storage names its patient, so it is kept as its shape from the start: what a page shows and what
//! a program asks for cannot give anybody away. Date and kind of the data stand as they are, so that the file is found.

use crate::shape;
use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, PoisonError};

/// Causes that end by themselves, or that another alarm tells of, or that are no fault of the file.
const CALM: [&str; 7] = ["changing", "document", "empty", "folder-gone", "litter", "memory", "storage-gone"];
/// Files that desktops leave in folders that somebody looked at.
const LITTER: [&str; 2] = ["thumbs.db", "desktop.ini"];
/// The place of the date below a storage: three folders of the patient, then the day.
const DAY_AT: usize = 3;

/// Files of one cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untaken {
    /// How many.
    pub files: u64,
    /// Where one of them lies, as the shape of its path below the folder; empty where there is none to show.
    pub example: String,
}

/// What is left lying, by cause.
pub type ByCause = BTreeMap<&'static str, Untaken>;

/// Notes a file that could not be taken.
pub(super) fn note(by_cause: &mut ByCause, cause: &'static str, root: &Path, path: Option<&Path>) {
    let of = by_cause.entry(cause).or_default();
    of.files += 1;
    if of.example.is_empty()
        && let Some(path) = path
    {
        of.example = shape_of(path.strip_prefix(root).unwrap_or(path));
    }
}

/// Why a file whose name does not follow the rules is not taken.
pub(super) fn misnamed(path: &Path) -> &'static str {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if name.starts_with('.') || LITTER.contains(&name.as_str()) { "litter" } else { "name" }
}

/// Shared by the feed, which tells, and whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Left(Arc<Mutex<ByCause>>);

impl Left {
    /// What the last look met.
    pub fn get(&self) -> ByCause {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells what a look met.
    pub fn set(&self, met: ByCause) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = met;
    }

    /// Whether a file lies there that stays until a person does something.
    pub fn needs_a_person(&self) -> bool {
        self.get().keys().any(|cause| !CALM.contains(cause))
    }
}

/// The shape of a path: `###/###/##########/20260401/OML-11/AAA.AAA`.
fn shape_of(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    let shapes = parts.enumerate().map(|(at, part)| {
        let is_day = at == DAY_AT && part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_day || is_kind(&part) { part.into_owned() } else { shape::of(&part) }
    });
    shapes.collect::<Vec<_>>().join("/")
}

/// Whether a folder is named after a kind of data: `OML-11`.
fn is_kind(part: &str) -> bool {
    let Some((letters, digits)) = part.split_once('-') else { return false };
    letters.len() == 3
        && digits.len() == 2
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_where_a_file_lies_and_not_whose_it_is() {
        for (path, expected) in [
            ("000/123/0001234567/20260401/OML-11/x y.hl7", "###/###/##########/20260401/OML-11/A A.AA#"),
            ("山田.csv", "漢漢.AAA"),
            // A day of birth where no day of service stands.
            ("19530401/0001234567", "########/##########"),
        ] {
            assert_eq!(shape_of(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_file_that_is_read_by_nobody_needs_a_person_and_a_document_does_not() {
        let left = Left::default();
        let mut met = ByCause::new();
        note(&mut met, "document", Path::new("/s"), Some(Path::new("/s/a")));
        left.set(met.clone());
        assert!(!left.needs_a_person());
        note(&mut met, "name", Path::new("/s"), Some(Path::new("/s/12/b")));
        note(&mut met, "name", Path::new("/s"), Some(Path::new("/s/13/c/d")));
        left.set(met);
        assert!(left.needs_a_person());
        assert_eq!(left.get()["name"], Untaken { files: 2, example: "##/A".into() });
        left.set(ByCause::new());
        assert!(!left.needs_a_person());
    }
}
