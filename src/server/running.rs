//! Starting and stopping the server.
//!
//! Everything that can fail fails in [`Server::start`], before the first connection is
//! accepted. Stopping has its own signal and a deadline: no new connections, streams end at
//! once, requests in flight are finished, and what is left at the deadline is cut.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::accept::serve;
use super::counters::Counters;
use super::error::{ServerError, Warning};
use super::exchange::Front;
use super::guard::{GuardConfig, TcpAuth, Transport};
use super::host::AllowedHosts;
use super::limits::Limits;
use super::listen::{IfBusy, bind_tcp};
use super::rules::Rules;
use super::stop::{self, Stop, StopSender};
use crate::api::http::Service;

/// Where to listen, and what to ask of clients.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// A loopback address; port 0 has one picked.
    pub listen: SocketAddr,
    /// What to do when its port is in use.
    pub if_busy: IfBusy,
    /// The Unix socket, an absolute path in a directory of our own. Systems without Unix
    /// sockets ignore it.
    pub socket: PathBuf,
    /// What TCP asks for.
    pub tcp_auth: TcpAuth,
    /// More names that `Host` may have over TCP, with a port or without.
    pub allowed_hosts: Vec<String>,
    /// What clients may take.
    pub limits: Limits,
    /// What is counted, to be shared with whatever shows it.
    pub counters: Arc<Counters>,
}

/// The way to a [`RunningServer`].
#[derive(Debug)]
pub struct Server;

/// A server that listens. Dropping it cuts all connections.
#[derive(Debug)]
pub struct RunningServer {
    /// Where TCP is served, with the real port.
    pub http_addr: SocketAddr,
    /// Where the Unix socket is served; `None` on systems that have none.
    pub socket_path: Option<PathBuf>,
    /// What the user should be told.
    pub warnings: Vec<Warning>,
    pub(super) fronts: Vec<Arc<Front>>,
    stop: StopSender,
    loops: JoinSet<()>,
}

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Every request in flight was answered.
    Clean,
    /// The deadline came first; some connections were cut.
    Cut,
}

impl Server {
    /// Binds both listeners and starts to accept, on the runtime of `runtime` (which needs
    /// its time and IO drivers). The caller holds the lock of the single instance.
    pub fn start(
        config: ServerConfig,
        service: Arc<dyn Service>,
        runtime: &Handle,
    ) -> Result<RunningServer, ServerError> {
        config.limits.check()?;
        let _runtime = runtime.enter();
        let (listener, busy) = bind_tcp(config.listen, config.if_busy)?;
        let failed = |source| ServerError::Listen { address: config.listen, source };
        let http_addr = listener.local_addr().map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let guard = GuardConfig {
            hosts: AllowedHosts::new(http_addr, &config.allowed_hosts)?,
            tcp_auth: config.tcp_auth,
            uri_bytes: config.limits.uri_bytes,
        };
        let (sender, stop) = stop::channel();
        let fronts = [Transport::Unix, Transport::Tcp]
            .map(|transport| front(transport, &guard, &config, &service, &stop));
        let [unix, tcp] = &fronts;
        let mut loops = JoinSet::new();
        let socket_path = start_unix(&config, Arc::clone(unix), &mut loops)?;
        loops.spawn(serve(listener, Arc::clone(tcp)));
        let open = (config.tcp_auth == TcpAuth::None).then_some(Warning::NoTcpAuth);
        let warnings = busy.into_iter().chain(open).collect();
        let fronts = fronts.into();
        Ok(RunningServer { http_addr, socket_path, warnings, fronts, stop: sender, loops })
    }
}

impl RunningServer {
    /// Resolves only if a part of the server ends although nobody asked for it, which is a
    /// bug; the process should end then, so that it is started anew.
    pub async fn failed(&mut self) {
        // An empty set would mean that all parts have ended, which is a failure as well.
        let _ = self.loops.join_next().await;
    }

    /// Stops accepting, ends streams, finishes what is in flight for at most `deadline`, and
    /// cuts the rest.
    pub async fn shutdown(mut self, deadline: Duration) -> Shutdown {
        self.stop.ask();
        let all = async { while self.loops.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all).await.is_ok() {
            return Shutdown::Clean;
        }
        self.loops.shutdown().await;
        Shutdown::Cut
    }
}

fn front(
    transport: Transport,
    guard: &GuardConfig,
    config: &ServerConfig,
    service: &Arc<dyn Service>,
    stop: &Stop,
) -> Arc<Front> {
    let rules = Rules { guard: guard.clone(), limits: config.limits.clone() };
    let (service, counters) = (Arc::clone(service), Arc::clone(&config.counters));
    Arc::new(Front::new(transport, rules, service, counters, stop.clone()))
}

#[cfg(unix)]
fn start_unix(
    config: &ServerConfig,
    front: Arc<Front>,
    loops: &mut JoinSet<()>,
) -> Result<Option<PathBuf>, ServerError> {
    let socket = super::unix_socket::bind_unix(&config.socket)?;
    let path = socket.path().to_owned();
    let acceptor = super::unix_acceptor::UnixAcceptor::new(socket)
        .map_err(|source| ServerError::Socket { doing: "listen at", path: path.clone(), source })?;
    loops.spawn(serve(acceptor, front));
    Ok(Some(path))
}

#[cfg(not(unix))]
fn start_unix(
    _: &ServerConfig,
    _: Arc<Front>,
    _: &mut JoinSet<()>,
) -> Result<Option<PathBuf>, ServerError> {
    Ok(None)
}
