//! What the path and file name of an SS-MIX2 storage say.

/// The seven parts of a file name, and what the folders above it say. Stub: completed by the module's owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileName {
    /// 患者ID.
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
    /// コンディションフラグ.
    pub flag: char,
    /// 患者ID, 診療日 and データ種別 of the folders, where the path has them.
    pub folders: Option<(String, String, String)>,
}
