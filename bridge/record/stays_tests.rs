//! The rules of stays, one by one, over made-up fragments.

use super::stays::moment;
use super::tests::{resource, translation, withdrawn};
use super::{Folded, UnitState, fold};
use renkei_translate::translation::{Does, Event, Replaces, Role, Translation};
use serde_json::{Value, json};

/// An event of April 2026 with its own time `DDHHMM`, the day that it names, and the Encounter of its message.
fn event(does: Does, time: &str, day: &str, encounter: &Value) -> Translation {
    let id = encounter["id"].as_str().unwrap_or_default();
    let mut fragment = resource("Encounter", id, Role::Unit, "", &[]);
    fragment.json = encounter.to_string().into_bytes();
    let mut message = translation("stays", Replaces::Event, 0, vec![fragment]);
    if let Some(unit) = &mut message.unit {
        let time = format!("202604{time}00000");
        unit.time.clone_from(&time);
        let day = if day.is_empty() { String::new() } else { format!("202604{day}") };
        unit.event = Some(Event { kind: format!("{does:?}"), does, time, day });
    }
    message
}

/// The same message, told later.
fn told(mut message: Translation, time: &str) -> Translation {
    if let Some(unit) = &mut message.unit {
        unit.time = format!("202604{time}00000");
    }
    message
}

fn admission(time: &str, place: &str) -> Translation {
    let (day, hour, minute) = (&time[..2], &time[2..4], &time[4..]);
    let start = format!("2026-04-{day}T{hour}:{minute}:00+09:00");
    event(
        Does::Opens,
        time,
        "",
        &json!({"resourceType": "Encounter", "id": format!("a{time}"), "status": "in-progress",
            "participant": [doctor("a", None)], "period": {"start": start},
            "location": [at(place, "active", Some(&start), None)]}),
    )
}

fn plan(time: &str, day: &str) -> Translation {
    event(
        Does::Plans,
        time,
        day,
        &json!({"resourceType": "Encounter", "id": format!("p{day}"), "status": "planned"}),
    )
}

fn tells(does: Does, time: &str, day: &str, status: &str, places: Value) -> Translation {
    let mut encounter = json!({"resourceType": "Encounter", "status": status});
    if places != json!([]) {
        encounter["location"] = places;
    }
    event(does, time, day, &encounter)
}

fn discharge(time: &str) -> Translation {
    let end = format!("2026-04-{}T{}:{}:00+09:00", &time[..2], &time[2..4], &time[4..]);
    event(
        Does::Closes,
        time,
        "",
        &json!({"resourceType": "Encounter", "status": "finished", "period": {"end": end}}),
    )
}

fn at(place: &str, status: &str, start: Option<&str>, end: Option<&str>) -> Value {
    let mut item = json!({"location": {"reference": format!("Location/{place}")}, "status": status});
    for (name, value) in [("start", start), ("end", end)] {
        if let Some(value) = value {
            item["period"][name] = value.into();
        }
    }
    item
}

fn doctor(name: &str, start: Option<&str>) -> Value {
    let mut item =
        json!({"type": [{"text": "ATND"}], "individual": {"reference": format!("Practitioner/{name}")}});
    if let Some(start) = start {
        item["period"]["start"] = start.into();
    }
    item
}

fn folded(history: &[Translation]) -> Vec<Folded> {
    let mut state: Option<UnitState> = None;
    let mut out = Vec::new();
    for (message, sequence) in history.iter().zip(1..) {
        let next = fold(state.as_ref(), message, sequence);
        state = Some(next.state.clone());
        out.push(next);
    }
    out
}

/// The Encounters that stand after a history, and the codes of what its last message met.
fn stands(history: &[Translation]) -> (Vec<Value>, Vec<String>) {
    let last = folded(history).pop().unwrap();
    let encounters = last.state.entries.iter().filter(|entry| entry.resource_type == "Encounter");
    let read = |entry: &super::Entry| {
        let value: Value = serde_json::from_str(entry.json.get()).unwrap();
        assert_eq!(value["id"], *entry.id);
        value
    };
    (encounters.map(read).collect(), last.findings.iter().map(|f| f.code.to_string()).collect())
}

