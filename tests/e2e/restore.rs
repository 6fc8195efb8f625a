//! A machine that is lost after a consent ended: what the base got since the backup goes, and nobody else's.

use super::consent::{CANARY, Site, WORDS, messages, settles, until};
use crate::support::binary;
use renkei_bridge::demo::messages::{AOBA, Writer};
use std::process::Command;
use tokio_util::sync::CancellationToken;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

/// A command with the configuration of the site and a place for backups.
fn run(site: &Site, arguments: &[&str]) {
    let file = site.folder.join("backup.toml");
    let written = std::fs::read_to_string(site.folder.join("bridge.toml")).unwrap();
    std::fs::write(&file, written + "[backup]\nto = \"to\"\nkey = \"backup.key\"\n").unwrap();
    std::fs::write(site.folder.join("backup.key"), KEY).unwrap();
    let output = Command::new(binary()).args(arguments).arg("--config").arg(&file).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_ended_after_the_backup_has_ended_at_the_base_after_the_restore() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let site = Site::open(folder.path(), stop.clone()).await;
    let other = &AOBA[0];
    let only_other = format!("{},,\n", other.id);
    let both = format!("{},,\n987601,,\n", other.id);
    let mut writer = Writer::new("C", "20260401".into());
    let (canary, listed) = (messages(&mut writer, &CANARY), messages(&mut writer, other));
    let (many, rest) = (canary.len() as u64, listed.len() as u64);

    // The backup knows of the canary, and that nothing of it was sent.
    let appliance = site.start("delete");
    site.import(&only_other);
    site.send(&appliance, &[canary, listed].concat()).await;
    settles(&appliance, rest, many);
    let without = site.base.resources();
    run(&site, &["backup"]);

    // Listed: the base gets all of it, and a result that no backup has.
    site.import(&both);
    let late = [writer.results(&CANARY)];
    site.send(&appliance, &late).await;
    settles(&appliance, rest + many + 1, 0);
    assert!(site.base.resources().len() > without.len());

    // The consent ends, and with it the machine.
    drop(appliance);
    let (data, old) = (folder.path().join("data"), folder.path().join("data.old"));
    std::fs::rename(&data, old).unwrap();
    run(&site, &["restore", "--to", data.to_str().unwrap()]);
    site.import(&only_other);
    let asked = std::fs::metadata(&site.journal).unwrap().len();
    let appliance = site.start("delete");
    // The sender sends again what it sent since the backup.
    site.send(&appliance, &late).await;
    until("what the base got since the backup goes", || site.base.resources() == without);
    settles(&appliance, rest, many + 1);
    assert_eq!(site.base.resources(), without, "nobody else is touched");
    let journal = std::fs::read(&site.journal).unwrap();
    let since = String::from_utf8_lossy(&journal[usize::try_from(asked).unwrap()..]).into_owned();
    assert!(!WORDS.iter().any(|word| since.contains(word)), "a deletion names derived ids alone");
    stop.cancel();
}
