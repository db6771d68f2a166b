//! What was appended to a log, synced by a thread of its own while the next piece is made.
//!
//! Whoever starts one waits for its end, before the log is closed or a segment ends.

use std::thread::JoinHandle;

use super::feed::LoggedEvent;
use crate::store::{EventLog, Position, StoreError};

/// A sync that is going on.
#[derive(Debug)]
pub(super) struct SyncAhead {
    thread: JoinHandle<Result<(), StoreError>>,
    /// The end of what it makes durable.
    end: Position,
    /// The events that it makes durable.
    events: Vec<LoggedEvent>,
}

impl SyncAhead {
    /// Starts to sync all that is in the log, `events` at its end. They stay where they are
    /// if there is no thread to be had.
    pub(super) fn start(log: &EventLog, events: &mut Vec<LoggedEvent>) -> Option<Self> {
        let (end, syncer) = (log.end()?, log.syncer().ok()??);
        let sync = move || syncer.sync();
        let thread = std::thread::Builder::new().name("sync".into()).spawn(sync).ok()?;
        Some(Self { thread, end, events: std::mem::take(events) })
    }

    /// Waits for its end.
    pub(super) fn join(self) -> (Result<(), StoreError>, Position, Vec<LoggedEvent>) {
        let result = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (result, self.end, self.events)
    }
}
