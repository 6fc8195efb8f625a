//! Message files: which messages, their groups, their unit, their maps.

use super::compile::Known;
use super::compile_map::{Line, read_lines, slots};
use super::plan::{Cond, For, Group, Member, MessagePlan, Plan};
use super::problem::{Place, Problems};
use super::reader::{File, Tab};
use super::rows::Cx;
use crate::translation::{Does, Replaces};
use std::collections::HashMap;

/// A message file as written.
pub(crate) struct MessageDraft {
    pub(crate) id: String,
    pub(crate) place: Place,
    is: Option<String>,
    feed: Option<String>,
    groups: Vec<String>,
    unit: Vec<String>,
    replaces: String,
    event: Option<String>,
    event_time: Vec<String>,
    event_day: Vec<String>,
    cancel: Option<String>,
    maps: Vec<String>,
    provisional: Vec<String>,
    lets: Vec<Line>,
    skip: Vec<(Place, String)>,
}

impl MessageDraft {
    pub(crate) fn names(&self) -> Vec<String> {
        slots(&self.lets)
    }
}

pub(crate) fn read_message(tab: &mut Tab<'_>, file: &mut File<'_>) -> MessageDraft {
    let place = file.place(tab.offset);
    let id = tab.needed(file, "id");
    tab.rule.clone_from(&id);
    tab.both_languages(file, "title", true);
    let draft = MessageDraft {
        place,
        is: tab.text(file, "is"),
        feed: tab.text(file, "feed"),
        groups: tab.texts(file, "groups").unwrap_or_default(),
        unit: tab.texts(file, "unit").unwrap_or_default(),
        replaces: tab.needed(file, "replaces"),
        event: tab.text(file, "event"),
        event_time: tab.texts(file, "event_time").unwrap_or_default(),
        event_day: tab.texts(file, "event_day").unwrap_or_default(),
        cancel: tab.text(file, "cancel"),
        maps: tab.texts(file, "maps").unwrap_or_default(),
        provisional: tab.texts(file, "provisional").unwrap_or_default(),
        lets: read_lines(tab, file, "let", "name"),
        skip: read_skip(tab, file),
        id,
    };
    if draft.is.is_none() && draft.feed.is_none() {
        let offset = tab.offset;
        tab.wrong(file, offset, "is がありません。", "is is missing.");
    }
    tab.finish(file);
    draft
}

fn read_skip(tab: &mut Tab<'_>, file: &mut File<'_>) -> Vec<(Place, String)> {
    let mut out = Vec::new();
    for mut row in tab.tables(file, "skip") {
        let place = file.place(row.offset);
        let from = row.needed(file, "from");
        row.both_languages(file, "why", true);
        row.finish(file);
        out.push((place, from));
    }
    out
}

pub(crate) fn finish_message(
    draft: &MessageDraft,
    plan: &mut Plan,
    known: &Known,
    map_ids: &HashMap<String, usize>,
    problems: &mut Problems,
) -> Option<MessagePlan> {
    let (place, id) = (&draft.place, draft.id.as_str());
    let groups = groups(draft, plan, problems);
    let mut cx =
        Cx { plan, known, problems, own: Vec::new(), outer: &[], message: &[], file: place.file.clone() };
    let lets = cx.lets(&draft.lets, id);
    let is = match &draft.is {
        Some(is) => cx.condition(place, id, is),
        None => Some(Cond::All(Vec::new())),
    };
    let feed = draft.feed.as_ref().and_then(|name| {
        let found = cx.plan.layouts.iter().position(|plan| plan.layout.id == *name);
        if found.is_none() {
            let ja = format!("{name} というレイアウトがありません。");
            cx.problems.add(place, id, ja, format!("There is no layout '{name}'."));
        }
        found
    });
    let cancel = draft.cancel.as_ref().and_then(|text| cx.condition(place, id, text));
    let unit = cx.paths(place, id, &draft.unit);
    let event_time = cx.paths(place, id, &draft.event_time);
    let event_day = cx.paths(place, id, &draft.event_day);
    let mut skip = Vec::new();
    for (place, from) in &draft.skip {
        if let Some(name) = from.strip_prefix("col(").and_then(|rest| rest.strip_suffix(')')) {
            let column = feed.and_then(|n| {
                let plan = &cx.plan.layouts[n];
                Some((plan.record, *plan.columns.get(&cx.plan.symbols.find(name)?)?))
            });
            match column {
                Some(column) => skip.push(column),
                None => {
                    let ja = format!("{name} という列がありません。");
                    cx.problems.add(place, id, ja, format!("There is no column '{name}'."));
                }
            }
            continue;
        }
        let (name, field) = from.split_once('-').map_or((from.as_str(), 0), |(n, f)| {
            (n, f.split('.').next().and_then(|f| f.parse().ok()).unwrap_or(u16::MAX))
        });
        if name.len() != 3 || field == u16::MAX {
            let en = format!("skip '{from}' is neither a segment nor a field");
            cx.problems.add(place, id, format!("skip {from} はセグメントでもフィールドでもありません。"), en);
        }
        let name = cx.plan.symbols.intern(name);
        if !cx.plan.known.contains(&name) {
            cx.plan.known.push(name);
        }
        skip.push((name, field));
    }
    let replaces = match draft.replaces.as_str() {
        "unit" => Replaces::Unit,
        "list" => Replaces::List,
        "event" => Replaces::Event,
        "nothing" => Replaces::Nothing,
        other => {
            let en = format!("replaces '{other}' is not unit, list, event or nothing");
            cx.problems.add(place, id, "replaces は unit・list・event・nothing のどれかです。", en);
            Replaces::Nothing
        }
    };
    let event = match draft.event.as_deref() {
        Some("plans") => Some(Does::Plans),
        Some("opens") => Some(Does::Opens),
        Some("changes") => Some(Does::Changes),
        Some("announces") => Some(Does::Announces),
        Some("leaves") => Some(Does::Leaves),
        Some("returns") => Some(Does::Returns),
        Some("closes") => Some(Does::Closes),
        None => None,
        Some(_) => {
            cx.problems.add(
                place,
                id,
                "event は plans・opens・changes・announces・leaves・returns・closes のどれかです。",
                "event is plans, opens, changes, announces, leaves, returns or closes",
            );
            None
        }
    };
    if (replaces == Replaces::Event) != event.is_some() {
        let en = "replaces = \"event\" and event belong together";
        cx.problems.add(place, id, "replaces = \"event\" と event は組で書きます。", en);
    }
    if unit.is_empty() && draft.unit.is_empty() {
        cx.problems.add(place, id, "unit がありません。", "unit is missing.");
    }
    let mut find = |list: &[String]| -> Vec<usize> {
        let mut out = Vec::new();
        for name in list {
            match map_ids.get(name) {
                Some(n) => out.push(*n),
                None => {
                    let en = format!("There is no map '{name}'.");
                    cx.problems.add(place, id, format!("{name} というマップがありません。"), en);
                }
            }
        }
        out
    };
    let (maps, provisional) = (find(&draft.maps), find(&draft.provisional));
    check_maps(draft, &maps, &groups, cx.plan, cx.problems);
    let is: Cond = is?;
    Some(MessagePlan {
        id: draft.id.clone(),
        is,
        feed,
        groups,
        unit,
        replaces,
        event,
        event_time,
        event_day,
        cancel,
        maps,
        provisional,
        lets,
        skip,
    })
}

