//! What `check` looks at beyond the configuration's own files: clock, disk, and whether the bases answer.
//!
//! Not part of a start: all of it may be mended, or go wrong, while the appliance runs.

use super::environment::Look;
use super::{Config, Problem, Weight, environment};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

/// Before this the clock is wrong: the first of 2026 in Japan, in seconds since 1970. Machines without a battery
/// start in 1970 or when they were made.
const EARLIEST: i64 = 1_767_193_200;

/// How long a base may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Everything wrong with an installation and its machine. `now` in seconds since 1970. Waits up to some seconds for
/// a base that does not answer.
pub fn everything(config: &Config, now: i64) -> Vec<Problem> {
    let mut look = Look::new(config, now, Weight::Error);
    look.all();
    disk(&mut look, config);
    stores(&mut look, config);
    clock(&mut look, config, now);
    bases(&mut look, config);
    look.found()
}

fn disk(look: &mut Look<'_>, config: &Config) {
    let disk = config.store.look(&config.data_dir);
    let free = disk.free_bytes >> 20;
    if config.store.hard_free > config.store.soft_free {
        look.warning(
            ("store", None, "hard_free"),
            "hard_free が soft_free より大きいので、警告なしに受信を断ります。soft_free より小さくしてください。"
                .into(),
            "hard_free is above soft_free: input would be refused without a warning before. Make it smaller.".into(),
        );
    }
    if disk.full {
        look.error(
            ("store", None, "hard_free"),
            format!("ディスクの空きが {free} MiB しかなく、電文を受け付けません。空きを増やしてください。"),
            format!("The disk has {free} MiB left: input is refused. Make room."),
        );
    } else if disk.low {
        look.warning(
            ("store", None, "soft_free"),
            format!("ディスクの空きが {free} MiB まで減っています。空きを増やしてください。"),
            format!("The disk has only {free} MiB left. Make room."),
        );
    }
}

/// Whether every facility's store can be opened and read at its ends. Not whether all of it is whole: that would take
/// minutes.
fn stores(look: &mut Look<'_>, config: &Config) {
    for (index, facility) in config.facilities.iter().enumerate() {
        if let Err(error) = crate::store::inspect(&config.data_dir.join(&facility.code)) {
            look.error(
                ("facility", Some(index), "code"),
                format!("この施設の保存領域が壊れています（{error}）。バックアップから戻してください。"),
                format!("The store of this facility is damaged ({error}). Restore it from a backup."),
            );
        }
    }
}

fn clock(look: &mut Look<'_>, config: &Config, now: i64) {
    if now < EARLIEST {
        look.error(
            ("", None, "data_dir"),
            "このマシンの時計が合っていません。時刻同期（NTP）を設定してください。".into(),
            "This machine's clock is wrong. Have it set by NTP.".into(),
        );
    } else if newest_day(config).is_some_and(|newest| newest > environment::day(now)) {
        look.warning(
            ("", None, "data_dir"),
            "時計が、すでに受け付けた電文の日付より前になっています。時刻同期（NTP）を確かめてください。"
                .into(),
            "The clock is behind the day of messages that were received already. See that NTP works.".into(),
        );
    }
}

/// The newest day, `YYYYMMDD`, of which a facility has a journal.
fn newest_day(config: &Config) -> Option<u32> {
    let days = |dir: &Path| {
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        files.filter_map(|file| crate::store::journal_day(&file.file_name().to_string_lossy())).max()
    };
    config.facilities.iter().filter_map(|facility| days(&config.data_dir.join(&facility.code))).max()
}

/// Asks all bases at once whether they take a connection. A base may be closed at this hour: a warning.
fn bases(look: &mut Look<'_>, config: &Config) {
    let asked: Vec<_> = config
        .bases
        .iter()
        .map(|base| {
            let url = base.url.clone();
            std::thread::spawn(move || connects(&url))
        })
        .collect();
    for (index, asked) in asked.into_iter().enumerate() {
        let Ok(Err(error)) = asked.join() else { continue };
        look.warning(
            ("base", Some(index), "url"),
            format!("送信先に接続できません（{error}）。アドレス、DNS、ファイアウォールを確かめてください。"),
            format!("The base cannot be connected to ({error}). See to its address, DNS and the firewall."),
        );
    }
}

