//! Which message file reads a drug order or an administration that comes without a folder, and what a message is the whole of.
//!
//! Facts: ssmix2.md 3, RXE (in injections RXE-2 is the category and drugs are in RXC); mapping-facts.md 5 and 6 (tables
//! JHSP… of prescriptions, JHSI… and 99IC… of injections, JAMI usage digit 1). What they do not say is in OMP-01.toml.

use super::tests::{context, shipped};
use super::{MappingSet, translate};

const INFERRED: &str = "order-kind-inferred";

/// The kind that a message of a trigger becomes, and whether it says that it was inferred.
fn check(set: &MappingSet, trigger: &str, rows: &[(&str, &str, bool)]) {
    for (segments, kind, inferred) in rows {
        let head =
            format!("MSH|^~\\&|H|S|G|R|20240401120000||{trigger}|C1|P|2.5\rPID|||0000000123||見本^太郎\r");
        let text = head + &segments.replace(" / ", "\r");
        let out = translate(set, text.as_bytes(), &context());
        let said = out.findings.iter().any(|finding| finding.code == INFERRED);
        assert_eq!((out.kind.as_deref(), said), (Some(*kind), *inferred), "{trigger} {segments}");
    }
}

#[test]
fn a_drug_order_is_told_by_its_most_certain_field() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    let (prescription, injection) = ("OMP-01", "OMP-02");
    check(
        &set,
        "RDE^O11",
        &[
            // RXE-2 names the kind of injection.
            ("ORC|NW|O1 / RXE||00^一般^99I02|1 / RXC|B|6^輸液^HOT9", injection, false),
            ("ORC|NW|O1 / RXE||00^一般^JHSI0002|1 / RXR|PO / RXC|B|6^輸液^HOT9", injection, false),
            ("ORC|NW|O1 / RXE||00^一般^JHSI0002|1", injection, false),
            ("ORC|NW|O1 / RXE||^^^00^一般^JHSI0002|1", injection, false),
            // Without the drugs of a mixture it is a prescription, and what contradicts that is said.
            ("ORC|NW|O1 / RXE||1^錠^HOT9|1", prescription, false),
            ("ORC|NW|O1 / RXE||L1^錠^99X^1^錠^YJ|1", prescription, false),
            ("ORC|NW|O1 / RXE||1^注^HOT9|1|||||||||||||||||||H1|100|ml&ml/hr / RXR|ZZ", prescription, true),
            // 自己注射: a route alone makes no injection of it.
            ("ORC|NW|O1 / RXE||1^インスリン^HOT9|1 / RXR|SC", prescription, false),
            ("ORC|NW|O1 / RXE||1^注^HOT9|1 / RXR|IV", prescription, true),
            ("ORC|NW|O1 / RXE||1^注^HOT9|1 / RXR|IV / RXC|A|2^生食^HOT9", injection, false),
            ("ORC|NW|O1 / RXE||1^輸液^HOT9|1 / RXR|D1^点滴^99R^IV / RXC|A|2^注^HOT9", injection, false),
            (
                "ORC|NW|O1 / RXE||1^輸液^HOT9|1|||||||||||||||||||H1|100|ml&ml/hr / RXC|A|2^注^HOT9",
                injection,
                false,
            ),
            // Tables of one kind.
            (
                "ORC|NW|O1 / RXE||M1^混合^99X|1||||||||||||||||||FTP^定時^JHSI0001 / RXR|ZZ / RXC|A|2^末^HOT9",
                injection,
                false,
            ),
            (
                "ORC|NW|O1 / RXE||M1^混合^99X|1||||5^遮光^JHSIC007 / RXR|IV / RXC|A|2^末^HOT9",
                injection,
                false,
            ),
            ("ORC|NW|O1 / RXE||M1^混合^99X|1||||X1^粉砕^JHSP0001 / RXC|A|2^末^HOT9", prescription, false),
            (
                "ORC|NW|O1 / RXE||M1^混合^99X|1||||a^b^99X~X1^粉砕^JHSP0002 / RXC|A|2^末^HOT9",
                prescription,
                false,
            ),
            (
                "ORC|NW|O1 / RXE||M1^混合^99X|1||||5^遮光^JHSIC007~X1^粉砕^JHSP0001 / RXC|A|2^末^HOT9",
                injection,
                true,
            ),
            // Usage and route.
            (
                "ORC|NW|O1 / RXE||M1^混合軟膏^99X|1 / TQ1|1||2B72000000000000&外用&JAMISDP01 / RXC|A|2^末^HOT9",
                prescription,
                false,
            ),
            ("ORC|NW|O1 / RXE||M1^混合軟膏^99X|1 / RXR|AP^外用 / RXC|A|2^末^HOT9", prescription, false),
            (
                "ORC|NW|O1 / RXE||M1^混合^99X|1 / TQ1|1||1013044400000000&内服&JAMISDP01 / RXR|IV / RXC|A|2^末",
                injection,
                true,
            ),
            // RXC alone, with a route of injections and without.
            ("ORC|NW|O1 / RXE||M1^混合^99X|1 / RXR|IV / RXC|A|2^末^HOT9", injection, false),
            ("ORC|NW|O1 / RXE||M1^混合^99X|1 / RXC|A|2^末^HOT9", injection, true),
            ("ORC|NW|O1 / RXE||M1^錠^99X|1", prescription, false),
            // Of which kind the order is that is taken back.
            ("ORC|CA|O1", prescription, true),
            ("ORC|CA|O1 / RXE||1^錠^HOT9|1", prescription, false),
            ("ORC|CA|O1 / RXE||00^一般^99I02|1", injection, false),
        ],
    );
}

