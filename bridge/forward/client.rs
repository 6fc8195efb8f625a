//! The HTTP client of one destination: a projection out, an [`Outcome`] back.
//!
//! Never follows a redirect, never uses a proxy from the environment, never logs. Each request is awaited
//! by the future that sent it and by nothing else, so that a late answer cannot be credited to another.

use super::answer::{self, Outcome};
use super::config::Base;
use super::retry;
use crate::record::{self, Projection};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Identity, Method, RequestBuilder};
use std::error::Error as _;
use std::path::{Path, PathBuf};

/// Largest answer read. A transaction-response has some 300 bytes an entry.
const ANSWER_MAX_BYTES: usize = 8 << 20;

const FHIR_JSON: &str = "application/fhir+json";

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A certificate file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate file holds no PEM of that kind.
    #[error("{path} holds no {wanted} in PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate`, `certificate and key`.
        wanted: &'static str,
    },
    /// The pieces do not fit together, such as a key that is not the certificate's.
    #[error("cannot set up HTTP for {base}")]
    Client {
        /// The destination's name.
        base: String,
        /// Why.
        source: reqwest::Error,
    },
}

/// A client of one destination. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    transactions: bool,
}

impl Client {
    /// Reads the certificates and makes the client. Sends nothing.
    ///
    /// # Errors
    /// Where certificates cannot be used.
    pub fn open(base: &Base) -> Result<Self, OpenError> {
        super::install_crypto();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(FHIR_JSON));
        // The answer need not carry back what we have just sent.
        headers.insert("prefer", HeaderValue::from_static("return=minimal"));
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .default_headers(headers)
            .user_agent(concat!("renkei-bridge/", env!("CARGO_PKG_VERSION")))
            .timeout(base.timeout)
            .connect_timeout(base.connect_timeout)
            .pool_max_idle_per_host(base.concurrency);
        let tls = base.tls.clone().unwrap_or_default();
        if let Some(path) = &tls.ca {
            let certificates = Certificate::from_pem_bundle(&read(path)?).unwrap_or_default();
            if certificates.is_empty() {
                return Err(OpenError::Pem { path: path.clone(), wanted: "certificate" });
            }
            builder = builder.tls_certs_only(certificates);
        } else if base.url.scheme() == "http" {
            // No need for the system's list of authorities, which a bare machine may not have.
            builder = builder.tls_certs_only([]);
        }
        if let (Some(certificate), Some(key)) = (&tls.client_cert, &tls.client_key) {
            let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
            let identity = Identity::from_pem(&pem)
                .map_err(|_| OpenError::Pem { path: certificate.clone(), wanted: "certificate and key" })?;
            builder = builder.identity(identity);
        }
        let http = builder.build().map_err(|source| OpenError::Client { base: base.name.clone(), source })?;
        let url = base.url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, url, transactions: base.transactions })
    }

    /// Sends a projection, in one transaction or in single requests, and says what became of it.
    pub async fn send(&self, projection: &Projection) -> Outcome {
        if self.transactions { self.transaction(projection).await } else { self.singly(projection).await }
    }

    async fn transaction(&self, projection: &Projection) -> Outcome {
        let outcome = self.post(projection).await;
        if !matches!(outcome, Outcome::Rejected { .. }) || projection.deletes.is_empty() {
            return outcome;
        }
        // Some servers refuse a whole transaction because of a DELETE of what is not there, as after a lost
        // answer or a restore of theirs. FHIR R4 leaves the status of such a DELETE open (http.html#delete).
        match self.still_there(projection).await {
            Ok(deletes) if deletes.len() < projection.deletes.len() => {
                let rest = Projection { puts: projection.puts.clone(), deletes };
                if rest.is_empty() { Outcome::Registered } else { self.post(&rest).await }
            }
            Ok(_) => outcome,
            Err(failed) => failed,
        }
    }

    /// Which of the deletions name something that the base has.
    async fn still_there(&self, projection: &Projection) -> Result<Vec<(String, String)>, Outcome> {
        let mut found = Vec::new();
        for (resource_type, id) in &projection.deletes {
            let answer = ask(self.request(Method::GET, resource_type, id)).await?;
            match answer.status {
                404 | 410 => {}
                200..=299 => found.push((resource_type.clone(), id.clone())),
                _ => return Err(answer.refusal().unwrap_or(Outcome::later("answer-garbled"))),
            }
        }
        Ok(found)
    }

    async fn post(&self, projection: &Projection) -> Outcome {
        let request = self.http.post(&self.url).header(CONTENT_TYPE, FHIR_JSON);
        let answer = match ask(request.body(record::bundle(projection))).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        match answer.refusal() {
            Some(outcome) => outcome,
            None if !answer.cut && answer::transaction_done(projection, &answer.body) => Outcome::Registered,
            None => Outcome::later("answer-garbled"),
        }
    }

    /// The projection has referents first and, among deletions, referrers first. What was done before a
    /// failure is done again with the next attempt.
    async fn singly(&self, projection: &Projection) -> Outcome {
        for put in &projection.puts {
            let request = self.request(Method::PUT, &put.resource_type, &put.id);
            let request = request.header(CONTENT_TYPE, FHIR_JSON).body(put.json.get().to_owned());
            let answer = match ask(request).await {
                Ok(answer) => answer,
                Err(outcome) => return outcome,
            };
            if let Some(outcome) = answer.refusal() {
                return outcome;
            }
            if answer.cut || !answer::put_done(put, answer.location.as_deref(), &answer.body) {
                return Outcome::later("answer-garbled");
            }
        }
        for (resource_type, id) in &projection.deletes {
            let answer = match ask(self.request(Method::DELETE, resource_type, id)).await {
                Ok(answer) => answer,
                Err(outcome) => return outcome,
            };
            // What is not there is deleted.
            if !matches!(answer.status, 404 | 410)
                && let Some(outcome) = answer.refusal()
            {
                return outcome;
            }
        }
        Outcome::Registered
    }

    fn request(&self, method: Method, resource_type: &str, id: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/{resource_type}/{id}", self.url))
    }
}

