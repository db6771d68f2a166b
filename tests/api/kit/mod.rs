//! A world to ask: features made by the real core, and fakes of loop, disk and log.

mod fakes;
pub(crate) mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use dossierd::api::delivery::Delivery;
use dossierd::api::http::{Body, Peer, Request, Response, Service};
use dossierd::api::ports::{ArtifactText, EventLogs};
use dossierd::api::token::Token;
use dossierd::api::{Api, ApiConfig, MAX_SESSIONS, MAX_TEXT_BYTES};
use dossierd::daemon::caveat::{Caveat, CaveatKind};
use dossierd::daemon::command::{Command, CommandError, Registered};
use dossierd::daemon::feed::{Feed, LoggedEvent};
use dossierd::daemon::handle::DaemonHandle;
use dossierd::daemon::view::{FeatureView, Health, RootView, View, WatchState};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

use self::fakes::NoSessions;
pub(crate) use self::fakes::{FakeLogs, FakeText, event};
pub(crate) use self::plan::{Plan, time};
use super::fake_delivery::FakeDelivery;

/// All absolute paths of the world begin so.
pub(crate) const SECRET_PLACE: &str = "/home/ann secret";

/// What the fake loop does with the next commands of a name, instead of agreeing.
type Refusals = Arc<Mutex<BTreeMap<&'static str, CommandError>>>;

pub(crate) struct World {
    pub(crate) api: Arc<Api>,
    pub(crate) token: Token,
    pub(crate) views: Arc<ArcSwap<View>>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) logs: Arc<FakeLogs>,
    pub(crate) text: Arc<FakeText>,
    pub(crate) delivery: Arc<FakeDelivery>,
    pub(crate) refusals: Refusals,
    /// What a fresh read finds: published before the loop answers.
    pub(crate) upcoming: Arc<Mutex<Option<View>>>,
    /// Commands that arrived, as text.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

/// A view of these features below one project root.
pub(crate) fn view(features: impl IntoIterator<Item = Arc<FeatureView>>) -> View {
    let features: BTreeMap<_, _> = features.into_iter().map(|f| (f.id.clone(), f)).collect();
    let root = RootView {
        id: "root-p".into(),
        kind: "project",
        path: PathBuf::from(SECRET_PLACE).join("p"),
        watch: WatchState::Polling { reason: format!("cannot watch {SECRET_PLACE}/p") },
        added_at: "2026-01-01T00:00:00.000000Z".into(),
        features: features.len(),
    };
    let own = RootView {
        id: "root-f".into(),
        kind: "feature",
        path: PathBuf::from(SECRET_PLACE).join("f"),
        ..root.clone()
    };
    let health = Health {
        ready: true,
        watch_backend: "inotify",
        warnings: vec![Caveat {
            kind: CaveatKind::ConfigRefused,
            text: format!("{SECRET_PLACE}/config.yaml has no version"),
            file: Some(format!("{SECRET_PLACE}/config.yaml").into()),
        }],
        ..Health::default()
    };
    let roots = vec![Arc::new(root), Arc::new(own)];
    View { roots, features, pending: Vec::new(), health, generation: 1 }
}

impl World {
    pub(crate) fn new(features: impl IntoIterator<Item = Arc<FeatureView>>) -> Self {
        Self::with_heartbeat(features, Duration::from_secs(3600))
    }

    pub(crate) fn with_heartbeat(
        features: impl IntoIterator<Item = Arc<FeatureView>>,
        heartbeat: Duration,
    ) -> Self {
        let views = Arc::new(ArcSwap::from_pointee(view(features)));
        let (commands, inbox) = crossbeam_channel::unbounded();
        let feed = Arc::new(Feed::default());
        let token = Token::generate().expect("random");
        let (text, logs) = (Arc::new(FakeText::default()), Arc::new(FakeLogs::default()));
        let delivery = Arc::new(FakeDelivery::default());
        let api = Api::new(ApiConfig {
            handle: DaemonHandle::new(Arc::clone(&views), commands, Arc::clone(&feed)),
            token: token.clone(),
            tcp_auth_none: false,
            socket: Some(PathBuf::from(SECRET_PLACE).join("api.sock")),
            version: "0.0.0-test",
            started_at: time(1),
            text: Arc::clone(&text) as Arc<dyn ArtifactText>,
            logs: Arc::clone(&logs) as Arc<dyn EventLogs>,
            delivery: Arc::clone(&delivery) as Arc<dyn Delivery>,
            sessions: Arc::new(NoSessions),
            max_sessions: MAX_SESSIONS,
            text_bytes: MAX_TEXT_BYTES,
            clock: Arc::new(|| time(1000)),
            heartbeat,
            places: vec![(PathBuf::from(SECRET_PLACE), "~")],
        });
        let world = Self {
            api: Arc::new(api),
            token,
            views,
            feed,
            logs,
            text,
            delivery,
            refusals: Refusals::default(),
            upcoming: Arc::default(),
            asked: Arc::default(),
        };
        world.start_loop(inbox);
        world
    }

