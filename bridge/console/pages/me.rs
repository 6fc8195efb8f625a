//! `/me`: a person's own password, recovery codes and choices for the screen.

use crate::console::answer::{Answer, Failure};
use crate::console::dispatch::SESSION;
use crate::console::page::{Frame, RecoveryPage};
use crate::console::request::{Request, Settings};
use crate::console::{password, words};
use crate::store::User;
use askama::Template;

#[derive(Template)]
#[template(path = "me.html", config = "web/askama.toml")]
struct MePage {
    frame: Frame,
    user: User,
    settings: Settings,
    recovery_left: u64,
    problem: Option<&'static str>,
    said: Option<&'static str>,
}

/// The page.
///
/// # Errors
/// The store.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    shown(request, None)
}

fn shown(request: &Request, problem: Option<&'static str>) -> Result<Answer, Failure> {
    let known = request.state.store.users().credentials(&request.user.name)?.ok_or(Failure::NotFound)?;
    let mut frame = request.frame("/me", "me");
    frame.mistake = problem.is_some();
    let page = MePage {
        frame,
        settings: request.user.settings.clone(),
        recovery_left: known.recovery_left as u64,
        user: known.user,
        problem,
        said: words::said(request.query.get("said")),
    };
    Ok(Answer::page(&page)?.status(if problem.is_some() { 422 } else { 200 }))
}

/// Whether the form carries the person's password.
fn own_password(request: &Request) -> Result<bool, Failure> {
    let known = request.state.store.users().credentials(&request.user.name)?;
    let given = request.form.get("current").unwrap_or_default();
    let right = password::verify(given, known.as_ref().map(|known| known.password.as_str()));
    if !right {
        request.audit("own-password-wrong", &request.user.name, "")?;
    }
    Ok(right)
}

/// Another password. Every session of the person ends but a new one here.
///
/// # Errors
/// The store.
pub fn password(request: &Request) -> Result<Answer, Failure> {
    if !own_password(request)? {
        return shown(request, Some("me.current.wrong"));
    }
    let chosen = request.form.get("password").unwrap_or_default();
    let again = request.form.get("again").unwrap_or_default();
    if let Some(problem) = password::unfit(chosen, again, &request.user.name) {
        return shown(request, Some(problem));
    }
    let users = request.state.store.users();
    request.audit("password-set", &request.user.name, "")?;
    users.set_password(request.user.id, &password::hash(chosen), None)?;
    let token = users.open_session(request.user.id, request.now_ms)?;
    Ok(Answer::see_other("/me?said=said.me.password").cookie(SESSION, &token))
}

/// Theme, density, single keys.
///
/// # Errors
/// The store.
pub fn settings(request: &Request) -> Result<Answer, Failure> {
    let wanted = request.form.text("theme");
    let settings = Settings {
        theme: ["light", "dark"].into_iter().find(|theme| *theme == wanted),
        relaxed: request.form.text("density") == "relaxed",
        keys: request.form.get("keys").is_some(),
    };
    request.state.store.users().set_settings(request.user.id, &settings.written())?;
    Ok(Answer::see_other("/me?said=said.me.settings"))
}

/// Ten new recovery codes in place of the old; shown once.
///
/// # Errors
/// The store.
pub fn recovery(request: &Request) -> Result<Answer, Failure> {
    if !own_password(request)? {
        return shown(request, Some("me.current.wrong"));
    }
    let codes: Vec<String> = (0..password::RECOVERY_CODES).map(|_| password::code(2)).collect();
    let typed: Vec<String> = codes.iter().map(|code| password::typed(code)).collect();
    request.audit("recovery-codes-set", &request.user.name, "")?;
    request.state.store.users().set_recovery(request.user.id, &typed)?;
    let frame = request.frame("/me", "recovery.title");
    Answer::page(&RecoveryPage { frame, codes, next: "/me".into() })
}
