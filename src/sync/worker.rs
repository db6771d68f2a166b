//! The thread of one sink: it looks, sends and waits, and does what it is asked to
//! meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use super::dead_letters::DeadLetter;
use super::desk::{Desk, Setup};
use super::retention::KeptSegments;
use super::sink::{Outcome, Sink};
use super::status::SinkStatus;
use super::webhook::Webhook;
use crate::daemon::changed_logs::ChangedLogs;
use crate::daemon::config;
use crate::daemon::handle::DaemonHandle;
use crate::dossier::Timestamp;
use crate::store::{Home, HomeError, StoreError};

/// How often everything is looked at, whatever was heard of: logs of features that are
/// gone, cursors that could not be written, secrets that were replaced.
const LOOK_EVERYWHERE: Duration = Duration::from_secs(15);
/// What CloudEvents puts around an event, at most about so much.
const CLOUD_EVENT_BYTES: usize = 512;
/// Questions that wait for a sink.
const ASKS: usize = 64;

/// The other side.
pub enum SinkConfig<'a> {
    /// A back end that takes batches over HTTP.
    Webhook(&'a config::Webhook),
    /// A broker.
    #[cfg(feature = "nats")]
    Nats(&'a config::Nats),
}

/// What a courier is started with.
pub struct CourierConfig<'a> {
    /// The other side.
    pub sink: SinkConfig<'a>,
    /// Where the logs are found.
    pub handle: DaemonHandle,
    /// Where its own files go.
    pub home: &'a Home,
    /// What it says of segments that it needs no more.
    pub kept: Option<Arc<KeptSegments>>,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// Why a courier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// What the configuration names cannot be used.
    #[error("sync.{sink} cannot be used: {reason}")]
    Sink {
        /// `webhook` or `nats`.
        sink: &'static str,
        /// What to change.
        reason: String,
    },
    /// Its directory cannot be made.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its files cannot be read.
    #[error("the state of delivery cannot be read")]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("the thread of delivery cannot be started")]
    Thread(#[source] std::io::Error),
}

/// What a flush has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Everything is sent, an attempt has failed, or the sink is paused.
    Tried,
    /// The first scans have not ended: what there is to send is not known, and nothing is sent.
    Starting,
}

/// What a courier can be asked.
enum Ask {
    Look(oneshot::Sender<()>),
    Pause(oneshot::Sender<Result<(), StoreError>>),
    Resume(oneshot::Sender<Result<(), StoreError>>),
    Flush(oneshot::Sender<Flushed>),
    DeadLetters {
        limit: usize,
        after: Option<String>,
        reply: oneshot::Sender<Result<Vec<DeadLetter>, StoreError>>,
    },
    Retry {
        ids: Option<Vec<String>>,
        reply: oneshot::Sender<Result<usize, Vec<String>>>,
    },
}

/// A sink at work. Dropping it stops it.
pub struct Courier {
    asks: mpsc::Sender<Ask>,
    status: Arc<ArcSwap<SinkStatus>>,
    running: Mutex<Option<Running>>,
    /// Closed when the thread has ended, however it did.
    end: watch::Receiver<()>,
}

/// Closing `stop` ends the thread.
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Courier {
    /// Starts the thread.
    pub fn start(config: CourierConfig<'_>) -> Result<Self, CourierError> {
        let CourierConfig { sink, handle, home, kept, clock } = config;
        let refused = |sink: &'static str| move |reason| CourierError::Sink { sink, reason };
        let (name, target, batch_size, overhead, sink) = match sink {
            SinkConfig::Webhook(config) => {
                let sink = Webhook::new(config, clock).map_err(refused("webhook"))?;
                let sink = Sink::Webhook(Box::new(sink));
                let overhead = match config.format {
                    config::Format::Native => 1,
                    config::Format::CloudEvents => CLOUD_EVENT_BYTES,
                };
                ("webhook", config.url.origin(), config.batch_size.get(), overhead, sink)
            }
            #[cfg(feature = "nats")]
            SinkConfig::Nats(config) => {
                let sink = super::nats::NatsSink::new(config).map_err(refused("nats"))?;
                let sink = Sink::Nats(Box::new(sink));
                ("nats", config.url.as_text(), config.batch_size.get(), 0, sink)
            }
        };
        let changed = handle.feed().changed_logs();
        let dir = home.sink_dir(name)?;
        let home = home.clone();
        let setup = Setup { name, target, dir, batch_size, overhead, handle, home, kept, clock };
        let desk = Desk::open(setup)?;
        let status = desk.status();
        let (asks, received) = mpsc::channel(ASKS);
        let (stop, stopped) = oneshot::channel();
        let (ended, end) = watch::channel(());
        let flushes = Vec::new();
        let worker = Worker { sink, desk, asks: received, stopped, changed, flushes };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CourierError::Thread)?;
        let thread = std::thread::Builder::new()
            .name(format!("sync-{name}"))
            .spawn(move || {
                let ended = ended;
                runtime.block_on(worker.run());
                // A name that is being looked up would be waited for.
                runtime.shutdown_background();
                drop(ended);
            })
            .map_err(CourierError::Thread)?;
        Ok(Self { asks, status, running: Mutex::new(Some(Running { stop, thread })), end })
    }

    /// How it stands.
    pub fn status(&self) -> Arc<SinkStatus> {
        self.status.load_full()
    }

    /// Looks at all logs, now that the first scans have ended: before, nothing is sent.
    pub async fn look(&self) -> Option<()> {
        self.ask(Ask::Look).await
    }

    /// Stops sending until [`Self::resume`], also over restarts. `None`: the sink has ended.
    pub async fn pause(&self) -> Option<Result<(), StoreError>> {
        self.ask(Ask::Pause).await
    }

    /// Goes on, at once.
    pub async fn resume(&self) -> Option<Result<(), StoreError>> {
        self.ask(Ask::Resume).await
    }

    /// Sends at once, whatever wait is on; returns when everything is sent, an attempt has
    /// failed, or the sink is paused; at once while the first scans run.
    pub async fn flush(&self) -> Option<Flushed> {
        self.ask(Ask::Flush).await
    }

    /// The first `limit` dead letters behind this one, or of all, oldest first.
    pub async fn dead_letters(
        &self,
        limit: usize,
        after: Option<String>,
    ) -> Option<Result<Vec<DeadLetter>, StoreError>> {
        self.ask(|reply| Ask::DeadLetters { limit, after, reply }).await
    }

    /// Has dead letters sent again, those with these ids or all, and says how many. The
    /// error has the ids that are none.
    pub async fn retry(&self, ids: Option<Vec<String>>) -> Option<Result<usize, Vec<String>>> {
        self.ask(|reply| Ask::Retry { ids, reply }).await
    }

    /// Completes when the thread has ended, which it does by itself only after a panic.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut end = self.end.clone();
        async move {
            // Nothing is ever sent: the end is what it says.
            while end.changed().await.is_ok() {}
        }
    }

    /// Stops it. What is under way is given up and stays pending.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { stop, thread }) = running {
            drop(stop);
            // Its files are whole at each moment, so there is nothing to do about a panic.
            let _ = thread.join();
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.ok()?;
        answer.await.ok()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What an ask does to what is under way.
