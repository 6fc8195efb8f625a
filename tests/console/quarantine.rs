//! 保留: by cause, tried, released, discarded; and マッピング to read.

use super::site::{AOBA, MIDORI, Reply};
use super::ward::{NAME, TAKEN, Ward, lab};
use renkei_bridge::console::rights::Role;
use renkei_bridge::store::{MessageId, State};

const CODE: &str = "collection-time-missing";

/// The address of the cause.
fn cause(ward: &Ward, session: &str) -> String {
    let page = ward.site.get("/quarantine", session).text();
    let start = format!("/quarantine/{AOBA}~{CODE}~");
    let rest = page.split(&start).nth(1).unwrap_or_else(|| panic!("no cause in {page}"));
    format!("{start}{}", rest.split(['"', '/', '?']).next().unwrap())
}

fn figure(page: &str, id: &str) -> String {
    let rest = page.split(&format!("id=\"{id}\">")).nth(1).unwrap_or_else(|| panic!("{id} in {page}"));
    rest.split('<').next().unwrap().trim().to_owned()
}

fn state(ward: &Ward, id: MessageId) -> State {
    ward.store(AOBA).message(id).unwrap().unwrap().summary.state
}

fn held(ward: &Ward, count: usize) -> Vec<MessageId> {
    (0..count)
        .map(|n| {
            let body = lab(&format!("C{n}"), &format!("O{n}"), NAME, "");
            ward.receive(AOBA, &format!("C{n}"), &body, 10_000 - n as i64)
        })
        .collect()
}

#[test]
fn a_cause_is_mended_tried_and_released() {
    let ward = Ward::start();
    let ids = held(&ward, 3);
    ward.receive(AOBA, "good", &lab("good", "OG", NAME, TAKEN), 0);
    let (operator, editor) = (ward.site.session(&[Role::Operator]), ward.site.session(&[Role::Editor]));
    let viewer = ward.site.session(&[Role::Viewer]);
    let address = cause(&ward, &operator);
    let page = ward.site.get(&address, &operator).text();
    assert!(page.contains("/mappings/lab-observation"), "{page}");
    assert!(ids.iter().all(|id| page.contains(&format!("value=\"{id}\""))));

    // Before it is mended nothing passes; whoever may not try does not.
    let tried = ward.site.get(&format!("{address}?try=1"), &editor).text();
    assert_eq!((figure(&tried, "trial-tried"), figure(&tried, "trial-passed")), ("3".into(), "0".into()));
    assert!(tried.contains(CODE));
    assert!(!ward.site.get(&format!("{address}?try=1"), &viewer).text().contains("trial-tried"));
    ward.mend("lab-observation.toml", "from = \"OBX-14\"", "from = \"MSH-7\"");
    let tried = ward.site.get(&format!("{address}?try=1"), &editor).text();
    assert_eq!((figure(&tried, "trial-passed"), figure(&tried, "trial-held")), ("3".into(), "0".into()));
    assert!(ids.iter().all(|id| state(&ward, *id) == State::Quarantined), "a trial changes nothing");

    // Two of them are released: one was discarded by somebody else meanwhile.
    let two = format!("{address}/release?id={}&id={}", ids[0], ids[1]);
    assert_eq!(ward.site.get(&two, &editor).status, 404);
    let confirm = ward.site.get(&two, &operator).text();
    assert_eq!(figure(&confirm, "act-count"), "2");
    assert!(confirm.contains("(2)</button>"), "{confirm}");
    let gone = renkei_bridge::store::Selection::Messages(vec![ids[1]]);
    ward.store(AOBA).discard(&gone, "test").unwrap();
    let form = [("id", ids[0].to_string()), ("id", ids[1].to_string())];
    let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (*key, value.as_str())).collect();
    assert_eq!(ward.site.post(&format!("{address}/release"), &editor, &form).status, 404);
    let reply = ward.site.post(&format!("{address}/release"), &operator, &form);
    assert_eq!(reply.location(), format!("{address}?done=released&n=1&skipped=1"));
    assert_eq!(ward.acts("release"), [(format!("{AOBA} {} {}", ids[0], ids[1]), "2".to_owned())]);
    ward.work(AOBA);
    assert_eq!(state(&ward, ids[0]), State::Pending);
    assert_eq!(state(&ward, ids[1]), State::Excluded);
    assert_eq!(state(&ward, ids[2]), State::Quarantined);

    // The rest by its cause.
    let all = ward.site.get(&format!("{address}/release?all=1"), &operator).text();
    assert_eq!(figure(&all, "act-count"), "1 (この原因のすべて)");
    let reply = ward.site.post(&format!("{address}/release"), &operator, &[("all", "1"), ("count", "1")]);
    assert_eq!(reply.location(), format!("{address}?done=released&n=1&skipped=0"));
    ward.work(AOBA);
    assert_eq!(state(&ward, ids[2]), State::Pending);
    let after = ward.site.get(reply.location(), &operator).text();
    assert!(after.contains("この原因で止まっている電文はもうありません"), "{after}");
}

