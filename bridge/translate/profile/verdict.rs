//! Verdicts that hold for many resources: the check finds the same in all resources of one form.
//!
//! Of most values the check asks only whether they are well formed: two Patients with other names and birth dates get
//! the same verdict. A [`Form`] is what it does ask of a resource: its elements in their order, the texts that a code
//! list, a profile or an invariant looks at, and of all other values whether they are well formed. It is taken while
//! the resource is written. [`Verdicts`] keeps the forms that were found without fault; a resource of another form
//! goes through the walk. What is not surely seen here has no form, and is walked.

use super::invariant;
use super::primitive::Primitive;
use super::{r4, rule};
use crate::fhir::{Key, Keys, Watch, key};
use crate::quick;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};

/// Forms kept; a set whose messages have more starts anew. Half a MiB.
const MOST: usize = 20_000;

/// What the check asks of the values under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The text itself.
    Whole,
    /// Whether it is a string; of a number whether it is zero, whole or broken.
    Text,
    /// The same, whether it is a code, and the text itself where some rule knows it.
    Known,
    /// Of a resource whether it is an id; further inside, where references name it, the text itself.
    Id,
    /// The type, and whether an id follows.
    Reference,
    /// Whether it is a date or a moment.
    Moment,
    /// An invariant compares what lies below: nothing with such a key has a form.
    Compared,
}

/// Elements whose invariants compare what lies in several places: obs-7, and those of a Bundle.
const COMPARED: &[&str] = &["component", "entry"];

/// The forms found without fault, for the keys of one mapping set.
#[derive(Debug)]
pub(crate) struct Verdicts {
    looks: Vec<Look>,
    /// Where each form begins: chosen anew in each process, so that no sender can aim at a form.
    seed: [u64; 2],
    clean: RwLock<HashSet<[u64; 2]>>,
}

impl Verdicts {
    /// None yet.
    pub(crate) fn new(keys: &Keys) -> Self {
        let seed = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
        Self { looks: keys.names().map(look).collect(), seed, clean: RwLock::default() }
    }

    /// An empty form, to be taken of a resource.
    pub(crate) fn form(&self) -> Form<'_> {
        let [a, b] = self.seed;
        Form {
            looks: &self.looks,
            at: Look::Whole,
            key: key::ID,
            depth: 0,
            a,
            b,
            whole: true,
            period: [None, None],
        }
    }

    /// The forms known so far, to look up those of one message.
    pub(crate) fn known(&self) -> RwLockReadGuard<'_, HashSet<[u64; 2]>> {
        self.clean.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps forms that the walk found no fault in.
    pub(crate) fn keep(&self, forms: Vec<[u64; 2]>) {
        if forms.is_empty() {
            return;
        }
        let mut clean = self.clean.write().unwrap_or_else(PoisonError::into_inner);
        if clean.len() + forms.len() > MOST {
            clean.clear();
        }
        clean.extend(forms);
    }
}

/// What the check asks of the values that may stand under a name.
pub(super) fn look(name: &str) -> Look {
    static LOOKS: OnceLock<quick::Map<&'static str, Look>> = OnceLock::new();
    let looks = LOOKS.get_or_init(|| {
        let table = r4::table();
        let mut slots: quick::Map<&'static str, Vec<(&r4::Type, &r4::Element)>> = quick::Map::default();
        for (slot, element) in table.types.iter().flat_map(r4::Type::slots) {
            slots.entry(slot.key).or_default().push((table.of(slot.value), element));
        }
        slots.into_iter().map(|(name, slots)| (name, look_at(name, &slots))).collect()
    });
    looks.get(name).copied().unwrap_or(Look::Whole)
}

/// What it asks where these are all types and elements with that name.
fn look_at(name: &str, slots: &[(&r4::Type, &r4::Element)]) -> Look {
    // rng-2 compares the numbers of its ends.
    if COMPARED.contains(&name) || slots.iter().any(|(kind, _)| kind.name == "Range") {
        return Look::Compared;
    }
    let plain = || slots.iter().filter_map(|(kind, _)| kind.primitive);
    let only = |fit: &[Primitive]| plain().all(|kind| fit.contains(&kind));
    let asked = rule::compares(name) || slots.iter().any(|(_, element)| element.codes.is_some());
    if plain().next().is_none() {
        Look::Whole
    } else if name == "id" {
        Look::Id
    } else if name == "reference" && !asked && only(&[Primitive::String, Primitive::Uri]) {
        Look::Reference
    } else if asked || !only(&[Primitive::String, Primitive::Markdown, Primitive::Decimal]) {
        match only(&[Primitive::String, Primitive::Markdown, Primitive::Code, Primitive::Decimal]) {
            true => Look::Known,
            false if !asked && only(&[Primitive::Date, Primitive::DateTime, Primitive::Instant]) => {
                Look::Moment
            }
            false => Look::Whole,
        }
    } else {
        Look::Text
    }
}

/// The texts that some rule knows: codes of code lists, what profiles ask for and invariants compare.
fn known(text: &str) -> bool {
    static KNOWN: OnceLock<quick::Map<&'static str, ()>> = OnceLock::new();
    let texts = KNOWN.get_or_init(|| {
        let elements = r4::table().types.iter().flat_map(|kind| &kind.elements);
        let codes = elements.filter_map(|element| element.codes).flat_map(|list| &list.codes);
        let codes = codes.map(|(_, code)| *code);
        codes.chain(rule::texts()).chain(invariant::TEXTS.iter().copied()).map(|text| (text, ())).collect()
    });
    texts.contains_key(text)
}

