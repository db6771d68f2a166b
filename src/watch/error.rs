//! What can go wrong while watching, sorted by what the caller does about it.

use std::io;
use std::path::PathBuf;

/// Why a directory could not be watched, or watching not be started.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It is gone, or is no directory any more, or is reached through a symbolic link.
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
    /// No further inotify instance for this user (`fs.inotify.max_user_instances`).
    #[error("the limit on inotify instances is reached; raise it with `{advice}`")]
    InstanceLimit {
        /// The exact command.
        advice: String,
    },
    /// The back-end could not be started, or its thread has ended.
    #[error("cannot watch the file system")]
    Start(#[source] io::Error),
}

/// Something about a path could not be asked of the system.
#[derive(Debug, thiserror::Error)]
#[error("cannot look at {}", path.display())]
pub struct StatError {
    /// What was looked at.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl StatError {
    /// Is the path simply not there (any more)?
    pub fn is_gone(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}
