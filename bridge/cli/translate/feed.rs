//! Files of a feed: cut into messages, and their sums.

use super::inputs::{Input, Shape, unreadable};
use renkei_translate::feed::{FileCut, Layout, Part, cut};
use renkei_translate::translation::Facility;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The messages of the files under the paths, a file after the other in order of their names. Each says its sum on
/// standard error.
///
/// # Errors
/// A path that cannot be read.
pub(super) fn collect(paths: &[PathBuf], layout: &Layout, facility: &Facility) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        for entry in walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            if entry.file_type().is_file() {
                let bytes = std::fs::read(entry.path())?;
                let file = cut(layout, &bytes, &facility.gaiji);
                say(path, entry.path(), &file);
                inputs.extend(file.pieces.into_iter().map(|piece| {
                    let mut name = OsString::from(entry.path());
                    name.push(format!("#{}", piece.rows));
                    let patient = match piece.patient.as_str() {
                        // Alone: nobody knows whose it is.
                        "" => name.to_string_lossy().into_owned(),
                        patient => facility.patient_id.normalise(patient),
                    };
                    // A column that names another facility than --facility holds its rows.
                    let part = Part { by_field: true, ..piece.part };
                    Input {
                        patient,
                        merged: None,
                        time: String::new(),
                        path: name.into(),
                        shape: Shape::Rows(part, piece.body),
                    }
                }));
            }
        }
    }
    // A patient's messages stand together and in the order of the files.
    inputs.sort_by(|a, b| a.patient.cmp(&b.patient));
    Ok(inputs)
}

fn say(asked: &Path, path: &Path, file: &FileCut) {
    let shown = path.strip_prefix(asked).ok().filter(|rest| !rest.as_os_str().is_empty());
    let name = shown.map_or_else(|| asked.display().to_string(), super::inputs::masked);
    let (messages, rows, titles, blank) = (file.pieces.len(), file.rows, file.titles, file.blank);
    eprintln!("{name}: {messages} messages of {rows} rows, {titles} title rows, {blank} blank rows");
}
