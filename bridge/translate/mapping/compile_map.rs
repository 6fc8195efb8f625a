//! Maps, submaps and datatype maps: read from TOML, then compiled against the rest of the set.

use super::compile::Known;
use super::functions;
use super::plan::{Else, Fixed, For, Make, Map, Part, Path, Pick, Plan, Root, Rule, Same, Source};
use super::problem::{Place, Problems};
use super::reader::{File, Tab, plain};
use super::rows::Cx;
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
    otherwise: Option<String>,
    key: Vec<String>,
    like: Option<String>,
    same: String,
    shared: bool,
    lets: Vec<Line>,
    rules: Vec<Line>,
}

/// A row of `rules` or `let` as written.
pub(crate) struct Line {
    pub(crate) place: Place,
    /// `id` of a rule, `name` of a let.
    pub(crate) name: String,
    pub(crate) to: String,
    pub(crate) from: Option<Vec<String>>,
    pub(crate) each: Option<String>,
    pub(crate) used: Option<String>,
    pub(crate) fixed: Option<Fixed>,
    pub(crate) make: Option<String>,
    pub(crate) when: Option<String>,
    pub(crate) otherwise: Option<String>,
    pub(crate) find: Option<String>,
    pub(crate) many: Option<String>,
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
        otherwise: whole.then(|| tab.text(file, "else")).flatten(),
        key: if whole { tab.texts(file, "key").unwrap_or_default() } else { Vec::new() },
        like: whole.then(|| tab.text(file, "like")).flatten(),
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
    let lets = cx.lets(&draft.lets, &draft.id);
    let when = draft.when.as_ref().and_then(|text| cx.condition(&draft.place, &draft.id, text));
    let key = cx.paths(&draft.place, &draft.id, &draft.key);
    let instances = instances(draft, &mut cx);
    let within = draft.within.as_ref().map(|name| cx.plan.symbols.intern(name));
    let like = draft.like.as_ref().and_then(|name| {
        let found = map_ids.get(name).copied();
        if found.is_none() || key.len() < 2 {
            cx.wrong(
                &draft.place,
                &draft.id,
                format!(
                    "like '{name}' wants a map of that id, and a key of the patient and that map's parts"
                ),
            );
        }
        found
    });
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
        otherwise: cx.otherwise(&draft.place, &draft.id, draft.otherwise.as_ref()),
        key,
        like,
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
    if let Some(Make::TableOf(..)) = make {
        cx.wrong(place, id, "'table … of …' belongs to let".into());
    }
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
