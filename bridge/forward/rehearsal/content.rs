//! The resources that a rehearsal base holds, and the changes that it commits.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One change of a transaction or a single request, already checked.
#[derive(Clone, Debug)]
pub enum Change {
    /// The resource takes the place of what stands under `Type/id`.
    Put {
        /// `Type/id`.
        url: String,
        /// The resource, references resolved.
        json: String,
        /// SHA-256 of the resource as received, in hexadecimal.
        sha256: String,
    },
    /// What stands under `Type/id` goes.
    Delete {
        /// `Type/id`.
        url: String,
    },
}

impl Change {
    /// `Type/id`.
    pub fn url(&self) -> &str {
        match self {
            Self::Put { url, .. } | Self::Delete { url } => url,
        }
    }
}

/// One resource, or what is left of it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Counts from 1 with every PUT and DELETE.
    pub version: u64,
    /// The resource; `None` once deleted.
    pub json: Option<String>,
    /// SHA-256 of it as received, in hexadecimal.
    pub sha256: String,
}

/// What one change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// 201: it was not there.
    Created {
        /// Its version.
        version: u64,
    },
    /// 200: it was there.
    Updated {
        /// Its version.
        version: u64,
    },
    /// 204: it is not there, whether it was or not.
    Deleted,
}

/// All resources by `Type/id`.
#[derive(Clone, Debug, Default)]
pub struct Content {
    resources: BTreeMap<String, Stored>,
}

impl Content {
    /// What is or was under `Type/id`.
    pub fn get(&self, url: &str) -> Option<&Stored> {
        self.resources.get(url)
    }

    /// Whether a resource stands under `Type/id`.
    pub fn stands(&self, url: &str) -> bool {
        self.get(url).is_some_and(|stored| stored.json.is_some())
    }

    /// Commits one change.
    pub fn commit(&mut self, change: &Change) -> Done {
        match change {
            Change::Put { url, json, sha256 } => {
                let stored = self.resources.entry(url.clone()).or_insert(Stored {
                    version: 0,
                    json: None,
                    sha256: String::new(),
                });
                let stood = stored.json.is_some();
                stored.version += 1;
                stored.json = Some(json.clone());
                stored.sha256.clone_from(sha256);
                match stood {
                    true => Done::Updated { version: stored.version },
                    false => Done::Created { version: stored.version },
                }
            }
            Change::Delete { url } => {
                if let Some(stored) = self.resources.get_mut(url).filter(|stored| stored.json.is_some()) {
                    stored.version += 1;
                    stored.json = None;
                }
                Done::Deleted
            }
        }
    }

    /// The resources of a type that stand, in order of id: `(id, json)`.
    pub fn of_type<'a>(&'a self, resource_type: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let prefix = format!("{resource_type}/");
        let length = prefix.len();
        self.resources
            .range(prefix.clone()..)
            .take_while(move |(url, _)| url.starts_with(&prefix))
            .filter_map(move |(url, stored)| Some((&url[length..], stored.json.as_deref()?)))
    }

    /// `Type/id` and SHA-256 of every resource that stands.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let standing = self.resources.iter().filter(|(_, stored)| stored.json.is_some());
        standing.map(|(url, stored)| (url.clone(), stored.sha256.clone())).collect()
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(url: &str) -> Change {
        Change::Put { url: url.into(), json: "{}".into(), sha256: sha256(b"{}") }
    }

    #[test]
    fn versions_count_through_deletion() {
        let mut content = Content::default();
        let delete = Change::Delete { url: "Patient/a".into() };
        assert_eq!(content.commit(&delete), Done::Deleted);
        assert_eq!(content.commit(&put("Patient/a")), Done::Created { version: 1 });
        assert_eq!(content.commit(&put("Patient/a")), Done::Updated { version: 2 });
        assert_eq!(content.commit(&delete), Done::Deleted);
        assert!(!content.stands("Patient/a"));
        assert_eq!(content.commit(&put("Patient/a")), Done::Created { version: 4 });
    }

    #[test]
    fn a_type_is_listed_without_those_that_only_begin_like_it() {
        let mut content = Content::default();
        for url in ["Medication/b", "Medication/a", "MedicationRequest/c", "Media/d"] {
            content.commit(&put(url));
        }
        assert_eq!(content.of_type("Medication").map(|(id, _)| id).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn sha256_is_the_published_one() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
