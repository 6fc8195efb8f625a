//! A code table's file, put into the folder of a layer: compiled over the layers below first, written whole or not at
//! all.

use super::Layers;
use super::archive;
use crate::app::archive::Files;
use crate::app::mappings;
use anyhow::Context as _;
use renkei_translate::mapping::Problem;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes of a file that is taken in: HOT's master has 20 MiB, a ConceptMap of 100,000 rows 30.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Problems that are printed; a file of another kind has one in every row.
const MAX_PRINTED: usize = 20;

/// Where a table goes.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The folder of the layer that takes the table.
    #[arg(long = "into", value_name = "LAYER-DIR")]
    into: PathBuf,
    /// Write over the layer's file of that table.
    #[arg(long)]
    replace: bool,
    /// A mapping set in place of the one inside the program, which the layer is checked over.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    #[command(flatten)]
    below: Layers,
}

/// A table's file as it will be written.
pub(super) struct File {
    /// The table: `hot-yj`.
    pub(super) table: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// The file that its rows were read from, and the line there of the rows behind the header; empty where the file
    /// is taken as it is.
    pub(super) from: (String, Vec<usize>),
}

/// Reads a file whole.
///
/// # Errors
/// It cannot be read, or is larger than any table.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let reading = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(reading)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).with_context(reading)?;
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_FILE_BYTES,
        "{} is larger than {} MiB / 大きすぎます",
        path.display(),
        MAX_FILE_BYTES >> 20
    );
    Ok(bytes)
}

/// Whether a name can be that of a table: it becomes the name of a file.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !name.starts_with('.')
}

/// Prints problems, the first of them where they are many.
pub(super) fn refused(problems: &[Problem]) -> ExitCode {
    eprint!("{}", listed(problems));
    ExitCode::from(super::super::EXIT_DATA)
}

/// Problems with file, line and column, in both languages.
pub(super) fn listed(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems.iter().take(MAX_PRINTED) {
        out += &format!("{problem}\n    {}\n", problem.ja);
    }
    if let Some(more) = problems.len().checked_sub(MAX_PRINTED).filter(|more| *more > 0) {
        out += &format!("and {more} more / ほかに {more} 件\n");
    }
    out + &format!("{} problems, nothing was written / 書き込んでいません\n", problems.len())
}

impl Target {
    /// Writes the file as `tables/NAME.csv` of the layer.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn write(&self, file: File) -> anyhow::Result<ExitCode> {
        if !is_name(&file.table) {
            eprintln!("{:?} is no name of a table / 表の名にできません", file.table);
            return Ok(ExitCode::from(super::super::EXIT_USAGE));
        }
        let name = format!("tables/{}.csv", file.table);
        let path = self.into.join(&name);
        if path.exists() && !self.replace {
            eprintln!(
                "{} is there; --replace writes over it / すでにあります。上書きするなら --replace",
                path.display()
            );
            return Ok(ExitCode::from(super::super::EXIT_USAGE));
        }
        let mut files: Files = match self.into.is_dir() {
            true => mappings::bytes(&self.into)
                .with_context(|| format!("cannot read {}", self.into.display()))?
                .into_iter()
                .collect(),
            false => Files::new(),
        };
        files.insert(name.clone(), file.bytes);
        let below = match self.below.over(self.mappings.as_ref()) {
            Ok(below) => below,
            Err(code) => return Ok(code),
        };
        let mut problems = match archive::fits(&files, &below) {
            Ok(problems) => problems,
            Err(code) => return Ok(code),
        };
        if !problems.is_empty() {
            for problem in problems.iter_mut().filter(|problem| problem.file == name) {
                problem.file.clone_from(&file.from.0);
                // The header is line 1, and a row never spans lines.
                if let Some(line) = problem.line.checked_sub(2).and_then(|n| file.from.1.get(n)) {
                    problem.line = *line;
                }
            }
            return Ok(refused(&problems));
        }
        let bytes = files.remove(&name).unwrap_or_default();
        put(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{}: {} bytes", path.display(), bytes.len());
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes beside it first, so that a reader never meets half a table.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let beside = path.with_extension("csv.part");
    let mut out = std::fs::File::create(&beside)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&beside, path)
}
