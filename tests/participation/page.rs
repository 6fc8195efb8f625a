//! The page of 参加状況 and its files, as each role gets them.

use super::{CANARY, End, send};
use crate::console::site::{AOBA, MIDORI, Reply, Site};
use renkei_bridge::console::rights::Role;
use renkei_bridge::participation::{self, FacilityType, Member};
use renkei_translate::finding::Language;

const DENOMINATORS: &str = "type,area,municipality,count,source,date\n\
    hospital,中央,,4,医療施設調査,2024-10-01\nclinic,山手,,8,<b>調査</b>,2024-10-01\n";

/// The clock of the site stands at the 20th of November 2026: the last whole month is October.
fn site(folder: &std::path::Path, denominators: &str) -> Site {
    let path = folder.join("denominators.csv");
    std::fs::write(&path, denominators).unwrap();
    let member = |code: &str, name: &str, kind, area: &str| Member {
        code: code.into(),
        name: name.into(),
        facility_type: Some(kind),
        area: Some(area.into()),
        joined: Some("2025-04-01".parse().unwrap()),
        ..Member::default()
    };
    let site = Site::start_with(|state| {
        state.region = participation::Config { denominators: Some(path), network: "架空県".into() };
        state.members = vec![
            member(AOBA, "<script>alert(1)</script>", FacilityType::Hospital, "中央"),
            member(MIDORI, "=HYPERLINK(1)", FacilityType::Clinic, "山手"),
        ];
    });
    let store = site.state.store.facility(AOBA).unwrap();
    for patient in 1..=3 {
        send(&store, &format!("{patient}"), "2026-10-20 10:00:00", None, End::Registered);
    }
    site
}

fn every_role() -> impl Iterator<Item = Role> {
    Role::ALL.into_iter()
}

const ADDRESSES: [&str; 4] =
    ["/participation", "/participation/definitions", "/participation.csv", "/participation.xlsx"];

fn text(reply: &Reply) -> String {
    if reply.header("content-type").unwrap().contains("spreadsheetml") {
        return super::unzipped(&reply.body).into_iter().map(|(_, text)| text).collect();
    }
    reply.text()
}

#[test]
fn every_role_reads_the_figures_and_nobody_a_patient() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), DENOMINATORS);
    for role in every_role() {
        let session = site.session(&[role]);
        for address in ADDRESSES {
            for language in ["ja", "en"] {
                let reply = site.get(&format!("{address}?month=2026-10&lang={language}"), &session);
                assert_eq!(reply.status, 200, "{address} {role:?}");
                let text = text(&reply);
                assert!(!text.contains("CANARY") && !CANARY.is_empty(), "{address} {role:?}");
                assert!(!text.contains("/messages") || role != Role::Prefecture, "{address} {role:?}");
                let html = !address.contains('.');
                assert!(!html || !text.contains("style=") && !text.contains("<script>"), "{address}");
                // A workbook has no formula, and a CSV none that a spreadsheet would take for one.
                assert!(!text.contains("<f>") && !text.contains(",=") && !text.contains("\n="), "{address}");
            }
        }
    }
}

#[test]
fn the_page_says_the_same_figures_as_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), DENOMINATORS);
    let session = site.session(&[Role::Prefecture]);
    // Without a month it is the last whole one; nonsense and a month to come are that too.
    let page = site.get("/participation", &session).text();
    for other in ["2026-10", "2026-12", "9999-99", "%3Cscript%3E"] {
        let same = site.get(&format!("/participation?month={other}"), &session).text();
        assert!(same.contains("架空県・2026年10月(令和8年10月)。"), "{other}");
    }
    // 2 of 12 institutions; 1 of 2 sent and was registered.
    for figure in ["16.7% <small>2 / 12</small>", "50.0% <small>1 / 2</small>", "— <small>不明</small>"] {
        assert!(page.contains(figure), "{figure}: {page}");
    }
    // In September nobody had sent.
    assert!(page.contains("前月 +50.0 ポイント"));
    let title = page.split("<title id=\"ar-t\">").nth(1).unwrap().split("</title>").next().unwrap();
    assert!(title.contains("中央 50.0%") || title.contains("中央 100.0% (1 / 1)"), "{title}");
    assert!(title.contains("山手 0.0% (0 / 1)"), "{title}");
    assert_eq!(page.matches("<svg class=\"chart\"").count(), page.matches("role=\"img\"").count());
    assert!(page.contains("契約したが一度も送信のない施設が 1 あります。契約から1年を超えるものは 1。"));
    assert!(page.contains("医療施設調査") && page.contains("2024-10-01 (令和6年10月1日)"));
    // Three people are not shown, nowhere.
    assert!(page.contains("10未満"));
    let state = &site.state;
    let month = "2026-10".parse().unwrap();
    let report = participation::report(&state.store, &state.region, &state.members, month).unwrap();
    let files = [
        ("csv", participation::csv(&report, Language::Ja).unwrap()),
        ("xlsx", participation::xlsx(&report, Language::Ja).unwrap()),
    ];
    for (format, expected) in files {
        let address = format!("/participation.{format}?month=2026-10");
        let (first, second) = (site.get(&address, &session), site.get(&address, &session));
        assert_eq!(first.body, second.body);
        assert_eq!(first.body, expected);
        let name = format!("attachment; filename=\"participation-2026-10.{format}\"");
        assert_eq!(first.header("content-disposition"), Some(name.as_str()));
        use sha2::Digest;
        let hash: String = sha2::Sha256::digest(&first.body).iter().map(|b| format!("{b:02x}")).collect();
        assert!(page.contains(&hash), "{format}");
    }
    let english = site.get("/participation?lang=en", &session).text();
    assert!(english.contains("架空県, 2026-10 (Reiwa 8-10).") && english.contains("+50.0 points"));
    let downloads = site.state.store.audit().entries(None, 100).unwrap();
    assert!(downloads.iter().any(|entry| entry.action == "participation-export"));
}

#[test]
fn a_table_that_cannot_be_read_is_told_and_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "type,area\n");
    let session = site.session(&[Role::Viewer]);
    let page = site.get("/participation", &session);
    assert_eq!(page.status, 200);
    let page = page.text();
    assert!(page.contains("分母の表を読めないため") && page.contains("50.0% <small>1 / 2</small>"), "{page}");
    assert_eq!(site.get("/participation.csv", &session).status, 500);
    assert_eq!(site.get("/participation/definitions", &session).status, 200);
}
