//! What the instances of a map in one group have in common.
//!
//! Ten results of one order are told beside one order, one specimen and one visit: what a row gives that looks at nothing
//! of its own instance is the same for all of them. Such rows are found when the set is loaded, looked at for the first
//! of the siblings, and taken over by the others.

use super::plan::{
    Cond, Else, FindBy, Fixed, For, Let, LetSource, Make, Map, MessagePlan, Name, Part, Path, Pick, Piece,
    Plan, Root, Rule, Same, Source, Sym,
};
use super::run::{Inst, Named, Run, Scope};
use crate::fhir::Id;
use smallvec::SmallVec;
use std::collections::HashMap;

/// The rows of a map that look past its instances.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) rules: Vec<bool>,
    /// By slot: names of which every row does.
    pub(crate) names: Vec<bool>,
}

/// What a rule wrote: the type behind `[x]`, the node, and whether an equal element of its array stands for it.
pub(crate) type Written = SmallVec<[(&'static str, Id, bool); 1]>;

/// What siblings have in common, as far as it is known.
#[derive(Default)]
pub(crate) struct Common<'m> {
    rules: Vec<OfRule>,
    names: Vec<Option<Named<'m>>>,
}

/// What is known of a rule.
#[derive(Clone, Default)]
struct OfRule {
    written: Option<Written>,
    /// What it would have read is marked.
    seen: bool,
}

/// Finds the rows and conditions that look past the instances of their map.
pub(crate) fn find(plan: &mut Plan) {
    let mut numbers = HashMap::new();
    for n in 0..plan.maps.len() {
        let inner = inner(plan, n);
        let Some(inner) = inner else { continue };
        let look = Look { plan, inner: &inner, names: &[] };
        let map = &plan.maps[n];
        let names = look.slots(map);
        let look = Look { names: &names, ..look };
        // What several instances make may become one resource: what they have in common must not be one thing then.
        let apart = matches!(map.same, Same::Apart | Same::Error);
        let rules =
            map.rules.iter().map(|rule| apart && look.rule(rule) && !written_into(map, rule)).collect();
        let mut conds = (map.only.clone(), map.when.clone());
        for cond in [&mut conds.0, &mut conds.1].into_iter().flatten() {
            look.mark(cond, &mut numbers);
        }
        let map = &mut plan.maps[n];
        (map.only, map.when) = conds;
        map.around = Around { rules, names };
    }
}

/// The names of segments and groups that an instance of a map may hold itself, in whichever message; `None` for a map
/// whose instances have no siblings in a group.
fn inner(plan: &Plan, n: usize) -> Option<Vec<Sym>> {
    let mut out = Vec::new();
    match &plan.maps[n].instances {
        For::Group(group) => {
            out.push(*group);
            for message in plan.messages.iter().filter(|message| message.maps.contains(&n)) {
                for (at, one) in message.groups.iter().enumerate() {
                    if one.name == *group {
                        held(message, at, &mut out);
                    }
                }
            }
        }
        For::Segment(name) | For::By(name, _) | For::Field(name, _) => out.push(*name),
        For::Message | For::Datatype | For::Nothing => return None,
    }
    Some(out)
}

/// What a group holds, at any depth.
fn held(message: &MessagePlan, group: usize, out: &mut Vec<Sym>) {
    for member in &message.groups[group].members {
        if !out.contains(&member.name) {
            out.push(member.name);
            if let Some(inner) = member.group {
                held(message, inner, out);
            }
        }
    }
}

/// Whether another rule of the map writes into what a rule writes.
fn written_into(map: &Map, rule: &Rule) -> bool {
    let keys = |rule: &Rule| rule.target.steps.iter().map(|step| step.key).collect::<Vec<_>>();
    let own = keys(rule);
    map.rules.iter().map(keys).any(|other| other.len() > own.len() && other.starts_with(&own))
}

/// Looks at rows from the instances of a map.
#[derive(Clone, Copy)]
struct Look<'p> {
    plan: &'p Plan,
    inner: &'p [Sym],
    /// By slot: names that look past the instance.
    names: &'p [bool],
}

