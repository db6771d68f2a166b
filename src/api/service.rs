//! The API as a service: routing, access, fresh reads, conditional answers, counting.
//!
//! The order of checks: access, route, method, media type, parameters, handler.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::{HeaderValue, Method, header};

use super::blocking::Blocking;
use super::call::Call;
use super::code::{Code, quoted};
use super::delivery::Delivery;
use super::etag;
use super::http::{AccessEnd, Answer, Peer, Request, Response, Served, Service};
use super::json_body;
use super::ports::{ArtifactText, CountsOfTransport, EventLogs, Place, SessionStore};
use super::privacy::{Privacy, with_socket};
use super::problem::Problem;
use super::query::Query;
use super::request_counts::RequestCounts;
use super::router::{Access, Found, ROUTES, find};
use super::select::{self, select};
use super::session::Sessions;
use super::token::Token;
use crate::daemon::caveat::Caveat;
use crate::daemon::command::{CommandError, Target};
use crate::daemon::handle::DaemonHandle;
use crate::daemon::view::{FeatureView, View};
use crate::dossier::Timestamp;

/// How often a follower without events gets a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// What an API is made from.
pub struct ApiConfig {
    /// The way to the loop.
    pub handle: DaemonHandle,
    /// What opens the API over TCP.
    pub token: Token,
    /// Is TCP open without a token? Shown, not enforced here.
    pub tcp_auth_none: bool,
    /// The Unix socket, where there is one. Shown to local peers.
    pub socket: Option<PathBuf>,
    /// The version of the program.
    pub version: &'static str,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Reads artifacts.
    pub text: Arc<dyn ArtifactText>,
    /// Reads event logs.
    pub logs: Arc<dyn EventLogs>,
    /// Delivers events.
    pub delivery: Arc<dyn Delivery>,
    /// Keeps logged-in pages.
    pub sessions: Arc<dyn SessionStore>,
    /// How many pages may be logged in; [`MAX_SESSIONS`](super::MAX_SESSIONS) unless less.
    pub max_sessions: usize,
    /// The most of an artifact's text that is served, in bytes; [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES) unless less.
    pub text_bytes: u64,
    /// The time of day.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// [`HEARTBEAT`], or shorter in tests.
    pub heartbeat: Duration,
    /// Directories of the daemon and of its user and files that its configuration names, and
    /// what messages to peers that are not local call them, such as `~` for the home directory.
    pub places: Vec<Place>,
}

/// The API. One per daemon, shared by all transports.
pub struct Api {
    pub(super) handle: DaemonHandle,
    pub(super) token: Token,
    pub(super) tcp_auth_none: AtomicBool,
    pub(super) socket: Option<PathBuf>,
    pub(super) version: &'static str,
    pub(super) started_at: Timestamp,
    pub(super) text: Arc<dyn ArtifactText>,
    pub(super) text_bytes: AtomicU64,
    pub(super) logs: Arc<dyn EventLogs>,
    pub(super) delivery: Arc<dyn Delivery>,
    pub(super) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(super) heartbeat: Duration,
    places: ArcSwap<Vec<Place>>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) session_store: Arc<dyn SessionStore>,
    pub(super) blocking: Blocking,
    pub(super) renderings: Blocking,
    pub(super) counts: RequestCounts,
    http: OnceLock<SocketAddr>,
    transport: OnceLock<Arc<dyn CountsOfTransport>>,
    warnings: OnceLock<Vec<Caveat>>,
}

impl Api {
    /// An API that knows no TCP address yet.
    pub fn new(config: ApiConfig) -> Self {
        Self {
            handle: config.handle,
            token: config.token,
            tcp_auth_none: AtomicBool::new(config.tcp_auth_none),
            places: ArcSwap::from_pointee(with_socket(config.places, config.socket.as_deref())),
            socket: config.socket,
            version: config.version,
            started_at: config.started_at,
            text: config.text,
            text_bytes: AtomicU64::new(config.text_bytes),
            logs: config.logs,
            delivery: config.delivery,
            clock: config.clock,
            heartbeat: config.heartbeat,
            sessions: Arc::new(Sessions::new(config.sessions.as_ref(), config.max_sessions)),
            session_store: config.sessions,
            blocking: Blocking::reads(),
            renderings: Blocking::renderings(),
            counts: RequestCounts::new(ROUTES.len()),
            http: OnceLock::new(),
            transport: OnceLock::new(),
            warnings: OnceLock::new(),
        }
    }

