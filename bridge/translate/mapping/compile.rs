//! From files to a plan: everything that can be wrong with a set is found here, all of it at once.

use super::SourceFile;
use super::compile_map::{Draft, Parts, finish_map, read_map};
use super::compile_message::{finish_message, read_message};
use super::functions;
use super::plan::{For, LayoutPlan, Make, Map, Plan, Source, TestPlan};
use super::problem::{Place, Problem, Problems};
use super::reader::{File, Tab, line_starts};
use super::table;
use crate::feed;
use crate::fhir::Keys;
use std::collections::HashMap;
use std::sync::Arc;
use toml::de::DeTable;

/// What is read before maps can be compiled.
pub(crate) struct Known {
    /// Table name → index.
    pub(crate) tables: HashMap<String, usize>,
    /// Datatype map id → index in `inner`.
    pub(crate) types: HashMap<String, usize>,
    /// `(file, submap id)` → index in `inner`.
    pub(crate) submaps: HashMap<(Arc<str>, String), usize>,
    /// Extension name → (url, key of its value).
    pub(crate) extensions: HashMap<String, (String, String)>,
    /// Slice name → fixed places.
    pub(crate) slices: HashMap<String, Vec<(Vec<String>, String)>>,
}

/// Submaps and datatype maps call each other this deep at most.
const MAX_DEPTH: usize = 6;

/// Rules that one value may run through submaps and datatype maps: far above any real set, and a bound on time.
const MAX_COST: usize = 2_000;

pub(crate) fn compile(mut files: Vec<SourceFile>) -> Result<Plan, Vec<Problem>> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut problems = Problems::default();
    let mut plan = Plan { keys: Keys::new(), ..Plan::default() };
    let mut known = Known {
        tables: HashMap::new(),
        types: HashMap::new(),
        submaps: HashMap::new(),
        extensions: HashMap::new(),
        slices: HashMap::new(),
    };
    for file in &files {
        read_table(file, &mut plan, &mut known, &mut problems);
    }
    plan.code_systems = known.tables.get("code-systems").copied();
    plan.table_names = table_names(&known);

    // Documents must outlive what is read from them.
    let mut documents = Vec::new();
    for file in &files {
        if !file.path.ends_with(".toml") {
            continue;
        }
        let name: Arc<str> = file.path.as_str().into();
        let lines = line_starts(&file.text);
        let (document, errors) = DeTable::parse_recoverable(&file.text);
        for error in &errors {
            let line = error.span().map_or(0, |s| lines.partition_point(|start| *start <= s.start));
            let place = Place { file: name.clone(), line };
            let en = format!("The file is no TOML: {}", error.message());
            problems.add(&place, "", "TOML として読めません。", en);
        }
        if errors.is_empty() {
            documents.push((name, lines, document));
        }
    }
    let (mut maps, mut inner, mut messages, mut tests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, lines, document) in &documents {
        let mut file = File { name: name.clone(), lines: lines.clone(), problems: &mut problems };
        let mut root = Tab::new(document.get_ref(), 0, "");
        match folder(name) {
            "messages" => {
                if let Some(mut tab) = single(&mut root, &mut file, "message") {
                    messages.push(read_message(&mut tab, &mut file));
                }
            }
            "maps" => {
                let owner = maps.len();
                if let Some(mut tab) = single(&mut root, &mut file, "map") {
                    maps.push(read_map(&mut tab, &mut file, Parts::Map, None));
                    for mut tab in root.tables(&mut file, "submap") {
                        inner.push(read_map(&mut tab, &mut file, Parts::Submap, Some(owner)));
                    }
                    tests.extend(
                        root.tables(&mut file, "test").into_iter().map(|t| (t, name.clone(), Some(owner))),
                    );
                }
            }
            "types" => {
                for mut tab in root.tables(&mut file, "type") {
                    inner.push(read_map(&mut tab, &mut file, Parts::Type, None));
                }
                tests.extend(root.tables(&mut file, "test").into_iter().map(|t| (t, name.clone(), None)));
            }
            "feeds" => {
                if let Some((layout, place)) = feed::layout::read(&mut root, &mut file) {
                    add_layout(layout, &place, &mut plan, file.problems);
                }
            }
            _ => {
                let place = Place { file: name.clone(), line: 0 };
                let ja = "置き場所は feeds・messages・maps・types・tables のどれかです。";
                let en = "A file belongs into feeds, messages, maps, types or tables.";
                file.problems.add(&place, "", ja, en);
                continue;
            }
        }
        root.finish(&mut file);
    }
    register(&maps, &inner, &mut known, &mut problems);
    let map_ids: HashMap<String, usize> = maps.iter().enumerate().map(|(n, d)| (d.id.clone(), n)).collect();
    // Names of the map around a submap.
    let outer: Vec<Vec<String>> = maps.iter().map(Draft::names).collect();
    let message_names: Vec<String> =
        messages.iter().flat_map(|m: &super::compile_message::MessageDraft| m.names()).collect();
    for draft in &inner {
        let outer = draft.owner.map_or(&[][..], |o| outer[o].as_slice());
        let map = finish_map(draft, &mut plan, &known, &map_ids, outer, &message_names, &mut problems);
        plan.inner.push(map);
    }
    for draft in &maps {
        let map = finish_map(draft, &mut plan, &known, &map_ids, &[], &message_names, &mut problems);
        plan.maps.push(map);
    }
    link_types(&mut plan, &map_ids, &mut problems);
    refuse_recursion(&plan, &mut problems);
    let mut seen: HashMap<String, ()> = HashMap::new();
    for draft in &messages {
        if seen.insert(draft.id.clone(), ()).is_some() {
            let ja = format!("{} が二つあります。", draft.id);
            problems.add(&draft.place, draft.id.clone(), ja, "There are two message files of this id.");
        }
        if let Some(message) = finish_message(draft, &mut plan, &known, &map_ids, &mut problems) {
            plan.messages.push(message);
        }
    }
    plan.messages.sort_by(|a, b| a.id.cmp(&b.id));
    check_columns(&plan, &mut problems);
    for (mut tab, name, owner) in tests {
        let lines = documents.iter().find(|d| d.0 == name).map(|d| d.1.clone()).unwrap_or_default();
        let mut file = File { name: name.clone(), lines, problems: &mut problems };
        if let Some(test) = read_test(&mut tab, &mut file, owner, &known) {
            plan.tests.push(test);
        }
        tab.finish(&mut file);
    }
    if problems.list.is_empty() {
        return Ok(plan);
    }
    problems.list.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    problems.list.dedup();
    Err(problems.list)
}

