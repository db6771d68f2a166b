//! A blocking HTTP client on one connection that is kept alive.
//!
//! It does as little as possible between request and answer, so that what is timed is the
//! server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fault::{Outcome, While, failed};

/// Longer than anything that is waited for.
const TIME_OUT: Duration = Duration::from_secs(300);

/// Either transport.
trait Stream: Read + Write + Send {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// A server lets go of connections that are not used for a while; so do we, before it.
const IDLE: Duration = Duration::from_secs(5);

/// Where to connect to.
enum Place {
    Unix(PathBuf),
    Tcp(String),
}

/// A connection, made again when it was not used for a while.
pub(crate) struct Client {
    place: Place,
    stream: Box<dyn Stream>,
    used: Instant,
    /// Header lines of every request.
    headers: String,
    /// Bytes that were read; an answer, and nothing beyond it.
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Place {
    fn connect(&self) -> Outcome<Box<dyn Stream>> {
        const WHAT: &str = "cannot set up a connection";
        match self {
            Self::Unix(socket) => {
                let stream = UnixStream::connect(socket).at("cannot connect to", socket)?;
                stream.set_read_timeout(Some(TIME_OUT)).during(WHAT)?;
                Ok(Box::new(stream))
            }
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address);
                let stream = stream.during(&format!("cannot connect to {address}"))?;
                stream.set_read_timeout(Some(TIME_OUT)).during(WHAT)?;
                stream.set_nodelay(true).during(WHAT)?;
                Ok(Box::new(stream))
            }
        }
    }
}

impl Client {
    /// Over a Unix socket.
    pub(crate) fn unix(socket: &Path) -> Outcome<Self> {
        Self::new(Place::Unix(socket.to_path_buf()), "Host: dossierd\r\n".to_owned())
    }

    /// Over TCP, with these header lines.
    pub(crate) fn tcp(address: &str, headers: &str) -> Outcome<Self> {
        Self::new(Place::Tcp(address.to_owned()), format!("Host: {address}\r\n{headers}"))
    }

    fn new(place: Place, headers: String) -> Outcome<Self> {
        let stream = place.connect()?;
        Ok(Self { place, stream, used: Instant::now(), headers, buffer: Vec::new() })
    }

    /// A GET; `headers` are lines with their ends.
    pub(crate) fn get(&mut self, target: &str, headers: &str) -> Outcome<Reply> {
        self.exchange("GET", target, headers, "")
    }

    /// A POST of JSON.
    pub(crate) fn post(&mut self, target: &str, body: &str) -> Outcome<Reply> {
        let headers =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        self.exchange("POST", target, &headers, body)
    }

    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> Outcome<Reply> {
        let request = format!("{method} {target} HTTP/1.1\r\n{}{headers}\r\n{body}", self.headers);
        let what = format!("{method} {target}");
        if self.used.elapsed() > IDLE {
            self.stream = self.place.connect()?;
        }
        self.stream.write_all(request.as_bytes()).during(&what)?;
        self.buffer.clear();
        let end = loop {
            self.read(&what)?;
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let Some(status) = status else { return failed(format!("{what}: no HTTP answer: {head}")) };
        let mut reply = Reply { status, head, body: Vec::new() };
        let length = match (status, reply.header("content-length")) {
            (304, _) => 0,
            (_, Some(length)) => length.parse().during(&what)?,
            (_, None) => return failed(format!("{what}: an answer without a length")),
        };
        while self.buffer.len() < end + 4 + length {
            self.read(&what)?;
        }
        self.used = Instant::now();
        reply.body.extend_from_slice(&self.buffer[end + 4..end + 4 + length]);
        Ok(reply)
    }

    fn read(&mut self, what: &str) -> Outcome<()> {
        let before = self.buffer.len();
        self.buffer.resize(before + 64 * 1024, 0);
        let read = self.stream.read(&mut self.buffer[before..]).during(what)?;
        self.buffer.truncate(before + read);
        if read == 0 { failed(format!("{what}: the connection was closed")) } else { Ok(()) }
    }
}

impl Reply {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The reply, if it is one of success.
    pub(crate) fn fine(self) -> Outcome<Self> {
        match self.status {
            200..=304 => Ok(self),
            _ => failed(format!(
                "the daemon answered {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body).trim()
            )),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Outcome<serde_json::Value> {
        serde_json::from_slice(&self.body).during("the answer is no JSON")
    }
}
