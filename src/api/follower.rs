//! One stream of events: what the log has after a place, then what becomes durable, without
//! a gap and without a duplicate.
//!
//! 1. The backlog is read to its end. This waits for the reader, and for nobody else.
//! 2. Only when the reader has that is the live feed followed, and the backlog is read once more: what became
//!    durable meanwhile is in the log, in the feed, or in both; ids tell.
//! 3. From then on everything comes from the feed. This waits for the reader too, and the
//!    feed for nobody: where a reader is too slow the feed cuts it off, and the stream ends
//!    with a notice of where to go on. One place in the queue is kept for that notice.
//!
//! However many follow, the bytes of an event are made once and shared.
//!
//! The stream ends when its receiver is dropped.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::backlog::Backlog;
use super::blocking::Blocking;
use super::ports::EventLogs;
use super::resource::events::followed;
use crate::daemon::feed::{FeedItem, SharedEvent};
use crate::daemon::handle::DaemonHandle;
use crate::dossier::Timestamp;
use crate::dossier::event::EventType;

/// Events that may wait for the reader, without the place for the last notice.
pub(super) const STREAM_QUEUE: usize = 256;

/// Events that are taken from the feed at once.
const AT_ONCE: usize = 64;

/// How events look on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON document a line.
    Lines,
    /// Server-Sent Events (WHATWG HTML section 9.2).
    EventStream,
}

impl Form {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::EventStream => "text/event-stream",
        }
    }

    fn event(self, id: &str, kind: EventType, json: &[u8]) -> Bytes {
        match self {
            Self::Lines => [json, b"\n"].concat().into(),
            Self::EventStream => {
                let head = format!("id: {id}\nevent: {}\ndata: ", kind.as_str());
                [head.as_bytes(), json, b"\n\n"].concat().into()
            }
        }
    }

    /// The same for all followers of a form.
    fn shared(self, event: &SharedEvent) -> Bytes {
        let kept = match self {
            Self::Lines => &event.as_line,
            Self::EventStream => &event.as_event_stream,
        };
        kept.get_or_init(|| self.event(&event.event_id, event.event_type, &event.line)).clone()
    }

    fn heartbeat(self, at: Timestamp) -> Bytes {
        match self {
            Self::Lines => format!("{}\n", json!({ "heartbeat": true, "at": at })).into(),
            Self::EventStream => Bytes::from_static(b": heartbeat\n\n"),
        }
    }

    fn lagged(self, resume_after: Option<&str>) -> Bytes {
        let notice = json!({ "lagged": true, "resume_after": resume_after });
        match self {
            Self::Lines => format!("{notice}\n").into(),
            Self::EventStream => format!("event: lagged\ndata: {notice}\n\n").into(),
        }
    }
}

/// What one stream needs.
pub(super) struct Follower {
    pub(super) handle: DaemonHandle,
    pub(super) logs: Arc<dyn EventLogs>,
    pub(super) blocking: Blocking,
    pub(super) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(super) heartbeat: Duration,
    pub(super) form: Form,
    /// Empty: all.
    pub(super) types: Vec<EventType>,
    /// Id of the one feature that is followed; `None` for all.
    pub(super) only: Option<String>,
    /// The last event that was given or passed by: where to resume.
    pub(super) seen: Option<String>,
}

/// Why a stream ends.
enum End {
    /// The reader has gone: nothing more to say.
    Gone,
    /// The reader was too slow, or the log could not be read on: say where to resume.
    Lagged,
}

impl Follower {
    /// Starts the stream. Without a backlog it has everything that becomes durable after
    /// this call.
    pub(super) fn start(self, backlog: Option<Backlog>) -> mpsc::Receiver<Bytes> {
        let (out, receiver) = mpsc::channel(STREAM_QUEUE + 1);
        let live = backlog.is_none().then(|| self.handle.feed().follow(self.only.clone()));
        tokio::spawn(self.run(out, backlog, live));
        receiver
    }

    async fn run(
        mut self,
        out: mpsc::Sender<Bytes>,
        backlog: Option<Backlog>,
        live: Option<mpsc::Receiver<FeedItem>>,
    ) {
        let end = match (backlog, live) {
            (Some(backlog), _) => match self.catch_up(&out, backlog).await {
                Ok((live, given)) => self.live(&out, live, given).await,
                Err(end) => end,
            },
            (None, Some(live)) => self.live(&out, live, HashSet::new()).await,
            (None, None) => End::Gone,
        };
        if matches!(end, End::Lagged) {
            // A place was kept for this.
            let _ = out.try_send(self.form.lagged(self.seen.as_deref()));
        }
    }