#[test]
fn an_administration_is_told_by_its_order_then_by_rate_and_route() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    let (prescription, injection) = ("OMP-11", "OMP-12");
    let rxa = "RXA|0|1|202404010805||1^薬^HOT9|1|AMP^管^MR9P";
    let rate = format!("{rxa}|||||102ml/hr");
    let rows: Vec<(String, &str, bool)> = vec![
        (format!("ORC|NW|O1||1 / {rxa} / RXR|PO"), prescription, false),
        (format!("ORC|NW|O1||1 / {rxa} / RXR|IV"), injection, false),
        (format!("ORC|NW|O1||1 / {rate} / RXR|ZZ"), injection, false),
        (format!("ORC|NW|O1||1 / {rate} / RXR|PO"), injection, true),
        (format!("ORC|NW|O1||1 / {rxa} / RXR|ZZ"), prescription, true),
        (format!("ORC|NW|O1||1 / {rxa}"), prescription, true),
        // What the order says comes first.
        (format!("ORC|NW|O1||1 / RXE||00^一般^99I02|1 / {rxa} / RXR|ZZ"), injection, false),
        (format!("ORC|NW|O1||1 / RXE||1^薬^HOT9|1 / {rxa} / RXR|SC"), injection, false),
        (format!("ORC|NW|O1||1 / RXE||1^薬^HOT9|1 / {rxa} / RXR|IV"), injection, false),
        (format!("ORC|NW|O1||1 / RXE||1^薬^HOT9|1 / {rate} / RXR|IV"), injection, false),
        (
            format!("ORC|NW|O1||1 / RXE||M1^軟膏^99X|1 / RXC|A|2^末^HOT9 / {rxa} / RXR|AP"),
            prescription,
            false,
        ),
        (format!("ORC|NW|O1||1 / RXE||M1^混合^99X|1 / RXC|A|2^末^HOT9 / {rxa} / RXR|ZZ"), injection, true),
        (format!("ORC|NW|O1||1 / RXE||M1^混合^99X|1 / RXC|A|2^末^HOT9 / {rxa} / RXR|IV"), injection, false),
    ];
    let rows: Vec<(&str, &str, bool)> =
        rows.iter().map(|(text, kind, said)| (text.as_str(), *kind, *said)).collect();
    check(&set, "RAS^O17", &rows);
}

#[test]
fn measurements_without_a_number_take_no_other_ones_place() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    let unit = |control: &str, set_time: &str, item: &str, time: &str| {
        let text = format!(
            "MSH|^~\\&|H|S|G|R|20240401120000||ORU^R30|{control}|P|2.5\rPID|||0000000123||見本^太郎\r\
             OBR|1|||VS^バイタル^99ZL01|||{set_time}\rOBX|1|NM|{item}^体温^JC10||36.8||||||F|||{time}"
        );
        translate(&set, text.as_bytes(), &context()).unit.expect("the message has a unit").key
    };
    let (heat, pulse) = ("9P100000000000001", "9P200000000000001");
    let morning = unit("C1", "20240401", heat, "20240401090000");
    // Told again it is the same; in the evening, of something else, or of a day alone it is not.
    assert_eq!(unit("C2", "20240401", heat, "202404010900"), morning);
    assert_ne!(unit("C3", "20240401", heat, "20240401150000"), morning);
    assert_ne!(unit("C4", "20240401", pulse, "20240401090000"), morning);
    assert_ne!(unit("C5", "20240401", heat, ""), unit("C6", "20240401", heat, ""));
    assert_eq!(unit("C7", "202404010900", heat, ""), unit("C8", "202404010900", heat, ""));
}

#[test]
fn a_child_of_an_order_without_its_parent_is_held() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    for (lines, held) in [
        ("ORC|CH|R1-2||||||R1\rOBR|1|R1-2||X2^腹部CT^JJ1017", true),
        ("ORC|CA|R1-2||||||R1\rOBR|1|R1-2||X2^腹部CT^JJ1017", true),
        ("ORC|NW|R1\rOBR|1|R1||X1^CT^JJ1017\rORC|CH|R1-2||||||R1\rOBR|2|R1-2||X2^腹部CT^JJ1017", false),
        ("ORC|CA|R1\rOBR|1|R1||X1^CT^JJ1017", false),
    ] {
        let head = "MSH|^~\\&|H|S|G|R|20240401120000||OMG^O19|C1|P|2.5\rPID|||0000000123||見本^太郎\r";
        let out = translate(&set, [head, lines].concat().as_bytes(), &context());
        assert_eq!(out.findings.iter().any(|finding| finding.code == "child-alone"), held, "{lines}");
    }
}

#[test]
fn a_contact_with_one_address_is_nothing_to_tell_and_one_with_two_is() {
    let set = MappingSet::load(shipped()).expect("the shipped set loads");
    for (addresses, told) in [("^^^^100-0000", false), ("^^^^100-0000~^^^^200-0000", true)] {
        let text = format!(
            "MSH|^~\\&|H|S|G|R|20240401120000||ADT^A08|C1|P|2.5\rPID|||0000000123||見本^太郎||19700101|M\r\
             NK1|1|見本^花子|SPO^配偶者^HL70063|{addresses}"
        );
        let out = translate(&set, text.as_bytes(), &context());
        let said = out.findings.iter().any(|finding| finding.code == "value-first-only");
        assert_eq!(said, told, "{:?}", out.findings);
    }
}
