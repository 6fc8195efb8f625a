//! 電文: what is masked and when it is not, the search, the way of a value.

use super::site::{AOBA, MIDORI};
use super::ward::{CANARIES, NAME, TAKEN, Ward, assert_masked, at, lab, without_values};
use renkei_bridge::console::rights::Role;
use renkei_bridge::store::{Filter, MessageId};

#[test]
fn nobody_sees_a_patient_before_a_reveal_and_everybody_of_the_session_does_after() {
    let ward = Ward::start();
    let good = ward.receive(AOBA, "CTLKANARI1", &lab("CTLKANARI1", "O1", NAME, TAKEN), 3_000);
    let held = ward.receive(AOBA, "CTLKANARI2", &lab("CTLKANARI2", "O2", NAME, ""), 2_000);
    let broken = ward.receive(AOBA, "CTLKANARI3", "金糸雀,囀子,0077665500,19410203\r\n", 1_000);
    let site = &ward.site;
    let cause = ward.store(AOBA).causes().unwrap();
    assert!(!cause.is_empty());
    let operator = site.session(&[Role::Operator]);
    let mut pages = vec![
        "/".to_owned(),
        "/messages".into(),
        "/messages?from=2026-11-20&to=2026-11-20".into(),
        "/quarantine".into(),
        "/quarantine?try=1".into(),
        "/mappings".into(),
        "/mappings/patient".into(),
        "/mappings/tables/administrative-gender".into(),
    ];
    pages.extend([good, held, broken].map(|id| at(AOBA, id)));
    let list = site.get("/quarantine", &operator).text();
    let causes = list.split("href=\"/quarantine/").skip(1);
    pages.extend(
        causes.map(|rest| format!("/quarantine/{}", rest.split('"').next().unwrap()).replace("&#38;", "&")),
    );
    assert!(pages.len() > 12, "{pages:?}");
    for role in [Role::Viewer, Role::Operator, Role::Editor, Role::Approver, Role::Administrator] {
        let session = site.session(&[role]);
        for page in &pages {
            for language in ["ja", "en"] {
                let reply = site.get_with(page, &format!("session={session}; lang={language}"));
                let acting = page.contains("/release") || page.contains("/discard");
                let expected = if acting && role != Role::Operator { 404 } else { 200 };
                assert_eq!(reply.status, expected, "{role:?} {page}");
                assert_masked(&reply, &format!("{role:?} {page} {language}"));
            }
        }
    }

    let page = at(AOBA, good);
    let other = site.session_of("second", &[Role::Operator], None);
    assert_eq!(site.post(&format!("{page}/reveal"), &operator, &[("why", "")]).status, 422);
    assert!(ward.acts("reveal").is_empty());
    let reply = site.post(&format!("{page}/reveal"), &operator, &[("why", "inquiry"), ("note", "No. 17")]);
    assert_eq!((reply.status, reply.location()), (303, page.as_str()));
    // The trail has it before anything was shown.
    assert_eq!(ward.acts("reveal"), [(format!("{AOBA}/{good}"), "inquiry: No. 17".to_owned())]);
    let shown = site.get(&page, &operator).text();
    for canary in CANARIES {
        assert!(shown.contains(canary), "{canary} is not shown");
    }
    assert!(shown.contains("15:00") && shown.contains("data-until"));
    assert_masked(&site.get(&at(AOBA, held), &operator), "another message");
    assert_masked(&site.get(&page, &other), "another session");

    site.later(15 * 60_000 - 1);
    assert!(site.get(&page, &operator).text().contains("金糸雀"));
    site.later(1);
    assert_masked(&site.get(&page, &operator), "after fifteen minutes");

    site.post(&format!("{page}/reveal"), &operator, &[("why", "fault")]);
    assert!(site.get(&page, &operator).text().contains("金糸雀"));
    assert_eq!(site.post(&format!("{page}/hide"), &operator, &[]).status, 303);
    assert_masked(&site.get(&page, &operator), "after it was hidden");
    assert_eq!((ward.acts("reveal").len(), ward.acts("hide").len()), (2, 1));
}

#[test]
fn only_those_with_the_right_may_reveal_and_only_within_their_facilities() {
    let ward = Ward::start();
    let id = ward.receive(AOBA, "1", &lab("1", "O1", NAME, TAKEN), 0);
    let page = format!("{}/reveal", at(AOBA, id));
    let site = &ward.site;
    for role in [Role::Viewer, Role::Approver, Role::Administrator, Role::Prefecture] {
        assert_eq!(site.post(&page, &site.session(&[role]), &[("why", "fault")]).status, 404, "{role:?}");
    }
    let bounded = site.session_of("bounded", &[Role::Operator], Some(&[MIDORI]));
    assert_eq!(site.post(&page, &bounded, &[("why", "fault")]).status, 404);
    assert_eq!(site.get(&at(AOBA, id), &bounded).status, 404);
    let session = format!("session={}", site.session(&[Role::Operator]));
    let without = site.post_with(&page, &session, &[("why", "fault")]);
    assert!(without.status != 303 || without.location().starts_with("/login"), "{}", without.status);
    assert!(ward.acts("reveal").is_empty());
}

