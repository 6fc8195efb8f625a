//! People: who may sign in, with what, and who is signed in now.
//!
//! Passwords stand as argon2id hashes made elsewhere, TOTP secrets are sealed with a key derived from the
//! appliance's identity key, of a session only the hash of its token is kept. Nothing here decides a right:
//! roles are words that the console reads.

use super::{OpenError, StoreError, appliance, schema};
use renkei_translate::identity::IdKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// Bytes of a session's token: not to be guessed.
const TOKEN_BYTES: usize = 32;
/// A session that has ended is remembered so long, so that a form sent too late is recognised and kept.
const REMEMBER_MS: i64 = 24 * 3_600_000;
/// The role that must never be without a person, as it is stored.
pub const ADMINISTRATOR: &str = "administrator";

/// People and their sessions.
pub struct Users {
    connection: Mutex<Connection>,
    seal: LessSafeKey,
    id_key: IdKey,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Users")
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number of the row.
    pub id: i64,
    /// What is typed to sign in.
    pub name: String,
    /// 氏名.
    pub display: String,
    /// Words of roles.
    pub roles: Vec<String>,
    /// Codes of the facilities that the rights are bounded by; `None` = all.
    pub facilities: Option<Vec<String>>,
    /// Whether a second factor is set up.
    pub enrolled: bool,
    /// Until when the one-time code stands in for a password, where it does.
    pub temporary_until_ms: Option<i64>,
    /// Whether signing in is stopped.
    pub stopped: bool,
    /// When the row was made.
    pub created_ms: i64,
    /// The last sign-in.
    pub last_ms: Option<i64>,
    /// Choices of the person for the screen, as the console writes them.
    pub settings: String,
}

/// What a sign-in is checked against. Its Debug prints no secret.
#[derive(Clone)]
pub struct Credentials {
    /// Whose.
    pub user: User,
    /// The argon2id hash of the password or one-time code.
    pub password: String,
    /// The TOTP secret.
    pub totp: Option<Vec<u8>>,
    /// Recovery codes that are left.
    pub recovery_left: usize,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// A person to be added.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// What is typed to sign in.
    pub name: String,
    /// 氏名.
    pub display: String,
    /// Words of roles.
    pub roles: Vec<String>,
    /// Facilities, or all.
    pub facilities: Option<Vec<String>>,
    /// The hash of the password or one-time code.
    pub password: String,
    /// The end of the one-time code, where it is one.
    pub temporary_until_ms: Option<i64>,
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is done.
    Done,
    /// There is no such person, or not in the state that the change wants.
    Missing,
    /// It would leave nobody to administer.
    LastAdministrator,
    /// The name is somebody's.
    Taken,
}

/// Somebody who is, or was until a moment ago, signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub user: User,
    /// Since when.
    pub since_ms: i64,
    /// The last request that counts as doing something.
    pub seen_ms: i64,
}

const COLUMNS: &str = "user.id, user.name, user.display, user.roles, user.facilities, user.totp IS NOT NULL,
  user.temporary_until_ms, user.stopped, user.created_ms, user.last_ms, user.settings";

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let words = |text: String| text.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect();
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        display: row.get(2)?,
        roles: words(row.get(3)?),
        facilities: row.get::<_, Option<String>>(4)?.map(words),
        enrolled: row.get(5)?,
        temporary_until_ms: row.get(6)?,
        stopped: row.get(7)?,
        created_ms: row.get(8)?,
        last_ms: row.get(9)?,
        settings: row.get(10)?,
    })
}

/// The hash under which a token is kept.
fn kept(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Bytes from the system's generator.
fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| StoreError::Damaged("the system gives no random bytes"))?;
    Ok(bytes)
}

