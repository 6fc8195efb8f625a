//! `mapping export` and `mapping import`: a layer as one archive, out of a folder or the store and into a folder.

use super::Layers;
use super::versions::Stored;
use crate::app::archive::{self, Files, Refusal};
use crate::app::mappings::{self, Folders};
use anyhow::Context as _;
use renkei_translate::mapping::{Layer, Problem, Rank};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// In place of a layer's folder: the set inside the program.
pub(super) const SHIPPED: &str = "shipped";

/// The arguments of `mapping export`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    /// The folder of the layer, and the archive to write; with --config the archive alone. One that is there is not
    /// written over. In place of a folder the word `shipped`: the set inside the program with its manual, into a new
    /// folder, or into an archive where OUT ends in .zip.
    #[arg(value_names = ["LAYER-DIR", "OUT"], num_args = 1..=2, required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    stored: Stored,
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

/// `mapping export`.
pub(super) fn export(arguments: &Export) -> anyhow::Result<ExitCode> {
    let (bytes, out) = match (arguments.paths.as_slice(), arguments.stored.is_asked()) {
        ([layer, out], false) if layer.as_os_str() == SHIPPED => {
            let files: Files =
                mappings::shipped().into_iter().map(|file| (file.path, file.text.into_bytes())).collect();
            if out.extension().is_none_or(|extension| extension != "zip") {
                return shipped(files, out);
            }
            match archive::pack(&files) {
                Ok(bytes) => (bytes, out),
                Err(refusal) => return Ok(refused(layer, &refusal)),
            }
        }
        ([layer, out], false) => {
            super::say_strangers(layer);
            let files =
                match archive::read(layer).with_context(|| format!("cannot read {}", layer.display()))? {
                    Ok(files) => files,
                    Err(refusal) => return Ok(refused(layer, &refusal)),
                };
            match archive::pack(&files) {
                Ok(bytes) => (bytes, out),
                Err(refusal) => return Ok(refused(layer, &refusal)),
            }
        }
        ([out], true) => match arguments.stored.archive()? {
            Ok(bytes) => (bytes, out),
            Err(code) => return Ok(code),
        },
        _ => {
            eprintln!(
                "LAYER-DIR OUT, or --config FILE --layer LAYER OUT / LAYER-DIR OUT か --config FILE --layer LAYER OUT"
            );
            return Ok(ExitCode::from(super::super::EXIT_USAGE));
        }
    };
    let mut file =
        std::fs::File::create_new(out).with_context(|| format!("cannot make {}", out.display()))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).context("cannot write the archive")?;
    eprintln!("{}: {} bytes", out.display(), bytes.len());
    Ok(ExitCode::SUCCESS)
}

/// `mapping import`.
pub(super) fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    let reading = || format!("cannot read {}", arguments.archive.display());
    let files = match archive::read(&arguments.archive).with_context(reading)? {
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
    write(&files, &arguments.layer)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes files into a folder that is empty or not there yet.
fn write(files: &Files, dir: &Path) -> anyhow::Result<()> {
    for (name, bytes) in files {
        let path = dir.join(name);
        let writing = || format!("cannot write {}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(dir)).with_context(writing)?;
        let mut file = std::fs::File::create_new(&path).with_context(writing)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).with_context(writing)?;
    }
    eprintln!("{}: {} files / ファイル", dir.display(), files.len());
    Ok(())
}

/// The set inside the program and its manual, to read: what a layer changes is written into a folder of its own.
fn shipped(mut files: Files, dir: &Path) -> anyhow::Result<ExitCode> {
    if occupied(dir) {
        eprintln!("{}: there are files already / すでにファイルがあります", dir.display());
        return Ok(ExitCode::from(super::super::EXIT_USAGE));
    }
    files.extend(mappings::manual().map(|manual| ("README.md".to_owned(), manual)));
    write(&files, dir)?;
    eprintln!(
        "to read, and to copy rows from into a layer; changed here they change nothing\n    \
         読むための写しです。変える行だけを自分の層のフォルダに書いてください。ここを直しても何も変わりません。"
    );
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

pub(super) fn refused(path: &Path, refusal: &Refusal) -> ExitCode {
    eprintln!("{}: {refusal}", path.display());
    ExitCode::from(super::super::EXIT_DATA)
}

fn occupied(dir: &Path) -> bool {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => dir.symlink_metadata().is_ok(),
    }
}
