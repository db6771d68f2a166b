//! What a source of file-system events can do, whoever it is.

#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::WatchError;

/// What a scan asks before it lists a directory. Invariant of every visit: watch first,
/// then list, known or not, so that nothing falls between the two.
pub trait DirWatcher: Send + Sync {
    /// Watches `dir` (absolute), not what is below it. Returns when the watch is in place.
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError>;

    /// The same for a directory that is open at `fd`, and about to be listed through it. A
    /// back-end that can watches what is open, whatever the path has come to mean; then
    /// what is watched and what is listed are the same for certain. [`WatchError::Gone`]
    /// means as well that `fd` is known to be another path's directory by now.
    #[cfg(unix)]
    fn watch_open_dir(&self, dir: &Path, fd: BorrowedFd<'_>) -> Result<(), WatchError> {
        let _ = fd;
        self.watch_dir(dir)
    }
}

/// How far a watch reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// One watch per directory (inotify): [`DirWatcher::watch_dir`] does the work.
    PerDirectory,
    /// One recursive watch per root (FSEvents, ReadDirectoryChangesW). Queued events of
    /// other roots may be lost whenever the set of roots changes, and order between
    /// threads is not promised, so a cookie is best effort.
    RecursiveRoots,
    /// No events at all: everything has to be polled.
    None,
}

/// A source of events. It pushes what it sees into a [`DirtySet`](super::DirtySet).
pub trait WatchBackend: DirWatcher {
    /// Watches a root: a canonical, absolute path, which from now on is also reported as
    /// a root hint when it, or a directory above it that is watched, is moved or removed.
    fn watch_root(&self, root: &Path) -> Result<(), WatchError>;

    /// Removes the watches of `root` and of everything below it.
    ///
    /// For whole roots only, when they are unregistered or replaced, never for a
    /// directory that disappeared (the back-end forgets those by itself). **Afterwards
    /// the caller marks all other roots deep:** two paths can lead to one inode, which
    /// has one watch, so removing the watch of one path may end that of another, and the
    /// deep visit puts it back.
    fn unwatch_tree(&self, root: &Path);

    /// How many directories are watched at or below `dir`, as far as is known: a number
    /// for people.
    fn watched_below(&self, dir: &Path) -> usize;

    /// How far a watch reaches.
    fn coverage(&self) -> Coverage;

    /// Can it still tell of changes? False when a thread of it has ended by itself.
    fn is_alive(&self) -> bool {
        true
    }

    /// What it is called in `status` and in the configuration.
    fn name(&self) -> &'static str {
        "other"
    }
}

/// For scans that nobody watches, such as `dossierd scan`, and for a daemon whose system
/// gives it no watcher.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl DirWatcher for Unwatched {
    fn watch_dir(&self, _: &Path) -> Result<(), WatchError> {
        Ok(())
    }
}

impl WatchBackend for Unwatched {
    fn watch_root(&self, _: &Path) -> Result<(), WatchError> {
        Ok(())
    }

    fn unwatch_tree(&self, _: &Path) {}

    fn watched_below(&self, _: &Path) -> usize {
        0
    }

    fn coverage(&self) -> Coverage {
        Coverage::None
    }

    fn name(&self) -> &'static str {
        "none"
    }
}
