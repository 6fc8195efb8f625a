//! Pages rendered on the server from templates that are checked when the program is built.

use super::ConsoleState;
use super::qr::Drawn;
use super::request::{Settings, SignedIn, Values};
use super::rights::{Group, ROUTES};
use super::view::Overview;
use super::words::word;
use askama::Template;
use chrono::{DateTime, Datelike, FixedOffset, Timelike};
use renkei_translate::finding::{self, Language};
use renkei_translate::mapping::Rank;

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

pub(super) fn in_japan(ms: i64) -> DateTime<FixedOffset> {
    let zone = FixedOffset::east_opt(JST_SECONDS).expect("nine hours is an offset");
    DateTime::from_timestamp_millis(ms).unwrap_or_default().with_timezone(&zone)
}

/// Who is signed in, as the frame says it.
#[derive(Clone, Debug)]
pub struct Person {
    /// 氏名.
    pub display: String,
    /// Keys of the roles.
    pub roles: Vec<&'static str>,
    /// Choices for the screen.
    pub settings: Settings,
    /// The menu: a heading and its addresses, only what opens.
    pub menu: Vec<(&'static str, Vec<(&'static str, &'static str)>)>,
    csrf: String,
    once: String,
}

impl Person {
    pub(super) fn of(user: &SignedIn) -> Self {
        let entries = |group: Group| -> Vec<_> {
            let open = ROUTES.iter().filter(|route| user.is(route.allow));
            open.filter_map(|route| {
                route.menu.filter(|(of, _)| *of == group).map(|(_, key)| (route.path, key))
            })
            .collect()
        };
        let menu = Group::ALL.into_iter().map(|group| (group.key(), entries(group)));
        Self {
            display: user.display.clone(),
            roles: user.roles.iter().map(|role| role.key()).collect(),
            settings: user.settings.clone(),
            menu: menu.filter(|(_, entries)| !entries.is_empty()).collect(),
            csrf: user.csrf.clone(),
            once: format!("{:032x}", rand::random::<u128>()),
        }
    }
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
    /// The address of the menu that is current.
    pub at: &'static str,
    /// The key of the page's title.
    pub title: &'static str,
    /// Whether a form comes back with a mistake in it.
    pub mistake: bool,
    /// When it was made.
    pub now: Now,
    /// Who is signed in.
    pub person: Option<Person>,
    query: Values,
}

impl Frame {
    /// The frame of a page for nobody yet.
    pub(super) fn new(
        state: &ConsoleState,
        language: Language,
        now_ms: i64,
        at: &'static str,
        title: &'static str,
    ) -> Self {
        Self {
            language,
            network: state.network.clone(),
            demo: state.demo,
            refresh_s: 0,
            at,
            title,
            mistake: false,
            now: Now::new(now_ms),
            person: None,
            query: Values::default(),
        }
    }

    pub(super) fn with_query(self, query: &Values) -> Self {
        Self { query: query.clone(), ..self }
    }

    pub(super) fn with_person(self, person: Person) -> Self {
        Self { person: Some(person), ..self }
    }

    /// The hidden fields of every form: the csrf value, and a key that makes a form sent twice count once.
    /// Plain letters and digits: to be written with `|safe`.
    pub fn hidden(&self) -> String {
        self.person.as_ref().map_or_else(String::new, |person| {
            format!(
                "<input type=\"hidden\" name=\"csrf\" value=\"{}\"><input type=\"hidden\" name=\"once\" value=\"{}\">",
                person.csrf, person.once
            )
        })
    }

    /// Seconds without doing anything after which people are warned.
    pub fn warn_s(&self) -> i64 {
        super::WARN_MS / 1_000
    }

    /// Seconds without doing anything after which the session ends.
    pub fn idle_s(&self) -> i64 {
        super::IDLE_MS / 1_000
    }

