//! A running host.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::caveats;
use super::delivery::Couriers;
use super::error::HostError;
use super::manager::Manager;
use super::milestones::Milestones;
use super::places::places;
use super::ports::{Artifacts, Counts, Logs};
use super::sessions::SessionFile;
use super::vigil::{Vigil, standing};
use crate::api::service::HEARTBEAT;
use crate::api::token::Token;
use crate::api::{Api, ApiConfig};
use crate::daemon::caveat::{Caveat, CaveatKind};
use crate::daemon::config::{self, Config, ConfigSource, DEFAULT_LISTEN, Standing, TcpAuth};
use crate::daemon::handle::DaemonHandle;
use crate::daemon::{Daemon, Ending, Setup, StartError};
use crate::platform::supervisor::Supervisor;
use crate::platform::threads;
use crate::server::{
    self, Counters, IfBusy, Limits, PassedListeners, RunningServer, Server, ServerConfig,
};
use crate::store::{Home, secret};
use crate::survey::now;

/// How long requests that are under way may take when the host stops. All of the end takes
/// no longer than five seconds, unless a disk does not answer.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// Parts that never end by themselves.
const LISTENER: &str = "a listener";
const LOOP: &str = "the loop";
const DELIVERY: &str = "delivery";

/// How long delivery may take to look at the logs before the host is ready without it.
const COURIERS: Duration = Duration::from_secs(2);

/// What a host is started with.
#[derive(Debug, Default)]
pub struct HostConfig {
    /// The configuration: a file, and what comes before it.
    pub source: ConfigSource,
    /// The Unix socket; that of the runtime directory unless told.
    pub socket: Option<PathBuf>,
    /// What the service manager has told, if one started this process.
    pub supervisor: Supervisor,
}

/// Files that the daemon itself has open at a time, with some features.
const OWN_DESCRIPTORS: usize = 40;
/// Threads that serve.
const SERVING: usize = 2;
/// Threads for what blocks, at most: reads, renderings, compression.
const BLOCKING: usize = 16;

/// The daemon with its listeners.
pub struct Host {
    pub(super) daemon: Daemon,
    pub(super) server: RunningServer,
    api: Arc<Api>,
    pub(super) couriers: Arc<Couriers>,
    /// Completes if one of them ends by itself; each tells its end only once.
    pub(super) courier_ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    runtime: tokio::runtime::Runtime,
    milestones: Milestones,
    warnings: Vec<String>,
    token_file: PathBuf,
    manager: Manager,
    vigil: Option<Vigil>,
    is_ready: bool,
    /// What has ended by itself.
    ended_part: Option<&'static str>,
    pub(super) standing: Arc<Standing>,
    pub(super) home: Home,
}

/// What a starting host came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// Watches are in place, and first scans are done.
    Ready,
    /// It was asked to stop before.
    Stopped,
    /// Something ended that never should; [`Host::stop`] tells what.
    Failed,
}

impl Host {
    /// Starts everything. Returns when the daemon runs and both listeners are bound; what is
    /// not scanned yet is answered as not known. [`Host::wait_until_ready`] comes next.
    pub fn start(home: &Home, config: HostConfig) -> Result<Self, HostError> {
        Self::start_with(home, config, |_| ())
    }

