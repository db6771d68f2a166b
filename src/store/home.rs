//! Where this user's files are, and whether those places can be trusted.
//!
//! Layout only: who reads and writes the files is up to others. [`Home::prepare`] is what
//! stands between a planted directory and our socket (it refuses, and says why), so call
//! it before the lock, the socket or any state file is touched.

use std::path::{Path, PathBuf};

use super::atomic;
use super::error::StoreError;
use crate::platform::supervisor::ServiceDirectories;
use crate::platform::{Dir, access, runtime, user};

/// Why the user's directories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The system does not say where this user's files belong.
    #[error(
        "this user has no home directory; set HOME, or DOSSIERD_HOME to a directory of your own"
    )]
    NoHome,
    /// DOSSIERD_HOME is set to nothing.
    #[error("DOSSIERD_HOME is empty; unset it, or set it to a directory of your own")]
    EmptyHome,
    /// A link in place of one of our directories.
    #[error("{} is a symbolic link, which could lead anywhere; replace it by a directory", .0.display())]
    Symlink(PathBuf),
    /// Something else in place of a directory.
    #[error("{} is not a directory; move it away", .0.display())]
    NotADirectory(PathBuf),
    /// Another user's.
    #[error("{} belongs to uid {owner}, not to us; remove it, or set DOSSIERD_HOME to a directory of your own", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may put files in it.
    #[error("others may write in {} (mode {mode:03o}); look what is in it, then: chmod 700 {}", path.display(), path.display())]
    OthersCanWrite {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system refused.
    #[error("cannot {action} {}; if it is not the right place, set DOSSIERD_HOME, XDG_STATE_HOME or XDG_RUNTIME_DIR", path.display())]
    Io {
        /// A verb: what was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A left-over of a crash could not be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The name of the Unix socket.
const SOCKET: &str = "dossierd.sock";

/// The directories of one user's daemon. Nothing is made or checked before
/// [`Home::prepare`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `DOSSIERD_HOME`, when that is where everything is.
    base: Option<PathBuf>,
    config: PathBuf,
    state: PathBuf,
    /// What can be made again.
    cache: PathBuf,
    runtime: PathBuf,
}

/// What `prepare` put right.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Directories of ours that others could look into; they are 0700 now.
    pub tightened: Vec<PathBuf>,
    /// Temporary files that crashes had left.
    pub leftovers: usize,
}

impl Home {
    /// With `dossierd_home` (the value of DOSSIERD_HOME): `config`, `state` and `run`
    /// below it. Else where the system keeps such files: on Linux the XDG directories, on
    /// macOS `Application Support`; without a runtime directory of the system, one per
    /// user below the state.
    pub fn resolve(dossierd_home: Option<PathBuf>) -> Result<Self, HomeError> {
        Self::of_service(dossierd_home, ServiceDirectories::default())
    }

    /// The same for a daemon whose service manager has made directories for it. They stand in
    /// for those of the system; `dossierd_home`, which the user has set, stands above both.
    pub fn of_service(
        dossierd_home: Option<PathBuf>,
        made: ServiceDirectories,
    ) -> Result<Self, HomeError> {
        if let Some(base) = dossierd_home {
            if base.as_os_str().is_empty() {
                return Err(HomeError::EmptyHome);
            }
            let base = std::path::absolute(&base).map_err(|source| HomeError::Io {
                action: "resolve",
                path: base,
                source,
            })?;
            return Ok(Self {
                config: base.join("config"),
                state: base.join("state"),
                cache: base.join("state"),
                runtime: base.join("run"),
                base: Some(base),
            });
        }
        let dirs = directories::ProjectDirs::from("", "", "dossierd").ok_or(HomeError::NoHome)?;
        let own_state = || dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_path_buf();
        let state = made.state.unwrap_or_else(own_state);
        let own_runtime = || runtime::default_runtime_dir(dirs.runtime_dir(), &state, user::uid());
        let runtime = made.runtime.unwrap_or_else(own_runtime);
        let cache = made.cache.unwrap_or_else(|| state.clone());
        Ok(Self { base: None, config: dirs.config_dir().to_path_buf(), state, cache, runtime })
    }

