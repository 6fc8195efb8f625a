//! 操作記録: who did what, and whether the chain of it is whole.

use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::{Request, Values};
use crate::console::rights::Role;
use crate::console::{day, table, words};
use crate::store::{AuditEntry, AuditFilter, Broken};
use askama::Template;

/// Begins the key of an action's words.
const ACT: &str = "act.";
/// Rows of a page.
const ROWS: usize = 100;
/// Rows of a file at most: three years of a busy network.
const MAX_EXPORT: usize = 200_000;
/// Who sees what others did.
const ALL_ROWS: &[Role] = &[Role::Approver, Role::Administrator];

#[derive(Template)]
#[template(path = "audit.html", config = "web/askama.toml")]
struct AuditPage {
    frame: Frame,
    entries: Vec<AuditEntry>,
    /// What was typed.
    typed: Values,
    all: bool,
    export: bool,
    older: Option<String>,
    newest: Option<String>,
    problem: Option<&'static str>,
    verified: Option<Result<u64, u64>>,
}

impl AuditPage {
    /// Every action that has words, as the trail writes it.
    fn actions() -> Vec<&'static str> {
        words::keys(ACT).into_iter().filter_map(|key| key.strip_prefix(ACT)).collect()
    }
    fn is_asked(&self, action: &str) -> bool {
        self.typed.text("action") == action
    }
    /// An action in words; one that has none as it stands.
    fn act(&self, action: &str) -> String {
        let key = format!("{ACT}{action}");
        let word = words::word(&key, self.frame.language);
        if word == key { action.to_owned() } else { word.to_owned() }
    }
    fn typed(&self, name: &str) -> &str {
        self.typed.text(name)
    }
}

impl Frame {
    /// A moment with its day, always.
    pub fn day_and_time(&self, ms: &i64) -> String {
        crate::console::page::in_japan(*ms).format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// The filter of an address or form, bounded to the person's own rows where the matrix says so; the key of what is
/// wrong with it.
fn filter(request: &Request, typed: &Values) -> Result<AuditFilter, &'static str> {
    let word = |name: &str| Some(typed.text(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    let typed_day = |name: &str| match word(name) {
        None => Ok(None),
        Some(text) => day::parse(&text).map(Some).ok_or("audit.day.wrong"),
    };
    let own = !request.user.is(ALL_ROWS);
    let to = typed_day("to")?.and_then(|day| day.succ_opt());
    Ok(AuditFilter {
        before: word("before").and_then(|number| number.parse().ok()),
        from_ms: typed_day("from")?.map(day::start_ms),
        to_ms: to.map(day::start_ms),
        who: if own { Some(request.user.name.clone()) } else { word("who") },
        action: word("action"),
        target: word("target"),
        limit: ROWS + 1,
    })
}

/// The page.
///
/// # Errors
/// The store.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let mut frame = request.frame("/audit", "audit");
    let all = request.user.is(ALL_ROWS);
    let audit = request.state.store.audit();
    let (mut entries, problem) = match filter(request, &request.query) {
        Ok(filter) => (audit.search(&filter)?, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    frame.mistake = problem.is_some();
    let more = entries.len() > ROWS;
    entries.truncate(ROWS);
    let with = |before: Option<u64>| {
        let mut query = request.query.clone();
        query.0.retain(|(name, _)| name != "before" && name != "verify");
        query.0.extend(before.map(|number| ("before".to_owned(), number.to_string())));
        format!("?{}", query.encoded())
    };
    let verified = if all && request.query.get("verify").is_some() {
        match audit.verify() {
            Ok(count) => Some(Ok(count)),
            Err(Broken::At { sequence }) => Some(Err(sequence)),
            Err(_) => return Err(Failure::Internal("the audit trail could not be read")),
        }
    } else {
        None
    };
    let page = AuditPage {
        frame,
        older: entries.last().filter(|_| more).map(|entry| with(Some(entry.sequence))),
        newest: request.query.get("before").map(|_| with(None)),
        entries,
        typed: request.query.clone(),
        all,
        export: request.user.is(&[Role::Administrator]),
        problem,
        verified,
    };
    Ok(Answer::page(&page)?.status(if problem.is_some() { 422 } else { 200 }))
}

/// The same as a file; a row of the trail itself.
///
/// # Errors
/// The store.
pub fn export(request: &Request) -> Result<Answer, Failure> {
    let Ok(filter) = filter(request, &request.form) else {
        return Ok(Answer::see_other(format!("/audit?{}", request.form.encoded())));
    };
    let audit = request.state.store.audit();
    let entries = audit.search(&AuditFilter { before: None, limit: MAX_EXPORT, ..filter })?;
    request.audit("audit-exported", "", &format!("{} rows", entries.len()))?;
    let time = |ms: i64| crate::console::page::in_japan(ms).format("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let rows = entries.into_iter().map(|entry| {
        vec![
            entry.sequence.to_string(),
            time(entry.at_ms),
            entry.who,
            entry.action,
            entry.target,
            entry.detail,
        ]
    });
    let bytes = table::csv(&["sequence", "time", "who", "action", "target", "detail"], rows);
    Ok(Answer::file("audit.csv", "text/csv; charset=utf-8", bytes))
}
