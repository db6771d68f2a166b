//! What is due for a feature, and the job that runs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::emission::Extent;
use super::waiting::Waiting;
use crate::index::Touched;
use crate::survey::Task;

/// What is to be done next.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub full: bool,
    /// Whatever is pending is due at once.
    pub at_once: bool,
    /// The project may say something else, or somebody wants to be sure that it does not.
    pub context: bool,
    /// The directory is gone for good.
    pub empty: bool,
    pub extent: Extent,
    pub tasks: Vec<Task>,
    pub waiting: Vec<Waiting>,
}

/// The job that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub began: Instant,
    pub waiting: Vec<Waiting>,
    /// Its dossier is one of nothing, because the directory is gone for good.
    pub empties: bool,
    /// Directories without a watch that it looks at, and tries to watch.
    pub visits: Vec<PathBuf>,
    /// Since when a path that it looks at waited.
    pub touched_since: Option<Instant>,
}

impl Running {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, waiting: Vec::new(), empties: false, visits: Vec::new(), touched_since: None }
    }
}

/// Those of the directories without a watch, of the feature at `dir`, that are looked at with
/// these paths.
pub(super) fn visits<'a>(
    dir: &Path,
    unwatched: impl Iterator<Item = &'a PathBuf>,
    touched: &[Touched],
) -> Vec<PathBuf> {
    let is_visited = |unwatched: &&PathBuf| {
        touched.iter().any(|touched| match &touched.path {
            Some(path) => {
                let at = dir.join(OsStr::from_bytes(path.as_bytes()));
                **unwatched == at || (touched.deep && unwatched.starts_with(at))
            }
            None => touched.deep || **unwatched == dir,
        })
    };
    unwatched.filter(is_visited).cloned().collect()
}
