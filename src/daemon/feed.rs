//! The live feed: events as they become durable, to any number of followers.
//!
//! A publisher never waits. A follower that is too slow is cut off and told from where
//! it can resume; the log has everything. What is published at once (all events of one scan,
//! which can be thousands) a follower gets as a whole if it was not behind before, since no
//! reader could keep up with a burst while it happens.
//!
//! Invariant: however many follow, an event is in memory once.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::changed_logs::ChangedLogs;
use crate::dossier::event::EventType;
use crate::store::Position;

/// Events that a follower may be behind when more come; else it is cut off.
pub const FOLLOWER_QUEUE: usize = 256;

/// Events of one burst that a follower is given, a few megabytes; beyond it is cut off as
/// well, so that nothing that is stuck holds more.
pub const FOLLOWER_BURST: usize = 4096;

/// One durable event.
#[derive(Debug, Clone)]
pub struct LoggedEvent {
    /// Id of the feature whose log has it.
    pub feature: String,
    /// ULID.
    pub event_id: String,
    /// Its type.
    pub event_type: EventType,
    /// The line of the log, without newline.
    pub line: Bytes,
}

/// An event on its way to its followers, with the forms that they give to their readers,
/// each made by the first who needs it.
#[derive(Debug)]
pub struct SharedEvent {
    event: LoggedEvent,
    /// As a line.
    pub as_line: OnceLock<Bytes>,
    /// As a Server-Sent Event.
    pub as_event_stream: OnceLock<Bytes>,
}

impl SharedEvent {
    /// An event that nobody has given to a reader yet.
    pub fn new(event: LoggedEvent) -> Self {
        Self { event, as_line: OnceLock::new(), as_event_stream: OnceLock::new() }
    }
}

impl Deref for SharedEvent {
    type Target = LoggedEvent;

    fn deref(&self) -> &LoggedEvent {
        &self.event
    }
}

/// What a follower receives.
#[derive(Debug, Clone)]
pub enum FeedItem {
    /// An event.
    Event(Arc<SharedEvent>),
    /// The follower was too slow and is cut off. Nothing follows.
    Lagged {
        /// The last event it was given, from which it can resume; `None` if it got none.
        resume_after: Option<String>,
    },
}

#[derive(Debug)]
struct Follower {
    queue: mpsc::Sender<FeedItem>,
    feature: Option<String>,
    /// The last event it was given.
    last: Option<Arc<SharedEvent>>,
}

/// All followers.
#[derive(Debug, Default)]
pub struct Feed {
    followers: Mutex<Vec<Follower>>,
    /// Those who read the logs themselves.
    readers: Mutex<Vec<Weak<ChangedLogs>>>,
    /// By feature, up to where its log is durable.
    durable: Mutex<BTreeMap<String, Position>>,
}

impl Feed {
    /// Follows all events from now on, or those of one feature.
    pub fn follow(&self, feature: Option<String>) -> mpsc::Receiver<FeedItem> {
        // Places cost nothing until they are taken. One more than the limits is kept for the
        // notice that ends a slow follower.
        let (queue, receiver) = mpsc::channel(FOLLOWER_QUEUE + FOLLOWER_BURST + 1);
        self.lock().push(Follower { queue, feature, last: None });
        receiver
    }

    /// Which logs grow from now on, for as long as the answer is held.
    pub fn changed_logs(&self) -> Arc<ChangedLogs> {
        let changed = Arc::new(ChangedLogs::default());
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.push(Arc::downgrade(&changed));
        changed
    }

    /// A log is durable up to here; what comes behind it may still be taken back.
    fn set_durable(&self, feature: &str, end: Position) {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.insert(feature.to_owned(), end);
    }

    /// The log of a feature was opened: those who read logs may want what it has already.
    pub(super) fn opened(&self, feature: &str, end: Position) {
        self.set_durable(feature, end);
        self.tell_readers(std::iter::once(feature));
    }

