//! OBX: values by their type and reference ranges.

use super::super::build::Made;
use super::super::item::Item;
use super::super::plan::Shape;
use super::super::run::Run;
use super::{narrow, number};
use crate::fhir::key;
use crate::finding::Severity;
use std::borrow::Cow;

/// The whole text of a value: all components, in order, with a space between them.
pub(super) fn whole<'m>(item: &Item<'m>) -> Cow<'m, str> {
    match item {
        Item::Repetition(repetition, _) if repetition.component_count() > 1 => {
            let parts: Vec<_> = (1..=repetition.component_count())
                .map(|n| repetition.component(n).text())
                .filter(|text| !text.trim().is_empty())
                .collect();
            Cow::Owned(parts.join(" ").trim().to_owned())
        }
        other => other.text(),
    }
}

/// A comparator and a number: `<0.5`, `>= 10`, `5以下`.
fn compared(text: &str) -> Option<(&'static str, String)> {
    let text = narrow(text).replace('≦', "<=").replace('≧', ">=").replace('≤', "<=").replace('≥', ">=");
    let text = text.trim();
    for (sign, comparator) in [("<=", "<="), (">=", ">="), ("=<", "<="), ("=>", ">="), ("<", "<"), (">", ">")]
    {
        if let Some(rest) = text.strip_prefix(sign) {
            return number(rest).map(|n| (comparator, n.into_owned()));
        }
    }
    for (word, comparator) in [("以下", "<="), ("以上", ">="), ("未満", "<"), ("超", ">")] {
        if let Some(rest) = text.strip_suffix(word) {
            return number(rest).map(|n| (comparator, n.into_owned()));
        }
    }
    None
}

/// Low and high of `a-b`, `a～b`; negative numbers and spaces allowed.
fn range(text: &str) -> Option<(String, String)> {
    let text = narrow(text).replace(['〜', '～'], "~");
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
        let text = value.text();
        if values.len() > 1 && matches!(kind.as_ref(), "NM" | "SN" | "CWE" | "CE" | "CNE" | "CF") {
            // An Observation has one number or concept: all of them are kept, as words.
            self.finding(Severity::Warning, "value-repeated", value.pos());
            let words: Vec<_> = values.iter().map(whole).collect();
            return self.shaped(Shape::Text, &words.join("\n"));
        }
        match kind.as_ref() {
            "NM" => {
                if let Some(number) = number(&text) {
                    return Ok(Some(("Quantity", self.number_quantity(&number, "", unit, "unit"))));
                }
                let plain = self.plain(values, unit);
                if !matches!(plain, Some(("Quantity", _))) {
                    self.finding(Severity::Warning, "number-invalid", value.pos());
                }
                Ok(plain)
            }
            "SN" => {
                let part = |n: u16| value.part(n).map(|i| i.text()).unwrap_or_default();
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
                Ok(self.shaped(Shape::Text, &words)?)
            }
            "CWE" | "CE" | "CNE" | "CF" => self.concept(value, None, Shape::CodeableConcept),
            "ED" | "RP" => {
                self.finding(Severity::Warning, "value-type-unsupported", value.pos());
                Ok(None)
            }
            "ST" | "" | "IS" | "ID" => Ok(self.plain(values, unit)),
            _ => {
                let words: Vec<_> = values.iter().map(whole).collect();
                self.shaped(Shape::Text, &words.join("\n"))
            }
        }
    }

    /// Text, or a quantity where it is written as one.
    fn plain(&mut self, values: &[Item<'m>], unit: Option<&Item<'m>>) -> Made {
        let words: Vec<_> = values.iter().map(whole).collect();
        let text = words.join("\n");
        if let Some((comparator, number)) = compared(&text) {
            return Some(("Quantity", self.number_quantity(&number, comparator, unit, "unit")));
        }
        if unit.is_some()
            && let Some(number) = number(&text)
        {
            return Some(("Quantity", self.number_quantity(&number, "", unit, "unit")));
        }
        self.shaped(Shape::Text, &text).ok().flatten()
    }

    pub(super) fn reference_range(
        &mut self,
        item: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let Some(item) = item else { return Ok(None) };
        let text = whole(item);
        if text.is_empty() {
            return Ok(None);
        }
        let (low, high) = match range(&text) {
            Some((low, high)) => (Some(low), Some(high)),
            None => match compared(&text) {
                Some(("<" | "<=", high)) => (None, Some(high)),
                Some((_, low)) => (Some(low), None),
                None => (None, None),
            },
        };
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
    use super::{compared, range};

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
        assert_eq!(range("3～5"), pair("3", "5"));
        assert_eq!(range("-4"), None);
        assert_eq!(range("2022-01-01"), None);
        assert_eq!(range("(-)"), None);
    }
}
