//! Proprietary feeds from end to end: the sample's every row, and files through a folder into real stores and a base.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod folder;
mod sample;

/// Bytes of a laboratory: CP932.
fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.into_owned()
}

/// A row of the 45-column CSV from some of its columns.
fn row(cells: &[(usize, &str)]) -> String {
    let mut row = vec![""; 45];
    for (column, cell) in cells {
        row[column - 1] = cell;
    }
    format!("{}\r\n", row.join(","))
}

/// A good row: facility, patient, order, item, value.
fn result(facility: &str, patient: &str, order: &str, item: &str, value: &str) -> String {
    row(&[
        (1, "EXAMPLE"),
        (2, "例示検査センター"),
        (3, facility),
        (8, patient),
        (9, "見本　花子"),
        (10, "ﾐﾎﾝ ﾊﾅｺ"),
        (11, "19700101"),
        (12, "2"),
        (20, order),
        (24, "20261102093000"),
        (25, "023"),
        (28, item),
        (29, "見本項目"),
        (34, "F"),
        (35, value),
        (37, "g/dL"),
    ])
}
