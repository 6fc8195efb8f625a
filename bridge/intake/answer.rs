//! What a sender is answered: original mode, or enhanced mode where MSH-15 or MSH-16 is valued.
//!
//! The answer follows from the header and from what became of the message, and never from its content.
//! HL7 v2.5 section 2.9.2: where MSH-15 is valued, the accept acknowledgment (CA, CE, CR) that it asks for
//! is given. Where only MSH-16 is, no accept acknowledgment is wanted, and the answer is that of the
//! application (AA, AE, AR) as MSH-16 asks: safe storage is all that this application does while the
//! sender waits. Where both are, MSH-16 is not answered: its answer would be a message of its own, sent
//! later, and nothing later is known that storing did not say. `""` values neither.

use chrono::{DateTime, Utc};
use renkei_translate::hl7v2::ack::{self, Answer, Code, Reason};
use renkei_translate::hl7v2::header::{self, Header};
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a message at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Journalled, now or earlier.
    Stored,
    /// It could not be journalled: the sender keeps it and sends it again.
    NotStored,
    /// Larger than the feed takes: sending it again changes nothing.
    Refused,
}

impl Outcome {
    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::NotStored => "not-stored",
            Self::Refused => "refused",
        }
    }

    fn code(self, enhanced: bool) -> Code {
        match (self, enhanced) {
            (Self::Stored, false) => Code::AA,
            (Self::NotStored, false) => Code::AE,
            (Self::Refused, false) => Code::AR,
            (Self::Stored, true) => Code::CA,
            (Self::NotStored, true) => Code::CE,
            (Self::Refused, true) => Code::CR,
        }
    }

    fn reason(self) -> Option<Reason> {
        match self {
            Self::Stored => None,
            Self::NotStored => Some(Reason::NOT_STORED),
            Self::Refused => Some(Reason::TOO_LARGE),
        }
    }
}

/// A message's header, as far as an answer needs it.
#[derive(Clone, Debug)]
pub struct Request(Header);

impl Request {
    /// Reads the header; `None` where there is none that can be answered by name.
    pub fn read(message: &[u8]) -> Option<Self> {
        header::read(message).map(Self)
    }

    /// MSH-10.
    pub fn control_id(&self) -> &str {
        &self.0.control_id
    }

    /// The acknowledgment, or `None` where the header asks for none.
    pub fn answer(&self, outcome: Outcome) -> Option<Vec<u8>> {
        let (accept, application) = (self.0.accept_ack.trim(), self.0.application_ack.trim());
        let by_accept = header::is_valued(accept);
        let condition = match (by_accept, header::is_valued(application)) {
            (true, _) => accept,
            (false, true) => application,
            (false, false) => "AL",
        };
        // HL7 table 0155. A value that is not in it is answered: silence would stop the sender.
        let wanted = match condition {
            "NE" => false,
            "ER" => outcome != Outcome::Stored,
            "SU" => outcome == Outcome::Stored,
            _ => true,
        };
        let (control_id, time) = stamp();
        let code = outcome.code(by_accept);
        let answer = Answer { code, reason: outcome.reason(), control_id: &control_id, time: &time };
        wanted.then(|| ack::build(&self.0, &answer))
    }
}

/// The answer to a block without a readable header: AR, and no control id to name.
pub fn unreadable() -> Vec<u8> {
    let (control_id, time) = stamp();
    ack::unreadable(&control_id, &time)
}

/// MSH-10 and MSH-7 of an acknowledgment. The id is the start of the process and a count, at most 20 characters.
fn stamp() -> (String, String) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static STARTED: std::sync::LazyLock<DateTime<Utc>> = std::sync::LazyLock::new(Utc::now);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = Utc::now().with_timezone(&chrono_tz::Asia::Tokyo);
    (format!("{:X}-{count}", STARTED.timestamp()), now.format("%Y%m%d%H%M%S%z").to_string())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Request};

    fn check(accept: &str, application: &str, outcome: Outcome, expected: Option<&str>) {
        let message =
            format!("MSH|^~\\&|HIS|H|GW|H|20260101||ADT^A08|ID-7|P|2.5|||{accept}|{application}\rPID|1\r");
        let answer = Request::read(message.as_bytes()).unwrap().answer(outcome);
        let answer = answer.map(|bytes| String::from_utf8(bytes).unwrap());
        let msa = answer.as_deref().and_then(|text| text.split('\r').find(|line| line.starts_with("MSA")));
        let fields: Option<Vec<&str>> = msa.map(|line| line.split('|').collect());
        assert_eq!(fields.as_ref().map(|f| f[1]), expected, "MSH-15 {accept:?} {outcome:?}");
        assert!(fields.is_none_or(|f| f[2] == "ID-7"), "MSA-2 is the control id");
    }

    const ALL: [Outcome; 3] = [Outcome::Stored, Outcome::NotStored, Outcome::Refused];

    #[test]
    fn original_mode_answers_each_message() {
        for null in ["", "\"\""] {
            check(null, null, Outcome::Stored, Some("AA"));
            check(null, null, Outcome::NotStored, Some("AE"));
            check(null, null, Outcome::Refused, Some("AR"));
        }
    }

    #[test]
    fn enhanced_mode_answers_as_msh_15_asks() {
        for (accept, expected) in [
            ("AL", [Some("CA"), Some("CE"), Some("CR")]),
            ("NE", [None, None, None]),
            ("ER", [None, Some("CE"), Some("CR")]),
            ("SU", [Some("CA"), None, None]),
            ("XX", [Some("CA"), Some("CE"), Some("CR")]),
        ] {
            for (outcome, expected) in ALL.into_iter().zip(expected) {
                // MSH-16 is not answered on this connection where MSH-15 is valued.
                for application in ["", "NE", "AL"] {
                    check(accept, application, outcome, expected);
                }
            }
        }
    }

    #[test]
    fn enhanced_mode_without_msh_15_answers_for_the_application_as_msh_16_asks() {
        for (application, expected) in [
            ("AL", [Some("AA"), Some("AE"), Some("AR")]),
            ("NE", [None, None, None]),
            ("ER", [None, Some("AE"), Some("AR")]),
            ("SU", [Some("AA"), None, None]),
        ] {
            for (outcome, expected) in ALL.into_iter().zip(expected) {
                check("", application, outcome, expected);
                check("\"\"", application, outcome, expected);
            }
        }
    }

    #[test]
    fn what_has_no_header_cannot_be_read() {
        assert!(Request::read(b"PID|1").is_none());
        assert!(Request::read(b"").is_none());
        // A message that no parser could split is not taken and acknowledged.
        assert!(Request::read(b"MSH|^^~&|A|B|C|D|20260101||ADT^A08|DUP1|P|2.5\r").is_none());
        assert!(super::unreadable().windows(6).any(|bytes| bytes == b"MSA|AR"));
    }
}
