//! Rows of the tables of others, as they are read: JAMI's draft and the HL7 v2-to-FHIR guide.

/// Which file a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `ssmix2-jami/rows.csv`.
    Jami,
    /// `rows.csv`.
    Hl7,
    /// `codes.csv`.
    Hl7Codes,
}

impl Table {
    /// Its name in the statements and in what is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jami => "jami",
            Self::Hl7 | Self::Hl7Codes => "hl7",
        }
    }
}

/// A row that has a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    /// Whose.
    pub table: Table,
    /// `message`, `segment`, `datatype`, `table`, `code`.
    pub kind: String,
    /// `Segment PID to Patient`, `PID[Patient]`.
    pub map: String,
    /// Its line in the source, as the table counts.
    pub line: String,
    /// `PID-3`, `CWE.1`, a code.
    pub source: String,
    /// The element, or the target code.
    pub target: String,
    /// The v2 datatype of the source.
    pub(super) datatype: String,
    /// The code map and the datatype map that the row names.
    pub(super) codes: String,
    pub(super) through: String,
    /// What is written whatever the source says.
    pub(super) assigned: String,
    /// The code systems of a code row: v2's name and the URL of the target.
    pub(super) systems: (String, String),
}

/// Reads a table: its rows with a target.
///
/// # Errors
/// A text that says what the file is not.
pub fn read(table: Table, text: &str) -> Result<Vec<TargetRow>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| header.iter().position(|title| title == name);
    let need = |name: &str| column(name).ok_or_else(|| format!("there is no column {name}"));
    let (source, target) = match table {
        Table::Hl7Codes => (need("code")?, need("to_code")?),
        _ => (need("src")?, need("target")?),
    };
    let map = need("map")?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let cell = |n: Option<usize>| n.and_then(|n| record.get(n)).unwrap_or_default().trim().to_owned();
        let of = |name: &str| cell(column(name));
        if cell(Some(target)).is_empty() {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line).to_string();
        rows.push(TargetRow {
            table,
            kind: if table == Table::Hl7Codes { "code".to_owned() } else { of("kind") },
            map: cell(Some(map)),
            line: Some(of("line")).filter(|line| !line.is_empty()).unwrap_or(line),
            source: cell(Some(source)),
            target: cell(Some(target)),
            datatype: of("v2type"),
            codes: of("vocab_map_or_segment_map"),
            through: of("dt_map"),
            assigned: of("assign_or_references"),
            systems: (of("system"), of("to_system")),
        });
    }
    Ok(rows)
}
