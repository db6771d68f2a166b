//! Listeners that a service manager passed, taken by their names: `api` for the Unix socket,
//! `http` for TCP.
//!
//! Of each the kind is checked here, and children do not inherit it. Whether it may be served
//! is up to who serves it. The environment counts only if `LISTEN_PID` is this process.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use super::supervisor::NotANumber;
#[cfg(target_os = "linux")]
use super::supervisor::number;

/// What was passed.
#[derive(Debug, Default)]
pub struct PassedSockets {
    /// For the Unix socket.
    pub api: Option<UnixListener>,
    /// For TCP.
    pub http: Option<TcpListener>,
}

/// What was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// Numbers and names do not go together.
    #[error(
        "{count} descriptors were passed with {} names ({names:?}); each needs one of its own: \
         set FileDescriptorName=api or FileDescriptorName=http in the socket's unit",
        .names.len()
    )]
    Names {
        /// How many descriptors.
        count: u64,
        /// Their names.
        names: Vec<String>,
    },
    /// A name that nothing here has.
    #[error(
        "a descriptor was passed under the name {0:?}, and only api and http are known; set \
         FileDescriptorName= in the socket's unit"
    )]
    UnknownName(String),
    /// Two of one name.
    #[error("two descriptors were passed under the name {0}; one ListenStream= for each name")]
    Twice(&'static str),
    /// No listener of the right kind.
    #[error(
        "what was passed under the name {name} is no {kind}; look at ListenStream= of its unit"
    )]
    Kind {
        /// The name.
        name: &'static str,
        /// What it should be.
        kind: &'static str,
        /// What was found.
        source: io::Error,
    },
    /// `LISTEN_PID` or `LISTEN_FDS` make no sense.
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// Descriptors elsewhere than where the protocol has them.
    #[error("LISTEN_FDS_FIRST_FD is set, which is not part of the protocol; unset it")]
    Elsewhere,
    /// launchd does not give what its agent's file names.
    #[error("launchd does not give the socket {name}")]
    Launchd {
        /// Its name in `Sockets`.
        name: &'static str,
        /// What it said.
        source: io::Error,
    },
}

const API: &str = "api";
const HTTP: &str = "http";
const UNIX_KIND: &str = "listener on a Unix stream socket";
const TCP_KIND: &str = "listener on TCP";

