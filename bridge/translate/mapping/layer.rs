//! Layers: the shipped set, what a network lays over it, what a facility lays over both.
//!
//! A row of a higher layer takes the place of the row of the same map and id; `off = true` takes it away;
//! `after = "id"` says where a new one stands. Nothing here reads files or judges rows: it only joins what was
//! read, lowest layer first.

use super::compile_map::{Draft, Line};
use super::compile_message::{MessageDraft, Skip};
use super::near::{meant, nearest};
use super::problem::{Place, Problems, Words, words};
use super::reader::{File, Tab};
use super::{Problem, SourceFile};
use std::sync::Arc;

/// Which layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// 標準: the set inside the program, or the folder in its place.
    #[default]
    Shipped,
    /// 地域: what a network lays over it.
    Network,
    /// 施設: what a facility lays over both.
    Facility,
}

impl Rank {
    /// Its name in English, as the command line prints it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Network => "network",
            Self::Facility => "facility",
        }
    }

    /// Its name in Japanese.
    pub fn ja(self) -> &'static str {
        match self {
            Self::Shipped => "標準",
            Self::Network => "地域",
            Self::Facility => "施設",
        }
    }
}

/// The files of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which one it is.
    pub rank: Rank,
    /// Its files, in folders as those of a set; clones of the layer share them.
    pub files: Arc<[SourceFile]>,
}

impl Layer {
    /// A layer of these files.
    pub fn new(rank: Rank, files: Vec<SourceFile>) -> Self {
        Self { rank, files: files.into() }
    }
}

/// The text of a file of a set, and what is wrong with its bytes: a file that is not UTF-8 is read as what it seems
/// to be, so that its other problems can be said too, and is a problem itself, with the line of the first byte.
pub fn read(rank: Rank, path: &str, bytes: Vec<u8>) -> (SourceFile, Option<Problem>) {
    let error = match String::from_utf8(bytes) {
        Ok(text) => return (SourceFile { path: path.to_owned(), text }, None),
        Err(error) => error,
    };
    let upto = error.utf8_error().valid_up_to();
    let line = 1 + error.as_bytes()[..upto].iter().filter(|byte| **byte == b'\n').count();
    let column = if path.ends_with(".csv") { cell_at(error.as_bytes(), upto) } else { String::new() };
    let (cp932, _, broken) = encoding_rs::SHIFT_JIS.decode(error.as_bytes());
    let utf16 = match error.as_bytes() {
        [0xFF, 0xFE, ..] => Some(encoding_rs::UTF_16LE),
        [0xFE, 0xFF, ..] => Some(encoding_rs::UTF_16BE),
        _ => None,
    };
    let (text, ja, en) = if let Some(utf16) = utf16 {
        (
            utf16.decode(error.as_bytes()).0,
            "ファイルが UTF-8 ではなく、UTF-16(「Unicode テキスト」)で保存されています。UTF-8 で保存し直してください。Excel では「CSV UTF-8(コンマ区切り)」を選びます。",
            "The file is saved as UTF-16 ('Unicode text'), not as UTF-8. Save it as UTF-8; in Excel choose 'CSV UTF-8 (comma delimited)'.",
        )
    } else if broken {
        (
            String::from_utf8_lossy(error.as_bytes()),
            "ファイルが UTF-8 ではありません。UTF-8 で保存し直してください。",
            "The file is not UTF-8. Save it as UTF-8.",
        )
    } else {
        (
            cp932,
            "ファイルが UTF-8 ではなく、CP932(Shift_JIS)で保存されています。UTF-8 で保存し直してください。Excel では「CSV UTF-8(コンマ区切り)」を選びます。",
            "The file is saved as CP932 (Shift_JIS), not as UTF-8. Save it as UTF-8; in Excel choose 'CSV UTF-8 (comma delimited)'.",
        )
    };
    let file = SourceFile { path: path.to_owned(), text: text.into_owned() };
    let (layer, path) = (rank, path.to_owned());
    let problem =
        Problem { layer, file: path, line, column, ja: ja.into(), en: en.into(), ..Problem::default() };
    (file, Some(problem))
}

