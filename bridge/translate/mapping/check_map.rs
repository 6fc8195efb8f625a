//! What can be wrong with a map although each of its cells can be read: types that do not fit, places nobody
//! writes, conditions that never hold, rows that are never reached.

use super::compile_map::{Draft, Line, Parts};
use super::functions;
use super::near::{meant, nearest};
use super::plan::{Cond, Fixed, Make, Path, Pick, Root, Rule, Source, Target};
use super::problem::words;
use super::rows::{Cell, Cx, no_next};
use crate::profile::r4;
use std::collections::{HashMap, HashSet};

/// The key names fields, columns, names or texts; a bare segment is none of them.
pub(crate) fn key(cell: Cell<'_>, texts: &[String], paths: &[Path], cx: &mut Cx<'_>) {
    for (text, path) in texts.iter().zip(paths).filter(|_| texts.len() == paths.len()) {
        if matches!(path.root, Root::Segment { field: 0, .. }) {
            let said = words(
                format!("key の「{text}」はフィールドを指していません({text}-1 のように番号まで書きます)。"),
                format!("'{text}' in the key names no field: write its number, {text}-1"),
            );
            cx.wrong(cell, said);
        }
    }
}

/// What a map makes is a resource, what a submap or a datatype map makes an element of FHIR.
pub(crate) fn makes(draft: &Draft, cx: &mut Cx<'_>) {
    let name = draft.makes.as_str();
    let whole = draft.parts == Parts::Map;
    let fits =
        if whole { r4::resource_types().any(|kind| kind == name) } else { r4::children(name).is_some() };
    // That it is not written is said where the map is read.
    if fits || name.is_empty() {
        return;
    }
    let said = if whole {
        words(
            format!("{name} という種類のリソースは FHIR R4 にありません。"),
            format!("FHIR R4 has no resource '{name}'."),
        )
    } else {
        words(
            format!("{name} という型や要素は FHIR R4 にありません。"),
            format!("FHIR R4 has no type or element '{name}'."),
        )
    };
    let near = if whole { nearest(name, r4::resource_types()) } else { nearest(name, r4::type_names()) };
    cx.wrong(Cell { place: draft.at("makes"), rule: &draft.id, column: "makes" }, meant(said, near));
}

/// A row that says `next` has a row straight below it for the same place.
pub(crate) fn chains(draft: &Draft, rules: &[Rule], cx: &mut Cx<'_>) {
    for (n, line) in draft.rules.iter().enumerate() {
        let id = format!("{}/{}", draft.id, line.name);
        let says_next = line.otherwise.as_ref().is_some_and(|text| text.split(' ').next() == Some("next"));
        // What could not be compiled is said already.
        let Some(rule) = rules.iter().find(|rule| rule.place == line.place && rule.id == line.name) else {
            continue;
        };
        if let Some((wedged, last)) = wedge(draft, n) {
            let id = format!("{}/{}", draft.id, wedged.name);
            let column = if wedged.after.is_some() { "after" } else { "to" };
            let said = words(
                format!(
                    "この行は、else = \"next\" の行 {} とその続きの間に入り、続きを切っています。after = \"{last}\" と書いて、続きの後ろに置いてください。",
                    line.name
                ),
                format!(
                    "This row stands between '{}', which says else = \"next\", and the row that it goes on to: write after = \"{last}\".",
                    line.name
                ),
            );
            cx.wrong(Cell { place: &wedged.place, rule: &id, column }, said);
            continue;
        }
        let below = draft.rules.get(n + 1);
        let next =
            below.and_then(|line| rules.iter().find(|rule| rule.place == line.place && rule.id == line.name));
        if says_next && below.is_some() == next.is_some() && next.is_none_or(|next| !next.follows) {
            let cell = Cell { place: &line.place, rule: &id, column: "else" };
            cx.doubts(|cx| cx.wrong(cell, no_next(&line.to)));
        }
        if let Some(next) = next.filter(|next| next.follows)
            && matches!(rule.source, Source::Fixed(_))
            && rule.when.is_none()
            && !matches!(rule.make, Some(Make::Code(_)))
        {
            let id = format!("{}/{}", draft.id, next.id);
            let said = words(
                format!("すぐ上の行 {} がいつも固定の値を書くので、この行は使われません。", rule.id),
                format!(
                    "The row above, '{}', always writes its fixed value: this row is never reached.",
                    rule.id
                ),
            );
            cx.doubts(|cx| cx.wrong(Cell { place: &next.place, rule: &id, column: "from" }, said));
        }
    }
}

