//! Files that hold a secret: the token of the HTTP listener, a sink's key.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::atomic::open_parent;
use super::document::read_open;
use super::error::{At, StoreError};
use crate::platform::dir::file_facts;
use crate::platform::{Open, access, user};

/// More than any token or key has.
const LIMIT: u64 = 64 * 1024;

/// Writes a secret to a new file, 0600 from its first moment. A former one of ours is
/// removed first and not reused, since somebody could hold it open; one that is not ours
/// is an error.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let (dir, name) = open_parent(path)?;
    if let Some(old) = dir.facts(&name).at("look at", path)? {
        if old.owner != user::uid() {
            return Err(not_ours(path, old.owner));
        }
        dir.remove_file(&name).at("remove the old", path)?;
    }
    let mut file = dir.open_file(&name, Open::CreateNew(0o600)).at("make", path)?;
    // A umask may have taken bits away, and never adds any; this only restores the owner's.
    access::set_mode(&file, 0o600).at("set the mode of", path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(source) = written {
        // Half a secret is worse than none: it would be compared with, and fail.
        let _ = dir.remove_file(&name);
        return Err(StoreError::io("write", path, source));
    }
    dir.sync().at("sync the directory of", path)
}

/// Reads a secret, exactly as it is in the file; `None` if there is no file. Refuses one
/// that group or others have any access to, or that belongs to somebody else: such a
/// secret is none. A link is not followed.
pub fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let (dir, name) = match open_parent(path) {
        Ok(found) => found,
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let file = match dir.open_file(&name, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path, error)),
    };
    let facts = file_facts(&file).at("look at", path)?;
    if facts.owner != user::uid() {
        return Err(not_ours(path, facts.owner));
    }
    if facts.others_have_access() {
        let mode = facts.mode.unwrap_or_default();
        let problem = format!(
            "holds a secret and is open to others (mode {mode:03o}); renew the secret, then: chmod 600 {}",
            path.display()
        );
        return Err(StoreError::Exposed { path: path.to_path_buf(), problem });
    }
    read_open(&file, path, LIMIT).map(Some)
}

/// Removes a secret of ours; one that is not there, or not ours, is left alone.
pub fn remove_secret(path: &Path) -> Result<(), StoreError> {
    let (dir, name) = open_parent(path)?;
    match dir.facts(&name).at("look at", path)? {
        Some(facts) if facts.owner == user::uid() => dir.remove_file(&name).at("remove", path),
        _ => Ok(()),
    }
}

fn not_ours(path: &Path, owner: Option<u32>) -> StoreError {
    let owner = owner.map_or_else(|| "somebody else".to_owned(), |uid| format!("uid {uid}"));
    let problem = format!("should hold a secret of ours and belongs to {owner}; remove it");
    StoreError::Exposed { path: path.to_path_buf(), problem }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_secret_is_private_and_replaces_the_old_file_not_its_content() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("token");
        assert_eq!(read_secret(&path).unwrap(), None);
        assert_eq!(read_secret(&tmp.path().join("no/token")).unwrap(), None);
        fs::write(&path, "stale and longer").unwrap();
        let reader = fs::File::open(&path).unwrap();
        write_secret(&path, b"new").unwrap();
        assert_eq!(read_secret(&path).unwrap().unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::io::read_to_string(reader).unwrap(), "stale and longer");
    }

    #[test]
    fn a_file_that_others_can_touch_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("token");
        write_secret(&path, b"s").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_secret(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn links_and_directories_are_no_secrets_and_a_planted_link_is_not_written_through() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("token");
        symlink("victim", &path).unwrap();
        assert!(read_secret(&path).is_err());
        write_secret(&path, b"s").unwrap();
        assert!(!tmp.path().join("victim").exists());
        let dir = tmp.path().join("dir");
        fs::create_dir(&dir).unwrap();
        assert!(read_secret(&dir).is_err());
        assert!(write_secret(&dir, b"s").is_err());
    }

    #[test]
    fn another_users_file_is_refused() {
        if user::uid() != Some(0) {
            eprintln!("SKIPPED: only root can make a file of another user");
            return;
        }
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("token");
        write_secret(&path, b"s").unwrap();
        std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
        assert!(matches!(read_secret(&path), Err(StoreError::Exposed { .. })));
        assert!(matches!(write_secret(&path, b"t"), Err(StoreError::Exposed { .. })));
    }
}
