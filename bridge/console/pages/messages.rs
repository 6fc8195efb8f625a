//! 電文: one box that finds messages by what a ward knows, and the list.
//!
//! Nothing runs until somebody submits. What is typed may name a patient: it is kept with the session and the
//! address holds a keyed hash. A search by patient is in the audit trail before its result is shown.

use crate::console::answer::{Answer, Failure};
use crate::console::day;
use crate::console::page::Frame;
use crate::console::reading::{self, Reading};
use crate::console::request::{Request, Values};
use crate::console::view::day_of;
use crate::shape;
use crate::store::{Filter, MessageId, MessageSummary, State};
use askama::Template;
use std::collections::{BTreeMap, VecDeque};

/// Rows of a page.
const ROWS: usize = 50;

/// Longest text taken from the box.
const LONGEST: usize = 256;

/// What is asked for.
#[derive(Clone, Debug, Default)]
struct Asked {
    text: Option<String>,
    reading: Option<Reading>,
    facility: String,
    kind: String,
    state: String,
    from: Option<u32>,
    to: Option<u32>,
    /// For each facility the message behind which it goes on.
    before: BTreeMap<String, MessageId>,
}

/// Both states of what is held: by its translation and by a destination's check.
const STOPPED: &str = "stopped";

impl Asked {
    /// From an address; `None` where nothing was submitted.
    fn of(request: &Request) -> Option<(Self, bool)> {
        let query = &request.query;
        if ["s", "facility", "kind", "state", "from", "to"].iter().all(|name| query.text(name).is_empty()) {
            return None;
        }
        let hash = query.text("s");
        let text = request.state.bench.searches.text(&request.user.token, hash);
        let forgotten = !hash.is_empty() && text.is_none();
        let before = query.text("before").split('.').filter_map(|part| {
            let (facility, id) = part.split_once(':')?;
            Some((facility.to_owned(), id.parse().ok()?))
        });
        let asked = Self {
            text,
            reading: Reading::of(query.text("as")),
            facility: query.text("facility").to_owned(),
            kind: query.text("kind").to_owned(),
            state: query.text("state").to_owned(),
            from: day::read(query.text("from")),
            to: day::read(query.text("to")),
            before: before.collect(),
        };
        Some((asked, forgotten))
    }

    fn states(&self) -> Vec<State> {
        match self.state.as_str() {
            STOPPED => vec![State::Quarantined, State::Held],
            word => State::of(word).into_iter().collect(),
        }
    }

    /// The same search in other words, as an address.
    fn address(request: &Request, changes: &[(&str, &str)]) -> String {
        let mut values = Values::default();
        for name in ["s", "as", "facility", "kind", "state", "from", "to", "before"] {
            let changed = changes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            let value = changed.unwrap_or_else(|| request.query.text(name));
            if !value.is_empty() {
                values.0.push((name.to_owned(), value.to_owned()));
            }
        }
        format!("/messages?{}", values.encoded())
    }
}

/// A row of the list.
#[derive(Clone, Debug)]
pub struct Line {
    /// `/messages/…`.
    pub address: String,
    /// Its number.
    pub number: String,
    /// When received.
    pub received_ms: i64,
    /// The facility.
    pub facility: String,
    /// Its code.
    pub code: String,
    /// The kind, else the type, else a dash.
    pub kind: String,
    /// Shapes of its patients.
    pub patients: String,
    /// Class and key of its state.
    pub state: (&'static str, &'static str),
    /// Errors found.
    pub errors: usize,
    /// Warnings found.
    pub warnings: usize,
    /// The beginning of the version that read it.
    pub version: String,
}

