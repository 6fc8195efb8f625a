//! From files to a plan: everything that can be wrong with a set is found here, all of it at once.

use super::compile_map::{Draft, Parts, finish_map, read_map};
use super::compile_message::{MessageDraft, finish_message, read_message};
use super::describe::{self, SetText, Source as Stand, TableText};
use super::direct::Slots;
use super::functions;
use super::idle;
use super::layer::{self, Layer, Rank};
use super::path::OfMap;
use super::plan::{LayoutPlan, Make, Plan, Table};
use super::problem::{Place, Problem, Problems, words};
use super::reader::{File, Tab, line_starts};
use super::syntax;
use super::table;
use super::test_draft::{TestDraft, finish_test, lay_test, read_test, shows};
use super::{check_overlap, check_place, check_profile, check_set, check_skip, check_table};
use super::{shared, siblings};
use crate::feed;
use crate::fhir::Keys;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use toml::de::DeTable;

/// What is read before maps can be compiled.
#[derive(Default)]
pub(crate) struct Known {
    /// Table name → index.
    pub(crate) tables: HashMap<String, usize>,
    /// Datatype map id → index in `inner`.
    pub(crate) types: HashMap<String, usize>,
    /// `(map, submap id)` → index in `inner`.
    pub(crate) submaps: HashMap<(String, String), usize>,
    /// What each of `inner` makes.
    pub(crate) makes: Vec<String>,
    /// Extension name → (url, key of its value).
    pub(crate) extensions: HashMap<String, (String, String)>,
    /// Slice name → fixed places.
    pub(crate) slices: HashMap<String, Vec<SliceRow>>,
    /// Map id → its place in the plan and its names.
    pub(crate) maps: HashMap<String, OfMap>,
}

/// What an element of a slice holds from the start.
pub(crate) struct SliceRow {
    pub(crate) path: Vec<String>,
    pub(crate) value: String,
    pub(crate) place: Place,
}

