//! Files through a folder feed into the stores of two facilities and of the sender, and on to the rehearsal base.

use super::{cp932, result};
use crate::support::get;
use renkei_bridge::app::{self, App};
use renkei_bridge::config;
use renkei_bridge::forward::rehearsal::{self, Rehearsal, RehearsalConfig};
use renkei_bridge::store::{DaySum, FileOf, FileSum, Filter, Selection, State};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CLINIC: &str = "1319999999";
const HOSPITAL: &str = "1319999998";
const STRANGER: &str = "1319999997";
const SENDER: &str = "lab-example";
/// A debug build on a busy machine of two cores.
const PATIENCE: Duration = Duration::from_secs(60);

struct Site {
    app: App,
    base: Rehearsal,
    stop_base: CancellationToken,
    folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lab")).unwrap();
        let stop_base = CancellationToken::new();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (base, _) = rehearsal::spawn(any, RehearsalConfig::default(), stop_base.clone()).await.unwrap();
        let text = format!(
            "data_dir = 'data'\n[console]\nlisten = '127.0.0.1:0'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n\
             [[facility]]\ncode = '{CLINIC}'\npatient_id = {{ width = 10 }}\nshare = 'all'\n\
             [[facility]]\ncode = '{HOSPITAL}'\nshare = 'all'\n\
             [[feed]]\nname = 'lab'\nkind = 'folder'\npath = 'lab'\nlayout = 'lab-csv44'\nfacility = 'field'\n\
             sender = '{SENDER}'\nallow = ['{CLINIC}', '{HOSPITAL}']\nscan = '100ms'\nsettle = '200ms'\n\
             [[base]]\nname = 'base'\nkind = 'fhir-rest'\nurl = '{}'\nfacilities = ['*']\n",
            base.url()
        );
        let (config, problems) = config::parse(&folder.path().join("bridge.toml"), &text).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let app = app::spawn(config).await.unwrap();
        Self { app, base, stop_base, folder }
    }

    /// A page as somebody of these roles sees it; `None` where it is not answered with 200.
    async fn page(&self, roles: &[&str], path: &str) -> Option<String> {
        let cookie = crate::support::signed_in(&self.folder.path().join("data"), roles);
        let address = format!("http://{}{path}", self.app.console.unwrap());
        let got = move || crate::support::get_as(&address, &cookie);
        let body = tokio::task::spawn_blocking(got).await.unwrap()?;
        Some(String::from_utf8(body).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("lab").join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), cp932(text)).unwrap();
    }

    /// What became of all files of a name.
    fn file_sum(&self, name: &str) -> FileSum {
        self.app.state.store.file_sum(FileOf { feed: "lab", name, day: None, digest: None }).unwrap()
    }

    fn sum(&self, code: &str) -> DaySum {
        let store = self.app.state.store.facility(code).unwrap();
        let mut sum = DaySum::default();
        for day in store.sums(19_000_101, 99_991_231).unwrap() {
            sum.add(&day);
        }
        sum
    }

    /// Waits until so many messages are there and none is pending; the sums of clinic, hospital and sender.
    async fn settled(&self, received: u64) -> [DaySum; 3] {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let sums = [CLINIC, HOSPITAL, SENDER].map(|code| self.sum(code));
            let all: u64 = sums.iter().map(|sum| sum.received).sum();
            if all == received && sums.iter().all(|sum| sum.pending == 0) {
                assert!(sums.iter().all(DaySum::balanced), "{sums:?}");
                return sums;
            }
            assert!(tokio::time::Instant::now() < end, "not settled: {sums:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn at_base(&self, kind: &str) -> Vec<Value> {
        let all = self.base.resources();
        let of_kind = all.keys().filter(|url| url.starts_with(&format!("{kind}/")));
        let read = |url: &String| get(&format!("{}/{url}", self.base.url())).expect("the base answers");
        of_kind.map(|url| serde_json::from_slice(&read(url)).unwrap()).collect()
    }

    /// Codes of what is held at a store.
    fn causes(&self, code: &str) -> Vec<String> {
        let store = self.app.state.store.facility(code).unwrap();
        let mut codes: Vec<String> =
            store.causes().unwrap().into_iter().map(|cause| cause.code.to_string()).collect();
        codes.sort();
        codes
    }

    async fn stop(self) {
        self.app.stop().await;
        self.stop_base.cancel();
    }
}

