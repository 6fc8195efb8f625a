//! What the path and file name of an SS-MIX2 storage say, and whether the content says the same.
//!
//! Reads names only: no folder is opened here. Guideline: SS-MIX2 Ver. 1.2, standardized storage.

pub mod check;
#[cfg(test)]
mod samples;

use crate::finding::{Finding, Location};

pub use check::check;

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
    /// 発生日時, 17 digits `YYYYMMDDHHMMSSmmm`; a shorter one is filled with zeros.
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
    /// Reads a path with `/` or `\`, relative or absolute, of which the last six parts matter. Folders that
    /// are no 診療日 and データ種別 are not the storage's and say nothing.
    ///
    /// In the extended storage (拡張ストレージ) the seven parts name a folder, its content is `main_document` in it, and
    /// データ種別 is a local code, its standard code or both, with carets.
    ///
    /// # Errors
    /// `not-a-storage-file` where the name has not the shape of one; `storage-name-invalid` where it has
    /// and parts are wrong, one finding a part; `storage-attachment` for what else lies in a content folder.
    pub fn parse(path: &str) -> Result<Self, Vec<Finding>> {
        let mut parts = path.rsplit(['/', '\\']);
        let mut name = parts.next().unwrap_or_default();
        if let Some(folder) = content_folder(path) {
            if !is_main(name) {
                return Err(vec![Finding::error("storage-attachment", Location::at("path"))]);
            }
            parts.next();
            name = folder;
        }
        let name = seven(name);
        let ([patient, date, data_type, order_number, time, department, flag @ ("0" | "1" | "2")], true) =
            (name.as_slice(), name.len() == 7)
        else {
            return Err(vec![Finding::error("not-a-storage-file", Location::at("path"))]);
        };
        let rules = [
            ("patient", !patient.is_empty()),
            ("date", is_date(date)),
            ("data type", is_any_data_type(data_type)),
            ("order number", !order_number.is_empty()),
            ("time", (8..=17).contains(&time.len()) && is_digits(time)),
            ("department", !department.is_empty()),
        ];
        let wrong: Vec<Finding> = rules
            .iter()
            .filter(|(_, right)| !right)
            .map(|(part, _)| Finding::error("storage-name-invalid", Location::at("path")).detail(*part))
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let folders: Vec<&str> = parts.take(5).collect();
        let of_storage =
            matches!(folders[..], [data_type, date, _, ..] if is_any_data_type(data_type) && is_date(date));
        let folder = |n: usize| folders.get(n).map(|folder| (*folder).to_owned());
        Ok(Self {
            patient: (*patient).into(),
            date: (*date).into(),
            data_type: (*data_type).into(),
            order_number: (*order_number).into(),
            time: format!("{time:0<17}"),
            department: (*department).into(),
            flag: flag.chars().next().unwrap_or('1'),
            folders: of_storage.then(|| Some((folder(2)?, folder(1)?, folder(0)?))).flatten(),
            slices: of_storage.then(|| Some((folder(4)?, folder(3)?))).flatten(),
        })
    }

    /// What folders and file name say against each other and the calendar, which needs no content: all
    /// reasons at once.
    pub fn check_path(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (part, right) in [("date", self.date == "-" || is_day(&self.date)), ("time", is_time(&self.time))]
        {
            if !right {
                findings.push(Finding::error("storage-name-invalid", Location::at("path")).detail(part));
            }
        }
        let Some((patient, date, data_type)) = &self.folders else { return findings };
        let parts = [
            ("patient", patient, &self.patient),
            ("date", date, &self.date),
            ("data type", data_type, &self.data_type),
        ];
        for (part, folder, name) in parts {
            if folder != name {
                findings.push(Finding::error("path-name-contradicts", Location::at("path")).detail(part));
            }
        }
        if let Some((first, second)) = &self.slices {
            // Ids of under six characters fill the folders as far as they go.
            let slice = |from: usize| -> String { patient.chars().skip(from).take(3).collect() };
            for (part, folder, expected) in
                [("characters 1-3", first, slice(0)), ("characters 4-6", second, slice(3))]
            {
                if *folder != expected && expected.chars().count() >= 3 {
                    findings.push(Finding::warning("path-slice-differs", Location::at("path")).detail(part));
                }
            }
        }
        findings
    }
}

/// The same path with another flag, which stands at the end of the file's name, or of the content folder's.
pub fn with_flag(path: &str, flag: char) -> String {
    let end = match content_folder(path) {
        Some(folder) => folder.as_ptr() as usize - path.as_ptr() as usize + folder.len(),
        None => path.len(),
    };
    // What has a flag ends with a digit.
    match end.checked_sub(1).and_then(|start| path.get(..start)) {
        Some(start) => format!("{start}{flag}{}", &path[end..]),
        None => path.to_owned(),
    }
}

/// The name that the seven parts stand in: the file's own, or that of the content folder that it lies in.
pub fn name(path: &str) -> &str {
    content_folder(path).unwrap_or_else(|| path.rsplit(['/', '\\']).next().unwrap_or_default())
}

