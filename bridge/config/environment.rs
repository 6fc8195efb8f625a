//! What a configuration names outside itself: directories, storages, certificates, tables of 外字.
//!
//! Looks and changes nothing, but for a file of no length made and removed to see whether the data directory
//! can be written.

use super::problem::{Problem, Weight};
use super::{Config, certificate};
use crate::console::CERTIFICATE_WARNING_DAYS;
use crate::intake::Kind;
use crate::participation::{Denominators, DenominatorsError, RowProblem};
use crate::store::{BackupKey, SealError};
use renkei_translate::charset::{GaijiTable, gaiji_code};
use std::path::{Path, PathBuf};

/// What is wrong with what the configuration names, as a start needs it. `now` in seconds since 1970. A certificate
/// that has expired is a warning: one destination fails, and input is taken all the same.
pub fn environment(config: &Config, now: i64) -> Vec<Problem> {
    let mut look = Look::new(config, now, Weight::Warning);
    look.all();
    look.found()
}

/// Folder feeds whose layout is not among those `known` for the feed's facility: nothing would ever be taken of them.
pub fn layouts(config: &Config, known: impl Fn(&str) -> Vec<String>) -> Vec<Problem> {
    let mut look = Look::new(config, 0, Weight::Warning);
    for (index, feed) in config.feeds.iter().enumerate() {
        let Kind::Folder(folder) = &feed.kind else { continue };
        let known = known(&feed.facility);
        if !known.contains(&folder.layout) {
            let (layout, known) = (&folder.layout, known.join(", "));
            look.error(
                ("feed", Some(index), "layout"),
                format!("{layout} というレイアウトはマッピングにありません。あるのは {known} です。"),
                format!("The mappings have no layout {layout}. Known are: {known}."),
            );
        }
    }
    look.found()
}

/// What is wrong with the key of the backups: none would be made. Input is taken all the same.
pub fn backup_key(config: &Config) -> Vec<Problem> {
    let mut look = Look::new(config, 0, Weight::Warning);
    if let Some(path) = &config.backup.key
        && let Err(error) = BackupKey::read(path)
    {
        let shown = path.display();
        let (ja, en) = match error {
            SealError::Io(error) => (format!("読めません（{error}）"), format!("cannot be read ({error})")),
            _ => ("64桁の16進数ではありません".to_owned(), "is not 64 hexadecimal digits".to_owned()),
        };
        look.error(
            ("backup", None, "key"),
            format!("バックアップの鍵 {shown} は{ja}。バックアップは取れません。パスと、実行する利用者が読めるかを確かめ、鍵がまだなければ openssl rand -hex 32 で作ってください。"),
            format!("The backup key {shown} {en}: no backup can be made. Check its path and that the service's user may read it; where there is none yet, make one with openssl rand -hex 32."),
        );
    }
    look.found()
}

/// Folders of mappings that are not there: no set can be made without them.
pub fn folders(config: &Config) -> Vec<Problem> {
    let mut look = Look::new(config, 0, Weight::Warning);
    let mut named: Vec<(Setting<'_>, &Path)> = Vec::new();
    for (key, path) in [("shipped", &config.mappings.shipped), ("network", &config.mappings.network)] {
        named.extend(path.as_deref().map(|path| (("mappings", None, key), path)));
    }
    for (index, facility) in config.facilities.iter().enumerate() {
        named.extend(facility.mappings.as_deref().map(|path| (("facility", Some(index), "mappings"), path)));
    }
    for (setting, path) in named {
        let Err(error) = std::fs::read_dir(path) else { continue };
        let shown = path.display();
        look.error(
            setting,
            format!("マッピングのフォルダ {shown} を読めません（{error}）。パスと権限を確かめるか、使わないならこの行を消してください。"),
            format!("The folder of mappings {shown} cannot be read ({error}). Check its path and permissions, or remove this line where it is not used."),
        );
    }
    look.found()
}

/// A certificate that the configuration names, and when it ends, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The setting: `feed midori tls.cert`.
    pub setting: String,
    /// Its end, or why it cannot be read.
    pub end: Result<i64, String>,
}

