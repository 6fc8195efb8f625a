//! What a message with several orders makes of each, against what the orders make alone.

use crate::mapping::tests::{context, shipped};
use crate::mapping::{Layer, MappingSet, Rank, SourceFile, translate};
use crate::ssmix2::FileName;
use crate::translation::{Resource, Role, Status, Translation};
use std::collections::BTreeMap;
use std::sync::OnceLock;

fn set() -> &'static MappingSet {
    static ONCE: OnceLock<MappingSet> = OnceLock::new();
    ONCE.get_or_init(|| MappingSet::load(shipped()).expect("the shipped set loads"))
}

fn told(kind: &str, segments: &str) -> Translation {
    let head = format!("MSH|^~\\&|H|S|G|R|20240401120000||{kind}|C1|P|2.5\rPID|||1||見本^太郎^^^^^L^I\r");
    translate(set(), (head + segments).as_bytes(), &context())
}

/// Each unit of a message: whether it is taken back, and its resources.
type Units = BTreeMap<String, (bool, BTreeMap<String, String>)>;

fn units(out: &Translation) -> Units {
    assert_eq!(out.status, Status::Translated, "{:?}", out.findings);
    let divided = out.divided();
    let all = if divided.is_empty() { vec![out.clone()] } else { divided };
    let resources = |one: &Translation| {
        // What no unit owns is in every part, and not made of an order that is taken back alone.
        let own = one.resources.iter().filter(|made| made.role == Role::Unit);
        let text = |made: &Resource| String::from_utf8(made.json.clone()).unwrap();
        own.map(|made| (format!("{}/{}", made.resource_type, made.id), text(made))).collect()
    };
    let units = all.iter().map(|one| {
        let unit = one.unit.as_ref().expect("a unit");
        (unit.key.clone(), (unit.withdrawn, resources(one)))
    });
    units.collect()
}

/// A message of several orders gives the units that they give alone, whatever their order.
fn as_alone(kind: &str, orders: &[&str]) {
    let mut alone = Units::new();
    for order in orders {
        alone.extend(units(&told(kind, order)));
    }
    assert_eq!(alone.len(), orders.len(), "as many units as orders");
    let forward = told(kind, &orders.join("\r"));
    let backward = told(kind, &orders.iter().rev().copied().collect::<Vec<_>>().join("\r"));
    for together in [&forward, &backward] {
        assert_eq!(units(together), alone, "{kind}");
        let codes: Vec<_> = together.findings.iter().map(|finding| finding.code.as_ref()).collect();
        assert!(!codes.contains(&"orders-several"), "{codes:?}");
    }
    assert_eq!(forward.unit, forward.shares.first().map(|share| share.unit.clone()));
}

const LAB_A: &str = "SPM|1|S1||023^血清^JC10|||||||||||||202404010830\rORC|NW|A|||||||20240401|||D1^医師^一郎\rOBR|1|A||3B010^AST^JC10\rOBX|1|NM|X1^体重^99X||60|kg|||||F";
const LAB_B: &str = "SPM|1|S2||019^全血^JC10|||||||||||||202404010831\rORC|NW|B|||||||20240401|||D2^医師^二郎\rOBR|1|B||2A990^血算^JC10";

