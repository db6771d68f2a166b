//! A place in a temporary directory, with a home and a project, in which the real binary
//! runs; requests as raw HTTP, so that no client of ours stands between test and server.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dossierd");

/// A home and a project in a directory of their own.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    logs: AtomicU32,
    /// What the binary is started through: as another user, for one.
    through: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// stdout as it is.
    pub(crate) bytes: Vec<u8>,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// stdout as exactly one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Ended with this code, and says all of these on stderr.
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {}", self.err);
        }
    }

    /// Ended with 0; gives stdout.
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("dsr").tempdir().expect("a directory");
        fs::create_dir(dir.path().join("project")).expect("made");
        Self { dir, logs: AtomicU32::new(0), through: Vec::new() }
    }

    /// A place whose project has one feature `plan-me`, complete at step plan.
    pub(crate) fn with_feature() -> Self {
        let place = Self::new();
        place.kittify();
        place.planned("plan-me");
        place
    }

    /// Starts the binary through this from now on; it has to end with the binary.
    pub(crate) fn set_through(&mut self, through: Vec<String>) {
        self.through = through;
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("exists")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    pub(crate) fn feature(&self, slug: &str) -> PathBuf {
        self.project().join("kitty-specs").join(slug)
    }

    /// Where the daemon keeps the files of a feature.
    pub(crate) fn dossier(&self, slug: &str) -> PathBuf {
        self.project().join(".kittify/dossiers").join(slug)
    }

    /// Makes the project one that can hold the daemon's files.
    pub(crate) fn kittify(&self) {
        fs::create_dir_all(self.project().join(".kittify")).expect("made");
    }

    /// Writes a file of a feature, with the directories above it.
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        write(&self.project().join("kitty-specs").join(relative), content);
    }

    /// A software-dev feature that is complete at step plan.
    pub(crate) fn planned(&self, slug: &str) {
        let meta = r#"{"mission_type": "software-dev", "current_step": "plan"}"#;
        self.write(&format!("{slug}/meta.json"), meta);
        for name in ["spec.md", "plan.md", "tasks.md"] {
            self.write(&format!("{slug}/{name}"), format!("# {name}\n"));
        }
    }

    /// The binary, in this place and in no terminal.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.through.as_slice() {
            [] => Command::new(BINARY),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest);
                command
            }
        };
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("DOSSIERD_HOME", self.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("runs"))
    }

    /// Runs a command in a directory of the project.
    pub(crate) fn run_in(&self, dir: &Path, args: &[&str]) -> Ran {
        Ran::of(self.command(args).current_dir(dir).output().expect("runs"))
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Running {
        self.start_with(&["run", "--listen", "127.0.0.1:0", "--json"])
    }

    /// Starts something that says on stdout when it is ready.
    pub(crate) fn start_with(&self, args: &[&str]) -> Running {
        self.launch(self.command(args))
    }

    /// Starts the daemon through a shell, which has to `exec "$@"` after what it does.
    pub(crate) fn start_through(&self, launcher: &[&str], script: &str) -> Running {
        let mut command = self.command(&[]);
        let mut all = Command::new(launcher[0]);
        all.args(&launcher[1..])
            .args(["sh", "-ec", script, "sh", BINARY, "run", "--listen", "127.0.0.1:0", "--json"])
            .current_dir(self.path())
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null());
        command = all;
        self.launch(command)
    }

    fn launch(&self, mut command: Command) -> Running {
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        let log = self.path().join(format!("stderr-{number}"));
        command.stderr(File::create(&log).expect("made")).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let lines = lines_of(child.stdout.take().expect("is piped"));
        let mut running = Running { child, lines, ready: Value::Null, log };
        running.ready = running.line();
        running
    }

    /// Starts the daemon with the project registered.
    pub(crate) fn start_registered(&self) -> Running {
        let running = self.start();
        self.run(&["add", "project"]).fine();
        running
    }

    /// All events of a feature, oldest first.
    pub(crate) fn log(&self, slug: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.dossier(slug).join("events.jsonl")).expect("has a log");
        text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
    }
}

/// A daemon that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// The first line on stdout.
    pub(crate) ready: Value,
    log: PathBuf,
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
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

/// Lines as they come.
pub(crate) fn lines_of(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Writes a file, with the directories above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("has a parent")).expect("made");
    fs::write(path, content).expect("written");
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The permission bits of a path, not following links.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::symlink_metadata(path).expect("exists").permissions().mode() & 0o7777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

/// Are we root? Says loudly that a test is left out if not.
pub(crate) fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED, needs root: {what}");
    }
    root
}

/// A snapshot without what two scans of the same content differ in.
pub(crate) fn without_volatile(mut snapshot: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for name in ["snapshot_id", "computed_at", "indexed_at", "captured_at"] {
                    members.remove(name);
                }
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut snapshot);
    snapshot
}