/// Every certificate that the configuration names.
pub fn certificates(config: &Config) -> Vec<Certificate> {
    let mut named: Vec<(String, &Path)> = Vec::new();
    if let Some(tls) = &config.console.tls {
        named.push(("console tls.cert".into(), &tls.cert));
    }
    for feed in &config.feeds {
        if let Kind::Mllp(mllp) = &feed.kind
            && let Some(tls) = &mllp.tls
        {
            named.push((format!("feed {} tls.cert", feed.name), &tls.cert));
            named.extend(
                tls.client_ca.iter().map(|ca| (format!("feed {} tls.client_ca", feed.name), ca.as_path())),
            );
        }
    }
    for base in &config.bases {
        let Some(tls) = &base.tls else { continue };
        let both = [("tls.client_cert", &tls.client_cert), ("tls.ca", &tls.ca)];
        for (key, path) in both.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?))) {
            named.push((format!("base {} {key}", base.name), path));
        }
    }
    named
        .into_iter()
        .map(|(setting, path)| Certificate { setting, end: certificate::not_after(path) })
        .collect()
}

/// The day, `YYYYMMDD`, of a time in seconds since 1970, in Japan.
pub(super) fn day(now: i64) -> u32 {
    let at = chrono::DateTime::from_timestamp(now.saturating_add(9 * 3_600), 0).unwrap_or_default();
    at.format("%Y%m%d").to_string().parse().unwrap_or_default()
}

/// A setting: section, index from 0 where there may be several, key.
type Setting<'a> = (&'a str, Option<usize>, &'a str);

pub(super) struct Look<'c> {
    config: &'c Config,
    now: i64,
    /// How much a certificate that has expired matters.
    expired: Weight,
    found: Vec<Problem>,
}

impl<'c> Look<'c> {
    pub fn new(config: &'c Config, now: i64, expired: Weight) -> Self {
        Self { config, now, expired, found: Vec::new() }
    }

    pub fn found(self) -> Vec<Problem> {
        self.found
    }

    pub fn all(&mut self) {
        self.data_dir();
        if let Some(tls) = &self.config.console.tls {
            self.certificate(("console", None, "tls.cert"), &tls.cert);
            self.key(("console", None, "tls.key"), &tls.key);
        }
        for (index, facility) in self.config.facilities.iter().enumerate() {
            if let Some(path) = &facility.gaiji
                && let Err(reason) = gaiji(path)
            {
                self.error(
                    ("facility", Some(index), "gaiji"),
                    format!("外字の表 {} を使えません（{reason}）。", path.display()),
                    format!("The 外字 table {} cannot be used ({reason}).", path.display()),
                );
            }
        }
        for (index, facility) in self.config.facilities.iter().enumerate() {
            if let Some(path) = &facility.consent_folder
                && let Err(error) = std::fs::read_dir(path)
            {
                let shown = path.display();
                self.warning(
                    ("facility", Some(index), "consent_folder"),
                    format!("同意の一覧のフォルダ {shown} を読めません（{error}）。作って、実行する利用者に読み書きの権限を与えてください。"),
                    format!("The folder of consent lists {shown} cannot be read ({error}). Make it and let the service's user read and write there."),
                );
            }
        }
        for (index, feed) in self.config.feeds.iter().enumerate() {
            match &feed.kind {
                Kind::Ssmix2(storage) => self.storage(index, &storage.path),
                Kind::Folder(folder) => self.storage(index, &folder.path),
                Kind::Mllp(mllp) => {
                    if let Some(tls) = &mllp.tls {
                        self.certificate(("feed", Some(index), "tls.cert"), &tls.cert);
                        self.key(("feed", Some(index), "tls.key"), &tls.key);
                        if let Some(path) = &tls.client_ca {
                            self.certificate(("feed", Some(index), "tls.client_ca"), path);
                        }
                    }
                }
            }
        }
        self.denominators();
        for (index, base) in self.config.bases.iter().enumerate() {
            let Some(tls) = &base.tls else { continue };
            if let Some(path) = &tls.client_cert {
                self.certificate(("base", Some(index), "tls.client_cert"), path);
            }
            if let Some(path) = &tls.client_key {
                self.key(("base", Some(index), "tls.client_key"), path);
            }
            if let Some(path) = &tls.ca {
                self.certificate(("base", Some(index), "tls.ca"), path);
            }
        }
    }

