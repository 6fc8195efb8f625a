//! Between a password and a session: sign-ins half done, how often a name was tried, forms sent too late.
//!
//! All of it is in memory and bounded: after a restart people begin again at the first page.

use super::request::Values;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A sign-in that was begun ends within this time.
const PENDING_MS: i64 = 10 * 60_000;
/// Attempts on a name are forgotten after this time.
const ATTEMPTS_MS: i64 = 60 * 60_000;
/// A form that came too late is kept so long.
const KEPT_MS: i64 = 30 * 60_000;
/// Of each of them at most; beyond, the oldest goes.
const MAX_KEPT: usize = 4_096;
/// Longest wait before a sign-in is looked at.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a sign-in waits after so many attempts of the same name from the same address that did not end in
/// a session. It grows and never locks: 0, 0, 0.5, 1, 2, 4, 8, 16, then 30 seconds.
pub fn delay(attempts: u32) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        2..=7 => Duration::from_millis(500 << (attempts - 2)),
        _ => LONGEST,
    }
}

/// A sign-in of which the password was asked and the code was not.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The name as typed.
    pub name: String,
    /// The person, where the password was right.
    pub user: Option<i64>,
    /// Where the person was going.
    pub next: String,
    /// The secret that is shown for a first sign-in.
    pub secret: Option<[u8; super::password::SECRET_BYTES]>,
    /// Whether the one-time code must be replaced by a password.
    pub temporary: bool,
}

/// A form of somebody whose session had ended.
#[derive(Clone, Debug)]
pub(super) struct Late {
    /// Whose it is.
    pub user: i64,
    /// Where it was going.
    pub action: String,
    /// What is in it.
    pub fields: Values,
}

/// Values with the time at which they were put in; old ones go, and so does the oldest of too many.
struct Kept<K, V> {
    life_ms: i64,
    values: Mutex<HashMap<K, (i64, V)>>,
}

impl<K: Clone + Eq + std::hash::Hash, V: Clone> Kept<K, V> {
    fn new(life_ms: i64) -> Self {
        Self { life_ms, values: Mutex::default() }
    }

    fn lock(&self, now_ms: i64) -> MutexGuard<'_, HashMap<K, (i64, V)>> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= MAX_KEPT {
            values.retain(|_, (at, _)| now_ms - *at < self.life_ms);
            let oldest = values.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| values.len() >= MAX_KEPT) {
                values.remove(&oldest);
            }
        }
        values
    }

    fn put(&self, key: K, value: V, now_ms: i64) {
        self.lock(now_ms).insert(key, (now_ms, value));
    }

    fn get(&self, key: &K, now_ms: i64) -> Option<V> {
        let values = self.lock(now_ms);
        values.get(key).filter(|(at, _)| now_ms - *at < self.life_ms).map(|(_, value)| value.clone())
    }

    fn take(&self, key: &K, now_ms: i64) -> Option<V> {
        let taken = self.lock(now_ms).remove(key);
        taken.filter(|(at, _)| now_ms - *at < self.life_ms).map(|(_, value)| value)
    }
}

/// The state of the door.
pub(super) struct Door {
    pending: Kept<String, Pending>,
    attempts: Kept<(String, IpAddr), u32>,
    late: Kept<i64, Late>,
    once: Kept<(i64, String), String>,
}

impl Door {
    pub fn new() -> Self {
        Self {
            pending: Kept::new(PENDING_MS),
            attempts: Kept::new(ATTEMPTS_MS),
            late: Kept::new(KEPT_MS),
            once: Kept::new(ATTEMPTS_MS),
        }
    }

    /// Counts an attempt of a name; how many there were before. Counted before anything is checked, so that the
    /// wait says nothing of what was right.
    pub fn attempt(&self, name: &str, from: IpAddr, now_ms: i64) -> u32 {
        let key = (name.to_owned(), from);
        let before = self.attempts.get(&key, now_ms).unwrap_or_default();
        self.attempts.put(key, before.saturating_add(1), now_ms);
        before
    }

    /// The name has signed in.
    pub fn done(&self, name: &str, from: IpAddr, now_ms: i64) {
        self.attempts.take(&(name.to_owned(), from), now_ms);
    }

