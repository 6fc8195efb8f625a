//! 参加状況 by the real program: a store filled through its promises, the files, and the figures reckoned again
//! from the ledger's export alone.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod page;
mod recompute;

use renkei_bridge::store::{
    Arrival, Completion, Config, ConsentRow, FacilityStore, Indexed, Journalled, Origin, Settlement, Share,
    Sharing, Store, TestPatients,
};
use renkei_translate::finding::{Finding, Location};
use renkei_translate::translation::{Replaces, Resource, Role, Status, Translation, Unit};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Facilities of the region: section, then what they are.
const FACILITIES: [&str; 7] = [
    "code = '1310000001'\nname = '架空市民病院'\ntype = 'hospital'\narea = '中央'\njoined = '2025-04-01'",
    "code = '1310000002'\nname = '=HYPERLINK(\"http://x.example\")'\ntype = 'clinic'\narea = '中央'\njoined = '2026-02-01'",
    "code = '1310000003'\nname = '架空山手診療所'\ntype = 'clinic'\narea = '山手'\njoined = '2026-09-15'",
    "code = '1310000004'\nname = '架空検査センター'\ntype = 'laboratory'\narea = '山手'",
    "code = '1310000005'\nname = '架空歯科'\ntype = 'dental'\narea = '中央'\njoined = '2024-01-01'",
    "code = '1310000006'\nname = '架空旧病院'\ntype = 'hospital'\narea = '山手'\nclosed = '2026-10-15'",
    "code = '1310000007'\nname = '架空薬局'\ntype = 'pharmacy'\njoined = '2026-10-31'",
];

const DENOMINATORS: &str = "type,area,municipality,count,source,date\n\
    hospital,中央,,4,医療施設調査,2024-10-01\nclinic,中央,,30,医療施設調査,2024-10-01\n\
    dental,中央,,20,医療施設調査,2024-10-01\npharmacy,中央,,10,衛生行政報告例,2024-03-31\n\
    hospital,山手,,2,医療施設調査,2024-10-01\nclinic,山手,青葉市,5,医療施設調査,2024-10-01\n\
    clinic,山手,川岸町,3,医療施設調査,2024-10-01\n";

/// Begins every patient id and control id; stands in none of the outputs.
const CANARY: &str = "漢字カナCANARY";

