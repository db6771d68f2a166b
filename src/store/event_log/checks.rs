//! What has to be so before a log is written to: nobody else writes to it, it is nobody else's
//! file, and what goes in are lines that come back as the same lines.

use std::ffi::OsStr;
use std::path::Path;

use super::MAX_LINE;
use crate::platform::{Dir, NodeFacts};
use crate::store::error::StoreError;
use crate::store::lock::{InstanceLock, LockError};

const LOCK: &str = "writer.lock";

/// Takes the lock on writing to the log in this directory.
pub(super) fn acquire(dir: &Dir) -> Result<InstanceLock, StoreError> {
    InstanceLock::try_acquire_in(dir, OsStr::new(LOCK)).map_err(|error| match error {
        LockError::Held { path, pid } => StoreError::Busy { path, pid },
        LockError::Linked { path, links } => StoreError::Linked { path, links },
        LockError::Io { path, source } => StoreError::io("lock", &path, source),
    })
}

/// Refuses a file that has other names: what is appended to it, or cut off, would be
/// appended to, or cut off, somebody else's.
pub(super) fn check_single(facts: &NodeFacts, path: &Path) -> Result<(), StoreError> {
    match facts.links {
        0 | 1 => Ok(()),
        links => Err(StoreError::Linked { path: path.to_path_buf(), links }),
    }
}

/// Refuses what would not be read back as the same lines.
pub(super) fn check_lines(lines: &[u8], path: &Path) -> Result<(), StoreError> {
    let refused = |problem| Err(StoreError::NotLines { path: path.to_path_buf(), problem });
    if lines.last() != Some(&b'\n') {
        return refused("the batch does not end in a newline");
    }
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        if end == start {
            return refused("the batch has an empty line");
        }
        if end - start > MAX_LINE {
            return refused("the batch has a line of more than 1 MiB");
        }
        start = end + 1;
    }
    if memchr::memchr(0, lines).is_some() {
        return refused("the batch has a NUL byte, which counts as torn");
    }
    Ok(())
}
