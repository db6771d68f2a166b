//! Linux' own file events, straight from the kernel: one inotify instance for the whole
//! daemon, hence one ordered queue for all roots and for the cookies.
//!
//! - One thread reads and does nothing else; adding a watch never waits for it. The lock
//!   on the two maps is held across adding a watch and writing it down, so the reader
//!   never meets a watch that it does not know.
//! - What is asked for leaves out everything that reading causes, so that the daemon's
//!   own reads make no events.
//! - A directory that is open is watched through its descriptor, by way of `/proc`: what
//!   is watched is then what is listed, whatever the path has come to mean, and no link
//!   is followed. Without `/proc` the path is used, and checked before and after.
//! - The kernel has one watch per inode: when a directory is reached by a second path, the
//!   last path wins. A descriptor can be older than a rename, though; so before a watch
//!   is taken from another path, or a path from another watch, the path must lead to the
//!   directory.
//! - A directory that is moved away is let go, with everything below it, when the event
//!   says so. Its watch stays in the kernel for a moment; a visit under the new name, which
//!   the rename's other event asks for, takes it back. By then the old path may belong to
//!   another directory; the event that says so makes the caller visit it, and **every visit
//!   adds the watch again, known or not**.
//! - For a root, and for the directory of cookies, nobody watches the parent, so only their
//!   own move or removal tells that the watch may be gone. That is why a root hint comes
//!   with a deep mark, and why
//!   [`Batch::cookies_lost`](super::Batch::cookies_lost) exists.
//! - A full queue, an unmounted file system, an event of a watch that nobody knows, and the
//!   end of the thread are overflows.

mod reader;
mod watches;

use std::fmt::Write as _;
use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat, stat};
use rustix::io::Errno;

use self::reader::{EventReader, remove_unwanted};
use self::watches::{DirPath, Watches};
use super::plain_dir::{self, Unplain};
use super::{Classifier, Cookies, Coverage, DirWatcher, DirtySet, WatchBackend, WatchError};

/// What is asked of the kernel for each directory. Not `EXCL_UNLINK`: it silences whatever
/// is written through a name that is not in the directory, and a file that was made without
/// one (`O_TMPFILE`) and got its name later is still written through none.
const MASK: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// So many watches are removed before the lock is free for others for a moment.
const REMOVE_CHUNK: usize = 1024;

/// The kernel's file events. Dropping it ends them.
#[derive(Debug)]
pub struct InotifyBackend {
    dirty: Arc<DirtySet>,
    shared: Arc<Shared>,
    /// Is there a `/proc` to watch descriptors through?
    through_proc: bool,
    /// Closing it is what tells the thread to end.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// What the back-end and its thread both know.
#[derive(Debug)]
struct Shared {
    inotify: OwnedFd,
    watches: Mutex<Watches>,
    stopping: AtomicBool,
    ended: AtomicBool,
}

impl Shared {
    /// No operation leaves the maps half done, so a panic elsewhere does not spoil them.
    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InotifyBackend {
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
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|errno| WatchError::of_start(errno.into()))?;
        let (stopped, stop) = io::pipe().map_err(WatchError::Start)?;
        let shared = Arc::new(Shared {
            inotify,
            watches: Mutex::default(),
            // Should the thread not start, its state goes with it, and that is no loss.
            stopping: AtomicBool::new(true),
            ended: AtomicBool::new(false),
        });
        let reader = EventReader {
            classifier,
            dirty: Arc::clone(&dirty),
            shared: Arc::clone(&shared),
            sweep_at: None,
        };
        let thread = thread::Builder::new()
            .name("inotify".into())
            .spawn(move || reader.run(&stopped))
            .map_err(WatchError::Start)?;
        shared.stopping.store(false, Ordering::Release);
        let through_proc = descriptors_have_paths();
        Ok(Self { dirty, shared, through_proc, stop: Some(stop), thread: Some(thread) })
    }

