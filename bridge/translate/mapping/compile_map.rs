//! Maps, submaps and datatype maps: read from TOML, then compiled against the rest of the set.

use super::compile::Known;
use super::functions;
use super::path::Parser;
use super::plan::{
    Cond, Else, Find, FindBy, Fixed, For, Let, LetSource, Make, Map, Name, Part, Path, Pick, Piece, Plan,
    Root, Rule, Same, Source, Sym,
};
use super::problem::{Place, Problems};
use super::reader::{File, Tab, plain};
use super::target;
use std::collections::HashMap;

/// Which of the three a draft is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    Map,
    Submap,
    Type,
}

/// A map as written.
pub(crate) struct Draft {
    pub(crate) parts: Parts,
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) owner: Option<usize>,
    instances: String,
    within: Option<String>,
    makes: String,
    profile: Option<String>,
    when: Option<String>,
    key: Vec<String>,
    same: String,
    shared: bool,
    lets: Vec<Line>,
    rules: Vec<Line>,
}

/// A row of `rules` or `let` as written.
pub(crate) struct Line {
    place: Place,
    /// `id` of a rule, `name` of a let.
    name: String,
    to: String,
    from: Option<Vec<String>>,
    each: Option<String>,
    used: Option<String>,
    fixed: Option<Fixed>,
    make: Option<String>,
    when: Option<String>,
    otherwise: Option<String>,
    find: Option<String>,
    many: Option<String>,
}

impl Draft {
    pub(crate) fn names(&self) -> Vec<String> {
        slots(&self.lets)
    }
}

/// The names of rows of `let`, in order of first appearance.
pub(crate) fn slots(lines: &[Line]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        if !out.contains(&line.name) {
            out.push(line.name.clone());
        }
    }
    out
}

pub(crate) fn read_map(tab: &mut Tab<'_>, file: &mut File<'_>, parts: Parts, owner: Option<usize>) -> Draft {
    let place = file.place(tab.offset);
    let id = tab.needed(file, "id");
    tab.rule.clone_from(&id);
    tab.both_languages(file, "title", parts == Parts::Map);
    let whole = parts == Parts::Map;
    let draft = Draft {
        parts,
        place,
        owner,
        instances: match parts {
            Parts::Map => tab.needed(file, "for"),
            _ => tab.text(file, "for").unwrap_or_default(),
        },
        makes: tab.needed(file, "makes"),
        within: whole.then(|| tab.text(file, "within")).flatten(),
        profile: whole.then(|| tab.text(file, "profile")).flatten(),
        when: whole.then(|| tab.text(file, "when")).flatten(),
        key: if whole { tab.texts(file, "key").unwrap_or_default() } else { Vec::new() },
        same: whole.then(|| tab.text(file, "same")).flatten().unwrap_or_else(|| "error".into()),
        shared: whole && tab.boolean(file, "shared"),
        lets: read_lines(tab, file, "let", "name"),
        rules: read_lines(tab, file, "rules", "id"),
        id,
    };
    if whole && draft.profile.is_none() {
        let offset = tab.offset;
        tab.wrong(
            file,
            offset,
            "profile がありません(無ければ \"none\")。",
            "profile is missing (\"none\" where there is none).",
        );
    }
    if whole && draft.key.is_empty() {
        let offset = tab.offset;
        tab.wrong(file, offset, "key がありません。", "key is missing.");
    }
    tab.finish(file);
    draft
}

/// Rows of `rules` or `let`.
pub(crate) fn read_lines(tab: &mut Tab<'_>, file: &mut File<'_>, key: &str, name: &str) -> Vec<Line> {
    let owner = tab.rule.clone();
    let mut out = Vec::new();
    for mut row in tab.tables(file, key) {
        let place = file.place(row.offset);
        let id = row.needed(file, name);
        row.rule = format!("{owner}/{id}");
        let rule = name == "id";
        let fixed = row.take("fixed").map(|(_, value)| match value {
            toml::de::DeValue::Boolean(b) => Fixed::Boolean(*b),
            toml::de::DeValue::Integer(_) | toml::de::DeValue::Float(_) => Fixed::Number(plain(value)),
            _ => Fixed::Text(plain(value)),
        });
        out.push(Line {
            place,
            name: id,
            to: if rule { row.needed(file, "to") } else { String::new() },
            from: row.texts(file, "from"),
            each: rule.then(|| row.text(file, "each")).flatten(),
            used: rule.then(|| row.text(file, "use")).flatten(),
            fixed,
            make: row.text(file, "as"),
            when: row.text(file, "when"),
            otherwise: row.text(file, "else"),
            find: if rule { None } else { row.text(file, "find") },
            many: if rule { None } else { row.text(file, "many") },
        });
        row.finish(file);
    }
    out
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
    pub(crate) file: std::sync::Arc<str>,
}

