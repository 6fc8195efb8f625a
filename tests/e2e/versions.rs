//! Versions of a layer beside an appliance at work: saved, activated and taken back without a restart; what was
//! registered keeps its ids when it is translated again.

use super::consent::{Site, settles, until};
use crate::support::{Appliance, FACILITY, binary, get};
use renkei_bridge::demo::messages::{AOBA, Person, Writer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use tokio_util::sync::CancellationToken;

const TABLE: &str =
    "source_system,source_code,source_display,target_system,target_code,target_display,equivalence\n";

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let at = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(at).unwrap();
        } else {
            std::fs::copy(entry.path(), at).unwrap();
        }
    }
}

/// Exit code and all that a command on the configuration of the site says.
fn run(site: &Site, arguments: &[&str]) -> (i32, String) {
    let config = site.folder.join("bridge.toml");
    let mut command = Command::new(binary());
    let output = command.current_dir(&site.folder).args(arguments).arg("--config").arg(&config).output();
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

/// The numbers of the messages, the oldest first.
fn numbers(site: &Site) -> Vec<String> {
    let listed = done(site, &["message", "list"]);
    let mut numbers: Vec<u64> =
        listed.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.iter().map(ToString::to_string).collect()
}

fn done(site: &Site, arguments: &[&str]) -> String {
    let (code, said) = run(site, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

/// Resources of a type at the base, by `Type/id`.
fn of_type(site: &Site, kind: &str) -> BTreeMap<String, Value> {
    let of_kind = site.base.resources().into_keys().filter(|url| url.starts_with(&format!("{kind}/")));
    of_kind
        .filter_map(|url| {
            // One that is deleted in between is not there any more.
            let found = get(&format!("{}/{url}", site.base.url()))?;
            Some((url, serde_json::from_slice(&found).unwrap()))
        })
        .collect()
}

fn gender(site: &Site) -> Vec<(String, String)> {
    let patients = of_type(site, "Patient").into_iter();
    patients.map(|(id, patient)| (id, patient["gender"].as_str().unwrap_or_default().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_taken_over_at_work_and_what_was_registered_keeps_its_ids() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let site = Site::open(folder.path(), stop.clone()).await;
    let root = folder.path();
    let appliance = Appliance::start_as(root, &site.base.url(), "whole", "share = \"all\"", "", &[]);
    // A letter that no shipped table knows: the set's own tests say nothing of it.
    let person = &Person { sex: "X", ..AOBA[0] };
    let mut writer = Writer::new("V", "20260401".into());
    site.send(&appliance, &[writer.demographics(person)]).await;
    settles(&appliance, 1, 0);
    let shipped = gender(&site);
    let coverages = of_type(&site, "Coverage");
    assert_eq!((shipped.len(), coverages.is_empty()), (1, false));
    let first = numbers(&site).remove(0);
    let said = done(&site, &["message", "show", &first]);
    let program = format!("(shipped {})", env!("CARGO_PKG_VERSION"));
    assert!(said.contains(&program), "{said}");

    // The network's first version says another gender; its second switches the insurance off.
    write(root, "one/tables/administrative-gender.csv", &format!("{TABLE},X,,,other,,inexact\n"));
    write(root, "two/tables/administrative-gender.csv", &format!("{TABLE},X,,,female,,inexact\n"));
    write(root, "two/maps/coverage.toml", "[map]\nid = \"coverage\"\noff = true\n");
    let save = |dir: &str| {
        done(&site, &["mapping", "save", "--layer", "network", "--author", "kato", "--reason", "性別", dir])
    };
    assert!(save("one").contains("version 1 is saved"));
    assert!(save("two").contains("version 2 is saved"));
    assert!(save("one").contains("version 1 has the same content"));
    let activate = |number: &str| {
        done(&site, &["mapping", "activate", "--layer", "network", "--reason", "承認済み", number])
    };
    assert_eq!(gender(&site), shipped, "saved is not active");

    // What it would do to what was received is seen before: the message that changes, and how, without its values.
    let tried = done(&site, &["mapping", "trial", "--layer", "network", "1"]);
    for line in [
        "table administrative-gender",
        "Patient.gender: text → text",
        &format!("(ADT-00 {first})"),
        "1 of 1 messages change",
    ] {
        assert!(tried.contains(line), "{line}: {tried}");
    }
    assert!(!tried.contains("female") && !tried.contains(person.kanji.0), "{tried}");
    assert_eq!(gender(&site), shipped, "tried is not active");
    let other = done(&site, &["mapping", "trial", "--layer", "network", "--kind", "OML-11", "1"]);
    assert!(other.contains("0 of 0 messages change"), "{other}");

    // Taken over without a restart: the next message has it, under the same id.
    let said = activate("1");
    assert!(said.contains("of the 1 newest messages 1 would change"), "{said}");
    let log = || appliance.log().matches("The mappings were exchanged").count();
    until("the appliance takes the version over", || log() == 1);
    site.send(&appliance, &[writer.demographics(person)]).await;
    settles(&appliance, 2, 0);
    let expected = |word: &str| vec![(shipped[0].0.clone(), word.to_owned())];
    assert_eq!(gender(&site), expected("other"));
    let second = numbers(&site).remove(1);
    assert!(done(&site, &["message", "show", &second]).contains("network 1)"));
    assert!(done(&site, &["message", "show", &first]).contains(&program), "each keeps its own");

    // What is registered is translated again: the same resource, and what is made no more goes.
    activate("2");
    until("and the next", || log() == 2);
    assert!(done(&site, &["message", "retranslate", "--count"]).contains("2 messages"));
    assert_eq!(gender(&site), expected("other"), "nothing moves by itself");
    done(&site, &["message", "retranslate", "--kind", "ADT-00"]);
    until("the newer value is at the base", || gender(&site) == expected("female"));
    until("what the version makes no more is gone", || of_type(&site, "Coverage").is_empty());
    settles(&appliance, 2, 0);
    assert!(done(&site, &["message", "show", &second]).contains("network 2)"));
    assert!(done(&site, &["message", "retranslate", "--count"]).contains(": 0 messages"));

    // One step back, and everything stands as the first version had it.
    done(&site, &["mapping", "rollback", "--layer", "network", "--reason", "保険が消えた"]);
    until("and back", || log() == 3);
    done(&site, &["message", "replay", &second]);
    until("the former value is at the base", || gender(&site) == expected("other"));
    until("and what it makes", || of_type(&site, "Coverage").keys().eq(coverages.keys()));
    settles(&appliance, 2, 0);

    // Another key gives other ids to what is recorded: that is said before anything is active.
    write(root, "key/maps/coverage.toml", "[map]\nid = \"coverage\"\nkey = [\"PID-3.1\", \"IN1-1\"]\n");
    let said = save("key");
    assert!(said.contains("the key of 'coverage' changes, and messages of ADT-00 are recorded"), "{said}");
    assert!(said.contains("--kind ADT-00") && said.contains("id が変わります"), "{said}");
    let listed = done(&site, &["mapping", "versions"]);
    let lines: Vec<&str> = listed.lines().filter(|line| line.starts_with("network  ")).collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[2].contains("   1  ") && lines[2].contains("kato  性別  * active"), "{listed}");
    assert!(!lines[0].contains("active"), "{listed}");

    // The archive that comes out is the one that went in; what applies is shown.
    done(&site, &["mapping", "export", "out.zip", "--layer", "network", "--number", "2"]);
    let packed =
        Command::new(binary()).current_dir(root).args(["mapping", "export", "two", "in.zip"]).status();
    assert!(packed.unwrap().success());
    assert_eq!(std::fs::read(root.join("out.zip")).unwrap(), std::fs::read(root.join("in.zip")).unwrap());
    let shown = done(&site, &["mapping", "show", "--effective"]);
    assert!(
        shown.contains(",X,,,other,,inexact\n      network  tables/administrative-gender.csv:2"),
        "{shown}"
    );
    assert!(done(&site, &["audit", "verify"]).contains("the chain is whole"));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_neither_saved_nor_activated_and_all_of_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let site = Site::open(folder.path(), stop.clone()).await;
    let root = folder.path();
    drop(site.start("stop"));
    let save =
        |layer: &str, dir: &str| run(&site, &["mapping", "save", "--layer", layer, "--reason", "試し", dir]);
    let activate = |layer: &str, number: &str| {
        run(&site, &["mapping", "activate", "--layer", layer, "--reason", "試し", number])
    };
    let off = |id: &str| format!("[map]\nid = \"patient\"\nrules = [{{ id = \"{id}\", off = true }}]\n");
    write(root, "wrong/maps/patient.toml", &off("nobody"));
    write(root, "wrong/tables/t.csv", "a,b\n");
    let (code, said) = save("network", "wrong");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("maps/patient.toml:3") && said.contains("tables/t.csv:1"), "{said}");
    assert!(said.contains("nothing was changed / 何も変えていません"));
    // A layer whose own tests fail.
    let test = "[map]\nid = \"patient\"\n[[test]]\nname = \"wrong on purpose\"\nmessage = \"PID|||1||^^^^^L^I|||M\"\n\
                expect = { \"gender\" = \"female\" }\n";
    write(root, "red/maps/patient.toml", test);
    let (code, said) = save("network", "red");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("wrong on purpose"), "{said}");
    assert_eq!(save("1310000009", "wrong").0, 2, "no such facility");

    // The facility switches a row off that a later version of the network takes away.
    write(root, "own/maps/patient.toml", &off("work"));
    write(root, "net/maps/patient.toml", &off("work"));
    write(root, "other/tables/administrative-gender.csv", &format!("{TABLE},X,,,other,,inexact\n"));
    for (layer, dir) in [(FACILITY, "own"), ("network", "net"), ("network", "other")] {
        let (code, said) = save(layer, dir);
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(activate(FACILITY, "1").0, 0);
    let (code, said) = activate("network", "1");
    assert_eq!(code, 1, "{said}");
    let named = format!("facility {FACILITY}: maps/patient.toml:3");
    assert!(said.contains(&named) && said.contains("work"), "{said}");
    assert!(said.contains(&format!("mapping activate --layer {FACILITY} --reason … 0")), "{said}");
    assert_eq!(activate("network", "3").0, 1, "no such version");
    let (_, listed) = run(&site, &["mapping", "versions", "--layer", "network"]);
    assert!(!listed.contains("active"), "{listed}");
    assert_eq!(run(&site, &["mapping", "rollback", "--layer", "network", "--reason", "試し"]).0, 1);
    assert_eq!(activate("network", "2").0, 0);

    // A version that the program has outgrown: a start refuses it, and the way back is open although both layers are
    // broken now.
    let config = root.join("bridge.toml");
    let written = std::fs::read_to_string(&config).unwrap();
    let shipped = root.join("smaller");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"), &shipped);
    let patient = shipped.join("maps/patient.toml");
    let without: Vec<String> = std::fs::read_to_string(&patient)
        .unwrap()
        .lines()
        .filter(|line| !line.contains("id = \"work\""))
        .map(str::to_owned)
        .collect();
    std::fs::write(&patient, without.join("\n")).unwrap();
    std::fs::write(&config, format!("{written}\n[mappings]\nshipped = \"smaller\"\n")).unwrap();
    let (code, said) = run(&site, &["check"]);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("renkei-bridge mapping rollback goes back"), "{said}");
    let back = |layer: &str| run(&site, &["mapping", "rollback", "--layer", layer, "--reason", "試し"]);
    let (code, said) = back("network");
    assert_eq!(code, 0, "the facility's layer is broken still: {said}");
    assert_eq!(back(FACILITY).0, 0);
    assert_eq!(run(&site, &["check"]).0, 0);
    std::fs::write(&config, &written).unwrap();
    assert_eq!(activate(FACILITY, "1").0, 0);
    assert_eq!(activate("network", "2").0, 0);

    // check and serve have both layers, and say of what the set is made.
    let (code, said) = run(&site, &["check"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("network 2)") && said.contains("network 2, facility 1)"), "{said}");
    // A folder of the configuration stands in the place of a version; nobody is left to wonder.
    std::fs::write(&config, format!("{written}\n[mappings]\nnetwork = \"other\"\n")).unwrap();
    let (code, said) = run(&site, &["check"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("version 2 is active, but the configuration names the folder"), "{said}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_with_a_file_left_out_for_its_name_is_neither_saved_nor_activated() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let site = Site::open(folder.path(), stop.clone()).await;
    let root = folder.path();
    drop(site.start("stop"));
    let row = "[map]\nid = \"patient\"\nrules = [{ id = \"work\", off = true }]\n";
    write(root, "own/maps/patient.toml", row);
    write(root, "own/maps/coverage.toml.txt", "[map]\nid = \"coverage\"\noff = true\n");
    let save = || run(&site, &["mapping", "save", "--layer", "network", "--reason", "試し", "own"]);
    let (code, said) = save();
    assert_eq!(code, 1, "{said}");
    for part in ["maps/coverage.toml.txt: no part of the layer", "層に入りません", "nothing was changed"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!run(&site, &["mapping", "versions"]).1.contains("network"));
    // A note of one's own beside the rules is none of them.
    std::fs::remove_file(root.join("own/maps/coverage.toml.txt")).unwrap();
    write(root, "own/notes.txt", "会議の記録\n");
    assert_eq!(save().0, 0);
    // As an earlier version of the program would have saved it: a table beside the tables.
    {
        let config = renkei_bridge::store::Config::default();
        let store =
            renkei_bridge::store::Store::open(&root.join("data"), &[FACILITY.to_owned()], config).unwrap();
        write(root, "own/maps/gender.csv", &format!("{TABLE},X,,,other,,inexact\n"));
        let files = renkei_bridge::app::archive::read(&root.join("own")).unwrap().unwrap();
        let archive = renkei_bridge::app::archive::pack(&files).unwrap();
        store.layers().save("network", &archive, "kato", "old", 1).unwrap();
    }
    let activate =
        |number: &str| run(&site, &["mapping", "activate", "--layer", "network", "--reason", "試し", number]);
    let (code, said) = activate("2");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("maps/gender.csv: no part of the layer"), "{said}");
    let (code, said) = activate("1");
    assert_eq!(code, 0, "{said}");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_program_has_outgrown_serves_on_and_its_mended_successor_ends_the_warning() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let site = Site::open(folder.path(), stop.clone()).await;
    let root = folder.path();
    drop(site.start("stop"));
    // As an earlier version of the program would have saved it: without the check of today.
    let row = "[map]\nid = \"patient\"\nrules = [{ id = \"work\", off = true }]\n";
    let skip = "[message]\nid = \"ADT-00\"\nskip = [{ from = \"PID-5\", why = { ja = \"送らない\", en = \"not sent\" } }]\n";
    write(root, "old/maps/patient.toml", row);
    write(root, "old/messages/ADT-00.toml", skip);
    {
        let config = renkei_bridge::store::Config::default();
        let store =
            renkei_bridge::store::Store::open(&root.join("data"), &[FACILITY.to_owned()], config).unwrap();
        let files = renkei_bridge::app::archive::read(&root.join("old")).unwrap().unwrap();
        let archive = renkei_bridge::app::archive::pack(&files).unwrap();
        store.layers().save("network", &archive, "kato", "old", 1).unwrap();
        store.layers().activate("network", Some(1), "kato", "old", 1).unwrap();
    }
    let place = "network: messages/ADT-00.toml:3: ADT-00/PID-5 [from]: rule";
    let (code, said) = run(&site, &["check"]);
    assert_eq!(code, 0, "{said}");
    for part in
        [place, "まだ規則 patient/name", "do not stop the appliance", "装置は止まりません", "1 warnings"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = run(&site, &["mapping", "check"]);
    assert!(code == 1 && said.contains(place) && said.contains("goes on as before"), "{said}");
    let shown = done(&site, &["mapping", "show", "--effective"]);
    assert!(shown.contains("work: off") && shown.contains(place), "{shown}");
    assert!(done(&site, &["mapping", "test"]).contains(" 0 failed"));
    // It starts, and says why it is not content.
    let appliance = site.start("stop");
    until("it is logged", || appliance.log().contains("messages/ADT-00.toml"));
    let log = appliance.log();
    assert!(log.contains("they go on as before") && log.contains("ADT-00/PID-5"), "{log}");

    // Another layer's new version is no worse for it; one with the same place is refused, as saved and as active.
    let save =
        |layer: &str, dir: &str| run(&site, &["mapping", "save", "--layer", layer, "--reason", "試し", dir]);
    let activate = |layer: &str, number: &str| {
        run(&site, &["mapping", "activate", "--layer", layer, "--reason", "試し", number])
    };
    write(root, "own/tables/administrative-gender.csv", &format!("{TABLE},X,,,other,,inexact\n"));
    assert_eq!(save(FACILITY, "own").0, 0);
    let (code, said) = activate(FACILITY, "1");
    assert_eq!(code, 0, "{said}");
    let (code, said) = activate("network", "1");
    assert!(code == 1 && said.contains(place) && said.contains("nothing was changed"), "{said}");
    write(
        root,
        "old/maps/more.toml",
        "[map]\nid = \"coverage\"\nrules = [{ id = \"period\", off = true }]\n",
    );
    let (code, said) = save("network", "old");
    assert!(code == 1 && said.contains(place), "{said}");
    write(root, "new/maps/patient.toml", row);
    assert_eq!(save("network", "new").0, 0);
    let (code, said) = activate("network", "2");
    assert_eq!(code, 0, "{said}");
    until("it is well again", || appliance.log().contains("Nothing is wrong with the mappings any more"));
    let (code, said) = run(&site, &["check"]);
    assert!(code == 0 && !said.contains("ADT-00/PID-5") && said.contains("0 warnings"), "{said}");

    // The way back to it is open, and says what the check refuses.
    let (code, said) = run(&site, &["mapping", "rollback", "--layer", "network", "--reason", "試し"]);
    assert_eq!(code, 0, "{said}");
    for part in [
        place,
        "the check of this program refuses places of this version",
        "今の装置の検査に合わない所",
        "version 1 is active",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    until("it is told again", || appliance.log().matches("they go on as before").count() == 2);
    stop.cancel();
}