/// The first row of a higher layer between a row that says `next` and the row of its place below, and the last row of
/// that chain.
fn wedge(draft: &Draft, from: usize) -> Option<(&Line, &str)> {
    let line = draft.rules.get(from)?;
    let says_next =
        |line: &Line| line.otherwise.as_ref().is_some_and(|text| text.split(' ').next() == Some("next"));
    let between = draft.rules[from + 1..]
        .iter()
        .take_while(|row| row.to != line.to && row.place.layer > line.place.layer);
    let first = draft.rules.get(from + 1)?;
    let at = from + 1 + between.count();
    if at == from + 1 || !says_next(line) || draft.rules.get(at).is_none_or(|row| row.to != line.to) {
        return None;
    }
    let chain = draft.rules[at..].windows(2).take_while(|rows| says_next(&rows[0]) && rows[1].to == line.to);
    let last = draft.rules.get(at + chain.count())?;
    Some((first, &last.name))
}

/// Whether a row goes on with a chain that a row of a higher layer has cut, which is said of that row.
pub(crate) fn is_cut_off(draft: &Draft, at: usize) -> bool {
    let Some(line) = draft.rules.get(at) else { return false };
    (0..at).rev().find(|n| draft.rules[*n].to == line.to).is_some_and(|n| wedge(draft, n).is_some())
}

/// Conditions that cannot hold, by themselves or together with the map's own.
pub(crate) fn whens(
    draft: &Draft,
    only: Option<&Cond>,
    when: Option<&Cond>,
    rules: &[Rule],
    cx: &mut Cx<'_>,
) {
    let never = |conds: &[&Cond]| contradicts(conds);
    let whole: Vec<&Cond> = only.into_iter().chain(when).collect();
    let mut said = Vec::new();
    if never(&whole) {
        let column = if only.is_some_and(|only| never(&[only])) { "for" } else { "when" };
        let words = words(
            "この条件は成り立つことがありません。このマップは何も作りません。",
            "This condition can never hold: the map makes nothing.",
        );
        cx.wrong(Cell { place: draft.at(column), rule: &draft.id, column }, words);
    } else {
        for rule in rules {
            let Some(when) = &rule.when else { continue };
            let id = format!("{}/{}", draft.id, rule.id);
            if never(&[when]) {
                let words = words(
                    "この条件は成り立つことがありません。この行は使われません。",
                    "This condition can never hold: the row is never reached.",
                );
                said.push((rule.place.clone(), id, words));
            } else if never(&[whole.as_slice(), &[when]].concat()) {
                let words = words(
                    "この条件は、マップ全体の when と同時には成り立ちません。この行は使われません。",
                    "This condition never holds together with the map's own 'when': the row is never reached.",
                );
                said.push((rule.place.clone(), id, words));
            }
        }
    }
    for (place, id, words) in said {
        cx.wrong(Cell { place: &place, rule: &id, column: "when" }, words);
    }
}

/// What conditions that hold together say of one path.
#[derive(Clone, Default)]
struct Facts {
    valued: bool,
    missing: bool,
    /// The texts that it may be, where that is said.
    allowed: Option<HashSet<String>>,
    refused: HashSet<String>,
    starts: Vec<Vec<String>>,
}

impl Facts {
    fn contradict(&self) -> bool {
        let starts =
            |text: &str| self.starts.iter().all(|list| list.iter().any(|s| text.starts_with(s.as_str())));
        let fits =
            |text: &String| !self.refused.contains(text) && starts(text) && !(self.valued && text.is_empty());
        self.valued && self.missing || self.allowed.as_ref().is_some_and(|allowed| !allowed.iter().any(fits))
    }
}

