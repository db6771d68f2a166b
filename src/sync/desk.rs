//! What a sink knows and decides, without waiting for anything: what to send next and
//! when. What an outcome means is in [`settling`].

mod settling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::backoff::Backoff;
use super::batch::Batch;
use super::dead_letters::{DeadLetter, DeadLetters};
use super::logs;
use super::pause::{Pause, PauseFile};
use super::queue::{Limits, Queue};
use super::retention::KeptSegments;
use super::status::{SinkCounts, SinkState, SinkStatus};
use crate::daemon::handle::DaemonHandle;
use crate::dossier::Timestamp;
use crate::store::with_causes;
use crate::store::{Home, StoreError};

/// Bytes of events in a batch.
const MAX_BATCH_BYTES: usize = 1_000_000;

/// What a fault is about.
const READ: &str = "read";
const WRITE: &str = "write";

/// What a sink is made of, whatever protocol it speaks.
pub(super) struct Setup {
    pub(super) name: &'static str,
    pub(super) target: String,
    pub(super) dir: PathBuf,
    pub(super) batch_size: usize,
    /// Bytes that go over the wire for each event, besides it.
    pub(super) overhead: usize,
    pub(super) handle: DaemonHandle,
    pub(super) home: Home,
    pub(super) kept: Option<Arc<KeptSegments>>,
    pub(super) clock: fn() -> Timestamp,
}

/// What is sent next.
pub(super) enum Next {
    /// Events of the logs.
    Queued(Batch),
    /// Dead letters, once more.
    Letters(Batch),
}

impl Next {
    pub(super) fn batch(&self) -> &Batch {
        match self {
            Self::Queued(batch) | Self::Letters(batch) => batch,
        }
    }
}

pub(super) struct Desk {
    setup: Setup,
    queue: Queue,
    letters: DeadLetters,
    pause_file: PauseFile,
    paused: Option<Pause>,
    backoff: Backoff,
    not_before: Option<(Instant, Timestamp)>,
    last_failure: String,
    last_success: Option<Timestamp>,
    /// Events in the next batch.
    batch_size: usize,
    lone_refusals: u32,
    /// Dead letters that somebody wants to have sent again.
    retrying: VecDeque<String>,
    /// Is it not known yet what there is to send?
    is_starting: bool,
    /// What cannot be done on this machine, by what it is.
    faults: BTreeMap<&'static str, String>,
    status: Arc<ArcSwap<SinkStatus>>,
}

impl Desk {
    pub(super) fn open(setup: Setup) -> Result<Self, StoreError> {
        let letters = DeadLetters::open(&setup.dir)?;
        let pause_file = PauseFile::new(&setup.dir);
        let paused = match pause_file.read() {
            Ok(paused) => paused.then_some(Pause::Asked),
            // Whether somebody asked for a pause is not known, so nothing is sent.
            Err(error) => Some(Pause::Unknown(with_causes(&error))),
        };
        let status = SinkStatus {
            name: setup.name,
            target: setup.target.clone(),
            state: SinkState::Starting,
            counts: None,
            oldest_pending: None,
            last_success: None,
            failures: 0,
            fault: None,
        };
        let mut desk = Self {
            queue: Queue::new(setup.dir.clone(), setup.clock),
            batch_size: setup.batch_size,
            setup,
            letters,
            pause_file,
            paused,
            backoff: Backoff::default(),
            not_before: None,
            last_failure: String::new(),
            last_success: None,
            lone_refusals: 0,
            retrying: VecDeque::new(),
            is_starting: true,
            faults: BTreeMap::new(),
            status: Arc::new(ArcSwap::from_pointee(status)),
        };
        desk.look_everywhere();
        Ok(desk)
    }

    pub(super) fn status(&self) -> Arc<ArcSwap<SinkStatus>> {
        Arc::clone(&self.status)
    }

