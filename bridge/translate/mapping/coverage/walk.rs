//! Follows the plan of one message and notes every use of a position.

use super::possible::{Fact, given};
use super::read::{MAX_DEPTH, Read, Reader, Scope, append, look};
use super::solve::{Memory, possible};
use super::{EngineRead, Kind, MessageCoverage, Position, Skip, Use};
use crate::mapping::describe::{SetText, Title};
use crate::mapping::functions::{self, parts::is_joined, parts::parts};
use crate::mapping::plan::{Cond, Fixed, For, Make, Map, MessagePlan, Part, Path, Plan, Rule, Shape, Source};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

/// What the engine itself reads, before and beside every rule (`hl7v2::parse`, `charset`, `mapping::apply`).
const ENGINE: &[(&str, u16, &str, &str)] = &[
    ("MSH", 1, "区切り文字。読み取りに使う", "the field separator: the message is read by it"),
    ("MSH", 2, "区切り文字。読み取りに使う", "the other delimiters: the message is read by them"),
    (
        "MSH",
        7,
        "メッセージの時刻。どちらが新しいかを決める",
        "the time of the message: it decides which is newer",
    ),
    (
        "MSH",
        10,
        "制御ID。応答と二重の判定に使う",
        "the control id: for the acknowledgment and for telling repetitions",
    ),
    ("MSH", 18, "文字コード。本文と照らし合わせる", "the character set: compared with what the bytes say"),
];

/// What is being written.
#[derive(Clone)]
struct Goal<'s, 'p> {
    resource: String,
    /// With a point at the end where it is not empty.
    prefix: String,
    map: String,
    /// `patient/name > `.
    trail: String,
    /// What holds where it is written.
    facts: Vec<Fact<'s, 'p>>,
}

struct Walk<'p> {
    plan: &'p Plan,
    message: &'p MessagePlan,
    read: Reader<'p>,
    /// What the questions met so far.
    memory: RefCell<Memory<'p>>,
    uses: Vec<Use>,
    /// Maps of values already followed from a position.
    followed: HashSet<(usize, Position)>,
    profiles: Vec<(String, String)>,
}

pub(super) fn message(plan: &Plan, message: &MessagePlan, texts: &SetText) -> MessageCoverage {
    let mut walk = Walk {
        plan,
        message,
        read: Reader { plan, message },
        memory: RefCell::default(),
        uses: Vec::new(),
        followed: HashSet::new(),
        profiles: Vec::new(),
    };
    walk.of_message();
    for n in &message.maps {
        walk.of_map(*n);
    }
    walk.uses.sort();
    walk.uses.dedup();
    let text = texts.messages.iter().find(|text| text.id == message.id);
    let skips = text.map_or_else(Vec::new, |text| {
        let rows = text.skip.iter();
        rows.map(|(from, why)| Skip { position: skipped(from), why: why.clone() }).collect()
    });
    let segments = message.groups.iter().flat_map(|group| &group.members).filter(|m| m.group.is_none());
    let mut segments: Vec<String> = segments.map(|m| plan.symbols.name(m.name).to_owned()).collect();
    segments.sort();
    segments.dedup();
    let engine = if message.feed.is_some() { &[] } else { ENGINE };
    let mut codes = Vec::new();
    walk.read.codes(&message.is, 1, &mut codes);
    codes.sort();
    codes.dedup();
    let (mut events, mut taking_back) = (Vec::new(), Vec::new());
    walk.read.codes(&message.is, 2, &mut events);
    if let Some(cancel) = &message.cancel {
        walk.read.codes(cancel, 2, &mut taking_back);
    }
    events.retain(|event| !taking_back.contains(event));
    events.sort();
    events.dedup();
    MessageCoverage {
        id: message.id.clone(),
        title: text.map(|text| text.title.clone()).unwrap_or_default(),
        codes,
        events,
        profiles: walk.profiles,
        provisional: message.provisional.iter().map(|n| plan.maps[*n].id.clone()).collect(),
        segments,
        uses: walk.uses,
        skips,
        engine: engine
            .iter()
            .map(|(segment, field, ja, en)| EngineRead {
                position: Position::field(segment, *field),
                why: Title { ja: (*ja).to_owned(), en: (*en).to_owned() },
            })
            .collect(),
    }
}

