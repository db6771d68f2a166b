//! The journal: a thread that makes durable what the loop decided.
//!
//! Order of writing, per feature: log lines with one write, sync, then announce them, then
//! replace `snapshot-latest.json`. What waits for a feature is written together. A failure
//! (a full disk, mostly) keeps everything in order in memory and is tried again; nothing
//! is announced before it is durable, so nothing announced is lost.
//!
//! A log that somebody deleted or cut cannot be continued with changes alone: its queue is
//! dropped and the loop is asked to write everything again, which covers it.

mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::feed::{Feed, LoggedEvent};
use super::order::{Order, Report};
use super::sealing::Waiting;
use super::sequence::EventIds;
use super::snapshot_file::SnapshotFile;
use crate::platform::memory;
use crate::store::{EventLog, LamportClock, StoreError, with_causes};

/// First pause after a failed write; doubled up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// So many bytes written at once leave much memory free; it is given back so long after.
const MUCH: usize = 512 * 1024;
const QUIET: Duration = Duration::from_secs(1);
/// Small writes, and what others do meanwhile, leave some: it is given back so often.
const LITTLE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Line {
    log: Option<Box<EventLog>>,
    waiting: Waiting,
    /// Appended, but not yet durable.
    unsynced: Vec<LoggedEvent>,
    tickets: Vec<u64>,
    snapshot: SnapshotFile,
    /// Everything is to be written again; changes are of no use until then.
    lost: bool,
    /// Bytes of the full scan that the active segment begins with.
    opening: u64,
    /// There is no log to write to, for this reason.
    no_log: Option<String>,
    /// The last attempt to write failed.
    failing: bool,
    closing: bool,
}

/// The journal's side of the thread.
pub(super) struct Journal {
    clock: LamportClock,
    ids: EventIds,
    feed: Arc<Feed>,
    orders: Receiver<Order>,
    report: Box<dyn Fn(Report) + Send>,
    lines: BTreeMap<String, Line>,
    pause: Option<(Instant, Duration)>,
    rotation_asked: BTreeSet<String>,
    /// After much was written, when free memory is given back.
    tidy_at: Option<Instant>,
}

impl Journal {
    /// Starts the thread. It ends after [`Order::Stop`].
    pub(super) fn start(
        clock: LamportClock,
        ids: EventIds,
        feed: Arc<Feed>,
        orders: Receiver<Order>,
        report: impl Fn(Report) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let journal = Self {
            clock,
            ids,
            feed,
            orders,
            report: Box::new(report),
            lines: BTreeMap::new(),
            pause: None,
            rotation_asked: BTreeSet::new(),
            tidy_at: None,
        };
        std::thread::Builder::new().name("journal".into()).spawn(move || journal.run())
    }

    fn run(mut self) {
        loop {
            let mut stop = match self.next() {
                Some(order) => self.take(order),
                None => false,
            };
            // Whatever else waits is written together.
            while let Ok(order) = self.orders.try_recv() {
                stop |= self.take(order);
            }
            self.write_all(stop);
            if self.tidy_at.take_if(|at| *at <= Instant::now()).is_some() {
                memory::give_back();
            }
            if stop {
                break;
            }
        }
        if let Err(error) = self.clock.close() {
            let error = with_causes(&error);
            tracing::warn!(%error, "the clock could not be closed; it goes on from its ceiling");
        }
    }

