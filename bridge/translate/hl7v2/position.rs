//! Positions as printed: `PID-3[2].4.1`, `OBX[12]-5`.

use super::{Level, Message};

/// Where something stands in a message. Numbers are 1-based; 0 = not inside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The segment id, or empty outside every segment.
    pub segment: &'a str,
    /// Place among the segments of that name.
    pub occurrence: usize,
    /// Field number; 0 = the segment id.
    pub field: usize,
    /// Repetition number.
    pub repetition: usize,
    /// Component number; 0 where the repetition has only one.
    pub component: usize,
    /// Subcomponent number; 0 where the component has only one.
    pub subcomponent: usize,
}

impl std::fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A segment id that is none may hold anything, so it is not printed.
        f.write_str(if super::parse::is_segment_id(self.segment) { self.segment } else { "segment" })?;
        if self.occurrence > 1 {
            write!(f, "[{}]", self.occurrence)?;
        }
        if self.field == 0 {
            return Ok(());
        }
        write!(f, "-{}", self.field)?;
        if self.repetition > 1 {
            write!(f, "[{}]", self.repetition)?;
        }
        if self.component > 0 {
            write!(f, ".{}", self.component)?;
        }
        if self.subcomponent > 0 {
            write!(f, ".{}", self.subcomponent)?;
        }
        Ok(())
    }
}

impl Message {
    /// The position of a byte offset in the decoded text.
    pub fn position(&self, offset: usize) -> Position<'_> {
        let at = offset.min(self.text.len()) as u32;
        let index = self.segments.partition_point(|row| row.start <= at).saturating_sub(1);
        let segment = self.segment(index);
        let mut position = Position {
            segment: segment.name(),
            occurrence: segment.occurrence(),
            field: 0,
            repetition: 0,
            component: 0,
            subcomponent: 0,
        };
        let row = &self.segments[index];
        let fields = &self.fields[row.first_field as usize..][..row.field_count as usize];
        position.field = fields.partition_point(|field| field.start <= at);
        // MSH-2 is empty nowhere and MSH-1 ends where it starts, so the last field starting at or before
        // the offset is the one that holds it.
        if position.field == 0 {
            return position;
        }
        let number = |part: super::Part<'_>, level| {
            let marks = &self.marks[part.from as usize..part.to as usize];
            1 + marks.iter().filter(|mark| *mark & 3 == level as u32 && *mark >> 2 < at).count()
        };
        let field = segment.field(position.field);
        position.repetition = number(field.0, Level::Repetition);
        let repetition = field.repetition(position.repetition);
        let component_number = number(repetition.0, Level::Component);
        if repetition.component_count() > 1 {
            position.component = component_number;
        }
        let component = repetition.component(component_number);
        if component.subcomponent_count() > 1 {
            position.component = component_number;
            position.subcomponent = number(component.0, Level::Subcomponent);
        }
        position
    }
}
