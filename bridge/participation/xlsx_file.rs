//! The report as a workbook. The same report gives the same bytes: the only date in the file is the month's end.

use super::sheets::{Cell, sheets};
use super::{ParticipationError, Report};
use renkei_translate::finding::Language;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook};

/// Writes the report.
///
/// # Errors
/// What the workbook refuses.
pub fn xlsx(report: &Report, language: Language) -> Result<Vec<u8>, ParticipationError> {
    let mut workbook = Workbook::new();
    let last = report.month.last_day();
    let year = u16::try_from(last / 10_000).unwrap_or_default();
    let (month, day) = (u8::try_from(last / 100 % 100).unwrap_or(1), u8::try_from(last % 100).unwrap_or(1));
    let made = ExcelDateTime::from_ymd(year, month, day)?;
    let title = super::definition::word("title", language);
    workbook.set_properties(
        &DocProperties::new().set_title(format!("{title} {}", report.month)).set_creation_datetime(&made),
    );
    let head = Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Top);
    let plain = Format::new().set_align(FormatAlign::Top);
    let number = Format::new().set_num_format("#,##0").set_align(FormatAlign::Top);
    let percent = Format::new().set_num_format("0.0%").set_align(FormatAlign::Top);
    let right = Format::new().set_align(FormatAlign::Right);
    let wrapped = Format::new().set_text_wrap().set_align(FormatAlign::Top);
    for sheet in sheets(report, language) {
        let page = workbook.add_worksheet();
        page.set_name(sheet.name)?;
        page.set_landscape().set_paper_size(9).set_repeat_rows(0, 0)?.set_freeze_panes(1, 0)?;
        page.set_print_fit_to_pages(1, 0);
        let mut numeric = vec![false; sheet.columns.len()];
        for cells in &sheet.rows {
            for (column, cell) in cells.iter().enumerate() {
                if let (Cell::Number(_) | Cell::Permille(_), Some(of)) = (cell, numeric.get_mut(column)) {
                    *of = true;
                }
            }
        }
        for (column, (title, width)) in (0_u16..).zip(&sheet.columns) {
            page.set_column_width(column, *width)?;
            page.write_string_with_format(0, column, title, &head)?;
        }
        for (row, cells) in (1_u32..).zip(&sheet.rows) {
            for (column, cell) in (0_u16..).zip(cells) {
                let in_numbers = numeric.get(usize::from(column)).copied().unwrap_or_default();
                match cell {
                    Cell::Empty => {}
                    // Written as text, never as a formula, whatever it begins with.
                    Cell::Text(text) => {
                        let long =
                            sheet.columns.get(usize::from(column)).is_some_and(|(_, width)| *width > 40);
                        let format = if long {
                            &wrapped
                        } else if in_numbers {
                            &right
                        } else {
                            &plain
                        };
                        page.write_string_with_format(row, column, text, format)?;
                    }
                    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
                    Cell::Number(value) => {
                        page.write_number_with_format(row, column, *value as f64, &number)?;
                    }
                    #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
                    Cell::Permille(value) => {
                        page.write_number_with_format(row, column, *value as f64 / 1_000.0, &percent)?;
                    }
                }
            }
        }
    }
    Ok(workbook.save_to_buffer()?)
}
