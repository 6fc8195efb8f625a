//! 保留: why messages are held, what to do, whether it has helped, and the two ways out.
//!
//! By cause: a hundred thousand messages of one cause are one row. What somebody else changed meanwhile is
//! skipped and counted. Nothing of a patient is shown; every act is in the audit trail before it is done.

use super::messages::{short, state_words};
use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::console::rights::{OPERATOR, REVEALING};
use crate::pipeline;
use crate::shape;
use crate::store::{Cause, FacilityStore, MessageId, Selection};
use askama::Template;
use renkei_translate::finding::Severity;
use renkei_translate::translation::Status;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages shown of a cause on one page.
const ROWS: usize = 50;
/// Messages translated by one trial.
const TRIED: usize = 200;
/// A trial ends after this long, whatever is left.
const TRIAL_TIME: Duration = Duration::from_secs(5);
/// Longest reason kept of a discard.
const LONGEST_REASON: usize = 500;

/// A cause at a facility, as an address and a row.
#[derive(Clone, Debug)]
struct Row {
    address: String,
    facility: String,
    code: String,
    cause: Cause,
    current: bool,
}

/// A held message.
#[derive(Clone, Debug)]
struct Line {
    address: String,
    id: String,
    received_ms: i64,
    kind: String,
    patients: String,
    state: (&'static str, &'static str),
    /// How the trial went: class and key.
    tried: Option<(&'static str, &'static str)>,
}

/// What a trial found.
#[derive(Clone, Debug, Default)]
struct Trial {
    tried: u64,
    of: u64,
    passed: u64,
    held: u64,
    excluded: u64,
    /// Whether not all were tried.
    bounded: bool,
    /// The codes that would hold them, with their number.
    causes: Vec<(String, u64)>,
    version: String,
}

#[derive(Template)]
#[template(path = "quarantine.html", config = "web/askama.toml")]
struct Page {
    frame: Frame,
    facilities: Vec<(String, String)>,
    facility: String,
    rows: Vec<Row>,
    chosen: Option<Row>,
    /// The page that shows the rule of the cause.
    rule: String,
    patients: u64,
    lines: Vec<Line>,
    next: Option<String>,
    trial: Option<Trial>,
    may_try: bool,
    may_act: bool,
    done: Option<Done>,
    /// Nothing is shown of it any more: it is mended or gone.
    gone: bool,
}

/// What an act did.
#[derive(Clone, Debug)]
struct Done {
    key: &'static str,
    count: u64,
    skipped: u64,
}

#[derive(Template)]
#[template(path = "quarantine-act.html", config = "web/askama.toml")]
struct ActPage {
    frame: Frame,
    row: Row,
    discard: bool,
    all: bool,
    ids: Vec<String>,
    count: u64,
    reason: String,
    typed: String,
    wrong: Vec<(&'static str, &'static str)>,
}

/// `facility~code~position~rule`; what is not plain is written `!2F`, so that it is one part of an address.
pub fn address(facility: &str, [code, position, rule]: [&str; 3]) -> String {
    let parts = [facility, code, position, rule].map(|part| {
        let mut out = String::with_capacity(part.len());
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("!{byte:02X}"));
            }
        }
        out
    });
    format!("/quarantine/{}", parts.join("~"))
}

/// Facility, code, position and rule of an address.
fn read(param: &str) -> Option<[String; 4]> {
    let part = |text: &str| {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'!' {
                bytes.push(byte);
                continue;
            }
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            bytes.push(u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?);
        }
        String::from_utf8(bytes).ok()
    };
    let parts: Vec<String> = param.split('~').map(part).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// The cause that an address names, whether any message is held for it or not.
fn named(request: &Request) -> Result<(Arc<FacilityStore>, Row), Failure> {
    let [facility, code, position, rule] = read(request.param(0)).ok_or(Failure::NotFound)?;
    let store = request.facility(&facility)?;
    let found = store
        .causes()?
        .into_iter()
        .find(|cause| cause.code == code && cause.position == position && cause.rule == rule);
    let none = Cause { code, position, rule, count: 0, oldest_ms: 0, example: MessageId(0) };
    Ok((store, row(request, &facility, found.unwrap_or(none))))
}

fn row(request: &Request, code: &str, cause: Cause) -> Row {
    let info = request.state.facilities.iter().find(|info| info.code == code);
    Row {
        address: address(code, [&cause.code, &cause.position, &cause.rule]),
        facility: info.map_or_else(|| code.to_owned(), |info| info.name.clone()),
        code: code.to_owned(),
        cause,
        current: false,
    }
}

/// GET `/quarantine`: the causes, and the most frequent one.
///
/// # Errors
/// The store.
pub fn list(request: &Request) -> Result<Answer, Failure> {
    let mut page = causes(request)?;
    if let Some(first) = page.rows.first_mut() {
        first.current = true;
        let first = first.clone();
        fill(request, &mut page, &*request.facility(&first.code)?, first)?;
    }
    Answer::page(&page)
}

