//! A server in a directory of its own, and a client that sends and reads bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dossierd::server::{
    Counters, IfBusy, Limits, RunningServer, Server, ServerConfig, ServerError, Shutdown, TcpAuth,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::sample::{Sample, TOKEN, sample};

/// No step of a test may take longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A running server with the sample service.
pub(crate) struct Site {
    pub(crate) addr: SocketAddr,
    pub(crate) socket: PathBuf,
    pub(crate) sample: Arc<Sample>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) server: Option<RunningServer>,
    runtime: Runtime,
    directory: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A server whose configuration a test changes.
    pub(crate) fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let runtime = runtime();
        let directory = private_directory();
        let mut config = config(&directory);
        change(&mut config);
        let sample = sample();
        let server = start(&config, &sample, &runtime).unwrap();
        Self {
            addr: server.http_addr.expect("serves TCP"),
            socket: config.socket,
            sample,
            counters: config.counters,
            server: Some(server),
            runtime,
            directory,
        }
    }

    pub(crate) fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|config| change(&mut config.limits))
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The `Host` of this server.
    pub(crate) fn host(&self) -> String {
        self.addr.to_string()
    }

    pub(crate) fn tcp(&self) -> Wire<TcpStream> {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Wire { stream, read: Vec::new() }
    }

    pub(crate) fn unix(&self) -> Wire<UnixStream> {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Wire { stream, read: Vec::new() }
    }

    /// One request over TCP with the right Host and token, and more header lines.
    pub(crate) fn ask(&self, method: &str, path: &str, more: &[&str]) -> Reply {
        self.tcp().ask(&self.request(method, path, more))
    }

    /// The bytes of a request without a body, with the right Host and token.
    pub(crate) fn request(&self, method: &str, path: &str, more: &[&str]) -> String {
        let (host, token) =
            (format!("Host: {}", self.host()), format!("Authorization: Bearer {TOKEN}"));
        let mut lines = vec![host.as_str(), token.as_str()];
        lines.extend(more);
        head(method, path, &lines)
    }

    pub(crate) fn shutdown(&mut self, deadline: Duration) -> Shutdown {
        self.runtime.block_on(self.server.take().unwrap().shutdown(deadline))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown(Duration::ZERO));
        }
    }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A directory with mode 0700, as the runtime directory is.
pub(crate) fn private_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o700)).unwrap();
    directory
}

pub(crate) fn config(directory: &TempDir) -> ServerConfig {
    ServerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        if_busy: IfBusy::Fail,
        socket: directory.path().join("api.sock"),
        tcp_auth: TcpAuth::Token,
        allowed_hosts: Vec::new(),
        limits: Limits::default(),
        counters: Arc::default(),
    }
}

pub(crate) fn start(
    config: &ServerConfig,
    sample: &Arc<Sample>,
    runtime: &Runtime,
) -> Result<RunningServer, ServerError> {
    let service: Arc<Sample> = Arc::clone(sample);
    Server::start(config.clone(), service, runtime.handle())
}

/// The bytes of a request's head.
pub(crate) fn head(method: &str, path: &str, lines: &[&str]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

/// Waits for a condition, and fails with its name after the deadline.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A connection and what was read from it too early.
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> Reply {
        self.send(request);
        self.reply(request.starts_with("HEAD "))
    }

    /// Reads one answer.
    #[track_caller]
    pub(crate) fn reply(&mut self, is_head: bool) -> Reply {
        let mut reply = self.reply_head();
        if is_head || reply.status == 304 {
            return reply;
        }
        reply.body = match reply.header("transfer-encoding") {
            Some("chunked") => self.chunks(),
            _ => {
                let length = reply.header("content-length").unwrap_or("0").parse().unwrap();
                self.take(length)
            }
        };
        reply
    }

    /// Reads the head of an answer.
    #[track_caller]
    pub(crate) fn reply_head(&mut self) -> Reply {
        let text = self.take_to(b"\r\n\r\n");
        let text = String::from_utf8(text).unwrap();
        let (status, headers) = text.split_once("\r\n").unwrap();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = headers
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Reply { status, headers, body: Vec::new() }
    }

    /// Reads one chunk of a stream; empty at its end.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let size = String::from_utf8(self.take_to(b"\r\n")).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = self.take(size);
        assert_eq!(self.take(2), b"\r\n");
        chunk
    }

    #[track_caller]
    fn chunks(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let chunk = self.chunk();
            if chunk.is_empty() {
                return all;
            }
            all.extend(chunk);
        }
    }

    #[track_caller]
    fn take_to(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return self.read.drain(..at + end.len()).collect();
            }
            assert!(
                self.fill(),
                "closed before an answer: {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    #[track_caller]
    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.fill(), "closed within an answer of {length} bytes");
        }
        self.read.drain(..length).collect()
    }

    /// Reads what comes; false at the end.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.read.extend_from_slice(&bytes[..length]);
                true
            }
            Err(error) if is_reset(&error) => false,
            Err(error) => panic!("no answer in time: {error}"),
        }
    }

    /// Reads until the server closes; returns what came, or nothing after a reset.
    #[track_caller]
    pub(crate) fn rest(mut self) -> Vec<u8> {
        while self.fill() {}
        self.read
    }
}

fn is_reset(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next()?;
        assert!(found.next().is_none(), "{name} is there twice");
        Some(&value.1)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> String {
        let Ok(problem) = serde_json::from_slice::<serde_json::Value>(&self.body) else {
            return String::new();
        };
        assert_eq!(problem["status"], self.status, "status of the problem");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}
