//! What a rehearsal base was asked: in memory, and in an append-only file of JSON lines.
//!
//! A line is written and flushed before its commit is visible or answered, so that a base that was
//! killed stands after its restart where its clients saw it, and an oracle may read the file alone.

use super::RehearsalError;
use super::content::{Change, Content};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::Path;

/// Requests kept in memory. Ten times what the largest test asks; the file has all.
pub const KEPT_IN_MEMORY: usize = 100_000;

/// One entry of a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AskedEntry {
    /// `PUT` or `DELETE`.
    pub method: String,
    /// `Type/id`.
    pub url: String,
    /// Of the resource as received, in hexadecimal; `None` for a DELETE.
    pub sha256: Option<String>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Counts from 1 over restarts where there is a file.
    pub sequence: u64,
    /// The HTTP method.
    pub method: String,
    /// The path below the base: `/`, `/Patient/…`.
    pub path: String,
    /// Of the answer, also where it was not delivered; 0 where none was made.
    pub status: u16,
    /// Whether its changes stand.
    pub committed: bool,
    /// Whether the client was given the answer.
    pub answered: bool,
    /// Its changes, in their order.
    pub entries: Vec<AskedEntry>,
}

/// A line of the file. `resource` makes it enough to build the content again.
#[derive(serde::Serialize, serde::Deserialize)]
struct Line<'a> {
    sequence: u64,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    status: u16,
    committed: bool,
    answered: bool,
    #[serde(borrow)]
    entries: Vec<LineEntry<'a>>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct LineEntry<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    resource: Option<&'a RawValue>,
}

/// What is known of a request when it is written down.
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path below the base.
    pub path: &'a str,
    /// Of the answer; 0 for none.
    pub status: u16,
    /// Whether the changes are about to be committed.
    pub committed: bool,
    /// Whether the client is about to be answered.
    pub answered: bool,
    /// The changes it asks for.
    pub changes: &'a [Change],
}

/// The journal of one base.
pub struct Journal {
    file: Option<File>,
    sequence: u64,
    asked: VecDeque<Asked>,
}

impl Journal {
    /// Opens the file, if any, and commits again what it says was committed. A last line that was cut
    /// short was never answered and is taken off.
    ///
    /// # Errors
    /// Where the file cannot be used, or is damaged before its last line.
    pub fn open(path: Option<&Path>) -> Result<(Self, Content), RehearsalError> {
        let mut content = Content::default();
        let mut sequence = 0;
        let Some(path) = path else {
            return Ok((Self { file: None, sequence, asked: VecDeque::new() }, content));
        };
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        let whole = read_lines(BufReader::new(&mut file), |asked, changes| {
            sequence = asked.sequence;
            changes.iter().for_each(|change| _ = content.commit(change));
        })?;
        file.set_len(whole)?;
        file.seek(std::io::SeekFrom::End(0))?;
        Ok((Self { file: Some(file), sequence, asked: VecDeque::new() }, content))
    }

    /// Writes down one request. To be called before its changes are committed.
    ///
    /// # Errors
    /// Where the line could not be written: nothing may be committed then.
    pub fn append(&mut self, request: &Request<'_>) -> std::io::Result<()> {
        let sequence = self.sequence + 1;
        if let Some(file) = &mut self.file {
            let line = line(sequence, request)?;
            file.write_all(&line)?;
            file.flush()?;
        }
        self.sequence = sequence;
        if self.asked.len() == KEPT_IN_MEMORY {
            self.asked.pop_front();
        }
        self.asked.push_back(Asked {
            sequence,
            method: request.method.into(),
            path: request.path.into(),
            status: request.status,
            committed: request.committed,
            answered: request.answered,
            entries: request.changes.iter().map(AskedEntry::from).collect(),
        });
        Ok(())
    }

    /// What is kept in memory, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.iter().cloned().collect()
    }
}

/// Reads the file of a base that is another process, running or not: what it was asked, oldest first, and
/// what it holds. A last line that is not whole is left out.
///
/// # Errors
/// Where the file cannot be read, or is damaged before its last line.
pub fn read(path: &Path) -> Result<(Vec<Asked>, Content), RehearsalError> {
    let (mut all, mut content) = (Vec::new(), Content::default());
    read_lines(BufReader::new(File::open(path)?), |asked, changes| {
        all.push(asked);
        changes.iter().for_each(|change| _ = content.commit(change));
    })?;
    Ok((all, content))
}