/// The name of the content folder of the extended storage that a path leads into.
fn content_folder(path: &str) -> Option<&str> {
    let mut parts = path.rsplit(['/', '\\']);
    let folder = parts.nth(1)?;
    let name = seven(folder);
    (name.len() == 7 && is_extended(name[2]) && matches!(name[6], "0" | "1" | "2")).then_some(folder)
}

/// Whether a file of a content folder is the content, as a message: documents and pictures are none.
pub(crate) fn is_main(name: &str) -> bool {
    let (stem, kind) = name.split_once('.').unwrap_or((name, ""));
    stem == "main_document"
        && matches!(kind.to_ascii_lowercase().as_str(), "" | "hl7" | "txt" | "dat" | "msg")
}

/// The seven parts of a name; in the extended storage データ種別 and the key behind it may have underscores of their own.
fn seven(name: &str) -> Vec<&str> {
    let all: Vec<&str> = name.split('_').collect();
    if all.len() <= 7 || !name.contains('^') {
        return all;
    }
    let ends = |at: usize| all[..at].iter().map(|part| part.len() + 1).sum::<usize>();
    // Behind the last caret's word the key begins.
    let last = all.iter().rposition(|part| part.contains('^')).unwrap_or(2).clamp(2, all.len() - 5);
    let (kind, key) = (&name[ends(2)..ends(last + 1) - 1], &name[ends(last + 1)..ends(all.len() - 3) - 1]);
    let tail = &all[all.len() - 3..];
    vec![all[0], all[1], kind, key, tail[0], tail[1], tail[2]]
}

/// データ種別 of the extended storage: a local code with its name and system, a standard one, or both.
fn is_extended(text: &str) -> bool {
    text.contains('^') && text.chars().any(|c| c != '^')
}

