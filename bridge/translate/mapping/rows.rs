//! Compiles rows of `rules` and `let`: paths, conditions, `as`, `else` and `find`.

use super::compile::Known;
use super::compile_map::Line;
use super::functions;
use super::near::nearest;
use super::path::Parser;
use super::plan::{
    Cond, Else, Find, FindBy, Fixed, Let, LetSource, Make, Many, Name, Part, Path, Pick, Piece, Plan, Root,
    Sym, Use, Used,
};
use super::problem::{Place, Problems, Words, words};
use super::segments;
use crate::finding::{self, Language};
use std::collections::HashMap;

/// A cell of a row: where it stands, `map/rule` and its key.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'c> {
    pub(crate) place: &'c Place,
    pub(crate) rule: &'c str,
    pub(crate) column: &'c str,
}

/// What rows are compiled with.
pub(crate) struct Cx<'a> {
    pub(crate) plan: &'a mut Plan,
    pub(crate) known: &'a Known,
    pub(crate) problems: &'a mut Problems,
    /// Names above the row, with their slots.
    pub(crate) own: Vec<String>,
    pub(crate) outer: &'a [String],
    pub(crate) message: &'a [String],
    /// Whether the row may ask for names of other maps: what those make is known when rules run.
    pub(crate) in_rules: bool,
    /// The map that the row belongs to, of a submap the one around it; empty for types and message files.
    pub(crate) owner: String,
    /// The data type of the value that the map is for and how many components it has, where that is told.
    pub(crate) value: Option<(&'static str, u16)>,
}

