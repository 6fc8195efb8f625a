//! One message, from its segments to its resources.

use super::groups::{Cut, listed};
use super::item::{Item, NOWHERE, Pos};
use super::plan::{Else, For, Map, MessagePlan, Path, Plan, Same};
use super::refer::Whereabouts;
use super::run::{Built, Inst, Instance, Named, Run, Scope};
use super::shared::Told;
use super::{MappingSet, Trace, lines, orders, patient, unread};
use crate::feed::record::Sources;
use crate::fhir::Arena;
use crate::finding::{Finding, Location, Severity};
use crate::hl7v2::Message;
use crate::profile::verdict::Verdicts;
use crate::profile::{self, tree::Node};
use crate::quick;
use crate::translation::{Context, Event, Lists, Merge, Replaces, Resource, Role, Status, Translation, Unit};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// A run over a message, before its groups are known.
pub(crate) fn start<'m>(
    set: &'m Plan,
    plan: &'m MessagePlan,
    message: &'m Message,
    context: &'m Context,
    sources: Option<&'m Sources<'m>>,
) -> Run<'m> {
    let cut = Cut::flat(message, set);
    let patient = patient::number(message, "PID", 3)
        .map(|id| context.facility.patient_id.normalise(&id))
        .unwrap_or_default();
    Run {
        set,
        plan,
        message,
        context,
        sources,
        delimiters: message.delimiters(),
        cut,
        everywhere: None,
        arena: Arena::spare(),
        findings: Vec::new(),
        unmapped: Vec::new(),
        read: vec![0; message.len()],
        looking: false,
        repeated: quick::Map::default(),
        patient,
        own: patient::own(message),
        message_lets: Vec::new(),
        instances: Rc::new(Vec::new()),
        at_segment: Whereabouts::default(),
        at_group: Whereabouts::default(),
        at_message: Whereabouts::default(),
        anywhere: Whereabouts::default(),
        built: Vec::new(),
        referred: BTreeMap::new(),
        depth: 0,
        owner: "",
        row: "",
        tracing: false,
        touched: Vec::new(),
        rows: Vec::new(),
        fitted: quick::Map::default(),
        shared: Vec::new(),
        around: quick::Map::default(),
        common: quick::Map::default(),
        composed: String::new(),
        counters: BTreeMap::new(),
    }
}

/// What is wanted besides the resources.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Plain,
    /// Where each value came from.
    Trace,
    /// What the profiles say of them.
    Check,
}

pub(crate) fn apply<'m>(
    set: &'m MappingSet,
    message: &'m Message,
    context: &'m Context,
    sources: Option<&'m Sources<'m>>,
    mode: Mode,
) -> (Translation, Vec<Trace>) {
    let plan = &set.plan;
    let mut out = Translation::held(Vec::new());
    out.control_id = message
        .first("MSH")
        .map(|msh| msh.field(10).repetition(1).component(1).text().into_owned())
        .filter(|id| !id.is_empty());
    let Some(first) = plan.messages.first() else {
        out.findings.push(Finding::error("message-type-not-mapped", Location::field("MSH", 9)));
        return (out, Vec::new());
    };
    let mut run = start(plan, first, message, context, sources);
    out.patient = (!run.patient.is_empty()).then(|| run.patient.clone());
    let scope = run.scope(Inst::Message, 1);
    let layout = context.feed.as_ref().map(|part| part.layout.as_str());
    let of_feed = |kind: &&MessagePlan| kind.feed.map(|n| plan.layouts[n].layout.id.as_str()) == layout;
    let mut told = Told::new();
    let kind = plan.messages.iter().filter(of_feed).find(|kind| {
        run.plan = kind;
        run.is(&scope, &kind.is, &mut told)
    });
    let Some(kind) = kind else {
        out.findings.push(Finding::error("message-type-not-mapped", Location::field("MSH", 9)));
        Cut::out_of_any_place(message, &mut out.findings);
        return (out, Vec::new());
    };
    out.kind = Some(kind.id.clone());
    run.plan = kind;
    run.tracing = mode == Mode::Trace;
    let mut findings = std::mem::take(&mut run.findings);
    run.cut = std::mem::take(&mut run.cut).divided(message, kind, plan, &mut findings);
    run.findings = findings;
    if run.patient.is_empty() {
        run.findings.push(Finding::error("patient-id-missing", Location::field("PID", 3)));
    }
    // What it took to tell which message this is says nothing of what becomes of a segment.
    let told_by = run.read.clone();
    let (mut left, mut made) = (Vec::new(), orders::Made::default());
    if let Some(division) = orders::divide(&mut run) {
        left = orders::make(&mut run, division, &mut out, &mut made);
    } else {
        message_lets(&mut run);
        out.unit = unit(&mut run);
        if out.unit.as_ref().is_some_and(|unit| unit.withdrawn) {
            left = vec![true; message.len()];
        } else {
            enumerate(&mut run);
            out.merge = merge(&mut run);
            make(&mut run);
        }
        lines::tell(&mut run, out.unit.as_mut(), &mut made);
    }
    if left.contains(&true) {
        orders::not_sent(&mut run, |n| left[n]);
    }
    if left.is_empty() || left.contains(&false) {
        run.merge_built();
        let (resources, found) = write(&run, (mode == Mode::Check).then_some(&set.verdicts));
        out.resources = resources;
        // Where there is one unit, and no lines are told, nothing is noted that is to be shared out.
        if !out.shares.is_empty() || kind.partial.is_some() || !kind.takes_back.is_empty() {
            made.share_out(&run, &mut out);
        }
        for (resource, built) in out.resources.iter_mut().zip(std::mem::take(&mut run.built)) {
            resource.id = built.id;
        }
        run.findings.extend(found);
        out.unread = unread::unread(&mut run, &told_by, &left);
    }
    let rows = std::mem::take(&mut run.rows);
    let traces = rows
        .into_iter()
        .map(|row| Trace {
            resource: format!("{}/{}", run.map(row.map).makes, row.id),
            path: row.path,
            rule: row.rule,
            positions: row.positions.iter().map(|pos| run.print(*pos)).filter(|p| !p.is_empty()).collect(),
        })
        .collect();
    run.arena.give_back();
    out.findings = run.findings;
    out.unmapped = run.unmapped;
    out.status = if out.has_error() { Status::Quarantined } else { Status::Translated };
    (out, traces)
}