    /// Gives the whole backlog. Returns the live feed, and the ids given since it is
    /// followed, which may come again.
    async fn catch_up(
        &mut self,
        out: &mpsc::Sender<Bytes>,
        backlog: Backlog,
    ) -> Result<(mpsc::Receiver<FeedItem>, HashSet<String>), End> {
        let (mut backlog, _) = self.give_all(out, backlog).await?;
        // A long backlog that is still on its way would make the first events wait.
        drop(out.reserve_many(STREAM_QUEUE).await.map_err(|_| End::Gone)?);
        let live = self.handle.feed().follow(self.only.clone());
        backlog.extend(followed(&self.handle.view(), self.only.as_deref()));
        let (_, given) = self.give_all(out, backlog).await?;
        Ok((live, given))
    }

    async fn give_all(
        &mut self,
        out: &mpsc::Sender<Bytes>,
        mut backlog: Backlog,
    ) -> Result<(Backlog, HashSet<String>), End> {
        let mut given = HashSet::new();
        loop {
            let logs = Arc::clone(&self.logs);
            let read = self.blocking.run(move || {
                let page = backlog.page(logs.as_ref());
                (backlog, page)
            });
            let (back, page) = read.await.map_err(|_| End::Lagged)?;
            backlog = back;
            let page = page.map_err(|_| End::Lagged)?;
            if page.is_empty() {
                return Ok((backlog, given));
            }
            for line in page {
                if self.wants(line.event_type) {
                    let chunk = self.form.event(&line.event_id, line.event_type, &line.json);
                    give(out, chunk).await?;
                }
                self.seen = Some(line.event_id.clone());
                given.insert(line.event_id);
            }
        }
    }

    async fn live(
        &mut self,
        out: &mpsc::Sender<Bytes>,
        mut live: mpsc::Receiver<FeedItem>,
        given: HashSet<String>,
    ) -> End {
        let mut quiet_since = Instant::now();
        // Set anew only when it goes off: events come faster than heartbeats.
        let mut alarm = pin!(sleep_until(quiet_since + self.heartbeat));
        let mut items = Vec::new();
        loop {
            tokio::select! {
                () = out.closed() => return End::Gone,
                received = live.recv_many(&mut items, AT_ONCE) => {
                    if received == 0 {
                        return End::Lagged;
                    }
                    for item in items.drain(..) {
                        match self.pass_on(out, item, &given).await {
                            Ok(true) => quiet_since = Instant::now(),
                            Ok(false) => {}
                            Err(end) => return end,
                        }
                    }
                }
                () = &mut alarm => {
                    let now = Instant::now();
                    if now >= quiet_since + self.heartbeat {
                        // A reader that leaves a full queue alone needs no sign of life.
                        if out.capacity() > 1 {
                            let _ = out.try_send(self.form.heartbeat((self.clock)()));
                        }
                        quiet_since = now;
                    }
                    alarm.as_mut().reset(quiet_since + self.heartbeat);
                }
            }
        }
    }

    /// Gives an event to the reader, if the reader wants it and does not have it.
    async fn pass_on(
        &mut self,
        out: &mpsc::Sender<Bytes>,
        item: FeedItem,
        given: &HashSet<String>,
    ) -> Result<bool, End> {
        let FeedItem::Event(event) = item else { return Err(End::Lagged) };
        if given.contains(&event.event_id) {
            return Ok(false);
        }
        let is_wanted = self.wants(event.event_type);
        if is_wanted {
            give(out, self.form.shared(&event)).await?;
        }
        self.seen.get_or_insert_default().clone_from(&event.event_id);
        Ok(is_wanted)
    }

    fn wants(&self, kind: EventType) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }
}

/// Gives a chunk as soon as there are two places: one for it, and one that stays free for
/// the notice.
async fn give(out: &mpsc::Sender<Bytes>, chunk: Bytes) -> Result<(), End> {
    if out.capacity() > 1 {
        // This task alone sends, so the place is still there.
        return out.try_send(chunk).map_err(|_| End::Gone);
    }
    let mut places = out.reserve_many(2).await.map_err(|_| End::Gone)?;
    if let Some(place) = places.next() {
        place.send(chunk);
    }
    Ok(())
}
