//! Signing in with a code, and what the prefecture finds.

use super::demo::Demo;
use renkei_bridge::demo::people::PASSWORD;

#[test]
fn an_operator_signs_in_with_password_and_code() {
    let Some((demo, browser)) = Demo::start() else { return };
    browser.open("/messages");
    assert!(browser.path().starts_with("/login"), "{}", browser.path());
    browser.fill("#name", "unyou");
    browser.fill("#password", "not the password");
    browser.click("main button[type=submit]");
    browser.fill("#code", "1234567");
    browser.click("main button[type=submit]");
    browser.wait("document.querySelector('[role=alert]') !== null");
    assert!(browser.text("return document.title").starts_with("エラー："));
    assert_eq!(browser.text("return document.querySelector('#name').value"), "unyou", "the name is kept");
    assert_eq!(browser.text("return document.querySelector('#password').value"), "", "the password is not");
    browser.quiet_but(422);

    browser.fill("#password", PASSWORD);
    browser.click("main button[type=submit]");
    browser.wait("document.querySelector('#demo-code') !== null");
    let code = browser.text_of("#demo-code");
    browser.fill("#code", &format!(" {} {} ", &code[..3], &code[3..]));
    browser.click("main button[type=submit]");
    browser.wait("location.pathname === '/messages'");
    assert!(browser.text_of("header .who").contains("見本 運平"));
    // Nothing that a script could take with it.
    assert_eq!(browser.text("return document.cookie"), "");
    // Neither is what was typed in an address that the browser remembers.
    let entries = browser.devtools("Page.getNavigationHistory", serde_json::json!({}));
    assert!(!entries.to_string().contains(&code) && !entries.to_string().contains("mihon"), "{entries}");
    browser.quiet();
    drop(demo);
}

#[test]
fn the_prefecture_reads_participation_and_finds_nothing_else() {
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    browser.open("/messages?kind=OML-11");
    let real = browser.text("return document.querySelector('main tbody a').getAttribute('href')");
    demo.sign_in(&browser, "ken");
    browser.open("/");
    browser.wait("location.pathname === '/participation'");
    assert_eq!(browser.text_of("h1"), "参加状況");
    for (id, of) in [("participation", "3 / 78"), ("registered", "/ 3")] {
        let card = browser.text_of(&format!("#card-{id}"));
        assert!(card.contains(of), "{id}: {card}");
    }
    let menu = browser
        .script("return [...document.querySelectorAll('nav.side a')].map((a) => a.getAttribute('href'))");
    let menu: Vec<String> = serde_json::from_value(menu).unwrap();
    assert!(menu.contains(&"/participation".to_owned()) && menu.len() >= 2, "{menu:?}");
    for link in &menu {
        browser.open(link);
        assert_ne!(browser.text_of("h1"), "見つかりません", "{link} is a dead link");
        browser.quiet();
    }
    let mut pages = Vec::new();
    for path in [real.as_str(), "/messages/1319999991-nonsense", "/messages", "/nonsense"] {
        browser.open(path);
        pages.push(browser.text(
            "for (const e of document.querySelectorAll('time, input[type=hidden]')) e.remove(); \
             for (const a of document.querySelectorAll('.lang a')) a.removeAttribute('href'); \
             return document.documentElement.outerHTML",
        ));
        assert_eq!(browser.text_of("h1"), "見つかりません", "{path}");
        browser.quiet_but(404);
    }
    assert!(pages.windows(2).all(|two| two[0] == two[1]), "a real address looks unlike nonsense");
}
