//! A message that brings several orders, divided so that each is a unit of its own.
//!
//! Each part is looked at as if the other orders did not stand in the message: what it makes and which unit it is of are
//! the same as if it had come alone. What stands around the orders (header, patient, a specimen that several share) is in
//! every part. Positions stay those of the message, and what the parts have in common is said and counted once.

use super::apply;
use super::direct::Firsts;
use super::groups::Cut;
use super::item::{NOWHERE, Pos};
use super::lines;
use super::plan::{EVERYWHERE, Each, Plan, Sym};
use super::run::{Inst, Run, Scope};
use crate::finding::Severity;
use crate::quick;
use crate::translation::{Role, Share, Translation};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Orders of a message that is divided. Each costs a look at all of the message, so that one with more stays one unit
/// (and `orders-several` says so); a laboratory's request has a few, a ward's round some tens.
const MAX_ORDERS: usize = 100;

type Parts = SmallVec<[u16; 2]>;

/// Which part each group is in.
pub(super) struct Division {
    /// The parts of each instance of a group, in rising order. One around several orders is in all of theirs.
    of_group: Vec<Parts>,
    count: u16,
}

/// Divides the message at hand; `None` where it has one order, as nearly all have.
pub(super) fn divide(run: &mut Run<'_>) -> Option<Division> {
    let plan = run.plan;
    let each = plan.each.as_ref()?;
    // A file of a storage is the whole of what its name says: the next one of that name takes its place.
    if run.context.file.is_some() {
        return None;
    }
    let orders: Vec<u32> = (0..run.cut.instances.len() as u32)
        .filter(|g| run.cut.instances[*g as usize].name == each.group)
        .collect();
    if orders.len() < 2 {
        return None;
    }
    // It is only looked at: what the message has is read by the rules.
    run.looking = true;
    let whose = numbers(run, each, &orders).and_then(|numbers| assign(run, each, &orders, &numbers));
    run.looking = false;
    let (whose, count) = whose?;
    for g in &orders {
        first(run, &each.parent, *g);
    }
    let mut of_group: Vec<Parts> = vec![Parts::new(); run.cut.instances.len()];
    for (g, part) in orders.iter().zip(whose) {
        let mut at = Some(*g as usize);
        while let Some(g) = at {
            if !of_group[g].contains(&part) {
                of_group[g].push(part);
            }
            at = run.cut.instances[g].parent;
        }
    }
    // What lies in an order is its; what belongs to none goes with what stands before it.
    let mut last = 0;
    for g in 0..of_group.len() {
        let instance = &run.cut.instances[g];
        if instance.name == each.group {
            last = of_group[g][0];
        } else if of_group[g].is_empty() {
            of_group[g] = match instance.parent {
                Some(parent) => of_group[parent].clone(),
                None => Parts::from_slice(&[last]),
            };
        }
        of_group[g].sort_unstable();
    }
    Some(Division { of_group, count })
}

/// The number of the order of each group, empty where it has none; `None` where they are not several.
fn numbers<'m>(run: &mut Run<'m>, each: &'m Each, orders: &[u32]) -> Option<Vec<Cow<'m, str>>> {
    for paths in &each.numbers {
        let numbers: Vec<_> = orders.iter().map(|g| first(run, paths, *g)).collect();
        let mut said = numbers.iter().filter(|number| !number.is_empty());
        if let Some(one) = said.next() {
            return said.any(|other| other != one).then_some(numbers);
        }
    }
    None
}

/// The first of some paths that is valued, seen from a group.
fn first<'m>(run: &mut Run<'m>, paths: &'m [super::plan::Path], group: u32) -> Cow<'m, str> {
    let scope = of_group(run, group);
    paths.iter().map(|path| run.first_text(&scope, path)).find(|text| !text.is_empty()).unwrap_or_default()
}

fn of_group<'s, 'm>(run: &Run<'m>, group: u32) -> Scope<'s, 'm> {
    run.scope(Inst::Group(group), 1)
}

