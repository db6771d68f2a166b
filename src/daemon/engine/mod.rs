//! The loop: one thread owns all mutable state. Everything that can wake it is an
//! [`Event`], a command, or the bell of the dirty set; slow work goes to workers and comes
//! back as an event.
//!
//! Each turn takes what has come, routes it, dispatches the jobs that are due, publishes a
//! view if anything changed, and sleeps until the next thing is due. With nothing to do it
//! wakes every two seconds to see whether roots are still where they were.

mod commands;
mod jobs;
mod leaving;
mod marks;
mod roots;
mod seats;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, select};

use super::command::{Command, CommandError};
use super::feature::Feature;
use super::fresh::Waiters;
use super::job::{Job, JobEnvironment, JobResult, Whereabouts};
use super::journal::Orders;
use super::order::{Order, Report};
use super::publish;
use super::root::Root;
use super::view::{Health, View, WatchState};
use super::waiting::{Waiting, answer, refuse};
use crate::daemon::caveat::Caveat;
use crate::store::{Registry, RegistryFile};
use crate::watch::{Cookies, DirtySet, RescanBackoff, SlowEvent, SlowLane, WatchBackend};

/// How often roots are compared with what they were.
const TICK: Duration = Duration::from_secs(2);

/// How long the loop lets marks gather after the first one. The two halves of a rename or a
/// swap come one after the other from the same read; looking in between would see, and
/// log, a state that nobody made.
const GATHER: Duration = Duration::from_micros(400);

/// Time between full scans that look for what no event told, give or take a quarter.
const SAFETY: Duration = Duration::from_secs(3600);

/// Everything that wakes the loop besides commands and the dirty set.
pub(super) enum Event {
    /// A worker is done.
    Job(Box<JobResult>),
    /// A worker panicked, and its job is lost: the daemon ends.
    Panicked(String),
    /// Another thread panicked: the daemon ends.
    Ended(&'static str),
    /// The journal has something to say.
    Journal(Report),
    /// Configuration or missions may have changed.
    Slow(SlowEvent),
    /// End.
    Stop,
}

/// How the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to.
    Stopped,
    /// Something that cannot happen did.
    Failed(String),
}

/// What the loop is given.
pub(super) struct Parts {
    pub environment: Arc<JobEnvironment>,
    pub backend: Arc<dyn WatchBackend>,
    /// Why there is no watcher, if so.
    pub watch_fault: Option<String>,
    pub dirty: Arc<DirtySet>,
    pub cookies: Option<Cookies>,
    pub slow: Option<SlowLane>,
    pub config_file: PathBuf,
    pub jobs: Sender<Job>,
    pub workers: usize,
    /// How many threads one job may use.
    pub cores: usize,
    /// Starts another worker.
    pub add_worker: Box<dyn FnMut() -> std::io::Result<()> + Send>,
    /// What has not been looked at for so long is told as waiting, and a job that runs for so
    /// long does not keep others waiting.
    pub patience: Duration,
    /// How long a vanished directory keeps its rows.
    pub grace: Duration,
    /// How many roots may be registered.
    pub max_roots: usize,
    pub journal: Orders,
    pub registry: RegistryFile,
    pub views: Arc<ArcSwap<View>>,
    pub events: Receiver<Event>,
    pub commands: Receiver<Command>,
    pub warnings: Vec<Caveat>,
    /// Called when all first scans have ended.
    pub on_ready: Box<dyn FnOnce() + Send>,
    /// Reads the daemon's configuration again; gives what is wrong with it.
    pub reload_config: Box<dyn Fn() -> Vec<Caveat> + Send>,
}

/// A registration whose first scans are under way.
struct Registration {
    root: String,
    already: bool,
    pending: usize,
    reply: super::command::Reply<super::command::Registered>,
}

/// A feature that was dropped.
struct Draining {
    at: Whereabouts,
    /// Since when is a worker at it?
    runs_since: Option<Instant>,
}

