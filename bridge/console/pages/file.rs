//! The file of a 電文: a proprietary file of many messages, with what became of each and their sum.
//!
//! Its name is a shape: a laboratory may have put a patient into it. Facilities that the person's rights do not reach
//! are neither listed nor counted. Another file that came under the same name on the same day has a page of its own.

use super::message::named;
use super::messages::state_words;
use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::shape;
use crate::store::{FILE_LINES, FileOf, MessageSummary, State};
use askama::Template;
use std::collections::BTreeMap;

/// One message of the file.
struct Line {
    address: String,
    number: String,
    rows: String,
    facility: String,
    state: (&'static str, &'static str),
    reason: String,
    received_ms: i64,
}

/// Another file of the same name and day.
struct Other {
    address: String,
    received_ms: i64,
}

#[derive(Template)]
#[template(path = "file.html", config = "web/askama.toml")]
struct Page {
    frame: Frame,
    name: String,
    feed: String,
    back: String,
    received: u64,
    registered: u64,
    pending: u64,
    quarantined: u64,
    rejected: u64,
    excluded: u64,
    balanced: bool,
    /// Not all facilities, or not all messages.
    partly: bool,
    lines: Vec<Line>,
    others: Vec<Other>,
}

/// GET `/messages/{id}/file`.
///
/// # Errors
/// The message is not there, not theirs, or of no such file; the store.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let (_, detail) = named(request)?;
    let (file, _) = detail.summary.name.rsplit_once('#').ok_or(Failure::NotFound)?;
    if detail.origin.feed.is_none() {
        return Err(Failure::NotFound);
    }
    let sum = request.state.store.file_sum(FileOf {
        feed: &detail.summary.feed,
        name: file,
        day: Some(detail.summary.id.day()),
        digest: Some(&detail.origin.file_digest),
    })?;
    let names: BTreeMap<&str, &str> =
        request.facilities().map(|info| (info.code.as_str(), info.name.as_str())).collect();
    let whole = request.user.facilities.is_none();
    let lines: Vec<(State, Line)> = sum
        .messages
        .iter()
        .filter_map(|(code, summary)| Some((summary.state, line(code, names.get(code.as_str())?, summary))))
        .collect();
    // Of each other file the first message that the person may see.
    let seen =
        sum.others.values().filter_map(|at| at.iter().find(|o| names.contains_key(o.facility.as_str())));
    let mut others: Vec<Other> = seen
        .map(|other| Other {
            address: format!("/messages/{}-{}/file", other.facility, other.message),
            received_ms: other.received_ms,
        })
        .collect();
    others.sort_by_key(|other| other.received_ms);
    // A bounded person's sum is that of the listed messages.
    let count = |wanted: &[State]| {
        let listed = || lines.iter().filter(|(state, _)| wanted.contains(state)).count() as u64;
        if whole { wanted.iter().filter_map(|state| sum.states.get(state)).sum() } else { listed() }
    };
    let received = if whole { sum.received } else { lines.len() as u64 };
    let (registered, pending) = (count(&[State::Registered]), count(&[State::Pending]));
    let quarantined = count(&[State::Quarantined, State::Held]);
    let (rejected, excluded) = (count(&[State::Rejected]), count(&[State::Excluded]));
    Answer::page(&Page {
        frame: request.frame("/messages", "file.title"),
        name: shape::of(file),
        feed: detail.summary.feed.clone(),
        back: format!("/messages/{}", request.param(0)),
        received,
        registered,
        pending,
        quarantined,
        rejected,
        excluded,
        balanced: received == registered + pending + quarantined + rejected + excluded,
        partly: !whole || sum.messages.len() == FILE_LINES,
        lines: lines.into_iter().map(|(_, line)| line).collect(),
        others,
    })
}

fn line(code: &str, facility: &str, summary: &MessageSummary) -> Line {
    Line {
        address: format!("/messages/{code}-{}", summary.id),
        number: summary.id.to_string(),
        rows: summary.name.rsplit_once('#').map_or(String::new(), |(_, rows)| rows.to_owned()),
        facility: facility.to_owned(),
        state: state_words(summary.state),
        reason: summary.reason.clone().unwrap_or_default(),
        received_ms: summary.received_ms,
    }
}
