//! What `feeds/*.toml` declares: encoding, framing, columns, and how rows gather into messages.
//!
//! The keys are shaped for what other feeds need too (records told apart, fixed widths, repeats, joins); what this
//! version cannot do yet is refused by name and never read as something else.

use super::rows::Row;
use crate::finding::{Finding, Location};
use crate::mapping::functions::{is_date, narrow, number};
use crate::mapping::problem::Place;
use crate::mapping::reader::{File, Tab};

/// A layout, checked.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Its name in `bridge.toml` and on the command line.
    pub id: String,
    /// Recorded with every message that was cut under it.
    pub version: String,
    pub(crate) encoding: &'static str,
    pub(crate) delimiter: char,
    pub(crate) quote: Option<char>,
    pub(crate) quoted_line_ends: bool,
    /// Title rows at most: a file may have fewer.
    pub(crate) titles: usize,
    /// The record kind of its rows: the segment that maps are `for`.
    pub(crate) record: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) facility: usize,
    /// What tells sources apart that number their reports by themselves.
    pub(crate) source: Option<usize>,
    /// The first of them that is valued names the report.
    pub(crate) report: Vec<usize>,
    /// The first of them that is valued is the message's time; none = the order of arrival.
    pub(crate) time: Vec<usize>,
    pub(crate) patient: Patient,
}

/// Where the patient stands in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patient {
    pub(crate) id: usize,
    pub(crate) name: Option<usize>,
    pub(crate) kana: Option<usize>,
    /// One space parts family and given name.
    pub(crate) split: bool,
    pub(crate) birth: Option<usize>,
    pub(crate) gender: Option<usize>,
}

/// One column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    pub(crate) name: String,
    needed: bool,
    kind: Kind,
    changes: Vec<Change>,
    codes: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Code,
    Number,
    Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Full-width letters and digits become half-width.
    Narrow,
    /// Half-width kana become full-width.
    WideKana,
    /// The variants of the minus sign become `-`.
    Minus,
    StripZeros,
}

impl Column {
    /// A cell as the rest of the program reads it: trimmed, normalised, recoded.
    pub(crate) fn normal(&self, cell: &str) -> String {
        let mut text = cell.trim_matches(|c: char| c.is_whitespace()).to_owned();
        for change in &self.changes {
            text = match change {
                Change::Narrow => narrow(&text).into_owned(),
                Change::WideKana => wide_kana(&text),
                Change::Minus => text.replace(['\u{2212}', '\u{2010}', '\u{2015}', '\u{FF0D}'], "-"),
                Change::StripZeros => match text.trim_start_matches('0') {
                    "" if !text.is_empty() => "0".to_owned(),
                    bare => bare.to_owned(),
                },
            };
        }
        match self.codes.iter().find(|(from, _)| *from == text) {
            Some((_, to)) => to.clone(),
            None => text,
        }
    }

    /// What is wrong with a normal cell.
    pub(crate) fn check(&self, cell: &str, row: u32) -> Option<Finding> {
        let here = || Location::at(position(row, &self.name));
        if cell.is_empty() {
            return self.needed.then(|| Finding::error("column-empty", here()));
        }
        let fits = match self.kind {
            Kind::Text => true,
            Kind::Code => !cell.contains(char::is_whitespace),
            Kind::Number => number(cell).is_some(),
            Kind::Date => is_date(cell),
        };
        match (fits, self.needed) {
            (true, _) => None,
            (false, true) => Some(Finding::error("column-invalid", here())),
            (false, false) => Some(Finding::warning("column-invalid", here())),
        }
    }
}

/// A cell as findings and traces name it.
pub(crate) fn position(row: u32, column: &str) -> String {
    format!("row {row}, {column}")
}

