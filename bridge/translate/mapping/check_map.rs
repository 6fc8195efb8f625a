//! What can be wrong with a map although each of its cells can be read: types that do not fit, places nobody
//! writes, conditions that never hold, rows that are never reached.

use super::compile_map::Draft;
use super::compile_map::Line;
use super::functions;
use super::plan::{Cond, Fixed, Make, Path, Pick, Root, Rule, Source, Target};
use super::problem::{Place, words};
use super::rows::{Cell, Cx, no_next};
use super::target::CHOICES;
use crate::profile::{r4, rule};
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

/// The profile is one that is checked before anything is sent, and for this type.
pub(crate) fn profile(cell: Cell<'_>, url: &str, makes: &str, cx: &mut Cx<'_>) {
    let name = url.rsplit('/').next().unwrap_or(url);
    match rule::profile(url) {
        Some(known) if known.resource_type == makes => {}
        Some(known) => {
            let of = known.resource_type;
            let said = words(
                format!("プロファイル {name} は {of} のもので、{makes} には使えません。"),
                format!("The profile {name} is for {of}, not for {makes}."),
            );
            cx.wrong(cell, said);
        }
        None => {
            let said = words(
                format!("{name} というプロファイルはありません。名乗らないときは \"none\" と書きます。"),
                format!("There is no profile '{name}'; write \"none\" where none is claimed."),
            );
            cx.wrong(cell, said);
        }
    }
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
        let below = draft.rules.get(n + 1);
        let next =
            below.and_then(|line| rules.iter().find(|rule| rule.place == line.place && rule.id == line.name));
        if says_next && below.is_some() == next.is_some() && next.is_none_or(|next| !next.follows) {
            let cell = Cell { place: &line.place, rule: &id, column: "else" };
            cx.wrong(cell, no_next(&line.to));
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
            cx.wrong(Cell { place: &next.place, rule: &id, column: "from" }, said);
        }
    }
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
fn contradicts(conds: &[&Cond]) -> bool {
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
    let (path, one) = match cond {
        Cond::Valued(path) => (path, true),
        Cond::In(path, _)
        | Cond::InTable(path, _)
        | Cond::Starts(path, _)
        | Cond::Ends(path, _)
        | Cond::Number(path)
        | Cond::Date(path) => (path, is_one(path)),
        _ => return,
    };
    if !one {
        return;
    }
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
            Root::Name(_) | Root::Literal(_) => false,
        }
}

/// Elements that must be there by FHIR R4 or the profile and that no rule writes.
pub(crate) fn required(draft: &Draft, profile: Option<&str>, cx: &mut Cx<'_>) {
    let written: Vec<&str> =
        draft.rules.iter().map(|line| line.to.split(['.', '[']).next().unwrap_or("")).collect();
    // A target that cannot be read may be the one that is missing, and is said already.
    if draft
        .rules
        .iter()
        .any(|line| line.to.is_empty() || r4::element(&head(&draft.makes, &line.to)).is_none())
    {
        return;
    }
    let writes = |name: &str, choice: bool| {
        written
            .iter()
            .any(|to| *to == name || choice && to.strip_prefix(name).is_some_and(|t| CHOICES.contains(&t)))
    };
    let mut missing: Vec<(String, String)> = Vec::new();
    for element in r4::children(&draft.makes).unwrap_or_default() {
        if element.min > 0 && !writes(element.name, element.choice) {
            missing.push((element.name.to_owned(), format!("FHIR R4 {}", draft.makes)));
        }
    }
    if let Some(known) = profile.and_then(rule::profile) {
        for (name, choice) in rule::required(known) {
            if !writes(name, choice) && !missing.iter().any(|(known, _)| known == name) {
                missing.push((name.to_owned(), known.name.to_owned()));
            }
        }
    }
    for (name, by) in missing {
        let said = words(
            format!("{by} では {name} が必ず要りますが、それを書く規則がありません。"),
            format!("{by} needs '{name}', and no rule writes it."),
        );
        cx.wrong(Cell { place: &draft.place, rule: &draft.id, column: "to" }, said);
    }
}