/// The loop's state.
pub(super) struct Engine {
    parts: Parts,
    on_ready: Option<Box<dyn FnOnce() + Send>>,
    roots: Vec<Root>,
    features: BTreeMap<String, Feature>,
    by_dir: HashMap<PathBuf, String>,
    /// Features that were dropped and whose log is not closed yet.
    draining: BTreeMap<String, Draining>,
    /// Roots to be visited once all marks are routed, by index.
    visits: BTreeSet<usize>,
    /// Events were lost: no fresh read may be answered before all roots are visited.
    owes_visits: bool,
    health: Health,
    waiters: Waiters,
    registrations: BTreeMap<u64, Registration>,
    tickets: BTreeMap<u64, (String, Vec<Waiting>)>,
    next_number: u64,
    backoff: RescanBackoff,
    in_flight: usize,
    generation: u64,
    publish: bool,
    next_tick: Instant,
    base_warnings: Vec<Caveat>,
    ending: Option<Ending>,
}

impl Engine {
    /// A loop that serves what the registry says.
    pub(super) fn new(mut parts: Parts, registry: Registry) -> Self {
        let on_ready = std::mem::replace(&mut parts.on_ready, Box::new(|| {}));
        let health = Health {
            watch_backend: parts.backend.name(),
            watch_fault: parts.watch_fault.clone(),
            ..Health::default()
        };
        let base_warnings = std::mem::take(&mut parts.warnings);
        let now = Instant::now();
        let mut engine = Self {
            parts,
            on_ready: Some(on_ready),
            roots: Vec::new(),
            features: BTreeMap::new(),
            by_dir: HashMap::new(),
            draining: BTreeMap::new(),
            visits: BTreeSet::new(),
            owes_visits: false,
            health,
            waiters: Waiters::default(),
            registrations: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_number: 1,
            backoff: RescanBackoff::default(),
            in_flight: 0,
            generation: 0,
            publish: true,
            next_tick: now + TICK,
            base_warnings,
            ending: None,
        };
        engine.health.warnings = engine.base_warnings.clone();
        for registered in registry.roots {
            engine.roots.push(Root::new(registered));
        }
        // All are known before the first is visited: they decide whose a log is.
        for index in 0..engine.roots.len() {
            engine.visit_root(index, now);
        }
        engine.retarget_slow_lane();
        engine
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) -> Ending {
        let bell = self.parts.dirty.bell();
        let (events, commands) = (self.parts.events.clone(), self.parts.commands.clone());
        while self.ending.is_none() {
            self.settle();
            let wait = self.next_due().saturating_duration_since(Instant::now());
            select! {
                recv(bell) -> _ => {
                    std::thread::sleep(GATHER);
                    self.take_marks();
                }
                recv(events) -> event => match event {
                    Ok(event) => self.take_event(event),
                    Err(_) => self.ending = Some(Ending::Failed("the workers are gone".into())),
                },
                recv(commands) -> command => match command {
                    Ok(command) => self.take_command(command),
                    Err(_) => self.ending = Some(Ending::Stopped),
                },
                default(wait) => {}
            }
        }
        self.shut_down();
        self.ending.unwrap_or(Ending::Stopped)
    }

    /// Does everything that is due, and publishes if anything changed.
    fn settle(&mut self) {
        let now = Instant::now();
        if self.next_tick <= now {
            self.tick(now);
        }
        self.give_up_cookies(now);
        self.begin_rescan(now);
        self.dispatch(now);
        self.publish();
        self.answer_fresh();
        self.announce_ready();
    }

