//! Days as people type them: `2026-11-20`, `2026/11/20`, `20261120`, `R8.11.20`, `令和8年11月20日`, also in full width.

use chrono::{Datelike, NaiveDate};

/// Japan is nine hours ahead and has no daylight saving time.
const JST_MS: i64 = 9 * 3_600_000;
/// The first year of 令和 less one.
const REIWA: i32 = 2018;

/// The day that was typed; `None` where it is no day.
pub fn parse(typed: &str) -> Option<NaiveDate> {
    let text: String = super::reading::tidy(typed)
        .chars()
        .map(|c| if matches!(c, '/' | '.' | '年' | '月') { '-' } else { c })
        .filter(|c| *c != '日')
        .collect();
    let (text, before) = match text.strip_prefix(['R', 'r']).or_else(|| text.strip_prefix("令和")) {
        Some(rest) => (rest, REIWA),
        None => (text.as_str(), 0),
    };
    let parts: Vec<&str> = text.split('-').collect();
    let (year, month, day) = match parts[..] {
        ["元", month, day] if before > 0 => ("1", month, day),
        [year, month, day] => (year, month, day),
        [whole] if whole.len() == 8 && whole.is_ascii() && before == 0 => {
            (&whole[..4], &whole[4..6], &whole[6..])
        }
        _ => return None,
    };
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let year = i32::try_from(number(year)?).ok()?.checked_add(before)?;
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?).filter(|_| (1900..10_000).contains(&year))
}

/// The same as `YYYYMMDD`.
pub fn read(typed: &str) -> Option<u32> {
    let date = parse(typed)?;
    Some(u32::try_from(date.year()).ok()? * 10_000 + date.month() * 100 + date.day())
}

/// The first moment of a day in Japan, in milliseconds since 1970.
pub fn start_ms(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis() - JST_MS
}

/// `2026-11-20`; nothing for none.
pub fn written(day: Option<u32>) -> String {
    day.map(|day| format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{parse, read, start_ms, written};

    #[test]
    fn days_are_read_in_the_ways_in_which_they_are_typed() {
        let check = |typed: &str, day: Option<u32>| assert_eq!(read(typed), day, "{typed}");
        check("2026-11-20", Some(20_261_120));
        check("2026/11/2", Some(20_261_102));
        check("20261120", Some(20_261_120));
        check("R8.11.20", Some(20_261_120));
        check("令和8年11月20日", Some(20_261_120));
        check("令和元年5月1日", Some(20_190_501));
        check(" 2026/11/20 ", Some(20_261_120));
        check("２０２６－１１－２０", Some(20_261_120));
        check("2026-02-30", None);
        check("yesterday", None);
        check("", None);
        check("99999-1-1", None);
        check("R2147483647.1.1", None);
        check("26-11-20", None);
        check("2026-11-20-1", None);
        assert_eq!(written(Some(20_261_102)), "2026-11-02");
    }

    #[test]
    fn a_day_begins_at_midnight_in_japan() {
        // 2026-11-19T15:00:00Z
        assert_eq!(start_ms(parse("2026-11-20").unwrap()), 1_795_100_400_000);
    }
}
