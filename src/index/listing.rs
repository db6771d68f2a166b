//! The names in a directory, as the system lists them.

use std::cmp::Ordering;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::stat::{FileKind, StatKey};

/// A name in a listing, with the kind that the listing gave (which may be unknown).
pub(super) struct Name {
    pub(super) bytes: Vec<u8>,
    pub(super) listed_kind: FileKind,
    pub(super) look: Look,
}

/// What lstat says of a name.
#[derive(Clone, Copy)]
pub(super) enum Look {
    /// It was asked.
    Taken(Result<StatKey, Errno>),
    /// It was not asked, because nothing is known that the answer could be compared with;
    /// whoever opens the entry asks the descriptor.
    Left,
}

impl Name {
    pub(super) fn kind(&self) -> FileKind {
        match self.look {
            Look::Taken(Ok(key)) => key.kind(),
            Look::Taken(Err(_)) | Look::Left => self.listed_kind,
        }
    }
}

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
    /// The names in a directory in path order, with lstat's answer for those that it is to
    /// be asked about. The descriptor must be a new one, of which nothing was listed.
    pub(super) fn names(
        &mut self,
        dir: &OwnedFd,
        asks: impl Fn(FileKind) -> bool,
    ) -> Result<Vec<Name>, Errno> {
        let mut names = Vec::new();
        self.list(dir, |name, listed_kind| {
            names.push(Name { bytes: name.to_vec(), listed_kind, look: Look::Left });
        })?;
        for name in names.iter_mut().filter(|name| asks(name.listed_kind)) {
            let stat = statat(dir, name.bytes.as_slice(), AtFlags::SYMLINK_NOFOLLOW);
            name.look = Look::Taken(stat.map(|stat| StatKey::of(&stat)));
        }
        names.sort_unstable_by(|one, other| {
            in_path_order((&one.bytes, one.kind()), (&other.bytes, other.kind()))
        });
        // One that was replaced during a long listing may have come twice.
        names.dedup_by(|one, other| one.bytes == other.bytes);
        Ok(names)
    }

    /// Tells every name with the kind that the listing gives, which may be unknown; `.` and
    /// `..` are left out.
    #[cfg(target_os = "linux")]
    fn list(&mut self, dir: &OwnedFd, mut each: impl FnMut(&[u8], FileKind)) -> Result<(), Errno> {
        self.buffer.reserve(ROOM);
        let mut entries = rustix::fs::RawDir::new(dir.as_fd(), self.buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // A directory that was removed meanwhile has no more names.
                Err(Errno::NOENT) => break,
                Err(Errno::INTR) => continue,
                other => other?,
            };
            tell(entry.file_name().to_bytes(), entry.file_type().into(), &mut each);
        }
        Ok(())
    }

    /// The same where the system has no such call.
    #[cfg(not(target_os = "linux"))]
    fn list(&mut self, dir: &OwnedFd, mut each: impl FnMut(&[u8], FileKind)) -> Result<(), Errno> {
        let mut entries = rustix::fs::Dir::new(rustix::io::dup(dir)?)?;
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
fn in_path_order(one: (&[u8], FileKind), other: (&[u8], FileKind)) -> Ordering {
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