impl Look<'_> {
    fn slots(&self, map: &Map) -> Vec<bool> {
        let mut out = vec![false; map.slots];
        for slot in 0..map.slots {
            let rows: Vec<&Let> = map.lets.iter().filter(|row| row.slot == slot).collect();
            let look = Look { names: &out, ..*self };
            out[slot] = !rows.is_empty() && rows.iter().all(|row| look.row(row));
        }
        out
    }

    fn row(&self, row: &Let) -> bool {
        // What is said of a missing value is said of each instance.
        let quiet = matches!(row.otherwise, Else::Default | Else::Empty | Else::Next(None));
        let source = match &row.source {
            LetSource::From(paths) => paths.iter().all(|path| self.path(path, false)),
            LetSource::Fixed(_) | LetSource::None => true,
            LetSource::Find(find) => {
                let by = |by: &FindBy| !matches!(by, FindBy::Same(path) if !self.path(path, false));
                let place = find.message || find.around.is_some_and(|group| !self.inner.contains(&group));
                place && find.pairs.iter().all(|(path, with)| self.path(path, true) && by(with))
            }
        };
        quiet
            && source
            && self.made(row.make.as_ref(), false)
            && row.when.as_ref().is_none_or(|c| self.cond(c, false))
    }

    fn rule(&self, rule: &Rule) -> bool {
        let source = match &rule.source {
            Source::From(paths) => paths.iter().all(|path| self.path(path, false)),
            Source::Fixed(Fixed::Text(_) | Fixed::Number(_) | Fixed::Boolean(_)) | Source::None => true,
            Source::Each(path, used) => used.is_none() && self.path(path, false),
        };
        let of_value = matches!(rule.source, Source::From(_) | Source::Each(..));
        source
            && self.made(rule.make.as_ref(), of_value)
            && rule.when.as_ref().is_none_or(|cond| self.cond(cond, false))
    }

    /// Whether what is made of a value from around is the same for all instances.
    fn made(&self, make: Option<&Make>, of_value: bool) -> bool {
        match make {
            None | Some(Make::Function(..) | Make::Table(_) | Make::Code(_) | Make::Form(_)) => true,
            Some(Make::Type(n)) => self.of_value(*n, 0),
            Some(Make::TableOf(_, path)) => self.path(path, false),
            Some(Make::Text(pieces)) => {
                pieces.iter().all(|piece| !matches!(piece, Piece::Path(path) if !self.path(path, of_value)))
            }
            Some(Make::Ordinal { .. }) => false,
            Some(Make::RefMade { by_key: true, .. }) => true,
            Some(Make::RefType(_, Some(n)) | Make::RefMade { index: Some(n), .. }) => {
                match &self.plan.maps[*n].instances {
                    For::Segment(name) | For::Group(name) | For::By(name, _) | For::Field(name, _) => {
                        !self.inner.contains(name)
                    }
                    For::Message | For::Datatype => true,
                    For::Nothing => false,
                }
            }
            Some(Make::RefType(_, None) | Make::RefMade { index: None, .. }) => false,
        }
    }

    /// Whether a datatype map is about its value alone.
    fn of_value(&self, n: usize, depth: usize) -> bool {
        const DEEP: usize = 8;
        let map = &self.plan.inner[n];
        let own = |path: &Path| {
            matches!(
                path.root,
                Root::Relative | Root::Literal(_) | Root::Setting(_) | Root::Name(Name::Own(_))
            ) && !matches!(path.repetition, Pick::Where(_))
        };
        let made = |make: Option<&Make>| match make {
            None | Some(Make::Function(..) | Make::Table(_) | Make::Code(_) | Make::Form(_)) => true,
            Some(Make::Type(n)) => depth < DEEP && self.of_value(*n, depth + 1),
            Some(Make::Text(pieces)) => {
                pieces.iter().all(|piece| !matches!(piece, Piece::Path(path) if !own(path)))
            }
            Some(Make::TableOf(_, path)) => own(path),
            Some(Make::Ordinal { .. } | Make::RefType(..) | Make::RefMade { .. }) => false,
        };
        let when = |cond: Option<&Cond>| cond.is_none_or(|cond| every(cond, &mut |path| own(path)));
        map.lets.iter().all(|row| {
            let from = match &row.source {
                LetSource::From(paths) => paths.iter().all(own),
                LetSource::Fixed(_) | LetSource::None => true,
                LetSource::Find(_) => false,
            };
            from && made(row.make.as_ref()) && when(row.when.as_ref())
        }) && map.rules.iter().all(|rule| {
            let from = match &rule.source {
                Source::From(paths) => paths.iter().all(own),
                Source::Each(path, used) => used.is_none() && own(path),
                Source::Fixed(_) | Source::None => true,
            };
            from && made(rule.make.as_ref()) && when(rule.when.as_ref())
        })
    }

    /// Whether a path leads past the instance; `of_value`: what begins with a point is about a value that does.
    fn path(&self, path: &Path, of_value: bool) -> bool {
        let plain = matches!(path.repetition, Pick::First | Pick::Nth(_) | Pick::All);
        let numbered = path.parts.iter().all(|part| matches!(part, Part::Number(_) | Part::Name(_)));
        plain
            && numbered
            && match &path.root {
                Root::Segment { around, name, pick, field } => {
                    let place = match around {
                        Some(group) => !self.inner.contains(group),
                        None => !self.inner.contains(name),
                    };
                    let picked = match pick {
                        Pick::First | Pick::Nth(_) => true,
                        Pick::All => *field > 0,
                        Pick::Where(cond) => *field > 0 && self.cond(cond, true),
                        Pick::Same | Pick::After => false,
                    };
                    place && picked
                }
                Root::Name(Name::Own(slot)) => self.names.get(*slot) == Some(&true),
                Root::Name(Name::Message(_)) | Root::Setting(_) | Root::Literal(_) => true,
                Root::Relative => of_value,
                Root::Name(Name::Outer(_)) | Root::Of { .. } | Root::Column { .. } => false,
            }
    }

    fn cond(&self, cond: &Cond, of_value: bool) -> bool {
        every(cond, &mut |path| self.path(path, of_value))
    }

    /// Numbers the outermost conditions inside one that look past the instance.
    fn mark(&self, cond: &mut Cond, numbers: &mut HashMap<String, u32>) {
        if self.cond(cond, false) {
            let next = numbers.len() as u32;
            let n = *numbers.entry(format!("{cond:?}")).or_insert(next);
            let inner = std::mem::replace(cond, Cond::All(Vec::new()));
            *cond = Cond::Around(n, Box::new(inner));
            return;
        }
        match cond {
            Cond::All(inner) | Cond::Any(inner) => inner.iter_mut().for_each(|cond| self.mark(cond, numbers)),
            Cond::Not(inner) => self.mark(inner, numbers),
            _ => {}
        }
    }
}

