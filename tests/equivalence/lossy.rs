//! The system's watcher with faults between it and the daemon.
//!
//! The real back-end fills a set of its own; a thread carries what is in it over to the
//! daemon's, losing, repeating, reordering on the way. Barriers stay behind everything that
//! came before them unless everything is lost: a back-end that breaks that is none.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dossierd::daemon::BackendFactory;
use dossierd::watch::{Coverage, DirWatcher, DirtySet, WatchBackend, WatchError};

use crate::backend::Backend;
use crate::kit::random::Random;
use crate::queue_limit::QueueLimit;

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Nothing arrives, cookies included.
    pub(crate) drop_all: bool,
    /// Everything arrives later, when this is over.
    pub(crate) hold: bool,
    /// No path arrives; cookies and overflows do.
    pub(crate) drop_marks: bool,
    /// Paths arrive twice, the second time after the barrier.
    pub(crate) duplicate: bool,
    /// Paths arrive one by one, in another order.
    pub(crate) shuffle: bool,
    /// So many directories can be watched.
    pub(crate) watch_limit: Option<usize>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<Faults>,
    outer: Mutex<Option<Arc<DirtySet>>>,
}

/// Sets the faults while the daemon runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knob(Arc<Shared>);

impl Knob {
    /// From now on, these.
    pub(crate) fn set(&self, faults: Faults) {
        *self.0.faults.lock().expect("no panic") = faults;
    }

    /// The system's queue overflows.
    pub(crate) fn overflow(&self) {
        let outer = self.0.outer.lock().expect("no panic");
        outer.as_ref().expect("started").push_overflow("the system's event queue overflowed");
    }

    /// Makes the back-end, once.
    pub(crate) fn backend(&self, backend: Backend) -> BackendFactory {
        let shared = Arc::clone(&self.0);
        Box::new(move |outer, cookies| {
            *shared.outer.lock().expect("no panic") = Some(Arc::clone(outer));
            let inner = Arc::new(DirtySet::new());
            let _held = QueueLimit::hold(None);
            let real = backend.start(&inner, cookies)?;
            let carrier = Carrier {
                inner: Arc::clone(&inner),
                outer: Arc::clone(outer),
                shared: Arc::clone(&shared),
                alive: Arc::new(()),
                random: Random(5),
            };
            let alive = Arc::clone(&carrier.alive);
            std::thread::spawn(move || carrier.run());
            Ok(Arc::new(Lossy {
                real,
                inner,
                outer: Arc::clone(outer),
                shared,
                watched: AtomicUsize::new(0),
                _alive: alive,
            }))
        })
    }
}

/// The back-end that the daemon sees.
struct Lossy {
    real: Arc<dyn WatchBackend>,
    inner: Arc<DirtySet>,
    outer: Arc<DirtySet>,
    shared: Arc<Shared>,
    watched: AtomicUsize,
    _alive: Arc<()>,
}

impl Lossy {
    fn limited(&self, dir: &Path) -> Result<(), WatchError> {
        let limit = self.shared.faults.lock().expect("no panic").watch_limit;
        let known = self.real.watched_below(dir) > 0
            && self.real.watched_below(dir) > children_watched(self.real.as_ref(), dir);
        let count = self.watched.load(Ordering::SeqCst);
        if limit.is_some_and(|limit| count >= limit) && !known {
            return Err(WatchError::Limit(dir.to_path_buf()));
        }
        if !known {
            self.watched.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// How many directories strictly below are watched.
fn children_watched(real: &dyn WatchBackend, dir: &Path) -> usize {
    let listed = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs = listed.map(|entry| entry.path()).filter(|path| path.is_dir());
    dirs.map(|path| real.watched_below(&path)).sum()
}

impl DirWatcher for Lossy {
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        self.limited(dir)?;
        self.real.watch_dir(dir)
    }

    fn watch_open_dir(&self, dir: &Path, fd: BorrowedFd<'_>) -> Result<(), WatchError> {
        self.limited(dir)?;
        self.real.watch_open_dir(dir, fd)
    }
}

impl WatchBackend for Lossy {
    fn watch_root(&self, root: &Path) -> Result<(), WatchError> {
        self.limited(root)?;
        self.outer.add_root(root);
        self.real.watch_root(root)
    }

    fn unwatch_tree(&self, root: &Path) {
        self.inner.remove_root(root);
        self.outer.remove_root(root);
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

/// The thread between.
struct Carrier {
    inner: Arc<DirtySet>,
    outer: Arc<DirtySet>,
    shared: Arc<Shared>,
    alive: Arc<()>,
    random: Random,
}

impl Carrier {
    fn run(mut self) {
        let bell = self.inner.bell();
        // The back-end holds the other half of `alive`.
        while Arc::strong_count(&self.alive) > 1 {
            // What was held back rings no second time.
            let _ = bell.recv_timeout(Duration::from_millis(20));
            self.carry();
        }
    }

    fn carry(&mut self) {
        let faults = *self.shared.faults.lock().expect("no panic");
        if faults.hold {
            return;
        }
        let batch = self.inner.take();
        if faults.drop_all {
            return;
        }
        let mut marks: Vec<_> = batch.marks.into_iter().collect();
        marks.sort_by(|a, b| a.0.cmp(&b.0));
        if faults.shuffle {
            for index in (1..marks.len()).rev() {
                marks.swap(index, self.random.below(index + 1));
            }
        }
        if faults.drop_marks {
            marks.clear();
        }
        for (path, kind) in &marks {
            self.outer.push(path.clone(), *kind);
            if faults.shuffle {
                std::thread::yield_now();
            }
        }
        let hints = batch.root_hints.iter().filter(|_| !faults.drop_marks);
        hints.for_each(|root| self.outer.push_root_hint(root));
        if batch.cookies_lost {
            self.outer.push_cookies_lost();
        }
        if let Some(reason) = batch.overflow {
            self.outer.push_overflow(reason);
        }
        batch.barriers.into_iter().for_each(|cookie| self.outer.push_barrier(cookie));
        if faults.duplicate {
            marks.into_iter().for_each(|(path, kind)| self.outer.push(path, kind));
        }
    }
}
