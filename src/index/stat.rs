//! What a stat says, and when it may be believed.
//!
//! A stat is only a reason not to read: equal stats mean equal bytes if, and only if,
//! the recording is old enough (see [`StatRecord::vouches_for`]). Names of kinds and of
//! system errors are worded here, so that they are the same on every machine.

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::dossier::Digest;

/// What an entry is, by its mode bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file: the only kind that is ever read.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// The system did not say, or has a kind of its own.
    Unknown,
}

impl FileKind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "regular file",
            Self::Directory => "directory",
            Self::Symlink => "symbolic link",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::BlockDevice => "block device",
            Self::CharacterDevice => "character device",
            Self::Unknown => "unknown kind",
        }
    }
}

impl From<FileType> for FileKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::Regular,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::CharacterDevice => Self::CharacterDevice,
            _ => Self::Unknown,
        }
    }
}

/// A moment of the file system's clock, in nanoseconds since 1970. Moments before 1677 and
/// after 2262 count as those limits; two of them then look alike, and files that are told
/// apart by them alone are by their `ctime`, which nobody can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(i64);

impl Moment {
    /// From whole seconds, negative before 1970, and nanoseconds within the second.
    pub fn new(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos)))
    }

    /// The clock that file systems stamp with, which never runs ahead of the stamps that
    /// come after this call.
    pub fn now() -> Self {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::RealtimeCoarse;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Realtime;
        let time = rustix::time::clock_gettime(clock);
        Self::new(time.tv_sec, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// So many seconds later; the last moment at most.
    pub fn later(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000_000)))
    }
}

/// The part of a stat that changes when the bytes do: kind, place, size, times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatKey {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// What the entry is.
    kind: FileKind,
    /// Size in bytes, as stated; special files state what they like.
    pub size: u64,
    /// Last modification of the contents; anyone may set it.
    pub mtime: Moment,
    /// Last change of the inode; nobody can set it.
    pub ctime: Moment,
}

impl StatKey {
    /// Takes what matters from a stat.
    // The field types differ between systems, so the casts are needed on some of them.
    #[allow(clippy::unnecessary_cast)]
    pub fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            kind: FileType::from_raw_mode(stat.st_mode).into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: Moment::new(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: Moment::new(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }

    /// What the entry is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }
}

/// How far apart a change and a recording must be to be told apart by their stamps:
/// FAT keeps two seconds, and a kernel's tick is far below that.
const RACY_SECONDS: i64 = 2;

/// A stat taken together with the bytes (or the listing) that it stands for, equal before
/// and after reading. It is kept only if the last change was strictly older than the
/// recording by more than two seconds: a younger file could have been written again within
/// the same tick of the clock and still show the same stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StatRecord(Option<StatKey>);

impl StatRecord {
    /// The stat of something that was read after the clock had shown `recorded_at`.
    pub(super) fn new(key: StatKey, recorded_at: Moment) -> Self {
        let last = key.mtime.max(key.ctime);
        Self((last.later(RACY_SECONDS) < recorded_at).then_some(key))
    }

    /// Does `now` prove that nothing changed since the recording? Every part must be equal.
    pub(super) fn vouches_for(&self, now: &StatKey) -> bool {
        self.0.as_ref() == Some(now)
    }
}

/// A stat record of a file, with its BLAKE3 where the gate was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    /// The stat.
    pub(super) stat: StatRecord,
    /// BLAKE3 of the bytes that were read.
    #[serde(with = "digest_bytes")]
    pub(super) blake3: Option<Digest>,
}

/// Digests as bare bytes: their usual form is text, twice as long.
pub(super) mod digest_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::dossier::Digest;

    pub(in crate::index) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        digest.map(|digest| digest.0).serialize(serializer)
    }

    pub(in crate::index) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        Ok(Option::<[u8; 32]>::deserialize(deserializer)?.map(Digest))
    }
}

/// The wording of a system error: the same on every machine, whatever its locale.
pub fn errno_text(errno: Errno) -> String {
    let text = match errno {
        Errno::ACCESS | Errno::PERM => "permission denied",
        Errno::NOENT => "no such file or directory",
        Errno::NOTDIR => "not a directory",
        Errno::LOOP => "symbolic links form a loop",
        Errno::NAMETOOLONG => "name too long",
        Errno::IO => "input/output error",
        Errno::MFILE | Errno::NFILE => "too many open files",
        Errno::NOMEM => "out of memory",
        Errno::STALE => "stale file handle",
        Errno::TIMEDOUT => "timed out",
        Errno::BUSY => "busy",
        other => return format!("system error {}", other.raw_os_error()),
    };
    text.to_owned()
}

/// Does the error speak of the moment rather than of the file? Then it is worth another
/// look soon.
pub(super) fn is_transient(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::AGAIN
            | Errno::INTR
            | Errno::BUSY
            | Errno::TIMEDOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(mtime: i64, ctime: i64) -> StatKey {
        let at = |seconds| Moment::new(seconds, 5);
        StatKey {
            dev: 1,
            ino: 2,
            kind: FileKind::Regular,
            size: 3,
            mtime: at(mtime),
            ctime: at(ctime),
        }
    }

    fn check(key: StatKey, recorded: (i64, u32), now: StatKey, trusted: bool) {
        let recorded_at = Moment::new(recorded.0, recorded.1);
        let record = StatRecord::new(key, recorded_at);
        assert_eq!(record.vouches_for(&now), trusted, "{record:?} {now:?}");
    }

    #[test]
    fn only_a_stat_older_than_its_recording_is_trusted() {
        check(key(10, 10), (12, 6), key(10, 10), true);
        check(key(10, 10), (12, 5), key(10, 10), false);
        check(key(10, 10), (11, 0), key(10, 10), false);
        check(key(10, 99), (50, 0), key(10, 99), false);
        check(key(99, 10), (50, 0), key(99, 10), false);
        check(key(10, 10), (50, 0), key(10, 11), false);
        check(key(10, 10), (50, 0), key(11, 10), false);
        check(key(i64::MAX, 10), (50, 0), key(i64::MAX, 10), false);
    }

    #[test]
    fn every_part_counts() {
        let base = key(10, 10);
        for other in [
            StatKey { dev: 9, ..base },
            StatKey { ino: 9, ..base },
            StatKey { size: 9, ..base },
            StatKey { kind: FileKind::Directory, ..base },
        ] {
            check(base, (50, 0), other, false);
        }
    }
}
