//! Which watch is which directory: two maps, and what is known of watches that are not
//! wanted any more.
//!
//! The kernel has one watch per inode and gives its number (wd) again when the inode is
//! added again, by whatever path. So a number that is added leaves the path it had, and
//! the last path wins. Numbers of watches that ended are not used again before 2^31 others
//! were (the kernel allocates them cyclically), so a number that nobody knows was lost.
//!
//! Both maps share the path's bytes. They are ordered as bytes, not by component, because
//! that compares in one go; what is below `/a` is then what begins with `/a/`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::ops::Bound::{Excluded, Included};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// The absolute path of a watched directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DirPath(Arc<[u8]>);

impl DirPath {
    pub(super) fn new(path: &Path) -> Self {
        Self(bytes(path).into())
    }

    pub(super) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
}

/// Whose events those of a watch are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Those of this directory.
    Dir(DirPath),
    /// This directory was replaced at its path by another one. Its own end is still news
    /// of the path; what happens in it concerns nobody.
    Former(DirPath),
    /// Nobody's: the watch was let go, and what is still queued concerns nobody.
    Nobody,
    /// It was never heard of.
    Unknown,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_wd: HashMap<i32, Arc<[u8]>>,
    by_path: BTreeMap<Arc<[u8]>, i32>,
    /// Let go, but the kernel still has them: at most as many as it has. With the path at
    /// which they were replaced, if that is how they ended.
    unwanted: HashMap<i32, Option<Arc<[u8]>>>,
    /// Removed from the kernel, which has yet to say so.
    removed: HashMap<i32, Option<Arc<[u8]>>>,
}

impl Watches {
    /// So many removals are remembered until the kernel confirms them. It does not when
    /// its queue overflows; then the oldest are of no use, but there is no telling which.
    const MOST_REMOVED: usize = 65_536;

    /// The watch `wd` is that of `dir` from now on.
    pub(super) fn insert(&mut self, wd: i32, dir: &DirPath) {
        self.unwanted.remove(&wd);
        let path = &dir.0;
        let former = self.by_wd.insert(wd, Arc::clone(path));
        if let Some(former) = former.filter(|former| former != path)
            && self.by_path.get(&former) == Some(&wd)
        {
            self.by_path.remove(&former);
        }
        let replaced = self.by_path.insert(Arc::clone(path), wd);
        // Another inode was there before. It may live on elsewhere, but was not visited
        // there yet; if it is, it is watched again. The event of its end is perhaps still
        // to come, and whoever waits for it must hear of it.
        if let Some(replaced) = replaced.filter(|replaced| *replaced != wd) {
            self.by_wd.remove(&replaced);
            self.unwanted.insert(replaced, Some(Arc::clone(path)));
        }
    }

    /// Would [`Self::insert`] take the watch from another path or back from nobody, or the
    /// path from another watch?
    pub(super) fn is_disputed(&self, wd: i32, dir: &DirPath) -> bool {
        self.unwanted.contains_key(&wd)
            || self.by_wd.get(&wd).is_some_and(|path| *path != dir.0)
            || self.by_path.get(&dir.0).is_some_and(|own| *own != wd)
    }

    /// The kernel has the watch `wd`, but it is not that of the path it was added for. It
    /// stays whose it was.
    pub(super) fn refuse(&mut self, wd: i32) {
        if !self.by_wd.contains_key(&wd) {
            self.unwanted.entry(wd).or_default();
        }
    }

    /// Whose events those of `wd` are.
    pub(super) fn owner(&self, wd: i32) -> Owner {
        if let Some(path) = self.by_wd.get(&wd) {
            return Owner::Dir(DirPath(Arc::clone(path)));
        }
        match self.unwanted.get(&wd).or_else(|| self.removed.get(&wd)) {
            Some(Some(path)) => Owner::Former(DirPath(Arc::clone(path))),
            Some(None) => Owner::Nobody,
            None => Owner::Unknown,
        }
    }

    /// The kernel has ended the watch `wd`; nothing comes from it any more. Its path is
    /// dropped only if it is still that watch's. False if it was never heard of.
    pub(super) fn ended(&mut self, wd: i32) -> bool {
        if let Some(path) = self.by_wd.remove(&wd) {
            if self.by_path.get(&path) == Some(&wd) {
                self.by_path.remove(&path);
            }
            return true;
        }
        let unwanted = self.unwanted.remove(&wd).is_some();
        self.removed.remove(&wd).is_some() || unwanted
    }

    /// Lets go of `path` and everything below it: their events are nobody's from now on.
    pub(super) fn let_go(&mut self, path: &Path) {
        let gone: Vec<(Arc<[u8]>, i32)> =
            self.at_or_below(path).map(|(path, wd)| (Arc::clone(path), *wd)).collect();
        for (path, wd) in gone {
            self.by_path.remove(&path);
            self.by_wd.remove(&wd);
            self.unwanted.insert(wd, None);
        }
    }

    /// A watch to be removed from the kernel. The caller does so before it lets go of the
    /// lock, or the number could meanwhile be somebody's again.
    pub(super) fn take_unwanted(&mut self) -> Option<i32> {
        let wd = self.unwanted.keys().next().copied()?;
        let former = self.unwanted.remove(&wd).flatten();
        if self.removed.len() >= Self::MOST_REMOVED {
            self.removed.clear();
        }
        self.removed.insert(wd, former);
        Some(wd)
    }

    /// Are there watches to be removed from the kernel?
    pub(super) fn has_unwanted(&self) -> bool {
        !self.unwanted.is_empty()
    }

