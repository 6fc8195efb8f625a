//! Maps, submaps and datatype maps: read from TOML, then compiled against the rest of the set.

use super::compile::Known;
use super::describe::Title;
use super::functions;
use super::layer::Rank;
use super::plan::{Else, Fixed, For, Make, Map, Plan, Rule, Same, Source, Used};
use super::problem::{Place, Problems, words};
use super::reader::{File, Tab, plain};
use super::rows::{Cell, Cx, all_of};
use super::segments;
use super::siblings::Around;
use super::target;
use super::{check_map, check_profile};
use crate::profile::r4;
use std::collections::HashMap;

/// Which of the three a draft is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    Map,
    Submap,
    Type,
}

/// A map as written, with what higher layers laid over it.
pub(crate) struct Draft {
    pub(crate) parts: Parts,
    pub(crate) id: String,
    pub(crate) place: Place,
    /// The map that a submap belongs to.
    pub(crate) owner: Option<String>,
    /// Switched off as a whole by a higher layer.
    pub(crate) off: bool,
    pub(crate) title: Title,
    pub(crate) instances: String,
    within: Option<String>,
    pub(crate) makes: String,
    pub(crate) profile: Option<String>,
    when: Option<String>,
    otherwise: Option<String>,
    key: Vec<String>,
    line: Vec<String>,
    like: Option<String>,
    same: Option<String>,
    shared: Option<bool>,
    pub(crate) lets: Vec<Line>,
    pub(crate) rules: Vec<Line>,
    /// Rows that a higher layer took away, as that layer wrote it.
    pub(crate) switched_off: Vec<Line>,
    /// Where the keys of the heading stand.
    at: HashMap<&'static str, Place>,
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
    /// Takes away the row of a lower layer.
    pub(crate) off: bool,
    /// The row of a lower layer behind which a new one stands.
    pub(crate) after: Option<String>,
    /// The layer whose row it took the place of.
    pub(crate) over: Option<Rank>,
}

impl Draft {
    pub(crate) fn names(&self) -> Vec<String> {
        slots(&self.lets)
    }

    /// Where a key of the heading stands; where the heading does for one that is not written.
    pub(crate) fn at(&self, key: &str) -> &Place {
        self.at.get(key).unwrap_or(&self.place)
    }

