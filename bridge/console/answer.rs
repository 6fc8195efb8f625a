//! What a page answers, and the headers that every answer carries.

use crate::store::StoreError;
use askama::Template;
use warp::http::{Response, StatusCode, header};

/// Nothing but our own files, nowhere framed.
const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
    location: Option<String>,
    attachment: Option<String>,
    cookies: Vec<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is not there, or not theirs: the same.
    #[error("not found")]
    NotFound,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The template: a fault of ours.
    #[error("the page could not be rendered")]
    Render,
    /// Anything else that is our fault, said without a value.
    #[error("{0}")]
    Internal(&'static str),
}

impl Answer {
    fn new(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Self {
        Self { status, kind, body, location: None, attachment: None, cookies: Vec::new() }
    }

    /// A page.
    ///
    /// # Errors
    /// The template cannot be rendered.
    pub fn page(page: &impl Template) -> Result<Self, Failure> {
        let text = page.render().map_err(|_| Failure::Render)?;
        Ok(Self::new(StatusCode::OK, "text/html; charset=utf-8", text.into_bytes()))
    }

    /// JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value).map_err(|_| Failure::Render)?;
        Ok(Self::new(StatusCode::OK, "application/json", body))
    }

    /// A file to be saved under that name, which is plain ASCII.
    pub fn file(name: &str, kind: &'static str, bytes: Vec<u8>) -> Self {
        Self { attachment: Some(name.to_owned()), ..Self::new(StatusCode::OK, kind, bytes) }
    }

    /// To another page: the answer to a form.
    pub fn see_other(to: impl Into<String>) -> Self {
        let empty = Self::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Vec::new());
        Self { location: Some(to.into()), ..empty }
    }

    pub(super) fn plain(status: StatusCode, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
    }

    pub(super) fn asset(kind: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, kind, bytes)
    }

    /// The same with another status: 422 for a form with a mistake in it.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }

    /// The same with a cookie, readable by no script and sent to nobody else.
    #[must_use]
    pub(super) fn cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict"));
        self
    }

    /// The same, with a cookie taken back.
    #[must_use]
    pub(super) fn without_cookie(mut self, name: &str) -> Self {
        self.cookies.push(format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
        self
    }

    /// Where it sends the browser.
    pub(super) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    pub(super) fn into_response(self) -> Response<Vec<u8>> {
        let mut builder = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.kind)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::REFERRER_POLICY, "no-referrer")
            .header(header::CACHE_CONTROL, "no-store");
        if let Some(location) = self.location {
            builder = builder.header(header::LOCATION, location);
        }
        if let Some(name) = self.attachment {
            builder = builder.header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
        }
        for cookie in self.cookies {
            builder = builder.header(header::SET_COOKIE, cookie);
        }
        // A location or name that cannot stand in a header is a fault of ours; nothing of it is shown.
        builder.body(self.body).unwrap_or_else(|_| {
            let mut failed = Response::new(Vec::new());
            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            failed
        })
    }
}
