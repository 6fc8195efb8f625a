//! When to try again: exponential backoff with full jitter, unless the base says when.

use chrono::{DateTime, Utc};
use std::time::Duration;

/// Longest wait that a `Retry-After` is believed. A base that says a year has a wrong clock.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// The wait before attempt `attempts` + 1: drawn from nothing to `min · 2^attempts`, at most `max`
/// ("full jitter": those that failed together do not come back together). `fraction` is from 0 to 1.
pub fn backoff(min: Duration, max: Duration, attempts: u32, fraction: f64) -> Duration {
    let ceiling = min.saturating_mul(1 << attempts.min(20)).min(max);
    ceiling.mul_f64(fraction.clamp(0.0, 1.0))
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or an HTTP date in one of its three forms.
pub fn retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 has is more than the longest wait.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let wait_ms = http_date(value)?.timestamp_millis().saturating_sub(now_ms);
        Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// RFC 9110, 5.6.7: IMF-fixdate, RFC 850 and asctime.
fn http_date(value: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = DateTime::parse_from_rfc2822(value) {
        return Some(date.to_utc());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| chrono::NaiveDateTime::parse_from_str(value, form).ok())
        .map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_drawn_from_nothing() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let at = |attempts, fraction| backoff(min, max, attempts, fraction).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 7, 1_000].map(|attempts| at(attempts, 1.0)), [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!([0.0, 0.25, 0.5].map(|fraction| at(3, fraction)), [0, 2, 4]);
    }

    #[test]
    fn retry_after_in_every_form() {
        // 1994-11-06T08:49:37Z, the example of RFC 9110.
        let now_ms = 784_111_777_000 - 90_000;
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(retry_after(value, now_ms).map(|wait| wait.as_secs()), expected, "{value}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(90));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(90));
        check("Sun Nov  6 08:49:37 1994", Some(90));
        check("Sun, 06 Nov 1993 08:49:37 GMT", None);
        check("Sat, 06 Nov 1993 08:49:37 GMT", Some(0));
        check("99999999999999999999999", Some(RETRY_AFTER_MAX.as_secs()));
        for nonsense in ["", "soon", "-5", "1.5"] {
            check(nonsense, None);
        }
    }
}
