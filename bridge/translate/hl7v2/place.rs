//! A value straight from the tables, for whoever knows its place.

use super::{Level, Message, Part, Repetition};

/// What stands at a place of a field.
#[derive(Clone, Copy)]
pub(crate) struct Stands<'a> {
    /// The value of the first repetition, as written.
    pub(crate) raw: &'a str,
    /// Whether what is asked for has more than this value: a repetition further components, a component subcomponents.
    pub(crate) divided: bool,
    /// Whether the field repeats.
    pub(crate) repeats: bool,
}

impl Message {
    /// Whether a value may have to be resolved: the escape character stands somewhere in the message.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Whether a field repeats; `None` where it is empty.
    pub(crate) fn repeats(&self, segment: u32, field: u16) -> Option<bool> {
        let field = self.segment(segment as usize).field(field.into());
        (!field.is_empty()).then(|| field.repeats())
    }

    /// The value at a component and a subcomponent of the first repetition of a field, from 1; 0 asks for the whole, of
    /// which the first value is given. What is absent is empty.
    pub(crate) fn stands(&self, segment: u32, field: u16, component: u16, subcomponent: u16) -> Stands<'_> {
        let row = match self.segments.get(segment as usize) {
            Some(row) if (1..=row.field_count).contains(&field.into()) => row,
            _ => return Stands { raw: "", divided: false, repeats: false },
        };
        let at = row.first_field as usize + usize::from(field) - 1;
        let here = self.fields[at];
        let to = self.fields.get(at + 1).map_or(self.marks.len() as u32, |next| next.mark);
        self.find(
            Part { message: self, start: here.start, end: here.end, from: here.mark, to },
            component,
            subcomponent,
        )
    }

    fn find<'a>(&'a self, part: Part<'a>, component: u16, subcomponent: u16) -> Stands<'a> {
        let mut found = Stands { raw: "", divided: false, repeats: false };
        let wanted = (component.max(1), subcomponent.max(1));
        let (mut now, mut start) = ((1, 1), part.start);
        for mark in &self.marks[part.from as usize..part.to as usize] {
            let (end, level) = (mark >> 2, mark & 3);
            let of_component = level == Level::Component as u32;
            let ends = level == Level::Repetition as u32;
            if now == wanted {
                found.raw = self.slice(start, end);
                found.divided =
                    if component == 0 { !ends } else { subcomponent == 0 && !ends && !of_component };
            }
            if ends {
                return Stands { repeats: true, ..found };
            }
            now = if of_component { (now.0 + 1, 1) } else { (now.0, now.1 + 1) };
            start =
                end + self.delimiter_len(if of_component { Level::Component } else { Level::Subcomponent });
        }
        if now == wanted {
            found.raw = self.slice(start, part.end);
        }
        found
    }
}

impl<'a> Repetition<'a> {
    /// The value at a component and a subcomponent, as [`Message::stands`] gives it of a field.
    pub(crate) fn stands(self, component: u16, subcomponent: u16) -> Stands<'a> {
        self.0.message.find(self.0, component, subcomponent)
    }
}

#[cfg(test)]
mod tests {
    use crate::hl7v2::Message;

    #[test]
    fn a_place_has_what_the_tree_has_there() {
        let text = "MSH|^~\\&|A^B&C~D|\rZZZ|||a|a^b|^b|a&b^c&&d^|x~y^z|^~|&|\"\"";
        let (message, _) = Message::parse(text.to_owned()).unwrap();
        for segment in message.segments() {
            for number in 0..12_u16 {
                let field = segment.field(number.into());
                let first = field.repetition(1);
                for component in 0..5_u16 {
                    for subcomponent in 0..5_u16 {
                        let stands = message.stands(segment.index() as u32, number, component, subcomponent);
                        let expected =
                            first.component(component.max(1).into()).subcomponent(subcomponent.max(1).into());
                        assert_eq!(stands.raw, expected.raw(), "{number} {component} {subcomponent}");
                        assert_eq!(stands.repeats, field.repeats());
                        let asked = match (component, subcomponent) {
                            (0, _) => first.raw(),
                            (_, 0) => first.component(component.into()).raw(),
                            _ => expected.raw(),
                        };
                        let divided = (component == 0 && subcomponent > 1) || asked != expected.raw();
                        assert!(stands.divided == divided || (component == 0 && subcomponent > 1));
                        assert_eq!(first.stands(component, subcomponent).raw, expected.raw());
                    }
                }
            }
        }
    }
}
