//! The limits of inotify (inotify(7)) and how much of them this user's processes use.

#[cfg(target_os = "linux")]
pub(super) use linux::limits;

use super::Check;

/// Other systems have no such limits.
#[cfg(not(target_os = "linux"))]
pub(super) fn limits() -> Vec<Check> {
    Vec::new()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::Check;

    /// What this user's processes have open.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub(super) struct Use {
        pub(super) instances: u64,
        pub(super) watches: u64,
    }

    /// Limits against use.
    pub(in super::super) fn limits() -> Vec<Check> {
        let limits = Path::new("/proc/sys/fs/inotify");
        let used = used(Path::new("/proc"), rustix::process::geteuid().as_raw());
        vec![
            judge("inotify watches", limits, "max_user_watches", used.watches),
            judge("inotify instances", limits, "max_user_instances", used.instances),
        ]
    }

    pub(super) fn judge(name: &'static str, limits: &Path, file: &str, used: u64) -> Check {
        let path = limits.join(file);
        let text = fs::read_to_string(&path);
        let limit = text.ok().and_then(|text| text.trim().parse::<u64>().ok());
        let Some(limit) = limit else {
            let message = format!("the limit in {} cannot be read", path.display());
            return Check::warn(name, message, format!("ask the system: sysctl fs.inotify.{file}"));
        };
        let message = format!("{used} of {limit} used by this user's processes");
        let hint = || {
            let more = limit.saturating_mul(4).max(8192);
            format!(
                "sysctl fs.inotify.{file}={more}, and in /etc/sysctl.d/ to keep it; \
                 directories beyond the limit are polled"
            )
        };
        if used >= limit {
            Check::fail(name, message, hint())
        } else if used.saturating_mul(5) >= limit.saturating_mul(4) {
            Check::warn(name, message, hint())
        } else {
            Check::ok(name, message)
        }
    }

    /// Counts through `/proc/PID/fdinfo` (proc(5)): one file for each descriptor, with one
    /// `inotify wd:` line for each watch. Processes that cannot be looked into, or end
    /// meanwhile, do not count.
    pub(super) fn used(proc: &Path, uid: u32) -> Use {
        let mut total = Use::default();
        for process in fs::read_dir(proc).into_iter().flatten().flatten() {
            let is_number = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if !is_number || !process.metadata().is_ok_and(|meta| meta.uid() == uid) {
                continue;
            }
            let path = process.path();
            for descriptor in fs::read_dir(path.join("fd")).into_iter().flatten().flatten() {
                let target = fs::read_link(descriptor.path()).unwrap_or_default();
                if target != Path::new("anon_inode:inotify") {
                    continue;
                }
                total.instances += 1;
                let info = path.join("fdinfo").join(descriptor.file_name());
                let text = fs::read_to_string(info).unwrap_or_default();
                total.watches +=
                    text.lines().filter(|line| line.starts_with("inotify wd:")).count() as u64;
            }
        }
        total
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::CheckStatus;
    use super::linux::{Use, judge, used};

    #[test]
    fn use_is_counted_from_proc() {
        let proc = tempfile::tempdir().unwrap();
        let process = proc.path().join("17");
        fs::create_dir_all(process.join("fd")).unwrap();
        fs::create_dir_all(process.join("fdinfo")).unwrap();
        fs::create_dir_all(proc.path().join("sys")).unwrap();
        symlink("anon_inode:inotify", process.join("fd/5")).unwrap();
        symlink("/dev/null", process.join("fd/6")).unwrap();
        fs::write(process.join("fdinfo/5"), "pos:\t0\ninotify wd:1 ino:2\ninotify wd:2 ino:3\n")
            .unwrap();
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(used(proc.path(), uid), Use { instances: 1, watches: 2 });
        assert_eq!(used(proc.path(), uid.wrapping_add(1)), Use::default());
    }

    #[test]
    fn limits_are_judged_before_they_are_reached() {
        let limits = tempfile::tempdir().unwrap();
        fs::write(limits.path().join("max"), "100\n").unwrap();
        for (used, expected) in [
            (0, CheckStatus::Ok),
            (79, CheckStatus::Ok),
            (80, CheckStatus::Warn),
            (100, CheckStatus::Fail),
        ] {
            let check = judge("x", limits.path(), "max", used);
            assert_eq!(check.status, expected, "{used}");
            assert_eq!(check.hint.is_some(), expected != CheckStatus::Ok);
        }
        assert_eq!(judge("x", limits.path(), "none", 0).status, CheckStatus::Warn);
    }
}
