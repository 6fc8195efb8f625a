//! Compiles rows of `rules` and `let`: paths, conditions, `as`, `else` and `find`.

use super::compile::Known;
use super::compile_map::Line;
use super::functions;
use super::path::Parser;
use super::plan::{
    ColumnUse, Cond, Else, Find, FindBy, Fixed, Let, LetSource, Make, Many, Name, Path, Piece, Plan, Sym,
};
use super::problem::{Place, Problems};
use std::collections::HashMap;

/// What rows are compiled with.
pub(crate) struct Cx<'a> {
    pub(crate) plan: &'a mut Plan,
    pub(crate) known: &'a Known,
    pub(crate) problems: &'a mut Problems,
    /// Names above the row, with their slots.
    pub(crate) own: Vec<String>,
    pub(crate) outer: &'a [String],
    pub(crate) message: &'a [String],
    pub(crate) file: std::sync::Arc<str>,
}

impl Cx<'_> {
    pub(crate) fn wrong(&mut self, place: &Place, rule: &str, en: String) {
        let ja = format!("読めません: {en}");
        self.problems.add(place, rule, ja, en);
    }

    fn parsed<T>(
        &mut self,
        place: &Place,
        rule: &str,
        parse: impl FnOnce(&mut Parser<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let (own, outer, message) = (&self.own, self.outer, self.message);
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
        };
        let tables = &self.known.tables;
        let mut find_table = |name: &str| tables.get(name).copied();
        let (mut columns, mut groups) = (Vec::new(), Vec::new());
        let mut parser = Parser {
            symbols,
            tables: &mut find_table,
            names: &names,
            seen,
            columns: &mut columns,
            groups: &mut groups,
            depth: 0,
        };
        let parsed = parse(&mut parser);
        self.plan.groups_used.extend(groups.into_iter().map(|name| ColumnUse {
            place: place.clone(),
            rule: rule.to_owned(),
            name,
        }));
        self.plan.columns_used.extend(columns.into_iter().map(|name| ColumnUse {
            place: place.clone(),
            rule: rule.to_owned(),
            name,
        }));
        match parsed {
            Ok(value) => Some(value),
            Err(en) => {
                self.wrong(place, rule, en);
                None
            }
        }
    }

    pub(crate) fn path(&mut self, place: &Place, rule: &str, text: &str) -> Option<Path> {
        self.parsed(place, rule, |p| p.path(text))
    }

    pub(crate) fn paths(&mut self, place: &Place, rule: &str, texts: &[String]) -> Vec<Path> {
        texts.iter().filter_map(|text| self.path(place, rule, text)).collect()
    }

    pub(crate) fn condition(&mut self, place: &Place, rule: &str, text: &str) -> Option<Cond> {
        self.parsed(place, rule, |p| p.condition(text))
    }

    pub(crate) fn otherwise(&mut self, place: &Place, rule: &str, text: Option<&String>) -> Else {
        let Some(text) = text else { return Else::Default };
        let (word, code) = text.split_once(' ').map_or((text.as_str(), None), |(w, c)| (w, Some(c.trim())));
        match (word, code) {
            ("empty", None) => Else::Empty,
            ("next", code) => Else::Next(code.map(str::to_owned)),
            ("warn", code) => Else::Warn(code.map(str::to_owned)),
            ("error", code) => Else::Error(code.map(str::to_owned)),
            _ => {
                self.wrong(place, rule, format!("else '{text}' is not error, warn, empty or next"));
                Else::Default
            }
        }
    }

    fn pieces(&mut self, place: &Place, rule: &str, text: &str, paths: bool) -> Option<Vec<Piece>> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else {
                self.wrong(place, rule, format!("'{text}': a brace is not closed"));
                return None;
            };
            if open > 0 {
                out.push(Piece::Literal(rest[..open].to_owned()));
            }
            let inside = &rest[open + 1..open + close];
            out.push(if paths {
                Piece::Path(self.path(place, rule, inside)?)
            } else {
                if matches!(out.last(), Some(Piece::Name(_))) {
                    self.wrong(place, rule, format!("'{text}': two names need a text between them"));
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

    pub(crate) fn make(&mut self, place: &Place, rule: &str, text: &str) -> Option<Make> {
        let text = text.trim();
        let (word, rest) = text.split_once(' ').map_or((text, ""), |(w, r)| (w, r.trim()));
        if let Some(n) = self.known.types.get(text) {
            return Some(Make::Type(*n));
        }
        if let Some(n) = functions::find(word) {
            let argument = (!rest.is_empty()).then(|| rest.to_owned());
            if argument.is_some() && functions::LIST[n].arguments.is_empty() {
                self.wrong(place, rule, format!("'{word}' takes nothing behind its name"));
            }
            return Some(Make::Function(n, argument));
        }
        match word {
            "table" if rest.contains(" of ") => {
                let (table, system) = rest.split_once(" of ").unwrap_or((rest, ""));
                let system = self.path(place, rule, system)?;
                match self.known.tables.get(table.trim()) {
                    Some(n) => Some(Make::TableOf(*n, Box::new(system))),
                    None => {
                        self.wrong(place, rule, format!("there is no table '{table}'"));
                        None
                    }
                }
            }
            "table" | "code" => {
                let Some(n) = self.known.tables.get(rest).copied() else {
                    self.wrong(place, rule, format!("there is no table '{rest}'"));
                    return None;
                };
                Some(if word == "table" { Make::Table(n) } else { Make::Code(n) })
            }
            "form" => {
                let mut forms = Vec::new();
                for form in quoted(rest) {
                    forms.push(self.pieces(place, rule, form, false)?);
                }
                if forms.is_empty() {
                    self.wrong(place, rule, "form wants '…', with {names}".into());
                }
                Some(Make::Form(forms))
            }
            "text" => {
                let all = quoted(rest);
                let [one] = all.as_slice() else {
                    self.wrong(place, rule, "text wants one '…', with {paths}".into());
                    return None;
                };
                self.pieces(place, rule, one, true).map(Make::Text)
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
                            self.wrong(place, rule, format!("${name} is not a name above this row"));
                            None
                        }
                    },
                    None => None,
                };
                Some(Make::Ordinal { by, of_message })
            }
            "ref" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                match words.as_slice() {
                    ["made-by", map] => Some(made_by(map, false, false)),
                    ["made-by", map, "of", "message"] => Some(made_by(map, true, false)),
                    ["made-by", map, "by", "key"] => Some(made_by(map, false, true)),
                    [kind] => Some(Make::RefType((*kind).to_owned(), None)),
                    _ => {
                        self.wrong(place, rule, format!("'{text}' is not a ref"));
                        None
                    }
                }
            }
            _ => {
                self.wrong(
                    place,
                    rule,
                    format!(
                        "'{text}' is no datatype map, no function, no table, form, text, ordinal, ref or code"
                    ),
                );
                None
            }
        }
    }

    fn find(&mut self, place: &Place, rule: &str, text: &str, many: Option<&String>) -> Option<Find> {
        let bad = |cx: &mut Self, what: &str| {
            let form = "SEG in group|message|GROUP where .n = PATH and …";
            cx.wrong(place, rule, format!("find: {what} ({form})"));
            None
        };
        let tokens = match super::path::tokens(text) {
            Ok(tokens) => tokens,
            Err(en) => return bad(self, &en),
        };
        let [segment, "in", place_word, rest @ ..] = tokens.as_slice() else {
            return bad(self, "it is not written so");
        };
        let (message, around) = match *place_word {
            "group" => (false, None),
            "message" => (true, None),
            name if name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') => {
                let name = self.plan.symbols.intern(name);
                self.plan.groups_used.push(ColumnUse { place: place.clone(), rule: rule.to_owned(), name });
                (false, Some(name))
            }
            _ => return bad(self, "group, message or the name of a group"),
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
                    [path, "=", other, ..] => (*path, FindBy::Same(self.path(place, rule, other)?), 3),
                    [path, "in", "table", table, ..] => match self.known.tables.get(*table) {
                        Some(n) => (*path, FindBy::Table(*n), 4),
                        None => return bad(self, "there is no such table"),
                    },
                    _ => return bad(self, "it is not written so"),
                };
                if !path.starts_with('.') {
                    return bad(self, "the left side is a part of the segment: .3.1");
                }
                pairs.push((self.path(place, rule, path)?, by));
                rest = &rest[used..];
                match rest {
                    [] => break,
                    ["and", more @ ..] => rest = more,
                    _ => return bad(self, "only 'and' joins"),
                }
            }
        } else if !rest.is_empty() {
            return bad(self, "it is not written so");
        }
        let many = match many.map(String::as_str) {
            None | Some("first") => Many::First,
            Some("none") => Many::None,
            Some("error") => Many::Error,
            Some(_) => return bad(self, "many is first, none or error"),
        };
        let segment = self.plan.symbols.intern(segment);
        if !self.plan.known.contains(&segment) {
            self.plan.known.push(segment);
        }
        Some(Find { segment, message, around, pairs, many })
    }

    pub(crate) fn lets(&mut self, lines: &[Line], owner: &str) -> Vec<Let> {
        let mut out: Vec<Let> = Vec::new();
        for line in lines {
            let rule = format!("{owner}/{}", line.name);
            let source = if let Some(find) = &line.find {
                self.find(&line.place, &rule, find, line.many.as_ref())
                    .map_or(LetSource::None, LetSource::Find)
            } else if let Some(fixed) = &line.fixed {
                LetSource::Fixed(match fixed {
                    Fixed::Text(text) | Fixed::Number(text) => text.clone(),
                    Fixed::Boolean(value) => value.to_string(),
                })
            } else if let Some(from) = &line.from {
                LetSource::From(self.paths(&line.place, &rule, from))
            } else {
                LetSource::None
            };
            let make = line.make.as_ref().and_then(|text| self.make(&line.place, &rule, text));
            if let Some(Make::RefType(..) | Make::RefMade { .. } | Make::Type(_)) = make {
                self.wrong(&line.place, &rule, "a name holds text: no ref, no datatype map".into());
            }
            if matches!(source, LetSource::None) && !matches!(make, Some(Make::Text(_))) {
                self.wrong(&line.place, &rule, "from, fixed or find is missing".into());
            }
            let when = line.when.as_ref().and_then(|text| self.condition(&line.place, &rule, text));
            let otherwise = self.otherwise(&line.place, &rule, line.otherwise.as_ref());
            // A name is visible to the rows below it, not to its own rows.
            if let Some(last) = out.last()
                && self.plan.symbols.name(last.name) == line.name
                && !matches!(last.otherwise, Else::Next(_))
            {
                self.wrong(
                    &line.place,
                    &rule,
                    format!(
                        "the row above it does not say else = \"next\", so '{}' is there twice",
                        line.name
                    ),
                );
            } else if self.own.contains(&line.name)
                && out.last().is_none_or(|l| self.plan.symbols.name(l.name) != line.name)
            {
                self.wrong(&line.place, &rule, format!("'{}' is there twice", line.name));
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