/// The part of each group, counted from 0 in order of the message, and how many there are; `None` where that is one.
fn assign<'m>(
    run: &mut Run<'m>,
    each: &'m Each,
    orders: &[u32],
    numbers: &[Cow<'m, str>],
) -> Option<(Vec<u16>, u16)> {
    let mut said: quick::Map<&str, usize> = quick::Map::default();
    for (n, number) in numbers.iter().enumerate().filter(|(_, number)| !number.is_empty()) {
        said.entry(number.as_ref()).or_insert(n);
    }
    // What each group goes with: the group that first said its number, its parent, or the one before it.
    let mut with: Vec<Option<usize>> = Vec::with_capacity(orders.len());
    for (n, g) in orders.iter().enumerate() {
        let scope = of_group(run, *g);
        let goes_on = each.continues.as_ref().is_some_and(|cond| run.holds(&scope, None, cond));
        let parent = first(run, &each.parent, *g);
        with.push(match said.get(parent.as_ref()) {
            Some(parent) if *parent != n => Some(*parent),
            _ if goes_on || numbers[n].is_empty() => n.checked_sub(1),
            _ => said.get(numbers[n].as_ref()).copied(),
        });
    }
    let mut parts: Vec<Option<u16>> = vec![None; orders.len()];
    let mut count: usize = 0;
    for n in 0..orders.len() {
        // As many steps as there are groups: two that name each other as parents go round.
        let mut end = n;
        for _ in 0..orders.len().min(MAX_ORDERS) {
            match with[end] {
                Some(next) if next != end && parts[end].is_none() => end = next,
                _ => break,
            }
        }
        let part = *parts[end].get_or_insert_with(|| {
            count += 1;
            count.min(MAX_ORDERS + 1) as u16 - 1
        });
        parts[n] = Some(part);
    }
    let parts: Vec<u16> = parts.into_iter().flatten().collect();
    (2..=MAX_ORDERS).contains(&count).then_some((parts, count as u16))
}

/// Of no group: an instance that is not in the part at hand.
const NONE: Sym = Sym(EVERYWHERE.0 - 1);

impl Division {
    /// What of the message is in a part.
    fn cut(&self, full: &Cut, part: u16, set: &Plan) -> Cut {
        let has = |owner: Option<u32>| owner.is_none_or(|g| self.of_group[g as usize].contains(&part));
        let keep = |s: &u32| has(full.owner[*s as usize]);
        let lists = |all: &[(Sym, Vec<u32>)]| -> Vec<(Sym, Vec<u32>)> {
            all.iter().map(|(name, list)| (*name, list.iter().copied().filter(keep).collect())).collect()
        };
        let instances = full.instances.iter().zip(&self.of_group);
        let instances = instances.map(|(one, parts)| match parts.contains(&part) {
            true => one.clone(),
            false => one.without(NONE),
        });
        let names = full.names.iter().zip(&full.owner).map(|(name, owner)| name.filter(|_| has(*owner)));
        let mut cut = Cut {
            names: names.collect(),
            instances: instances.collect(),
            owner: full.owner.clone(),
            loose: full.loose.clone(),
            all: lists(&full.all),
            firsts: Firsts::default(),
        };
        cut.firsts = Firsts::new(&cut, &set.slots);
        cut
    }

    /// Makes one part of two.
    fn join(&mut self, kept: u16, gone: u16) {
        for parts in &mut self.of_group {
            if let Some(at) = parts.iter().position(|part| *part == gone) {
                parts.remove(at);
                if !parts.contains(&kept) {
                    parts.push(kept);
                    parts.sort_unstable();
                }
            }
        }
    }

    /// The parts that there are, each once.
    fn parts(&self) -> Vec<u16> {
        (0..self.count).filter(|part| self.of_group.iter().any(|parts| parts.contains(part))).collect()
    }

    /// Groups that say the same unit are one part, whatever their numbers: one would take the other's place.
    fn settle(&mut self, run: &mut Run<'_>, full: &Cut) {
        let (findings, unmapped) = (run.findings.len(), run.unmapped.len());
        loop {
            let mut known: Vec<(String, u16)> = Vec::new();
            let mut same = None;
            for part in self.parts() {
                look_at(run, self.cut(full, part, run.set));
                apply::message_lets(run);
                let Some(unit) = apply::unit(run) else { continue };
                if let Some((_, first)) = known.iter().find(|(key, _)| *key == unit.key) {
                    same = Some((*first, part));
                    break;
                }
                known.push((unit.key, part));
            }
            run.findings.truncate(findings);
            run.unmapped.truncate(unmapped);
            match same {
                Some((kept, gone)) => self.join(kept, gone),
                None => return,
            }
        }
    }
}

