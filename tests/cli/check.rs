//! `check`: all problems of an installation at once, with file, line and what to do.

use super::{renkei, text};
use std::path::Path;

/// Exit code and standard error of `check` on a configuration in a folder.
fn check(folder: &Path, configuration: &str) -> (Option<i32>, String) {
    let file = folder.join("bridge.toml");
    std::fs::write(&file, configuration).unwrap();
    let output = renkei().arg("check").arg("--config").arg(&file).output().unwrap();
    assert_eq!(text(&output.stdout), "");
    (output.status.code(), text(&output.stderr))
}

#[test]
fn a_sound_installation_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("storage")).unwrap();
    let (code, said) = check(
        folder.path(),
        "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\n\
         [[feed]]\nname = 's'\nfacility = '1319999999'\nkind = 'ssmix2'\npath = 'storage'\n\
         [[base]]\nname = 'b'\nkind = 'fhir-rest'\nurl = 'http://127.0.0.1:9/fhir'\n",
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 errors"), "{said}");
}

#[test]
fn every_problem_is_said_at_once_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(
        folder.path(),
        "data_dir = 'data'\n[[facility]]\ncode = '13'\n[[feed]]\nname = 'm'\nfacility = '1319999999'\n\
         kind = 'mllp'\nlisten = 'here'\n[[base]]\nname = 'b'\nkind = 'fhir-rest'\nurl = 'http://h/fhir'\n\
         timeout = '30'\n",
    );
    assert_eq!(code, Some(78), "{said}");
    for place in [
        "bridge.toml:3: error: facility[1].code",
        "bridge.toml:6: error: feed[1].facility",
        "bridge.toml:8: error: feed[1].listen",
        "bridge.toml:13: error: base[1].timeout",
    ] {
        assert!(said.contains(place), "{place} is missing in:\n{said}");
    }
    assert!(said.contains("10桁") && said.contains("ten digits"), "{said}");
}

#[test]
fn a_wrong_word_does_not_hide_what_else_is_wrong_with_its_section() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = check(
        folder.path(),
        "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\n[[base]]\nname = 'b'\nkind = 'fhir-rst'\n\
         url = 'htp://x'\nfacilities = ['9']\nconcurrency = 0\n",
    );
    assert_eq!(code, Some(78), "{said}");
    for place in [
        "6: error: base[1].kind",
        "7: error: base[1].url",
        "8: error: base[1].facilities",
        "9: error: base[1].concurrency",
    ] {
        assert!(said.contains(&format!("bridge.toml:{place}")), "{place} is missing in:\n{said}");
    }
}

#[test]
fn a_layout_that_no_mapping_has_is_an_error_and_the_known_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lab")).unwrap();
    let (code, said) = check(
        folder.path(),
        "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\n[[feed]]\nname = 'l'\nfacility = '1319999999'\n\
         kind = 'folder'\npath = 'lab'\nlayout = 'lab-csv45'\n",
    );
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains("bridge.toml:9: error: feed[1].layout: The mappings have no layout lab-csv45"),
        "{said}"
    );
    assert!(said.contains("Known are: lab-csv44."), "{said}");
}

#[test]
fn what_the_configuration_names_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let soon = certificate(folder.path(), "soon", 10);
    let past = certificate(folder.path(), "past", -1);
    std::fs::write(folder.path().join("gaiji.csv"), "F040,髙\nxyz\n").unwrap();
    std::fs::write(folder.path().join("data"), "a file, not a directory").unwrap();
    let (code, said) = check(
        folder.path(),
        &format!(
            "data_dir = 'data'\n[[facility]]\ncode = '1319999999'\ngaiji = 'gaiji.csv'\n\
             [[feed]]\nname = 's'\nfacility = '1319999999'\nkind = 'ssmix2'\npath = 'nowhere'\n\
             [[feed]]\nname = 'm'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '127.0.0.1:2575'\n\
             tls = {{ cert = '{soon}.pem', key = '{soon}.key', client_ca = '{past}.pem' }}\n\
             [[base]]\nname = 'b'\nkind = 'fhir-rest'\nurl = 'https://h/fhir'\ntls = {{ ca = 'gaiji.csv' }}\n"
        ),
    );
    assert_eq!(code, Some(78), "{said}");
    for place in [
        ":1: error: data_dir",
        ":4: error: facility[1].gaiji",
        ":9: error: feed[1].path",
        ":15: warning: feed[2].tls.cert",
        ":15: error: feed[2].tls.client_ca",
        ":20: error: base[1].tls.ca",
    ] {
        assert!(said.contains(place), "{place} is missing in:\n{said}");
    }
    assert!(said.contains("line 2"), "the line of the table of 外字 is missing in:\n{said}");
}

