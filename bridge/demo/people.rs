//! The people of the demonstration: one of each role, all invented, all with the same published password.

use crate::console::password;
use crate::console::rights::Role;
use crate::store::{Change, NewUser, StoreError, Users};

/// The password of all of them. The demonstration listens on this machine alone and keeps nothing.
pub const PASSWORD: &str = "mihon no aikotoba";

/// A person of the demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// What is typed to sign in.
    pub name: &'static str,
    /// 氏名.
    pub display: &'static str,
    /// What they may do.
    pub role: Role,
    /// The role as printed.
    pub says: &'static str,
    /// Where to look first.
    pub look: &'static str,
}

const fn person(
    name: &'static str,
    display: &'static str,
    role: Role,
    says: &'static str,
    look: &'static str,
) -> Person {
    Person { name, display, role, says, look }
}

/// All of them.
pub const PEOPLE: [Person; 6] = [
    person("etsuran", "見本 閲子", Role::Viewer, "閲覧 viewer", "/"),
    person("unyou", "見本 運平", Role::Operator, "運用 operator", "/"),
    person("henshu", "見本 編美", Role::Editor, "マッピング編集 mapping editor", "/"),
    person("shounin", "見本 承一", Role::Approver, "承認 approver", "/"),
    person("kanri", "見本 管子", Role::Administrator, "管理 administrator", "/users"),
    person("ken", "見本 県太", Role::Prefecture, "県 prefecture", "/participation"),
];

/// Adds them, each with a second factor of their own.
pub(super) fn add(users: &Users, now_ms: i64) -> Result<(), StoreError> {
    for person in PEOPLE {
        let new = NewUser {
            name: person.name.into(),
            display: person.display.into(),
            roles: vec![person.role.word().into()],
            facilities: None,
            password: password::hash(PASSWORD),
            temporary_until_ms: None,
        };
        if users.add(&new, now_ms)? != Change::Done {
            continue;
        }
        if let Some(added) = users.credentials(person.name)? {
            users.set_totp(added.user.id, Some(&password::random::<{ password::SECRET_BYTES }>()))?;
        }
    }
    Ok(())
}
