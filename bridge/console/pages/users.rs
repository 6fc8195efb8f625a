//! 利用者: who may sign in, with which roles; inviting, stopping, letting in again.

use crate::console::answer::{Answer, Failure};
use crate::console::page::Frame;
use crate::console::people::{self, Wanted};
use crate::console::request::Request;
use crate::console::rights::Role;
use crate::console::{FacilityInfo, words};
use crate::store::{Change, User};
use askama::Template;

/// The list.
#[derive(Template)]
#[template(path = "users.html", config = "web/askama.toml")]
struct UsersPage {
    frame: Frame,
    users: Vec<User>,
    facilities: Vec<FacilityInfo>,
    wanted: Wanted,
    problem: Option<&'static str>,
    said: Option<&'static str>,
}

/// One person.
#[derive(Template)]
#[template(path = "user.html", config = "web/askama.toml")]
struct UserPage {
    frame: Frame,
    user: User,
    facilities: Vec<FacilityInfo>,
    problem: Option<&'static str>,
    said: Option<&'static str>,
}

/// A one-time code, shown once.
#[derive(Template)]
#[template(path = "paper.html", config = "web/askama.toml")]
struct PaperPage {
    frame: Frame,
    name: String,
    display: String,
    code: String,
    until_ms: i64,
}

impl Frame {
    /// The key of a stored role.
    pub fn role_key(&self, word: &str) -> &'static str {
        Role::of(word).map_or("unknown", Role::key)
    }
    /// All roles: word and key.
    pub fn all_roles(&self) -> Vec<(&'static str, &'static str)> {
        Role::ALL.into_iter().map(|role| (role.word(), role.key())).collect()
    }
}

/// The list and the form of an invitation.
///
/// # Errors
/// The store.
pub fn list(request: &Request) -> Result<Answer, Failure> {
    listed(request, Wanted::default(), None)
}

fn listed(request: &Request, wanted: Wanted, problem: Option<&'static str>) -> Result<Answer, Failure> {
    let mut frame = request.frame("/users", "users");
    frame.mistake = problem.is_some();
    let page = UsersPage {
        frame,
        users: request.state.store.users().list()?,
        facilities: request.state.facilities.clone(),
        wanted,
        problem,
        said: words::said(request.query.get("said")),
    };
    Ok(Answer::page(&page)?.status(if problem.is_some() { 422 } else { 200 }))
}

/// Roles and facilities as a form sends them; no facility chosen = all.
fn rights_of(request: &Request) -> (Vec<Role>, Option<Vec<String>>) {
    let roles = Role::ALL.into_iter().filter(|role| request.form.all("role").any(|word| word == role.word()));
    let chosen = |info: &&FacilityInfo| request.form.all("facility").any(|code| code == info.code);
    let facilities: Vec<String> =
        request.state.facilities.iter().filter(chosen).map(|info| info.code.clone()).collect();
    (roles.collect(), (!facilities.is_empty()).then_some(facilities))
}

/// Rights as the audit trail says them.
fn said_of(roles: &[String], facilities: Option<&[String]>) -> String {
    format!("{}; {}", roles.join(" "), facilities.map_or_else(|| "*".into(), |codes| codes.join(" ")))
}

/// Invites somebody.
///
/// # Errors
/// The store.
pub fn invite(request: &Request) -> Result<Answer, Failure> {
    let (roles, facilities) = rights_of(request);
    let (name, display) = (request.form.text("name").to_owned(), request.form.text("display").to_owned());
    let wanted = Wanted { name, display, roles, facilities };
    match people::invite(request.state.store.users(), &wanted, request.now_ms)? {
        Err(problem) => listed(request, wanted, Some(problem)),
        Ok(code) => {
            let rights = said_of(&people::words(&wanted.roles), wanted.facilities.as_deref());
            request.audit("user-invited", &wanted.name, &rights)?;
            paper(request, &wanted.name, &wanted.display, code)
        }
    }
}

fn paper(request: &Request, name: &str, display: &str, code: String) -> Result<Answer, Failure> {
    Answer::page(&PaperPage {
        frame: request.frame("/users", "paper.title"),
        name: name.to_owned(),
        display: display.to_owned(),
        code,
        until_ms: request.now_ms + crate::console::password::INVITATION_MS,
    })
}