/// What the check asks of one resource.
pub(crate) struct Form<'v> {
    looks: &'v [Look],
    at: Look,
    key: Key,
    /// Objects and arrays around.
    depth: u32,
    a: u64,
    b: u64,
    whole: bool,
    /// The start and the end of a Period, with its depth.
    period: [Option<(u32, &'v str)>; 2],
}

/// Odd numbers without a pattern.
const FIRST: u64 = 0x9E37_79B9_7F4A_7C15;
const SECOND: u64 = 0xD6E8_FEB8_6659_FD93;

/// What a word of a form stands for, so that no two resources of different shape have the same words.
mod word {
    pub(super) const OBJECT: u64 = 1;
    pub(super) const ARRAY: u64 = 2;
    pub(super) const CLOSE: u64 = 3;
    pub(super) const BOOLEAN: u64 = 4;
    pub(super) const STRING: u64 = 5;
    pub(super) const TEXT: u64 = 6;
    pub(super) const ID: u64 = 7;
    pub(super) const REFERENCE: u64 = 8;
    pub(super) const DATE: u64 = 9;
    pub(super) const MOMENT: u64 = 10;
    pub(super) const BACKWARDS: u64 = 11;
    pub(super) const ZERO: u64 = 12;
    pub(super) const INTEGER: u64 = 13;
    pub(super) const DECIMAL: u64 = 14;
    pub(super) const NUMBER: u64 = 15;
    pub(super) const CODE: u64 = 16;
    pub(super) const KEY: u64 = 17;
}

impl<'v> Form<'v> {
    /// The form, where the resource has one.
    pub(crate) fn taken(&self) -> Option<[u64; 2]> {
        self.whole.then_some([self.a, self.b])
    }

    fn put(&mut self, word: u64) {
        let product = u128::from(self.a ^ word) * u128::from(FIRST);
        self.a = (product >> 64) as u64 ^ product as u64;
        self.b = (self.b.rotate_left(23) ^ word).wrapping_mul(SECOND);
    }

    fn put_text(&mut self, kind: u64, text: &str) {
        self.put(kind | (text.len() as u64) << 8);
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        for word in words {
            self.put(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.put(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    /// The ends of a Period: per-1 asks which comes first.
    fn moment_of_period(&mut self, end: bool, text: &'v str) {
        let own = usize::from(end);
        self.period[own] = Some((self.depth, text));
        if let [Some((one, start)), Some((other, end))] = &self.period
            && one == other
        {
            let backwards = invariant::backwards(Some(start), Some(end));
            self.put(word::BACKWARDS | u64::from(backwards) << 8);
        }
    }
}

impl<'v> Watch<'v> for Form<'v> {
    fn open(&mut self, object: bool) {
        self.depth += 1;
        self.put(if object { word::OBJECT } else { word::ARRAY });
    }

    fn close(&mut self) {
        // What lay in this object is no end of the Period beside it.
        for slot in &mut self.period {
            if slot.as_ref().is_some_and(|(depth, _)| *depth >= self.depth) {
                *slot = None;
            }
        }
        self.depth -= 1;
        self.put(word::CLOSE);
    }

    fn key(&mut self, key: Key) {
        self.key = key;
        self.at = self.looks.get(key.number()).copied().unwrap_or(Look::Compared);
        self.whole &= self.at != Look::Compared;
        self.put(word::KEY | (key.number() as u64) << 8);
    }

    fn text(&mut self, text: &'v str, plain: bool) {
        match self.at {
            // Plain: no control character, so only what begins with a space may be blank.
            Look::Text if plain && text.as_bytes().first().is_some_and(|b| *b > b' ') => {
                self.put(word::STRING);
            }
            Look::Known if plain && !known(text) && Primitive::Code.accepts(text) => self.put(word::CODE),
            Look::Known if plain && text.as_bytes().first().is_some_and(|b| *b > b' ') && !known(text) => {
                self.put(word::STRING);
            }
            Look::Id if self.depth == 1 && Primitive::Id.accepts(text) => self.put(word::ID),
            Look::Reference => match text.split_once('/') {
                Some((kind, id))
                    if Primitive::Id.accepts(id) && kind.bytes().all(|b| b.is_ascii_alphabetic()) =>
                {
                    self.put_text(word::REFERENCE, kind);
                }
                _ => self.put_text(word::TEXT, text),
            },
            Look::Moment => {
                let day = text.len() <= "YYYY-MM-DD".len();
                match if day { Primitive::Date } else { Primitive::Instant }.accepts(text) {
                    true => self.put(if day { word::DATE } else { word::MOMENT }),
                    false => self.put_text(word::TEXT, text),
                }
                if self.key == key::START || self.key == key::END {
                    self.moment_of_period(self.key == key::END, text);
                }
            }
            _ => self.put_text(word::TEXT, text),
        }
    }

    fn number(&mut self, text: &str) {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let free = matches!(self.at, Look::Text | Look::Known);
        match text.split_once('.') {
            None if free && text == "0" => self.put(word::ZERO),
            None if free
                && (1..10).contains(&text.len())
                && digits(text)
                && !text.starts_with('0')
                && !known(text) =>
            {
                self.put(word::INTEGER);
            }
            // 1.0 is 1, which a profile may ask for.
            Some((before, behind))
                if free
                    && digits(before)
                    && digits(behind)
                    && Primitive::Decimal.accepts(text)
                    && !behind.bytes().all(|b| b == b'0') =>
            {
                self.put(word::DECIMAL);
            }
            _ => self.put_text(word::NUMBER, text),
        }
    }

    fn boolean(&mut self) {
        self.put(word::BOOLEAN);
    }
}
