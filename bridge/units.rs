//! Sizes and times with their units, as an operator writes them: `"16MiB"`, `"15m"`.
//!
//! A bare number is refused: nobody can tell seconds from milliseconds in one.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Units of size. Powers of 1024 and of 1000 are both written out, so that none is guessed.
const SIZES: [(&str, u64); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Units of time, in milliseconds.
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// Reads a size: `512MiB`.
///
/// # Errors
/// A sentence that names the units.
pub fn parse_size(text: &str) -> Result<u64, String> {
    scaled(text, &SIZES).ok_or_else(|| {
        "a size is a whole number and a unit: B, KiB, MiB, GiB, TiB, kB, MB or GB, such as \"16MiB\"".into()
    })
}

/// Reads a time: `15m`.
///
/// # Errors
/// A sentence that names the units.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    scaled(text, &TIMES)
        .map(Duration::from_millis)
        .ok_or_else(|| "a time is a whole number and a unit: ms, s, m, h or d, such as \"15m\"".into())
}

/// For `#[serde(deserialize_with = "crate::units::size")]` on a `u64`.
///
/// # Errors
/// Where the value is no size.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse_size(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// For `#[serde(deserialize_with = "crate::units::size_usize")]` on a `usize`.
///
/// # Errors
/// Where the value is no size or does not fit.
pub fn size_usize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    usize::try_from(size(deserializer)?).map_err(serde::de::Error::custom)
}

/// For `#[serde(deserialize_with = "crate::units::duration")]` on a [`Duration`].
///
/// # Errors
/// Where the value is no time.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// For `#[serde(default, deserialize_with = "crate::units::duration_option")]` on an `Option<Duration>`.
///
/// # Errors
/// Where the value is no time.
pub fn duration_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::{parse_duration, parse_size};
    use std::time::Duration;

    #[test]
    fn sizes_carry_units() {
        assert_eq!(parse_size("16MiB"), Ok(16 << 20));
        assert_eq!(parse_size("2 GiB"), Ok(2 << 30));
        assert_eq!(parse_size("5MB"), Ok(5_000_000));
        for bad in ["16", "", "MiB", "1.5GiB", "-1B", "16mib", "99999999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_carry_units() {
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["15", "m", "1.5s", "2w"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
