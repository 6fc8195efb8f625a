//! From a request to its answer: what is open to all, the session, the table of rights, the csrf value, the handler.

use super::answer::{Answer, Failure};
use super::body::{self, Form, Unread};
use super::door::{Door, Late};
use super::page::{AgainPage, FailurePage, Frame, NotFoundPage, Person};
use super::request::{Request, Settings, SignedIn, Values};
use super::rights::{self, Method, PREFECTURE_HOME, Role};
use super::{ConsoleState, login, view};
use crate::store::Session;
use renkei_translate::finding::Language;
use renkei_translate::identity::sha256_hex;
use rust_embed::RustEmbed;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, warn};
use warp::http::{HeaderMap, Response, StatusCode, header};
use warp::{Buf, Filter, Stream};

/// The cookie of a session.
pub(super) const SESSION: &str = "session";
/// A session ends when nothing was done for so long.
pub const IDLE_MS: i64 = 30 * 60_000;
/// People are warned when nothing was done for so long.
pub const WARN_MS: i64 = 28 * 60_000;
/// Doing something is written down no more often than this: each is a commit to the disk.
const TOUCH_MS: i64 = 30_000;
/// Fields of a form that are never kept or shown again.
const SECRET_FIELDS: [&str; 6] = ["csrf", "once", "current", "password", "again", "code"];
/// A form must have arrived within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(RustEmbed)]
#[folder = "web/assets"]
struct Assets;

/// The console at work.
pub(super) struct Console {
    pub state: Arc<ConsoleState>,
    pub door: Door,
    /// Passwords checked at once: each takes 19 MiB and a core.
    pub hashing: tokio::sync::Semaphore,
}

/// Passwords checked at once.
const HASHING: usize = 2;

/// What is known of a request before anybody looks who asks.
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    pub query: Values,
    pub cookies: Vec<(String, String)>,
    /// The language asked for in the address.
    pub wanted: Option<Language>,
    pub language: Language,
    pub peer: IpAddr,
    /// A page that fetches itself again is nobody doing anything.
    pub by_itself: bool,
    pub now_ms: i64,
}

impl Asked {
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Everything the console answers to one peer.
pub(super) fn filter(
    console: Arc<Console>,
    peer: IpAddr,
) -> impl Filter<Extract = (Response<Vec<u8>>,), Error = Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method: warp::http::Method, path: warp::path::FullPath, query: String, headers, body| {
            let console = console.clone();
            async move {
                let asked = console.asked(path.as_str(), &query, &headers, peer);
                let kind =
                    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
                let wanted = asked.wanted;
                let mut answer = match method {
                    warp::http::Method::GET | warp::http::Method::HEAD => console.get(asked).await,
                    warp::http::Method::POST => console.post(asked, kind, body).await,
                    _ => Answer::plain(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, POST\n"),
                };
                if let Some(language) = wanted {
                    answer = answer.cookie("lang", if language == Language::Ja { "ja" } else { "en" });
                }
                answer.into_response()
            }
        })
        .recover(|_: warp::Rejection| async {
            Ok::<_, Infallible>(Answer::plain(StatusCode::BAD_REQUEST, "bad request\n").into_response())
        })
        .unify()
}

/// Where the answer to the request is not decided yet.
enum Who {
    /// Signed in and doing something.
    Here(SignedIn),
    /// Signed in once; nothing was done for too long.
    Late(SignedIn),
    Nobody,
}

impl Console {
    pub fn new(state: Arc<ConsoleState>) -> Self {
        Self { state, door: Door::new(), hashing: tokio::sync::Semaphore::new(HASHING) }
    }

    fn asked(&self, path: &str, query: &str, headers: &HeaderMap, peer: IpAddr) -> Asked {
        let query = Values::parse(query.as_bytes());
        let cookies: Vec<(String, String)> = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let kept = cookies.iter().find(|(key, _)| key == "lang").map(|(_, value)| value.as_str());
        let (wanted, language) = language(query.get("lang"), kept);
        Asked {
            method: Method::Get,
            path: path.to_owned(),
            query,
            wanted,
            language,
            peer,
            by_itself: headers.get("x-requested-by").is_some_and(|by| by == "poll"),
            now_ms: (self.state.now_ms)(),
            cookies,
        }
    }