#[test]
fn several_orders_give_what_each_gives_alone() {
    as_alone("OML^O33", &[LAB_A, LAB_B]);
    as_alone("OML^O33", &[LAB_A, &LAB_B.replace("NW", "CA")]);
    as_alone("OML^O33", &[&LAB_A.replace("NW", "CA"), &LAB_B.replace("NW", "DC")]);
    let o21 = [
        "ORC|NW|A|||||||20240401\rOBR|1|A||3B010^AST^JC10",
        "ORC|NW|B|||||||20240401\rOBR|1|B||2A990^血算^JC10",
    ];
    as_alone("OML^O21", &o21);
    as_alone("OMG^O19", &o21);
    as_alone("ORM^O01", &o21);
    as_alone("ORM^O01", &["OBR|1|A||3B010^AST^JC10|||20240401", "OBR|1|B||2A990^血算^JC10|||20240401"]);
    // The guideline's form: the order, once more as a parent, with its children.
    let family = |own: &str| {
        format!(
            "ORC|NW|{own}|||||||20240401\rOBR||{own}||1000^単純撮影^JJ1017\rORC|PA|{own}|||||||20240401\rOBR||{own}||1000^単純撮影^JJ1017\rORC|CH|{own}-1||||||{own}|20240401\rOBR||{own}-1||1001^立位正面^JJ1017"
        )
    };
    as_alone("OMG^O19", &[&family("A"), &family("B"), o21[1].replace("|B|", "|C|").as_str()]);
    as_alone(
        "OMD^O03",
        &[
            "ORC|NW|A|||||||20240401\rTQ1|1||||||20240401\rODS|D||K1^常食^99M",
            "ORC|NW|B|||||||20240401\rTQ1|1||||||20240402\rODS|D||K2^粥食^99M",
        ],
    );
    let drugs = |own: &str, drug: &str| {
        format!(
            "ORC|NW|{own}||{own}_01_001|||||20240401\rRXE||{drug}^架空錠^HOT9|1||TAB^錠^MR9P\rTQ1|1||1013044400000000&毎食後&JAMISDP01\rORC|NW|{own}||{own}_02_001|||||20240401\rRXE||{drug}9^別の錠^HOT9|2||TAB^錠^MR9P\rTQ1|1||1013044400000000&毎食後&JAMISDP01"
        )
    };
    as_alone("RDE^O11", &[&drugs("A", "10000001"), &drugs("B", "10000002")]);
    as_alone("RDE^O11", &[&drugs("A", "10000001"), &drugs("B", "10000002").replace("NW", "CA")]);
    let drip = |own: &str| {
        format!(
            "ORC|NW|{own}||{own}_01_001|||||20240401\rRXE||00^一般^JHSI0002|||||||||||||||||||||100|mL/h\rTQ1|1||||||20240402\rRXR|IV^静脈^HL70162\rRXC|B|620000001^架空液^HOT9|500|ML^ミリリットル^MR9P"
        )
    };
    as_alone("RDE^O11", &[&drip("A"), &drip("B"), &drip("C")]);
    let given = |own: &str, drug: &str| {
        format!(
            "ORC|NW|{own}||1|||||20240401\rRXA|0|1|202404020830|202404020830|{drug}^架空錠^HOT9|1|TAB^錠^MR9P|||||||||||||CP\rRXR|PO^口^HL70162"
        )
    };
    as_alone("RAS^O17", &[&given("A", "100000001"), &given("B", "100000001"), &given("C", "100000002")]);
    let act = |own: &str| {
        format!(
            "ORC|NW|{own}|||||||20240401\rOBR||{own}||1000^単純撮影^JJ1017\rORC|CH|{own}-1||||||{own}|20240401\rOBR||{own}-1||1001^立位正面^JJ1017\rZE1|1|00^実施^JHSI0006|1001^立位正面^JJ1017"
        )
    };
    as_alone("OMI^Z23", &[&act("A"), &act("B")]);
    let curve = |own: &str, text: &str| {
        format!(
            "OBR|1|{own}||9A110^心電図^JC10|||20240401\rOBX|1|ST|9A110000000000001^所見^JC10||{text}||||||F|||202404010900"
        )
    };
    as_alone("ORU^R01", &[&curve("E1", "洞調律"), &curve("E2", "異常なし")]);
    as_alone(
        "OUL^R21",
        &[&curve("L1", "1").replace("9A110", "3A015"), &curve("L2", "2").replace("9A110", "3A015")],
    );
    let vital = |own: &str, value: &str| {
        format!(
            "ORC|RE||{own}\rOBR|1||{own}|VS^バイタル^99ZL01|||20240401\rOBX|1|NM|9P100000000000001^体温^JC10||{value}|Cel^度^ISO+|||||F|||202404010900"
        )
    };
    as_alone("ORU^R30", &[&vital("V1", "36.5"), &vital("V2", "37.1")]);
    let result = |own: &str, code: &str| {
        format!("OBR|1|{own}||{code}^検査^JC10|||202404010830\rOBX|1|NM|{code}^項目^JC10||1|mg|||||F")
    };
    as_alone(
        "ORU^R01",
        &[&result("A", "3B010"), &result("B", "3B011"), &format!("ORC|CA|C\r{}", result("C", "3B012"))],
    );
    as_alone(
        "ORU^R01",
        &[&result("^|F1", "3B010"), &result("^|F2", "3B011")]
            .map(|text| text.replace("^|", ""))
            .each_ref()
            .map(|text| text.as_str()),
    );
}

