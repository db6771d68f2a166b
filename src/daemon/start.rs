//! Starting and stopping: directories, locks, clock, watcher, registry, first scans.
//!
//! The order matters: the locks come first, so that nothing is touched that another daemon
//! uses; watches come before scans; the listeners come last and are not started here.

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::config::{ConfigError, ConfigSource, Limits, Standing};
use super::engine::{Ending, Engine, Event, Parts};
use super::feed::Feed;
use super::handle::DaemonHandle;
use super::identities::project_loader;
use super::job::JobEnvironment;
use super::journal::Journal;
use super::sequence::EventIds;
use super::watching::{self, BackendFactory, Watching};
use super::workers;
use crate::daemon::caveat::{Caveat, CaveatKind};
use crate::store::{
    Home, HomeError, InstanceLock, LamportClock, LockError, Registry, RegistryFile, StoreError,
};
use crate::watch::{BackendChoice, DirtySet, SlowEvent, SlowLane, WatchBackend};

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory of ours is missing or not safe.
    #[error("the daemon's directories cannot be used")]
    Home(#[from] HomeError),
    /// Another daemon runs, or the lock cannot be taken.
    #[error("{}", match .0 {
        LockError::Held { .. } => "another dossierd is running already",
        LockError::Linked { .. } | LockError::Io { .. } => "the daemon's lock cannot be taken",
    })]
    Locked(#[source] LockError),
    /// A file of ours cannot be read or written.
    #[error("the daemon's files cannot be used")]
    Store(#[from] StoreError),
    /// The configuration file makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gives no thread.
    #[error("a thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// How long workers may take to end once there is nothing to do. The loop has waited for
/// their jobs before.
const LAST_JOB: Duration = Duration::from_secs(1);

/// What a host can choose. Tests choose to lose events, and to see soon what is rare.
pub struct Setup {
    /// The source of events; the system's by default.
    pub backend: BackendFactory,
    /// A segment of an event log is closed at this size, in bytes.
    pub segment_bytes: u64,
    /// How long a vanished directory keeps its rows: a disk may come back.
    pub grace: Duration,
    /// How long changes may wait, because of large files or a slow disk, before it is told and
    /// others are let past.
    pub patience: Duration,
    /// What projects may take.
    pub limits: Limits,
    /// The configuration that is in force; that of the configuration file unless told.
    pub standing: Option<Arc<Standing>>,
}

impl Setup {
    /// What the configuration names, and the defaults.
    pub fn of(standing: Arc<Standing>) -> Self {
        let config = standing.loaded();
        Self {
            backend: watching::factory(config.watch.backend),
            limits: config.limits,
            standing: Some(standing),
            ..Self::default()
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            backend: watching::factory(BackendChoice::default()),
            segment_bytes: 16 * 1024 * 1024,
            grace: Duration::from_secs(30),
            patience: Duration::from_secs(5),
            limits: Limits::default(),
            standing: None,
        }
    }
}

/// A daemon without listeners: it watches, scans, publishes and logs.
pub struct Daemon {
    handle: DaemonHandle,
    events: Sender<Event>,
    ready: Receiver<()>,
    ended: Receiver<Infallible>,
    engine: JoinHandle<Ending>,
    workers: Vec<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
    warnings: Vec<Caveat>,
    beat: Arc<AtomicU64>,
    backend: Weak<dyn WatchBackend>,
    // Held until everything has ended; released in this order, the inner lock first.
    _state_lock: InstanceLock,
    _runtime_lock: InstanceLock,
}

impl Daemon {
    /// Starts everything but the listeners.
    pub fn start(home: &Home, config_file: &Path) -> Result<Self, StartError> {
        Self::start_with(home, config_file, Setup::default())
    }

    /// The same, as the host has chosen: for tests, and for hosts with another watcher.
    pub fn start_with(home: &Home, config_file: &Path, setup: Setup) -> Result<Self, StartError> {
        let files = Files::open(home)?;
        let standing = match setup.standing {
            Some(standing) => standing,
            None => standing_of(config_file)?,
        };
        let dirty = Arc::new(DirtySet::new());
        let mut warnings = Vec::new();
        let watching = Watching::start(home, &dirty, setup.backend, &mut warnings);
        let (event_sender, events) = unbounded();
        let (command_sender, commands) = unbounded();
        let (job_sender, jobs) = unbounded();
        let (order_sender, orders) = unbounded();
        let beat = Arc::new(AtomicU64::new(0));
        let environment = Arc::new(JobEnvironment {
            home: home.clone(),
            watcher: watching.backend.clone(),
            project: project_loader(home),
            beat: Arc::clone(&beat),
            segment_bytes: setup.segment_bytes,
            limits: setup.limits.of_index(),
        });
        let feed = Arc::new(Feed::default());
        let views = Arc::new(ArcSwap::default());

        let count = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        let workers = workers::start(count, &jobs, &event_sender, &environment)?;
        let add_worker = workers::more(count, jobs, event_sender.clone(), Arc::clone(&environment));
        let mut threads = Vec::new();
        let reports = TellsOfPanic { thread: "the journal", events: event_sender.clone() };
        threads.push(Journal::start(
            files.clock,
            EventIds::default(),
            Arc::clone(&feed),
            orders,
            move |report| {
                let _ = reports.events.send(Event::Journal(report));
            },
        )?);
        let (slow, slow_thread) = slow_lane(&event_sender, &mut warnings)?;
        threads.extend(slow_thread);

        let backend = Arc::downgrade(&watching.backend);
        let (ready_sender, ready) = bounded(1);
        let parts = Parts {
            environment,
            backend: watching.backend,
            watch_fault: watching.fault,
            dirty,
            cookies: watching.cookies,
            slow,
            config_file: config_file.to_path_buf(),
            jobs: job_sender,
            workers: count,
            cores: count,
            add_worker,
            patience: setup.patience,
            grace: setup.grace,
            max_roots: setup.limits.roots.count(),
            journal: order_sender,
            registry: files.registry_file,
            views: Arc::clone(&views),
            events,
            commands,
            warnings: warnings.clone(),
            on_ready: Box::new(move || {
                let _ = ready_sender.send(());
            }),
            reload_config: Box::new(move || standing.warnings()),
        };
        #[cfg(target_os = "linux")]
        let (engine, ended) = spawn_loop(parts, files.registry, watching.mounts)?;
        #[cfg(not(target_os = "linux"))]
        let (engine, ended) = spawn_loop(parts, files.registry, ())?;
        Ok(Self {
            handle: DaemonHandle::new(views, command_sender, feed),
            events: event_sender,
            ready,
            ended,
            engine,
            workers,
            threads,
            warnings,
            beat,
            backend,
            _state_lock: files.state_lock,
            _runtime_lock: files.runtime_lock,
        })
    }

    /// The way to the loop.
    pub fn handle(&self) -> &DaemonHandle {
        &self.handle
    }

    /// What the daemon has to live with.
    pub fn warnings(&self) -> &[Caveat] {
        &self.warnings
    }

    /// What says whether this daemon is at work, and keeps nothing of it.
    pub fn vital_signs(&self) -> VitalSigns {
        VitalSigns {
            handle: self.handle.clone(),
            beat: Arc::clone(&self.beat),
            backend: Weak::clone(&self.backend),
        }
    }

    /// Has the loop tell again what is to be said of the configuration.
    pub fn configuration_changed(&self) {
        // A loop that has ended tells nothing any more.
        let _ = self.events.send(Event::Slow(SlowEvent::Config));
    }

    /// Receives once, when all first scans have ended.
    pub fn ready(&self) -> &Receiver<()> {
        &self.ready
    }

    /// Is disconnected when the loop has ended; without being asked to only if it failed.
    pub fn ended(&self) -> &Receiver<Infallible> {
        &self.ended
    }

    /// Asks the loop to end.
    pub fn ask_to_stop(&self) {
        let _ = self.events.send(Event::Stop);
    }

    /// Stops and waits until everything is written. A worker that does not come back from
    /// the disk is left to the end of the process.
    pub fn stop(self) -> Ending {
        self.ask_to_stop();
        let ending = self.engine.join();
        drop((self.handle, self.events));
        for thread in self.threads {
            // A panic has been reported already.
            let _ = thread.join();
        }
        let deadline = Instant::now() + LAST_JOB;
        for worker in self.workers {
            while !worker.is_finished() && Instant::now() < deadline {
                // Unlike a sleep, this ends even while signals pour in.
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        ending.unwrap_or_else(|_| Ending::Failed("the loop panicked".into()))
    }
}

/// What a supervisor looks at. Taking it costs nothing, and nothing here waits.
#[derive(Clone)]
pub struct VitalSigns {
    handle: DaemonHandle,
    beat: Arc<AtomicU64>,
    backend: Weak<dyn WatchBackend>,
}

impl VitalSigns {
    /// The way to the loop.
    pub fn handle(&self) -> &DaemonHandle {
        &self.handle
    }

    /// Grows as long as first scans go on: with each directory, file, and piece of a large file.
    pub fn beat(&self) -> u64 {
        self.beat.load(Ordering::Relaxed)
    }

    /// Does what tells of changes still do so? True as well where nothing ever did.
    pub fn is_watching(&self) -> bool {
        self.backend.upgrade().is_some_and(|backend| backend.is_alive())
    }
}

/// Belongs to a thread, and tells the loop should that panic: nobody else would notice.
struct TellsOfPanic {
    thread: &'static str,
    events: Sender<Event>,
}

impl Drop for TellsOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.events.send(Event::Ended(self.thread));
        }
    }
}

/// The files that the daemon starts from, behind its locks.
struct Files {
    runtime_lock: InstanceLock,
    state_lock: InstanceLock,
    registry_file: RegistryFile,
    registry: Registry,
    clock: LamportClock,
}

impl Files {
    fn open(home: &Home) -> Result<Self, StartError> {
        home.prepare()?;
        let lock = |file: &Path| InstanceLock::try_acquire(file).map_err(StartError::Locked);
        let (runtime_lock, state_lock) = (lock(&home.lock_file())?, lock(&home.state_lock_file())?);
        let registry_file = RegistryFile::new(home.registry_file());
        let registry = registry_file.load()?;
        let (clock, _) = LamportClock::open(&home.clock_file())?;
        Ok(Self { runtime_lock, state_lock, registry_file, registry, clock })
    }
}

/// The thread of the loop, which keeps what has to live as long, and what closes when it ends.
fn spawn_loop(
    parts: Parts,
    registry: Registry,
    kept: impl Send + 'static,
) -> std::io::Result<(JoinHandle<Ending>, Receiver<Infallible>)> {
    let (end_sender, ended) = bounded::<Infallible>(0);
    let engine = std::thread::Builder::new().name("loop".into()).spawn(move || {
        // Dropped at the end, however it comes: that is what tells everybody.
        let _ended = end_sender;
        let _kept = kept;
        Engine::new(parts, registry).run()
    })?;
    Ok((engine, ended))
}

/// The slow lane, and the thread that carries its events to the loop.
fn slow_lane(
    events: &Sender<Event>,
    warnings: &mut Vec<Caveat>,
) -> std::io::Result<(Option<SlowLane>, Option<JoinHandle<()>>)> {
    let (sender, receiver) = unbounded();
    match SlowLane::new(sender) {
        Ok(slow) => {
            let events = events.clone();
            let carry = move || {
                for event in receiver {
                    if events.send(Event::Slow(event)).is_err() {
                        return;
                    }
                }
            };
            let thread = std::thread::Builder::new().name("slow-lane".into()).spawn(carry)?;
            Ok((Some(slow), Some(thread)))
        }
        Err(error) => {
            let text = format!("changes of configuration are seen at the next scan: {error}");
            warnings.push(Caveat::new(CaveatKind::Watching, text));
            Ok((None, None))
        }
    }
}

/// The configuration that a file has, for a host that has read none.
fn standing_of(file: &Path) -> Result<Arc<Standing>, ConfigError> {
    let source = ConfigSource::of_file(file);
    let started = source.load()?;
    Ok(Arc::new(Standing::new(source, &started)))
}
