//! Message files of which one takes the messages of another: a message is read by one file alone, the first by its id of
//! those whose `is` holds.
//!
//! Told is what can be decided from the conditions. They are taken apart into alternatives of single conditions; an
//! alternative can hold for certain where each value that it asks for can be named, and where nothing is asked of one
//! segment that only a message could answer.

use super::compile_message::MessageDraft;
use super::functions;
use super::layer::Rank;
use super::plan::{Cond, MessagePlan, Part, Path, Pick, Plan, Root, Setting};
use super::problem::{Problem, Problems, Words, words};
use std::collections::BTreeMap;

/// Alternatives of a condition that are looked at; of one with more nothing is said.
const MOST: usize = 2_000;

/// Codes of a table that are tried for a value.
const TRIED: usize = 200;

/// Ids that are named in one sentence.
const NAMED: usize = 20;

/// A text that no condition names.
const OTHER: &str = "\u{1}";

/// A condition without `and` and `or`, and whether it is to hold.
#[derive(Clone)]
struct Atom<'c> {
    cond: &'c Cond,
    holds: bool,
    about: About,
}

/// What an atom asks.
#[derive(Clone, PartialEq, Eq)]
enum About {
    /// Whether a segment is there.
    Segment(String),
    /// One value: its segment (or setting, or column), its field with the parts below it.
    Value { of: String, field: String, part: Vec<u16> },
    /// What several lines or repetitions of a segment say.
    Lines(String),
    /// Anything else.
    Several,
}

impl About {
    fn of(&self) -> Option<&str> {
        match self {
            Self::Segment(of) | Self::Value { of, .. } | Self::Lines(of) => Some(of),
            Self::Several => None,
        }
    }
}

type Alternative<'c> = Vec<Atom<'c>>;

/// How two message files stand to each other.
enum Overlap {
    /// It cannot be told that a message fits both.
    Unknown,
    /// Every message of the first fits the second, and not the other way round.
    Within,
    /// There are messages that fit both.
    Some,
}

/// Looks at every pair of message files of which a layer has written the condition of one. What is meant so is told in
/// notes: a file for a part of the messages of another, which comes first and has that part to itself.
pub(crate) fn check(plan: &Plan, drafts: &[MessageDraft], problems: &mut Problems) -> Vec<Problem> {
    let place = |message: &MessagePlan| {
        let key = if message.feed.is_some() { "feed" } else { "is" };
        drafts.iter().find(|draft| draft.id == message.id).map(|draft| (draft.at(key), key))
    };
    let mut told = Problems::default();
    for (n, own) in plan.messages.iter().enumerate() {
        let Some((at, column)) = place(own).filter(|(at, _)| at.layer > Rank::Shipped) else { continue };
        let (mut taken, mut lost, mut parted) = (Vec::new(), Vec::new(), Vec::new());
        for (m, other) in
            plan.messages.iter().enumerate().filter(|(m, other)| *m != n && other.feed == own.feed)
        {
            // Who writes a layer has its own file at hand; of two of one layer the one that is not read is named.
            let rank = place(other).map_or(Rank::Shipped, |(at, _)| at.layer);
            if rank > at.layer {
                continue;
            }
            let how = overlap(plan, own, other);
            match (how, n < m, rank == at.layer) {
                (Overlap::Unknown, ..) => {}
                (Overlap::Within, true, _) => parted.push(other.id.as_str()),
                // The other one has a part of this one's to itself, and says so.
                (_, false, true) if matches!(overlap(plan, other, own), Overlap::Within) => {}
                (_, false, _) => lost.push(other.id.as_str()),
                // The other one says it.
                (_, true, true) => {}
                (_, true, false) => taken.push(other.id.as_str()),
            }
        }
        if !taken.is_empty() || !lost.is_empty() {
            problems.cell(at, own.id.clone(), column, both(&own.id, &taken, &lost));
        }
        if !parted.is_empty() {
            told.cell(at, own.id.clone(), column, apart(&own.id, &parted));
        }
    }
    told.list
}

