//! Watching: events are hints, content decides.

use std::io;
use std::path::{Path, PathBuf};

/// Why a directory could not be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It is gone, or is no directory any more.
    #[error("{} is gone", .0.display())]
    Gone(PathBuf),
    /// The system's limit on watches is reached (`fs.inotify.max_user_watches`).
    #[error("the limit on inotify watches is reached at {}", .0.display())]
    Limit(PathBuf),
    /// The system said no: permissions, mostly.
    #[error("cannot watch {}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a scan asks before it lists a directory. Invariant of every visit: watch first,
/// then list, known or not, so that nothing falls between the two.
pub trait DirWatcher: Send + Sync {
    /// Watches `dir` (absolute), not what is below it. Returns when the watch is in place.
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError>;
}

/// For scans that nobody watches, such as `dossierd scan`.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl DirWatcher for Unwatched {
    fn watch_dir(&self, _: &Path) -> Result<(), WatchError> {
        Ok(())
    }
}