    /// Looks at all logs that there are. While first scans run that is not known, and a log
    /// that nobody has opened yet may be mended, so what it says is not told to anybody.
    pub(super) fn look_everywhere(&mut self) {
        let view = self.setup.handle.view();
        if !view.health.ready {
            return self.publish(false);
        }
        self.is_starting = false;
        let mut found = logs::left_behind(&view, &self.setup.home);
        found.extend(logs::of_features(&self.setup.handle).into_values());
        self.queue.keep(|name| found.contains_key(name));
        let queue = &mut self.queue;
        // One log that cannot be read keeps no other waiting.
        let looks = found.iter().map(|(name, log)| queue.look(name, log));
        let looked = looks.fold(Ok(()), Result::and);
        let saved = self.queue.save();
        self.note(READ, looked);
        self.note(WRITE, saved);
        self.publish(false);
    }

    /// Looks at the logs of these features.
    pub(super) fn look_at(&mut self, features: &BTreeSet<String>) {
        if self.is_starting() {
            return self.look_everywhere();
        }
        let logs = logs::of_features(&self.setup.handle);
        if features.iter().any(|feature| !logs.contains_key(feature)) {
            return self.look_everywhere();
        }
        let changed = features.iter().filter_map(|feature| logs.get(feature));
        let looks = changed.map(|(name, log)| self.queue.look(name, log));
        let looked = looks.fold(Ok(()), Result::and);
        // A log that is not among them may still be the one with a fault.
        if looked.is_err() {
            self.note(READ, looked);
        }
        self.publish(false);
    }

    /// What this machine does not let be read or written is told, and tried again.
    fn note(&mut self, what: &'static str, result: Result<(), StoreError>) {
        let Err(error) = result else {
            self.faults.remove(what);
            return;
        };
        let fault = with_causes(&error);
        if self.faults.get(what) != Some(&fault) {
            tracing::error!(sink = self.setup.name, error = %fault, "delivery is held up; trying again");
        }
        self.faults.insert(what, fault);
    }

