//! HL7 v2 text to a tree of segments, fields, repetitions, components and subcomponents.
//!
//! [`Message`] owns the decoded text and flat tables of positions in it, made in one pass; every
//! accessor is arithmetic on those tables and gives slices of the text. What is absent reads as empty.
//! Group structure (which OBX belongs to which OBR) is the mapping's business and never this module's.
//! [`header()`] and [`ack`] serve whoever must answer before anything is decoded.

pub mod ack;
pub mod escape;
pub mod header;
pub mod parse;
mod place;
pub mod position;
mod write;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;

use crate::hl7v2::position::Position;
use std::borrow::Cow;

/// Largest text that is parsed: positions are kept in 30 bits, and no sample comes near it.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Reads MSH leniently from raw bytes of any charset, for whoever must answer: see [`header::Header`].
pub fn header(bytes: &[u8]) -> Option<header::Header> {
    header::read(bytes)
}

/// The delimiters that MSH-1 and MSH-2 declare. One that is not declared is NUL and matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1, usually `|`.
    pub field: char,
    /// Usually `^`.
    pub component: char,
    /// Usually `~`.
    pub repetition: char,
    /// Usually `\`; `¥` (U+00A5) where a converter made one of it.
    pub escape: char,
    /// Usually `&`.
    pub subcomponent: char,
    /// HL7 v2.7's fifth character, usually `#`.
    pub truncation: char,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            field: '|',
            component: '^',
            repetition: '~',
            escape: '\\',
            subcomponent: '&',
            truncation: '\0',
        }
    }
}

/// One segment in the table.
#[derive(Clone, Copy)]
struct SegmentRow {
    start: u32,
    name_end: u32,
    end: u32,
    first_field: u32,
    field_count: u32,
    occurrence: u32,
}

/// One field in the table; its delimiters are `marks[mark..mark of the next field]`.
#[derive(Clone, Copy)]
struct FieldRow {
    start: u32,
    end: u32,
    mark: u32,
}

/// What a mark separates, in its two lowest bits; the position stands above them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Repetition = 0,
    Component = 1,
    Subcomponent = 2,
}

/// A parsed message: its text and where everything in it stands.
#[derive(Clone)]
pub struct Message {
    text: String,
    delimiters: Delimiters,
    segments: Vec<SegmentRow>,
    fields: Vec<FieldRow>,
    marks: Vec<u32>,
    /// Whether the escape character stands anywhere behind MSH-2: where it does not, values are their text.
    escaped: bool,
}

// Only counts: the text is a patient's.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}

impl Message {
    /// The delimiters that the message declares.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// The decoded text as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many segments there are; blank lines do not count.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Never: a message has at least its MSH.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The segment at a 0-based index.
    ///
    /// # Panics
    /// Where `index` is not below [`len`](Self::len).
    pub fn segment(&self, index: usize) -> Segment<'_> {
        assert!(index < self.segments.len(), "segment index is below len()");
        Segment { message: self, index: index as u32 }
    }

    /// All segments in order.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment<'_>> + DoubleEndedIterator + Clone {
        (0..self.segments.len() as u32).map(|index| Segment { message: self, index })
    }

    /// The first segment of that name.
    pub fn first(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// A repetition of a field of a segment, and whether the field has several; what is absent is empty.
    pub(crate) fn repetition(&self, segment: u32, field: u16, number: u16) -> (Repetition<'_>, bool) {
        let Field(part) = self.segment(segment as usize).field(field.into());
        if part.from == part.to {
            let absent = Part { start: part.end, ..part };
            return (Repetition(if number == 1 { part } else { absent }), false);
        }
        let (first, more) = Field(part).first();
        (if number == 1 { first } else { Repetition(part.nth(Level::Repetition, number.into())) }, more)
    }

    fn slice(&self, start: u32, end: u32) -> &str {
        &self.text[start as usize..end as usize]
    }

    fn delimiter_len(&self, level: Level) -> u32 {
        let delimiter = match level {
            Level::Repetition => self.delimiters.repetition,
            Level::Component => self.delimiters.component,
            Level::Subcomponent => self.delimiters.subcomponent,
        };
        delimiter.len_utf8() as u32
    }
}

/// One segment.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    message: &'a Message,
    index: u32,
}

