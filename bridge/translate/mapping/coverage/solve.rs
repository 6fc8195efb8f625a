//! The search for a message for which facts hold together, one alternative after the other.
//!
//! A place, a text and a question each have a number, so that what is known is laid down and taken back by numbers: an
//! alternative that fails leaves nothing behind, and nothing is copied to try one.

use super::Position;
use super::possible::{Fact, Key, What, asks, given, path_of};
use super::read::{Reader, Scope};
use crate::mapping::plan::{Cond, Let, LetSource, Path, Plan, Root};
use crate::quick;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::rc::Rc;

/// Steps of one question at most. The conditions of the shipped set take some hundred; beyond this it is "yes".
const MAX_STEPS: usize = 20_000;

/// Whether a message may have all of it.
pub(super) fn possible<'p>(reader: &Reader<'p>, memory: &mut Memory<'p>, facts: &[Fact<'_, 'p>]) -> bool {
    let mut solver = Solver { reader, left: MAX_STEPS, memory };
    let holds = solver.solve(facts.to_vec(), None);
    solver.take_back(0);
    holds
}

/// Alternatives, each of which is facts, and what else is to be chosen.
struct Choice<'s, 'p> {
    alternatives: Vec<Vec<Fact<'s, 'p>>>,
    next: Choices<'s, 'p>,
}

type Choices<'s, 'p> = Option<Rc<Choice<'s, 'p>>>;

/// What is known of one value; texts by their numbers.
#[derive(Clone, Debug, Default)]
struct Known<'p> {
    valued: bool,
    missing: bool,
    allowed: Option<Rc<[u32]>>,
    refused: Vec<u32>,
    starts: Vec<(&'p [String], bool)>,
    ends: Vec<(&'p [String], bool)>,
    tables: Vec<(usize, bool)>,
}

/// What is taken back where an alternative fails.
#[derive(Debug)]
enum Undo<'p> {
    Value(u32, Known<'p>),
    Atom(u32),
    Followed(u32),
}

impl Undo<'_> {
    /// The value that is taken back.
    fn key(&self) -> Option<usize> {
        match self {
            Self::Value(key, _) => Some(*key as usize),
            Self::Atom(_) | Self::Followed(_) => None,
        }
    }
}

/// A condition asked of one place or two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    key: u32,
    other: Option<u32>,
    asks: String,
}

/// A scope: its value, its map, whether it is about the very segment around it, and the scope around it.
type Stand = (Option<u32>, usize, bool, Option<u32>);

/// The numbers of what was met in the questions about one message, and what is known while one is answered.
#[derive(Debug, Default)]
pub(super) struct Memory<'p> {
    keys: Vec<Key>,
    numbers: quick::Map<Key, u32>,
    positions: quick::Map<Position, u32>,
    scopes: quick::Map<Stand, u32>,
    /// The places of paths, by where a path stands in the set and its scope.
    places: quick::Map<(usize, u32), Option<u32>>,
    questions: quick::Map<Question, u32>,
    /// The questions of conditions, the same.
    asked: quick::Map<(usize, u32), u32>,
    /// Names, by how deep they stand and how they are written.
    rows: quick::Map<(usize, String), u32>,
    texts: Vec<String>,
    /// The texts of lists, by where a list stands in the set.
    lists: quick::Map<usize, Rc<[u32]>>,
    text_numbers: quick::Map<String, u32>,
    values: Vec<Known<'p>>,
    atoms: Vec<Option<bool>>,
    followed: Vec<bool>,
    undo: Vec<Undo<'p>>,
}

struct Solver<'r, 'p> {
    reader: &'r Reader<'p>,
    left: usize,
    memory: &'r mut Memory<'p>,
}

/// The number of a thing, the next one where it is new.
fn number<T: Hash + Eq>(numbers: &mut quick::Map<T, u32>, thing: T) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry(thing).or_insert(next)
}

impl<'p> Memory<'p> {
    fn scope(&mut self, scope: &Scope<'_, 'p>) -> u32 {
        let outer = scope.outer.map(|outer| self.scope(outer));
        let base = scope.base.map(|base| match self.positions.get(base) {
            Some(known) => *known,
            None => number(&mut self.positions, base.clone()),
        });
        let map = scope.map.map_or(0, |map| std::ptr::from_ref(map) as usize);
        number(&mut self.scopes, (base, map, scope.own, outer))
    }

    fn key(&mut self, key: Key) -> u32 {
        match self.numbers.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let next = self.keys.len() as u32;
                self.keys.push(free.key().clone());
                self.values.push(Known::default());
                *free.insert(next)
            }
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(known) = self.text_numbers.get(text) {
            return *known;
        }
        let next = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.text_numbers.insert(text.to_owned(), next);
        next
    }

    fn list(&mut self, list: &'p [String]) -> Rc<[u32]> {
        let met = list.as_ptr() as usize;
        if let Some(known) = self.lists.get(&met) {
            return known.clone();
        }
        let numbers: Rc<[u32]> = list.iter().map(|text| self.text(text)).collect();
        // An empty list stands nowhere.
        if !list.is_empty() {
            self.lists.insert(met, numbers.clone());
        }
        numbers
    }

    /// What is known of a place, to be changed.
    fn value(&mut self, key: u32) -> &mut Known<'p> {
        let known = &mut self.values[key as usize];
        self.undo.push(Undo::Value(key, known.clone()));
        known
    }
}

