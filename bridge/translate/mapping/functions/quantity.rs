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

/// A FHIR decimal from an NM: digits kept, `+` and leading zeros dropped, `.5` written `0.5`, no exponent. Full-width
/// digits are digits.
pub(crate) fn number(text: &str) -> Option<Cow<'_, str>> {
    if is_plain_number(text.as_bytes()) {
        return Some(Cow::Borrowed(text));
    }
    match narrow(text.trim()) {
        Cow::Borrowed(text) => half_width_number(text),
        Cow::Owned(text) => half_width_number(text.trim()).map(|number| Cow::Owned(number.into_owned())),
    }
}

/// Whether it is a number as nearly all are, which needs no change: digits, a point among them or none, no zero too
/// many in front.
fn is_plain_number(text: &[u8]) -> bool {
    let mut point = None;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {}
            b'.' if point.is_none() && at > 0 => point = Some(at),
            _ => return false,
        }
    }
    let whole = point.unwrap_or(text.len());
    (1..=32).contains(&text.len()) && whole + 1 != text.len() && (text[0] != b'0' || whole == 1)
}

fn half_width_number(text: &str) -> Option<Cow<'_, str>> {
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

/// Whether it is a number and zero, however it is written: `0`, `0.000`, `.0`, `00`, `+0`, `-0.0`.
fn is_zero(text: &str) -> bool {
    number(text).is_some_and(|number| number.bytes().all(|b| matches!(b, b'0' | b'.' | b'-')))
}

/// Whether it is a number below zero: nobody is given less than nothing.
fn is_negative(text: &str) -> bool {
    number(text).is_some_and(|number| number.starts_with('-')) && !is_zero(text)
}

/// A number above zero in its shortest form, so that two ways to write it are one.
fn amount(text: &str) -> Option<String> {
    let number = number(text).filter(|_| !is_zero(text) && !is_negative(text))?;
    let short =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    Some(short.to_owned())
}

/// A unit with a power of ten.
pub(super) struct Power<'m> {
    /// `10^2/uL`.
    pub(super) unit: String,
    /// The name of its code system, where there is one.
    pub(super) system: Cow<'m, str>,
}

/// The unit of a field in which a power of ten was written by one who did not escape the caret (`10^2/uL`, `×10^4/μL`,
/// `10^4/uL^10^4/uL^99U`): to HL7 the code `10` with the words `2/uL`, a hundredth of the result. With the name of a
/// code system behind it, it is one only where the exponent is followed by a slash: `10^2錠^99X` is a code and its name.
pub(super) fn power<'m>(unit: &Item<'m>) -> Option<Power<'m>> {
    if !matches!(unit, Item::Repetition(..)) {
        return None;
    }
    let text = |n: u16| unit.words(n);
    // `^10^2/uL`: the words alone.
    let (at, base) = match text(1) {
        empty if empty.is_empty() => (2, text(2)),
        base => (1, base),
    };
    let plain = narrow(&base);
    if !plain.ends_with("10") {
        return None;
    }
    let exponent = text(at + 1);
    if plain.trim_start_matches(['×', 'x', 'X', '*', '✕', '・', ' ']) != "10" {
        return None;
    }
    let narrowed = narrow(&exponent).into_owned();
    let digits = narrowed.strip_prefix('-').unwrap_or(&narrowed);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == digits.len() {
        return None;
    }
    let (next, again) = (text(at + 2), text(at + 3));
    let system = if next == base && again == exponent { text(at + 4) } else { next };
    if !(system.is_empty() || rest.starts_with('/')) {
        return None;
    }
    Some(Power { unit: format!("{base}^{exponent}"), system })
}

impl<'m> Run<'m> {
    /// An amount of [`amount`]; a field with `~` in it has a range, of which neither number is the amount.
    pub(super) fn amount(&self, item: &Item<'m>) -> Option<String> {
        amount(&item.text()).filter(|_| !self.is_divided(item))
    }

    /// The words of an amount that no Quantity can say. That there is a number in them which is not sent as one is said.
    pub(super) fn amount_words(&mut self, item: &Item<'m>) -> Option<String> {
        let words = self.field_as_written(item).filter(|text| number(text).is_none() || is_negative(text))?;
        if narrow(&words).contains(|c: char| c.is_ascii_digit()) {
            self.finding(Severity::Warning, "amount-in-words", item.pos());
        }
        Some(words)
    }