#[test]
fn what_is_not_theirs_looks_like_what_is_not_there() {
    let ward = Ward::start();
    let id = ward.receive(AOBA, "1", &lab("1", "O1", NAME, TAKEN), 0);
    let site = &ward.site;
    let prefecture = site.session(&[Role::Prefecture]);
    let bounded = site.session_of("bounded", &[Role::Viewer], Some(&[MIDORI]));
    let real = at(AOBA, id);
    for path in
        [real.as_str(), "/messages", "/quarantine", "/mappings", "/mappings/patient", "/quarantine/a~b~c~d"]
    {
        let reply = site.get(path, &prefecture);
        assert_eq!(reply.status, 404, "{path}");
        let nonsense = site.get("/nowhere/at-all", &prefecture);
        assert_eq!(without_values(&reply), without_values(&nonsense), "{path}");
        assert_eq!(reply.undated(), nonsense.undated(), "{path}");
    }
    let nonsense = site.get("/messages/nonsense", &bounded);
    assert_eq!(without_values(&site.get(&real, &bounded)), without_values(&nonsense));
    let viewer = site.session(&[Role::Viewer]);
    for path in [
        "/messages/x",
        "/messages/1",
        "/messages/1319999991-",
        "/messages/1319999991-0",
        "/messages/1319999991--5",
        "/messages/1319999991-20261120000000099",
        "/messages/1319999991-99999999999999999999",
        "/messages/9999999999-20261120000000001",
        "/quarantine/x",
        "/quarantine/9999999999~a~b~c",
        "/mappings/none",
        "/mappings/tables/none",
    ] {
        assert_eq!(site.get(path, &viewer).status, 404, "{path}");
    }
}

/// Types something and follows to the result: its address and its page.
fn found(ward: &Ward, session: &str, typed: &str) -> (String, String) {
    let reply = ward.site.post("/messages", session, &[("q", typed)]);
    assert_eq!(reply.status, 303, "{typed}");
    let address = reply.location().to_owned();
    let page = ward.site.get(&address, session);
    assert_eq!(page.status, 200);
    (address, page.text())
}

#[test]
fn a_message_is_found_by_whatever_the_ward_knows() {
    let ward = Ward::start();
    let one = ward.receive(AOBA, "CTL-1", &lab("CTL-1", "ORDER7", NAME, TAKEN), 2_000);
    // Numbers are unique within a facility only.
    ward.receive(MIDORI, "CTL-0", &lab("CTL-0", "O0", "別^人", TAKEN).replace("0077665500", "6"), 3_000);
    let two = ward.receive(
        MIDORI,
        "CTL-2",
        &lab("CTL-2", "20261120555", "別^人", TAKEN).replace("0077665500", "5"),
        1_000,
    );
    let session = ward.site.session(&[Role::Viewer]);
    let (first, second) = (at(AOBA, one), at(MIDORI, two));
    let check = |typed: &str, read: &str, hit: &str, miss: &str| {
        let (address, page) = found(&ward, &session, typed);
        assert!(page.contains(&format!("<b>{read}</b>")), "{typed} is not read as {read}");
        assert!(page.contains(hit) && !page.contains(miss), "{typed}");
        assert!(!address.contains("7766") && !address.contains(typed), "{address}");
    };
    for typed in ["0077665500", "77665500", " 00776 65500　", "００７７６６５５００", "000077665500"]
    {
        check(typed, "患者ID", &first, &second);
    }
    check("CTL-2", "電文ID(MSH-10)", &second, &first);
    check("ORDER7", "オーダ番号", &first, &second);
    check("20261120555", "オーダ番号", &second, &first);
    check(&one.to_string(), "受付番号", &first, &second);
    check(&format!("{MIDORI}-{two}"), "受付番号", &second, &first);
    let (_, none) = found(&ward, &session, "nothing-like-it");
    assert!(none.contains("条件に合う電文はありません"), "{none}");

    // Each search by patient is in the trail, by a hash that is the same for the same patient and tells nothing.
    let acts = ward.acts("search-patient");
    assert!(acts.len() >= 5, "{acts:?}");
    assert!(acts.iter().all(|(target, hash)| target == "*" && hash.len() == 26 && !hash.contains("7766")));
    assert!(acts.iter().take(5).all(|act| act == &acts[0]), "{acts:?}");
    // The address is another session's no more than the text is.
    let (address, _) = found(&ward, &session, "0077665500");
    let other = ward.site.session_of("second", &[Role::Viewer], None);
    let page = ward.site.get(&address, &other).text();
    assert!(page.contains("打った人の画面だけ") && !page.contains(&first), "{page}");
    // A right that is bounded finds nothing elsewhere.
    let bounded = ward.site.session_of("bounded", &[Role::Viewer], Some(&[MIDORI]));
    assert!(!found(&ward, &bounded, "0077665500").1.contains(&first));
}

