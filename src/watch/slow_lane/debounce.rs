//! A debouncer that is there only while there is something to debounce.
//!
//! The crate's has a thread that wakes up at every tick for as long as it lives, so a
//! daemon with nothing to do would wake several times a second. Here the events come from
//! elsewhere and are fed to one that is made for the first of them, and given up when
//! nothing has come for a long while.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use notify::{Config, Event, EventHandler, RecursiveMode, Watcher, WatcherKind};
use notify_debouncer_full::{DebounceEventResult, Debouncer, NoCache, new_debouncer_opt};

use super::QUIET;

/// Given up after so long: many times what it takes to report the last event, since what
/// it has not reported by then is lost.
const IDLE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Debounce<D> {
    deliver: D,
    running: Option<Running>,
}

struct Running {
    /// Dropping it ends its thread.
    _debouncer: Debouncer<Feed, NoCache>,
    handler: Box<dyn EventHandler>,
    until: Instant,
}

impl<D: Fn(DebounceEventResult) + Clone + Send + 'static> Debounce<D> {
    /// One that has seen nothing yet, and calls `deliver` when a burst is over.
    pub(super) fn new(deliver: D) -> Self {
        Self { deliver, running: None }
    }

    /// Takes in an event.
    pub(super) fn feed(&mut self, event: notify::Result<Event>) {
        if self.running.is_none() {
            match Running::start(self.deliver.clone()) {
                Ok(running) => self.running = Some(running),
                // Reported at once then, as a loss of whatever it was.
                Err(error) => return (self.deliver)(Err(vec![error])),
            }
        }
        if let Some(running) = &mut self.running {
            running.handler.handle_event(event);
            running.until = Instant::now() + IDLE;
        }
    }

    /// When [`Self::rest`] is to be called.
    pub(super) fn rests_at(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Gives the debouncer up if nothing has come for long.
    pub(super) fn rest(&mut self, now: Instant) {
        self.running.take_if(|running| running.until <= now);
    }
}

impl Running {
    fn start(deliver: impl Fn(DebounceEventResult) + Send + 'static) -> notify::Result<Self> {
        let (cache, config) = (NoCache::new(), Config::default());
        let debouncer =
            new_debouncer_opt::<_, Feed, _>(QUIET, Some(QUIET), deliver, cache, config)?;
        let handler = FED
            .take()
            .ok_or_else(|| notify::Error::generic("the debouncer did not start its watcher"))?;
        Ok(Self { _debouncer: debouncer, handler, until: Instant::now() + IDLE })
    }
}

thread_local! {
    /// The way into the debouncer that this thread just made: the crate gives it to the
    /// watcher that it makes, and shows that watcher to nobody.
    static FED: RefCell<Option<Box<dyn EventHandler>>> = const { RefCell::new(None) };
}

/// What the debouncer takes for a watcher: watches nothing, only lets events in.
struct Feed;

impl Watcher for Feed {
    fn new<F: EventHandler>(handler: F, _: Config) -> notify::Result<Self> {
        FED.set(Some(Box::new(handler)));
        Ok(Self)
    }

    fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}