impl<'a> Segment<'a> {
    fn row(self) -> &'a SegmentRow {
        &self.message.segments[self.index as usize]
    }

    /// The segment id as written: `PID`.
    pub fn name(self) -> &'a str {
        let row = self.row();
        self.message.slice(row.start, row.name_end)
    }

    /// The whole segment without its terminator.
    pub fn raw(self) -> &'a str {
        let row = self.row();
        self.message.slice(row.start, row.end)
    }

    /// 0-based place in the message.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// 1-based place among the segments of the same name.
    pub fn occurrence(self) -> usize {
        self.row().occurrence as usize
    }

    /// Number of the last field written, as the standard counts (MSH-1 is the separator itself).
    pub fn field_count(self) -> usize {
        self.row().field_count as usize
    }

    /// A field by its number, from 1. An absent one is empty.
    pub fn field(self, number: usize) -> Field<'a> {
        let (message, row) = (self.message, self.row());
        if number == 0 || number > row.field_count as usize {
            return Field(Part { message, start: row.end, end: row.end, from: 0, to: 0 });
        }
        let index = row.first_field as usize + number - 1;
        let field = message.fields[index];
        let to = message.fields.get(index + 1).map_or(message.marks.len() as u32, |next| next.mark);
        Field(Part { message, start: field.start, end: field.end, from: field.mark, to })
    }

    /// All fields from 1.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field<'a>> {
        (1..self.field_count() + 1).map(move |number| self.field(number))
    }
}

/// A stretch of the text and the marks inside it.
#[derive(Clone, Copy)]
struct Part<'a> {
    message: &'a Message,
    start: u32,
    end: u32,
    from: u32,
    to: u32,
}

impl<'a> Part<'a> {
    fn raw(self) -> &'a str {
        self.message.slice(self.start, self.end)
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// With escapes resolved.
    fn resolved(self) -> Cow<'a, str> {
        match self.message.escaped {
            true => escape::resolve(self.raw(), &self.message.delimiters),
            false => Cow::Borrowed(self.raw()),
        }
    }

    /// How many parts of that level: none in an empty stretch, else one more than its delimiters.
    fn count(self, level: Level) -> usize {
        if self.is_empty() {
            return 0;
        }
        let marks = &self.message.marks[self.from as usize..self.to as usize];
        1 + marks.iter().filter(|mark| *mark & 3 == level as u32).count()
    }

    /// Cuts off the part before the first delimiter of that level; the rest is `None` after the last.
    fn cut(self, level: Level) -> (Self, Option<Self>) {
        let marks = &self.message.marks;
        for at in self.from..self.to {
            let mark = marks[at as usize];
            if mark & 3 == level as u32 {
                let end = mark >> 2;
                let start = end + self.message.delimiter_len(level);
                return (Self { end, to: at, ..self }, Some(Self { start, from: at + 1, ..self }));
            }
        }
        (self, None)
    }

    fn nth(self, level: Level, number: usize) -> Self {
        let absent = Self { start: self.end, from: self.to, ..self };
        let Some(mut before) = number.checked_sub(1) else { return absent };
        if self.from == self.to {
            return if before == 0 { self } else { absent };
        }
        let mut part = self;
        for (at, mark) in (self.from..self.to).zip(&self.message.marks[self.from as usize..self.to as usize])
        {
            if mark & 3 == level as u32 {
                if before == 0 {
                    return Self { end: mark >> 2, to: at, ..part };
                }
                before -= 1;
                part = Self { start: (mark >> 2) + self.message.delimiter_len(level), from: at + 1, ..self };
            }
        }
        if before == 0 { part } else { absent }
    }
}

/// One field: repetitions.
#[derive(Clone, Copy)]
pub struct Field<'a>(Part<'a>);

/// One repetition of a field: components.
#[derive(Clone, Copy)]
pub struct Repetition<'a>(Part<'a>);

/// One component: subcomponents.
#[derive(Clone, Copy)]
pub struct Component<'a>(Part<'a>);

/// One subcomponent: a value.
#[derive(Clone, Copy)]
pub struct Value<'a>(Part<'a>);

macro_rules! common {
    ($($name:ident),*) => {$(
        impl<'a> $name<'a> {
            /// As written, escapes unresolved.
            pub fn raw(self) -> &'a str {
                self.0.raw()
            }
            /// Nothing stands there.
            pub fn is_empty(self) -> bool {
                self.0.is_empty()
            }
            /// Exactly `""`: the explicit null, which means that there is none.
            pub fn is_null(self) -> bool {
                self.0.raw() == "\"\""
            }
            /// Byte offset in the decoded text; of something absent, the end of what should hold it.
            pub fn offset(self) -> usize {
                self.0.start as usize
            }
            /// The position as printed.
            pub fn position(self) -> Position<'a> {
                self.0.message.position(self.0.start as usize)
            }
        }
        // No values: they are a patient's.
        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({}..{})"), self.0.start, self.0.end)
            }
        }
    )*};
}
common!(Field, Repetition, Component, Value);