/// Whether every path of a condition is of a kind.
fn every(cond: &Cond, is: &mut dyn FnMut(&Path) -> bool) -> bool {
    match cond {
        Cond::Same(a, b) | Cond::Before(a, b) => is(a) && is(b),
        Cond::All(all) | Cond::Any(all) => all.iter().all(|cond| every(cond, is)),
        Cond::Not(inner) | Cond::Shared(_, inner) | Cond::Around(_, inner) => every(inner, is),
        _ => cond.path().is_some_and(is),
    }
}

impl<'m> Run<'m> {
    /// Where the siblings of an instance are told apart from others: what they look at around them.
    fn surrounding(&self, scope: &Scope<'_, 'm>) -> u32 {
        match &scope.inst {
            Inst::Group(g) => self.cut.instances[*g as usize].parent.map_or(u32::MAX, |parent| parent as u32),
            Inst::Segment(s) => self.cut.owner[*s as usize].unwrap_or(u32::MAX),
            Inst::Field(item) | Inst::Value(item) => {
                self.cut.owner.get(item.pos().segment as usize).copied().flatten().unwrap_or(u32::MAX)
            }
            Inst::Made(_, group) => group.unwrap_or(u32::MAX),
            Inst::Message => u32::MAX,
        }
    }

    /// Whether a condition holds that looks past the instance.
    pub(super) fn around(&mut self, scope: &Scope<'_, 'm>, n: u32, cond: &'m Cond) -> bool {
        // What is looked at only to say something reads nothing, and the next one must.
        if self.looking || self.tracing {
            return self.holds(scope, None, cond);
        }
        let key = (n, self.surrounding(scope));
        if let Some(known) = self.around.get(&key) {
            return *known;
        }
        let holds = self.holds(scope, None, cond);
        self.around.insert(key, holds);
        holds
    }

    /// Takes out what the siblings of an instance have in common.
    pub(super) fn common(&mut self, map: usize, scope: &Scope<'_, 'm>) -> Option<Common<'m>> {
        if self.tracing {
            return None;
        }
        let key = (map, self.surrounding(scope));
        Some(self.common.remove(&key).unwrap_or_default())
    }

    /// Puts it back.
    pub(super) fn keep(&mut self, map: usize, scope: &Scope<'_, 'm>, common: Option<Common<'m>>) {
        if let Some(common) = common {
            self.common.insert((map, self.surrounding(scope)), common);
        }
    }
}

impl<'m> Common<'m> {
    /// What a name is for the siblings, where that is known.
    pub(super) fn name(&self, slot: usize) -> Option<&Named<'m>> {
        self.names.get(slot)?.as_ref()
    }

    pub(super) fn set_name(&mut self, slot: usize, named: &Named<'m>) {
        if self.names.len() <= slot {
            self.names.resize_with(slot + 1, || None);
        }
        self.names[slot] = Some(named.clone());
    }

    /// What a rule wrote for the siblings, where that is known.
    pub(super) fn rule(&self, n: usize) -> Option<&Written> {
        self.rules.get(n)?.written.as_ref()
    }

    pub(super) fn set_rule(&mut self, n: usize, written: Written) {
        self.of_rule(n).written = Some(written);
    }

    /// Whether what a rule would have read has been marked; it is from now on.
    pub(super) fn is_seen(&mut self, n: usize) -> bool {
        std::mem::replace(&mut self.of_rule(n).seen, true)
    }

    fn of_rule(&mut self, n: usize) -> &mut OfRule {
        if self.rules.len() <= n {
            self.rules.resize(n + 1, OfRule::default());
        }
        &mut self.rules[n]
    }
}