#[test]
fn a_configuration_in_another_encoding_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    let text = "data_dir = 'data'\n[[facility]]\nname = '架空'\n";
    std::fs::write(&file, encoding_rs::SHIFT_JIS.encode(text).0).unwrap();
    let output = renkei().arg("check").arg("--config").arg(&file).output().unwrap();
    let said = super::text(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    assert!(said.contains("bridge.toml:3: error: The configuration is saved as CP932"), "{said}");
    assert!(said.contains("UTF-8 で保存し直してください"), "{said}");
}

#[test]
fn a_wrong_backup_key_and_a_missing_layer_are_named_with_the_line_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short.key"), "abcd").unwrap();
    let (code, said) = check(
        folder.path(),
        "data_dir = 'data'\n[mappings]\nnetwork = 'nonet'\n[backup]\nto = 'backups'\nkey = 'short.key'\n\
         [[facility]]\ncode = '1319999999'\nmappings = 'nolayer'\n",
    );
    assert_eq!(code, Some(78), "{said}");
    for place in [":3: error: mappings.network", ":6: error: backup.key", ":9: error: facility[1].mappings"] {
        assert!(said.contains(&format!("bridge.toml{place}")), "{place} is missing in:\n{said}");
    }
    assert!(said.contains("64桁の16進数ではありません") && said.contains("openssl rand -hex 32"), "{said}");
    assert!(!said.contains("IO error for operation"), "{said}");
}

/// Writes a certificate that ends in so many days, and its key; its name without an ending.
fn certificate(folder: &Path, name: &'static str, days: i64) -> &'static str {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["bridge.example".to_owned()]).unwrap();
    let end = chrono::Utc::now() + chrono::Duration::days(days);
    let (year, month, day) =
        (chrono::Datelike::year(&end), chrono::Datelike::month(&end), chrono::Datelike::day(&end));
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, u8::try_from(month).unwrap(), u8::try_from(day).unwrap());
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    name
}

#[test]
fn a_configuration_that_is_not_there_exits_with_78() {
    for command in ["check", "serve"] {
        let output = renkei().args([command, "--config", "/no/such/bridge.toml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        assert!(text(&output.stderr).contains("/no/such/bridge.toml"));
    }
}

#[test]
fn an_identity_key_that_is_not_the_store_s_exits_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let (data, key) = (folder.path().join("data"), folder.path().join("identity.key"));
    let configuration = "data_dir = 'data'\n[store]\nidentity_key = 'identity.key'\nsoft_free = '0B'\nhard_free = '0B'\n\
                         [[facility]]\ncode = '1319999999'\n";
    std::fs::write(&key, [7; 32]).unwrap();
    let (code, said) = check(folder.path(), configuration);
    assert_eq!(code, Some(0), "{said}");
    assert!(!data.join("appliance").exists(), "nothing is made");
    let config = renkei_bridge::store::Config { identity_key: Some(key.clone()), ..Default::default() };
    drop(renkei_bridge::store::Store::open(&data, &["1319999999".to_owned()], config).unwrap());
    assert_eq!(check(folder.path(), configuration).0, Some(0));
    std::fs::write(&key, [8; 32]).unwrap();
    let (code, said) = check(folder.path(), configuration);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("Put the right key back") && said.contains("識別鍵が、この保存領域"), "{said}");
    // The setting is gone: the store's key would have to lie in the data directory, and does not.
    let (code, said) = check(folder.path(), &configuration.replace("identity_key = 'identity.key'\n", ""));
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("Put the right key back") && !data.join("identity.key").exists(), "{said}");
}