/// GET `/quarantine/{cause}`.
///
/// # Errors
/// Not theirs or no address of a cause; the store.
pub fn cause(request: &Request) -> Result<Answer, Failure> {
    let (store, chosen) = named(request)?;
    let mut page = causes(request)?;
    for row in &mut page.rows {
        row.current = row.address == chosen.address;
    }
    page.gone = chosen.cause.count == 0;
    fill(request, &mut page, &store, chosen)?;
    Answer::page(&page)
}

fn causes(request: &Request) -> Result<Page, Failure> {
    let wanted = request.query.text("facility");
    let mut rows = Vec::new();
    for info in request.facilities().filter(|info| wanted.is_empty() || info.code == wanted) {
        let causes = request.facility(&info.code)?.causes()?;
        rows.extend(causes.into_iter().map(|cause| row(request, &info.code, cause)));
    }
    // By count; of the same count the one that waits longer.
    rows.sort_by_key(|row| (std::cmp::Reverse(row.cause.count), row.cause.oldest_ms));
    let done = |key| {
        let number = |name: &str| request.query.text(name).parse().unwrap_or_default();
        Done { key, count: number("n"), skipped: number("skipped") }
    };
    Ok(Page {
        frame: request.frame("/quarantine", "quarantine"),
        facilities: request.facilities().map(|info| (info.code.clone(), info.name.clone())).collect(),
        facility: wanted.to_owned(),
        rows,
        chosen: None,
        rule: String::new(),
        patients: 0,
        lines: Vec::new(),
        next: None,
        trial: None,
        may_try: request.user.is(REVEALING),
        may_act: request.user.is(OPERATOR),
        done: match request.query.text("done") {
            "released" => Some(done("held.released")),
            "discarded" => Some(done("held.discarded")),
            _ => None,
        },
        gone: false,
    })
}

fn fill(request: &Request, page: &mut Page, store: &FacilityStore, chosen: Row) -> Result<(), Failure> {
    let before = request.query.text("before").parse().ok();
    let ids = store.held_by(&chosen.cause, before, ROWS + 1)?;
    let mut outcomes = BTreeMap::new();
    if page.may_try && !request.query.text("try").is_empty() {
        page.trial = Some(tried(request, store, &chosen, &mut outcomes)?);
    }
    for id in ids.iter().take(ROWS) {
        let Some(detail) = store.message(*id)? else { continue };
        let summary = detail.summary;
        page.lines.push(Line {
            address: format!("/messages/{}-{id}", store.code()),
            id: id.to_string(),
            received_ms: summary.received_ms,
            kind: summary.kind.or(summary.message_type).unwrap_or_else(|| "—".to_owned()),
            patients: summary.patients.iter().map(|id| shape::of(id)).collect::<Vec<_>>().join(" "),
            state: state_words(summary.state),
            tried: outcomes.get(id).copied(),
        });
    }
    if ids.len() > ROWS {
        let tried = if page.trial.is_some() { "&try=1" } else { "" };
        page.next = ids.get(ROWS - 1).map(|last| format!("{}?before={last}{tried}", chosen.address));
    }
    page.patients = store.patients_of(&chosen.cause)?;
    page.rule = request.state.bench.page_of_rule(&chosen.cause.rule);
    page.chosen = Some(chosen);
    Ok(())
}

type Outcomes = BTreeMap<MessageId, (&'static str, &'static str)>;

/// Translates the newest held messages with the active set; nothing is recorded and nothing sent.
fn tried(
    request: &Request,
    store: &FacilityStore,
    row: &Row,
    outcomes: &mut Outcomes,
) -> Result<Trial, Failure> {
    let bench = &request.state.bench;
    let set = bench.set_of(store.code());
    let mut trial =
        Trial { of: row.cause.count, version: short(set.version()).to_owned(), ..Trial::default() };
    let mut causes: BTreeMap<String, u64> = BTreeMap::new();
    let end = Instant::now() + TRIAL_TIME;
    for id in store.held_by(&row.cause, None, TRIED)? {
        if Instant::now() > end {
            break;
        }
        let Some(detail) = store.message(id)? else { continue };
        let context = bench.context(store.code(), request.state.store.id_key(), &detail.origin);
        let translation = pipeline::translate(&set, &detail.body, &context);
        trial.tried += 1;
        let outcome = match translation.status {
            Status::Translated => {
                trial.passed += 1;
                ("ok", "held.passes")
            }
            Status::Excluded => {
                trial.excluded += 1;
                ("none", "sum.excluded")
            }
            Status::Quarantined => {
                trial.held += 1;
                let mut codes: Vec<&str> = Vec::new();
                for finding in translation.findings.iter().filter(|f| f.severity == Severity::Error) {
                    if !codes.contains(&finding.code.as_ref()) {
                        codes.push(&finding.code);
                        *causes.entry(finding.code.to_string()).or_default() += 1;
                    }
                }
                ("hold", "held.still")
            }
        };
        outcomes.insert(id, outcome);
    }
    trial.bounded = trial.tried < trial.of;
    trial.causes = causes.into_iter().collect();
    trial.causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(trial)
}

