//! The directory handle for systems without `openat`: a path whose components are looked
//! at before each use. It refuses links like the other one, but cannot close the gap
//! between the look and the use.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::node::{NodeFacts, NodeKind, Open};

/// One directory, by its path.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
}

impl Dir {
    /// Opens a directory by its path, links in it followed: for places that the user or
    /// the system named, not for what is below them.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// Opens the directory `name` in this one. A symbolic link is an error.
    pub fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.child(name)?;
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path })
    }

    /// Makes the directory `name`; `false` if the name is taken, by whatever it is.
    pub fn create_dir(&self, name: &OsStr, _mode: u32) -> io::Result<bool> {
        match fs::create_dir(self.child(name)?) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the regular file `name`. See [`Open`] for what is promised.
    pub fn open_file(&self, name: &OsStr, how: Open) -> io::Result<File> {
        let path = self.child(name)?;
        if self.facts(name)?.is_some_and(|facts| facts.kind != NodeKind::File) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => &mut options,
            // Not `append`: without general write access the file could not be cut.
            Open::Append => options.write(true),
            Open::AppendOrCreate(_) | Open::WriteOrCreate(_) => options.write(true).create(true),
            Open::CreateNew(_) => options.write(true).create_new(true),
        };
        let mut file = options.open(path)?;
        if matches!(how, Open::Append | Open::AppendOrCreate(_)) {
            io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        }
        Ok(file)
    }

    /// What `name` is; `None` if nothing has that name.
    pub fn facts(&self, name: &OsStr) -> io::Result<Option<NodeFacts>> {
        match fs::symlink_metadata(self.child(name)?) {
            Ok(meta) => Ok(Some(facts(&meta))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives `from` the name `to`, in place of whatever file had it.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.child(from)?, self.child(to)?)
    }

    /// Gives the file `from` the second name `to`, which must be free.
    pub fn link(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::hard_link(self.child(from)?, self.child(to)?)
    }

    /// Removes the name of a file.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.child(name)?)
    }

    /// All names, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Can this process make names here?
    pub fn check_writable(&self) -> io::Result<()> {
        match fs::metadata(&self.path)?.permissions().readonly() {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    }

    /// The system has no call for this; it keeps names in its own journal.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// The facts of the directory itself.
    pub fn own_facts(&self) -> io::Result<NodeFacts> {
        Ok(facts(&fs::metadata(&self.path)?))
    }

    /// There are no permission bits to set.
    pub fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle is only safe as long as names stay names.
    fn child(&self, name: &OsStr) -> io::Result<PathBuf> {
        let mut components = Path::new(name).components();
        match (components.next(), components.next()) {
            (Some(Component::Normal(only)), None) if only == name => Ok(self.path.join(name)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a single file name")),
        }
    }
}

/// The facts of an open file.
pub fn file_facts(file: &File) -> io::Result<NodeFacts> {
    Ok(facts(&file.metadata()?))
}

fn facts(meta: &Metadata) -> NodeFacts {
    let kind = match meta.file_type() {
        t if t.is_file() => NodeKind::File,
        t if t.is_dir() => NodeKind::Dir,
        t if t.is_symlink() => NodeKind::Symlink,
        _ => NodeKind::Special,
    };
    let made = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = made.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0));
    NodeFacts { kind, id: (0, nanos), links: 1, len: meta.len(), owner: None, mode: None }
}
