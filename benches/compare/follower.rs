//! Many connections that follow the event stream, read by one thread.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::daemon::Daemon;
use crate::fault::{Outcome, While, failed};

const TARGET: &str = "/api/dossier/events?follow=true";

/// Either transport.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// One follower.
pub(crate) struct Follower {
    stream: Stream,
    body: Chunked,
    /// When each event arrived, by its id.
    pub(crate) seen: HashMap<String, Instant>,
    /// The daemon has ended the stream.
    pub(crate) ended: bool,
}

impl Follower {
    /// Connects, and waits until the daemon has begun to answer.
    pub(crate) fn connect(daemon: &Daemon, token: Option<&str>) -> Outcome<Self> {
        let what = "cannot follow the events";
        let (mut stream, headers) = match token {
            Some(token) => {
                let stream = TcpStream::connect(&daemon.address).during(what)?;
                let headers =
                    format!("Host: {}\r\nAuthorization: Bearer {token}\r\n", daemon.address);
                (Stream::Tcp(stream), headers)
            }
            None => {
                let stream = UnixStream::connect(&daemon.socket).during(what)?;
                (Stream::Unix(stream), "Host: dossierd\r\n".to_owned())
            }
        };
        stream
            .write_all(format!("GET {TARGET} HTTP/1.1\r\n{headers}\r\n").as_bytes())
            .during(what)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).during(what)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        if !head.starts_with("http/1.1 200") || !head.contains("transfer-encoding: chunked") {
            let status = head.lines().next().unwrap_or_default();
            return failed(format!("{what}: the daemon answers {status}"));
        }
        stream.set_nonblocking().during(what)?;
        Ok(Self { stream, body: Chunked::default(), seen: HashMap::new(), ended: false })
    }

    /// Takes what has arrived.
    fn take(&mut self, buffer: &mut [u8]) -> Outcome<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(read) => {
                    let now = Instant::now();
                    self.body.push(&buffer[..read])?;
                    while let Some(line) = self.body.line() {
                        if let Some(id) = event_id(&line) {
                            self.seen.entry(id).or_insert(now);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).during("a follower lost its connection"),
            }
        }
    }
}

/// Waits until something arrives for one of them, no longer than `limit`, and takes it.
pub(crate) fn take_what_arrives(followers: &mut [Follower], limit: Duration) -> Outcome<()> {
    let limit = Timespec::try_from(limit).during("too long a time")?;
    let mut fds: Vec<PollFd<'_>> = followers
        .iter()
        .map(|follower| PollFd::from_borrowed_fd(follower.stream.as_fd(), PollFlags::IN))
        .collect();
    poll(&mut fds, Some(&limit)).during("cannot wait for events")?;
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    drop(fds);
    let mut buffer = vec![0; 64 * 1024];
    for (follower, ready) in followers.iter_mut().zip(ready) {
        if ready && !follower.ended {
            follower.take(&mut buffer)?;
        }
    }
    Ok(())
}

/// The id of an event; heartbeats have none.
fn event_id(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Event {
        event_id: Option<String>,
    }
    serde_json::from_slice::<Event>(line).ok()?.event_id
}

/// A body in chunks (RFC 9112 section 7.1), as lines.
#[derive(Default)]
struct Chunked {
    raw: Vec<u8>,
    /// Bytes of the current chunk that are still to come, with the line end after it.
    left: usize,
    lines: Vec<u8>,
    /// Up to here `lines` has been given out.
    given: usize,
}

impl Chunked {
    fn push(&mut self, bytes: &[u8]) -> Outcome<()> {
        const LINE_END: usize = 2;
        self.raw.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = &self.raw[at..];
            if self.left > LINE_END {
                let taken = rest.len().min(self.left - LINE_END);
                self.lines.extend_from_slice(&rest[..taken]);
                self.left -= taken;
                at += taken;
                if taken == 0 {
                    break;
                }
            } else if self.left > 0 {
                let taken = rest.len().min(self.left);
                self.left -= taken;
                at += taken;
                if taken == 0 {
                    break;
                }
            } else {
                let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") else { break };
                let size = String::from_utf8_lossy(&rest[..end]).into_owned();
                let size = usize::from_str_radix(&size, 16).during("a chunk without a size")?;
                self.left = size + LINE_END;
                at += end + LINE_END;
            }
        }
        self.raw.drain(..at);
        Ok(())
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = &self.lines[self.given..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.lines.drain(..self.given);
            self.given = 0;
            return None;
        };
        let line = rest[..end].to_vec();
        self.given += end + 1;
        Some(line)
    }
}

impl Stream {
    fn set_nonblocking(&self) -> std::io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_nonblocking(true),
            Self::Tcp(stream) => stream.set_nonblocking(true),
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