#[test]
fn demographics_of_a_person_without_a_visit_are_demographics() {
    let told = |kind: &str| told(kind, "IN1|1|06^組合^JHSD0001|06139999|||||||見本~1~00||20240401");
    let (a08, a28, a31) = (told("ADT^A08"), told("ADT^A28"), told("ADT^A31"));
    assert_eq!(a08.kind.as_deref(), Some("ADT-00"));
    assert!(a08.resources.iter().any(|made| made.resource_type == "Coverage"));
    for other in [&a28, &a31] {
        assert_eq!(units(other), units(&a08));
        assert_eq!(other.resources, a08.resources);
    }
}

#[test]
fn a_specimen_around_two_orders_is_in_both() {
    let spm = "SPM|1|S1||023^血清^JC10|||||||||||||202404010830";
    let [a, b] = ["A", "B"]
        .map(|own| format!("OBR|1|{own}||3^生化学^99X\rORC|SC|{own}\rOBX|1|NM|{own}1^項目^99X||1|mg|||||F"));
    let together = told("OUL^R22", &format!("{spm}\r{a}\r{b}"));
    let mut alone = units(&told("OUL^R22", &format!("{spm}\r{a}")));
    alone.extend(units(&told("OUL^R22", &format!("{spm}\r{b}"))));
    assert_eq!(units(&together), alone);
    assert!(alone.values().all(|(_, made)| made.keys().any(|id| id.starts_with("Specimen/"))), "{alone:?}");
    assert!(together.unread.is_empty(), "{:?}", together.unread);
}

#[test]
fn groups_without_a_number_and_children_go_with_their_order() {
    let codes =
        |out: &Translation| out.findings.iter().map(|finding| finding.code.clone()).collect::<Vec<_>>();
    // No number of its own, by which it would be alone: as until now, all of one order.
    let one = told(
        "ORU^R01",
        "OBR|1|A||3^x^99X|||20240401\rOBX|1|NM|1^x^99X||1||||||F\rOBR|2||F2|4^x^99X|||20240401\rOBX|1|NM|2^x^99X||1||||||F",
    );
    assert!(one.shares.is_empty() && one.status == Status::Translated, "{:?}", codes(&one));
    // What a susceptibility follows from is of another number: they stay together, and that is said.
    let micro = told(
        "ORU^R01",
        "OBR|1|A||6^培養^99X|||20240401\rOBX|1|CWE|ORG^菌^99X|1|EC^大腸菌^99X||||||F\rOBR|2|A2||7^感受性^99X|||20240401|||||||||||||||||||ORG&菌&99X^1|||A\rOBX|1|ST|S1^薬^99X|1|S||||||F\rOBR|3|B||8^x^99X|||20240401\rOBX|1|NM|3^x^99X||1||||||F",
    );
    assert_eq!(micro.shares.len(), 2, "{:?}", codes(&micro));
    assert!(codes(&micro).contains(&"orders-several".into()));
    // Children whose parent is not there could be given to no order: the message is held, all of it.
    let lone = told("OML^O33", &format!("{LAB_A}\rORC|CH|C||||||X|20240401\rOBR|1|C||4^x^99X"));
    assert_eq!(lone.status, Status::Quarantined);
    assert!(codes(&lone).contains(&"child-alone".into()), "{:?}", codes(&lone));
    // Each the other's parent: no order is lost and nothing turns for ever.
    let round = told(
        "OML^O33",
        "ORC|NW|A||||||B|20240401\rOBR|1|A||4^x^99X\rORC|NW|B||||||A|20240401\rOBR|1|B||5^x^99X",
    );
    assert!(round.shares.is_empty(), "{:?}", codes(&round));
}

#[test]
fn an_order_that_is_replaced_by_another_is_taken_back_and_the_other_stands() {
    let (rp, ro) = ("ORC|RP|A|||||||20240401\rOBR|1|A||3^x^99X", "ORC|RO|B|||||||20240401\rOBR|1|B||4^x^99X");
    let both = units(&told("OML^O21", &format!("{rp}\r{ro}")));
    let alone = units(&told("OML^O21", &ro.replace("RO", "NW")));
    assert_eq!(both.values().map(|(withdrawn, _)| *withdrawn).filter(|w| *w).count(), 1);
    assert_eq!(both.values().filter(|(withdrawn, _)| !withdrawn).count(), 1);
    assert!(alone.keys().all(|key| !both[key].0), "the new one is of its own number");
    let held = told("OML^O21", &format!("{rp}\r{}", ro.replace("RO", "NW")));
    assert_eq!(held.status, Status::Quarantined, "{:?}", held.findings);
}

