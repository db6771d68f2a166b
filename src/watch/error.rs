//! What can go wrong while watching, sorted by what the caller does about it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::InotifyLimits;

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

impl WatchError {
    /// What the system's answer means when a directory was to be watched.
    pub(super) fn of_dir(dir: &Path, source: io::Error) -> Self {
        let path = dir.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Gone(path),
            io::ErrorKind::StorageFull => Self::Limit(path),
            _ => Self::Io { path, source },
        }
    }

    /// What it means when an instance was to be had. `EMFILE` says either that the user
    /// has no inotify instance left, or that the process may open no more files; opening
    /// one more tells them apart.
    pub(super) fn of_start(source: io::Error) -> Self {
        if is_too_many(&source) && File::open("/").is_ok() {
            return Self::InstanceLimit { advice: InotifyLimits::read().instances_advice() };
        }
        Self::Start(source)
    }

    /// The thread that reads events is no more.
    pub(super) fn ended() -> Self {
        Self::Start(io::Error::other("the watcher's thread has ended"))
    }
}

#[cfg(unix)]
fn is_too_many(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

#[cfg(not(unix))]
fn is_too_many(_: &io::Error) -> bool {
    false
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
