//! Is a root still the directory that was registered?
//!
//! A root that is renamed goes on reporting under its old path, and one that is removed
//! and made again reports nothing, so its identity is compared from time to time.

use std::path::Path;

use super::StatError;

/// Which directory (not: which path) something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootIdentity {
    /// The device (Unix), or 0.
    device: u64,
    /// The inode (Unix), or the time of creation (Windows).
    object: u64,
}

impl RootIdentity {
    /// The identity of what is at `path` now, which is to be a canonical path. A symbolic
    /// link is itself, not its target, so a root replaced by a link is another one.
    ///
    /// # Errors
    /// [`StatError::is_gone`] tells a root that is away from one that cannot be looked at.
    pub fn of(path: &Path) -> Result<Self, StatError> {
        let found = path
            .symlink_metadata()
            .map_err(|source| StatError { path: path.to_path_buf(), source })?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            Self { device: found.dev(), object: found.ino() }
        };
        #[cfg(windows)]
        let identity = {
            use std::os::windows::fs::MetadataExt;
            Self { device: 0, object: found.creation_time() }
        };
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_replaced_root_is_another_one() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let root = home.path().join("root");
        fs::create_dir(&root).expect("made");
        let before = RootIdentity::of(&root).expect("there");
        fs::write(root.join("f"), "x").expect("written");
        assert_eq!(RootIdentity::of(&root).expect("there"), before);
        let moved = home.path().join("moved");
        fs::rename(&root, &moved).expect("moved");
        assert!(RootIdentity::of(&root).expect_err("away").is_gone());
        fs::create_dir(&root).expect("made again");
        assert_ne!(RootIdentity::of(&root).expect("there"), before);
        assert_eq!(RootIdentity::of(&moved).expect("there"), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_root_is_not_the_root() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let root = home.path().join("root");
        fs::create_dir(&root).expect("made");
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&root, &link).expect("linked");
        assert_ne!(RootIdentity::of(&link).ok(), RootIdentity::of(&root).ok());
    }
}
