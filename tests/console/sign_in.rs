//! Signing in: the same words and work whatever was wrong, a wait that grows, codes that work once, sessions that
//! end, forms that survive it.

use super::site::{self, LONGEST_WAIT_MS, Site, first_page, second_page, sign_in};
use crate::support::{self, Appliance};
use renkei_bridge::console::password;
use renkei_bridge::console::people::{self, Wanted};
use renkei_bridge::console::rights::Role;
use renkei_bridge::store::{NewUser, Users};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const PASSWORD: &str = "correct horse battery";
const MINUTE_MS: i64 = 60_000;

/// A page without what differs from one request to the next.
fn plain(page: &str, name: &str) -> String {
    let mut parts = page.split("name=\"csrf\" value=\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('"').map_or("", |(_, rest)| rest));
    }
    let time = out.find("<time").map_or(0..0, |start| start..out.find("</time>").unwrap_or(start));
    out.replace_range(time, "");
    out.replace(name, "NAME")
}

fn verifications(address: SocketAddr) -> u64 {
    let text = site::get(address, "/metrics", "").text();
    let line = text.lines().find(|line| line.starts_with("renkei_console_password_verifications_total "));
    line.and_then(|line| line.split(' ').nth(1)).map_or(0, |count| count.parse().unwrap())
}

/// In a process of its own, because the work is counted over a whole process.
#[test]
fn whatever_is_wrong_looks_the_same_and_costs_one_verification() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path(), "http://127.0.0.1:9/fhir", "whole");
    let address: SocketAddr = appliance.console().replace("http://", "").parse().unwrap();
    let users = Users::open(&folder.path().join("data")).unwrap();
    let secret = password::random::<20>();
    for name in ["right-password", "wrong-password", "stopped-user"] {
        let new = NewUser { name: name.into(), password: password::hash(PASSWORD), ..NewUser::default() };
        users.add(&new, 0).unwrap();
        let id = users.credentials(name).unwrap().unwrap().user.id;
        users.set_totp(id, Some(&secret)).unwrap();
    }
    let id = users.credentials("stopped-user").unwrap().unwrap().user.id;
    users.set_stopped(id, true).unwrap();
    let mut pages = Vec::new();
    for (name, given) in [
        ("right-password", PASSWORD),
        ("wrong-password", "something else"),
        ("unknown-person", PASSWORD),
        ("stopped-user", PASSWORD),
    ] {
        let before = verifications(address);
        // Seven digits: never the code of any moment.
        let reply = sign_in(address, name, given, "1234567");
        assert_eq!(verifications(address) - before, 1, "{name}");
        pages.push((name, reply.status, plain(&reply.text(), name)));
    }
    let (_, status, page) = pages[0].clone();
    assert_eq!(status, 422);
    assert!(page.contains("利用者名、パスワード、認証コードのどれかが違います"), "{page}");
    for (name, other_status, other) in pages {
        assert_eq!((other_status, &other), (status, &page), "{name}");
        assert!(other.contains("value=\"NAME\""), "{name}: the user name is kept");
        assert!(!other.contains(PASSWORD) && !other.contains("something else"), "{name}");
    }
    let audit = support::get_as(&format!("{}/api/v1/status", appliance.console()), &appliance.cookie);
    assert!(audit.is_some(), "the appliance goes on");
}

#[test]
fn ten_failures_make_it_slower_and_the_eleventh_right_one_works() {
    let site = Site::start();
    let secret = site.enrolled("sato", PASSWORD, &[Role::Operator]);
    for _ in 0..10 {
        assert_eq!(sign_in(site.address, "sato", "wrong", "000000").status, 422);
    }
    let right = sign_in(site.address, "sato", PASSWORD, &password::current(&secret, site.now_ms()));
    assert_eq!((right.status, right.location()), (303, "/"));
    assert!(LONGEST_WAIT_MS.load(Ordering::Relaxed) >= 30_000);
    let audited = site.audited();
    let rows =
        |action: &str| audited.iter().filter(|(who, what, _, _)| who == "sato" && what == action).count();
    assert_eq!((rows("sign-in-failed"), rows("sign-in")), (10, 1), "{audited:?}");
    assert!(!format!("{audited:?}").contains("wrong"), "no password in the audit trail");
    let cookie = right.headers("set-cookie").find(|cookie| cookie.starts_with("session=")).unwrap();
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(site.get("/", &right.cookie("session").unwrap()).status, 200);
}

