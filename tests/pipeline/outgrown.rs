//! Versions of layers that the program has outgrown: saved and active since before its check refused them. They are put
//! into the store here without a check, as an earlier version of the program would have.

use super::PATIENCE;
use crate::support::{free_port, get_as, signed_in};
use renkei_bridge::app::{self, archive};
use renkei_bridge::config;
use renkei_bridge::demo::messages::{AOBA, Message, Writer};
use renkei_bridge::store::{Arrival, FacilityStore, MessageId, NETWORK, Origin, Saved, State};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PLAIN: &str = "1319999998";
const OWN: &str = "1319999999";

/// Both are understood, and the first does what it says: the check alone refuses the other, which stops nothing.
const DOUBTED: [(&str, &str); 2] = [
    ("maps/patient.toml", "[map]\nid = \"patient\"\nrules = [{ id = \"home\", off = true }]\n"),
    (
        "messages/ADT-00.toml",
        "[message]\nid = \"ADT-00\"\nskip = [\n  { from = \"PID-5\", why = { ja = \"送らない\", en = \"not sent\" } },\n]\n",
    ),
];
/// Names a row that the shipped set does not have: what was to be switched off would be sent.
const BROKEN: [(&str, &str); 1] =
    [("maps/patient.toml", "[map]\nid = \"patient\"\nrules = [{ id = \"nobody\", off = true }]\n")];
const MENDED: [(&str, &str); 1] = [DOUBTED[0]];

/// Two facilities and no destination, the second with a folder of a laboratory's files; what is given lies in the store
/// and is active.
async fn start(root: &Path, active: &[(&str, &[(&str, &str)])]) -> app::App {
    std::fs::create_dir(root.join("lab")).unwrap();
    let text = format!(
        "data_dir = 'data'\n[console]\nlisten = '127.0.0.1:{}'\n[store]\nsoft_free = '0B'\nhard_free = '0B'\n\
         [[facility]]\ncode = '{PLAIN}'\n[[facility]]\ncode = '{OWN}'\n\
         [[feed]]\nname = 'lab'\nkind = 'folder'\npath = 'lab'\nlayout = 'lab-csv44'\nfacility = '{OWN}'\n\
         scan = '100ms'\nsettle = '200ms'\n",
        free_port()
    );
    std::fs::write(root.join("bridge.toml"), text).unwrap();
    let (config, _) = config::load(&root.join("bridge.toml")).unwrap();
    {
        let store = app::open_store(&config).unwrap();
        for (layer, files) in active {
            put(&store, layer, files);
        }
    }
    app::spawn(config).await.unwrap_or_else(|error| panic!("{error}"))
}

fn put(store: &renkei_bridge::store::Store, layer: &str, files: &[(&str, &str)]) {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let layers = store.layers();
    let saved = layers.save(layer, &archive::pack(&files).unwrap(), "old", "old", 1).unwrap();
    let (Saved::New(number) | Saved::Same(number)) = saved;
    assert!(layers.activate(layer, Some(number), "old", "old", 1).unwrap());
}

fn store(app: &app::App, facility: &str) -> Arc<FacilityStore> {
    app.state.store.facility(facility).unwrap()
}

