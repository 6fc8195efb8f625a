//! Runs the `[[test]]` of a set: a few segments in, expectations on what the map makes.

use super::apply::{enumerate, make, start};
use super::difference::{self, Difference};
use super::groups::Cut;
use super::plan::{For, MessagePlan, Plan, Sym, TestPlan};
use super::run::{Built, Inst, Run};
use super::{MappingSet, TestResult, orders};
use crate::fhir::{Id, Read};
use crate::finding::Finding;
use crate::hl7v2::Message;
use crate::identity::IdKey;
use crate::translation::{Context, Facility, Lists, PathPatient, Translation};
use std::sync::Arc;

/// Facility of the tests in the files; its code is invented.
fn context() -> Context {
    Context {
        facility: Arc::new(Facility {
            code: "1319999999".into(),
            name: "テスト病院".into(),
            local_system_base: "http://example.jp/fhir".into(),
            ..Facility::default()
        }),
        id_key: IdKey::test(),
        file: None,
        path_patient: PathPatient::default(),
        lists: Lists::default(),
        feed: None,
    }
}

pub(crate) fn run_tests(set: &MappingSet) -> Vec<TestResult> {
    set.plan
        .tests
        .iter()
        .map(|test| TestResult {
            file: test.place.file.to_string(),
            line: test.place.line,
            name: test.name.clone(),
            failures: run_one(set, test),
        })
        .collect()
}

/// Why a test could not be run at all.
fn unable(en: &str, ja: &str) -> Vec<Difference> {
    vec![Difference {
        path: "message".into(),
        got: Some(en.into()),
        unable: Some(ja.into()),
        ..Difference::default()
    }]
}

fn run_one(set: &MappingSet, test: &TestPlan) -> Vec<Difference> {
    let plan = &set.plan;
    let context = context();
    // A test of rows: its message is no HL7 and the map belongs to a feed's messages.
    let of_feed = |m: &&MessagePlan| match &test.of {
        Some(of) => m.feed.is_some() && m.id == *of,
        None => m.feed.is_some() && m.maps.contains(&test.map),
    };
    if !test.is_type
        && !is_hl7(&test.message)
        && let Some(kind) = plan.messages.iter().find(of_feed)
        && let Some(n) = kind.feed
    {
        return match crate::feed::record::of_test(&plan.layouts[n].layout, &test.message) {
            Ok((message, sources, found)) => {
                let mut run = start(plan, kind, &message, &context, Some(&sources));
                run_maps(&mut run, test, found);
                compare(set, &run, test, None)
            }
            Err(why) => unable(&why, &format!("試験の行を読めません({why})")),
        };
    }
    let (mut text, mut has_patient) = (String::new(), false);
    if test.is_type {
        text.push_str("ZTT|");
        text.push_str(test.message.trim());
    } else {
        for line in test.message.lines().flat_map(|line| line.split("\\r")).flat_map(|line| line.split('\r'))
        {
            let line = line.trim_end();
            if !line.is_empty() {
                has_patient |= line.starts_with("PID|");
                text.push_str(line);
                text.push('\r');
            }
        }
    }
    let own_header = text.starts_with("MSH");
    let mut whole = String::new();
    if !own_header {
        whole.push_str("MSH|^~\\&|T|T|T|T|20260101000000||ZZZ^Z99|1|P|2.5\r");
        if !has_patient {
            whole.push_str("PID|||0001\r");
        }
    }
    whole.push_str(&text);
    let Ok((message, _)) = Message::parse(whole) else {
        return unable("it cannot be parsed", "電文として読めません");
    };
    if !test.is_type
        && let Some(unknown) = message.segments().find(|segment| !reads(plan, segment.name()))
    {
        let name = unknown.name();
        return unable(
            &format!("no rule and no group of the set knows its segment '{name}'"),
            &format!("セグメント {name} は、どの規則も groups も知りません"),
        );
    }
    let empty = MessagePlan {
        id: String::new(),
        is: super::plan::Cond::All(Vec::new()),
        feed: None,
        groups: Vec::new(),
        unit: Vec::new(),
        each: None,
        replaces: crate::translation::Replaces::Unit,
        event: None,
        event_time: Vec::new(),
        event_day: Vec::new(),
        cancel: None,
        partial: None,
        maps: Vec::new(),
        provisional: Vec::new(),
        yields: Vec::new(),
        takes_back: Vec::new(),
        lets: Vec::new(),
        skip: Vec::new(),
    };
    let chosen = plan.messages.iter().filter(|m| m.feed.is_none()).find(|m| match &test.of {
        Some(of) => m.id == *of,
        None => !test.is_type && fits(plan, m, test, &message),
    });
    if test.of.is_some() && chosen.is_none() {
        return unable(
            "there is no message file of the id that `of` names",
            "of に書いた id の電文のファイルがありません",
        );
    }
    let mut run = start(plan, chosen.unwrap_or(&empty), &message, &context, None);
    let subject;
    if test.is_type {
        let map = &plan.inner[test.map];
        let segment = message.segment(message.len() - 1);
        let item = super::item::Item::Segment(segment).part(1);
        let inst = item.map_or(Inst::Message, Inst::Value);
        let mut scope = run.scope(inst, 1);
        run.owner = &map.id;
        run.lets(&map.lets, map.slots, &mut scope, None);
        let node = run.arena.object();
        let mut writing = super::build::Writing {
            named: Vec::new(),
            map: 0,
            id: String::new(),
            prefix: String::new(),
            kept: None,
        };
        run.tracing = true;
        run.rules(map, node, &scope, &mut writing, None);
        subject =
            Some(Built { map: 0, id: String::new(), node, named: writing.named, pos: super::item::NOWHERE });
    } else {
        run_maps(&mut run, test, Vec::new());
        subject = None;
    }
    compare(set, &run, test, subject.as_ref())
}

