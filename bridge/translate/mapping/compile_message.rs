//! Message files: which messages, their groups, their unit, their maps.

use super::compile::Known;
use super::compile_map::{Line, read_lines, read_off, slots};
use super::describe::Title;
use super::layer::{self, Rank};
use super::plan::{Cond, Each, For, Group, Member, MessagePlan, Plan, Sym, Used};
use super::problem::{Place, Problems, words};
use super::reader::{File, Tab};
use super::rows::{Cell, Cx};
use crate::translation::{Does, Replaces};
use std::collections::HashMap;

/// A message file as written, with what higher layers laid over it.
pub(crate) struct MessageDraft {
    pub(crate) id: String,
    pub(crate) place: Place,
    /// Switched off as a whole by a higher layer.
    pub(crate) off: bool,
    pub(crate) title: Title,
    is: Option<String>,
    feed: Option<String>,
    groups: Vec<String>,
    unit: Vec<String>,
    each: Vec<String>,
    parent: Vec<String>,
    continues: Option<String>,
    replaces: String,
    event: Option<String>,
    event_time: Vec<String>,
    event_day: Vec<String>,
    cancel: Option<String>,
    partial: Option<String>,
    pub(crate) maps: Vec<String>,
    provisional: Vec<String>,
    yields: Vec<String>,
    takes_back: Vec<String>,
    pub(crate) lets: Vec<Line>,
    pub(crate) skip: Vec<Skip>,
    /// Where its keys stand.
    at: HashMap<&'static str, Place>,
}

/// What is left out on purpose.
#[derive(Clone, Debug)]
pub(crate) struct Skip {
    pub(crate) place: Place,
    pub(crate) from: String,
    pub(crate) why: Title,
    /// Rules write it in some lines, and the reason is for what they leave.
    pub(crate) rest: bool,
    /// Takes away the row of a lower layer.
    pub(crate) off: bool,
    /// The layer whose row it took the place of.
    pub(crate) over: Option<Rank>,
}

/// Keys of a message file.
const KEYS: [&str; 18] = [
    "off",
    "is",
    "feed",
    "groups",
    "unit",
    "each",
    "parent",
    "continues",
    "replaces",
    "event",
    "event_time",
    "event_day",
    "cancel",
    "partial",
    "maps",
    "provisional",
    "yields",
    "takes_back",
];

impl MessageDraft {
    /// The keys of its heading that are written, for people, but those that are told by themselves.
    pub(crate) fn heading(&self) -> Vec<(&'static str, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let all = [
            ("is", text(&self.is)),
            ("feed", text(&self.feed)),
            ("groups", self.groups.join("; ")),
            ("unit", self.unit.join(", ")),
            ("each", self.each.join("; ")),
            ("parent", self.parent.join(", ")),
            ("continues", text(&self.continues)),
            ("replaces", self.replaces.clone()),
            ("event", text(&self.event)),
            ("event_time", self.event_time.join(", ")),
            ("cancel", text(&self.cancel)),
            ("partial", text(&self.partial)),
            ("provisional", self.provisional.join(", ")),
            ("yields", self.yields.join(", ")),
            ("takes_back", self.takes_back.join(", ")),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        slots(&self.lets)
    }

    /// Where a key stands; where the file's heading does for one that is not written.
    pub(crate) fn at(&self, key: &str) -> &Place {
        self.at.get(key).unwrap_or(&self.place)
    }