pub(crate) fn message_lets(run: &mut Run<'_>) {
    let plan = run.plan;
    let slots = plan.lets.iter().map(|row| row.slot + 1).max().unwrap_or(0);
    // One row at a time, so that a later one may use an earlier one.
    let mut scope = run.scope(Inst::Message, 1);
    run.owner = &plan.id;
    run.lets(&plan.lets, slots, &mut scope, None);
    for row in &plan.lets {
        if !run.message_lets.iter().any(|(name, _)| *name == row.name) {
            let value = scope.lets.to_mut().get_mut(row.slot).map(std::mem::take).unwrap_or_default();
            run.message_lets.push((row.name, value));
        }
    }
    run.owner = "";
}

/// What the message is the whole of.
pub(crate) fn unit<'m>(run: &mut Run<'m>) -> Option<Unit> {
    let plan = run.plan;
    run.owner = &plan.id;
    run.row = "unit";
    // Names of a message file are its own there: the same values under their slots.
    let mut scope = run.scope(Inst::Message, 1);
    let mut lets: Vec<Named<'_>> = Vec::new();
    for row in &plan.lets {
        if lets.len() <= row.slot {
            lets.resize(row.slot + 1, Named::default());
        }
        if let Some((_, value)) = run.message_lets.iter().find(|(name, _)| *name == row.name) {
            lets[row.slot] = value.clone();
        }
    }
    scope.lets = Cow::Owned(lets);
    let mut parts: Vec<String> = Vec::new();
    let mut whole_key = true;
    for path in &plan.unit {
        let text = run.first_text(&scope, path).into_owned();
        if text.is_empty() {
            let pos = run.place(&scope, path);
            run.finding(Severity::Error, "unit-key-empty", pos);
            whole_key = false;
        }
        parts.push(text);
    }
    let kind = parts.first().cloned().unwrap_or_default();
    let withdrawn = plan.cancel.as_ref().is_some_and(|cond| run.holds(&scope, None, cond));
    let partial = plan.partial.as_ref().is_some_and(|cond| run.holds(&scope, None, cond));
    let time = order_time(run);
    let event = plan.event.map(|does| {
        let mut first = |paths: &'m [Path]| {
            let text = paths
                .iter()
                .map(|path| run.first_text(&scope, path).into_owned())
                .find(|text| !text.is_empty())?;
            let read = super::functions::seventeen(&text);
            if read.is_none() {
                run.finding(Severity::Warning, "event-time-invalid", NOWHERE);
            }
            read
        };
        let (own, mut day) = (first(&plan.event_time), first(&plan.event_day).unwrap_or_default());
        day.truncate("YYYYMMDD".len());
        Event { kind: plan.id.clone(), does, time: own.unwrap_or_else(|| time.clone()), day }
    });
    run.owner = "";
    if !whole_key || run.patient.is_empty() {
        return None;
    }
    let mut all: Vec<&str> = vec![&run.context.facility.code, "unit", &run.patient];
    all.extend(parts.iter().map(String::as_str));
    Some(Unit {
        key: run.context.id_key.id(all),
        kind,
        replaces: plan.replaces,
        incremental: plan.replaces == Replaces::List && run.context.lists == Lists::Incremental,
        withdrawn,
        event,
        time,
        // Which ones is told when its lines are known.
        lines: partial.then(Vec::new),
        takes_back: Vec::new(),
    })
}