/// Everything read, higher layers laid over lower ones.
#[derive(Default)]
struct Drafts {
    maps: Vec<Draft>,
    inner: Vec<Draft>,
    messages: Vec<MessageDraft>,
    tests: Vec<TestDraft>,
    /// Kind, owner and id of what the layer in hand has, to find two of one id.
    seen: HashSet<(&'static str, Option<String>, String)>,
    /// Maps and messages that a higher layer switched off.
    off: Vec<(String, Stand)>,
    /// What is meant so, and told all the same.
    notes: Problems,
}

/// Compiles layers. Code tables of `below`, a set of the same layers but for the last one, are taken over where that
/// layer says nothing of them: a table of a hundred thousand codes is in memory once, however many facilities there are.
pub(crate) fn compile(
    layers: &[Layer],
    below: Option<(&Plan, &SetText)>,
) -> Result<(Plan, SetText, Vec<Problem>), Vec<Problem>> {
    let mut problems = Problems::default();
    let mut plan = Plan { keys: Keys::new(), ..Plan::default() };
    let mut known = Known::default();
    let upper = layers.last().map_or(&[][..], |layer| &layer.files);
    let said: HashSet<&str> = upper.iter().filter_map(|file| table::name_of(&file.path)).collect();
    let kept: BTreeMap<&str, &Arc<Table>> = below
        .iter()
        .flat_map(|(plan, _)| &plan.tables)
        .map(|table| (table.name.as_str(), table))
        .filter(|(name, _)| !said.contains(name))
        .collect();
    let tables = table::collect(layers, &|name| !kept.contains_key(name), &mut problems);
    let mut drafts = Drafts::default();
    for layer in layers {
        read_layer(layer, &mut drafts, &mut plan, &mut problems);
    }
    drop_what_is_off(&mut drafts, &mut problems);
    let Drafts { maps, inner, messages, tests, off, notes, .. } = drafts;
    plan.notes = notes.list;
    let mut text = describe::describe(&maps, &inner, &messages, &tables);
    text.off = off;
    for (name, rows) in tables {
        read_table(&name, rows, &mut plan, &mut known, &mut problems);
    }
    for (name, table) in kept {
        known.tables.insert(name.to_owned(), plan.tables.len());
        plan.tables.push(table.clone());
        let same = |text: &&TableText| text.name == name;
        text.tables.extend(below.and_then(|(_, text)| text.tables.iter().find(same)).cloned());
    }
    text.tables.sort_by(|a, b| a.name.cmp(&b.name));
    plan.code_systems = known.tables.get("code-systems").copied();
    plan.table_names = table_names(&known);
    register(&inner, &mut known, &mut problems);
    let map_ids: HashMap<String, usize> = maps.iter().enumerate().map(|(n, d)| (d.id.clone(), n)).collect();
    // Names of the map around a submap.
    let outer: HashMap<&str, Vec<String>> = maps.iter().map(|map| (map.id.as_str(), map.names())).collect();
    let gone = text.off.iter().map(|(id, _)| (id.clone(), OfMap { index: usize::MAX, names: Vec::new() }));
    known.maps = gone.collect();
    known.maps.extend(
        maps.iter().enumerate().map(|(index, map)| (map.id.clone(), OfMap { index, names: map.names() })),
    );
    let message_names: Vec<String> = messages.iter().flat_map(MessageDraft::names).collect();
    for draft in &inner {
        let outer = draft.owner.as_deref().and_then(|owner| outer.get(owner)).map_or(&[][..], Vec::as_slice);
        let map = finish_map(draft, &mut plan, &known, &map_ids, outer, &message_names, &mut problems);
        plan.inner.push(map);
    }
    for draft in &maps {
        let map = finish_map(draft, &mut plan, &known, &map_ids, &[], &message_names, &mut problems);
        plan.maps.push(map);
    }
    link_types(&mut plan, &map_ids, &mut problems);
    let sound = check_set::recursion(&plan, &mut problems);
    let off: Vec<String> = text.off.iter().map(|(id, _)| id.clone()).collect();
    for draft in &messages {
        if let Some(message) = finish_message(draft, &mut plan, &known, &map_ids, &off, &mut problems) {
            plan.messages.push(message);
        }
    }
    plan.messages.sort_by(|a, b| a.id.cmp(&b.id));
    plan.slots = Slots::new(&plan.known);
    let top = |has: &dyn Fn(&Layer) -> bool| {
        layers.iter().filter(|layer| has(layer)).map(|layer| layer.rank).max().unwrap_or_default()
    };
    let has_messages = |layer: &Layer| layer.files.iter().any(|file| folder(&file.path) == "messages");
    check_set::uses(&plan, top(&has_messages), &mut problems);
    problems.doubts(|problems| {
        idle::submaps(&maps, &inner, top(&|layer| !layer.files.is_empty()), problems);
        if sound {
            check_place::targets(&plan, problems);
            check_skip::still_written(&plan, &text, &messages, problems);
        }
        check_profile::table_codes(&plan, layers, problems);
        check_table::used(&plan, layers, problems);
        check_profile::references(&plan, problems);
        let notes = check_overlap::check(&plan, &messages, problems);
        plan.notes.extend(notes);
        idle::check(layers, problems);
        plan.uses = Vec::new();
        for draft in tests {
            if let Some(test) = finish_test(draft, &map_ids, &known, problems) {
                plan.tests.push(test);
            }
        }
    });
    let mut problems = problems.list;
    problems.sort_by(|a, b| (a.layer, &a.file, a.line).cmp(&(b.layer, &b.file, b.line)));
    problems.dedup();
    if problems.iter().all(|problem| problem.doubt) {
        siblings::find(&mut plan);
        shared::find(&mut plan.maps);
        return Ok((plan, text, problems));
    }
    Err(problems)
}

/// Reads the files of one layer and lays them over what is there.
fn read_layer(layer: &Layer, drafts: &mut Drafts, plan: &mut Plan, problems: &mut Problems) {
    let rank = layer.rank;
    problems.doubts(|problems| too_deep(layer, problems));
    drafts.seen.clear();
    let mut layouts = HashSet::new();
    let mut files: Vec<_> = layer.files.iter().filter(|file| file.path.ends_with(".toml")).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for source in files {
        let name: Arc<str> = source.path.as_str().into();
        let lines = line_starts(&source.text);
        let (document, errors) = DeTable::parse_recoverable(&source.text);
        if !errors.is_empty() {
            syntax::told(&Place { layer: rank, file: name.clone(), line: 0 }, &source.text, problems);
            problems.unread.push(source.text.as_str().into());
            continue;
        }
        let mut file = File { layer: rank, name: name.clone(), lines, problems };
        let mut root = Tab::new(document.get_ref(), 0, "");
        match folder(&name) {
            "messages" => {
                if let Some(mut tab) = single(&mut root, &mut file, "message") {
                    let here = |id: &str| drafts.messages.iter().any(|m| m.id == id && m.place.layer < rank);
                    let unread = waits(&tab, &file, &here);
                    let lower = drafts.messages.iter().filter(|message| message.place.layer < rank);
                    let names: Vec<&str> = lower.map(|message| message.id.as_str()).collect();
                    let lost = !unread && layer::message_lies_over_nothing(&tab, &mut file, &names);
                    let draft = read_message(&mut tab, &mut file, &|id| unread || lost || here(id));
                    if !unread
                        && !lost
                        && drafts.is_new("message", None, &draft.id, &draft.place, file.problems)
                    {
                        layer::lay_message(&mut drafts.messages, draft, file.problems);
                    }
                }
            }
            "maps" => read_map_file(&mut root, &mut file, drafts),
            "types" => {
                for mut tab in root.tables(&mut file, "type") {
                    drafts.read_inner(&mut tab, &mut file, Parts::Type, None);
                }
                for mut tab in root.tables(&mut file, "test") {
                    read_one_test(&mut tab, &mut file, None, drafts);
                }
            }
            "feeds" => {
                if let Some((layout, place)) = feed::layout::read(&mut root, &mut file) {
                    let new = layouts.insert(layout.id.clone());
                    add_layout(layout, &place, new, plan, file.problems);
                }
            }
            _ => {
                let place = Place { layer: rank, file: name.clone(), line: 0 };
                let ja = "置き場所は feeds・messages・maps・types・tables のどれかです。";
                let en = "A file belongs into feeds, messages, maps, types or tables.";
                file.problems.add(&place, "", ja, en);
                continue;
            }
        }
        root.finish(&mut file);
    }
}

fn read_map_file(root: &mut Tab<'_>, file: &mut File<'_>, drafts: &mut Drafts) {
    // A file of tests alone, where those of a map would make its own file long: each says of which map it is.
    if !root.has("map") && root.has("test") {
        for mut tab in root.tables(file, "test") {
            let owner = tab.needed(file, "map");
            read_one_test(&mut tab, file, Some(&owner), drafts);
        }
        return;
    }
    let Some(mut tab) = single(root, file, "map") else {
        for key in ["submap", "test"] {
            root.take(key);
        }
        return;
    };
    let rank = file.layer;
    let lower = |map: &&Draft| map.place.layer < rank;
    let here = |id: &str| drafts.maps.iter().filter(lower).any(|map| map.id == id);
    let unread = waits(&tab, file, &here);
    let names: Vec<&str> = drafts.maps.iter().filter(lower).map(|map| map.id.as_str()).collect();
    let lost = !unread && layer::lies_over_nothing(&tab, file, &names);
    let draft = read_map(&mut tab, file, Parts::Map, None, &|id| unread || lost || here(id));
    if unread || lost {
        // Its rows, submaps and tests are of a map that is not there.
        for key in ["submap", "test"] {
            root.take(key);
        }
        return;
    }
    let owner = draft.id.clone();
    if drafts.is_new("map", None, &owner, &draft.place, file.problems) {
        layer::lay_map(&mut drafts.maps, draft, file.problems, &mut drafts.notes);
    }
    for mut tab in root.tables(file, "submap") {
        drafts.read_inner(&mut tab, file, Parts::Submap, Some(owner.clone()));
    }
    for mut tab in root.tables(file, "test") {
        read_one_test(&mut tab, file, Some(&owner), drafts);
    }
}

/// Reads a `[[test]]`. Nothing is translated by it: what is wrong with it are doubts.
fn read_one_test(tab: &mut Tab<'_>, file: &mut File<'_>, owner: Option<&str>, drafts: &mut Drafts) {
    let before = file.problems.doubting(true);
    let test = read_test(tab, file, owner);
    lay_test(&mut drafts.tests, test, file.problems);
    file.problems.doubting(before);
}

impl Drafts {
    /// Whether the layer in hand has nothing else of that kind and id.
    fn is_new(
        &mut self,
        kind: &'static str,
        owner: Option<String>,
        id: &str,
        place: &Place,
        problems: &mut Problems,
    ) -> bool {
        let new = id.is_empty() || self.seen.insert((kind, owner, id.to_owned()));
        if !new {
            let said = match kind {
                "message" => words(
                    format!("{id} という電文のファイルが二つあります。"),
                    "There are two message files of this id.",
                ),
                "map" => {
                    words(format!("{id} というマップが二つあります。"), "There are two maps of this id.")
                }
                _ => words(format!("{id} が二つあります。"), "There are two of this id."),
            };
            problems.cell(place, id, "id", said);
        }
        new
    }

