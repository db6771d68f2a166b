//! What may have changed since somebody last asked: the one place where events wait.
//!
//! Anyone pushes, the loop takes everything at once. The set is the state; the bell only
//! says that there is some, so a bell too many is harmless and one too few cannot be.
//! Pushing costs O(1) under a short lock and does no I/O, for the thread that pushes is
//! the one that has to keep the kernel's queue empty.
//!
//! Memory is bounded: above [`DirtySet::LIMIT`] paths the entries of a directory become
//! one deep mark on it, and if that is not enough, all of them one overflow.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::CookieId;

/// How a path is to be looked at. Marks of the same path merge: each flag stays once set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MarkKind {
    /// Everything below may have changed as well, or no longer be watched.
    pub deep: bool,
    /// The writer is done with it, so there is no reason to wait.
    pub ready: bool,
    /// To be treated as deep if the path is a directory: its permissions may have changed.
    pub maybe_dir: bool,
}

impl MarkKind {
    /// The path alone, as soon as possible.
    pub const READY: Self = Self { deep: false, ready: true, maybe_dir: false };
    /// The path alone, once it has settled.
    pub const UNSETTLED: Self = Self { deep: false, ready: false, maybe_dir: false };
    /// The path and everything below it, as soon as possible.
    pub const DEEP: Self = Self { deep: true, ready: true, maybe_dir: false };
    /// The path, once it has settled, with what is below if it is a directory.
    pub const ATTRIBUTES: Self = Self { deep: false, ready: false, maybe_dir: true };

    fn merge(&mut self, other: Self) {
        self.deep |= other.deep;
        self.ready |= other.ready;
        self.maybe_dir |= other.maybe_dir;
    }
}

/// Everything that waited, taken at one moment.
#[derive(Debug, Default)]
pub struct Batch {
    /// Absolute paths. A deep mark concerns every feature that is at, above or below it.
    pub marks: HashMap<PathBuf, MarkKind>,
    /// Events were lost, for this reason (the first of several): everything is to be
    /// rescanned. The marks beside it are still good, and may be served sooner.
    pub overflow: Option<String>,
    /// Cookies seen. Everything that was written before one of them was issued is among
    /// the marks of this batch or an earlier one, or under an overflow.
    pub barriers: Vec<CookieId>,
    /// Roots that may have been moved, removed or replaced: compare their identity. Each
    /// has a deep mark as well, for even if it is still, or again, the same directory,
    /// the back-end may just have ended the watch at that path.
    pub root_hints: Vec<PathBuf>,
    /// The directory of cookies was moved, removed or replaced: rearm
    /// ([`Cookies::rearm`](super::Cookies::rearm)), or no barrier comes any more. An
    /// overflow may have swallowed this, so it asks for the same.
    pub cookies_lost: bool,
    /// What watches has panicked: nothing that follows can be trusted.
    pub panic: Option<String>,
}

impl Batch {
    /// Did nothing wait?
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
            && self.overflow.is_none()
            && self.barriers.is_empty()
            && self.root_hints.is_empty()
            && !self.cookies_lost
            && self.panic.is_none()
    }
}

/// Counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirtyStats {
    /// Marks pushed.
    pub marks: u64,
    /// Overflows pushed, or caused by too many paths.
    pub overflows: u64,
    /// How often directories were collapsed into one mark each.
    pub collapses: u64,
}

#[derive(Debug, Default)]
struct State {
    marks: HashMap<PathBuf, MarkKind>,
    overflow: Option<String>,
    barriers: Vec<CookieId>,
    root_hints: BTreeSet<PathBuf>,
    cookies_lost: bool,
    panic: Option<String>,
    /// Ordered by component, so that what is below a path is one range.
    roots: BTreeSet<PathBuf>,
    stats: DirtyStats,
}

/// The set of paths that may have changed, shared between those who push and the loop.
#[derive(Debug)]
pub struct DirtySet {
    state: Mutex<State>,
    limit: usize,
    ring: Sender<()>,
    bell: Receiver<()>,
}

impl Default for DirtySet {
    fn default() -> Self {
        Self::new()
    }
}

impl DirtySet {
    /// So many paths wait at most, at about 150 bytes each.
    pub const LIMIT: usize = 100_000;

    /// An empty set.
    pub fn new() -> Self {
        Self::with_limit(Self::LIMIT)
    }

    /// An empty set that holds at most `limit` paths.
    pub fn with_limit(limit: usize) -> Self {
        let (ring, bell) = bounded(1);
        Self { state: Mutex::default(), limit, ring, bell }
    }

