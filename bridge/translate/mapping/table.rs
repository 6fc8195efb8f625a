//! Code tables: CSV in, layer over layer, hash maps out.

use super::SourceFile;
use super::layer::{Layer, Rank};
use super::plan::{Row, Table};
use super::problem::{Place, Problems, Words, words};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The header of a code table.
pub(crate) const HEADER: [&str; 7] = [
    "source_system",
    "source_code",
    "source_display",
    "target_system",
    "target_code",
    "target_display",
    "equivalence",
];

/// Rows of a table beyond this are refused: a set is read into memory whole.
pub(crate) const MAX_ROWS: usize = 500_000;

/// The highest rank: nobody chooses among more.
const MAX_RANK: u32 = 1_000;

/// What stands in the equivalence of a row that takes away the row of a lower layer.
pub(crate) const OFF: &str = "off";

/// The cell behind these that ranks the rows of one code; a table without such codes has no need of it.
pub(crate) const RANK: &str = "rank";

/// What may stand in the equivalence: FHIR R4, ConceptMapEquivalence. It is read from the source to the target.
const EQUIVALENCES: [&str; 10] = [
    "relatedto",
    "equivalent",
    "equal",
    "wider",
    "subsumes",
    "narrower",
    "specializes",
    "inexact",
    "unmatched",
    "disjoint",
];

/// Of these, what says that the target is none.
const NO_MATCH: [&str; 2] = ["unmatched", "disjoint"];

/// Tables that are no code tables, with their headers and how many cells of a row are its name.
const OTHERS: [(&str, [&str; 3], usize); 2] =
    [("extensions", ["name", "url", "value"], 1), ("slices", ["name", "path", "value"], 2)];

/// A row as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) layer: Rank,
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
    /// Of several rows of one code, the how manieth choice it is, from 1; 0 where nothing is said.
    pub(crate) rank: u32,
    /// The layer whose row it took the place of.
    pub(crate) over: Option<Rank>,
}

impl Cells {
    pub(crate) fn place(&self) -> Place {
        Place { layer: self.layer, file: self.file.clone(), line: self.line }
    }
}

/// The header of a table.
pub(crate) fn header(table: &str) -> &'static [&'static str] {
    OTHERS.iter().find(|other| other.0 == table).map_or(&HEADER, |other| &other.1)
}

/// What tells the rows of a table apart: source system and code. A row without a source code is never looked up: it
/// gives a target of `code T` its system and display, and is told from others by that target.
fn key(table: &str, cells: &[String]) -> String {
    let parts = match OTHERS.iter().find(|other| other.0 == table) {
        Some(other) => &cells[..other.2],
        None if cells[1].is_empty() => &cells[..5],
        None => &cells[..2],
    };
    parts.join("\u{1f}")
}

/// The table of a file: `tables/NAME.csv`, or of a part of it, `tables/NAME/PART.csv` (one laboratory's rows in a
/// file of their own).
pub(crate) fn name_of(path: &str) -> Option<&str> {
    let mut parts = path.rsplit(['/', '\\']);
    let stem = parts.next()?.strip_suffix(".csv")?;
    match (parts.next()?, parts.next()) {
        ("tables", _) => Some(stem),
        (table, Some("tables")) => Some(table),
        _ => None,
    }
}

/// The rows of every table that is `wanted`, layer laid over layer.
pub(crate) fn collect(
    layers: &[Layer],
    wanted: &dyn Fn(&str) -> bool,
    problems: &mut Problems,
) -> BTreeMap<String, Vec<Cells>> {
    let mut out: BTreeMap<String, Vec<Cells>> = BTreeMap::new();
    for layer in layers {
        let mut of_layer: BTreeMap<&str, Vec<Cells>> = BTreeMap::new();
        let mut files: Vec<&SourceFile> = layer.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files {
            if let Some(table) = name_of(&file.path).filter(|table| wanted(table)) {
                of_layer.entry(table).or_default().extend(rows(layer.rank, file, table, problems));
            }
        }
        for (table, upper) in of_layer {
            twice(table, &upper, problems);
            lay(table, out.entry(table.to_owned()).or_default(), upper, problems);
        }
    }
    out
}