    /// A world with one feature, `001-alpha`, and its files on the fake disk.
    pub(crate) fn simple() -> Self {
        let world = Self::new([Plan::new("f1", "001-alpha").view()]);
        world.text.put("spec.md", Ok(b"# Spec\n".to_vec()));
        world
    }

    fn start_loop(&self, inbox: crossbeam_channel::Receiver<Command>) {
        let views = Arc::clone(&self.views);
        let refusals = Arc::clone(&self.refusals);
        let upcoming = Arc::clone(&self.upcoming);
        let asked = Arc::clone(&self.asked);
        // It ends when the API, which holds the sender, is dropped.
        std::thread::spawn(move || {
            for command in inbox {
                asked.lock().expect("not poisoned").push(format!("{command:?}"));
                let refuse =
                    |name: &'static str| refusals.lock().expect("not poisoned").get(name).cloned();
                if let Some(next) = upcoming.lock().expect("not poisoned").take() {
                    views.store(Arc::new(next));
                }
                obey(&views.load_full(), command, refuse);
            }
        });
    }

    /// Appends to the log and publishes, in this order, as the loop does.
    pub(crate) fn publish(&self, events: &[LoggedEvent]) {
        events.iter().for_each(|event| self.logs.append(event));
        self.feed.publish(events);
    }

    pub(crate) fn refuse(&self, name: &'static str, error: CommandError) {
        self.refusals.lock().expect("not poisoned").insert(name, error);
    }

    pub(crate) async fn ask(&self, request: Request) -> Answered {
        Answered::of(self.api.answer(request).await)
    }

    pub(crate) async fn get(&self, target: &str) -> Answered {
        self.ask(request(Method::GET, target, "")).await
    }
}

fn obey(view: &View, command: Command, refuse: impl Fn(&'static str) -> Option<CommandError>) {
    let feature =
        |id: &str| view.features.get(id).cloned().ok_or(CommandError::NotFound(id.into()));
    let answer = |name, id: &str| refuse(name).map_or_else(|| feature(id), Err);
    match command {
        Command::Fresh { reply, .. } => drop(reply.send(refuse("fresh").map_or(Ok(()), Err))),
        Command::Register { path, reply, .. } => {
            let already = path.ends_with("again");
            let registered = Registered {
                root: Arc::clone(&view.roots[0]),
                features: view.features.values().cloned().collect(),
                already,
            };
            drop(reply.send(refuse("register").map_or(Ok(registered), Err)));
        }
        Command::Unregister { id, reply } => {
            let root = view.roots.iter().find(|root| root.id == id).cloned();
            let found = root.ok_or(CommandError::NotFound(id));
            drop(reply.send(refuse("unregister").map_or(found, Err)));
        }
        Command::Rescan { feature, reply, .. } => drop(reply.send(answer("rescan", &feature))),
        Command::SetStep { feature, reply, .. } => drop(reply.send(answer("step", &feature))),
        Command::Capture { feature, reply, .. } => drop(reply.send(answer("capture", &feature))),
        Command::ClearBaseline { feature, reply } => {
            let had = view.features.get(&feature).is_some_and(|f| f.baseline.is_some());
            drop(reply.send(refuse("clear").map_or(Ok(had), Err)));
        }
    }
}

/// A request of a bearer; writes say that they are JSON.
pub(crate) fn request(method: Method, target: &str, body: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    if matches!(method, Method::POST | Method::PUT) {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    Request {
        method,
        path: path.into(),
        query: query.into(),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        peer: Peer::Bearer,
    }
}

pub(crate) fn local(mut request: Request) -> Request {
    request.peer = Peer::Local;
    request
}

pub(crate) fn with_header(mut request: Request, name: &'static str, value: &str) -> Request {
    let value = HeaderValue::from_str(value).expect("a value");
    request.headers.append(HeaderName::from_static(name), value);
    request
}

/// An answer whose bytes are known.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answered {
    pub(crate) fn of(response: Response) -> Self {
        let Response { status, headers, body, .. } = response;
        match body {
            Body::Full(bytes) => Self { status, headers, bytes },
            Body::Stream(_) => panic!("a stream where a whole answer was expected"),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        assert!(self.text().ends_with('\n'), "a document ends in a newline");
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The document of a success.
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self.json()
    }

    /// The document of a problem with this code.
    pub(crate) fn problem(&self, code: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["type"], "about:blank");
        assert!(!problem["detail"].as_str().expect("text").is_empty());
        problem
    }
}
