//! Who may see which message's patient, and until when.
//!
//! Kept in memory and by session: a restart, the end of the session and fifteen minutes all close it. The
//! audit trail is written by the caller, before anything is opened.

use crate::store::MessageId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long one message stays open: long enough for a telephone call, short enough to be forgotten.
pub const OPEN_MS: i64 = 15 * 60 * 1000;

/// Messages open at once over all sessions; the one that closes first gives way.
const MOST: usize = 1_000;

/// Session, facility and message.
type Which = (String, String, MessageId);

/// What is open.
#[derive(Debug, Default)]
pub struct Reveals(Mutex<HashMap<Which, i64>>);

impl Reveals {
    /// Opens a message for a session; until when.
    pub fn open(&self, session: &str, facility: &str, id: MessageId, now_ms: i64) -> i64 {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, until| *until > now_ms);
        if open.len() >= MOST
            && let Some(first) = open.iter().min_by_key(|(_, until)| **until).map(|(which, _)| which.clone())
        {
            open.remove(&first);
        }
        open.insert((session.to_owned(), facility.to_owned(), id), now_ms + OPEN_MS);
        now_ms + OPEN_MS
    }

    /// Closes it.
    pub fn close(&self, session: &str, facility: &str, id: MessageId) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&(session.to_owned(), facility.to_owned(), id));
    }

    /// Until when it is open for that session, where it is.
    pub fn until(&self, session: &str, facility: &str, id: MessageId, now_ms: i64) -> Option<i64> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&(session.to_owned(), facility.to_owned(), id)).copied().filter(|until| *until > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, OPEN_MS, Reveals};
    use crate::store::MessageId;

    #[test]
    fn a_message_is_open_for_its_session_alone_and_for_fifteen_minutes() {
        let (reveals, id) = (Reveals::default(), MessageId(5));
        assert_eq!(reveals.open("s", "f", id, 1_000), 901_000);
        assert_eq!(reveals.until("s", "f", id, 900_999), Some(901_000));
        assert_eq!(reveals.until("s", "f", id, 901_000), None);
        assert_eq!(reveals.until("other", "f", id, 1_000), None);
        assert_eq!(reveals.until("s", "g", id, 1_000), None);
        assert_eq!(reveals.until("s", "f", MessageId(6), 1_000), None);
        reveals.close("s", "f", id);
        assert_eq!(reveals.until("s", "f", id, 1_000), None);
    }

    #[test]
    fn what_is_over_makes_room_and_the_oldest_gives_way() {
        let reveals = Reveals::default();
        for n in 0..=MOST as i64 {
            reveals.open("s", "f", MessageId(n), n);
        }
        assert_eq!(reveals.until("s", "f", MessageId(0), 1), None);
        assert!(reveals.until("s", "f", MessageId(1), 1).is_some());
        reveals.open("s", "f", MessageId(-1), OPEN_MS * 3);
        assert_eq!(reveals.0.lock().unwrap().len(), 1);
    }
}
