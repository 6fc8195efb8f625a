//! The audit trail and the secret of ids.

use super::*;

fn trail() -> Audit {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(schema::APPLIANCE.tables).unwrap();
    let audit = Audit(Mutex::new(connection));
    for number in 1..=5_u64 {
        assert_eq!(audit.append("operator", "replay", &format!("message {number}"), "").unwrap(), number);
    }
    audit
}

fn check(tamper: &str, broken_at: Option<u64>) {
    let audit = trail();
    audit.0.lock().unwrap().execute_batch(tamper).unwrap();
    match (audit.verify(), broken_at) {
        (Ok(_), None) => {}
        (Err(Broken::At { sequence }), Some(expected)) => assert_eq!(sequence, expected, "{tamper}"),
        (result, _) => panic!("{tamper}: {result:?}"),
    }
}

#[test]
fn an_edit_a_deletion_and_a_shift_break_the_chain() {
    check("", None);
    check("UPDATE audit SET who = 'nobody' WHERE sequence = 3", Some(3));
    check("UPDATE audit SET at_ms = at_ms + 1 WHERE sequence = 2", Some(2));
    check("DELETE FROM audit WHERE sequence = 3", Some(3));
    check("DELETE FROM audit WHERE sequence = 1", Some(1));
    check(
        "DELETE FROM audit WHERE sequence = 3; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3",
        Some(3),
    );
}

#[test]
fn entries_are_listed_newest_first() {
    let audit = trail();
    let page: Vec<u64> = audit.entries(Some(4), 2).unwrap().iter().map(|e| e.sequence).collect();
    assert_eq!(page, [3, 2]);
}

#[test]
fn a_store_is_opened_with_one_secret_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (data, key) = (dir.path().join("data"), dir.path().join("identity.key"));
    let with = |path: Option<&Path>| Config { identity_key: path.map(Path::to_owned), ..Config::default() };
    let open = |config| Store::open(&data, &[], config).map(|store| store.fingerprint());
    assert!(matches!(open(with(Some(&key))), Err(OpenError::Key { .. })), "never made by itself");
    std::fs::write(&key, [7; KEY_BYTES]).unwrap();
    let first = open(with(Some(&key))).unwrap();
    assert_eq!(first, IdKey::new(&[7; KEY_BYTES]).fingerprint());
    assert!(!data.join(KEY_FILE).exists());
    std::fs::write(&key, [8; KEY_BYTES]).unwrap();
    assert!(matches!(open(with(Some(&key))), Err(OpenError::OtherKey)));
    std::fs::write(&key, [7; 5]).unwrap();
    assert!(matches!(open(with(Some(&key))), Err(OpenError::Key { .. })));
    std::fs::write(&key, [7; KEY_BYTES]).unwrap();
    // Without the setting no second secret is made.
    assert!(matches!(open(with(None)), Err(OpenError::OtherKey)));
    assert!(!data.join(KEY_FILE).exists());
    std::fs::write(data.join(KEY_FILE), [9; KEY_BYTES]).unwrap();
    assert!(matches!(open(with(Some(&key))), Err(OpenError::OtherKey)), "two that differ");
    std::fs::remove_file(data.join(KEY_FILE)).unwrap();
    assert_eq!(open(with(Some(&key))).unwrap(), first);
}

#[test]
fn a_filter_lets_through_what_it_says() {
    let audit = trail();
    audit.append("editor", "replay", "message 1", "").unwrap();
    let numbers = |filter: AuditFilter| -> Vec<u64> {
        audit.search(&filter).unwrap().iter().map(|entry| entry.sequence).collect()
    };
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    assert_eq!(numbers(all.clone()), [6, 5, 4, 3, 2, 1]);
    assert_eq!(numbers(AuditFilter { who: Some("operator".into()), limit: 2, ..all.clone() }), [5, 4]);
    assert_eq!(numbers(AuditFilter { target: Some("message 1".into()), ..all.clone() }), [6, 1]);
    assert_eq!(numbers(AuditFilter { before: Some(3), ..all.clone() }), [2, 1]);
    assert_eq!(numbers(AuditFilter { action: Some("release".into()), ..all.clone() }), Vec::<u64>::new());
    assert_eq!(numbers(AuditFilter { from_ms: Some(i64::MAX), ..all.clone() }), Vec::<u64>::new());
    assert_eq!(numbers(AuditFilter { to_ms: Some(0), ..all }), Vec::<u64>::new());
}

#[test]
fn the_key_is_made_once_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let first = key(dir.path()).unwrap();
    assert_eq!(first.len(), KEY_BYTES);
    assert_eq!(key(dir.path()).unwrap(), first);
    let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(dir.path().join(KEY_FILE), b"short").unwrap();
    assert!(key(dir.path()).is_err());
}
