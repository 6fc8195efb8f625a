//! The report as sheets of a workbook: 表紙, 定義, 月次, 圏域別, 施設別, always these five in this order.

use super::csv_file::{area_word, both, people, type_word};
use super::definition::{definitions, word};
use super::figures::{Counts, Ratio};
use super::{People, Report};
use renkei_translate::finding::Language;

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// A rate in thousandths.
    Permille(u64),
}

/// A sheet: a title, a header and rows.
pub(super) struct Sheet {
    /// Its name on the tab.
    pub name: &'static str,
    /// The columns' titles and widths in characters.
    pub columns: Vec<(String, u16)>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

fn text(text: impl Into<String>) -> Cell {
    let text = text.into();
    if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
}

fn whole(ratio: Ratio) -> Cell {
    ratio.denominator.map_or(Cell::Empty, Cell::Number)
}

fn rate(ratio: Ratio) -> Cell {
    ratio.permille().map_or(Cell::Empty, Cell::Permille)
}

fn count_of(number: People, language: Language) -> Cell {
    match number {
        People::Known(number) => Cell::Number(number),
        other => text(people(other, language)),
    }
}

/// The columns of [`Counts`], with their widths.
fn counts_columns(language: Language) -> Vec<(String, u16)> {
    let w = |key| word(key, language).to_owned();
    let mut columns = vec![
        (w("contracted"), 12),
        (w("outside"), 14),
        (w("denominator"), 10),
        (super::definition::name("participation", language).to_owned(), 12),
    ];
    for key in ["sent-30", "sent-90", "sent-365", "registered"] {
        columns.extend([(word(key, language).to_owned(), 14), (w("rate"), 8)]);
    }
    columns
}

fn counts_cells(counts: &Counts) -> Vec<Cell> {
    let mut cells = vec![
        Cell::Number(counts.contracted),
        Cell::Number(counts.contracted - counts.participation.numerator),
        whole(counts.participation),
        rate(counts.participation),
    ];
    for ratio in [counts.sent_30, counts.sent_90, counts.sent_365, counts.registered] {
        cells.extend([Cell::Number(ratio.numerator), rate(ratio)]);
    }
    cells
}

/// The five sheets.
pub(super) fn sheets(report: &Report, language: Language) -> [Sheet; 5] {
    [
        cover(report, language),
        meanings(language),
        months(report, language),
        areas(report, language),
        facilities(report, language),
    ]
}

fn cover(report: &Report, language: Language) -> Sheet {
    let w = |key| word(key, language);
    let total = report.total();
    let pair = |name: &str, value: Cell| vec![text(name), value, Cell::Empty, Cell::Empty, Cell::Empty];
    let mut rows = vec![
        pair(w("network"), text(&report.network)),
        pair(w("month"), text(report.month.prose(language))),
        pair(w("era"), text(report.month.era(language))),
        pair(w("contracted"), Cell::Number(total.contracted)),
    ];
    for (metric, ratio) in total.metrics() {
        let name = super::definition::name(metric, language);
        rows.push(vec![text(name), rate(ratio), Cell::Number(ratio.numerator), whole(ratio), Cell::Empty]);
    }
    for (metric, number) in [("patients", report.patients()), ("shared-patients", report.shared_patients)] {
        rows.push(pair(super::definition::name(metric, language), count_of(number, language)));
    }
    for key in ["privacy", "few", "zone"] {
        rows.push(pair("", text(w(key))));
    }
    // The denominators behind the rates, each with its source and date.
    rows.push(vec![Cell::Empty; 5]);
    let heads = ["area", "type", "denominator", "source", "date"];
    rows.push(heads.iter().map(|key| text(word(key, language))).collect());
    for row in &report.denominators {
        let area = [row.area.as_str(), &row.municipality].join(" ");
        let [iso, era] = both(Some(row.date), language);
        rows.push(vec![
            text(area.trim_end()),
            text(row.facility_type.word(language)),
            Cell::Number(row.count),
            text(&row.source),
            text(format!("{iso} ({era})")),
        ]);
    }
    let columns = vec![
        (w("title").to_owned(), 34),
        (w("value").to_owned(), 34),
        (w("numerator").to_owned(), 12),
        (w("denominator").to_owned(), 28),
        (String::new(), 34),
    ];
    Sheet { name: w("sheet.cover"), columns, rows }
}

fn meanings(language: Language) -> Sheet {
    let w = |key| word(key, language).to_owned();
    let rows = definitions()
        .map(|known| vec![text(known.id), text(known.name(language)), text(known.text(language))])
        .collect();
    let columns = vec![(w("metric.id"), 18), (w("metric"), 34), (w("definition"), 110)];
    Sheet { name: word("sheet.definitions", language), columns, rows }
}

fn months(report: &Report, language: Language) -> Sheet {
    let w = |key| word(key, language).to_owned();
    let mut columns = vec![(w("month"), 10), (w("era"), 16)];
    columns.extend(counts_columns(language));
    let rows = report
        .months
        .iter()
        .map(|row| {
            let mut cells = vec![text(row.month.to_string()), text(row.month.era(language))];
            cells.extend(counts_cells(&row.counts));
            cells
        })
        .collect();
    Sheet { name: word("sheet.months", language), columns, rows }
}

fn areas(report: &Report, language: Language) -> Sheet {
    let w = |key| word(key, language).to_owned();
    let mut columns = vec![(w("area"), 24), (w("type"), 20)];
    columns.extend(counts_columns(language));
    columns.push((w("patients"), 14));
    let rows = report
        .areas
        .iter()
        .map(|row| {
            let area =
                row.area.as_deref().map_or(w("scope.network"), |area| area_word(area, language).into());
            let kind = row.facility_type.map_or(w("all-types"), |kind| type_word(kind, language).into());
            let mut cells = vec![text(area), text(kind)];
            cells.extend(counts_cells(&row.counts));
            cells.push(row.patients.map_or(Cell::Empty, |number| count_of(number, language)));
            cells
        })
        .collect();
    Sheet { name: word("sheet.areas", language), columns, rows }
}

fn facilities(report: &Report, language: Language) -> Sheet {
    let w = |key| word(key, language).to_owned();
    let titles = [
        ("code", 16),
        ("name", 34),
        ("type", 20),
        ("area", 24),
        ("municipality", 16),
        ("joined", 12),
        ("era", 18),
        ("last", 14),
        ("era", 18),
        ("sent-30", 12),
        ("sent-90", 12),
        ("sent-365", 12),
        ("registered", 12),
        ("patients", 14),
    ];
    let columns = titles.map(|(key, width)| (w(key), width)).to_vec();
    let mark = |holds: bool| text(w(if holds { "yes" } else { "no" }));
    let rows = report
        .facilities
        .iter()
        .map(|row| {
            let ([joined, joined_era], [last, last_era]) =
                (both(row.joined, language), both(row.last_input, language));
            let last = if row.last_input.is_none() { w("never") } else { last };
            vec![
                text(&row.code),
                text(&row.name),
                text(type_word(row.facility_type, language)),
                text(area_word(&row.area, language)),
                text(&row.municipality),
                text(joined),
                text(joined_era),
                text(last),
                text(last_era),
                mark(row.sent_30),
                mark(row.sent_90),
                mark(row.sent_365),
                mark(row.registered),
                count_of(row.patients, language),
            ]
        })
        .collect();
    Sheet { name: word("sheet.facilities", language), columns, rows }
}
