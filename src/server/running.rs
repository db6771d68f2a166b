//! Starting and stopping the server.
//!
//! Everything that can fail fails in [`Server::start`], before the first connection is
//! accepted. Stopping has its own signal and a deadline: no new connections, streams end at
//! once, requests in flight are finished, and what is left at the deadline is cut.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::accept::serve;
use super::counters::Counters;
use super::error::{ServerError, Warning};
use super::exchange::Front;
use super::guard::{GuardConfig, TcpAuth, Transport};
use super::host::AllowedHosts;
use super::limits::Limits;
use super::listen::{IfBusy, bind_tcp};
#[cfg(unix)]
use super::passed::check_unix;
use super::passed::{PassedListeners, check_tcp, tcp_is_forbidden};
use super::pulse::Pulse;
use super::stop::{self, Stop, StopSender};
#[cfg(unix)]
use super::unix_acceptor::UnixAcceptor;
#[cfg(unix)]
use super::unix_socket::{bind_unix, is_same_file};
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
    /// Where TCP is served, with the real port; `None` where the system allows no TCP.
    pub http_addr: Option<SocketAddr>,
    /// Where the Unix socket is served; `None` on systems that have none.
    pub socket_path: Option<PathBuf>,
    /// What the user should be told.
    pub warnings: Vec<Warning>,
    /// Tells whether both still accept.
    pub pulse: Pulse,
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
        Self::start_with(config, PassedListeners::default(), service, runtime)
    }

    /// The same with listeners that were passed, which are served instead of what the
    /// configuration names.
    pub fn start_with(
        config: ServerConfig,
        passed: PassedListeners,
        service: Arc<dyn Service>,
        runtime: &Handle,
    ) -> Result<RunningServer, ServerError> {
        config.limits.check()?;
        let _runtime = runtime.enter();
        let mut warnings = Vec::new();
        let tcp = listen_tcp(&config, passed.tcp, &mut warnings)?;
        let http_addr = tcp.as_ref().map(|(_, address)| *address);
        let guard = GuardConfig {
            hosts: AllowedHosts::new(http_addr.unwrap_or(config.listen), &config.allowed_hosts)?,
            tcp_auth: config.tcp_auth,
            uri_bytes: config.limits.uri_bytes,
        };
        let (sender, stop) = stop::channel();
        let front = |transport| front(transport, &guard, &config, &service, &stop);
        let (mut loops, mut pulse) = (JoinSet::new(), Pulse::default());
        #[cfg(unix)]
        let socket_path = {
            let (acceptor, path) = listen_unix(&config, passed.unix, &mut warnings)?;
            loops.spawn(serve(acceptor, front(Transport::Unix), pulse.add()));
            Some(path)
        };
        #[cfg(not(unix))]
        let socket_path = None;
        if let Some((listener, _)) = tcp {
            loops.spawn(serve(listener, front(Transport::Tcp), pulse.add()));
            let open = (config.tcp_auth == TcpAuth::None).then_some(Warning::NoTcpAuth);
            warnings.extend(open);
        }
        Ok(RunningServer { http_addr, socket_path, warnings, pulse, stop: sender, loops })
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
    let (_, streams) = config.limits.of(transport);
    Arc::new(Front {
        transport,
        guard: guard.clone(),
        limits: config.limits.clone(),
        service: Arc::clone(service),
        counters: Arc::clone(&config.counters),
        streams: Arc::new(Semaphore::new(streams)),
        stop: stop.clone(),
    })
}

/// The listener on TCP with its address: the one that was passed, or a new one; none where
/// the system allows none and there is another transport.
fn listen_tcp(
    config: &ServerConfig,
    passed: Option<std::net::TcpListener>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<(TcpListener, SocketAddr)>, ServerError> {
    let wanted = config.listen;
    let (listener, got) = if let Some(passed) = passed {
        let (listener, got) = check_tcp(passed)?;
        let is_meant = got.ip() == wanted.ip() && (wanted.port() == 0 || got == wanted);
        let was_asked_for = config.if_busy == IfBusy::Fail;
        warnings
            .extend((was_asked_for && !is_meant).then_some(Warning::OtherAddress { wanted, got }));
        (listener, got)
    } else {
        match bind_tcp(wanted, config.if_busy) {
            Ok((listener, busy)) => {
                warnings.extend(busy);
                let failed = |source| ServerError::Listen { address: wanted, source };
                let got = listener.local_addr().map_err(failed)?;
                (listener, got)
            }
            Err(error @ ServerError::Listen { .. }) => match tcp_is_forbidden() {
                Some(why) => {
                    warnings.push(Warning::NoTcp { why: why.to_string() });
                    return Ok(None);
                }
                None => return Err(error),
            },
            Err(error) => return Err(error),
        }
    };
    let failed = |source| ServerError::Listen { address: got, source };
    Ok(Some((TcpListener::from_std(listener).map_err(failed)?, got)))
}

/// The listener on the Unix socket with its path: the one that was passed, or a new one.
#[cfg(unix)]
fn listen_unix(
    config: &ServerConfig,
    passed: Option<std::os::unix::net::UnixListener>,
    warnings: &mut Vec<Warning>,
) -> Result<(UnixAcceptor, PathBuf), ServerError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ServerError::Socket { doing: "listen at", path, source }
    };
    let Some(passed) = passed else {
        let socket = bind_unix(&config.socket)?;
        let path = socket.path().to_owned();
        return Ok((UnixAcceptor::new(socket).map_err(failed(&path))?, path));
    };
    let (listener, got) = check_unix(passed)?;
    if !is_same_file(&got, &config.socket) {
        let wanted = config.socket.clone();
        warnings.push(Warning::OtherSocket { wanted, got: got.clone() });
    }
    Ok((UnixAcceptor::passed(listener).map_err(failed(&got))?, got))
}
