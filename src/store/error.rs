//! What can go wrong with a durable file.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::event_log::Position;

/// A file could not be read or written as it must be. Each variant names its path; the
/// system's or parser's own words are the `source`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// A verb: what was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A write ended early: a disk, a quota or a file size limit is full.
    #[error("only {wrote} of {length} bytes went into {}; nothing of it was kept", path.display())]
    ShortWrite {
        /// The file.
        path: PathBuf,
        /// How many bytes went in, before they were cut off again.
        wrote: usize,
        /// How many there were.
        length: usize,
    },
    /// The file is larger than a file of its kind can be.
    #[error("{} has more than {limit} bytes, which no such file has; move it away", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound in bytes.
        limit: u64,
    },
    /// The file is no document of its kind. It is never overwritten.
    #[error(
        "{}, line {line}, column {column}: not a valid {kind}; correct it, or move it away to start without",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The document parses, but says something impossible.
    #[error("{} is not a valid {kind}: {problem}; correct it, or move it away to start without", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What is wrong in it.
        problem: String,
    },
    /// A later version of dossierd wrote the file.
    #[error(
        "{} has schema_version {found}, and this dossierd knows {known}; use the newer dossierd, or move the file away",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version that is understood.
        known: u64,
    },
    /// A later version of dossierd wrote events into the log.
    #[error(
        "the event log in {} has events of schema_version {found:?}, later than this dossierd knows; use the newer dossierd, or move the log away",
        path.display()
    )]
    NewerEvents {
        /// The directory of the log.
        path: PathBuf,
        /// The version of the envelope.
        found: String,
    },
    /// The name is none that a file in a dossier directory can have.
    #[error(
        "{name:?} is not the name of a dossier file (letters, digits, `.`, `_`, `-`, no leading dot)"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// What should be put aside finds no free name.
    #[error(
        "{} cannot be put aside: all names from {aside}.json on are taken; move those away",
        path.display()
    )]
    AsideIsFull {
        /// What stays where it is.
        path: PathBuf,
        /// The beginning of the names.
        aside: String,
    },
    /// What should be appended is not a batch of complete lines.
    #[error("refused to append to {}: {problem}", path.display())]
    NotLines {
        /// The log.
        path: PathBuf,
        /// Why not.
        problem: &'static str,
    },
    /// Somebody writes here: another process, or this one for another feature.
    #[error("{}", busy(path, *pid))]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// Who, where the lock file says.
        pid: Option<u32>,
    },
    /// The file has further names, so that writing to it would change a file elsewhere.
    #[error(
        "{} is one of {links} names (hard links) of one file, and writing to it would change the others; put a copy in its place (cp -p FILE FILE.copy && mv FILE.copy FILE), or remove it",
        path.display()
    )]
    Linked {
        /// The file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// Nobody waited for it any more.
    #[error("reading {} was ended before it was done", path.display())]
    Cancelled {
        /// The file, or the directory of the log.
        path: PathBuf,
    },
    /// The log does not have this place (any more).
    #[error("the log {} has no line that begins at segment {}, offset {}", path.display(), position.segment, position.offset)]
    NoSuchPosition {
        /// The directory of the log.
        path: PathBuf,
        /// The place asked for.
        position: Position,
    },
    /// A secret that others could read, or that is not ours.
    #[error("{} {problem}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The logical clock has no number left.
    #[error("the clock {} has run out of numbers; move the file away to start anew", path.display())]
    ClockExhausted {
        /// The clock's file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Wraps what the system said about `path` when it should do `action`.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// Is there no space left (disk, quota, file size limit)?
    pub fn is_full(&self) -> bool {
        matches!(self, Self::ShortWrite { .. })
            || matches!(
                self.kind(),
                Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
            )
    }

    /// May we not write there (read-only file system, permissions)?
    pub fn is_read_only(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied))
    }

    /// Is the directory gone, or no directory (without links) any more? Then the place of
    /// the dossier must be chosen again.
    pub fn is_gone(&self) -> bool {
        matches!(self.kind(), Some(ErrorKind::NotFound | ErrorKind::NotADirectory))
    }

    /// Has the system too little at the moment (open files, memory)? That says nothing about the
    /// place, and passes.
    pub fn is_shortage(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_shortage(source))
    }

    /// What the user can do, where the message alone does not say.
    pub fn hint(&self) -> Option<&'static str> {
        if self.is_full() {
            Some(
                "free space on that file system, or lift a limit (quota, ulimit -f); dossierd goes on by itself then",
            )
        } else if self.is_shortage() {
            Some("let it have more open files (LimitNOFILE=, ulimit -n), or more memory")
        } else if self.is_read_only() {
            Some("make it writable for the user that runs dossierd")
        } else {
            None
        }
    }
}

/// Is this a lack of descriptors or memory?
pub(super) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| short.contains(&errno))
}

/// Who writes to what this lock file stands for.
fn busy(lock: &Path, pid: Option<u32>) -> String {
    let lock = lock.display();
    match pid {
        Some(pid) if pid == std::process::id() => format!(
            "this dossierd (process {pid}) has {lock} for another feature already; rename one of the two, or remove its registration"
        ),
        Some(pid) => format!(
            "another dossierd (process {pid}) writes to {lock}; stop it, or give this one another project"
        ),
        None => {
            format!("another dossierd writes to {lock}; stop it, or give this one another project")
        }
    }
}

/// An error with everything that led to it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Gives an io result its path.
pub(super) trait At<T> {
    /// The same result, the error being a [`StoreError::Io`].
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::io(action, path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn consequences_are_recognised_by_the_systems_number() {
        use rustix::io::Errno;
        let error = |errno: Errno| StoreError::io("write", Path::new("/x"), errno.into());
        for (errno, full, read_only, gone) in [
            (Errno::NOSPC, true, false, false),
            (Errno::DQUOT, true, false, false),
            (Errno::ROFS, false, true, false),
            (Errno::ACCESS, false, true, false),
            (Errno::NOENT, false, false, true),
            (Errno::NOTDIR, false, false, true),
            (Errno::IO, false, false, false),
            (Errno::MFILE, false, false, false),
        ] {
            let e = error(errno);
            assert_eq!(e.is_shortage(), errno == Errno::MFILE, "{errno:?}");
            assert_eq!(
                (e.is_full(), e.is_read_only(), e.is_gone()),
                (full, read_only, gone),
                "{errno:?}"
            );
        }
    }
}
