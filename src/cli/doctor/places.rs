//! Directories, socket, token file and git: who else could get at them?

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::{Check, CheckStatus};
use crate::store::{Home, HomeError, with_causes};

/// All that a start makes or refuses. Of what is below the state, caches and the runtime directory only
/// what is wrong is told: a start makes what is missing.
pub(super) fn directories(home: &Home) -> Vec<Check> {
    let mut checks: Vec<Check> = base(home).into_iter().collect();
    checks.push(configuration_directory(home.config_dir()));
    let outer = [home.state_dir(), home.cache_dir(), home.runtime_dir()];
    for (name, path) in home.own_dirs() {
        if outer.contains(&path.as_path()) {
            checks.push(own_directory(name, &path));
            continue;
        }
        // Below a link there is nothing of ours to judge.
        let is_below_ours = path.parent().is_some_and(is_directory_itself);
        if is_below_ours && std::fs::symlink_metadata(&path).is_ok() {
            let check = own_directory(name, &path);
            checks.extend((check.status != CheckStatus::Ok).then_some(check));
        }
    }
    checks
}

/// DOSSIERD_HOME itself, where a start refuses it.
fn base(home: &Home) -> Option<Check> {
    const NAME: &str = "DOSSIERD_HOME";
    let error = home.look_at_base().err()?;
    let shown = home.base_dir()?.display();
    let hint = match &error {
        HomeError::OthersCanWrite { .. } => format!("look what is in it, then: chmod 700 {shown}"),
        HomeError::NotOurs { .. } => {
            format!(
                "set DOSSIERD_HOME to a directory of your own; or, if it is yours: chown {} {shown}",
                us()
            )
        }
        _ => format!(
            "set DOSSIERD_HOME to a directory of your own, or see what is there: ls -ld {shown}"
        ),
    };
    Some(Check::fail(NAME, with_causes(&error), hint))
}

/// For `chown`.
fn us() -> String {
    crate::platform::user::uid().map_or_else(|| "USER".to_owned(), |uid| uid.to_string())
}

fn is_directory_itself(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

const DIRECTORY: Wanted = Wanted { kind: Kind::Directory, mode: 0o700 };

/// It is only read, so a link to one that passes is good.
fn configuration_directory(path: &Path) -> Check {
    const NAME: &str = "configuration directory";
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    if !is_link {
        return access(NAME, path, DIRECTORY);
    }
    let check = match std::fs::metadata(path) {
        Ok(meta) => judge(NAME, path, DIRECTORY, &meta),
        Err(error) => {
            let message = format!("{} is a link that leads nowhere: {error}", path.display());
            Check::fail(NAME, message, "replace it by a directory")
        }
    };
    // Where it leads to may be a directory of everybody, whose mode is none of our business.
    let hint = check.hint.map(|_| "replace the link by a directory of your own".to_owned());
    Check { hint, ..check }
}

/// The daemon refuses a link in the place of a directory that it writes into.
fn own_directory(name: &'static str, path: &Path) -> Check {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
        let refused = HomeError::Symlink(path.to_path_buf()).to_string();
        return Check::fail(name, refused, "the daemon does not start until that is done");
    }
    access(name, path, DIRECTORY)
}

/// The socket.
pub(super) fn socket(path: &Path) -> Check {
    access("socket", path, Wanted { kind: Kind::Socket, mode: 0o600 })
}

/// The file with the token.
pub(super) fn token_file(path: &Path) -> Check {
    access("token file", path, Wanted { kind: Kind::File, mode: 0o600 })
}

/// The pages that are logged in; there may be none.
pub(super) fn sessions_file(path: &Path) -> Option<Check> {
    let wanted = Wanted { kind: Kind::File, mode: 0o600 };
    std::fs::symlink_metadata(path).is_ok().then(|| access("sessions file", path, wanted))
}