fn named(request: &Request) -> Result<User, Failure> {
    let known = request.state.store.users().credentials(request.param(0))?;
    known.map(|known| known.user).ok_or(Failure::NotFound)
}

/// One person.
///
/// # Errors
/// Nobody has that name; the store.
pub fn one(request: &Request) -> Result<Answer, Failure> {
    shown(request, named(request)?, None)
}

fn shown(request: &Request, user: User, problem: Option<&'static str>) -> Result<Answer, Failure> {
    let mut frame = request.frame("/users", "users.one");
    frame.mistake = problem.is_some();
    let page = UserPage {
        frame,
        user,
        facilities: request.state.facilities.clone(),
        problem,
        said: words::said(request.query.get("said")),
    };
    Ok(Answer::page(&page)?.status(if problem.is_some() { 422 } else { 200 }))
}

/// What a change has led to.
fn changed(
    request: &Request,
    user: User,
    change: Change,
    action: &str,
    detail: &str,
    said: &str,
) -> Result<Answer, Failure> {
    match change {
        Change::Done => {
            request.audit(action, &user.name, detail)?;
            let gone = action == "user-deleted";
            let to = if gone { "/users".to_owned() } else { format!("/users/{}", user.name) };
            Ok(Answer::see_other(format!("{to}?said={said}")))
        }
        Change::LastAdministrator => shown(request, user, Some("users.last")),
        Change::Missing | Change::Taken => Err(Failure::NotFound),
    }
}

/// Other roles and facilities.
///
/// # Errors
/// Nobody has that name; the store.
pub fn roles(request: &Request) -> Result<Answer, Failure> {
    let user = named(request)?;
    let (roles, facilities) = rights_of(request);
    if roles.is_empty() {
        return shown(request, user, Some("users.roles.none"));
    }
    let words = people::words(&roles);
    let change = request.state.store.users().set_roles(user.id, &words, facilities.as_deref())?;
    let before = said_of(&user.roles, user.facilities.as_deref());
    let detail = format!("{before} → {}", said_of(&words, facilities.as_deref()));
    changed(request, user, change, "user-roles", &detail, "said.users.roles")
}

/// 二要素のやり直し: the second factor is set up again at the next sign-in.
///
/// # Errors
/// Nobody has that name; the store.
pub fn factor(request: &Request) -> Result<Answer, Failure> {
    let user = named(request)?;
    let change = request.state.store.users().set_totp(user.id, None)?;
    changed(request, user, change, "second-factor-reset", "", "said.users.factor")
}

/// A new one-time code in place of the password.
///
/// # Errors
/// Nobody has that name; the store.
pub fn code(request: &Request) -> Result<Answer, Failure> {
    let user = named(request)?;
    let code = people::renew(request.state.store.users(), user.id, request.now_ms)?;
    let code = code.ok_or(Failure::NotFound)?;
    request.audit("password-reset", &user.name, "")?;
    paper(request, &user.name, &user.display, code)
}

/// Stops somebody from signing in.
///
/// # Errors
/// Nobody has that name; the store.
pub fn stop(request: &Request) -> Result<Answer, Failure> {
    let user = named(request)?;
    let change = request.state.store.users().set_stopped(user.id, true)?;
    changed(request, user, change, "user-stopped", "", "said.users.stopped")
}

/// Lets somebody sign in again.
///
/// # Errors
/// Nobody has that name; the store.
pub fn start(request: &Request) -> Result<Answer, Failure> {
    let user = named(request)?;
    let change = request.state.store.users().set_stopped(user.id, false)?;
    changed(request, user, change, "user-started", "", "said.users.started")
}

/// Deletes somebody who is stopped and whose name was typed once more.
///
/// # Errors
/// Nobody has that name; the store.
pub fn delete(request: &Request) -> Result<Answer, Failure> {
    let user = named(request)?;
    if !user.stopped {
        return shown(request, user, Some("users.delete.running"));
    }
    if request.form.text("name") != user.name {
        return shown(request, user, Some("users.delete.name"));
    }
    let change = request.state.store.users().delete(user.id)?;
    changed(request, user, change, "user-deleted", "", "said.users.deleted")
}
