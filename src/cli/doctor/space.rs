//! Room on the disks that the daemon writes to, and whether it may write there at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Check;

const NAME: &str = "disk space";
/// Less than this, and the next batch of events may not fit.
const TOO_LITTLE: u64 = 16 << 20;
/// Less than this is worth a look.
const LITTLE: u64 = 256 << 20;
/// Files that can still be made.
const FEW_FILES: u64 = 1000;
const TOO_FEW_FILES: u64 = 100;

/// What is free on one disk.
#[derive(Debug, Clone, Copy)]
struct Free {
    bytes: u64,
    /// `None` where a file system has no bound.
    files: Option<u64>,
    is_read_only: bool,
}

/// Each disk once, under the first of its places.
pub(super) fn disks(places: Vec<PathBuf>) -> Vec<Check> {
    let mut seen = BTreeSet::new();
    let mut checks = Vec::new();
    for place in places {
        // What does not exist yet will be made on the disk of what is above it.
        let Some(place) = place.ancestors().find(|above| above.exists()).map(Path::to_path_buf)
        else {
            continue;
        };
        match free(&place) {
            Ok((disk, free)) if seen.insert(disk) => checks.push(judge(&place, free)),
            Ok(_) => {}
            Err(error) => checks.push(Check::warn(
                NAME,
                format!("of {} is not known: {error}", place.display()),
                format!("df -h {}", place.display()),
            )),
        }
    }
    checks
}

#[cfg(unix)]
fn free(place: &Path) -> std::io::Result<(u64, Free)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = rustix::fs::statvfs(place)?;
    let disk = std::fs::metadata(place)?.dev();
    let free = Free {
        bytes: found.f_bavail.saturating_mul(found.f_frsize),
        files: (found.f_files > 0).then_some(found.f_favail),
        is_read_only: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    };
    Ok((disk, free))
}

#[cfg(not(unix))]
fn free(_: &Path) -> std::io::Result<(u64, Free)> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn judge(place: &Path, free: Free) -> Check {
    let shown = place.display();
    if free.is_read_only {
        let message = format!("{shown} is on a disk that is mounted read-only");
        return Check::fail(
            NAME,
            message,
            format!("see why, and mount it anew: findmnt -T {shown}"),
        );
    }
    let mebibytes = free.bytes >> 20;
    let files = free.files.unwrap_or(u64::MAX);
    let (message, hint) = if files < FEW_FILES {
        (
            format!("{files} more files can be made at {shown}"),
            format!("remove files that nobody needs: df -i {shown}"),
        )
    } else {
        (
            format!("{mebibytes} MiB are free at {shown}"),
            format!("remove what nobody needs: df -h {shown}"),
        )
    };
    if free.bytes < TOO_LITTLE || files < TOO_FEW_FILES {
        Check::fail(NAME, message, hint)
    } else if free.bytes < LITTLE || files < FEW_FILES {
        Check::warn(NAME, message, hint)
    } else {
        Check::ok(NAME, message)
    }
}

/// May the daemon write where its files are?
#[cfg(unix)]
pub(super) fn writable(places: &[PathBuf]) -> Vec<Check> {
    let check = |place: &PathBuf| {
        let shown = place.display();
        let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        match rustix::fs::access(place, wanted) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => None,
            Err(error) => Some(Check::fail(
                "writing",
                format!("{shown} cannot be written: {error}"),
                format!("chmod u+wx {shown}"),
            )),
        }
    };
    places.iter().filter_map(check).collect()
}

/// Nothing is known of it here before it is tried.
#[cfg(not(unix))]
pub(super) fn writable(_: &[PathBuf]) -> Vec<Check> {
    Vec::new()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::CheckStatus;
    use super::*;

    #[test]
    fn little_room_is_told_before_there_is_none() {
        let look = |bytes, files, is_read_only| {
            let free = Free { bytes, files, is_read_only };
            judge(Path::new("/p"), free).status
        };
        for (bytes, files, expected) in [
            (1 << 30, Some(1 << 20), CheckStatus::Ok),
            (1 << 30, None, CheckStatus::Ok),
            (LITTLE - 1, None, CheckStatus::Warn),
            (TOO_LITTLE - 1, None, CheckStatus::Fail),
            (1 << 30, Some(FEW_FILES - 1), CheckStatus::Warn),
            (1 << 30, Some(TOO_FEW_FILES - 1), CheckStatus::Fail),
        ] {
            assert_eq!(look(bytes, files, false), expected, "{bytes} {files:?}");
        }
        assert_eq!(look(1 << 30, None, true), CheckStatus::Fail);
    }

    #[test]
    fn each_disk_is_told_of_once_and_a_place_that_is_to_come_counts() {
        let tmp = tempfile::tempdir().unwrap();
        let places = vec![tmp.path().join("a/b"), tmp.path().to_path_buf()];
        let checks = disks(places);
        assert_eq!(checks.len(), 1, "{checks:?}");
        assert!(checks[0].message.contains(&tmp.path().display().to_string()), "{checks:?}");
    }

    #[test]
    fn what_cannot_be_written_fails() {
        if rustix::process::geteuid().is_root() {
            eprintln!("SKIP: root may write everywhere");
            return;
        }
        let tmp = tempfile::tempdir().unwrap();
        let set = |mode| std::fs::set_permissions(tmp.path(), PermissionsExt::from_mode(mode));
        set(0o500).unwrap();
        let checks = writable(&[tmp.path().to_path_buf(), tmp.path().join("none")]);
        set(0o700).unwrap();
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].status, CheckStatus::Fail);
    }
}
