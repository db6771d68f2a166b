//! Does the file system under a root tell of every change?
//!
//! One that is shared with other machines, or served by a process, does not: what others
//! write makes no event here, so such roots have to be polled.

use std::path::Path;

use super::StatError;

/// Whether events can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystemKind {
    /// All writers are on this machine and their writes make events.
    Local,
    /// Others may write without an event; the name of the file system, for people.
    Remote(&'static str),
}

impl FileSystemKind {
    /// The kind of the file system that `path` is on.
    ///
    /// # Errors
    /// When the path is gone, or may not be reached.
    pub fn of(path: &Path) -> Result<Self, StatError> {
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        {
            let found = rustix::fs::statfs(path)
                .map_err(|errno| StatError { path: path.to_path_buf(), source: errno.into() })?;
            Ok(Self::from_statfs(&found))
        }
        #[cfg(not(any(target_os = "linux", target_os = "macos")))]
        {
            let _ = path;
            Ok(Self::Local)
        }
    }

    #[cfg(target_os = "linux")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a magic number has 32 bits; the field is wider, or signed, on some machines"
    )]
    fn from_statfs(found: &rustix::fs::StatFs) -> Self {
        Self::from_magic(found.f_type as u32)
    }

    #[cfg(target_os = "macos")]
    fn from_statfs(found: &rustix::fs::StatFs) -> Self {
        /// `MNT_LOCAL` of `sys/mount.h`: "file system is stored locally".
        const LOCAL: u32 = 0x1000;
        if found.f_flags & LOCAL == 0 { Self::Remote("a remote file system") } else { Self::Local }
    }

    /// By the number that statfs(2) and linux/magic.h give the file system.
    #[cfg(target_os = "linux")]
    fn from_magic(magic: u32) -> Self {
        REMOTE
            .iter()
            .find(|(number, _)| *number == magic)
            .map_or(Self::Local, |(_, name)| Self::Remote(name))
    }
}

/// File systems that others can write to: network, user space, and those that virtual
/// machines share with their host. Numbers from statfs(2), linux/magic.h and, where those
/// lack them, the file system's own source.
#[cfg(target_os = "linux")]
const REMOTE: [(u32, &str); 14] = [
    (0x6969, "nfs"),
    (0x517B, "smb"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb2"),
    (0x5346_414F, "afs"),
    (0x6B41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x564C, "ncp"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "ceph"),
    (0x0BD0_0BD0, "lustre"),
    (0x786F_4256, "vboxsf"),
    (0xBACB_ACBC, "vmhgfs"),
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn magic_numbers_say_who_can_write() {
        let table = [
            (0xEF53, None),      // ext4
            (0x0102_1994, None), // tmpfs
            (0x9123_683E, None), // btrfs
            (0x794C_7630, None), // overlayfs
            (0x6969, Some("nfs")),
            (0xFF53_4D42, Some("cifs")),
            (0xFE53_4D42, Some("smb2")),
            (0x0102_1997, Some("9p")),
            (0x6573_5546, Some("fuse")),
        ];
        for (magic, name) in table {
            let expected = name.map_or(FileSystemKind::Local, FileSystemKind::Remote);
            assert_eq!(FileSystemKind::from_magic(magic), expected, "{magic:#x}");
        }
    }

    #[test]
    fn asks_the_system_and_names_the_path_it_cannot_ask_about() {
        assert_eq!(FileSystemKind::of(Path::new("/proc")).ok(), Some(FileSystemKind::Local));
        let home = tempfile::tempdir().expect("a temporary directory");
        let missing = home.path().join("missing");
        let error = FileSystemKind::of(&missing).expect_err("missing");
        assert!(error.is_gone());
        assert_eq!(error.path, missing);
    }
}