    /// How many directories at or below `path` are watched.
    pub(super) fn count_below(&self, path: &Path) -> usize {
        self.at_or_below(path).count()
    }

    fn at_or_below(&self, path: &Path) -> impl Iterator<Item = (&Arc<[u8]>, &i32)> {
        let at = bytes(path);
        let mut first = at.to_vec();
        if !first.ends_with(b"/") {
            first.push(b'/');
        }
        let mut behind = first.clone();
        // The byte after the slash: everything below sorts before it.
        behind.pop();
        behind.push(b'/' + 1);
        let below = (Included(first.as_slice()), Excluded(behind.as_slice()));
        let own = self.by_path.get_key_value(at).filter(|_| !at.ends_with(b"/"));
        own.into_iter().chain(self.by_path.range::<[u8], _>(below))
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(path: &str) -> DirPath {
        DirPath::new(Path::new(path))
    }

    fn with(pairs: &[(i32, &str)]) -> Watches {
        let mut watches = Watches::default();
        pairs.iter().for_each(|(wd, path)| watches.insert(*wd, &dir(path)));
        watches
    }

    fn count(watches: &Watches, path: &str) -> usize {
        watches.count_below(Path::new(path))
    }

    #[test]
    fn below_is_by_component_and_the_path_itself_counts() {
        let watches = with(&[(1, "/a"), (2, "/a/b"), (3, "/a/b/c"), (4, "/a/b.c"), (5, "/ab")]);
        for (path, expected) in
            [("/a", 4), ("/a/b", 2), ("/a/b.c", 1), ("/ab", 1), ("/a/x", 0), ("/", 5)]
        {
            assert_eq!(count(&watches, path), expected, "{path}");
        }
    }

    #[test]
    fn an_inode_that_is_added_again_leaves_its_old_path() {
        let mut watches = with(&[(1, "/p"), (1, "/q")]);
        assert_eq!(watches.owner(1), Owner::Dir(dir("/q")));
        assert_eq!((count(&watches, "/p"), count(&watches, "/q")), (0, 1));
        // So letting go of the old path does not end the watch of the new one.
        watches.let_go(Path::new("/p"));
        assert_eq!(watches.owner(1), Owner::Dir(dir("/q")));
        assert!(!watches.has_unwanted());
    }

    #[test]
    fn a_path_that_got_another_inode_lets_the_former_go() {
        let mut watches = with(&[(1, "/p"), (2, "/p")]);
        assert_eq!(watches.owner(1), Owner::Former(dir("/p")));
        assert_eq!(watches.owner(2), Owner::Dir(dir("/p")));
        assert_eq!(watches.take_unwanted(), Some(1));
        assert_eq!(watches.owner(1), Owner::Former(dir("/p")), "its end may be queued");
        // The kernel's word on the former does not touch the path's new watch.
        assert!(watches.ended(1));
        assert_eq!((watches.owner(1), count(&watches, "/p")), (Owner::Unknown, 1));
    }

    #[test]
    fn what_was_let_go_is_nobodys_until_the_kernel_confirms_it() {
        let mut watches = with(&[(1, "/p"), (2, "/p/q"), (3, "/r")]);
        watches.let_go(Path::new("/p"));
        for wd in [1, 2] {
            assert_eq!(watches.owner(wd), Owner::Nobody);
        }
        let mut taken = [watches.take_unwanted(), watches.take_unwanted()];
        taken.sort_unstable();
        assert_eq!((taken, watches.take_unwanted()), ([Some(1), Some(2)], None));
        assert_eq!(watches.owner(1), Owner::Nobody, "what is queued is still to come");
        assert!(watches.ended(1) && !watches.ended(1));
        assert_eq!(watches.owner(1), Owner::Unknown);
        assert_eq!(watches.owner(3), Owner::Dir(dir("/r")));
    }

    #[test]
    fn what_was_let_go_can_be_taken_back_under_another_path() {
        let mut watches = with(&[(1, "/p")]);
        watches.let_go(Path::new("/p"));
        watches.insert(1, &dir("/q"));
        assert_eq!(watches.owner(1), Owner::Dir(dir("/q")));
        assert_eq!(watches.take_unwanted(), None);
    }

    #[test]
    fn a_dispute_is_noticed_and_whoever_loses_it_changes_nothing() {
        let mut watches = with(&[(1, "/p"), (2, "/q")]);
        for (wd, path, disputed) in
            [(1, "/p", false), (1, "/q", true), (1, "/r", true), (3, "/p", true), (3, "/r", false)]
        {
            assert_eq!(watches.is_disputed(wd, &dir(path)), disputed, "{wd} {path}");
        }
        watches.refuse(1);
        watches.refuse(3);
        assert_eq!(watches.owner(1), Owner::Dir(dir("/p")));
        assert_eq!(watches.owner(3), Owner::Nobody);
        assert!(watches.is_disputed(3, &dir("/r")), "it would be taken back");
        assert_eq!((watches.take_unwanted(), watches.take_unwanted()), (Some(3), None));
    }

    #[test]
    fn memory_of_removed_watches_is_bounded() {
        let mut watches = Watches::default();
        let most = i32::try_from(Watches::MOST_REMOVED).expect("small");
        for wd in 0..=most {
            watches.insert(wd, &dir("/p"));
            watches.let_go(Path::new("/p"));
            assert_eq!(watches.take_unwanted(), Some(wd));
        }
        assert!(watches.removed.len() <= Watches::MOST_REMOVED);
        assert_eq!(watches.owner(most), Owner::Nobody, "the last one is remembered");
    }
}
