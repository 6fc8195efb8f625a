//! 状況 with trouble on: each alarm is said, with what to do and where to see it.

use super::site::{AOBA, MIDORI, START_MS, Site};
use super::ward::{NAME, Ward, lab};
use renkei_bridge::console::rights::Role;
use renkei_bridge::console::{ConsoleState, LeftFiles};
use renkei_translate::mapping::{Problem, Rank};
use std::sync::Arc;

fn alarmed(alarms: &'static [&'static str], days_left: i64) -> impl FnOnce(&mut ConsoleState) {
    move |state| {
        state.machine.alarm = Arc::new(move |alarm| alarms.contains(&alarm));
        state.machine.certificates =
            Arc::new(move || vec![("console tls.cert".into(), Ok(START_MS / 1_000 + days_left * 86_400))]);
    }
}

/// The level of a facility's row.
fn level(page: &str, code: &str) -> String {
    let row = page.split(&format!("<tr data-facility=\"{code}\">")).nth(1).unwrap();
    row.split("class=\"st ").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[test]
fn every_alarm_that_stands_is_something_to_do() {
    const ALL_WELL: &str = "いま、することはありません。";
    let site = Site::start_with(alarmed(&[], 30));
    assert!(site.get("/", &site.session(&[Role::Operator])).text().contains(ALL_WELL));
    // Each alone: what is said in both languages, and the row of the facility whose feed `aoba` is.
    let cases: [(&[&str], i64, &str, &str, &str); 9] = [
        (&["silence aoba"], 30, "何も来ていない入力", "Nothing has come to an input", "warn"),
        (&["failed backup"], 30, "バックアップが取れていません", "backup could not be made", "none"),
        (&["failed reconcile"], 30, "収支の点検が終わりません", "sums of the days", "none"),
        (&["failed retention"], 30, "消せませんでした", "past its retention", "none"),
        (&["imbalance 1319999991"], 30, "収支が合わない日", "sum of a day does not hold", "bad"),
        (&["folder-gone aoba"], 30, "フォルダが見えなくなった受け口", "folder of an input is gone", "bad"),
        (&["files-left aoba"], 30, "取り込めないファイル", "that cannot be taken", "warn"),
        (
            &["consent-folder-gone 1319999991"],
            30,
            "同意の一覧を置くフォルダが見えません",
            "folder of consent lists is gone",
            "warn",
        ),
        (&[], 9, "30日以内に切れる", "ends within 30 days", "none"),
    ];
    for (alarms, days, ja, en, row) in cases {
        let site = Site::start_with(alarmed(alarms, days));
        let operator = site.session(&[Role::Operator]);
        let page = site.get("/", &operator).text();
        assert!(page.contains(ja) && !page.contains(ALL_WELL), "{alarms:?} {page}");
        assert!(
            site.get_with("/", &format!("session={operator}; lang=en")).text().contains(en),
            "{alarms:?}"
        );
        assert_eq!((level(&page, AOBA).as_str(), level(&page, MIDORI).as_str()), (row, "none"), "{alarms:?}");
        let at_facility =
            row == "bad" || alarms.iter().any(|alarm| !alarm.starts_with(['s', 'r']) && row == "warn");
        let at = if at_facility { "/facilities" } else { "/system" };
        let said = page.split("<div class=\"say ").nth(1).unwrap().split("</div>").next().unwrap();
        assert!(said.contains(&format!("<a href=\"{at}\">")), "{said}");
        // A page that does not open for a person is no link for them.
        let viewer = site.get("/", &site.session(&[Role::Viewer])).text();
        assert!(viewer.contains(ja) && !viewer.contains("href=\"/system\""), "{viewer}");
    }
}

#[test]
fn the_system_page_shows_which_feed_is_silent_and_that_the_backup_failed() {
    let site = Site::start_with(alarmed(&["silence aoba", "failed backup"], 30));
    let page = site.get("/system", &site.session(&[Role::Operator])).text();
    let row = |feed: &str| {
        page.split(&format!("<span class=\"mono\">{feed}</span>"))
            .nth(1)
            .unwrap()
            .split("</tr>")
            .next()
            .unwrap()
    };
    assert!(
        row("aoba").contains("長く来ていません") && !row("midori").contains("長く来ていません"),
        "{page}"
    );
    assert!(page.contains("毎日のバックアップが取れていません"));
}

#[test]
fn what_is_held_since_an_earlier_day_is_something_to_do() {
    let ward = Ward::start();
    // Without the time of the specimen it is held; no sum of today has it.
    ward.receive(AOBA, "held", &lab("C1", "O1", NAME, ""), 25 * 3_600_000);
    let page = ward.site.get("/", &ward.site.session(&[Role::Operator])).text();
    let said = page.split("<div class=\"say ").nth(1).unwrap().split("</div>").next().unwrap();
    assert!(said.contains("保留があります") && said.contains("href=\"/quarantine\""), "{said}");
}

#[test]
fn the_facility_page_says_which_folder_is_gone_and_which_files_are_left_without_whose_they_are() {
    let site = Site::start_with(|state| {
        state.machine.alarm = Arc::new(|alarm| alarm == "folder-gone aoba");
        state.machine.left = Arc::new(|feed| {
            let files = LeftFiles { key: "left.name".into(), files: 3, example: "###/20260401/A.AAA".into() };
            if feed == "aoba" { vec![files] } else { Vec::new() }
        });
    });
    let operator = site.session(&[Role::Operator]);
    let page = site.get(&format!("/facilities/{AOBA}"), &operator).text();
    assert!(page.contains("フォルダが見えません") && page.contains("###/20260401/A.AAA"), "{page}");
    assert!(page.contains("取り込めないファイル 3") && page.contains("名前が規則に合いません"), "{page}");
    let other = site.get(&format!("/facilities/{MIDORI}"), &operator).text();
    assert!(!other.contains("フォルダが見えません") && !other.contains("取り込めないファイル"), "{other}");
    assert!(site.get("/system", &operator).text().contains("フォルダが見えません"));
}

#[test]
fn problems_of_active_rules_are_listed_for_those_whose_facility_it_is() {
    let site = Site::start_with(|state| {
        let problem = |facility: &str, file: &str, doubt: bool| Problem {
            layer: if facility.is_empty() { Rank::Network } else { Rank::Facility },
            file: file.into(),
            line: 3,
            rule: "patient/home".into(),
            column: "from".into(),
            ja: "<b>和文</b>".into(),
            en: "<b>english</b>".into(),
            facility: facility.into(),
            doubt,
        };
        state.machine.mappings = Arc::new(move || {
            vec![
                problem("", "maps/network.toml", true),
                problem(AOBA, "maps/aoba.toml", false),
                problem(MIDORI, "maps/midori.toml", true),
            ]
        });
        state.trouble =
            Arc::new(|code| if code == AOBA { vec!["verdict.mapping-unusable"] } else { Vec::new() });
    });
    let page = |session: &str, language: &str| {
        site.get_with("/", &format!("session={session}; lang={language}")).text()
    };
    let all = site.session(&[Role::Operator]);
    let (ja, en) = (page(&all, "ja"), page(&all, "en"));
    for said in ["maps/network.toml:3", "maps/aoba.toml:3", "maps/midori.toml:3", "patient/home [from]"] {
        assert!(ja.contains(said) && en.contains(said), "{said}: {ja}");
    }
    assert!(ja.contains("和文&#60;/b&#62;") && !ja.contains("<b>和文") && !ja.contains("english"), "{ja}");
    assert!(en.contains("english&#60;/b&#62;") && !en.contains("和文"), "{en}");
    // What stops comes before what is only doubted, and each leads to the versions.
    let said = ja.split("<div class=\"say ").nth(1).unwrap().split("</div>").next().unwrap();
    let places =
        ["変換せずに待たせています", "検査に合わない所があります"].map(|text| said.find(text).unwrap());
    assert!(
        said.starts_with("bad") && places[0] < places[1] && said.contains("href=\"/mappings\""),
        "{said}"
    );
    assert_eq!((level(&ja, AOBA).as_str(), level(&ja, MIDORI).as_str()), ("bad", "none"));
    // Who is bounded to a facility sees its own and the network's.
    let own = page(&site.session_of("midori", &[Role::Operator], Some(&[MIDORI])), "ja");
    assert!(own.contains("maps/network.toml") && own.contains("maps/midori.toml"), "{own}");
    assert!(!own.contains("maps/aoba.toml") && !own.contains("変換せずに待たせて"), "{own}");
}
