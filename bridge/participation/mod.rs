//! 参加状況: how far the region takes part, from real traffic and not from paper membership.
//!
//! [`report`] gathers days and numbers from the store, sets them against the denominators, and hides what would
//! tell of few people; from there on nothing knows the hidden figures. Page, CSV, xlsx and JSON are written from
//! that one [`Report`]: the same input gives the same bytes. No patient and no message is ever named here.

mod csv_file;
pub mod definition;
mod denominators;
mod figures;
mod ledger;
mod member;
mod month;
mod sheets;
mod suppress;
#[cfg(test)]
mod tests;
mod xlsx_file;

pub use csv_file::{csv, safe_cell};
pub use denominators::{Denominator, Denominators, DenominatorsError, RowProblem};
pub use figures::{AreaRow, Counts, FacilityRow, MonthRow, Ratio, Report, TypeRow, compose};
pub use ledger::{LEDGER_COLUMNS, write_ledger};
pub use member::{FacilityType, Member};
pub use month::{Day, Month};
pub use suppress::{FEW, People};
pub use xlsx_file::xlsx;

use crate::store::{Activity, Store, StoreError};
use std::path::PathBuf;

/// `[participation]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The CSV of denominators; without it no participation rate is known.
    pub denominators: Option<PathBuf>,
    /// Whose report it is, on its cover: 「架空県 あおば医療情報ネットワーク」.
    pub network: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ParticipationError {
    /// The denominators.
    #[error("{path}: {error}")]
    Denominators {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: DenominatorsError,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The workbook.
    #[error("the workbook cannot be written: {0}")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    /// A line of CSV.
    #[error("the CSV cannot be written: {0}")]
    Csv(#[from] ::csv::Error),
}

impl Config {
    /// Reads the denominators; none where no file is named.
    ///
    /// # Errors
    /// A file that cannot be read, or rows of it.
    pub fn read_denominators(&self) -> Result<Denominators, ParticipationError> {
        let Some(path) = &self.denominators else { return Ok(Denominators::default()) };
        Denominators::read(path)
            .map_err(|error| ParticipationError::Denominators { path: path.clone(), error })
    }
}

/// The report of a month.
///
/// # Errors
/// The denominators' file or the store.
pub fn report(
    store: &Store,
    config: &Config,
    members: &[Member],
    month: Month,
) -> Result<Report, ParticipationError> {
    gather(store, &config.network, members, &config.read_denominators()?, month)
}

/// The report of a month, against these denominators.
///
/// # Errors
/// The store.
pub fn gather(
    store: &Store,
    network: &str,
    members: &[Member],
    denominators: &Denominators,
    month: Month,
) -> Result<Report, ParticipationError> {
    let mut activities = Vec::with_capacity(members.len());
    for member in members {
        activities.push(match store.facility(&member.code) {
            Some(facility) => facility.activity(figures::first_day_needed(month), month.last_day())?,
            None => Activity::default(),
        });
    }
    Ok(compose(network, month, members, denominators, &activities))
}