/// A code that stands twice in one layer: nobody could say which row counts, unless its rows are ranked.
fn twice(table: &str, rows: &[Cells], problems: &mut Problems) {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    let mut ranks: HashSet<(String, u32)> = HashSet::new();
    for (n, row) in rows.iter().enumerate() {
        let key = key(table, &row.cells);
        if row.rank > 0 {
            // The ranks of a code are told apart; that they begin with 1 is looked at behind the loop.
            if ranks.insert((key.clone(), row.rank)) {
                if let Some(at) = seen.insert(key.clone(), n)
                    && rows[at].rank == 0
                {
                    problems.cell(&row.place(), table, RANK, one_without_rank(&rows[at]));
                }
                continue;
            }
            let said = words(
                format!("同じコードに順位 {} が二度あります。", row.rank),
                format!("Rank {} stands twice for this code.", row.rank),
            );
            problems.cell(&row.place(), table, RANK, said);
            continue;
        }
        let Some(earlier) = seen.insert(key, n) else { continue };
        if rows[earlier].rank > 0 {
            problems.cell(&row.place(), table, RANK, one_without_rank(&rows[earlier]));
            continue;
        }
        let (line, file) = (rows[earlier].line, &rows[earlier].file);
        let (column, code) = match header(table).get(1) {
            Some(name @ &"source_code") if !row.cells[1].is_empty() => (*name, &row.cells[1]),
            Some(&"source_code") => ("target_code", &row.cells[4]),
            _ => ("name", &row.cells[0]),
        };
        let said = words(
            format!("{code} は {file} の {line} 行目にもあります。一つのコードに書けるのは一行だけです。"),
            format!("'{code}' stands in line {line} of {file} too: a code has one row"),
        );
        problems.cell(&row.place(), table, column, said);
    }
    for row in rows.iter().filter(|row| row.rank > 1) {
        if !ranks.contains(&(key(table, &row.cells), 1)) {
            let said = words("このコードに順位 1 の行がありません。", "No row of this code has rank 1.");
            problems.cell(&row.place(), table, RANK, said);
        }
    }
}

fn one_without_rank(other: &Cells) -> Words {
    words(
        format!("{} 行目に同じコードがあり、片方にしか順位がありません。", other.line),
        format!("Line {} has the same code, and only one of them has a rank.", other.line),
    )
}

/// Lays the rows of a layer over those below.
fn lay(table: &str, lower: &mut Vec<Cells>, upper: Vec<Cells>, problems: &mut Problems) {
    let is_off = |row: &Cells| row.cells.get(6).is_some_and(|cell| cell == OFF);
    let shipped = upper.first().is_some_and(|row| row.layer == Rank::Shipped);
    for row in upper.iter().filter(|row| shipped && is_off(row)) {
        let said = words(
            "off は、上に重ねる層(地域・施設)だけで使えます。",
            "'off' is for a layer over the shipped set.",
        );
        problems.cell(&row.place(), table, "equivalence", said);
    }
    let nothing_below = |row: &Cells, problems: &mut Problems| {
        let said = words(
            "下の層にこのコードの行がないので、止められません。",
            "No layer below has a row of this code to switch off.",
        );
        problems.cell(&row.place(), table, "equivalence", said);
    };
    if lower.is_empty() {
        upper.iter().filter(|row| !shipped && is_off(row)).for_each(|row| nothing_below(row, problems));
        *lower = upper.into_iter().filter(|row| !is_off(row)).collect();
        return;
    }
    // The first row of each code, and the further ones of those that are ranked.
    let mut at: HashMap<String, usize> = HashMap::with_capacity(lower.len());
    let mut further: HashMap<usize, Vec<usize>> = HashMap::new();
    for (n, row) in lower.iter().enumerate() {
        match at.entry(key(table, &row.cells)) {
            Entry::Occupied(first) => further.entry(*first.get()).or_default().push(n),
            Entry::Vacant(free) => {
                free.insert(n);
            }
        }
    }
    let mut gone = HashSet::new();
    let mut replaced: HashMap<usize, Rank> = HashMap::new();
    for mut row in upper {
        match at.get(&key(table, &row.cells)) {
            Some(n) if is_off(&row) => {
                gone.insert(*n);
                gone.extend(further.remove(n).unwrap_or_default());
            }
            // A code is replaced with all its rows: what a layer says of it is all that is said.
            Some(n) => match replaced.get(n) {
                Some(below) => {
                    row.over = Some(*below);
                    lower.push(row);
                }
                None => {
                    gone.extend(further.remove(n).unwrap_or_default());
                    replaced.insert(*n, lower[*n].layer);
                    row.over = Some(lower[*n].layer);
                    lower[*n] = row;
                }
            },
            None if is_off(&row) => nothing_below(&row, problems),
            None => lower.push(row),
        }
    }
    let mut n = 0;
    lower.retain(|_| {
        n += 1;
        !gone.contains(&(n - 1))
    });
}

