//! The denominators: how many institutions of each type there are in each 二次医療圏, with source and date.
//!
//! A CSV with the header `type,area,municipality,count,source,date`, in UTF-8 or in the CP932 of a spreadsheet.
//! A row without a municipality is the area's own figure; where there is none, its municipalities are added up.

use super::{Day, FacilityType};
use std::path::Path;

/// The columns, all required.
pub const COLUMNS: [&str; 6] = ["type", "area", "municipality", "count", "source", "date"];

/// Rows of one file: a prefecture has at most some 20 areas and 200 municipalities, of 7 types.
const ROWS: usize = 10_000;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Denominator {
    /// What is counted.
    #[serde(rename = "type")]
    pub facility_type: FacilityType,
    /// 二次医療圏.
    pub area: String,
    /// 市町村; empty for the whole area.
    pub municipality: String,
    /// How many there are.
    pub count: u64,
    /// Who counted: 医療施設調査.
    pub source: String,
    /// As of.
    pub date: Day,
}

/// One row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// One-based line of the file.
    pub line: u64,
    /// What is wrong and what to do, in Japanese.
    pub ja: String,
    /// The same in English.
    pub en: String,
}

/// Why the denominators cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DenominatorsError {
    /// The file.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Rows of it, every one.
    #[error("{}", .0.first().map_or_else(String::new, |p| format!("line {}: {}", p.line, p.en)))]
    Rows(Vec<RowProblem>),
}

/// Institutions by type and area.
pub(super) type Wholes<'d> = std::collections::BTreeMap<(FacilityType, &'d str), u64>;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denominators {
    /// The rows, in the order of the file.
    pub rows: Vec<Denominator>,
}

impl Denominators {
    /// Reads a file.
    ///
    /// # Errors
    /// The file, or every row that cannot be used.
    pub fn read(path: &Path) -> Result<Self, DenominatorsError> {
        Self::parse(&std::fs::read(path)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// Every row that cannot be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, DenominatorsError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => encoding_rs::SHIFT_JIS.decode_without_bom_handling(bytes).0,
        };
        let mut reader = ::csv::ReaderBuilder::new()
            .flexible(true)
            .comment(Some(b'#'))
            .trim(::csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut problems = Vec::new();
        let header = reader.headers().cloned().unwrap_or_default();
        let places = COLUMNS.map(|name| header.iter().position(|column| column == name));
        if places.contains(&None) {
            let all = COLUMNS.join(",");
            return Err(DenominatorsError::Rows(vec![RowProblem {
                line: 1,
                ja: format!("見出しの行を {all} にしてください。"),
                en: format!("The header must be {all}."),
            }]));
        }
        let mut rows: Vec<Denominator> = Vec::new();
        for row in reader.records() {
            let line = row.as_ref().ok().and_then(|row| row.position()).map_or(0, ::csv::Position::line);
            let cells = row.as_ref().map(|row| places.map(|at| at.and_then(|at| row.get(at)).unwrap_or("")));
            let read = cells.map_err(|_| ("CSV として読めません。", "This is not CSV.")).and_then(of_row);
            match read {
                Err((ja, en)) => problems.push(RowProblem { line, ja: ja.into(), en: en.into() }),
                Ok(new) if rows.iter().any(|row| row.same(&new)) => problems.push(RowProblem {
                    line,
                    ja: "同じ種類・圏域・市町村の行がもうあります。どちらかを消してください。".into(),
                    en: "There is a row of this type, area and municipality already. Remove one.".into(),
                }),
                Ok(new) => rows.push(new),
            }
            if rows.len() + problems.len() > ROWS {
                problems.push(RowProblem {
                    line,
                    ja: format!("{ROWS} 行より多くは読めません。"),
                    en: format!("More than {ROWS} rows cannot be read."),
                });
                break;
            }
        }
        if problems.is_empty() { Ok(Self { rows }) } else { Err(DenominatorsError::Rows(problems)) }
    }

    /// The areas, in the order of the file.
    pub fn areas(&self) -> Vec<&str> {
        let mut areas: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !areas.contains(&row.area.as_str()) {
                areas.push(&row.area);
            }
        }
        areas
    }

