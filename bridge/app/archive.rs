//! A layer as one archive: the text files of a folder, byte for byte, comments kept.
//!
//! The archive is a zip of stored entries in order of their names with one fixed time, so that the same files give
//! the same bytes whoever makes it. What comes from elsewhere is not believed: names, sizes and kinds of entries are
//! looked at before anything is taken.

use super::mappings;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Files of a layer; the shipped set has about a hundred.
const MAX_FILES: usize = 2_000;
/// Bytes of a layer's files together. A code table of 100,000 rows has about 10 MiB.
const MAX_BYTES: u64 = 256 << 20;
/// Bytes of an archive that is read into memory.
const MAX_ARCHIVE_BYTES: u64 = 300 << 20;
/// Folders above a file, and bytes of a name.
const MAX_DEPTH: usize = 4;
const MAX_NAME: usize = 200;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read as an archive.
    #[error("it is no archive of a layer / 層のアーカイブとして読めません")]
    Unreadable,
    /// A name that leads out of the layer, or is no name of a rule file.
    #[error(
        "the name {0:?} leads out of the layer or is no name of a rule file / この名前は層の外を指すか、規則のファイルではありません"
    )]
    Name(String),
    /// A link, a device.
    #[error(
        "{0:?} is a link or something else that is no file / ファイルではないもの(リンクなど)が入っています"
    )]
    NoFile(String),
    /// Two files of one name.
    #[error("{0:?} is there twice / 同じ名のファイルが二つあります")]
    Twice(String),
    /// There is nothing in it.
    #[error("no rule files / 規則のファイルがありません")]
    Empty,
    /// More or larger files than a layer has.
    #[error("it is too large: {MAX_FILES} files and {MAX_BYTES} bytes at most / 大きすぎます")]
    TooLarge,
}

/// The files of a layer by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Whether a name stays inside a layer: parts of letters as rule files have them, nothing that leads up or away.
fn is_inside(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.chars().any(|c| c.is_control() || "\\:*?\"<>|".contains(c))
    };
    name.len() <= MAX_NAME
        && mappings::is_data(name)
        && name.split('/').all(part)
        && (2..=MAX_DEPTH).contains(&name.split('/').count())
}

/// Whether files can be those of a layer.
///
/// # Errors
/// They cannot.
pub fn check(files: &Files) -> Result<(), Refusal> {
    if let Some(name) = files.keys().find(|name| !is_inside(name)) {
        return Err(Refusal::Name(name.clone()));
    }
    let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    if files.len() > MAX_FILES || bytes > MAX_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
}

/// The archive of files: stored, in order, all of one time.
///
/// # Errors
/// They are no files of a layer.
pub fn pack(files: &Files) -> Result<Vec<u8>, Refusal> {
    check(files)?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).map_err(|_| Refusal::Unreadable)?;
        zip.write_all(bytes).map_err(|_| Refusal::Unreadable)?;
    }
    Ok(zip.finish().map_err(|_| Refusal::Unreadable)?.into_inner())
}

