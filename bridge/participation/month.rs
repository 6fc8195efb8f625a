//! Months and days of the calendar in Japan, in 西暦 and 和暦.

use chrono::{Datelike, Days, Months, NaiveDate};
use renkei_translate::finding::Language;

/// First days of the eras that a report can meet, newest first.
const ERAS: [(u32, &str, &str); 3] =
    [(20_190_501, "令和", "Reiwa"), (19_890_108, "平成", "Heisei"), (19_261_225, "昭和", "Showa")];

fn date(day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(i32::try_from(day / 10_000).ok()?, day / 100 % 100, day % 100)
}

fn number(date: NaiveDate) -> u32 {
    u32::try_from(date.year()).unwrap_or_default() * 10_000 + date.month() * 100 + date.day()
}

/// Era and year in it: 令和 8; the year as it is before 1926.
fn era(day: u32, language: Language) -> String {
    let year = day / 10_000;
    let Some((first, ja, en)) = ERAS.iter().find(|(first, ..)| *first <= day) else {
        return year.to_string();
    };
    let of_era = year - first / 10_000 + 1;
    match (language, of_era) {
        (Language::Ja, 1) => format!("{ja}元年"),
        (Language::Ja, _) => format!("{ja}{of_era}年"),
        (Language::En, _) => format!("{en} {of_era}"),
    }
}

/// A day, `YYYYMMDD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// The day of that number, where there is one.
    pub fn of(number: u32) -> Option<Self> {
        date(number).map(|_| Self(number))
    }

    /// The day of a time in milliseconds since 1970, in Japan.
    pub fn today(now_ms: i64) -> Option<Self> {
        let now = chrono::DateTime::from_timestamp_millis(now_ms)?.with_timezone(&chrono_tz::Asia::Tokyo);
        Some(Self(number(now.date_naive())))
    }

    /// `20260401`.
    pub fn number(self) -> u32 {
        self.0
    }

    /// So many days earlier.
    #[must_use]
    pub fn back(self, days: u64) -> Self {
        let earlier = date(self.0).and_then(|date| date.checked_sub_days(Days::new(days)));
        earlier.map_or(self, |date| Self(number(date)))
    }

    /// 令和8年4月1日, or Reiwa 8-04-01.
    pub fn era(self, language: Language) -> String {
        let (month, day) = (self.0 / 100 % 100, self.0 % 100);
        match language {
            Language::Ja => format!("{}{month}月{day}日", era(self.0, language)),
            Language::En => format!("{}-{month:02}-{day:02}", era(self.0, language)),
        }
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl std::str::FromStr for Day {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
        read.map(|date| Self(number(date))).ok_or_else(|| "a day is written \"2026-04-01\"".into())
    }
}

impl<'de> serde::Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A month, from its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(NaiveDate);

impl Month {
    /// The month of a day.
    pub fn of(day: Day) -> Self {
        Self(date(day.0).and_then(|date| date.with_day(1)).unwrap_or_default())
    }

    /// So many months earlier.
    #[must_use]
    pub fn back(self, months: u32) -> Self {
        Self(self.0.checked_sub_months(Months::new(months)).unwrap_or(self.0))
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    /// `20261001`.
    pub fn first_day(self) -> u32 {
        number(self.0)
    }

    /// `20261031`.
    pub fn last_day(self) -> u32 {
        Day(self.next().first_day()).back(1).number()
    }

    /// Whether it is over on a day.
    pub fn is_over(self, today: Day) -> bool {
        self.last_day() < today.number()
    }

    /// 令和8年10月, or Reiwa 8-10. Named after its last day: May 2019 is 令和元年5月.
    pub fn era(self, language: Language) -> String {
        match language {
            Language::Ja => format!("{}{}月", era(self.last_day(), language), self.0.month()),
            Language::En => format!("{}-{:02}", era(self.last_day(), language), self.0.month()),
        }
    }

    /// 2026年10月, or 2026-10.
    pub fn prose(self, language: Language) -> String {
        match language {
            Language::Ja => format!("{}年{}月", self.0.year(), self.0.month()),
            Language::En => self.to_string(),
        }
    }

    /// The number of the month in its year.
    pub fn number(self) -> u32 {
        self.0.month()
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl std::str::FromStr for Month {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = (text.len() == 7).then(|| format!("{text}-01").parse::<Day>().ok()).flatten();
        // Activity is reckoned 730 days back: earlier months cannot be of this appliance.
        read.filter(|day| day.number() >= 20_000_101)
            .map(Self::of)
            .ok_or_else(|| "a month is written 2026-10".into())
    }
}

impl serde::Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Day, Month};
    use renkei_translate::finding::Language::{En, Ja};

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn months_have_their_days() {
        assert_eq!((month("2026-10").first_day(), month("2026-10").last_day()), (20_261_001, 20_261_031));
        assert_eq!(month("2028-02").last_day(), 20_280_229);
        assert_eq!(month("2026-01").back(11).to_string(), "2025-02");
        assert_eq!(month("2025-12").next().to_string(), "2026-01");
        for bad in ["2026-13", "2026-1", "202610", "", "2026-10-01", "1999-12", "二〇二六"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_month_is_over_on_the_day_after_its_last() {
        let october = month("2026-10");
        assert!(!october.is_over(Day::of(20_261_031).unwrap()));
        assert!(october.is_over(Day::of(20_261_101).unwrap()));
    }

    #[test]
    fn eras_begin_on_their_day() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert_eq!(day("2019-04-30").era(Ja), "平成31年4月30日");
        assert_eq!(day("2019-05-01").era(Ja), "令和元年5月1日");
        assert_eq!(day("2019-05-01").era(En), "Reiwa 1-05-01");
        assert_eq!(month("2026-10").era(Ja), "令和8年10月");
        assert_eq!(month("2019-04").era(Ja), "平成31年4月");
        assert_eq!(month("2019-05").era(En), "Reiwa 1-05");
        assert_eq!(month("2026-10").prose(Ja), "2026年10月");
    }

    #[test]
    fn days_are_counted_back_over_months() {
        assert_eq!(Day::of(20_260_301).unwrap().back(1), Day::of(20_260_228).unwrap());
        assert_eq!(Day::of(20_260_230), None);
        assert!("2026-4-1".parse::<Day>().is_err());
    }
}
