//! Positions as printed, read back: `OBX[12]-5[2].1.1`.

use renkei_translate::hl7v2::Segment;

/// A place in a message. Numbers are 1-based; 0 = not inside one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The segment id.
    pub segment: String,
    /// Its turn among those of that name.
    pub occurrence: usize,
    /// Field.
    pub field: usize,
    /// Repetition; 1 where none is named.
    pub repetition: usize,
    /// Component.
    pub component: usize,
    /// Subcomponent.
    pub subcomponent: usize,
}

impl At {
    /// Reads a position; `None` where it is none of a message (`byte 12`, `path`).
    pub fn read(text: &str) -> Option<Self> {
        let (head, rest) = text.split_once('-').map_or((text, None), |(head, rest)| (head, Some(rest)));
        let (segment, occurrence) = bracket(head)?;
        let id = segment.len() == 3 && segment.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !id {
            return None;
        }
        let mut at = Self {
            segment: segment.to_owned(),
            occurrence: occurrence.unwrap_or(1),
            repetition: 1,
            ..Self::default()
        };
        let Some(rest) = rest else { return Some(at) };
        let mut parts = rest.split('.');
        let (field, repetition) = bracket(parts.next()?)?;
        at.field = field.parse().ok()?;
        at.repetition = repetition.unwrap_or(1);
        at.component = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        at.subcomponent = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        Some(at)
    }

    /// The text at the place, as written, and where it stands in its segment.
    pub fn raw<'m>(&self, segment: Segment<'m>) -> Option<(&'m str, std::ops::Range<usize>)> {
        if self.field == 0 {
            return None;
        }
        let repetition = segment.field(self.field).repetition(self.repetition);
        let (raw, offset) = if self.component == 0 {
            (repetition.raw(), repetition.offset())
        } else {
            let component = repetition.component(self.component);
            if self.subcomponent == 0 {
                (component.raw(), component.offset())
            } else {
                let value = component.subcomponent(self.subcomponent);
                (value.raw(), value.offset())
            }
        };
        let start = offset.checked_sub(offset_of(segment))?;
        Some((raw, start..start + raw.len()))
    }

    /// The anchor of its field's repetition on a page.
    pub fn anchor(&self) -> String {
        format!("s-{}-{}-{}-{}", self.segment, self.occurrence, self.field, self.repetition.max(1))
    }
}

/// The byte of the text at which a segment starts: its first field stands behind its name and a delimiter.
fn offset_of(segment: Segment<'_>) -> usize {
    let first = segment.field(1);
    let before = first.raw().as_ptr() as usize - segment.raw().as_ptr() as usize;
    first.offset() - before
}

/// `OBX[12]` → `OBX` and 12.
fn bracket(text: &str) -> Option<(&str, Option<usize>)> {
    match text.split_once('[') {
        None => Some((text, None)),
        Some((name, rest)) => Some((name, Some(rest.strip_suffix(']')?.parse().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::At;
    use renkei_translate::hl7v2::Message;

    #[test]
    fn a_printed_position_finds_its_text() {
        let text = "MSH|^~\\&|A|B\rPID|||0012^^^H&O||山田^太郎~ヤマダ^タロウ\rOBX|1|NM|K\rOBX|2|NM|L^M";
        let (message, _) = Message::parse(text.to_owned()).unwrap();
        let check = |position: &str, expected: &str, in_segment: &str| {
            let at = At::read(position).unwrap();
            let mut of_name = message.segments().filter(|segment| segment.name() == at.segment);
            let segment = of_name.nth(at.occurrence - 1).unwrap();
            let (raw, range) = at.raw(segment).unwrap();
            assert_eq!(raw, expected, "{position}");
            assert_eq!(&segment.raw()[range], in_segment, "{position}");
        };
        check("PID-3.1", "0012", "0012");
        check("PID-3.4.2", "O", "O");
        check("PID-5[2].2", "タロウ", "タロウ");
        check("PID-5[2]", "ヤマダ^タロウ", "ヤマダ^タロウ");
        check("OBX[2]-3.1", "L", "L");
        check("OBX-3", "K", "K");
        assert_eq!(At::read("OBX[2]-3.1").unwrap().anchor(), "s-OBX-2-3-1");
    }

    #[test]
    fn other_places_are_no_positions() {
        for text in ["", "byte 12", "path", "PID-", "PID[x]-3", "pid-3", "山田-3"] {
            assert_eq!(At::read(text), None, "{text}");
        }
        assert_eq!(At::read("NK1[2]").unwrap().field, 0);
    }
}
