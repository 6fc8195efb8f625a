//! Conditions that several maps ask of one instance, looked at once.
//!
//! Where data types divide the lines of a message among them, each map says by its `for` which lines are not its own, and
//! they say nearly the same. The kinds of messages are told apart by the same few values, too.

use super::direct::Direct;
use super::plan::{Cond, Map};
use super::run::{Inst, Run, Scope};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// What a condition was found to be of each segment, or of each group: two bits a place, whether it was looked at and
/// whether it holds. As many as a message has nearly always need no room of their own.
#[derive(Default)]
pub(crate) struct Answers(SmallVec<[u64; 1]>);

impl Answers {
    const IN_WORD: usize = u64::BITS as usize / 2;

    fn get(&self, place: u32) -> Option<bool> {
        let bits = self.0.get(place as usize / Self::IN_WORD)? >> (2 * (place as usize % Self::IN_WORD));
        (bits & 1 == 1).then_some(bits & 2 == 2)
    }

    fn set(&mut self, place: u32, holds: bool) {
        let word = place as usize / Self::IN_WORD;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= (1 | u64::from(holds) << 1) << (2 * (place as usize % Self::IN_WORD));
    }
}

/// The answers of one condition: of segments, and of groups.
pub(crate) type Answered = [Answers; 2];

/// Values of the message that the kinds of messages have asked for.
pub(super) type Told<'m> = SmallVec<[(Direct, Option<Cow<'m, str>>); 4]>;

/// Numbers the conditions of `for` and `when` that more than one map has. Those of the rules are not among them:
/// names that a map gives are seen by its rules alone.
pub(crate) fn find(maps: &mut [Map]) {
    // Two conditions are the same where they print the same.
    let mut maps_of: HashMap<String, (usize, usize)> = HashMap::new();
    for (n, map) in maps.iter().enumerate() {
        for cond in map.only.iter().chain(&map.when) {
            count(cond, n, &mut maps_of);
        }
    }
    let mut numbers = HashMap::new();
    for map in maps {
        for cond in map.only.iter_mut().chain(&mut map.when) {
            number(cond, &maps_of, &mut numbers);
        }
    }
}

/// Counts the maps that have a condition, and those inside it.
fn count(cond: &Cond, map: usize, maps_of: &mut HashMap<String, (usize, usize)>) {
    let (last, maps) = maps_of.entry(format!("{cond:?}")).or_insert((map, 1));
    *maps += usize::from(*last != map);
    *last = map;
    match cond {
        Cond::All(inner) | Cond::Any(inner) => inner.iter().for_each(|cond| count(cond, map, maps_of)),
        Cond::Not(inner) => count(inner, map, maps_of),
        _ => {}
    }
}

/// Marks the outermost conditions that several maps have.
fn number(cond: &mut Cond, maps_of: &HashMap<String, (usize, usize)>, numbers: &mut HashMap<String, u32>) {
    let printed = format!("{cond:?}");
    if maps_of.get(&printed).is_some_and(|(_, maps)| *maps > 1) {
        let next = numbers.len() as u32;
        let n = *numbers.entry(printed).or_insert(next);
        let inner = std::mem::replace(cond, Cond::All(Vec::new()));
        *cond = Cond::Shared(n, Box::new(inner));
        return;
    }
    match cond {
        Cond::All(inner) | Cond::Any(inner) => {
            inner.iter_mut().for_each(|cond| number(cond, maps_of, numbers));
        }
        Cond::Not(inner) => number(inner, maps_of, numbers),
        _ => {}
    }
}

impl<'m> Run<'m> {
    /// Whether a shared condition holds for the instance of a scope.
    pub(super) fn shared(&mut self, scope: &Scope<'_, 'm>, n: u32, cond: &'m Cond) -> bool {
        let (kind, place) = match &scope.inst {
            Inst::Segment(s) => (0, *s),
            Inst::Group(g) => (1, *g),
            _ => return self.holds(scope, None, cond),
        };
        // Its names are those of the message: a map has none of its own yet when it is asked for whom it is.
        let n = n as usize;
        if let Some(known) = self.shared.get(n).and_then(|answered| answered[kind].get(place)) {
            return known;
        }
        let holds = self.holds(scope, None, cond);
        if self.shared.len() <= n {
            self.shared.resize_with(n + 1, Answered::default);
        }
        self.shared[n][kind].set(place, holds);
        holds
    }

    /// Whether the condition of a kind of messages holds, as [`Self::holds`] says; a value that one has asked for is not
    /// looked for again.
    pub(super) fn is(&mut self, scope: &Scope<'_, 'm>, cond: &'m Cond, told: &mut Told<'m>) -> bool {
        match cond {
            Cond::All(all) => all.iter().all(|cond| self.is(scope, cond, told)),
            Cond::Any(all) => all.iter().any(|cond| self.is(scope, cond, told)),
            Cond::Not(inner) => !self.is(scope, inner, told),
            Cond::In(path, list) => {
                let Some(direct) = path.direct else { return self.holds(scope, None, cond) };
                let known = told.iter().position(|(known, _)| *known == direct);
                let n = known.unwrap_or(told.len());
                if known.is_none() {
                    let Ok(text) = self.text(scope, None, path) else { return self.holds(scope, None, cond) };
                    told.push((direct, text));
                }
                told[n].1.as_ref().is_some_and(|text| list.iter().any(|one| one == text))
            }
            _ => self.holds(scope, None, cond),
        }
    }
}
