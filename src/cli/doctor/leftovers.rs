//! What daemons that are gone have left: sockets, locks, temporary files, logs of projects
//! that nobody has registered any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::render::plural;
use super::Check;
#[cfg(unix)]
use super::locks;
use crate::store::{Home, atomic, project_id};

/// What lies about while no daemon answers.
#[cfg(unix)]
pub(super) fn without_daemon(home: &Home, socket: &Path) -> Vec<Check> {
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixStream;
    let mut checks = Vec::new();
    let holder = locks::last_holder(&home.state_lock_file()).filter(|pid| is_dossierd(*pid));
    if let Some(pid) = holder {
        let message = format!("process {pid} runs, and does not answer at {}", socket.display());
        let hint = format!("look at its log; if it stays so: kill {pid}");
        checks.push(Check::fail("stale daemon", message, hint));
    }
    // Connecting to a plain file is refused as well.
    let is_socket =
        std::fs::symlink_metadata(socket).is_ok_and(|meta| meta.file_type().is_socket());
    let refuses = is_socket
        && UnixStream::connect(socket)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    if refuses && holder.is_none() {
        let message = format!("{} is left of a daemon that has ended", socket.display());
        let hint = format!("the next start replaces it; or: rm {}", socket.display());
        checks.push(Check::warn("stale socket", message, hint));
    }
    let temporary: usize =
        [home.state_dir(), home.runtime_dir()].into_iter().map(temporary_files).sum();
    if temporary > 0 {
        let files = plural(temporary as u64, "temporary file", "temporary files");
        let message = format!("{files} of a crash in {}", home.state_dir().display());
        checks.push(Check::warn(
            "stale files",
            message,
            "the next start removes them: dossierd run",
        ));
    }
    checks
}

/// There is nothing to leave but files, which the next start removes.
#[cfg(not(unix))]
pub(super) fn without_daemon(_: &Home, _: &Path) -> Vec<Check> {
    Vec::new()
}

/// Does this process run our program? Where the system does not tell, it may be any.
#[cfg(unix)]
fn is_dossierd(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim() == "dossierd")
}

#[cfg(unix)]
fn temporary_files(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let prefix = atomic::TEMPORARY_PREFIX.as_bytes();
    names.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix)).count()
}

/// Logs below the state of projects that none of the features is of; `dirs` are theirs.
pub(super) fn unregistered<'a>(home: &Home, dirs: impl Iterator<Item = &'a Path>) -> Vec<Check> {
    let known: BTreeSet<String> = dirs.flat_map(Path::ancestors).map(project_id).collect();
    let below = home.fallback_dossiers_dir();
    let stale: Vec<PathBuf> = std::fs::read_dir(&below)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !entry.file_name().to_str().is_some_and(|name| known.contains(name)))
        .map(|entry| entry.path())
        .collect();
    let Some(first) = stale.first() else { return Vec::new() };
    let projects = plural(stale.len() as u64, "project", "projects");
    vec![Check::warn(
        "stale logs",
        format!("{} has logs of {projects} that are not registered", below.display()),
        format!(
            "add the project again, or look what is in it and remove it: ls -R {}",
            first.display()
        ),
    )]
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::super::CheckStatus;
    use super::*;

    fn home(tmp: &tempfile::TempDir) -> Home {
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        home.prepare().unwrap();
        home
    }

    #[test]
    fn what_a_crash_left_is_told() {
        let tmp = tempfile::tempdir().unwrap();
        let home = home(&tmp);
        assert_eq!(without_daemon(&home, &home.socket()), []);
        drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
        fs::write(home.state_dir().join(".dossierd-tmp-1"), "").unwrap();
        // A process that has ended, or is another program by now.
        fs::write(home.state_lock_file(), format!("{}\n", u32::MAX)).unwrap();
        let checks = without_daemon(&home, &home.socket());
        let names: Vec<_> = checks.iter().map(|check| (check.name, check.status)).collect();
        let warn = CheckStatus::Warn;
        assert_eq!(names, [("stale socket", warn), ("stale files", warn)]);
    }

    #[test]
    fn what_is_no_socket_is_not_left_of_a_daemon() {
        let tmp = tempfile::tempdir().unwrap();
        let home = home(&tmp);
        fs::write(home.socket(), "notes").unwrap();
        assert_eq!(without_daemon(&home, &home.socket()), [], "the next start does not replace it");
    }

    #[test]
    fn logs_of_projects_that_are_not_registered_are_told() {
        let tmp = tempfile::tempdir().unwrap();
        let home = home(&tmp);
        let project = tmp.path().join("p");
        let feature = project.join("kitty-specs/a");
        fs::create_dir(home.fallback_dossiers_dir().join(project_id(&project))).unwrap();
        assert_eq!(unregistered(&home, [feature.as_path()].into_iter()), []);
        let checks = unregistered(&home, std::iter::empty());
        assert!(checks.len() == 1 && checks[0].message.contains("1 project"), "{checks:?}");
    }
}
