//! The shape of a value in place of the value: 漢 for kanji, ひ for hiragana, カ for katakana, ｶ for half-width
//! kana, # for a digit, A for a letter, punctuation as it stands.
//!
//! Whoever mends a mapping sees that a kana is half-width or that a name sits in one component; nobody sees
//! the name.

use renkei_translate::charset::{GaijiTable, decode};
use renkei_translate::hl7v2::{Message, Segment};
use std::borrow::Cow;

/// Fields that hold codes, units, numeric results and service dates: shown. Everything else is masked, so that
/// a segment that nobody thought of cannot give a patient away. Which values these are is known by their place
/// alone: a name that a sender puts where a code belongs is shown.
const SHOWN: &[(&str, &[usize])] = &[
    // Not MSH-10: some senders make the control id of the patient's. What is past MSH-12 may be another segment
    // whose beginning was lost.
    ("MSH", &[1, 2, 3, 4, 5, 6, 11, 12]),
    ("EVN", &[1, 2, 3]),
    ("PV1", &[1, 2]),
    ("ORC", &[1, 5, 9]),
    ("OBR", &[1, 4, 7, 22, 25]),
    ("OBX", &[1, 2, 3, 4, 6, 7, 8, 11, 14]),
    ("SPM", &[1, 4, 17]),
    ("RXE", &[1, 2, 3, 4, 5, 6, 10, 11, 21]),
    ("RXC", &[1, 2, 3, 4]),
    ("RXR", &[1, 2, 4]),
    ("TQ1", &[1, 2, 3, 6, 7, 8]),
    ("RXA", &[3, 4, 5, 6, 7]),
    ("IAM", &[1, 2, 4]),
    ("AL1", &[1, 2, 4]),
    ("PRB", &[1, 2, 7]),
];

/// OBX-2 of results that are codes, or numbers with a comparator.
const CODED_RESULTS: [&str; 3] = ["CWE", "CE", "SN"];

/// The shape of a text.
pub fn of(text: &str) -> String {
    text.chars().map(character).collect()
}

fn character(c: char) -> char {
    match c {
        'ぁ'..='ゟ' => 'ひ',
        'ァ'..='ヺ' | 'ー'..='ヿ' => 'カ',
        'ｦ'..='ﾟ' => 'ｶ',
        '々' | '〆' | '〇' => '漢',
        _ if c.is_numeric() => '#',
        _ if c.is_ascii_alphabetic() || ('Ａ'..='ｚ').contains(&c) && c.is_alphabetic() => 'A',
        _ if c.is_alphabetic() => '漢',
        _ if kept(c) => c,
        // A pictogram can be as good as a name, and a control character hides what stands beside it.
        _ => '□',
    }
}

/// Spaces, line ends and punctuation, half-width and full-width.
fn kept(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t')
        || c.is_ascii() && !c.is_control()
        || matches!(c, '\u{a0}'..='¿' | '×' | '÷' | '‐'..='‧' | '‰'..='⁞' | '\u{3000}'..='〿' | '゠' | '・')
        || matches!(c, '！'..='･' | '￠'..='￦')
}

/// A message, a segment a line, with what may name a patient as its shape.
pub fn message(message: &Message) -> String {
    let mut out = String::with_capacity(message.text().len());
    for segment in message.segments() {
        segment_into(&mut out, message, segment);
        out.push('\n');
    }
    out
}

/// What was received as its shape, one line a segment; the whole of it where it is no HL7 v2.
pub fn body(bytes: &[u8], gaiji: &GaijiTable) -> String {
    let text = decode(bytes, gaiji).text;
    match Message::parse(text.clone()) {
        Ok((parsed, _)) => message(&parsed),
        Err(_) => of(&text.replace("\r\n", "\n").replace('\r', "\n")),
    }
}

