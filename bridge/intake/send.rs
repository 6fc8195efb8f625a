//! The other side of MLLP: sends messages, waits for each acknowledgment, sends again what was not stored.
//!
//! One message is under way per connection, and an acknowledgment counts only with its control id, so that a
//! late one is never credited to the next message. The messages of a patient stay on one connection, in order.

use super::mllp::{Block, MllpDecoder, encode};
use bytes::BytesMut;
use renkei_translate::hl7v2::header;
use renkei_translate::ssmix2::FileName;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Largest acknowledgment read.
const MAX_ACK_BYTES: usize = 1 << 20;
/// Progress reports on their way to whoever shows them.
const PROGRESS_QUEUE: usize = 256;

/// How to send.
#[derive(Clone, Debug)]
pub struct SendConfig {
    /// `HOST:PORT`.
    pub to: String,
    /// Connections at once.
    pub connections: usize,
    /// For connecting, and for each acknowledgment.
    pub timeout: Duration,
    /// How often a message is sent at most: again after AE, CE, a timeout or a lost connection.
    pub attempts: u32,
    /// Before it is sent again.
    pub pause: Duration,
}

impl SendConfig {
    /// One connection, 30 s for each answer, five attempts two seconds apart.
    pub fn new(to: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            connections: 1,
            timeout: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_secs(2),
        }
    }
}

/// How one message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// AA or CA, with its control id.
    Accepted,
    /// Any other acknowledgment code.
    Answered(String),
    /// No acknowledgment with its control id came in time.
    NoAnswer,
    /// Nobody listens there: nothing was sent.
    NoConnection,
    /// The file could not be read.
    Unreadable,
}

impl Sent {
    /// For the summary: `AA`, `AE`, `no-answer`.
    pub fn word(&self) -> &str {
        match self {
            Self::Accepted => "AA",
            Self::Answered(code) => code,
            Self::NoAnswer => "no-answer",
            Self::NoConnection => "no-connection",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What is told of each message when it has ended.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The file.
    pub path: PathBuf,
    /// MSH-10.
    pub control_id: String,
    /// How it ended.
    pub sent: Sent,
    /// How often it was sent.
    pub attempts: u32,
}

/// How all of them ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages by [`Sent::word`].
    pub by_answer: BTreeMap<String, u64>,
    /// Messages that were sent more than once.
    pub repeated: u64,
}

impl Summary {
    /// Messages in all.
    pub fn total(&self) -> u64 {
        self.by_answer.values().sum()
    }
    /// Whether each was accepted.
    pub fn all_accepted(&self) -> bool {
        self.by_answer.keys().all(|answer| answer == "AA")
    }
}

/// The files under the paths in the order of sending: of a storage by 発生日時, others by name, each in its
/// patient's order. The first part groups what must stay in order.
pub fn collect(paths: &[PathBuf]) -> (Vec<(String, PathBuf)>, u64) {
    let (mut files, mut unreadable) = (Vec::new(), 0);
    for path in paths {
        for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
                Ok(_) => {}
                Err(_) => unreadable += 1,
            }
        }
    }
    let mut keyed: Vec<(String, String, PathBuf)> = files.into_iter().map(|path| keyed(&path)).collect();
    keyed.sort();
    (keyed.into_iter().map(|(group, _, path)| (group, path)).collect(), unreadable)
}

fn keyed(path: &Path) -> (String, String, PathBuf) {
    match FileName::parse(&path.to_string_lossy()) {
        Ok(name) => (name.patient, name.time, path.to_owned()),
        // Without a patient in the name all stay in one line, by name.
        Err(_) => (String::new(), String::new(), path.to_owned()),
    }
}

