//! Opening files beneath a feature directory, and nowhere else.
//!
//! Every file is opened relative to the directory's descriptor. On Linux `openat2` with
//! `RESOLVE_BENEATH` keeps the kernel itself from leaving, whatever is swapped meanwhile;
//! where it is missing, [`super::resolve`] walks component by component and never lets
//! the kernel follow a link. Both give the same answers. After opening, the descriptor is
//! asked what it is: only a regular file is handed out. Nothing here blocks on a FIFO.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::resolve::Target;
use super::stat::{FileKind, StatKey, errno_text};
use crate::dossier::RelPath;

/// Why a feature directory cannot be indexed at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootFault {
    /// There is nothing at this path.
    #[error("{} is gone; bring it back or remove the feature", .0.display())]
    Gone(PathBuf),
    /// Something else is at this path.
    #[error("{} is not a directory; a feature is a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The system does not let us in.
    #[error("{} cannot be read: {detail}", path.display())]
    Unreadable {
        /// The feature directory.
        path: PathBuf,
        /// Why, in our words.
        detail: String,
    },
}

/// Why a file beneath the feature was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// It, or a directory on the way, does not exist.
    #[error("no such file")]
    Gone,
    /// A symbolic link on the way leaves the feature directory and does not come back.
    #[error("symbolic link leaves the feature")]
    Escapes,
    /// Symbolic links form a loop, or are too many.
    #[error("symbolic links form a loop")]
    Loop,
    /// It is not a regular file.
    #[error("special file: {}", .0.as_str())]
    Special(FileKind),
    /// Permissions forbid it.
    #[error("permission denied")]
    Denied,
    /// Any other error of the system.
    #[error("{}", errno_text(*.0))]
    Io(Errno),
}

impl From<Errno> for OpenFault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Gone,
            Errno::XDEV => Self::Escapes,
            Errno::LOOP | Errno::MLINK => Self::Loop,
            // What opening a socket answers.
            Errno::NXIO => Self::Special(FileKind::Socket),
            Errno::ACCESS | Errno::PERM => Self::Denied,
            other => Self::Io(other),
        }
    }
}

/// A regular file, open for reading, and what the descriptor said of it.
#[derive(Debug)]
pub struct OpenedFile {
    /// The open file.
    pub file: File,
    /// Its stat, taken from the descriptor before any reading.
    pub key: StatKey,
}

impl OpenedFile {
    /// The stat of the descriptor now.
    pub(super) fn key_now(&self) -> Result<StatKey, OpenFault> {
        Ok(StatKey::of(&fstat(&self.file)?))
    }
}

/// The beginning of a file, at most as much as was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedText {
    /// At most `limit` bytes.
    pub bytes: Vec<u8>,
    /// The file's size in bytes: counted when it was read whole, else as stated.
    pub size: u64,
    /// Is there more than `bytes`?
    pub truncated: bool,
}

/// May symbolic links be followed (beneath the feature)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Yes, as long as they stay beneath.
    Follow,
    /// No: any link on the way is [`OpenFault::Loop`].
    Refuse,
}

/// An open feature directory.
#[derive(Debug)]
pub struct FeatureDir {
    fd: OwnedFd,
    path: PathBuf,
    key: StatKey,
}

const OPEN_FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// How often a lookup is tried again while the tree moves below it.
const RACE_RETRIES: usize = 8;