    /// When to send next; `None` while there is nothing to send.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        let has_work = self.queue.counts().pending > 0 || !self.retrying.is_empty();
        let is_due = has_work && self.paused.is_none();
        is_due.then(|| self.not_before.map_or_else(Instant::now, |(at, _)| at))
    }

    /// Is there nothing left to send?
    pub(super) fn is_done(&self) -> bool {
        self.next_attempt().is_none() && !self.is_starting()
    }

    /// Is it not known yet what there is to send?
    pub(super) fn is_starting(&self) -> bool {
        self.is_starting
    }

    /// What to send now; `None` if nothing can be read.
    pub(super) fn next(&mut self) -> Option<Next> {
        let next = match self.retrying.is_empty() {
            true => Next::Queued(self.next_queued()),
            false => Next::Letters(self.next_letters()),
        };
        if next.batch().is_empty() && self.next_attempt().is_some() {
            self.wait("what is pending cannot be read".to_owned(), None);
        }
        Some(next).filter(|next| !next.batch().is_empty())
    }

    fn next_queued(&mut self) -> Batch {
        let limits = Limits {
            events: self.batch_size,
            bytes: MAX_BATCH_BYTES,
            overhead: self.setup.overhead,
        };
        let (batch, read) = self.queue.batch(limits);
        let is_readable = read.is_ok();
        self.note(READ, read);
        if batch.is_empty() && is_readable {
            // The count was of lines that are not there any more.
            self.queue.recount();
            self.look_everywhere();
        }
        batch
    }

    fn next_letters(&mut self) -> Batch {
        let wanted: BTreeSet<String> =
            self.retrying.iter().take(self.setup.batch_size).cloned().collect();
        let entries = match self.letters.list(wanted.len(), |id| wanted.contains(id)) {
            Ok(letters) => letters.iter().map(DeadLetter::entry).collect::<Vec<_>>(),
            Err(error) => {
                self.note(READ, Err(error));
                Vec::new()
            }
        };
        // What is not there cannot be sent again.
        let is_there = |id: &String| entries.iter().any(|entry| entry.event_id == *id);
        self.retrying.retain(|id| !wanted.contains(id) || is_there(id));
        let mut batch = Batch { entries };
        batch.entries.truncate(self.batch_size);
        batch
    }

    fn wait(&mut self, reason: String, asked: Option<Duration>) {
        let wait = self.backoff.failed(chance(), asked);
        if self.backoff.failures() == 1 {
            tracing::warn!(sink = self.setup.name, %reason, "delivery failed; trying again until it works");
        }
        self.last_failure = reason;
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        let until = Timestamp::from_micros((self.setup.clock)().as_micros().saturating_add(micros));
        self.not_before = Some((Instant::now() + wait, until));
    }

    fn pause(&mut self, pause: Pause) {
        if let Pause::Refused(reason) = &pause {
            tracing::error!(sink = self.setup.name, %reason, "delivery is paused; go on with `dossierd sync resume`");
        }
        self.paused = Some(pause);
    }

    /// Stops sending until [`Self::resume`], also over restarts.
    pub(super) fn pause_as_asked(&mut self) -> Result<(), StoreError> {
        self.pause_file.write(true)?;
        self.paused = Some(Pause::Asked);
        Ok(())
    }

    /// Goes on, at once.
    pub(super) fn resume(&mut self) -> Result<(), StoreError> {
        self.pause_file.write(false)?;
        self.paused = None;
        self.lone_refusals = 0;
        self.hurry();
        Ok(())
    }

    /// A secret that was refused has been replaced.
    pub(super) fn secret_changed(&mut self) {
        if matches!(self.paused, Some(Pause::Refused(_))) {
            self.paused = None;
            self.hurry();
        }
    }

    /// Is it paused because the other side refused?
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.paused, Some(Pause::Refused(_)))
    }

    /// Tries at once, whatever wait is on.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// Attempts that failed since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// The first `limit` dead letters behind this one, or of all.
    pub(super) fn dead_letters(
        &self,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.letters.page(limit, after)
    }

    /// Sends dead letters again, those with these ids or all, and says how many. Ids that
    /// are none are in the error.
    pub(super) fn retry(&mut self, ids: Option<Vec<String>>) -> Result<usize, Vec<String>> {
        let wanted = match ids {
            None => self.letters.ids().cloned().collect(),
            Some(ids) => ids,
        };
        let unknown: Vec<_> = wanted.iter().filter(|id| !self.letters.has(id)).cloned().collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let before = self.retrying.len();
        let mut known: BTreeSet<String> = self.retrying.iter().cloned().collect();
        self.retrying.extend(wanted.into_iter().filter(|id| known.insert(id.clone())));
        self.hurry();
        Ok(self.retrying.len() - before)
    }

    /// Publishes how it stands; `is_sending` while a batch is under way.
    pub(super) fn publish(&self, is_sending: bool) {
        let oldest_pending = self.queue.counts().oldest;
        let fault = self.fault();
        let state = match (&self.paused, &self.not_before) {
            (Some(pause), _) => SinkState::Paused { reason: pause.to_string() },
            (None, _) if self.is_starting => SinkState::Starting,
            (None, _) if is_sending => SinkState::Sending,
            (None, Some((_, until))) if !self.is_done() => {
                SinkState::Waiting { until: *until, reason: self.last_failure.clone() }
            }
            (None, _) if !self.is_done() => SinkState::Sending,
            // What cannot be read may be pending too.
            (None, _) => match &fault {
                None => SinkState::Idle,
                Some(reason) => {
                    SinkState::Waiting { until: (self.setup.clock)(), reason: reason.clone() }
                }
            },
        };
        self.status.store(Arc::new(SinkStatus {
            name: self.setup.name,
            target: self.setup.target.clone(),
            state,
            counts: (!self.is_starting).then(|| self.counts()),
            oldest_pending,
            last_success: self.last_success,
            failures: self.backoff.failures(),
            fault,
        }));
    }

    fn counts(&self) -> SinkCounts {
        let counts = self.queue.counts();
        let rejected = self.letters.count(|log| self.queue.has(log));
        SinkCounts {
            pending: counts.pending,
            delivered: counts.settled.saturating_sub(counts.duplicate + rejected),
            duplicate: counts.duplicate,
            rejected,
        }
    }

    /// What cannot be done on this machine.
    fn fault(&self) -> Option<String> {
        let damaged = match self.letters.damaged() {
            0 => None,
            n => Some(format!("{n} lines of dead-letters.jsonl are not understood")),
        };
        let faults: Vec<String> = self.faults.values().cloned().chain(damaged).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

/// Between 0 and 1. Without randomness all wait equally long, which does no harm.
fn chance() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}
