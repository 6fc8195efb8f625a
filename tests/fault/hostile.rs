//! One facility's listener is flooded; the program stays small and the other facility is served.

use super::appliance::{Appliance, free_port};
use super::hospital::{CANARY, message};
use super::{SOON, alone, base, setting};
use renkei_bridge::intake::send::{SendConfig, Sender, Sent};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Of the whole program, whatever comes.
const MEMORY: u64 = 200 << 20;
const IDLE: usize = 2_000;
/// Blocks without an end at once.
const ENDLESS: usize = 4;
/// MiB in each in the short form; `RENKEI_FAULT_MIB=1024` is the long one.
const SHORT_MIB: u64 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_flooded_listener_costs_little_and_disturbs_nobody() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let (base, _) = base::open(dir.path()).await;
    let port = free_port();
    let more = format!(
        "[[facility]]\ncode = \"1329999999\"\nname = \"乙病院\"\nshare = \"all\"\n\
         [[feed]]\nname = \"b-mllp\"\nfacility = \"1329999999\"\nkind = \"mllp\"\nlisten = \"127.0.0.1:{port}\"\n\
         max_connections = 2100\nmax_connections_per_address = 2100\n"
    );
    let mut appliance = Appliance::new(dir.path(), &dir.path().join("data"), &base.url(), &more);
    appliance.start(None);
    appliance.wait_listening();
    let flooded = format!("127.0.0.1:{port}");
    // The feeds start one after the other.
    let deadline = std::time::Instant::now() + SOON;
    while TcpStream::connect(&flooded).is_err() {
        assert!(std::time::Instant::now() < deadline, "the second feed does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| TcpStream::connect(&flooded).unwrap()).collect();
    let mut drip = TcpStream::connect(&flooded).unwrap();
    drip.write_all(b"\x0bM").unwrap();
    let mib = setting("RENKEI_FAULT_MIB", SHORT_MIB);
    let endless: Vec<_> = (0..ENDLESS)
        .map(|_| {
            let to = flooded.clone();
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(to).unwrap();
                let head = message("endless", 901, 4_001, 1);
                stream.write_all(&[b"\x0b", &head[..]].concat()).unwrap();
                let chunk = vec![b'x'; 1 << 20];
                for _ in 0..mib {
                    stream.write_all(&chunk).unwrap();
                }
                stream.write_all(b"\x1c\r").unwrap();
                let mut answer = [0; 1_024];
                stream.set_read_timeout(Some(SOON)).unwrap();
                let length = stream.read(&mut answer).unwrap();
                String::from_utf8_lossy(&answer[..length]).into_owned()
            })
        })
        .collect();
    // The other facility is served all the while.
    let config =
        SendConfig { attempts: 1, timeout: Duration::from_secs(10), ..SendConfig::new(appliance.mllp()) };
    let mut sender = Sender::new(config);
    for version in 1..=50 {
        let id = format!("other-{version}");
        assert_eq!(sender.send_once(&message(&id, 902, 4_002, version), &id).await, Sent::Accepted);
    }
    for thread in endless {
        let answer = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
        assert!(answer.contains("MSA|AR|endless"), "{answer:?}");
    }
    let peak = appliance.peak_memory();
    eprintln!("peak memory {} MiB", peak >> 20);
    assert!(peak < MEMORY, "{peak} bytes");
    drop((idle, drip));
    assert!(appliance.stop().success());
    assert!(!appliance.log().contains(CANARY), "a patient's name in the log");
}

/// Seconds of dripping in the short form; `RENKEI_FAULT_DRIP=25` is the long one.
const SHORT_DRIP: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_a_second_is_read_to_its_end_or_to_the_deadline_and_disturbs_nobody() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let (base, _) = base::open(dir.path()).await;
    let port = free_port();
    let more = format!(
        "[[feed]]\nname = \"hasty\"\nfacility = \"1319999999\"\nkind = \"mllp\"\nlisten = \"127.0.0.1:{port}\"\n\
         read_timeout = \"3s\"\n"
    );
    let mut appliance = Appliance::new(dir.path(), &dir.path().join("data"), &base.url(), &more);
    appliance.start(None);
    appliance.wait_listening();
    let seconds = setting("RENKEI_FAULT_DRIP", SHORT_DRIP) as usize;
    let to = appliance.mllp();
    let patient = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        let block = [b"\x0b", &message("drip", 903, 4_003, 1)[..], b"\x1c\r"].concat();
        for byte in &block[..seconds] {
            stream.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_secs(1));
        }
        stream.write_all(&block[seconds..]).unwrap();
        let mut answer = [0; 1_024];
        stream.set_read_timeout(Some(SOON)).unwrap();
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    });
    let mut hasty = loop {
        // The feeds start one after the other.
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    hasty.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let (begun, mut closed) = (std::time::Instant::now(), false);
    while !closed && begun.elapsed() < SOON {
        // One byte each time the wait for an answer has taken its second.
        let gone = hasty.write_all(if begun.elapsed().as_secs() == 0 { b"\x0b" } else { b"M" }).is_err();
        closed = gone || matches!(hasty.read(&mut [0; 64]), Ok(0));
    }
    assert!(
        closed && begun.elapsed() > Duration::from_secs(2),
        "closed {closed} after {:?}",
        begun.elapsed()
    );
    let config =
        SendConfig { attempts: 1, timeout: Duration::from_secs(10), ..SendConfig::new(appliance.mllp()) };
    let mut sender = Sender::new(config);
    while !patient.is_finished() {
        let id = format!("beside-{:?}", begun.elapsed());
        assert_eq!(sender.send_once(&message(&id, 904, 4_004, 1), &id).await, Sent::Accepted);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let answer = tokio::task::spawn_blocking(move || patient.join().unwrap()).await.unwrap();
    assert!(answer.contains("MSA|AA|drip"), "{answer:?}");
    let peak = appliance.peak_memory();
    eprintln!("peak memory {} MiB after {:?}", peak >> 20, begun.elapsed());
    assert!(peak < MEMORY, "{peak} bytes");
    assert!(appliance.stop().success());
}
