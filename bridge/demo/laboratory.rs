//! What the invented laboratory company puts into its folder: a CSV of 45 columns in CP932, with ids of patients
//! as laboratories write them, without leading zeros.

use std::path::Path;

/// 45 columns of layout `lab-csv44`, those that are filled by their position.
fn row(cells: &[(usize, &str)]) -> String {
    let mut all = vec![String::new(); 45];
    for (position, text) in cells {
        all[position - 1] = (*text).to_owned();
    }
    all.join(",")
}

/// A result of a patient of a facility.
struct Line<'a> {
    facility: &'a str,
    patient: (&'a str, &'a str, &'a str),
    order: &'a str,
    taken: &'a str,
    item: (&'a str, &'a str, &'a str),
    value: (&'a str, &'a str),
}

fn line(of: &Line<'_>) -> String {
    row(&[
        (1, "EXAMPLE"),
        (2, "見本検査センター"),
        (3, of.facility),
        (8, of.patient.0),
        (9, of.patient.1),
        (10, of.patient.2),
        (11, "19680405"),
        (12, "1"),
        (20, of.order),
        (24, of.taken),
        (25, "023"),
        (28, of.item.0),
        (29, of.item.1),
        (31, of.item.2),
        (34, "F"),
        (35, of.value.0),
        (37, of.value.1),
    ])
}

/// Writes a file: results of two patients of the clinic, one of the hospital, and two wrong on purpose: a result
/// without its time of collection, and a facility that the laboratory may not name.
pub(super) fn fill(folder: &Path, day: &str, clinic: &str, hospital: &str) -> std::io::Result<()> {
    const PROTEIN: (&str, &str, &str) = ("00051", "総蛋白", "3A015000002327101");
    const CRP: (&str, &str, &str) = ("00638", "CRP", "5C070000002306201");
    let at = format!("{day}093000");
    let taro = ("12345", "例示　太郎", "ﾚｲｼﾞ ﾀﾛｳ");
    let shiro = ("12346", "例示　四郎", "ﾚｲｼﾞ ｼﾛｳ");
    let hanako = ("100022", "例示　花子", "ﾚｲｼﾞ ﾊﾅｺ");
    let lines = [
        Line {
            facility: clinic,
            patient: taro,
            order: "D001",
            taken: &at,
            item: PROTEIN,
            value: ("7.2", "g/dL"),
        },
        Line {
            facility: clinic,
            patient: taro,
            order: "D001",
            taken: &at,
            item: CRP,
            value: ("0.05", "mg/dL"),
        },
        Line {
            facility: clinic,
            patient: shiro,
            order: "D002",
            taken: &at,
            item: PROTEIN,
            value: ("6.9", "g/dL"),
        },
        Line {
            facility: hospital,
            patient: hanako,
            order: "D003",
            taken: &at,
            item: CRP,
            value: ("1.20", "mg/dL"),
        },
        Line {
            facility: clinic,
            patient: taro,
            order: "D004",
            taken: "",
            item: CRP,
            value: ("0.10", "mg/dL"),
        },
        Line {
            facility: "1319999990",
            patient: taro,
            order: "D005",
            taken: &at,
            item: CRP,
            value: ("0.2", "mg/dL"),
        },
    ];
    let mut text = format!("検査結果{}\r\n", ",".repeat(44));
    text.push_str(&format!("{}\r\n", row(&[(1, "検査所"), (3, "施設"), (8, "患者")])));
    for each in &lines {
        text.push_str(&line(each));
        text.push_str("\r\n");
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(format!("result-{day}.csv")), encoding_rs::SHIFT_JIS.encode(&text).0)
}
