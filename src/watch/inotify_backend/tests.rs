//! What is special to the kernel's own watches; `backend_tests` has the rest.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::inotify::ReadFlags;

use super::watches::Owner;
use super::*;
use crate::watch::backend_tests::bench::{await_batch, wait_for};
use crate::watch::{Batch, MarkKind};

const PATIENCE: Duration = Duration::from_secs(30);

/// A back-end on a root, whose maps can be looked into.
struct Inside {
    _home: tempfile::TempDir,
    root: PathBuf,
    dirty: Arc<DirtySet>,
    cookies: Cookies,
    backend: InotifyBackend,
}

impl Inside {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let root = home.path().canonicalize().expect("there").join("root");
        fs::create_dir(&root).expect("made");
        let dirty = Arc::new(DirtySet::new());
        let cookies = Cookies::new(home.path().join("ck"), "test").expect("cookies");
        let backend =
            InotifyBackend::with_cookies(Arc::clone(&dirty), &cookies).expect("an instance");
        backend.watch_root(&root).expect("watched");
        Self { _home: home, root, dirty, cookies, backend }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Makes a directory, opened as a scan opens it.
    fn open(&self, relative: &str) -> File {
        fs::create_dir_all(self.path(relative)).expect("made");
        File::open(self.path(relative)).expect("opened")
    }

    fn watch(&self, relative: &str, fd: &File) -> Result<(), WatchError> {
        self.backend.watch_open_dir(&self.path(relative), fd.as_fd())
    }

    /// The number of the watch at a path.
    fn wd(&self, relative: &str) -> Option<i32> {
        let path = self.path(relative);
        let watches = self.backend.shared.watches();
        (0..1000).find(|wd| matches!(watches.owner(*wd), Owner::Dir(dir) if dir.as_path() == path))
    }

    /// The marks of everything that happened before this call.
    fn marks(&self) -> BTreeMap<PathBuf, MarkKind> {
        let cookie = self.cookies.issue().expect("a cookie");
        let mut marks = BTreeMap::new();
        wait_for(&self.dirty, cookie, |batch| {
            assert_eq!(batch.overflow, None);
            marks.extend(batch.marks);
        });
        marks
    }

    fn reader(&self) -> EventReader {
        EventReader {
            classifier: Classifier::new(Arc::clone(&self.dirty)),
            dirty: Arc::clone(&self.dirty),
            shared: Arc::clone(&self.backend.shared),
            sweep_at: None,
        }
    }

    /// What one event makes of everything.
    fn taken(&self, wd: i32, flags: ReadFlags, name: Option<&str>) -> Batch {
        self.marks();
        let mut reader = self.reader();
        reader.take(wd, flags, name.map(OsStr::new));
        let batch = self.dirty.take();
        self.backend.shared.stopping.store(true, Ordering::Release);
        drop(reader);
        self.backend.shared.stopping.store(false, Ordering::Release);
        self.backend.shared.ended.store(false, Ordering::Release);
        batch
    }
}

#[test]
fn a_reader_that_panics_says_so() {
    let inside = Inside::new();
    let reader = inside.reader();
    let panicked = std::thread::spawn(move || {
        let _reader = reader;
        panic!("as tests do");
    });
    assert!(panicked.join().is_err());
    let batch = inside.dirty.take();
    assert_eq!(batch.panic.as_deref(), Some("the thread that reads file events"));
    assert!(inside.dirty.take().is_empty());
}

#[test]
fn what_cannot_be_told_from_a_loss_is_an_overflow() {
    let inside = Inside::new();
    let root = inside.wd("").expect("watched");
    for (wd, flags) in [
        (-1, ReadFlags::QUEUE_OVERFLOW),
        (root, ReadFlags::UNMOUNT),
        (999, ReadFlags::CREATE),
        (999, ReadFlags::IGNORED),
    ] {
        assert!(inside.taken(wd, flags, None).overflow.is_some(), "{flags:?}");
    }
    let created = inside.taken(root, ReadFlags::CREATE | ReadFlags::ISDIR, Some("d"));
    assert_eq!(created.overflow, None);
    assert_eq!(created.marks.get(&inside.path("d")), Some(&MarkKind::DEEP));
}

#[test]
fn numbers_of_watches_are_not_used_again() {
    let inside = Inside::new();
    let mut last = 0;
    for round in 0..50 {
        let dir = inside.open("d");
        inside.watch("d", &dir).expect("watched");
        let wd = inside.wd("d").expect("watched");
        assert!(wd > last, "round {round}: {wd} after {last}");
        last = wd;
        drop(dir);
        fs::remove_dir(inside.path("d")).expect("removed");
        inside.marks();
        assert_eq!(inside.wd("d"), None, "the kernel said that it ended");
    }
}

