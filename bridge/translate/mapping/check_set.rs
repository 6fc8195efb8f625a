//! What can be wrong between the files of a set: segments, fields and columns that nothing has, groups without the
//! segment that is sought in them, maps that reach themselves.

use super::compile_map::is_segment;
use super::layer::Rank;
use super::plan::{Cond, For, Make, Map, MessagePlan, Part, Path, Plan, Root, Source, Sym, Use, Used};
use super::problem::{Problems, Words, words};
use super::segments;
use std::collections::HashSet;

/// Submaps and datatype maps call each other this deep at most.
const MAX_DEPTH: usize = 6;

/// Rules that one value may run through submaps and datatype maps: far above any real set, and a bound on time.
const MAX_COST: usize = 2_000;

/// Everything that cells name is there. `settled`: the highest layer with a message file. It may have changed what those
/// of a lower layer hold, and whoever wrote a row of that layer is not told so.
pub(crate) fn uses(plan: &Plan, settled: Rank, problems: &mut Problems) {
    let own = own_segments(plan);
    for used in &plan.uses {
        match used.used {
            Used::Column => column(plan, used, problems),
            Used::Field(field) => {
                // A segment of the sender's own may be named by its skip: that is how it is declared.
                if !own.contains(&used.name) {
                    segment(plan, field, used, problems);
                }
            }
            Used::InGroup => {
                if !own.contains(&used.name) {
                    segment(plan, 0, used, problems);
                }
                in_group(plan, used, problems);
            }
            Used::Group => group(plan, used, settled, problems),
            Used::Made => made(plan, used, settled, problems),
            Used::Inside(group) => {
                if !own.contains(&used.name) {
                    segment(plan, 0, used, problems);
                }
                inside(plan, group, used, problems);
            }
        }
    }
}

/// Groups, records of layouts, and segments beginning with Z that a message file or a map's `for` names.
fn own_segments(plan: &Plan) -> HashSet<Sym> {
    let mut own: HashSet<Sym> = plan.layouts.iter().map(|layout| layout.record).collect();
    let z = |sym: &Sym| plan.symbols.name(*sym).starts_with('Z');
    for message in &plan.messages {
        for group in &message.groups {
            own.insert(group.name);
            own.extend(group.members.iter().map(|member| member.name).filter(z));
        }
        own.extend(message.skip.iter().map(|(name, _)| *name).filter(z));
    }
    own.extend(plan.maps.iter().filter_map(|map| match &map.instances {
        For::Segment(name) | For::By(name, _) | For::Field(name, _) => Some(*name).filter(z),
        _ => None,
    }));
    own
}

fn segment(plan: &Plan, field: u16, used: &Use, problems: &mut Problems) {
    let name = plan.symbols.name(used.name);
    let said = match segments::fields(name) {
        Some(most) if field > most => words(
            format!("{name} のフィールドは {most} までです。{name}-{field} はありません。"),
            format!("{name} has {most} fields: there is no {name}-{field}."),
        ),
        Some(_) => match out_of_reach(plan, used) {
            Some(message) => not_there(plan, used, message),
            None => return,
        },
        // No message uses the map yet: nobody has said what is sent.
        None if name.starts_with('Z')
            && !used.owner.is_empty()
            && of_messages(plan, used).next().is_none() =>
        {
            return;
        }
        None if name.starts_with('Z') => words(
            format!("{name} は、どの電文のファイルにもありません。groups か skip に書いてください。"),
            format!("No message file knows {name}: name it in groups or skip."),
        ),
        None => words(
            format!("{name} というセグメントやグループはありません。綴りを確かめてください。"),
            format!("There is no segment or group '{name}': check its spelling."),
        ),
    };
    // What reads a segment that nothing has reads nothing, as before. A group that is gone had its rows made.
    let before = problems.doubting(is_segment(name));
    problems.absent(&used.place, used.rule.clone(), &used.column, name, said);
    problems.doubting(before);
}

/// A message of a map that reads a segment which none of its messages can hold, as far as that can be told; a message
/// itself, where its own cells read one. Its `is` sees every message, and names of one with groups may tell orders of
/// other kinds by segments that are in none of them.
fn out_of_reach<'p>(plan: &'p Plan, used: &'p Use) -> Option<&'p MessagePlan> {
    let own = used.owner.is_empty();
    let all: Vec<&MessagePlan> = of_messages(plan, used).collect();
    if own && (used.column == "is" || all.iter().any(|message| !message.groups.is_empty())) {
        return None;
    }
    let out = !all.is_empty() && all.iter().all(|message| !may_hold(plan, message, used.name));
    out.then(|| all[0])
}

