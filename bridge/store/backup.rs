//! Online copies of databases.

use super::StoreError;
use rusqlite::Connection;
use rusqlite::backup::Backup;
use std::path::Path;
use std::time::Duration;

/// Pages copied before writers get their turn.
const STEP_PAGES: i32 = 1_024;

/// Copies a database, while it is written to, into a directory under its own name.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let name = from.file_name().ok_or(StoreError::Order("backup of no file"))?;
    let target = to.join(name);
    if target.exists() {
        return Err(StoreError::Order("backup over a file that is there"));
    }
    let source = super::schema::open_reader(from)?;
    let mut copy = Connection::open(&target)?;
    Backup::new(&source, &mut copy)?.run_to_completion(STEP_PAGES, Duration::from_millis(1), None)?;
    Ok(())
}