/// The name of each table, by its place.
fn table_names(known: &Known) -> Vec<String> {
    let mut names = vec![String::new(); known.tables.len()];
    for (name, n) in &known.tables {
        names[*n].clone_from(name);
    }
    names
}

fn add_layout(layout: feed::Layout, place: &Place, plan: &mut Plan, problems: &mut Problems) {
    if plan.layouts.iter().any(|known| known.layout.id == layout.id) {
        let ja = format!("{} というレイアウトが二つあります。", layout.id);
        problems.add(place, layout.id.clone(), ja, "There are two layouts of this id.");
    }
    let record = plan.symbols.intern(&layout.record);
    if !plan.known.contains(&record) {
        plan.known.push(record);
    }
    let names = layout.columns.iter().map(|column| plan.symbols.intern(&column.name));
    let columns = names.zip(1..).collect();
    plan.layouts.push(LayoutPlan { layout, record, columns });
}

/// Every column that a path names is one of the layouts whose messages the path is for.
fn check_columns(plan: &Plan, problems: &mut Problems) {
    if !problems.list.is_empty() {
        return;
    }
    for used in &plan.columns_used {
        let id = used.rule.split('/').next().unwrap_or_default();
        let of_file = |map: &usize| plan.maps[*map].place.file == used.place.file;
        let for_it =
            |message: &&super::plan::MessagePlan| message.id == id || message.maps.iter().any(of_file);
        let missing =
            plan.messages.iter().filter(for_it).find(|message| {
                message.feed.is_none_or(|n| !plan.layouts[n].columns.contains_key(&used.name))
            });
        if let Some(message) = missing {
            let name = plan.symbols.name(used.name);
            let ja = format!("{} の電文に {name} という列はありません。", message.id);
            let en = format!("The messages of {} have no column '{name}'.", message.id);
            problems.add(&used.place, used.rule.clone(), ja, en);
        }
    }
}

fn folder(path: &str) -> &str {
    path.rsplit(['/', '\\']).nth(1).unwrap_or_default()
}

fn single<'t>(root: &mut Tab<'t>, file: &mut File<'_>, key: &str) -> Option<Tab<'t>> {
    let found = root.take(key).and_then(|(offset, value)| value.as_table().map(|t| Tab::new(t, offset, "")));
    if found.is_none() {
        root.wrong(file, 0, &format!("[{key}] がありません。"), &format!("[{key}] is missing."));
    }
    found
}