/// The position of a row of `skip`: a part of a field skips the field, as the engine has it.
fn skipped(from: &str) -> Position {
    if from.starts_with("col(") {
        return Position::field(from, 0);
    }
    let (segment, field) = from.split_once('-').unwrap_or((from, ""));
    Position::field(segment, field.split('.').next().and_then(|f| f.parse().ok()).unwrap_or(0))
}

impl<'p> Walk<'p> {
    fn note(&mut self, goal: &Goal<'_, 'p>, rule: &str, kind: Kind, position: Position) {
        self.uses.push(Use {
            position: Some(position),
            kind,
            resource: goal.resource.clone(),
            target: String::new(),
            map: goal.map.clone(),
            rule: format!("{}{rule}", goal.trail),
            how: String::new(),
            table: None,
            never: Vec::new(),
            coded: false,
            joined: false,
        });
    }

    fn note_cond(&mut self, goal: &Goal<'_, 'p>, rule: &str, scope: &Scope<'_, 'p>, cond: Option<&'p Cond>) {
        let Some(cond) = cond else { return };
        let mut looked = Vec::new();
        self.read.cond(scope, cond, &mut looked, 0);
        for position in looked {
            self.note(goal, rule, Kind::Decides, position);
        }
    }

    fn note_paths(&mut self, goal: &Goal<'_, 'p>, rule: &str, scope: &Scope<'_, 'p>, paths: &'p [Path]) {
        for path in paths {
            let mut looked = Vec::new();
            for read in self.read.path(scope, path, &mut looked, 0) {
                if self.possible(goal, &read.facts) {
                    self.note(goal, rule, Kind::Key, read.position);
                }
            }
            for position in looked {
                self.note(goal, rule, Kind::Decides, position);
            }
        }
    }

    /// What the rows of `let` look at; what they read is noted where the name is used, and here as a choice.
    fn note_lets(&mut self, goal: &Goal<'_, 'p>, scope: &Scope<'_, 'p>) {
        for row in self.read.lets(scope) {
            let rule = format!("${}", self.read.name(row.name));
            self.note_cond(goal, &rule, scope, row.when.as_ref());
            if !self.possible(goal, &given(scope, row)) {
                continue;
            }
            let mut looked = Vec::new();
            let read = self.read.let_row(scope, row, &[], &mut looked, 0);
            let here: Vec<_> = read.into_iter().filter(|read| self.possible(goal, &read.facts)).collect();
            look(&mut looked, here);
            // The segment that a find gives is read only where a part of the name is.
            for position in looked.into_iter().filter(|p| p.field > 0 || p.segment.starts_with("col(")) {
                self.note(goal, &rule, Kind::Decides, position);
            }
        }
    }

    fn of_message(&mut self) {
        let message = self.message;
        let id = &message.id;
        let goal = Goal {
            resource: String::new(),
            prefix: String::new(),
            map: id.clone(),
            trail: format!("{id}/"),
            facts: Vec::new(),
        };
        let scope = Scope { base: None, map: None, outer: None, own: false };
        self.note_cond(&goal, "is", &scope, Some(&message.is));
        self.note_cond(&goal, "cancel", &scope, message.cancel.as_ref());
        self.note_cond(&goal, "partial", &scope, message.partial.as_ref());
        self.note_paths(&goal, "unit", &scope, &message.unit);
        if let Some(each) = &message.each {
            for paths in each.numbers.iter().chain([&each.parent]) {
                self.note_paths(&goal, "each", &scope, paths);
            }
            self.note_cond(&goal, "continues", &scope, each.continues.as_ref());
        }
        self.note_paths(&goal, "event_time", &scope, &message.event_time);
        self.note_paths(&goal, "event_day", &scope, &message.event_day);
        self.note_lets(&goal, &scope);
    }

