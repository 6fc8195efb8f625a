//! One pass over the text that fills the tables of a [`Message`].

use super::escape::{self, Sequence};
use super::{Delimiters, FieldRow, Level, MAX_MESSAGE_BYTES, Message, SegmentRow};
use crate::finding::{Finding, Location};
use std::collections::HashMap;

/// Most fields and delimiters in one message: a bound on the tables, which take 12 and 4 bytes for each.
/// The largest sample has 6,000.
pub const MAX_PARTS: usize = 4 << 20;

/// Most findings of one parse: more of the same tell nobody anything.
const MAX_FINDINGS: usize = 100;

/// Whether a text is three characters, a capital and two capitals or digits.
pub(crate) fn is_segment_id(name: &str) -> bool {
    matches!(name.as_bytes(), [first, rest @ ..] if rest.len() == 2
        && first.is_ascii_uppercase()
        && rest.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// Segments whose first two fields are the delimiters themselves.
pub(super) fn declares_delimiters(name: &str) -> bool {
    matches!(name, "MSH" | "FHS" | "BHS")
}

impl Message {
    /// Parses decoded text. Trouble that leaves a tree is among the findings.
    ///
    /// # Errors
    /// The findings that say why there is no tree: no readable MSH, or a size past a named limit.
    pub fn parse(text: String) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let refused = |code, detail: Option<&'static str>| {
            let finding = Finding::error(code, Location::at("MSH"));
            Err(vec![match detail {
                Some(detail) => finding.detail(detail),
                None => finding,
            }])
        };
        if text.len() > MAX_MESSAGE_BYTES {
            return refused("message-too-large", None);
        }
        let Some(start) = find_header(&text) else { return refused("msh-unreadable", Some("no MSH")) };
        let delimiters = match read_delimiters(&text[start..]) {
            Ok(delimiters) => delimiters,
            Err(detail) => return refused("msh-unreadable", Some(detail)),
        };
        let mut parser = Parser::new(text, delimiters);
        if !parser.message.text[..start].trim_start_matches(is_blank).is_empty() {
            let junk = Finding::warning("leading-junk", Location::at("MSH"));
            parser.findings.push(junk.detail(format!("{start} bytes")));
        }
        if !parser.segments(start) {
            return refused("message-too-many-parts", None);
        }
        Ok(parser.finish())
    }
}

/// Blank between segments: line ends, spaces, and what block framing leaves behind.
fn is_blank(c: char) -> bool {
    c.is_control() || c == ' ' || c == '\u{FEFF}'
}

/// A delimiter may be anything but a letter, a digit, a space or a control character that ends lines.
fn is_delimiter(c: char) -> bool {
    !(c.is_alphanumeric() || c.is_whitespace() || c == '\0' || c == '"')
}

/// Where `MSH` and a delimiter stand: at the start of a line if anywhere there, else anywhere.
fn find_header(text: &str) -> Option<usize> {
    let header = |at: &usize| text[at + 3..].chars().next().is_some_and(is_delimiter);
    let at_line_start = |at: &usize| text[..*at].chars().next_back().is_none_or(|c| c != ' ' && is_blank(c));
    let candidates = || text.match_indices("MSH").map(|(at, _)| at).filter(header);
    candidates().find(at_line_start).or_else(|| candidates().next())
}

/// Whether a message can be parsed by MSH-1 and the characters of MSH-2.
///
/// # Errors
/// What of it is wrong.
pub(super) fn are_delimiters(field: char, declared: &[char]) -> Result<(), &'static str> {
    if !is_delimiter(field) {
        return Err("MSH-1");
    }
    if declared.is_empty() || declared.len() > 5 || !declared.iter().copied().all(is_delimiter) {
        return Err("MSH-2");
    }
    let all = || std::iter::once(field).chain(declared.iter().copied());
    if all().enumerate().any(|(i, c)| all().skip(i + 1).any(|other| other == c)) {
        return Err("delimiters are not distinct");
    }
    Ok(())
}

fn read_delimiters(header: &str) -> Result<Delimiters, &'static str> {
    let mut chars = header[3..].chars();
    let field = chars.next().ok_or("MSH-1")?;
    let declared: Vec<char> = chars.take_while(|c| *c != field && *c != '\r' && *c != '\n').collect();
    are_delimiters(field, &declared)?;
    let nth = |n: usize| declared.get(n).copied().unwrap_or('\0');
    Ok(Delimiters {
        field,
        component: nth(0),
        repetition: nth(1),
        escape: nth(2),
        subcomponent: nth(3),
        truncation: nth(4),
    })
}

/// What a byte may begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    LineEnd,
    Field,
    Repetition,
    Component,
    Subcomponent,
    Escape,
    /// The first byte of a delimiter outside ASCII, or of something else.
    Lead,
}

