//! One connection: blocks in, acknowledgments out, strictly in the order of arrival.
//!
//! A sender may send on before it is answered: its messages go to the journal together, so that one group
//! commit serves many of them, and are answered in order. All waiting is bounded: the block in hand by the
//! read deadline, silence by the idle timeout, a peer that does not read by the write timeout.

use super::answer::{self, Outcome, Request};
use super::feed::{ControlId, Feed, MllpFeed};
use super::listener::{DRAIN, Seldom};
use super::mllp::{Block, MllpDecoder, encode};
use crate::store::{Arrival, FacilityStore, Origin, durable_point};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use renkei_translate::identity::sha256_hex;
use renkei_translate::translation::PathPatient;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// Messages of one connection on their way to the journal. A group commit takes no more from one sender.
const IN_FLIGHT: usize = 64;
/// Bytes of them; above it nothing more is read until one is answered.
const IN_FLIGHT_BYTES: usize = 256 << 10;
/// Read at once.
const READ_BYTES: usize = 8 << 10;
/// A block longer than this is read further only with one of the feed's few places for large ones: 256
/// connections with a 16 MiB message each must not cost 4 GiB.
const LARGE_BYTES: usize = 64 << 10;
/// Those places.
const LARGE_AT_ONCE: usize = 2;
/// How long the CR after an FS may take before the block is taken without it.
const LONE_END_WAIT: Duration = Duration::from_secs(1);
/// Trouble that a sender repeats is logged once in this time; metrics count each.
const REPEAT_LOG: Duration = Duration::from_secs(60);
/// A reused control id is reported once a day and feed.
const REUSE_LOG: Duration = Duration::from_secs(86_400);
/// Characters of the body's hash that name a message without control id.
const HASH_NAME_CHARS: usize = 32;

/// What the connections of a feed share.
pub(super) struct Served {
    pub(super) feed: Feed,
    pub(super) loud: Seldom,
    limits: MllpFeed,
    store: Arc<FacilityStore>,
    large: Arc<Semaphore>,
    reused: Seldom,
    not_stored: Seldom,
}

impl Served {
    pub(super) fn new(feed: Feed, limits: MllpFeed, store: Arc<FacilityStore>) -> Self {
        Self {
            feed,
            limits,
            store,
            loud: Seldom::default(),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            reused: Seldom::default(),
            not_stored: Seldom::default(),
        }
    }

    /// Counts a connection that was refused.
    pub(super) fn refused(&self, cause: &'static str) {
        let feed = self.feed.name.clone();
        metrics::counter!("renkei_intake_refused_total", "feed" => feed, "cause" => cause).increment(1);
    }

    fn bad_block(&self, cause: &'static str) {
        let feed = self.feed.name.clone();
        metrics::counter!("renkei_intake_bad_blocks_total", "feed" => feed, "cause" => cause).increment(1);
        if self.loud.due(REPEAT_LOG) {
            warn!(feed = %self.feed.name, cause, "A sender does not keep to MLLP.");
        }
    }

    fn answered(&self, outcome: Outcome, duplicate: bool) {
        let feed = self.feed.name.clone();
        let outcome = if duplicate { "duplicate" } else { outcome.name() };
        metrics::counter!("renkei_intake_messages_total", "feed" => feed, "outcome" => outcome).increment(1);
    }

    /// Has the message journalled and says what to answer, if anything. Takes its place in the journal only
    /// after the message before it has taken its own: a patient's messages must not overtake each other.
    async fn accept(&self, body: Bytes, turn: Turn) -> Option<Vec<u8>> {
        let Some(request) = Request::read(&body) else {
            // It has no place of its own, and keeps the next one behind the one before.
            if let Some(before) = turn.before {
                let _ = before.await;
            }
            drop(turn.after);
            self.bad_block("header");
            self.refuse(None, body).await;
            return Some(answer::unreadable());
        };
        let arrival = self.arrival(Some(&request), body);
        if let Some(before) = turn.before {
            // An error means that the one before has ended without a place: nobody is overtaken.
            let _ = before.await;
        }
        let offered = self.store.offer(arrival).await;
        drop(turn.after);
        let kept = match offered {
            Ok(offered) => offered.kept().await,
            Err(problem) => Err(problem),
        };
        let outcome = match kept {
            Ok(receipt) => {
                if receipt.id_reused
                    && self.feed.control_id == ControlId::Unique
                    && self.reused.due(REUSE_LOG)
                {
                    warn!(feed = %self.feed.name, "A control id came again with another message; both are kept.");
                }
                self.answered(Outcome::Stored, receipt.duplicate_of.is_some());
                Outcome::Stored
            }
            Err(problem) => {
                if self.not_stored.due(REPEAT_LOG) {
                    error!(feed = %self.feed.name, error = %problem, "A message could not be stored and was refused.");
                }
                self.answered(Outcome::NotStored, false);
                Outcome::NotStored
            }
        };
        request.answer(outcome)
    }

