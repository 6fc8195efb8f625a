//! `mapping import-master`: a published master, read by the names of its columns, made into a code table of a layer.
//!
//! None of the masters is inside the program: who uses one obtains it and keeps its terms (mappings/README.md says
//! where). What does not look like the layout is refused, with the names that were looked for.

mod layout;

use super::lay::{self, File, Target};
use super::rows::{self, Row};
use crate::store::half_width;
use layout::{Form, Kind, Layout};
use renkei_translate::mapping::{Problem, line_of};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Codes of an ambiguity that are named on standard error.
const NAMED: usize = 20;

/// The arguments of `mapping import-master`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Which master.
    #[arg(value_enum)]
    kind: Kind,
    /// Its file as it is published: CSV or text with tabs, UTF-8 or Shift_JIS (CP932).
    file: PathBuf,
    /// The table, in place of the one that the master fills.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The title of the column of the codes, where the file has another than the one looked for; of a file without
    /// titles the number of the column, from 1.
    #[arg(long, value_name = "COLUMN")]
    code_column: Option<String>,
    /// The same of the codes that they become.
    #[arg(long, value_name = "COLUMN")]
    target_column: Option<String>,
    /// The same of the names.
    #[arg(long, value_name = "COLUMN")]
    name_column: Option<String>,
    /// The code systems as messages name them, separated by commas, in place of those of the master.
    #[arg(long, value_name = "SYSTEMS")]
    source_system: Option<String>,
    /// The URI of the code system of what the codes become.
    #[arg(long, value_name = "URI")]
    target_system: Option<String>,
    /// What to do with a code that becomes several.
    #[arg(long, value_enum, default_value = "refuse")]
    several: Several,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Several {
    /// Write nothing.
    Refuse,
    /// Rank them in the order of the file: the first is sent.
    Rank,
    /// Leave such codes out.
    LeaveOut,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let bytes = lay::read(&arguments.file)?;
    let shown = arguments.file.display().to_string();
    let made = decode(&shown, &bytes).and_then(|text| make(arguments, &shown, &text));
    let made = match made {
        Ok(made) => made,
        Err(problems) => return Ok(lay::refused(&problems)),
    };
    eprintln!(
        "{} rows read, {} without a code to become, {} headings and other rows left out, {} codes ambiguous, {} rows made",
        made.read,
        made.without,
        made.left_out,
        made.ambiguous.len(),
        made.rows.len()
    );
    for code in made.ambiguous.iter().take(NAMED) {
        eprintln!("    {code}");
    }
    let table = arguments.table.clone().unwrap_or_else(|| arguments.kind.layout().table.to_owned());
    let bytes = rows::csv(&made.rows)?;
    arguments.target.write(File { table, bytes, from: (shown, made.lines) })
}

fn problem(file: &str, line: usize, column: &str, ja: String, en: String) -> Problem {
    Problem { file: file.into(), line, column: column.into(), ja, en, ..Problem::default() }
}

