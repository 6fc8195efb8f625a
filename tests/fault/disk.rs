//! The disk is full to its last byte, and then not any more.

use super::appliance::Appliance;
use super::hospital::{Hospital, PROBE_PATIENT, VERSIONS, message};
use super::{SOON, alone, base, oracle};
use renkei_bridge::intake::send::{SendConfig, Sender, Sent};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// An order of the probe's own.
const PROBE: u64 = 4_000;

/// A small file system of its own, gone with this value.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// `None` where this process may not mount.
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=128m", "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_input_sends_on_and_lifts_by_itself() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let Some(_mounted) = Tmpfs::mount(&data) else {
        eprintln!("SKIPPED: mounting a tmpfs needs root");
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a tmpfs");
        return;
    };
    let (base, file) = base::open(dir.path()).await;
    base.set_faults(base::away());
    let more = "[store]\nsoft_free = \"40MiB\"\nhard_free = \"20MiB\"";
    let mut appliance = Appliance::new(dir.path(), &data, &base.url(), more);
    let hospital = Hospital::open(&appliance.mllp(), "d", 1, Duration::from_millis(50));
    appliance.start(None);
    // Every order has a message, and these are translated: what is only journalled has nothing to send yet.
    hospital.progress(500).await;
    let deadline = Instant::now() + SOON;
    while appliance.translated() < 500 {
        assert!(Instant::now() < deadline, "what was received is translated\n{}", appliance.tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ballast = data.join("ballast");
    fill(&ballast);
    assert_eq!(free_bytes(&data), 0);
    let mut probe = Sender::new(SendConfig { attempts: 1, ..SendConfig::new(appliance.mllp()) });
    let deadline = Instant::now() + SOON;
    let mut number = 0;
    loop {
        // A patient and orders of its own; what of it is accepted before the limit bites changes nothing.
        number += 1;
        let id = format!("probe-{number}");
        if probe.send_once(&message(&id, PROBE_PATIENT, PROBE, number), &id).await
            == Sent::Answered("AE".into())
        {
            break;
        }
        assert!(Instant::now() < deadline, "input is refused under the hard limit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused_at = hospital.acknowledged();
    base.set_faults(base::well());
    let deadline = Instant::now() + SOON;
    while oracle::journal(&file).values.len() < 200 {
        assert!(Instant::now() < deadline, "sending goes on without a byte of room\n{}", appliance.tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(hospital.acknowledged() <= refused_at + 64, "nothing is accepted under the hard limit");
    let errors = appliance.log().lines().filter(|line| line.contains("ERROR")).count();
    assert!(errors <= 12, "{errors} errors are logged for one full disk");
    std::fs::remove_file(&ballast).unwrap();
    hospital.progress(200).await;
    let mut log = hospital.close().await;
    // The probes are the hospital's as well, as far as they were accepted: the last is sent until it is.
    let mut probe = Sender::new(SendConfig { attempts: u32::MAX, ..SendConfig::new(appliance.mllp()) });
    for number in 1..=number {
        let id = format!("probe-{number}");
        let (ended, _) = probe.send(&message(&id, PROBE_PATIENT, PROBE, number), &id).await;
        assert_eq!(ended, Sent::Accepted);
        log.note(id, PROBE, PROBE * VERSIONS + number);
    }
    oracle::check(&mut appliance, &file, &log).await;
}

/// Others fill the disk, whatever the appliance gives up meanwhile.
fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    for chunk in [1 << 20, 4 << 10] {
        while file.write_all(&vec![0; chunk]).is_ok() {}
    }
}

fn free_bytes(path: &Path) -> u64 {
    let out = Command::new("df").args(["--output=avail", "-B1"]).arg(path).output().unwrap();
    String::from_utf8(out.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
}
