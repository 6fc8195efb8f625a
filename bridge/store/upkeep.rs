//! Backups, restores and retention, tried against files.

use super::tests::{NOW, accept, arrival, complete_next, deliver, facility, fresh, index, lab, open, sum};
use super::{BackupConfig, BackupKey, MessageId, Selection, Store, restore};
use std::path::{Path, PathBuf};

const DAY: i64 = 86_400_000;
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A place for backups with its key.
pub(super) struct Shelf {
    pub(super) dir: tempfile::TempDir,
    config: BackupConfig,
}

impl Shelf {
    pub(super) fn new(keep: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("backup.key");
        std::fs::write(&key, KEY).unwrap();
        std::fs::write(dir.path().join("bridge.toml"), "data_dir = 'x'\n").unwrap();
        let config = BackupConfig { to: Some(dir.path().join("to")), keep, key: Some(key) };
        Self { dir, config }
    }

    pub(super) fn make(&self, store: &Store, now_ms: i64) -> super::Made {
        store.backup(&self.config, &self.dir.path().join("bridge.toml"), now_ms).unwrap()
    }

    fn key(&self) -> BackupKey {
        BackupKey::read(self.config.key.as_deref().unwrap()).unwrap()
    }

    /// The newest generation, put into a directory of that name.
    pub(super) fn restored(&self, name: &str) -> PathBuf {
        let (from, to) = (self.config.to.as_deref().unwrap(), self.dir.path().join(name));
        restore::restore(from, &to, &self.key(), None).unwrap();
        to
    }

    fn verify(&self, from: &Path) -> Result<restore::Proof, super::BackupError> {
        restore::verify(from, &self.dir.path().join("scratch"), &self.key())
    }
}

#[test]
fn two_backups_within_a_second_are_two_generations() {
    let (_dir, store, _facility) = fresh();
    let shelf = Shelf::new(3);
    let names = [0, 1, 2].map(|_| shelf.make(&store, NOW).dir.file_name().unwrap().to_owned());
    assert_eq!(names, ["20260105-090000", "20260105-090001", "20260105-090002"]);
}

#[tokio::test]
async fn a_restored_backup_goes_on_with_the_same_identity() {
    let (_dir, store, facility_store) = fresh();
    accept(&facility_store, "1", "p:").await;
    index(&facility_store);
    complete_next(&facility_store, lab("u", 1, &["o"]));
    deliver(&facility_store);
    accept(&facility_store, "2", "p:").await;
    store.audit().append("operator", "backup", "", "").unwrap();
    let shelf = Shelf::new(3);
    let made = shelf.make(&store, NOW);
    assert_eq!(made.dir.file_name().unwrap(), "20260105-090000");
    // state, journal, appliance, key, configuration.
    assert_eq!((made.files, made.linked, made.dropped), (5, 0, 0));
    let proof = shelf.verify(shelf.config.to.as_deref().unwrap()).unwrap();
    assert_eq!((proof.received, proof.audit), (2, 1));
    assert!(!shelf.dir.path().join("scratch").exists(), "nothing plain stays behind");

    // Life goes on: the base gets more than the backup knows of.
    index(&facility_store);
    complete_next(&facility_store, lab("u", 2, &["o", "late"]));
    assert_eq!(deliver(&facility_store).0, ["late", "o"]);

    let to = shelf.dir.path().join("restored");
    restore::restore(&made.dir, &to, &shelf.key(), None).unwrap();
    // Never over anything, and the backup is not what is blamed.
    let said = restore::restore(&made.dir, &to, &shelf.key(), None).unwrap_err().to_string();
    assert!(said.contains("is not empty") && said.contains("空ではありません"), "{said}");
    assert!(!said.contains("does not hold"), "{said}");
    let restored = open(&to);
    assert_eq!(restored.id_key().fingerprint(), store.id_key().fingerprint());
    assert_eq!(restored.audit().verify().unwrap(), 2);
    assert_eq!(restored.audit().entries(None, 1).unwrap()[0].action, "restore");
    let restored = facility(&restored);
    index(&restored);
    complete_next(&restored, lab("u", 2, &["o", "o2"]));
    // The patient did not change since the backup, as far as is known here, and is sent all the same.
    assert_eq!(deliver(&restored).0, ["p", "o", "o2"]);
    assert_eq!(sum(&restored).registered, 2);
}