/// Ten digits.
pub(crate) fn is_facility(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Layout {
    /// Whether a row at the front may be a title: the titles of all columns, or the heading of the file alone in its
    /// line. What has some columns but not all of them, or is cut by another delimiter, is a row that cannot be read.
    pub(super) fn may_be_title(&self, row: &Row) -> bool {
        let heading = |cell: &String| !cell.contains(['\t', ';', '|', ',']);
        let whole = row.trouble.is_none();
        let alone = row.cells.len() == 1 && row.cells.iter().all(heading);
        (whole || alone) && !self.is_data(row)
    }

    /// Whether a row has the names of the columns, most of them at their places.
    pub(super) fn names(&self, row: &Row) -> bool {
        let same = row.cells.iter().zip(&self.columns).filter(|(cell, column)| cell.trim() == column.name);
        row.trouble.is_none() && same.count() * 2 > self.columns.len()
    }

    /// Whether a row is certainly no title: it names a facility anywhere, or has a date where dates stand.
    fn is_data(&self, row: &Row) -> bool {
        let dated = |(cell, column): (&String, &Column)| column.kind == Kind::Date && is_date(cell);
        row.cells.iter().any(|cell| is_facility(cell)) || row.cells.iter().zip(&self.columns).any(dated)
    }

    /// The place of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Half-width kana and their sound marks to full-width.
pub(crate) fn wide_kana(text: &str) -> String {
    const WIDE: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゛゜";
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let wide = u32::from(c).checked_sub(0xFF61).and_then(|n| WIDE.chars().nth(n as usize));
        let marked = match (wide, out.chars().last()) {
            (Some('゛'), Some('ウ')) => Some('ヴ'),
            // Voiced kana stand behind their plain ones in Unicode, half-voiced ones two behind.
            (Some('゛'), Some(last)) if "カキクケコサシスセソタチツテトハヒフヘホ".contains(last) => {
                char::from_u32(u32::from(last) + 1)
            }
            (Some('゜'), Some(last)) if "ハヒフヘホ".contains(last) => {
                char::from_u32(u32::from(last) + 2)
            }
            _ => None,
        };
        match marked {
            Some(marked) => {
                out.pop();
                out.push(marked);
            }
            None => out.push(wide.unwrap_or(c)),
        }
    }
    out
}

/// What the layout language knows and this version does not do.
const NOT_YET: [&str; 7] = ["container", "extends", "parent", "repeat", "carry", "join", "trailer"];

/// Reads a layout; what is wrong with it is among the problems of the file.
pub(crate) fn read(root: &mut Tab<'_>, file: &mut File<'_>) -> Option<(Layout, Place)> {
    let mut tab = sub(root, file, "layout")?;
    let place = file.place(tab.offset);
    let id = tab.needed(file, "id");
    tab.rule.clone_from(&id);
    tab.both_languages(file, "title", true);
    let mut layout = Layout {
        version: tab.needed(file, "version"),
        encoding: match tab.needed(file, "encoding").as_str() {
            "cp932" => "cp932",
            "euc-jp" => "euc-jp",
            "utf-8" => "utf-8",
            "iso-2022-jp" => "iso-2022-jp",
            _ => {
                let (ja, en) = (
                    "encoding は cp932・euc-jp・utf-8・iso-2022-jp のどれかです。",
                    "encoding is cp932, euc-jp, utf-8 or iso-2022-jp.",
                );
                tab.wrong(file, tab.offset, ja, en);
                ""
            }
        },
        id,
        ..Layout::default()
    };
    refuse_later(&mut tab, file);
    tab.finish(file);
    if let Some(mut framing) = sub(root, file, "framing") {
        read_framing(&mut framing, file, &mut layout);
    }
    let mut records = root.tables(file, "record");
    if records.len() != 1 {
        let (ja, en) = (
            "[[record]] は一つです(複数の種類はこの版ではまだ読めません)。",
            "There is one [[record]]; several kinds are not in this version.",
        );
        root.wrong(file, 0, ja, en);
    }
    let mut record = records.drain(..).next()?;
    layout.record = record.needed(file, "id");
    let segment = |b: &[u8]| matches!(b, [a, b, c] if a.is_ascii_uppercase() && [b, c].iter().all(|x| x.is_ascii_uppercase() || x.is_ascii_digit()));
    if !segment(layout.record.as_bytes()) || matches!(layout.record.as_str(), "MSH" | "PID") {
        let (ja, en) = ("record の id は大文字3字です。", "The id of a record is three capitals.");
        record.wrong(file, record.offset, ja, en);
    }
    read_columns(&mut record, file, &mut layout);
    refuse_later(&mut record, file);
    record.finish(file);
    if let Some(mut message) = sub(root, file, "message") {
        read_message(&mut message, file, &mut layout);
    }
    if let Some(mut patient) = sub(root, file, "patient") {
        read_patient(&mut patient, file, &mut layout);
    }
    Some((layout, place))
}

fn sub<'t>(root: &mut Tab<'t>, file: &mut File<'_>, key: &'static str) -> Option<Tab<'t>> {
    let found = root
        .take(key)
        .and_then(|(offset, value)| value.as_table().map(|t| Tab::new(t, offset, root.rule.clone())));
    if found.is_none() {
        root.wrong(file, 0, &format!("[{key}] がありません。"), &format!("[{key}] is missing."));
    }
    found
}