#[test]
fn filters_narrow_and_mistakes_are_said_at_their_field() {
    let ward = Ward::start();
    let good = at(AOBA, ward.receive(AOBA, "1", &lab("1", "O1", NAME, TAKEN), 2_000));
    let held = at(AOBA, ward.receive(AOBA, "2", &lab("2", "O2", NAME, ""), 1_000));
    let session = ward.site.session(&[Role::Viewer]);
    // Nothing runs until somebody asks.
    assert!(!ward.site.get("/messages", &session).text().contains(&good));
    let check = |form: &[(&str, &str)], address: &str, hits: &[&str], misses: &[&str]| {
        let reply = ward.site.post("/messages", &session, form);
        assert_eq!((reply.status, reply.location()), (303, address));
        let page = ward.site.get(address, &session).text();
        assert!(hits.iter().all(|hit| page.contains(hit)), "{address}");
        assert!(misses.iter().all(|miss| !page.contains(miss)), "{address}");
    };
    check(&[], "/messages?from=2026-11-20&to=2026-11-20", &[&good, &held], &[]);
    check(
        &[("state", "stopped")],
        "/messages?state=stopped&from=2026-11-20&to=2026-11-20",
        &[&held],
        &[&good],
    );
    check(&[("to", "R8.11.19")], "/messages?to=2026-11-19", &[], &[&good, &held]);
    check(
        &[("facility", MIDORI), ("from", "2026/11/20")],
        &format!("/messages?facility={MIDORI}&from=2026-11-20"),
        &[],
        &[&good, &held],
    );
    check(
        &[("kind", "OML-11"), ("from", "20261120")],
        "/messages?kind=OML-11&from=2026-11-20",
        &[&good],
        &[],
    );
    let reply = ward.site.post("/messages", &session, &[("from", "2026-02-30"), ("q", "kept <x>")]);
    let page = reply.text();
    assert_eq!(reply.status, 422);
    assert!(page.contains("href=\"#from\"") && page.contains("value=\"2026-02-30\""), "{page}");
    assert!(page.contains("<title>エラー：") && !page.contains("kept <x>"));
    let turned = ward.site.post("/messages", &session, &[("from", "2026-11-20"), ("to", "2026-11-19")]);
    assert!(turned.status == 422 && turned.text().contains("href=\"#to\""));
}

