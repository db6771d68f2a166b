//! The names in a directory, as the system lists them.

use std::cmp::Ordering;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::stat::FileKind;

/// Room for the entries of one system call.
#[cfg(target_os = "linux")]
const ROOM: usize = 32 * 1024;

/// Lists directories one after the other, with one buffer.
#[derive(Debug, Default)]
pub(super) struct Lister {
    #[cfg(target_os = "linux")]
    buffer: Vec<u8>,
}

impl Lister {
    /// Tells every name with the kind that the listing gives, which may be unknown; `.` and
    /// `..` are left out. The descriptor must be a new one, of which nothing was listed.
    #[cfg(target_os = "linux")]
    pub(super) fn list(
        &mut self,
        dir: &OwnedFd,
        mut each: impl FnMut(&[u8], FileKind),
    ) -> Result<(), Errno> {
        self.buffer.reserve(ROOM);
        let mut entries = rustix::fs::RawDir::new(dir.as_fd(), self.buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            tell(entry.file_name().to_bytes(), entry.file_type().into(), &mut each);
        }
        Ok(())
    }

    /// The same where the system has no such call.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn list(
        &mut self,
        dir: &OwnedFd,
        mut each: impl FnMut(&[u8], FileKind),
    ) -> Result<(), Errno> {
        let mut entries = rustix::fs::Dir::read_from(dir.as_fd())?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            tell(entry.file_name().to_bytes(), entry.file_type().into(), &mut each);
        }
        Ok(())
    }
}

fn tell(name: &[u8], kind: FileKind, each: &mut impl FnMut(&[u8], FileKind)) {
    if name != b"." && name != b".." {
        each(name, kind);
    }
}

/// How two names of one directory compare as the paths of what they stand for: what is in a
/// directory comes where the slash puts it.
pub(super) fn in_path_order(one: (&[u8], FileKind), other: (&[u8], FileKind)) -> Ordering {
    let shared = one.0.len().min(other.0.len());
    let next = |(name, kind): (&[u8], FileKind)| {
        let slash = (kind == FileKind::Directory).then_some(b'/');
        name.get(shared).copied().or(slash)
    };
    one.0[..shared]
        .cmp(&other.0[..shared])
        .then_with(|| next(one).cmp(&next(other)))
        .then_with(|| one.0.len().cmp(&other.0.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_the_paths_that_they_begin() {
        let (file, dir) = (FileKind::Regular, FileKind::Directory);
        let mut names: Vec<(&[u8], FileKind)> = vec![
            (b"b", file),
            (b"a0", file),
            (b"a", dir),
            (b"a.md", file),
            (b"a-b", dir),
            (b"a-", dir),
            (b"", file),
        ];
        names.sort_by(|one, other| in_path_order(*one, *other));
        let shown: Vec<_> = names.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(shown, ["", "a-", "a-b", "a.md", "a", "a0", "b"]);
    }
}