#[derive(PartialEq, Eq)]
enum Flow {
    GoOn,
    /// The batch under way is given up; it stays pending.
    GiveUp,
    Stop,
}

struct Worker {
    sink: Sink,
    desk: Desk,
    asks: mpsc::Receiver<Ask>,
    stopped: oneshot::Receiver<()>,
    changed: Arc<ChangedLogs>,
    /// Those who wait for a flush.
    flushes: Vec<oneshot::Sender<Flushed>>,
}

impl Worker {
    async fn run(mut self) {
        let mut look = Instant::now() + LOOK_EVERYWHERE;
        loop {
            self.desk.publish(false);
            self.answer_flushes(false);
            let next = self.desk.next_attempt();
            tokio::select! {
                biased;
                _ = &mut self.stopped => return,
                Some(ask) = self.asks.recv() => {
                    take(&mut self.desk, &mut self.flushes, ask);
                }
                features = self.changed.take() => self.desk.look_at(&features),
                () = sleep_until(Some(look)) => {
                    if self.desk.is_refused() && self.sink.has_new_secret() {
                        self.desk.secret_changed();
                    }
                    self.desk.look_everywhere();
                    look = Instant::now() + LOOK_EVERYWHERE;
                }
                () = sleep_until(next) => {
                    if self.attempt().await == Flow::Stop {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what is next, and goes on answering meanwhile.
    async fn attempt(&mut self) -> Flow {
        let Self { sink, desk, asks, stopped, flushes, .. } = self;
        let Some(next) = desk.next() else {
            desk.publish(false);
            self.answer_flushes(true);
            return Flow::GoOn;
        };
        desk.publish(true);
        let failures = desk.failures();
        let outcome = {
            let mut sending = std::pin::pin!(sink.send(next.batch()));
            loop {
                tokio::select! {
                    outcome = &mut sending => break Some(outcome),
                    _ = &mut *stopped => return Flow::Stop,
                    Some(ask) = asks.recv() => if take(desk, flushes, ask) == Flow::GiveUp {
                        break None;
                    },
                }
            }
        };
        if let Some(outcome) = outcome {
            let is_final = matches!(outcome, Outcome::Unauthorised(_) | Outcome::Failed { .. });
            desk.settle(&next, outcome);
            desk.publish(false);
            let has_failed = is_final || desk.failures() > failures;
            self.answer_flushes(has_failed);
        }
        Flow::GoOn
    }

    /// Tells those who wait for a flush that there is nothing left, or nothing more to hope
    /// for.
    fn answer_flushes(&mut self, has_failed: bool) {
        if has_failed || self.desk.is_done() {
            for reply in self.flushes.drain(..) {
                // Who asked may have gone.
                let _ = reply.send(Flushed::Tried);
            }
        }
    }
}

/// Does what is asked. Nobody who asked need still be there for the answer.
fn take(desk: &mut Desk, flushes: &mut Vec<oneshot::Sender<Flushed>>, ask: Ask) -> Flow {
    match ask {
        Ask::Look(reply) => {
            desk.look_everywhere();
            let _ = reply.send(());
        }
        Ask::Pause(reply) => {
            let done = desk.pause_as_asked();
            let flow = if done.is_ok() { Flow::GiveUp } else { Flow::GoOn };
            desk.publish(false);
            let _ = reply.send(done);
            return flow;
        }
        Ask::Resume(reply) => {
            let done = desk.resume();
            desk.publish(false);
            let _ = reply.send(done);
        }
        Ask::Flush(reply) => {
            desk.look_everywhere();
            if desk.is_starting() {
                // Who asked may have gone.
                let _ = reply.send(Flushed::Starting);
            } else {
                desk.hurry();
                flushes.push(reply);
            }
        }
        Ask::DeadLetters { limit, after, reply } => {
            drop(reply.send(desk.dead_letters(limit, after.as_deref())));
        }
        Ask::Retry { ids, reply } => drop(reply.send(desk.retry(ids))),
    }
    Flow::GoOn
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
