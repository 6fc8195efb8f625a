//! 利用者, 自分の設定, 操作記録, システム: what can be done there and what is refused.

use super::site::{Site, sign_in};
use renkei_bridge::console::password;
use renkei_bridge::console::rights::Role;

const PASSWORD: &str = "correct horse battery";

#[test]
fn somebody_is_invited_changed_stopped_and_deleted() {
    let site = Site::start();
    let admin = site.session(&[Role::Administrator]);
    let users = site.state.store.users();
    let form = [
        ("name", "yamada"),
        ("display", "見本 <i>山田"),
        ("role", "operator"),
        ("role", "approver"),
        ("facility", super::site::AOBA),
        ("facility", "0000000000"),
    ];
    let paper = site.post("/users", &admin, &form);
    assert_eq!(paper.status, 200);
    let text = paper.text();
    let code = text.split("id=\"paper-code\">").nth(1).unwrap().split('<').next().unwrap();
    let known = users.credentials("yamada").unwrap().unwrap();
    assert!(password::verify(&password::typed(code), Some(&known.password)));
    assert_eq!(known.user.roles, ["operator", "approver"]);
    assert_eq!(known.user.facilities.as_deref(), Some([super::site::AOBA.to_owned()].as_slice()));
    let list = site.get("/users", &admin).text();
    assert!(list.contains("見本 &#60;i&#62;山田") && !list.contains("<i>山田"), "{list}");
    // The same name again, and one that cannot be.
    let taken = site.post("/users", &admin, &form);
    assert_eq!(taken.status, 422);
    assert!(taken.text().contains("もう使われています") && taken.text().contains("<title>エラー："));
    let unfit = site.post("/users", &admin, &[("name", "../x"), ("display", "x"), ("role", "viewer")]);
    assert_eq!(unfit.status, 422);

    let change = site.post("/users/yamada/roles", &admin, &[("role", "viewer")]);
    assert_eq!(change.location(), "/users/yamada?said=said.users.roles");
    let known = users.credentials("yamada").unwrap().unwrap().user;
    assert_eq!((known.roles, known.facilities), (vec!["viewer".to_owned()], None));
    assert_eq!(site.post("/users/yamada/roles", &admin, &[]).status, 422, "nobody has no role");

    // Deleting comes after stopping, and only with the name typed.
    assert_eq!(site.post("/users/yamada/delete", &admin, &[("name", "yamada")]).status, 422);
    assert_eq!(site.post("/users/yamada/stop", &admin, &[]).status, 303);
    assert_eq!(site.post("/users/yamada/delete", &admin, &[("name", "yamad")]).status, 422);
    assert_eq!(
        site.post("/users/yamada/delete", &admin, &[("name", "yamada")]).location(),
        "/users?said=said.users.deleted"
    );
    assert!(users.credentials("yamada").unwrap().is_none());
    assert_eq!(site.get("/users/yamada", &admin).status, 404);
    let done: Vec<String> = site.audited().into_iter().map(|(_, action, _, _)| action).collect();
    assert_eq!(done, ["user-invited", "user-roles", "user-stopped", "user-deleted"]);
}

#[test]
fn the_last_administrator_cannot_be_removed() {
    let site = Site::start();
    let admin = site.session_of("only", &[Role::Administrator], None);
    for (path, form) in [("/users/only/stop", vec![]), ("/users/only/roles", vec![("role", "viewer")])] {
        let reply = site.post(path, &admin, &form);
        assert_eq!(reply.status, 422, "{path}");
        assert!(reply.text().contains("最後の管理者は外せません"), "{path}");
    }
    assert_eq!(site.get("/users", &admin).status, 200, "the session goes on");
}