    /// Puts other settings in force: those of [`ApiConfig`] that can be taken back as well.
    pub fn change(&self, tcp_auth_none: bool, text_bytes: u64) {
        self.tcp_auth_none.store(tcp_auth_none, Ordering::Relaxed);
        self.text_bytes.store(text_bytes, Ordering::Relaxed);
    }

    /// From now on there are these places, as in [`ApiConfig`].
    pub fn set_places(&self, places: Vec<Place>) {
        self.places.store(Arc::new(with_socket(places, self.socket.as_deref())));
    }

    pub(super) fn places(&self) -> Arc<Vec<Place>> {
        self.places.load_full()
    }

    /// From now on so many pages may be logged in. Those that are too many are logged out, those
    /// that have been so the longest, which nothing takes back. Writes it down.
    pub fn limit_sessions(&self, most: usize) {
        self.sessions.set_most(most, self.session_store.as_ref());
    }

    /// Says where TCP is served, once it is bound. Only the first call counts.
    pub fn set_http(&self, address: SocketAddr) {
        let _ = self.http.set(address);
    }

    /// Says where the transport's counts are. Only the first call counts.
    pub fn set_transport_counts(&self, counts: Arc<dyn CountsOfTransport>) {
        let _ = self.transport.set(counts);
    }

    /// Says what the user should know of the transports. Only the first call counts.
    pub fn set_warnings(&self, warnings: Vec<Caveat>) {
        let _ = self.warnings.set(warnings);
    }

    pub(super) fn warnings(&self) -> &[Caveat] {
        self.warnings.get().map_or(&[], Vec::as_slice)
    }

    /// The address of the page, `http://127.0.0.1:PORT`, once TCP is bound.
    pub fn http_url(&self) -> Option<String> {
        self.http.get().map(|address| format!("http://{address}"))
    }

    pub(super) fn transport_counts(&self) -> Option<super::ports::TransportCounts> {
        self.transport.get().map(|source| source.counts())
    }

    /// The feature that a call names, fresh if it asks for that.
    pub(super) async fn feature(&self, call: &Call) -> Result<Arc<FeatureView>, Problem> {
        let name = call.query.get("feature");
        if call.query.flag("fresh")? == Some(true) {
            let target = match self.handle.view().select(name) {
                Ok(feature) => Target::Feature(feature.id.clone()),
                // It may be about to appear: everything has to be fresh to know.
                Err(_) => Target::All,
            };
            self.handle.fresh(target).await.map_err(fresh_problem)?;
        }
        select(&self.handle.view(), name, call.peer)
    }

    /// The view, fresh if the call asks for that.
    pub(super) async fn view(&self, call: &Call) -> Result<Arc<View>, Problem> {
        if call.query.flag("fresh")? == Some(true) {
            self.handle.fresh(Target::All).await.map_err(fresh_problem)?;
        }
        Ok(self.handle.view())
    }

    async fn dispatch(&self, request: Request) -> (Option<usize>, Result<Response, Problem>) {
        let found = find(&request.method, &request.path);
        let (index, segment) = match found {
            Found::Route(index, segment) => (index, segment),
            // Without a token nobody learns which paths there are.
            _ if request.peer == Peer::Anonymous => return (None, Err(unauthorized())),
            Found::OtherMethods(allow) => return (None, Ok(other_methods(&request, &allow))),
            Found::Nothing => {
                let detail = format!(
                    "there is no {}; GET /api/openapi.json lists the routes",
                    quoted(&request.path)
                );
                return (None, Err(Code::NotFound.problem(detail)));
            }
        };
        (Some(index), self.call(index, segment, request).await)
    }

    async fn call(
        &self,
        index: usize,
        segment: String,
        request: Request,
    ) -> Result<Response, Problem> {
        let route = &ROUTES[index];
        match (route.access, request.peer) {
            (Access::Token | Access::Local, Peer::Anonymous) => return Err(unauthorized()),
            (Access::Local, Peer::Bearer) => {
                let detail = "ask over the Unix socket, as the command line does";
                return Err(Code::LocalOnly.problem(detail));
            }
            _ => {}
        }
        if matches!(route.method, Method::POST | Method::PUT) {
            json_body::check_media_type(&request.headers)?;
        }
        let query = Query::parse(&request.query, route.query)?;
        let Request { headers, body, peer, .. } = request;
        let call = Call { peer, query, segment, headers, body };
        let response = route.handle(self, &call).await?;
        Ok(etag::conditional(&route.method, &call.headers, response))
    }
}

