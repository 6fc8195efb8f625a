//! 施設: the list, and one facility with its feeds, destinations, sums and who of it is shared.

use crate::console::LeftFiles;
use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::console::rights::OPERATORS;
use crate::console::view::{self, CauseRow, DestinationRow, FacilityRow};
use crate::store::{ConsentImport, ConsentStatus, DaySum, Share, Withdrawal, day_in_japan};
use askama::Template;

/// Days of sums on the page of a facility, today included.
const DAYS: i64 = 7;
/// Imports of lists on it.
const IMPORTS: u32 = 5;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// A line of the list.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its day.
    pub row: FacilityRow,
    /// Its consent list.
    pub consent: ConsentStatus,
}

/// The list.
#[derive(Template)]
#[template(path = "facilities.html", config = "web/askama.toml")]
struct ListPage {
    frame: Frame,
    lines: Vec<Line>,
}

/// A feed.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The key of its kind.
    pub kind: &'static str,
    /// Address or folder.
    pub place: String,
    /// When it last brought something.
    pub last_received_ms: Option<i64>,
    /// Whether its folder is not there.
    pub gone: bool,
    /// Files that it could not take.
    pub left: Vec<LeftFiles>,
}

/// What is said about the last upload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// `ok` or `warn`.
    pub level: &'static str,
    /// The key of the sentence.
    pub key: &'static str,
}

/// One facility.
#[derive(Template)]
#[template(path = "facility.html", config = "web/askama.toml")]
struct DetailPage {
    frame: Frame,
    row: FacilityRow,
    inputs: Vec<Input>,
    destinations: Vec<DestinationRow>,
    sums: Vec<DaySum>,
    causes: Vec<CauseRow>,
    consent: ConsentStatus,
    imports: Vec<ConsentImport>,
    folder: Option<String>,
    folder_gone: bool,
    may_upload: bool,
    test_ids: u64,
    test_ranges: u64,
    said: Option<Said>,
}

/// The key of whose data a destination gets.
pub fn share_key(share: &Share) -> &'static str {
    match share {
        Share::Listed => "share.listed",
        Share::AllButListed => "share.all-but-listed",
        Share::All => "share.all",
    }
}

fn withdrawal_key(withdrawal: &Withdrawal) -> &'static str {
    match withdrawal {
        Withdrawal::Stop => "withdrawal.stop",
        Withdrawal::Delete => "withdrawal.delete",
    }
}

/// The key of the way in of a list.
fn source_key(source: &str) -> &'static str {
    match source {
        "folder" => "consent.source.folder",
        "command" => "consent.source.command",
        _ => "consent.source.console",
    }
}

/// `20261120` as `2026-11-20`.
fn day_text(day: &u32) -> String {
    format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
}

impl ListPage {
    /// What a facility shares, as keys without repetition.
    fn shares(&self, line: &Line) -> Vec<&'static str> {
        let mut keys: Vec<_> = line.consent.sharing.destinations.iter().map(|(_, s)| share_key(s)).collect();
        keys.dedup();
        keys
    }
}

impl DetailPage {
    fn share_of(&self, destination: &str) -> &'static str {
        let found = self.consent.sharing.destinations.iter().find(|(name, _)| name == destination);
        found.map_or("unknown", |(_, share)| share_key(share))
    }
    fn withdrawal(&self) -> &'static str {
        withdrawal_key(&self.consent.sharing.withdrawal)
    }
    fn source(&self, import: &ConsentImport) -> &'static str {
        source_key(&import.source)
    }
    fn day(&self, day: &u32) -> String {
        day_text(day)
    }
    /// Beginning of a hash: enough to tell two files apart.
    fn short<'a>(&self, hash: &'a str) -> &'a str {
        hash.get(..12).unwrap_or(hash)
    }
}

/// The list.
///
/// # Errors
/// The store cannot be read.
pub fn list(request: &Request) -> Result<Answer, Failure> {
    let view = view::overview(&request.state, request.now_ms, |code| request.user.reaches(code))?;
    let mut lines = Vec::new();
    for row in view.facilities {
        let consent = request.facility(&row.code)?.consent_status(day_in_japan(request.now_ms))?;
        lines.push(Line { row, consent });
    }
    Answer::page(&ListPage { frame: request.frame("/facilities", "facilities"), lines })
}

/// One facility.
///
/// # Errors
/// It is not there or not theirs; the store cannot be read.
pub fn detail(request: &Request) -> Result<Answer, Failure> {
    let said = match request.query.get("list") {
        Some("stored") => Some(Said { level: "ok", key: "consent.stored" }),
        Some("gone") => Some(Said { level: "warn", key: "consent.gone" }),
        _ => None,
    };
    page(request, said)
}

/// The page of a facility, with something said at its top.
pub(super) fn page(request: &Request, said: Option<Said>) -> Result<Answer, Failure> {
    let code = request.param(0);
    let store = request.facility(code)?;
    let info = request.facilities().find(|info| info.code == code).ok_or(Failure::NotFound)?;
    let view = view::overview(&request.state, request.now_ms, |other| other == code)?;
    let row = view.facilities.into_iter().next().ok_or(Failure::NotFound)?;
    let place = request.state.consent.place(code);
    let (mut inputs, machine) = (Vec::new(), &request.state.machine);
    for (name, kind) in &info.feeds {
        let found = place.inputs.iter().find(|(feed, _)| feed == name);
        inputs.push(Input {
            name: name.clone(),
            kind: view::input_key(kind),
            place: found.map(|(_, place)| place.clone()).unwrap_or_default(),
            last_received_ms: store.last_received_ms(name)?,
            gone: (machine.alarm)(&format!("folder-gone {name}")),
            left: (machine.left)(name),
        });
    }
    let today = day_in_japan(request.now_ms);
    let mut sums = store.sums(day_in_japan(request.now_ms - (DAYS - 1) * DAY_MS), today)?;
    if sums.last().is_none_or(|sum| sum.day != today) {
        sums.push(DaySum { day: today, ..DaySum::default() });
    }
    sums.reverse();
    let consent = store.consent_status(today)?;
    Answer::page(&DetailPage {
        frame: request.frame("/facilities", "facility"),
        test_ids: consent.sharing.tests.ids.len() as u64,
        test_ranges: consent.sharing.tests.ranges.len() as u64,
        row,
        inputs,
        destinations: view.destinations,
        sums,
        causes: view.causes,
        consent,
        imports: store.consent_imports(IMPORTS)?,
        folder: place.folder.clone(),
        folder_gone: (machine.alarm)(&format!("consent-folder-gone {code}")),
        may_upload: request.user.is(OPERATORS),
        said,
    })
}