/// 発生日時 of the file name, else MSH-7.
fn order_time(run: &mut Run<'_>) -> String {
    if let Some(file) = &run.context.file
        && file.time.len() == 17
        && file.time.bytes().all(|b| b.is_ascii_digit())
    {
        return file.time.clone();
    }
    let text = run.message.first("MSH").map(|m| m.field(7).repetition(1).component(1).text().into_owned());
    match text.as_deref().and_then(super::functions::seventeen) {
        Some(time) => time,
        // A feed whose layout names no time is ordered by arrival.
        None if run.plan.feed.is_some() => "0".repeat(17),
        None => {
            let said = Finding::warning("message-time-missing", Location::field("MSH", 7));
            if !run.findings.contains(&said) {
                run.findings.push(said);
            }
            "0".repeat(17)
        }
    }
}

/// Finds the instances of every map and their ids, in order of the maps.
pub(crate) fn enumerate(run: &mut Run<'_>) {
    let plan = run.plan;
    let mut all: Vec<Instance<'_>> = Vec::with_capacity(16);
    // Of the message itself and of each group: the map that counted there last, and how many.
    let mut ordinals: SmallVec<[(usize, usize); 16]> = smallvec![(0, 0); run.cut.instances.len() + 1];
    let mut turns: quick::Map<String, usize> = quick::Map::default();
    for (turn, n) in (1..).zip(&plan.maps) {
        let map = run.map(*n);
        turns.clear();
        let found = candidates(run, map);
        let siblings = found.len() > 1;
        for (inst, parent) in found {
            run.owner = &map.id;
            run.row = "when";
            let (counted, ordinal) = &mut ordinals[parent.map_or(0, |g| g as usize + 1)];
            if std::mem::replace(counted, turn) != turn {
                *ordinal = 0;
            }
            let mut scope = run.scope(inst, *ordinal + 1);
            if let Some(cond) = &map.only
                && !run.holds(&scope, None, cond)
            {
                continue;
            }
            if let Some(cond) = &map.when
                && !run.holds(&scope, None, cond)
            {
                if let Else::Warn(Some(code)) = &map.otherwise {
                    let pos = run.stand(&scope);
                    run.finding(Severity::Warning, code.clone(), pos);
                }
                continue;
            }
            *ordinal += 1;
            run.take(&scope);
            if !map.lets.is_empty() && !run.names_of(*n, &mut scope, siblings) {
                continue;
            }
            run.row = "key";
            let parts = run.key_parts(map, &scope);
            let event = plan.replaces == Replaces::Event && map.makes == "Encounter";
            let id = if event && parts.iter().any(|part| part.is_empty()) {
                String::new()
            } else if parts.iter().all(|part| part.is_empty()) {
                let pos = map.key.first().map_or(NOWHERE, |path| run.place(&scope, path));
                run.finding(Severity::Error, "key-empty", pos);
                continue;
            } else {
                run.id_of(map, &parts)
            };
            let id = if map.same == Same::Apart { run.apart(map, id, parts, &mut turns) } else { id };
            let Scope { inst, lets, ordinal, .. } = scope;
            all.push(Instance { map: *n, inst, lets: lets.into_owned(), ordinal, id, siblings });
        }
    }
    index(run, &all);
    run.instances = Rc::new(all);
    run.owner = "";
}

