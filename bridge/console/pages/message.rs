//! One 電文: how it went, what came, what was made of it, what the base said, and the way between them.
//!
//! A shape until somebody with the right gives a reason; the reason is in the audit trail before the page is.

use super::messages::{short, state_words};
use crate::console::answer::{Answer, Failure};
use crate::console::bench::Bench;
use crate::console::mask::{self, Issue, visible};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::console::reveal::OPEN_MS;
use crate::console::rights::{OPERATOR, REVEALING};
use crate::console::traced::{self, Edge, Panes};
use crate::shape;
use crate::store::{FacilityStore, MessageDetail, MessageId, Selection, State};
use askama::Template;
use renkei_translate::finding::Finding;
use std::sync::Arc;

/// Why somebody looks: value in the form, key of its words.
const REASONS: [(&str, &str); 4] = [
    ("fault", "reveal.fault"),
    ("inquiry", "reveal.inquiry"),
    ("mapping", "reveal.mapping"),
    ("audit", "reveal.audit"),
];

/// Longest note kept with a reason.
const LONGEST_NOTE: usize = 500;

/// A step of the way.
#[derive(Clone, Debug)]
struct Step {
    level: &'static str,
    key: &'static str,
    name: String,
    at_ms: Option<i64>,
    text: String,
    words: &'static str,
    /// Errors and warnings, where they were counted.
    found: Option<(u64, u64)>,
}

/// A finding with its place.
#[derive(Clone, Debug)]
struct Found {
    level: &'static str,
    code: String,
    position: String,
    anchor: String,
    rule: String,
    /// The page that shows the rule.
    page: String,
    path: String,
    detail: String,
}

/// What a base answered.
#[derive(Clone, Debug)]
struct Answered {
    destination: String,
    state: (&'static str, &'static str),
    status: String,
    error: String,
    attempts: u64,
    next_ms: Option<i64>,
    issues: Vec<Issue>,
    findings: Vec<Found>,
}

#[derive(Template)]
#[template(path = "message.html", config = "web/askama.toml")]
struct Page {
    frame: Frame,
    address: String,
    number: String,
    facility: String,
    code: String,
    kind: String,
    message_type: String,
    name: String,
    /// It is one of a file of many.
    of_file: bool,
    patients: String,
    order: String,
    state: (&'static str, &'static str),
    reason: String,
    discarded: String,
    errors: usize,
    warnings: usize,
    duplicate_of: String,
    steps: Vec<Step>,
    panes: Panes,
    first: Option<Edge>,
    answers: Vec<Answered>,
    found: Vec<Found>,
    version: String,
    made_of: String,
    active: String,
    may_reveal: bool,
    may_replay: bool,
    /// Until when it is open.
    until_ms: Option<i64>,
    left: String,
    reasons: [(&'static str, &'static str); 4],
    /// The form to reveal has a problem.
    wrong: Option<&'static str>,
    /// What the last action did.
    done: Option<&'static str>,
    no_body: bool,
}

/// The message that an address names, where the person's rights reach it.
pub(super) fn named(request: &Request) -> Result<(Arc<FacilityStore>, MessageDetail), Failure> {
    let (code, id) = request.param(0).rsplit_once('-').ok_or(Failure::NotFound)?;
    let id: MessageId = id.parse().map_err(|_| Failure::NotFound)?;
    let store = request.facility(code)?;
    // Not a number of ours: the store would look for its day.
    if id.0 <= 0 || id.row() == 0 {
        return Err(Failure::NotFound);
    }
    let detail = store.message(id)?.ok_or(Failure::NotFound)?;
    Ok((store, detail))
}

fn address(store: &FacilityStore, id: MessageId) -> String {
    format!("/messages/{}-{id}", store.code())
}

/// GET `/messages/{id}`.
///
/// # Errors
/// Not theirs or not there; the store.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let (store, detail) = named(request)?;
    Answer::page(&view(request, &store, &detail, None)?)
}

