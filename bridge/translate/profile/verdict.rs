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
    known: &'static Known,
    /// Where each form begins: chosen anew in each process, so that no sender can aim at a form.
    seed: [u64; 2],
    clean: RwLock<HashSet<[u64; 2]>>,
}

impl Verdicts {
    /// None yet.
    pub(crate) fn new(keys: &Keys) -> Self {
        let seed = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
        Self { looks: keys.names().map(look).collect(), known: Known::all(), seed, clean: RwLock::default() }
    }

    /// An empty form, to be taken of a resource.
    pub(crate) fn form(&self) -> Form<'_> {
        let [a, b] = self.seed;
        Form { looks: &self.looks, known: self.known, depth: 0, a, b, whole: true, period: None }
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
#[derive(Debug)]
struct Known {
    numbers: quick::Map<&'static str, u64>,
    /// The lengths of those that begin with a byte, as bits, and of those that end with it: most texts of messages are
    /// told by these alone.
    lengths: [[u64; 256]; 2],
}

impl Known {
    fn all() -> &'static Self {
        static KNOWN: OnceLock<Known> = OnceLock::new();
        KNOWN.get_or_init(|| {
            let elements = r4::table().types.iter().flat_map(|kind| &kind.elements);
            let codes = elements.filter_map(|element| element.codes).flat_map(|list| &list.codes);
            let codes = codes.map(|(_, code)| *code);
            let mut known = Self { numbers: quick::Map::default(), lengths: [[0; 256]; 2] };
            for (text, number) in codes.chain(rule::texts()).chain(invariant::TEXTS.iter().copied()).zip(0..)
            {
                let (begin, end, length) = Self::signs(text);
                known.lengths[0][begin] |= length;
                known.lengths[1][end] |= length;
                known.numbers.insert(text, number);
            }
            known
        })
    }

    /// The first byte, the last and the bit of the length.
    fn signs(text: &str) -> (usize, usize, u64) {
        let bytes = text.as_bytes();
        let byte = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0));
        (byte(bytes.first()), byte(bytes.last()), 1 << text.len().min(63))
    }

    /// The number of a text, where some rule knows it.
    #[inline]
    fn number(&self, text: &str) -> Option<u64> {
        let (begin, end, length) = Self::signs(text);
        let may_be = self.lengths[0][begin] & self.lengths[1][end] & length != 0;
        if may_be { self.find(text) } else { None }
    }

    #[inline(never)]
    fn find(&self, text: &str) -> Option<u64> {
        self.numbers.get(text).copied()
    }
}

/// What the check asks of one resource.
pub(crate) struct Form<'v> {
    looks: &'v [Look],
    known: &'static Known,
    /// Objects and arrays around.
    depth: u32,
    a: u64,
    b: u64,
    whole: bool,
    period: Option<Period<'v>>,
}

/// The ends seen so far of the Period that is being written.
struct Period<'v> {
    depth: u32,
    ends: [Option<&'v str>; 2],
}

/// What a word of a form stands for, so that no two resources of different shape have the same words.
mod word {
    pub(super) const OBJECT: u64 = 1;
    pub(super) const ARRAY: u64 = 2;
    pub(super) const KNOWN: u64 = 3;
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
}

impl<'v> Form<'v> {
    /// The form, where the resource has one.
    pub(crate) fn taken(&self) -> Option<[u64; 2]> {
        self.whole.then_some([self.a, self.b])
    }

    /// Lays two words in. They are laid in beside their product as well: where a factor is zero, nothing is lost.
    fn put(&mut self, one: u64, other: u64) {
        let (a, b) = (self.a ^ one, self.b ^ other);
        let product = u128::from(a) * u128::from(b);
        self.a = a ^ product as u64;
        self.b = b ^ (product >> 64) as u64;
    }

    /// A value under a key. With the depth of each value, the end of an object or array needs no word.
    fn value(&mut self, key: Key, word: u64) {
        self.put(word, key.number() as u64 | u64::from(self.depth) << 32);
    }

