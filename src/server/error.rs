//! Why the server could not start, and what a user should know although it did.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is reachable from other machines.
    #[error(
        "{0} is not a loopback address, and dossierd serves this machine only; listen on \
         127.0.0.1 or [::1], and use a tunnel (such as ssh -L) from elsewhere"
    )]
    NotLoopback(SocketAddr),
    /// Another process has the port that was asked for.
    #[error("port {} on {} is in use; choose another one, or 0 to have one picked", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    /// The address can't be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A name of `allowed_hosts` is no host name, with or without a port.
    #[error(
        "{0:?} is no host to allow; give a name or an address, with a port or without, such \
         as dossier.test or dossier.test:8080"
    )]
    AllowedHost(String),
    /// A limit is zero, or above what is allowed.
    #[error("the limit {name} is {value}, but must be between {least} and {most}")]
    Limit {
        /// Its name.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// The least that works.
        least: String,
        /// The most that is allowed, which is the default.
        most: String,
    },
    /// The socket's path is relative or has no parent.
    #[error("the socket path {} must be absolute", .0.display())]
    SocketPath(PathBuf),
    /// The socket's path does not fit a socket address.
    #[error(
        "the socket path {} has {length} bytes, and at most {most} fit; use a shorter runtime \
         directory",
        path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The most that fits on this system.
        most: usize,
    },
    /// The socket's directory does not belong to us alone.
    #[error("the socket's directory {} {why}; use a directory of your own with mode 0700", path.display())]
    SocketDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something that we did not make, or can't replace, is where the socket should be.
    #[error("{} {why}; dossierd does not replace it: remove it, or choose another socket path", path.display())]
    SocketPlanted {
        /// The socket's path.
        path: PathBuf,
        /// What is there.
        why: &'static str,
    },
    /// A server answers at the socket.
    #[error("another server answers at {}; stop it, or choose another socket path", .0.display())]
    SocketInUse(PathBuf),
    /// A listener that the service manager passed is not what it has to be.
    #[error("the listener {name:?} that was passed{} {why}", at(path.as_ref()))]
    Passed {
        /// The name under which it was passed.
        name: &'static str,
        /// Its file, if it has one.
        path: Option<PathBuf>,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The system refused an operation on a listener that was passed.
    #[error("the listener {name:?} that was passed{} cannot be used", at(path.as_ref()))]
    PassedUnusable {
        /// The name under which it was passed.
        name: &'static str,
        /// Its file, if it has one.
        path: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused an operation on the socket or its directory.
    #[error("cannot {doing} {}", path.display())]
    Socket {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The socket's path or its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// ` (PATH)`, for a listener that has one.
fn at(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" ({})", path.display()))
}

/// What a user should be told about a server that did start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The default port was in use, another one was picked.
    PortBusy {
        /// The address that was asked for.
        wanted: SocketAddr,
        /// The address that is served.
        got: SocketAddr,
    },
    /// TCP answers every user and process of this machine without a token.
    NoTcpAuth,
    /// A listener was passed, and it is not at the address that was asked for.
    OtherAddress {
        /// The address that was asked for.
        wanted: SocketAddr,
        /// The address that is served.
        got: SocketAddr,
    },
    /// A listener was passed, and it is not where commands look for it.
    OtherSocket {
        /// Where they look.
        wanted: PathBuf,
        /// Where it is.
        got: PathBuf,
    },
    /// The system allows no sockets of TCP; there is the Unix socket alone.
    NoTcp {
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortBusy { wanted, got } => write!(
                formatter,
                "port {} is in use by another process; serving on {got} instead",
                wanted.port()
            ),
            Self::OtherAddress { wanted, got } => write!(
                formatter,
                "the service manager passed a listener on {got}, which is served; {wanted} is not"
            ),
            Self::OtherSocket { wanted, got } => write!(
                formatter,
                "the service manager passed the socket {}, which is served; commands look for {} \
                 and need --socket {}",
                got.display(),
                wanted.display(),
                got.display()
            ),
            Self::NoTcp { why } => write!(
                formatter,
                "there is no HTTP: the system allows this process no sockets of TCP ({why}); pass \
                 it a listener named http, or lift RestrictAddressFamilies="
            ),
            Self::NoTcpAuth => formatter.write_str(
                "tcp_auth is none: every user and process of this machine can read and change \
                 what dossierd serves; set it to token",
            ),
        }
    }
}
