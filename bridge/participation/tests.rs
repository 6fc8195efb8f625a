//! The figures of a region of a few facilities, reckoned by hand.

use super::{Denominators, Member, Month, People, Ratio, Report, compose, csv, xlsx};
use crate::participation::FacilityType::{self, Clinic, Dental, Hospital, Pharmacy};
use crate::store::Activity;
use renkei_translate::finding::Language::{En, Ja};

fn member(code: &str, kind: FacilityType, area: &str, joined: &str) -> Member {
    Member {
        code: code.into(),
        name: format!("架空{code}"),
        facility_type: Some(kind),
        area: Some(area.into()),
        joined: Some(joined.parse().unwrap()),
        ..Member::default()
    }
}

fn activity(input_days: &[u32], registered_days: &[u32], patients: u64) -> Activity {
    Activity {
        input_days: input_days.to_vec(),
        last_input_day: input_days.last().copied(),
        registered_days: registered_days.to_vec(),
        patients,
    }
}

fn october() -> Month {
    "2026-10".parse().unwrap()
}

fn report() -> Report {
    let denominators = Denominators::parse(
        "type,area,municipality,count,source,date\nhospital,中央,,4,医療施設調査,2024-10-01\n\
         clinic,中央,,30,医療施設調査,2024-10-01\nclinic,山手,青葉市,5,医療施設調査,2024-10-01\n\
         clinic,山手,川岸町,3,=SOURCE(),2024-10-01\n"
            .as_bytes(),
    )
    .unwrap();
    let mut unset = member("7", Pharmacy, "", "2026-10-31");
    (unset.facility_type, unset.area, unset.joined) = (None, None, None);
    let mut closed = member("6", Hospital, "山手", "2024-01-01");
    closed.closed = Some("2026-10-31".parse().unwrap());
    let members = [
        member("1", Hospital, "中央", "2025-04-01"),
        member("2", Clinic, "山手", "2026-10-31"),
        // The day after the month.
        member("3", Clinic, "中央", "2026-11-01"),
        // No denominator for its type.
        member("5", Dental, "中央", "2024-01-01"),
        closed,
        unset,
    ];
    let activities = [
        // The 2nd of October is the first of the 30 days up to the 31st.
        activity(&[20_261_002], &[20_261_002], 25),
        activity(&[20_261_001], &[20_260_930], 3),
        activity(&[20_261_020], &[20_261_020], 7),
        activity(&[], &[], 0),
        activity(&[20_261_020], &[20_261_020], 40),
        // 365 days up to the 31st begin on the 1st of November.
        activity(&[20_251_101], &[20_251_101], 12),
    ];
    compose("架空県", october(), &members, &denominators, &activities)
}

fn of(numerator: u64, denominator: u64) -> Ratio {
    Ratio { numerator, denominator: Some(denominator) }
}

#[test]
fn the_whole_network_is_those_under_contract_at_the_end_of_the_month() {
    let total = report().total();
    // 1, 2, 5 and 7; 3 joins later, 6 has left.
    assert_eq!(total.contracted, 4);
    // 1 of 4 hospitals and 0 of 30 clinics of 中央, 2 of 5 + 3 clinics of 山手; 5 and 7 have no denominator.
    assert_eq!(total.participation, of(2, 42));
    assert_eq!(total.sent_30, of(1, 4));
    assert_eq!(total.sent_90, of(2, 4));
    assert_eq!(total.sent_365, of(3, 4));
    assert_eq!(total.registered, of(1, 4));
}

#[test]
fn areas_and_types_have_their_own_figures() {
    let report = report();
    let areas: Vec<_> = report
        .by_area()
        .map(|row| (row.area.as_deref().unwrap(), row.counts.contracted, row.counts.participation))
        .collect();
    let nothing = Ratio { numerator: 0, denominator: None };
    assert_eq!(areas, [("中央", 2, of(1, 34)), ("山手", 1, of(1, 8)), ("", 1, nothing)]);
    let types: Vec<_> =
        report.types().map(|row| (row.facility_type.unwrap(), row.counts.participation)).collect();
    assert_eq!(
        types,
        [(Some(Hospital), of(1, 4)), (Some(Clinic), of(1, 38)), (Some(Dental), nothing), (None, nothing)]
    );
}