    /// A value of which the text counts. Its length is in the first word, so that parts may be laid in twice.
    #[inline(never)]
    fn text_itself(&mut self, key: Key, kind: u64, text: &str) {
        self.value(key, kind | (text.len() as u64) << 8);
        let bytes = text.as_bytes();
        let (blocks, rest) = bytes.as_chunks::<16>();
        let two = |block: &[u8; 16]| {
            let block = u128::from_le_bytes(*block);
            (block as u64, (block >> 64) as u64)
        };
        for block in blocks {
            let (one, other) = two(block);
            self.put(one, other);
        }
        if rest.is_empty() {
            return;
        }
        let (one, other) = match (bytes.last_chunk::<16>(), rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
            (Some(block), ..) => two(block),
            (_, Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
        };
        self.put(one, other);
    }

    /// The ends of a Period: per-1 asks which comes first.
    fn moment_of_period(&mut self, key: Key, text: &'v str) {
        let depth = self.depth;
        let period = self.period.get_or_insert(Period { depth, ends: [None, None] });
        // A Period within a Period is not looked into.
        self.whole &= period.depth == depth;
        period.ends[usize::from(key == key::END)] = Some(text);
        if let [start @ Some(_), end @ Some(_)] = period.ends {
            let backwards = invariant::backwards(start, end);
            self.value(key, word::BACKWARDS | u64::from(backwards) << 8);
        }
    }

    #[inline(never)]
    fn moment(&mut self, key: Key, text: &'v str) {
        let day = text.len() <= "YYYY-MM-DD".len();
        match if day { Primitive::Date } else { Primitive::Instant }.accepts(text) {
            true => self.value(key, if day { word::DATE } else { word::MOMENT }),
            false => self.text_itself(key, word::TEXT, text),
        }
        if key == key::START || key == key::END {
            self.moment_of_period(key, text);
        }
    }

    #[inline(never)]
    fn reference(&mut self, key: Key, text: &str) {
        let kind = text.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
        match text[kind..].strip_prefix('/') {
            Some(id) if Primitive::Id.accepts(id) => self.text_itself(key, word::REFERENCE, &text[..kind]),
            _ => self.text_itself(key, word::TEXT, text),
        }
    }

    /// What is asked of the values under a key.
    fn look(&mut self, key: Key) -> Look {
        let look = self.looks.get(key.number()).copied().unwrap_or(Look::Compared);
        self.whole &= look != Look::Compared;
        look
    }
}

impl<'v> Watch<'v> for Form<'v> {
    fn open(&mut self, key: Key, object: bool) {
        self.look(key);
        self.value(key, if object { word::OBJECT } else { word::ARRAY });
        self.depth += 1;
    }

    fn close(&mut self) {
        // What lay in this object is no end of the Period beside it.
        if self.period.as_ref().is_some_and(|period| period.depth >= self.depth) {
            self.period = None;
        }
        self.depth -= 1;
    }

    // Most values are texts. What is rare among them, or long, is kept out of the writer's loop.
    #[inline(always)]
    fn text(&mut self, key: Key, text: &'v str, plain: bool) {
        // Plain: no control character, so only what begins with a space may be blank.
        let solid = plain && text.as_bytes().first().is_some_and(|byte| *byte > b' ');
        match self.look(key) {
            Look::Text if solid => self.value(key, word::STRING),
            Look::Known if solid => match self.known.number(text) {
                Some(number) => self.value(key, word::KNOWN | number << 8),
                None if Primitive::Code.accepts(text) => self.value(key, word::CODE),
                None => self.value(key, word::STRING),
            },
            Look::Id if self.depth == 1 && Primitive::Id.accepts(text) => self.value(key, word::ID),
            Look::Reference => self.reference(key, text),
            Look::Moment => self.moment(key, text),
            _ => self.text_itself(key, word::TEXT, text),
        }
    }

    fn number(&mut self, key: Key, text: &'v str) {
        let free = matches!(self.look(key), Look::Text | Look::Known);
        let bytes = text.as_bytes();
        let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match bytes.split_at(digits(bytes)) {
            (b"0", []) if free => self.value(key, word::ZERO),
            ([b'1'..=b'9', ..], []) if free && text.len() < 10 && self.known.number(text).is_none() => {
                self.value(key, word::INTEGER);
            }
            // 1.0 is 1, which a profile may ask for.
            (_, [b'.', behind @ ..])
                if free
                    && digits(behind) == behind.len()
                    && Primitive::Decimal.accepts(text)
                    && !behind.iter().all(|byte| *byte == b'0') =>
            {
                self.value(key, word::DECIMAL);
            }
            _ => self.text_itself(key, word::NUMBER, text),
        }
    }

    fn boolean(&mut self, key: Key) {
        self.look(key);
        self.value(key, word::BOOLEAN);
    }
}
