//! A backup that is restored changes no identity: the base gets no second id for anything.

use super::appliance::{Appliance, FACILITY};
use super::hospital::Hospital;
use super::{alone, base, oracle};
use std::path::Path;
use std::time::Duration;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_makes_the_same_ids() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let (base, file) = base::open(dir.path()).await;
    let (data, saved) = (dir.path().join("data"), dir.path().join("saved"));
    let mut appliance = Appliance::new(dir.path(), &data, &base.url(), "");
    let pause = Duration::from_millis(50);
    appliance.start(None);
    let hospital = Hospital::open(&appliance.mllp(), "b1", 1, pause);
    hospital.progress(400).await;
    let early = hospital.close().await;
    oracle::check(&mut appliance, &file, &early).await;
    // The backup: the facility's files by the store, everything else of the appliance as it lies there.
    copy(&data, &saved);
    let facility = saved.join(FACILITY);
    std::fs::remove_dir_all(&facility).unwrap();
    std::fs::create_dir(&facility).unwrap();
    let (whole, store) = appliance.store();
    store.backup(&facility).unwrap();
    drop((whole, store));
    // Life goes on; then the machine is lost.
    appliance.start(None);
    let hospital = Hospital::open(&appliance.mllp(), "b2", 5_000, pause);
    hospital.progress(300).await;
    let lost = hospital.close().await;
    oracle::settled(&file, &lost).await;
    appliance.kill();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&saved, &data);
    // The hospital sends again what it sent since the backup, and more.
    appliance.start(None);
    let hospital = Hospital::open(&appliance.mllp(), "b2", 5_000, pause);
    hospital.progress(400).await;
    let again = hospital.close().await;
    let found = oracle::settled(&file, &again).await;
    for (order, ids) in &found.ids {
        assert_eq!(ids.len(), 1, "order {order} has one id for ever");
    }
    assert!(appliance.stop().success());
}