/// The line that a record of a CSV stands in: the reader gives it that of the comments and empty lines before it.
pub fn line(text: &str, position: Option<&csv::Position>) -> usize {
    let Some(position) = position else { return 0 };
    let rest = text.get(position.byte() as usize..).unwrap_or_default();
    let passed = |line: &&str| line.starts_with('#') || line.trim_end_matches(['\r', '\n']).is_empty();
    position.line() as usize + rest.split_inclusive('\n').take_while(passed).count()
}

/// Reads a file of rows of a table.
fn rows(layer: Rank, file: &SourceFile, table: &str, problems: &mut Problems) -> Vec<Cells> {
    let header = header(table);
    let name: Arc<str> = file.path.as_str().into();
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let width = header.len();
    let mut ranked = false;
    let mut out = Vec::new();
    for (n, record) in reader.records().enumerate() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = line(text, error.position());
                let place = Place { layer, file: name.clone(), line };
                problems.add(&place, "", "CSV として読めません。", "The file is no readable CSV.");
                return out;
            }
        };
        let line = line(text, record.position());
        let place = || Place { layer, file: name.clone(), line };
        if n == 0 {
            ranked = header == HEADER && record.len() == width + 1 && record[width].trim() == RANK;
            let titles: Vec<&str> = record.iter().map(str::trim).collect();
            let last = titles.iter().rposition(|title| !title.is_empty()).map_or(0, |last| last + 1);
            let (whole, empty) = (&titles[..last], titles.len() - last);
            let fits = whole == header || header == HEADER && whole.split_last() == Some((&RANK, header));
            if fits && empty > 0 {
                let said = words(
                    format!(
                        "見出しの右に空の列が {empty} 個あり、列が多すぎます。表計算ソフトで、その列を削除してから保存し直してください。"
                    ),
                    format!(
                        "There are too many columns: {empty} empty ones stand at the right of the titles. Delete them in the spreadsheet and save again."
                    ),
                );
                problems.cell(&place(), table, header.last().copied().unwrap_or_default(), said);
                return out;
            }
            if !fits {
                let ja = format!("見出しの行は {} です。", header.join(","));
                let en = format!("The first row must be {}.", header.join(","));
                problems.add(&place(), "", ja, en);
                return out;
            }
            continue;
        }
        // A row without a letter is what spreadsheet programs leave behind the last one.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let wanted = width + usize::from(ranked);
        if record.len() != wanted {
            let (missing, has) = (header.get(record.len()).copied().unwrap_or(RANK), record.len());
            let column = if has < wanted { missing } else { header.last().copied().unwrap_or_default() };
            let said = words(
                format!("列は {wanted} 個ですが、この行には {has} 個あります。"),
                format!("A row has {wanted} cells, this one has {has}."),
            );
            problems.cell(&place(), table, column, said);
            continue;
        }
        if out.len() >= MAX_ROWS {
            let (ja, en) = ("表が大きすぎます。", "The table has too many rows.");
            problems.add(&place(), "", format!("{ja} {MAX_ROWS}"), format!("{en} {MAX_ROWS}"));
            return out;
        }
        let mut cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
        for (column, cell) in header.iter().zip(&cells) {
            if let Some(said) = trouble(column, cell) {
                problems.doubts(|problems| problems.cell(&place(), table, column, said));
            }
        }
        if let Some(said) = target_trouble(table, &cells) {
            problems.doubts(|problems| problems.cell(&place(), table, "target_code", said));
        }
        let mut rank = 0;
        if let Some(cell) = ranked.then(|| cells.pop()).flatten().filter(|cell| !cell.is_empty()) {
            match cell.parse() {
                Ok(number) if number > 0 && number <= MAX_RANK => rank = number,
                _ => {
                    let said = words(
                        format!("順位は 1 から {MAX_RANK} までの数です。"),
                        format!("A rank is a number from 1 to {MAX_RANK}."),
                    );
                    problems.cell(&place(), table, RANK, said);
                }
            }
        }
        out.push(Cells { layer, file: name.clone(), line, cells, rank, over: None });
    }
    out
}

