//! The lines of an order: which of them a message tells, and what its cancelled lines take back.
//!
//! A message that is `partial` changes or stops the lines that it names, and says nothing of the others: the record needs
//! their names, those of cancelled lines too, of which nothing is made. A map says by `line` which line a resource is of
//! (`2`, `2/1`: an RP, a place in it). What cancelled lines of other maps (`takes_back`) would have made is named by its
//! id, so that it goes whichever message had brought it.

use super::apply;
use super::orders::Made;
use super::plan::{Cond, Path};
use super::run::{Run, Scope};
use crate::translation::Unit;

/// Notes of which lines the instances at hand are, and tells a unit what the message says of lines.
pub(super) fn tell(run: &mut Run<'_>, unit: Option<&mut Unit>, made: &mut Made) {
    let (set, plan) = (run.set, run.plan);
    if plan.partial.is_none() && plan.takes_back.is_empty() {
        return;
    }
    let mut lines = Vec::new();
    let instances = run.instances.clone();
    for instance in instances.iter().filter(|instance| !set.maps[instance.map].line.is_empty()) {
        let scope = run.scope_of(instance);
        let line = line(run, &set.maps[instance.map].line, &scope);
        made.line(instance.map, &instance.id, line.clone());
        lines.push(line);
    }
    let Some(unit) = unit else { return };
    for n in &plan.maps {
        let map = &set.maps[*n];
        let takes_back = plan.takes_back.contains(n);
        if !takes_back && (unit.lines.is_none() || map.line.is_empty()) {
            continue;
        }
        for scope in cancelled(run, *n, map.when.as_ref()) {
            if !map.line.is_empty() {
                lines.push(line(run, &map.line, &scope));
            }
            let key = run.key_parts(map, &scope);
            if takes_back && !key.iter().all(|part| part.is_empty()) {
                unit.takes_back.push((map.makes.clone(), run.id_of(map, &key)));
            }
        }
    }
    unit.takes_back.retain(|(_, id)| !instances.iter().any(|instance| instance.id == *id));
    lines.retain(|line| !line.is_empty());
    lines.sort();
    lines.dedup();
    // Without a name of any line it can only be about all of them.
    unit.lines = unit.lines.take().filter(|_| !lines.is_empty()).map(|_| lines);
}

/// The instances of a map for which its `when` does not hold. They are looked at and nothing is said of them: for the
/// message they are not there.
fn cancelled<'m>(run: &mut Run<'m>, n: usize, when: Option<&'m Cond>) -> Vec<Scope<'m, 'm>> {
    let Some(when) = when else { return Vec::new() };
    let map = run.map(n);
    let said = (run.findings.len(), run.unmapped.len());
    let read = (run.read.clone(), run.repeated.clone());
    let counters = std::mem::take(&mut run.counters);
    let mut out = Vec::new();
    for (ordinal, (inst, _)) in (1..).zip(apply::candidates(run, map)) {
        let mut scope = run.scope(inst, ordinal);
        if map.only.as_ref().is_none_or(|only| run.holds(&scope, None, only))
            && !run.holds(&scope, None, when)
        {
            // What is wrong with a line that is cancelled holds nobody up: its name is looked for all the same.
            run.lets(&map.lets, map.slots, &mut scope, Some(n));
            out.push(scope);
        }
    }
    run.counters = counters;
    (run.read, run.repeated) = read;
    run.findings.truncate(said.0);
    run.unmapped.truncate(said.1);
    run.row = "";
    out
}

/// `2/1`; what is empty at the end is left out.
fn line<'m>(run: &mut Run<'m>, paths: &'m [Path], scope: &Scope<'_, 'm>) -> String {
    let mut parts: Vec<String> = paths.iter().map(|path| run.first_text(scope, path).into_owned()).collect();
    while parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    parts.join("/")
}
