//! People: sealing, the last administrator, codes that work once, sessions.

use super::*;

fn people() -> (tempfile::TempDir, Users) {
    let dir = tempfile::tempdir().unwrap();
    let users = Users::open(dir.path()).unwrap();
    (dir, users)
}

fn add(users: &Users, name: &str, roles: &[&str]) -> i64 {
    let new = NewUser {
        name: name.into(),
        display: name.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..NewUser::default()
    };
    assert_eq!(users.add(&new, 1).unwrap(), Change::Done);
    users.credentials(name).unwrap().unwrap().user.id
}

#[test]
fn a_name_is_given_once_and_rows_come_back_as_written() {
    let (_dir, users) = people();
    let new = NewUser {
        name: "sato".into(),
        display: "佐藤 花".into(),
        roles: vec!["operator".into(), "approver".into()],
        facilities: Some(vec!["1319999991".into()]),
        password: "hash".into(),
        temporary_until_ms: Some(9),
    };
    assert_eq!(users.add(&new, 5).unwrap(), Change::Done);
    assert_eq!(users.add(&new, 6).unwrap(), Change::Taken);
    let all = users.list().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].roles.clone(), all[0].facilities.clone()), (new.roles, new.facilities));
    assert_eq!((all[0].created_ms, all[0].temporary_until_ms, all[0].enrolled), (5, Some(9), false));
}

#[test]
fn the_last_administrator_stays() {
    let (_dir, users) = people();
    let (first, second) =
        (add(&users, "a", &["administrator"]), add(&users, "b", &["administrator", "viewer"]));
    assert_eq!(users.set_stopped(first, true).unwrap(), Change::Done);
    assert_eq!(users.set_stopped(second, true).unwrap(), Change::LastAdministrator);
    assert_eq!(users.set_roles(second, &["viewer".into()], None).unwrap(), Change::LastAdministrator);
    assert_eq!(users.delete(second).unwrap(), Change::Missing, "not stopped, so not deleted");
    assert_eq!(users.get(second).unwrap().unwrap().roles, ["administrator", "viewer"]);
    assert_eq!(users.delete(first).unwrap(), Change::Done);
    assert_eq!(users.list().unwrap().len(), 1);
}

#[test]
fn a_secret_is_sealed_and_bound_to_its_person_and_key() {
    let (dir, users) = people();
    let (a, b) = (add(&users, "a", &["viewer"]), add(&users, "b", &["viewer"]));
    let secret = b"twenty bytes secret!";
    users.set_totp(a, Some(secret)).unwrap();
    assert_eq!(users.credentials("a").unwrap().unwrap().totp.as_deref(), Some(secret.as_slice()));
    let file = std::fs::read(dir.path().join("appliance/appliance.sqlite-wal")).unwrap_or_default();
    assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
    // A row copied to another person does not open, nor does it with another appliance's key.
    let copy = "UPDATE user SET totp = (SELECT totp FROM user WHERE id = ?) WHERE id = ?";
    users.lock().unwrap().execute(copy, [a, b]).unwrap();
    assert!(users.credentials("b").is_err());
    let other = Users::new(&dir.path().join("appliance/appliance.sqlite"), &IdKey::test()).unwrap();
    assert!(other.credentials("a").is_err());
}

#[test]
fn a_step_and_a_recovery_code_work_once() {
    let (_dir, users) = people();
    let id = add(&users, "a", &["viewer"]);
    assert!(users.use_step(id, 10).unwrap());
    assert!(!users.use_step(id, 10).unwrap() && !users.use_step(id, 9).unwrap());
    assert!(users.use_step(id, 11).unwrap());
    users.set_recovery(id, &["one".into(), "two".into()]).unwrap();
    assert!(!users.use_recovery(id, "three").unwrap() && users.use_recovery(id, "two").unwrap());
    assert!(!users.use_recovery(id, "two").unwrap());
    assert_eq!(users.credentials("a").unwrap().unwrap().recovery_left, 1);
}

#[test]
fn a_change_ends_the_sessions_of_whom_it_concerns() {
    let (_dir, users) = people();
    let (a, b) = (add(&users, "a", &["viewer"]), add(&users, "b", &["viewer"]));
    let (of_a, of_b) = (users.open_session(a, 100).unwrap(), users.open_session(b, 100).unwrap());
    users.touch(&of_a, 200).unwrap();
    let session = users.session(&of_a).unwrap().unwrap();
    assert_eq!((session.user.id, session.since_ms, session.seen_ms), (a, 100, 200));
    users.set_roles(a, &["operator".into()], None).unwrap();
    assert!(users.session(&of_a).unwrap().is_none());
    assert!(users.session(&of_b).unwrap().is_some() && users.session("nonsense").unwrap().is_none());
    users.end_session(&of_b).unwrap();
    assert!(users.session(&of_b).unwrap().is_none());
}