/// Turns to a part of the message: nothing that was found of another holds for it.
fn look_at(run: &mut Run<'_>, cut: Cut) {
    run.cut = cut;
    run.message_lets.clear();
    run.instances = std::rc::Rc::default();
    run.at_segment.clear();
    run.at_group.clear();
    run.at_message.clear();
    run.anywhere.clear();
    run.referred.clear();
    run.fitted.clear();
    run.shared.clear();
    run.around.clear();
    run.common.clear();
    run.counters.clear();
}

/// Makes the resources of every part, as [`apply::make`] does those of a message; what is left is to merge and write
/// them. The segments of which nothing is sent, for their orders are taken back.
pub(super) fn make(
    run: &mut Run<'_>,
    mut division: Division,
    out: &mut Translation,
    made: &mut Made,
) -> Vec<bool> {
    let full = std::mem::take(&mut run.cut);
    run.everywhere = Some(full.all.clone());
    division.settle(run, &full);
    let parts = division.parts();
    let mut stands = vec![false; usize::from(division.count)];
    let mut whole = true;
    for part in &parts {
        look_at(run, division.cut(&full, *part, run.set));
        apply::message_lets(run);
        let mut unit = apply::unit(run);
        if unit.as_ref().is_none_or(|unit| !unit.withdrawn) {
            stands[usize::from(*part)] = true;
            apply::enumerate(run);
            let before = run.built.len();
            apply::make(run);
            let share = out.shares.len();
            made.of.extend(run.built[before..].iter().map(|built| ((built.map, built.id.clone()), share)));
        }
        lines::tell(run, unit.as_mut(), made);
        match unit {
            Some(unit) => out.shares.push(Share { unit, made: Vec::new() }),
            // Its number cannot be told, and the message is held for that: it is of no unit yet.
            None => whole = false,
        }
    }
    if !whole {
        out.shares.clear();
    }
    out.unit = out.shares.first().map(|share| share.unit.clone());
    if out.shares.len() == 1 {
        out.shares.clear();
    }
    look_at(run, full);
    let left = |owner: &Option<u32>| match owner {
        Some(g) => division.of_group[*g as usize].iter().all(|part| !stands[usize::from(*part)]),
        None => !stands.contains(&true),
    };
    run.cut.owner.iter().map(left).collect()
}

/// Which share made what, by map and id.
#[derive(Default)]
pub(super) struct Made {
    of: Vec<((usize, String), usize)>,
    /// Which line of its order each is of.
    lines: Vec<((usize, String), String)>,
}

impl Made {
    pub(super) fn line(&mut self, map: usize, id: &str, line: String) {
        self.lines.push(((map, id.to_owned()), line));
    }

    /// Notes in the shares which of the resources are theirs, and in those of which line they are.
    pub(super) fn share_out(self, run: &Run<'_>, out: &mut Translation) {
        let mut at: quick::Map<(usize, &str), usize> = quick::Map::default();
        for (n, built) in run.built.iter().enumerate() {
            at.insert((built.map, built.id.as_str()), n);
        }
        for ((map, id), share) in &self.of {
            let (Some(n), Some(share)) = (at.get(&(*map, id.as_str())), out.shares.get_mut(*share)) else {
                continue;
            };
            if out.resources[*n].role == Role::Unit {
                share.made.push(*n);
            }
        }
        for ((map, id), line) in &self.lines {
            if let Some(n) = at.get(&(*map, id.as_str())) {
                out.resources[*n].line.clone_from(line);
            }
        }
        for share in &mut out.shares {
            share.made.sort_unstable();
            share.made.dedup();
        }
    }
}

/// What orders that are taken back say besides whose and which they are: named, so that nothing is left out in silence.
pub(super) fn not_sent(run: &mut Run<'_>, left: impl Fn(usize) -> bool) {
    for segment in run.message.segments() {
        let known = matches!(segment.name(), "MSH" | "SFT" | "EVN" | "PID" | "PD1" | "PV1" | "PV2" | "ORC");
        if !known && left(segment.index()) {
            let pos = Pos { segment: segment.index() as u32, ..NOWHERE };
            run.finding(Severity::Information, "withdrawn-content", pos);
        }
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