#[test]
fn a_directory_that_was_moved_keeps_its_watch_under_the_new_path() {
    let inside = Inside::new();
    let (p, sub) = (inside.open("p"), inside.open("p/sub"));
    inside.watch("p", &p).expect("watched");
    inside.watch("p/sub", &sub).expect("watched");
    let before = (inside.wd("p"), inside.wd("p/sub"));
    assert!(before.0.is_some() && before.1.is_some());
    fs::rename(inside.path("p"), inside.path("q")).expect("renamed");
    let marks = inside.marks();
    assert!(marks[&inside.path("p")].deep && marks[&inside.path("q")].deep, "{marks:?}");
    assert_eq!((inside.wd("p"), inside.wd("p/sub")), (None, None), "let go, with all below");
    // Nobody's events are no marks, until the visit.
    fs::write(inside.path("q/sub/early"), "x").expect("written");
    assert_eq!(inside.marks(), BTreeMap::new());
    inside.watch("q", &p).expect("watched");
    inside.watch("q/sub", &sub).expect("watched");
    assert_eq!((inside.wd("q"), inside.wd("q/sub")), before);
    // What is done for the old path later does not touch the new one.
    inside.backend.unwatch_tree(&inside.path("p"));
    fs::write(inside.path("q/sub/late"), "x").expect("written");
    assert_eq!(inside.marks(), BTreeMap::from([(inside.path("q/sub/late"), MarkKind::READY)]));
}

#[test]
fn the_end_of_a_root_is_told_though_its_path_is_watched_anew_already() {
    let inside = Inside::new();
    let old = inside.wd("").expect("watched");
    // As if the reader were late: the path has its new watch, the end is still queued.
    let held = inside.backend.shared.watches();
    fs::remove_dir(&inside.root).expect("removed");
    fs::create_dir(&inside.root).expect("made again");
    drop(held);
    inside.marks();
    for (flag, hinted) in
        [(ReadFlags::DELETE_SELF, true), (ReadFlags::MOVE_SELF, true), (ReadFlags::ATTRIB, false)]
    {
        let mut watches = inside.backend.shared.watches();
        watches.insert(old, &DirPath::new(&inside.root));
        watches.insert(998, &DirPath::new(&inside.root));
        drop(watches);
        let batch = inside.taken(old, flag, None);
        assert_eq!(batch.root_hints.is_empty(), !hinted, "{flag:?}");
        assert_eq!(inside.wd(""), Some(998), "the new watch stays: {flag:?}");
        assert!(inside.taken(old, ReadFlags::CREATE, Some("f")).is_empty());
    }
}