impl PassedSockets {
    /// Takes what was passed to this process; `get` reads the environment. Before there are
    /// threads, since it clears the variables that it has read.
    #[cfg(target_os = "linux")]
    pub(super) fn take(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, PassedError> {
        let Some(names) = names(&get, std::process::id())? else { return Ok(Self::default()) };
        let mut passed = Self::default();
        let mut descriptors = listenfd::ListenFd::from_env();
        for (index, name) in names.iter().enumerate() {
            let kind = |name, kind| move |source| PassedError::Kind { name, kind, source };
            match name.as_str() {
                API => {
                    let taken = descriptors.take_unix_listener(index);
                    passed.api = taken.map_err(kind(API, UNIX_KIND))?;
                }
                _ => {
                    let taken = descriptors.take_tcp_listener(index);
                    passed.http = taken.map_err(kind(HTTP, TCP_KIND))?;
                }
            }
        }
        Ok(passed)
    }

    /// Takes what launchd has for this agent, if it is one.
    #[cfg(target_os = "macos")]
    pub(super) fn take(_: impl Fn(&str) -> Option<OsString>) -> Result<Self, PassedError> {
        use rustix::net::AddressFamily;

        let unix = launchd_socket(API, UNIX_KIND, |family| family == AddressFamily::UNIX)?;
        let is_inet = |family| matches!(family, AddressFamily::INET | AddressFamily::INET6);
        let tcp = launchd_socket(HTTP, TCP_KIND, is_inet)?;
        Ok(Self { api: unix.map(UnixListener::from), http: tcp.map(TcpListener::from) })
    }

    /// No manager of this system passes any.
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    pub(super) fn take(_: impl Fn(&str) -> Option<OsString>) -> Result<Self, PassedError> {
        Ok(Self::default())
    }
}

/// The one socket of this name, if the agent's file has it, and of the right kind.
#[cfg(target_os = "macos")]
fn launchd_socket(
    name: &'static str,
    kind: &'static str,
    is_right: impl Fn(rustix::net::AddressFamily) -> bool,
) -> Result<Option<std::os::fd::OwnedFd>, PassedError> {
    use rustix::net::{SocketType, getsockname, sockopt};

    let failed = |source| PassedError::Launchd { name, source };
    let mut sockets = super::launchd::activate(name).map_err(failed)?;
    let socket = sockets.pop();
    if !sockets.is_empty() {
        return Err(PassedError::Twice(name));
    }
    let Some(socket) = socket else { return Ok(None) };
    let wrong = |source| PassedError::Kind { name, kind, source };
    let socket_type = sockopt::socket_type(&socket).map_err(|errno| wrong(errno.into()))?;
    let address = getsockname(&socket).map_err(|errno| wrong(errno.into()))?;
    if socket_type != SocketType::STREAM || !is_right(address.address_family()) {
        return Err(wrong(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)
        .map_err(|errno| failed(errno.into()))?;
    Ok(Some(socket))
}

/// The names of what was passed to the process `pid`, in order, all of them known and none
/// twice; `None` if nothing was passed to it.
#[cfg(target_os = "linux")]
fn names(
    get: &impl Fn(&str) -> Option<OsString>,
    pid: u32,
) -> Result<Option<Vec<String>>, PassedError> {
    if number(get, "LISTEN_PID")? != Some(u64::from(pid)) {
        return Ok(None);
    }
    let Some(count) = number(get, "LISTEN_FDS")?.filter(|count| *count > 0) else {
        return Ok(None);
    };
    if get("LISTEN_FDS_FIRST_FD").is_some() {
        return Err(PassedError::Elsewhere);
    }
    let all = get("LISTEN_FDNAMES").unwrap_or_default();
    let all = all.to_string_lossy();
    let names: Vec<String> =
        all.split(':').filter(|_| !all.is_empty()).map(str::to_owned).collect();
    if names.len() as u64 != count {
        return Err(PassedError::Names { count, names });
    }
    if let Some(unknown) = names.iter().find(|name| ![API, HTTP].contains(&name.as_str())) {
        return Err(PassedError::UnknownName(unknown.clone()));
    }
    for name in [API, HTTP] {
        if names.iter().filter(|given| *given == name).count() > 1 {
            return Err(PassedError::Twice(name));
        }
    }
    Ok(Some(names))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn names_in(environment: &[(&str, &str)]) -> Result<Option<Vec<String>>, PassedError> {
        let get = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        names(&get, 42)
    }

    #[test]
    fn only_what_is_passed_to_this_process_counts() {
        let passed = |pid| [("LISTEN_PID", pid), ("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "api")];
        assert_eq!(names_in(&passed("42")).unwrap(), Some(vec!["api".to_owned()]));
        assert_eq!(names_in(&passed("43")).unwrap(), None);
        assert_eq!(names_in(&passed("42")[1..]).unwrap(), None, "no LISTEN_PID");
        assert_eq!(names_in(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "0")]).unwrap(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (pid, count, names, words) in [
            ("us", "1", "api", "LISTEN_PID is \"us\""),
            ("42", "many", "api", "LISTEN_FDS is \"many\""),
            ("42", "1", "", "1 descriptors were passed with 0 names"),
            ("42", "2", "api", "2 descriptors were passed with 1 names"),
            ("42", "9999999999", "api", "with 1 names"),
            ("42", "1", "dossierd.socket", "\"dossierd.socket\", and only api and http"),
            ("42", "2", "http:http", "two descriptors were passed under the name http"),
        ] {
            let environment =
                [("LISTEN_PID", pid), ("LISTEN_FDS", count), ("LISTEN_FDNAMES", names)];
            let error = names_in(&environment).expect_err(words);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
