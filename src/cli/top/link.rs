//! The daemon, asked on a thread of its own: what follows its events says that something
//! changed, then everything that is shown is read again, all changes since at once.
//!
//! What is no event, such as how well something is watched, is read every two seconds; that
//! is also how a daemon that was away is found again. News are only what differs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::app::News;
use super::wakes::Bell;
use crate::cli::CliError;
use crate::cli::client::{Answer, ask};
use crate::cli::follow::{Following, Notice, follow};
use crate::cli::route::Route;
use crate::dossier::Timestamp;

/// How old what is shown may be when no event tells of a change.
const AGE: Duration = Duration::from_secs(2);
/// The daemon answers these reads from memory.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// A scan of a large feature on a slow disk.
const SCAN_LIMIT: Duration = Duration::from_secs(660);
/// The pause before following is tried again when trying was given up.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// The least pause between two reads, and how many times as long as a read it is.
const PAUSE: (Duration, u32) = (Duration::from_millis(30), 3);

/// What the view asks for.
enum Request {
    Look(Option<String>),
    Rescan(String),
}

pub(super) struct Link {
    requests: mpsc::UnboundedSender<Request>,
    news: Receiver<News>,
}

impl Link {
    /// Begins to ask and follow the daemon behind this socket.
    pub(super) fn start(socket: PathBuf, bell: Bell) -> Result<Self, CliError> {
        let failed = |error| CliError::io("cannot set up input and output", error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let (requests, asked) = mpsc::unbounded_channel();
        let (sender, news) = channel();
        let reporter = Reporter { sender: Some(sender), bell };
        let work = move || runtime.block_on(serve(socket, asked, reporter));
        std::thread::Builder::new().name("link".into()).spawn(work).map_err(failed)?;
        Ok(Self { requests, news })
    }

    /// What came, if anything.
    pub(super) fn news(&self) -> Result<News, TryRecvError> {
        self.news.try_recv()
    }

    /// Reads this feature too from now on, by its id.
    pub(super) fn look(&self, id: Option<String>) {
        self.ask(Request::Look(id));
    }

    /// Has this feature scanned, by its id.
    pub(super) fn rescan(&self, id: String) {
        self.ask(Request::Rescan(id));
    }

    fn ask(&self, request: Request) {
        // If the other side has gone, the end of its news says so.
        let _ = self.requests.send(request);
    }
}

/// The moment as it is shown.
pub(super) fn now() -> String {
    Timestamp::from_system(SystemTime::now()).to_string()
}

/// Tells news and rings; rings at the end, too, so that the end is seen.
#[derive(Clone)]
struct Reporter {
    sender: Option<Sender<News>>,
    bell: Bell,
}

impl Reporter {
    fn tell(&self, news: News) {
        // A view that has gone needs none.
        let _ = self.sender.as_ref().map(|sender| sender.send(news));
        self.bell.ring();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.sender = None;
        self.bell.ring();
    }
}

/// Until the view has gone.
async fn serve(socket: PathBuf, mut asked: mpsc::UnboundedReceiver<Request>, reporter: Reporter) {
    let changed = Arc::new(Notify::new());
    let follower = follow_all(&socket, &changed, &reporter);
    let mut reader =
        Reader { socket: &socket, reporter: &reporter, last: Bytes::new(), seen: None };
    let (looking, looked_at) = tokio::sync::watch::channel(None);
    let reads = async {
        loop {
            let begun = Instant::now();
            let id: Option<String> = looked_at.borrow().clone();
            reader.read(id.as_deref()).await;
            sleep(PAUSE.0.max(begun.elapsed() * PAUSE.1)).await;
            // Without a change it is time all the same.
            let _ = timeout(AGE, changed.notified()).await;
        }
    };
    let requests = async {
        while let Some(request) = asked.recv().await {
            match request {
                Request::Look(id) => {
                    looking.send_replace(id);
                    changed.notify_one();
                }
                Request::Rescan(id) => {
                    tokio::spawn(rescan(
                        socket.clone(),
                        id,
                        reporter.clone(),
                        Arc::clone(&changed),
                    ));
                }
            }
        }
    };
    tokio::select! {
        () = follower => {}
        () = reads => {}
        () = requests => {}
    }
}

/// Follows the events of all features for ever.
async fn follow_all(socket: &Path, changed: &Notify, reporter: &Reporter) {
    loop {
        let following = Following { feature: None, types: None, since: None };
        let ended = follow(socket, following, |notice| {
            match notice {
                Notice::Lost(error) => reporter.tell(News::StreamLost(error.to_string())),
                Notice::Open => reporter.tell(News::StreamBack),
                Notice::Event(..) | Notice::Back | Notice::Lagged | Notice::Gap => {}
            }
            changed.notify_one();
            Ok(true)
        });
        let reason = match ended.await {
            Ok(()) => "the stream has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        reporter.tell(News::StreamLost(reason));
        sleep(GIVEN_UP).await;
    }
}

/// Scans a feature, and tells how it is now.
async fn rescan(socket: PathBuf, id: String, reporter: Reporter, changed: Arc<Notify>) {
    let mut route = Route::post("/api/features", json!({ "reemit": false })).segment(&id);
    route.target.push_str("/rescan");
    let answer = ask(&socket, &route, SCAN_LIMIT).await.and_then(|answer| answer.parse());
    let outcome = answer.map(Box::new).map_err(|error| error.to_string());
    reporter.tell(News::Rescanned(id, outcome));
    changed.notify_one();
}

/// Reads what is shown.
struct Reader<'a> {
    socket: &'a Path,
    reporter: &'a Reporter,
    /// The list as it came last; empty when the next one has to be told whatever it says.
    last: Bytes,
    /// The feature that was read last, and what of it came.
    seen: Option<(String, Bytes, Bytes)>,
}

impl Reader<'_> {
    async fn read(&mut self, id: Option<&str>) {
        if let Err(error) = self.read_all(id).await {
            (self.last, self.seen) = (Bytes::new(), None);
            self.reporter.tell(News::Unreachable(error.to_string()));
        }
    }

    async fn read_all(&mut self, id: Option<&str>) -> Result<(), CliError> {
        let answer = self.get(Route::get("/api/features")).await?;
        if answer.body != self.last {
            self.reporter.tell(News::Features(Box::new(answer.parse()?), now()));
            self.last = answer.body;
        }
        let Some(id) = id else {
            self.seen = None;
            return Ok(());
        };
        match self.read_one(id).await {
            // It is about this feature, and says nothing of the daemon.
            Err(error) if error.code().is_some() => {
                self.seen = None;
                self.reporter.tell(News::NoDetail(id.to_owned(), error.to_string()));
                Ok(())
            }
            other => other,
        }
    }

    async fn read_one(&mut self, id: &str) -> Result<(), CliError> {
        let of = |path: &str| self.get(Route::get(path).with("feature", id));
        let overview = of("/api/dossier/overview").await?;
        let drift = of("/api/dossier/drift").await?;
        let now = (id.to_owned(), overview.body.clone(), drift.body.clone());
        if self.seen.as_ref() != Some(&now) {
            let (overview, drift) = (overview.parse()?, drift.parse()?);
            self.reporter.tell(News::Detail(Box::new(overview), Some(Box::new(drift))));
            self.seen = Some(now);
        }
        Ok(())
    }

    async fn get(&self, route: Route) -> Result<Answer, CliError> {
        ask(self.socket, &route, READ_LIMIT).await
    }
}
