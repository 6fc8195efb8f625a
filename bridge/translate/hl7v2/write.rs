//! A message back to text, from the tables alone.

use super::Message;

impl Message {
    /// The message as text: each segment ends with CR, blank lines and leading junk are gone, and
    /// everything else stands as it came, escapes included. Parsing it again gives the same tree.
    pub fn to_text(&self) -> String {
        let delimiters = self.delimiters;
        let mut out = String::with_capacity(self.text.len() + 1);
        for segment in self.segments() {
            out.push_str(segment.name());
            let header = super::parse::declares_delimiters(segment.name());
            for (index, field) in segment.fields().enumerate() {
                if header && index == 0 {
                    continue;
                }
                out.push(delimiters.field);
                for (n, repetition) in field.repetitions().enumerate() {
                    if n > 0 {
                        out.push(delimiters.repetition);
                    }
                    for (n, component) in repetition.components().enumerate() {
                        if n > 0 {
                            out.push(delimiters.component);
                        }
                        for (n, value) in component.subcomponents().enumerate() {
                            if n > 0 {
                                out.push(delimiters.subcomponent);
                            }
                            out.push_str(value.raw());
                        }
                    }
                }
            }
            // `MSH|` alone: MSH-1 is there and MSH-2 is not.
            if header && segment.field_count() == 1 {
                out.push(delimiters.field);
            }
            out.push('\r');
        }
        out
    }
}
