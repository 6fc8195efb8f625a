//! `consent check|import|list`: the lists of patients who are shared.
//!
//! Patient ids are printed with `--reveal` and a reason only; everything else is numbers and rows.

use super::messages::Author;
use super::open::ConfigFile;
use super::print::{say, time};
use crate::consent::{self, ConsentError, List, MAX_LIST_BYTES, parse};
use crate::store::{ConsentStatus, FOREVER, FacilityStore, Store, day_in_japan};
use crate::{app, config};
use anyhow::Context;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What to do with the list of a facility.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Consent {
    /// Say what is wrong with a file and what it would change.
    Check(File),
    /// Replace the list by a file, whole; a bad row refuses all of it.
    Import(File),
    /// Say how the list stands and who replaced it when.
    List(Show),
}

#[derive(Debug, clap::Args)]
struct Where {
    #[command(flatten)]
    file: ConfigFile,
    /// The facility.
    #[arg(long, value_name = "CODE")]
    facility: String,
    #[command(flatten)]
    author: Author,
}

impl Where {
    fn find(&self) -> anyhow::Result<Result<Found, ExitCode>> {
        let (config, store) = match self.file.store()? {
            Ok(opened) => opened,
            Err(code) => return Ok(Err(code)),
        };
        let shown = self.file.config.display();
        let missing = || format!("there is no facility {} in {shown}", self.facility);
        let written = config.facilities.iter().find(|written| written.code == self.facility).cloned();
        let written = written.with_context(missing)?;
        let facility = store.facility(&self.facility).with_context(missing)?;
        Ok(Ok(Found { written, store, facility }))
    }
}

struct Found {
    written: config::Facility,
    store: Arc<Store>,
    facility: Arc<FacilityStore>,
}

/// The arguments of `consent check` and `consent import`.
#[derive(Debug, clap::Args)]
pub(super) struct File {
    #[command(flatten)]
    at: Where,
    /// The list: CSV of patient id, first day, last day, remark; UTF-8 or CP932.
    #[arg(value_name = "FILE")]
    list: PathBuf,
}

impl File {
    fn read(&self, found: &Found) -> anyhow::Result<List> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&self.list).with_context(|| format!("{}", self.list.display()))?;
        // One byte more than may be: then it is said to be too large.
        file.take(MAX_LIST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(parse(&bytes, &found.written.patient_id))
    }
}

/// The arguments of `consent list`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    at: Where,
    /// Print the patients and their days. Needs --reason.
    #[arg(long, requires = "reason")]
    reveal: bool,
    /// Why the patients are looked at; the audit trail keeps it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Checks, imports or lists.
pub(super) fn run(command: &Consent) -> anyhow::Result<ExitCode> {
    match command {
        Consent::Check(file) => check(file),
        Consent::Import(file) => import(file),
        Consent::List(show) => list(show),
    }
}

fn check(file: &File) -> anyhow::Result<ExitCode> {
    let found = match file.at.find()? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let list = file.read(&found)?;
    if !list.is_good() {
        return refused(&list);
    }
    say!("charset={} sha256={}", list.encoding, list.hash);
    say!("{}", found.facility.consent_preview(&list.rows)?);
    Ok(ExitCode::SUCCESS)
}

fn import(file: &File) -> anyhow::Result<ExitCode> {
    let found = match file.at.find()? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let list = file.read(&found)?;
    match consent::import(
        &found.store,
        &found.facility,
        list,
        (&file.at.author.who(), "command"),
        app::now_ms(),
    ) {
        Ok(change) => {
            say!("{change}");
            Ok(ExitCode::SUCCESS)
        }
        Err(ConsentError::Refused(list)) => refused(&list),
        Err(ConsentError::Store(error)) => Err(error.into()),
    }
}

/// Every bad row, on standard output: it is the result.
fn refused(list: &List) -> anyhow::Result<ExitCode> {
    for finding in &list.findings {
        say!("{}", consent::line(finding));
    }
    eprintln!("{} bad rows: the file is not taken in, the old list stands", list.bad);
    Ok(ExitCode::from(super::EXIT_DATA))
}

fn list(show: &Show) -> anyhow::Result<ExitCode> {
    let found = match show.at.find()? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    if show.reveal {
        let reason = show.reason.as_deref().unwrap_or_default().trim();
        anyhow::ensure!(!reason.is_empty(), "--reason must say why");
        found.store.audit().append(&show.at.author.who(), "reveal-consent", found.facility.code(), reason)?;
    }
    let ConsentStatus { sharing, rows, active, future, unswept, test_names, .. } =
        found.facility.consent_status(day_in_japan(app::now_ms()))?;
    for (destination, share) in &sharing.destinations {
        say!("share      {destination} {}", share.as_str());
    }
    say!("withdrawal {}", sharing.withdrawal.as_str());
    say!("patients   {rows}, today {active}, later {future}, test patients by name {test_names}");
    say!("unswept    {unswept}");
    for import in found.facility.consent_imports(20)? {
        say!("import     {} {} {} sha256={}", time(import.at_ms), import.source, import.change, import.hash);
    }
    if show.reveal {
        for row in found.facility.consent_rows()? {
            let day = |day: u32, open: u32| if day == open { String::new() } else { day.to_string() };
            say!("{},{},{}", row.patient, day(row.from_day, 0), day(row.until_day, FOREVER));
        }
    }
    Ok(ExitCode::SUCCESS)
}
