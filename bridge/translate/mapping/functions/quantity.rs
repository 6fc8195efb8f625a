//! Numbers, quantities, ratios and durations.

use super::super::build::Made;
use super::super::item::Item;
use super::super::run::Run;
use super::narrow;
use crate::fhir::{Id, key};
use crate::finding::Severity;
use std::borrow::Cow;

const UCUM: &str = "http://unitsofmeasure.org";
const MERIT9_UNIT: &str = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/MedicationUnitMERIT9Code";

/// A FHIR decimal from an NM: digits kept, `+` and leading zeros dropped, `.5` written `0.5`, no exponent.
pub(crate) fn number(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let (minus, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = body.split_once('.').map_or((body, None), |(w, f)| (w, Some(f)));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole)
        || !fraction.is_none_or(digits)
        || (whole.is_empty() && fraction.is_none_or(str::is_empty))
    {
        return None;
    }
    // FHIR allows 18 digits or so; longer runs of digits are no measurement.
    if body.len() > 32 {
        return None;
    }
    let bare = whole.trim_start_matches('0');
    let bare = if bare.is_empty() { "0" } else { bare };
    let fraction = fraction.filter(|f| !f.is_empty());
    if !text.starts_with('+') && bare == whole && fraction.is_some() == body.contains('.') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len() + 1);
    if minus {
        out.push('-');
    }
    out.push_str(bare);
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    Some(Cow::Owned(out))
}

impl<'m> Run<'m> {
    /// Unit, system and code of a quantity from a CWE.
    pub(super) fn put_unit(&mut self, quantity: Id, unit: Option<&Item<'m>>, context: &str) {
        let Some(unit) = unit else { return };
        let text = |n: u16| unit.part(n).map(|i| i.text()).unwrap_or_default();
        let (mut code, mut words, mut name) = (text(1), text(2), text(3));
        if code.is_empty() && words.is_empty() {
            (code, words, name) = (text(4), text(5), text(6));
        }
        // A unit in words alone is the facility's own, whatever code system stands beside the empty code.
        if code.is_empty() {
            name = Cow::Borrowed("");
        }
        let words = if words.is_empty() { &code } else { &words };
        let code = if code.is_empty() { words } else { &code };
        self.arena.put_text(quantity, key::UNIT, words);
        if code.is_empty() {
            return;
        }
        // FHIR qty-3: a code needs its system. A unit of no system is the facility's own.
        let system = if name.is_empty() {
            self.finding(Severity::Information, "code-system-missing", unit.pos());
            std::borrow::Cow::Owned(self.local_system("unit"))
        } else {
            self.system(&name, code, Some(context), unit.pos())
        };
        self.arena.put_text(quantity, key::SYSTEM, &system);
        self.arena.put_text(quantity, key::CODE, code);
    }

    pub(super) fn number_quantity(
        &mut self,
        value: &str,
        comparator: &str,
        unit: Option<&Item<'m>>,
        context: &str,
    ) -> Id {
        let quantity = self.arena.object();
        let value = self.arena.number(value);
        self.arena.put(quantity, key::VALUE, value);
        self.arena.put_text(quantity, key::COMPARATOR, comparator);
        self.put_unit(quantity, unit, context);
        quantity
    }