    pub fn begin(&self, token: &str, pending: Pending, now_ms: i64) {
        self.pending.put(token.to_owned(), pending, now_ms);
    }

    pub fn begun(&self, token: &str, now_ms: i64) -> Option<Pending> {
        self.pending.get(&token.to_owned(), now_ms)
    }

    /// Each code is tried once: after it, right or wrong, the password is asked again.
    pub fn take(&self, token: &str, now_ms: i64) -> Option<Pending> {
        self.pending.take(&token.to_owned(), now_ms)
    }

    pub fn keep(&self, late: Late, now_ms: i64) {
        self.late.put(late.user, late, now_ms);
    }

    pub fn kept(&self, user: i64, now_ms: i64) -> Option<Late> {
        self.late.take(&user, now_ms)
    }

    /// Whether something is kept for a person.
    pub fn keeps(&self, user: i64, now_ms: i64) -> bool {
        self.late.get(&user, now_ms).is_some()
    }

    /// Claims the key of a form. Where it was claimed before, the form was sent twice: where the first one led.
    pub fn claim(&self, user: i64, once: &str, meanwhile: &str, now_ms: i64) -> Result<(), String> {
        let key = (user, once.to_owned());
        let mut forms = self.once.lock(now_ms);
        match forms.get(&key) {
            Some((_, location)) => Err(location.clone()),
            None => {
                forms.insert(key, (now_ms, meanwhile.to_owned()));
                Ok(())
            }
        }
    }

    /// Where a claimed form has led; `None` where it had no effect and may be sent again.
    pub fn led(&self, user: i64, once: &str, location: Option<&str>, now_ms: i64) {
        let key = (user, once.to_owned());
        match location {
            Some(location) => self.once.put(key, location.to_owned(), now_ms),
            None => drop(self.once.take(&key, now_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_wait_grows_and_ends() {
        let waits: Vec<u64> = (0..10).map(|n| u64::try_from(delay(n).as_millis()).unwrap()).collect();
        assert_eq!(waits, [0, 0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(delay(u32::MAX), LONGEST);
    }

    #[test]
    fn attempts_count_by_name_and_address_until_the_sign_in() {
        let (door, here) = (Door::new(), IpAddr::from(Ipv4Addr::LOCALHOST));
        let there = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(
            (door.attempt("a", here, 1), door.attempt("a", here, 2), door.attempt("b", here, 2)),
            (0, 1, 0)
        );
        assert_eq!(door.attempt("a", there, 3), 0);
        door.done("a", here, 4);
        assert_eq!(door.attempt("a", here, 5), 0);
        assert_eq!(door.attempt("a", there, 3 + ATTEMPTS_MS), 0, "forgotten");
    }

    #[test]
    fn a_form_sent_twice_leads_where_the_first_one_did() {
        let door = Door::new();
        assert_eq!(door.claim(1, "k", "/users", 1), Ok(()));
        assert_eq!(door.claim(1, "k", "/users", 2), Err("/users".into()), "the first is still at work");
        door.led(1, "k", Some("/users/2"), 3);
        assert_eq!(door.claim(1, "k", "/users", 4), Err("/users/2".into()));
        assert_eq!(door.claim(2, "k", "/users", 4), Ok(()), "another person's");
        door.led(2, "k", None, 5);
        assert_eq!(door.claim(2, "k", "/users", 6), Ok(()), "the first had no effect");
    }

    #[test]
    fn what_is_kept_ends_and_is_bounded() {
        let kept = Kept::new(10);
        for key in 0..MAX_KEPT + 5 {
            kept.put(key, key, i64::try_from(key).unwrap() / 1_000);
        }
        assert_eq!(kept.lock(5).len(), MAX_KEPT - 1, "looking makes room for one");
        let last = MAX_KEPT + 4;
        assert_eq!(kept.get(&last, 13), Some(last));
        assert_eq!(kept.get(&last, 14), None);
        assert_eq!((kept.take(&last, 13), kept.take(&last, 13)), (Some(last), None));
    }
}
