//! Dates and times of HL7 (TS, DTM, DT) to those of FHIR: precision kept, +09:00 where no zone is said.

use super::super::build::Made;
use super::super::item::Item;
use super::super::run::Run;
use crate::fhir::key;
use crate::finding::Severity;
use std::borrow::Cow;

/// A time as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    year: u32,
    month: Option<u32>,
    day: Option<u32>,
    /// Hour, minute, second.
    time: Option<(u32, u32, u32)>,
    fraction: String,
    zone: Cow<'static, str>,
    /// A time of nothing but zeros stood behind the date: midnight, or no time at all.
    zeros: bool,
    /// The hour was 24-47 and went to the next day.
    pub(crate) rolled: bool,
}

/// Reads `YYYY[MM[DD[HH[MM[SS[.f]]]]]][±ZZZZ]`, 17 digits with milliseconds, and `YYYY/MM/DD`.
pub(crate) fn parse(text: &str) -> Option<Stamp> {
    let text = text.trim();
    let plain: String;
    let text = if text.len() == 10 && text.is_ascii() && matches!(text.as_bytes()[4], b'/' | b'-') {
        plain = text.chars().filter(char::is_ascii_digit).collect();
        if plain.len() != 8 {
            return None;
        }
        plain.as_str()
    } else {
        text
    };
    let (body, zone) = match text.bytes().position(|b| b == b'+' || b == b'-') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let zone = match zone.len() {
        0 => Cow::Borrowed("+09:00"),
        5 if zone[1..].bytes().all(|b| b.is_ascii_digit()) => {
            let (hours, minutes): (u32, u32) = (zone[1..3].parse().ok()?, zone[3..].parse().ok()?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            Cow::Owned([&zone[..3], ":", &zone[3..]].concat())
        }
        _ => return None,
    };
    let point = body.bytes().position(|b| b == b'.');
    let (digits, fraction) = point.map_or((body, ""), |at| (&body[..at], &body[at + 1..]));
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (digits, fraction) = match digits.len() {
        15..=17 if fraction.is_empty() => digits.split_at(14),
        4 | 6 | 8 | 10 | 12 | 14 => (digits, fraction),
        _ => return None,
    };
    // They are digits by now.
    let part = |from: usize, to: usize| {
        let digits = digits.as_bytes().get(from..to)?;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    };
    let year = part(0, 4)?;
    let (month, day) = (part(4, 6).filter(|m| *m > 0), part(6, 8).filter(|d| *d > 0));
    if year == 0 || month.is_some_and(|m| m > 12) || (month.is_none() && day.is_some()) {
        return None;
    }
    let mut stamp = Stamp {
        year,
        month,
        day,
        time: None,
        fraction: fraction.chars().take(9).collect(),
        zone,
        zeros: false,
        rolled: false,
    };
    if let (Some(month), Some(day)) = (month, day)
        && day > days(year, month)
    {
        return None;
    }
    let time = &digits[digits.len().min(8)..];
    // A time of nothing but zeros after a date means that there is only the date.
    if time.is_empty() || (time.bytes().all(|b| b == b'0') && stamp.fraction.bytes().all(|b| b == b'0')) {
        stamp.zeros = !time.is_empty() && stamp.day.is_some();
        return Some(stamp);
    }
    stamp.day?;
    let (hour, minute, second) = (part(8, 10)?, part(10, 12).unwrap_or(0), part(12, 14).unwrap_or(0));
    if hour > 47 || minute > 59 || second > 59 {
        return None;
    }
    if hour > 23 {
        stamp.rolled = true;
        stamp.next_day();
    }
    stamp.time = Some((hour % 24, minute, second));
    if stamp.year > 9999 { None } else { Some(stamp) }
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Writes the last two digits of a number behind a sign.
fn digits(out: &mut String, before: &str, number: u32) {
    out.push_str(before);
    let pair = [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
    out.push_str(std::str::from_utf8(&pair).unwrap_or_default());
}

impl Stamp {
    fn next_day(&mut self) {
        let (Some(month), Some(day)) = (self.month, self.day) else { return };
        if day < days(self.year, month) {
            self.day = Some(day + 1);
        } else {
            self.day = Some(1);
            self.month = Some(if month == 12 { 1 } else { month + 1 });
            self.year += u32::from(month == 12);
        }
    }

    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub(crate) fn date(&self) -> String {
        let mut out = String::with_capacity(32);
        digits(&mut out, "", self.year / 100);
        digits(&mut out, "", self.year);
        if let Some(month) = self.month {
            digits(&mut out, "-", month);
            if let Some(day) = self.day {
                digits(&mut out, "-", day);
            }
        }
        out
    }

    /// A date-time in the precision that is there.
    pub(crate) fn date_time(&self) -> String {
        let mut out = self.date();
        let Some((hour, minute, second)) = self.time else { return out };
        for (before, part) in [("T", hour), (":", minute), (":", second)] {
            digits(&mut out, before, part);
        }
        if self.fraction.bytes().any(|b| b != b'0') {
            out.extend([".", &self.fraction]);
        }
        out.push_str(&self.zone);
        out
    }

    /// Zeros behind the date taken for midnight, where something else says that times are meant.
    fn at_the_hour(mut self) -> Self {
        if self.zeros {
            self.time = Some((0, 0, 0));
        }
        self
    }

    /// An instant, where there is a time.
    pub(crate) fn instant(&self) -> Option<String> {
        self.time.map(|_| self.date_time())
    }

    /// `YYYYMMDDHHMM`; what is missing is zero.
    pub(crate) fn minute(&self) -> String {
        let (hour, minute, _) = self.time.unwrap_or_default();
        let mut out = String::with_capacity("YYYYMMDDHHMM".len());
        let (month, day) = (self.month.unwrap_or(0), self.day.unwrap_or(0));
        for part in [self.year / 100, self.year, month, day, hour, minute] {
            digits(&mut out, "", part);
        }
        out
    }
}

/// Whether a text is a date or time.
pub(crate) fn is_date(text: &str) -> bool {
    !text.is_empty() && parse(text).is_some()
}

/// Whether both are dates and the first comes before the second, as far as both are told: a month and a day in it are of
/// one time.
pub(crate) fn is_before(a: &str, b: &str) -> bool {
    let (Some(a), Some(b)) = (parse(a), parse(b)) else { return false };
    let (a, b) = (a.date_time(), b.date_time());
    let n = a.len().min(b.len()).min("YYYY-MM-DDTHH:MM:SS".len());
    a[..n] < b[..n]
}

/// The 17 digits by which messages are ordered; what is missing is zero. `None` where it is no time.
pub(crate) fn seventeen(text: &str) -> Option<String> {
    parse(text)?;
    let body = text.trim().split(['+', '-']).next().unwrap_or_default();
    let (digits, fraction) = body.split_once('.').unwrap_or((body, ""));
    let whole = if digits.len() > 14 { digits.to_owned() } else { format!("{digits:0<14}{fraction}") };
    let cut: String = whole.chars().take(17).collect();
    Some(format!("{cut:0<17}"))
}

impl<'m> Run<'m> {
    pub(super) fn period(
        &mut self,
        start: Option<&Item<'m>>,
        end: Option<&Item<'m>>,
    ) -> Result<Made, &'static str> {
        let mut stamps = [None, None];
        for (slot, item) in stamps.iter_mut().zip([start, end]) {
            let Some(item) = item else { continue };
            let text = item.text();
            if text.is_empty() {
                continue;
            }
            match parse(&text) {
                Some(stamp) => {
                    if stamp.rolled {
                        self.finding(Severity::Warning, "hour-rolled", item.pos());
                    }
                    *slot = Some(stamp);
                }
                None => self.finding(Severity::Warning, "date-invalid", item.pos()),
            }
        }
        // FHIR reads an end that is a day as the end of that day. Beside an end that has a time, zeros are midnight.
        let timed = stamps.iter().flatten().any(|stamp| stamp.time.is_some());
        let texts = stamps.map(|stamp| {
            let stamp = stamp?;
            Some(if timed { stamp.at_the_hour() } else { stamp }.date_time())
        });
        let [start, mut until] = texts;
        // FHIR per-1: a period may not end before it starts. Only what both say is compared.
        if let (Some(a), Some(b)) = (&start, &until) {
            let n = a.len().min(b.len()).min(19);
            if b[..n] < a[..n] {
                let pos = end.map_or(super::super::item::NOWHERE, Item::pos);
                self.finding(Severity::Warning, "period-reversed", pos);
                until = None;
            }
        }
        let period = self.arena.object();
        self.arena.put_text(period, key::START, start.as_deref().unwrap_or_default());
        self.arena.put_text(period, key::END, until.as_deref().unwrap_or_default());
        Ok((!self.arena.is_empty(period)).then_some(("Period", period)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_kept_and_nothing_invalid_comes_out() {
        for (text, expected) in [
            ("1957", Some("1957")),
            ("199601", Some("1996-01")),
            ("19960100", Some("1996-01")),
            ("19570915", Some("1957-09-15")),
            ("1957/09/15", Some("1957-09-15")),
            ("2022092420", Some("2022-09-24T20:00:00+09:00")),
            ("202209242015", Some("2022-09-24T20:15:00+09:00")),
            ("20220924201537", Some("2022-09-24T20:15:37+09:00")),
            ("20220924201908.80", Some("2022-09-24T20:19:08.80+09:00")),
            ("20220924201908123", Some("2022-09-24T20:19:08.123+09:00")),
            ("20220924201908+0000", Some("2022-09-24T20:19:08+00:00")),
            ("20220924000000", Some("2022-09-24")),
            ("202212312500", Some("2023-01-01T01:00:00+09:00")),
            ("20240229", Some("2024-02-29")),
            ("20230229", None),
            ("20221301", None),
            ("202209244800", None),
            ("00000000", None),
            ("2022-9-24", None),
            ("きのう", None),
            ("20220924T10", None),
        ] {
            assert_eq!(parse(text).map(|s| s.date_time()).as_deref(), expected, "{text}");
        }
        assert!(parse("202212312500").unwrap().rolled);
        assert_eq!(parse("20220924").unwrap().instant(), None);
    }

    #[test]
    fn order_times_have_17_digits() {
        assert_eq!(seventeen("20220924201908.80").as_deref(), Some("20220924201908800"));
        assert_eq!(seventeen("20220924").as_deref(), Some("20220924000000000"));
        assert_eq!(seventeen("20220924201908123").as_deref(), Some("20220924201908123"));
        assert_eq!(seventeen("x"), None);
    }
}