    /// A submap or a datatype map.
    fn read_inner(&mut self, tab: &mut Tab<'_>, file: &mut File<'_>, parts: Parts, owner: Option<String>) {
        let rank = file.layer;
        let below = |id: &str| {
            let same = |d: &&Draft| d.parts == parts && d.id == id && d.owner == owner;
            self.inner.iter().find(same).is_some_and(|draft| draft.place.layer < rank)
        };
        let unread = waits(tab, file, &below);
        let others =
            self.inner.iter().filter(|d| d.parts == parts && d.owner == owner && d.place.layer < rank);
        let names: Vec<&str> = others.map(|draft| draft.id.as_str()).collect();
        if !unread && layer::part_lies_over_nothing(tab, file, owner.as_deref(), &names) {
            return;
        }
        let draft = read_map(tab, file, parts, owner.clone(), &|id| unread || below(id));
        if unread {
            return;
        }
        let kind = if parts == Parts::Type { "type" } else { "submap" };
        if self.is_new(kind, owner, &draft.id, &draft.place, file.problems) {
            layer::lay_map(&mut self.inner, draft, file.problems, &mut self.notes);
        }
    }
}

/// Whether a file of a layer is about something of a lower file that could not be read.
fn waits(tab: &Tab<'_>, file: &File<'_>, here: &dyn Fn(&str) -> bool) -> bool {
    let id = tab.peek("id").unwrap_or_default();
    file.layer > Rank::Shipped && !here(id) && file.problems.is_unread(id)
}

/// Takes out what higher layers switched off as a whole, with all that belongs to it.
fn drop_what_is_off(drafts: &mut Drafts, problems: &mut Problems) {
    let stand = |place: &Place| Stand {
        layer: place.layer,
        file: place.file.to_string(),
        line: place.line,
        over: None,
    };
    let maps: Vec<String> = drafts.maps.iter().filter(|map| map.off).map(|map| map.id.clone()).collect();
    for (id, off, place) in drafts
        .maps
        .iter()
        .map(|map| (&map.id, map.off, map.at("off")))
        .chain(drafts.inner.iter().map(|map| (&map.id, map.off, map.at("off"))))
        .chain(drafts.messages.iter().map(|message| (&message.id, message.off, message.at("off"))))
    {
        if off {
            drafts.off.push((id.clone(), stand(place)));
        }
    }
    let gone = |owner: &Option<String>| owner.as_ref().is_some_and(|owner| maps.contains(owner));
    let types: Vec<String> =
        drafts.inner.iter().filter(|d| d.off && d.owner.is_none()).map(|d| d.id.clone()).collect();
    drafts
        .tests
        .retain(|test| !gone(&test.owner) && !test.kind.as_ref().is_some_and(|kind| types.contains(kind)));
    drafts.tests.retain(|test| shows(test, &drafts.maps, problems));
    drafts.inner.retain(|draft| !draft.off && !gone(&draft.owner));
    drafts.maps.retain(|map| !map.off);
    drafts.messages.retain(|message| !message.off);
}

/// Adds a layout; one of a higher layer takes the place of the one of the same id.
fn add_layout(layout: feed::Layout, place: &Place, new: bool, plan: &mut Plan, problems: &mut Problems) {
    if !new {
        let said = words(
            format!("{} というレイアウトが二つあります。", layout.id),
            "There are two layouts of this id.",
        );
        problems.cell(place, layout.id.clone(), "id", said);
        return;
    }
    plan.layouts.retain(|known| known.layout.id != layout.id);
    let record = plan.symbols.intern(&layout.record);
    if !plan.known.contains(&record) {
        plan.known.push(record);
    }
    let names = layout.columns.iter().map(|column| plan.symbols.intern(&column.name));
    let columns = names.zip(1..).collect();
    plan.layouts.push(LayoutPlan { layout, record, columns });
}

/// The name of each table, by its place.
fn table_names(known: &Known) -> Vec<String> {
    let mut names = vec![String::new(); known.tables.len()];
    for (name, n) in &known.tables {
        names[*n].clone_from(name);
    }
    names
}

/// Files of a layer that lie deeper than its places: a copy put away in a folder of its own would apply all the same.
fn too_deep(layer: &Layer, problems: &mut Problems) {
    if layer.rank == Rank::Shipped {
        return;
    }
    for file in layer.files.iter() {
        let parts: Vec<&str> = file.path.split(['/', '\\']).collect();
        let fits = match parts.as_slice() {
            ["tables", _] | ["tables", _, _] => true,
            [place, _] => *place != "tables",
            _ => parts.len() < 2,
        };
        if !fits {
            let place = Place { layer: layer.rank, file: file.path.as_str().into(), line: 0 };
            let top = parts[0];
            problems.add(
                &place,
                "",
                format!("フォルダ {top} の中にあります。層の直下の feeds・messages・maps・types・tables に置きます。しまっておく写しは層の外に出してください。"),
                format!("It lies in the folder {top}: files of a layer lie in feeds, messages, maps, types or tables at its top. Put copies that are kept outside the layer."),
            );
        }
    }
}

fn folder(path: &str) -> &str {
    path.rsplit(['/', '\\']).nth(1).unwrap_or_default()
}

/// The one table that a file is about.
fn single<'t>(root: &mut Tab<'t>, file: &mut File<'_>, key: &'static str) -> Option<Tab<'t>> {
    let found = root.take(key);
    if let Some(table) = found.and_then(|(_, value)| value.as_table()) {
        return found.map(|(offset, _)| Tab::new(table, offset, ""));
    }
    match found {
        Some((offset, _)) => root.wrong_cell(
            file,
            offset,
            key,
            &format!("[{key}] は一つのファイルに一つで、かっこは一重です。[{key}] と書きます。"),
            &format!("A file has one [{key}], in single brackets."),
        ),
        // A heading of another file, or a slip of the hand, is said by itself.
        None if root.has_heading(key) => {}
        None => root.wrong(file, 0, &format!("[{key}] がありません。"), &format!("[{key}] is missing.")),
    }
    None
}