/// Whether conditions cannot hold together. Says no where it cannot tell.
pub(crate) fn contradicts(conds: &[&Cond]) -> bool {
    let mut choices = Vec::new();
    let atoms = atoms(conds.iter().map(|cond| (*cond, true)).collect(), &mut choices);
    let impossible = |more: &[(&Cond, bool)]| {
        let mut facts: HashMap<String, Facts> = HashMap::new();
        for (cond, holds) in atoms.iter().chain(more) {
            note(cond, *holds, &mut facts);
        }
        facts.values().any(Facts::contradict)
    };
    // Of alternatives each is looked at alone; alternatives inside them are not.
    impossible(&[])
        || choices
            .iter()
            .any(|list| list.iter().all(|choice| impossible(&self::atoms(vec![*choice], &mut Vec::new()))))
}

/// A condition and whether it holds.
type Held<'c> = (&'c Cond, bool);

/// What holds for certain where all of these do; alternatives are put aside.
fn atoms<'c>(mut open: Vec<Held<'c>>, choices: &mut Vec<Vec<Held<'c>>>) -> Vec<Held<'c>> {
    let mut out = Vec::new();
    while let Some((cond, holds)) = open.pop() {
        match (cond, holds) {
            (Cond::Not(inner), holds) => open.push((inner, !holds)),
            (Cond::All(list), true) | (Cond::Any(list), false) => {
                open.extend(list.iter().map(|c| (c, holds)))
            }
            (Cond::Any(list), true) | (Cond::All(list), false) => {
                choices.push(list.iter().map(|c| (c, holds)).collect());
            }
            atom => out.push(atom),
        }
    }
    out
}

fn note(cond: &Cond, holds: bool, facts: &mut HashMap<String, Facts>) {
    let Some(path) = cond.path().filter(|path| matches!(cond, Cond::Valued(_)) || is_one(path)) else {
        return;
    };
    let of = facts.entry(format!("{path:?}")).or_default();
    match (cond, holds) {
        (Cond::Valued(_), true) => of.valued = true,
        (Cond::Valued(_), false) => of.missing = true,
        (Cond::In(_, list), true) => {
            let list: HashSet<String> = list.iter().cloned().collect();
            of.valued |= !list.contains("");
            of.allowed = Some(match of.allowed.take() {
                Some(known) => known.intersection(&list).cloned().collect(),
                None => list,
            });
        }
        (Cond::In(_, list), false) => of.refused.extend(list.iter().cloned()),
        (Cond::Starts(_, list), true) => {
            of.valued = true;
            of.starts.push(list.clone());
        }
        (Cond::InTable(..) | Cond::Ends(..) | Cond::Number(_) | Cond::Date(_), true) => of.valued = true,
        _ => {}
    }
}

/// Whether a path is one value: of several, each condition could hold for another.
fn is_one(path: &Path) -> bool {
    let first = |pick: &Pick| matches!(pick, Pick::First | Pick::Nth(_) | Pick::After);
    first(&path.repetition)
        && match &path.root {
            Root::Segment { pick, .. } => first(pick),
            Root::Column { all, .. } => !all,
            Root::Setting(_) | Root::Relative => true,
            Root::Name(_) | Root::Of { .. } | Root::Literal(_) => false,
        }
}