    /// The next order; `None` when it is time to try again.
    fn next(&self) -> Option<Order> {
        let retry = self.pause.map(|(at, _)| at);
        let snapshots = self.lines.values().filter_map(|line| line.snapshot.due());
        // While a pause is on, nothing is tried before it ends.
        let times = [retry.or_else(|| snapshots.min()), self.tidy_at];
        let Some(at) = times.into_iter().flatten().min() else {
            return Some(self.orders.recv().unwrap_or(Order::Stop));
        };
        match self.orders.recv_deadline(at) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Order::Stop),
        }
    }

    /// Takes an order in; true for the last one.
    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::Open { feature, log, last_event_id, last_clock, opening } => {
                if let Some(id) = last_event_id {
                    self.ids.observe(&id);
                }
                self.clock.observe(last_clock);
                if let Some(end) = log.end() {
                    self.feed.opened(&feature, end);
                }
                let line = self.lines.entry(feature.clone()).or_default();
                line.log = Some(log);
                line.opening = opening;
                if line.no_log.take().is_some() {
                    // What came before was found without the log, and is found again with it.
                    line.waiting.clear();
                    (self.report)(Report::Recovered { feature });
                }
            }
            Order::NoLog { feature, message } => {
                self.lines.entry(feature).or_default().no_log = Some(message);
            }
            Order::Append { feature, emitted, ticket } => {
                let line = self.lines.entry(feature).or_default();
                // A full emission is what a lost log was waiting for.
                line.lost &= !emitted.full;
                line.tickets.push(ticket);
                if !line.lost {
                    line.waiting.push(*emitted);
                }
            }
            Order::Snapshot { view, place } => {
                let line = self.lines.entry(view.id.clone()).or_default();
                line.snapshot.put(view, place);
            }
            Order::Close { feature } => self.lines.entry(feature).or_default().closing = true,
            Order::Stop => return true,
        }
        false
    }

    /// Tries to write everything that waits, unless a pause is on.
    fn write_all(&mut self, stopping: bool) {
        let paused = self.pause.is_some_and(|(at, _)| Instant::now() < at);
        // What is to be closed gets its last attempt at once, whatever pause is on.
        let waiting = self.lines.iter().filter(|(_, line)| line.closing || stopping || !paused);
        let waiting: Vec<String> = waiting.map(|(feature, _)| feature.clone()).collect();
        let mut failed = false;
        for feature in waiting {
            failed |= !self.write_feature(&feature, stopping);
        }
        self.close_all();
        if paused {
            return;
        }
        self.pause = failed.then(|| {
            let wait = self.pause.map_or(RETRY_MIN, |(_, wait)| (wait * 2).min(RETRY_MAX));
            (Instant::now() + wait, wait)
        });
    }

    /// Forgets the lines that are closing, and with them their logs and locks. What could
    /// not be written is what the log lacks, and is found again by whoever opens it next.
    fn close_all(&mut self) {
        let closing = self.lines.iter().filter(|(_, line)| line.closing);
        let closing: Vec<String> = closing.map(|(feature, _)| feature.clone()).collect();
        for feature in closing {
            let Some(line) = self.lines.remove(&feature) else { continue };
            self.rotation_asked.remove(&feature);
            let Line { log, tickets, .. } = line;
            drop(log);
            self.feed.forget(&feature);
            if !tickets.is_empty() {
                let message = "the feature is gone before its log could be written".to_owned();
                (self.report)(Report::Failing { feature: feature.clone(), tickets, message });
            }
            (self.report)(Report::Closed { feature });
        }
    }

    /// Writes what waits for one feature; false if it has to be tried again.
    fn write_feature(&mut self, feature: &str, stopping: bool) -> bool {
        let Some(mut line) = self.lines.remove(feature) else { return true };
        let result = self
            .write_log(feature, &mut line)
            .and_then(|()| line.snapshot.write(line.closing || stopping));
        let ok = match result {
            Ok(()) => {
                if std::mem::take(&mut line.failing) {
                    (self.report)(Report::Recovered { feature: feature.to_owned() });
                }
                true
            }
            Err(error) => {
                let message = describe(&error);
                if !std::mem::replace(&mut line.failing, true) {
                    tracing::error!(feature, error = %message, "the log cannot be written; trying again until it can");
                }
                (self.report)(Report::Failing {
                    feature: feature.to_owned(),
                    // Those who wait get their answer now, and only this one.
                    tickets: std::mem::take(&mut line.tickets),
                    message,
                });
                false
            }
        };
        self.lines.insert(feature.to_owned(), line);
        ok
    }
}

/// The error and what to do about it.
pub(super) fn describe(error: &StoreError) -> String {
    let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
    with_causes(error) + &hint
}

/// The loop's side: orders never block.
pub(super) type Orders = Sender<Order>;
