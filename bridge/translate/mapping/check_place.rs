//! Where rows write: what one row writes must not be lost to another, nor to the program, nor several values to one
//! place.
//!
//! A row may add to what another writes: `code.coding[]` or `code.extension[X]` beside `code`, `identifier[]` beside
//! `identifier[rpNumber]`, `dosageInstruction[]` behind `dosageInstruction[0]`, a part that the other does not make
//! (`specimen.display` beside a reference). It may not take away: a number, `name[0]`, may be an element that a row above
//! has appended by `[]` or by name; and a part that the other row makes is written over, or is lost to it. Two rows that
//! can be seen never to write in one message are no pair. And the words of a code or a name (`text`) may be said anew
//! behind it.

use super::check_map::contradicts;
use super::functions;
use super::layer::Rank;
use super::plan::{Cond, Fixed, Index, Make, Map, Path, Pick, Piece, Plan, Root, Rule, Source, Step};
use super::problem::{Problems, words};
use super::target::split;
use crate::profile::r4;

/// How one row takes from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clash {
    /// The same place, written otherwise: `name[first]` and `name[0]`.
    Same,
    /// A number that may be an element which the other has appended.
    Element,
    /// A part of what the other writes as a whole.
    Part,
}

/// Looks at the targets of all rows.
pub(crate) fn targets(plan: &Plan, problems: &mut Problems) {
    for (map, whole) in
        plan.maps.iter().map(|map| (map, true)).chain(plan.inner.iter().map(|map| (map, false)))
    {
        overwrites(plan, map, problems);
        again(map, problems);
        unreferred(plan, map, problems);
        for rule in &map.rules {
            if let Some(what) = of_the_program(plan, rule, whole) {
                let said = words(
                    format!(
                        "{} には書けません。{what}はプログラムが、マップの key と profile から書きます。",
                        rule.target.text
                    ),
                    format!(
                        "No row may write '{}': the program does, from the key and the profile of the map.",
                        rule.target.text
                    ),
                );
                problems.cell(&rule.place, format!("{}/{}", map.id, rule.id), "to", said);
            }
            several(map, rule, problems);
            alone(map, rule, problems);
        }
    }
}

/// What of a resource no row writes, in Japanese: its id, its type and the profile that it claims.
fn of_the_program(plan: &Plan, rule: &Rule, whole: bool) -> Option<&'static str> {
    let names: Vec<&str> = rule.target.steps.iter().map(|step| plan.keys.name(step.key)).collect();
    let contained = names.first() == Some(&"contained");
    let inside = if contained { &names[1..] } else { &names[..] };
    match inside {
        ["id"] if whole => Some("リソースの id "),
        ["resourceType"] if whole => Some("リソースの種類"),
        ["meta"] | ["meta", "profile", ..] if whole && !contained => Some("名乗るプロファイル"),
        _ => None,
    }
}

/// Pairs of rows of a map of which one takes what the other has written. Of each row one is said.
fn overwrites(plan: &Plan, map: &Map, problems: &mut Problems) {
    let mut told: Vec<&str> = Vec::new();
    for (n, later) in map.rules.iter().enumerate() {
        for earlier in &map.rules[..n] {
            let Some(clash) =
                clash(plan, (&earlier.target.steps, earlier), (&later.target.steps, later), false)
            else {
                continue;
            };
            if exclusive(earlier, later) {
                continue;
            }
            // Who writes a layer has its own row at hand.
            let (row, other) =
                if later.place.layer >= earlier.place.layer { (later, earlier) } else { (earlier, later) };
            if told.contains(&row.id.as_str()) {
                continue;
            }
            told.push(&row.id);
            let (to, at, by) = (&row.target.text, &other.target.text, &other.id);
            let said = match clash {
                Clash::Same => words(
                    format!(
                        "{to} は、規則 {by} が書く {at} と同じ所です。どちらか一つの規則にしてください。"
                    ),
                    format!("'{to}' is the same place as '{at}', which '{by}' writes: one row may write it."),
                ),
                Clash::Element => words(
                    format!(
                        "{to} と規則 {by} の {at} は同じ並びに書くので、番号の要素は、もう一つの規則が足したものかもしれず、黙って書き換えます。別の要素を足すなら番号のない [] で書き、書き換えるなら規則 {by} と同じ id の行にします。"
                    ),
                    format!(
                        "'{to}' and '{at}' of '{by}' are one list: the element of that number may be the one that the other row has added, and would be written over. Write [] without a number to add one, or give the row the id '{by}' to replace it."
                    ),
                ),
                Clash::Part => words(
                    format!(
                        "{to} は、規則 {by} が {at} に書くものと重なり、一方が黙って失われます。規則 {by} と同じ id の行で置き換えるか、重ならない所に書きます(並びに足すときは [])。"
                    ),
                    format!(
                        "'{to}' and what '{by}' writes to '{at}' overlap, so one of the two is lost. Replace '{by}' by a row of that id, or write where it does not ([] adds to a list)."
                    ),
                ),
            };
            problems.cell(&row.place, format!("{}/{}", map.id, row.id), "to", said);
        }
    }
}