    pub(super) fn quantity(
        &mut self,
        value: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
        context: &str,
    ) -> Result<Made, &'static str> {
        let Some(value) = value else { return Ok(None) };
        let text = value.text();
        if text.is_empty() {
            return Ok(None);
        }
        let number = number(&text).ok_or("number-invalid")?;
        Ok(Some(("Quantity", self.number_quantity(&number, "", unit, context))))
    }

    /// A dose: zero and empty are none.
    pub(super) fn dose(
        &mut self,
        value: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        if value.is_some_and(|v| v.text().bytes().all(|b| b == b'0' || b == b'.')) {
            return Ok(None);
        }
        self.quantity(value, unit, "unit")
    }

    fn ucum(&mut self, value: &str, code: &str, words: &str) -> Id {
        let quantity = self.arena.object();
        let value = self.arena.number(value);
        self.arena.put(quantity, key::VALUE, value);
        self.arena.put_text(quantity, key::UNIT, words);
        self.arena.put_text(quantity, key::SYSTEM, UCUM);
        self.arena.put_text(quantity, key::CODE, code);
        quantity
    }

    pub(super) fn duration(&mut self, item: &Item<'m>, days: bool) -> Result<Made, &'static str> {
        let value = item.part(1).map(|i| i.text()).unwrap_or_default();
        if value.is_empty() {
            return Ok(None);
        }
        let number = number(&value).ok_or("number-invalid")?;
        let unit = item.part(2);
        let code = unit.as_ref().and_then(|u| u.part(1)).map(|i| i.text()).unwrap_or_default();
        let words = unit.as_ref().and_then(|u| u.part(2)).map(|i| i.text()).unwrap_or_default();
        let (code, words) =
            unit_of_time(if code.is_empty() { &words } else { &code }).ok_or("unit-unknown")?;
        // JP_MedicationRequest counts in days and nothing else.
        let number = match (days, code) {
            (false, _) | (true, "d") => number,
            (true, "wk") => Cow::Owned((number.parse::<u32>().map_err(|_| "unit-unknown")? * 7).to_string()),
            _ => return Err("unit-unknown"),
        };
        let (code, words) = if days { ("d", "日") } else { (code, words) };
        Ok(Some(("Duration", self.ucum(&number, code, words))))
    }

    fn ratio(&mut self, numerator: Id, denominator: Id) -> Made {
        let ratio = self.arena.object();
        self.arena.put(ratio, key::NUMERATOR, numerator);
        self.arena.put(ratio, key::DENOMINATOR, denominator);
        Some(("Ratio", ratio))
    }

    pub(super) fn per_time(
        &mut self,
        value: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
        time: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let Some(value) = value else { return Ok(None) };
        let mut text = value.text();
        let mut whole = unit.map(|u| {
            let code = u.part(1).map(|i| i.text()).unwrap_or_default();
            if code.is_empty() { u.part(2).map(|i| i.text()).unwrap_or_default() } else { code }
        });
        // `102ml/hr`: a value alone (RXA-12) carries its unit. With no number in front or no unit of time behind
        // it, it is words.
        if unit.is_none() && time.is_none() {
            let words = narrow(&text);
            let end = words.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(words.len());
            let (amount, rest) = (&words[..end], words[end..].trim());
            if number(amount).is_none()
                || rest.rsplit_once('/').is_none_or(|(_, t)| unit_of_time(t).is_none())
            {
                return Ok(None);
            }
            (text, whole) = (Cow::Owned(amount.to_owned()), Some(Cow::Owned(rest.to_owned())));
        }
        let number = number(&text).ok_or("number-invalid")?;
        // `ml/hr`: the unit of time stands in the unit itself.
        let split =
            whole.as_deref().and_then(|w| w.rsplit_once('/')).and_then(|(u, t)| Some((u, unit_of_time(t)?)));
        if let Some((amount, (code, words))) = split {
            let numerator = match ucum_amount(amount) {
                Some(code) => self.ucum(&number, code, amount),
                None => {
                    let local = self.local_system("unit");
                    let numerator = self.ucum(&number, amount, amount);
                    self.arena.put_text(numerator, key::SYSTEM, &local);
                    numerator
                }
            };
            let denominator = self.ucum("1", code, words);
            return Ok(self.ratio(numerator, denominator));
        }
        let time = time.map(|t| t.text()).unwrap_or_default();
        let time = time.trim_end_matches(|c: char| c.is_ascii_digit());
        let (code, words) =
            if time.is_empty() { ("h", "時間") } else { unit_of_time(time).ok_or("unit-unknown")? };
        let numerator = self.number_quantity(&number, "", unit, "unit");
        let denominator = self.ucum("1", code, words);
        Ok(self.ratio(numerator, denominator))
    }

    pub(super) fn per_day(
        &mut self,
        value: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let Some((_, numerator)) = self.dose(value, unit)? else { return Ok(None) };
        let denominator = self.ucum("1", "d", "日");
        Ok(self.ratio(numerator, denominator))
    }

    pub(super) fn per_administration(
        &mut self,
        value: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let Some((_, numerator)) = self.dose(value, unit)? else { return Ok(None) };
        let denominator = self.arena.object();
        let one = self.arena.number("1");
        self.arena.put(denominator, key::VALUE, one);
        self.arena.put_text(denominator, key::UNIT, "回");
        self.arena.put_text(denominator, key::SYSTEM, MERIT9_UNIT);
        self.arena.put_text(denominator, key::CODE, "KAI");
        Ok(self.ratio(numerator, denominator))
    }
}

/// The UCUM code of an amount in a rate.
fn ucum_amount(text: &str) -> Option<&'static str> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "ml" | "cc" => "mL",
        "l" => "L",
        "mg" => "mg",
        "g" => "g",
        "ug" | "mcg" | "μg" | "γ" => "ug",
        "u" | "単位" => "U",
        "iu" => "[iU]",
        "meq" => "meq",
        "mmol" => "mmol",
        _ => return None,
    })
}

/// The UCUM code and Japanese word for a unit of time as hospitals write it.
fn unit_of_time(text: &str) -> Option<(&'static str, &'static str)> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "日" | "日分" | "ni" => ("d", "日"),
        "h" | "hr" | "hour" | "時間" | "時" => ("h", "時間"),
        "min" | "m" | "分" => ("min", "分"),
        "s" | "sec" | "秒" => ("s", "秒"),
        "w" | "wk" | "week" | "週" | "週間" => ("wk", "週"),
        "mo" | "mon" | "l" | "月" | "か月" | "ヶ月" => ("mo", "月"),
        "a" | "y" | "yr" | "年" => ("a", "年"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn decimals_keep_their_digits() {
        for (text, expected) in [
            ("1.50", Some("1.50")),
            ("+3", Some("3")),
            ("007", Some("7")),
            (".5", Some("0.5")),
            ("-.5", Some("-0.5")),
            ("-0.10", Some("-0.10")),
            ("5.", Some("5")),
            ("0", Some("0")),
            ("000", Some("0")),
            ("1e3", None),
            ("1,000", None),
            ("", None),
            (".", None),
            ("-", None),
            ("１", None),
        ] {
            assert_eq!(number(text).as_deref(), expected, "{text}");
        }
    }
}