fn read_table(
    name: &str,
    rows: Vec<table::Cells>,
    plan: &mut Plan,
    known: &mut Known,
    problems: &mut Problems,
) {
    match name {
        "extensions" => {
            for row in rows {
                known.extensions.insert(row.cells[0].clone(), (row.cells[1].clone(), row.cells[2].clone()));
            }
        }
        "slices" => {
            for row in rows {
                let path = row.cells[1].split('.').map(str::to_owned).collect();
                let slice = SliceRow { path, value: row.cells[2].clone(), place: row.place() };
                known.slices.entry(row.cells[0].clone()).or_default().push(slice);
            }
        }
        _ => {
            problems.doubts(|problems| check_table::target_systems(name, &rows, problems));
            known.tables.insert(name.to_owned(), plan.tables.len());
            plan.tables.push(Arc::new(table::build(name, rows)));
        }
    }
}

/// Makes submaps and datatype maps known by their ids.
fn register(inner: &[Draft], known: &mut Known, problems: &mut Problems) {
    for (n, draft) in inner.iter().enumerate() {
        known.makes.push(draft.makes.clone());
        match &draft.owner {
            Some(owner) => {
                known.submaps.insert((owner.clone(), draft.id.clone()), n);
            }
            None => {
                if functions::find(&draft.id).is_some() {
                    let said = words(
                        format!("{} は組み込みの関数の名です。別の名にしてください。", draft.id),
                        "A built-in function has this name.",
                    );
                    // `as` asks the types first: the set goes on as it did before there was such a function.
                    problems.doubts(|problems| problems.cell(&draft.place, draft.id.clone(), "id", said));
                }
                known.types.insert(draft.id.clone(), n);
            }
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
                (None, Some(_), Some(_)) => {
                    let said = words(
                        format!(
                            "{kind} を作るマップがいくつもあります。ref made-by マップ と書いてください。"
                        ),
                        format!("Several maps make {kind}: write 'ref made-by MAP'."),
                    );
                    problems.cell(place, rule, "as", said);
                }
                (None, None, _) => {
                    let said =
                        words(format!("{kind} を作るマップがありません。"), format!("No map makes {kind}."));
                    problems.absent(place, rule, "as", kind, said);
                }
            }
        }
        Some(Make::RefMade { map, index, .. }) => match map_ids.get(map.as_str()) {
            Some(n) => *index = Some(*n),
            None => {
                let said =
                    words(format!("{map} というマップがありません。"), format!("There is no map '{map}'."));
                problems.absent(place, rule, "as", map, said);
            }
        },
        _ => {}
    };
    for map in plan.maps.iter_mut().chain(plan.inner.iter_mut()) {
        for n in 0..map.rules.len() {
            let rule = format!("{}/{}", map.id, map.rules[n].id);
            let place = map.rules[n].place.clone();
            link(&mut map.rules[n].make, &place, rule, problems);
        }
    }
}