/// The text of a master: UTF-8, else CP932.
fn decode(file: &str, bytes: &[u8]) -> Result<String, Vec<Problem>> {
    if bytes.starts_with(b"PK") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        let ja = "Excel のファイルです。CSV で保存し直してください。".to_owned();
        let en = "This is an Excel workbook: save it as CSV.".to_owned();
        return Err(vec![problem(file, 0, "", ja, en)]);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let mut problems = Vec::new();
    for (n, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let (text, broken) = encoding_rs::SHIFT_JIS.decode_without_bom_handling(line);
        if broken {
            let before = text.split('\u{fffd}').next().unwrap_or_default();
            let column = 1 + before.matches(delimiter(&text) as char).count();
            let ja = "UTF-8 でも Shift_JIS(CP932)でもない文字があります。".to_owned();
            let en = "There is a character that is neither UTF-8 nor Shift_JIS (CP932).".to_owned();
            problems.push(problem(file, n + 1, &column.to_string(), ja, en));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(encoding_rs::SHIFT_JIS.decode_without_bom_handling(bytes).0.into_owned())
}

/// What stands between the cells of a line.
fn delimiter(line: &str) -> u8 {
    if line.contains('\t') && !line.contains(',') { b'\t' } else { b',' }
}

/// What a master was made into.
#[derive(Debug, Default)]
struct Made {
    rows: Vec<Row>,
    lines: Vec<usize>,
    read: usize,
    /// Rows whose code becomes nothing.
    without: usize,
    /// Rows that are no codes: headings of a tree.
    left_out: usize,
    /// Codes that become several.
    ambiguous: Vec<String>,
}

/// Which columns are read: their places from 0, and their titles.
#[derive(Debug, Clone)]
struct Columns {
    code: Vec<(usize, String)>,
    target: (usize, String),
    name: (usize, String),
    /// Whether the first line holds titles.
    titled: bool,
}

fn narrow(text: &str) -> String {
    text.chars().map(half_width).collect()
}

fn title(text: &str) -> String {
    narrow(text.trim()).replace(' ', "")
}

/// Finds the columns of a layout by their titles, or by their numbers where a file without titles is published.
fn columns(
    arguments: &Arguments,
    layout: &Layout,
    file: &str,
    first: &csv::StringRecord,
) -> Result<Columns, Vec<Problem>> {
    let titles: Vec<String> = first.iter().map(title).collect();
    let mut problems = Vec::new();
    let mut titled = true;
    let mut find = |asked: Option<&String>, known: &[&str], number: Option<usize>, option: &str| {
        if let Some(asked) = asked {
            if let Some(n) = asked.parse::<usize>().ok().and_then(|n| n.checked_sub(1)) {
                titled = false;
                return (n, asked.clone());
            }
            if let Some(n) = titles.iter().position(|have| *have == title(asked)) {
                return (n, asked.clone());
            }
        } else if let Some((n, name)) = known
            .iter()
            .find_map(|name| titles.iter().position(|have| *have == title(name)).map(|n| (n, name)))
        {
            return (n, (*name).to_owned());
        } else if let Some(n) = number.filter(|_| (layout.untitled)(&titles)) {
            titled = false;
            return (n, known.first().copied().unwrap_or_default().to_owned());
        }
        let looked = asked.map_or_else(|| known.join(", "), Clone::clone);
        let (has, more) = (titles.iter().take(30).cloned().collect::<Vec<_>>().join(", "), layout.doubt);
        let ja = format!(
            "見出しに {looked} がありません。あるのは: {has}。{} で列の名を指定できます。{}",
            option, more.0
        );
        let en =
            format!("No column is titled {looked}. There are: {has}. {option} names the column. {}", more.1);
        problems.push(problem(file, 1, option, ja, en));
        (0, String::new())
    };
    let code = match &arguments.code_column {
        Some(column) => vec![find(Some(column), &[], None, "--code-column")],
        None => {
            layout.code.iter().map(|(known, number)| find(None, known, *number, "--code-column")).collect()
        }
    };
    let (known, number) = layout.target;
    // What becomes itself has no column of its own.
    let target = match known.is_empty() && arguments.target_column.is_none() {
        true => code.first().cloned().unwrap_or_default(),
        false => find(arguments.target_column.as_ref(), known, number, "--target-column"),
    };
    let name = find(arguments.name_column.as_ref(), layout.name.0, layout.name.1, "--name-column");
    if problems.is_empty() { Ok(Columns { code, target, name, titled }) } else { Err(problems) }
}

fn make(arguments: &Arguments, file: &str, text: &str) -> Result<Made, Vec<Problem>> {
    let layout = arguments.kind.layout();
    let target_system = arguments.target_system.as_deref().or(layout.target_system);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(text.lines().next().unwrap_or_default()))
        .from_reader(text.as_bytes());
    let (mut made, mut problems) = (Made::default(), Vec::new());
    let mut columns: Option<Columns> = None;
    let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
    let mut pairs: Vec<Pair> = Vec::new();
    for record in reader.records() {
        let Ok(record) = record else {
            let (ja, en) = ("CSV として読めません。", "The file is no readable CSV.");
            return Err(vec![problem(file, 0, "", ja.into(), en.into())]);
        };
        let line = line_of(text, record.position());
        let at = match &columns {
            Some(at) => at,
            None => {
                let found = self::columns(arguments, layout, file, &record)?;
                let titled = found.titled;
                let at = columns.insert(found);
                if titled {
                    continue;
                }
                &*at
            }
        };
        made.read += 1;
        match pair(layout, at, &record, line) {
            Ok(Some(pair)) if pair.target.is_empty() => made.without += 1,
            Ok(Some(pair)) => {
                let known = seen.entry(pair.code.clone()).or_default();
                // Packages of one drug are rows of their own.
                if known.iter().all(|n| pairs[*n].target != pair.target) {
                    known.push(pairs.len());
                    pairs.push(pair);
                }
            }
            Ok(None) => made.left_out += 1,
            Err(all) => {
                let said = all.into_iter().map(|(column, ja, en)| problem(file, line, &column, ja, en));
                problems.extend(said);
            }
        }
    }
    if columns.is_none() {
        problems.push(problem(file, 1, "", "行がありません。".into(), "There are no rows.".into()));
    }
    let Some(target_system) = target_system.or(layout.per_code.then_some("")) else {
        let ja = "この表のコード体系の URI は公表されたものを確かめられていません。--target-system で指定してください。";
        let en = "No published URI of this code system is known to us: give it by --target-system.";
        problems.push(problem(file, 0, "--target-system", ja.into(), en.into()));
        return Err(problems);
    };
    let systems = arguments.source_system.as_deref().unwrap_or(layout.source_systems);
    for (n, pair) in pairs.iter().enumerate() {
        let several = &seen[&pair.code];
        let mut rank = 0;
        if several.len() > 1 {
            if several[0] == n {
                made.ambiguous.push(pair.code.clone());
            }
            match arguments.several {
                Several::LeaveOut => continue,
                Several::Rank => rank = several.iter().position(|m| *m == n).map_or(0, |at| at as u32 + 1),
                Several::Refuse if several[0] == n => {}
                Several::Refuse => {
                    let ja = format!(
                        "{} に対応先がいくつもあります。--several rank(ファイルの順)か --several leave-out(除く)を選んでください。",
                        pair.code
                    );
                    let en = format!(
                        "{} becomes several codes: choose --several rank (the order of the file) or --several leave-out.",
                        pair.code
                    );
                    problems.push(problem(file, pair.line, &at_title(&columns), ja, en));
                }
            }
        }
        let system = if target_system.is_empty() { (layout.system_of)(&pair.target) } else { target_system };
        for source in systems.split(',') {
            made.lines.push(pair.line);
            made.rows.push(Row {
                source_system: source.trim().to_owned(),
                source_code: pair.code.clone(),
                source_display: pair.name.clone(),
                target_system: system.to_owned(),
                target_code: pair.target.clone(),
                target_display: pair.name.clone(),
                equivalence: layout.equivalence.to_owned(),
                rank,
            });
        }
    }
    if made.rows.is_empty() && problems.is_empty() {
        let ja = "使える行が一つもありません。".to_owned();
        problems.push(problem(file, 0, "", ja, "Not one row could be used.".into()));
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

fn at_title(columns: &Option<Columns>) -> String {
    columns.as_ref().map(|columns| columns.target.1.clone()).unwrap_or_default()
}

/// A code, what it becomes, and its name.
struct Pair {
    code: String,
    target: String,
    name: String,
    line: usize,
}

/// A column, and what is wrong in it in both languages.
type Wrong = (String, String, String);

/// Reads a row. `None` is a row that is no code; an error has all that is wrong in it.
fn pair(
    layout: &Layout,
    at: &Columns,
    record: &csv::StringRecord,
    line: usize,
) -> Result<Option<Pair>, Vec<Wrong>> {
    // No cell of a master has lines: a quote that is not closed would take in the rows behind it.
    if let Some(n) = record.iter().position(|cell| cell.contains('\n')) {
        let ja = "引用符(\")が閉じていません。後ろの行まで一つのセルになっています。".to_owned();
        let en = "A quote is not closed: the rows behind it are in this cell.".to_owned();
        return Err(vec![(at.title(n), ja, en)]);
    }
    let mut wrong: Vec<Wrong> = Vec::new();
    let mut cell = |(n, title): &(usize, String)| match record.get(*n) {
        Some(cell) => narrow(cell.trim()),
        None => {
            let (ja, en) = ("この行には列が足りません。", "The row has too few cells.");
            wrong.push((title.clone(), ja.to_owned(), en.to_owned()));
            String::new()
        }
    };
    let code: String = at.code.iter().map(&mut cell).collect();
    let target = cell(&at.target);
    if !wrong.is_empty() {
        // The cell of what becomes itself is that of the code.
        wrong.dedup();
        return Err(wrong);
    }
    // A name keeps its width.
    let name = record.get(at.name.0).map(|cell| cell.trim().to_owned()).unwrap_or_default();
    if (layout.heading)(&code) {
        return Ok(None);
    }
    let mut unfit = |form: &Form, column: &str| {
        let ja = format!("この列の形({})ではありません。", form.1);
        let en = format!("It has not the form of this column ({}).", form.2);
        wrong.push((column.to_owned(), ja, en));
    };
    if !(layout.is_code.0)(&code) {
        unfit(&layout.is_code, at.code.first().map_or("", |column| column.1.as_str()));
    }
    let itself = at.code.first().is_some_and(|column| column.0 == at.target.0);
    if !itself && !target.is_empty() && !(layout.is_target.0)(&target) {
        unfit(&layout.is_target, &at.target.1);
    }
    if wrong.is_empty() { Ok(Some(Pair { code, target, name, line })) } else { Err(wrong) }
}

impl Columns {
    /// The title of a column, where it is one of those that are read; else its number.
    fn title(&self, n: usize) -> String {
        let read = self.code.iter().chain([&self.target, &self.name]);
        read.into_iter().find(|column| column.0 == n).map_or_else(|| (n + 1).to_string(), |c| c.1.clone())
    }
}

#[cfg(test)]
mod tests;
