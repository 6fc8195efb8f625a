//! What stands of an order that is told by two.

use crate::record::Memory;
use crate::record::tests::{resource, translation, withdrawn};
use proptest::prelude::{Just, Strategy, any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};
use renkei_translate::translation::{Replaces, Role, Translation};
use serde_json::{Value, json};

/// A message that is the whole of a unit, with the order `s` in it.
fn telling(key: &str, time: u64, mut order: Value, yields: bool, more: &[&str]) -> Translation {
    let request = order.as_object_mut().unwrap();
    request.insert("resourceType".into(), "ServiceRequest".into());
    request.insert("id".into(), "s".into());
    let mut made = resource("ServiceRequest", "s", Role::Unit, "", &[]);
    super::references(&order, &mut made.references);
    made.json = order.to_string().into_bytes();
    made.yields = yields;
    let mut all = vec![made];
    all.extend(more.iter().map(|id| resource("Observation", id, Role::Unit, id, &[])));
    translation(key, Replaces::Unit, time, all)
}

fn ordered(time: u64, order: Value) -> Translation {
    telling("order", time, order, false, &[])
}

fn performed(time: u64, order: Value) -> Translation {
    telling("performed", time, order, true, &["done"])
}

/// The order as the base has it after some messages, told in this order.
fn at_base(history: &[Translation]) -> Option<Value> {
    let mut base = None;
    let mut memory = Memory::default();
    for (message, sequence) in history.iter().zip(1..) {
        let projection = memory.apply(message, sequence).0;
        for put in projection.puts.iter().filter(|put| put.id == "s") {
            base = serde_json::from_str(put.json.get()).ok();
        }
        if projection.deletes.iter().any(|(_, id)| id == "s") {
            base = None;
        }
    }
    let mut base: Value = base?;
    base.as_object_mut()?.retain(|key, _| key != "resourceType" && key != "id");
    Some(base)
}

/// The same in every order of arrival.
fn check(history: &[Translation], expected: Option<Value>) {
    let mut order: Vec<usize> = (0..history.len()).collect();
    let mut arrivals = vec![order.clone()];
    // All of them, by Heap's way.
    let (mut counts, mut n) = (vec![0; order.len()], 0);
    while n < order.len() {
        if counts[n] < n {
            let other = if n % 2 == 0 { 0 } else { counts[n] };
            order.swap(other, n);
            arrivals.push(order.clone());
            counts[n] += 1;
            n = 0;
        } else {
            counts[n] = 0;
            n += 1;
        }
    }
    for arrival in arrivals {
        let arrived: Vec<_> = arrival.iter().map(|n| history[*n].clone()).collect();
        assert_eq!(at_base(&arrived), expected, "{arrival:?}");
    }
}

fn observation(id: &str) -> Value {
    json!({"reference": format!("Observation/{id}")})
}

#[test]
fn what_an_order_says_stays_when_it_is_performed() {
    let order = json!({"status": "active", "reasonCode": [{"text": "fall"}], "supportingInfo": [observation("w")],
        "note": [{"text": "wheelchair"}], "performer": [{"display": "room 2"}]});
    let mut completed = order.clone();
    completed["status"] = "completed".into();
    check(&[ordered(1, order), performed(2, json!({"status": "completed"}))], Some(completed));
}

#[test]
fn a_correction_of_the_order_does_not_undo_that_it_was_performed() {
    let history = [
        ordered(1, json!({"status": "active", "reasonCode": [{"text": "fall"}], "priority": "routine"})),
        performed(2, json!({"status": "completed", "reasonCode": [{"text": "fall"}], "priority": "routine"})),
        ordered(3, json!({"status": "active", "reasonCode": [{"text": "fracture"}], "priority": "stat"})),
    ];
    let stands = json!({"status": "completed", "reasonCode": [{"text": "fracture"}], "priority": "stat"});
    check(&history, Some(stands));
}

