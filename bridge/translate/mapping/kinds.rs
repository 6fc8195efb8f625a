//! Which message file reads a drug order or an administration that comes without a folder.
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