fn connects(url: &url::Url) -> std::io::Result<()> {
    let nowhere = || std::io::Error::new(std::io::ErrorKind::NotFound, "no address");
    let host = url.host_str().ok_or_else(nowhere)?.trim_matches(['[', ']']);
    let port = url.port_or_known_default().ok_or_else(nowhere)?;
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let mut last = Err(nowhere());
    for address in addresses {
        last = TcpStream::connect_timeout(&address, CONNECT).map(drop);
        if last.is_ok() {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::{EARLIEST, everything};
    use crate::config::{Weight, parse};
    use std::net::TcpListener;

    /// What is said of a configuration at a time: weight and setting.
    fn said(dir: &std::path::Path, text: &str, now: i64) -> Vec<(Weight, String)> {
        let text = format!("data_dir = 'data'\n[[facility]]\ncode = '1319999999'\n{text}");
        let file = dir.join("bridge.toml");
        std::fs::write(&file, &text).unwrap();
        let (config, _) = parse(&file, &text).unwrap();
        everything(&config, now).into_iter().map(|problem| (problem.weight, problem.key)).collect()
    }

    #[test]
    fn a_base_that_takes_no_connection_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let base = |name, address| {
            format!("[[base]]\nname = '{name}'\nkind = 'fhir-rest'\nurl = 'http://{address}/fhir'\n")
        };
        let text = format!("{}{}", base("a", open.local_addr().unwrap()), base("b", closed));
        assert_eq!(said(dir.path(), &text, EARLIEST), [(Weight::Warning, "base[2].url".to_owned())]);
    }

    #[test]
    fn a_full_disk_and_a_clock_that_cannot_be_right_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = |key: &str| vec![(Weight::Error, key.to_owned())];
        let warning = |key: &str| vec![(Weight::Warning, key.to_owned())];
        let full = "[store]\nsoft_free = '999999TiB'\nhard_free = '999999TiB'\n";
        assert_eq!(said(dir.path(), full, EARLIEST), error("store.hard_free"));
        let low = "[store]\nsoft_free = '999999TiB'\nhard_free = '0B'\n";
        assert_eq!(said(dir.path(), low, EARLIEST), warning("store.soft_free"));
        let crossed = |hard: &str| format!("[store]\nsoft_free = '1B'\nhard_free = '{hard}'\n");
        assert_eq!(said(dir.path(), &crossed("2B"), EARLIEST), warning("store.hard_free"));
        assert_eq!(said(dir.path(), &crossed("1B"), EARLIEST), []);
        assert_eq!(said(dir.path(), "", EARLIEST - 1), error("data_dir"));
        assert_eq!(said(dir.path(), "", EARLIEST), []);
        let codes = ["1319999999".to_owned()];
        let store = crate::store::Store::open(&dir.path().join("data"), &codes, Default::default()).unwrap();
        let arrival = crate::store::Arrival {
            feed: "a".into(),
            name: "1".into(),
            body: b"MSH|".to_vec(),
            origin: Default::default(),
            // 2026-01-02 in Japan.
            received_ms: 1_000 * (EARLIEST + 86_400),
            duplicate_window_ms: 0,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.facility(&codes[0]).unwrap().accept(arrival)).unwrap();
        drop(store);
        assert_eq!(said(dir.path(), "", EARLIEST), warning("data_dir"));
        assert_eq!(said(dir.path(), "", EARLIEST + 86_400), []);
        // Damaged at its head, and cut off in the middle.
        for file in ["state.sqlite", "journal-20260102.sqlite"] {
            let path = dir.path().join("data/1319999999").join(file);
            let whole = std::fs::read(&path).unwrap();
            let mut damaged = whole.clone();
            damaged[..100].fill(b'X');
            for damaged in [damaged, whole[..4_096].to_vec()] {
                std::fs::write(&path, damaged).unwrap();
                assert_eq!(said(dir.path(), "", EARLIEST + 86_400), error("facility[1].code"), "{file}");
            }
            std::fs::write(&path, whole).unwrap();
        }
    }
}