    /// Up to where the log of a feature is durable; `None` if nobody writes it.
    pub fn durable_end(&self, feature: &str) -> Option<Position> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).get(feature).copied()
    }

    /// Nobody writes the log of this feature any more.
    pub(super) fn forget(&self, feature: &str) {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).remove(feature);
    }

    /// Gives events to every follower that wants them, in order, without waiting.
    pub fn publish(&self, events: &[LoggedEvent]) {
        self.announce(None, events);
    }

    /// The same for events that a log, durable up to `end`, ends with. Whoever reads the log up
    /// to what is durable and follows then, gets none of them again: it happens at once.
    pub(super) fn announce(&self, end: Option<Position>, events: &[LoggedEvent]) {
        let mut followers = self.lock();
        if let (Some(end), Some(event)) = (end, events.first()) {
            self.set_durable(&event.feature, end);
        }
        self.tell_readers(events.iter().map(|event| event.feature.as_str()));
        if followers.is_empty() {
            return;
        }
        let share = |event: &LoggedEvent| Arc::new(SharedEvent::new(event.clone()));
        let events: Vec<_> = events.iter().map(share).collect();
        followers.retain_mut(|follower| follower.give(&events));
    }

    fn tell_readers<'a>(&self, features: impl Iterator<Item = &'a str> + Clone) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            reader.note(features.clone());
            true
        });
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.lock().iter().filter(|f| !f.queue.is_closed()).count()
    }

    /// How many of them have not taken everything yet.
    pub fn behind(&self) -> usize {
        self.lock().iter().filter(|f| f.behind() > 0).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Follower>> {
        // A panic while the list is held leaves a list that is still whole.
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Events that it has not taken.
    fn behind(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Gives what is published at once; false if the follower has gone or was cut off.
    fn give(&mut self, events: &[Arc<SharedEvent>]) -> bool {
        let feature = self.feature.as_deref();
        let mut wanted = events
            .iter()
            .filter(|event| feature.is_none_or(|feature| *feature == event.feature))
            .peekable();
        if wanted.peek().is_none() {
            return !self.queue.is_closed();
        }
        let room = if self.behind() < FOLLOWER_QUEUE { FOLLOWER_BURST } else { 0 };
        for event in wanted.by_ref().take(room) {
            if self.queue.try_send(FeedItem::Event(Arc::clone(event))).is_err() {
                return false;
            }
            self.last = Some(Arc::clone(event));
        }
        if wanted.peek().is_none() {
            return true;
        }
        let resume_after = self.last.take().map(|event| event.event_id.clone());
        // A place was kept for it; where the follower has gone nobody needs it.
        let _ = self.queue.try_send(FeedItem::Lagged { resume_after });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: usize, feature: &str) -> LoggedEvent {
        LoggedEvent {
            feature: feature.into(),
            event_id: format!("{n:026}"),
            event_type: EventType::SnapshotComputed,
            line: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn a_slow_follower_is_told_where_to_resume_and_the_others_get_all() {
        let feed = Feed::default();
        let mut slow = feed.follow(None);
        let mut healthy = feed.follow(None);
        let mut seen = 0;
        for n in 0..FOLLOWER_QUEUE + 50 {
            feed.publish(&[event(n, "f")]);
            while let Ok(FeedItem::Event(e)) = healthy.try_recv() {
                assert_eq!(e.event_id, format!("{seen:026}"));
                seen += 1;
            }
        }
        assert_eq!(seen, FOLLOWER_QUEUE + 50);
        let mut last = None;
        let notice = loop {
            match slow.try_recv().expect("ends with a notice") {
                FeedItem::Event(e) => last = Some(e.event_id.clone()),
                FeedItem::Lagged { resume_after } => break resume_after,
            }
        };
        assert_eq!(notice, last);
        assert_eq!(feed.followers(), 1);
    }

    #[test]
    fn a_burst_is_given_as_a_whole_to_those_who_keep_up() {
        let burst = |from: usize, count| -> Vec<_> {
            (from..from + count).map(|n| event(n, "f")).collect()
        };
        let received = |queue: &mut mpsc::Receiver<FeedItem>| {
            let (mut count, mut cut) = (0, None);
            while let Ok(item) = queue.try_recv() {
                match item {
                    FeedItem::Event(_) => count += 1,
                    FeedItem::Lagged { resume_after } => cut = resume_after,
                }
            }
            (count, cut)
        };
        let feed = Feed::default();
        let (mut healthy, mut stalled) = (feed.follow(None), feed.follow(None));
        feed.publish(&burst(0, FOLLOWER_BURST));
        assert_eq!(received(&mut healthy), (FOLLOWER_BURST, None));
        feed.publish(&burst(FOLLOWER_BURST, 1));
        assert_eq!(received(&mut healthy), (1, None));
        let last_of_the_burst = Some(format!("{:026}", FOLLOWER_BURST - 1));
        assert_eq!(received(&mut stalled), (FOLLOWER_BURST, last_of_the_burst.clone()));
        // More than anyone is given at once.
        let mut healthy = feed.follow(None);
        feed.publish(&burst(0, FOLLOWER_BURST + 1));
        assert_eq!(received(&mut healthy), (FOLLOWER_BURST, last_of_the_burst));
        assert_eq!(feed.followers(), 0);
    }

    #[test]
    fn a_follower_of_one_feature_gets_only_its_events() {
        let feed = Feed::default();
        let mut one = feed.follow(Some("a".into()));
        feed.publish(&[event(1, "b"), event(2, "a")]);
        assert!(matches!(one.try_recv(), Ok(FeedItem::Event(e)) if e.feature == "a"));
        assert!(one.try_recv().is_err());
    }
}
