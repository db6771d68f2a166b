//! What lies below a directory, in a map that is ordered by path.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::dossier::RelPath;

/// All nodes strictly below a directory.
pub(super) fn range<'a, T>(
    nodes: &'a BTreeMap<RelPath, T>,
    directory: Option<&RelPath>,
) -> impl Iterator<Item = (&'a RelPath, &'a T)> {
    nodes.range((first_below(directory), end_below(directory)))
}

/// The first path that can be below a directory: no name has a NUL byte, so none sorts
/// before a name of one byte 1.
pub(super) fn first_below(directory: Option<&RelPath>) -> Bound<RelPath> {
    match directory {
        None => Bound::Unbounded,
        Some(directory) => {
            Bound::Included(directory.join(b"\x01").expect("one byte 1 is a valid name"))
        }
    }
}

/// The first path after all that can be below a directory: `0` follows `/`.
pub(super) fn end_below(directory: Option<&RelPath>) -> Bound<RelPath> {
    match directory {
        None => Bound::Unbounded,
        Some(directory) => {
            let mut bytes = directory.as_bytes().to_vec();
            bytes.push(b'0');
            Bound::Excluded(RelPath::new(bytes).expect("a longer last name is a valid name"))
        }
    }
}
