//! Which files there are, whose they are, and in what order they come.
//!
//! Names only are kept, never contents; a file outside a storage is looked at once to learn its patient.

use crate::shape;
use renkei_translate::feed::Part;
use renkei_translate::finding::Finding;
use renkei_translate::mapping::peek;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::Facility;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the name of a file says of it.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A file of a storage.
    Storage(Arc<FileName>),
    /// Named like one, with parts that cannot be.
    Misnamed(Vec<Finding>),
    /// A document or picture of the extended storage beside a message.
    Attachment,
    /// Any other file.
    Other,
    /// Rows of a file of a feed, with their bytes.
    Rows(Part, Vec<u8>),
}

/// One file.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Input {
    /// The patient, normalised; the path itself where none is known, so that it stays alone.
    pub(super) patient: String,
    /// Another patient whom it names, normalised (MRG of a merge).
    pub(super) merged: Option<String>,
    /// Order time, 17 digits where it is known.
    pub(super) time: String,
    /// Where it lies.
    pub(super) path: PathBuf,
    /// What its name says.
    pub(super) shape: Shape,
}

impl Input {
    /// Its name for a terminal, without its folders: the names of a storage hold patient ids, so that only their
    /// shape is told.
    pub(in crate::cli) fn masked(&self) -> String {
        self.path.file_name().map(|name| masked(Path::new(name))).unwrap_or_default()
    }

    /// Its name whole.
    pub(in crate::cli) fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.to_string_lossy()
    }

    /// Whether two files are of one patient.
    pub(super) fn same_patient(&self, other: &Self) -> bool {
        self.patient == other.patient
    }
}

/// The files under the paths, in order of patient, order time and path.
///
/// # Errors
/// A path that cannot be read.
pub(super) fn collect(paths: &[PathBuf], facility: &Facility) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        for entry in walkdir::WalkDir::new(path).follow_links(true) {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            if entry.file_type().is_file() {
                inputs.push(input(entry.into_path(), facility)?);
            }
        }
    }
    join_merged(&mut inputs);
    inputs.sort_by(|a, b| (&a.patient, &a.time, &a.path).cmp(&(&b.patient, &b.time, &b.path)));
    inputs.dedup_by(|a, b| a.path == b.path);
    Ok(inputs)
}

/// Patients of whom a message says that they are one stand together, under the least of their ids.
fn join_merged(inputs: &mut [Input]) {
    let mut first: HashMap<String, String> = HashMap::new();
    fn of(first: &HashMap<String, String>, patient: &str) -> String {
        let mut at = patient;
        while let Some(next) = first.get(at) {
            at = next;
        }
        at.to_owned()
    }
    for input in inputs.iter() {
        let Some(merged) = &input.merged else { continue };
        let (one, other) = (of(&first, &input.patient), of(&first, merged));
        if one != other {
            first.insert(one.clone().max(other.clone()), one.min(other));
        }
    }
    for input in inputs.iter_mut().filter(|_| !first.is_empty()) {
        input.patient = of(&first, &input.patient);
    }
}

/// The shape of a path, for messages on standard error: the names of a storage hold patient ids.
pub(super) fn masked(path: &Path) -> String {
    shape::of(&path.to_string_lossy())
}

/// What was asked for is named as it was written, what lies below it by its shape.
pub(super) fn unreadable(asked: &Path, error: &walkdir::Error) -> anyhow::Error {
    let below = error.path().and_then(|path| path.strip_prefix(asked).ok()).map(masked).unwrap_or_default();
    let reason = error.io_error().map_or_else(|| "a link leads back".to_owned(), ToString::to_string);
    anyhow::anyhow!("{} {below}: {reason}", asked.display())
}

fn input(path: PathBuf, facility: &Facility) -> anyhow::Result<Input> {
    let alone = path.to_string_lossy().into_owned();
    let mut merged = None;
    let (patient, time, shape) = match FileName::parse(&alone) {
        Ok(name) => {
            (facility.patient_id.normalise(&name.patient), name.time.clone(), Shape::Storage(Arc::new(name)))
        }
        Err(findings) if findings.iter().any(|finding| finding.code == "storage-attachment") => {
            (alone, String::new(), Shape::Attachment)
        }
        Err(findings) if findings.iter().all(|finding| finding.code != "not-a-storage-file") => {
            (alone, String::new(), Shape::Misnamed(findings))
        }
        Err(_) => {
            let (patients, time) = look(&path, facility)?;
            let mut patients = patients.into_iter();
            let patient = patients.next().unwrap_or(alone);
            merged = patients.next();
            (patient, time, Shape::Other)
        }
    };
    Ok(Input { patient, merged, time, path, shape })
}

/// Patients and time of a file that its name says nothing of.
fn look(path: &Path, facility: &Facility) -> std::io::Result<(Vec<String>, String)> {
    let bytes = std::fs::read(path)?;
    if !looks_like_a_message(&bytes) {
        return Ok((Vec::new(), String::new()));
    }
    let peek = peek(&bytes, facility);
    // MSH-7 may end with a fraction and a zone; digits before either are the time.
    let mut time: String = peek.time.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    time = format!("{time:0<17}");
    Ok((peek.patients, time))
}

/// Whether the first thing in it is a header, batch headers included.
pub(super) fn looks_like_a_message(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let start =
        bytes.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0x0b).unwrap_or(bytes.len());
    [b"MSH", b"FHS", b"BHS"].iter().any(|name| bytes[start..].starts_with(*name))
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_message;

    #[test]
    fn a_header_makes_a_message() {
        for yes in ["MSH|^~\\&|", "\r\nMSH|", "\u{feff}MSH|", "\u{b}MSH|", "FHS|^~\\&"] {
            assert!(looks_like_a_message(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "Apache License", "PID|1"] {
            assert!(!looks_like_a_message(no.as_bytes()), "{no:?}");
        }
    }
}