/// Steps of a target with the row that ends there.
type At<'p> = (&'p [Step], &'p Rule);

/// Whether one of two rows takes what the other has written. `within`: the earlier is a row inside what a row writes as
/// a whole, and the later a part of that.
fn clash(plan: &Plan, earlier: At<'_>, later: At<'_>, within: bool) -> Option<Clash> {
    let (above, below) = (earlier.0, later.0);
    for (n, (a, b)) in above.iter().zip(below).enumerate() {
        let chosen = |one: &Step, other: &Step| one.choice.iter().any(|(_, key)| *key == other.key);
        if chosen(a, b) {
            return part(plan, earlier.1, (&below[n + 1..], later.1), true).then_some(Clash::Part);
        }
        if chosen(b, a) {
            return part(plan, later.1, (&above[n + 1..], earlier.1), false).then_some(Clash::Part);
        }
        if a.key != b.key || !a.choice.is_empty() || !b.choice.is_empty() {
            return None;
        }
        match (&a.index, &b.index) {
            (Index::Append | Index::Named(..), Index::At(_)) => return Some(Clash::Element),
            // Where the list is shorter, a number is its end.
            (Index::At(first), Index::At(second)) if first > second => return Some(Clash::Element),
            (Index::At(first), Index::At(second)) if first != second => return None,
            (Index::Named(first, _), Index::Named(second, _)) if first != second => return None,
            (Index::Append, _) | (_, Index::Append) => return None,
            (Index::At(_), Index::Named(..)) => return None,
            _ => {}
        }
    }
    if above.len() < below.len() {
        return part(plan, earlier.1, (&below[above.len()..], later.1), true).then_some(Clash::Part);
    }
    if above.len() > below.len() {
        return part(plan, later.1, (&above[below.len()..], earlier.1), false).then_some(Clash::Part);
    }
    if within {
        let words = below.last().is_some_and(|step| plan.keys.name(step.key) == "text");
        return (!words).then_some(Clash::Part);
    }
    (earlier.1.target.text != later.1.target.text).then_some(Clash::Same)
}

/// Whether what a row writes as a whole and a part of it take from each other. `behind`: the part is written later, and
/// joins; else the whole is, and takes each of its own parts as one.
fn part(plan: &Plan, whole: &Rule, (rest, of): At<'_>, behind: bool) -> bool {
    let Some(first) = rest.first() else { return false };
    let name = plan.keys.name(first.key);
    let inner = match (&whole.source, &whole.make) {
        (Source::Each(_, Some(n)), _) | (_, Some(Make::Type(n))) => plan.inner.get(*n),
        _ => None,
    };
    if let Some(map) = inner {
        return map.rules.iter().any(|rule| {
            let steps = &rule.target.steps;
            if behind {
                return clash(plan, (steps, rule), (rest, of), true).is_some();
            }
            steps.first().is_some_and(|step| {
                step.key == first.key || step.choice.iter().any(|(_, key)| *key == first.key)
            })
        });
    }
    match &whole.make {
        Some(Make::RefType(..) | Make::RefMade { .. }) => name == "reference",
        Some(Make::Table(_) | Make::Code(_)) => coded(plan, &whole.target.kind, rest, behind),
        Some(Make::Function(n, _)) => match functions::LIST[*n].makes {
            "CodeableConcept" | "Coding" => coded(plan, &whole.target.kind, rest, behind),
            "Timing" => name == "code" && (!behind || coded(plan, "CodeableConcept", &rest[1..], behind)),
            "Ratio" => matches!(name, "numerator" | "denominator"),
            "Period" => matches!(name, "start" | "end"),
            "Quantity" | "Duration" => matches!(name, "value" | "comparator" | "unit" | "system" | "code"),
            _ => !matches!(name, "extension" | "modifierExtension" | "id"),
        },
        _ => false,
    }
}

