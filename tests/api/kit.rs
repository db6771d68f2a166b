//! A world to ask: features made by the real core, and fakes of loop, disk and log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use dossierd::api::delivery::Delivery;
use dossierd::api::http::{Body, Peer, Request, Response, Service};
use dossierd::api::ports::{
    ArtifactText, CommittedText, EventLogs, LogFault, LogPage, SessionStore, Text, TextFault,
};
use dossierd::api::session::KeptSession;
use dossierd::api::token::Token;
use dossierd::api::{Api, ApiConfig, MAX_SESSIONS, MAX_TEXT_BYTES};
use dossierd::daemon::caveat::{Caveat, CaveatKind};
use dossierd::daemon::command::{Command, CommandError, Registered};
use dossierd::daemon::feed::{Feed, LoggedEvent};
use dossierd::daemon::handle::DaemonHandle;
use dossierd::daemon::view::{
    FeatureView, Health, IgnoredEntry, ProjectView, Rendered, RootView, ScanCost, StoreState, View,
    WatchState,
};
use dossierd::dossier::artifact::RequiredStatus;
use dossierd::dossier::assemble::{Sources, assemble};
use dossierd::dossier::baseline::{Baseline, BaselineKey};
use dossierd::dossier::capture::{Capturable, CaptureContext, capture};
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::drift::{BaselineState, compare};
use dossierd::dossier::event::EventType;
use dossierd::dossier::extract::extract;
use dossierd::dossier::record::Provenance;
use dossierd::dossier::{
    Digest, Dossier, ErrorReason, FileFacts, FileState, FileTable, RelPath, Timestamp,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

use super::fake_delivery::FakeDelivery;

/// All absolute paths of the world begin so.
pub(crate) const SECRET_PLACE: &str = "/home/ann secret";

/// What a test feature is made from.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) root_id: String,
    pub(crate) files: Vec<(Vec<u8>, FileState, u64)>,
    pub(crate) baseline: Option<Arc<Baseline>>,
    pub(crate) watch: WatchState,
    pub(crate) generation: u64,
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

pub(crate) fn path(text: impl AsRef<[u8]>) -> RelPath {
    RelPath::new(text).expect("a path")
}

impl Plan {
    /// A software-dev feature with spec, plan and one work package; tasks.md is missing.
    pub(crate) fn new(id: &str, slug: &str) -> Self {
        let plan = Self {
            id: id.into(),
            slug: slug.into(),
            root_id: "root-p".into(),
            files: Vec::new(),
            baseline: None,
            watch: WatchState::Live,
            generation: 1,
        };
        plan.file("meta.json", r#"{"mission_type": "software-dev", "current_step": "implement"}"#)
            .file("spec.md", "# Spec\n")
            .file("plan.md", "# Plan\n")
            .file("tasks/WP01-first.md", "---\nwork_package_id: WP01\n---\n")
            .file("notes.xyz", "?")
    }

    pub(crate) fn file(mut self, name: impl AsRef<[u8]>, content: &str) -> Self {
        let at = path(&name);
        let state = FileState::Text {
            sha256: Digest::sha256(content),
            extract: Arc::new(extract(&at, content.as_bytes())),
        };
        self.files.push((name.as_ref().to_vec(), state, content.len() as u64));
        self
    }

    pub(crate) fn faulty(mut self, name: &str, reason: ErrorReason, detail: &str) -> Self {
        let state = FileState::Faulty { reason, detail: detail.into(), raw_sha256: None };
        self.files.push((name.into(), state, 7));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.files.retain(|(known, _, _)| known != name.as_bytes());
        self
    }

    pub(crate) fn watched(mut self, watch: WatchState) -> Self {
        self.watch = watch;
        self
    }

    /// Accepts what is there at this moment of the making.
    pub(crate) fn accepted(mut self, branch: &str) -> Self {
        let dossier = self.dossier();
        let present: Vec<Capturable> = dossier
            .rows
            .iter()
            .filter_map(|row| {
                Some(Capturable {
                    path: row.path.clone(),
                    artifact_key: row.artifact.key.to_string(),
                    content_hash: row.content_hash()?,
                    required_status: row.artifact.required_status,
                })
            })
            .collect();
        assert!(present.iter().any(|a| a.required_status == RequiredStatus::Required));
        let context = CaptureContext {
            key: self.key(),
            captured_at: time(50),
            checkout_branch: Some(branch.into()),
            git_sha: None,
            note: Some("as agreed".into()),
        };
        self.baseline = Some(Arc::new(capture(context, &present)));
        self
    }

    fn key(&self) -> BaselineKey {
        BaselineKey {
            project_uuid: "8a4a7da6-a97c-4bb4-893a-b31664abfee4".into(),
            node_id: "d036a097a835".into(),
            feature_slug: self.slug.clone(),
            target_branch: "main".into(),
            mission_key: "software-dev".into(),
            manifest_version: "1".into(),
        }
    }

    fn dossier(&self) -> Dossier {
        let files: FileTable = self
            .files
            .iter()
            .map(|(name, state, size)| {
                let facts =
                    FileFacts { size_bytes: *size, state: state.clone(), indexed_at: time(100) };
                (path(name), Arc::new(facts))
            })
            .collect();
        assemble(&Sources {
            feature_slug: &self.slug,
            files: &files,
            ignored: 1,
            faults: &|_| Vec::new(),
            missions: &MissionDefinition::builtin,
            registered_mission: None,
            explicit_step: None,
            remembered: &BTreeSet::new(),
            provenance: Arc::new(Provenance {
                source_kind: "git",
                git_sha: Some("0".repeat(40)),
                git_ref: Some("refs/heads/main".into()),
            }),
            both_at_once: None,
        })
    }

    pub(crate) fn view(&self) -> Arc<FeatureView> {
        let dossier = self.dossier();
        let state = match &self.baseline {
            Some(baseline) => BaselineState::Read(Arc::clone(baseline)),
            None => BaselineState::None,
        };
        let drift = compare(&dossier, &state, &self.key(), Some("main"));
        let project = ProjectView {
            root: PathBuf::from(SECRET_PLACE).join("p"),
            uuid: self.key().project_uuid,
            slug: "shop".into(),
            node_id: self.key().node_id,
            build_id: "b1".into(),
            branch: Some("main".into()),
            head_sha: Some("0".repeat(40)),
        };
        Arc::new(FeatureView {
            id: self.id.clone(),
            slug: self.slug.clone(),
            root_id: self.root_id.clone(),
            dir: project.root.join("kitty-specs").join(&self.slug),
            project: Arc::new(project),
            dossier: Arc::new(dossier),
            drift: Arc::new(drift),
            baseline: self.baseline.clone(),
            baseline_key: self.key(),
            snapshot_id: "11111111-2222-4333-8444-555555555555".into(),
            computed_at: time(200),
            last_scanned_at: time(300),
            watch: self.watch.clone(),
            store: StoreState {
                location: "state",
                fallback_reason: Some(format!("cannot write {SECRET_PLACE}/p/.kittify: denied")),
                failing: None,
                failing_code: None,
                repaired_bytes: 0,
            },
            place: None,
            ignored: Arc::new(vec![IgnoredEntry { path: "a~".into(), reason: "*~".into() }]),
            cost: ScanCost::default(),
            generation: self.generation,
            rendered: Rendered::default(),
        })
    }
}

type Content = Result<Vec<u8>, TextFault>;

/// Nothing outlasts a world.
struct NoSessions;

impl SessionStore for NoSessions {
    fn load(&self) -> Vec<KeptSession> {
        Vec::new()
    }

    fn save(&self, _: &[KeptSession]) {}
}

/// Files as the disk would give them, by path.
#[derive(Default)]
pub(crate) struct FakeText {
    files: Mutex<BTreeMap<Vec<u8>, Content>>,
    committed: Mutex<BTreeMap<Vec<u8>, Result<CommittedText, String>>>,
}

impl FakeText {
    pub(crate) fn put(&self, name: &str, content: Content) {
        self.files.lock().expect("not poisoned").insert(name.into(), content);
    }

    pub(crate) fn commit(&self, name: &str, committed: Result<CommittedText, String>) {
        self.committed.lock().expect("not poisoned").insert(name.into(), committed);
    }
}

impl ArtifactText for FakeText {
    fn read(&self, dir: &Path, path: &RelPath, limit: u64) -> Result<Text, TextFault> {
        assert!(dir.is_absolute());
        let files = self.files.lock().expect("not poisoned");
        let mut bytes = files.get(path.as_bytes()).cloned().unwrap_or(Err(TextFault::Gone))?;
        let size = bytes.len() as u64;
        bytes.truncate(usize::try_from(limit).expect("fits"));
        Ok(Text { bytes, size, truncated: size > limit })
    }

    fn committed(&self, dir: &Path, path: &RelPath, _: u64) -> Result<CommittedText, String> {
        assert!(dir.is_absolute());
        let committed = self.committed.lock().expect("not poisoned");
        committed.get(path.as_bytes()).cloned().unwrap_or(Err("no checkout".into()))
    }
}

/// What happens while a log is read.
type Hook = Mutex<Option<Box<dyn FnMut() + Send>>>;

/// Logs by feature id.
#[derive(Default)]
pub(crate) struct FakeLogs {
    logs: Mutex<BTreeMap<String, Vec<(String, Bytes)>>>,
    before_read: Hook,
    after_read: Hook,
}

impl FakeLogs {
    pub(crate) fn append(&self, event: &LoggedEvent) {
        let mut logs = self.logs.lock().expect("not poisoned");
        let log = logs.entry(event.feature.clone()).or_default();
        log.push((event.event_id.clone(), event.line.clone()));
    }

    /// Does this just before each read.
    pub(crate) fn before_read(&self, hook: impl FnMut() + Send + 'static) {
        *self.before_read.lock().expect("not poisoned") = Some(Box::new(hook));
    }

    /// Does this when a read knows its lines, before it gives them back.
    pub(crate) fn after_read(&self, hook: impl FnMut() + Send + 'static) {
        *self.after_read.lock().expect("not poisoned") = Some(Box::new(hook));
    }

    fn page(&self, id: &str, after: Option<&str>, limit: usize) -> Result<LogPage, LogFault> {
        let logs = self.logs.lock().expect("not poisoned");
        let log = logs.get(id).map_or(&[][..], |log| &log[..]);
        let start = match after {
            None => 0,
            Some(id) => {
                1 + log.iter().position(|(known, _)| known == id).ok_or(LogFault::UnknownId)?
            }
        };
        let page = &log[start..log.len().min(start.saturating_add(limit))];
        Ok(LogPage {
            lines: page.iter().map(|(_, line)| line.clone()).collect(),
            last_id: page.last().map(|(id, _)| id.clone()).or(after.map(str::to_owned)),
            more: start + page.len() < log.len(),
        })
    }
}

fn run(hook: &Hook) {
    if let Some(hook) = hook.lock().expect("not poisoned").as_mut() {
        hook();
    }
}

impl EventLogs for FakeLogs {
    fn read_back(
        &self,
        feature: &FeatureView,
        limit: usize,
        wanted: &mut dyn FnMut(&Bytes) -> bool,
    ) -> Result<Vec<Bytes>, LogFault> {
        let all = self.page(&feature.id, None, usize::MAX)?.lines;
        let mut found: Vec<Bytes> = all.into_iter().filter(|line| wanted(line)).collect();
        found.reverse();
        found.truncate(limit);
        Ok(found)
    }

    fn read(
        &self,
        feature: &FeatureView,
        after: Option<&str>,
        limit: usize,
    ) -> Result<LogPage, LogFault> {
        run(&self.before_read);
        let page = self.page(&feature.id, after, limit);
        run(&self.after_read);
        page
    }
}

/// The `n`th event, in the order of ids.
pub(crate) fn event(n: usize, feature: &str, event_type: EventType) -> LoggedEvent {
    let event_id = format!("01{n:024}");
    let kind = event_type.as_str();
    let line = format!(r#"{{"event_id":"{event_id}","event_type":"{kind}","payload":{{}}}}"#);
    LoggedEvent { feature: feature.into(), event_id, event_type, line: line.into() }
}

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
