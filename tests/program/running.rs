//! A daemon that runs as a process of its own, and requests to it as raw HTTP, so that no
//! client of ours stands between test and server.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::LazyLock;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::described;
use crate::kit::{DEADLINE, wait_until};

/// A daemon that runs; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    /// The first line on stdout.
    pub(crate) ready: Value,
    pub(crate) log: PathBuf,
}

impl Running {
    /// The next line on stdout, a JSON document.
    pub(crate) fn line(&self) -> Value {
        let line = self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| {
            panic!("no line on stdout; stderr says: {}", self.stderr());
        });
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Takes a line from stdout, if there is one already.
    pub(crate) fn has_line(&self) -> bool {
        self.lines.try_recv().is_ok()
    }

    /// What is left on stdout, once it has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        let http = self.ready["http"].as_str().expect("says where");
        http.strip_prefix("http://").expect("is plain HTTP")
    }

    pub(crate) fn socket(&self) -> &Path {
        Path::new(self.ready["socket"].as_str().expect("says where"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("is there");
    }

    /// Stops it, has something done, and lets it go on: nothing of it is seen as it happens.
    pub(crate) fn while_stopped(&self, act: impl FnOnce()) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.pid());
        wait_until("it is stopped", || {
            let text = fs::read_to_string(&stat).expect("runs");
            text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        });
        act();
        self.signal(Signal::CONT);
    }

    /// What the API says at this path, over TCP: to the socket only its own user may come.
    pub(crate) fn ask(&self, target: &str) -> Value {
        let reply = self.asked(target);
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        reply.json()
    }

    /// The same of a fresh read, which a slow machine may have to be asked for again.
    pub(crate) fn ask_fresh(&self, target: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let reply = self.asked(target);
            assert!(matches!(reply.status, 200 | 504), "{target}: {reply:?}");
            if reply.status == 200 {
                return reply.json();
            }
            assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {target}");
        }
    }

    fn asked(&self, target: &str) -> Reply {
        let token =
            self.socket().ancestors().find_map(|dir| fs::read(dir.join("state/token")).ok());
        let token = String::from_utf8(token.expect("has a token")).expect("is text");
        self.get(target, token.trim())
    }

    /// Waits for its end; gives the exit code, `None` after a signal.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.stderr());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait(), Some(0), "{}", self.stderr());
    }

    /// SIGKILL: no chance to do anything.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// A request over TCP with these header lines.
    pub(crate) fn tcp(&self, method: &str, target: &str, headers: &[&str]) -> Reply {
        let host = format!("Host: {}", self.address());
        let mut all = vec![host.as_str()];
        all.extend(headers);
        self.tcp_raw(method, target, &all, "")
    }

    /// A request over TCP with nothing added but the end of the connection.
    pub(crate) fn tcp_raw(
        &self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &str,
    ) -> Reply {
        let stream = TcpStream::connect(self.address()).expect("listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("is set");
        exchange(stream, method, target, headers, body)
    }

    /// A GET with the daemon's token.
    pub(crate) fn get(&self, target: &str, token: &str) -> Reply {
        self.tcp("GET", target, &[&format!("Authorization: Bearer {token}")])
    }

    /// A request over the Unix socket.
    pub(crate) fn unix(&self, method: &str, target: &str, headers: &[&str]) -> Reply {
        let stream = UnixStream::connect(self.socket()).expect("listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("is set");
        exchange(stream, method, target, headers, "")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The value of a header, by its name in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &str,
) -> Reply {
    let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    // A server that refuses early may reset the connection after its answer.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let reply = Reply { status, head: head.to_owned(), body: body.to_owned() };
    hold_to_description(method, target, &reply);
    reply
}

/// Whatever a test asks for: an answer is one that the API's description has.
fn hold_to_description(method: &str, target: &str, reply: &Reply) {
    static API: LazyLock<Value> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../static/openapi.json")).expect("is JSON")
    });
    let path = target.split('?').next().unwrap_or_default();
    // Without a status there is no answer; a stream of chunks is not for this; and what could
    // not be read as a request at all is refused by hyper, without a body.
    let is_whole = reply.header("transfer-encoding").is_none() && method != "HEAD";
    let is_refused_unread = matches!(reply.status, 400 | 431) && reply.body.is_empty();
    if reply.status == 0 || !is_whole || is_refused_unread {
        return;
    }
    // What is no path of ours gets a problem, as any path's other methods do.
    let (template, method) = match described::template_of(&API, path) {
        Some(template) => (template, method),
        None => ("/healthz", "NONE"),
    };
    let (kind, body) = (reply.header("content-type").unwrap_or_default(), reply.body.as_bytes());
    described::check_answer(&API, template, method, reply.status, kind, body)
        .unwrap_or_else(|fault| panic!("{method} {target}: {fault}: {reply:?}"));
}
