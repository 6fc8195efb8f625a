//! On a machine: what the service manager is told, how far the unit shuts the program in, what is in the package.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;

use crate::support::{free_port, lacking};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The worst that `systemd-analyze security` may say, times ten.
const EXPOSURE: &str = "20";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_manager_hears_ready_alive_and_stopping_at_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (console, mllp) = (free_port(), free_port());
    let file = folder.path().join("bridge.toml");
    std::fs::write(
        &file,
        format!(
            "data_dir = 'data'\n[console]\nlisten = '127.0.0.1:{console}'\n[store]\nsoft_free = '0B'\n\
             hard_free = '0B'\n[[facility]]\ncode = '1319999999'\n\
             [[feed]]\nname = 'his'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '127.0.0.1:{mllp}'\n"
        ),
    )
    .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"))
        .args(["serve", "--config"])
        .arg(&file)
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "400000")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hear = || {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert!(TcpStream::connect(("127.0.0.1", mllp)).is_ok(), "ready means that the feed listens");
    assert_eq!([hear(), hear(), hear()], ["WATCHDOG=1"; 3]);
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    let mut last = hear();
    while last == "WATCHDOG=1" {
        last = hear();
    }
    assert_eq!(last, "STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_start_that_fails_is_never_ready() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(
        &file,
        format!(
            "data_dir = 'data'\n[console]\nlisten = '{}'\n[[facility]]\ncode = '1319999999'\n\
             [[feed]]\nname = 'his'\nfacility = '1319999999'\nkind = 'mllp'\nlisten = '127.0.0.1:0'\n",
            taken.local_addr().unwrap()
        ),
    )
    .unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_renkei-bridge"))
        .args(["serve", "--config"])
        .arg(&file)
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!ended.success());
    assert_eq!(socket.recv(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_unit_shuts_the_program_in() {
    let unit = root().join("systemd/renkei-bridge.service");
    let analysed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE}")])
        .arg(&unit)
        .output();
    let output = match analysed {
        Err(error) if error.kind() == ErrorKind::NotFound => return lacking("systemd-analyze"),
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_package_names_files_that_are_there() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    for asset in assets {
        let from = asset[0].as_str().unwrap();
        let there = match from.split_once('*') {
            Some((dir, _)) => root().join(dir).is_dir(),
            None => root().join(from).is_file(),
        };
        assert!(from.starts_with("target/") || there, "{from}");
    }
    // Every file of the rules and their manual, each in its folder.
    for entry in walkdir::WalkDir::new(root().join("mappings")).into_iter().map(Result::unwrap) {
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path().strip_prefix(root()).unwrap();
        let (dir, name) =
            (path.parent().unwrap().to_str().unwrap(), path.file_name().unwrap().to_str().unwrap());
        let ships = |asset: &toml::Value| {
            let (from, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
            let (of, pattern) = from.rsplit_once('/').unwrap_or(("", from));
            of == dir
                && pattern.strip_prefix('*').map_or(pattern == name, |end| name.ends_with(end))
                && to == format!("usr/share/doc/renkei-bridge/{dir}/")
        };
        assert!(assets.iter().any(ships), "{} is in no asset of the package", path.display());
    }
    let targets: Vec<&str> = assets.iter().map(|asset| asset[1].as_str().unwrap()).collect();
    // What the scripts of the package call by name.
    for name in ["usr/lib/sysusers.d/renkei-bridge.conf", "usr/lib/tmpfiles.d/renkei-bridge.conf"] {
        assert!(targets.contains(&name), "{name}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        assert!(root().join(deb["maintainer-scripts"].as_str().unwrap()).join(script).is_file(), "{script}");
    }
}