    /// Lays a higher layer's file of this id over it: keys take the place of keys, maps are added.
    pub(crate) fn take(&mut self, upper: Self, problems: &mut Problems) {
        if upper.title != Title::default() {
            self.title = upper.title;
        }
        let texts = [
            (&mut self.is, upper.is),
            (&mut self.feed, upper.feed),
            (&mut self.event, upper.event),
            (&mut self.cancel, upper.cancel),
            (&mut self.partial, upper.partial),
            (&mut self.continues, upper.continues),
        ];
        for (to, from) in texts {
            if from.is_some() {
                *to = from;
            }
        }
        let lists = [
            (&mut self.groups, upper.groups),
            (&mut self.unit, upper.unit),
            (&mut self.each, upper.each),
            (&mut self.parent, upper.parent),
            (&mut self.event_time, upper.event_time),
            (&mut self.event_day, upper.event_day),
        ];
        for (to, from) in lists {
            if !from.is_empty() {
                *to = from;
            }
        }
        if !upper.replaces.is_empty() {
            self.replaces = upper.replaces;
        }
        let maps = [
            (&mut self.maps, upper.maps),
            (&mut self.provisional, upper.provisional),
            (&mut self.yields, upper.yields),
            (&mut self.takes_back, upper.takes_back),
        ];
        for (to, from) in maps {
            for map in from {
                if !to.contains(&map) {
                    to.push(map);
                }
            }
        }
        self.off |= upper.off;
        self.at.extend(upper.at);
        layer::lay(&mut self.lets, upper.lets, &self.id, problems);
        // A reason that is not there any more stops nothing.
        problems.doubts(|problems| layer::lay(&mut self.skip, upper.skip, &self.id, problems));
    }
}

/// Reads a message file. `below` says whether a lower layer has one of that id: then only what changes is written.
pub(crate) fn read_message(
    tab: &mut Tab<'_>,
    file: &mut File<'_>,
    below: &dyn Fn(&str) -> bool,
) -> MessageDraft {
    let place = file.place(tab.offset);
    let id = tab.needed(file, "id");
    tab.rule.clone_from(&id);
    let off = read_off(tab, file);
    let full = !off && !below(&id);
    let at = KEYS.iter().filter(|key| tab.has(key)).map(|key| (*key, tab.place_of(file, key))).collect();
    let draft = MessageDraft {
        place,
        off,
        title: tab.both_languages(file, "title", full),
        is: tab.text(file, "is"),
        feed: tab.text(file, "feed"),
        groups: tab.texts(file, "groups").unwrap_or_default(),
        unit: tab.some_texts(file, "unit").unwrap_or_default(),
        each: tab.texts(file, "each").unwrap_or_default(),
        parent: tab.texts(file, "parent").unwrap_or_default(),
        continues: tab.text(file, "continues"),
        replaces: if full {
            tab.needed(file, "replaces")
        } else {
            tab.text(file, "replaces").unwrap_or_default()
        },
        event: tab.text(file, "event"),
        event_time: tab.texts(file, "event_time").unwrap_or_default(),
        event_day: tab.texts(file, "event_day").unwrap_or_default(),
        cancel: tab.text(file, "cancel"),
        partial: tab.text(file, "partial"),
        maps: tab.texts(file, "maps").unwrap_or_default(),
        provisional: tab.texts(file, "provisional").unwrap_or_default(),
        yields: tab.texts(file, "yields").unwrap_or_default(),
        takes_back: tab.texts(file, "takes_back").unwrap_or_default(),
        lets: read_lines(tab, file, "let", "name"),
        skip: read_skip(tab, file),
        at,
        id,
    };
    if full && draft.is.is_none() && draft.feed.is_none() {
        let offset = tab.offset;
        tab.wrong_cell(file, offset, "is", "is がありません。", "is is missing.");
    }
    tab.finish(file);
    draft
}

fn read_skip(tab: &mut Tab<'_>, file: &mut File<'_>) -> Vec<Skip> {
    let mut out = Vec::new();
    for mut row in tab.tables(file, "skip") {
        let place = file.place(row.offset);
        let from = row.needed(file, "from");
        let off = read_off(&mut row, file);
        let why = row.both_languages(file, "why", !off);
        let rest = read_rest(&mut row, file);
        row.finish(file);
        out.push(Skip { place, from, why, rest, off, over: None });
    }
    out
}

