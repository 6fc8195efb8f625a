//! Days as people type them.

use chrono::NaiveDate;

/// Japan is nine hours ahead and has no daylight saving time.
const JST_MS: i64 = 9 * 3_600_000;
/// The year before 令和1年.
const REIWA: i32 = 2018;

/// A day typed as `2026-11-20`, `2026/11/20`, `20261120`, `R8.11.20` or `令和8年11月20日`, also in full width.
pub fn parse(text: &str) -> Option<NaiveDate> {
    let narrow: String = text
        .trim()
        .chars()
        .map(|c| {
            char::from_u32(u32::from(c).wrapping_sub(0xfee0)).filter(char::is_ascii_graphic).unwrap_or(c)
        })
        .collect();
    let (rest, offset) = match narrow.strip_prefix(['R', 'r']).or_else(|| narrow.strip_prefix("令和")) {
        Some(rest) => (rest, REIWA),
        None => (narrow.as_str(), 0),
    };
    if offset == 0 && rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return NaiveDate::parse_from_str(rest, "%Y%m%d").ok();
    }
    let numbers = rest.trim_end_matches('日').replace("元年", "1年");
    let mut parts =
        numbers.split(['-', '/', '.', '年', '月', '‐', '－']).map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || (offset == 0 && year < 1_900) {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()? + offset, month, day)
}

/// The first moment of a day in Japan, in milliseconds since 1970.
pub fn start_ms(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis() - JST_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_however_it_is_typed() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 20);
        for text in [
            "2026-11-20",
            "2026/11/20",
            "20261120",
            "R8.11.20",
            "令和8年11月20日",
            "２０２６－１１－２０",
            " 2026/11/20 ",
        ] {
            assert_eq!(parse(text), day, "{text}");
        }
        assert_eq!(parse("令和元年5月1日"), NaiveDate::from_ymd_opt(2019, 5, 1));
        for wrong in ["2026-02-30", "2026-13-01", "26-11-20", "tomorrow", "", "2026-11-20-1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_in_japan() {
        // 2026-11-19T15:00:00Z
        assert_eq!(start_ms(NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()), 1_795_100_400_000);
    }
}