fn refuse_later(tab: &mut Tab<'_>, file: &mut File<'_>) {
    for key in NOT_YET {
        if let Some((offset, _)) = tab.take(key) {
            let ja = format!("{key} はこの版ではまだ使えません。");
            tab.wrong(file, offset, &ja, &format!("{key} is not in this version."));
        }
    }
}

fn read_framing(tab: &mut Tab<'_>, file: &mut File<'_>, layout: &mut Layout) {
    if tab.needed(file, "kind") != "delimited" {
        let (ja, en) = (
            "framing の kind は delimited だけです(固定長はこの版ではまだ読めません)。",
            "The kind of framing is delimited; fixed widths are not in this version.",
        );
        tab.wrong(file, tab.offset, ja, en);
    }
    let delimiter = tab.needed(file, "delimiter");
    let one = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|c| chars.next().is_none() && !matches!(c, '\r' | '\n'))
    };
    match one(&delimiter) {
        Some(c) => layout.delimiter = c,
        None => tab.wrong(file, tab.offset, "delimiter は1字です。", "delimiter is one character."),
    }
    match tab.text(file, "quote").as_deref() {
        None | Some("") => {}
        Some(text) => match one(text).filter(|c| *c != layout.delimiter) {
            Some(c) => layout.quote = Some(c),
            None => tab.wrong(
                file,
                tab.offset,
                "quote は区切りと違う1字です。",
                "quote is one character, not the delimiter.",
            ),
        },
    }
    layout.quoted_line_ends = tab.boolean(file, "quoted_line_ends");
    layout.titles = whole(tab, file, "titles").unwrap_or(0);
    refuse_later(tab, file);
    tab.finish(file);
}

fn whole(tab: &mut Tab<'_>, file: &mut File<'_>, key: &'static str) -> Option<usize> {
    let (offset, value) = tab.take(key)?;
    let number = crate::mapping::reader::plain(value).parse().ok();
    if number.is_none() {
        tab.wrong(file, offset, &format!("{key} は0以上の整数です。"), &format!("{key} is a whole number."));
    }
    number
}