/// git itself is not needed, but without it a checkout is hardly one.
pub(super) fn git(path: Option<&OsStr>) -> Check {
    let found = path
        .map(std::env::split_paths)
        .into_iter()
        .flatten()
        .map(|dir| dir.join(if cfg!(windows) { "git.exe" } else { "git" }))
        .find(|program| program.is_file());
    match found {
        Some(program) => Check::ok("git", program.display().to_string()),
        None => Check::warn(
            "git",
            "not found in PATH",
            "dossierd reads repositories by itself; install git to work with them",
        ),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Socket,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File => "file",
            Self::Socket => "socket",
        }
    }
}

/// What should be there.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    kind: Kind,
    mode: u32,
}

fn access(name: &'static str, path: &Path, wanted: Wanted) -> Check {
    let shown = path.display();
    match std::fs::symlink_metadata(path) {
        Ok(meta) => judge(name, path, wanted, &meta),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Check::warn(
            name,
            format!("{shown} does not exist"),
            "the daemon makes it when it starts",
        ),
        Err(error) => Check::fail(
            name,
            format!("{shown} cannot be looked at: {error}"),
            "give yourself access, or set DOSSIERD_HOME to a directory of your own",
        ),
    }
}

#[cfg(unix)]
fn judge(name: &'static str, path: &Path, wanted: Wanted, meta: &std::fs::Metadata) -> Check {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    let shown = path.display();
    let is_wanted = match wanted.kind {
        Kind::Directory => meta.is_dir(),
        Kind::File => meta.is_file(),
        Kind::Socket => meta.file_type().is_socket(),
    };
    if !is_wanted {
        let message = format!("{shown} is no {}", wanted.kind.as_str());
        return Check::fail(name, message, "find out who put it there, and move it away");
    }
    let (owner, us) = (meta.uid(), rustix::process::geteuid().as_raw());
    if owner != us {
        let message = format!("{shown} belongs to uid {owner}, not to you (uid {us})");
        return Check::fail(name, message, "find out who put it there, and move it away");
    }
    let mode = meta.mode() & 0o777;
    let message = format!("{shown} has mode {mode:03o}");
    let hint = format!("chmod {:03o} {shown}", wanted.mode);
    if mode & 0o022 != 0 {
        Check::fail(name, format!("{message}: others can change it"), hint)
    } else if mode & 0o077 != 0 {
        Check::warn(name, format!("{message}: others can look into it"), hint)
    } else {
        Check::ok(name, message)
    }
}