#[test]
fn twelve_months_go_back_from_the_month() {
    let report = report();
    let months: Vec<String> = report.months.iter().map(|row| row.month.to_string()).collect();
    assert_eq!((months.len(), months[0].as_str(), months[11].as_str()), (12, "2025-11", "2026-10"));
    // In September: 1, 5, 6 and 7.
    let before = report.before();
    assert_eq!((before.contracted, before.registered), (4, of(0, 4)));
    assert_eq!(before.participation, of(1, 42));
    // 25.0 % now and 0.0 % then; 4.8 % and 2.4 %.
    assert_eq!(report.total().registered.change(&before.registered), Some(250));
    assert_eq!(report.total().participation.change(&before.participation), Some(24));
    assert_eq!(report.months[11].counts, report.total());
    // Nobody was registered in November 2025 but 7, and it counts all the time.
    assert_eq!(report.months[0].counts.registered, of(1, 4));
}

#[test]
fn rates_are_rounded_halves_up_and_unknown_without_a_whole() {
    assert_eq!(of(1, 16).percent().as_deref(), Some("6.3"));
    assert_eq!(of(442, 1_318).percent().as_deref(), Some("33.5"));
    assert_eq!(of(4, 4).percent().as_deref(), Some("100.0"));
    assert_eq!((of(0, 0).percent(), Ratio { numerator: 3, denominator: None }.percent()), (None, None));
}

#[test]
fn small_numbers_of_people_are_hidden_and_those_of_several_facilities_unknown() {
    let report = report();
    let people: Vec<_> = report.facilities.iter().map(|row| (row.code.as_str(), row.patients)).collect();
    // 中央 has 25 + 0, 山手 3 alone, 7 has 12 and no area. 3 would be the sum of all less the two others:
    // the smaller of them is hidden, and in it its only facility.
    assert_eq!(
        people,
        [("1", People::Known(25)), ("5", People::Known(0)), ("2", People::BelowTen), ("7", People::Hidden)]
    );
    let areas: Vec<_> = report.by_area().map(|row| row.patients.unwrap()).collect();
    assert_eq!(areas, [People::Known(25), People::BelowTen, People::Hidden]);
    assert_eq!((report.patients(), report.shared_patients), (People::Known(40), People::Unknown));
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("\"below-10\"") && json.contains("\"shared_patients\":\"unknown\""));
}

#[test]
fn who_never_sent_is_named_with_how_long() {
    let report = report();
    let never: Vec<_> = report.never().map(|row| (row.code.as_str(), row.silent_over_a_year)).collect();
    assert_eq!(never, [("5", true)]);
}

#[test]
fn the_same_report_gives_the_same_bytes_in_both_languages() {
    for language in [Ja, En] {
        assert_eq!(xlsx(&report(), language).unwrap(), xlsx(&report(), language).unwrap());
        assert_eq!(csv(&report(), language).unwrap(), csv(&report(), language).unwrap());
    }
}

#[test]
fn the_csv_opens_in_a_spreadsheet_and_holds_no_formula() {
    let bytes = csv(&report(), Ja).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    assert!(
        text.contains("2026-10,令和8年10月,全体,,すべて,,,participation,参加率,2,42,4.8,%,,\r\n"),
        "{text}"
    );
    assert!(text.contains(",2,架空2,patients,データ送信済みの患者,,,10未満,人,,\r\n"), "{text}");
    assert!(text.contains(",\t=SOURCE(),2024-10-01\r\n"), "{text}");
    let mut rows = ::csv::Reader::from_reader(text.as_bytes());
    for row in rows.records() {
        for cell in row.unwrap().iter() {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }
}