/// A segment id, or its shape: a line end within a text makes a segment whose name is anything.
pub fn segment_name(segment: Segment<'_>) -> Cow<'_, str> {
    let name = segment.name();
    if is_segment_id(name) { name.into() } else { of(name).into() }
}

/// Whether what stands in a field may be seen by everybody.
pub fn is_shown(segment: Segment<'_>, number: usize) -> bool {
    shown(segment.name(), number, segment)
}

/// A part of a field as its shape. The delimiters stay, so that one sees where a value sits.
pub fn part(message: &Message, raw: &str) -> String {
    let d = message.delimiters();
    let kept = [d.component, d.repetition, d.escape, d.subcomponent];
    raw.chars().map(|c| if kept.contains(&c) { c } else { character(c) }).collect()
}

fn segment_into(out: &mut String, message: &Message, segment: Segment<'_>) {
    let name = segment.name();
    out.push_str(&segment_name(segment));
    let separator = message.delimiters().field;
    // MSH-1 is the separator itself: it is written by what follows.
    let first = if name == "MSH" { 2 } else { 1 };
    for number in first..=segment.field_count() {
        out.push(separator);
        let field = segment.field(number);
        if shown(name, number, segment) {
            out.push_str(field.raw());
        } else {
            out.push_str(&part(message, field.raw()));
        }
    }
}

fn shown(name: &str, number: usize, segment: Segment<'_>) -> bool {
    let raw = segment.field(number).raw();
    let listed = || SHOWN.iter().any(|(segment, fields)| *segment == name && fields.contains(&number));
    match (name, number) {
        ("MSH", 9) => is_message_type(raw),
        ("MSH", 18) => raw.split('~').all(is_charset_label),
        ("OBX", 5) => match segment.field(2).raw() {
            "NM" => !raw.chars().any(char::is_alphabetic),
            kind => CODED_RESULTS.contains(&kind),
        },
        _ => listed(),
    }
}

fn is_segment_id(name: &str) -> bool {
    name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// `ADT^A08^ADT_A01`, as HL7 tables 0076, 0003 and 0354 write it.
fn is_message_type(raw: &str) -> bool {
    let code = |part: &str| part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let parts: Vec<&str> = raw.split('^').collect();
    parts.len() <= 3
        && parts.iter().take(2).all(|part| part.len() == 3 && code(part))
        && parts.get(2).is_none_or(|part| part.split('_').all(|half| half.len() <= 3 && code(half)))
}

/// As HL7 table 0211 and its misspellings begin.
fn is_charset_label(label: &str) -> bool {
    const LONGEST: usize = 20;
    const BEGINNINGS: [&str; 6] = ["ISO", "UNICODE", "ASCII", "8859", "JIS", "UTF"];
    let known = BEGINNINGS.iter().any(|beginning| label.trim().starts_with(beginning));
    label.is_empty() || (label.len() <= LONGEST && known)
}

#[cfg(test)]
mod tests {
    use super::{message, of};
    use renkei_translate::hl7v2::Message;

    #[test]
    fn a_value_becomes_its_shape() {
        let check = |text: &str, shape: &str| assert_eq!(of(text), shape);
        check("山田々", "漢漢漢");
        check("たろう", "ひひひ");
        check("タロー", "カカカ");
        check("ﾀﾛｳ", "ｶｶｶ");
        check("Aｂ-1２", "AA-##");
        check("03-1234-5678", "##-####-####");
        check("𠮷野家 髙﨑", "漢漢漢 漢漢");
        check("患者👨‍👩‍👧\u{202e}\0", "漢漢□□□□□□□");
        check("（株）、「山」", "（漢）、「漢」");
        check("<script>alert(1)</script>", "<AAAAAA>AAAAA(#)</AAAAAA>");
    }

    #[test]
    fn codes_and_numbers_stay_and_people_do_not() {
        let text = "MSH|^~\\&|H|1319999999\rPID|||0012^^^^PI||山田^太郎~ヤマダ^タロウ\r\
                    OBX|1|NM|3F015^K^JC10||4.2|mEq/L\rOBX|2|ST|X||所見 山田\rZZZ|x";
        let (parsed, _) = Message::parse(text.to_owned()).unwrap();
        let shaped = message(&parsed);
        let lines: Vec<&str> = shaped.lines().collect();
        assert_eq!(lines[0], "MSH|^~\\&|H|1319999999");
        assert_eq!(lines[1], "PID|||####^^^^AA||漢漢^漢漢~カカカ^カカカ");
        assert_eq!(lines[2], "OBX|1|NM|3F015^K^JC10||4.2|mEq/L");
        assert_eq!(lines[3], "OBX|2|ST|X||漢漢 漢漢");
        assert_eq!(lines[4], "ZZZ|A");
    }

    #[test]
    fn lost_line_ends_and_shifted_fields_show_nobody() {
        let check = |text: &str, shape: &str| {
            let (parsed, _) = Message::parse(text.to_owned()).unwrap();
            assert_eq!(message(&parsed).trim_end(), shape, "{text}");
        };
        let head = "MSH|^~\\&|H|F|||20260401||ADT^A08^ADT_A01|C1|P|2.5";
        let masked = "MSH|^~\\&|H|F|||########||ADT^A08^ADT_A01|A#|P|2.5";
        check(&format!("{head}||||||~ISO IR87"), &format!("{masked}||||||~ISO IR87"));
        check(&format!("{head} PID|||0012||山田|山|x"), &format!("{masked} PID|||####||漢漢|漢|A"));
        check(&format!("{head}\r山田 太郎\rABE|1"), &format!("{masked}\n漢漢 漢漢\nABE|#"));
        check("MSH|^~\\&|H|F|||x|ADT|山田^太郎|C1", "MSH|^~\\&|H|F|||A|AAA|漢漢^漢漢|A#");
        check(&format!("{head}\rOBX|1|NM|K||山田"), &format!("{masked}\nOBX|1|NM|K||漢漢"));
    }
}