/// A map for a group needs a message that has it.
fn check_maps(draft: &MessageDraft, maps: &[usize], groups: &[Group], plan: &Plan, problems: &mut Problems) {
    if !problems.list.is_empty() {
        return;
    }
    for map in maps {
        let map = &plan.maps[*map];
        let group = match map.instances {
            For::Group(name) => Some(name),
            _ => None,
        };
        for name in group.into_iter().chain(map.within) {
            if !groups.iter().any(|g| g.name == name) {
                let name = plan.symbols.name(name);
                let en = format!("map '{}' is for the group {name}, which this message has not", map.id);
                let ja = format!("マップ {} が使うグループ {name} がありません。", map.id);
                problems.add(&draft.place, draft.id.clone(), ja, en);
            }
        }
    }
}

fn groups(draft: &MessageDraft, plan: &mut Plan, problems: &mut Problems) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    let names: Vec<&str> =
        draft.groups.iter().filter_map(|g| g.split_once('=').map(|(name, _)| name.trim())).collect();
    for text in &draft.groups {
        let Some((name, members)) = text.split_once('=') else {
            let en = format!("group '{text}' is not NAME = SEG SEG?");
            problems.add(&draft.place, draft.id.clone(), "groups は NAME = SEG SEG* と書きます。", en);
            continue;
        };
        let mut group = Group { name: plan.symbols.intern(name.trim()), members: Vec::new(), inner: false };
        for word in members.split_whitespace() {
            let bare = word.trim_end_matches(['?', '*', '+']);
            let mark = &word[bare.len()..];
            let inner = names.iter().position(|n| *n == bare);
            if inner.is_none() && bare.len() != 3 || mark.len() > 1 {
                let en = format!("'{word}' in group {} is neither a segment nor a group", name.trim());
                problems.add(
                    &draft.place,
                    draft.id.clone(),
                    format!("{word} はセグメントでもグループでもありません。"),
                    en,
                );
                continue;
            }
            let sym = plan.symbols.intern(bare);
            if !plan.known.contains(&sym) {
                plan.known.push(sym);
            }
            group.members.push(Member {
                name: sym,
                group: inner,
                optional: mark == "?" || mark == "*",
                many: mark == "*" || mark == "+",
            });
        }
        if group.members.first().is_none_or(|m| m.group.is_some()) {
            let en = format!("group {} must begin with a segment", name.trim());
            problems.add(&draft.place, draft.id.clone(), "グループはセグメントで始まります。", en);
        }
        out.push(group);
    }
    // A group that holds itself, at any depth, would never end.
    for n in 0..out.len() {
        let (mut reached, mut at) = (vec![n], 0);
        while at < reached.len() {
            for inner in out[reached[at]].members.iter().filter_map(|m| m.group) {
                if inner == n {
                    let en = "a group holds itself";
                    problems.add(&draft.place, draft.id.clone(), "グループが自分を含んでいます。", en);
                    return Vec::new();
                }
                if !reached.contains(&inner) {
                    reached.push(inner);
                }
            }
            at += 1;
        }
        for inner in reached.into_iter().skip(1) {
            out[inner].inner = true;
        }
    }
    out
}
