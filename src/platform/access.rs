//! What this process lets others see of it: the modes of its files, and no memory dumps.

use std::path::Path;

/// From here on nothing this process makes is open to group or others (umask 077). Call it
/// once, before any thread or file exists.
#[cfg(unix)]
pub fn restrict_new_files() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// There is no umask here; new files inherit the access list of their directory.
#[cfg(not(unix))]
pub fn restrict_new_files() {}

/// From here on the system writes no memory of this process to a disk: there are a token and
/// private texts in it.
#[cfg(unix)]
pub fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Lowering a limit is always allowed; a system that refuses all the same has its own rules.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// This system writes none unless it is told to.
#[cfg(not(unix))]
pub fn forbid_core_dumps() {}

/// Makes a directory and the missing ones above it, each 0700.
pub fn create_private_dirs(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Sets the permission bits of an open file, where the system has them.
#[cfg(unix)]
pub fn set_mode(file: &std::fs::File, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

/// Sets the permission bits of an open file, where the system has them.
#[cfg(not(unix))]
pub fn set_mode(_file: &std::fs::File, _mode: u32) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_directories_are_private() {
        let tmp = tempfile::tempdir().unwrap();
        let deep = tmp.path().join("a/b");
        create_private_dirs(&deep).unwrap();
        create_private_dirs(&deep).unwrap();
        for dir in [tmp.path().join("a"), deep] {
            assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
