//! Is a path a directory that is reached without following a symbolic link?
//!
//! A watch on a link's target would share that target's watch, and end it when the link
//! changes, so back-ends watch plain directories only.

use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::fd::OwnedFd;
#[cfg(target_os = "linux")]
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
#[cfg(target_os = "linux")]
use rustix::io::Errno;

use super::WatchError;

/// Why a path is not one to watch.
#[derive(Debug)]
pub(super) enum Unplain {
    Link,
    Other(io::Error),
}

impl Unplain {
    /// The same, said of `dir`.
    pub(super) fn of(self, dir: &Path) -> WatchError {
        match self {
            Self::Link => WatchError::Gone(dir.to_path_buf()),
            Self::Other(error) => WatchError::of_dir(dir, error),
        }
    }
}

/// Is it a directory, and no component of the path a symbolic link?
#[cfg(target_os = "linux")]
pub(super) fn check(dir: &Path) -> Result<(), Unplain> {
    open(dir).map(drop)
}

/// The same, and holds on to the directory that was found, for looking only.
#[cfg(target_os = "linux")]
pub(super) fn open(dir: &Path) -> Result<OwnedFd, Unplain> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(CWD, dir, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(fd) => Ok(fd),
        Err(Errno::LOOP) => Err(Unplain::Link),
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => {
            check_last_component(dir)?;
            openat(CWD, dir, flags | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|errno| Unplain::Other(errno.into()))
        }
        Err(errno) => Err(Unplain::Other(errno.into())),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn check(dir: &Path) -> Result<(), Unplain> {
    check_last_component(dir)
}

fn check_last_component(dir: &Path) -> Result<(), Unplain> {
    let found = dir.symlink_metadata().map_err(Unplain::Other)?;
    if found.is_symlink() {
        return Err(Unplain::Link);
    }
    if !found.is_dir() {
        return Err(Unplain::Other(io::ErrorKind::NotADirectory.into()));
    }
    Ok(())
}
