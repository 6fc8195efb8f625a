//! A backup that is restored elsewhere changes no identity: the base gets no second id for anything.

use super::appliance::Appliance;
use super::hospital::Hospital;
use super::{alone, base, oracle};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn renkei(arguments: &[&str], paths: &[&Path]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"));
    command.arg(arguments[0]);
    for (name, path) in arguments[1..].iter().zip(paths) {
        command.arg(name).arg(path);
    }
    command.args(&arguments[1 + paths.len()..]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_makes_the_same_ids() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let (base, file) = base::open(dir.path()).await;
    let (data, key) = (dir.path().join("data"), dir.path().join("backup.key"));
    let (saved, restored) = (dir.path().join("saved"), dir.path().join("restored"));
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    let more = format!("[backup]\nto = {saved:?}\nkey = {key:?}");
    let mut appliance = Appliance::new(dir.path(), &data, &base.url(), &more);
    let pause = Duration::from_millis(50);
    appliance.start(None);
    let hospital = Hospital::open(&appliance.mllp(), "b1", 1, pause);
    hospital.progress(400).await;
    // The backup is made while messages come in and go out.
    let configuration = dir.path().join("bridge.toml");
    renkei(&["backup", "--config"], &[&configuration]);
    hospital.progress(100).await;
    let early = hospital.close().await;
    oracle::check(&mut appliance, &file, &early).await;
    // Life goes on: results are corrected and delivered that the backup knows nothing of.
    appliance.start(None);
    let hospital = Hospital::open(&appliance.mllp(), "b2", 5_000, pause);
    hospital.progress(300).await;
    let lost = hospital.close().await;
    let before = oracle::settled(&file, &lost).await;
    // Then the machine is lost, and another takes its place.
    appliance.kill();
    std::fs::remove_dir_all(&data).unwrap();
    let said = renkei(&["restore", "--from", "--key", "--verify"], &[&saved, &key]);
    assert!(said.contains("can be restored"), "{said}");
    renkei(&["restore", "--from", "--key", "--to"], &[&saved, &key, &restored]);
    let mut appliance = Appliance::new(dir.path(), &restored, &base.url(), &more);
    appliance.start(None);
    // The hospital sends again what it sent since the backup, and more.
    let hospital = Hospital::open(&appliance.mllp(), "b2", 5_000, pause);
    hospital.progress(400).await;
    let again = hospital.close().await;
    let found = oracle::settled(&file, &again).await;
    for (order, ids) in &found.ids {
        assert_eq!(ids.len(), 1, "order {order} has one id for ever");
    }
    let types: BTreeSet<&str> = before.standing.iter().filter_map(|url| url.split('/').next()).collect();
    assert!(types.len() > 2, "{types:?}");
    assert_eq!(found.standing, before.standing, "every resource of every type has the id that it had");
    assert!(appliance.stop().success());
    let (whole, store) = appliance.store();
    assert!(store.sums(0, u32::MAX).unwrap().iter().all(renkei_bridge::store::DaySum::balanced));
    assert!(whole.audit().entries(None, 100).unwrap().iter().any(|entry| entry.action == "restore"));
}
