//! The thread that reads: it empties the kernel's queue and pushes marks, and does nothing
//! that could wait, so that the queue stays short in a storm.
//!
//! Between events it allocates nothing but the path of the mark. When nothing has come for
//! a moment it removes watches that nobody wants any more, a few at a time; a directory
//! that was only renamed has been visited under its new name by then, and kept its watch.

use std::ffi::OsStr;
use std::io::PipeReader;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{ReadFlags, Reader};
use rustix::io::Errno;

use super::Shared;
use super::watches::{Owner, Watches};
use crate::watch::classify::Change;
use crate::watch::{Classifier, DirtySet};

/// Room for several thousand events in one read. Pages that no read has filled cost
/// nothing.
const BUFFER_BYTES: usize = 256 * 1024;

/// Unwanted watches are removed so long after they were let go.
const SWEEP_AFTER: Duration = Duration::from_secs(1);

/// So many at a time, which takes less than a millisecond.
const SWEEP_CHUNK: usize = 256;

/// What each bit of an event says; the kernel sets one at a time, besides those that say
/// more about it.
const CHANGES: [(ReadFlags, Change); 8] = [
    (ReadFlags::MODIFY, Change::Written),
    (ReadFlags::CLOSE_WRITE, Change::Closed),
    (ReadFlags::ATTRIB, Change::Attributes),
    (ReadFlags::MOVED_FROM, Change::Renamed),
    (ReadFlags::MOVED_TO, Change::Renamed),
    (ReadFlags::MOVE_SELF, Change::Renamed),
    (ReadFlags::DELETE, Change::Removed),
    (ReadFlags::DELETE_SELF, Change::Removed),
];

/// What a directory says of itself when it leaves its path.
const ENDS: ReadFlags = ReadFlags::MOVE_SELF.union(ReadFlags::DELETE_SELF);

/// Lives on its thread, and dies with it.
pub(super) struct EventReader {
    pub(super) classifier: Classifier,
    pub(super) dirty: Arc<DirtySet>,
    pub(super) shared: Arc<Shared>,
    /// When unwanted watches are removed, if any were found.
    pub(super) sweep_at: Option<Instant>,
}

impl EventReader {
    /// Reads until `stopped` is hung up, or the kernel says no.
    pub(super) fn run(mut self, stopped: &PipeReader) {
        let shared = Arc::clone(&self.shared);
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(&shared.inotify, &mut buffer);
        let error = loop {
            match wait(&shared.inotify, stopped, self.sweep_at) {
                Ok(Wait::Stopped) => return,
                Ok(Wait::Ready) => {
                    if let Err(errno) = self.drain(&mut events) {
                        break errno;
                    }
                }
                Ok(Wait::Nothing) => {}
                Err(errno) => break errno,
            }
            self.sweep_if_due();
        };
        tracing::error!(%error, "file events cannot be read");
    }

