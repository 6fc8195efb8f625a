//! `participation`: the report of a month, written where the prefecture takes it.

use super::open::ConfigFile;
use crate::app::now_ms;
use crate::participation::{self, Day, Month};
use renkei_translate::finding::Language;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `participation`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// The month, 2026-10.
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// What to write.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// The language of the headings.
    #[arg(long, value_enum, default_value = "ja")]
    language: Tongue,
    /// Write here in place of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// One figure a line.
    Csv,
    /// A workbook of five sheets.
    Xlsx,
    /// For scripts.
    Json,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Tongue {
    /// 日本語.
    Ja,
    /// English.
    En,
}

/// Writes it, and its SHA-256 on standard error: the same input gives the same bytes.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (config, store) = match arguments.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let language = match arguments.language {
        Tongue::Ja => Language::Ja,
        Tongue::En => Language::En,
    };
    let report = participation::report(&store, &config.participation, &config.members(), arguments.month)?;
    let bytes = match arguments.format {
        Format::Csv => participation::csv(&report, language)?,
        Format::Xlsx => participation::xlsx(&report, language)?,
        Format::Json => {
            let mut json = serde_json::to_vec_pretty(&report)?;
            json.push(b'\n');
            json
        }
    };
    match &arguments.output {
        Some(path) => std::fs::write(path, &bytes)?,
        None => std::io::stdout().write_all(&bytes)?,
    }
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    eprintln!("sha256 {digest}");
    if !Day::today(now_ms()).is_some_and(|today| arguments.month.is_over(today)) {
        eprintln!("{} is not over: the figures will change", arguments.month);
    }
    Ok(ExitCode::SUCCESS)
}
