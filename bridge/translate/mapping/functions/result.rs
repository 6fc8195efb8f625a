//! OBX: values by their type and reference ranges.

use super::super::build::Made;
use super::super::item::{Item, Pos, trimmed};
use super::super::plan::Shape;
use super::super::run::Run;
use super::quantity::power;
use super::{narrow, number};
use crate::fhir::key;
use crate::finding::Severity;
use std::borrow::Cow;

/// The whole text of a value: all components, in order, with a space between them. An `&` in a text is one: `CRP&WBC`.
pub(super) fn whole<'m>(item: &Item<'m>) -> Cow<'m, str> {
    match item {
        Item::Repetition(repetition, _) if repetition.component_count() > 1 => {
            let parts: Vec<_> = (1..=repetition.component_count())
                .map(|n| repetition.component(n).whole())
                .filter(|text| !text.trim().is_empty())
                .collect();
            Cow::Owned(parts.join(" ").trim().to_owned())
        }
        Item::Repetition(repetition, _) => trimmed(repetition.component(1).whole()),
        Item::Component(component, _) => trimmed(component.whole()),
        other => other.text(),
    }
}

/// The whole text of a value that has no components, as it is written: `10^5` of a writer who did not escape the caret.
/// An SN in an ST, `^2^+` or `<^0.5`, is read as one.
fn literal<'m>(item: &Item<'m>) -> Cow<'m, str> {
    match item {
        Item::Repetition(repetition, _) if repetition.component_count() > 1 => {
            let first = repetition.component(1).text();
            if ["", "<", ">", "<=", ">=", "=", "<>"].contains(&first.trim()) {
                return whole(item);
            }
            let parts: Vec<_> =
                (1..=repetition.component_count()).map(|n| repetition.component(n).whole()).collect();
            Cow::Owned(parts.join("^").trim().trim_end_matches('^').to_owned())
        }
        other => whole(other),
    }
}

/// Whether a text says an amount, of which the unit is a part: not a grade (`2+`, `(3+)`) or words. A judgement in
/// brackets may stand behind an amount: `12.3(+)`.
fn is_measured(text: &str) -> bool {
    let text = narrow(text);
    let has_digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    match text
        .trim_end()
        .strip_suffix([')', '）'])
        .map(|inner| inner.rfind(['(', '（']).map(|at| &inner[..at]))
    {
        Some(before) => before.is_some_and(has_digit),
        None => !text.ends_with(['+', '-', '－']) && has_digit(&text),
    }
}

/// What is measured and sent as text, with its unit behind it: a text has no other place for it.
fn with_unit(text: &str, unit: Option<&Item<'_>>) -> String {
    let said = unit.and_then(|unit| {
        let words = || [2, 1, 5, 4].into_iter().filter_map(|n| unit.part(n)).map(|part| part.text());
        power(unit).map(|power| Cow::Owned(power.unit)).or_else(|| words().find(|text| !text.is_empty()))
    });
    // `5 mg` does not say the unit `g`.
    let there = |unit: &str| text.strip_suffix(unit).is_some_and(|rest| !rest.ends_with(char::is_alphabetic));
    let said = said.filter(|unit| is_measured(text) && !there(unit));
    said.map_or_else(|| text.to_owned(), |unit| format!("{text} {unit}"))
}

/// The four parts of an SN that a site writes into an ST with spaces where the carets stood, ` 2 +` for `^2^+`:
/// comparator, number, separator, number. JAHIS recommends SN, SS-MIX2 1.2g forbids it. Nothing for other text.
fn spaced(text: &str) -> Option<[&str; 4]> {
    let mut parts = [""; 4];
    for (n, part) in text.trim_end().split(' ').enumerate() {
        *parts.get_mut(n)? = part;
    }
    let [sign, first, separator, second] = parts;
    let is_number = |text: &str| text.is_empty() || number(text).is_some();
    let shaped = ["", "<", ">", "<=", ">=", "=", "<>"].contains(&sign)
        && ["-", "+", "/", ":", "."].contains(&separator)
        && is_number(first)
        && is_number(second);
    shaped.then_some(parts)
}

