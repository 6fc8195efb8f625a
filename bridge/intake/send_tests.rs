//! Facts about the sender, against a listener that does as it is told.

use super::{SendConfig, Sender, Sent, acknowledgment, collect, send};
use crate::intake::mllp::{Block, MllpDecoder, encode};
use bytes::BytesMut;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn message(id: &str) -> Vec<u8> {
    format!("MSH|^~\\&|||||20260101||ADT^A08|{id}|P|2.5\r").into_bytes()
}

/// Answers the nth message with the nth list of `CODE/ID`; `close` closes the connection. Returns what came.
async fn peer(answers: Vec<&'static str>) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, came) = (listener.local_addr().unwrap().to_string(), Arc::new(Mutex::new(Vec::new())));
    let seen = came.clone();
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut decoder, mut src) = (MllpDecoder::new(1 << 20), BytesMut::new());
            'connection: while stream.read_buf(&mut src).await.unwrap_or(0) > 0 {
                while let Some(block) = decoder.next(&mut src) {
                    let Block::Message(body) = block else { panic!("{block:?}") };
                    seen.lock().unwrap().push(body.to_vec());
                    for answer in answers.next().unwrap_or("").split_whitespace() {
                        let Some((code, id)) = answer.split_once('/') else { break 'connection };
                        let mut out = BytesMut::new();
                        encode(format!("MSH|^~\\&|\rMSA|{code}|{id}\r").as_bytes(), &mut out);
                        stream.write_all(&out).await.unwrap();
                    }
                }
            }
        }
    });
    (address, came)
}

fn config(to: &str) -> SendConfig {
    let (timeout, pause) = (Duration::from_millis(500), Duration::from_millis(10));
    SendConfig { timeout, pause, ..SendConfig::new(to) }
}

async fn check(answers: Vec<&'static str>, expected: Sent, attempts: u32) {
    let (address, came) = peer(answers.clone()).await;
    let ended = Sender::new(config(&address)).send(&message("7"), "7").await;
    assert_eq!(ended, (expected, attempts), "{answers:?}");
    assert_eq!(came.lock().unwrap().len() as u32, attempts);
}

#[tokio::test]
async fn a_message_is_sent_until_it_is_stored_or_refused() {
    check(vec!["AA/7"], Sent::Accepted, 1).await;
    check(vec!["CA/7"], Sent::Accepted, 1).await;
    check(vec!["AR/7"], Sent::Answered("AR".into()), 1).await;
    check(vec!["AE/7", "AE/7", "AA/7"], Sent::Accepted, 3).await;
    check(vec!["AE/7"; 5], Sent::Answered("AE".into()), 5).await;
    check(vec!["close", "AA/7"], Sent::Accepted, 2).await;
    check(vec!["", "AA/7"], Sent::Accepted, 2).await;
}

#[tokio::test]
async fn an_acknowledgment_of_another_message_does_not_count() {
    check(vec!["AA/6 AA/7"], Sent::Accepted, 1).await;
    check(vec!["AA/6", "AA/7"], Sent::Accepted, 2).await;
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("1.hl7"), message("7")).unwrap();
    let mut sent = Vec::new();
    let files = collect(&[dir.path().to_owned()]).0;
    let config = config(&address);
    let summary =
        send(&config, files, |progress| sent.push((progress.sent.clone(), progress.attempts))).await;
    assert_eq!(sent, [(Sent::NoConnection, 0)]);
    assert_eq!((summary.by_answer, summary.repeated), ([("no-connection".to_owned(), 1)].into(), 0));
}

#[tokio::test]
async fn a_patients_files_go_in_order_of_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let name = |patient: &str, time: &str| format!("{patient}_-_ADT-00_999999999999999_{time}_-_1");
    // In order of names the second of P1 would come first, because the order number stands before the time.
    let files = [
        ("P1_20260101_OML-11_2_20260101000000000_01_1", "1"),
        ("P1_20260101_OML-11_1_20260102000000000_01_1", "2"),
        (&name("P2", "20260101000000000"), "3"),
    ];
    for (file, id) in files {
        std::fs::write(dir.path().join(file), message(id)).unwrap();
    }
    let (collected, unreadable) = collect(&[dir.path().to_owned(), dir.path().join("none")]);
    assert_eq!((collected.len(), unreadable), (3, 1));
    let (address, came) = peer(vec!["AA/1", "AA/2", "AR/3"]).await;
    let mut told = Vec::new();
    let summary = send(&config(&address), collected, |progress| told.push(progress.control_id.clone())).await;
    assert_eq!(told, ["1", "2", "3"]);
    assert_eq!(came.lock().unwrap().len(), 3);
    assert_eq!(summary.by_answer, [("AA".to_owned(), 2), ("AR".to_owned(), 1)].into());
    assert!(!summary.all_accepted() && summary.total() == 3);
}

#[test]
fn an_acknowledgment_is_read_with_its_own_separator() {
    let read = |text: &str| acknowledgment(text.as_bytes());
    assert_eq!(read("MSH|^~\\&|\rMSA|AA|7\r"), Some(("AA".into(), "7".into())));
    assert_eq!(read("MSH#^~\\&#\nMSA#AE#7#x"), Some(("AE".into(), "7".into())));
    assert_eq!(read("MSH|^~\\&|\rMSA|AR"), Some(("AR".into(), String::new())));
    assert_eq!(read("MSH|^~\\&|\r"), None);
    assert_eq!(read(""), None);
}