/// The two patients that the message makes one: those of a map of Patients and of another that is `like` it.
fn merge(run: &mut Run<'_>) -> Option<Merge> {
    let instances = run.instances.clone();
    let mut merges = instances.iter().filter(|one| {
        let map = run.map(one.map);
        map.like.is_some() && map.makes == "Patient"
    });
    let one = merges.next()?;
    if merges.next().is_some() {
        run.finding(Severity::Error, "merge-several", NOWHERE);
    }
    let map = run.map(one.map);
    let survivor_id = instances.iter().find(|other| Some(other.map) == map.like)?.id.clone();
    let scope = run.scope_of(one);
    let prior = run.key_parts(map, &scope).first()?.clone().into_owned();
    if prior == run.patient {
        run.finding(Severity::Error, "merge-into-itself", NOWHERE);
    }
    let survivor = run.patient.clone();
    Some(Merge { prior, prior_id: one.id.clone(), survivor, survivor_id })
}

/// Where references find instances; the first of a place wins.
fn index(run: &mut Run<'_>, all: &[Instance<'_>]) {
    run.at_segment.reserve(all.len());
    run.at_group.reserve(all.len());
    for (n, instance) in all.iter().enumerate().filter(|(_, instance)| !instance.id.is_empty()) {
        let map = instance.map;
        run.anywhere.add(map, n);
        let group = match &instance.inst {
            Inst::Segment(s) => {
                run.at_segment.add((map, *s), n);
                run.cut.owner[*s as usize]
            }
            Inst::Made(list, group) => {
                for s in list.iter() {
                    run.at_segment.add((map, *s), n);
                }
                *group
            }
            Inst::Group(g) => Some(*g),
            Inst::Field(item) => run.cut.owner[item.pos().segment as usize],
            Inst::Message | Inst::Value(_) => None,
        };
        match group {
            Some(g) => run.at_group.add((map, g), n),
            None => run.at_message.add(map, n),
        }
    }
    run.at_segment.settle();
    run.at_group.settle();
    run.at_message.settle();
    run.anywhere.settle();
}

/// Instances with the group around each: of most maps there is one.
type Candidates<'m> = SmallVec<[(Inst<'m>, Option<u32>); 2]>;

/// The instances that a map may have.
pub(super) fn candidates<'m>(run: &Run<'m>, map: &'m Map) -> Candidates<'m> {
    let cut = &run.cut;
    // The group that must be around it, at any depth.
    let within = |group: Option<u32>| match map.within {
        None => true,
        Some(name) => {
            let mut at = group;
            while let Some(g) = at {
                if cut.instances[g as usize].name == name {
                    return true;
                }
                at = cut.instances[g as usize].parent.map(|p| p as u32);
            }
            false
        }
    };
    match &map.instances {
        For::Message => smallvec![(Inst::Message, None)],
        For::Segment(name) => {
            // The header of a feed's message is not listed.
            let ours = run.plan.feed.is_some() && cut.names.first() == Some(&Some(*name));
            let listed = listed(&cut.all, *name);
            let mut out = Candidates::with_capacity(listed.len());
            let all = ours.then_some(&0).into_iter().chain(listed);
            let all = all.map(|s| (Inst::Segment(*s), cut.owner[*s as usize]));
            out.extend(all.filter(|(_, group)| within(*group)));
            out
        }
        For::Group(name) => {
            let named = || (0..).zip(&cut.instances).filter(|(_, group)| group.name == *name);
            let mut out = Candidates::with_capacity(named().count());
            let all = named().map(|(g, group)| (Inst::Group(g), group.parent.map(|p| p as u32)));
            out.extend(all.filter(|(_, parent)| within(*parent)));
            out
        }
        For::By(name, paths) => by_fields(run, map, *name, paths),
        For::Field(name, field) => by_repetition(run, *name, *field, within),
        For::Datatype | For::Nothing => Candidates::new(),
    }
}

/// `SEG-f`: the repetitions of the field that are valued.
fn by_repetition<'m>(
    run: &Run<'m>,
    name: super::plan::Sym,
    field: u16,
    within: impl Fn(Option<u32>) -> bool,
) -> Candidates<'m> {
    let mut out = Candidates::new();
    for s in listed(&run.cut.all, name) {
        let group = run.cut.owner[*s as usize];
        if !within(group) {
            continue;
        }
        let value = run.message.segment(*s as usize).field(usize::from(field));
        for (n, repetition) in value.repetitions().enumerate() {
            let pos = Pos { segment: *s, field, repetition: (n + 1) as u16, component: 0, subcomponent: 0 };
            let item = Item::Repetition(repetition, pos);
            if item.valued(&run.delimiters) {
                out.push((Inst::Field(item), group));
            }
        }
    }
    out
}