fn read_table(file: &SourceFile, plan: &mut Plan, known: &mut Known, problems: &mut Problems) {
    // `tables/NAME.csv`, or a part of it, `tables/NAME/PART.csv`: one laboratory's rows in a file of their own.
    let mut parts = file.path.rsplit(['/', '\\']).skip(1);
    let of_table = match (parts.next(), parts.next()) {
        (Some("tables"), _) => None,
        (Some(table), Some("tables")) if file.path.ends_with(".csv") => Some(table),
        _ => return,
    };
    let name: Arc<str> = file.path.as_str().into();
    if let Some(table) = of_table {
        let read = table::read(&name, &file.text, problems);
        match known.tables.get(table) {
            Some(n) => plan.tables[*n].join(read),
            None => {
                known.tables.insert(table.to_owned(), plan.tables.len());
                plan.tables.push(read);
            }
        }
        return;
    }
    let Some(stem) = file.path.rsplit(['/', '\\']).next().and_then(|f| f.strip_suffix(".csv")) else {
        return;
    };
    match stem {
        "extensions" => {
            for (_, cells) in table::rows(&name, &file.text, &["name", "url", "value"], problems) {
                known.extensions.insert(cells[0].clone(), (cells[1].clone(), cells[2].clone()));
            }
        }
        "slices" => {
            for (_, cells) in table::rows(&name, &file.text, &["name", "path", "value"], problems) {
                let path = cells[1].split('.').map(str::to_owned).collect();
                known.slices.entry(cells[0].clone()).or_default().push((path, cells[2].clone()));
            }
        }
        _ => {
            let table = table::read(&name, &file.text, problems);
            match known.tables.get(stem) {
                Some(n) => plan.tables[*n].join(table),
                None => {
                    known.tables.insert(stem.to_owned(), plan.tables.len());
                    plan.tables.push(table);
                }
            }
        }
    }
}

fn register(maps: &[Draft], inner: &[Draft], known: &mut Known, problems: &mut Problems) {
    let mut ids: HashMap<&str, ()> = HashMap::new();
    for draft in maps {
        if !draft.id.is_empty() && ids.insert(&draft.id, ()).is_some() {
            let ja = format!("{} というマップが二つあります。", draft.id);
            problems.add(&draft.place, draft.id.clone(), ja, "There are two maps of this id.");
        }
    }
    for (n, draft) in inner.iter().enumerate() {
        let twice = if draft.parts == Parts::Type {
            if functions::find(&draft.id).is_some() {
                let ja = format!("{} は組み込みの関数の名です。", draft.id);
                problems.add(&draft.place, draft.id.clone(), ja, "A built-in function has this name.");
            }
            known.types.insert(draft.id.clone(), n).is_some()
        } else {
            known.submaps.insert((draft.place.file.clone(), draft.id.clone()), n).is_some()
        };
        if twice {
            let ja = format!("{} が二つあります。", draft.id);
            problems.add(&draft.place, draft.id.clone(), ja, "There are two of this id.");
        }
    }
}

/// `ref TYPE` is the one map that makes the type.
fn link_types(plan: &mut Plan, map_ids: &HashMap<String, usize>, problems: &mut Problems) {
    let makers: Vec<(String, usize)> =
        plan.maps.iter().enumerate().map(|(n, m)| (m.makes.clone(), n)).collect();
    let link = |make: &mut Option<Make>, place: &Place, rule: String, problems: &mut Problems| match make {
        Some(Make::RefType(kind, index)) => {
            let mut found = makers.iter().filter(|(makes, _)| makes == kind);
            // A map named like the type (organization for Organization) wins over others that make it.
            let named = map_ids.get(&kind.to_lowercase()).copied().filter(|n| makers[*n].0 == *kind);
            match (named, found.next(), found.next()) {
                (Some(n), _, _) => *index = Some(n),
                (None, Some((_, n)), None) => *index = Some(*n),
                (None, Some(_), Some(_)) => problems.add(
                    place,
                    rule,
                    format!("{kind} を作るマップがいくつもあります。ref made-by と書いてください。"),
                    format!("Several maps make {kind}: write 'ref made-by MAP'."),
                ),
                (None, None, _) => problems.add(
                    place,
                    rule,
                    format!("{kind} を作るマップがありません。"),
                    format!("No map makes {kind}."),
                ),
            }
        }
        Some(Make::RefMade { map, index, .. }) => match map_ids.get(map.as_str()) {
            Some(n) => *index = Some(*n),
            None => problems.add(
                place,
                rule,
                format!("{map} というマップがありません。"),
                format!("There is no map '{map}'."),
            ),
        },
        _ => {}
    };
    for map in plan.maps.iter_mut().chain(plan.inner.iter_mut()) {
        for n in 0..map.rules.len() {
            let rule = format!("{}/{}", map.id, map.rules[n].id);
            let place = map.place.clone();
            link(&mut map.rules[n].make, &place, rule, problems);
        }
    }
}