/// As [`part`], of what a code is written as.
fn coded(plan: &Plan, kind: &str, rest: &[Step], behind: bool) -> bool {
    let Some(first) = rest.first() else { return true };
    match (kind, plan.keys.name(first.key)) {
        ("CodeableConcept", "coding") => !behind || matches!(first.index, Index::At(_)),
        ("CodeableConcept", "text") => !behind,
        ("Coding", "system" | "code" | "display") => true,
        _ => false,
    }
}

/// Whether two rows can be seen never to write in one message.
fn exclusive(a: &Rule, b: &Rule) -> bool {
    let needed: Vec<Cond> = [a, b].into_iter().flat_map(needs).collect();
    let conds: Vec<&Cond> = a.when.iter().chain(&b.when).chain(&needed).collect();
    contradicts(&conds)
}

/// What must be valued for a row to write.
fn needs(rule: &Rule) -> Vec<Cond> {
    match (&rule.source, &rule.make) {
        (Source::None, Some(Make::Text(pieces))) => pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Path(path) => Some(Cond::Valued(path.clone())),
                _ => None,
            })
            .collect(),
        (Source::From(paths), _) if paths.len() == 1 => vec![Cond::Valued(paths[0].clone())],
        _ => Vec::new(),
    }
}

/// Rows of a layer that append to a list what another row appends from the same source: it would stand there twice.
fn again(map: &Map, problems: &mut Problems) {
    for (n, row) in map.rules.iter().enumerate() {
        if row.place.layer == Rank::Shipped || !row.appends() {
            continue;
        }
        let same = |(m, other): &(usize, &Rule)| {
            // Of a chain one row writes. Of two rows of one layer the later is said.
            let (first, last) = (n.min(*m), n.max(*m));
            let chain = map.rules[first + 1..=last].iter().all(|between| between.follows);
            let below = other.place.layer < row.place.layer || other.place.layer == row.place.layer && *m < n;
            *m != n
                && below
                && !chain
                && other.target.text == row.target.text
                && format!("{:?}", other.make) == format!("{:?}", row.make)
                && one_source(&other.source, &row.source)
                && !exclusive(other, row)
        };
        let Some((_, other)) = map.rules.iter().enumerate().find(same) else { continue };
        let (to, by) = (&row.target.text, &other.id);
        let said = words(
            format!(
                "規則 {by} が、同じ元から同じものを {to} に足しているので、同じものが二つ書かれます。規則 {by} を替えるつもりなら、この行の id を {by} にします。"
            ),
            format!(
                "'{by}' adds the same from the same source to '{to}', so it would be written twice. To replace '{by}', give this row the id '{by}'."
            ),
        );
        problems.cell(&row.place, format!("{}/{}", map.id, row.id), "id", said);
    }
}

