//! The accept loop of the rehearsal base: limits on everything a client may take, and the faults.

use super::Shared;
use super::fault::Fault;
use super::journal;
use super::routes::{self, Asking};
use super::rules::Refusal;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Largest body taken. A unit of a whole inpatient stay is a few MiB.
const BODY_MAX_BYTES: usize = 64 << 20;

/// A client has this long for the head of a request, and as long between two of them.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A client has this long for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections served at once. A forwarder has `concurrency` of them per facility.
const CONNECTIONS_MAX: usize = 1_024;

/// Between two tries to get the port back after `away`.
const BIND_RETRY: Duration = Duration::from_millis(50);

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("connection dropped on purpose")]
struct Dropped;

/// Serves until shutdown; while the faults say `away`, the port is closed and so are all connections.
pub(super) async fn accept_loop(
    listener: TcpListener,
    addr: SocketAddr,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let mut faults = shared.faults.subscribe();
    let mut listening = Some(listener);
    loop {
        if let Some(listener) = listening.take() {
            let connections = shutdown.child_token();
            tokio::select! {
                () = shutdown.cancelled() => {}
                _ = faults.wait_for(|faults| faults.away) => {}
                () = accept(listener, &shared, &connections) => {}
            }
            connections.cancel();
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = faults.wait_for(|faults| !faults.away) => {}
        }
        match TcpListener::bind(addr).await {
            Ok(listener) => listening = Some(listener),
            Err(_) => tokio::time::sleep(BIND_RETRY).await,
        }
    }
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>, connections: &CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: leave time for some to be given back.
            tokio::time::sleep(BIND_RETRY).await;
            continue;
        };
        let (shared, closed) = (Arc::clone(shared), connections.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = serve(stream, shared) => {}
            }
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Nagle's delay would be measured as ours.
    let _ = stream.set_nodelay(true);
    match shared.tls.clone() {
        None => serve_http(stream, shared).await,
        Some(tls) => {
            let handshake = tokio_rustls::TlsAcceptor::from(tls).accept(stream);
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, handshake).await {
                serve_http(stream, shared).await;
            }
        }
    }
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, request).await }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if served.is_err() {
        tracing::trace!("Rehearsal connection ended early.");
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let writes = matches!(head.method.as_str(), "POST" | "PUT" | "DELETE" | "PATCH");
    let body = match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Ok(refused(
                &Refusal::new(413, "too-long", "the body is larger than this base takes"),
                None,
            ));
        }
        Ok(Err(_)) | Err(_) => return Err(Dropped),
    };
    let fault = if writes { shared.draw() } else { None };
    let (delay, retry_after) = {
        let faults = shared.faults.borrow();
        (faults.delay, faults.retry_after.clone())
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let path = head.uri.path().trim_start_matches('/');
    let path =
        path.strip_prefix("fhir").filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let path = path.trim_matches('/');
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let scheme = if shared.tls.is_some() { "https" } else { "http" };
    let asking = Asking {
        method: head.method.as_str(),
        path,
        query: url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        content_type: text(CONTENT_TYPE).unwrap_or_default(),
        body: &body,
        base: &format!("{scheme}://{}/fhir", text(HOST).unwrap_or_default()),
    };
    let answer = commit(shared, &asking, fault, retry_after.as_deref());
    shared.asked.send_modify(|asked| *asked += 1);
    match answer {
        Some(answer) => Ok(answer),
        None if fault == Some(Fault::Hang) => std::future::pending().await,
        None => Err(Dropped),
    }
}

/// Plans, writes down, commits and answers, under the lock. `None`: no answer is given.
fn commit(
    shared: &Shared,
    asking: &Asking<'_>,
    fault: Option<Fault>,
    retry_after: Option<&str>,
) -> Option<Response<Full<Bytes>>> {
    let mut kept = shared.kept();
    let kept = &mut *kept;
    let planned = routes::plan(asking, &kept.content, shared.loose_references);
    let (standing, commits, answered) = match (fault, &planned) {
        (Some(Fault::Status(status)), _) => (Some(status), false, true),
        (Some(Fault::DropBeforeCommit | Fault::Hang), _) => (None, false, false),
        (Some(Fault::DropAfterCommit), Ok(_)) => (None, true, false),
        (Some(Fault::DropAfterCommit), Err(_)) => (None, false, false),
        (Some(Fault::Garbled | Fault::None) | None, Ok(_)) => (None, true, true),
        (Some(Fault::Garbled | Fault::None) | None, Err(_)) => (None, false, true),
    };
    let changes = planned.as_ref().map_or(&[][..], |planned| &planned.changes);
    let path = format!("/{}", asking.path);
    let status = match (standing, &planned) {
        (Some(status), _) => status,
        (None, Ok(planned)) if commits => planned.status,
        (None, Err(refusal)) if answered => refusal.status,
        _ => 0,
    };
    let committed = commits && !changes.is_empty();
    let line = journal::Request { method: asking.method, path: &path, status, committed, answered, changes };
    if kept.journal.append(&line).is_err() {
        return Some(refused(&Refusal::new(500, "exception", "the journal cannot be written"), None));
    }
    // Only once the journal has the line.
    let mut done = Vec::new();
    if commits {
        done.extend(changes.iter().map(|change| kept.content.commit(change)));
    }
    if !answered {
        return None;
    }
    if let Some(status) = standing {
        let retry_after = retry_after.filter(|_| matches!(status, 429 | 503));
        let code = match status {
            401 | 403 => "login",
            429 => "throttled",
            500.. => "transient",
            _ => "invalid",
        };
        return Some(refused(&Refusal::new(status, code, "fault of the rehearsal"), retry_after));
    }
    Some(match planned {
        Ok(_) if fault == Some(Fault::Garbled) => response(200, "text/html", b"<html>OK</html>".to_vec()),
        Ok(planned) => {
            let (status, body) = routes::reply(planned, &done);
            response(status, FHIR_JSON, body.map(|body| body.to_string().into_bytes()).unwrap_or_default())
        }
        Err(refusal) => refused(&refusal, None),
    })
}

const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

fn refused(refusal: &Refusal, retry_after: Option<&str>) -> Response<Full<Bytes>> {
    let mut answer = response(refusal.status, FHIR_JSON, refusal.outcome().to_string().into_bytes());
    if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
        answer.headers_mut().insert(RETRY_AFTER, value);
    }
    answer
}

fn response(status: u16, media: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}