impl Cx<'_> {
    pub(crate) fn wrong(&mut self, cell: Cell<'_>, said: Words) {
        self.problems.cell(cell.place, cell.rule, cell.column, said);
    }

    /// Looks at something that is understood: what is said of it are doubts.
    pub(crate) fn doubts<R>(&mut self, look: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.problems.doubting(true);
        let seen = look(self);
        self.problems.doubting(before);
        seen
    }

    /// Something that a cell names is not there.
    pub(crate) fn absent(&mut self, cell: Cell<'_>, name: &str, said: Words) {
        self.problems.absent(cell.place, cell.rule, cell.column, name, said);
    }

    fn parsed<T>(
        &mut self,
        cell: Cell<'_>,
        about: Option<Sym>,
        parse: impl FnOnce(&mut Parser<'_>) -> Result<T, Words>,
    ) -> Option<T> {
        let (own, outer, message, problems) = (&self.own, self.outer, self.message, &*self.problems);
        let symbols = &mut self.plan.symbols;
        let seen = &mut self.plan.known;
        let message_syms: HashMap<&str, Sym> =
            message.iter().map(|name| (name.as_str(), symbols.intern(name))).collect();
        let names = |name: &str| {
            let at = |list: &[String]| list.iter().position(|n| n == name);
            at(own)
                .map(Name::Own)
                .or_else(|| at(outer).map(Name::Outer))
                .or_else(|| message_syms.get(name).copied().map(Name::Message))
                // Of a message file that could not be read: the set is not loaded anyway.
                .or_else(|| problems.is_unread(name).then_some(Name::Message(Sym(0))))
        };
        let tables = &self.known.tables;
        let mut find_table = |name: &str| tables.get(name).copied();
        let (mut columns, mut segments, mut components) = (Vec::new(), Vec::new(), Vec::new());
        let mut own_components = Vec::new();
        let mut parser = Parser {
            symbols,
            tables: &mut find_table,
            names: &names,
            maps: self.in_rules.then_some(&self.known.maps),
            seen,
            columns: &mut columns,
            segments: &mut segments,
            components: &mut components,
            own_components: &mut own_components,
            about,
            depth: 0,
        };
        let parsed = parse(&mut parser);
        for (used, name) in columns.into_iter().map(|name| (Used::Column, name)).chain(segments) {
            self.used(cell, used, name);
        }
        for (segment, field, number) in components {
            self.doubts(|cx| cx.component(cell, segment, field, number));
        }
        if let Some((kind, most)) = self.value
            && let Some(number) = own_components.into_iter().find(|number| *number > most)
        {
            let said = words(
                format!("{kind} の成分は {most} までです。.{number} はありません。"),
                format!("{kind} has {most} components: there is no .{number}."),
            );
            self.doubts(|cx| cx.wrong(cell, said));
        }
        match parsed {
            Ok(value) => Some(value),
            Err(said) => {
                self.wrong(cell, said);
                None
            }
        }
    }

    /// Notes what a cell names, to be looked for when all files are read.
    fn used(&mut self, cell: Cell<'_>, used: Used, name: Sym) {
        let (place, owner) = (cell.place.clone(), self.owner.clone());
        let (rule, column) = (cell.rule.to_owned(), cell.column.to_owned());
        self.plan.uses.push(Use { place, rule, column, owner, used, name });
    }

    /// A segment by its name, with what must be there of it.
    pub(crate) fn segment(&mut self, cell: Cell<'_>, name: &str, used: Used) -> Sym {
        let sym = self.plan.symbols.intern(name);
        if !self.plan.known.contains(&sym) {
            self.plan.known.push(sym);
        }
        self.used(cell, used, sym);
        sym
    }

    pub(crate) fn path(&mut self, cell: Cell<'_>, text: &str) -> Option<Path> {
        self.parsed(cell, None, |p| p.path(text))
    }

    /// A path that begins with a point: `.3.1` is of a field of that segment.
    pub(crate) fn path_in(&mut self, cell: Cell<'_>, segment: Sym, text: &str) -> Option<Path> {
        self.parsed(cell, Some(segment), |p| p.path(text))
    }

    /// A component that the data type of its field does not have.
    fn component(&mut self, cell: Cell<'_>, segment: Sym, field: u16, number: u16) {
        let segment = self.plan.symbols.name(segment);
        let Some((kind, most)) = segments::components(segment, field).filter(|(_, most)| number > *most)
        else {
            return;
        };
        let said = words(
            format!(
                "{segment}-{field}({kind})の成分は {most} までです。{segment}-{field}.{number} はありません。"
            ),
            format!(
                "{segment}-{field} ({kind}) has {most} components: there is no {segment}-{field}.{number}."
            ),
        );
        self.wrong(cell, said);
    }

    pub(crate) fn paths(&mut self, cell: Cell<'_>, texts: &[String]) -> Vec<Path> {
        texts.iter().filter_map(|text| self.path(cell, text)).collect()
    }

    pub(crate) fn condition(&mut self, cell: Cell<'_>, text: &str) -> Option<Cond> {
        self.parsed(cell, None, |p| p.condition(text))
    }

    pub(crate) fn otherwise(&mut self, cell: Cell<'_>, text: Option<&String>) -> Else {
        let Some(text) = text else { return Else::Default };
        let (word, code) = text.split_once(' ').map_or((text.as_str(), None), |(w, c)| (w, Some(c.trim())));
        if let Some(code) = code.filter(|code| finding::sentence(code, Language::Ja).is_none()) {
            let near = nearest(code, finding::codes());
            let (ja, en) = match near {
                Some(near) => (format!("{near} のことですか。"), format!(" Did you mean '{near}'?")),
                None => (
                    "もう使われているものを選びます。".to_owned(),
                    " Choose one that other rules use.".to_owned(),
                ),
            };
            let said = words(
                format!("{code} という所見はありません。{ja}"),
                format!("There is no finding '{code}'.{en}"),
            );
            self.doubts(|cx| cx.wrong(Cell { column: "else", ..cell }, said));
        }
        match (word, code) {
            ("empty", None) => Else::Empty,
            ("next", code) => Else::Next(code.map(str::to_owned)),
            ("warn", code) => Else::Warn(code.map(str::to_owned)),
            ("error", code) => Else::Error(code.map(str::to_owned)),
            _ => {
                let said = words(
                    format!("else の「{text}」は error・warn・empty・next のどれでもありません。"),
                    format!("else '{text}' is not error, warn, empty or next"),
                );
                self.wrong(cell, said);
                Else::Default
            }
        }
    }

    fn no_table(&mut self, cell: Cell<'_>, name: &str) {
        self.wrong(cell, no_table(name));
    }

    fn pieces(&mut self, cell: Cell<'_>, text: &str, paths: bool) -> Option<Vec<Piece>> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else {
                let said = words(
                    format!("「{text}」の {{ が }} で閉じていません。"),
                    format!("'{text}': a brace is not closed"),
                );
                self.wrong(cell, said);
                return None;
            };
            if open > 0 {
                out.push(Piece::Literal(rest[..open].to_owned()));
            }
            let inside = &rest[open + 1..open + close];
            out.push(if paths {
                Piece::Path(self.path(cell, inside)?)
            } else {
                if matches!(out.last(), Some(Piece::Name(_))) {
                    let said = words(
                        format!("「{text}」の二つの名の間には文字が要ります。"),
                        format!("'{text}': two names need a text between them"),
                    );
                    self.wrong(cell, said);
                }
                Piece::Name(self.plan.symbols.intern(inside.trim()))
            });
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            out.push(Piece::Literal(rest.to_owned()));
        }
        Some(out)
    }

    pub(crate) fn make(&mut self, cell: Cell<'_>, text: &str) -> Option<Make> {
        let text = text.trim();
        let (word, rest) = text.split_once(' ').map_or((text, ""), |(w, r)| (w, r.trim()));
        if let Some(n) = self.known.types.get(text) {
            return Some(Make::Type(*n));
        }
        if let Some(n) = functions::find(word) {
            let argument = (!rest.is_empty()).then(|| rest.to_owned());
            if argument.is_some() && functions::LIST[n].arguments.is_empty() {
                let said = words(
                    format!("{word} の後ろには何も書けません。"),
                    format!("'{word}' takes nothing behind its name"),
                );
                self.doubts(|cx| cx.wrong(cell, said));
            }
            return Some(Make::Function(n, argument));
        }
        match word {
            "table" if rest.contains(" of ") => {
                let (table, system) = rest.split_once(" of ").unwrap_or((rest, ""));
                let system = self.path(cell, system)?;
                match self.known.tables.get(table.trim()) {
                    Some(n) => Some(Make::TableOf(*n, Box::new(system))),
                    None => {
                        self.no_table(cell, table);
                        None
                    }
                }
            }
            "table" | "code" => {
                let Some(n) = self.known.tables.get(rest).copied() else {
                    self.no_table(cell, rest);
                    return None;
                };
                Some(if word == "table" { Make::Table(n) } else { Make::Code(n) })
            }
            "form" => {
                let mut forms = Vec::new();
                for form in quoted(rest) {
                    forms.push(self.pieces(cell, form, false)?);
                }
                if forms.is_empty() {
                    let said = words("form には '…{名}…' が要ります。", "form wants '…', with {names}");
                    self.wrong(cell, said);
                }
                Some(Make::Form(forms))
            }
            "text" => {
                let all = quoted(rest);
                let [one] = all.as_slice() else {
                    let said =
                        words("text には '…{位置}…' が一つ要ります。", "text wants one '…', with {paths}");
                    self.wrong(cell, said);
                    return None;
                };
                self.pieces(cell, one, true).map(Make::Text)
            }
            "ordinal" => {
                let (rest, of_message) = match rest.strip_suffix(" of message") {
                    Some(rest) => (rest, true),
                    None => (rest, false),
                };
                let by = match rest.strip_prefix("by $") {
                    Some(name) => match self.own.iter().position(|n| n == name) {
                        Some(slot) => Some(Name::Own(slot)),
                        None => {
                            self.wrong(cell, super::path::no_name(name));
                            None
                        }
                    },
                    None => None,
                };
                Some(Make::Ordinal { by, of_message })
            }
            "ref" => {
                let parts: Vec<&str> = rest.split_whitespace().collect();
                match parts.as_slice() {
                    ["made-by", map] => Some(made_by(map, false, false)),
                    ["made-by", map, "of", "message"] => Some(made_by(map, true, false)),
                    ["made-by", map, "by", "key"] => Some(made_by(map, false, true)),
                    [kind] => Some(Make::RefType((*kind).to_owned(), None)),
                    _ => {
                        let said = words(
                            format!("「{text}」は参照の書き方ではありません(ref 種類、ref made-by マップ)。"),
                            format!("'{text}' is not a ref"),
                        );
                        self.wrong(cell, said);
                        None
                    }
                }
            }
            _ => {
                let said = words(
                    format!(
                        "「{text}」という変え方はありません。types/ の型、関数、table、code、form、text、ordinal、ref のどれかを書きます。"
                    ),
                    format!(
                        "'{text}' is no datatype map, no function, no table, form, text, ordinal, ref or code"
                    ),
                );
                self.absent(cell, word, said);
                None
            }
        }
    }

    fn find(&mut self, cell: Cell<'_>, text: &str, many: Option<&String>) -> Option<Find> {
        let bad = |cx: &mut Self, what: Words| {
            let said = words(
                format!(
                    "find の書き方が違います: {}(セグメント in group|message|グループの名 where .番号 = 位置 and …)",
                    what.ja
                ),
                format!("find: {} (SEG in group|message|GROUP where .n = PATH and …)", what.en),
            );
            cx.wrong(cell, said);
            None
        };
        let unread = || words("形が違います", "it is not written so");
        let tokens = match super::path::tokens(text) {
            Ok(tokens) => tokens,
            Err(said) => return bad(self, said),
        };
        let [segment, "in", place_word, rest @ ..] = tokens.as_slice() else {
            return bad(self, unread());
        };
        let (message, around) = match *place_word {
            "group" => (false, None),
            "message" => (true, None),
            name if name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') => {
                let group = self.plan.symbols.intern(name);
                self.used(cell, Used::Group, group);
                (false, Some(group))
            }
            other => {
                let said = words(
                    format!("{other} というまとまりは探せません。group か message かグループの名を書きます"),
                    format!("'{other}' is no place to look in: group, message or the name of a group"),
                );
                return bad(self, said);
            }
        };
        let mut pairs = Vec::new();
        let mut rest = rest;
        if let ["where", more @ ..] = rest {
            rest = more;
            loop {
                let (path, by, used) = match rest {
                    [path, "=", literal, ..] if literal.starts_with('\'') => {
                        (*path, FindBy::Text(literal.trim_matches('\'').to_owned()), 3)
                    }
                    [path, "=", other, ..] => (*path, FindBy::Same(self.path(cell, other)?), 3),
                    [path, "in", "table", table, ..] => match self.known.tables.get(*table) {
                        Some(n) => (*path, FindBy::Table(*n), 4),
                        None => return bad(self, no_table(table)),
                    },
                    _ => return bad(self, unread()),
                };
                if !path.starts_with('.') {
                    let said = words(
                        "左側はそのセグメントの位置(.3.1 など)です",
                        "the left side is a part of the segment: .3.1",
                    );
                    return bad(self, said);
                }
                let sym = self.plan.symbols.intern(segment);
                pairs.push((self.path_in(cell, sym, path)?, by));
                rest = &rest[used..];
                match rest {
                    [] => break,
                    ["and", more @ ..] => rest = more,
                    _ => return bad(self, words("つなげるのは and だけです", "only 'and' joins")),
                }
            }
        } else if !rest.is_empty() {
            return bad(self, unread());
        }
        let many = match many.map(String::as_str) {
            None | Some("first") => Many::First,
            Some("none") => Many::None,
            Some("error") => Many::Error,
            Some(_) => {
                let said = words("many は first・none・error のどれかです", "many is first, none or error");
                return bad(self, said);
            }
        };
        let used = match around {
            Some(group) => Used::Inside(group),
            None if message => Used::Field(0),
            None => Used::InGroup,
        };
        let segment = self.segment(cell, segment, used);
        Some(Find { segment, message, around, pairs, many })
    }

    pub(crate) fn lets(&mut self, lines: &[Line], owner: &str) -> Vec<Let> {
        let mut out: Vec<Let> = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            let rule = format!("{owner}/{}", line.name);
            let cell = |column| Cell { place: &line.place, rule: &rule, column };
            let source = if let Some(find) = &line.find {
                self.find(cell("find"), find, line.many.as_ref()).map_or(LetSource::None, LetSource::Find)
            } else if let Some(fixed) = &line.fixed {
                LetSource::Fixed(match fixed {
                    Fixed::Text(text) | Fixed::Number(text) => text.clone(),
                    Fixed::Boolean(value) => value.to_string(),
                })
            } else if let Some(from) = &line.from {
                LetSource::From(self.paths(cell("from"), from))
            } else {
                LetSource::None
            };
            let make = line.make.as_ref().and_then(|text| self.make(cell("as"), text));
            if let Some(Make::RefType(..) | Make::RefMade { .. } | Make::Type(_)) = make {
                let said = words(
                    "名前に入れられるのは文字だけです(参照や型は使えません)。",
                    "a name holds text: no ref, no datatype map",
                );
                self.wrong(cell("as"), said);
            }
            let composed = line.make.as_ref().is_some_and(|make| make.starts_with("text "));
            if matches!(source, LetSource::None) && line.find.is_none() && !composed {
                let said = words("from・fixed・find のどれかが要ります。", "from, fixed or find is missing");
                self.wrong(cell("from"), said);
            }
            let when = line.when.as_ref().and_then(|text| self.condition(cell("when"), text));
            let otherwise = self.otherwise(cell("else"), line.otherwise.as_ref());
            // A name is visible to the rows below it, not to its own rows.
            if let Some(last) = out.last()
                && self.plan.symbols.name(last.name) == line.name
                && !matches!(last.otherwise, Else::Next(_))
            {
                let said = words(
                    format!(
                        "上の行が else = \"next\" と言っていないので、{} が二つあることになります。",
                        line.name
                    ),
                    format!(
                        "the row above it does not say else = \"next\", so '{}' is there twice",
                        line.name
                    ),
                );
                self.wrong(cell("name"), said);
            } else if self.own.contains(&line.name)
                && out.last().is_none_or(|l| self.plan.symbols.name(l.name) != line.name)
            {
                let said = words(
                    format!("{} が二つあります。", line.name),
                    format!("'{}' is there twice", line.name),
                );
                self.wrong(cell("name"), said);
            }
            if matches!(otherwise, Else::Next(_))
                && lines.get(n + 1).is_none_or(|next| next.name != line.name)
            {
                self.doubts(|cx| cx.wrong(cell("else"), no_next(&line.name)));
            }
            let slot = self.own.iter().position(|n| *n == line.name).unwrap_or(self.own.len());
            let name = self.plan.symbols.intern(&line.name);
            out.push(Let { name, slot, source, make, when, otherwise });
            let closes = !matches!(out[out.len() - 1].otherwise, Else::Next(_));
            if slot == self.own.len() && (closes || lines_end(lines, line)) {
                self.own.push(line.name.clone());
            }
        }
        out
    }
}