fn both(id: &str, taken: &[&str], lost: &[&str]) -> Words {
    let ids = |list: &[&str]| (named(list, "、", "ほか"), named(list, ", ", "and"));
    let all: Vec<&str> = taken.iter().chain(lost).copied().collect();
    let (all_ja, all_en) = ids(&all);
    // Whose messages are read by whom is said by name only where it is not one answer for all.
    let whose = |list: &[&str]| {
        let (ja, en) = ids(list);
        if list.len() == all.len() {
            ("その".to_owned(), "them".to_owned())
        } else {
            (format!("{ja} の"), format!("those of {en}"))
        }
    };
    let mut said = words(
        format!(
            "この条件は、ほかのファイルの電文にも当てはまります({all_ja})。一つの電文を読むのは、条件の合うファイルのうち、id が順(0-9、A-Z)で先のもの一つだけです。"
        ),
        format!(
            "This condition also holds for messages of other files ({all_en}). A message is read by one file alone, the one whose id comes first (0-9, A-Z) of those that fit."
        ),
    );
    if !taken.is_empty() {
        let (ja, en) = whose(taken);
        said.ja += &format!("{ja}電文は {id} が読み、もとのファイルの規則は使われません。");
        said.en += &format!(" '{id}' reads {en}, and what the other files would make of them is not made.");
    }
    if !lost.is_empty() {
        let (ja, en) = whose(lost);
        said.ja += &format!("{ja}電文はこれまでどおりもとのファイルが読み、{id} は読みません。");
        said.en += &format!(" '{id}' does not read {en}: the other files do, as before.");
    }
    said.ja += "その電文に当てはまらないように条件を足します(MSH-9.2 = '…'、and not (…))。置き換えるつもりなら、同じ id で書くか、使わないファイルを off = true で止めます。";
    said.en += " Add to the condition so that it does not hold for them (MSH-9.2 = '…', and not (…)). To replace a file, write under its id, or switch it off with off = true.";
    said
}

fn apart(id: &str, parted: &[&str]) -> Words {
    let (ja, en) = (named(parted, "、", "ほか"), named(parted, ", ", "and"));
    words(
        format!(
            "この条件の電文はどれも {ja} の条件にも合います。id が順で先の {id} だけが読み、{ja} の規則はその電文に使われません。"
        ),
        format!(
            "All messages of this condition fit {en} too: '{id}' alone reads them, its id comes first, and what {en} would make of them is not made."
        ),
    )
}

fn named(ids: &[&str], between: &str, more: &str) -> String {
    let mut out = ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(between);
    if let Some(rest) = ids.len().checked_sub(NAMED).filter(|rest| *rest > 0) {
        out += &format!(" {more} {rest}");
    }
    out
}

fn overlap(plan: &Plan, own: &MessagePlan, other: &MessagePlan) -> Overlap {
    // A condition that is missing is said where it is.
    let missing = |message: &MessagePlan| {
        message.feed.is_none() && matches!(&message.is, Cond::All(list) if list.is_empty())
    };
    if missing(own) || missing(other) {
        return Overlap::Unknown;
    }
    let (Some(a), Some(b)) = (alternatives(plan, &own.is, true), alternatives(plan, &other.is, true)) else {
        return Overlap::Unknown;
    };
    let meet = a.iter().any(|a| b.iter().any(|b| of_a_kind(a, b) && possible(plan, &[a, b])));
    if !meet {
        return Overlap::Unknown;
    }
    // Nothing of the one is outside the other.
    let within = |of: &[Alternative<'_>], outside: Option<Vec<Alternative<'_>>>| {
        outside.is_some_and(|outside| {
            of.iter().all(|one| outside.iter().all(|other| impossible(plan, &[one, other])))
        })
    };
    let inside = within(&a, alternatives(plan, &other.is, false));
    if inside && !within(&b, alternatives(plan, &own.is, false)) { Overlap::Within } else { Overlap::Some }
}

/// A condition, or its opposite, as alternatives; `None` where there are too many.
fn alternatives<'c>(plan: &Plan, cond: &'c Cond, holds: bool) -> Option<Vec<Alternative<'c>>> {
    match (cond, holds) {
        (Cond::Not(inner), holds) => alternatives(plan, inner, !holds),
        (Cond::Shared(_, inner) | Cond::Around(_, inner), holds) => alternatives(plan, inner, holds),
        (Cond::All(list), true) | (Cond::Any(list), false) => {
            let mut out: Vec<Alternative<'c>> = vec![Vec::new()];
            for cond in list {
                let more = alternatives(plan, cond, holds)?;
                if out.len() * more.len() > MOST {
                    return None;
                }
                out = out
                    .iter()
                    .flat_map(|one| more.iter().map(move |other| [one.as_slice(), other].concat()))
                    .collect();
            }
            Some(out)
        }
        (Cond::Any(list), true) | (Cond::All(list), false) => {
            let mut out = Vec::new();
            for cond in list {
                out.extend(alternatives(plan, cond, holds)?);
            }
            (out.len() <= MOST).then_some(out)
        }
        (atom, holds) => Some(vec![vec![Atom { cond: atom, holds, about: about(plan, atom) }]]),
    }
}