/// What `as` makes fits the type of the target.
pub(crate) fn kinds(
    line: &Line,
    id: &str,
    target: &Target,
    source: &Source,
    make: Option<&Make>,
    cx: &mut Cx<'_>,
) {
    let kind = target.kind.as_str();
    if kind.is_empty() {
        return;
    }
    let cell = |column| Cell { place: &line.place, rule: id, column };
    let primitive = kind.starts_with(|c: char| c.is_ascii_lowercase());
    if let Source::Each(_, Some(n)) = source {
        let makes = &cx.known.makes[*n];
        // One that FHIR does not have is said where it stands.
        if makes != kind && r4::children(makes).is_some() {
            let said = words(
                format!("submap は {makes} を作りますが、{} は {kind} です。", target.text),
                format!("The submap makes {makes}, but {} is a {kind}.", target.text),
            );
            cx.wrong(cell("use"), said);
        }
        return;
    }
    let (made, fits) = match make {
        Some(Make::Function(n, _)) => {
            let made = functions::LIST[*n].makes;
            let fits = function_fits(made, kind, primitive);
            (made.to_owned(), fits && !(made == "text" && as_sent(source) && has_a_form(kind)))
        }
        Some(Make::Type(n)) if r4::children(&cx.known.makes[*n]).is_none() => return,
        Some(Make::Type(n)) => (cx.known.makes[*n].clone(), cx.known.makes[*n] == kind),
        Some(Make::Table(_) | Make::Code(_)) => {
            ("code".into(), primitive || matches!(kind, "Coding" | "CodeableConcept"))
        }
        Some(Make::RefType(..) | Make::RefMade { .. }) => ("Reference".into(), kind == "Reference"),
        Some(Make::Text(_) | Make::Form(_)) => ("text".into(), primitive),
        // A fixed text is looked at by itself; what a message gives is a text until something makes more of it.
        None => ("text".into(), primitive && !(as_sent(source) && has_a_form(kind))),
        Some(Make::Ordinal { .. }) => ("number".into(), primitive),
        Some(Make::TableOf(..)) => return,
    };
    if !fits {
        let said = words(
            format!("{} は {kind} ですが、この変え方で作られるのは {made} です。", target.text),
            format!("{} is a {kind}, but this makes a {made}.", target.text),
        );
        cx.wrong(cell("as"), said);
        return;
    }
    // A number goes out without quotes, true and false too.
    let bare = match (source, make) {
        (Source::Fixed(Fixed::Number(text)), None) => {
            let number = matches!(kind, "decimal" | "integer" | "positiveInt" | "unsignedInt");
            (!number).then(|| text.clone())
        }
        (Source::Fixed(Fixed::Boolean(value)), None) => (kind != "boolean").then(|| value.to_string()),
        _ => None,
    };
    if let Some(text) = bare {
        let said = words(
            format!("{} は {kind} です。引用符で囲みます(fixed = \"{text}\")。", target.text),
            format!("{} is a {kind}: put it in quotes (fixed = \"{text}\").", target.text),
        );
        cx.wrong(cell("fixed"), said);
        return;
    }
    // A fixed text must be one that the element takes.
    if let (Source::Fixed(Fixed::Text(text) | Fixed::Number(text)), None) = (source, make)
        && !r4::primitive_ok(kind, text)
    {
        let said = words(
            format!("「{text}」は {} に書けません({kind})。", target.text),
            format!("'{text}' is no {kind}, as {} wants one.", target.text),
        );
        cx.wrong(cell("fixed"), said);
    }
}

/// Whether a value comes as the message has it: a fixed one and a name's have been made by a person or a row.
pub(crate) fn as_sent(source: &Source) -> bool {
    let sent = |path: &Path| matches!(path.root, Root::Segment { .. } | Root::Relative | Root::Column { .. });
    match source {
        Source::From(paths) => paths.iter().any(sent),
        Source::Each(path, None) => sent(path),
        _ => false,
    }
}

/// Whether a type wants its text in a form that HL7 v2 does not write.
fn has_a_form(kind: &str) -> bool {
    matches!(kind, "date" | "dateTime" | "instant" | "time" | "base64Binary" | "oid" | "uuid")
}

/// Whether what a function makes may stand at a target of that type.
fn function_fits(made: &str, kind: &str, primitive: bool) -> bool {
    match made {
        "text" => primitive,
        // One text of all its values: written large, so that it is not made of each.
        "String" => matches!(kind, "string" | "markdown"),
        "date" => matches!(kind, "date" | "dateTime" | "string"),
        "dateTime" => matches!(kind, "dateTime" | "string"),
        "instant" => matches!(kind, "instant" | "dateTime" | "string"),
        "decimal" => matches!(kind, "decimal" | "string"),
        "integer" => matches!(kind, "integer" | "positiveInt" | "unsignedInt" | "decimal" | "string"),
        "boolean" => matches!(kind, "boolean" | "string"),
        "CodeableConcept" => matches!(kind, "CodeableConcept" | "Coding" | "code"),
        // A Quantity is what these are special cases of.
        "Quantity" => matches!(kind, "Quantity" | "SimpleQuantity" | "Age" | "Duration"),
        "Duration" => matches!(kind, "Duration" | "Quantity"),
        "value[x]" => !primitive,
        other => other == kind,
    }
}
