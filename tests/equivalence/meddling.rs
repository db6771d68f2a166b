//! A real back-end, with somebody who acts just before and just after each watch is added:
//! the moments at which it matters in which order a directory is watched and listed.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use dossierd::daemon::BackendFactory;
use dossierd::watch::{Coverage, DirWatcher, WatchBackend, WatchError};

use crate::backend::Backend;
use crate::queue_limit::QueueLimit;

/// When somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The directory is about to be watched.
    Before,
    /// It just was.
    After,
}

type Act = Box<dyn Fn(Moment, &Path) + Send + Sync>;

/// Tells what is to be done at these moments, while the daemon runs.
#[derive(Clone, Default)]
pub(crate) struct Meddler(Arc<Mutex<Option<Arc<Act>>>>);

impl Meddler {
    /// From now on, this.
    pub(crate) fn act(&self, act: impl Fn(Moment, &Path) + Send + Sync + 'static) {
        *self.0.lock().expect("no panic") = Some(Arc::new(Box::new(act)));
    }

    /// From now on, nothing.
    pub(crate) fn rest(&self) {
        *self.0.lock().expect("no panic") = None;
    }

    /// Makes the back-end, once.
    pub(crate) fn backend(&self, backend: Backend) -> BackendFactory {
        let meddler = self.clone();
        Box::new(move |dirty, cookies| {
            let _held = QueueLimit::hold(None);
            let real = backend.start(dirty, cookies)?;
            Ok(Arc::new(Meddled { real, meddler }))
        })
    }

    fn at(&self, moment: Moment, dir: &Path) {
        let act = self.0.lock().expect("no panic").clone();
        if let Some(act) = act {
            act(moment, dir);
        }
    }
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddler")
    }
}

/// The back-end that the daemon sees.
struct Meddled {
    real: Arc<dyn WatchBackend>,
    meddler: Meddler,
}

impl DirWatcher for Meddled {
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        self.meddler.at(Moment::Before, dir);
        let watched = self.real.watch_dir(dir);
        self.meddler.at(Moment::After, dir);
        watched
    }

    fn watch_open_dir(&self, dir: &Path, fd: BorrowedFd<'_>) -> Result<(), WatchError> {
        self.meddler.at(Moment::Before, dir);
        let watched = self.real.watch_open_dir(dir, fd);
        self.meddler.at(Moment::After, dir);
        watched
    }
}

impl WatchBackend for Meddled {
    fn watch_root(&self, root: &Path) -> Result<(), WatchError> {
        self.real.watch_root(root)
    }

    fn unwatch_tree(&self, root: &Path) {
        self.real.unwatch_tree(root);
    }

    fn watched_below(&self, dir: &Path) -> usize {
        self.real.watched_below(dir)
    }

    fn coverage(&self) -> Coverage {
        self.real.coverage()
    }

    fn name(&self) -> &'static str {
        self.real.name()
    }
}