    /// Watches the directory that is open at `fd`, under the path `dir`.
    fn add(&self, dir: &Path, fd: BorrowedFd<'_>) -> Result<(), WatchError> {
        if self.shared.ended.load(Ordering::Acquire) {
            return Err(WatchError::ended());
        }
        let (link, flags);
        let target = match self.through_proc {
            true => {
                link = descriptor_path(fd);
                // The descriptor's link in `/proc` is one that has to be followed.
                flags = MASK;
                Path::new(&link)
            }
            false => {
                flags = MASK.union(WatchFlags::DONT_FOLLOW);
                dir
            }
        };
        let path = DirPath::new(dir);
        let mut watches = self.shared.watches();
        let wd = self
            .add_or_make_room(&mut watches, target, flags)
            .map_err(|errno| WatchError::of_dir(dir, errno.into()))?;
        if watches.is_disputed(wd, &path) && !leads_to(dir, fd) {
            watches.refuse(wd);
            return Err(WatchError::Gone(dir.to_path_buf()));
        }
        watches.insert(wd, &path);
        Ok(())
    }

    /// At the limit, watches that nobody wants any more are given back first.
    fn add_or_make_room(
        &self,
        watches: &mut Watches,
        target: &Path,
        flags: WatchFlags,
    ) -> Result<i32, Errno> {
        let inotify = &self.shared.inotify;
        match add_watch(inotify, target, flags) {
            Err(Errno::NOSPC) if watches.has_unwanted() => {
                remove_unwanted(inotify, watches, usize::MAX);
                add_watch(inotify, target, flags)
            }
            outcome => outcome,
        }
    }

    /// Without `/proc` a path is watched, which may have become a link meanwhile; then the
    /// watch may be that of its target, now known by the wrong path.
    fn check_after(&self, dir: &Path) -> Result<(), WatchError> {
        match plain_dir::check(dir) {
            Ok(()) => Ok(()),
            Err(Unplain::Link) => {
                self.remove_tree(dir);
                self.dirty.push_overflow(format!("{} became a link", dir.display()));
                Err(WatchError::Gone(dir.to_path_buf()))
            }
            Err(other) => Err(other.of(dir)),
        }
    }

    fn remove_tree(&self, dir: &Path) {
        self.shared.watches().let_go(dir);
        loop {
            let mut watches = self.shared.watches();
            remove_unwanted(&self.shared.inotify, &mut watches, REMOVE_CHUNK);
            if !watches.has_unwanted() {
                return;
            }
        }
    }
}

impl DirWatcher for InotifyBackend {
    /// Adds the watch of a directory, whether or not it is known. `dir` must be
    /// canonical: with a symbolic link in any component it counts as gone.
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        let fd = plain_dir::open(dir).map_err(|why| why.of(dir))?;
        self.add(dir, fd.as_fd())?;
        if self.through_proc { Ok(()) } else { self.check_after(dir) }
    }

    fn watch_open_dir(&self, dir: &Path, fd: BorrowedFd<'_>) -> Result<(), WatchError> {
        if self.through_proc { self.add(dir, fd) } else { self.watch_dir(dir) }
    }
}

impl WatchBackend for InotifyBackend {
    fn watch_root(&self, root: &Path) -> Result<(), WatchError> {
        self.watch_dir(root)?;
        self.dirty.add_root(root);
        Ok(())
    }

    fn unwatch_tree(&self, root: &Path) {
        self.dirty.remove_root(root);
        self.remove_tree(root);
    }

    fn watched_below(&self, dir: &Path) -> usize {
        self.shared.watches().count_below(dir)
    }

    fn coverage(&self) -> Coverage {
        Coverage::PerDirectory
    }

    fn is_alive(&self) -> bool {
        !self.shared.ended.load(Ordering::Acquire)
    }

    fn name(&self) -> &'static str {
        "inotify"
    }
}

impl Drop for InotifyBackend {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that read file events had panicked");
        }
    }
}

/// The link by which `/proc` leads to an open file, see proc_pid_fd(5).
fn descriptor_path(fd: BorrowedFd<'_>) -> String {
    let mut path = String::with_capacity(32);
    // Writing to a string does not fail.
    let _ = write!(path, "/proc/self/fd/{}", fd.as_raw_fd());
    path
}

/// Does `/proc` lead from a descriptor to what is open?
fn descriptors_have_paths() -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(fd) = openat(CWD, "/", flags, Mode::empty()) else { return false };
    same(fstat(&fd), stat(descriptor_path(fd.as_fd())))
}

/// Does the path lead to what is open at `fd`?
fn leads_to(dir: &Path, fd: BorrowedFd<'_>) -> bool {
    same(fstat(fd), rustix::fs::lstat(dir))
}

fn same(a: Result<rustix::fs::Stat, Errno>, b: Result<rustix::fs::Stat, Errno>) -> bool {
    matches!((a, b), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

#[cfg(test)]
mod tests;
