//! `[schedule]`: what the appliance does by itself, and when.

use crate::calendar::Times;

/// `[schedule]`. Times are those of [`Times`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Sums of all days and certificates are looked at.
    pub reconcile: Times,
    /// A backup is made, where `[backup]` says where to.
    pub backup: Times,
    /// What is past its retention is dropped.
    pub retention: Times,
}

impl Default for Schedule {
    fn default() -> Self {
        let times = |text: &str| text.parse().expect("the standard times can be read");
        // After midnight's last messages; the backup before what it holds may be dropped.
        Self { reconcile: times("10 0 * * *"), backup: times("30 1 * * *"), retention: times("0 4 * * *") }
    }
}