/// An answer, read up to [`ANSWER_MAX_BYTES`].
struct Answer {
    status: u16,
    after: Option<std::time::Duration>,
    location: Option<String>,
    body: Vec<u8>,
    /// It was longer.
    cut: bool,
}

impl Answer {
    fn refusal(&self) -> Option<Outcome> {
        answer::refusal(self.status, self.after, &self.body)
    }
}

async fn ask(request: RequestBuilder) -> Result<Answer, Outcome> {
    let mut response = request.send().await.map_err(|error| failure(&error))?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = Answer {
        status: response.status().as_u16(),
        after: header(RETRY_AFTER).and_then(|value| retry::retry_after(value, super::now_ms())),
        location: header(LOCATION).map(str::to_owned),
        body: Vec::new(),
        cut: false,
    };
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if answer.body.len() + chunk.len() > ANSWER_MAX_BYTES => {
                answer.cut = true;
                return Ok(answer);
            }
            Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
            Ok(None) => return Ok(answer),
            // A refusal is known by its status, whatever became of its text.
            Err(_) if answer.refusal().is_some() => return Ok(answer),
            Err(error) => return Err(failure(&error)),
        }
    }
}

/// What a request that had no answer means.
fn failure(error: &reqwest::Error) -> Outcome {
    match error.source().and_then(tls_error) {
        Some(rustls::Error::AlertReceived(alert)) if refuses_us(*alert) => return Outcome::Credentials,
        Some(_) => return Outcome::later("tls"),
        None => {}
    }
    Outcome::later(if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "connection-lost"
    })
}

/// Finds the TLS error among the causes. An `io::Error` hides what it wraps from `source`, and may wrap
/// another of its kind.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => tls_error(wrapped),
        None => error.source().and_then(tls_error),
    }
}

/// RFC 8446, 6.2: the alerts with which a server refuses a client's certificate.
fn refuses_us(alert: rustls::AlertDescription) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|source| OpenError::Read { path: path.into(), source })
}