    /// Reads once, and takes in all of it.
    fn drain(&mut self, events: &mut Reader<'_, &OwnedFd>) -> Result<(), Errno> {
        loop {
            match events.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    self.take(event.wd(), event.events(), name);
                }
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(errno) => return Err(errno),
            }
            if events.is_buffer_empty() {
                return Ok(());
            }
        }
    }

    /// One event: `name` is that of an entry of the directory that `wd` watches, or it
    /// concerns the directory itself.
    pub(super) fn take(&mut self, wd: i32, flags: ReadFlags, name: Option<&OsStr>) {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.dirty.push_overflow("the system's event queue overflowed");
        }
        if flags.contains(ReadFlags::UNMOUNT) {
            // The end of the watch follows as an event of its own.
            return self.dirty.push_overflow("a file system with watched directories went away");
        }
        if flags.contains(ReadFlags::IGNORED) {
            if !self.shared.watches().ended(wd) {
                self.dirty.push_overflow("the end of an unknown watch");
            }
            return;
        }
        let owner = self.shared.watches().owner(wd);
        match owner {
            Owner::Dir(dir) => self.take_change(dir.as_path(), flags, name),
            Owner::Former(dir) if name.is_none() => self.see(dir.as_path(), flags & ENDS, None),
            Owner::Former(_) | Owner::Nobody => {}
            Owner::Unknown => self.dirty.push_overflow("an event of an unknown watch"),
        }
    }

    fn take_change(&self, dir: &Path, flags: ReadFlags, name: Option<&OsStr>) {
        let is_dir = flags.contains(ReadFlags::ISDIR);
        // The tree has moved away. Whoever finds it where it is now watches it there; if
        // that was before, these paths are not its own any more and nothing is let go. If
        // another directory is at the path by now, the event of its coming follows.
        // Before the mark, so that the visit which follows that one watches for good.
        match name {
            Some(name) if is_dir && flags.contains(ReadFlags::MOVED_FROM) => {
                self.let_go(&dir.join(name));
            }
            None if flags.contains(ReadFlags::MOVE_SELF) => self.let_go(dir),
            _ => {}
        }
        self.see(dir, flags, name);
    }

    /// Pushes the marks of what the flags say.
    fn see(&self, dir: &Path, flags: ReadFlags, name: Option<&OsStr>) {
        let see = |change| match name {
            Some(name) => self.classifier.see_in(dir, name, change),
            None => self.classifier.see(dir.to_path_buf(), change),
        };
        if flags.contains(ReadFlags::CREATE) {
            let is_dir = flags.contains(ReadFlags::ISDIR);
            see(if is_dir { Change::Created } else { Change::FileCreated });
        }
        for (flag, change) in CHANGES {
            if flags.contains(flag) {
                see(change);
            }
        }
    }

    fn let_go(&self, path: &Path) {
        self.shared.watches().let_go(path);
    }

    /// Removes unwanted watches when it is time to.
    fn sweep_if_due(&mut self) {
        let mut watches = self.shared.watches();
        let now = Instant::now();
        match self.sweep_at {
            None if watches.has_unwanted() => self.sweep_at = Some(now + SWEEP_AFTER),
            Some(at) if at <= now => {
                remove_unwanted(&self.shared.inotify, &mut watches, SWEEP_CHUNK);
                self.sweep_at = watches.has_unwanted().then_some(now);
            }
            _ => {}
        }
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if std::thread::panicking() {
            self.dirty.push_panic("the thread that reads file events");
        } else if !self.shared.stopping.load(Ordering::Acquire) {
            self.dirty.push_overflow("the watcher's thread ended");
        }
    }
}

/// Removes at most `most` unwanted watches from the kernel.
pub(super) fn remove_unwanted(inotify: &OwnedFd, watches: &mut Watches, most: usize) {
    for _ in 0..most {
        let Some(wd) = watches.take_unwanted() else { return };
        // Invalid means that its directory was removed; then its end is in the queue.
        if let Err(errno) = rustix::fs::inotify::remove_watch(inotify, wd)
            && errno != Errno::INVAL
        {
            tracing::debug!(wd, %errno, "a watch is not removed");
        }
    }
}

/// What came of waiting.
enum Wait {
    /// There are events.
    Ready,
    /// The other end of the pipe is closed.
    Stopped,
    /// Neither, until the time was up.
    Nothing,
}

fn wait(inotify: &OwnedFd, stopped: &PipeReader, until: Option<Instant>) -> Result<Wait, Errno> {
    let mut fds = [PollFd::new(inotify, PollFlags::IN), PollFd::new(stopped, PollFlags::empty())];
    let left = until.map(|at| at.saturating_duration_since(Instant::now()));
    // Too long for the kernel cannot happen, since it is at most `SWEEP_AFTER`.
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut fds, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    // A hang-up is reported without being asked for.
    if !fds[1].revents().is_empty() {
        return Ok(Wait::Stopped);
    }
    Ok(if fds[0].revents().is_empty() { Wait::Nothing } else { Wait::Ready })
}
