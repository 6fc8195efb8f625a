//! FHIR resources as nodes of one arena: rules write into it, the check reads it, the writer serialises it once.
//!
//! Keys are interned, numbers keep their text (1.50 stays 1.50), and nothing empty is ever held: a node is
//! made when a value is there to be written.

mod write;

pub use write::Writer;

use std::cell::Cell;
use std::collections::HashMap;

/// An interned key of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u32);

impl Key {
    /// Its place among the keys of the set.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
    /// Its bit among those of an object's keys: several keys share one.
    fn bit(self) -> u32 {
        1 << (self.0 & 31)
    }
}

/// The keys of a mapping set.
#[derive(Debug, Default, Clone)]
pub struct Keys {
    names: Vec<String>,
    written: Vec<write::Member>,
    index: HashMap<String, Key>,
}

macro_rules! keys {
    ($($constant:ident = $name:literal),* $(,)?) => {
        /// Keys that Rust code writes; their numbers are the same in every [`Keys`].
        pub mod key {
            use super::Key;
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Order { $($constant),* }
            $(#[doc = $name] pub const $constant: Key = Key(Order::$constant as u32);)*
            pub(super) const NAMES: &[&str] = &[$($name),*];
        }
    };
}
keys! {
    RESOURCE_TYPE = "resourceType", ID = "id", META = "meta", PROFILE = "profile", REFERENCE = "reference",
    SYSTEM = "system", CODE = "code", DISPLAY = "display", TEXT = "text", CODING = "coding", VALUE = "value",
    UNIT = "unit", COMPARATOR = "comparator", LOW = "low", HIGH = "high", START = "start", END = "end",
    NUMERATOR = "numerator", DENOMINATOR = "denominator", USE = "use", LINE = "line", COUNTRY = "country",
    POSTAL_CODE = "postalCode", CITY = "city", STATE = "state", URL = "url", REPEAT = "repeat",
    EXTENSION = "extension", CONTAINED = "contained", AS_NEEDED = "asNeededBoolean",
}

impl Keys {
    /// The keys that Rust code writes.
    pub fn new() -> Self {
        let mut keys = Self::default();
        for name in key::NAMES {
            keys.intern(name);
        }
        keys
    }
    /// The key of a name.
    pub fn intern(&mut self, name: &str) -> Key {
        if let Some(key) = self.index.get(name) {
            return *key;
        }
        let key = Key(u32::try_from(self.names.len()).expect("a set has fewer than 2^32 keys"));
        self.names.push(name.to_owned());
        self.written.push(write::Member::new(name));
        self.index.insert(name.to_owned(), key);
        key
    }
    /// The name of a key.
    pub fn name(&self, key: Key) -> &str {
        &self.names[key.0 as usize]
    }
    /// The names of all keys, in order of their numbers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
    /// The key of a name, where it is known.
    pub fn find(&self, name: &str) -> Option<Key> {
        self.index.get(name).copied()
    }
}

/// A node of an [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u32);

const NONE: u32 = u32::MAX;

/// What a node holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Object { first: u32, last: u32, held: u32 },
    Array { first: u32, last: u32 },
    Text { at: u32, len: u32 },
    Number { at: u32, len: u32 },
    Boolean(bool),
}

#[derive(Clone, Copy, Debug)]
struct Node {
    key: Key,
    next: u32,
    kind: Kind,
}

