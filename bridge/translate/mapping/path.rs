//! Paths and conditions: `PID-3[2].4.1`, `OBX[.3.1 in table x]-5`, `$name.part`, `ORC-1 in 'CA,DC' or flag = '0'`.

use super::plan::{
    Cond, EVERYWHERE, Name, Part, Path, Pick, Root, Setting, Sym, Symbols, Used, segment_name,
};
use super::problem::{Words, words};
use std::collections::HashMap;

/// A map as paths of other maps see it.
pub(crate) struct OfMap {
    /// Its place in the plan; the last number there is for one that a layer has switched off.
    pub(crate) index: usize,
    /// Its names, by their slots.
    pub(crate) names: Vec<String>,
}

/// What a path or condition may be made of while it is parsed.
pub(crate) struct Parser<'a> {
    pub(crate) symbols: &'a mut Symbols,
    /// Tables named, with whether they exist being the caller's question.
    pub(crate) tables: &'a mut dyn FnMut(&str) -> Option<usize>,
    /// How a `$name` resolves.
    pub(crate) names: &'a dyn Fn(&str) -> Option<Name>,
    /// The names of other maps, where they may be asked for.
    pub(crate) maps: Option<&'a HashMap<String, OfMap>>,
    /// The segments named.
    pub(crate) seen: &'a mut Vec<Sym>,
    /// The columns named.
    pub(crate) columns: &'a mut Vec<Sym>,
    /// The segments, fields and groups named.
    pub(crate) segments: &'a mut Vec<(Used, Sym)>,
    /// The components named, each with its segment and field.
    pub(crate) components: &'a mut Vec<(Sym, u16, u16)>,
    /// Components of the value that the map itself is for: `.2`.
    pub(crate) own_components: &'a mut Vec<u16>,
    /// The segment that a condition in brackets is about: `.3` there is a field of it.
    pub(crate) about: Option<Sym>,
    /// Deep conditions are refused: brackets in brackets.
    pub(crate) depth: usize,
}

/// Brackets and conditions nested deeper than this are refused.
const MAX_DEPTH: usize = 16;

/// What other feeds than rows of columns are read by: bytes of a record, a record by its name, an XML path.
const FEED_PATHS: [&str; 3] = ["bytes(", "rec(", "/"];

type Parsed<T> = Result<T, Words>;