    /// The same address in another language.
    pub fn in_language(&self, code: &str) -> String {
        let mut query = self.query.clone();
        query.0.retain(|(key, _)| key != "lang");
        query.0.push(("lang".into(), code.into()));
        format!("?{}", query.encoded())
    }
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
    /// A page of the menu, and the key of its name, where the person may open it.
    pub fn opens(&self, path: &str) -> Option<(&'static str, &'static str)> {
        let entries = self.person.iter().flat_map(|person| &person.menu).flat_map(|(_, entries)| entries);
        entries.copied().find(|(entry, _)| *entry == path)
    }
    /// The word of a breaker's state.
    pub fn breaker(&self, breaker: &str) -> &str {
        self.t(match breaker {
            "closed" => "breaker.closed",
            "open" => "breaker.open",
            _ => "breaker.half-open",
        })
    }
    /// A layer of the mappings as printed.
    pub fn layer(&self, layer: &Rank) -> &str {
        self.t(match layer {
            Rank::Shipped => "layer.standard",
            Rank::Network => "layer.network",
            Rank::Facility => "layer.facility",
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
    /// The reader has stopped the refreshing that there would be.
    pub stopped: bool,
}

/// What is not there, and what one may not see.
#[derive(Template)]
#[template(path = "not-found.html", config = "web/askama.toml")]
pub struct NotFoundPage {
    /// Around it.
    pub frame: Frame,
}

/// What went wrong on our side, or was too large.
#[derive(Template)]
#[template(path = "failure.html", config = "web/askama.toml")]
pub struct FailurePage {
    /// Around it.
    pub frame: Frame,
    /// The key of the sentence.
    pub text: &'static str,
    /// The number to name when asking for help; none where help is not needed.
    pub number: Option<String>,
}

/// A form that was not taken: sent again by hand, with everything that was in it.
#[derive(Template)]
#[template(path = "again.html", config = "web/askama.toml")]
pub struct AgainPage {
    /// Around it.
    pub frame: Frame,
    /// The key of the sentence.
    pub text: &'static str,
    /// Where the form goes.
    pub action: String,
    /// What is in it, secrets left out.
    pub fields: Values,
}

/// ログイン.
#[derive(Template)]
#[template(path = "login.html", config = "web/askama.toml")]
pub struct LoginPage {
    /// Around it.
    pub frame: Frame,
    /// The hidden value of the form.
    pub csrf: String,
    /// The name as typed.
    pub name: String,
    /// Where to go afterwards.
    pub next: String,
    /// The key of what went wrong.
    pub problem: Option<&'static str>,
    /// Seconds that the clock is off, where it is too far.
    pub clock_off_s: Option<i64>,
}

/// 認証コード.
#[derive(Template)]
#[template(path = "totp.html", config = "web/askama.toml")]
pub struct CodePage {
    /// Around it.
    pub frame: Frame,
    /// The hidden value of the form.
    pub csrf: String,
    /// The code itself, in the demonstration.
    pub shown: Option<String>,
    /// Seconds that the clock is off, where it is too far.
    pub clock_off_s: Option<i64>,
}

/// The first sign-in.
#[derive(Template)]
#[template(path = "enroll.html", config = "web/askama.toml")]
pub struct EnrollPage {
    /// Around it.
    pub frame: Frame,
    /// The hidden value of the form.
    pub csrf: String,
    /// Who signs in.
    pub name: String,
    /// Whether a password is chosen.
    pub temporary: bool,
    /// The secret of the second factor, drawn and in letters, where one is set up.
    pub secret: Option<(Drawn, String)>,
    /// The key of what went wrong.
    pub problem: Option<&'static str>,
    /// Seconds that the clock is off, where it is too far.
    pub clock_off_s: Option<i64>,
}

/// 予備コード, shown once.
#[derive(Template)]
#[template(path = "recovery.html", config = "web/askama.toml")]
pub struct RecoveryPage {
    /// Around it.
    pub frame: Frame,
    /// The codes.
    pub codes: Vec<String>,
    /// Where to go afterwards.
    pub next: String,
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
            title: "status",
            mistake: false,
            now: Now::new(1_795_137_840_000),
            person: None,
            query: Values::parse(b"patient=1&lang=ja"),
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
    fn another_language_keeps_the_address() {
        assert_eq!(frame(Language::Ja).in_language("en"), "?patient=1&lang=en");
    }

    #[test]
    fn refreshing_that_was_stopped_can_be_started() {
        let view = Overview {
            now_ms: 1_795_137_840_000,
            day: 20_261_120,
            version: "1",
            mapping_version: "1".into(),
            verdict: crate::console::view::Verdict { level: "ok", key: "verdict.ok", more: Vec::new() },
            total: crate::store::DaySum::default(),
            balanced: true,
            facilities: Vec::new(),
            causes: Vec::new(),
            destinations: Vec::new(),
            mappings: Vec::new(),
            more_mappings: 0,
        };
        for (refresh_s, stopped, stop, start) in
            [(10, false, true, false), (0, true, false, true), (0, false, false, false)]
        {
            let frame = Frame { refresh_s, ..frame(Language::Ja) };
            let html =
                StatusPage { frame, view: view.clone(), stopped }.render().expect("a template renders");
            assert_eq!(html.contains("href=\"?refresh=off\""), stop);
            assert_eq!(html.contains("href=\"?refresh=on\""), start);
            assert_eq!(html.contains("data-refresh"), stop);
        }
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