/// `SEG by .n, .m`: the segments of the enclosing instance that share the fields.
fn by_fields<'m>(
    run: &Run<'m>,
    map: &'m Map,
    name: super::plan::Sym,
    paths: &'m [super::plan::Path],
) -> Candidates<'m> {
    let cut = &run.cut;
    let mut order: Vec<(Option<u32>, Vec<String>)> = Vec::new();
    let mut lists: HashMap<(Option<u32>, Vec<String>), Vec<u32>> = HashMap::new();
    for s in (0..cut.names.len() as u32).filter(|s| cut.names[*s as usize] == Some(name)) {
        let mut group = cut.owner[s as usize];
        if let Some(wanted) = map.within {
            while let Some(g) = group
                && cut.instances[g as usize].name != wanted
            {
                group = cut.instances[g as usize].parent.map(|p| p as u32);
            }
            if group.is_none() {
                continue;
            }
        }
        let segment = run.message.segment(s as usize);
        let text = |path: &super::plan::Path| match path.parts.as_slice() {
            [super::plan::Part::Number(field), rest @ ..] => {
                let repetition = segment.field(usize::from(*field)).repetition(1);
                match rest {
                    [super::plan::Part::Number(component), ..] => {
                        repetition.component(usize::from(*component)).text().trim().to_owned()
                    }
                    _ => repetition.raw().trim().to_owned(),
                }
            }
            _ => String::new(),
        };
        let slot = (group, paths.iter().map(text).collect());
        if !lists.contains_key(&slot) {
            order.push(slot.clone());
        }
        lists.entry(slot).or_default().push(s);
    }
    order
        .into_iter()
        .filter_map(|slot| lists.remove(&slot).map(|list| (Inst::Made(list.into(), slot.0), slot.0)))
        .collect()
}

/// Runs the rules of every instance.
pub(crate) fn make(run: &mut Run<'_>) {
    let instances = run.instances.clone();
    for instance in instances.iter() {
        let scope = run.scope_of(instance);
        run.resource(instance.map, &instance.id, &scope, instance.siblings);
    }
    run.owner = "";
}

/// The resources as JSON, without their ids beside it, and, where verdicts are given, what the check says of them.
fn write(run: &Run<'_>, verdicts: Option<&Verdicts>) -> (Vec<Resource>, Vec<Finding>) {
    let writer = run.arena.writer(&run.set.keys);
    let mut text = Vec::with_capacity(4096);
    let (mut resources, mut findings, mut clean) =
        (Vec::with_capacity(run.built.len()), Vec::new(), Vec::new());
    let known = verdicts.map(Verdicts::known);
    for built in &run.built {
        let map = run.map(built.map);
        let role = if map.shared {
            Role::Shared
        } else if run.plan.provisional.contains(&built.map) {
            Role::Provisional
        } else {
            Role::Unit
        };
        text.clear();
        let references = match (verdicts, &known) {
            (Some(verdicts), Some(known)) => {
                let mut form = verdicts.form();
                let references = writer.write(built.node, &mut text, &mut form);
                let form = form.taken();
                if form.is_none_or(|form| !known.contains(&form)) {
                    let found = checked(run, built);
                    clean.extend(form.filter(|_| found.is_empty()));
                    findings.extend(found);
                } else {
                    debug_assert_eq!(checked(run, built), [], "resources of one form have one verdict");
                }
                references
            }
            _ => writer.write(built.node, &mut text, &mut ()),
        };
        resources.push(Resource {
            resource_type: map.makes.clone(),
            id: String::new(),
            role,
            map: map.id.clone(),
            json: text.clone(),
            references,
            yields: run.plan.yields.contains(&built.map),
            line: String::new(),
        });
    }
    drop(known);
    if let Some(verdicts) = verdicts {
        verdicts.keep(clean);
    }
    (resources, findings)
}

/// What the check says of a resource, with the map as the place to mend and where its source begins.
fn checked(run: &Run<'_>, built: &Built) -> Vec<Finding> {
    let map = run.map(built.map);
    let node = Node { arena: &run.arena, keys: &run.set.keys, id: built.node };
    let mut findings = profile::check_tree(&map.makes, node);
    if findings.is_empty() {
        return findings;
    }
    let position = run.print(built.pos);
    for finding in &mut findings {
        finding.location.rule.clone_from(&map.id);
        finding.location.position.clone_from(&position);
    }
    findings
}