/// `rest = true`: what stands in a layer is to leave nowhere.
fn read_rest(row: &mut Tab<'_>, file: &mut File<'_>) -> bool {
    if file.layer > Rank::Shipped && row.has("rest") {
        let place = row.place_of(file, "rest");
        let said = words(
            "rest は標準の規則だけで使えます。規則が書く位置は、その規則を off = true で止めます。",
            "'rest' is for the shipped set: what a rule writes is switched off by the rule's own off = true.",
        );
        file.problems.cell(&place, row.rule.clone(), "rest", said);
    }
    row.boolean(file, "rest")
}

pub(crate) fn finish_message(
    draft: &MessageDraft,
    plan: &mut Plan,
    known: &Known,
    map_ids: &HashMap<String, usize>,
    off: &[String],
    problems: &mut Problems,
) -> Option<MessagePlan> {
    let (place, id) = (&draft.place, draft.id.as_str());
    let (groups, whole) = groups(draft, plan, problems);
    let mut cx = Cx {
        in_rules: false,
        plan,
        known,
        problems,
        own: Vec::new(),
        outer: &[],
        message: &[],
        owner: String::new(),
        value: None,
    };
    let cell = |column| Cell { place: draft.at(column), rule: id, column };
    let lets = cx.lets(&draft.lets, id);
    let is = match &draft.is {
        Some(is) => cx.condition(cell("is"), is),
        None => Some(Cond::All(Vec::new())),
    };
    let feed = draft.feed.as_ref().and_then(|name| {
        let found = cx.plan.layouts.iter().position(|plan| plan.layout.id == *name);
        if found.is_none() {
            let said = words(
                format!("{name} というレイアウトがありません(feeds/)。"),
                format!("There is no layout '{name}'."),
            );
            cx.absent(cell("feed"), name, said);
        }
        found
    });
    let cancel = draft.cancel.as_ref().and_then(|text| cx.condition(cell("cancel"), text));
    let unit = cx.paths(cell("unit"), &draft.unit);
    let event_time = cx.paths(cell("event_time"), &draft.event_time);
    let event_day = cx.paths(cell("event_day"), &draft.event_day);
    let skip = skipped(draft, feed, &mut cx);
    let replaces = match draft.replaces.as_str() {
        "unit" => Replaces::Unit,
        "list" => Replaces::List,
        "event" => Replaces::Event,
        "nothing" => Replaces::Nothing,
        other => {
            let said = words(
                "replaces は unit・list・event・nothing のどれかです。",
                format!("replaces '{other}' is not unit, list, event or nothing"),
            );
            cx.wrong(cell("replaces"), said);
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
            let said = words(
                "event は plans・opens・changes・announces・leaves・returns・closes のどれかです。",
                "event is plans, opens, changes, announces, leaves, returns or closes",
            );
            cx.wrong(cell("event"), said);
            None
        }
    };
    if (replaces == Replaces::Event) != event.is_some() {
        let en = "replaces = \"event\" and event belong together";
        cx.problems.add(place, id, "replaces = \"event\" と event は組で書きます。", en);
    }
    let each = each(draft, replaces, &groups, &mut cx);
    let partial = partial(draft, replaces, &mut cx);
    if unit.is_empty() && draft.unit.is_empty() {
        cx.problems.add(place, id, "unit がありません。", "unit is missing.");
    }
    let mut find = |list: &[String], column| -> Vec<usize> {
        let mut out = Vec::new();
        // What a higher layer switched off is in no list any more.
        for name in list.iter().filter(|name| !off.contains(name)) {
            match map_ids.get(name) {
                Some(n) => out.push(*n),
                None => {
                    let said = words(
                        format!("{name} というマップがありません。"),
                        format!("There is no map '{name}'."),
                    );
                    cx.absent(cell(column), name, said);
                }
            }
        }
        out
    };
    let (maps, provisional) = (find(&draft.maps, "maps"), find(&draft.provisional, "provisional"));
    let (yields, takes_back) = (find(&draft.yields, "yields"), find(&draft.takes_back, "takes_back"));
    if whole {
        check_maps(draft, &maps, &groups, cx.plan, cx.problems);
    }
    let is: Cond = is?;
    Some(MessagePlan {
        id: draft.id.clone(),
        is,
        feed,
        groups,
        unit,
        each,
        replaces,
        event,
        event_time,
        event_day,
        cancel,
        partial,
        maps,
        provisional,
        yields,
        takes_back,
        lets,
        skip,
    })
}