    /// When the loop has to wake by itself.
    fn next_due(&self) -> Instant {
        let now = Instant::now();
        // With a worker free, everything is due at its time; with none, jobs end first.
        let features = self.features.values().filter_map(Feature::next_due);
        let free = self.in_flight < self.parts.workers;
        let times = [
            (!self.roots.is_empty()).then_some(self.next_tick),
            self.waiters.next_give_up(),
            self.backoff.due(now),
            free.then(|| features.min()).flatten(),
        ];
        times.into_iter().flatten().min().unwrap_or(now + SAFETY)
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Job(result) => self.job_done(*result),
            Event::Panicked(message) => {
                tracing::error!(%message, "a worker panicked");
                self.in_flight = self.in_flight.saturating_sub(1);
                self.fail(format!("a worker panicked: {message}"));
            }
            Event::Ended(thread) => self.fail(format!("{thread} panicked")),
            Event::Journal(report) => self.journal_says(report),
            Event::Slow(SlowEvent::Config) => {
                let mut warnings = self.base_warnings.clone();
                warnings.extend((self.parts.reload_config)());
                self.health.warnings = warnings;
                self.publish = true;
            }
            Event::Slow(SlowEvent::Panicked) => {
                self.fail("the thread that watches configuration panicked".to_owned());
            }
            Event::Slow(SlowEvent::Project(root)) => {
                let own = self.features.values_mut().filter(|f| f.at.project_root == root);
                own.for_each(Feature::touch_context);
            }
            Event::Stop => self.ending = Some(Ending::Stopped),
        }
    }

    /// Ends because of something that cannot happen; the first reason is the one to tell.
    fn fail(&mut self, why: String) {
        self.ending.get_or_insert(Ending::Failed(why));
    }

    /// Publishes a new view, if anything changed.
    fn publish(&mut self) {
        if !std::mem::take(&mut self.publish) {
            return;
        }
        self.generation += 1;
        let features = self.features.values().filter(|feature| feature.is_listed());
        let view = publish::view(&self.roots, features, self.health.clone(), self.generation);
        self.parts.views.store(Arc::new(view));
    }

    /// Answers fresh reads whose changes are in the view by now. Only after publishing.
    fn answer_fresh(&mut self) {
        let features = &self.features;
        let done = |id: &str, job: u64| features.get(id).is_none_or(|f| f.has_done(job));
        for waiter in self.waiters.satisfied(done) {
            answer(waiter.reply, Ok(()));
        }
    }

    /// Says once that all first scans have ended.
    fn announce_ready(&mut self) {
        let all_seen = self.features.values().all(|f| f.view.is_some() || f.detached.is_some());
        if !self.health.ready && all_seen {
            self.health.ready = true;
            self.publish = true;
            self.publish();
            if let Some(on_ready) = self.on_ready.take() {
                on_ready();
            }
        }
    }

    /// A number that no ticket or registration has.
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// The time of a feature's next safety scan: an hour, give or take a quarter, so that
    /// features do not come all at once.
    fn next_safety(&self, id: &str, now: Instant) -> Instant {
        let spread = crate::dossier::Digest::sha256(format!("{id}{}", self.next_number)).0[0];
        now + SAFETY.mul_f64(0.75 + f64::from(spread) / 255.0 * 0.5)
    }

    /// Ends: cancels scans, takes back what workers have, writes caches, stops the journal.
    fn shut_down(&mut self) {
        self.features.values().for_each(Feature::cancel);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.in_flight > 0 {
            match self.parts.events.recv_deadline(deadline) {
                Ok(Event::Job(result)) => self.job_done(*result),
                Ok(Event::Journal(report)) => self.journal_says(report),
                Ok(Event::Panicked(_)) => self.in_flight = self.in_flight.saturating_sub(1),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        for (_, (_, waiting)) in std::mem::take(&mut self.tickets) {
            refuse(waiting, &CommandError::Stopping);
        }
        for feature in self.features.values_mut() {
            if let Some(work) = feature.work.as_mut() {
                super::load::save_cache(work, &feature.at, &self.parts.environment);
            }
        }
        let _ = self.parts.journal.send(Order::Stop);
    }

    /// Publishes a feature in another watch state.
    fn set_watch(&mut self, id: &str, watch: WatchState) {
        let Some(feature) = self.features.get_mut(id) else { return };
        if feature.watch == watch {
            return;
        }
        feature.watch = watch.clone();
        if let Some(view) = &feature.view {
            feature.view = Some(Arc::new(publish::with_watch(view, watch)));
        }
        self.publish = true;
    }
}