/// The path of the first part of a target: `Observation.value[x]`.
fn head(makes: &str, to: &str) -> String {
    let name = to.split(['.', '[']).next().unwrap_or(to);
    let choice = to.strip_prefix(name).is_some_and(|rest| rest.starts_with("[x]"));
    format!("{makes}.{name}{}", if choice { "[x]" } else { "" })
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
        if makes != kind {
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
            (made.to_owned(), function_fits(made, kind, primitive))
        }
        Some(Make::Type(n)) => (cx.known.makes[*n].clone(), cx.known.makes[*n] == kind),
        Some(Make::Table(_) | Make::Code(_)) => {
            ("code".into(), primitive || matches!(kind, "Coding" | "CodeableConcept"))
        }
        Some(Make::RefType(..) | Make::RefMade { .. }) => ("Reference".into(), kind == "Reference"),
        Some(Make::Text(_) | Make::Form(_)) | None => ("text".into(), primitive),
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
    // A fixed text must be one that the element takes.
    if let (Source::Fixed(Fixed::Text(text)), None) = (source, make)
        && !r4::primitive_ok(kind, text)
    {
        let said = words(
            format!("「{text}」は {} に書けません({kind})。", target.text),
            format!("'{text}' is no {kind}, as {} wants one.", target.text),
        );
        cx.wrong(cell("fixed"), said);
    }
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

/// A URI that a rule writes by itself: in a fixed cell, or as part of the slice that it names.
struct Uri {
    /// Where to, without brackets: `identifier.system`.
    path: String,
    text: String,
    place: Place,
    rule: String,
    column: &'static str,
}

/// An OID where the profile asks for a URL that no rule of the map writes.
pub(crate) fn systems(draft: &Draft, profile: Option<&str>, rules: &[Rule], cx: &mut Cx<'_>) {
    let mut uris: Vec<Uri> = Vec::new();
    for rule in rules {
        let names = names(&rule.target.text);
        if let Source::Fixed(Fixed::Text(text)) = &rule.source
            && matches!(rule.target.kind.as_str(), "uri" | "url" | "canonical")
        {
            let (text, place, id) = (text.clone(), rule.place.clone(), format!("{}/{}", draft.id, rule.id));
            uris.push(Uri { path: names.clone(), text, place, rule: id, column: "fixed" });
        }
        for (depth, slice) in slices(&rule.target) {
            let path: Vec<&str> = names.split('.').take(depth + 1).collect();
            for row in cx.known.slices.get(slice).into_iter().flatten() {
                let path = format!("{}.{}", path.join("."), row.path.join("."));
                let (text, place) = (row.value.clone(), row.place.clone());
                uris.push(Uri { path, text, place, rule: slice.to_owned(), column: "value" });
            }
        }
    }
    let known = profile.and_then(rule::profile);
    for uri in &uris {
        let Some(bare) = oid(&uri.text) else { continue };
        let asked = known.map(|known| rule::systems(known, &uri.path)).unwrap_or_default();
        let written = |wanted: &str| uris.iter().any(|other| other.path == uri.path && other.text == wanted);
        let unwritten =
            asked.iter().find(|(text, needed)| *needed && text.starts_with("http") && !written(text));
        let wanted = match unwritten {
            Some((text, _)) if asked.iter().all(|(text, _)| *text != uri.text) => (*text).to_owned(),
            _ if bare => format!("urn:oid:{}", uri.text),
            _ => continue,
        };
        let said = words(
            format!("ここには OID({})ではなく、決められた URL を書きます: {wanted}", uri.text),
            format!("Not an OID ({}) but the URL that is fixed here: {wanted}", uri.text),
        );
        cx.wrong(Cell { place: &uri.place, rule: &uri.rule, column: uri.column }, said);
    }
}

/// `identifier[rpNumber].system` → `identifier.system`.
fn names(target: &str) -> String {
    let parts = super::target::split(target);
    parts.iter().map(|part| part.split('[').next().unwrap_or(part)).collect::<Vec<_>>().join(".")
}

/// The named elements of a target, with how deep they stand.
fn slices(target: &Target) -> impl Iterator<Item = (usize, &str)> {
    let parts = super::target::split(&target.text);
    parts.into_iter().enumerate().filter_map(|(depth, part)| {
        let (_, slice) = part.split_once('[')?;
        Some((depth, slice.strip_suffix(']')?))
    })
}

/// Whether a text is an OID, and if so whether it is a bare one, without `urn:oid:`.
fn oid(text: &str) -> Option<bool> {
    let (bare, digits) = match text.strip_prefix("urn:oid:") {
        Some(rest) => (false, rest),
        None => (true, text),
    };
    let parts: Vec<&str> = digits.split('.').collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (parts.len() > 3 && numbers).then_some(bare)
}
