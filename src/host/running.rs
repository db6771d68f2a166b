//! A running host.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::delivery::Couriers;
use super::ports::{Artifacts, Counts, Logs};
use super::sessions::SessionFile;
use crate::api::service::HEARTBEAT;
use crate::api::token::Token;
use crate::api::{Api, ApiConfig};
use crate::daemon::config::{
    self, Config, ConfigError, ConfigSource, DEFAULT_LISTEN, Standing, TcpAuth,
};
use crate::daemon::handle::DaemonHandle;
use crate::daemon::{Daemon, Ending, StartError};
use crate::platform::threads;
use crate::server::{
    self, Counters, IfBusy, Limits, RunningServer, Server, ServerConfig, ServerError,
};
use crate::store::{Home, StoreError, secret};
use crate::survey::now;
use crate::sync::CourierError;

/// How long requests that are under way may take when the host stops.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// What a host is started with.
#[derive(Debug, Clone, Default)]
pub struct HostConfig {
    /// The configuration: a file, and what comes before it.
    pub source: ConfigSource,
    /// The Unix socket; that of the runtime directory unless told.
    pub socket: Option<PathBuf>,
}

/// Why a host cannot run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The daemon cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A listener cannot be bound.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The token cannot be written.
    #[error("the token of the API cannot be written")]
    Token(#[source] StoreError),
    /// The system gives no randomness.
    #[error("no token can be made")]
    Random(#[source] crate::api::token::RandomError),
    /// Delivery cannot start.
    #[error(transparent)]
    Delivery(#[from] CourierError),
    /// The system gives no threads.
    #[error("the listeners cannot be started")]
    Runtime(#[source] std::io::Error),
    /// The loop ended before it was ready.
    #[error("the daemon ended while it was starting: {0}")]
    Ended(String),
}

/// Files that the daemon itself has open at a time, with some features.
const OWN_DESCRIPTORS: usize = 40;
/// Threads that serve.
const SERVING: usize = 2;
/// Threads for what blocks, at most: reads, renderings, compression.
const BLOCKING: usize = 16;

/// What messages to peers over TCP call the directories of this daemon and of its user.
fn places(home: &Home) -> Vec<(PathBuf, &'static str)> {
    let own = [
        (home.config_dir(), "<config>"),
        (home.state_dir(), "<state>"),
        (home.runtime_dir(), "<runtime>"),
    ];
    let mut places: Vec<_> = own.map(|(dir, word)| (dir.to_owned(), word)).into();
    places.extend(directories::BaseDirs::new().map(|dirs| (dirs.home_dir().to_owned(), "~")));
    places
}

/// The daemon with its listeners.
pub struct Host {
    pub(super) daemon: Daemon,
    pub(super) server: RunningServer,
    api: Arc<Api>,
    pub(super) couriers: Arc<Couriers>,
    runtime: tokio::runtime::Runtime,
    loop_ended: oneshot::Receiver<()>,
    warnings: Vec<String>,
    token_file: PathBuf,
    pub(super) standing: Arc<Standing>,
    pub(super) home: Home,
}

impl Host {
    /// Starts everything. Returns when watches are in place, first scans are done and both
    /// listeners are bound.
    pub fn start(home: &Home, config: HostConfig) -> Result<Self, HostError> {
        // What is in a directory that is not ours to trust is not even read.
        home.prepare().map_err(StartError::Home)?;
        let effective = config.source.load()?;
        let file = effective.config.clone();
        let standing = Arc::new(Standing::new(config.source.clone(), &effective));
        let daemon = Daemon::start_configured(home, Arc::clone(&standing))?;
        let daemon = wait_until_ready(daemon)?;
        let token_file = home.token_file();
        match Listening::start(&daemon, home, config, file) {
            Ok(Listening { server, api, couriers, runtime, loop_ended }) => {
                let mut warnings = daemon.warnings().to_vec();
                warnings.extend(server.warnings.iter().map(ToString::to_string));
                Ok(Self {
                    daemon,
                    server,
                    api,
                    couriers,
                    runtime,
                    loop_ended,
                    warnings,
                    token_file,
                    standing,
                    home: home.clone(),
                })
            }
            Err(error) => {
                daemon.stop();
                // It opens nothing, and the next start makes another.
                let _ = secret::remove_secret(&token_file);
                Err(error)
            }
        }
    }

    /// The address of the API and the page.
    pub fn http(&self) -> String {
        format!("http://{}", self.server.http_addr)
    }

    /// The Unix socket.
    pub fn socket(&self) -> Option<&PathBuf> {
        self.server.socket_path.as_ref()
    }

    /// The way to the loop.
    pub fn handle(&self) -> &DaemonHandle {
        self.daemon.handle()
    }

    /// The API, for another transport.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// The runtime of the listeners.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// What the user should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Waits until `stop` completes (true), or something ends that never should (false);
    /// [`Host::stop`] then tells what.
    pub fn run_until(&mut self, stop: impl Future<Output = ()>) -> bool {
        let loop_ended = &mut self.loop_ended;
        let courier_ended = self.couriers.failed();
        let server = &mut self.server;
        let asked = self.runtime.block_on(async {
            tokio::select! {
                () = stop => true,
                () = server.failed() => false,
                _ = loop_ended => false,
                () = courier_ended => false,
            }
        });
        if !asked {
            tracing::error!("a part of the daemon has ended by itself");
        }
        asked
    }

    /// Stops: listeners, then delivery, then the loop with its files.
    pub fn stop(self) -> Ending {
        let Self { daemon, server, couriers, runtime, token_file, .. } = self;
        runtime.block_on(server.shutdown(SHUTDOWN));
        couriers.stop();
        let ending = daemon.stop();
        // A token that opens nothing any more helps nobody; the next start makes another.
        let _ = secret::remove_secret(&token_file);
        runtime.shutdown_timeout(Duration::from_secs(1));
        ending
    }
}

/// The runtime of the listeners, with one thread for what blocks already there, for good: where
/// the system has no more to give, requests wait for it, and nothing panics.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    threads::are_to_be_had(SERVING + 1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVING)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(Duration::from_secs(365 * 24 * 3600))
        .enable_all()
        .thread_name("server")
        .build()?;
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}

/// Completes when the loop has ended.
fn loop_ended(daemon: &Daemon) -> std::io::Result<oneshot::Receiver<()>> {
    let (over, ended) = (daemon.ended().clone(), oneshot::channel());
    let wait = move || {
        // It never sends; its end is what it says.
        let _ = over.recv();
        drop(ended.0);
    };
    std::thread::Builder::new().name("ending".into()).spawn(wait)?;
    Ok(ended.1)
}

/// What is started after the daemon, and can fail without it.
struct Listening {
    server: RunningServer,
    api: Arc<Api>,
    couriers: Arc<Couriers>,
    runtime: tokio::runtime::Runtime,
    loop_ended: oneshot::Receiver<()>,
}

impl Listening {
    /// Makes the token and binds the listeners of a daemon that is ready.
    fn start(
        daemon: &Daemon,
        home: &Home,
        config: HostConfig,
        file: Config,
    ) -> Result<Self, HostError> {
        let token = Token::generate().map_err(HostError::Random)?;
        secret::write_secret(&home.token_file(), token.expose().as_bytes())
            .map_err(HostError::Token)?;
        let runtime = runtime().map_err(HostError::Runtime)?;
        let loop_ended = loop_ended(daemon).map_err(HostError::Runtime)?;
        let couriers = Arc::new(Couriers::start(&file.sync, daemon.handle(), home)?);
        let socket = config.socket.unwrap_or_else(|| home.socket());
        let api = Arc::new(Api::new(ApiConfig {
            handle: daemon.handle().clone(),
            token,
            tcp_auth_none: file.tcp_auth == TcpAuth::None,
            socket: Some(socket.clone()),
            version: env!("CARGO_PKG_VERSION"),
            started_at: now(),
            text: Arc::new(Artifacts),
            logs: Arc::new(Logs::new(daemon.handle().clone())),
            delivery: couriers.clone(),
            sessions: Arc::new(SessionFile(home.sessions_file())),
            max_sessions: file.limits.sessions.count(),
            text_bytes: file.limits.text_bytes.get(),
            clock: Arc::new(now),
            heartbeat: HEARTBEAT,
            places: places(home),
        }));
        let counters = Arc::new(Counters::default());
        let (listen, if_busy) = match file.listen {
            Some(listen) => (listen, IfBusy::Fail),
            None => (DEFAULT_LISTEN, IfBusy::PickAnother),
        };
        let server_config = ServerConfig {
            listen,
            if_busy,
            socket,
            tcp_auth: server_auth(file.tcp_auth),
            allowed_hosts: file.allowed_hosts,
            limits: server_limits(&file.limits),
            counters: Arc::clone(&counters),
        };
        let server = Server::start(server_config, api.clone(), runtime.handle())?;
        api.set_http(server.http_addr);
        api.set_transport_counts(Arc::new(Counts(counters)));
        Ok(Self { server, api, couriers, runtime, loop_ended })
    }
}

/// What the server is to ask for over TCP.
pub(super) fn server_auth(auth: TcpAuth) -> server::TcpAuth {
    match auth {
        TcpAuth::Token => server::TcpAuth::Token,
        TcpAuth::None => server::TcpAuth::None,
    }
}

/// What the server is to hold clients to.
pub(super) fn server_limits(limits: &config::Limits) -> Limits {
    // Where descriptors are few, connections over TCP leave some to the Unix socket, and both
    // leave some to logs and watches.
    let room = descriptors().saturating_sub(OWN_DESCRIPTORS);
    Limits {
        connections: limits.connections.count().min((room / 4).max(1)),
        streams: limits.streams.count(),
        local_connections: limits.local_connections.count().min((room / 2).max(2)),
        local_streams: limits.local_streams.count(),
        header_bytes: limits.header_bytes.count(),
        header_count: limits.header_count.count(),
        uri_bytes: limits.uri_bytes.count(),
        body_bytes: limits.body_bytes.count(),
        header_time: limits.header_seconds.seconds(),
        body_time: limits.body_seconds.seconds(),
        handler_time: limits.handler_seconds.seconds(),
        write_stall: limits.write_stall_seconds.seconds(),
        send_buffer: Limits::default().send_buffer,
    }
}

/// How many files may be open in this process.
fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Waits for the first scans.
fn wait_until_ready(daemon: Daemon) -> Result<Daemon, HostError> {
    let ready = crossbeam_channel::select! {
        recv(daemon.ready()) -> ready => ready.is_ok(),
        recv(daemon.ended()) -> _ => false,
    };
    if ready {
        return Ok(daemon);
    }
    Err(HostError::Ended(match daemon.stop() {
        Ending::Failed(message) => message,
        Ending::Stopped => "it was stopped".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{MAX_SESSIONS, MAX_TEXT_BYTES};

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_who_enforces_them() {
        let limits = config::Limits::default();
        assert_eq!(server_limits(&limits), Limits::default());
        assert_eq!(limits.sessions.count(), MAX_SESSIONS);
        assert_eq!(limits.text_bytes.get(), MAX_TEXT_BYTES);
    }
}
