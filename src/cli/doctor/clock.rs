//! The two clocks: the logical one, which is a file, and that of the system.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Check;
use crate::dossier::Timestamp;
use crate::store::clock::ClockStart;
use crate::store::{LamportClock, StoreError};

/// Clocks of one machine differ by no more than this.
const TOLERANCE: Duration = Duration::from_secs(5);

/// Can the file of the logical clock be read?
pub(super) fn logical(path: &Path) -> Check {
    const NAME: &str = "logical clock";
    let shown = path.display();
    if path.parent().is_some_and(|dir| !dir.exists()) {
        return Check::ok(NAME, format!("{shown} is made at the first event"));
    }
    match LamportClock::open(path) {
        Ok((_, ClockStart::New)) => Check::ok(NAME, format!("{shown} is made at the first event")),
        Ok((clock, ClockStart::Known)) => Check::ok(NAME, format!("stands at {}", clock.now())),
        Ok((_, ClockStart::Damaged(error))) => Check::warn(
            NAME,
            error.to_string(),
            "nothing has to be done: the logs say where it stood, and the next event replaces it",
        ),
        Err(error @ StoreError::Newer { .. }) => {
            let hint = format!("use the newer dossierd, or: mv {shown} {shown}.away");
            Check::fail(NAME, error.to_string(), hint)
        }
        Err(error) => {
            let hint = format!("make it yours and readable, or move it away: ls -l {shown}");
            Check::fail(NAME, error.to_string(), hint)
        }
    }
}

/// Has the system's clock gone back behind something that has happened already? `moments` are
/// of the daemon, as it writes them; `files` are what it wrote.
pub(super) fn system<'a>(
    now: SystemTime,
    moments: impl Iterator<Item = &'a str>,
    files: &[&Path],
) -> Check {
    const NAME: &str = "system clock";
    let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let told = moments.filter_map(|text| {
        let moment = Timestamp::parse(text)?;
        Some(Duration::from_micros(u64::try_from(moment.as_micros()).ok()?))
    });
    let written = files.iter().filter_map(|file| {
        let modified = std::fs::symlink_metadata(file).and_then(|meta| meta.modified());
        since_epoch(modified.ok()?)
    });
    let newest = told.chain(written).max().unwrap_or_default();
    let ahead = newest.saturating_sub(since_epoch(now).unwrap_or_default());
    if ahead <= TOLERANCE {
        return Check::ok(NAME, "no event is from the future");
    }
    Check::warn(
        NAME,
        format!("it went back: the newest that was written is {} s from now", ahead.as_secs()),
        "set it right, then new events come behind the old ones again: timedatectl status",
    )
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_read_fails_and_a_damaged_one_is_told() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        assert_eq!(logical(&path).status, CheckStatus::Ok);
        assert_eq!(logical(&tmp.path().join("none/clock")).status, CheckStatus::Ok);
        std::fs::write(&path, r#"{"schema_version":1,"ceiling":7}"#).unwrap();
        assert!(logical(&path).message.contains("stands at 7"));
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(logical(&path).status, CheckStatus::Warn);
        std::fs::write(&path, r#"{"schema_version":99,"ceiling":7}"#).unwrap();
        let later = logical(&path);
        assert_eq!(later.status, CheckStatus::Fail);
        assert!(later.hint.unwrap().contains("newer dossierd"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(logical(&path).status, CheckStatus::Fail);
    }

    #[test]
    fn a_clock_that_went_back_is_seen_from_events_and_files() {
        let tmp = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let fine = system(now, ["2020-01-01T00:00:00Z", "no time"].into_iter(), &[tmp.path()]);
        assert_eq!(fine.status, CheckStatus::Ok, "{fine:?}");
        let told = system(now, ["9000-01-01T00:00:00Z"].into_iter(), &[]);
        assert_eq!(told.status, CheckStatus::Warn);
        let earlier = now - Duration::from_secs(3600);
        let written = system(earlier, std::iter::empty(), &[tmp.path()]);
        assert_eq!(written.status, CheckStatus::Warn);
    }
}
