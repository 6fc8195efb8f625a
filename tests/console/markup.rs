//! Headers, words and markup of every page in both languages, by a plain scan of the HTML as sent.

use super::site::{AOBA, Reply, Site, first_page};
use renkei_bridge::console::rights::{Method, ROUTES, Role};
use std::collections::BTreeSet;

const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A tag as written: name, attributes, whether it closes.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    closes: bool,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Tags and the texts between them.
fn scan(html: &str) -> (Vec<Tag>, Vec<String>) {
    let (mut tags, mut texts) = (Vec::new(), Vec::new());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        texts.push(rest[..start].to_owned());
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let inside = rest[start + 1..end].trim_end_matches('/');
        rest = &rest[end + 1..];
        let closes = inside.starts_with('/');
        let inside = inside.trim_start_matches('/');
        let name = inside.split(char::is_whitespace).next().unwrap_or_default().to_owned();
        let mut attributes = Vec::new();
        let mut left = inside[name.len()..].trim_start();
        while !left.is_empty() {
            let key: String = left.chars().take_while(|c| !c.is_whitespace() && *c != '=').collect();
            left = &left[key.len()..];
            let mut value = String::new();
            if let Some(quoted) = left.strip_prefix("=\"") {
                value = quoted.split('"').next().unwrap_or_default().to_owned();
                left = &quoted[value.len() + 1..];
            }
            attributes.push((key, value));
            left = left.trim_start();
        }
        tags.push(Tag { name, attributes, closes });
    }
    (tags, texts)
}

/// What is data on the pages of the test and may be Japanese on an English page.
const DATA: [&str; 6] = [
    "架空県 見本医療情報ネットワーク",
    "架空あおば病院",
    "架空みどり病院",
    "見本",
    "日本語",
    "保険医療機関番号",
];

fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}')
}

fn check(what: &str, reply: &Reply, english: bool) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{what}");
    }
    for cookie in reply.headers("set-cookie") {
        for flag in ["; Secure", "; HttpOnly", "; SameSite=Strict"] {
            assert!(cookie.contains(flag), "{what}: {cookie}");
        }
    }
    if !reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        return;
    }
    let html = reply.text();
    let (tags, texts) = scan(&html);
    let opened = |name: &'static str| tags.iter().filter(move |tag| tag.name == name && !tag.closes);
    assert_eq!(opened("html").next().unwrap().get("lang"), Some(if english { "en" } else { "ja" }), "{what}");
    assert_eq!((opened("h1").count(), opened("main").count()), (1, 1), "{what}");
    let mut ids = BTreeSet::new();
    for tag in tags.iter().filter(|tag| !tag.closes) {
        assert!(tag.get("style").is_none(), "{what}: {}", tag.name);
        assert!(!tag.attributes.iter().any(|(key, _)| key.starts_with("on")), "{what}: {}", tag.name);
        if let Some(id) = tag.get("id") {
            assert!(ids.insert(id.to_owned()), "{what}: id {id} twice");
        }
    }
    for tag in opened("script") {
        assert!(tag.get("src").is_some_and(|src| src.starts_with("/assets/")), "{what}");
    }
    assert_eq!(opened("style").count(), 0, "{what}");
    for tag in opened("th") {
        assert!(matches!(tag.get("scope"), Some("col" | "row")), "{what}: a th without scope");
    }
    assert_eq!(opened("table").count(), opened("caption").count(), "{what}: a table without a name");
    named(what, &tags, &ids);
    words(what, &tags, &texts, english);
}

/// Every control has a name; what points to an id finds it.
fn named(what: &str, tags: &[Tag], ids: &BTreeSet<String>) {
    let labels: BTreeSet<&str> =
        tags.iter().filter(|tag| tag.name == "label").filter_map(|tag| tag.get("for")).collect();
    let mut within = false;
    for tag in tags {
        match tag.name.as_str() {
            "label" => within = !tag.closes,
            "input" | "select" | "textarea" if !tag.closes && tag.get("type") != Some("hidden") => {
                let by_id = tag.get("id").is_some_and(|id| labels.contains(id));
                assert!(
                    within || by_id || tag.get("aria-label").is_some(),
                    "{what}: a control without a name"
                );
            }
            _ => {}
        }
        for key in ["for", "aria-labelledby", "aria-describedby", "aria-controls"] {
            for id in tag.get(key).into_iter().flat_map(str::split_whitespace) {
                assert!(ids.contains(id), "{what}: {key}={id} points nowhere");
            }
        }
        if let Some(id) = tag.get("href").and_then(|href| href.strip_prefix('#')) {
            assert!(ids.contains(id), "{what}: #{id} points nowhere");
        }
    }
}

