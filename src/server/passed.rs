//! Listeners that somebody else made: a service manager that keeps them while we do not run.
//!
//! Nothing about them is taken on trust: a listener that others could reach, or that is not
//! one at all, is refused with what it is and what should be changed. What passes is used as
//! it is; its socket file is not ours, and stays when we end.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

use super::error::ServerError;

/// What was passed; what is missing is bound as usual.
#[derive(Debug, Default)]
pub struct PassedListeners {
    /// For the Unix socket.
    #[cfg(unix)]
    pub unix: Option<UnixListener>,
    /// For TCP.
    pub tcp: Option<TcpListener>,
}

impl PassedListeners {
    /// The path of the Unix socket, if one was passed and has one.
    pub fn path(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        return Some(self.unix.as_ref()?.local_addr().ok()?.as_pathname()?.to_owned());
        #[cfg(not(unix))]
        None
    }
}

/// A passed listener on TCP, made ready, with its address.
pub(super) fn check_tcp(listener: TcpListener) -> Result<(TcpListener, SocketAddr), ServerError> {
    let passed = Passed { name: "http", path: None };
    let address = listener.local_addr().map_err(|error| passed.unusable(error))?;
    if !address.ip().is_loopback() {
        return Err(ServerError::NotLoopback(address));
    }
    #[cfg(unix)]
    passed.check_listening(&listener)?;
    #[cfg(unix)]
    passed.check_alone(&listener)?;
    listener.set_nonblocking(true).map_err(|error| passed.unusable(error))?;
    Ok((listener, address))
}

/// A passed listener on a Unix socket, made ready, with the path of its file, which only we
/// and root can reach.
#[cfg(unix)]
pub(super) fn check_unix(listener: UnixListener) -> Result<(UnixListener, PathBuf), ServerError> {
    let mut passed = Passed { name: "api", path: None };
    let address = listener.local_addr().map_err(|error| passed.unusable(error))?;
    let path = address.as_pathname().filter(|path| path.is_absolute());
    let path = path
        .ok_or_else(|| passed.refused("has no absolute path; pass one with ListenStream=/PATH"))?;
    passed.path = Some(path.to_owned());
    passed.check_listening(&listener)?;
    passed.check_file(path)?;
    listener.set_nonblocking(true).map_err(|error| passed.unusable(error))?;
    Ok((listener, path.to_owned()))
}

/// What an error says of a listener.
struct Passed {
    name: &'static str,
    path: Option<PathBuf>,
}

impl Passed {
    /// The directory must be closed to others' writing, and the socket to others altogether.
    /// Both are ours or root's: a system's manager makes them as root, and may leave them so.
    #[cfg(unix)]
    fn check_file(&self, path: &Path) -> Result<(), ServerError> {
        use rustix::fs::{FileType, Mode, lstat};

        let look = |path: &Path| lstat(path).map_err(|errno| self.unusable(errno.into()));
        let trusted = |uid: u32| uid == 0 || uid == rustix::process::geteuid().as_raw();
        let directory = look(path.parent().unwrap_or(Path::new("/")))?;
        let file = look(path)?;
        let kind = |stat: &rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode);
        let is_open = |stat: &rustix::fs::Stat, bits: Mode| {
            Mode::from_raw_mode(stat.st_mode).intersects(bits)
        };
        let faults = [
            (
                kind(&directory) != FileType::Directory,
                "is reached through a link; pass a path without one",
            ),
            (!trusted(directory.st_uid), "is in a directory of another user"),
            (
                is_open(&directory, Mode::WGRP | Mode::WOTH),
                "is in a directory that others can write in; use one with mode 0700",
            ),
            (kind(&file) != FileType::Socket, "is no socket any more; start its unit again"),
            (!trusted(file.st_uid), "belongs to another user; set SocketUser="),
            (
                is_open(&file, Mode::RWXG | Mode::RWXO),
                "is open to other users; set SocketMode=0600",
            ),
        ];
        match faults.into_iter().find(|(is_so, _)| *is_so) {
            Some((_, why)) => Err(self.refused(why)),
            None => Ok(()),
        }
    }

    /// Does it listen? A connected or a merely bound socket has the same type.
    #[cfg(target_os = "linux")]
    fn check_listening(&self, listener: impl std::os::fd::AsFd) -> Result<(), ServerError> {
        match rustix::net::sockopt::socket_acceptconn(listener) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused("is bound, but nobody listens on it")),
            Err(errno) => Err(self.unusable(errno.into())),
        }
    }

    /// Not every system can be asked; launchd passes nothing else.
    #[cfg(all(unix, not(target_os = "linux")))]
    fn check_listening(&self, _: impl std::os::fd::AsFd) -> Result<(), ServerError> {
        Ok(())
    }

    /// Is it the only one at its address? With `SO_REUSEPORT` any other process of this user
    /// could listen there too, and get some of the connections and their tokens.
    #[cfg(target_os = "linux")]
    fn check_alone(&self, listener: impl std::os::fd::AsFd) -> Result<(), ServerError> {
        match rustix::net::sockopt::socket_reuseport(listener) {
            Ok(false) => Ok(()),
            Ok(true) => Err(self.refused(
                "shares its port with whoever asks (SO_REUSEPORT); set ReusePort=no in the socket unit",
            )),
            Err(errno) => Err(self.unusable(errno.into())),
        }
    }

    /// What launchd sets cannot be changed in its file.
    #[cfg(all(unix, not(target_os = "linux")))]
    fn check_alone(&self, _: impl std::os::fd::AsFd) -> Result<(), ServerError> {
        Ok(())
    }

    fn refused(&self, why: &'static str) -> ServerError {
        ServerError::Passed { name: self.name, path: self.path.clone(), why }
    }

    fn unusable(&self, source: io::Error) -> ServerError {
        ServerError::PassedUnusable { name: self.name, path: self.path.clone(), source }
    }
}

/// Does the system let us make no sockets of TCP at all, wherever they would be bound? A
/// service without a network is meant to be one.
#[cfg(unix)]
pub(super) fn tcp_is_forbidden() -> Option<io::Error> {
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType, socket};

    match socket(AddressFamily::INET, SocketType::STREAM, None) {
        Err(errno @ (Errno::AFNOSUPPORT | Errno::PERM | Errno::ACCESS)) => Some(errno.into()),
        _ => None,
    }
}

/// There is no other transport here.
#[cfg(not(unix))]
pub(super) fn tcp_is_forbidden() -> Option<io::Error> {
    None
}
