//! Times at which something is done, as an operator writes them: five fields of cron, in Japan's time.
//!
//! `minute hour day-of-month month weekday`, as in crontab, with one difference that is refused instead of guessed:
//! weekdays are names (`MON`, `SAT,SUN`, `MON-FRI`). Numbers mean other days in other programs. Where both a
//! day of the month and a weekday are named, both must be so. Knows no clock.

use chrono::{TimeZone, Utc};
use chrono_tz::Asia::Tokyo;
use std::str::FromStr;

/// Times of day, week or month.
#[derive(Clone, Debug)]
pub struct Times {
    written: String,
    schedule: cron::Schedule,
}

impl PartialEq for Times {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Times {}

impl Times {
    /// The first time after that one, both in milliseconds since 1970; `None` where there is none any more.
    pub fn after(&self, ms: i64) -> Option<i64> {
        let at = Utc.timestamp_millis_opt(ms).single()?.with_timezone(&Tokyo);
        Some(self.schedule.after(&at).next()?.timestamp_millis())
    }
}

/// The fields: what each is called, and what stands in it.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12"),
    ("weekday", "MON, TUE, WED, THU, FRI, SAT or SUN"),
];

/// Which field keeps a schedule from being read.
fn unreadable(written: [&str; 5]) -> String {
    for (at, (field, (name, range))) in written.into_iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; 5];
        alone[at] = field;
        if cron::Schedule::from_str(&format!("0 {}", alone.join(" "))).is_err() {
            return format!("a schedule cannot be read: \"{field}\" is no {name}, which is {range}");
        }
    }
    format!("a schedule cannot be read: \"{}\"", written.join(" "))
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(
                "a schedule has five fields, minute, hour, day of the month, month and weekday, such as \
                        \"30 1 * * *\" or \"0 3 * * SUN\""
                    .into(),
            );
        };
        if weekday.chars().any(|c| c.is_ascii_digit()) {
            return Err(
                "weekdays are written by name in a schedule, MON, TUE, WED, THU, FRI, SAT, SUN: numbers \
                        mean other days in other programs"
                    .into(),
            );
        }
        // The crate wants seconds first.
        let seconds = format!("0 {minute} {hour} {day} {month} {weekday}");
        let schedule = cron::Schedule::from_str(&seconds)
            .map_err(|_| unreadable([minute, hour, day, month, weekday]))?;
        Ok(Self { written: fields.join(" "), schedule })
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

impl<'de> serde::Deserialize<'de> for Times {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time in Japan, written out.
    fn at(text: &str) -> i64 {
        let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        Tokyo.from_local_datetime(&naive).unwrap().timestamp_millis()
    }

    fn check(times: &str, after: &str, expected: &str) {
        let times: Times = times.parse().unwrap();
        assert_eq!(times.after(at(after)), Some(at(expected)), "{times} after {after}");
    }

    #[test]
    fn the_next_time_is_found_in_japans_time() {
        check("30 1 * * *", "2026-04-01 01:29:59", "2026-04-01 01:30:00");
        check("30 1 * * *", "2026-04-01 01:30:00", "2026-04-02 01:30:00");
        check("*/15 8-18 * * *", "2026-04-01 18:45:00", "2026-04-02 08:00:00");
        check("0 0 1 * *", "2026-12-15 12:00:00", "2027-01-01 00:00:00");
        // 2026-04-01 is a Wednesday.
        check("0 3 * * WED", "2026-04-01 00:00:00", "2026-04-01 03:00:00");
        check("0 3 * * sun", "2026-04-01 00:00:00", "2026-04-05 03:00:00");
        check("0 3 * * MON-FRI", "2026-04-03 12:00:00", "2026-04-06 03:00:00");
        check("0 3 * * SAT,SUN", "2026-04-01 12:00:00", "2026-04-04 03:00:00");
    }

    #[test]
    fn every_weekday_is_the_one_that_it_is_called() {
        for (day, name) in ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"].into_iter().enumerate() {
            // 2026-06-01 is a Monday.
            check(
                &format!("0 3 * * {name}"),
                "2026-05-31 23:59:59",
                &format!("2026-06-{:02} 03:00:00", day + 1),
            );
        }
    }

    #[test]
    fn numbers_for_weekdays_are_refused_in_words() {
        for text in ["0 3 * * 0", "0 3 * * 1-5", "0 3 * * MON,3", "0 3 * * */2"] {
            assert!(Times::from_str(text).unwrap_err().contains("by name"), "{text}");
        }
        for text in ["", "3", "0 3 * *", "0 0 3 * * MON", "@daily"] {
            assert!(Times::from_str(text).unwrap_err().contains("five fields"), "{text}");
        }
        for text in ["60 3 * * *", "0 24 * * *", "0 3 * 13 *", "0 3 * * MOO", "x 3 * * *"] {
            assert!(Times::from_str(text).unwrap_err().contains("cannot be read"), "{text}");
        }
        for (text, said) in [
            ("30 25 * * *", "\"25\" is no hour, which is 0 to 23"),
            ("0 2 * * MON-SA", "\"MON-SA\" is no weekday"),
            ("0 2 32 * *", "\"32\" is no day of the month"),
        ] {
            assert!(Times::from_str(text).unwrap_err().contains(said), "{text}");
        }
    }
}
