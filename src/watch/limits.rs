//! The kernel's limits on inotify, and how to raise them, to the letter.

use std::fs;
use std::path::Path;

/// The limits as they are now; `None` where they cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InotifyLimits {
    /// Watches per user: one for each directory.
    pub max_user_watches: Option<u64>,
    /// Instances per user: this daemon uses two.
    pub max_user_instances: Option<u64>,
    /// Events that may wait in one instance before they are lost.
    pub max_queued_events: Option<u64>,
}

impl InotifyLimits {
    const WATCHES: u64 = 524_288;
    const INSTANCES: u64 = 512;

    /// Reads them from `/proc/sys`; elsewhere than on Linux there are none.
    pub fn read() -> Self {
        Self::read_from(Path::new("/proc/sys/fs/inotify"))
    }

    fn read_from(dir: &Path) -> Self {
        let read = |name| fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok();
        Self {
            max_user_watches: read("max_user_watches"),
            max_user_instances: read("max_user_instances"),
            max_queued_events: read("max_queued_events"),
        }
    }

    /// The command that makes room for `needed` watches, and at least doubles the limit,
    /// since other programs of the user count as well.
    pub fn watches_advice(&self, needed: u64) -> String {
        advice("max_user_watches", self.max_user_watches, Self::WATCHES.max(needed))
    }

    /// The command that makes room for more instances.
    pub fn instances_advice(&self) -> String {
        advice("max_user_instances", self.max_user_instances, Self::INSTANCES)
    }

    /// One sentence for `status`, `doctor` and the log: the limit, how many of the
    /// watches are ours, and what to do.
    pub fn watches_sentence(&self, ours: u64, needed: u64) -> String {
        let limit = self.max_user_watches.map_or_else(|| "unknown".into(), |n| n.to_string());
        let advice = self.watches_advice(needed);
        format!(
            "The limit on inotify watches is {limit}, {ours} are in use by dossierd, \
             {needed} are needed. Raise it: {advice}"
        )
    }
}

/// A command that sets the key for now and after a reboot: a power of two that is at
/// least `wanted` and at least twice the current value.
fn advice(key: &str, current: Option<u64>, wanted: u64) -> String {
    let twice = current.unwrap_or(0).saturating_mul(2);
    let value = wanted.max(twice).checked_next_power_of_two().unwrap_or(u64::MAX);
    format!(
        "echo fs.inotify.{key}={value} | sudo tee /etc/sysctl.d/60-dossierd-{}.conf \
         && sudo sysctl --system",
        key.replace('_', "-")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_readable() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("max_user_watches"), "8192\n").expect("written");
        fs::write(dir.path().join("max_user_instances"), "many\n").expect("written");
        let limits = InotifyLimits::read_from(dir.path());
        assert_eq!(limits.max_user_watches, Some(8192));
        assert_eq!(limits.max_user_instances, None);
        assert_eq!(limits.max_queued_events, None);
    }

    #[test]
    fn advice_is_a_command_with_a_value_that_is_enough() {
        let known = |watches| InotifyLimits { max_user_watches: watches, ..Default::default() };
        let table = [
            (None, 1, 524_288),
            (Some(8192), 10_000, 524_288),
            (Some(524_288), 10, 1_048_576),
            (Some(60), 600_000, 1_048_576),
        ];
        for (current, needed, value) in table {
            let advice = known(current).watches_advice(needed);
            let expected = format!(
                "echo fs.inotify.max_user_watches={value} | \
                 sudo tee /etc/sysctl.d/60-dossierd-max-user-watches.conf && sudo sysctl --system"
            );
            assert_eq!(advice, expected);
        }
        let instances = InotifyLimits::default().instances_advice();
        assert!(instances.starts_with("echo fs.inotify.max_user_instances=512 | "), "{instances}");
        let sentence = known(Some(60)).watches_sentence(59, 100);
        assert!(sentence.contains("is 60, 59 are in use by dossierd, 100 are needed"));
    }
}