#[tokio::test]
async fn what_is_touched_after_a_restore_is_sent_whole() {
    let (_dir, store, facility_store) = fresh();
    accept(&facility_store, "1", "p:").await;
    index(&facility_store);
    complete_next(&facility_store, lab("u", 1, &["o"]));
    deliver(&facility_store);
    let shelf = Shelf::new(3);
    let made = shelf.make(&store, NOW);
    let again = |store: Store_, expected: &[&str]| {
        complete_next(&store, lab("u", 1, &["o"]));
        assert_eq!(deliver(&store).0, expected);
    };
    // Where the base is known to have it, the same content is not sent again.
    accept(&facility_store, "2", "p:").await;
    index(&facility_store);
    again(facility_store.clone(), &[]);
    let to = shelf.dir.path().join("restored");
    restore::restore(&made.dir, &to, &shelf.key(), None).unwrap();
    let restored = open(&to);
    let restored = facility(&restored);
    accept(&restored, "2", "p:").await;
    index(&restored);
    again(restored, &["p", "o"]);
}

type Store_ = std::sync::Arc<super::FacilityStore>;

#[tokio::test]
async fn what_was_tampered_with_proves_nothing() {
    let (_dir, store, facility_store) = fresh();
    accept(&facility_store, "1", "p:").await;
    let shelf = Shelf::new(3);
    let made = shelf.make(&store, NOW);
    let sealed = |name: &str| made.dir.join(format!("{name}.sealed"));
    let refused = |why: &str| assert!(shelf.verify(&made.dir).is_err(), "{why}");
    for name in ["manifest", "identity.key", "1319999999/state.sqlite", "1319999999/journal-20260105.sqlite"]
    {
        let whole = std::fs::read(sealed(name)).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(sealed(name), changed).unwrap();
        refused(name);
        std::fs::remove_file(sealed(name)).unwrap();
        refused(name);
        std::fs::write(sealed(name), whole).unwrap();
    }
    shelf.verify(&made.dir).unwrap();
    // A file of another generation under the same name opens, and is not the one of the manifest.
    accept(&facility_store, "2", "p:").await;
    index(&facility_store);
    let later = shelf.make(&store, NOW + DAY);
    let name = "1319999999/state.sqlite";
    std::fs::copy(later.dir.join(format!("{name}.sealed")), sealed(name)).unwrap();
    refused("a state of another generation");
    let other = shelf.dir.path().join("other.key");
    std::fs::write(&other, KEY.replace("00", "01")).unwrap();
    let scratch = shelf.dir.path().join("scratch2");
    assert!(restore::verify(&later.dir, &scratch, &BackupKey::read(&other).unwrap()).is_err());
}

#[tokio::test]
async fn a_journal_that_stood_still_is_linked_and_old_generations_go() {
    let (_dir, store, facility_store) = fresh();
    accept(&facility_store, "1", "p:").await;
    facility_store.accept(arrival("2", "p:", NOW + DAY)).await.unwrap();
    let shelf = Shelf::new(2);
    assert_eq!(shelf.make(&store, NOW + DAY).linked, 0);
    facility_store.accept(arrival("3", "p:", NOW + DAY)).await.unwrap();
    let second = shelf.make(&store, NOW + 2 * DAY);
    assert_eq!((second.linked, second.dropped), (1, 0));
    assert_eq!(shelf.verify(&second.dir).unwrap().received, 3);
    let third = shelf.make(&store, NOW + 3 * DAY);
    assert_eq!((third.linked, third.dropped), (2, 1));
    assert_eq!(shelf.verify(&third.dir).unwrap().received, 3);
    let names: Vec<_> = super::backup::generations(shelf.config.to.as_deref().unwrap())
        .unwrap()
        .into_iter()
        .map(|dir| dir.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["20260107-090000", "20260108-090000"]);
}

