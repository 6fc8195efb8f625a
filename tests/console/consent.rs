//! The pages of facilities, and a consent list by the browser.

use super::site::{AOBA, MIDORI, Reply, START_MS, Site};
use renkei_bridge::console;
use renkei_bridge::console::rights::Role;
use renkei_bridge::store::{Share, Sharing, TestPatients, Withdrawal};

/// Sends a file as a browser does.
fn upload(site: &Site, session: &str, code: &str, file: &[u8]) -> Reply {
    let head = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{}\r\n--XX\r\n\
         Content-Disposition: form-data; name=\"list\"; filename=\"一覧.csv\"\r\nContent-Type: text/csv\r\n\r\n",
        console::csrf(session)
    );
    let body = [head.as_bytes(), file, b"\r\n--XX--\r\n"].concat();
    let request = format!(
        "POST /facilities/{code}/consent HTTP/1.0\r\nHost: test\r\nCookie: session={session}\r\n\
         Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    site.ask(&[request.as_bytes(), &body].concat())
}

/// The text of the element with that id.
fn by_id(page: &str, id: &str) -> String {
    let rest = page.split(&format!("id=\"{id}\">")).nth(1).unwrap_or_else(|| panic!("no {id} in {page}"));
    rest.split('<').next().unwrap().to_owned()
}

#[test]
fn a_list_is_looked_at_before_it_is_taken_in_and_says_nothing_of_a_patient() {
    let site = Site::start();
    let store = site.state.store.facility(AOBA).unwrap();
    let operator = site.session(&[Role::Operator]);
    let first =
        upload(&site, &operator, AOBA, "患者ID,開始日\r\n0009901,\r\n0009902,2027-01-01\r\n".as_bytes());
    assert_eq!(first.status, 303);
    let page = site.get(first.location(), &operator);
    assert_eq!((page.status, by_id(&page.text(), "added").as_str()), (200, "2"));
    assert_eq!(store.consent_rows().unwrap().len(), 0, "nothing is taken in yet");
    assert!(!page.text().contains("0009901"));
    // Nobody else may confirm it, nor for another facility.
    let other = site.session(&[Role::Administrator]);
    assert!(site.post(first.location(), &other, &[]).location().ends_with("?list=gone"));
    let elsewhere = first.location().replace(AOBA, MIDORI);
    assert!(site.post(&elsewhere, &operator, &[]).location().ends_with("?list=gone"));
    let stored = site.post(first.location(), &operator, &[]);
    assert_eq!((stored.status, stored.location()), (303, format!("/facilities/{AOBA}?list=stored").as_str()));
    assert_eq!(store.consent_rows().unwrap().len(), 2);
    let detail = site.get(stored.location(), &operator).text();
    assert_eq!((by_id(&detail, "consent-rows"), by_id(&detail, "consent-active")), ("2".into(), "1".into()));
    assert!(site.post(first.location(), &operator, &[]).location().ends_with("?list=gone"), "once only");
    let audited = site.audited();
    let imports: Vec<_> = audited.iter().filter(|(_, action, _, _)| action == "consent-import").collect();
    assert_eq!(imports.len(), 1);
    let (who, _, target, detail) = imports[0];
    assert_eq!((who.as_str(), target.as_str()), ("test-operator", AOBA));
    assert!(detail.contains("source=console sha256=") && detail.contains("added=2 removed=0"), "{detail}");
    assert!(!detail.contains("99"), "{detail}");
}

#[test]
fn a_wrong_list_is_shown_with_its_rows_and_changes_nothing() {
    let site = Site::start();
    let operator = site.session(&[Role::Operator]);
    let reply = upload(&site, &operator, AOBA, b"0009901,\n<script>x</script>,2026-13-01\n");
    let page = site.get_with(reply.location(), &format!("session={operator}; lang=en")).text();
    assert!(
        page.contains("line 2") && page.contains("consent-patient") && page.contains("<title>Error: "),
        "{page}"
    );
    assert!(!page.contains("<script>x") && !page.contains("0009901"), "{page}");
    assert_eq!(by_id(&page, "bad"), "1");
    let refused = site.post(reply.location(), &operator, &[]);
    assert!(refused.location().contains("/consent/"), "{}", refused.location());
    let store = site.state.store.facility(AOBA).unwrap();
    assert_eq!(store.consent_rows().unwrap().len(), 0);
    let empty = site.post(&format!("/facilities/{AOBA}/consent"), &operator, &[]);
    assert_eq!(empty.status, 422);
    // Pasted, and forgotten after a while.
    let pasted = site.post(&format!("/facilities/{AOBA}/consent"), &operator, &[("pasted", "1,,")]);
    assert_eq!(site.get(pasted.location(), &operator).status, 200);
    site.later(16 * 60_000);
    assert!(site.get(pasted.location(), &operator).location().ends_with("?list=gone"));
}

#[test]
fn a_facility_says_who_is_shared_and_a_viewer_has_no_form() {
    let site = Site::start();
    let store = site.state.store.facility(AOBA).unwrap();
    let sharing = Sharing {
        destinations: vec![("base".into(), Share::AllButListed)],
        withdrawal: Withdrawal::Delete,
        tests: TestPatients { names: vec!["テスト*".into()], ..TestPatients::default() },
    };
    store.share(&sharing, START_MS).unwrap();
    let viewer = site.session(&[Role::Viewer]);
    let list = site.get_with("/facilities", &format!("session={viewer}; lang=en")).text();
    assert!(list.contains("All but listed patients") && list.contains(&format!("/facilities/{MIDORI}")));
    let page = site.get_with(&format!("/facilities/{AOBA}"), &format!("session={viewer}; lang=en")).text();
    for words in ["Delete what was sent", "テスト*", "2026-11-20", "Causes of quarantine", "MLLP"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains("type=\"file\""));
    let operator = site.session(&[Role::Operator]);
    assert!(site.get(&format!("/facilities/{AOBA}"), &operator).text().contains("type=\"file\""));
    assert_eq!(site.get("/facilities/1310000000", &operator).status, 404);
    let bounded = site.session_of("bounded", &[Role::Operator], Some(&[MIDORI]));
    assert_eq!(site.get(&format!("/facilities/{AOBA}"), &bounded).status, 404);
    assert_eq!(upload(&site, &bounded, AOBA, b"1,,\n").status, 404);
    assert!(!site.get("/facilities", &bounded).text().contains(AOBA));
}
