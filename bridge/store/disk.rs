//! Room on the disk: a soft limit that warns and a hard limit that refuses input, both lifting by themselves.

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Under so many free bytes the appliance warns: `"2GiB"`.
    #[serde(deserialize_with = "size")]
    pub soft_free: u64,
    /// Under so many free bytes input is refused while sending goes on: `"512MiB"`.
    #[serde(deserialize_with = "size")]
    pub hard_free: u64,
    /// How long the received bytes are kept once everything of their day is settled: `"90d"`. At least
    /// [`RETENTION_MIN`].
    #[serde(deserialize_with = "retention")]
    pub retention: std::time::Duration,
    /// The secret of ids, where it does not lie in the data directory.
    pub identity_key: Option<std::path::PathBuf>,
}

/// The shortest retention: every window in which a message counts as a duplicate is shorter.
pub const RETENTION_MIN: std::time::Duration = std::time::Duration::from_secs(40 * 86_400);

/// The retention where none is set.
const RETENTION: std::time::Duration = std::time::Duration::from_secs(90 * 86_400);

impl Default for Config {
    fn default() -> Self {
        Self { soft_free: 2 << 30, hard_free: 512 << 20, retention: RETENTION, identity_key: None }
    }
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    parse_size(&text)
        .ok_or_else(|| serde::de::Error::custom("a size with its unit is wanted, such as \"512MiB\""))
}

fn retention<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<std::time::Duration, D::Error> {
    let retention = crate::units::duration(deserializer)?;
    if retention < RETENTION_MIN {
        return Err(serde::de::Error::custom("a time of at least \"40d\" is wanted for the retention"));
    }
    Ok(retention)
}

/// A size with its unit: `B`, `KiB`, `MiB`, `GiB`, `TiB`.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let shift = match text[digits..].trim() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// How full the disk of a facility is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Disk {
    /// Bytes free.
    pub free_bytes: u64,
    /// Under the soft limit: people should look.
    pub low: bool,
    /// Under the hard limit: input is refused.
    pub full: bool,
}

impl Config {
    /// How full the file system of that directory is. One that cannot be asked counts as having room: the
    /// write itself will tell.
    pub fn look(&self, dir: &std::path::Path) -> Disk {
        let free_bytes = rustix::fs::statvfs(dir).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize));
        Disk { free_bytes, low: free_bytes < self.soft_free, full: free_bytes < self.hard_free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_carry_their_unit() {
        assert_eq!(parse_size("2GiB"), Some(2 << 30));
        assert_eq!(parse_size("512 MiB"), Some(512 << 20));
        assert_eq!(parse_size("0B"), Some(0));
        assert_eq!(parse_size("512"), None);
        assert_eq!(parse_size("1GB"), None);
    }

    #[test]
    fn limits_are_those_of_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        let room = Config { soft_free: 0, hard_free: 0, ..Config::default() }.look(dir.path());
        assert!(room.free_bytes > 0 && !room.low && !room.full);
        let none = Config { soft_free: u64::MAX, hard_free: u64::MAX, ..Config::default() }.look(dir.path());
        assert!(none.low && none.full);
    }
}
