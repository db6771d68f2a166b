//! The two locks of a daemon: could a start open them? Neither is taken, and nothing is waited for.

#[cfg(unix)]
use std::io::Read;
use std::path::Path;

use super::Check;
use crate::platform::dir::file_facts;
use crate::platform::{Dir, NodeKind, Open};
use crate::store::Home;

const NAME: &str = "lock";

/// What is wrong with either; one line where nothing is.
pub(super) fn locks(home: &Home) -> Vec<Check> {
    let files = [home.state_lock_file(), home.lock_file()];
    let wrong: Vec<Check> = files.iter().filter_map(|path| problem(path)).collect();
    if wrong.is_empty() {
        let shown = files.each_ref().map(|path| path.display().to_string()).join(" and ");
        return vec![Check::ok(NAME, format!("{shown} can be used"))];
    }
    wrong
}

/// What keeps a start from the lock. One that is missing is made; of the directory others tell.
fn problem(path: &Path) -> Option<Check> {
    let (parent, name) = (path.parent()?, path.file_name()?);
    let shown = path.display();
    let dir = Dir::open(parent).ok()?;
    let facts = match dir.facts(name) {
        Ok(found) => found?,
        Err(error) => {
            let message = format!("{shown} cannot be looked at: {error}");
            return Some(Check::fail(NAME, message, format!("ls -ld {}", parent.display())));
        }
    };
    let (what, hint) = match facts.kind {
        NodeKind::File => return not_usable(&dir, path),
        NodeKind::Dir => ("a directory", format!("mv {shown} {shown}.away")),
        NodeKind::Symlink => ("a symbolic link", format!("rm {shown}")),
        NodeKind::Special => ("no file", format!("rm {shown}")),
    };
    let message = format!("{shown} is {what}, which the daemon cannot lock");
    Some(Check::fail(NAME, message, hint))
}

/// A file that cannot be written, or that is one elsewhere, too.
fn not_usable(dir: &Dir, path: &Path) -> Option<Check> {
    let shown = path.display();
    let opened = dir.open_file(path.file_name()?, Open::Append);
    let message = match opened.and_then(|file| file_facts(&file)) {
        Ok(facts) if facts.links > 1 => {
            format!("{shown} is one of {} names (hard links) of one file", facts.links)
        }
        Ok(_) => return None,
        Err(error) => format!("{shown} cannot be opened to write: {error}"),
    };
    Some(Check::fail(NAME, message, format!("while no daemon runs: rm {shown}")))
}

/// Who had a lock last. The lock itself ends with its process, whatever the file says.
#[cfg(unix)]
pub(super) fn last_holder(path: &Path) -> Option<u32> {
    let file = Dir::open(path.parent()?).ok()?.open_file(path.file_name()?, Open::Read).ok()?;
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::super::CheckStatus;
    use super::*;
    use crate::store::InstanceLock;

    #[test]
    fn what_a_start_could_not_lock_is_told_and_never_waited_for() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        let statuses = || locks(&home).iter().map(|check| check.status).collect::<Vec<_>>();
        assert_eq!(statuses(), [CheckStatus::Ok], "nothing is there yet");
        home.prepare().unwrap();
        let plants: [fn(&Path); 4] = [
            |path| fs::create_dir(path).unwrap(),
            |path| std::os::unix::fs::symlink("/etc/hostname", path).unwrap(),
            |path| {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
            },
            |path| {
                fs::write(path.with_extension("other"), "").unwrap();
                fs::hard_link(path.with_extension("other"), path).unwrap();
            },
        ];
        for path in [home.state_lock_file(), home.lock_file()] {
            for (at, plant) in plants.iter().enumerate() {
                plant(&path);
                let refused = InstanceLock::try_acquire(&path).is_err();
                assert!(refused, "a start refuses {at}");
                let checks = locks(&home);
                assert_eq!(checks.len(), 1, "{checks:?}");
                assert_eq!(checks[0].status, CheckStatus::Fail, "{checks:?}");
                let hint = checks[0].hint.as_deref().unwrap_or_default();
                assert!(hint.contains(&path.display().to_string()), "{hint}");
                assert_eq!(last_holder(&path), None);
                if fs::symlink_metadata(&path).unwrap().is_dir() {
                    fs::remove_dir(&path).unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
            }
            let _held = InstanceLock::try_acquire(&path).unwrap();
            assert_eq!(last_holder(&path), Some(std::process::id()));
            assert_eq!(statuses(), [CheckStatus::Ok], "a lock that is held is as it should be");
        }
    }
}
