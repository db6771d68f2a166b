//! A directory held open: names in it are reached relative to the handle and never
//! through a symbolic link, so that nobody can swap a component under us.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};

use super::node::{NodeFacts, NodeKind, Open};

/// One open directory and the path it was reached by, which is for messages only: every
/// call goes through the handle.
#[derive(Debug)]
pub struct Dir {
    handle: File,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory by its path, links in it followed: for places that the user or
    /// the system named, not for what is below them.
    pub fn open(path: &Path) -> io::Result<Self> {
        let handle = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
        Ok(Self { handle: handle.into(), path: path.to_path_buf() })
    }

    /// Opens the directory `name` in this one. A symbolic link is no directory.
    pub fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        one_segment(name)?;
        let flags = DIRECTORY.union(OFlags::NOFOLLOW);
        let handle = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            // Systems differ in which of the two a link is; callers need one answer.
            Err(rustix::io::Errno::LOOP) => return Err(io::ErrorKind::NotADirectory.into()),
            other => other?,
        };
        Ok(Self { handle: handle.into(), path: self.path.join(name) })
    }

    /// Makes the directory `name`; `false` if the name is taken, by whatever it is.
    pub fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<bool> {
        one_segment(name)?;
        match rustix::fs::mkdirat(&self.handle, name, file_mode(mode)) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the regular file `name`. See [`Open`] for what is promised.
    pub fn open_file(&self, name: &OsStr, how: Open) -> io::Result<File> {
        one_segment(name)?;
        let (flags, mode) = match how {
            Open::Read => (OFlags::RDONLY, 0),
            Open::Append => (OFlags::RDWR | OFlags::APPEND, 0),
            Open::AppendOrCreate(mode) => (OFlags::RDWR | OFlags::APPEND | OFlags::CREATE, mode),
            Open::WriteOrCreate(mode) => (OFlags::RDWR | OFlags::CREATE, mode),
            Open::CreateNew(mode) => (OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode),
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file: File = rustix::fs::openat(&self.handle, name, flags, file_mode(mode))?.into();
        if !file.metadata()?.file_type().is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    /// What `name` is; `None` if nothing has that name.
    pub fn facts(&self, name: &OsStr) -> io::Result<Option<NodeFacts>> {
        one_segment(name)?;
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat_facts(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives `from` the name `to`, in place of whatever file had it.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        one_segment(from)?;
        one_segment(to)?;
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Gives the file `from` the second name `to`, which must be free.
    pub fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        one_segment(from)?;
        one_segment(to)?;
        Ok(rustix::fs::linkat(&self.handle, from, &self.handle, to, AtFlags::empty())?)
    }

    /// Removes the name of a file (or of a link, not its target).
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        one_segment(name)?;
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// All names but `.` and `..`, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    /// Can this process make names here? Asks the system, which also knows of read-only
    /// mounts and access lists.
    pub fn check_writable(&self) -> io::Result<()> {
        let access = Access::WRITE_OK | Access::EXEC_OK;
        Ok(rustix::fs::accessat(&self.handle, ".", access, AtFlags::EACCESS)?)
    }

    /// Makes names made, changed and removed here survive a power loss.
    pub fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// The facts of the directory itself.
    pub fn own_facts(&self) -> io::Result<NodeFacts> {
        file_facts(&self.handle)
    }

    /// Sets the permission bits of the directory itself.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.handle.set_permissions(Permissions::from_mode(mode))
    }

    /// The path by which the directory was reached, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The facts of an open file.
pub fn file_facts(file: &File) -> io::Result<NodeFacts> {
    let meta = file.metadata()?;
    let kind = match meta.file_type() {
        t if t.is_file() => NodeKind::File,
        t if t.is_dir() => NodeKind::Dir,
        t if t.is_symlink() => NodeKind::Symlink,
        _ => NodeKind::Special,
    };
    Ok(NodeFacts {
        kind,
        id: (meta.dev(), meta.ino()),
        links: meta.nlink(),
        len: meta.len(),
        owner: Some(meta.uid()),
        mode: Some(meta.mode() & 0o7777),
    })
}

/// The widths of these fields differ between systems, so that a cast which is needed on
/// one is superfluous on another.
#[allow(clippy::unnecessary_cast)]
fn stat_facts(stat: &rustix::fs::Stat) -> NodeFacts {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => NodeKind::File,
        FileType::Directory => NodeKind::Dir,
        FileType::Symlink => NodeKind::Symlink,
        _ => NodeKind::Special,
    };
    NodeFacts {
        kind,
        id: (stat.st_dev as u64, stat.st_ino as u64),
        links: stat.st_nlink as u64,
        len: u64::try_from(stat.st_size).unwrap_or(0),
        owner: Some(stat.st_uid),
        mode: Some(stat.st_mode as u32 & 0o7777),
    }
}

#[allow(clippy::unnecessary_cast)] // RawMode is 16 bits wide on macOS
fn file_mode(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as rustix::fs::RawMode)
}

/// A handle is only safe as long as names stay names: a `/` or `..` would walk away.
fn one_segment(name: &OsStr) -> io::Result<()> {
    let bytes = name.as_bytes();
    if matches!(bytes, b"" | b"." | b"..") || bytes.iter().any(|b| matches!(b, b'/' | 0)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a single file name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_with_separators_or_dots_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        for bad in ["", ".", "..", "a/b", "/etc", "a\0b"] {
            let name = OsStr::new(bad);
            let kind = |r: io::Result<()>| r.unwrap_err().kind();
            assert_eq!(kind(dir.open_dir(name).map(drop)), io::ErrorKind::InvalidInput, "{bad:?}");
            assert_eq!(
                kind(dir.open_file(name, Open::Read).map(drop)),
                io::ErrorKind::InvalidInput
            );
            assert_eq!(kind(dir.create_dir(name, 0o700).map(drop)), io::ErrorKind::InvalidInput);
            assert_eq!(kind(dir.remove_file(name)), io::ErrorKind::InvalidInput);
            assert_eq!(kind(dir.rename(name, OsStr::new("x"))), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn links_and_special_files_are_not_opened() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("real"), "x").unwrap();
        fs::create_dir(tmp.path().join("sub")).unwrap();
        symlink("real", tmp.path().join("link")).unwrap();
        symlink("sub", tmp.path().join("dirlink")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, tmp.path().join("fifo"), Mode::from_raw_mode(0o600))
            .unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        assert!(dir.open_file(OsStr::new("real"), Open::Read).is_ok());
        assert!(dir.open_dir(OsStr::new("sub")).is_ok());
        let error = dir.open_dir(OsStr::new("dirlink")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        for name in ["link", "sub", "fifo"] {
            for how in [Open::Read, Open::Append, Open::WriteOrCreate(0o600)] {
                assert!(dir.open_file(OsStr::new(name), how).is_err(), "{name} {how:?}");
            }
        }
        let kind = |name| dir.facts(OsStr::new(name)).unwrap().unwrap().kind;
        assert_eq!(kind("link"), NodeKind::Symlink);
        assert_eq!(kind("fifo"), NodeKind::Special);
        assert_eq!(dir.facts(OsStr::new("nothing")).unwrap(), None);
    }

    #[test]
    fn the_facts_of_a_name_and_of_its_open_file_agree() {
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("a"), "four").unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        let by_name = dir.facts(OsStr::new("a")).unwrap().unwrap();
        let file = dir.open_file(OsStr::new("a"), Open::Read).unwrap();
        assert_eq!(by_name, file_facts(&file).unwrap());
        assert_eq!(by_name.len, 4);
        dir.remove_file(OsStr::new("a")).unwrap();
        assert_eq!(file_facts(&file).unwrap().links, 0);
    }
}