    /// Makes the directories (0700) and refuses those that are links, not ours, or open to
    /// others' writing. State and runtime directories that others can merely look into are
    /// closed to them. The configuration directory is only read, so it may be missing on a
    /// read-only system, and a link to one that passes is good.
    pub fn prepare(&self) -> Result<Prepared, HomeError> {
        if let Some(base) = &self.base {
            check_base(base)?;
        }
        self.prepare_config()?;
        let mut prepared = Prepared::default();
        for (_, path) in self.own_dirs() {
            let (dir, tightened) = own_dir(&path)?;
            prepared.leftovers += atomic::remove_leftovers(&dir)?;
            prepared.tightened.extend(tightened.then_some(path));
        }
        Ok(prepared)
    }

    /// The directories that the daemon writes into, each with its name, the outer ones first.
    pub fn own_dirs(&self) -> Vec<(&'static str, PathBuf)> {
        let mut dirs = vec![
            ("state directory", self.state.clone()),
            ("cache directory", self.cache.clone()),
            ("identities", self.identity_dir()),
            ("mission overrides", self.mission_overrides_dir()),
            ("index", self.index_cache_dir()),
            ("delivery directory", self.delivery_dir()),
            ("dossiers", self.fallback_dossiers_dir()),
            ("runtime directory", self.runtime.clone()),
            ("cookies", self.cookie_dir()),
        ];
        if self.cache == self.state {
            dirs.retain(|(name, _)| *name != "cache directory");
        }
        dirs
    }

    /// `DOSSIERD_HOME`, when that is where everything is.
    pub fn base_dir(&self) -> Option<&Path> {
        self.base.as_deref()
    }

    /// What [`Home::prepare`] has against `DOSSIERD_HOME` itself. Nothing is made, and one that is
    /// still to be made passes.
    pub fn look_at_base(&self) -> Result<(), HomeError> {
        match &self.base {
            Some(base) if std::fs::symlink_metadata(base).is_ok() => judge_base(base),
            _ => Ok(()),
        }
    }

    fn prepare_config(&self) -> Result<(), HomeError> {
        let path = &self.config;
        match access::create_private_dirs(path) {
            Ok(()) => {}
            Err(source) => {
                let error = StoreError::io("make", path, source);
                return if error.is_read_only() && !path.exists() {
                    Ok(())
                } else {
                    Err(error.into())
                };
            }
        }
        let dir = Dir::open(path).map_err(|e| io("open", path, e))?;
        check_own(&dir)
    }

    /// The configuration directory.
    pub fn config_dir(&self) -> &Path {
        &self.config
    }

    /// The state directory: what must survive a restart.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The cache directory: what can be made again. That of the state, unless a service manager
    /// has made one.
    pub fn cache_dir(&self) -> &Path {
        &self.cache
    }

    /// The runtime directory: what ends with the session.
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime
    }

    /// The configuration, `config.yaml`.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.yaml")
    }

    /// The registered roots.
    pub fn registry_file(&self) -> PathBuf {
        self.state.join("registry.json")
    }

    /// The logical clock.
    pub fn clock_file(&self) -> PathBuf {
        self.state.join("clock")
    }

    /// The token of the HTTP listener.
    pub fn token_file(&self) -> PathBuf {
        self.state.join("token")
    }

    /// The pages that are logged in.
    pub fn sessions_file(&self) -> PathBuf {
        self.state.join("sessions.json")
    }

    /// Identities of projects that have none of their own.
    pub fn identity_dir(&self) -> PathBuf {
        self.state.join("identities")
    }

    /// The last good mission overrides of projects.
    pub fn mission_overrides_dir(&self) -> PathBuf {
        self.state.join("missions")
    }

    /// What is known of files already read.
    pub fn index_cache_dir(&self) -> PathBuf {
        self.cache.join("index")
    }

    /// Cursors and dead letters of the sinks.
    pub fn delivery_dir(&self) -> PathBuf {
        self.state.join("delivery")
    }

    /// The directory of one sink, made if it is missing.
    pub fn sink_dir(&self, sink: &str) -> Result<PathBuf, HomeError> {
        let path = self.delivery_dir().join(sink);
        let (dir, _) = own_dir(&path)?;
        atomic::remove_leftovers(&dir)?;
        Ok(path)
    }

    /// Dossiers of projects that cannot hold them.
    pub fn fallback_dossiers_dir(&self) -> PathBuf {
        self.state.join("dossiers")
    }

    /// The lock that guards the state, also against a daemon with another runtime
    /// directory (a session without XDG_RUNTIME_DIR has one).
    pub fn state_lock_file(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The lock beside the socket: who has it may replace a stale socket.
    pub fn lock_file(&self) -> PathBuf {
        self.runtime.join("lock")
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime.join(SOCKET)
    }

    /// Where the watcher makes the files that tell it how far it has seen.
    pub fn cookie_dir(&self) -> PathBuf {
        self.runtime.join("cookies")
    }
}

