//! Pages rendered on the server from templates that are checked when the program is built.

use super::view::Overview;
use super::words::word;
use askama::Template;
use chrono::{DateTime, Datelike, FixedOffset, Timelike};
use renkei_translate::finding::{self, Language};

/// Seconds east of Greenwich: Japan has one zone and no daylight saving time.
const JST_SECONDS: i32 = 9 * 3600;

/// A moment as the frame shows it.
#[derive(Clone, Debug)]
pub struct Now {
    at: DateTime<FixedOffset>,
    /// `2026-11-20T10:24:00+09:00`.
    pub iso: String,
    /// `10:24:00`.
    pub clock: String,
}

impl Now {
    /// A moment in milliseconds of Unix time.
    pub fn new(now_ms: i64) -> Self {
        let at = in_japan(now_ms);
        Self {
            at,
            iso: at.format("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            clock: at.format("%H:%M:%S").to_string(),
        }
    }
}

fn in_japan(ms: i64) -> DateTime<FixedOffset> {
    let zone = FixedOffset::east_opt(JST_SECONDS).expect("nine hours is an offset");
    DateTime::from_timestamp_millis(ms).unwrap_or_default().with_timezone(&zone)
}

/// What every page has around it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The language of the page.
    pub language: Language,
    /// The network's name.
    pub network: String,
    /// Whether this is the demonstration.
    pub demo: bool,
    /// Seconds between refreshes; 0 = none.
    pub refresh_s: u32,
    /// The path of the page.
    pub at: &'static str,
    /// When it was made.
    pub now: Now,
}

impl Frame {
    /// The words of a key.
    pub fn t<'a>(&self, key: &'a str) -> &'a str {
        word(key, self.language)
    }
    /// Whether the page is in Japanese.
    pub fn is_ja(&self) -> bool {
        self.language == Language::Ja
    }
    /// Production or demonstration.
    pub fn environment(&self) -> &str {
        self.t(if self.demo { "env.demo" } else { "env.production" })
    }
    /// `2026年11月20日(金) 10:24` or `Fri 20 Nov 2026 10:24`.
    pub fn now_prose(&self) -> String {
        let at = &self.now.at;
        if self.is_ja() {
            let weekday =
                ["日", "月", "火", "水", "木", "金", "土"][at.weekday().num_days_from_sunday() as usize];
            format!(
                "{}年{}月{}日({weekday}) {}:{:02}",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute()
            )
        } else {
            at.format("%a %-d %b %Y %H:%M").to_string()
        }
    }
    /// A count with separators: `128,431`.
    pub fn n(&self, count: &u64) -> String {
        let digits = count.to_string();
        let mut out = String::with_capacity(digits.len() + digits.len() / 3);
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    }
    /// A time of today as `10:24:00`, of another day as `2026-11-20 10:24:00`, none as a dash.
    pub fn time(&self, ms: &Option<i64>) -> String {
        ms.map_or_else(|| self.t("unknown").to_owned(), |ms| self.time_at(&ms))
    }
    /// The same for a time that is always there.
    pub fn time_at(&self, ms: &i64) -> String {
        let at = in_japan(*ms);
        if at.date_naive() == self.now.at.date_naive() {
            at.format("%H:%M:%S").to_string()
        } else {
            at.format("%Y-%m-%d %H:%M:%S").to_string()
        }
    }
    /// The word of a level.
    pub fn level(&self, level: &str) -> &str {
        self.t(match level {
            "ok" => "state.ok",
            "warn" => "state.warn",
            "bad" => "state.bad",
            _ => "state.none",
        })
    }
    /// The word of a breaker's state.
    pub fn breaker(&self, breaker: &str) -> &str {
        self.t(match breaker {
            "closed" => "breaker.closed",
            "open" => "breaker.open",
            _ => "breaker.half-open",
        })
    }
    /// The sentence of a finding; its code where the mapping set made the code itself.
    pub fn sentence<'a>(&self, code: &'a str) -> &'a str {
        finding::sentence(code, self.language).unwrap_or(code)
    }
}

/// 状況.
#[derive(Template)]
#[template(path = "status.html", config = "web/askama.toml")]
pub struct StatusPage {
    /// Around it.
    pub frame: Frame,
    /// In it.
    pub view: Overview,
}

/// What is not there, and what one may not see.
#[derive(Template)]
#[template(path = "not-found.html", config = "web/askama.toml")]
pub struct NotFoundPage {
    /// Around it.
    pub frame: Frame,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(language: Language) -> Frame {
        // 2026-11-20T01:24:00Z, a Friday.
        Frame {
            language,
            network: "N".into(),
            demo: true,
            refresh_s: 0,
            at: "/",
            now: Now::new(1_795_137_840_000),
        }
    }

    #[test]
    fn counts_and_times_are_printed_as_the_design_says() {
        let ja = frame(Language::Ja);
        assert_eq!(ja.n(&0), "0");
        assert_eq!(ja.n(&999), "999");
        assert_eq!(ja.n(&128_431), "128,431");
        assert_eq!(ja.now_prose(), "2026年11月20日(金) 10:24");
        assert_eq!(frame(Language::En).now_prose(), "Fri 20 Nov 2026 10:24");
        assert_eq!(ja.time_at(&1_795_137_840_000), "10:24:00");
        assert_eq!(ja.time_at(&(1_795_137_840_000 - 86_400_000)), "2026-11-19 10:24:00");
        assert_eq!(ja.time(&None), "—");
    }

    #[test]
    fn a_page_says_its_language_and_escapes_names() {
        let mut frame = frame(Language::En);
        frame.network = "<script>alert(1)</script>".into();
        let html = NotFoundPage { frame }.render().expect("a template renders");
        assert!(html.contains("<html lang=\"en\">"));
        assert!(!html.contains("<script>alert"));
    }
}
