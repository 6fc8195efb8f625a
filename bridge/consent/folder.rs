//! The drop folder of consent lists: `*.csv` that stand still are taken in, oldest first.
//!
//! A file is moved to `taking/`, taken in, and moved on to `done/` or `failed/` with its result beside it; none is ever
//! deleted or overwritten. One found in `taking/` at a start was cut off in between and is taken in again, which
//! changes nothing the second time. Names of files may hold anything and are not logged.

use super::{Consent, ConsentError, List, import, line, list};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tracing::{error, info, warn};

/// How long size and time of a file must stand still before it is taken.
pub const SETTLE: Duration = Duration::from_secs(5);

/// Before what is wrong with the folder is logged again.
const LOG_EVERY: Duration = Duration::from_secs(600);

/// Files with one name in one second.
const SAME_NAMES: u32 = 1_000;

/// Size, time of change, since when they stand still.
type Candidate = (u64, SystemTime, Instant);

/// A drop folder between two looks.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    settle: Duration,
    candidates: HashMap<PathBuf, Candidate>,
    logged: Option<Instant>,
}

impl Folder {
    pub(super) fn new(dir: PathBuf, settle: Duration) -> Self {
        Self { dir, settle, candidates: HashMap::new(), logged: None }
    }

    /// Takes in what stands still.
    pub(super) fn round(&mut self, consent: &Consent, now_ms: i64) {
        let result = self.settled().and_then(|files| {
            for (file, stood) in files {
                self.take(&file, stood, consent, now_ms)?;
            }
            Ok(())
        });
        match result {
            Ok(()) => self.logged = None,
            Err(problem) if self.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) => {
                self.logged = Some(Instant::now());
                error!(facility = consent.facility.code(), error = %problem, "The folder of consent lists cannot be used, will try again.");
            }
            Err(_) => {}
        }
    }

    /// Files cut off in `taking/`, then those that stand still, oldest first.
    fn settled(&mut self) -> std::io::Result<Vec<(PathBuf, Stood)>> {
        let mut found = match files(&self.dir.join("taking")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            taking => {
                // A writer may still hold one that was cut off: it stands still too before it is read.
                let rests = |changed: &SystemTime| changed.elapsed().is_ok_and(|since| since >= self.settle);
                let all = taking?.into_iter().filter(|(_, _, changed)| rests(changed));
                all.map(|(path, size, changed)| (changed, path, size)).collect()
            }
        };
        found.sort();
        let mut still = Vec::new();
        let mut waiting = HashMap::new();
        for (path, size, changed) in files(&self.dir)? {
            let since = match self.candidates.get(&path) {
                Some(old) if (old.0, old.1) == (size, changed) => old.2,
                _ => Instant::now(),
            };
            if size > 0 && since.elapsed() >= self.settle {
                still.push((changed, path, size));
            } else {
                waiting.insert(path, (size, changed, since));
            }
        }
        self.candidates = waiting;
        still.sort();
        found.extend(still);
        Ok(found.into_iter().map(|(changed, path, size)| (path, (size, changed))).collect())
    }

    /// One that is not as it stood when it was looked at waits again: an import before it may have taken long, and
    /// half a list would withdraw everybody behind the cut.
    fn take(&self, file: &Path, stood: Stood, consent: &Consent, now_ms: i64) -> std::io::Result<()> {
        if stands(file)? != stood {
            return Ok(());
        }
        let taking = match file.parent() == Some(self.dir.join("taking").as_path()) {
            true => file.to_owned(),
            false => move_to(&self.dir.join("taking"), file, "")?.0,
        };
        let bytes = std::fs::read(&taking)?;
        if stands(&taking)? != stood || bytes.len() as u64 != stood.0 {
            move_to(&self.dir, &taking, "")?;
            return Ok(());
        }
        let read = list::parse(&bytes, &consent.rule);
        let code = consent.facility.code();
        let seen = read.clone();
        let (end, result) =
            match import(&consent.store, &consent.facility, read, ("folder", "folder"), now_ms) {
                Ok(change) => {
                    info!(facility = code, %change, "A consent list was taken in.");
                    ("done", report(&seen, now_ms, Some(&change.to_string())))
                }
                Err(ConsentError::Refused(list)) => {
                    warn!(
                        facility = code,
                        bad_rows = list.bad,
                        "A consent list was refused, the old one stands."
                    );
                    ("failed", report(&list, now_ms, None))
                }
                // It stays where it is and is tried again.
                Err(ConsentError::Store(problem)) => return Err(std::io::Error::other(problem.to_string())),
            };
        let stamp = format!("{}-", moment(now_ms).format("%Y%m%d-%H%M%S"));
        let (moved, name) = move_to(&self.dir.join(end), &taking, &stamp)?;
        std::fs::write(moved.with_file_name(format!("{name}.result.txt")), result)
    }
}