#[test]
fn a_name_that_is_nobody_s_is_written_nowhere() {
    let site = Site::start();
    assert_eq!(sign_in(site.address, "yamada-hanako", "x", "000000").status, 422);
    let failed: Vec<_> = site.audited();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0.as_str(), failed[0].1.as_str()), ("-", "sign-in-failed"));
}

#[test]
fn a_code_is_good_for_its_step_and_the_two_beside_it_and_only_once() {
    let site = Site::start();
    let secret = site.enrolled("sato", PASSWORD, &[Role::Viewer]);
    let try_code =
        |at_ms: i64| sign_in(site.address, "sato", PASSWORD, &password::current(&secret, at_ms)).status;
    let now = site.now_ms();
    assert_eq!(try_code(now - 60_000), 422, "two steps ago");
    assert_eq!(try_code(now + 60_000), 422, "two steps ahead");
    assert_eq!(try_code(now - 30_000), 303, "one step ago");
    assert_eq!(try_code(now - 30_000), 422, "used");
    assert_eq!(try_code(now), 303);
    assert_eq!(try_code(now), 422, "used");
    assert_eq!(try_code(now - 30_000), 422, "older than one that was used");
    assert_eq!(try_code(now + 30_000), 303, "one step ahead");
}

#[test]
fn a_code_cannot_be_tried_twice_on_one_password() {
    let site = Site::start();
    let secret = site.enrolled("sato", PASSWORD, &[Role::Viewer]);
    let (door, _) = first_page(site.address, "sato", PASSWORD, "/");
    let page = site::get(site.address, "/login/totp", &door);
    let csrf = page.field("csrf");
    let code = password::current(&secret, site.now_ms());
    let wrong = site::post(site.address, "/login/totp", &door, &[("csrf", &csrf), ("code", "1234567")]);
    assert_eq!(wrong.status, 422);
    let right = site::post(site.address, "/login/totp", &door, &[("csrf", &csrf), ("code", &code)]);
    assert_eq!((right.status, right.location()), (303, "/login"), "the password is asked again");
    assert!(right.cookie("session").is_none());
}

