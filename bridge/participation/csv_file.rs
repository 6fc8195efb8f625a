//! The report as CSV: one figure a line, so that a spreadsheet or a script takes what it wants.
//!
//! UTF-8 with a byte order mark and CRLF, as a spreadsheet opens it without asking.

use super::definition::{self, word};
use super::figures::{Counts, Ratio};
use super::{Day, FacilityType, ParticipationError, People, Report};
use renkei_translate::finding::Language;

/// The byte order mark.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Columns of the file.
const COLUMNS: usize = 15;

/// A cell that no spreadsheet takes for a formula: what begins like one is set behind a tab.
pub fn safe_cell(text: &str) -> String {
    // The wide forms too: a Japanese spreadsheet takes them for the narrow ones.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula { format!("\t{text}") } else { text.to_owned() }
}

/// A number of people as written.
pub(super) fn people(people: People, language: Language) -> String {
    let w = |key| word(key, language);
    match people {
        People::Known(number) => number.to_string(),
        People::BelowTen => w("below-10").to_owned(),
        People::Hidden => w("hidden").to_owned(),
        People::Unknown => w("unknown").to_owned(),
    }
}

/// A type as written.
pub(super) fn type_word(facility_type: Option<FacilityType>, language: Language) -> &'static str {
    facility_type.map_or_else(|| word("not-written", language), |kind| kind.word(language))
}

/// An area as written.
pub(super) fn area_word(area: &str, language: Language) -> &str {
    if area.is_empty() { word("not-written", language) } else { area }
}

struct Lines<'r> {
    writer: ::csv::Writer<Vec<u8>>,
    report: &'r Report,
    language: Language,
}

/// What a line is about.
#[derive(Clone, Copy, Default)]
struct Of<'a> {
    scope: &'a str,
    area: &'a str,
    facility_type: &'a str,
    code: &'a str,
    name: &'a str,
}

impl Lines<'_> {
    fn w(&self, key: &'static str) -> &'static str {
        word(key, self.language)
    }

    fn line(
        &mut self,
        month: super::Month,
        of: Of<'_>,
        metric: &str,
        [numerator, denominator, value, unit]: [&str; 4],
    ) -> Result<(), ::csv::Error> {
        let (iso, era) = (month.to_string(), month.era(self.language));
        let name = definition::name(metric, self.language);
        let cells: [&str; COLUMNS - 2] = [
            &iso,
            &era,
            of.scope,
            of.area,
            of.facility_type,
            of.code,
            of.name,
            metric,
            name,
            numerator,
            denominator,
            value,
            unit,
        ];
        let source = ["", ""];
        self.writer.write_record(cells.iter().chain(&source).map(|cell| safe_cell(cell)))
    }

    fn ratio(
        &mut self,
        month: super::Month,
        of: Of<'_>,
        metric: &str,
        ratio: Ratio,
    ) -> Result<(), ::csv::Error> {
        let numerator = ratio.numerator.to_string();
        let denominator = ratio.denominator.map_or_else(String::new, |whole| whole.to_string());
        let value = ratio.percent().unwrap_or_default();
        self.line(month, of, metric, [&numerator, &denominator, &value, self.w("percent")])
    }

    fn counts(&mut self, month: super::Month, of: Of<'_>, counts: Counts) -> Result<(), ::csv::Error> {
        for (metric, ratio) in counts.metrics() {
            self.ratio(month, of, metric, ratio)?;
        }
        Ok(())
    }

    fn people(&mut self, of: Of<'_>, metric: &str, number: People, unit: &str) -> Result<(), ::csv::Error> {
        let value = people(number, self.language);
        self.line(self.report.month, of, metric, ["", "", &value, unit])
    }
}

/// Writes the report.
///
/// # Errors
/// None in memory; the writer's own.
pub fn csv(report: &Report, language: Language) -> Result<Vec<u8>, ParticipationError> {
    let writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(BOM.to_vec());
    let mut lines = Lines { writer, report, language };
    let w = |key| word(key, language);
    lines.writer.write_record([
        w("month"),
        w("era"),
        w("scope"),
        w("area"),
        w("type"),
        w("code"),
        w("name"),
        w("metric.id"),
        w("metric"),
        w("numerator"),
        w("denominator"),
        w("value"),
        w("unit"),
        w("source"),
        w("date"),
    ])?;
    let month = report.month;
    for row in &report.areas {
        let of = Of {
            scope: w(if row.area.is_none() { "scope.network" } else { "scope.area" }),
            area: row.area.as_deref().map_or("", |area| area_word(area, language)),
            facility_type: row.facility_type.map_or(w("all-types"), |kind| type_word(kind, language)),
            ..Of::default()
        };
        lines.counts(month, of, row.counts)?;
        if let Some(number) = row.patients {
            lines.people(of, "patients", number, w("people"))?;
        }
        if row.area.is_none() && row.facility_type.is_none() {
            lines.people(of, "shared-patients", report.shared_patients, w("people.own"))?;
        }
    }
    for row in &report.months {
        lines.counts(row.month, Of { scope: w("scope.month"), ..Of::default() }, row.counts)?;
    }
    for row in &report.facilities {
        let of = Of {
            scope: w("scope.facility"),
            area: area_word(&row.area, language),
            facility_type: type_word(row.facility_type, language),
            code: &row.code,
            name: &row.name,
        };
        for (metric, holds) in [
            ("sent-30", row.sent_30),
            ("sent-90", row.sent_90),
            ("sent-365", row.sent_365),
            ("registered", row.registered),
        ] {
            lines.line(month, of, metric, [if holds { "1" } else { "0" }, "1", "", ""])?;
        }
        lines.people(of, "patients", row.patients, w("people.own"))?;
    }
    for row in &report.denominators {
        let (count, date, era) = (row.count.to_string(), row.date.to_string(), month.era(language));
        let area = [row.area.as_str(), &row.municipality].join(" ");
        let cells: [&str; COLUMNS] = [
            &month.to_string(),
            &era,
            w("scope.denominator"),
            area.trim_end(),
            row.facility_type.word(language),
            "",
            "",
            "denominator",
            definition::name("denominator", language),
            "",
            "",
            &count,
            w("institutions"),
            &row.source,
            &date,
        ];
        lines.writer.write_record(cells.map(safe_cell))?;
    }
    lines.writer.into_inner().map_err(|error| ParticipationError::Csv(error.into_error().into()))
}

/// A day in both calendars: 2024-10-01 and 令和6年10月1日.
pub(super) fn both(day: Option<Day>, language: Language) -> [String; 2] {
    day.map_or_else(Default::default, |day| [day.to_string(), day.era(language)])
}

#[cfg(test)]
mod tests {
    use super::safe_cell;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for text in ["=HYPERLINK(\"x\")", "+1", "-1", "@x", "\t=1", "＝1＋1"] {
            assert_eq!(safe_cell(text), format!("\t{text}"));
        }
        for text in ["架空病院", "", "1-1", " =1"] {
            assert_eq!(safe_cell(text), text);
        }
    }
}
