//! A message beside what is made of it: each value with the rule and the place that it came from, both ways.
//!
//! Computed from the bytes as stored with the set that is active now; nothing of it is kept. Everything that
//! may name a patient is a shape unless the message is revealed. Blocking, and bounded by the limits below.

use super::at::At;
use super::mask::{self, visible};
use crate::shape;
use renkei_translate::charset;
use renkei_translate::feed;
use renkei_translate::finding::{Finding, Severity};
use renkei_translate::hl7v2::{Message, Segment};
use renkei_translate::mapping::{self, MappingSet, Trace};
use renkei_translate::translation::{Context, Translation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rows of a pane: a discharge summary has a few hundred; the rest is said and not shown.
const MOST_ROWS: usize = 2_000;
/// Traced values of a page.
const MOST_EDGES: usize = 2_000;
/// Resources of a page.
const MOST_RESOURCES: usize = 400;
/// A field over this many bytes shows its beginning and its size: documents come in OBX-5.
const LONG_FIELD: usize = 4_096;
/// What is shown of a long field, in characters.
const HEAD: usize = 200;
/// What is shown of the original and of the JSON, in characters.
const LONG_TEXT: usize = 300_000;

/// A row of the parsed message.
#[derive(Clone, Debug, Default)]
pub struct SourceRow {
    /// The segment, on the first row of each: `OBX[2]`.
    pub segment: Option<String>,
    /// `PID-5[2]`.
    pub position: String,
    /// Where links to it lead.
    pub anchor: String,
    /// What stands there.
    pub value: String,
    /// Whether that is a shape.
    pub masked: bool,
    /// Numbers of the edges, with spaces between; empty where nothing was made of it.
    pub edges: String,
    /// No rule reads it.
    pub unread: bool,
    /// Where it goes: label and anchor.
    pub to: Vec<(String, String)>,
    /// Findings at it: level and code.
    pub findings: Vec<(&'static str, String)>,
}

/// A row of what was made.
#[derive(Clone, Debug, Default)]
pub struct TargetRow {
    /// The resource, on the first row of each.
    pub resource: Option<String>,
    /// `valueQuantity.value`.
    pub path: String,
    /// Where links to it lead.
    pub anchor: String,
    /// What was made.
    pub value: String,
    /// Whether that is a shape.
    pub masked: bool,
    /// Numbers of the edges.
    pub edges: String,
    /// Where it came from: position and anchor.
    pub from: Vec<(String, String)>,
    /// The map and the rule.
    pub rules: Vec<(String, String)>,
}

/// One value's way: its source, the rule, the result.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// Its number, from 1.
    pub number: usize,
    /// The positions read.
    pub positions: Vec<String>,
    /// What stands there.
    pub source: String,
    /// The map.
    pub map: String,
    /// `map/rule`.
    pub rule: String,
    /// `Observation 1 valueQuantity.value`.
    pub target: String,
    /// What was made.
    pub result: String,
    /// The segment before the value, the value, and the segment behind it.
    pub segment: (String, String, String),
}

/// Both sides.
#[derive(Clone, Debug, Default)]
pub struct Panes {
    /// The original, a segment a line.
    pub raw: String,
    /// Parsed.
    pub source: Vec<SourceRow>,
    /// What was made.
    pub target: Vec<TargetRow>,
    /// The same as JSON.
    pub json: String,
    /// How the values are tied.
    pub edges: Vec<Edge>,
    /// How many resources were made.
    pub resources: usize,
    /// Whether a limit cut something off.
    pub cut: bool,
    /// Our own code failed on it.
    pub failed: bool,
    /// What was found just now, where it could be applied.
    pub findings: Vec<Finding>,
}

/// Reads a message. A panic of ours shows the original alone and says so.
pub fn read(set: &MappingSet, bytes: &[u8], context: &Context, findings: &[Finding], open: bool) -> Panes {
    let opened = context.feed.as_ref().and_then(|part| {
        let layout = set.layout(&part.layout)?;
        feed::open(layout, bytes, part, &context.facility)
    });
    if let Some(opened) = opened {
        return of_rows(set, bytes, context, &opened, findings, open);
    }
    let decoded = charset::decode(bytes, &context.facility.gaiji);
    let text = decoded.text;
    let Ok((message, _)) = Message::parse(text.clone()) else {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let (raw, cut) = head(&if open { visible(&text) } else { shape::of(&text) }, LONG_TEXT);
        return Panes { raw, cut, ..Panes::default() };
    };
    let applied = catch_unwind(AssertUnwindSafe(|| mapping::trace(set, &message, context)));
    let failed = applied.is_err();
    let (translation, traces) = applied.unwrap_or_else(|_| (Translation::held(Vec::new()), Vec::new()));
    let index = message.segments().map(|s| ((s.name(), s.occurrence()), s.index())).collect();
    let panes = Panes { failed, ..Panes::default() };
    let mut building = Building { message: &message, index, open, panes, places: HashMap::new() };
    building.build(&translation, &traces, findings);
    let mut panes = building.panes;
    panes.findings = translation.findings;
    panes
}

/// The same of the rows of a proprietary file: places are named as in the file.
fn of_rows(
    set: &MappingSet,
    bytes: &[u8],
    context: &Context,
    opened: &feed::Opened,
    findings: &[Finding],
    open: bool,
) -> Panes {
    let applied = catch_unwind(AssertUnwindSafe(|| mapping::traced(set, bytes, context)));
    let failed = applied.is_err();
    let (translation, traces) = applied.unwrap_or_else(|_| (Translation::held(Vec::new()), Vec::new()));
    let message = &opened.message;
    let index = message.segments().map(|s| ((s.name(), s.occurrence()), s.index())).collect();
    let place = |(name, segment, field): &(String, usize, usize)| {
        let segment = message.segment(*segment);
        let at = At {
            segment: segment.name().to_owned(),
            occurrence: segment.occurrence(),
            field: *field,
            repetition: 1,
            ..At::default()
        };
        (name.clone(), at)
    };
    let places = opened.places.iter().map(place).collect();
    let mut building = Building { message, index, open, places, panes: Panes { failed, ..Panes::default() } };
    building.build(&translation, &traces, findings);
    let mut panes = building.panes;
    let text = opened.text.replace("\r\n", "\n").replace('\r', "\n");
    let (raw, cut) = head(&if open { visible(&text) } else { shape::of(&text) }, LONG_TEXT);
    (panes.raw, panes.cut, panes.findings) = (raw, panes.cut || cut, translation.findings);
    panes
}

struct Building<'m> {
    message: &'m Message,
    /// Segments by name and turn.
    index: HashMap<(&'m str, usize), usize>,
    open: bool,
    panes: Panes,
    /// Places of a proprietary file by their names in it; none for HL7.
    places: HashMap<String, At>,
}

/// Anchor of a place → numbers of the edges from it, and where they lead: label and anchor.
type Places = HashMap<String, (BTreeSet<usize>, Vec<(String, String)>)>;

/// A resource with its label and the traces that wrote into it.
struct Made<'t> {
    label: String,
    map: &'t str,
    kind: &'t str,
    json: Value,
    /// Number, trace, and whether everything that it read may be seen.
    traces: Vec<(usize, &'t Trace, bool)>,
}

impl Building<'_> {
    fn build(&mut self, translation: &Translation, traces: &[Trace], findings: &[Finding]) {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut of: HashMap<&str, usize> = HashMap::new();
        let mut made: Vec<Made<'_>> = Vec::new();
        let keys: Vec<String> =
            translation.resources.iter().map(|r| format!("{}/{}", r.resource_type, r.id)).collect();
        for (resource, key) in translation.resources.iter().zip(&keys) {
            let n = counts.entry(&resource.resource_type).and_modify(|n| *n += 1).or_insert(1);
            of.entry(key).or_insert(made.len());
            made.push(Made {
                label: format!("{} {n}", resource.resource_type),
                map: &resource.map,
                kind: &resource.resource_type,
                json: serde_json::from_slice(&resource.json).unwrap_or_default(),
                traces: Vec::new(),
            });
        }
        self.panes.resources = made.len();
        for (n, trace) in traces.iter().enumerate() {
            if let Some(at) = of.get(trace.resource.as_str()) {
                let shown = trace.positions.iter().all(|position| self.reads_shown(position));
                made[*at].traces.push((n, trace, shown));
            }
        }
        let mut used: BTreeMap<usize, usize> = BTreeMap::new();
        let mut places = Places::new();
        let mut whole = Vec::new();
        for (n, made) in made.iter().enumerate() {
            if n >= MOST_RESOURCES {
                self.panes.cut = true;
                break;
            }
            self.resource(n, made, &mut used, &mut places);
            let shown = |path: &str| self.is_shown(made, path);
            whole.push(if self.open { made.json.clone() } else { mask::json(&made.json, &shown) });
        }
        let json = serde_json::to_string_pretty(&Value::Array(whole)).unwrap_or_default();
        self.panes.json = self.bounded(&visible(&json));
        self.panes.raw = self.original();
        self.source(translation, findings, &places);
    }

    fn segment(&self, at: &At) -> Option<Segment<'_>> {
        let index = self.index.get(&(at.segment.as_str(), at.occurrence))?;
        Some(self.message.segment(*index))
    }

    /// The place that a position names.
    fn at(&self, position: &str) -> Option<At> {
        if self.places.is_empty() { At::read(position) } else { self.places.get(position).cloned() }
    }

    /// Whether what was read at a position may be seen by everybody.
    fn reads_shown(&self, position: &str) -> bool {
        let Some(at) = self.at(position) else { return false };
        let Some(segment) = self.segment(&at) else { return false };
        at.field == 0 || shape::is_shown(segment, at.field)
    }

    fn is_shown(&self, made: &Made<'_>, path: &str) -> bool {
        // The name of an extension comes from the set's table, whatever is written under it.
        self.open
            || path.contains("extension[") && path.ends_with("].url")
            || mask::is_shown(made.kind, path)
                && made
                    .traces
                    .iter()
                    .filter(|(_, trace, _)| covers(&trace.path, path))
                    .all(|(_, _, shown)| *shown)
    }

    fn resource(
        &mut self,
        n: usize,
        made: &Made<'_>,
        used: &mut BTreeMap<usize, usize>,
        places: &mut Places,
    ) {
        let mut first = Some(format!("{} — {}", made.label, made.map));
        for leaf in mask::leaves(&made.json) {
            if leaf.path == "resourceType" {
                continue;
            }
            if self.panes.target.len() >= MOST_ROWS {
                self.panes.cut = true;
                return;
            }
            let open = self.is_shown(made, &leaf.path);
            let value = shortened(&if open { visible(&leaf.value) } else { shape::of(&leaf.value) });
            let anchor = format!("f-{}-{}", n + 1, self.panes.target.len() + 1);
            let mut row = TargetRow {
                resource: first.take(),
                path: leaf.path.clone(),
                anchor: anchor.clone(),
                value: value.clone(),
                masked: !open,
                ..TargetRow::default()
            };
            let mut numbers = Vec::new();
            for (trace_number, trace) in closest(&made.traces, &leaf.path) {
                let (map, _) = trace.rule.split_once('/').unwrap_or((&trace.rule, ""));
                let named = (map.to_owned(), trace.rule.clone());
                if !row.rules.contains(&named) {
                    row.rules.push(named);
                }
                let number = match used.get(&trace_number) {
                    Some(number) => *number,
                    None => {
                        if self.panes.edges.len() >= MOST_EDGES {
                            self.panes.cut = true;
                            continue;
                        }
                        let number = self.panes.edges.len() + 1;
                        used.insert(trace_number, number);
                        let edge = self.edge(number, trace, &made.label, &leaf.path, &value);
                        self.panes.edges.push(edge);
                        number
                    }
                };
                numbers.push(number.to_string());
                for position in &trace.positions {
                    let Some(at) = self.at(position) else { continue };
                    let from = (position.clone(), at.anchor());
                    if !row.from.contains(&from) {
                        row.from.push(from);
                    }
                    let (edges, to) = places.entry(at.anchor()).or_default();
                    edges.insert(number);
                    if !to.iter().any(|(label, _)| *label == made.label) {
                        to.push((made.label.clone(), anchor.clone()));
                    }
                }
            }
            row.edges = numbers.join(" ");
            self.panes.target.push(row);
        }
    }

    fn edge(&self, number: usize, trace: &Trace, label: &str, path: &str, result: &str) -> Edge {
        let (map, _) = trace.rule.split_once('/').unwrap_or((&trace.rule, ""));
        let mut edge = Edge {
            number,
            positions: trace.positions.clone(),
            map: map.to_owned(),
            rule: trace.rule.clone(),
            target: format!("{label} {path}"),
            result: result.to_owned(),
            ..Edge::default()
        };
        let mut values = Vec::new();
        for position in &trace.positions {
            let Some(at) = self.at(position) else { continue };
            let Some(segment) = self.segment(&at) else { continue };
            let Some((raw, range)) = at.raw(segment) else { continue };
            let value = self.field_text(segment, at.field, raw);
            if values.is_empty() && segment.raw().len() <= LONG_FIELD {
                let whole = segment.raw();
                let masked = |from: usize, to: usize| self.stretch(segment, from, to);
                edge.segment = (masked(0, range.start), value.clone(), masked(range.end, whole.len()));
            }
            values.push(value);
        }
        edge.source = values.join(" · ");
        edge
    }

    /// Part of a segment, field by field masked.
    fn stretch(&self, segment: Segment<'_>, from: usize, to: usize) -> String {
        let mut out = String::new();
        let base = segment.raw().as_ptr() as usize;
        let name_end = segment.name().len();
        if from < name_end {
            out.push_str(&shape::segment_name(segment));
        }
        let separator = self.message.delimiters().field;
        let msh = segment.name() == "MSH";
        for number in (if msh { 2 } else { 1 })..=segment.field_count() {
            let raw = segment.field(number).raw();
            let start = raw.as_ptr() as usize - base;
            let (begin, end) = (start.max(from), (start + raw.len()).min(to));
            if start >= 1 && (from..to).contains(&(start - 1)) {
                out.push(separator);
            }
            if begin < end {
                out.push_str(&self.field_text(segment, number, &raw[begin - start..end - start]));
            }
        }
        out
    }

    /// A part of a field as it may be shown.
    fn field_text(&self, segment: Segment<'_>, number: usize, raw: &str) -> String {
        if self.open || shape::is_shown(segment, number) {
            shortened(&visible(raw))
        } else {
            shortened(&shape::part(self.message, raw))
        }
    }

    fn original(&mut self) -> String {
        let mut out = String::new();
        for segment in self.message.segments() {
            if out.len() > LONG_TEXT {
                self.panes.cut = true;
                break;
            }
            out.push_str(&self.stretch(segment, 0, segment.raw().len()));
            out.push('\n');
        }
        self.bounded(&out)
    }

    fn bounded(&mut self, text: &str) -> String {
        let (text, cut) = head(text, LONG_TEXT);
        self.panes.cut |= cut;
        text
    }

    fn source(&mut self, translation: &Translation, findings: &[Finding], places: &Places) {
        let message = self.message;
        let mut at_place: HashMap<String, Vec<(&'static str, String)>> = HashMap::new();
        for finding in findings {
            if let Some(at) = self.at(&finding.location.position) {
                let said = (level(finding.severity), finding.code.to_string());
                let all = at_place.entry(at.anchor()).or_default();
                if !all.contains(&said) {
                    all.push(said);
                }
            }
        }
        let named: HashMap<String, &String> =
            self.places.iter().map(|(name, at)| (at.anchor(), name)).collect();
        // Header and PID of a proprietary file's message are ours.
        let ours = if self.places.is_empty() { 0 } else { 2 };
        for segment in message.segments().skip(ours) {
            let name = shape::segment_name(segment).into_owned();
            let many = message.segments().filter(|other| other.name() == segment.name()).nth(1).is_some();
            let title = if many { format!("{name}[{}]", segment.occurrence()) } else { name.clone() };
            let mut first = Some(title.clone());
            for number in 1..=segment.field_count() {
                let field = segment.field(number);
                for (n, repetition) in field.repetitions().enumerate() {
                    if repetition.is_empty() {
                        continue;
                    }
                    if self.panes.source.len() >= MOST_ROWS {
                        self.panes.cut = true;
                        return;
                    }
                    let at = At {
                        segment: segment.name().to_owned(),
                        occurrence: segment.occurrence(),
                        field: number,
                        repetition: n + 1,
                        component: 0,
                        subcomponent: 0,
                    };
                    let again = if n > 0 { format!("[{}]", n + 1) } else { String::new() };
                    let known = name == segment.name();
                    let field_name = format!("{}-{number}", if known { &name } else { "segment" });
                    let (edges, to) = places.get(&at.anchor()).cloned().unwrap_or_default();
                    let in_file = named.get(&at.anchor());
                    let row = SourceRow {
                        segment: first.take(),
                        position: match in_file {
                            Some(name) => (*name).clone(),
                            None => format!("{title}-{number}{again}"),
                        },
                        anchor: if known { at.anchor() } else { format!("s-{}", self.panes.source.len()) },
                        value: self.field_text(segment, number, repetition.raw()),
                        masked: !(self.open || shape::is_shown(segment, number)),
                        unread: edges.is_empty() && translation.unread.contains(&field_name),
                        edges: edges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                        to,
                        findings: at_place.get(&at.anchor()).cloned().unwrap_or_default(),
                    };
                    self.panes.source.push(row);
                }
            }
        }
    }
}

