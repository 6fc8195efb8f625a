//! Why a row of another's table is not executed: the project's own statement, `coverage/*.csv` of the set.
//!
//! Columns `table,kind,map,source,target,ja,en`; `*` in a cell stands for anything. The first row that fits
//! speaks. Whether a row is executed is never said here: that is computed.

use crate::mapping::SourceFile;
use crate::mapping::describe::Title;
use crate::mapping::table::line;

const HEADER: [&str; 7] = ["table", "kind", "map", "source", "target", "ja", "en"];

/// One row of a `coverage/*.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// File and line.
    pub place: String,
    /// Table, kind, map, source and target that it is for.
    pub(super) cells: [String; 5],
    /// Why.
    pub why: Title,
}

impl Reason {
    pub(super) fn fits(&self, cells: &[&str; 5]) -> bool {
        self.cells.iter().zip(cells).all(|(pattern, text)| fits(pattern, text))
    }
}

/// Whether a text is what a pattern says, `*` standing for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The statements of a set, in order of file and line.
///
/// # Errors
/// `file:line` of the row that has not the shape above, or says nothing in one of the languages.
pub fn reasons(files: &[SourceFile]) -> Result<Vec<Reason>, String> {
    let of_coverage = |file: &&SourceFile| {
        file.path.ends_with(".csv") && file.path.rsplit(['/', '\\']).nth(1) == Some("coverage")
    };
    let mut found: Vec<&SourceFile> = files.iter().filter(of_coverage).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let mut out = Vec::new();
    for file in found {
        let text = file.text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        for (n, record) in reader.records().enumerate() {
            let at = |position: Option<&csv::Position>| format!("{}:{}", file.path, line(text, position));
            let record = record.map_err(|error| at(error.position()))?;
            let place = at(record.position());
            let cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
            if n == 0 && cells == HEADER {
                continue;
            }
            let Ok([table, kind, map, source, target, ja, en]) = <[String; 7]>::try_from(cells) else {
                return Err(place);
            };
            if n == 0 || ja.is_empty() || en.is_empty() {
                return Err(place);
            }
            out.push(Reason { place, cells: [table, kind, map, source, target], why: Title { ja, en } });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, fits, reasons};

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("PV1-*", "PV1-3", true),
            ("PV1-*", "PV2-3", false),
            ("PV1-3", "PV1-36", false),
            ("*.status", "Encounter.location.status", true),
            ("A*.*s", "A.b.s", true),
            ("A*A", "A", false),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_reason_is_said_in_both_languages_or_refused_with_its_line() {
        let file = |text: &str| [SourceFile { path: "x/coverage/jami.csv".into(), text: text.into() }];
        let header = "table,kind,map,source,target,ja,en\n";
        let good = reasons(&file(&format!("{header}# why\njami,*,*,MSH-3,*,理由,why\n"))).unwrap();
        assert_eq!(good[0].place, "x/coverage/jami.csv:3");
        assert!(good[0].fits(&[
            "jami",
            "segment",
            "Segment MSH to MessageHeader",
            "MSH-3",
            "MessageHeader.source"
        ]));
        let bad = |text: &str| reasons(&file(&format!("{header}{text}"))).unwrap_err();
        assert_eq!(bad("jami,*,*,MSH-3,*,理由,\n"), "x/coverage/jami.csv:2");
        assert_eq!(bad("jami,*,MSH-3,*,理由,why\n"), "x/coverage/jami.csv:2");
        assert!(reasons(&file("a,b\n")).is_err());
        assert!(
            reasons(&[SourceFile { path: "tables/t.csv".into(), text: "a,b".into() }]).unwrap().is_empty()
        );
    }
}