fn is_any_data_type(text: &str) -> bool {
    is_data_type(text) || is_extended(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The form of 診療日 alone: what has it belongs to the storage, whatever day it names.
fn is_date(text: &str) -> bool {
    text == "-" || text.len() == 8 && is_digits(text)
}

/// A day of the calendar, `YYYYMMDD`.
fn is_day(text: &str) -> bool {
    if text.len() != 8 || !is_digits(text) {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or_default();
    let (year, month, day) = (number(0..4), number(4..6), number(6..8));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day) && year > 0
}

/// Whether 17 digits are a day and a time from 00:00 to 23:59:59.999. Hours of 24 and more occur in messages
/// and not here: the writer of the storage takes 発生日時 from its clock.
fn is_time(text: &str) -> bool {
    if text.len() != 17 || !is_digits(text) {
        return false;
    }
    is_day(&text[..8]) && text[8..10] < *"24" && text[10..12] < *"60" && text[12..14] < *"60"
}

/// `OMP-01`, or `OMD`, which has no number.
fn is_data_type(text: &str) -> bool {
    let (letters, number) = text.split_once('-').unwrap_or((text, "00"));
    letters.len() == 3
        && letters.bytes().all(|b| b.is_ascii_uppercase())
        && number.len() == 2
        && is_digits(number)
}

#[cfg(test)]
mod tests {
    use super::{FileName, with_flag};

    const GOOD: &str = "000/101/0001014360/20210501/OMP-01/0001014360_20210501_OMP-01_000000002988314_20210501040510231_01_1";

    fn codes(path: &str) -> Vec<String> {
        let findings = match FileName::parse(path) {
            Ok(name) => name.check_path(),
            Err(findings) => findings,
        };
        findings.iter().map(|f| format!("{} {}", f.code, f.detail.as_deref().unwrap_or(""))).collect()
    }

    #[test]
    fn parts_and_folders_are_read() {
        for path in
            [GOOD.to_owned(), format!("/srv/store/{GOOD}"), format!(r"\\nas\{}", GOOD.replace('/', "\\"))]
        {
            let name = FileName::parse(&path).unwrap();
            assert_eq!(name.patient, "0001014360");
            assert_eq!(name.date, "20210501");
            assert_eq!(name.data_type, "OMP-01");
            assert_eq!(name.order_number, "000000002988314");
            assert_eq!(name.time, "20210501040510231");
            assert_eq!((name.department.as_str(), name.flag), ("01", '1'));
            assert_eq!(name.folders, Some(("0001014360".into(), "20210501".into(), "OMP-01".into())));
            assert_eq!(name.slices, Some(("000".into(), "101".into())));
            assert!(name.check_path().is_empty());
        }
        let bare = FileName::parse("/tmp/in/9_-_OMD_1_20111013_-_0").unwrap();
        assert_eq!((bare.folders, bare.time.as_str(), bare.flag), (None, "20111013000000000", '0'));
    }

    const VITALS: &str = "000/101/0001014360/20210501/L-OBSERVATIONS^OBSERVATIONS^99ZL01/\
        0001014360_20210501_L-OBSERVATIONS^OBSERVATIONS^99ZL01_K1_20210501040510231_01_1";

    #[test]
    fn the_extended_storage_names_a_folder_and_its_content_is_in_it() {
        for content in ["main_document.hl7", "main_document", "main_document.TXT"] {
            let name = FileName::parse(&format!("/srv/{VITALS}/{content}")).unwrap();
            assert_eq!((name.patient.as_str(), name.order_number.as_str()), ("0001014360", "K1"));
            assert_eq!((name.data_type.as_str(), name.flag), ("L-OBSERVATIONS^OBSERVATIONS^99ZL01", '1'));
            assert_eq!(name.slices, Some(("000".into(), "101".into())));
            assert!(name.check_path().is_empty(), "{:?}", name.check_path());
        }
        let deleted = format!("{}0/main_document.hl7", VITALS.strip_suffix('1').unwrap());
        assert_eq!(FileName::parse(&deleted).unwrap().flag, '0');
        // Underscores in the local code and in the key.
        let kind = "^退院_サマリー^^18842-5^退院時サマリー^LN";
        let path =
            format!("9/20210501/{kind}/9_20210501_{kind}_A_1_2_20210501040510231_-_1/main_document.txt");
        let name = FileName::parse(&path).unwrap();
        assert_eq!((name.data_type.as_str(), name.order_number.as_str()), (kind, "A_1_2"));
        for other in ["picture.jpg", "main_document.xml", "main_document.pdf", "Thumbs.db"] {
            assert_eq!(codes(&format!("{VITALS}/{other}")), ["storage-attachment "], "{other}");
        }
        // Another patient's folder is found as everywhere.
        let odd = format!("{}/main_document.hl7", VITALS.replacen("/0001014360/", "/0001014361/", 1));
        assert_eq!(codes(&odd), ["path-name-contradicts patient"]);
    }

    #[test]
    fn the_flag_is_changed_where_it_stands() {
        assert_eq!(with_flag(GOOD, '0'), format!("{}0", GOOD.strip_suffix('1').unwrap()));
        let changed = with_flag(&format!("{VITALS}/main_document.hl7"), '2');
        assert_eq!(changed, format!("{}2/main_document.hl7", VITALS.strip_suffix('1').unwrap()));
        assert_eq!((with_flag("", '0'), with_flag("あ", '0')), (String::new(), "あ".to_owned()));
    }

    #[test]
    fn what_is_no_storage_file_says_so() {
        for (path, expected) in [
            ("ssmix2-nho/LICENSE.txt", vec!["not-a-storage-file "]),
            ("1_20210501_OMP-01_1_20210501040510231_01_1.tmp", vec!["not-a-storage-file "]),
            ("1_20210501_OMP-01_1_20210501040510231_01_3", vec!["not-a-storage-file "]),
            ("", vec!["not-a-storage-file "]),
            ("_2021_omp_1_x__1", ["patient", "date", "data type", "time", "department"].map(|_| "").to_vec()),
        ] {
            let found = codes(path);
            assert_eq!(found.len(), expected.len(), "{path}");
            if expected[0].is_empty() {
                assert!(found.iter().all(|code| code.starts_with("storage-name-invalid ")), "{found:?}");
            } else {
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_day_or_a_time_that_the_calendar_lacks_is_said() {
        let name = |date: &str, time: &str| format!("1_{date}_OMP-01_1_{time}_01_1");
        for (date, time, expected) in [
            ("20261399", "20260101", &["storage-name-invalid date"][..]),
            ("20260101", "20261399999999999", &["storage-name-invalid time"]),
            ("20260229", "20260229", &["storage-name-invalid date", "storage-name-invalid time"]),
            ("20240229", "20240229235959999", &[]),
            ("19000229", "20260101240000000", &["storage-name-invalid date", "storage-name-invalid time"]),
            ("20000229", "20260101236000000", &["storage-name-invalid time"]),
            ("20260430", "20260101235960000", &["storage-name-invalid time"]),
            ("20260431", "20260100", &["storage-name-invalid date", "storage-name-invalid time"]),
            ("-", "202612312", &[]),
            ("-", "20261231240", &["storage-name-invalid time"]),
        ] {
            assert_eq!(codes(&name(date, time)), expected, "{date} {time}");
        }
        // A folder with such a date is the storage's still, and contradicts the name.
        let odd = GOOD.replacen("/20210501/", "/20211399/", 1);
        assert_eq!(codes(&odd), ["path-name-contradicts date"]);
    }

    #[test]
    fn all_contradictions_of_a_path_are_said_at_once() {
        let odd =
            "000/000/0000001/20000401/ADT-31/9999013_20110630_OMP-11_123456789012345_20110701113813225_01_1";
        let contradicts = |part| format!("path-name-contradicts {part}");
        assert_eq!(codes(odd), [contradicts("patient"), contradicts("date"), contradicts("data type")]);
        let slices = GOOD.replacen("000/101", "001/000", 1);
        assert_eq!(
            codes(&slices),
            ["path-slice-differs characters 1-3", "path-slice-differs characters 4-6"]
        );
        assert!(codes("12//12/-/ADT-00/12_-_ADT-00_999999999999999_20111220224447339_-_1").is_empty());
    }
}
