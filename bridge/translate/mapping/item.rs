//! What a path gives: a segment, a repetition, a component, a subcomponent or a text, with its position.

use super::plan::Sym;
use crate::hl7v2::{Component, Delimiters, Repetition, Segment, Value};
use std::borrow::Cow;
use std::rc::Rc;

/// A position in the source; zeros at the end are left out when printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pos {
    pub(crate) segment: u32,
    pub(crate) field: u16,
    pub(crate) repetition: u16,
    pub(crate) component: u16,
    pub(crate) subcomponent: u16,
}

/// No position: a literal or a setting.
pub(crate) const NOWHERE: Pos =
    Pos { segment: u32::MAX, field: 0, repetition: 0, component: 0, subcomponent: 0 };

#[derive(Clone)]
pub(crate) enum Item<'m> {
    Segment(Segment<'m>),
    Group(u32),
    Repetition(Repetition<'m>, Pos),
    Component(Component<'m>, Pos),
    Value(Value<'m>, Pos),
    Text(Cow<'m, str>, Pos),
    /// What a form took apart.
    Parts(Rc<Vec<(Sym, String)>>, Pos),
}

impl<'m> Item<'m> {
    pub(crate) fn pos(&self) -> Pos {
        match self {
            Self::Segment(segment) => Pos { segment: segment.index() as u32, ..NOWHERE },
            Self::Group(_) => NOWHERE,
            Self::Repetition(_, pos)
            | Self::Component(_, pos)
            | Self::Value(_, pos)
            | Self::Text(_, pos)
            | Self::Parts(_, pos) => *pos,
        }
    }

    /// The raw slice of the source, for what has one.
    pub(crate) fn raw(&self) -> Option<&'m str> {
        match self {
            Self::Repetition(r, _) => Some(r.raw()),
            Self::Component(c, _) => Some(c.raw()),
            Self::Value(v, _) => Some(v.raw()),
            _ => None,
        }
    }

    /// The nth part: field, component or subcomponent.
    pub(crate) fn part(&self, n: u16) -> Option<Item<'m>> {
        match self {
            Self::Segment(segment) => {
                let pos = Pos {
                    segment: segment.index() as u32,
                    field: n,
                    repetition: 1,
                    component: 0,
                    subcomponent: 0,
                };
                Some(Self::Repetition(segment.field(n as usize).repetition(1), pos))
            }
            Self::Repetition(repetition, pos) => {
                Some(Self::Component(repetition.component(n as usize), Pos { component: n, ..*pos }))
            }
            Self::Component(component, pos) => {
                Some(Self::Value(component.subcomponent(n as usize), Pos { subcomponent: n, ..*pos }))
            }
            Self::Value(..) | Self::Text(..) => (n == 1).then(|| self.clone()),
            Self::Group(_) | Self::Parts(..) => None,
        }
    }

    /// The text of the nth part; empty where there is none.
    pub(crate) fn words(&self, n: u16) -> Cow<'m, str> {
        match self {
            Self::Repetition(repetition, _) => trimmed(repetition.value(n, 1).text()),
            _ => self.part(n).map(|part| part.text()).unwrap_or_default(),
        }
    }

    /// Whether there is anything in it: neither empty, nor delimiters alone, nor the explicit null.
    pub(crate) fn valued(&self, delimiters: &Delimiters) -> bool {
        match self {
            Self::Segment(_) | Self::Group(_) => true,
            Self::Parts(parts, _) => !parts.is_empty(),
            Self::Text(text, _) => !text.trim().is_empty(),
            _ => {
                let raw = self.raw().unwrap_or_default();
                // A letter or a digit stands in front nearly always, and neither is a delimiter.
                if raw.as_bytes().first().is_some_and(|b| b.is_ascii_alphanumeric() || is_kanji(*b)) {
                    return true;
                }
                raw != "\"\""
                    && raw.chars().any(|c| {
                        c != delimiters.component
                            && c != delimiters.subcomponent
                            && c != delimiters.repetition
                            && !c.is_whitespace()
                    })
            }
        }
    }

    /// Its text, trimmed; of a repetition with components the first. The explicit null is empty.
    pub(crate) fn text(&self) -> Cow<'m, str> {
        let text = match self {
            Self::Segment(_) | Self::Group(_) | Self::Parts(..) => return Cow::Borrowed(""),
            Self::Repetition(r, _) => r.value(1, 1).text(),
            Self::Component(c, _) => c.text(),
            Self::Value(v, _) => v.text(),
            Self::Text(text, _) => text.clone(),
        };
        trimmed(text)
    }
}

/// A text without space around it. Most has none, which its ends show.
pub(super) fn bare(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        [first, .., last, _, _] if is_kanji(*first) && is_kanji(*last) => text,
        [only] if only.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Whether a byte begins a kanji, U+5000 to U+9FFF. It stands nowhere else in UTF-8.
fn is_kanji(byte: u8) -> bool {
    (0xE5..=0xE9).contains(&byte)
}

/// A value without space around it; the explicit null is empty.
pub(super) fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed("\"\"") => Cow::Borrowed(""),
        Cow::Borrowed(text) => Cow::Borrowed(bare(text)),
        Cow::Owned(text) => {
            let bare = text.trim();
            if bare.len() == text.len() { Cow::Owned(text) } else { Cow::Owned(bare.to_owned()) }
        }
    }
}