    /// The keys of its heading that are written, for people, but those that are told by themselves.
    pub(crate) fn heading(&self) -> Vec<(&'static str, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let all = [
            ("within", text(&self.within)),
            ("when", text(&self.when)),
            ("else", text(&self.otherwise)),
            ("key", self.key.join(", ")),
            ("line", self.line.join(", ")),
            ("like", text(&self.like)),
            ("same", text(&self.same)),
            ("shared", self.shared.map(|shared| shared.to_string()).unwrap_or_default()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// Takes the keys that a higher layer writes in its heading.
    pub(crate) fn take_heading(&mut self, upper: &Self) {
        fn put<T: Clone>(to: &mut Option<T>, from: &Option<T>) {
            if from.is_some() {
                to.clone_from(from);
            }
        }
        if upper.title != Title::default() {
            self.title.clone_from(&upper.title);
        }
        for (to, from) in [(&mut self.instances, &upper.instances), (&mut self.makes, &upper.makes)] {
            if !from.is_empty() {
                to.clone_from(from);
            }
        }
        for (to, from) in [(&mut self.key, &upper.key), (&mut self.line, &upper.line)] {
            if !from.is_empty() {
                to.clone_from(from);
            }
        }
        put(&mut self.within, &upper.within);
        put(&mut self.profile, &upper.profile);
        put(&mut self.when, &upper.when);
        put(&mut self.otherwise, &upper.otherwise);
        put(&mut self.like, &upper.like);
        put(&mut self.same, &upper.same);
        put(&mut self.shared, &upper.shared);
        self.off |= upper.off;
        self.at.extend(upper.at.iter().map(|(key, place)| (*key, place.clone())));
    }
}

/// Keys of a map's heading.
const HEADING: [&str; 12] =
    ["off", "for", "makes", "within", "profile", "when", "else", "key", "line", "like", "same", "shared"];

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

/// Reads a map. `below` says whether a lower layer has one of that id: then only what changes is written.
pub(crate) fn read_map(
    tab: &mut Tab<'_>,
    file: &mut File<'_>,
    parts: Parts,
    owner: Option<String>,
    below: &dyn Fn(&str) -> bool,
) -> Draft {
    let place = file.place(tab.offset);
    let id = tab.needed(file, "id");
    tab.rule.clone_from(&id);
    let off = read_off(tab, file);
    let (whole, of_type) = (parts == Parts::Map, parts == Parts::Type);
    let full = !off && !below(&id);
    let unused: &[&'static str] = if of_type { &["title", "for"] } else { &[] };
    for key in unused {
        let Some((offset, _)) = tab.take(key) else { continue };
        let ja = format!("{key} は [[type]] では使いません。この項目を消します。");
        // It did nothing before either.
        let before = file.problems.doubting(true);
        tab.wrong_cell(file, offset, key, &ja, &format!("A [[type]] has no '{key}': take it out."));
        file.problems.doubting(before);
    }
    let at = HEADING.iter().filter(|key| tab.has(key)).map(|key| (*key, tab.place_of(file, key))).collect();
    let draft = Draft {
        parts,
        place,
        owner,
        off,
        title: if of_type { Title::default() } else { tab.both_languages(file, "title", whole && full) },
        instances: match (whole && full, of_type) {
            (true, _) => tab.needed(file, "for"),
            // It is for the value that a rule gives it.
            (_, true) => String::new(),
            _ => tab.text(file, "for").unwrap_or_default(),
        },
        makes: if full { tab.needed(file, "makes") } else { tab.text(file, "makes").unwrap_or_default() },
        within: whole.then(|| tab.text(file, "within")).flatten(),
        profile: whole.then(|| tab.text(file, "profile")).flatten(),
        when: whole.then(|| tab.text(file, "when")).flatten(),
        otherwise: whole.then(|| tab.text(file, "else")).flatten(),
        key: if whole { tab.some_texts(file, "key").unwrap_or_default() } else { Vec::new() },
        line: if whole { tab.texts(file, "line").unwrap_or_default() } else { Vec::new() },
        like: whole.then(|| tab.text(file, "like")).flatten(),
        same: whole.then(|| tab.text(file, "same")).flatten(),
        shared: (whole && tab.has("shared")).then(|| tab.boolean(file, "shared")),
        lets: read_lines(tab, file, "let", "name"),
        rules: read_lines(tab, file, "rules", "id"),
        switched_off: Vec::new(),
        at,
        id,
    };
    let offset = tab.offset;
    if whole && full && draft.profile.is_none() {
        let ja = "profile がありません(無ければ \"none\")。";
        let en = "profile is missing (\"none\" where there is none).";
        tab.wrong_cell(file, offset, "profile", ja, en);
    }
    if whole && full && draft.key.is_empty() {
        tab.wrong_cell(file, offset, "key", "key がありません。", "key is missing.");
    }
    tab.finish(file);
    draft
}

/// `off = true`: refused where nothing lies below.
pub(crate) fn read_off(tab: &mut Tab<'_>, file: &mut File<'_>) -> bool {
    refuse_in_shipped(tab, file, "off");
    tab.boolean(file, "off")
}

fn refuse_in_shipped(tab: &mut Tab<'_>, file: &mut File<'_>, key: &str) {
    if file.layer == Rank::Shipped && tab.has(key) {
        let place = tab.place_of(file, key);
        let said = words(
            format!("{key} は、上に重ねる層(地域・施設)だけで使えます。"),
            format!("'{key}' is for a layer over the shipped set."),
        );
        file.problems.cell(&place, tab.rule.clone(), key, said);
    }
}

/// Rows of `rules` or `let`.
pub(crate) fn read_lines(
    tab: &mut Tab<'_>,
    file: &mut File<'_>,
    key: &'static str,
    name: &'static str,
) -> Vec<Line> {
    let owner = tab.rule.clone();
    let mut out = Vec::new();
    for mut row in tab.tables(file, key) {
        let place = file.place(row.offset);
        let id = row.needed(file, name);
        row.rule = format!("{owner}/{id}");
        let rule = name == "id";
        let off = read_off(&mut row, file);
        refuse_in_shipped(&mut row, file, "after");
        let fixed = row.take("fixed").map(|(_, value)| match value {
            toml::de::DeValue::Boolean(b) => Fixed::Boolean(*b),
            toml::de::DeValue::Integer(_) | toml::de::DeValue::Float(_) => Fixed::Number(plain(value)),
            _ => Fixed::Text(plain(value)),
        });
        out.push(Line {
            place,
            name: id,
            to: if rule && !off {
                row.needed(file, "to")
            } else {
                row.text(file, "to").filter(|_| rule).unwrap_or_default()
            },
            from: row.texts(file, "from"),
            each: rule.then(|| row.text(file, "each")).flatten(),
            used: rule.then(|| row.text(file, "use")).flatten(),
            fixed,
            make: row.text(file, "as"),
            when: row.text(file, "when"),
            otherwise: row.text(file, "else"),
            find: if rule { None } else { row.text(file, "find") },
            many: if rule { None } else { row.text(file, "many") },
            off,
            after: row.text(file, "after"),
            over: None,
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
    let owner = match (draft.parts, &draft.owner) {
        (_, Some(owner)) => owner.clone(),
        (Parts::Map, None) => draft.id.clone(),
        _ => String::new(),
    };
    let value = segments::data_type(match draft.parts {
        Parts::Type => draft.id.split('.').next().unwrap_or_default(),
        _ => draft.instances.trim(),
    });
    let mut cx = Cx { plan, known, problems, own: Vec::new(), outer, message, in_rules: false, owner, value };
    let cell = |key| Cell { place: draft.at(key), rule: &draft.id, column: key };
    let lets = cx.lets(&draft.lets, &draft.id);
    let when = draft.when.as_ref().and_then(|text| cx.condition(cell("when"), text));
    let key = cx.paths(cell("key"), &draft.key);
    cx.doubts(|cx| check_map::key(cell("key"), &draft.key, &key, cx));
    let line = cx.paths(cell("line"), &draft.line);
    let instances = instances(draft, &mut cx);
    let within = draft.within.as_ref().map(|name| cx.plan.symbols.intern(name));
    let like = draft.like.as_ref().and_then(|name| {
        let found = map_ids.get(name).copied();
        if found.is_none() || key.len() < 2 {
            let said = words(
                format!(
                    "like の {name} というマップがないか、key が患者とそのマップの部分になっていません。"
                ),
                format!(
                    "like '{name}' wants a map of that id, and a key of the patient and that map's parts"
                ),
            );
            cx.absent(cell("like"), name, said);
        }
        found
    });
    let only = only(&draft.instances).and_then(|(_, condition)| cx.condition(cell("for"), condition));
    let same = match draft.same.as_deref() {
        Some("merge") => Same::Merge,
        Some("widen") => Same::Widen,
        Some("apart") => Same::Apart,
        Some("error") | None => Same::Error,
        Some(other) => {
            let said = words(
                format!("same の {other} は merge・widen・apart・error のどれでもありません。"),
                format!("same '{other}' is not merge, widen, apart or error"),
            );
            cx.wrong(cell("same"), said);
            Same::Error
        }
    };
    let profile = draft.profile.as_ref().filter(|p| *p != "none").map(|p| {
        if p.contains("://") {
            p.clone()
        } else {
            format!("http://jpfhir.jp/fhir/core/StructureDefinition/{p}")
        }
    });
    if let Some(url) = profile.as_ref().filter(|_| r4::children(&draft.makes).is_some()) {
        cx.doubts(|cx| check_profile::profile(cell("profile"), url, &draft.makes, cx));
    }
    check_map::makes(draft, &mut cx);
    cx.in_rules = draft.parts != Parts::Type;
    let mut rules: Vec<Rule> = Vec::new();
    let mut written: HashMap<String, usize> = HashMap::new();
    for (n, line) in draft.rules.iter().enumerate() {
        let id = format!("{}/{}", draft.id, line.name);
        let to = Cell { place: &line.place, rule: &id, column: "to" };
        if draft.rules[..n].iter().any(|earlier| earlier.name == line.name) {
            let said = words(
                format!("{} という id の規則が二つあります。別の名にしてください。", line.name),
                "there are two rules of this id: give one of them another",
            );
            cx.wrong(Cell { column: "id", ..to }, said);
        }
        let Some(rule) = finish_rule(draft, line, &id, &mut cx, rules.last()) else { continue };
        if !rule.follows && !rule.target.text.contains("[]") {
            if let Some(earlier) = written.get(&rule.target.text).filter(|_| !check_map::is_cut_off(draft, n))
            {
                let first = &rules[*earlier];
                let (earlier, target): (&str, &str) = (&first.id, &rule.target.text);
                let said = words(
                    format!(
                        "{target} にはもう規則 {earlier} が書いています。同じ所へ書けるのは、else = \"next\" の行のすぐ次の行だけです。"
                    ),
                    format!(
                        "'{earlier}' already writes '{target}': only a row straight after one that says else = \"next\" may"
                    ),
                );
                // What is written last stands. A lower layer's row must not win over a higher one's.
                let before = cx.problems.doubting(rule.place.layer >= first.place.layer);
                cx.wrong(to, said);
                cx.problems.doubting(before);
            }
            let choice = |other: &&Rule| {
                other.target.text != rule.target.text && target::same_choice(&other.target, &rule.target)
            };
            if rule.when.is_none()
                && let Some(earlier) = rules.iter().find(choice).filter(|earlier| earlier.when.is_none())
            {
                let (earlier, first, second) = (&earlier.id, &earlier.target.text, &rule.target.text);
                let said = words(
                    format!(
                        "{first} と {second} は一つの要素で、同時には書けません。規則 {earlier} がもう書いています。when で分けるか、すぐ次の行にして else = \"next\" を付けます。"
                    ),
                    format!(
                        "{first} and {second} are one element, which '{earlier}' already writes: part them by 'when', or put this row straight after one that says else = \"next\"."
                    ),
                );
                // A message with both is held.
                cx.doubts(|cx| cx.wrong(to, said));
            }
            written.insert(rule.target.text.clone(), rules.len());
        }
        rules.push(rule);
    }
    check_map::chains(draft, &rules, &mut cx);
    cx.doubts(|cx| {
        check_map::whens(draft, only.as_ref(), when.as_ref(), &rules, cx);
        check_profile::required(draft, profile.as_deref(), cx);
        check_profile::slices_needed(draft, profile.as_deref(), &rules, cx);
        check_profile::fixed(draft, profile.as_deref(), &rules, cx);
        check_profile::never_right(draft, &rules, cx);
        check_profile::codes(draft, &rules, cx);
    });
    let shared = draft.shared.unwrap_or_default()
        || matches!(draft.makes.as_str(), "Practitioner" | "Organization" | "Location" | "Device");
    Map {
        id: draft.id.clone(),
        place: draft.place.clone(),
        makes: draft.makes.clone(),
        profile,
        instances,
        within,
        only,
        when,
        otherwise: cx.otherwise(cell("else"), draft.otherwise.as_ref()),
        key,
        line,
        like,
        same,
        shared,
        slots: cx.own.len(),
        lets,
        around: Around::default(),
        rules,
    }
}

/// Datatypes that a map may be for: it is made by `ref` only.
const DATATYPES: [&str; 17] = [
    "XCN", "XON", "XPN", "PL", "CWE", "CE", "CNE", "EI", "EIP", "CX", "XAD", "XTN", "ST", "ID", "IS", "HD",
    "VALUE",
];

/// `ITEM[cond]`: the name and the condition.
fn only(instances: &str) -> Option<(&str, &str)> {
    instances.trim().strip_suffix(']')?.split_once('[')
}

fn instances(draft: &Draft, cx: &mut Cx<'_>) -> For {
    if draft.parts != Parts::Map {
        return For::Nothing;
    }
    let cell = Cell { place: draft.at("for"), rule: &draft.id, column: "for" };
    let only = only(&draft.instances);
    if only.is_none()
        && let Some((segment, by)) = draft.instances.split_once(" by ")
    {
        let segment = cx.segment(cell, segment.trim(), Used::Field(0));
        let paths: Option<Vec<_>> =
            by.split(',').map(|path| cx.path_in(cell, segment, path.trim())).collect();
        return paths.map_or(For::Nothing, |paths| For::By(segment, paths));
    }
    let name = only.map_or(draft.instances.trim(), |(name, _)| name.trim());
    // `ZE1-9`: one resource for each repetition of a field.
    if let Some((segment, field)) = name.split_once('-') {
        let Some(field) = field.parse::<u16>().ok().filter(|n| (1..=128).contains(n)) else {
            let said = words(
                format!("for の「{name}」はフィールドを指していません(ZE1-9 のように番号を書きます)。"),
                format!("for '{name}' is no field: write its number, as in ZE1-9"),
            );
            cx.wrong(cell, said);
            return For::Nothing;
        };
        return For::Field(cx.segment(cell, segment, Used::Field(field)), field);
    }
    if DATATYPES.contains(&name) {
        return For::Datatype;
    }
    if name == "MESSAGE" {
        return For::Message;
    }
    if is_segment(name) {
        // A group may have a name of three letters too: message files decide.
        For::Segment(cx.segment(cell, name, Used::Field(0)))
    } else {
        For::Group(cx.plan.symbols.intern(name))
    }
}

/// Whether a name is shaped like a segment's.
pub(crate) fn is_segment(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn finish_rule(draft: &Draft, line: &Line, id: &str, cx: &mut Cx<'_>, last: Option<&Rule>) -> Option<Rule> {
    let cell = |column| Cell { place: &line.place, rule: id, column };
    // A row that cannot be made is looked at all the same: all that is wrong with it is told at once.
    let target = match target::parse(&draft.makes, &line.to, cx.plan, cx.known) {
        Ok(target) => Some(target),
        // That there is no target is said where the row is read, and of a map that makes nothing known in its heading.
        Err(said) => {
            if !line.to.is_empty() && r4::children(&draft.makes).is_some() {
                cx.wrong(cell("to"), said);
            }
            None
        }
    };
    let mut sound = true;
    let given = [line.from.is_some(), line.fixed.is_some(), line.each.is_some()];
    let composed = line.make.as_ref().is_some_and(|m| m.starts_with("text "));
    match given.iter().filter(|g| **g).count() {
        1 => {}
        0 if composed => {}
        0 => cx.wrong(
            cell("from"),
            words("from・fixed・each のどれかが要ります。", "from, fixed or each is missing"),
        ),
        _ => cx.wrong(
            cell("from"),
            words("from・fixed・each のうち書けるのは一つだけです。", "only one of from, fixed and each"),
        ),
    }
    let source = if let Some(from) = &line.from {
        Source::From(cx.paths(cell("from"), from))
    } else if let Some(fixed) = &line.fixed {
        Source::Fixed(fixed.clone())
    } else if let Some(each) = &line.each {
        let path = cx.path(cell("each"), each);
        let used = match &line.used {
            Some(name) => match cx.known.submaps.get(&(cx.owner.clone(), name.clone())) {
                Some(n) => Some(*n),
                None => {
                    let said = words(
                        format!("このマップに {name} という [[submap]] はありません。"),
                        format!("there is no submap '{name}' in this map"),
                    );
                    cx.wrong(cell("use"), said);
                    None
                }
            },
            None => None,
        };
        if used.is_none() && line.make.is_none() && line.used.is_none() {
            let said = words("each には use か as が要ります。", "each wants use or as");
            cx.wrong(cell("use"), said);
        }
        match path {
            Some(mut path) => {
                all_of(&mut path);
                Source::Each(path, used)
            }
            None => {
                sound = false;
                Source::None
            }
        }
    } else {
        Source::None
    };
    if line.used.is_some() && line.each.is_none() {
        cx.wrong(cell("use"), words("use は each と組で書きます。", "use belongs to each"));
    }
    let make = line.make.as_ref().and_then(|text| cx.make(cell("as"), text));
    if let Some(Make::TableOf(..)) = make {
        let said = words("「table … of …」は let だけで使えます。", "'table … of …' belongs to let");
        cx.wrong(cell("as"), said);
    }
    if let (Some(Make::Function(n, _)), Source::From(paths)) = (&make, &source)
        && let functions::Inputs::Several(most) = functions::LIST[*n].inputs
        && paths.len() > most
    {
        let name = functions::LIST[*n].name;
        let said = words(
            format!("{name} が取る元は {most} 個までです。"),
            format!("'{name}' takes at most {most} paths"),
        );
        cx.wrong(cell("from"), said);
    }
    // One that calls itself is said elsewhere.
    let itself = line.used.as_ref() == Some(&draft.id);
    if let Some(target) =
        target.as_ref().filter(|_| sound && !itself && (make.is_some() || line.make.is_none()))
    {
        cx.doubts(|cx| check_map::kinds(line, id, target, &source, make.as_ref(), cx));
    }
    let when = line.when.as_ref().and_then(|text| cx.condition(cell("when"), text));
    let otherwise = cx.otherwise(cell("else"), line.otherwise.as_ref());
    let target = target.filter(|_| sound)?;
    // `value[x]` and a named type of it are one place.
    let follows = last.is_some_and(|last| {
        matches!(last.otherwise, Else::Next(_))
            && (last.target.text == target.text || target::same_choice(&last.target, &target))
    });
    let place = line.place.clone();
    Some(Rule { id: line.name.clone(), place, target, source, make, when, otherwise, follows })
}
