//! Cookies: a file made and removed in a private directory, whose event comes out of the
//! back-end's queue behind everything that happened before. Whoever sees it has seen all.
//!
//! Waiting, time limits and what an overflow means for those who wait belong to the
//! loop; here a cookie is made, recognised once, and forgotten. Nothing is ever written
//! into a directory of the user's.
//!
//! Only cookies that an event reports count, never one found by listing.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DirWatcher, WatchError};

/// Names one cookie of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CookieId(u64);

/// Why there is no cookie. A reader that wanted one is served by a rescan instead.
#[derive(Debug, thiserror::Error)]
pub enum CookieError {
    /// The instance's name would not make a file name.
    #[error("{0:?} is no name for an instance: 1 to 64 of A-Z a-z 0-9 . _ -, no leading dot")]
    Instance(String),
    /// The directory is not ours alone, so its events would prove nothing.
    #[error("{} is not a directory of this user; remove it, or choose another", .0.display())]
    Foreign(PathBuf),
    /// The directory or a file in it could not be made. `NotFound` when issuing means
    /// that somebody removed the directory: [`Cookies::rearm`] makes it again.
    #[error("cannot make {}", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory is there, but could not be watched.
    #[error("cannot watch the directory of cookies")]
    Watch(#[source] WatchError),
}

/// The names that were issued and not seen yet: what the back-end's thread has to know.
#[derive(Debug)]
pub(super) struct Issued {
    dir: PathBuf,
    instance: String,
    waiting: Mutex<HashSet<u64>>,
}

impl Issued {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cookie of that name, the first time it is seen after it was issued.
    pub(super) fn seen(&self, name: &OsStr) -> Option<CookieId> {
        let rest = name.to_str()?.strip_prefix(&self.instance)?.strip_prefix('-')?;
        let number: u64 = rest.parse().ok()?;
        self.lock().remove(&number).then_some(CookieId(number))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes cookies in one private directory.
#[derive(Debug)]
pub struct Cookies {
    issued: Arc<Issued>,
    next: AtomicU64,
}

impl Cookies {
    /// Makes `dir` (mode 0700) if it is not there, removes cookies that dead instances
    /// left in it, and issues names of the form `<instance>-<number>`. `instance` should
    /// be new for every process. The directory is not watched yet: see [`Self::rearm`].
    pub fn new(dir: PathBuf, instance: &str) -> Result<Self, CookieError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=64).contains(&instance.len())
            || instance.starts_with('.')
            || !instance.chars().all(fits)
        {
            return Err(CookieError::Instance(instance.to_owned()));
        }
        make_private(&dir)?;
        // Events name the real path, so that is the one to compare with.
        let dir = dir.canonicalize().map_err(|source| CookieError::Io { path: dir, source })?;
        remove_stale(&dir)?;
        let issued =
            Issued { dir, instance: instance.to_owned(), waiting: Mutex::new(HashSet::new()) };
        Ok(Self { issued: Arc::new(issued), next: AtomicU64::new(1) })
    }

    /// Where the cookies are made: canonical.
    pub fn dir(&self) -> &Path {
        &self.issued.dir
    }

    /// The file of a cookie.
    pub fn path_of(&self, cookie: CookieId) -> PathBuf {
        self.issued.dir.join(format!("{}-{}", self.issued.instance, cookie.0))
    }

    /// Makes the directory again if it is gone, and has it watched. The watcher must be
    /// the one that watches what the cookies are to fence.
    pub fn rearm(&self, watcher: &dyn DirWatcher) -> Result<(), CookieError> {
        make_private(&self.issued.dir)?;
        watcher.watch_dir(&self.issued.dir).map_err(CookieError::Watch)
    }

    /// Makes a cookie. It comes back in [`Batch::barriers`](super::Batch::barriers) of the
    /// batch with, or after, everything written before this call.
    pub fn issue(&self) -> Result<CookieId, CookieError> {
        let cookie = CookieId(self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.path_of(cookie);
        // Known before it exists, or its event could come too early.
        self.issued.lock().insert(cookie.0);
        if let Err(source) = create(&path) {
            self.forget(cookie);
            return Err(CookieError::Io { path, source });
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // Harmless: the event is on its way, and the next start cleans up.
                tracing::warn!(path = %path.display(), %error, "a cookie stays behind");
            }
            _ => {}
        }
        Ok(cookie)
    }

    /// Nobody waits for this cookie any more; if it still comes, it is ignored.
    pub fn forget(&self, cookie: CookieId) {
        self.issued.lock().remove(&cookie.0);
    }