/// No key stands where its words should, and no Japanese on an English page but data.
fn words(what: &str, tags: &[Tag], texts: &[String], english: bool) {
    let spoken = ["aria-label", "title", "alt", "placeholder"];
    let said = tags.iter().flat_map(|tag| spoken.iter().filter_map(|key| tag.get(key)));
    for text in said.chain(texts.iter().map(String::as_str)) {
        let text = text.trim();
        let parts: Vec<&str> = text.split('.').collect();
        let key = parts.len() > 1
            && parts.iter().all(|part| {
                part.starts_with(|c: char| c.is_ascii_lowercase())
                    && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            });
        assert!(!key, "{what}: {text} is a key without words");
        if english {
            let rest = DATA.iter().fold(text.to_owned(), |rest, data| rest.replace(data, ""));
            assert!(!rest.chars().any(is_japanese), "{what}: {text}");
        }
    }
}

#[test]
fn every_page_keeps_the_rules_in_both_languages() {
    let site = Site::start();
    site.person("somebody", &[Role::Viewer], Some(&[AOBA]));
    let session = site.session(&Role::ALL);
    for (language, english) in [("ja", false), ("en", true)] {
        let cookies = format!("session={session}; lang={language}");
        for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
            let path = route.path.replace("{code}", AOBA).replace("{name}", "somebody");
            let reply = site.get_with(&path, &cookies);
            if !path.contains('{') {
                assert_eq!(reply.status, 200, "{path}");
            }
            check(&format!("{path} {language}"), &reply, english);
        }
        // Every form that is sent empty, and every one with a mistake in it.
        for route in ROUTES.iter().filter(|route| route.method == Method::Post && route.path != "/logout") {
            let path = route.path.replace("{code}", AOBA).replace("{name}", "nobody-there");
            let csrf = renkei_bridge::console::csrf(&session);
            check(
                &format!("POST {path} {language}"),
                &site.post_with(&path, &cookies, &[("csrf", &csrf)]),
                english,
            );
            let refused = site.post_with(&path, &cookies, &[("reason", "x")]);
            assert_eq!(refused.status, 403, "{path}");
            check(&format!("refused {path} {language}"), &refused, english);
        }
        let missing = site.get_with("/nowhere", &cookies);
        assert_eq!(missing.status, 404);
        check(&format!("404 {language}"), &missing, english);
        let asked = site.get_with("/nowhere?lang=en&x=1", &cookies);
        assert_eq!(asked.cookie("lang").as_deref(), Some("en"));
        check("asked for English", &asked, true);
        let large = "a".repeat((2 << 20) + 1);
        let large = site.post_with("/me/settings", &cookies, &[("theme", &large)]);
        assert_eq!(large.status, 413);
        check(&format!("413 {language}"), &large, english);
    }
}

#[test]
fn the_door_keeps_the_rules_in_both_languages() {
    let site = Site::start_with(|state| state.clock_offset_ms = std::sync::Arc::new(|| Some(99_000)));
    let wanted = renkei_bridge::console::people::Wanted {
        name: "sato".into(),
        display: "x".into(),
        roles: vec![Role::Viewer],
        facilities: None,
    };
    let users = site.state.store.users();
    let paper = renkei_bridge::console::people::invite(users, &wanted, site.now_ms()).unwrap().unwrap();
    for (language, english) in [("ja", false), ("en", true)] {
        let lang = format!("lang={language}");
        check(&format!("login {language}"), &site.get_with("/login?next=%2Fme", &lang), english);
        let (door, _) = first_page(site.address, "sato", "wrong", "/");
        let cookies = format!("{door}; {lang}");
        let page = site.get_with("/login/totp", &cookies);
        check(&format!("totp {language}"), &page, english);
        let csrf = page.field("csrf");
        let failed = site.post_with("/login/totp", &cookies, &[("csrf", &csrf), ("code", "")]);
        assert_eq!(failed.status, 422);
        check(&format!("failed {language}"), &failed, english);
        check(&format!("stale {language}"), &site.post_with("/login", &cookies, &[("name", "x")]), english);
        let (door, _) = first_page(site.address, "sato", &paper, "/");
        let cookies = format!("{door}; {lang}");
        let page = site.get_with("/login/enroll", &cookies);
        check(&format!("enroll {language}"), &page, english);
        let csrf = page.field("csrf");
        let form = [("csrf", csrf.as_str()), ("password", "x")];
        check(&format!("unfit {language}"), &site.post_with("/login/enroll", &cookies, &form), english);
    }
}

#[test]
fn everything_else_carries_the_headers_too() {
    let site = Site::start();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/assets/console.css",
        "/assets/none",
        "/nowhere",
        "/api/v1/status",
    ] {
        check(path, &site.get_with(path, ""), false);
    }
    let session = site.session(&[Role::Viewer]);
    check("json", &site.get("/api/v1/status", &session), false);
    let put = site.ask(b"PUT / HTTP/1.0\r\n\r\n");
    assert_eq!(put.status, 405);
    check("PUT", &put, false);
}