impl std::fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({})", self.index)
    }
}

impl<'a> Field<'a> {
    /// How many repetitions; none in an empty field.
    pub fn repetition_count(self) -> usize {
        self.0.count(Level::Repetition)
    }
    /// Whether there is more than one repetition.
    pub fn repeats(self) -> bool {
        let marks = &self.0.message.marks[self.0.from as usize..self.0.to as usize];
        marks.iter().any(|mark| mark & 3 == Level::Repetition as u32)
    }
    /// The first repetition, and whether there are more.
    pub fn first(self) -> (Repetition<'a>, bool) {
        let (first, rest) = self.0.cut(Level::Repetition);
        (Repetition(first), rest.is_some())
    }
    /// A repetition by its number, from 1.
    pub fn repetition(self, number: usize) -> Repetition<'a> {
        Repetition(self.0.nth(Level::Repetition, number))
    }
    /// All repetitions; none of an empty field.
    pub fn repetitions(self) -> impl Iterator<Item = Repetition<'a>> {
        parts(self.0, Level::Repetition).map(Repetition)
    }
}

impl<'a> Repetition<'a> {
    /// How many components; none in an empty repetition.
    pub fn component_count(self) -> usize {
        self.0.count(Level::Component)
    }
    /// A component by its number, from 1.
    pub fn component(self, number: usize) -> Component<'a> {
        Component(self.0.nth(Level::Component, number))
    }
    /// The value at a component and a subcomponent; the first where a number is 0.
    pub(crate) fn value(self, component: u16, subcomponent: u16) -> Value<'a> {
        let (part, message) = (self.0, self.0.message);
        let (component, subcomponent) = (component.max(1), subcomponent.max(1));
        let absent = Value(Part { start: part.end, from: part.to, ..part });
        if part.from == part.to {
            return if (component, subcomponent) == (1, 1) { Value(part) } else { absent };
        }
        let (mut at, mut inner, mut start) = (1, 1, part.start);
        for mark in &message.marks[part.from as usize..part.to as usize] {
            let end = mark >> 2;
            if (at, inner) == (component, subcomponent) {
                return Value(Part { start, end, from: part.to, ..part });
            }
            if mark & 3 == Level::Component as u32 {
                (at, inner) = (at + 1, 1);
                start = end + message.delimiter_len(Level::Component);
            } else {
                inner += 1;
                start = end + message.delimiter_len(Level::Subcomponent);
            }
        }
        if (at, inner) == (component, subcomponent) {
            return Value(Part { start, from: part.to, ..part });
        }
        absent
    }
    /// All components; none of an empty repetition.
    pub fn components(self) -> impl Iterator<Item = Component<'a>> {
        parts(self.0, Level::Component).map(Component)
    }
}

impl<'a> Component<'a> {
    /// How many subcomponents; none in an empty component.
    pub fn subcomponent_count(self) -> usize {
        self.0.count(Level::Subcomponent)
    }
    /// A subcomponent by its number, from 1.
    pub fn subcomponent(self, number: usize) -> Value<'a> {
        Value(self.0.nth(Level::Subcomponent, number))
    }
    /// All subcomponents; none of an empty component.
    pub fn subcomponents(self) -> impl Iterator<Item = Value<'a>> {
        parts(self.0, Level::Subcomponent).map(Value)
    }
    /// All of the component with escapes resolved: of a text, whose writer may not know that `&` separates.
    pub fn whole(self) -> Cow<'a, str> {
        self.0.resolved()
    }
    /// The component with escapes resolved; its first subcomponent where it has several.
    pub fn text(self) -> Cow<'a, str> {
        self.subcomponent(1).text()
    }
}

impl<'a> Value<'a> {
    /// The value with escapes resolved.
    pub fn text(self) -> Cow<'a, str> {
        self.0.resolved()
    }
}

fn parts(whole: Part<'_>, level: Level) -> impl Iterator<Item = Part<'_>> {
    let mut rest = (!whole.is_empty()).then_some(whole);
    std::iter::from_fn(move || {
        let (first, next) = rest?.cut(level);
        rest = next;
        Some(first)
    })
}