/// The search page.
#[derive(Template)]
#[template(path = "messages.html", config = "web/askama.toml")]
struct Page {
    frame: Frame,
    /// As typed.
    text: String,
    facility: String,
    kind: String,
    state: String,
    from: String,
    to: String,
    facilities: Vec<(String, String)>,
    kinds: Vec<String>,
    states: Vec<(&'static str, &'static str)>,
    /// Problems of the form: the field's id and a key.
    wrong: Vec<(&'static str, &'static str)>,
    /// Whether a search has run.
    ran: bool,
    /// The text is no more known.
    forgotten: bool,
    /// How the text was read.
    reading: Option<Reading>,
    /// Other ways to read it: address and key.
    others: Vec<(String, &'static str)>,
    lines: Vec<Line>,
    next: Option<String>,
}

/// Class and key of a state.
pub fn state_words(state: State) -> (&'static str, &'static str) {
    match state {
        State::Pending => ("wait", "sum.pending"),
        State::Quarantined => ("hold", "sum.quarantined"),
        State::Held => ("hold", "col.held"),
        State::Rejected => ("rej", "sum.rejected"),
        State::Excluded => ("none", "sum.excluded"),
        State::Registered => ("ok", "sum.registered"),
    }
}

/// GET `/messages`.
///
/// # Errors
/// The store; the audit trail.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let mut page = blank(request);
    let Some((asked, forgotten)) = Asked::of(request) else { return Answer::page(&page) };
    page.forgotten = forgotten;
    page.facility.clone_from(&asked.facility);
    page.kind.clone_from(&asked.kind);
    page.state.clone_from(&asked.state);
    page.from = day::written(asked.from);
    page.to = day::written(asked.to);
    page.text = asked.text.clone().unwrap_or_default();
    if forgotten {
        return Answer::page(&page);
    }
    page.ran = true;
    let (found, next) = match &asked.text {
        None => listed(request, &asked, &|_| Filter::default())?,
        Some(text) => searched(request, &asked, text, &mut page)?,
    };
    page.next = next.map(|before| Asked::address(request, &[("before", &before)]));
    page.lines = found.into_iter().map(|(code, summary)| line(request, code, &summary)).collect();
    Answer::page(&page)
}

fn blank(request: &Request) -> Page {
    Page {
        frame: request.frame("/messages", "message"),
        text: String::new(),
        facility: String::new(),
        kind: String::new(),
        state: String::new(),
        from: String::new(),
        to: String::new(),
        facilities: request.facilities().map(|info| (info.code.clone(), info.name.clone())).collect(),
        kinds: request.state.bench.set().messages().to_vec(),
        states: vec![
            ("registered", "sum.registered"),
            ("pending", "sum.pending"),
            (STOPPED, "sum.quarantined"),
            ("rejected", "sum.rejected"),
            ("excluded", "sum.excluded"),
        ],
        wrong: Vec::new(),
        ran: false,
        forgotten: false,
        reading: None,
        others: Vec::new(),
        lines: Vec::new(),
        next: None,
    }
}

/// POST `/messages`: from the form to an address that names no patient.
///
/// # Errors
/// The page with its problems.
pub fn search(request: &Request) -> Result<Answer, Failure> {
    let form = &request.form;
    let text = form.text("q");
    let mut wrong = Vec::new();
    if text.len() > LONGEST {
        wrong.push(("q", "search.too-long"));
    }
    let mut values = Values::default();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            values.0.push((name.to_owned(), value.to_owned()));
        }
    };
    let tidy = reading::tidy(text);
    if !tidy.is_empty() {
        let hash = request.state.store.id_key().id(["search", &tidy]);
        request.state.bench.searches.keep(&request.user.token, &hash, &tidy);
        put("s", &hash);
    }
    for name in ["facility", "kind", "state"] {
        put(name, form.text(name));
    }
    let mut days = Vec::new();
    for (name, key) in [("from", "search.bad-day"), ("to", "search.bad-day")] {
        let typed = form.text(name);
        let read = day::read(typed);
        if !typed.is_empty() && read.is_none() {
            wrong.push((name, key));
        }
        put(name, &day::written(read));
        days.push(read);
    }
    if let [Some(from), Some(to)] = days[..]
        && from > to
    {
        wrong.push(("to", "search.days-turned"));
    }
    if wrong.is_empty() {
        // Everything of all time is nobody's question.
        if tidy.is_empty() && days == [None, None] {
            let today = day::written(Some(day_of(request.now_ms)));
            put("from", &today);
            put("to", &today);
        }
        return Ok(Answer::see_other(format!("/messages?{}", values.encoded())));
    }
    let mut page = blank(request);
    page.text = text.to_owned();
    page.facility = form.text("facility").to_owned();
    page.kind = form.text("kind").to_owned();
    page.state = form.text("state").to_owned();
    page.from = form.text("from").to_owned();
    page.to = form.text("to").to_owned();
    page.frame.mistake = true;
    page.wrong = wrong;
    Ok(Answer::page(&page)?.status(422))
}

type Found = (Vec<(String, MessageSummary)>, Option<String>);