async fn accept(app: &app::App, facility: &str, message: &Message) -> MessageId {
    let arrival = Arrival {
        feed: "test".into(),
        name: message.patient.to_owned(),
        body: message.bytes(),
        origin: Origin { source: "test".into(), ..Origin::default() },
        received_ms: chrono::Utc::now().timestamp_millis(),
        duplicate_window_ms: 60_000,
    };
    store(app, facility).accept(arrival).await.unwrap().id
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(tokio::time::Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn translated(app: &app::App, facility: &str, id: MessageId) -> bool {
    store(app, facility).message(id).unwrap().unwrap().mapping_version.is_some()
}

/// What 状況 says: for programs, and as a page in a language.
fn status(app: &app::App, root: &Path) -> Value {
    let cookie = signed_in(&root.join("data"), &["operator"]);
    let url = format!("http://{}/api/v1/status", app.console.unwrap());
    serde_json::from_slice(&get_as(&url, &cookie).unwrap()).unwrap()
}

fn page(app: &app::App, root: &Path, language: &str) -> String {
    let cookie = signed_in(&root.join("data"), &["operator"]);
    let cookie = format!("{cookie}; lang={language}");
    String::from_utf8(get_as(&format!("http://{}/", app.console.unwrap()), &cookie).unwrap()).unwrap()
}

/// The keys of what there is to do.
fn to_do(status: &Value) -> Vec<String> {
    let more = status["verdict"]["more"].as_array().unwrap().iter();
    let keys = std::iter::once(&status["verdict"]["key"]).chain(more);
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

fn level(status: &Value, facility: &str) -> String {
    let rows = status["facilities"].as_array().unwrap();
    rows.iter().find(|row| row["code"] == facility).unwrap()["level"].as_str().unwrap().to_owned()
}

fn places(status: &Value) -> Vec<(String, String, u64, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let problems = status["mappings"].as_array().unwrap().iter();
    problems
        .map(|problem| {
            let line = problem["line"].as_u64().unwrap();
            let doubt = problem["doubt"].as_bool().unwrap();
            (text(&problem["facility"]), text(&problem["file"]), line, text(&problem["rule"]), doubt)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_only_the_check_refuses_goes_on_as_before_and_is_told_until_a_mended_one_is_active() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let app = start(root, &[(NETWORK, &DOUBTED)]).await;
    let mut writer = Writer::new("L", "20260401".into());
    let first = accept(&app, PLAIN, &writer.demographics(&AOBA[0])).await;
    until("it is translated", || translated(&app, PLAIN, first)).await;
    // By the layer, with all that it says.
    let detail = store(&app, PLAIN).message(first).unwrap().unwrap();
    assert_eq!(detail.mapping_version.as_deref(), Some(app.state.mappings.sets.common().load().version()));
    let name = app.state.store.layers().set_name(detail.mapping_version.as_deref().unwrap(), PLAIN);
    assert_eq!(
        name.unwrap().unwrap().said(["s", "n", "f", "d"]),
        format!("s {}, n 1", env!("CARGO_PKG_VERSION"))
    );
    assert_ne!(detail.summary.state, State::Quarantined);

    let told = status(&app, root);
    assert_eq!(to_do(&told), ["verdict.mapping-doubt"]);
    assert_eq!((level(&told, PLAIN).as_str(), told["verdict"]["level"].as_str()), ("ok", Some("warn")));
    let place = (String::new(), "messages/ADT-00.toml".to_owned(), 4, "ADT-00/PID-5".to_owned(), true);
    assert_eq!(places(&told), [place]);
    let (ja, en) = (page(&app, root, "ja"), page(&app, root, "en"));
    for said in [
        "この版の装置の検査に合わない",
        "messages/ADT-00.toml:4",
        "ADT-00/PID-5",
        "まだ規則 patient/name",
        "地域",
    ] {
        assert!(ja.contains(said), "{said}: {ja}");
    }
    for said in ["the check of this program refuses", "messages/ADT-00.toml:4", "patient/name", "PID-5"] {
        assert!(en.contains(said), "{said}: {en}");
    }

    // The mended version ends the alarm, at work.
    put(&app.state.store, NETWORK, &MENDED);
    until("the alarm has ended", || app.state.mappings.problems().is_empty()).await;
    let told = status(&app, root);
    assert_eq!((to_do(&told), places(&told)), (vec!["verdict.ok".to_owned()], Vec::new()));
    let second = accept(&app, PLAIN, &writer.demographics(&AOBA[1])).await;
    until("and so on", || translated(&app, PLAIN, second)).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facility_whose_version_gives_no_set_waits_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let app = start(root, &[(OWN, &BROKEN)]).await;
    let mut writer = Writer::new("L", "20260401".into());
    let message = writer.demographics(&AOBA[0]);
    let waits = accept(&app, OWN, &message).await;
    let goes = accept(&app, PLAIN, &message).await;
    until("the other facility is served", || translated(&app, PLAIN, goes)).await;
    // Taken, in the ledger and found by its patient: only not translated.
    let patient = |id: &str| renkei_bridge::store::Filter { patient: Some(id.into()), ..Default::default() };
    until("it has its place", || store(&app, OWN).messages(&patient(AOBA[0].id)).unwrap().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let detail = store(&app, OWN).message(waits).unwrap().unwrap();
    assert_eq!((detail.summary.state, detail.mapping_version), (State::Pending, None));
    assert_eq!(store(&app, OWN).untranslated().unwrap(), 1);

    // A file stays where it is: only the layout says what its messages are.
    let csv = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/lab-csv44/input-1.lab-csv44.csv");
    let bytes = encoding_rs::SHIFT_JIS.encode(&std::fs::read_to_string(csv).unwrap()).0.into_owned();
    let lying = root.join("lab/result.csv");
    std::fs::write(&lying, bytes).unwrap();
    let told = status(&app, root);
    assert_eq!(to_do(&told), ["verdict.feed", "verdict.mapping-unusable"]);
    assert_eq!((level(&told, OWN).as_str(), level(&told, PLAIN).as_str()), ("bad", "ok"));
    assert_eq!((&told["balanced"], &told["total"]["pending"]), (&Value::Bool(true), &Value::from(1)));
    let place = (OWN.to_owned(), "maps/patient.toml".to_owned(), 3, "patient/nobody".to_owned(), false);
    assert_eq!(places(&told), [place]);
    assert!(page(&app, root, "ja").contains("変換せずに待たせています"));
    assert!(page(&app, root, "en").contains("wait untranslated"));
    assert!(get_as(&format!("http://{}/readyz", app.console.unwrap()), "").is_none());

    // What was activated and cannot be used changes nothing for who has a set.
    put(&app.state.store, NETWORK, &BROKEN);
    until("it was looked at", || app.state.mappings.problems().len() == 2).await;
    let told = status(&app, root);
    assert_eq!(to_do(&told), ["verdict.mapping-kept", "verdict.feed", "verdict.mapping-unusable"]);
    let after = accept(&app, PLAIN, &writer.demographics(&AOBA[1])).await;
    until("it goes on with the set before", || translated(&app, PLAIN, after)).await;
    assert!(!translated(&app, OWN, waits) && lying.exists());

    // The way back, for both; what waited is translated by itself.
    for layer in [NETWORK, OWN] {
        app.state.store.layers().roll_back(layer, "sato", "broken", 2).unwrap();
    }
    until("what waited is translated", || translated(&app, OWN, waits)).await;
    until("and the file is taken", || !lying.exists()).await;
    until("there is nothing to do", || to_do(&status(&app, root)) == ["verdict.ok"]).await;
    assert!(get_as(&format!("http://{}/readyz", app.console.unwrap()), "").is_some());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_networks_version_gives_no_set_nobody_is_translated_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // A facility's own layer is whole, and does not stand without the one below it.
    let app = start(root, &[(NETWORK, &BROKEN), (OWN, &MENDED)]).await;
    let mut writer = Writer::new("L", "20260401".into());
    let message = writer.demographics(&AOBA[0]);
    let (own, plain) = (accept(&app, OWN, &message).await, accept(&app, PLAIN, &message).await);
    let waiting = |code| store(&app, code).untranslated().unwrap() == 1;
    until("both are taken", || waiting(OWN) && waiting(PLAIN)).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(waiting(OWN) && waiting(PLAIN));
    let told = status(&app, root);
    assert_eq!(places(&told).len(), 1, "{told}");
    assert_eq!((level(&told, OWN).as_str(), level(&told, PLAIN).as_str()), ("bad", "bad"));
    // The page of a message says why it waits in place of what other rules would make of it.
    let cookie = signed_in(&root.join("data"), &["operator"]);
    let url = format!("http://{}/messages/{PLAIN}-{plain}", app.console.unwrap());
    assert!(get_as(&url, &cookie).is_some());
    app.state.store.layers().activate(NETWORK, None, "sato", "broken", 2).unwrap();
    until("both are translated", || translated(&app, OWN, own) && translated(&app, PLAIN, plain)).await;
    app.stop().await;
}
