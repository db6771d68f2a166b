//! The system's own file events, through the `notify` crate: one instance for the whole
//! daemon, hence one ordered queue for all roots and for the cookies.
//!
//! What the crate's inotify back-end does, and what follows from it here:
//!
//! - It keeps two maps, path to watch and watch to path, and the kernel has one watch per
//!   inode. When a directory is reached by a second path, the last path wins, and removing
//!   the watch of either ends it for both. So this back-end never removes the watch of a
//!   single directory; only [`WatchBackend::unwatch_tree`] removes, and its caller visits
//!   everything else again.
//! - It removes watches by itself when a directory is moved away or removed, by path, and
//!   late: after it has read all that was queued. By then the path may belong to another
//!   directory. The event that says so (a creation, a rename) makes the caller visit that
//!   directory, and **every visit adds the watch again, known or not**; skipping known
//!   ones loses events.
//! - For a root, and for the directory of cookies, nobody watches the parent, so nothing
//!   but the removal itself says that the watch at that path may be gone, the new one
//!   included. That is why a root hint comes with a deep mark, and why
//!   [`Batch::cookies_lost`](super::Batch::cookies_lost) exists.
//! - A directory that was moved reports under its old path until it is watched again
//!   under the new one, which the same rule takes care of.
//! - Adding waits for the thread that reads, so it may take a second in a storm. On Linux
//!   [`InotifyBackend`](super::InotifyBackend) is the default for that reason.
//! - It follows a symbolic link in the path it is given, and would then share the watch
//!   of the link's target. So a path with a link in it is refused, before and after.

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{Event, EventKind, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher, WatcherKind};

use super::dirty::below;
use super::plain_dir::{Unplain, check};
use super::{Classifier, Cookies, Coverage, DirWatcher, DirtySet, WatchBackend, WatchError};
use crate::platform::threads;

/// The system's file events. Dropping it ends them.
#[derive(Debug)]
pub struct NotifyBackend {
    /// Taken out only when dropped.
    watcher: Mutex<Option<RecommendedWatcher>>,
    dirty: Arc<DirtySet>,
    shared: Arc<Shared>,
    coverage: Coverage,
}

/// What the back-end and its thread both know.
#[derive(Debug, Default)]
struct Shared {
    /// Directories watched, as far as is known; ordered by component.
    dirs: Mutex<BTreeSet<PathBuf>>,
    stopping: AtomicBool,
    ended: AtomicBool,
}

impl Shared {
    fn dirs(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out `path` and what is below it.
    fn forget(&self, path: &Path) -> Vec<PathBuf> {
        let mut dirs = self.dirs();
        let gone: Vec<PathBuf> = below(&dirs, path).cloned().collect();
        for dir in &gone {
            dirs.remove(dir);
        }
        gone
    }
}

/// Lives on the thread that reads the events, and dies with it.
struct Handler {
    classifier: Classifier,
    dirty: Arc<DirtySet>,
    shared: Arc<Shared>,
}

impl notify::EventHandler for Handler {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        if let Ok(event) = &event
            && matches!(
                event.kind,
                EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From))
            )
        {
            for path in &event.paths {
                self.shared.forget(path);
            }
        }
        self.classifier.handle(event);
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if std::thread::panicking() {
            self.dirty.push_panic("the thread that reads file events");
        } else if !self.shared.stopping.load(Ordering::Acquire) {
            self.dirty.push_overflow("the watcher's thread ended");
        }
    }
}

impl NotifyBackend {
    /// Starts watching, nothing yet. Events become marks in `dirty`.
    ///
    /// # Errors
    /// [`WatchError::InstanceLimit`] when this user has no inotify instance left, and
    /// [`WatchError::Start`] for anything else, such as a limit on open files.
    pub fn new(dirty: Arc<DirtySet>) -> Result<Self, WatchError> {
        let classifier = Classifier::new(Arc::clone(&dirty));
        Self::start(dirty, classifier)
    }

    /// The same, with the directory of `cookies` watched and its cookies recognised.
    ///
    /// # Errors
    /// As [`Self::new`], and those of watching a directory.
    pub fn with_cookies(dirty: Arc<DirtySet>, cookies: &Cookies) -> Result<Self, WatchError> {
        let classifier = Classifier::with_cookies(Arc::clone(&dirty), cookies);
        let backend = Self::start(dirty, classifier)?;
        backend.watch_dir(cookies.dir())?;
        Ok(backend)
    }

