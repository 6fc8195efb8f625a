//! What the check needs of a tree of JSON, so that it runs over `serde_json` values and over the arena of
//! the mapping alike, without a copy.

use crate::fhir::{Arena, Id, Keys, Read};
use serde_json::Value;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it is written.
    Number(&'t str),
    /// A string.
    Text(&'t str),
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A node of a tree of JSON. Cheap to copy: a reference or an index.
pub trait Tree<'t>: Copy {
    /// What it is.
    fn shape(self) -> Shape<'t>;
    /// The members of an object, in order; nothing for all else.
    fn members(self) -> impl Iterator<Item = (&'t str, Self)>;
    /// The items of an array, in order; nothing for all else.
    fn items(self) -> impl Iterator<Item = Self>;

    /// Whether it is an array.
    fn is_array(self) -> bool {
        self.shape() == Shape::Array
    }
    /// Whether it is an object.
    fn is_object(self) -> bool {
        self.shape() == Shape::Object
    }
    /// The member of that name.
    fn get(self, name: &str) -> Option<Self> {
        self.members().find(|(known, _)| *known == name).map(|(_, node)| node)
    }
    /// The text of a string.
    fn text(self) -> Option<&'t str> {
        match self.shape() {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }
    /// The text of a member.
    fn text_of(self, name: &str) -> Option<&'t str> {
        self.get(name).and_then(Self::text)
    }
    /// The items of an array, or the node itself where it is none.
    fn each(self) -> impl Iterator<Item = Self> {
        let many = self.is_array();
        self.items().chain((!many).then_some(self))
    }
}

impl<'t> Tree<'t> for &'t Value {
    fn shape(self) -> Shape<'t> {
        match self {
            Value::Null => Shape::Null,
            Value::Bool(value) => Shape::Boolean(*value),
            Value::Number(number) => Shape::Number(number.as_str()),
            Value::String(text) => Shape::Text(text),
            Value::Array(_) => Shape::Array,
            Value::Object(_) => Shape::Object,
        }
    }
    fn members(self) -> impl Iterator<Item = (&'t str, Self)> {
        self.as_object().into_iter().flatten().map(|(name, node)| (name.as_str(), node))
    }
    fn items(self) -> impl Iterator<Item = Self> {
        self.as_array().into_iter().flatten()
    }
}

/// A node of the mapping's arena.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    /// Where it lies.
    pub arena: &'t Arena,
    /// The names of its keys.
    pub keys: &'t Keys,
    /// Which it is.
    pub id: Id,
}

impl<'t> Tree<'t> for Node<'t> {
    fn shape(self) -> Shape<'t> {
        match self.arena.read(self.id) {
            Read::Object => Shape::Object,
            Read::Array => Shape::Array,
            Read::Text(text) => Shape::Text(text),
            Read::Number(text) => Shape::Number(text),
            Read::Boolean(value) => Shape::Boolean(value),
        }
    }
    fn is_array(self) -> bool {
        self.arena.is_array(self.id)
    }
    fn is_object(self) -> bool {
        self.arena.is_object(self.id)
    }
    fn members(self) -> impl Iterator<Item = (&'t str, Self)> {
        let children =
            self.arena.is_object(self.id).then(|| self.arena.children(self.id)).into_iter().flatten();
        children.map(move |(key, id)| (self.keys.name(key), Self { id, ..self }))
    }
    fn items(self) -> impl Iterator<Item = Self> {
        let children =
            self.arena.is_array(self.id).then(|| self.arena.children(self.id)).into_iter().flatten();
        children.map(move |(_, id)| Self { id, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::key;
    use crate::profile::{check, check_tree};

    #[test]
    fn an_arena_is_checked_like_the_value_that_it_is_written_as() {
        let (mut arena, keys) = (Arena::default(), Keys::new());
        let (patient, coding) = (arena.object(), arena.object());
        arena.put_text(patient, key::RESOURCE_TYPE, "Patient");
        arena.put_text(patient, key::ID, "not an id");
        arena.put_text(coding, key::CODE, "a");
        let list = arena.array();
        arena.append(list, coding);
        arena.put(patient, key::CODING, list);
        let node = Node { arena: &arena, keys: &keys, id: patient };
        let found = check_tree("Patient", node);
        assert_eq!(found, check("Patient", &arena.to_value(&keys, patient)));
        assert_eq!(found.len(), 2);
    }
}
