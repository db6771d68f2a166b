//! Running `systemctl`, `loginctl` and `launchctl`: found in PATH, given whole arguments and no
//! shell, and ended when they take too long. A message bus that hangs must not hang us.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a question may take.
pub(super) const ASKING: Duration = Duration::from_secs(5);
/// How long starting and stopping may take: longer than the units' own limit for either.
pub(super) const ACTING: Duration = Duration::from_secs(60);
/// What is read of each stream; the rest is thrown away.
const MOST: u64 = 64 * 1024;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ProgramError {
    /// It is not there.
    #[error("{0} is not in PATH")]
    Missing(&'static str),
    /// The system refused to run it.
    #[error("cannot run {}", path.display())]
    Unusable {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long, and was ended.
    #[error("{name} did not answer within {} seconds", limit.as_secs())]
    TooLong {
        /// The program.
        name: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It ended with a failure.
    #[error("{name} failed{}", said(text))]
    Failed {
        /// The program.
        name: &'static str,
        /// What it said on stderr, else on stdout.
        text: String,
    },
}

/// What a program said, on one line.
fn said(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.is_empty() {
        true => " without a word".to_owned(),
        false => format!(": {}", lines.join("; ")),
    }
}

/// One program of the system.
#[derive(Debug, Clone)]
pub(super) struct Program {
    name: &'static str,
    path: PathBuf,
}

impl Program {
    /// The first executable file of this name in PATH. Entries of PATH that are not absolute are
    /// passed over: they would depend on the current directory.
    pub(super) fn find(name: &'static str) -> Result<Self, ProgramError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(name))
            .find(|file| is_executable(file));
        found.map(|path| Self { name, path }).ok_or(ProgramError::Missing(name))
    }

    /// As a person would type it.
    pub(super) fn line(&self, args: &[&str]) -> String {
        std::iter::once(self.name).chain(args.iter().copied()).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end; gives its stdout.
    pub(super) fn run(&self, args: &[&str], limit: Duration) -> Result<String, ProgramError> {
        let unusable = |source| ProgramError::Unusable { path: self.path.clone(), source };
        let mut child = Command::new(&self.path)
            .args(args.iter().map(OsString::from))
            .env("LC_ALL", "C.UTF-8")
            .env("SYSTEMD_COLORS", "0")
            .env("SYSTEMD_PAGER", "")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(unusable)?;
        let streams = (drained(child.stdout.take()), drained(child.stderr.take()));
        let deadline = Instant::now() + limit;
        let ended = wait(&mut child, deadline).map_err(unusable)?;
        let (Some(success), (Ok(out), Ok(err))) = (ended, streams) else {
            return Err(ProgramError::TooLong { name: self.name, limit });
        };
        let (Some(out), Some(err)) = (text(&out, deadline), text(&err, deadline)) else {
            return Err(ProgramError::TooLong { name: self.name, limit });
        };
        if success {
            return Ok(out);
        }
        let text = if err.trim().is_empty() { out } else { err };
        Err(ProgramError::Failed { name: self.name, text })
    }
}

/// Did it end well? `None` if it had to be ended.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<bool>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Reads a stream on a thread of its own, so that a full pipe stops nobody.
fn drained(stream: Option<impl Read + Send + 'static>) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("program".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is worth showing; the exit code says how it ended.
            let _ = stream.by_ref().take(MOST).read_to_end(&mut bytes);
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        // Nobody waits any more when the program took too long.
        let _ = sender.send(bytes);
    })?;
    Ok(receiver)
}

/// All of a stream; `None` if something that the program has left behind keeps it open.
fn text(stream: &Receiver<Vec<u8>>, deadline: Instant) -> Option<String> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    let bytes = stream.recv_timeout(left).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}
