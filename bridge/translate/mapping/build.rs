//! Rules write: from an instance and a map to nodes of a resource or element.

use super::holds::Plain;
use super::item::{Item, NOWHERE, Pos, bare};
use super::plan::{Else, Fixed, Make, Map, Path, Rule, Shape, Source, Sym, Table, Target};
use super::run::{Built, Inst, Items, Run, Scope};
use super::siblings::{Common, Written};
use super::single::Found;
use crate::fhir::{Id, key};
use crate::finding::Severity;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Something made: the JSON name of its type behind `[x]`, and its node.
pub(crate) type Made = Option<(&'static str, Id)>;

/// A resource while its rules write.
pub(crate) struct Writing {
    pub(crate) named: Vec<(Id, Sym, Id)>,
    pub(crate) map: usize,
    /// Of its resource, for a trace alone.
    pub(crate) id: String,
    /// The target path of the element that a submap fills.
    pub(crate) prefix: String,
    /// What the rule at work writes, where its siblings are to have it too.
    pub(crate) kept: Option<Written>,
}

impl<'m> Run<'m> {
    /// Makes the resource of an instance and keeps it.
    pub(crate) fn resource(&mut self, n: usize, id: &str, scope: &Scope<'_, 'm>, siblings: bool) {
        let map = self.map(n);
        let root = self.arena.object();
        self.arena.put_text(root, key::RESOURCE_TYPE, &map.makes);
        self.arena.put_text(root, key::ID, id);
        if let Some(profile) = &map.profile {
            let (meta, list, text) = (self.arena.object(), self.arena.array(), self.arena.text(profile));
            self.arena.append(list, text);
            self.arena.put(meta, key::PROFILE, list);
            self.arena.put(root, key::META, meta);
        }
        let told = if self.tracing { id.to_owned() } else { String::new() };
        let mut writing = Writing { named: Vec::new(), map: n, id: told, prefix: String::new(), kept: None };
        let mut common = if siblings { self.common(n, scope) } else { None };
        self.rules(map, root, scope, &mut writing, common.as_mut());
        self.keep(n, scope, common);
        let pos = self.stand(scope);
        self.built.push(Built { map: n, id: id.to_owned(), node: root, named: writing.named, pos });
    }

    /// Runs the rules of a map into an object.
    pub(crate) fn rules(
        &mut self,
        map: &'m Map,
        root: Id,
        scope: &Scope<'_, 'm>,
        writing: &mut Writing,
        mut common: Option<&mut Common<'m>>,
    ) {
        let mut wrote = false;
        for (n, rule) in map.rules.iter().enumerate() {
            self.owner = &map.id;
            self.row = &rule.id;
            let mut common = common.as_mut().filter(|_| map.around.rules.get(n) == Some(&true));
            if rule.follows && wrote {
                if common.is_none_or(|common| !common.is_seen(n)) {
                    self.seen(scope, rule);
                }
                continue;
            }
            self.touched.clear();
            wrote = match &mut common {
                Some(common) => self.rule_around(n, rule, root, scope, writing, common),
                None => self.rule(rule, root, scope, writing),
            };
            if !wrote {
                (self.owner, self.row) = (&map.id, &rule.id);
                self.unmet(rule, scope);
            }
        }
    }

    /// Runs a rule that looks past the instance, or takes over what it wrote for a sibling.
    fn rule_around(
        &mut self,
        n: usize,
        rule: &'m Rule,
        root: Id,
        scope: &Scope<'_, 'm>,
        writing: &mut Writing,
        common: &mut Common<'m>,
    ) -> bool {
        let Some(written) = common.rule(n) else {
            writing.kept = Some(Written::new());
            let wrote = self.rule(rule, root, scope, writing);
            common.set_rule(n, writing.kept.take().unwrap_or_default());
            return wrote;
        };
        let mut wrote = false;
        for (kind, node, once) in written {
            let copy = self.arena.copy(*node);
            wrote |= self.emit(rule, root, Ok(Some((kind, copy))), NOWHERE, writing, *once);
        }
        wrote
    }

    /// Marks what a row that was not needed would have read.
    fn seen(&mut self, scope: &Scope<'_, 'm>, rule: &'m Rule) {
        if let Source::From(paths) = &rule.source {
            paths.iter().for_each(|path| self.glance(scope, path));
        }
    }

    /// What `else` says where nothing was written.
    fn unmet(&mut self, rule: &'m Rule, scope: &Scope<'_, 'm>) {
        let (severity, code) = match &rule.otherwise {
            Else::Error(code) => (Severity::Error, code),
            Else::Warn(code) => (Severity::Warning, code),
            Else::Next(code @ Some(_)) => (Severity::Warning, code),
            _ => return,
        };
        if !matches!(rule.otherwise, Else::Next(_))
            && let Some(cond) = &rule.when
            && !self.holds(scope, None, cond)
        {
            return;
        }
        let path = match &rule.source {
            Source::From(paths) => paths.first(),
            Source::Each(path, _) => Some(path),
            _ => None,
        };
        let pos = path.map_or(NOWHERE, |path| self.place(scope, path));
        let code = code.clone().map_or(Cow::Borrowed("field-empty"), Cow::Owned);
        self.finding(severity, code, pos);
    }

    /// Runs one rule; whether it wrote.
    fn rule(&mut self, rule: &'m Rule, root: Id, scope: &Scope<'_, 'm>, writing: &mut Writing) -> bool {
        if let Some(cond) = &rule.when
            && !self.holds(scope, None, cond)
        {
            return false;
        }
        match &rule.source {
            Source::Fixed(fixed) => {
                let made = self.fixed(rule, fixed);
                self.emit(rule, root, made, NOWHERE, writing, false)
            }
            Source::None => {
                let Some(Make::Text(pieces)) = &rule.make else { return false };
                let mut text = std::mem::take(&mut self.composed);
                text.clear();
                let whole = self.compose(scope, pieces, &mut text);
                let made = if whole { self.shaped(rule.target.shape, &text) } else { Ok(None) };
                self.composed = text;
                self.emit(rule, root, made, NOWHERE, writing, false)
            }
            Source::Each(path, used) => {
                let mut items = Items::new();
                self.resolve(scope, None, path, &mut items);
                let mut wrote = false;
                let delimiters = self.delimiters;
                for (n, item) in items.into_iter().filter(|i| i.valued(&delimiters)).enumerate() {
                    let pos = item.pos();
                    let repeats = matches!(item, Item::Repetition(..));
                    let made = match used {
                        Some(used) => {
                            let map = &self.set.inner[*used];
                            let prefix = std::mem::take(&mut writing.prefix);
                            if self.tracing {
                                writing.prefix = format!("{prefix}{}.", rule.target.text);
                            }
                            let owner = self.owner;
                            let made = self.element(map, item, scope, n + 1, writing);
                            writing.prefix = prefix;
                            (self.owner, self.row) = (owner, &rule.id);
                            Ok(made.map(|id| ("", id)))
                        }
                        None => self.made(rule, &[&[item]], scope, n + 1, writing),
                    };
                    self.touched.clear();
                    // Kanji and kana of one doctor are two repetitions and one participant.
                    wrote |= self.emit(rule, root, made, pos, writing, repeats);
                }
                wrote
            }
            Source::From(paths) => self.from(rule, paths, root, scope, writing),
        }
    }

    fn from(
        &mut self,
        rule: &'m Rule,
        paths: &'m [Path],
        root: Id,
        scope: &Scope<'_, 'm>,
        writing: &mut Writing,
    ) -> bool {
        let several = match &rule.make {
            Some(Make::Function(n, _)) => super::functions::is_several(*n),
            Some(Make::RefMade { by_key, .. }) => *by_key,
            _ => false,
        };
        let delimiters = self.delimiters;
        if several {
            let mut found: SmallVec<[Items<'m>; 3]> = SmallVec::new();
            for path in paths {
                let mut items = Items::new();
                self.resolve(scope, None, path, &mut items);
                items.retain(|item| item.valued(&delimiters));
                found.push(items);
            }
            let Some(pos) = found.iter().flatten().next().map(Item::pos) else { return false };
            let inputs: SmallVec<[&[Item<'m>]; 3]> = found.iter().map(|items| items.as_slice()).collect();
            let made = self.made(rule, &inputs, scope, scope.ordinal, writing);
            return self.emit(rule, root, made, pos, writing, false);
        }
        let ordinal = matches!(rule.make, Some(Make::Ordinal { .. }));
        if let ([path], false, false) = (paths, self.tracing, ordinal) {
            // Most values are written as they are.
            if rule.make.is_none()
                && let Plain::Text(text, false) = self.at_once(scope, None, path)
            {
                let made = self.shaped(rule.target.shape, text);
                let pos = if made.is_err() { self.place(scope, path) } else { NOWHERE };
                return self.put_made(rule, root, made, pos, writing);
            }
            match self.single(scope, None, path) {
                Found::Nothing => return false,
                Found::One(item) if !item.valued(&delimiters) => return false,
                Found::One(item) => {
                    let made = self.made(rule, &[std::slice::from_ref(&item)], scope, scope.ordinal, writing);
                    return self.put_made(rule, root, made, item.pos(), writing);
                }
                Found::Several => {}
            }
        }
        let mut items = Items::new();
        for path in paths {
            self.resolve(scope, None, path, &mut items);
        }
        if self.tracing {
            // Each is traced where it is written: what stands beside it was looked at and not used.
            self.touched.retain(|pos| !items.iter().any(|item| item.pos() == *pos));
        }
        items.retain(|item| item.valued(&delimiters));
        if ordinal {
            let made = self.shaped(rule.target.shape, &scope.ordinal.to_string());
            return self.emit(rule, root, made, NOWHERE, writing, false);
        }
        let (appends, refers) = (rule.appends(), rule.refers());
        let mut wrote = false;
        for item in items {
            let pos = item.pos();
            if wrote && !appends && !refers {
                break;
            }
            let made = self.made(rule, &[std::slice::from_ref(&item)], scope, scope.ordinal, writing);
            if wrote && !appends {
                continue;
            }
            wrote |= self.put_made(rule, root, made, pos, writing);
        }
        wrote
    }

    /// Writes what was made of one value; a reference that the target's array holds already stands there.
    fn put_made(
        &mut self,
        rule: &'m Rule,
        root: Id,
        made: Result<Made, &'static str>,
        pos: Pos,
        writing: &mut Writing,
    ) -> bool {
        self.emit(rule, root, made, pos, writing, rule.refers() && rule.appends())
    }

    /// Writes what was made; `once`: unless the target's array holds an equal element already.
    fn emit(
        &mut self,
        rule: &'m Rule,
        root: Id,
        made: Result<Made, &'static str>,
        pos: Pos,
        writing: &mut Writing,
        once: bool,
    ) -> bool {
        if let (Some(kept), Ok(Some((kind, node)))) = (&mut writing.kept, &made) {
            kept.push((kind, *node, once));
        }
        let listed = once && matches!(&made, Ok(Some((_, node))) if self.listed(root, &rule.target, *node));
        listed || self.write_made(rule, root, made, pos, writing)
    }

    /// Whether the array of a target holds an equal element.
    fn listed(&self, root: Id, target: &Target, node: Id) -> bool {
        let [step] = target.steps.as_slice() else { return false };
        self.arena
            .get(root, step.key)
            .is_some_and(|list| self.arena.children(list).any(|(_, old)| self.arena.same(old, node)))
    }

    fn fixed(&mut self, rule: &'m Rule, fixed: &'m Fixed) -> Result<Made, &'static str> {
        let text = match fixed {
            Fixed::Boolean(value) => return Ok(Some(("Boolean", self.arena.boolean(*value)))),
            Fixed::Number(text) => {
                return Ok(super::functions::number(text).map(|t| ("Decimal", self.arena.number(&t))));
            }
            Fixed::Text(text) => text,
        };
        match &rule.make {
            Some(Make::Code(table)) => {
                let table = &self.set.tables[*table];
                let row =
                    table.by_target.get(text).map(|n| &table.rows[*n as usize]).ok_or("code-not-in-table")?;
                self.coded(rule.target.shape, &[row], "")
            }
            Some(Make::Table(_) | Make::Type(_) | Make::Function(..)) => {
                let item = Item::Text(Cow::Borrowed(text.as_str()), NOWHERE);
                let scope = self.scope(Inst::Message, 1);
                let mut writing = Writing {
                    named: Vec::new(),
                    map: 0,
                    id: String::new(),
                    prefix: String::new(),
                    kept: None,
                };
                self.made(rule, &[&[item]], &scope, 1, &mut writing)
            }
            _ => self.shaped(rule.target.shape, text),
        }
    }

    /// What `as` makes of its inputs.
    fn made(
        &mut self,
        rule: &'m Rule,
        inputs: &[&[Item<'m>]],
        scope: &Scope<'_, 'm>,
        ordinal: usize,
        writing: &mut Writing,
    ) -> Result<Made, &'static str> {
        let shape = rule.target.shape;
        let first = inputs.iter().copied().flatten().next();
        match &rule.make {
            None => match first {
                Some(item) => self.shaped(shape, &item.text()),
                None => Ok(None),
            },
            Some(Make::Function(n, argument)) => {
                if super::functions::is_text(*n) {
                    let Some(item) = first else { return Ok(None) };
                    let name = super::functions::LIST[*n].makes;
                    return match self.text_function(*n, argument.as_deref(), item)? {
                        Some(text) => {
                            let made = self.shaped(shape, &text)?;
                            Ok(made.map(|(_, id)| (choice_of(name), id)))
                        }
                        None => Ok(None),
                    };
                }
                self.node_function(*n, argument.as_deref(), shape, inputs)
            }
            Some(Make::Type(n)) => {
                let Some(item) = first else { return Ok(None) };
                let map = &self.set.inner[*n];
                let (owner, row) = (self.owner, self.row);
                let touched = std::mem::take(&mut self.touched);
                let tracing = std::mem::replace(&mut self.tracing, false);
                let made = self.element(map, item.clone(), scope, ordinal, writing);
                (self.owner, self.row) = (owner, row);
                (self.touched, self.tracing) = (touched, tracing);
                Ok(made.map(|id| (type_name(&map.makes), id)))
            }
            Some(Make::Table(n)) => {
                let Some(item) = first else { return Ok(None) };
                self.table(*n, item, rule)
            }
            Some(Make::Code(n)) => {
                let Some(item) = first else { return Ok(None) };
                let table = &self.set.tables[*n];
                let code = item.text();
                let row = table.by_target.get(code.as_ref()).map(|n| &table.rows[*n as usize]);
                row.map_or(Err("code-not-in-table"), |row| self.coded(shape, &[row], ""))
            }
            Some(Make::Ordinal { .. }) => self.shaped(shape, &ordinal.to_string()),
            Some(Make::Text(pieces)) => {
                let inner = first.map(|item| Scope {
                    lets: Cow::Borrowed(&scope.lets),
                    outer: Some(scope),
                    ..self.scope(Inst::Value(item.clone()), ordinal)
                });
                let mut text = String::new();
                let whole = self.compose(inner.as_ref().unwrap_or(scope), pieces, &mut text);
                if whole { self.shaped(shape, &text) } else { Ok(None) }
            }
            Some(Make::Form(_) | Make::TableOf(..)) => Err("form-unfit"),
            Some(Make::RefType(..) | Make::RefMade { .. }) => {
                let make = rule.make.as_ref().expect("matched above");
                Ok(self.reference(make, inputs, scope).map(|id| ("Reference", id)))
            }
        }
    }

    /// A submap or datatype map filled from a value; `None` where it wrote nothing.
    fn element(
        &mut self,
        map: &'m Map,
        item: Item<'m>,
        outer: &Scope<'_, 'm>,
        ordinal: usize,
        writing: &mut Writing,
    ) -> Option<Id> {
        let inst = match &item {
            Item::Segment(segment) => Inst::Segment(segment.index() as u32),
            Item::Group(g) => Inst::Group(*g),
            _ => Inst::Value(item),
        };
        let mut scope = Scope { outer: Some(outer), ..self.scope(inst, ordinal) };
        self.owner = &map.id;
        if !map.lets.is_empty() {
            self.lets(&map.lets, map.slots, &mut scope, None);
        }
        let root = self.arena.object();
        // What is written inside is part of what the rule around it makes.
        let kept = writing.kept.take();
        self.rules(map, root, &scope, writing, None);
        writing.kept = kept;
        (!self.arena.is_empty(root)).then_some(root)
    }

    fn table(&mut self, n: usize, item: &Item<'m>, rule: &'m Rule) -> Result<Made, &'static str> {
        let shape = rule.target.shape;
        let table = &self.set.tables[n];
        let text = |n: u16| item.words(n);
        let mut missed = None;
        for slot in slots(item) {
            let code = text(slot);
            if code.is_empty() {
                continue;
            }
            let system = text(slot + 2);
            let rows: Vec<_> = table.find(&system, &code).collect();
            if Table::is_several(&system, &rows) {
                self.finding(Severity::Warning, "code-system-undecided", item.pos());
            } else if !rows.is_empty() {
                return self.coded(shape, &rows, &text(slot + 1));
            }
            missed = missed.or(Some((system, code)));
        }
        // Where the next row is tried, that one may know it.
        if let Some((system, code)) = missed.filter(|_| !matches!(rule.otherwise, Else::Next(_))) {
            self.unmapped(n, &system, &code, item.pos());
        }
        // A code that the table does not know stays as the local coding, unless the rule says otherwise.
        match (&rule.otherwise, shape) {
            (Else::Next(_) | Else::Empty | Else::Error(_), _) => Ok(None),
            (otherwise, Shape::CodeableConcept | Shape::Coding) => {
                let code = match otherwise {
                    Else::Warn(Some(code)) => Cow::Owned(code.clone()),
                    _ => Cow::Borrowed("code-not-in-table"),
                };
                self.finding(Severity::Warning, code, item.pos());
                self.concept(item, None, shape)
            }
            (Else::Warn(_), _) => Ok(None),
            _ => {
                self.finding(Severity::Warning, "code-not-in-table", item.pos());
                Ok(None)
            }
        }
    }

    /// Nodes for rows of a table.
    fn coded(&mut self, shape: Shape, rows: &[&super::plan::Row], text: &str) -> Result<Made, &'static str> {
        let Some(row) = rows.first() else { return Ok(None) };
        match shape {
            Shape::Coding => {
                Ok(Some(("Coding", self.coding(&row.target_system, &row.target_code, &row.target_display))))
            }
            Shape::CodeableConcept => {
                let (concept, list) = (self.arena.object(), self.arena.array());
                for row in rows.iter().filter(|row| !row.target_code.is_empty()) {
                    let coding = self.coding(&row.target_system, &row.target_code, &row.target_display);
                    self.arena.append(list, coding);
                }
                if !self.arena.is_empty(list) {
                    self.arena.put(concept, key::CODING, list);
                }
                let text = if text.is_empty() { &row.target_display } else { text };
                self.arena.put_text(concept, key::TEXT, text);
                Ok((!self.arena.is_empty(concept)).then_some(("CodeableConcept", concept)))
            }
            _ if row.target_code.is_empty() => Ok(None),
            _ => self.shaped(shape, &row.target_code),
        }
    }

    pub(crate) fn coding(&mut self, system: &str, code: &str, display: &str) -> Id {
        let coding = self.arena.object();
        self.arena.put_text(coding, key::SYSTEM, system);
        self.arena.put_text(coding, key::CODE, code);
        self.arena.put_text(coding, key::DISPLAY, display);
        coding
    }

    /// A text as the target wants it.
    pub(crate) fn shaped(&mut self, shape: Shape, text: &str) -> Result<Made, &'static str> {
        let text = bare(text);
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(match shape {
            Shape::Text => ("String", self.arena.text(text)),
            Shape::Number => {
                let number = super::functions::number(text).ok_or("number-invalid")?;
                ("Decimal", self.arena.number(&number))
            }
            Shape::Boolean => match text {
                "true" | "1" | "Y" => ("Boolean", self.arena.boolean(true)),
                "false" | "0" | "N" => ("Boolean", self.arena.boolean(false)),
                _ => return Err("boolean-invalid"),
            },
            Shape::Coding => ("Coding", self.coding("", "", text)),
            Shape::CodeableConcept => {
                let concept = self.arena.object();
                self.arena.put_text(concept, key::TEXT, text);
                ("CodeableConcept", concept)
            }
            Shape::Other => ("String", self.arena.text(text)),
        }))
    }
}

/// The slots of a coded value in the order in which a table is asked: a site's own code may be another one of the table,
/// so it comes behind the code of a standard, wherever that stands.
pub(super) fn slots(item: &Item<'_>) -> [u16; 2] {
    let system = |n: u16| item.words(n);
    let own = |name: &str| name == "L" || name.starts_with("99");
    let is_standard = |name: &str| !name.is_empty() && !own(name);
    if own(&system(3)) && is_standard(&system(6)) { [4, 1] } else { [1, 4] }
}

fn choice_of(makes: &str) -> &'static str {
    match makes {
        "date" => "Date",
        "dateTime" => "DateTime",
        "instant" => "Instant",
        "decimal" => "Decimal",
        "integer" => "Integer",
        "boolean" => "Boolean",
        _ => "String",
    }
}

fn type_name(makes: &str) -> &'static str {
    super::target::CHOICES.iter().find(|choice| **choice == makes).copied().unwrap_or("")
}