/// What becomes of a message.
#[derive(Clone, Copy)]
enum End {
    Registered,
    Held,
    Excluded(&'static str),
}

/// Milliseconds of a time in Japan.
fn at(time: &str) -> i64 {
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").unwrap();
    time.and_utc().timestamp_millis() - 9 * 3_600_000
}

/// Receives a message of a patient, gives it the time of its own that it says, and brings it to its end.
fn send(store: &FacilityStore, patient: &str, received: &str, own: Option<&str>, end: End) {
    send_named(store, patient, &[], received, own, end);
}

/// The same of a message whose PID says names. Its patient cannot be read where the id is empty.
fn send_named(
    store: &FacilityStore,
    patient: &str,
    names: &[&str],
    received: &str,
    own: Option<&str>,
    end: End,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (received_ms, name) = (at(received), format!("{CANARY}-{patient}-{received}"));
    let arrival = Arrival {
        feed: "his".into(),
        name: name.clone(),
        body: name.clone().into_bytes(),
        origin: Origin::default(),
        received_ms,
        duplicate_window_ms: 0,
    };
    runtime.block_on(store.accept(arrival)).unwrap();
    index(store, patient, names, own);
    let claim = store.claim(1).unwrap().pop().unwrap();
    let mut translation = Translation::held(Vec::new());
    translation.kind = Some("OML-11".into());
    translation.patient = id_of(patient);
    translation.unit = translation.patient.is_some().then(|| Unit {
        key: name.clone(),
        kind: "lab".into(),
        replaces: Replaces::Unit,
        incremental: false,
        withdrawn: false,
        event: None,
        lines: None,
        takes_back: Vec::new(),
        time: "20260101000000000".into(),
    });
    match end {
        End::Held => translation.findings.push(Finding::error("field-empty", Location::at("OBX-3"))),
        End::Excluded(reason) => {
            (translation.status, translation.excluded) = (Status::Excluded, Some(reason));
        }
        End::Registered => {
            translation.status = Status::Translated;
            translation.resources.push(Resource {
                resource_type: "Observation".into(),
                id: name.clone(),
                role: Role::Unit,
                map: "test".into(),
                json: format!(r#"{{"resourceType":"Observation","id":"{name}"}}"#).into_bytes(),
                references: Vec::new(),
                yields: false,
                line: String::new(),
            });
        }
    }
    let done = Completion { translation, mapping_version: "v1".into(), destinations: vec!["base".into()] };
    store.share(&Sharing::all(&["base"]), received_ms).unwrap();
    store.complete(vec![(claim, done)]).unwrap();
    for claim in store.claim_deliveries("base", received_ms, 10).unwrap() {
        let projection = store.projection(&claim).unwrap();
        store.begin_send(&claim, &projection).unwrap();
        store.settle(claim, Settlement::Registered { projection }).unwrap();
    }
}

fn id_of(patient: &str) -> Option<String> {
    (!patient.is_empty()).then(|| format!("{CANARY}{patient}"))
}

fn index(store: &FacilityStore, patient: &str, names: &[&str], own: Option<&str>) {
    let messages = store.unindexed(100).unwrap();
    let first_pass = |message: &Journalled| Indexed {
        id: message.id,
        control_id: Some(message.name.clone()),
        patients: id_of(patient).into_iter().collect(),
        names: names.iter().map(|name| format!("{name}{CANARY}")).collect(),
        time: own.map(str::to_owned),
        ..Indexed::default()
    };
    store.index(messages.iter().map(first_pass).collect()).unwrap();
}

/// The same message once more, within its window.
fn repeat(store: &FacilityStore, patient: &str, first: &str, again: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name = format!("{CANARY}-{patient}-{first}");
    let arrival = Arrival {
        feed: "his".into(),
        body: name.clone().into_bytes(),
        name,
        origin: Origin::default(),
        received_ms: at(again),
        duplicate_window_ms: 31 * 86_400_000,
    };
    assert!(runtime.block_on(store.accept(arrival)).unwrap().duplicate_of.is_some());
    index(store, patient, &[], None);
}

/// A configuration with its store in a folder.
fn region(folder: &Path) -> PathBuf {
    let file = folder.join("bridge.toml");
    let mut text = "data_dir = 'data'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n\
                    [participation]\ndenominators = 'denominators.csv'\nnetwork = '架空県'\n"
        .to_owned();
    for facility in FACILITIES {
        text.push_str(&format!("[[facility]]\n{facility}\n"));
    }
    text.push_str(
        "[[base]]\nname = 'base'\nkind = 'fhir-rest'\nurl = 'http://127.0.0.1:9'\nfacilities = ['*']\n",
    );
    std::fs::write(&file, text).unwrap();
    std::fs::write(folder.join("denominators.csv"), DENOMINATORS).unwrap();
    let codes: Vec<String> = (1..=7).map(|number| format!("131000000{number}")).collect();
    let store =
        Store::open(&folder.join("data"), &codes, Config { soft_free: 0, hard_free: 0, ..Config::default() })
            .unwrap();
    let of = |number: usize| store.facility(&codes[number - 1]).unwrap();
    // Thirteen patients, one of them with two messages.
    send(&of(1), "a0", "2025-12-03 10:00:00", None, End::Registered);
    for patient in 1..=12 {
        send(&of(1), &format!("a{patient}"), "2026-10-20 10:00:00", Some("20261020"), End::Registered);
    }
    send(&of(1), "a1", "2026-10-20 11:00:00", None, End::Registered);
    // The last second before the 30 days, and a repetition within them.
    for patient in 1..=3 {
        send(&of(2), &format!("b{patient}"), "2026-10-01 23:59:59", None, End::Registered);
    }
    repeat(&of(2), "b1", "2026-10-01 23:59:59", "2026-10-20 10:00:00");
    // The first second of the 30 days; held, so not registered.
    send(&of(3), "c1", "2026-10-02 00:00:00", None, End::Held);
    // Bulk history.
    send(&of(4), "d1", "2026-10-10 10:00:00", Some("20240405"), End::Registered);
    for patient in 1..=25 {
        send(&of(6), &format!("f{patient}"), "2026-10-10 10:00:00", None, End::Registered);
    }
    send(&of(7), "g1", "2026-10-31 10:00:00", None, End::Excluded("test-patient"));
    send(&of(7), "g2", "2026-10-31 11:00:00", None, End::Excluded("not-shared"));
    // Held: test patients by id and by name, and one who is not shared.
    send(&of(7), "g3", "2026-10-31 12:00:00", None, End::Held);
    send_named(&of(7), "g4", &["患者", "試験"], "2026-10-31 13:00:00", None, End::Held);
    send(&of(7), "g5", "2026-10-31 14:00:00", None, End::Held);
    let tests = TestPatients {
        ids: id_of("g3").into_iter().collect(),
        names: vec!["試験*".into()],
        ..TestPatients::default()
    };
    let now_ms = at("2026-11-01 09:00:00");
    let sharing = |share| Sharing { destinations: vec![("base".into(), share)], ..Sharing::default() };
    of(7).share(&Sharing { tests, ..sharing(Share::AllButListed) }, now_ms).unwrap();
    let list = id_of("g5").iter().map(|id| ConsentRow::always(id)).collect();
    of(7).consent_replace(list, now_ms, "command", "0").unwrap();
    // Held, for nobody can read whose it is; only listed patients are shared, and nobody is listed.
    send(&of(5), "", "2026-10-31 09:00:00", None, End::Held);
    of(5).share(&sharing(Share::Listed), now_ms).unwrap();
    file
}

fn run(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    let output = command.args(arguments).arg("--config").arg(file).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The files of a workbook, by name.
fn unzipped(bytes: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|place| {
            let mut file = archive.by_index(place).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            (file.name().unwrap().into_owned(), text)
        })
        .collect()
}

#[test]
fn the_figures_can_be_reckoned_again_from_the_ledger_and_name_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = region(folder.path());
    let export = run(&file, &["ledger", "export"]).stdout;
    let months = ["2026-10", "2026-09", "2025-12", "2026-11"];
    for month in months {
        let output = run(&file, &["participation", "--month", month, "--format", "csv"]).stdout;
        let lines = recompute::agrees(&export, DENOMINATORS, &output, month);
        assert!(lines > 150, "{month}: only {lines} lines were compared");
    }
    // By hand, so that both are not wrong in the same way.
    let output = run(&file, &["participation", "--month", "2026-10", "--format", "json"]).stdout;
    let report: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let figure = |metric: &str| {
        let ratio = &report["areas"][0][metric];
        (ratio["numerator"].as_u64().unwrap(), ratio["denominator"].as_u64().unwrap())
    };
    // 1, 2, 3, 4, 5 and 7 are under contract; 1, 2, 3 and 5 have a denominator, of 74 institutions.
    assert_eq!(figure("participation"), (4, 74));
    // 1, 3 and 5, and 2 in 90 days; of 4 there is history alone, and of 7 what counts nowhere.
    assert_eq!(figure("sent_30"), (3, 6));
    assert_eq!(figure("sent_90"), (4, 6));
    assert_eq!(figure("sent_365"), (4, 6));
    assert_eq!(figure("registered"), (2, 6));
    let people: Vec<_> = report["facilities"].as_array().unwrap().iter().map(|f| &f["patients"]).collect();
    // In the order of area and type: 1, 2, 5, 3, 4, 7. 13 would give 3 away.
    assert_eq!(
        people,
        ["hidden", "below-10", "0", "0", "0", "0"]
            .map(|text| {
                text.parse::<u64>()
                    .map_or_else(|_| serde_json::json!(text), |number| serde_json::json!(number))
            })
            .iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(report["areas"][0]["patients"], serde_json::json!(16));

    let of = |code: &str| {
        let rows = recompute::rows(&export).into_iter().filter(|row| row["facility"] == code);
        rows.filter(|row| row["record"] == "message")
            .map(|row| {
                let cell = |column: &str| row[column].clone();
                (cell("state"), cell("reason"), cell("unshared"), !row["patient"].is_empty())
            })
            .collect::<Vec<_>>()
    };
    let line = |state: &str, reason: &str, unshared: &str, known| {
        (state.to_owned(), reason.to_owned(), unshared.to_owned(), known)
    };
    assert_eq!(
        of("1310000007"),
        [
            line("excluded", "test-patient", "", true),
            line("excluded", "not-shared", "", true),
            line("quarantined", "", "test-patient", true),
            line("quarantined", "", "test-patient", true),
            line("quarantined", "", "not-shared", true),
        ]
    );
    assert_eq!(of("1310000005"), [line("quarantined", "", "", false)]);

    let text = String::from_utf8(export).unwrap();
    assert!(!text.contains("CANARY") && text.contains(",\t=HYPERLINK") | text.contains(",\"\t=HYPERLINK"));
    let second = String::from_utf8(run(&file, &["ledger", "export"]).stdout).unwrap();
    let key = |text: &str| text.lines().last().unwrap().split(',').nth(14).unwrap().to_owned();
    assert_eq!(key(&text).len(), 32);
    assert_ne!(key(&text), key(&second));
}

#[test]
fn the_same_store_gives_the_same_bytes_and_none_of_them_names_a_patient() {
    let folder = tempfile::tempdir().unwrap();
    let file = region(folder.path());
    for format in ["csv", "json", "xlsx"] {
        for language in ["ja", "en"] {
            let arguments =
                ["participation", "--month", "2026-10", "--format", format, "--language", language];
            let (first, second) = (run(&file, &arguments), run(&file, &arguments));
            assert_eq!(first.stdout, second.stdout, "{format}");
            assert_eq!(first.stderr, second.stderr, "{format}");
            assert!(String::from_utf8_lossy(&first.stderr).starts_with("sha256 "));
            let files = match format {
                "xlsx" => unzipped(&first.stdout),
                _ => vec![(format.to_owned(), String::from_utf8(first.stdout).unwrap())],
            };
            for (name, text) in &files {
                assert!(!text.contains("CANARY"), "{name}");
                assert!(!text.contains("<f>"), "{name} has a formula");
            }
        }
    }
    let workbook = run(&file, &["participation", "--month", "2026-10", "--format", "xlsx"]).stdout;
    let files = unzipped(&workbook);
    let part = |name: &str| &files.iter().find(|(file, _)| file == name).unwrap().1;
    let names: Vec<&str> = part("xl/workbook.xml")
        .split("<sheet name=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(names, ["表紙", "定義", "月次", "圏域別", "施設別"]);
    assert!(part("docProps/core.xml").contains("2026-10-31T00:00:00Z"));
    assert!(part("xl/sharedStrings.xml").contains("10未満"));
}

#[test]
fn what_is_wrong_with_the_denominators_is_said_by_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = region(folder.path());
    std::fs::write(
        folder.path().join("denominators.csv"),
        "type,area,municipality,count,source,date\nhospital,中央,,many,x,2024-10-01\n",
    )
    .unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    let said = check.arg("check").arg("--config").arg(&file).output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("participation.denominators") && said.contains("line 2"), "{said}");
}