/// Whether the folder of a file and its type, which belong together, are not mixed of two conditions: one that names a
/// folder alone is for the messages of that folder, whatever their type.
fn of_a_kind(a: &Alternative<'_>, b: &Alternative<'_>) -> bool {
    let names = |list: &Alternative<'_>, wanted: &dyn Fn(&About) -> bool| {
        list.iter().any(|atom| atom.holds && matches!(atom.cond, Cond::In(..)) && wanted(&atom.about))
    };
    let folder = |about: &About| about.of() == Some("folder");
    let kind = |about: &About| matches!(about, About::Value { of, field, part } if of == "MSH" && field.starts_with('9') && *part == [1]);
    match (names(a, &folder), names(b, &folder)) {
        (true, false) => names(a, &kind),
        (false, true) => names(b, &kind),
        _ => true,
    }
}

fn about(plan: &Plan, cond: &Cond) -> About {
    let Some(path) = cond.path() else { return About::Several };
    let valued = matches!(cond, Cond::Valued(_));
    let one = |pick: &Pick| matches!(pick, Pick::First | Pick::Nth(_));
    let value = |of: String, field: String| About::Value { of, field, part: part(path, valued) };
    match &path.root {
        Root::Segment { around: None, name, pick, field } => {
            let of = plan.symbols.name(*name).to_owned();
            let numbers = path.parts.iter().all(|part| matches!(part, Part::Number(_)));
            match (field, one(pick) && one(&path.repetition) && numbers) {
                (0, true) if valued => About::Segment(of),
                (1.., true) => value(of, format!("{field} {pick:?} {:?}", path.repetition)),
                _ => About::Lines(of),
            }
        }
        Root::Column { name, all } => {
            let of = format!("col({})", plan.symbols.name(*name));
            if *all { About::Lines(of) } else { value(of, String::new()) }
        }
        Root::Setting(Setting::Folder) => value("folder".to_owned(), String::new()),
        Root::Setting(setting) => value(format!("{setting:?}"), String::new()),
        _ => About::Several,
    }
}

/// The parts of a path. A field that is read as text is its first component; whether it is valued is asked of all.
fn part(path: &Path, valued: bool) -> Vec<u16> {
    let parts: Vec<u16> = path
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Number(n) => Some(*n),
            Part::Name(_) => None,
        })
        .collect();
    if parts.is_empty() && !valued { vec![1] } else { parts }
}

/// The atoms of one value.
type OfValue<'a, 'c> = Vec<&'a Atom<'c>>;

/// What alternatives ask together, by what it is asked of: each thing once.
fn asked<'a, 'c>(all: &[&'a Alternative<'c>]) -> BTreeMap<&'a str, Vec<&'a Atom<'c>>> {
    let mut out: BTreeMap<&str, Vec<&Atom<'_>>> = BTreeMap::new();
    for atom in all.iter().flat_map(|one| one.iter()) {
        let list = out.entry(atom.about.of().unwrap_or_default()).or_default();
        if !list.iter().any(|known| known.holds == atom.holds && same(known.cond, atom.cond)) {
            list.push(atom);
        }
    }
    out
}

/// Two conditions are the same where they print the same.
fn same(a: &Cond, b: &Cond) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

fn by_value<'a, 'c>(atoms: &[&'a Atom<'c>]) -> Vec<OfValue<'a, 'c>> {
    let mut out: Vec<OfValue<'_, '_>> = Vec::new();
    for atom in atoms.iter().filter(|atom| matches!(atom.about, About::Value { .. })) {
        match out.iter_mut().find(|list| list[0].about == atom.about) {
            Some(list) => list.push(atom),
            None => out.push(vec![atom]),
        }
    }
    out
}

