//! A consent list by the browser: uploaded, looked at, and only then taken in.
//!
//! What was uploaded waits in memory under a drawn key, for its uploader alone and not for long; nothing of a patient
//! is shown or written to the audit trail.

use crate::consent::{self, ConsentError, List};
use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::request::Request;
use crate::store::ConsentChange;
use askama::Template;
use renkei_translate::translation::PatientIdRule;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lists that wait at once: each is some megabytes.
const WAITING: usize = 8;
/// A list that nobody confirms is forgotten after this time.
const LIFE_MS: i64 = 15 * 60_000;

/// What the pages know of a facility besides its store.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// How its patient ids are written.
    pub patient_id: PatientIdRule,
    /// Where its feeds listen or look: name and address or folder.
    pub inputs: Vec<(String, String)>,
    /// Its drop folder of consent lists.
    pub folder: Option<String>,
}

/// What the pages of facilities know, and the lists that wait to be confirmed.
#[derive(Debug, Default)]
pub struct Desk {
    places: BTreeMap<String, Place>,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    key: String,
    user: i64,
    facility: String,
    until_ms: i64,
    list: List,
}

impl Desk {
    /// With what is known of the facilities, by code.
    pub fn new(places: BTreeMap<String, Place>) -> Self {
        Self { places, waiting: Mutex::default() }
    }

    /// What is known of a facility.
    pub fn place(&self, code: &str) -> Place {
        self.places.get(code).cloned().unwrap_or_default()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a list; its key.
    fn keep(&self, user: i64, facility: &str, list: List, now_ms: i64) -> String {
        let key = format!("{:032x}", rand::random::<u128>());
        let mut waiting = self.waiting();
        waiting.retain(|other| other.until_ms > now_ms);
        if waiting.len() >= WAITING {
            waiting.remove(0);
        }
        let (facility, until_ms) = (facility.to_owned(), now_ms.saturating_add(LIFE_MS));
        waiting.push(Waiting { key: key.clone(), user, facility, until_ms, list });
        key
    }

    /// A list that waits, for its uploader.
    fn look(&self, request: &Request) -> Option<List> {
        let waiting = self.waiting();
        waiting.iter().find(|one| one.is_for(request)).map(|one| one.list.clone())
    }

    /// The same, and it waits no more.
    fn take(&self, request: &Request) -> Option<List> {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|one| one.is_for(request))?;
        Some(waiting.remove(at).list)
    }
}

impl Waiting {
    fn is_for(&self, request: &Request) -> bool {
        self.key == request.param(1)
            && self.facility == request.param(0)
            && self.user == request.user.id
            && self.until_ms > request.now_ms
    }
}

/// The list before it is taken in.
#[derive(Template)]
#[template(path = "consent.html", config = "web/askama.toml")]
struct CheckPage {
    frame: Frame,
    code: String,
    name: String,
    key: String,
    list: List,
    change: ConsentChange,
}

/// Takes an upload in to be looked at: a file, or text that was pasted.
///
/// # Errors
/// The facility is not there or not theirs; the store.
pub fn upload(request: &Request) -> Result<Answer, Failure> {
    let code = request.param(0);
    request.facility(code)?;
    let file = request.files.iter().find(|file| file.field == "list").map(|file| file.bytes.as_slice());
    let pasted = request.form.text("pasted");
    let Some(bytes) = file.or((!pasted.is_empty()).then_some(pasted.as_bytes())) else {
        return Ok(super::facilities::page(
            request,
            Some(super::facilities::Said { level: "warn", key: "consent.nothing" }),
        )?
        .status(422));
    };
    let list = consent::parse(bytes, &request.state.consent.place(code).patient_id);
    let key = request.state.consent.keep(request.user.id, code, list, request.now_ms);
    Ok(Answer::see_other(format!("/facilities/{code}/consent/{key}")))
}

/// What the list would change, or what is wrong with it.
///
/// # Errors
/// The facility is not there or not theirs; the store.
pub fn look(request: &Request) -> Result<Answer, Failure> {
    let code = request.param(0);
    let store = request.facility(code)?;
    let Some(list) = request.state.consent.look(request) else {
        return Ok(Answer::see_other(format!("/facilities/{code}?list=gone")));
    };
    let change = store.consent_preview(&list.rows)?;
    let info = request.facilities().find(|info| info.code == code).ok_or(Failure::NotFound)?;
    let mut frame = request.frame("/facilities", "consent.check");
    frame.mistake = !list.is_good();
    let (code, name, key) = (code.to_owned(), info.name.clone(), request.param(1).to_owned());
    Answer::page(&CheckPage { frame, code, name, key, list, change })
}

/// Takes the list in.
///
/// # Errors
/// The facility is not there or not theirs; the store.
pub fn confirm(request: &Request) -> Result<Answer, Failure> {
    let code = request.param(0);
    let store = request.facility(code)?;
    let Some(list) = request.state.consent.take(request) else {
        return Ok(Answer::see_other(format!("/facilities/{code}?list=gone")));
    };
    let who = (request.user.name.as_str(), "console");
    match consent::import(&request.state.store, &store, list, who, request.now_ms) {
        Ok(_) => Ok(Answer::see_other(format!("/facilities/{code}?list=stored"))),
        // Its page has no button for that; whoever sends the form by hand gets the page again.
        Err(ConsentError::Refused(list)) => {
            let key = request.state.consent.keep(request.user.id, code, *list, request.now_ms);
            Ok(Answer::see_other(format!("/facilities/{code}/consent/{key}")))
        }
        Err(ConsentError::Store(error)) => Err(error.into()),
    }
}