/// A figure of a page.
fn figure(page: &str, id: &str) -> String {
    let rest = page.split(&format!("id=\"{id}\">")).nth(1).unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laboratorys_file_reaches_the_base_by_facility_and_its_sum_is_shown() {
    let site = Site::start().await;
    let text = result(CLINIC, "12345", "OD1", "00051", "7.2")
        + &result(CLINIC, "12345", "OD1", "00638", "0.1")
        + &result(HOSPITAL, "12345", "OD1", "00051", "7.3")
        + &result(STRANGER, "12345", "OD1", "00051", "7.4")
        + &result(CLINIC, "777", "OD2", "00051", "7.5").replace("g/dL", "g,dL")
        + &result(CLINIC, "888", "OD3", "00051", "7.6");
    site.put("result.csv", &text);
    let [clinic, hospital, sender] = site.settled(5).await;
    assert_eq!((clinic.registered, clinic.quarantined), (2, 1), "{clinic:?} {:?}", site.causes(CLINIC));
    assert_eq!((hospital.registered, hospital.quarantined), (1, 0), "{hospital:?}");
    assert_eq!((sender.received, sender.quarantined), (1, 1), "{sender:?}");
    assert_eq!(site.causes(CLINIC), ["row-columns-differ"]);
    assert_eq!(site.causes(SENDER), ["facility-not-allowed"]);

    // Four rows were good: the id has its zeros again where the clinic writes ten digits.
    assert_eq!(site.at_base("Observation").len(), 4);
    let mut patients: Vec<String> = site
        .at_base("Patient")
        .iter()
        .map(|patient| {
            let identifier = &patient["identifier"][0];
            let system = identifier["system"].as_str().unwrap();
            format!("{} {}", &system[system.len() - 10..], identifier["value"].as_str().unwrap())
        })
        .collect();
    patients.sort();
    assert_eq!(patients, ["1319999998 12345", "1319999999 0000000888", "1319999999 0000012345"]);

    let sum = site.file_sum("result.csv");
    assert_eq!((sum.received, sum.states[&State::Registered], sum.states[&State::Quarantined]), (5, 3, 2));
    let mut names: Vec<String> =
        sum.messages.iter().map(|(code, message)| format!("{code} {}", message.name)).collect();
    names.sort();
    let expected = [
        "1319999998 result.csv#3",
        "1319999999 result.csv#1-2",
        "1319999999 result.csv#5",
        "1319999999 result.csv#6",
        "lab-example result.csv#4",
    ];
    assert_eq!(names, expected);
    // The file's page, from any of its messages: one of the sender's own store here.
    let held = sum.messages.iter().find(|(code, _)| code == SENDER).map(|(_, message)| message.id).unwrap();
    let page = site.page(&["operator"], &format!("/messages/{SENDER}-{held}/file")).await.unwrap();
    assert_eq!(figure(&page, "sum-received"), "5");
    assert_eq!(figure(&page, "sum-registered"), "3");
    assert_eq!(figure(&page, "sum-quarantined"), "2");
    assert!(!page.contains("id=\"others\""), "no other file came under its name");
    for name in &names {
        let rows = name.rsplit('#').next().unwrap();
        assert!(page.contains(&format!("<td class=\"mono nw\">{rows}</td>")), "{rows}");
    }
    assert!(!page.contains("result.csv"), "a file's name is a shape");
    assert!(site.page(&["prefecture"], &format!("/messages/{SENDER}-{held}/file")).await.is_none());
    assert!(!site.path("result.csv").exists(), "it was moved");

    // By patient, as every message is found.
    let store = site.app.state.store.facility(CLINIC).unwrap();
    let found = store.messages(&Filter { patient: Some("0000012345".into()), ..Filter::default() }).unwrap();
    assert_eq!(found.iter().map(|message| message.name.as_str()).collect::<Vec<_>>(), ["result.csv#1-2"]);

    // Again, and under another name: duplicates, and nothing is asked of the base.
    let asked = site.base.asked().len();
    site.put("result.csv", &text);
    site.settled(10).await;
    site.put("renamed.csv", &text);
    let [clinic, hospital, sender] = site.settled(15).await;
    for (sum, duplicates) in [(&clinic, 6), (&hospital, 2), (&sender, 2)] {
        assert_eq!(sum.by_reason.get("duplicate"), Some(&duplicates), "{sum:?}");
    }
    assert_eq!(site.base.asked().len(), asked);
    let sum = site.file_sum("renamed.csv");
    assert_eq!((sum.received, sum.excluded.get("duplicate")), (5, Some(&5)));

    // What was held stays so when it is translated again: from its bytes and rows alone.
    let sender = site.app.state.store.facility(SENDER).unwrap();
    assert_eq!(sender.replay(&Selection::State(State::Quarantined)).unwrap(), 1);
    site.settled(15).await;
    assert_eq!(site.causes(SENDER), ["facility-not-allowed"]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_one_name_and_day_have_a_page_each() {
    let site = Site::start().await;
    site.put(
        "today.csv",
        &(result(CLINIC, "1", "OD1", "00051", "7.2") + &result(HOSPITAL, "2", "OD2", "00051", "7.3")),
    );
    site.settled(2).await;
    let first = site.file_sum("today.csv").messages;
    site.put("today.csv", &result(HOSPITAL, "3", "OD3", "00051", "7.4"));
    site.settled(3).await;
    let second = site.file_sum("today.csv").messages.into_iter().find(|line| !first.contains(line)).unwrap();
    let path = |(code, message): &(String, renkei_bridge::store::MessageSummary)| {
        format!("/messages/{code}-{}/file", message.id)
    };
    for (of, received, other) in
        [(&first[0], "2", path(&second)), (&first[1], "2", path(&second)), (&second, "1", path(&first[0]))]
    {
        let page = site.page(&["operator"], &path(of)).await.unwrap();
        assert_eq!(
            (figure(&page, "sum-received"), figure(&page, "sum-registered")),
            (received.into(), received.into())
        );
        let others = page.split("id=\"others\"").nth(1).unwrap().split("</p>").next().unwrap();
        assert_eq!(others.matches("href=").count(), 1);
        assert!(others.contains(&format!("href=\"{other}\"")), "{others}");
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interim_report_becomes_final_and_a_correction_takes_its_place() {
    let site = Site::start().await;
    let row = |value: &str, status: &str| {
        result(CLINIC, "1", "OD1", "00051", value).replace(",F,", &format!(",{status},"))
    };
    let values = |site: &Site| -> Vec<String> {
        let results = site.at_base("Observation");
        results
            .iter()
            .map(|o| format!("{} {}", o["status"].as_str().unwrap(), o["valueQuantity"]["value"]))
            .collect()
    };
    site.put("1.csv", &row("", "P"));
    site.settled(1).await;
    assert_eq!(values(&site), ["preliminary null"]);
    site.put("2.csv", &row("7.2", "F"));
    site.settled(2).await;
    assert_eq!(values(&site), ["final 7.2"]);
    site.put("3.csv", &row("7.4", "C"));
    site.settled(3).await;
    assert_eq!(values(&site), ["corrected 7.4"]);
    // Corrected back: the same bytes as the second file, and still the last word.
    site.put("4.csv", &row("7.2", "F"));
    site.settled(4).await;
    assert_eq!(values(&site), ["final 7.2"]);
    // What a later file of the order does not repeat stays.
    site.put("5.csv", &result(CLINIC, "1", "OD1", "00638", "0.1"));
    site.settled(5).await;
    assert_eq!(site.at_base("Observation").len(), 2);
    site.stop().await;
}