/// The class of a severity.
pub fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "bad",
        Severity::Warning => "warn",
        Severity::Information => "none",
    }
}

/// The traces that wrote a value: those with the longest path that covers it.
fn closest<'t>(traces: &[(usize, &'t Trace, bool)], path: &str) -> Vec<(usize, &'t Trace)> {
    let covering: Vec<(usize, &Trace)> = traces
        .iter()
        .filter(|(_, trace, _)| covers(&trace.path, path))
        .map(|(number, trace, _)| (*number, *trace))
        .collect();
    let depth = |trace: &Trace| trace.path.split('.').count();
    let deepest = covering.iter().map(|(_, trace)| depth(trace)).max().unwrap_or_default();
    covering.into_iter().filter(|(_, trace)| depth(trace) == deepest).collect()
}

/// Whether what was written at `written` holds the value at `path`. `name[]` and `identifier[rp]` are any
/// element, `value[x]` any type.
fn covers(written: &str, path: &str) -> bool {
    let mut parts = path.split('.');
    for wanted in written.split('.') {
        let Some(part) = parts.next() else { return false };
        let split = |text: &str| -> (String, Option<String>) {
            match text.split_once('[') {
                Some((name, rest)) => (name.to_owned(), Some(rest.trim_end_matches(']').to_owned())),
                None => (text.to_owned(), None),
            }
        };
        let ((name, index), (found, at)) = (split(wanted), split(part));
        if index.as_deref() == Some("x") {
            let rest = found.strip_prefix(&name);
            if !rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())) {
                return false;
            }
            continue;
        }
        if name != found {
            return false;
        }
        if let (Some(index), Some(at)) = (index, at)
            && index.bytes().all(|b| b.is_ascii_digit())
            && !index.is_empty()
            && index != at
        {
            return false;
        }
    }
    true
}

fn head(text: &str, most: usize) -> (String, bool) {
    match text.char_indices().nth(most) {
        None => (text.to_owned(), false),
        Some((end, _)) => (format!("{}…", &text[..end]), true),
    }
}

/// A long value as its beginning and its size.
fn shortened(text: &str) -> String {
    if text.len() <= LONG_FIELD {
        return text.to_owned();
    }
    let (start, _) = head(text, HEAD);
    format!("{start} ({} bytes)", text.len())
}

#[cfg(test)]
mod tests;
