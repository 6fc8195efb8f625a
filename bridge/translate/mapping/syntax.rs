//! What of a file is no TOML: every line of it that can be told to be wrong by itself.
//!
//! Behind an error a file is read wrongly. A line that is wrong when it is read alone is told, taken out, and what is
//! behind it is looked at; where the fault is in no line alone, that is where it ends, and the sentence says so.

use super::problem::{Place, Problems};
use toml::de::DeTable;

/// Errors that are told of one file.
const MOST: usize = 20;

/// Signs of Japanese text that are taken for those of TOML.
const WIDE: [char; 18] = [
    '＝', '｛', '｝', '［', '］', '，', '、', '“', '”', '‘', '’', '＂', '＇', '＃', '．', '\u{3000}', '｜',
    '：',
];

/// A line that is wrong, and what the reader says of it.
struct Error {
    line: usize,
    said: String,
    /// The row above it does not end in a comma.
    comma: bool,
}

/// Says what of a text is no TOML.
pub(crate) fn told(place: &Place, text: &str, problems: &mut Problems) {
    let (errors, whole) = errors(text);
    let last = errors.len();
    for (n, error) in errors.iter().enumerate() {
        let place = Place { line: error.line, ..place.clone() };
        let written = text.lines().nth(error.line.saturating_sub(1)).unwrap_or_default();
        let mut ja = "TOML として読めません。".to_owned();
        let mut en = format!("The file is no TOML: {}", error.said);
        ja += match error.comma {
            true => "前の行の終わりにカンマがありません。",
            false => {
                "この行の括弧、引用符、=、カンマを確かめてください。カンマは前の行の終わりに無いこともあります。"
            }
        };
        if error.comma {
            en += " The line above does not end in a comma.";
        }
        if let Some(wide) = outside_quotes(written).find(|c| WIDE.contains(c)) {
            ja += &format!("全角の「{wide}」があります。半角で書きます。");
            en += &format!(" There is a full-width '{wide}': write it half-width.");
        }
        if n + 1 == last && whole {
            ja += "このファイルの規則は、TOML として読めるようになってから調べます。";
            en += " What the file says is looked at when it can be read.";
        } else if n + 1 == last {
            ja += "これより後ろの行はまだ調べていません。直してから、もう一度調べてください。";
            en += " The lines behind it were not looked at: mend it, then check again.";
        }
        problems.add(&place, "", ja, en);
    }
}

/// The errors of a text, and whether all of it was looked at.
fn errors(text: &str) -> (Vec<Error>, bool) {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut out: Vec<Error> = Vec::new();
    loop {
        let now = lines.join("\n");
        let (_, found) = DeTable::parse_recoverable(&now);
        let at = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let Some(first) = found.iter().min_by_key(|error| at(error)) else { return (out, true) };
        // Lines keep their number, not their length.
        let line = now.bytes().take(at(first)).filter(|byte| *byte == b'\n').count() + 1;
        if out.last().is_some_and(|known| known.line >= line) {
            return (out, false);
        }
        let above = line.checked_sub(2).filter(|n| misses_comma(&lines, *n));
        let alone = is_wrong_alone(&lines[line - 1]);
        let comma = above.is_some() && !alone;
        let mut said = first.message().to_owned();
        if !said.ends_with('.') {
            said.push('.');
        }
        out.push(Error { line, said, comma });
        match above.filter(|_| comma) {
            _ if out.len() == MOST => return (out, false),
            Some(n) => lines[n] = with_comma(&lines[n]),
            None if alone => lines[line - 1].clear(),
            None => return (out, false),
        }
    }
}

/// Whether a line is a row or a key with its value, and cannot be read although nothing stands around it.
fn is_wrong_alone(line: &str) -> bool {
    let text = line.trim();
    let (row, key) = (text.starts_with('{'), text.split_once('='));
    let text = match (row, key) {
        (true, _) => format!("x = {}", without_comma(text)),
        (false, Some((key, value))) => {
            let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ' | '"' | '.');
            // A value that goes on in further lines is not whole here.
            let opens = value.matches('[').count() > value.matches(']').count() || value.contains("\"\"\"");
            if !key.chars().all(is_key) || opens || value.contains("'''") {
                return false;
            }
            text.to_owned()
        }
        (false, None) => return false,
    };
    !DeTable::parse_recoverable(&text).1.is_empty()
}

/// A row without the comma and the comment behind it.
fn without_comma(row: &str) -> &str {
    match row.rfind('}') {
        Some(end) if row[end + 1..].trim_start().trim_start_matches(',').trim_start().starts_with('#') => {
            &row[..=end]
        }
        _ => row.trim_end().trim_end_matches(','),
    }
}

/// Whether a line is a whole row and no comma stands behind it.
fn misses_comma(lines: &[String], n: usize) -> bool {
    let Some(row) = lines.get(n).map(|line| line.trim()).filter(|line| line.starts_with('{')) else {
        return false;
    };
    let behind = row.rfind('}').map(|end| row[end + 1..].trim_start());
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('#')) && !is_wrong_alone(row)
}

fn with_comma(row: &str) -> String {
    match row.rfind('}') {
        Some(end) => format!("{},{}", &row[..=end], &row[end + 1..]),
        None => row.to_owned(),
    }
}

/// What of a line stands outside its quotation marks.
fn outside_quotes(line: &str) -> impl Iterator<Item = char> {
    line.split('"').step_by(2).flat_map(str::chars)
}

#[cfg(test)]
mod tests {
    use super::errors;

    fn check(text: &str, lines: &[usize], whole: bool) {
        let (found, all) = errors(text);
        assert_eq!(
            (found.iter().map(|error| error.line).collect::<Vec<_>>(), all),
            (lines.to_vec(), whole),
            "{text}"
        );
    }

    #[test]
    fn every_row_that_cannot_be_read_is_told() {
        let map = "[map]\nid = \"patient\"\nrules = [\n";
        check(&format!("{map}  {{ id = \"a\", off = true }},\n]\n"), &[], true);
        // A comma in the row, a quotation mark, an equals sign.
        let rows = "  { id = \"a\" off = true },\n  { id = \"b\", off = true },\n  { id = \"c, off = true },\n  { id \"d\", off = true },   # d\n]\n";
        check(&format!("{map}{rows}"), &[4, 6, 7], true);
        // No comma behind a row is told where the next begins.
        let rows = "  { id = \"a\", off = true }  # a\n  { id = \"b\", off = true },\n  { id = \"c\" off = true },\n]\n";
        check(&format!("{map}{rows}"), &[5, 6], true);
        let heading = "[map]\nid = patient\nkey = [\"PID-3.1\"]\nwhen = \"PID-3 valued\nrules = []\n";
        check(heading, &[2, 4], true);
    }

    #[test]
    fn where_no_line_alone_is_wrong_the_rest_is_not_looked_at() {
        for text in [
            "[map\nid = \"a\"\nwhen = \"b\n",
            "[map]\nrules = [\n  { id = \"a\", off = true\n  { id = \"b\", off = true },\n]\n[map]\nwhen = \"b\n",
            "[map]\nid = \"a\"\n[map]\nid = b\n",
        ] {
            let (found, whole) = errors(text);
            assert!(
                !whole && found.len() == 1,
                "{text}: {:?}",
                found.iter().map(|e| e.line).collect::<Vec<_>>()
            );
        }
        let many = format!("[map]\n{}", (0..30).map(|n| format!("k{n} = x\n")).collect::<String>());
        let (found, whole) = errors(&many);
        assert_eq!((found.len(), whole), (super::MOST, false));
    }
}