/// Size and time of change of a file.
type Stood = (u64, SystemTime);

fn stands(file: &Path) -> std::io::Result<Stood> {
    let metadata = std::fs::metadata(file)?;
    Ok((metadata.len(), metadata.modified()?))
}

/// Files of a folder that may be lists: path, size, time of change.
fn files(dir: &Path) -> std::io::Result<Vec<(PathBuf, u64, SystemTime)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let metadata = entry.metadata()?;
        if metadata.is_file() && name.ends_with(".csv") && !name.starts_with(['.', '~']) {
            found.push((entry.path(), metadata.len(), metadata.modified()?));
        }
    }
    Ok(found)
}

/// Moves a file into a folder, under a name that nothing has there.
fn move_to(dir: &Path, file: &Path, stamp: &str) -> std::io::Result<(PathBuf, String)> {
    std::fs::create_dir_all(dir)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..SAME_NAMES {
        let free = match number {
            0 => format!("{stamp}{name}"),
            number => format!("{stamp}{number}-{name}"),
        };
        let to = dir.join(&free);
        if to.symlink_metadata().is_err() {
            std::fs::rename(file, &to)?;
            return Ok((to, free));
        }
    }
    Err(std::io::Error::other("too many files with one name"))
}

fn moment(now_ms: i64) -> chrono::DateTime<chrono_tz::Tz> {
    chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_default().with_timezone(&chrono_tz::Asia::Tokyo)
}

