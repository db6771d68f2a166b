//! Replacing a small file so that every reader, and every start after a crash, finds the
//! old content or the new, never a mix. [`replace_unsynced`] alone promises less.
//!
//! The order is: temporary file in the same directory, write, sync it, rename, sync the
//! directory. What a crash can still lose:
//!
//! - before the rename: the new content; the old stays, and the temporary is left over,
//!   which [`remove_leftovers`] removes later;
//! - after the rename, before the directory is on disk: either content may be there after
//!   a power loss, each of them whole;
//! - after the call has returned: nothing, unless the drive lies about its cache.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::error::{At, StoreError};
use crate::platform::dir::file_facts;
use crate::platform::{Dir, Open, access};

/// How the name of each temporary begins; nobody else's files do.
pub const TEMPORARY_PREFIX: &str = ".dossierd-tmp-";

/// Replaces or makes the file at `path` with these permission bits. Its directory is
/// trusted: links in the path are followed, but a link at its end is itself replaced.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let (dir, name) = open_parent(path)?;
    replace_in(&dir, &name, bytes, mode)
}

/// As [`replace`], but leaves it to the system when the bytes reach the disk: for what can
/// be made again. A power loss may leave the file empty or in part, which its reader has to
/// notice; a crash of the program alone does not.
pub fn replace_unsynced(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let (dir, name) = open_parent(path)?;
    let mut temporary = Temporary::write(&dir, bytes, mode, path)?;
    dir.rename(&temporary.name, &name).at("replace", path)?;
    temporary.renamed = true;
    Ok(())
}

/// Replaces or makes the file `name` in `dir` with these permission bits.
pub fn replace_in(dir: &Dir, name: &OsStr, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let path = dir.path().join(name);
    let mut temporary = Temporary::write(dir, bytes, mode, &path)?;
    temporary.sync(&path)?;
    dir.rename(&temporary.name, name).at("replace", &path)?;
    temporary.renamed = true;
    dir.sync().at("sync the directory of", &path)
}

/// Makes the file `name` in `dir`, whole from the first moment; `false`, and nothing
/// changed, if there is one already.
pub fn create_in(dir: &Dir, name: &OsStr, bytes: &[u8], mode: u32) -> Result<bool, StoreError> {
    let path = dir.path().join(name);
    if dir.facts(name).at("look at", &path)?.is_some() {
        return Ok(false);
    }
    let mut temporary = Temporary::write(dir, bytes, mode, &path)?;
    temporary.sync(&path)?;
    match dir.link(&temporary.name, name) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        // A file system without hard links: the rename may then win over another process
        // that made the same file in the last microseconds, which loses its version.
        Err(_) => {
            dir.rename(&temporary.name, name).at("make", &path)?;
            temporary.renamed = true;
        }
    }
    drop(temporary);
    dir.sync().at("sync the directory of", &path)?;
    Ok(true)
}

/// Removes a file, durably; false if there was none.
pub fn remove(path: &Path) -> Result<bool, StoreError> {
    let (dir, name) = open_parent(path)?;
    match dir.remove_file(&name) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StoreError::io("remove", path, error)),
    }
    dir.sync().at("sync the directory of", path)?;
    Ok(true)
}

/// Removes the temporaries that crashes have left in `dir`, and says how many. Those that
/// a living process is just writing are locked, and stay.
pub fn remove_leftovers(dir: &Dir) -> Result<usize, StoreError> {
    let mut removed = 0;
    for name in dir.names().at("list", dir.path())? {
        if !name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
            continue;
        }
        // What cannot be opened is no file of ours, or just went away.
        let Ok(file) = dir.open_file(&name, Open::Append) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        match dir.remove_file(&name) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("remove", &dir.path().join(name), error)),
        }
    }
    Ok(removed)
}

/// The directory of a file, and its name in it.
pub(super) fn open_parent(path: &Path) -> Result<(Dir, OsString), StoreError> {
    let name = path
        .file_name()
        .ok_or_else(|| StoreError::BadName { name: path.to_string_lossy().into_owned() })?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok((Dir::open(parent).at("open the directory", parent)?, name.to_os_string()))
}

