//! Bytes to text: ISO-2022-JP, CP932, EUC-JP and UTF-8, whatever the label says.
//!
//! Decodes a whole message before anything is split: two-byte runs of ISO-2022-JP and second bytes of
//! CP932 equal delimiters. Trouble is graded: bytes that break the encoding are an error, a well-formed
//! code without a character goes through the facility's 外字 table or becomes 〓 with a warning. U+FFFD
//! never comes out.

mod detect;
mod eight_bit;
mod iso2022;
mod label;
mod plausible;
mod sink;
mod tables;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use crate::finding::{Finding, Location};
use detect::{Detected, Encoding};
use label::Label;
use sink::Sink;
use std::collections::HashMap;

/// 外字 of a facility: code in upper-case hexadecimal → text. The code is that of CP932 (`F040`), of
/// JIS X 0208 (`7521`), of JIS X 0212 as EUC-JP writes it (`8FF5A1`), of plane 2 of JIS X 0213 (`2-7521`) or
/// of Unicode (`U+E000`); a code of JIS X 0208 or Unicode is sought under its CP932 code too.
pub type GaijiTable = HashMap<String, String>;

/// The code of a 外字 as [`GaijiTable`] has it; `None` where it is none of those forms.
pub fn gaiji_code(written: &str) -> Option<String> {
    let code = written.trim().to_ascii_uppercase();
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_form = match (code.strip_prefix("U+"), code.strip_prefix("2-"), code.strip_prefix("8F")) {
        (Some(digits), ..) => {
            let value = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
            (4..=6).contains(&digits.len())
                && !digits.starts_with('0')
                && value.is_some_and(tables::is_private)
        }
        (_, Some(digits), _) => digits.len() == 4 && is_hex(digits),
        (.., Some(digits)) if digits.len() == 4 => u16::from_str_radix(digits, 16)
            .is_ok_and(|n| n.to_be_bytes().iter().all(|b| (0xA1..=0xFE).contains(b))),
        _ => code.len() == 4 && is_hex(&code),
    };
    is_form.then_some(code)
}

/// What decoding gave.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The text; never with U+FFFD.
    pub text: String,
    /// The encoding that the bytes were found to be in: `iso-2022-jp`, `cp932`, `euc-jp`, `utf-8`,
    /// `iso-8859`, `ascii`.
    pub encoding: &'static str,
    /// What was found. An error means that the text is not to be trusted.
    pub findings: Vec<Finding>,
}

/// Decodes a message (MSH-18 is read from the bytes) or, where there is no MSH, by detection alone.
pub fn decode(bytes: &[u8], gaiji: &GaijiTable) -> Decoded {
    let header = crate::hl7v2::header(bytes);
    let label = Label::read(header.as_ref());
    let (base, body) = unframed(bytes);
    let marked = body.starts_with(b"\xEF\xBB\xBF");
    let (base, body) = if marked { (base + 3, &body[3..]) } else { (base, body) };
    let found =
        if marked { Detected { encoding: Encoding::Utf8, or: None } } else { detect::detect(body, &label) };
    let encoding = found.encoding;
    let mut sink = Sink::new(gaiji, body.len() + body.len() / 4);
    if header.is_none() && is_no_text(body) {
        sink.findings.push(Finding::error("not-text", Location::byte(base)));
    }
    if label.unknown {
        sink.findings.push(Finding::warning("charset-label-unknown", Location::field("MSH", 18)));
    }
    if label.present && !label.unknown && !encoding.is_declared(&label) {
        let code = if label.valued { "charset-label-wrong" } else { "charset-label-missing" };
        let at = Location::field("MSH", 18);
        let finding = if label.valued { Finding::warning(code, at) } else { Finding::information(code, at) };
        let declared = if label.valued { label.name() } else { "nothing" };
        sink.findings.push(finding.detail(format!("{declared} declared, {} found", encoding.name())));
    }
    if let Some(or) = found.or {
        let at = body.iter().position(|byte| !byte.is_ascii()).unwrap_or_default();
        let detail = format!("{} read, {} possible", encoding.name(), or.name());
        sink.findings.push(Finding::warning("charset-ambiguous", Location::byte(base + at)).detail(detail));
    }
    match encoding {
        Encoding::Ascii | Encoding::Iso2022Jp => {
            let delimiters = header.as_ref().map(|h| [h.field(1), h.field(2)].concat()).unwrap_or_default();
            let hints = iso2022::Hints { delimiters: &delimiters, kana: label.kana };
            iso2022::decode(body, base, hints, &mut sink);
        }
        Encoding::Utf8 => eight_bit::utf_8(body, base, &mut sink),
        Encoding::Cp932 => eight_bit::cp932(body, base, &mut sink),
        Encoding::EucJp => eight_bit::euc_jp(body, base, &mut sink),
        Encoding::Iso8859(part) => eight_bit::iso_8859(body, base, part, &mut sink),
    }
    Decoded { text: sink.text, encoding: encoding.name(), findings: sink.findings }
}

/// Decodes bytes that are known to be in an encoding, without looking for a label: a row of a feed's file, whose
/// layout declares it. `iso-2022-jp`, `cp932`, `euc-jp` or `utf-8`; anything else is found out.
pub fn decode_as(encoding: &str, bytes: &[u8], gaiji: &GaijiTable) -> Decoded {
    let encoding = match encoding {
        "iso-2022-jp" => Encoding::Iso2022Jp,
        "cp932" => Encoding::Cp932,
        "euc-jp" => Encoding::EucJp,
        "utf-8" => Encoding::Utf8,
        _ => return decode(bytes, gaiji),
    };
    let mut sink = Sink::new(gaiji, bytes.len() + bytes.len() / 4);
    match encoding {
        Encoding::Cp932 => eight_bit::cp932(bytes, 0, &mut sink),
        Encoding::EucJp => eight_bit::euc_jp(bytes, 0, &mut sink),
        Encoding::Utf8 => eight_bit::utf_8(bytes, 0, &mut sink),
        _ => iso2022::decode(bytes, 0, iso2022::Hints { delimiters: &[], kana: false }, &mut sink),
    }
    Decoded { text: sink.text, encoding: encoding.name(), findings: sink.findings }
}

/// Takes off what MLLP framing leaves in files: VT before, FS and CR behind. Every file of one sample
/// storage ends so.
fn unframed(bytes: &[u8]) -> (usize, &[u8]) {
    let (base, body) = match bytes {
        [0x0B, rest @ ..] => (1, rest),
        _ => (0, bytes),
    };
    let body = match body {
        [rest @ .., 0x1C] | [rest @ .., 0x1C, b'\r' | b'\n'] | [rest @ .., 0x1C, b'\r', b'\n'] => rest,
        _ => body,
    };
    (base, body)
}

/// Bytes outside ASCII and nothing else, not even a line end, that are not UTF-8: too little to tell an
/// encoding by, and nothing that any sender of text writes.
fn is_no_text(bytes: &[u8]) -> bool {
    let ascii = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E);
    !bytes.is_empty() && !bytes.iter().any(ascii) && std::str::from_utf8(bytes).is_err()
}