#[test]
fn what_holds_one_order_holds_the_message() {
    let out = told("OML^O33", &format!("{LAB_A}\r{}", LAB_B.replace("NW", "UA")));
    assert_eq!(out.status, Status::Quarantined);
    assert_eq!(out.shares.len(), 2, "its units are known: {:?}", out.findings);
}

#[test]
fn findings_and_positions_are_those_of_the_message() {
    // The same of the header once; of the second order's segment at its place.
    let out =
        told("OML^O33", &format!("{LAB_A}\r{LAB_B}\rOBX|1|NM|X9^熱^99X||x|kg|||||F|||||||||Z")).findings;
    assert!(out.iter().all(|one| out.iter().filter(|other| *other == one).count() == 1), "{out:#?}");
    assert!(out.iter().any(|one| one.location.position.starts_with("OBX[2]")), "{out:#?}");
    // Of an order that is taken back its segments are named, and those of the other are not.
    let out = told("OML^O33", &format!("{LAB_A}\r{}", LAB_B.replace("NW", "CA"))).findings;
    let left: Vec<_> = out
        .iter()
        .filter(|one| one.code == "withdrawn-content")
        .map(|one| one.location.position.as_str())
        .collect();
    assert_eq!(left, ["SPM[2]", "OBR[2]"]);
}

#[test]
fn a_file_of_a_storage_and_more_orders_than_a_message_may_have_stay_one_unit() {
    let many: Vec<String> =
        (0..101).map(|n| format!("ORC|NW|{n}|||||||20240401\rOBR|1|{n}||{n}^x^99X")).collect();
    for (count, units) in [(100, 100), (101, 0)] {
        let out = told("OML^O21", &many[..count].join("\r"));
        assert_eq!(
            (
                out.shares.len(),
                out.resources.iter().filter(|one| one.resource_type == "ServiceRequest").count()
            ),
            (units, count)
        );
        assert_eq!(out.findings.iter().any(|one| one.code == "orders-several"), units == 0);
    }
    let mut context = context();
    context.file = Some(FileName {
        patient: "1".into(),
        date: "20240401".into(),
        data_type: "OML-01".into(),
        order_number: "A".into(),
        time: "20240401120000000".into(),
        department: "-".into(),
        flag: '1',
        folders: None,
        slices: None,
    });
    let head = "MSH|^~\\&|H|S|G|R|20240401120000||OML^O33|C1|P|2.5\rPID|||1||見本^太郎^^^^^L^I\r";
    let out = translate(set(), format!("{head}{LAB_A}\r{LAB_B}").as_bytes(), &context);
    assert!(out.shares.is_empty() && out.unit.is_some(), "{:?}", out.findings);
    assert!(out.findings.iter().any(|one| one.code == "orders-several"));
}

#[test]
fn a_layer_may_leave_a_message_whole() {
    let layer = SourceFile {
        path: "messages/OML-01.toml".into(),
        text: "[message]\nid = \"OML-01\"\neach = \"off\"\n".into(),
    };
    let set = set().over(Layer::new(Rank::Network, vec![layer])).unwrap();
    let head = "MSH|^~\\&|H|S|G|R|20240401120000||OML^O33|C1|P|2.5\rPID|||1||見本^太郎^^^^^L^I\r";
    let out = translate(&set, format!("{head}{LAB_A}\r{LAB_B}").as_bytes(), &context());
    assert!(out.shares.is_empty() && out.unit.is_some(), "{:?}", out.findings);
    assert!(out.findings.iter().any(|one| one.code == "orders-several"));
}

#[test]
fn many_orders_of_many_lines_take_no_square_of_them() {
    let time = |lines: usize| {
        let order = |n: usize| {
            let line =
                |i: usize| format!("\rOBX|{i}|NM|3A015{i:012}^項目^JC10||1.5|mg/dL^mg/dL^99XYZ|1-2|||F");
            let lines: String = (0..lines).map(line).collect();
            format!("OBR|{n}|{n}||3^検査^JC10|||202404010830{lines}")
        };
        let text = (0..100).map(order).collect::<Vec<_>>().join("\r");
        let from = std::time::Instant::now();
        let out = told("ORU^R01", &text);
        assert_eq!((out.shares.len(), out.status), (100, Status::Translated), "{:?}", out.findings.first());
        assert!(out.resources.len() > 100 * lines);
        from.elapsed()
    };
    let (short, long) = (time(5), time(40));
    assert!(long < short * 30 + std::time::Duration::from_millis(500), "{short:?} {long:?}");
}