    /// How many were issued and neither seen nor forgotten.
    pub fn outstanding(&self) -> usize {
        self.issued.lock().len()
    }

    pub(super) fn issued(&self) -> Arc<Issued> {
        Arc::clone(&self.issued)
    }
}

/// Creates an empty file that was not there before, and that nobody else can open.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        options.mode(0o600).custom_flags(no_follow);
    }
    options.open(path).map(drop)
}

/// Makes sure that `dir` is a directory of this user's that nobody else can enter.
fn make_private(dir: &Path) -> Result<(), CookieError> {
    let failed = |source| CookieError::Io { path: dir.to_path_buf(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed)?;
    let found = fs::symlink_metadata(dir).map_err(failed)?;
    if !found.is_dir() {
        return Err(CookieError::Foreign(dir.to_path_buf()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(CookieError::Foreign(dir.to_path_buf()));
        }
        if found.mode() & 0o777 != 0o700 {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Removes what looks like a cookie of an instance that died between making and removing
/// it. Should that instance be alive after all, it loses nothing: the event is out.
fn remove_stale(dir: &Path) -> Result<(), CookieError> {
    let failed = |source| CookieError::Io { path: dir.to_path_buf(), source };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once('-')).map(|(_, number)| number);
        let is_cookie = number
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_cookie && let Err(error) = fs::remove_file(entry.path()) {
            tracing::debug!(path = %entry.path().display(), %error, "a stale cookie stays");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn a_cookie_leaves_no_file_and_is_seen_once() {
        let home = home();
        let cookies = Cookies::new(home.path().join("a/ck"), "me").expect("cookies");
        let id = cookies.issue().expect("a cookie");
        assert_eq!(fs::read_dir(cookies.dir()).expect("listed").count(), 0);
        let name = cookies.path_of(id);
        let name = name.file_name().expect("a name");
        assert_eq!(cookies.issued.seen(name), Some(id));
        assert_eq!(cookies.issued.seen(name), None);
        assert_eq!(cookies.outstanding(), 0);
    }

    #[test]
    fn names_never_issued_are_ignored() {
        let home = home();
        let cookies = Cookies::new(home.path().join("ck"), "me").expect("cookies");
        let id = cookies.issue().expect("a cookie");
        for name in ["me-2", "me-", "me-x", "me", "you-1", "me-1-1", "me--1", "", "m"] {
            assert_eq!(cookies.issued.seen(OsStr::new(name)), None, "{name:?}");
        }
        cookies.forget(id);
        assert_eq!(cookies.issued.seen(OsStr::new("me-1")), None);
    }

    #[test]
    fn cleans_up_after_dead_instances_and_touches_nothing_else() {
        let home = home();
        let dir = home.path().join("ck");
        fs::create_dir(&dir).expect("made");
        for name in ["old-7", "older-one-12", "notes.txt", "x-y"] {
            fs::write(dir.join(name), "").expect("written");
        }
        fs::create_dir(dir.join("dir-1")).expect("made");
        let cookies = Cookies::new(dir, "me").expect("cookies");
        let mut left: Vec<_> = fs::read_dir(cookies.dir())
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["dir-1", "notes.txt", "x-y"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_directory_is_private_and_no_link() {
        use std::os::unix::fs::PermissionsExt;
        let home = home();
        let dir = home.path().join("ck");
        fs::create_dir(&dir).expect("made");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("set");
        let cookies = Cookies::new(dir.clone(), "me").expect("cookies");
        let mode = fs::metadata(cookies.dir()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&dir, &link).expect("linked");
        assert!(matches!(Cookies::new(link, "me"), Err(CookieError::Foreign(_))));
    }

    #[test]
    fn a_removed_directory_is_an_error_until_rearmed() {
        let home = home();
        let cookies = Cookies::new(home.path().join("ck"), "me").expect("cookies");
        fs::remove_dir(cookies.dir()).expect("removed");
        let error = cookies.issue().expect_err("no directory");
        assert!(
            matches!(&error, CookieError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
        );
        assert_eq!(cookies.outstanding(), 0);
        cookies.rearm(&crate::watch::Unwatched).expect("made again");
        cookies.issue().expect("a cookie");
    }

    #[test]
    fn refuses_names_that_are_no_file_names() {
        let home = home();
        for bad in ["", ".", "../x", "a/b", "é", "a b", &"x".repeat(65)] {
            let made = Cookies::new(home.path().join("ck"), bad);
            assert!(matches!(made, Err(CookieError::Instance(_))), "{bad:?}");
        }
    }
}
