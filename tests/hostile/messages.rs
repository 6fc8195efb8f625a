//! Messages of patients whose names and numbers stand nowhere else, good ones and broken ones.

/// Who they are: names in kanji, kana and Latin letters, ids, order numbers, address and telephone.
/// Any of them found where it must not be is a leak.
pub const CANARIES: &[&str] = &[
    "金糸雀",
    "衛門之丞",
    "ｶﾅﾘﾔｻﾞ",
    "カナリヤザ",
    "エモンノジョウ",
    "KANARIYAZA",
    "EMONNOJO",
    "7766550",
    "8844226600",
    "カナリア町",
    "555-778-9912",
];

/// The same in the place of a code, a unit or a number: a mapping administrator is shown what stands there, so
/// `message show` and the page of a message alone may show these.
pub const MISPLACED: &[&str] = &["迷子糸雀", "MAIGOKANARI", "3355779911"];

/// Ids of the patients; they begin as the canary does.
pub const PATIENTS: [&str; 4] = ["7766550011", "7766550022", "7766550033", "7766550044"];

const ORDER: &str = "000008844226600";
const NAME: &str = "金糸雀^衛門之丞^^^^^L^I~カナリヤザ^エモンノジョウ^^^^^L^P~KANARIYAZA^EMONNOJO^^^^^L^A";

/// A header whose control id begins with the patient's id, as some makers do it.
fn header(kind: &str, patient: &str, number: usize) -> String {
    format!("MSH|^~\\&|HIS|H|GW|GW|20260401090000||{kind}|{patient}{number:04}|P|2.5||||||UNICODE UTF-8")
}

fn pid(patient: &str) -> String {
    format!(
        "PID|0001||{patient}^^^^PI||{NAME}||19650415|M|||^^^^999-0000^JPN^H^架空県カナリア町1-2-3||^PRN^PH^^^^^^^^^555-778-9912"
    )
}

fn join(segments: &[&str]) -> Vec<u8> {
    (segments.join("\r") + "\r").into_bytes()
}

/// ADT-00 of a patient.
pub fn demographics(patient: &str, number: usize) -> Vec<u8> {
    let header = header("ADT^A08^ADT_A01", patient, number);
    join(&[&header, "EVN||20260401090000", &pid(patient), "PV1|0001|O|01"])
}

/// A laboratory result; `order` tells orders of a patient apart.
pub fn results(patient: &str, order: usize, number: usize) -> Vec<u8> {
    let order = format!("{ORDER}{order:03}");
    let (spm, obr, orc) = (
        format!("SPM|1|{order}||023^血清^JC10|||||||||||||20260401"),
        format!("OBR|1|{order}|{order}|3^LAB^JC10|||20260401|20260401||||||||||||||20260401090000|||F"),
        format!("ORC|SC|{order}|{order}||CM||||20260401090000"),
    );
    let obx = "OBX|1|NM|3C015000002327101^CRE^JC10||0.9|mg/dL^mg/dL^99XYZ|||||F";
    join(&[
        &header("OUL^R22^OUL_R22", patient, number),
        &pid(patient),
        "PV1|0001|O|01",
        &spm,
        &obr,
        &orc,
        obx,
    ])
}