    /// The same, with a daemon as `change` wants it: for tests, and for hosts with another
    /// watcher.
    pub fn start_with(
        home: &Home,
        mut config: HostConfig,
        change: impl FnOnce(&mut Setup),
    ) -> Result<Self, HostError> {
        // What is in a directory that is not ours to trust is not even read.
        home.prepare().map_err(StartError::Home)?;
        let effective = config.source.load()?;
        let file = effective.config.clone();
        let standing = Arc::new(Standing::new(config.source.clone(), &effective));
        let supervisor = std::mem::take(&mut config.supervisor);
        let mut setup = Setup::of(Arc::clone(&standing));
        change(&mut setup);
        let daemon = Daemon::start_with(home, &standing.source().file, setup)?;
        let token_file = home.token_file();
        let passed = PassedListeners { unix: supervisor.sockets.api, tcp: supervisor.sockets.http };
        match Listening::start(&daemon, home, config, file, passed) {
            Ok(Listening { server, api, couriers, runtime, milestones }) => {
                let mut more: Vec<Caveat> =
                    server.warnings.iter().map(caveats::of_server).collect();
                let manager = manager(supervisor.notify_socket.as_deref(), &mut more);
                let told = daemon.warnings().iter().chain(&more);
                let warnings = told.map(|caveat| caveat.text.clone()).collect();
                // It can be closed without another start, and the API tells it by itself.
                more.retain(|caveat| caveat.kind != CaveatKind::OpenTcp);
                api.set_warnings(more);
                let (signs, pulse) = (daemon.vital_signs(), server.pulse.clone());
                let vigil = Vigil::keep(manager.clone(), supervisor.watchdog, signs, pulse);
                Ok(Self {
                    daemon,
                    server,
                    api,
                    courier_ended: Box::pin(couriers.failed()),
                    couriers,
                    runtime,
                    milestones,
                    warnings,
                    token_file,
                    manager,
                    vigil,
                    is_ready: false,
                    ended_part: None,
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

    /// Waits until watches are in place and first scans are done, unless `stop` completes
    /// before; then tells the service manager. What was stopped can be waited for again.
    pub fn wait_until_ready(&mut self, stop: impl Future<Output = ()>) -> Started {
        let Self { milestones, runtime, server, couriers, courier_ended, .. } = self;
        let Milestones { ready, ended } = milestones;
        let came = runtime.block_on(async {
            tokio::select! {
                // A stop that was asked for is one, even if everything is ready by now.
                biased;
                () = stop => Ok(Started::Stopped),
                () = server.failed() => Err(LISTENER),
                _ = ended => Err(LOOP),
                () = courier_ended => Err(DELIVERY),
                told = ready => {
                    // One that hangs keeps nobody from the rest.
                    let _ = tokio::time::timeout(COURIERS, couriers.begin()).await;
                    told.map(|()| Started::Ready).map_err(|_| LOOP)
                }
            }
        });
        if !self.note(came.map(|_| ())) {
            return Started::Failed;
        }
        if came == Ok(Started::Ready) {
            self.is_ready = true;
            self.manager.status(&standing(&self.handle().view()));
            self.manager.ready();
            if let Some(vigil) = &self.vigil {
                vigil.begin_to_feed();
            }
            return Started::Ready;
        }
        Started::Stopped
    }

    /// Are watches in place, and first scans done?
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The way to the service manager; does nothing if there is none. Who reloads says so
    /// with [`Manager::reloading`] and, when that is done, [`Manager::ready`].
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// The address of the API and the page, where the system allows TCP.
    pub fn http(&self) -> Option<String> {
        self.server.http_addr.map(|address| format!("http://{address}"))
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
        let loop_ended = &mut self.milestones.ended;
        let courier_ended = &mut self.courier_ended;
        let server = &mut self.server;
        let asked = self.runtime.block_on(async {
            tokio::select! {
                () = stop => Ok(()),
                () = server.failed() => Err(LISTENER),
                _ = loop_ended => Err(LOOP),
                () = courier_ended => Err(DELIVERY),
            }
        });
        self.note(asked)
    }

    /// Keeps what has ended by itself, for the end; was it nothing?
    fn note(&mut self, ended: Result<(), &'static str>) -> bool {
        if let Err(part) = ended {
            tracing::error!(part, "a part of the daemon has ended by itself");
            self.ended_part = Some(part);
        }
        ended.is_ok()
    }

    /// Stops: listeners, then delivery, then the loop with its files.
    pub fn stop(self) -> Ending {
        let Self {
            daemon, server, couriers, runtime, token_file, manager, vigil, ended_part, ..
        } = self;
        manager.stopping();
        drop(vigil);
        runtime.block_on(server.shutdown(SHUTDOWN));
        couriers.stop();
        let ending = daemon.stop();
        // A token that opens nothing any more helps nobody; the next start makes another.
        let _ = secret::remove_secret(&token_file);
        runtime.shutdown_timeout(Duration::from_secs(1));
        match (ending, ended_part) {
            // A loop that had been asked to end since then still says why it had not to be.
            (Ending::Stopped, Some(part)) => Ending::Failed(format!("{part} has ended by itself")),
            (ending, _) => ending,
        }
    }
}

/// The service manager that listens there, if one does; one that cannot be told anything is a
/// warning.
fn manager(notify_socket: Option<&OsStr>, warnings: &mut Vec<Caveat>) -> Manager {
    match notify_socket.map(Manager::at) {
        None => Manager::default(),
        Some(Ok(manager)) => manager,
        Some(Err(error)) => {
            warnings.push(Caveat::new(CaveatKind::Supervisor, error.to_string()));
            Manager::default()
        }
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

/// What is started after the daemon, and can fail without it.
struct Listening {
    server: RunningServer,
    api: Arc<Api>,
    couriers: Arc<Couriers>,
    runtime: tokio::runtime::Runtime,
    milestones: Milestones,
}

impl Listening {
    /// Makes the token and binds the listeners of a daemon that runs.
    fn start(
        daemon: &Daemon,
        home: &Home,
        config: HostConfig,
        file: Config,
        passed: PassedListeners,
    ) -> Result<Self, HostError> {
        let token = Token::generate().map_err(HostError::Random)?;
        secret::write_secret(&home.token_file(), token.expose().as_bytes())
            .map_err(HostError::Token)?;
        let runtime = runtime().map_err(HostError::Runtime)?;
        let milestones = Milestones::of(daemon).map_err(HostError::Runtime)?;
        let couriers = Arc::new(Couriers::start(&file.sync, daemon.handle(), home)?);
        let places = places(home, &config.source.file, &[&file]);
        let socket = config.socket.unwrap_or_else(|| home.socket());
        let api = Arc::new(Api::new(ApiConfig {
            handle: daemon.handle().clone(),
            token,
            tcp_auth_none: file.tcp_auth == TcpAuth::None,
            socket: Some(passed.path().unwrap_or_else(|| socket.clone())),
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
            places,
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
        let server = Server::start_with(server_config, passed, api.clone(), runtime.handle())?;
        if let Some(address) = server.http_addr {
            api.set_http(address);
        }
        api.set_transport_counts(Arc::new(Counts(counters)));
        Ok(Self { server, api, couriers, runtime, milestones })
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
