//! A message found by its patient, a value followed to its source and back, a patient shown and hidden.

use super::demo::Demo;
use super::driver::Browser;
use serde_json::json;

/// A patient of the hospital that sends over MLLP, as somebody types the number, and as it stands in the message.
const TYPED: &str = "１０００１１";
const PATIENT: &str = "0000100011";

/// Searches for the patient and opens a message of that kind.
fn find(browser: &Browser, kind: &str) {
    browser.open("/messages");
    browser.fill("#q", TYPED);
    browser.click("form[role=search] button[type=submit]");
    browser.wait("document.querySelector('main tbody') !== null");
    assert!(!browser.path().contains(TYPED) && !browser.path().contains("100011"), "{}", browser.path());
    let found = browser.script_with(
        "const row = [...document.querySelectorAll('main tbody tr')].find((tr) => tr.innerText.includes(arguments[0])); \
         row?.querySelector('a').click(); return row?.innerText ?? ''",
        vec![kind.into()],
    );
    let found = found.as_str().unwrap_or_default();
    assert!(found.contains("##########") && !found.contains(PATIENT), "{found}");
    browser.wait("location.pathname.startsWith('/messages/') && document.readyState === 'complete'");
}

#[test]
fn a_message_is_found_by_the_patient_and_its_values_lead_to_and_fro() {
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    find(&browser, "OML-11");
    assert!(browser.text_of("h1").starts_with("OML-11"));
    // A value of FHIR that comes from the last result of the message, far down on the other side.
    let chosen = browser.text(
        "const rows = [...document.querySelectorAll('#p-fhir tr')].filter((tr) => tr.querySelector('button.v') && \
         tr.innerText.includes('OBX')); const row = rows.at(-1); row.querySelector('button.v').focus(); \
         return row.id",
    );
    let there = "[...document.querySelectorAll('#p-tree .v.on')]";
    browser.wait(&format!("{there}.length > 0"));
    let position = browser.text(&format!("return {there}[0].closest('tr').cells[0].innerText"));
    assert!(position.starts_with("OBX"), "{position}");
    browser.wait(&format!("document.querySelector('#bar').innerText.includes('{position}')"));
    assert!(browser.count("#bar mark") >= 3, "source, result and place in the original are marked");
    let texts = |of: &str| -> Vec<String> {
        serde_json::from_value(browser.script(&format!("return [...{of}].map((e) => e.innerText)"))).unwrap()
    };
    let links = texts(&format!("document.getElementById('{chosen}').cells[2].querySelectorAll('a')"));
    let marked = texts(&format!("{there}.map((v) => v.closest('tr').cells[0])"));
    assert!(
        marked.iter().all(|place| links.contains(place)),
        "{marked:?} is marked, the row names {links:?}"
    );
    let centred = browser.text(
        "const pane = document.querySelector('#p-tree'), row = pane.querySelector('tr.on'), p = pane.getBoundingClientRect(), \
         r = row.getBoundingClientRect(), off = Math.abs((r.top + r.bottom - p.top - p.bottom) / 2), \
         end = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 1; \
         return r.top >= p.top && r.bottom <= p.bottom && (off < p.height / 4 || end) ? 'yes' : `${off} of ${p.height}`",
    );
    assert_eq!(centred, "yes");

    // The arrow goes to the value above, and the bar follows.
    let before = browser.text_of("#bar");
    browser.press("\u{e013}");
    let now = browser.text("return document.activeElement.closest('tr').id");
    assert_ne!(now, chosen);
    assert!(
        browser.script("return document.activeElement.matches('#p-fhir button.v.on')").as_bool().unwrap()
    );
    browser.press("\u{e015}");
    assert_eq!(browser.text("return document.activeElement.closest('tr').id"), chosen);
    browser.wait(&format!("document.querySelector('#bar').innerText.trim() === {}", json!(before)));

    // The other way: from the message to what became of it.
    browser.script(
        "[...document.querySelectorAll('#p-tree button.v')].find((b) => \
         /^OBX(\\[\\d+\\])?-5/.test(b.closest('tr').cells[0].innerText)).focus()",
    );
    browser.wait("/OBX(\\[\\d+\\])?-5/.test(document.querySelector('#bar').innerText)");
    let made = browser.script("return [...document.querySelectorAll('#p-fhir .v.on')].map((b) => b.closest('tr').cells[0].innerText)");
    assert!(made.to_string().contains("value"), "{made}");

    // Tabs by arrows, Home and End.
    browser.script("document.querySelector('[role=tab]').focus()");
    browser.press("\u{e014}");
    assert_eq!(browser.text("return document.activeElement.getAttribute('aria-controls')"), "p-raw");
    assert!(browser.script("return document.querySelector('#p-tree').hidden").as_bool().unwrap());
    browser.press("\u{e011}");
    assert_eq!(browser.text("return document.activeElement.getAttribute('aria-controls')"), "p-tree");
    browser.quiet();
}

#[test]
fn a_patient_is_shown_with_a_reason_and_the_back_button_shows_the_mask() {
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    find(&browser, "ADT-00");
    let shown = |browser: &Browser| {
        browser.script_with(
            "return document.documentElement.innerHTML.includes(arguments[0])",
            vec![PATIENT.into()],
        ) == json!(true)
    };
    assert!(!shown(&browser));
    browser.click("#reveal summary");
    // Without a reason nothing is shown.
    browser.click("#reveal button[type=submit]");
    browser.wait("document.querySelector('#why-x') !== null");
    assert!(!shown(&browser) && browser.text("return document.title").len() > 5);
    browser.quiet_but(422);
    browser.click("#reveal input[value=inquiry]");
    browser.click("#reveal button[type=submit]");
    browser.wait("document.querySelector('#open') !== null");
    assert!(shown(&browser));
    let left = browser.text_of("[data-left]");
    assert!(left.starts_with("14:") || left == "15:00", "{left}");
    browser.wait(&format!("document.querySelector('[data-left]').innerText !== '{left}'"));
    browser.click("#open button");
    browser.wait("document.querySelector('#open') === null && document.querySelector('#reveal') !== null");
    assert!(!shown(&browser));
    for _ in 0..2 {
        browser.back();
        browser.wait("document.readyState === 'complete'");
        assert!(!shown(&browser), "Back shows the patient at {}", browser.path());
    }
    browser.quiet_but(422);
}
