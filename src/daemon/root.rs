//! One registered root as the loop knows it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::view::WatchState;
use crate::dossier::{Digest, Timestamp};
use crate::project::root::{KITTY_SPECS, Registration};
use crate::store::{RegisteredRoot, RootKind};
use crate::watch::{FileSystemKind, RootIdentity};

/// How often a root on a file system without events is looked at.
const REMOTE_POLL: std::time::Duration = std::time::Duration::from_secs(10);

/// How often a root is looked at for want of a watcher.
const UNWATCHED_POLL: std::time::Duration = std::time::Duration::from_secs(5);

/// One registered root.
pub(super) struct Root {
    /// What the registry says of it.
    pub registered: RegisteredRoot,
    /// The project it belongs to or is.
    pub project_root: PathBuf,
    /// Device and inode when it was last visited; `None` while it is gone.
    pub identity: Option<RootIdentity>,
    /// How well it is watched.
    pub watch: WatchState,
    /// Why and how often it is polled.
    pub poll: Option<Poll>,
    /// Have its features been listed since the start?
    pub listed: bool,
    /// Since when it is gone.
    pub detached: Option<(Instant, Timestamp)>,
}

/// A root that is polled.
#[derive(Debug, Clone)]
pub(super) struct Poll {
    pub every: std::time::Duration,
    pub reason: String,
    pub next: Instant,
}

impl Root {
    /// A root that was not visited yet.
    pub(super) fn new(registered: RegisteredRoot) -> Self {
        let path = &registered.path.0;
        let project_root = match registered.kind {
            RootKind::Project => path.clone(),
            RootKind::Feature => crate::project::root::project_root_of(path),
        };
        Self {
            registered,
            project_root,
            identity: None,
            watch: WatchState::Starting,
            poll: None,
            listed: false,
            detached: None,
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.registered.path.0
    }

    /// The directory whose entries are features, of a project.
    pub(super) fn kitty_specs(&self) -> Option<PathBuf> {
        (self.registered.kind == RootKind::Project).then(|| self.path().join(KITTY_SPECS))
    }

    /// Is something of the root itself, or of its `kitty-specs`, not watched or not listed?
    /// Then no event may tell of features that come and go.
    pub(super) fn is_degraded(&self) -> bool {
        matches!(self.watch, WatchState::Partial { .. } | WatchState::Polling { .. })
    }

    /// Is it worth another attempt to watch or list it? One that is polled is visited anyway.
    pub(super) fn is_to_be_retried(&self) -> bool {
        self.poll.is_none() && self.is_degraded()
    }

    /// Whether and how it has to be polled.
    pub(super) fn choose_poll(&mut self, watch_fault: Option<&str>, now: Instant) {
        let poll = |every, reason: String| Some(Poll { every, reason, next: now + every });
        self.poll = match (watch_fault, FileSystemKind::of(self.path())) {
            (Some(fault), _) => poll(UNWATCHED_POLL, fault.to_owned()),
            (None, Ok(FileSystemKind::Remote(name))) => {
                poll(REMOTE_POLL, format!("{name} gives no events for changes made elsewhere"))
            }
            (None, _) => None,
        };
    }
}

/// What is registered under a path.
pub(super) fn registration(
    found: &Registration,
    mission_type: Option<String>,
    added_at: Timestamp,
) -> RegisteredRoot {
    let (path, kind) = match found {
        Registration::Project { root, .. } => (root.clone(), RootKind::Project),
        Registration::Feature { dir, .. } => (dir.clone(), RootKind::Feature),
    };
    RegisteredRoot {
        id: path_id("r", &path),
        path: crate::dossier::LosslessPath(path),
        kind,
        mission_type,
        steps: std::collections::BTreeMap::new(),
        added_at,
    }
}

/// An opaque id of a path, stable for it: a letter and 16 hex digits.
pub(super) fn path_id(letter: &str, path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    format!("{letter}{}", Digest::sha256(path.as_os_str().as_bytes()).short(16))
}