#[test]
fn what_the_one_who_performs_it_adds_goes_with_a_cancel() {
    let order =
        json!({"status": "active", "identifier": [{"system": "o", "value": "1"}], "note": [{"text": "a"}]});
    let act = json!({"status": "completed", "identifier": [{"system": "o", "value": "1"}, {"system": "f", "value": "9"}],
        "note": [{"text": "b"}], "specimen": [{"reference": "Specimen/x"}], "reasonCode": [{"text": "pain"}]});
    let both = json!({"status": "completed", "identifier": [{"system": "o", "value": "1"}, {"system": "f", "value": "9"}],
        "note": [{"text": "a"}, {"text": "b"}], "specimen": [{"reference": "Specimen/x"}], "reasonCode": [{"text": "pain"}]});
    let history =
        [ordered(1, order.clone()), performed(2, act.clone()), withdrawn(performed(3, act.clone()))];
    check(&history[..2], Some(both));
    check(&history, Some(order));
    // Where nobody else tells the order, it is what the one who performs it tells, and goes with it.
    check(&history[1..2], Some(act.clone()));
    check(&history[1..], None);
    // An order that is taken back was performed all the same.
    check(&[history[0].clone(), history[1].clone(), withdrawn(ordered(3, json!({})))], Some(act));
}

#[test]
fn an_act_that_is_not_done_completes_nothing_and_a_revoked_order_stays_so() {
    let of = |ordered_as: &str, performed_as: &str| {
        at_base(&[ordered(1, json!({"status": ordered_as})), performed(2, json!({"status": performed_as}))])
            .unwrap()["status"]
            .clone()
    };
    assert_eq!(of("active", "active"), "active");
    assert_eq!(of("on-hold", "completed"), "completed");
    assert_eq!(of("on-hold", "active"), "on-hold");
    assert_eq!(of("revoked", "completed"), "revoked");
    assert_eq!(of("entered-in-error", "completed"), "entered-in-error");
}

#[test]
fn nothing_is_said_twice_in_two_forms() {
    let visit = |class: &str| json!([{"resourceType": "Encounter", "id": "visit", "class": {"code": class}}]);
    let order = json!({"status": "active", "occurrenceDateTime": "2026-01-02", "code": {"text": "CT"},
        "extension": [{"url": "d", "valueString": "1"}], "category": [{"text": "CT"}]});
    let act = json!({"status": "completed", "contained": visit("IMP"), "encounter": {"reference": "#visit"},
        "occurrencePeriod": {"start": "2026-01-03"}, "code": {"text": "MR"},
        "extension": [{"url": "d", "valueString": "2"}, {"url": "e", "valueString": "3"}], "category": [{"text": "MR"}]});
    let stands = json!({"status": "completed", "occurrenceDateTime": "2026-01-02", "code": {"text": "CT"},
        "extension": [{"url": "d", "valueString": "1"}, {"url": "e", "valueString": "3"}],
        "category": [{"text": "CT"}], "contained": visit("IMP"), "encounter": {"reference": "#visit"}});
    check(&[ordered(1, order), performed(2, act.clone())], Some(stands));
    // What nothing refers to is not brought along, and what is there already is not there twice.
    let order = json!({"status": "active", "contained": visit("AMB"), "encounter": {"reference": "#visit"}});
    let stands = at_base(&[ordered(1, order), performed(2, act)]).unwrap();
    assert_eq!(stands["contained"], visit("AMB"));
}

#[test]
fn what_is_added_is_referred_to_so_that_the_base_gets_it() {
    let mut memory = Memory::default();
    memory.apply(&performed(2, json!({"status": "completed", "supportingInfo": [observation("done")]})), 1);
    let other =
        telling("order", 1, json!({"status": "active", "supportingInfo": [observation("w")]}), false, &["w"]);
    let puts: Vec<_> = memory.apply(&other, 2).0.puts.into_iter().map(|put| put.id).collect();
    assert_eq!(puts, ["w", "s"], "referents first");
}

#[derive(Clone, Debug)]
enum Told {
    Ordered(u8),
    Performed(u8),
    OrderTakenBack,
    ActTakenBack,
}