/// Whether the set knows a segment: what it does not is a slip, and the test would show nothing.
fn reads(plan: &Plan, name: &str) -> bool {
    matches!(name, "MSH" | "EVN" | "PID")
        || plan.symbols.find(name).is_some_and(|sym| plan.known.contains(&sym))
}

/// Cuts, finds instances and runs their rules, as for a message.
fn run_maps(run: &mut Run<'_>, test: &TestPlan, mut findings: Vec<Finding>) {
    let plan = run.set;
    run.cut = Cut::new(run.message, run.plan, plan, &mut findings);
    run.findings = findings;
    if let Some(division) = orders::divide(run) {
        run.tracing = true;
        orders::make(run, division, &mut Translation::held(Vec::new()), &mut orders::Made::default());
    } else {
        super::apply::message_lets(run);
        enumerate(run);
        run.tracing = true;
        make(run);
    }
    if let For::Datatype = plan.maps[test.map].instances {
        // The value of the first segment's first field that is valued is the instance.
        datatype(run, test.map);
    }
    run.merge_built();
}

/// Whether the first line begins like a segment.
fn is_hl7(text: &str) -> bool {
    let name = text.trim_start().split('|').next().unwrap_or_default();
    name.len() == 3
        && text.contains('|')
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Whether a message file has the map and its groups take the segments of the test.
fn fits(plan: &Plan, kind: &MessagePlan, test: &TestPlan, message: &Message) -> bool {
    if !kind.maps.contains(&test.map) {
        return false;
    }
    if kind.groups.is_empty() {
        return true;
    }
    let mut findings = Vec::new();
    Cut::new(message, kind, plan, &mut findings);
    !findings.iter().any(|finding| finding.code == "segment-out-of-place")
}

fn datatype(run: &mut Run<'_>, map: usize) {
    let Some(segment) = run.message.segments().last() else { return };
    let Some(field) = (1..=segment.field_count()).find(|n| !segment.field(*n).is_empty()) else { return };
    for n in 1..=segment.field(field).repetition_count() {
        let repetition = segment.field(field).repetition(n);
        let pos = super::item::Pos {
            segment: segment.index() as u32,
            field: field as u16,
            repetition: n as u16,
            component: 0,
            subcomponent: 0,
        };
        run.refer_for_test(map, &super::item::Item::Repetition(repetition, pos));
    }
}

fn compare(set: &MappingSet, run: &Run<'_>, test: &TestPlan, subject: Option<&Built>) -> Vec<Difference> {
    let mut failures = Vec::new();
    for (path, expected) in &test.expect {
        // What is not there has no elements.
        let found =
            value(run, test.map, subject, path).or_else(|| path.ends_with(".count").then(|| "0".into()));
        // `derivedFrom[0]` = `micro-organism[1]`: a reference to what that map made.
        let expected = match resource(run, expected) {
            Some((built, "")) => format!("{}/{}", run.map(built.map).makes, built.id),
            _ => expected.clone(),
        };
        if found.as_deref() != Some(expected.as_str()) {
            failures.push(Difference {
                source: sources(set, run, test, subject, path),
                path: path.clone(),
                expected: Some(expected),
                got: found,
                ..Difference::default()
            });
        }
    }
    let finding =
        |source, expected, got| Difference { source, path: "finding".into(), expected, got, unable: None };
    for code in &test.findings {
        if !run.findings.iter().any(|finding| finding.code == code.as_str()) {
            failures.push(finding(Vec::new(), Some(code.clone()), None));
        }
    }
    if test.findings.is_empty() {
        for found in run.findings.iter().filter(|f| f.severity == crate::finding::Severity::Error) {
            let source = vec![found.location.position.clone()];
            let source = source.into_iter().filter(|position| !position.is_empty()).collect();
            let got = format!("{} ({})", found.code, found.location.rule);
            failures.push(finding(source, None, Some(got)));
        }
    }
    failures
}

/// Where the value at a path of a test came from, or what would have given it.
fn sources(
    set: &MappingSet,
    run: &Run<'_>,
    test: &TestPlan,
    subject: Option<&Built>,
    path: &str,
) -> Vec<String> {
    let own = subject.or_else(|| run.built.iter().find(|built| built.map == test.map));
    let (built, rest, map) = match resource(run, path) {
        Some((built, rest)) if subject.is_none() => (Some(built), rest, &run.map(built.map).id),
        _ if test.is_type => (own, path, &set.plan.inner[test.map].id),
        _ => (own, path, &run.map(test.map).id),
    };
    let (written, positions) = difference::sources(run, built, rest);
    let (meant, cells) = difference::cells(set, map, test.is_type, rest);
    if positions.is_empty() || meant > written { cells } else { positions }
}

/// A resource that a path begins with: `micro-organism[1]`, and what remains of the path.
fn resource<'r, 'p>(run: &'r Run<'_>, path: &'p str) -> Option<(&'r Built, &'p str)> {
    let end = path.find(['[', '.']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    if let Some(map) = run.set.maps.iter().position(|m| m.id == name)
        && let Some(inside) = rest.strip_prefix('[')
        && let Some((n, rest)) = inside.split_once(']')
        && let Ok(n) = n.parse::<usize>()
    {
        let built = run.built.iter().filter(|b| b.map == map).nth(n)?;
        return Some((built, rest.strip_prefix('.').unwrap_or(rest)));
    }
    None
}

fn value(run: &Run<'_>, own: usize, subject: Option<&Built>, path: &str) -> Option<String> {
    if let Some(name) = path.strip_suffix(".count")
        && let Some(map) = run.set.maps.iter().position(|m| m.id == name)
    {
        return Some(run.built.iter().filter(|b| b.map == map).count().to_string());
    }
    if let Some(built) = subject {
        return inside(run, built, path);
    }
    // An element of the map's own resource comes before a map of the same name.
    let own = run.built.iter().find(|b| b.map == own).and_then(|built| inside(run, built, path));
    own.or_else(|| {
        let (built, rest) = resource(run, path)?;
        inside(run, built, rest)
    })
}

/// The value at a path inside a resource.
fn inside(run: &Run<'_>, built: &Built, path: &str) -> Option<String> {
    let mut at = built.node;
    for part in super::target::split(path) {
        if part == "count" && run.arena.read(at) == Read::Array {
            return Some(run.arena.len(at).to_string());
        }
        let (name, bracket) = match part.split_once('[') {
            Some((name, rest)) => (name, Some(rest.trim_end_matches(']'))),
            None => (part, None),
        };
        at = run.arena.get(at, run.set.keys.find(name)?)?;
        if let Some(bracket) = bracket {
            at = match bracket.parse::<usize>() {
                Ok(n) => run.arena.nth(at, n)?,
                Err(_) if bracket == "first" => run.arena.nth(at, 0)?,
                Err(_) => by_name(built, at, run.set.symbols.find(bracket)?)?,
            };
        }
    }
    Some(match run.arena.read(at) {
        Read::Text(text) | Read::Number(text) => text.to_owned(),
        Read::Boolean(value) => value.to_string(),
        Read::Array => format!("{} elements", run.arena.len(at)),
        // A Reference stands for where it points.
        Read::Object => match run.arena.get_text(at, crate::fhir::key::REFERENCE) {
            Some(text) => text.to_owned(),
            None => "an object".to_owned(),
        },
    })
}

fn by_name(built: &Built, list: Id, name: Sym) -> Option<Id> {
    built.named.iter().find(|(l, s, _)| *l == list && *s == name).map(|(_, _, id)| *id)
}