fn not_there(plan: &Plan, used: &Use, message: &MessagePlan) -> Words {
    let (name, id) = (plan.symbols.name(used.name), &message.id);
    let (ja, en) = if used.owner.is_empty() {
        (format!("この電文({id})"), format!("this message ({id})"))
    } else {
        (format!("このマップを使う電文({id} など)"), format!("the messages of this map ({id} …)"))
    };
    if message.feed.is_some() {
        return words(
            format!("{name} は、{ja}にはありません。HL7 でないファイルの値は col(列の名) で指します。"),
            format!("There is no {name} in {en}: what is no HL7 is read by its columns, col(NAME)."),
        );
    }
    match kind(plan, message).filter(|_| message.groups.is_empty()) {
        Some(kind) => words(
            format!(
                "{name} は、{ja}の種類({kind})の構造に入りません。綴りを確かめてください。本当に送られてくるなら、電文のファイルの groups に書きます。"
            ),
            format!(
                "{name} is in no structure of {kind}, the type of {en}: check its spelling. Where it is really sent, name it in the groups of the message file."
            ),
        ),
        None => words(
            format!("{name} は、{ja}の構造(groups)に入りません。綴りを確かめてください。"),
            format!("{name} is in no structure (groups) of {en}: check its spelling."),
        ),
    }
}

/// Whether a message may have a segment. One with groups has it not where it is a member of groups elsewhere and of none
/// here; one without groups has what the standard gives to its type; a file that is no HL7 has its patient only.
fn may_hold(plan: &Plan, message: &MessagePlan, segment: Sym) -> bool {
    let holds = |message: &MessagePlan| {
        message.groups.iter().flat_map(|group| &group.members).any(|member| member.name == segment)
    };
    let name = plan.symbols.name(segment);
    if message.skip.iter().any(|(skipped, _)| *skipped == segment) {
        true
    } else if let Some(feed) = message.feed {
        matches!(name, "MSH" | "PID") || plan.layouts[feed].record == segment
    } else if message.groups.is_empty() {
        kind(plan, message).and_then(|kind| segments::in_message(kind, name)).unwrap_or(true)
    } else {
        holds(message) || !plan.messages.iter().any(holds)
    }
}

