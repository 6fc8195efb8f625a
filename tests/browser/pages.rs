//! Every page in both languages on three screens: nothing scrolls sideways, the browser complains of nothing, nothing
//! comes from elsewhere.

use super::demo::Demo;
use super::driver::Browser;

/// Pages of [`places`].
pub const PLACES: usize = 19;

/// Every page: a name, who looks at it, its address. The first person is signed in already.
pub fn places(demo: &Demo, browser: &Browser) -> Vec<(&'static str, &'static str, String)> {
    let first = |page: &str, css: &str| {
        browser.open(page);
        let found = browser.script_with(
            "return document.querySelector(arguments[0])?.getAttribute('href')",
            vec![css.into()],
        );
        found.as_str().unwrap_or_else(|| panic!("{page} has no {css}")).to_owned()
    };
    let message = first("/messages?kind=OML-11", "main tbody a");
    let held = first("/messages?state=quarantined", "main tbody a");
    let cause = first("/quarantine", ".causes a");
    let facility = first("/facilities", "main tbody tr[data-facility='1319999993'] a");
    let list = check_page(demo, browser, &facility);
    let mut all = vec![
        ("status", "unyou", "/".to_owned()),
        ("facilities", "unyou", "/facilities".into()),
        ("facility", "unyou", facility),
        ("consent-check", "unyou", list),
        ("messages", "unyou", "/messages".into()),
        ("messages-result", "unyou", "/messages?kind=OML-11".into()),
        ("message", "unyou", message),
        ("message-held", "unyou", held),
        ("quarantine", "unyou", "/quarantine".into()),
        ("quarantine-cause", "unyou", format!("{cause}?try=1")),
        ("quarantine-release", "unyou", format!("{cause}/release?all=1")),
        ("mappings", "unyou", "/mappings".into()),
        ("mapping", "unyou", "/mappings/lab-observation".into()),
        ("mapping-table", "unyou", "/mappings/tables/administrative-gender".into()),
        ("participation", "unyou", "/participation".into()),
        ("definitions", "unyou", "/participation/definitions".into()),
        ("me", "unyou", "/me".into()),
        ("not-found", "unyou", "/nothing".into()),
        ("system", "unyou", "/system".into()),
    ];
    assert_eq!(all.len(), PLACES);
    all.extend([
        ("audit", "kanri", "/audit?verify=1".to_owned()),
        ("users", "kanri", "/users".into()),
        ("user", "kanri", "/users/unyou".into()),
        ("participation-ken", "ken", "/participation".into()),
    ]);
    all
}

/// A list typed into the form of a facility: the address of the page that asks to confirm it.
fn check_page(_: &Demo, browser: &Browser, facility: &str) -> String {
    browser.open(facility);
    browser.fill("textarea", "患者ID,開始日,終了日\n12345,2026-04-01,\n12346,2026-04-01,2027-03-31\n");
    browser.click("form[action$='/consent'] button[type=submit]");
    browser.wait("document.querySelector('#rows') !== null");
    browser.path()
}

#[test]
fn every_page_fits_every_screen_and_keeps_to_itself() {
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    browser.quiet();
    let mut who = "unyou";
    let mut wrong = Vec::new();
    for (name, person, path) in places(&demo, &browser) {
        if who != person {
            demo.sign_in(&browser, person);
            who = person;
        }
        for language in ["ja", "en"] {
            browser.open(&format!("{path}{}lang={language}", if path.contains('?') { '&' } else { '?' }));
            assert_eq!(browser.text("return document.documentElement.lang"), language, "{path}");
            for (width, height) in [(1440, 900), (720, 450), (390, 844)] {
                browser.screen((width, height), 1.0);
                let over = browser.overhang();
                if over > 0 {
                    wrong.push(format!(
                        "{name} {language} {width}: {over} px wider than the screen: {}",
                        widest(&browser)
                    ));
                }
            }
            let elsewhere = browser.script(
                "return performance.getEntriesByType('resource').filter((e) => !e.name.startsWith(location.origin + '/') \
                 || e.responseStatus >= 400).map((e) => e.name + ' ' + e.responseStatus)",
            );
            if elsewhere != serde_json::json!([]) {
                wrong.push(format!("{name} {language} asks for {elsewhere}"));
            }
            if name == "not-found" {
                browser.quiet_but(404);
            } else {
                wrong.extend(browser.complaints().iter().map(|said| format!("{name} {language}: {said}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first elements that reach beyond the screen.
fn widest(browser: &Browser) -> String {
    browser.text(
        "const w = document.documentElement.clientWidth; return [...document.querySelectorAll('body *')].filter((e) => \
         e.getBoundingClientRect().right > w + 1 && !e.closest('.tw, .pane')).slice(0, 4).map((e) => e.tagName + '.' + e.className \
         + ' ' + (e.innerText ?? '').slice(0, 40)).join(' | ')",
    )
}