#[test]
fn a_second_factor_is_set_up_again_and_a_password_replaced() {
    let site = Site::start();
    site.enrolled("yamada", PASSWORD, &[Role::Viewer]);
    let admin = site.session(&[Role::Administrator]);
    assert_eq!(site.post("/users/yamada/factor", &admin, &[]).status, 303);
    let first = |word: &str| super::site::first_page(site.address, "yamada", word, "/").1;
    assert_eq!(first(PASSWORD).location(), "/login/enroll");
    let paper = site.post("/users/yamada/code", &admin, &[]).text();
    let code = paper.split("id=\"paper-code\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(first(PASSWORD).location(), "/login/totp", "the old password is void, and nobody says so");
    assert_eq!(first(&code).location(), "/login/enroll");
}

#[test]
fn one_s_own_password_screen_and_codes_can_be_changed() {
    let site = Site::start();
    let secret = site.enrolled("yamada", PASSWORD, &[Role::Prefecture]);
    let session = site.session_of("yamada", &[], None);
    let elsewhere = site.session_of("yamada", &[], None);
    let change = |current: &str, chosen: &str, again: &str| {
        site.post("/me/password", &session, &[("current", current), ("password", chosen), ("again", again)])
    };
    assert!(
        change("wrong", "another password", "another password").text().contains("いまのパスワードが違います")
    );
    assert_eq!(change(PASSWORD, "short", "short").status, 422);
    let done = change(PASSWORD, "another password", "another password");
    assert_eq!((done.status, done.location()), (303, "/me?said=said.me.password"));
    let session = done.cookie("session").unwrap();
    assert_eq!(site.get("/me", &elsewhere).status, 303, "other screens are signed out");
    let now = password::current(&secret, site.now_ms());
    assert_eq!(sign_in(site.address, "yamada", PASSWORD, &now).status, 422);
    assert_eq!(sign_in(site.address, "yamada", "another password", &now).status, 303);

    let chosen = [("theme", "dark"), ("density", "relaxed")];
    assert_eq!(site.post("/me/settings", &session, &chosen).status, 303);
    let page = site.get("/me", &session).text();
    assert!(
        page.contains("<html lang=\"ja\" data-theme=\"dark\" data-density=\"relaxed\" data-keys=\"off\">"),
        "{page}"
    );

    assert_eq!(site.post("/me/recovery", &session, &[("current", "wrong")]).status, 422);
    let codes = site.post("/me/recovery", &session, &[("current", "another password")]).text();
    assert_eq!(
        codes.matches("<li>").count() - codes.split("<main").next().unwrap().matches("<li>").count(),
        10
    );
    assert_eq!(site.state.store.users().credentials("yamada").unwrap().unwrap().recovery_left, 10);
}

#[test]
fn the_audit_trail_shows_one_s_own_rows_or_all() {
    let site = Site::start();
    let audit = site.state.store.audit();
    for number in 0..150 {
        audit.append(["yamada", "sato"][number % 2], "release", &format!("m{number}"), "=1+1").unwrap();
    }
    let rows =
        |path: &str, session: &str| site.get(path, session).text().matches("<tr><th scope=\"row\"").count();
    let own = site.session_of("yamada", &[Role::Operator], None);
    assert_eq!(rows("/audit", &own), 75);
    assert_eq!(rows("/audit?who=sato", &own), 75, "another's rows are asked for in vain");
    assert!(!site.get("/audit", &own).text().contains("sato"));
    let all = site.session(&[Role::Approver]);
    assert_eq!(rows("/audit", &all), 100);
    assert_eq!(rows("/audit?before=51", &all), 50);
    assert_eq!(rows("/audit?who=sato&action=release&target=m3", &all), 1);
    assert_eq!(rows("/audit?from=2020-01-01&to=R2.1.2", &all), 0);
    assert_eq!(site.get("/audit?from=2026-02-30", &all).status, 422);
    // The next page goes on where this one ends, whatever is added meanwhile.
    let first = site.get("/audit", &all).text();
    let older = first.split("href=\"?before=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    audit.append("sato", "release", "new", "").unwrap();
    assert_eq!(rows(&format!("/audit?before={older}"), &all), 50);
    assert!(site.get("/audit?verify=1", &all).text().contains("連鎖は正しい。最後の番号： 151"));
    assert_eq!(site.get("/audit?verify=1", &own).text().matches("連鎖は正しい").count(), 0);
    assert_eq!(site.post("/audit/export", &all, &[]).status, 404, "an approver does not export");

    let admin = site.session(&[Role::Administrator]);
    let file = site.post("/audit/export", &admin, &[("who", "yamada")]);
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    let text = file.text();
    assert_eq!(text.lines().count(), 76);
    assert!(text.starts_with('\u{feff}') && text.contains(",release,m0,'=1+1\r\n"), "{text}");
    let (who, action, _, detail) = site.audited().pop().unwrap();
    assert_eq!(
        (who.as_str(), action.as_str(), detail.as_str()),
        ("test-administrator", "audit-exported", "75 rows")
    );
}

#[test]
fn a_broken_chain_is_said() {
    let site = Site::start();
    for number in 0..3 {
        site.state.store.audit().append("a", "b", &number.to_string(), "").unwrap();
    }
    let database = site.folder.path().join("data/appliance/appliance.sqlite");
    let other = rusqlite::Connection::open(database).unwrap();
    other.execute("UPDATE audit SET who = 'c' WHERE sequence = 2", []).unwrap();
    let page = site.get("/audit?verify=1", &site.session(&[Role::Administrator])).text();
    assert!(page.contains("連鎖が切れています。番号： 2"), "{page}");
}

#[test]
fn the_system_page_says_what_is_known_and_what_is_not() {
    let site = Site::start();
    let operator = site.session(&[Role::Operator]);
    let page = site.get("/system", &operator).text();
    assert!(page.contains("まだありません") && page.contains("分かりません"), "{page}");
    // Nine days are left of one certificate; the other cannot be read.
    assert!(
        page.contains("<th scope=\"row\" class=\"mono\">base a tls.ca</th><td class=\"num\">9</td>"),
        "{page}"
    );
    assert!(page.contains("feed b tls.cert</th><td class=\"num\">読めません"), "{page}");
    site.state.store.audit().append("cli:root", "backup", "generation 7", "").unwrap();
    assert!(site.get("/system", &operator).text().contains("generation 7"));
}

#[test]
fn a_fault_of_ours_is_a_number_and_no_value() {
    let site = Site::start();
    let session = site.session(&[Role::Administrator]);
    let database = site.folder.path().join("data/appliance/appliance.sqlite");
    rusqlite::Connection::open(database).unwrap().execute("DROP TABLE audit", []).unwrap();
    let reply = site.get("/audit?who=SECRET", &session);
    assert_eq!(reply.status, 500);
    let text = reply.text();
    let main = text.split("<main").nth(1).unwrap();
    assert!(main.contains("問い合わせ番号：") && main.contains("受信と送信は続いています"), "{main}");
    assert!(!main.contains("SECRET") && !main.contains("no such table"), "{main}");
    let number = main.split("class=\"mono\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
}