    /// Rings after every push; for the loop's `select!`.
    pub fn bell(&self) -> Receiver<()> {
        self.bell.clone()
    }

    /// Marks an absolute path.
    pub fn push(&self, path: PathBuf, kind: MarkKind) {
        let mut state = self.lock();
        state.stats.marks += 1;
        state.marks.entry(path).or_default().merge(kind);
        if state.marks.len() > self.limit {
            state.collapse(self.limit);
        }
        drop(state);
        self.ring();
    }

    /// Says that events were lost and everything is to be rescanned.
    pub fn push_overflow(&self, cause: impl Into<String>) {
        self.lock().overflow(cause.into());
        self.ring();
    }

    /// Says that a cookie was seen, behind everything pushed before.
    pub fn push_barrier(&self, cookie: CookieId) {
        self.lock().barriers.push(cookie);
        self.ring();
    }

    /// Says that `path` was moved, removed or replaced: every root at or below it may not
    /// be what it was, and is marked deep.
    pub fn push_root_hint(&self, path: &Path) {
        let mut state = self.lock();
        let hit: Vec<PathBuf> = below(&state.roots, path).cloned().collect();
        if hit.is_empty() {
            return;
        }
        for root in &hit {
            state.marks.entry(root.clone()).or_default().merge(MarkKind::DEEP);
        }
        state.root_hints.extend(hit);
        drop(state);
        self.ring();
    }

    /// Says that the directory of cookies is not what it was.
    pub fn push_cookies_lost(&self) {
        self.lock().cookies_lost = true;
        self.ring();
    }

    /// Says that a thread which watches panicked: no event of it comes any more.
    pub fn push_panic(&self, thread: &str) {
        self.lock().panic.get_or_insert_with(|| thread.to_owned());
        self.ring();
    }

    /// Makes a root known, so that hints about it are given.
    pub fn add_root(&self, root: &Path) {
        self.lock().roots.insert(root.to_path_buf());
    }

    /// Forgets a root.
    pub fn remove_root(&self, root: &Path) {
        self.lock().roots.remove(root);
    }

    /// Is `path` a root, or inside one?
    pub fn is_in_root(&self, path: &Path) -> bool {
        let state = self.lock();
        path.ancestors().any(|dir| state.roots.contains(dir))
    }

    /// Is `path` a root, inside one, or above one?
    pub fn touches_root(&self, path: &Path) -> bool {
        self.is_in_root(path) || below(&self.lock().roots, path).next().is_some()
    }

    /// Everything that waits; nothing waits afterwards.
    pub fn take(&self) -> Batch {
        let mut state = self.lock();
        Batch {
            marks: mem::take(&mut state.marks),
            overflow: state.overflow.take(),
            barriers: mem::take(&mut state.barriers),
            root_hints: mem::take(&mut state.root_hints).into_iter().collect(),
            cookies_lost: mem::take(&mut state.cookies_lost),
            panic: state.panic.take(),
        }
    }

    /// How many paths wait.
    pub fn len(&self) -> usize {
        self.lock().marks.len()
    }

    /// Does no path wait?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was counted since the start.
    pub fn stats(&self) -> DirtyStats {
        self.lock().stats
    }

    fn ring(&self) {
        // A full channel means that the bell has not been answered yet, which is as good.
        let _ = self.ring.try_send(());
    }

    /// No operation leaves the state half done, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn overflow(&mut self, cause: String) {
        self.stats.overflows += 1;
        self.overflow.get_or_insert(cause);
    }

    /// Replaces the entries of each directory by a deep mark on it. What is deep already
    /// stays, and so does a root, whose parent is nobody's. Half the limit is free
    /// afterwards, so that the cost of a push stays constant on average.
    fn collapse(&mut self, limit: usize) {
        self.stats.collapses += 1;
        for (path, kind) in mem::take(&mut self.marks) {
            let stays = kind.deep || self.roots.contains(&path);
            let dir = match path.parent() {
                Some(parent) if !stays => parent.to_path_buf(),
                _ => path,
            };
            self.marks.entry(dir).or_default().merge(MarkKind { deep: true, ..kind });
        }
        if self.marks.len() > limit / 2 {
            self.marks = HashMap::new();
            self.overflow(format!("more than {limit} paths changed at once"));
        }
    }
}

