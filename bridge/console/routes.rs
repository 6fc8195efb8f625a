//! The addresses of the console and what each answers.

use super::page::{Frame, NotFoundPage, Now, StatusPage};
use super::{ConsoleState, view};
use askama::Template;
use renkei_translate::finding::Language;
use rust_embed::RustEmbed;
use std::collections::HashMap;
use std::sync::Arc;
use tracing::error;
use warp::http::{Response, StatusCode, header};
use warp::{Filter, Rejection, Reply};

#[derive(RustEmbed)]
#[folder = "web/assets"]
struct Assets;

type Answer = Response<Vec<u8>>;

/// Everything the console answers. Only GET and HEAD; anything else is not found.
pub(super) fn routes(
    state: Arc<ConsoleState>,
) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    let with = warp::any().map(move || state.clone());
    let read = warp::get().or(warp::head()).unify();
    let page = read
        .and(warp::path::end())
        .and(with.clone())
        .and(warp::query::<HashMap<String, String>>())
        .and(warp::header::optional::<String>("cookie"))
        .then(status_page);
    let api = read
        .and(warp::path!("api" / "v1" / "status"))
        .and(with.clone())
        .then(|state: Arc<ConsoleState>| async move { status_json(state).await });
    let health = read.and(warp::path!("healthz")).map(|| plain(StatusCode::OK, "ok\n".to_owned()));
    let ready = read.and(warp::path!("readyz")).and(with.clone()).then(ready);
    let metrics = read
        .and(warp::path!("metrics"))
        .and(with.clone())
        .map(|state: Arc<ConsoleState>| plain(StatusCode::OK, (state.metrics)()));
    let assets = read.and(warp::path!("assets" / String)).and_then(asset);
    let missing = with
        .and(warp::query::<HashMap<String, String>>().or(warp::any().map(HashMap::new)).unify())
        .and(warp::header::optional::<String>("cookie"))
        .map(not_found);
    page.or(api)
        .unify()
        .or(health)
        .unify()
        .or(ready)
        .unify()
        .or(metrics)
        .unify()
        .or(assets)
        .unify()
        .or(missing)
        .unify()
}

fn answer(status: StatusCode, kind: &str, body: Vec<u8>) -> Answer {
    let builder = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, kind)
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        )
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::CACHE_CONTROL, "no-store");
    builder.body(body).expect("constant headers are valid")
}

fn plain(status: StatusCode, text: String) -> Answer {
    answer(status, "text/plain; charset=utf-8", text.into_bytes())
}

fn html(status: StatusCode, page: &impl Template, language: Option<Language>) -> Answer {
    match page.render() {
        Ok(text) => {
            let mut made = answer(status, "text/html; charset=utf-8", text.into_bytes());
            if let Some(language) = language {
                let cookie = match language {
                    Language::Ja => "lang=ja; Path=/; HttpOnly; SameSite=Strict",
                    Language::En => "lang=en; Path=/; HttpOnly; SameSite=Strict",
                };
                made.headers_mut().insert(header::SET_COOKIE, header::HeaderValue::from_static(cookie));
            }
            made
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered\n".to_owned()),
    }
}

/// The language asked for in the address, and the one to use.
fn language(query: &HashMap<String, String>, cookie: Option<&str>) -> (Option<Language>, Language) {
    let named = |name: &str| match name {
        "ja" => Some(Language::Ja),
        "en" => Some(Language::En),
        _ => None,
    };
    let asked = query.get("lang").and_then(|name| named(name));
    let kept = cookie
        .into_iter()
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("lang=").and_then(named));
    (asked, asked.or(kept).unwrap_or(Language::Ja))
}

fn frame(state: &ConsoleState, query: &HashMap<String, String>, language: Language, now_ms: i64) -> Frame {
    let refresh_s =
        if query.get("refresh").is_some_and(|value| value == "off") { 0 } else { state.refresh_s };
    Frame {
        language,
        network: state.network.clone(),
        demo: state.demo,
        refresh_s,
        at: "/",
        now: Now::new(now_ms),
    }
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Gathers on a thread that may wait for the disk.
async fn gather(state: Arc<ConsoleState>) -> Option<view::Overview> {
    match tokio::task::spawn_blocking(move || view::overview(&state, now_ms())).await {
        Ok(Ok(view)) => Some(view),
        Ok(Err(failure)) => {
            error!(error = %failure, "The store could not be read for the status page.");
            None
        }
        Err(_) => None,
    }
}

async fn status_page(
    state: Arc<ConsoleState>,
    query: HashMap<String, String>,
    cookie: Option<String>,
) -> Answer {
    let (asked, language) = language(&query, cookie.as_deref());
    let Some(view) = gather(state.clone()).await else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "保存領域を読めません。受信した原文は残っています。\nThe store cannot be read. What was received is kept.\n".to_owned(),
        );
    };
    let frame = frame(&state, &query, language, view.now_ms);
    html(StatusCode::OK, &StatusPage { frame, view }, asked)
}

async fn status_json(state: Arc<ConsoleState>) -> Answer {
    match gather(state).await.map(|view| serde_json::to_vec(&view)) {
        Some(Ok(body)) => answer(StatusCode::OK, "application/json", body),
        _ => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "application/json",
            b"{\"error\":\"store-unreadable\"}".to_vec(),
        ),
    }
}

/// Ready: every facility's store answers and takes input, and every feed works.
async fn ready(state: Arc<ConsoleState>) -> Answer {
    match gather(state).await.map(|view| view::unready(&view)) {
        Some(None) => plain(StatusCode::OK, "ready\n".to_owned()),
        Some(Some(word)) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{word}\n")),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "store-unreadable\n".to_owned()),
    }
}

async fn asset(name: String) -> Result<Answer, Rejection> {
    let file = Assets::get(&name).ok_or_else(warp::reject::not_found)?;
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Ok(answer(StatusCode::OK, kind, file.data.into_owned()))
}

fn not_found(state: Arc<ConsoleState>, query: HashMap<String, String>, cookie: Option<String>) -> Answer {
    let (asked, language) = language(&query, cookie.as_deref());
    let mut frame = frame(&state, &query, language, now_ms());
    frame.at = "";
    frame.refresh_s = 0;
    html(StatusCode::NOT_FOUND, &NotFoundPage { frame }, asked)
}

#[cfg(test)]
mod tests {
    use super::language;
    use renkei_translate::finding::Language;
    use std::collections::HashMap;

    #[test]
    fn the_address_goes_before_the_cookie_and_japanese_is_the_default() {
        let query = |value: &str| HashMap::from([("lang".to_owned(), value.to_owned())]);
        assert_eq!(language(&HashMap::new(), None), (None, Language::Ja));
        assert_eq!(language(&HashMap::new(), Some("a=b; lang=en")), (None, Language::En));
        assert_eq!(language(&query("ja"), Some("lang=en")), (Some(Language::Ja), Language::Ja));
        assert_eq!(language(&query("xx"), Some("lang=en")), (None, Language::En));
    }
}
