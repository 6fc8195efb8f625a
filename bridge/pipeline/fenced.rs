//! One translation, fenced: a fault in our own code holds the message and nothing else.

use renkei_translate::feed::Part;
use renkei_translate::finding::{Finding, Location};
use renkei_translate::mapping::{self, MappingSet, Peek};
use renkei_translate::translation::{Context, Facility, Translation};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Translates a message. A panic gives a held one with the finding `internal-error`.
pub fn translate(set: &MappingSet, bytes: &[u8], context: &Context) -> Translation {
    fenced(|| mapping::translate(set, bytes, context))
}

/// The first look at a message; empty where our own code fails: the translation will say so.
pub(super) fn peek(body: &[u8], facility: &Facility) -> Peek {
    catch_unwind(AssertUnwindSafe(|| mapping::peek(body, facility))).unwrap_or_default()
}

/// The same of the rows of a proprietary file.
pub(super) fn peek_feed(set: &MappingSet, body: &[u8], part: &Part, facility: &Facility) -> Peek {
    catch_unwind(AssertUnwindSafe(|| mapping::peek_feed(set, body, part, facility))).unwrap_or_default()
}

/// Runs a translation. Nothing of the panic is kept: its text may quote the message.
fn fenced(work: impl FnOnce() -> Translation) -> Translation {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Translation::held(vec![Finding::error("internal-error", Location::default())]))
}

#[cfg(test)]
mod tests {
    use super::fenced;
    use renkei_translate::finding::{Language, sentence};
    use renkei_translate::translation::Status;

    #[test]
    fn a_panic_holds_the_message_and_says_nothing_of_it() {
        let held = fenced(|| panic!("山田 太郎"));
        assert_eq!(held.status, Status::Quarantined);
        assert!(held.has_error());
        assert_eq!(held.findings[0].code, "internal-error");
        assert_eq!(held.findings[0].detail, None);
        assert!(sentence("internal-error", Language::Ja).is_some());
    }
}