    /// Unit, system and code of a quantity from a CWE.
    pub(super) fn put_unit(&mut self, quantity: Id, unit: Option<&Item<'m>>, context: &str) {
        if let Some(unit) = unit {
            self.put_unit_behind(quantity, unit, 0, context);
        }
    }

    /// The same from the parts behind the first ones: of a CQ that is a component itself (TQ.1) the parts of the unit
    /// stand beside the amount.
    fn put_unit_behind(&mut self, quantity: Id, unit: &Item<'m>, before: u16, context: &str) {
        let text = |n: u16| unit.words(before + n);
        let (mut code, mut words, mut name) = (text(1), text(2), text(3));
        if let Some(power) = power(unit).filter(|_| before == 0) {
            (code, words, name) = (Cow::Owned(power.unit), Cow::Borrowed(""), power.system);
        } else if code.is_empty() && words.is_empty() {
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
        if value.is_some_and(|v| is_zero(&v.text())) {
            return Ok(None);
        }
        if value.is_some_and(|v| is_negative(&v.text())) {
            return Err("number-invalid");
        }
        self.quantity(value, unit, "unit")
    }

    /// A dose from a CQ.
    pub(super) fn dose_of_cq(&mut self, item: &Item<'m>) -> Result<Made, &'static str> {
        let (value, unit) = (item.part(1), item.part(2));
        if !matches!(item, Item::Component(..)) {
            return self.dose(value.as_ref(), unit.as_ref());
        }
        let made = self.dose(value.as_ref(), None)?;
        if let Some((_, quantity)) = made {
            self.put_unit_behind(quantity, item, 1, "unit");
        }
        Ok(made)
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
        let Some((number, code, words)) = period(item, days)? else { return Ok(None) };
        Ok(Some(("Duration", self.ucum(&number, code, words))))
    }

    fn ratio(&mut self, numerator: Id, denominator: Id) -> Made {
        let ratio = self.arena.object();
        self.arena.put(ratio, key::NUMERATOR, numerator);
        self.arena.put(ratio, key::DENOMINATOR, denominator);
        Some(("Ratio", ratio))
    }

    /// A rate, where number, unit and time are all said: what is missing is never supplied, for a rate that is wrong by
    /// its time is a dose that is wrong as often.
    pub(super) fn per_time(
        &mut self,
        value: Option<&Item<'m>>,
        unit: Option<&Item<'m>>,
        time: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        const UNREADABLE: &str = "rate-unreadable";
        let Some(value) = value else { return Ok(None) };
        let mut text = value.text();
        let said = |u: &Item<'m>, parts: [u16; 2]| {
            let mut parts = parts.into_iter().filter_map(|n| u.part(n)).map(|i| i.text());
            parts.find(|text| !text.is_empty())
        };
        let mut whole = unit.and_then(|u| said(u, [1, 2]));
        // `102ml/hr`: a value alone (RXA-12) carries its unit. With no number in front, no unit behind it or no unit
        // of time at its end, it is words: `60-100mL/h`, and so is one that has more numbers: `80ml/h→40ml/h`.
        // What RXE-24 and RXE-22 say beside it may not contradict.
        if number(&text).is_none() {
            let words = narrow(&text);
            let end = words.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(words.len());
            let (amount, rest) = (&words[..end], words[end..].trim());
            let is_rate =
                rate_unit(rest).is_some_and(|(unit, _)| !unit.contains(|c: char| c.is_ascii_digit()));
            if number(amount).is_none() || !is_rate {
                return Err(UNREADABLE);
            }
            (text, whole) = (Cow::Owned(amount.to_owned()), Some(Cow::Owned(rest.to_owned())));
        }
        let number = number(&text).filter(|_| !is_negative(&text)).ok_or("number-invalid")?;
        let whole = whole.unwrap_or_default().replace('／', "/");
        let per = time.map(|t| t.text()).filter(|t| !t.trim().is_empty());
        let per = per.map(|per| give_per(&per).ok_or(UNREADABLE)).transpose()?;
        // `ml/hr`: the unit of time stands in the unit itself.
        let (amount, in_unit) =
            rate_unit(&whole).map_or((&*whole, None), |(amount, time)| (amount, Some(time)));
        // The other ways to write the unit: none may speak of another time, and none of one that is not read
        // (`ml/hr/kg` with RXE-22 `H1` would be divided by the hour twice).
        for n in [1, 2, 4, 5] {
            let other = unit.and_then(|u| u.part(n)).map(|i| i.text().replace('／', "/")).unwrap_or_default();
            let unread = match (rate_unit(&other), in_unit) {
                (Some((_, time)), in_unit) => in_unit != Some(time),
                (None, None) => other.contains('/') && !is_amount(&other),
                (None, Some(_)) => false,
            };
            if unread {
                return Err(UNREADABLE);
            }
        }
        let other = unit.and_then(|u| said(u, [4, 5])).is_some_and(|text| is_amount(&text));
        let is_said = is_amount(amount) || (amount.is_empty() && other);
        if !is_said {
            return Err(UNREADABLE);
        }
        let (count, code, words) = match (in_unit, per) {
            (Some(one), Some(other)) if one != other => return Err(UNREADABLE),
            (Some(time), _) | (None, Some(time)) => time,
            (None, None) => return Err(UNREADABLE),
        };
        let numerator = match (in_unit, ucum_amount(amount)) {
            (None, _) => self.number_quantity(&number, "", unit, "unit"),
            (Some(_), Some(code)) => self.ucum(&number, code, amount),
            (Some(_), None) => {
                let local = self.local_system("unit");
                let numerator = self.ucum(&number, amount, amount);
                self.arena.put_text(numerator, key::SYSTEM, &local);
                numerator
            }
        };
        let denominator = self.ucum(&count.to_string(), code, words);
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

/// Value, unit and words of the unit of a CQ that is a duration.
fn cq(item: &Item<'_>) -> [String; 3] {
    let unit = item.part(2);
    let text = |part: Option<Item<'_>>| part.map(|i| i.text().into_owned()).unwrap_or_default();
    [
        text(item.part(1)),
        text(unit.as_ref().and_then(|u| u.part(1))),
        text(unit.as_ref().and_then(|u| u.part(2))),
    ]
}

/// Number, UCUM code and Japanese word of a duration; nothing where no value is said.
fn period(item: &Item<'_>, days: bool) -> Result<Option<(String, &'static str, &'static str)>, &'static str> {
    let [value, code, words] = cq(item);
    if value.is_empty() {
        return Ok(None);
    }
    let value = narrow(&value);
    let mut unit = if code.is_empty() { &words } else { &code };
    // `D5`, as TQ.3 has it (HL7 v2.4 chapter 4): the unit stands in front.
    let (front, value) = value.split_at(value.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(0));
    let front = front.to_owned();
    // `7日分` in one.
    let end = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (value, rest) = value.split_at(end);
    let rest = rest.to_owned();
    let mut beside = [front, rest].into_iter().filter(|text| !text.is_empty());
    let (first, second) = (beside.next().unwrap_or_default(), beside.next());
    if second.is_some() || !(unit.is_empty() || first.is_empty()) {
        return Err("number-invalid");
    } else if unit.is_empty() {
        unit = &first;
    }
    // No treatment lasts no time, or less.
    let number = number(value).filter(|number| !is_zero(number)).ok_or("number-invalid")?.into_owned();
    let (code, words) = unit_of_time(unit).ok_or("unit-unknown")?;
    // JP_MedicationRequest counts in days and nothing else.
    Ok(Some(match (days, code) {
        (false, _) => (number, code, words),
        (true, "d") => (number, "d", "日"),
        (true, "wk") => {
            let weeks = number.parse::<u32>().ok().and_then(|n| n.checked_mul(7)).ok_or("unit-unknown")?;
            (weeks.to_string(), "d", "日")
        }
        _ => return Err("unit-unknown"),
    }))
}

/// What is written where a duration should be and is none: value and unit in their words.
pub(super) fn duration_words(item: &Item<'_>, days: bool) -> Option<String> {
    if matches!(period(item, days), Ok(Some(_))) {
        return None;
    }
    let [value, code, words] = cq(item);
    let unit = if words.is_empty() { code } else { words };
    let all = [value, unit].join(" ").trim().to_owned();
    (!all.is_empty()).then_some(all)
}

/// The UCUM code of an amount in a rate.
fn ucum_amount(text: &str) -> Option<&'static str> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "ml" | "cc" => "mL",
        "l" => "L",
        "mg" => "mg",
        "g" => "g",
        // γ is µg/kg/min or µg, and 単位 an international unit or another: neither is one in UCUM.
        "ug" | "mcg" | "μg" => "ug",
        "iu" => "[iU]",
        "meq" => "meq",
        "mmol" => "mmol",
        _ => return None,
    })
}

/// A time in a rate: how many of the unit, its UCUM code and Japanese word.
type Per = (u32, &'static str, &'static str);

/// Whether what stands before the time is an amount: a unit, of the body or not (`mL`, `mg/kg`). `-100mL` is the rest
/// of a range, `ml→40ml` of a change, `ml/hr/kg` a rate already and `mEq/L` a concentration.
fn is_amount(text: &str) -> bool {
    let mut parts = text.split('/').map(str::trim);
    let unit = parts.next().unwrap_or_default();
    unit.starts_with(char::is_alphabetic)
        && unit.chars().all(|c| c.is_alphanumeric() || "%[]._ ".contains(c))
        && parts.all(|part| ["kg", "g", "body", "m2", "m²", "㎡"].contains(&&*part.to_ascii_lowercase()))
}

/// The amount and the time of a unit that ends in a time: `ml/hr`, `mg/kg/min`.
fn rate_unit(text: &str) -> Option<(&str, Per)> {
    let (amount, time) = text.rsplit_once('/')?;
    time_in_rate(time).filter(|_| is_amount(amount)).map(|time| (amount, time))
}

/// The time behind the slash of a rate: `hr`, `8hr`, `分`. `M` is a minute or a month, and `L` of `mEq/L` is no time.
fn time_in_rate(text: &str) -> Option<Per> {
    let text = narrow(text.trim());
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count = if end == 0 { 1 } else { text[..end].parse().ok().filter(|n| *n > 0)? };
    let (code, words) = match text[end..].trim().to_ascii_lowercase().as_str() {
        "m" | "l" | "w" | "a" | "y" => return None,
        unit => unit_of_time(unit)?,
    };
    matches!(code, "d" | "h" | "min" | "s").then_some((count, code, words))
}

/// RXE-22, a unit and how many of it (HL7 v2.5 chapter 4): `H8` is each eight hours; without a number it is one.
fn give_per(text: &str) -> Option<Per> {
    let text = narrow(text.trim());
    let unit = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let count = &text[unit.len()..];
    let count = if count.is_empty() { 1 } else { count.parse().ok().filter(|n| *n > 0)? };
    let (code, words) = unit_of_time(unit)?;
    Some((count, code, words))
}

/// The UCUM code and Japanese word for a unit of time as hospitals write it.
fn unit_of_time(text: &str) -> Option<(&'static str, &'static str)> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "日" | "日分" | "日間" | "ni" => ("d", "日"),
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
    use super::{amount, is_negative, number};

    #[test]
    fn zero_and_less_is_no_amount_however_it_is_written() {
        for zero in ["0", "0.0", "0.000", "0.", ".0", "00", "+0", "-0", "-0.00", "-1", "", ".", "適量"] {
            assert_eq!(amount(zero), None, "{zero}");
        }
        for (text, expected) in [("1", "1"), ("1.50", "1.5"), ("01.0", "1"), ("100", "100"), (".50", "0.5")] {
            assert_eq!(amount(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn below_zero_is_told_from_zero() {
        for (text, below) in
            [("-1", true), ("-0.5", true), ("-0", false), ("-0.00", false), ("1", false), ("適量", false)]
        {
            assert_eq!(is_negative(text), below, "{text}");
        }
    }

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
            ("１", Some("1")),
            ("＋０．５０", Some("0.50")),
            ("−２", Some("-2")),
            ("１０錠", None),
        ] {
            assert_eq!(number(text).as_deref(), expected, "{text}");
        }
    }
}