fn read_columns(record: &mut Tab<'_>, file: &mut File<'_>, layout: &mut Layout) {
    for mut row in record.tables(file, "columns") {
        let name = row.needed(file, "name");
        row.rule = format!("{}/{name}", layout.id);
        let offset = row.offset;
        if whole(&mut row, file, "pos") != Some(layout.columns.len() + 1) {
            let at = layout.columns.len() + 1;
            row.wrong(file, offset, &format!("pos は {at} のはずです。"), &format!("pos should be {at}."));
        }
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "()[]{}'=,".contains(c)) {
            row.wrong(
                file,
                offset,
                "列の名前に空白や記号は使えません。",
                "The name of a column has no space, bracket or quote.",
            );
        }
        if layout.column(&name).is_some() {
            row.wrong(
                file,
                offset,
                &format!("{name} が二つあります。"),
                "There are two columns of this name.",
            );
        }
        let kind = match row.text(file, "is").as_deref() {
            None | Some("text") => Kind::Text,
            Some("code") => Kind::Code,
            Some("number") => Kind::Number,
            Some("date") => Kind::Date,
            Some(_) => {
                row.wrong(
                    file,
                    offset,
                    "is は text・code・number・date のどれかです。",
                    "is is text, code, number or date.",
                );
                Kind::Text
            }
        };
        let mut changes = Vec::new();
        for word in row.texts(file, "as").unwrap_or_default() {
            match word.as_str() {
                "narrow" => changes.push(Change::Narrow),
                "wide-kana" => changes.push(Change::WideKana),
                "minus" => changes.push(Change::Minus),
                "strip-zeros" => changes.push(Change::StripZeros),
                _ => row.wrong(
                    file,
                    offset,
                    "as は narrow・wide-kana・minus・strip-zeros のどれかです。",
                    "as is narrow, wide-kana, minus or strip-zeros.",
                ),
            }
        }
        let needed = row.boolean(file, "needed");
        let codes = row.pairs(file, "codes");
        refuse_later(&mut row, file);
        row.finish(file);
        layout.columns.push(Column { name, needed, kind, changes, codes });
    }
    if layout.columns.is_empty() || layout.columns.len() > MAX_COLUMNS {
        record.wrong(file, record.offset, "columns は1から128列です。", "There are 1 to 128 columns.");
    }
}

/// Columns of a record: what nobody read is marked in 128 bits a row.
const MAX_COLUMNS: usize = 128;

/// The columns that a key names.
fn columns(
    tab: &mut Tab<'_>,
    file: &mut File<'_>,
    layout: &Layout,
    key: &'static str,
    needed: bool,
) -> Vec<usize> {
    let offset = tab.offset;
    let names = tab.texts(file, key).unwrap_or_default();
    if needed && names.is_empty() {
        tab.wrong(file, offset, &format!("{key} がありません。"), &format!("{key} is missing."));
    }
    let mut out = Vec::new();
    for name in names {
        match layout.column(&name) {
            Some(n) => out.push(n),
            None => {
                let ja = format!("{key} の列 {name} がありません。");
                tab.wrong(file, offset, &ja, &format!("{key}: there is no column '{name}'."));
            }
        }
    }
    out
}

fn read_message(tab: &mut Tab<'_>, file: &mut File<'_>, layout: &mut Layout) {
    layout.facility = columns(tab, file, layout, "facility", true).first().copied().unwrap_or_default();
    layout.source = columns(tab, file, layout, "source", false).first().copied();
    layout.report = columns(tab, file, layout, "report", true);
    layout.time = columns(tab, file, layout, "time", false);
    refuse_later(tab, file);
    tab.finish(file);
}

fn read_patient(tab: &mut Tab<'_>, file: &mut File<'_>, layout: &mut Layout) {
    let mut one = |tab: &mut Tab<'_>, key: &'static str, needed| {
        columns(tab, file, layout, key, needed).first().copied()
    };
    let patient = Patient {
        id: one(tab, "id", true).unwrap_or_default(),
        name: one(tab, "name", false),
        kana: one(tab, "kana", false),
        birth: one(tab, "birth", false),
        gender: one(tab, "gender", false),
        split: false,
    };
    layout.patient = Patient { split: tab.boolean(file, "split_name"), ..patient };
    tab.finish(file);
}

#[cfg(test)]
mod tests {
    use super::wide_kana;

    #[test]
    fn half_width_kana_take_their_sound_marks_with_them() {
        assert_eq!(wide_kana("ﾚｲｼﾞ ﾀﾛｳ"), "レイジ タロウ");
        assert_eq!(wide_kana("ﾊﾟｰﾌﾟﾙ･ｳﾞｧﾝ"), "パープル・ヴァン");
        assert_eq!(wide_kana("abc漢字ﾞ"), "abc漢字゛");
    }
}