/// Gives each whole line and what it committed; returns the length of the whole lines.
fn read_lines(
    mut reader: impl BufRead,
    mut each: impl FnMut(Asked, Vec<Change>),
) -> Result<u64, RehearsalError> {
    let (mut line, mut number, mut whole) = (String::new(), 0, 0);
    while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
        number += 1;
        let read: Line<'_> =
            serde_json::from_str(&line).map_err(|_| RehearsalError::Damaged { line: number })?;
        let changes: Vec<_> = read.entries.into_iter().map(LineEntry::into_change).collect();
        let asked = Asked {
            sequence: read.sequence,
            method: read.method.into_owned(),
            path: read.path.into_owned(),
            status: read.status,
            committed: read.committed,
            answered: read.answered,
            entries: changes.iter().map(AskedEntry::from).collect(),
        };
        let committed = if asked.committed { changes } else { Vec::new() };
        each(asked, committed);
        whole += line.len() as u64;
        line.clear();
    }
    Ok(whole)
}

impl From<&Change> for AskedEntry {
    fn from(change: &Change) -> Self {
        match change {
            Change::Put { url, sha256, .. } => {
                Self { method: "PUT".into(), url: url.clone(), sha256: Some(sha256.clone()) }
            }
            Change::Delete { url } => Self { method: "DELETE".into(), url: url.clone(), sha256: None },
        }
    }
}

impl LineEntry<'_> {
    fn into_change(self) -> Change {
        match (self.resource, self.sha256) {
            (Some(resource), Some(sha256)) => Change::Put {
                url: self.url.into_owned(),
                json: resource.get().into(),
                sha256: sha256.into_owned(),
            },
            _ => Change::Delete { url: self.url.into_owned() },
        }
    }
}

fn line(sequence: u64, request: &Request<'_>) -> std::io::Result<Vec<u8>> {
    let mut entries = Vec::with_capacity(request.changes.len());
    for change in request.changes {
        entries.push(match change {
            Change::Put { url, json, sha256 } => LineEntry {
                method: "PUT".into(),
                url: url.into(),
                sha256: Some(sha256.into()),
                resource: Some(serde_json::from_str(json).map_err(std::io::Error::other)?),
            },
            Change::Delete { url } => {
                LineEntry { method: "DELETE".into(), url: url.into(), sha256: None, resource: None }
            }
        });
    }
    let mut bytes = serde_json::to_vec(&Line {
        sequence,
        method: request.method.into(),
        path: request.path.into(),
        status: request.status,
        committed: request.committed,
        answered: request.answered,
        entries,
    })
    .map_err(std::io::Error::other)?;
    // Inside a JSON string a line end is always escaped, so a bare one is only layout of the sender.
    for byte in &mut bytes {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(url: &str, json: &str) -> Change {
        Change::Put {
            url: url.into(),
            json: json.into(),
            sha256: super::super::content::sha256(json.as_bytes()),
        }
    }

    fn append(journal: &mut Journal, committed: bool, changes: &[Change]) {
        journal
            .append(&Request {
                method: "POST",
                path: "/",
                status: 200,
                committed,
                answered: committed,
                changes,
            })
            .unwrap();
    }

    #[test]
    fn content_survives_a_restart_without_what_was_not_committed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("asked.jsonl");
        let (mut journal, _) = Journal::open(Some(&path)).unwrap();
        append(&mut journal, true, &[put("A/1", "{\n\"x\": 1.50}"), put("A/2", "{}")]);
        append(&mut journal, false, &[put("A/3", "{}")]);
        append(&mut journal, true, &[Change::Delete { url: "A/2".into() }]);
        drop(journal);

        let (mut journal, content) = Journal::open(Some(&path)).unwrap();
        assert_eq!(content.hashes().into_keys().collect::<Vec<_>>(), ["A/1"]);
        assert_eq!(
            content.hashes()["A/1"],
            super::super::content::sha256(b"{\n\"x\": 1.50}"),
            "the hash is of what was received"
        );
        assert!(content.get("A/1").unwrap().json.as_deref().unwrap().contains("1.50"));
        append(&mut journal, true, &[]);
        assert_eq!(journal.asked()[0].sequence, 4);
        let (asked, content) = read(&path).unwrap();
        assert_eq!(asked.iter().map(|asked| asked.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(asked[1].entries[0].url, "A/3");
        assert!(content.stands("A/1") && !content.stands("A/3"));
    }

    #[test]
    fn a_last_line_cut_short_is_taken_off_and_one_before_it_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("asked.jsonl");
        let (mut journal, _) = Journal::open(Some(&path)).unwrap();
        append(&mut journal, true, &[put("A/1", "{}")]);
        append(&mut journal, true, &[put("A/2", "{}")]);
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();

        let (mut journal, content) = Journal::open(Some(&path)).unwrap();
        assert!(content.stands("A/1") && !content.stands("A/2"));
        append(&mut journal, true, &[put("A/3", "{}")]);
        drop(journal);
        let (_, content) = Journal::open(Some(&path)).unwrap();
        assert!(content.stands("A/1") && content.stands("A/3"));

        std::fs::write(&path, [b"{]\n", whole.as_slice()].concat()).unwrap();
        assert!(matches!(Journal::open(Some(&path)), Err(RehearsalError::Damaged { line: 1 })));
    }
}