impl Parser<'_> {
    /// Parses a path.
    pub(crate) fn path(&mut self, text: &str) -> Parsed<Path> {
        let text = text.trim();
        if self.depth > MAX_DEPTH {
            return Err(words("かっこの入れ子が深すぎます。", "brackets are nested too deep"));
        }
        let setting = match text {
            "facility.code" => Some(Setting::FacilityCode),
            "facility.name" => Some(Setting::FacilityName),
            "facility.local-base" => Some(Setting::LocalBase),
            "flag" => Some(Setting::Flag),
            "folder" => Some(Setting::Folder),
            "folder-date" => Some(Setting::FolderDate),
            "lists" => Some(Setting::Lists),
            _ => None,
        };
        if let Some(setting) = setting {
            return Ok(Path::new(Root::Setting(setting), Pick::First, Vec::new()));
        }
        if let Some(literal) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
            return Ok(Path::new(Root::Literal(literal.to_owned()), Pick::First, Vec::new()));
        }
        if let Some(rest) = text.strip_prefix("col(") {
            let (name, rest) = rest.split_once(')').ok_or_else(|| {
                words(
                    format!("「{text}」のかっこが閉じていません。"),
                    format!("'{text}': a bracket is not closed"),
                )
            })?;
            let all = match rest {
                "" => false,
                "[*]" => true,
                _ => {
                    return Err(words(
                        format!("「{text}」: 列の中の一部は指せません。"),
                        format!("'{text}': a column has no parts"),
                    ));
                }
            };
            let name = self.symbols.intern(name.trim());
            self.columns.push(name);
            return Ok(Path::new(Root::Column { name, all }, Pick::First, Vec::new()));
        }
        if FEED_PATHS.iter().any(|start| text.starts_with(start)) {
            return Err(words(
                format!("「{text}」: この版で使えるのは col(列の名) だけです。"),
                format!("'{text}': only col(NAME) is in this version"),
            ));
        }
        if let Some(rest) = text.strip_prefix('$') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let name = &rest[..end];
            let name = (self.names)(name).ok_or_else(|| no_name(name))?;
            let (repetition, parts) = self.tail(&rest[end..])?;
            return Ok(Path::new(Root::Name(name), repetition, parts));
        }
        if text.starts_with(|c: char| c.is_ascii_lowercase())
            && let Some((map, name)) = text.split_once("/$")
        {
            return self.of_map(text, map, name);
        }
        if text.starts_with('.') {
            let (repetition, parts) = self.tail(if text == "." { "" } else { text })?;
            match (self.about, parts.as_slice()) {
                (Some(segment), [Part::Number(field), inner @ ..]) => {
                    self.segments.push((Used::Field(*field), segment));
                    self.component(segment, *field, inner);
                }
                (None, [Part::Number(number), ..]) => self.own_components.push(*number),
                _ => {}
            }
            return Ok(Path::new(Root::Relative, repetition, parts));
        }
        let word =
            |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        let (mut text, mut around) = (text, None);
        if let Some((group, inside)) = text.split_once('/')
            && !group.is_empty()
            && word(group) == group.len()
        {
            let group = if group == "MESSAGE" {
                EVERYWHERE
            } else {
                let group = self.symbols.intern(group);
                self.segments.push((Used::Group, group));
                group
            };
            (text, around) = (inside, Some(group));
        }
        let end = word(text);
        let name = &text[..end];
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err(not_a_path(text));
        }
        let sym = segment_name(self.symbols, name);
        if !self.seen.contains(&sym) {
            self.seen.push(sym);
        }
        let about = self.about.replace(sym);
        let picked = self.pick(&text[end..]);
        self.about = about;
        let (pick, rest) = picked?;
        if let Some(group) = around.filter(|group| *group != EVERYWHERE) {
            self.segments.push((Used::Inside(group), sym));
        } else if rest.is_empty() {
            self.segments.push((Used::Field(0), sym));
        }
        if matches!(pick, Pick::Same) {
            return Err(words(
                format!("「{text}」: [same] は繰返しを選ぶもので、セグメントは選べません。"),
                format!("'{text}': [same] chooses a repetition, not a segment"),
            ));
        }
        let Some(rest) = rest.strip_prefix('-') else {
            if !rest.is_empty() {
                return Err(not_a_path(text));
            }
            return Ok(Path::new(
                Root::Segment { around, name: sym, pick, field: 0 },
                Pick::First,
                Vec::new(),
            ));
        };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let field: u16 = rest[..end].parse().map_err(|_| {
            words(
                format!("「{text}」: - の後ろにフィールドの番号が要ります。"),
                format!("'{text}': a field number is missing"),
            )
        })?;
        if field == 0 {
            return Err(words(
                format!("「{text}」: フィールドの番号は1から数えます。"),
                format!("'{text}': fields are counted from 1"),
            ));
        }
        self.segments.push((Used::Field(field), sym));
        let (repetition, rest) = self.pick(&rest[end..])?;
        if matches!(repetition, Pick::Where(_) | Pick::After) {
            return Err(words(
                format!("「{text}」: 条件と [after] で選べるのはセグメントで、繰返しではありません。"),
                format!("'{text}': a condition and [after] choose segments, not repetitions"),
            ));
        }
        let parts = self.parts(rest)?;
        self.component(sym, field, &parts);
        Ok(Path::new(Root::Segment { around, name: sym, pick, field }, repetition, parts))
    }

    /// `coverage/$number`, `coverage[latest $since]/$number`.
    fn of_map(&mut self, text: &str, map: &str, name: &str) -> Parsed<Path> {
        let Some(maps) = self.maps else {
            return Err(words(
                format!("「{text}」: ほかのマップの名前を使えるのは rules の行だけです。"),
                format!("'{text}': names of other maps are for rows of rules"),
            ));
        };
        let (map, by) = match map.split_once('[') {
            None => (map, None),
            Some((map, by)) => {
                let by = by.strip_suffix(']').and_then(|by| by.trim().strip_prefix("latest "));
                let Some(by) = by.and_then(|by| by.trim().strip_prefix('$')) else {
                    return Err(words(
                        format!("「{text}」: マップのかっこの中は [latest $名前] です。"),
                        format!("'{text}': the bracket of a map is [latest $NAME]"),
                    ));
                };
                (map, Some(by))
            }
        };
        let Some(of) = maps.get(map) else {
            return Err(words(
                format!("{map} というマップがありません。"),
                format!("there is no map '{map}'"),
            ));
        };
        let mut slot = |name: &str| match of.names.iter().position(|known| known == name) {
            Some(slot) => Ok(slot),
            // What a map that is switched off had is not asked for, but each name is another.
            None if of.index == usize::MAX => Ok(self.symbols.intern(name).0 as usize),
            None => Err(words(
                format!("マップ {map} に ${name} という名前はありません。"),
                format!("the map '{map}' has no name ${name}"),
            )),
        };
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let latest = by.map(&mut slot).transpose()?;
        let slot = slot(&name[..end])?;
        let asked = self.symbols.intern(map);
        self.segments.push((Used::Made, asked));
        let (repetition, parts) = self.tail(&name[end..])?;
        Ok(Path::new(Root::Of { map: of.index, slot, latest }, repetition, parts))
    }

    fn component(&mut self, segment: Sym, field: u16, parts: &[Part]) {
        if let [Part::Number(number), ..] = parts {
            self.components.push((segment, field, *number));
        }
    }

    fn tail(&mut self, rest: &str) -> Parsed<(Pick, Vec<Part>)> {
        // `.3[2].1`: the bracket belongs to the first part, a field.
        if let Some(open) = rest.find('[') {
            let head = &rest[..open];
            let (pick, after) = self.pick(&rest[open..])?;
            let mut parts = self.parts(head)?;
            if parts.len() > 1 || matches!(pick, Pick::Where(_) | Pick::Same | Pick::After) {
                return Err(words(
                    format!("「{rest}」: 繰返しがあるのはフィールドだけです。"),
                    format!("'{rest}': only a field repeats"),
                ));
            }
            parts.extend(self.parts(after)?);
            return Ok((pick, parts));
        }
        Ok((Pick::First, self.parts(rest)?))
    }

    fn parts(&mut self, rest: &str) -> Parsed<Vec<Part>> {
        let mut out = Vec::new();
        let mut rest = rest;
        while let Some(after) = rest.strip_prefix('.') {
            let end = after.find('.').unwrap_or(after.len());
            let part = &after[..end];
            rest = &after[end..];
            if part.is_empty() {
                return Err(words("点と点の間に何もありません。", "a part is empty between two points"));
            }
            out.push(match part.parse::<u16>() {
                Ok(0) => return Err(words("成分の番号は1から数えます。", "parts are counted from 1")),
                Ok(n) => Part::Number(n),
                Err(_) if part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => {
                    Part::Name(self.symbols.intern(part))
                }
                Err(_) => {
                    return Err(words(
                        format!("「.{part}」は位置の一部として読めません。"),
                        format!("'.{part}' is not a part of a path"),
                    ));
                }
            });
        }
        if !rest.is_empty() {
            return Err(words(
                format!("「{rest}」は位置の一部として読めません。"),
                format!("'{rest}' is not a part of a path"),
            ));
        }
        Ok(out)
    }

    fn pick<'t>(&mut self, rest: &'t str) -> Parsed<(Pick, &'t str)> {
        if !rest.starts_with('[') {
            return Ok((Pick::First, rest));
        }
        let close = closing(rest).ok_or_else(|| {
            words(
                format!("「{rest}」のかっこが閉じていません。"),
                format!("'{rest}': a bracket is not closed"),
            )
        })?;
        let (inside, after) = (&rest[1..close], &rest[close + 1..]);
        let pick = match inside.trim() {
            "*" => Pick::All,
            "first" => Pick::First,
            "same" => Pick::Same,
            "after" => Pick::After,
            n if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => match n.parse::<u16>() {
                Ok(n) if n > 0 => Pick::Nth(n),
                _ => {
                    return Err(words(format!("[{n}]: 1から数えます。"), format!("'[{n}]': counted from 1")));
                }
            },
            condition => {
                self.depth += 1;
                let condition = self.condition(condition);
                self.depth -= 1;
                Pick::Where(Box::new(condition?))
            }
        };
        Ok((pick, after))
    }

    /// Parses a condition.
    pub(crate) fn condition(&mut self, text: &str) -> Parsed<Cond> {
        if self.depth > MAX_DEPTH {
            return Err(words("かっこの入れ子が深すぎます。", "brackets are nested too deep"));
        }
        let tokens = tokens(text)?;
        let mut at = 0;
        let cond = self.or(&tokens, &mut at)?;
        if at < tokens.len() {
            return Err(words(
                format!("条件の中の「{}」は、ここには書けません。", tokens[at]),
                format!("'{}' is not expected here", tokens[at]),
            ));
        }
        Ok(cond)
    }

    fn or(&mut self, tokens: &[&str], at: &mut usize) -> Parsed<Cond> {
        let mut all = vec![self.and(tokens, at)?];
        while tokens.get(*at) == Some(&"or") {
            *at += 1;
            all.push(self.and(tokens, at)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Cond::Any(all) })
    }

    fn and(&mut self, tokens: &[&str], at: &mut usize) -> Parsed<Cond> {
        let mut all = vec![self.not(tokens, at)?];
        while tokens.get(*at) == Some(&"and") {
            *at += 1;
            all.push(self.not(tokens, at)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Cond::All(all) })
    }

    fn not(&mut self, tokens: &[&str], at: &mut usize) -> Parsed<Cond> {
        match tokens.get(*at) {
            Some(&"not") => {
                *at += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(words("条件の入れ子が深すぎます。", "the condition is nested too deep"));
                }
                let inner = self.not(tokens, at);
                self.depth -= 1;
                Ok(Cond::Not(Box::new(inner?)))
            }
            Some(&"(") => {
                *at += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(words("条件の入れ子が深すぎます。", "the condition is nested too deep"));
                }
                let inner = self.or(tokens, at);
                self.depth -= 1;
                let inner = inner?;
                if tokens.get(*at) != Some(&")") {
                    return Err(words("かっこが閉じていません。", "a bracket is not closed"));
                }
                *at += 1;
                Ok(inner)
            }
            Some(_) => self.atom(tokens, at),
            None => Err(words("条件が途中で終わっています。", "the condition ends too early")),
        }
    }

    /// What `before` and `after` compare with: a literal must be a date as messages write it, else the condition would
    /// never hold.
    fn moment(&mut self, token: &str) -> Parsed<Path> {
        let path = self.path(token)?;
        match &path.root {
            Root::Literal(text) if super::functions::seventeen(text).is_none() => Err(words(
                format!(
                    "「{text}」は日付ではありません。'20260401' のように、半角の数字で年月日を書きます。"
                ),
                format!("'{text}' is no date: write YYYYMMDD"),
            )),
            _ => Ok(path),
        }
    }

    fn atom(&mut self, tokens: &[&str], at: &mut usize) -> Parsed<Cond> {
        let path = self.path(tokens[*at])?;
        *at += 1;
        let mut next = || {
            let token = tokens.get(*at).copied();
            *at += 1;
            token.ok_or_else(|| words("条件が途中で終わっています。", "the condition ends too early"))
        };
        match next()? {
            "valued" => Ok(Cond::Valued(path)),
            "missing" => Ok(Cond::Not(Box::new(Cond::Valued(path)))),
            "=" => match next()? {
                literal if literal.starts_with('\'') => Ok(Cond::In(path, vec![unquoted(literal)?])),
                other => Ok(Cond::Same(path, self.path(other)?)),
            },
            "in" => match next()? {
                "table" => {
                    let name = next()?;
                    let table = (self.tables)(name).ok_or_else(|| {
                        words(
                            format!("{name} という対応表がありません(tables/ の CSV)。"),
                            format!("there is no table '{name}' (a CSV in tables/)"),
                        )
                    })?;
                    Ok(Cond::InTable(path, table))
                }
                literal => Ok(Cond::In(path, list(&unquoted(literal)?)?)),
            },
            "before" => Ok(Cond::Before(path, self.moment(next()?)?)),
            "after" => Ok(Cond::Before(self.moment(next()?)?, path)),
            "starts" => Ok(Cond::Starts(path, list(&unquoted(next()?)?)?)),
            "ends" => Ok(Cond::Ends(path, list(&unquoted(next()?)?)?)),
            "is" => match next()? {
                "number" => Ok(Cond::Number(path)),
                "date" => Ok(Cond::Date(path)),
                other => Err(words(
                    format!("「is {other}」は読めません。is number か is date と書きます。"),
                    format!("'is {other}' is not known: number or date"),
                )),
            },
            other => Err(words(
                format!(
                    "条件の「{other}」は読めません。valued・missing・=・in・starts・ends・before・after・is のどれかです。"
                ),
                format!("'{other}' is not known: valued, missing, =, in, starts, ends, before, after or is"),
            )),
        }
    }
}