/// Where it stands, and the code of its finding.
type Trouble = (usize, &'static str);

struct Parser {
    message: Message,
    classes: [Class; 256],
    findings: Vec<Finding>,
    /// Trouble found before the tables can say where it is.
    troubles: Vec<Trouble>,
    occurrences: Occurrences,
}

impl Parser {
    fn new(text: String, delimiters: Delimiters) -> Self {
        let mut classes = [Class::Text; 256];
        classes[b'\r' as usize] = Class::LineEnd;
        classes[b'\n' as usize] = Class::LineEnd;
        for (delimiter, class) in each(&delimiters) {
            let mut utf8 = [0; 4];
            let lead = delimiter.encode_utf8(&mut utf8).as_bytes()[0];
            if delimiter != '\0' {
                classes[lead as usize] = if delimiter.is_ascii() { class } else { Class::Lead };
            }
        }
        let message = Message {
            segments: Vec::with_capacity(16 + text.len() / 128),
            fields: Vec::with_capacity(32 + text.len() / 8),
            marks: Vec::with_capacity(32 + text.len() / 8),
            text,
            delimiters,
            escaped: false,
        };
        Self {
            message,
            classes,
            findings: Vec::new(),
            troubles: Vec::new(),
            occurrences: Occurrences::default(),
        }
    }

    /// The class of what stands at `at`, and its length in bytes.
    fn class(&self, at: usize) -> (Class, usize) {
        match self.classes[self.message.text.as_bytes()[at] as usize] {
            Class::Lead => lead(&self.message.text, at, &self.message.delimiters),
            class => (class, 1),
        }
    }

    /// Where the next byte stands that may be more than text, from `at`; the end of the message where none does.
    fn next(&self, at: usize) -> usize {
        let rest = &self.message.text.as_bytes()[at..];
        at + rest.iter().position(|b| self.classes[*b as usize] != Class::Text).unwrap_or(rest.len())
    }

    /// Reads all segments from `start`; false where the tables would grow past [`MAX_PARTS`].
    fn segments(&mut self, start: usize) -> bool {
        let length = self.message.text.len();
        let (mut at, mut blank) = (start, false);
        while at < length {
            at = self.segment(at, &mut blank);
            if self.message.fields.len() + self.message.marks.len() > MAX_PARTS {
                return false;
            }
        }
        true
    }

    /// Reads one segment and its line end, and returns where the next begins.
    fn segment(&mut self, start: usize, blank: &mut bool) -> usize {
        let length = self.message.text.len();
        let bytes = self.message.text.as_bytes();
        let mut at = self.next(start);
        while at < length {
            match self.class(at) {
                (Class::Field | Class::LineEnd, _) => break,
                (_, width) => at = self.next(at + width),
            }
        }
        let name_end = at;
        let at_line_end = at == length || bytes[at] == b'\r' || bytes[at] == b'\n';
        if at_line_end && self.message.text[start..at].chars().all(is_blank) {
            if !std::mem::replace(blank, true) {
                let number = self.message.segments.len() + 1;
                let location = Location::at(format!("segment {number}"));
                self.findings.push(Finding::information("blank-segment", location));
            }
            return self.behind_line(at);
        }
        let name = &self.message.text[start..name_end];
        let (second, header) =
            (name == "MSH" && !self.message.segments.is_empty(), declares_delimiters(name));
        let valid = is_segment_id(name);
        let occurrence = self.occurrences.next(name);
        let first_field = self.message.fields.len() as u32;
        if !valid {
            note(&mut self.troubles, start, "segment-id-invalid");
        } else if second {
            note(&mut self.troubles, start, "second-msh");
        }
        let end = if at_line_end { at } else { self.fields(at, header) };
        let field_count = self.message.fields.len() as u32 - first_field;
        self.message.segments.push(SegmentRow {
            start: start as u32,
            name_end: name_end as u32,
            end: end as u32,
            first_field,
            field_count,
            occurrence,
        });
        self.behind_line(end)
    }

    /// Where the next line begins behind a line end, or the end of the message, at `end`.
    fn behind_line(&self, end: usize) -> usize {
        let text = self.message.text.as_bytes();
        let crlf = text[end..].starts_with(b"\r\n");
        (end + if crlf { 2 } else { 1 }).min(text.len())
    }

    /// Reads fields from the field separator at `at` to the end of the segment, which it returns.
    fn fields(&mut self, at: usize, header: bool) -> usize {
        let length = self.message.text.len();
        let separator = self.message.delimiters.field.len_utf8();
        let mut at = at + separator;
        if header {
            // MSH-1 is the separator itself, and MSH-2 is never split.
            let mark = self.message.marks.len() as u32;
            self.message.fields.push(FieldRow { start: (at - separator) as u32, end: at as u32, mark });
            let start = at;
            while at < length && !matches!(self.class(at).0, Class::Field | Class::LineEnd) {
                at += self.class(at).1;
            }
            if at > start {
                self.message.fields.push(FieldRow { start: start as u32, end: at as u32, mark });
            }
            if at == length || self.class(at).0 == Class::LineEnd {
                return at;
            }
            if at == start {
                self.message.fields.push(FieldRow { start: start as u32, end: at as u32, mark });
            }
            at += separator;
        }
        let Self { message, classes, troubles, .. } = self;
        let Message { text, fields, marks, delimiters, escaped, .. } = message;
        let bytes = text.as_bytes();
        let mut field = FieldRow { start: at as u32, end: 0, mark: marks.len() as u32 };
        while let Some(byte) = bytes.get(at) {
            // The common cases first: most bytes are text, and most delimiters end a field or a component.
            let mut class = classes[usize::from(*byte)];
            if class == Class::Text {
                at += 1;
                continue;
            }
            let mut width = 1;
            if class == Class::Lead {
                (class, width) = lead(text, at, delimiters);
            }
            match class {
                Class::Field => {
                    field.end = at as u32;
                    fields.push(field);
                    field = FieldRow { start: (at + width) as u32, end: 0, mark: marks.len() as u32 };
                }
                Class::Component => marks.push(mark(at, Level::Component)),
                Class::Repetition => marks.push(mark(at, Level::Repetition)),
                Class::Subcomponent => marks.push(mark(at, Level::Subcomponent)),
                Class::LineEnd => break,
                Class::Escape => {
                    *escaped = true;
                    width = escape_width(text, at, delimiters, troubles);
                }
                Class::Text | Class::Lead => {}
            }
            at += width;
        }
        field.end = at as u32;
        fields.push(field);
        at
    }

    fn finish(mut self) -> (Message, Vec<Finding>) {
        for (at, code) in std::mem::take(&mut self.troubles) {
            let position = self.message.position(at);
            let location = if code == "segment-id-invalid" {
                let index = self.message.segments.partition_point(|row| row.start as usize <= at);
                Location::at(format!("segment {index}"))
            } else {
                Location::at(position.to_string())
            };
            self.findings.push(match code {
                "segment-id-invalid" | "second-msh" => Finding::error(code, location),
                "escape-local" => Finding::information(code, location),
                _ => Finding::warning(code, location),
            });
        }
        (self.message, self.findings)
    }
}

/// The class of what stands at `at`, where a delimiter outside ASCII may begin, and its length in bytes.
#[cold]
fn lead(text: &str, at: usize, delimiters: &Delimiters) -> (Class, usize) {
    let found = text[at..].chars().next().unwrap_or('\0');
    let class = each(delimiters).into_iter().find(|(c, _)| *c == found);
    (class.map_or(Class::Text, |(_, class)| class), found.len_utf8())
}

fn mark(at: usize, level: Level) -> u32 {
    (at as u32) << 2 | level as u32
}

fn note(troubles: &mut Vec<Trouble>, at: usize, code: &'static str) {
    if troubles.len() < MAX_FINDINGS {
        troubles.push((at, code));
    }
}

/// Reads the escape sequence at `at` and returns its length. Only what is none, or has no meaning
/// here, is noted; values are resolved when they are read.
fn escape_width(text: &str, at: usize, delimiters: &Delimiters, troubles: &mut Vec<Trouble>) -> usize {
    match escape::read(&text[at..], delimiters) {
        Sequence::Known(length, _) => length,
        Sequence::Local(length) => {
            note(troubles, at, "escape-local");
            length
        }
        Sequence::Lone => {
            note(troubles, at, "escape-unclosed");
            delimiters.escape.len_utf8()
        }
    }
}

fn each(delimiters: &Delimiters) -> [(char, Class); 5] {
    [
        (delimiters.field, Class::Field),
        (delimiters.repetition, Class::Repetition),
        (delimiters.component, Class::Component),
        (delimiters.subcomponent, Class::Subcomponent),
        (delimiters.escape, Class::Escape),
    ]
}

/// Counts segments by name: few names, so a short list first; a hostile message may have many.
#[derive(Default)]
struct Occurrences {
    few: Vec<([u8; 3], u32)>,
    many: HashMap<Box<str>, u32>,
}

impl Occurrences {
    const FEW: usize = 32;

    fn next(&mut self, name: &str) -> u32 {
        if let Ok(key) = <[u8; 3]>::try_from(name.as_bytes()) {
            if let Some((_, count)) = self.few.iter_mut().find(|(known, _)| *known == key) {
                *count += 1;
                return *count;
            }
            if self.few.len() < Self::FEW {
                self.few.push((key, 1));
                return 1;
            }
        }
        let count = self.many.entry(name.into()).or_default();
        *count += 1;
        *count
    }
}