/// Whether two rows take one value: the same positions, or one of them all repetitions.
fn one_source(a: &Source, b: &Source) -> bool {
    let same = |a: &Path, b: &Path| {
        let all = |path: &Path| all_repetitions(path) || all_segments(path);
        let bare = |path: &Path| {
            let mut bare = path.clone();
            bare.repetition = Pick::First;
            match &mut bare.root {
                Root::Segment { pick, .. } => *pick = Pick::First,
                Root::Column { all, .. } => *all = false,
                _ => {}
            }
            format!("{bare:?}")
        };
        format!("{a:?}") == format!("{b:?}") || (all(a) || all(b)) && bare(a) == bare(b)
    };
    match (a, b) {
        (Source::From(a), Source::From(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Source::Each(a, first), Source::Each(b, second)) => first == second && same(a, b),
        (Source::From(paths), Source::Each(path, None)) | (Source::Each(path, None), Source::From(paths)) => {
            matches!(paths.as_slice(), [one] if same(one, path))
        }
        (Source::Fixed(a), Source::Fixed(b)) => format!("{a:?}") == format!("{b:?}"),
        (Source::None, Source::None) => true,
        _ => false,
    }
}

/// A resource inside another that no row refers to: FHIR does not take one.
fn unreferred(plan: &Plan, map: &Map, problems: &mut Problems) {
    let mut told = Vec::new();
    for rule in &map.rules {
        let Some(Step { key, index: Index::Named(name, _), .. }) = rule.target.steps.first() else {
            continue;
        };
        if plan.keys.name(*key) != "contained" || told.contains(name) {
            continue;
        }
        told.push(*name);
        let name = plan.symbols.name(*name);
        let wanted = format!("#{name}");
        let refers = |rule: &Rule| match (&rule.source, &rule.make) {
            (Source::Fixed(Fixed::Text(text)), _) => *text == wanted,
            // What it makes is known when it runs.
            (_, Some(Make::Text(pieces))) => {
                matches!(pieces.first(), Some(Piece::Literal(text)) if text.starts_with('#'))
            }
            _ => false,
        };
        if map.rules.iter().chain(plan.inner.iter().flat_map(|inner| &inner.rules)).any(refers) {
            continue;
        }
        let said = words(
            format!(
                "contained[{name}] を指す行がないので、受け手に断られます。指す要素の reference に fixed = \"{wanted}\" の行を書きます。"
            ),
            format!(
                "No row refers to contained[{name}], so the receiver would refuse it: write fixed = \"{wanted}\" to the reference of an element."
            ),
        );
        problems.cell(&rule.place, format!("{}/{}", map.id, rule.id), "to", said);
    }
}

/// A row that appends an element by one part of it: nothing else will stand in that element.
fn alone(map: &Map, rule: &Rule, problems: &mut Problems) {
    let Some(at) = rule.target.steps.iter().rposition(|step| matches!(step.index, Index::Append)) else {
        return;
    };
    let parts = split(&rule.target.text);
    let (Some(list), Some(written)) = (parts.get(..=at), parts.get(at + 1)) else { return };
    // An extension without its url is said by itself.
    if list.last().is_some_and(|last| last.starts_with("extension")) {
        return;
    }
    let path = format!("{}.{}", map.makes, list.join("."));
    let written = written.split('[').next().unwrap_or(written);
    let needed = r4::type_of(&path).and_then(r4::children).unwrap_or_default().iter().find(|element| {
        let writes = written == element.name || element.choice && written.starts_with(element.name);
        element.min > 0 && !writes
    });
    let Some(needed) = needed else { return };
    let (to, list, name) = (&rule.target.text, list.join("."), needed.name);
    let said = words(
        format!(
            "{to} は一行ごとに別の要素を足すので、その要素に必ず要る {name} が入りません。番号で書くか([0])、each と submap で要素を一度に作ります。"
        ),
        format!(
            "'{to}' adds an element of its own, without the '{name}' that {list} must have: write it by a number ([0]), or make the element as one by 'each' and a submap."
        ),
    );
    problems.cell(&rule.place, format!("{}/{}", map.id, rule.id), "to", said);
}

/// Several values for a place that has one.
fn several(map: &Map, rule: &Rule, problems: &mut Problems) {
    if rule.appends() {
        return;
    }
    let rule_id = format!("{}/{}", map.id, rule.id);
    let to = &rule.target.text;
    match &rule.source {
        Source::Each(path, _) if all_repetitions(path) => {
            let said = words(
                format!(
                    "each は繰返しのすべてを書きますが、{to} に書けるのは一つだけです。一つだけ使うなら from で番号を選び(PID-16[1])、すべて使うなら繰り返す要素に [] で書きます。"
                ),
                format!(
                    "'each' writes every repetition, but there is one '{to}': choose one by 'from' (PID-16[1]), or write to an element that repeats, with []."
                ),
            );
            problems.cell(&rule.place, rule_id, "each", said);
        }
        Source::From(paths)
            if !takes_several(rule)
                && paths.iter().any(|path| all_repetitions(path) || all_segments(path)) =>
        {
            let said = words(
                format!(
                    "[*] は値をすべて指しますが、{to} に書けるのは一つだけで、残りは黙って失われます。使うものを番号で選ぶか([1])、一つの文にするなら as = \"lines\" を使います。"
                ),
                format!(
                    "[*] means all values, but there is one '{to}', and the others would be lost: choose one by its number ([1]), or make one text of them by as = \"lines\"."
                ),
            );
            problems.cell(&rule.place, rule_id, "from", said);
        }
        _ => {}
    }
}

/// Whether a row makes one thing of several values. Kanji and kana of one doctor are two values and one reference.
fn takes_several(rule: &Rule) -> bool {
    rule.refers() || matches!(&rule.make, Some(Make::Function(n, _)) if functions::is_several(*n))
}

fn all_repetitions(path: &Path) -> bool {
    let all = matches!(path.repetition, Pick::All);
    all || match &path.root {
        Root::Segment { pick, field, .. } => *field > 0 && matches!(pick, Pick::All),
        Root::Column { all, .. } => *all,
        _ => false,
    }
}

fn all_segments(path: &Path) -> bool {
    matches!(&path.root, Root::Segment { pick: Pick::All, .. })
}
