//! Reckons every figure of 参加状況 from two files, the ledger's export and the denominators, with nothing of
//! the program's own code, and compares.

use chrono::{Datelike, Days, Months, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

type Row = BTreeMap<String, String>;

/// The lines of a CSV, by column.
pub fn rows(text: &[u8]) -> Vec<Row> {
    let text = std::str::from_utf8(text).unwrap();
    let mut reader = csv::Reader::from_reader(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

const TYPES: [(&str, &str); 7] = [
    ("hospital", "病院"),
    ("clinic", "医科診療所"),
    ("dental", "歯科診療所"),
    ("pharmacy", "薬局"),
    ("visiting-nurse", "訪問看護・介護"),
    ("laboratory", "衛生検査所"),
    ("other", "その他"),
];

fn shown_type(code: &str) -> &str {
    TYPES.iter().find(|(known, _)| *known == code).map_or("未設定", |(_, word)| word)
}

/// Whether a message is one of nobody's, or of a patient who is not shared: as the line says, whatever its state. What
/// the base has and keeps was shared when it went out.
fn is_withheld(row: &Row) -> bool {
    let says = |word: &str| row["unshared"] == word || row["reason"] == word;
    says("test-patient") || (says("not-shared") && row["state"] != "registered")
}

/// What is counted of the messages of a facility.
fn counted<'r>(ledger: &'r [Row], code: &'r str) -> impl Iterator<Item = &'r Row> {
    ledger.iter().filter(move |row| {
        row["record"] == "message"
            && row["facility"] == code
            && row["history"] == "0"
            && row["reason"] != "duplicate"
            && !is_withheld(row)
    })
}

struct Month {
    first: NaiveDate,
    last: NaiveDate,
}

fn month(text: &str) -> Month {
    let first = date(&format!("{text}-01")).unwrap();
    Month { first, last: first + Months::new(1) - Days::new(1) }
}

fn stands(facility: &Row, month: &Month) -> bool {
    date(&facility["joined"]).is_none_or(|joined| joined <= month.last)
        && date(&facility["closed"]).is_none_or(|closed| closed > month.last)
}

/// Whether a facility counts for a figure.
fn holds(ledger: &[Row], code: &str, metric: &str, month: &Month) -> bool {
    let any = |column: &str, from: NaiveDate| {
        counted(ledger, code).filter_map(|row| date(&row[column])).any(|day| from <= day && day <= month.last)
    };
    match metric {
        "sent-30" => any("received", month.last - Days::new(29)),
        "sent-90" => any("received", month.last - Days::new(89)),
        "sent-365" => any("received", month.last - Days::new(364)),
        "registered" => any("registered", month.first),
        other => panic!("an unknown figure: {other}"),
    }
}

fn patients(ledger: &[Row], code: &str, month: &Month) -> usize {
    let sent = counted(ledger, code).filter(|row| date(&row["registered"]).is_some_and(|d| d <= month.last));
    sent.map(|row| &row["patient"]).filter(|key| !key.is_empty()).collect::<BTreeSet<_>>().len()
}

/// Every number of institutions, by shown type and area.
fn wholes(denominators: &[Row]) -> BTreeMap<(String, String), u64> {
    let mut wholes: BTreeMap<(String, String), (Option<u64>, u64)> = BTreeMap::new();
    for row in denominators {
        let key = (shown_type(&row["type"]).to_owned(), row["area"].clone());
        let count: u64 = row["count"].parse().unwrap();
        let entry = wholes.entry(key).or_default();
        if row["municipality"].is_empty() { entry.0 = Some(count) } else { entry.1 += count }
    }
    wholes.into_iter().map(|(key, (whole, parts))| (key, whole.unwrap_or(parts))).collect()
}

fn percent(numerator: u64, denominator: u64) -> String {
    if denominator == 0 {
        return String::new();
    }
    // Halves up: a tenth of a percent is a thousandth.
    let thousandths = (numerator * 10_000 / denominator + 5) / 10;
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// Compares every line; how many there were.
pub fn agrees(export: &[u8], denominators: &str, output: &[u8], of: &str) -> usize {
    let (ledger, denominators) = (rows(export), rows(denominators.as_bytes()));
    let wholes = wholes(&denominators);
    let facilities: Vec<&Row> = ledger.iter().filter(|row| row["record"] == "facility").collect();
    let shown_area = |area: &str| if area.is_empty() { "未設定".to_owned() } else { area.to_owned() };
    let mut compared = 0;
    let (mut scopes, mut months) = (BTreeSet::new(), BTreeSet::new());
    for line in rows(output) {
        compared += 1;
        let (scope, metric) = (line["区分"].as_str(), line["指標ID"].as_str());
        let (area, kind) = (line["二次医療圏"].as_str(), line["種類"].as_str());
        scopes.insert((scope.to_owned(), area.to_owned(), kind.to_owned(), line["医療機関コード"].clone()));
        let month = month(&line["月"]);
        if scope == "月次" {
            months.insert(line["月"].clone());
        } else {
            assert_eq!(line["月"], of);
        }
        let month_in_era = format!("令和{}年{}月", month.first.year() - 2018, month.first.month());
        assert_eq!(line["和暦"], month_in_era);
        let members: Vec<&&Row> = facilities
            .iter()
            .filter(|f| stands(f, &month))
            .filter(|f| scope != "二次医療圏" || shown_area(&f["area"]) == area)
            .filter(|f| {
                !["全体", "二次医療圏"].contains(&scope) || kind == "すべて" || shown_type(&f["type"]) == kind
            })
            .filter(|f| scope != "施設" || f["facility"] == line["医療機関コード"])
            .collect();
        let code = |f: &&&Row| f["facility"].clone();
        match (scope, metric) {
            ("分母", _) => {
                let found = denominators.iter().filter(|row| {
                    format!("{} {}", row["area"], row["municipality"]).trim_end() == area
                        && shown_type(&row["type"]) == kind
                        && (&row["count"], &row["source"], &row["date"])
                            == (&line["値"], &line["出典"], &line["時点"])
                });
                assert_eq!(found.count(), 1, "{line:?}");
            }
            (_, "shared-patients") => assert_eq!(line["値"], "不明"),
            (_, "patients") => {
                let people: usize = members.iter().map(|f| patients(&ledger, &code(f), &month)).sum();
                match line["値"].as_str() {
                    "10未満" => assert!((1..10).contains(&people), "{line:?}: {people}"),
                    "非表示" => assert!(people >= 10, "{line:?}: {people}"),
                    shown => assert_eq!(shown, people.to_string(), "{line:?}"),
                }
            }
            (_, "participation") => {
                let key = |f: &&&Row| (shown_type(&f["type"]).to_owned(), f["area"].clone());
                let numerator = members.iter().filter(|f| wholes.contains_key(&key(f))).count();
                let of_scope: Vec<u64> = wholes
                    .iter()
                    .filter(|((of_kind, of_area), _)| {
                        (scope != "二次医療圏" || of_area == area)
                            && (scope == "月次" || kind == "すべて" || of_kind == kind)
                    })
                    .map(|(_, count)| *count)
                    .collect();
                let (denominator, value) = match of_scope.is_empty() {
                    true => (String::new(), String::new()),
                    false => {
                        let whole: u64 = of_scope.iter().sum();
                        (whole.to_string(), percent(numerator as u64, whole))
                    }
                };
                let said = (&line["分子"], &line["分母"], &line["値"]);
                assert_eq!(said, (&numerator.to_string(), &denominator, &value), "{line:?}");
            }
            _ => {
                let numerator = members.iter().filter(|f| holds(&ledger, &code(f), metric, &month)).count();
                let said = (&line["分子"], &line["分母"]);
                assert_eq!(said, (&numerator.to_string(), &members.len().to_string()), "{line:?}");
                if scope != "施設" {
                    assert_eq!(line["値"], percent(numerator as u64, members.len() as u64), "{line:?}");
                }
            }
        }
    }
    // Nothing is left out either: every facility, every area, every type, twelve months.
    let standing: BTreeSet<_> =
        facilities.iter().filter(|f| stands(f, &month(of))).map(|f| f["facility"].clone()).collect();
    let codes = scopes.iter().filter(|(scope, ..)| scope == "施設").map(|(.., code)| code.clone());
    assert_eq!(codes.collect::<BTreeSet<_>>(), standing);
    for (kind, area) in wholes.keys() {
        let at = |scope: &str, area: &str, kind: &str| {
            (scope.to_owned(), area.to_owned(), kind.to_owned(), String::new())
        };
        assert!(scopes.contains(&at("二次医療圏", area, kind)) && scopes.contains(&at("全体", "", kind)));
        assert!(
            scopes.contains(&at("二次医療圏", area, "すべて")) && scopes.contains(&at("全体", "", "すべて"))
        );
    }
    let first = month(of).first - Months::new(11);
    let expected: BTreeSet<String> =
        (0..12).map(|n| (first + Months::new(n)).format("%Y-%m").to_string()).collect();
    assert_eq!(months, expected);
    compared
}
