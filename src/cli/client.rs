//! HTTP over the daemon's Unix socket.
//!
//! Before anything is sent the uid of the process on the other side is read from the
//! connection: it must be ours or root's, so that a planted socket learns nothing. One
//! connection per request; the daemon is local, and nothing has to be kept alive. The
//! client blocks: the command line has nothing else to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::error::{CliError, ErrorKind};
use super::output::Output;
use super::problem::ProblemDocument;
use super::route::Route;

/// How long a connection may take: the daemon is local.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long reads may take.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// How long writes may take: the daemon answers after their effect, which may be the first
/// scan of a large project.
const WRITE_LIMIT: Duration = Duration::from_secs(660);
/// After this time a person is told what is being waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client of one daemon.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

/// A whole answer with a status of success.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200 or 201.
    pub status: StatusCode,
    /// All of it.
    pub body: Bytes,
}

impl Answer {
    /// The document, understood.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            CliError::new(ErrorKind::Protocol, "the daemon's answer cannot be understood")
                .because(error)
                .hint("if the daemon has another version than this command, restart it")
        })
    }
}

impl Client {
    /// A client of the daemon behind this socket. Nothing is connected yet.
    pub fn new(socket: PathBuf) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| CliError::io("cannot set up input and output", error))?;
        Ok(Self { socket, runtime })
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks, and waits for the whole answer. A refusal is an error.
    pub fn ask(&self, route: &Route) -> Result<Answer, CliError> {
        let limit = if route.method == http::Method::GET { READ_LIMIT } else { WRITE_LIMIT };
        self.runtime.block_on(ask(&self.socket, route, limit))
    }

    /// Like [`Client::ask`]; when it takes long, says on a terminal what is waited for.
    pub fn ask_patiently(
        &self,
        route: &Route,
        waiting_for: &str,
        output: &mut Output,
    ) -> Result<Answer, CliError> {
        self.runtime.block_on(async {
            let exchange = ask(&self.socket, route, WRITE_LIMIT);
            tokio::pin!(exchange);
            match tokio::time::timeout(PATIENCE, &mut exchange).await {
                Ok(answer) => answer,
                Err(_) => {
                    output.progress(waiting_for);
                    exchange.await
                }
            }
        })
    }

    /// Runs a future that uses [`ask`] or [`open`] on this client's runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// Asks, and waits for the whole answer, no longer than `limit`. A refusal is an error.
pub async fn ask(socket: &Path, route: &Route, limit: Duration) -> Result<Answer, CliError> {
    let exchange = async {
        let response = open(socket, route).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(broken_off)?.to_bytes();
        Ok(Answer { status, body })
    };
    tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
        let message = format!("the daemon did not answer within {} s", limit.as_secs());
        Err(CliError::new(ErrorKind::Protocol, message)
            .hint("look at what it logs, or restart it; `dossierd doctor` checks its surroundings"))
    })
}

/// Connects, asks, and returns the response as soon as its head is there. A refusal is an
/// error; the body of a success can be an endless stream.
pub async fn open(socket: &Path, route: &Route) -> Result<hyper::Response<Incoming>, CliError> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, transport::connect(socket))
        .await
        .unwrap_or_else(|_| {
            let message = format!("the daemon at {} does not accept connections", socket.display());
            Err(CliError::new(ErrorKind::Protocol, message).hint("restart it"))
        })?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(broken_off)?;
    // It ends with the connection; what went wrong in it is told through the response.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let response = sender.send_request(request(route)?).await.map_err(broken_off)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.into_body().collect().await.map_err(broken_off)?.to_bytes();
    let problem: ProblemDocument = serde_json::from_slice(&body).unwrap_or_default();
    Err(problem.into_error(status.as_u16()))
}

fn request(route: &Route) -> Result<hyper::Request<Full<Bytes>>, CliError> {
    let mut builder = hyper::Request::builder()
        .method(&route.method)
        .uri(&route.target)
        .header(header::HOST, "dossierd");
    let body = route.body.as_ref().map(ToString::to_string).unwrap_or_default();
    if route.body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    builder.body(Full::new(Bytes::from(body))).map_err(|error| {
        CliError::new(ErrorKind::Input, "this cannot be asked over HTTP").because(error)
    })
}

/// The connection ended before the answer did.
pub fn broken_off(error: hyper::Error) -> CliError {
    CliError::new(ErrorKind::Protocol, "the daemon ended the connection before its answer")
        .because(error)
        .hint("it may have been stopped just now; `dossierd doctor` tells")
}

/// No daemon is there.
fn no_daemon(socket: &Path, error: io::Error) -> CliError {
    let message = format!("no daemon is running (nothing answers at {})", socket.display());
    CliError::new(ErrorKind::NoDaemon, message)
        .because(error)
        .hint("start it with `dossierd run`, or `dossierd watch PATH`")
}

#[cfg(unix)]
mod transport {
    use super::*;
    use crate::platform::{runtime, user};

    /// Connects, and makes sure whose process is on the other side.
    pub(super) async fn connect(socket: &Path) -> Result<tokio::net::UnixStream, CliError> {
        runtime::check_socket_path(socket).map_err(|error| {
            CliError::new(ErrorKind::Input, "this is no path of a socket").because(error)
        })?;
        let stream = tokio::net::UnixStream::connect(socket).await.map_err(|error| match error
            .kind()
        {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => no_daemon(socket, error),
            io::ErrorKind::PermissionDenied => {
                let message = format!("{} belongs to another user", socket.display());
                CliError::io(message, error)
                    .hint("each user runs a daemon; start yours with `dossierd run`")
            }
            _ => CliError::io(format!("cannot connect to {}", socket.display()), error)
                .hint("check --socket; `dossierd doctor` looks at the default one"),
        })?;
        let peer = stream.peer_cred().map(|peer| peer.uid()).ok();
        if user::is_trusted_peer(peer) {
            return Ok(stream);
        }
        let whose = peer.map_or("an unknown user".to_owned(), |uid| format!("uid {uid}"));
        let message =
            format!("the process behind {} belongs to {whose}, not to you", socket.display());
        Err(CliError::new(ErrorKind::Untrusted, message)
            .hint("nothing was sent; find out who put this socket there, and remove it"))
    }
}

#[cfg(not(unix))]
mod transport {
    use super::*;

    pub(super) async fn connect(socket: &Path) -> Result<tokio::io::DuplexStream, CliError> {
        let error = io::Error::from(io::ErrorKind::Unsupported);
        Err(no_daemon(socket, error)
            .hint("this system has no Unix sockets; use the HTTP API of the daemon"))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
