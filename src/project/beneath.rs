//! Reading small files of a project, none of them outside of it.
//!
//! Paths are resolved beneath the project root: a symbolic link that leads out is an
//! error. Opening never blocks (a FIFO in place of a file), only regular files are read,
//! and none beyond the limit that the caller gives.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// More entries of one directory are not looked at.
const MAX_ENTRIES: usize = 4096;

/// Why a file or directory of the project could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BeneathError {
    /// The system said no; a link that leaves the project is `EXDEV` or `ELOOP`.
    #[error("cannot read {}: permission, or a link that leaves the project", path.display())]
    Io {
        /// Relative to the project root, or the root itself.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither a regular file nor, where one was asked for, a directory.
    #[error("{} is not a regular file", .0.display())]
    Special(PathBuf),
    /// Larger than what is read.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Relative to the project root.
        path: PathBuf,
        /// In bytes.
        limit: usize,
    },
}

/// A project root held open.
#[derive(Debug)]
pub struct Beneath {
    fd: OwnedFd,
}

impl Beneath {
    /// Opens the root itself.
    pub fn open(root: &Path) -> Result<Beneath, BeneathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, root, flags, Mode::empty())
            .map(|fd| Beneath { fd })
            .map_err(|e| failed(root, e))
    }

    /// The bytes of a file; `None` if there is none.
    pub fn read(&self, path: &Path, limit: usize) -> Result<Option<Vec<u8>>, BeneathError> {
        match open_beneath(&self.fd, path, OFlags::empty()) {
            Ok(fd) => read_regular(fd, path, limit).map(Some),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(failed(path, e)),
        }
    }

    /// The names of the directories (and of links, which may be some) in a directory,
    /// sorted, without hidden ones; `None` if it is not there.
    pub fn directories(&self, path: &Path) -> Result<Option<Vec<Vec<u8>>>, BeneathError> {
        let fd = match open_beneath(&self.fd, path, OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(e) => return Err(failed(path, e)),
        };
        let mut names = Vec::new();
        for entry in Dir::new(fd).map_err(|e| failed(path, e))?.take(MAX_ENTRIES) {
            let entry = entry.map_err(|e| failed(path, e))?;
            let name = entry.file_name().to_bytes();
            let may_be_directory = matches!(
                entry.file_type(),
                FileType::Directory | FileType::Symlink | FileType::Unknown
            );
            if may_be_directory && !name.starts_with(b".") {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable();
        Ok(Some(names))
    }
}

/// The bytes of a regular file anywhere, such as in a git directory; `None` if there is
/// none. Links are followed.
pub(super) fn read_anywhere(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, BeneathError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => read_regular(fd, path, limit).map(Some),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(failed(path, e)),
    }
}

fn read_regular(fd: OwnedFd, path: &Path, limit: usize) -> Result<Vec<u8>, BeneathError> {
    let stat = rustix::fs::fstat(&fd).map_err(|e| failed(path, e))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(BeneathError::Special(path.to_owned()));
    }
    let too_large = || BeneathError::TooLarge { path: path.to_owned(), limit };
    if u64::try_from(stat.st_size).is_ok_and(|size| size > limit as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    File::from(fd)
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| BeneathError::Io { path: path.to_owned(), source })?;
    if bytes.len() > limit { Err(too_large()) } else { Ok(bytes) }
}

fn failed(path: &Path, errno: Errno) -> BeneathError {
    BeneathError::Io { path: path.to_owned(), source: errno.into() }
}

/// Opens a path below `root`, for reading, without ever leaving it.
fn open_beneath(root: &OwnedFd, path: &Path, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        // The kernel asks to try again when a rename happens at the same time.
        for _ in 0..8 {
            match openat2(root, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS | Errno::PERM) => break,
                result => return result,
            }
        }
    }
    open_step_by_step(root, path, flags)
}

/// Where the kernel can't resolve beneath: each segment by itself, following no link.
fn open_step_by_step(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut segments = path.iter().peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(segment) = segments.next() {
        if segment == ".." || segment == "/" {
            return Err(Errno::XDEV);
        }
        let last = segments.peek().is_none();
        let flags = if last {
            flags | OFlags::NOFOLLOW
        } else {
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
        };
        let parent = at.as_ref().unwrap_or(root);
        at = Some(rustix::fs::openat(parent, segment, flags, Mode::empty())?);
    }
    at.ok_or(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn check(open: impl Fn(&Beneath, &str) -> Result<Option<Vec<u8>>, BeneathError>, links: bool) {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("a")).expect("made");
        fs::write(root.join("a/file"), "text").expect("written");
        fs::write(root.join("a/long"), "x".repeat(101)).expect("written");
        fs::write(dir.path().join("secret"), "secret").expect("written");
        symlink("../../secret", root.join("a/out")).expect("linked");
        symlink(dir.path().join("secret"), root.join("absolute")).expect("linked");
        symlink("a/file", root.join("inside")).expect("linked");
        symlink(dir.path(), root.join("outdir")).expect("linked");
        let fifo = root.join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).expect("a fifo");
        let beneath = Beneath::open(&root).expect("opens");
        assert_eq!(open(&beneath, "a/file").expect("reads"), Some(b"text".to_vec()));
        assert_eq!(open(&beneath, "a/none").expect("reads"), None);
        assert_eq!(open(&beneath, "a/file/x").expect("reads"), None);
        for bad in ["a/out", "absolute", "outdir/secret", "../secret", "fifo", "a", "a/long"] {
            assert!(open(&beneath, bad).is_err(), "{bad}");
        }
        assert_eq!(open(&beneath, "inside").is_ok(), links);
    }

    #[test]
    fn files_are_read_beneath_the_root_only() {
        check(|beneath, path| beneath.read(Path::new(path), 100), cfg!(target_os = "linux"));
    }

    #[test]
    fn step_by_step_follows_no_link_at_all() {
        let open = |beneath: &Beneath, path: &str| {
            let path = Path::new(path);
            match open_step_by_step(&beneath.fd, path, OFlags::RDONLY | OFlags::NONBLOCK) {
                Ok(fd) => read_regular(fd, path, 100).map(Some),
                Err(Errno::NOENT | Errno::NOTDIR) if !path.starts_with("outdir") => Ok(None),
                Err(e) => Err(failed(path, e)),
            }
        };
        check(open, false);
    }

    #[test]
    fn directories_are_listed_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["m/b", "m/a", "m/.hidden"] {
            fs::create_dir_all(dir.path().join(name)).expect("made");
        }
        fs::write(dir.path().join("m/file"), "").expect("written");
        let beneath = Beneath::open(dir.path()).expect("opens");
        let names = beneath.directories(Path::new("m")).expect("lists");
        assert_eq!(names, Some(vec![b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(beneath.directories(Path::new("none")).expect("lists"), None);
        assert_eq!(beneath.directories(Path::new("m/file")).expect("lists"), None);
    }
}