/// The result for whoever dropped the file, with a mark so that every editor reads it. Never a patient's id.
fn report(list: &List, now_ms: i64, change: Option<&str>) -> String {
    let mut text = String::from("\u{feff}");
    let verdict = match change {
        Some(_) => "取り込みました。 / Taken in.",
        None => "取り込みませんでした。前の一覧のままです。 / Not taken in; the old list stands.",
    };
    let encoding = if list.encoding.is_empty() { "?" } else { list.encoding };
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "{verdict}\r\n{}\r\ncharset={encoding}\r\nsha256={}\r\n",
        moment(now_ms).format("%Y-%m-%d %H:%M:%S"),
        list.hash
    );
    if let Some(change) = change {
        let _ = write!(text, "{change}\r\n");
    } else {
        let _ = write!(text, "bad-rows={}\r\n", list.bad);
    }
    for finding in &list.findings {
        let _ = write!(text, "{}\r\n", line(finding));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Config, Store, day_in_japan};
    use renkei_translate::translation::PatientIdRule;

    const NOW: i64 = 1_767_571_200_000;

    struct Site {
        dir: tempfile::TempDir,
        consent: Consent,
        folder: Folder,
    }

    fn site(settle: Duration) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(
            &dir.path().join("data"),
            &["f".into()],
            Config { soft_free: 0, hard_free: 0, ..Config::default() },
        )
        .unwrap();
        let drop = dir.path().join("drop");
        std::fs::create_dir(&drop).unwrap();
        let facility = store.facility("f").unwrap();
        let rule = PatientIdRule { width: 3, strip: String::new() };
        let consent = Consent { store, facility, rule, folder: Some(drop.clone()) };
        Site { dir, consent, folder: Folder::new(drop, settle) }
    }

    impl Site {
        fn put(&self, name: &str, text: &str) {
            std::fs::write(self.dir.path().join("drop").join(name), text).unwrap();
        }

        fn rows(&self) -> u64 {
            self.consent.facility.consent_status(day_in_japan(NOW)).unwrap().rows
        }

        fn names(&self, folder: &str) -> Vec<String> {
            let Ok(entries) = std::fs::read_dir(self.dir.path().join("drop").join(folder)) else {
                return Vec::new();
            };
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_file_that_stands_still_is_taken_in_and_kept_with_its_result() {
        let mut site = site(Duration::ZERO);
        site.put("list.csv", "id,from\n1,\n2,2026-01-01\n");
        site.put("notes.txt", "1\n");
        site.folder.round(&site.consent.clone(), NOW);
        assert_eq!(site.rows(), 2);
        assert_eq!(site.names("done"), ["20260105-090000-list.csv", "20260105-090000-list.csv.result.txt"]);
        assert_eq!(site.names("taking"), [""; 0]);
        let result = site.dir.path().join("drop/done/20260105-090000-list.csv.result.txt");
        let result = std::fs::read_to_string(result).unwrap();
        assert!(result.contains("charset=UTF-8\r\n") && result.contains("added=2 removed=0"), "{result}");
        assert!(site.dir.path().join("drop/notes.txt").exists());
        // The same name again in the same second: neither is overwritten.
        site.put("list.csv", "1\n");
        site.folder.round(&site.consent.clone(), NOW);
        assert_eq!((site.rows(), site.names("done").len()), (1, 4));
        let entries = site.consent.store.audit().entries(None, 9).unwrap();
        let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["consent-import", "consent-import"]);
    }

    #[test]
    fn a_bad_row_leaves_the_old_list_and_names_itself_and_no_patient() {
        let mut site = site(Duration::ZERO);
        site.put("a.csv", "1,,\n");
        site.folder.round(&site.consent.clone(), NOW);
        site.put("b.csv", "0987654321,,\n2,2026-13-01,\n");
        site.folder.round(&site.consent.clone(), NOW);
        assert_eq!((site.rows(), site.names("failed").len()), (1, 2));
        let name = &site.names("failed")[1];
        let result = std::fs::read_to_string(site.dir.path().join("drop/failed").join(name)).unwrap();
        assert!(result.contains("line 2\tconsent-date"), "{result}");
        assert!(!result.contains("0987654321"), "{result}");
        assert_eq!(site.consent.store.audit().entries(None, 1).unwrap()[0].action, "consent-refused");
    }

    #[test]
    fn a_list_that_changed_since_it_was_looked_at_waits_again() {
        let site = site(Duration::ZERO);
        site.put("list.csv", "1,,\n2,,\n");
        let file = site.dir.path().join("drop/list.csv");
        let stood = stands(&file).unwrap();
        site.put("list.csv", "1,,\n");
        site.folder.take(&file, stood, &site.consent, NOW).unwrap();
        assert_eq!((site.rows(), file.exists(), site.names("done").len()), (0, true, 0));
        site.folder.take(&file, stands(&file).unwrap(), &site.consent, NOW).unwrap();
        assert_eq!((site.rows(), file.exists()), (1, false));
    }

    #[test]
    fn a_growing_file_waits_and_one_cut_off_while_it_was_taken_is_taken_again() {
        let mut site = site(Duration::from_secs(3_600));
        site.put("list.csv", "1,,\n");
        site.folder.round(&site.consent.clone(), NOW);
        site.folder.round(&site.consent.clone(), NOW);
        assert_eq!((site.rows(), site.names("done").len()), (0, 0));
        std::fs::create_dir(site.dir.path().join("drop/taking")).unwrap();
        site.put("taking/old.csv", "7,,\n8,,\n");
        site.folder.round(&site.consent.clone(), NOW);
        assert_eq!((site.rows(), site.names("taking").len()), (0, 1), "a writer may still hold it");
        let old =
            std::fs::File::options().write(true).open(site.dir.path().join("drop/taking/old.csv")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(7_200)).unwrap();
        site.folder.round(&site.consent.clone(), NOW);
        assert_eq!((site.rows(), site.names("done").len(), site.names("taking").len()), (2, 2, 0));
    }
}