impl FeatureDir {
    /// Opens the directory at `path`. A link in `path` itself is followed: whoever
    /// registered the feature chose it.
    pub fn open(path: &Path) -> Result<Self, RootFault> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fault = |errno| match errno {
            Errno::NOENT => RootFault::Gone(path.to_owned()),
            Errno::NOTDIR => RootFault::NotADirectory(path.to_owned()),
            other => RootFault::Unreadable { path: path.to_owned(), detail: errno_text(other) },
        };
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(fault)?;
        let key = StatKey::of(&fstat(&fd).map_err(fault)?);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { fd, path, key })
    }

    /// The absolute path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode: what makes it the same directory as before.
    pub fn identity(&self) -> (u64, u64) {
        (self.key.dev, self.key.ino)
    }

    /// The absolute path of an entry, for messages and watches; never for opening.
    pub fn absolute(&self, path: Option<&RelPath>) -> PathBuf {
        path.map_or_else(|| self.path.clone(), |path| self.path.join(path.to_path()))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a regular file for reading, following links that stay beneath.
    pub fn open_file(&self, path: &RelPath) -> Result<OpenedFile, OpenFault> {
        self.open_with(path, Links::Follow)
    }

    /// As [`Self::open_file`], with a choice about links.
    pub(super) fn open_with(&self, path: &RelPath, links: Links) -> Result<OpenedFile, OpenFault> {
        match self.open_in_kernel(path, links) {
            Some(answer) => regular(answer?),
            None => self.open_by_walking(path, links),
        }
    }

    /// Reads at most `limit` bytes of a file. One byte more is tried, so that the answer
    /// about truncation does not rest on the stated size.
    pub fn read_bounded(&self, path: &RelPath, limit: u64) -> Result<BoundedText, OpenFault> {
        let opened = self.open_file(path)?;
        let mut bytes = Vec::new();
        (&opened.file).take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io_fault)?;
        let counted = bytes.len() as u64;
        let truncated = counted > limit;
        let size = if truncated { counted.max(opened.key.size) } else { counted };
        bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(BoundedText { bytes, size, truncated })
    }

    /// `openat2`; `None` where the kernel cannot answer and walking must.
    #[cfg(target_os = "linux")]
    fn open_in_kernel(&self, path: &RelPath, links: Links) -> Option<Result<OwnedFd, OpenFault>> {
        use rustix::fs::{ResolveFlags, openat2};
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if links == Links::Refuse {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        for _ in 0..=RACE_RETRIES {
            match openat2(&self.fd, path.as_bytes(), OPEN_FILE, Mode::empty(), resolve) {
                Ok(fd) => return Some(Ok(fd)),
                // A rename raced with the lookup.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Not in this kernel, forbidden by a sandbox, or a flag it does not know;
                // a path longer than one call may have; or a link that is absolute or
                // climbs out, which the kernel refuses even if it ends beneath the feature.
                Err(
                    Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::NAMETOOLONG | Errno::XDEV,
                ) => return None,
                Err(other) => return Some(Err(other.into())),
            }
        }
        None
    }

    #[cfg(not(target_os = "linux"))]
    fn open_in_kernel(&self, _: &RelPath, _: Links) -> Option<Result<OwnedFd, OpenFault>> {
        None
    }

    /// The same without help from the kernel.
    pub(super) fn open_by_walking(
        &self,
        path: &RelPath,
        links: Links,
    ) -> Result<OpenedFile, OpenFault> {
        for _ in 0..=RACE_RETRIES {
            let (parent, name) = match self.resolve(path, links).target? {
                Target::Directory => return Err(OpenFault::Special(FileKind::Directory)),
                Target::Entry { key, .. } if key.kind() != FileKind::Regular => {
                    return Err(OpenFault::Special(key.kind()));
                }
                Target::Entry { parent, name, .. } => (parent, name),
            };
            let parent = parent.as_ref().map_or(self.fd.as_fd(), |fd| fd.as_fd());
            match openat(parent, name.as_slice(), OPEN_FILE | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(fd) => return regular(fd),
                // It became a link after it was looked at: look again.
                Err(Errno::LOOP | Errno::MLINK | Errno::INTR) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(OpenFault::Loop)
    }
}

/// Opens a regular file by its name in an open directory; a link is [`OpenFault::Loop`].
pub(super) fn open_entry(dir: &OwnedFd, name: &[u8]) -> Result<OpenedFile, OpenFault> {
    regular(openat(dir, name, OPEN_FILE | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Hands out the descriptor only if it is a regular file.
fn regular(fd: OwnedFd) -> Result<OpenedFile, OpenFault> {
    let key = StatKey::of(&fstat(&fd)?);
    match key.kind() {
        FileKind::Regular => Ok(OpenedFile { file: File::from(fd), key }),
        other => Err(OpenFault::Special(other)),
    }
}

/// An error of reading as a fault.
pub(super) fn io_fault(error: std::io::Error) -> OpenFault {
    Errno::from_io_error(&error).map_or(OpenFault::Io(Errno::IO), OpenFault::from)
}