/// Whether a message can be named for which all of it holds.
fn possible(plan: &Plan, all: &[&Alternative<'_>]) -> bool {
    asked(all).into_iter().all(|(of, atoms)| {
        if of.is_empty() {
            return false;
        }
        if atoms.iter().any(|atom| matches!(atom.about, About::Lines(_))) {
            // A line that fits, or none: told where nothing else is asked of that segment.
            return atoms.len() == 1;
        }
        let values = by_value(&atoms);
        let absent = atoms.iter().any(|atom| matches!(atom.about, About::Segment(_)) && !atom.holds);
        let here = atoms.iter().any(|atom| matches!(atom.about, About::Segment(_)) && atom.holds);
        let apart = values.iter().enumerate().all(|(n, a)| values[..n].iter().all(|b| are_apart(a, b)));
        let fits = |list: &OfValue<'_, '_>, text: &str| list.iter().all(|atom| answers(plan, atom, text));
        apart
            && !(absent && here)
            && values.iter().all(|list| match absent {
                true => fits(list, ""),
                false => texts(plan, list).iter().any(|text| fits(list, text)),
            })
    })
}

/// Whether no value is a part of the other.
fn are_apart(a: &OfValue<'_, '_>, b: &OfValue<'_, '_>) -> bool {
    let (About::Value { field: a, part: first, .. }, About::Value { field: b, part: second, .. }) =
        (&a[0].about, &b[0].about)
    else {
        return false;
    };
    a != b || !(first.starts_with(second) || second.starts_with(first))
}

/// Whether no message can be named: a value that is asked for cannot be.
fn impossible(plan: &Plan, all: &[&Alternative<'_>]) -> bool {
    asked(all).into_values().any(|atoms| {
        let against = |a: &&Atom<'_>, b: &&Atom<'_>| a.holds != b.holds && same(a.cond, b.cond);
        if atoms.iter().enumerate().any(|(n, a)| atoms[..n].iter().any(|b| against(a, b))) {
            return true;
        }
        let absent = atoms.iter().any(|atom| matches!(atom.about, About::Segment(_)) && !atom.holds);
        by_value(&atoms).into_iter().any(|mut list| {
            // What the other kinds ask for is not written out.
            list.retain(|atom| matches!(atom.cond, Cond::Valued(_) | Cond::In(..) | Cond::Starts(..)));
            let fits = |text: &str| list.iter().all(|atom| answers(plan, atom, text));
            if absent { !fits("") } else { !texts(plan, &list).iter().any(|text| fits(text)) }
        })
    })
}

/// Whether a value is as an atom wants it; an empty text is none.
fn answers(plan: &Plan, atom: &Atom<'_>, text: &str) -> bool {
    let there = !text.is_empty();
    let holds = match atom.cond {
        Cond::Valued(_) => there,
        Cond::In(_, list) => there && list.iter().any(|one| one == text),
        Cond::Starts(_, list) => there && list.iter().any(|one| text.starts_with(one.as_str())),
        Cond::Ends(_, list) => there && list.iter().any(|one| text.ends_with(one.as_str())),
        Cond::InTable(_, table) => {
            there && plan.tables.get(*table).is_some_and(|table| table.by_source.contains_key(text))
        }
        Cond::Number(_) => functions::number(text).is_some(),
        Cond::Date(_) => functions::is_date(text),
        _ => return false,
    };
    holds == atom.holds
}

/// Texts to try for a value: what its conditions name, none at all, and another.
fn texts(plan: &Plan, atoms: &[&Atom<'_>]) -> Vec<String> {
    let mut out = vec![String::new(), OTHER.to_owned(), "1".to_owned(), "20240401".to_owned()];
    for atom in atoms {
        match atom.cond {
            Cond::In(_, list) => out.extend(list.iter().cloned()),
            Cond::Starts(_, list) => {
                out.extend(list.iter().flat_map(|one| [one.clone(), format!("{one}{OTHER}")]));
            }
            Cond::Ends(_, list) => {
                out.extend(list.iter().flat_map(|one| [one.clone(), format!("{OTHER}{one}")]));
            }
            Cond::InTable(_, table) => {
                let rows = plan.tables.get(*table).map_or(&[][..], |table| &table.rows);
                out.extend(rows.iter().take(TRIED).map(|row| row.source_code.clone()));
            }
            _ => {}
        }
    }
    out
}
