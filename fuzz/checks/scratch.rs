//! Directories for checks whose subject reads files: in memory where the system has such a
//! place, since each input writes some.

use std::path::Path;

use dossierd::store::{DossierDir, Home};
use tempfile::TempDir;

/// A new directory, gone with the value.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    dir.expect("a temporary directory can be made")
}

/// The place of a feature's log below a directory.
pub(crate) fn log_place(root: &Path) -> DossierDir {
    std::fs::create_dir_all(root.join(".kittify")).expect("a directory can be made");
    let home = Home::resolve(Some(root.join("home"))).expect("a home can be named");
    DossierDir::choose(root, "001-demo".as_ref(), "p", &home).0
}
