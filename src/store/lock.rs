//! One holder at a time, decided by the operating system.
//!
//! The lock belongs to the open file, so it ends with the process, however that dies, and
//! no stale lock needs guessing. The file itself is never removed: between one process
//! that unlinks it and another that has just opened it, two would each hold the lock of
//! a different file and both believe that they are alone.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::atomic::open_parent;
use super::error::StoreError;
use crate::platform::dir::file_facts;
use crate::platform::{Dir, Open};

/// Why a lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error(
        "{} is held by {}",
        path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The holder, as the file says; for people only.
        pid: Option<u32>,
    },
    /// The lock file has further names, so that writing to it would change a file elsewhere.
    #[error(
        "{} is one of {links} names (hard links) of one file, and writing to it would change the others; remove it",
        path.display()
    )]
    Linked {
        /// The lock file.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The system refused.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A held lock; dropping it, or dying, gives it back.
#[derive(Debug)]
pub struct InstanceLock {
    path: PathBuf,
    /// The lock lives as long as this file is open.
    _file: File,
}

impl InstanceLock {
    /// Takes the lock at `path` (made if missing, 0600) or says who has it; never waits.
    pub fn try_acquire(path: &Path) -> Result<Self, LockError> {
        let (dir, name) = open_parent(path).map_err(|error| match error {
            StoreError::Io { path, source, .. } => LockError::Io { path, source },
            other => LockError::Io { path: path.to_path_buf(), source: io::Error::other(other) },
        })?;
        Self::try_acquire_in(&dir, &name)
    }

    /// The same in a directory that is open already.
    pub fn try_acquire_in(dir: &Dir, name: &std::ffi::OsStr) -> Result<Self, LockError> {
        let path = dir.path().join(name);
        let io = |source| LockError::Io { path: path.clone(), source };
        // Somebody may have removed the file between our open and our lock; a lock on a
        // file without a name excludes nobody, so it is tried again on the new one.
        for _ in 0..16 {
            let mut file = dir.open_file(name, Open::WriteOrCreate(0o600)).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Held { pid: read_pid(&mut file), path });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            let named = dir.facts(name).map_err(io)?.map(|facts| facts.id);
            let facts = file_facts(&file).map_err(io)?;
            if named == Some(facts.id) {
                if facts.links > 1 {
                    return Err(LockError::Linked { path, links: facts.links });
                }
                // The pid is a courtesy to people: that it cannot be written (a full
                // disk) is no reason not to hold the lock.
                let _ = write_pid(&mut file);
                return Ok(Self { path, _file: file });
            }
        }
        Err(io(io::Error::other("the lock file is replaced again and again")))
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// On Windows a locked file cannot be read by others; then there is no pid to show.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it_until_the_first_is_gone() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("lock");
        let first = InstanceLock::try_acquire(&path).unwrap();
        match InstanceLock::try_acquire(&path).unwrap_err() {
            LockError::Held { pid, .. } if cfg!(unix) => assert_eq!(pid, Some(std::process::id())),
            LockError::Held { .. } => {}
            other => panic!("{other}"),
        }
        drop(first);
        assert!(path.exists(), "the file stays");
        InstanceLock::try_acquire(&path).unwrap();
    }

    #[test]
    fn a_stale_file_of_a_dead_process_is_no_lock() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("lock");
        std::fs::write(&path, "999999999 and a long text that a former version wrote").unwrap();
        let lock = InstanceLock::try_acquire(&path).unwrap();
        assert_eq!(lock.path(), path);
        if cfg!(unix) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{}\n", std::process::id()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_link_or_directory_is_an_error_with_its_path() {
        let tmp = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", tmp.path().join("link")).unwrap();
        std::fs::create_dir(tmp.path().join("dir")).unwrap();
        for name in ["link", "dir", "no/parent"] {
            let error = InstanceLock::try_acquire(&tmp.path().join(name)).unwrap_err();
            assert!(matches!(error, LockError::Io { .. }), "{error}");
        }
        assert!(!tmp.path().join("elsewhere").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_removed_lock_file_does_not_let_two_in() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("lock");
        let inside = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let Ok(lock) = InstanceLock::try_acquire(&path) else { continue };
                        assert!(!inside.swap(true, Ordering::SeqCst), "two are in");
                        std::thread::yield_now();
                        inside.store(false, Ordering::SeqCst);
                        // Somebody tidies up just when the lock is given back.
                        let _ = std::fs::remove_file(&path);
                        drop(lock);
                    }
                });
            }
        });
    }
}