    async fn get(self: &Arc<Self>, asked: Asked) -> Answer {
        match asked.path.as_str() {
            "/healthz" => return Answer::plain(StatusCode::OK, "ok\n"),
            "/readyz" => return self.ready(asked.now_ms).await,
            "/metrics" => return Answer::plain(StatusCode::OK, &(self.state.metrics)()),
            path => {
                if let Some(asset) = path.strip_prefix("/assets/").and_then(asset) {
                    return asset;
                }
            }
        }
        if login::is_its(&asked.path) {
            return login::answer(self.clone(), asked, Values::default()).await;
        }
        self.page(asked, Form::default()).await
    }

    async fn post<B: Buf>(
        self: &Arc<Self>,
        asked: Asked,
        kind: &str,
        body: impl Stream<Item = Result<B, warp::Error>>,
    ) -> Answer {
        let asked = Asked { method: Method::Post, ..asked };
        let read = tokio::time::timeout(BODY_TIMEOUT, body::read(kind, body)).await;
        let form = match read.unwrap_or(Err(Unread::Broken)) {
            Ok(form) => form,
            Err(unread) => return self.unread(asked, unread).await,
        };
        if login::is_its(&asked.path) {
            return login::answer(self.clone(), asked, form.values).await;
        }
        self.page(asked, form).await
    }

    /// A form that was too large or broken: said inside the frame to people who are signed in.
    async fn unread(self: &Arc<Self>, asked: Asked, unread: Unread) -> Answer {
        let (status, title, text) = match unread {
            Unread::TooLarge => (413, "toolarge.title", "toolarge.text"),
            Unread::Broken => (400, "broken.title", "broken.text"),
        };
        let mut frame = self.frame(&asked, title);
        if let Ok(Who::Here(user)) = self.who(&asked).await {
            frame = frame.with_person(Person::of(&user));
        }
        rendered(Answer::page(&FailurePage { frame, text, number: None })).status(status)
    }

    /// A page of the table.
    async fn page(self: &Arc<Self>, asked: Asked, form: Form) -> Answer {
        match self.who(&asked).await {
            Ok(Who::Here(user)) => self.answer(asked, form, user).await,
            Ok(Who::Late(user)) => {
                self.keep(&asked, &form, &user);
                to_login(&asked)
            }
            Ok(Who::Nobody) => to_login(&asked),
            Err(failure) => self.failed(&asked, None, &failure),
        }
    }

