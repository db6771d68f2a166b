//! What the service manager that started this process has told it, through the environment
//! and through descriptors. Read once, at the very start, before there are threads.
//!
//! The variables are inherited by whatever a service starts: a shell in a terminal that is a
//! service has those of the terminal. So each counts only if it is meant for this process:
//! `LISTEN_PID` and `WATCHDOG_PID` say so for theirs, and for the others `SYSTEMD_EXEC_PID`,
//! where the manager sets it (systemd 248 and later; systemd.exec(5), sd_notify(3),
//! sd_listen_fds(3), sd_watchdog_enabled(3)).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::passed_sockets::{PassedError, PassedSockets};

/// What a service manager told us; nothing if none did.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// Where it wants to be told how we are (`NOTIFY_SOCKET`).
    pub notify_socket: Option<OsString>,
    /// Within which time it wants a sign of life, again and again.
    pub watchdog: Option<Duration>,
    /// Directories that it made for us.
    pub directories: ServiceDirectories,
    /// Listeners that it made for us.
    pub sockets: PassedSockets,
}

/// Directories that a service manager made for this service alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceDirectories {
    /// For what ends with the service (`RUNTIME_DIRECTORY`).
    pub runtime: Option<PathBuf>,
    /// For what must survive (`STATE_DIRECTORY`).
    pub state: Option<PathBuf>,
    /// For what can be made again (`CACHE_DIRECTORY`).
    pub cache: Option<PathBuf>,
}

/// A variable should have a number, and has something else.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} is {value:?} and should be a number; a service manager sets it, so unset it elsewhere"
)]
pub struct NotANumber {
    name: &'static str,
    value: OsString,
}

/// What was told makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A number is none.
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// The descriptors that were passed are not what is expected.
    #[error(transparent)]
    Passed(#[from] PassedError),
}

impl Supervisor {
    /// What this process was told. Takes the passed descriptors, so only the first call
    /// has them; call it before there are threads, since it clears their variables.
    pub fn of_this_process() -> Result<Self, SupervisorError> {
        let get = |name: &str| std::env::var_os(name);
        let mut told = read(get, std::process::id())?;
        told.sockets = PassedSockets::take(get)?;
        Ok(told)
    }
}

impl ServiceDirectories {
    /// Those of this process alone, without taking anything.
    pub fn of_this_process() -> Self {
        directories(&|name| std::env::var_os(name), std::process::id())
    }
}

fn read(get: impl Fn(&str) -> Option<OsString>, pid: u32) -> Result<Supervisor, SupervisorError> {
    let mut told = Supervisor { directories: directories(&get, pid), ..Supervisor::default() };
    if is_for_us(&get, pid) {
        told.notify_socket = set(&get, "NOTIFY_SOCKET");
        let limit = number(&get, "WATCHDOG_USEC")?.filter(|limit| *limit > 0);
        let whose = number(&get, "WATCHDOG_PID")?;
        told.watchdog = limit
            .filter(|_| whose.is_none_or(|whose| whose == u64::from(pid)))
            .map(Duration::from_micros);
    }
    Ok(told)
}

fn directories(get: &impl Fn(&str) -> Option<OsString>, pid: u32) -> ServiceDirectories {
    if !is_for_us(get, pid) {
        return ServiceDirectories::default();
    }
    // Several directories of one kind are separated by colons; the first is ours.
    let first = |name| {
        let all = set(get, name)?;
        let first = all.as_bytes().split(|byte| *byte == b':').next()?;
        Some(PathBuf::from(OsStr::from_bytes(first))).filter(|path| path.is_absolute())
    };
    ServiceDirectories {
        runtime: first("RUNTIME_DIRECTORY"),
        state: first("STATE_DIRECTORY"),
        cache: first("CACHE_DIRECTORY"),
    }
}

/// Was this process started by the manager itself, as far as can be known?
fn is_for_us(get: &impl Fn(&str) -> Option<OsString>, pid: u32) -> bool {
    get("SYSTEMD_EXEC_PID").is_none_or(|whose| whose == *pid.to_string())
}

fn set(get: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    get(name).filter(|value| !value.is_empty())
}

/// The number that a variable has, if it is set.
pub(super) fn number(
    get: &impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<u64>, NotANumber> {
    let Some(value) = set(get, name) else { return Ok(None) };
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(NotANumber { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(environment: &[(&str, &str)]) -> Result<Supervisor, SupervisorError> {
        let get = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        read(get, 42)
    }

    #[test]
    fn nothing_is_told_to_a_process_of_a_shell() {
        let told = told(&[]).unwrap();
        assert_eq!((told.notify_socket, told.watchdog), (None, None));
        assert_eq!(told.directories, ServiceDirectories::default());
    }

    #[test]
    fn what_is_for_another_process_is_left_alone() {
        let all = [
            ("NOTIFY_SOCKET", "/run/notify"),
            ("WATCHDOG_USEC", "30000000"),
            ("RUNTIME_DIRECTORY", "/run/other"),
        ];
        for (whose, ours) in [("42", true), ("43", false), ("", false)] {
            let told = told(&[all[0], all[1], all[2], ("SYSTEMD_EXEC_PID", whose)]).unwrap();
            assert_eq!(told.notify_socket.is_some(), ours, "{whose:?}");
            assert_eq!(told.watchdog.is_some(), ours, "{whose:?}");
            assert_eq!(told.directories.runtime.is_some(), ours, "{whose:?}");
        }
    }

    #[test]
    fn a_watchdog_has_a_time_and_a_process() {
        for (time, whose, expected) in [
            ("30000000", "42", Some(30)),
            ("30000000", "43", None),
            ("30000000", "", Some(30)),
            ("0", "42", None),
        ] {
            let told = told(&[("WATCHDOG_USEC", time), ("WATCHDOG_PID", whose)]).unwrap();
            assert_eq!(told.watchdog, expected.map(Duration::from_secs), "{time} {whose}");
        }
        let error = told(&[("WATCHDOG_USEC", "soon")]).unwrap_err();
        assert!(error.to_string().contains("WATCHDOG_USEC is \"soon\""), "{error}");
    }

    #[test]
    fn the_first_directory_of_each_kind_counts() {
        let told = told(&[
            ("RUNTIME_DIRECTORY", "/run/dossierd/ana:/run/more"),
            ("STATE_DIRECTORY", "relative:/var/lib/x"),
            ("CACHE_DIRECTORY", "/var/cache/dossierd/ana"),
        ])
        .unwrap();
        let path = |path: &str| Some(PathBuf::from(path));
        assert_eq!(told.directories.runtime, path("/run/dossierd/ana"));
        assert_eq!(told.directories.state, None);
        assert_eq!(told.directories.cache, path("/var/cache/dossierd/ana"));
    }
}