/// A text with characters in their plain spelling; nothing of ASCII is among them.
fn replaced<'t>(text: Cow<'t, str>, by: &[(&[char], &str)]) -> Cow<'t, str> {
    if text.is_ascii() {
        return text;
    }
    by.iter().fold(text, |text, (from, to)| Cow::Owned(text.replace(*from, to)))
}

/// A comparator and a number: `<0.5`, `>= 10`, `5以下`, `100<` (more than 100).
fn compared(text: &str) -> Option<(&'static str, String)> {
    let text = replaced(narrow(text), &[(&['≦', '≤'], "<="), (&['≧', '≥'], ">=")]);
    let text = text.trim();
    for (sign, comparator) in [("<=", "<="), (">=", ">="), ("=<", "<="), ("=>", ">="), ("<", "<"), (">", ">")]
    {
        if let Some(rest) = text.strip_prefix(sign) {
            return number(rest).map(|n| (comparator, n.into_owned()));
        }
    }
    let behind = [("以下", "<="), ("以上", ">="), ("未満", "<"), ("を超える", ">"), ("超", ">")];
    // A sign behind its number is read from right to left: `100<` is more than 100.
    for (word, comparator) in behind.into_iter().chain([("<=", ">="), (">=", "<="), ("<", ">"), (">", "<")]) {
        if let Some(rest) = text.strip_suffix(word) {
            return number(rest).map(|n| (comparator, n.into_owned()));
        }
    }
    None
}

/// Low and high as Japan writes a reference range: `a-b`, `a～b`, `a以上b以下`; a bound by a comparator or an open
/// end (`<85`, `40以上`, `～85`, `40～`). Negative numbers, spaces and the unit behind are allowed; `男` and `女`
/// ranges, words and dates have neither bound.
fn bounds(text: &str, units: &[&str]) -> (Option<String>, Option<String>) {
    let text = replaced(narrow(text), &[(&['〜', '～'], "~"), (&['ー', '–', '—'], "-")]);
    // The unit may stand behind each number; what has neither letter nor % is no unit to take away.
    let units = units.iter().filter(|unit| unit.chars().any(|c| c.is_alphabetic() || c == '%'));
    let text = units.fold(text, |text, unit| {
        let unit = narrow(unit);
        if text.contains(unit.as_ref()) { Cow::Owned(text.replace(unit.as_ref(), "")) } else { text }
    });
    let bare = text.trim();
    if let Some((low, high)) = range(bare) {
        return (Some(low), Some(high));
    }
    if let Some((low, high)) = bare.split_once("以上") {
        let high = compared(high).filter(|(sign, _)| sign.starts_with('<')).map(|(_, high)| high);
        if let (Some(low), Some(high)) = (number(low), high) {
            return (Some(low.into_owned()), Some(high));
        }
    }
    let open = |text: Option<&str>| text.and_then(number).map(std::borrow::Cow::into_owned);
    match compared(bare) {
        Some(("<" | "<=", high)) => (None, Some(high)),
        Some((_, low)) => (Some(low), None),
        None => (open(bare.strip_suffix('~')), open(bare.strip_prefix('~'))),
    }
}

/// Low and high of `a-b`, `a~b`.
fn range(text: &str) -> Option<(String, String)> {
    for (at, c) in text.char_indices().skip(1) {
        if (c == '-' || c == '~')
            && let (Some(low), Some(high)) = (number(&text[..at]), number(&text[at + 1..]))
        {
            return Some((low.into_owned(), high.into_owned()));
        }
    }
    None
}