#[test]
fn the_first_sign_in_sets_up_password_and_second_factor() {
    let site = Site::start();
    let wanted = Wanted {
        name: "sato".into(),
        display: "見本 佐藤".into(),
        roles: vec![Role::Administrator],
        facilities: None,
    };
    let paper = people::invite(site.state.store.users(), &wanted, site.now_ms()).unwrap().unwrap();
    // As somebody types it from paper.
    let typed = paper.to_uppercase().replace('-', " ");
    let (door, reply) = first_page(site.address, "sato", &typed, "/users");
    assert_eq!((reply.status, reply.location()), (303, "/login/enroll"));
    let page = site::get(site.address, "/login/enroll", &door);
    let text = page.text();
    assert!(text.contains("<svg class=\"qr\"") && text.contains("autocomplete=\"new-password\""), "{text}");
    let letters = text.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap();
    let secret = totp_rs::Secret::try_from_base32(letters).unwrap().as_bytes().to_vec();
    assert_eq!(secret.len(), 20);
    let code = password::current(&secret, site.now_ms());
    let csrf = page.field("csrf");
    let send = |chosen: &str, again: &str, code: &str| {
        let form = [("csrf", csrf.as_str()), ("password", chosen), ("again", again), ("code", code)];
        site::post(site.address, "/login/enroll", &door, &form)
    };
    for (chosen, again, code, said) in [
        ("short", "short", code.as_str(), "12文字以上にして"),
        (PASSWORD, "another one", code.as_str(), "2つのパスワードが違います"),
        (PASSWORD, PASSWORD, "1234567", "認証コードが違います"),
    ] {
        let reply = send(chosen, again, code);
        assert_eq!(reply.status, 422, "{said}");
        assert!(reply.text().contains(said), "{}", reply.text());
        assert!(!reply.text().contains(PASSWORD), "the password is not shown again");
    }
    let done = send(PASSWORD, PASSWORD, &code);
    assert_eq!(done.status, 200);
    let shown = done.text();
    let list = shown.split("<ol class=\"codes mono\">").nth(1).unwrap().split("</ol>").next().unwrap();
    let codes: Vec<&str> = list.split("<li>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(codes.len(), 10);
    assert!(shown.contains("href=\"/users\""), "it leads where the person was going");
    let session = done.cookie("session").unwrap();
    assert_eq!(site.get("/users", &session).status, 200);
    // The code of the enrolment is used, the paper is void, a recovery code works once.
    assert_eq!(sign_in(site.address, "sato", PASSWORD, &code).status, 422);
    let (_, void) = first_page(site.address, "sato", &paper, "/");
    assert_eq!(void.location(), "/login/totp", "a wrong password is not told from a right one");
    assert_eq!(sign_in(site.address, "sato", PASSWORD, codes[3]).status, 303);
    assert_eq!(sign_in(site.address, "sato", PASSWORD, codes[3]).status, 422);
    assert_eq!(site.state.store.users().credentials("sato").unwrap().unwrap().recovery_left, 9);
}

#[test]
fn a_paper_is_good_for_a_week() {
    let site = Site::start();
    let wanted =
        Wanted { name: "sato".into(), display: "x".into(), roles: vec![Role::Viewer], facilities: None };
    let paper = people::invite(site.state.store.users(), &wanted, site.now_ms()).unwrap().unwrap();
    site.later(password::INVITATION_MS);
    assert_eq!(first_page(site.address, "sato", &paper, "/").1.location(), "/login/enroll");
    site.later(1);
    assert_eq!(first_page(site.address, "sato", &paper, "/").1.location(), "/login/totp");
}

#[test]
fn fields_can_be_filled_by_machines_and_a_wrong_clock_is_said() {
    let right = Site::start();
    let (door, _) = first_page(right.address, "sato", "x", "/");
    let pages = |site: &Site, door: &str| {
        (site.get_with("/login", door).text(), site.get_with("/login/totp", door).text())
    };
    let (first, second) = pages(&right, &door);
    assert!(
        first.contains("autocomplete=\"username\"") && first.contains("autocomplete=\"current-password\"")
    );
    assert!(second.contains("autocomplete=\"one-time-code\"") && second.contains("inputmode=\"numeric\""));
    assert!(!first.contains("時計") && !second.contains("時計"), "nothing is said where nothing is known");
    for (off_ms, said) in [(120_000, true), (-31_000, true), (30_000, false)] {
        let site = Site::start_with(|state| state.clock_offset_ms = Arc::new(move || Some(off_ms)));
        let (door, _) = first_page(site.address, "sato", "x", "/");
        let (first, second) = pages(&site, &door);
        assert_eq!(first.contains("この装置の時計がずれています"), said, "{off_ms}");
        assert_eq!(second.contains("この装置の時計がずれています"), said, "{off_ms}");
        assert_eq!(first.contains(&format!(" {} 秒", off_ms / 1_000)), said, "{off_ms}");
    }
}

#[test]
fn only_the_demonstration_shows_the_code() {
    for demo in [true, false] {
        let site = Site::start_with(|state| state.demo = demo);
        let secret = site.enrolled("sato", PASSWORD, &[Role::Viewer]);
        let (door, _) = first_page(site.address, "sato", PASSWORD, "/");
        let page = site.get_with("/login/totp", &door).text();
        assert_eq!(page.contains(&password::current(&secret, site.now_ms())), demo, "{page}");
        assert_eq!(page.contains("実演のため"), demo);
    }
}

#[test]
fn a_session_ends_after_half_an_hour_and_its_form_is_shown_again() {
    let site = Site::start();
    let secret = site.enrolled("sato", PASSWORD, &[Role::Administrator]);
    let first = sign_in(site.address, "sato", PASSWORD, &password::current(&secret, site.now_ms()));
    let session = first.cookie("session").unwrap();
    let page = site.get("/", &session).text();
    assert!(page.contains("data-warn=\"1680\" data-end=\"1800\""), "{page}");
    site.later(29 * MINUTE_MS);
    assert_eq!(site.get("/", &session).status, 200, "it counts from the last that was done");
    site.later(29 * MINUTE_MS);
    let poll = format!("GET / HTTP/1.0\r\nCookie: session={session}\r\nX-Requested-By: poll\r\n\r\n");
    assert_eq!(site.ask(poll.as_bytes()).status, 200, "a page that fetches itself does nothing");
    site.later(MINUTE_MS);
    let form = [("name", "yamada"), ("display", "見本 山田"), ("role", "viewer"), ("once", "k")];
    let late = site.post("/users", &session, &form);
    assert_eq!((late.status, late.location()), (303, "/login?next=%2Fusers"));
    assert_eq!(site.get("/", &session).location(), "/login");
    assert_eq!(site.state.store.users().list().unwrap().len(), 1, "nothing was done");
    // Signed in again, what was typed is shown and can be sent.
    let (door, _) = first_page(site.address, "sato", PASSWORD, "/users");
    let back = second_page(site.address, &door, &password::current(&secret, site.now_ms()));
    assert_eq!((back.status, back.location()), (303, "/login/again"));
    let session = back.cookie("session").unwrap();
    let again = site.get("/login/again", &session);
    assert!(again.text().contains("action=\"/users\""), "{}", again.text());
    assert_eq!((again.field("display").as_str(), again.field("role").as_str()), ("見本 山田", "viewer"));
    let (display, once) = (again.field("display"), again.field("once"));
    let sent = site.post(
        "/users",
        &session,
        &[("name", "yamada"), ("display", &display), ("role", "viewer"), ("once", &once)],
    );
    assert_eq!(sent.status, 200);
    assert_eq!(site.state.store.users().list().unwrap().len(), 2);
    assert_eq!(site.get("/login/again", &session).location(), "/", "it is shown once");
}

#[test]
fn somebody_else_s_late_form_is_not_kept() {
    let site = Site::start();
    site.enrolled("sato", PASSWORD, &[Role::Administrator]);
    let session = site.session_of("sato", &[], None);
    site.later(31 * MINUTE_MS);
    // Without the csrf value nobody knows whose form it is.
    let forged = site.post_with("/users", &format!("session={session}"), &[("name", "evil"), ("csrf", "x")]);
    assert_eq!(forged.status, 303);
    let fresh = site.session_of("sato", &[], None);
    assert_eq!(site.get("/login/again", &fresh).location(), "/");
}

#[test]
fn a_form_without_or_with_a_stale_csrf_value_is_refused_and_kept() {
    let site = Site::start();
    let session = site.session(&[Role::Administrator]);
    let other = renkei_bridge::console::csrf(&site.session(&[Role::Administrator]));
    for csrf in [None, Some("nonsense"), Some(other.as_str())] {
        let mut form = vec![
            ("name", "yamada"),
            ("display", "見本 <b>山田</b>"),
            ("role", "viewer"),
            ("password", "s3cret-word"),
        ];
        form.extend(csrf.map(|csrf| ("csrf", csrf)));
        let reply = site.post_with("/users", &format!("session={session}"), &form);
        assert_eq!(reply.status, 403);
        let text = reply.text();
        assert!(text.contains("受け付けませんでした") && text.contains("実行しませんでした"), "{text}");
        assert!(text.contains("見本 &#60;b&#62;山田") && !text.contains("<b>山田"), "{text}");
        assert!(!text.contains("s3cret-word"), "a password is not shown again: {text}");
        assert_eq!(site.state.store.users().list().unwrap().len(), 1, "{csrf:?}");
    }
}

#[test]
fn a_form_sent_twice_has_one_effect() {
    let site = Site::start();
    site.person("yamada", &[Role::Viewer], None);
    let session = site.session(&[Role::Administrator]);
    for _ in 0..2 {
        let reply = site.post("/users/yamada/stop", &session, &[("once", "one")]);
        assert_eq!((reply.status, reply.location()), (303, "/users/yamada?said=said.users.stopped"));
    }
    let stops = || site.audited().iter().filter(|(_, action, _, _)| action == "user-stopped").count();
    assert_eq!(stops(), 1);
    site.post("/users/yamada/stop", &session, &[("once", "two")]);
    assert_eq!(stops(), 2);
    // Another form of the same page is another form.
    assert_eq!(site.post("/users/yamada/start", &session, &[("once", "two")]).status, 303);
    assert!(!site.state.store.users().credentials("yamada").unwrap().unwrap().user.stopped);
}

#[test]
fn signing_out_ends_the_session() {
    let site = Site::start();
    let session = site.session(&[Role::Viewer]);
    let out = site.post("/logout", &session, &[]);
    assert_eq!((out.status, out.location()), (303, "/login"));
    assert_eq!(out.cookie("session").as_deref(), Some(""));
    assert_eq!(site.get("/", &session).status, 303);
}