/// Tries the readings of a text in order; the first with a result is the one, else the first.
fn searched(request: &Request, asked: &Asked, text: &str, page: &mut Page) -> Result<Found, Failure> {
    let readings = asked.reading.map_or_else(|| reading::readings(text), |reading| vec![reading]);
    let mut found = Found::default();
    page.reading = readings.first().copied();
    for reading in readings {
        let these = match reading {
            Reading::Receipt => (by_number(request, asked, text)?, None),
            Reading::Patient => {
                audited(request, asked, text)?;
                let bench = &request.state.bench;
                listed(request, asked, &|facility| Filter {
                    patients: reading::patient_ids(text, |id| bench.normalise(facility, id)),
                    ..Filter::default()
                })?
            }
            Reading::Order => {
                listed(request, asked, &|_| Filter { order: Some(text.to_owned()), ..Filter::default() })?
            }
            Reading::Control | Reading::File => {
                let name = text.rsplit('/').next().unwrap_or(text).to_owned();
                listed(request, asked, &|_| Filter { name: Some(name.clone()), ..Filter::default() })?
            }
        };
        if !these.0.is_empty() {
            page.reading = Some(reading);
            found = these;
            break;
        }
    }
    let others = Reading::ALL.into_iter().filter(|other| Some(*other) != page.reading);
    page.others = others
        .map(|other| (Asked::address(request, &[("as", other.word()), ("before", "")]), other.key()))
        .collect();
    Ok(found)
}

/// Who looked for which patient, by a keyed hash, before anything is shown.
fn audited(request: &Request, asked: &Asked, text: &str) -> Result<(), Failure> {
    let key = request.state.store.id_key();
    let (target, patient) = match asked.facility.as_str() {
        "" => ("*", text.trim_start_matches('0').to_owned()),
        code => (code, request.state.bench.normalise(code, text)),
    };
    request.audit("search-patient", target, &key.id(["audit-patient", target, &patient]))?;
    Ok(())
}

fn by_number(request: &Request, asked: &Asked, text: &str) -> Result<Vec<(String, MessageSummary)>, Failure> {
    let Some((named, id)) = reading::receipt(text) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for info in request.facilities() {
        let wanted = named.as_deref().is_none_or(|code| code == info.code)
            && (asked.facility.is_empty() || asked.facility == info.code);
        if wanted && let Some(detail) = request.facility(&info.code)?.message(id)? {
            found.push((info.code.clone(), detail.summary));
        }
    }
    Ok(found)
}

/// The newest of all facilities, one page of it, and where the next begins.
fn listed(request: &Request, asked: &Asked, base: &dyn Fn(&str) -> Filter) -> Result<Found, Failure> {
    let mut streams: Vec<(String, VecDeque<MessageSummary>)> = Vec::new();
    for info in request.facilities() {
        if !asked.facility.is_empty() && asked.facility != info.code {
            continue;
        }
        let filter = Filter {
            kind: (!asked.kind.is_empty()).then(|| asked.kind.clone()),
            states: asked.states(),
            from_day: asked.from,
            to_day: asked.to,
            before: asked.before.get(&info.code).copied(),
            limit: ROWS + 1,
            ..base(&info.code)
        };
        let lines = request.facility(&info.code)?.messages(&filter)?;
        streams.push((info.code.clone(), lines.into()));
    }
    let mut marks = asked.before.clone();
    // A message that comes later is on no page of this walk, also at a facility that is not on this page.
    for (code, lines) in &streams {
        if let Some(newest) = lines.front() {
            marks.entry(code.clone()).or_insert(MessageId(newest.id.0 + 1));
        }
    }
    let mut out = Vec::new();
    while out.len() < ROWS {
        let heads =
            streams.iter().enumerate().filter_map(|(n, (_, lines))| Some((lines.front()?.received_ms, n)));
        // Of two at the same instant the one of the earlier facility.
        let Some((_, n)) = heads.max_by_key(|(at, n)| (*at, std::cmp::Reverse(*n))) else { break };
        let (code, lines) = &mut streams[n];
        if let Some(line) = lines.pop_front() {
            marks.insert(code.clone(), line.id);
            out.push((code.clone(), line));
        }
    }
    let more = streams.iter().any(|(_, lines)| !lines.is_empty());
    let next = more.then(|| {
        let parts: Vec<String> = marks.iter().map(|(code, id)| format!("{code}:{id}")).collect();
        parts.join(".")
    });
    Ok((out, next))
}

fn line(request: &Request, code: String, summary: &MessageSummary) -> Line {
    let info = request.state.facilities.iter().find(|info| info.code == code);
    let kind = summary.kind.as_deref().or(summary.message_type.as_deref());
    Line {
        address: format!("/messages/{code}-{}", summary.id),
        number: summary.id.to_string(),
        received_ms: summary.received_ms,
        facility: info.map_or_else(|| code.clone(), |info| info.name.clone()),
        kind: kind.unwrap_or("—").to_owned(),
        patients: summary.patients.iter().map(|patient| shape::of(patient)).collect::<Vec<_>>().join(" "),
        state: state_words(summary.state),
        errors: summary.errors,
        warnings: summary.warnings,
        version: summary.mapping_version.as_deref().map(short).unwrap_or_default().to_owned(),
        code,
    }
}

/// The beginning of a version: enough to tell two apart.
pub fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}
