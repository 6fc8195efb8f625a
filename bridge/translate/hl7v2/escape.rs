//! Escape sequences: `\F\ \S\ \T\ \R\ \E\ \P\`, `\X0D\`, `\H\ \N\`, `\.br\` and the other formatting commands.
//!
//! HL7 v2.5 ch. 2.7, there ([`resolve`]) and back ([`write()`]). What is no sequence is text: nothing is dropped, `C:\temp` stays as it is.

use super::Delimiters;
use std::borrow::Cow;

/// Longest sequence looked for, so that a lone escape character at the start of a long text costs nothing.
const MAX_SEQUENCE_CHARS: usize = 512;

/// What stands at an escape character.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// A sequence of that many bytes with its meaning.
    Known(usize, Meaning),
    /// Well-formed, of that many bytes, with a meaning that only sender and receiver know: kept as it is.
    Local(usize),
    /// The escape character alone: text.
    Lone,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Char(char),
    Times(char, usize),
    Text(String),
    Nothing,
}

/// Reads the sequence at the start of `rest`, which begins with the escape character. `rest` must end
/// where the value ends.
pub(super) fn read(rest: &str, delimiters: &Delimiters) -> Sequence {
    let escape = delimiters.escape;
    let body = &rest[escape.len_utf8()..];
    let Some((end, _)) = body
        .char_indices()
        .take(MAX_SEQUENCE_CHARS)
        .take_while(|(_, c)| *c == escape || is_body(*c))
        .find(|(_, c)| *c == escape)
    else {
        return Sequence::Lone;
    };
    let (body, length) = (&body[..end], end + 2 * escape.len_utf8());
    let known = |meaning| Sequence::Known(length, meaning);
    match body {
        "" => Sequence::Lone,
        "F" => known(Meaning::Char(delimiters.field)),
        "S" => known(Meaning::Char(delimiters.component)),
        "T" => known(Meaning::Char(delimiters.subcomponent)),
        "R" => known(Meaning::Char(delimiters.repetition)),
        "E" => known(Meaning::Char(escape)),
        "P" if delimiters.truncation != '\0' => known(Meaning::Char(delimiters.truncation)),
        "H" | "N" => known(Meaning::Nothing),
        ".br" | ".ce" => known(Meaning::Char('\n')),
        ".fi" | ".nf" => known(Meaning::Nothing),
        _ => {
            if let Some(count) = body.strip_prefix(".sp") {
                return repeat(count, '\n').map_or(Sequence::Local(length), known);
            }
            if let Some(count) = body.strip_prefix(".sk") {
                return repeat(count, ' ').map_or(Sequence::Local(length), known);
            }
            if body.starts_with(".in") || body.starts_with(".ti") {
                return known(Meaning::Nothing);
            }
            match body.strip_prefix('X').and_then(hexadecimal) {
                Some(text) => known(Meaning::Text(text)),
                None if is_local(body) => Sequence::Local(length),
                None => Sequence::Lone,
            }
        }
    }
}

fn is_body(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-')
}

/// `Zxx` is local by the standard, `Cxxyy` and `Mxxyyzz` switch character sets, `X..` is hexadecimal.
fn is_local(body: &str) -> bool {
    let hex = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    match body.as_bytes()[0] {
        b'Z' => true,
        b'C' => body.len() == 5 && hex(&body[1..]),
        b'M' => (body.len() == 5 || body.len() == 7) && hex(&body[1..]),
        b'X' => hex(&body[1..]),
        _ => false,
    }
}

fn repeat(count: &str, c: char) -> Option<Meaning> {
    let count = count.strip_prefix('+').unwrap_or(count);
    let count = if count.is_empty() { 1 } else { count.parse().ok().filter(|n| *n <= 100)? };
    Some(Meaning::Times(c, count))
}

/// Bytes in hexadecimal, where they are text without control characters other than TAB, LF and CR.
fn hexadecimal(digits: &str) -> Option<String> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).ok()).collect();
    let text = String::from_utf8(bytes?).ok()?;
    let plain = |c: char| matches!(c, '\t' | '\n' | '\r') || !(c.is_control() || c == '\u{FFFD}');
    text.chars().all(plain).then_some(text)
}