/// The title of the cell of a CSV that a byte stands in; its number where the first line has no title for it.
fn cell_at(bytes: &[u8], at: usize) -> String {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let mut quoted = false;
    let mut n = 0;
    for byte in &bytes[start..at] {
        quoted ^= *byte == b'"';
        n += usize::from(*byte == b',' && !quoted);
    }
    let mut lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    let title = std::str::from_utf8(first).ok().and_then(|line| line.split(',').nth(n)).unwrap_or_default();
    let title = title.trim_matches(['\u{feff}', '"', ' ']);
    if title.is_empty() { (n + 1).to_string() } else { title.to_owned() }
}

/// A row with a name that a higher layer may replace, move or take away.
pub(crate) trait Named {
    fn name(&self) -> &str;
    fn place(&self) -> &Place;
    fn off(&self) -> bool;
    fn after(&self) -> Option<&str>;
    /// Notes what it replaced.
    fn over(&mut self, lower: &Place);
}

impl Named for Line {
    fn name(&self) -> &str {
        &self.name
    }
    fn place(&self) -> &Place {
        &self.place
    }
    fn off(&self) -> bool {
        self.off
    }
    fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
    fn over(&mut self, lower: &Place) {
        self.over = Some(lower.layer);
    }
}

impl Named for Skip {
    fn name(&self) -> &str {
        &self.from
    }
    fn place(&self) -> &Place {
        &self.place
    }
    fn off(&self) -> bool {
        self.off
    }
    fn after(&self) -> Option<&str> {
        None
    }
    fn over(&mut self, lower: &Place) {
        self.over = Some(lower.layer);
    }
}

