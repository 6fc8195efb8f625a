//! The keyboard alone: the skip link first, the focus always seen, nothing that holds it.

use super::demo::Demo;
use serde_json::Value;

const TAB: char = '\u{e004}';
const SHIFT: char = '\u{e008}';
/// More keys than this at once and the driver takes its time.
const MOST: usize = 400;

#[test]
fn tab_walks_every_page_in_reading_order_and_out_again() {
    let Some((demo, browser)) = Demo::start() else { return };
    browser.open("/login");
    browser.press(&TAB.to_string());
    assert!(browser.script("return document.activeElement.matches('.skip')").as_bool().unwrap());
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    browser.open("/quarantine");
    let cause = browser.text("return document.querySelector('.causes a').getAttribute('href')");
    for path in [
        "/?refresh=off",
        "/facilities/1319999993",
        "/messages?kind=OML-11",
        &cause,
        "/participation",
        "/me",
        "/audit",
    ] {
        browser.open(path);
        let all = browser.script(
            "window.seen = []; \
             window.all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')] \
               .filter((e) => e.checkVisibility() && !e.closest('dialog')); \
             document.addEventListener('focusin', (event) => { \
               const e = event.target, style = getComputedStyle(e), box = e.getBoundingClientRect(); \
               seen.push({ at: all.indexOf(e), what: e.tagName + ' ' + (e.innerText ?? '').slice(0, 30), \
                 seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== 'none', \
                 inside: box.bottom > 0 && box.top < innerHeight && box.width > 0 }); \
             }); return all.length",
        );
        let all = usize::try_from(all.as_u64().unwrap()).unwrap();
        assert!(all > 8 && all < MOST, "{path}: {all}");
        browser.press(&TAB.to_string().repeat(all + 2));
        let steps = browser.script("return seen");
        let steps: &Vec<Value> = steps.as_array().unwrap();
        assert!(steps[0]["what"].as_str().unwrap().contains("本文へ移動"), "{path}: {}", steps[0]);
        for step in steps {
            assert_eq!(
                (&step["seen"], &step["inside"]),
                (&Value::Bool(true), &Value::Bool(true)),
                "{path}: {step}"
            );
        }
        let order: Vec<i64> =
            steps.iter().map(|step| step["at"].as_i64().unwrap()).filter(|at| *at >= 0).collect();
        let round = order.iter().rposition(|at| *at == 0).filter(|at| *at > 0).unwrap_or(order.len());
        assert!(order[..round].is_sorted(), "{path}: not in reading order: {order:?}");
        assert!(
            order.contains(&(i64::try_from(all).unwrap() - 1)),
            "{path}: the last is never reached: {steps:?}"
        );
        // And back by Shift: one earlier each.
        browser.script("seen.length = 0; all[all.length - 1].focus(); seen.length = 0");
        browser.press_with(SHIFT, &TAB.to_string().repeat(3));
        let back = browser.script("return seen.map((step) => step.at)");
        let last = all - 1;
        assert_eq!(back, serde_json::json!([last - 1, last - 2, last - 3]), "{path}");
        covered(&browser, path);
        browser.quiet();
    }
    // The panes of a message scroll under a head that stays.
    browser.open("/messages?kind=OML-11");
    let message =
        browser.text("return document.querySelector('tbody th a, tbody td a').getAttribute('href')");
    for path in [message.as_str(), "/mappings/lab-report", "/mappings/lab-observation", "/system"] {
        browser.open(path);
        covered(&browser, path);
    }
    // The skip link does what it says.
    browser.open("/messages");
    browser.press(&format!("{TAB}\u{e007}"));
    browser.wait("document.activeElement.id === 'main' || location.hash === '#main'");
    browser.press(&TAB.to_string());
    assert!(browser.script("return document.activeElement.closest('main') !== null").as_bool().unwrap());
    // A slash goes to the search and is not typed into it; in it, it is a letter.
    browser.open("/messages");
    browser.press("/");
    assert_eq!(browser.text("return document.activeElement.id"), "q");
    browser.press("a/b");
    assert_eq!(browser.text("return document.querySelector('#q').value"), "a/b");
}

/// Nothing lies over what has the focus, on the way down and on the way up (WCAG 2.4.11).
fn covered(browser: &super::driver::Browser, path: &str) {
    let under = browser.script(
        "const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')] \
           .filter((e) => e.checkVisibility() && !e.closest('dialog')); \
         const covered = []; \
         for (const e of [...all, ...all.toReversed()]) { \
           e.focus(); \
           const box = e.getClientRects()[0]; \
           const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2); \
           if (top && !e.contains(top) && !top.contains(e)) covered.push(e.tagName + ' ' + (e.innerText ?? '').slice(0, 30)); \
         } \
         window.scrollTo(0, 0); return [all.length, covered]",
    );
    assert!(under[0].as_u64().unwrap() > 5, "{path}: {under}");
    assert_eq!(under[1], serde_json::json!([]), "{path}");
}

#[test]
fn a_session_that_is_about_to_end_goes_on_at_one_key() {
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    browser.open("/messages");
    browser.fill("#q", "typed before");
    assert_eq!(
        browser.text("return document.getElementById('idle').dataset.warn"),
        "1680",
        "after 28 minutes"
    );
    browser.script("document.getElementById('idle').dataset.warn = '0'");
    browser.wait("document.getElementById('idle').open");
    assert!(browser.script("return document.activeElement.closest('#idle') !== null").as_bool().unwrap());
    assert!(browser.text_of("#idle").contains("Enter"));
    browser.script("document.getElementById('idle').dataset.warn = '1680'");
    browser.press("\u{e007}");
    browser.wait("!document.getElementById('idle').open");
    assert_eq!(browser.text("return document.activeElement.id"), "q", "the focus returns");
    assert_eq!(browser.text("return document.querySelector('#q').value"), "typed before");
    browser.quiet();
}

#[test]
fn after_the_end_of_a_session_the_page_is_left_to_its_reader() {
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    browser.open("/messages");
    browser.script(
        "const form = document.querySelector('form[action=\"/logout\"]'); \
         return fetch('/logout', { method: 'POST', redirect: 'manual', body: new URLSearchParams(new FormData(form)) }).then(() => true)",
    );
    browser.script("const data = document.getElementById('idle').dataset; data.warn = '0'; data.end = '0'");
    browser.wait("document.getElementById('idle').open");
    assert_eq!(
        browser.text("return document.getElementById('idle-title').textContent"),
        "ログアウトしました"
    );
    browser.press("\u{e007}");
    browser.wait("!document.getElementById('idle').open");
    // It looked every five seconds.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(browser.script("return document.getElementById('idle').open"), Value::Bool(false));
}
