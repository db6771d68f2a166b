//! Files that are slow to change and where one reload per save is all that is wanted:
//! configuration, mission overrides, the HEAD of a checkout.
//!
//! These have an instance of their own, whose events go through a debouncer. It merges,
//! delays and now and then swallows events, so nothing that an artifact's truth depends on
//! may use it; and it costs the fast lane nothing. While nothing happens no thread of the
//! lane wakes up.
//!
//! A thread of its own applies the set of targets as a diff, and arms watches anew after
//! each burst *before* it reports, so that whoever then reads misses nothing.

mod debounce;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher, WatcherKind};
use notify_debouncer_full::DebounceEventResult;

use self::debounce::Debounce;
use super::classify::Change;
use super::notify_backend::start_error;
use super::{SlowEvent, SlowTarget, WatchError};
use crate::platform::threads;

/// A burst ends when nothing happened for so long. Also how often the debouncer wakes up
/// while there is one, so an event takes up to twice as long.
const QUIET: Duration = Duration::from_millis(200);
/// Directories that could not be watched are tried again after so long.
const RETRY: Duration = Duration::from_secs(60);
/// A tree that changes while it is armed is armed again at most so often.
const ROUNDS: usize = 4;

/// Watches a set of targets and reports each at most once per burst. Dropping it ends it.
#[derive(Debug)]
pub struct SlowLane {
    orders: Sender<Order>,
    unwatched: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Targets(Vec<SlowTarget>),
    Event(notify::Result<Event>),
    Burst(Burst),
    Stop,
}

/// What one call of the debouncer amounts to.
#[derive(Debug, PartialEq, Eq)]
enum Burst {
    Paths(HashSet<PathBuf>),
    /// Something was lost.
    Everything,
}

impl SlowLane {
    /// Starts, watching nothing yet. Ends by itself when nobody listens any more.
    ///
    /// # Errors
    /// [`WatchError::InstanceLimit`] or [`WatchError::Start`]. The daemon can go on
    /// without: such files are then read at the next start or rescan.
    pub fn new(events: Sender<SlowEvent>) -> Result<Self, WatchError> {
        let (orders, inbox) = unbounded();
        let raw = orders.clone();
        let handler = move |event: notify::Result<Event>| {
            if !is_read(&event) {
                // Fails only when the thread has ended, and then nobody wants it.
                let _ = raw.send(Order::Event(event));
            }
        };
        // The watcher, the debouncer and this lane have one each.
        threads::are_to_be_had(3).map_err(WatchError::Start)?;
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config).map_err(start_error)?;
        let bursts = orders.clone();
        let debounce = Debounce::new(move |result| {
            if let Some(burst) = Burst::from_result(result) {
                let _ = bursts.send(Order::Burst(burst));
            }
        });
        let unwatched = Arc::new(AtomicUsize::new(0));
        let lane = Lane {
            watcher,
            events,
            targets: Vec::new(),
            armed: BTreeSet::new(),
            failed: BTreeMap::new(),
            unwatched: Arc::clone(&unwatched),
        };
        let thread = thread::Builder::new()
            .name("slow-lane".into())
            .spawn(move || lane.run(&inbox, debounce))
            .map_err(WatchError::Start)?;
        Ok(Self { orders, unwatched, thread: Some(thread) })
    }

    /// Replaces the set of targets. Returns at once; each target that is new, or not what
    /// it was, is reported when its watches are in place, so that what was read of it
    /// before is read again after.
    pub fn set_targets(&self, targets: Vec<SlowTarget>) {
        let _ = self.orders.send(Order::Targets(targets));
    }

    /// How many directories could not be watched.
    pub fn unwatched(&self) -> usize {
        self.unwatched.load(Ordering::Relaxed)
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the slow lane had panicked");
        }
    }
}

impl Burst {
    /// `None` if nothing came of it.
    fn from_result(result: DebounceEventResult) -> Option<Self> {
        let Ok(events) = result else { return Some(Self::Everything) };
        let mut paths = HashSet::new();
        for event in events {
            let event = event.event;
            if event.need_rescan() || event.paths.is_empty() {
                return Some(Self::Everything);
            }
            paths.extend(event.paths);
        }
        (!paths.is_empty()).then_some(Self::Paths(paths))
    }

    fn concerns(&self, target: &SlowTarget) -> bool {
        match self {
            Self::Everything => true,
            Self::Paths(paths) => paths.iter().any(|path| target.concerns(path)),
        }
    }
}

/// Is it one of those that reading causes? They change nothing.
fn is_read(event: &notify::Result<Event>) -> bool {
    event.as_ref().is_ok_and(|event| !event.need_rescan() && Change::of_kind(event.kind).is_none())
}

/// A target with the directories that were last wanted for it.
struct Armed {
    target: SlowTarget,
    dirs: BTreeSet<PathBuf>,
}

/// The thread's own state.
struct Lane {
    watcher: RecommendedWatcher,
    events: Sender<SlowEvent>,
    targets: Vec<Armed>,
    armed: BTreeSet<PathBuf>,
    failed: BTreeMap<PathBuf, String>,
    unwatched: Arc<AtomicUsize>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.events.send(SlowEvent::Panicked);
        }
    }
}

