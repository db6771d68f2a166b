//! Watches over the daemon for a service manager that asked for it: says how far first scans
//! are, asks for more time only as long as they go on, and gives a sign of life only after
//! every part has given one.
//!
//! It has a thread of its own, on no runtime, so that it can tell that one does not answer.
//! It wakes twice in the time that the manager allows, and only while something is started
//! more often.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, unbounded};

use super::manager::Manager;
use crate::daemon::VitalSigns;
use crate::daemon::view::View;
use crate::server::Pulse;

/// How often a start looks how far it is.
const WHILE_STARTING: Duration = Duration::from_secs(1);
/// How often the status is brought up to date where no watchdog is to be fed.
const UNWATCHED: Duration = Duration::from_secs(15);
/// So long a start may go on from each sign that its first scans do.
const EXTENSION: Duration = Duration::from_secs(30);

/// The thread that watches; dropping this ends it, at its own time.
pub(super) struct Vigil {
    begin: Sender<()>,
    _end: Sender<Infallible>,
}

/// The state of that thread.
struct Keeper {
    manager: Manager,
    /// How long all parts together may take to answer, and half of the time between two
    /// signs: with both, a quarter of the manager's time is left.
    limit: Option<Duration>,
    signs: VitalSigns,
    pulse: Pulse,
    said: String,
    missing: Option<&'static str>,
}

impl Vigil {
    /// Begins to watch for this manager; `None` if there is none, or no thread to be had,
    /// which its own time limit then tells of.
    pub(super) fn keep(
        manager: Manager,
        watchdog: Option<Duration>,
        signs: VitalSigns,
        pulse: Pulse,
    ) -> Option<Self> {
        if !manager.is_there() {
            return None;
        }
        let (begin, begun) = unbounded();
        let (end, ended) = bounded::<Infallible>(0);
        let limit = watchdog.map(|time| time / 4);
        let mut keeper =
            Keeper { manager, limit, signs, pulse, said: String::new(), missing: None };
        let keep = move || {
            if keeper.start(&begun, &ended) {
                keeper.feed(&ended);
            }
        };
        match std::thread::Builder::new().name("vigil".into()).spawn(keep) {
            Ok(_) => Some(Self { begin, _end: end }),
            Err(error) => {
                tracing::error!(%error, "there is no thread to give signs of life");
                None
            }
        }
    }

    /// The start is over: from now on signs of life are given.
    pub(super) fn begin_to_feed(&self) {
        // The other side ends only with the thread.
        let _ = self.begin.send(());
    }
}

impl Keeper {
    /// Until the start is over; false if it is to end before.
    fn start(&mut self, begun: &Receiver<()>, ended: &Receiver<Infallible>) -> bool {
        let mut seen = None;
        loop {
            let view = self.signs.handle().view();
            self.say(standing(&view));
            let now = (self.signs.beat(), view.features.len(), view.pending.len());
            if seen.replace(now) != Some(now) {
                self.manager.extend(EXTENSION);
            }
            crossbeam_channel::select! {
                recv(begun) -> begun => return begun.is_ok(),
                recv(ended) -> _ => return false,
                default(WHILE_STARTING) => {}
            }
        }
    }

    /// Gives signs of life until it is to end.
    fn feed(&mut self, ended: &Receiver<Infallible>) {
        let every = self.limit.map_or(UNWATCHED, |limit| limit * 2);
        let mut next = Instant::now();
        loop {
            match ended.recv_deadline(next) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(never) => match never {},
            }
            next = Instant::now() + every;
            self.manager.catch_up();
            let Some(limit) = self.limit else {
                self.say(standing(&self.signs.handle().view()));
                continue;
            };
            let missing = self.part_without_a_sign(limit);
            if ended.try_recv() == Err(TryRecvError::Disconnected) {
                return;
            }
            match (missing, self.missing) {
                (None, _) => {
                    self.manager.alive();
                    self.say(standing(&self.signs.handle().view()));
                }
                (Some(part), former) if former != missing => {
                    tracing::error!(part, "no sign of life; the service manager gets none either");
                    self.manager.status(&format!("{part} does not answer"));
                    self.said.clear();
                }
                (Some(_), _) => {}
            }
            self.missing = missing;
        }
    }

    /// Which part does not answer within `limit`, if one does not.
    fn part_without_a_sign(&self, limit: Duration) -> Option<&'static str> {
        if !self.signs.is_watching() {
            return Some("the watcher of files");
        }
        let began = Instant::now();
        if within(self.signs.handle().is_answered(), limit) != Some(true) {
            return Some("the loop");
        }
        let left = limit.saturating_sub(began.elapsed());
        if within(self.pulse.is_felt(), left) != Some(true) {
            return Some("a listener");
        }
        None
    }

    /// Tells the status, if it is another one.
    fn say(&mut self, status: String) {
        if status != self.said {
            self.manager.status(&status);
            self.said = status;
        }
    }
}

/// What the daemon does at this moment, in a line for people.
pub(super) fn standing(view: &View) -> String {
    let (seen, pending) = (view.features.len(), view.pending.len());
    if !view.health.ready {
        return match seen + pending {
            0 => "starting".to_owned(),
            all => format!("first scans: {seen} of {}", count(all, "feature")),
        };
    }
    if view.roots.is_empty() {
        return "nothing is registered".to_owned();
    }
    let mut projects: Vec<_> = view.features.values().map(|f| &f.project.root).collect();
    projects.sort_unstable();
    projects.dedup();
    let verb = if view.health.watch_fault.is_some() { "polling" } else { "watching" };
    let (features, projects) = (count(seen, "feature"), count(projects.len(), "project"));
    format!("{verb} {features} in {projects}")
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What a future gives within `limit`, on this thread and on no runtime: for futures that
/// other threads complete, and that need no runtime's clock or sockets.
fn within<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + limit;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_waited_for_no_longer_than_the_limit() {
        assert_eq!(within(async { 7 }, Duration::ZERO), Some(7));
        assert_eq!(within(std::future::pending::<()>(), Duration::from_millis(5)), None);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || sender.send(3));
        assert_eq!(within(receiver, Duration::from_secs(30)), Some(Ok(3)));
        other.join().expect("ends").expect("is received");
    }

    #[test]
    fn the_status_says_how_far_it_is() {
        let mut view = View::default();
        assert_eq!(standing(&view), "starting");
        let pending = |slug: &str| crate::daemon::view::PendingFeature {
            id: format!("f-{slug}"),
            slug: slug.to_owned(),
            root_id: "r".to_owned(),
            dir: slug.into(),
        };
        view.pending = vec![pending("a"), pending("b")];
        assert_eq!(standing(&view), "first scans: 0 of 2 features");
        view.pending.pop();
        assert_eq!(standing(&view), "first scans: 0 of 1 feature");
        view.pending.clear();
        view.health.ready = true;
        assert_eq!(standing(&view), "nothing is registered");
    }
}