    fn arrival(&self, request: Option<&Request>, body: Bytes) -> Arrival {
        let name = match request.map(Request::control_id) {
            None | Some("") => sha256_hex(&body).chars().take(HASH_NAME_CHARS).collect(),
            Some(id) => id.to_owned(),
        };
        Arrival {
            feed: self.feed.name.clone(),
            name,
            body: Vec::from(body),
            origin: Origin {
                file: None,
                path_patient: PathPatient::default(),
                lists: self.feed.lists,
                source: self.feed.name.clone(),
                ..Origin::default()
            },
            received_ms: chrono::Utc::now().timestamp_millis(),
            duplicate_window_ms: i64::try_from(self.feed.duplicate_window.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Has the ledger know what is refused at the door, with its first bytes, before the sender is told so.
    async fn refuse(&self, request: Option<&Request>, body: Bytes) {
        self.answered(Outcome::Refused, false);
        if let Err(problem) = self.store.refuse(self.arrival(request, body)).await
            && self.not_stored.due(REPEAT_LOG)
        {
            error!(feed = %self.feed.name, error = %problem, "What was refused could not be kept.");
        }
    }

    async fn oversize(&self, head: Bytes) -> Option<Vec<u8>> {
        self.bad_block("oversize");
        let request = Request::read(&head);
        self.refuse(request.as_ref(), head).await;
        match request {
            Some(request) => request.answer(Outcome::Refused),
            None => Some(answer::unreadable()),
        }
    }
}

/// A place in the order of one connection's messages.
struct Turn {
    /// Ends when the message before has its place in the journal.
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when this one has its own.
    after: oneshot::Sender<()>,
}

/// An answer and how many bytes its message had.
type Pending<'a> = BoxFuture<'a, (Option<Vec<u8>>, usize)>;

struct Connection<'a> {
    served: &'a Served,
    decoder: MllpDecoder,
    src: BytesMut,
    pending: FuturesOrdered<Pending<'a>>,
    /// Of the last message taken.
    turn: Option<oneshot::Receiver<()>>,
    in_flight_bytes: usize,
    large: Option<OwnedSemaphorePermit>,
    /// When the last block ended or the last answer was written.
    quiet_since: Instant,
    /// When reading of the block in hand began.
    block_since: Option<Instant>,
}

impl<'a> Connection<'a> {
    fn has_room(&self) -> bool {
        self.pending.len() < IN_FLIGHT && self.in_flight_bytes < IN_FLIGHT_BYTES
    }

    /// Cuts what is buffered into blocks, as far as there is room for them.
    fn cut(&mut self) {
        while self.has_room() {
            let Some(block) = self.decoder.next(&mut self.src) else { break };
            self.take(block);
        }
        let garbage = self.decoder.take_garbage();
        if garbage > 0 {
            self.served.bad_block("garbage");
            let feed = self.served.feed.name.clone();
            metrics::counter!("renkei_intake_garbage_bytes_total", "feed" => feed).increment(garbage);
        }
        if !self.decoder.in_block() {
            (self.large, self.block_since) = (None, None);
        } else if !self.has_room() {
            // Our own waiting does not count against the sender.
            self.block_since = None;
        } else {
            self.block_since.get_or_insert_with(Instant::now);
        }
        if self.src.is_empty() && self.src.capacity() > LARGE_BYTES {
            self.src = BytesMut::new();
        }
    }

    fn take(&mut self, block: Block) {
        self.quiet_since = Instant::now();
        self.block_since = None;
        let served = self.served;
        match block {
            Block::Message(body) => {
                let (bytes, place) = (body.len(), self.large.take());
                if self.src.is_empty() && bytes > LARGE_BYTES {
                    // Leaves the message the only owner of its memory, so that it is not copied.
                    self.src = BytesMut::new();
                }
                self.in_flight_bytes += bytes;
                let (after, ended) = oneshot::channel();
                let turn = Turn { before: self.turn.replace(ended), after };
                let accept = async move {
                    let answer = served.accept(body, turn).await;
                    drop(place);
                    (answer, bytes)
                };
                self.pending.push_back(accept.boxed());
            }
            Block::Oversize { head, .. } => {
                let bytes = head.len();
                self.in_flight_bytes += bytes;
                self.pending.push_back(async move { (served.oversize(head).await, bytes) }.boxed());
            }
            Block::Broken { .. } => served.bad_block("broken"),
            // Nothing to name in an answer: one without control id would be taken for another message's.
            Block::Empty => served.bad_block("empty"),
        }
    }

    /// Until when the next byte must come, and what it means if it does not.
    fn deadline(&self, last_read: Instant) -> (Instant, Overdue) {
        let limits = &self.served.limits;
        match self.block_since {
            Some(since) if self.decoder.lacks_only_cr(&self.src) => {
                let end = (since + limits.read_timeout).min(last_read + LONE_END_WAIT);
                (end, Overdue::LoneEnd)
            }
            Some(since) => (since + limits.read_timeout, Overdue::Block),
            None => (self.quiet_since + limits.idle_timeout, Overdue::Idle),
        }
    }

    /// The answers that are ready, as blocks, in order.
    fn collect(&mut self, first: (Option<Vec<u8>>, usize)) -> BytesMut {
        let (mut out, mut next) = (BytesMut::new(), Some(first));
        while let Some((answer, bytes)) = next {
            self.in_flight_bytes -= bytes;
            if let Some(answer) = answer {
                encode(&answer, &mut out);
            }
            next = self.pending.next().now_or_never().flatten();
        }
        out
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Overdue {
    LoneEnd,
    Block,
    Idle,
}

/// Serves a connection until its peer closes it, a limit is met or the shutdown has drained it.
pub(super) async fn serve<S>(mut stream: S, served: &Served, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    if let Err(cause) = exchange(&mut stream, served, shutdown).await {
        served.refused(cause);
        debug!(feed = %served.feed.name, cause, "A connection was closed.");
    }
    // The peer may be gone already; then there is nobody to say goodbye to.
    let _ = tokio::time::timeout(served.limits.write_timeout, stream.shutdown()).await;
}

async fn exchange<S>(
    stream: &mut S,
    served: &Served,
    shutdown: &CancellationToken,
) -> Result<(), &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut connection = Connection {
        served,
        decoder: MllpDecoder::new(served.limits.max_message),
        src: BytesMut::new(),
        pending: FuturesOrdered::new(),
        turn: None,
        in_flight_bytes: 0,
        large: None,
        quiet_since: Instant::now(),
        block_since: None,
    };
    let (mut ended, mut drain_until, mut last_read) = (false, None, Instant::now());
    loop {
        connection.cut();
        let room = connection.has_room();
        if ended
            && room
            && let Some(block) = connection.decoder.close(&mut connection.src)
        {
            connection.take(block);
            continue;
        }
        let nothing_in_hand = connection.pending.is_empty() && !connection.decoder.in_block();
        if nothing_in_hand && (ended || drain_until.is_some()) {
            return Ok(());
        }
        let wants_place = connection.large.is_none() && connection.src.len() > LARGE_BYTES;
        let reads = room && !ended && !wants_place;
        let (deadline, overdue) = connection.deadline(last_read);
        connection.src.reserve(if reads { READ_BYTES } else { 0 });
        tokio::select! {
            Some(first) = connection.pending.next(), if !connection.pending.is_empty() => {
                let out = connection.collect(first);
                write(stream, &out, served).await?;
                connection.quiet_since = Instant::now();
            }
            place = served.large.clone().acquire_owned(), if room && wants_place => {
                connection.large = place.ok();
                connection.block_since = None;
            }
            read = stream.read_buf(&mut connection.src), if reads => match read {
                Ok(0) => ended = true,
                Ok(_) => last_read = Instant::now(),
                Err(_) => return Err("peer-gone"),
            },
            () = tokio::time::sleep_until(deadline), if reads => match overdue {
                Overdue::LoneEnd => {
                    if let Some(block) = connection.decoder.close(&mut connection.src) {
                        connection.take(block);
                    }
                }
                Overdue::Block => return Err("block-timeout"),
                Overdue::Idle if connection.pending.is_empty() => return Err("idle-timeout"),
                Overdue::Idle => connection.quiet_since = Instant::now(),
            },
            () = shutdown.cancelled(), if drain_until.is_none() => {
                drain_until = Some(Instant::now() + DRAIN);
            }
            () = tokio::time::sleep_until(drain_until.unwrap_or(deadline)), if drain_until.is_some() => {
                return Err("shutdown");
            }
        }
    }
}

/// Writes acknowledgments. Whatever they say is durable by now.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    out: &[u8],
    served: &Served,
) -> Result<(), &'static str> {
    if out.is_empty() {
        return Ok(());
    }
    durable_point("ack.before-write");
    let written = async {
        stream.write_all(out).await?;
        stream.flush().await
    };
    match tokio::time::timeout(served.limits.write_timeout, written).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err("peer-gone"),
        Err(_) => return Err("write-timeout"),
    }
    durable_point("ack.after-write");
    Ok(())
}