/// Reads an archive, or a folder in its place.
///
/// # Errors
/// It cannot be read; what is in it cannot be a layer.
pub fn read(path: &Path) -> std::io::Result<Result<Files, Refusal>> {
    if path.is_dir() {
        let files: Files = mappings::folder_bytes(path)?.into_iter().collect();
        return Ok(if files.is_empty() { Err(Refusal::Empty) } else { check(&files).map(|()| files) });
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_ARCHIVE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(unpack(bytes))
}

/// The files of an archive.
///
/// # Errors
/// It is none, or has something in it that no layer has.
pub fn unpack(bytes: Vec<u8>) -> Result<Files, Refusal> {
    unpack_most(bytes, MAX_BYTES)
}

fn unpack_most(bytes: Vec<u8>, most: u64) -> Result<Files, Refusal> {
    if bytes.len() as u64 > MAX_ARCHIVE_BYTES {
        return Err(Refusal::TooLarge);
    }
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Refusal::Unreadable)?;
    if zip.len() > MAX_FILES {
        return Err(Refusal::TooLarge);
    }
    let (mut files, mut left) = (Files::new(), most);
    for n in 0..zip.len() {
        let entry = zip.by_index(n).map_err(|_| Refusal::Unreadable)?;
        let name = entry.name().map_err(|_| Refusal::Unreadable)?.into_owned();
        // A folder by itself says nothing: files name theirs.
        if entry.is_dir()
            && !entry.is_symlink()
            && is_inside(&format!("{}/x/x.toml", name.trim_end_matches('/')))
        {
            continue;
        }
        if !entry.is_file() || entry.is_symlink() {
            return Err(Refusal::NoFile(name));
        }
        if !is_inside(&name) {
            return Err(Refusal::Name(name));
        }
        // What an entry says of its size is not believed.
        let mut text = Vec::new();
        let read = entry.take(left + 1).read_to_end(&mut text).map_err(|_| Refusal::Unreadable)? as u64;
        left = left.checked_sub(read).ok_or(Refusal::TooLarge)?;
        // Two names that differ by case are one file on some machines.
        if files.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::Twice(name));
        }
        files.insert(name, text);
    }
    if files.is_empty() { Err(Refusal::Unreadable) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::{Files, Refusal, pack};
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const MOST: u64 = 1 << 20;

    fn unpack(bytes: Vec<u8>) -> Result<Files, Refusal> {
        super::unpack_most(bytes, MOST)
    }

    fn files(names: &[&str]) -> Files {
        names.iter().map(|name| ((*name).to_owned(), b"# \xe6\xb3\xa8\r\n".to_vec())).collect()
    }

    /// An archive of one entry, as a hostile sender makes it.
    fn archive(write: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        write(&mut zip);
        zip.finish().unwrap().into_inner()
    }

    fn named(name: &str) -> Vec<u8> {
        archive(|zip| {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x").unwrap();
        })
    }

    #[test]
    fn what_is_packed_comes_out_byte_for_byte_and_packs_to_the_same_archive() {
        let all = files(&["maps/patient.toml", "tables/lab-items/A.csv", "messages/OML-11.toml"]);
        let bytes = pack(&all).unwrap();
        let out = unpack(bytes.clone()).unwrap();
        assert_eq!(out, all);
        assert_eq!(pack(&out).unwrap(), bytes);
    }

    #[test]
    fn names_that_lead_out_of_the_layer_are_refused() {
        for name in [
            "../maps/x.toml",
            "maps/../../x.toml",
            "/etc/x.toml",
            "maps//x.toml",
            "maps/./x.toml",
            "C:/x.toml",
            "maps\\..\\x.toml",
            "maps/.x.toml",
            "x.toml",
            "maps/x.sh",
            "a/b/c/d/x.toml",
        ] {
            let refused = unpack(named(name)).unwrap_err();
            assert!(matches!(refused, Refusal::Name(_)), "{name}: {refused:?}");
        }
        assert_eq!(unpack(named("maps/x.toml")).unwrap().len(), 1);
    }

    #[test]
    fn links_doubles_and_what_is_no_archive_are_refused() {
        let link = archive(|zip| {
            zip.add_symlink("maps/x.toml", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        });
        assert!(matches!(unpack(link).unwrap_err(), Refusal::NoFile(_)));
        let twice = archive(|zip| {
            for name in ["maps/x.toml", "maps/X.toml"] {
                zip.start_file(name, SimpleFileOptions::default()).unwrap();
            }
        });
        assert!(matches!(unpack(twice).unwrap_err(), Refusal::Twice(_)));
        for bytes in
            [Vec::new(), b"no archive".to_vec(), named("maps/x.toml")[..40].to_vec(), archive(|_| {})]
        {
            assert_eq!(unpack(bytes).unwrap_err(), Refusal::Unreadable);
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked_whole() {
        let bomb = archive(|zip| {
            let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            zip.start_file("tables/x.csv", options).unwrap();
            zip.write_all(&vec![b'0'; MOST as usize + 1]).unwrap();
        });
        assert!(bomb.len() < 10_000);
        assert_eq!(unpack(bomb).unwrap_err(), Refusal::TooLarge);
        let many = archive(|zip| {
            for n in 0..=super::MAX_FILES {
                zip.start_file(format!("maps/{n}.toml"), SimpleFileOptions::default()).unwrap();
            }
        });
        assert_eq!(unpack(many).unwrap_err(), Refusal::TooLarge);
    }
}