/// The type of a message (MSH-9.1), where its `is` asks for one alone.
fn kind<'p>(plan: &Plan, message: &'p MessagePlan) -> Option<&'p str> {
    let all = match &message.is {
        Cond::All(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    all.iter().find_map(|cond| {
        let Cond::In(Path { root: Root::Segment { name, field: 9, .. }, parts, .. }, list) = cond else {
            return None;
        };
        let first = matches!(parts.as_slice(), [Part::Number(1)]) && plan.symbols.name(*name) == "MSH";
        list.first().filter(|_| first && list.len() == 1).map(String::as_str)
    })
}

/// The messages that a cell is read for.
fn of_messages<'p>(plan: &'p Plan, used: &'p Use) -> impl Iterator<Item = &'p MessagePlan> {
    let id = used.rule.split('/').next().unwrap_or_default();
    let own = |map: &usize| !used.owner.is_empty() && plan.maps[*map].id == used.owner;
    plan.messages
        .iter()
        .filter(move |message| message.id == id && used.owner.is_empty() || message.maps.iter().any(own))
}

/// A column that a path names is one of the layouts whose messages the path is for.
fn column(plan: &Plan, used: &Use, problems: &mut Problems) {
    // A layout that is not there is said where it is named.
    let unknown = |message: &MessagePlan| {
        problems.list.iter().any(|problem| problem.column == "feed" && problem.rule == message.id)
            || message.feed.is_none() && problems.unread.iter().any(|text| text.contains("[layout]"))
    };
    let missing = of_messages(plan, used).find(|message| {
        !unknown(message) && message.feed.is_none_or(|n| !plan.layouts[n].columns.contains_key(&used.name))
    });
    if let Some(message) = missing {
        let name = plan.symbols.name(used.name);
        let said = words(
            format!("{} の電文に {name} という列はありません。", message.id),
            format!("The messages of {} have no column '{name}'.", message.id),
        );
        problems.cell(&used.place, used.rule.clone(), &used.column, said);
    }
}

/// A segment that is sought in a group is a member of one.
fn in_group(plan: &Plan, used: &Use, problems: &mut Problems) {
    let missing = of_messages(plan, used).find(|message| {
        let mut members = message.groups.iter().flat_map(|group| &group.members);
        !message.groups.is_empty() && members.all(|member| member.name != used.name)
    });
    if let Some(message) = missing {
        let name = plan.symbols.name(used.name);
        let said = words(
            format!("{} の電文のグループ(groups)に {name} は入っていません。", message.id),
            format!("No group of the message {} holds {name}: see its groups.", message.id),
        );
        problems.cell(&used.place, used.rule.clone(), &used.column, said);
    }
}

/// A group that is to be around a map is one of a message that the map is for; of some message, where that cannot be
/// told: a layer may have switched off the message that has it. In the others it gives nothing.
fn group(plan: &Plan, used: &Use, settled: Rank, problems: &mut Problems) {
    let has = |message: &MessagePlan| message.groups.iter().any(|group| group.name == used.name);
    let name = plan.symbols.name(used.name);
    if !plan.messages.iter().any(has) {
        let said = words(
            format!("{name} というグループはどの電文にもありません。"),
            format!("No message has a group '{name}'."),
        );
        problems.absent(&used.place, used.rule.clone(), &used.column, name, said);
        return;
    }
    let of_map: Vec<&MessagePlan> = of_messages(plan, used).collect();
    if let Some(first) = of_map.first()
        && used.place.layer >= settled
        && !of_map.iter().any(|message| has(message))
    {
        let said = words(
            format!(
                "このマップを使う電文({} など)に {name} というグループはないので、何も見つかりません。",
                first.id
            ),
            format!("No message of this map ({} …) has a group '{name}': nothing would be found.", first.id),
        );
        problems.doubts(|problems| {
            problems.absent(&used.place, used.rule.clone(), &used.column, name, said);
        });
    }
}

/// A map whose names are asked for makes something of a message of the map that asks.
fn made(plan: &Plan, used: &Use, settled: Rank, problems: &mut Problems) {
    let name = plan.symbols.name(used.name);
    let asked = plan.maps.iter().find(|map| map.id == name);
    let of_map: Vec<&MessagePlan> = of_messages(plan, used).collect();
    let makes = |message: &MessagePlan| message.maps.iter().any(|map| plan.maps[*map].id == name);
    if let (Some(asked), Some(first)) = (asked, of_map.first())
        && used.place.layer >= settled
        && !matches!(asked.instances, For::Datatype)
        && !of_map.iter().any(|message| makes(message))
    {
        let said = words(
            format!(
                "マップ {name} は、このマップを使う電文({} など)では使われないので、何も見つかりません。",
                first.id
            ),
            format!("No message of this map ({} …) has the map '{name}': nothing would be found.", first.id),
        );
        problems.doubts(|problems| problems.cell(&used.place, used.rule.clone(), &used.column, said));
    }
}

/// A segment that is sought in a named group stands in it, or in one inside it, where a message has that group.
fn inside(plan: &Plan, group: Sym, used: &Use, problems: &mut Problems) {
    let holds = |message: &MessagePlan, n: usize| {
        let (mut reached, mut at) = (vec![n], 0);
        while at < reached.len() {
            let members = &message.groups[reached[at]].members;
            if members.iter().any(|member| member.name == used.name) {
                return true;
            }
            for inner in members.iter().filter_map(|member| member.group) {
                if !reached.contains(&inner) {
                    reached.push(inner);
                }
            }
            at += 1;
        }
        false
    };
    let places: Vec<bool> = of_messages(plan, used)
        .filter_map(|message| Some((message, message.groups.iter().position(|g| g.name == group)?)))
        .map(|(message, n)| holds(message, n))
        .collect();
    if !places.is_empty() && !places.contains(&true) {
        let (group, name) = (plan.symbols.name(group), plan.symbols.name(used.name));
        let said = words(
            format!("グループ {group} に {name} は入っていません(groups)。"),
            format!("The group {group} holds no {name}: see the groups of the message."),
        );
        problems.cell(&used.place, used.rule.clone(), &used.column, said);
    }
}

/// The submap or datatype map that a rule calls.
fn callees(rule: &super::plan::Rule) -> impl Iterator<Item = (usize, &'static str)> {
    let used = match &rule.source {
        Source::Each(_, used) => used.map(|n| (n, "use")),
        _ => None,
    };
    let made = match &rule.make {
        Some(Make::Type(n)) => Some((*n, "as")),
        _ => None,
    };
    [used, made].into_iter().flatten()
}

/// Submaps and datatype maps that reach themselves or call too deep, and datatype maps of `ref` that refer in a
/// circle; whether there are none.
pub(crate) fn recursion(plan: &Plan, problems: &mut Problems) -> bool {
    let before = problems.list.len();
    let circle = circles(plan, problems);
    too_deep(plan, &circle, problems);
    references(plan, problems);
    problems.list.len() == before
}

/// Says each rule that leads back to the map it stands in; the maps that reach a circle.
fn circles(plan: &Plan, problems: &mut Problems) -> HashSet<usize> {
    let next: Vec<Vec<usize>> =
        plan.inner.iter().map(|map| map.rules.iter().flat_map(callees).map(|(n, _)| n).collect()).collect();
    let reached = |from: usize| {
        let (mut seen, mut open) = (HashSet::from([from]), vec![from]);
        while let Some(at) = open.pop() {
            open.extend(next[at].iter().copied().filter(|n| seen.insert(*n)));
        }
        seen
    };
    let below: Vec<HashSet<usize>> = (0..plan.inner.len()).map(reached).collect();
    let mut inside = HashSet::new();
    for (n, map) in plan.inner.iter().enumerate() {
        for rule in &map.rules {
            for (callee, column) in callees(rule).filter(|(callee, _)| below[*callee].contains(&n)) {
                inside.insert(n);
                let name = &plan.inner[callee].id;
                let said = words(
                    format!("{name} をたどると {} 自身に戻り、終わりません。", map.id),
                    format!("'{name}' reaches itself again: '{}' would never end.", map.id),
                );
                problems.cell(&rule.place, format!("{}/{}", map.id, rule.id), column, said);
            }
        }
    }
    (0..plan.inner.len()).filter(|n| below[*n].iter().any(|at| inside.contains(at))).collect()
}

fn too_deep(plan: &Plan, circle: &HashSet<usize>, problems: &mut Problems) {
    /// How many rules one instance may run and how deep, or `None` where that is too much.
    fn cost(
        plan: &Plan,
        n: usize,
        depth: usize,
        memo: &mut [Option<(usize, usize)>],
    ) -> Option<(usize, usize)> {
        if let Some(known) = memo[n] {
            return Some(known);
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let (mut total, mut deepest) = (plan.inner[n].rules.len(), 0);
        for (callee, _) in plan.inner[n].rules.iter().flat_map(callees) {
            let (cost, below) = cost(plan, callee, depth + 1, memo)?;
            total = total.saturating_add(cost);
            deepest = deepest.max(below);
        }
        memo[n] = Some((total, deepest + 1));
        (deepest < MAX_DEPTH && total <= MAX_COST).then_some((total, deepest + 1))
    }
    let mut memo = vec![None; plan.inner.len()];
    for (n, map) in plan.inner.iter().enumerate().filter(|(n, _)| !circle.contains(n)) {
        if cost(plan, n, 0, &mut memo).is_none() {
            let ja = "submap や型の呼び出しが深すぎるか、多すぎます。";
            problems.add(&map.place, map.id.clone(), ja, "It calls too deep, or too much.");
        }
    }
}

fn references(plan: &Plan, problems: &mut Problems) {
    // A map made by `ref` from a value may refer to others, but never in a circle.
    fn refs(plan: &Plan, map: &Map, depth: usize, out: &mut Vec<usize>) {
        for rule in &map.rules {
            if let Some(Make::RefType(_, Some(n)) | Make::RefMade { index: Some(n), .. }) = &rule.make
                && matches!(plan.maps[*n].instances, For::Datatype)
            {
                out.push(*n);
            }
            for (callee, _) in callees(rule) {
                if out.len() < 64 && depth < MAX_DEPTH {
                    refs(plan, &plan.inner[callee], depth + 1, out);
                }
            }
        }
    }
    for (n, map) in plan.maps.iter().enumerate().filter(|(_, m)| matches!(m.instances, For::Datatype)) {
        let (mut reached, mut at) = (Vec::new(), 0);
        refs(plan, map, 0, &mut reached);
        while at < reached.len() && at < 256 {
            let next = reached[at];
            at += 1;
            if next == n {
                let ja = "参照が輪になっています。";
                problems.add(&map.place, map.id.clone(), ja, "Its references lead back to itself.");
                break;
            }
            refs(plan, &plan.maps[next], 0, &mut reached);
        }
    }
}
