//! The daemon's configuration file, `config.yaml`. Missing means defaults; unknown keys are
//! errors that name their line.
//!
//! [`KEYS`] has every key; [`ConfigSource`] puts flags and environment above what the file
//! says; [`Standing`] tells how the file differs from what is in force.

mod effective;
mod keys;
mod limits;
mod log_filter;
mod reading;
mod standing;
mod sync;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::store::{StoreError, document};

pub use crate::watch::BackendChoice;

pub use self::effective::{ConfigSource, Effective, Origin, Overrides};
pub use self::keys::{Applies, KEYS, Key, Takes};
pub use self::limits::Limits;
pub use self::log_filter::{log_directives, log_filter};
pub use self::reading::Problem;
pub use self::standing::Standing;
pub use self::sync::{BatchSize, Format, HttpUrl, Nats, NatsUrl, Sync, TimeoutSeconds, Webhook};

/// More than any configuration needs.
const SIZE_LIMIT: u64 = 64 * 1024;

/// Where the API listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7717);

/// What is logged unless told otherwise.
pub const DEFAULT_LOG: &str = "info";

/// Only this machine may be listened on: a tunnel is the way from elsewhere.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("{text:?} is no ADDRESS:PORT, such as 127.0.0.1:7717"))?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err(format!(
            "{address} is not a loopback address, and only loopback addresses (127.0.0.1, \
             [::1]) can be listened on; use a tunnel to reach it from elsewhere"
        )),
    }
}

/// Whether TCP asks for the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpAuth {
    /// Every request but the public ones.
    #[default]
    Token,
    /// None: every process on the machine can read everything. Loopback only.
    None,
}

impl TcpAuth {
    fn of(name: &str) -> Result<Self, String> {
        match name {
            "token" => Ok(Self::Token),
            "none" => Ok(Self::None),
            _ => Err(format!("{name:?} is no way to ask; use token or none")),
        }
    }

    /// Its name, as a configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::None => "none",
        }
    }
}

/// How files are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    /// `auto`, `inotify` (Linux only) or `notify`.
    pub backend: BackendChoice,
}

/// What `config.yaml` can say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Loopback address and port of the API; port 0 picks one.
    pub listen: Option<SocketAddr>,
    /// Whether TCP asks for the token.
    pub tcp_auth: TcpAuth,
    /// More names that requests may use in `Host`.
    pub allowed_hosts: Vec<String>,
    /// Filter of the log on stderr: `info`, `info,dossierd::watch=debug`.
    pub log: Option<String>,
    /// How files are watched.
    pub watch: Watch,
    /// What clients and projects may take.
    pub limits: Limits,
    /// Where events are delivered to.
    pub sync: Sync,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration cannot be read")]
    Read(#[from] StoreError),
    /// The file that was asked for does not exist.
    #[error("there is no configuration file {path}")]
    Missing {
        /// The file.
        path: String,
    },
    /// The file makes no sense.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// The first that is wrong, at which line, and how much more is.
        message: String,
        /// All that is wrong.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// A file that makes no sense, for these reasons.
    pub fn invalid(path: &Path, problems: Vec<Problem>) -> Self {
        let path = path.display().to_string();
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        let message = match problems.len() {
            0 | 1 => first,
            n => format!("{first} (and {} more; `dossierd config check` lists all)", n - 1),
        };
        Self::Invalid { path, message, problems }
    }
}

impl Config {
    /// Reads the file; the defaults if there is none.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_if_there(path).map(Option::unwrap_or_default)
    }

    /// Reads a file that somebody named, which therefore has to be there.
    pub fn load_named(path: &Path) -> Result<Self, ConfigError> {
        let missing = || ConfigError::Missing { path: path.display().to_string() };
        Self::load_if_there(path)?.ok_or_else(missing)
    }

    fn load_if_there(path: &Path) -> Result<Option<Self>, ConfigError> {
        match load(path)? {
            Some((_, problems)) if !problems.is_empty() => {
                Err(ConfigError::invalid(path, problems))
            }
            found => Ok(found.map(|(reading, _)| reading.config)),
        }
    }
}

/// What the file says and what is wrong with it, if it is there.
fn load(path: &Path) -> Result<Option<(reading::Reading, Vec<Problem>)>, ConfigError> {
    let Some(bytes) = document::read_trusted(path, SIZE_LIMIT)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = "this is not UTF-8 text".to_owned();
        ConfigError::invalid(path, vec![Problem { line: u64::try_from(line).ok(), message }])
    })?;
    let (mut reading, problems) = reading::read(&text);
    reading.config.sync.files_from(path.parent().unwrap_or(Path::new("")));
    Ok(Some((reading, problems)))
}