/// What divides a message among several units.
fn each(draft: &MessageDraft, replaces: Replaces, groups: &[Group], cx: &mut Cx<'_>) -> Option<Each> {
    let cell = |column| Cell { place: draft.at(column), rule: &draft.id, column };
    if draft.each.is_empty() {
        for (column, written) in
            [("parent", !draft.parent.is_empty()), ("continues", draft.continues.is_some())]
        {
            if written {
                let en = format!("{column} is nothing without each");
                cx.wrong(cell(column), words(format!("{column} は each と組で書きます。"), en));
            }
        }
        return None;
    }
    // What a lower layer divides, a higher one may leave whole.
    if draft.each == ["off"] {
        return None;
    }
    if replaces != Replaces::Unit || draft.feed.is_some() {
        let en = "each is for messages with is and replaces = \"unit\"";
        cx.wrong(cell("each"), words("each は is と replaces = \"unit\" の電文に書きます。", en));
    }
    let mut of: Option<&str> = None;
    let mut numbers = Vec::new();
    for row in &draft.each {
        let Some((group, paths)) = row.split_once(" by ") else {
            let en = format!("each '{row}' is not GROUP by SEG-f, SEG-f");
            cx.wrong(cell("each"), words("each は「まとまり by 位置, 位置」と書きます。", en));
            continue;
        };
        let group = group.trim();
        if *of.get_or_insert(group) != group {
            let en = format!("each names {group} and another group");
            cx.wrong(cell("each"), words("each の行はどれも同じまとまりです。", en));
        }
        let paths: Vec<String> = paths.split(',').map(|path| path.trim().to_owned()).collect();
        numbers.push(cx.paths(cell("each"), &paths));
    }
    let name = of?;
    let group = cx.plan.symbols.intern(name);
    if !groups.is_empty() && !groups.iter().any(|known| known.name == group) {
        let said = words(
            format!("each のまとまり {name} が、この電文の groups にありません。"),
            format!("each is of the group {name}, which this message has not"),
        );
        cx.absent(cell("each"), name, said);
    }
    let parent = cx.paths(cell("parent"), &draft.parent);
    let continues = draft.continues.as_ref().and_then(|text| cx.condition(cell("continues"), text));
    Some(Each { group, numbers, parent, continues })
}

/// When a message tells some lines of its unit alone.
fn partial(draft: &MessageDraft, replaces: Replaces, cx: &mut Cx<'_>) -> Option<Cond> {
    // What a lower layer takes for some lines, a higher one may take for the whole.
    let text = draft.partial.as_ref().filter(|text| *text != "off")?;
    let cell = Cell { place: draft.at("partial"), rule: &draft.id, column: "partial" };
    if replaces != Replaces::Unit {
        let en = "partial is for messages with replaces = \"unit\"";
        cx.wrong(cell, words("partial は replaces = \"unit\" の電文に書きます。", en));
    }
    cx.condition(cell, text)
}