    /// A map that makes resources of segments, groups or the message.
    fn of_map(&mut self, n: usize) {
        let map = &self.plan.maps[n];
        if matches!(map.instances, For::Datatype | For::Nothing) {
            return;
        }
        self.resource(map, None, "");
    }

    /// A map, `base` being the value that it is made of.
    fn resource(&mut self, map: &'p Map, base: Option<&Position>, trail: &str) {
        let scope = Scope { base, map: Some(map), outer: None, own: false };
        // What the message is, that it takes nothing back, and what its lines must be.
        let message = Scope { base: None, map: None, outer: None, own: false };
        let mut facts = vec![Fact::cond(&message, &self.message.is, true)];
        facts.extend(self.message.cancel.iter().map(|cond| Fact::cond(&message, cond, false)));
        facts.extend(map.only.iter().chain(&map.when).map(|cond| Fact::cond(&scope, cond, true)));
        if !self.holds_together(&facts) {
            return;
        }
        let goal = Goal {
            resource: map.makes.clone(),
            prefix: String::new(),
            map: map.id.clone(),
            trail: format!("{trail}{}/", map.id),
            facts,
        };
        let made = (map.id.clone(), map.profile.clone().unwrap_or_default());
        if !self.profiles.contains(&made) {
            self.profiles.push(made);
        }
        self.note_cond(&goal, "for", &scope, map.only.as_ref());
        self.note_cond(&goal, "when", &scope, map.when.as_ref());
        self.note_paths(&goal, "key", &scope, &map.key);
        if let For::By(segment, paths) = &map.instances {
            let segment = self.read.segment(*segment);
            let inner = Scope { base: Some(&segment), own: true, ..scope };
            self.note_paths(&goal, "for", &inner, paths);
        }
        self.note_lets(&goal, &scope);
        self.rules(map, &scope, &goal, 0);
    }

    fn rules(&mut self, map: &'p Map, scope: &Scope<'_, 'p>, goal: &Goal<'_, 'p>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        // What the fixed rows before a row of the same place did not ask for.
        let mut unmet: Vec<Fact<'_, 'p>> = Vec::new();
        for rule in &map.rules {
            if !rule.follows {
                unmet.clear();
            }
            let mut more: Vec<Fact<'_, 'p>> =
                rule.when.iter().map(|cond| Fact::cond(scope, cond, true)).collect();
            more.extend(unmet.iter().cloned());
            if self.possible(goal, &more) {
                let mut here = goal.clone();
                here.facts.extend(more);
                self.rule(rule, scope, &here, depth);
            }
            if let (Source::Fixed(_), Some(cond)) = (&rule.source, &rule.when) {
                unmet.push(Fact::cond(scope, cond, false));
            }
        }
    }

    fn holds_together(&self, facts: &[Fact<'_, 'p>]) -> bool {
        possible(&self.read, &mut self.memory.borrow_mut(), facts)
    }

    /// Whether what holds at a goal, which is known to be possible, may hold together with more.
    fn possible(&self, goal: &Goal<'_, 'p>, more: &[Fact<'_, 'p>]) -> bool {
        if more.is_empty() {
            return true;
        }
        let mut facts: Vec<Fact<'_, 'p>> = goal.facts.clone();
        facts.extend(more.iter().cloned());
        self.holds_together(&facts)
    }