/// The text with escape sequences resolved.
pub fn resolve<'a>(raw: &'a str, delimiters: &Delimiters) -> Cow<'a, str> {
    let escape = delimiters.escape;
    if escape == '\0' {
        return Cow::Borrowed(raw);
    }
    // A byte is found faster than a character, and nearly every value has no escape.
    if escape.is_ascii() && !raw.as_bytes().contains(&(escape as u8)) {
        return Cow::Borrowed(raw);
    }
    let Some(first) = raw.find(escape) else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    out.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(at) = rest.find(escape) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match read(rest, delimiters) {
            Sequence::Known(length, meaning) => {
                match meaning {
                    Meaning::Char(c) => out.push(c),
                    Meaning::Times(c, count) => out.extend(std::iter::repeat_n(c, count)),
                    Meaning::Text(text) => out.push_str(&text),
                    Meaning::Nothing => {}
                }
                length
            }
            Sequence::Local(length) => {
                out.push_str(&rest[..length]);
                length
            }
            Sequence::Lone => {
                out.push(escape);
                escape.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The text with delimiters and line ends escaped, to be written as a value.
pub fn escape(text: &str, delimiters: &Delimiters) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let code = match c {
            '\0' => continue,
            '\r' => "X0D",
            '\n' => "X0A",
            _ if c == delimiters.field => "F",
            _ if c == delimiters.component => "S",
            _ if c == delimiters.repetition => "R",
            _ if c == delimiters.subcomponent => "T",
            _ if c == delimiters.escape => "E",
            _ if c == delimiters.truncation => "P",
            _ => {
                out.push(c);
                continue;
            }
        };
        if delimiters.escape == '\0' {
            out.push(' ');
        } else {
            out.extend([delimiters.escape]);
            out.push_str(code);
            out.push(delimiters.escape);
        }
    }
    out
}

/// A text as a subcomponent holds it: the inverse of [`resolve`], with every line end (CR, LF, both) as `\.br\`.
///
/// Delimiters that the message does not declare separate nothing and stand as they are, and so does all of it where
/// no escape character is declared: such a message has no way to say them.
pub fn write<'a>(text: &'a str, delimiters: &Delimiters) -> Cow<'a, str> {
    let escape = delimiters.escape;
    // A message may declare the point itself.
    let line_end = if escape == '.' { "X0A" } else { ".br" };
    let sequence = |c: char| match c {
        '\0' => None,
        '\r' | '\n' => Some(line_end),
        _ if c == delimiters.field => Some("F"),
        _ if c == delimiters.component => Some("S"),
        _ if c == delimiters.subcomponent => Some("T"),
        _ if c == delimiters.repetition => Some("R"),
        _ if c == escape => Some("E"),
        _ => None,
    };
    if escape == '\0' || !text.contains(|c| sequence(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(body) = sequence(c) else {
            out.push(c);
            continue;
        };
        if c == '\r' {
            chars.next_if_eq(&'\n');
        }
        out.push(escape);
        out.push_str(body);
        out.push(escape);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{escape, resolve};
    use crate::hl7v2::Delimiters;

    #[test]
    fn sequences_are_resolved_and_the_rest_is_text() {
        for (raw, expected) in [
            ("plain", "plain"),
            (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
            (r"\H\bold\N\", "bold"),
            (r"one\.br\two\.sp2\three", "one\ntwo\n\nthree"),
            (r"\.sk3\x\.in+4\\.ti-2\", "   x"),
            (r"\X0D0A\", "\r\n"),
            (r"\X41\\X42\", "AB"),
            (r"\XE38182\", "あ"),
            // A control character would be refused later, so it stays in its written form.
            (r"\X00\", r"\X00\"),
            (r"\X4\", r"\X4\"),
            (r"\Zlocal\x", r"\Zlocal\x"),
            (r"C:\temp\file", r"C:\temp\file"),
            (r"lone\", r"lone\"),
            (r"\\", r"\\"),
            (r"10\S\3/uL", "10^3/uL"),
            (r"dir\sub\T\x", r"dir\sub&x"),
            ("漢\\F\\字", "漢|字"),
        ] {
            assert_eq!(resolve(raw, &Delimiters::default()), expected, "{raw}");
        }
    }

    #[test]
    fn a_yen_sign_escapes_where_it_is_declared() {
        let yen = Delimiters { escape: '¥', ..Delimiters::default() };
        assert_eq!(resolve(r"a¥F¥b\F\", &yen), r"a|b\F\");
    }

    #[test]
    fn escaped_text_resolves_to_itself() {
        let all = "a|b^c~d&e\\f\r\ng漢";
        let written = escape(all, &Delimiters::default());
        assert!(!written.contains(['|', '^', '~', '&', '\r', '\n']));
        assert_eq!(resolve(&written, &Delimiters::default()), all);
    }
}
