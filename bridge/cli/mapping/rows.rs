//! Rows of a code table as the CSV that tables are kept in: one way to write them, so that the same rows are the same
//! bytes.

/// One row: the seven cells of a code table, and its rank where it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) source_system: String,
    pub(super) source_code: String,
    pub(super) source_display: String,
    pub(super) target_system: String,
    pub(super) target_code: String,
    pub(super) target_display: String,
    pub(super) equivalence: String,
    /// From 1; 0 where nothing is said.
    pub(super) rank: u32,
}

/// The header of a code table.
pub(super) const HEADER: [&str; 8] = [
    "source_system",
    "source_code",
    "source_display",
    "target_system",
    "target_code",
    "target_display",
    "equivalence",
    "rank",
];

impl Row {
    /// A row of these cells, as `table_page` gives them.
    pub(super) fn of(cells: &[String]) -> Self {
        let cell = |n: usize| cells.get(n).cloned().unwrap_or_default();
        Self {
            source_system: cell(0),
            source_code: cell(1),
            source_display: cell(2),
            target_system: cell(3),
            target_code: cell(4),
            target_display: cell(5),
            equivalence: cell(6),
            rank: cell(7).parse().unwrap_or_default(),
        }
    }

    /// Its cells in the order of the header, without the rank.
    pub(super) fn cells(&self) -> [&str; 7] {
        [
            &self.source_system,
            &self.source_code,
            &self.source_display,
            &self.target_system,
            &self.target_code,
            &self.target_display,
            &self.equivalence,
        ]
    }
}

/// The CSV of rows: the header, a row a line, `\n`, quotes where they are needed; `rank` only where a row has one.
pub(super) fn csv(rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let ranked = rows.iter().any(|row| row.rank > 0);
    // A cell that begins with the sign of a comment is quoted.
    let mut out = csv::WriterBuilder::new().comment(Some(b'#')).flexible(true).from_writer(Vec::new());
    out.write_record(&HEADER[..if ranked { 8 } else { 7 }])?;
    for row in rows {
        let rank = if row.rank > 0 { row.rank.to_string() } else { String::new() };
        let cells = row.cells().into_iter().chain(ranked.then_some(rank.as_str()));
        out.write_record(cells)?;
    }
    Ok(out.into_inner().map_err(|error| error.into_error())?)
}