/// A written, not yet named file; removed again when dropped, unless renamed.
struct Temporary<'a> {
    dir: &'a Dir,
    name: OsString,
    renamed: bool,
    /// Held open for its lock, which tells a living writer from a left-over.
    file: File,
}

impl<'a> Temporary<'a> {
    fn write(dir: &'a Dir, bytes: &[u8], mode: u32, target: &Path) -> Result<Self, StoreError> {
        let (name, file) = Self::create(dir).at("make a temporary file for", target)?;
        let temporary = Self { dir, name, renamed: false, file };
        let mut file = &temporary.file;
        file.write_all(bytes).at("write", target)?;
        access::set_mode(file, mode).at("set the mode of", target)?;
        Ok(temporary)
    }

    fn sync(&self, target: &Path) -> Result<(), StoreError> {
        self.file.sync_all().at("sync", target)
    }

    /// A new file that is locked before anybody can take it for a left-over.
    fn create(dir: &Dir) -> io::Result<(OsString, File)> {
        for _ in 0..16 {
            let random = uuid::Uuid::new_v4().simple();
            let name = OsString::from(format!("{TEMPORARY_PREFIX}{random}"));
            let file = match dir.open_file(&name, Open::CreateNew(0o600)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                other => other?,
            };
            // `remove_leftovers` of another process may come between the two calls: then
            // it has the lock, or has had it and the name is gone.
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                // A file system without locks has no such cleaner either.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            if file_facts(&file)?.links > 0 {
                return Ok((name, file));
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "no free temporary name in 16 attempts"))
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be removed now is a left-over like that of a crash.
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_whole_files_and_leaves_nothing_else() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a.json");
        for content in ["first, and longer", "2", ""] {
            replace(&path, content.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(names(tmp.path()), ["a.json"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_the_one_asked_for_and_a_link_is_replaced_not_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let tmp = tempfile::tempdir().unwrap();
        fs::write(tmp.path().join("victim"), "precious").unwrap();
        let path = tmp.path().join("a.json");
        symlink("victim", &path).unwrap();
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(tmp.path().join("victim")).unwrap(), "precious");
        let meta = fs::symlink_metadata(&path).unwrap();
        assert!(meta.is_file());
        assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_failed_replace_says_where_and_leaves_no_temporary() {
        let tmp = tempfile::tempdir().unwrap();
        let taken = tmp.path().join("taken");
        fs::create_dir_all(taken.join("inside")).unwrap();
        let error = replace(&taken, b"x", 0o600).unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(names(tmp.path()), ["taken"]);
        let error = replace(&tmp.path().join("no/such"), b"x", 0o600).unwrap_err();
        assert!(error.is_gone(), "{error}");
    }

    #[test]
    fn create_never_replaces() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        assert!(create_in(&dir, OsStr::new("a"), b"1", 0o600).unwrap());
        assert!(!create_in(&dir, OsStr::new("a"), b"2", 0o600).unwrap());
        assert_eq!(fs::read(tmp.path().join("a")).unwrap(), b"1");
        assert_eq!(names(tmp.path()), ["a"]);
    }

    #[test]
    fn leftovers_of_crashes_go_and_what_is_being_written_stays() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        fs::write(tmp.path().join(format!("{TEMPORARY_PREFIX}dead")), "half").unwrap();
        fs::write(tmp.path().join(".other-tmp-x"), "not ours").unwrap();
        fs::create_dir(tmp.path().join(format!("{TEMPORARY_PREFIX}dir"))).unwrap();
        let living = Temporary::write(&dir, b"x", 0o600, Path::new("x")).unwrap();
        assert_eq!(remove_leftovers(&dir).unwrap(), 1);
        let living_name = living.name.to_str().unwrap().to_owned();
        let mut expected =
            vec![living_name, format!("{TEMPORARY_PREFIX}dir"), ".other-tmp-x".to_owned()];
        expected.sort();
        assert_eq!(names(tmp.path()), expected);
        drop(living);
        assert_eq!(names(tmp.path()).len(), 2);
    }
}
