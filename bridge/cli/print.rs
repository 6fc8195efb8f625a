//! Findings as lines of JSON and as lines for people.

use renkei_translate::finding::{Finding, Language, Severity, sentence};
use serde::Serialize;

/// A finding with its sentences, as `translate` and `message show` print it.
#[derive(Debug, Serialize)]
pub(super) struct Printed<'f> {
    code: &'f str,
    severity: Severity,
    #[serde(skip_serializing_if = "str::is_empty")]
    position: &'f str,
    #[serde(skip_serializing_if = "str::is_empty")]
    rule: &'f str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'f str>,
    /// `null` where a mapping rule made the code up and no catalogue knows it.
    ja: Option<&'static str>,
    en: Option<&'static str>,
}

impl<'f> From<&'f Finding> for Printed<'f> {
    fn from(finding: &'f Finding) -> Self {
        Self {
            code: &finding.code,
            severity: finding.severity,
            position: &finding.location.position,
            rule: &finding.location.rule,
            path: &finding.location.path,
            detail: finding.detail.as_deref(),
            ja: sentence(&finding.code, Language::Ja),
            en: sentence(&finding.code, Language::En),
        }
    }
}

/// Prints a line on standard output. An error (the reader has gone, as `head` does) is returned from the
/// function around it, where `println!` would panic.
macro_rules! say {
    () => { say!("") };
    ($($line:tt)*) => {
        ::std::io::Write::write_fmt(&mut ::std::io::stdout(), format_args!("{}\n", format_args!($($line)*)))?
    };
}
pub(super) use say;

/// Both sentences of a code; the code itself where no catalogue knows it.
pub(super) fn sentences(code: &str) -> (&str, &str) {
    (sentence(code, Language::Ja).unwrap_or(code), sentence(code, Language::En).unwrap_or(code))
}

/// A time in Japan as people read it.
pub(super) fn time(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map_or_else(
        || "-".to_owned(),
        |time| time.with_timezone(&chrono_tz::Asia::Tokyo).format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
