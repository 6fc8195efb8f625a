//! Patients whose names are meant to do harm: shown they are text, on every page and in what is exported.

use super::demo::Demo;
use crate::console::ward::{TAKEN, lab};

/// What the last patient's name is made of, as often.
const LONG: (&str, usize) = ("龍", 400);

#[test]
fn a_name_is_text_whatever_it_says() {
    let names = [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>".into(),
        "=HYPERLINK(\"x\")".into(),
        "\u{202e}txt.exe".into(),
        "{{7*7}}'; DROP TABLE message; --".into(),
        LONG.0.repeat(LONG.1),
    ];
    let Some((demo, browser)) = Demo::start() else { return };
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    for (n, name) in names.iter().enumerate() {
        demo.send(&lab(&format!("HOSTILE{n}"), &format!("H{n}"), &format!("{name}^花子^^^^^L^I"), TAKEN));
    }
    browser.open("/messages");
    browser.fill("#q", "77665500");
    browser.click("form[role=search] button[type=submit]");
    let rows = format!("document.querySelectorAll('main tbody a').length === {}", names.len());
    let mut tries = 0;
    while browser.script(&format!("return {rows}")) != serde_json::json!(true) {
        tries += 1;
        assert!(tries < 100, "the messages are not found: {}", browser.text_of("main"));
        std::thread::sleep(std::time::Duration::from_millis(200));
        browser.open(&browser.path());
    }
    let found = browser
        .script("return [...document.querySelectorAll('main tbody a')].map((a) => a.getAttribute('href'))");
    let mut found: Vec<String> = serde_json::from_value(found).unwrap();
    found.sort();
    for (address, name) in found.iter().zip(&names) {
        browser.open(address);
        assert!(
            !browser.text("return document.documentElement.outerHTML").contains(&**name),
            "{name} before"
        );
        browser.click("#reveal summary");
        browser.click("#reveal input[value=inquiry]");
        browser.fill("#note", "=HYPERLINK(\"http://x\")");
        browser.click("#reveal button[type=submit]");
        browser.wait("document.querySelector('#open') !== null");
        for pane in ["#p-tree", "#p-raw", "#p-fhir", "#p-json"] {
            let text = browser
                .script_with("return document.querySelector(arguments[0]).textContent", vec![pane.into()]);
            // In JSON a quotation mark is escaped.
            let text = text.as_str().unwrap().replace("\\\"", "\"");
            let shown = name.replace('\u{202e}', "⟦U+202E⟧");
            assert!(text.contains(&shown), "{pane} has no {name}");
        }
        assert_eq!(browser.count("main script, main img, main iframe, main [onerror]"), 0, "{name}");
        for size in [(1440, 900), (390, 844)] {
            browser.screen(size, 1.0);
            assert!(browser.overhang() <= 0, "{name}: {} at {size:?}", browser.overhang());
        }
        browser.quiet();
    }
    for path in ["/", "/quarantine", "/mappings", "/facilities/1319999991"] {
        browser.open(path);
        assert_eq!(browser.count("main script, main img"), 0, "{path}");
        browser.quiet();
    }
    // What somebody wrote as a note is in the export, and no cell of it is a formula.
    demo.sign_in(&browser, "kanri");
    browser.open("/audit");
    let export = browser.script(
        "const form = document.querySelector('form[action=\"/audit/export\"]'); \
         return fetch(form.getAttribute('action'), { method: 'POST', body: new URLSearchParams(new FormData(form)) }).then((r) => r.text())",
    );
    let export = export.as_str().unwrap().trim_start_matches('\u{feff}');
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(export.as_bytes());
    let cells: Vec<String> =
        reader.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(cells.iter().any(|cell| cell.contains("HYPERLINK")), "{export}");
    let formula = cells.iter().find(|cell| cell.starts_with(['=', '+', '-', '@']));
    assert_eq!(formula, None);
}