/// The messages that a form names, or all of the cause.
fn selected(values: &crate::console::request::Values) -> (bool, Vec<MessageId>) {
    let mut ids: Vec<MessageId> = values.all("id").filter_map(|id| id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    (!values.text("all").is_empty(), ids)
}

/// GET `/quarantine/{cause}/release` and `/discard`: what it would do, before it is done.
fn confirm(request: &Request, discard: bool) -> Result<Answer, Failure> {
    let (_, row) = named(request)?;
    let (all, ids) = selected(&request.query);
    Answer::page(&act_page(request, row, discard, all, &ids))
}

fn act_page(request: &Request, row: Row, discard: bool, all: bool, ids: &[MessageId]) -> ActPage {
    let count = if all { row.cause.count } else { ids.len() as u64 };
    ActPage {
        frame: request.frame("/quarantine", "quarantine"),
        count,
        row,
        discard,
        all,
        ids: ids.iter().map(ToString::to_string).collect(),
        reason: request.form.text("reason").to_owned(),
        typed: request.form.text("typed").to_owned(),
        wrong: Vec::new(),
    }
}

/// GET `/quarantine/{cause}/release`.
///
/// # Errors
/// Not theirs; the store.
pub fn confirm_release(request: &Request) -> Result<Answer, Failure> {
    confirm(request, false)
}

/// GET `/quarantine/{cause}/discard`.
///
/// # Errors
/// Not theirs; the store.
pub fn confirm_discard(request: &Request) -> Result<Answer, Failure> {
    confirm(request, true)
}

/// What an act is for, and how many it was said to be.
fn selection(row: &Row, all: bool, ids: Vec<MessageId>) -> Selection {
    if all {
        let Cause { code, position, rule, .. } = row.cause.clone();
        return Selection::Exactly { code, position, rule };
    }
    Selection::StillHeld(ids)
}

/// For the audit trail: where, and which.
fn target(row: &Row, all: bool, ids: &[MessageId]) -> String {
    let which = if all {
        format!("{} {} {}", row.cause.code, row.cause.position, row.cause.rule)
    } else {
        ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    format!("{} {}", row.code, which.trim_end())
}

/// POST `/quarantine/{cause}/release`.
///
/// # Errors
/// Not theirs; the audit trail, and then nothing is done; the store.
pub fn release(request: &Request) -> Result<Answer, Failure> {
    let (store, row) = named(request)?;
    let (all, ids) = selected(&request.form);
    let said = told(request, all, &ids);
    request.audit("release", &target(&row, all, &ids), &said.to_string())?;
    let count = store.replay(&selection(&row, all, ids))?;
    Ok(done(&row, "released", count, said))
}

/// How many messages the page had said.
fn told(request: &Request, all: bool, ids: &[MessageId]) -> u64 {
    if all { request.form.text("count").parse().unwrap_or_default() } else { ids.len() as u64 }
}

fn done(row: &Row, word: &str, count: u64, said: u64) -> Answer {
    let skipped = said.saturating_sub(count);
    Answer::see_other(format!("{}?done={word}&n={count}&skipped={skipped}", row.address))
}

/// POST `/quarantine/{cause}/discard`: with a reason and the exact number typed.
///
/// # Errors
/// Not theirs; the audit trail, and then nothing is done; the store.
pub fn discard(request: &Request) -> Result<Answer, Failure> {
    let (store, row) = named(request)?;
    let (all, ids) = selected(&request.form);
    let reason: String = request.form.text("reason").chars().take(LONGEST_REASON).collect();
    let typed = crate::console::reading::tidy(request.form.text("typed")).replace(',', "");
    let mut page = act_page(request, row, true, all, &ids);
    if reason.is_empty() {
        page.wrong.push(("reason", "held.reason-missing"));
    }
    // The number that stands now: where it has changed, what is to be thrown away is not what was looked at.
    if page.count == 0 || typed != page.count.to_string() {
        page.wrong.push(("typed", "held.number-differs"));
    }
    if !page.wrong.is_empty() {
        page.frame.mistake = true;
        return Ok(Answer::page(&page)?.status(422));
    }
    let (row, said) = (page.row, page.count);
    request.audit("discard", &target(&row, all, &ids), &reason)?;
    let count = store.discard(&selection(&row, all, ids), &reason)?;
    Ok(done(&row, "discarded", count, said))
}

#[cfg(test)]
mod tests {
    use super::{address, read};

    #[test]
    fn an_address_tells_its_cause_and_is_one_part() {
        let made = address("1319999999", ["field-empty", "PID-3.1", "patient/id~x 漢"]);
        assert_eq!(made, "/quarantine/1319999999~field-empty~PID-3.1~patient!2Fid!7Ex!20!E6!BC!A2");
        let read = read(made.strip_prefix("/quarantine/").unwrap()).unwrap();
        assert_eq!(read, ["1319999999", "field-empty", "PID-3.1", "patient/id~x 漢"]);
    }

    #[test]
    fn nonsense_is_no_cause() {
        for text in ["", "a", "a~b~c", "a~b~c~d~e", "a~b~c~!", "a~b~c~!zz", "a~b~c~!FF"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
