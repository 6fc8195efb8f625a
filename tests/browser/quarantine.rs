//! 保留 by hand: a cause opened, tried, released.

use super::driver::Browser;
use crate::console::site::AOBA;
use crate::console::ward::{NAME, TAKEN, Ward, lab};
use renkei_bridge::console::rights::Role;
use serde_json::json;

#[test]
fn a_held_message_is_tried_and_released() {
    let ward = Ward::start();
    for n in 0..3 {
        ward.receive(AOBA, &format!("C{n}"), &lab(&format!("C{n}"), &format!("O{n}"), NAME, ""), 9_000 - n);
    }
    ward.receive(AOBA, "good", &lab("good", "OG", NAME, TAKEN), 0);
    let Some(browser) = Browser::start(&format!("http://{}", ward.site.address)) else { return };
    let session = ward.site.session(&[Role::Operator]);
    browser.devtools(
        "Network.setCookie",
        json!({ "name": "session", "value": session, "url": browser.base, "httpOnly": true }),
    );
    browser.open("/");
    assert_eq!(browser.text_of("#sum-quarantined"), "3");
    browser.click("main tr[data-cause=collection-time-missing] a");
    browser.wait("location.pathname.startsWith('/quarantine/')");
    assert_eq!(browser.text_of(".causes [aria-current] .cnt"), "3");
    assert!(browser.text_of(".howto").contains("lab-observation"));

    // Nothing passes before the rule is mended.
    let trial = "main .sel-bar a[href$='?try=1']";
    browser.click(trial);
    browser.wait("document.querySelector('#trial-tried') !== null");
    let figures = |browser: &Browser| {
        ["tried", "passed", "held"].map(|name| browser.text_of(&format!("#trial-{name}")))
    };
    assert_eq!(figures(&browser), ["3", "0", "3"]);
    ward.mend("lab-observation.toml", "from = \"OBX-14\"", "from = \"MSH-7\"");
    browser.click(trial);
    browser.wait("document.querySelector('#trial-passed')?.innerText === '3'");
    assert_eq!(figures(&browser), ["3", "3", "0"]);

    // One is taken out of the choice by the keyboard; the page that asks begins on やめる.
    browser.script("document.querySelector('main tbody input[type=checkbox]').focus()");
    browser.press(" ");
    browser.click("main .sel-bar button:not(.dan)");
    browser.wait("document.querySelector('#act-count') !== null");
    assert_eq!(browser.text_of("#act-count"), "2");
    assert_eq!(browser.text("return document.activeElement.innerText"), "やめる");
    browser.press("\u{e004}\u{e007}");
    browser.wait("location.search.includes('done=released')");
    assert!(browser.text_of("main [role=status]").contains('2'));
    ward.work(AOBA);
    browser.open("/quarantine");
    browser.click(".causes a");
    assert_eq!(browser.text_of(".causes .cnt"), "1");

    // The rest at once, and nothing is left.
    browser.click("main .sel-bar a[href$='/release?all=1']");
    browser.wait("document.querySelector('#act-count') !== null");
    browser.click("main form button[type=submit]");
    browser.wait("location.search.includes('done=released')");
    ward.work(AOBA);
    browser.open("/quarantine");
    assert_eq!(browser.count(".causes a"), 0);
    assert!(browser.text_of("main").contains("保留はありません"));
    browser.open("/");
    assert_eq!(browser.text_of("#sum-quarantined"), "0");
    browser.quiet();
}
