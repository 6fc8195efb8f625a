//! Acknowledgments: original mode (AA, AE, AR) and enhanced mode (CA, CE, CR).
//!
//! Built from the incoming header alone and copied byte by byte in its charset. They hold codes and the
//! control id of the incoming message, and nothing of a patient.

use super::header::Header;

/// What MSA-1 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Original mode: taken.
    AA,
    /// Original mode: not taken now; the sender may send it again.
    AE,
    /// Original mode: refused; sending it again changes nothing.
    AR,
    /// Enhanced mode: committed to safe storage.
    CA,
    /// Enhanced mode: could not be committed.
    CE,
    /// Enhanced mode: refused.
    CR,
}

impl Code {
    /// As written in MSA-1.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// Whether it says that the message was taken.
    pub fn is_positive(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }
}

/// Why a message was not taken: a code of HL7 table 0357 and one of our own for MSA-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Table 0357: `207`.
    pub condition: &'static str,
    /// A code of ours in ASCII: `not-stored`.
    pub code: &'static str,
}

impl Reason {
    /// MSH cannot be read.
    pub const HEADER_UNREADABLE: Self = Self { condition: "100", code: "msh-unreadable" };
    /// MSH-10 is empty.
    pub const CONTROL_ID_MISSING: Self = Self { condition: "101", code: "control-id-missing" };
    /// The message is larger than the feed takes.
    pub const TOO_LARGE: Self = Self { condition: "207", code: "message-too-large" };
    /// It could not be stored.
    pub const NOT_STORED: Self = Self { condition: "207", code: "not-stored" };
}

/// What an acknowledgment says besides the incoming header.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// MSA-1.
    pub code: Code,
    /// MSA-3 and ERR, for anything but a positive answer.
    pub reason: Option<Reason>,
    /// MSH-10 of the acknowledgment itself, printable ASCII without delimiters.
    pub control_id: &'a str,
    /// MSH-7 of the acknowledgment itself: `YYYYMMDDHHMMSS+ZZZZ`.
    pub time: &'a str,
}

/// The acknowledgment of a message whose header could be read: its sender and receiver exchanged, its
/// delimiters, version, processing id and charset kept, MSA-2 its control id.
pub fn build(header: &Header, answer: &Answer<'_>) -> Vec<u8> {
    let separator = header.field(1);
    let component = super::header::component(header);
    let mut message_type = b"ACK".to_vec();
    if !header.trigger.is_empty() {
        message_type.extend_from_slice(component);
        message_type.extend_from_slice(header.trigger.as_bytes());
        message_type.extend_from_slice(component);
        message_type.extend_from_slice(b"ACK");
    }
    let or = |default: &[u8], number: usize| match header.field(number) {
        b"" => default.to_vec(),
        value => value.to_vec(),
    };
    // Joined by MSH-1, so that MSH-n is element n-1.
    let mut msh: Vec<Vec<u8>> = vec![Vec::new(); 20];
    msh[0] = b"MSH".to_vec();
    msh[1] = header.field(2).to_vec();
    // MSH-13 counts the other side's messages and MSH-15, MSH-16 ask for answers: none is repeated.
    for (to, from) in [(3, 5), (4, 6), (5, 3), (6, 4), (17, 17), (18, 18), (19, 19), (20, 20)] {
        msh[to - 1] = header.field(from).to_vec();
    }
    msh[7 - 1] = answer.time.into();
    msh[9 - 1] = message_type;
    msh[10 - 1] = answer.control_id.into();
    msh[11 - 1] = or(b"P", 11);
    msh[12 - 1] = or(b"2.5", 12);
    while msh.last().is_some_and(Vec::is_empty) {
        msh.pop();
    }
    let mut out = msh.join(separator);
    out.push(b'\r');
    let mut msa = vec![b"MSA".to_vec(), answer.code.as_str().into(), header.field(10).to_vec()];
    if let Some(reason) = answer.reason {
        msa.push(reason.code.into());
    }
    out.extend(msa.join(separator));
    out.push(b'\r');
    if let Some(reason) = answer.reason {
        let condition = [reason.condition.as_bytes(), reason.code.as_bytes(), b"HL70357"].join(component);
        let err: [&[u8]; 5] = [b"ERR", b"", b"", &condition, b"E"];
        out.extend(err.join(separator));
        out.push(b'\r');
    }
    out
}

/// The answer to bytes without a readable header: AR with an empty MSA-2, since no control id is known.
pub fn unreadable(control_id: &str, time: &str) -> Vec<u8> {
    format!("MSH|^~\\&|||||{time}||ACK|{control_id}|P|2.5\rMSA|AR||msh-unreadable\rERR|||100^msh-unreadable^HL70357|E\r")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Answer, Code, Reason, build, unreadable};
    use crate::hl7v2::header;

    #[track_caller]
    fn check(incoming: &[u8], code: Code, reason: Option<Reason>, expected: &[u8]) {
        let header = header(incoming).unwrap();
        let answer = Answer { code, reason, control_id: "R1", time: "20260101000000+0900" };
        let built = build(&header, &answer);
        assert_eq!(String::from_utf8_lossy(&built), String::from_utf8_lossy(expected));
        assert_eq!(built, expected);
    }

    #[test]
    fn an_acknowledgment_goes_back_to_the_sender() {
        check(
            b"MSH|^~\\&|HIS|SEND|GW|RCV|20110701||ADT^A08^ADT_A01|C1|T|2.4|9||AL|NE||~ISO IR87||ISO 2022-1994|X\rPID|||CANARY\r",
            Code::CA,
            None,
            b"MSH|^~\\&|GW|RCV|HIS|SEND|20260101000000+0900||ACK^A08^ACK|R1|T|2.4||||||~ISO IR87||ISO 2022-1994\rMSA|CA|C1\r",
        );
    }

    #[test]
    fn a_refusal_says_why_in_codes() {
        check(
            b"MSH|^~\\&|A||B||||ORU|C2|||||",
            Code::AE,
            Some(Reason::NOT_STORED),
            b"MSH|^~\\&|B||A||20260101000000+0900||ACK|R1|P|2.5\rMSA|AE|C2|not-stored\rERR|||207^not-stored^HL70357|E\r",
        );
    }

    #[test]
    fn delimiters_and_bytes_of_the_sender_are_kept() {
        check(
            b"MSH#*~!%#\x1b$B#|#|\x1b(B#F###20#x#ADT*A01#\xF0\x40|7#P#2.5\n",
            Code::AA,
            None,
            b"MSH#*~!%###\x1b$B#|#|\x1b(B#F#20260101000000+0900##ACK*A01*ACK#R1#P#2.5\rMSA#AA#\xF0\x40|7\r",
        );
        check(
            "MSH§☃~¥&§A§§§§20§§ADT☃A01§7".as_bytes(),
            Code::AA,
            None,
            "MSH§☃~¥&§§§A§§20260101000000+0900§§ACK☃A01☃ACK§R1§P§2.5\rMSA§AA§7\r".as_bytes(),
        );
    }

    #[test]
    fn without_a_header_nothing_is_repeated() {
        let answer = String::from_utf8(unreadable("R1", "20260101")).unwrap();
        assert!(answer.contains("\rMSA|AR||"));
        assert!(header(answer.as_bytes()).is_some());
    }
}