    pub fn warning(&mut self, setting: Setting<'_>, ja: String, en: String) {
        self.add(Weight::Warning, setting, ja, en);
    }

    pub fn error(&mut self, setting: Setting<'_>, ja: String, en: String) {
        self.add(Weight::Error, setting, ja, en);
    }

    fn add(&mut self, weight: Weight, (section, index, key): Setting<'_>, ja: String, en: String) {
        let places = match section {
            "facility" => &self.config.places.facilities,
            "feed" => &self.config.places.feeds,
            _ => &self.config.places.bases,
        };
        let key = match index.map(|index| places.get(index).copied().unwrap_or(index)) {
            Some(index) => format!("{section}[{}].{key}", index + 1),
            None if section.is_empty() => key.to_owned(),
            None => format!("{section}.{key}"),
        };
        let line = line_of(&self.config.file, &key);
        self.found.push(Problem { file: self.config.file.clone(), line, key, weight, ja, en });
    }

    fn data_dir(&mut self) {
        let dir = &self.config.data_dir;
        if dir.as_os_str().is_empty() {
            return; // not readable: said already
        }
        let trial = dir.join(".renkei-check");
        let result = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&trial, ""));
        if let Err(error) = result.and_then(|()| std::fs::remove_file(&trial)) {
            let shown = dir.display();
            let ja = format!(
                "データの置き場所 {shown} に書けません（{error}）。作って、実行する利用者に書く権限を与えてください。"
            );
            let en = format!(
                "The data directory {shown} cannot be written ({error}). Make it and let the service's user write there."
            );
            self.error(("", None, "data_dir"), ja, en);
        }
    }

    fn denominators(&mut self) {
        let Some(path) = &self.config.participation.denominators else { return };
        let setting = ("participation", None, "denominators");
        let shown = path.display();
        let denominators = match Denominators::read(path) {
            Ok(denominators) => denominators,
            // The report lacks them, and messages are taken and sent all the same.
            Err(DenominatorsError::Io(error)) => {
                let ja = format!("分母の表 {shown} を読めません（{error}）。パスと権限を確かめてください。");
                let en =
                    format!("The denominators {shown} cannot be read ({error}). Check path and permissions.");
                return self.warning(setting, ja, en);
            }
            Err(DenominatorsError::Rows(rows)) => {
                for RowProblem { line, ja, en } in rows {
                    let (ja, en) =
                        (format!("{shown} の {line} 行目: {ja}"), format!("{shown} line {line}: {en}"));
                    self.warning(setting, ja, en);
                }
                return;
            }
        };
        for (index, facility) in self.config.facilities.iter().enumerate() {
            let Some((kind, area)) = facility.facility_type.zip(facility.area.as_deref()) else {
                let ja =
                    "type と area がないので、この施設は参加率に入りません。書き足してください。".to_owned();
                let en =
                    "Without type and area this facility is left out of the participation rate. Add them.";
                self.warning(("facility", Some(index), "type"), ja, en.to_owned());
                continue;
            };
            if denominators.count(kind, area).is_none() {
                let kind = kind.as_str();
                let ja = format!(
                    "分母の表 {shown} に {kind} と「{area}」の行がありません。表記を合わせてください。"
                );
                let en =
                    format!("{shown} has no row for {kind} and \"{area}\". See that both are written alike.");
                self.warning(("facility", Some(index), "area"), ja, en);
            }
        }
    }

    fn storage(&mut self, index: usize, path: &Path) {
        if let Err(error) = std::fs::read_dir(path) {
            let shown = path.display();
            let ja = format!(
                "ストレージ {shown} を読めません（{error}）。共有がつながっているか、権限があるか確かめてください。"
            );
            let en = format!(
                "The storage {shown} cannot be read ({error}). See that the share is mounted and readable."
            );
            self.error(("feed", Some(index), "path"), ja, en);
        }
    }

    fn key(&mut self, setting: Setting<'_>, path: &Path) {
        if let Err(reason) = certificate::private_key(path) {
            let shown = path.display();
            let ja = format!("秘密鍵 {shown} を読めません（{reason}）。PEM の秘密鍵のパスを書いてください。");
            let en = format!(
                "The private key {shown} cannot be read ({reason}). Name a PEM file with a private key."
            );
            self.error(setting, ja, en);
        }
    }

    fn certificate(&mut self, setting: Setting<'_>, path: &Path) {
        const DAY: i64 = 86_400;
        let shown = path.display();
        match certificate::not_after(path) {
            Err(reason) => {
                let ja =
                    format!("証明書 {shown} を読めません（{reason}）。PEM の証明書のパスを書いてください。");
                let en = format!(
                    "The certificate {shown} cannot be read ({reason}). Name a PEM file with certificates."
                );
                self.error(setting, ja, en);
            }
            Ok(end) if end < self.now => {
                let ja = format!("証明書 {shown} の有効期限が切れています。新しい証明書に替えてください。");
                let en = format!("The certificate {shown} has expired. Replace it.");
                self.add(self.expired, setting, ja, en);
            }
            Ok(end) if end - self.now < CERTIFICATE_WARNING_DAYS * DAY => {
                let days = (end - self.now) / DAY;
                let ja = format!(
                    "証明書 {shown} はあと {days} 日で期限が切れます。更新の手続きを始めてください。"
                );
                let en = format!("The certificate {shown} expires in {days} days. Start renewing it.");
                self.add(Weight::Warning, setting, ja, en);
            }
            Ok(_) => {}
        }
    }
}