/// Control characters, and those of Unicode that have no width: no code holds one, and a code with one is never found.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What is wrong with a cell, of whatever table: what a spreadsheet program made of a code, or would make of it.
fn trouble(column: &str, cell: &str) -> Option<Words> {
    let starts = |signs: &[char]| cell.starts_with(signs);
    // `+`, `-` and `2+` are results as laboratories write them: only what also calls or points is a formula.
    let formula = starts(&['=', '@']) || (starts(&['+', '-']) && cell.contains(['(', '!', '|']));
    if formula {
        return Some(words(
            "表計算ソフトの式に見えます。値だけを書いてください。",
            "This looks like a formula of a spreadsheet: write the value alone.",
        ));
    }
    if cell.chars().any(is_invisible) {
        return Some(words(
            "改行やタブ、幅のない空白など、見えない文字があります。",
            "There is a line end, a tab, a space without width or another invisible character in it.",
        ));
    }
    let code = column.ends_with("_code");
    let (head, tail) = cell.split_once("E+").unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if code
        && (cell.starts_with("#N/A")
            || cell.starts_with("#REF")
            || digits(tail)
                && head.replacen('.', "", 1).bytes().all(|b| b.is_ascii_digit())
                && !head.is_empty())
    {
        return Some(words(
            "表計算ソフトがコードを書き換えています(指数表記かエラー値)。列を文字列にして作り直してください。",
            "A spreadsheet has changed this code (scientific notation or an error value): make the column text and write it again.",
        ));
    }
    if code && is_date(cell) {
        return Some(words(
            "日付に見えます。表計算ソフトがコード(1-5 など)を日付に書き換えています。列を文字列にして作り直してください。",
            "This looks like a date: a spreadsheet has made one of a code such as 1-5. Make the column text and write it again.",
        ));
    }
    (column == "equivalence" && cell != OFF && !EQUIVALENCES.contains(&cell)).then(|| {
        let all = words(EQUIVALENCES.join("・"), EQUIVALENCES.join(", "));
        match cell.is_empty() {
            // ConceptMap R4 wants one of each target, and nobody but who wrote the row knows which.
            true => words(
                format!("equivalence が空です。{} のどれかを書いてください。", all.ja),
                format!("The equivalence is empty: it is one of {}.", all.en),
            ),
            false => words(
                format!("equivalence に書けるのは {} のどれかです。", all.ja),
                format!("An equivalence is one of {}.", all.en),
            ),
        }
    })
}

/// Whether a code is a date as spreadsheet programs show them: `2026/1/5`, `1月5日`, `5-Jan`, `Jan-05`.
fn is_date(cell: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let year = |text: &str| text.len() == 4 && digits(text, 4);
    if let Some((head, day)) = cell.strip_suffix('日').and_then(|rest| rest.split_once('月')) {
        let month = head.split_once('年').map_or(head, |(_, month)| month);
        return digits(day, 2) && digits(month, 2);
    }
    if let Some((before, month)) = cell.strip_suffix('月').and_then(|rest| rest.split_once('年')) {
        return year(before) && digits(month, 2);
    }
    let parts: Vec<&str> = cell.split('/').collect();
    if let [first, middle, last] = parts.as_slice() {
        return digits(middle, 2) && (year(first) && digits(last, 2) || digits(first, 2) && year(last));
    }
    let month = |text: &str| MONTHS.contains(&text);
    cell.split_once('-').is_some_and(|(a, b)| digits(a, 2) && month(b) || month(a) && digits(b, 4))
}