/// POST `/messages/{id}/reveal`: for fifteen minutes, this message, this session.
///
/// # Errors
/// Not theirs or not there; the audit trail, and then nothing is shown.
pub fn reveal(request: &Request) -> Result<Answer, Failure> {
    let (store, detail) = named(request)?;
    let why = request.form.text("why");
    let note: String = request.form.text("note").chars().take(LONGEST_NOTE).collect();
    if !REASONS.iter().any(|(value, _)| *value == why) {
        let mut page = view(request, &store, &detail, Some("reveal.reason-missing"))?;
        page.frame.mistake = true;
        return Ok(Answer::page(&page)?.status(422));
    }
    let id = detail.summary.id;
    let said = if note.is_empty() { why.to_owned() } else { format!("{why}: {note}") };
    request.audit("reveal", &format!("{}/{id}", store.code()), &said)?;
    request.state.bench.reveals.open(&request.user.token, store.code(), id, request.now_ms);
    Ok(Answer::see_other(address(&store, id)))
}

/// POST `/messages/{id}/hide`.
///
/// # Errors
/// Not theirs or not there.
pub fn hide(request: &Request) -> Result<Answer, Failure> {
    let (store, detail) = named(request)?;
    let id = detail.summary.id;
    request.state.bench.reveals.close(&request.user.token, store.code(), id);
    request.audit("hide", &format!("{}/{id}", store.code()), "")?;
    Ok(Answer::see_other(address(&store, id)))
}

/// POST `/messages/{id}/replay`: translated and sent again with the active set.
///
/// # Errors
/// Not theirs or not there; the store.
pub fn replay(request: &Request) -> Result<Answer, Failure> {
    let (store, detail) = named(request)?;
    let id = detail.summary.id;
    request.audit("replay", &format!("{}/{id}", store.code()), "")?;
    let count = store.replay(&Selection::Messages(vec![id]))?;
    let done = if count == 0 { "skipped" } else { "replayed" };
    Ok(Answer::see_other(format!("{}?done={done}", address(&store, id))))
}

/// What the mappings were made of that translated a message: `標準 0.1.0, 地域 3`; empty = not noted.
fn made_of(request: &Request, facility: &str, digest: Option<&str>) -> Result<String, Failure> {
    let Some(digest) = digest else { return Ok(String::new()) };
    let name = request.state.store.layers().set_name(digest, facility)?;
    let frame = request.frame("", "message");
    let words = ["layer.standard", "layer.network", "layer.facility", "layer.folder"].map(|key| frame.t(key));
    Ok(name.map(|name| name.said(words)).unwrap_or_default())
}

fn view(
    request: &Request,
    store: &FacilityStore,
    detail: &MessageDetail,
    wrong: Option<&'static str>,
) -> Result<Page, Failure> {
    let summary = &detail.summary;
    let bench = &request.state.bench;
    let set = bench.set_of(store.code());
    let may_reveal = request.user.is(REVEALING);
    // The right may have been taken away since.
    let until_ms = bench
        .reveals
        .until(&request.user.token, store.code(), summary.id, request.now_ms)
        .filter(|_| may_reveal);
    let open = until_ms.is_some();
    let context = bench.context(store.code(), request.state.store.id_key(), &detail.origin);
    let panes = traced::read(&set, &detail.body, &context, &detail.findings, open);
    let hidden = |text: &str| if open { visible(text) } else { shape::of(text) };
    let first =
        request.query.text("t").parse::<usize>().ok().and_then(|n| panes.edges.get(n.wrapping_sub(1)));
    let first = first.or_else(|| panes.edges.first()).cloned();
    let seconds = until_ms.map_or(0, |until| (until - request.now_ms).clamp(0, OPEN_MS) / 1000);
    let held = matches!(summary.state, State::Quarantined | State::Held | State::Rejected);
    let info = request.state.facilities.iter().find(|info| info.code == store.code());
    let discarded = store.discarded_because(summary.id)?.unwrap_or_default();
    Ok(Page {
        frame: request.frame("/messages", "message"),
        address: address(store, summary.id),
        number: summary.id.to_string(),
        facility: info.map_or_else(|| store.code().to_owned(), |info| info.name.clone()),
        code: store.code().to_owned(),
        kind: summary.kind.clone().unwrap_or_else(|| "—".to_owned()),
        message_type: summary.message_type.clone().unwrap_or_default(),
        name: hidden(&summary.name),
        of_file: detail.origin.feed.is_some(),
        patients: summary.patients.iter().map(|id| hidden(id)).collect::<Vec<_>>().join(" "),
        order: detail.order_number.as_deref().map(hidden).unwrap_or_default(),
        state: state_words(summary.state),
        reason: summary.reason.clone().unwrap_or_default(),
        // Somebody's own words: they may name the patient whom they are about.
        discarded: hidden(&discarded),
        errors: summary.errors,
        warnings: summary.warnings,
        duplicate_of: detail.duplicate_of.map(|id| address(store, id)).unwrap_or_default(),
        steps: steps(detail, &panes),
        first,
        answers: answers(bench, detail, open),
        found: detail.findings.iter().map(|finding| found(bench, finding)).collect(),
        version: detail.mapping_version.as_deref().map(short).unwrap_or_default().to_owned(),
        made_of: made_of(request, store.code(), detail.mapping_version.as_deref())?,
        active: short(set.version()).to_owned(),
        may_reveal,
        may_replay: held && request.user.is(OPERATOR),
        until_ms,
        left: format!("{}:{:02}", seconds / 60, seconds % 60),
        reasons: REASONS,
        wrong,
        done: match request.query.text("done") {
            "replayed" => Some("msg.replayed"),
            "skipped" => Some("msg.skipped"),
            _ => None,
        },
        no_body: detail.body.is_empty(),
        panes,
    })
}

