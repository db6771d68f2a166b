//! A place in a temporary directory, with a home and a project, in which the real binary
//! runs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use crate::running::{Reply, Running};

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
    pub(crate) fn of(output: Output) -> Self {
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

    /// Starts it and waits until it is ready.
    pub(crate) fn launch(&self, command: Command) -> Running {
        let mut running = self.begin(command);
        running.ready = running.line();
        running
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn begin(&self, mut command: Command) -> Running {
        let number = self.logs.fetch_add(1, Ordering::Relaxed);
        let log = self.path().join(format!("stderr-{number}"));
        command.stderr(File::create(&log).expect("made")).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let lines = lines_of(child.stdout.take().expect("is piped"));
        Running { child, lines, ready: Value::Null, log }
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
