//! Files for spreadsheets: CSV as Excel reads it, with nothing in it that runs.

/// A CSV in UTF-8 with its mark, lines ending as Excel writes them. A cell that a spreadsheet would take for a
/// formula gets an apostrophe in front.
pub fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut out = "\u{feff}".to_owned();
    let head: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(head).chain(rows) {
        let cells: Vec<String> = row.iter().map(|cell| cell_of(cell)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out.into_bytes()
}

fn cell_of(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if runs { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::csv;

    #[test]
    fn nothing_in_a_cell_runs_and_quotes_are_kept() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let made = csv(
            &["a", "b"],
            [row(&["=HYPERLINK(\"x\")", "1,2"]), row(&["@x", "漢\"字"]), row(&["＝HYPERLINK", "x"])],
        );
        let text = String::from_utf8(made).unwrap();
        assert_eq!(
            text,
            "\u{feff}a,b\r\n\"'=HYPERLINK(\"\"x\"\")\",\"1,2\"\r\n'@x,\"漢\"\"字\"\r\n'＝HYPERLINK,x\r\n"
        );
    }
}