impl Users {
    pub(super) fn new(path: &Path, id_key: &IdKey) -> Result<Self, OpenError> {
        let connection = schema::open(path, schema::APPLIANCE)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &id_key.derive("totp"))
            .expect("the derived key is as long as the algorithm wants");
        Ok(Self { connection: Mutex::new(connection), seal: LessSafeKey::new(key), id_key: id_key.clone() })
    }

    /// Opens the people of a data directory alone, beside a `serve` that may be at work.
    ///
    /// # Errors
    /// The directory or the database cannot be used.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let (_, id_key) = appliance::identity(data_dir, None)?;
        Self::new(&appliance::database(data_dir)?, &id_key)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        self.connection.lock().map_err(|_| StoreError::Closed)
    }

    /// Everybody, in the order of their names.
    ///
    /// # Errors
    /// The database.
    pub fn list(&self) -> Result<Vec<User>, StoreError> {
        let connection = self.lock()?;
        let mut select =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM user ORDER BY user.name"))?;
        let all = select.query_map([], user)?;
        Ok(all.collect::<Result<_, _>>()?)
    }

    /// One person.
    ///
    /// # Errors
    /// The database.
    pub fn get(&self, id: i64) -> Result<Option<User>, StoreError> {
        let connection = self.lock()?;
        let mut select =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM user WHERE user.id = ?"))?;
        Ok(select.query_row([id], user).optional()?)
    }

    /// What the sign-in of a name is checked against.
    ///
    /// # Errors
    /// The database, or a secret that another identity key sealed.
    pub fn credentials(&self, name: &str) -> Result<Option<Credentials>, StoreError> {
        let connection = self.lock()?;
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, user.password, user.totp, user.recovery FROM user WHERE user.name = ?"
        ))?;
        let found = select
            .query_row([name], |row| {
                let totp: Option<Vec<u8>> = row.get(12)?;
                let (password, recovery) = (row.get(11)?, row.get::<_, String>(13)?);
                Ok((user(row)?, password, totp, recovery.split_whitespace().count()))
            })
            .optional()?;
        let Some((user, password, sealed, recovery_left)) = found else { return Ok(None) };
        let totp = sealed.map(|sealed| self.unseal(user.id, sealed)).transpose()?;
        Ok(Some(Credentials { user, password, totp, recovery_left }))
    }

    /// Adds a person.
    ///
    /// # Errors
    /// The database.
    pub fn add(&self, new: &NewUser, now_ms: i64) -> Result<Change, StoreError> {
        let added = self
            .lock()?
            .prepare_cached(
                "INSERT OR IGNORE INTO user(name, display, roles, facilities, password, temporary_until_ms,
                 totp_step, recovery, stopped, created_ms, settings) VALUES(?, ?, ?, ?, ?, ?, 0, '', 0, ?, '')",
            )?
            .execute(params![
                new.name,
                new.display,
                new.roles.join(" "),
                new.facilities.as_ref().map(|codes| codes.join(" ")),
                new.password,
                new.temporary_until_ms,
                now_ms,
            ])?;
        Ok(if added == 1 { Change::Done } else { Change::Taken })
    }

    /// Changes one row where somebody is left to administer afterwards.
    fn change(&self, id: i64, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Change, StoreError> {
        let mut connection = self.lock()?;
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let administrators = |change: &rusqlite::Transaction<'_>| -> rusqlite::Result<i64> {
            change.query_row(
                "SELECT COUNT(*) FROM user WHERE stopped = 0 AND ' ' || roles || ' ' LIKE ?",
                [format!("% {ADMINISTRATOR} %")],
                |row| row.get(0),
            )
        };
        let before = administrators(&change)?;
        if change.execute(sql, values)? == 0 {
            return Ok(Change::Missing);
        }
        if before > 0 && administrators(&change)? == 0 {
            return Ok(Change::LastAdministrator);
        }
        // Whoever is changed signs in again: rights are never those of an old session.
        change.execute("DELETE FROM session WHERE user = ?", [id])?;
        change.commit()?;
        Ok(Change::Done)
    }

    /// Gives a person other roles and facilities.
    ///
    /// # Errors
    /// The database.
    pub fn set_roles(
        &self,
        id: i64,
        roles: &[String],
        facilities: Option<&[String]>,
    ) -> Result<Change, StoreError> {
        let (roles, facilities) = (roles.join(" "), facilities.map(|codes| codes.join(" ")));
        self.change(id, "UPDATE user SET roles = ?, facilities = ? WHERE id = ?", &[&roles, &facilities, &id])
    }

    /// Stops a person from signing in, or lets them again.
    ///
    /// # Errors
    /// The database.
    pub fn set_stopped(&self, id: i64, stopped: bool) -> Result<Change, StoreError> {
        self.change(id, "UPDATE user SET stopped = ? WHERE id = ?", &[&stopped, &id])
    }

    /// Deletes a person who is stopped.
    ///
    /// # Errors
    /// The database.
    pub fn delete(&self, id: i64) -> Result<Change, StoreError> {
        self.change(id, "DELETE FROM user WHERE id = ? AND stopped = 1", &[&id])
    }

    /// Sets the hash of a password, or of a one-time code and its end; ends the person's sessions.
    ///
    /// # Errors
    /// The database.
    pub fn set_password(
        &self,
        id: i64,
        password: &str,
        temporary_until_ms: Option<i64>,
    ) -> Result<Change, StoreError> {
        self.change(
            id,
            "UPDATE user SET password = ?, temporary_until_ms = ? WHERE id = ?",
            &[&password, &temporary_until_ms, &id],
        )
    }

    /// Sets the TOTP secret, or takes the second factor away with its recovery codes; ends the person's sessions.
    ///
    /// # Errors
    /// The database.
    pub fn set_totp(&self, id: i64, secret: Option<&[u8]>) -> Result<Change, StoreError> {
        let sealed = secret.map(|secret| self.sealed(id, secret)).transpose()?;
        self.change(
            id,
            "UPDATE user SET totp = ?, totp_step = 0, recovery = '' WHERE id = ?",
            &[&sealed, &id],
        )
    }

    /// Uses the code of a time step; false where that step, or a later one, was used before.
    ///
    /// # Errors
    /// The database.
    pub fn use_step(&self, id: i64, step: u64) -> Result<bool, StoreError> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let changed = self
            .lock()?
            .prepare_cached("UPDATE user SET totp_step = ?1 WHERE id = ?2 AND totp_step < ?1")?
            .execute([step, id])?;
        Ok(changed == 1)
    }

    /// The form in which a recovery code is kept: nothing can be read back from it.
    fn recovery(&self, id: i64, code: &str) -> String {
        self.id_key.id(["recovery", &id.to_string(), code])
    }

    /// Sets the recovery codes.
    ///
    /// # Errors
    /// The database.
    pub fn set_recovery(&self, id: i64, codes: &[String]) -> Result<(), StoreError> {
        let kept: Vec<String> = codes.iter().map(|code| self.recovery(id, code)).collect();
        self.lock()?
            .prepare_cached("UPDATE user SET recovery = ? WHERE id = ?")?
            .execute(params![kept.join(" "), id])?;
        Ok(())
    }

    /// Uses a recovery code; false where there is none such left.
    ///
    /// # Errors
    /// The database.
    pub fn use_recovery(&self, id: i64, code: &str) -> Result<bool, StoreError> {
        let wanted = self.recovery(id, code);
        let mut connection = self.lock()?;
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let left: Option<String> =
            change.query_row("SELECT recovery FROM user WHERE id = ?", [id], |row| row.get(0)).optional()?;
        let left = left.unwrap_or_default();
        if !left.split(' ').any(|code| code == wanted) {
            return Ok(false);
        }
        let rest: Vec<&str> = left.split(' ').filter(|code| *code != wanted).collect();
        change.execute("UPDATE user SET recovery = ? WHERE id = ?", params![rest.join(" "), id])?;
        change.commit()?;
        Ok(true)
    }

    /// Keeps a person's choices for the screen.
    ///
    /// # Errors
    /// The database.
    pub fn set_settings(&self, id: i64, settings: &str) -> Result<(), StoreError> {
        self.lock()?
            .prepare_cached("UPDATE user SET settings = ? WHERE id = ?")?
            .execute(params![settings, id])?;
        Ok(())
    }

    /// Signs a person in; the token that their browser shows from now on.
    ///
    /// # Errors
    /// The database.
    pub fn open_session(&self, id: i64, now_ms: i64) -> Result<String, StoreError> {
        let token: String = random::<TOKEN_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut connection = self.lock()?;
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        change.execute("DELETE FROM session WHERE seen_ms < ?", [now_ms - REMEMBER_MS])?;
        change
            .execute("INSERT INTO session VALUES(?, ?, ?, ?)", params![kept(&token), id, now_ms, now_ms])?;
        change.execute("UPDATE user SET last_ms = ? WHERE id = ?", [now_ms, id])?;
        change.commit()?;
        Ok(token)
    }

    /// Who shows this token, whether the session is still fresh or not.
    ///
    /// # Errors
    /// The database.
    pub fn session(&self, token: &str) -> Result<Option<Session>, StoreError> {
        let connection = self.lock()?;
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, session.since_ms, session.seen_ms FROM session JOIN user ON user.id = session.user
             WHERE session.token = ? AND user.stopped = 0"
        ))?;
        let found = select.query_row([kept(token)], |row| {
            Ok(Session { user: user(row)?, since_ms: row.get(11)?, seen_ms: row.get(12)? })
        });
        Ok(found.optional()?)
    }

    /// The person of a session has just done something.
    ///
    /// # Errors
    /// The database.
    pub fn touch(&self, token: &str, now_ms: i64) -> Result<(), StoreError> {
        self.lock()?
            .prepare_cached("UPDATE session SET seen_ms = ? WHERE token = ?")?
            .execute(params![now_ms, kept(token)])?;
        Ok(())
    }

    /// Signs out.
    ///
    /// # Errors
    /// The database.
    pub fn end_session(&self, token: &str) -> Result<(), StoreError> {
        self.lock()?.prepare_cached("DELETE FROM session WHERE token = ?")?.execute([kept(token)])?;
        Ok(())
    }

    /// Nonce, then ciphertext and tag; the person's number is bound in, so that rows cannot be exchanged.
    fn sealed(&self, id: i64, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = random::<NONCE_LEN>()?;
        let mut text = secret.to_vec();
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(id.to_be_bytes()),
                &mut text,
            )
            .map_err(|_| StoreError::Damaged("a secret cannot be sealed"))?;
        Ok([nonce.as_slice(), &text].concat())
    }

    fn unseal(&self, id: i64, sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let damaged = StoreError::Damaged("a second factor that another identity key sealed");
        let Some((nonce, text)) = sealed.split_first_chunk::<NONCE_LEN>() else { return Err(damaged) };
        let mut text = text.to_vec();
        match self.seal.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(id.to_be_bytes()),
            &mut text,
        ) {
            Ok(secret) => Ok(secret.to_vec()),
            Err(_) => Err(damaged),
        }
    }
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