    fn rule(&mut self, rule: &'p Rule, scope: &Scope<'_, 'p>, goal: &Goal<'_, 'p>, depth: usize) {
        let (mut looked, mut asked) = (Vec::new(), Vec::new());
        if let Some(cond) = &rule.when {
            self.read.cond(scope, cond, &mut looked, 0);
            self.read.asked(scope, cond, true, &mut asked, 0);
        }
        let fixed = matches!(rule.source, Source::Fixed(_));
        for position in looked {
            // That there is nothing is no value to write.
            let chosen = fixed && asked.contains(&position);
            let kind = if chosen { Kind::Chosen } else { Kind::Decides };
            self.write(rule, goal, Some(position), kind, "");
        }
        match &rule.source {
            Source::Fixed(fixed) => self.fixed(rule, goal, fixed),
            Source::None => {
                if let Some(Make::Text(pieces)) = &rule.make {
                    let mut looked = Vec::new();
                    for read in self.read.pieces(scope, pieces, &mut looked, 0) {
                        if self.possible(goal, &read.facts) {
                            let kind = if read.finds { Kind::Decides } else { Kind::Written };
                            self.write(rule, goal, Some(read.position), kind, "");
                            self.joined(1, read.joined);
                        }
                    }
                    self.looked_at(rule, goal, looked);
                }
            }
            Source::From(paths) => {
                for (n, path) in paths.iter().enumerate() {
                    let mut looked = Vec::new();
                    let read = self.read.path(scope, path, &mut looked, 0);
                    self.looked_at(rule, goal, looked);
                    for read in read {
                        self.given(rule, n + 1, read, scope, goal, depth);
                    }
                }
            }
            Source::Each(path, used) => {
                let mut looked = Vec::new();
                let read = self.read.path(scope, path, &mut looked, 0);
                self.looked_at(rule, goal, looked);
                for read in read {
                    match used {
                        Some(n) => {
                            let inner = &self.plan.inner[*n];
                            let position = &read.position;
                            let mut goal = goal.clone();
                            goal.facts.extend(read.facts.iter().cloned());
                            self.element(inner, rule, position, scope, &goal, depth);
                        }
                        None => self.given(rule, 1, read, scope, goal, depth),
                    }
                }
            }
        }
    }

    /// What `as` makes of what a path read, where a message can have it.
    fn given(
        &mut self,
        rule: &'p Rule,
        input: usize,
        read: Read<'_, 'p>,
        scope: &Scope<'_, 'p>,
        goal: &Goal<'_, 'p>,
        depth: usize,
    ) {
        if !self.possible(goal, &read.facts) {
            return;
        }
        let mut here = goal.clone();
        here.facts.extend(read.facts.iter().cloned());
        // A reference says which segment was found; any other value stands in that one.
        let refers = matches!(rule.make, Some(Make::RefType(..) | Make::RefMade { .. }));
        if read.finds && !refers || matches!(rule.make, Some(Make::Ordinal { .. })) {
            self.write(rule, goal, Some(read.position), Kind::Decides, "");
            return;
        }
        let from = self.uses.len();
        self.made(rule, input, &read.position, scope, &here, depth);
        self.joined(self.uses.len() - from, read.joined);
        let Some(key) = &read.key else { return };
        let (key, codes) = match &rule.make {
            Some(Make::Table(n)) => {
                let rows = self.plan.tables[*n].rows.iter();
                (key.clone(), rows.map(|row| &row.source_code).collect::<BTreeSet<_>>())
            }
            // A coding keeps any code but those that the rows before it take.
            Some(Make::Function(n, _)) if functions::keeps_codes(*n) => {
                let key = key.part(1);
                let codes = self.read.codes_at(&here.facts, &key);
                (key, codes)
            }
            _ => return,
        };
        if self.read.speaks_of(&here.facts, &key) {
            let never = |code: &&&String| !self.possible(&here, &[Fact::is(scope, &key, code)]);
            let never: Vec<String> = codes.iter().filter(never).map(|code| (*code).clone()).collect();
            for one in &mut self.uses[from..] {
                one.never.clone_from(&never);
            }
        }
    }

    /// Of the last uses: whether they are put together with others.
    fn joined(&mut self, last: usize, joined: bool) {
        let from = self.uses.len().saturating_sub(last);
        for one in &mut self.uses[from..] {
            one.joined |= joined;
        }
    }