/// Sends the files and tells of each. Ends when each has ended; it never gives up in between.
pub async fn send(
    config: &SendConfig,
    files: Vec<(String, PathBuf)>,
    mut progress: impl FnMut(&Progress),
) -> Summary {
    let connections = config.connections.max(1);
    let mut lines: Vec<Vec<PathBuf>> = vec![Vec::new(); connections];
    for (group, path) in files {
        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        let line = usize::try_from(hasher.finish() % connections as u64).unwrap_or_default();
        lines[line].push(path);
    }
    let (report, mut reports) = mpsc::channel(PROGRESS_QUEUE);
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        let (report, config) = (report.clone(), config.clone());
        tokio::spawn(async move {
            let mut sender = Sender::new(config);
            for path in line {
                let ended = sender.send_file(path).await;
                if report.send(ended).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(report);
    let mut summary = Summary::default();
    while let Some(ended) = reports.recv().await {
        *summary.by_answer.entry(ended.sent.word().into()).or_default() += 1;
        summary.repeated += u64::from(ended.attempts > 1);
        progress(&ended);
    }
    summary
}

/// One connection of a sender; connects again when it must.
#[derive(Debug)]
pub struct Sender {
    config: SendConfig,
    connection: Option<(TcpStream, MllpDecoder, BytesMut)>,
}

impl Sender {
    /// A sender that connects with its first message.
    pub fn new(config: SendConfig) -> Self {
        Self { config, connection: None }
    }

    async fn send_file(&mut self, path: PathBuf) -> Progress {
        match tokio::fs::read(&path).await {
            Ok(message) => {
                let header = header::read(&message);
                let control_id = header.map(|h| String::from_utf8_lossy(h.field(10)).into_owned());
                let control_id = control_id.unwrap_or_default();
                let (sent, attempts) = self.send(&message, &control_id).await;
                Progress { path, control_id, sent, attempts }
            }
            Err(_) => Progress { path, control_id: String::new(), sent: Sent::Unreadable, attempts: 0 },
        }
    }

    /// Sends a message until it is accepted, refused for good, or has had its attempts; how it ended, and how often it
    /// was sent.
    pub async fn send(&mut self, message: &[u8], control_id: &str) -> (Sent, u32) {
        let mut times = 0;
        for attempt in 1.. {
            let sent = self.send_once(message, control_id).await;
            times += u32::from(sent != Sent::NoConnection);
            let again = match &sent {
                Sent::Answered(code) => code == "AE" || code == "CE",
                Sent::NoAnswer | Sent::NoConnection => true,
                Sent::Accepted | Sent::Unreadable => false,
            };
            if !again || attempt >= self.config.attempts {
                // What was sent before the listener went away may be there.
                let unsure = sent == Sent::NoConnection && times > 0;
                return (if unsure { Sent::NoAnswer } else { sent }, times);
            }
            tokio::time::sleep(self.config.pause).await;
        }
        (Sent::NoAnswer, times)
    }

    /// Sends a message once and waits for its acknowledgment.
    pub async fn send_once(&mut self, message: &[u8], control_id: &str) -> Sent {
        let timeout = self.config.timeout;
        if self.connection.is_none() {
            let connecting = TcpStream::connect(&self.config.to);
            let Ok(Ok(stream)) = tokio::time::timeout(timeout, connecting).await else {
                return Sent::NoConnection;
            };
            // Slower without it, and no reason not to send.
            let _ = stream.set_nodelay(true);
            self.connection = Some((stream, MllpDecoder::new(MAX_ACK_BYTES), BytesMut::new()));
        }
        match tokio::time::timeout(timeout, self.exchange(message, control_id)).await {
            Ok(Ok(sent)) => sent,
            // A connection whose answer is missing is not used again: the answer could come late.
            Ok(Err(_)) | Err(_) => {
                self.connection = None;
                Sent::NoAnswer
            }
        }
    }

    async fn exchange(&mut self, message: &[u8], control_id: &str) -> std::io::Result<Sent> {
        let (mut stream, mut decoder, mut src) =
            self.connection.take().ok_or(std::io::ErrorKind::NotConnected)?;
        let mut out = BytesMut::new();
        encode(message, &mut out);
        stream.write_all(&out).await?;
        loop {
            while let Some(block) = decoder.next(&mut src) {
                let Block::Message(answer) = block else { continue };
                if let Some((code, id)) = acknowledgment(&answer) {
                    if id != control_id {
                        continue;
                    }
                    self.connection = Some((stream, decoder, src));
                    return Ok(match code.as_str() {
                        "AA" | "CA" => Sent::Accepted,
                        _ => Sent::Answered(code),
                    });
                }
            }
            if stream.read_buf(&mut src).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// MSA-1 and MSA-2 of an acknowledgment.
pub fn acknowledgment(answer: &[u8]) -> Option<(String, String)> {
    let separator = *answer.get(3)?;
    let msa = answer.split(|byte| *byte == b'\r' || *byte == b'\n').find(|line| line.starts_with(b"MSA"))?;
    let mut fields = msa.split(|byte| *byte == separator).skip(1);
    let mut text = || fields.next().map(|field| String::from_utf8_lossy(field).into_owned());
    Some((text()?, text().unwrap_or_default()))
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
