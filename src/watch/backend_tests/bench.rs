//! A back-end on a real directory, whose events are fenced by a cookie: nothing waits for a
//! time, and what has not come before the cookie never does.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::watch::{BackendChoice, Batch, CookieId, Cookies, DirtySet, MarkKind, WatchBackend};

pub(in crate::watch) const PATIENCE: Duration = Duration::from_secs(30);

pub(in crate::watch) struct Bench {
    _home: tempfile::TempDir,
    pub(in crate::watch) home: PathBuf,
    pub(in crate::watch) root: PathBuf,
    pub(in crate::watch) dirty: Arc<DirtySet>,
    pub(in crate::watch) cookies: Cookies,
    pub(in crate::watch) backend: Arc<dyn WatchBackend>,
}

impl Bench {
    pub(in crate::watch) fn new(choice: BackendChoice) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let home = dir.path().canonicalize().expect("there");
        let root = home.join("root");
        fs::create_dir(&root).expect("made");
        let dirty = Arc::new(DirtySet::new());
        let cookies = Cookies::new(home.join("ck"), "test").expect("cookies");
        let backend = choice.start(&dirty, Some(&cookies)).expect("a watcher");
        backend.watch_root(&root).expect("watched");
        Self { _home: dir, home, root, dirty, cookies, backend }
    }

    pub(in crate::watch) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(in crate::watch) fn watch(&self, relative: &str) {
        self.backend.watch_dir(&self.path(relative)).expect("watched");
    }

    pub(in crate::watch) fn write(&self, relative: &str) {
        fs::write(self.path(relative), "text").expect("written");
    }

    pub(in crate::watch) fn mkdir(&self, relative: &str) {
        fs::create_dir_all(self.path(relative)).expect("made");
    }

    pub(in crate::watch) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    /// Everything that happened before this call.
    pub(in crate::watch) fn fenced(&self) -> Batch {
        let cookie = self.cookies.issue().expect("a cookie");
        let mut all = Batch::default();
        wait_for(&self.dirty, cookie, |batch| {
            for (path, kind) in batch.marks {
                let known = all.marks.entry(path).or_default();
                known.deep |= kind.deep;
                known.ready |= kind.ready;
                known.maybe_dir |= kind.maybe_dir;
            }
            all.root_hints.extend(batch.root_hints);
            all.overflow = all.overflow.take().or(batch.overflow);
        });
        all
    }

    /// The marks of everything that happened before this call, by path below the root.
    pub(in crate::watch) fn marks(&self) -> BTreeMap<String, MarkKind> {
        let batch = self.fenced();
        assert_eq!(batch.overflow, None);
        let relative = |path: PathBuf| {
            let path = path.strip_prefix(&self.root).expect("below the root");
            path.to_str().expect("UTF-8").to_owned()
        };
        batch.marks.into_iter().map(|(path, kind)| (relative(path), kind)).collect()
    }

    pub(in crate::watch) fn expect(&self, what: &str, expected: &[(&str, MarkKind)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect();
        assert_eq!(self.marks(), expected, "{what}");
    }
}

pub(in crate::watch) fn wait_for(dirty: &DirtySet, cookie: CookieId, mut take: impl FnMut(Batch)) {
    await_batch(dirty, |batch| {
        // The cookie may be among what an overflow lost.
        let fenced = batch.barriers.contains(&cookie) || batch.overflow.is_some();
        take(batch);
        fenced
    });
}

/// Takes batches until one is the right one.
pub(in crate::watch) fn await_batch(dirty: &DirtySet, mut is_right: impl FnMut(Batch) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let bell = dirty.bell();
    loop {
        bell.recv_deadline(deadline).expect("it comes in time");
        if is_right(dirty.take()) {
            return;
        }
    }
}

pub(in crate::watch) const READY: MarkKind = MarkKind::READY;
pub(in crate::watch) const UNSETTLED: MarkKind = MarkKind::UNSETTLED;
pub(in crate::watch) const DEEP: MarkKind = MarkKind::DEEP;
pub(in crate::watch) const ATTRIBUTES: MarkKind = MarkKind::ATTRIBUTES;