    /// A fixed value; of a code also its system, as a table has it.
    fn fixed(&mut self, rule: &'p Rule, goal: &Goal<'_, 'p>, fixed: &Fixed) {
        self.write(rule, goal, None, Kind::Fixed, "");
        let (Some(Make::Code(n)), Fixed::Text(code)) = (&rule.make, fixed) else { return };
        let table = &self.plan.tables[*n];
        let Some(row) = table.by_target.get(code).map(|n| &table.rows[*n as usize]) else { return };
        let before = match rule.target.shape {
            Shape::CodeableConcept => "coding.",
            Shape::Coding => "",
            _ => return,
        };
        for (name, value) in
            [("code", code), ("system", &row.target_system), ("display", &row.target_display)]
        {
            self.write(rule, goal, None, Kind::Fixed, &format!("{before}{name}"));
            if let Some(last) = self.uses.last_mut() {
                last.how = format!("'{value}'");
            }
        }
    }

    fn looked_at(&mut self, rule: &'p Rule, goal: &Goal<'_, 'p>, looked: Vec<Position>) {
        for position in looked {
            self.write(rule, goal, Some(position), Kind::Decides, "");
        }
    }

    /// What `as` makes of a position.
    fn made(
        &mut self,
        rule: &'p Rule,
        input: usize,
        position: &Position,
        scope: &Scope<'_, 'p>,
        goal: &Goal<'_, 'p>,
        depth: usize,
    ) {
        match &rule.make {
            Some(Make::Function(n, _)) => {
                let several = functions::is_several(*n);
                for part in parts(*n, rule.target.shape) {
                    if part.input == input || !several {
                        let numbers: Vec<Part> = part.at.iter().map(|n| Part::Number(*n)).collect();
                        // A subcomponent has no parts but itself.
                        let deep = position.parts.len() + numbers.len() > 2;
                        if deep && !numbers.iter().all(|part| *part == Part::Number(1)) {
                            continue;
                        }
                        let at = append(position, &numbers);
                        self.write(rule, goal, Some(at), Kind::Written, part.below);
                        self.joined(1, is_joined(*n, part));
                    }
                }
            }
            Some(Make::Type(n)) => {
                self.element(&self.plan.inner[*n], rule, position, scope, goal, depth);
            }
            Some(Make::Text(pieces)) => {
                let inner = Scope { base: Some(position), ..*scope };
                let mut looked = Vec::new();
                for read in self.read.pieces(&inner, pieces, &mut looked, 0) {
                    self.write(rule, goal, Some(read.position), Kind::Written, "");
                    self.joined(1, read.joined);
                }
                self.looked_at(rule, goal, looked);
            }
            Some(Make::RefType(_, index) | Make::RefMade { index, .. }) => {
                self.write(rule, goal, Some(position.clone()), Kind::Written, "reference");
                let Some(n) = *index else { return };
                let map = &self.plan.maps[n];
                self.named(rule, map, position, goal);
                if matches!(map.instances, For::Datatype) && self.followed.insert((n, position.clone())) {
                    let trail = format!("{}{} > ", goal.trail, rule.id);
                    self.resource(map, Some(position), &trail);
                }
            }
            Some(Make::Table(_) | Make::Code(_)) => {
                let below: &[&str] = match rule.target.shape {
                    Shape::Coding => &["system", "code", "display"],
                    Shape::CodeableConcept => &["coding.system", "coding.code", "coding.display", "text"],
                    _ => &[""],
                };
                for below in below {
                    self.write(rule, goal, Some(position.clone()), Kind::Written, below);
                }
            }
            None | Some(Make::Ordinal { .. } | Make::Form(_) | Make::TableOf(..)) => {
                let below = match rule.target.shape {
                    Shape::CodeableConcept => "text",
                    Shape::Coding => "display",
                    _ => "",
                };
                self.write(rule, goal, Some(position.clone()), Kind::Written, below);
            }
        }
    }

