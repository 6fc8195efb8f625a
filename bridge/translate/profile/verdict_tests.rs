//! Resources of one form have one verdict.

use super::check;
use super::verdict::{Look, Verdicts, look};
use crate::fhir::{Arena, Id, Keys};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

fn bases() -> Vec<Value> {
    serde_json::from_str(include_str!("bases.json")).expect("the file is JSON")
}

fn intern(node: &Value, keys: &mut Keys) {
    match node {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            keys.intern(name);
            intern(member, keys);
        }),
        Value::Array(items) => items.iter().for_each(|item| intern(item, keys)),
        _ => {}
    }
}

fn node(node: &Value, keys: &Keys, arena: &mut Arena) -> Id {
    match node {
        Value::Object(members) => {
            let object = arena.object();
            for (name, member) in members {
                let (key, member) = (keys.find(name).expect("was interned"), self::node(member, keys, arena));
                arena.put(object, key, member);
            }
            object
        }
        Value::Array(items) => {
            let array = arena.array();
            for item in items {
                let item = self::node(item, keys, arena);
                arena.append(array, item);
            }
            array
        }
        Value::String(text) => arena.text(text),
        Value::Number(number) => arena.number(number.as_str()),
        Value::Bool(value) => arena.boolean(*value),
        Value::Null => unreachable!("no base has a null"),
    }
}

fn form(resource: &Value, keys: &Keys, verdicts: &Verdicts) -> Option<[u64; 2]> {
    let mut arena = Arena::default();
    let root = node(resource, keys, &mut arena);
    let mut form = verdicts.form();
    arena.writer(keys).write(root, &mut Vec::new(), &mut form);
    form.taken()
}

/// Pointers of all leaves.
fn leaves(node: &Value, pointer: &str, out: &mut Vec<String>) {
    match node {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| leaves(member, &format!("{pointer}/{name}"), out));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| leaves(item, &format!("{pointer}/{n}"), out));
        }
        _ => out.push(pointer.to_owned()),
    }
}

/// Values that some rule or other tells from those of a good resource.
fn others() -> Vec<Value> {
    let texts = [
        "",
        " ",
        " x",
        "x ",
        "a b",
        "x\u{7}",
        "x\ty",
        "\"",
        "\u{7f}",
        "例示",
        "\u{3000}",
        "x1",
        "-",
        "a_b",
        "Patient/1",
        "Patient/例",
        "Practitioner/1",
        "Nobody/1",
        "Patient/a/b",
        "#a",
        "#med",
        "#",
        "med",
        "urn:uuid:1",
        "2026",
        "2026-13",
        "1900-01-01",
        "2999-01-01",
        "2026-02-30",
        "2026-01-01T00:00:00+09:00",
        "2026-01-01T00:00",
        "final",
        "home",
        "entered-in-error",
        "http://unitsofmeasure.org",
        "http://a b",
        "http://local.example",
    ];
    let numbers = ["0", "1", "1.5", "-1", "-0.5", "1e3", "123456789012", "0.0", "99999", "2147483648"];
    // Every word of the invariants is tried too: one that they compare and the form does not see is found.
    let words = include_str!("invariant.rs").split('"').skip(1).step_by(2);
    let words: BTreeSet<&str> = words.filter(|word| word.len() < 60).collect();
    let number = |text: &&str| serde_json::from_str::<Value>(text).expect("it is a number");
    texts
        .into_iter()
        .chain(words)
        .map(|text| json!(text))
        .chain(numbers.iter().map(number))
        .chain([json!(true), json!(false)])
        .collect()
}

