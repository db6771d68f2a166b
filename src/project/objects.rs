//! The objects of a repository, loose and packed, its own and those it borrows.
//!
//! A repository comes with its project, so it may be hostile: before the library opens a
//! file, it is seen to be one, since opening a FIFO would wait for ever. Sizes are bounded
//! before anything is unpacked. Source of the layout: gitrepository-layout(5), `objects`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;
use gix_object::{Find as _, FindHeader as _, Kind};
use gix_odb::store::init::Options;

use super::beneath::read_anywhere;
use super::git::{GitError, broken};

/// No object larger than this is unpacked, whatever it is for.
const MAX_OBJECT_BYTES: usize = 64 * 1024 * 1024;
/// The largest list of directories that objects are borrowed from.
const MAX_ALTERNATES_BYTES: usize = 64 * 1024;
/// Directories that objects are borrowed from.
const MAX_ALTERNATES: usize = 100;

/// An opened store of objects.
pub(super) struct Objects {
    store: gix_odb::Handle,
    /// Where loose objects may be.
    dirs: Vec<PathBuf>,
}

impl Objects {
    /// Opens the store of the directory `objects` (absolute).
    pub(super) fn open(objects: &Path) -> Result<Self, GitError> {
        let dirs = with_borrowed(objects)?;
        for dir in &dirs {
            only_files(&dir.join("pack"))?;
        }
        let options = Options {
            alloc_limit_bytes: Some(MAX_OBJECT_BYTES),
            current_dir: Some(objects.to_owned()),
            ..Options::default()
        };
        let store = gix_odb::at_opts(objects.to_owned(), gix_hash::Kind::Sha1, None, options)
            .map_err(|_| broken("objects", "the directory of objects cannot be read"))?;
        Ok(Self { store, dirs })
    }

    /// The contents of the object; `None` if there is none of this id and kind.
    pub(super) fn read(&self, id: ObjectId, kind: Kind) -> Result<Option<Vec<u8>>, GitError> {
        self.see(id)?;
        let mut contents = Vec::new();
        let found = self.store.try_find(&id, &mut contents).map_err(damaged)?;
        let is_wanted = found.is_some_and(|object| object.kind == kind);
        Ok(is_wanted.then_some(contents))
    }

    /// The size of a blob in bytes; `None` if there is none of this id.
    pub(super) fn blob_size(&self, id: ObjectId) -> Result<Option<u64>, GitError> {
        self.see(id)?;
        let header = self.store.try_header(&id).map_err(damaged)?;
        Ok(header.filter(|header| header.kind == Kind::Blob).map(|header| header.size))
    }

    /// Sees that the loose object, where there is one, is a file.
    fn see(&self, id: ObjectId) -> Result<(), GitError> {
        let name = id.to_hex().to_string();
        let (fan, rest) = name.split_at(2);
        self.dirs.iter().try_for_each(|dir| is_file_or_absent(&dir.join(fan).join(rest)))
    }
}

fn damaged<E>(_: E) -> GitError {
    broken("objects", "an object that the commit needs is damaged")
}

/// The directory, and those it borrows objects from, and so on.
fn with_borrowed(objects: &Path) -> Result<Vec<PathBuf>, GitError> {
    let (mut dirs, mut seen) = (vec![objects.to_owned()], BTreeSet::from([objects.to_owned()]));
    let mut next = 0;
    while let Some(dir) = dirs.get(next) {
        next += 1;
        let list = read_anywhere(&dir.join("info/alternates"), MAX_ALTERNATES_BYTES);
        let Some(list) = list.map_err(GitError::Read)? else { continue };
        let named = gix_odb::alternate::parse(&list)
            .map_err(|_| broken("objects/info/alternates", "it is no list of paths"))?;
        for path in named {
            let path = objects.join(path);
            if seen.insert(path.clone()) {
                dirs.push(path);
            }
        }
        if dirs.len() > MAX_ALTERNATES {
            return Err(broken("objects/info/alternates", "it borrows from too many directories"));
        }
    }
    Ok(dirs)
}

fn only_files(packs: &Path) -> Result<(), GitError> {
    let unreadable = |_| broken("objects/pack", "it cannot be listed");
    let entries = match fs::read_dir(packs) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        is_file_or_absent(&entry.map_err(unreadable)?.path())?;
    }
    Ok(())
}

fn is_file_or_absent(path: &Path) -> Result<(), GitError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(broken("objects", "something that is no file lies among its objects"))
        }
        _ => Ok(()),
    }
}