/// The positions that are left out on purpose.
fn skipped(draft: &MessageDraft, feed: Option<usize>, cx: &mut Cx<'_>) -> Vec<(Sym, u16)> {
    let mut skip = Vec::new();
    for row in &draft.skip {
        let from = &row.from;
        let rule = format!("{}/{from}", draft.id);
        let cell = Cell { place: &row.place, rule: &rule, column: "from" };
        if let Some(name) = from.strip_prefix("col(").and_then(|rest| rest.strip_suffix(')')) {
            let column = feed.and_then(|n| {
                let plan = &cx.plan.layouts[n];
                Some((plan.record, *plan.columns.get(&cx.plan.symbols.find(name)?)?))
            });
            match column {
                Some(column) => skip.push(column),
                // A layout that is not there is said where it is named.
                None if feed.is_none() && draft.feed.is_some() => {}
                None => {
                    let said = words(
                        format!("{name} という列がありません。"),
                        format!("There is no column '{name}'."),
                    );
                    cx.doubts(|cx| cx.wrong(cell, said));
                }
            }
            continue;
        }
        let (name, field) = from.split_once('-').map_or((from.as_str(), 0), |(n, f)| {
            (n, f.split('.').next().and_then(|f| f.parse().ok()).unwrap_or(u16::MAX))
        });
        if name.len() != 3 || field == u16::MAX {
            let said = words(
                format!("skip {from} はセグメントでもフィールドでもありません。"),
                format!("skip '{from}' is neither a segment nor a field"),
            );
            cx.doubts(|cx| cx.wrong(cell, said));
            continue;
        }
        skip.push((cx.segment(cell, name, Used::Field(field)), field));
    }
    skip
}

/// A map for a group needs a message that has it.
fn check_maps(draft: &MessageDraft, maps: &[usize], groups: &[Group], plan: &Plan, problems: &mut Problems) {
    for map in maps {
        let map = &plan.maps[*map];
        let group = match map.instances {
            For::Group(name) => Some(name),
            _ => None,
        };
        for name in group.into_iter().chain(map.within) {
            if !groups.iter().any(|g| g.name == name) {
                let name = plan.symbols.name(name);
                let said = words(
                    format!("マップ {} が使うグループ {name} が、この電文の groups にありません。", map.id),
                    format!("map '{}' is for the group {name}, which this message has not", map.id),
                );
                problems.cell(draft.at("groups"), draft.id.clone(), "groups", said);
            }
        }
    }
}

/// The groups, and whether all of them could be read.
fn groups(draft: &MessageDraft, plan: &mut Plan, problems: &mut Problems) -> (Vec<Group>, bool) {
    let mut out: Vec<Group> = Vec::new();
    let (before, place) = (problems.list.len(), draft.at("groups"));
    let wrong = |problems: &mut Problems, ja: &str, en: String| {
        problems.cell(place, draft.id.clone(), "groups", words(ja, en));
    };
    let names: Vec<&str> =
        draft.groups.iter().filter_map(|g| g.split_once('=').map(|(name, _)| name.trim())).collect();
    for text in &draft.groups {
        let Some((name, members)) = text.split_once('=') else {
            let en = format!("group '{text}' is not NAME = SEG SEG?");
            wrong(problems, "groups は NAME = SEG SEG* と書きます。", en);
            continue;
        };
        let mut group = Group { name: plan.symbols.intern(name.trim()), members: Vec::new(), inner: false };
        for word in members.split_whitespace() {
            let bare = word.trim_end_matches(['?', '*', '+']);
            let mark = &word[bare.len()..];
            let inner = names.iter().position(|n| *n == bare);
            if inner.is_none() && bare.len() != 3 || mark.len() > 1 {
                let en = format!("'{word}' in group {} is neither a segment nor a group", name.trim());
                wrong(problems, &format!("{word} はセグメントでもグループでもありません。"), en);
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
            wrong(problems, "グループはセグメントで始まります。", en);
        }
        out.push(group);
    }
    // A group that holds itself, at any depth, would never end.
    for n in 0..out.len() {
        let (mut reached, mut at) = (vec![n], 0);
        while at < reached.len() {
            for inner in out[reached[at]].members.iter().filter_map(|m| m.group) {
                if inner == n {
                    wrong(problems, "グループが自分を含んでいます。", "a group holds itself".into());
                    return (Vec::new(), false);
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
    (out, problems.list.len() == before)
}