    fn start(dirty: Arc<DirtySet>, classifier: Classifier) -> Result<Self, WatchError> {
        let shared = Arc::new(Shared::default());
        // Should it not start, the handler goes with it, and that is no loss of events.
        shared.stopping.store(true, Ordering::Release);
        let handler =
            Handler { classifier, dirty: Arc::clone(&dirty), shared: Arc::clone(&shared) };
        threads::are_to_be_had(1).map_err(WatchError::Start)?;
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(handler, config).map_err(start_error)?;
        shared.stopping.store(false, Ordering::Release);
        let coverage = match RecommendedWatcher::kind() {
            WatcherKind::Inotify | WatcherKind::Kqueue => Coverage::PerDirectory,
            _ => Coverage::RecursiveRoots,
        };
        Ok(Self { watcher: Mutex::new(Some(watcher)), dirty, shared, coverage })
    }

    fn add(&self, dir: &Path, mode: RecursiveMode) -> Result<(), WatchError> {
        check(dir).map_err(|why| why.of(dir))?;
        self.with_watcher(|watcher| watcher.watch(dir, mode))?
            .map_err(|error| watch_error(dir, error))?;
        self.shared.dirs().insert(dir.to_path_buf());
        match check(dir) {
            Err(Unplain::Link) => {
                // It became a link meanwhile, and the watch may be that of its target,
                // which is now known by the wrong path. Both have to be watched again.
                self.remove_watches(dir);
                self.dirty.push_overflow(format!("{} became a link", dir.display()));
                Err(WatchError::Gone(dir.to_path_buf()))
            }
            Err(other) => Err(other.of(dir)),
            Ok(()) => Ok(()),
        }
    }

    /// Removes the watches of `dir` and below.
    fn remove_watches(&self, dir: &Path) {
        for dir in self.shared.forget(dir) {
            match self.with_watcher(|watcher| watcher.unwatch(&dir)) {
                Ok(Ok(())) => {}
                // The crate forgot it by itself, as it does when a directory is removed.
                Ok(Err(error)) if matches!(error.kind, ErrorKind::WatchNotFound) => {}
                Ok(Err(error)) => tracing::debug!(dir = %dir.display(), %error, "not unwatched"),
                Err(_) => return,
            }
        }
    }

    fn with_watcher<T>(
        &self,
        act: impl FnOnce(&mut RecommendedWatcher) -> T,
    ) -> Result<T, WatchError> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        match watcher.as_mut() {
            // The crate panics when its thread is gone.
            Some(watcher) if !self.shared.ended.load(Ordering::Acquire) => Ok(act(watcher)),
            _ => Err(WatchError::ended()),
        }
    }
}

impl DirWatcher for NotifyBackend {
    /// Adds the watch of a directory, whether or not it is known. `dir` must be
    /// canonical: with a symbolic link in any component it counts as gone.
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        match self.coverage {
            Coverage::RecursiveRoots if self.dirty.is_in_root(dir) => Ok(()),
            Coverage::RecursiveRoots => self.add(dir, RecursiveMode::Recursive),
            Coverage::PerDirectory | Coverage::None => self.add(dir, RecursiveMode::NonRecursive),
        }
    }
}

impl WatchBackend for NotifyBackend {
    fn watch_root(&self, root: &Path) -> Result<(), WatchError> {
        match self.coverage {
            Coverage::RecursiveRoots => {
                self.add(root, RecursiveMode::Recursive)?;
                self.dirty.add_root(root);
                // The stream of all roots was built anew, and what it held is lost.
                self.dirty.push_overflow("the set of watched roots changed");
            }
            Coverage::PerDirectory | Coverage::None => {
                self.add(root, RecursiveMode::NonRecursive)?;
                self.dirty.add_root(root);
            }
        }
        Ok(())
    }

    fn unwatch_tree(&self, root: &Path) {
        self.dirty.remove_root(root);
        self.remove_watches(root);
    }

    fn watched_below(&self, dir: &Path) -> usize {
        below(&self.shared.dirs(), dir).count()
    }

    fn coverage(&self) -> Coverage {
        self.coverage
    }

    fn name(&self) -> &'static str {
        "notify"
    }
}

impl Drop for NotifyBackend {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        let watcher = self.watcher.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if self.shared.ended.load(Ordering::Acquire) {
            // The crate panics when it is dropped after its thread.
            mem::forget(watcher);
        }
    }
}

fn watch_error(dir: &Path, error: notify::Error) -> WatchError {
    match error.kind {
        ErrorKind::MaxFilesWatch => WatchError::Limit(dir.to_path_buf()),
        ErrorKind::PathNotFound => WatchError::Gone(dir.to_path_buf()),
        ErrorKind::Io(error) => WatchError::of_dir(dir, error),
        kind => WatchError::of_dir(dir, io::Error::other(notify::Error::new(kind))),
    }
}

/// Why there is no instance.
pub(super) fn start_error(error: notify::Error) -> WatchError {
    match error.kind {
        ErrorKind::Io(source) => WatchError::of_start(source),
        kind => WatchError::Start(io::Error::other(notify::Error::new(kind))),
    }
}

#[cfg(test)]
mod tests;