#[cfg(not(unix))]
fn judge(name: &'static str, path: &Path, wanted: Wanted, meta: &std::fs::Metadata) -> Check {
    let is_wanted = match wanted.kind {
        Kind::Directory => meta.is_dir(),
        Kind::File | Kind::Socket => meta.is_file(),
    };
    let shown = path.display();
    match is_wanted {
        true => Check::ok(name, format!("{shown} is there")),
        false => Check::fail(
            name,
            format!("{shown} is no {} (mode {:03o})", wanted.kind.as_str(), wanted.mode),
            "find out who put it there, and move it away",
        ),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::CheckStatus;
    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn modes_are_judged() {
        let tmp = tempfile::tempdir().unwrap();
        let token = tmp.path().join("token");
        assert_eq!(token_file(&token).status, CheckStatus::Warn);
        fs::write(&token, "x").unwrap();
        for (mode, expected) in [
            (0o600, CheckStatus::Ok),
            (0o400, CheckStatus::Ok),
            (0o640, CheckStatus::Warn),
            (0o604, CheckStatus::Warn),
            (0o620, CheckStatus::Fail),
            (0o602, CheckStatus::Fail),
        ] {
            chmod(&token, mode);
            let check = token_file(&token);
            assert_eq!(check.status, expected, "{mode:o}");
            let hint = check.hint.unwrap_or_default();
            assert!(expected == CheckStatus::Ok || hint.starts_with("chmod 600 "), "{hint}");
        }
    }

    #[test]
    fn planted_things_fail() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("dossierd.sock");
        fs::write(&path, "").unwrap();
        assert_eq!(socket(&path).status, CheckStatus::Fail);
        fs::remove_file(&path).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        chmod(&path, 0o600);
        assert_eq!(socket(&path).status, CheckStatus::Ok);
        let link = tmp.path().join("token");
        symlink(&path, &link).unwrap();
        assert_eq!(token_file(&link).status, CheckStatus::Fail);
    }

    #[test]
    fn links_that_the_daemon_refuses_fail_and_no_mode_is_set_through_one() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        home.prepare().unwrap();
        let elsewhere = tmp.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        for (mode, of_config) in [(0o700, CheckStatus::Ok), (0o777, CheckStatus::Fail)] {
            chmod(&elsewhere, mode);
            for (name, dir) in [
                ("configuration directory", home.config_dir()),
                ("state directory", home.state_dir()),
                ("runtime directory", home.runtime_dir()),
            ] {
                let kept = tmp.path().join("kept");
                fs::rename(dir, &kept).unwrap();
                symlink(&elsewhere, dir).unwrap();
                let refused = home.prepare().err().map(|error| error.to_string());
                let checks = directories(&home);
                let check = checks.iter().find(|check| check.name == name).unwrap();
                let is_config = name.starts_with("configuration");
                let expected = if is_config { of_config } else { CheckStatus::Fail };
                assert_eq!(check.status, expected, "{check:?}");
                assert_eq!(refused.is_some(), expected == CheckStatus::Fail, "{refused:?}");
                assert!(is_config || Some(&check.message) == refused.as_ref(), "{check:?}");
                assert!(
                    !check.hint.as_ref().is_some_and(|hint| hint.contains("chmod")),
                    "{check:?}"
                );
                fs::remove_file(dir).unwrap();
                fs::rename(&kept, dir).unwrap();
            }
        }
    }

    #[test]
    fn all_that_a_start_refuses_fails_and_says_which() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(tmp.path().join("home"))).unwrap();
        home.prepare().unwrap();
        let fails = || -> Vec<String> {
            let checks = directories(&home).into_iter();
            let failed = checks.filter(|check| check.status == CheckStatus::Fail);
            failed.map(|check| format!("{}: {:?}", check.message, check.hint)).collect()
        };
        assert_eq!(fails(), [""; 0]);
        let base = home.base_dir().unwrap().to_path_buf();
        let dirs = home.own_dirs().into_iter().map(|(_, dir)| dir).chain([base.clone()]);
        for dir in dirs {
            chmod(&dir, 0o777);
            assert!(home.prepare().is_err(), "{}", dir.display());
            let told = fails();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(&format!("chmod 700 {}", dir.display())), "{told:?}");
            chmod(&dir, 0o700);
            if dir == base {
                continue;
            }
            let kept = tmp.path().join("kept");
            fs::rename(&dir, &kept).unwrap();
            fs::write(&dir, "").unwrap();
            assert!(home.prepare().is_err() && fails().len() == 1, "{}", dir.display());
            fs::remove_file(&dir).unwrap();
            symlink(&kept, &dir).unwrap();
            assert!(home.prepare().is_err() && fails().len() == 1, "{}", dir.display());
            fs::remove_file(&dir).unwrap();
            fs::rename(&kept, &dir).unwrap();
        }
        chmod(&base, 0o1777);
        assert!(home.prepare().is_ok() && fails().is_empty(), "as /tmp is");
        if crate::platform::user::uid() != Some(0) {
            eprintln!("SKIP a directory of another user: only root can make one");
            return;
        }
        std::os::unix::fs::chown(&base, Some(4242), None).unwrap();
        let told = fails();
        assert!(home.prepare().is_err() && told.len() == 1, "{told:?}");
        assert!(told[0].contains("uid 4242") && told[0].contains("chown 0 "), "{told:?}");
    }

    #[test]
    fn git_is_looked_for_in_path() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(git(None).status, CheckStatus::Warn);
        assert_eq!(git(Some(tmp.path().as_os_str())).status, CheckStatus::Warn);
        fs::write(tmp.path().join("git"), "").unwrap();
        assert_eq!(git(Some(tmp.path().as_os_str())).status, CheckStatus::Ok);
    }
}