impl<'m> Run<'m> {
    /// A value[x] by OBX-2; nothing where OBX-5 is empty.
    pub(super) fn obx_value(
        &mut self,
        values: &[Item<'m>],
        kind: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let Some(value) = values.first() else { return Ok(None) };
        let kind = kind.map(|k| k.text()).unwrap_or_default();
        let text = match value {
            // A number with an `&` behind it is none.
            Item::Repetition(repetition, _) => trimmed(repetition.component(1).whole()),
            other => other.text(),
        };
        // `~5.5` is one number to HL7 and an open range to its writer: without its side it would be another result.
        if matches!(kind.as_ref(), "NM" | "SN") && self.repeats(values) {
            let written = self.written(values, whole);
            let code = if values.len() > 1 { "value-repeated" } else { "range-open" };
            self.finding(Severity::Warning, code, value.pos());
            let ranged = values.iter().all(|value| number(&whole(value)).is_some());
            if ranged || values.len() == 1 {
                return self.shaped(Shape::Text, &with_unit(&written, unit));
            }
            let words: Vec<_> = values.iter().map(whole).collect();
            return self.shaped(Shape::Text, &words.join("\n"));
        }
        if values.len() > 1 && matches!(kind.as_ref(), "CWE" | "CE" | "CNE" | "CF") {
            // An Observation has one number or concept: all of them are kept, as words.
            self.finding(Severity::Warning, "value-repeated", value.pos());
            let words: Vec<_> = values.iter().map(whole).collect();
            return self.shaped(Shape::Text, &words.join("\n"));
        }
        match kind.as_ref() {
            "NM" => {
                // Of `10^5` the first component is another number.
                let text = if value.part(2).is_some_and(|part| !part.text().is_empty()) {
                    literal(value)
                } else {
                    text
                };
                if let Some(number) = number(&narrow(&text)) {
                    return Ok(Some(("Quantity", self.number_quantity(&number, "", unit, "unit"))));
                }
                let plain = self.plain(values, unit, literal);
                if !matches!(plain, Some(("Quantity", _))) {
                    self.finding(Severity::Warning, "number-invalid", value.pos());
                }
                Ok(plain)
            }
            "SN" => {
                let part = |n: u16| value.words(n);
                let (sign, first, separator) = (part(1), part(2), part(3));
                let comparator = ["<", ">", "<=", ">="].into_iter().find(|c| *c == sign);
                if separator.is_empty()
                    && (comparator.is_some() || sign.is_empty() || sign == "=")
                    && let Some(number) = number(&first)
                {
                    let quantity = self.number_quantity(&number, comparator.unwrap_or(""), unit, "unit");
                    return Ok(Some(("Quantity", quantity)));
                }
                let words = [sign, first, separator, part(4)].concat();
                self.shaped(Shape::Text, &with_unit(&words, unit))
            }
            "CWE" | "CE" | "CNE" | "CF" => self.concept(value, None, Shape::CodeableConcept),
            "ED" | "RP" => {
                self.finding(Severity::Warning, "value-type-unsupported", value.pos());
                Ok(None)
            }
            "ST" => Ok(self.plain(values, unit, literal)),
            "" | "IS" | "ID" => Ok(self.plain(values, unit, whole)),
            _ => {
                let read = if matches!(kind.as_ref(), "TX" | "FT") { literal } else { whole };
                let words: Vec<_> = values.iter().map(read).collect();
                self.shaped(Shape::Text, &words.join("\n"))
            }
        }
    }

    /// Whether the field that the value stands in has a `~`.
    pub(super) fn is_divided(&self, item: &Item<'m>) -> bool {
        let pos = item.pos();
        pos.field > 0 && self.message.segment(pos.segment as usize).field(pos.field.into()).repeats()
    }

    /// The field of a value, or this component of it, as its writer meant it who knew nothing of repetitions: those of
    /// a range with `~` between, the open end too. It is said with the first one that has something, and once.
    pub(super) fn field_as_written(&self, item: &Item<'m>) -> Option<String> {
        if !self.is_divided(item) {
            return Some(whole(item).into_owned()).filter(|text| !text.is_empty());
        }
        let pos = item.pos();
        let field = self.message.segment(pos.segment as usize).field(pos.field.into());
        let text = |n: usize| match pos.component {
            0 => whole(&Item::Repetition(field.repetition(n), pos)),
            component => trimmed(field.repetition(n).component(component.into()).text()),
        };
        let all: Vec<_> = (1..=field.repetition_count()).map(text).collect();
        let first = all.iter().position(|text| !text.is_empty())? + 1;
        (first >= usize::from(pos.repetition)).then(|| all.join("~"))
    }

    /// Whether there is a `~` in the field.
    fn repeats(&self, values: &[Item<'m>]) -> bool {
        let several =
            |pos: &Pos| self.message.segment(pos.segment as usize).field(pos.field.into()).repeats();
        values.len() > 1 || matches!(values, [Item::Repetition(_, pos)] if several(pos))
    }

    /// A field as its writer meant it who knew nothing of repetitions: all of them with `~` between, the empty ones
    /// too, for they are the open end of a range (`~0.3`, `40~`). Empty ones behind count where nothing follows.
    fn written(&self, values: &[Item<'m>], read: fn(&Item<'m>) -> Cow<'m, str>) -> String {
        let mut out = String::new();
        let mut at = 1;
        for (n, value) in values.iter().enumerate() {
            let repetition = value.pos().repetition;
            let apart = repetition.saturating_sub(at).max(u16::from(n > 0));
            out.extend((0..apart).map(|_| '~'));
            out.push_str(&read(value));
            at = repetition.max(1);
        }
        if let Some(Item::Repetition(_, pos)) = values.last() {
            let field = self.message.segment(pos.segment as usize).field(pos.field.into());
            let rest = usize::from(pos.repetition) + 1..=field.repetition_count();
            if rest.clone().all(|n| field.repetition(n).raw().trim().is_empty()) {
                out.extend(rest.map(|_| '~'));
            }
        }
        out
    }

    /// Text, or a quantity where it is written as one.
    fn plain(
        &mut self,
        values: &[Item<'m>],
        unit: Option<&Item<'m>>,
        read: fn(&Item<'m>) -> Cow<'m, str>,
    ) -> Made {
        // Only the source itself still has the spaces in front, which say which part is missing.
        if let [Item::Repetition(repetition, _)] = values
            && repetition.component_count() == 1
            && let Some(parts) = spaced(&repetition.component(1).text())
        {
            return self.shaped(Shape::Text, &with_unit(&parts.concat(), unit)).ok().flatten();
        }
        let words: Vec<_> = values.iter().map(read).collect();
        // Numbers with `~` between or beside them are one range, neither lines nor a number without its side.
        if words.iter().all(|word| number(word).is_some()) {
            let written = self.written(values, whole);
            if written.contains('~') {
                return self.shaped(Shape::Text, &with_unit(&written, unit)).ok().flatten();
            }
        }
        let text = words.join("\n");
        if let Some((comparator, number)) = compared(&text) {
            return Some(("Quantity", self.number_quantity(&number, comparator, unit, "unit")));
        }
        if unit.is_some()
            && let Some(number) = number(&narrow(&text))
        {
            return Some(("Quantity", self.number_quantity(&number, "", unit, "unit")));
        }
        self.shaped(Shape::Text, &with_unit(&text, unit)).ok().flatten()
    }

    /// `1.2~2.0` is two repetitions to HL7 and one range to its writer.
    pub(super) fn reference_range(
        &mut self,
        items: &[Item<'m>],
        unit: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let text = self.written(items, literal);
        if text.is_empty() {
            return Ok(None);
        }
        let of_unit = |n: u16| unit.and_then(|unit| unit.part(n)).map(|part| part.text()).unwrap_or_default();
        let units = [of_unit(1), of_unit(2)];
        let (low, high) = bounds(&text, &[&units[0], &units[1]]);
        let object = self.arena.object();
        for (at, value) in [(key::LOW, low), (key::HIGH, high)] {
            if let Some(value) = value {
                let quantity = self.number_quantity(&value, "", unit, "unit");
                self.arena.put(object, at, quantity);
            }
        }
        self.arena.put_text(object, key::TEXT, &text);
        Ok(Some(("", object)))
    }
}

#[cfg(test)]
mod tests {
    use super::{bounds, compared, is_measured, range, spaced};

    #[test]
    fn comparators_are_read_in_front_and_behind() {
        for (text, expected) in [
            ("<0.5", Some(("<", "0.5"))),
            ("< 0.5", Some(("<", "0.5"))),
            ("＞１０", Some((">", "10"))),
            (">= 3", Some((">=", "3"))),
            ("5以下", Some(("<=", "5"))),
            ("1.50未満", Some(("<", "1.50"))),
            ("2+", None),
            ("(-)", None),
            ("0.5", None),
            ("100<", Some((">", "100"))),
            ("100≦", Some((">=", "100"))),
            ("5を超える", Some((">", "5"))),
            ("2.3(±)", None),
            ("U100", None),
        ] {
            assert_eq!(compared(text).as_ref().map(|(c, n)| (*c, n.as_str())), expected, "{text}");
        }
    }

    #[test]
    fn a_hyphen_between_numbers_is_a_range_and_one_before_a_number_a_sign() {
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(range("3.0-5.0"), pair("3.0", "5.0"));
        assert_eq!(range("-2.0-2.0"), pair("-2.0", "2.0"));
        assert_eq!(range("-4 - -2"), pair("-4", "-2"));
        assert_eq!(range("-4"), None);
        assert_eq!(range("2022-01-01"), None);
        assert_eq!(range("(-)"), None);
    }

    #[test]
    fn an_amount_is_told_from_a_grade() {
        for measured in ["0.05 (-)", "12.3(+)", "5.0未満(-)", "１２（＋）", "0.1(±)", "1:80", "3~5"] {
            assert!(is_measured(measured), "{measured}");
        }
        for other in ["2+", "(3+)", "（２＋）", "(-)", "-", "陰性", "陰性(-)", "2 +", ")", "1+)"] {
            assert!(!is_measured(other), "{other}");
        }
    }

    #[test]
    fn spaces_where_the_carets_of_an_sn_stood_keep_their_places() {
        for (text, expected) in [
            (" 2 +", Some(["", "2", "+", ""])),
            ("  -", Some(["", "", "-", ""])),
            (" 1 : 80", Some(["", "1", ":", "80"])),
            ("> 1 : 640", Some([">", "1", ":", "640"])),
            // A number with a sign is a quantity, and words are words.
            ("< 0.5", None),
            ("0.5", None),
            ("", None),
            ("(-)", None),
            ("陰性 - ", None),
            ("1 2 3", None),
        ] {
            assert_eq!(spaced(text), expected, "{text}");
        }
    }

    #[test]
    fn reference_ranges_are_read_as_japan_writes_them() {
        for (text, low, high) in [
            ("1.2-2.0", "1.2", "2.0"),
            ("１．２～２．０", "1.2", "2.0"),
            ("1.2 − 2.0", "1.2", "2.0"),
            ("13〜33", "13", "33"),
            ("1.2~2.0", "1.2", "2.0"),
            ("<85", "", "85"),
            ("85以下", "", "85"),
            ("0.3未満", "", "0.3"),
            ("40以上", "40", ""),
            ("3.5以上9.0以下", "3.5", "9.0"),
            ("3.5以上9.0未満", "3.5", "9.0"),
            ("～85", "", "85"),
            ("40～", "40", ""),
            ("0.6-1.1mg/dL", "0.6", "1.1"),
            ("85 mg/dL以下", "", "85"),
            ("0.6mg/dL～1.1mg/dL", "0.6", "1.1"),
            ("-2.0-2.0", "-2.0", "2.0"),
            ("(-)", "", ""),
            ("陰性", "", ""),
            ("男13.5-17.5 女11.5-15.0", "", ""),
            ("2022-01-01", "", ""),
            ("-4", "", ""),
        ] {
            let (found_low, found_high) = bounds(text, &["mg/dL", ""]);
            let found = (found_low.unwrap_or_default(), found_high.unwrap_or_default());
            assert_eq!(found, (low.to_owned(), high.to_owned()), "{text}");
        }
    }
}