/// The paths of `set` that are `path` or below it. Paths are ordered by component, so
/// these are neighbours.
pub(super) fn below<'a>(
    set: &'a BTreeSet<PathBuf>,
    path: &'a Path,
) -> impl Iterator<Item = &'a PathBuf> {
    use std::ops::Bound::{Included, Unbounded};
    set.range::<Path, _>((Included(path), Unbounded)).take_while(move |p| p.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(set: &DirtySet) -> HashMap<PathBuf, MarkKind> {
        set.take().marks
    }

    #[test]
    fn marks_of_a_path_merge_and_every_flag_stays() {
        let kinds = [MarkKind::READY, MarkKind::UNSETTLED, MarkKind::DEEP, MarkKind::ATTRIBUTES];
        for a in kinds {
            for b in kinds {
                let set = DirtySet::new();
                set.push("/a".into(), a);
                set.push("/a".into(), b);
                let merged = MarkKind {
                    deep: a.deep || b.deep,
                    ready: a.ready || b.ready,
                    maybe_dir: a.maybe_dir || b.maybe_dir,
                };
                assert_eq!(marks(&set), HashMap::from([("/a".into(), merged)]), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn take_leaves_nothing_and_the_bell_rings_once() {
        let set = DirtySet::new();
        set.push("/a".into(), MarkKind::READY);
        set.push_overflow("first");
        set.push_overflow("second");
        let bell = set.bell();
        assert!(bell.try_recv().is_ok());
        assert!(bell.try_recv().is_err(), "one bell for all of them");
        let batch = set.take();
        assert_eq!(batch.overflow.as_deref(), Some("first"));
        assert_eq!(batch.marks.len(), 1);
        assert!(set.take().is_empty());
        assert_eq!(set.stats().overflows, 2);
    }

    #[test]
    fn collapses_the_entries_of_a_directory_into_one_deep_mark() {
        let set = DirtySet::with_limit(10);
        set.add_root(Path::new("/r"));
        set.push("/r".into(), MarkKind::ATTRIBUTES);
        set.push("/r/deep".into(), MarkKind::DEEP);
        for i in 0..9 {
            set.push(format!("/r/d/{i}").into(), MarkKind::UNSETTLED);
        }
        let marks = marks(&set);
        let mut paths: Vec<_> = marks.keys().cloned().collect();
        paths.sort();
        assert_eq!(paths, ["/r", "/r/d", "/r/deep"].map(PathBuf::from));
        assert!(marks.values().all(|kind| kind.deep));
        assert!(set.take().overflow.is_none());
    }

    #[test]
    fn a_million_pushes_stay_within_the_limit() {
        let set = DirtySet::new();
        for i in 0..1_000_000 {
            set.push(format!("/r/{}/{i}", i % 20).into(), MarkKind::UNSETTLED);
            if i % 1000 == 0 {
                assert!(set.len() <= DirtySet::LIMIT);
            }
        }
        let stats = set.stats();
        assert!((9..=11).contains(&stats.collapses), "{stats:?}");
        let batch = set.take();
        assert!(batch.overflow.is_none());
        for i in 0..20 {
            assert!(batch.marks[Path::new(&format!("/r/{i}"))].deep);
        }
    }

    #[test]
    fn too_many_directories_become_an_overflow() {
        let set = DirtySet::with_limit(1000);
        for i in 0..100_000 {
            set.push(format!("/r/{i}/f").into(), MarkKind::READY);
            assert!(set.len() <= 1000);
        }
        assert!(set.take().overflow.is_some());
        assert!(set.stats().collapses <= 100);
    }

    #[test]
    fn a_hint_names_the_roots_at_or_below_the_path() {
        let set = DirtySet::new();
        for root in ["/a/b", "/a/b/c", "/a/bc", "/d"] {
            set.add_root(Path::new(root));
        }
        let hints = |path: &str| {
            set.push_root_hint(Path::new(path));
            set.take().root_hints
        };
        assert_eq!(hints("/a/b"), ["/a/b", "/a/b/c"].map(PathBuf::from));
        assert_eq!(hints("/a"), ["/a/b", "/a/b/c", "/a/bc"].map(PathBuf::from));
        assert_eq!(hints("/a/b/x"), Vec::<PathBuf>::new());
        set.remove_root(Path::new("/d"));
        assert!(hints("/d").is_empty());
        assert!(set.is_in_root(Path::new("/a/b/x")) && !set.is_in_root(Path::new("/a")));
        assert!(set.touches_root(Path::new("/a")) && !set.touches_root(Path::new("/x")));
    }
}