fn one(history: &[Translation]) -> Value {
    let (mut all, _) = stands(history);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn ids(history: &[Translation]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    stands(history).0.iter().map(|stay| (text(&stay["id"]), text(&stay["status"]))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_plan_becomes_the_stay_that_its_admission_opens_and_keeps_its_id() {
    let history = [plan("011000", "10"), admission("101430", "bed")];
    assert_eq!(ids(&history[..1]), pairs(&[("p10", "planned")]));
    assert_eq!(ids(&history), pairs(&[("p10", "in-progress")]));
    // Arrived the other way round the Encounter changes its id, and the old one goes.
    assert_eq!(ids(&[history[1].clone()]), pairs(&[("a101430", "in-progress")]));
    assert_eq!(ids(&[history[1].clone(), history[0].clone()]), pairs(&[("p10", "in-progress")]));
    // A discharge that names the admission closes it under the id of the plan.
    let end = event(
        Does::Closes,
        "121000",
        "",
        &json!({"resourceType": "Encounter", "id": "a101430", "status": "finished"}),
    );
    assert_eq!(ids(&[history[0].clone(), history[1].clone(), end]), pairs(&[("p10", "finished")]));
    let cancelled = withdrawn(admission("101430", "bed"));
    let cancelled = told(cancelled, "101500");
    assert_eq!(ids(&[history[0].clone(), history[1].clone(), cancelled]), pairs(&[("p10", "planned")]));
}

#[test]
fn an_admission_begins_the_plan_that_is_nearest_within_three_days() {
    let (early, late) = (plan("011000", "08"), plan("011100", "11"));
    let stay = admission("101430", "bed");
    assert_eq!(
        ids(&[early.clone(), late.clone(), stay.clone()]),
        pairs(&[("p08", "planned"), ("p11", "in-progress")])
    );
    assert_eq!(ids(&[early, stay.clone()]), pairs(&[("p08", "in-progress")]));
    let far = plan("011000", "14");
    assert_eq!(ids(&[far, stay.clone()]), pairs(&[("a101430", "in-progress"), ("p14", "planned")]));
    // What is planned after the admission is another one.
    let next = plan("111000", "12");
    assert_eq!(ids(&[stay, next]), pairs(&[("a101430", "in-progress"), ("p12", "planned")]));
}

#[test]
fn what_refers_to_a_planned_stay_refers_to_it_under_its_id() {
    let mut stay = admission("101430", "bed");
    let mut weight = resource("Observation", "o", Role::Unit, "", &["Encounter/a101430"]);
    weight.json =
        br#"{"resourceType":"Observation","id":"o","encounter":{"reference":"Encounter/a101430"}}"#.to_vec();
    stay.resources.push(weight);
    let last = folded(&[plan("011000", "10"), stay]).pop().unwrap();
    let weight = last.state.entries.iter().find(|entry| entry.id == "o").unwrap();
    assert_eq!(weight.references, ["Encounter/p10"]);
    assert!(weight.json.get().contains(r#""reference":"Encounter/p10""#));
}

#[test]
fn a_leave_ends_with_the_return_and_with_nothing_else() {
    let away = at("home", "active", Some("2026-04-12T10:00:00+09:00"), Some("2026-04-13T17:00:00+09:00"));
    let back = at("bed", "active", Some("2026-04-13T09:00:00+09:00"), None);
    let history = [
        admission("101430", "bed"),
        tells(Does::Leaves, "121000", "12", "onleave", json!([away])),
        tells(Does::Changes, "121100", "12", "in-progress", json!([])),
        tells(Does::Returns, "130900", "13", "in-progress", json!([back])),
    ];
    let before = json!({"status": "in-progress",
        "period": {"start": "2026-04-10T14:30:00+09:00", "end": "2026-04-12T10:00:00+09:00"}});
    let stay = one(&history[..3]);
    assert_eq!(stay["status"], "onleave");
    assert_eq!(stay["statusHistory"], json!([before]));
    let stay = one(&history);
    assert_eq!(stay["status"], "in-progress");
    assert_eq!(
        stay["statusHistory"],
        json!([before, {"status": "onleave",
            "period": {"start": "2026-04-12T10:00:00+09:00", "end": "2026-04-13T09:00:00+09:00"}}])
    );
    assert_eq!(
        stay["location"],
        json!([
            at("bed", "completed", Some("2026-04-10T14:30:00+09:00"), Some("2026-04-12T10:00:00+09:00")),
            at("home", "completed", Some("2026-04-12T10:00:00+09:00"), Some("2026-04-13T09:00:00+09:00")),
            at("bed", "active", Some("2026-04-13T09:00:00+09:00"), None),
        ])
    );
    // Without the leave nothing is told of a course.
    assert_eq!(one(&history[..1])["statusHistory"], Value::Null);
}

#[test]
fn a_leave_told_again_with_another_time_is_one_and_two_leaves_of_a_day_are_two() {
    let leave = |time: &str| tells(Does::Leaves, time, &time[..2], "onleave", json!([]));
    let back = |time: &str| tells(Does::Returns, time, &time[..2], "in-progress", json!([]));
    let admitted = admission("101430", "bed");
    let course = |history: &[Translation]| one(history)["statusHistory"].as_array().map_or(0, Vec::len);
    let corrected = [admitted.clone(), leave("121000"), told(leave("121030"), "121200")];
    assert_eq!(
        one(&corrected)["statusHistory"][0]["period"]["end"],
        "2026-04-12T10:30:00+09:00",
        "the newest telling stands"
    );
    let again = withdrawn(told(leave("121030"), "121300"));
    let [a, b, c] = corrected;
    assert_eq!(one(&[a, b, c, again])["status"], "in-progress", "one cancel takes all tellings back");
    let twice = [admitted, leave("121000"), back("121100"), leave("121400"), back("121600")];
    assert_eq!(course(&twice), 4);
    let [a, b, c, d, e] = twice;
    let cancel = |time| withdrawn(told(leave("121400"), time));
    let history = [a, b, c, d, e, cancel("121700"), cancel("121800")];
    assert_eq!(course(&history[..6]), 2, "the cancel takes the second alone");
    assert_eq!(course(&history), 2, "told twice, it takes no other");
}

#[test]
fn a_cancel_takes_back_what_it_names_and_waits_for_it() {
    let transfer = |time: &str, day: &str, place: &str| {
        tells(
            Does::Announces,
            time,
            day,
            "in-progress",
            json!([at(place, "planned", Some(&format!("2026-04-{day}")), None)]),
        )
    };
    let planned = |history: &[Translation]| {
        let stay = one(history);
        let all = stay["location"].as_array().unwrap().iter().filter(|item| item["status"] == "planned");
        all.map(|item| item["period"]["start"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let history = [
        admission("101430", "bed"),
        transfer("110900", "15", "icu"),
        transfer("110930", "18", "ward"),
        withdrawn(transfer("120900", "15", "icu")),
    ];
    assert_eq!(planned(&history[..3]), ["2026-04-15", "2026-04-18"]);
    assert_eq!(planned(&history), ["2026-04-18"], "the older plan is taken back, not the newest");
    // The cancel of an admission that never came leaves another one alone.
    let other = withdrawn(event(Does::Opens, "121430", "12", &json!({"resourceType": "Encounter"})));
    let mut stay = admission("101430", "bed");
    if let Some(event) = stay.unit.as_mut().and_then(|unit| unit.event.as_mut()) {
        event.day = "20260410".into();
    }
    assert_eq!(stands(&[stay, other]), (vec![one(&history[..1])], vec!["stay-cancel-in-vain".to_owned()]));
    // The cancel comes first: it takes no other plan, says so, and finds its own when that comes.
    let [first, own, other, cancel] = history;
    let early = [first, other, cancel, own];
    assert_eq!(stands(&early[..3]).1, ["stay-cancel-in-vain"]);
    assert_eq!(planned(&early[..3]), ["2026-04-18"]);
    assert_eq!(planned(&early), ["2026-04-18"]);
}

#[test]
fn a_plan_told_again_for_its_day_is_one() {
    let history = [plan("011000", "10"), told(plan("021000", "10"), "021000")];
    assert_eq!(ids(&history), pairs(&[("p10", "planned")]));
    let [one, two] = history;
    assert!(ids(&[one, two, withdrawn(plan("031000", "10"))]).is_empty(), "the cancel takes both tellings");
}

#[test]
fn a_transfer_ends_the_place_before_and_what_was_planned_till_then() {
    let planned = |day: &str, place: &str, time: &str| {
        tells(
            Does::Announces,
            time,
            day,
            "in-progress",
            json!([at(place, "planned", Some(&format!("2026-04-{day}")), None)]),
        )
    };
    let moved = "2026-04-12T10:00:00+09:00";
    let history = [
        admission("101430", "bed"),
        planned("12", "icu", "110900"),
        planned("20", "ward", "110930"),
        planned("25", "rehabilitation", "110940"),
        tells(
            Does::Changes,
            "121000",
            "12",
            "in-progress",
            json!([at("bed", "completed", None, Some(moved)), at("ward", "active", Some(moved), None)]),
        ),
    ];
    // That of the day went elsewhere, that to the place has happened; the later one is still planned.
    assert_eq!(
        one(&history)["location"],
        json!([
            at("bed", "completed", Some("2026-04-10T14:30:00+09:00"), Some(moved)),
            at("rehabilitation", "planned", Some("2026-04-25"), None),
            at("ward", "active", Some(moved), None),
        ])
    );
    let mut ended = history.to_vec();
    ended.push(discharge("141000"));
    let end = Some("2026-04-14T10:00:00+09:00");
    assert_eq!(
        one(&ended)["location"],
        json!([
            at("bed", "completed", Some("2026-04-10T14:30:00+09:00"), Some(moved)),
            at("ward", "completed", Some(moved), end),
        ])
    );
}

#[test]
fn a_planned_discharge_stands_beside_the_bed_and_the_last_word_counts() {
    let leaving = |time: &str, day: &str| {
        tells(
            Does::Announces,
            time,
            day,
            "in-progress",
            json!([at("bed", "planned", None, Some(&format!("2026-04-{day}")))]),
        )
    };
    let bed = at("bed", "active", Some("2026-04-10T14:30:00+09:00"), None);
    let history = [admission("101430", "bed"), leaving("110900", "14"), leaving("120900", "16")];
    assert_eq!(one(&history)["location"], json!([bed, at("bed", "planned", None, Some("2026-04-16"))]));
    let [a, b, c] = history;
    let back = withdrawn(leaving("130900", "16"));
    assert_eq!(
        one(&[a, b, c, back])["location"],
        json!([bed, at("bed", "planned", None, Some("2026-04-14"))])
    );
}

#[test]
fn a_doctor_takes_over_while_the_stay_is_open_and_not_after_it() {
    let change = |time: &str| {
        let from = format!("2026-04-{}T09:00:00+09:00", &time[..2]);
        event(
            Does::Changes,
            time,
            &time[..2],
            &json!({"resourceType": "Encounter", "status": "in-progress",
                "participant": [doctor("b", Some(&from))]}),
        )
    };
    let mut before = doctor("a", None);
    before["period"]["end"] = "2026-04-12T09:00:00+09:00".into();
    let after = doctor("b", Some("2026-04-12T09:00:00+09:00"));
    let history = [admission("101430", "bed"), change("120900"), discharge("141000"), change("150900")];
    assert_eq!(one(&history[..2])["participant"], json!([before, after]));
    assert_eq!(one(&history)["participant"], json!([before, after]));
    assert_eq!(stands(&history).1, ["stay-not-open"]);
    // Named again later, the doctor has been there since then.
    let again = event(
        Does::Changes,
        "130900",
        "13",
        &json!({"resourceType": "Encounter", "status": "in-progress",
            "participant": [doctor("b", Some("2026-04-13T09:00:00+09:00"))]}),
    );
    assert_eq!(one(&[history[0].clone(), history[1].clone(), again])["participant"], json!([before, after]));
    // Nor does one that names the admission by its day, or to another minute.
    for start in ["2026-04-10", "2026-04-10T14:35:00+09:00"] {
        let [a, b, c, late] = history.clone();
        let history = [a, b, c, naming(late, "other", start)];
        assert_eq!(one(&history)["participant"], json!([before, after]));
        assert_eq!(stands(&history).1, ["stay-not-open"]);
    }
}

/// An admission that names its day, as every PV1-44 does.
fn admitted(time: &str, told_at: &str) -> Translation {
    let mut message = told(admission(time, "bed"), told_at);
    if let Some(event) = message.unit.as_mut().and_then(|unit| unit.event.as_mut()) {
        event.day = format!("202604{}", &time[..2]);
    }
    message
}

#[test]
fn an_admission_told_again_with_another_time_of_its_day_is_one_stay() {
    let (wrong, right) = (admitted("100900", "101000"), admitted("101430", "101500"));
    let corrected = pairs(&[("a101430", "in-progress")]);
    assert_eq!(ids(&[wrong.clone(), right.clone()]), corrected);
    assert_eq!(
        ids(&[right.clone(), wrong.clone()]),
        corrected,
        "whatever came first, the newest telling stands"
    );
    assert_eq!(stands(&[wrong.clone(), right.clone()]).1, [""; 0]);
    // Taken back by the time that it has now, it is no stay; by the time that it had, the correction stands.
    let cancel = |time: &str| withdrawn(admitted(time, "101600"));
    assert!(ids(&[wrong.clone(), right.clone(), cancel("101430")]).is_empty());
    assert_eq!(ids(&[wrong.clone(), right.clone(), cancel("100900")]), corrected);
    // After a discharge of that day it is another stay.
    let two = pairs(&[("a100900", "finished"), ("a101430", "in-progress")]);
    assert_eq!(ids(&[wrong, discharge("101200"), right]), two);
}

#[test]
fn an_admission_of_another_day_while_a_stay_is_open_is_said() {
    let (first, second) = (admitted("101430", "101500"), admitted("120900", "121000"));
    let both = pairs(&[("a101430", "in-progress"), ("a120900", "in-progress")]);
    assert_eq!(ids(&[first.clone(), second.clone()]), both);
    assert_eq!(stands(&[first.clone(), second.clone()]).1, ["stay-open-beside"]);
    assert_eq!(
        stands(&[second.clone(), first.clone()]).1,
        ["stay-open-beside"],
        "whatever comes last says it"
    );
    assert_eq!(stands(&[first.clone(), discharge("111000"), second.clone()]).1, [""; 0]);
    let cancel = withdrawn(admitted("101430", "121100"));
    assert_eq!(ids(&[first, second, cancel]), pairs(&[("a120900", "in-progress")]));
}

#[test]
fn a_time_is_written_as_fhir_writes_it() {
    for (digits, expected) in [
        ("20260410143000000", Some("2026-04-10T14:30:00+09:00")),
        ("20260410143012340", Some("2026-04-10T14:30:12.340+09:00")),
        ("20260410000000000", Some("2026-04-10")),
        ("20260430250000000", Some("2026-05-01T01:00:00+09:00")),
        ("00000000000000000", None),
        ("2026", None),
        ("２０２６", None),
    ] {
        assert_eq!(moment(digits).as_deref(), expected, "{digits}");
    }
}

#[test]
fn a_transfer_taken_back_that_a_later_leave_still_names_is_said() {
    let there = |does, time: &str, status: &str| {
        let from = format!("2026-04-{}T{}:00:00+09:00", &time[..2], &time[2..4]);
        tells(does, time, &time[..2], status, json!([at("ward", "active", Some(&from), None)]))
    };
    let from = Some("2026-04-12T09:00:00+09:00");
    let places = json!([at("bed", "completed", None, from), at("ward", "active", from, None)]);
    let transfer = tells(Does::Changes, "120900", "12", "in-progress", places);
    let back = told(withdrawn(transfer.clone()), "150900");
    let leave = there(Does::Leaves, "131000", "onleave");
    let said = |history: &[Translation]| stands(history).1;
    let admitted = admission("101430", "bed");
    let history = [admitted.clone(), transfer.clone(), leave.clone(), back.clone()];
    assert_eq!(said(&history), ["stay-place-cancelled"]);
    assert_eq!(one(&history)["location"][1]["location"]["reference"], "Location/ward");
    assert_eq!(said(&[admitted, transfer, back]), Vec::<String>::new());
}

/// The same event with the admission that it names.
fn naming(mut message: Translation, id: &str, start: &str) -> Translation {
    let fragment = &mut message.resources[0];
    let mut encounter: Value = serde_json::from_slice(&fragment.json).unwrap();
    encounter["id"] = id.into();
    encounter["period"]["start"] = start.into();
    id.clone_into(&mut fragment.id);
    fragment.json = encounter.to_string().into_bytes();
    message
}

fn ends(history: &[Translation]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    stands(history).0.iter().map(|stay| (text(&stay["id"]), text(&stay["period"]["end"]))).collect()
}

#[test]
fn an_event_that_names_its_admission_by_day_or_to_another_minute_is_of_that_stay() {
    let minute = "2026-04-10T14:30:00+09:00";
    let by_minute = admission("101430", "bed");
    let by_day = naming(admission("100000", "bed"), "a10", "2026-04-10");
    for (admitted, id, start, told) in [
        (&by_minute, "a101430", minute, "2026-04-10"),
        (&by_minute, "a101430", minute, "2026-04-10T14:35:00+09:00"),
        (&by_day, "a10", "2026-04-10", minute),
    ] {
        let from = Some("2026-04-12T09:00:00+09:00");
        let moved =
            tells(Does::Changes, "120900", "12", "in-progress", json!([at("ward", "active", from, None)]));
        let history =
            [admitted.clone(), naming(moved, "other", told), naming(discharge("141000"), "other", told)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let arrived = order.map(|n| history[n].clone());
            let stay = one(&arrived);
            assert_eq!(stay["id"], id);
            assert_eq!(stay["status"], "finished");
            assert_eq!(stay["period"], json!({"start": start, "end": "2026-04-14T10:00:00+09:00"}));
            assert_eq!(stay["location"][1], at("ward", "completed", from, Some("2026-04-14T10:00:00+09:00")));
        }
        assert_eq!(stands(&history).1, [""; 0], "nothing is said of it");
    }
}

#[test]
fn what_refers_to_the_stay_by_another_name_refers_to_it_under_its_id() {
    let mut left = naming(discharge("141000"), "other", "2026-04-10");
    let mut weight = resource("Observation", "o", Role::Unit, "", &["Encounter/other"]);
    weight.json =
        br#"{"resourceType":"Observation","id":"o","encounter":{"reference":"Encounter/other"}}"#.to_vec();
    left.resources.push(weight);
    let last = folded(&[admission("101430", "bed"), left]).pop().unwrap();
    let weight = last.state.entries.iter().find(|entry| entry.id == "o").unwrap();
    assert_eq!(weight.references, ["Encounter/a101430"]);
}

#[test]
fn an_event_that_names_another_day_is_of_the_one_stay_that_is_open_and_that_is_said() {
    let left = naming(discharge("141000"), "other", "2026-04-09");
    let admitted = admission("101430", "bed");
    assert_eq!(ids(&[admitted.clone(), left.clone()]), pairs(&[("a101430", "finished")]));
    assert_eq!(stands(&[admitted.clone(), left.clone()]).1, ["stay-named-otherwise"]);
    // Of two that are open nothing says which: it is what it was without either.
    let all = [admitted, admission("121430", "bed"), left];
    assert_eq!(
        ids(&all),
        pairs(&[("a101430", "in-progress"), ("a121430", "in-progress"), ("other", "finished")])
    );
}

#[test]
fn a_discharge_by_day_waits_for_the_admission_of_its_day() {
    let end = json!({"resourceType": "Encounter", "status": "finished", "period": {"end": "2026-04-10"}});
    let unnamed = event(Does::Closes, "100000", "10", &end);
    let named = naming(unnamed.clone(), "other", "2026-04-10");
    let exact = naming(unnamed.clone(), "a101430", "2026-04-10T14:30:00+09:00");
    for left in [unnamed, named, exact] {
        for history in
            [[admission("101430", "bed"), left.clone()], [left.clone(), admission("101430", "bed")]]
        {
            let stay = one(&history);
            assert_eq!(stay["status"], "finished");
            assert_eq!(stay["period"], json!({"start": "2026-04-10T14:30:00+09:00", "end": "2026-04-10"}));
        }
    }
}

#[test]
fn two_stays_that_began_on_one_day_each_end_when_they_end() {
    let by_day = |time| naming(discharge(time), "other", "2026-04-10");
    let history =
        [admission("100900", "bed"), by_day("101200"), admission("101430", "bed"), by_day("141000")];
    assert_eq!(
        ends(&history),
        pairs(&[("a100900", "2026-04-10T12:00:00+09:00"), ("a101430", "2026-04-14T10:00:00+09:00")])
    );
}

#[test]
fn a_discharge_corrected_under_another_name_of_its_admission_is_one() {
    let minute = "2026-04-10T14:30:00+09:00";
    let wrong = naming(discharge("141000"), "a101430", minute);
    let right = told(naming(discharge("140900"), "other", "2026-04-10"), "141200");
    for history in [
        [admission("101430", "bed"), wrong.clone(), right.clone()],
        [right, wrong, admission("101430", "bed")],
    ] {
        assert_eq!(ends(&history), pairs(&[("a101430", "2026-04-14T09:00:00+09:00")]));
    }
}