impl<'p> Solver<'_, 'p> {
    fn solve<'s>(&mut self, mut open: Vec<Fact<'s, 'p>>, mut choices: Choices<'s, 'p>) -> bool {
        let from = self.memory.undo.len();
        while let Some(fact) = open.pop() {
            if self.left == 0 {
                return true;
            }
            self.left -= 1;
            let choice = match (&fact.what, fact.holds) {
                (What::Cond(Cond::Not(inner)), holds) => {
                    open.push(fact.with(inner, !holds));
                    continue;
                }
                (What::Cond(Cond::Shared(_, inner) | Cond::Around(_, inner)), holds) => {
                    open.push(fact.with(inner, holds));
                    continue;
                }
                (What::Cond(Cond::All(list)), true) | (What::Cond(Cond::Any(list)), false) => {
                    open.extend(list.iter().map(|one| fact.with(one, fact.holds)));
                    continue;
                }
                (What::Cond(Cond::All(list) | Cond::Any(list)), holds) => {
                    Some(list.iter().map(|one| vec![fact.with(one, holds)]).collect())
                }
                _ => {
                    if !self.learn(&fact) {
                        return false;
                    }
                    self.through(&fact)
                }
            };
            if let Some(alternatives) = choice {
                choices = Some(Rc::new(Choice { alternatives, next: choices }));
            }
        }
        if !self.is_consistent(from) {
            return false;
        }
        let Some(choice) = choices else { return true };
        choice.alternatives.iter().any(|facts| {
            let before = self.memory.undo.len();
            let holds = self.solve(facts.clone(), choice.next.clone());
            if !holds {
                self.take_back(before);
            }
            holds
        })
    }

    fn take_back(&mut self, to: usize) {
        for undo in self.memory.undo.drain(to..).rev() {
            match undo {
                Undo::Value(key, known) => self.memory.values[key as usize] = known,
                Undo::Atom(atom) => self.memory.atoms[atom as usize] = None,
                Undo::Followed(name) => self.memory.followed[name as usize] = false,
            }
        }
    }

    /// The number of the place that a path means; `at` is that of the scope.
    fn place<'s>(&mut self, scope: &Scope<'s, 'p>, at: u32, path: &'p Path) -> Option<u32> {
        let met = (std::ptr::from_ref(path) as usize, at);
        if let Some(known) = self.memory.places.get(&met) {
            return *known;
        }
        let key = self.reader.key(scope, path, 0).map(|key| self.memory.key(key));
        self.memory.places.insert(met, key);
        key
    }

    /// Takes in a condition about one value; false where it speaks against what is known.
    fn learn<'s>(&mut self, fact: &Fact<'s, 'p>) -> bool {
        let at = self.memory.scope(&fact.scope);
        let key = match &fact.what {
            What::Is(key, _) => Some(self.memory.key(key.clone())),
            What::Valued(path) => self.place(&fact.scope, at, path),
            What::Cond(cond) => path_of(cond).and_then(|path| self.place(&fact.scope, at, path)),
        };
        let Some(key) = key else { return true };
        let holds = fact.holds;
        if let What::Cond(cond) = &fact.what {
            let other = match cond {
                Cond::Same(_, other) | Cond::Before(_, other) => self.place(&fact.scope, at, other),
                _ => None,
            };
            if matches!(cond, Cond::Same(..) | Cond::Before(..)) && other.is_none() {
                return true;
            }
            let atom = self.atom(at, cond, key, other);
            match self.memory.atoms[atom as usize] {
                Some(known) if known != holds => return false,
                Some(_) => {}
                None => {
                    self.memory.atoms[atom as usize] = Some(holds);
                    self.memory.undo.push(Undo::Atom(atom));
                }
            }
            if let (Some(other), true) = (other, holds) {
                self.memory.value(other).valued = true;
            }
        }
        let one = self.memory.keys[key as usize].one;
        let list: Option<Rc<[u32]>> = match &fact.what {
            What::Is(_, code) => Some(Rc::new([self.memory.text(code)])),
            What::Cond(Cond::In(_, list)) => Some(self.memory.list(list)),
            _ => None,
        };
        let empty = self.memory.text_numbers.get("").copied();
        let known = self.memory.value(key);
        match (&fact.what, list, holds) {
            (What::Valued(_) | What::Cond(Cond::Valued(_)), _, true) => known.valued = true,
            (What::Valued(_) | What::Cond(Cond::Valued(_)), _, false) => known.missing = true,
            (What::Cond(_), Some(list), false) => known.refused.extend(list.iter()),
            (_, Some(list), _) => {
                known.valued |= !empty.is_some_and(|empty| list.contains(&empty));
                if one {
                    known.allowed = Some(match known.allowed.take() {
                        Some(before) => before.iter().copied().filter(|text| list.contains(text)).collect(),
                        None => list,
                    });
                }
            }
            (What::Cond(cond), None, holds) => {
                known.valued |= holds;
                match cond {
                    Cond::Starts(_, list) if one || !holds => known.starts.push((list, holds)),
                    Cond::Ends(_, list) if one || !holds => known.ends.push((list, holds)),
                    Cond::InTable(_, table) if one || !holds => known.tables.push((*table, holds)),
                    _ => {}
                }
            }
            (What::Is(..), None, _) => {}
        }
        true
    }

    /// The number of what a condition asks: one that holds does not fail.
    fn atom(&mut self, at: u32, cond: &'p Cond, key: u32, other: Option<u32>) -> u32 {
        let met = (std::ptr::from_ref(cond) as usize, at);
        if let Some(known) = self.memory.asked.get(&met) {
            return *known;
        }
        let atom = number(&mut self.memory.questions, Question { key, other, asks: asks(cond) });
        self.memory.atoms.resize(self.memory.questions.len(), None);
        self.memory.asked.insert(met, atom);
        atom
    }

    /// What a condition on a name says of the rows that make it.
    fn through<'s>(&mut self, fact: &Fact<'s, 'p>) -> Option<Vec<Vec<Fact<'s, 'p>>>> {
        let path = match &fact.what {
            What::Valued(path) => path,
            What::Cond(cond) if !matches!(cond, Cond::Same(..) | Cond::Before(..)) => path_of(cond)?,
            _ => return None,
        };
        let Root::Name(name) = &path.root else { return None };
        let valued = matches!(fact.what, What::Valued(_) | What::Cond(Cond::Valued(_)));
        let (rows, scope) = self.reader.rows_of(&fact.scope, *name);
        if !fact.holds {
            // Without a value no row gave one: a fixed one was not asked.
            let fixed = rows.iter().filter(|row| valued && matches!(row.source, LetSource::Fixed(_)));
            let unmet = fixed.filter_map(|row| Some(Fact::cond(&scope, row.when.as_ref()?, false)));
            let unmet: Vec<Fact<'s, 'p>> = unmet.collect();
            return (!unmet.is_empty()).then(|| vec![unmet]);
        }
        let name = number(&mut self.memory.rows, (self.reader.depth(&scope), format!("{path:?}")));
        self.memory.followed.resize(self.memory.rows.len(), false);
        if std::mem::replace(&mut self.memory.followed[name as usize], true) {
            return None;
        }
        self.memory.undo.push(Undo::Followed(name));
        let gives = |row: &&'p Let| match (&row.source, &fact.what) {
            (LetSource::Fixed(text), What::Cond(Cond::In(_, list))) => list.contains(text),
            _ => true,
        };
        Some(rows.iter().copied().filter(gives).map(|row| given(&scope, row)).collect())
    }

    /// Whether what was learnt since then agrees with all that is known.
    fn is_consistent(&self, from: usize) -> bool {
        let inside = |outer: usize, inner: usize| {
            let (outer, inner) = (&self.memory.keys[outer], &self.memory.keys[inner]);
            inner.root == outer.root && inner.parts.starts_with(&outer.parts)
        };
        let changed = self.memory.undo[from..].iter().filter_map(Undo::key);
        // What nothing is known of speaks against nothing.
        let mut all: Vec<usize> = self.memory.undo.iter().filter_map(Undo::key).collect();
        all.sort_unstable();
        all.dedup();
        for key in changed {
            let known = &self.memory.values[key];
            let against = |other: &usize| {
                let other = *other;
                let of_other = &self.memory.values[other];
                (known.missing && of_other.valued && inside(key, other))
                    || (known.valued && of_other.missing && inside(other, key))
            };
            if all.iter().any(against) || !self.is_possible(known) {
                return false;
            }
        }
        true
    }

    fn is_possible(&self, known: &Known<'p>) -> bool {
        let plan = self.reader.plan;
        if let Some(allowed) = &known.allowed {
            let texts = &self.memory.texts;
            return allowed.iter().any(|text| self.takes(plan, known, Some(*text), &texts[*text as usize]));
        }
        match known.tables.iter().find(|(_, holds)| *holds) {
            Some((table, _)) => {
                let codes = plan.tables[*table].by_source.keys();
                codes.filter(|text| !text.is_empty()).any(|text| {
                    let number = self.memory.text_numbers.get(text.as_str()).copied();
                    self.takes(plan, known, number, text)
                })
            }
            None => true,
        }
    }

    fn takes(&self, plan: &Plan, known: &Known<'p>, number: Option<u32>, text: &str) -> bool {
        !number.is_some_and(|number| known.refused.contains(&number))
            && known.starts.iter().all(|(list, holds)| list.iter().any(|l| text.starts_with(l)) == *holds)
            && known.ends.iter().all(|(list, holds)| list.iter().any(|l| text.ends_with(l)) == *holds)
            && known
                .tables
                .iter()
                .all(|(table, holds)| plan.tables[*table].by_source.contains_key(text) == *holds)
    }
}
