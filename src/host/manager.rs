//! The way to the service manager: one datagram for each thing it is told (sd_notify(3)).
//!
//! Whoever started us without asking for this is told nothing. A message that cannot be sent
//! is a warning, once: a daemon that works is better than none. The address stays in here and
//! is passed on to nobody. After [`Manager::stopping`] nothing else is said.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long a message may wait for a manager that does not read.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest text of a status, in bytes.
const STATUS_BYTES: usize = 400;

/// A service manager that wants to be told how we are, or none. Cheap to clone; any thread
/// may tell.
#[derive(Debug, Clone, Default)]
pub struct Manager(Option<Arc<Channel>>);

#[derive(Debug)]
struct Channel {
    socket: UnixDatagram,
    has_warned: AtomicBool,
    is_stopping: AtomicBool,
    /// That everything works could not be said yet.
    owes_ready: AtomicBool,
}

/// The service manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
#[error(
    "the service manager cannot be told how the daemon is ({why}), at NOTIFY_SOCKET={address:?}"
)]
pub struct NotifyError {
    address: OsString,
    why: String,
}

impl Manager {
    /// The one that listens at this value of `NOTIFY_SOCKET`: an absolute path, or a name
    /// after `@` in the abstract namespace of Linux.
    pub fn at(address: &OsStr) -> Result<Self, NotifyError> {
        let failed = |why: String| NotifyError { address: address.to_owned(), why };
        let target = match address.as_bytes() {
            [b'@', name @ ..] => abstract_address(name),
            [b'/', ..] => SocketAddr::from_pathname(Path::new(address)),
            _ => return Err(failed("it is neither a path nor an abstract name".into())),
        };
        let connect = |target: SocketAddr| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&target)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(socket)
        };
        let socket =
            target.and_then(connect).map_err(|error: io::Error| failed(error.to_string()))?;
        Ok(Self(Some(Arc::new(Channel {
            socket,
            has_warned: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            owes_ready: AtomicBool::new(false),
        }))))
    }

    /// Is there one at all?
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Everything works: after a start, and after each [`Manager::reloading`].
    pub fn ready(&self) {
        let Some(channel) = &self.0 else { return };
        let is_told = self.tell("READY=1");
        channel.owes_ready.store(!is_told, Ordering::Release);
    }

    /// Says what could not be said before, if there is something.
    pub fn catch_up(&self) {
        if self.0.as_ref().is_some_and(|channel| channel.owes_ready.load(Ordering::Acquire)) {
            self.ready();
        }
    }

    /// What we do, in a line for people.
    pub fn status(&self, text: &str) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let end = line.floor_char_boundary(STATUS_BYTES);
        self.tell(&format!("STATUS={}", &line[..end]));
    }

    /// The configuration is being read again; [`Manager::ready`] has to follow.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping");
        if let Some(channel) = &self.0 {
            channel.is_stopping.store(true, Ordering::Release);
        }
    }

    /// What is under way takes longer; without another word within `time` it has failed.
    pub fn extend(&self, time: Duration) {
        self.tell(&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros()));
    }

    /// A sign of life, for its watchdog.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// Was it said, or nothing more to be said?
    fn tell(&self, message: &str) -> bool {
        let Some(channel) = self.0.as_deref() else { return true };
        if channel.is_stopping.load(Ordering::Acquire) {
            return true;
        }
        let Err(error) = channel.socket.send(message.as_bytes()) else { return true };
        if !channel.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "the service manager cannot be told how the daemon is");
        }
        false
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no abstract names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager that listens at an address of this form, and what tells it.
    fn pair(dir: &Path) -> (UnixDatagram, Manager) {
        let path = dir.join("notify");
        let listener = UnixDatagram::bind(&path).expect("binds");
        listener.set_read_timeout(Some(Duration::from_secs(10))).expect("is set");
        (listener, Manager::at(path.as_os_str()).expect("is there"))
    }

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let length = listener.recv(&mut buffer).expect("a message");
        String::from_utf8(buffer[..length].to_vec()).expect("is text")
    }

    #[test]
    fn each_thing_is_one_message_and_nothing_follows_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let (listener, manager) = pair(dir.path());
        manager.status("two\nlines \u{1b}[31m");
        manager.ready();
        manager.extend(Duration::from_secs(2));
        manager.alive();
        manager.reloading();
        manager.stopping();
        manager.alive();
        assert_eq!(heard(&listener), "STATUS=two lines  [31m");
        assert_eq!(heard(&listener), "READY=1");
        assert_eq!(heard(&listener), "EXTEND_TIMEOUT_USEC=2000000");
        assert_eq!(heard(&listener), "WATCHDOG=1");
        let reloading = heard(&listener);
        let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("reloading");
        assert!(micros.parse::<u64>().expect("a number") > 0);
        assert_eq!(heard(&listener), "STOPPING=1\nSTATUS=stopping");
        listener.set_nonblocking(true).expect("is set");
        assert!(listener.recv(&mut [0; 8]).is_err(), "something was said after the end");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_names_are_addresses_too() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("dossierd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let listener = UnixDatagram::bind_addr(&address).expect("binds");
        let manager = Manager::at(OsStr::new(&format!("@{name}"))).expect("is there");
        manager.ready();
        assert_eq!(heard(&listener), "READY=1");
    }

    #[test]
    fn that_it_is_ready_is_said_later_to_a_manager_that_was_too_busy() {
        let dir = tempfile::tempdir().expect("a directory");
        let (listener, manager) = pair(dir.path());
        let channel = manager.0.as_ref().expect("is there");
        channel.socket.set_nonblocking(true).expect("is set");
        while manager.tell("STATUS=busy") {}
        manager.ready();
        listener.set_nonblocking(true).expect("is set");
        while listener.recv(&mut [0; 64]).is_ok() {}
        listener.set_nonblocking(false).expect("is set");
        manager.catch_up();
        manager.catch_up();
        manager.alive();
        assert_eq!(
            (heard(&listener).as_str(), heard(&listener).as_str()),
            ("READY=1", "WATCHDOG=1")
        );
    }

    #[test]
    fn what_cannot_be_told_says_why_and_is_no_failure_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let nowhere = dir.path().join("nowhere");
        for (address, words) in
            [("relative", "neither a path"), ("vsock:2:1", "neither"), ("", "neither")]
        {
            let error = Manager::at(OsStr::new(address)).expect_err(address);
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = Manager::at(nowhere.as_os_str()).expect_err("nobody listens");
        assert!(error.to_string().contains("NOTIFY_SOCKET"), "{error}");
        let (listener, manager) = pair(dir.path());
        drop(listener);
        manager.ready();
        manager.alive();
        Manager::default().ready();
    }
}
