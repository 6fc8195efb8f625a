//! A lane between the real store and the rehearsal base.

use super::*;
use crate::store::{Arrival, Completion, Config, Indexed, Origin, State, Store};
use renkei_translate::translation::{Replaces, Resource, Role, Status as Ended, Translation, Unit};

const FACILITY: &str = "1319999999";

fn translation(time: &str, ids: &[&str]) -> Translation {
    let resource = |id: &&str| Resource {
        resource_type: "Location".into(),
        id: (*id).into(),
        role: Role::Unit,
        map: "location".into(),
        json: location(id).to_string().into_bytes(),
        references: Vec::new(),
        yields: false,
        line: String::new(),
    };
    let unit = Unit {
        key: "unit-1".into(),
        kind: "lab".into(),
        replaces: Replaces::Unit,
        incremental: false,
        withdrawn: false,
        event: None,
        lines: None,
        takes_back: Vec::new(),
        time: time.into(),
    };
    Translation {
        status: Ended::Translated,
        kind: Some("OML-11".into()),
        patient: Some("1".into()),
        unit: Some(unit),
        resources: ids.iter().map(resource).collect(),
        ..Translation::held(Vec::new())
    }
}

async fn take_in(store: &crate::store::FacilityStore, name: &str, translation: Translation) {
    let arrival = Arrival {
        feed: "feed".into(),
        name: name.into(),
        body: name.as_bytes().to_vec(),
        origin: Origin::default(),
        received_ms: now_ms(),
        duplicate_window_ms: 1_000,
    };
    store.accept(arrival).await.unwrap();
    let patients = vec!["1".to_owned()];
    let waiting = store.unindexed(10).unwrap();
    let indexed =
        waiting.iter().map(|row| Indexed { id: row.id, patients: patients.clone(), ..Indexed::default() });
    store.index(indexed.collect()).unwrap();
    let claims = store.claim(10).unwrap();
    assert_eq!(claims.len(), 1);
    let completion = |translation| Completion {
        translation,
        mapping_version: "1".into(),
        destinations: vec!["base".into()],
    };
    store
        .complete(claims.into_iter().map(|claim| (claim, completion(translation.clone()))).collect())
        .unwrap();
}

/// Asks the store again whenever the base was asked, and in between.
async fn wait_for(store: &crate::store::FacilityStore, registered: usize) {
    let all = async {
        loop {
            let messages = store.messages(&crate::store::Filter::default()).unwrap();
            if messages.iter().filter(|message| message.state == State::Registered).count() == registered {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("the store has it registered");
}

#[tokio::test]
async fn a_correction_with_one_entry_less_deletes_it_though_every_answer_was_lost_once() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Store::open(dir.path(), &[FACILITY.to_owned()], Config::default()).unwrap();
    let store = stores.facility(FACILITY).unwrap();
    store.share(&crate::store::Sharing::all(&["base"]), now_ms()).unwrap();
    let rehearsal = rehearse(Faults::default()).await;
    rehearsal.script([Fault::DropAfterCommit, Fault::None, Fault::DropAfterCommit]);
    let shutdown = CancellationToken::new();
    let base = settings(&rehearsal.url());
    let forwarder = spawn(base, vec![Arc::clone(&store)], shutdown.clone()).unwrap();

    take_in(&store, "m1", translation("20260101000000000", &["a", "b"])).await;
    wait_for(&store, 1).await;
    assert_eq!(rehearsal.resources().len(), 2);
    take_in(&store, "m2", translation("20260102000000000", &["a"])).await;
    wait_for(&store, 2).await;

    let expected = BTreeMap::from([("Location/a".to_owned(), sha256(location("a").to_string().as_bytes()))]);
    assert_eq!(rehearsal.resources(), expected);
    assert_eq!(store.queue("base").unwrap().pending, 0);
    shutdown.cancel();
    forwarder.stopped().await;
}