/// Lays rows over rows; what was switched off is given back. Rows of one name stand together (`let`).
pub(crate) fn lay<T: Named>(
    lower: &mut Vec<T>,
    upper: Vec<T>,
    owner: &str,
    problems: &mut Problems,
) -> Vec<T> {
    let mut off = Vec::new();
    let mut groups: Vec<Vec<T>> = Vec::new();
    for row in upper {
        match groups.last_mut() {
            Some(group) if group[0].name() == row.name() => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    let mut done: Vec<String> = Vec::new();
    for mut group in groups {
        let (name, place) = (group[0].name().to_owned(), group[0].place().clone());
        let rule = format!("{owner}/{name}");
        if done.contains(&name) {
            let said = words(
                format!("{name} という名の行が、このファイルに二つあります。"),
                format!("There are two rows of the name '{name}' in this file."),
            );
            problems.cell(&place, &rule, "id", said);
            continue;
        }
        done.push(name.clone());
        if let Some(second) = group.get(1).filter(|_| group.iter().any(Named::off)) {
            let said = words(
                format!(
                    "{name} という名の行が、このファイルに二つあります。off = true の行か、替える行の、どちらか一つだけを書きます。"
                ),
                format!(
                    "There are two rows of the name '{name}' in this file: write the one with off = true, or the one that takes its place."
                ),
            );
            problems.cell(second.place(), &rule, "off", said);
            continue;
        }
        let at = lower.iter().position(|row| row.name() == name);
        let replaced = at.map(|at| lower[at].place().clone());
        let mut taken: Vec<T> = Vec::new();
        let mut n = 0;
        while n < lower.len() {
            if lower[n].name() == name { taken.push(lower.remove(n)) } else { n += 1 }
        }
        if group[0].off() {
            if replaced.is_none() {
                let said = words(
                    format!("下の層に {name} という行がないので、止められません。"),
                    format!("No layer below has a row '{name}' to switch off."),
                );
                let below = lower.iter().filter(|row| row.place().layer < place.layer);
                let said = meant(said, nearest(&name, below.map(Named::name)));
                problems.absent(&place, &rule, "off", &name, said);
            }
            off.append(&mut group);
            continue;
        }
        let mut at = at.unwrap_or(lower.len());
        if let Some(after) = group[0].after() {
            match lower.iter().rposition(|row| row.name() == after) {
                Some(found) => at = found + 1,
                None => {
                    let said = words(
                        format!("after に書いた {after} という行がありません。"),
                        format!("There is no row '{after}' to stand after."),
                    );
                    let said = meant(said, nearest(after, lower.iter().map(Named::name)));
                    problems.absent(&place, &rule, "after", after, said);
                }
            }
        }
        for (n, mut row) in group.into_iter().enumerate() {
            if let Some(replaced) = &replaced {
                row.over(replaced);
            }
            lower.insert(at + n, row);
        }
    }
    off
}

/// Whether a file of a layer only changes rows of a map that no layer below has, which is then said: a map of its own
/// would say what it is for and what it makes.
pub(crate) fn lies_over_nothing(tab: &Tab<'_>, file: &mut File<'_>, below: &[&str]) -> bool {
    let id = tab.peek("id").unwrap_or_default();
    let own = tab.has("for") || tab.has("makes") || tab.has("off");
    if file.layer == Rank::Shipped || id.is_empty() || own || below.contains(&id) {
        return false;
    }
    let said = words(
        format!("下の層に {id} というマップはありません。"),
        format!("No layer below has a map '{id}'"),
    );
    not_below(tab, file, said, nearest(id, below.iter().copied()));
    true
}

/// Whether a message file of a layer only changes a message that no layer below has, which is then said. One of its
/// own says all that a message must say; one that does not, with an id close to one below, is a slip of the hand.
pub(crate) fn message_lies_over_nothing(tab: &Tab<'_>, file: &mut File<'_>, below: &[&str]) -> bool {
    let id = tab.peek("id").unwrap_or_default();
    if file.layer == Rank::Shipped || id.is_empty() || tab.has("off") || below.contains(&id) {
        return false;
    }
    let (told, headed) = (tab.has("is") || tab.has("feed"), tab.has("title") && tab.has("replaces"));
    let near = nearest(id, below.iter().copied());
    if told && headed || near.is_none() && (told || headed) {
        return false;
    }
    let said = words(
        format!("下の層に {id} という電文はありません。"),
        format!("No layer below has a message '{id}'"),
    );
    not_below(tab, file, said, near);
    true
}

/// Whether a submap or datatype map of a layer only changes rows of one that no layer below has, which is then said.
pub(crate) fn part_lies_over_nothing(
    tab: &Tab<'_>,
    file: &mut File<'_>,
    owner: Option<&str>,
    below: &[&str],
) -> bool {
    let id = tab.peek("id").unwrap_or_default();
    let own = tab.has("makes") || tab.has("off");
    // What belongs to a map of the layer's own has nothing below it.
    if file.layer == Rank::Shipped || id.is_empty() || own || below.is_empty() || below.contains(&id) {
        return false;
    }
    let said = match owner {
        Some(owner) => words(
            format!("下の層のマップ {owner} に {id} という submap はありません。"),
            format!("No layer below has a submap '{id}' in the map '{owner}'"),
        ),
        None => words(
            format!("下の層に {id} という型(types)はありません。"),
            format!("No layer below has a type '{id}'"),
        ),
    };
    not_below(tab, file, said, nearest(id, below.iter().copied()));
    true
}

fn not_below(tab: &Tab<'_>, file: &mut File<'_>, mut said: Words, near: Option<&str>) {
    match near {
        Some(near) => {
            said.ja += &format!("{near} のことですか。");
            said.en += &format!(": did you mean '{near}'?");
        }
        None => said.en += ".",
    }
    let place = tab.place_of(file, "id");
    file.problems.cell(&place, tab.peek("id").unwrap_or_default(), "id", said);
}

/// Lays a map over the one of the same id, or adds it.
pub(crate) fn lay_map(all: &mut Vec<Draft>, upper: Draft, problems: &mut Problems, notes: &mut Problems) {
    let same = |lower: &Draft| {
        lower.parts == upper.parts
            && lower.id == upper.id
            && lower.owner == upper.owner
            && !upper.id.is_empty()
    };
    match all.iter_mut().find(|lower| same(lower) && lower.place.layer < upper.place.layer) {
        Some(lower) => {
            let owner = upper.id.clone();
            if lower.off && !upper.off {
                problems.doubts(|problems| below_is_off(&owner, lower.at("off"), &upper.place, problems));
            }
            for row in upper.lets.iter().chain(&upper.rules).filter(|row| !row.off) {
                let gone = |off: &&Line| off.name == row.name && off.place.layer < row.place.layer;
                if let Some(at) = lower.switched_off.iter().position(|off| gone(&off)) {
                    back_again(&owner, row, &lower.switched_off.remove(at).place, notes);
                }
            }
            lower.take_heading(&upper);
            let mut off = lay(&mut lower.lets, upper.lets, &owner, problems);
            off.append(&mut lay(&mut lower.rules, upper.rules, &owner, problems));
            lower.switched_off.append(&mut off);
        }
        None => {
            let mut new = upper;
            if new.off {
                let like = |lower: &&Draft| lower.parts == new.parts && lower.owner == new.owner;
                let below = all.iter().filter(like).map(|lower| lower.id.as_str());
                let said = meant(nothing_below(&new.id), nearest(&new.id, below));
                problems.absent(new.at("off"), new.id.clone(), "off", &new.id, said);
                return;
            }
            let (lets, rules) = (std::mem::take(&mut new.lets), std::mem::take(&mut new.rules));
            refuse_layer_words(&lets, &new, problems);
            refuse_layer_words(&rules, &new, problems);
            new.lets = lets.into_iter().filter(|line| !line.off).collect();
            new.rules = rules.into_iter().filter(|line| !line.off).collect();
            all.push(new);
        }
    }
}

/// A file over something that a layer below has switched off as a whole.
fn below_is_off(id: &str, off: &Place, own: &Place, problems: &mut Problems) {
    let (ja, en, file, line) = (off.layer.ja(), off.layer.word(), &off.file, off.line);
    let said = words(
        format!(
            "{id} は、{ja}の層({file} の {line} 行)が off = true で止めているので、このファイルは何も変えません。このファイルを消すか、{ja}の層のその行を取ってもらいます。"
        ),
        format!(
            "The {en}'s layer has switched '{id}' off ({file}:{line}), so this file changes nothing: take it out, or have that line taken out there."
        ),
    );
    problems.cell(own, id, "id", said);
}

/// A row that a layer below has switched off and this one writes again: that is how a facility differs, and is told.
fn back_again(owner: &str, row: &Line, off: &Place, notes: &mut Problems) {
    let (ja, en, file, line) = (off.layer.ja(), off.layer.word(), &off.file, off.line);
    let said = words(
        format!(
            "この行は、{ja}の層({file} の {line} 行)が off = true で止めているものです。このファイルがもう一度書くので、送られます。送らないなら、この行を消します。"
        ),
        format!(
            "The {en}'s layer has switched this row off ({file}:{line}), and this file writes it again, so that it is sent. Where it is not to be sent, take the row out."
        ),
    );
    notes.cell(&row.place, format!("{owner}/{}", row.name), "", said);
}

/// `off` and `after` in a map that lies over nothing.
fn refuse_layer_words(lines: &[Line], draft: &Draft, problems: &mut Problems) {
    for line in lines {
        let rule = format!("{}/{}", draft.id, line.name);
        for column in [line.off.then_some("off"), line.after.as_ref().map(|_| "after")].into_iter().flatten()
        {
            let said = words(
                format!("{column} は、下の層に同じマップがあるときだけ使えます。"),
                format!("'{column}' is for a map that a layer below has too."),
            );
            problems.cell(&line.place, &rule, column, said);
        }
    }
}

/// Lays a message file over the one of the same id, or adds it.
pub(crate) fn lay_message(all: &mut Vec<MessageDraft>, upper: MessageDraft, problems: &mut Problems) {
    let below = |lower: &&mut MessageDraft| lower.id == upper.id && lower.place.layer < upper.place.layer;
    match all.iter_mut().find(below) {
        Some(lower) => {
            if lower.off && !upper.off {
                let (id, off) = (upper.id.clone(), lower.at("off").clone());
                problems.doubts(|problems| below_is_off(&id, &off, &upper.place, problems));
            }
            lower.take(upper, problems);
        }
        None if upper.off => {
            let below = all.iter().map(|lower| lower.id.as_str());
            let said = meant(nothing_below(&upper.id), nearest(&upper.id, below));
            problems.absent(upper.at("off"), upper.id.clone(), "off", &upper.id, said);
        }
        None => all.push(upper),
    }
}

fn nothing_below(id: &str) -> Words {
    words(
        format!("下の層に {id} がないので、止められません。"),
        format!("No layer below has '{id}' to switch off."),
    )
}