/// Messages that a journal takes and that are wrong in one way each.
pub fn broken(patient: &str) -> Vec<Vec<u8>> {
    let (id, p) = (patient, pid(patient));
    let lab = String::from_utf8(results(id, 900, 900)).unwrap();
    let swap = |from: &str, to: &str| lab.replacen(from, to, 1).into_bytes();
    let adt = |number| header("ADT^A08^ADT_A01", id, number);
    let mut all = vec![
        // No PID; an appointment, which nothing reads; two patients.
        join(&[&adt(1), "EVN|", "PV1|1|O", "OBX|1|ST|X||金糸雀 衛門之丞 7766550011"]),
        join(&[&header("SIU^S12^SIU_S12", id, 2), &p, "SCH|1"]),
        join(&[&header("ADT^A43^ADT_A43", id, 3), &p, "MRG|7766550022"]),
        // A line end within a text, so that a name stands where segments are named.
        join(&[&adt(4), &p, "OBX|1|ST|X||所見", "金糸雀 衛門之丞|7766550011", "KANARIYAZA", "PV1|1|O"]),
        // Segments without an end, parted by a space or by nothing.
        [adt(5), p.clone(), "PV1|1|O".into()].join(" ").into_bytes(),
        [header("ADT^A08", id, 6), p.clone()].concat().into_bytes(),
        format!("MSH|^~\\&|HIS|H|GW|GW|20260401||ADT^A08|{id}0007|P|2.5 {p}").into_bytes(),
        // Fields shifted: the name where the type, the control id, the charset and the version stand.
        join(&[&format!("MSH|^~\\&|HIS|H|GW|GW|20260401|ADT^A08|{NAME}|{id}|P|2.5"), &p]),
        join(&[
            &format!(
                "MSH|^~\\&|迷子糸雀|3355779911|GW|GW|金糸雀|ADT|ADT^A08|金糸雀|MAIGOKANARI|MAIGOKANARI||||||{NAME}"
            ),
            &p,
        ]),
        join(&[&format!("MSH|^~\\&|HIS|H|GW|GW|20260401|ADT^A08|KAN^{id}^EMONNOJO|{id}0010|P|2.5"), &p]),
        // A name in a segment nobody knows, a second header, bytes that are no text.
        join(&[&adt(11), &p, "ZKA|金糸雀|7766550011", &adt(12), &p]),
        [&join(&[&adt(13), &p])[..], b"NTE|1||\x1b$B\xff\xfe\x80\x80 KANARIYAZA\r"].concat(),
        // A header too broken for the walk, and one with delimiters that are none.
        format!("MSH|^~\\&\r{p}\r").into_bytes(),
        format!("MSH|金糸雀|HIS|H|GW|GW|20260401||ADT^A08|{id}0014|P|2.5\r{p}\r").into_bytes(),
    ];
    // A name or an id in the place of a code, a number, a date, a status, a unit, a class.
    for (from, to) in [
        ("|19650415|M|", "|金糸雀|KANARIYAZA|"),
        ("|CM||||20260401090000", "|迷子糸雀||||MAIGOKANARI"),
        ("ORC|SC|", "ORC|MAIGOKANARI|"),
        ("||0.9|", "||金糸雀 7766550011|"),
        ("||0.9|", "||0.9.KANARIYAZA|"),
        ("|mg/dL^mg/dL^99XYZ", "|迷子糸雀^MAIGOKANARI^3355779911"),
        ("|||||F", "|||||迷子糸雀"),
        ("OBX|1|NM|", "OBX|MAIGOKANARI|迷子糸雀|"),
        ("3C015000002327101^CRE^JC10", "3355779911^迷子糸雀^MAIGOKANARI"),
        ("023^血清^JC10", "^迷子糸雀"),
        ("PV1|0001|O|01", "PV1|迷子糸雀|MAIGOKANARI|3355779911"),
        ("|7766550011^^^^PI|", "|金糸雀^^^^PI|"),
        ("|20260401|20260401|", "|迷子糸雀|3355779911|"),
        ("SPM|1|", "SPM|迷子糸雀|"),
    ] {
        all.push(swap(from, to));
    }
    all
}

/// Blocks that the door refuses, as they go over the wire, broken framing and garbage included.
pub fn refused(oversize: usize) -> Vec<u8> {
    let (p, id) = (pid(PATIENTS[0]), PATIENTS[0]);
    let large = format!(
        "{}\r{p}\rNTE|1||{}",
        header("ADT^A08", id, 7_000),
        "金糸雀 KANARIYAZA ".repeat(oversize / 20)
    );
    let mut wire = Vec::new();
    wire.extend(format!("garbage {p}\r").into_bytes());
    for block in [&p[..], "金糸雀", "", &large, &format!("MS{p}")] {
        wire.extend([b"\x0b", block.as_bytes(), b"\x1c\r"].concat());
    }
    wire.extend([b"\x0b", p.as_bytes(), b"\x0b", &demographics(id, 7_001)[..], b"\x1c\r"].concat());
    wire.extend([b"\x0b", p.as_bytes()].concat());
    wire
}

/// Files of a storage, path and content: good, withdrawn, replaced, contradicting and misnamed.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let (id, other) = (PATIENTS[2], PATIENTS[3]);
    let path = |id: &str, kind: &str, order: &str, flag: char| {
        format!(
            "{}/{}/{id}/20260401/{kind}/{id}_20260401_{kind}_{order}_20260401090000000_01_{flag}",
            &id[..3],
            &id[3..6]
        )
    };
    let undated = |id: &str| {
        format!(
            "{}/{}/{id}/-/ADT-00/{id}_-_ADT-00_999999999999999_20260401090000000_-_1",
            &id[..3],
            &id[3..6]
        )
    };
    let order = |n: usize| format!("{}{n:03}", &ORDER[3..]);
    vec![
        (undated(id), demographics(id, 1)),
        (path(id, "OML-11", &order(1), '1'), results(id, 1, 2)),
        (path(id, "OML-11", &order(2), '0'), results(id, 2, 3)),
        (path(id, "OML-11", &order(3), '2'), results(id, 3, 4)),
        (path(id, "OML-11", &order(4), '1'), results(other, 4, 5)),
        (path(id, "OML-11", &order(5), '9'), results(id, 5, 6)),
        (path(id, "OML-11", &order(6), '1'), "金糸雀 KANARIYAZA".into()),
        (path(other, "ZZZ-99", &order(7), '1'), results(other, 7, 7)),
        (path(id, "OMP-01", &order(8), '1'), results(id, 8, 8)),
        (format!("{id}_金糸雀.txt"), b"7766550033".to_vec()),
        (format!("776/655/{other}/{id}_KANARIYAZA"), demographics(id, 9)),
    ]
}