    /// A reference to what a map made of a segment says what that map's key says of it.
    fn named(&mut self, rule: &'p Rule, map: &'p Map, position: &Position, goal: &Goal<'_, 'p>) {
        if position.field > 0 || matches!(map.instances, For::Datatype) {
            return;
        }
        let scope = Scope { base: None, map: Some(map), outer: None, own: false };
        for path in &map.key {
            for read in self.read.path(&scope, path, &mut Vec::new(), 0) {
                // Of the keys' other parts (order, patient) the reference says nothing of its own.
                if read.position.segment == position.segment && read.position.field > 0 {
                    self.write(rule, goal, Some(read.position), Kind::Written, "reference");
                }
            }
        }
    }

    /// A submap or datatype map, filled from a position.
    fn element(
        &mut self,
        map: &'p Map,
        rule: &'p Rule,
        position: &Position,
        outer: &Scope<'_, 'p>,
        goal: &Goal<'_, 'p>,
        depth: usize,
    ) {
        let inner = Goal {
            prefix: format!("{}{}.", goal.prefix, rule.target.text),
            trail: format!("{}{} > {}/", goal.trail, rule.id, map.id),
            ..goal.clone()
        };
        // `each = "PV1"` in a map of PV1 is that segment itself.
        let own = match &rule.source {
            Source::Each(path, _) => self.read.is_own(outer, path),
            _ => false,
        };
        let scope = Scope { base: Some(position), map: Some(map), outer: Some(outer), own };
        self.note_lets(&inner, &scope);
        self.rules(map, &scope, &inner, depth + 1);
    }

    fn write(
        &mut self,
        rule: &Rule,
        goal: &Goal<'_, 'p>,
        position: Option<Position>,
        kind: Kind,
        below: &str,
    ) {
        let target = &rule.target.text;
        let target = match target.strip_suffix("[x]") {
            Some(bare) if below.starts_with(|c: char| c.is_ascii_uppercase()) => format!("{bare}{below}"),
            _ if below.is_empty() => target.clone(),
            _ => format!("{target}.{below}"),
        };
        let table = match &rule.make {
            Some(Make::Table(n) | Make::Code(n)) => Some(*n),
            _ => None,
        };
        self.uses.push(Use {
            position,
            kind,
            resource: goal.resource.clone(),
            target: format!("{}{target}", goal.prefix),
            map: goal.map.clone(),
            rule: format!("{}{}", goal.trail, rule.id),
            how: self.how(rule),
            table,
            never: Vec::new(),
            coded: matches!(&rule.make, Some(Make::Function(n, _)) if functions::keeps_codes(*n)),
            joined: false,
        });
    }

    /// What stands behind `as`, or the fixed value.
    fn how(&self, rule: &Rule) -> String {
        let table = |n: &usize| self.plan.table_names.get(*n).map_or("", String::as_str);
        let make = match &rule.make {
            None => String::new(),
            Some(Make::Function(n, argument)) => match argument {
                Some(argument) => format!("{} {argument}", functions::LIST[*n].name),
                None => functions::LIST[*n].name.to_owned(),
            },
            Some(Make::Type(n)) => self.plan.inner[*n].id.clone(),
            Some(Make::Table(n)) => format!("table {}", table(n)),
            Some(Make::TableOf(n, _)) => format!("table {} of …", table(n)),
            Some(Make::Code(n)) => format!("code {}", table(n)),
            Some(Make::Form(_)) => "form".to_owned(),
            Some(Make::Text(_)) => "text".to_owned(),
            Some(Make::Ordinal { .. }) => "ordinal".to_owned(),
            Some(Make::RefType(kind, _)) => format!("ref {kind}"),
            Some(Make::RefMade { map, .. }) => format!("ref made-by {map}"),
        };
        match &rule.source {
            Source::Fixed(Fixed::Text(text) | Fixed::Number(text)) if make.is_empty() => format!("'{text}'"),
            Source::Fixed(Fixed::Text(text) | Fixed::Number(text)) => format!("'{text}' {make}"),
            Source::Fixed(Fixed::Boolean(value)) => value.to_string(),
            _ => make,
        }
    }
}