/// The messages of a page, in order.
fn lines(page: &str) -> Vec<String> {
    page.split("class=\"mono\" href=\"/messages/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().into())
        .collect()
}

#[test]
fn pages_follow_each_other_over_all_facilities_while_messages_arrive() {
    let ward = Ward::start();
    let mut expected = Vec::new();
    for n in 0..70 {
        let facility = if n % 3 == 0 { MIDORI } else { AOBA };
        let body = lab(&format!("C{n}"), &format!("O{n}"), NAME, TAKEN);
        let id = ward.receive(facility, &format!("C{n}"), &body, 100_000 - n * 1_000);
        expected.insert(0, format!("{facility}-{id}"));
    }
    let session = ward.site.session(&[Role::Viewer]);
    let first = ward.site.get("/messages?from=2026-11-20", &session).text();
    assert_eq!(lines(&first), expected[..50]);
    let next = first.split("rel=\"next\"").next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let late = ward.receive(MIDORI, "late", &lab("late", "late", NAME, TAKEN), 0);
    let second = ward.site.get(&next, &session).text();
    assert_eq!(lines(&second), expected[50..]);
    assert!(!second.contains("rel=\"next\""));
    let again = ward.site.get("/messages?from=2026-11-20", &session).text();
    assert_eq!(lines(&again)[0], format!("{MIDORI}-{late}"));
}

#[test]
fn hostile_names_are_text_after_a_reveal_and_shapes_before() {
    let long = "山".repeat(400);
    let names = [
        ("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;"),
        ("\"><img src=x onerror=alert(1)>", "&#34;&#62;&#60;img src=x onerror=alert(1)&#62;"),
        ("{{7*7}}", "{{7*7}}"),
        ("'; DROP TABLE message", "&#39;; DROP TABLE message"),
        ("=HYPERLINK(\"http://x\")", "=HYPERLINK(&#34;http://x&#34;)"),
        ("a\u{202e}b", "a⟦U+202E⟧b"),
        (&long, &long),
        ("👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧"),
        ("ﾔﾏﾀﾞ ﾀﾛｳ", "ﾔﾏﾀﾞ ﾀﾛｳ"),
        ("𠮷𡈽", "𠮷𡈽"),
    ];
    let ward = Ward::start();
    let session = ward.site.session(&[Role::Editor]);
    for (n, (name, shown)) in names.iter().enumerate() {
        let body = lab(&format!("H{n}"), &format!("O{n}"), &format!("{name}^x^^^^^L^I"), TAKEN);
        let id = ward.receive(AOBA, &format!("H{n}"), &body, 1_000 - n as i64);
        let page = at(AOBA, id);
        let before = ward.site.get(&page, &session);
        assert_eq!(before.status, 200, "{name}");
        for bad in ["<script>alert", "<img", "onerror", "HYPERLINK", "DROP", "\u{202e}", shown] {
            assert!(!before.text().contains(bad), "{name}: {bad} before");
        }
        ward.site.post(&format!("{page}/reveal"), &session, &[("why", "mapping")]);
        let after = ward.site.get(&page, &session).text();
        for bad in ["<script>alert", "<img", "\u{202e}", "\0"] {
            assert!(!after.contains(bad), "{name}: {bad} after");
        }
        assert!(after.contains(shown), "{name} is not shown as {shown}");
    }
    let body = lab("N", "ON", "nul\0nul^x^^^^^L^I", TAKEN);
    let page = at(AOBA, ward.receive(AOBA, "N", &body, 0));
    ward.site.post(&format!("{page}/reveal"), &session, &[("why", "mapping")]);
    let after = ward.site.get(&page, &session);
    assert!(after.status == 200 && !after.body.contains(&0), "a NUL stands in the page");
}

#[test]
fn a_value_leads_to_its_source_and_back_and_what_nobody_reads_is_marked() {
    let ward = Ward::start();
    let id = ward.receive(AOBA, "1", &lab("1", "O1", NAME, TAKEN), 0);
    let session = ward.site.session(&[Role::Viewer]);
    let page = ward.site.get(&at(AOBA, id), &session).text();
    // OBX[1]-5 1.50 ↔ Observation 1 valueQuantity.value, by the rule lab-observation/value.
    let row = |anchor: &str| {
        let rest = page.split(&format!("<tr id=\"{anchor}\"")).nth(1).unwrap_or_else(|| panic!("{anchor}"));
        rest.split("</tr>").next().unwrap().to_owned()
    };
    let edge = |row: &str| row.split("data-t=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let source = row("s-OBX-1-5-1");
    assert!(source.contains(">1.50<") && source.contains("Observation 1"), "{source}");
    let target = source.split("href=\"#f-").nth(1).unwrap().split('"').next().unwrap();
    let target = row(&format!("f-{target}"));
    assert!(target.contains("valueQuantity.value") && target.contains("href=\"#s-OBX-1-5-1\""), "{target}");
    assert!(target.contains("/mappings/lab-observation"), "{target}");
    let shared = edge(&target);
    assert!(edge(&source).split(' ').any(|number| shared.split(' ').any(|other| other == number)));
    let number = shared.split(' ').next().unwrap();
    let bar = page.split(&format!("<template data-trace=\"{number}\">")).nth(1).unwrap();
    let bar = bar.split("</template>").next().unwrap();
    assert!(bar.contains("lab-observation/value") && bar.contains("<mark>"), "{bar}");
    assert!(row("s-ZE9-1-1-1").contains("class=\"unread\""));
}

#[test]
fn a_message_is_replayed_by_an_operator_and_the_trail_says_so() {
    let ward = Ward::start();
    let id = ward.receive(AOBA, "1", &lab("1", "O1", NAME, ""), 0);
    let page = at(AOBA, id);
    let operator = ward.site.session(&[Role::Operator]);
    assert!(ward.site.get(&page, &operator).text().contains("/replay"));
    assert!(!ward.site.get(&page, &ward.site.session(&[Role::Viewer])).text().contains("/replay"));
    let reply = ward.site.post(&format!("{page}/replay"), &operator, &[]);
    assert_eq!(reply.location(), format!("{page}?done=replayed"));
    assert_eq!(ward.acts("replay"), [(format!("{AOBA}/{id}"), String::new())]);
    let again = ward.site.post(&format!("{page}/replay"), &operator, &[]);
    assert_eq!(again.location(), format!("{page}?done=skipped"));
    let pending: Vec<MessageId> =
        ward.store(AOBA).messages(&Filter::default()).unwrap().into_iter().map(|line| line.id).collect();
    assert_eq!(pending, [id]);
}
