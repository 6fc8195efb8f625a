//! The journal: bytes as received, one segment a day.

use super::Origin;
use renkei_translate::ssmix2::FileName;
use renkei_translate::translation::{Lists, PathPatient};

/// [`Origin`] as written in the journal. Short keys: it is written once a message.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct OriginRow {
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    file: Option<FileName>,
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    path_warns: bool,
    #[serde(rename = "i", default, skip_serializing_if = "std::ops::Not::not")]
    incremental: bool,
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    source: String,
}

impl From<Origin> for OriginRow {
    fn from(origin: Origin) -> Self {
        Self {
            file: origin.file,
            path_warns: origin.path_patient == PathPatient::Warn,
            incremental: origin.lists == Lists::Incremental,
            source: origin.source,
        }
    }
}

impl From<OriginRow> for Origin {
    fn from(row: OriginRow) -> Self {
        Self {
            file: row.file,
            path_patient: if row.path_warns { PathPatient::Warn } else { PathPatient::Error },
            lists: if row.incremental { Lists::Incremental } else { Lists::Whole },
            source: row.source,
        }
    }
}