fn steps(detail: &MessageDetail, panes: &Panes) -> Vec<Step> {
    let summary = &detail.summary;
    let mut steps = vec![Step {
        level: "ok",
        key: "sum.received",
        name: String::new(),
        at_ms: Some(summary.received_ms),
        text: summary.feed.clone(),
        words: "",
        found: None,
    }];
    let done = detail.mapping_version.is_some();
    let errors = summary.errors;
    steps.push(Step {
        level: if done { "ok" } else { "wait" },
        key: "step.translated",
        name: String::new(),
        at_ms: None,
        text: if done { panes.resources.to_string() } else { String::new() },
        words: if done { "step.resources" } else { "step.waiting" },
        found: None,
    });
    if done {
        steps.push(Step {
            level: match (errors, summary.warnings) {
                (0, 0) => "ok",
                (0, _) => "warn",
                _ => "bad",
            },
            key: "step.checked",
            name: String::new(),
            at_ms: None,
            text: String::new(),
            words: "",
            found: Some((errors as u64, summary.warnings as u64)),
        });
    }
    for delivery in &detail.deliveries {
        let (level, key) = state_words(delivery.state);
        steps.push(Step {
            level,
            key,
            name: delivery.destination.clone(),
            at_ms: (delivery.state == State::Pending && delivery.next_ms > 0).then_some(delivery.next_ms),
            text: delivery.status.map(|status| format!("HTTP {status}")).unwrap_or_default(),
            words: "",
            found: None,
        });
    }
    steps
}

fn answers(bench: &Bench, detail: &MessageDetail, open: bool) -> Vec<Answered> {
    detail
        .deliveries
        .iter()
        .map(|delivery| Answered {
            destination: delivery.destination.clone(),
            state: state_words(delivery.state),
            status: delivery.status.map(|status| status.to_string()).unwrap_or_default(),
            error: delivery.error.clone().unwrap_or_default(),
            attempts: u64::from(delivery.attempts),
            next_ms: (delivery.state == State::Pending && delivery.next_ms > 0).then_some(delivery.next_ms),
            issues: mask::issues(&delivery.answer, open),
            findings: delivery.findings.iter().map(|finding| found(bench, finding)).collect(),
        })
        .collect()
}

fn found(bench: &Bench, finding: &Finding) -> Found {
    let at = crate::console::at::At::read(&finding.location.position);
    Found {
        level: traced::level(finding.severity),
        code: finding.code.to_string(),
        position: finding.location.position.clone(),
        anchor: at.map(|at| at.anchor()).unwrap_or_default(),
        page: bench.page_of_rule(&finding.location.rule),
        rule: finding.location.rule.clone(),
        path: finding.location.path.clone(),
        detail: finding.detail.as_deref().unwrap_or_default().to_owned(),
    }
}