fn callees(map: &Map) -> impl Iterator<Item = usize> + '_ {
    map.rules
        .iter()
        .flat_map(|rule| {
            let used = match &rule.source {
                Source::Each(_, used) => *used,
                _ => None,
            };
            let made = match &rule.make {
                Some(Make::Type(n)) => Some(*n),
                _ => None,
            };
            [used, made]
        })
        .flatten()
}

/// Submaps and datatype maps that reach themselves, and datatype maps of `ref` that refer in a circle.
fn refuse_recursion(plan: &Plan, problems: &mut Problems) {
    /// How many rules one instance may run at most, or `None` where it calls in a circle or too deep.
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
        for callee in callees(&plan.inner[n]) {
            let (cost, below) = cost(plan, callee, depth + 1, memo)?;
            total = total.saturating_add(cost);
            deepest = deepest.max(below);
        }
        memo[n] = Some((total, deepest + 1));
        (deepest < MAX_DEPTH && total <= MAX_COST).then_some((total, deepest + 1))
    }
    let mut memo = vec![None; plan.inner.len()];
    for (n, map) in plan.inner.iter().enumerate() {
        if cost(plan, n, 0, &mut memo).is_none() {
            let ja = "自分自身を呼ぶか、深く入りすぎています。";
            let en = "It reaches itself, or calls too deep.";
            problems.add(&map.place, map.id.clone(), ja, en);
        }
    }
    // A map made by `ref` from a value may refer to others, but never in a circle.
    fn refs(plan: &Plan, map: &Map, out: &mut Vec<usize>) {
        for rule in &map.rules {
            if let Some(Make::RefType(_, Some(n)) | Make::RefMade { index: Some(n), .. }) = &rule.make
                && matches!(plan.maps[*n].instances, For::Datatype)
            {
                out.push(*n);
            }
        }
        for callee in callees(map) {
            if out.len() < 64 {
                refs(plan, &plan.inner[callee], out);
            }
        }
    }
    if !problems.list.is_empty() {
        return;
    }
    for (n, map) in plan.maps.iter().enumerate().filter(|(_, m)| matches!(m.instances, For::Datatype)) {
        let (mut reached, mut at) = (Vec::new(), 0);
        refs(plan, map, &mut reached);
        while at < reached.len() && at < 256 {
            let next = reached[at];
            at += 1;
            if next == n {
                let ja = "参照が輪になっています。";
                problems.add(&map.place, map.id.clone(), ja, "Its references lead back to itself.");
                break;
            }
            refs(plan, &plan.maps[next], &mut reached);
        }
    }
}

fn read_test(
    tab: &mut Tab<'_>,
    file: &mut File<'_>,
    owner: Option<usize>,
    known: &Known,
) -> Option<TestPlan> {
    let place = file.place(tab.offset);
    let name = tab.needed(file, "name");
    tab.rule = name.clone();
    let expect = tab.pairs(file, "expect");
    let findings = tab.texts(file, "findings").unwrap_or_default();
    let of = tab.text(file, "of");
    if expect.is_empty() && findings.is_empty() {
        let offset = tab.offset;
        tab.wrong(file, offset, "expect がありません。", "expect is missing.");
    }
    let (map, message) = match owner {
        Some(owner) => (owner, tab.needed(file, "message")),
        None => {
            let kind = tab.needed(file, "type");
            let Some(n) = known.types.get(&kind) else {
                let offset = tab.offset;
                let en = format!("There is no type '{kind}'.");
                tab.wrong(file, offset, &format!("{kind} という型がありません。"), &en);
                return None;
            };
            (*n, tab.needed(file, "value"))
        }
    };
    Some(TestPlan { place, name, map, is_type: owner.is_none(), of, message, expect, findings })
}