fn told() -> impl Strategy<Value = Told> {
    let some = any::<u8>();
    prop_oneof![
        some.prop_map(Told::Ordered),
        any::<u8>().prop_map(Told::Performed),
        Just(Told::OrderTakenBack),
        Just(Told::ActTakenBack)
    ]
}

/// An order with some elements, by the bits of a number.
fn elements(bits: u8, time: u64, status: &str) -> Value {
    let all = [
        ("reasonCode", json!([{"text": format!("reason {}", time / 3)}])),
        ("note", json!([{"text": format!("note {}", time / 2)}])),
        ("supportingInfo", json!([observation(&format!("o{}", time % 3))])),
        ("occurrenceDateTime", json!(format!("2026-01-0{}", 1 + time % 9))),
        ("occurrencePeriod", json!({"start": "2026-01"})),
        ("identifier", json!([{"system": "x", "value": format!("{}", time % 3)}])),
    ];
    let said =
        all.into_iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0 && (*n != 3 || bits & 16 == 0));
    let mut order: serde_json::Map<String, Value> = said.map(|(_, (k, v))| (k.to_owned(), v)).collect();
    order.insert("status".into(), status.into());
    Value::Object(order)
}

proptest! {
    #[test]
    fn orders_and_acts_leave_the_same_in_any_order(
        history in prop::collection::vec(told(), 1..8),
        keys in prop::collection::vec(any::<u64>(), 8),
    ) {
        let messages: Vec<Translation> = history.iter().zip(1_u64..).map(|(told, time)| match told {
            Told::Ordered(bits) => ordered(time, elements(*bits, time, "active")),
            Told::Performed(bits) => performed(time, elements(*bits, time, if bits & 128 == 0 { "completed" } else { "active" })),
            Told::OrderTakenBack => withdrawn(ordered(time, json!({}))),
            Told::ActTakenBack => withdrawn(performed(time, json!({}))),
        }).collect();
        let mut arrived: Vec<(u64, Translation)> = keys.into_iter().zip(messages.iter().cloned()).collect();
        arrived.sort_by_key(|(key, _)| *key);
        let arrived: Vec<Translation> = arrived.into_iter().map(|(_, message)| message).collect();
        let stands = at_base(&messages);
        prop_assert_eq!(at_base(&arrived), stands.clone());
        // The newest word of each is what it says, until it is taken back.
        let newest = |of: &dyn Fn(&Told) -> Option<Option<u8>>| {
            (1_u64..).zip(&history).filter_map(|(time, told)| Some((of(told)?, time))).last()
        };
        let order = newest(&|told| match told {
            Told::Ordered(bits) => Some(Some(*bits)),
            Told::OrderTakenBack => Some(None),
            _ => None,
        });
        let act = newest(&|told| match told {
            Told::Performed(bits) => Some(Some(*bits)),
            Told::ActTakenBack => Some(None),
            _ => None,
        });
        let is_done = matches!(act, Some((Some(bits), _)) if bits & 128 == 0);
        match (order, act) {
            (Some((Some(bits), time)), _) => {
                let stands = stands.unwrap();
                prop_assert_eq!(&stands["status"], if is_done { "completed" } else { "active" });
                for (key, value) in elements(bits, time, "active").as_object().unwrap() {
                    match (value, &stands[key]) {
                        (Value::Array(own), Value::Array(all)) => prop_assert_eq!(&all[..own.len()], own.as_slice()),
                        (value, stands) => prop_assert!(key == "status" || value == stands),
                    }
                }
                let choices = ["occurrenceDateTime", "occurrencePeriod"];
                prop_assert!(choices.iter().filter(|key| stands.get(**key).is_some()).count() < 2);
            }
            (_, Some((Some(bits), time))) => {
                prop_assert_eq!(stands.unwrap(), elements(bits, time, if is_done { "completed" } else { "active" }));
            }
            _ => prop_assert_eq!(stands, None),
        }
    }
}
