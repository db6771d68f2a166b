//! Mounts and unmounts, which file events do not tell of: a directory that is mounted
//! over, or uncovered, goes on in silence.
//!
//! A thread waits for the kernel to say that the table of mounts changed, compares it
//! with what it was, and reports an overflow if a root is concerned.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeWriter, Read, Seek};
use std::ops::Deref;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::{DirtySet, StatError};

const TABLE: &str = "/proc/self/mountinfo";

/// Watches the table of mounts until dropped.
#[derive(Debug)]
pub struct MountWatch {
    /// Closing it is what tells the thread to end.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl MountWatch {
    /// Starts. An overflow is pushed whenever something is mounted on, or unmounted from,
    /// a place at, above or below a root that `dirty` knows.
    ///
    /// # Errors
    /// When the table cannot be read, or a pipe or thread not be had.
    pub fn start(dirty: Arc<DirtySet>) -> Result<Self, StatError> {
        let failed = |source| StatError { path: PathBuf::from(TABLE), source };
        let mut table = File::open(TABLE).map_err(failed)?;
        let mut known = read(&mut table).map_err(failed)?;
        let (stopped, stop) = io::pipe().map_err(failed)?;
        let thread = thread::Builder::new()
            .name("mounts".into())
            .spawn(move || {
                let dirty = TellsOfPanic(dirty);
                loop {
                    let mut fds = [
                        PollFd::new(&table, PollFlags::PRI),
                        PollFd::new(&stopped, PollFlags::empty()),
                    ];
                    match poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(errno) => return dirty.push_overflow(blind(errno.into())),
                    }
                    // A hang-up is reported without being asked for.
                    if !fds[1].revents().is_empty() {
                        return;
                    }
                    if fds[0].revents().is_empty() {
                        continue;
                    }
                    match read(&mut table) {
                        Ok(now) => {
                            report(&dirty, &known, &now);
                            known = now;
                        }
                        Err(error) => return dirty.push_overflow(blind(error)),
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// The set, for as long as the thread lives: should it panic, the set is told.
struct TellsOfPanic(Arc<DirtySet>);

impl Deref for TellsOfPanic {
    type Target = DirtySet;

    fn deref(&self) -> &DirtySet {
        &self.0
    }
}

impl Drop for TellsOfPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.push_panic("the thread that watches mounts");
        }
    }
}

impl Drop for MountWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watched mounts had panicked");
        }
    }
}

/// What is said when mounts can no longer be seen.
fn blind(error: io::Error) -> String {
    tracing::warn!(%error, "mounts are no longer watched");
    "mounts are no longer watched".into()
}

/// One line per mount.
fn read(table: &mut File) -> io::Result<HashSet<Vec<u8>>> {
    let mut bytes = Vec::new();
    table.rewind()?;
    table.read_to_end(&mut bytes)?;
    Ok(bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect())
}

fn report(dirty: &DirtySet, before: &HashSet<Vec<u8>>, now: &HashSet<Vec<u8>>) {
    for line in before.symmetric_difference(now) {
        let Some(point) = mount_point(line) else {
            return dirty.push_overflow("mounts changed");
        };
        if dirty.touches_root(&point) {
            return dirty.push_overflow(format!("mounts changed at {}", point.display()));
        }
    }
}

/// The fifth field of a line, see proc_pid_mountinfo(5): blanks, tabs, newlines and
/// backslashes in it are written as a backslash and three octal digits.
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let mut field = line.split(|b| *b == b' ').nth(4)?;
    let mut path = Vec::with_capacity(field.len());
    while let [first, rest @ ..] = field {
        match (first, rest) {
            (b'\\', [a, b, c, rest @ ..]) => {
                let digits = [*a, *b, *c];
                let text = std::str::from_utf8(&digits).ok()?;
                path.push(u8::from_str_radix(text, 8).ok()?);
                field = rest;
            }
            (b'\\', _) => return None,
            (byte, rest) => {
                path.push(*byte);
                field = rest;
            }
        }
    }
    let path = PathBuf::from(OsString::from_vec(path));
    Path::is_absolute(&path).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    #[test]
    fn reads_the_mount_point_of_a_line() {
        let line =
            |point: &str| format!("36 35 98:0 / {point} rw,noatime master:1 - ext3 /dev/x rw");
        let table = [
            ("/mnt2", Some("/mnt2")),
            (r"/a\040b\011c\134d", Some("/a b\tc\\d")),
            (r"/a\04", None),
            (r"/a\999", None),
            ("rel", None),
        ];
        for (field, expected) in table {
            let found = mount_point(line(field).as_bytes());
            assert_eq!(found, expected.map(PathBuf::from), "{field}");
        }
        assert_eq!(mount_point(b"36 35"), None);
    }

    #[test]
    fn reports_only_what_concerns_a_root() {
        let dirty = DirtySet::new();
        dirty.add_root(Path::new("/home/me/p"));
        let table = |points: &[&str]| -> HashSet<Vec<u8>> {
            points.iter().map(|p| format!("1 2 0:1 / {p} rw - t t rw").into_bytes()).collect()
        };
        let cases = [
            ("/home", true),
            ("/home/me/p", true),
            ("/home/me/p/kitty-specs", true),
            ("/home/me/q", false),
            ("/var/lib/x", false),
        ];
        for (point, concerns) in cases {
            for (before, now) in [(table(&[]), table(&[point])), (table(&[point]), table(&[]))] {
                report(&dirty, &before, &now);
                assert_eq!(dirty.take().overflow.is_some(), concerns, "{point}");
            }
        }
        report(&dirty, &HashSet::from([b"nonsense".to_vec()]), &table(&[]));
        assert!(dirty.take().overflow.is_some(), "in doubt, yes");
    }

    #[test]
    fn ends_when_dropped_and_says_nothing() {
        let dirty = Arc::new(DirtySet::new());
        drop(MountWatch::start(Arc::clone(&dirty)).expect("started"));
        assert!(dirty.take().is_empty());
        assert_eq!(Arc::strong_count(&dirty), 1, "the thread is gone");
    }

    #[test]
    fn a_mount_below_a_root_is_an_overflow() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let root = home.path().canonicalize().expect("there");
        let dirty = Arc::new(DirtySet::new());
        dirty.add_root(&root);
        let _watch = MountWatch::start(Arc::clone(&dirty)).expect("started");
        let run = |mut command: Command| command.output().is_ok_and(|out| out.status.success());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "none"]).arg(&root);
        if !run(mount) {
            eprintln!("SKIP: mounting needs a privilege that this process lacks");
            return;
        }
        let heard = dirty.bell().recv_timeout(Duration::from_secs(10));
        let mut umount = Command::new("umount");
        umount.arg(&root);
        assert!(run(umount), "unmounted");
        assert!(heard.is_ok());
        assert!(dirty.take().overflow.is_some());
    }
}