impl Lane {
    fn run<D>(mut self, inbox: &Receiver<Order>, mut debounce: Debounce<D>)
    where
        D: Fn(DebounceEventResult) + Clone + Send + 'static,
    {
        let mut retry_at = None;
        loop {
            retry_at = match self.failed.is_empty() {
                true => None,
                false => retry_at.or_else(|| Some(Instant::now() + RETRY)),
            };
            let next = [retry_at, debounce.rests_at()].into_iter().flatten().min();
            let order = match next {
                Some(next) => inbox.recv_deadline(next),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let goes_on = match order {
                Ok(Order::Targets(targets)) => self.replace(targets),
                Ok(Order::Event(event)) => {
                    debounce.feed(event);
                    true
                }
                Ok(Order::Burst(burst)) => self.burst(&burst),
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    debounce.rest(now);
                    let due = retry_at.take_if(|at| *at <= now).is_some();
                    !due || self.retry()
                }
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn replace(&mut self, targets: Vec<SlowTarget>) -> bool {
        let old: HashSet<SlowTarget> = self.targets.drain(..).map(|armed| armed.target).collect();
        self.targets =
            targets.into_iter().map(|target| Armed { target, dirs: BTreeSet::new() }).collect();
        (0..self.targets.len()).for_each(|index| self.arm(index));
        self.disarm();
        let is_new = |index: &usize| !old.contains(&self.targets[*index].target);
        let new: Vec<usize> = (0..self.targets.len()).filter(is_new).collect();
        self.report(&new)
    }

    /// Arms and reports the targets that a burst concerns. False when nobody listens.
    fn burst(&mut self, burst: &Burst) -> bool {
        let hit: Vec<usize> = (0..self.targets.len())
            .filter(|index| burst.concerns(&self.targets[*index].target))
            .collect();
        hit.iter().for_each(|index| self.arm(*index));
        self.disarm();
        self.report(&hit)
    }

    /// Tries again what could not be watched, and reports the targets that gained.
    fn retry(&mut self) -> bool {
        let before: Vec<PathBuf> = self.failed.keys().cloned().collect();
        let blind = |armed: &Armed| before.iter().any(|dir| armed.dirs.contains(dir));
        let hit: Vec<usize> =
            (0..self.targets.len()).filter(|index| blind(&self.targets[*index])).collect();
        hit.iter().for_each(|index| self.arm(*index));
        self.disarm();
        let gained: Vec<usize> = hit
            .into_iter()
            .filter(|index| {
                let dirs = &self.targets[*index].dirs;
                before.iter().any(|dir| dirs.contains(dir) && !self.failed.contains_key(dir))
            })
            .collect();
        self.report(&gained)
    }

    fn report(&self, indices: &[usize]) -> bool {
        let events: BTreeSet<&SlowEvent> =
            indices.iter().map(|index| &self.targets[*index].target.event).collect();
        events.into_iter().all(|event| self.events.send(event.clone()).is_ok())
    }

    /// Watches the directories of a target, known or not, until they are the right ones:
    /// one that appears between looking and watching would otherwise be missed.
    fn arm(&mut self, index: usize) {
        for _ in 0..ROUNDS {
            let dirs = self.targets[index].target.directories();
            for dir in &dirs {
                self.watch(dir);
            }
            let stable = self.targets[index].target.directories() == dirs;
            self.targets[index].dirs = dirs;
            if stable {
                break;
            }
        }
    }

    fn watch(&mut self, dir: &Path) {
        // Where adding a watch rebuilds all of them, a known one is left alone.
        let known = self.armed.contains(dir);
        if known && RecommendedWatcher::kind_is_costly() {
            return;
        }
        match self.watcher.watch(dir, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.armed.insert(dir.to_path_buf());
                self.failed.remove(dir);
            }
            Err(error) => {
                let why = error.to_string();
                if self.failed.get(dir) != Some(&why) {
                    tracing::warn!(dir = %dir.display(), why, "changes here go unnoticed for now");
                }
                self.armed.remove(dir);
                self.failed.insert(dir.to_path_buf(), why);
            }
        }
    }

    /// Ends the watches that no target wants any more.
    fn disarm(&mut self) {
        let wanted: BTreeSet<&PathBuf> =
            self.targets.iter().flat_map(|armed| &armed.dirs).collect();
        self.failed.retain(|dir, _| wanted.contains(dir));
        let (keep, end): (BTreeSet<PathBuf>, BTreeSet<PathBuf>) =
            std::mem::take(&mut self.armed).into_iter().partition(|dir| wanted.contains(dir));
        self.armed = keep;
        for dir in end {
            // A directory that is gone took its watch along.
            let _ = self.watcher.unwatch(&dir);
        }
        self.unwatched.store(self.failed.len(), Ordering::Relaxed);
    }
}

/// Whether adding a watch disturbs the others.
trait Costly {
    fn kind_is_costly() -> bool;
}

impl<W: notify::Watcher> Costly for W {
    fn kind_is_costly() -> bool {
        !matches!(W::kind(), WatcherKind::Inotify | WatcherKind::Kqueue)
    }
}

#[cfg(test)]
mod tests;