#[tokio::test]
async fn a_settled_day_goes_after_its_retention_and_its_sum_stays() {
    let (dir, store, facility_store) = fresh();
    let first = accept(&facility_store, "1", "p:").await;
    index(&facility_store);
    complete_next(&facility_store, lab("u", 1, &["o"]));
    let journal = dir.path().join("1319999999/journal-20260105.sqlite");
    // Not delivered yet: kept however old.
    let dropped = facility_store.drop_segments(NOW + 1_000 * DAY).unwrap();
    assert_eq!((dropped.segments, dropped.kept, journal.exists()), (0, 1, true));
    deliver(&facility_store);
    // The default is 90 days: not before they are over.
    assert_eq!(facility_store.drop_segments(NOW + 90 * DAY).unwrap().segments, 0);
    let before = sum(&facility_store);
    let dropped = facility_store.drop_segments(NOW + 91 * DAY).unwrap();
    assert_eq!((dropped.segments, dropped.kept, journal.exists()), (1, 0, false));
    assert_eq!(facility_store.first_open_day().unwrap(), None);
    assert_eq!(sum(&facility_store), before);
    let detail = facility_store.message(first).unwrap().unwrap();
    assert_eq!((detail.body.len(), detail.summary.name.as_str(), detail.entries.len()), (0, "1", 1));
    assert_eq!(facility_store.replay(&Selection::Messages(vec![first])).unwrap(), 0);
    // A clock set back to that very day: its numbers are taken, the message gets others.
    let back = facility_store.accept(arrival("2", "q:", NOW)).await.unwrap();
    assert!(back.id != first && back.id.day() != first.day(), "{back:?}");
    index(&facility_store);
    assert_eq!(facility_store.claim(10).unwrap().len(), 1);
    drop(facility_store);
    drop(store);
    let again = facility(&open(dir.path()));
    assert_eq!(again.sums(20_260_105, 20_260_105).unwrap(), [before]);
    assert!(again.message(MessageId::new(20_260_105, 2)).unwrap().is_none());
}

#[test]
fn the_audit_trail_stays_a_chain_when_its_beginning_goes() {
    let (_dir, store, _facility) = fresh();
    for number in 0..5 {
        store.audit().append("operator", "replay", &number.to_string(), "").unwrap();
    }
    let times: Vec<i64> = store.audit().entries(None, 10).unwrap().iter().map(|entry| entry.at_ms).collect();
    assert_eq!(store.audit().drop_before(times[4]).unwrap(), 0, "nothing is older");
    {
        let connection = store.audit().connection().unwrap();
        // Three of long ago. Their hashes no longer fit, but they go.
        connection.execute("UPDATE audit SET at_ms = 1 WHERE sequence <= 3", []).unwrap();
    }
    assert_eq!(store.audit().drop_before(2).unwrap(), 3);
    assert_eq!(store.audit().verify().unwrap(), 5);
    assert_eq!(store.audit().append("operator", "replay", "", "").unwrap(), 6);
    assert_eq!(store.audit().verify().unwrap(), 6);
    store.audit().connection().unwrap().execute("DELETE FROM audit WHERE sequence = 4", []).unwrap();
    assert!(store.audit().verify().is_err(), "a later hole shows");
}

#[test]
fn writers_that_work_answer() {
    let (_dir, _store, facility_store) = fresh();
    assert!(facility_store.answers(std::time::Duration::from_secs(5)));
    // A group that never ends.
    facility_store.shared.commits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    assert!(!facility_store.answers(std::time::Duration::from_millis(60)));
    facility_store.shared.commits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    assert!(facility_store.answers(std::time::Duration::from_secs(5)));
}

#[test]
fn what_was_done_when_is_remembered() {
    let (dir, store, _facility) = fresh();
    assert_eq!(store.last_done("backup").unwrap(), None);
    store.done("backup", 5).unwrap();
    store.done("backup", 7).unwrap();
    drop((store, _facility));
    assert_eq!(open(dir.path()).last_done("backup").unwrap(), Some(7));
}
