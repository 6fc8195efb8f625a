//! Killed at every durable point and at random moments, under load.

use super::appliance::Appliance;
use super::hospital::Hospital;
use super::{alone, base, oracle, seed, setting};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use renkei_bridge::store::DURABLE_POINTS;
use std::time::Duration;

/// Kills at random moments in the short form.
const SHORT_KILLS: u64 = 12;
/// Between a sender's messages.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_durable_point_and_at_random_nothing_is_lost_or_doubled() {
    let _alone = alone().await;
    let mut rng = StdRng::seed_from_u64(seed());
    let dir = tempfile::tempdir().unwrap();
    let (base, file) = base::open(dir.path()).await;
    let mut appliance = Appliance::new(dir.path(), &dir.path().join("data"), &base.url(), "");
    let hospital = Hospital::open(&appliance.mllp(), "k", 1, PAUSE);
    for point in DURABLE_POINTS {
        // The first passages are the start after the last kill; later ones lie in the midst of the load.
        let passage = rng.random_range(1..12);
        eprintln!("{point}:{passage}, {} acknowledged", hospital.acknowledged());
        appliance.start(Some(&format!("{point}:{passage}")));
        appliance.wait_killed(point);
    }
    for _ in 0..setting("RENKEI_FAULT_KILLS", SHORT_KILLS) {
        appliance.start(None);
        appliance.wait_listening();
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
        appliance.kill();
    }
    appliance.start(None);
    hospital.progress(100).await;
    let log = hospital.close().await;
    eprintln!("{} acknowledged", log.acknowledged.len());
    oracle::check(&mut appliance, &file, &log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_may_be_away_for_the_whole_load() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let (base, file) = base::open(dir.path()).await;
    base.set_faults(base::away());
    let mut appliance = Appliance::new(dir.path(), &dir.path().join("data"), &base.url(), "");
    let hospital = Hospital::open(&appliance.mllp(), "a", 1, PAUSE);
    appliance.start(None);
    hospital.progress(500).await;
    appliance.kill();
    appliance.start(None);
    hospital.progress(300).await;
    let log = hospital.close().await;
    assert!(oracle::journal(&file).values.is_empty(), "the base was away");
    base.set_faults(base::troubled());
    oracle::settled(&file, &log).await;
    base.set_faults(base::well());
    oracle::check(&mut appliance, &file, &log).await;
}
