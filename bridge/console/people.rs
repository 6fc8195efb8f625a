//! Inviting people and letting them in again: the same for the page and for the command line.

use super::password;
use super::rights::Role;
use crate::store::{Change, NewUser, StoreError, Users};

/// Characters of a name at most.
pub const MAX_NAME: usize = 32;
/// Characters of a 氏名 at most: longer ones exist nowhere.
pub const MAX_DISPLAY: usize = 60;

/// Somebody to be invited.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What is typed to sign in.
    pub name: String,
    /// 氏名.
    pub display: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Facilities that the rights are bounded by; `None` = all.
    pub facilities: Option<Vec<String>>,
}

/// Whether a name can be somebody's: small letters, digits, `.`, `-` and `_`, so that it can be typed anywhere.
pub fn name_fits(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (2..=MAX_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

impl Wanted {
    /// Why nobody like this can be invited: the key of a sentence.
    pub fn unfit(&self) -> Option<&'static str> {
        if !name_fits(&self.name) {
            Some("users.name.unfit")
        } else if self.display.trim().is_empty() || self.display.chars().count() > MAX_DISPLAY {
            Some("users.display.unfit")
        } else if self.roles.is_empty() {
            Some("users.roles.none")
        } else {
            None
        }
    }
}

/// Roles as they are stored.
pub fn words(roles: &[Role]) -> Vec<String> {
    roles.iter().map(|role| role.word().to_owned()).collect()
}

/// Invites somebody: the one-time code for their paper, or the key of why not.
///
/// # Errors
/// The database.
pub fn invite(
    users: &Users,
    wanted: &Wanted,
    now_ms: i64,
) -> Result<Result<String, &'static str>, StoreError> {
    if let Some(problem) = wanted.unfit() {
        return Ok(Err(problem));
    }
    let (code, hash) = paper();
    let new = NewUser {
        name: wanted.name.clone(),
        display: wanted.display.trim().to_owned(),
        roles: words(&wanted.roles),
        facilities: wanted.facilities.clone(),
        password: hash,
        temporary_until_ms: Some(now_ms + password::INVITATION_MS),
    };
    Ok(match users.add(&new, now_ms)? {
        Change::Taken => Err("users.name.taken"),
        _ => Ok(code),
    })
}

/// Gives somebody a new one-time code in place of their password.
///
/// # Errors
/// The database.
pub fn renew(users: &Users, id: i64, now_ms: i64) -> Result<Option<String>, StoreError> {
    let (code, hash) = paper();
    let done = users.set_password(id, &hash, Some(now_ms + password::INVITATION_MS))?;
    Ok((done == Change::Done).then_some(code))
}

/// A one-time code and its hash: four groups, nobody guesses it in a week.
fn paper() -> (String, String) {
    let code = password::code(4);
    let hash = password::hash(&password::typed(&code));
    (code, hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_typed_anywhere() {
        for fits in ["sato", "h.sato", "sato-2", "a1"] {
            assert!(name_fits(fits), "{fits}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for unfit in ["a", "", "Sato", "佐藤", "sato h", "../x", "-sato", "a/b", long.as_str()] {
            assert!(!name_fits(unfit), "{unfit}");
        }
    }

    #[test]
    fn an_invitation_is_a_code_that_ends() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::open(dir.path()).unwrap();
        let wanted = Wanted {
            name: "sato".into(),
            display: "佐藤".into(),
            roles: vec![Role::Operator],
            facilities: None,
        };
        let code = invite(&users, &wanted, 5).unwrap().unwrap();
        let known = users.credentials("sato").unwrap().unwrap();
        assert!(password::verify(&password::typed(&code), Some(&known.password)));
        assert_eq!(known.user.temporary_until_ms, Some(5 + password::INVITATION_MS));
        assert_eq!(invite(&users, &wanted, 6).unwrap(), Err("users.name.taken"));
        let again = renew(&users, known.user.id, 9).unwrap().unwrap();
        let known = users.credentials("sato").unwrap().unwrap();
        assert!(password::verify(&password::typed(&again), Some(&known.password)));
        assert!(!password::verify(&password::typed(&code), Some(&known.password)), "the first paper is void");
    }

    #[test]
    fn what_is_missing_is_said() {
        let check = |name: &str, display: &str, roles: &[Role], expected| {
            let roles = roles.to_vec();
            let wanted = Wanted { name: name.into(), display: display.into(), roles, facilities: None };
            assert_eq!(wanted.unfit(), expected);
        };
        check("Sato", "x", &[Role::Viewer], Some("users.name.unfit"));
        check("sato", " ", &[Role::Viewer], Some("users.display.unfit"));
        check("sato", "x", &[], Some("users.roles.none"));
        check("sato", "x", &[Role::Viewer], None);
    }
}