    /// Every number that is known, by type and area.
    pub(super) fn wholes(&self) -> Wholes<'_> {
        let pairs = self.rows.iter().map(|row| (row.facility_type, row.area.as_str()));
        pairs.filter_map(|(kind, area)| Some(((kind, area), self.count(kind, area)?))).collect()
    }

    /// How many institutions of that type there are in that area; `None` = not known.
    pub fn count(&self, facility_type: FacilityType, area: &str) -> Option<u64> {
        let rows = self.rows.iter().filter(|row| row.facility_type == facility_type && row.area == area);
        let (whole, parts): (Vec<_>, Vec<_>) = rows.partition(|row| row.municipality.is_empty());
        match whole.first() {
            Some(row) => Some(row.count),
            None if parts.is_empty() => None,
            None => Some(parts.iter().map(|row| row.count).sum()),
        }
    }
}

impl Denominator {
    fn same(&self, other: &Self) -> bool {
        (self.facility_type, &self.area, &self.municipality)
            == (other.facility_type, &other.area, &other.municipality)
    }
}

fn of_row(cells: [&str; 6]) -> Result<Denominator, (&'static str, &'static str)> {
    let [facility_type, area, municipality, count, source, date] = cells;
    let facility_type = FacilityType::of(facility_type).ok_or((
        "type は hospital、clinic、dental、pharmacy、visiting-nurse、laboratory、other のどれかです。",
        "type is hospital, clinic, dental, pharmacy, visiting-nurse, laboratory or other.",
    ))?;
    if area.is_empty() {
        return Err(("area に二次医療圏の名を書いてください。", "Write the 二次医療圏 as area."));
    }
    let count = count
        .replace(',', "")
        .parse::<u32>()
        .map_err(|_| ("count に施設の数を整数で書いてください。", "Write a whole number as count."))?;
    if source.is_empty() {
        return Err(("source に出典を書いてください。", "Write the source: who counted."));
    }
    let date = date
        .parse()
        .map_err(|_| ("date は 2024-10-01 の形で書いてください。", "Write date as 2024-10-01."))?;
    Ok(Denominator {
        facility_type,
        area: area.to_owned(),
        municipality: municipality.to_owned(),
        count: count.into(),
        source: source.to_owned(),
        date,
    })
}

#[cfg(test)]
mod tests {
    use super::{Denominators, DenominatorsError};
    use crate::participation::FacilityType;

    const HEADER: &str = "type,area,municipality,count,source,date\n";

    fn read(rows: &str) -> Denominators {
        Denominators::parse(format!("{HEADER}{rows}").as_bytes()).unwrap()
    }

    #[test]
    fn an_area_counts_by_its_own_row_or_by_its_municipalities() {
        let read = read(
            "hospital,中央,,12,医療施設調査,2024-10-01\nclinic,中央,青葉市,30,医療施設調査,2024-10-01\n\
             clinic,中央,川岸町,5,医療施設調査,2024-10-01\n病院,山手,,\"1,203\",医療施設調査,2024-10-01\n\
             hospital,中央,青葉市,9,医療施設調査,2024-10-01\n",
        );
        assert_eq!(read.areas(), ["中央", "山手"]);
        assert_eq!(read.count(FacilityType::Hospital, "中央"), Some(12));
        assert_eq!(read.count(FacilityType::Clinic, "中央"), Some(35));
        assert_eq!(read.count(FacilityType::Hospital, "山手"), Some(1_203));
        assert_eq!(read.count(FacilityType::Clinic, "山手"), None);
    }

    #[test]
    fn a_spreadsheet_s_own_encoding_is_read_too() {
        let text = format!("{HEADER}薬局,中央,,3,衛生行政報告例,2024-03-31\n");
        let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(&text);
        let with_bom = format!("\u{feff}{text}");
        for bytes in [cp932.as_ref(), with_bom.as_bytes()] {
            assert_eq!(Denominators::parse(bytes).unwrap(), read("薬局,中央,,3,衛生行政報告例,2024-03-31\n"));
        }
    }

    #[test]
    fn every_row_that_cannot_be_used_is_said() {
        let rows = "shrine,中央,,1,x,2024-10-01\nhospital,,,1,x,2024-10-01\nhospital,中央,,-1,x,2024-10-01\n\
                    hospital,中央,,1,,2024-10-01\nhospital,中央,,1,x,2024-10-32\nhospital,山手,,1,x,2024-10-01\n\
                    hospital,山手,,2,x,2024-10-01\n";
        let Err(DenominatorsError::Rows(found)) = Denominators::parse(format!("{HEADER}{rows}").as_bytes())
        else {
            panic!("the rows were taken")
        };
        assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8]);
        let Err(DenominatorsError::Rows(found)) = Denominators::parse(b"type,area,count\n") else {
            panic!("the header was taken")
        };
        assert_eq!(found[0].line, 1);
    }
}