/// The socket of the daemon that the system runs for this user, if it runs one
/// (`dossierd@USER.service`), in a directory below `services` that only the user or root can
/// change. `services` is `/run/dossierd`, but for tests.
pub fn socket_of_system_service(services: &Path, account: &str) -> Option<PathBuf> {
    let is_a_name = !matches!(account, "" | "." | "..") && !account.contains('/');
    let dir = services.join(Some(account).filter(|_| is_a_name)?);
    std::fs::symlink_metadata(&dir).ok().filter(std::fs::Metadata::is_dir)?;
    let facts = Dir::open(&dir).ok()?.own_facts().ok()?;
    let is_trusted = facts.owner == Some(0) || facts.owner == user::uid();
    let socket = dir.join(SOCKET);
    let is_there = std::fs::symlink_metadata(&socket).is_ok_and(|found| !found.is_symlink());
    (is_there && is_trusted && !facts.others_can_write()).then_some(socket)
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> HomeError {
    HomeError::Io { action, path: path.to_path_buf(), source }
}

/// DOSSIERD_HOME itself is the user's choice, may be a link and is not changed, but where
/// everybody may rename our directories away nothing in it can be trusted. Root's sticky
/// directories (`/tmp`) forbid just that.
fn check_base(base: &Path) -> Result<(), HomeError> {
    access::create_private_dirs(base).map_err(|e| io("make", base, e))?;
    judge_base(base)
}

fn judge_base(base: &Path) -> Result<(), HomeError> {
    const STICKY: u32 = 0o1000;
    let dir = Dir::open(base).map_err(|e| io("open", base, e))?;
    let facts = dir.own_facts().map_err(|e| io("look at", base, e))?;
    if let Some(owner) = facts.owner
        && owner != 0
        && facts.owner != user::uid()
    {
        return Err(HomeError::NotOurs { path: base.to_path_buf(), owner });
    }
    match facts.mode {
        Some(mode) if mode & 0o002 != 0 && mode & STICKY == 0 => {
            Err(HomeError::OthersCanWrite { path: base.to_path_buf(), mode })
        }
        _ => Ok(()),
    }
}

/// Makes `path` or checks what is there; says whether its mode had to be tightened.
fn own_dir(path: &Path) -> Result<(Dir, bool), HomeError> {
    if let Ok(meta) = std::fs::symlink_metadata(path) {
        if meta.is_symlink() {
            return Err(HomeError::Symlink(path.to_path_buf()));
        }
        if !meta.is_dir() {
            return Err(HomeError::NotADirectory(path.to_path_buf()));
        }
    }
    access::create_private_dirs(path).map_err(|e| io("make", path, e))?;
    let (parent, name) = atomic::open_parent(path)?;
    // Not followed: were it swapped for a link just now, this fails.
    let dir = parent.open_dir(&name).map_err(|e| io("open", path, e))?;
    check_own(&dir)?;
    let tighten = dir.own_facts().map_err(|e| io("look at", path, e))?.others_have_access();
    if tighten {
        dir.set_mode(0o700).map_err(|e| io("set the mode of", path, e))?;
    }
    Ok((dir, tighten))
}

/// An open directory must be ours and closed to others' writing.
fn check_own(dir: &Dir) -> Result<(), HomeError> {
    let path = dir.path();
    let facts = dir.own_facts().map_err(|e| io("look at", path, e))?;
    if let Some(owner) = facts.owner
        && facts.owner != user::uid()
    {
        return Err(HomeError::NotOurs { path: path.to_path_buf(), owner });
    }
    match facts.mode {
        Some(mode) if facts.others_can_write() => {
            Err(HomeError::OthersCanWrite { path: path.to_path_buf(), mode })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
