//! A layer as one archive: the text files of a folder, byte for byte, comments kept.
//!
//! The archive is a zip of stored entries in order of their names with one fixed time, so that the same files give
//! the same bytes whoever makes it. What comes from elsewhere is not believed: names, sizes and kinds of entries are
//! looked at before anything is written, and the layer is compiled over the set that it is for.

use super::Layers;
use crate::app::mappings::{self, Folders};
use anyhow::Context as _;
use renkei_translate::mapping::{Layer, Problem, Rank};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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

/// The arguments of `mapping export`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// The folder of the layer.
    #[arg(value_name = "LAYER-DIR")]
    layer: PathBuf,
    /// The archive; one that is there is not written over.
    #[arg(value_name = "OUT")]
    out: PathBuf,
}

/// The arguments of `mapping import`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Import {
    /// The archive.
    #[arg(value_name = "ARCHIVE")]
    archive: PathBuf,
    /// Where its files go: a folder that is empty or not there yet.
    #[arg(value_name = "LAYER-DIR")]
    layer: PathBuf,
    /// A mapping set in place of the one inside the program, which the layer is checked over.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    #[command(flatten)]
    below: Layers,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Refusal {
    #[error("it is no archive of a layer / 層のアーカイブとして読めません")]
    Unreadable,
    #[error(
        "the name {0:?} leads out of the layer or is no name of a rule file / この名前は層の外を指すか、規則のファイルではありません"
    )]
    Name(String),
    #[error(
        "{0:?} is a link or something else that is no file / ファイルではないもの(リンクなど)が入っています"
    )]
    NoFile(String),
    #[error("{0:?} is there twice / 同じ名のファイルが二つあります")]
    Twice(String),
    #[error("it is too large: {MAX_FILES} files and {MAX_BYTES} bytes at most / 大きすぎます")]
    TooLarge,
}

/// The files of a layer by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// `mapping export`.
pub(super) fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let files: Files = mappings::bytes(&arguments.layer)
        .with_context(|| format!("cannot read {}", arguments.layer.display()))?
        .into_iter()
        .collect();
    if files.is_empty() {
        eprintln!("{}: no rule files / 規則のファイルがありません", arguments.layer.display());
        return Ok(ExitCode::from(super::super::EXIT_DATA));
    }
    let bytes = match check(&files).and_then(|()| pack(&files)) {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(refused(&arguments.layer, &refusal)),
    };
    let mut out = std::fs::File::create_new(&arguments.out)
        .with_context(|| format!("cannot make {}", arguments.out.display()))?;
    out.write_all(&bytes).and_then(|()| out.sync_all()).context("cannot write the archive")?;
    eprintln!("{}: {} files, {} bytes", arguments.out.display(), files.len(), bytes.len());
    Ok(ExitCode::SUCCESS)
}

/// `mapping import`.
pub(super) fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    let reading = || format!("cannot read {}", arguments.archive.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&arguments.archive).with_context(reading)?;
    file.take(MAX_ARCHIVE_BYTES + 1).read_to_end(&mut bytes).with_context(reading)?;
    let files = match unpack(bytes, MAX_BYTES) {
        Ok(files) => files,
        Err(refusal) => return Ok(refused(&arguments.archive, &refusal)),
    };
    if occupied(&arguments.layer) {
        eprintln!("{}: there are files already / すでにファイルがあります", arguments.layer.display());
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    }
    let below = match arguments.below.over(arguments.mappings.as_ref()) {
        Ok(below) => below,
        Err(code) => return Ok(code),
    };
    match fits(&files, &below) {
        Ok(problems) if problems.is_empty() => {}
        Ok(problems) => {
            super::print(&problems);
            return Ok(ExitCode::from(super::super::EXIT_DATA));
        }
        Err(code) => return Ok(code),
    }
    for (name, bytes) in &files {
        let path = arguments.layer.join(name);
        let writing = || format!("cannot write {}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(&arguments.layer)).with_context(writing)?;
        let mut file = std::fs::File::create_new(&path).with_context(writing)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).with_context(writing)?;
    }
    eprintln!("{}: {} files", arguments.layer.display(), files.len());
    Ok(ExitCode::SUCCESS)
}

/// Compiles the files as the layer over those below and gives their problems.
///
/// # Errors
/// There is no layer left that they could be; it is said.
pub(super) fn fits(files: &Files, below: &Folders) -> Result<Vec<Problem>, ExitCode> {
    let base = match mappings::stack(below) {
        Ok(base) => base,
        Err(problems) => return Ok(problems),
    };
    let rank = if below.network.is_some() { Rank::Facility } else { Rank::Network };
    if below.facility.is_some() {
        eprintln!("--layer is given once at most: the network's, below a facility's");
        return Err(ExitCode::from(super::super::EXIT_USAGE));
    }
    let mut problems = Vec::new();
    let own = files.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    let layer: Layer = mappings::layer(rank, own, &mut problems);
    Ok(mappings::joined(base.over(layer), problems).err().unwrap_or_default())
}

fn refused(path: &Path, refusal: &Refusal) -> ExitCode {
    eprintln!("{}: {refusal}", path.display());
    ExitCode::from(super::super::EXIT_DATA)
}

fn occupied(dir: &Path) -> bool {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => dir.symlink_metadata().is_ok(),
    }
}

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

fn check(files: &Files) -> Result<(), Refusal> {
    if let Some(name) = files.keys().find(|name| !is_inside(name)) {
        return Err(Refusal::Name(name.clone()));
    }
    let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    if files.len() > MAX_FILES || bytes > MAX_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
}

/// The archive of files: stored, in order, all of one time.
fn pack(files: &Files) -> Result<Vec<u8>, Refusal> {
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

/// The files of an archive, which together have so many bytes at most.
fn unpack(bytes: Vec<u8>, most: u64) -> Result<Files, Refusal> {
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
        super::unpack(bytes, MOST)
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