#[test]
fn what_rules_compare_is_looked_at_whole() {
    for name in ["system", "url", "type", "resourceType", "profile", "fullUrl", "unknown"] {
        assert_eq!(look(name), Look::Whole, "{name}");
    }
    for name in ["component", "entry", "doseRange"] {
        assert_eq!(look(name), Look::Compared, "{name}");
    }
    for (name, wanted) in [
        ("family", Look::Text),
        ("given", Look::Text),
        ("code", Look::Known),
        ("display", Look::Known),
        ("use", Look::Known),
        ("status", Look::Known),
        ("value", Look::Known),
        ("id", Look::Id),
        ("reference", Look::Reference),
        ("birthDate", Look::Moment),
        ("issued", Look::Moment),
        ("end", Look::Moment),
    ] {
        assert_eq!(look(name), wanted, "{name}");
    }
}

#[test]
fn resources_of_one_form_have_one_verdict() {
    let (bases, others) = (bases(), others());
    let mut keys = Keys::new();
    bases.iter().for_each(|base| intern(base, &mut keys));
    let verdicts = Verdicts::new(&keys);
    let (mut alike, mut walked, mut formless) = (0, 0, 0);
    for base in &bases {
        let kind = base["resourceType"].as_str().expect("a base says its type");
        let mut seen: HashMap<[u64; 2], Vec<(String, Option<String>)>> = HashMap::new();
        let mut try_one = |resource: &Value, said: &str| {
            let Some(form) = form(resource, &keys, &verdicts) else {
                formless += 1;
                return;
            };
            let found = check(kind, resource);
            let mut found: Vec<_> =
                found.into_iter().map(|f| (f.code.into_owned(), f.detail.map(|d| d.into_owned()))).collect();
            found.sort();
            match seen.get(&form) {
                Some(first) => {
                    assert_eq!(*first, found, "{kind} {said}");
                    alike += 1;
                }
                None => {
                    walked += 1;
                    seen.insert(form, found);
                }
            }
        };
        try_one(base, "as it is");
        let mut places = Vec::new();
        leaves(base, "", &mut places);
        let own: Vec<Value> = places.iter().filter_map(|place| base.pointer(place).cloned()).collect();
        for place in &places {
            for other in others.iter().chain(&own) {
                let mut changed = base.clone();
                *changed.pointer_mut(place).expect("was walked") = other.clone();
                try_one(&changed, &format!("{place} = {other}"));
            }
        }
    }
    // Both happen: most names and dates change nothing, most codes do.
    assert!(alike > 5_000 && walked > 5_000, "{alike} {walked} {formless}");
    assert!(formless < walked, "{formless}");
}

#[test]
fn a_form_is_of_what_is_asked_alone() {
    let mut keys = Keys::new();
    let patient = |family: &str, born: &str, start: &str| {
        json!({
            "resourceType": "Patient", "id": "a", "birthDate": born,
            "name": [{ "family": family, "period": { "start": start, "end": "2026-01-01" } }],
        })
    };
    let first = patient("例示", "1970-01-01", "2020-01-01");
    intern(&first, &mut keys);
    let inner = json!([{ "url": "http://local.example", "valuePeriod": { "start": "2019-01-01" } }]);
    let mut nested = first.clone();
    nested["name"][0]["period"]["extension"] = inner;
    intern(&nested, &mut keys);
    let verdicts = Verdicts::new(&keys);
    let of = |resource: &Value| form(resource, &keys, &verdicts).expect("it has a form");
    assert_eq!(of(&first), of(&patient("見本", "1985-12-31", "2025-12-31")));
    // A name that is blank, a day that there is not, an end before its start.
    assert_ne!(of(&first), of(&patient(" ", "1970-01-01", "2020-01-01")));
    assert_ne!(of(&first), of(&patient("例示", "1970-02-30", "2020-01-01")));
    assert_ne!(of(&first), of(&patient("例示", "1970-01-01", "2027-01-01")));
    // Of a Period within a Period it is not seen which ends belong together.
    assert_eq!(form(&nested, &keys, &verdicts), None);
    // Forms are kept only as long as there is room.
    verdicts.keep((0..30_000).map(|n| [n, n]).collect());
    verdicts.keep(vec![of(&first)]);
    assert!(verdicts.known().contains(&of(&first)) && verdicts.known().len() == 1);
}