/// The line of `section[n].key` in the file; 0 where it cannot be found any more.
fn line_of(file: &Path, key: &str) -> usize {
    let Ok(text) = std::fs::read_to_string(file) else { return 0 };
    let (document, _) = toml::de::DeTable::parse_recoverable(&text);
    let mut at = toml::Spanned::new(document.span(), toml::de::DeValue::Table(document.into_inner()));
    for part in key.split('.') {
        let (name, index) = part
            .split_once('[')
            .map_or((part, None), |(name, rest)| (name, rest.trim_end_matches(']').parse::<usize>().ok()));
        let Some(inner) = at.get_ref().get(name) else { break };
        let inner = match index {
            Some(index) => inner.get_ref().get(index - 1).unwrap_or(inner),
            None => inner,
        };
        at = inner.clone();
    }
    text.as_bytes().iter().take(at.span().start).filter(|byte| **byte == b'\n').count() + 1
}

/// Reads a table of 外字: a CSV of code (`F040`, `7521`, `8FF5A1`, `2-7521`, `U+E000`) and character, a row
/// each, `#` begins a remark.
///
/// # Errors
/// A sentence with the line.
pub fn gaiji(path: &Path) -> Result<GaijiTable, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_path(PathBuf::from(path))
        .map_err(|error| error.to_string())?;
    let mut table = GaijiTable::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let (Some(code), Some(text)) = (row.get(0), row.get(1)) else {
            return Err(format!("line {line}: code and character are expected"));
        };
        let code = gaiji_code(code).filter(|_| !text.is_empty()).ok_or_else(|| {
            format!("line {line}: a code (F040, 7521, 8FF5A1, 2-7521 or U+E000) and a character are expected")
        })?;
        table.insert(code, text.to_owned());
    }
    Ok(table)
}
