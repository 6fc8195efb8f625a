//! What people look for: by order, by any form of a patient's id, by state, by exactly one cause.

use super::tests::{NOW, accept, arrival, complete_next, fresh, lab, quarantined};
use super::{Cause, FacilityStore, Filter, Indexed, MessageId, Selection, State};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::Translation;

/// Indexes what came: the body is the patient, the name the order number.
fn indexed(store: &FacilityStore) {
    let first_pass = |m: &super::Journalled| Indexed {
        id: m.id,
        control_id: Some(format!("C{}", m.name)),
        order_number: Some(m.name.clone()),
        patients: vec![String::from_utf8_lossy(&m.body).into_owned(), "merged".into()],
        ..Indexed::default()
    };
    let messages = store.unindexed(100).unwrap();
    store.index(messages.iter().map(first_pass).collect()).unwrap();
}

fn ids(store: &FacilityStore, filter: &Filter) -> Vec<MessageId> {
    store.messages(filter).unwrap().into_iter().map(|line| line.id).collect()
}

#[tokio::test]
async fn messages_are_found_by_order_and_by_any_form_of_the_patient() {
    let (_dir, _root, store) = fresh();
    let one = accept(&store, "O1", "0012").await;
    let two = accept(&store, "O2", "13").await;
    indexed(&store);
    let order = |order: &str| Filter { order: Some(order.into()), ..Filter::default() };
    assert_eq!(ids(&store, &order("O2")), [two]);
    assert!(ids(&store, &order("O3")).is_empty());
    let patients = |all: &[&str]| Filter {
        patients: all.iter().map(|id| (*id).to_owned()).collect(),
        ..Filter::default()
    };
    assert_eq!(ids(&store, &patients(&["12", "0012"])), [one]);
    // A message of both is one line.
    assert_eq!(ids(&store, &patients(&["merged", "13", "0012"])), [two, one]);
    let both = Filter { order: Some("O1".into()), ..patients(&["merged"]) };
    assert_eq!(ids(&store, &both), [one]);
}

#[tokio::test]
async fn a_message_of_several_orders_is_found_by_each_and_no_table_is_read_through() {
    let (_dir, _root, store) = fresh();
    let (one, two) = (accept(&store, "O1", "12").await, accept(&store, "O2", "12").await);
    let messages = store.unindexed(100).unwrap();
    let first_pass = |m: &super::Journalled| Indexed {
        id: m.id,
        order_number: Some(m.name.clone()),
        more_orders: if m.name == "O2" { vec!["O3".into(), "O4".into(), "O3".into()] } else { Vec::new() },
        ..Indexed::default()
    };
    store.index(messages.iter().map(first_pass).collect()).unwrap();
    let order = |order: &str| Filter { order: Some(order.into()), ..Filter::default() };
    for (number, found) in
        [("O1", vec![one]), ("O2", vec![two]), ("O3", vec![two]), ("O4", vec![two]), ("O5", Vec::new())]
    {
        assert_eq!(ids(&store, &order(number)), found, "{number}");
    }
    // With a condition that another index serves too.
    let of_feed = Filter { feed: Some("none".into()), ..order("O3") };
    assert!(ids(&store, &of_feed).is_empty());

    let console = store.console().unwrap();
    let plan = |sql: &str| -> Vec<String> {
        let mut select = console.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; select.parameter_count()]);
        select.query_map(nothing, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let (sql, _) = super::query::listing(&order("O3"));
    let steps = plan(&sql);
    for index in ["message_order (order_number=?)", "PRIMARY KEY (number=?)"] {
        assert!(steps.iter().any(|step| step.starts_with("SEARCH") && step.contains(index)), "{steps:?}");
    }
    assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{steps:?}");
}

#[tokio::test]
async fn several_states_are_asked_for_at_once_and_a_line_counts_its_findings() {
    let (_dir, _root, store) = fresh();
    for name in ["1", "2", "3"] {
        accept(&store, name, "p:").await;
    }
    super::tests::index(&store);
    let held = complete_next(&store, quarantined(lab("u", 1, &[])));
    let sent = complete_next(&store, lab("v", 2, &["o"]));
    let some = |states: &[State]| Filter { states: states.to_vec(), ..Filter::default() };
    assert_eq!(ids(&store, &some(&[State::Quarantined, State::Held])), [held]);
    assert_eq!(store.messages(&some(&[State::Pending])).unwrap().len(), 2);
    let all = store.messages(&some(&[State::Pending, State::Quarantined])).unwrap();
    assert_eq!(all.len(), 3);
    let line = |id| all.iter().find(|line| line.id == id).unwrap();
    assert_eq!((line(held).errors, line(held).warnings), (1, 0));
    assert_eq!((line(sent).errors, line(sent).mapping_version.as_deref()), (0, Some("v1")));
}

fn held_for(mut translation: Translation, position: &str) -> Translation {
    translation = quarantined(translation);
    translation.findings = vec![Finding::error("field-empty", Location::at(position))];
    translation
}

#[tokio::test]
async fn exactly_one_cause_is_taken_even_where_its_position_is_empty() {
    let (_dir, _root, store) = fresh();
    for name in ["1", "2", "3"] {
        store.accept(arrival(name, "p:", NOW)).await.unwrap();
    }
    super::tests::index(&store);
    let nowhere = complete_next(&store, held_for(lab("a", 1, &[]), ""));
    let first = complete_next(&store, held_for(lab("b", 2, &[]), "OBX[1]-3"));
    let second = complete_next(&store, held_for(lab("c", 3, &[]), "OBX[2]-3"));
    let cause = |position: &str| -> Cause {
        store.causes().unwrap().into_iter().find(|cause| cause.position == position).unwrap()
    };
    let exactly = |position: &str| Selection::Exactly {
        code: "field-empty".into(),
        position: position.into(),
        rule: String::new(),
    };
    assert_eq!(store.held_by(&cause("OBX-3"), None, 10).unwrap(), [second, first]);
    assert_eq!(store.held_by(&cause("OBX-3"), Some(second), 10).unwrap(), [first]);
    assert_eq!(store.held_by(&cause("OBX-3"), None, 1).unwrap(), [second]);
    assert_eq!(store.patients_of(&cause("OBX-3")).unwrap(), 1);
    assert_eq!(store.discard(&exactly(""), "test").unwrap(), 1);
    assert_eq!(store.discarded_because(nowhere).unwrap().as_deref(), Some("test"));
    assert_eq!(store.replay(&exactly("OBX-3")).unwrap(), 2);
    // Who comes second finds nothing left to do.
    assert_eq!(store.replay(&exactly("OBX-3")).unwrap(), 0);
    assert!(
        store.held_by(&Cause { position: "OBX-3".into(), ..cause_of(nowhere) }, None, 10).unwrap().is_empty()
    );
}

fn cause_of(example: MessageId) -> Cause {
    Cause {
        code: "field-empty".into(),
        position: String::new(),
        rule: String::new(),
        count: 0,
        oldest_ms: 0,
        example,
    }
}
