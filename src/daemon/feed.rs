//! The live feed: events as they become durable, to any number of followers.
//!
//! A publisher never waits. A follower that is too slow is cut off and told from where
//! it can resume; the log has everything.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::dossier::event::EventType;

/// Events that a follower may be behind before it is cut off.
pub const FOLLOWER_QUEUE: usize = 256;

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

/// What a follower receives.
#[derive(Debug, Clone)]
pub enum FeedItem {
    /// An event.
    Event(LoggedEvent),
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
    last: Option<String>,
}

/// All followers.
#[derive(Debug, Default)]
pub struct Feed {
    followers: Mutex<Vec<Follower>>,
}

impl Feed {
    /// Follows all events from now on, or those of one feature.
    pub fn follow(&self, feature: Option<String>) -> mpsc::Receiver<FeedItem> {
        // One place more than the limit is kept for the notice that ends a slow follower.
        let (queue, receiver) = mpsc::channel(FOLLOWER_QUEUE + 1);
        self.lock().push(Follower { queue, feature, last: None });
        receiver
    }

    /// Gives events to every follower that wants them, in order, without waiting.
    pub fn publish(&self, events: &[LoggedEvent]) {
        self.lock().retain_mut(|follower| events.iter().all(|event| follower.give(event)));
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.lock().iter().filter(|f| !f.queue.is_closed()).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Follower>> {
        // A panic while the list is held leaves a list that is still whole.
        self.followers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Follower {
    /// Gives one event; false if the follower has gone or was cut off.
    fn give(&mut self, event: &LoggedEvent) -> bool {
        if self.feature.as_ref().is_some_and(|wanted| *wanted != event.feature) {
            return !self.queue.is_closed();
        }
        if self.queue.capacity() <= 1 {
            let notice = FeedItem::Lagged { resume_after: self.last.take() };
            // If even the reserved place is taken the follower sees its queue end.
            let _ = self.queue.try_send(notice);
            return false;
        }
        self.last = Some(event.event_id.clone());
        self.queue.try_send(FeedItem::Event(event.clone())).is_ok()
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
                FeedItem::Event(e) => last = Some(e.event_id),
                FeedItem::Lagged { resume_after } => break resume_after,
            }
        };
        assert_eq!(notice, last);
        assert_eq!(feed.followers(), 1);
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