    async fn answer(self: &Arc<Self>, asked: Asked, form: Form, user: SignedIn) -> Answer {
        if asked.path == login::AGAIN {
            return self.again(&asked, &user);
        }
        let Some((route, params)) = rights::find(asked.method, &asked.path) else {
            return self.not_found(&asked, &user);
        };
        if !user.is(route.allow) {
            if asked.method == Method::Get && asked.path == "/" && user.is(&[Role::Prefecture]) {
                return Answer::see_other(PREFECTURE_HOME);
            }
            return self.not_found(&asked, &user);
        }
        let posted = asked.method == Method::Post;
        if posted && !same(form.values.get("csrf").unwrap_or_default(), &user.csrf) {
            return self.refused(&asked, &form, &user);
        }
        // The same form with the same content, sent twice: forms of one page share the key.
        let once = form.values.get("once").filter(|once| posted && !once.is_empty());
        let once = once
            .map(|once| sha256_hex(format!("{once} {} {}", asked.path, form.values.encoded()).as_bytes()));
        if let Some(once) = &once
            && let Err(location) = self.door.claim(user.id, once, nearest(&asked.path), asked.now_ms)
        {
            return Answer::see_other(location);
        }
        let request = Request {
            state: self.state.clone(),
            user: user.clone(),
            params,
            query: asked.query.clone(),
            form: form.values,
            files: form.files,
            language: asked.language,
            now_ms: asked.now_ms,
        };
        let handler = route.answer;
        let answered = tokio::task::spawn_blocking(move || handler(&request)).await;
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(Failure::NotFound)) => self.not_found(&asked, &user),
            Ok(Err(failure)) => self.failed(&asked, Some(&user), &failure),
            Err(_) => self.failed(&asked, Some(&user), &Failure::Internal("the handler has panicked")),
        };
        if let Some(once) = &once {
            self.door.led(user.id, once, answer.location(), asked.now_ms);
        }
        answer
    }

    /// Who shows the cookie of a session.
    async fn who(self: &Arc<Self>, asked: &Asked) -> Result<Who, Failure> {
        let Some(token) = asked.cookie(SESSION).map(str::to_owned) else { return Ok(Who::Nobody) };
        let (console, now_ms, by_itself) = (self.clone(), asked.now_ms, asked.by_itself);
        let found = tokio::task::spawn_blocking(move || {
            let users = console.state.store.users();
            let Some(session) = users.session(&token)? else { return Ok(Who::Nobody) };
            let idle_ms = now_ms - session.seen_ms;
            let user = signed_in(session, token);
            if idle_ms >= IDLE_MS {
                return Ok(Who::Late(user));
            }
            if !by_itself && idle_ms >= TOUCH_MS {
                users.touch(&user.token, now_ms)?;
            }
            Ok(Who::Here(user))
        });
        found.await.unwrap_or(Err(Failure::Internal("the session could not be read")))
    }

    /// Keeps a form that came after the session had ended, where it is surely the person's own.
    fn keep(&self, asked: &Asked, form: &Form, user: &SignedIn) {
        let known = rights::find(asked.method, &asked.path).is_some_and(|(route, _)| user.is(route.allow));
        let own = same(form.values.get("csrf").unwrap_or_default(), &user.csrf);
        if asked.method == Method::Post && known && own && form.files.is_empty() && asked.path != "/logout" {
            let late = Late { user: user.id, action: asked.path.clone(), fields: harmless(&form.values) };
            self.door.keep(late, asked.now_ms);
        }
    }

    /// The form that came too late, to be sent again by hand.
    fn again(&self, asked: &Asked, user: &SignedIn) -> Answer {
        let Some(late) = self.door.kept(user.id, asked.now_ms) else { return Answer::see_other("/") };
        let frame = self.frame(asked, "again.title").with_person(Person::of(user));
        rendered(Answer::page(&AgainPage {
            frame,
            text: "again.late",
            action: late.action,
            fields: late.fields,
        }))
    }

    /// A form without the csrf value of the session: refused, with everything in it kept.
    fn refused(&self, asked: &Asked, form: &Form, user: &SignedIn) -> Answer {
        let frame = self.frame(asked, "again.refused.title").with_person(Person::of(user));
        let (text, action, fields) = ("again.refused", asked.path.clone(), harmless(&form.values));
        rendered(Answer::page(&AgainPage { frame, text, action, fields })).status(403)
    }

    pub fn frame(&self, asked: &Asked, title: &'static str) -> Frame {
        Frame::new(&self.state, asked.language, asked.now_ms, "", title).with_query(&asked.query)
    }

    fn not_found(&self, asked: &Asked, user: &SignedIn) -> Answer {
        let frame = self.frame(asked, "notfound.title").with_person(Person::of(user));
        rendered(Answer::page(&NotFoundPage { frame })).status(404)
    }

    /// Our fault: logged under a number, which is all that the page says of it.
    pub fn failed(&self, asked: &Asked, user: Option<&SignedIn>, failure: &Failure) -> Answer {
        let number = format!("{:08}", rand::random::<u32>() % 100_000_000);
        error!(number, error = %failure, "A page could not be answered.");
        let mut frame = self.frame(asked, "failure.title");
        if let Some(user) = user {
            frame = frame.with_person(Person::of(user));
        }
        let page = FailurePage { frame, text: "failure.text", number: Some(number) };
        rendered(Answer::page(&page)).status(500)
    }

    /// Ready: the store answers and takes input.
    async fn ready(&self, now_ms: i64) -> Answer {
        let state = self.state.clone();
        let looked = tokio::task::spawn_blocking(move || {
            view::overview(&state, now_ms, |_| true).map(|v| view::unready(&v))
        });
        match looked.await {
            Ok(Ok(None)) => Answer::plain(StatusCode::OK, "ready\n"),
            Ok(Ok(Some(word))) => Answer::plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{word}\n")),
            Ok(Err(problem)) => {
                warn!(error = %problem, "The store cannot be read.");
                Answer::plain(StatusCode::SERVICE_UNAVAILABLE, "store-unreadable\n")
            }
            Err(_) => Answer::plain(StatusCode::SERVICE_UNAVAILABLE, "store-unreadable\n"),
        }
    }
}

