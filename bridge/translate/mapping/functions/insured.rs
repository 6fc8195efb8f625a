//! 記号 and 番号 of an insured person, and the id that is made of them.
//!
//! JP Core, JP_Coverage, 「被保険者個人識別子」の文字列仕様; JP-CLINS, JP_Patient_eCS, rule R1013.

use super::super::item::Item;
use super::super::run::Run;
use super::narrow;
use crate::feed::layout::wide_kana;
use crate::finding::Severity;

/// All half-width where every character has that form, else all full-width; no spaces.
pub(super) fn insured(text: &str) -> String {
    let half: String = narrow(text).chars().filter(|c| !c.is_whitespace()).collect();
    if half.is_ascii() { half } else { widened(&half) }
}

/// Everything full-width.
fn widened(text: &str) -> String {
    wide_kana(text)
        .chars()
        .map(|c| match c {
            '!'..='~' => char::from_u32(c as u32 + 0xFEE0).unwrap_or(c),
            _ => c,
        })
        .collect()
}

/// Whether a part must be full-width: it has characters that are so only, or one that parts the id.
fn is_wide(part: &str) -> bool {
    !part.is_ascii() || part.contains([':', '^'])
}

impl<'m> Run<'m> {
    /// `payer:symbol:number:branch`. The specification has each of symbol and number of one width; whether they may differ
    /// it does not say, and its examples do not, so where one must be full-width both are: that is right either way.
    pub(super) fn insured_id(&mut self, parts: [Option<&Item<'m>>; 4]) -> Option<String> {
        let text = |part: Option<&Item<'m>>| part.map(Item::text).unwrap_or_default();
        let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
        let [payer, branch] = [text(parts[0]), text(parts[3])];
        let [mut symbol, mut number] = [insured(&text(parts[1])), insured(&text(parts[2]))];
        if !digits(&payer, 8) || number.is_empty() || !(branch.is_empty() || digits(&branch, 2)) {
            return None;
        }
        if is_wide(&symbol) || is_wide(&number) {
            if let (Some(item), false) = (parts[2], is_wide(&symbol) && is_wide(&number) || symbol.is_empty())
            {
                self.finding(Severity::Information, "insured-text-widened", item.pos());
            }
            (symbol, number) = (widened(&symbol), widened(&number));
        }
        Some([&payer, symbol.as_str(), &number, &branch].join(":"))
    }
}
