//! A backup that is restored changes no identity: the base gets no second id for anything.

use super::appliance::Appliance;
use super::hospital::Hospital;
use super::{alone, base, oracle};
use std::collections::BTreeSet;
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
    // The backup, while it works.
    let made = appliance.beside(&["backup", "--to", saved.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    hospital.progress(100).await;
    let early = hospital.close().await;
    oracle::check(&mut appliance, &file, &early).await;
    let key = |dir: &Path| std::fs::read(dir.join("identity.key")).unwrap();
    assert_eq!(key(&saved), key(&data), "the secret of ids is in the backup");
    // Life goes on; then the machine is lost.
    appliance.start(None);
    let hospital = Hospital::open(&appliance.mllp(), "b2", 5_000, pause);
    hospital.progress(300).await;
    let lost = hospital.close().await;
    let before = oracle::settled(&file, &lost).await;
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
    let types: BTreeSet<&str> = before.standing.iter().filter_map(|url| url.split('/').next()).collect();
    assert!(types.len() > 2, "{types:?}");
    assert_eq!(found.standing, before.standing, "every resource of every type has the id that it had");
    assert!(appliance.stop().success());
}