/// What is wrong with the target of a row: one that is missing, by which the code would count as known and nothing would
/// be sent for it, or one that the row itself says is none.
fn target_trouble(table: &str, cells: &[String]) -> Option<Words> {
    let equivalence = cells.get(6)?.as_str();
    if table == "code-systems" || equivalence == OFF || !EQUIVALENCES.contains(&equivalence) {
        return None;
    }
    match (equivalence, cells[4].is_empty()) {
        ("unmatched", false) => Some(words(
            format!(
                "equivalence が unmatched(対応なし)なのに target_code が {} です。対応がなければ target_code を空に、あれば equivalence を直します。",
                cells[4]
            ),
            format!(
                "The equivalence is 'unmatched' and the target_code is '{}': leave the code empty where there is none, or say how it fits.",
                cells[4]
            ),
        )),
        ("unmatched", true) | (_, false) => None,
        (_, true) => Some(words(
            format!(
                "target_code が空なのに equivalence が {equivalence} です。先のコードを書くか、対応がなければ unmatched と書きます。"
            ),
            format!(
                "The target_code is empty and the equivalence is '{equivalence}': write the code, or 'unmatched' where there is none."
            ),
        )),
    }
}

/// A code table of these rows. Of ranked rows only the first choice is ever sent: the others are for people and for
/// the ConceptMap.
pub(crate) fn build(name: &str, rows: Vec<Cells>) -> Table {
    let mut table = Table { name: name.to_owned(), ..Table::default() };
    for row in rows.into_iter().filter(|row| row.rank < 2) {
        // The source display is for people; the equivalence for the ConceptMap.
        let [source_system, source_code, _, target_system, target_code, target_display, equivalence] =
            row.cells.try_into().unwrap_or_default();
        // Such a row says what the code is not (FHIR R4, ConceptMapEquivalence): it is known, and has no target.
        let target_code = if NO_MATCH.contains(&equivalence.as_str()) { String::new() } else { target_code };
        let row = Row { source_system, source_code, target_system, target_code, target_display };
        let n = table.rows.len() as u32;
        table.by_source.entry(row.source_code.clone()).or_default().push(n);
        if !row.target_code.is_empty() {
            table.by_target.entry(row.target_code.clone()).or_insert(n);
        }
        table.rows.push(row);
    }
    for (source, rows) in &table.by_source {
        let Some((name, code)) = source.rsplit_once('/') else { continue };
        match code.parse::<usize>() {
            Ok(number) if number.to_string() == code => {
                table.by_name.entry(name.to_owned()).or_default().lengths.push((number, rows.clone()));
            }
            _ if table.name == "code-systems" && !code.is_empty() => {
                let named = table.by_name.entry(name.to_owned()).or_default();
                named.starts.push((code.to_owned(), rows.clone()));
            }
            _ => {}
        }
    }
    for named in table.by_name.values_mut() {
        named.starts.sort_by_key(|(start, _)| std::cmp::Reverse(start.len()));
    }
    table
}

impl Table {
    /// The rows for a code: those of its system, else those that name none; of a code without a system those that name
    /// none, else all.
    pub(crate) fn find<'t>(&'t self, system: &str, code: &str) -> impl Iterator<Item = &'t Row> {
        let rows = self.by_source.get(code).map_or(&[][..], Vec::as_slice);
        let own = rows.iter().map(|r| &self.rows[*r as usize]).find(|row| row.source_system == system);
        let any = system.is_empty() && own.is_none();
        let wanted = own.map_or("", |row| row.source_system.as_str());
        rows.iter().map(|r| &self.rows[*r as usize]).filter(move |row| any || row.source_system == wanted)
    }

    /// Whether a code without a system stands under several with different targets: which is meant cannot be told.
    pub(crate) fn is_several(system: &str, rows: &[&Row]) -> bool {
        let Some((first, more)) = rows.split_first().filter(|_| system.is_empty()) else { return false };
        more.iter().any(|row| {
            row.source_system != first.source_system
                && (row.target_system != first.target_system || row.target_code != first.target_code)
        })
    }

    /// The first row for a code.
    pub(crate) fn first(&self, system: &str, code: &str) -> Option<&Row> {
        self.find(system, code).next()
    }
}
