//! 状況: whether there is something to do now.

use crate::console::answer::{Answer, Failure};
use crate::console::page::StatusPage;
use crate::console::request::Request;
use crate::console::view;

/// The page.
///
/// # Errors
/// The store cannot be read.
pub fn page(request: &Request) -> Result<Answer, Failure> {
    let view = view::overview(&request.state, request.now_ms, |code| request.user.reaches(code))?;
    let mut frame = request.frame("/", "status");
    let stopped = request.query.get("refresh") == Some("off") && request.state.refresh_s > 0;
    if !stopped {
        frame.refresh_s = request.state.refresh_s;
    }
    Answer::page(&StatusPage { frame, view, stopped })
}

/// The same for programs.
///
/// # Errors
/// The store cannot be read.
pub fn json(request: &Request) -> Result<Answer, Failure> {
    Answer::json(&view::overview(&request.state, request.now_ms, |code| request.user.reaches(code))?)
}
