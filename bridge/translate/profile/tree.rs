//! What the check needs of a tree of JSON, so that it runs over `serde_json` values and over the arena of
//! the mapping alike, without a copy.

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
        let many = matches!(self.shape(), Shape::Array);
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