/// The session's person; a role that this version does not know gives no right.
fn signed_in(session: Session, token: String) -> SignedIn {
    let user = session.user;
    SignedIn {
        id: user.id,
        name: user.name,
        display: user.display,
        roles: Role::ALL
            .into_iter()
            .filter(|role| user.roles.iter().any(|word| word == role.word()))
            .collect(),
        facilities: user.facilities,
        csrf: csrf(&token),
        settings: Settings::read(&user.settings),
        token,
    }
}

/// What every form of a session carries: says nothing of the token.
pub fn csrf(token: &str) -> String {
    sha256_hex(format!("renkei-bridge csrf {token}").as_bytes())
}

/// Compares without telling by time how much is alike.
pub(super) fn same(a: &str, b: &str) -> bool {
    let differs = a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
    a.len() == b.len() && differs == 0 && !a.is_empty()
}

/// A form without the fields that are never kept.
fn harmless(values: &Values) -> Values {
    let kept = values.0.iter().filter(|(name, _)| !SECRET_FIELDS.contains(&name.as_str()));
    Values(kept.cloned().collect())
}

/// A rendered page, or the bare words that it could not be rendered.
pub(super) fn rendered(answer: Result<Answer, Failure>) -> Answer {
    answer.unwrap_or_else(|_| {
        Answer::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ページを作れません。\nThe page could not be made.\n",
        )
    })
}

/// To the sign-in, and from there to the page that was asked for.
fn to_login(asked: &Asked) -> Answer {
    let page = match asked.method {
        Method::Get if asked.query.0.is_empty() => asked.path.clone(),
        Method::Get => format!("{}?{}", asked.path, asked.query.encoded()),
        Method::Post => nearest(&asked.path).to_owned(),
    };
    if page == "/" {
        return Answer::see_other("/login");
    }
    Answer::see_other(format!("/login?{}", Values(vec![("next".into(), page)]).encoded()))
}

/// The page of a form: its own address, or the nearest above it that can be looked at.
fn nearest(path: &str) -> &str {
    let mut path = path;
    loop {
        if path.is_empty() {
            return "/";
        }
        if rights::find(Method::Get, path).is_some() {
            return path;
        }
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
}

/// The language asked for in the address, and the one to use.
fn language(asked: Option<&str>, kept: Option<&str>) -> (Option<Language>, Language) {
    let named = |name: &str| match name {
        "ja" => Some(Language::Ja),
        "en" => Some(Language::En),
        _ => None,
    };
    let asked = asked.and_then(named);
    (asked, asked.or(kept.and_then(named)).unwrap_or(Language::Ja))
}

fn asset(name: &str) -> Option<Answer> {
    let file = Assets::get(name)?;
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Some(Answer::asset(kind, file.data.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_goes_before_the_cookie_and_japanese_is_the_default() {
        assert_eq!(language(None, None), (None, Language::Ja));
        assert_eq!(language(None, Some("en")), (None, Language::En));
        assert_eq!(language(Some("ja"), Some("en")), (Some(Language::Ja), Language::Ja));
        assert_eq!(language(Some("xx"), Some("en")), (None, Language::En));
    }

    #[test]
    fn nothing_is_the_same_as_nothing() {
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab") && !same("", ""));
    }

    #[test]
    fn secrets_of_a_form_are_not_kept() {
        let form = Values::parse(b"csrf=1&once=2&password=3&again=4&code=5&reason=6");
        assert_eq!(harmless(&form), Values::parse(b"reason=6"));
    }

    #[test]
    fn a_form_without_a_page_of_its_own_leads_to_the_nearest_above() {
        assert_eq!(nearest("/logout"), "/");
        assert_eq!(nearest("/"), "/");
        assert_eq!(nearest("/nowhere/at/all"), "/");
    }
}
