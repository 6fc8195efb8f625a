//! Pictures of every page, to be looked at by a person:
//! `RENKEI_PICTURES_TO=folder cargo test --test suite browser::pictures`.

use super::demo::Demo;
use super::driver::Browser;
use super::pages::{PLACES, places};
use serde_json::json;
use std::path::Path;

/// Screens: CSS pixels and how many pixels each is wide. The last is 1440 by 900 at 200 %.
const SCREENS: [(&str, (u32, u32), f64); 3] =
    [("1440", (1440, 900), 1.0), ("390", (390, 844), 1.0), ("zoom200", (720, 450), 2.0)];

#[test]
fn are_taken_where_they_are_wanted() {
    let Some(folder) = std::env::var_os("RENKEI_PICTURES_TO") else { return };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let Some((demo, browser)) = Demo::start() else { return };
    browser.open("/login");
    shoot(&browser, folder, "login");
    browser.fill("#name", "unyou");
    browser.fill("#password", "x");
    browser.click("main button[type=submit]");
    shoot(&browser, folder, "totp");
    browser.fill("#code", "1234567");
    browser.click("main button[type=submit]");
    shoot(&browser, folder, "login-refused");
    demo.sign_in(&browser, "unyou");
    demo.settled(&browser);
    let mut who = "unyou";
    for (name, person, path) in places(&demo, &browser) {
        if who != person {
            demo.sign_in(&browser, person);
            who = person;
        }
        browser.open(&path);
        shoot(&browser, folder, name);
        if matches!(name, "status" | "message" | "participation" | "quarantine-cause" | "facility") {
            browser.open(&format!("{path}{}lang=en", if path.contains('?') { '&' } else { '?' }));
            shoot_at(&browser, folder, &format!("{name}-en"), &SCREENS[0]);
            browser.open(&format!("{path}{}lang=ja", if path.contains('?') { '&' } else { '?' }));
            let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
            browser.devtools("Emulation.setEmulatedMedia", dark);
            shoot_at(&browser, folder, &format!("{name}-dark"), &SCREENS[0]);
            browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] }));
        }
    }
    assert!(std::fs::read_dir(folder).unwrap().count() >= SCREENS.len() * PLACES);
}

fn shoot(browser: &Browser, folder: &Path, name: &str) {
    for screen in &SCREENS {
        shoot_at(browser, folder, name, screen);
    }
}

/// The whole page, not only what a screen shows of it.
fn shoot_at(browser: &Browser, folder: &Path, name: &str, (word, size, scale): &(&str, (u32, u32), f64)) {
    browser.screen(*size, *scale);
    let height = browser.script("return document.documentElement.scrollHeight").as_u64().unwrap().min(6_000);
    // A screen as high as the page: what lies beyond a screen is not always drawn.
    let height = u32::try_from(height).unwrap().max(size.1);
    browser.screen((size.0, height), *scale);
    let picture = browser.devtools("Page.captureScreenshot", json!({}));
    let file = folder.join(format!("{name}-{word}.png"));
    std::fs::write(file, decoded(picture["data"].as_str().unwrap())).unwrap();
}

/// Base64 as DevTools write it.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = LETTERS.iter().position(|known| *known == letter).expect("base64");
        bits = (bits << 6) | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    bytes
}