/// Sees what a resource is made of while it is written. Each value comes with the key that it stands under; an item
/// of an array has the key of the array.
pub trait Watch<'a> {
    /// An object begins, or an array.
    fn open(&mut self, key: Key, object: bool);
    /// The object or array ends.
    fn close(&mut self);
    /// A string; `plain` where it has no control character, quotation mark or backslash.
    fn text(&mut self, key: Key, text: &'a str, plain: bool);
    /// A number, as written.
    fn number(&mut self, key: Key, text: &'a str);
    /// A boolean.
    fn boolean(&mut self, key: Key);
}

impl<'a> Watch<'a> for () {
    fn open(&mut self, _: Key, _: bool) {}
    fn close(&mut self) {}
    fn text(&mut self, _: Key, _: &'a str, _: bool) {}
    fn number(&mut self, _: Key, _: &'a str) {}
    fn boolean(&mut self, _: Key) {}
}

/// A node as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string.
    Text(&'a str),
    /// A number, as written.
    Number(&'a str),
    /// A boolean.
    Boolean(bool),
}

/// Nodes of the resources of one message.
#[derive(Debug, Default)]
pub struct Arena {
    nodes: Vec<Node>,
    text: String,
}

/// Bytes of an arena's text, and nodes, beyond which its room is not kept.
const KEPT: usize = 1 << 18;

thread_local! {
    /// The arena of the last message of this thread, emptied: most messages need no more room than the one before.
    static SPARE: Cell<Option<Arena>> = const { Cell::new(None) };
}

impl Arena {
    /// An empty one, with the room of the last one given back.
    pub(crate) fn spare() -> Self {
        SPARE.take().unwrap_or_default()
    }
    /// Empties it and keeps its room for the next message.
    pub(crate) fn give_back(mut self) {
        if self.nodes.capacity() <= KEPT && self.text.capacity() <= KEPT {
            self.nodes.clear();
            self.text.clear();
            SPARE.set(Some(self));
        }
    }
    fn push(&mut self, kind: Kind) -> Id {
        let id = u32::try_from(self.nodes.len()).expect("a message makes fewer than 2^32 nodes");
        self.nodes.push(Node { key: key::ID, next: NONE, kind });
        Id(id)
    }
    fn span(&mut self, text: &str) -> (u32, u32) {
        let at = self.text.len() as u32;
        self.text.push_str(text);
        (at, text.len() as u32)
    }
    fn slice(&self, at: u32, len: u32) -> &str {
        &self.text[at as usize..(at + len) as usize]
    }
    /// A new object.
    pub fn object(&mut self) -> Id {
        self.push(Kind::Object { first: NONE, last: NONE, held: 0 })
    }
    /// A new array.
    pub fn array(&mut self) -> Id {
        self.push(Kind::Array { first: NONE, last: NONE })
    }
    /// A new string.
    pub fn text(&mut self, text: &str) -> Id {
        let (at, len) = self.span(text);
        self.push(Kind::Text { at, len })
    }
    /// A new string of these pieces.
    pub fn joined(&mut self, pieces: &[&str]) -> Id {
        let at = self.text.len();
        pieces.iter().for_each(|piece| self.text.push_str(piece));
        self.push(Kind::Text { at: at as u32, len: (self.text.len() - at) as u32 })
    }
    /// A new number, whose text must be a JSON number.
    pub fn number(&mut self, text: &str) -> Id {
        let (at, len) = self.span(text);
        self.push(Kind::Number { at, len })
    }
    /// A new boolean.
    pub fn boolean(&mut self, value: bool) -> Id {
        self.push(Kind::Boolean(value))
    }
    /// Reads a node.
    pub fn read(&self, id: Id) -> Read<'_> {
        match self.nodes[id.0 as usize].kind {
            Kind::Object { .. } => Read::Object,
            Kind::Array { .. } => Read::Array,
            Kind::Text { at, len } => Read::Text(self.slice(at, len)),
            Kind::Number { at, len } => Read::Number(self.slice(at, len)),
            Kind::Boolean(value) => Read::Boolean(value),
        }
    }
    /// Whether a node is an object.
    pub fn is_object(&self, id: Id) -> bool {
        matches!(self.nodes[id.0 as usize].kind, Kind::Object { .. })
    }
    /// Whether a node is an array.
    pub fn is_array(&self, id: Id) -> bool {
        matches!(self.nodes[id.0 as usize].kind, Kind::Array { .. })
    }
    /// The children of an object or array with their keys, in order.
    pub fn children(&self, id: Id) -> impl Iterator<Item = (Key, Id)> + '_ {
        let mut at = match self.nodes[id.0 as usize].kind {
            Kind::Object { first, .. } | Kind::Array { first, .. } => first,
            _ => NONE,
        };
        std::iter::from_fn(move || {
            if at == NONE {
                return None;
            }
            let node = self.nodes[at as usize];
            let here = (node.key, Id(at));
            at = node.next;
            Some(here)
        })
    }
    /// The value at a key.
    pub fn get(&self, object: Id, key: Key) -> Option<Id> {
        match self.nodes[object.0 as usize].kind {
            // Most keys that are asked for are not there, which one bit shows nearly always.
            Kind::Object { held, .. } if held & key.bit() != 0 => {
                self.children(object).find(|(k, _)| *k == key).map(|(_, id)| id)
            }
            _ => None,
        }
    }
    /// The text at a key.
    pub fn get_text(&self, object: Id, key: Key) -> Option<&str> {
        match self.read(self.get(object, key)?) {
            Read::Text(text) => Some(text),
            _ => None,
        }
    }
    /// The nth element of an array, from 0.
    pub fn nth(&self, array: Id, n: usize) -> Option<Id> {
        self.children(array).nth(n).map(|(_, id)| id)
    }
    /// How many children a node has.
    pub fn len(&self, id: Id) -> usize {
        self.children(id).count()
    }
    /// Whether a node has no children.
    pub fn is_empty(&self, id: Id) -> bool {
        self.children(id).next().is_none()
    }
    /// Puts a value at a key, replacing what stood there. `value` must stand nowhere else.
    pub fn put(&mut self, object: Id, key: Key, value: Id) {
        if let Some(old) = self.get(object, key) {
            // The old node takes over the content, so that the order of keys stays.
            self.nodes[old.0 as usize].kind = self.nodes[value.0 as usize].kind;
            return;
        }
        self.attach(object, key, value);
    }
    /// Puts a value at a key where nothing stands yet.
    pub(crate) fn attach(&mut self, object: Id, key: Key, value: Id) {
        self.nodes[value.0 as usize].key = key;
        self.link(object, value);
        if let Kind::Object { held, .. } = &mut self.nodes[object.0 as usize].kind {
            *held |= key.bit();
        }
    }
    /// Appends to an array.
    pub fn append(&mut self, array: Id, value: Id) {
        self.link(array, value);
    }
    fn link(&mut self, parent: Id, child: Id) {
        let old_last = match &mut self.nodes[parent.0 as usize].kind {
            Kind::Object { first, last, .. } | Kind::Array { first, last } => {
                let old = *last;
                *last = child.0;
                if old == NONE {
                    *first = child.0;
                }
                old
            }
            _ => return,
        };
        if old_last != NONE {
            self.nodes[old_last as usize].next = child.0;
        }
    }
    /// Puts a string at a key, unless it is empty.
    pub fn put_text(&mut self, object: Id, key: Key, text: &str) {
        if !text.is_empty() {
            let value = self.text(text);
            self.put(object, key, value);
        }
    }
    /// A new node that holds what another holds, which nothing may be written into any more.
    pub(crate) fn copy(&mut self, of: Id) -> Id {
        self.push(self.nodes[of.0 as usize].kind)
    }
    /// Makes one node hold what another holds.
    pub fn assign(&mut self, to: Id, from: Id) {
        self.nodes[to.0 as usize].kind = self.nodes[from.0 as usize].kind;
    }
    /// Whether two nodes hold the same; the order of keys does not matter.
    pub fn same(&self, a: Id, b: Id) -> bool {
        match (self.read(a), self.read(b)) {
            (Read::Object, Read::Object) => {
                self.len(a) == self.len(b)
                    && self.children(a).all(|(k, x)| self.get(b, k).is_some_and(|y| self.same(x, y)))
            }
            (Read::Array, Read::Array) => {
                self.len(a) == self.len(b)
                    && self.children(a).zip(self.children(b)).all(|((_, x), (_, y))| self.same(x, y))
            }
            (x, y) => x == y,
        }
    }
    /// What writes the nodes that are there by now.
    pub fn writer<'a>(&'a self, keys: &'a Keys) -> Writer<'a> {
        Writer::new(self, keys)
    }
    /// The resource or element at a node as bytes of JSON.
    pub fn to_json(&self, keys: &Keys, id: Id) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        self.writer(keys).write(id, &mut out, &mut ());
        out
    }
    /// The same as a value, for the check.
    pub fn to_value(&self, keys: &Keys, id: Id) -> serde_json::Value {
        use serde_json::Value;
        match self.read(id) {
            Read::Object => Value::Object(
                self.children(id).map(|(k, v)| (keys.name(k).to_owned(), self.to_value(keys, v))).collect(),
            ),
            Read::Array => Value::Array(self.children(id).map(|(_, v)| self.to_value(keys, v)).collect()),
            Read::Text(text) => Value::String(text.to_owned()),
            Read::Number(text) => text.parse().map_or(Value::Null, Value::Number),
            Read::Boolean(value) => Value::Bool(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_a_replaced_value_keeps_its_place() {
        let (mut arena, mut keys) = (Arena::default(), Keys::new());
        let resource = arena.object();
        arena.put_text(resource, key::RESOURCE_TYPE, "Observation");
        arena.put_text(resource, key::ID, "");
        let one = arena.number("1.50");
        arena.put(resource, key::VALUE, one);
        let array = arena.array();
        let yes = arena.boolean(true);
        arena.append(array, yes);
        let flags = keys.intern("flags");
        arena.put(resource, flags, array);
        let two = arena.number("2.00");
        arena.put(resource, key::VALUE, two);
        assert_eq!(
            String::from_utf8(arena.to_json(&keys, resource)).unwrap(),
            r#"{"resourceType":"Observation","value":2.00,"flags":[true]}"#
        );
        assert_eq!(arena.to_value(&keys, resource)["value"].to_string(), "2.00");
    }

    #[test]
    fn objects_are_the_same_in_any_order_of_keys() {
        let mut arena = Arena::default();
        let (a, b) = (arena.object(), arena.object());
        arena.put_text(a, key::CODE, "x");
        arena.put_text(a, key::SYSTEM, "y");
        arena.put_text(b, key::SYSTEM, "y");
        assert!(!arena.same(a, b));
        arena.put_text(b, key::CODE, "x");
        assert!(arena.same(a, b));
    }
}