#[test]
fn a_discard_needs_a_reason_and_the_exact_number() {
    let ward = Ward::start();
    let ids = held(&ward, 2);
    let operator = ward.site.session(&[Role::Operator]);
    let address = format!("{}/discard", cause(&ward, &operator));
    let post = |form: &[(&str, &str)]| -> Reply { ward.site.post(&address, &operator, form) };
    for (reason, typed, field) in [
        ("", "2", "reason"),
        ("重複した試験データ", "1", "typed"),
        ("重複した試験データ", "", "typed"),
        ("重複した試験データ", "2x", "typed"),
    ] {
        let reply = post(&[("all", "1"), ("reason", reason), ("typed", typed)]);
        assert_eq!(reply.status, 422, "{reason} {typed}");
        assert!(reply.text().contains(&format!("href=\"#{field}\"")), "{reason} {typed}");
    }
    assert!(ward.acts("discard").is_empty());
    assert_eq!(post(&[("reason", "x"), ("typed", "0")]).status, 422);
    let reply = post(&[("all", "1"), ("reason", "重複した試験データ"), ("typed", "２")]);
    assert!(reply.location().ends_with("?done=discarded&n=2&skipped=0"), "{}", reply.location());
    let acts = ward.acts("discard");
    assert_eq!((acts.len(), acts[0].1.as_str()), (1, "重複した試験データ"));
    assert!(acts[0].0.starts_with(&format!("{AOBA} {CODE} ")), "{acts:?}");
    assert!(ids.iter().all(|id| state(&ward, *id) == State::Excluded));
    assert_eq!(ward.store(AOBA).discarded_because(ids[0]).unwrap().as_deref(), Some("重複した試験データ"));
}

#[test]
fn causes_are_bounded_by_facility() {
    let ward = Ward::start();
    held(&ward, 1);
    let operator = ward.site.session(&[Role::Operator]);
    let address = cause(&ward, &operator);
    let bounded = ward.site.session_of("bounded", &[Role::Operator], Some(&[MIDORI]));
    assert!(!ward.site.get("/quarantine", &bounded).text().contains(CODE));
    for path in [address.clone(), format!("{address}/release?all=1"), format!("{address}/discard?all=1")] {
        assert_eq!(ward.site.get(&path, &bounded).status, 404, "{path}");
    }
    for act in ["release", "discard"] {
        let form = [("all", "1"), ("reason", "x"), ("typed", "1")];
        assert_eq!(ward.site.post(&format!("{address}/{act}"), &bounded, &form).status, 404, "{act}");
    }
    assert!(ward.acts("release").is_empty() && ward.acts("discard").is_empty());
}

#[test]
fn maps_rules_tables_and_tests_are_read_in_both_languages() {
    let ward = Ward::start();
    ward.receive(AOBA, "1", &lab("1", "O1", NAME, TAKEN), 0);
    let editor = ward.site.session(&[Role::Editor]);
    let page = |path: &str, language: &str| {
        let reply = ward.site.get_with(path, &format!("session={editor}; lang={language}"));
        assert_eq!(reply.status, 200, "{path}");
        reply.text()
    };
    let list = page("/mappings", "ja");
    assert!(list.contains("患者基本情報") && list.contains("href=\"/mappings/patient\""));
    assert!(list.contains("ZE9-1"), "what nobody reads is listed");
    // Of the other hospital no message has come.
    let untold = |list: &str| {
        let (_, rest) = list.split_once("この版で変換した電文がまだないので、わかりません:").unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    assert!(!untold(&list).contains("あおば") && !untold(&list).trim().is_empty(), "{list}");
    assert!(page("/mappings", "en").contains("Patient demographics"));
    let map = page("/mappings/patient", "ja");
    for written in ["birthDate", "PID-7", "/mappings/tables/administrative-gender", "each NK1", "use contact"]
    {
        assert!(map.contains(written), "{written}");
    }
    assert!(map.contains("漢字とカナの二つの氏名") && !map.contains("期待と違う"));
    assert!(page("/mappings/lab-observation", "ja").contains("error collection-time-missing"));
    assert!(page("/mappings/XPN.jp", "en").contains("HumanName"));
    // What a new version leaves unread nobody knows before a message has come.
    ward.mend("lab-observation.toml", "from = \"OBX-14\"", "from = \"MSH-7\"");
    let list = page("/mappings", "ja");
    assert!(untold(&list).contains("あおば") && !list.contains("届いた値はすべて"), "{list}");
    let table = page("/mappings/tables/code-systems", "ja");
    assert!(table.contains("JLAC10 17桁") && table.contains("target_system"));
    // A page of a large table.
    let rows = (0..250).map(|n| format!(",K{n},,,other,T{n},equal\n")).collect::<String>();
    let more =
        format!("source_code,source_display,target_system,target_code,target_display,equivalence\n{rows}");
    ward.mend(
        "administrative-gender.csv",
        "source_code,source_display,target_system,target_code,target_display,equivalence\n",
        &more,
    );
    let first = page("/mappings/tables/administrative-gender", "ja");
    assert!(first.contains("<td>T99</td>") && !first.contains("<td>T100</td>"));
    assert!(first.contains("?from=101"));
    let last = page("/mappings/tables/administrative-gender?from=201", "ja");
    assert!(last.contains("<td>T249</td>") && last.contains("?from=101") && !last.contains("rel=\"next\""));
}

#[test]
fn the_rule_of_a_message_file_leads_to_its_row() {
    let ward = Ward::start();
    // Without an order number nobody knows what the message is the whole of.
    ward.receive(AOBA, "1", &lab("1", "", NAME, TAKEN), 0);
    let operator = ward.site.session(&[Role::Operator]);
    let page = ward.site.get("/quarantine", &operator).text();
    let (_, rest) = page.split_once("href=\"/mappings#").unwrap_or_else(|| panic!("{page}"));
    let anchor = rest.split('"').next().unwrap();
    let list = ward.site.get("/mappings", &operator).text();
    assert!(anchor.starts_with("m-") && list.contains(&format!("id=\"{anchor}\"")), "{anchor}");
}