#[test]
fn a_tree_that_was_moved_out_is_given_back_to_the_kernel() {
    let inside = Inside::new();
    for dir in ["p", "p/a", "p/b"] {
        inside.watch(dir, &inside.open(dir)).expect("watched");
    }
    fs::rename(inside.path("p"), inside.root.with_file_name("out")).expect("moved out");
    inside.marks();
    assert!(inside.backend.shared.watches().has_unwanted());
    assert_eq!(inside.backend.watched_below(&inside.root), 1);
    let deadline = Instant::now() + PATIENCE;
    while inside.backend.shared.watches().has_unwanted() {
        assert!(Instant::now() < deadline, "it is swept");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(inside.marks(), BTreeMap::new(), "and nobody hears of it");
}

#[test]
fn a_descriptor_that_is_older_than_a_rename_takes_no_watch_away() {
    let inside = Inside::new();
    let stale = inside.open("p");
    inside.watch("p", &stale).expect("watched");
    fs::rename(inside.path("p"), inside.path("q")).expect("renamed");
    inside.watch("q", &stale).expect("visited early");
    let live = inside.open("p");
    inside.watch("p", &live).expect("visited early");
    let before = (inside.wd("p"), inside.wd("q"));
    // The visit of "p" that had opened what is "q" by now.
    assert!(matches!(inside.watch("p", &stale), Err(WatchError::Gone(_))));
    assert_eq!((inside.wd("p"), inside.wd("q")), before);
    // Nor does one whose directory nobody else watches, once the renames above are read,
    // which lets go of both paths until they are visited again.
    inside.marks();
    inside.watch("q", &stale).expect("visited");
    inside.watch("p", &live).expect("visited");
    let before = (inside.wd("p"), inside.wd("q"));
    let other = inside.open("x");
    fs::rename(inside.path("x"), inside.path("y")).expect("renamed");
    assert!(matches!(inside.watch("p", &other), Err(WatchError::Gone(_))));
    assert_eq!((inside.wd("p"), inside.wd("q")), before);
    fs::write(inside.path("y/f"), "x").expect("written");
    inside.marks();
}

#[test]
fn an_open_directory_is_watched_whatever_its_path_has_become() {
    let inside = Inside::new();
    assert!(inside.backend.through_proc, "every Linux has /proc where tests run");
    let (real, other) = (inside.open("real"), inside.open("other"));
    inside.marks();
    fs::rename(inside.path("real"), inside.path("moved")).expect("renamed");
    std::os::unix::fs::symlink("other", inside.path("real")).expect("linked");
    inside.watch("real", &real).expect("watched");
    inside.marks();
    fs::write(inside.path("other/f"), "x").expect("written");
    assert_eq!(inside.marks(), BTreeMap::new(), "the link's target is not watched");
    drop(other);
    assert!(matches!(inside.backend.watch_dir(&inside.path("real")), Err(WatchError::Gone(_))));
}

#[test]
fn without_proc_paths_are_watched_and_checked() {
    let mut inside = Inside::new();
    inside.backend.through_proc = false;
    let dir = inside.open("d");
    inside.watch("d", &dir).expect("watched");
    std::os::unix::fs::symlink("d", inside.path("link")).expect("linked");
    assert!(matches!(inside.watch("link", &dir), Err(WatchError::Gone(_))));
    inside.marks();
    fs::write(inside.path("d/f"), "x").expect("written");
    assert_eq!(inside.marks(), BTreeMap::from([(inside.path("d/f"), MarkKind::READY)]));
    // It became a link between the watch and the check.
    fs::remove_dir_all(inside.path("d")).expect("removed");
    std::os::unix::fs::symlink("elsewhere", inside.path("d")).expect("linked");
    assert!(matches!(inside.backend.check_after(&inside.path("d")), Err(WatchError::Gone(_))));
    await_batch(&inside.dirty, |batch| batch.overflow.is_some());
}

#[test]
fn the_end_of_the_thread_is_an_overflow_and_then_an_error() {
    let inside = Inside::new();
    inside.marks();
    drop(inside.reader());
    assert!(inside.dirty.take().overflow.is_some());
    let outcome = inside.backend.watch_dir(&inside.root);
    assert!(matches!(outcome, Err(WatchError::Start(_))), "{outcome:?}");
}

#[test]
fn dropping_it_ends_the_thread_and_is_no_loss_of_events() {
    let inside = Inside::new();
    inside.marks();
    let (shared, dirty) = (Arc::downgrade(&inside.backend.shared), Arc::clone(&inside.dirty));
    drop(inside);
    assert_eq!(shared.strong_count(), 0, "the thread has ended");
    assert_eq!(dirty.take().overflow, None);
}

#[test]
fn a_full_queue_is_an_overflow() {
    let inside = Inside::new();
    let limit = crate::watch::InotifyLimits::read().max_queued_events;
    let Some(limit) = limit.filter(|limit| *limit <= 65_536) else {
        eprintln!("SKIP: the queue is too long to be filled: {limit:?}");
        return;
    };
    // The reader gets no further than its first event while the maps are locked.
    let held = inside.backend.shared.watches();
    for _ in 0..limit {
        fs::write(inside.path("f"), "").expect("written");
        fs::remove_file(inside.path("f")).expect("removed");
    }
    drop(held);
    await_batch(&inside.dirty, |batch| batch.overflow.is_some());
    // And events go on.
    fs::write(inside.path("after"), "x").expect("written");
    await_batch(&inside.dirty, |batch| batch.marks.contains_key(&inside.path("after")));
}

#[test]
fn an_unmounted_file_system_is_an_overflow() {
    let inside = Inside::new();
    let place = inside.path("mounted");
    fs::create_dir(&place).expect("made");
    let run = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    if !run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&place)) {
        eprintln!("SKIP: mounting needs a privilege that this process lacks");
        return;
    }
    let watched = inside.backend.watch_dir(&place);
    inside.marks();
    let unmounted = run(Command::new("umount").arg(&place));
    assert!(unmounted && watched.is_ok(), "{watched:?}");
    await_batch(&inside.dirty, |batch| batch.overflow.is_some());
    inside.marks();
    assert_eq!(inside.backend.watched_below(&place), 0, "its watch ended with it");
}