/// `else = "next"` where no next row is for the same place or name.
pub(crate) fn no_next(name: &str) -> Words {
    words(
        format!("else = \"next\" とありますが、すぐ次に {name} の行がありません。"),
        format!("else = \"next\", but the row below it is not for '{name}'"),
    )
}

fn no_table(name: &str) -> Words {
    words(
        format!("{name} という対応表がありません(tables/ の CSV)。"),
        format!("there is no table '{name}' (a CSV in tables/)"),
    )
}

/// Whether the row is the last of its name.
fn lines_end(lines: &[Line], line: &Line) -> bool {
    let at = lines.iter().position(|l| std::ptr::eq(l, line)).unwrap_or(0);
    lines.get(at + 1).is_none_or(|next| next.name != line.name)
}

fn made_by(map: &str, of_message: bool, by_key: bool) -> Make {
    Make::RefMade { map: map.to_owned(), index: None, of_message, by_key }
}

/// The texts between single quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('\'').skip(1).step_by(2).collect()
}

/// `each = "RXC"` and `each = "PID-5"` mean all of them.
pub(crate) fn all_of(path: &mut Path) {
    match &mut path.root {
        Root::Segment { pick, field: 0, .. } if matches!(pick, Pick::First) => *pick = Pick::All,
        Root::Segment { field, .. } if *field > 0 && path.parts.is_empty() => {
            if matches!(path.repetition, Pick::First) {
                path.repetition = Pick::All;
            }
        }
        Root::Relative if matches!(path.parts.as_slice(), [Part::Number(_)]) => {
            if matches!(path.repetition, Pick::First) {
                path.repetition = Pick::All;
            }
        }
        _ => {}
    }
    path.settle();
}