impl Cx<'_> {
    fn wrong(&mut self, place: &Place, rule: &str, en: String) {
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
        let mut parser = Parser { symbols, tables: &mut find_table, names: &names, depth: 0 };
        match parse(&mut parser) {
            Ok(value) => Some(value),
            Err(en) => {
                self.wrong(place, rule, en);
                None
            }
        }
    }

    pub(crate) fn path(&mut self, place: &Place, rule: &str, text: &str) -> Option<Path> {
        let path = self.parsed(place, rule, |p| p.path(text))?;
        self.know(&path);
        Some(path)
    }

    /// Remembers the segments that the set names.
    fn know(&mut self, path: &Path) {
        if let Root::Segment { name, .. } = path.root
            && !self.plan.known.contains(&name)
        {
            self.plan.known.push(name);
        }
    }

    pub(crate) fn paths(&mut self, place: &Place, rule: &str, texts: &[String]) -> Vec<Path> {
        texts.iter().filter_map(|text| self.path(place, rule, text)).collect()
    }

    pub(crate) fn condition(&mut self, place: &Place, rule: &str, text: &str) -> Option<Cond> {
        self.parsed(place, rule, |p| p.condition(text))
    }

    fn otherwise(&mut self, place: &Place, rule: &str, text: Option<&String>) -> Else {
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

    fn make(&mut self, place: &Place, rule: &str, text: &str) -> Option<Make> {
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
                Some(Make::Ordinal { by })
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
            cx.wrong(place, rule, format!("find: {what} (SEG in group|message where .n = PATH and …)"));
            None
        };
        let tokens = match super::path::tokens(text) {
            Ok(tokens) => tokens,
            Err(en) => return bad(self, &en),
        };
        let [segment, "in", place_word, rest @ ..] = tokens.as_slice() else {
            return bad(self, "it is not written so");
        };
        let message = match *place_word {
            "group" => false,
            "message" => true,
            _ => return bad(self, "group or message"),
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
        let error_on_many = match many.map(String::as_str) {
            None | Some("first") => false,
            Some("error") => true,
            Some(_) => return bad(self, "many is first or error"),
        };
        let segment = self.plan.symbols.intern(segment);
        if !self.plan.known.contains(&segment) {
            self.plan.known.push(segment);
        }
        Some(Find { segment, message, pairs, error_on_many })
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

/// Compiles a draft.
pub(crate) fn finish_map(
    draft: &Draft,
    plan: &mut Plan,
    known: &Known,
    map_ids: &HashMap<String, usize>,
    outer: &[String],
    message: &[String],
    problems: &mut Problems,
) -> Map {
    let file = draft.place.file.clone();
    let mut cx = Cx { plan, known, problems, own: Vec::new(), outer, message, file };
    let _ = map_ids;
    let lets = cx.lets(&draft.lets, &draft.id);
    let when = draft.when.as_ref().and_then(|text| cx.condition(&draft.place, &draft.id, text));
    let key = cx.paths(&draft.place, &draft.id, &draft.key);
    let instances = instances(draft, &mut cx);
    let within = draft.within.as_ref().map(|name| cx.plan.symbols.intern(name));
    let same = match draft.same.as_str() {
        "merge" => Same::Merge,
        "widen" => Same::Widen,
        "error" => Same::Error,
        other => {
            cx.wrong(&draft.place, &draft.id, format!("same '{other}' is not merge, widen or error"));
            Same::Error
        }
    };
    let mut rules: Vec<Rule> = Vec::new();
    let mut written: HashMap<String, usize> = HashMap::new();
    for line in &draft.rules {
        let id = format!("{}/{}", draft.id, line.name);
        if draft
            .rules
            .iter()
            .any(|l| !std::ptr::eq(l, line) && l.name == line.name && l.place.line < line.place.line)
        {
            cx.wrong(&line.place, &id, "there are two rules of this id".into());
        }
        if let Some(rule) = finish_rule(draft, line, &id, &mut cx, rules.last()) {
            if !rule.follows && !rule.target.text.contains("[]") {
                if let Some(earlier) = written.get(&rule.target.text) {
                    let earlier: &Rule = &rules[*earlier];
                    let en = format!(
                        "'{}' already writes '{}': only a row straight after one that says else = \"next\" may",
                        earlier.id, rule.target.text
                    );
                    cx.wrong(&line.place, &id, en);
                }
                written.insert(rule.target.text.clone(), rules.len());
            }
            rules.push(rule);
        }
    }
    let profile = draft.profile.as_ref().filter(|p| *p != "none").map(|p| {
        if p.contains("://") {
            p.clone()
        } else {
            format!("http://jpfhir.jp/fhir/core/StructureDefinition/{p}")
        }
    });
    let shared = draft.shared
        || matches!(draft.makes.as_str(), "Practitioner" | "Organization" | "Location" | "Device");
    Map {
        id: draft.id.clone(),
        place: draft.place.clone(),
        makes: draft.makes.clone(),
        profile,
        instances,
        within,
        when,
        key,
        same,
        shared,
        slots: cx.own.len(),
        lets,
        rules,
    }
}

fn instances(draft: &Draft, cx: &mut Cx<'_>) -> For {
    if draft.parts != Parts::Map {
        return For::Nothing;
    }
    if let Some((segment, by)) = draft.instances.split_once(" by ") {
        let segment = cx.plan.symbols.intern(segment.trim());
        let path = cx.path(&draft.place, &draft.id, by);
        return path.map_or(For::Nothing, |path| For::By(segment, path));
    }
    let name = draft.instances.trim();
    let datatype = matches!(
        name,
        "XCN"
            | "XON"
            | "XPN"
            | "PL"
            | "CWE"
            | "CE"
            | "CNE"
            | "EI"
            | "EIP"
            | "CX"
            | "XAD"
            | "XTN"
            | "ST"
            | "ID"
            | "IS"
            | "HD"
            | "VALUE"
    );
    if datatype {
        return For::Datatype;
    }
    if name == "MESSAGE" {
        return For::Message;
    }
    let sym = cx.plan.symbols.intern(name);
    let segment = name.len() == 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if segment {
        if !cx.plan.known.contains(&sym) {
            cx.plan.known.push(sym);
        }
        // A group may have a name of three letters too: message files decide.
        For::Segment(sym)
    } else {
        For::Group(sym)
    }
}

fn finish_rule(draft: &Draft, line: &Line, id: &str, cx: &mut Cx<'_>, last: Option<&Rule>) -> Option<Rule> {
    let place = &line.place;
    let target = match target::parse(&draft.makes, &line.to, cx.plan, cx.known) {
        Ok(target) => target,
        Err(en) => {
            cx.wrong(place, id, en);
            return None;
        }
    };
    let given = [line.from.is_some(), line.fixed.is_some(), line.each.is_some()];
    let composed = line.make.as_ref().is_some_and(|m| m.starts_with("text "));
    match given.iter().filter(|g| **g).count() {
        1 => {}
        0 if composed => {}
        0 => cx.wrong(place, id, "from, fixed or each is missing".into()),
        _ => cx.wrong(place, id, "only one of from, fixed and each".into()),
    }
    let source = if let Some(from) = &line.from {
        Source::From(cx.paths(place, id, from))
    } else if let Some(fixed) = &line.fixed {
        Source::Fixed(fixed.clone())
    } else if let Some(each) = &line.each {
        let mut path = cx.path(place, id, each)?;
        all_of(&mut path);
        let used = match &line.used {
            Some(name) => match cx.known.submaps.get(&(cx.file.clone(), name.clone())) {
                Some(n) => Some(*n),
                None => {
                    cx.wrong(place, id, format!("there is no submap '{name}' in this file"));
                    None
                }
            },
            None => None,
        };
        if used.is_none() && line.make.is_none() {
            cx.wrong(place, id, "each wants use or as".into());
        }
        Source::Each(path, used)
    } else {
        Source::None
    };
    if line.used.is_some() && line.each.is_none() {
        cx.wrong(place, id, "use belongs to each".into());
    }
    let make = line.make.as_ref().and_then(|text| cx.make(place, id, text));
    if let (Some(Make::Function(n, _)), Source::From(paths)) = (&make, &source)
        && let functions::Inputs::Several(most) = functions::LIST[*n].inputs
        && paths.len() > most
    {
        cx.wrong(place, id, format!("'{}' takes at most {most} paths", functions::LIST[*n].name));
    }
    let when = line.when.as_ref().and_then(|text| cx.condition(place, id, text));
    let otherwise = cx.otherwise(place, id, line.otherwise.as_ref());
    // `value[x]` and a named type of it are one place.
    let follows = last.is_some_and(|last| {
        matches!(last.otherwise, Else::Next(_))
            && (last.target.text == target.text || target::same_choice(&last.target, &target))
    });
    Some(Rule { id: line.name.clone(), target, source, make, when, otherwise, follows })
}

/// `each = "RXC"` and `each = "PID-5"` mean all of them.
fn all_of(path: &mut Path) {
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
}