/// A `$name` that no row above gives.
pub(crate) fn no_name(name: &str) -> Words {
    words(
        format!("${name} という名前は、この行より上にありません。"),
        format!("${name} is not a name above this row"),
    )
}

fn not_a_path(text: &str) -> Words {
    words(
        format!("「{text}」は位置として読めません(PID-3.1 のように書きます)。"),
        format!("'{text}' is not a path"),
    )
}

/// The parts of a list. A comma of Japanese text would be taken for a letter, and the condition would never hold.
fn list(text: &str) -> Parsed<Vec<String>> {
    if let Some(comma) = text.chars().find(|c| matches!(c, '、' | '，' | '､')) {
        return Err(words(
            format!(
                "並びの区切りが「{comma}」です。半角のカンマ(,)で区切ります: '{}'",
                text.replace(comma, ",")
            ),
            format!(
                "The list is parted by '{comma}': write the comma of half width, '{}'.",
                text.replace(comma, ",")
            ),
        ));
    }
    Ok(text.split(',').map(|part| part.trim().to_owned()).collect())
}

fn unquoted(token: &str) -> Parsed<String> {
    token.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).map(str::to_owned).ok_or_else(|| {
        words(format!("{token} は ' と ' で囲みます。"), format!("{token} should stand in single quotes"))
    })
}