impl Service for Api {
    fn answer<'a>(&'a self, request: Request) -> Answer<'a> {
        Box::pin(async move {
            let started = Instant::now();
            let peer = request.peer;
            let (route, result) = self.dispatch(request).await;
            let response = result.unwrap_or_else(|mut problem| {
                let privacy = Privacy::of_view(peer, &self.handle.view(), &self.places());
                problem.detail = privacy.text(&problem.detail).into_owned();
                problem.response()
            });
            self.counts.count(route, response.status.as_u16(), started.elapsed());
            response
        })
    }

    fn served(&self, method: &Method, path: &str) -> Served {
        match find(method, path) {
            Found::Route(index, _) if ROUTES[index].access == Access::Public => Served::Public,
            Found::Route(..) => Served::Guarded,
            Found::OtherMethods(_) => Served::OtherMethods,
            Found::Nothing => Served::Nothing,
        }
    }

    fn is_stream(&self, method: &Method, path: &str, query: &str) -> bool {
        let Found::Route(index, _) = find(method, path) else { return false };
        let follow = |query: Query| query.get("follow") == Some("true");
        ROUTES[index].query.contains(&"follow")
            && Query::parse(query, ROUTES[index].query).is_ok_and(follow)
    }

    fn accepts_token(&self, token: &str) -> bool {
        // Both are asked, so that the time does not tell which of them came close.
        let is_token = self.token.matches(token);
        let is_session = self.sessions.accepts(token, (self.clock)());
        if is_session && self.sessions.want_keeping() {
            let (sessions, store) = (Arc::clone(&self.sessions), Arc::clone(&self.session_store));
            // Nobody waits for it: what is written is how long a session was idle.
            tokio::task::spawn_blocking(move || sessions.keep(store.as_ref()));
        }
        is_token | is_session
    }

    fn access_end(&self, token: &str) -> Option<AccessEnd> {
        if self.token.matches(token) {
            return None;
        }
        let mut end = self.sessions.end_of(token);
        let (sessions, clock) = (Arc::clone(&self.sessions), Arc::clone(&self.clock));
        let interval = self.heartbeat;
        Some(Box::pin(async move {
            // Looked at as often as a follower is told something: a machine that slept, or a
            // clock that was set, does not make a session last longer.
            while tokio::time::timeout(interval, end.changed()).await.is_err() {
                sessions.forget_idle(clock());
            }
        }))
    }
}

fn unauthorized() -> Problem {
    Code::Unauthorized.problem("send Authorization: Bearer with the token of dossierd token")
}

fn other_methods(request: &Request, allow: &str) -> Response {
    let detail = format!("{} has {allow}", quoted(&request.path));
    let mut response = Code::MethodNotAllowed.problem(detail).response();
    if let Ok(value) = HeaderValue::from_str(allow) {
        response.headers.insert(header::ALLOW, value);
    }
    response
}

fn fresh_problem(error: CommandError) -> Problem {
    match error {
        CommandError::Timeout(_) => Code::StaleRead
            .problem("the index did not catch up in time; try again, or read without fresh=true")
            .retry_after(1),
        other => command_problem(other, "feature"),
    }
}

/// The problem of a command that had no effect; `parameter` is what makes no sense where
/// the input does not.
pub(super) fn command_problem(error: CommandError, parameter: &str) -> Problem {
    let detail = error.to_string();
    match error {
        CommandError::NotFound(_) => {
            Code::RootUnknown.problem(format!("{detail}; GET /api/features lists what is"))
        }
        CommandError::Invalid(_) => super::query::bad_parameter(parameter, detail),
        CommandError::Conflict(_) => Code::Conflict.problem(detail),
        CommandError::Timeout(_) => {
            Code::Timeout.problem(format!("{detail}; it may still take effect, so look again"))
        }
        CommandError::Failed(_) => Code::Internal.problem(detail),
        CommandError::Stopping => {
            Code::Stopping.problem("ask again once it runs again").retry_after(2)
        }
    }
}

/// The problem of a command about one feature, which may have gone meanwhile.
pub(super) fn feature_problem(
    error: CommandError,
    parameter: &str,
    view: &View,
    name: &str,
) -> Problem {
    match error {
        CommandError::NotFound(_) => select::unknown(view, name),
        other => command_problem(other, parameter),
    }
}
