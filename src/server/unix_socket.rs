//! Listening on a Unix socket that only its owner can reach.
//!
//! The caller holds the lock of the single instance, so nobody else of ours is starting.
//! Steps, in this order: the directory must be ours and closed to writers; what is at the
//! path is replaced only if it is a socket of ours that refuses a connection; the new socket
//! gets mode 0600 before it listens, and is looked at again before it is used. The process's
//! umask is left alone: it would change what other threads create. The socket file is removed
//! when this is dropped, if it is still the one we made.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::geteuid;

use super::error::ServerError;

/// The longest path of a socket address, without the NUL that ends it (`sun_path`).
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// Connections that wait to be accepted: as many as may be open, so that all can come at once.
const BACKLOG: i32 = 256;

/// A listening socket and its file.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket we made; removed on drop if it still is that one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Listens at `path`, an absolute path in a directory of ours. The listener is non-blocking.
pub fn bind_unix(path: &Path) -> Result<UnixSocket, ServerError> {
    let directory = check_path(path)?;
    check_directory(directory)?;
    clear_stale(path)?;
    let io = |doing| move |errno: Errno| failed(doing, path, errno);
    let socket = stream_socket().map_err(io("make a socket for"))?;
    let address = SocketAddrUnix::new(path).map_err(io("address"))?;
    let mode = Mode::RUSR | Mode::WUSR;
    // On Linux the file gets the mode that the socket has when it is bound; elsewhere this
    // does nothing or fails, and the next step is the one that counts.
    let _ = rustix::fs::fchmod(&socket, mode);
    rustix::net::bind(&socket, &address).map_err(io("bind"))?;
    let file = SocketFile { path: path.to_owned(), identity: identity(&look_at(path)?) };
    rustix::fs::chmod(path, mode).map_err(io("set the mode of"))?;
    verify(path, &file)?;
    rustix::net::listen(&socket, BACKLOG).map_err(io("listen at"))?;
    Ok(UnixSocket { listener: UnixListener::from(socket), file })
}

impl UnixSocket {
    /// The listener, and the file to be dropped when no more connections are wanted.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = rustix::fs::lstat(&self.path).is_ok_and(|stat| identity(&stat) == self.identity);
        if ours && let Err(errno) = rustix::fs::unlink(&self.path) {
            tracing::warn!(%errno, "the socket could not be removed; the next start replaces it");
        }
    }
}

/// An absolute path that fits; returns its directory.
fn check_path(path: &Path) -> Result<&Path, ServerError> {
    let length = path.as_os_str().as_bytes().len();
    if length > LONGEST_PATH {
        return Err(ServerError::SocketPathTooLong {
            path: path.to_owned(),
            length,
            most: LONGEST_PATH,
        });
    }
    match path.parent() {
        Some(directory) if path.is_absolute() && path.file_name().is_some() => Ok(directory),
        _ => Err(ServerError::SocketPath(path.to_owned())),
    }
}

/// Whoever can write to the directory can replace the socket, so only we may.
fn check_directory(directory: &Path) -> Result<(), ServerError> {
    let stat = rustix::fs::lstat(directory)
        .map_err(|errno| failed("look at the socket's directory", directory, errno))?;
    let refuse = |why| Err(ServerError::SocketDirectory { path: directory.to_owned(), why });
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return refuse("is no directory (a link to one does not count)");
    }
    if stat.st_uid != geteuid().as_raw() {
        return refuse("belongs to another user");
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return refuse("can be written by others");
    }
    Ok(())
}

/// Removes a socket that a killed daemon of ours left behind, and nothing else.
fn clear_stale(path: &Path) -> Result<(), ServerError> {
    let stat = match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed("look at", path, errno)),
        Ok(stat) => stat,
    };
    let refuse = |why| Err(ServerError::SocketPlanted { path: path.to_owned(), why });
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => {}
        FileType::Symlink => return refuse("is a symbolic link"),
        FileType::Directory => return refuse("is a directory"),
        _ => return refuse("exists and is no socket"),
    }
    if stat.st_uid != geteuid().as_raw() {
        return refuse("is a socket of another user");
    }
    match probe(path) {
        // The one answer that says that nobody listens.
        Err(Errno::CONNREFUSED) => {}
        Ok(()) | Err(Errno::AGAIN) => return Err(ServerError::SocketInUse(path.to_owned())),
        Err(errno) => return Err(failed("probe", path, errno)),
    }
    rustix::fs::unlink(path).map_err(|errno| failed("remove the stale socket", path, errno))
}

/// Connects without waiting: a full backlog (`EAGAIN`) means that someone listens.
fn probe(path: &Path) -> Result<(), Errno> {
    rustix::net::connect(stream_socket()?, &SocketAddrUnix::new(path)?)
}

/// What we listen at must be our socket with mode 0600, whatever happened in between.
fn verify(path: &Path, file: &SocketFile) -> Result<(), ServerError> {
    let stat = look_at(path)?;
    let private = Mode::from_raw_mode(stat.st_mode) == Mode::RUSR | Mode::WUSR;
    let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
    let same = identity(&stat) == file.identity && stat.st_uid == geteuid().as_raw();
    if private && is_socket && same {
        return Ok(());
    }
    let why = "did not become a private socket of ours";
    Err(ServerError::SocketPlanted { path: path.to_owned(), why })
}

/// Do both paths lead to the same file?
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity_of = |path: &Path| rustix::fs::lstat(path).ok().map(|stat| identity(&stat));
    one == other || identity_of(one).is_some_and(|one| Some(one) == identity_of(other))
}

fn look_at(path: &Path) -> Result<Stat, ServerError> {
    rustix::fs::lstat(path).map_err(|errno| failed("look at", path, errno))
}

/// Device and inode; their types differ between systems.
#[allow(clippy::unnecessary_cast)]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// A non-blocking stream socket that child processes don't inherit.
#[cfg(not(target_vendor = "apple"))]
fn stream_socket() -> Result<OwnedFd, Errno> {
    use rustix::net::SocketFlags;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// A non-blocking stream socket that child processes don't inherit. This system has no flags
/// for that at creation.
#[cfg(target_vendor = "apple")]
fn stream_socket() -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

fn failed(doing: &'static str, path: &Path, errno: Errno) -> ServerError {
    ServerError::Socket { doing, path: path.to_owned(), source: io::Error::from(errno) }
}