/// The place of the bracket that closes the one at 0, outside quotes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the bracket behind a word belongs to it: `col(検査コード)`.
fn is_feed_path(word: &str) -> bool {
    matches!(word, "col" | "bytes" | "rec")
}

/// Words, quoted texts, round brackets and paths of a text.
pub(crate) fn tokens(text: &str) -> Parsed<Vec<&str>> {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'(' | b')' => {
                out.push(&text[at..=at]);
                at += 1;
            }
            b'\'' => {
                let end = text[at + 1..]
                    .find('\'')
                    .ok_or_else(|| words("' で始めた文字が ' で閉じていません。", "a quote is not closed"))?;
                out.push(&text[at..at + end + 2]);
                at += end + 2;
            }
            _ => {
                let (start, mut depth, mut quoted) = (at, 0usize, false);
                while at < bytes.len() {
                    match bytes[at] {
                        b'\'' => quoted = !quoted,
                        b'[' if !quoted => depth += 1,
                        b']' if !quoted => depth = depth.saturating_sub(1),
                        b'(' if is_feed_path(&text[start..at]) => {
                            at = text[at..].find(')').map_or(bytes.len() - 1, |end| at + end);
                        }
                        b' ' | b'\t' | b'\n' | b'\r' | b'(' | b')' if depth == 0 && !quoted => break,
                        _ => {}
                    }
                    at += 1;
                }
                out.push(&text[start..at]);
            }
        }
    }
    Ok(out)
}
