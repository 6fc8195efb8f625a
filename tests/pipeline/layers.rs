//! Two facilities in one appliance, one with rules of its own: each message is translated by its facility's set.

use super::PATIENCE;
use renkei_bridge::app;
use renkei_bridge::config;
use renkei_bridge::demo::messages::{AOBA, Writer};
use renkei_bridge::store::{Arrival, MessageId, Origin};
use std::path::Path;
use std::time::Duration;

const PLAIN: &str = "1319999998";
const OWN: &str = "1319999999";

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn written(root: &Path) -> config::Config {
    write(
        root,
        "bridge.toml",
        &format!(
            "data_dir = 'data'\n[mappings]\nnetwork = 'network'\n[console]\nlisten = '127.0.0.1:{}'\n\
             [store]\nsoft_free = '0B'\nhard_free = '0B'\n\
             [[facility]]\ncode = '{PLAIN}'\n[[facility]]\ncode = '{OWN}'\nmappings = 'hospital'\n",
            crate::support::free_port()
        ),
    );
    write(
        root,
        "network/maps/patient.toml",
        "[map]\nid = \"patient\"\nrules = [{ id = \"home\", off = true }]\n",
    );
    write(root, "hospital/messages/OML-11.toml", "[message]\nid = \"OML-11\"\noff = true\n");
    config::load(&root.join("bridge.toml")).unwrap_or_else(|problems| panic!("{problems:?}")).0
}

async fn accept(app: &app::App, facility: &str) -> MessageId {
    let message = Writer::new("L", "20260401".into()).results(&AOBA[0]);
    let arrival = Arrival {
        feed: "test".into(),
        name: "1".into(),
        body: message.bytes(),
        origin: Origin { source: "test".into(), ..Origin::default() },
        received_ms: chrono::Utc::now().timestamp_millis(),
        duplicate_window_ms: 60_000,
    };
    app.state.store.facility(facility).unwrap().accept(arrival).await.unwrap().id
}

/// The version that translated a message, and the findings of it.
async fn translated(app: &app::App, facility: &str, id: MessageId) -> (String, Vec<String>) {
    let store = app.state.store.facility(facility).unwrap();
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let detail = store.message(id).unwrap().unwrap();
        if let Some(version) = detail.mapping_version {
            return (version, detail.findings.into_iter().map(|finding| finding.code.into_owned()).collect());
        }
        assert!(tokio::time::Instant::now() < end, "{facility} has translated nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_facility_is_translated_by_its_own_layers() {
    let folder = tempfile::tempdir().unwrap();
    let app = app::spawn(written(folder.path())).await.unwrap_or_else(|error| panic!("{error}"));
    let (plain, own) = (accept(&app, PLAIN).await, accept(&app, OWN).await);
    let (plain_version, plain_findings) = translated(&app, PLAIN, plain).await;
    let (own_version, own_findings) = translated(&app, OWN, own).await;
    let sets = &app.state.mappings.sets;
    assert_eq!(plain_version, sets.common().load().version());
    assert_eq!(own_version, sets.of(OWN).load().version());
    assert_ne!(plain_version, own_version);
    // The hospital's layer takes the message file away: nothing reads its results.
    assert!(own_findings.contains(&"message-type-not-mapped".to_owned()), "{own_findings:?}");
    assert!(!plain_findings.contains(&"message-type-not-mapped".to_owned()), "{plain_findings:?}");
    app.stop().await;
}

#[test]
fn what_is_wrong_with_a_facilitys_layer_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = written(folder.path());
    let wrong = "[map]\nid = \"patient\"\nrules = [{ id = \"nobody\", off = true }]\n";
    for layer in ["network", "hospital"] {
        write(folder.path(), &format!("{layer}/maps/patient.toml"), wrong);
    }
    let problems = app::mappings::Sources::new(&config, None).build().problems;
    let places: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} {}:{}", problem.layer.word(), problem.file, problem.line))
        .collect();
    assert_eq!(places, ["network maps/patient.toml:3", "facility maps/patient.toml:3"]);
}
